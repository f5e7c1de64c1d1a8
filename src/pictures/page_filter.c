/*
 * page_filter.c
 *		What a page is about: everything, some entities, or what one system or the
 *		systems of one contact have to do with.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

/* Errors: nothing on the map has the name; the hint suggests the nearest of `names`. */
static void
missing(const char *message, const char *name, List *names, const char *hint)
{
	char *nearest = names_nearest(name, names);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("%s", message),
			 nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest) : errhint("%s", hint)));
}

/*
 * The filter of the arguments of page(); NULL, and for `entity` "*", is no filter.
 * Needs SPI.
 *
 * Errors: no entity matches; no such system; no system has the contact, or that
 * system does not.
 */
void
page_load_filter(PageFilter *filter, char *entity, char *system, char *contact)
{
	Parameters p = {0};

	filter->entity = entity == NULL || strcmp(entity, "*") == 0 ? NULL : entity;
	filter->system = system;
	filter->contact = contact;
	if (filter->entity != NULL)
	{
		List *entities = sql_query_names("SELECT DISTINCT entity FROM ownership.field");
		ListCell *lc;
		bool found = false;

		foreach(lc, entities)
			found |= names_match(entity, lfirst(lc));
		if (!found)
			missing(psprintf("no entity on the map matches \"%s\"", entity), entity, entities,
					"SELECT DISTINCT entity FROM ownership.field lists them.");
	}
	if (system == NULL && contact == NULL)
		return;
	if (system != NULL && !lookup_system_exists(system))
		missing(psprintf("system \"%s\" does not exist", system), system, lookup_system_names(),
				"Register it with ownership.add_system().");
	sql_add_text(&p, system);
	sql_add_text(&p, contact);
	if (sql_run("SELECT name FROM ownership.system WHERE ($1 IS NULL OR name = $1) "
				"AND ($2 IS NULL OR btrim(contact) = btrim($2)) ORDER BY name COLLATE \"C\"",
				&p) == 0)
		missing(system == NULL
					? psprintf("no system has the contact \"%s\"", contact)
					: psprintf("the contact of system \"%s\" is not \"%s\"", system, contact),
				contact,
				sql_query_names(
					"SELECT DISTINCT contact FROM ownership.system WHERE contact IS NOT NULL"),
				"Contacts are in ownership.system.contact.");
	for (uint64 i = 0; i < SPI_processed; i++)
		filter->systems = lappend(filter->systems, sql_result_text(i, 1));
}

/* Adds the parameters of CHOSEN_FIELD(): the entities as LIKE takes them, the systems as text[]. */
void
page_add_filter(Parameters *p, const PageFilter *filter)
{
	if (filter->entity == NULL)
		sql_add_text(p, NULL);
	else
	{
		StringInfoData like;

		initStringInfo(&like);
		for (const char *c = filter->entity; *c != '\0'; c++)
		{
			if (*c == '%' || *c == '_' || *c == '\\')
				appendStringInfoChar(&like, '\\');
			appendStringInfoChar(&like, *c == '*' ? '%' : *c == '?' ? '_' : *c);
		}
		sql_add_text(p, like.data);
	}
	if (filter->systems == NIL)
		sql_add_value(p, TEXTARRAYOID, (Datum) 0, true);
	else
		sql_add_texts(p, filter->systems);
}

bool
page_is_filtered(const PageFilter *filter)
{
	return filter->entity != NULL || filter->systems != NIL;
}

/* Is the page about this entity?  NULL: what is not about a field. */
bool
page_about_entity(const PageFilter *filter, const char *entity)
{
	return filter->entity == NULL || (entity != NULL && names_match(filter->entity, entity));
}

/* Is the page about one of these systems, which are char *? */
bool
page_about_systems(const PageFilter *filter, List *systems)
{
	ListCell *lc;

	if (filter->systems == NIL)
		return true;
	foreach(lc, systems)
		if (names_contain(filter->systems, lfirst(lc)))
			return true;
	return false;
}

/* Writes what the page is about, as a part of a sentence. */
void
page_filter_words(StringInfo out, const PageFilter *filter)
{
	const struct
	{
		const char *what;
		const char *value;
	} parts[] = {{"entity", filter->entity},
				 {"system", filter->system},
				 {"the systems of", filter->contact}};
	const char *separator = "";

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		if (parts[i].value == NULL)
			continue;
		appendStringInfo(out, "%s%s ", separator, parts[i].what);
		html_name(out, parts[i].value);
		separator = ", ";
	}
}
