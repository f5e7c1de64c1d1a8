/*
 * outline.c
 *		The outline of a relation's map: which of its columns are on the map.  It is
 *		for SELECT and for the counting of activity, where nothing may fail.
 *
 * It is like the map of a relation (map.c), but without what can fail: a SELECT must
 * not fail because of a broken row filter, and must not wait for a session that has
 * locked a table of the map.  In the latter case there is no outline, and nothing is
 * counted.
 *
 * Outlines are cached, also those of relations that are not on the map, so that a
 * known relation needs no catalog access.  Invalidations only mark them, also when a
 * relation is dropped.  Marked entries are removed when the cache has doubled.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/relation.h"
#include "access/transam.h"
#include "commands/extension.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

static HTAB *outlines = NULL;		 /* of Outline */
static long most_outlines = 1024;	 /* entries at which marked ones are removed */
static Outline *last_outline = NULL; /* of the last outline_entry() */
static uint64 generation = 0;		 /* changes with each invalidation */
static uint64 loads = 0;			 /* number of outlines that were loaded */
static Oid extension = InvalidOid;	 /* OID of the table activity; InvalidOid: no extension here */
static bool extension_known = false; /* `extension` is right */

/* Any relation may have changed. */
void
outline_forget_all(void)
{
	HASH_SEQ_STATUS status;
	Outline *outline;

	generation++;
	extension_known = false;
	if (outlines == NULL)
		return;
	hash_seq_init(&status, outlines);
	while ((outline = hash_seq_search(&status)) != NULL)
	{
		outline->valid = false;
		outline->ancestor = false; /* no valid entry depends on it */
	}
}

/* A relation changed; InvalidOid: any relation may have changed. */
void
outline_forget(Oid relid)
{
	Outline *outline;

	/* a new relation may be one of the extension's */
	if (!OidIsValid(extension))
		extension_known = false;
	generation++;
	if (!OidIsValid(relid) || relid == catalog_signal || relid == extension)
	{
		outline_forget_all();
		return;
	}
	if (outlines == NULL)
		return;
	outline = hash_search(outlines, &relid, HASH_FIND, NULL);
	if (outline == NULL)
		return;
	if (outline->ancestor)
		outline_forget_all();
	outline->valid = false;
}

/* Is the extension in this database? */
static bool
find_extension(void)
{
	for (int load = 1; unlikely(!extension_known) && load <= LOADS; load++)
	{
		uint64 seen = generation;

		extension = catalog_table("activity", true);
		/* a schema of that name need not be the extension's */
		if (OidIsValid(extension) && !OidIsValid(get_extension_oid("ownership", true)))
			extension = InvalidOid;
		if (OidIsValid(extension))
			catalog_watch();
		extension_known = seen == generation;
	}
	return OidIsValid(extension);
}

/* Removes marked entries.  No caller may still use an outline from before. */
static void
sweep_outlines(void)
{
	HASH_SEQ_STATUS status;
	Outline *outline;

	if (outlines == NULL || hash_get_num_entries(outlines) < most_outlines)
		return;
	last_outline = NULL;
	hash_seq_init(&status, outlines);
	while ((outline = hash_seq_search(&status)) != NULL)
	{
		if (outline->valid || outline->ancestor)
			continue;
		if (outline->memory != NULL)
			pfree(outline->memory);
		(void) hash_search(outlines, &outline->relid, HASH_REMOVE, NULL);
	}
	most_outlines = Max(1024, 2 * hash_get_num_entries(outlines));
}

/* The cache's entry of a relation; a new one is not valid. */
static Outline *
outline_entry(Oid relid)
{
	Outline *outline = last_outline;
	bool found;

	/* entries do not move in memory, and most look-ups are for the same entry */
	if (outline != NULL && outline->relid == relid)
		return outline;

	if (outlines == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Outline);
		ctl.hcxt = CacheMemoryContext;
		outlines =
			hash_create("ownership outlines", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	outline = hash_search(outlines, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(outline, 0, sizeof(Outline));
		outline->relid = relid;
	}
	last_outline = outline;
	return outline;
}

/* Adds those mirrored columns of one table on the map that the relation has. */
static void
load_columns(Outline *outline, Relation rel, const char *schema, const char *table,
			 Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, snapshot);

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, Anum_mirrored_column_column);
		AttrNumber attnum = get_attnum(outline->relid, name);

		if (attnum <= 0 || attnum > outline->natts || outline->home_attnum[attnum - 1] != 0)
			continue;
		outline->home_attnum[attnum - 1] =
			outline->home == outline->relid ? attnum : Max(get_attnum(outline->home, name), 0);
		outline->key[attnum - 1] =
			lookup_field_is_key_in(catalog_text(scan, Anum_mirrored_column_entity),
								   catalog_text(scan, Anum_mirrored_column_field), snapshot);
	}
	catalog_end(scan);
}

/* Fills the outline, whose relation is set, in the current memory context. */
static void
load_outline(Outline *outline)
{
	Relation rel = relation_open(outline->relid, AccessShareLock);
	List *ancestors = place_ancestors(outline->relid);
	List *relids = lcons_oid(outline->relid, list_copy(ancestors));
	Snapshot snapshot = catalog_snapshot();
	ListCell *lc;

	foreach(lc, ancestors)
		outline_entry(lfirst_oid(lc))->ancestor = true;
	outline->natts = RelationGetNumberOfAttributes(rel);
	outline->home_attnum = palloc0(Max(outline->natts, 1) * sizeof(AttrNumber));
	outline->key = palloc0(Max(outline->natts, 1) * sizeof(bool));
	foreach(lc, relids)
	{
		char *table = get_rel_name(lfirst_oid(lc));
		char *schema = table == NULL ? NULL : get_namespace_name(get_rel_namespace(lfirst_oid(lc)));
		const char *keys[2] = {schema, table};
		CatalogScan *scan;

		if (schema == NULL)
			continue;
		scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, snapshot);
		if (catalog_next(scan))
		{
			if (!outline->mapped)
			{
				outline->home = lfirst_oid(lc);
				outline->source = catalog_text(scan, Anum_mirrored_table_source);
			}
			outline->mapped = true;
			load_columns(outline, rel, schema, table, snapshot);
		}
		catalog_end(scan);
	}
	if (outline->mapped)
	{
		outline->shard = OidIsValid(shard_table(outline->relid));
		outline->sharded = !outline->shard && shard_is_sharded(outline->relid);
	}
	catalog_release(snapshot);
	relation_close(rel, AccessShareLock);
}

/* Moves what a loaded outline points to into one piece of memory that stays. */
static void
keep(Outline *outline)
{
	Size attnums = outline->natts * sizeof(AttrNumber);
	Size keys = outline->natts * sizeof(bool);
	Size source = outline->source == NULL ? 0 : strlen(outline->source) + 1;
	char *memory = MemoryContextAlloc(CacheMemoryContext, attnums + keys + source + 1);

	outline->memory = memory;
	outline->home_attnum = memcpy(memory, outline->home_attnum, attnums);
	outline->key = memcpy(memory + attnums, outline->key, keys);
	if (outline->source != NULL)
		outline->source = memcpy(memory + attnums + keys, outline->source, source);
}

/* The tables and indexes that load_outline() reads. */
static const char *const read_tables[] = {"mirrored_table",	 "mirrored_table_pkey",
										  "mirrored_column", "mirrored_column_pkey",
										  "field",			 "field_pkey"};

/*
 * The outline of a relation's map; NULL if the relation is not on the map, or if a
 * table that says so is locked now.  Valid until the next call.
 */
const Outline *
outline_of(Oid relid)
{
	Outline *outline;

	/* most look-ups are for the same entry */
	if (likely(last_outline != NULL && last_outline->relid == relid && last_outline->valid &&
			   extension_known && OidIsValid(extension)))
		return last_outline->mapped ? last_outline : NULL;
	if (relid < FirstNormalObjectId || !find_extension())
		return NULL;
	sweep_outlines();
	outline = outline_entry(relid);
	for (int load = 1; unlikely(!outline->valid) && load <= LOADS; load++)
	{
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership outline", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		uint64 seen = generation;
		Outline loaded = {0};

		loaded.relid = relid;
		if (!catalog_try_lock(read_tables, lengthof(read_tables)))
		{
			MemoryContextSwitchTo(old);
			MemoryContextDelete(cxt);
			return NULL;
		}
		load_outline(&loaded);
		catalog_unlock(read_tables, lengthof(read_tables));
		MemoryContextSwitchTo(old);
		if (seen != generation && load < LOADS)
		{
			MemoryContextDelete(cxt);
			if (!find_extension())
				return NULL;
			continue;
		}
		if (outline->memory != NULL)
			pfree(outline->memory);
		if (loaded.mapped)
			keep(&loaded);
		MemoryContextDelete(cxt);
		loaded.ancestor = outline->ancestor;
		loaded.valid = seen == generation;
		loaded.loaded = ++loads;
		*outline = loaded;
	}
	return outline->mapped ? outline : NULL;
}

/*
 * The OID of the table activity, as the last look-up found it; InvalidOid: no
 * extension.  It distinguishes this extension from one that was dropped and created
 * again.
 */
Oid
outline_extension(void)
{
	return extension;
}
