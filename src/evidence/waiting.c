/*
 * waiting.c
 *		Reads the evidence of values that wait for a row, and resolves it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "evidence.h"

/* Begins to change rows of evidence.  End with stored_close(), which leaves the lock on the table. */
StoredTable *
evidence_open(void)
{
	Relation rel = table_open(catalog_table("conflict", false), RowExclusiveLock);
	StoredTable *t = stored_open(rel, NULL);

	insert_silence(rel, t->rri->ri_TrigDesc);
	t->opened = true;
	return t;
}

static bool
is_current(TupleTableSlot *slot)
{
	bool isnull;
	Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return !isnull && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/* What a row of evidence says, in the current memory context; NULL: nothing that waits. */
static Waiting *
read_waiting(TupleTableSlot *slot, const RelationMap *map)
{
	Waiting *w = palloc0(sizeof(Waiting));
	HeapTuple tuple = ExecCopySlotHeapTuple(slot);
	int values;

	w->columns = palloc(slot->tts_tupleDescriptor->natts * sizeof(Datum));
	w->nulls = palloc(slot->tts_tupleDescriptor->natts * sizeof(bool));
	heap_deform_tuple(tuple, slot->tts_tupleDescriptor, w->columns, w->nulls);
	w->tid = slot->tts_tid;
	w->parked = strcmp(TextDatumGetCString(w->columns[Anum_conflict_outcome - 1]), "parked") == 0;
	w->at = DatumGetTimestampTz(w->columns[Anum_conflict_recorded_at - 1]);
	w->brief = TIMESTAMP_IS_NOBEGIN(w->at);
	w->ours = is_current(slot);
	if (!w->nulls[Anum_conflict_system - 1])
		w->system = TextDatumGetCString(w->columns[Anum_conflict_system - 1]);
	w->key = DatumGetJsonbP(w->columns[Anum_conflict_row_key - 1]);
	w->stuck = !w->nulls[Anum_conflict_problem - 1];
	values = w->parked ? Anum_conflict_proposed : Anum_conflict_stored;
	if (w->nulls[values - 1] || w->nulls[Anum_conflict_columns - 1] ||
		(!w->parked && !w->ours && (w->brief || map_is_expired(map, w->at))))
		return NULL;
	w->values = DatumGetJsonbP(w->columns[values - 1]);
	return w;
}

/* The newest first: evidence of this transaction's own deletes is newer than all. */
static int
compare_waiting(const ListCell *a, const ListCell *b)
{
	const Waiting *wa = lfirst(a);
	const Waiting *wb = lfirst(b);
	int64 ida = DatumGetInt64(wa->columns[Anum_conflict_id - 1]);
	int64 idb = DatumGetInt64(wb->columns[Anum_conflict_id - 1]);

	if (wa->brief != wb->brief)
		return wa->brief ? -1 : 1;
	if (wa->at != wb->at)
		return wa->at > wb->at ? -1 : 1;
	return (idb > ida) - (idb < ida);
}

/*
 * What waits for the row with this key (NULL: for any row of the table): a list of
 * Waiting, the newest first.  *pending: a running transaction that has written some
 * of it; then the list is not complete.
 */
List *
evidence_waiting(const RelationMap *map, Jsonb *key, TransactionId *pending)
{
	List *found = NIL;
	WaitingScan scan;

	*pending = InvalidTransactionId;
	if (!waiting_begin(&scan, map->schema, map->table, key))
		return NIL;
	while (waiting_next(&scan))
	{
		Waiting *w;

		if (TransactionIdIsValid(scan.pending))
		{
			*pending = scan.pending;
			continue;
		}
		w = read_waiting(scan.slot, map);
		if (w != NULL)
			found = lappend(found, w);
	}
	waiting_end(&scan);
	list_sort(found, compare_waiting);
	return found;
}

/*
 * Locks what waits (a list of Waiting) until the transaction ends.  False: somebody has
 * added to it, or has resolved it, since it was read.
 */
bool
evidence_hold(List *waiting)
{
	StoredTable *t;
	bool same = true;
	ListCell *lc;

	if (waiting == NIL)
		return true;
	t = evidence_open();
	foreach(lc, waiting)
	{
		const Waiting *w = lfirst(lc);
		ItemPointerData tid = w->tid;

		same = same && stored_lock_at(t, &tid) &&
			   ItemPointerEquals(&t->slot->tts_tid, unconstify(ItemPointerData *, &w->tid));
	}
	stored_close(t);
	return same;
}

/* Locks a row of evidence that still waits; false: it does not wait any more. */
static bool
lock_waiting(StoredTable *t, const Waiting *w)
{
	ItemPointerData tid = w->tid;
	bool isnull;

	if (!stored_lock_at(t, &tid))
		return false;
	(void) slot_getattr(t->slot, Anum_conflict_resolved_at, &isnull);
	return isnull;
}

/*
 * Ends the waiting, of which the row took so many values.  Where the transaction that
 * removed the row applies all of them again, no evidence is left.  False: somebody else
 * has ended it.
 */
bool
evidence_resolve(StoredTable *t, const Waiting *w, int applied)
{
	const char *resolution = applied > 0 ? "applied" : "superseded";
	TupleTableSlot *row;

	if (!lock_waiting(t, w))
		return false;
	if (!w->parked && w->ours && (w->brief || applied == list_length(value_object_names(w->values))))
	{
		stored_delete(t);
		return true;
	}
	row = stored_copy(t);
	row->tts_values[Anum_conflict_resolved_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	row->tts_values[Anum_conflict_resolution - 1] = CStringGetTextDatum(resolution);
	row->tts_values[Anum_conflict_resolved_by - 1] =
		CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	row->tts_isnull[Anum_conflict_resolved_at - 1] = false;
	row->tts_isnull[Anum_conflict_resolution - 1] = false;
	row->tts_isnull[Anum_conflict_resolved_by - 1] = false;
	row->tts_isnull[Anum_conflict_problem - 1] = true;
	stored_update(t);
	return true;
}

/*
 * The values of these columns (char *) could not be written and wait on; the problem
 * says why.  The evidence keeps them alone; another row of evidence keeps the others, of which
 * the row took so many.  See evidence_resolve() for those that leave none.
 */
bool
evidence_still_waits(StoredTable *t, const Waiting *w, List *names, const char *problem, int applied)
{
	int values = w->parked ? Anum_conflict_proposed : Anum_conflict_stored;
	List *all = sql_name_list(w->columns[Anum_conflict_columns - 1]);
	int rest = list_length(all) - list_length(names);
	JsonbParseState *state = NULL;
	TupleTableSlot *row;
	ListCell *lc;

	if (!lock_waiting(t, w))
		return false;
	if (rest > 0 && (w->parked || !w->ours || (applied < rest && !w->brief)))
	{
		Inserter *inserter = insert_open("conflict");
		Datum copy[Natts_conflict];
		bool nulls[Natts_conflict];
		List *others = NIL;
		Datum other = w->columns[values - 1];

		memcpy(copy, w->columns, sizeof(copy));
		memcpy(nulls, w->nulls, sizeof(nulls));
		foreach(lc, all)
		{
			if (!names_contain(names, lfirst(lc)))
				others = lappend(others, lfirst(lc));
		}
		foreach(lc, names)
			other = DirectFunctionCall2(jsonb_delete, other, CStringGetTextDatum(lfirst(lc)));
		copy[values - 1] = other;
		copy[Anum_conflict_columns - 1] = names_array(others);
		copy[Anum_conflict_resolved_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
		copy[Anum_conflict_resolution - 1] =
			CStringGetTextDatum(applied > 0 ? "applied" : "superseded");
		nulls[Anum_conflict_resolved_at - 1] = nulls[Anum_conflict_resolution - 1] = false;
		insert_row(inserter, Natts_conflict, copy, nulls);
		insert_close(inserter);
	}
	row = stored_copy(t);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, names)
	{
		JsonbValue name;
		JsonbValue *value = value_in_object(w->values, lfirst(lc));

		if (value == NULL)
			continue;
		name.type = jbvString;
		name.val.string.val = lfirst(lc);
		name.val.string.len = strlen(lfirst(lc));
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, value);
	}
	row->tts_values[values - 1] =
		JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	row->tts_values[Anum_conflict_columns - 1] = names_array(names);
	row->tts_values[Anum_conflict_problem - 1] = CStringGetTextDatum(problem);
	row->tts_isnull[Anum_conflict_problem - 1] = false;
	stored_update(t);
	return true;
}
