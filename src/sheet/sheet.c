/*
 * sheet.c
 *		Rows of the spreadsheet become fields of the map.  The triggers of the view
 *		ownership.sheet (view.c) store rows, so that COPY can parse the file;
 *		import_sheet() (import.c) stores rows by the same rules.
 *
 * A row replaces the field of that name.  Cells are as a workshop leaves them:
 * an owner cell that is blank, "?", "TBD" or "both", or that names several
 * systems, gives the field no owner; the systems that it names become declared
 * writers.  A blank columns cell leaves the field's columns as they are; for a
 * new field it means the column whose default field has this name, if there is
 * such a column.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "ctype.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "sheet.h"

/* by SheetCell: the columns of the view, which are also the headers of an exported file */
const char *const sheet_headers[SHEET_CELLS] = {"entity",	  "field",	 "domain",	  "owner",
												"readers",	  "writers", "columns",	  "policy",
												"key",		  "local",	 "rationale", "decided_by",
												"decided_on", "label"};

/* A cell without its surrounding blanks; NULL when nothing is left. */
char *
sheet_cell(const SheetRow *row, SheetCell cell)
{
	const char *start = row->cells[cell];
	const char *end;

	if (start == NULL)
		return NULL;
	start += strspn(start, " \t\r\n");
	end = start + strlen(start);
	while (end > start && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	return end == start ? NULL : pnstrdup(start, end - start);
}

/* The elements of a cell that are separated by ";" outside double quotes. */
List *
sheet_list(const SheetRow *row, SheetCell cell)
{
	char *value = sheet_cell(row, cell);
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

/* The systems that an owner cell names; *no_system: it also has a word for no system. */
static List *
named_owners(const SheetRow *row, bool *no_system)
{
	List *named = NIL;
	ListCell *lc;

	*no_system = false;
	foreach(lc, sheet_list(row, SHEET_OWNER))
	{
		if (names_mean_no_system(lfirst(lc)))
			*no_system = true;
		else
			named = lappend(named, lfirst(lc));
	}
	return named;
}

/* Sets the row's owner if the owner cell names one system, else adds its systems to the writers. */
void
sheet_take_owner(SheetRow *row)
{
	bool no_system;
	List *named = named_owners(row, &no_system);

	row->owner = NULL;
	row->writers = sheet_list(row, SHEET_WRITERS);
	if (list_length(named) == 1 && !no_system)
		row->owner = linitial(named);
	else
		row->writers = list_concat(row->writers, named);
}

/*
 * The truth value of a cell; a blank cell is false.
 *
 * Errors: the cell is no boolean.
 */
bool
sheet_bool(const SheetRow *row, SheetCell cell)
{
	char *value = sheet_cell(row, cell);
	bool result = false;

	if (value != NULL && !parse_bool(value, &result))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid value in column \"%s\": \"%s\"", sheet_headers[cell], value),
						errhint("Write true or false, or leave the cell blank.")));
	return result;
}

/* Checks of single cells.  Each raises an error if its cell is wrong. */

static void
check_key(const SheetRow *row)
{
	(void) sheet_bool(row, SHEET_KEY);
}

static void
check_local(const SheetRow *row)
{
	(void) sheet_bool(row, SHEET_LOCAL);
}

static void
check_field(const SheetRow *row)
{
	if (strchr(sheet_cell(row, SHEET_FIELD), '.') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("a field's name must not contain a dot"),
				 errhint("What comes before the last dot is the entity.")));
}

/* For the rows of one statement: each name is looked up once.  Lives in the current memory context. */
SheetFound *
sheet_new_found(void)
{
	SheetFound *found = palloc(sizeof(SheetFound));

	found->systems = resolve_hash(sizeof(char *));
	found->domains = resolve_hash(sizeof(char *));
	return found;
}

/* Requires that there is such a name, unless it was found before; hash NULL: that is not known. */
static void
require_found(HTAB *hash, void (*require)(const char *), const char *name)
{
	bool found;
	char *copy;

	if (hash != NULL && name != NULL && hash_search(hash, &name, HASH_FIND, NULL) != NULL)
		return;
	require(name);
	if (hash == NULL || name == NULL)
		return;
	/* the hash table has a memory context of its own */
	copy = MemoryContextStrdup(GetMemoryChunkContext(hash), name);
	(void) hash_search(hash, &copy, HASH_ENTER, &found);
}

static void
require_all(const SheetRow *row, List *systems)
{
	ListCell *lc;

	foreach(lc, systems)
		require_found(row->found == NULL ? NULL : row->found->systems, require_system, lfirst(lc));
}

static void
check_owner(const SheetRow *row)
{
	bool no_system;

	require_all(row, named_owners(row, &no_system));
}

static void
check_readers(const SheetRow *row)
{
	require_all(row, sheet_list(row, SHEET_READERS));
}

static void
check_writers(const SheetRow *row)
{
	require_all(row, sheet_list(row, SHEET_WRITERS));
}

static void
check_domain(const SheetRow *row)
{
	require_found(row->found == NULL ? NULL : row->found->domains, require_domain,
				  sheet_cell(row, SHEET_DOMAIN));
}

static void
check_policy(const SheetRow *row)
{
	require_policy(sheet_cell(row, SHEET_POLICY));
}

static void
check_columns(const SheetRow *row)
{
	ListCell *lc;

	foreach(lc, sheet_list(row, SHEET_COLUMNS))
	{
		char *schema;
		char *table;
		char *column;

		names_split_column(lfirst(lc), &schema, &table, &column);
	}
}

static void
check_decided_on(const SheetRow *row)
{
	char *value = sheet_cell(row, SHEET_DECIDED_ON);

	if (value != NULL)
		(void) DirectFunctionCall1(date_in, CStringGetDatum(value));
}

const SheetCheck sheet_checks[] = {
	{SHEET_KEY, check_key},
	{SHEET_FIELD, check_field},
	{SHEET_OWNER, check_owner},
	{SHEET_READERS, check_readers},
	{SHEET_WRITERS, check_writers},
	{SHEET_DOMAIN, check_domain},
	{SHEET_POLICY, check_policy},
	{SHEET_LOCAL, check_local},
	{SHEET_COLUMNS, check_columns},
	{SHEET_DECIDED_ON, check_decided_on},
	{SHEET_FIELD, NULL},
};

/* The column whose default field is this one, as a list of one label; NIL: there is none. */
List *
sheet_default_columns(const char *entity, const char *field)
{
	const char *dot = strrchr(entity, '.');
	const char *schema = dot == NULL ? "public" : pnstrdup(entity, dot - entity);
	const char *table = dot == NULL ? entity : dot + 1;
	Oid relid = place_find(schema, table);

	if (!OidIsValid(relid) || get_attnum(relid, field) <= 0 ||
		get_rel_relkind(relid) == RELKIND_VIEW)
		return NIL;
	return list_make1(names_column_label(schema, table, field));
}

/* Maps the columns of the cell to the field, and takes every other column from it. */
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

		names_split_column(lfirst(lc), &schema, &table, &column);
		schemas = lappend(schemas, schema);
		tables = lappend(tables, table);
		names = lappend(names, column);
		labels = lappend(labels, names_column_label(schema, table, column));
		(void) field_map_column(schema, table, column, row->entity, row->field, false);
	}
	if (names_all_among(lookup_field_columns(row->entity, row->field), labels))
		return;
	sql_add_text(&p, row->entity);
	sql_add_text(&p, row->field);
	sql_add_texts(&p, schemas);
	sql_add_texts(&p, tables);
	sql_add_texts(&p, names);
	sql_run("DELETE FROM ownership.mirrored_column WHERE entity = $1 AND field = $2 "
			"AND (table_schema, table_name, column_name) NOT IN (SELECT * FROM unnest($3, $4, $5))",
			&p);
}

/* The columns of ownership.field that a row of the spreadsheet sets. */
#define DECISIONS(t)                                                                               \
	t "domain, " t "owner, " t "policy, " t "key, " t "local, " t "rationale, " t "decided_by, " t \
	  "decided_on"
#define WITH_LABEL(t) DECISIONS(t) ", " t "label"

/* The statement that sets them; `more` is the value behind those of DECISIONS. */
#define STORE(columns, more)                                                             \
	"INSERT INTO ownership.field AS f (entity, name, " columns(                          \
		"") ") "                                                                         \
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::date" more ") "            \
			"ON CONFLICT (entity, name) DO UPDATE SET (" columns("") ") = ROW(" columns( \
				"excluded.") ") "                                                        \
							 "WHERE (" columns("f.") ") IS DISTINCT FROM (" columns("excluded.") ")"

/*
 * Stores a row: it replaces the field of that name, or makes a new one; what the
 * spreadsheet has no column for stays as it is.  The
 * caller has connected to SPI, and the row has an entity and a field.
 *
 * Errors: those of sheet_checks; what the map's tables and triggers refuse.
 */
void
sheet_store(SheetRow *row)
{
	Parameters p = {0};
	List *readers = sheet_list(row, SHEET_READERS);
	List *columns = sheet_list(row, SHEET_COLUMNS);
	bool key;
	bool fresh;

	row->entity = sheet_cell(row, SHEET_ENTITY);
	row->field = sheet_cell(row, SHEET_FIELD);
	for (const SheetCheck *c = sheet_checks; c->check != NULL; c++)
		c->check(row);
	sheet_take_owner(row);
	key = sheet_bool(row, SHEET_KEY);
	fresh = !lookup_field_exists(row->entity, row->field);

	sql_add_text(&p, row->entity);
	sql_add_text(&p, row->field);
	sql_add_text(&p, sheet_cell(row, SHEET_DOMAIN));
	sql_add_text(&p, row->owner);
	sql_add_text(&p, sheet_cell(row, SHEET_POLICY));
	sql_add_bool(&p, key);
	sql_add_bool(&p, sheet_bool(row, SHEET_LOCAL));
	sql_add_text(&p, row->cells[SHEET_RATIONALE]);
	sql_add_text(&p, row->cells[SHEET_DECIDED_BY]);
	sql_add_text(&p, sheet_cell(row, SHEET_DECIDED_ON));
	if (field_knows_settings())
	{
		sql_add_text(&p, row->cells[SHEET_LABEL]);
		sql_run(STORE(WITH_LABEL, ", $11"), &p);
	}
	else
		sql_run(STORE(DECISIONS, ""), &p);
	field_set_access(row->entity, row->field, "read", readers);
	field_set_access(row->entity, row->field, "write", row->writers);

	if (columns == NIL && fresh)
		columns = sheet_default_columns(row->entity, row->field);
	if (columns != NIL)
		take_columns(row, columns);

	/* a column may bring the key mark of its former field; the cell decides */
	if (!row->key_is_open && lookup_field_is_key(row->entity, row->field) != key)
	{
		Parameters k = {0};

		sql_add_text(&k, row->entity);
		sql_add_text(&k, row->field);
		sql_add_bool(&k, key);
		sql_run("UPDATE ownership.field SET key = $3 WHERE entity = $1 AND name = $2", &k);
	}
}
