/*
 * page.c
 *		The map, its risks and its evidence as one HTML page that needs nothing
 *		else: no network, no script.
 *
 * People without an account in this database read the page.  So the function
 * runs with its caller's privileges, and the page shows what the caller may
 * read.  It leaves out the rest, and a sentence says so.  Every text that comes
 * from a table goes through html_text().  Of a large map the page shows as much
 * as a person reads, and a sentence says where the rest is.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "pictures.h"

PG_FUNCTION_INFO_V1(ownership_page);

#define MAX_RISKS "25" /* of a kind */

static const char style[] =
#include "page_style.inc"
	;

/* risks: read once, because the look-up of some of them reads mirrored tables */

/* The first MAX_RISKS of each kind and one more, and how many there are. */
typedef struct Risks
{
	SPITupleTable *table;
	uint64 n; /* rows of the table */
	int64 high;
	int64 medium;
	int64 low;
} Risks;

static Risks
load_risks(void)
{
	Risks risks = {0};

	risks.n = html_query(
		"SELECT severity, risk, about, systems, detail, advice, of_kind, place FROM (SELECT r.*, "
		"count(*) OVER (PARTITION BY severity, risk) AS of_kind, "
		"row_number() OVER (PARTITION BY severity, risk ORDER BY n) AS place "
		"FROM (SELECT severity, risk, coalesce(entity || '.' || field, concat_ws('.', relation, column_name)) AS about, "
		"array_to_string(systems, ', ') AS systems, detail, advice, row_number() OVER () AS n "
		"FROM ownership.risks) r) r WHERE place <= " MAX_RISKS " + 1 ORDER BY n");
	risks.table = SPI_tuptable;
	for (uint64 i = 0; i < risks.n; i++)
	{
		const char *severity = html_value_of(risks.table, i, 1);

		if (strcmp(html_value_of(risks.table, i, 8), "1") != 0)
			continue;
		*(strcmp(severity, "high") == 0		? &risks.high
		  : strcmp(severity, "medium") == 0 ? &risks.medium
											: &risks.low) += atoi(html_value_of(risks.table, i, 7));
	}
	return risks;
}

/* the head */

/* One figure of the head.  mood: its CSS class: good, fair or bad.  note: HTML. */
static void
fact(StringInfo out, const char *mood, const char *what, const char *value, const char *note)
{
	appendStringInfo(out, "<div class=\"%s\"><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", mood,
					 what, value, note);
}

static void
head_section(StringInfo out, const Risks *risks, const Disagreements *disagreements)
{
	const char *database;
	int fields;
	int owned;
	int decided;
	int tables;
	int guarded;
	uint64 weakened;
	StringInfoData note;

	(void) html_query("SELECT current_database(), " TIME(
		"now()") ", current_setting('TimeZone'), "
				 "(SELECT count(*) FROM ownership.field WHERE NOT local), "
				 "(SELECT count(*) FROM ownership.field WHERE NOT local AND owner IS NOT NULL), "
				 "(SELECT count(*) FROM ownership.system), "
				 "(SELECT count(DISTINCT entity) FROM ownership.field), "
				 "(SELECT count(*) FROM ownership.part p "
				 "JOIN ownership.field f ON f.entity = p.entity AND f.name = p.field "
				 "WHERE p.part = 'owner' AND p.how = 'by default' AND NOT f.local)");
	database = sql_result_text(0, 1);
	fields = atoi(sql_result_text(0, 4));
	owned = atoi(sql_result_text(0, 5));
	decided = owned - atoi(sql_result_text(0, 8));
	appendStringInfoString(out,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta name=\"color-scheme\" content=\"light dark\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
						   "<title>Who owns which data: ");
	html_text(out, database);
	appendStringInfo(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
	appendStringInfoString(out, "<a class=\"skip\" href=\"#risks\">Skip to the risks</a>\n<header>\n"
								"<h1>Who owns which data</h1>\n<p class=\"quiet\">Database <code>");
	html_name(out, database);
	appendStringInfo(out,
					 "</code>, as of <time>%s</time> (%s): %s systems, %s entities, %s fields that cross a system boundary.</p>\n<dl class=\"facts\">\n",
					 sql_result_text(0, 2), sql_result_text(0, 3), sql_result_text(0, 6),
					 sql_result_text(0, 7), sql_result_text(0, 4));
	initStringInfo(&note);
	if (fields > owned)
		appendStringInfo(&note, "%d of %d have no system of record", fields - owned, fields);
	if (owned > decided)
		appendStringInfo(&note, "%s%d of %d are owned by default, by the source of their tables",
						 note.len > 0 ? "; " : "", owned - decided, fields);
	fact(out,
		 fields > owned	   ? "bad"
		 : owned > decided ? "fair"
						   : "good",
		 "Fields with a decided owner",
		 fields == 0 ? "&ndash;" : psprintf("%d %%", (int) (INT64CONST(100) * decided / fields)),
		 note.len > 0 ? note.data : "every field has one system of record");

	fact(out,
		 risks->high > 0	 ? "bad"
		 : risks->medium > 0 ? "fair"
							 : "good",
		 "High risks", psprintf(INT64_FORMAT, risks->high),
		 psprintf("and " INT64_FORMAT " medium, " INT64_FORMAT " low", risks->medium, risks->low));

	if (disagreements->listed)
		fact(out, disagreements->total > 0 ? "fair" : "good", "Disagreements",
			 psprintf("%d", disagreements->total), "refused values that wait for a decision");

	(void) html_query("SELECT count(*), count(*) FILTER (WHERE guarded) FROM ownership.guards");
	tables = atoi(sql_result_text(0, 1));
	guarded = atoi(sql_result_text(0, 2));
	initStringInfo(&note);
	appendStringInfoString(&note, tables == guarded ? "the map is enforced on each"
													: "the map is not enforced on the others");
	/* the SQL objects of 0.1.0 do not include this view */
	weakened =
		!OidIsValid(catalog_table("weakened", true))
			? 0
			: html_query(
				  "SELECT format('%s is %s %s', setting, value, place), everybody FROM ownership.weakened "
				  "ORDER BY everybody DESC, setting DESC, place COLLATE \"C\"");
	if (weakened > 0)
	{
		bool all_roles = sql_result_bool(0, 2);

		resetStringInfo(&note);
		appendStringInfoString(&note, all_roles ? "but the map is not enforced: "
												: "but the map is not enforced for every role: ");
		html_name(&note, sql_result_text(0, 1));
		if (weakened > 1)
			appendStringInfo(&note, " and " UINT64_FORMAT " more", weakened - 1);
	}
	fact(out, tables == guarded && weakened == 0 ? "good" : "bad", "Guarded tables",
		 psprintf("%d of %d", guarded, tables), note.data);
	appendStringInfoString(out,
						   "</dl>\n<nav aria-label=\"Contents\"><ul><li><a href=\"#risks\">Risks</a><li><a href=\"#picture\">Picture</a><li><a href=\"#matrix\">Fields by systems</a>"
						   "<li><a href=\"#disagreements\">Disagreements</a><li><a href=\"#conflicts\">Conflicts</a><li><a href=\"#waiting\">Waiting values</a><li><a href=\"#pinned\">Pinned values</a><li><a href=\"#age\">Age of the data</a><li><a href=\"#decisions\">Recent decisions</a><li><a href=\"#systems\">Systems</a></ul></nav>\n"
						   "</header>\n<main>\n");
}

/* risks */

/* The advice of all risks of one kind, whose first row is `first`; NULL: they differ. */
static char *
common_advice(const Risks *risks, uint64 first)
{
	char *advice = html_value_of(risks->table, first, 6);

	for (uint64 i = first + 1; i < risks->n && strcmp(html_value_of(risks->table, i, 8), "1") != 0;
		 i++)
		if (strcmp(html_value_of(risks->table, i, 6), advice) != 0)
			return NULL;
	return advice;
}

static void
risk_section(StringInfo out, const Risks *risks)
{
	const char *kind = "";
	const char *severity = "";
	const char *advice = NULL;

	html_heading(out, "risks", "Risks");
	if (risks->n == 0)
		appendStringInfoString(
			out,
			"<p>No risk was found: every field has one system of record, and nothing contradicts the map.</p>\n");
	else
		appendStringInfoString(out, "<p>The most urgent risks come first, each with advice.</p>\n");
	for (uint64 i = 0; i < risks->n; i++)
	{
		if (strcmp(kind, html_value_of(risks->table, i, 2)) != 0 ||
			strcmp(severity, html_value_of(risks->table, i, 1)) != 0)
		{
			if (kind[0] != '\0')
				appendStringInfoString(out, "</ul>\n");
			severity = html_value_of(risks->table, i, 1);
			kind = html_value_of(risks->table, i, 2);
			appendStringInfo(out, "<h3><span class=\"badge %s\">%s</span> ", severity, severity);
			for (const char *c = kind; *c != '\0'; c++)
				appendStringInfoChar(out, *c == '_' ? ' ' : *c);
			appendStringInfo(out, " <span class=\"quiet\">(%s)</span></h3>\n",
							 html_value_of(risks->table, i, 7));
			advice = common_advice(risks, i);
			if (advice != NULL)
			{
				appendStringInfoString(out, "<p class=\"advice\">");
				html_name(out, advice);
				appendStringInfoString(out, "</p>\n");
			}
			appendStringInfoString(out, "<ul class=\"risks\">\n");
		}
		if (atoi(html_value_of(risks->table, i, 8)) > atoi(MAX_RISKS))
		{
			appendStringInfo(out,
							 "<li>&hellip; and %d more: <code>SELECT * FROM ownership.risks WHERE risk = &#39;",
							 atoi(html_value_of(risks->table, i, 7)) - atoi(MAX_RISKS));
			html_text(out, kind);
			appendStringInfoString(out, "&#39;</code></li>\n");
			continue;
		}
		appendStringInfoString(out, "<li>");
		if (html_value_of(risks->table, i, 3) != NULL && html_value_of(risks->table, i, 3)[0] != '\0')
		{
			appendStringInfoString(out, "<b>");
			html_name(out, html_value_of(risks->table, i, 3));
			appendStringInfoString(out, "</b>");
		}
		appendStringInfoString(out, "<p>");
		html_name(out, html_value_of(risks->table, i, 5));
		appendStringInfoString(out, "</p>");
		if (advice == NULL)
		{
			appendStringInfoString(out, "<p class=\"advice\">");
			html_name(out, html_value_of(risks->table, i, 6));
			appendStringInfoString(out, "</p>");
		}
		appendStringInfoString(out, "</li>\n");
	}
	if (risks->n > 0)
		appendStringInfoString(out, "</ul>\n");
	html_section_end(out);
}

/* picture */

static void
picture_section(StringInfo out, const Picture *picture)
{
	html_heading(out, "picture", "Picture");
	appendStringInfoString(
		out,
		"<p>From left to right: the systems that write, the entities, and the systems that read. A system may stand on both sides.</p>\n"
		"<ul class=\"legend\"><li class=\"o\"><b>owns</b>, a solid line: the system of record<li class=\"w\"><b>writes</b>, a dashed line: writes what it does not own; this is declared, or the field has no owner"
		"<li class=\"i\"><b>intrudes</b>, a thick dotted line: writes what another system owns, or tried to; this is not declared<li><b>reads</b>, a thin line</ul>\n"
		"<div class=\"wide\" role=\"region\" aria-label=\"Picture of systems and entities\" tabindex=\"0\">\n");
	svg_picture(out, picture);
	appendStringInfoString(out, "</div>\n");
	html_section_end(out);
}

/* ownership.page() */
Datum
ownership_page(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Risks risks;
	Disagreements disagreements;
	Picture *picture;
	Datum result;
	int level;

	/* the look-up of risks and disagreements reads mirrored tables */
	level = reads_do_not_count();
	/* compiling these queries takes longer than running them */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	SPI_connect();
	initStringInfo(&out);
	risks = load_risks();
	disagreements = page_load_disagreements();
	picture = picture_load();
	head_section(&out, &risks, &disagreements);
	risk_section(&out, &risks);
	picture_section(&out, picture);
	page_matrix_section(&out, picture);
	page_disagreement_section(&out, &disagreements);
	page_conflict_section(&out);
	page_waiting_section(&out);
	page_pinned_section(&out);
	page_age_section(&out);
	page_decision_section(&out);
	page_system_section(&out, picture);
	appendStringInfoString(&out,
						   "</main>\n<footer><p>Made by <code>SELECT ownership.page()</code>, version " OWNERSHIP_VERSION
						   ", as role <code>");
	html_name(&out, GetUserNameFromId(GetUserId(), false));
	appendStringInfoString(&out, "</code>.</p></footer>\n</body>\n</html>\n");
	/* SPI_finish() frees the memory of all else */
	result =
		SPI_datumTransfer(PointerGetDatum(cstring_to_text_with_len(out.data, out.len)), false, -1);
	SPI_finish();
	reads_count_again(level);
	return result;
}
