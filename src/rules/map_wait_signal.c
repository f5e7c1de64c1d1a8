/*
 * map_wait_signal.c
 *		Signals that something begins to wait for a row of a table.
 *
 * A signal reaches all sessions at once, before the transaction that sends it commits:
 * who parks or remembers sends it when the evidence is written, and looks for the row
 * afterwards.  Who makes a row looks for signals afterwards.  So one of both sees what
 * the other wrote, and a statement that makes rows costs no look at the evidence while
 * nobody has sent anything.
 *
 * It is an invalidation of an entry that does not exist, in a cache of PostgreSQL that
 * is hardly used (MAP_WAIT_CACHE): that is sent at once, not at commit, and costs the
 * sessions that receive it next to nothing.  Its hash value stands for the table.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "rules.h"

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

/* Something begins to wait for a row of the table, and its evidence is written. */
void
map_wait_send(Oid home)
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

/* Is this the first time in the transaction that something waits for rows of the table? */
bool
map_wait_announces(Oid home)
{
	bool first = announced != home;

	announced = home;
	return first;
}

/* A transaction ended, or a subtransaction failed. */
void
map_wait_end_transaction(void)
{
	announced = InvalidOid;
}
