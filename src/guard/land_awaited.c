/*
 * land_awaited.c
 *		The rows of a table for which something waits, found by what waits.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* Did this transaction write the row last, by that command or a later one? */
static bool
is_ours(TupleTableSlot *row, CommandId first)
{
	bool isnull;

	if (!TransactionIdIsCurrentTransactionId(
			DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &isnull))))
		return false;
	return !TTS_IS_BUFFERTUPLE(row) ||
		   HeapTupleHeaderGetCmin(((HeapTupleTableSlot *) row)->tuple->t_data) >= first;
}

/* Goes to the row with the key of `wanted`, if it is there, and among those that are looked at. */
static bool
is_there(StoredScan *scan, TupleTableSlot *wanted, const WaitedFor *what)
{
	TransactionId pending;
	StoredState state;

	while ((state = stored_scan_look(scan, wanted, false, &pending)) == STORED_PENDING && !what->ours)
	{
		CHECK_FOR_INTERRUPTS();
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
	return state == STORED_THERE && (!what->ours || is_ours(scan->found, what->first));
}

/* Was the version of the row made by an UPDATE? */
static bool
is_updated(TupleTableSlot *row)
{
	return !TTS_IS_BUFFERTUPLE(row) ||
		   (((HeapTupleTableSlot *) row)->tuple->t_data->t_infomask & HEAP_UPDATED) != 0;
}

/* What is looked for in one relation. */
typedef struct Search
{
	Oid relid;
	List *keys; /* Jsonb */
	const WaitedFor *what;
	List *rows; /* LandingRow: what was found */
} Search;

/* Looks for the rows of one relation. */
static void
search_rows(Search *search, Relation rel, RelationMap *map)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership waiting key", ALLOCSET_SMALL_SIZES);
	TupleTableSlot *found = table_slot_create(rel, NULL);
	TupleTableSlot *wanted = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	ValueInput *inputs = palloc(map->nkey_attrs * sizeof(ValueInput));
	StoredScan scan;
	ListCell *lc;

	for (int i = 0; i < map->nkey_attrs; i++)
		value_input(&inputs[i],
					TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1)->atttypid, -1);
	stored_scan_begin(&scan, rel, map->key_index, found);
	foreach(lc, search->keys)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);
		LandingRow *row;
		bool there;

		CHECK_FOR_INTERRUPTS();
		land_fill_key(map, rel, lfirst(lc), inputs, wanted);
		/* not in that context: the scan keeps memory from one key to the next */
		MemoryContextSwitchTo(old);
		there = is_there(&scan, wanted, search->what);
		MemoryContextReset(cxt);
		if (!there)
			continue;
		row = palloc(sizeof(LandingRow));
		row->relid = search->relid;
		row->key = lfirst(lc);
		row->level = -1;
		row->named = InvalidOid;
		row->old = is_updated(found);
		search->rows = lappend(search->rows, row);
	}
	stored_scan_end(&scan);
	ExecDropSingleTupleTableSlot(found);
	ExecDropSingleTupleTableSlot(wanted);
	MemoryContextDelete(cxt);
}

static bool
search_relation(void *arg)
{
	Search *search = arg;
	Relation rel = table_open(search->relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);

	map_enter();
	if (rel->rd_rel->relkind == RELKIND_RELATION && evidence_can_wait(map))
		search_rows(search, rel, map);
	map_leave();
	table_close(rel, NoLock);
	return true;
}

/* What waits for the key, which does not fit the relation's columns: its problem says so. */
static void
note_unfit(Oid relid, Jsonb *key, const ErrorData *error)
{
	Relation rel = table_open(relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);
	StoredTable *t = evidence_open();
	ListCell *lc;

	map_enter();
	foreach(lc, land_settled(map, key))
	{
		const Waiting *w = lfirst(lc);

		if (!w->stuck)
			(void) evidence_still_waits(t, w, sql_name_list(w->columns[Anum_conflict_columns - 1]),
										psprintf(EVIDENCE_KEY_UNFIT "%s", error->message), 0);
	}
	map_leave();
	stored_close(t);
	table_close(rel, NoLock);
}

/*
 * Adds the rows of one relation that are there for one of the keys.  A key that does
 * not fit the columns any more, or a domain of theirs, belongs to no row, and fails nothing.
 *
 * Errors: all others, such as a lock that was not available in time.
 */
static List *
add_rows(List *rows, Oid relid, List *keys, const WaitedFor *what)
{
	Search all = {relid, keys, what, NIL};
	ListCell *lc;

	if (subxact_trial(search_relation, &all) == NULL)
		return list_concat(rows, all.rows);
	foreach(lc, keys)
	{
		Search one = {relid, list_make1(lfirst(lc)), what, NIL};

		ErrorData *error = subxact_trial(search_relation, &one);

		if (error == NULL)
			rows = list_concat(rows, one.rows);
		else if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
				 ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
			note_unfit(relid, lfirst(lc), error);
		else
			ReThrowError(error);
	}
	return rows;
}

/*
 * Adds the keys (Jsonb) of the scan, and ends it.  unfit: also those that did not fit the
 * table before.
 */
static List *
add_keys(List *keys, WaitingScan *scan, bool unfit)
{
	while (waiting_next(scan))
	{
		bool isnull;
		Datum problem = slot_getattr(scan->slot, Anum_conflict_problem, &isnull);
		Datum key;

		CHECK_FOR_INTERRUPTS();
		if (!isnull && !unfit &&
			strncmp(TextDatumGetCString(problem), EVIDENCE_KEY_UNFIT, strlen(EVIDENCE_KEY_UNFIT)) ==
				0)
			continue;
		key = slot_getattr(scan->slot, Anum_conflict_row_key, &isnull);
		if (!isnull)
			keys = lappend(keys, DatumGetJsonbPCopy(key));
	}
	waiting_end(scan);
	return keys;
}

/* The keys for which something waits. */
static List *
waiting_keys(const WaitedFor *what, bool unfit)
{
	List *keys = NIL;
	WaitingScan scan;

	if (what->all)
	{
		if (!waiting_begin(&scan, what->schema, what->table, NULL))
			return NIL;
		waiting_order(&scan);
		return add_keys(NIL, &scan, unfit);
	}
	for (int i = 0; i < what->nparts; i++)
	{
		int64 lowest;
		int64 highest;

		map_wait_range(what->parts[i], &lowest, &highest);
		if (waiting_begin_between(&scan, what->schema, what->table, lowest, highest))
			keys = add_keys(keys, &scan, unfit);
	}
	return keys;
}

static int
compare_rows(const ListCell *a, const ListCell *b)
{
	const LandingRow *ra = lfirst(a);
	const LandingRow *rb = lfirst(b);

	if (ra->relid != rb->relid)
		return ra->relid < rb->relid ? -1 : 1;
	return compareJsonbContainers(&ra->key->root, &rb->key->root);
}

/*
 * The rows of a table on the map for which something waits, in it and in its
 * partitions, each once.
 */
List *
land_awaited(Oid home, const WaitedFor *what)
{
	List *keys = waiting_keys(what, !what->ours);
	List *rows = NIL;
	List *once = NIL;
	ListCell *lc;

	if (keys == NIL)
		return NIL;
	/* what this statement wrote is visible from now on */
	CommandCounterIncrement();
	foreach(lc, place_with_below(home, RowExclusiveLock))
		rows = add_rows(rows, lfirst_oid(lc), keys, what);
	list_sort(rows, compare_rows);
	foreach(lc, rows)
	{
		if (once == NIL || compare_rows(list_last_cell(once), lc) != 0)
			once = lappend(once, lfirst(lc));
	}
	return once;
}
