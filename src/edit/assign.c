/*
 * assign.c
 *		assign() and assign_rows(): the caller gives fields, or some of their
 *		rows, an owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_assign);
PG_FUNCTION_INFO_V1(ownership_assign_rows);

/*
 * assign(relation, columns, owner, readers, writers, domain, policy, entity,
 * rationale): put columns on the map, set their fields' owner, and guard the
 * table.
 *
 * A NULL leaves what the map says, with two exceptions: columns NULL means all
 * columns of the table, owner NULL means that the fields have no owner.
 *
 * Errors: an argument names what does not exist or cannot be on the map; a
 * column is mapped to a field of another entity; the table is not the caller's.
 */
Datum
ownership_assign(PG_FUNCTION_ARGS)
{
	Oid relid = require_argument_relation(fcinfo, 0);
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	List *columns = call_list(fcinfo, 1, NAMEOID, "columns");
	char *owner = call_text(fcinfo, 2);
	List *readers = call_list(fcinfo, 3, TEXTOID, "readers");
	List *writers = call_list(fcinfo, 4, TEXTOID, "writers");
	char *domain = call_text(fcinfo, 5);
	char *policy = call_text(fcinfo, 6);
	char *entity = call_text(fcinfo, 7);
	char *rationale = call_text(fcinfo, 8);
	Bitmapset *key = field_primary_key(relid);
	List *specs = NIL;
	ListCell *lc;

	if (PG_ARGISNULL(1))
		columns = field_table_columns(relid);
	else if (columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no columns are given"),
						errhint("Name them, or give NULL for all columns of the table.")));
	SPI_connect();
	require_system(owner);
	require_systems(readers);
	require_systems(writers);
	require_domain(domain);
	require_policy(policy);
	foreach(lc, columns)
	{
		ColumnSpec *s = palloc0(sizeof(ColumnSpec));
		char *old_entity;
		char *old_field;

		s->schema = schema;
		s->table = table;
		s->column = lfirst(lc);
		s->key = field_in_key(key, require_column(relid, s->column));
		s->entity = entity != NULL ? entity : names_default_entity(schema, table);
		s->field = s->column;
		if (lookup_mapped_field(schema, table, s->column, &old_entity, &old_field))
		{
			if (entity != NULL && strcmp(entity, old_entity) != 0)
				field_already_mapped(schema, table, s->column, old_entity, old_field);
			s->entity = old_entity;
			s->field = old_field;
		}
		specs = lappend(specs, s);
	}
	field_map_columns(specs);
	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);
		Parameters p = {0};

		sql_add_text(&p, s->entity);
		sql_add_text(&p, s->field);
		sql_add_text(&p, owner);
		sql_add_text(&p, domain);
		sql_add_text(&p, policy);
		sql_add_text(&p, rationale);
		sql_run("UPDATE ownership.field SET owner = $3, domain = coalesce($4, domain), "
				"policy = coalesce($5, policy), rationale = coalesce($6, rationale) "
				"WHERE entity = $1 AND name = $2",
				&p);
		if (!PG_ARGISNULL(3))
			field_set_access(s->entity, s->field, "read", readers);
		if (!PG_ARGISNULL(4))
			field_set_access(s->entity, s->field, "write", writers);
		field_check_comparable(s->entity, s->field);
	}
	guard_relation(relid, false);
	field_report_overwritable(schema, table, columns);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * assign_rows(relation, columns, owner, row_filter): add a rule behind the
 * columns' rules; where a rule has the same filter, only its owner changes.
 *
 * Errors: a column is not on the map; the filter cannot work on the table; the
 * table is not the caller's.
 */
Datum
ownership_assign_rows(PG_FUNCTION_ARGS)
{
	Oid relid = require_argument_relation(fcinfo, 0);
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	List *columns = call_list(fcinfo, 1, NAMEOID, "columns");
	char *owner = call_text(fcinfo, 2);
	char *filter = call_text(fcinfo, 3);
	ListCell *lc;

	if (columns == NIL || filter == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("assign_rows() needs columns and a row filter"),
						errhint("For all rows, use ownership.assign().")));
	SPI_connect();
	require_system(owner);
	foreach(lc, columns)
	{
		Parameters p = {0};
		char *column = lfirst(lc);
		char *entity;
		char *field;

		(void) require_column(relid, column);
		if (!lookup_mapped_field(schema, table, column, &entity, &field))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
							errmsg("column \"%s\" of table \"%s\" is not on the ownership map",
								   column, names_message_relation(schema, table)),
							errhint("Assign it first; that owner counts where no filter matches.")));
		sql_add_text(&p, schema);
		sql_add_text(&p, table);
		sql_add_text(&p, column);
		sql_add_text(&p, filter);
		sql_add_text(&p, owner);
		if (sql_run("UPDATE ownership.row_owner SET owner = $5 WHERE table_schema = $1 "
					"AND table_name = $2 AND column_name = $3 AND row_filter = $4",
					&p) == 0)
			sql_run("INSERT INTO ownership.row_owner (table_schema, table_name, column_name, position, row_filter, owner) "
					"SELECT $1, $2, $3, 1 + coalesce(max(position), 0), $4, $5 FROM ownership.row_owner "
					"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
					&p);
	}
	guard_relation(relid, true);
	field_report_overwritable(schema, table, columns);
	SPI_finish();
	PG_RETURN_VOID();
}
