/*
 * feed.c
 *		Which columns a subscription publishes of a table.
 *
 * The apply worker does not tell a NULL that was published from a column that is
 * not.  A subscription is known to publish the columns of its first copy, and those
 * that its UPDATEs name.  ownership.feed_column remembers them.
 *
 * A subscription has several workers: it copies tables, and applies transactions, in
 * processes of their own; and a transaction may stay prepared.  So each transaction has
 * a row of its own, and none waits for another one.  Workers learn of what others have
 * committed, and forget what was rolled back, by an invalidation of feed_column.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/value.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* What this session knows of one table. */
typedef struct Feed
{
	Oid relid;	 /* hash key */
	List *names; /* char * */
} Feed;

static HTAB *feeds = NULL;			 /* of Feed */
static Oid feeds_table = InvalidOid; /* ownership.feed_column, when `feeds` was made */
static bool feeds_changed = false;	 /* since then */

/* A relation changed (InvalidOid: any): if it is feed_column, what is known is read again. */
void
feed_forget(Oid relid)
{
	if (!OidIsValid(relid) || !OidIsValid(feeds_table) || relid == feeds_table)
		feeds_changed = true;
}

/* This transaction changes feed_column: makes all sessions read it again, when it is over. */
void
feed_edited(void)
{
	Oid relid = catalog_table("feed_column", true);

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

static void
forget_all(void)
{
	HASH_SEQ_STATUS status;
	Feed *feed;

	feeds_changed = false;
	if (feeds == NULL)
		return;
	hash_seq_init(&status, feeds);
	while ((feed = hash_seq_search(&status)) != NULL)
		list_free_deep(feed->names);
	hash_destroy(feeds);
	feeds = NULL;
}

static Oid
subscription(void)
{
	return IsLogicalWorker() && MySubscription != NULL ? MySubscription->oid : InvalidOid;
}

/*
 * The names that the table feed_column has, in the current memory context.  *tid: of
 * this transaction's own row; not valid: there is none.
 */
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
	while (catalog_next(scan))
	{
		names = list_concat(names, catalog_names(scan, Anum_feed_column_columns));
		if (catalog_is_own(scan))
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

	if (feeds_changed)
		forget_all();
	if (feeds == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Feed);
		ctl.hcxt = TopMemoryContext;
		feeds_table = catalog_table("feed_column", true);
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

/* Remembers names (char *) that were not known of a table. */
static void
add_names(Oid relid, List *names)
{
	ItemPointerData tid;
	StoredTable *t;
	Relation rel;

	if (!OidIsValid(catalog_table("feed_column_pkey", true)))
		return;
	(void) read_names(relid, &tid);
	rel = table_open(catalog_table("feed_column", false), RowExclusiveLock);
	t = stored_open(rel, NULL);
	insert_silence(rel, t->rri->ri_TrigDesc);
	if (ItemPointerIsValid(&tid) && stored_lock_at(t, &tid))
	{
		List *told;

		stored_copy(t);
		told = sql_name_list(t->changed->tts_values[Anum_feed_column_columns - 1]);
		t->changed->tts_values[Anum_feed_column_columns - 1] = names_array(list_concat(told, names));
		stored_update(t);
	}
	else
	{
		ExecClearTuple(t->changed);
		memset(t->changed->tts_isnull, true, RelationGetDescr(rel)->natts * sizeof(bool));
		memset(t->changed->tts_isnull, false, Natts_feed_column * sizeof(bool));
		t->changed->tts_values[Anum_feed_column_subscription - 1] = ObjectIdGetDatum(subscription());
		t->changed->tts_values[Anum_feed_column_relid - 1] = ObjectIdGetDatum(relid);
		t->changed->tts_values[Anum_feed_column_columns - 1] = names_array(names);
		t->changed->tts_values[Anum_feed_column_told_by - 1] =
			FullTransactionIdGetDatum(GetTopFullTransactionId());
		ExecStoreVirtualTuple(t->changed);
		stored_insert(t);
	}
	stored_close(t);
	table_close(rel, NoLock);
	feed_edited();
	/* this session forgets, and sees the row, from now on */
	CommandCounterIncrement();
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
	List *names;

	if (!call->applied || !OidIsValid(subscription()) || !map_is_shared(call->map) ||
		call->td->tg_updatedcols == NULL)
		return;
	names = new_names(call, feed_of(call->map->home), is_updated);
	if (names != NIL)
		add_names(call->map->home, names);
}

/* The first copy of a table inserts its first row: remembers the columns that it copies. */
void
feed_see_copy(const GuardCall *call)
{
	List *names;

	if (!call->applied || call->state->rows != 1 || !OidIsValid(subscription()) ||
		!map_is_shared(call->map) || statement_copying(call->map) == NULL)
		return;
	names = new_names(call, feed_of(call->map->home), is_copied);
	if (names != NIL)
		add_names(call->map->home, names);
}

/* A first copy brings these columns (String), and BEFORE may see none of its rows. */
void
feed_copies(const RelationMap *map, const List *names)
{
	List *unknown = NIL;
	Feed *feed;
	ListCell *lc;

	if (!OidIsValid(subscription()) || !map_is_shared(map))
		return;
	feed = feed_of(map->home);
	foreach(lc, names)
	{
		char *name = strVal(lfirst(lc));

		for (int i = 0; i < map->ncols; i++)
			if (strcmp(map->cols[i].name, name) == 0 && !names_contain(feed->names, name))
				unknown = lappend(unknown, name);
	}
	if (unknown != NIL)
		add_names(map->home, unknown);
}

/* A worker inserts a row: is the feed known to publish the column? */
bool
feed_publishes(const GuardCall *call, const MappedColumn *col)
{
	return OidIsValid(subscription()) && names_contain(feed_of(call->map->home)->names, col->name);
}
