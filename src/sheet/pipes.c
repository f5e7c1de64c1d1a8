/*
 * pipes.c
 *		Tables drawn with "|", as in Markdown and as psql prints them, become rows of
 *		cells, and the headings of Markdown rows of their own.
 */
#include "postgres.h"

#include "ctype.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "sheet.h"

/* Does the line only separate rows, as |---|:-:| and +----+ do? */
static bool
is_rule(const char *line, const char *end)
{
	bool drawn = false;

	for (const char *c = line; c < end; c++)
	{
		if (strchr("|+-:= \t", *c) == NULL)
			return false;
		drawn |= c > line && (*c == '-' || *c == '=') && (c[-1] == *c || c[-1] == ':');
	}
	return drawn;
}

/* The end of a line, without white space. */
static const char *
trimmed_end(const char *line, const char *end)
{
	while (end > line && isspace((unsigned char) end[-1]))
		end--;
	return end;
}

/* Is one of the first lines part of a drawn table? */
bool
pipes_are_drawn(const char *text)
{
	for (int i = 0; i < MAX_TITLE_ROWS && *text != '\0'; i++)
	{
		const char *end;

		text += strspn(text, " \t\r\n");
		end = trimmed_end(text, text + strcspn(text, "\n"));
		if (*text == '|' || (is_rule(text, end) && memchr(text, '-', end - text) != NULL &&
							 (memchr(text, '|', end - text) || memchr(text, '+', end - text))))
			return true;
		text = end + strcspn(end, "\n");
	}
	return false;
}

/* Takes one pair of marks off a text: **bold**, `code`, [link](address).  False: it has none. */
static bool
take_marks(const char **text, const char **end)
{
	static const char *const marks[] = {"**", "__", "`", "*"};
	int length = *end - *text;

	for (int i = 0; i < (int) lengthof(marks); i++)
	{
		int len = strlen(marks[i]);

		if (length > 2 * len && strncmp(*text, marks[i], len) == 0 &&
			strncmp(*end - len, marks[i], len) == 0)
		{
			*text += len;
			*end -= len;
			return true;
		}
	}
	if (length > 4 && **text == '[' && (*end)[-1] == ')')
	{
		for (const char *c = *text; c + 1 < *end; c++)
		{
			if (c[0] != ']' || c[1] != '(')
				continue;
			++*text;
			*end = c;
			return true;
		}
	}
	return false;
}

/* A copy of a text without the marks around it. */
static char *
unmarked(const char *text, const char *end)
{
	while (take_marks(&text, &end))
		;
	return sheet_trim(text, end);
}

/* The text of a cell of Markdown. */
static char *
read_cell(StringInfo buf, const char *text, const char *end)
{
	resetStringInfo(buf);
	while (text < end)
	{
		const char *special = text;

		while (special < end && *special != '\\' && *special != '<')
			special++;
		markup_append(buf, text, special - text);
		text = special;
		if (text == end)
			break;
		if (*text == '\\' && text + 1 < end && text[1] == '|')
		{
			appendStringInfoChar(buf, '|');
			text += 2;
		}
		else if (end - text >= 4 && pg_strncasecmp(text, "<br", 3) == 0 &&
				 strchr(" />", text[3]) != NULL)
		{
			appendStringInfoChar(buf, '\n');
			while (text < end && *text != '>')
				text++;
			text += text < end;
		}
		else
			appendStringInfoChar(buf, *text++);
	}
	text = buf->data;
	end = trimmed_end(text, buf->data + buf->len);
	while (text < end && isspace((unsigned char) *text))
		text++;
	return text == end ? NULL : unmarked(text, end);
}

/* The cells of a line.  leading: the table's lines begin with "|". */
static void
read_cells(TextRow *row, StringInfo buf, const char *line, const char *end, bool leading)
{
	const char *start = line + (leading && *line == '|');

	if (leading && end > start && end[-1] == '|' && (end - 1 == start || end[-2] != '\\'))
		end--;
	for (const char *c = start; c <= end; c++)
	{
		if (c < end && *c == '\\' && c + 1 < end)
			c++;
		else if (c == end || *c == '|')
		{
			row_add(row, read_cell(buf, start, c));
			start = c + 1;
		}
	}
}

/* A line without "|" that names what follows: # Customer, **Customer**, Customer: */
static char *
read_heading(const char *line, const char *end)
{
	if (*line == '#')
	{
		while (line < end && *line == '#')
			line++;
		while (end > line && end[-1] == '#')
			end--;
		return unmarked(line + strspn(line, " \t"), trimmed_end(line, end));
	}
	if (end - line > 4 && strncmp(line, "**", 2) == 0 && strncmp(end - 2, "**", 2) == 0)
		return unmarked(line, end);
	if (end - line < 64 && end[-1] == ':')
		return sheet_trim(line, end - 1);
	return NULL;
}

/* Is it what psql prints below a table? */
static bool
is_row_count(const char *line, const char *end)
{
	const char *c = line + (*line == '(');

	if (c == line || c + strspn(c, "0123456789") == c)
		return false;
	c += strspn(c, "0123456789");
	return end - c >= 5 && strncmp(c, " row", 4) == 0;
}

/*
 * The rows of the tables, at most so many, as a list of TextRow *.
 * import: gets told which lines are no part of a table; NULL: a trial.
 */
List *
pipes_rows(Import *import, const char *text, int most)
{
	List *rows = NIL;
	StringInfoData buf;
	bool leading = true;
	bool in_table = false;
	bool blank = false;
	int other = 0;
	int first_other = 0;

	initStringInfo(&buf);
	for (int number = 1; *text != '\0' && list_length(rows) < most; number++)
	{
		const char *next = text + strcspn(text, "\n");
		const char *line = text + strspn(text, " \t\r");
		const char *end = line < next ? trimmed_end(line, next) : line;
		bool piped = line < end && memchr(line, '|', end - line) != NULL;
		char *heading;
		TextRow *row;

		text = next + (*next == '\n');
		CHECK_FOR_INTERRUPTS();
		if (line >= end || is_rule(line, end) || is_row_count(line, end))
		{
			blank |= line >= end;
			in_table &= line < end;
			continue;
		}
		heading = piped ? NULL : read_heading(line, end);
		if (!piped && heading == NULL)
		{
			first_other = other++ == 0 ? number : first_other;
			continue;
		}
		row = palloc0(sizeof(TextRow));
		row->line = number;
		row->heading = !piped;
		row->after_blank = blank;
		blank = false;
		if (piped)
		{
			if (!in_table)
				leading = *line == '|';
			read_cells(row, &buf, line, end, leading);
		}
		else
			row_add(row, heading);
		in_table = piped;
		if (row->filled > 0)
			rows = lappend(rows, row);
	}
	if (other > 0 && import != NULL)
		finding_add(&import->changes, first_other, NULL,
					other == 1
						? pstrdup("this line is no part of a table, and is not imported")
						: psprintf("this line and %d more are no part of a table, and are not imported",
								   other - 1));
	return rows;
}
