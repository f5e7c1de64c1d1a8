/*
 * away.c
 *		Records when a part of the guard goes away from a table, and when the
 *		guard is complete again.
 *
 * A part is away if a trigger of the guard is missing, disabled, or fires on
 * replicas only.  bound_table.away_since contains the time; the history of the
 * map gets a row at each change.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "edit.h"

/* A trigger's tgenabled; 0: the table has no trigger of that name. */
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

/* Is a part of the guard missing or switched off, on a table or on one below it? */
static bool
guard_is_away(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		for (size_t i = 0; i < lengthof(guard_triggers); i++)
		{
			const char *name = guard_triggers[i].name;
			char enabled = trigger_enabled(lfirst_oid(lc), name);

			/* this PostgreSQL has no TRUNCATE triggers on foreign tables */
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
 * Does the state of a table's guard differ from what its binding says?  `away`
 * returns the state.  b is NULL for a table that is not bound.
 */
static bool
state_differs(const Binding *b, bool *away)
{
	*away = b != NULL && guard_is_away(b->relid);
	/* only a guard that belongs on the table can be away */
	return b != NULL && *away != (b->away_since != 0) && (!*away || b->guarded);
}

/*
 * Record that the guard of a mirrored table went away, or came back; nothing if
 * neither is so.  The restore of a dump creates a guard trigger by trigger: then
 * nothing is recorded as away.
 */
static void
record_away(Oid relid)
{
	TimestampTz now = GetCurrentTimestamp();
	Binding *b = binding_of(relid);
	bool away;

	if (!state_differs(b, &away) || (away && history_is_silent()))
		return;
	/* another session may be recording the same: look again under a lock */
	LockRelationOid(catalog_table("bound_table", false), ShareUpdateExclusiveLock);
	b = binding_of(relid);
	if (!state_differs(b, &away))
		return;
	history_record_guard(b, away, b->away_since, now);
	b->away_since = away ? now : 0;
	binding_store(b);
}

/*
 * Triggers of relations were created, dropped or switched.  Record what that
 * means for the guard of the relations that are mirrored, and of the mirrored
 * tables above them.  Tables are taken in the order of their OIDs, so that
 * sessions which do this at the same time do not wait for each other in a
 * circle.
 */
void
away_note(const List *relids)
{
	List *all = list_copy(relids);
	ListCell *lc;

	if (get_attnum(catalog_table("bound_table", false), "away_since") == InvalidAttrNumber)
		return; /* the extension's tables are of an older version */
	foreach(lc, relids)
		all = list_concat(all, place_ancestors(lfirst_oid(lc)));
	list_sort(all, list_oid_cmp);
	list_deduplicate_oid(all);
	foreach(lc, all)
		record_away(lfirst_oid(lc));
}
