/*
 * gather.c
 *		The guide reads domains, systems and columns.
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "guide.h"

/* Every Domain, in the order in which patterns are tried; adds the words of their patterns. */
List *
gather_read_domains(Words *words)
{
	Parameters p = {0};
	uint64 n =
		sql_run("SELECT name, array_remove(natural_owner, NULL), column_pattern, table_pattern "
				"FROM ownership.domain ORDER BY position NULLS FIRST, name COLLATE \"C\"",
				&p);
	List *domains = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		Domain *d = palloc0(sizeof(Domain));
		char *columns = sql_result_text(i, 3);
		char *tables = sql_result_text(i, 4);

		d->index = i;
		d->name = sql_result_text(i, 1);
		d->kinds = sql_result_texts(i, 2);
		if (columns != NULL)
		{
			words_learn(words, pattern_expand(columns));
			d->column_words = pattern_words(columns);
			/* NULL for most: few patterns are about table.column */
			d->column_qualified = pattern_qualified(columns);
			d->column_definite = pattern_definite(columns);
			d->documents = pattern_of_documents(columns);
		}
		if (tables != NULL)
		{
			words_learn(words, pattern_expand(tables));
			d->table_words = pattern_words(tables);
			d->table_qualified = pattern_qualified(tables);
		}
		domains = lappend(domains, d);
	}
	return domains;
}

/* Every System; adds the words of their names. */
List *
gather_read_systems(Words *words)
{
	Parameters p = {0};
	uint64 n = sql_run("SELECT name, kind FROM ownership.system ORDER BY name COLLATE \"C\"", &p);
	List *systems = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		System *s = palloc0(sizeof(System));

		s->name = sql_result_text(i, 1);
		s->kind = sql_result_text(i, 2);
		s->word = pattern_normal_name(s->name);
		words_learn(words, s->word);
		s->normal = words_split(words, s->word);
		systems = lappend(systems, s);
	}
	return systems;
}

/* The ColumnName of a column; columns whose normal names are equal share it. */
static ColumnName *
column_name(HTAB *names, Words *words, const char *name)
{
	char key[MAX_SPELLED];
	ColumnName *result;
	bool found;

	strlcpy(key, pattern_normal_name(name), MAX_SPELLED);
	result = hash_search(names, key, HASH_ENTER, &found);
	if (!found)
	{
		result->normal = words_split(words, result->spelled);
		result->domain = result->beside = -1;
		result->deletes = result->foreign = false;
	}
	return result;
}

/*
 * A Suggestion for each column that can be on the map, of tables that match, in
 * the order of tables and columns.  All words must have been learnt.
 *
 * Errors: no table matches.
 */
List *
gather_read_columns(const char *pattern, Words *words, HTAB *names)
{
	Parameters p = {0};
	uint64 n;
	List *columns = NIL;

	n = sql_run("SELECT n.nspname, c.relname, a.attname, c.oid::text, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text, "
				"col_description(c.oid, a.attnum), "
				"(SELECT min(ownership.relation_name(fn.nspname, fc.relname)) FROM pg_constraint k "
				"JOIN pg_class fc ON fc.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace "
				"WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 AND a.attnum = ANY (k.conkey)), "
				"w.systems, w.only, m.entity, m.field, t.source, f.key::text, CASE WHEN f.key THEN f.owner END "
				"FROM " MAPPABLE_COLUMNS "LEFT JOIN ownership.mirrored_column m "
				"ON (m.table_schema, m.table_name, m.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"LEFT JOIN ownership.field_now f ON (f.entity, f.name) = (m.entity, m.field) "
				"LEFT JOIN ownership.mirrored_table t "
				"ON (t.table_schema, t.table_name) = (n.nspname::text, c.relname::text) "
				"LEFT JOIN (SELECT table_schema, table_name, column_name, "
				"string_agg(system, ', ' ORDER BY system COLLATE \"C\") AS systems, "
				"CASE count(*) WHEN 1 THEN min(system) END AS only "
				"FROM ownership.activity WHERE writes > 0 AND system IS NOT NULL GROUP BY 1, 2, 3) w "
				"ON (w.table_schema, w.table_name, w.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s;
		char *schema = sql_result_text(i, 1);
		char *table = sql_result_text(i, 2);

		if (!names_match_table(pattern, schema, table))
			continue;
		s = palloc0(sizeof(Suggestion));
		s->schema = schema;
		s->table = table;
		s->column = sql_result_text(i, 3);
		s->relid = atooid(sql_result_text(i, 4));
		s->primary = sql_result_bool(i, 5);
		s->comment = sql_result_text(i, 6);
		if (s->comment != NULL)
			s->comment = pattern_normal_name(s->comment);
		s->references = sql_result_text(i, 7);
		s->writers = sql_result_text(i, 8);
		s->only_writer = sql_result_text(i, 9);
		s->entity = sql_result_text(i, 10);
		s->field = sql_result_text(i, 11);
		s->source = sql_result_text(i, 12);
		s->mapped_key = sql_result_bool(i, 13);
		s->key_owner = sql_result_text(i, 14);
		s->name = column_name(names, words, s->column);
		s->by_both = -1;
		columns = lappend(columns, s);
	}
	if (columns == NIL)
		require_no_table_matches(pattern);
	return columns;
}
