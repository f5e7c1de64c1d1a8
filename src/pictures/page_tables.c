/*
 * page_tables.c
 *		The page's tables: disagreements, conflicts, activity, decisions, systems.
 *
 * Each function writes one section.  If the caller may not read the relation
 * that the section shows, a sentence says so instead.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "pictures.h"

#define MAX_CONFLICTS "50"	  /* rows of evidence */
#define MAX_EVIDENCE "100000" /* rows of evidence that the totals count */
#define MAX_TABLES "100"
#define MAX_DECISIONS "40"
#define MAX_HISTORY "5000" /* the latest rows, in which decisions are looked for */

/* Reads the disagreements, unless there is too much evidence to search.  Needs SPI. */
Disagreements
page_load_disagreements(void)
{
	Disagreements d = {0};

	d.readable =
		pg_class_aclcheck(catalog_table("conflict", false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!d.readable)
		return d;
	(void) html_query("SELECT count(*) <= " MAX_EVIDENCE
					  " FROM (SELECT FROM ownership.conflict LIMIT " MAX_EVIDENCE " + 1) c");
	d.listed = sql_result_bool(0, 1);
	if (!d.listed)
		return d;
	/* clang-format off */
	d.n = html_query("SELECT " TIME("d.recorded_at") ", d.relation || coalesce('.' || d.column_name, ''), "
				SHORT("k.row_key") ", coalesce(d.system, 'unidentified'), coalesce(d.owner, 'none'), d.outcome, "
				SHORT("d.stored") ", " SHORT("d.refused") ", d.note, d.conflict_id, d.total "
				"FROM (SELECT *, count(*) OVER () AS total FROM ownership.disagreements ORDER BY conflict_id DESC LIMIT " MAX_CONFLICTS ") d "
				"CROSS JOIN LATERAL (SELECT " ROW_KEY("d.row_key") ") k(row_key) "
				"ORDER BY d.conflict_id DESC, d.column_name COLLATE \"C\"");
	/* clang-format on */
	d.table = SPI_tuptable;
	if (d.n > 0)
		d.total = atoi(html_value_of(d.table, 0, 11));
	return d;
}

void
page_disagreement_section(StringInfo out, const Disagreements *d)
{
	html_heading(out, "disagreements", "Disagreements");
	if (!html_may_read(out, "conflict"))
	{
		html_section_end(out);
		return;
	}
	if (!d->listed)
		appendStringInfoString(
			out,
			"<p>There is too much evidence to search it here; <code>ownership.disagreements</code> lists the disagreements.</p>\n");
	else if (d->n == 0)
		appendStringInfoString(out,
							   "<p class=\"none\">No refused value waits for a decision.</p>\n");
	else
	{
		appendStringInfo(out,
						 "<p>Refused values that still differ from what is stored. Decide with <code>ownership.accept(number)</code> or <code>ownership.dismiss(number)</code>.%s</p>\n",
						 (uint64) d->total > d->n
							 ? psprintf(" These are the latest " INT64_FORMAT " of %d.",
										(int64) d->n, d->total)
							 : "");
		TABLE_HEAD(out, "Refused values that still differ", "Number", "Column", "Row", "Stored",
				   "Refused", "Owner", "System", "Since", "What", "Note");
		for (uint64 i = 0; i < d->n; i++)
		{
			appendStringInfoString(out, "<tr>");
			html_number_cell(out, html_value_of(d->table, i, 10));
			appendStringInfoString(out, "<th scope=\"row\">");
			html_name(out, html_value_of(d->table, i, 2));
			appendStringInfoString(out, "</th>");
			html_cell(out, html_value_of(d->table, i, 3));
			html_cell(out, html_value_of(d->table, i, 7));
			html_cell(out, html_value_of(d->table, i, 8));
			html_cell(out, html_value_of(d->table, i, 5));
			html_cell(out, html_value_of(d->table, i, 4));
			html_time_cell(out, html_value_of(d->table, i, 1));
			html_cell(out, html_value_of(d->table, i, 6));
			html_cell(out, html_value_of(d->table, i, 9));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
	}
	html_section_end(out);
}

void
page_conflict_section(StringInfo out)
{
	uint64 n;

	html_heading(out, "conflicts", "Conflicts");
	if (!html_may_read(out, "conflict"))
	{
		html_section_end(out);
		return;
	}
	appendStringInfoString(out,
						   "<p>Writes to fields by systems that do not own them, without a decision so far.</p>\n");
	/* clang-format off */
	n = html_query("SELECT coalesce(system, 'unidentified'), outcome, count(*), " TIME("min(recorded_at)") ", " TIME("max(recorded_at)") " "
			  "FROM (SELECT system, outcome, recorded_at FROM ownership.conflict WHERE resolved_at IS NULL AND outcome NOT IN ('parked', 'remembered') ORDER BY id DESC LIMIT " MAX_EVIDENCE ") c "
			  "GROUP BY system, outcome ORDER BY system COLLATE \"C\", outcome COLLATE \"C\"");
	/* clang-format on */
	if (n == 0)
	{
		appendStringInfoString(out, "<p class=\"none\">There is no open conflict.</p>\n");
		html_section_end(out);
		return;
	}
	TABLE_HEAD(out, "Open conflicts by system", "System", "What happened", "Times", "First", "Last");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, sql_result_text(i, 1));
		appendStringInfoString(out, "</th>");
		html_cell(out, sql_result_text(i, 2));
		html_number_cell(out, sql_result_text(i, 3));
		html_time_cell(out, sql_result_text(i, 4));
		html_time_cell(out, sql_result_text(i, 5));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	appendStringInfoString(
		out,
		"<p class=\"quiet\"><b>observed</b>, <b>filled</b>, <b>overridden</b>: the write went through. <b>kept</b>: the owner&rsquo;s value stayed. "
		"<b>discarded</b>: a row was not created or not deleted. <b>rejected</b>: the writer got an error.</p>\n");

	appendStringInfoString(out, "<h3>The latest</h3>\n");
	/* clang-format off */
	n = html_query("SELECT " TIME("c.recorded_at") ", ownership.relation_name(c.table_schema, c.table_name) || coalesce('.' || u.name, ''), "
			  SHORT("k.row_key") ", coalesce(c.system, 'unidentified'), concat_ws(', ', c.role, nullif(c.application_name, '')), "
			  "lower(c.operation) || ' ' || c.outcome, " SHORT("v.stored") ", " SHORT("v.proposed") " "
			  "FROM (SELECT * FROM ownership.conflict WHERE resolved_at IS NULL AND outcome NOT IN ('parked', 'remembered') ORDER BY id DESC LIMIT " MAX_CONFLICTS ") c "
			  "LEFT JOIN LATERAL unnest(c.columns) u(name) ON true "
			  "CROSS JOIN LATERAL (SELECT " ROW_KEY("c.row_key") ") k(row_key) "
			  "CROSS JOIN LATERAL (SELECT CASE WHEN u.name IS NOT NULL AND c.stored ? u.name::text THEN coalesce(c.stored ->> u.name::text, 'null') END, "
			  "CASE jsonb_typeof(c.proposed) WHEN 'number' THEN c.proposed::text || ' more rows' "
			  "WHEN 'object' THEN CASE WHEN u.name IS NOT NULL AND c.proposed ? u.name::text THEN coalesce(c.proposed ->> u.name::text, 'null') END END) v(stored, proposed) "
			  "ORDER BY c.id DESC, u.name COLLATE \"C\"");
	/* clang-format on */
	TABLE_HEAD(out, "The latest open conflicts", "When", "Column", "Row", "System", "As", "What",
			   "Stored", "Proposed");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr>");
		html_time_cell(out, sql_result_text(i, 1));
		appendStringInfoString(out, "<th scope=\"row\">");
		html_name(out, sql_result_text(i, 2));
		appendStringInfoString(out, "</th>");
		for (int column = 3; column <= 8; column++)
			html_cell(out, sql_result_text(i, column));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	html_section_end(out);
}

/* Everybody may read how much waits, so the page has numbers only. */
void
page_waiting_section(StringInfo out)
{
	uint64 n;

	/* the SQL objects of 0.2.0 do not include this view */
	if (!OidIsValid(catalog_table("waiting_count", true)))
		return;
	html_heading(out, "waiting", "Waiting values");
	/* clang-format off */
	n = html_query("SELECT ownership.relation_name(table_schema, table_name), coalesce(system, 'depends on the row'), "
			  "coalesce(sum(waiting) FILTER (WHERE outcome = 'parked'), 0), coalesce(sum(waiting) FILTER (WHERE outcome = 'remembered'), 0), "
			  "sum(problems), " TIME("min(since)") " FROM ownership.waiting_count "
			  "GROUP BY table_schema, table_name, system "
			  "ORDER BY table_schema COLLATE \"C\", table_name COLLATE \"C\", system COLLATE \"C\" LIMIT " MAX_TABLES " + 1");
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

void
page_age_section(StringInfo out)
{
	uint64 n;

	html_heading(out, "age", "Age of the data");
	if (!html_may_read(out, "activity"))
	{
		html_section_end(out);
		return;
	}
	/* clang-format off */
	n = html_query("SELECT ownership.relation_name(t.table_schema, t.table_name), coalesce(t.source, ''), "
			  "CASE WHEN g.guarded THEN 'yes' ELSE 'no' END, array_to_string(g.subscriptions, ', '), "
			  "a.writers, " TIME("a.first_seen") ", " TIME("a.last_write") ", " TIME("a.last_read") ", "
			  "CASE WHEN a.age >= 172800 THEN floor(a.age / 86400) || ' days' WHEN a.age >= 7200 THEN floor(a.age / 3600) || ' hours' ELSE floor(a.age / 60) || ' min' END "
			  "FROM ownership.mirrored_table t JOIN ownership.guards g USING (table_schema, table_name) "
			  "LEFT JOIN (SELECT table_schema, table_name, "
			  "string_agg(DISTINCT coalesce(system, 'unidentified'), ', ') FILTER (WHERE writes > 0) AS writers, "
			  "min(first_seen) AS first_seen, max(last_write) AS last_write, max(last_read) AS last_read, "
			  "greatest(0, extract(epoch FROM now() - max(last_write))) AS age "
			  "FROM ownership.activity GROUP BY table_schema, table_name) a USING (table_schema, table_name) "
			  "ORDER BY t.table_schema COLLATE \"C\", t.table_name COLLATE \"C\" LIMIT " MAX_TABLES " + 1");
	/* clang-format on */
	if (!mailbox_exists())
		appendStringInfoString(
			out,
			"<p>Reads and writes are not counted here: that needs <code>shared_preload_libraries = &#39;ownership&#39;</code>.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>When each mirrored table was last written and read, as far as this database saw it.</p>\n");
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No table is on the map yet.</p>\n");
	else
	{
		TABLE_HEAD(out, "Mirrored tables and when they were used", "Table", "Copy of", "Guarded",
				   "Fed by", "Written by", "First seen", "Last written", "Age", "Last read");
		for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			for (int column = 2; column <= 5; column++)
				html_cell(out, sql_result_text(i, column));
			html_time_cell(out, sql_result_text(i, 6));
			html_time_cell(out, sql_result_text(i, 7));
			html_number_cell(out, sql_result_text(i, 9));
			html_time_cell(out, sql_result_text(i, 8));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		if (n > (uint64) atoi(MAX_TABLES))
			appendStringInfoString(
				out,
				"<p>These are the first " MAX_TABLES
				"; all are in <code>ownership.guards</code> and <code>ownership.activity</code>.</p>\n");
	}
	html_section_end(out);
}

void
page_decision_section(StringInfo out)
{
	uint64 n;

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
page_system_section(StringInfo out, const Picture *picture)
{
	uint64 n;

	html_heading(out, "systems", "Systems");
	n = html_query(
		"SELECT s.name, s.title, s.kind, s.contact, s.note, "
		"(SELECT string_agg(kind || ' ' || name || CASE WHEN steward THEN ' (steward)' ELSE '' END || CASE WHEN carrier THEN ' (carrier)' ELSE '' END, ', ' ORDER BY kind, name) FROM ownership.identity i WHERE i.system = s.name) "
		"FROM ownership.system s ORDER BY s.name COLLATE \"C\"");
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
				html_number_cell(out,
								 psprintf("%d", count_fields(picture, sql_result_text(i, 1), part)));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		appendStringInfoString(out, "<p class=\"quiet\">The numbers count fields.</p>\n");
	}
	html_section_end(out);
}
