/*
 * waiting.c
 *		Finds the evidence of values that wait for a row: parked or remembered, and not
 *		resolved.
 *
 * conflict_waiting_idx contains such evidence only.  It is read with a dirty
 * snapshot, which also sees what concurrent transactions have not committed yet,
 * and takes no predicate locks.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "catalog.h"

/* So many entries of the index, dead ones included, waiting_exists() looks at. */
#define PROBED 64

static Datum
hash_text(const char *text, Datum seed)
{
	return DirectFunctionCall2Coll(hashtextextended, DEFAULT_COLLATION_OID,
								   CStringGetTextDatum(text), seed);
}

/* What the index has of a key; jsonb_hash_extended() is the same in all sessions. */
int64
waiting_hash(Jsonb *key)
{
	return DatumGetInt64(
		DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(key), Int64GetDatum(0)));
}

static void
begin_index(WaitingScan *scan, int64 lowest, int64 highest)
{
	bool one = lowest == highest;
	ScanKeyData keys[3];

	InitDirtySnapshot(scan->dirty);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				hash_text(scan->table, hash_text(scan->schema, Int64GetDatum(0))));
	ScanKeyInit(&keys[1], 2, one ? BTEqualStrategyNumber : BTGreaterEqualStrategyNumber,
				one ? F_INT8EQ : F_INT8GE, Int64GetDatum(lowest));
	ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(highest));
	scan->scan = compat_index_beginscan(scan->rel, scan->index, &scan->dirty, one ? 2 : 3);
	scan->scan->xs_want_itup = !one; /* for waiting_next_hash() */
	index_rescan(scan->scan, keys, one ? 2 : 3, NULL, 0);
}

/*
 * Begins a scan of what waits for the rows of a table on the map whose keys have
 * these hash values (waiting_hash()).  False: the extension's tables are of an older
 * version, and nothing waits.  `scan` is memory of the caller.  End with
 * waiting_end().
 */
bool
waiting_begin_between(WaitingScan *scan, const char *schema, const char *table, int64 lowest,
					  int64 highest)
{
	Oid indexid = catalog_table("conflict_waiting_idx", true);

	if (!OidIsValid(indexid))
		return false;
	scan->schema = schema;
	scan->table = table;
	scan->key = NULL;
	scan->rel = table_open(catalog_table("conflict", false), AccessShareLock);
	scan->index = index_open(indexid, AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->places = NULL;
	begin_index(scan, lowest, highest);
	return true;
}

/* The same for one row; key: NULL, for any row. */
bool
waiting_begin(WaitingScan *scan, const char *schema, const char *table, Jsonb *key)
{
	int64 hash = key == NULL ? 0 : waiting_hash(key);

	if (!waiting_begin_between(scan, schema, table, key == NULL ? PG_INT64_MIN : hash,
							   key == NULL ? PG_INT64_MAX : hash))
		return false;
	scan->key = key;
	return true;
}

static bool
is_text(TupleTableSlot *slot, int attnum, const char *wanted)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	text *stored;

	if (isnull)
		return false;
	stored = DatumGetTextPP(value);
	return VARSIZE_ANY_EXHDR(stored) == strlen(wanted) &&
		   memcmp(VARDATA_ANY(stored), wanted, strlen(wanted)) == 0;
}

/* Sorts numbers by which places in a table are ordered. */
#define ST_SORT sort_places
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Lets the scan, which has just begun, read the evidence in the order in which it is
 * stored: of very many rows that costs less than the order of the hash values.
 */
void
waiting_order(WaitingScan *scan)
{
	int64 size = 1024;
	ItemPointer tid;

	scan->nplaces = scan->next = 0;
	scan->places = palloc(size * sizeof(uint64));
	while ((tid = index_getnext_tid(scan->scan, ForwardScanDirection)) != NULL)
	{
		if (scan->nplaces == size)
		{
			size *= 2;
			scan->places = repalloc_huge(scan->places, size * sizeof(uint64));
		}
		scan->places[scan->nplaces++] =
			(uint64) ItemPointerGetBlockNumber(tid) << 16 | ItemPointerGetOffsetNumber(tid);
	}
	sort_places(scan->places, scan->nplaces);
}

/* Reads the next row into scan->slot; false: there is none. */
static bool
next_slot(WaitingScan *scan)
{
	if (scan->places == NULL)
		return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
	while (scan->next < scan->nplaces)
	{
		uint64 place = scan->places[scan->next++];
		bool isnull;

		ItemPointerSet(&scan->scan->xs_heaptid, place >> 16, place & 0xffff);
		scan->scan->xs_heap_continue = false;
		if (!index_fetch_heap(scan->scan, scan->slot))
			continue;
		/* since the index was read, the place may have been taken by other evidence */
		(void) slot_getattr(scan->slot, Anum_conflict_resolved_at, &isnull);
		if (isnull && (is_text(scan->slot, Anum_conflict_outcome, "parked") ||
					   is_text(scan->slot, Anum_conflict_outcome, "remembered")))
			return true;
	}
	return false;
}

/* Goes to the next row of evidence, in scan->slot; false: there is none. */
bool
waiting_next(WaitingScan *scan)
{
	while (next_slot(scan))
	{
		bool isnull;
		Datum key;

		/* another table or row may have the same hash */
		if (!is_text(scan->slot, Anum_conflict_schema, scan->schema) ||
			!is_text(scan->slot, Anum_conflict_table, scan->table))
			continue;
		key = slot_getattr(scan->slot, Anum_conflict_row_key, &isnull);
		if (scan->key != NULL &&
			(isnull || compareJsonbContainers(&DatumGetJsonbP(key)->root, &scan->key->root) != 0))
			continue;
		scan->pending = TransactionIdIsValid(scan->dirty.xmin) ? scan->dirty.xmin : scan->dirty.xmax;
		return true;
	}
	return false;
}

void
waiting_end(WaitingScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->rel, AccessShareLock);
}

/*
 * The hash value of the next key for which something waits, or waited not long ago.
 * The index alone tells, which may contain the hash value of another table's key.
 * The caller has a snapshot, and uses no other function to go on.
 */
bool
waiting_next_hash(WaitingScan *scan, int64 *hash)
{
	bool isnull;

	if (index_getnext_tid(scan->scan, ForwardScanDirection) == NULL)
		return false;
	*hash = DatumGetInt64(index_getattr(scan->scan->xs_itup, 2, scan->scan->xs_itupdesc, &isnull));
	return true;
}

/* Has no value ever waited, since the index was made?  Then it has its first page alone. */
static bool
is_never_used(Oid indexid)
{
	Relation index = index_open(indexid, AccessShareLock);
	bool unused = RelationGetNumberOfBlocks(index) <= 1;

	index_close(index, AccessShareLock);
	return unused;
}

/* Is there an entry for a row of the table, among the first that are looked at? */
static bool
probe(const char *schema, const char *table)
{
	WaitingScan scan;
	ItemPointer tid;
	bool found = false;
	int probed = 0;

	if (!waiting_begin(&scan, schema, table, NULL))
		return false;
	while (!found && (tid = index_getnext_tid(scan.scan, ForwardScanDirection)) != NULL)
	{
		found = index_fetch_heap(scan.scan, scan.slot) || ++probed >= PROBED;
		ExecClearTuple(scan.slot);
	}
	waiting_end(&scan);
	return found;
}

/*
 * May something wait for a row of the table?  True, too, where a short look does
 * not tell, or another session has locked the evidence: a map is loaded without
 * waiting for that session.  It sees what has not been committed.
 */
bool
waiting_exists(const char *schema, const char *table)
{
	static const char *const names[] = {"conflict", "conflict_waiting_idx"};
	Oid indexid = catalog_table("conflict_waiting_idx", true);
	bool found;

	if (!OidIsValid(indexid))
		return false;
	if (!catalog_try_lock(names, lengthof(names)))
		return true;
	found = !is_never_used(indexid) && probe(schema, table);
	catalog_unlock(names, lengthof(names));
	return found;
}
