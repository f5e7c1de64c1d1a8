/*
 * bind.c
 *		The tables that the names of the map are bound to.
 *
 * The map names tables and columns as text.  For each mirrored table, bound_table
 * contains the OID of the table that had the name when the extension last looked
 * at DDL, and the names of its columns by attribute number.  The guard does not
 * read bound_table: it goes by the names on the map.  bound_table only
 * distinguishes a renamed table from a new one, and says whether the guard belongs
 * on a table that gets the name.
 *
 * The extension writes the rows as PostgreSQL writes its catalogs, without
 * privilege checks, for every role that may run the DDL or edit the map.  A
 * trigger on mirrored_table creates and deletes them with its rows; a row that
 * remains after a TRUNCATE of mirrored_table has no meaning.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "replication/logicalworker.h"
#include "replication/worker_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "catalog.h"

PG_FUNCTION_INFO_V1(ownership_mirrored_table_bind);
PG_FUNCTION_INFO_V1(ownership_mirrored_pattern_bind);

/*
 * The first row of the scan, or NULL.  `several`: the first row whose name is on
 * the map.  Ends the scan.
 */
static Binding *
read_binding(CatalogScan *scan, bool several)
{
	Binding *found = NULL;

	while (found == NULL && catalog_next(scan))
	{
		Binding *binding = palloc0(sizeof(Binding));

		binding->schema = catalog_text(scan, Anum_bound_table_schema);
		binding->table = catalog_text(scan, Anum_bound_table_table);
		binding->relid = catalog_oid(scan, Anum_bound_table_relid);
		binding->columns = catalog_texts(scan, Anum_bound_table_columns);
		binding->guarded = catalog_bool(scan, Anum_bound_table_guarded);
		if (catalog_has(scan, Anum_bound_table_away_since))
		{
			binding->generated = catalog_texts(scan, Anum_bound_table_generated);
			binding->types = catalog_oids(scan, Anum_bound_table_types);
			binding->away_since = catalog_time(scan, Anum_bound_table_away_since);
		}
		if (!several || lookup_is_mirrored(binding->schema, binding->table))
			found = binding;
	}
	catalog_end(scan);
	return found;
}

/* The binding of a table to a name that is on the map, or NULL. */
Binding *
binding_of(Oid relid)
{
	return read_binding(catalog_begin_oids("bound_table", "bound_table_relid_idx", 1, &relid), true);
}

/* The binding of a name on the map, or NULL when the name was never bound. */
Binding *
binding_named(const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};

	return read_binding(catalog_begin("bound_table", "bound_table_pkey", 2, keys, NULL), false);
}

static Datum
text_array(List *texts)
{
	Datum *elems = palloc(Max(list_length(texts), 1) * sizeof(Datum));
	ListCell *lc;
	int n = 0;

	foreach(lc, texts)
		elems[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * left_off contains the tables that a user took off the map, or that were off the
 * map in a dump, each with the name that it had then.  Any other table that
 * matches a pattern and is off the map is one that the map missed.  This deletes a
 * table's row.
 */
void
bind_forget_left_off(Oid relid)
{
	CatalogScan *scan;
	Relation off;

	/* the tables of 0.1.0 have no left_off */
	if (!OidIsValid(catalog_table("left_off", true)))
		return;
	scan = catalog_begin_oids("left_off", "left_off_pkey", 1, &relid);
	if (catalog_next(scan))
	{
		off = table_open(catalog_table("left_off", false), RowExclusiveLock);
		CatalogTupleDelete(off, catalog_tid(scan));
		table_close(off, RowExclusiveLock);
		CommandCounterIncrement();
	}
	catalog_end(scan);
}

/* Records that a table is off the map by intention. */
static void
record_off(Oid relid)
{
	Relation off;
	TablePlace place;
	Datum values[3];
	bool nulls[3] = {false};

	if (!OidIsValid(catalog_table("left_off", true)) || !place_of(relid, &place))
		return;
	bind_forget_left_off(relid);
	values[0] = ObjectIdGetDatum(relid);
	values[1] = CStringGetTextDatum(place.schema);
	values[2] = CStringGetTextDatum(place.table);
	off = table_open(catalog_table("left_off", false), RowExclusiveLock);
	CatalogTupleInsert(off, heap_form_tuple(RelationGetDescr(off), values, nulls));
	table_close(off, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Is the table, which is off the map, in left_off under this name? */
bool
bind_is_left_off(Oid relid, const TablePlace *place)
{
	CatalogScan *scan;
	bool known;

	/* the tables of 0.1.0 do not say: no table counts as missed */
	if (!OidIsValid(catalog_table("left_off", true)))
		return true;
	scan = catalog_begin_oids("left_off", "left_off_pkey", 1, &relid);
	known = catalog_next(scan) &&
			strcmp(catalog_text(scan, Anum_left_off_schema), place->schema) == 0 &&
			strcmp(catalog_text(scan, Anum_left_off_table), place->table) == 0;
	catalog_end(scan);
	return known;
}

/* Inserts the binding, or updates that of the same name.  A bound table leaves left_off. */
void
binding_store(const Binding *b)
{
	const char *keys[2] = {b->schema, b->table};
	Relation bound = table_open(catalog_table("bound_table", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin("bound_table", "bound_table_pkey", 2, keys, NULL);
	Datum values[Natts_bound_table];
	bool nulls[Natts_bound_table] = {false};
	Datum *types = palloc(Max(list_length(b->types), 1) * sizeof(Datum));
	HeapTuple tuple;
	ListCell *lc;
	int ntypes = 0;

	foreach(lc, b->types)
		types[ntypes++] = ObjectIdGetDatum(lfirst_oid(lc));
	values[Anum_bound_table_schema - 1] = CStringGetTextDatum(b->schema);
	values[Anum_bound_table_table - 1] = CStringGetTextDatum(b->table);
	values[Anum_bound_table_relid - 1] = ObjectIdGetDatum(b->relid);
	values[Anum_bound_table_columns - 1] = text_array(b->columns);
	values[Anum_bound_table_guarded - 1] = BoolGetDatum(b->guarded);
	values[Anum_bound_table_generated - 1] = text_array(b->generated);
	values[Anum_bound_table_types - 1] =
		PointerGetDatum(construct_array(types, ntypes, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	values[Anum_bound_table_away_since - 1] = TimestampTzGetDatum(b->away_since);
	nulls[Anum_bound_table_away_since - 1] = b->away_since == 0;
	/* uses as many values as the table has columns; an older version's has fewer */
	tuple = heap_form_tuple(RelationGetDescr(bound), values, nulls);
	if (catalog_next(scan))
		CatalogTupleUpdate(bound, catalog_tid(scan), tuple);
	else
		CatalogTupleInsert(bound, tuple);
	catalog_end(scan);
	table_close(bound, RowExclusiveLock);
	CommandCounterIncrement();
	if (OidIsValid(b->relid))
		bind_forget_left_off(b->relid);
}

/* Binds a name on the map to a table as it is now; InvalidOid: the map waits for the table. */
void
bind_table(const char *schema, const char *table, Oid relid, bool guarded)
{
	Binding b = {0};
	Binding *before = binding_named(schema, table);

	b.schema = unconstify(char *, schema);
	b.table = unconstify(char *, table);
	b.relid = relid;
	b.columns = place_read_columns(relid, &b.generated);
	b.types = place_types(relid);
	b.guarded = guarded;
	if (before != NULL && before->relid == relid)
		b.away_since = before->away_since;
	binding_store(&b);
}

/*
 * The table of that name is gone: the map waits for a table of that name.  The row
 * keeps the columns of the old one.
 */
void
bind_nothing(const Binding *binding)
{
	Binding b = *binding;

	b.relid = InvalidOid;
	binding_store(&b);
}

/* Binds the name `arg`, a TablePlace, to the table that has it now. */
static void
bind_place(void *arg)
{
	const TablePlace *place = arg;
	Oid relid = place_find_table(place->schema, place->table);

	bind_table(place->schema, place->table, relid, OidIsValid(relid) && place_carries_guard(relid));
}

/* Binds the names on the map that were never bound. */
void
bind_unbound(void)
{
	CatalogScan *scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 0, NULL, NULL);
	List *places = NIL;
	ListCell *lc;

	while (catalog_next(scan))
	{
		TablePlace *place = palloc0(sizeof(TablePlace));

		place->schema = catalog_text(scan, Anum_mirrored_table_schema);
		place->table = catalog_text(scan, Anum_mirrored_table_table);
		if (binding_named(place->schema, place->table) == NULL)
			places = lappend(places, place);
	}
	catalog_end(scan);
	foreach(lc, places)
	{
		/* another session may bind the same name at this moment */
		ErrorData *error = subxact_try(bind_place, lfirst(lc));

		if (error != NULL && error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
	}
}

/*
 * Records whether the guard belongs on a table.  Does nothing for a table that is
 * not itself on the map.
 */
void
bind_guarded(Oid relid, bool guarded)
{
	TablePlace place;
	Binding *b;

	if (!place_of(relid, &place) || !lookup_is_mirrored(place.schema, place.table))
		return;
	b = binding_named(place.schema, place.table);
	if (b == NULL || b->relid != relid)
		bind_table(place.schema, place.table, relid, guarded);
	else if (b->guarded != guarded)
	{
		b->guarded = guarded;
		binding_store(b);
	}
}

/*
 * A name went off the map: deletes its binding.  If the table of that name still
 * exists, records that the table is off the map by intention.
 */
static void
unbind(const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};
	Binding *b = binding_named(schema, table);
	Relation bound = table_open(catalog_table("bound_table", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin("bound_table", "bound_table_pkey", 2, keys, NULL);

	while (catalog_next(scan))
		CatalogTupleDelete(bound, catalog_tid(scan));
	catalog_end(scan);
	table_close(bound, RowExclusiveLock);
	CommandCounterIncrement();
	if (b != NULL && OidIsValid(b->relid) && place_find_table(schema, table) == b->relid)
		record_off(b->relid);
}

/*
 * Does the row come from another hub's map, in a replication worker, where
 * ownership.guard_arriving is on?  Then the guard belongs on the table, and the
 * background worker creates it.
 */
static bool
arrives(void)
{
	return ownership_guard_arriving && MyLogicalRepWorker != NULL;
}

/*
 * Trigger AFTER INSERT OR UPDATE OR DELETE on mirrored_table: binds the name of a
 * new row and of a row whose name changed, and unbinds the old name.
 */
Datum
ownership_mirrored_table_bind(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "mirrored_table_bind");
	HeapTuple tuple = TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple : td->tg_trigtuple;
	TupleDesc desc = RelationGetDescr(td->tg_relation);
	char *schema = SPI_getvalue(tuple, desc, 1);
	char *table = SPI_getvalue(tuple, desc, 2);
	Binding *b;
	Oid relid;

	if (TRIGGER_FIRED_BY_DELETE(td->tg_event))
	{
		unbind(schema, table);
		return PointerGetDatum(NULL);
	}
	b = binding_named(schema, table);
	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
	{
		char *old_schema = SPI_getvalue(td->tg_trigtuple, desc, 1);
		char *old_table = SPI_getvalue(td->tg_trigtuple, desc, 2);

		if (strcmp(schema, old_schema) == 0 && strcmp(table, old_table) == 0)
			return PointerGetDatum(NULL);
		b = binding_named(old_schema, old_table);
		unbind(old_schema, old_table);
	}
	relid = place_find_table(schema, table);
	bind_schema(schema);
	if (b == NULL)
		bind_table(schema, table, relid,
				   arrives() || (OidIsValid(relid) && place_carries_guard(relid)));
	else if (OidIsValid(relid) && b->relid != relid)
		bind_table(schema, table, relid, b->guarded);
	else
	{
		/* with the columns that the table had at the last look */
		b->schema = schema;
		b->table = table;
		b->relid = relid;
		binding_store(b);
	}
	return PointerGetDatum(NULL);
}

/*
 * Trigger AFTER INSERT on mirrored_pattern: binds the schema that the pattern
 * names.  While a dump is restored, it also records the tables that match the
 * pattern and are off the map: the dump has them off the map, so they are not
 * missed.  A restore creates the tables before it fills the map.
 */
Datum
ownership_mirrored_pattern_bind(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "mirrored_pattern_bind");
	char *pattern = SPI_getvalue(td->tg_trigtuple, RelationGetDescr(td->tg_relation), 1);
	const char *dot = strchr(pattern, '.');
	Parameters none = {0};
	uint64 n;

	if (dot != NULL)
		bind_schema(pnstrdup(pattern, dot - pattern));
	if (!call_is_restoring())
		return PointerGetDatum(NULL);
	SPI_connect();
	n = sql_run("SELECT c.oid::pg_catalog.text FROM pg_catalog.pg_class c "
				"WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition",
				&none);
	for (uint64 i = 0; i < n; i++)
	{
		Oid relid = atooid(sql_result_text(i, 1));
		TablePlace place;

		if (relid >= FirstNormalObjectId && place_of(relid, &place) &&
			names_match_table(pattern, place.schema, place.table) &&
			!lookup_is_mirrored(place.schema, place.table))
			record_off(relid);
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}
