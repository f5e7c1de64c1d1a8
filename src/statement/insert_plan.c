/*
 * insert_plan.c
 *		Which columns of a new row a plan gives a value, and which take their default.
 *
 * `standard` is the default's expression; insert.c says why comparing a column's
 * expression with it decides.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../rules/rules.h"
#include "statement.h"

/* Is a view's column, through views below it, that column of the table? */
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
 * the column?  PostgreSQL does not count such a column as named.  But the role
 * that created the view chose the value, and any role may create a view.
 */
bool
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

/* The answer for the rows of two sources together. */
Naming
insert_plan_combine(Naming a, Naming b)
{
	return a == b ? a : NAMED_BY_ROW;
}

/* Do the plan's rows have a value in a column, or the default (NAMED_NO)? */
Naming
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

/*
 * Has the row that the node has just returned the default in a column?  False,
 * too, when that is not known.
 */
bool
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
	/* nodes of another kind may have read further rows already */
	if ((IsA(node, ResultState) || IsA(node, ProjectSetState)) && var->varno == OUTER_VAR &&
		outerPlanState(node) != NULL)
		return insert_plan_row_has_default(outerPlanState(node), var->varattno, standard);
	return false;
}

/* Do the INSERT actions of a MERGE give the column a value, or its default (NAMED_NO)? */
Naming
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
 * Has the row that a MERGE is inserting the default in a column?  The action is
 * the first whose condition is true.  The conditions are evaluated again; false
 * where one may give another answer now.
 */
bool
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

/* The range-table index of the table that a node names. */
Index
insert_plan_target(const ModifyTable *plan)
{
	return plan->rootRelation > 0 ? plan->rootRelation : (Index) linitial_int(plan->resultRelations);
}

/*
 * The level of a table in the chain from the relation (0) to its root, which is
 * an index of MappedColumn.defaults; -1: it is not in the chain.
 */
int
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

/* May the node insert rows? */
bool
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
