/*
 * summary.c
 *		Copies of fields with different values: compare_copies() returns the number of
 *		the rows of each copy, or whether there is one.
 *
 * Everything is read with the caller's privileges.  The view ownership.risks
 * asks whether any row differs.  That must neither fail nor wait, whatever is
 * wrong with a table, and must run no code of another role.  So it leaves out
 * columns that the caller may not read, tables with row-level
 * security, and tables that are unfit to read (base/trust.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/portal.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../activity/activity.h"
#include "drift.h"

PG_FUNCTION_INFO_V1(ownership_compare_copies);

/* Rows fetched at a time. */
#define FETCH 1000

/* Rows of a table above which the risks read only a sample, and the rows of that sample. */
#define LARGE 1000000.0

#define SAMPLE 100000.0

/* Fields that one query compares: fewer than half the columns that a result may have. */
#define GROUP 500

/* Counts the rows, and those that differ, for copies in the same two tables. */
static void
count_group(List *group)
{
	const Copy *first = linitial(group);
	StringInfoData sql;
	ListCell *lc;
	int column = 1;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.count(*)");
	foreach(lc, group)
	{
		const Copy *copy = lfirst(lc);

		appendStringInfo(&sql,
						 ", pg_catalog.count(*) FILTER (WHERE %s), "
						 "pg_catalog.count(*) FILTER (WHERE %s)",
						 copy_sql_differs(copy), copy->misread == NULL ? "false" : copy->misread);
	}
	appendStringInfo(&sql, " FROM %s", first->join);
	if (SPI_execute(sql.data, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not count: %s", sql.data);
	foreach(lc, group)
	{
		Copy *copy = lfirst(lc);
		bool isnull;
		HeapTuple row = SPI_tuptable->vals[0];

		copy->compared = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		copy->differing =
			DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, ++column, &isnull));
		copy->misfits = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, ++column, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * The TABLESAMPLE clause for a table that is too large to be read as a whole for
 * a risk, else "".  The sample has other pages each day.
 */
static const char *
sample_of(Oid relid)
{
	double rows = 0;
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_RELATION)
			rows += Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 0);
		ReleaseSysCache(tuple);
	}
	if (rows <= LARGE)
		return "";
	return psprintf("TABLESAMPLE pg_catalog.system (%.6f) REPEATABLE (%d)", 100.0 * SAMPLE / rows,
					(int) (GetCurrentTransactionStartTimestamp() / USECS_PER_DAY));
}

/*
 * Finds whether any row differs, for copies in the same two tables, and sets
 * differing to 1 if so.  The query has no LIMIT: with a LIMIT the planner
 * expects to find a row soon, and joins row by row.
 */
static void
look_at_group(List *group)
{
	const Copy *first = linitial(group);
	int left = list_length(group);
	StringInfoData columns;
	StringInfoData condition;
	Portal portal;
	ListCell *lc;

	initStringInfo(&columns);
	initStringInfo(&condition);
	foreach(lc, group)
	{
		char *differs = copy_sql_differs(lfirst(lc));
		const char *separator = columns.len == 0 ? "" : ", ";

		appendStringInfo(&columns, "%s%s", separator, differs);
		appendStringInfo(&condition, "%s%s", columns.len == (int) strlen(differs) ? "" : " OR ",
						 differs);
	}
	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT %s FROM %s WHERE %s", columns.data,
												copy_sql_join(first, sample_of(first->to.relid)),
												condition.data),
									   0, NULL, NULL, NULL, true, 0);
	while (left > 0)
	{
		SPI_cursor_fetch(portal, true, left == 1 ? 1 : FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed && left > 0; i++)
		{
			int column = 0;

			foreach(lc, group)
			{
				Copy *copy = lfirst(lc);
				bool isnull;

				column++;
				if (copy->differing > 0 ||
					!DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
												column, &isnull)))
					continue;
				copy->differing = 1;
				left--;
			}
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
}

/* Copies in the same two tables; thorough: their rows are counted. */
typedef struct Comparison
{
	List *group;
	bool thorough;
} Comparison;

static bool
compare(void *arg)
{
	const Comparison *c = arg;
	const Copy *first = linitial(c->group);
	int64 lost;
	ListCell *lc;

	if (c->thorough)
		count_group(c->group);
	else
	{
		const char *unfit = trust_unfit_to_read(first->from.relid);

		if (unfit == NULL)
			unfit = trust_unfit_to_read(first->to.relid);
		if (unfit == NULL && first->match->schema != NULL)
			unfit = trust_unfit_to_read(first->match->relid);
		if (unfit != NULL)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s", unfit)));
		look_at_group(c->group);
	}
	lost = copy_count_lost(first, c->thorough ? "" : sample_of(first->to.relid));
	foreach(lc, c->group)
		((Copy *) lfirst(lc))->lost = lost;
	return true;
}

/* Compares copies in the same two tables; an error becomes the problem of each. */
static void
compare_group(List *group, bool thorough)
{
	Comparison comparison = {group, thorough};
	ErrorData *error = subxact_trial(compare, &comparison);
	ListCell *lc;

	if (error == NULL)
		return;
	foreach(lc, group)
	{
		Copy *copy = lfirst(lc);

		copy->problem = pstrdup(error->message);
		copy->unseen = true;
	}
	FreeErrorData(error);
}

/* Why a copy is not read, although it could be compared; or NULL. */
static char *
out_of_sight(const Copy *copy, bool thorough)
{
	const Holder *sides[2] = {&copy->from, &copy->to};

	if (!thorough && copy->match->schema != NULL &&
		check_enable_rls(copy->match->relid, InvalidOid, true) == RLS_ENABLED)
		return psprintf("table %s has row-level security",
						names_relation_label(copy->match->schema, copy->match->table));
	for (int i = 0; i < 2; i++)
	{
		Oid relid = sides[i]->relid;

		if (!holder_can_read(relid, sides[i]->attnum))
			return psprintf("permission denied for column %s", holder_label(sides[i]));
		if (!thorough && check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			return psprintf("table %s has row-level security",
							names_relation_label(sides[i]->schema, sides[i]->table));
	}
	return NULL;
}

/* For list_sort(): copies that one join can compare are neighbours. */
static int
by_tables(const ListCell *a, const ListCell *b)
{
	const Copy *x = lfirst(a);
	const Copy *y = lfirst(b);
	int order;

	if (x->from.relid != y->from.relid)
		return x->from.relid < y->from.relid ? -1 : 1;
	if (x->to.relid != y->to.relid)
		return x->to.relid < y->to.relid ? -1 : 1;
	order = strcmp(x->join, y->join);
	return order != 0 ? order : strcmp(x->field, y->field);
}

/* Compares all copies that can be compared. */
static void
compare_copies(List *copies, bool thorough)
{
	List *todo = NIL;
	List *group = NIL;
	ListCell *lc;

	foreach(lc, copies)
	{
		Copy *copy = lfirst(lc);

		if (copy->problem != NULL)
			continue;
		copy->problem = out_of_sight(copy, thorough);
		if (copy->problem != NULL)
			copy->unseen = true;
		else
			todo = lappend(todo, copy);
	}
	list_sort(todo, by_tables);
	foreach(lc, todo)
	{
		Copy *next = lnext(todo, lc) == NULL ? NULL : lfirst(lnext(todo, lc));
		Copy *copy = lfirst(lc);

		group = lappend(group, copy);
		if (next != NULL && list_length(group) < GROUP && next->from.relid == copy->from.relid &&
			next->to.relid == copy->to.relid && strcmp(next->join, copy->join) == 0)
			continue;
		compare_group(group, thorough);
		group = NIL;
		CHECK_FOR_INTERRUPTS();
	}
}

/* The last columns of a row of compare_copies(): state, problem, advice. */
static void
put_state(const Copy *copy, Datum *values, bool *nulls)
{
	bool lost = copy->problem == NULL && copy->lost > 0;
	const char *state = copy->problem == NULL && copy->differing > 0 ? "differ"
						: copy->unlinked || lost					 ? "unlinked"
						: copy->problem == NULL						 ? "agree"
						: copy->unseen								 ? "unseen"
																	 : "missing";
	char *problem = copy->problem;

	if (lost)
		problem = copy_lost(copy, copy->lost);
	if (copy->problem == NULL && copy->misfits > 0)
		problem = psprintf("%s%s%s", lost ? problem : "", lost ? "; " : "",
						   copy_misfits(copy, copy->misfits));
	call_put_text(values, nulls, 9, state);
	call_put_text(values, nulls, 10, problem);
	call_put_text(values, nulls, 11, lost ? copy_lost_advice(copy) : copy->advice);
}

/*
 * compare_copies(pattern, thorough): one row for each copy of a field whose name
 * matches.  The state is agree or differ, or, if the copy was not compared,
 * unlinked, missing or unseen; then problem says why.  It is unlinked, too, if some rows
 * were not compared and the others agree.  Rows are counted only if thorough is true.
 */
Datum
ownership_compare_copies(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool thorough = PG_GETARG_BOOL(1);
	List *copies = NIL;
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, copy_load(NULL, NULL))
	{
		Copy *copy = lfirst(lc);

		if (names_match(pattern, psprintf("%s.%s", copy->entity, copy->field)))
			copies = lappend(copies, copy);
	}
	compare_copies(copies, thorough);
	foreach(lc, copies)
	{
		const Copy *copy = lfirst(lc);
		bool counted = thorough && copy->problem == NULL;
		Datum values[12];
		bool nulls[12];

		call_put_text(values, nulls, 0, copy->entity);
		call_put_text(values, nulls, 1, copy->field);
		call_put_text(values, nulls, 2, copy->owner);
		call_put_text(values, nulls, 3,
					  copy->from.schema == NULL ? NULL : holder_label(&copy->from));
		call_put_text(values, nulls, 4, names_relation_label(copy->to.schema, copy->to.table));
		call_put_text(values, nulls, 5, copy->to.column);
		call_put_text(values, nulls, 6, copy->source);
		values[7] = Int64GetDatum(copy->compared);
		nulls[7] = !counted;
		values[8] = Int64GetDatum(copy->differing);
		nulls[8] = !counted;
		put_state(copy, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
