/*
 * lift_blank.c
 *		Whether an UPDATE can make a column blank, as far as its plan tells.
 *
 * The guard watches the columns whose on_blank is not allow also where the writer
 * owns them.  It can be lifted off an UPDATE that gives them constants or parameters
 * that are not blank, as most statements of applications do.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_trigger.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "guard.h"

/* The values that an UPDATE gives to the columns of one of its relations, if its plan has them. */
void
lift_find_set_values(Writes *writes, ModifyTableState *node, const ResultRelInfo *rri)
{
	ModifyTable *plan = (ModifyTable *) node->ps.plan;
	int i = rri - node->resultRelInfo;

	if (node->operation != CMD_UPDATE || i < 0 || i >= node->mt_nrels ||
		trigger_list_others_before(rri->ri_TrigDesc, TRIGGER_TYPE_UPDATE))
		return;
	writes->set_columns = list_nth(plan->updateColnosLists, i);
	writes->set_values = outerPlan(plan)->targetlist;
	writes->params = node->ps.state->es_param_list_info;
}

/*
 * Can the UPDATE make the column blank?  Not if it gives it a constant or a
 * parameter that is not blank, and no other trigger can change that.
 */
bool
lift_may_become_blank(const Writes *writes, const MappedColumn *col)
{
	int i = 0;
	ListCell *lc;

	if (writes->updated != NULL &&
		!bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, writes->updated))
		return false;
	foreach(lc, writes->set_columns)
	{
		TargetEntry *target = list_nth_node(TargetEntry, writes->set_values, i++);
		Node *value = (Node *) target->expr;

		if (lfirst_int(lc) != col->attnum)
			continue;
		while (IsA(value, RelabelType))
			value = (Node *) castNode(RelabelType, value)->arg;
		if (IsA(value, Const))
		{
			Const *constant = castNode(Const, value);

			return value_is_blank(col->blank, constant->constvalue, constant->constisnull);
		}
		if (IsA(value, Param) && writes->params != NULL)
		{
			Param *param = castNode(Param, value);
			ParamExternData workspace;
			ParamExternData *given;

			if (param->paramkind != PARAM_EXTERN || param->paramid <= 0 ||
				param->paramid > writes->params->numParams)
				return true;
			given =
				writes->params->paramFetch != NULL
					? writes->params->paramFetch(writes->params, param->paramid, true, &workspace)
					: &writes->params->params[param->paramid - 1];
			return given->ptype != param->paramtype ||
				   value_is_blank(col->blank, given->value, given->isnull);
		}
		return true;
	}
	return true;
}
