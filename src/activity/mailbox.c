/*
 * mailbox.c
 *		The boxes in shared memory: what was handed over in each database, and
 *		the state of its worker.
 *
 * Sessions leave in shared memory what the worker writes to the tables.  There is
 * a box for each database, a hash of counters (counters.c), and a queue of
 * rejected attempts (queue.c).  All of it has a fixed size and is created with the
 * server (shmem.c): it is empty after a restart, and after the crash of any
 * process.
 *
 * Counters are spread over partitions, each with a lock of its own.  One more
 * lock covers the boxes and the queue.  No process takes two of them at once, and
 * while it has one, it calls nothing that could raise an error or wait.  A session
 * hands over when a transaction ends, where an error would be a PANIC: it takes a
 * lock only if that is free, and else tries again later.
 *
 * The worker copies what it writes, and takes it out of shared memory when its
 * transaction has committed.  So nothing is lost if the worker ends before that,
 * and nothing is written twice.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "../base/base.h"
#include "activity.h"

#define START_TIMEOUT_MS 5000 /* a start without a result is tried again after that */
#define RETRY_MS 1000		  /* and so is one for which no process was free */

/* Records how many attempts and counts found no room, and are lost. */
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
		mailbox_shared->boxless_dropped += attempts + counts;
	LWLockRelease(mailbox_lock());
}

/* Asks the postmaster to start the database's worker.  Raises no error. */
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

/* Does the box need a worker, and has none?  Then records that a start is requested. */
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
 * Reports to the worker that something was left for it; starts one where there is
 * none.  wait: for the lock.  Returns the number of the hand-over; 0: the lock was
 * not free, or no box is.
 */
uint64
mailbox_announce(bool wait)
{
	const uint64 folded = pg_atomic_read_u64(&mailbox_shared->folded);
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
		/* do not wait for the interval until the queue, or a partition of the counters, is full */
		if (mailbox_shared->nfree < mailbox_shared->nblocks / 2 || box->folded != folded)
			box->urgent = true;
		box->folded = folded;
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
 * Is everything up to this hand-over in the tables?  If not, makes sure that
 * there is a worker.  False, too, when the lock is not free: does not wait for it.
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
 * Waits until everything that was handed over so far is in the tables.
 *
 * Errors: the worker cannot be started (insufficient_resources), or fails
 * (object_not_in_prerequisite_state).
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
			/* nothing was handed over in this database */
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

/* This process becomes the database's worker.  False: another one is, or there is no box. */
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
 * The worker ends.  only_idle: unless there is something to write; false then.
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

/* The worker failed.  No other is started for a time that doubles with each failure in a row. */
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
 * The worker asks what is to be written.  Returns the number of the latest
 * hand-over; 0: all is written.  *urgent: without waiting for the interval.
 * *attempts: how many are in the queue.
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

/* The worker has written everything up to this hand-over. */
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

/* OIDs of the databases that have a box: the worker checks whether they still exist. */
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

/* A database was dropped: removes its counters, its attempts and its box. */
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

/* When the database's worker last notified; 0: never, since the server started. */
TimestampTz
mailbox_last_notified(Oid database)
{
	TimestampTz at = 0;
	const Box *box;

	LWLockAcquire(mailbox_lock(), LW_SHARED);
	box = mailbox_find_box(database, false);
	if (box != NULL)
		at = box->notified;
	LWLockRelease(mailbox_lock());
	return at;
}

/* The database's worker notifies. */
void
mailbox_notified(Oid database, TimestampTz at)
{
	Box *box;

	LWLockAcquire(mailbox_lock(), LW_EXCLUSIVE);
	box = mailbox_find_box(database, false);
	if (box != NULL)
		box->notified = at;
	LWLockRelease(mailbox_lock());
}

/* The state of this database's box. */
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
	status->folded = (int64) pg_atomic_read_u64(&mailbox_shared->folded);
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
	status->attempts_dropped = mailbox_shared->boxless_dropped;
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
