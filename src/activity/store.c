/*
 * store.c
 *		The statements by which the worker writes counts and attempts to the tables.
 */
#include "postgres.h"

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
	" SELECT n.nspname, c.relname, t.attname, x.system,"
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
	" JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = x.attnum AND NOT t.attisdropped"
	/* a system that was renamed or deleted since then is no writer any more */
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

/* Runs a statement with the batch as its arguments, as the owner of the table. */
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

/* Adds a row for each column of a counter, from that row on.  Returns the row after them. */
static int
add_counter(Batch *batch, int row, const Counter *c)
{
	for (int bit = 0; bit < BLOCK_COLUMNS; bit++)
	{
		if ((c->key.columns >> bit & 1) == 0)
			continue;
		batch->values[0][row] = ObjectIdGetDatum(c->key.relation);
		batch->values[1][row] = Int16GetDatum(mailbox_attnum(&c->key, bit));
		set_text(batch, 2, row, c->key.system[0] == '\0' ? NULL : c->key.system);
		for (int k = 0; k < COUNT_KINDS; k++)
			batch->values[3 + k][row] = Int64GetDatum(c->counts.n[k]);
		set_time(batch, 3 + COUNT_KINDS, row, c->counts.first_seen);
		set_time(batch, 4 + COUNT_KINDS, row, c->counts.last_read);
		set_time(batch, 5 + COUNT_KINDS, row, c->counts.last_write);
		row++;
	}
	return row;
}

/*
 * Writes counters to rel, which is activity.  Leaves out those of an extension
 * that was dropped since then.
 */
void
store_counters(Relation rel, const Counter *counters, int n)
{
	Batch batch = {0};
	int row = 0;

	for (int i = 0; i < n; i++)
		if (counters[i].key.extension == RelationGetRelid(rel))
			batch.rows += pg_popcount64(counters[i].key.columns);
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
		if (counters[i].key.extension == RelationGetRelid(rel))
			row = add_counter(&batch, row, &counters[i]);
	write_batch(rel, write_counts, &batch);
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
	write_batch(rel, write_attempts, &batch);
}
