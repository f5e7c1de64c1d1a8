/*
 * metrics.c
 *		The part of the view metrics that is about the library: its shared memory and
 *		its worker.
 */
#include "postgres.h"

#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "activity.h"

PG_FUNCTION_INFO_V1(ownership_own_metric);

/* Returns a row of own_metric(). */
static void
add_metric(ReturnSetInfo *rsinfo, const char *name, int64 value)
{
	Datum values[2] = {CStringGetTextDatum(name), Int64GetDatum(value)};
	bool nulls[2] = {false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * own_metric(): one row for each metric, also where the library is not preloaded: all
 * of them are 0 then.
 */
Datum
ownership_own_metric(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MailboxStatus status;
	int64 unwritten = 0;

	mailbox_status(&status);
	if (status.oldest != 0)
		unwritten = TimestampDifferenceMilliseconds(status.oldest, GetCurrentTimestamp()) / 1000;
	InitMaterializedSRF(fcinfo, 0);
	add_metric(rsinfo, "preloaded", status.preloaded);
	add_metric(rsinfo, "worker_running", status.worker != 0);
	add_metric(rsinfo, "worker_failed", status.failed);
	add_metric(rsinfo, "worker_no_process", status.no_process);
	add_metric(rsinfo, "unwritten_seconds", unwritten);
	add_metric(rsinfo, "attempts_unwritten", status.attempts_waiting);
	add_metric(rsinfo, "attempts_dropped_total", status.attempts_dropped);
	add_metric(rsinfo, "counts_dropped_total", status.counts_dropped);
	add_metric(rsinfo, "queue_size_bytes", status.queue_size);
	add_metric(rsinfo, "queue_used_bytes", status.queue_used);
	add_metric(rsinfo, "counters_size", status.counters_size);
	add_metric(rsinfo, "counters_used", status.counters_used);
	return (Datum) 0;
}
