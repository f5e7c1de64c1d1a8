/*
 * import.c
 *		import_sheet(): imports the spreadsheet as it comes out of a workshop.
 *
 * file.c reads the rows; it finds columns by their headers.  resolve.c finds
 * the systems, domains and fields that the cells mean, by name or title.  Then
 * the rows are stored by the rules of sheet.c: many at once (store.c), or one in
 * a subtransaction of its own.  The changes of a field are the differences between
 * its row of the view ownership.sheet before and after.  One more subtransaction
 * contains all of it.  It is rolled back in a dry run, or when there is any
 * problem.  So a dry run reports exactly what the import will do.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_import_sheet);

/* One of sheet_checks, and the row that it checks. */
typedef struct CellCheck
{
	SheetCheck check;
	const SheetRow *row;
} CellCheck;

static bool
run_check(void *arg)
{
	CellCheck *c = arg;

	c->check(c->row);
	return true;
}

static bool
is_named(const Record *r)
{
	return sheet_cell(&r->row, SHEET_ENTITY) != NULL && sheet_cell(&r->row, SHEET_FIELD) != NULL;
}

static bool
run_all_checks(void *arg)
{
	const Import *import = arg;
	ListCell *lc;

	foreach(lc, import->records)
	{
		const Record *r = lfirst(lc);

		if (is_named(r))
			for (const SheetCheck *check = sheet_checks; *check != NULL; check++)
				(*check)(&r->row);
	}
	return true;
}

/* Adds a problem for each check of sheet.c that a row fails. */
static void
check_records(Import *import)
{
	ListCell *lc;

	/* a subtransaction for each check takes its time, and in a sheet as it should be all pass */
	if (subxact_trial(run_all_checks, import) == NULL)
		return;
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);

		for (const SheetCheck *check = sheet_checks; *check != NULL && is_named(r); check++)
		{
			CellCheck c = {*check, &r->row};
			ErrorData *error = subxact_trial(run_check, &c);

			if (error != NULL)
				finding_add_problem(import, r, finding_error_text(error));
		}
	}
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

/* Adds a change for each cell that differs; a new field's blank and false cells are no change. */
static void
add_changes(Import *import, Record *r, const SheetState *was, const SheetState *is)
{
	char *field = finding_record_field(r);
	bool fresh = was->fresh;
	char *const *before = was->cells;
	char *const *after = is->cells;

	if (fresh)
		import->changes =
			lappend(import->changes, finding_new(r->line, field, pstrdup("new field")));
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
		import->changes = lappend(import->changes, finding_new(r->line, field, text));
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
	before = sheet_read(&storing->rows[i], 1);
	keep_cells(arg, i, before);
	error = subxact_trial(store_record, storing->rows[i]);
	if (error == NULL)
		was_stored(arg, i, before, sheet_read(&storing->rows[i], 1));
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

/* The records whose fields are part of the group. */
static List *
records_of(const Import *import, const char *entity, const char *group)
{
	List *records = NIL;
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *field = sheet_cell(&r->row, SHEET_FIELD);
		char *other = sheet_cell(&r->row, SHEET_ENTITY);

		if (field == NULL || other == NULL || strcmp(other, entity) != 0)
			continue;
		other = field_group(entity, field);
		if (other != NULL && strcmp(other, group) == 0)
			records = lappend(records, r);
	}
	return records;
}

/*
 * The map refuses a group only when the transaction ends, which a dry run does not do.
 * Adds a problem for each group that it will refuse, to the first row that changes it.
 * Where a row of the group has a problem of its own, what the group will be is not known.
 */
static void
check_groups(Import *import)
{
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *entity = sheet_cell(&r->row, SHEET_ENTITY);
		char *group;
		bool known = true;
		ErrorData *error;
		List *records;
		ListCell *other;

		if (!r->decides)
			continue;
		group = field_group(entity, sheet_cell(&r->row, SHEET_FIELD));
		if (group == NULL)
			continue;
		records = records_of(import, entity, group);
		foreach(other, records)
			known &= !((Record *) lfirst(other))->faulty;
		error = known ? field_group_error(entity, group) : NULL;
		if (error != NULL)
			finding_add_problem(import, r, finding_error_text(error));
		foreach(other, records)
			((Record *) lfirst(other))->decides = false;
	}
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
	check_groups(import);

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

/*
 * import_sheet(csv, dry_run): returns every problem with its line, then the
 * changes; in a dry run, the changes that the import would make.  With a
 * problem nothing is imported, and only a dry run returns changes.
 *
 * Errors: an argument is NULL; the caller may not edit the map.
 */
Datum
ownership_import_sheet(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Import import = {0};
	char *csv;
	ErrorData *error;
	ListCell *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("csv and dry_run must not be null")));
	csv = text_to_cstring(PG_GETARG_TEXT_PP(0));
	import.dry_run = PG_GETARG_BOOL(1);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();

	if (GetDatabaseEncoding() == PG_UTF8 && strncmp(csv, "\xef\xbb\xbf", 3) == 0)
		csv += 3;
	if (strchr(csv, '\n') == NULL)
	{
		/* lines that end with a carriage return only, as on an old Macintosh */
		for (char *c = csv; *c != '\0'; c++)
			if (*c == '\r')
				*c = '\n';
	}
	file_find_header(&import, csv);
	sheet_source.next = csv;
	sheet_source.end = csv + strlen(csv);
	sheet_source.lines = 0;
	error = subxact_trial(file_read_records, &import);
	if (error != NULL)
		import.problems =
			lappend(import.problems, finding_new(import.line, NULL, finding_error_text(error)));

	import.systems = resolve_load_named("SELECT name, title FROM ownership.system");
	import.domains = resolve_load_named("SELECT name, title FROM ownership.domain");
	resolve_fields(&import);
	foreach(lc, import.records)
		resolve_record(&import, lfirst(lc));
	check_records(&import);
	error = subxact_trial(import_records, &import);
	if (error != NULL)
		ReThrowError(error);

	list_sort(import.problems, finding_by_line);
	finding_return(rsinfo, import.problems, true);
	if (import.dry_run || import.problems == NIL)
		finding_return(rsinfo, import.changes, false);
	else
		ereport(WARNING,
				(errmsg_plural("the sheet was not imported: it has %d problem",
							   "the sheet was not imported: it has %d problems",
							   list_length(import.problems), list_length(import.problems))));
	SPI_finish();
	return (Datum) 0;
}
