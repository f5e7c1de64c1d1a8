/*
 * lookup.c
 *		Single facts of the map, read with the newest snapshot.
 */
#include "postgres.h"

#include "utils/snapshot.h"

#include "../base/base.h"
#include "catalog.h"

/* Is a table of that name on the map? */
bool
lookup_is_mirrored(const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is the column on the map?  One that only a table above has on the map is not. */
bool
lookup_column_is_mirrored(const TablePlace *place, const char *column)
{
	const char *keys[3] = {place->schema, place->table, column};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* The field that a column is mapped to; false if the column is not on the map. */
bool
lookup_mapped_field(const char *schema, const char *table, const char *column, char **entity,
					char **field)
{
	const char *keys[3] = {schema, table, column};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	bool found = catalog_next(scan);

	if (found)
	{
		*entity = catalog_text(scan, Anum_mirrored_column_entity);
		*field = catalog_text(scan, Anum_mirrored_column_field);
	}
	catalog_end(scan);
	return found;
}

/* The systems that are declared to use a field; `mode` is "read" or "write". */
List *
lookup_declared_systems(const char *entity, const char *field, const char *mode)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("declared_access", "declared_access_pkey", 2, keys, NULL);
	List *systems = NIL;

	while (catalog_next(scan))
		if (strcmp(catalog_text(scan, Anum_declared_access_mode), mode) == 0)
			systems = lappend(systems, catalog_text(scan, Anum_declared_access_system));
	catalog_end(scan);
	return systems;
}

bool
lookup_field_exists(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is the field marked as key?  False if there is no such field. */
bool
lookup_field_is_key(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	bool key = catalog_next(scan) && catalog_bool(scan, Anum_field_key);

	catalog_end(scan);
	return key;
}

/* The names of the entity's fields in which a boolean column of ownership.field is true. */
static List *
marked_fields(const char *entity, int attnum)
{
	const char *keys[1] = {entity};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 1, keys, NULL);
	List *names = NIL;

	while (catalog_next(scan))
		if (catalog_bool(scan, attnum))
			names = lappend(names, catalog_text(scan, Anum_field_name));
	catalog_end(scan);
	return names;
}

/* The names of the entity's key fields. */
List *
lookup_key_fields(const char *entity)
{
	return marked_fields(entity, Anum_field_key);
}

/*
 * The names of the fields that tell which rows of different tables are the same record:
 * those of the entity that are marked as match key; if none is, its key fields.
 */
List *
lookup_match_fields(const char *entity)
{
	List *names = marked_fields(entity, Anum_field_match_key);

	return names != NIL ? names : lookup_key_fields(entity);
}

/* The system of record of a field at a time; NULL: it has none, or there is no such field. */
char *
lookup_field_owner(const char *entity, const char *field, TimestampTz at)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	char *owner = catalog_next(scan) ? catalog_text(scan, Anum_field_owner) : NULL;

	catalog_end(scan);
	if (owner == NULL || !succession_exists(NULL))
		return owner;
	return succession_owner(succession_of(entity, field, NULL), "", owner, at);
}

/* The names of a table's columns that are mapped to the field. */
List *
lookup_columns_of(const char *schema, const char *table, const char *entity, const char *field)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, NULL);
	List *names = NIL;

	while (catalog_next(scan))
		if (strcmp(catalog_text(scan, Anum_mirrored_column_entity), entity) == 0 &&
			strcmp(catalog_text(scan, Anum_mirrored_column_field), field) == 0)
			names = lappend(names, catalog_text(scan, Anum_mirrored_column_column));
	catalog_end(scan);
	return names;
}

/* The columns that are mapped to the field, as names_column_label() writes them. */
List *
lookup_field_columns(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_field_idx", 2, keys, NULL);
	List *columns = NIL;

	while (catalog_next(scan))
		columns =
			lappend(columns, names_column_label(catalog_text(scan, Anum_mirrored_column_schema),
												catalog_text(scan, Anum_mirrored_column_table),
												catalog_text(scan, Anum_mirrored_column_column)));
	catalog_end(scan);
	return columns;
}

/* lookup_field_is_key() as a snapshot sees it. */
bool
lookup_field_is_key_in(const char *entity, const char *field, Snapshot snapshot)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, snapshot);
	bool key = catalog_next(scan) && catalog_bool(scan, Anum_field_key);

	catalog_end(scan);
	return key;
}

/* The system that a table is a private copy of; NULL: it is shared, or not on the map. */
char *
lookup_table_source(const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, NULL);
	char *source = catalog_next(scan) ? catalog_text(scan, Anum_mirrored_table_source) : NULL;

	catalog_end(scan);
	return source;
}

/* Is there a system of this name? */
bool
lookup_system_exists(const char *name)
{
	const char *keys[1] = {name};
	Snapshot snapshot = catalog_snapshot();
	CatalogScan *scan = catalog_begin("system", "system_pkey", 1, keys, snapshot);
	bool found = catalog_next(scan);

	catalog_end(scan);
	catalog_release(snapshot);
	return found;
}

/* The names of all systems, from which an error suggests one. */
List *
lookup_system_names(void)
{
	Snapshot snapshot = catalog_snapshot();
	CatalogScan *scan = catalog_begin("system", NULL, 0, NULL, snapshot);
	List *names = NIL;

	while (catalog_next(scan))
		names = lappend(names, catalog_text(scan, Anum_system_name));
	catalog_end(scan);
	catalog_release(snapshot);
	return names;
}
