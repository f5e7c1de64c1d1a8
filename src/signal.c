/*
 * signal.c
 *		Triggers on the map's own tables.
 *
 * They tell every session that the map changed, and keep rows right whoever
 * writes them.  They never fail because an object is absent: the map is data,
 * and shows what is missing as a risk.
 */
#include "ownership.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
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

/* Errors: the function was called by other means than a trigger. */
TriggerData *
check_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function was not called as a trigger")));
	return (TriggerData *) fcinfo->context;
}

/*
 * Is a dump being restored?  Scripts of pg_dump, and pg_restore, say so by
 * this setting.
 */
bool
restoring(void)
{
	return !check_function_bodies;
}

/* A text value of the row that is written, or NULL. */
static char *
row_text(TriggerData *td, HeapTuple tuple, const char *column)
{
	return SPI_getvalue(tuple, RelationGetDescr(td->tg_relation),
						SPI_fnumber(RelationGetDescr(td->tg_relation), column));
}

static HeapTuple
written_tuple(TriggerData *td)
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

	(void) check_trigger(fcinfo);
	relid = catalog_table(CATALOG_SIGNAL, true);
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
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
	TriggerData *td = check_trigger(fcinfo);
	bool delete = TRIGGER_FIRED_BY_DELETE(td->tg_event);
	HeapTuple tuple = written_tuple(td);
	Relation bound;

	/* a system's new name comes down a foreign key: nobody was identified */
	if (InNoForceRLSOperation())
		return PointerGetDatum(tuple);

	bound = table_open(catalog_table("bound_role", false), RowExclusiveLock);
	if (!TRIGGER_FIRED_BY_INSERT(td->tg_event) &&
		strcmp(row_text(td, td->tg_trigtuple, "kind"), "role") == 0)
		unbind_role(bound, row_text(td, td->tg_trigtuple, "name"));
	CommandCounterIncrement();
	if (!delete)
	{
		char *kind = row_text(td, tuple, "kind");
		char *name = row_text(td, tuple, "name");

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
carry_evidence(TriggerData *td, const char *schema, const char *table)
{
	TablePlace place = {unconstify(char *, schema), unconstify(char *, table), false};
	const char *from = row_text(td, td->tg_trigtuple, "column_name");
	const char *to = row_text(td, td->tg_newtuple, "column_name");
	Oid relid = table_of_name(schema, table);
	Deputy caller;

	if (to == NULL || strcmp(from, to) == 0 || !OidIsValid(relid) ||
		strcmp(row_text(td, td->tg_trigtuple, "table_schema"), schema) != 0 ||
		strcmp(row_text(td, td->tg_trigtuple, "table_name"), table) != 0 ||
		get_attnum(relid, from) != InvalidAttrNumber || get_attnum(relid, to) == InvalidAttrNumber)
		return;
	SPI_connect();
	caller = deputy_begin_extension();
	rename_column_evidence(&place, from, to);
	deputy_end(&caller);
	SPI_finish();
}

/*
 * BEFORE, on mirrored_column: its table is mirrored, then; and evidence follows
 * a column that may have been renamed by dropping it and adding another.
 */
Datum
ownership_mirrored_column_table(PG_FUNCTION_ARGS)
{
	TriggerData *td = check_trigger(fcinfo);
	HeapTuple tuple = written_tuple(td);
	const char *schema = row_text(td, tuple, "table_schema");
	const char *table = row_text(td, tuple, "table_name");

	/* a dump has a row of its own for the table, before or after this one */
	if (schema != NULL && table != NULL && !InNoForceRLSOperation() && !restoring() &&
		!is_mirrored(schema, table))
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
	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event) && schema != NULL && table != NULL && !restoring())
		carry_evidence(td, schema, table);
	return PointerGetDatum(tuple);
}

/*
 * BEFORE, on row_owner: a filter that cannot work on a table that is there is
 * refused.  Not while a dump is restored: what was broken before is a risk
 * afterwards, as it was.
 *
 * Errors: those of filter_parse().
 */
Datum
ownership_row_owner_check(PG_FUNCTION_ARGS)
{
	TriggerData *td = check_trigger(fcinfo);
	HeapTuple tuple = written_tuple(td);
	const char *schema = row_text(td, tuple, "table_schema");
	const char *table = row_text(td, tuple, "table_name");
	const char *filter = row_text(td, tuple, "row_filter");
	Oid nsp;
	Oid relid;

	if (schema == NULL || table == NULL || filter == NULL || restoring())
		return PointerGetDatum(tuple);
	nsp = get_namespace_oid(schema, true);
	relid = OidIsValid(nsp) ? get_relname_relid(table, nsp) : InvalidOid;
	if (OidIsValid(relid) && !InNoForceRLSOperation())
	{
		Relation rel = table_open(relid, AccessShareLock);

		(void) filter_parse(rel, filter);
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
	TriggerData *td = check_trigger(fcinfo);
	TriggerDesc *known = td->tg_relation->trigdesc;
	Trigger *list = td->tg_trigger;

	if (!restoring())
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
	TriggerData *td = check_trigger(fcinfo);
	char *old = row_text(td, td->tg_trigtuple, "name");
	char *new = row_text(td, td->tg_newtuple, "name");
	Parameters p = {0};
	Deputy caller;

	if (strcmp(old, new) == 0)
		return PointerGetDatum(NULL);
	caller = deputy_begin_extension();
	SPI_connect();
	add_text(&p, old);
	add_text(&p, new);
	run_sql("UPDATE ownership.mirrored_pattern SET readers = array_replace(readers, $1, $2) "
			"WHERE $1 = ANY (readers)",
			&p);
	SPI_finish();
	deputy_end(&caller);
	return PointerGetDatum(NULL);
}
