/*
 * import.c
 *		import_sheet(): the spreadsheet as it comes out of a workshop.
 *
 * PostgreSQL's own COPY parses the text.  Columns are found by their headers,
 * and what a cell names by name or title; then each row is put on the map by
 * the rules of sheet.c, in a subtransaction of its own.  What changed is what
 * the view ownership.sheet says before and after.  All of it happens in one
 * more subtransaction, which is rolled back in a dry run, or when there is any
 * problem; so a dry run tells exactly what the import will do.
 *
 * The text is handed to COPY line by line, so that the lines which it has
 * asked for tell where a row begins, whatever its cells contain.
 */
#include "base.h"

#include <ctype.h>

#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/copy.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(ownership_import_sheet);

/* What people call the sheet's columns; see normal_header(). */
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
};

/* Words for no system, beside those of names_mean_no_system(). */
static const char *const nobody_words[] = {"-",		 "--",		"n/a", "none",
										   "nobody", "unknown", "??",  "???"};

/* The text, and how far COPY has read it: its callback has no argument. */
typedef struct Source
{
	const char *next;
	const char *end;
	int lines; /* that were handed out */
} Source;

static Source sheet_source;

/* A row of the file. */
typedef struct Record
{
	int line; /* where it begins */
	bool faulty;
	SheetRow row;
} Record;

/* One line of the result. */
typedef struct Finding
{
	int line;
	int number; /* in the order in which they were found */
	char *field;
	char *text;
} Finding;

typedef struct Import
{
	bool dry_run;
	int header_line; /* 0: the first that is not blank */
	char delimiter;
	int line;				 /* where the record begins that is being read */
	bool given[SHEET_CELLS]; /* there is a column for it */
	List *records;			 /* of Record * */
	List *problems;			 /* of Finding * */
	List *changes;			 /* of Finding * */
	/* what a cell may name: of Named * */
	List *systems;
	List *domains;
} Import;

typedef struct Named
{
	char *name;
	char *folded;
	char *folded_title; /* or NULL */
} Named;

/* texts */

static char *
sheet_fold(const char *string)
{
	return TextDatumGetCString(
		DirectFunctionCall1Coll(lower, DEFAULT_COLLATION_OID, CStringGetTextDatum(string)));
}

static char *
sheet_trim(const char *start, const char *end)
{
	while (start < end && isspace((unsigned char) *start))
		start++;
	while (end > start && isspace((unsigned char) end[-1]))
		end--;
	return pnstrdup(start, end - start);
}

static bool
sheet_is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static Finding *
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

static char *
finding_record_field(const Record *r)
{
	char *entity = sheet_cell(&r->row, SHEET_ENTITY);
	char *field = sheet_cell(&r->row, SHEET_FIELD);

	if (entity == NULL || field == NULL)
		return entity != NULL ? entity : field;
	return psprintf("%s.%s", entity, field);
}

static void
finding_add_problem(Import *import, Record *r, char *text)
{
	import->problems =
		lappend(import->problems, finding_new(r->line, finding_record_field(r), text));
	r->faulty = true;
}

/* An error as a problem: its message, and what helps. */
static char *
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

/* reading the file */

/* For COPY: a line at a time, or a part of one that is longer than its buffer. */
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

/* A header as the synonyms have it: words in lower case, no parentheses. */
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

/* Which cell a header means, or -1. */
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

/* How many headers there are in a line; zero if none is the field's. */
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

/* lines above the header, such as a title */
#define MAX_TITLE_LINES 20

/*
 * Finds the line with the headers, and what separates them.  If there is none,
 * it is the first that is not blank.
 */
static void
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

		/* a header may have line breaks, too */
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

/* Which of the file's columns is which cell: places holds their numbers, or -1. */
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
									"no column for the field; its header is \"field\", and \"entity\" if that is a column of its own")));
}

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
								psprintf("%d cells, but the header has %d: is a separator not quoted?",
										 nfields, width));
			return;
		}
	}
}

static bool
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
	/* any table does: only the raw fields are asked for */
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

/* names in cells */

static List *
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
 * The name that a text means: the name itself, or name or title in any case.
 * NULL: none, or *several.
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
	for (int i = 0; i < (int) lengthof(nobody_words); i++)
	{
		if (pg_strcasecmp(text, nobody_words[i]) == 0)
			return true;
	}
	return names_mean_no_system(text);
}

/* What a check that raises errors says of a text, as a problem. */
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

/* The name that a text means, or NULL, and a problem. */
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
							psprintf("\"%s\" means more than one; use the name, as it is written",
									 text));
	else if (title != NULL && names_nearest(text, names) == NULL)
		finding_add_problem(import, r,
							psprintf("\"%s\" is no name or title. Perhaps you meant \"%s\".", text,
									 title));
	else
		finding_add_problem(import, r, finding_error_text(subxact_trial(ask, &q)));
	return NULL;
}

/* The next separator, or the end; *width is how much of the text it is. */
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
 * Adds the systems that a text names with separators that people use.  Those
 * may be part of a title, so the longest that is one is taken.
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

/* Names, written as sheet.c takes them: with ";" between. */
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

/* Columns may also be separated by commas and lines. */
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

static void
resolve_flag(Record *r, SheetCell cell)
{
	char *text = sheet_cell(&r->row, cell);

	if (text != NULL && (pg_strcasecmp(text, "x") == 0 || strcmp(text, "\xe2\x9c\x93") == 0 ||
						 strcmp(text, "\xe2\x9c\x94") == 0))
		r->row.cells[cell] = "true";
}

/* Cells as sheet.c takes them. */
static void
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
 * The fields that are meant: those of the map in any case, unless one is named
 * exactly; a new one joins its entity in any case, too.  A field that is in the
 * sheet twice is a problem.
 */
static void
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

		/* a field may be named whole, in one cell */
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

/* What sheet.c says of the cells, each for itself. */
typedef struct CellCheck
{
	SheetCheck check;
	const SheetRow *row;
} CellCheck;

static bool
run_check(void *arg)
{
	CellCheck *c = arg;

	c->check(c->row);
	return true;
}

static void
check_record(Import *import, Record *r)
{
	if (sheet_cell(&r->row, SHEET_ENTITY) == NULL || sheet_cell(&r->row, SHEET_FIELD) == NULL)
		return;
	for (const SheetCheck *check = sheet_checks; *check != NULL; check++)
	{
		CellCheck c = {*check, &r->row};
		ErrorData *error = subxact_trial(run_check, &c);

		if (error != NULL)
			finding_add_problem(import, r, finding_error_text(error));
	}
}

/* putting it on the map */

/* The field's row of the sheet; false if it is not on the map. */
static bool
read_sheet(const Record *r, char **cells)
{
	Parameters p = {0};

	sql_add_text(&p, r->row.cells[SHEET_ENTITY]);
	sql_add_text(&p, r->row.cells[SHEET_FIELD]);
	if (sql_run("SELECT entity, field, domain, owner, readers, writers, columns, policy, key, local, "
				"rationale, decided_by, decided_on FROM ownership.sheet WHERE entity = $1 AND field = $2",
				&p) == 0)
	{
		memset(cells, 0, SHEET_CELLS * sizeof(char *));
		return false;
	}
	for (int i = 0; i < SHEET_CELLS; i++)
		cells[i] = sql_result_text(0, i + 1);
	return true;
}

/* A cell as a change tells it. */
static const char *
shown(SheetCell cell, const char *value)
{
	if (sheet_is_blank(value))
		return "(blank)";
	if (cell == SHEET_KEY || cell == SHEET_LOCAL)
		return value[0] == 't' ? "yes" : "no";
	return value;
}

static void
add_changes(Import *import, const Record *r, bool fresh, char **before, char **after)
{
	char *field = finding_record_field(r);

	if (fresh)
		import->changes =
			lappend(import->changes, finding_new(r->line, field, pstrdup("new field")));
	for (int i = SHEET_FIELD + 1; i < SHEET_CELLS; i++)
	{
		bool flag = i == SHEET_KEY || i == SHEET_LOCAL;
		char *text;

		if (before[i] == NULL && after[i] == NULL)
			continue;
		if (before[i] != NULL && after[i] != NULL && strcmp(before[i], after[i]) == 0)
			continue;
		if (!fresh)
			text =
				psprintf("%s: %s -> %s", sheet_headers[i], shown(i, before[i]), shown(i, after[i]));
		else if (!sheet_is_blank(after[i]) && !(flag && after[i][0] == 'f'))
			text = psprintf("%s: %s", sheet_headers[i], shown(i, after[i]));
		else
			continue;
		import->changes = lappend(import->changes, finding_new(r->line, field, text));
	}
}

static bool
store_record(void *arg)
{
	sheet_store(arg);
	return true;
}

/*
 * Puts a row on the map.
 *
 * Errors: insufficient_privilege; it is the same for every row.
 */
static void
import_record(Import *import, Record *r)
{
	SheetRow row = r->row;
	char *before[SHEET_CELLS];
	char *after[SHEET_CELLS];
	bool fresh = !read_sheet(r, before);
	ErrorData *error;

	/* what has no column stays as it is */
	for (int i = 0; i < SHEET_CELLS; i++)
	{
		if (!import->given[i] && i > SHEET_FIELD && i != SHEET_COLUMNS)
			row.cells[i] = before[i];
	}
	row.key_is_open = !import->given[SHEET_KEY];
	error = subxact_trial(store_record, &row);
	if (error == NULL)
	{
		(void) read_sheet(r, after);
		add_changes(import, r, fresh, before, after);
	}
	else if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		ReThrowError(error);
	else
		finding_add_problem(import, r, finding_error_text(error));
}

/* Puts all rows on the map; whether that is to stay. */
static bool
import_records(void *arg)
{
	Import *import = arg;
	Parameters none = {0};
	Parameters p = {0};
	List *entities = NIL;
	List *fields = NIL;
	ListCell *lc;
	uint64 n = sql_run("SELECT entity, name FROM ownership.field", &none);

	for (uint64 i = 0; i < n; i++)
	{
		entities = lappend(entities, sql_result_text(i, 1));
		fields = lappend(fields, sql_result_text(i, 2));
	}
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);

		if (!r->faulty)
			import_record(import, r);
		CHECK_FOR_INTERRUPTS();
	}

	/* a column that joins another field leaves the one that it was by default */
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	n = sql_run("SELECT b.entity || '.' || b.name FROM unnest($1, $2) b(entity, name) WHERE NOT EXISTS "
				"(SELECT FROM ownership.field f WHERE f.entity = b.entity AND f.name = b.name) ORDER BY 1",
				&p);
	for (uint64 i = 0; i < n; i++)
		import->changes =
			lappend(import->changes,
					finding_new(0, sql_result_text(i, 1),
								pstrdup(
									"field goes: the column that it was by default is another field's")));
	return !import->dry_run && import->problems == NIL;
}

static int
finding_by_line(const ListCell *a, const ListCell *b)
{
	const Finding *one = lfirst(a);
	const Finding *other = lfirst(b);

	return one->line != other->line ? one->line - other->line : one->number - other->number;
}

static void
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
	}
}

/*
 * import_sheet(csv, dry_run): every problem with its line, then what changes,
 * or would.  With a problem nothing is imported.
 *
 * Errors: the caller may not edit the map.
 */
Datum
ownership_import_sheet(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Import import = {0};
	char *csv;
	ErrorData *error;
	ListCell *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("csv and dry_run must not be null")));
	csv = text_to_cstring(PG_GETARG_TEXT_PP(0));
	import.dry_run = PG_GETARG_BOOL(1);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();

	if (GetDatabaseEncoding() == PG_UTF8 && strncmp(csv, "\xef\xbb\xbf", 3) == 0)
		csv += 3;
	if (strchr(csv, '\n') == NULL)
	{
		/* lines of an old Macintosh */
		for (char *c = csv; *c != '\0'; c++)
			if (*c == '\r')
				*c = '\n';
	}
	file_find_header(&import, csv);
	sheet_source.next = csv;
	sheet_source.end = csv + strlen(csv);
	sheet_source.lines = 0;
	error = subxact_trial(file_read_records, &import);
	if (error != NULL)
		import.problems =
			lappend(import.problems, finding_new(import.line, NULL, finding_error_text(error)));

	import.systems = resolve_load_named("SELECT name, title FROM ownership.system");
	import.domains = resolve_load_named("SELECT name, title FROM ownership.domain");
	resolve_fields(&import);
	foreach(lc, import.records)
		resolve_record(&import, lfirst(lc));
	foreach(lc, import.records)
		check_record(&import, lfirst(lc));
	error = subxact_trial(import_records, &import);
	if (error != NULL)
		ReThrowError(error);

	list_sort(import.problems, finding_by_line);
	finding_return(rsinfo, import.problems, true);
	if (import.dry_run || import.problems == NIL)
		finding_return(rsinfo, import.changes, false);
	else
		ereport(WARNING,
				(errmsg_plural("the sheet was not imported: it has %d problem",
							   "the sheet was not imported: it has %d problems",
							   list_length(import.problems), list_length(import.problems))));
	SPI_finish();
	return (Datum) 0;
}
