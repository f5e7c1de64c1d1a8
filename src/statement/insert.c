/*
 * insert.c
 *		Where the values of a new row come from.
 *
 * A column that an INSERT, MERGE or COPY does not name, or gives as DEFAULT,
 * takes the default of the table that the statement (or the subscription)
 * names, not that of the partition to which the row is routed.  PostgreSQL
 * passes neither the names nor the table to row triggers.
 *
 * In BEFORE, the node of the plan that called the trigger can be found, and it
 * still has what it said of this row.  In AFTER it is not known which node of
 * the statement a row came from: all nodes that may have brought the row count.
 * Where their answers differ, from each other or from row to row, BEFORE
 * remembers which columns of a row took their default (guard/amend_insert.c).
 *
 * DEFAULT and OVERRIDING USER VALUE do not exist any more when a statement is
 * executed: the rewriter has put the default's expression in their place, and
 * counts the column as named.  So an expression that equals the default counts
 * as the default.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "statement.h"

/* level: as insert_plan_level() returns it; where it is not known, the relation's own. */
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

/* Adds all nodes of the running statement that may bring new rows of the relation. */
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

/* Does the value alone decide whether a row writes the column, whatever brings the row? */
static bool
value_decides(const RelationMap *map, const MappedColumn *col)
{
	return !map->defaults_differ && col->defaults->constant;
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
	/* PostgreSQL 16 and later: a text in the file that means the default */
	foreach(lc, copy->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "default") == 0)
			return NAMED_BY_ROW;
	}
	return NAMED_YES;
}

/* The column's number in the table that a node names, if it mentions the column or a view has a default; else 0. */
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

/* What source_naming() returns, not remembered yet. */
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

/* Does the row that BEFORE is called for take its default?  False, too, when not known. */
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

/* Do the statement's rows name the column, as far as that is known without looking at one? */
static Naming
insertion_names(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	Naming naming = source_naming(insertion, &insertion->sources[0], map, col);

	for (int i = 1; i < insertion->nsources; i++)
		naming =
			insert_plan_combine(naming, source_naming(insertion, &insertion->sources[i], map, col));
	return naming;
}

/* Does a list of columns of the statement contain the column, also with DEFAULT? */
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

/* Must BEFORE remember which rows took the column's default? */
bool
insertion_is_open(const Insertion *insertion, const RelationMap *map, const MappedColumn *col)
{
	return !value_decides(map, col) &&
		   (insertion->several || insertion_names(insertion, map, col) == NAMED_BY_ROW);
}

/* Does a row of the source write the column with this value, which is not NULL? */
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
 * The level of the table that a stream names, as insert_plan_level().  It is a
 * table of the subscription.  Where several relations of the chain are, the
 * apply worker names the table in its error context.
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
 * Finds what brings new rows of the relation.  before: BEFORE is called for one
 * of them; node: the node that brings this row, NULL where it is not known.
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
			add_source(insertion, insert_plan_level(map, RelationGetRelid(insertion->copy->rel)),
					   NULL);
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
		/* a statement that is not known, within the one that loads the library */
		if (statement_key() == NULL)
			insertion->blind = true;
		add_source(insertion, 0, NULL);
	}
}

/* The same for a COPY into a table, before it inserts anything; or for what a first copy names. */
void
insertion_of_copy(Insertion *insertion, const RelationMap *map, CopyStmt *copy, Oid relid)
{
	memset(insertion, 0, sizeof(Insertion));
	insertion->of = map->loaded;
	insertion->copy_statement = copy;
	add_source(insertion, insert_plan_level(map, relid), NULL);
}

/* What brings the row that a trigger is called for; found once, unless the map changes. */
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

/* Which of a column's defaults (MappedColumn.defaults) the row has that a trigger is called for. */
int
insertion_level(const NewRow *new)
{
	return new->map->defaults_differ ? found(new)->sources[0].level : 0;
}

/* The column's default in the row that BEFORE is called for. */
const ColumnDefault *
insertion_default(const NewRow *new, const MappedColumn *col)
{
	return &col->defaults[insertion_level(new)];
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

/* Does the running statement insert rows, and leave the column to its default in all of them? */
bool
insertion_no_row_names(const RelationMap *map, const MappedColumn *col)
{
	Insertion in;

	if (statement_planned() == NULL)
		return false;
	insertion_find(&in, map, NULL, false);
	return !in.stream && !in.blind && (in.copy_statement != NULL || in.sources[0].plan != NULL) &&
		   insertion_names(&in, map, col) == NAMED_NO;
}

/* insertion_is_open() for the row that a trigger is called for. */
bool
insertion_was_open(const NewRow *new, const MappedColumn *col)
{
	return !value_decides(new->map, col) && insertion_is_open(found(new), new->map, col);
}

/*
 * Does a new row write the column?  The key always; otherwise a value that is
 * neither NULL nor the constant default, and with another default one that the
 * statement is known to name.
 *
 * A replicated INSERT does not say which columns it brought.  But a value that
 * differs from what the default gives now did not come from the default, unless
 * the default is volatile.
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
	if (value_decides(new->map, col))
		return value_changed(&col->type, value, false, col->defaults->value, col->defaults->isnull);
	insertion = found(new);
	for (int i = 0; i < insertion->nsources; i++)
	{
		if (source_writes(insertion, &insertion->sources[i], new->map, col, value))
			return true;
	}
	return false;
}

/* Is the default constant, from whatever source the row comes? */
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
 * The unique indexes in which the INSERT of a row looks for a stored one (ON
 * CONFLICT): none, those in *indexes (OIDs of indexes of the table that the
 * statement names), or any.  Any, too, when the statement is not known.
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
