/*
 * outcome.c
 *		What the guard does about conflicts: it records, counts, reports or rejects them.
 *
 * For the functions that record or reject, stored is the row as it was (NULL:
 * INSERT, TRUNCATE), and proposed the row as written (NULL: DELETE, TRUNCATE).
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

static Evidence
evidence(const GuardCall *call, const ConflictSet *set, Verdict outcome, TupleTableSlot *stored,
		 TupleTableSlot *proposed)
{
	Evidence e = {0};

	e.map = call->map;
	e.desc = RelationGetDescr(call->td->tg_relation);
	e.writer = call->writer;
	e.system = call->system;
	e.operation = call->circumstances.operation;
	e.outcome = outcome;
	e.conflicts = set;
	e.new = call->circumstances.operation == OPERATION_INSERT ? &call->new : NULL;
	e.stored = stored;
	e.proposed = proposed;
	return e;
}

/*
 * Raises the error that rejects the write.  outcome: the verdict of the
 * conflicts that the message names; why: a further sentence for the detail, or
 * NULL.
 */
void
outcome_reject(const GuardCall *call, const ConflictSet *set, Verdict outcome,
			   TupleTableSlot *stored, TupleTableSlot *proposed, const char *why)
{
	Evidence e = evidence(call, set, outcome, stored, proposed);

	evidence_report_rejected(&e, why);
}

/*
 * Records the writes that went through.  amended: the row that is stored, where
 * BEFORE knows it to be different from the proposed one; else NULL.
 */
void
outcome_record_allowed(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					   TupleTableSlot *proposed, HeapTuple amended)
{
	TupleTableSlot *final = NULL;

	for (Verdict v = VERDICT_OBSERVE; v <= VERDICT_OVERRIDE; v++)
	{
		for (int i = 0; i < set->n; i++)
		{
			if (set->items[i].verdict == v)
			{
				Evidence e = evidence(call, set, v, stored, proposed);

				if (final == NULL && amended != NULL)
					final = conflicts_slot(call->td->tg_relation, amended);
				e.final = final;
				evidence_record(&e);
				break;
			}
		}
	}
	if (final != NULL)
		ExecDropSingleTupleTableSlot(final);
}

/* Why the guard rejects in a foreign-key action what it would keep elsewhere; or NULL. */
static const char *
cascade_reason(const GuardCall *call)
{
	return call->circumstances.cascade ? "A foreign-key action cannot leave the row as it is."
									   : NULL;
}

/*
 * Must BEFORE reject?  Otherwise AFTER does, which sees the final row.  But AFTER
 * cannot recognize a foreign-key action; and while rows move between partitions,
 * AFTER must not take an INSERT that is to be rejected for the second half of a
 * move.
 */
bool
outcome_rejects_early(const GuardCall *call)
{
	return call->judge || call->circumstances.cascade ||
		   (call->circumstances.operation == OPERATION_INSERT && move_is_under_way());
}

/* BEFORE: rejects the write if it must be rejected and AFTER cannot do it. */
void
outcome_reject_early(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					 TupleTableSlot *proposed)
{
	if (set->strictest == VERDICT_REJECT && outcome_rejects_early(call))
		outcome_reject(call, set, VERDICT_REJECT, stored, proposed, cascade_reason(call));
}

/* Are all values that are kept out blanks? */
static bool
only_blanks(const ConflictSet *set)
{
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict == VERDICT_KEEP && !set->items[i].blank)
			return false;
	}
	return true;
}

/* Is all that is kept out the writer's own, against pinned values? */
static bool
only_pinned(const GuardCall *call, const ConflictSet *set)
{
	for (int i = 0; i < set->n; i++)
	{
		const Conflict *c = &set->items[i];

		if (c->verdict == VERDICT_KEEP &&
			(c->owner == NULL || call->system == NULL || strcmp(c->owner, call->system) != 0))
			return false;
	}
	return true;
}

/* Counts a row that values are kept out of, and adds their columns, for the statement's NOTICE. */
static void
tally_kept(const GuardCall *call, const ConflictSet *set)
{
	Tally *tally = tally_get(call->map);
	List **columns = &tally->kept_columns;
	uint64 *rows = &tally->kept;

	if (only_blanks(set))
	{
		columns = &tally->blank_columns;
		rows = &tally->blanks;
	}
	else if (only_pinned(call, set))
	{
		columns = &tally->pinned_columns;
		rows = &tally->pinned;
	}
	++*rows;
	for (int i = 0; i < set->n; i++)
	{
		const char *name = set->items[i].col->name;
		MemoryContext old;

		if (set->items[i].verdict != VERDICT_KEEP || names_contain(*columns, name))
			continue;
		old = MemoryContextSwitchTo(tally->cxt);
		*columns = lappend(*columns, pstrdup(name));
		MemoryContextSwitchTo(old);
	}
}

/* Records values that are kept out.  amended: the row as it will be stored. */
void
outcome_record_kept(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					TupleTableSlot *proposed, HeapTuple amended)
{
	TupleTableSlot *final = conflicts_slot(call->td->tg_relation, amended);
	Evidence e = evidence(call, set, VERDICT_KEEP, stored, proposed);

	e.final = final;
	evidence_record(&e);
	evidence_report_softened(&e);
	if (!call->applied)
		tally_kept(call, set);
	ExecDropSingleTupleTableSlot(final);
}

/*
 * Records a row that is not created or not deleted, or a move that is not done.
 * left_out: attribute numbers of columns whose values are recorded elsewhere.
 */
void
outcome_record_discarded(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
						 TupleTableSlot *proposed, const Bitmapset *left_out)
{
	Evidence e = evidence(call, set, VERDICT_DISCARD, stored, proposed);

	e.left_out = left_out;
	evidence_record(&e);
	evidence_report_softened(&e);
	if (!call->applied && left_out == NULL)
	{
		Tally *tally = tally_get(call->map);

		if (e.operation == OPERATION_INSERT)
			tally->not_created++;
		else
			tally->discarded++;
	}
}

/* Records what an UPDATE changed from `stored` to `written`, in columns that have a history. */
void
outcome_record_history(const GuardCall *call, TupleTableSlot *stored, TupleTableSlot *written)
{
	if (call->map->history != NULL)
		evidence_history(call->map, RelationGetDescr(call->td->tg_relation), call->writer,
						 call->system, stored, written);
}

/*
 * Counts a written row for activity where BEFORE judges, and of an UPDATE records the
 * history and collects a new key; elsewhere AFTER does.  tuple: the row; NULL: none is written.  row: a
 * slot that contains the tuple, or NULL.
 */
void
outcome_count_row(const GuardCall *call, Operation operation, const Bitmapset *named,
				  TupleTableSlot *stored, HeapTuple tuple, TupleTableSlot *row)
{
	bool history = operation == OPERATION_UPDATE && call->map->history != NULL;
	bool lands = operation == OPERATION_UPDATE && map_is_shared(call->map) &&
				 map_updates_key(call->map, named);
	TupleTableSlot *own = NULL;

	if (!call->judge || tuple == NULL || !(history || lands || activity_counts()))
		return;
	if (row == NULL)
		row = own = conflicts_slot(call->td->tg_relation, tuple);
	activity_row(call->map, call->system, operation, named, &call->new, stored, row, COLUMNS_ALL);
	if (history)
		outcome_record_history(call, stored, row);
	if (lands)
		land_updated(call, named, stored, row);
	if (own != NULL)
		ExecDropSingleTupleTableSlot(own);
}
