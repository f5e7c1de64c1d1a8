/*
 * store.c
 *		The statements by which the worker writes counts and attempts to the tables.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../catalog/catalog.h"
#include "activity.h"

static const char write_counts[] =
	"INSERT INTO ownership.activity AS a (table_schema, table_name, column_name, system,"
	" reads, writes, observed, filled, kept, rejected, overridden, first_seen, last_read, last_write)"
	/* column 0: rows that came and wrote no column */
	" SELECT n.nspname, c.relname, coalesce(t.attname, ''), x.system,"
	" x.reads, x.writes, x.observed, x.filled, x.kept, x.rejected, x.overridden, x.first, x.read, x.write"
	/* a column has a row for each of its counters */
	" FROM (SELECT relation, attnum, system, sum(reads)::bigint AS reads, sum(writes)::bigint AS writes,"
	" sum(observed)::bigint AS observed, sum(filled)::bigint AS filled, sum(kept)::bigint AS kept,"
	" sum(rejected)::bigint AS rejected, sum(overridden)::bigint AS overridden,"
	" min(first) AS first, max(read) AS read, max(write) AS write"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	" AS u (relation, attnum, system, reads, writes, observed, filled, kept, rejected, overridden, first, read, write)"
	" GROUP BY relation, attnum, system) x"
	" JOIN pg_class c ON c.oid = x.relation"
	" JOIN pg_namespace n ON n.oid = c.relnamespace"
	" LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = x.attnum AND x.attnum > 0 AND NOT t.attisdropped"
	/* a system that was renamed or deleted since then is no writer any more */
	" WHERE (x.attnum = 0 OR t.attnum IS NOT NULL) AND (x.system IS NULL OR EXISTS (SELECT FROM ownership.system s WHERE s.name = x.system))"
	" ORDER BY 1, 2, 3, 4"
	" ON CONFLICT (table_schema, table_name, column_name, system) DO UPDATE SET"
	" reads = a.reads + excluded.reads, writes = a.writes + excluded.writes,"
	" observed = a.observed + excluded.observed, filled = a.filled + excluded.filled,"
	" kept = a.kept + excluded.kept, rejected = a.rejected + excluded.rejected,"
	" overridden = a.overridden + excluded.overridden,"
	" first_seen = least(a.first_seen, excluded.first_seen),"
	" last_read = greatest(a.last_read, excluded.last_read),"
	" last_write = greatest(a.last_write, excluded.last_write)";

static const char lock_systems[] =
	"SELECT FROM ownership.system WHERE name = ANY ($1) FOR KEY SHARE";

static const char write_conflicts[] =
	"WITH x AS MATERIALIZED ("
	" SELECT n.nspname::text AS schema, c.relname::text AS name, x.system, x.outcome, sum(x.rows)::bigint AS rows"
	" FROM unnest($1, $2, $3, $4) AS x (relation, system, outcome, rows)"
	" JOIN pg_class c ON c.oid = x.relation"
	" JOIN pg_namespace n ON n.oid = c.relnamespace"
	" WHERE x.system IS NULL OR EXISTS (SELECT FROM ownership.system s WHERE s.name = x.system)"
	" GROUP BY 1, 2, 3, 4"
	"), written AS ("
	" INSERT INTO ownership.conflict_count AS t (table_schema, table_name, system, outcome, rows)"
	" SELECT schema, name, system, outcome, rows FROM x ORDER BY 1, 2, 3, 4"
	" ON CONFLICT (table_schema, table_name, system, outcome) DO UPDATE SET rows = t.rows + excluded.rows)"
	" SELECT schema, name, system, outcome, rows FROM x";

static const char write_attempts[] =
	"INSERT INTO ownership.conflict (recorded_at, table_schema, table_name, row_key, operation,"
	" system, role, origin, application_name, outcome, columns, stored, proposed)"
	" SELECT x.at, x.schema, x.name, x.key::jsonb, x.operation, x.system, x.role, x.origin,"
	" x.application, 'rejected', x.columns::name[], x.stored::jsonb, x.proposed::jsonb"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
	" AS x (at, schema, name, key, operation, system, role, origin, application, columns, stored, proposed)";

/* Rows to be written, column by column, for unnest(). */
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

/* The rows that the statement returned, as a list of ConflictCount in this memory context. */
static List *
returned_counts(MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	List *counts = NIL;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		ConflictCount *c = palloc(sizeof(ConflictCount));

		c->schema = sql_result_text(i, 1);
		c->table = sql_result_text(i, 2);
		c->system = sql_result_text(i, 3);
		c->outcome = sql_result_text(i, 4);
		c->rows = sql_result_int64(i, 5);
		counts = lappend(counts, c);
	}
	MemoryContextSwitchTo(old);
	return counts;
}

/*
 * Runs a statement with the batch as its arguments, as the owner of the table.
 * counts: takes the counts that it returns; NULL: it returns none.
 */
static void
run_batch(Relation rel, const char *sql, const Batch *batch, List **counts)
{
	MemoryContext cxt = CurrentMemoryContext;
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
	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	if (counts != NULL)
		*counts = returned_counts(cxt);
	SPI_finish();
	role_restore(&self);
}

/*
 * Until the end of the transaction, none of the systems in that column of the batch is
 * renamed or deleted.
 */
static void
hold_systems(const Batch *batch, int column)
{
	Batch names = {0};
	Relation rel = table_open(catalog_table("system", false), RowShareLock);

	names.rows = batch->rows;
	names.columns = 1;
	names.types[0] = batch->types[column];
	names.values[0] = batch->values[column];
	names.nulls[0] = batch->nulls[column];
	run_batch(rel, lock_systems, &names, NULL);
	table_close(rel, NoLock);
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

/* The bits of a counter's key that are columns, not WHOLE_ROW. */
static uint64
columns_of(const Counter *c)
{
	return c->key.block == 0 ? c->key.columns & ~UINT64CONST(1) : c->key.columns;
}

/* Does the counter say when a row came that wrote no column? */
static bool
counts_arrivals(const Counter *c)
{
	return columns_of(c) != c->key.columns && c->counts.last_write != 0;
}

/* Adds a row of which only the time of the last write counts. */
static void
add_arrival(Batch *batch, int row, const Counter *c)
{
	batch->values[0][row] = ObjectIdGetDatum(c->key.relation);
	batch->values[1][row] = Int16GetDatum(WHOLE_ROW);
	set_text(batch, 2, row, c->key.system[0] == '\0' ? NULL : c->key.system);
	for (int k = 0; k < COLUMN_COUNT_KINDS; k++)
		batch->values[3 + k][row] = Int64GetDatum(0);
	set_time(batch, 3 + COLUMN_COUNT_KINDS, row, c->counts.first_seen);
	set_time(batch, 4 + COLUMN_COUNT_KINDS, row, 0);
	set_time(batch, 5 + COLUMN_COUNT_KINDS, row, c->counts.last_write);
}

/* Adds a row for each column of a counter, from that row on.  Returns the row after them. */
static int
add_counter(Batch *batch, int row, const Counter *c)
{
	for (int bit = 0; bit < BLOCK_COLUMNS; bit++)
	{
		if ((columns_of(c) >> bit & 1) == 0)
			continue;
		batch->values[0][row] = ObjectIdGetDatum(c->key.relation);
		batch->values[1][row] = Int16GetDatum(mailbox_attnum(&c->key, bit));
		set_text(batch, 2, row, c->key.system[0] == '\0' ? NULL : c->key.system);
		for (int k = 0; k < COLUMN_COUNT_KINDS; k++)
			batch->values[3 + k][row] = Int64GetDatum(c->counts.n[k]);
		set_time(batch, 3 + COLUMN_COUNT_KINDS, row, c->counts.first_seen);
		set_time(batch, 4 + COLUMN_COUNT_KINDS, row, c->counts.last_read);
		set_time(batch, 5 + COLUMN_COUNT_KINDS, row, c->counts.last_write);
		row++;
	}
	if (counts_arrivals(c))
		add_arrival(batch, row++, c);
	return row;
}

/*
 * Writes the counters of columns to rel, which is activity.  Leaves out those of an
 * extension that was dropped since then.
 */
void
store_counters(Relation rel, const Counter *counters, int n)
{
	Batch batch = {0};
	int row = 0;

	for (int i = 0; i < n; i++)
		if (counters[i].key.extension == RelationGetRelid(rel))
			batch.rows += pg_popcount64(columns_of(&counters[i])) + counts_arrivals(&counters[i]);
	if (batch.rows == 0)
		return;
	add_column(&batch, OIDOID);
	add_column(&batch, INT2OID);
	add_column(&batch, TEXTOID);
	for (int k = 0; k < COLUMN_COUNT_KINDS; k++)
		add_column(&batch, INT8OID);
	for (int k = 0; k < 3; k++)
		add_column(&batch, TIMESTAMPTZOID);
	for (int i = 0; i < n; i++)
		if (counters[i].key.extension == RelationGetRelid(rel))
			row = add_counter(&batch, row, &counters[i]);
	hold_systems(&batch, 2);
	run_batch(rel, write_counts, &batch, NULL);
}

/* The outcome that a kind of count stands for; NULL: none. */
static const char *
outcome_of(CountKind kind)
{
	switch (kind)
	{
		case COUNT_OBSERVED:
			return "observed";
		case COUNT_FILLED:
			return "filled";
		case COUNT_KEPT:
			return "kept";
		case COUNT_REJECTED:
			return "rejected";
		case COUNT_OVERRIDDEN:
			return "overridden";
		case COUNT_DISCARDED:
			return "discarded";
		case COUNT_PARKED:
			return "parked";
		case COUNT_READS:
		case COUNT_WRITES:
			break;
	}
	return NULL;
}

/* Does the counter count rows in conflict, for this extension? */
static bool
counts_conflicts(const Counter *counter, Oid extension)
{
	return counter->key.extension == extension && columns_of(counter) != counter->key.columns;
}

/*
 * Writes the counters of rows to rel, which is conflict_count.  extension: the OID of
 * activity.  Returns what was added, as a list of ConflictCount.
 */
List *
store_conflict_counts(Relation rel, Oid extension, const Counter *counters, int n)
{
	Batch batch = {0};
	List *counts = NIL;
	int row = 0;

	for (int i = 0; i < n; i++)
		for (int k = 0; k < COUNT_KINDS && counts_conflicts(&counters[i], extension); k++)
			batch.rows += outcome_of(k) != NULL && counters[i].counts.n[k] > 0;
	if (batch.rows == 0)
		return NIL;
	add_column(&batch, OIDOID);
	add_column(&batch, TEXTOID);
	add_column(&batch, TEXTOID);
	add_column(&batch, INT8OID);
	for (int i = 0; i < n; i++)
	{
		const Counter *c = &counters[i];

		for (int k = 0; k < COUNT_KINDS && counts_conflicts(c, extension); k++)
		{
			if (outcome_of(k) == NULL || c->counts.n[k] <= 0)
				continue;
			batch.values[0][row] = ObjectIdGetDatum(c->key.relation);
			set_text(&batch, 1, row, c->key.system[0] == '\0' ? NULL : c->key.system);
			set_text(&batch, 2, row, outcome_of(k));
			batch.values[3][row] = Int64GetDatum(c->counts.n[k]);
			row++;
		}
	}
	hold_systems(&batch, 1);
	run_batch(rel, write_conflicts, &batch, &counts);
	return counts;
}

/* The same for attempts, to rel, which is conflict.  extension: the OID of activity. */
void
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
	run_batch(rel, write_attempts, &batch, NULL);
}
