/*
 * page_notes.c
 *		Notes for the administrator: risks that need an account in the database, and
 *		how decisions come onto the map.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "pictures.h"

static void
write_note(StringInfo out, const Note *note)
{
	ListCell *lc;
	int more = note->total - list_length(note->rows);

	appendStringInfo(out, "<h3><span class=\"badge %s\">%s</span> ", note->severity, note->severity);
	for (const char *c = note->risk; *c != '\0'; c++)
		appendStringInfoChar(out, *c == '_' ? ' ' : *c);
	appendStringInfo(out, " <span class=\"quiet\">(%d)</span></h3>\n", note->total);
	if (note->advice != NULL)
	{
		appendStringInfoString(out, "<p class=\"advice\">");
		html_name(out, note->advice);
		appendStringInfoString(out, "</p>\n");
	}
	appendStringInfoString(out, "<ul class=\"risks\">\n");
	foreach(lc, note->rows)
	{
		const NoteRow *row = lfirst(lc);

		appendStringInfoString(out, "<li>");
		if (row->about != NULL && row->about[0] != '\0')
		{
			appendStringInfoString(out, "<b>");
			html_name(out, row->about);
			appendStringInfoString(out, "</b>");
		}
		appendStringInfoString(out, "<p>");
		html_name(out, row->detail);
		appendStringInfoString(out, "</p>");
		if (note->advice == NULL)
		{
			appendStringInfoString(out, "<p class=\"advice\">");
			html_name(out, row->advice);
			appendStringInfoString(out, "</p>");
		}
		appendStringInfoString(out, "</li>\n");
	}
	if (more > 0)
	{
		appendStringInfo(out,
						 "<li>&hellip; and %d more: <code>SELECT * FROM ownership.risks WHERE risk = &#39;",
						 more);
		html_text(out, note->risk);
		appendStringInfoString(out, "&#39;</code></li>\n");
	}
	appendStringInfoString(out, "</ul>\n");
}

void
page_note_section(StringInfo out, const PageMap *page)
{
	ListCell *lc;
	int total = 0;
	int high = 0;

	foreach(lc, page->notes)
	{
		const Note *note = lfirst(lc);

		total += note->total;
		if (strcmp(note->severity, "high") == 0)
			high += note->total;
	}
	html_heading(out, "administrator", "For the administrator");
	appendStringInfo(out, "<details><summary>What needs an account in the database: %d finding%s",
					 total, total == 1 ? "" : "s");
	if (high > 0)
		appendStringInfo(out, " <span class=\"badge high\">%d high</span>", high);
	appendStringInfoString(
		out,
		"</summary>\n<ul class=\"plain\"><li>Decisions come onto the map by a spreadsheet: <code>ownership.worksheet()</code> makes it, <code>ownership.import_sheet()</code> reads it. "
		"Each decision is also a row of <code>ownership.risks</code>, with the statement that carries it out.\n"
		"<li>A refused value goes in by <code>ownership.accept(number)</code>, or stays out by <code>ownership.dismiss(number)</code>. The numbers are under Disagreements.\n"
		"<li><code>ownership.page(contact =&gt; &#39;&hellip;&#39;)</code> makes the page of one contact, <code>system =&gt;</code> of one system, <code>entity =&gt;</code> of some entities.</ul>\n");
	foreach(lc, page->notes)
		write_note(out, lfirst(lc));
	appendStringInfoString(out, "</details>\n");
	html_section_end(out);
}
