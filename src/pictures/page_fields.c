/*
 * page_fields.c
 *		The fields that several systems have to do with, one line each: its owner, who
 *		else writes it, who reads it, and what happens to the writes of others.
 *
 * Whatever else is to be told of a field is one more column here.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_FIELDS 1000		/* on the page */
#define MAX_OPEN_FIELDS 150 /* of a page of more, the tables are closed from here on */

/* What systems are to fields, in the order of the fields. */
typedef struct FieldParts
{
	SPITupleTable *table;
	uint64 n;
	uint64 next; /* the first row that is not shown yet */
} FieldParts;

/* What a policy means for the writes of others, in words. */
static const struct
{
	const char *policy;
	const char *words;
} policies[] = {{"observe", "go through, are noted"},
				{"fill", "fill blanks"},
				{"create_only", "only in new rows"},
				{"keep", "are kept out"},
				{"reject", "are refused"}};

/* The entities that are shown field by field: what is to be decided first, then by name. */
static int
compare_entities(const ListCell *x, const ListCell *y)
{
	const PageEntity *a = lfirst(x);
	const PageEntity *b = lfirst(y);

	if (a->decisions != b->decisions)
		return b->decisions - a->decisions;
	return strcmp(a->name, b->name);
}

static void
write_how(StringInfo out, const char *how)
{
	if (how != NULL && how[0] != '\0')
		appendStringInfo(out, " <small>%s</small>", how);
}

static void
separate(StringInfo out)
{
	if (out->len > 0)
		appendStringInfoString(out, ", ");
}

/*
 * Writes the cells of what systems are to a field: owners, other writers, readers.  A
 * system that owns or writes a field counts as its reader.  Returns whether it has an
 * owner, be it of some rows.
 */
static bool
part_cells(StringInfo out, const PageMap *page, FieldParts *parts, uint64 row, bool local)
{
	StringInfoData owners;
	StringInfoData writers;
	StringInfoData readers;
	char *writer = NULL;

	initStringInfo(&owners);
	initStringInfo(&writers);
	initStringInfo(&readers);
	for (; parts->next < parts->n; parts->next++)
	{
		char *system = html_value_of(parts->table, parts->next, 2);
		const char *part = html_value_of(parts->table, parts->next, 3);
		const char *how = html_value_of(parts->table, parts->next, 4);
		const char *shown = strcmp(system, "?") == 0 ? "unidentified" : system;

		if (strtoull(html_value_of(parts->table, parts->next, 1), NULL, 10) != row + 1)
			break;
		if (strcmp(part, "owner") == 0)
		{
			separate(&owners);
			page_system_name(&owners, page, shown);
			/* how often the owner was seen is nothing to look at */
			write_how(&owners, how == NULL						   ? NULL
							   : strstr(how, "by default") != NULL ? "by default"
							   : strstr(how, "some rows") != NULL  ? "in some rows"
																   : NULL);
			writer = system;
		}
		else if (strcmp(part, "reader") != 0)
		{
			bool intruder = strcmp(part, "intruder") == 0;

			separate(&writers);
			appendStringInfo(&writers, "<span class=\"%s\">", intruder ? "i" : "w");
			page_system_name(&writers, page, shown);
			appendStringInfoString(&writers, intruder ? " intrudes" : "");
			write_how(&writers, how);
			appendStringInfoString(&writers, "</span>");
			writer = system;
		}
		else if (writer == NULL || strcmp(writer, system) != 0)
		{
			separate(&readers);
			page_system_name(&readers, page, shown);
			write_how(&readers, how != NULL && strcmp(how, "seen") == 0 ? "not declared" : NULL);
		}
	}
	if (owners.len > 0)
		appendStringInfo(out, "<td class=\"o\">%s</td>", owners.data);
	else
		appendStringInfoString(out, local ? "<td></td>" : "<td class=\"i\">nobody</td>");
	appendStringInfo(out, "<td>%s</td><td>%s</td>", writers.data, readers.data);
	return owners.len > 0;
}

/* Writes a line for the field of a row: see the query. */
static void
field_line(StringInfo out, const PageMap *page, SPITupleTable *fields, uint64 row,
		   FieldParts *parts, List *decisions)
{
	const char *field = html_value_of(fields, row, 2);
	const char *label = html_value_of(fields, row, 3);
	const char *policy = html_value_of(fields, row, 4);
	const char *copies = html_value_of(fields, row, 7);
	bool local = html_value_of(fields, row, 5)[0] == 't';
	bool owned;
	ListCell *lc;

	appendStringInfoString(out, "<tr><th scope=\"row\">");
	html_name(out, label != NULL ? label : field);
	appendStringInfoString(out, " <small>");
	if (label != NULL)
	{
		html_name(out, field);
		appendStringInfoChar(out, ' ');
	}
	if (html_value_of(fields, row, 6)[0] == 't')
		appendStringInfoString(out, "key ");
	if (local)
		appendStringInfoString(out, "local ");
	if (strcmp(copies, "0") == 0)
		appendStringInfoString(out, "in no table ");
	else if (strcmp(copies, "1") != 0)
		appendStringInfo(out, "%s copies ", copies);
	appendStringInfoString(out, "</small>");
	foreach(lc, decisions)
	{
		const Decision *d = lfirst(lc);

		if (d->field == NULL || strcmp(d->field, field) != 0)
			continue;
		if (d->number > 0)
			appendStringInfo(out, "<a class=\"badge high\" href=\"#decide%d\">decide</a>",
							 d->number);
		else
			appendStringInfoString(out, "<span class=\"badge medium\">decide</span>");
	}
	appendStringInfoString(out, "</th>");
	owned = part_cells(out, page, parts, row, local);
	appendStringInfoString(out, "<td class=\"quiet\">");
	/* what nobody owns everyone may write, whatever its policy */
	if (!local && !owned)
		appendStringInfoString(out, "go through");
	for (int i = 0; !local && owned && i < (int) lengthof(policies); i++)
		if (strcmp(policies[i].policy, policy) == 0)
			appendStringInfoString(out, policies[i].words);
	appendStringInfoString(out, "</td></tr>\n");
}

/* Begins the table of an entity. */
static void
entity_head(StringInfo out, const PageMap *page, const PageEntity *e, bool open)
{
	static const char *const columns[] = {"Field", "Owner", "Others who write", "Who reads",
										  "Writes of others"};

	appendStringInfo(out, "<details%s><summary><b>", open ? " open" : "");
	html_name(out, e->name);
	appendStringInfo(out, "</b><span class=\"quiet\">%d field%s", e->fields,
					 e->fields == 1 ? "" : "s");
	if (e->owners != NIL)
		appendStringInfoString(out, "; owners: ");
	page_owners(out, page, e->owners);
	if (e->open < e->fields + e->local)
	{
		appendStringInfo(out, "; %d that only ", e->fields + e->local - e->open);
		if (e->source != NULL)
			page_system_name(out, page, e->source);
		else
			appendStringInfoString(out, "one system");
		appendStringInfoString(out, " has are not shown");
	}
	appendStringInfoString(out, "</span>");
	if (e->fields > e->owned)
		appendStringInfo(out, " <span class=\"badge high\">%d without owner</span>",
						 e->fields - e->owned);
	appendStringInfoString(out,
						   "</summary>\n<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Fields of ");
	html_text(out, e->name);
	appendStringInfoString(out, "\"><table class=\"fields\"><caption class=\"unseen\">Fields of ");
	html_name(out, e->name);
	appendStringInfoString(out, "</caption><thead><tr>");
	for (int i = 0; i < (int) lengthof(columns); i++)
		appendStringInfo(out, "<th scope=\"col\">%s</th>", columns[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
}

/* The decisions on fields of an entity. */
static List *
decisions_of(const PageMap *page, const PageEntity *e)
{
	List *found = NIL;
	ListCell *lc;

	if (e->decisions == 0)
		return NIL;
	foreach(lc, page->decisions)
	{
		Decision *d = lfirst(lc);

		if (d->entity != NULL && strcmp(d->entity, e->name) == 0)
			found = lappend(found, d);
	}
	return found;
}

/* Writes the tables of these entities. */
static void
write_entities(StringInfo out, const PageMap *page, List *entities)
{
	Parameters p = {0};
	Parameters parameters = {0};
	FieldParts parts = {0};
	SPITupleTable *fields;
	List *names = NIL;
	List *field_names = NIL;
	uint64 n;
	uint64 row = 0;
	int shown = 0;
	ListCell *lc;

	foreach(lc, entities)
		names = lappend(names, unconstify(char *, ((PageEntity *) lfirst(lc))->name));
	page_add_filter(&p, &page->filter);
	sql_add_texts(&p, names);
	sql_add_bool(&p, page->filter.entity != NULL);
	/* an older version has no labels */
	n = sql_run("SELECT f.entity, f.name, nullif(btrim(to_jsonb(f) ->> 'label', E' \\t\\r\\n'), ''), "
				"coalesce(f.policy, d.policy, current_setting('ownership.default_policy', true), 'reject'), f.local::text, f.key::text, c.n "
				"FROM unnest($3) WITH ORDINALITY e(entity, i) JOIN ownership.field f ON f.entity = e.entity "
				"LEFT JOIN ownership.domain d ON d.name = f.domain "
				"CROSS JOIN LATERAL (SELECT count(*) AS n, count(t.source) < count(*) OR count(*) = 0 OR min(t.source) <> max(t.source) AS crossing "
				"FROM ownership.mirrored_column c JOIN ownership.mirrored_table t USING (table_schema, table_name) "
				"WHERE c.entity = f.entity AND c.field = f.name) c "
				"WHERE ($4 OR c.crossing) AND " CHOSEN_FIELD(
					"f.entity", "f.name") " ORDER BY e.i, NOT f.key, f.local, f.name COLLATE \"C\"",
				&p);
	fields = SPI_tuptable;
	names = NIL;
	for (uint64 i = 0; i < n; i++)
	{
		names = lappend(names, html_value_of(fields, i, 1));
		field_names = lappend(field_names, html_value_of(fields, i, 2));
	}
	sql_add_texts(&parameters, names);
	sql_add_texts(&parameters, field_names);
	parts.n =
		sql_run("SELECT g.i, p.system, p.part, string_agg(p.how, ', ' ORDER BY p.how) "
				"FROM unnest($1, $2) WITH ORDINALITY g(entity, field, i) "
				"CROSS JOIN LATERAL (SELECT * FROM ownership.part WHERE entity = g.entity AND field = g.field OFFSET 0) p "
				"GROUP BY g.i, p.system, p.rank, p.part ORDER BY g.i, p.system = '?', p.system COLLATE \"C\", p.rank",
				&parameters);
	parts.table = SPI_tuptable;
	foreach(lc, entities)
	{
		const PageEntity *e = lfirst(lc);
		List *decisions = decisions_of(page, e);

		CHECK_FOR_INTERRUPTS();
		entity_head(out, page, e, shown + e->open <= MAX_OPEN_FIELDS || shown == 0);
		shown += e->open;
		for (; row < n && strcmp(html_value_of(fields, row, 1), e->name) == 0; row++)
			field_line(out, page, fields, row, &parts, decisions);
		appendStringInfoString(out, "</tbody></table></div></details>\n");
	}
}

void
page_field_section(StringInfo out, const PageMap *page)
{
	List *entities = NIL;
	List *shown = NIL;
	int fields = 0;
	int left_out = 0;
	ListCell *lc;

	for (int i = 0; i < page->nentities; i++)
		if (page->entities[i].open > 0)
			entities = lappend(entities, &page->entities[i]);
	list_sort(entities, compare_entities);
	foreach(lc, entities)
	{
		PageEntity *e = lfirst(lc);

		if (fields + e->open <= MAX_FIELDS || fields == 0)
		{
			shown = lappend(shown, e);
			fields += e->open;
		}
		else
			left_out += e->open;
	}
	html_heading(out, "fields", "Shared data");
	if (page->nentities == 0)
		appendStringInfoString(out, "<p class=\"none\">No field is on the map yet.</p>\n");
	else if (shown == NIL)
		appendStringInfoString(
			out,
			"<p class=\"none\">No table is shared, and no field is in tables of several sources.</p>\n");
	else
	{
		appendStringInfoString(
			out,
			page->filter.entity != NULL
				? "<p>One line a field. <em>Declared</em>: the map says so. <em>Seen</em>: this database saw it. <em>Refused</em>: the guard refused it.</p>\n"
				: "<p>The fields that several systems have to do with, one line each. <em>Declared</em>: the map says so. <em>Seen</em>: this database saw it. <em>Refused</em>: the guard refused it.</p>\n");
		write_entities(out, page, shown);
	}
	if (left_out > 0)
		appendStringInfo(out,
						 "<p>%d more fields of %d entities are in <code>ownership.matrix</code>; the administrator can make a page of one entity.</p>\n",
						 left_out, list_length(entities) - list_length(shown));
	html_section_end(out);
}
