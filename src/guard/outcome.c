/*
 * outcome.c
 *		What becomes of conflicts: they are recorded, counted, reported or rejected.
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

void
outcome_reject(const GuardCall *call, const ConflictSet *set, Verdict outcome,
			   TupleTableSlot *stored, TupleTableSlot *proposed, const char *why)
{
	Evidence e = evidence(call, set, outcome, stored, proposed);

	evidence_report_rejected(&e, why);
}

/*
 * Records the writes that went through.  `amended` is the row that they went
 * into, where that is known to be another one than was proposed.
 */
void
outcome_record_allowed(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					   TupleTableSlot *proposed, HeapTuple amended)
{
	TupleTableSlot *final = amended == NULL ? NULL : conflicts_slot(call->td->tg_relation, amended);

	for (Verdict v = VERDICT_OBSERVE; v <= VERDICT_OVERRIDE; v++)
	{
		for (int i = 0; i < set->n; i++)
		{
			if (set->items[i].verdict == v)
			{
				Evidence e = evidence(call, set, v, stored, proposed);

				e.final = final;
				evidence_record(&e);
				break;
			}
		}
	}
	if (final != NULL)
		ExecDropSingleTupleTableSlot(final);
}

/* Why a rejection in a foreign-key action may differ from the policy. */
static const char *
cascade_reason(const GuardCall *call)
{
	return call->circumstances.cascade ? "A foreign-key action cannot leave the row as it is."
									   : NULL;
}

/*
 * Is BEFORE to reject?  Elsewhere AFTER does, which sees the final row.  But it
 * could not tell a foreign-key action, and beside rows that move it must take
 * none for another.
 */
bool
outcome_rejects_early(const GuardCall *call)
{
	return call->judge || call->circumstances.cascade ||
		   (call->circumstances.operation == OPERATION_INSERT && move_is_under_way());
}

/* BEFORE: what must be rejected now. */
void
outcome_reject_early(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					 TupleTableSlot *proposed)
{
	if (set->strictest == VERDICT_REJECT && outcome_rejects_early(call))
		outcome_reject(call, set, VERDICT_REJECT, stored, proposed, cascade_reason(call));
}

/* Evidence of kept values, once the amended row is known. */
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
		tally_get(call->map)->kept++;
	ExecDropSingleTupleTableSlot(final);
}

void
outcome_record_discarded(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
						 TupleTableSlot *proposed)
{
	Evidence e = evidence(call, set, VERDICT_DISCARD, stored, proposed);

	evidence_record(&e);
	evidence_report_softened(&e);
	if (!call->applied)
	{
		Tally *tally = tally_get(call->map);

		if (e.operation == OPERATION_INSERT)
			tally->not_created++;
		else
			tally->discarded++;
	}
}

/*
 * Where AFTER does not judge, what is written is counted here.  `row` is the
 * slot of the tuple, if that was not amended.
 */
void
outcome_count_row(const GuardCall *call, Operation operation, const Bitmapset *named,
				  TupleTableSlot *stored, HeapTuple tuple, TupleTableSlot *row)
{
	if (!call->judge || tuple == NULL || !activity_counts())
		return;
	if (row != NULL)
		activity_row(call->map, call->system, operation, named, &call->new, stored, row);
	else
	{
		row = conflicts_slot(call->td->tg_relation, tuple);
		activity_row(call->map, call->system, operation, named, &call->new, stored, row);
		ExecDropSingleTupleTableSlot(row);
	}
}
