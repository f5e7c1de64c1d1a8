/*
 * copies.c
 *		The copies of a field, and the SQL that compares them.
 *
 * A field in several columns has one authoritative copy; the view
 * linked_copy decides which.  Each other copy is compared with it, row by row.
 * The tables are joined on the key fields of the field's entity that both
 * tables contain.
 *
 * copy_differs() compares values as the guard does (base/compare.c).  Where
 * types differ, it casts one value, in the direction that loses nothing if
 * there is one; a value that cannot be cast is a difference and no error.
 *
 * A role that reads the risks must not run code of a role that made a type.
 * So this file's SQL names every operator with its schema, and casts use no
 * function that is not trusted (base/trust.c); a value that cannot be cast
 * without one is compared as text.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "../base/base.h"
#include "drift.h"

/* Both tables for FROM, joined by match.  sample: a TABLESAMPLE clause for the copy, or "". */
char *
copy_sql_join(const Copy *copy, const char *sample)
{
	return psprintf("%s a JOIN %s c %s ON %s",
					quote_qualified_identifier(copy->from.schema, copy->from.table),
					quote_qualified_identifier(copy->to.schema, copy->to.table), sample,
					copy->match);
}

/* The key fields of an entity in a table: looked up once for all copies in the table. */
typedef struct KeyMemo
{
	const char *entity;
	const char *schema;
	const char *table;
	List *keys;
} KeyMemo;

/* holder_table_keys(), remembered in memos. */
static List *
remembered_keys(List **memos, const char *entity, const Holder *h)
{
	KeyMemo *memo;
	ListCell *lc;

	/* copies come in the order of their entities: earlier entities do not return */
	if (*memos != NIL && strcmp(((KeyMemo *) linitial(*memos))->entity, entity) != 0)
		*memos = NIL;
	foreach(lc, *memos)
	{
		memo = lfirst(lc);
		if (strcmp(memo->table, h->table) == 0 && strcmp(memo->schema, h->schema) == 0)
			return memo->keys;
	}
	memo = palloc(sizeof(KeyMemo));
	memo->entity = entity;
	memo->schema = h->schema;
	memo->table = h->table;
	memo->keys = holder_table_keys(entity, h->schema, h->table);
	*memos = lappend(*memos, memo);
	return memo->keys;
}

/*
 * Sets the SQL that finds the row of the authoritative table for a row of the
 * copy: both have the same values in the key fields of the entity that both
 * tables contain.  It is a problem if these do not identify a row of the
 * authoritative table.
 */
static void
match_rows(Copy *copy, List **memos)
{
	List *from = remembered_keys(memos, copy->entity, &copy->from);
	List *to = remembered_keys(memos, copy->entity, &copy->to);
	StringInfoData match;
	StringInfoData row_key;
	StringInfoData order;
	StringInfoData key;
	List *attnums = NIL;
	const char *missing = NULL;
	ListCell *lc;

	initStringInfo(&match);
	initStringInfo(&row_key);
	initStringInfo(&order);
	initStringInfo(&key);
	foreach(lc, from)
	{
		const KeyColumn *a = lfirst(lc);
		const KeyColumn *c = holder_find_key(to, a->field);
		char *acol = sql_column("a", a->holder.column);
		bool first = match.len == 0;

		if (strcmp(a->field, copy->field) == 0)
			continue; /* the field that is compared cannot join the rows */
		if (c == NULL)
		{
			missing = a->field;
			continue;
		}
		attnums = lappend_int(attnums, a->holder.attnum);
		appendStringInfo(&match, "%s%s", first ? "" : " AND ",
						 sql_key_match(acol, a->holder.type, a->holder.collation,
									   sql_column("c", c->holder.column), c->holder.type,
									   c->holder.collation));
		appendStringInfo(&row_key, "%s%s, %s", first ? "" : ", ", quote_literal_cstr(a->field),
						 sql_key_value(acol, a->holder.type));
		appendStringInfo(&key, "%s%s", first ? "" : ", ", acol);
		appendStringInfo(&order, "%s%s", first ? "" : ", ",
						 OidIsValid(
							 lookup_type_cache(getBaseType(a->holder.type), TYPECACHE_LT_OPR)->lt_opr)
							 ? acol
							 : sql_text(acol));
	}
	if (attnums == NIL)
		copy->problem =
			psprintf("%s and %s have no key field of \"%s\" in common",
					 names_relation_label(copy->from.schema, copy->from.table),
					 names_relation_label(copy->to.schema, copy->to.table), copy->entity);
	else if (missing != NULL && !holder_identifies_row(copy->from.relid, attnums))
		copy->problem =
			psprintf("%s does not contain key field \"%s.%s\", which is needed to identify a row of %s",
					 names_relation_label(copy->to.schema, copy->to.table), copy->entity, missing,
					 names_relation_label(copy->from.schema, copy->from.table));
	if (copy->problem != NULL)
	{
		copy->unlinked = true;
		copy->advice =
			psprintf("Link the columns that contain the key in both, as in ownership.link('%s.KEY', '{%s.COLUMN, %s.COLUMN}'), and mark that field as key.",
					 copy->entity, names_relation_label(copy->from.schema, copy->from.table),
					 names_relation_label(copy->to.schema, copy->to.table));
		return;
	}
	copy->unique = holder_identifies_row(copy->from.relid, attnums);
	copy->match = match.data;
	copy->row_key = psprintf("pg_catalog.jsonb_build_object(%s)", row_key.data);
	copy->order = order.data;
	copy->key_columns = key.data;
	copy->join = copy_sql_join(copy, "");
}

/* Looks up both columns; sets the SQL of the comparison, or the problem. */
static void
prepare_copy(Copy *copy, List **memos)
{
	if (copy->from.schema == NULL)
	{
		copy->unlinked = true;
		copy->problem = psprintf("it is undecided which copy of \"%s.%s\" is authoritative",
								 copy->entity, copy->field);
		copy->advice =
			psprintf("Decide which is right, and mark it: ownership.link(%s, '{schema.table.column}', authoritative => 'schema.table.column').",
					 quote_literal_cstr(psprintf("%s.%s", copy->entity, copy->field)));
		holder_find(&copy->to);
		return;
	}
	holder_find(&copy->from);
	holder_find(&copy->to);
	copy->problem = holder_problem(&copy->from);
	if (copy->problem == NULL)
		copy->problem = holder_problem(&copy->to);
	if (copy->problem != NULL)
	{
		copy->advice = "Create it, or correct the ownership map.";
		return;
	}
	match_rows(copy, memos);
}

/*
 * The copies of a field, or of every field (NULL), without the authoritative
 * ones, ready to be compared, as Copy *.  A key field by which rows are joined
 * is left out.  The caller has connected to SPI.
 */
List *
copy_load(const char *entity, const char *field)
{
#define LINKED_COPIES                                                               \
	"SELECT entity, field, key, owner, authoritative_schema, authoritative_table, " \
	"authoritative_column, table_schema, table_name, column_name, source "          \
	"FROM ownership.linked_copy "
#define LINKED_ORDER                                                               \
	"ORDER BY entity COLLATE pg_catalog.\"C\", field COLLATE pg_catalog.\"C\", "   \
	"table_schema COLLATE pg_catalog.\"C\", table_name COLLATE pg_catalog.\"C\", " \
	"column_name COLLATE pg_catalog.\"C\""
	Parameters p = {0};
	List *copies = NIL;
	List *memos = NIL;
	ListCell *lc;
	uint64 n;

	if (field == NULL)
		n = sql_run(LINKED_COPIES LINKED_ORDER, &p);
	else
	{
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
		n = sql_run(LINKED_COPIES "WHERE entity OPERATOR(pg_catalog.=) $1 "
								  "AND field OPERATOR(pg_catalog.=) $2 " LINKED_ORDER,
					&p);
	}
	for (uint64 i = 0; i < n; i++)
	{
		Copy *copy = palloc0(sizeof(Copy));

		copy->entity = sql_result_text(i, 1);
		copy->field = sql_result_text(i, 2);
		copy->key = sql_result_bool(i, 3);
		copy->owner = sql_result_text(i, 4);
		copy->from.schema = sql_result_text(i, 5);
		copy->from.table = sql_result_text(i, 6);
		copy->from.column = sql_result_text(i, 7);
		copy->to.schema = sql_result_text(i, 8);
		copy->to.table = sql_result_text(i, 9);
		copy->to.column = sql_result_text(i, 10);
		copy->source = sql_result_text(i, 11);
		copies = lappend(copies, copy);
	}
	/* read the whole result first: prepare_copy() may run other queries */
	foreach(lc, copies)
		prepare_copy(lfirst(lc), &memos);
	foreach(lc, copies)
	{
		/* rows are matched by this key field: matching rows cannot differ in it */
		if (((Copy *) lfirst(lc))->key && ((Copy *) lfirst(lc))->unlinked)
			copies = foreach_delete_current(copies, lc);
	}
	return copies;
}

/* SQL condition: the copy's value differs from the authoritative value. */
char *
copy_sql_differs(const Copy *copy)
{
	return psprintf("ownership.copy_differs(%s, %s)", sql_column("a", copy->from.column),
					sql_column("c", copy->to.column));
}
