/*
 * rename.c
 *		Tables and columns get new names on the map, in row filters too.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../edit/edit.h"
#include "ddl.h"

/* A row filter of a table that was renamed, or whose columns were. */
typedef struct Filter
{
	Relation rel;
	const char *text;
	const char *table; /* the names in the text: the table's, */
	List *columns;	   /* and the columns', by attribute number */
	char *renamed;	   /* the text under the new names; NULL: it stays as it is */
} Filter;

/* Errors: always; this transaction's snapshot does not see the rows that the map has now. */
static void
report_changed_map(void)
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("the map was changed after this transaction began")));
}

/* Set `renamed` of a Filter. */
static void
rename_filter(void *arg)
{
	Filter *f = arg;

	f->renamed = filter_renamed(f->rel, f->text, f->table, f->columns);
}

/*
 * Rewrite the row filters of a table that do not mean the same under its new
 * names.  `table` and `columns` (by attribute number; NIL: they have the same
 * names) are the names before.
 */
void
rename_in_filters(Oid relid, const TablePlace *place, const char *table, List *columns)
{
	Relation rel;
	Parameters p = {0};
	uint64 n;
	SPITupleTable *rules;

	place_add(&p, place);
	n = sql_run("SELECT column_name, position::text, row_filter FROM ownership.row_owner "
				"WHERE table_schema = $1 AND table_name = $2",
				&p);
	rules = SPI_tuptable;
	if (n == 0)
		return;
	/* the command may be about another table, whose name this one takes */
	rel = try_table_open(relid, AccessShareLock);
	if (rel == NULL)
		return; /* dropped before the lock was granted */
	for (uint64 i = 0; i < n; i++)
	{
		char *column = SPI_getvalue(rules->vals[i], rules->tupdesc, 1);
		char *position = SPI_getvalue(rules->vals[i], rules->tupdesc, 2);
		Filter f = {rel, SPI_getvalue(rules->vals[i], rules->tupdesc, 3), table, columns, NULL};
		Parameters q = {0};

		/* a filter that did not work before stays as it is: it is a risk already */
		if (subxact_try(rename_filter, &f) != NULL || f.renamed == NULL)
			continue;
		place_add(&q, place);
		sql_add_text(&q, column);
		sql_add_text(&q, position);
		sql_add_text(&q, f.renamed);
		table_triggers_write_filters("UPDATE ownership.row_owner SET row_filter = $5 WHERE table_schema = $1 "
									 "AND table_name = $2 AND column_name = $3 AND position = $4::integer",
									 &q);
	}
	table_close(rel, NoLock);
}

/*
 * Rename a mirrored column on the map; former names and evidence follow.
 *
 * Errors: the transaction's snapshot does not see the column's row.
 */
void
rename_column_on_map(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	if (sql_run("UPDATE ownership.mirrored_column SET column_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
				&p) == 0)
		report_changed_map();
	sql_run("UPDATE ownership.former_column SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
			&p);
	/* the column has its former name again */
	sql_run("DELETE FROM ownership.former_column WHERE table_schema = $1 AND table_name = $2 "
			"AND former_name = $4 AND column_name = $4 AND $3 IS NOT NULL",
			&p);
	rename_column_evidence(place, from, to);
}

/*
 * Rename a mirrored table on the map; by foreign keys and triggers its columns,
 * row owners and binding follow, and here its pins and its former names.
 *
 * Errors: the transaction's snapshot does not see the table's row.
 */
void
rename_on_map(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	if (sql_run("UPDATE ownership.mirrored_table SET table_schema = $3, table_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2",
				&p) == 0)
		report_changed_map();
	rename_pins(from, to);
	sql_run("UPDATE ownership.former_table SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	sql_run("DELETE FROM ownership.former_column WHERE (table_schema, table_name) = ($3, $4) "
			"AND ($1, $2) IS NOT NULL",
			&p);
	sql_run("UPDATE ownership.former_column SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	/* a table has the name now: it is no table's former name any more */
	sql_run("DELETE FROM ownership.former_table WHERE (former_schema, former_name) = ($3, $4) "
			"AND ($1, $2) IS NOT NULL",
			&p);
}
