/*
 * map_wait.c
 *		What may wait for rows of a table, and how long.
 *
 * `waits` of a map is true if something may wait for a row of its table: a
 * transaction that parks or remembers the first value of a table invalidates the
 * relation at its commit.
 *
 * What has not been committed yet, or not been heard of, is announced by a signal,
 * which reaches all sessions at once: who parks or remembers sends it when the
 * evidence is written, and looks for the row afterwards.  Who makes a row looks for
 * signals afterwards.  So one of both sees what the other wrote, and a statement that
 * makes rows costs no look at the evidence while nobody has sent anything.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "port/atomics.h"
#include "storage/sinval.h"
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

/*
 * A signal is an invalidation of an entry that does not exist, in a cache of
 * PostgreSQL that is hardly used: it is sent at once, not at commit, and costs the
 * sessions that receive it next to nothing.  Its hash value stands for the table.
 */
#define SIGNAL_SLOTS 64

typedef struct SignalSlot
{
	uint64 signals; /* number of signals that have come for tables of this slot */
	Oid home;		/* a table for which nothing waited when there were `looked` signals */
	uint64 looked;
} SignalSlot;

static SignalSlot slots[SIGNAL_SLOTS];

/* The table whose relation this transaction invalidates already, because something waits. */
static Oid announced = InvalidOid;

static uint32
signal_hash(Oid home)
{
	return Max(murmurhash32(home), 1); /* 0 is for all entries of the cache */
}

static SignalSlot *
slot_of(Oid home)
{
	return &slots[signal_hash(home) % SIGNAL_SLOTS];
}

static void
send_signal(Oid home)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.cc.id = MAP_WAIT_CACHE;
	message.cc.dbId = MyDatabaseId;
	message.cc.hashValue = signal_hash(home);
	SendSharedInvalidMessages(&message, 1);
}

/* A signal came; 0: maybe any of them. */
void
map_wait_signal(uint32 hash)
{
	if (hash != 0)
		slots[hash % SIGNAL_SLOTS].signals++;
	else
		for (int i = 0; i < SIGNAL_SLOTS; i++)
			slots[i].signals++;
}

/* A number that changes with each signal for the table, which is named on the map. */
uint64
map_wait_signals(Oid home)
{
	return slot_of(home)->signals;
}

/*
 * Has a signal come since the number was `since`?  The caller has written the rows for
 * which something may wait.
 */
bool
map_wait_is_signalled(Oid home, uint64 since)
{
	SignalSlot *slot = slot_of(home);

	/* no other session may see the rows later than this one looks for messages */
	pg_memory_barrier();
	AcceptInvalidationMessages();
	if (slot->home == home)
		since = Max(since, slot->looked);
	return slot->signals > since;
}

/* There were so many signals, and then nothing waited for rows of the table. */
void
map_wait_looked(Oid home, uint64 signals)
{
	slot_of(home)->home = home;
	slot_of(home)->looked = signals;
}

/* A transaction ended, or a subtransaction failed. */
void
map_wait_end_transaction(void)
{
	announced = InvalidOid;
}

static void
invalidate(Oid home)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(home)))
		CacheInvalidateRelcacheByRelid(home);
}

/*
 * Something waits for a row of the table, and its evidence is written: tells all
 * sessions, and makes them load their maps of the table again when it is committed.
 */
void
map_waits_now(const RelationMap *map)
{
	send_signal(map->home);
	if (map->waits || announced == map->home)
		return;
	announced = map->home;
	invalidate(map->home);
}

/* Makes all sessions load their maps of the table again, if nothing waits any more. */
void
map_waits_no_more(const RelationMap *map)
{
	if (map->waits && !waiting_exists(map->schema, map->table))
		invalidate(map->home);
}
