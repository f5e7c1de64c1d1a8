/*
 * page_landing.c
 *		The landing tables, the private copies of sources: one line a schema, which a
 *		reader opens to see its tables.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "pictures.h"

#define MAX_LISTED 200 /* entities of a schema */

/* The entities of one schema that are copies of one source. */
typedef struct Landing
{
	const char *schema;
	const char *source;
	int fields;
	int owned;
	int decisions;
	List *owners; /* of PageOwner *, sums */
	List *entities;
} Landing;

static void
add_owner(Landing *landing, const PageOwner *owner)
{
	ListCell *lc;
	PageOwner *o;

	foreach(lc, landing->owners)
	{
		o = lfirst(lc);
		if (strcmp(o->system, owner->system) == 0)
		{
			o->fields += owner->fields;
			o->by_default += owner->by_default;
			return;
		}
	}
	o = palloc(sizeof(PageOwner));
	*o = *owner;
	landing->owners = lappend(landing->owners, o);
}

static int
compare_landings(const ListCell *x, const ListCell *y)
{
	const Landing *a = lfirst(x);
	const Landing *b = lfirst(y);
	int schemas = strcmp(a->schema, b->schema);

	return schemas != 0 ? schemas : strcmp(a->source, b->source);
}

/* The schemas with the entities of which nothing is shown field by field. */
static List *
load_landings(const PageMap *page)
{
	List *landings = NIL;

	for (int i = 0; i < page->nentities; i++)
	{
		PageEntity *e = &page->entities[i];
		Landing *landing = NULL;
		ListCell *lc;

		if (e->open > 0 || e->source == NULL)
			continue;
		foreach(lc, landings)
		{
			Landing *other = lfirst(lc);

			if (strcmp(other->schema, e->schema) == 0 && strcmp(other->source, e->source) == 0)
				landing = other;
		}
		if (landing == NULL)
		{
			landing = palloc0(sizeof(Landing));
			landing->schema = e->schema;
			landing->source = e->source;
			landings = lappend(landings, landing);
		}
		landing->fields += e->fields;
		landing->owned += e->owned;
		landing->decisions += e->decisions;
		landing->entities = lappend(landing->entities, e);
		foreach(lc, e->owners)
			add_owner(landing, lfirst(lc));
	}
	list_sort(landings, compare_landings);
	return landings;
}

static void
write_landing(StringInfo out, const PageMap *page, const Landing *landing)
{
	ListCell *lc;
	int n = list_length(landing->entities);

	appendStringInfoString(out, "<details><summary><b>");
	html_name(out, landing->schema);
	appendStringInfoString(out, "</b><span class=\"quiet\">copy of ");
	page_system_name(out, page, landing->source);
	appendStringInfo(out, ": %d entit%s, %d field%s", n, n == 1 ? "y" : "ies", landing->fields,
					 landing->fields == 1 ? "" : "s");
	if (landing->owners != NIL)
	{
		appendStringInfoString(out, "; owners: ");
		page_owners(out, page, landing->owners);
	}
	appendStringInfoString(out, "</span>");
	if (landing->fields > landing->owned)
		appendStringInfo(out, " <span class=\"badge high\">%d without owner</span>",
						 landing->fields - landing->owned);
	if (landing->decisions > 0)
		appendStringInfo(out, " <span class=\"badge medium\">%d to decide</span>",
						 landing->decisions);
	appendStringInfoString(out, "</summary>\n");
	TABLE_HEAD(out, "Entities of a landing schema", "Entity", "Fields", "Local", "Owners",
			   "Without owner", "To decide");
	foreach(lc, landing->entities)
	{
		const PageEntity *e = lfirst(lc);

		if (foreach_current_index(lc) >= MAX_LISTED)
			break;
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		html_name(out, e->name);
		appendStringInfoString(out, "</th>");
		html_number_cell(out, psprintf("%d", e->fields));
		html_number_cell(out, psprintf("%d", e->local));
		appendStringInfoString(out, "<td>");
		page_owners(out, page, e->owners);
		appendStringInfoString(out, "</td>");
		html_number_cell(out, psprintf("%d", e->fields - e->owned));
		html_number_cell(out, psprintf("%d", e->decisions));
		appendStringInfoString(out, "</tr>\n");
	}
	html_table_end(out);
	if (n > MAX_LISTED)
		appendStringInfo(out,
						 "<p>These are the first %d of %d; all fields are in <code>ownership.matrix</code>.</p>\n",
						 MAX_LISTED, n);
	appendStringInfoString(out, "</details>\n");
}

void
page_landing_section(StringInfo out, const PageMap *page)
{
	List *landings = load_landings(page);
	ListCell *lc;

	/* whoever asks for an entity sees it above, field by field */
	if (landings == NIL && page_is_filtered(&page->filter))
		return;
	html_heading(out, "landing", "Landing tables");
	if (landings == NIL)
		appendStringInfoString(out,
							   "<p class=\"none\">No table is the private copy of a source.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>Private copies of sources, one line a schema. A source may write all of its own copy; that is no decision about its fields.</p>\n");
	foreach(lc, landings)
		write_landing(out, page, lfirst(lc));
	html_section_end(out);
}
