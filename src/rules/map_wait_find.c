/*
 * map_wait_find.c
 *		May something wait for the row with a key?
 *
 * A row that is made is looked up in the session's set of the table (map_wait_set.c),
 * and in the index of what waits if the set does not tell, or if there is none.  A set
 * costs a scan of the index, so it is made when the look-ups that found nothing have
 * cost as much: when there were more of them than the index has blocks.
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/* The table and the number of look-ups that found nothing since its set was made. */
static struct
{
	Oid home;
	BlockNumber n;
} missed[MAP_WAIT_SLOTS];

/* The part of a key's hash value (waiting_hash()) that signals and sets have; not 0. */
uint32
map_wait_part(int64 hash)
{
	return Max((uint32) ((uint64) hash >> (64 - MAP_WAIT_PART_BITS)), 1);
}

/* The hash values that have this part. */
void
map_wait_range(uint32 part, int64 *lowest, int64 *highest)
{
	int bits = 64 - MAP_WAIT_PART_BITS;
	/* the part 1 stands for 0, too */
	uint64 first = part == 1 ? 0 : part;

	*lowest = (int64) (first << bits);
	*highest = (int64) ((((uint64) part) << bits) | ((UINT64CONST(1) << bits) - 1));
}

/* Adds what was signalled since the number of signals was `since`; false: that is not known. */
static bool
add_latest(Oid home, uint64 since, uint32 **parts, int64 *n)
{
	uint32 latest[MAP_WAIT_LATEST];
	int count;

	if (!map_wait_latest(home, since, latest, &count))
		return false;
	*parts = repalloc_huge(*parts, (*n + count + 1) * sizeof(uint32));
	memcpy(*parts + *n, latest, count * sizeof(uint32));
	*n += count;
	return true;
}

/*
 * Makes the set of the map's table, unless too much waits for it, or it changes just
 * now.  What is written while the index is read is signalled.
 */
static void
make_set(const RelationMap *map)
{
	uint64 changes = map_wait_set_changes(map->home);
	uint64 since = map_wait_signals(map->home);
	int64 size = 1024;
	int64 n = 0;
	uint32 *parts;
	WaitingScan scan;
	int64 hash;

	if (!waiting_begin(&scan, map->schema, map->table, NULL))
		return;
	parts = palloc(size * sizeof(uint32));
	while (n <= map_wait_set_limit() && waiting_next_hash(&scan, &hash))
	{
		if (n == size)
		{
			size *= 2;
			parts = repalloc_huge(parts, size * sizeof(uint32));
		}
		parts[n++] = map_wait_part(hash);
	}
	waiting_end(&scan);
	if (add_latest(map->home, since, &parts, &n) && n <= map_wait_set_limit() &&
		changes == map_wait_set_changes(map->home))
		map_wait_set_make(map->home, parts, n);
	pfree(parts);
}

/* Counts a look-up that found nothing; true: a set would have cost less. */
static bool
misled(Oid home, BlockNumber blocks)
{
	uint32 slot = map_wait_slot(home);

	if (missed[slot].home != home)
	{
		missed[slot].home = home;
		missed[slot].n = 0;
	}
	if (++missed[slot].n <= blocks)
		return false;
	missed[slot].n = 0;
	return true;
}

/*
 * Is it known that nothing waits for the row of the map's table whose key has this hash
 * value (waiting_hash())?  Else map_wait_exists() tells.
 */
bool
map_wait_lacks(const RelationMap *map, int64 hash)
{
	return map_wait_set_lacks(map->home, map_wait_part(hash));
}

/*
 * May something wait for the row with this key?  If not, it begins to wait with a
 * signal that has not come yet.  The caller has a snapshot.
 */
bool
map_wait_exists(const RelationMap *map, Jsonb *key)
{
	WaitingScan scan;
	BlockNumber blocks;
	bool found;

	if (!waiting_begin(&scan, map->schema, map->table, key))
		return false;
	found = waiting_next(&scan);
	blocks = RelationGetNumberOfBlocks(scan.index);
	waiting_end(&scan);
	if (!found && misled(map->home, blocks))
		make_set(map);
	return found;
}
