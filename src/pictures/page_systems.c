/*
 * page_systems.c
 *		The systems, and what was decided last.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_DECISIONS "40"
#define MAX_OPEN_DECISIONS 5
#define MAX_HISTORY "5000" /* the latest rows, in which decisions are looked for */

void
page_decision_log_section(StringInfo out, const PageMap *page)
{
	uint64 n;

	/* a decision is about many fields at once */
	if (page_is_filtered(&page->filter))
		return;
	html_heading(out, "decisions", "Recent decisions");
	if (!html_may_read(out, "map_history"))
	{
		html_section_end(out);
		return;
	}
	/* clang-format off */
	n = html_query("SELECT " TIME("changed_at") ", concat_ws(', ', role, CASE WHEN login <> role THEN 'logged in as ' || login END), decided, "
			  SHORT("old") ", " SHORT("new") ", items, array_to_string(sample, ', ') FROM ownership.decisions "
			  "WHERE changed_at >= coalesce((SELECT changed_at FROM ownership.map_history ORDER BY id DESC OFFSET " MAX_HISTORY " LIMIT 1), '-infinity') "
			  "ORDER BY changed_at DESC, decided !~ 'owner', decided !~ 'policy|reader|writer', first_id LIMIT " MAX_DECISIONS);
	/* clang-format on */
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">The map has not been changed yet.</p>\n");
	else
	{
		appendStringInfoString(
			out,
			"<p>What was changed on the map, the latest first; all of it is in <code>ownership.map_history</code>.</p>\n");
		TABLE_HEAD(out, "Recent changes of the map", "When", "Role", "What", "Before", "After",
				   "About");
		for (uint64 i = 0; i < n; i++)
		{
			int items = atoi(sql_result_text(i, 6));

			if (i == MAX_OPEN_DECISIONS)
			{
				html_table_end(out);
				appendStringInfoString(out, "<details><summary>Older ones</summary>\n");
				TABLE_HEAD(out, "Older changes of the map", "When", "Role", "What", "Before",
						   "After", "About");
			}
			appendStringInfoString(out, "<tr>");
			html_time_cell(out, sql_result_text(i, 1));
			html_cell(out, sql_result_text(i, 2));
			appendStringInfoString(out, "<th scope=\"row\">");
			html_name(out, sql_result_text(i, 3));
			appendStringInfoString(out, "</th>");
			for (int column = 4; column <= 5; column++)
			{
				if (sql_result_text(i, column) == NULL)
					appendStringInfoString(out, "<td class=\"none\">none</td>");
				else
					html_cell(out, sql_result_text(i, column));
			}
			appendStringInfoString(out, "<td>");
			html_name(out, sql_result_text(i, 7));
			if (items > 5)
				appendStringInfo(out, " and %d more", items - 5);
			appendStringInfoString(out, "</td></tr>\n");
		}
		html_table_end(out);
		if (n > MAX_OPEN_DECISIONS)
			appendStringInfoString(out, "</details>\n");
	}
	html_section_end(out);
}

/* How many fields a system owns, writes, intrudes on or reads. */
static int
count_fields(const Picture *picture, const char *system, PicturePart part)
{
	int fields = 0;

	for (int i = 0; i < picture->nedges; i++)
		if (picture->edges[i].part == part &&
			strcmp(picture->systems[picture->edges[i].system].name, system) == 0)
			fields += picture->edges[i].fields;
	return fields;
}

void
page_system_section(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	html_heading(out, "systems", "Systems");
	page_add_filter(&p, &page->filter);
	n = sql_run("SELECT s.name, s.title, s.kind, s.contact, s.note, "
				"(SELECT string_agg(kind || ' ' || name || CASE WHEN steward THEN ' (steward)' ELSE '' END || CASE WHEN carrier THEN ' (carrier)' ELSE '' END, ', ' ORDER BY kind, name) FROM ownership.identity i WHERE i.system = s.name) "
				"FROM ownership.system s "
				"WHERE $2::text[] IS NULL OR s.name = ANY ($2) ORDER BY s.name COLLATE \"C\"",
				&p);
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No system is registered yet.</p>\n");
	else
	{
		TABLE_HEAD(out, "Systems and what they do", "System", "Title", "Kind", "Contact", "Note",
				   "Writes as", "Owns", "Writes", "Intrudes", "Reads");
		for (uint64 i = 0; i < n; i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			for (int column = 2; column <= 6; column++)
				html_cell(out, sql_result_text(i, column));
			for (PicturePart part = PART_OWNER; part <= PART_READER; part++)
				html_number_cell(out, psprintf("%d", count_fields(page->picture,
																  sql_result_text(i, 1), part)));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		appendStringInfoString(out, "<p class=\"quiet\">The numbers count fields.</p>\n");
	}
	html_section_end(out);
}
