/*
 * expand.c
 *		The fields that the rows of a spreadsheet mean: the entity of each, and lists
 *		of fields in one cell.
 */
#include "postgres.h"

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

/* Is the cell of each row the name of one field of the map, by place in the list?  Only lists matter. */
static bool *
known_names(Import *import)
{
	bool *known = palloc0(list_length(import->records) + 1);
	Parameters p = {0};
	List *entities = NIL;
	List *names = NIL;
	List *places = NIL;
	ListCell *lc;
	uint64 n;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *field = sheet_cell(&r->row, SHEET_FIELD);
		char *entity = sheet_cell(&r->row, SHEET_ENTITY);

		if (field == NULL || strlen(field) > MAX_NAMES_CELL || split_fields(field) == NIL)
			continue;
		entity = entity != NULL ? entity : other_entity(import, r);
		entities = lappend(entities, entity != NULL ? entity : "");
		names = lappend(names, field);
		places = lappend_int(places, foreach_current_index(lc));
	}
	if (names == NIL)
		return known;
	sql_add_texts(&p, entities);
	sql_add_texts(&p, names);
	n = sql_run("SELECT s.n FROM unnest($1, $2) WITH ORDINALITY s(entity, name, n) "
				"WHERE (lower(s.entity), lower(s.name)) IN (SELECT lower(entity), lower(name) FROM ownership.field) "
				"OR lower(s.name) IN (SELECT lower(entity || '.' || name) FROM ownership.field)",
				&p);
	for (uint64 i = 0; i < n; i++)
		known[list_nth_int(places, sql_result_int64(i, 1) - 1)] = true;
	return known;
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
	bool *known;
	List *records = NIL;
	ListCell *lc;

	if (is_exported(import))
		return;
	known = known_names(import);
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *field = sheet_cell(&r->row, SHEET_FIELD);
		List *parts = NIL;
		ListCell *part;

		if (field != NULL && !is_too_long(import, r, field) && !known[foreach_current_index(lc)])
			parts = split_fields(field);
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

/*
 * Sets entity and field of each row to the field that it means.  A name means
 * the field of the map that is written exactly so, else the only one that is
 * the same in any case.  A new field joins its entity in any case, too.  A row
 * for a field that an earlier row means is a problem.
 */
static void
find_fields(Import *import)
{
	Parameters p = {0};
	List *entities = NIL;
	List *fields = NIL;
	ListCell *lc;
	uint64 n;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *entity = sheet_cell(&r->row, SHEET_ENTITY);
		char *field = sheet_cell(&r->row, SHEET_FIELD);

		entities = lappend(entities, entity ? entity : "");
		fields = lappend(fields, field ? field : "");
	}
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	n = sql_run("SELECT m.entity, m.name, first_value(m.n) OVER "
				"(PARTITION BY CASE WHEN m.known THEN m.entity ELSE lower(m.entity) END, "
				"CASE WHEN m.known THEN m.name ELSE lower(m.name) END ORDER BY m.n) "
				"FROM (SELECT s.n, coalesce(e.entity, i.entity, o.entity, "
				"first_value(s.entity) OVER (PARTITION BY lower(s.entity) ORDER BY s.n)) AS entity, "
				"coalesce(e.name, i.name, s.name) AS name, coalesce(e.entity, i.entity) IS NOT NULL AS known "
				"FROM unnest($1, $2) WITH ORDINALITY s(entity, name, n) "
				"LEFT JOIN ownership.field e ON (e.entity, e.name) = (s.entity, s.name) "
				"LEFT JOIN (SELECT lower(entity) AS folded_entity, lower(name) AS folded_name, "
				"min(entity) AS entity, min(name) AS name FROM ownership.field GROUP BY 1, 2 HAVING count(*) = 1) i "
				"ON (i.folded_entity, i.folded_name) = (lower(s.entity), lower(s.name)) "
				"LEFT JOIN (SELECT lower(entity) AS folded_entity, min(entity) AS entity "
				"FROM ownership.field GROUP BY 1 HAVING min(entity) = max(entity)) o "
				"ON o.folded_entity = lower(s.entity) "
				"AND NOT EXISTS (SELECT FROM ownership.field x WHERE x.entity = s.entity)) m "
				"ORDER BY m.n",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Record *r = list_nth(import->records, i);
		uint64 first = sql_result_int64(i, 3) - 1;

		if (sheet_cell(&r->row, SHEET_ENTITY) == NULL ||
			(sheet_cell(&r->row, SHEET_FIELD) == NULL && !r->whole))
			continue;
		r->row.cells[SHEET_ENTITY] = sql_result_text(i, 1);
		if (!r->whole)
			r->row.cells[SHEET_FIELD] = sql_result_text(i, 2);
		if (first != i)
			finding_add_problem(import, r,
								psprintf("the %s is on line %d already",
										 r->whole ? "entity" : "field",
										 ((Record *) list_nth(import->records, first))->line));
	}
}

/* Makes of the rows of the file the fields and entities that they mean. */
void
expand_records(Import *import)
{
	ListCell *lc;

	split_lists(import);
	foreach(lc, import->records)
		find_entity(import, lfirst(lc));
	find_fields(import);
}
