/*
 * feed.c
 *		Which columns a subscription publishes of a table.
 *
 * The apply worker does not tell a NULL that was published from a column that is
 * not.  A subscription is known to publish the columns of its first copy, and those
 * that its UPDATEs name.  ownership.feed_column remembers them.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* of the advisory lock: see evidence/record.c */
#define LOCK_CLASS 5

/* What this session knows of one table. */
typedef struct Feed
{
	Oid relid;	 /* hash key */
	List *names; /* char * */
} Feed;

static HTAB *feeds = NULL; /* of Feed */

/* A subscription changed, or a transaction was rolled back: what is known is read again. */
void
feed_forget(void)
{
	if (feeds != NULL)
	{
		HASH_SEQ_STATUS status;
		Feed *feed;

		hash_seq_init(&status, feeds);
		while ((feed = hash_seq_search(&status)) != NULL)
			list_free_deep(feed->names);
		hash_destroy(feeds);
		feeds = NULL;
	}
}

static Oid
subscription(void)
{
	return IsLogicalWorker() && MySubscription != NULL ? MySubscription->oid : InvalidOid;
}

/* The names that the table feed_column has, in the current memory context. */
static List *
read_names(Oid relid, ItemPointer tid)
{
	Oid keys[2] = {subscription(), relid};
	CatalogScan *scan;
	List *names = NIL;

	ItemPointerSetInvalid(tid);
	if (!OidIsValid(catalog_table("feed_column_pkey", true)))
		return NIL;
	scan = catalog_begin_oids("feed_column", "feed_column_pkey", 2, keys);
	if (catalog_next(scan))
	{
		names = catalog_names(scan, Anum_feed_column_columns);
		*tid = *catalog_tid(scan);
	}
	catalog_end(scan);
	return names;
}

/* What is known of a table. */
static Feed *
feed_of(Oid relid)
{
	bool found;
	Feed *feed;

	if (feeds == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Feed);
		ctl.hcxt = TopMemoryContext;
		feeds = hash_create("ownership feeds", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	feed = hash_search(feeds, &relid, HASH_ENTER, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		ItemPointerData tid;

		feed->names = NIL;
		feed->names = read_names(relid, &tid);
		MemoryContextSwitchTo(old);
	}
	return feed;
}

/* Adds names (char *) to what is known of a table, and remembers them. */
static void
add_names(Feed *feed, List *names)
{
	MemoryContext old;
	ItemPointerData tid;
	StoredTable *t;
	List *all;
	ListCell *lc;
	LOCKTAG lock;
	Relation rel;

	if (!OidIsValid(catalog_table("feed_column_pkey", true)))
		return;
	/* until the transaction ends: another worker of the subscription may do the same */
	SET_LOCKTAG_ADVISORY(lock, MyDatabaseId, subscription(), feed->relid, LOCK_CLASS);
	(void) LockAcquire(&lock, ExclusiveLock, false, false);
	all = read_names(feed->relid, &tid);
	foreach(lc, names)
	{
		if (!names_contain(all, lfirst(lc)))
			all = lappend(all, lfirst(lc));
	}
	rel = table_open(catalog_table("feed_column", false), RowExclusiveLock);
	t = stored_open(rel, NULL);
	insert_silence(rel, t->rri->ri_TrigDesc);
	if (ItemPointerIsValid(&tid) && stored_lock_at(t, &tid))
	{
		stored_copy(t);
		t->changed->tts_values[Anum_feed_column_columns - 1] = evidence_name_array(all);
		stored_update(t);
	}
	else
	{
		ExecClearTuple(t->changed);
		memset(t->changed->tts_isnull, true, RelationGetDescr(rel)->natts * sizeof(bool));
		memset(t->changed->tts_isnull, false, Natts_feed_column * sizeof(bool));
		t->changed->tts_values[Anum_feed_column_subscription - 1] = ObjectIdGetDatum(subscription());
		t->changed->tts_values[Anum_feed_column_relid - 1] = ObjectIdGetDatum(feed->relid);
		t->changed->tts_values[Anum_feed_column_columns - 1] = evidence_name_array(all);
		ExecStoreVirtualTuple(t->changed);
		stored_insert(t);
	}
	stored_close(t);
	table_close(rel, NoLock);
	old = MemoryContextSwitchTo(TopMemoryContext);
	list_free_deep(feed->names);
	feed->names = NIL;
	foreach(lc, all)
		feed->names = lappend(feed->names, pstrdup(lfirst(lc)));
	MemoryContextSwitchTo(old);
}

/* Those of the writer's own columns that are not known yet, of the columns that `named` tells. */
static List *
new_names(const GuardCall *call, const Feed *feed,
		  bool (*is_named)(const GuardCall *, const MappedColumn *))
{
	List *names = NIL;

	for (int i = 0; i < call->map->ncols; i++)
	{
		const MappedColumn *col = &call->map->cols[i];

		if (is_named(call, col) && !names_contain(feed->names, col->name))
			names = lappend(names, col->name);
	}
	return names;
}

static bool
is_updated(const GuardCall *call, const MappedColumn *col)
{
	return bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, call->td->tg_updatedcols);
}

static bool
is_copied(const GuardCall *call, const MappedColumn *col)
{
	return !insertion_leaves_out(&call->new, col);
}

/* A worker applies an UPDATE: remembers the columns that it names. */
void
feed_see_update(const GuardCall *call)
{
	Feed *feed;
	List *names;

	if (!call->applied || !OidIsValid(subscription()) || !map_is_shared(call->map) ||
		call->td->tg_updatedcols == NULL)
		return;
	feed = feed_of(call->map->home);
	names = new_names(call, feed, is_updated);
	if (names != NIL)
		add_names(feed, names);
}

/* The first copy of a table inserts its first row: remembers the columns that it copies. */
void
feed_see_copy(const GuardCall *call)
{
	Feed *feed;
	List *names;

	if (!call->applied || call->state->rows != 1 || !OidIsValid(subscription()) ||
		!map_is_shared(call->map) || statement_copying(call->map) == NULL)
		return;
	feed = feed_of(call->map->home);
	names = new_names(call, feed, is_copied);
	if (names != NIL)
		add_names(feed, names);
}

/* A worker inserts a row: is the feed known to publish the column? */
bool
feed_publishes(const GuardCall *call, const MappedColumn *col)
{
	return OidIsValid(subscription()) && names_contain(feed_of(call->map->home)->names, col->name);
}
