/*
 * links.c
 *		suggest_links(): columns that contain the same field find each other by their
 *		values.
 *
 * Each table is read once for sketches of its columns (scan.c, sketch.c).  By these, pairs
 * of tables are found whose rows may have a key in common (keys.c).  Then each table is read
 * again for some hundred rows of each such key, by which the other columns are compared
 * row by row (agree.c, judge.c), and what agrees is counted as drift() counts it
 * (verify.c).
 *
 * Sketches and rows take about as much memory as a hash table may (work_mem): with more
 * columns the sketches get smaller, and pairs of tables that do not fit into memory
 * together are compared in batches, for each of which the tables are read again.
 */
#include "postgres.h"

#include "executor/nodeHash.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../activity/activity.h"
#include "links.h"

PG_FUNCTION_INFO_V1(ownership_suggest_links);

/* Hashes of a sketch. */
#define LEAST_HASHES 128
#define MOST_HASHES 1024

/* Rows of a key that are compared. */
#define ROWS 256

/* A row that is kept, besides its cells, in bytes: the entry at half load, and its key. */
#define ROW_BYTES (2 * sizeof(LinkRow) + 64)

/* From this time on, in seconds, a notice names each table. */
#define LONG_RUN 10

/* The pairs of keys of two tables. */
typedef struct TablePair
{
	LinkTable *a;
	LinkTable *b;
	List *keys; /* KeyPair * */
} TablePair;

static TimestampTz started;

/* What is done with the table, where the run is long. */
static void
tell_progress(const LinkTable *t, const char *what, int i, int n)
{
	CHECK_FOR_INTERRUPTS();
	if (!TimestampDifferenceExceeds(started, GetCurrentTimestamp(), LONG_RUN * 1000))
		return;
	ereport(NOTICE, (errmsg("%s table \"%s\" (%d of %d)", what,
							names_message_relation(t->schema, t->table), i, n)));
}

/* Reads all tables for their sketches; returns those that could be read. */
static List *
scan_tables(List *tables)
{
	List *scanned = NIL;
	int ncells = 0;
	int k;
	ListCell *lc;

	foreach(lc, tables)
		ncells += ((LinkTable *) lfirst(lc))->ncells;
	k = get_hash_memory_limit() / 2 / sizeof(uint64) / Max(ncells, 1);
	k = Max(LEAST_HASHES, Min(MOST_HASHES, k));
	foreach(lc, tables)
	{
		LinkTable *t = lfirst(lc);

		tell_progress(t, "reading", foreach_current_index(lc) + 1, list_length(tables));
		if (!links_scan(t, k))
			continue;
		links_find_keys(t);
		scanned = lappend(scanned, t);
	}
	return scanned;
}

/* The pairs of tables, as TablePair *, whose rows may have a key in common. */
static List *
find_table_pairs(List *tables, List *references)
{
	List *pairs = NIL;
	ListCell *la;
	ListCell *lb;

	foreach(la, tables)
		for_each_from(lb, tables, foreach_current_index(la) + 1)
		{
			List *keys = links_key_pairs(lfirst(la), lfirst(lb), references);

			CHECK_FOR_INTERRUPTS();
			if (keys != NIL)
			{
				TablePair *pair = palloc(sizeof(TablePair));

				pair->a = lfirst(la);
				pair->b = lfirst(lb);
				pair->keys = keys;
				pairs = lappend(pairs, pair);
			}
		}
	return pairs;
}

/* The rows that a pair of tables needs, in bytes. */
static size_t
bytes_of(const TablePair *pair)
{
	return list_length(pair->keys) * (size_t) ROWS *
		   ((pair->a->ncells + pair->b->ncells) * sizeof(uint32) + 2 * ROW_BYTES);
}

/* The rows of both tables are wanted that have the lowest keys of the smaller one. */
static void
want_rows(const KeyPair *key)
{
	bool a = key->a->sketch->distinct / key->a->column->table->fraction <=
			 key->b->sketch->distinct / key->b->column->table->fraction;
	const Sketch *small = a ? key->a->sketch : key->b->sketch;

	links_rows_want(&key->a->rows, small, ROWS);
	links_rows_want(&key->b->rows, small, ROWS);
}

/* Reads the rows that a batch of TablePair * needs. */
static void
scan_batch(List *batch)
{
	List *tables = NIL;
	ListCell *lc;
	ListCell *lp;

	foreach(lc, batch)
	{
		TablePair *pair = lfirst(lc);

		tables = list_append_unique_ptr(tables, pair->a);
		tables = list_append_unique_ptr(tables, pair->b);
		foreach(lp, pair->keys)
			want_rows(lfirst(lp));
	}
	foreach(lc, tables)
	{
		LinkTable *t = lfirst(lc);
		List *keys = NIL;

		foreach(lp, t->keys)
			if (((LinkKey *) lfirst(lp))->rows.n > 0)
				keys = lappend(keys, lfirst(lp));
		tell_progress(t, "comparing", foreach_current_index(lc) + 1, list_length(tables));
		links_scan_rows(t, keys);
	}
	foreach(lc, tables)
	{
		LinkTable *t = lfirst(lc);
		List *pairs = NIL;

		if (t->fraction == 1)
			continue;
		foreach(lp, batch)
		{
			TablePair *pair = lfirst(lp);

			if (pair->a == t || pair->b == t)
				pairs = list_concat(pairs, pair->keys);
		}
		links_look_up(t, pairs);
	}
}

/* The pairs of columns, as LinkPair *, that a batch of TablePair * has. */
static List *
compare_batch(List *batch, MemoryContext rows)
{
	MemoryContext old = MemoryContextSwitchTo(rows);
	List *pairs = NIL;
	ListCell *lc;
	ListCell *lp;

	scan_batch(batch);
	foreach(lc, batch)
	{
		TablePair *pair = lfirst(lc);
		List *found;

		CHECK_FOR_INTERRUPTS();
		foreach(lp, pair->keys)
			links_align(lfirst(lp), ROWS);
		MemoryContextSwitchTo(old);
		found = links_judge(pair->keys);
		pairs = list_concat(pairs, found);
		MemoryContextSwitchTo(rows);
	}
	foreach(lc, batch)
		foreach(lp, ((TablePair *) lfirst(lc))->keys)
		{
			KeyPair *key = lfirst(lp);

			memset(&key->a->rows, 0, sizeof(LinkRows));
			memset(&key->b->rows, 0, sizeof(LinkRows));
			key->nrows = 0;
		}
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows);
	return pairs;
}

/* The pairs of columns of all pairs of tables, batch by batch. */
static List *
compare_tables(List *table_pairs)
{
	MemoryContext rows =
		AllocSetContextCreate(CurrentMemoryContext, "ownership rows", ALLOCSET_DEFAULT_SIZES);
	size_t most = get_hash_memory_limit() / 2;
	size_t bytes = 0;
	List *batch = NIL;
	List *pairs = NIL;
	ListCell *lc;

	foreach(lc, table_pairs)
	{
		TablePair *pair = lfirst(lc);

		if (batch != NIL && bytes + bytes_of(pair) > most)
		{
			pairs = list_concat(pairs, compare_batch(batch, rows));
			batch = NIL;
			bytes = 0;
		}
		batch = lappend(batch, pair);
		bytes += bytes_of(pair);
	}
	if (batch != NIL)
		pairs = list_concat(pairs, compare_batch(batch, rows));
	MemoryContextDelete(rows);
	return pairs;
}

/* Sets a share with three decimals, which is 1 only where it is exactly that; negative is NULL. */
static void
put_share(Datum *values, bool *nulls, int i, double value)
{
	char *text;

	nulls[i] = value < 0;
	if (value < 0)
		return;
	text = psprintf("%.3f", value >= 1 ? 1.0 : (int) (value * 1000) / 1000.0);
	values[i] = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									Int32GetDatum(-1));
}

static int
by_label(const ListCell *a, const ListCell *b)
{
	return strcmp(links_label(lfirst(a)), links_label(lfirst(b)));
}

static void
put_group(ReturnSetInfo *rsinfo, LinkGroup *group, List *tables)
{
	char *field = links_field(group, tables);
	Datum values[8];
	bool nulls[8] = {false};
	List *labels = NIL;
	double contained = 2;
	double agree = 2;
	Parameters array = {0};
	ListCell *lc;

	list_sort(group->columns, by_label);
	foreach(lc, group->columns)
		labels = lappend(labels, links_label(lfirst(lc)));
	foreach(lc, group->pairs)
	{
		const LinkPair *pair = lfirst(lc);

		if (pair->contained >= 0)
			contained = Min(contained, pair->contained);
		if (pair->agree >= 0)
			agree = Min(agree, pair->agree);
	}
	sql_add_texts(&array, labels);
	values[0] = CStringGetTextDatum(field);
	values[1] = array.values[0];
	values[2] = CStringGetTextDatum(links_key(group));
	put_share(values, nulls, 3, contained > 1 ? -1 : contained);
	put_share(values, nulls, 4, agree > 1 ? -1 : agree);
	values[5] = BoolGetDatum(group->sure);
	values[6] = CStringGetTextDatum(links_reason(group));
	values[7] = CStringGetTextDatum(links_statement(group, field));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * suggest_links(pattern): (field, columns, key, contained, agree, sure, reason, statement)
 *
 * Errors: the pattern is NULL; no table matches.
 */
Datum
ownership_suggest_links(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List *references;
	List *tables;
	List *pairs;
	ListCell *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	started = GetCurrentTimestamp();
	SPI_connect();
	tables = scan_tables(links_tables(text_to_cstring(PG_GETARG_TEXT_PP(0)), &references));
	pairs = compare_tables(find_table_pairs(tables, references));
	foreach(lc, links_group(tables, pairs))
		if (links_is_news(lfirst(lc)))
			put_group(rsinfo, lfirst(lc), tables);
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
