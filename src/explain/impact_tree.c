/*
 * impact_tree.c
 *		Does a query, or an expression, read a column, and which of the query's own
 *		columns are made of it?
 *
 * pg_depend does not say it: it has no row for a reference to a whole row, and none for
 * the columns of a view that a column becomes.  A query is analyzed, but not rewritten:
 * a view in it is a relation.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"

#include "../base/compat.h"
#include "explain.h"

/* One query of those that are inside each other. */
typedef struct Level
{
	const ImpactTarget *target;
	Query *query;
	struct Level *up;
	Bitmapset **columns; /* by number of the range table entry: its columns that are made of the target */
	ImpactReads *ctes; /* in the order of the query's list */
	ImpactReads *result;
} Level;

static void read_query(ImpactReads *r, const ImpactTarget *target, Query *query, Level *up);
static bool finds(Level *level, Node *node);

static Level *
level_above(Level *level, int levels)
{
	while (levels-- > 0 && level != NULL)
		level = level->up;
	return level;
}

/* What the query reads through a part of it counts for the query. */
static void
add_reads(ImpactReads *to, const ImpactReads *part)
{
	to->reads |= part->reads;
	to->whole |= part->whole;
	to->writes |= part->writes;
}

/* The columns of a common table expression that are made of the target. */
static Bitmapset *
cte_columns(Level *level, const RangeTblEntry *rte)
{
	Level *of = level_above(level, rte->ctelevelsup);
	ListCell *lc;

	if (of == NULL || of->ctes == NULL)
		return NULL;
	foreach(lc, of->query->cteList)
	{
		if (strcmp(lfirst_node(CommonTableExpr, lc)->ctename, rte->ctename) == 0)
			return of->ctes[foreach_current_index(lc)].outputs;
	}
	return NULL;
}

static bool
is_read(Level *level, const Var *var)
{
	RangeTblEntry *rte;
	List *exprs;

	level = level_above(level, var->varlevelsup);
	if (level == NULL || var->varno < 1 || (int) var->varno > list_length(level->query->rtable))
		return false;
	rte = rt_fetch(var->varno, level->query->rtable);
	if (rte->rtekind == RTE_RELATION)
	{
		if (rte->relid != level->target->relid || OidIsValid(level->target->function) ||
			var->varattno < 0)
			return false;
		if (var->varattno == 0)
			level->result->whole = true;
		return var->varattno == 0 || level->target->attnum == 0 ||
			   var->varattno == level->target->attnum;
	}
	if (rte->rtekind == RTE_JOIN)
	{
		if (var->varattno == 0)
			return finds(level, (Node *) rte->joinaliasvars);
		return var->varattno <= list_length(rte->joinaliasvars) &&
			   finds(level, list_nth(rte->joinaliasvars, var->varattno - 1));
	}
	exprs = compat_group_exprs(rte);
	if (exprs != NIL)
		return var->varattno > 0 && var->varattno <= list_length(exprs) &&
			   finds(level, list_nth(exprs, var->varattno - 1));
	if (var->varattno == 0)
		return level->columns[var->varno - 1] != NULL;
	return var->varattno > 0 && bms_is_member(var->varattno, level->columns[var->varno - 1]);
}

static bool
is_target(Oid function, void *arg)
{
	return function == ((Level *) arg)->target->function;
}

static bool
walk(Node *node, Level *level)
{
	if (node == NULL)
		return false;
	if (OidIsValid(level->target->function) && check_functions_in_node(node, is_target, level))
		return true;
	if (IsA(node, Var))
		return is_read(level, (Var *) node);
	if (IsA(node, Query))
	{
		ImpactReads r = {0};

		read_query(&r, level->target, (Query *) node, level);
		level->result->whole |= r.whole;
		level->result->writes |= r.writes;
		return r.reads;
	}
	return expression_tree_walker(node, walk, level);
}

/* Does the expression read the target?  It belongs to the query of the level. */
static bool
finds(Level *level, Node *node)
{
	return walk(node, level);
}

/* Is a statement's own target list what it writes? */
static bool
writes_column(const Level *level, List *targets)
{
	const Query *q = level->query;
	ListCell *lc;

	if (q->resultRelation == 0 || OidIsValid(level->target->function) ||
		rt_fetch(q->resultRelation, q->rtable)->relid != level->target->relid)
		return false;
	foreach(lc, targets)
	{
		const TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk && (level->target->attnum == 0 || tle->resno == level->target->attnum))
			return true;
	}
	return false;
}

/* Do the rows of the query depend on one of these columns of it? */
static bool
sorts_by(const Level *level, List *clauses, const Bitmapset *read)
{
	ListCell *lc;

	foreach(lc, clauses)
	{
		TargetEntry *tle = get_sortgroupref_tle(lfirst_node(SortGroupClause, lc)->tleSortGroupRef,
												level->query->targetList);

		if (bms_is_member(tle->resno, read))
			return true;
	}
	return false;
}

/* Is each operation in it UNION ALL, which returns the rows of all its parts? */
static bool
only_unites(Node *operation)
{
	SetOperationStmt *op;

	if (operation == NULL || !IsA(operation, SetOperationStmt))
		return true;
	op = (SetOperationStmt *) operation;
	return op->op == SETOP_UNION && op->all && only_unites(op->larg) && only_unites(op->rarg);
}

static void
read_ctes(Level *level)
{
	List *ctes = level->query->cteList;
	bool changed = ctes != NIL;
	ListCell *lc;

	level->ctes = palloc0((list_length(ctes) + 1) * sizeof(ImpactReads));
	/* a recursive one reads itself: until nothing is added any more */
	while (changed)
	{
		changed = false;
		foreach(lc, ctes)
		{
			ImpactReads *r = &level->ctes[foreach_current_index(lc)];
			int before = bms_num_members(r->outputs);
			bool rows = r->rows;

			read_query(r, level->target,
					   castNode(Query, lfirst_node(CommonTableExpr, lc)->ctequery), level);
			changed |= bms_num_members(r->outputs) != before || r->rows != rows;
		}
	}
	foreach(lc, ctes)
	{
		add_reads(level->result, &level->ctes[foreach_current_index(lc)]);
		level->result->rows |= level->ctes[foreach_current_index(lc)].rows;
	}
}

static void
read_range_table(Level *level)
{
	ListCell *lc;

	foreach(lc, level->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		Bitmapset **columns = &level->columns[foreach_current_index(lc)];
		ImpactReads r = {0};

		switch (rte->rtekind)
		{
			case RTE_SUBQUERY:
				read_query(&r, level->target, rte->subquery, level);
				*columns = r.outputs;
				add_reads(level->result, &r);
				level->result->rows |= r.rows;
				break;
			case RTE_CTE:
				*columns = cte_columns(level, rte);
				break;
			case RTE_FUNCTION:
			case RTE_TABLEFUNC:
			case RTE_VALUES:
				if (finds(level, (Node *) rte->functions) || finds(level, (Node *) rte->tablefunc) ||
					finds(level, (Node *) rte->values_lists))
				{
					level->result->reads = level->result->rows = true;
					*columns = bms_add_range(NULL, 1, Max(list_length(rte->eref->colnames), 1));
				}
				break;
			case RTE_RELATION:
				if (finds(level, (Node *) rte->securityQuals) ||
					finds(level, (Node *) rte->tablesample))
					level->result->reads = level->result->rows = true;
				break;
			default:
				break;
		}
	}
}

/* Adds to *r what the query does with the target; up: the query around it. */
static void
read_query(ImpactReads *r, const ImpactTarget *target, Query *query, Level *up)
{
	Level level = {.target = target, .query = query, .up = up};
	Bitmapset *read = NULL; /* target entries, also those that are not returned */
	bool rows = false;
	ListCell *lc;

	level.result = r;
	level.columns = palloc0((list_length(query->rtable) + 1) * sizeof(Bitmapset *));
	if (query->commandType == CMD_UTILITY)
		return;
	read_ctes(&level);
	read_range_table(&level);
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!finds(&level, (Node *) tle->expr))
			continue;
		read = bms_add_member(read, tle->resno);
		r->reads = true;
		if (!tle->resjunk && query->commandType == CMD_SELECT)
			r->outputs = bms_add_member(r->outputs, tle->resno);
	}
	if (query->setOperations != NULL)
	{
		for (int i = 0; i < list_length(query->rtable); i++)
			r->outputs = bms_add_members(r->outputs, level.columns[i]);
		rows |= r->outputs != NULL && !only_unites(query->setOperations);
	}
	else if (read != NULL)
	{
		rows |= sorts_by(&level, query->groupClause, read) ||
				sorts_by(&level, query->distinctClause, read) ||
				(query->limitCount != NULL && sorts_by(&level, query->sortClause, read));
		foreach(lc, query->windowClause)
			rows |= sorts_by(&level, lfirst_node(WindowClause, lc)->partitionClause, read) ||
					sorts_by(&level, lfirst_node(WindowClause, lc)->orderClause, read);
	}
	rows |= finds(&level, (Node *) query->jointree) | finds(&level, query->havingQual) |
			finds(&level, query->limitCount) | finds(&level, query->limitOffset) |
			finds(&level, (Node *) query->windowClause) | finds(&level, (Node *) query->onConflict) |
			finds(&level, (Node *) query->mergeActionList) |
			finds(&level, (Node *) compat_merge_condition(query));
	foreach(lc, query->returningList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (finds(&level, (Node *) tle->expr))
		{
			r->reads = true;
			r->outputs = bms_add_member(r->outputs, tle->resno);
		}
	}
	r->writes |= writes_column(&level, query->targetList);
	if (query->onConflict != NULL)
		r->writes |= writes_column(&level, query->onConflict->onConflictSet);
	foreach(lc, query->mergeActionList)
		r->writes |= writes_column(&level, lfirst_node(MergeAction, lc)->targetList);
	r->rows |= rows;
	r->reads |= rows;
}

/*
 * Adds to *r what a tree of a catalog does with the target: a query, an expression, or a
 * list of such.  relid: the relation that an expression is about.
 */
void
impact_read_tree(ImpactReads *r, const ImpactTarget *target, Oid relid, Node *tree)
{
	if (tree == NULL)
		return;
	if (IsA(tree, Query))
		read_query(r, target, (Query *) tree, NULL);
	else if (IsA(tree, List))
	{
		ListCell *lc;

		foreach(lc, (List *) tree)
			impact_read_tree(r, target, relid, lfirst(lc));
	}
	else
	{
		RangeTblEntry *rte = makeNode(RangeTblEntry);
		Query *query = makeNode(Query);
		Level level = {.target = target, .query = query};

		/* a condition of a trigger or rule is about OLD, 1, and NEW, 2 */
		rte->rtekind = RTE_RELATION;
		rte->relid = relid;
		query->rtable = list_make2(rte, rte);
		level.result = r;
		level.columns = palloc0(2 * sizeof(Bitmapset *));
		r->reads |= finds(&level, tree);
	}
}
