/*
 * worker.c
 *		The background worker that writes to the tables what sessions left in
 *		the mailbox.
 *
 * One a database, started by the session that leaves something while there is
 * none.  It writes in short transactions, and ends soon after nothing comes
 * any more, because a connected process is in the way of DROP DATABASE and of
 * CREATE DATABASE ... TEMPLATE.  On an error it ends, too; the mailbox says
 * when the next one may try.  Attempts are written before counters, and in
 * other transactions: what stands in the way of activity keeps no evidence back.
 *
 * It is a superuser's process.  So that nobody can have code of his own run by
 * it, it writes as the owner of the table, restricted as maintenance is, and
 * in the replica role, in which other people's triggers do not fire.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_subscription.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "activity.h"

PG_FUNCTION_INFO_V1(ownership_status);

#define IDLE_MS 1500			 /* ends after that */
#define LOCKED_MS 100			 /* a table is locked: looks again */
#define MAX_DELAY_MS (60 * 1000) /* after many failures */
#define LAST_MS 1000			 /* waits for sessions that end with it */
#define BEHIND_MS (60 * 1000)	 /* waiting longer than that is told */

PGDLLEXPORT void ownership_worker(Datum database);

/* The transaction of a batch; its allocations are left to the caller. */
static void
begin_batch(void)
{
	MemoryContext cxt = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(cxt);
}

/* After a commit the batch must be taken out: the caller lets interrupts in again. */
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
 * Write a batch of attempts.  Returns how many are in it, or -1: the table is
 * locked.  Without the extension nobody wants them any more.
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

/* The same of all counters.  False: the table is locked. */
static bool
write_counters_once(Oid database)
{
	int n;
	Counter *counters = mailbox_counters(database, &n);
	Relation activity;
	bool locked;

	if (n == 0)
		return true;
	begin_batch();
	activity = store_open_table("activity", &locked);
	if (activity != NULL)
		store_counters(activity, counters, n);
	end_batch(activity);
	if (!locked)
		mailbox_counters_written(counters, n);
	RESUME_INTERRUPTS();
	return !locked;
}

/* Write attempts, batch by batch, then counters.  False: a table is locked. */
static bool
write_batches(Oid database, int64 attempts)
{
	int n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = write_attempts_once(database);
		attempts -= n;
		MemoryContextReset(CurrentMemoryContext);
	} while (n > 0 && attempts > 0);
	return write_counters_once(database) && n >= 0;
}

/* Write all that was handed over by now.  False: a table, or a row of it, is locked. */
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

		/* by DDL that the map has followed, for one, and that has yet to commit */
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

/* What is left of databases that were dropped takes up room. */
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

/*
 * A feed that fell silent has no transaction at whose end it would hand over
 * what it counted last.  An invalidation of its subscription makes the apply
 * worker look at that again, which takes a transaction.
 */
static void
wake_feeds(Oid database)
{
	Relation rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	rel = table_open(SubscriptionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_subscription_subdbid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CacheInvalidateHeapTuple(rel, tuple, NULL);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* Settings that a database or a role may have otherwise. */
static void
fix_settings(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("session_replication_role", "replica");
	set("default_transaction_read_only", "off");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_deferrable", "off");
	set("row_security", "on");
	set("statement_timeout", "0");
	/* from 17 on; it would end the process */
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		set("transaction_timeout", "0");
	/* gives way, and looks again, before a session that waits for it checks for deadlocks */
	set("lock_timeout", "200ms");
	set("idle_in_transaction_session_timeout", "0");
	set("temp_file_limit", "-1");
	set("check_function_bodies", "on"); /* see call_is_restoring() */
	set("jit", "off");
	/* on disk when flush() says so, but waiting for no standby */
	set("synchronous_commit", "local");
}

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
 * Asked to end, as when the server is shut down: sessions that end with it
 * hand over what they have, and it is written.
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
}

/* Writes, at most once an interval unless somebody waits; ends when idle. */
static void
work(Oid database)
{
	TimestampTz written_at = 0;
	TimestampTz busy_at = GetCurrentTimestamp();
	TimestampTz woken_at = busy_at;

	while (!ShutdownRequestPending)
	{
		bool urgent;
		int64 attempts;
		uint64 number = mailbox_due(database, &urgent, &attempts);
		TimestampTz now = GetCurrentTimestamp();
		long rest;

		if (number == 0)
		{
			rest =
				TimestampDifferenceMilliseconds(now, TimestampTzPlusMilliseconds(busy_at, IDLE_MS));
			if (rest > 0)
			{
				sleep_ms(rest);
				continue;
			}
			wake_feeds(database);
			if (mailbox_release(database, true))
				return;
			continue;
		}
		rest = Min(IDLE_MS, ownership_flush_interval);
		rest = TimestampDifferenceMilliseconds(now, TimestampTzPlusMilliseconds(written_at, rest));
		if (rest > 0 && !urgent)
			sleep_ms(rest);
		else if (write_all(database, number, attempts))
		{
			written_at = busy_at = GetCurrentTimestamp();
			if (TimestampDifferenceExceeds(woken_at, written_at, IDLE_MS + ownership_flush_interval))
			{
				wake_feeds(database);
				woken_at = written_at;
			}
		}
		else
			sleep_ms(LOCKED_MS);
	}
	work_last(database);
}

/* Errors are caught; what ends the process all the same is known to the log alone. */
static void
release(int code, Datum database)
{
	if (code != 0)
		mailbox_failed(DatumGetObjectId(database),
					   "its process was ended; the server's log says why", MAX_DELAY_MS);
	(void) mailbox_release(DatumGetObjectId(database), false);
}

/* Where the process begins. */
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
	fix_settings();
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

	/* the error has been told, the postmaster need not tell again */
	proc_exit(0);
}

static void
add_fact(ReturnSetInfo *rsinfo, const char *fact, const char *value, const char *note)
{
	const char *texts[] = {fact, value, note};

	call_put_row(rsinfo, lengthof(texts), texts);
}

/*
 * What ownership.own_risk goes by: it begins with "failed", "cannot" or
 * "behind" where what was handed over does not come to the tables.
 */
static const char *
worker_state(const MailboxStatus *status)
{
	const char *state = NULL;

	if (status->failed)
		state = "failed";
	else if (status->no_process)
		state = "cannot be started";
	else if (status->oldest != 0 &&
			 TimestampDifferenceExceeds(status->oldest, GetCurrentTimestamp(), BEHIND_MS))
		state = "behind";
	if (status->worker != 0)
		return psprintf("%s (process %d)", state != NULL ? state : "running", (int) status->worker);
	if (state != NULL)
		return state;
	return status->starting ? "starting" : "not running";
}

static const char *
worker_note(const MailboxStatus *status)
{
	if (status->failed)
		return psprintf("It is tried again. The last error: %s", status->error);
	if (status->no_process)
		return "Raise max_worker_processes. It is tried again.";
	if (status->worker != 0)
		return NULL;
	return "It is started when there is something to write.";
}

/* status(): one row a fact. */
Datum
ownership_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MailboxStatus status;
	bool standby = RecoveryInProgress();

	mailbox_status(&status);
	InitMaterializedSRF(fcinfo, 0);
	add_fact(rsinfo, "preloaded", status.preloaded ? "yes" : "no",
			 status.exists ? NULL
			 : status.preloaded
				 ? "Nothing is remembered, because ownership.activity_size is 0."
				 : "To remember activity and rejected attempts, set shared_preload_libraries = 'ownership' and restart the server.");
	add_fact(rsinfo, "enforcement", GetConfigOption("ownership.enforcement", false, false), NULL);
	add_fact(rsinfo, "track_reads", ownership_track_reads ? "on" : "off", NULL);
	if (!status.exists)
		return (Datum) 0;
	add_fact(rsinfo, "standby", standby ? "yes" : "no",
			 standby ? "Nothing is counted here before it is promoted." : NULL);
	add_fact(rsinfo, "worker", worker_state(&status), worker_note(&status));
	add_fact(rsinfo, "flush_interval", psprintf("%d ms", ownership_flush_interval), NULL);
	add_fact(rsinfo, "activity_size", psprintf("%d", status.counters_size),
			 psprintf("%lld in use, by all databases.", (long long) status.counters_used));
	add_fact(rsinfo, "queue_size", psprintf("%lld kB", (long long) status.queue_size / 1024),
			 psprintf("%lld kB in use, by all databases.", (long long) status.queue_used / 1024));
	add_fact(rsinfo, "waiting", psprintf("%lld", (long long) status.attempts_waiting),
			 "Rejected attempts that are not in ownership.conflict yet.");
	add_fact(rsinfo, "dropped", psprintf("%lld", (long long) status.attempts_dropped),
			 "Rejected attempts that found no room, since the server started. Raise ownership.queue_size.");
	add_fact(rsinfo, "dropped_counts", psprintf("%lld", (long long) status.counts_dropped),
			 "Counts that found no room, since the server started. Raise ownership.activity_size.");
	add_fact(rsinfo, "oldest_unflushed",
			 status.oldest == 0 ? NULL : pstrdup(timestamptz_to_str(status.oldest)),
			 status.oldest == 0 ? "All that was handed over is written." : NULL);
	return (Datum) 0;
}
