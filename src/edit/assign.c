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

/* What assign() sets by one statement for all of its columns, or for one column only. */
typedef struct Extras
{
	char *creates; /* "owner" or "anyone" */
	char *group;
	char *label;
} Extras;

/*
 * The arguments creates, column_group and label, for n columns; NULLs where the
 * caller gives none.
 *
 * Errors: one of them is blank or unknown; there is a label for several columns.
 */
static Extras
read_extras(FunctionCallInfo fcinfo, int n)
{
	Extras e = {0};

	/* the function of an older version has fewer arguments */
	if (PG_NARGS() < 12)
		return e;
	e.creates = call_text(fcinfo, 9);
	e.group = call_text(fcinfo, 10);
	e.label = call_text(fcinfo, 11);
	if (e.creates != NULL && strcmp(e.creates, "owner") != 0 && strcmp(e.creates, "anyone") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"creates\" must be \"owner\" or \"anyone\", not \"%s\"", e.creates),
						errhint("It says who creates rows. NULL leaves it as it is.")));
	if (e.group != NULL && names_is_blank_edged(e.group))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid column group: \"%s\"", e.group),
				 errhint(
					 "A group has a name without blanks around it. To end a group, set \"column_group\" of its fields to NULL in ownership.field.")));
	if (e.label == NULL)
		return e;
	if (e.label[strspn(e.label, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the label must not be blank"),
				 errhint("To take a label away, set it to NULL in ownership.field.")));
	if (n != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a label is for one column, not for %d columns", n),
						errhint("Call ownership.assign() for each column that has a label.")));
	return e;
}

/*
 * Let anyone create rows, or only the owner, by the policy of those of the fields
 * that are keys.  Only what lets others create rows is taken back from a key.
 *
 * Errors: none of the fields is a key.
 */
static void
set_creates(const char *creates, List *entities, List *fields)
{
	Parameters p = {0};
	Parameters q = {0};

	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	q = p;
#define KEYS "f.key AND (f.entity, f.name) IN (SELECT * FROM unnest($1, $2)) "
	if (sql_run("SELECT FROM ownership.field f WHERE " KEYS "LIMIT 1", &p) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("none of the columns is a key"),
				 errdetail("Who creates rows is decided by the policy of the key."),
				 errhint(
					 "Name the key columns, too, or mark them: set \"key\" of their fields in ownership.field.")));
	if (strcmp(creates, "anyone") == 0)
	{
		sql_run("UPDATE ownership.field f SET policy = 'create_only' WHERE " KEYS
				"AND f.policy IS DISTINCT FROM 'create_only'",
				&p);
		return;
	}
	sql_add_text(&q, policy_name(ownership_default_policy));
	/* a policy of its own, where what would count without it lets others create rows, too */
	sql_run("UPDATE ownership.field f SET policy = CASE WHEN coalesce(d.policy, $3) IN ('fill', 'create_only') THEN 'reject' END "
			"FROM ownership.field g LEFT JOIN ownership.domain d ON d.name = g.domain "
			"WHERE (g.entity, g.name) = (f.entity, f.name) AND coalesce(g.policy, d.policy, $3) IN ('fill', 'create_only') AND " KEYS,
			&q);
#undef KEYS
}

/* Set the extras of the columns (of ColumnSpec), which are on the map. */
static void
set_extras(const Extras *e, List *specs)
{
	List *entities = NIL;
	List *fields = NIL;
	Parameters p = {0};
	ListCell *lc;

	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		entities = lappend(entities, unconstify(char *, s->entity));
		fields = lappend(fields, unconstify(char *, s->field));
	}
	if (e->creates != NULL)
		set_creates(e->creates, entities, fields);
	if (e->group == NULL && e->label == NULL)
		return;
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	sql_add_text(&p, e->group);
	sql_add_text(&p, e->label);
	/* one statement: a group is complete at its end only */
	sql_run("UPDATE ownership.field SET column_group = coalesce($3, column_group), label = coalesce($4, label) "
			"WHERE (entity, name) IN (SELECT * FROM unnest($1, $2))",
			&p);
}

/*
 * assign(relation, columns, owner, readers, writers, domain, policy, entity,
 * rationale, creates, column_group, label): put columns on the map, set their
 * fields' owner, and guard the table.
 *
 * A NULL leaves what the map says, with two exceptions: columns NULL means all
 * columns of the table, owner NULL means that the fields have no owner.
 *
 * Errors: an argument names what does not exist or cannot be on the map; a
 * column is mapped to a field of another entity; the table is not the caller's;
 * those of read_extras() and set_creates().
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
	Extras extras;
	ListCell *lc;

	if (PG_ARGISNULL(1))
		columns = field_table_columns(relid);
	else if (columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no columns are given"),
						errhint("Name them, or give NULL for all columns of the table.")));
	extras = read_extras(fcinfo, list_length(columns));
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
	set_extras(&extras, specs);
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
