/*
 * mailbox_shared.c
 *		The shared memory in which sessions leave what the worker writes to the
 *		tables.
 *
 * There is a box for each database, with its worker's state; a hash of
 * counter_table; and a queue of rejected attempts.  All of it is of fixed size and
 * comes into being with the server: it is empty after a restart, and after the
 * crash of any process.
 *
 * Counters are spread over partitions, each with a lock of its own.  One more
 * lock covers the boxes and the queue.  Nobody holds two of them, and while
 * one is held nothing is called that could raise an error or wait.  Sessions
 * hand over when a transaction ends, where an error would be a PANIC: they
 * only take a lock that is free, and else come back later.
 *
 * The queue consists of blocks; a message is a chain of them, and the messages
 * of a box are a chain.  What the worker writes it first copies, and takes out
 * when its transaction has committed.  Whatever ends the worker before loses
 * nothing, and nothing is written twice.
 */
#include "base.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "compat.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define TRANCHE "ownership"
#define PARTITIONS 16
#define MAX_BOXES 256
#define BLOCK_DATA 504
#define NONE (-1)
#define START_TIMEOUT_MS 5000 /* a start that nothing came of is tried again */
#define RETRY_MS 1000		  /* no process could be had */
#define ERROR_LENGTH 256

typedef struct QueueBlock
{
	int32 next;			/* of the message, or of the free ones */
	int32 next_message; /* of the box; in a message's first block */
	char data[BLOCK_DATA];
} QueueBlock;

typedef struct Box
{
	Oid database; /* InvalidOid: free */
	/* its worker */
	pid_t worker; /* 0: none */
	struct Latch *latch;
	TimestampTz starting;	/* a start was asked for then; 0: was not */
	TimestampTz not_before; /* no start before */
	bool no_process;		/* the last start failed for want of a process */
	/* what comes and goes: hand-overs are counted */
	uint64 handed;
	uint64 written;
	bool urgent;		/* somebody waits, or the queue fills */
	TimestampTz oldest; /* the first hand-over that is not written */
	int64 attempts_dropped;
	int64 counts_dropped;
	/* failures of its worker */
	uint64 failures;
	int failures_in_a_row;
	char error[ERROR_LENGTH];
	/* its messages */
	int32 head;
	int32 tail;
	int64 messages;
	ConditionVariable progress;
} Box;

typedef struct Mailbox
{
	int64 homeless_dropped; /* attempts and counts of databases without a box */
	int32 nblocks;
	int32 nfree;
	int32 free;
	QueueBlock *blocks;
	Box boxes[MAX_BOXES];
} Mailbox;

static bool mailbox_preloaded = false;
static Mailbox *mailbox_shared = NULL;
static HTAB *counter_table[PARTITIONS];
static LWLockPadded *mailbox_locks = NULL; /* of the partitions; the last: of the rest */

static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

static LWLock *
mailbox_lock(void)
{
	return &mailbox_locks[PARTITIONS].lock;
}

static int32
block_count(void)
{
	return (int32) (ownership_queue_size * (Size) 1024 / sizeof(QueueBlock));
}

/* Counters of one partition. */
static int
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

/* Is there a mailbox_shared, and may what is in it be written one day? */
bool
mailbox_exists(void)
{
	return mailbox_shared != NULL && IsUnderPostmaster && !RecoveryInProgress();
}

static int
mailbox_partition(const CounterKey *key)
{
	return hash_combine(murmurhash32(key->relation), key->attnum / 8) % PARTITIONS;
}

static bool
mailbox_take(LWLock *lock, bool wait)
{
	return wait ? LWLockAcquire(lock, LW_EXCLUSIVE),
		   true : LWLockConditionalAcquire(lock, LW_EXCLUSIVE);
}

/* Adds b to a; times are the earliest and the latest. */
void
counts_add(Counts *a, const Counts *b)
{
	for (int i = 0; i < COUNT_KINDS; i++)
		a->n[i] += b->n[i];
	if (a->first_seen == 0 || (b->first_seen != 0 && b->first_seen < a->first_seen))
		a->first_seen = b->first_seen;
	a->last_read = Max(a->last_read, b->last_read);
	a->last_write = Max(a->last_write, b->last_write);
}

bool
counts_empty(const Counts *counts)
{
	for (int i = 0; i < COUNT_KINDS; i++)
		if (counts->n[i] != 0)
			return false;
	return true;
}

/* Leave counts.  wait: until the lock is free. */
MailResult
mailbox_count(const CounterKey *key, const Counts *counts, bool wait)
{
	int partition = mailbox_partition(key);
	Counter *counter;
	bool found;

	if (!mailbox_take(&mailbox_locks[partition].lock, wait))
		return MAIL_BUSY;
	counter = hash_search(counter_table[partition], key, HASH_ENTER_NULL, &found);
	if (counter != NULL)
	{
		if (!found)
			memset(&counter->counts, 0, sizeof(Counts));
		counts_add(&counter->counts, counts);
	}
	LWLockRelease(&mailbox_locks[partition].lock);
	return counter != NULL ? MAIL_SENT : MAIL_FULL;
}

/* The box of a database, or NULL.  The caller holds the lock. */
static Box *
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

/* The largest message that may be left, in bytes. */
Size
mailbox_largest(void)
{
	return ownership_queue_size * (Size) 1024 / 8;
}

/* Leave a rejected attempt. */
MailResult
mailbox_post(const char *message, uint32 length, bool wait)
{
	int32 needed = (length + sizeof(length) + BLOCK_DATA - 1) / BLOCK_DATA;
	MailResult result = MAIL_FULL;
	Box *box;

	if (!mailbox_take(mailbox_lock(), wait))
		return MAIL_BUSY;
	box = mailbox_find_box(MyDatabaseId, true);
	if (box != NULL && needed > mailbox_shared->nblocks)
	{
		box->attempts_dropped++;
		result = MAIL_SENT;
	}
	else if (box != NULL && mailbox_shared->nfree >= needed)
	{
		int32 first = mailbox_shared->free;
		int32 block = first;
		uint32 done = 0;

		for (int32 i = 0; i < needed; i++)
		{
			char *data = mailbox_shared->blocks[block].data;
			uint32 room = BLOCK_DATA;
			uint32 part;

			if (i == 0)
			{
				memcpy(data, &length, sizeof(length));
				data += sizeof(length);
				room -= sizeof(length);
			}
			part = Min(room, length - done);
			memcpy(data, message + done, part);
			done += part;
			if (i + 1 < needed)
				block = mailbox_shared->blocks[block].next;
		}
		mailbox_shared->free = mailbox_shared->blocks[block].next;
		mailbox_shared->nfree -= needed;
		mailbox_shared->blocks[block].next = NONE;
		mailbox_shared->blocks[first].next_message = NONE;
		if (box->tail == NONE)
			box->head = first;
		else
			mailbox_shared->blocks[box->tail].next_message = first;
		box->tail = first;
		box->messages++;
		result = MAIL_SENT;
	}
	LWLockRelease(mailbox_lock());
	return result;
}

/* Note what could not be left, and is lost. */
void
mailbox_dropped(int64 attempts, int64 counts)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(MyDatabaseId, true);
	if (box != NULL)
	{
		box->attempts_dropped += attempts;
		box->counts_dropped += counts;
	}
	else
		mailbox_shared->homeless_dropped += attempts + counts;
	LWLockRelease(mailbox_lock());
}

/* Have the database's worker started.  Raises no error. */
static void
start_worker(Oid database)
{
	BackgroundWorker worker;
	Box *box;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "ownership", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ownership_worker", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "ownership worker", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "ownership worker", sizeof(worker.bgw_type));
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		return;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL)
	{
		box->starting = 0;
		box->no_process = true;
		box->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS);
	}
	LWLockRelease(mailbox_lock());
}

/* Does the box need a worker that it has not?  Says that one is coming, then. */
static bool
needs_worker(Box *box, bool urgent)
{
	TimestampTz now;

	if (box->worker != 0 || box->written == box->handed)
		return false;
	now = GetCurrentTimestamp();
	if (now < box->not_before && !urgent)
		return false;
	if (box->starting != 0 && !TimestampDifferenceExceeds(box->starting, now, START_TIMEOUT_MS))
		return false;
	box->starting = now;
	return true;
}

/*
 * Tell the worker of what was left before; start it where there is none.
 * Returns the number of the hand-over, or 0: the lock was not free.
 */
uint64
mailbox_announce(bool wait)
{
	uint64 number = 0;
	bool start = false;
	Box *box;

	if (!mailbox_take(mailbox_lock(), wait))
		return 0;
	box = mailbox_find_box(MyDatabaseId, true);
	if (box != NULL)
	{
		if (box->handed == box->written)
			box->oldest = GetCurrentTimestamp();
		number = ++box->handed;
		/* do not wait for the interval until the queue is full */
		if (mailbox_shared->nfree < mailbox_shared->nblocks / 2)
			box->urgent = true;
		if (box->worker != 0)
			SetLatch(box->latch);
		start = needs_worker(box, false);
	}
	LWLockRelease(mailbox_lock());
	if (start)
		start_worker(MyDatabaseId);
	return number;
}

/*
 * Is what was handed over by then in the tables?  Sees to it that there is a
 * worker, where it is not.  Without a wait for a lock, the answer may be no.
 */
bool
mailbox_is_written(uint64 number)
{
	bool done = false;
	bool start = false;
	Box *box;

	if (!LWLockConditionalAcquire(mailbox_lock(), LW_EXCLUSIVE))
		return false;
	box = mailbox_find_box(MyDatabaseId, false);
	if (box == NULL || box->written >= number)
		done = true;
	else
		start = needs_worker(box, false);
	LWLockRelease(mailbox_lock());
	if (start)
		start_worker(MyDatabaseId);
	return done;
}

/*
 * Wait until everything that was handed over by now is in the tables.
 *
 * Errors: the worker fails, or cannot be started.
 */
void
mailbox_flush(void)
{
	uint64 number = 0;
	uint64 failures = 0;
	ConditionVariable *progress = NULL;
	Box *box;

	for (;;)
	{
		bool done;
		bool failed;
		bool no_process;
		bool start;
		char error[ERROR_LENGTH];

		LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
		box = mailbox_find_box(MyDatabaseId, false);
		if (box == NULL)
		{
			/* nothing was handed over, ever */
			LWLockRelease(mailbox_lock());
			break;
		}
		if (progress == NULL)
		{
			number = box->handed;
			failures = box->failures;
			box->no_process = false;
			progress = &box->progress;
			ConditionVariablePrepareToSleep(progress);
		}
		done = box->written >= number;
		failed = box->failures != failures;
		strlcpy(error, box->error, sizeof(error));
		no_process = box->no_process;
		start = false;
		if (!done && !failed && !no_process)
		{
			box->urgent = true;
			if (box->worker != 0)
				SetLatch(box->latch);
			start = needs_worker(box, true);
		}
		LWLockRelease(mailbox_lock());

		if (start)
			start_worker(MyDatabaseId);
		if (done)
			break;
		if (no_process)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
							errmsg("could not start the worker that writes activity"),
							errhint("You might need to increase \"max_worker_processes\".")));
		if (failed)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("activity could not be written to the tables"),
							errdetail("The worker failed: %s", error)));
		(void) ConditionVariableTimedSleep(progress, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/* The worker: this process writes for the database.  False: another one does. */
bool
mailbox_claim(Oid database)
{
	bool mine;
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	mine = box != NULL && box->worker == 0;
	if (mine)
	{
		box->worker = MyProcPid;
		box->latch = MyLatch;
		box->starting = 0;
		box->no_process = false;
	}
	LWLockRelease(mailbox_lock());
	return mine;
}

/*
 * The worker ends.  only_idle: unless something came in meanwhile; false then.
 */
bool
mailbox_release(Oid database, bool only_idle)
{
	bool done = true;
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL && box->worker == MyProcPid)
	{
		done = !only_idle || box->handed == box->written;
		if (done)
		{
			box->worker = 0;
			box->latch = NULL;
			ConditionVariableBroadcast(&box->progress);
		}
	}
	LWLockRelease(mailbox_lock());
	return done;
}

/* The worker failed; no other one is started before the delay is over. */
void
mailbox_failed(Oid database, const char *error, int max_delay_ms)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL)
	{
		int delay = 1000 << Min(box->failures_in_a_row, 10);

		box->failures++;
		box->failures_in_a_row++;
		box->urgent = false;
		strlcpy(box->error, error, sizeof(box->error));
		box->not_before =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(delay, max_delay_ms));
		ConditionVariableBroadcast(&box->progress);
	}
	LWLockRelease(mailbox_lock());
}

/*
 * The worker asks what is to be written: the number of the latest hand-over,
 * or 0 for none.  *urgent: at once.
 */
uint64
mailbox_due(Oid database, bool *urgent, int64 *attempts)
{
	uint64 number = 0;
	const Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	*urgent = box != NULL && box->urgent;
	*attempts = box != NULL ? box->messages : 0;
	if (box != NULL && box->handed != box->written)
		number = box->handed;
	LWLockRelease(mailbox_lock());
	return number;
}

/* A copy of the database's counter_table, in the current context. */
Counter *
mailbox_counters(Oid database, int *n)
{
	Size size = 64;
	Counter *copy = palloc(size * sizeof(Counter));

	*n = 0;
	for (int i = 0; i < PARTITIONS; i++)
	{
		HASH_SEQ_STATUS scan;
		Counter *counter;
		long entries;

		/* allocate without the lock; who comes meanwhile waits for the next time */
		LWLockAcquire(&mailbox_locks[i].lock, LW_SHARED);
		entries = hash_get_num_entries(counter_table[i]);
		LWLockRelease(&mailbox_locks[i].lock);
		if ((Size) (*n + entries) > size)
		{
			size = (*n + entries) * 2;
			copy = repalloc_huge(copy, size * sizeof(Counter));
		}
		LWLockAcquire(&mailbox_locks[i].lock, LW_SHARED);
		hash_seq_init(&scan, counter_table[i]);
		while ((counter = hash_seq_search(&scan)) != NULL)
		{
			if (counter->key.database != database)
				continue;
			if ((Size) *n == size)
			{
				hash_seq_term(&scan);
				break;
			}
			copy[(*n)++] = *counter;
		}
		LWLockRelease(&mailbox_locks[i].lock);
	}
	return copy;
}

/* Take out what was copied and is written now.  Raises no error. */
void
mailbox_counters_written(const Counter *copy, int n)
{
	for (int i = 0; i < n; i++)
	{
		int partition = mailbox_partition(&copy[i].key);
		Counter *counter;

		LWLockAcquire(&mailbox_locks[partition].lock, LW_EXCLUSIVE);
		counter = hash_search(counter_table[partition], &copy[i].key, HASH_FIND, NULL);
		if (counter != NULL)
		{
			for (int k = 0; k < COUNT_KINDS; k++)
				counter->counts.n[k] -= copy[i].counts.n[k];
			if (counts_empty(&counter->counts))
				(void) hash_search(counter_table[partition], &copy[i].key, HASH_REMOVE, NULL);
		}
		LWLockRelease(&mailbox_locks[partition].lock);
	}
}

static uint32
message_length(int32 first)
{
	uint32 length;

	memcpy(&length, mailbox_shared->blocks[first].data, sizeof(length));
	return length;
}

static void
copy_message(char *to, int32 first)
{
	uint32 length = message_length(first);
	uint32 done = 0;

	for (int32 block = first; block != NONE; block = mailbox_shared->blocks[block].next)
	{
		uint32 skip = block == first ? sizeof(length) : 0;
		uint32 part = Min(BLOCK_DATA - skip, length - done);

		memcpy(to + done, mailbox_shared->blocks[block].data + skip, part);
		done += part;
	}
}

/*
 * Copies of the database's oldest attempts, one after the other; as many as
 * fit into the space, but one at least.  *n is how many; NULL if there are
 * none.  Each is followed by the next; lengths[] has their sizes.
 */
char *
mailbox_attempts(Oid database, Size space, int max, uint32 *lengths, int *n)
{
	char *copy = NULL;

	for (;;)
	{
		Size used = 0;
		Box *box;

		*n = 0;
		LWLockAcquire(mailbox_lock(), LW_SHARED);
		box = mailbox_find_box(database, false);
		if (box != NULL && box->head != NONE)
		{
			space = Max(space, message_length(box->head));
			for (int32 first = box->head; copy != NULL && first != NONE && *n < max;
				 first = mailbox_shared->blocks[first].next_message)
			{
				uint32 length = message_length(first);

				if (used + length > space)
					break;
				copy_message(copy + used, first);
				lengths[(*n)++] = length;
				used += length;
			}
		}
		LWLockRelease(mailbox_lock());
		if (copy != NULL || box == NULL || box->head == NONE)
			return *n > 0 ? copy : NULL;
		/* only the worker takes messages out: the first is still the first */
		copy = MemoryContextAllocHuge(CurrentMemoryContext, space);
	}
}

/* Free the first message of a box.  The caller holds the lock. */
static void
mailbox_take_out(Box *box)
{
	int32 first = box->head;
	int32 last = first;

	box->head = mailbox_shared->blocks[first].next_message;
	if (box->head == NONE)
		box->tail = NONE;
	box->messages--;
	mailbox_shared->nfree++;
	while (mailbox_shared->blocks[last].next != NONE)
	{
		last = mailbox_shared->blocks[last].next;
		mailbox_shared->nfree++;
	}
	mailbox_shared->blocks[last].next = mailbox_shared->free;
	mailbox_shared->free = first;
}

/* Take out the oldest attempts, which are written now.  Raises no error. */
void
mailbox_attempts_written(Oid database, int n)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	for (int i = 0; box != NULL && i < n && box->head != NONE; i++)
		mailbox_take_out(box);
	LWLockRelease(mailbox_lock());
}

/* Everything up to this hand-over is in the tables. */
void
mailbox_written(Oid database, uint64 number)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL)
	{
		box->written = number;
		box->oldest = box->handed == number ? 0 : GetCurrentTimestamp();
		box->urgent = false;
		box->failures_in_a_row = 0;
		box->not_before = 0;
		box->error[0] = '\0';
		ConditionVariableBroadcast(&box->progress);
	}
	LWLockRelease(mailbox_lock());
}

/* The databases that have a box, to look whether they are still there. */
List *
mailbox_databases(void)
{
	Oid databases[MAX_BOXES];
	int n = 0;
	List *list = NIL;

	LWLockAcquire(mailbox_lock(), LW_SHARED);
	for (int i = 0; i < MAX_BOXES; i++)
		if (OidIsValid(mailbox_shared->boxes[i].database))
			databases[n++] = mailbox_shared->boxes[i].database;
	LWLockRelease(mailbox_lock());
	for (int i = 0; i < n; i++)
		list = lappend_oid(list, databases[i]);
	return list;
}

/* A database was dropped: so is what is left of it. */
void
mailbox_forget(Oid database)
{
	Box *box;

	for (int i = 0; i < PARTITIONS; i++)
	{
		HASH_SEQ_STATUS scan;
		Counter *counter;

		LWLockAcquire(&mailbox_locks[i].lock, LW_EXCLUSIVE);
		hash_seq_init(&scan, counter_table[i]);
		while ((counter = hash_seq_search(&scan)) != NULL)
			if (counter->key.database == database)
				(void) hash_search(counter_table[i], &counter->key, HASH_REMOVE, NULL);
		LWLockRelease(&mailbox_locks[i].lock);
	}
	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL && box->worker == 0)
	{
		while (box->head != NONE)
			mailbox_take_out(box);
		box->database = InvalidOid;
	}
	LWLockRelease(mailbox_lock());
}

/* How this database's box stands. */
void
mailbox_status(MailboxStatus *status)
{
	const Box *box;

	memset(status, 0, sizeof(MailboxStatus));
	status->preloaded = mailbox_preloaded;
	status->exists = mailbox_shared != NULL;
	if (mailbox_shared == NULL)
		return;
	status->counters_size = mailbox_counter_count() * PARTITIONS;
	status->queue_size = (int64) ownership_queue_size * 1024;
	for (int i = 0; i < PARTITIONS; i++)
	{
		LWLockAcquire(&mailbox_locks[i].lock, LW_SHARED);
		status->counters_used += hash_get_num_entries(counter_table[i]);
		LWLockRelease(&mailbox_locks[i].lock);
	}
	LWLockAcquire(mailbox_lock(), LW_SHARED);
	status->queue_used =
		(int64) (mailbox_shared->nblocks - mailbox_shared->nfree) * sizeof(QueueBlock);
	status->attempts_dropped = mailbox_shared->homeless_dropped;
	box = mailbox_find_box(MyDatabaseId, false);
	if (box != NULL)
	{
		status->worker = box->worker;
		status->starting = box->starting != 0;
		status->no_process = box->no_process;
		status->attempts_waiting = box->messages;
		status->attempts_dropped += box->attempts_dropped;
		status->counts_dropped = box->counts_dropped;
		status->oldest = box->handed != box->written ? box->oldest : 0;
		status->failed = box->failures_in_a_row > 0;
		strlcpy(status->error, box->error, sizeof(status->error));
	}
	LWLockRelease(mailbox_lock());
}

/* There is memory only when the server starts with the library. */
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
