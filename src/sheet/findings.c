/*
 * findings.c
 *		Findings of an import: problems and changes, each with its line and its
 *		field, and the rows in which import_sheet() returns them.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "ctype.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "sheet.h"

/* The text in lower case, by the database's collation. */
char *
sheet_fold(const char *string)
{
	return str_tolower(string, strlen(string), DEFAULT_COLLATION_OID);
}

/* Bytes of a no-break space, which office programs put around names, or 0. */
static int
no_break_space(const char *text, const char *end)
{
	return end - text >= 2 && memcmp(text, "\xc2\xa0", 2) == 0 && GetDatabaseEncoding() == PG_UTF8
			   ? 2
			   : 0;
}

/* A copy of the text from start to end, without white space around it. */
char *
sheet_trim(const char *start, const char *end)
{
	while (start < end && (isspace((unsigned char) *start) || no_break_space(start, end) > 0))
		start += isspace((unsigned char) *start) ? 1 : 2;
	while (end > start && (isspace((unsigned char) end[-1]) ||
						   (end - start >= 2 && no_break_space(end - 2, end) > 0)))
		end -= isspace((unsigned char) end[-1]) ? 1 : 2;
	return pnstrdup(start, end - start);
}

/* NULL is blank, too. */
bool
sheet_is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

/* A copy of a header: without white space around it, and with one blank for white space in it. */
char *
sheet_trimmed(const char *text)
{
	char *copy = sheet_trim(text, text + strlen(text));
	char *to = copy;

	for (const char *c = copy; *c != '\0'; c++)
		if (!isspace((unsigned char) *c) || !isspace((unsigned char) c[1]))
			*to++ = isspace((unsigned char) *c) ? ' ' : *c;
	*to = '\0';
	return copy;
}

/* A finding of a line (0: of no line) and of a field (NULL: of no single field). */
Finding *
finding_new(int line, const char *field, char *text)
{
	static int found = 0;
	Finding *f = palloc(sizeof(Finding));

	f->line = line;
	f->number = found++;
	f->field = field == NULL ? NULL : pstrdup(field);
	f->text = text;
	return f;
}

/* entity.field of a row, or the one of both that is not blank; NULL if both are blank. */
char *
finding_record_field(const Record *r)
{
	char *entity = sheet_cell(&r->row, SHEET_ENTITY);
	char *field = sheet_cell(&r->row, SHEET_FIELD);

	if (entity == NULL || field == NULL)
		return entity != NULL ? entity : field;
	return psprintf("%s.%s", entity, field);
}

/* Adds a finding of a line (0: of no line) and of a field (NULL: of no single field). */
void
finding_add(List **findings, int line, const char *field, char *text)
{
	*findings = lappend(*findings, finding_new(line, field, text));
}

/* Adds a problem of a row, which is then not stored. */
void
finding_add_problem(Import *import, Record *r, char *text)
{
	finding_add(&import->problems, r->line, finding_record_field(r), text);
	r->faulty = true;
}

/* Adds a problem of a cell of a row. */
void
finding_add_cell_problem(Import *import, Record *r, SheetCell cell, char *text)
{
	const char *header = import->headers[cell] != NULL ? import->headers[cell] : sheet_headers[cell];

	finding_add_problem(import, r, psprintf("%s: %s", header, text));
}

/* The text of a problem that is an error: its message, detail and hint. */
char *
finding_error_text(const ErrorData *error)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, error->message);
	if (error->detail != NULL)
		appendStringInfo(&buf, ". %s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&buf, "%s %s", error->detail != NULL ? "" : ".", error->hint);
	return buf.data;
}

/* For list_sort(): by line, then in the order in which they were found. */
int
finding_by_line(const ListCell *a, const ListCell *b)
{
	const Finding *one = lfirst(a);
	const Finding *other = lfirst(b);

	return one->line != other->line ? one->line - other->line : one->number - other->number;
}

/* Returns findings as rows (line, field, change, problem): problems or changes. */
void
finding_return(ReturnSetInfo *rsinfo, List *findings, bool problems)
{
	ListCell *lc;

	foreach(lc, findings)
	{
		Finding *f = lfirst(lc);
		Datum values[4] = {Int32GetDatum(f->line), 0, 0, 0};
		bool nulls[4] = {f->line == 0, f->field == NULL, problems, !problems};

		if (f->field != NULL)
			values[1] = CStringGetTextDatum(f->field);
		values[problems ? 3 : 2] = CStringGetTextDatum(f->text);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		for (int i = 1; i < 4; i++)
			if (!nulls[i])
				pfree(DatumGetPointer(values[i]));
	}
}
