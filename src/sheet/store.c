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
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "sheet.h"

/* So many rows are stored at once: a sheet as a whole. */
#define ROWS_AT_MOST 1000000

/* So many rows are tried at once, where rows that must be stored alone are among them. */
#define ROWS_AT_LEAST 64

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
	bool *refers;  /* by row: it adds accesses or columns to its field */
} Chunk;

/* A column that a row puts on the map. */
typedef struct Placed
{
	int row; /* of the chunk */
	char *schema;
	char *table;
	char *column;
	char *label; /* of all three */
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

		placed->row = i;
		names_split_column(lfirst(lc), &placed->schema, &placed->table, &placed->column);
		placed->label = names_column_label(placed->schema, placed->table, placed->column);
		if (names_contain(labels, placed->label))
			continue;
		labels = lappend(labels, placed->label);
		if (!names_contain(before->columns, placed->label))
			chunk->columns = lappend(chunk->columns, placed);
	}
	return names_all_among(before->columns, labels);
}

/* A text of the chunk, and the first row that contains it. */
typedef struct FirstRow
{
	const char *text; /* key */
	int row;
} FirstRow;

/* The first row that contains the text; it is this one if none was entered before. */
static int
first_row(HTAB *hash, const char *text, int row)
{
	bool found;
	FirstRow *first = hash_search(hash, &text, HASH_ENTER, &found);

	if (!found)
		first->row = row;
	return first->row;
}

/* The first row of the chunk that is about a field of an earlier row of its first n; n: none. */
static int
first_repeated(const Chunk *chunk, int n)
{
	HTAB *fields = resolve_hash(sizeof(FirstRow));
	int first = n;

	for (int i = 0; i < n && first == n; i++)
	{
		const SheetRow *row = chunk_row(chunk, i);

		if (first_row(fields, psprintf("%s.%s", row->entity, row->field), i) != i)
			first = i;
	}
	hash_destroy(fields);
	return first;
}

/* The first row of the chunk whose column another of its rows puts on the map, too; n: none. */
static int
first_shared(const Chunk *chunk, int n)
{
	HTAB *columns = resolve_hash(sizeof(FirstRow));
	int first = n;
	ListCell *lc;

	foreach(lc, chunk->columns)
	{
		const Placed *placed = lfirst(lc);
		int row = first_row(columns, placed->label, placed->row);

		if (row != placed->row)
			first = Min(first, row);
	}
	hash_destroy(columns);
	return first;
}

/* The first row of the chunk whose column is on the map already, in another field; n: none. */
static int
first_taking(const Chunk *chunk, int n)
{
	Parameters p = {0};
	List *parts[3] = {NIL};
	ListCell *lc;
	int64 column;

	if (chunk->columns == NIL)
		return n;
	foreach(lc, chunk->columns)
	{
		const Placed *placed = lfirst(lc);

		parts[0] = lappend(parts[0], placed->schema);
		parts[1] = lappend(parts[1], placed->table);
		parts[2] = lappend(parts[2], placed->column);
	}
	for (int i = 0; i < 3; i++)
		sql_add_texts(&p, parts[i]);
	if (sql_run_set("SELECT min(c.n) FROM unnest($1, $2, $3) WITH ORDINALITY c(s, t, c, n) "
					"JOIN ownership.mirrored_column m "
					"ON (m.table_schema, m.table_name, m.column_name) = (c.s, c.t, c.c)",
					&p) != 1)
		elog(ERROR, "unexpected number of rows");
	column = sql_result_int64(0, 1);
	SPI_freetuptable(SPI_tuptable);
	return column == 0 ? n : ((Placed *) list_nth(chunk->columns, column - 1))->row;
}

/* The first row of the chunk that must be stored alone; n: none. */
static int
first_alone(Chunk *chunk)
{
	int first = chunk->n;
	int n;

	for (int i = 0; i < first; i++)
	{
		if (!place_columns_of(chunk, i))
			first = i;
	}
	n = first;
	first = Min(first, first_repeated(chunk, n));
	first = Min(first, first_shared(chunk, n));
	return Min(first, first_taking(chunk, n));
}

/* Declared readers and writers, by entity, field, mode and system. */
typedef struct Accesses
{
	List *missing[4];
	List *unwanted[4];
} Accesses;

/* Adds the systems that are not among the others, each once. */
static void
add_accesses(List **parts, const SheetRow *row, char *mode, List *systems, List *others)
{
	List *added = NIL;
	ListCell *lc;

	foreach(lc, systems)
	{
		char *values[] = {row->entity, row->field, mode, lfirst(lc)};

		if (names_contain(others, lfirst(lc)) || names_contain(added, lfirst(lc)))
			continue;
		added = lappend(added, lfirst(lc));
		for (int i = 0; i < 4; i++)
			parts[i] = lappend(parts[i], values[i]);
	}
}

static void
compare_access(Accesses *a, const SheetRow *row, char *mode, List *has, List *systems)
{
	add_accesses(a->missing, row, mode, systems, has);
	add_accesses(a->unwanted, row, mode, has, systems);
}

/* Compares the declared readers and writers of the first rows with what the map has. */
static void
compare_accesses(Chunk *chunk, int n, Accesses *a)
{
	for (int i = 0; i < n; i++)
	{
		const SheetRow *row = chunk_row(chunk, i);
		int missing = list_length(a->missing[0]);

		compare_access(a, row, "read", chunk->before[i].readers, sheet_list(row, SHEET_READERS));
		compare_access(a, row, "write", chunk->before[i].writers, row->writers);
		chunk->refers[i] |= list_length(a->missing[0]) > missing;
	}
}

/* Are the fields there to which accesses and columns of the first rows refer?  Locks them. */
static bool
lock_fields(const Chunk *chunk, int n)
{
	List *entities = NIL;
	List *fields = NIL;

	for (int i = 0; i < n; i++)
	{
		if (!chunk->refers[i])
			continue;
		entities = lappend(entities, chunk_row(chunk, i)->entity);
		fields = lappend(fields, chunk_row(chunk, i)->field);
	}
	return entities == NIL || reference_fields(entities, fields);
}

static void
store_accesses(const Accesses *a, bool fields)
{
	Parameters missing = {0};
	Parameters unwanted = {0};

	for (int i = 0; i < 4; i++)
	{
		sql_add_texts(&missing, a->missing[i]);
		sql_add_texts(&unwanted, a->unwanted[i]);
	}
	if (a->unwanted[0] != NIL)
		sql_run_set("DELETE FROM ownership.declared_access d USING unnest($1, $2, $3, $4) w(entity, field, mode, system) "
					"WHERE (d.entity, d.field, d.mode, d.system) = (w.entity, w.field, w.mode, w.system)",
					&unwanted);
	if (a->missing[0] != NIL)
		sheet_insert_rows("INSERT INTO ownership.declared_access (entity, field, mode, system) "
						  "SELECT unnest($1), unnest($2), unnest($3), unnest($4)",
						  &missing, fields && reference_systems(a->missing[3]));
}

static void
store_columns(const Chunk *chunk, int n, bool fields)
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
		sql_run_set("INSERT INTO ownership.mirrored_table (table_schema, table_name) "
					"SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING",
					&t);
	}
	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	if (parts[0] != NIL)
		sheet_insert_rows("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) "
						  "SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)",
						  &p, fields && reference_tables(parts[0], parts[1]));
}

/* Stores the first rows of the chunk, up to one that must be stored alone. */
static bool
store_chunk(void *arg)
{
	Chunk *chunk = arg;
	SheetSet *set = chunk->set;
	ListCell *lc;
	int n;

	for (int i = 0; i < chunk->n; i++)
	{
		SheetRow *row = chunk_row(chunk, i);

		row->entity = sheet_cell(row, SHEET_ENTITY);
		row->field = sheet_cell(row, SHEET_FIELD);
	}
	chunk->before = sheet_read(&set->rows[chunk->from], chunk->n, set->prepare != NULL);
	for (int i = 0; i < chunk->n; i++)
	{
		if (set->prepare != NULL)
			set->prepare(set->arg, chunk->from + i, &chunk->before[i]);
		sheet_take_owner(chunk_row(chunk, i));
	}
	n = first_alone(chunk);
	if (n > 0)
	{
		Accesses accesses = {0};
		bool fields;

		chunk->refers = palloc0(n * sizeof(bool));
		foreach(lc, chunk->columns)
		{
			int row = ((const Placed *) lfirst(lc))->row;

			if (row < n)
				chunk->refers[row] = true;
		}
		compare_accesses(chunk, n, &accesses);
		sheet_store_fields(&set->rows[chunk->from], chunk->before, n);
		fields = lock_fields(chunk, n);
		store_accesses(&accesses, fields);
		store_columns(chunk, n, fields);
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
	after = sheet_read(&set->rows[chunk->from], chunk->stored, true);
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
		Chunk chunk = {set, next, Min(size, set->n - next), 0, NULL, NIL, NULL};
		ErrorData *error = NULL;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cxt);
		if (chunk.n > 0)
			error = subxact_trial(store_chunk, &chunk);
		if (error == NULL)
			report(&chunk);
		MemoryContextSwitchTo(old);
		next += error == NULL ? chunk.stored : 0;
		/* what is read of rows that are not stored is read again */
		if (error != NULL && chunk.n > 1)
			size = chunk.n / 2;
		else if (chunk.stored == chunk.n)
			size = Min(4 * size, ROWS_AT_MOST);
		else if (size > ROWS_AT_LEAST)
			size = Max(2 * chunk.stored, ROWS_AT_LEAST);
		if (error == NULL && chunk.stored > 0)
			alone = chunk.stored < ROWS_AT_LEAST ? alone : 1;
		else if (error == NULL || chunk.n <= 1)
		{
			for (int i = 0; i < alone && next < set->n; i++)
				set->alone(set->arg, next++);
			alone = Min(2 * alone, ROWS_ALONE);
		}
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
}
