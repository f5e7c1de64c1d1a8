/*
 * match.c
 *		Which rows of two tables belong together.
 *
 * Rows are matched by the match fields of the entity (lookup_match_fields()) that both
 * tables contain.  These must identify a row of the authoritative table.  Where they do
 * not, a third table of the map may help that contains match fields of both: a
 * crosswalk.  The row of the copy is joined with the crosswalk's row of the same key, and
 * gets the fields that it lacks from there.
 *
 * A crosswalk that gives one key of the copy several keys of the authoritative table
 * says nothing of that row: the row is left out (Match.ambiguous).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "drift.h"

/* The match fields of a table: looked up once for all copies in it. */
typedef struct TableKeys
{
	const char *schema;
	const char *table;
	List *keys;
} TableKeys;

/* Conditions between the authoritative table a, the copy c and the crosswalk x; in SQL. */
typedef struct Conditions
{
	StringInfoData a_c;
	StringInfoData a_x;
	StringInfoData c_x;
	/* of x, as it is compared, with commas between: the keys of c, of a, and of both */
	StringInfoData x_c;
	StringInfoData x_a;
	StringInfoData x_both;
	StringInfoData x_null; /* condition: one of them is NULL */
	bool x_exact;		   /* keys of the copy that are equal as they are compared are equal */
	List *attnums;		   /* of these columns of x */
} Conditions;

/* What is known of the entity's match fields; memo is that of another entity, or NULL. */
MatchMemo *
match_memo(MatchMemo *memo, const char *entity)
{
	if (memo != NULL && strcmp(memo->entity, entity) == 0)
		return memo;
	memo = palloc0(sizeof(MatchMemo));
	memo->entity = entity;
	memo->fields = lookup_match_fields(entity);
	return memo;
}

/* The columns of a table that contain match fields, as KeyColumn *. */
List *
match_keys(MatchMemo *memo, const char *schema, const char *table)
{
	TableKeys *known;
	ListCell *lc;

	foreach(lc, memo->known)
	{
		known = lfirst(lc);
		if (strcmp(known->table, table) == 0 && strcmp(known->schema, schema) == 0)
			return known->keys;
	}
	known = palloc(sizeof(TableKeys));
	known->schema = schema;
	known->table = table;
	known->keys = holder_table_keys(memo->entity, memo->fields, schema, table);
	memo->known = lappend(memo->known, known);
	return known->keys;
}

/* The key without the field that is compared, by which rows cannot be joined. */
static List *
without_field(List *keys, const char *field)
{
	List *list = NIL;
	ListCell *lc;

	foreach(lc, keys)
		if (strcmp(((KeyColumn *) lfirst(lc))->field, field) != 0)
			list = lappend(list, lfirst(lc));
	return list;
}

static bool
same_table(const TablePlace *place, const Holder *h)
{
	return strcmp(place->table, h->table) == 0 && strcmp(place->schema, h->schema) == 0;
}

/*
 * Does a row of the copy, with what the crosswalk's keys (NIL: there is none) add, say
 * which row of the authoritative table is meant?  Sets *missing to a field that it lacks.
 */
static bool
identifies(const Holder *a, List *a_keys, List *c_keys, List *x_keys, const char **missing)
{
	List *attnums = NIL;
	ListCell *lc;

	*missing = NULL;
	foreach(lc, a_keys)
	{
		const KeyColumn *k = lfirst(lc);

		if (holder_find_key(c_keys, k->field) == NULL && holder_find_key(x_keys, k->field) == NULL)
			*missing = k->field;
		else
			attnums = lappend_int(attnums, k->holder.attnum);
	}
	return attnums != NIL && (*missing == NULL || holder_identifies_row(a->relid, attnums));
}

/*
 * Does the table with these keys bridge the two?  It adds what the copy lacks.  The copy's
 * keys are in it, or in the authoritative table; or those that are identify its row.
 */
static bool
is_crosswalk(const Holder *a, List *a_keys, List *c_keys, List *x_keys)
{
	const char *missing;
	List *attnums = NIL;
	bool all = true;
	bool adds = false;
	ListCell *lc;

	foreach(lc, c_keys)
	{
		const char *field = ((KeyColumn *) lfirst(lc))->field;
		const KeyColumn *x = holder_find_key(x_keys, field);

		if (x != NULL)
			attnums = lappend_int(attnums, x->holder.attnum);
		else
			all &= holder_find_key(a_keys, field) != NULL;
	}
	foreach(lc, a_keys)
	{
		const char *field = ((KeyColumn *) lfirst(lc))->field;

		adds |= holder_find_key(c_keys, field) == NULL && holder_find_key(x_keys, field) != NULL;
	}
	return attnums != NIL && adds && identifies(a, a_keys, c_keys, x_keys, &missing) &&
		   (all || holder_identifies_row(((KeyColumn *) linitial(x_keys))->holder.relid, attnums));
}

static bool
any_authoritative(List *keys)
{
	ListCell *lc;

	foreach(lc, keys)
		if (((KeyColumn *) lfirst(lc))->authoritative)
			return true;
	return false;
}

/*
 * Finds the crosswalk between the two tables, and sets the match's crosswalk and *keys.
 * Of several it is the one with a column that is marked as authoritative.  Returns
 * whether there is one, or which one is undecided; then it sets the problem.
 */
static bool
find_crosswalk(Match *match, MatchMemo *memo, const char *field, const Holder *a, List *a_keys,
			   const Holder *c, List *c_keys)
{
	int found = 0;
	int marked = 0;
	TablePlace *best = NULL;
	StringInfoData labels;
	ListCell *lc;

	if (!memo->looked)
		memo->tables = place_tables_with(memo->entity, memo->fields);
	memo->looked = true;
	initStringInfo(&labels);
	foreach(lc, memo->tables)
	{
		TablePlace *place = lfirst(lc);
		List *keys;

		/* a match field is not compared by way of the others */
		if (same_table(place, a) || same_table(place, c) || names_contain(memo->fields, field))
			continue;
		keys = without_field(match_keys(memo, place->schema, place->table), field);
		if (!is_crosswalk(a, a_keys, c_keys, keys))
			continue;
		appendStringInfo(&labels, "%s%s", found++ == 0 ? "" : ", ",
						 names_relation_label(place->schema, place->table));
		if (found == 1 || any_authoritative(keys))
		{
			best = place;
			match->keys = keys;
			marked += any_authoritative(keys);
		}
	}
	if (found == 0)
		return false;
	match->schema = best->schema;
	match->table = best->table;
	match->relid = ((KeyColumn *) linitial(match->keys))->holder.relid;
	if (found > 1 && marked != 1)
	{
		match->problem =
			psprintf("several tables contain keys of %s and of %s, and it is undecided which one is the crosswalk: %s",
					 names_relation_label(a->schema, a->table),
					 names_relation_label(c->schema, c->table), labels.data);
		match->advice =
			psprintf("Mark a column of one of them as authoritative, as in ownership.link('%s.KEY', '{%s.COLUMN}', authoritative => '%s.COLUMN').",
					 memo->entity, names_relation_label(best->schema, best->table),
					 names_relation_label(best->schema, best->table));
	}
	return true;
}

static KeyMatch
compare_keys(const char *alias, const KeyColumn *k, const char *other_alias, const KeyColumn *other)
{
	return sql_key_match(sql_column(alias, k->holder.column), k->holder.type, k->holder.collation,
						 sql_column(other_alias, other->holder.column), other->holder.type,
						 other->holder.collation);
}

static void
append(StringInfo sql, const char *separator, const char *expr)
{
	appendStringInfo(sql, "%s%s", sql->len == 0 ? "" : separator, expr);
}

/* The conditions between the tables with these keys; x_keys NIL: there is no crosswalk. */
static Conditions
conditions(List *a_keys, List *c_keys, List *x_keys)
{
	Conditions sql = {0};
	ListCell *lc;

	initStringInfo(&sql.a_c);
	initStringInfo(&sql.a_x);
	initStringInfo(&sql.c_x);
	initStringInfo(&sql.x_c);
	initStringInfo(&sql.x_a);
	initStringInfo(&sql.x_both);
	initStringInfo(&sql.x_null);
	sql.x_exact = true;
	foreach(lc, c_keys)
	{
		const KeyColumn *c = lfirst(lc);
		const KeyColumn *x = holder_find_key(x_keys, c->field);
		KeyMatch m;

		if (x == NULL)
			continue;
		m = compare_keys("x", x, "c", c);
		append(&sql.c_x, " AND ", m.sql);
		append(&sql.x_c, ", ", sql_sortable(m.a, m.type));
		append(&sql.x_null, " OR ", psprintf("%s IS NULL", m.a));
		sql.x_exact &= m.a_exact;
		sql.attnums = lappend_int(sql.attnums, x->holder.attnum);
	}
	appendStringInfoString(&sql.x_both, sql.x_c.data);
	foreach(lc, a_keys)
	{
		const KeyColumn *a = lfirst(lc);
		const KeyColumn *c = holder_find_key(c_keys, a->field);
		const KeyColumn *x = holder_find_key(x_keys, a->field);
		KeyMatch m;

		if (c != NULL)
			append(&sql.a_c, " AND ", compare_keys("a", a, "c", c).sql);
		else if (x != NULL)
		{
			m = compare_keys("a", a, "x", x);
			append(&sql.a_x, " AND ", m.sql);
			append(&sql.x_a, ", ", sql_sortable(m.c, m.type));
			append(&sql.x_both, ", ", sql_sortable(m.c, m.type));
			append(&sql.x_null, " OR ", psprintf("%s IS NULL", m.c));
		}
	}
	return sql;
}

/* Sets the SQL for the key of a, with which table of keys each of its columns is compared. */
static void
set_key(Match *match, const Holder *a, List *a_keys, List *c_keys, List *x_keys)
{
	StringInfoData row_key;
	StringInfoData order;
	StringInfoData columns;
	StringInfoData key;
	List *attnums = NIL;
	bool exact = true;
	ListCell *lc;

	initStringInfo(&row_key);
	initStringInfo(&order);
	initStringInfo(&columns);
	initStringInfo(&key);
	foreach(lc, a_keys)
	{
		const KeyColumn *k = lfirst(lc);
		const KeyColumn *other = holder_find_key(c_keys, k->field);
		char *column = sql_column("a", k->holder.column);
		KeyMatch m;

		if (other == NULL)
			other = holder_find_key(x_keys, k->field);
		if (other == NULL)
			continue;
		m = compare_keys("a", k, "c", other);
		attnums = lappend_int(attnums, k->holder.attnum);
		exact &= m.a_exact;
		append(&row_key, ", ",
			   psprintf("%s, %s", quote_literal_cstr(k->field),
						sql_key_value(column, k->holder.type)));
		append(&order, ", ", sql_sortable(column, k->holder.type));
		append(&columns, ", ", m.a);
		append(&key, ", ",
			   psprintf("%s, %s", quote_literal_cstr(k->field), sql_key_value(m.a, m.type)));
	}
	match->row_key = psprintf("pg_catalog.jsonb_build_object(%s)", row_key.data);
	match->order = order.data;
	match->key_columns = columns.data;
	match->key = psprintf("pg_catalog.jsonb_build_object(%s)", key.data);
	match->unique = exact && holder_identifies_row(a->relid, attnums);
}

/* x in FROM, with the rows of the crosswalk that give one key of c several keys of a, or without. */
static char *
sql_crosswalk(const Match *match, const Conditions *sql, bool ambiguous)
{
	StringInfoData columns;
	StringInfoData names;
	ListCell *lc;
	int i = 0;

	initStringInfo(&columns);
	initStringInfo(&names);
	foreach(lc, match->keys)
	{
		append(&columns, ", ",
			   psprintf("%s AS k%d", sql_column("x", ((KeyColumn *) lfirst(lc))->holder.column),
						++i));
		append(&names, ", ", psprintf("k%d", i));
	}
	return psprintf("(SELECT %s, ctid, tableoid FROM (SELECT %s, %s AS ctid, x.tableoid, "
					"pg_catalog.count(*) OVER (PARTITION BY %s) AS of_key, "
					"pg_catalog.count(*) OVER (PARTITION BY %s) AS of_both, "
					"pg_catalog.row_number() OVER (PARTITION BY %s) AS n "
					"FROM %s x WHERE NOT (%s)) x "
					"WHERE of_key OPERATOR(pg_catalog.%s) of_both AND n OPERATOR(pg_catalog.=) 1) x",
					names.data, columns.data, match->foreign ? "NULL::pg_catalog.tid" : "x.ctid",
					sql->x_c.data, sql->x_both.data, sql->x_both.data,
					quote_qualified_identifier(match->schema, match->table), sql->x_null.data,
					ambiguous ? "<>" : "=");
}

/* The crosswalk's keys, with the names that sql_crosswalk() gives them. */
static List *
renamed_keys(List *keys)
{
	List *list = NIL;
	ListCell *lc;
	int i = 0;

	foreach(lc, keys)
	{
		KeyColumn *k = palloc(sizeof(KeyColumn));

		*k = *(KeyColumn *) lfirst(lc);
		k->holder.column = psprintf("k%d", ++i);
		list = lappend(list, k);
	}
	return list;
}

/* Sets the SQL that joins the tables. */
static void
set_sql(Match *match, List *a_keys, List *c_keys)
{
	Conditions sql = conditions(a_keys, c_keys, match->keys);
	Conditions renamed;
	const char *and_a_c = sql.a_c.len == 0 ? "" : psprintf(" AND %s", sql.a_c.data);

	if (match->schema == NULL)
	{
		match->condition = sql.a_c.data;
		return;
	}
	match->foreign = holder_any_foreign(match->relid);
	match->condition = psprintf("%s AND %s%s", sql.a_x.data, sql.c_x.data, and_a_c);
	if (sql.x_exact && holder_identifies_row(match->relid, sql.attnums))
	{
		match->crosswalk = psprintf("%s x", quote_qualified_identifier(match->schema, match->table));
		match->a_is_x = sql.a_x.data;
		match->c_is_x = psprintf("%s%s", sql.c_x.data, and_a_c);
		return;
	}
	renamed = conditions(a_keys, c_keys, renamed_keys(match->keys));
	match->crosswalk = sql_crosswalk(match, &sql, false);
	match->a_is_x = renamed.a_x.data;
	match->c_is_x = psprintf("%s%s", renamed.c_x.data, and_a_c);
	match->ambiguous_row =
		psprintf("(SELECT pg_catalog.count(*) FROM (SELECT DISTINCT %s FROM %s x WHERE %s AND NOT (%s)) d) "
				 "OPERATOR(pg_catalog.>) 1",
				 sql.x_a.data, quote_qualified_identifier(match->schema, match->table),
				 sql.c_x.data, sql.x_null.data);
	match->ambiguous = psprintf("EXISTS (SELECT FROM %s WHERE %s)",
								sql_crosswalk(match, &sql, true), renamed.c_x.data);
}

/*
 * How the rows of the authoritative table and of the copy belong together.  field: the
 * field that is compared.
 */
Match *
match_find(MatchMemo *memo, const char *field, const Holder *a, const Holder *c)
{
	Match *match = palloc0(sizeof(Match));
	List *a_keys = without_field(match_keys(memo, a->schema, a->table), field);
	List *c_keys = without_field(match_keys(memo, c->schema, c->table), field);
	const char *missing;
	char *a_label = names_relation_label(a->schema, a->table);
	char *c_label = names_relation_label(c->schema, c->table);

	if (!identifies(a, a_keys, c_keys, NIL, &missing) &&
		!find_crosswalk(match, memo, field, a, a_keys, c, c_keys))
	{
		bool common = false;
		ListCell *lc;

		foreach(lc, a_keys)
			common |= holder_find_key(c_keys, ((KeyColumn *) lfirst(lc))->field) != NULL;
		if (common)
			match->problem =
				psprintf("%s does not contain key field \"%s.%s\", which is needed to identify a row of %s",
						 c_label, memo->entity, missing, a_label);
		else
			match->problem = psprintf("%s and %s have no key field of \"%s\" in common", a_label,
									  c_label, memo->entity);
		match->advice =
			psprintf("Link the columns that contain the key in both, as in ownership.link('%s.KEY', '{%s.COLUMN, %s.COLUMN}'), and mark that field as key. If they have different keys, link each of them to a column of a third table that contains both.",
					 memo->entity, a_label, c_label);
	}
	if (match->problem != NULL)
		return match;
	set_sql(match, a_keys, c_keys);
	set_key(match, a, a_keys, c_keys, match->keys);
	return match;
}
