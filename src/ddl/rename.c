/*
 * rename.c
 *		The map follows new names of tables and columns.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../edit/edit.h"
#include "ddl.h"

typedef struct Filter
{
	Relation rel;
	const char *text;
	const char *table;
	List *columns;
	char *renamed;
} Filter;

/* This transaction's snapshot does not see what is on the map now. */
static void
changed_meanwhile(void)
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("the map was changed after this transaction began")));
}

static void
rename_filter(void *arg)
{
	Filter *f = arg;

	f->renamed = filter_renamed(f->rel, f->text, f->table, f->columns);
}

/* Filters that do not mean the same under new names are written anew. */
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
		return; /* dropped meanwhile */
	for (uint64 i = 0; i < n; i++)
	{
		char *column = SPI_getvalue(rules->vals[i], rules->tupdesc, 1);
		char *position = SPI_getvalue(rules->vals[i], rules->tupdesc, 2);
		Filter f = {rel, SPI_getvalue(rules->vals[i], rules->tupdesc, 3), table, columns, NULL};
		Parameters q = {0};

		/* what did not work before is a risk already */
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
		changed_meanwhile();
	sql_run("UPDATE ownership.former_column SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
			&p);
	/* it is back */
	sql_run("DELETE FROM ownership.former_column WHERE table_schema = $1 AND table_name = $2 "
			"AND former_name = $4 AND column_name = $4 AND $3 IS NOT NULL",
			&p);
	rename_column_evidence(place, from, to);
}

/* Rename a table's rows on the map; columns, rules and the binding go with it. */
void
rename_on_map(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	if (sql_run("UPDATE ownership.mirrored_table SET table_schema = $3, table_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2",
				&p) == 0)
		changed_meanwhile();
	sql_run("UPDATE ownership.former_table SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	sql_run("DELETE FROM ownership.former_column WHERE (table_schema, table_name) = ($3, $4) "
			"AND ($1, $2) IS NOT NULL",
			&p);
	sql_run("UPDATE ownership.former_column SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	/* the name is nobody's former one any more */
	sql_run("DELETE FROM ownership.former_table WHERE (former_schema, former_name) = ($3, $4) "
			"AND ($1, $2) IS NOT NULL",
			&p);
}
