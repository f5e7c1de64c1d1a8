/*
 * state.c
 *		What the map has of the fields of a spreadsheet's rows.
 *
 * It is read from the tables of the map, with one query for each: the view
 * ownership.sheet, which shows the same, would look up and sort row by row.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/* A column that contains a field. */
typedef struct FieldColumn
{
	char *schema;
	char *table;
	char *column;
	bool authoritative;
} FieldColumn;

/* The states of rows, none of which is known yet; sets the parameters entity[] and field[]. */
static SheetState *
new_states(SheetRow **rows, int n, Parameters *p)
{
	SheetState *states = palloc0(Max(n, 1) * sizeof(SheetState));
	List *entities = NIL;
	List *fields = NIL;

	for (int i = 0; i < n; i++)
	{
		entities = lappend(entities, rows[i]->entity);
		fields = lappend(fields, rows[i]->field);
		states[i].fresh = true;
	}
	sql_add_texts(p, entities);
	sql_add_texts(p, fields);
	return states;
}

#define OF_ROWS "FROM unnest($1, $2) WITH ORDINALITY s(entity, field, n) "
#define FIELDS OF_ROWS "JOIN ownership.field_now f ON f.entity = s.entity AND f.name = s.field"

/* Reads the cells that are columns of ownership.field. */
static void
read_fields(SheetState *states, Parameters *p)
{
	static const SheetCell cells[] = {SHEET_ENTITY,		SHEET_FIELD,	 SHEET_DOMAIN,
									  SHEET_OWNER,		SHEET_POLICY,	 SHEET_KEY,
									  SHEET_LOCAL,		SHEET_RATIONALE, SHEET_DECIDED_BY,
									  SHEET_DECIDED_ON, SHEET_LABEL};
	bool labels = field_knows_settings();
	int n = lengthof(cells) - (labels ? 0 : 1);
	MemoryContext cxt = CurrentMemoryContext;
	uint64 found;

#define READ_CELLS(label)                                                                      \
	"SELECT s.n, f.entity, f.name, f.domain, f.owner, f.policy, left(f.key::text, 1), "        \
	"left(f.local::text, 1), f.rationale, f.decided_by, to_jsonb(f.decided_on) #>> '{}'" label \
	" " FIELDS
	found = labels ? sql_run_set(READ_CELLS(", f.label"), p) : sql_run_set(READ_CELLS(""), p);
	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];

		CHECK_FOR_INTERRUPTS();
		state->fresh = false;
		for (int c = 0; c < n; c++)
			state->cells[cells[c]] = sql_result_text(r, c + 2);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Reads which of the fields there are. */
static void
read_names(SheetState *states, Parameters *p)
{
	MemoryContext cxt = CurrentMemoryContext;
	uint64 found = sql_run_set("SELECT s.n " FIELDS, p);

	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
		states[sql_result_int64(r, 1) - 1].fresh = false;
	SPI_freetuptable(SPI_tuptable);
}

/* Reads the declared readers and writers. */
static void
read_access(SheetState *states, Parameters *p)
{
	MemoryContext cxt = CurrentMemoryContext;
	uint64 found =
		sql_run_set("SELECT s.n, a.mode = 'read', a.system " OF_ROWS
					"JOIN ownership.declared_access a ON a.entity = s.entity AND a.field = s.field",
					p);

	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];
		char *system = sql_result_text(r, 3);

		CHECK_FOR_INTERRUPTS();
		if (sql_result_bool(r, 2))
			state->readers = lappend(state->readers, system);
		else
			state->writers = lappend(state->writers, system);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* For list_sort(): as the view orders the columns of a field, the authoritative one first. */
static int
compare_columns(const ListCell *a, const ListCell *b)
{
	const FieldColumn *one = lfirst(a);
	const FieldColumn *other = lfirst(b);
	int order;

	if (one->authoritative != other->authoritative)
		return one->authoritative ? -1 : 1;
	order = strcmp(one->schema, other->schema);
	if (order == 0)
		order = strcmp(one->table, other->table);
	return order != 0 ? order : strcmp(one->column, other->column);
}

/* Reads the columns that contain the fields: lists of FieldColumn. */
static void
read_columns(SheetState *states, Parameters *p)
{
	MemoryContext cxt = CurrentMemoryContext;
	uint64 found =
		sql_run_set("SELECT s.n, c.table_schema, c.table_name, c.column_name, c.authoritative " OF_ROWS
					"JOIN ownership.mirrored_column c ON c.entity = s.entity AND c.field = s.field",
					p);

	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];
		FieldColumn *column = palloc(sizeof(FieldColumn));

		CHECK_FOR_INTERRUPTS();
		column->schema = sql_result_text(r, 2);
		column->table = sql_result_text(r, 3);
		column->column = sql_result_text(r, 4);
		column->authoritative = sql_result_bool(r, 5);
		state->columns = lappend(state->columns, column);
	}
	SPI_freetuptable(SPI_tuptable);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Begins the next element of a cell in the buffer. */
static void
add_separator(StringInfo buf)
{
	if (buf->len > 0)
		appendStringInfoString(buf, "; ");
}

/* The systems as a cell of the view; the buffer is the caller's. */
static char *
system_cell(List *systems, StringInfo buf)
{
	ListCell *lc;

	if (systems == NIL)
		return NULL;
	if (list_length(systems) == 1)
		return linitial(systems);
	list_sort(systems, compare_names);
	resetStringInfo(buf);
	foreach(lc, systems)
	{
		add_separator(buf);
		appendStringInfoString(buf, lfirst(lc));
	}
	return pstrdup(buf->data);
}

/* The columns (FieldColumn) as a cell of the view; the buffer is the caller's. */
static char *
column_cell(List *columns, StringInfo buf)
{
	ListCell *lc;

	if (columns == NIL)
		return NULL;
	list_sort(columns, compare_columns);
	resetStringInfo(buf);
	foreach(lc, columns)
	{
		const FieldColumn *c = lfirst(lc);

		add_separator(buf);
		if (strcmp(c->schema, "public") != 0)
		{
			appendStringInfoString(buf, quote_identifier(c->schema));
			appendStringInfoChar(buf, '.');
		}
		appendStringInfoString(buf, quote_identifier(c->table));
		appendStringInfoChar(buf, '.');
		appendStringInfoString(buf, quote_identifier(c->column));
	}
	return pstrdup(buf->data);
}

/*
 * What the map has of the fields of some rows, whose entity and field are set: an
 * array.  cells: the cells of the view ownership.sheet, too.
 */
SheetState *
sheet_read(SheetRow **rows, int n, bool cells)
{
	Parameters p = {0};
	SheetState *states = new_states(rows, n, &p);
	StringInfoData buf;

	initStringInfo(&buf);
	if (cells)
		read_fields(states, &p);
	else
		read_names(states, &p);
	read_access(states, &p);
	read_columns(states, &p);
	for (int i = 0; i < n; i++)
	{
		SheetState *state = &states[i];
		ListCell *lc;

		if (cells)
		{
			state->cells[SHEET_READERS] = system_cell(state->readers, &buf);
			state->cells[SHEET_WRITERS] = system_cell(state->writers, &buf);
			state->cells[SHEET_COLUMNS] = column_cell(state->columns, &buf);
		}
		foreach(lc, state->columns)
		{
			const FieldColumn *c = lfirst(lc);

			lfirst(lc) = names_column_label(c->schema, c->table, c->column);
		}
	}
	pfree(buf.data);
	return states;
}
