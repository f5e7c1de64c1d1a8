/*
 * guard.c
 *		Creating and dropping the guard: guard(), unguard(), guard_all().
 *
 * The guard is three ordinary triggers (guard/install.c).  PostgreSQL clones
 * row triggers of a partitioned table to its partitions; inheritance children,
 * and TRUNCATE everywhere, need triggers of their own.  BEFORE and TRUNCATE are
 * ENABLE ALWAYS, so that they fire in replication workers, too.  All of them
 * are dropped with the extension.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../guard/guard.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_unguard);
PG_FUNCTION_INFO_V1(ownership_guard_all);

/* A table as the map names it. */
typedef struct TableName
{
	char *schema;
	char *table;
} TableName;

/* A notice says what a table without a key misses. */
static void
report_keyless(RelationMap *map, const char *table)
{
	if (map->nkeys > 0)
		return;
	if (map->nkey_attrs > 0)
		ereport(NOTICE, (errmsg("no mirrored column of table \"%s\" is marked as key", table),
						 errdetail("Every system may create and delete its rows."),
						 errhint("Assign the key's columns, or set \"key\" for their fields.")));
	else
		ereport(NOTICE,
				(errmsg("table \"%s\" has no key", table),
				 errdetail(
					 "Every system may create and delete its rows. Evidence does not identify the row, and a refused value is recorded each time it is sent."),
				 errhint("Add a primary key, or set \"key\" for the fields that identify a row.")));
}

/*
 * Guard a relation and all below it.  The caller has SPI connected.  Unless
 * `quiet`, a notice reports a table without a key.
 *
 * Errors: the relation is not a table that can be guarded, is not the caller's,
 * or is not on the map.
 */
void
guard_relation(Oid relid, bool quiet)
{
	Relation rel;
	RelationMap *map;

	PreventCommandIfReadOnly("ownership.guard()");
	require_relation(relid);
	if (!compat_table_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));

	rel = table_open(relid, ShareRowExclusiveLock);
	map = map_get(rel);
	if (!map->mapped)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("table \"%s\" is not on the ownership map",
							   names_message_relation_oid(relid)),
						errhint("Put it there with ownership.assign() or ownership.add_tables().")));
	table_close(rel, NoLock);

	guard_tree(relid, GUARD_ARM);
	bind_guarded(relid, true);
	away_note(list_make1_oid(relid));

	if (!quiet)
	{
		rel = table_open(relid, NoLock);
		report_keyless(map_get(rel), names_message_relation_oid(relid));
		table_close(rel, NoLock);
	}
}

/*
 * unguard(relation): drop the guard of a table and of all tables below it.
 *
 * Errors: the table is not the caller's; it is a partition, and its guard
 * belongs to the table above it.
 */
Datum
ownership_unguard(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	ListCell *lc;

	PreventCommandIfReadOnly("ownership.unguard()");
	require_relation(relid);
	if (!compat_table_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	table_close(table_open(relid, AccessExclusiveLock), NoLock);
	SPI_connect();
	/* this locks all tables but the relation itself */
	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
	{
		for (size_t i = 0; i < lengthof(guard_triggers); i++)
		{
			Relation rel = table_open(lfirst_oid(lc), NoLock);
			Trigger *trigger = call_find_trigger(rel, guard_triggers[i].name);
			bool clone = trigger != NULL && trigger->tgisclone;
			char *table = guard_table_name(rel);

			table_close(rel, NoLock);
			if (trigger == NULL)
				continue;
			if (clone)
				ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
								errmsg("the guard of partition \"%s\" belongs to the table above it",
									   names_message_relation_oid(lfirst_oid(lc))),
								errhint("Unguard the partitioned table.")));
			guard_run_ddl(psprintf("DROP TRIGGER %s ON %s", guard_triggers[i].name, table));
			CommandCounterIncrement();
		}
		away_note(list_make1_oid(lfirst_oid(lc)));
		bind_guarded(lfirst_oid(lc), false);
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/* The tables on the map that match a pattern (TableName), in the order of their names. */
static List *
matching_tables(const char *pattern)
{
	CatalogScan *scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 0, NULL, NULL);
	List *tables = NIL;

	while (catalog_next(scan))
	{
		TableName *name = palloc(sizeof(TableName));

		name->schema = catalog_text(scan, Anum_mirrored_table_schema);
		name->table = catalog_text(scan, Anum_mirrored_table_table);
		if (names_match_table(pattern, name->schema, name->table))
			tables = lappend(tables, name);
	}
	catalog_end(scan);
	return tables;
}

static void
guard_named(void *arg)
{
	const TableName *name = arg;
	RangeVar *rv = makeRangeVar(name->schema, name->table, -1);
	/* a role that may not guard the table must not wait for its lock either */
	Oid relid =
		RangeVarGetRelidExtended(rv, ShareRowExclusiveLock, 0, RangeVarCallbackOwnsRelation, NULL);

	guard_relation(relid, true);
}

/* Guard one table in a subtransaction.  Returns false, after a warning, if that failed. */
static bool
try_guard(TableName *name)
{
	ErrorData *error = subxact_try_locking(guard_named, name);

	if (error == NULL)
		return true;
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("table \"%s\" was not guarded: %s",
							 names_message_relation(name->schema, name->table), error->message)));
	FreeErrorData(error);
	return false;
}

/*
 * CALL guard_all(pattern, lock_timeout): guard the tables on the map that match
 * the pattern, and commit after each.  No wait for a lock is longer than
 * lock_timeout, a text as in the setting of that name.  A running table sync
 * locks one table after another and keeps the locks; a transaction that guards
 * two tables could make it the victim of a deadlock.
 *
 * A table that cannot be guarded is a warning; the others are guarded.
 *
 * Errors: an argument is NULL; the call is in a transaction block; no table on
 * the map matches.
 */
Datum
ownership_guard_all(PG_FUNCTION_ARGS)
{
	bool atomic = !(fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
					!castNode(CallContext, fcinfo->context)->atomic);
	char *pattern;
	char *lock_timeout;
	List *tables;
	ListCell *lc;
	int failed = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("pattern and lock_timeout must not be null")));
	if (atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("guard_all cannot run inside a transaction block"),
				 errhint(
					 "It commits after each table. In a transaction block, use ownership.guard() for one table.")));

	/* each table would be a warning, and none an error */
	PreventCommandIfReadOnly("ownership.guard_all()");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* SPI's procedure context outlives the transactions */
	pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	lock_timeout = text_to_cstring(PG_GETARG_TEXT_PP(1));
	tables = matching_tables(pattern);
	if (tables == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no table on the ownership map matches \"%s\"", pattern),
				 errhint(
					 "A pattern looks like a file name: * stands for any characters, ? for one; \"netsuite.*\" is a schema.")));

	foreach(lc, tables)
	{
		(void) set_config_option("lock_timeout", lock_timeout, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
		failed += !try_guard(lfirst(lc));
		SPI_commit();
		CHECK_FOR_INTERRUPTS();
	}
	if (failed > 0)
		ereport(WARNING,
				(errmsg_plural("%d of %d table was not guarded", "%d of %d tables were not guarded",
							   list_length(tables), failed, list_length(tables)),
				 errhint(
					 "Call ownership.guard_all() again; the tables that were guarded stay guarded.")));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * Guard the tables whose lock is free at once; a notice says how many are not.
 * A session that waits for one table's lock and has the lock on another one
 * could make a running table sync the victim of a deadlock.
 *
 * Errors: those of guard_relation().
 */
void
guard_relations(List *relids)
{
	int busy = 0;
	ListCell *lc;

	foreach(lc, relids)
	{
		Oid relid = lfirst_oid(lc);

		if (!ConditionalLockRelationOid(relid, ShareRowExclusiveLock))
		{
			busy++;
			continue;
		}
		guard_relation(relid, true);
	}
	if (busy > 0)
		ereport(NOTICE, (errmsg_plural("%d table is in use and was not guarded",
									   "%d tables are in use and were not guarded", busy, busy),
						 errhint("CALL ownership.guard_all() guards them one at a time.")));
}
