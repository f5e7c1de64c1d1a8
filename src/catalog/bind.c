/*
 * bind.c
 *		What the names of the map are bound to.
 *
 * The map names tables and columns as text.  bound_table holds, for each
 * mirrored table, the OID that carried the name and its columns' names by
 * attribute number when DDL was last looked at.  Who decides about writes
 * does not read it: the map's names do.  It only tells a rename from a new
 * table, and whether a guard belongs on what comes to carry a name.
 *
 * Rows are written as PostgreSQL writes its catalogs, by whoever may run the
 * DDL or edit the map.  A trigger on mirrored_table keeps them with its rows;
 * one that a TRUNCATE left behind means nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "catalog.h"

PG_FUNCTION_INFO_V1(ownership_mirrored_table_bind);
PG_FUNCTION_INFO_V1(ownership_mirrored_pattern_bind);

/* The first row; of several, one whose name is still on the map. */
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

/* The name on the map that a table is bound to, or NULL. */
Binding *
binding_of(Oid relid)
{
	return read_binding(catalog_begin_oids("bound_table", "bound_table_relid_idx", 1, &relid), true);
}

/* What a name on the map is bound to, or NULL when it never was. */
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
 * Tables that came off the map, or stayed off it, with somebody's knowledge;
 * else a table that comes under a pattern and is off the map is one that was
 * missed.  What is known goes by the table, and the name that it had then.
 */
void
bind_forget_off(Oid relid)
{
	CatalogScan *scan;
	Relation off;

	/* not in 0.1.0 */
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

static void
know_off(Oid relid)
{
	Relation off;
	TablePlace place;
	Datum values[3];
	bool nulls[3] = {false};

	if (!OidIsValid(catalog_table("left_off", true)) || !place_of(relid, &place))
		return;
	bind_forget_off(relid);
	values[0] = ObjectIdGetDatum(relid);
	values[1] = CStringGetTextDatum(place.schema);
	values[2] = CStringGetTextDatum(place.table);
	off = table_open(catalog_table("left_off", false), RowExclusiveLock);
	CatalogTupleInsert(off, heap_form_tuple(RelationGetDescr(off), values, nulls));
	table_close(off, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Is it known of a table that is off the map? */
bool
bind_is_known_off(Oid relid, const TablePlace *place)
{
	CatalogScan *scan;
	bool known;

	/* in 0.1.0 nothing tells */
	if (!OidIsValid(catalog_table("left_off", true)))
		return true;
	scan = catalog_begin_oids("left_off", "left_off_pkey", 1, &relid);
	known = catalog_next(scan) &&
			strcmp(catalog_text(scan, Anum_left_off_schema), place->schema) == 0 &&
			strcmp(catalog_text(scan, Anum_left_off_table), place->table) == 0;
	catalog_end(scan);
	return known;
}

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
	/* takes as many as the table has */
	tuple = heap_form_tuple(RelationGetDescr(bound), values, nulls);
	if (catalog_next(scan))
		CatalogTupleUpdate(bound, catalog_tid(scan), tuple);
	else
		CatalogTupleInsert(bound, tuple);
	catalog_end(scan);
	table_close(bound, RowExclusiveLock);
	CommandCounterIncrement();
	if (OidIsValid(b->relid))
		bind_forget_off(b->relid);
}

/* Bind a name on the map to a table as it is now. */
void
bind_table(const char *schema, const char *table, Oid relid, bool guarded)
{
	Binding b = {0};
	Binding *before = binding_named(schema, table);

	b.schema = unconstify(char *, schema);
	b.table = unconstify(char *, table);
	b.relid = relid;
	b.columns = read_columns(relid, &b.generated);
	b.types = place_types(relid, list_length(b.columns));
	b.guarded = guarded;
	if (before != NULL && before->relid == relid)
		b.away_since = before->away_since;
	binding_store(&b);
}

/* The table of that name is gone: the map waits.  What it was is remembered. */
void
bind_nothing(const Binding *binding)
{
	Binding b = *binding;

	b.relid = InvalidOid;
	binding_store(&b);
}

static void
bind_place(void *arg)
{
	const TablePlace *place = arg;
	Oid relid = place_find_table(place->schema, place->table);

	bind_table(place->schema, place->table, relid, OidIsValid(relid) && place_carries_guard(relid));
}

/* Bind the names on the map that were never bound. */
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
		/* another session may bind it now */
		ErrorData *error = subxact_try(bind_place, lfirst(lc));

		if (error != NULL && error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
	}
}

/* Tell whether the guard belongs on a table; nothing if it has no map of its own. */
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

/* A name is off the map.  Where its table is there, that is known of it, then. */
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
		know_off(b->relid);
}

/*
 * AFTER, on mirrored_table: bind the name of a new row, or one that was given
 * another name.
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
		bind_table(schema, table, relid, OidIsValid(relid) && place_carries_guard(relid));
	else if (OidIsValid(relid) && b->relid != relid)
		bind_table(schema, table, relid, b->guarded);
	else
	{
		/* with the columns that it was last seen with */
		b->schema = schema;
		b->table = table;
		b->relid = relid;
		binding_store(b);
	}
	return PointerGetDatum(NULL);
}

/*
 * AFTER INSERT, on mirrored_pattern: bind the schema that it names.  The tables
 * of a dump that are off its map are not missed, and come back before it does.
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
			know_off(relid);
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}
