/*
 * park.c
 *		Evidence of values that wait for a row.
 *
 * Parked: a system says something of its own fields in a row that another system
 * has not created yet.  There is one row of evidence for each row and system; what
 * the system says later is added to it, column by column.  It also contains the values
 * of columns that are nobody's, which never wait: the evidence is the only place that
 * still has them.
 *
 * Remembered: a row was deleted that contained values of other systems' fields.
 * One row of evidence contains them, except those that are remembered only until
 * the transaction ends: sensitive fields, and all where the time to remember is 0.
 * These have the time -infinity, and are deleted before the transaction commits.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "evidence.h"

/* Has this transaction recorded what is remembered only until it ends? */
static bool any_brief = false;

/*
 * Can values wait for rows of the table?  Several systems write it, an index finds
 * the row of a key, and the extension's tables have what this needs.
 */
bool
evidence_can_wait(const RelationMap *map)
{
	return map_is_shared(map) && map->key_is_whole;
}

/* The values of these columns of a row, under the settings of evidence. */
static Jsonb *
values_of(const RelationMap *map, TupleDesc desc, TupleTableSlot *slot, const Bitmapset *attnums)
{
	OutputSettings settings = value_fix_output(map->text_needs);
	Jsonb *volatile values = NULL;

	PG_TRY();
	{
		values = evidence_columns(desc, slot, attnums);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return values;
}

static List *
names_of(TupleDesc desc, const Bitmapset *attnums)
{
	List *names = NIL;
	int attnum = -1;

	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
		names = lappend(names, NameStr(TupleDescAttr(desc, attnum - 1)->attname));
	return names;
}

/* Inserts a row of evidence. */
static void
insert_waiting(Inserter *inserter, const RelationMap *map, const Writer *writer, const char *system,
			   Operation operation, const char *outcome, Jsonb *key, Jsonb *stored, Jsonb *proposed,
			   List *names, bool brief)
{
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];

	evidence_check_readable(map, (Jsonb *[]){key, stored, proposed}, 3);
	evidence_set_common(values, nulls, map->schema, map->table, operation, writer, system, outcome);
	if (brief)
		values[Anum_conflict_recorded_at - 1] = TimestampTzGetDatum(DT_NOBEGIN);
	evidence_set_jsonb(values, nulls, Anum_conflict_row_key, key);
	evidence_set_jsonb(values, nulls, Anum_conflict_stored, stored);
	evidence_set_jsonb(values, nulls, Anum_conflict_proposed, proposed);
	values[Anum_conflict_columns - 1] = names_array(names);
	nulls[Anum_conflict_columns - 1] = false;
	insert_row(inserter, Natts_conflict, values, nulls);
}

/* Does the evidence say all that already? */
static bool
says_all(Jsonb *was, Jsonb *now)
{
	ListCell *lc;

	foreach(lc, value_object_names(now))
	{
		char *a;
		char *b;
		ValueKind kind = value_object_text(was, lfirst(lc), &a);

		if (kind != value_object_text(now, lfirst(lc), &b) ||
			(kind == VALUE_TEXT && strcmp(a, b) != 0))
			return false;
	}
	return true;
}

/*
 * Adds values to what a system has parked for a row already.  False: that does not wait
 * any more, because a decision or erase() has ended it meanwhile.
 */
static bool
add_parked(const RelationMap *map, const Waiting *w, Jsonb *values, List *names)
{
	ItemPointerData tid = w->tid;
	StoredTable *t;
	TupleTableSlot *row;
	List *all;
	bool waits = false;
	ListCell *lc;
	Datum merged;

	if (!w->stuck && says_all(w->values, values))
		return true;
	t = evidence_open();
	if (stored_lock_at(t, &tid))
		(void) slot_getattr(t->slot, Anum_conflict_resolved_at, &waits);
	if (waits)
	{
		row = stored_copy(t);
		all = sql_name_list(w->columns[Anum_conflict_columns - 1]);
		foreach(lc, names)
		{
			if (!names_contain(all, lfirst(lc)))
				all = lappend(all, lfirst(lc));
		}
		merged =
			DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(w->values), JsonbPGetDatum(values));
		evidence_check_readable(map, (Jsonb *[]){w->key, DatumGetJsonbP(merged)}, 2);
		row->tts_values[Anum_conflict_proposed - 1] = merged;
		row->tts_values[Anum_conflict_columns - 1] = names_array(all);
		row->tts_values[Anum_conflict_recorded_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
		row->tts_isnull[Anum_conflict_problem - 1] = true;
		stored_update(t);
	}
	stored_close(t);
	return waits;
}

/*
 * Values that a system parks, in a row of which something waits (Waiting, the newest first)
 * already: where the row says only a part of a group (`said`), the rest of the group stays
 * what the system's value of it was last.
 */
static Jsonb *
complete_groups(Jsonb *values, Jsonb *said, List *waiting, const char *system)
{
	JsonbParseState *state = NULL;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, value_object_names(values))
	{
		JsonbValue *value = value_in_object(said, lfirst(lc));
		JsonbValue name;
		ListCell *lc2;

		foreach(lc2, waiting)
		{
			const Waiting *w = lfirst(lc2);

			if (value == NULL &&
				(!w->parked || (w->system != NULL && strcmp(w->system, system) == 0)))
				value = value_in_object(w->values, lfirst(lc));
		}
		if (value == NULL)
			value = value_in_object(values, lfirst(lc));
		name.type = jbvString;
		name.val.string.val = lfirst(lc);
		name.val.string.len = strlen(lfirst(lc));
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Records that values of a row wait: those of the columns `attnums`, which the
 * system owns; NULL: only the key was named.  others: columns that are nobody's,
 * whose values are recorded as well.  key: that of the row, whose lock (guard/park.c) the
 * caller holds.
 * Returns a running transaction that has changed what the system parked there, for
 * which the caller waits before it tries again; or InvalidTransactionId.
 *
 * Errors: the values do not fit into jsonb (program_limit_exceeded).
 */
TransactionId
evidence_park(RelationMap *map, TupleDesc desc, const Writer *writer, const char *system,
			  Jsonb *key, TupleTableSlot *slot, const Bitmapset *attnums, const Bitmapset *others)
{
	TransactionId pending;
	List *waiting = evidence_waiting(map, key, &pending);
	Bitmapset *whole = evidence_add_groups(map, bms_copy(attnums));
	Jsonb *values = values_of(map, desc, slot, bms_union(whole, others));
	List *names = names_of(desc, whole);
	Inserter *inserter;
	ListCell *lc;

	if (TransactionIdIsValid(pending))
		return pending;
	if (!bms_equal(whole, attnums))
		values = complete_groups(values, values_of(map, desc, slot, bms_union(attnums, others)),
								 waiting, system);
	foreach(lc, waiting)
	{
		const Waiting *w = lfirst(lc);

		if (w->parked && w->system != NULL && strcmp(w->system, system) == 0 &&
			add_parked(map, w, values, names))
			return InvalidTransactionId;
	}
	inserter = insert_open("conflict");
	insert_waiting(inserter, map, writer, system, OPERATION_INSERT, "parked", key, NULL, values,
				   names, false);
	insert_close(inserter);
	CommandCounterIncrement();
	map_waits_now(map, key, true);
	return InvalidTransactionId;
}

/* Adds to a set of columns (attribute numbers) all of their groups, which are one value each. */
Bitmapset *
evidence_add_groups(RelationMap *map, Bitmapset *attnums)
{
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *each = NULL;

		if (map->cols[i].group == 0 || !bms_is_member(map->cols[i].attnum, attnums))
			continue;
		while ((each = map_next_in_group(map, map->cols[i].group, each)) != NULL)
			attnums = bms_add_member(attnums, each->attnum);
	}
	return attnums;
}

/*
 * A row was deleted: records the values of columns that other systems own.  system:
 * as which the writer writes the table, NULL: none.
 */
void
evidence_remember(RelationMap *map, TupleDesc desc, const Writer *writer, const char *system,
				  Operation operation, TupleTableSlot *stored)
{
	bool brief = map_remembers_briefly(map);
	Bitmapset *attnums[2] = {NULL, NULL}; /* the second until the transaction ends */
	Tally *tally;
	Inserter *inserter;
	MemoryContext cxt;
	MemoryContext old;
	Jsonb *key;

	(void) map_foreign(map, writer);
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		const char *owner;
		bool isnull;

		if (!col->foreign || col->key)
			continue;
		(void) slot_getattr(stored, col->attnum, &isnull);
		if ((isnull && !map_null_is_value(map, col)) ||
			(owner = map_owner(map, col, stored)) == NULL ||
			(system != NULL && strcmp(owner, system) == 0))
			continue;
		attnums[brief || col->sensitive] =
			bms_add_member(attnums[brief || col->sensitive], col->attnum);
	}
	if (attnums[0] == NULL && attnums[1] == NULL)
		return;
	for (int i = 0; i < 2; i++)
		attnums[i] = evidence_add_groups(map, attnums[i]);

	tally = tally_get(map);
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership evidence", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	key = evidence_row_key_of(map, desc, stored);
	inserter = evidence_inserter(tally, &tally->inserter, "conflict");
	for (int i = 0; i < 2; i++)
	{
		if (attnums[i] == NULL)
			continue;
		any_brief |= i == 1;
		insert_waiting(inserter, map, writer, system, operation, "remembered", key,
					   values_of(map, desc, stored, attnums[i]), NULL, names_of(desc, attnums[i]),
					   i == 1);
	}
	evidence_release(tally->inserter, inserter);
	/* of very many rows it is told that there are some, here and at the end of the statement */
	map_waits_now(map, key, tally->remembered < EVIDENCE_TOLD_ALONE);
	if (tally->remembered++ == EVIDENCE_TOLD_ALONE)
		map_wait_send(map->home, 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	bms_free(attnums[0]);
	bms_free(attnums[1]);
}

/* The transaction is about to end: deletes what it remembered only until now. */
void
evidence_forget_brief(void)
{
	Oid indexid;
	Relation index;
	StoredTable *t;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	SnapshotData self;
	ScanKeyData key;

	if (likely(!any_brief))
		return;
	any_brief = false;
	indexid = catalog_table("conflict_remembered_idx", true);
	if (!OidIsValid(indexid))
		return;
	/* what the last command remembered is visible from now on */
	CommandCounterIncrement();
	t = evidence_open();
	index = index_open(indexid, AccessShareLock);
	slot = table_slot_create(t->rel, NULL);
	InitDirtySnapshot(self);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(DT_NOBEGIN));
	scan = compat_index_beginscan(t->rel, index, &self, 1);
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!TransactionIdIsValid(self.xmin) && !TransactionIdIsValid(self.xmax) &&
			stored_lock_at(t, &slot->tts_tid))
			stored_delete(t);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	stored_close(t);
}

void
evidence_end_transaction(void)
{
	any_brief = false;
}
