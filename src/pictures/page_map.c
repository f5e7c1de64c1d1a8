/*
 * page_map.c
 *		The map as the page needs it: its systems, and its entities with what they
 *		contain, counted.  One query reads the fields of a map of any size.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "../base/base.h"
#include "pictures.h"

static void
load_systems(PageMap *page)
{
	page->nsystems = html_query("SELECT name, coalesce(nullif(btrim(title), ''), name), kind, "
								"nullif(btrim(contact), '') FROM ownership.system "
								"ORDER BY name COLLATE \"C\"");
	page->systems = palloc0(Max(page->nsystems, 1) * sizeof(PageSystem));
	for (int i = 0; i < page->nsystems; i++)
	{
		page->systems[i].name = sql_result_text(i, 1);
		page->systems[i].shown = sql_result_text(i, 2);
		page->systems[i].kind = sql_result_text(i, 3);
		page->systems[i].contact = sql_result_text(i, 4);
	}
}

static int
compare_system(const void *key, const void *system)
{
	return strcmp(key, ((const PageSystem *) system)->name);
}

/* The system of that name; NULL: none, such as "a steward". */
const PageSystem *
page_find_system(const PageMap *page, const char *system)
{
	return bsearch(system, page->systems, page->nsystems, sizeof(PageSystem), compare_system);
}

/* Writes the name that people use for a system. */
void
page_system_name(StringInfo out, const PageMap *page, const char *system)
{
	const PageSystem *found = page_find_system(page, system);

	html_name(out, found == NULL ? system : found->shown);
}

/* Writes owners with the numbers of their fields. */
void
page_owners(StringInfo out, const PageMap *page, List *owners)
{
	ListCell *lc;

	foreach(lc, owners)
	{
		const PageOwner *o = lfirst(lc);

		if (foreach_current_index(lc) > 0)
			appendStringInfoString(out, ", ");
		page_system_name(out, page, o->system);
		appendStringInfo(out, " %d", o->fields);
		if (o->by_default == o->fields)
			appendStringInfoString(out, " (by default)");
		else if (o->by_default > 0)
			appendStringInfo(out, " (%d by default)", o->by_default);
	}
}

static int
compare_entity(const void *key, const void *entity)
{
	return strcmp(key, ((const PageEntity *) entity)->name);
}

/* The entity of that name; NULL: the page is not about it. */
PageEntity *
page_find_entity(const PageMap *page, const char *entity)
{
	return entity == NULL ? NULL
						  : bsearch(entity, page->entities, page->nentities, sizeof(PageEntity),
									compare_entity);
}

/*
 * Loads the systems and the entities.  An owner is one by default by the rule of the
 * view by_default; to ask the view would read the map a second time.
 */
void
page_load_map(PageMap *page)
{
	Parameters p = {0};
	uint64 n;
	PageEntity *entity = NULL;

	load_systems(page);
	page_add_filter(&p, &page->filter);
	n = sql_run(
		"SELECT f.entity, f.owner, count(*) FILTER (WHERE NOT f.local), count(*) FILTER (WHERE f.local), "
		"count(*) FILTER (WHERE NOT f.local AND f.owner IS NOT NULL AND c.only_source = f.owner "
		"AND concat(f.rationale, f.decided_by, f.decided_on) = ''), "
		"count(*) FILTER (WHERE c.only_source IS NULL), min(c.schema), min(c.source) "
		"FROM ownership.field_now f "
		/* only_source: of all tables with the field */
		"LEFT JOIN (SELECT c.entity, c.field, min(c.table_schema) AS schema, min(t.source) AS source, "
		"CASE WHEN count(t.source) = count(*) AND min(t.source) = max(t.source) THEN min(t.source) END AS only_source "
		"FROM ownership.mirrored_column c "
		"LEFT JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
		"GROUP BY c.entity, c.field) c ON c.entity = f.entity AND c.field = f.name "
		"WHERE " CHOSEN_FIELD("f.entity", "f.name") " GROUP BY f.entity, f.owner "
		"ORDER BY f.entity COLLATE \"C\", f.owner COLLATE \"C\"",
		&p);
	page->entities = palloc0(Max(n, 1) * sizeof(PageEntity));
	for (uint64 i = 0; i < n; i++)
	{
		char *name = sql_result_text(i, 1);
		char *owner = sql_result_text(i, 2);
		int fields = atoi(sql_result_text(i, 3));
		int by_default = atoi(sql_result_text(i, 5));

		CHECK_FOR_INTERRUPTS();
		if (entity == NULL || strcmp(entity->name, name) != 0)
		{
			entity = &page->entities[page->nentities++];
			entity->name = name;
		}
		entity->fields += fields;
		entity->local += atoi(sql_result_text(i, 4));
		entity->crossing += atoi(sql_result_text(i, 6));
		if (entity->schema == NULL)
			entity->schema = sql_result_text(i, 7);
		if (entity->source == NULL)
			entity->source = sql_result_text(i, 8);
		if (owner != NULL && fields > 0)
		{
			PageOwner *o = palloc(sizeof(PageOwner));

			o->system = owner;
			o->fields = fields;
			o->by_default = by_default;
			entity->owners = lappend(entity->owners, o);
			entity->owned += fields;
			entity->by_default += by_default;
		}
	}
	for (int i = 0; i < page->nentities; i++)
	{
		entity = &page->entities[i];
		/* whoever asks for an entity wants to see all of it */
		entity->open =
			page->filter.entity != NULL ? entity->fields + entity->local : entity->crossing;
		page->fields += entity->fields;
		page->owned += entity->owned;
		page->by_default += entity->by_default;
	}
}
