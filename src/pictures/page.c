/*
 * page.c
 *		The map, its risks and its evidence as one HTML page that needs nothing
 *		else: no network, no script.
 *
 * It is read by people who have no account here, so it runs with its caller's
 * privileges and shows what he may see; what he may not is left out, with a
 * sentence that says so.  Every text that comes from a table goes through
 * html_text().  Large maps are cut to what a person reads, and a sentence says
 * where the rest is.
 */
#include "base.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ownership_page);

#define MAX_FIELDS 5000		  /* in the matrix */
#define MAX_OPEN_FIELDS 200	  /* beyond, the entities are folded up */
#define MAX_RISKS "25"		  /* of a kind */
#define MAX_CONFLICTS "50"	  /* rows of evidence */
#define MAX_EVIDENCE "100000" /* that is looked through for the totals */
#define MAX_TABLES "100"
#define MAX_DECISIONS "40"
#define MAX_HISTORY "5000" /* rows that are looked through */

static const char style[] =
#include "page_style.inc"
	;

/* text */

/* Text of an element or a quoted attribute. */
void
html_text(StringInfo out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		switch (*c)
		{
			case '&':
				appendStringInfoString(out, "&amp;");
				break;
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '>':
				appendStringInfoString(out, "&gt;");
				break;
			case '"':
				appendStringInfoString(out, "&quot;");
				break;
			case '\'':
				appendStringInfoString(out, "&#39;");
				break;
			default:
				/* HTML knows no other control characters than blanks */
				if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
					appendStringInfoString(out, "\xef\xbf\xbd");
				else
					appendStringInfoChar(out, *c);
		}
	}
}

/* A name or a value: whatever direction it is written in, it stays in its place. */
static void
html_name(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<bdi>");
	html_text(out, text);
	appendStringInfoString(out, "</bdi>");
}

static void
html_cell(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<td>");
	if (text != NULL && text[0] != '\0')
		html_name(out, text);
	appendStringInfoString(out, "</td>");
}

static void
html_number_cell(StringInfo out, const char *text)
{
	appendStringInfo(out, "<td class=\"num\">%s</td>", text == NULL ? "" : text);
}

/* A time as the queries give it: YYYY-MM-DD HH24:MI. */
static void
html_time_cell(StringInfo out, const char *text)
{
	if (text == NULL)
		appendStringInfoString(out, "<td class=\"none\">never</td>");
	else
		appendStringInfo(out, "<td><time>%s</time></td>", text);
}

#define TIME(column) "to_char(" column ", 'YYYY-MM-DD HH24:MI')"
/* values in full are in the tables */
#define SHORT(value) \
	"CASE WHEN length(" value ") > 80 THEN left(" value ", 77) || '...' ELSE " value " END"

/* A row's key as people write it. */
#define ROW_KEY(column)                                                     \
	"string_agg(key || ' ' || coalesce(value, 'null'), ', ' ORDER BY key) " \
	"FROM jsonb_each_text(CASE jsonb_typeof(" column ") WHEN 'object' THEN " column " END)"

static uint64
html_query(const char *sql)
{
	Parameters p = {0};

	return sql_run(sql, &p);
}

static void
html_heading(StringInfo out, const char *id, const char *title)
{
	appendStringInfo(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id,
					 title);
}

static void
html_table_head(StringInfo out, const char *caption, int n, const char *const *columns)
{
	appendStringInfo(out,
					 "<div class=\"wide\" role=\"region\" aria-label=\"%s\" tabindex=\"0\"><table class=\"list\"><caption class=\"unseen\">%s</caption><thead><tr>",
					 caption, caption);
	for (int i = 0; i < n; i++)
		appendStringInfo(out, "<th scope=\"col\">%s</th>", columns[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
}

#define TABLE_HEAD(out, caption, ...)                                \
	do                                                               \
	{                                                                \
		static const char *const columns_[] = {__VA_ARGS__};         \
		html_table_head(out, caption, lengthof(columns_), columns_); \
	} while (0)

static void
html_table_end(StringInfo out)
{
	appendStringInfoString(out, "</tbody></table></div>\n");
}

static void
html_section_end(StringInfo out)
{
	appendStringInfoString(out, "</section>\n");
}

/*
 * May the caller read what a section shows?  If not, the section is a
 * sentence, and true only its heading's.
 */
static bool
page_may_read(StringInfo out, const char *relation)
{
	if (pg_class_aclcheck(catalog_table(relation, false), GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	appendStringInfoString(out, "<p class=\"none\">Left out: role <code>");
	html_name(out, GetUserNameFromId(GetUserId(), false));
	appendStringInfo(out, "</code> may not read <code>ownership.%s</code>.</p>\n", relation);
	return false;
}

/* risks, which are looked for once: some of them read the mirrored tables */

typedef struct Risks
{
	SPITupleTable *table;
	uint64 n;
	int64 high;
	int64 medium;
	int64 low;
} Risks;

static char *
page_value_of(SPITupleTable *table, uint64 row, int column)
{
	return SPI_getvalue(table->vals[row], table->tupdesc, column);
}

static Risks
load_risks(void)
{
	Risks risks = {0};

	risks.n = html_query(
		"SELECT severity, risk, about, systems, detail, advice, of_kind, place FROM (SELECT r.*, "
		"count(*) OVER (PARTITION BY severity, risk) AS of_kind, "
		"row_number() OVER (PARTITION BY severity, risk ORDER BY n) AS place "
		"FROM (SELECT severity, risk, coalesce(entity || '.' || field, concat_ws('.', relation, column_name)) AS about, "
		"array_to_string(systems, ', ') AS systems, detail, advice, row_number() OVER () AS n "
		"FROM ownership.risks) r) r WHERE place <= " MAX_RISKS " + 1 ORDER BY n");
	risks.table = SPI_tuptable;
	for (uint64 i = 0; i < risks.n; i++)
	{
		const char *severity = page_value_of(risks.table, i, 1);

		if (strcmp(page_value_of(risks.table, i, 8), "1") != 0)
			continue;
		*(strcmp(severity, "high") == 0		? &risks.high
		  : strcmp(severity, "medium") == 0 ? &risks.medium
											: &risks.low) += atoi(page_value_of(risks.table, i, 7));
	}
	return risks;
}

/* disagreements, of which the head tells the number */

typedef struct Disagreements
{
	bool readable; /* may the caller read evidence? */
	bool listed;   /* false: there is too much of it */
	SPITupleTable *table;
	uint64 n;
	int total;
} Disagreements;

static Disagreements
page_load_disagreements(void)
{
	Disagreements d = {0};

	d.readable =
		pg_class_aclcheck(catalog_table("conflict", false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (!d.readable)
		return d;
	(void) html_query("SELECT count(*) <= " MAX_EVIDENCE
					  " FROM (SELECT FROM ownership.conflict LIMIT " MAX_EVIDENCE " + 1) c");
	d.listed = sql_result_bool(0, 1);
	if (!d.listed)
		return d;
	/* clang-format off */
	d.n = html_query("SELECT " TIME("d.recorded_at") ", d.relation || coalesce('.' || d.column_name, ''), "
				SHORT("k.row_key") ", coalesce(d.system, 'unidentified'), coalesce(d.owner, 'nobody'), d.outcome, "
				SHORT("d.stored") ", " SHORT("d.refused") ", d.note, d.conflict_id, d.total "
				"FROM (SELECT *, count(*) OVER () AS total FROM ownership.disagreements ORDER BY conflict_id DESC LIMIT " MAX_CONFLICTS ") d "
				"CROSS JOIN LATERAL (SELECT " ROW_KEY("d.row_key") ") k(row_key) "
				"ORDER BY d.conflict_id DESC, d.column_name COLLATE \"C\"");
	/* clang-format on */
	d.table = SPI_tuptable;
	if (d.n > 0)
		d.total = atoi(page_value_of(d.table, 0, 11));
	return d;
}

/* the head */

static void
fact(StringInfo out, const char *mood, const char *what, const char *value, const char *note)
{
	appendStringInfo(out, "<div class=\"%s\"><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", mood,
					 what, value, note);
}

static void
head_section(StringInfo out, const Risks *risks, const Disagreements *disagreements)
{
	const char *database;
	int fields;
	int owned;
	int tables;
	int guarded;
	uint64 weakened;
	StringInfoData note;

	(void) html_query("SELECT current_database(), " TIME(
		"now()") ", current_setting('TimeZone'), "
				 "(SELECT count(*) FROM ownership.field WHERE NOT local), "
				 "(SELECT count(*) FROM ownership.field WHERE NOT local AND owner IS NOT NULL), "
				 "(SELECT count(*) FROM ownership.system), "
				 "(SELECT count(DISTINCT entity) FROM ownership.field)");
	database = sql_result_text(0, 1);
	fields = atoi(sql_result_text(0, 4));
	owned = atoi(sql_result_text(0, 5));
	appendStringInfoString(out,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta name=\"color-scheme\" content=\"light dark\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
						   "<title>Who owns which data: ");
	html_text(out, database);
	appendStringInfo(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
	appendStringInfoString(out, "<a class=\"skip\" href=\"#risks\">Skip to the risks</a>\n<header>\n"
								"<h1>Who owns which data</h1>\n<p class=\"quiet\">Database <code>");
	html_name(out, database);
	appendStringInfo(out,
					 "</code>, as of <time>%s</time> (%s): %s systems, %s entities, %s fields that cross a system boundary.</p>\n<dl class=\"facts\">\n",
					 sql_result_text(0, 2), sql_result_text(0, 3), sql_result_text(0, 6),
					 sql_result_text(0, 7), sql_result_text(0, 4));
	fact(out, fields == owned ? "good" : "bad", "Fields with an owner",
		 fields == 0
			 ? "&ndash;"
			 : psprintf("%d %%", owned == fields ? 100 : (int) (INT64CONST(100) * owned / fields)),
		 fields == owned ? "every field has one system of record"
						 : psprintf("%d of %d have no system of record", fields - owned, fields));

	fact(out,
		 risks->high > 0	 ? "bad"
		 : risks->medium > 0 ? "fair"
							 : "good",
		 "High risks", psprintf(INT64_FORMAT, risks->high),
		 psprintf("and " INT64_FORMAT " medium, " INT64_FORMAT " low", risks->medium, risks->low));

	if (disagreements->listed)
		fact(out, disagreements->total > 0 ? "fair" : "good", "Disagreements",
			 psprintf("%d", disagreements->total), "refused values that nobody has decided on");

	(void) html_query("SELECT count(*), count(*) FILTER (WHERE guarded) FROM ownership.guards");
	tables = atoi(sql_result_text(0, 1));
	guarded = atoi(sql_result_text(0, 2));
	initStringInfo(&note);
	appendStringInfoString(&note, tables == guarded ? "the map is enforced on each"
													: "the others are on paper only");
	/* objects of 0.1.0 do not tell */
	weakened =
		!OidIsValid(catalog_table("weakened", true))
			? 0
			: html_query(
				  "SELECT format('%s is %s %s', setting, value, place), everybody FROM ownership.weakened "
				  "ORDER BY everybody DESC, setting DESC, place COLLATE \"C\"");
	if (weakened > 0)
	{
		bool everybody = sql_result_bool(0, 2);

		resetStringInfo(&note);
		appendStringInfoString(&note, everybody ? "but the map is not enforced: "
												: "but the map is not enforced on everybody: ");
		html_name(&note, sql_result_text(0, 1));
		if (weakened > 1)
			appendStringInfo(&note, " and " UINT64_FORMAT " more", weakened - 1);
	}
	fact(out, tables == guarded && weakened == 0 ? "good" : "bad", "Guarded tables",
		 psprintf("%d of %d", guarded, tables), note.data);
	appendStringInfoString(out,
						   "</dl>\n<nav aria-label=\"Contents\"><ul><li><a href=\"#risks\">Risks</a><li><a href=\"#picture\">Picture</a><li><a href=\"#matrix\">Fields by systems</a>"
						   "<li><a href=\"#disagreements\">Disagreements</a><li><a href=\"#conflicts\">Conflicts</a><li><a href=\"#age\">Age of the data</a><li><a href=\"#decisions\">Recent decisions</a><li><a href=\"#systems\">Systems</a></ul></nav>\n"
						   "</header>\n<main>\n");
}

/* risks */

/* What all risks of this one's kind advise, from `first` on; NULL: they differ. */
static char *
common_advice(const Risks *risks, uint64 first)
{
	char *advice = page_value_of(risks->table, first, 6);

	for (uint64 i = first + 1; i < risks->n && strcmp(page_value_of(risks->table, i, 8), "1") != 0;
		 i++)
		if (strcmp(page_value_of(risks->table, i, 6), advice) != 0)
			return NULL;
	return advice;
}

static void
risk_section(StringInfo out, const Risks *risks)
{
	const char *kind = "";
	const char *severity = "";
	const char *advice = NULL;

	html_heading(out, "risks", "Risks");
	if (risks->n == 0)
		appendStringInfoString(
			out,
			"<p>None was found: every field has one system of record, and nothing contradicts the map.</p>\n");
	else
		appendStringInfoString(out, "<p>The most urgent first, and what to do about them.</p>\n");
	for (uint64 i = 0; i < risks->n; i++)
	{
		if (strcmp(kind, page_value_of(risks->table, i, 2)) != 0 ||
			strcmp(severity, page_value_of(risks->table, i, 1)) != 0)
		{
			if (kind[0] != '\0')
				appendStringInfoString(out, "</ul>\n");
			severity = page_value_of(risks->table, i, 1);
			kind = page_value_of(risks->table, i, 2);
			appendStringInfo(out, "<h3><span class=\"badge %s\">%s</span> ", severity, severity);
			for (const char *c = kind; *c != '\0'; c++)
				appendStringInfoChar(out, *c == '_' ? ' ' : *c);
			appendStringInfo(out, " <span class=\"quiet\">(%s)</span></h3>\n",
							 page_value_of(risks->table, i, 7));
			advice = common_advice(risks, i);
			if (advice != NULL)
			{
				appendStringInfoString(out, "<p class=\"advice\">");
				html_name(out, advice);
				appendStringInfoString(out, "</p>\n");
			}
			appendStringInfoString(out, "<ul class=\"risks\">\n");
		}
		if (atoi(page_value_of(risks->table, i, 8)) > atoi(MAX_RISKS))
		{
			appendStringInfo(out,
							 "<li>&hellip; and %d more: <code>SELECT * FROM ownership.risks WHERE risk = &#39;",
							 atoi(page_value_of(risks->table, i, 7)) - atoi(MAX_RISKS));
			html_text(out, kind);
			appendStringInfoString(out, "&#39;</code></li>\n");
			continue;
		}
		appendStringInfoString(out, "<li>");
		if (page_value_of(risks->table, i, 3) != NULL && page_value_of(risks->table, i, 3)[0] != '\0')
		{
			appendStringInfoString(out, "<b>");
			html_name(out, page_value_of(risks->table, i, 3));
			appendStringInfoString(out, "</b>");
		}
		appendStringInfoString(out, "<p>");
		html_name(out, page_value_of(risks->table, i, 5));
		appendStringInfoString(out, "</p>");
		if (advice == NULL)
		{
			appendStringInfoString(out, "<p class=\"advice\">");
			html_name(out, page_value_of(risks->table, i, 6));
			appendStringInfoString(out, "</p>");
		}
		appendStringInfoString(out, "</li>\n");
	}
	if (risks->n > 0)
		appendStringInfoString(out, "</ul>\n");
	html_section_end(out);
}

/* picture */

static void
picture_section(StringInfo out, const Picture *picture)
{
	html_heading(out, "picture", "Picture");
	appendStringInfoString(
		out,
		"<p>From left to right: who writes, what, and who reads it. Systems may stand on both sides.</p>\n"
		"<ul class=\"legend\"><li class=\"o\"><b>owns</b>, a solid line: the system of record<li class=\"w\"><b>writes</b>, a dashed line: writes what it does not own, and that is known"
		"<li class=\"i\"><b>intrudes</b>, a thick dotted line: writes what another system owns<li><b>reads</b>, a thin line</ul>\n"
		"<div class=\"wide\" role=\"region\" aria-label=\"Picture of systems and entities\" tabindex=\"0\">\n");
	svg_picture(out, picture);
	appendStringInfoString(out, "</div>\n");
	html_section_end(out);
}

/* the matrix */

typedef struct MatrixParts
{
	SPITupleTable *table;
	uint64 n;
	uint64 next;
} MatrixParts;

/* Systems by name, as in the picture; who is unidentified comes last. */
static int
compare_systems(const void *a, const void *b)
{
	const char *x = *(char *const *) a;
	const char *y = *(char *const *) b;
	bool nobody_x = strcmp(x, "?") == 0;
	bool nobody_y = strcmp(y, "?") == 0;

	return nobody_x != nobody_y ? nobody_x - nobody_y : strcmp(x, y);
}

/* What all systems are to one field: the cells of its row, then the row's end. */
static void
matrix_cells(StringInfo out, MatrixParts *parts, const char *entity, const char *field,
			 char **systems, int nsystems)
{
	static const struct
	{
		const char *part;
		const char *shown;
		const char *class;
	} looks[] = {{"owner", "owner", "o"},
				 {"writer", "writes", "w"},
				 {"intruder", "intrudes", "i"},
				 {"reader", "reads", NULL}};
	int done = 0;

	while (parts->next < parts->n &&
		   strcmp(page_value_of(parts->table, parts->next, 1), entity) == 0 &&
		   strcmp(page_value_of(parts->table, parts->next, 2), field) == 0)
	{
		char *system = page_value_of(parts->table, parts->next, 3);
		char **found = bsearch(&system, systems, nsystems, sizeof(char *), compare_systems);
		const char *class = NULL;
		StringInfoData text;

		initStringInfo(&text);
		/* the strongest of its parts gives the cell its colour */
		while (parts->next < parts->n &&
			   strcmp(page_value_of(parts->table, parts->next, 1), entity) == 0 &&
			   strcmp(page_value_of(parts->table, parts->next, 2), field) == 0 &&
			   strcmp(page_value_of(parts->table, parts->next, 3), system) == 0)
		{
			const char *part = page_value_of(parts->table, parts->next, 4);
			const char *how = page_value_of(parts->table, parts->next, 5);

			for (int i = 0; i < (int) lengthof(looks); i++)
			{
				if (strcmp(looks[i].part, part) != 0)
					continue;
				/* who owns or writes it may be taken to read it */
				if (looks[i].class == NULL && class != NULL && class[0] != 'i')
					continue;
				if (looks[i].class != NULL && (class == NULL || looks[i].class[0] == 'i'))
					class = looks[i].class;
				appendStringInfo(&text, "%s%s", text.len > 0 ? "<br>" : "", looks[i].shown);
				if (how != NULL)
					appendStringInfo(&text, " <small>%s</small>", how);
			}
			parts->next++;
		}
		if (found == NULL)
			continue;
		for (; done < found - systems; done++)
			appendStringInfoString(out, "<td>");
		if (class != NULL)
			appendStringInfo(out, "<td class=%s>%s", class, text.data);
		else
			appendStringInfo(out, "<td>%s", text.data);
		done++;
		pfree(text.data);
	}
	for (; done < nsystems; done++)
		appendStringInfoString(out, "<td>");
	appendStringInfoChar(out, '\n');
}

static void
matrix_head(StringInfo out, SPITupleTable *fields, uint64 row, char **systems, int nsystems,
			bool open)
{
	const char *entity = page_value_of(fields, row, 1);
	const char *count = page_value_of(fields, row, 6);
	int unowned = atoi(page_value_of(fields, row, 7));

	appendStringInfo(out, "<details%s><summary><b>", open ? " open" : "");
	html_name(out, entity);
	appendStringInfo(out, "</b><span class=\"quiet\">%s field%s", count,
					 strcmp(count, "1") == 0 ? "" : "s");
	if (page_value_of(fields, row, 8) != NULL)
	{
		appendStringInfoString(out, "; owners: ");
		html_name(out, page_value_of(fields, row, 8));
	}
	appendStringInfoString(out, "</span>");
	if (unowned > 0)
		appendStringInfo(out, " <span class=\"badge high\">%d without owner</span>", unowned);
	appendStringInfoString(out,
						   "</summary>\n<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Fields of ");
	html_text(out, entity);
	appendStringInfo(out,
					 "\"><table class=\"matrix\" style=\"--systems:%d\"><caption class=\"unseen\">Fields of ",
					 nsystems);
	html_name(out, entity);
	appendStringInfoString(out,
						   ", and what each system is to them</caption><thead><tr><th scope=\"col\">Field</th>");
	for (int i = 0; i < nsystems; i++)
	{
		appendStringInfoString(out, "<th scope=\"col\">");
		html_name(out, strcmp(systems[i], "?") == 0 ? "unidentified" : systems[i]);
		appendStringInfoString(out, "</th>");
	}
	appendStringInfoString(out, "</tr></thead><tbody>\n");
}

static void
page_matrix_section(StringInfo out, const Picture *picture)
{
	char **systems;
	int nsystems = picture->nsystems;
	uint64 nfields;
	int total;
	SPITupleTable *fields;
	MatrixParts parts = {0};
	const char *entity = NULL;

	html_heading(out, "matrix", "Fields by systems");
	systems = palloc(Max(nsystems, 1) * sizeof(char *));
	for (int n = 0; n < nsystems; n++)
		systems[n] = picture->systems[n].name;

	(void) html_query("SELECT count(*) FROM ownership.field");
	total = atoi(sql_result_text(0, 1));
	nfields = html_query(
		"SELECT f.entity, f.name, f.owner, "
		"coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject'), "
		"concat_ws(', ', f.domain, CASE WHEN f.key AND f.domain IS DISTINCT FROM 'key' THEN 'key' END, CASE WHEN f.local THEN 'local' END), "
		"count(*) OVER e, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) OVER e, o.owners, f.local "
		"FROM ownership.field f LEFT JOIN ownership.domain d ON d.name = f.domain "
		"LEFT JOIN (SELECT entity, string_agg(format('%s %s', owner, n), ', ' ORDER BY n DESC, owner COLLATE \"C\") AS owners "
		"FROM (SELECT entity, owner, count(*) AS n FROM ownership.field WHERE owner IS NOT NULL GROUP BY entity, owner) c GROUP BY entity) o "
		"ON o.entity = f.entity WINDOW e AS (PARTITION BY f.entity) "
		"ORDER BY f.entity COLLATE \"C\", f.name COLLATE \"C\" LIMIT " CppAsString2(MAX_FIELDS));
	fields = SPI_tuptable;
	parts.n = html_query(
		"SELECT entity, field, system, part, string_agg(how, ', ' ORDER BY how) FROM ownership.part "
		"GROUP BY entity, field, system, rank, part "
		"ORDER BY entity COLLATE \"C\", field COLLATE \"C\", system = '?', system COLLATE \"C\", rank");
	parts.table = SPI_tuptable;

	if (nfields == 0)
		appendStringInfoString(out, "<p class=\"none\">No field is on the map yet.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>One row a field, one column a system. <em>Declared</em>: somebody said so. <em>Seen</em>: this database saw it. <em>Refused</em>: it tried.</p>\n");
	if (total > (int) nfields)
		appendStringInfo(out,
						 "<p>These are the first %d of %d fields; all are in <code>ownership.matrix</code>.</p>\n",
						 (int) nfields, total);
	for (uint64 i = 0; i < nfields; i++)
	{
		const char *field = page_value_of(fields, i, 2);

		CHECK_FOR_INTERRUPTS();
		if (entity == NULL || strcmp(entity, page_value_of(fields, i, 1)) != 0)
		{
			if (entity != NULL)
				appendStringInfoString(out, "</tbody></table></div></details>\n");
			entity = page_value_of(fields, i, 1);
			matrix_head(out, fields, i, systems, nsystems, total <= MAX_OPEN_FIELDS);
		}
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, field);
		appendStringInfoString(out, "<small>");
		if (page_value_of(fields, i, 3) == NULL && strcmp(page_value_of(fields, i, 9), "t") != 0)
			appendStringInfoString(out, "<span class=\"none\">no owner</span>, ");
		html_text(out, page_value_of(fields, i, 4));
		if (page_value_of(fields, i, 5)[0] != '\0')
		{
			appendStringInfoString(out, ", ");
			html_name(out, page_value_of(fields, i, 5));
		}
		appendStringInfoString(out, "</small>");
		matrix_cells(out, &parts, entity, field, systems, nsystems);
	}
	if (entity != NULL)
		appendStringInfoString(out, "</tbody></table></div></details>\n");
	html_section_end(out);
}

/* evidence */

static void
page_disagreement_section(StringInfo out, const Disagreements *d)
{
	html_heading(out, "disagreements", "Disagreements");
	if (!page_may_read(out, "conflict"))
	{
		html_section_end(out);
		return;
	}
	if (!d->listed)
		appendStringInfoString(
			out,
			"<p>There is too much evidence to be looked through here; <code>ownership.disagreements</code> has them.</p>\n");
	else if (d->n == 0)
		appendStringInfoString(out,
							   "<p class=\"none\">No refused value waits for a decision.</p>\n");
	else
	{
		appendStringInfo(out,
						 "<p>Values that were refused, and still differ from what is stored. Decide with <code>ownership.accept(number)</code> or <code>ownership.dismiss(number)</code>.%s</p>\n",
						 (uint64) d->total > d->n
							 ? psprintf(" These are the latest " INT64_FORMAT " of %d.",
										(int64) d->n, d->total)
							 : "");
		TABLE_HEAD(out, "Refused values that still differ", "Number", "Column", "Row", "Stored",
				   "Refused", "Owner", "Says otherwise", "Since", "What", "Note");
		for (uint64 i = 0; i < d->n; i++)
		{
			appendStringInfoString(out, "<tr>");
			html_number_cell(out, page_value_of(d->table, i, 10));
			appendStringInfoString(out, "<th scope=\"row\">");
			html_name(out, page_value_of(d->table, i, 2));
			appendStringInfoString(out, "</th>");
			html_cell(out, page_value_of(d->table, i, 3));
			html_cell(out, page_value_of(d->table, i, 7));
			html_cell(out, page_value_of(d->table, i, 8));
			html_cell(out, page_value_of(d->table, i, 5));
			html_cell(out, page_value_of(d->table, i, 4));
			html_time_cell(out, page_value_of(d->table, i, 1));
			html_cell(out, page_value_of(d->table, i, 6));
			html_cell(out, page_value_of(d->table, i, 9));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
	}
	html_section_end(out);
}

static void
page_conflict_section(StringInfo out)
{
	uint64 n;

	html_heading(out, "conflicts", "Conflicts");
	if (!page_may_read(out, "conflict"))
	{
		html_section_end(out);
		return;
	}
	appendStringInfoString(
		out,
		"<p>Writes to fields by systems that do not own them, and that nobody has decided on.</p>\n");
	/* clang-format off */
	n = html_query("SELECT coalesce(system, 'unidentified'), outcome, count(*), " TIME("min(recorded_at)") ", " TIME("max(recorded_at)") " "
			  "FROM (SELECT system, outcome, recorded_at FROM ownership.conflict WHERE resolved_at IS NULL ORDER BY id DESC LIMIT " MAX_EVIDENCE ") c "
			  "GROUP BY system, outcome ORDER BY system COLLATE \"C\", outcome COLLATE \"C\"");
	/* clang-format on */
	if (n == 0)
	{
		appendStringInfoString(out, "<p class=\"none\">There is no open conflict.</p>\n");
		html_section_end(out);
		return;
	}
	TABLE_HEAD(out, "Open conflicts by system", "System", "What happened", "Times", "First", "Last");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, sql_result_text(i, 1));
		appendStringInfoString(out, "</th>");
		html_cell(out, sql_result_text(i, 2));
		html_number_cell(out, sql_result_text(i, 3));
		html_time_cell(out, sql_result_text(i, 4));
		html_time_cell(out, sql_result_text(i, 5));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	appendStringInfoString(
		out,
		"<p class=\"quiet\"><b>observed</b>, <b>filled</b>, <b>overridden</b>: the write went through. <b>kept</b>: the owner&rsquo;s value stayed. "
		"<b>discarded</b>: a row was not created or not deleted. <b>rejected</b>: the writer got an error.</p>\n");

	appendStringInfoString(out, "<h3>The latest</h3>\n");
	/* clang-format off */
	n = html_query("SELECT " TIME("c.recorded_at") ", ownership.relation_name(c.table_schema, c.table_name) || coalesce('.' || u.name, ''), "
			  SHORT("k.row_key") ", coalesce(c.system, 'unidentified'), concat_ws(', ', c.role, nullif(c.application_name, '')), "
			  "lower(c.operation) || ' ' || c.outcome, " SHORT("v.stored") ", " SHORT("v.proposed") " "
			  "FROM (SELECT * FROM ownership.conflict WHERE resolved_at IS NULL ORDER BY id DESC LIMIT " MAX_CONFLICTS ") c "
			  "LEFT JOIN LATERAL unnest(c.columns) u(name) ON true "
			  "CROSS JOIN LATERAL (SELECT " ROW_KEY("c.row_key") ") k(row_key) "
			  "CROSS JOIN LATERAL (SELECT CASE WHEN u.name IS NOT NULL AND c.stored ? u.name::text THEN coalesce(c.stored ->> u.name::text, 'null') END, "
			  "CASE jsonb_typeof(c.proposed) WHEN 'number' THEN c.proposed::text || ' more rows' "
			  "WHEN 'object' THEN CASE WHEN u.name IS NOT NULL AND c.proposed ? u.name::text THEN coalesce(c.proposed ->> u.name::text, 'null') END END) v(stored, proposed) "
			  "ORDER BY c.id DESC, u.name COLLATE \"C\"");
	/* clang-format on */
	TABLE_HEAD(out, "The latest open conflicts", "When", "Column", "Row", "System", "As", "What",
			   "Stored", "Proposed");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(out, "<tr>");
		html_time_cell(out, sql_result_text(i, 1));
		appendStringInfoString(out, "<th scope=\"row\">");
		html_name(out, sql_result_text(i, 2));
		appendStringInfoString(out, "</th>");
		for (int column = 3; column <= 8; column++)
			html_cell(out, sql_result_text(i, column));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	html_section_end(out);
}

/* the age of the data */

static void
page_age_section(StringInfo out)
{
	uint64 n;

	html_heading(out, "age", "Age of the data");
	if (!page_may_read(out, "activity"))
	{
		html_section_end(out);
		return;
	}
	/* clang-format off */
	n = html_query("SELECT ownership.relation_name(t.table_schema, t.table_name), coalesce(t.source, ''), "
			  "CASE WHEN g.guarded THEN 'yes' ELSE 'no' END, array_to_string(g.subscriptions, ', '), "
			  "a.writers, " TIME("a.first_seen") ", " TIME("a.last_write") ", " TIME("a.last_read") ", "
			  "CASE WHEN a.age >= 172800 THEN floor(a.age / 86400) || ' days' WHEN a.age >= 7200 THEN floor(a.age / 3600) || ' hours' ELSE floor(a.age / 60) || ' min' END "
			  "FROM ownership.mirrored_table t JOIN ownership.guards g USING (table_schema, table_name) "
			  "LEFT JOIN (SELECT table_schema, table_name, "
			  "string_agg(DISTINCT coalesce(system, 'unidentified'), ', ') FILTER (WHERE writes > 0) AS writers, "
			  "min(first_seen) AS first_seen, max(last_write) AS last_write, max(last_read) AS last_read, "
			  "greatest(0, extract(epoch FROM now() - max(last_write))) AS age "
			  "FROM ownership.activity GROUP BY table_schema, table_name) a USING (table_schema, table_name) "
			  "ORDER BY t.table_schema COLLATE \"C\", t.table_name COLLATE \"C\" LIMIT " MAX_TABLES " + 1");
	/* clang-format on */
	if (!mailbox_exists())
		appendStringInfoString(
			out,
			"<p>Reads and writes are not counted here: that needs <code>shared_preload_libraries = &#39;ownership&#39;</code>.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>When each mirrored table was last written and read, as far as this database saw it.</p>\n");
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No table is on the map yet.</p>\n");
	else
	{
		TABLE_HEAD(out, "Mirrored tables and when they were used", "Table", "Copy of", "Guarded",
				   "Fed by", "Written by", "First seen", "Last written", "Age", "Last read");
		for (uint64 i = 0; i < Min(n, (uint64) atoi(MAX_TABLES)); i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			for (int column = 2; column <= 5; column++)
				html_cell(out, sql_result_text(i, column));
			html_time_cell(out, sql_result_text(i, 6));
			html_time_cell(out, sql_result_text(i, 7));
			html_number_cell(out, sql_result_text(i, 9));
			html_time_cell(out, sql_result_text(i, 8));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		if (n > (uint64) atoi(MAX_TABLES))
			appendStringInfoString(
				out,
				"<p>These are the first " MAX_TABLES
				"; all are in <code>ownership.guards</code> and <code>ownership.activity</code>.</p>\n");
	}
	html_section_end(out);
}

/* decisions */

static void
page_decision_section(StringInfo out)
{
	uint64 n;

	html_heading(out, "decisions", "Recent decisions");
	if (!page_may_read(out, "map_history"))
	{
		html_section_end(out);
		return;
	}
	/* clang-format off */
	n = html_query("SELECT " TIME("changed_at") ", concat_ws(', ', role, CASE WHEN login <> role THEN 'logged in as ' || login END), decided, "
			  SHORT("old") ", " SHORT("new") ", items, array_to_string(sample, ', ') FROM ownership.decisions "
			  "WHERE changed_at >= coalesce((SELECT changed_at FROM ownership.map_history ORDER BY id DESC OFFSET " MAX_HISTORY " LIMIT 1), '-infinity') "
			  "ORDER BY changed_at DESC, decided !~ 'owner', decided !~ 'policy|reader|writer', first_id LIMIT " MAX_DECISIONS);
	/* clang-format on */
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">The map has not been changed yet.</p>\n");
	else
	{
		appendStringInfoString(
			out,
			"<p>What was changed on the map, the latest first; all of it is in <code>ownership.map_history</code>.</p>\n");
		TABLE_HEAD(out, "Recent changes of the map", "When", "Who", "What", "Before", "After",
				   "About");
		for (uint64 i = 0; i < n; i++)
		{
			int items = atoi(sql_result_text(i, 6));

			appendStringInfoString(out, "<tr>");
			html_time_cell(out, sql_result_text(i, 1));
			html_cell(out, sql_result_text(i, 2));
			appendStringInfoString(out, "<th scope=\"row\">");
			html_name(out, sql_result_text(i, 3));
			appendStringInfoString(out, "</th>");
			for (int column = 4; column <= 5; column++)
			{
				if (sql_result_text(i, column) == NULL)
					appendStringInfoString(out, "<td class=\"none\">none</td>");
				else
					html_cell(out, sql_result_text(i, column));
			}
			appendStringInfoString(out, "<td>");
			html_name(out, sql_result_text(i, 7));
			if (items > 5)
				appendStringInfo(out, " and %d more", items - 5);
			appendStringInfoString(out, "</td></tr>\n");
		}
		html_table_end(out);
	}
	html_section_end(out);
}

/* systems */

static int
count_fields(const Picture *picture, const char *system, PicturePart part)
{
	int fields = 0;

	for (int i = 0; i < picture->nedges; i++)
		if (picture->edges[i].part == part &&
			strcmp(picture->systems[picture->edges[i].system].name, system) == 0)
			fields += picture->edges[i].fields;
	return fields;
}

static void
page_system_section(StringInfo out, const Picture *picture)
{
	uint64 n;

	html_heading(out, "systems", "Systems");
	n = html_query(
		"SELECT s.name, s.title, s.kind, s.contact, s.note, "
		"(SELECT string_agg(kind || ' ' || name || CASE WHEN steward THEN ' (steward)' ELSE '' END || CASE WHEN carrier THEN ' (carrier)' ELSE '' END, ', ' ORDER BY kind, name) FROM ownership.identity i WHERE i.system = s.name) "
		"FROM ownership.system s ORDER BY s.name COLLATE \"C\"");
	if (n == 0)
		appendStringInfoString(out, "<p class=\"none\">No system is registered yet.</p>\n");
	else
	{
		TABLE_HEAD(out, "Systems and what they do", "System", "Title", "Kind", "Contact", "Note",
				   "Writes as", "Owns", "Writes", "Intrudes", "Reads");
		for (uint64 i = 0; i < n; i++)
		{
			appendStringInfoString(out, "<tr><th scope=\"row\">");
			html_name(out, sql_result_text(i, 1));
			appendStringInfoString(out, "</th>");
			for (int column = 2; column <= 6; column++)
				html_cell(out, sql_result_text(i, column));
			for (PicturePart part = PART_OWNER; part <= PART_READER; part++)
				html_number_cell(out,
								 psprintf("%d", count_fields(picture, sql_result_text(i, 1), part)));
			appendStringInfoString(out, "</tr>\n");
		}
		html_table_end(out);
		appendStringInfoString(out, "<p class=\"quiet\">Numbers are fields.</p>\n");
	}
	html_section_end(out);
}

Datum
ownership_page(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Risks risks;
	Disagreements disagreements;
	Picture *picture;
	Datum result;
	int level;

	/* looking for risks and disagreements reads mirrored tables */
	level = reads_do_not_count();
	SPI_connect();
	initStringInfo(&out);
	risks = load_risks();
	disagreements = page_load_disagreements();
	picture = picture_load();
	head_section(&out, &risks, &disagreements);
	risk_section(&out, &risks);
	picture_section(&out, picture);
	page_matrix_section(&out, picture);
	page_disagreement_section(&out, &disagreements);
	page_conflict_section(&out);
	page_age_section(&out);
	page_decision_section(&out);
	page_system_section(&out, picture);
	appendStringInfoString(&out,
						   "</main>\n<footer><p>Made by <code>SELECT ownership.page()</code>, version " OWNERSHIP_VERSION
						   ", as role <code>");
	html_name(&out, GetUserNameFromId(GetUserId(), false));
	appendStringInfoString(&out, "</code>.</p></footer>\n</body>\n</html>\n");
	/* outlives SPI's memory */
	result =
		SPI_datumTransfer(PointerGetDatum(cstring_to_text_with_len(out.data, out.len)), false, -1);
	SPI_finish();
	reads_count_again(level);
	return result;
}
