/*
 * html.c
 *		The parts of the page's HTML: escaped text, cells, tables, headings.
 *
 * A caller that passes text from a table calls html_text() or a function that
 * calls it.  Captions, column names and titles are literals of the page, and
 * are written as they are.
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

/* Writes the text of an element or a quoted attribute, escaped. */
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
				/* HTML allows no control characters but white space: U+FFFD replaces them */
				if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
					appendStringInfoString(out, "\xef\xbf\xbd");
				else
					appendStringInfoChar(out, *c);
		}
	}
}

/*
 * Writes a name or a value, escaped.  If its script runs from right to left, this
 * does not change the direction of the text around it.
 */
void
html_name(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<bdi>");
	html_text(out, text);
	appendStringInfoString(out, "</bdi>");
}

/* Writes a cell of a table; NULL: an empty one. */
void
html_cell(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<td>");
	if (text != NULL && text[0] != '\0')
		html_name(out, text);
	appendStringInfoString(out, "</td>");
}

/* Writes a cell with a number or an age, not escaped; NULL: an empty one. */
void
html_number_cell(StringInfo out, const char *text)
{
	appendStringInfo(out, "<td class=\"num\">%s</td>", text == NULL ? "" : text);
}

/* Writes a cell with a time as TIME() has it, YYYY-MM-DD HH24:MI; NULL: never. */
void
html_time_cell(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "<td class=\"none\">never</td>");
	else
		appendStringInfo(out, "<td><time>%s</time></td>", text);
}

/* Writes a time as TIME() has it, with its age as AGE() has it; NULL: never. */
void
html_time(StringInfo out, const char *text, const char *age)
{
	if (text == NULL)
		appendStringInfoString(out, "never");
	else
		appendStringInfo(out, "%s (<time>%s</time>)", age, text);
}

/* Runs a query without parameters and returns its number of rows.  Needs SPI. */
uint64
html_query(const char *sql)
{
	Parameters p = {0};

	return sql_run_composed(sql, &p);
}

/* Begins a section of the page. */
void
html_heading(StringInfo out, const char *id, const char *title)
{
	appendStringInfo(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id,
					 title);
}

/* Begins a table with n columns. */
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

/* May the caller read this table or view of the extension? */
bool
html_can_read(const char *relation)
{
	return pg_class_aclcheck(catalog_table(relation, false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* The same; if not, writes a sentence that says so in place of a section's contents. */
bool
html_may_read(StringInfo out, const char *relation)
{
	if (html_can_read(relation))
		return true;
	appendStringInfoString(out, "<p class=\"none\">Left out: role <code>");
	html_name(out, GetUserNameFromId(GetUserId(), false));
	appendStringInfo(out, "</code> may not read <code>ownership.%s</code>.</p>\n", relation);
	return false;
}

/* A value of a query's result as text, or NULL.  Rows count from 0, columns from 1. */
char *
html_value_of(SPITupleTable *table, uint64 row, int column)
{
	return SPI_getvalue(table->vals[row], table->tupdesc, column);
}
