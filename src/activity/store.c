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
#include "base.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define IDLE_MS 1500			 /* ends after that */
#define LOCKED_MS 100			 /* a table is locked: looks again */
#define MAX_DELAY_MS (60 * 1000) /* after many failures */
#define LAST_MS 1000			 /* waits for sessions that end with it */
#define BEHIND_MS (60 * 1000)	 /* waiting longer than that is told */
#define BATCH_BYTES (1024 * 1024)
#define BATCH_ATTEMPTS 1000

PGDLLEXPORT void ownership_worker(Datum database);
PG_FUNCTION_INFO_V1(ownership_status);

/* Is this process a worker? */
bool activity_is_worker = false;

static const char write_counts[] =
	"INSERT INTO ownership.activity AS a (table_schema, table_name, column_name, system,"
	" reads, writes, observed, filled, kept, rejected, overridden, first_seen, last_read, last_write)"
	" SELECT n.nspname, c.relname, t.attname, x.system,"
	" x.reads, x.writes, x.observed, x.filled, x.kept, x.rejected, x.overridden, x.first, x.read, x.write"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	" AS x (relation, attnum, system, reads, writes, observed, filled, kept, rejected, overridden, first, read, write)"
	" JOIN pg_class c ON c.oid = x.relation"
	" JOIN pg_namespace n ON n.oid = c.relnamespace"
	" JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = x.attnum AND NOT t.attisdropped"
	/* one that was renamed or deleted since is no writer any more */
	" WHERE x.system IS NULL OR EXISTS (SELECT FROM ownership.system s WHERE s.name = x.system)"
	" ORDER BY 1, 2, 3, 4"
	" ON CONFLICT (table_schema, table_name, column_name, system) DO UPDATE SET"
	" reads = a.reads + excluded.reads, writes = a.writes + excluded.writes,"
	" observed = a.observed + excluded.observed, filled = a.filled + excluded.filled,"
	" kept = a.kept + excluded.kept, rejected = a.rejected + excluded.rejected,"
	" overridden = a.overridden + excluded.overridden,"
	" first_seen = least(a.first_seen, excluded.first_seen),"
	" last_read = greatest(a.last_read, excluded.last_read),"
	" last_write = greatest(a.last_write, excluded.last_write)";

static const char write_attempts[] =
	"INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation,"
	" system, role, origin, application_name, outcome, columns, stored, proposed)"
	" SELECT x.at, x.schema, x.name, x.key::jsonb, x.operation, x.system, x.role, x.origin,"
	" x.application, 'rejected', x.columns::name[], x.stored::jsonb, x.proposed::jsonb"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
	" AS x (at, schema, name, key, operation, system, role, origin, application, columns, stored, proposed)";

/* Columns of a batch, for unnest(). */
typedef struct Batch
{
	int rows;
	int columns;
	Oid types[16];
	Datum *values[16];
	bool *nulls[16];
} Batch;

static void
add_column(Batch *batch, Oid type)
{
	batch->types[batch->columns] = type;
	batch->values[batch->columns] = palloc0(batch->rows * sizeof(Datum));
	batch->nulls[batch->columns] = palloc0(batch->rows * sizeof(bool));
	batch->columns++;
}

/* Run a statement that takes the batch, as the owner of the table. */
static void
write_batch(Relation rel, const char *sql, Batch *batch)
{
	SavedRole self = role_become_owner(rel);
	Oid types[16];
	Datum arrays[16];
	int rc;

	for (int i = 0; i < batch->columns; i++)
	{
		int16 length;
		bool byval;
		char align;
		int dims[1];
		int lower[1] = {1};

		dims[0] = batch->rows;
		get_typlenbyvalalign(batch->types[i], &length, &byval, &align);
		types[i] = get_array_type(batch->types[i]);
		arrays[i] =
			PointerGetDatum(construct_md_array(batch->values[i], batch->nulls[i], 1, dims, lower,
											   batch->types[i], length, byval, align));
	}
	SPI_connect();
	rc = SPI_execute_with_args(sql, batch->columns, types, arrays, NULL, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	SPI_finish();
	role_restore(&self);
}

static void
set_time(Batch *batch, int column, int row, TimestampTz at)
{
	batch->values[column][row] = TimestampTzGetDatum(at);
	batch->nulls[column][row] = at == 0;
}

static void
set_text(Batch *batch, int column, int row, const char *text)
{
	batch->nulls[column][row] = text == NULL;
	if (text != NULL)
		batch->values[column][row] = CStringGetTextDatum(text);
}

/* Write counters; those of an extension that is not there any more are not. */
static void
store_counters(Relation rel, const Counter *counters, int n)
{
	Batch batch = {0};
	int row = 0;

	for (int i = 0; i < n; i++)
		batch.rows += counters[i].key.extension == RelationGetRelid(rel);
	if (batch.rows == 0)
		return;
	add_column(&batch, OIDOID);
	add_column(&batch, INT2OID);
	add_column(&batch, TEXTOID);
	for (int k = 0; k < COUNT_KINDS; k++)
		add_column(&batch, INT8OID);
	for (int k = 0; k < 3; k++)
		add_column(&batch, TIMESTAMPTZOID);
	for (int i = 0; i < n; i++)
	{
		const Counter *c = &counters[i];

		if (c->key.extension != RelationGetRelid(rel))
			continue;
		batch.values[0][row] = ObjectIdGetDatum(c->key.relation);
		batch.values[1][row] = Int16GetDatum(c->key.attnum);
		set_text(&batch, 2, row, c->key.system[0] == '\0' ? NULL : c->key.system);
		for (int k = 0; k < COUNT_KINDS; k++)
			batch.values[3 + k][row] = Int64GetDatum(c->counts.n[k]);
		set_time(&batch, 3 + COUNT_KINDS, row, c->counts.first_seen);
		set_time(&batch, 4 + COUNT_KINDS, row, c->counts.last_read);
		set_time(&batch, 5 + COUNT_KINDS, row, c->counts.last_write);
		row++;
	}
	write_batch(rel, write_counts, &batch);
}

static void
store_attempts(Relation rel, Oid extension, const char *messages, const uint32 *lengths, int n)
{
	Batch batch = {0};
	const char *message = messages;
	int row = 0;

	for (int i = 0; i < n; i++, message += lengths[i - 1])
		batch.rows += activity_read_attempt(message).extension == extension;
	if (batch.rows == 0)
		return;
	add_column(&batch, TIMESTAMPTZOID);
	for (int k = 0; k < ATTEMPT_TEXTS; k++)
		add_column(&batch, TEXTOID);
	message = messages;
	for (int i = 0; i < n; i++, message += lengths[i - 1])
	{
		Attempt attempt = activity_read_attempt(message);

		if (attempt.extension != extension)
			continue;
		set_time(&batch, 0, row, attempt.at);
		for (int k = 0; k < ATTEMPT_TEXTS; k++)
			set_text(&batch, 1 + k, row, attempt.texts[k]);
		row++;
	}
	write_batch(rel, write_attempts, &batch);
}

/*
 * One of the extension's tables, locked for writing without waiting: whoever
 * drops or locks it may wait for the session that waits for us.  NULL if it is
 * not there, or, *locked, not free.
 */
static Relation
store_open_table(const char *name, bool *locked)
{
	Oid relid = catalog_table(name, true);

	*locked = false;
	if (!OidIsValid(relid))
		return NULL;
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
	{
		*locked = true;
		return NULL;
	}
	/* it may have gone while we looked */
	return try_table_open(relid, NoLock);
}

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
