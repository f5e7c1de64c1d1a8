/*
 * header.c
 *		The headers of a spreadsheet: which column of the file means which column of
 *		the sheet.
 */
#include "postgres.h"

#include "ctype.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "sheet.h"

/* Header of what a worksheet tells the reader; see header_read(). */
#define SUGGESTION "suggestion"

/*
 * Headers that mean a column of the sheet, as normal_header() returns them.  A weak
 * one does so where no other header means that column; the first in this list
 * counts.
 */
static const struct
{
	const char *name;
	int meaning; /* a SheetCell, or a meaning that sheet.h adds */
	bool weak;
} headers[] = {
	{"entity", SHEET_ENTITY, false},
	{"entity name", SHEET_ENTITY, false},
	{"entity type", SHEET_ENTITY, false},
	{"business entity", SHEET_ENTITY, false},
	{"data entity", SHEET_ENTITY, false},
	{"business object", SHEET_ENTITY, false},
	{"data object", SHEET_ENTITY, false},
	{"object", SHEET_ENTITY, false},
	{"object name", SHEET_ENTITY, false},
	{"object type", SHEET_ENTITY, false},
	{"record type", SHEET_ENTITY, false},
	{"table", HEADER_TABLE, false},
	{"table name", HEADER_TABLE, false},
	{"field", SHEET_FIELD, false},
	{"fields", SHEET_FIELD, false},
	{"field name", SHEET_FIELD, false},
	{"field names", SHEET_FIELD, false},
	{"data field", SHEET_FIELD, false},
	{"data fields", SHEET_FIELD, false},
	{"data element", SHEET_FIELD, false},
	{"data elements", SHEET_FIELD, false},
	{"data point", SHEET_FIELD, false},
	{"data points", SHEET_FIELD, false},
	{"attribute", SHEET_FIELD, true},
	{"attributes", SHEET_FIELD, true},
	{"attribute name", SHEET_FIELD, true},
	{"data attribute", SHEET_FIELD, true},
	{"column", SHEET_FIELD, true},
	{"column name", SHEET_FIELD, true},
	{"columns", SHEET_FIELD, true},
	{"data item", SHEET_FIELD, true},
	{"data", SHEET_FIELD, true},
	{"information", SHEET_FIELD, true},
	{"property", SHEET_FIELD, true},
	{"element", SHEET_FIELD, true},
	{"domain", SHEET_DOMAIN, false},
	{"data domain", SHEET_DOMAIN, false},
	{"owner", SHEET_OWNER, false},
	{"owned by", SHEET_OWNER, false},
	{"owner system", SHEET_OWNER, false},
	{"owning system", SHEET_OWNER, false},
	{"system of record", SHEET_OWNER, false},
	{"record system", SHEET_OWNER, false},
	{"sor", SHEET_OWNER, false},
	{"source of truth", SHEET_OWNER, false},
	{"sot", SHEET_OWNER, false},
	{"single source of truth", SHEET_OWNER, false},
	{"ssot", SHEET_OWNER, false},
	{"source system", SHEET_OWNER, false},
	{"master", SHEET_OWNER, false},
	{"master system", SHEET_OWNER, false},
	{"mastered in", SHEET_OWNER, false},
	{"mastered by", SHEET_OWNER, false},
	{"leading system", SHEET_OWNER, false},
	{"lead system", SHEET_OWNER, false},
	{"primary system", SHEET_OWNER, false},
	{"golden source", SHEET_OWNER, false},
	{"golden record", SHEET_OWNER, false},
	{"authoritative source", SHEET_OWNER, false},
	{"authoritative system", SHEET_OWNER, false},
	{"system", SHEET_OWNER, true},
	{"source", SHEET_OWNER, true},
	{"reader", SHEET_READERS, false},
	{"readers", SHEET_READERS, false},
	{"read by", SHEET_READERS, false},
	{"reading systems", SHEET_READERS, false},
	{"consumer", SHEET_READERS, false},
	{"consumers", SHEET_READERS, false},
	{"consumed by", SHEET_READERS, false},
	{"consuming system", SHEET_READERS, false},
	{"consuming systems", SHEET_READERS, false},
	{"receiving system", SHEET_READERS, false},
	{"receiving systems", SHEET_READERS, false},
	{"target system", SHEET_READERS, false},
	{"target systems", SHEET_READERS, false},
	{"downstream system", SHEET_READERS, false},
	{"downstream systems", SHEET_READERS, false},
	{"downstream", SHEET_READERS, false},
	{"used by", SHEET_READERS, false},
	{"subscriber", SHEET_READERS, false},
	{"subscribers", SHEET_READERS, false},
	{"flows to", SHEET_READERS, false},
	{"flow to", SHEET_READERS, false},
	{"sent to", SHEET_READERS, false},
	{"synced to", SHEET_READERS, false},
	{"published to", SHEET_READERS, false},
	{"target", SHEET_READERS, true},
	{"targets", SHEET_READERS, true},
	{"destination", SHEET_READERS, true},
	{"destinations", SHEET_READERS, true},
	{"writer", SHEET_WRITERS, false},
	{"writers", SHEET_WRITERS, false},
	{"written by", SHEET_WRITERS, false},
	{"writing systems", SHEET_WRITERS, false},
	{"other writers", SHEET_WRITERS, false},
	{"also written by", SHEET_WRITERS, false},
	{"current writers", SHEET_WRITERS, false},
	{"written today by", SHEET_WRITERS, false},
	{"columns", SHEET_COLUMNS, false},
	{"copies", SHEET_COLUMNS, false},
	{"column", SHEET_COLUMNS, false},
	{"column name", SHEET_COLUMNS, false},
	{"database column", SHEET_COLUMNS, false},
	{"database columns", SHEET_COLUMNS, false},
	{"mirrored columns", SHEET_COLUMNS, false},
	{"stored in", SHEET_COLUMNS, false},
	{"policy", SHEET_POLICY, false},
	{"conflict policy", SHEET_POLICY, false},
	{"key", SHEET_KEY, false},
	{"is key", SHEET_KEY, false},
	{"key field", SHEET_KEY, false},
	{"local", SHEET_LOCAL, false},
	{"is local", SHEET_LOCAL, false},
	{"rationale", SHEET_RATIONALE, false},
	{"reason", SHEET_RATIONALE, true},
	{"reasoning", SHEET_RATIONALE, false},
	{"justification", SHEET_RATIONALE, false},
	{"explanation", SHEET_RATIONALE, false},
	{"why", SHEET_RATIONALE, false},
	{"decided by", SHEET_DECIDED_BY, false},
	{"decision by", SHEET_DECIDED_BY, false},
	{"approved by", SHEET_DECIDED_BY, false},
	{"agreed by", SHEET_DECIDED_BY, false},
	{"decided on", SHEET_DECIDED_ON, false},
	{"decided at", SHEET_DECIDED_ON, false},
	{"decision date", SHEET_DECIDED_ON, false},
	{"approved on", SHEET_DECIDED_ON, false},
	{"agreed on", SHEET_DECIDED_ON, false},
	{"label", SHEET_LABEL, false},
	{"field label", SHEET_LABEL, false},
	{"display name", SHEET_LABEL, false},
	{"display label", SHEET_LABEL, false},
	{"business name", SHEET_LABEL, false},
	{SUGGESTION, HEADER_TOLD, false},
	{"seen readers", HEADER_TOLD, false},
	{"seen writers", HEADER_TOLD, false},
	{"samples", HEADER_TOLD, false},
};

/* A header is no longer than this. */
#define MAX_HEADER 100

/* The header in the form of the list: words in lower case, without text in parentheses. */
static char *
normal_header(const char *text)
{
	StringInfoData buf;
	int depth = 0;

	initStringInfo(&buf);
	if (strlen(text) > MAX_HEADER)
		return buf.data;
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

/* Does the normal header mean that, strongly or weakly? */
static bool
means(const char *name, int meaning, bool weak)
{
	for (int i = 0; i < (int) lengthof(headers); i++)
		if (headers[i].meaning == meaning && headers[i].weak == weak &&
			strcmp(headers[i].name, name) == 0)
			return true;
	return false;
}

static bool
is_known(const char *name)
{
	for (int i = 0; i < (int) lengthof(headers); i++)
		if (strcmp(headers[i].name, name) == 0)
			return true;
	return false;
}

/*
 * What a row is worth as the row of the headers: how many known ones it has; 0: it
 * is none.  It needs a field, or an entity and an owner.
 */
int
header_score(const TextRow *row)
{
	bool meant[HEADER_MEANINGS] = {false};
	bool weak_field = false;
	int n = 0;

	for (int i = 0; i < Min(row->ncells, MAX_CELLS) && !row->heading; i++)
	{
		char *name = sheet_is_blank(row->cells[i]) ? NULL : normal_header(row->cells[i]);

		if (name == NULL || !is_known(name))
			continue;
		n++;
		for (int m = 0; m < HEADER_MEANINGS; m++)
			meant[m] |= means(name, m, false);
		weak_field |= means(name, SHEET_FIELD, true);
	}
	if (meant[SHEET_FIELD] || (weak_field && n > 1) ||
		((meant[SHEET_ENTITY] || meant[HEADER_TABLE]) && meant[SHEET_OWNER]))
		return n;
	return 0;
}

/* Is a row below the headers the headers again?  All of its cells are known ones, or the same. */
bool
header_is_again(const TextRow *row, const TextRow *header)
{
	if (row->heading || row->filled < 2)
		return false;
	for (int i = 0; i < Min(row->ncells, MAX_CELLS); i++)
	{
		const char *cell = row->cells[i];
		char *name;
		bool known;

		if (sheet_is_blank(cell) || (i < Min(header->ncells, MAX_CELLS) && header->cells[i] != NULL &&
									 strcmp(cell, header->cells[i]) == 0))
			continue;
		/* of each row below the headers */
		name = normal_header(cell);
		known = is_known(name);
		pfree(name);
		if (!known)
			return false;
	}
	return header_score(row) > 1;
}

/* Tells of a header that no column of the sheet is meant by. */
static void
tell_unknown(Import *import, int line, const char *header, const char *name)
{
	List *known = NIL;
	char *nearest;

	for (int i = 0; i < (int) lengthof(headers); i++)
		if (headers[i].meaning < SHEET_CELLS)
			known = lappend(known, unconstify(char *, headers[i].name));
	nearest = names_nearest(name, known);
	finding_add(&import->changes, line, NULL,
				is_known(name)
					? psprintf("column \"%s\" is not imported: another column has that meaning",
							   header)
				: nearest != NULL
					? psprintf("column \"%s\" is not imported: the header is not known; perhaps \"%s\" is meant",
							   header, nearest)
					: psprintf("column \"%s\" is not imported: no known header is like it", header));
	list_free(known);
}

/* Sets the place of a meaning to the first column whose header has it; more than one is a problem. */
static void
place_strong(Import *import, const TextRow *row, char **names, int meaning)
{
	int *place = &import->places[meaning];

	for (int i = 0; i < import->width; i++)
	{
		if (names[i] == NULL || !means(names[i], meaning, false))
			continue;
		if (*place < 0)
			*place = i;
		else if (meaning < SHEET_CELLS)
			finding_add(&import->problems, row->line, NULL,
						psprintf("columns \"%s\" and \"%s\" both mean %s",
								 sheet_trimmed(row->cells[*place]), sheet_trimmed(row->cells[i]),
								 sheet_headers[meaning]));
	}
}

/* The same by weak headers, the first in the list that the file has. */
static void
place_weak(Import *import, char **names, int meaning)
{
	for (int h = 0; h < (int) lengthof(headers) && import->places[meaning] < 0; h++)
	{
		if (headers[h].meaning != meaning || !headers[h].weak)
			continue;
		for (int i = 0; i < import->width; i++)
			if (import->places[meaning] < 0 && names[i] != NULL &&
				strcmp(names[i], headers[h].name) == 0)
				import->places[meaning] = i;
	}
}

static bool
is_placed(const Import *import, int column)
{
	for (int m = 0; m < HEADER_MEANINGS; m++)
		if (import->places[m] == column)
			return true;
	return false;
}

/* Does a problem say already that two headers mean the same as this one? */
static bool
is_problem(const Import *import, const char *name)
{
	for (int m = 0; m < SHEET_CELLS; m++)
		if (import->places[m] >= 0 && means(name, m, false))
			return true;
	return false;
}

/* Reads the row of the headers: import->places by meaning, and width. */
void
header_read(Import *import, const TextRow *row)
{
	char **names;
	import->header = row;
	import->width = Min(row->ncells, MAX_CELLS);
	names = palloc0((import->width + 1) * sizeof(char *));
	for (int i = 0; i < import->width; i++)
		if (!sheet_is_blank(row->cells[i]))
			names[i] = normal_header(row->cells[i]);
	for (int m = 0; m < HEADER_MEANINGS; m++)
		import->places[m] = -1;
	place_strong(import, row, names, SHEET_FIELD);
	place_weak(import, names, SHEET_FIELD);
	/* a header that means the field, as "column" may, means nothing else */
	if (import->places[SHEET_FIELD] >= 0)
		names[import->places[SHEET_FIELD]] = NULL;
	for (int m = 0; m < HEADER_MEANINGS; m++)
		if (m != SHEET_FIELD)
			place_strong(import, row, names, m);
	if (import->places[SHEET_ENTITY] < 0)
	{
		import->places[SHEET_ENTITY] = import->places[HEADER_TABLE];
		import->places[HEADER_TABLE] = -1;
	}
	/* a table without columns says nothing more than the entity does */
	if (import->places[SHEET_COLUMNS] < 0)
		import->places[HEADER_TABLE] = -1;
	/* the reason in a worksheet is the one of the suggestion */
	for (int m = 0; m < SHEET_CELLS; m++)
		if (m != SHEET_RATIONALE || import->places[HEADER_TOLD] < 0)
			place_weak(import, names, m);

	for (int i = 0; i < import->width; i++)
	{
		if (names[i] == NULL || is_placed(import, i) || means(names[i], HEADER_TOLD, false) ||
			(import->places[HEADER_TOLD] >= 0 && strcmp(names[i], "reason") == 0))
			continue;
		if (!is_problem(import, names[i]))
			tell_unknown(import, row->line, sheet_trimmed(row->cells[i]), names[i]);
	}
	for (int m = 0; m < SHEET_CELLS; m++)
	{
		if (import->places[m] < 0)
			continue;
		import->given[m] = true;
		import->headers[m] = sheet_trimmed(row->cells[import->places[m]]);
	}
	if (import->places[SHEET_FIELD] < 0 &&
		(import->places[SHEET_ENTITY] < 0 || import->places[SHEET_OWNER] < 0))
		finding_add(&import->problems, row->line, NULL,
					pstrdup(
						"no column has the header \"field\"; a separate column for the entity has the header \"entity\""));
}
