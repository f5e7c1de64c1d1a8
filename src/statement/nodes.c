/*
 * nodes.c
 *		The nodes of a running query that write rows, and their relations.
 */
#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/execnodes.h"

#include "statement.h"

static bool
contains(const TriggerDesc *desc, const Trigger *trigger)
{
	return desc != NULL && trigger >= desc->triggers && trigger < desc->triggers + desc->numtriggers;
}

/*
 * The relation of a query whose private list of triggers contains the trigger
 * that is being called; NULL: not known.
 */
ResultRelInfo *
statement_relation(EState *estate, const Trigger *trigger)
{
	/* a list ends with the relation that was opened last */
	for (int i = list_length(estate->es_tuple_routing_result_relations) - 1; i >= 0; i--)
	{
		ResultRelInfo *rri = list_nth(estate->es_tuple_routing_result_relations, i);

		if (contains(rri->ri_TrigDesc, trigger))
			return rri;
	}
	for (int i = list_length(estate->es_opened_result_relations) - 1; i >= 0; i--)
	{
		ResultRelInfo *rri = list_nth(estate->es_opened_result_relations, i);

		if (contains(rri->ri_TrigDesc, trigger))
			return rri;
	}
	return NULL;
}

static bool
writes_to(const ModifyTableState *node, const ResultRelInfo *rri)
{
	return rri->ri_RootResultRelInfo == node->rootResultRelInfo ||
		   (rri >= node->resultRelInfo && rri < node->resultRelInfo + node->mt_nrels);
}

/* The node of a query that writes a relation, or routes rows to it; NULL: none. */
ModifyTableState *
statement_node_of(QueryDesc *query, const ResultRelInfo *rri)
{
	ListCell *lc;

	foreach(lc, query->estate->es_auxmodifytables)
	{
		if (writes_to(lfirst(lc), rri))
			return lfirst(lc);
	}
	if (IsA(query->planstate, ModifyTableState) &&
		writes_to((ModifyTableState *) query->planstate, rri))
		return (ModifyTableState *) query->planstate;
	return NULL;
}

/* The node of a query that called a BEFORE trigger; NULL: not known. */
ModifyTableState *
statement_node(QueryDesc *query, const Trigger *trigger)
{
	ResultRelInfo *rri = statement_relation(query->estate, trigger);

	return rri == NULL ? NULL : statement_node_of(query, rri);
}
