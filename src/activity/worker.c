/*
 * worker.c
 *		The background worker that writes to the tables what sessions left in
 *		the mailbox.
 *
 * There is one for each database.  The session that leaves something while there
 * is none starts it.  It writes in short transactions, and ends soon after the
 * last hand-over, because a connected process prevents DROP DATABASE and CREATE
 * DATABASE ... TEMPLATE.  On an error it ends, too; the mailbox says when the next
 * one may start.  It writes attempts before counters, and in other transactions:
 * what prevents it from writing activity does not delay evidence.
 *
 * It is a superuser's process.  So that no other role can have it run code of that
 * role's own, it writes as the owner of the table, restricted as maintenance
 * commands are, and with session_replication_role = replica, in which ordinary
 * triggers do not fire.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "activity.h"

#define IDLE_MS 1500			 /* without anything to write: it ends after that */
#define LOCKED_MS 100			 /* a table is locked: it tries again after that */
#define MAX_DELAY_MS (60 * 1000) /* of the next start, after many failures */
#define LAST_MS 1000			 /* at the server's shutdown it waits so long for other sessions */
#define ARRIVE_MS 500 /* a table that is to be guarded is locked: it tries again after that */
#define EXPIRE_MS (60 * 1000) /* between two looks for remembered values whose time is over */

PGDLLEXPORT void ownership_worker(Datum database);

/* Begins the transaction of a batch.  The caller's memory context stays the current one. */
static void
begin_batch(void)
{
	MemoryContext cxt = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(cxt);
}

/*
 * Commits the transaction of a batch, and holds interrupts off: the caller takes
 * the batch out of shared memory, and resumes interrupts.
 */
static void
end_batch(Relation rel)
{
	MemoryContext cxt = CurrentMemoryContext;

	if (rel != NULL)
		table_close(rel, NoLock);
	PopActiveSnapshot();
	HOLD_INTERRUPTS();
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
}

/*
 * Writes a batch of attempts.  Returns how many are in it; -1: the table is
 * locked.  Without the extension in the database, only takes them out.
 */
static int
write_attempts_once(Oid database)
{
	uint32 *lengths = palloc(BATCH_ATTEMPTS * sizeof(uint32));
	int n = 0;
	char *messages = mailbox_attempts(database, BATCH_BYTES, BATCH_ATTEMPTS, lengths, &n);
	Relation conflict;
	bool locked;

	if (messages == NULL)
		return 0;
	begin_batch();
	conflict = store_open_table("conflict", &locked);
	if (conflict != NULL)
	{
		Oid extension = catalog_table("activity", true);

		if (OidIsValid(extension))
			store_attempts(conflict, extension, messages, lengths, n);
	}
	end_batch(conflict);
	if (!locked)
		mailbox_attempts_written(database, n);
	RESUME_INTERRUPTS();
	return locked ? -1 : n;
}

/* Writes all counters.  False: a table is locked. */
static bool
write_counters_once(Oid database)
{
	int n;
	Counter *counters = mailbox_counters(database, &n);
	List *conflicts = NIL;
	Relation activity;
	bool locked;

	if (n == 0)
		return true;
	begin_batch();
	activity = store_open_table("activity", &locked);
	if (activity != NULL)
	{
		/* an older version does not have it */
		Relation rel = store_open_table("conflict_count", &locked);

		if (!locked)
			store_counters(activity, counters, n);
		if (rel != NULL)
		{
			conflicts = store_conflict_counts(rel, RelationGetRelid(activity), counters, n);
			table_close(rel, NoLock);
		}
	}
	end_batch(activity);
	if (!locked)
	{
		mailbox_counters_written(counters, n);
		notify_add(conflicts);
	}
	RESUME_INTERRUPTS();
	return !locked;
}

/*
 * Deletes what was remembered long enough, batch by batch, and ends pins whose time is
 * over.  Gives up where the table is locked.
 */
static void
expire(void)
{
	static TimestampTz looked_at = 0;
	uint64 n = 1;

	if (!TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), EXPIRE_MS))
		return;
	while (n > 0 && !ShutdownRequestPending)
	{
		Relation conflict;
		bool locked;

		CHECK_FOR_INTERRUPTS();
		begin_batch();
		conflict = store_open_table("conflict", &locked);
		n = conflict == NULL ? 0 : store_expire(conflict);
		end_batch(conflict);
		RESUME_INTERRUPTS();
	}
	begin_batch();
	if (OidIsValid(catalog_table("pin", true)))
		store_end_pins();
	end_batch(NULL);
	RESUME_INTERRUPTS();
	looked_at = GetCurrentTimestamp();
}

/*
 * Writes attempts, batch by batch, then counters, then the owners of what has passed,
 * and deletes what was remembered long enough.  False: a table is locked.
 */
static bool
write_batches(Oid database, int64 attempts)
{
	bool done;
	int n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = write_attempts_once(database);
		attempts -= n;
		MemoryContextReset(CurrentMemoryContext);
	} while (n > 0 && attempts > 0);
	done = write_counters_once(database) && n >= 0;
	if (done)
	{
		begin_batch();
		store_try_pass();
		end_batch(NULL);
		RESUME_INTERRUPTS();
		expire();
	}
	return done;
}

/* Writes everything up to a hand-over.  False: a table, or a row of it, is locked. */
static bool
write_all(Oid database, uint64 number, int64 attempts)
{
	MemoryContext cxt =
		AllocSetContextCreate(TopMemoryContext, "ownership worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	volatile bool done = false;

	pgstat_report_activity(STATE_RUNNING, "writing activity");
	PG_TRY();
	{
		done = write_batches(database, attempts);
	}
	PG_CATCH();
	{
		int code = geterrcode();

		/* for example by DDL that the map has followed, and that has not committed yet */
		if (code != ERRCODE_LOCK_NOT_AVAILABLE && code != ERRCODE_T_R_DEADLOCK_DETECTED)
			PG_RE_THROW();
		HOLD_INTERRUPTS();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	if (done)
		mailbox_written(database, number);
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) pgstat_report_stat(true);
	return done;
}

/* Guards what another hub's map brought; true: some of it is locked. */
static bool
guard_arrived(void)
{
	MemoryContext cxt;
	MemoryContext old;
	bool locked = false;
	List *relids;
	ListCell *lc;

	if (!ownership_guard_arriving)
		return false;
	cxt = AllocSetContextCreate(TopMemoryContext, "ownership arrivals", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	begin_batch();
	relids = arrive_tables();
	end_batch(NULL);
	RESUME_INTERRUPTS();
	foreach(lc, relids)
	{
		CHECK_FOR_INTERRUPTS();
		begin_batch();
		locked |= !arrive_guard(lfirst_oid(lc));
		end_batch(NULL);
		RESUME_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return locked;
}

/* Removes what shared memory still has of dropped databases. */
static void
forget_databases(void)
{
	List *databases = mailbox_databases();
	List *gone = NIL;
	ListCell *lc;

	StartTransactionCommand();
	foreach(lc, databases)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		if (!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(lfirst_oid(lc))))
			gone = lappend_oid(gone, lfirst_oid(lc));
		MemoryContextSwitchTo(old);
	}
	CommitTransactionCommand();
	foreach(lc, gone)
		mailbox_forget(lfirst_oid(lc));
	list_free(gone);
	list_free(databases);
}

/* Sleeps, at most so long, until something is handed over or a signal comes. */
static void
sleep_ms(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * The worker was asked to end, as when the server shuts down.  Sessions that end
 * at the same time hand over what they have: writes that, too.
 */
static void
work_last(Oid database)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LAST_MS);
	bool last;

	do
	{
		bool urgent;
		int64 attempts;
		uint64 number;

		last = CountDBConnections(database) == 0 || GetCurrentTimestamp() >= end;
		number = mailbox_due(database, &urgent, &attempts);
		if (number != 0)
			(void) write_all(database, number, attempts);
		if (!last)
			pg_usleep(10 * 1000);
	} while (!last);
	if (notify_wait(database) > 0)
		pg_usleep(notify_wait(database) * 1000);
	if (notify_wait(database) == 0)
		notify_send(database);
}

/* Writes at most twice an interval, unless a session waits.  Returns when there is nothing to do. */
static void
work(Oid database)
{
	TimestampTz written_at = 0;
	TimestampTz busy_at = GetCurrentTimestamp();
	TimestampTz woken_at = busy_at;
	bool arriving = false;

	while (!ShutdownRequestPending)
	{
		bool urgent;
		int64 attempts;
		uint64 number = mailbox_due(database, &urgent, &attempts);
		TimestampTz now = GetCurrentTimestamp();
		long notify = notify_wait(database);
		long rest;

		if (notify == 0)
		{
			notify_send(database);
			busy_at = GetCurrentTimestamp();
			continue;
		}
		if (number == 0 && arriving)
		{
			sleep_ms(ARRIVE_MS);
			arriving = guard_arrived();
			busy_at = GetCurrentTimestamp();
			continue;
		}
		if (number == 0)
		{
			rest =
				TimestampDifferenceMilliseconds(now, TimestampTzPlusMilliseconds(busy_at, IDLE_MS));
			/* it does not end before it has notified */
			if (notify > 0)
				rest = rest > 0 ? Min(rest, notify) : notify;
			if (rest > 0)
			{
				sleep_ms(rest);
				continue;
			}
			/* what a feed counts within an interval after a hand-over, it keeps until that is over */
			rest =
				TimestampDifferenceMilliseconds(now,
												TimestampTzPlusMilliseconds(busy_at,
																			ownership_flush_interval));
			if (handover_wake_feeds(database) && rest > 0)
				sleep_ms(rest);
			else if (mailbox_release(database, true))
				return;
			continue;
		}
		rest = Min(IDLE_MS, HANDOVER_MS);
		rest = TimestampDifferenceMilliseconds(now, TimestampTzPlusMilliseconds(written_at, rest));
		if (rest > 0 && !urgent)
			sleep_ms(notify > 0 ? Min(rest, notify) : rest);
		else if (write_all(database, number, attempts))
		{
			arriving = guard_arrived();
			written_at = busy_at = GetCurrentTimestamp();
			if (TimestampDifferenceExceeds(woken_at, written_at, IDLE_MS + ownership_flush_interval))
			{
				(void) handover_wake_feeds(database);
				woken_at = written_at;
			}
		}
		else
			sleep_ms(LOCKED_MS);
	}
	work_last(database);
}

/*
 * The process ends.  ownership_worker() catches errors; what else ends the
 * process is in the server log only.
 */
static void
release(int code, Datum database)
{
	if (code != 0)
		mailbox_failed(DatumGetObjectId(database),
					   "its process was ended; the server's log says why", MAX_DELAY_MS);
	(void) mailbox_release(DatumGetObjectId(database), false);
}

/* The main function of the process.  arg: OID of the database. */
void
ownership_worker(Datum arg)
{
	Oid database = DatumGetObjectId(arg);

	activity_is_worker = true;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	if (!mailbox_exists())
		return;
	before_shmem_exit(release, arg);
	BackgroundWorkerUnblockSignals();
	if (!mailbox_claim(database))
		return; /* another one was faster */

	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	activity_fix_settings();
	pgstat_report_activity(STATE_IDLE, NULL);

	PG_TRY();
	{
		forget_databases();
		work(database);
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		mailbox_failed(database, error->message, MAX_DELAY_MS);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	/* the worker has reported its error; with 0 the postmaster reports nothing more */
	proc_exit(0);
}
