/*
 * copies.c
 *		The copies of a field, and the SQL that compares them.
 *
 * A field in several columns has one authoritative copy; the view
 * linked_copy decides which.  Each other copy is compared with it, row by row;
 * match.c says which rows belong together.
 *
 * copy_differs() compares values as the guard does (base/compare.c).  Where
 * types differ, it casts one value, in the direction that loses nothing if
 * there is one (base/cast.c); a value that cannot be cast is a difference and no error.
 *
 * A role that reads the risks must not run code of a role that made a type.
 * So this file's SQL names every operator with its schema, and casts use no
 * function that is not trusted (base/trust.c); a value that cannot be cast
 * without one is compared as text.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "drift.h"

/*
 * Both tables for FROM, joined by match, with the crosswalk if there is one.  sample: a
 * TABLESAMPLE clause for the copy, or "".
 */
char *
copy_sql_join(const Copy *copy, const char *sample)
{
	const Match *m = copy->match;
	char *from = quote_qualified_identifier(copy->from.schema, copy->from.table);
	char *to = quote_qualified_identifier(copy->to.schema, copy->to.table);

	if (m->crosswalk == NULL)
		return psprintf("%s a JOIN %s c %s ON %s", from, to, sample, m->condition);
	return psprintf("%s a JOIN %s ON %s JOIN %s c %s ON %s", from, m->crosswalk, m->a_is_x, to,
					sample, m->c_is_x);
}

/* Sets how the rows belong together. */
static void
match_rows(Copy *copy, MatchMemo *memo)
{
	copy->match = match_find(memo, copy->field, &copy->from, &copy->to);
	copy->problem = copy->match->problem;
	copy->advice = copy->match->advice;
	copy->unlinked = copy->problem != NULL;
	if (copy->problem != NULL)
		return;
	copy->join = copy_sql_join(copy, "");
	if (getBaseType(copy->from.type) != getBaseType(copy->to.type) && sql_knows_value_as())
		copy->misread =
			psprintf("ownership.copy_misread(%s, %s)", sql_column("a", copy->from.column),
					 sql_column("c", copy->to.column));
}

/* Looks up both columns; sets the SQL of the comparison, or the problem. */
static void
prepare_copy(Copy *copy, MatchMemo *memo)
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
	match_rows(copy, memo);
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
	MatchMemo *memo = NULL;
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
	{
		Copy *copy = lfirst(lc);

		/* copies come in the order of their entities */
		memo = match_memo(memo, copy->entity);
		prepare_copy(copy, memo);
		/* rows are matched by this field: matching rows cannot differ in it */
		if (copy->unlinked && (copy->key || names_contain(memo->fields, copy->field)))
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

/* Is the authoritative value a text that is read as a value of the copy's type? */
static bool
reads_text(const Copy *copy)
{
	return compare_reads_text(getBaseType(copy->from.type), getBaseType(copy->to.type)) &&
		   sql_knows_value_as();
}

/* SQL condition: the authoritative value cannot be read as one of the copy's type. */
char *
copy_sql_unfit(const Copy *copy)
{
	char *value = sql_column("a", copy->from.column);

	if (!reads_text(copy))
		return "false";
	return psprintf("(%s IS NOT NULL AND %s IS NULL)", value,
					sql_value_as(value, getBaseType(copy->to.type)));
}

/*
 * SQL: the authoritative value in the copy's type, as copy_differs() compares it.
 * typmod: cast to the column's typmod, too; else the assignment applies it, with an
 * error if the value does not fit.
 */
char *
copy_sql_new_value(const Copy *copy, bool typmod)
{
	char *value = sql_column("a", copy->from.column);
	Oid from = getBaseType(copy->from.type);
	Oid to = getBaseType(copy->to.type);

	if (reads_text(copy))
		value = sql_value_as(value, to);
	else if (compare_writes_text(from, to))
		value = sql_text(value);
	else if (from != to && !typmod)
		value = psprintf("%s::%s", value, sql_type(to));
	if (!typmod)
		return value;
	return psprintf("%s::%s", value,
					format_type_extended(copy->to.type, copy->to.typmod,
										 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

/* That many values differ because they cannot be cast; as a sentence without its end. */
char *
copy_misfits(const Copy *copy, int64 n)
{
	Oid type = compare_common_type(copy->from.type, copy->to.type, true);

	return psprintf(ngettext("%lld value of %s cannot be read as %s",
							 "%lld values of %s cannot be read as %s", n),
					(long long) n,
					holder_label(type == getBaseType(copy->from.type) ? &copy->to : &copy->from),
					format_type_be(type));
}

/* The number of rows of the copy that are not compared, because the crosswalk has several keys for them, in a sample or ""; see copy_sql_join(). */
int64
copy_count_lost(const Copy *copy, const char *sample)
{
	char *sql;

	if (copy->match->ambiguous == NULL)
		return 0;
	sql = psprintf("SELECT pg_catalog.count(*) FROM %s c %s WHERE %s",
				   quote_qualified_identifier(copy->to.schema, copy->to.table), sample,
				   copy->match->ambiguous);
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not count: %s", sql);
	return sql_result_int64(0, 1);
}

/* That many rows have several keys in the crosswalk; as a sentence without its end. */
char *
copy_lost(const Copy *copy, int64 n)
{
	return psprintf(ngettext("%lld row of %s is not compared: the crosswalk %s gives it several keys of %s",
							 "%lld rows of %s are not compared: the crosswalk %s gives them several keys of %s",
							 n),
					(long long) n, names_relation_label(copy->to.schema, copy->to.table),
					names_relation_label(copy->match->schema, copy->match->table),
					names_relation_label(copy->from.schema, copy->from.table));
}

/* What to do about that, as a sentence. */
char *
copy_lost_advice(const Copy *copy)
{
	return psprintf("Keep one row of %s for each key of %s.",
					names_relation_label(copy->match->schema, copy->match->table),
					names_relation_label(copy->to.schema, copy->to.table));
}
