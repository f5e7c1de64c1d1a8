/*
 * count.c
 *		How much waits, and which systems delete rows, for views that everybody may
 *		read.
 *
 * These are functions, and not parts of the views, so that the evidence does not
 * count in what PostgreSQL expects such a large query to cost: it would compile it,
 * which takes much longer than it runs.  The evidence is read as its owner; only
 * counts and names of systems are returned.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/guc.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_count_waiting);
PG_FUNCTION_INFO_V1(ownership_deleter);
PG_FUNCTION_INFO_V1(ownership_waiting_rows);

#define MAX_COLUMNS 8

/*
 * Can evidence be read at once?  The risks do not wait for a session that has locked
 * the evidence: it has something else to tell them.
 */
bool
decision_reads_evidence(void)
{
	static const char *const names[] = {"conflict"};

	return catalog_try_lock(names, lengthof(names));
}

/* Returns the rows of a query, which has the columns of the function's result.  scans: of whole tables. */
static void
return_query(FunctionCallInfo fcinfo, const char *sql, bool scans)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation conflict;
	SavedRole caller;

	InitMaterializedSRF(fcinfo, 0);
	if (!decision_reads_evidence())
		return;
	SPI_connect();
	conflict = table_open(catalog_table("conflict", false), AccessShareLock);
	caller = role_become_owner(conflict);
	sql_set_search_path();
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	if (!scans)
		(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read: %s", sql);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum values[MAX_COLUMNS];
		bool nulls[MAX_COLUMNS];

		Assert(SPI_tuptable->tupdesc->natts <= MAX_COLUMNS);
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	role_restore(&caller);
	table_close(conflict, AccessShareLock);
	SPI_finish();
}

/* count_waiting(): the rows of the view waiting_count.  A row of which only the key is named counts as one value. */
Datum
ownership_count_waiting(PG_FUNCTION_ARGS)
{
	return_query(fcinfo,
				 "SELECT c.table_schema, c.table_name, u.column_name::text AS column_name, "
				 "CASE c.outcome WHEN 'parked' THEN c.system ELSE f.owner END AS system, c.outcome, "
				 "count(*) AS waiting, count(c.problem) AS problems, min(c.recorded_at) AS since "
				 "FROM ownership.conflict c CROSS JOIN LATERAL "
				 "unnest(CASE WHEN c.columns = '{}' THEN '{NULL}' ELSE c.columns END) AS u(column_name) "
				 "LEFT JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
				 "LEFT JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name "
				 "AND m.column_name = u.column_name::text "
				 "LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field "
				 "AND NOT EXISTS (SELECT FROM ownership.row_owner r WHERE r.table_schema = m.table_schema "
				 "AND r.table_name = m.table_name AND r.column_name = m.column_name) "
				 "WHERE c.outcome IN ('parked', 'remembered') AND c.resolved_at IS NULL AND c.row_key IS NOT NULL "
				 "AND (c.outcome = 'parked' OR c.recorded_at > statement_timestamp() - coalesce(t.remember, ownership.remember_time())) "
				 "GROUP BY 1, 2, 3, 4, 5",
				 true);
	return (Datum) 0;
}

/* deleter(): the systems whose deletions of rows took values along. */
Datum
ownership_deleter(PG_FUNCTION_ARGS)
{
	return_query(fcinfo,
				 "SELECT table_schema, table_name, array_agg(DISTINCT system COLLATE \"C\") "
				 "FROM ownership.conflict WHERE outcome = 'remembered' AND system IS NOT NULL "
				 "GROUP BY 1, 2",
				 true);
	return (Datum) 0;
}

/*
 * waiting_rows(): how much evidence waits, by outcome and writer.  It stops at 10,000:
 * who watches asks often, and an index finds so much at once however much there is.
 */
Datum
ownership_waiting_rows(PG_FUNCTION_ARGS)
{
	return_query(fcinfo,
				 "SELECT c.outcome, c.system, count(*), count(c.problem) FROM ("
				 "SELECT outcome, system, problem, recorded_at, table_schema, table_name FROM ownership.conflict "
				 "WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL AND row_key IS NOT NULL LIMIT 10000) c "
				 "LEFT JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
				 "WHERE c.outcome = 'parked' OR c.recorded_at > statement_timestamp() - coalesce(t.remember, ownership.remember_time()) "
				 "GROUP BY 1, 2",
				 false);
	return (Datum) 0;
}
