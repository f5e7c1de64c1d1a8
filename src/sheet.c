/*
 * sheet.c
 *		Rows of the spreadsheet, put on the map: INSTEAD OF INSERT on the view
 *		ownership.sheet, so that COPY parses and checks the file.
 *
 * A row replaces the field of that name.  Cells are as a workshop leaves
 * them: an owner cell that is blank, "?", "TBD" or "both", or that names
 * several systems, is no owner, and the systems it names are declared
 * writers.  A blank columns cell leaves the field's columns as they are;
 * for a new field it means the column that the field is by default, if that
 * column is there.
 */
#include "ownership.h"

#include <ctype.h>

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ownership_sheet_row);

typedef struct SheetRow
{
	char *entity;
	char *field;
	char *owner;
	List *writers;
} SheetRow;

static char *
raw_cell(TriggerData *td, const char *column)
{
	TupleDesc desc = RelationGetDescr(td->tg_relation);

	return SPI_getvalue(td->tg_trigtuple, desc, SPI_fnumber(desc, column));
}

/* A cell without its surrounding blanks; NULL when nothing is left. */
static char *
cell(TriggerData *td, const char *column)
{
	char *value = raw_cell(td, column);
	int len;

	if (value == NULL)
		return NULL;
	while (*value == ' ' || *value == '\t' || *value == '\r' || *value == '\n')
		value++;
	len = strlen(value);
	while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
		value[--len] = '\0';
	return len == 0 ? NULL : value;
}

/* The elements of a cell that are separated by ";" outside double quotes. */
static List *
cell_list(char *value)
{
	List *list = NIL;
	char *start = value;
	bool quoted = false;

	if (value == NULL)
		return NIL;
	for (char *c = value;; c++)
	{
		char *end = c;
		bool last = *c == '\0';

		if (*c == '"')
			quoted = !quoted;
		if (!last && (*c != ';' || quoted))
			continue;
		while (start < end && isspace((unsigned char) *start))
			start++;
		while (end > start && isspace((unsigned char) end[-1]))
			end--;
		if (end > start)
			list = lappend(list, pnstrdup(start, end - start));
		if (last)
			return list;
		start = c + 1;
	}
}

/* The words for nobody in an owner cell. */
bool
means_nobody(const char *name)
{
	return strcmp(name, "?") == 0 || pg_strcasecmp(name, "tbd") == 0 ||
		   pg_strcasecmp(name, "both") == 0;
}

/* Splits the owner cell: one system, or declared writers. */
static void
take_owner(SheetRow *row, char *value)
{
	List *named = NIL;
	bool nobody = false;
	ListCell *lc;

	foreach(lc, cell_list(value))
	{
		if (means_nobody(lfirst(lc)))
			nobody = true;
		else
			named = lappend(named, lfirst(lc));
	}
	foreach(lc, named)
		require_system(lfirst(lc));
	if (list_length(named) == 1 && !nobody)
		row->owner = linitial(named);
	else
		row->writers = list_concat(row->writers, named);
}

/* The column that a new field without columns is by default. */
static List *
default_columns(const char *entity, const char *field)
{
	const char *dot = strrchr(entity, '.');
	const char *schema = dot == NULL ? "public" : pnstrdup(entity, dot - entity);
	const char *table = dot == NULL ? entity : dot + 1;
	Oid nsp = get_namespace_oid(schema, true);
	Oid relid = OidIsValid(nsp) ? get_relname_relid(table, nsp) : InvalidOid;

	if (!OidIsValid(relid) || get_attnum(relid, field) <= 0 ||
		get_rel_relkind(relid) == RELKIND_VIEW)
		return NIL;
	return list_make1(column_label(schema, table, field));
}

/* Gives the field the columns of the cell, and no others. */
static void
take_columns(const SheetRow *row, List *columns)
{
	Parameters p = {0};
	List *schemas = NIL;
	List *tables = NIL;
	List *names = NIL;
	List *labels = NIL;
	ListCell *lc;

	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;

		split_column(lfirst(lc), &schema, &table, &column);
		schemas = lappend(schemas, schema);
		tables = lappend(tables, table);
		names = lappend(names, column);
		labels = lappend(labels, column_label(schema, table, column));
		(void) map_one_column(schema, table, column, row->entity, row->field, false);
	}
	if (all_among(field_columns(row->entity, row->field), labels))
		return;
	add_text(&p, row->entity);
	add_text(&p, row->field);
	add_texts(&p, schemas);
	add_texts(&p, tables);
	add_texts(&p, names);
	run_sql("DELETE FROM ownership.mirrored_column WHERE entity = $1 AND field = $2 "
			"AND (table_schema, table_name, column_name) NOT IN (SELECT * FROM unnest($3, $4, $5))",
			&p);
}

/*
 * A yes or no; blank is no.
 *
 * Errors: anything else.
 */
static bool
cell_bool(TriggerData *td, const char *column)
{
	char *value = cell(td, column);
	bool result = false;

	if (value != NULL && !parse_bool(value, &result))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid value in column \"%s\": \"%s\"", column, value),
						errhint("Write true or false, or leave the cell blank.")));
	return result;
}

static void
take_row(TriggerData *td, SheetRow *row)
{
	Parameters p = {0};
	List *readers = cell_list(cell(td, "readers"));
	List *columns = cell_list(cell(td, "columns"));
	char *policy = cell(td, "policy");
	bool key = cell_bool(td, "key");
	bool fresh = !field_exists(row->entity, row->field);
	ListCell *lc;

	if (strchr(row->field, '.') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("a field's name must not contain a dot"),
				 errhint("What comes before the last dot is the entity.")));
	row->writers = cell_list(cell(td, "writers"));
	take_owner(row, cell(td, "owner"));
	foreach(lc, readers)
		require_system(lfirst(lc));
	foreach(lc, row->writers)
		require_system(lfirst(lc));
	require_domain(cell(td, "domain"));
	require_policy(policy);

	add_text(&p, row->entity);
	add_text(&p, row->field);
	add_text(&p, cell(td, "domain"));
	add_text(&p, row->owner);
	add_text(&p, policy);
	add_bool(&p, key);
	add_bool(&p, cell_bool(td, "local"));
	add_text(&p, raw_cell(td, "rationale"));
	add_text(&p, raw_cell(td, "decided_by"));
	add_text(&p, cell(td, "decided_on"));
	run_sql("INSERT INTO ownership.field AS f (entity, name, domain, owner, policy, key, local, rationale, decided_by, decided_on) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::date) "
			"ON CONFLICT (entity, name) DO UPDATE SET domain = excluded.domain, owner = excluded.owner, "
			"policy = excluded.policy, key = excluded.key, local = excluded.local, "
			"rationale = excluded.rationale, decided_by = excluded.decided_by, decided_on = excluded.decided_on "
			"WHERE f.* IS DISTINCT FROM excluded.*",
			&p);
	set_access(row->entity, row->field, "read", readers);
	set_access(row->entity, row->field, "write", row->writers);

	if (columns == NIL && fresh)
		columns = default_columns(row->entity, row->field);
	if (columns != NIL)
		take_columns(row, columns);

	/* the cell counts, whatever the columns' former fields were marked */
	if (field_is_key(row->entity, row->field) != key)
	{
		Parameters k = {0};

		add_text(&k, row->entity);
		add_text(&k, row->field);
		add_bool(&k, key);
		run_sql("UPDATE ownership.field SET key = $3 WHERE entity = $1 AND name = $2", &k);
	}
}

/*
 * INSTEAD OF INSERT on the sheet.
 *
 * Errors: a row that is wrong; the message begins with its field.  The
 * statement fails as a whole, so a file is imported whole or not at all.
 */
Datum
ownership_sheet_row(PG_FUNCTION_ARGS)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	SheetRow row = {0};
	MemoryContext cxt = CurrentMemoryContext;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(td->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function was not called by the sheet's trigger")));
	SPI_connect();
	row.entity = cell(td, "entity");
	row.field = cell(td, "field");
	if (row.entity == NULL || row.field == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a row of the sheet needs entity and field"),
						errdetail("Entity is \"%s\", field is \"%s\".",
								  row.entity ? row.entity : "", row.field ? row.field : "")));
	PG_TRY();
	{
		take_row(td, &row);
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* the error goes on, but says where in the sheet it was */
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		error->message =
			psprintf(_("field \"%s.%s\" of the sheet: %s"), row.entity, row.field, error->message);
		ReThrowError(error);
	}
	PG_END_TRY();
	SPI_finish();
	return PointerGetDatum(td->tg_trigtuple);
}
