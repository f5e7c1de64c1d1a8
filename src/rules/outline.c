/*
 * outline.c
 *		Which columns of a relation are on the map, for who only looks on.
 *
 * Like the map of a relation (map.c), but without what can fail: a SELECT must
 * not suffer from a row filter that does not work, nor wait for whoever has
 * locked a table of the map: then nothing is known, and nothing is counted.
 * Entries are cached, also of relations off the map; invalidations mark them.
 * Once a relation is known there is no catalog access.  Dropped relations are
 * marked, too: marked entries are removed when the cache has doubled.
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

static HTAB *outlines = NULL;
static long most_outlines = 1024;
static Outline *last_outline = NULL;
static uint64 generation = 0;
static Oid extension = InvalidOid; /* its table activity, in this database */
static bool extension_known = false;

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
		outline->ancestor = false; /* of nothing that is valid */
	}
}

/* A relation changed; InvalidOid: all may have. */
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

/* Is the extension here? */
static bool
find_extension(void)
{
	for (int load = 1; unlikely(!extension_known) && load <= LOADS; load++)
	{
		uint64 seen = generation;

		extension = catalog_table("activity", true);
		/* anybody may give a schema that name */
		if (OidIsValid(extension) && !OidIsValid(get_extension_oid("ownership", true)))
			extension = InvalidOid;
		if (OidIsValid(extension))
			catalog_watch();
		extension_known = seen == generation;
	}
	return OidIsValid(extension);
}

/* Removes what was marked; nobody may have a outline in hand. */
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
		if (outline->cxt != NULL)
			MemoryContextDelete(outline->cxt);
		(void) hash_search(outlines, &outline->relid, HASH_REMOVE, NULL);
	}
	most_outlines = Max(1024, 2 * hash_get_num_entries(outlines));
}

static Outline *
outline_entry(Oid relid)
{
	Outline *outline = last_outline;
	bool found;

	/* entries stay where they are, and most look-ups are for the same one */
	if (outline != NULL && outline->relid == relid)
		return outline;

	if (outlines == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Outline);
		ctl.hcxt = CacheMemoryContext;
		outlines = hash_create("ownership sights", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
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

/* Adds the columns that one table on the map gives to the relation. */
static void
see_columns(Outline *outline, Relation rel, const char *schema, const char *table, Snapshot snapshot)
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

/* Fills the entry, in the current context. */
static void
look(Outline *outline)
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
			see_columns(outline, rel, schema, table, snapshot);
		}
		catalog_end(scan);
	}
	catalog_release(snapshot);
	relation_close(rel, AccessShareLock);
}

/* What look() reads. */
static const char *const read_tables[] = {"mirrored_table",	 "mirrored_table_pkey",
										  "mirrored_column", "mirrored_column_pkey",
										  "field",			 "field_pkey"};

/*
 * The relation's columns on the map, or NULL where there are none, or where
 * that cannot be told now.
 */
const Outline *
outline_of(Oid relid)
{
	Outline *outline;

	if (relid < FirstNormalObjectId || !find_extension())
		return NULL;
	sweep_outlines();
	outline = outline_entry(relid);
	for (int load = 1; unlikely(!outline->valid) && load <= LOADS; load++)
	{
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership sight", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		uint64 seen = generation;
		Outline seen_now = {0};

		seen_now.relid = relid;
		if (!catalog_try_lock(read_tables, lengthof(read_tables)))
		{
			MemoryContextSwitchTo(old);
			MemoryContextDelete(cxt);
			return NULL;
		}
		look(&seen_now);
		catalog_unlock(read_tables, lengthof(read_tables));
		MemoryContextSwitchTo(old);
		if (seen != generation && load < LOADS)
		{
			MemoryContextDelete(cxt);
			if (!find_extension())
				return NULL;
			continue;
		}
		if (outline->cxt != NULL)
			MemoryContextDelete(outline->cxt);
		if (seen_now.mapped)
		{
			MemoryContextSetParent(cxt, CacheMemoryContext);
			seen_now.cxt = cxt;
		}
		else
			MemoryContextDelete(cxt);
		seen_now.ancestor = outline->ancestor;
		seen_now.valid = seen == generation;
		*outline = seen_now;
	}
	return outline->mapped ? outline : NULL;
}

/* Tells this extension from one that was dropped: the OID of its table activity. */
Oid
outline_extension(void)
{
	return extension;
}
