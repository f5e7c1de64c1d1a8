/*
 * reconcile_rows.c
 *		A run of reconcile() writes rows of a shared copy, in batches, and reports the
 *		rows that cannot be written.  See reconcile.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "drift.h"

/* Rows of one copy that may fail before the run ends with an error. */
#define MAX_FAILED 10

/* Does another system own the value in this row of the copy's table? */
bool
reconcile_owned_by_another(const Copy *copy, Oid relid, ItemPointer tid)
{
	char *owner = map_owner_at(relid, tid, copy->to.column);
	bool another = owner != NULL && (copy->owner == NULL || strcmp(owner, copy->owner) != 0);

	if (owner != NULL)
		pfree(owner);
	return another;
}

/* The places of which rows the parameters of a batch have. */
static const size_t sides[] = {offsetof(Pair, from), offsetof(Pair, to), offsetof(Pair, crosswalk)};

#define PLACE(pair, side) ((RowPlace *) ((char *) (pair) + sides[side]))

/* Where the rows of one side are stored, as an array. */
static Datum
tid_array(const Pair *pairs, int n, int side)
{
	Datum *datums = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = PointerGetDatum(&PLACE(&pairs[i], side)->tid);
	return PointerGetDatum(
		construct_array(datums, n, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

/* The tables in which they are stored, as an array. */
static Datum
oid_array(const Pair *pairs, int n, int side)
{
	Datum *datums = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = ObjectIdGetDatum(PLACE(&pairs[i], side)->relid);
	return PointerGetDatum(construct_array(datums, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

/* SQL conditions: "alias" is where "s" says; none for a foreign table. */
static char *
sql_place(const char *alias, bool foreign)
{
	return foreign ? ""
				   : psprintf("AND %s.ctid OPERATOR(pg_catalog.=) s.%s_tid "
							  "AND %s.tableoid OPERATOR(pg_catalog.=) s.%s_relid ",
							  alias, alias, alias, alias);
}

/*
 * SQL for FROM and WHERE: "s" has the rows of the batch, "c" is the copy, "a" the
 * authoritative table, "x" the crosswalk.
 */
static char *
sql_batch(const Copy *copy)
{
	const Match *match = copy->match;
	bool crosswalk = match->schema != NULL;

	return psprintf("ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), "
					"pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)) "
					"AS s(a_tid, a_relid, c_tid, c_relid, x_tid, x_relid), %s a%s%s WHERE true %s%s%sAND %s",
					quote_qualified_identifier(copy->from.schema, copy->from.table),
					crosswalk ? ", " : "",
					crosswalk
						? psprintf("%s x", quote_qualified_identifier(match->schema, match->table))
						: "",
					sql_place("c", false), sql_place("a", holder_any_foreign(copy->from.relid)),
					sql_place("x", !crosswalk || match->foreign), match->condition);
}

/*
 * Runs the SQL of a batch, and returns the number of rows.  It writes
 * steward_table as a steward; InvalidOid: no table.
 */
static uint64
run_batch(const char *sql, const Pair *pairs, int n, Oid steward_table)
{
	ParamListInfo params = makeParamList(2 * lengthof(sides));

	for (int i = 0; i < params->numParams; i++)
	{
		ParamExternData *param = &params->params[i];
		bool tids = i % 2 == 0;

		param->ptype = tids ? TIDARRAYOID : OIDARRAYOID;
		param->pflags = PARAM_FLAG_CONST;
		param->isnull = false;
		param->value = tids ? tid_array(pairs, n, i / 2) : oid_array(pairs, n, i / 2);
	}
	return statement_run_as_steward(steward_table, sql, params);
}

/* SQL: the value that is written differs from the one that is stored. */
static char *
sql_new_differs(const Copy *copy)
{
	return psprintf("(%s AND ownership.copy_differs(%s, %s))", copy_sql_differs(copy),
					copy_sql_new_value(copy, true), sql_column("c", copy->to.column));
}

/* Adds what is written of a copy to the lists of SET and of WHERE. */
static void
add_copy(const Copy *copy, bool grouped, StringInfo set, StringInfo differs)
{
	if (set->len > 0)
	{
		appendStringInfoString(set, ", ");
		appendStringInfoString(differs, " OR ");
	}
	appendStringInfo(set, "%s = ", quote_identifier(copy->to.column));
	/* of a group, what agrees stays as it is stored */
	if (grouped)
		appendStringInfo(set, "CASE WHEN %s THEN %s ELSE %s END", sql_new_differs(copy),
						 copy_sql_new_value(copy, false), sql_column("c", copy->to.column));
	else
		appendStringInfoString(set, copy_sql_new_value(copy, false));
	appendStringInfoString(differs, sql_new_differs(copy));
}

/*
 * Writes rows one after another, in the order of the batch, so that two runs
 * cannot deadlock; returns the number of rows written.  Each row is found by
 * where it is stored.  A row is left alone if the authoritative value, in the
 * copy's type and typmod, is the value that is stored: else each run would write
 * it again.
 */
static uint64
write_rows(const Copy *copy, const Pair *pairs, int n, bool as_steward)
{
	int level = NewGUCNestLevel();
	bool grouped = copy->mates != NIL;
	uint64 written;
	StringInfoData set;
	StringInfoData differs;
	ListCell *lc;
	char *sql;

	initStringInfo(&set);
	initStringInfo(&differs);
	add_copy(copy, grouped, &set, &differs);
	foreach(lc, copy->mates)
		add_copy(lfirst(lc), grouped, &set, &differs);
	sql = psprintf("UPDATE %s c SET %s FROM %s AND (%s)",
				   quote_qualified_identifier(copy->to.schema, copy->to.table), set.data,
				   sql_batch(copy), differs.data);

	/*
	 * A nested loop finds the rows by where they are stored, in the order of the
	 * batch.  A foreign table has no such places.
	 */
	if (!holder_any_foreign(copy->from.relid) && !copy->match->foreign)
	{
		(void) set_config_option("enable_hashjoin", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		(void) set_config_option("enable_mergejoin", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	written = run_batch(sql, pairs, n, as_steward ? copy->to.relid : InvalidOid);
	AtEOXact_GUC(true, level);
	return written;
}

/* The key of a row, for the report that it failed. */
static char *
row_key_text(const Copy *copy, const Pair *pair)
{
	char *sql =
		psprintf("SELECT %s FROM %s c, %s", copy->match->row_key,
				 quote_qualified_identifier(copy->to.schema, copy->to.table), sql_batch(copy));

	return run_batch(sql, pair, 1, InvalidOid) == 0 ? pstrdup("?") : sql_result_text(0, 1);
}

/* Rows that are written in one subtransaction. */
typedef struct Rows
{
	Run *run;
	const Pair *pairs;
	int n;
	uint64 written;
} Rows;

static bool
do_write_rows(void *arg)
{
	Rows *rows = arg;

	rows->written = write_rows(rows->run->copy, rows->pairs, rows->n, rows->run->as_steward);
	return true;
}

/*
 * Writes rows; if one fails, writes none of them and returns the error, else
 * returns NULL.
 *
 * Errors: those that subxact_trial() raises.
 */
static ErrorData *
try_rows(Run *run, const Pair *pairs, int n)
{
	Rows rows = {run, pairs, n, 0};
	ErrorData *error = subxact_trial(do_write_rows, &rows);

	if (error == NULL)
		run->done += rows.written;
	return error;
}

/*
 * Writes a batch; each row that fails is a warning.
 *
 * Errors: insufficient_privilege; the last error, when too many rows of the copy
 * failed.
 */
void
reconcile_write_batch(Run *run, const Pair *pairs, int n)
{
	const Copy *copy = run->copy;
	ErrorData *error = try_rows(run, pairs, n);

	if (error == NULL)
		return;
	/* a missing privilege is the same for all rows */
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		ReThrowError(error);
	for (int i = 0; i < n; i++)
	{
		error = try_rows(run, &pairs[i], 1);
		if (error == NULL)
			continue;
		if (++run->failed > MAX_FAILED)
			ReThrowError(error);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("row %s of table \"%s\" was not reconciled: %s",
						row_key_text(copy, &pairs[i]),
						names_message_relation(copy->to.schema, copy->to.table), error->message)));
	}
}
