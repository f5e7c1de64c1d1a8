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

/* A column of a row, while its writes unwind. */
typedef struct Unwinding
{
	RowColumn *col;
	char *from;			/* as stored; NULL is NULL */
	char *to;			/* after the writes that were undone so far; NULL is NULL */
	bool moved;			/* at least one write was undone */
	bool others;		/* another writer has written `to`: no earlier write is undone */
	int64 id;			/* of the latest write; 0: none yet */
	const Write *last;	/* the write that was undone last, if evidence may contain it, too */
	const char *reason; /* why no earlier write is undone; NULL: none yet */
} Unwinding;

/* A call of revert(), and the row that it works on. */
typedef struct Revert
{
	ReturnSetInfo *rsinfo;
	bool dry_run;
	const RowWrites *row;
	Oid relid;
	/* the result for the row */
	bool creates;	   /* the row is created again */
	int64 created_by;  /* id of the DELETE that is undone */
	List *columns;	   /* of Unwinding * */
	const char *whole; /* why the row as a whole is skipped; NULL: it is not */
	int64 whole_id;	   /* id of the evidence of that */
	/* rows returned so far, in all */
	int64 done;
	int64 skipped;
} Revert;

/* Returns one row to the caller, and counts it.  column is NULL for the row as a whole. */
static void
put_row(Revert *run, const char *column, int64 id, const char *from, const char *to, bool done,
		const char *reason)
{
	const RowWrites *h = run->row;
	const char *texts[] = {column, from, to,
						   !done		  ? "skipped"
						   : run->dry_run ? "would be reverted"
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

static Unwinding *
find_unwinding(Revert *run, const char *name)
{
	ListCell *lc;

	foreach(lc, run->columns)
	{
		Unwinding *u = lfirst(lc);

		if (strcmp(u->col->name, name) == 0)
			return u;
	}
	return NULL;
}

/* Reads the columns that the row's writes name; returns how many rows have the key. */
static int
read_row(Revert *run)
{
	List *cols = NIL;
	StoredRow row;
	ListCell *lc;

	run->columns = NIL;
	foreach(lc, run->row->writes)
	{
		Write *e = lfirst(lc);
		ListCell *name;

		foreach(name, e->columns)
		{
			RowColumn *col;
			Unwinding *u;

			if (find_unwinding(run, lfirst(name)) != NULL)
				continue;
			col = place_row_column(run->relid, lfirst(name));
			if (col == NULL)
				continue;
			u = palloc0(sizeof(Unwinding));
			u->col = col;
			run->columns = lappend(run->columns, u);
			cols = lappend(cols, col);
		}
	}
	row_read(run->relid, list_make1(run->row->row_key), cols, !run->dry_run, false, &row);
	foreach(lc, run->columns)
	{
		Unwinding *u = lfirst(lc);

		if (row.n > 0)
			u->from = u->to = row.values[foreach_current_index(lc)];
	}
	return row.n;
}

/*
 * Another writer has changed values of the row: where the row contains what it
 * wrote, or would contain it by now, no earlier write is undone.
 */
static void
stop_at_others(Revert *run, const Write *e)
{
	ListCell *lc;

	foreach(lc, e->columns)
	{
		Unwinding *u = find_unwinding(run, lfirst(lc));
		char *after;
		ValueKind kind = value_object_text(e->proposed, lfirst(lc), &after);

		if (u != NULL && (kind == VALUE_NULL || kind == VALUE_TEXT) &&
			value_same_text(u->col->type, u->to, after))
			u->others = true;
	}
}

/* Do evidence and history say the same of the column?  Evidence may know only a length. */
static bool
agrees(const Unwinding *u, Jsonb *evidence, Jsonb *history)
{
	char *a;
	char *b;
	ValueKind kind = value_object_text(evidence, u->col->name, &a);

	(void) value_object_text(history, u->col->name, &b);
	return kind == VALUE_LENGTH || (kind != VALUE_ABSENT && value_same_text(u->col->type, a, b));
}

/*
 * Is it evidence of the write that was undone last?  Of a write that is in both, the
 * row of history is recorded directly after the evidence.
 */
static bool
is_twin(const Unwinding *u, const Write *e)
{
	return u->last != NULL && e->source == WRITE_EVIDENCE &&
		   agrees(u, e->stored, u->last->stored) && agrees(u, e->proposed, u->last->proposed);
}

/* Undoes one UPDATE, where the row still contains what it proposed. */
static void
unwind_update(Revert *run, const Write *e)
{
	ListCell *lc;

	foreach(lc, e->columns)
	{
		Unwinding *u = find_unwinding(run, lfirst(lc));
		char *before;
		char *after;
		ValueKind had;
		ValueKind proposed;
		bool twin;

		if (u == NULL)
		{
			put_row(run, lfirst(lc), e->id, NULL, NULL, false,
					"The column does not exist any more.");
			continue;
		}
		had = value_object_text(e->stored, lfirst(lc), &before);
		proposed = value_object_text(e->proposed, lfirst(lc), &after);
		twin = is_twin(u, e);
		u->last = NULL;
		if (u->id == 0)
			u->id = e->id;
		if (twin)
			continue;
		if (u->others && u->reason == NULL)
			u->reason = "A later write changed it.";
		if (u->reason != NULL)
		{
			/* the value may be the one from before several writes */
			if (!u->moved && (had == VALUE_NULL || had == VALUE_TEXT) &&
				value_same_text(u->col->type, u->to, before))
				u->reason = "It is as it was before.";
			continue;
		}
		if (u->col->generated)
			u->reason = "The column is a generated column.";
		else if (had == VALUE_ABSENT || proposed == VALUE_ABSENT)
			u->reason = "The evidence contains no value.";
		else if (had == VALUE_LENGTH)
			u->reason =
				psprintf("Of the value before, only the length was recorded: %s bytes.", before);
		else if (proposed == VALUE_LENGTH)
			u->reason =
				psprintf("Of the value that was written, only the length was recorded: %s bytes.",
						 after);
		else if (!value_same_text(u->col->type, u->to, after))
			u->reason = value_same_text(u->col->type, u->to, before) ? "It is as it was before."
																	 : "A later write changed it.";
		else
		{
			u->to = before;
			u->moved = true;
			u->last = e->source == WRITE_HISTORY ? e : NULL;
		}
	}
}

/* Undoes a DELETE: collects the columns of the row to create again; false: it cannot. */
static bool
unwind_delete(Revert *run, const Write *e)
{
	ListCell *lc;

	run->columns = NIL;
	foreach(lc, value_object_names(e->stored))
	{
		Unwinding *u;
		char *text;
		RowColumn *col = place_row_column(run->relid, lfirst(lc));

		if (col == NULL || col->generated)
			continue;
		if (value_object_text(e->stored, lfirst(lc), &text) == VALUE_LENGTH)
		{
			run->whole =
				psprintf("Of the value of column \"%s\", only the length was recorded: %s bytes.",
						 (char *) lfirst(lc), text);
			return false;
		}
		u = palloc0(sizeof(Unwinding));
		u->col = col;
		u->to = text;
		run->columns = lappend(run->columns, u);
	}
	run->creates = true;
	run->created_by = e->id;
	return true;
}

/* Finds what can be undone of a row's writes, without writing. */
static void
unwind(Revert *run)
{
	int rows = read_row(run);
	ListCell *lc;

	run->whole = NULL;
	run->creates = false;
	foreach(lc, run->row->writes)
	{
		const Write *e = lfirst(lc);

		if (e->source == WRITE_OF_OTHERS)
		{
			if (rows == 1)
				stop_at_others(run, e);
			continue;
		}
		run->whole_id = e->id;
		if (rows > 1)
			run->whole = psprintf("%d rows have this key.", rows);
		else if (strcmp(e->operation, "INSERT") == 0)
			run->whole = rows == 0 && !run->creates
							 ? "The row is gone."
							 : "The row was created; the owner of its key may delete it.";
		else if (strcmp(e->operation, "DELETE") == 0)
		{
			if (rows > 0 || run->creates)
				run->whole = "The row was deleted, and exists again.";
			else if (e->stored == NULL || !JB_ROOT_IS_OBJECT(e->stored))
				run->whole = "The evidence contains no row.";
			else
				(void) unwind_delete(run, e);
		}
		else if (rows == 0 && !run->creates)
			run->whole = "The row is gone.";
		else
			unwind_update(run, e);
		if (run->whole != NULL)
			return;
	}
}

/* Does undoing change the stored value of the column? */
static bool
changes(const Unwinding *u)
{
	return u->moved && !value_same_text(u->col->type, u->from, u->to);
}

static void
write_back(Revert *run)
{
	List *columns = NIL;
	List *values = NIL;
	ListCell *lc;

	foreach(lc, run->columns)
	{
		Unwinding *u = lfirst(lc);

		if (!run->creates && !changes(u))
			continue;
		columns = lappend(columns, u->col);
		values = lappend(values, u->to);
	}
	if (columns != NIL)
		row_write(run->relid, run->creates ? OPERATION_INSERT : OPERATION_UPDATE, run->row->row_key,
				  columns, values);
}

static bool
revert_row(void *arg)
{
	Revert *run = arg;

	unwind(run);
	if (!run->dry_run)
		write_back(run);
	return true;
}

/* Reports the result for a row, after revert_row().  error: that of revert_row(), or NULL. */
static void
report_row(Revert *run, const ErrorData *error)
{
	ListCell *lc;

	if (run->creates)
		put_row(run, NULL, run->created_by, NULL, NULL, error == NULL,
				error ? error->message : "The row is created again.");
	else
	{
		foreach(lc, run->columns)
		{
			Unwinding *u = lfirst(lc);

			if (u->id == 0)
				continue;
			if (changes(u))
				put_row(run, u->col->name, u->id, u->from, u->to, error == NULL,
						error		? error->message
						: u->reason ? "Another write had replaced the value of an earlier write."
									: NULL);
			else
				put_row(run, u->col->name, u->id, u->from, NULL, false,
						u->reason && !u->moved ? u->reason : "It is as it was before.");
		}
	}
	if (run->whole != NULL)
		put_row(run, NULL, run->whole_id, NULL, NULL, false, run->whole);
}

static void
revert_writes_of_row(Revert *run)
{
	const RowWrites *h = run->row;
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
	run->relid = place_evidence_table(h->schema, h->table);
	run->columns = NIL;
	run->creates = false;
	run->whole = NULL;
	if (!OidIsValid(run->relid))
	{
		put_row(run, NULL, e->id, NULL, NULL, false, "The table does not exist.");
		return;
	}
	error = subxact_trial(revert_row, run);
	if (error != NULL && !run->creates && run->columns == NIL)
		run->whole = error->message, run->whole_id = e->id;
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
	run.dry_run = PG_GETARG_BOOL(3);
	InitMaterializedSRF(fcinfo, 0);
	run.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	level = sql_pin_search_path();
	if (!run.dry_run)
		decision_require_decider();
	rows = decision_load_writes(system, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
	if (rows == NIL)
		require_system(system);
	sql_unpin_search_path(level);

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership revert", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, rows)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		run.row = lfirst(lc);
		revert_writes_of_row(&run);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
		CHECK_FOR_INTERRUPTS();
	}
	decision_revert_remembered(run.rsinfo, system, PG_GETARG_TIMESTAMPTZ(1),
							   PG_GETARG_TIMESTAMPTZ(2), run.dry_run, &run.done, &run.skipped);
	SPI_finish();
	if (!run.dry_run)
		ereport(NOTICE, (errmsg("%lld reverted, %lld skipped", (long long) run.done,
								(long long) run.skipped)));
	return (Datum) 0;
}
