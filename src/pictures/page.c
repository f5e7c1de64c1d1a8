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

static const char style[] =
#include "page_style.inc"
	;

/* The parts of the page after its first, in their order. */
static const struct
{
	const char *id;
	const char *title;
	void (*write)(StringInfo out, const PageMap *page);
} sections[] = {{"contacts", "By whom to ask", page_contact_section},
				{"fields", "Shared data", page_field_section},
				{"landing", "Landing tables", page_landing_section},
				{"picture", "Picture", page_picture_section},
				{"disagreements", "Disagreements", page_disagreement_section},
				{"conflicts", "Conflicts", page_conflict_section},
				{"waiting", "Waiting values", page_waiting_section},
				{"pinned", "Pinned values", page_pinned_section},
				{"age", "Age of the data", page_age_section},
				{"decisions", "Recent decisions", page_decision_log_section},
				{"systems", "Systems", page_system_section},
				{"administrator", "For the administrator", page_note_section}};

/* the head */

/* One figure of the head.  mood: its CSS class: good, fair or bad.  note: HTML. */
static void
fact(StringInfo out, const char *mood, const char *what, const char *value, const char *note)
{
	appendStringInfo(out, "<div class=\"%s\"><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", mood,
					 what, value, note);
}

/* Writes all before the head's figures. */
static void
write_title(StringInfo out, const PageMap *page)
{
	const char *database;

	(void) html_query("SELECT current_database(), " TIME("now()") ", current_setting('TimeZone')");
	database = sql_result_text(0, 1);
	appendStringInfoString(out,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta name=\"color-scheme\" content=\"light dark\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
						   "<title>Who owns which data: ");
	html_text(out, database);
	appendStringInfo(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
	appendStringInfoString(out,
						   "<a class=\"skip\" href=\"#decide\">Skip to what must be decided</a>\n<header>\n"
						   "<h1>Who owns which data</h1>\n<p class=\"quiet\">Database <code>");
	html_name(out, database);
	appendStringInfo(out, "</code>, as of <time>%s</time> (", sql_result_text(0, 2));
	html_text(out, sql_result_text(0, 3));
	appendStringInfo(out, "): %d systems, %d entities, %d fields that cross a system boundary.",
					 page->nsystems, page->nentities, page->fields);
	if (page_is_filtered(&page->filter))
	{
		appendStringInfoString(out, " <b>This page is only about ");
		page_filter_words(out, &page->filter);
		appendStringInfoString(out, ".</b>");
	}
	appendStringInfoString(out, "</p>\n");
}

/* Writes how many tables are guarded, and whether a setting takes their guard away. */
static void
guard_fact(StringInfo out)
{
	int tables;
	int guarded;
	uint64 weakened;
	StringInfoData note;

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
}

static void
write_facts(StringInfo out, const PageMap *page)
{
	int fields = page->fields;
	int owned = page->owned;
	int decided = owned - page->by_default;
	StringInfoData note;

	appendStringInfoString(out, "<dl class=\"facts\">\n");
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
		 page->risks[0] > 0	  ? "bad"
		 : page->risks[1] > 0 ? "fair"
							  : "good",
		 "High risks", psprintf("%d", page->risks[0]),
		 psprintf("and %d medium, %d low", page->risks[1], page->risks[2]));
	if (page->disagreements.listed)
		fact(out, page->disagreements.total > 0 ? "fair" : "good", "Disagreements",
			 psprintf("%d", page->disagreements.total), "refused values that wait for a decision");
	guard_fact(out);
	appendStringInfoString(out, "</dl>\n");
}

/*
 * ownership.page(entity, system, contact).  NULL: the page is not limited by it.
 * Before 0.3.0 it has no arguments.
 *
 * Errors: no entity matches; there is no such system; no system has the contact.
 */
Datum
ownership_page(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	StringInfoData body;
	PageMap page = {0};
	Datum result;
	int level;

	/* the look-up of risks and disagreements reads mirrored tables */
	level = reads_do_not_count();
	/* compiling these queries takes longer than running them */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	SPI_connect();
	initStringInfo(&out);
	initStringInfo(&body);
	if (PG_NARGS() == 3)
		page_load_filter(&page.filter, call_text(fcinfo, 0), call_text(fcinfo, 1),
						 call_text(fcinfo, 2));
	page_load_map(&page);
	page_load_findings(&page);
	page_load_disagreements(&page);
	page.picture = picture_load();

	write_title(&out, &page);
	write_facts(&out, &page);
	page_decide_section(&body, &page);
	appendStringInfoString(&out,
						   "<nav aria-label=\"Contents\"><ul><li><a href=\"#decide\">Decide these first</a>");
	for (int i = 0; i < (int) lengthof(sections); i++)
	{
		int before = body.len;

		sections[i].write(&body, &page);
		/* some are left out of a page that is not about everything */
		if (body.len > before)
			appendStringInfo(&out, "<li><a href=\"#%s\">%s</a>", sections[i].id, sections[i].title);
	}
	appendStringInfoString(&out, "</ul></nav>\n</header>\n<main>\n");
	appendBinaryStringInfo(&out, body.data, body.len);
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
