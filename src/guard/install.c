/*
 * install.c
 *		Creates, arms and drops the guard's triggers on a table.
 *
 * A trigger is armed if its tgenabled is what guard_triggers says.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "guard.h"

const GuardTrigger guard_triggers[GUARD_TRIGGERS] = {
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

/* The relation's name for SQL: qualified, and quoted where necessary. */
char *
guard_table_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static int changing = 0;

/* Does guard_run_ddl() run DDL now? */
bool
guard_is_changing(void)
{
	return changing > 0;
}

/*
 * Runs DDL on the guard's own triggers.  Needs SPI.  On a table of Citus it runs on all nodes
 * and shards; Citus takes it only where triggers on its tables are allowed, and the guard's
 * are made for that.
 */
void
guard_run_ddl(const char *sql)
{
	int level = NewGUCNestLevel();
	int rc;

	if (GetConfigOption("citus.enable_unsafe_triggers", true, false) != NULL)
		(void) set_config_option("citus.enable_unsafe_triggers", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
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
	AtEOXact_GUC(true, level);
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s: %s", SPI_result_code_string(rc), sql);
}

/*
 * Drops the partitions' own triggers of this name: PostgreSQL could not clone
 * the parent's trigger to a partition that has its own.
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
		char *table = guard_table_name(rel); /* a look-up, which may free `trigger` */

		table_close(rel, NoLock);
		if (own)
			guard_run_ddl(psprintf("DROP TRIGGER %s ON %s", name, table));
	}
}

/*
 * Where Citus is in the database, no trigger depends on the extension: Citus distributes
 * no table with such a trigger, and allows none on a distributed one.
 */
static void
set_dependency(Oid relid, const GuardTrigger *t, const char *table, bool missing, bool sharded)
{
	if (!shard_is_citus())
	{
		if (missing)
			guard_run_ddl(
				psprintf("ALTER TRIGGER %s ON %s DEPENDS ON EXTENSION ownership", t->name, table));
	}
	else if (!missing && !sharded &&
			 list_member_oid(getAutoExtensionsOfObject(TriggerRelationId,
													   get_trigger_oid(relid, t->name, false)),
							 get_extension_oid("ownership", false)))
		guard_run_ddl(
			psprintf("ALTER TRIGGER %s ON %s NO DEPENDS ON EXTENSION ownership", t->name, table));
}

/*
 * Must the guard change a trigger's tgenabled?  A trigger that is switched off
 * stays off unless the mode is GUARD_ARM.
 */
static bool
must_arm(char enabled, char wanted, GuardMode mode)
{
	if (mode != GUARD_ARM && (enabled == TRIGGER_DISABLED || enabled == TRIGGER_FIRES_ON_REPLICA))
		return false;
	return enabled != wanted;
}

/* Creates and arms the triggers of one relation, as the mode says. */
static void
guard_one(Oid relid, GuardMode mode)
{
	bool sharded = shard_is_sharded(relid) && shard_spreads_ddl();

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
						/* PostgreSQL allows no such trigger; guards and risks report that */
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
		}
		if (missing || mode == GUARD_ARM)
			set_dependency(relid, t, table, missing, sharded);
		/* ALTER TABLE would refuse a table that has deferred events */
		if (!sharded && must_arm(enabled, t->enabled, mode))
			compat_enable_trigger(rel, t->name, t->enabled);
		table_close(rel, NoLock);
		/* but only ALTER TABLE reaches shards */
		if (sharded && must_arm(enabled, t->enabled, mode))
			guard_run_ddl(psprintf("ALTER TABLE %s ENABLE %s TRIGGER %s", table,
								   t->enabled == TRIGGER_FIRES_ALWAYS ? "ALWAYS" : "", t->name));
		CommandCounterIncrement();
	}
}

/* Creates and arms the triggers of a relation and of all relations below it.  Needs SPI. */
void
guard_tree(Oid relid, GuardMode mode)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, ShareRowExclusiveLock, NULL))
		guard_one(lfirst_oid(lc), mode);
}

/*
 * Drops the relation's own triggers of the guard, not the clones of its parent's
 * triggers.  truncate: also the trigger for TRUNCATE.  Needs SPI.
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
