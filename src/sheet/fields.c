/*
 * fields.c
 *		The fields of many rows of the spreadsheet are stored by two statements.
 */
#include "postgres.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/*
 * Runs an INSERT, a literal, in the order of the arrays that it unnests; checked: all that the rows
 * refer to is there, and locked.
 */
void
sheet_insert_rows(const char *sql, Parameters *p, bool checked)
{
	if (checked)
		table_triggers_insert_checked(sql, p);
	else
		sql_run_kept(sql, p, CURSOR_OPT_CUSTOM_PLAN);
}

/* Fields as a row of the sheet has them, column by column; the first two are their names. */
typedef struct Fields
{
	List *parts[11];
} Fields;

static void
add_field(Fields *fields, const SheetRow *row)
{
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
		fields->parts[v] = lappend(fields->parts[v], values[v]);
}

#define DECISIONS(t)                                                                               \
	t "domain, " t "owner, " t "policy, " t "key, " t "local, " t "rationale, " t "decided_by, " t \
	  "decided_on, " t "label"
#define INSERT_FIELDS                                                                                         \
	"INSERT INTO ownership.field AS f (entity, name, " DECISIONS(                                             \
		"") ") "                                                                                              \
			"SELECT s.entity, s.name, " DECISIONS(                                                            \
				"s.") " FROM (SELECT entity, name, domain, owner, "                                           \
					  "policy, key::boolean, local::boolean, rationale, decided_by, decided_on::date, label " \
					  "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) s(entity, name, " DECISIONS( \
						  "") ")) s "

/* Stores fields; known: the map has them, and what differs is replaced. */
static void
store_some_fields(const Fields *fields, bool known)
{
	Parameters p = {0};
	bool checked;

	if (fields->parts[0] == NIL)
		return;
	for (int v = 0; v < (int) lengthof(fields->parts); v++)
		sql_add_texts(&p, fields->parts[v]);
	checked = reference_domains(fields->parts[2]) && reference_systems(fields->parts[3]);
	if (!known)
		sheet_insert_rows(INSERT_FIELDS, &p, checked);
	else
		sheet_insert_rows(INSERT_FIELDS
						  "WHERE NOT EXISTS (SELECT FROM ownership.field o WHERE o.entity = s.entity AND o.name = s.name "
						  "AND (" DECISIONS("o.") ") IS NOT DISTINCT FROM (" DECISIONS(
							  "s.") ")) "
									"ON CONFLICT (entity, name) DO UPDATE SET (" DECISIONS(
										"") ") = ROW(" DECISIONS("excluded.") ")",
						  &p, checked);
}

#undef INSERT_FIELDS
#undef DECISIONS

/*
 * Stores the fields of rows, of which the map has what `before` says.  One that another
 * session adds meanwhile is an error.
 */
void
sheet_store_fields(SheetRow **rows, const SheetState *before, int n)
{
	Fields fresh = {{NIL}};
	Fields known = {{NIL}};

	for (int i = 0; i < n; i++)
		add_field(before[i].fresh ? &fresh : &known, rows[i]);
	store_some_fields(&known, true);
	store_some_fields(&fresh, false);
}
