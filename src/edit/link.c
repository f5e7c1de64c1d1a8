/*
 * link.c
 *		link(): columns of several tables become copies of one field.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_link);

/*
 * Is a field with nearly the wanted name another one, and not what a misspelt name means?
 * It is if one of the columns' tables contains it in another column; and if it is the
 * field that one of the columns is by default, of an entity of another name (products).
 */
static bool
is_another_field(const char *near, const char *entity, List *columns)
{
	char *near_entity;
	char *near_field;
	ListCell *lc;

	names_split_field(near, &near_entity, &near_field);
	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;
		ListCell *holder;

		names_split_column(lfirst(lc), &schema, &table, &column);
		foreach(holder, lookup_columns_of(schema, table, near_entity, near_field))
		{
			if (strcmp(lfirst(holder), column) != 0 ||
				(strcmp(near_entity, entity) != 0 &&
				 names_is_default_field(schema, table, column, near_entity, near_field)))
				return true;
		}
	}
	return false;
}

/*
 * Require the field that link() makes columns copies of; create it if one of
 * the columns is on the map.  The new field gets what was decided for the field
 * of the first such column, the authoritative one before the others.
 *
 * Errors: the field does not exist, and none of the columns is on the map, or a
 * field with nearly that name exists.
 */
static void
require_or_create_field(const char *entity, const char *field, List *columns,
						const char *authoritative)
{
	char *label = psprintf("%s.%s", entity, field);
	List *candidates = NIL;
	char *nearest;
	ListCell *lc;

	if (lookup_field_exists(entity, field))
		return;
	nearest = require_near_field(entity, field);
	if (nearest != NULL && is_another_field(nearest, entity, columns))
		nearest = NULL;
	if (authoritative != NULL)
		candidates = list_make1(unconstify(char *, authoritative));
	candidates = list_concat(candidates, columns);
	foreach(lc, candidates)
	{
		Parameters p = {0};
		char *schema;
		char *table;
		char *column;
		char *old_entity;
		char *old_field;

		names_split_column(lfirst(lc), &schema, &table, &column);
		if (nearest != NULL || !lookup_mapped_field(schema, table, column, &old_entity, &old_field))
			continue;
		sql_add_text(&p, old_entity);
		sql_add_text(&p, old_field);
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
#define COPY_FIELD(settings, values)                                                            \
	"INSERT INTO ownership.field (entity, name, domain, owner, policy, key, local, rationale, " \
	"decided_by, decided_on" settings ") SELECT $3, $4, domain, owner, policy, key, local, "    \
	"rationale, decided_by, decided_on" values                                                  \
	" FROM ownership.field WHERE entity = $1 AND name = $2"
#define SETTINGS ", label, on_blank, history, sensitive, match_key, fresh_within"
		if (field_knows_settings())
			/* a group is of one entity */
			sql_run(COPY_FIELD(SETTINGS ", column_group",
							   SETTINGS ", CASE WHEN $1 = $3 THEN column_group END"),
					&p);
		else
			sql_run(COPY_FIELD("", ""), &p);
#undef SETTINGS
#undef COPY_FIELD
		sql_run("INSERT INTO ownership.declared_access (entity, field, system, mode) "
				"SELECT $3, $4, system, mode FROM ownership.declared_access "
				"WHERE entity = $1 AND field = $2",
				&p);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("field \"%s\" does not exist", label),
			 nearest != NULL
				 ? errhint("Perhaps you meant field \"%s\". If not, insert \"%s\" into ownership.field first.",
						   nearest, label)
				 : errhint("Insert it into ownership.field first, or assign one of its columns.")));
}

/* A column becomes a copy of the field: a notice tells if that takes it out of its group. */
static void
report_left_group(const char *schema, const char *table, const char *column, const char *entity,
				  const char *field)
{
	char *old_entity;
	char *old_field;
	char *old;
	char *new;

	if (!lookup_mapped_field(schema, table, column, &old_entity, &old_field))
		return;
	old = field_group(old_entity, old_field);
	new = field_group(entity, field);
	if (old == NULL || (new != NULL &&strcmp(old_entity, entity) == 0 && strcmp(old, new) == 0))
		return;
	ereport(NOTICE,
			(errmsg("column \"%s\" of table \"%s\" leaves group \"%s\" of entity \"%s\"", column,
					names_message_relation(schema, table), old, old_entity),
			 errdetail("Field \"%s.%s\" is not part of that group: the column is not kept together with the other columns any more.",
					   entity, field),
			 errhint("Link the other columns of the group to fields of entity \"%s\", too, and give all these fields one column_group.",
					 entity)));
}

/*
 * link(field, columns, authoritative): make columns copies of one field.  A
 * table that gets a copy is guarded, if it is the caller's.  authoritative NULL
 * leaves the authoritative copy as it is.
 *
 * Errors: a field, table or column does not exist or cannot be on the map; a
 * column is mapped to another field; types cannot be compared; the
 * authoritative column is not a copy.
 */
Datum
ownership_link(PG_FUNCTION_ARGS)
{
	char *name = call_text(fcinfo, 0);
	List *columns = call_list(fcinfo, 1, TEXTOID, "columns");
	char *authoritative = call_text(fcinfo, 2);
	char *entity;
	char *field;
	char *auth[3] = {NULL, NULL, NULL};
	bool auth_found = authoritative == NULL;
	List *relids = NIL;
	ListCell *lc;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the field must not be null")));
	if (columns == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no columns are given"),
				 errhint("Name the columns that are copies of the field, as schema.table.column.")));
	names_split_field(name, &entity, &field);
	if (authoritative != NULL)
		names_split_column(authoritative, &auth[0], &auth[1], &auth[2]);

	SPI_connect();
	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;
		Oid relid;

		names_split_column(lfirst(lc), &schema, &table, &column);
		relid = require_table(schema, table);
		(void) require_column(relid, column);
		relids = list_append_unique_oid(relids, relid);
		if (authoritative != NULL)
			auth_found |= strcmp(schema, auth[0]) == 0 && strcmp(table, auth[1]) == 0 &&
						  strcmp(column, auth[2]) == 0;
	}
	require_or_create_field(entity, field, columns, authoritative);
	if (authoritative != NULL)
	{
		Parameters p = {0};
		char *old_entity;
		char *old_field;

		/* it may be a copy already */
		if (!auth_found && lookup_mapped_field(auth[0], auth[1], auth[2], &old_entity, &old_field))
			auth_found = strcmp(entity, old_entity) == 0 && strcmp(field, old_field) == 0;
		if (!auth_found)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("authoritative column \"%s\" is not a copy of field \"%s\"",
								   authoritative, name),
							errhint("Name it among the columns.")));
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
		sql_run("UPDATE ownership.mirrored_column SET authoritative = false "
				"WHERE entity = $1 AND field = $2 AND authoritative",
				&p);
		if (lookup_mapped_field(auth[0], auth[1], auth[2], &old_entity, &old_field) &&
			strcmp(entity, old_entity) == 0 && strcmp(field, old_field) == 0)
			field_map_column(auth[0], auth[1], auth[2], entity, field, true);
	}
	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;
		Oid relid;

		names_split_column(lfirst(lc), &schema, &table, &column);
		relid = require_table(schema, table);
		report_left_group(schema, table, column, entity, field);
		if (field_map_column(schema, table, column, entity, field,
							 authoritative != NULL && strcmp(schema, auth[0]) == 0 &&
								 strcmp(table, auth[1]) == 0 && strcmp(column, auth[2]) == 0) &&
			field_in_key(field_primary_key(relid), get_attnum(relid, column)))
		{
			Parameters p = {0};

			sql_add_text(&p, entity);
			sql_add_text(&p, field);
			sql_run("UPDATE ownership.field SET key = true "
					"WHERE entity = $1 AND name = $2 AND NOT key",
					&p);
		}
	}
	field_check_comparable(entity, field);
	foreach(lc, relids)
	{
		if (compat_table_ownercheck(lfirst_oid(lc), GetUserId()))
			guard_relation(lfirst_oid(lc), true);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
