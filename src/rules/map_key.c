/*
 * map_key.c
 *		The key of a relation's rows.
 *
 * A row is known by the mirrored columns of fields marked key, else by its primary
 * key, else by its replica identity: these columns are the row_key of evidence.
 * "The row of that key" is found by one index: a valid, immediate, plain unique
 * index whose columns are exactly the mapped key columns, else the primary key.
 * Values wait for a row only where this index has the columns of the row_key.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "nodes/bitmapset.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

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
		/* an older version of the extension's tables has no such index */
		map->key_is_whole &= OidIsValid(catalog_table("conflict_waiting_idx", true));
		map->wait_signals = map_wait_signals(map->home);
		map->waits = waiting_exists(map->schema, map->table);
	}
}

/* Do several systems write the table?  Values wait for rows of such tables only. */
bool
map_is_shared(const RelationMap *map)
{
	return map->mapped && map->source == NULL;
}
