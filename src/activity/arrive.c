/*
 * arrive.c
 *		The guard of tables that arrived with another hub's map.
 *
 * A subscription brings the map of another hub; DDL it brings none.  Where
 * ownership.guard_arriving is on, the trigger on mirrored_table records that the guard
 * belongs on the table (bind.c), and the worker creates it, a table at a time.  A table
 * that is locked has its turn later: nobody waits for the worker long.  A table whose
 * guard somebody took away is not among them, nor is a table of Citus: its guard comes
 * from the node where guard() was called.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "replication/worker_internal.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "activity.h"

/* Tables that this worker could not guard, and leaves alone from then on. */
static List *failed = NIL;

/*
 * A transaction is about to commit: the first one of a replication worker wakes the
 * background worker.  After a restart tables may wait that arrived before.
 */
void
arrive_look(void)
{
	static bool looked = false;

	if (likely(looked || MyLogicalRepWorker == NULL) || !ownership_guard_arriving)
		return;
	looked = true;
	handover_wake();
}

/* The OIDs of the tables that are to be guarded and are not; the caller's memory. */
List *
arrive_tables(void)
{
	List *relids = NIL;
	CatalogScan *scan;

	if (!OidIsValid(catalog_table("bound_table", true)))
		return NIL;
	scan = catalog_begin("bound_table", "bound_table_pkey", 0, NULL, NULL);
	while (catalog_next(scan))
	{
		Oid relid = catalog_oid(scan, Anum_bound_table_relid);

		/* the last: an older version of the extension, which has no such column, guards nothing */
		if (OidIsValid(relid) && catalog_bool(scan, Anum_bound_table_guarded) &&
			catalog_has(scan, Anum_bound_table_away_since) &&
			catalog_time(scan, Anum_bound_table_away_since) == 0 &&
			lookup_is_mirrored(catalog_text(scan, Anum_bound_table_schema),
							   catalog_text(scan, Anum_bound_table_table)) &&
			!list_member_oid(failed, relid) &&
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) && !place_carries_guard(relid) &&
			!shard_is_sharded(relid))
			relids = lappend_oid(relids, relid);
	}
	catalog_end(scan);
	return relids;
}

static void
guard_one(void *arg)
{
	Parameters p = {0};

	SPI_connect();
	sql_add_oid(&p, *(Oid *) arg);
	sql_run("SELECT ownership.guard($1::pg_catalog.regclass)", &p);
	SPI_finish();
}

/*
 * Guards one of them, in the current transaction.  False: it is locked.  Any other
 * error is in the server log, and the worker leaves the table alone.
 */
bool
arrive_guard(Oid relid)
{
	ErrorData *error = subxact_try_locking(guard_one, &relid);
	MemoryContext old;

	if (error == NULL)
		return true;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		return false;
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("table \"%s\" arrived with the map, and cannot be guarded: %s",
							 names_message_relation_oid(relid), error->message),
					  errhint("Mend that, and call ownership.guard().")));
	old = MemoryContextSwitchTo(TopMemoryContext);
	failed = lappend_oid(failed, relid);
	MemoryContextSwitchTo(old);
	return true;
}
