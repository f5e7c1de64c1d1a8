/*
 * map_pinned.c
 *		Loads which columns of a relation have pinned values; see map_pin.c.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/bitmapset.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/* Loads which columns of a relation on the map, whose columns are loaded, have pinned values. */
void
map_load_pins(RelationMap *map, Snapshot snapshot)
{
	if (!map_is_shared(map) || map->nkey_attrs == 0 ||
		!pin_exists(map->schema, map->table, NULL, snapshot))
		return;
	for (int i = 0; i < map->ncols; i++)
	{
		const MappedColumn *col = &map->cols[i];

		if (!col->key && pin_exists(map->schema, map->table, col->name, snapshot))
			map->pinned =
				bms_add_member(map->pinned, col->attnum - FirstLowInvalidHeapAttributeNumber);
	}
}
