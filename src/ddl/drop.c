/*
 * drop.c
 *		DROP: the map of a dropped table or column waits for its name, and a
 *		dropped trigger may be the guard's.
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "ddl.h"

PG_FUNCTION_INFO_V1(ownership_ddl_drop);

/* the tables, if they exist, of dropped triggers that are named like the guard's */
#define GUARD_TRIGGER_TABLES                                                        \
	"SELECT DISTINCT c.oid::text FROM pg_event_trigger_dropped_objects() d "        \
	"JOIN pg_namespace n ON n.nspname = d.address_names[1] "                        \
	"JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.address_names[2] " \
	"WHERE d.object_type = 'trigger' AND d.address_names[3] LIKE 'zzzz\\_ownership\\_%'"

/* DROP TRIGGER: record it where a trigger of the guard was dropped. */
static void
follow_dropped_triggers(void)
{
	Followed f = {.flags = FOLLOW_TRIGGERS};

	f.relids = event_relations(GUARD_TRIGGER_TABLES);
	if (f.relids != NIL)
		event_report(subxact_try(event_follow, &f));
}

/*
 * ddl_drop(), event trigger on sql_drop: the map of what was dropped waits for
 * its name.
 *
 * Errors: those of event_command().
 */
Datum
ownership_ddl_drop(PG_FUNCTION_ARGS)
{
	Node *command = event_command(fcinfo, "sql_drop");
	Followed f = {0};
	ListCell *lc;

	if (command == NULL)
		PG_RETURN_NULL();
	if (((EventTriggerData *) fcinfo->context)->tag == CMDTAG_DROP_TRIGGER)
	{
		if (!guard_is_changing())
			follow_dropped_triggers();
		PG_RETURN_NULL();
	}
	foreach(lc,
			event_relations(
				"SELECT objid::text FROM pg_event_trigger_dropped_objects() "
				"WHERE classid = 'pg_class'::regclass AND NOT is_temporary "
				"AND object_type IN ('table', 'foreign table', 'table column', 'foreign table column')"))
	{
		Oid relid = lfirst_oid(lc);

		if (binding_of(relid) == NULL)
		{
			if (get_rel_name(relid) == NULL)
				bind_forget_left_off(relid);
			continue;
		}
		if (get_rel_name(relid) == NULL)
			f.dropped = list_append_unique_oid(f.dropped, relid);
		else
			f.relids = list_append_unique_oid(f.relids, relid);
	}
	if (f.dropped != NIL || f.relids != NIL)
		event_report(subxact_try(event_follow, &f));
	PG_RETURN_NULL();
}
