/*
 * file.c
 *		The text of a spreadsheet becomes records: which form the text has, where its
 *		headers are, and what the rows below them are.
 *
 * A row is a field, an entity, or a heading that names the entity of the rows
 * below.  The last two are told by what a row leaves blank.
 */
#include "postgres.h"

#include "ctype.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "sheet.h"

/* A form that a text may have. */
typedef struct Form
{
	char delimiter; /* of cells; '<': HTML; '|': drawn, where drawn is true */
	bool drawn;
} Form;

/* The rows of the text, at most so many, if it has that form. */
static List *
form_rows(Import *import, const char *text, const Form *form, int most)
{
	if (form->delimiter == '<')
		return markup_rows(text, most);
	if (form->drawn)
		return pipes_rows(import, text, most);
	return csv_rows(import, text, form->delimiter, most);
}

/* The best score of rows as headers. */
static int
best_score(List *rows)
{
	int best = 0;
	ListCell *lc;

	foreach(lc, rows)
		best = Max(best, header_score(lfirst(lc)));
	return best;
}

/*
 * The form in which the first rows of the text have the most headers.  Where no row
 * has any, the one in which the first row has the most cells.
 */
static Form
find_form(const char *text)
{
	static const Form forms[] = {{'|', true},	{',', false}, {';', false},
								 {'\t', false}, {'|', false}, {'<', false}};
	const char *start = text + strspn(text, " \t\r\n");
	Form best = forms[1];
	int score = 0;
	int cells = 0;

	if (*start == '<')
		return (Form){'<', false};
	for (int i = 0; i < (int) lengthof(forms); i++)
	{
		List *rows;
		int n;

		if (forms[i].drawn && !pipes_are_drawn(text))
			continue;
		if (forms[i].delimiter == '<' && score > 0)
			continue;
		rows = form_rows(NULL, text, &forms[i], MAX_TITLE_ROWS);
		n = best_score(rows);
		if (n > score || (score == 0 && rows != NIL && ((TextRow *) linitial(rows))->filled > cells))
		{
			best = forms[i];
			score = n;
			cells = ((TextRow *) linitial(rows))->filled;
		}
	}
	return best;
}

/* The row with the most headers among the first ones; where none has any, the first one. */
static TextRow *
find_header(List *rows)
{
	TextRow *header = NULL;
	int best = 0;
	int looked = 0;
	ListCell *lc;

	foreach(lc, rows)
	{
		TextRow *row = lfirst(lc);
		int score = header_score(row);

		if (score > best || (header == NULL && !row->heading))
			header = row;
		best = Max(best, score);
		if (++looked == MAX_TITLE_ROWS)
			break;
	}
	return header;
}

/* The text of a cell of a row, or NULL: the row or the file has no such cell. */
static char *
text_at(const Import *import, const TextRow *row, int meaning)
{
	int place = import->places[meaning];

	return place >= 0 && place < Min(row->ncells, MAX_CELLS) ? row->cells[place] : NULL;
}

/* The name in a heading: without marks of headings before it, and a colon behind it. */
static char *
heading_name(const char *text)
{
	const char *end = text + strlen(text);

	text += strspn(text, " \t\r\n#*=-");
	while (end > text && strchr(" \t\r\n#*=-:", end[-1]) != NULL)
		end--;
	return sheet_trim(text, end);
}

static Section *
new_section(char *entity, int line, bool heading)
{
	Section *s = palloc(sizeof(Section));

	s->entity = entity;
	s->line = line;
	s->heading = heading;
	s->told = false;
	return s;
}

/* Is the text an entity of the map, and no field of the entity that rows above name? */
static bool
is_entity(const Import *import, const Section *above, const char *text)
{
	return known_is_entity(import->names, text) &&
		   (above == NULL || known_field(import->names, above->entity, text) == NULL);
}

/*
 * Is a row with one cell a heading?  The cell is that of the entity; or the file has
 * no other place for the entity, and the cell looks like a heading or is the first.
 */
static bool
is_heading(const Import *import, const TextRow *row, const Section *above)
{
	int place = row->last_filled - 1;
	const char *cell = row->cells[place];
	const char *end = cell + strlen(cell);

	if (row->filled != 1 || import->entity != NULL || import->header->filled < 2)
		return false;
	if (import->places[SHEET_ENTITY] >= 0)
		return place == import->places[SHEET_ENTITY] && import->places[SHEET_FIELD] >= 0;
	while (end > cell && isspace((unsigned char) end[-1]))
		end--;
	if (strlen(cell) >= NAMEDATALEN || strchr(cell, '.') != NULL ||
		(place != 0 && place != import->places[SHEET_FIELD]))
		return false;
	return above == NULL || !above->heading || row->after_blank ||
		   is_entity(import, above, heading_name(cell)) || place != import->places[SHEET_FIELD] ||
		   *cell == '#' || end[-1] == ':';
}

/* Does the text of a field cell mean all fields of the entity? */
static bool
means_all(const char *text)
{
	static const char *const words[] = {"*",		  "all",		"all fields",
										"all others", "everything", "all attributes",
										"(all)",	  "all other"};

	for (int i = 0; i < (int) lengthof(words); i++)
		if (pg_strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

/* Adds a problem if the row has cells beyond the headers. */
static void
check_width(Import *import, Record *r, const TextRow *row)
{
	if (row->last_filled > import->width)
		finding_add_problem(import, r,
							psprintf("%d cells, but the header has %d; a cell that contains the separator needs quotes",
									 row->ncells, import->width));
}

/* Makes a column of a cell and the table that has a cell of its own. */
static void
add_table(const Import *import, Record *r, const TextRow *row)
{
	char *table = text_at(import, row, HEADER_TABLE);
	char *column = sheet_cell(&r->row, SHEET_COLUMNS);

	if (!sheet_is_blank(table) && column != NULL && strpbrk(column, ".,;\n\"") == NULL)
		r->row.cells[SHEET_COLUMNS] =
			psprintf("%s.%s", sheet_trim(table, table + strlen(table)), quote_identifier(column));
}

/* Adds a row to the records.  *above: what names the entity of rows that do not. */
static void
read_record(Import *import, const TextRow *row, Section **above)
{
	Record *r = palloc0(sizeof(Record));
	char *entity;
	char *field;
	char *owner;

	r->line = row->line;
	for (int i = 0; i < SHEET_CELLS; i++)
	{
		r->row.cells[i] = text_at(import, row, i);
		if (import->places[i] >= 0)
			r->given |= 1u << i;
	}
	for (int i = 0; i < import->width && i < row->ncells; i++)
		if (sheet_is_blank(import->header->cells[i]) && !sheet_is_blank(row->cells[i]))
			import->unnamed[i] = true;
	entity = sheet_cell(&r->row, SHEET_ENTITY);
	field = sheet_cell(&r->row, SHEET_FIELD);
	owner = sheet_cell(&r->row, SHEET_OWNER);
	add_table(import, r, row);

	if (field != NULL && means_all(field) && owner != NULL)
	{
		r->whole = true;
		r->row.cells[SHEET_FIELD] = NULL;
	}
	else if (field == NULL && entity != NULL && owner != NULL)
		r->whole = true;
	else if (field != NULL && owner != NULL && import->entity == NULL &&
			 import->places[SHEET_ENTITY] < 0 && strchr(field, '.') == NULL &&
			 (*above == NULL || is_entity(import, *above, heading_name(field))))
	{
		/* an entity of the map; or it has no entity, so it can only be one */
		entity = heading_name(field);
		r->whole = true;
		r->guessed = !known_is_entity(import->names, entity);
		r->row.cells[SHEET_ENTITY] = entity;
		r->row.cells[SHEET_FIELD] = NULL;
		*above = r->guessed ? *above : new_section(entity, row->line, true);
	}
	r->section = entity == NULL ? *above : NULL;
	if (entity != NULL && !r->guessed && (*above == NULL || strcmp((*above)->entity, entity) != 0))
		*above = new_section(entity, row->line, false);
	import->records = lappend(import->records, r);
	check_width(import, r, row);
}

/*
 * Reads a row that is a heading: it names the entity of the rows below.  "Customer: CRM"
 * also names the owner, as a row for a whole entity does.
 */
static void
read_heading(Import *import, const TextRow *row, Section **above)
{
	const char *text = row->cells[row->last_filled - 1];
	char *name = heading_name(text);
	const char *colon = strrchr(name, ':');
	char *owner = colon == NULL ? NULL : sheet_trim(colon + 1, name + strlen(name));
	Record *r;

	if (owner != NULL && resolve_is_name(import->systems, owner))
	{
		name = sheet_trim(name, colon);
		r = palloc0(sizeof(Record));
		r->line = row->line;
		r->whole = true;
		r->given = 1u << SHEET_OWNER;
		r->row.cells[SHEET_ENTITY] = name;
		r->row.cells[SHEET_OWNER] = owner;
		import->given[SHEET_OWNER] = true;
		import->records = lappend(import->records, r);
	}
	*above = new_section(name, row->line, import->places[SHEET_ENTITY] < 0);
}

/* Tells of cells that are not imported because their column has no header. */
static void
tell_unnamed(Import *import)
{
	for (int i = 0; i < MAX_CELLS; i++)
		if (import->unnamed[i])
			finding_add(&import->changes, import->header->line, NULL,
						psprintf("column %d is not imported: it has no header", i + 1));
}

/*
 * Where nothing names the entity of any field, a column "Domain" does: those who speak
 * of data domains have Customer and Product there.
 */
static void
take_domain(Import *import, List *rows)
{
	ListCell *lc;

	if (import->entity != NULL || import->places[SHEET_ENTITY] >= 0 ||
		import->places[SHEET_DOMAIN] < 0 || import->places[SHEET_FIELD] < 0)
		return;
	foreach(lc, rows)
	{
		const TextRow *row = lfirst(lc);
		const char *field = text_at(import, row, SHEET_FIELD);

		if (row->heading || (field != NULL && strchr(field, '.') != NULL))
			return;
	}
	finding_add(&import->changes, import->header->line, NULL,
				psprintf("column \"%s\" is the entity: no other column names it",
						 import->headers[SHEET_DOMAIN]));
	import->places[SHEET_ENTITY] = import->places[SHEET_DOMAIN];
	import->headers[SHEET_ENTITY] = import->headers[SHEET_DOMAIN];
	import->places[SHEET_DOMAIN] = -1;
	import->given[SHEET_ENTITY] = true;
	import->given[SHEET_DOMAIN] = false;
}

/* Reads the rows below the headers. */
static void
read_rows(Import *import, List *rows, const TextRow *header)
{
	Section *above = NULL;
	ListCell *lc;

	foreach(lc, rows)
	{
		TextRow *row = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (row->heading)
			above = new_section(heading_name(row->cells[0]), row->line, true);
		else if (row == header)
		{
			header_read(import, row);
			take_domain(import, rows);
		}
		else if (import->header == NULL)
			continue; /* above the headers: a title */
		else if (header_is_again(row, import->header))
			header_read(import, row);
		else if (row->ncells <= MAX_CELLS && is_heading(import, row, above))
			read_heading(import, row, &above);
		else if (import->places[SHEET_FIELD] >= 0 || import->places[SHEET_ENTITY] >= 0)
			read_record(import, row, &above);
	}
}

/*
 * Reads the text into the records, problems and changes of an import.  It may change the text.
 */
void
file_read(Import *import, char *text)
{
	Form form;
	List *rows;
	TextRow *header;

	if (strchr(text, '\n') == NULL)
	{
		/* lines that end with a carriage return only, as on an old Macintosh */
		for (char *c = text; *c != '\0'; c++)
			if (*c == '\r')
				*c = '\n';
	}
	form = find_form(text);
	rows = form_rows(import, text, &form, PG_INT32_MAX);
	header = find_header(rows);
	if (header == NULL)
	{
		if (import->problems == NIL)
			finding_add(&import->problems, 1, NULL, pstrdup("the sheet is empty"));
		return;
	}
	read_rows(import, rows, header);
	tell_unnamed(import);
}
