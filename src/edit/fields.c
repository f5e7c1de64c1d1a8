/*
 * fields.c
 *		Fields, and the columns that are their copies: what the functions that
 *		edit the map share.
 *
 * The functions check what a person is likely to get wrong, and then run plain
 * SQL on the map's tables with the caller's privileges: an edit by function is
 * an edit by SQL.  The functions' definitions pin the search_path with which
 * this SQL runs.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "nodes/bitmapset.h"
#include "nodes/value.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

/* Errors: a name that the constraints of ownership.field refuse. */
static void
require_field_name(const ColumnSpec *s)
{
	if (names_is_blank_edged(s->entity))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid entity: \"%s\"", s->entity),
				 errhint(
					 "A field is named entity.name, such as product.price, without blanks around it.")));
	if (!names_can_be_field(s->field))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("column \"%s\" of table \"%s\" cannot be a field of its own: its name contains a dot, or blanks around it",
						s->column, names_message_relation(s->schema, s->table)),
				 errhint(
					 "Insert a field with another name into ownership.field and link() the column to it, or leave the column out.")));
}

/* Errors: always; the column is a copy of the field entity.field, and not of the wanted one. */
void
field_already_mapped(const char *schema, const char *table, const char *column, const char *entity,
					 const char *field)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("column \"%s\" of table \"%s\" is already mapped to field \"%s.%s\"", column,
					names_message_relation(schema, table), entity, field),
			 errhint(
				 "Delete its row from ownership.mirrored_column first, or leave it mapped to that field.")));
}

/*
 * Check that the copies of a field can be compared, each with the first one
 * (the authoritative one, if there is one).
 *
 * Errors: two columns' types have neither = nor a cast between them.
 */
void
field_check_comparable(const char *entity, const char *field)
{
	Parameters p = {0};
	uint64 n;

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	n = sql_run("SELECT m.table_schema, m.table_name, m.column_name, a.atttypid::text "
				"FROM ownership.mirrored_column m "
				"JOIN pg_namespace n ON n.nspname = m.table_schema "
				"JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name "
				"JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name "
				"WHERE m.entity = $1 AND m.field = $2 "
				"ORDER BY m.authoritative DESC, 1, 2, 3",
				&p);
	for (uint64 i = 1; i < n; i++)
	{
		Oid first = atooid(sql_result_text(0, 4));
		Oid other = atooid(sql_result_text(i, 4));

		HeapTuple equal = oper(NULL, list_make1(makeString("=")), first, other, true, -1);

		if (HeapTupleIsValid(equal))
		{
			ReleaseSysCache(equal);
			continue;
		}
		if (compare_has_cast(other, first) || compare_has_cast(first, other))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" cannot be compared with column \"%s\" of table \"%s\"",
						sql_result_text(i, 3),
						names_message_relation(sql_result_text(i, 1), sql_result_text(i, 2)),
						sql_result_text(0, 3),
						names_message_relation(sql_result_text(0, 1), sql_result_text(0, 2))),
				 errdetail("Their types are %s and %s; copies of field \"%s.%s\" must have types that can be compared.",
						   format_type_be(other), format_type_be(first), entity, field),
				 errhint("Change one of the types, or let each column be a field of its own.")));
	}
}

/*
 * Has ownership.field label, on_blank, history, sensitive, column_group, match_key
 * and fresh_within?  That of an older version has none of them.
 */
bool
field_knows_settings(void)
{
	return get_attnum(catalog_table("field", false), "label") != InvalidAttrNumber;
}

/* writing the map */

/*
 * Put the columns (ColumnSpec) that are not on the map there, with their tables
 * and fields.  A field that exists stays as it is, but may become a key.
 *
 * Errors: a name that cannot be a field's.
 */
void
field_map_columns(List *specs)
{
	Parameters p = {0};
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	List *keys = NIL;
	ListCell *lc;

	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		require_field_name(s);
		parts[0] = lappend(parts[0], unconstify(char *, s->schema));
		parts[1] = lappend(parts[1], unconstify(char *, s->table));
		parts[2] = lappend(parts[2], unconstify(char *, s->column));
		parts[3] = lappend(parts[3], unconstify(char *, s->entity));
		parts[4] = lappend(parts[4], unconstify(char *, s->field));
		keys = lappend(keys, s->key ? "true" : "false");
	}
	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	sql_add_texts(&p, keys);
#define SPECS "unnest($1, $2, $3, $4, $5, $6) s(tschema, tname, cname, entity, field, key) "
	sql_run("INSERT INTO ownership.mirrored_table (table_schema, table_name) "
			"SELECT DISTINCT tschema, tname FROM " SPECS "ON CONFLICT DO NOTHING",
			&p);
	/* a key column that joins an existing field marks it as key, too */
	sql_run("INSERT INTO ownership.field AS f (entity, name, key) "
			"SELECT entity, field, bool_or(key::boolean) FROM " SPECS
			"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m "
			"WHERE (m.table_schema, m.table_name, m.column_name) = (tschema, tname, cname)) "
			"GROUP BY 1, 2 ON CONFLICT (entity, name) DO UPDATE SET key = true "
			"WHERE excluded.key AND NOT f.key",
			&p);
	sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) "
			"SELECT tschema, tname, cname, entity, field FROM " SPECS
			"ON CONFLICT (table_schema, table_name, column_name) DO NOTHING",
			&p);
#undef SPECS
}

/*
 * Make `systems` the declared systems of a field; mode is "read" or "write".
 * Where they are declared already, nothing is written.
 */
void
field_set_access(const char *entity, const char *field, const char *mode, List *systems)
{
	List *declared = lookup_declared_systems(entity, field, mode);
	Parameters p = {0};

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	sql_add_text(&p, mode);
	sql_add_texts(&p, systems);
	if (!names_all_among(declared, systems))
		sql_run("DELETE FROM ownership.declared_access WHERE entity = $1 AND field = $2 "
				"AND mode = $3 AND system <> ALL ($4)",
				&p);
	if (!names_all_among(systems, declared))
		sql_run("INSERT INTO ownership.declared_access (entity, field, mode, system) "
				"SELECT $1, $2, $3, s FROM unnest($4) s ON CONFLICT DO NOTHING",
				&p);
}

/*
 * Make a column a copy of an existing field.  A column that is a field of its
 * own, as it is by default, becomes a copy, too; its former field is deleted if
 * no other column is a copy of it.  `authoritative` marks the column as the
 * authoritative copy; false leaves that mark as it is.
 *
 * Returns true if the column was not on the map.
 *
 * Errors: the column is mapped to another field that is not its default one.
 */
bool
field_map_column(const char *schema, const char *table, const char *column, const char *entity,
				 const char *field, bool authoritative)
{
	Parameters p = {0};
	char *old_entity = NULL;
	char *old_field = NULL;
	bool mapped = lookup_mapped_field(schema, table, column, &old_entity, &old_field);
	bool same = mapped && strcmp(old_entity, entity) == 0 && strcmp(old_field, field) == 0;

	if (mapped && !same && !names_is_default_field(schema, table, column, old_entity, old_field))
		field_already_mapped(schema, table, column, old_entity, old_field);
	if (same && !authoritative)
		return false;

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	sql_add_text(&p, column);
	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	sql_add_bool(&p, authoritative);
	if (!mapped)
		sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field, authoritative) "
				"VALUES ($1, $2, $3, $4, $5, $6)",
				&p);
	else
		sql_run("UPDATE ownership.mirrored_column SET entity = $4, field = $5, "
				"authoritative = $6 OR (authoritative AND (entity, field) = ($4, $5)) "
				"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 "
				"AND (entity, field, authoritative OR NOT $6) IS DISTINCT FROM ($4, $5, true)",
				&p);
	if (mapped && !same)
	{
		Parameters q = {0};

		sql_add_text(&q, old_entity);
		sql_add_text(&q, old_field);
		sql_add_text(&q, entity);
		sql_add_text(&q, field);
		/* if the former field is a key, the new one becomes one */
		sql_run("UPDATE ownership.field SET key = true WHERE entity = $3 AND name = $4 AND NOT key "
				"AND EXISTS (SELECT FROM ownership.field o WHERE o.entity = $1 AND o.name = $2 AND o.key)",
				&q);
		sql_run("DELETE FROM ownership.field f WHERE entity = $1 AND name = $2 "
				"AND ($3, $4) IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.mirrored_column m "
				"WHERE m.entity = f.entity AND m.field = f.name)",
				&q);
	}
	return !mapped;
}

/* The columns of a table's primary key, for field_in_key(); NULL: none. */
Bitmapset *
field_primary_key(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	Bitmapset *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);

	table_close(rel, AccessShareLock);
	return key;
}

/* Is the column among those that field_primary_key() returned? */
bool
field_in_key(Bitmapset *key, AttrNumber attnum)
{
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, key);
}

/* The names of a table's columns, without dropped and generated ones. */
List *
field_table_columns(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	List *columns = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			columns = lappend(columns, pstrdup(NameStr(att->attname)));
	}
	table_close(rel, AccessShareLock);
	return columns;
}

/*
 * The source of a table may write all of its own copy.  A notice says so where
 * another system got some of these columns and no table of another source, or
 * without one, has copies of their fields: where one has, drift() compares them.
 */
void
field_report_overwritable(const char *schema, const char *table, List *columns)
{
	Parameters p = {0};

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	sql_add_texts(&p, columns);
	if (sql_run("SELECT t.source, string_agg(format('\"%s\"', c.column_name), ', ' ORDER BY array_position($3, c.column_name)) "
				"FROM ownership.mirrored_table t JOIN ownership.mirrored_column c USING (table_schema, table_name) "
				"JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field "
				"WHERE (t.table_schema, t.table_name) = ($1, $2) AND c.column_name = ANY ($3) "
				"AND (f.owner <> t.source OR EXISTS (SELECT FROM ownership.row_owner_now r WHERE r.owner <> t.source "
				"AND (r.table_schema, r.table_name, r.column_name) = (c.table_schema, c.table_name, c.column_name))) "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_column o "
				"JOIN ownership.mirrored_table ot USING (table_schema, table_name) "
				"WHERE o.entity = c.entity AND o.field = c.field AND ot.source IS DISTINCT FROM t.source) "
				"GROUP BY t.source",
				&p) == 0)
		return;
	ereport(NOTICE,
			(errmsg("system \"%s\" may overwrite %s of table \"%s\"", sql_result_text(0, 1),
					sql_result_text(0, 2), names_relation_label(schema, table)),
			 errdetail(
				 "The table is that system's own copy: no other system of record is enforced there, and no other table has a copy of these fields to compare with."),
			 errhint(
				 "If several systems write the table, it has no source: set \"source\" of its row in ownership.mirrored_table to NULL.")));
}

/*
 * A mirrored table got a primary key: mark the fields of its columns as key, as
 * add_tables() does for a table that has a key, unless the table has a field
 * that is marked.
 */
void
field_mark_primary_key(Oid relid)
{
	Bitmapset *key = field_primary_key(relid);
	List *columns = NIL;
	Parameters p = {0};
	ListCell *lc;

	foreach(lc, field_table_columns(relid))
		if (field_in_key(key, get_attnum(relid, lfirst(lc))))
			columns = lappend(columns, lfirst(lc));
	sql_add_text(&p, get_namespace_name(get_rel_namespace(relid)));
	sql_add_text(&p, get_rel_name(relid));
	sql_add_texts(&p, columns);
	/* no key is part of a group: a user's DDL must not fail for that; an older version has no groups */
	sql_run("UPDATE ownership.field f SET key = true FROM ownership.mirrored_column m "
			"WHERE to_jsonb(f) ->> 'column_group' IS NULL AND m.table_schema = $1 AND m.table_name = $2 AND m.column_name = ANY ($3) "
			"AND f.entity = m.entity AND f.name = m.field AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_column o JOIN ownership.field k ON k.entity = o.entity "
			"AND k.name = o.field AND k.key WHERE o.table_schema = $1 AND o.table_name = $2)",
			&p);
}
