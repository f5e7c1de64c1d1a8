/*
 * status.c
 *		The view status: the state of what is remembered, and of the worker.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "activity.h"

PG_FUNCTION_INFO_V1(ownership_status);

#define BEHIND_MS (60 * 1000) /* what waits longer than that is reported by status() */

/* Returns a row of status(). */
static void
add_fact(ReturnSetInfo *rsinfo, const char *fact, const char *value, const char *note)
{
	const char *texts[] = {fact, value, note};

	call_put_row(rsinfo, lengthof(texts), texts);
}

/*
 * The worker's state as text.  The view ownership.own_risk depends on it: it
 * begins with "failed", "cannot" or "behind" where what was handed over does not
 * reach the tables.
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
		return psprintf("A new worker tries again. The last error: %s", status->error);
	if (status->no_process)
		return "Raise max_worker_processes. Sessions try again to start the worker.";
	if (status->worker != 0)
		return NULL;
	return "It is started when there is something to write.";
}

/* status(): one row for each fact. */
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
			 standby ? "Nothing is counted here before the standby is promoted." : NULL);
	add_fact(rsinfo, "worker", worker_state(&status), worker_note(&status));
	add_fact(rsinfo, "flush_interval", psprintf("%d ms", ownership_flush_interval), NULL);
	add_fact(rsinfo, "activity_size", psprintf("%d", status.counters_size),
			 psprintf("%lld in use, by all databases.", (long long) status.counters_used));
	add_fact(rsinfo, "folded", psprintf("%lld", (long long) status.folded),
			 "Counts that shared a counter with other columns of their table, since the server started, "
			 "because more than half of ownership.activity_size was in use. Nothing of them is lost.");
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
