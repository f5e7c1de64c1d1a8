/*
 * install.c
 *		Creating and dropping the guard: guard(), unguard(), guard_all().
 *
 * The guard is three ordinary triggers.  Row triggers of a partitioned table
 * are cloned to its partitions by PostgreSQL; inheritance children, and
 * TRUNCATE everywhere, need triggers of their own.  BEFORE and TRUNCATE are
 * ENABLE ALWAYS, so that they fire in replication workers, too.  All of them
 * go with the extension.
 */
#include "base.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "compat.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(ownership_guard);
PG_FUNCTION_INFO_V1(ownership_unguard);
PG_FUNCTION_INFO_V1(ownership_guard_all);

typedef struct GuardTrigger
{
	const char *name;
	const char *definition; /* with the table's name for %s */
	char enabled;			/* tgenabled as it must be */
} GuardTrigger;

#define GUARD_TRIGGERS 3

static const GuardTrigger guard_triggers[GUARD_TRIGGERS] = {
	{TRIGGER_AMEND,
	 "BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION ownership.guard_amend()",
	 TRIGGER_FIRES_ALWAYS},
	{TRIGGER_JUDGE,
	 "AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION ownership.guard_judge()",
	 TRIGGER_FIRES_ON_ORIGIN},
	{TRIGGER_TRUNCATE,
	 "BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION ownership.guard_truncate()",
	 TRIGGER_FIRES_ALWAYS},
};

static char *
guard_table_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static int changing = 0;

/* Is the DDL that runs the guard's own? */
bool
guard_is_changing(void)
{
	return changing > 0;
}

static void
guard_run_ddl(const char *sql)
{
	int rc;

	changing++;
	PG_TRY();
	{
		rc = SPI_execute(sql, false, 0);
	}
	PG_FINALLY();
	{
		changing--;
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s: %s", SPI_result_code_string(rc), sql);
}

/* A trigger of the relation by its name, or NULL; until the next look-up in a catalog. */
Trigger *
call_find_trigger(Relation rel, const char *name)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		if (strcmp(rel->trigdesc->triggers[i].tgname, name) == 0)
			return &rel->trigdesc->triggers[i];
	}
	return NULL;
}

/*
 * A partition that was guarded for itself would be in the way of the clone of
 * its parent's trigger.
 */
static void
drop_from_partitions(Oid parent, const char *name)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(parent, ShareRowExclusiveLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);
		Trigger *trigger = call_find_trigger(rel, name);
		bool own = trigger != NULL && !trigger->tgisclone;
		char *table = guard_table_name(rel); /* a look-up: the trigger is known no more */

		table_close(rel, NoLock);
		if (own)
			guard_run_ddl(psprintf("DROP TRIGGER %s ON %s", name, table));
	}
}

/*
 * Is a trigger, by what tgenabled says, less than what it must be?  One that
 * was switched off is left alone unless the guard is armed on purpose.
 */
static bool
must_arm(char enabled, char wanted, GuardMode mode)
{
	if (mode != GUARD_ARM && (enabled == TRIGGER_DISABLED || enabled == TRIGGER_FIRES_ON_REPLICA))
		return false;
	return enabled != wanted;
}

/* Bring the triggers of one relation to what they must be. */
static void
guard_one(Oid relid, GuardMode mode)
{
	for (size_t i = 0; i < lengthof(guard_triggers); i++)
	{
		const GuardTrigger *t = &guard_triggers[i];
		Relation rel = table_open(relid, ShareRowExclusiveLock);
		char *table = guard_table_name(rel);
		Trigger *trigger = call_find_trigger(rel, t->name);
		bool missing = trigger == NULL;
		char enabled = missing ? TRIGGER_FIRES_ON_ORIGIN : trigger->tgenabled;
		bool foreign = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
		bool partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;

		if (missing && (mode == GUARD_REARM ||
						/* guards and risks show it */
						(foreign && !COMPAT_FOREIGN_TRUNCATE_TRIGGERS &&
						 strcmp(t->name, TRIGGER_TRUNCATE) == 0)))
		{
			table_close(rel, NoLock);
			continue;
		}
		if (missing)
		{
			char *definition = psprintf(t->definition, table);

			if (partitioned && strcmp(t->name, TRIGGER_TRUNCATE) != 0)
				drop_from_partitions(relid, t->name);
			guard_run_ddl(psprintf("CREATE TRIGGER %s %s", t->name, definition));
			guard_run_ddl(
				psprintf("ALTER TRIGGER %s ON %s DEPENDS ON EXTENSION ownership", t->name, table));
		}
		/* not by ALTER TABLE, which refuses a table with deferred events */
		if (must_arm(enabled, t->enabled, mode))
			compat_enable_trigger(rel, t->name, t->enabled);
		table_close(rel, NoLock);
		CommandCounterIncrement();
	}
}

/* The same for a relation and all below it.  Needs SPI. */
void
guard_tree(Oid relid, GuardMode mode)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, ShareRowExclusiveLock, NULL))
		guard_one(lfirst_oid(lc), mode);
}

/* Is any part of the guard on the relation? */
bool
place_carries_guard(Oid relid)
{
	return OidIsValid(get_trigger_oid(relid, TRIGGER_AMEND, true)) ||
		   OidIsValid(get_trigger_oid(relid, TRIGGER_JUDGE, true)) ||
		   OidIsValid(get_trigger_oid(relid, TRIGGER_TRUNCATE, true));
}

/* What tgenabled says of a trigger, or 0 where there is none. */
static char
trigger_enabled(Oid relid, const char *name)
{
	Relation triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;
	char enabled = '\0';

	ScanKeyInit(&key[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 2, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		enabled = ((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled;
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return enabled;
}

/* Is some part of the guard missing or switched off, on a table or below it? */
bool
guard_is_away(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		for (size_t i = 0; i < lengthof(guard_triggers); i++)
		{
			const char *name = guard_triggers[i].name;
			char enabled = trigger_enabled(lfirst_oid(lc), name);

			/* there it cannot be */
			if (enabled == '\0' && !COMPAT_FOREIGN_TRUNCATE_TRIGGERS &&
				strcmp(name, TRIGGER_TRUNCATE) == 0 &&
				get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
				continue;
			if (enabled == '\0' || enabled == TRIGGER_DISABLED ||
				enabled == TRIGGER_FIRES_ON_REPLICA)
				return true;
		}
	}
	return false;
}

/*
 * Drop the triggers that a relation has of its own, and not by the table above
 * it; the one for TRUNCATE only if told so.  Needs SPI.
 */
void
guard_drop_own(Oid relid, bool truncate)
{
	for (size_t i = 0; i < lengthof(guard_triggers); i++)
	{
		Relation rel = table_open(relid, AccessExclusiveLock);
		Trigger *trigger = call_find_trigger(rel, guard_triggers[i].name);
		bool own = trigger != NULL && !trigger->tgisclone &&
				   (truncate || strcmp(guard_triggers[i].name, TRIGGER_TRUNCATE) != 0);
		char *table = guard_table_name(rel);

		table_close(rel, NoLock);
		if (own)
			guard_run_ddl(psprintf("DROP TRIGGER %s ON %s", guard_triggers[i].name, table));
	}
}

/* What the rules cannot do for a table that has no key. */
static void
tell_keyless(RelationMap *map, const char *table)
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
					 "Every system may create and delete its rows; evidence cannot tell which row it is about, and a refused value is recorded each time it is sent."),
				 errhint("Add a primary key, or set \"key\" for the fields that tell a row.")));
}

/*
 * Guard a relation on the map and all below it.  Needs SPI.
 *
 * Errors: not a table that can be guarded, not the caller's, not on the map.
 */
void
guard_relation(Oid relid, bool quiet)
{
	Relation rel;
	RelationMap *map;

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
		tell_keyless(map_get(rel), names_message_relation_oid(relid));
		table_close(rel, NoLock);
	}
}

Datum
ownership_guard(PG_FUNCTION_ARGS)
{
	SPI_connect();
	require_relation(PG_GETARG_OID(0));
	if (compat_table_ownercheck(PG_GETARG_OID(0), GetUserId()))
		catch_up(PG_GETARG_OID(0));
	guard_relation(PG_GETARG_OID(0), false);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * unguard(relation): drop the guard from it and all below.
 *
 * Errors: not the caller's; a partition whose guard belongs to a table above.
 */
Datum
ownership_unguard(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	ListCell *lc;

	require_relation(relid);
	if (!compat_table_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	table_close(table_open(relid, AccessExclusiveLock), NoLock);
	SPI_connect();
	/* locks all but the relation itself */
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

typedef struct TableName
{
	char *schema;
	char *table;
} TableName;

/* The tables on the map that match, in the order of their names. */
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
	/* whoever may not guard it must not wait for its lock either */
	Oid relid =
		RangeVarGetRelidExtended(rv, ShareRowExclusiveLock, 0, RangeVarCallbackOwnsRelation, NULL);

	guard_relation(relid, true);
}

/* Guard one table in a subtransaction; false, with a warning, if it failed. */
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
 * CALL guard_all(pattern, lock_timeout): guard the tables on the map that
 * match, committing after each, and waiting for locks no longer than that.  A
 * running table sync holds locks on one table after another; guarding two in
 * one transaction could make it a deadlock's victim.
 *
 * Errors: in a transaction block; nothing on the map matches.  A table that
 * cannot be guarded is a warning; the others are guarded all the same.
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
					 "A pattern is like a file name's: * stands for any characters, ? for one; \"netsuite.*\" is a schema.")));

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
				 errhint("Call ownership.guard_all() again; tables that are guarded stay so.")));
	SPI_finish();
	PG_RETURN_VOID();
}
