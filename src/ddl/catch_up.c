/*
 * catch_up.c
 *		Finds in the catalogs what the map missed, and follows it.
 *
 * Event triggers follow DDL.  They can be disabled, their work can fail, and
 * some commands fire none.  So map_behind() does not depend on them: it compares
 * what the names on the map were bound to at the last look with what the
 * catalogs contain, and looks for tables and columns that a pattern should have
 * put on the map.  A table that was taken off the map is recorded as such
 * (catalog/bind.c) and is not a miss.
 *
 * Every role may call map_behind(): it asks for no privileges, opens no tables,
 * and waits for no lock on them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "ddl.h"

PG_FUNCTION_INFO_V1(ownership_map_behind);
PG_FUNCTION_INFO_V1(ownership_guard);

/* Would the pattern put the column on the map?  "" stands for a dropped one: no. */
static bool
takes_column(const TablePattern *pattern, const TablePlace *place, List *generated,
			 const char *column)
{
	return column[0] != '\0' && names_can_be_field(column) && !names_contain(generated, column) &&
		   !table_pattern_excludes(pattern->exclude, place->schema, place->table, column);
}

/* Should the pattern have put a table that is not on the map there? */
static bool
missed_table(Oid relid, const TablePlace *place, const TablePattern *pattern)
{
	List *generated;
	ListCell *lc;

	if (pattern == NULL || place->partition || bind_is_left_off(relid, place) ||
		queue_is_unsettled(relid) || binding_of(relid) != NULL)
		return false;
	generated = place_generated_columns(relid);
	foreach(lc, place_columns(relid))
	{
		if (takes_column(pattern, place, generated, lfirst(lc)))
			return true;
	}
	return false;
}

/* Return one row of map_behind(); column NULL: the row is about the table. */
static void
put(ReturnSetInfo *rsinfo, const TablePlace *place, const char *column, const char *detail,
	const char *advice)
{
	const char *texts[] = {names_relation_label(place->schema, place->table), column, detail,
						   advice};

	call_put_row(rsinfo, lengthof(texts), texts);
}

/* The statement by which the map follows a table. */
static char *
guard_statement(const TablePlace *place)
{
	return psprintf("SELECT ownership.guard(%s)",
					quote_literal_cstr(names_relation_label(place->schema, place->table)));
}

/*
 * Return the columns of a mirrored table that have another name than at the last
 * look, and those that the pattern (NULL: none) should have put on the map.
 */
static void
put_columns(ReturnSetInfo *rsinfo, const Binding *b, const TablePlace *place,
			const TablePattern *pattern)
{
	const char *label = names_relation_label(place->schema, place->table);
	List *generated;
	List *columns = place_read_columns(b->relid, &generated);

	for (int i = 0; i < list_length(columns); i++)
	{
		char *now = list_nth(columns, i);
		char *was = names_at(b->columns, i);

		if (now[0] != '\0' && was[0] != '\0' && strcmp(now, was) != 0 &&
			lookup_column_is_mirrored(place, was))
			put(rsinfo, place, now,
				psprintf("Column %s of %s was called %s when the extension last looked, and its map did not follow.",
						 quote_identifier(now), label, quote_identifier(was)),
				psprintf("Bring the map up to date: %s", guard_statement(place)));
		else if (pattern != NULL &&
				 (strcmp(now, was) != 0 || names_contain(b->generated, now)) &&
				 takes_column(pattern, place, generated, now) &&
				 !lookup_column_is_mirrored(place, now))
			put(rsinfo, place, now,
				psprintf("Column %s of %s matches pattern %s, and is not on the map.",
						 quote_identifier(now), label, pattern->pattern),
				psprintf("Bring the map up to date: %s. If the column is to stay off the map, add it to the pattern's exclude.",
						 guard_statement(place)));
	}
}

/* Return what the map missed of one table on it. */
static void
put_mirrored(ReturnSetInfo *rsinfo, const TablePlace *place, List *patterns)
{
	Binding *b = binding_named(place->schema, place->table);
	Oid relid = place_find_table(place->schema, place->table);
	TablePlace now;

	if (!OidIsValid(relid))
	{
		/* the map waits for a table of that name, unless the table has another name now */
		if (b != NULL && OidIsValid(b->relid) && place_of(b->relid, &now))
			put(rsinfo, place, NULL,
				psprintf("%s is called %s now, and its map did not follow.",
						 names_relation_label(place->schema, place->table),
						 names_relation_label(now.schema, now.table)),
				psprintf("Bring the map up to date: %s", guard_statement(&now)));
	}
	else if (b != NULL && b->relid == relid)
		put_columns(rsinfo, b, place,
					queue_is_unsettled(relid) ? NULL : table_pattern_best(patterns, place));
	else if (b == NULL || !b->guarded || place_carries_guard(relid))
		put(rsinfo, place, NULL,
			psprintf("%s is another table than the one that had that name when the extension last looked.",
					 names_relation_label(place->schema, place->table)),
			psprintf("Bring the map up to date: %s", guard_statement(place)));
	/* else the table is unguarded, which is a risk of its own */
}

/*
 * The mirrored tables (TablePlace) of which something may be missed: the name belongs to
 * another table than at the last look, or the columns are not the same.  One query finds
 * them, because on a large map they are few.  Needs SPI.
 */
static List *
changed_tables(void)
{
	/* the bound_table of 0.1.0 has no such column */
	bool knows_generated =
		get_attnum(catalog_table("bound_table", false), "generated") != InvalidAttrNumber;
	Parameters none = {0};
	List *places = NIL;
	uint64 n = sql_run(
		psprintf("SELECT m.table_schema, m.table_name FROM ownership.mirrored_table m "
				 "LEFT JOIN ownership.bound_table b USING (table_schema, table_name) "
				 "LEFT JOIN (SELECT n.nspname::text AS table_schema, c.relname::text AS table_name, c.oid "
				 "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
				 "WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't') c USING (table_schema, table_name) "
				 "WHERE b.relid IS DISTINCT FROM c.oid OR b.columns <> ARRAY("
				 "SELECT CASE WHEN a.attisdropped THEN '' ELSE a.attname::text END FROM pg_attribute a "
				 "WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum)%s "
				 "ORDER BY m.table_schema, m.table_name",
				 knows_generated ? " OR b.generated <> '{}'" : ""),
		&none);

	for (uint64 i = 0; i < n; i++)
	{
		TablePlace *place = palloc0(sizeof(TablePlace));

		place->schema = sql_result_text(i, 1);
		place->table = sql_result_text(i, 2);
		places = lappend(places, place);
	}
	return places;
}

/* map_behind(): the tables and columns where the map did not follow DDL. */
Datum
ownership_map_behind(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List *patterns = table_pattern_load();
	Parameters none = {0};
	ListCell *lc;
	uint64 n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, changed_tables())
		put_mirrored(rsinfo, lfirst(lc), patterns);
	if (patterns == NIL)
	{
		SPI_finish();
		return (Datum) 0;
	}

	n = sql_run("SELECT c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
				"WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' "
				"AND NOT c.relispartition AND c.oid >= 16384 "
				"AND n.nspname <> 'ownership' AND n.nspname !~ '^pg_' "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_table m "
				"WHERE m.table_schema = n.nspname::text AND m.table_name = c.relname::text)",
				&none);
	for (uint64 i = 0; i < n; i++)
	{
		Oid relid = atooid(sql_result_text(i, 1));
		TablePlace place;
		TablePattern *pattern;

		if (!place_of(relid, &place) || lookup_is_mirrored(place.schema, place.table))
			continue;
		pattern = table_pattern_best(patterns, &place);
		if (missed_table(relid, &place, pattern))
			put(rsinfo, &place, NULL,
				psprintf("%s matches pattern %s, and is not on the map.",
						 names_relation_label(place.schema, place.table), pattern->pattern),
				psprintf("Bring the map up to date: %s. If the table is to stay off the map, add it to the pattern's exclude.",
						 guard_statement(&place)));
	}
	SPI_finish();
	return (Datum) 0;
}

/*
 * Follow what the map missed of one table, as the next DDL on it does.  The
 * caller has SPI connected, and has checked that the user owns the table.
 */
static void
catch_up(Oid relid)
{
	SavedRole caller;
	TablePlace place;

	if (!place_of(relid, &place))
		return;
	caller = role_become_extension();
	if (binding_of(relid) != NULL)
		follow_table(relid, 0);
	else if (!lookup_is_mirrored(place.schema, place.table))
	{
		TablePattern *pattern = table_pattern_for(&place);

		if (missed_table(relid, &place, pattern) && table_pattern_map(relid, pattern, NIL))
			CommandCounterIncrement();
	}
	role_restore(&caller);
}

/*
 * guard(relation): bring the map of a table up to date, and guard the table and
 * all below it.
 *
 * Errors: those of guard_relation().
 */
Datum
ownership_guard(PG_FUNCTION_ARGS)
{
	SPI_connect();
	require_relation(PG_GETARG_OID(0));
	if (compat_table_ownercheck(PG_GETARG_OID(0), GetUserId()))
		catch_up(PG_GETARG_OID(0));
	guard_relation(PG_GETARG_OID(0), false);
	SPI_finish();
	PG_RETURN_VOID();
}
