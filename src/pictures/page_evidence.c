/*
 * page_evidence.c
 *		The evidence: refused values that still differ from the stored ones, and
 *		writes without a decision.
 *
 * Values of sensitive fields are never on the page, nor are they in the keys of rows.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_LATEST "50"		  /* rows of evidence */
#define MAX_GROUPS 15		  /* columns with disagreements */
#define MAX_EVIDENCE "100000" /* rows of evidence that the totals count */

/* SQL: is the page about a row of evidence c?  As CHOSEN_FIELD(). */
#define CHOSEN_EVIDENCE(c)                                                                            \
	"(($1::text IS NULL AND $2::text[] IS NULL) OR EXISTS (SELECT FROM ownership.mirrored_column cm " \
	"JOIN ownership.field_now cf ON cf.entity = cm.entity AND cf.name = cm.field "                    \
	"WHERE cm.table_schema = " c ".table_schema AND cm.table_name = " c ".table_name "                \
	"AND ($1 IS NULL OR cm.entity LIKE $1) AND ($2 IS NULL OR " c                                     \
	".system = ANY ($2) OR cf.owner = ANY ($2))))"

/* Reads the disagreements, unless there is too much evidence to search.  Needs SPI. */
void
page_load_disagreements(PageMap *page)
{
	Disagreements *d = &page->disagreements;
	Parameters p = {0};

	d->readable = html_can_read("conflict");
	if (!d->readable)
		return;
	(void) html_query("SELECT count(*) <= " MAX_EVIDENCE
					  " FROM (SELECT FROM ownership.conflict LIMIT " MAX_EVIDENCE " + 1) c");
	d->listed = sql_result_bool(0, 1);
	if (!d->listed)
		return;
	page_add_filter(&p, &page->filter);
	/* of each column and system the latest, and of all the latest; a row as a whole is for the key's owner */
	/* clang-format off */
	d->n = sql_run("SELECT " TIME("d.recorded_at") ", d.relation || coalesce('.' || d.column_name, ''), "
				SHORT("k.row_key") ", coalesce(d.system, 'unidentified'), coalesce(d.owner, CASE WHEN d.column_name IS NULL THEN "
				KEY_OWNERS("d.table_schema", "d.table_name") " END, 'none'), d.outcome, "
				"CASE WHEN h.hides THEN '(not shown)' ELSE " SHORT("d.stored") " END, CASE WHEN h.hides THEN '(not shown)' ELSE " SHORT("d.refused") " END, "
				"d.note, d.conflict_id, d.total, d.of_group, d.place, d.latest, " TIME("d.since") ", " AGE("d.since") ", d.groups "
				"FROM (SELECT *, max(g) OVER () AS groups FROM (SELECT *, dense_rank() OVER (ORDER BY of_group DESC, table_schema, table_name, column_name, system) AS g FROM (SELECT *, count(*) OVER () AS total, row_number() OVER (ORDER BY conflict_id DESC, column_name COLLATE \"C\") AS latest, "
				"row_number() OVER (PARTITION BY table_schema, table_name, column_name, system ORDER BY conflict_id DESC) AS place, "
				"min(recorded_at) OVER (PARTITION BY table_schema, table_name, column_name, system) AS since, "
				"count(*) OVER (PARTITION BY table_schema, table_name, column_name, system) AS of_group "
				"FROM ownership.disagreements c WHERE " CHOSEN_EVIDENCE("c") ") w) w) d "
				"CROSS JOIN LATERAL (SELECT " HIDDEN_COLUMNS("d.table_schema", "d.table_name") ") h0(hidden) "
				"CROSS JOIN LATERAL (SELECT cardinality(h0.hidden) > 0 AND (d.column_name IS NULL OR d.column_name = ANY (h0.hidden))) h(hides) "
				"CROSS JOIN LATERAL (SELECT " ROW_KEY("d.row_key", "h0.hidden") ") k(row_key) "
				"WHERE d.latest <= " MAX_LATEST " OR (d.place = 1 AND d.g <= " CppAsString2(MAX_GROUPS) ") "
				"ORDER BY d.latest", &p);
	/* clang-format on */
	d->table = SPI_tuptable;
	if (d->n > 0)
		d->total = atoi(html_value_of(d->table, 0, 11));
}

static void
disagreement_groups(StringInfo out, const PageMap *page)
{
	const Disagreements *d = &page->disagreements;
	int groups = atoi(html_value_of(d->table, 0, 17));
	int shown = 0;

	TABLE_HEAD(out, "Refused values by column and system", "Column", "Owner", "System",
			   "Refused values", "Since", "Latest: stored", "Latest: refused");
	for (uint64 i = 0; i < d->n; i++)
	{
		if (strcmp(html_value_of(d->table, i, 13), "1") != 0 || shown >= MAX_GROUPS)
			continue;
		shown++;
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, html_value_of(d->table, i, 2));
		appendStringInfoString(out, "</th>");
		html_cell(out, html_value_of(d->table, i, 5));
		html_cell(out, html_value_of(d->table, i, 4));
		html_number_cell(out, html_value_of(d->table, i, 12));
		html_time_cell(out, html_value_of(d->table, i, 15));
		html_cell(out, html_value_of(d->table, i, 7));
		html_cell(out, html_value_of(d->table, i, 8));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	if (groups > shown)
		appendStringInfo(out, "<p>%d more columns and systems have refused values.</p>\n",
						 groups - shown);
}

static void
disagreement_list(StringInfo out, const PageMap *page)
{
	const Disagreements *d = &page->disagreements;
	int shown = Min(d->total, atoi(MAX_LATEST));

	appendStringInfo(out, "<details><summary>%s, with their numbers</summary>\n",
					 d->total > shown ? psprintf("The latest %d of %d", shown, d->total)
									  : "All of them");
	TABLE_HEAD(out, "Refused values that still differ", "Number", "Column", "Row", "Stored",
			   "Refused", "Owner", "System", "Since", "What", "Note");
	for (uint64 i = 0; i < d->n; i++)
	{
		if (atoi(html_value_of(d->table, i, 14)) > shown)
			continue;
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
	appendStringInfoString(out, "</details>\n");
}

void
page_disagreement_section(StringInfo out, const PageMap *page)
{
	const Disagreements *d = &page->disagreements;

	html_heading(out, "disagreements", "Disagreements");
	if (html_may_read(out, "conflict"))
	{
		if (!d->listed)
			appendStringInfoString(
				out,
				"<p>There is too much evidence to search it here; <code>ownership.disagreements</code> lists the disagreements.</p>\n");
		else if (d->n == 0)
			appendStringInfoString(out,
								   "<p class=\"none\">No refused value waits for a decision.</p>\n");
		else
		{
			appendStringInfoString(out,
								   "<p>Refused values that still differ from what is stored.</p>\n");
			disagreement_groups(out, page);
			disagreement_list(out, page);
		}
	}
	html_section_end(out);
}

static void
latest_conflicts(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	page_add_filter(&p, &page->filter);
	/* clang-format off */
	n = sql_run("SELECT " TIME("c.recorded_at") ", ownership.relation_name(c.table_schema, c.table_name) || coalesce('.' || u.name, ''), "
			  SHORT("k.row_key") ", " EVIDENCE_WRITER("c") ", concat_ws(', ', c.role, nullif(c.application_name, '')), "
			  "lower(c.operation) || ' ' || c.outcome, CASE WHEN u.name IS NULL OR c.outcome = 'discarded' THEN "
			  KEY_OWNERS("c.table_schema", "c.table_name") " ELSE f.owner END, " SHORT("v.stored") ", " SHORT("v.proposed") " "
			  "FROM (SELECT * FROM ownership.conflict c WHERE resolved_at IS NULL AND outcome NOT IN ('parked', 'remembered') AND "
			  CHOSEN_EVIDENCE("c") " ORDER BY id DESC LIMIT " MAX_LATEST ") c "
			  "LEFT JOIN LATERAL unnest(c.columns) u(name) ON true "
			  "LEFT JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name AND m.column_name = u.name::text "
			  "LEFT JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field "
			  "CROSS JOIN LATERAL (SELECT " HIDDEN_COLUMNS("c.table_schema", "c.table_name") ") h(hidden) "
			  "CROSS JOIN LATERAL (SELECT " ROW_KEY("c.row_key", "h.hidden") ") k(row_key) "
			  "CROSS JOIN LATERAL (SELECT CASE WHEN u.name IS NOT NULL AND c.stored ? u.name::text THEN "
			  "CASE WHEN u.name::text = ANY (h.hidden) THEN '(not shown)' ELSE coalesce(c.stored ->> u.name::text, 'null') END END, "
			  "CASE jsonb_typeof(c.proposed) WHEN 'number' THEN c.proposed::text || ' more rows' "
			  "WHEN 'object' THEN CASE WHEN u.name IS NOT NULL AND c.proposed ? u.name::text THEN "
			  "CASE WHEN u.name::text = ANY (h.hidden) THEN '(not shown)' ELSE coalesce(c.proposed ->> u.name::text, 'null') END END END) v(stored, proposed) "
			  "ORDER BY c.id DESC, u.name COLLATE \"C\"", &p);
	/* clang-format on */
	appendStringInfoString(out, "<details><summary>The latest</summary>\n");
	TABLE_HEAD(out, "The latest open conflicts", "When", "Column", "Row", "System", "As", "What",
			   "Owner", "Stored", "Proposed");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr>");
		html_time_cell(out, sql_result_text(i, 1));
		appendStringInfoString(out, "<th scope=\"row\">");
		html_name(out, sql_result_text(i, 2));
		appendStringInfoString(out, "</th>");
		for (int column = 3; column <= 9; column++)
			html_cell(out, sql_result_text(i, column));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	appendStringInfoString(out, "</details>\n");
}

void
page_conflict_section(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	html_heading(out, "conflicts", "Conflicts");
	if (!html_may_read(out, "conflict"))
	{
		html_section_end(out);
		return;
	}
	page_add_filter(&p, &page->filter);
	/* clang-format off */
	n = sql_run("SELECT who, outcome, count(*), " TIME("min(recorded_at)") ", " TIME("max(recorded_at)") ", " AGE("max(recorded_at)") " "
			  "FROM (SELECT " EVIDENCE_WRITER("c") " AS who, outcome, recorded_at FROM ownership.conflict c "
			  "WHERE resolved_at IS NULL AND outcome NOT IN ('parked', 'remembered') AND " CHOSEN_EVIDENCE("c")
			  " ORDER BY id DESC LIMIT " MAX_EVIDENCE ") c "
			  "GROUP BY who, outcome ORDER BY who COLLATE \"C\", outcome COLLATE \"C\"", &p);
	/* clang-format on */
	if (n == 0)
	{
		appendStringInfoString(out, "<p class=\"none\">There is no open conflict.</p>\n");
		html_section_end(out);
		return;
	}
	appendStringInfoString(out,
						   "<p>Writes to fields by systems that do not own them, without a decision so far.</p>\n");
	TABLE_HEAD(out, "Open conflicts by system", "System", "What happened", "Times", "First", "Last",
			   "Age");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		page_system_name(out, page, sql_result_text(i, 1));
		appendStringInfoString(out, "</th>");
		html_cell(out, sql_result_text(i, 2));
		html_number_cell(out, sql_result_text(i, 3));
		html_time_cell(out, sql_result_text(i, 4));
		html_time_cell(out, sql_result_text(i, 5));
		html_cell(out, sql_result_text(i, 6));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	appendStringInfoString(
		out,
		"<p class=\"quiet\"><b>observed</b>, <b>filled</b>, <b>overridden</b>: the write went through. <b>kept</b>: the owner&rsquo;s value stayed. "
		"<b>discarded</b>: a row was not created or not deleted. <b>rejected</b>: the writer got an error.</p>\n");
	latest_conflicts(out, page);
	html_section_end(out);
}
