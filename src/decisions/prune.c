/*
 * prune.c
 *		prune(): old evidence is deleted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_prune);

/* The outcomes of ownership.conflict, and that of ownership.history. */
static const char *const outcomes_known[] = {"observed",  "filled",		"kept",
											 "discarded", "rejected",	"overridden",
											 "parked",	  "remembered", "written"};

/* Errors: one of the outcomes does not exist. */
static void
require_outcomes(List *outcomes)
{
	List *known = NIL;
	ListCell *lc;

	for (size_t i = 0; i < lengthof(outcomes_known); i++)
		known = lappend(known, unconstify(char *, outcomes_known[i]));
	foreach(lc, outcomes)
	{
		char *nearest;

		if (names_contain(known, lfirst(lc)))
			continue;
		nearest = names_nearest(lfirst(lc), known);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown outcome \"%s\"", (char *) lfirst(lc)),
				 nearest != NULL
					 ? errhint("Perhaps you meant outcome \"%s\".", nearest)
					 : errhint(
						   "Outcomes are observed, filled, kept, discarded, rejected, overridden, parked and remembered; written stands for the history of values.")));
	}
}

/* May the caller delete rows of ownership.history by their age? */
static bool
may_prune_history(void)
{
	return pg_class_aclcheck(catalog_table("history", false), GetUserId(), ACL_DELETE) ==
			   ACLCHECK_OK &&
		   pg_class_aclcheck(catalog_table("history", false), GetUserId(), ACL_SELECT) ==
			   ACLCHECK_OK;
}

/*
 * prune(older_than, outcomes, unresolved): delete evidence by its age, of the
 * outcomes that are named, or of all.  What was refused and is open stays unless
 * `unresolved` is true.  Remembered values have a time of their own: those are
 * deleted of which it is over, and no others.
 *
 * Without outcomes, a caller who may prune evidence but not the history prunes
 * evidence: both have privileges of their own.
 *
 * Errors: an outcome does not exist; the caller may not delete.
 */
Datum
ownership_prune(PG_FUNCTION_ARGS)
{
	List *outcomes = call_list(fcinfo, 1, TEXTOID, "outcomes");
	bool all = PG_ARGISNULL(1);
	Parameters p = {0};
	Parameters q = {0};
	uint64 n;

	require_outcomes(outcomes);
	SPI_connect();
	sql_add_value(&p, INTERVALOID, PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0),
				  PG_ARGISNULL(0));
	q = p;
	sql_add_bool(&p, all);
	sql_add_texts(&p, outcomes);
	sql_add_bool(&p, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	sql_add_value(&p, INT4OID, Int32GetDatum(ownership_remember), false);
	/* a time to remember that leads beyond the range of timestamps is never over */
	n = sql_run("DELETE FROM ownership.conflict c WHERE ($2 OR c.outcome = ANY ($3)) "
				"AND CASE WHEN c.outcome <> 'remembered' THEN c.recorded_at < now() - $1 "
				"AND ($4 OR c.resolved_at IS NOT NULL OR c.outcome NOT IN ('kept', 'discarded', 'rejected', 'parked')) "
				/* these live as long as their transaction */
				"WHEN c.recorded_at = '-infinity' THEN false "
				"ELSE (SELECT CASE WHEN r.remember < '1000 years' THEN c.recorded_at + r.remember <= now() ELSE false END "
				"FROM (SELECT coalesce((SELECT t.remember FROM ownership.mirrored_table t "
				"WHERE t.table_schema = c.table_schema AND t.table_name = c.table_name), "
				"make_interval(mins => $5)) AS remember) r) END",
				&p);
	if (names_contain(outcomes, "written") || (all && may_prune_history()))
		n += sql_run("DELETE FROM ownership.history WHERE recorded_at < now() - $1", &q);
	SPI_finish();
	PG_RETURN_INT64(n);
}
