/*
 * map.c
 *		The cached map of a relation.
 *
 * The cache belongs to the session.  Its key is the relation's OID, and relations
 * that are not on the map have entries, too.  An entry contains what the map says
 * of the relation and of all relations above it: the guard judges a partition or
 * an inheritance child by the map of the table that is named on the map, with the
 * attribute numbers of the partition or child.
 *
 * Invalidation: the tables of the map have triggers that invalidate the relcache
 * entry of catalog_signal at commit; one message marks all entries of all
 * sessions.  DDL on the relation or on a relation above it sends its own message.
 * Callbacks only mark.  A load reads with one snapshot that is taken after the
 * marks were cleared, and starts again when a mark came during the load.  When a
 * mark comes during each of LOADS loads, the last one answers this call, which
 * began before that mark, and the next call loads again.
 *
 * Fields that pass to another system at a moment (catalog/succession.c): a map contains
 * the owners of statements that began within a span of time.  For a statement that began
 * outside of it, after the moment or before, the map is loaded again.
 *
 * An entry is never freed.  The map that it had before a reload is freed at once,
 * unless code may still read it: a statement that is judged by a map has pinned it
 * (moment.c), and a caller that runs code of users while it reads a map calls
 * map_enter() before and map_leave() after.
 *
 * The cache distinguishes the edits of this session from those of other sessions:
 * an edit of this session also applies to the statements that are running.
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
	bool ancestor;	  /* the map of another relation depends on it */
	RelationMap *map; /* NULL: not loaded yet */
} MapEntry;

static HTAB *maps = NULL;	   /* of MapEntry */
static uint64 generation = 0;  /* changes with each mark */
static bool any_valid = false; /* false: there is nothing to mark; edits of the map mark often */
static uint64 relation_changes = 0; /* number of relcache invalidations */
uint64 map_signals = 0;	 /* number of messages that the map changed, and of relcache resets */
uint64 map_aborts = 1;	 /* 1 and the number of aborted transactions and subtransactions */
static uint64 loads = 0; /* number of maps that were loaded and kept */

/* The nesting levels of the transactions whose code called map_enter(), in that order. */
static int *entered = NULL;

static int nentered = 0;
static int max_entered = 0;			 /* allocated */
static MemoryContext retired = NULL; /* maps that they may still read; freed with the transaction */

/* How many times this session has edited the map, or rolled edits back. */
uint64 map_edits = 0;

static CommandId edit_command = InvalidCommandId; /* of the last edit of this transaction */
static int edit_level = 0; /* nesting level of the innermost transaction with edits; 0: none */

static void
mark_all(void)
{
	HASH_SEQ_STATUS status;
	MapEntry *entry;

	generation++;
	map_wait_set_forget(InvalidOid);
	if (!any_valid)
		return;
	hash_seq_init(&status, maps);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->map != NULL)
			entry->map->valid = false;
	any_valid = false;
}

/*
 * A relation changed; InvalidOid: any relation may have changed.  Returns true if
 * the map itself may have changed.
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
	map_wait_set_forget(relid);
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

/* A schema changed, maybe its name: any map may be a different one now. */
void
map_forget_names(void)
{
	mark_all();
}

/* A function was replaced: a filter or default may contain its old body. */
void
map_forget_functions(void)
{
	if (map_any_functions)
		mark_all();
}

/* A domain was altered: its columns have its default and its NOT NULL. */
void
map_forget_types(void)
{
	if (map_any_domains)
		mark_all();
}

/*
 * This session edits the map.  Its running statements go by the edit as soon as the
 * session sees the rows that it wrote, which is from the next command on.
 */
void
map_edited(void)
{
	map_edits++;
	edit_command = GetCurrentCommandId(false);
	edit_level = Max(edit_level, GetCurrentTransactionNestLevel());
}

/* The value of map_edits that statements go by: less while edits of this command are invisible. */
uint64
map_edits_seen(void)
{
	if (edit_command == InvalidCommandId || GetCurrentCommandId(false) > edit_command)
		return map_edits;
	return map_edits - 1;
}

/* A number that changes with each relcache invalidation. */
uint64
map_relation_changes(void)
{
	return relation_changes;
}

/* A number that changes with each mark, and so before any map is loaded anew. */
uint64
map_marks(void)
{
	return generation;
}

/* The transaction ended. */
void
map_end_transaction(bool aborted)
{
	if (aborted)
		map_aborts++;
	edit_command = InvalidCommandId;
	edit_level = 0;
	nentered = 0;
	retired = NULL;
	map_wait_end_transaction();
}

/* A subtransaction ended.  Returns true if it rolled edits of the map back. */
bool
map_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();
	bool edited = edit_level >= level;

	edit_level = Min(edit_level, level - 1);
	if (!aborted)
		return false;
	map_aborts++;
	map_wait_end_transaction();
	/* an error cut off the code that would have called map_leave() */
	while (nentered > 0 && entered[nentered - 1] >= level)
		nentered--;
	if (!edited)
		return false;
	map_edits++;
	return true;
}

/*
 * The caller is about to run code of users while it reads a map: until map_leave()
 * no map is freed.
 */
void
map_enter(void)
{
	if (nentered == 0 && retired != NULL)
	{
		MemoryContextDelete(retired);
		retired = NULL;
	}
	if (nentered == max_entered)
	{
		int most = Max(16, 2 * max_entered);

		entered = entered == NULL ? MemoryContextAlloc(TopMemoryContext, most * sizeof(int))
								  : repalloc(entered, most * sizeof(int));
		max_entered = most;
	}
	entered[nentered++] = GetCurrentTransactionNestLevel();
}

/* Ends map_enter().  Not needed after an error: the end of the (sub)transaction does the same. */
void
map_leave(void)
{
	Assert(nentered > 0);
	nentered--;
}

/*
 * A map has left the cache.  Frees it at once if no code can still read it; else
 * map_unpin() or the end of the transaction does.
 */
static void
retire(RelationMap *map)
{
	map->retired = true;
	if (map->pins > 0)
		return;
	if (nentered == 0)
	{
		MemoryContextDelete(map->cxt);
		return;
	}
	if (retired == NULL)
		retired = AllocSetContextCreate(TopTransactionContext, "ownership retired maps",
										ALLOCSET_SMALL_SIZES);
	MemoryContextSetParent(map->cxt, retired);
}

/* A statement goes by the map: until map_unpin() it is not freed, also after a reload. */
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

/* The cache's entry of a relation; a new one has no map. */
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
 * An empty map of an open relation, in a memory context of its own below the
 * current one.  The entries of the relations above are marked as ancestors first:
 * from then on their changes invalidate this map.
 */
static RelationMap *
new_map(Relation rel)
{
	/* a session may have thousands of maps: small blocks, so that little of the last one is unused */
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership map", 0, 1024, 1024);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RelationMap *map = palloc0(sizeof(RelationMap));
	ListCell *lc;

	map->relid = RelationGetRelid(rel);
	map->from = PG_INT64_MIN;
	map->lasts = PG_UINT64_MAX;
	map->cxt = cxt;
	map->ancestors = place_ancestors(map->relid);
	foreach(lc, map->ancestors)
		map_entry(lfirst_oid(lc))->ancestor = true;
	MemoryContextSwitchTo(old);
	return map;
}

static void
load(RelationMap *map, Relation rel, Snapshot at, TimestampTz began)
{
	MemoryContext old = MemoryContextSwitchTo(map->cxt);

	map_load(map, rel, at, began);
	MemoryContextSwitchTo(old);
}

/* Makes the map outlive the transaction, and numbers it. */
static void
keep(RelationMap *map)
{
	MemoryContextSetParent(map->cxt, CacheMemoryContext);
	map->loaded = ++loads;
}

/*
 * The map of an open relation as a snapshot sees it, for a statement that began then.
 * It is not in the cache, and is freed when the last pin ends.
 *
 * Errors: as map_get().
 */
RelationMap *
map_as_of(Relation rel, Snapshot snapshot, TimestampTz began)
{
	RelationMap *map = new_map(rel);

	load(map, rel, snapshot, began);
	keep(map);
	map->retired = true;
	return map;
}

static inline bool
is_stale(const MapEntry *entry, TimestampTz began)
{
	return entry->map == NULL || !entry->map->valid || !map_is_of(entry->map, began);
}

/*
 * The map of an open relation for a statement that began then.  Never NULL; `mapped`
 * is false for a relation that is not on the map.
 *
 * Errors: a row filter that cannot be compiled (the guard fails closed).
 */
RelationMap *
map_at(Relation rel, TimestampTz began)
{
	MapEntry *entry = map_entry(RelationGetRelid(rel));

	/* a mark: fields have other owners then */
	if (entry->map != NULL && entry->map->valid && unlikely(!map_is_of(entry->map, began)))
		generation++;
	for (int n = 1; unlikely(is_stale(entry, began)) && n <= LOADS; n++)
	{
		uint64 seen = generation;
		RelationMap *loaded = new_map(rel);

		load(loaded, rel, NULL, began);
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

/* The same for the statement that runs now. */
RelationMap *
map_get(Relation rel)
{
	return map_at(rel, map_time());
}

/*
 * The map of a relation, for a statement that began then, if it is in the cache and
 * valid; else NULL.
 */
RelationMap *
map_known(Oid relid, TimestampTz began)
{
	/* entries do not move in memory, and most look-ups are for the same one */
	static MapEntry *last = NULL;

	if (last == NULL || last->relid != relid)
	{
		MapEntry *entry = maps == NULL ? NULL : hash_search(maps, &relid, HASH_FIND, NULL);

		if (entry == NULL)
			return NULL;
		last = entry;
	}
	return is_stale(last, began) ? NULL : last->map;
}
