/*
 * map_pin.c
 *		Which columns of a relation have pinned values.
 *
 * `pinned` of a map contains the columns of which a value was pinned when the map
 * was loaded.  A pin that is added makes all sessions load the map again, as an edit
 * of any table of the map does.  When the last pin of a table's column ends, the
 * relation is invalidated, too: then statements need the guard less.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "nodes/bitmapset.h"
#include "utils/inval.h"
#include "utils/snapshot.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/* May a pin stop a write of the writer?  None stops a relay, nor anybody in a dry run. */
bool
map_holds_pins(const RelationMap *map, Enforcement enforcement, const Writer *writer)
{
	return map->pinned != NULL && enforcement == ENFORCEMENT_ON && !writer->relay;
}

/* Was the pin's row deleted so long ago that the pin holds no more? */
bool
map_pin_is_over(const RelationMap *map, const Pin *pin)
{
	if (pin->gone_at == 0)
		return false;
	if (map_remembers_briefly(map))
		return pin->gone_at < GetCurrentTransactionStartTimestamp();
	return map_is_expired(map, pin->gone_at);
}

static Pin *
find_pin(const RelationMap *map, const MappedColumn *col, Jsonb *key)
{
	if (!bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, map->pinned))
		return NULL;
	return pin_find(map->schema, map->table, col->name, key);
}

/* The pin of the column in the row with this key; NULL: it has none.  Ends one that is over. */
Pin *
map_find_pin(const RelationMap *map, const MappedColumn *col, Jsonb *key)
{
	Pin *pin = find_pin(map, col, key);

	if (pin == NULL || !map_pin_is_over(map, pin))
		return pin;
	map_end_pin(map, pin, NULL);
	return NULL;
}

/* The same for who only looks; NULL also where the pin's time is over. */
Pin *
map_see_pin(const RelationMap *map, const MappedColumn *col, Jsonb *key)
{
	Pin *pin = find_pin(map, col, key);

	if (pin == NULL || map_pin_is_over(map, pin) ||
		(pin->until != 0 && pin->until <= GetCurrentTimestamp()))
		return NULL;
	return pin;
}

/* Ends a pin: `by` a role or system, or NULL: its time is over. */
void
map_end_pin(const RelationMap *map, Pin *pin, const char *by)
{
	Snapshot snapshot;

	if (!pin_write(pin, true, by))
		return;
	snapshot = catalog_snapshot();
	if (!pin_exists(map->schema, map->table, pin->column, snapshot) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(map->home)))
		CacheInvalidateRelcacheByRelid(map->home);
	catalog_release(snapshot);
}
