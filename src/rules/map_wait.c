/*
 * map_wait.c
 *		What may wait for rows of a table, and how long.
 *
 * `waits` of a map is true if something may wait for a row of its table: a
 * transaction that parks or remembers the first value of a table invalidates the
 * relation at its commit.
 *
 * What has not been committed yet, or not been heard of, is announced by a signal
 * (map_wait_signal.c).
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/* May an UPDATE that names these columns (NULL: all) give a row another key? */
bool
map_updates_key(const RelationMap *map, const Bitmapset *named)
{
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		if (named == NULL ||
			bms_is_member(map->key_attrs[i] - FirstLowInvalidHeapAttributeNumber, named))
			return true;
	}
	return false;
}

/* Did an UPDATE give the row another key?  Both rows are of the map's relation. */
bool
map_gives_key(const RelationMap *map, TupleTableSlot *stored, TupleTableSlot *row)
{
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		AttrNumber attnum = map->key_attrs[i];
		const MappedColumn *col = map_any_column(map, attnum);
		/* a column of the primary key may be off the map */
		ValueType type =
			col != NULL
				? col->type
				: value_type(TupleDescAttr(stored->tts_tupleDescriptor, attnum - 1)->atttypid);
		bool wnull;
		bool inull;
		Datum was = slot_getattr(stored, attnum, &wnull);
		Datum is = slot_getattr(row, attnum, &inull);

		if (value_changed(&type, was, wnull, is, inull))
			return true;
	}
	return false;
}

/*
 * Does a DELETE by the writer take along values of other systems that are to be
 * remembered?
 */
bool
map_remembers(RelationMap *map, const Writer *writer)
{
	if (!map_is_shared(map) || !map->key_is_whole || writer->relay ||
		map_foreign(map, writer) == NULL)
		return false;
	for (int i = 0; i < map->ncols; i++)
		if (map->cols[i].foreign && !map->cols[i].key)
			return true;
	return false;
}

/* Are the table's values remembered only until the transaction ends? */
bool
map_remembers_briefly(const RelationMap *map)
{
	if (map->remember == NULL)
		return ownership_remember == 0;
	return map->remember->time == 0 && map->remember->day == 0 && map->remember->month == 0;
}

/* Is the time over for which values are remembered that were deleted at this time? */
bool
map_is_expired(const RelationMap *map, TimestampTz at)
{
	TimestampTz until;

	if (TIMESTAMP_IS_NOBEGIN(at) || map_remembers_briefly(map))
		return false; /* they leave with their transaction */
	if (map->remember == NULL)
		until = TimestampTzPlusMilliseconds(at, (int64) ownership_remember * 60 * 1000);
	else
		until =
			DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(at),
													IntervalPGetDatum(map->remember)));
	return until <= GetCurrentTimestamp();
}

static void
invalidate(Oid home)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(home)))
		CacheInvalidateRelcacheByRelid(home);
}

/*
 * Something waits for the row with this key, and its evidence is written: tells all
 * sessions, and makes them load their maps of the table again when it is committed.
 * alone: not one of very many, which are told of together, by map_wait_send().
 */
void
map_waits_now(const RelationMap *map, Jsonb *key, bool alone)
{
	uint32 part = map_wait_part(waiting_hash(key));

	/* this session looks for it already, whether its signal comes or not */
	map_wait_set_add(map_wait_slot(map->home), part);
	if (alone)
		map_wait_send(map->home, part);
	if (!map->waits && map_wait_announces(map->home))
		invalidate(map->home);
}

/* Makes all sessions load their maps of the table again, if nothing waits any more. */
void
map_waits_no_more(const RelationMap *map)
{
	if (map->waits && !waiting_exists(map->schema, map->table))
		invalidate(map->home);
}
