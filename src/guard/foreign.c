/*
 * foreign.c
 *		TRUNCATE of foreign tables and of shards, where there are no triggers for that.
 *
 * Before 16 a foreign table can have no trigger for TRUNCATE, and Citus creates none on
 * the shards of a table that has shards already.  So the guard
 * looks at the command before it runs: it finds the foreign tables that the
 * command would empty, in the way and under the locks of PostgreSQL itself,
 * and judges those whose rows are guarded, as the trigger would.  It cannot do
 * so in a session that has not loaded the library yet; ownership.risks reports
 * that.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "guard.h"

/* A role that may not truncate a table must not wait for its lock either. */
static void
check_privilege(const RangeVar *name, Oid relid, Oid old_relid, void *arg)
{
	AclResult result;

	if (!OidIsValid(relid))
		return;
	result = pg_class_aclcheck(relid, GetUserId(), ACL_TRUNCATE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)), name->relname);
}

/* The trigger of the guard in the relation's list, under the name that it has there; or NULL. */
static Trigger *
find_trigger(Relation rel, const char *name)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		if (shard_is_trigger(rel->trigdesc->triggers[i].tgname, name))
			return &rel->trigdesc->triggers[i];
	return NULL;
}

/* Is the guard on the table, does it fire, and is none of its triggers for TRUNCATE? */
static bool
is_armed(Relation rel)
{
	Trigger *trigger = find_trigger(rel, TRIGGER_AMEND);

	if (trigger == NULL || find_trigger(rel, TRIGGER_TRUNCATE) != NULL)
		return false;
	return trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
		   (trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN &&
			SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA);
}

/* Calls the function that the table's trigger for TRUNCATE would call. */
static void
judge(Relation rel)
{
	LOCAL_FCINFO(fcinfo, 0);
	FmgrInfo flinfo = {0};
	Trigger trigger = {0};
	TriggerData td = {0};

	trigger.tgname = TRIGGER_TRUNCATE;
	trigger.tgtype = TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE;
	trigger.tgenabled = TRIGGER_FIRES_ALWAYS;
	td.type = T_TriggerData;
	td.tg_event = TRIGGER_EVENT_TRUNCATE | TRIGGER_EVENT_BEFORE;
	td.tg_relation = rel;
	td.tg_trigger = &trigger;
	flinfo.fn_addr = ownership_guard_truncate;
	flinfo.fn_mcxt = CurrentMemoryContext;
	InitFunctionCallInfoData(*fcinfo, &flinfo, 0, InvalidOid, (Node *) &td, NULL);
	(void) FunctionCallInvoke(fcinfo);
}

/* May a relation have rows that TRUNCATE takes, and no trigger for that? */
static bool
may_lack_trigger(Oid relid)
{
	return (!COMPAT_FOREIGN_TRUNCATE_TRIGGERS && get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE) ||
		   OidIsValid(shard_table(relid));
}

/*
 * Judges a TRUNCATE before it runs.  From 16 on, triggers do this, but for shards.
 *
 * Errors: those of guard_truncate(); the caller may not truncate a table.
 */
void
foreign_truncate(const TruncateStmt *statement)
{
	ListCell *lc;

	/* PostgreSQL will refuse the command */
	if (XactReadOnly || RecoveryInProgress())
		return;
	foreach(lc, statement->relations)
	{
		RangeVar *name = lfirst(lc);
		Oid relid = RangeVarGetRelid(name, NoLock, true);
		char relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';
		List *relids;
		ListCell *member;

		if (!OidIsValid(relid) ||
			(!may_lack_trigger(relid) && (COMPAT_FOREIGN_TRUNCATE_TRIGGERS || !name->inh ||
										  !(relkind == RELKIND_PARTITIONED_TABLE ||
											(relkind == RELKIND_RELATION && has_subclass(relid))))))
			continue;
		relid = RangeVarGetRelidExtended(name, AccessExclusiveLock, RVR_MISSING_OK, check_privilege,
										 NULL);
		if (!OidIsValid(relid))
			continue;
		relids = name->inh ? find_all_inheritors(relid, AccessExclusiveLock, NULL)
						   : list_make1_oid(relid);
		foreach(member, relids)
		{
			Relation rel;

			if (!may_lack_trigger(lfirst_oid(member)))
				continue;
			rel = table_open(lfirst_oid(member), NoLock);
			if (is_armed(rel))
				judge(rel);
			table_close(rel, NoLock);
		}
		list_free(relids);
	}
}
