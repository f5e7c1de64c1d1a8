/*
 * disagreements.c
 *		The view disagreements: the latest evidence of each system for a column of a
 *		row, where it was refused and differs from the stored value.
 *
 * The rows are read with the caller's privileges, in batches of one table; where
 * a batch fails, row by row.  A row that cannot be read is listed with the reason.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "../drift/drift.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_disagreement);

/* The latest evidence of a system for a column of a row, which was refused. */
typedef struct Word
{
	int64 id;
	TimestampTz at;
	char *schema;
	char *table;
	Jsonb *row_key;
	char *shape; /* the names in row_key */
	char *column;
	char *system;
	char *role;
	char *operation;
	char *outcome;
	Jsonb *proposed;
	bool identifies_row; /* see IDENTIFIES_ROW */
	bool in_conflict;	 /* the column is one of those in conflict */
} Word;

static Word *
take_word(uint64 row)
{
	Word *w = palloc(sizeof(Word));

	w->id = sql_result_int64(row, 1);
	w->at = (TimestampTz) sql_result_int64(row, 2);
	w->schema = sql_result_text(row, 3);
	w->table = sql_result_text(row, 4);
	w->row_key = sql_result_jsonb(row, 5);
	w->shape = sql_result_text(row, 6);
	w->column = sql_result_text(row, 7);
	w->system = sql_result_text(row, 8);
	w->role = sql_result_text(row, 9);
	w->operation = sql_result_text(row, 10);
	w->outcome = sql_result_text(row, 11);
	w->proposed = sql_result_jsonb(row, 12);
	w->identifies_row = sql_result_bool(row, 13);
	w->in_conflict = sql_result_bool(row, 14);
	return w;
}

/* Words about rows of one table, whose row_keys name the same columns. */
typedef struct Batch
{
	Oid relid;
	List *words;		 /* of Word * */
	List *columns;		 /* of RowColumn *: those that exist and the caller may read */
	StoredRow *rows;	 /* one for each word */
	const char **errors; /* one for each word: why its row could not be read, or NULL */
} Batch;

static bool
read_batch(void *arg)
{
	Batch *batch = arg;
	List *keys = NIL;
	ListCell *lc;

	/* a superuser reads tables of any role: code of other roles must not run as superuser */
	if (superuser() && trust_reading_runs_code(batch->relid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("reading the table runs functions of other roles")));
	foreach(lc, batch->words)
		keys = lappend(keys, ((Word *) lfirst(lc))->row_key);
	row_read(batch->relid, keys, batch->columns, false, false, batch->rows);
	return true;
}

/* Reads the rows by one query; if that fails, each row by its own query. */
static void
try_batch(Batch *batch)
{
	int n = list_length(batch->words);
	ErrorData *error = subxact_trial(read_batch, batch);

	for (int i = 0; i < n && error != NULL; i++)
	{
		Batch one = {batch->relid, list_make1(list_nth(batch->words, i)), batch->columns,
					 &batch->rows[i], &batch->errors[i]};

		if (n > 1 && error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
			try_batch(&one);
		else
			batch->errors[i] = error->message;
	}
}

/* The column's index among those of the batch, or -1. */
static int
batch_column(const Batch *batch, const char *name)
{
	ListCell *lc;

	foreach(lc, batch->columns)
	{
		if (strcmp(((RowColumn *) lfirst(lc))->name, name) == 0)
			return foreach_current_index(lc);
	}
	return -1;
}

/* Returns one row to the caller.  column is NULL for the row as a whole. */
static void
put_row(ReturnSetInfo *rsinfo, const Word *w, const char *column, const char *refused,
		const char *stored, const char *note)
{
	const char *texts[] = {w->schema,	 w->table,	 NULL,	  column, w->system, w->role,
						   w->operation, w->outcome, refused, stored, note};
	Datum values[2 + lengthof(texts)];
	bool nulls[2 + lengthof(texts)];

	memset(nulls, false, sizeof(nulls));
	values[0] = Int64GetDatum(w->id);
	values[1] = TimestampTzGetDatum(w->at);
	for (int i = 0; i < (int) lengthof(texts); i++)
		call_put_text(values, nulls, i + 2, texts[i]);
	values[4] = JsonbPGetDatum(w->row_key);
	nulls[4] = false;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Reports a row that the writer wanted to create. */
static void
report_whole(ReturnSetInfo *rsinfo, const Word *w, const char *note)
{
	put_row(rsinfo, w, NULL,
			w->proposed == NULL ? NULL
								: JsonbToCString(NULL, &w->proposed->root, VARSIZE(w->proposed)),
			NULL, note);
}

/* Did the writer want to create the row? */
static bool
creates(const Word *w)
{
	return strcmp(w->operation, "INSERT") == 0 && strcmp(w->outcome, "kept") != 0;
}

/* Was a row discarded that the writer wanted to create? */
static bool
is_discarded_row(const Word *w)
{
	return creates(w) && strcmp(w->outcome, "discarded") == 0;
}

/*
 * Is the word about the row as a whole?  A row that was not created is, until it
 * is there: then its columns count one by one.
 */
static bool
is_whole(const Word *w, const StoredRow *row)
{
	return strcmp(w->operation, "DELETE") == 0 || (creates(w) && (row == NULL || row->n == 0));
}

/*
 * Would accept() write the refused value of a row that was not created into the
 * row that is there?
 */
static bool
goes_in(const Word *w, Oid relid, const RowColumn *col, const char *refused, const char *stored)
{
	bool left;

	return value_in_object(w->row_key, w->column) == NULL && !col->generated &&
		   decision_goes_in(relid, col, w->system, refused, stored, &left);
}

/*
 * Reports one word, if the stored value differs.  row is NULL when the row could
 * not be read; then note is the reason, else NULL.
 */
static void
report_word(ReturnSetInfo *rsinfo, const Batch *batch, const Word *w, const StoredRow *row,
			const char *note)
{
	int c = batch_column(batch, w->column);
	RowColumn *col;
	char *text;
	ValueKind kind;

	if (strcmp(w->operation, "DELETE") == 0)
	{
		if (row == NULL || row->n > 0)
			put_row(rsinfo, w, NULL, NULL, NULL,
					note ? note : "The writer wanted to delete the row.");
		return;
	}
	if (is_whole(w, row))
	{
		report_whole(rsinfo, w, note ? note : "The writer wanted to create the row.");
		return;
	}
	if (row != NULL && row->n == 0)
		return; /* the row does not exist: no stored value can differ */

	kind = value_object_text(w->proposed, w->column, &text);
	if (kind == VALUE_ABSENT)
		return;
	if (kind == VALUE_LENGTH)
	{
		note = psprintf("Of the refused value only the length was recorded: %s bytes.", text);
		text = NULL;
	}
	if (row == NULL)
		put_row(rsinfo, w, w->column, text, NULL, note);
	else if (c >= 0)
	{
		col = list_nth(batch->columns, c);
		if (kind == VALUE_LENGTH ||
			(is_discarded_row(w) ? goes_in(w, batch->relid, col, text, row->values[c])
								 : !value_same_text(col->type, text, row->values[c])))
			put_row(rsinfo, w, w->column, text, row->values[c], note);
	}
	else if ((col = place_row_column(batch->relid, w->column)) != NULL &&
			 (!is_discarded_row(w) || goes_in(w, batch->relid, col, text, NULL)))
		put_row(rsinfo, w, w->column, text, NULL, "You may not read the column.");
}

/* Compares the words about rows of one table with the stored values. */
static void
report_batch(ReturnSetInfo *rsinfo, List *words)
{
	const Word *first = linitial(words);
	Batch batch = {place_evidence_table(first->schema, first->table), words, NIL, NULL, NULL};
	int64 reported = 0;
	ListCell *lc;

	if (!OidIsValid(batch.relid))
		return;
	foreach(lc, words)
	{
		const Word *w = lfirst(lc);
		RowColumn *col;

		if (strcmp(w->operation, "DELETE") == 0 || batch_column(&batch, w->column) >= 0)
			continue;
		col = place_row_column(batch.relid, w->column);
		if (col != NULL && holder_can_read(batch.relid, col->attnum))
			batch.columns = lappend(batch.columns, col);
	}
	batch.rows = palloc0(list_length(words) * sizeof(StoredRow));
	batch.errors = palloc0(list_length(words) * sizeof(char *));
	try_batch(&batch);
	foreach(lc, words)
	{
		const Word *w = lfirst(lc);
		int i = foreach_current_index(lc);
		const StoredRow *row = batch.errors[i] ? NULL : &batch.rows[i];
		bool whole = is_whole(w, row);

		/* a whole row is reported once: words of one id follow each other */
		if (whole && (w->id == reported || !w->in_conflict))
			continue;
		reported = whole ? w->id : 0;
		report_word(rsinfo, &batch, w, row, batch.errors[i]);
	}
}

#define WORDS_A_BATCH 1000
#define WORDS_A_BATCH_PARTITIONED 100000

/*
 * How many words about rows of the table are compared at once.  Planning a query
 * on many partitions takes long, so a partitioned table gets large batches.
 */
static int
batch_size(const Word *w)
{
	Oid relid = place_evidence_table(w->schema, w->table);

	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE
			   ? WORDS_A_BATCH_PARTITIONED
			   : WORDS_A_BATCH;
}

/*
 * disagreement(): the rows of the view disagreements.  The latest evidence of a
 * system for a column counts: where that write went through, or the evidence is
 * resolved, earlier evidence is not listed either.  Values that wait were not
 * refused: the view waiting has them.  Of a row that was not created, all that was
 * proposed counts, since it can be written once the row is there.
 */
Datum
ownership_disagreement(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Parameters none = {0};
	MemoryContext cxt;
	List *all = NIL;
	List *words = NIL;
	ListCell *lc;
	int64 reported = 0;
	int most = 0;
	uint64 n;
	int settings = NewGUCNestLevel();
	int level;

	/* compiling a plan of many partitions takes longer than running it */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	level = sql_pin_search_path();
	n = sql_run(
		"SELECT w.id, w.recorded_at, w.table_schema, w.table_name, w.row_key, "
		"ARRAY(SELECT jsonb_object_keys(w.row_key))::text AS shape, w.column_name, w.system, "
		"w.role, w.operation, w.outcome, w.proposed, w.row IS NULL, w.column_name = ANY (w.columns::text[]) "
		"FROM (SELECT DISTINCT ON (c.table_schema, c.table_name, c.row_key, o.row, u.column_name, c.system, o.writer) "
		"c.*, o.row, u.column_name::text FROM ownership.conflict c "
		"CROSS JOIN LATERAL unnest(CASE WHEN c.outcome = 'discarded' AND c.operation = 'INSERT' AND jsonb_typeof(c.proposed) = 'object' "
		"THEN ARRAY(SELECT DISTINCT p.name::name FROM (SELECT jsonb_object_keys(c.proposed) UNION ALL SELECT unnest(c.columns)::text) p(name)) "
		"ELSE c.columns END) u(column_name) "
		"CROSS JOIN LATERAL (SELECT CASE WHEN c.system IS NULL THEN coalesce('o' || c.origin, 'r' || c.role) END, "
		"CASE WHEN NOT " IDENTIFIES_ROW " THEN coalesce(c.proposed, 'null') END) o(writer, row) "
		"WHERE jsonb_typeof(c.row_key) = 'object' AND c.outcome NOT IN ('parked', 'remembered') AND c.operation <> 'TRUNCATE' AND u.column_name IS NOT NULL "
		"ORDER BY c.table_schema, c.table_name, c.row_key, o.row, u.column_name, c.system, o.writer, "
		"c.recorded_at DESC, c.id DESC) w "
		"WHERE w.outcome IN ('kept', 'discarded', 'rejected') "
		"AND w.resolved_at IS NULL AND w.resolution IS NULL "
		"ORDER BY w.table_schema, w.table_name, shape, w.id",
		&none);
	for (uint64 i = 0; i < n; i++)
	{
		Word *w = take_word(i);

		if (w->identifies_row)
			all = lappend(all, w);
		else if (w->id != reported && OidIsValid(place_evidence_table(w->schema, w->table)))
		{
			report_whole(rsinfo, w,
						 "The writer wanted to create the row, and did not name its key.");
			reported = w->id;
		}
	}
	sql_unpin_search_path(level);

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership batch", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, all)
	{
		const Word *w = lfirst(lc);
		const Word *next = lnext(all, lc) != NULL ? (const Word *) lfirst(lnext(all, lc)) : NULL;

		if (words == NIL)
			most = batch_size(w);
		words = lappend(words, lfirst(lc));
		if (next == NULL || list_length(words) >= most || strcmp(next->schema, w->schema) != 0 ||
			strcmp(next->table, w->table) != 0 || strcmp(next->shape, w->shape) != 0)
		{
			MemoryContext old = MemoryContextSwitchTo(cxt);

			report_batch(rsinfo, words);
			MemoryContextSwitchTo(old);
			MemoryContextReset(cxt);
			list_free(words);
			words = NIL;
			CHECK_FOR_INTERRUPTS();
		}
	}
	SPI_finish();
	AtEOXact_GUC(true, settings);
	reads_count_again(looking);
	return (Datum) 0;
}
