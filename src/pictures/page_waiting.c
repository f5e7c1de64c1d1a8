/*
 * page_waiting.c
 *		How many values wait for their rows, and how many are pinned.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

#define MAX_TABLES "100"

/* Everybody may read how much waits, so the page has numbers only. */
void
page_waiting_section(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	/* the SQL objects of 0.2.0 do not include this view */
	if (!OidIsValid(catalog_table("waiting_count", true)))
		return;
	html_heading(out, "waiting", "Waiting values");
	/* clang-format off */
	page_add_filter(&p, &page->filter);
	n = sql_run("SELECT ownership.relation_name(table_schema, table_name), coalesce(system, 'depends on the row'), "
			  "coalesce(sum(waiting) FILTER (WHERE outcome = 'parked'), 0), coalesce(sum(waiting) FILTER (WHERE outcome = 'remembered'), 0), "
			  "sum(problems), " TIME("min(since)") " FROM ownership.waiting_count "
			  "WHERE $1 IS NULL AND $2 IS NULL OR (table_schema, table_name, column_name) IN (SELECT m.table_schema, m.table_name, m.column_name FROM ownership.mirrored_column m WHERE " CHOSEN_FIELD("m.entity", "m.field") ") "
			  "GROUP BY table_schema, table_name, system "
			  "ORDER BY table_schema COLLATE \"C\", table_name COLLATE \"C\", system COLLATE \"C\" LIMIT " MAX_TABLES " + 1", &p);
	/* clang-format on */
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No value waits for its row.</p>\n");
	else
	{
		appendStringInfoString(
			out,
			"<p>How many values of each system wait for their rows: because another system creates them, or because a row was deleted. The values are in <code>ownership.waiting</code>.</p>\n");
		TABLE_HEAD(out, "Values that wait for their rows", "Table", "System",
				   "For a row that was not there", "Of a deleted row", "Do not fit", "Since");
		for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			html_cell(out, sql_result_text(i, 2));
			for (int column = 3; column <= 5; column++)
				html_number_cell(out, sql_result_text(i, column));
			html_time_cell(out, sql_result_text(i, 6));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		if (n > (uint64) atoi(MAX_TABLES))
			appendStringInfoString(out, "<p>These are the first " MAX_TABLES
										"; all are in <code>ownership.waiting_count</code>.</p>\n");
	}
	html_section_end(out);
}

/* Everybody may read how many values are pinned, so the page has numbers only. */
void
page_pinned_section(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	/* the SQL objects of 0.2.0 do not include this view */
	if (!OidIsValid(catalog_table("pinned_count", true)))
		return;
	html_heading(out, "pinned", "Pinned values");
	/* clang-format off */
	page_add_filter(&p, &page->filter);
	n = sql_run("SELECT ownership.relation_name(p.table_schema, p.table_name), p.column_name, coalesce(f.owner, '-'), "
			  "p.pinned, p.timed, p.waiting, " TIME("p.since") " FROM ownership.pinned_count p "
			  "LEFT JOIN ownership.mirrored_column m USING (table_schema, table_name, column_name) "
			  "LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field "
			  "WHERE $1 IS NULL AND $2 IS NULL OR " CHOSEN_FIELD("m.entity", "m.field") " "
			  "ORDER BY table_schema COLLATE \"C\", table_name COLLATE \"C\", column_name COLLATE \"C\" LIMIT " MAX_TABLES " + 1", &p);
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
