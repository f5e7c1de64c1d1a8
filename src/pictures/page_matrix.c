/*
 * page_matrix.c
 *		The page's matrix: one table for each entity, with its fields as rows and the
 *		systems as columns.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_FIELDS 5000		/* in the matrix */
#define MAX_OPEN_FIELDS 200 /* of a larger map, the tables are closed at first */

/* Is the entity none behind that of the last field that is shown?  $1: that one; NULL: all are shown. */
#define UP_TO_LAST(entity) "($1::text IS NULL OR " entity " COLLATE \"C\" <= $1)"

/* What systems are to fields, in the order of the matrix. */
typedef struct MatrixParts
{
	SPITupleTable *table;
	uint64 n;
	uint64 next; /* the first row that is not in the matrix yet */
} MatrixParts;

/* Systems by name, as in the picture; "?", unidentified, comes last. */
static int
compare_systems(const void *a, const void *b)
{
	const char *x = *(char *const *) a;
	const char *y = *(char *const *) b;
	bool unidentified_x = strcmp(x, "?") == 0;
	bool unidentified_y = strcmp(y, "?") == 0;

	return unidentified_x != unidentified_y ? unidentified_x - unidentified_y : strcmp(x, y);
}

/*
 * Writes what all systems are to one field: the cells of its row.  systems: in
 * the order of compare_systems().
 */
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
		   strcmp(html_value_of(parts->table, parts->next, 1), entity) == 0 &&
		   strcmp(html_value_of(parts->table, parts->next, 2), field) == 0)
	{
		char *system = html_value_of(parts->table, parts->next, 3);
		char **found = bsearch(&system, systems, nsystems, sizeof(char *), compare_systems);
		const char *class = NULL;
		StringInfoData text;

		initStringInfo(&text);
		/* the first of its parts gives the cell its colour, but intruder goes before all */
		while (parts->next < parts->n &&
			   strcmp(html_value_of(parts->table, parts->next, 1), entity) == 0 &&
			   strcmp(html_value_of(parts->table, parts->next, 2), field) == 0 &&
			   strcmp(html_value_of(parts->table, parts->next, 3), system) == 0)
		{
			const char *part = html_value_of(parts->table, parts->next, 4);
			const char *how = html_value_of(parts->table, parts->next, 5);

			for (int i = 0; i < (int) lengthof(looks); i++)
			{
				if (strcmp(looks[i].part, part) != 0)
					continue;
				/* a system that owns or writes a field counts as its reader */
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

/* Begins the table of the entity of a row of `fields`.  open: it is not folded. */
static void
matrix_head(StringInfo out, SPITupleTable *fields, uint64 row, char **systems, int nsystems,
			bool open)
{
	const char *entity = html_value_of(fields, row, 1);
	const char *count = html_value_of(fields, row, 6);
	int unowned = atoi(html_value_of(fields, row, 7));

	appendStringInfo(out, "<details%s><summary><b>", open ? " open" : "");
	html_name(out, entity);
	appendStringInfo(out, "</b><span class=\"quiet\">%s field%s", count,
					 strcmp(count, "1") == 0 ? "" : "s");
	if (html_value_of(fields, row, 8) != NULL)
	{
		appendStringInfoString(out, "; owners: ");
		html_name(out, html_value_of(fields, row, 8));
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

void
page_matrix_section(StringInfo out, const Picture *picture)
{
	char **systems;
	int nsystems = picture->nsystems;
	uint64 nfields;
	int total;
	SPITupleTable *fields;
	MatrixParts parts = {0};
	Parameters last = {0};
	const char *entity = NULL;

	html_heading(out, "matrix", "Fields by systems");
	systems = palloc(Max(nsystems, 1) * sizeof(char *));
	for (int n = 0; n < nsystems; n++)
		systems[n] = picture->systems[n].name;

	(void) html_query("SELECT count(*) FROM ownership.field");
	total = atoi(sql_result_text(0, 1));
	/* what is not shown is not looked at: entities and fields are in the order of "C" */
	nfields = html_query("SELECT entity, name FROM ownership.field ORDER BY entity COLLATE \"C\", "
						 "name COLLATE \"C\" LIMIT 1 OFFSET -1 + " CppAsString2(MAX_FIELDS));
	if (nfields > 0)
	{
		sql_add_text(&last, sql_result_text(0, 1));
		sql_add_text(&last, sql_result_text(0, 2));
	}
	else
	{
		sql_add_text(&last, NULL);
		sql_add_text(&last, NULL);
	}
	nfields = sql_run(
		"SELECT f.entity, f.name, f.owner, "
		"coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject'), "
		"concat_ws(', ', f.domain, CASE WHEN f.key AND f.domain IS DISTINCT FROM 'key' THEN 'key' END, CASE WHEN f.local THEN 'local' END), "
		"count(*) OVER e, count(*) FILTER (WHERE f.owner IS NULL AND NOT f.local) OVER e, o.owners, f.local, "
		/* an older version has no labels */
		"nullif(btrim(to_jsonb(f) ->> 'label', E' \\t\\r\\n'), '') "
		"FROM ownership.field f LEFT JOIN ownership.domain d ON d.name = f.domain "
		"LEFT JOIN (SELECT entity, string_agg(concat(owner, ' ', n, CASE by_default WHEN 0 THEN NULL WHEN n THEN ' (by default)' ELSE format(' (%s by default)', by_default) END), "
		"', ' ORDER BY n DESC, owner COLLATE \"C\") AS owners "
		"FROM (SELECT f.entity, f.owner, count(*) AS n, count(p.field) AS by_default FROM ownership.field f "
		"LEFT JOIN ownership.part p ON p.entity = f.entity AND p.field = f.name AND p.part = 'owner' AND p.how = 'by default' "
		"WHERE f.owner IS NOT NULL AND " UP_TO_LAST(
			"f.entity") " GROUP BY f.entity, f.owner) c GROUP BY entity) o "
						"ON o.entity = f.entity WHERE " UP_TO_LAST(
							"f.entity") " WINDOW e AS (PARTITION BY f.entity) "
										"ORDER BY f.entity COLLATE \"C\", f.name COLLATE \"C\" LIMIT " CppAsString2(
											MAX_FIELDS),
		&last);
	fields = SPI_tuptable;
	parts.n =
		sql_run("SELECT entity, field, system, part, string_agg(how, ', ' ORDER BY how) FROM ownership.part "
				"WHERE " UP_TO_LAST(
					"entity") " AND (entity COLLATE \"C\" < $1 OR field COLLATE \"C\" <= $2 OR $2 IS NULL) "
							  "GROUP BY entity, field, system, rank, part "
							  "ORDER BY entity COLLATE \"C\", field COLLATE \"C\", system = '?', system COLLATE \"C\", rank",
				&last);
	parts.table = SPI_tuptable;

	if (nfields == 0)
		appendStringInfoString(out, "<p class=\"none\">No field is on the map yet.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>One row a field, one column a system. <em>Declared</em>: the map says so. <em>Seen</em>: this database saw it. <em>Refused</em>: the guard refused it.</p>\n");
	if (total > (int) nfields)
		appendStringInfo(out,
						 "<p>These are the first %d of %d fields; all are in <code>ownership.matrix</code>.</p>\n",
						 (int) nfields, total);
	for (uint64 i = 0; i < nfields; i++)
	{
		const char *field = html_value_of(fields, i, 2);

		CHECK_FOR_INTERRUPTS();
		if (entity == NULL || strcmp(entity, html_value_of(fields, i, 1)) != 0)
		{
			if (entity != NULL)
				appendStringInfoString(out, "</tbody></table></div></details>\n");
			entity = html_value_of(fields, i, 1);
			matrix_head(out, fields, i, systems, nsystems, total <= MAX_OPEN_FIELDS);
		}
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, field);
		if (html_value_of(fields, i, 10) != NULL)
		{
			appendStringInfoString(out, " <span class=\"quiet\">");
			html_name(out, html_value_of(fields, i, 10));
			appendStringInfoString(out, "</span>");
		}
		appendStringInfoString(out, "<small>");
		if (html_value_of(fields, i, 3) == NULL && strcmp(html_value_of(fields, i, 9), "t") != 0)
			appendStringInfoString(out, "<span class=\"none\">no owner</span>, ");
		html_text(out, html_value_of(fields, i, 4));
		if (html_value_of(fields, i, 5)[0] != '\0')
		{
			appendStringInfoString(out, ", ");
			html_name(out, html_value_of(fields, i, 5));
		}
		appendStringInfoString(out, "</small>");
		matrix_cells(out, &parts, entity, field, systems, nsystems);
	}
	if (entity != NULL)
		appendStringInfoString(out, "</tbody></table></div></details>\n");
	html_section_end(out);
}
