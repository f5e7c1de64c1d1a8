/*
 * events.c
 *		Event triggers: which DDL may matter to the map, and to which tables.
 *
 * The event triggers name the few commands that can rename, create or drop a
 * table or a column, or change the tables above a table; they fire for no other
 * DDL.  Most of those commands are about tables off the map: a few index lookups
 * find that out, before anything is written or locked.
 *
 * No DDL fails because of what is on the map.  What the map cannot follow is a
 * warning, and a risk.  Only a lock that is not granted fails the DDL, as it
 * would on the table itself.
 *
 * A binary upgrade keeps OIDs and rows as they were: the map follows nothing.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "../edit/edit.h"
#include "ddl.h"

PG_FUNCTION_INFO_V1(ownership_ddl_start);
PG_FUNCTION_INFO_V1(ownership_ddl_end);

/*
 * The command for which an event trigger fires; NULL: there is nothing to do.
 *
 * Errors: the function was not called by an event trigger of this event.
 */
Node *
event_command(FunctionCallInfo fcinfo, const char *event)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo) ||
		strcmp(((EventTriggerData *) fcinfo->context)->event, event) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by an event trigger of event \"%s\"", event)));
	/* while the extension is created, updated or dropped, only some of its tables exist */
	if (IsBinaryUpgrade || !OidIsValid(catalog_table("ddl_queue", true)) ||
		!OidIsValid(catalog_table(CATALOG_SIGNAL, true)))
		return NULL;
	return ((EventTriggerData *) fcinfo->context)->parsetree;
}

/* Warn of an error with which the map could not follow the command; NULL: none. */
void
event_report(ErrorData *error)
{
	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the ownership map does not follow this command: %s", error->message),
				 errhint("ownership.risks shows what is broken.")));
}

/*
 * The OIDs that a query returns as text, in the caller's memory context.  The
 * query reads what the command did: pg_event_trigger_ddl_commands() or
 * pg_event_trigger_dropped_objects().
 */
List *
event_relations(const char *sql)
{
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext old;
	Parameters p = {0};
	List *relids = NIL;
	int level = sql_pin_search_path();
	uint64 n;

	SPI_connect();
	n = sql_run_composed(sql, &p);
	old = MemoryContextSwitchTo(cxt);
	for (uint64 i = 0; i < n; i++)
		relids = lappend_oid(relids, atooid(sql_result_text(i, 1)));
	MemoryContextSwitchTo(old);
	SPI_finish();
	sql_unpin_search_path(level);
	return relids;
}

/*
 * Does ALTER TABLE contain one of n subcommands?  `partition` returns the
 * partition that it is about; it stays as it is if there is none.
 */
static bool
has_subcommand(AlterTableStmt *stmt, const AlterTableType *types, int n, PartitionCmd **partition)
{
	ListCell *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst(lc);

		for (int i = 0; i < n; i++)
		{
			if (cmd->subtype != types[i])
				continue;
			if (cmd->def != NULL && IsA(cmd->def, PartitionCmd))
				*partition = (PartitionCmd *) cmd->def;
			return true;
		}
	}
	return false;
}

/* Does ALTER TABLE add a primary key? */
static bool
adds_primary_key(AlterTableStmt *stmt)
{
	ListCell *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst(lc);

		if (cmd->def != NULL && IsA(cmd->def, Constraint) &&
			((Constraint *) cmd->def)->contype == CONSTR_PRIMARY)
			return true;
	}
	return false;
}

/* Drop the guard's own row triggers of a table, whose OID arg points to. */
static void
drop_before_attach(void *arg)
{
	SPI_connect();
	guard_drop_own(*(Oid *) arg, false);
	SPI_finish();
}

/*
 * ddl_start(), event trigger on ddl_command_start: DROP and DETACH take values along,
 * which lost.c looks for.  ATTACH PARTITION clones the
 * row triggers of the partitioned table, and fails if the new partition has
 * triggers of those names.  So a guarded table loses its own before it is
 * attached.  If the command fails, that is rolled back with it.
 *
 * Errors: those of event_command().
 */
Datum
ownership_ddl_start(PG_FUNCTION_ARGS)
{
	static const AlterTableType attach[] = {AT_AttachPartition};
	static const AlterTableType detach[] = {AT_DetachPartition};
	Node *command = event_command(fcinfo, "ddl_command_start");
	PartitionCmd *partition = NULL;
	Oid parent;
	Oid child;

	if (command != NULL && (IsA(command, DropStmt) || IsA(command, DropOwnedStmt)))
		event_report(lost_before_drop(command));
	/* DETACH CONCURRENTLY is several transactions */
	if (command != NULL && IsA(command, AlterTableStmt) &&
		has_subcommand((AlterTableStmt *) command, detach, lengthof(detach), &partition) &&
		partition != NULL && !partition->concurrent)
		event_report(lost_before_detach(RangeVarGetRelid(((AlterTableStmt *) command)->relation,
														 NoLock, true),
										RangeVarGetRelid(partition->name, NoLock, true)));
	partition = NULL;
	if (command == NULL || !IsA(command, AlterTableStmt) ||
		!has_subcommand((AlterTableStmt *) command, attach, lengthof(attach), &partition) ||
		partition == NULL)
		PG_RETURN_NULL();
	parent = RangeVarGetRelid(((AlterTableStmt *) command)->relation, NoLock, true);
	child = RangeVarGetRelid(partition->name, NoLock, true);
	if (!OidIsValid(parent) || !OidIsValid(child) || !place_carries_guard(parent) ||
		!place_carries_guard(child) || get_rel_relkind(parent) != RELKIND_PARTITIONED_TABLE ||
		get_rel_relispartition(child) || !compat_table_ownercheck(parent, GetUserId()) ||
		!compat_table_ownercheck(child, GetUserId()))
		PG_RETURN_NULL();
	/* in the order of ATTACH, which locks the parent so before the child */
	LockRelationOid(parent, ShareUpdateExclusiveLock);
	event_report(subxact_try(drop_before_attach, &child));
	PG_RETURN_NULL();
}

/* Must a trigger on one of the extension's own tables fire in every replication role? */
static bool
fires_always(const Trigger *trigger)
{
	static const char *const functions[] =
		{"map_changed",			  "map_recorded", "domain_edit", "mirrored_table_bind",
		 "mirrored_pattern_bind", "ddl_settle",	  "another_hub"};
	const char *function = get_func_name(trigger->tgfoid);

	for (size_t i = 0; i < lengthof(functions); i++)
		if (strcmp(function, functions[i]) == 0)
			return true;
	return false;
}

/*
 * Triggers of one of the extension's own tables were switched: those that must
 * fire in every replication role are set to do so again.  While a dump is
 * restored, those that were switched off are switched on again, too: they let
 * its rows come in any order, and beside the rows that the extension brings.
 */
static void
rearm_own(Oid relid)
{
	Relation rel = table_open(relid, ShareRowExclusiveLock);
	List *names[2] = {NIL, NIL};
	TriggerDesc *triggers;
	ListCell *lc;

	if (relid == catalog_table("mirrored_table", false))
		bind_unbound();
	/* a copy: each look-up of a function may replace the relation's own list */
	triggers = CopyTriggerDesc(rel->trigdesc);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		bool always = fires_always(trigger);

		if (!trigger->tgisinternal &&
			((trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN && always) ||
			 (trigger->tgenabled == TRIGGER_DISABLED && call_is_restoring())))
			names[always] = lappend(names[always], pstrdup(trigger->tgname));
	}
	foreach(lc, names[false])
		compat_enable_trigger(rel, lfirst(lc), TRIGGER_FIRES_ON_ORIGIN);
	foreach(lc, names[true])
		compat_enable_trigger(rel, lfirst(lc), TRIGGER_FIRES_ALWAYS);
	table_close(rel, NoLock);
}

/*
 * Follow one command (Followed).  The caller runs it by subxact_try().
 */
void
event_follow(void *arg)
{
	Followed *f = arg;
	SavedRole caller = role_become_extension();
	ListCell *lc;

	SPI_connect();
	if (OidIsValid(f->guarded))
		bind_guarded(f->guarded, true);
	if (OidIsValid(f->part))
		lost_report_partition(f->part);
	foreach(lc, f->dropped)
		follow_dropped(lfirst_oid(lc));

	/*
	 * A table that is to be settled when the transaction commits is locked before
	 * a row for it is written to the queue: so a session that has written such a
	 * row waits for no table.  Otherwise pg_restore -j, which switches the
	 * triggers of a table and of its children in several sessions, would run into
	 * a deadlock.
	 */
	foreach(lc, f->relids)
	{
		if (f->flags & FOLLOW_GUARD)
			LockRelationOid(lfirst_oid(lc), ShareRowExclusiveLock);
	}
	foreach(lc, f->relids)
	{
		if (get_rel_namespace(lfirst_oid(lc)) == get_namespace_oid(OWNERSHIP_SCHEMA, true))
			rearm_own(lfirst_oid(lc));
		else
			follow_table(lfirst_oid(lc), f->flags);
	}
	if (f->flags & FOLLOW_TRIGGERS)
		away_note(f->relids);
	foreach(lc, f->parts)
		follow_table(lfirst_oid(lc), FOLLOW_ARRIVAL | FOLLOW_GUARD);
	if (f->new != NULL && f->subscription)
		follow_subscription(f->old, f->new);
	else if (f->new != NULL)
		follow_schema(f->old, f->new);
	SPI_finish();
	role_restore(&caller);
}

/* The relations, and all that inherit their columns. */
static List *
with_inheritors(List *relids)
{
	List *all = NIL;
	ListCell *lc;

	foreach(lc, relids)
		all = list_concat_unique_oid(all, has_subclass(lfirst_oid(lc))
											  ? find_all_inheritors(lfirst_oid(lc), NoLock, NULL)
											  : list_make1_oid(lfirst_oid(lc)));
	return all;
}

/* Those of the relations on which the command matters to the map. */
static List *
concerned(List *relids, const Followed *f)
{
	Oid own = get_namespace_oid(OWNERSHIP_SCHEMA, true);
	List *some = NIL;
	ListCell *lc;

	foreach(lc, relids)
	{
		bool rearm = f->own && get_rel_namespace(lfirst_oid(lc)) == own;

		if (rearm || follow_concerns_map(lfirst_oid(lc), f->flags))
			some = lappend_oid(some, lfirst_oid(lc));
	}
	return some;
}

/* relations that the command created or changed */
#define DDL_TABLES                                                          \
	"SELECT DISTINCT d.objid::text FROM pg_event_trigger_ddl_commands() d " \
	"WHERE d.classid = 'pg_class'::regclass"

/* tables of a composite type that the command changed */
#define TYPED_TABLES                                                                 \
	"SELECT t.oid::text FROM pg_event_trigger_ddl_commands() d "                     \
	"JOIN pg_class c ON c.oid = d.objid JOIN pg_class t ON t.reloftype = c.reltype " \
	"WHERE d.classid = 'pg_class'::regclass"

/*
 * ddl_end(), event trigger on ddl_command_end: follow what was renamed or moved,
 * and queue what is new.
 *
 * Errors: those of event_command().
 */
Datum
ownership_ddl_end(PG_FUNCTION_ARGS)
{
	static const AlterTableType apart[] = {AT_DropInherit};
	static const AlterTableType off[] = {AT_DisableTrigAll, AT_DisableTrigUser};
	static const AlterTableType switches[] = {AT_EnableTrig,		AT_EnableAlwaysTrig,
											  AT_EnableReplicaTrig, AT_EnableTrigAll,
											  AT_EnableTrigUser,	AT_DisableTrig,
											  AT_DisableTrigAll,	AT_DisableTrigUser};
	static const AlterTableType about_guard[] = {AT_EnableTrig,		 AT_EnableTrigAll,
												 AT_EnableTrigUser,	 AT_AddInherit,
												 AT_DropInherit,	 AT_AttachPartition,
												 AT_DetachPartition, AT_DetachPartitionFinalize};
	Node *command = event_command(fcinfo, "ddl_command_end");
	Followed f = {0};
	PartitionCmd *partition = NULL;

	if (command == NULL)
		PG_RETURN_NULL();
	switch (nodeTag(command))
	{
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			if (((CreateStmt *) command)->relation->relpersistence == RELPERSISTENCE_TEMP)
				PG_RETURN_NULL();
			f.flags = FOLLOW_ARRIVAL | FOLLOW_GUARD;
			if (((CreateStmt *) command)->partbound != NULL)
				f.part = RangeVarGetRelid(((CreateStmt *) command)->relation, NoLock, true);
			if (OidIsValid(f.part) && !place_is_below_mirrored(f.part))
				f.part = InvalidOid;
			break;
		case T_CreateTableAsStmt:
			if (((CreateTableAsStmt *) command)->into->rel->relpersistence == RELPERSISTENCE_TEMP)
				PG_RETURN_NULL();
			f.flags = FOLLOW_ARRIVAL;
			break;
		case T_CreateSchemaStmt:
			if (((CreateSchemaStmt *) command)->schemaElts == NIL)
				PG_RETURN_NULL();
			f.flags = FOLLOW_ARRIVAL | FOLLOW_GUARD;
			break;
		case T_ImportForeignSchemaStmt:
		case T_AlterObjectSchemaStmt:
			f.flags = FOLLOW_ARRIVAL;
			break;
		case T_RenameStmt:
		{
			RenameStmt *stmt = (RenameStmt *) command;

			switch (stmt->renameType)
			{
				case OBJECT_SUBSCRIPTION:
					f.subscription = true;
					f.old = strVal(stmt->object);
					f.new = stmt->newname;
					break;
				case OBJECT_SCHEMA:
					f.old = stmt->subname;
					f.new = stmt->newname;
					break;
				case OBJECT_TABLE:
				case OBJECT_FOREIGN_TABLE:
				case OBJECT_INDEX:
					f.flags = FOLLOW_ARRIVAL;
					break;
				case OBJECT_COLUMN:
				case OBJECT_ATTRIBUTE:
					break;
				default:
					PG_RETURN_NULL();
			}
			break;
		}
		case T_AlterTableStmt:
			if (has_subcommand((AlterTableStmt *) command, about_guard, lengthof(about_guard),
							   &partition))
				f.flags = FOLLOW_GUARD;
			f.own = f.flags != 0 ||
					has_subcommand((AlterTableStmt *) command, off, lengthof(off), &partition);
			if (has_subcommand((AlterTableStmt *) command, apart, lengthof(apart), &partition))
				f.flags |= FOLLOW_ARRIVAL;
			if (has_subcommand((AlterTableStmt *) command, switches, lengthof(switches), &partition))
				f.flags |= FOLLOW_TRIGGERS;
			if (adds_primary_key((AlterTableStmt *) command))
				f.flags |= FOLLOW_KEY;
			break;
		case T_CreateTrigStmt:
			/* a restored dump creates the guard by this command */
			if (strcmp(((CreateTrigStmt *) command)->trigname, TRIGGER_JUDGE) != 0)
				PG_RETURN_NULL();
			f.guarded = RangeVarGetRelid(((CreateTrigStmt *) command)->relation, NoLock, true);
			break;
		default:
			PG_RETURN_NULL();
	}
	if (partition != NULL)
	{
		Oid part = RangeVarGetRelid(partition->name, NoLock, true);

		if (OidIsValid(part) && follow_concerns_map(part, FOLLOW_ARRIVAL | FOLLOW_GUARD))
			f.parts = list_make1_oid(part);
		if (OidIsValid(part) && get_rel_relispartition(part) && place_is_below_mirrored(part))
			f.part = part;
		/* nothing changes for the table above it */
	}
	else if (OidIsValid(f.guarded))
	{
		Binding *b = binding_of(f.guarded);

		if (b != NULL && b->guarded)
			f.guarded = InvalidOid; /* the binding says so already */
	}
	else if (f.new == NULL)
	{
		bool type = ((EventTriggerData *) fcinfo->context)->tag == CMDTAG_ALTER_TYPE;
		List *relids = event_relations(type ? TYPED_TABLES : DDL_TABLES);
		Oid own = get_namespace_oid(OWNERSHIP_SCHEMA, true);
		ListCell *lc;

		foreach(lc, relids)
		{
			if (get_rel_namespace(lfirst_oid(lc)) == own)
				insert_check(lfirst_oid(lc));
		}

		/* a column that is added, dropped or renamed is so in all inheritors */
		if (nodeTag(command) == T_AlterTableStmt || !(f.flags & (FOLLOW_ARRIVAL | FOLLOW_GUARD)))
			relids = with_inheritors(relids);
		f.relids = concerned(relids, &f);
	}
	if (f.relids != NIL || f.parts != NIL || f.new != NULL || OidIsValid(f.guarded) ||
		OidIsValid(f.part))
		event_report(subxact_try(event_follow, &f));
	PG_RETURN_NULL();
}
