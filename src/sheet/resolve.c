/*
 * resolve.c
 *		Cells of a spreadsheet as people write them, turned into the form that
 *		sheet.c takes: names of systems and domains, columns, flags, fields.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/* Words for no system, besides those of names_mean_no_system(). */
static const char *const no_system_words[] = {"-",		"--",	   "n/a", "none",
											  "nobody", "unknown", "??",  "???"};

/* A system or a domain. */
typedef struct Named
{
	char *name;
	char *folded;		/* the name in lower case */
	char *folded_title; /* NULL: it has no title */
} Named;

/* The Named * that a query of names and titles returns. */
List *
resolve_load_named(const char *sql)
{
	Parameters none = {0};
	uint64 n = sql_run(sql, &none);
	List *list = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		Named *named = palloc(sizeof(Named));
		char *title = sql_result_text(i, 2);

		named->name = sql_result_text(i, 1);
		named->folded = sheet_fold(named->name);
		named->folded_title = title == NULL ? NULL : sheet_fold(title);
		list = lappend(list, named);
	}
	return list;
}

/*
 * The name that a text means: the text is exactly the name, or is the name or
 * the title in any case.  NULL: it means no name, or, with *several, more than
 * one.
 */
static char *
find_named(List *list, const char *text, bool *several)
{
	char *folded = sheet_fold(text);
	char *by_name = NULL;
	char *by_title = NULL;
	int names = 0;
	int titles = 0;
	ListCell *lc;

	*several = false;
	foreach(lc, list)
	{
		Named *named = lfirst(lc);

		if (strcmp(named->name, text) == 0)
			return named->name;
		if (strcmp(named->folded, folded) == 0)
		{
			by_name = named->name;
			names++;
		}
		if (named->folded_title != NULL && strcmp(named->folded_title, folded) == 0)
		{
			by_title = named->name;
			titles++;
		}
	}
	*several = names > 1 || (names == 0 && titles > 1);
	if (*several)
		return NULL;
	return names == 1 ? by_name : by_title;
}

static bool
means_no_system(const char *text)
{
	for (int i = 0; i < (int) lengthof(no_system_words); i++)
	{
		if (pg_strcasecmp(text, no_system_words[i]) == 0)
			return true;
	}
	return names_mean_no_system(text);
}

/* For subxact_trial(): a check that raises an error if the text is no name. */
typedef struct Question
{
	void (*require)(const char *);
	const char *text;
} Question;

static bool
ask(void *arg)
{
	Question *q = arg;

	q->require(q->text);
	return true;
}

/*
 * The name that a text means; if there is none, NULL, and the row gets a
 * problem.  require raises the error for a text that is no name.
 */
static char *
require_named(Import *import, Record *r, List *list, void (*require)(const char *), const char *text)
{
	bool several;
	char *name = find_named(list, text, &several);
	Question q = {require, text};
	List *names = NIL;
	List *titles = NIL;
	ListCell *lc;
	char *title;

	if (name != NULL)
		return name;
	foreach(lc, list)
	{
		names = lappend(names, ((Named *) lfirst(lc))->name);
		if (((Named *) lfirst(lc))->folded_title != NULL)
			titles = lappend(titles, ((Named *) lfirst(lc))->folded_title);
	}
	title = names_nearest(sheet_fold(text), titles);
	if (several)
		finding_add_problem(import, r,
							psprintf("\"%s\" means more than one name; write one of them exactly",
									 text));
	else if (title != NULL && names_nearest(text, names) == NULL)
		finding_add_problem(import, r,
							psprintf("\"%s\" is no name or title. Perhaps you meant \"%s\".", text,
									 title));
	else
		finding_add_problem(import, r, finding_error_text(subxact_trial(ask, &q)));
	return NULL;
}

/*
 * The next separator, or the end of the text.  *width is its length in bytes, 0
 * at the end.  words: the word "and" separates, too.
 */
static const char *
next_separator(const char *text, const char *separators, bool words, int *width)
{
	for (; *text != '\0'; text++)
	{
		*width = words && pg_strncasecmp(text, " and ", 5) == 0 ? 5 : 1;
		if (*width > 1 || strchr(separators, *text) != NULL)
			return text;
	}
	*width = 0;
	return text;
}

static void
add_system(StringInfo names, const char *name)
{
	appendStringInfo(names, "%s%s", names->len > 0 ? "; " : "", name);
}

/*
 * Adds the systems that a text names, separated in any way that people use.  A
 * separator may be part of a title, so the longest text that is a name or title
 * counts.  In an owner cell, a word for no system adds "?".
 */
static void
resolve_several(Import *import, Record *r, StringInfo names, const char *text, bool owner)
{
	static const char *const separators = ",/&+|";

	while (text[0] != '\0')
	{
		int width;
		const char *end = next_separator(text, separators, true, &width);
		const char *next = end + width;
		char *first = sheet_trim(text, end);
		char *name = NULL;
		bool several;

		for (end = text + strlen(text); end > text && name == NULL; end--)
		{
			if (next_separator(end, separators, true, &width) != end)
				continue;
			name = find_named(import->systems, sheet_trim(text, end), &several);
			if (name != NULL)
				next = end + width;
		}
		if (name == NULL && first[0] != '\0')
		{
			if (!means_no_system(first))
				name = require_named(import, r, import->systems, require_system, first);
			else if (owner)
				name = "?";
		}
		if (name != NULL)
			add_system(names, name);
		text = next;
	}
}

/* Writes the systems of a cell in the form that sheet.c takes: names with ";" between. */
static void
resolve_system_cell(Import *import, Record *r, SheetCell cell)
{
	StringInfoData names;
	char *text = sheet_cell(&r->row, cell);
	int width = 1;

	if (text == NULL)
		return;
	initStringInfo(&names);
	for (const char *start = text; width > 0;)
	{
		const char *end = next_separator(start, ";\n", false, &width);
		char *part = sheet_trim(start, end);
		bool several;
		char *name = find_named(import->systems, part, &several);

		if (name != NULL)
			add_system(&names, name);
		else if (means_no_system(part))
		{
			if (cell == SHEET_OWNER)
				add_system(&names, "?");
		}
		else
			resolve_several(import, r, &names, part, cell == SHEET_OWNER);
		start = end + width;
	}
	r->row.cells[cell] = names.data;
}

/* Commas and line breaks may separate columns, too; sheet.c takes ";". */
static void
resolve_columns(Record *r)
{
	bool quoted = false;

	if (r->row.cells[SHEET_COLUMNS] == NULL)
		return;
	for (char *c = r->row.cells[SHEET_COLUMNS]; *c != '\0'; c++)
	{
		if (*c == '"')
			quoted = !quoted;
		else if (!quoted && (*c == ',' || *c == '\n'))
			*c = ';';
	}
}

/* An "x" or a check mark means true. */
static void
resolve_flag(Record *r, SheetCell cell)
{
	char *text = sheet_cell(&r->row, cell);

	if (text != NULL && (pg_strcasecmp(text, "x") == 0 || strcmp(text, "\xe2\x9c\x93") == 0 ||
						 strcmp(text, "\xe2\x9c\x94") == 0))
		r->row.cells[cell] = "true";
}

/* Turns the cells of a row into the form that sheet.c takes. */
void
resolve_record(Import *import, Record *r)
{
	char *text;

	resolve_system_cell(import, r, SHEET_OWNER);
	resolve_system_cell(import, r, SHEET_READERS);
	resolve_system_cell(import, r, SHEET_WRITERS);
	text = sheet_cell(&r->row, SHEET_DOMAIN);
	if (text != NULL)
		r->row.cells[SHEET_DOMAIN] = require_named(import, r, import->domains, require_domain, text);
	text = sheet_cell(&r->row, SHEET_POLICY);
	if (text != NULL)
		r->row.cells[SHEET_POLICY] = sheet_fold(text);
	resolve_columns(r);
	resolve_flag(r, SHEET_KEY);
	resolve_flag(r, SHEET_LOCAL);
}

/*
 * Sets entity and field of each row to the field that it means.  A name means
 * the field of the map that is written exactly so, else the only one that is
 * the same in any case.  A new field joins its entity in any case, too.  A row
 * for a field that an earlier row means is a problem.
 */
void
resolve_fields(Import *import)
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
		char *dot = field == NULL ? NULL : strrchr(field, '.');

		/* the cell of the field may contain entity.field */
		if (entity == NULL && dot != NULL)
		{
			r->row.cells[SHEET_ENTITY] = pnstrdup(field, dot - field);
			r->row.cells[SHEET_FIELD] = pstrdup(dot + 1);
			entity = sheet_cell(&r->row, SHEET_ENTITY);
			field = sheet_cell(&r->row, SHEET_FIELD);
		}
		if (entity == NULL || field == NULL)
			finding_add_problem(import, r,
								pstrdup(field == NULL ? "the field is blank"
													  : "the entity is blank"));
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

		if (sheet_cell(&r->row, SHEET_ENTITY) == NULL || sheet_cell(&r->row, SHEET_FIELD) == NULL)
			continue;
		r->row.cells[SHEET_ENTITY] = sql_result_text(i, 1);
		r->row.cells[SHEET_FIELD] = sql_result_text(i, 2);
		if (first != i)
			finding_add_problem(import, r,
								psprintf("the field is on line %d already",
										 ((Record *) list_nth(import->records, first))->line));
	}
}
