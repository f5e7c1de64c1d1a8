/*
 * html.c
 *		The parts of the page's HTML: escaped text, tables, headings.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

/* Text of an element or a quoted attribute. */
void
html_text(StringInfo out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		switch (*c)
		{
			case '&':
				appendStringInfoString(out, "&amp;");
				break;
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '>':
				appendStringInfoString(out, "&gt;");
				break;
			case '"':
				appendStringInfoString(out, "&quot;");
				break;
			case '\'':
				appendStringInfoString(out, "&#39;");
				break;
			default:
				/* HTML knows no other control characters than blanks */
				if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
					appendStringInfoString(out, "\xef\xbf\xbd");
				else
					appendStringInfoChar(out, *c);
		}
	}
}

/* A name or a value: whatever direction it is written in, it stays in its place. */
void
html_name(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<bdi>");
	html_text(out, text);
	appendStringInfoString(out, "</bdi>");
}

void
html_cell(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<td>");
	if (text != NULL && text[0] != '\0')
		html_name(out, text);
	appendStringInfoString(out, "</td>");
}

void
html_number_cell(StringInfo out, const char *text)
{
	appendStringInfo(out, "<td class=\"num\">%s</td>", text == NULL ? "" : text);
}

/* A time as the queries give it: YYYY-MM-DD HH24:MI. */
void
html_time_cell(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "<td class=\"none\">never</td>");
	else
		appendStringInfo(out, "<td><time>%s</time></td>", text);
}

uint64
html_query(const char *sql)
{
	Parameters p = {0};

	return sql_run(sql, &p);
}

void
html_heading(StringInfo out, const char *id, const char *title)
{
	appendStringInfo(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id,
					 title);
}

void
html_table_head(StringInfo out, const char *caption, int n, const char *const *columns)
{
	appendStringInfo(out,
					 "<div class=\"wide\" role=\"region\" aria-label=\"%s\" tabindex=\"0\"><table class=\"list\"><caption class=\"unseen\">%s</caption><thead><tr>",
					 caption, caption);
	for (int i = 0; i < n; i++)
		appendStringInfo(out, "<th scope=\"col\">%s</th>", columns[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
}

void
html_table_end(StringInfo out)
{
	appendStringInfoString(out, "</tbody></table></div>\n");
}

void
html_section_end(StringInfo out)
{
	appendStringInfoString(out, "</section>\n");
}

/*
 * May the caller read what a section shows?  If not, the section is a
 * sentence, and true only its heading's.
 */
bool
page_may_read(StringInfo out, const char *relation)
{
	if (pg_class_aclcheck(catalog_table(relation, false), GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	appendStringInfoString(out, "<p class=\"none\">Left out: role <code>");
	html_name(out, GetUserNameFromId(GetUserId(), false));
	appendStringInfo(out, "</code> may not read <code>ownership.%s</code>.</p>\n", relation);
	return false;
}

char *
page_value_of(SPITupleTable *table, uint64 row, int column)
{
	return SPI_getvalue(table->vals[row], table->tupdesc, column);
}
