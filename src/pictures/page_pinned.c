/*
 * page_pinned.c
 *		The page's table of pinned values.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

#define MAX_TABLES "100"

/* Everybody may read how many values are pinned, so the page has numbers only. */
void
page_pinned_section(StringInfo out)
{
	uint64 n;

	/* the SQL objects of 0.2.0 do not include this view */
	if (!OidIsValid(catalog_table("pinned_count", true)))
		return;
	html_heading(out, "pinned", "Pinned values");
	/* clang-format off */
	n = html_query("SELECT ownership.relation_name(p.table_schema, p.table_name), p.column_name, coalesce(f.owner, '-'), "
			  "p.pinned, p.timed, p.waiting, " TIME("p.since") " FROM ownership.pinned_count p "
			  "LEFT JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name) "
			  "LEFT JOIN ownership.field f ON f.entity = m.entity AND f.name = m.field "
			  "ORDER BY table_schema COLLATE \"C\", table_name COLLATE \"C\", column_name COLLATE \"C\" LIMIT " MAX_TABLES " + 1");
	/* clang-format on */
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No value is pinned.</p>\n");
	else
	{
		appendStringInfoString(
			out,
			"<p>How many values stewards hold against the next save of their system of record. The values are in <code>ownership.pin</code>.</p>\n");
		TABLE_HEAD(out, "Values that stewards hold", "Table", "Column", "Owner", "Pinned",
				   "Until a time", "Of a deleted row", "Since");
		for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			html_cell(out, sql_result_text(i, 2));
			html_cell(out, sql_result_text(i, 3));
			for (int column = 4; column <= 6; column++)
				html_number_cell(out, sql_result_text(i, column));
			html_time_cell(out, sql_result_text(i, 7));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		if (n > (uint64) atoi(MAX_TABLES))
			appendStringInfoString(out, "<p>These are the first " MAX_TABLES
										"; all are in <code>ownership.pin</code>.</p>\n");
	}
	html_section_end(out);
}
