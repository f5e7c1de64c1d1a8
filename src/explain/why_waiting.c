/*
 * why_waiting.c
 *		What waits for a row, and what became of it, for why() and explain().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "../rules/rules.h"
#include "explain.h"

/* The end of a value's waiting, as a sentence. */
static const char *
outcome_of_waiting(const char *resolution, const char *role)
{
	const char *who = role == NULL ? "A role" : psprintf("Role \"%s\"", role);

	if (strcmp(resolution, "applied") == 0)
		return "The value that had waited was written into the row.";
	if (strcmp(resolution, "superseded") == 0)
		return "The row came with another value, or a newer one had waited.";
	if (strcmp(resolution, "accepted") == 0)
		return psprintf("%s had the value written.", who);
	if (strcmp(resolution, "dismissed") == 0)
		return psprintf("%s decided that it is not written.", who);
	return psprintf("%s resolved it.", who);
}

/* Reports what waits, or waited, for one row; key is its row_key as text, or NULL. */
void
why_report_waiting_of(Why *why, FieldPlace *place, const char *key)
{
	Parameters p = {0};
	uint64 n;

	/* the SQL objects of 0.2.0 do not include this view: there nothing waits */
	if (key == NULL || !OidIsValid(catalog_table("waiting", true)))
		return;
	sql_add_text(&p, place->holder.schema);
	sql_add_text(&p, place->holder.table);
	sql_add_text(&p, place->holder.column);
	sql_add_text(&p, key);
	n = sql_run("SELECT c.recorded_at, c.outcome, c.system, c.value, "
				"concat_ws(', ', c.operation || CASE WHEN c.outcome = 'parked' THEN ': no row had the key, and the writer may not create it' "
				"WHEN c.over THEN ': the value was remembered until ' || to_char(c.until, 'YYYY-MM-DD HH24:MI') ELSE ': the value was remembered' END, "
				"'role ' || c.role, 'origin ' || c.origin, 'application ' || c.application_name), "
				"c.resolution, c.resolved_at, c.resolved_by, c.problem, c.resolved_at IS NULL AND NOT c.over "
				"FROM (SELECT c.*, CASE c.outcome WHEN 'parked' THEN c.proposed ELSE c.stored END ->> $3 AS value, r.until, "
				"coalesce(r.until <= statement_timestamp(), false) AS over FROM ownership.conflict c "
				"LEFT JOIN ownership.mirrored_table t ON (t.table_schema, t.table_name) = (c.table_schema, c.table_name) "
				"CROSS JOIN LATERAL (SELECT CASE c.outcome WHEN 'remembered' THEN c.recorded_at + coalesce(t.remember, ownership.remember_time()) END) r(until) "
				"WHERE jsonb_hash_extended(c.row_key, 0) = jsonb_hash_extended($4::jsonb, 0) "
				"AND c.row_key = $4::jsonb AND c.table_schema = $1 AND c.table_name = $2 "
				"AND c.outcome IN ('parked', 'remembered') AND isfinite(c.recorded_at) "
				"AND $3::name = ANY (c.columns)) c ORDER BY c.id DESC LIMIT 20",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *outcome = sql_result_text(i, 2);
		char *system = sql_result_text(i, 3);
		char *value = sql_result_text(i, 4);
		char *resolution = sql_result_text(i, 6);
		char *problem = sql_result_text(i, 9);
		bool parked = strcmp(outcome, "parked") == 0;
		/* the value of a deleted row is not of the system that deleted it */
		char *whose = parked ? system : why->owner;

		if (parked && system != NULL && !names_all_among(list_make1(system), place->systems))
			place->systems = lappend(place->systems, system);
		if (resolution != NULL)
			why_add_fact(why, sql_result_time(i, 7), place->label, resolution, whose, value,
						 outcome_of_waiting(resolution, sql_result_text(i, 8)));
		else if (sql_result_bool(i, 10))
		{
			if (why->waiting++ == 0)
			{
				why->waiting_of = whose;
				why->waiting_problem = problem;
			}
			if (problem != NULL)
				why_add_fact(why, 0, place->label, "not applied", whose, value,
							 psprintf("The row is there, but the value could not be written: %s",
									  problem));
		}
		why_add_fact(why, sql_result_time(i, 1), place->label, outcome, system, value,
					 sql_result_text(i, 5));
	}
}
