/*
 * drop.c
 *		DROP: the map follows what is dropped.
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "ddl.h"

PG_FUNCTION_INFO_V1(ownership_ddl_drop);

#define GUARD_TRIGGER_TABLES                                                        \
	"SELECT DISTINCT c.oid::text FROM pg_event_trigger_dropped_objects() d "        \
	"JOIN pg_namespace n ON n.nspname = d.address_names[1] "                        \
	"JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.address_names[2] " \
	"WHERE d.object_type = 'trigger' AND d.address_names[3] LIKE 'zzzz\\_ownership\\_%'"

/* A trigger was dropped, which may be the guard's. */
static void
follow_dropped_triggers(void)
{
	Followed f = {.flags = FOLLOW_TRIGGERS};

	f.relids = event_relations(GUARD_TRIGGER_TABLES);
	if (f.relids != NIL)
		tell(subxact_try(follow, &f));
}

/*
 * sql_drop: the map of what was dropped waits for its name.
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
				bind_forget_off(relid);
			continue;
		}
		if (get_rel_name(relid) == NULL)
			f.dropped = list_append_unique_oid(f.dropped, relid);
		else
			f.relids = list_append_unique_oid(f.relids, relid);
	}
	if (f.dropped != NIL || f.relids != NIL)
		tell(subxact_try(follow, &f));
	PG_RETURN_NULL();
}
