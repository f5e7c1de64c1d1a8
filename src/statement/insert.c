/*
 * insertion.c
 *		Where the values of a new row come from.
 *
 * A column that an INSERT, MERGE or COPY does not name, or gives as DEFAULT,
 * has the default of the table that the statement names (or the subscription
 * does): not that of the partition which the row is routed to.  Row triggers
 * are told neither.
 *
 * BEFORE finds the node of the plan that it was called by, and what that says
 * of the row in its hands.  AFTER is not told which of a statement's nodes a
 * row came from: it takes all that may have brought it.  Where their answers
 * differ, from each other or from row to row, BEFORE remembers which columns
 * of a row took their default (guard.c).
 *
 * DEFAULT and OVERRIDING USER VALUE are gone when a statement is executed:
 * the rewriter has put the default's expression in their place, and counts the
 * column as named.  So an expression that equals the default is the default.
 */
#include "base.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "commands/copy.h"
#include "commands/copyfrom_internal.h"
#include "compat.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * Views
 */

/* Is a view's column, by way of views below it, that column of the table? */
static bool
leads_to(Relation view, AttrNumber from, Oid relid, AttrNumber attnum)
{
	Query *query = get_view_query(view);
	TargetEntry *target = get_tle_by_resno(query->targetList, from);
	Var *var = target == NULL ? NULL : (Var *) target->expr;
	RangeTblEntry *rte;
	Relation below;
	bool leads;

	if (var == NULL || !IsA(var, Var))
		return false;
	rte = rt_fetch(var->varno, query->rtable);
	if (rte->relid == relid)
		return var->varattno == attnum;
	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
		return false;
	below = relation_open(rte->relid, AccessShareLock);
	leads = leads_to(below, var->varattno, relid, attnum);
	relation_close(below, AccessShareLock);
	return leads;
}

/*
 * Does a view that the statement inserts through have a default of its own for
 * the column?  PostgreSQL does not count such a column as named, but whoever
 * made the view chose the value, and anybody may make one.
 */
static bool
insert_plan_view_has_default(PlannedStmt *statement, Oid relid, AttrNumber attnum)
{
	bool has = false;
	ListCell *lc;

	foreach(lc, statement->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		Relation view;

		if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
			continue;
		view = relation_open(rte->relid, AccessShareLock);
		for (int i = 0; i < RelationGetNumberOfAttributes(view) && !has; i++)
			has = TupleDescAttr(RelationGetDescr(view), i)->atthasdef &&
				  leads_to(view, i + 1, relid, attnum);
		relation_close(view, AccessShareLock);
	}
	return has;
}

/*
 * What plans say
 */

static Naming
insert_plan_combine(Naming a, Naming b)
{
	return a == b ? a : NAMED_BY_ROW;
}

/* Do the plan's rows have the default in a column? */
static Naming
insert_plan_naming(const Plan *plan, AttrNumber resno, const Expr *standard)
{
	TargetEntry *target = get_tle_by_resno(plan->targetlist, resno);
	const Var *var;
	Naming naming = NAMED_YES;
	bool first = true;
	ListCell *lc;

	if (target == NULL)
		return NAMED_YES;
	if (equal(target->expr, standard))
		return NAMED_NO;
	if (!IsA(target->expr, Var))
		return NAMED_YES;
	var = (const Var *) target->expr;
	if (IsA(plan, Append))
	{
		foreach(lc, ((const Append *) plan)->appendplans)
		{
			Naming one = insert_plan_naming(lfirst(lc), resno, standard);

			naming = first ? one : insert_plan_combine(naming, one);
			first = false;
		}
		return naming;
	}
	if (IsA(plan, SubqueryScan) && var->varno == (int) ((const SubqueryScan *) plan)->scan.scanrelid)
		return insert_plan_naming(((const SubqueryScan *) plan)->subplan, var->varattno, standard);
	if (IsA(plan, ValuesScan) && var->varno == (int) ((const ValuesScan *) plan)->scan.scanrelid)
	{
		foreach(lc, ((const ValuesScan *) plan)->values_lists)
		{
			Naming one =
				equal(list_nth(lfirst(lc), var->varattno - 1), standard) ? NAMED_NO : NAMED_YES;

			naming = first ? one : insert_plan_combine(naming, one);
			first = false;
		}
		return naming;
	}
	if (var->varno == OUTER_VAR && outerPlan(plan) != NULL)
		return insert_plan_naming(outerPlan(plan), var->varattno, standard);
	return NAMED_YES;
}

/* Has the row that the node has just returned the default in a column? */
static bool
insert_plan_row_has_default(PlanState *node, AttrNumber resno, const Expr *standard)
{
	TargetEntry *target = get_tle_by_resno(node->plan->targetlist, resno);
	const Var *var;

	if (target == NULL)
		return false;
	if (equal(target->expr, standard))
		return true;
	if (!IsA(target->expr, Var))
		return false;
	var = (const Var *) target->expr;
	if (IsA(node, SubqueryScanState))
		return insert_plan_row_has_default(((SubqueryScanState *) node)->subplan, var->varattno,
										   standard);
	if (IsA(node, ValuesScanState))
	{
		ValuesScanState *values = (ValuesScanState *) node;

		return values->curr_idx >= 0 && values->curr_idx < values->array_len &&
			   equal(list_nth(values->exprlists[values->curr_idx], var->varattno - 1), standard);
	}
	/* others than these may have taken further rows already */
	if ((IsA(node, ResultState) || IsA(node, ProjectSetState)) && var->varno == OUTER_VAR &&
		outerPlanState(node) != NULL)
		return insert_plan_row_has_default(outerPlanState(node), var->varattno, standard);
	return false;
}

/* Do the actions of a MERGE that insert give the column its default? */
static Naming
insert_plan_merge_naming(const ModifyTable *plan, AttrNumber attnum, const Expr *standard)
{
	Naming naming = NAMED_NO;
	bool first = true;
	ListCell *lc;

	foreach(lc, (List *) linitial(plan->mergeActionLists))
	{
		MergeAction *action = lfirst_node(MergeAction, lc);
		TargetEntry *target;
		Naming one;

		if (action->commandType != CMD_INSERT)
			continue;
		target = get_tle_by_resno(action->targetList, attnum);
		one = target != NULL && equal(target->expr, standard) ? NAMED_NO : NAMED_YES;
		naming = first ? one : insert_plan_combine(naming, one);
		first = false;
	}
	return naming;
}

/*
 * Has the row that a MERGE is inserting the default in a column?  The action
 * is the first whose condition holds: it is asked again, if it must give the
 * same answer.
 */
static bool
insert_plan_merge_row_has_default(ModifyTableState *node, AttrNumber attnum, const Expr *standard)
{
	ExprContext *econtext = node->ps.ps_ExprContext;
	ListCell *lc;

	foreach(lc, compat_not_matched_actions(node->resultRelInfo))
	{
		MergeActionState *state = lfirst(lc);
		MergeAction *action = state->mas_action;
		TargetEntry *target;

		if (action->qual != NULL &&
			(contain_volatile_functions(action->qual) || contain_subplans(action->qual)))
			return false;
		if (!ExecQual(state->mas_whenqual, econtext))
			continue;
		target = get_tle_by_resno(action->targetList, attnum);
		return target != NULL && equal(target->expr, standard);
	}
	return false;
}

/*
 * Sources
 */

/* The range-table index of the table that a node names. */
static Index
insert_plan_target(const ModifyTable *plan)
{
	return plan->rootRelation > 0 ? plan->rootRelation : (Index) linitial_int(plan->resultRelations);
}

/* The place of a table in the chain from the relation to its root; -1: none. */
static int
insert_plan_level(const RelationMap *map, Oid relid)
{
	int level = 1;
	ListCell *lc;

	if (relid == map->relid)
		return 0;
	if (map->routed)
	{
		foreach(lc, map->ancestors)
		{
			if (lfirst_oid(lc) == relid)
				return level;
			level++;
		}
	}
	return -1;
}

static bool
insert_plan_inserts(const ModifyTable *plan)
{
	ListCell *lc;

	if (plan->operation == CMD_MERGE)
	{
		foreach(lc, (List *) linitial(plan->mergeActionLists))
		{
			if (lfirst_node(MergeAction, lc)->commandType == CMD_INSERT)
				return true;
		}
	}
	return plan->operation == CMD_INSERT;
}

static void
add_source(Insertion *insertion, int level, ModifyTable *plan)
{
	InsertSource *source;

	if (insertion->nsources == 0)
		insertion->sources = &insertion->first;
	else if (insertion->nsources == 1)
	{
		insertion->sources = palloc(sizeof(InsertSource));
		*insertion->sources = insertion->first;
	}
	if (insertion->nsources > 0)
		insertion->sources =
			repalloc(insertion->sources, (insertion->nsources + 1) * sizeof(InsertSource));
	source = &insertion->sources[insertion->nsources++];
	memset(source, 0, sizeof(InsertSource));
	source->level = Max(level, 0);
	source->plan = plan;
}

/* All nodes of the running statement that may bring new rows of the relation. */
static void
add_plans(Insertion *insertion, const RelationMap *map, PlannedStmt *statement)
{
	for (int i = -1; i < list_length(statement->subplans); i++)
	{
		ModifyTable *plan = i < 0 ? (ModifyTable *) statement->planTree
								  : (ModifyTable *) list_nth(statement->subplans, i);
		int level;

		if (plan == NULL || !IsA(plan, ModifyTable) || !insert_plan_inserts(plan))
			continue;
		level = insert_plan_level(map, rt_fetch(insert_plan_target(plan), statement->rtable)->relid);
		if (level >= 0)
			add_source(insertion, level, plan);
	}
}

/*
 * The table that a stream names is one of the subscription's.  Where several
 * of the chain are, the apply worker tells in its error context.
 */
static int
stream_level(const RelationMap *map)
{
	int found = -1;
	int several = 0;
	char *context;

	if (!map->defaults_differ || !IsLogicalWorker() || MySubscription == NULL)
		return 0;
	for (int level = 0; level <= list_length(map->ancestors); level++)
	{
		Oid relid = level == 0 ? map->relid : list_nth_oid(map->ancestors, level - 1);

		if (!SearchSysCacheExists2(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(relid),
								   ObjectIdGetDatum(MySubscription->oid)))
			continue;
		found = level;
		several++;
	}
	if (several <= 1)
		return found;
	context = statement_error_context();
	for (int level = 0; context != NULL && level <= list_length(map->ancestors); level++)
	{
		Oid relid = level == 0 ? map->relid : list_nth_oid(map->ancestors, level - 1);
		char *name = get_rel_name(relid);

		if (name != NULL &&
			strstr(context, psprintf("replication target relation \"%s.%s\"",
									 get_namespace_name(get_rel_namespace(relid)), name)) != NULL)
			found = level;
	}
	return found;
}

/*
 * What brings new rows of the relation.  node: the one that brings the row that
 * BEFORE is called for, if there is one; before: such a row there is.
 */
void
insertion_find(Insertion *insertion, const RelationMap *map, ModifyTableState *node, bool before)
{
	PlannedStmt *statement = statement_planned();

	memset(insertion, 0, sizeof(Insertion));
	insertion->of = map->loaded;
	insertion->before = before;
	insertion->copy_statement = statement_copy(map);
	if (insertion->copy_statement != NULL || statement == NULL)
	{
		insertion->copy = statement_copying(map);
		if (insertion->copy != NULL)
			add_source(insertion, insert_plan_level(map, RelationGetRelid(insertion->copy->rel)), NULL);
		else if (insertion->copy_statement != NULL)
			add_source(insertion, insert_plan_level(map, statement_copied()), NULL);
		else
			add_source(insertion, stream_level(map), NULL);
		insertion->stream = insertion->copy_statement == NULL && insertion->copy == NULL;
		return;
	}
	insertion->statement = statement;
	add_plans(insertion, map, statement);
	insertion->several = insertion->nsources > 1;
	if (node != NULL)
	{
		ModifyTable *plan = (ModifyTable *) node->ps.plan;
		Oid named = rt_fetch(insert_plan_target(plan), statement->rtable)->relid;

		insertion->node = node;
		insertion->nsources = 0;
		add_source(insertion, insert_plan_level(map, named), plan);
	}
	else if (insertion->nsources == 0)
	{
		/* a statement within the one that loads the library */
		if (statement_key() == NULL)
			insertion->blind = true;
		add_source(insertion, 0, NULL);
	}
}

/*
 * What brings the row that a trigger is called for; found once for a
 * statement, unless the map changes.
 */
static const Insertion *
found(const NewRow *new)
{
	Insertion *insertion = new->insertion;
	const RelationMap *map = new->map;
	bool before = TRIGGER_FIRED_BEFORE(new->td->tg_event);
	QueryDesc *query = statement_query();
	MemoryContext old;

	if (likely(insertion->of == map->loaded))
		return insertion;
	old = MemoryContextSwitchTo(new->cxt);
	insertion_find(insertion, map,
				   before && query != NULL ? statement_node(query, new->td->tg_trigger) : NULL,
				   before);
	for (int i = 0; i < insertion->nsources && insertion->statement != NULL; i++)
		insertion->sources[i].naming = palloc0((map->ncols + map->nothers + 1) * sizeof(Naming));
	MemoryContextSwitchTo(old);
	return insertion;
}

/* Does the value alone tell a write of the column, whatever brings the row? */
static bool
value_tells(const RelationMap *map, const MappedColumn *col)
{
	return !map->defaults_differ && col->defaults->constant;
}

/* The default that stands in for a value of the row that BEFORE is called for. */
const ColumnDefault *
insertion_default(const NewRow *new, const MappedColumn *col)
{
	return &col->defaults[new->map->defaults_differ ? found(new)->sources[0].level : 0];
}

/*
 * Naming
 */

static Naming
copy_naming(const Insertion *insertion, const MappedColumn *col)
{
	CopyStmt *copy = insertion->copy_statement;
	bool named;
	ListCell *lc;

	if (copy == NULL)
		return list_member_int(insertion->copy->attnumlist,
							   get_attnum(RelationGetRelid(insertion->copy->rel), col->name))
				   ? NAMED_YES
				   : NAMED_NO;
	named = copy->attlist == NIL;
	foreach(lc, copy->attlist)
		named |= strcmp(strVal(lfirst(lc)), col->name) == 0;
	if (!named || !copy->is_from)
		return NAMED_NO;
	/* 16 and later: a text of the file that stands for the default */
	foreach(lc, copy->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "default") == 0)
			return NAMED_BY_ROW;
	}
	return NAMED_YES;
}

/*
 * The column's number in the table that a node names, if it is in the node's
 * list of columns, also with DEFAULT, or a view chose its value; else 0.
 */
static AttrNumber
mentioned(const Insertion *insertion, const InsertSource *source, const RelationMap *map,
		  const MappedColumn *col)
{
	PlannedStmt *statement = insertion->statement;
	RangeTblEntry *rte = rt_fetch(insert_plan_target(source->plan), statement->rtable);
	AttrNumber attnum = rte->relid == map->relid ? col->attnum : get_attnum(rte->relid, col->name);

	if (attnum > 0 && (bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber,
									 compat_inserted_columns(statement, rte)) ||
					   insert_plan_view_has_default(statement, rte->relid, attnum)))
		return attnum;
	return InvalidAttrNumber;
}

static Naming
find_naming(const Insertion *insertion, const InsertSource *source, const RelationMap *map,
			const MappedColumn *col)
{
	const Expr *standard = col->defaults[source->level].expr;
	AttrNumber attnum;

	if (insertion->stream)
		return NAMED_UNKNOWN;
	if (insertion->statement == NULL)
		return copy_naming(insertion, col);
	if (insertion->blind)
		tally_get(map)->blind = true;
	if (source->plan == NULL)
		return NAMED_NO;
	attnum = mentioned(insertion, source, map, col);
	if (attnum == InvalidAttrNumber)
		return NAMED_NO;
	if (standard == NULL)
		return NAMED_YES;
	if (source->plan->operation == CMD_INSERT && outerPlan(source->plan) != NULL)
		return insert_plan_naming(outerPlan(source->plan), attnum, standard);
	if (source->plan->operation == CMD_MERGE)
		return insert_plan_merge_naming(source->plan, attnum, standard);
	return NAMED_YES;
}

/* Does a source name the column?  A column that takes its default is not named. */
static Naming
source_naming(const Insertion *insertion, const InsertSource *source, const RelationMap *map,
			  const MappedColumn *col)
{
	Naming *known = source->naming == NULL ? NULL : &source->naming[col - map->cols];

	if (known == NULL)
		return find_naming(insertion, source, map, col);
	if (*known == NAMED_UNASKED)
		*known = find_naming(insertion, source, map, col);
	return *known;
}

/* Does the row that BEFORE is called for take the column's default? */
static bool
takes_default(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	const InsertSource *source = &insertion->sources[0];
	const Expr *standard = col->defaults[source->level].expr;
	Oid named = source->level == 0 ? map->relid : list_nth_oid(map->ancestors, source->level - 1);
	AttrNumber attnum = named == map->relid ? col->attnum : get_attnum(named, col->name);

	if (insertion->copy != NULL)
		return compat_copy_took_default(insertion->copy, attnum);
	if (insertion->node == NULL)
		return false;
	if (insertion->node->operation == CMD_MERGE)
		return insert_plan_merge_row_has_default(insertion->node, attnum, standard);
	return insert_plan_row_has_default(outerPlanState(insertion->node), attnum, standard);
}

/* Is the column in a list of columns of the statement, whatever it gives it? */
bool
insertion_mentions(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	if (insertion->statement == NULL)
		return insertion_names(insertion, map, col) != NAMED_NO;
	for (int i = 0; i < insertion->nsources; i++)
	{
		if (insertion->sources[i].plan != NULL &&
			mentioned(insertion, &insertion->sources[i], map, col) != InvalidAttrNumber)
			return true;
	}
	return false;
}

/* Do the statement's rows name the column, as far as is known without one? */
Naming
insertion_names(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	Naming naming = source_naming(insertion, &insertion->sources[0], map, col);

	for (int i = 1; i < insertion->nsources; i++)
		naming =
			insert_plan_combine(naming, source_naming(insertion, &insertion->sources[i], map, col));
	return naming;
}

/*
 * Does the row leave the column to its default, as far as that is known?  The
 * column need not be mirrored.
 */
bool
insertion_leaves_out(const NewRow *new, const MappedColumn *col)
{
	const Insertion *insertion = found(new);
	Naming naming = insertion_names(insertion, new->map, col);

	if (insertion->blind)
		return false;
	return naming == NAMED_NO ||
		   (naming == NAMED_BY_ROW && insertion->before && takes_default(insertion, new->map, col));
}

/* Is BEFORE to remember which rows took the column's default? */
bool
insertion_is_open(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	return !value_tells(map, col) &&
		   (insertion->several || insertion_names(insertion, map, col) == NAMED_BY_ROW);
}

bool
insertion_was_open(const NewRow *new, const MappedColumn *col)
{
	return !value_tells(new->map, col) && insertion_is_open(found(new), new->map, col);
}

static bool
source_writes(const Insertion *insertion, const InsertSource *source, const RelationMap *map,
			  const MappedColumn *col, Datum value)
{
	const ColumnDefault *standard = &col->defaults[source->level];
	Datum now;
	bool isnull;

	if (standard->constant)
		return value_changed(&col->type, value, false, standard->value, standard->isnull);
	switch (source_naming(insertion, source, map, col))
	{
		case NAMED_NO:
			return false;
		case NAMED_BY_ROW:
			return !insertion->before || !takes_default(insertion, map, col);
		case NAMED_UNKNOWN:
			if (standard->is_volatile)
				return false;
			map_default(standard, &now, &isnull);
			return value_changed(&col->type, value, false, now, isnull);
		case NAMED_UNASKED:
		case NAMED_YES:
			break;
	}
	return true;
}

/*
 * Does a new row write the column?  The key always; otherwise a value that is
 * neither NULL nor the constant default, and with another default one that the
 * statement is known to name.
 *
 * A replicated INSERT does not say which columns it brought.  But one that has
 * another value than its default has now did not get it from there, unless the
 * default is volatile.
 */
bool
insertion_writes(const NewRow *new, const MappedColumn *col, TupleTableSlot *row)
{
	const Insertion *insertion;
	Datum value;
	bool isnull;

	if (col->key)
		return true;
	value = slot_getattr(row, col->attnum, &isnull);
	if (isnull)
		return false;
	if (value_tells(new->map, col))
		return value_changed(&col->type, value, false, col->defaults->value, col->defaults->isnull);
	insertion = found(new);
	for (int i = 0; i < insertion->nsources; i++)
	{
		if (source_writes(insertion, &insertion->sources[i], new->map, col, value))
			return true;
	}
	return false;
}

/* Is there one default, which tells by itself whether a value is another? */
bool
insertion_has_constant(const NewRow *new, const MappedColumn *col)
{
	const Insertion *insertion = found(new);
	bool constant = true;

	for (int i = 0; i < insertion->nsources; i++)
		constant &= col->defaults[insertion->sources[i].level].constant;
	return constant;
}

/*
 * The unique indexes in which the INSERT of a row looks for one that is there
 * (ON CONFLICT): none, those in *indexes, of the table that the statement names,
 * or any.  Any, too, when the statement is not known.
 */
Arbiters
insertion_arbiters(const NewRow *new, List **indexes)
{
	const Insertion *insertion = found(new);
	bool any = false;

	*indexes = NIL;
	if (insertion->copy_statement != NULL)
		return ARBITERS_NONE;
	for (int i = 0; i < insertion->nsources; i++)
	{
		const ModifyTable *plan = insertion->sources[i].plan;

		if (plan == NULL)
			return ARBITERS_ANY;
		any |= plan->onConflictAction != ONCONFLICT_NONE && plan->arbiterIndexes == NIL;
		*indexes = list_concat(*indexes, plan->arbiterIndexes);
	}
	if (any)
		return ARBITERS_ANY;
	return *indexes != NIL ? ARBITERS_LISTED : ARBITERS_NONE;
}
