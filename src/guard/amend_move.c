/*
 * amend_move.c
 *		BEFORE, of a row that moves from one partition to another: over SQL or replicated.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#include "../rules/rules.h"
#include "guard.h"

/*
 * BEFORE DELETE of a row that moves to another partition: what would be
 * rejected in the end is rejected before the row arrives.
 */
void
amend_reject_move(GuardCall *call)
{
	TriggerData *td = call->td;
	TupleTableSlot *proposed = call->state->update_slot;
	ConflictSet set;

	if (call->judge)
		return; /* BEFORE UPDATE did */
	conflicts_of_update(call, &set, call->state->update_named, td->tg_trigslot, proposed);
	if (set.strictest == VERDICT_REJECT)
		outcome_reject(call, &set, VERDICT_REJECT, td->tg_trigslot, proposed, NULL);
	if (set.strictest == VERDICT_KEEP)
		outcome_reject(call, &set, VERDICT_KEEP, td->tg_trigslot, proposed,
					   "A trigger that fires after the guard changed it again.");
}

/*
 * BEFORE DELETE of the half of a replicated UPDATE that moves a row: nothing
 * else announces it.  A writer that may write the columns which the tables
 * above are partitioned by may move the row; the other half is judged then.
 * Returns the names of those that it may not write.
 */
List *
amend_move_obstacles(GuardCall *call, TupleTableSlot *stored)
{
	RelationMap *map = call->map;
	ConflictSet set = {0};
	List *keys = NIL;
	List *obstacles = NIL;

	for (int i = 0; i < map->ncols; i++)
	{
		if (map->cols[i].partition_key)
			keys = lappend(keys, map->cols[i].name);
	}
	conflicts_of_columns(call, &set, stored, keys);
	for (int i = 0; i < set.n; i++)
	{
		if (set.items[i].verdict >= VERDICT_KEEP)
			obstacles = lappend(obstacles, set.items[i].col->name);
	}
	return obstacles;
}

/*
 * BEFORE INSERT of the other half: judged as the UPDATE it is.  NULL: the
 * whole move is discarded.
 */
HeapTuple
amend_replicated_move(GuardCall *call, const Move *move)
{
	TriggerData *td = call->td;
	Relation rel = td->tg_relation;
	HeapTuple tuple = td->tg_trigtuple;
	TupleTableSlot *stored =
		conflicts_slot(rel, move_tuple(move->old_tuple, move->old_relid, RelationGetRelid(rel)));
	ConflictSet set;

	conflicts_of_update(call, &set, NULL, stored, td->tg_trigslot);
	outcome_reject_early(call, &set, stored, td->tg_trigslot);
	if (move->obstacles != NIL)
	{
		/* what stood in the way is in conflict even if it did not change */
		conflicts_of_columns(call, &set, stored, move->obstacles);
		outcome_reject_early(call, &set, stored, td->tg_trigslot);
		for (int i = 0; i < set.n; i++)
			if (set.items[i].verdict == VERDICT_KEEP)
				set.items[i].verdict = VERDICT_DISCARD;
		outcome_record_discarded(call, &set, stored, td->tg_trigslot);
		tuple = NULL;
	}
	else if (set.n > 0)
	{
		bool keeps = set.strictest == VERDICT_KEEP;

		if (keeps)
			tuple = amend_restore_values(call, &set, tuple, stored);
		outcome_record_allowed(call, &set, stored, td->tg_trigslot, keeps ? tuple : NULL);
		if (keeps)
			outcome_record_kept(call, &set, stored, td->tg_trigslot, tuple);
	}
	outcome_count_row(call, OPERATION_UPDATE, NULL, stored, tuple,
					  tuple == td->tg_trigtuple ? td->tg_trigslot : NULL);
	ExecDropSingleTupleTableSlot(stored);
	return tuple;
}

/*
 * BEFORE INSERT of the other half of a move over SQL.  BEFORE UPDATE has seen
 * to what the statement says, AFTER will judge what comes of it; here is what
 * triggers at the destination do.
 */
HeapTuple
amend_move(GuardCall *call, const Move *move)
{
	TriggerData *td = call->td;
	Relation rel = td->tg_relation;
	HeapTuple tuple = td->tg_trigtuple;

	if (move->touched || (call->judge && !move->judged))
	{
		Relation from = table_open(move->old_relid, NoLock);
		TriggerData there_td;
		GuardState there_state;
		GuardCall there = guard_call_at(call, from, &there_td, &there_state);
		HeapTuple row = move_tuple(tuple, RelationGetRelid(rel), move->old_relid);
		TupleTableSlot *stored =
			conflicts_slot(from, move->judged ? move->new_tuple : move->old_tuple);
		TupleTableSlot *proposed = conflicts_slot(from, row);
		ConflictSet set;

		conflicts_of_update(&there, &set, move->named, stored, proposed);
		outcome_reject_early(&there, &set, stored, proposed);
		if (conflicts_have(&set, VERDICT_KEEP))
		{
			row = amend_restore_values(&there, &set, row, stored);
			tuple = move_tuple(row, move->old_relid, RelationGetRelid(rel));
		}
		if (call->judge)
			outcome_record_allowed(&there, &set, stored, proposed,
								   tuple == td->tg_trigtuple ? NULL : row);
		if (tuple != td->tg_trigtuple)
			outcome_record_kept(&there, &set, stored, proposed, row);
		if (!move->judged)
			outcome_count_row(&there, OPERATION_UPDATE, move->named, stored, row, NULL);
		ExecDropSingleTupleTableSlot(stored);
		ExecDropSingleTupleTableSlot(proposed);
		table_close(from, NoLock);
	}
	if (!call->judge)
		move_let_in(move, rel, call->map, tuple);
	return tuple;
}
