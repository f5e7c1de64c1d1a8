/*
 * amend_move.c
 *		BEFORE, for a row that moves from one partition to another, over SQL or replicated.
 *
 * Such an UPDATE is a DELETE in one partition and an INSERT in another.  move.c
 * finds out that the two belong together.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#include "../rules/rules.h"
#include "guard.h"

/*
 * BEFORE DELETE of a row that moves over SQL: rejects the move before the row
 * arrives, if AFTER would reject it.
 */
void
amend_reject_move(GuardCall *call)
{
	TriggerData *td = call->td;
	TupleTableSlot *proposed = call->state->update_slot;
	ConflictSet set;

	if (call->judge)
		return; /* BEFORE UPDATE has done this */
	conflicts_of_update(call, &set, call->state->update_named, td->tg_trigslot, proposed,
						COLUMNS_ALL);
	if (set.strictest == VERDICT_REJECT)
		outcome_reject(call, &set, VERDICT_REJECT, td->tg_trigslot, proposed, NULL);
	if (set.strictest == VERDICT_KEEP)
		outcome_reject(call, &set, VERDICT_KEEP, td->tg_trigslot, proposed,
					   "Another trigger fired after the guard and changed the value again.");
}

/*
 * BEFORE DELETE of a replicated UPDATE that moves a row; no BEFORE UPDATE fires
 * for it.  A writer may move the row if it may write the columns by which the
 * tables above are partitioned; the guard judges the other columns in the
 * second half.  Returns the names (char *) of those partition columns that the
 * writer may not write.
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
 * BEFORE INSERT of a replicated move: judges it as the UPDATE it is.  Returns
 * the row to be inserted; NULL: none, the whole move is discarded.
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
	ConflictSet held;

	conflicts_of_update(call, &set, NULL, stored, td->tg_trigslot, COLUMNS_ALL);
	if (move->obstacles == NIL)
		pin_hold_update(call, &set, &held, NULL, stored, td->tg_trigslot);
	outcome_reject_early(call, &set, stored, td->tg_trigslot);
	if (move->obstacles != NIL)
	{
		/* the columns that stopped the DELETE are in conflict even with the same values */
		conflicts_of_columns(call, &set, stored, move->obstacles);
		outcome_reject_early(call, &set, stored, td->tg_trigslot);
		for (int i = 0; i < set.n; i++)
			if (set.items[i].verdict == VERDICT_KEEP)
				set.items[i].verdict = VERDICT_DISCARD;
		outcome_record_discarded(call, &set, stored, td->tg_trigslot, NULL);
		tuple = NULL;
	}
	else if (set.n > 0 || held.n > 0)
	{
		bool keeps = set.strictest == VERDICT_KEEP;

		if (keeps)
			tuple = amend_restore_values(call, &set, tuple, stored);
		if (held.n > 0)
			tuple = amend_restore_values(call, &held, tuple, stored);
		outcome_record_allowed(call, &set, stored, td->tg_trigslot,
							   tuple != td->tg_trigtuple ? tuple : NULL);
		if (keeps)
			outcome_record_kept(call, &set, stored, td->tg_trigslot, tuple);
	}
	if (tuple != NULL && call->map->pinned != NULL)
	{
		TupleTableSlot *written = conflicts_slot(rel, tuple);

		pin_follow(call, stored, written);
		ExecDropSingleTupleTableSlot(written);
	}
	outcome_count_row(call, OPERATION_UPDATE, NULL, stored, tuple,
					  tuple == td->tg_trigtuple ? td->tg_trigslot : NULL);
	ItemPointerSetInvalid(&stored->tts_tid);
	if (tuple != NULL)
		tuple = land_in_row(call, stored, tuple);
	ExecDropSingleTupleTableSlot(stored);
	return tuple;
}

/*
 * BEFORE UPDATE has recorded the history of a row that moves, and triggers at the
 * destination have changed it again, to `row`.
 */
static void
record_changed_again(const GuardCall *call, TupleTableSlot *stored, HeapTuple row)
{
	TupleTableSlot *written = conflicts_slot(call->td->tg_relation, row);

	outcome_record_history(call, stored, written);
	ExecDropSingleTupleTableSlot(written);
}

/*
 * BEFORE INSERT of a move over SQL.  BEFORE UPDATE has amended what the
 * statement proposes, and AFTER will judge the result.  This amends what other
 * triggers at the destination have changed.  Returns the row to be inserted.
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

		conflicts_of_update(&there, &set, move->named, stored, proposed, COLUMNS_ALL);
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
		else if (call->judge)
			record_changed_again(&there, stored, row);
		ExecDropSingleTupleTableSlot(stored);
		ExecDropSingleTupleTableSlot(proposed);
		table_close(from, NoLock);
	}
	if (!call->judge)
		move_let_in(move, rel, call->map, tuple);
	return tuple;
}
