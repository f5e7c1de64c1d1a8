/*
 * role.c
 *		Runs code as another role: the owner of the map's tables, or the owner of a
 *		table.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "catalog.h"

/* The role that owns the map's tables. */
static Oid
catalog_owner(void)
{
	HeapTuple tuple =
		SearchSysCache1(RELOID, ObjectIdGetDatum(catalog_table("mirrored_table", false)));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for the map's tables");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Checks the triggers of the map's tables.  A role with the privilege TRIGGER on
 * such a table can attach code of its own, which would run as the owner of the map.
 *
 * Errors: the function of a trigger, or a function in its condition, belongs
 * neither to that owner nor to a superuser.
 */
static void
catalog_check_triggers(void)
{
	static const char *const tables[] = {"system",		   "identity",		  "domain",
										 "field",		   "declared_access", "mirrored_pattern",
										 "mirrored_table", "mirrored_column", "row_owner",
										 "map_history",	   "conflict",		  "activity",
										 "former_table",   "former_column",	  "replaced_column",
										 "ddl_queue",	   "history",		  "pin",
										 "handover",	   "feed_column",	  "replaced_table",
										 "conflict_count"};
	Oid owner = catalog_owner();

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid relid = catalog_table(tables[i], true);
		Relation rel;
		TriggerDesc *triggers;

		/* an older version has fewer tables */
		if (!OidIsValid(relid))
			continue;
		rel = table_open(relid, AccessShareLock);
		/* a copy: each catalog look-up may replace the relation's own list */
		triggers = CopyTriggerDesc(rel->trigdesc);
		for (int t = 0; triggers != NULL && t < triggers->numtriggers; t++)
		{
			Trigger *trigger = &triggers->triggers[t];
			HeapTuple tuple;
			Oid author;

			if (trigger->tgqual != NULL && trust_runs_code_of_others(trigger->tgqual, owner))
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("the condition of trigger \"%s\" of table \"%s.%s\" calls functions of other roles",
								trigger->tgname, OWNERSHIP_SCHEMA, tables[i]),
						 errhint("Drop the trigger, and revoke TRIGGER on the map's tables.")));
			if (trigger->tgfoid < FirstNormalObjectId)
				continue;
			tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
			if (!HeapTupleIsValid(tuple))
				elog(ERROR, "cache lookup failed for function %u", trigger->tgfoid);
			author = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
			ReleaseSysCache(tuple);
			if (author != owner && !superuser_arg(author))
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("trigger \"%s\" of table \"%s.%s\" runs code of role \"%s\"",
								trigger->tgname, OWNERSHIP_SCHEMA, tables[i],
								GetUserNameFromId(author, false)),
						 errhint("Drop the trigger, and revoke TRIGGER on the map's tables.")));
		}
		table_close(rel, AccessShareLock);
	}
}

/*
 * Runs what follows as the table's owner, in a security-restricted operation, as
 * PostgreSQL's own maintenance commands do.  End with role_restore().
 */
SavedRole
role_become_owner(Relation rel)
{
	SavedRole caller;

	GetUserIdAndSecContext(&caller.role, &caller.context);
	SetUserIdAndSecContext(rel->rd_rel->relowner, caller.context | SECURITY_RESTRICTED_OPERATION);
	caller.nestlevel = NewGUCNestLevel();
	return caller;
}

/*
 * Runs what follows as the owner of the map's tables: when the map follows DDL,
 * this must not depend on the privileges of the role that runs the DDL, nor on the
 * settings of its session.  Only for statements on the map's own tables, whose
 * triggers are the extension's.  End with role_restore().
 *
 * Errors: a trigger on the map's tables runs code of another role.
 */
SavedRole
role_become_extension(void)
{
	SavedRole caller;

	catalog_check_triggers();
	GetUserIdAndSecContext(&caller.role, &caller.context);
	SetUserIdAndSecContext(catalog_owner(), caller.context | SECURITY_LOCAL_USERID_CHANGE);
	caller.nestlevel = NewGUCNestLevel();
	sql_set_search_path();
	/* foreign keys must cascade */
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		(void) set_config_option("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return caller;
}

/*
 * Runs what follows as the role before.  Not called after an error, because the end
 * of the (sub)transaction does the same.
 */
void
role_restore(const SavedRole *caller)
{
	AtEOXact_GUC(false, caller->nestlevel);
	SetUserIdAndSecContext(caller->role, caller->context);
}
