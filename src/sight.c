/*
 * sight.c
 *		Which columns of a relation are on the map, for who only looks on.
 *
 * Like the map of a relation (map.c), but without what can fail: a SELECT must
 * not suffer from a row filter that does not work, nor wait for whoever has
 * locked a table of the map: then nothing is known, and nothing is counted.
 * Entries are cached, also of relations off the map; invalidations mark them.
 * Once a relation is known there is no catalog access.  Dropped relations are
 * marked, too: marked entries are removed when the cache has doubled.
 */
#include "ownership.h"

#include "access/relation.h"
#include "access/transam.h"
#include "commands/extension.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static HTAB *sights = NULL;
static long most_sights = 1024;
static Sight *last_sight = NULL;
static uint64 generation = 0;
static Oid extension = InvalidOid; /* its table activity, in this database */
static bool extension_known = false;

void
sight_forget_all(void)
{
	HASH_SEQ_STATUS status;
	Sight *sight;

	generation++;
	extension_known = false;
	if (sights == NULL)
		return;
	hash_seq_init(&status, sights);
	while ((sight = hash_seq_search(&status)) != NULL)
	{
		sight->valid = false;
		sight->ancestor = false; /* of nothing that is valid */
	}
}

/* A relation changed; InvalidOid: all may have. */
void
sight_forget(Oid relid)
{
	Sight *sight;

	/* a new relation may be one of the extension's */
	if (!OidIsValid(extension))
		extension_known = false;
	generation++;
	if (!OidIsValid(relid) || relid == catalog_signal || relid == extension)
	{
		sight_forget_all();
		return;
	}
	if (sights == NULL)
		return;
	sight = hash_search(sights, &relid, HASH_FIND, NULL);
	if (sight == NULL)
		return;
	if (sight->ancestor)
		sight_forget_all();
	sight->valid = false;
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

/* Removes what was marked; nobody may have a sight in hand. */
static void
sweep_sights(void)
{
	HASH_SEQ_STATUS status;
	Sight *sight;

	if (sights == NULL || hash_get_num_entries(sights) < most_sights)
		return;
	last_sight = NULL;
	hash_seq_init(&status, sights);
	while ((sight = hash_seq_search(&status)) != NULL)
	{
		if (sight->valid || sight->ancestor)
			continue;
		if (sight->cxt != NULL)
			MemoryContextDelete(sight->cxt);
		(void) hash_search(sights, &sight->relid, HASH_REMOVE, NULL);
	}
	most_sights = Max(1024, 2 * hash_get_num_entries(sights));
}

static Sight *
sight_entry(Oid relid)
{
	Sight *sight = last_sight;
	bool found;

	/* entries stay where they are, and most look-ups are for the same one */
	if (sight != NULL && sight->relid == relid)
		return sight;

	if (sights == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Sight);
		ctl.hcxt = CacheMemoryContext;
		sights = hash_create("ownership sights", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	sight = hash_search(sights, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(sight, 0, sizeof(Sight));
		sight->relid = relid;
	}
	last_sight = sight;
	return sight;
}

static bool
is_key(const char *entity, const char *field, Snapshot snapshot)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, snapshot);
	bool key = catalog_next(scan) && catalog_bool(scan, Anum_field_key);

	catalog_end(scan);
	return key;
}

/* Adds the columns that one table on the map gives to the relation. */
static void
see_columns(Sight *sight, Relation rel, const char *schema, const char *table, Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, snapshot);

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, Anum_mirrored_column_column);
		AttrNumber attnum = get_attnum(sight->relid, name);

		if (attnum <= 0 || attnum > sight->natts || sight->home_attnum[attnum - 1] != 0)
			continue;
		sight->home_attnum[attnum - 1] =
			sight->home == sight->relid ? attnum : Max(get_attnum(sight->home, name), 0);
		sight->key[attnum - 1] = is_key(catalog_text(scan, Anum_mirrored_column_entity),
										catalog_text(scan, Anum_mirrored_column_field), snapshot);
	}
	catalog_end(scan);
}

/* Fills the entry, in the current context. */
static void
look(Sight *sight)
{
	Relation rel = relation_open(sight->relid, AccessShareLock);
	List *ancestors = map_ancestors(sight->relid);
	List *relids = lcons_oid(sight->relid, list_copy(ancestors));
	Snapshot snapshot = catalog_snapshot();
	ListCell *lc;

	foreach(lc, ancestors)
		sight_entry(lfirst_oid(lc))->ancestor = true;
	sight->natts = RelationGetNumberOfAttributes(rel);
	sight->home_attnum = palloc0(Max(sight->natts, 1) * sizeof(AttrNumber));
	sight->key = palloc0(Max(sight->natts, 1) * sizeof(bool));
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
			if (!sight->mapped)
			{
				sight->home = lfirst_oid(lc);
				sight->source = catalog_text(scan, Anum_mirrored_table_source);
			}
			sight->mapped = true;
			see_columns(sight, rel, schema, table, snapshot);
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
const Sight *
sight_of(Oid relid)
{
	Sight *sight;

	if (relid < FirstNormalObjectId || !find_extension())
		return NULL;
	sweep_sights();
	sight = sight_entry(relid);
	for (int load = 1; unlikely(!sight->valid) && load <= LOADS; load++)
	{
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership sight", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		uint64 seen = generation;
		Sight seen_now = {0};

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
		if (sight->cxt != NULL)
			MemoryContextDelete(sight->cxt);
		if (seen_now.mapped)
		{
			MemoryContextSetParent(cxt, CacheMemoryContext);
			seen_now.cxt = cxt;
		}
		else
			MemoryContextDelete(cxt);
		seen_now.ancestor = sight->ancestor;
		seen_now.valid = seen == generation;
		*sight = seen_now;
	}
	return sight->mapped ? sight : NULL;
}

/* Tells this extension from one that was dropped: the OID of its table activity. */
Oid
sight_extension(void)
{
	return extension;
}
