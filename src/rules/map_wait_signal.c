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
 * sessions that receive it next to nothing.  Of its 32 bits,
 * MAP_WAIT_SLOT_BITS stand for the table and the others for the row: the part of its key (map_wait_part()), or 0, any
 * row.  So each session knows for which rows something began to wait lately, and its
 * set of them (map_wait_set.c) stays complete.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "rules.h"

typedef struct SignalSlot
{
	uint64 signals; /* number of signals that have come for tables of this slot */
	Oid home;		/* a table for which nothing waited when there were `looked` signals */
	uint64 looked;
	uint32 latest[MAP_WAIT_LATEST]; /* of each signal the part, at its number modulo that */
} SignalSlot;

static SignalSlot slots[MAP_WAIT_SLOTS];

/* The table whose relation this transaction invalidates already, because something waits. */
static Oid announced = InvalidOid;

static SignalSlot *
slot_of(Oid home)
{
	return &slots[map_wait_slot(home)];
}

/* Something begins to wait for a row of the table, and its evidence is written.  part: 0, for any row. */
void
map_wait_send(Oid home, uint32 part)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.cc.id = MAP_WAIT_CACHE;
	message.cc.dbId = MyDatabaseId;
	message.cc.hashValue = part << MAP_WAIT_SLOT_BITS | map_wait_slot(home);
	SendSharedInvalidMessages(&message, 1);
}

static void
receive(uint32 number, uint32 part)
{
	SignalSlot *slot = &slots[number];

	slot->latest[slot->signals++ % MAP_WAIT_LATEST] = part;
	map_wait_set_add(number, part);
}

/* A signal came; 0: maybe any of them. */
void
map_wait_signal(uint32 hash)
{
	if (hash != 0)
		receive(hash % MAP_WAIT_SLOTS, hash >> MAP_WAIT_SLOT_BITS);
	else
		for (int i = 0; i < MAP_WAIT_SLOTS; i++)
			receive(i, 0);
}

/*
 * The parts of the keys for which something began to wait since the number of signals
 * was `since`; *n: their number, at most MAP_WAIT_LATEST.  False: they are not known.
 */
bool
map_wait_latest(Oid home, uint64 since, uint32 *parts, int *n)
{
	SignalSlot *slot = slot_of(home);

	if (slot->home == home)
		since = Max(since, slot->looked);
	*n = 0;
	if (slot->signals - since > MAP_WAIT_LATEST)
		return false;
	for (; since < slot->signals; since++)
	{
		parts[*n] = slot->latest[since % MAP_WAIT_LATEST];
		if (parts[(*n)++] == 0)
			return false;
	}
	return true;
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
