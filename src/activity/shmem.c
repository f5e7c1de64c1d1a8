/*
 * shmem.c
 *		Creates the shared memory between sessions and the workers of the databases,
 *		and finds what is in it.  mailbox.c says what it is for.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "activity.h"

#define TRANCHE "ownership"

bool mailbox_preloaded = false;
Mailbox *mailbox_shared = NULL;
HTAB *counter_table[PARTITIONS];
LWLockPadded *mailbox_locks = NULL; /* of the partitions; the last: of all else */
static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

/* Is this process a worker of this extension? */
bool activity_is_worker = false;

/* The lock of the boxes and the queue. */
LWLock *
mailbox_lock(void)
{
	return &mailbox_locks[PARTITIONS].lock;
}

static int32
block_count(void)
{
	return (int32) (ownership_queue_size * (Size) 1024 / sizeof(QueueBlock));
}

/* The number of counters that a partition has room for. */
int
mailbox_counter_count(void)
{
	return Max(ownership_activity_size / PARTITIONS, 16);
}

static Size
mailbox_size(void)
{
	return add_size(MAXALIGN(sizeof(Mailbox)), mul_size(block_count(), sizeof(QueueBlock)));
}

static void
request_memory(void)
{
	if (next_shmem_request)
		next_shmem_request();
	RequestAddinShmemSpace(mailbox_size());
	RequestAddinShmemSpace(
		mul_size(PARTITIONS, hash_estimate_size(mailbox_counter_count(), sizeof(Counter))));
	RequestNamedLWLockTranche(TRANCHE, PARTITIONS + 1);
}

static void
start_memory(void)
{
	bool found;

	if (next_shmem_startup)
		next_shmem_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	mailbox_locks = GetNamedLWLockTranche(TRANCHE);
	mailbox_shared = ShmemInitStruct("ownership mailbox", mailbox_size(), &found);
	if (!found)
	{
		memset(mailbox_shared, 0, sizeof(Mailbox));
		pg_atomic_init_u64(&mailbox_shared->folded, 0);
		mailbox_shared->blocks =
			(QueueBlock *) ((char *) mailbox_shared + MAXALIGN(sizeof(Mailbox)));
		mailbox_shared->nblocks = mailbox_shared->nfree = block_count();
		for (int32 i = 0; i < mailbox_shared->nblocks; i++)
			mailbox_shared->blocks[i].next = i + 1 < mailbox_shared->nblocks ? i + 1 : NONE;
		mailbox_shared->free = 0;
		for (int i = 0; i < MAX_BOXES; i++)
			ConditionVariableInit(&mailbox_shared->boxes[i].progress);
	}
	for (int i = 0; i < PARTITIONS; i++)
	{
		HASHCTL ctl = {0};
		char name[NAMEDATALEN];

		snprintf(name, sizeof(name), "ownership activity %d", i);
		ctl.keysize = sizeof(CounterKey);
		ctl.entrysize = sizeof(Counter);
		counter_table[i] = compat_shmem_hash(name, mailbox_counter_count(), &ctl,
											 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Is there shared memory, and can a worker write what is left there?  Not on a standby. */
bool
mailbox_exists(void)
{
	return mailbox_shared != NULL && IsUnderPostmaster && !RecoveryInProgress();
}

/*
 * Is what sessions count, and what was rejected, in the tables?  On a standby, too: they
 * are its primary's, which preloads what the standby does, as a standby that may take over.
 */
bool
mailbox_remembers(void)
{
	return mailbox_shared != NULL && IsUnderPostmaster;
}

/* The column that a bit of a counter's key means, or WHOLE_ROW. */
AttrNumber
mailbox_attnum(const CounterKey *key, int bit)
{
	return (AttrNumber) (key->block * BLOCK_COLUMNS + bit);
}

/* The partition that a counter belongs to. */
int
mailbox_partition(const CounterKey *key)
{
	AttrNumber first = mailbox_attnum(key, pg_rightmost_one_pos64(key->columns));

	return hash_combine(murmurhash32(key->relation), first / 8) % PARTITIONS;
}

/* Takes a lock exclusively.  wait: until it is free; else false where it is not. */
bool
mailbox_take(LWLock *lock, bool wait)
{
	return wait ? LWLockAcquire(lock, LW_EXCLUSIVE),
		   true : LWLockConditionalAcquire(lock, LW_EXCLUSIVE);
}

/*
 * The box of a database.  create: makes one where there is none.  NULL: there is
 * none, and none is free.  The caller has taken the lock, exclusively to create.
 */
Box *
mailbox_find_box(Oid database, bool create)
{
	Box *vacant = NULL;

	for (int i = 0; i < MAX_BOXES; i++)
	{
		Box *box = &mailbox_shared->boxes[i];

		if (box->database == database)
			return box;
		if (vacant == NULL && !OidIsValid(box->database))
			vacant = box;
	}
	if (!create || vacant == NULL)
		return NULL;
	memset(vacant, 0, offsetof(Box, progress));
	vacant->database = database;
	vacant->head = vacant->tail = NONE;
	return vacant;
}

/* The library is being loaded.  There is shared memory only if the server starts with it. */
void
mailbox_init(void)
{
	mailbox_preloaded = process_shared_preload_libraries_in_progress;
	if (!mailbox_preloaded || ownership_activity_size == 0)
		return;
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}
