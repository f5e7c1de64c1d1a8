/*
 * map_key.c
 *		The key of a relation's rows, and what may wait for rows of a table.
 *
 * A row is known by the mirrored columns of fields marked key, else by its primary
 * key, else by its replica identity: these columns are the row_key of evidence.
 * "The row of that key" is found by one index: a valid, immediate, plain unique
 * index whose columns are exactly the mapped key columns, else the primary key.
 * Values wait for a row only where this index has the columns of the row_key.
 *
 * `waits` of a map is true if something may wait for a row of its table: a
 * transaction that parks or remembers the first value of a table invalidates the
 * relation at its commit.  What has not been committed yet is found by the probe at
 * the end of each statement that makes rows (guard/land.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "nodes/bitmapset.h"
#include "storage/lockdefs.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/* The index's columns, offset FirstLowInvalidHeapAttributeNumber, if it can find one row; else NULL. */
static Bitmapset *
index_columns(Relation index)
{
	Form_pg_index form = index->rd_index;
	Bitmapset *attnums = NULL;

	if (!form->indisunique || !form->indimmediate || !form->indisvalid || !form->indisready ||
		index->rd_rel->relam != BTREE_AM_OID ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return NULL;
	for (int k = 0; k < form->indnkeyatts; k++)
	{
		if (form->indkey.values[k] <= 0)
			return NULL;
		attnums =
			bms_add_member(attnums, form->indkey.values[k] - FirstLowInvalidHeapAttributeNumber);
	}
	return attnums;
}

/* Finds the index by which the row of a key is found. */
static void
find_index(RelationMap *map, Relation rel, const Bitmapset *keys)
{
	ListCell *lc;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return;
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);
		Bitmapset *attnums = index_columns(index);

		if (attnums != NULL && bms_equal(attnums, keys))
		{
			map->key_index = lfirst_oid(lc);
			map->key_is_whole = true;
		}
		else if (attnums != NULL && index->rd_index->indisprimary && !map->key_is_whole)
			map->key_index = lfirst_oid(lc);
		index_close(index, NoLock);
	}
}

/* Loads what is known of the key of a relation that is on the map, whose columns are loaded. */
void
map_load_key(RelationMap *map, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	Bitmapset *attnums = NULL;
	int i = -1;

	for (int c = 0; c < map->ncols; c++)
		if (map->cols[c].key)
		{
			attnums =
				bms_add_member(attnums, map->cols[c].attnum - FirstLowInvalidHeapAttributeNumber);
			map->nkeys++;
		}
	map->primary = bms_copy(RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY));
	if (attnums == NULL)
		attnums = bms_copy(map->primary);
	if (attnums == NULL)
		attnums = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_IDENTITY_KEY);

	map->key_attrs = palloc(desc->natts * sizeof(AttrNumber));
	while ((i = bms_next_member(attnums, i)) >= 0)
		map->key_attrs[map->nkey_attrs++] = i + FirstLowInvalidHeapAttributeNumber;
	if (map_is_shared(map))
	{
		find_index(map, rel, attnums);
		map->waits = waiting_exists(map->schema, map->table);
	}
}

/* Do several systems write the table?  Values wait for rows of such tables only. */
bool
map_is_shared(const RelationMap *map)
{
	return map->mapped && map->source == NULL;
}

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

/* Something waits for a row of the table: makes all sessions load its maps again. */
void
map_waits_now(const RelationMap *map)
{
	if (!map->waits && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(map->home)))
		CacheInvalidateRelcacheByRelid(map->home);
}

/* The same, if nothing waits any more. */
void
map_waits_no_more(const RelationMap *map)
{
	if (map->waits && !waiting_exists(map->schema, map->table) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(map->home)))
		CacheInvalidateRelcacheByRelid(map->home);
}
