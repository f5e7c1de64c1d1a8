/*
 * known.c
 *		The fields and entities of the map, found by their names in constant time.
 *
 * A name means what is written exactly so, else the only one that is the same in any
 * case.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "sheet.h"

/* The names of the map, and those that the file adds. */
struct MapNames
{
	HTAB *fields;		   /* by entity.name */
	HTAB *folded_fields;   /* the same in lower case */
	HTAB *entities;		   /* by name */
	HTAB *folded_entities; /* the same in lower case */
	HTAB *file_entities;   /* in lower case; their first spelling in the file */
};

/* Enters what a text means; another meaning of the same text makes it mean several. */
static void
enter(HTAB *hash, char *text, char *entity, char *name)
{
	bool found;
	Known *k = hash_search(hash, &text, HASH_ENTER, &found);

	if (!found)
	{
		k->entity = entity;
		k->name = name;
	}
	else if (k->entity != NULL && (strcmp(k->entity, entity) != 0 || strcmp(k->name, name) != 0))
		k->entity = NULL;
}

static Known *
find(HTAB *hash, const char *text)
{
	Known *k = hash_search(hash, &text, HASH_FIND, NULL);

	return k == NULL || k->entity == NULL ? NULL : k;
}

/* Loads the names of the map. */
MapNames *
known_load(void)
{
	MapNames *names = palloc(sizeof(MapNames));
	Parameters none = {0};
	uint64 n =
		sql_run("SELECT entity, name, lower(entity), lower(name) FROM ownership.field", &none);

	names->fields = resolve_hash(sizeof(Known));
	names->folded_fields = resolve_hash(sizeof(Known));
	names->entities = resolve_hash(sizeof(Known));
	names->folded_entities = resolve_hash(sizeof(Known));
	names->file_entities = resolve_hash(sizeof(Known));
	for (uint64 i = 0; i < n; i++)
	{
		char *entity = sql_result_text(i, 1);
		char *name = sql_result_text(i, 2);
		char *folded = sql_result_text(i, 3);

		CHECK_FOR_INTERRUPTS();
		enter(names->fields, psprintf("%s.%s", entity, name), entity, name);
		enter(names->folded_fields, psprintf("%s.%s", folded, sql_result_text(i, 4)), entity, name);
		enter(names->entities, entity, entity, "");
		enter(names->folded_entities, folded, entity, "");
	}
	return names;
}

/* The field of the map that is written exactly so, else the only one that is so in any case; NULL: none. */
Known *
known_field(const MapNames *names, const char *entity, const char *field)
{
	char *text = psprintf("%s.%s", entity, field);
	Known *k = find(names->fields, text);

	return k != NULL ? k : find(names->folded_fields, sheet_fold(text));
}

/* The entity of a field that is not on the map: it joins one in any case. */
char *
known_entity_name(const MapNames *names, char *entity)
{
	char *folded = NULL;
	Known *k = find(names->entities, entity);

	if (k == NULL)
	{
		folded = sheet_fold(entity);
		k = find(names->folded_entities, folded);
	}
	if (k == NULL)
	{
		bool found;

		/* the first spelling in the file counts */
		k = hash_search(names->file_entities, &folded, HASH_ENTER, &found);
		if (!found)
			k->entity = entity;
	}
	return k->entity;
}

/* Is it an entity of the map, in any case? */
bool
known_is_entity(const MapNames *names, const char *text)
{
	return find(names->entities, text) != NULL ||
		   find(names->folded_entities, sheet_fold(text)) != NULL;
}

/* Is it entity.name of a field of the map, in any case? */
bool
known_is_field(const MapNames *names, const char *text)
{
	return find(names->fields, text) != NULL || find(names->folded_fields, sheet_fold(text)) != NULL;
}
