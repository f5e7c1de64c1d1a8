/*
 * signal.c
 *		Triggers on the map's own tables.
 *
 * They tell every session that the map changed, and keep rows right whoever
 * writes them.  They never fail because an object is absent: the map is data,
 * and shows what is missing as a risk.
 */
#include "base.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(ownership_map_changed);
PG_FUNCTION_INFO_V1(ownership_identity_bind);
PG_FUNCTION_INFO_V1(ownership_mirrored_column_table);
PG_FUNCTION_INFO_V1(ownership_row_owner_check);
PG_FUNCTION_INFO_V1(ownership_map_restored);
PG_FUNCTION_INFO_V1(ownership_pattern_readers);

/* The tables whose rows are the map. */
static const char *const map_tables[] = {"system",		   "identity",		  "domain",
										 "field",		   "declared_access", "mirrored_pattern",
										 "mirrored_table", "mirrored_column", "row_owner"};

/* A trigger function that serves all tables of the extension. */
#define ANY_TABLE "*"

#define ANY_CHANGE (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)

/*
 * Where each trigger function of the extension may fire: timing, level and
 * events as in pg_trigger.tgtype, and the extension's own tables.  A trigger
 * that a new version adds is listed here.
 */
static const struct
{
	const char *function;
	int16 type;
	const char *table; /* NULL: each table of the map */
} own_triggers[] = {
	{"another_hub", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, ANY_TABLE},
	{"another_hub", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, ANY_TABLE},
	{"map_changed", TRIGGER_TYPE_ROW | ANY_CHANGE, NULL},
	{"map_changed", TRIGGER_TYPE_TRUNCATE, NULL},
	{"map_recorded", TRIGGER_TYPE_ROW | ANY_CHANGE, NULL},
	{"map_recorded", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, NULL},
	{"map_restored", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT, NULL},
	{"identity_bind", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, "identity"},
	{"domain_edit", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, "domain"},
	{"domain_edit", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, "domain"},
	{"domain_edit", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "deleted_domain"},
	{"mirrored_table_bind", TRIGGER_TYPE_ROW | ANY_CHANGE, "mirrored_table"},
	{"mirrored_pattern_bind", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "mirrored_pattern"},
	{"mirrored_column_table",
	 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE,
	 "mirrored_column"},
	{"row_owner_check",
	 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "row_owner"},
	{"pattern_readers", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "system"},
	{"sheet_row", TRIGGER_TYPE_INSTEAD | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "sheet"},
	{"resolve", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "conflict"},
	{"ddl_settle", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "ddl_queue"},
};

/* Timing, level and event of a trigger's call, as in pg_trigger.tgtype. */
static int16
trigger_type(TriggerEvent event)
{
	int16 type = TRIGGER_FIRED_FOR_ROW(event) ? TRIGGER_TYPE_ROW : 0;

	if (TRIGGER_FIRED_BEFORE(event))
		type |= TRIGGER_TYPE_BEFORE;
	else if (TRIGGER_FIRED_INSTEAD(event))
		type |= TRIGGER_TYPE_INSTEAD;
	if (TRIGGER_FIRED_BY_INSERT(event))
		return type | TRIGGER_TYPE_INSERT;
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return type | TRIGGER_TYPE_UPDATE;
	if (TRIGGER_FIRED_BY_DELETE(event))
		return type | TRIGGER_TYPE_DELETE;
	return type | TRIGGER_TYPE_TRUNCATE;
}

/* Is it the extension's table of that name?  Not one of somebody's that is called so. */
static bool
is_own_table(Relation rel, const char *name)
{
	return strcmp(RelationGetRelationName(rel), name) == 0 &&
		   catalog_table(name, true) == RelationGetRelid(rel);
}

static bool
is_map_table(Relation rel)
{
	for (size_t i = 0; i < lengthof(map_tables); i++)
	{
		if (is_own_table(rel, map_tables[i]))
			return true;
	}
	return false;
}

/* Is the relation one of the tables that are meant, as own_triggers names them? */
static bool
serves(const char *table, Relation rel)
{
	if (table == NULL)
		return is_map_table(rel);
	return is_own_table(rel, strcmp(table, ANY_TABLE) == 0 ? RelationGetRelationName(rel) : table);
}

/*
 * All that a trigger function of the extension's own tables trusts about how it
 * is called.  Whoever may execute it can attach it to a table of his own, a
 * superuser to any: it runs for the tables that it serves, at the timing,
 * level and events that it was made for, and nowhere else.  The guard's
 * functions, which serve everybody's tables, check theirs in guard.c.
 *
 * Errors: the function was called in any other way.
 */
TriggerData *
own_triggers_check(FunctionCallInfo fcinfo, const char *function)
{
	const int16 kind = TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSTEAD;
	TriggerData *td = (TriggerData *) fcinfo->context;

	if (CALLED_AS_TRIGGER(fcinfo))
	{
		int16 type = trigger_type(td->tg_event);

		for (size_t i = 0; i < lengthof(own_triggers); i++)
		{
			if (strcmp(own_triggers[i].function, function) == 0 &&
				(own_triggers[i].type & kind) == (type & kind) &&
				(own_triggers[i].type & type & ~kind) != 0 &&
				serves(own_triggers[i].table, td->tg_relation))
				return td;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" was not called by a trigger of the extension", function),
			 errhint("It is for the triggers that CREATE EXTENSION makes, and for no others.")));
}

/*
 * Is a dump being restored?  Scripts of pg_dump, and pg_restore, say so by
 * this setting.
 */
bool
call_is_restoring(void)
{
	return !check_function_bodies;
}

/* A text value of the row that is written, or NULL. */
static char *
call_row_text(TriggerData *td, HeapTuple tuple, const char *column)
{
	return SPI_getvalue(tuple, RelationGetDescr(td->tg_relation),
						SPI_fnumber(RelationGetDescr(td->tg_relation), column));
}

static HeapTuple
call_written_tuple(TriggerData *td)
{
	return TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple : td->tg_trigtuple;
}

/*
 * AFTER, on every table of the map.  The message goes out at commit; in this
 * session it works from the next command on.
 */
Datum
ownership_map_changed(PG_FUNCTION_ARGS)
{
	Oid relid;

	(void) own_triggers_check(fcinfo, "map_changed");
	relid = catalog_table(CATALOG_SIGNAL, true);
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	map_edited();
	lift_undo();
	return PointerGetDatum(NULL);
}

/* Delete the binding of a role name, if there is one. */
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
 * BEFORE, on identity: remember which role bears the name now.  Whoever may
 * write identities may do that; what he may not is write the binding.
 */
Datum
ownership_identity_bind(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "identity_bind");
	bool delete = TRIGGER_FIRED_BY_DELETE(td->tg_event);
	HeapTuple tuple = call_written_tuple(td);
	Relation bound;

	/* a system's new name comes down a foreign key: nobody was identified */
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
 * The map of a column was given the name of another one, whose table has no
 * longer a column of the old name: evidence and activity go with it.
 */
static void
rename_carry_evidence(TriggerData *td, const char *schema, const char *table)
{
	TablePlace place = {unconstify(char *, schema), unconstify(char *, table), false};
	const char *from = call_row_text(td, td->tg_trigtuple, "column_name");
	const char *to = call_row_text(td, td->tg_newtuple, "column_name");
	Oid relid = place_find_table(schema, table);
	SavedRole caller;

	if (to == NULL || strcmp(from, to) == 0 || !OidIsValid(relid) ||
		strcmp(call_row_text(td, td->tg_trigtuple, "table_schema"), schema) != 0 ||
		strcmp(call_row_text(td, td->tg_trigtuple, "table_name"), table) != 0 ||
		get_attnum(relid, from) != InvalidAttrNumber || get_attnum(relid, to) == InvalidAttrNumber)
		return;
	SPI_connect();
	caller = role_become_extension();
	rename_column_evidence(&place, from, to);
	role_restore(&caller);
	SPI_finish();
}

/*
 * BEFORE, on mirrored_column: its table is mirrored, then; and evidence follows
 * a column that may have been renamed by dropping it and adding another.
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

/*
 * BEFORE, on row_owner: a filter that cannot work on a table that is there is
 * refused.  Not while a dump is restored, or the map follows DDL: what was
 * broken before is a risk afterwards, as it was.
 *
 * Errors: those of filter_parse().
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
 * BEFORE, a statement that inserts into the map: while a dump is restored, its
 * foreign keys are not checked.  They are switched off in the statement's own
 * list of triggers, in which tg_trigger stands.
 */
Datum
ownership_map_restored(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "map_restored");
	TriggerDesc *known = td->tg_relation->trigdesc;
	Trigger *list = td->tg_trigger;

	if (!call_is_restoring())
		return PointerGetDatum(NULL);
	for (int i = 0; i < known->numtriggers && known->triggers[i].tgoid != td->tg_trigger->tgoid; i++)
		list--;
	for (int i = 0; i < known->numtriggers; i++)
		if (list[i].tgfoid == F_RI_FKEY_CHECK_INS)
			list[i].tgenabled = TRIGGER_DISABLED;
	return PointerGetDatum(NULL);
}

/* AFTER, on a system's name: patterns list readers where no foreign key can be. */
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
	SPI_finish();
	role_restore(&caller);
	return PointerGetDatum(NULL);
}
