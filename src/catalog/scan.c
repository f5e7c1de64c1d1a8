/*
 * scan.c
 *		Reads the extension's own tables as PostgreSQL reads its catalogs.
 *
 * No SPI and no privilege checks: what the guard decides must not depend on
 * what the writer may read, on its search_path or on its snapshot.  A scan
 * uses an MVCC snapshot that is taken at that moment, so it sees what other
 * transactions have committed, and what this transaction has done, even under
 * REPEATABLE READ.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "catalog.h"

#define MAX_KEYS 3

/*
 * The OID of one of the extension's tables, indexes or sequences.
 *
 * Errors: there is none of that name, unless missing_ok; then it is InvalidOid.
 */
Oid
catalog_table(const char *name, bool missing_ok)
{
	Oid schema = get_namespace_oid(OWNERSHIP_SCHEMA, true);
	Oid relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", OWNERSHIP_SCHEMA, name),
				 errhint(
					 "Extension \"ownership\" is not created in this database, or was damaged.")));
	return relid;
}

/*
 * The relation whose relcache invalidation means that the map changed.  One
 * message reaches every session and everything that it cached of the map,
 * negative answers and partitions included.  Triggers on the map's tables send
 * the message.  The relation is one that no statement which edits the map uses:
 * otherwise an import would make its plans anew for every row.
 */
Oid catalog_signal = InvalidOid;

/*
 * Sets catalog_signal.  A cache calls it before it reads the map: invalidations
 * that come later are recognised.
 */
void
catalog_watch(void)
{
	catalog_signal = catalog_table(CATALOG_SIGNAL, false);
}

/* A snapshot for several scans that must agree; the caller releases it by catalog_release(). */
Snapshot
catalog_snapshot(void)
{
	/* GetLatestSnapshot() is an error in parallel mode, where nothing is written */
	if (IsInParallelMode())
		return RegisterSnapshot(GetTransactionSnapshot());
	return RegisterSnapshot(GetLatestSnapshot());
}

void
catalog_release(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

/* Releases the locks of catalog_try_lock(). */
void
catalog_unlock(const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		Oid relid = catalog_table(names[i], true);

		if (OidIsValid(relid))
			UnlockRelationOid(relid, AccessShareLock);
	}
}

/*
 * Locks the tables and indexes that the caller is about to read, by name, without
 * waiting for other sessions: for callers that only count reads and writes.
 * False: another session has locked one of them, or one does not exist; then none
 * is locked.
 */
bool
catalog_try_lock(const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		Oid relid = catalog_table(names[i], true);

		if (OidIsValid(relid) && ConditionalLockRelationOid(relid, AccessShareLock))
			continue;
		catalog_unlock(names, i);
		return false;
	}
	return true;
}

/*
 * Begins a scan of the rows of `table` whose first nkeys columns of `index` equal
 * `keys`, all of type text; of all rows when index is NULL.  A NULL snapshot is
 * the newest.  End with catalog_end().
 *
 * A table that was never filled is told by its size: a session that reads the map for the
 * first time does not load what PostgreSQL knows of the index.
 */
CatalogScan *
catalog_begin(const char *table, const char *index, int nkeys, const char *const *keys,
			  Snapshot snapshot)
{
	CatalogScan *scan = palloc0(sizeof(CatalogScan));
	ScanKeyData skey[MAX_KEYS];
	Oid indexid = InvalidOid;

	Assert(nkeys <= MAX_KEYS);
	scan->rel = table_open(catalog_table(table, false), AccessShareLock);
	if (RelationGetNumberOfBlocks(scan->rel) == 0)
		return scan;
	if (index != NULL)
	{
		Relation indexrel;

		indexid = catalog_table(index, false);
		indexrel = RelationIdGetRelation(indexid);
		for (int i = 0; i < nkeys; i++)
			ScanKeyEntryInitialize(&skey[i], 0, indexrel->rd_index->indkey.values[i],
								   BTEqualStrategyNumber, InvalidOid, DEFAULT_COLLATION_OID,
								   F_TEXTEQ, CStringGetTextDatum(keys[i]));
		RelationClose(indexrel);
	}
	scan->scan = systable_beginscan(scan->rel, indexid, OidIsValid(indexid), snapshot, nkeys, skey);
	return scan;
}

/* The same for an index whose first nkeys columns are OIDs, with the newest snapshot. */
CatalogScan *
catalog_begin_oids(const char *table, const char *index, int nkeys, const Oid *keys)
{
	CatalogScan *scan = palloc0(sizeof(CatalogScan));
	Oid indexid = catalog_table(index, false);
	Relation indexrel = RelationIdGetRelation(indexid);
	ScanKeyData skey[MAX_KEYS];

	Assert(nkeys <= MAX_KEYS);
	for (int i = 0; i < nkeys; i++)
		ScanKeyInit(&skey[i], indexrel->rd_index->indkey.values[i], BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(keys[i]));
	RelationClose(indexrel);
	scan->rel = table_open(catalog_table(table, false), AccessShareLock);
	scan->scan = systable_beginscan(scan->rel, indexid, true, NULL, nkeys, skey);
	return scan;
}

/* Goes to the next row; false: there is none. */
bool
catalog_next(CatalogScan *scan)
{
	scan->tuple = scan->scan == NULL ? NULL : systable_getnext(scan->scan);
	return HeapTupleIsValid(scan->tuple);
}

/* The value of a column; NULL for a column that the table of an older version does not have. */
static Datum
catalog_datum(CatalogScan *scan, int attnum, bool *isnull)
{
	if (attnum > RelationGetNumberOfAttributes(scan->rel))
	{
		*isnull = true;
		return (Datum) 0;
	}
	return heap_getattr(scan->tuple, attnum, RelationGetDescr(scan->rel), isnull);
}

/* A copy of a text in the current memory context; NULL when it is NULL. */
char *
catalog_text(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* A copy of an interval in the current memory context; NULL when it is NULL. */
Interval *
catalog_interval(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);
	Interval *copy;

	if (isnull)
		return NULL;
	copy = palloc(sizeof(Interval));
	*copy = *DatumGetIntervalP(value);
	return copy;
}

/* Copies of the elements of a name[]; NIL when it is NULL. */
List *
catalog_names(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? NIL : sql_name_list(value);
}

/* Copies of the elements of a text[], without those that are NULL; NIL when the array is NULL. */
List *
catalog_texts(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? NIL : sql_text_list(value);
}

/* A boolean; false when it is NULL. */
bool
catalog_bool(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return !isnull && DatumGetBool(value);
}

/* An integer; 0 when it is NULL. */
int
catalog_int(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

/* An OID; InvalidOid when it is NULL. */
Oid
catalog_oid(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/* A timestamptz; 0 when it is NULL. */
TimestampTz
catalog_time(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* The elements of an oid[]; NIL when it is NULL. */
List *
catalog_oids(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);
	List *oids = NIL;
	Datum *elems;
	int n;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(value), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &elems,
					  NULL, &n);
	for (int i = 0; i < n; i++)
		oids = lappend_oid(oids, DatumGetObjectId(elems[i]));
	return oids;
}

/* Does the table have that column?  The table of an older version may not. */
bool
catalog_has(CatalogScan *scan, int attnum)
{
	return attnum <= RelationGetNumberOfAttributes(scan->rel);
}

/* Where the current row is stored. */
ItemPointer
catalog_tid(CatalogScan *scan)
{
	return &scan->tuple->t_self;
}

/* Did this transaction write the current row? */
bool
catalog_is_own(const CatalogScan *scan)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(scan->tuple->t_data));
}

/* Ends the scan and releases the lock on the table. */
void
catalog_end(CatalogScan *scan)
{
	if (scan->scan != NULL)
		systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
	pfree(scan);
}
