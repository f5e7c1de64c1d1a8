/*
 * store.c
 *		Many rows of the spreadsheet are stored by a few statements.
 *
 * Queries read what the map has of their fields, then one statement for each table
 * of the map writes what differs.  That is right only for rows that do not depend
 * on each other.  A row that takes a column from
 * another field, gives one up, or is about a field or column of another row of
 * these is stored alone, by sheet_store(), and in its order.  Where the map
 * refuses something, fewer and fewer rows are tried, until the row at fault is
 * alone, too: so errors are those of sheet_store().
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "sheet.h"

/* So many rows are stored at once: a sheet as a whole. */
#define ROWS_AT_MOST 1000000

/* So many rows are stored alone at most, before some are tried at once again. */
#define ROWS_ALONE 64

/* Rows that are stored at once. */
typedef struct Chunk
{
	SheetSet *set;
	int from; /* the first row */
	int n;
	int stored; /* so many of them were stored; the next one is stored alone */
	SheetState *before;
	List *columns; /* of Placed *: columns that are put on the map */
} Chunk;

/* A column that a row puts on the map. */
typedef struct Placed
{
	int row; /* of the chunk */
	char *schema;
	char *table;
	char *column;
} Placed;

static SheetRow *
chunk_row(const Chunk *chunk, int i)
{
	return chunk->set->rows[chunk->from + i];
}

/*
 * Does the row take no column from its field?  Notes the columns that it adds to
 * it, which must not be on the map.
 */
static bool
place_columns_of(Chunk *chunk, int i)
{
	const SheetRow *row = chunk_row(chunk, i);
	const SheetState *before = &chunk->before[i];
	List *columns = sheet_list(row, SHEET_COLUMNS);
	List *labels = NIL;
	ListCell *lc;

	if (columns == NIL && before->fresh)
		columns = sheet_default_columns(row->entity, row->field);
	if (columns == NIL)
		return true;
	foreach(lc, columns)
	{
		Placed *placed = palloc(sizeof(Placed));
		char *label;

		placed->row = i;
		names_split_column(lfirst(lc), &placed->schema, &placed->table, &placed->column);
		label = names_column_label(placed->schema, placed->table, placed->column);
		if (names_contain(labels, label))
			continue;
		labels = lappend(labels, label);
		if (!names_contain(before->columns, label))
			chunk->columns = lappend(chunk->columns, placed);
	}
	return names_all_among(before->columns, labels);
}

/* The first row of the chunk that must be stored alone; n: none. */
static int
first_alone(Chunk *chunk)
{
	Parameters p = {0};
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	int first = chunk->n;
	ListCell *lc;

	for (int i = 0; i < first; i++)
	{
		if (!place_columns_of(chunk, i))
			first = i;
	}
	for (int i = 0; i < first; i++)
	{
		parts[0] = lappend(parts[0], chunk_row(chunk, i)->entity);
		parts[1] = lappend(parts[1], chunk_row(chunk, i)->field);
	}
	sql_add_texts(&p, parts[0]);
	sql_add_texts(&p, parts[1]);
	foreach(lc, chunk->columns)
	{
		Placed *placed = lfirst(lc);

		parts[2] = lappend(parts[2], placed->schema);
		parts[3] = lappend(parts[3], placed->table);
		parts[4] = lappend(parts[4], placed->column);
	}
	for (int i = 2; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	/* rows about one field; columns of one row of the chunk only that are not on the map */
	if (sql_run("SELECT min(s.n), 0 FROM (SELECT n, row_number() OVER (PARTITION BY entity, field ORDER BY n) AS k "
				"FROM unnest($1, $2) WITH ORDINALITY s(entity, field, n)) s WHERE s.k > 1 "
				"UNION ALL SELECT 0, min(c.n) FROM (SELECT c.*, count(*) OVER (PARTITION BY c.s, c.t, c.c) AS k "
				"FROM unnest($3, $4, $5) WITH ORDINALITY c(s, t, c, n)) c WHERE c.k > 1 OR EXISTS "
				"(SELECT FROM ownership.mirrored_column m WHERE (m.table_schema, m.table_name, m.column_name) = (c.s, c.t, c.c))",
				&p) != 2)
		elog(ERROR, "unexpected number of rows");
	for (int r = 0; r < 2; r++)
	{
		int64 row = sql_result_int64(r, 1);
		int64 column = sql_result_int64(r, 2);

		if (row > 0)
			first = Min(first, row - 1);
		if (column > 0)
			first = Min(first, ((Placed *) list_nth(chunk->columns, column - 1))->row);
	}
	SPI_freetuptable(SPI_tuptable);
	return first;
}

static void
store_fields(const Chunk *chunk, int n)
{
	Parameters p = {0};
	List *parts[11] = {NIL};

	for (int i = 0; i < n; i++)
	{
		const SheetRow *row = chunk_row(chunk, i);
		char *const values[] = {row->entity,
								row->field,
								sheet_cell(row, SHEET_DOMAIN),
								row->owner,
								sheet_cell(row, SHEET_POLICY),
								sheet_bool(row, SHEET_KEY) ? "t" : "f",
								sheet_bool(row, SHEET_LOCAL) ? "t" : "f",
								row->cells[SHEET_RATIONALE],
								row->cells[SHEET_DECIDED_BY],
								sheet_cell(row, SHEET_DECIDED_ON),
								row->cells[SHEET_LABEL]};

		for (int v = 0; v < (int) lengthof(values); v++)
			parts[v] = lappend(parts[v], values[v]);
	}
	for (int v = 0; v < (int) lengthof(parts); v++)
		sql_add_texts(&p, parts[v]);
#define DECISIONS(t)                                                                               \
	t "domain, " t "owner, " t "policy, " t "key, " t "local, " t "rationale, " t "decided_by, " t \
	  "decided_on, " t "label"
	sql_run("INSERT INTO ownership.field AS f (entity, name, " DECISIONS(
				"") ") "
					"SELECT s.entity, s.name, s.domain, s.owner, s.policy, s.key::boolean, s.local::boolean, "
					"s.rationale, s.decided_by, s.decided_on::date, s.label "
					"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WITH ORDINALITY "
					"s(entity, name, " DECISIONS(
						"") ", n) ORDER BY s.n "
							"ON CONFLICT (entity, name) DO UPDATE SET (" DECISIONS("") ") = ROW(" DECISIONS(
								"excluded.") ") "
											 "WHERE (" DECISIONS("f.") ") IS DISTINCT FROM (" DECISIONS(
												 "excluded.") ")",
			&p);
#undef DECISIONS
}

/* Declared readers and writers that differ, and what they shall be. */
typedef struct Accesses
{
	List *fields[3]; /* entity, field and mode, of those that have systems too many */
	List *wanted[4]; /* the same and a system, of all that differ */
	bool any_more;	 /* systems are missing */
} Accesses;

static void
compare_access(Accesses *a, const SheetRow *row, char *mode, List *has, List *systems)
{
	char *parts[] = {row->entity, row->field, mode, NULL};
	bool more = !names_all_among(systems, has);
	bool less = !names_all_among(has, systems);
	ListCell *lc;

	a->any_more |= more;
	for (int i = 0; i < 3 && less; i++)
		a->fields[i] = lappend(a->fields[i], parts[i]);
	foreach(lc, more || less ? systems : NIL)
	{
		parts[3] = lfirst(lc);
		for (int i = 0; i < 4; i++)
			a->wanted[i] = lappend(a->wanted[i], parts[i]);
	}
}

static void
store_accesses(const Chunk *chunk, int n)
{
	Accesses a = {0};
	Parameters wanted = {0};
	Parameters all = {0};

	for (int i = 0; i < n; i++)
	{
		const SheetRow *row = chunk_row(chunk, i);

		compare_access(&a, row, "read", chunk->before[i].readers, sheet_list(row, SHEET_READERS));
		compare_access(&a, row, "write", chunk->before[i].writers, row->writers);
	}
	for (int i = 0; i < 4; i++)
	{
		sql_add_texts(&wanted, a.wanted[i]);
		sql_add_texts(&all, a.wanted[i]);
	}
	for (int i = 0; i < 3; i++)
		sql_add_texts(&all, a.fields[i]);
	if (a.fields[0] != NIL)
		sql_run("DELETE FROM ownership.declared_access d USING unnest($5, $6, $7) r(entity, field, mode) "
				"WHERE (d.entity, d.field, d.mode) = (r.entity, r.field, r.mode) "
				"AND NOT EXISTS (SELECT FROM unnest($1, $2, $3, $4) w(entity, field, mode, system) "
				"WHERE (w.entity, w.field, w.mode, w.system) = (d.entity, d.field, d.mode, d.system))",
				&all);
	if (a.any_more)
		sql_run("INSERT INTO ownership.declared_access (entity, field, mode, system) "
				"SELECT w.entity, w.field, w.mode, w.system FROM unnest($1, $2, $3, $4) "
				"WITH ORDINALITY w(entity, field, mode, system, n) ORDER BY w.n ON CONFLICT DO NOTHING",
				&wanted);
}

static void
store_columns(const Chunk *chunk, int n)
{
	Parameters p = {0};
	List *parts[5] = {NIL};
	List *schemas = NIL;
	List *tables = NIL;
	const Placed *last = NULL;
	ListCell *lc;

	foreach(lc, chunk->columns)
	{
		const Placed *placed = lfirst(lc);
		char *values[5];

		if (placed->row >= n)
			continue;
		values[0] = placed->schema;
		values[1] = placed->table;
		values[2] = placed->column;
		values[3] = chunk_row(chunk, placed->row)->entity;
		values[4] = chunk_row(chunk, placed->row)->field;
		for (int i = 0; i < 5; i++)
			parts[i] = lappend(parts[i], values[i]);
		if (last == NULL || strcmp(last->table, placed->table) != 0 ||
			strcmp(last->schema, placed->schema) != 0)
		{
			if (!lookup_is_mirrored(placed->schema, placed->table))
			{
				schemas = lappend(schemas, placed->schema);
				tables = lappend(tables, placed->table);
			}
			last = placed;
		}
	}
	if (schemas != NIL)
	{
		Parameters t = {0};

		/* a trigger would do it, table by table */
		sql_add_texts(&t, schemas);
		sql_add_texts(&t, tables);
		sql_run("INSERT INTO ownership.mirrored_table (table_schema, table_name) "
				"SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING",
				&t);
	}
	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	if (parts[0] != NIL)
		sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) "
				"SELECT s.s, s.t, s.c, s.entity, s.field "
				"FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY s(s, t, c, entity, field, n) ORDER BY s.n",
				&p);
}

/* Stores the first rows of the chunk, up to one that must be stored alone. */
static bool
store_chunk(void *arg)
{
	Chunk *chunk = arg;
	SheetSet *set = chunk->set;
	int n;

	for (int i = 0; i < chunk->n; i++)
	{
		SheetRow *row = chunk_row(chunk, i);

		row->entity = sheet_cell(row, SHEET_ENTITY);
		row->field = sheet_cell(row, SHEET_FIELD);
	}
	chunk->before = set->prepare == NULL ? sheet_read_lists(&set->rows[chunk->from], chunk->n)
										 : sheet_read(&set->rows[chunk->from], chunk->n);
	for (int i = 0; i < chunk->n; i++)
	{
		if (set->prepare != NULL)
			set->prepare(set->arg, chunk->from + i, &chunk->before[i]);
		sheet_take_owner(chunk_row(chunk, i));
	}
	n = first_alone(chunk);
	if (n > 0)
	{
		store_fields(chunk, n);
		store_accesses(chunk, n);
		store_columns(chunk, n);
	}
	chunk->stored = n;
	return true;
}

/* Tells the set's owner what became of the rows that were stored. */
static void
report(const Chunk *chunk)
{
	SheetSet *set = chunk->set;
	SheetState *after;

	if (set->stored == NULL || chunk->stored == 0)
		return;
	after = sheet_read(&set->rows[chunk->from], chunk->stored);
	for (int i = 0; i < chunk->stored; i++)
		set->stored(set->arg, chunk->from + i, &chunk->before[i], &after[i]);
}

/*
 * Stores all rows of a set, which have an entity and a field each and pass
 * sheet_checks, as if set->alone() were called for one after the other.  Needs SPI.
 */
void
sheet_store_set(SheetSet *set)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership sheet rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	int size = field_knows_settings() ? ROWS_AT_MOST : 0;
	int alone = 1;

	for (int next = 0; next < set->n;)
	{
		Chunk chunk = {set, next, Min(size, set->n - next), 0, NULL, NIL};
		ErrorData *error = NULL;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		if (chunk.n > 0)
			error = subxact_trial(store_chunk, &chunk);
		if (error == NULL)
			report(&chunk);
		MemoryContextSwitchTo(old);
		next += error == NULL ? chunk.stored : 0;
		if (error != NULL && chunk.n > 1)
			size = chunk.n / 2;
		else if (error == NULL && chunk.stored > 0)
		{
			size = Min(2 * size, ROWS_AT_MOST);
			alone = 1;
		}
		else
		{
			for (int i = 0; i < alone && next < set->n; i++)
				set->alone(set->arg, next++);
			alone = Min(2 * alone, ROWS_ALONE);
		}
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
}
