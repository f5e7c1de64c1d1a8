/*
 * map.c
 *		The cached map of a relation.
 *
 * Backend-local, keyed by OID, negative answers included.  An entry holds for
 * a relation what the map says of it and of everything above it: partitions
 * and inheritance children are judged by the map of the table that stands on
 * the map, with their own attribute numbers.
 *
 * Invalidation: the tables of the map carry triggers that invalidate
 * catalog_signal's relcache entry at commit; one message marks all entries of
 * all sessions.  DDL on the relation or on something above it sends its own.
 * Callbacks only mark.  A load reads with one snapshot taken after the marks
 * were cleared, and starts again when a mark came in meanwhile.  Where marks
 * come in during each of LOADS loads, the last one answers this call, as one
 * that looked when it did, and is not kept for another.
 *
 * An entry is never freed.  The map that it had before a reload is freed at
 * once, unless somebody may go on reading it: the statement that is judged by
 * it (moment.c) has pinned it, and whoever runs code of users with a map in
 * hand says so (map_enter(), map_leave()).
 *
 * Edits that this session makes are told from those of others: the former hold
 * at once for the statements under way, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

typedef struct MapEntry
{
	Oid relid;		  /* hash key */
	bool ancestor;	  /* some other relation's map depends on it */
	RelationMap *map; /* NULL: none was loaded yet */
} MapEntry;

static HTAB *maps = NULL; /* of MapEntry */
static uint64 generation = 0;
static bool any_valid = false; /* entries to be marked; edits of the map mark often */
static uint64 relation_changes = 0;
uint64 map_signals = 0; /* how often some session's edit of the map, or a reset, came in */
uint64 map_aborts = 1;	/* of transactions and subtransactions */
static uint64 loads = 0;

/* Those who have a map in hand, as the nesting levels of their transactions. */
static int *holders = NULL;

static int nholders = 0;
static int max_holders = 0;
static MemoryContext retired = NULL; /* what they may still read; goes with the transaction */

/* How often this session has edited the map, or taken edits back. */
uint64 map_edits = 0;

static CommandId edit_command = InvalidCommandId; /* of the last edit of this transaction */
static int edit_level = 0;						  /* the innermost that has edits */

static void
mark_all(void)
{
	HASH_SEQ_STATUS status;
	MapEntry *entry;

	generation++;
	if (!any_valid)
		return;
	hash_seq_init(&status, maps);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->map != NULL)
			entry->map->valid = false;
	any_valid = false;
}

/*
 * A relation changed; InvalidOid: all may have.  True: the map itself may have.
 */
bool
map_forget(Oid relid)
{
	MapEntry *entry;

	relation_changes++;
	if (!OidIsValid(relid) || relid == catalog_signal)
	{
		map_signals++;
		mark_all();
		return true;
	}
	if (maps == NULL)
		return false;
	entry = hash_search(maps, &relid, HASH_FIND, NULL);
	if (entry == NULL)
		return false;
	if (entry->ancestor)
		mark_all();
	if (entry->map != NULL)
		entry->map->valid = false;
	generation++;
	return false;
}

/* A schema got another name: any map may be another now. */
void
map_forget_names(void)
{
	mark_all();
}

/* A function was replaced: a filter or default may hold its old body. */
void
map_forget_functions(void)
{
	if (map_any_functions)
		mark_all();
}

/* A domain was altered: its default and whether it takes NULL are the columns'. */
void
map_forget_types(void)
{
	if (map_any_domains)
		mark_all();
}

/*
 * This session edits the map.  Statements under way see it as soon as it sees
 * its own rows: from the next command on.
 */
void
map_edited(void)
{
	map_edits++;
	edit_command = GetCurrentCommandId(false);
	edit_level = Max(edit_level, GetCurrentTransactionNestLevel());
}

/* The edits that a statement can have seen by now. */
uint64
map_edits_seen(void)
{
	if (edit_command == InvalidCommandId || GetCurrentCommandId(false) > edit_command)
		return map_edits;
	return map_edits - 1;
}

/* While this stays the same, so does what the relation cache tells. */
uint64
map_relation_changes(void)
{
	return relation_changes;
}

/* The transaction ended. */
void
map_end_transaction(bool aborted)
{
	if (aborted)
		map_aborts++;
	edit_command = InvalidCommandId;
	edit_level = 0;
	nholders = 0;
	retired = NULL;
}

/* A subtransaction ended.  True: edits of the map were taken back. */
bool
map_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();
	bool edited = edit_level >= level;

	edit_level = Min(edit_level, level - 1);
	if (!aborted)
		return false;
	map_aborts++;
	/* the error ended them */
	while (nholders > 0 && holders[nholders - 1] >= level)
		nholders--;
	if (!edited)
		return false;
	map_edits++;
	return true;
}

/* The caller is about to run what users wrote, while it reads a map. */
void
map_enter(void)
{
	if (nholders == 0 && retired != NULL)
	{
		MemoryContextDelete(retired);
		retired = NULL;
	}
	if (nholders == max_holders)
	{
		int most = Max(16, 2 * max_holders);

		holders = holders == NULL ? MemoryContextAlloc(TopMemoryContext, most * sizeof(int))
								  : repalloc(holders, most * sizeof(int));
		max_holders = most;
	}
	holders[nholders++] = GetCurrentTransactionNestLevel();
}

/* It has read it.  Errors do without. */
void
map_leave(void)
{
	Assert(nholders > 0);
	nholders--;
}

/* Frees a map that is not in the cache any more, when nobody reads it. */
static void
retire(RelationMap *map)
{
	map->retired = true;
	if (map->pins > 0)
		return;
	if (nholders == 0)
	{
		MemoryContextDelete(map->cxt);
		return;
	}
	if (retired == NULL)
		retired = AllocSetContextCreate(TopTransactionContext, "ownership maps of old",
										ALLOCSET_SMALL_SIZES);
	MemoryContextSetParent(map->cxt, retired);
}

/* A statement goes by the map until map_unpin(), whatever is loaded meanwhile. */
void
map_pin(RelationMap *map)
{
	map->pins++;
}

void
map_unpin(RelationMap *map)
{
	Assert(map->pins > 0);
	if (--map->pins == 0 && map->retired)
		retire(map);
}

static MapEntry *
map_entry(Oid relid)
{
	MapEntry *entry;
	bool found;

	if (maps == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(MapEntry);
		ctl.hcxt = CacheMemoryContext;
		maps = hash_create("ownership maps", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(maps, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->ancestor = false;
		entry->map = NULL;
	}
	return entry;
}

/*
 * A map of an open relation, as yet empty, in a memory context of its own below
 * the current one.  What lies above the relation is marked first: its changes
 * are changes of the map.
 */
static RelationMap *
new_map(Relation rel)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership map", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RelationMap *map = palloc0(sizeof(RelationMap));
	ListCell *lc;

	map->relid = RelationGetRelid(rel);
	map->cxt = cxt;
	map->ancestors = place_ancestors(map->relid);
	foreach(lc, map->ancestors)
		map_entry(lfirst_oid(lc))->ancestor = true;
	MemoryContextSwitchTo(old);
	return map;
}

static void
load(RelationMap *map, Relation rel, Snapshot at)
{
	MemoryContext old = MemoryContextSwitchTo(map->cxt);

	map_load(map, rel, at);
	MemoryContextSwitchTo(old);
}

/* Lets the map outlive the transaction, under a number of its own. */
static void
keep(RelationMap *map)
{
	MemoryContextSetParent(map->cxt, CacheMemoryContext);
	map->loaded = ++loads;
}

/*
 * The map of an open relation as a snapshot sees it.  It is in no cache, and is
 * freed when those who pin it unpin it.
 *
 * Errors: as map_get().
 */
RelationMap *
map_as_of(Relation rel, Snapshot snapshot)
{
	RelationMap *map = new_map(rel);

	load(map, rel, snapshot);
	keep(map);
	map->retired = true;
	return map;
}

static inline bool
is_stale(const MapEntry *entry)
{
	return entry->map == NULL || !entry->map->valid;
}

/*
 * The map of an open relation.  Never NULL; `mapped` is false for relations
 * off the map.
 *
 * Errors: a row filter that cannot be compiled (the guard fails closed).
 */
RelationMap *
map_get(Relation rel)
{
	MapEntry *entry = map_entry(RelationGetRelid(rel));

	for (int n = 1; unlikely(is_stale(entry)) && n <= LOADS; n++)
	{
		uint64 seen = generation;
		RelationMap *loaded = new_map(rel);

		load(loaded, rel, NULL);
		if (seen != generation && n < LOADS)
		{
			MemoryContextDelete(loaded->cxt);
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		if (entry->map != NULL)
			retire(entry->map);
		keep(loaded);
		loaded->valid = seen == generation;
		any_valid |= loaded->valid;
		entry->map = loaded;
	}
	return entry->map;
}

/* The map of a relation if that is in the cache and holds, else NULL. */
RelationMap *
map_known(Oid relid)
{
	MapEntry *entry = maps == NULL ? NULL : hash_search(maps, &relid, HASH_FIND, NULL);

	return entry != NULL && entry->map != NULL && entry->map->valid ? entry->map : NULL;
}
