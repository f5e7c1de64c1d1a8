/*
 * scan.c
 *		Reading the extension's own tables as PostgreSQL reads its catalogs.
 *
 * No SPI and no privilege checks: what the guard decides must not depend on
 * what the writer may read, on its search_path or on its snapshot.  Scans use
 * an MVCC snapshot taken when it is asked for, so they see what has been
 * committed, and what this transaction did, up to that moment, even under
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
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/base.h"
#include "catalog.h"

#define MAX_KEYS 3

/* OID of one of the extension's tables or indexes. */
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
 * The relation whose relcache invalidation says "the map changed": one
 * message reaches every session, whatever they cached of it, negative answers
 * and partitions included.  Triggers on the map's tables send it.  It is one
 * that no plan stands on which edits the map: an import would make its plans
 * anew for every row.
 */
Oid catalog_signal = InvalidOid;

/* To be called before anything is cached that was read from here. */
void
catalog_watch(void)
{
	catalog_signal = catalog_table(CATALOG_SIGNAL, false);
}

/* A snapshot for several scans that must agree; release it afterwards. */
Snapshot
catalog_snapshot(void)
{
	/* GetLatestSnapshot() refuses parallel mode; there nothing is written */
	if (IsInParallelMode())
		return RegisterSnapshot(GetTransactionSnapshot());
	return RegisterSnapshot(GetLatestSnapshot());
}

void
catalog_release(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

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
 * For those who only count: locks what is to be read, tables and indexes by
 * name, without waiting for whoever has locked them.  False: one is not free,
 * or not there, and none is locked.
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
 * Scan `table`, whose first nkeys index columns equal `keys` (all of them
 * text), or all of it when index is NULL.
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

/* Scan `table` by an index whose first nkeys columns are OIDs. */
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

bool
catalog_next(CatalogScan *scan)
{
	scan->tuple = systable_getnext(scan->scan);
	return HeapTupleIsValid(scan->tuple);
}

/* A column that the objects of an older version do not have is NULL. */
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

/* A copy of a text value in the current context, or NULL. */
char *
catalog_text(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The same of a column; NIL when it is NULL. */
List *
catalog_texts(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? NIL : sql_text_list(value);
}

/* NULL counts as false. */
bool
catalog_bool(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return !isnull && DatumGetBool(value);
}

int
catalog_int(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

Oid
catalog_oid(CatalogScan *scan, int attnum)
{
	bool isnull;
	Datum value = catalog_datum(scan, attnum, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/* NULL counts as 0. */
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

/* Does the table have that column?  One of an older version may not. */
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

void
catalog_end(CatalogScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
	pfree(scan);
}
