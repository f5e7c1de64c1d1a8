/*
 * invalidate.c
 *		The callbacks for PostgreSQL's invalidation messages.
 *
 * The library caches the writer, the maps of relations, their outlines, and the
 * guard's functions.  A callback only marks what the message is about; the cache
 * loads a marked entry again when a caller needs it.
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/syscache.h"

#include "rules/rules.h"
#include "guard/guard.h"
#include "ownership.h"

static void
relation_changed(Datum arg, Oid relid)
{
	lift_hide_forget(relid);
	lift_apply_forget(relid);
	if (map_forget(relid))
	{
		writer_forget();
		lift_apply_show();
	}
	outline_forget(relid);
	feed_forget(relid);
}

/* A role, a membership or a subscription changed. */
static void
writer_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	writer_forget();
}

static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	map_forget_names();
	outline_forget_all();
	trigger_list_forget_functions();
}

static void
function_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	map_forget_functions();
	trigger_list_forget_functions();
}

static void
type_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	map_forget_types();
}

/* A value began to wait for a row. */
static void
wait_signalled(Datum arg, int cacheid, uint32 hashvalue)
{
	map_wait_signal(hashvalue);
}

/* Registers the callbacks; called once, when the library is loaded. */
void
invalidate_register(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, writer_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, writer_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONOID, writer_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(MAP_WAIT_CACHE, wait_signalled, (Datum) 0);
}
