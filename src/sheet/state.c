/*
 * state.c
 *		What the map has of the fields of a spreadsheet's rows.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

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

/* A list in a cell of the view. */
static List *
state_list(const SheetState *state, SheetCell cell)
{
	SheetRow row = {0};

	row.cells[cell] = state->cells[cell];
	return sheet_list(&row, cell);
}

/* Fewer rows than that are looked up in the view one by one: it would be read as a whole. */
#define FEW_ROWS 1000

/*
 * What the map has of the fields of some rows, whose entity and field are set: an
 * array, by the view ownership.sheet.
 */
SheetState *
sheet_read(SheetRow **rows, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	Parameters p = {0};
	SheetState *states = new_states(rows, n, &p);
	bool labels = field_knows_settings();
	uint64 found;

#define READ_SHEET(label, from)                                                           \
	"SELECT s.n, v.entity, v.field, v.domain, v.owner, v.readers, v.writers, v.columns, " \
	"v.policy, v.key, v.local, v.rationale, v.decided_by, v.decided_on" label             \
	" FROM unnest($1, $2) WITH ORDINALITY s(entity, field, n), " from                     \
	" v WHERE v.entity = s.entity AND v.field = s.field"
#define ONE_BY_ONE \
	"LATERAL (SELECT * FROM ownership.sheet v WHERE v.entity = s.entity AND v.field = s.field OFFSET 0)"
	if (!labels)
		found = sql_run(READ_SHEET("", ONE_BY_ONE), &p);
	else if (n < FEW_ROWS)
		found = sql_run(READ_SHEET(", v.label", ONE_BY_ONE), &p);
	else
		found = sql_run(READ_SHEET(", v.label", "ownership.sheet"), &p);
	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];

		state->fresh = false;
		for (int c = 0; c < SHEET_LABEL + labels; c++)
			state->cells[c] = sql_result_text(r, c + 2);
		state->readers = state_list(state, SHEET_READERS);
		state->writers = state_list(state, SHEET_WRITERS);
		state->columns = state_list(state, SHEET_COLUMNS);
	}
	SPI_freetuptable(SPI_tuptable);
	return states;
}

/* The same without cells, for callers that need none. */
SheetState *
sheet_read_lists(SheetRow **rows, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	Parameters p = {0};
	SheetState *states = new_states(rows, n, &p);
	uint64 found;

#define OF_ROWS "FROM unnest($1, $2) WITH ORDINALITY s(entity, field, n) "
	found = sql_run("SELECT s.n " OF_ROWS
					"JOIN ownership.field f ON f.entity = s.entity AND f.name = s.field",
					&p);
	for (uint64 r = 0; r < found; r++)
		states[sql_result_int64(r, 1) - 1].fresh = false;
	SPI_freetuptable(SPI_tuptable);

	found = sql_run("SELECT s.n, a.mode, a.system " OF_ROWS
					"JOIN ownership.declared_access a ON a.entity = s.entity AND a.field = s.field",
					&p);
	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];
		char *system = sql_result_text(r, 3);

		if (strcmp(sql_result_text(r, 2), "read") == 0)
			state->readers = lappend(state->readers, system);
		else
			state->writers = lappend(state->writers, system);
	}
	SPI_freetuptable(SPI_tuptable);

	found = sql_run("SELECT s.n, c.table_schema, c.table_name, c.column_name " OF_ROWS
					"JOIN ownership.mirrored_column c ON c.entity = s.entity AND c.field = s.field",
					&p);
	MemoryContextSwitchTo(cxt);
	for (uint64 r = 0; r < found; r++)
	{
		SheetState *state = &states[sql_result_int64(r, 1) - 1];

		state->columns =
			lappend(state->columns, names_column_label(sql_result_text(r, 2), sql_result_text(r, 3),
													   sql_result_text(r, 4)));
	}
	SPI_freetuptable(SPI_tuptable);
	return states;
}
