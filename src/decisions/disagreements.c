/*
 * disagreements.c
 *		The view disagreements: the latest evidence of each system for a column of a
 *		row, where it was refused and differs from the stored value.
 *
 * Words (words.c) are taken some at a time, and compared with the stored rows,
 * which are read with the caller's privileges, in batches of one table; where a
 * batch fails, row by row.  A row that cannot be read is listed with the reason.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "../drift/drift.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_disagreement);

/* One run of disagreement_rows(). */
typedef struct Listing
{
	Words *words;
	RowMaker maker;		 /* of the batch */
	int n;				 /* how many words are taken at once; it grows */
	bool ended;			 /* there are no more words */
	List *rows;			 /* of HeapTuple: the disagreements among the words that were taken */
	int next;			 /* of them */
	MemoryContext batch; /* contains them, and all that is needed to find them */
} Listing;

/* The field of a column that words are about. */
typedef struct WordField
{
	const char *column;
	char *entity; /* NULL: it is not on the map; then the next two, too */
	char *field;
	char *owner; /* NULL: none */
} WordField;

/* Words about rows of one table, whose row_keys name the same columns. */
typedef struct Batch
{
	Oid relid;
	List *words;		 /* of Word * */
	List *columns;		 /* of RowColumn *: those that exist and the caller may read */
	StoredRow *rows;	 /* one for each word */
	const char **errors; /* one for each word: why its row could not be read, or NULL */
	List *fields;		 /* of WordField *: as far as they were looked up */
	const char *last;	 /* the column that batch_column() was asked for last, and its answer */
	int last_index;
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
		Batch one = {.relid = batch->relid,
					 .words = list_make1(list_nth(batch->words, i)),
					 .columns = batch->columns,
					 .rows = &batch->rows[i],
					 .errors = &batch->errors[i]};

		if (n > 1 && error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
			try_batch(&one);
		else
			batch->errors[i] = error->message;
	}
}

/* The column's index among those of the batch, or -1.  name: of a word. */
static int
batch_column(Batch *batch, const char *name)
{
	ListCell *lc;

	/* the texts of words that follow each other are the same ones (words_piece.c) */
	if (batch->last == name)
		return batch->last_index;
	batch->last = name;
	batch->last_index = -1;
	foreach(lc, batch->columns)
	{
		if (strcmp(((RowColumn *) lfirst(lc))->name, name) == 0)
		{
			batch->last_index = foreach_current_index(lc);
			break;
		}
	}
	return batch->last_index;
}

/* The field of a column of the words' table. */
static const WordField *
find_field(Batch *batch, const Word *w, const char *column)
{
	WordField *field;
	ListCell *lc;

	foreach(lc, batch->fields)
	{
		field = lfirst(lc);
		if (field->column == column || strcmp(field->column, column) == 0)
			return field;
	}
	field = palloc0(sizeof(WordField));
	field->column = column;
	if (lookup_mapped_field(w->schema, w->table, column, &field->entity, &field->field))
		field->owner = lookup_field_owner(field->entity, field->field, map_time());
	batch->fields = lappend(batch->fields, field);
	return field;
}

/* Adds one row to what is returned.  column is NULL for the row as a whole. */
static void
put_row(Listing *listing, Batch *batch, const Word *w, const char *column, const char *refused,
		const char *stored, const char *note)
{
	const WordField *f = batch == NULL || column == NULL ? NULL : find_field(batch, w, column);
	ListedWord row = {w, column, NULL, NULL, NULL, refused, stored, note};

	if (f != NULL)
	{
		row.entity = f->entity;
		row.field = f->field;
		row.owner = f->owner;
	}
	listing->rows = lappend(listing->rows, words_row_make(&listing->maker, &row));
}

/* Reports a row that the writer wanted to create. */
static void
report_whole(Listing *listing, const Word *w, const char *note)
{
	put_row(listing, NULL, w, NULL,
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
report_word(Listing *listing, Batch *batch, const Word *w, const StoredRow *row, const char *note)
{
	int c = batch_column(batch, w->column);
	RowColumn *col;
	char *text;
	ValueKind kind;

	if (strcmp(w->operation, "DELETE") == 0)
	{
		if (row == NULL || row->n > 0)
			put_row(listing, NULL, w, NULL, NULL, NULL,
					note ? note : "The writer wanted to delete the row.");
		return;
	}
	if (is_whole(w, row))
	{
		report_whole(listing, w, note ? note : "The writer wanted to create the row.");
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
	if (kind == VALUE_HIDDEN)
		note = "The refused value was not recorded, because its field is sensitive.";
	if (row == NULL)
		put_row(listing, batch, w, w->column, text, NULL, note);
	else if (c >= 0)
	{
		col = list_nth(batch->columns, c);
		if (kind == VALUE_LENGTH || kind == VALUE_HIDDEN ||
			(is_discarded_row(w) ? goes_in(w, batch->relid, col, text, row->values[c])
								 : !value_same_text(col->type, text, row->values[c])))
			put_row(listing, batch, w, w->column, text, row->values[c], note);
	}
	else if ((col = place_row_column(batch->relid, w->column)) != NULL &&
			 (!is_discarded_row(w) || goes_in(w, batch->relid, col, text, NULL)))
		put_row(listing, batch, w, w->column, text, NULL, "You may not read the column.");
}

/* Compares the words about rows of one table with the stored values. */
static void
report_batch(Listing *listing, List *words)
{
	const Word *first = linitial(words);
	Batch batch = {.relid = place_evidence_table(first->schema, first->table), .words = words};
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
		{
			batch.columns = lappend(batch.columns, col);
			batch.last = NULL;
		}
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
		report_word(listing, &batch, w, row, batch.errors[i]);
	}
}

/*
 * How many words are taken at once: few at first, for a caller that wants few rows,
 * then more, because planning the query that reads rows of a table with many
 * partitions takes longer than running it.
 */
#define WORDS_AT_FIRST 64
#define WORDS_AT_MOST 16384

/* Words about rows of one table whose keys have the same names follow each other. */
static int
compare_batches(const Word *a, const Word *b)
{
	int order = a->schema == b->schema ? 0 : strcmp(a->schema, b->schema);

	if (order == 0 && a->table != b->table)
		order = strcmp(a->table, b->table);
	if (order == 0 && a->shape != b->shape)
		order = strcmp(a->shape, b->shape);
	return order;
}

/* For list_sort(): by batch, the words of one id together. */
static int
compare_words(const ListCell *one, const ListCell *other)
{
	const Word *a = lfirst(one);
	const Word *b = lfirst(other);
	int order = compare_batches(a, b);

	if (order != 0)
		return order;
	return a->id != b->id ? (a->id < b->id ? -1 : 1) : strcmp(a->column, b->column);
}

/* Are the words about rows of one table whose keys have the same names? */
static bool
are_alike(List *words)
{
	ListCell *lc;

	foreach(lc, words)
	{
		if (compare_batches(linitial(words), lfirst(lc)) != 0)
			return false;
	}
	return true;
}

/* Compares some words with the stored values. */
static void
report_words(Listing *listing, List *words)
{
	List *batch = NIL;
	int64 reported = 0;
	ListCell *lc;

	if (!are_alike(words))
		list_sort(words, compare_words);
	foreach(lc, words)
	{
		Word *w = lfirst(lc);

		if (!w->identifies_row)
		{
			if (w->id != reported && OidIsValid(place_evidence_table(w->schema, w->table)))
				report_whole(listing, w,
							 "The writer wanted to create the row, and did not name its key.");
			reported = w->id;
			continue;
		}
		if (batch != NIL && compare_batches(linitial(batch), w) != 0)
		{
			report_batch(listing, batch);
			batch = NIL;
			CHECK_FOR_INTERRUPTS();
		}
		batch = lappend(batch, w);
	}
	if (batch != NIL)
		report_batch(listing, batch);
}

/* Takes words until some of them disagree, or there are no more. */
static void
fill(Listing *listing)
{
	int looking = reads_do_not_count();

	listing->rows = NIL;
	listing->next = 0;
	while (listing->rows == NIL && !listing->ended)
	{
		List *words;

		CHECK_FOR_INTERRUPTS();
		SPI_connect();
		MemoryContextReset(listing->batch);
		words_row_forget(&listing->maker);
		MemoryContextSwitchTo(listing->batch);
		words = words_take(listing->words, listing->n);
		listing->ended = words == NIL;
		listing->n = Min(2 * listing->n, WORDS_AT_MOST);
		report_words(listing, words);
		SPI_finish();
	}
	reads_count_again(looking);
}

/* The caller wants no more rows. */
static void
stop(Datum arg)
{
	words_end(((Listing *) DatumGetPointer(arg))->words);
}

static Listing *
begin(FunctionCallInfo fcinfo, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Listing *listing = palloc0(sizeof(Listing));

	if (get_call_result_type(fcinfo, NULL, &listing->maker.desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	listing->maker.desc = BlessTupleDesc(listing->maker.desc);
	listing->words = words_begin(cxt);
	listing->n = WORDS_AT_FIRST;
	listing->batch = AllocSetContextCreate(cxt, "ownership disagreements", ALLOCSET_DEFAULT_SIZES);
	RegisterExprContextCallback(rsinfo->econtext, stop, PointerGetDatum(listing));
	MemoryContextSwitchTo(old);
	return listing;
}

/*
 * disagreement_rows(): the rows of the view disagreements, one a call, so that no
 * more words are looked at than a LIMIT needs.  Values that wait were not refused:
 * the view waiting has them.
 */
Datum
ownership_disagreement(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FuncCallContext *call;
	Listing *listing;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		call->user_fctx = begin(fcinfo, call->multi_call_memory_ctx);
	}
	call = SRF_PERCALL_SETUP();
	listing = call->user_fctx;
	if (listing->next == list_length(listing->rows))
		fill(listing);
	if (listing->next < list_length(listing->rows))
	{
		HeapTuple row = list_nth(listing->rows, listing->next++);

		SRF_RETURN_NEXT(call, HeapTupleGetDatum(row));
	}
	UnregisterExprContextCallback(rsinfo->econtext, stop, PointerGetDatum(listing));
	words_end(listing->words);
	SRF_RETURN_DONE(call);
}
