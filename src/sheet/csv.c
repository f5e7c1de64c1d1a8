/*
 * csv.c
 *		Text with separators becomes rows of cells.
 *
 * Cells may be quoted, as RFC 4180 has it; what spreadsheet programs and people
 * make of it is taken, too: any line ends, also mixed and none at the end; blanks
 * around quotes; a quotation mark in the middle of a cell.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "sheet.h"

/* A text, and how far it was read. */
typedef struct Csv
{
	const char *next;
	int line;
	char delimiter;
	char stops[4];		/* the delimiter and the line ends */
	int unclosed;		/* quotation marks without an end so far */
	StringInfoData buf; /* the cell that is being read */
	Import *import;		/* NULL: the text is only tried */
} Csv;

/* The number of line ends between two places. */
static int
count_lines(const char *from, const char *to)
{
	int n = 0;

	for (; from < to; from++)
		n += *from == '\n' || (*from == '\r' && from[1] != '\n');
	return n;
}

/* Adds a cell to a row; cells beyond MAX_CELLS are only counted. */
void
row_add(TextRow *row, char *cell)
{
	if (row->ncells < MAX_CELLS)
	{
		if (row->ncells == 0)
			row->cells = palloc(8 * sizeof(char *));
		else if (row->ncells >= 8 && (row->ncells & (row->ncells - 1)) == 0)
			row->cells = repalloc(row->cells, 2 * row->ncells * sizeof(char *));
		row->cells[row->ncells] = cell;
	}
	row->ncells++;
	if (!sheet_is_blank(cell))
	{
		row->filled++;
		row->last_filled = row->ncells;
	}
}

/* Reads a quoted cell into the buffer; false, and nothing is read, if the quotation mark has no end. */
static bool
read_quoted(Csv *c)
{
	const char *start = c->next + 1;
	const char *quote;

	for (;;)
	{
		quote = strchr(start, '"');
		if (quote == NULL)
			return false;
		appendBinaryStringInfo(&c->buf, start, quote - start);
		if (quote[1] != '"')
			break;
		appendStringInfoChar(&c->buf, '"');
		start = quote + 2;
	}
	c->line += count_lines(c->next, quote);
	c->next = quote + 1;
	return true;
}

/* Reads a cell, and stops before the delimiter or the line end behind it. */
static char *
read_cell(Csv *c, int number)
{
	const char *start = c->next;
	size_t n;

	resetStringInfo(&c->buf);
	while (*start == ' ' || (*start == '\t' && c->delimiter != '\t'))
		start++;
	if (*start == '"')
	{
		c->next = start;
		if (read_quoted(c))
		{
			n = strcspn(c->next, c->stops);
			if (strspn(c->next, " \t") < n)
				appendBinaryStringInfo(&c->buf, c->next, n);
			c->next += n;
			return pnstrdup(c->buf.data, c->buf.len);
		}
		resetStringInfo(&c->buf);
		c->unclosed++;
		if (c->import != NULL)
			finding_add(&c->import->problems, c->line, NULL,
						psprintf("the quotation mark at the beginning of cell %d is not closed%s",
								 number, c->unclosed > 1 ? "; what follows is not read" : ""));
		if (c->unclosed > 1)
		{
			/* reading on could look for the end of each quotation mark in all of the text */
			c->next += strlen(c->next);
			return NULL;
		}
	}
	n = strcspn(c->next, c->stops);
	start = c->next;
	c->next += n;
	return n == 0 ? NULL : pnstrdup(start, n);
}

static TextRow *
read_row(Csv *c)
{
	TextRow *row = palloc0(sizeof(TextRow));

	row->line = c->line;
	for (;;)
	{
		row_add(row, read_cell(c, row->ncells + 1));
		if (*c->next == '\0' || *c->next != c->delimiter)
			break;
		c->next++;
		if (row->ncells % 10000 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (c->next[0] == '\r' && c->next[1] == '\n')
		c->next++;
	if (*c->next != '\0')
	{
		c->next++;
		c->line++;
	}
	return row;
}

/*
 * The rows of a text that are not blank, at most so many, as a list of TextRow *.
 * import: gets the problems; NULL: none are added.
 */
List *
csv_rows(Import *import, const char *text, char delimiter, int most)
{
	Csv c = {text, 1, delimiter, {delimiter, '\r', '\n', '\0'}, 0, {0}, import};
	List *rows = NIL;
	bool blank = false;

	initStringInfo(&c.buf);
	while (*c.next != '\0' && list_length(rows) < most)
	{
		TextRow *row;

		CHECK_FOR_INTERRUPTS();
		if (*c.next == '\n' || *c.next == '\r')
		{
			c.line += *c.next == '\n' || c.next[1] != '\n';
			c.next++;
			blank = true;
			continue;
		}
		row = read_row(&c);
		if (row->filled > 0)
		{
			row->after_blank = blank;
			rows = lappend(rows, row);
			blank = false;
			continue;
		}
		blank = true;
		if (row->cells != NULL)
			pfree(row->cells);
		pfree(row);
	}
	pfree(c.buf.data);
	return rows;
}
