/*
 * judge.c
 *		AFTER: the guard judges a row that was written: it rejects the write or records it.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "guard.h"

/* Errors: BEFORE left an INSERT to an upsert's UPDATE, and may have missed the row. */
static void
check_race(const GuardCall *call)
{
	if (tally_get(call->map)->untouched > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to table \"%s\" due to a concurrent delete",
						names_message_relation(call->map->schema, call->map->table)),
				 errdetail("The row that the statement would have updated no longer exists."),
				 errhint("The transaction might succeed if retried.")));
}

/* Errors: what BEFORE did for a pinned value is undone. */
static void
check_pins(GuardCall *call, const Bitmapset *named, TupleTableSlot *stored, TupleTableSlot *written)
{
	const MappedColumn *col = pin_undone(call, named, stored, written);

	if (likely(col == NULL))
		return;
	if (stored == NULL)
		check_race(call);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("column \"%s\" of table \"%s\" would lose the value that is pinned in this row",
					col->name, names_message_relation(call->map->schema, call->map->table)),
			 errdetail("Another trigger fired after the guard and changed the value again."),
			 errhint("Let the trigger fire before the guard, by its name, or unpin the value."),
			 errtablecol(call->td->tg_relation, col->attnum),
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, ERROR_CONSTRAINT)));
}

/*
 * Judges a row.  stored: as it was, NULL: INSERT; proposed: as it is now, NULL:
 * DELETE.  named: the columns that an UPDATE names, NULL: all.  moved: the row
 * came from another partition.
 *
 * BEFORE has amended what is kept or discarded.  If there is such a conflict
 * here, another trigger has undone that, or BEFORE could not do it: an error.
 */
void
judge_row(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *proposed, const Bitmapset *named,
		  bool moved)
{
	ConflictSet set;
	ColumnRange range = COLUMNS_ALL;

	if (proposed == NULL)
		conflicts_of_delete(call, &set, stored);
	else if (stored == NULL)
		conflicts_of_insert(call, &set, proposed);
	else
	{
		if (!moved)
			range = conflicts_range(call);
		conflicts_of_update(call, &set, named, stored, proposed, range);
	}
	activity_row(call->map, call->system, call->circumstances.operation, named, &call->new, stored,
				 proposed, range);

	if (set.strictest == VERDICT_REJECT)
		outcome_reject(call, &set, VERDICT_REJECT, stored, proposed, NULL);
	if (proposed != NULL)
		check_pins(call, named, stored, proposed);

	for (int i = 0; i < set.n; i++)
	{
		Conflict *c = &set.items[i];

		if (c->verdict != VERDICT_KEEP && c->verdict != VERDICT_DISCARD)
			continue;
		if (call->circumstances.operation == OPERATION_INSERT)
		{
			if (c->verdict == VERDICT_KEEP && !insertion_has_constant(&call->new, c->col))
			{
				if (tally_remembers(call->map, conflicts_stand_in(call, c->col, proposed)))
					continue;
				if (tally_was_blind(call->map))
					amend_reject_blind(call);
			}
			check_race(call);
		}
		outcome_reject(call, &set, c->verdict, stored, proposed,
					   moved
						   ? "Another trigger fired after the guard and changed the value again."
						   : "Another trigger fired after the guard and changed the value again, or the guard's BEFORE trigger did not fire.");
	}
	outcome_record_allowed(call, &set, stored, proposed, NULL);
	if (stored != NULL && proposed != NULL)
		outcome_record_history(call, stored, proposed);
	if (proposed != NULL)
		pin_follow(call, stored, proposed);
}

/* AFTER INSERT: judges the row if it came from another partition; else returns false. */
bool
judge_move(GuardCall *call)
{
	TriggerData *td = call->td;
	TriggerData there_td;
	GuardState there_state;
	TupleTableSlot *stored;
	TupleTableSlot *proposed;
	Move move;
	Relation from;
	TupleTableSlot *left;
	GuardCall there;

	if (!move_arrived(td, call->map, &move))
		return false;
	from = table_open(move.old_relid, NoLock);
	there = guard_call_at(call, from, &there_td, &there_state);
	stored = conflicts_slot(from, move.old_tuple);
	proposed = conflicts_slot(from, move_tuple(td->tg_trigtuple, RelationGetRelid(td->tg_relation),
											   move.old_relid));
	judge_row(&there, stored, proposed, move.named, true);
	left = conflicts_slot(td->tg_relation, move_tuple(move.old_tuple, move.old_relid,
													  RelationGetRelid(td->tg_relation)));
	land_updated(call, NULL, left, td->tg_trigslot);
	ExecDropSingleTupleTableSlot(left);
	ExecDropSingleTupleTableSlot(stored);
	ExecDropSingleTupleTableSlot(proposed);
	table_close(from, NoLock);
	return true;
}
