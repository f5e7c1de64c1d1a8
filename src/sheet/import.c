/*
 * import.c
 *		import_sheet(): imports the spreadsheet as it comes out of a workshop.
 *
 * decode.c makes the file's bytes text; csv.c, pipes.c and markup.c make the text
 * rows.  file.c finds columns by their headers (header.c), and makes records of the
 * rows.  expand.c and whole.c find the fields that the records mean, resolve.c the
 * systems and domains that the cells mean, by name, title or kind.  Then the rows
 * are stored by the rules of sheet.c: many at once (store.c), or one in a
 * subtransaction of its own.  The changes of a field are the differences between
 * its row of the view ownership.sheet before and after.  One more subtransaction
 * contains all of it.  It is rolled back in a dry run, or when there is any
 * problem.  So a dry run reports exactly what the import will do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_import_sheet);

/* One of sheet_checks, and the row that it checks. */
typedef struct CellCheck
{
	const SheetCheck *check;
	const SheetRow *row;
} CellCheck;

static bool
run_check(void *arg)
{
	CellCheck *c = arg;

	c->check->check(c->row);
	return true;
}

/* Adds a problem for each check of sheet.c that the row fails. */
static void
check_record(Import *import, Record *r)
{
	for (const SheetCheck *check = sheet_checks; check->check != NULL; check++)
	{
		CellCheck c = {check, &r->row};
		ErrorData *error = subxact_trial(run_check, &c);

		if (error != NULL)
			finding_add_cell_problem(import, r, check->cell, finding_error_text(error));
	}
}

/* The records of an import that are checked, and the one at which it is. */
typedef struct Checked
{
	List *records;
	int at;
	MemoryContext cxt; /* for one record */
} Checked;

/* Runs all checks of the records, from the one at which it is. */
static bool
run_checks(void *arg)
{
	Checked *c = arg;
	MemoryContext old = CurrentMemoryContext;

	for (; c->at < list_length(c->records); c->at++)
	{
		const Record *r = list_nth(c->records, c->at);

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(c->cxt);
		if (sheet_cell(&r->row, SHEET_ENTITY) == NULL || sheet_cell(&r->row, SHEET_FIELD) == NULL)
			continue;
		for (const SheetCheck *check = sheet_checks; check->check != NULL; check++)
			check->check(&r->row);
		MemoryContextReset(c->cxt);
	}
	MemoryContextSwitchTo(old);
	return true;
}

/* Adds the problems of cells.  Only a row that fails costs a subtransaction for each check. */
static void
check_records(Import *import)
{
	Checked c = {import->records, 0,
				 AllocSetContextCreate(CurrentMemoryContext, "ownership sheet checks",
									   ALLOCSET_DEFAULT_SIZES)};
	SheetFound *found = sheet_new_found();
	ListCell *lc;

	foreach(lc, import->records)
		((Record *) lfirst(lc))->row.found = found;
	while (subxact_trial(run_checks, &c) != NULL)
		check_record(import, list_nth(c.records, c.at++));
	MemoryContextDelete(c.cxt);
}

/* The value of a cell, as a change shows it. */
static const char *
shown(SheetCell cell, const char *value)
{
	if (sheet_is_blank(value))
		return "(blank)";
	if (cell == SHEET_KEY || cell == SHEET_LOCAL)
		return value[0] == 't' ? "yes" : "no";
	return value;
}

static bool
is_changed(int cell, char *const *before, char *const *after)
{
	return before[cell] == NULL || after[cell] == NULL ? before[cell] != after[cell]
													   : strcmp(before[cell], after[cell]) != 0;
}

/* Adds a change of a field; the name of the field is shared with other changes. */
static void
add_change(Import *import, const Record *r, char *field, char *text)
{
	Finding *f = finding_new(r->line, NULL, pstrdup(text));

	/* there may be very many: psprintf() takes more memory than the text needs */
	pfree(text);
	f->field = field;
	import->changes = lappend(import->changes, f);
}

/* Adds a change for each cell that differs; a new field's blank and false cells are no change. */
static void
add_changes(Import *import, Record *r, const SheetState *was, const SheetState *is)
{
	char *field = finding_record_field(r);
	bool fresh = was->fresh;
	char *const *before = was->cells;
	char *const *after = is->cells;

	if (fresh)
		add_change(import, r, field, pstrdup("new field"));
	for (int i = SHEET_FIELD + 1; i < SHEET_CELLS; i++)
	{
		bool flag = i == SHEET_KEY || i == SHEET_LOCAL;
		char *text;

		if (!is_changed(i, before, after))
			continue;
		r->decides = true;
		if (!fresh)
			text =
				psprintf("%s: %s -> %s", sheet_headers[i], shown(i, before[i]), shown(i, after[i]));
		else if (!sheet_is_blank(after[i]) && !(flag && after[i][0] == 'f'))
			text = psprintf("%s: %s", sheet_headers[i], shown(i, after[i]));
		else
			continue;
		add_change(import, r, field, text);
	}
}

static bool
store_record(void *arg)
{
	sheet_store(arg);
	return true;
}

/* Rows on their way to the map. */
typedef struct Storing
{
	Import *import;
	Record **records; /* of the rows */
	SheetRow **rows;
	MemoryContext cxt; /* of what is found */
} Storing;

/* A cell for which the file has no column keeps its value. */
static void
keep_cells(void *arg, int i, const SheetState *before)
{
	const Storing *storing = arg;
	SheetRow *row = storing->rows[i];

	for (int c = SHEET_FIELD + 1; c < SHEET_CELLS; c++)
	{
		if (!storing->import->given[c] && c != SHEET_COLUMNS)
			row->cells[c] = before->cells[c];
	}
	row->key_is_open = !storing->import->given[SHEET_KEY];
}

static void
was_stored(void *arg, int i, const SheetState *before, const SheetState *after)
{
	const Storing *storing = arg;
	MemoryContext old = MemoryContextSwitchTo(storing->cxt);

	add_changes(storing->import, storing->records[i], before, after);
	MemoryContextSwitchTo(old);
}

/*
 * Stores a row.  An error becomes a problem of the row.
 *
 * Errors: insufficient_privilege, since it is the same for every row.
 */
static void
store_alone(void *arg, int i)
{
	const Storing *storing = arg;
	SheetState *before;
	ErrorData *error;

	storing->rows[i]->entity = storing->rows[i]->cells[SHEET_ENTITY];
	storing->rows[i]->field = storing->rows[i]->cells[SHEET_FIELD];
	/* what was found may be gone: the error says so */
	storing->rows[i]->found = NULL;
	before = sheet_read(&storing->rows[i], 1, true);
	keep_cells(arg, i, before);
	error = subxact_trial(store_record, storing->rows[i]);
	if (error == NULL)
		was_stored(arg, i, before, sheet_read(&storing->rows[i], 1, true));
	else if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		ReThrowError(error);
	else
		finding_add_problem(storing->import, storing->records[i], finding_error_text(error));
}

/* Stores the rows without a problem. */
static void
store_records(Import *import)
{
	int most = Max(list_length(import->records), 1);
	Storing storing = {import, palloc(most * sizeof(Record *)), palloc(most * sizeof(SheetRow *)),
					   CurrentMemoryContext};
	SheetSet set = {0, storing.rows, &storing, keep_cells, was_stored, store_alone};
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);

		if (r->faulty)
			continue;
		storing.records[set.n] = r;
		storing.rows[set.n] = palloc(sizeof(SheetRow));
		*storing.rows[set.n++] = r->row;
	}
	sheet_store_set(&set);
}

/* Stores all rows; returns whether subxact_trial() must keep them. */
static bool
import_records(void *arg)
{
	Import *import = arg;
	Parameters none = {0};
	Parameters p = {0};
	List *entities = NIL;
	List *fields = NIL;
	uint64 n = sql_run("SELECT entity, name FROM ownership.field", &none);

	for (uint64 i = 0; i < n; i++)
	{
		entities = lappend(entities, sql_result_text(i, 1));
		fields = lappend(fields, sql_result_text(i, 2));
	}
	store_records(import);
	sheet_check_groups(import);

	/* a column that joins another field leaves its default field, which is deleted then */
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	n = sql_run("SELECT b.entity || '.' || b.name FROM unnest($1, $2) b(entity, name) WHERE NOT EXISTS "
				"(SELECT FROM ownership.field f WHERE f.entity = b.entity AND f.name = b.name) ORDER BY 1",
				&p);
	for (uint64 i = 0; i < n; i++)
		import->changes =
			lappend(import->changes,
					finding_new(0, sql_result_text(i, 1),
								pstrdup(
									"field is removed: its column now belongs to another field")));
	return !import->dry_run && import->problems == NIL;
}

/* A file to read: its bytes, or its text. */
typedef struct SheetFile
{
	Import *import;
	bytea *bytes; /* NULL: the text is given */
	char *text;
} SheetFile;

static bool
read_bytes(void *arg)
{
	SheetFile *f = arg;

	if (f->bytes != NULL)
		f->text = decode_bytes(VARDATA_ANY(f->bytes), VARSIZE_ANY_EXHDR(f->bytes));
	file_read(f->import, f->text);
	return true;
}

/* Reads the file.  What cannot be read as text, or be written in the database's encoding, is a problem. */
static void
read_file(Import *import, FunctionCallInfo fcinfo)
{
	SheetFile f = {import, NULL, NULL};
	ErrorData *error;

	if (get_fn_expr_argtype(fcinfo->flinfo, 0) == BYTEAOID)
		f.bytes = PG_GETARG_BYTEA_PP(0);
	else
		f.text = decode_text(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	error = subxact_trial(read_bytes, &f);
	if (error != NULL)
		finding_add(&import->problems, 1, NULL, finding_error_text(error));
}

/*
 * import_sheet(csv, dry_run, entity): returns every problem with its line, then the
 * changes; in a dry run, the changes that the import would make.  With a
 * problem nothing is imported, and only a dry run returns changes.  Released
 * versions have no argument entity.
 *
 * Errors: csv or dry_run is NULL; the caller may not edit the map.
 */
Datum
ownership_import_sheet(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Import *import = palloc0(sizeof(Import));
	ErrorData *error;
	ListCell *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("csv and dry_run must not be null")));
	import->dry_run = PG_GETARG_BOOL(1);
	if (PG_NARGS() > 2 && !PG_ARGISNULL(2))
	{
		char *entity = text_to_cstring(PG_GETARG_TEXT_PP(2));

		import->entity = sheet_trim(entity, entity + strlen(entity));
		if (import->entity[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("the entity must not be blank"),
							errhint("Leave the argument out if the file names the entities.")));
	}
	/* a dry run writes, and is rolled back */
	PreventCommandIfReadOnly("ownership.import_sheet()");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();

	import->names = known_load();
	import->systems =
		resolve_load_names("SELECT name, title, nullif(kind, 'other') FROM ownership.system");
	read_file(import, fcinfo);
	import->domains = resolve_load_names("SELECT name, title, NULL::text FROM ownership.domain");
	expand_records(import);
	foreach(lc, import->records)
	{
		resolve_record(import, lfirst(lc));
		CHECK_FOR_INTERRUPTS();
	}
	whole_owners(import);
	check_records(import);
	list_sort(import->changes, finding_by_line);
	error = subxact_trial(import_records, import);
	if (error != NULL)
		ReThrowError(error);

	list_sort(import->problems, finding_by_line);
	finding_return(rsinfo, import->problems, true);
	if (import->dry_run || import->problems == NIL)
		finding_return(rsinfo, import->changes, false);
	else
		ereport(WARNING,
				(errmsg_plural("the sheet was not imported: it has %d problem",
							   "the sheet was not imported: it has %d problems",
							   list_length(import->problems), list_length(import->problems))));
	SPI_finish();
	return (Datum) 0;
}
