/*
 * table_pattern.c
 *		add_tables(): a pattern of names puts tables on the map, now and later.
 *
 * add_tables() stores the pattern in mirrored_pattern.  When DDL adds a table or
 * a column that the pattern matches, the functions here put it on the map, too.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_add_tables);

/*
 * Does one of the patterns match the table, or the column as table.column?  In
 * schema public they match with and without "public.".
 */
bool
table_pattern_excludes(List *patterns, const char *schema, const char *table, const char *column)
{
	ListCell *lc;

	foreach(lc, patterns)
	{
		const char *pattern = lfirst(lc);

		const char *name = psprintf("%s.%s", table, column);

		if (names_match(pattern, psprintf("%s.%s", schema, table)) ||
			names_match(pattern, psprintf("%s.%s", schema, name)))
			return true;
		if (strcmp(schema, "public") == 0 &&
			(names_match(pattern, table) || names_match(pattern, name)))
			return true;
	}
	return false;
}

/*
 * Put columns (ColumnSpec) that are not on the map there.  Their fields get the
 * owner, if they have none, and the readers.
 */
static void
map_fresh(List *specs, const char *owner, List *readers)
{
	List *entities = NIL;
	List *fields = NIL;
	Parameters p = {0};
	ListCell *lc;

	field_map_columns(specs);
	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		entities = lappend(entities, unconstify(char *, s->entity));
		fields = lappend(fields, unconstify(char *, s->field));
	}
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	sql_add_text(&p, owner);
	sql_add_texts(&p, readers);
	sql_run("UPDATE ownership.field f SET owner = $3 FROM unnest($1, $2) g(entity, name) "
			"WHERE (f.entity, f.name) = (g.entity, g.name) AND f.owner IS NULL AND $3 IS NOT NULL "
			"AND $4 IS NOT NULL",
			&p);
	sql_run("INSERT INTO ownership.declared_access (entity, field, system, mode) "
			"SELECT DISTINCT g.entity, g.name, r, 'read' FROM unnest($1, $2) g(entity, name), unnest($4) r "
			"WHERE r IS DISTINCT FROM $3 ON CONFLICT DO NOTHING",
			&p);
}

/* What is planned for the pattern is planned for the fields of its new columns, too. */
static void
plan_fresh(List *specs, const TablePattern *pattern)
{
	List *entities = NIL;
	List *fields = NIL;
	Parameters p = {0};
	ListCell *lc;

	if (!succession_exists(NULL))
		return;
	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		entities = lappend(entities, unconstify(char *, s->entity));
		fields = lappend(fields, unconstify(char *, s->field));
	}
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	sql_add_text(&p, pattern->pattern);
	sql_add_text(&p, pattern->owner);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(map_time()), false);
	sql_run("INSERT INTO ownership.handover (entity, field, from_system, to_system, at, decided_by, note) "
			"SELECT f.entity, f.name, h.from_system, h.to_system, h.at, h.decided_by, h.note "
			"FROM ownership.handover h, unnest($1, $2) g(entity, field) "
			"JOIN ownership.field f ON (f.entity, f.name) = (g.entity, g.field) AND f.owner = $4 "
			"WHERE h.entity = $3 AND h.field = '*' AND h.done_at IS NULL AND h.at > $5 "
			"ON CONFLICT DO NOTHING",
			&p);
}

/*
 * The entity for a table's new columns: that of its mirrored columns, if they
 * all have one entity and no other table has it; else the default.
 */
static char *
table_entity(const char *schema, const char *table)
{
	Parameters p = {0};

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	if (sql_run("SELECT min(entity) FROM ownership.mirrored_column m "
				"WHERE table_schema = $1 AND table_name = $2 HAVING count(DISTINCT entity) = 1 "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_column o WHERE o.entity = min(m.entity) "
				"AND (o.table_schema, o.table_name) <> ($1, $2))",
				&p) == 0)
		return names_default_entity(schema, table);
	return sql_result_text(0, 1);
}

/*
 * Put columns of a table on the map as the pattern says: those that are not
 * there; if `only` is not NIL, only those that it names.  A table that comes to
 * the map gets the pattern's source, too.  Returns true if there was a column.
 */
bool
table_pattern_map(Oid relid, const TablePattern *pattern, List *only)
{
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	char *entity = table_entity(schema, table);
	Bitmapset *key = field_primary_key(relid);
	List *readers = NIL;
	List *specs = NIL;
	ListCell *lc;

	foreach(lc, field_table_columns(relid))
	{
		ColumnSpec *s;
		char *old_entity;
		char *old_field;

		if ((only != NIL && !names_contain(only, lfirst(lc))) ||
			table_pattern_excludes(pattern->exclude, schema, table, lfirst(lc)) ||
			lookup_mapped_field(schema, table, lfirst(lc), &old_entity, &old_field))
			continue;
		if (!names_can_be_field(lfirst(lc)))
		{
			ereport(WARNING,
					(errmsg("column \"%s\" of table \"%s\" is not put on the ownership map: its name contains a dot, or blanks around it",
							(char *) lfirst(lc), names_message_relation(schema, table)),
					 errhint(
						 "Insert a field with another name into ownership.field and link() the column to it.")));
			continue;
		}
		s = palloc0(sizeof(ColumnSpec));
		s->schema = schema;
		s->table = table;
		s->column = lfirst(lc);
		s->entity = entity;
		s->field = s->column;
		s->key = field_in_key(key, get_attnum(relid, s->column));
		specs = lappend(specs, s);
	}
	if (specs == NIL)
		return false;
	/* no foreign key is on the pattern's readers: one may not exist any more */
	foreach(lc, pattern->readers)
		if (lookup_system_exists(lfirst(lc)))
			readers = lappend(readers, lfirst(lc));
	map_fresh(specs, pattern->owner, readers);
	plan_fresh(specs, pattern);
	if (only == NIL)
	{
		Parameters p = {0};

		sql_add_text(&p, schema);
		sql_add_text(&p, table);
		sql_add_text(&p, pattern->source);
		sql_run("UPDATE ownership.mirrored_table SET source = $3 "
				"WHERE table_schema = $1 AND table_name = $2 AND $3 IS NOT NULL",
				&p);
	}
	return true;
}

/*
 * add_tables(pattern, source, owner, readers, exclude): put the columns of all
 * tables that match on the map, guard the tables, and store the pattern.
 * source NULL: the tables are shared; owner NULL: the source is the owner.
 * Returns the number of columns that were not on the map.
 *
 * Columns that are on the map stay as they are.  A table whose lock is not
 * free at once is mapped but not guarded.
 *
 * Errors: the pattern is NULL; no table matches; a system does not exist; a
 * matching table is not the caller's.
 */
Datum
ownership_add_tables(PG_FUNCTION_ARGS)
{
	char *pattern = call_text(fcinfo, 0);
	char *source = call_text(fcinfo, 1);
	char *owner = call_text(fcinfo, 2);
	List *readers = call_list(fcinfo, 3, TEXTOID, "readers");
	List *exclude = call_list(fcinfo, 4, TEXTOID, "exclude");
	Parameters none = {0};
	Parameters p = {0};
	List *specs = NIL;
	List *relids = NIL;
	List *schemas = NIL;
	List *tables = NIL;
	List *columns = NIL;
	List *fresh = NIL;
	Parameters q = {0};
	uint64 n;
	int64 added;

	if (pattern == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	if (owner == NULL)
		owner = source;
	SPI_connect();
	require_system(source);
	require_system(owner);
	require_systems(readers);

	n = sql_run("SELECT n.nspname, c.relname, a.attname, c.oid::text, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text "
				"FROM " MAPPABLE_COLUMNS "ORDER BY n.nspname, c.relname, a.attnum",
				&none);
	for (uint64 i = 0; i < n; i++)
	{
		ColumnSpec *s = palloc0(sizeof(ColumnSpec));
		Oid relid = atooid(sql_result_text(i, 4));

		s->schema = sql_result_text(i, 1);
		s->table = sql_result_text(i, 2);
		s->column = sql_result_text(i, 3);
		s->key = sql_result_bool(i, 5);
		s->entity = names_default_entity(s->schema, s->table);
		s->field = s->column;
		if (!names_match_table(pattern, s->schema, s->table) ||
			table_pattern_excludes(exclude, s->schema, s->table, s->column))
			continue;
		specs = lappend(specs, s);
		schemas = lappend(schemas, unconstify(char *, s->schema));
		tables = lappend(tables, unconstify(char *, s->table));
		columns = lappend(columns, unconstify(char *, s->column));
		if (relids == NIL || llast_oid(relids) != relid)
			relids = lappend_oid(relids, relid);
	}
	if (specs == NIL)
		require_no_table_matches(pattern);

	sql_add_texts(&p, schemas);
	sql_add_texts(&p, tables);
	sql_add_texts(&p, columns);
	n = sql_run("SELECT g.i::text FROM unnest($1, $2, $3) WITH ORDINALITY g(tschema, tname, cname, i) "
				"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m "
				"WHERE (m.table_schema, m.table_name, m.column_name) = (g.tschema, g.tname, g.cname)) "
				"ORDER BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		ColumnSpec *s = list_nth(specs, atoi(sql_result_text(i, 1)) - 1);

		fresh = lappend(fresh, s);
	}
	map_fresh(fresh, owner, readers);

	sql_add_text(&p, source);
	sql_run("UPDATE ownership.mirrored_table t SET source = $4 "
			"FROM (SELECT DISTINCT tschema, tname FROM unnest($1, $2, $3) g(tschema, tname, cname)) g "
			"WHERE (t.table_schema, t.table_name) = (g.tschema, g.tname) "
			"AND $4 IS NOT NULL AND t.source IS DISTINCT FROM $4",
			&p);

	/* for tables and columns that appear later */
	sql_add_text(&q, pattern);
	sql_add_text(&q, source);
	sql_add_text(&q, owner);
	sql_add_texts(&q, readers);
	sql_add_texts(&q, exclude);
	sql_run("INSERT INTO ownership.mirrored_pattern AS m (pattern, source, owner, readers, exclude) "
			"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pattern) DO UPDATE "
			"SET source = $2, owner = $3, readers = $4, exclude = $5 "
			"WHERE (m.source, m.owner, m.readers, m.exclude) IS DISTINCT FROM ($2, $3, $4, $5)",
			&q);

	guard_relations(relids);
	if (source != NULL && owner != NULL && strcmp(source, owner) != 0)
		ereport(NOTICE,
				(errmsg("system \"%s\" may overwrite what \"%s\" owns in the tables of \"%s\"",
						source, owner, pattern),
				 errdetail(
					 "They are that system's own copies: no other system of record is enforced there."),
				 errhint("If several systems write the tables, give them no source.")));
	added = list_length(fresh);
	SPI_finish(); /* this frees the list */
	PG_RETURN_INT64(added);
}

/* How specific a pattern is: the number of its characters that are no wildcards. */
static int
literal_length(const char *pattern)
{
	int n = 0;

	for (; *pattern != '\0'; pattern++)
		n += *pattern != '*' && *pattern != '?';
	return n;
}

/* All rows of mirrored_pattern, as a list of TablePattern. */
List *
table_pattern_load(void)
{
	CatalogScan *scan = catalog_begin("mirrored_pattern", NULL, 0, NULL, NULL);
	List *patterns = NIL;

	while (catalog_next(scan))
	{
		TablePattern *pattern = palloc0(sizeof(TablePattern));

		pattern->pattern = catalog_text(scan, Anum_mirrored_pattern_pattern);
		pattern->source = catalog_text(scan, Anum_mirrored_pattern_source);
		pattern->owner = catalog_text(scan, Anum_mirrored_pattern_owner);
		if (pattern->owner == NULL)
			pattern->owner = pattern->source;
		if (pattern->owner != NULL && succession_exists(NULL))
			pattern->owner = succession_owner(succession_of(pattern->pattern, "*", NULL), "",
											  pattern->owner, map_time());
		pattern->readers = catalog_texts(scan, Anum_mirrored_pattern_readers);
		pattern->exclude = catalog_texts(scan, Anum_mirrored_pattern_exclude);
		patterns = lappend(patterns, pattern);
	}
	catalog_end(scan);
	return patterns;
}

/* The most specific of the patterns that match a table; NULL: none matches. */
TablePattern *
table_pattern_best(List *patterns, const TablePlace *place)
{
	TablePattern *best = NULL;
	ListCell *lc;

	foreach(lc, patterns)
	{
		TablePattern *pattern = lfirst(lc);

		if (!names_match_table(pattern->pattern, place->schema, place->table))
			continue;
		if (best == NULL || literal_length(pattern->pattern) > literal_length(best->pattern) ||
			(literal_length(pattern->pattern) == literal_length(best->pattern) &&
			 strcmp(pattern->pattern, best->pattern) < 0))
			best = pattern;
	}
	return best;
}

/* The same, among all patterns of mirrored_pattern. */
TablePattern *
table_pattern_for(const TablePlace *place)
{
	return table_pattern_best(table_pattern_load(), place);
}

/*
 * Drop the map of a table, or of one column of it, if a pattern made it and
 * nothing was decided about it since.  The caller does that where another map
 * comes to the name, or where the table is a partition of a mirrored one now.
 * `column` NULL: the whole table.  Returns true if the map was dropped.
 */
bool
table_pattern_drop_undecided(const TablePlace *place, const char *column)
{
	TablePattern *pattern = table_pattern_for(place);
	Parameters p = {0};
	Parameters q = {0};

	if (pattern == NULL)
		return false;
	place_add(&p, place);
	sql_add_text(&p, column);
	sql_add_text(&p, names_default_entity(place->schema, place->table));
	sql_add_text(&p, pattern->owner);
	if (sql_run("SELECT FROM ownership.mirrored_column m "
				"JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field "
				"WHERE m.table_schema = $1 AND m.table_name = $2 AND ($3 IS NULL OR m.column_name = $3) "
				/* the field of a column may have a former name of the table and the column */
				"AND (($3 IS NULL AND m.entity <> $4) OR ($3 IS NOT NULL AND f.key) "
				"OR ($3 IS NULL AND m.field <> m.column_name) OR m.authoritative OR f.owner IS DISTINCT FROM $5 "
				"OR f.local OR num_nonnulls(f.domain, f.policy, f.rationale, f.decided_by, f.decided_on) > 0 "
				/* an older version does not have all of them */
				"OR EXISTS (SELECT FROM jsonb_each_text(to_jsonb(f)) s WHERE s.value <> 'false' "
				"AND s.key IN ('label', 'on_blank', 'history', 'sensitive', 'column_group', 'match_key', 'fresh_within')) "
				"OR EXISTS (SELECT FROM ownership.row_owner r WHERE (r.table_schema, r.table_name) = ($1, $2) "
				"AND ($3 IS NULL OR r.column_name = $3)) "
				"OR EXISTS (SELECT FROM ownership.mirrored_column o WHERE o.entity = m.entity "
				"AND o.field = m.field AND (o.table_schema, o.table_name, o.column_name) <> ($1, $2, m.column_name)))",
				&p) > 0)
		return false;
	place_add(&q, place);
	sql_add_text(&q, column);
	sql_run("DELETE FROM ownership.field f USING ownership.mirrored_column m "
			"WHERE (m.table_schema, m.table_name) = ($1, $2) AND ($3 IS NULL OR m.column_name = $3) "
			"AND (f.entity, f.name) = (m.entity, m.field)",
			&q);
	if (column == NULL)
		sql_run("DELETE FROM ownership.mirrored_table WHERE (table_schema, table_name) = ($1, $2) "
				"AND $3 IS NULL",
				&q);
	return true;
}
