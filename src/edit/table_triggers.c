/*
 * table_triggers.c
 *		Triggers on the extension's own tables.
 *
 * They notify every session that the map changed, and keep rows right in
 * whatever way they are written.  None fails because an object is absent: the
 * map is data, and the view risks shows what is missing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../guard/guard.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_resolve);
PG_FUNCTION_INFO_V1(ownership_map_changed);
PG_FUNCTION_INFO_V1(ownership_identity_bind);
PG_FUNCTION_INFO_V1(ownership_mirrored_column_table);
PG_FUNCTION_INFO_V1(ownership_row_owner_check);
PG_FUNCTION_INFO_V1(ownership_map_restored);
PG_FUNCTION_INFO_V1(ownership_pattern_readers);
PG_FUNCTION_INFO_V1(ownership_field_renamed);

/* Calls of table_triggers_write_filters() under way. */
static int carrying;

/*
 * map_changed(), AFTER each change on every table of the map: sessions load the
 * map again.  Others get the invalidation message at commit; in this session
 * the change counts from the next command on.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_map_changed(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "map_changed");
	Oid relid;

	publish_follow(td);
	relid = catalog_table(CATALOG_SIGNAL, true);
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	map_edited();
	lift_undo();
	return PointerGetDatum(NULL);
}

/* Delete the row of bound_role for a role's name, if there is one. */
static void
unbind_role(Relation bound, const char *name)
{
	const char *keys[1] = {name};
	CatalogScan *scan = catalog_begin("bound_role", "bound_role_pkey", 1, keys, NULL);

	while (catalog_next(scan))
		CatalogTupleDelete(bound, catalog_tid(scan));
	catalog_end(scan);
}

/*
 * identity_bind(), BEFORE each row change on identity: bound_role remembers
 * which role has the name now.  A role that may write identities has no
 * privilege to write bound_role, so the trigger does it.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_identity_bind(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "identity_bind");
	bool delete = TRIGGER_FIRED_BY_DELETE(td->tg_event);
	HeapTuple tuple = call_written_tuple(td);
	Relation bound;

	/* a system's new name cascades along the foreign key: the identity is the same */
	if (InNoForceRLSOperation())
		return PointerGetDatum(tuple);

	bound = table_open(catalog_table("bound_role", false), RowExclusiveLock);
	if (!TRIGGER_FIRED_BY_INSERT(td->tg_event) &&
		strcmp(call_row_text(td, td->tg_trigtuple, "kind"), "role") == 0)
		unbind_role(bound, call_row_text(td, td->tg_trigtuple, "name"));
	CommandCounterIncrement();
	if (!delete)
	{
		char *kind = call_row_text(td, tuple, "kind");
		char *name = call_row_text(td, tuple, "name");

		if (kind != NULL && name != NULL && strcmp(kind, "role") == 0)
		{
			Oid role = get_role_oid(name, true);

			unbind_role(bound, name);
			CommandCounterIncrement();
			if (OidIsValid(role))
			{
				Datum values[2];
				bool nulls[2] = {false, false};

				values[0] = CStringGetTextDatum(name);
				values[1] = ObjectIdGetDatum(role);
				CatalogTupleInsert(bound, heap_form_tuple(RelationGetDescr(bound), values, nulls));
			}
		}
	}
	table_close(bound, RowExclusiveLock);
	return PointerGetDatum(tuple);
}

/*
 * mirrored_column_table(), BEFORE each INSERT and UPDATE on mirrored_column: it
 * adds the row's table to mirrored_table; and where a row gets another column's
 * name, because a column was dropped and another one added in its place,
 * evidence follows.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_mirrored_column_table(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "mirrored_column_table");
	HeapTuple tuple = call_written_tuple(td);
	const char *schema = call_row_text(td, tuple, "table_schema");
	const char *table = call_row_text(td, tuple, "table_name");

	/* a dump has a row of its own for the table, before or after this one */
	if (schema != NULL && table != NULL && !InNoForceRLSOperation() && !call_is_restoring() &&
		!lookup_is_mirrored(schema, table))
	{
		Oid types[2] = {TEXTOID, TEXTOID};
		Datum values[2];

		values[0] = CStringGetTextDatum(schema);
		values[1] = CStringGetTextDatum(table);
		SPI_connect();
		SPI_execute_with_args("INSERT INTO ownership.mirrored_table (table_schema, table_name) "
							  "VALUES ($1, $2) ON CONFLICT DO NOTHING",
							  2, types, values, NULL, false, 0);
		SPI_finish();
	}
	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event) && schema != NULL && table != NULL &&
		!call_is_restoring())
		rename_carry_evidence(td, schema, table);
	return PointerGetDatum(tuple);
}

/* The statement of table_triggers_insert_checked() that runs; NULL: none. */
static const char *checked = NULL;

/* Is it the running statement? */
static bool
references_are_checked(void)
{
	const QueryDesc *query = checked == NULL ? NULL : statement_query();

	return query != NULL && strcmp(query->sourceText, checked) == 0;
}

/*
 * Run SQL that inserts rows into one table of the map, all of whose references the
 * caller has checked and locked: they are not checked again row by row.  It is a literal.
 */
void
table_triggers_insert_checked(const char *sql, Parameters *p)
{
	const char *outer = checked;

	checked = sql;
	PG_TRY();
	{
		sql_run_kept(sql, p, CURSOR_OPT_CUSTOM_PLAN);
	}
	PG_FINALLY();
	{
		checked = outer;
	}
	PG_END_TRY();
}

static bool
is_before_row(const Trigger *trigger)
{
	return TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_ROW(trigger->tgtype);
}

/* Is it the trigger mirrored_column_table()?  It adds the table that a row refers to. */
static bool
adds_table(const Trigger *trigger)
{
	return is_before_row(trigger) &&
		   strcmp(get_func_name(trigger->tgfoid), "mirrored_column_table") == 0;
}

/* May a trigger that somebody added change the rows before they are stored? */
static bool
rows_may_change(const Trigger *list, int n, Oid own_schema)
{
	for (int i = 0; i < n; i++)
	{
		if (is_before_row(&list[i]) && list[i].tgenabled != TRIGGER_DISABLED &&
			get_func_namespace(list[i].tgfoid) != own_schema)
			return true;
	}
	return false;
}

/*
 * map_restored(), BEFORE each INSERT statement on a table of the map: while a
 * dump is restored, foreign keys are not checked; nor where that was done for all
 * rows of the statement.  Their triggers are switched off in the statement's own
 * copy of the trigger list; tg_trigger points into it.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_map_restored(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "map_restored");
	TriggerDesc *known = td->tg_relation->trigdesc;
	Trigger *list = td->tg_trigger;

	bool complete = references_are_checked();

	if (!complete && !call_is_restoring())
		return PointerGetDatum(NULL);
	for (int i = 0; i < known->numtriggers && known->triggers[i].tgoid != td->tg_trigger->tgoid; i++)
		list--;
	if (complete && rows_may_change(list, known->numtriggers, RelationGetNamespace(td->tg_relation)))
		return PointerGetDatum(NULL);
	for (int i = 0; i < known->numtriggers; i++)
		/* ON CONFLICT updates, too */
		if (list[i].tgfoid == F_RI_FKEY_CHECK_INS ||
			(complete && (list[i].tgfoid == F_RI_FKEY_CHECK_UPD || adds_table(&list[i]))))
			list[i].tgenabled = TRIGGER_DISABLED;
	return PointerGetDatum(NULL);
}

/*
 * pattern_readers(), AFTER each UPDATE of a system's name: renames it where no
 * foreign key does: among the readers of patterns, an array; in handover, which
 * has none so that the tables of the map can be truncated without it; in evidence.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_pattern_readers(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "pattern_readers");
	char *old = call_row_text(td, td->tg_trigtuple, "name");
	char *new = call_row_text(td, td->tg_newtuple, "name");
	Parameters p = {0};
	SavedRole caller;

	if (strcmp(old, new) == 0)
		return PointerGetDatum(NULL);
	caller = role_become_extension();
	SPI_connect();
	sql_add_text(&p, old);
	sql_add_text(&p, new);
	sql_run("UPDATE ownership.mirrored_pattern SET readers = array_replace(readers, $1, $2) "
			"WHERE $1 = ANY (readers)",
			&p);
	/* an older version has no such table */
	if (OidIsValid(catalog_table("handover", true)))
		sql_run("UPDATE ownership.handover SET from_system = CASE from_system WHEN $1 THEN $2 ELSE from_system END, "
				"to_system = CASE to_system WHEN $1 THEN $2 ELSE to_system END "
				"WHERE $1 IN (from_system, to_system)",
				&p);
	rename_system_evidence(old, new);
	SPI_finish();
	role_restore(&caller);
	return PointerGetDatum(NULL);
}

/*
 * field_renamed(), AFTER each UPDATE of a field's entity or name: renames it in
 * handover, which has no foreign key.  What is planned for the new name stays.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_field_renamed(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "field_renamed");
	Parameters p = {0};
	SavedRole caller = role_become_extension();

	SPI_connect();
	sql_add_text(&p, call_row_text(td, td->tg_trigtuple, "entity"));
	sql_add_text(&p, call_row_text(td, td->tg_trigtuple, "name"));
	sql_add_text(&p, call_row_text(td, td->tg_newtuple, "entity"));
	sql_add_text(&p, call_row_text(td, td->tg_newtuple, "name"));
	sql_run("UPDATE ownership.handover h SET entity = $3, field = $4 "
			"WHERE entity = $1 AND field = $2 AND ($1, $2) <> ($3, $4) "
			"AND NOT EXISTS (SELECT FROM ownership.handover o WHERE o.entity = $3 AND o.field = $4 AND (o.at, o.from_system) = (h.at, h.from_system))",
			&p);
	SPI_finish();
	role_restore(&caller);
	return PointerGetDatum(NULL);
}

/* Does table_triggers_write_filters() write the filters? */
static bool
filters_are_carried(void)
{
	return carrying > 0;
}

/*
 * row_owner_check(), BEFORE each INSERT and UPDATE on row_owner: refuses a
 * filter that cannot work on its table, if the table exists.  It checks nothing
 * while a dump is restored or the map follows DDL: there a broken filter stays
 * the risk that it was.
 *
 * Errors: those of filter_parse(); the function was not called by such a
 * trigger.
 */
Datum
ownership_row_owner_check(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "row_owner_check");
	HeapTuple tuple = call_written_tuple(td);
	const char *schema = call_row_text(td, tuple, "table_schema");
	const char *table = call_row_text(td, tuple, "table_name");
	const char *filter = call_row_text(td, tuple, "row_filter");
	Oid relid;

	if (schema == NULL || table == NULL || filter == NULL || call_is_restoring() ||
		filters_are_carried())
		return PointerGetDatum(tuple);
	relid = place_find(schema, table);
	if (OidIsValid(relid) && !InNoForceRLSOperation())
	{
		Relation rel = table_open(relid, AccessShareLock);

		(void) filter_parse(rel, RelationGetRelid(rel), filter);
		table_close(rel, AccessShareLock);
	}
	return PointerGetDatum(tuple);
}

/*
 * Run SQL that writes row filters for a table or columns with other names, and
 * check no filter.  The SQL is a literal.  A filter that does not work any more is carried along, too:
 * it is a risk already, and writes fail.  With an error here, the map of the
 * whole table would not follow.
 */
void
table_triggers_write_filters(const char *sql, Parameters *p)
{
	carrying++;
	PG_TRY();
	{
		sql_run_kept(sql, p, 0);
	}
	PG_FINALLY();
	{
		carrying--;
	}
	PG_END_TRY();
}

/*
 * resolve(), BEFORE UPDATE on conflict: sets which role resolved the conflict,
 * and when, whatever the statement says.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_resolve(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "resolve");
	TupleDesc desc = RelationGetDescr(td->tg_relation);
	int attnums[2];
	Datum values[2] = {0, 0};
	bool nulls[2] = {true, true};
	char *before;
	char *after;

	attnums[0] = SPI_fnumber(desc, "resolved_at");
	attnums[1] = SPI_fnumber(desc, "resolved_by");
	before = SPI_getvalue(td->tg_trigtuple, desc, SPI_fnumber(desc, "resolution"));
	after = SPI_getvalue(td->tg_newtuple, desc, SPI_fnumber(desc, "resolution"));
	if (before != NULL && after != NULL && strcmp(before, after) == 0)
	{
		for (int i = 0; i < 2; i++)
			values[i] = SPI_getbinval(td->tg_trigtuple, desc, attnums[i], &nulls[i]);
	}
	else if (after != NULL)
	{
		values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[1] = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
		nulls[0] = nulls[1] = false;
	}
	return PointerGetDatum(
		heap_modify_tuple_by_cols(td->tg_newtuple, desc, 2, attnums, values, nulls));
}
