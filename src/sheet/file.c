/*
 * file.c
 *		The text of a spreadsheet: the import finds the header and reads the
 *		rows.
 *
 * PostgreSQL's COPY parses the text.  It receives the text one line at a time,
 * so that the number of lines that it has received gives the line on which the
 * next row begins, whatever the cells contain.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/copy.h"
#include "ctype.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"

#include "../catalog/catalog.h"
#include "sheet.h"

/* Headers that mean a column of the sheet, as normal_header() returns them. */
static const struct
{
	const char *name;
	SheetCell cell;
} synonyms[] = {
	{"entity", SHEET_ENTITY},
	{"business object", SHEET_ENTITY},
	{"data object", SHEET_ENTITY},
	{"object", SHEET_ENTITY},
	{"field", SHEET_FIELD},
	{"field name", SHEET_FIELD},
	{"data field", SHEET_FIELD},
	{"data element", SHEET_FIELD},
	{"data point", SHEET_FIELD},
	{"attribute", SHEET_FIELD},
	{"domain", SHEET_DOMAIN},
	{"data domain", SHEET_DOMAIN},
	{"owner", SHEET_OWNER},
	{"owned by", SHEET_OWNER},
	{"owner system", SHEET_OWNER},
	{"owning system", SHEET_OWNER},
	{"system of record", SHEET_OWNER},
	{"sor", SHEET_OWNER},
	{"source of truth", SHEET_OWNER},
	{"single source of truth", SHEET_OWNER},
	{"ssot", SHEET_OWNER},
	{"source system", SHEET_OWNER},
	{"master", SHEET_OWNER},
	{"master system", SHEET_OWNER},
	{"leading system", SHEET_OWNER},
	{"golden source", SHEET_OWNER},
	{"authoritative source", SHEET_OWNER},
	{"reader", SHEET_READERS},
	{"readers", SHEET_READERS},
	{"read by", SHEET_READERS},
	{"consumer", SHEET_READERS},
	{"consumers", SHEET_READERS},
	{"consumed by", SHEET_READERS},
	{"consuming system", SHEET_READERS},
	{"consuming systems", SHEET_READERS},
	{"target systems", SHEET_READERS},
	{"downstream systems", SHEET_READERS},
	{"used by", SHEET_READERS},
	{"subscribers", SHEET_READERS},
	{"writer", SHEET_WRITERS},
	{"writers", SHEET_WRITERS},
	{"written by", SHEET_WRITERS},
	{"other writers", SHEET_WRITERS},
	{"also written by", SHEET_WRITERS},
	{"column", SHEET_COLUMNS},
	{"columns", SHEET_COLUMNS},
	{"copies", SHEET_COLUMNS},
	{"database columns", SHEET_COLUMNS},
	{"mirrored columns", SHEET_COLUMNS},
	{"stored in", SHEET_COLUMNS},
	{"policy", SHEET_POLICY},
	{"key", SHEET_KEY},
	{"is key", SHEET_KEY},
	{"key field", SHEET_KEY},
	{"local", SHEET_LOCAL},
	{"is local", SHEET_LOCAL},
	{"rationale", SHEET_RATIONALE},
	{"reason", SHEET_RATIONALE},
	{"justification", SHEET_RATIONALE},
	{"why", SHEET_RATIONALE},
	{"decided by", SHEET_DECIDED_BY},
	{"decision by", SHEET_DECIDED_BY},
	{"approved by", SHEET_DECIDED_BY},
	{"decided on", SHEET_DECIDED_ON},
	{"decided at", SHEET_DECIDED_ON},
	{"decision date", SHEET_DECIDED_ON},
	{"approved on", SHEET_DECIDED_ON},
	{"label", SHEET_LABEL},
	{"field label", SHEET_LABEL},
	{"display name", SHEET_LABEL},
	{"display label", SHEET_LABEL},
	{"business name", SHEET_LABEL},
};

/* The text that read_source() returns: COPY's callback has no argument of its own. */
Source sheet_source;

/* COPY's callback: returns one line, or a part of a line that is longer than COPY's buffer. */
static int
read_source(void *out, int minread, int maxread)
{
	const char *newline;
	int n;

	(void) minread;
	n = Min(sheet_source.end - sheet_source.next, maxread);
	newline = memchr(sheet_source.next, '\n', n);
	if (newline != NULL)
		n = newline + 1 - sheet_source.next;
	memcpy(out, sheet_source.next, n);
	sheet_source.next += n;
	if (newline != NULL || (n > 0 && sheet_source.next == sheet_source.end))
		sheet_source.lines++;
	return n;
}

/* The header in the form of synonyms: words in lower case, without text in parentheses. */
static char *
normal_header(const char *text)
{
	StringInfoData buf;
	int depth = 0;

	initStringInfo(&buf);
	for (const char *c = sheet_fold(text); *c != '\0'; c++)
	{
		bool letter = isalnum((unsigned char) *c) || (unsigned char) *c >= 128;

		depth += *c == '(';
		if (depth == 0 && letter)
			appendStringInfoChar(&buf, *c);
		else if (buf.len > 0 && buf.data[buf.len - 1] != ' ')
			appendStringInfoChar(&buf, ' ');
		depth -= *c == ')' && depth > 0;
	}
	while (buf.len > 0 && buf.data[buf.len - 1] == ' ')
		buf.data[--buf.len] = '\0';
	return buf.data;
}

/* The cell that a header means, or -1. */
static int
header_cell(const char *text)
{
	char *name = normal_header(text);

	for (int i = 0; i < (int) lengthof(synonyms); i++)
	{
		if (strcmp(name, synonyms[i].name) == 0)
			return synonyms[i].cell;
	}
	return -1;
}

/* The number of known headers in a line; zero if none of them means the field. */
static int
count_headers(const char *line, const char *end, char delimiter)
{
	bool any_field = false;
	bool quoted = false;
	int n = 0;

	for (const char *c = line; c <= end; c++)
	{
		int cell;

		if (c < end && *c == '"')
			quoted = !quoted;
		if (c < end && (*c != delimiter || quoted))
			continue;
		cell = header_cell(pnstrdup(line, c - line));
		n += cell >= 0;
		any_field |= cell == SHEET_FIELD;
		line = c + 1;
	}
	return any_field ? n : 0;
}

/* The header is searched for in so many lines: there may be a title above it. */
#define MAX_TITLE_LINES 20

/*
 * Finds the line with the headers, and the character that separates them.  If
 * no line has headers, header_line becomes 0: the first line that is not blank
 * counts as the header.
 */
void
file_find_header(Import *import, const char *text)
{
	static const char delimiters[] = {',', ';', '\t'};
	int line = 1;

	import->header_line = 0;
	import->delimiter = ',';
	while (*text != '\0' && line <= MAX_TITLE_LINES)
	{
		const char *end = text;
		bool quoted = false;
		int most = 0;
		int next = line + 1;

		/* a quoted header may contain line breaks */
		for (; *end != '\0' && (quoted || *end != '\n'); end++)
		{
			quoted ^= *end == '"';
			next += *end == '\n';
		}
		for (int d = 0; d < (int) lengthof(delimiters); d++)
		{
			int n = count_headers(text, end, delimiters[d]);

			if (n <= most)
				continue;
			most = n;
			import->delimiter = delimiters[d];
			import->header_line = line;
		}
		if (most > 0)
			return;
		text = end + (*end == '\n');
		line = next;
	}
}

/* Sets places, by SheetCell, to the file's columns, counted from 0; -1 (as before): no column. */
static void
read_header(Import *import, int line, char **fields, int nfields, int *places)
{
	for (int i = 0; i < nfields; i++)
	{
		int cell = sheet_is_blank(fields[i]) ? -1 : header_cell(fields[i]);

		if (cell >= 0)
		{
			if (places[cell] >= 0)
				import->problems =
					lappend(import->problems,
							finding_new(line, NULL,
										psprintf("columns \"%s\" and \"%s\" both mean %s",
												 sheet_trim(fields[places[cell]],
															fields[places[cell]] +
																strlen(fields[places[cell]])),
												 sheet_trim(fields[i], fields[i] + strlen(fields[i])),
												 sheet_headers[cell])));
			else
				places[cell] = i;
		}
	}
	for (int i = 0; i < SHEET_CELLS; i++)
		import->given[i] = places[i] >= 0;
	if (!import->given[SHEET_FIELD])
		import->problems =
			lappend(import->problems,
					finding_new(line, NULL,
								psprintf(
									"no column has the header \"field\"; a separate column for the entity has the header \"entity\"")));
}

/*
 * Adds a row of the file to the records, unless it is blank.  width is the
 * number of columns of the header.
 */
static void
read_record(Import *import, int line, char **fields, int nfields, const int *places, int width)
{
	Record *r;
	bool blank = true;

	for (int i = 0; i < nfields; i++)
		blank &= sheet_is_blank(fields[i]);
	if (blank || !import->given[SHEET_FIELD])
		return;
	r = palloc0(sizeof(Record));
	r->line = line;
	for (int i = 0; i < SHEET_CELLS; i++)
	{
		if (places[i] >= 0 && places[i] < nfields && fields[places[i]] != NULL)
			r->row.cells[i] = pstrdup(fields[places[i]]);
	}
	import->records = lappend(import->records, r);
	for (int i = width; i < nfields; i++)
	{
		if (!sheet_is_blank(fields[i]))
		{
			finding_add_problem(import, r,
								psprintf("%d cells, but the header has %d; a cell that contains the separator needs quotes",
										 nfields, width));
			return;
		}
	}
}

/*
 * Reads sheet_source into the records of an Import.  Returns true, so that
 * subxact_trial() keeps what was done.
 *
 * Errors: COPY's, when the text is no CSV.
 */
bool
file_read_records(void *arg)
{
	Import *import = arg;
	Relation rel = table_open(catalog_table("field", false), AccessShareLock);
	List *options =
		list_make3(makeDefElem("format", (Node *) makeString("csv"), -1),
				   makeDefElem("delimiter", (Node *) makeString(psprintf("%c", import->delimiter)),
							   -1),
				   makeDefElem("encoding", (Node *) makeString(pstrdup(GetDatabaseEncodingName())),
							   -1));
	/* COPY needs some table; only the raw fields are read, so any table will do */
	CopyFromState copy = BeginCopyFrom(NULL, rel, NULL, NULL, false, read_source, NIL, options);
	int places[SHEET_CELLS];
	int width = 0;
	char **fields;
	int nfields;

	for (int i = 0; i < SHEET_CELLS; i++)
		places[i] = -1;
	import->line = 1;
	while (NextCopyFromRawFields(copy, &fields, &nfields))
	{
		if (width > 0)
			read_record(import, import->line, fields, nfields, places, width);
		else if (import->line >= import->header_line)
		{
			for (int i = 0; i < nfields; i++)
				if (!sheet_is_blank(fields[i]))
					width = nfields;
			if (width > 0)
				read_header(import, import->line, fields, nfields, places);
		}
		import->line = sheet_source.lines + 1;
		CHECK_FOR_INTERRUPTS();
	}
	EndCopyFrom(copy);
	table_close(rel, AccessShareLock);
	if (sheet_source.next < sheet_source.end)
		import->problems =
			lappend(import->problems, finding_new(sheet_source.lines, NULL,
												  pstrdup("the line \"\\.\" ends the file here")));
	else if (width == 0)
		import->problems =
			lappend(import->problems, finding_new(1, NULL, pstrdup("the sheet is empty")));
	return true;
}
