/*
 * why_pins.c
 *		The pins of a row's value, for why().
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "explain.h"

/*
 * Reports the pins of the value in one row, if the caller may read them; key is its
 * row_key as text, or NULL.
 */
void
why_report_pins_of(Why *why, FieldPlace *place, const char *key)
{
	Oid pin = catalog_table("pin", true);
	Parameters p = {0};
	uint64 n;

	/* the SQL objects of 0.2.0 do not include the table */
	if (key == NULL || !OidIsValid(pin) ||
		pg_class_aclcheck(pin, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return;
	sql_add_text(&p, place->holder.schema);
	sql_add_text(&p, place->holder.table);
	sql_add_text(&p, place->holder.column);
	sql_add_text(&p, key);
	n = sql_run("SELECT p.pinned_at, p.value, concat_ws(', ', 'by role ' || p.pinned_by, 'until ' || to_char(p.until, 'YYYY-MM-DD HH24:MI'), "
				"CASE WHEN p.replaced_known THEN 'it keeps out: ' || coalesce(p.replaced, 'NULL') END, p.reason), "
				"p.ended_at, CASE WHEN p.ended_by IS NULL THEN 'Its time was over.' ELSE 'It was ended by ' || p.ended_by || '.' END "
				"FROM ownership.pin p WHERE (p.table_schema, p.table_name, p.column_name) = ($1, $2, $3) "
				"AND p.row_key = $4::jsonb ORDER BY p.id DESC LIMIT 20",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *value = sql_result_text(i, 2);

		if (sql_result_text(i, 4) != NULL)
			why_add_fact(why, sql_result_time(i, 4), place->label, "pin ended", NULL, value,
						 sql_result_text(i, 5));
		why_add_fact(why, sql_result_time(i, 1), place->label, "pinned", NULL, value,
					 sql_result_text(i, 3));
	}
}
