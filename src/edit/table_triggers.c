/*
 * table_triggers.c
 *		Triggers on the map's own tables.
 *
 * They tell every session that the map changed, and keep rows right whoever
 * writes them.  They never fail because an object is absent: the map is data,
 * and shows what is missing as a risk.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../guard/guard.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_resolve);
PG_FUNCTION_INFO_V1(ownership_map_changed);
PG_FUNCTION_INFO_V1(ownership_identity_bind);
PG_FUNCTION_INFO_V1(ownership_mirrored_column_table);
PG_FUNCTION_INFO_V1(ownership_row_owner_check);
PG_FUNCTION_INFO_V1(ownership_map_restored);
PG_FUNCTION_INFO_V1(ownership_pattern_readers);

static int carrying;

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

/* Are filters written only because what they are on has another name or place? */
static bool
filters_are_carried(void)
{
	return carrying > 0;
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
 * A filter that works no more is carried all the same: it is a risk already,
 * and writes fail.  Without it, the whole table would lose its map.
 */
void
table_triggers_write_filters(const char *sql, Parameters *p)
{
	carrying++;
	PG_TRY();
	{
		sql_run(sql, p);
	}
	PG_FINALLY();
	{
		carrying--;
	}
	PG_END_TRY();
}

/*
 * BEFORE UPDATE on conflict: who resolved it, and when, is not for the
 * statement to say.
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
