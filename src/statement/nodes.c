/*
 * nodes.c
 *		The parts of a running query that write rows.
 */
#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/execnodes.h"

#include "statement.h"

/* The nodes of a statement that write rows. */
List *
statement_nodes(QueryDesc *query)
{
	List *nodes = list_copy(query->estate->es_auxmodifytables);

	if (IsA(query->planstate, ModifyTableState))
		nodes = list_append_unique_ptr(nodes, query->planstate);
	return nodes;
}

static bool
holds(const TriggerDesc *desc, const Trigger *trigger)
{
	return desc != NULL && trigger >= desc->triggers && trigger < desc->triggers + desc->numtriggers;
}

/* Whose private list a trigger that is being called belongs to. */
ResultRelInfo *
statement_relation(EState *estate, const Trigger *trigger)
{
	/* what was opened last is last in its list */
	for (int i = list_length(estate->es_tuple_routing_result_relations) - 1; i >= 0; i--)
	{
		ResultRelInfo *rri = list_nth(estate->es_tuple_routing_result_relations, i);

		if (holds(rri->ri_TrigDesc, trigger))
			return rri;
	}
	for (int i = list_length(estate->es_opened_result_relations) - 1; i >= 0; i--)
	{
		ResultRelInfo *rri = list_nth(estate->es_opened_result_relations, i);

		if (holds(rri->ri_TrigDesc, trigger))
			return rri;
	}
	return NULL;
}

ModifyTableState *
statement_node_of(QueryDesc *query, const ResultRelInfo *rri)
{
	ListCell *lc;

	foreach(lc, statement_nodes(query))
	{
		ModifyTableState *node = lfirst(lc);

		if (rri->ri_RootResultRelInfo == node->rootResultRelInfo ||
			(rri >= node->resultRelInfo && rri < node->resultRelInfo + node->mt_nrels))
			return node;
	}
	return NULL;
}

/* The node of a query that a trigger was called by, in BEFORE; NULL: not known. */
ModifyTableState *
statement_node(QueryDesc *query, const Trigger *trigger)
{
	ResultRelInfo *rri = statement_relation(query->estate, trigger);

	return rri == NULL ? NULL : statement_node_of(query, rri);
}
