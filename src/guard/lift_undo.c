/*
 * lift_undo.c
 *		Undoing lifting in the statements that run.
 *
 * An edit of the map by this session applies to the rows that its statements write from
 * then on.  So the guard fires in them again: in private lists that it was lifted off, in
 * those that were copied while it was hidden, and in statements that started without a
 * list.  They are judged as if it had never been lifted.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "../rules/rules.h"
#include "guard.h"

/*
 * Makes the guard fire for the rows that follow, by a private list that was copied while
 * it was hidden, or that was not copied at all.
 */
static void
uncover(ResultRelInfo *rri, EState *estate)
{
	TriggerDesc *desc = rri->ri_TrigDesc;
	const TriggerDesc *own = rri->ri_RelationDesc->trigdesc;

	lift_undo_bare(rri, estate);
	for (int i = 0; desc != NULL && own != NULL && i < desc->numtriggers; i++)
	{
		Trigger *trigger = &desc->triggers[i];

		if (trigger->tgenabled != TRIGGER_DISABLED || !trigger_list_is_guards(trigger))
			continue;
		for (int k = 0; k < own->numtriggers; k++)
		{
			if (own->triggers[k].tgoid != trigger->tgoid ||
				own->triggers[k].tgenabled == TRIGGER_DISABLED)
				continue;
			trigger->tgenabled = own->triggers[k].tgenabled;
			desc->trig_insert_before_row |= own->trig_insert_before_row;
			desc->trig_insert_after_row |= own->trig_insert_after_row;
		}
		trigger_list_arm(trigger, 1);
	}
}

static void
uncover_query(QueryDesc *query)
{
	ListCell *lc;

	foreach(lc, query->estate->es_opened_result_relations)
		uncover(lfirst(lc), query->estate);
	foreach(lc, query->estate->es_tuple_routing_result_relations)
		uncover(lfirst(lc), query->estate);
}

/* Undoes lifting everywhere, because the reasons for it may no longer be true. */
void
lift_undo(void)
{
	lift_show();
	trigger_list_undo();
	moment_each_query(uncover_query);
}
