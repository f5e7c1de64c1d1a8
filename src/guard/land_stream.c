/*
 * land_stream.c
 *		Waiting values land in a row that a replication worker inserts, or gives another
 *		key: BEFORE puts them into the row itself.
 *
 * What would violate a constraint stays out, so that no stream stops: it is tried
 * again, value by value, at the end of the transaction (land.c).  So is all that waits
 * where another trigger fires after the guard's: that may suppress the row, or, where it is
 * that of a constraint, fail.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/lmgr.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* A row with the values that waited for it. */
typedef struct Filling
{
	RelationMap *map;
	Relation rel;
	HeapTuple tuple;
	TupleTableSlot *row; /* the same without the values */
	Jsonb *key;
	List *chosen;
	ItemPointerData old; /* the version of the row that an UPDATE replaces; invalid: none */
	bool fits;
} Filling;

/* May the values that land change what the index contains of the row? */
static bool
concerns(const Filling *f, const IndexInfo *index)
{
	TupleDesc desc = RelationGetDescr(f->rel);

	if (index->ii_Expressions != NIL || index->ii_Predicate != NIL)
		return true;
	for (int i = 0; i < index->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber attnum = index->ii_IndexAttrNumbers[i];
		ListCell *lc;

		if (TupleDescAttr(desc, attnum - 1)->attgenerated != '\0')
			return true;
		foreach(lc, f->chosen)
			if (((Landed *) lfirst(lc))->col->attnum == attnum)
				return true;
	}
	return false;
}

/* Would the row violate a unique index or exclusion constraint because of what lands? */
static bool
violates(const Filling *f, StoredTable *t, TupleTableSlot *slot, int i)
{
	Form_pg_index index = t->rri->ri_IndexRelationDescs[i]->rd_index;
	ItemPointerData conflict;

	if (!(index->indisunique || index->indisexclusion) || !index->indimmediate ||
		!index->indisready || !concerns(f, t->rri->ri_IndexRelationInfo[i]) ||
		compat_check_index_constraints(t->rri, slot, t->estate, &conflict,
									   list_make1_oid(index->indexrelid)))
		return false;
	/* the version of the row that an UPDATE replaces is no other row */
	return index->indisexclusion || !ItemPointerIsValid(&f->old) ||
		   !ItemPointerEquals(&conflict, unconstify(ItemPointerData *, &f->old));
}

/*
 * Puts the values into the row that no pin keeps out, and checks that it can be written.
 * False: it cannot, or nothing is left; then the pins are as before.
 */
static bool
fill_row(void *arg)
{
	Filling *f = arg;
	TupleDesc desc = RelationGetDescr(f->rel);
	StoredTable *t;
	TupleTableSlot *slot;
	ListCell *lc;

	f->chosen = pin_sift(f->map, f->rel, f->key, f->chosen, f->row);
	if (f->chosen == NIL)
		return false;
	t = stored_open(f->rel, NULL);
	foreach(lc, f->chosen)
	{
		const Landed *landed = lfirst(lc);
		int attnum = landed->col->attnum;
		bool isnull = landed->text == NULL;
		Datum value =
			isnull ? (Datum) 0
				   : value_from_text(TupleDescAttr(desc, attnum - 1)->atttypid, landed->text);

		f->tuple = heap_modify_tuple_by_cols(f->tuple, desc, 1, &attnum, &value, &isnull);
	}
	slot = conflicts_slot(f->rel, f->tuple);
	slot->tts_tableOid = RelationGetRelid(f->rel);
	if (desc->constr != NULL)
	{
		TupleTableSlot *full = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);

		ExecCopySlot(full, slot);
		if (desc->constr->has_generated_stored)
			ExecComputeStoredGenerated(t->rri, t->estate, full, CMD_INSERT);
		ExecConstraints(t->rri, full, t->estate);
		ExecDropSingleTupleTableSlot(full);
	}
	f->fits = true;
	for (int i = 0; i < t->rri->ri_NumIndices && f->fits; i++)
		f->fits = !violates(f, t, slot, i);
	ExecDropSingleTupleTableSlot(slot);
	stored_close(t);
	return f->fits;
}

/* What the stream brought into columns that take another value is kept out. */
static void
record_replaced(GuardCall *call, HeapTuple brought, HeapTuple filled, List *chosen)
{
	TupleTableSlot *row = conflicts_slot(call->td->tg_relation, brought);
	TupleTableSlot *final = conflicts_slot(call->td->tg_relation, filled);
	ConflictSet set = {0};
	ListCell *lc;

	set.items = palloc0(list_length(chosen) * sizeof(Conflict));
	set.strictest = VERDICT_KEEP;
	foreach(lc, chosen)
	{
		const Landed *landed = lfirst(lc);
		MappedColumn *col = landed->col;
		const char *owner = map_owner(call->map, col, row);
		bool rnull;
		bool fnull;
		Datum r = slot_getattr(row, col->attnum, &rnull);
		Datum f = slot_getattr(final, col->attnum, &fnull);

		if (landed->unpins || owner == NULL ||
			(call->system != NULL && strcmp(owner, call->system) == 0) ||
			!insertion_writes(&call->new, col, row) ||
			!value_changed(&col->type, r, rnull, f, fnull))
			continue;
		set.items[set.n].col = col;
		set.items[set.n].owner = owner;
		set.items[set.n++].verdict = VERDICT_KEEP;
	}
	ExecDropSingleTupleTableSlot(final);
	if (set.n > 0)
		outcome_record_kept(call, &set, NULL, row, filled);
	ExecDropSingleTupleTableSlot(row);
}

/*
 * BEFORE INSERT of a row that a worker creates, or BEFORE a row is written that it gives
 * another key: returns the row with the values that wait for it.  stored: the row as it
 * was, its tts_tid not valid where it was in another partition; NULL: it is created.
 */
HeapTuple
land_in_row(GuardCall *call, TupleTableSlot *stored, HeapTuple tuple)
{
	Relation rel = call->td->tg_relation;
	RelationMap *map = call->map;
	Creator creator = {unconstify(char *, call->system), call->circumstances.steward,
					   call->moment->default_policy, -1};
	Filling f = {.map = map, .rel = rel, .tuple = tuple};
	TupleTableSlot *row;
	TupleTableSlot *filled;
	TransactionId pending;
	List *waiting;
	ListCell *lc;
	StoredTable *t;

	if (call->moment->enforcement != ENFORCEMENT_ON || call->writer->relay ||
		!evidence_can_wait(map))
		return tuple;
	if (stored == NULL)
		creator.level = insertion_level(&call->new);
	if (!map->waits)
	{
		/* of an UPDATE, land_updated() has the key */
		if (stored == NULL)
			land_expect(map, call->moment, call->writer, NULL, creator.level, false, false);
		return tuple;
	}
	row = conflicts_slot(rel, tuple);
	if (stored == NULL)
		land_row(call, row);
	if (!call->applied || (stored != NULL && !map_gives_key(map, stored, row)) ||
		!evidence_may_wait(map, RelationGetDescr(rel), row) ||
		trigger_list_others_fire_later(call->td, TRIGGER_FIRED_BY_UPDATE(call->td->tg_event)
													 ? TRIGGER_TYPE_UPDATE
													 : TRIGGER_TYPE_INSERT))
	{
		/* nothing waits; or whether the row comes to be, and with what, is known later */
		ExecDropSingleTupleTableSlot(row);
		return tuple;
	}
	f.row = row;
	f.key = evidence_row_key_of(map, RelationGetDescr(rel), row);
	for (;;)
	{
		waiting = evidence_waiting(map, f.key, &pending);
		/* whoever adds to it from now on finds the row */
		if (!TransactionIdIsValid(pending) && evidence_hold(waiting))
			break;
		CHECK_FOR_INTERRUPTS();
		if (TransactionIdIsValid(pending))
			XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
	if (waiting != NIL)
		f.chosen = waits_choose(map, waiting, row, &creator, NIL);
	ItemPointerSetInvalid(&f.old);
	if (stored != NULL)
		f.old = stored->tts_tid;
	if (f.chosen == NIL || subxact_trial(fill_row, &f) != NULL || !f.fits)
	{
		/* the end of the transaction tries again what does not fit */
		ExecDropSingleTupleTableSlot(row);
		return tuple;
	}
	filled = conflicts_slot(rel, f.tuple);
	t = evidence_open();
	foreach(lc, waiting)
		(void) evidence_resolve(t, lfirst(lc), waits_taken(f.chosen, lfirst(lc)));
	stored_close(t);
	foreach(lc, f.chosen)
	{
		MappedColumn *col = ((Landed *) lfirst(lc))->col;

		activity_value(map, map_owner(map, col, filled), col);
	}
	if (stored == NULL)
		record_replaced(call, tuple, f.tuple, f.chosen);
	else
	{
		land_record_replaced(map, RelationGetDescr(rel), call->writer, row, filled, f.chosen,
							 &creator);
		land_record_history(map, RelationGetDescr(rel), call->writer, row, filled, f.chosen);
	}
	ExecDropSingleTupleTableSlot(filled);
	ExecDropSingleTupleTableSlot(row);
	return f.tuple;
}
