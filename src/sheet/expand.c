/*
 * expand.c
 *		The fields that the rows of a spreadsheet mean: the entity of each, and lists
 *		of fields in one cell.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "sheet.h"

/* Adds the problem of a row whose cell of the field is too long for names. */
static bool
is_too_long(Import *import, Record *r, const char *text)
{
	if (strlen(text) <= MAX_NAMES_CELL)
		return false;
	r->row.cells[SHEET_FIELD] = NULL;
	finding_add_cell_problem(import, r, SHEET_FIELD,
							 psprintf("the cell has %zu bytes, and at most %d can be names",
									  strlen(text), MAX_NAMES_CELL));
	return true;
}

/*
 * The names in a cell of fields, if they are several, else NIL.  What is in
 * parentheses or quotes is one.  A slash separates where blanks are around it.
 */
static List *
split_fields(const char *text)
{
	List *parts = NIL;
	const char *start = text;
	int depth = 0;
	bool quoted = false;

	for (const char *c = text;; c++)
	{
		bool slash = *c == '/' && c > text && c[-1] == ' ' && c[1] == ' ';
		char *part;

		quoted ^= *c == '"';
		depth += *c == '(' && !quoted;
		depth -= *c == ')' && !quoted && depth > 0;
		if (*c != '\0' && (quoted || depth > 0 || (strchr(",;\n", *c) == NULL && !slash)))
			continue;
		part = sheet_trim(start, c);
		if (part[0] != '\0')
			parts = lappend(parts, part);
		if (*c == '\0')
			break;
		start = c + 1;
	}
	return list_length(parts) > 1 ? parts : NIL;
}

/* The entity of a row that does not name one in its cell of the entity, or NULL. */
static char *
other_entity(const Import *import, const Record *r)
{
	return import->entity != NULL ? import->entity : r->section != NULL ? r->section->entity : NULL;
}

/* Is the text of a cell of fields one field of the map, although it looks like a list? */
static bool
is_one_field(const Import *import, const Record *r, const char *text)
{
	const MapNames *names = import->names;
	char *entity = sheet_cell(&r->row, SHEET_ENTITY);

	if (entity == NULL)
		entity = other_entity(import, r);
	return (entity != NULL && known_field(names, entity, text) != NULL) ||
		   known_is_field(names, text);
}

/* Does the file have the columns of the sheet?  Then it was exported, and a cell is one field. */
static bool
is_exported(const Import *import)
{
	for (int i = 0; i < SHEET_LABEL; i++)
		if (!import->given[i])
			return false;
	return true;
}

/* Makes several rows of a row with a list of fields. */
static void
split_lists(Import *import)
{
	List *records = NIL;
	ListCell *lc;

	if (is_exported(import))
		return;
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *field = sheet_cell(&r->row, SHEET_FIELD);
		List *parts = NIL;
		ListCell *part;

		CHECK_FOR_INTERRUPTS();
		if (field != NULL && !is_too_long(import, r, field))
			parts = split_fields(field);
		if (parts != NIL && is_one_field(import, r, field))
			parts = NIL;
		if (parts == NIL)
		{
			records = lappend(records, r);
			continue;
		}
		finding_add(&import->changes, r->line, NULL,
					psprintf("\"%s\" is a list of %d fields", field, list_length(parts)));
		if (sheet_cell(&r->row, SHEET_COLUMNS) != NULL)
			finding_add_cell_problem(
				import, r, SHEET_COLUMNS,
				pstrdup(
					"which columns belong to which field of the list? Write a row for each field."));
		foreach(part, parts)
		{
			Record *one = palloc(sizeof(Record));

			*one = *r;
			one->row.cells[SHEET_FIELD] = lfirst(part);
			records = lappend(records, one);
		}
	}
	import->records = records;
}

/* Tells, once, that rows take their entity from what stands above them. */
static void
tell_section(Import *import, Section *s)
{
	if (s->told)
		return;
	s->told = true;
	finding_add(&import->changes, s->line, NULL,
				s->heading
					? psprintf("\"%s\" is a heading: the entity of the rows below it", s->entity)
					: psprintf("\"%s\" is also the entity of the rows below it that have none",
							   s->entity));
}

/* Gives a row the entity that its cells, the caller or the rows above name. */
static void
find_entity(Import *import, Record *r)
{
	char *entity = sheet_cell(&r->row, SHEET_ENTITY);
	char *field = sheet_cell(&r->row, SHEET_FIELD);
	char *dot = field == NULL ? NULL : strrchr(field, '.');

	/* the cell of the field may contain entity.field */
	if (entity == NULL && dot != NULL && dot > field && dot[1] != '\0')
	{
		r->row.cells[SHEET_ENTITY] = pnstrdup(field, dot - field);
		r->row.cells[SHEET_FIELD] = pstrdup(dot + 1);
	}
	else if (entity == NULL)
	{
		r->row.cells[SHEET_ENTITY] = other_entity(import, r);
		if (import->entity == NULL && r->section != NULL)
			tell_section(import, r->section);
	}
	if (sheet_cell(&r->row, SHEET_FIELD) == NULL && !r->whole && !r->faulty)
		finding_add_problem(import, r, pstrdup("the field is blank"));
	else if (sheet_cell(&r->row, SHEET_ENTITY) == NULL && !r->faulty)
		finding_add_problem(
			import, r,
			pstrdup(
				"the entity is blank. Write entity.field, add a column \"entity\", or give the entity as an argument."));
}

/* The line on which a field, or a whole entity, is first. */
typedef struct FieldLine
{
	const char *text; /* key */
	int line;
} FieldLine;

/*
 * Sets entity and field of each row to the field that it means.  A name means
 * the field of the map that is written exactly so, else the only one that is
 * the same in any case.  A new field joins its entity in any case, too.  A row
 * for a field that an earlier row means is a problem.
 */
static void
find_fields(Import *import)
{
	HTAB *lines = resolve_hash(sizeof(FieldLine));
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *entity = sheet_cell(&r->row, SHEET_ENTITY);
		char *field = sheet_cell(&r->row, SHEET_FIELD);
		Known *known;
		FieldLine *first;
		char *key;
		bool found;

		CHECK_FOR_INTERRUPTS();
		if (entity == NULL || (field == NULL && !r->whole))
			continue;
		known = r->whole ? NULL : known_field(import->names, entity, field);
		r->row.cells[SHEET_ENTITY] =
			known != NULL ? known->entity : known_entity_name(import->names, entity);
		r->row.cells[SHEET_FIELD] = known != NULL ? known->name : field;
		key = finding_record_field(r);
		if (known == NULL)
			key = psprintf("\001%s", sheet_fold(key)); /* no name of the map */
		first = hash_search(lines, &key, HASH_ENTER, &found);
		if (!found)
			first->line = r->line;
		else
			finding_add_problem(import, r,
								psprintf("the %s is on line %d already",
										 r->whole ? "entity" : "field", first->line));
	}
}

/* Makes of the rows of the file the fields and entities that they mean. */
void
expand_records(Import *import)
{
	ListCell *lc;

	split_lists(import);
	foreach(lc, import->records)
	{
		find_entity(import, lfirst(lc));
		CHECK_FOR_INTERRUPTS();
	}
	find_fields(import);
}
