/*
 * export_psql.c
 *		The map as a script for psql, which makes the same map in another database, and
 *		changes nothing where the map is the same.
 *
 * The script has one line for each thing on the map, in the order of names, with the
 * columns that differ from their defaults: so a difference of two scripts is a
 * difference of two maps.  The lines fill temporary tables; the script then compares
 * them with the map, and changes what differs.  The tables of the map are read from the
 * catalog, so that no column is forgotten.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "sheet.h"

/* The systems that the entities $1 name. */
#define SYSTEMS                                                                               \
	"(SELECT f.owner FROM ownership.field f WHERE f.entity = ANY ($1) "                       \
	"UNION SELECT d.system FROM ownership.declared_access d WHERE d.entity = ANY ($1) "       \
	"UNION SELECT t.source FROM ownership.mirrored_table t JOIN ownership.mirrored_column c " \
	"USING (table_schema, table_name) WHERE c.entity = ANY ($1) "                             \
	"UNION SELECT r.owner FROM ownership.row_owner r JOIN ownership.mirrored_column c "       \
	"USING (table_schema, table_name, column_name) WHERE c.entity = ANY ($1) "                \
	"UNION SELECT unnest(ARRAY[h.from_system, h.to_system]) FROM ownership.handover h "       \
	"WHERE h.entity = ANY ($1) AND h.done_at IS NULL)"

/* A table of the map. */
typedef struct MapTable
{
	const char *name;
	const char *key;	   /* its primary key, as an array */
	const char *left_out;  /* columns that are no decision, as an array */
	const char *which;	   /* which rows o are part of the map; NULL: all */
	const char *of_entity; /* which of them are about the entities $1 */
	const char *differs;   /* when a row o of the map differs, besides its columns; NULL: never */
	const char *may_go;	   /* which rows o go where the script does not have them; NULL: all */
} MapTable;

static const MapTable tables[] = {
	{"system", "{name}", "{}", NULL, "o.name IN " SYSTEMS, NULL, NULL},
	{"identity", "{kind,name}", "{}", NULL, "o.system IN " SYSTEMS, NULL, NULL},
	{"domain", "{name}", "{shipped}", "NOT o.shipped",
	 "o.name IN (SELECT f.domain FROM ownership.field f WHERE f.entity = ANY ($1))", "o.shipped",
	 "NOT o.shipped"},
	{"field", "{entity,name}", "{}", NULL, "o.entity = ANY ($1)", NULL, NULL},
	{"declared_access", "{entity,field,system,mode}", "{}", NULL, "o.entity = ANY ($1)", NULL, NULL},
	{"mirrored_table", "{table_schema,table_name}", "{}", NULL,
	 "EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = ANY ($1) "
	 "AND (c.table_schema, c.table_name) = (o.table_schema, o.table_name))",
	 NULL, NULL},
	{"mirrored_column", "{table_schema,table_name,column_name}", "{}", NULL, "o.entity = ANY ($1)",
	 NULL, NULL},
	{"row_owner", "{table_schema,table_name,column_name,position}", "{}", NULL,
	 "EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = ANY ($1) "
	 "AND (c.table_schema, c.table_name, c.column_name) = (o.table_schema, o.table_name, o.column_name))",
	 NULL, NULL},
	{"mirrored_pattern", "{pattern}", "{}", NULL, "false", NULL, NULL},
	{"handover", "{entity,field,at}", "{done_at}", "o.done_at IS NULL", "o.entity = ANY ($1)", NULL,
	 "o.done_at IS NULL"},
	{"deleted_domain", "{name}", "{}", NULL, "false", NULL, NULL},
};

/* A column of such a table; NULL pointers are NULL. */
typedef struct MapColumn
{
	char *name; /* quoted where needed */
	char *standard;
	bool key;
	bool is_text;
} MapColumn;

static const char *const head =
	"-- The ownership map, as SELECT ownership.export('psql') wrote it.\n"
	"-- psql runs it: in a database with the extension it makes this map; where the map is the\n"
	"-- same, it changes nothing.  What the map has besides stays, unless psql is called with\n"
	"-- -v ownership_remove=1.\n"
	"\\set ON_ERROR_STOP on\n"
	"BEGIN;\n"
	"SET LOCAL search_path = pg_catalog, pg_temp;\n";

/* What a change of several rows needs before it: no row may be wrong on the way. */
static const char *const before_field =
	"UPDATE ownership.field o SET history = false FROM pg_temp.new_field n\n"
	"\tWHERE (o.entity, o.name) = (n.entity, n.name) AND o.history AND NOT n.history;\n";

static const char *const before_access =
	"DELETE FROM ownership.declared_access o USING pg_temp.new_field f WHERE (o.entity, o.field) = (f.entity, f.name)\n"
	"\tAND NOT EXISTS (SELECT FROM pg_temp.new_declared_access n WHERE (n.entity, n.field, n.system, n.mode) = (o.entity, o.field, o.system, o.mode));\n";

static const char *const before_column =
	"UPDATE ownership.mirrored_column o SET authoritative = false FROM pg_temp.new_mirrored_column n\n"
	"\tWHERE (o.table_schema, o.table_name, o.column_name) = (n.table_schema, n.table_name, n.column_name) AND o.authoritative AND NOT n.authoritative;\n";

static const char *const before_row_owner =
	"DELETE FROM ownership.row_owner o USING pg_temp.new_mirrored_column c WHERE (o.table_schema, o.table_name, o.column_name) = (c.table_schema, c.table_name, c.column_name)\n"
	"\tAND NOT EXISTS (SELECT FROM pg_temp.new_row_owner n WHERE (n.table_schema, n.table_name, n.column_name, n.position) = (o.table_schema, o.table_name, o.column_name, o.position));\n";

static const char *const before_handover =
	"DELETE FROM pg_temp.new_handover n USING ownership.handover o WHERE (o.entity, o.field, o.at) = (n.entity, n.field, n.at) AND o.done_at IS NOT NULL;\n";

/* Tells what is not there, and guards tables, as assign() does. */
static const char *const tail =
	"DO $map$\n"
	"DECLARE\n"
	"\tt record;\n"
	"BEGIN\n"
	"\tFOR t IN SELECT i.kind, i.name FROM pg_temp.new_identity i ORDER BY i.kind, i.name LOOP\n"
	"\t\tIF t.kind = 'role' AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = t.name::name) THEN\n"
	"\t\t\tRAISE NOTICE 'role \"%\" does not exist yet', t.name USING DETAIL = 'It is identified as soon as it is created.';\n"
	"\t\tELSIF t.kind = 'subscription' AND NOT EXISTS (SELECT FROM pg_subscription s WHERE s.subname = t.name::name AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) THEN\n"
	"\t\t\tRAISE NOTICE 'subscription \"%\" does not exist yet', t.name USING DETAIL = 'It is identified as soon as it is created in this database.';\n"
	"\t\tEND IF;\n"
	"\tEND LOOP;\n"
	"\tFOR t IN SELECT ownership.relation_name(m.table_schema, m.table_name) AS label, r.oid::regclass AS relid,\n"
	"\t\tm.guarded, coalesce(g.guarded, false) AS is_guarded,\n"
	"\t\tARRAY(SELECT c.column_name FROM pg_temp.new_mirrored_column c WHERE (c.table_schema, c.table_name) = (m.table_schema, m.table_name)\n"
	"\t\t\tAND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname = c.column_name::name AND a.attnum > 0 AND NOT a.attisdropped)\n"
	"\t\t\tORDER BY 1) AS missing\n"
	"\t\tFROM pg_temp.new_guard m LEFT JOIN ownership.guards g USING (table_schema, table_name)\n"
	"\t\tLEFT JOIN (pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace) ON s.nspname = m.table_schema::name AND r.relname = m.table_name::name\n"
	"\t\tORDER BY m.table_schema, m.table_name LOOP\n"
	"\t\tIF t.relid IS NULL THEN\n"
	"\t\t\tRAISE NOTICE 'table \"%\" is not there yet', t.label USING DETAIL = 'Until it is, it is the risk broken_mirror.', HINT = 'When it is there, run this script again, or ownership.guard(): it is not guarded before.';\n"
	"\t\t\tCONTINUE;\n"
	"\t\tEND IF;\n"
	"\t\tIF t.missing <> '{}' THEN\n"
	"\t\t\tRAISE NOTICE 'table \"%\" does not have all columns of the map: %', t.label, array_to_string(t.missing, ', ') USING DETAIL = 'Until it has, they are the risk broken_mirror.';\n"
	"\t\tEND IF;\n"
	"\t\tIF t.guarded AND NOT t.is_guarded THEN\n"
	"\t\t\tPERFORM ownership.guard(t.relid);\n"
	"\t\tEND IF;\n"
	"\tEND LOOP;\n"
	"END $map$;\n"
	"COMMIT;\n";

/* The columns of a table, as MapColumn *. */
static List *
load_columns(const MapTable *table)
{
	Parameters p = {0};
	List *columns = NIL;
	uint64 n;

	sql_add_text(&p, table->name);
	sql_add_text(&p, table->key);
	sql_add_text(&p, table->left_out);
	n = sql_run("SELECT quote_ident(a.attname), pg_get_expr(d.adbin, d.adrelid), a.attname::text = ANY ($2::text[]), a.atttypid = 'text'::regtype "
				"FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
				"WHERE a.attrelid = to_regclass('ownership.' || $1) AND a.attnum > 0 AND NOT a.attisdropped "
				"AND a.attname::text <> ALL ($3::text[]) ORDER BY a.attnum",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		MapColumn *c = palloc(sizeof(MapColumn));

		c->name = sql_result_text(i, 1);
		c->standard = sql_result_text(i, 2);
		c->key = sql_result_bool(i, 3);
		c->is_text = sql_result_bool(i, 4);
		columns = lappend(columns, c);
	}
	return columns;
}

/* "a.COLUMN", or with b "a.COLUMN = b.COLUMN", of each column that is a key or not; separated. */
static char *
column_list(List *columns, bool key, const char *a, const char *between, const char *b,
			const char *separator)
{
	StringInfoData list;
	ListCell *lc;

	initStringInfo(&list);
	foreach(lc, columns)
	{
		const MapColumn *c = lfirst(lc);

		if (c->key != key)
			continue;
		appendStringInfo(&list, "%s%s%s", list.len > 0 ? separator : "", a, c->name);
		if (b != NULL)
			appendStringInfo(&list, "%s%s%s", between, b, c->name);
	}
	return list.data;
}

/* Appends a line for each row of the table. */
static void
append_rows(StringInfo script, const MapTable *table, List *columns, List *entities)
{
	Parameters p = {0};
	StringInfoData names;
	StringInfoData values;
	StringInfoData order;
	ListCell *lc;
	uint64 n;

	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&order);
	foreach(lc, columns)
	{
		const MapColumn *c = lfirst(lc);
		const char *when =
			psprintf("CASE WHEN %s THEN", c->key ? "true"
												 : psprintf("o.%s IS DISTINCT FROM (%s)", c->name,
															c->standard ? c->standard : "NULL"));

		appendStringInfo(&names, ", %s %s END", when, quote_literal_cstr(c->name));
		appendStringInfo(&values, ", %s quote_nullable(ownership.value_text(o.%s)) END", when,
						 c->name);
		if (c->key)
			appendStringInfo(&order, "%so.%s%s", order.len > 0 ? ", " : "", c->name,
							 c->is_text ? " COLLATE \"C\"" : "");
	}
	sql_add_texts(&p, entities);
	n = sql_run_composed(psprintf("SELECT format('INSERT INTO new_%s (%%s) VALUES (%%s);', concat_ws(', '%s), concat_ws(', '%s)) "
								  "FROM ownership.%s o WHERE (%s) AND (cardinality($1) = 0 OR %s) ORDER BY %s",
								  table->name, names.data, values.data, table->name,
								  table->which ? table->which : "true", table->of_entity, order.data),
						 &p);
	for (uint64 i = 0; i < n; i++)
		appendStringInfo(script, "%s\n", sql_result_text(i, 1));
}

/* Appends the statement that makes the map's table what the script's is. */
static void
append_merge(StringInfo script, const MapTable *table, List *columns)
{
	char *match = column_list(columns, true, "o.", " = ", "n.", " AND ");
	char *set = column_list(columns, false, "", " = ", "n.", ", ");
	char *key = column_list(columns, true, "", "", NULL, ", ");
	char *new_key = column_list(columns, true, "n.", "", NULL, ", ");
	char *rest = column_list(columns, false, "", "", NULL, ", ");
	char *new_rest = column_list(columns, false, "n.", "", NULL, ", ");

	appendStringInfo(script, "MERGE INTO ownership.%s o USING pg_temp.new_%s n ON %s\n",
					 table->name, table->name, match);
	if (set[0] != '\0')
		appendStringInfo(script,
						 "\tWHEN MATCHED AND (ROW(%s) IS DISTINCT FROM ROW(%s)%s%s) THEN UPDATE SET %s\n",
						 column_list(columns, false, "o.", "", NULL, ", "), new_rest,
						 table->differs ? " OR " : "", table->differs ? table->differs : "", set);
	appendStringInfo(script, "\tWHEN NOT MATCHED THEN INSERT (%s%s%s) VALUES (%s%s%s);\n", key,
					 rest[0] != '\0' ? ", " : "", rest, new_key, rest[0] != '\0' ? ", " : "",
					 new_rest);
}

/* Appends what removes from the map what the script does not have. */
static void
append_removal(StringInfo script, List *const *columns)
{
	appendStringInfoString(script, "\\if :{?ownership_remove}\n");
	/* what refers to others first */
	for (int i = (int) lengthof(tables) - 1; i >= 0; i--)
	{
		if (strcmp(tables[i].name, "deleted_domain") != 0)
			appendStringInfo(script,
							 "DELETE FROM ownership.%s o WHERE %sNOT EXISTS (SELECT FROM pg_temp.new_%s n WHERE %s);\n",
							 tables[i].name,
							 tables[i].may_go ? psprintf("%s AND ", tables[i].may_go) : "",
							 tables[i].name,
							 column_list(columns[i], true, "o.", " = ", "n.", " AND "));
	}
	appendStringInfoString(script, "\\endif\n");
}

/* Appends which tables are to be guarded: all but those that are there and are not. */
static void
append_guards(StringInfo script, List *entities)
{
	Parameters p = {0};
	uint64 n;

	sql_add_texts(&p, entities);
	n = sql_run("SELECT format('INSERT INTO new_guard (table_schema, table_name%s) VALUES (%L, %L%s);', "
				"CASE WHEN g.unguarded THEN ', guarded' END, o.table_schema, o.table_name, CASE WHEN g.unguarded THEN ', ''false''' END) "
				"FROM ownership.mirrored_table o CROSS JOIN LATERAL (SELECT "
				"EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
				"WHERE n.nspname = o.table_schema::name AND c.relname = o.table_name::name) AND NOT coalesce((SELECT g.guarded FROM ownership.guards g "
				"WHERE (g.table_schema, g.table_name) = (o.table_schema, o.table_name)), false) AS unguarded) g "
				"WHERE cardinality($1) = 0 OR EXISTS (SELECT FROM ownership.mirrored_column c WHERE c.entity = ANY ($1) "
				"AND (c.table_schema, c.table_name) = (o.table_schema, o.table_name)) "
				"ORDER BY o.table_schema COLLATE \"C\", o.table_name COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
		appendStringInfo(script, "%s\n", sql_result_text(i, 1));
}

/* The script; entities: only what is about these (char *); NIL: the whole map.  Needs SPI. */
char *
export_psql(List *entities)
{
	List *columns[lengthof(tables)];
	StringInfoData script;

	initStringInfo(&script);
	appendStringInfoString(&script, head);
	for (int i = 0; i < (int) lengthof(tables); i++)
		appendStringInfo(&script,
						 "CREATE TEMP TABLE new_%s (LIKE ownership.%s INCLUDING DEFAULTS) ON COMMIT DROP;\n",
						 tables[i].name, tables[i].name);
	appendStringInfoString(
		&script,
		"CREATE TEMP TABLE new_guard (table_schema text, table_name text, guarded boolean DEFAULT true) ON COMMIT DROP;\n");
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		columns[i] = load_columns(&tables[i]);
		appendStringInfo(&script, "\n-- %s\n", tables[i].name);
		append_rows(&script, &tables[i], columns[i], entities);
	}
	appendStringInfoString(&script, "\n-- guards\n");
	append_guards(&script, entities);
	appendStringInfoString(&script, "\n-- what differs is changed\n");
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		const char *name = tables[i].name;

		if (strcmp(name, "deleted_domain") == 0)
		{
			appendStringInfoString(
				&script,
				"DELETE FROM ownership.domain o USING pg_temp.new_deleted_domain n WHERE o.name = n.name;\n");
			continue;
		}
		appendStringInfoString(&script, strcmp(name, "field") == 0			   ? before_field
										: strcmp(name, "declared_access") == 0 ? before_access
										: strcmp(name, "mirrored_column") == 0 ? before_column
										: strcmp(name, "row_owner") == 0	   ? before_row_owner
										: strcmp(name, "handover") == 0		   ? before_handover
																			   : "");
		append_merge(&script, &tables[i], columns[i]);
	}
	if (entities == NIL)
		append_removal(&script, columns);
	appendStringInfoString(&script, "\n-- what is not there is told; tables are guarded\n");
	appendStringInfoString(&script, tail);
	return script.data;
}
