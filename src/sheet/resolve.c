/*
 * resolve.c
 *		Cells of a spreadsheet as people write them, turned into the form that
 *		sheet.c takes: names of systems and domains, columns, flags, fields.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/* Words for no system, besides those of names_mean_no_system(). */
static const char *const no_system_words[] = {"-",		"--",	   "n/a", "none",
											  "nobody", "unknown", "??",  "???"};

/* What one text, in lower case, means: lists of names. */
typedef struct Named
{
	const char *folded; /* key */
	List *named;		/* this is their name */
	List *titled;		/* their title */
	List *of_kind;		/* their kind */
} Named;

/* The problem that a text is which means no name. */
typedef struct Nameless
{
	const char *text; /* key */
	char *problem;
} Nameless;

/* What a cell of systems means: sheets contain the same few cells again and again. */
typedef struct Resolved
{
	const char *text; /* key: a mark of the kind of cell, and its text */
	char *names;
} Resolved;

struct Names
{
	HTAB *texts;	/* of Named */
	HTAB *nameless; /* of Nameless */
	HTAB *resolved; /* of Resolved */
	int longest;	/* bytes of the longest text */
	List *names;
	List *titles;  /* in lower case */
	List *written; /* the same titles as they are written */
};

/* The entry of a text, and the text in lower case. */
static Named *
enter(Names *names, const char *text, char **folded)
{
	Named *entry;
	bool found;

	*folded = sheet_fold(text);
	entry = hash_search(names->texts, folded, HASH_ENTER, &found);
	if (!found)
		entry->named = entry->titled = entry->of_kind = NIL;
	names->longest = Max(names->longest, (int) Max(strlen(text), strlen(*folded)));
	return entry;
}

/* What a query of names, titles and kinds returns. */
Names *
resolve_load_names(const char *sql)
{
	Parameters none = {0};
	uint64 n = sql_run_composed(sql, &none);
	Names *names = palloc0(sizeof(Names));

	names->texts = resolve_hash(sizeof(Named));
	names->nameless = resolve_hash(sizeof(Nameless));
	names->resolved = resolve_hash(sizeof(Resolved));
	for (uint64 i = 0; i < n; i++)
	{
		char *name = sql_result_text(i, 1);
		char *title = sql_result_text(i, 2);
		char *kind = sql_result_text(i, 3);
		char *folded;
		Named *entry = enter(names, name, &folded);

		entry->named = lappend(entry->named, name);
		names->names = lappend(names->names, name);
		if (title != NULL)
		{
			entry = enter(names, title, &folded);
			entry->titled = lappend(entry->titled, name);
			names->titles = lappend(names->titles, folded);
			names->written = lappend(names->written, title);
		}
		if (kind != NULL)
		{
			entry = enter(names, kind, &folded);
			entry->of_kind = lappend(entry->of_kind, name);
		}
	}
	return names;
}

/*
 * The name that a text means: the text is exactly the name, or is the name, the
 * title or the kind in any case.  NULL: it means no name, or several; those are then
 * in *several.
 */
static char *
find_named(const Names *names, const char *text, Named **several)
{
	char *folded = sheet_fold(text);
	Named *entry = hash_search(names->texts, &folded, HASH_FIND, NULL);
	List *meant;
	ListCell *lc;

	*several = NULL;
	if (entry == NULL)
		return NULL;
	foreach(lc, entry->named)
		if (strcmp(lfirst(lc), text) == 0)
			return lfirst(lc);
	meant = entry->named != NIL	   ? entry->named
			: entry->titled != NIL ? entry->titled
								   : entry->of_kind;
	if (list_length(meant) == 1)
		return linitial(meant);
	*several = entry;
	return NULL;
}

/* Does the text mean one name? */
bool
resolve_is_name(const Names *names, const char *text)
{
	Named *several;

	return find_named(names, text, &several) != NULL;
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

/* The names in a list, for a message. */
static char *
joined(List *names)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", lc == list_head(names) ? "" : ", ", (char *) lfirst(lc));
	return buf.data;
}

/*
 * The title that a text most likely means: the most similar one, or the only one that
 * begins with the words of the text.  NULL: none.
 */
static char *
near_title(const Names *names, const char *text)
{
	char *folded = sheet_fold(text);
	char *nearest = names_nearest(folded, names->titles);
	char *words = psprintf("%s ", folded);
	char *found = NULL;
	ListCell *lc;
	ListCell *written;

	forboth(lc, names->titles, written, names->written)
	{
		if (nearest != NULL ? strcmp(lfirst(lc), nearest) != 0
							: strncmp(lfirst(lc), words, strlen(words)) != 0)
			continue;
		if (found != NULL)
			return nearest == NULL ? NULL : found;
		found = lfirst(written);
	}
	return found;
}

/* The problem that a text is which means no name, or several. */
static char *
nameless_problem(const Names *names, const Named *several, void (*require)(const char *),
				 const char *text)
{
	Question q = {require, text};
	char *title = near_title(names, text);
	Named *unused;
	int length = strlen(text);
	char *doubted = NULL;

	/* a name that somebody is not sure of */
	if (length > 1 && text[length - 1] == '?')
		doubted = find_named(names, sheet_trim(text, text + length - 1), &unused);
	if (several != NULL && several->named == NIL && several->titled == NIL)
		return psprintf("\"%s\" is the kind of several systems: %s; write one of them", text,
						joined(several->of_kind));
	if (several != NULL)
		return psprintf("\"%s\" means more than one name; write one of them exactly", text);
	if (doubted != NULL)
		return psprintf("\"%s\" leaves it open whether it is \"%s\"; write the name alone, or ? where nobody has decided",
						text, doubted);
	if (title != NULL && names_nearest(text, names->names) == NULL)
		return psprintf("\"%s\" is no name or title. Perhaps you meant \"%s\".", text, title);
	return finding_error_text(subxact_trial(ask, &q));
}

/*
 * The name that a text in a cell means; if there is none, NULL, and the row gets a
 * problem.  require raises the error for a text that is no name.
 */
static char *
require_named(Import *import, Record *r, SheetCell cell, Names *names,
			  void (*require)(const char *), const char *text)
{
	Named *several;
	char *name = find_named(names, text, &several);
	Nameless *nameless;
	bool found;

	if (name != NULL)
		return name;
	nameless = hash_search(names->nameless, &text, HASH_ENTER, &found);
	if (!found)
	{
		nameless->text = pstrdup(text);
		nameless->problem = nameless_problem(names, several, require, text);
	}
	finding_add_cell_problem(import, r, cell, nameless->problem);
	return NULL;
}

/* The bytes of the separator at a place; 0: there is none.  words: "and" separates, too. */
static int
separator_at(const char *text, const char *separators, bool words)
{
	if (words && pg_strncasecmp(text, " and ", 5) == 0)
		return 5;
	return *text != '\0' && strchr(separators, *text) != NULL ? 1 : 0;
}

/* The next separator, or the end of the text.  *width is its length in bytes, 0 at the end. */
static const char *
next_separator(const char *text, const char *separators, bool words, int *width)
{
	*width = 0;
	while (*text != '\0' && (*width = separator_at(text, separators, words)) == 0)
		text++;
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
resolve_several(Import *import, Record *r, SheetCell cell, StringInfo names, const char *text)
{
	static const char *const separators = ",/&+|";
	const char *all = text + strlen(text);

	while (text < all)
	{
		int width;
		const char *end = next_separator(text, separators, true, &width);
		const char *next = end + width;
		char *first = sheet_trim(text, end);
		char *name = NULL;
		Named *several;

		/* blanks may be around a separator */
		for (end = Min(all, text + import->systems->longest + 8); end > text && name == NULL; end--)
		{
			width = separator_at(end, separators, true);
			if (end < all && width == 0)
				continue;
			name = find_named(import->systems, sheet_trim(text, end), &several);
			if (name != NULL)
				next = end + width;
		}
		if (name == NULL && first[0] != '\0')
		{
			if (!means_no_system(first))
				name = require_named(import, r, cell, import->systems, require_system, first);
			else if (cell == SHEET_OWNER)
				name = "?";
		}
		if (name != NULL)
			add_system(names, name);
		text = next;
	}
}

/* Remembers what a text without a problem means. */
static void
remember_resolved(Import *import, const char *text, char *names)
{
	bool found;
	Resolved *resolved;

	resolved = hash_search(import->systems->resolved, &text, HASH_ENTER, &found);
	resolved->names = names;
}

/* Writes the systems of a cell in the form that sheet.c takes: names with ";" between. */
static void
resolve_system_cell(Import *import, Record *r, SheetCell cell)
{
	StringInfoData names;
	char *text = sheet_cell(&r->row, cell);
	int problems = list_length(import->problems);
	const char *key;
	const Resolved *resolved;
	int width = 1;

	if (text == NULL)
		return;
	key = psprintf("%c%s", cell == SHEET_OWNER ? 'o' : 's', text);
	resolved = hash_search(import->systems->resolved, &key, HASH_FIND, NULL);
	if (resolved != NULL)
	{
		r->row.cells[cell] = resolved->names;
		return;
	}
	initStringInfo(&names);
	for (const char *start = text; width > 0;)
	{
		const char *end = next_separator(start, ";\n", false, &width);
		char *part = sheet_trim(start, end);
		Named *several;
		char *name = find_named(import->systems, part, &several);

		if (name != NULL)
			add_system(&names, name);
		else if (means_no_system(part))
		{
			if (cell == SHEET_OWNER)
				add_system(&names, "?");
		}
		else
			resolve_several(import, r, cell, &names, part);
		start = end + width;
	}
	r->row.cells[cell] = names.data;
	if (list_length(import->problems) == problems)
		remember_resolved(import, key, names.data);
}

/* Commas and line breaks may separate columns, too; sheet.c takes ";". */
static void
resolve_columns(Record *r)
{
	bool quoted = false;

	if (r->row.cells[SHEET_COLUMNS] == NULL)
		return;
	r->row.cells[SHEET_COLUMNS] = pstrdup(r->row.cells[SHEET_COLUMNS]);
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

/* Cells of names that are too long become blank, and a problem. */
static void
limit_cells(Import *import, Record *r)
{
	for (int i = 0; i < SHEET_CELLS; i++)
	{
		char *cell = r->row.cells[i];

		if (cell == NULL || i == SHEET_RATIONALE || i == SHEET_DECIDED_BY || i == SHEET_LABEL ||
			strlen(cell) <= MAX_NAMES_CELL)
			continue;
		finding_add_cell_problem(import, r, i,
								 psprintf("the cell has %zu bytes, and at most %d can be names",
										  strlen(cell), MAX_NAMES_CELL));
		r->row.cells[i] = NULL;
	}
}

/* Turns the cells of a row into the form that sheet.c takes. */
void
resolve_record(Import *import, Record *r)
{
	char *text;

	limit_cells(import, r);
	resolve_system_cell(import, r, SHEET_OWNER);
	resolve_system_cell(import, r, SHEET_READERS);
	resolve_system_cell(import, r, SHEET_WRITERS);
	text = sheet_cell(&r->row, SHEET_DOMAIN);
	if (text != NULL)
		r->row.cells[SHEET_DOMAIN] =
			require_named(import, r, SHEET_DOMAIN, import->domains, require_domain, text);
	text = sheet_cell(&r->row, SHEET_POLICY);
	if (text != NULL)
		r->row.cells[SHEET_POLICY] = sheet_fold(text);
	resolve_columns(r);
	resolve_flag(r, SHEET_KEY);
	resolve_flag(r, SHEET_LOCAL);
}
