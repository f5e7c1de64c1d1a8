/*
 * revert.c
 *		revert(): takes back what a system wrote in a period, as far as evidence of
 *		writes that went through or the history of fields tells of it (writes.c).
 *
 * It works row by row, the latest write first.  It undoes a write only where the
 * row still contains what the write proposed; then it looks at the write before
 * with the value that the row would contain by then, so several writes of one
 * value unwind.  Where another write has changed the value since, that value
 * stays, and the writes before that change are not undone.  So it is, too, where
 * history tells that another writer has written the value that the row would contain.
 *
 * A row that was deleted is created again as it was.  A row that was created
 * stays: the owner of its key decides whether it is deleted.  See remembered.c for
 * what went with deleted rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../edit/edit.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_revert);

/* A call of revert(), and the row that it works on. */
typedef struct Revert
{
	ReturnSetInfo *rsinfo;
	Unwound row;
	/* rows returned so far, in all */
	int64 done;
	int64 skipped;
} Revert;

/* Returns one row to the caller, and counts it.  column is NULL for the row as a whole. */
static void
put_row(Revert *run, const char *column, int64 id, const char *from, const char *to, bool done,
		const char *reason)
{
	const RowWrites *h = run->row.row;
	const char *texts[] = {column, from, to,
						   !done			  ? "skipped"
						   : run->row.dry_run ? "would be reverted"
											  : "reverted",
						   reason};
	Datum values[3 + lengthof(texts)];
	bool nulls[3 + lengthof(texts)];

	memset(nulls, false, sizeof(nulls));
	values[0] = CStringGetTextDatum(names_relation_label(h->schema, h->table));
	values[1] = h->row_key == NULL ? (Datum) 0 : JsonbPGetDatum(h->row_key);
	nulls[1] = h->row_key == NULL;
	for (int i = 0; i < (int) lengthof(texts); i++)
		call_put_text(values, nulls, i + 2, texts[i]);
	values[2 + lengthof(texts)] = Int64GetDatum(id);
	tuplestore_putvalues(run->rsinfo->setResult, run->rsinfo->setDesc, values, nulls);
	if (done)
		run->done++;
	else
		run->skipped++;
}

static void
write_back(const Unwound *row)
{
	List *columns = NIL;
	List *values = NIL;
	ListCell *lc;

	foreach(lc, row->columns)
	{
		Unwinding *u = lfirst(lc);

		if (!row->creates && !unwind_changes(u))
			continue;
		columns = lappend(columns, u->col);
		values = lappend(values, u->to);
	}
	if (columns != NIL)
		row_write(row->relid, row->creates ? OPERATION_INSERT : OPERATION_UPDATE, row->row->row_key,
				  columns, values);
}

static bool
revert_row(void *arg)
{
	Unwound *row = arg;

	unwind_row(row);
	if (!row->dry_run)
		write_back(row);
	return true;
}

/* Reports the result for a row, after revert_row().  error: that of revert_row(), or NULL. */
static void
report_row(Revert *run, const ErrorData *error)
{
	const Unwound *row = &run->row;
	ListCell *lc;
	ListCell *write;

	forboth(lc, row->missing, write, row->missing_in)
	{
		put_row(run, lfirst(lc), ((Write *) lfirst(write))->id, NULL, NULL, false,
				"The column does not exist any more.");
	}
	if (row->creates)
		put_row(run, NULL, row->created_by, NULL, NULL, error == NULL,
				error ? error->message : "The row is created again.");
	else
	{
		foreach(lc, row->columns)
		{
			Unwinding *u = lfirst(lc);

			if (u->id == 0)
				continue;
			if (unwind_changes(u))
				put_row(run, u->col->name, u->id, u->from, u->to, error == NULL,
						error		? error->message
						: u->reason ? "Another write had replaced the value of an earlier write."
									: NULL);
			else
				put_row(run, u->col->name, u->id, u->from, NULL, false,
						u->reason && !u->moved ? u->reason : "It is as it was before.");
		}
	}
	if (row->whole != NULL)
		put_row(run, NULL, row->whole_id, NULL, NULL, false, row->whole);
	if (row->elsewhere != NULL)
		put_row(run, NULL, row->elsewhere_id, NULL, NULL, false,
				psprintf("The row has another key since, %s, and another row has this one.",
						 JsonbToCString(NULL, &row->elsewhere->root, VARSIZE(row->elsewhere))));
}

static void
revert_writes_of_row(Revert *run)
{
	Unwound *row = &run->row;
	const RowWrites *h = row->row;
	const Write *e = linitial(h->writes);
	ErrorData *error;

	if (h->row_key == NULL)
	{
		char *count = NULL;

		if (e->proposed != NULL && JB_ROOT_IS_SCALAR(e->proposed))
			count = JsonbToCString(NULL, &e->proposed->root, VARSIZE(e->proposed));
		put_row(run, NULL, e->id, NULL, NULL, false,
				strcmp(e->operation, "TRUNCATE") == 0 ? "Of TRUNCATE no values are recorded."
				: count != NULL
					? psprintf("%s more rows were only counted (ownership.observed_limit).", count)
					: "The evidence does not identify the row: the table had no key.");
		return;
	}
	row->relid = place_evidence_table(h->schema, h->table);
	row->columns = row->missing = row->missing_in = NIL;
	row->creates = false;
	row->whole = NULL;
	row->elsewhere = NULL;
	if (!OidIsValid(row->relid))
	{
		put_row(run, NULL, e->id, NULL, NULL, false, "The table does not exist.");
		return;
	}
	error = subxact_trial(revert_row, row);
	if (error != NULL && !row->creates && row->columns == NIL)
		row->whole = error->message, row->whole_id = e->id;
	report_row(run, error);
}

/*
 * revert(system, since, until, dry_run): returns what was, or would be, put back,
 * and what was skipped and why.  system is NULL for writers without a system.
 *
 * Errors: no such system; the caller may not decide on evidence (not in a dry
 * run); since, until or dry_run is NULL.
 */
Datum
ownership_revert(PG_FUNCTION_ARGS)
{
	Revert run = {0};
	char *system = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext cxt;
	List *rows;
	ListCell *lc;
	int level;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("since, until and dry_run must not be null")));
	run.row.dry_run = PG_GETARG_BOOL(3);
	InitMaterializedSRF(fcinfo, 0);
	run.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	level = sql_pin_search_path();
	if (!run.row.dry_run)
	{
		PreventCommandIfReadOnly("ownership.revert()");
		decision_require_decider();
	}
	run.row.since = PG_GETARG_TIMESTAMPTZ(1);
	rows = decision_load_writes(system, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
	if (rows == NIL)
		require_system(system);
	sql_unpin_search_path(level);

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership revert", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, rows)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		run.row.row = lfirst(lc);
		revert_writes_of_row(&run);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
		CHECK_FOR_INTERRUPTS();
	}
	decision_revert_remembered(run.rsinfo, system, PG_GETARG_TIMESTAMPTZ(1),
							   PG_GETARG_TIMESTAMPTZ(2), run.row.dry_run, &run.done, &run.skipped);
	SPI_finish();
	if (!run.row.dry_run)
		ereport(NOTICE, (errmsg("%lld reverted, %lld skipped", (long long) run.done,
								(long long) run.skipped)));
	return (Datum) 0;
}
