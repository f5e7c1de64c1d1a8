/*
 * role.c
 *		Acting as another role: the extension's owner, or the owner of a table.
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

/* Who owns the map's tables. */
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
 * Whoever was granted TRIGGER on a table of the map could have his code run as
 * the owner of the map.
 *
 * Errors: a trigger whose function, or a function in whose condition, is
 * neither that owner's nor a superuser's.
 */
static void
catalog_check_triggers(void)
{
	static const char *const tables[] = {"system",		   "identity",		  "domain",
										 "field",		   "declared_access", "mirrored_pattern",
										 "mirrored_table", "mirrored_column", "row_owner",
										 "map_history",	   "conflict",		  "activity",
										 "former_table",   "former_column",	  "replaced_column",
										 "ddl_queue"};
	Oid owner = catalog_owner();

	for (size_t i = 0; i < lengthof(tables); i++)
	{
		Oid relid = catalog_table(tables[i], strcmp(tables[i], "replaced_column") == 0);
		Relation rel;
		TriggerDesc *triggers;

		/* objects of an older version are without it */
		if (!OidIsValid(relid))
			continue;
		rel = table_open(relid, AccessShareLock);
		/* a copy: each look-up may replace the relation's own */
		triggers = CopyTriggerDesc(rel->trigdesc);
		for (int t = 0; triggers != NULL && t < triggers->numtriggers; t++)
		{
			Trigger *trigger = &triggers->triggers[t];
			HeapTuple tuple;
			Oid author;

			if (trigger->tgqual != NULL && trust_runs_code_of_others(trigger->tgqual, owner))
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("the condition of trigger \"%s\" of table \"%s.%s\" calls functions of others",
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

/* Runs as the table's owner, as PostgreSQL's own maintenance does. */
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
 * Runs as the owner of the map's tables: what follows DDL on the map must not
 * depend on what the user who runs the DDL may write there, nor on settings of
 * his session.  For statements on the map's own tables, whose code is the
 * extension's.
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

/* Not called after an error: the end of the (sub)transaction does the same. */
void
role_restore(const SavedRole *caller)
{
	AtEOXact_GUC(false, caller->nestlevel);
	SetUserIdAndSecContext(caller->role, caller->context);
}
