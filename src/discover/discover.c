/*
 * discover.c
 *		discover(): who wrote the rows of the tables that match.
 *
 * It writes nothing, and needs no map.  Tables are read one after the other, each
 * under a lock that only DDL waits for, which is released before the next one.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "discover.h"

PG_FUNCTION_INFO_V1(ownership_discover);

#define EXACT_ROWS 100000	/* up to so many rows of a table are counted */
#define SAMPLED_ROWS 100000 /* of a table with more */
#define MOST_PAGES 5000		/* of a sample */
#define MOST_NAMED 20		/* values of a table's columns */
#define LONG_MS 3000		/* after that the tables are announced */
#define MOST_LISTED 10		/* tables in a notice */

/* A table to read, or one that is left out. */
typedef struct ListedTable
{
	char *schema;
	char *table;
	Oid relid;
	bool foreign;
	/* of the table on the map: the partitioned one, else itself */
	char *home_schema;
	char *home_table;
} ListedTable;

/* Tables that are left out for one reason. */
typedef struct LeftOut
{
	const char *reason;
	int n;
	StringInfoData names;
} LeftOut;

/*
 * Tables and partitions of which the pattern matches the name, or that of a table
 * above.  Errors: there is none.
 */
static List *
list_tables(const char *pattern)
{
	Parameters p = {0};
	List *tables = NIL;
	uint64 n =
		sql_run("SELECT n.nspname, c.relname, c.oid::text, (c.relkind = 'f')::text, a.schemas, a.tables "
				"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
				"CROSS JOIN LATERAL (SELECT array_agg(an.nspname::text ORDER BY t.i) AS schemas, "
				"array_agg(ac.relname::text ORDER BY t.i) AS tables "
				"FROM pg_partition_ancestors(c.oid) WITH ORDINALITY t(relid, i) "
				"JOIN pg_class ac ON ac.oid = t.relid JOIN pg_namespace an ON an.oid = ac.relnamespace) a "
				"WHERE c.relkind IN ('r', 'f') AND c.relpersistence <> 't' AND c.oid >= 16384 "
				"AND n.nspname <> 'ownership' AND n.nspname !~ '^pg_' "
				"ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"",
				&p);

	for (uint64 i = 0; i < n; i++)
	{
		ListedTable *table = palloc0(sizeof(ListedTable));
		List *schemas = sql_result_texts(i, 5);
		List *names = sql_result_texts(i, 6);
		bool matches;
		ListCell *s;
		ListCell *t;

		table->schema = table->home_schema = sql_result_text(i, 1);
		table->table = table->home_table = sql_result_text(i, 2);
		table->relid = atooid(sql_result_text(i, 3));
		table->foreign = sql_result_bool(i, 4);
		matches = names_match_table(pattern, table->schema, table->table);
		forboth(s, schemas, t, names)
		{
			matches |= names_match_table(pattern, lfirst(s), lfirst(t));
			table->home_schema = lfirst(s);
			table->home_table = lfirst(t);
		}
		if (matches)
			tables = lappend(tables, table);
	}
	if (tables == NIL)
		require_no_table_matches(pattern);
	return tables;
}

static void
leave_out(List **left, const ListedTable *table, const char *reason)
{
	LeftOut *out = NULL;
	ListCell *lc;

	foreach(lc, *left)
	{
		if (strcmp(((LeftOut *) lfirst(lc))->reason, reason) == 0)
			out = lfirst(lc);
	}
	if (out == NULL)
	{
		out = palloc0(sizeof(LeftOut));
		out->reason = reason;
		initStringInfo(&out->names);
		*left = lappend(*left, out);
	}
	if (out->n++ < MOST_LISTED)
		appendStringInfo(&out->names, "%s%s", out->n == 1 ? "" : ", ",
						 names_relation_label(table->schema, table->table));
	else if (out->n == MOST_LISTED + 1)
		appendStringInfoString(&out->names, ", ...");
}

static void
report_left_out(List *left)
{
	ListCell *lc;

	foreach(lc, left)
	{
		LeftOut *out = lfirst(lc);

		ereport(NOTICE, (errmsg_plural("%d table is left out: %s", "%d tables are left out: %s",
									   out->n, out->n, out->names.data),
						 errdetail("The rows are not read, because %s.", out->reason)));
	}
}

/* The subscriptions that feed the table, for a message; NULL: none does. */
static char *
subscriptions_of(const ListedTable *table)
{
	Parameters p = {0};

	sql_add_oid(&p, table->relid);
	if (sql_run("SELECT string_agg(DISTINCT s.subname COLLATE \"C\", ', ') FROM pg_subscription_rel r "
				"JOIN pg_subscription s ON s.oid = r.srsubid "
				"WHERE r.srrelid = $1 OR r.srrelid IN (SELECT relid FROM pg_partition_ancestors($1))",
				&p) == 0)
		return NULL;
	return sql_result_text(0, 1);
}

/* What tells it, as a text. */
static char *
told_by(const ListedTable *listed, const TableRows *table, const RowGroup *group, int64 more)
{
	StringInfoData text;
	char *feeds;

	initStringInfo(&text);
	switch ((Told) group->key.told)
	{
		case TOLD_BY_ORIGIN:
			appendStringInfoString(&text, "origin");
			break;
		case TOLD_BY_COLUMN:
			appendStringInfo(&text, "column %s",
							 ((Teller *) list_nth(table->tellers, group->key.teller))->column);
			if (more > 0)
				appendStringInfoString(&text, ": other values");
			break;
		case TOLD_NO_ORIGIN:
			appendStringInfoString(&text, "no origin: a session of this server");
			break;
		case UNTOLD_GONE:
			appendStringInfoString(&text,
								   "unknown: its replication origin was dropped, as that of a first copy is");
			feeds = subscriptions_of(listed);
			if (feeds != NULL)
				appendStringInfo(&text, "; subscriptions of the table: %s", feeds);
			break;
		case UNTOLD_REUSED:
			appendStringInfoString(&text,
								   "unknown: its replication origin may be an older one of the same number");
			break;
		case UNTOLD_OLD:
			appendStringInfoString(&text, "unknown: older than the commit timestamps that are kept");
			break;
		case UNTOLD_FROZEN:
			appendStringInfoString(&text, "unknown: frozen, its transaction is not known any more");
			break;
		case UNTOLD_PENDING:
			appendStringInfoString(&text, "unknown: of this transaction");
			break;
		case UNTOLD_OFF:
			appendStringInfoString(&text, "unknown: track_commit_timestamp is off");
			break;
	}
	if (!table->whole)
		appendStringInfo(&text, " (estimate from " INT64_FORMAT " rows in %u of %u pages)",
						 table->read, table->pages, table->npages);
	return text.data;
}

static void
put_group(ReturnSetInfo *rsinfo, const ListedTable *listed, const TableRows *table,
		  const RowGroup *group, int64 more)
{
	Datum values[7];
	bool nulls[7] = {false};

	values[0] = CStringGetTextDatum(names_relation_label(listed->schema, listed->table));
	call_put_text(values, nulls, 1, group->system);
	call_put_text(values, nulls, 2, group->name);
	values[3] = CStringGetTextDatum(told_by(listed, table, group, more));
	values[4] = Int64GetDatum(discover_estimate(table, group->rows));
	values[5] = TimestampTzGetDatum(group->since);
	values[6] = TimestampTzGetDatum(group->until);
	nulls[5] = group->since == 0;
	nulls[6] = group->until == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Puts out what was read of a table; the values of a column beyond the most frequent ones in one row. */
static void
put_table(ReturnSetInfo *rsinfo, const ListedTable *listed, const TableRows *table)
{
	int ntellers = list_length(table->tellers);
	RowGroup *others = palloc0((ntellers + 1) * sizeof(RowGroup));
	int named = 0;

	for (int i = 0; i < table->ngroups; i++)
	{
		RowGroup *group = table->groups[i];
		RowGroup *other;

		if (group->key.told != TOLD_BY_COLUMN)
		{
			put_group(rsinfo, listed, table, group, 0);
			continue;
		}
		if (group->name != NULL && (named++ < MOST_NAMED || group->system != NULL))
		{
			put_group(rsinfo, listed, table, group, 0);
			continue;
		}
		other = &others[group->key.teller];
		other->key.told = TOLD_BY_COLUMN;
		other->key.teller = group->key.teller;
		other->rows += group->rows;
		if (group->since != 0 && (other->since == 0 || group->since < other->since))
			other->since = group->since;
		other->until = Max(other->until, group->until);
	}
	for (int t = 0; t < ntellers; t++)
	{
		if (others[t].rows > 0)
			put_group(rsinfo, listed, table, &others[t], others[t].rows);
	}
}

/* Reads a table and puts out what it finds; returns why it does not, or NULL. */
static const char *
discover_table(ReturnSetInfo *rsinfo, DiscoverRun *run, const ListedTable *listed)
{
	Relation rel;
	const char *unreadable;

	if (listed->foreign)
		return "they are on another server";
	rel = try_table_open(listed->relid, AccessShareLock);
	if (rel == NULL)
		return NULL; /* dropped since the list was made */
	unreadable = discover_unreadable(rel);
	if (unreadable == NULL)
	{
		char *source = lookup_table_source(listed->home_schema, listed->home_table);

		put_table(rsinfo, listed,
				  discover_rows(run, rel, source, EXACT_ROWS, SAMPLED_ROWS, MOST_PAGES));
	}
	table_close(rel, AccessShareLock);
	return unreadable;
}

/*
 * discover(pattern): (relation, system, origin, told_by, rows, since, until)
 *
 * Errors: the pattern is NULL; no table matches.
 */
Datum
ownership_discover(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz began = GetCurrentTimestamp();
	char *pattern;
	List *tables;
	List *left = NIL;
	DiscoverRun *run;
	MemoryContext cxt;
	ListCell *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	tables = list_tables(pattern);
	run = discover_begin();
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership table", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, tables)
	{
		ListedTable *table = lfirst(lc);
		MemoryContext old;
		const char *reason;

		CHECK_FOR_INTERRUPTS();
		if (TimestampDifferenceExceeds(began, GetCurrentTimestamp(), LONG_MS))
			ereport(NOTICE, (errmsg("reading table \"%s\", %d of %d",
									names_relation_label(table->schema, table->table),
									foreach_current_index(lc) + 1, list_length(tables))));
		old = MemoryContextSwitchTo(cxt);
		reason = discover_table(rsinfo, run, table);
		MemoryContextSwitchTo(old);
		if (reason != NULL)
			leave_out(&left, table, reason);
		MemoryContextReset(cxt);
	}
	report_left_out(left);
	SPI_finish();
	return (Datum) 0;
}
