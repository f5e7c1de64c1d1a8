/*
 * page_age.c
 *		The age of the data: when each shared table, and each schema of landing tables,
 *		was last written and read; and which fields have to be fresh, and are or are not.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../activity/activity.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

#define MAX_TABLES "60"

/*
 * SQL: one row for each shared table and for each schema and source of landing tables.
 * What only stewards wrote is theirs.
 */
#define AGES                                                                                                                                                                                                           \
	"SELECT CASE WHEN t.source IS NULL THEN ownership.relation_name(t.table_schema, min(t.table_name)) "                                                                                                               \
	"ELSE t.table_schema END, t.source, count(*), count(*) FILTER (WHERE g.guarded), "                                                                                                                                 \
	"(SELECT string_agg(DISTINCT s, ', ') FROM unnest(string_to_array(string_agg(array_to_string(g.subscriptions, ','), ','), ',')) s WHERE s <> ''), "                                                                \
	"(SELECT string_agg(DISTINCT w, ', ') FROM unnest(string_to_array(string_agg(a.writers, ';'), ';')) w), " TIME("max(a.last_write)") ", " AGE(                                                                      \
		"max(a.last_write)") ", " AGE("max(a.last_read)") " FROM ownership.mirrored_table t JOIN ownership.guards g USING (table_schema, table_name) "                                                                 \
														  "LEFT JOIN (SELECT table_schema, table_name, "                                                                                                               \
														  "string_agg(DISTINCT coalesce(system, CASE WHEN overridden > 0 AND observed + filled + kept + rejected = 0 THEN 'a steward' ELSE 'unidentified' END), ';') " \
														  "FILTER (WHERE writes > 0) AS writers, max(last_write) AS last_write, max(last_read) AS last_read "                                                          \
														  "FROM ownership.activity WHERE column_name <> '' GROUP BY table_schema, table_name) a USING (table_schema, table_name) "                                     \
														  "WHERE ($1::text IS NULL AND $2::text[] IS NULL) OR t.source = ANY ($2) OR EXISTS (SELECT FROM ownership.mirrored_column m "                                 \
														  "WHERE m.table_schema = t.table_schema AND m.table_name = t.table_name AND " CHOSEN_FIELD(                                                                   \
															  "m.entity",                                                                                                                                              \
															  "m.field") ") "                                                                                                                                          \
																		 "GROUP BY t.table_schema, t.source, CASE WHEN t.source IS NULL THEN t.table_name END "                                                        \
																		 "ORDER BY t.source IS NOT NULL, t.table_schema COLLATE \"C\", min(t.table_name) COLLATE \"C\" LIMIT " MAX_TABLES                              \
																		 " + 1"

/* SQL: the fields that have to be fresh, those that are not first. */
#define FRESH                                                                                                       \
	"SELECT entity || '.' || field, owner, fresh_within::text, stale::text, " TIME("last_row") ", " AGE(            \
		"last_row") " "                                                                                             \
					"FROM ownership.freshness WHERE " CHOSEN_FIELD(                                                 \
						"entity",                                                                                   \
						"field") " "                                                                                \
								 "ORDER BY stale DESC, entity COLLATE \"C\", field COLLATE \"C\" LIMIT " MAX_TABLES \
								 " + 1"

/* Writes the fields that have to be fresh, if there are any. */
static void
write_fresh(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	/* an older version has none */
	if (!OidIsValid(catalog_table("freshness", true)))
		return;
	page_add_filter(&p, &page->filter);
	n = sql_run(FRESH, &p);
	if (n == 0)
		return;
	appendStringInfoString(
		out,
		"<p>These fields have to be fresh: in that time a row must have come from the owner, changed or not.</p>\n");
	TABLE_HEAD(out, "Fields that have to be fresh", "Field", "Owner", "Within", "Last row", "Age",
			   "");
	for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
	{
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, sql_result_text(i, 1));
		appendStringInfoString(out, "</th><td>");
		page_system_name(out, page, sql_result_text(i, 2));
		appendStringInfoString(out, "</td>");
		html_cell(out, sql_result_text(i, 3));
		html_time_cell(out, sql_result_text(i, 5));
		html_cell(out, sql_result_text(i, 6));
		appendStringInfo(out, "<td>%s</td></tr>\n",
						 sql_result_bool(i, 4) ? "<span class=\"badge medium\">stale</span>" : "");
	}
	html_table_end(out);
	if (n > (uint64) atoi(MAX_TABLES))
		appendStringInfoString(out, "<p>These are the first " MAX_TABLES
									"; all are in <code>ownership.freshness</code>.</p>\n");
}

void
page_age_section(StringInfo out, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	html_heading(out, "age", "Age of the data");
	if (!html_may_read(out, "activity"))
	{
		html_section_end(out);
		return;
	}
	if (!mailbox_remembers())
		appendStringInfoString(
			out,
			"<p>Reads and writes are not counted here: that needs <code>shared_preload_libraries = &#39;ownership&#39;</code>.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>When the data was last written and read, as far as this database saw it; of landing tables, the latest of a schema.</p>\n");
	page_add_filter(&p, &page->filter);
	n = sql_run(AGES, &p);
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No table is on the map yet.</p>\n");
	else
	{
		TABLE_HEAD(out, "Tables and when they were used", "Table", "Copy of", "Guarded", "Fed by",
				   "Written by", "Last written", "Age", "Last read");
		for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
		{
			const char *source = sql_result_text(i, 2);
			const char *tables = sql_result_text(i, 3);
			const char *guarded = sql_result_text(i, 4);

			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			if (source != NULL)
				appendStringInfo(out, " <small>%s table%s</small>", tables,
								 strcmp(tables, "1") == 0 ? "" : "s");
			appendStringInfoString(out, "</th><td>");
			if (source != NULL)
				page_system_name(out, page, source);
			appendStringInfoString(out, "</td>");
			html_cell(out, strcmp(tables, guarded) == 0 ? "yes"
						   : strcmp(guarded, "0") == 0	? "no"
														: psprintf("%s of %s", guarded, tables));
			html_cell(out, sql_result_text(i, 5));
			html_cell(out, sql_result_text(i, 6));
			html_time_cell(out, sql_result_text(i, 7));
			html_cell(out, sql_result_text(i, 8));
			if (sql_result_text(i, 9) == NULL)
				html_time_cell(out, NULL);
			else
				html_cell(out, sql_result_text(i, 9));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		if (n > (uint64) atoi(MAX_TABLES))
			appendStringInfoString(
				out,
				"<p>These are the first " MAX_TABLES
				"; all are in <code>ownership.guards</code> and <code>ownership.activity</code>.</p>\n");
	}
	write_fresh(out, page);
	html_section_end(out);
}
