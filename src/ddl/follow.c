/*
 * follow.c
 *		The map follows its tables.
 *
 * Rules, in the order in which they apply:
 *
 * - A mirrored table that is renamed or moved takes its map along at once, so
 *  that the guard judges by it in the same transaction.
 * - The map of a name belongs to the table that has the name.  A table that
 *  takes the name which a mirrored table left in the same transaction has taken
 *  its place (loads swap tables so), and the map returns to the name.  It does
 *  so in a later transaction, too, if the other table is gone.
 * - While the other table is there, a later transaction may be the second half
 *  of a swap, or have nothing to do with it.  If the new table has at least half
 *  of the mirrored columns, it gets a copy of the map (it is the twin), so that
 *  neither table is without a guard until the old one is dropped.
 * - A dropped table's map waits for its name, unless another table has a name
 *  that the dropped one had before.  The map does not follow a table out of a
 *  schema that another role created while the schema that the map means is gone.
 * - What a pattern put on the map, and about which nothing was decided, gives way
 *  to the map of a name that the table gets, and to a copy of it.
 * - The same rules apply to columns (columns.c), but for the copy.  A column
 *  that is on the map keeps its map until the one that had its name is gone.
 *
 * What depends on the state at the end of the transaction waits for the commit
 * (ddl_queue, settle.c): tables that match a pattern are put on the map, the
 * guard is created, and evidence is renamed.  So a load can create a table and
 * fill it before the guard is on it.
 *
 * The functions here run in a subtransaction, as the owner of the extension's
 * tables, with SPI connected.  An error in them does not fail the DDL,
 * but for those of subxact_try().
 */
#include "postgres.h"

#include "access/attnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "ddl.h"

/* former names */

/* The place on the map of the mirrored table that had this name before; NULL: none had it. */
static TablePlace *
left_from(const TablePlace *name)
{
	const char *keys[2] = {name->schema, name->table};
	CatalogScan *scan = catalog_begin("former_table", "former_table_pkey", 2, keys, NULL);
	TablePlace *place = NULL;

	if (catalog_next(scan))
	{
		place = palloc0(sizeof(TablePlace));
		place->schema = catalog_text(scan, Anum_former_table_schema);
		place->table = catalog_text(scan, Anum_former_table_table);
	}
	catalog_end(scan);
	/* the map of that table may have been deleted since */
	return place != NULL && lookup_is_mirrored(place->schema, place->table) ? place : NULL;
}

/* Did a mirrored table leave that name in this transaction? */
static bool
left_just_now(const TablePlace *name)
{
	Parameters p = {0};

	place_add(&p, name);
	return sql_run("SELECT FROM ownership.former_table WHERE former_schema = $1 "
				   "AND former_name = $2 AND left_in = pg_current_xact_id()",
				   &p) > 0;
}

/* A mirrored table got another place, which is not on the map: its map follows. */
static void
table_leaves(Oid relid, const TablePlace *from, const TablePlace *to, List *columns)
{
	Parameters p = {0};

	rename_on_map(from, to);
	rename_in_filters(relid, to, from->table, columns);
	queue_add(RelationRelationId, relid, from, false, false, NIL);
	place_add(&p, from);
	place_add(&p, to);
	sql_run("INSERT INTO ownership.former_table (former_schema, former_name, table_schema, table_name, left_in) "
			"VALUES ($1, $2, $3, $4, pg_current_xact_id()) ON CONFLICT (former_schema, former_name) "
			"DO UPDATE SET table_schema = $3, table_name = $4, left_in = pg_current_xact_id(), twin = false",
			&p);
}

/* The columns of a table that the table of that name did not have before; before NULL: all. */
static List *
new_columns(Oid relid, const Binding *before)
{
	List *fresh = NIL;
	ListCell *lc;

	foreach(lc, place_columns(relid))
	{
		List *name = list_make1(lfirst(lc));

		if (((char *) lfirst(lc))[0] != '\0' &&
			(before == NULL || !names_all_among(name, before->columns)))
			fresh = lappend(fresh, lfirst(lc));
	}
	return fresh;
}

/* Does the table have at least half of the mirrored columns that the other has? */
static bool
looks_like(Oid relid, const Binding *other)
{
	const char *keys[2] = {other->schema, other->table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, NULL);
	int there = 0;
	int here = 0;

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, Anum_mirrored_column_column);

		if (get_attnum(other->relid, name) != InvalidAttrNumber)
		{
			there++;
			here += get_attnum(relid, name) != InvalidAttrNumber;
		}
	}
	catalog_end(scan);
	return here > 0 && 2 * here >= there;
}

/* A table got a name on the map: bind it, and guard it if the table before it was guarded. */
static void
table_takes(Oid relid, const TablePlace *place)
{
	Binding *before = binding_named(place->schema, place->table);
	List *fresh = new_columns(relid, before);
	bool retyped = follow_has_other_types(relid, before);

	lost_report(place, place);
	bind_schema(place->schema);
	bind_table(place->schema, place->table, relid,
			   before != NULL ? before->guarded : place_carries_guard(relid));
	if (retyped)
		follow_key_types(relid, place);
	queue_add(RelationRelationId, relid, NULL, true, true, fresh);
}

/* The map of the table at `from`, which may be dropped, comes to the table at `to`. */
static void
map_returns(Oid relid, const TablePlace *from, const TablePlace *to)
{
	Binding *before = binding_named(from->schema, from->table);
	List *fresh = new_columns(relid, before);
	bool retyped = follow_has_other_types(relid, before);

	if (before != NULL && OidIsValid(before->relid) && get_rel_name(before->relid) != NULL)
		lost_with_table(before->relid, to);
	lost_report(from, to);
	if (before != NULL && OidIsValid(before->relid))
		queue_add(RelationRelationId, before->relid, from, false, true, NIL);
	else
		rename_evidence(from, to); /* that table is gone: nothing else will bring it here */
	rename_on_map(from, to);
	bind_table(to->schema, to->table, relid, before != NULL && before->guarded);
	if (retyped)
	{
		/* evidence has one of the names until the commit */
		follow_key_types(relid, from);
		follow_key_types(relid, to);
	}
	if (before != NULL)
		rename_in_filters(relid, to, from->table, NIL);
	queue_add(RelationRelationId, relid, NULL, true, true, fresh);
}

/*
 * A table has the name that the mirrored table at `from` had, and its columns:
 * copy the map of that one to it.
 */
static void
copy_map(Oid relid, const TablePlace *from, const TablePlace *to, bool guarded)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	sql_add_texts(&p, place_columns(relid));
	sql_run("INSERT INTO ownership.mirrored_table (table_schema, table_name, source) "
			"SELECT $3, $4, source FROM ownership.mirrored_table "
			"WHERE (table_schema, table_name) = ($1, $2) AND $5 IS NOT NULL",
			&p);
	sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) "
			"SELECT $3, $4, column_name, entity, field FROM ownership.mirrored_column "
			"WHERE (table_schema, table_name) = ($1, $2) AND column_name = ANY ($5)",
			&p);
	table_triggers_write_filters("INSERT INTO ownership.row_owner (table_schema, table_name, column_name, position, row_filter, owner) "
								 "SELECT $3, $4, column_name, position, row_filter, owner FROM ownership.row_owner "
								 "WHERE (table_schema, table_name) = ($1, $2) AND column_name = ANY ($5)",
								 &p);
	sql_run("UPDATE ownership.former_table SET twin = true WHERE (former_schema, former_name) = ($3, $4) "
			"AND ($1, $2) IS NOT NULL AND $5 IS NOT NULL",
			&p);
	bind_table(to->schema, to->table, relid, guarded);
	queue_add(RelationRelationId, relid, NULL, true, true, NIL);
}

/*
 * Is a place that a mirrored table had free for another table: did that table
 * leave it in this transaction, or is it dropped?  Not if that table is the one
 * at `but`.
 */
static bool
is_vacant(const TablePlace *place, const TablePlace *but)
{
	TablePlace *from = left_from(place);
	Binding *other;

	if (from == NULL || place_is_same(from, but))
		return false;
	other = binding_named(from->schema, from->table);
	/* the event trigger may not have seen its drop */
	return other == NULL || get_rel_name(other->relid) == NULL || left_just_now(place);
}

/* The same, or does the table look like the one that had that place? */
static bool
may_be_vacant(Oid relid, const TablePlace *place, const TablePlace *but)
{
	TablePlace *from = left_from(place);

	return from != NULL && !place_is_same(from, but) &&
		   (is_vacant(place, but) || looks_like(relid, binding_named(from->schema, from->table)));
}

/* A table that is not on the map got a name that is not on the map. */
static void
table_arrives(Oid relid, const TablePlace *place)
{
	TablePlace *from = left_from(place);
	char *label = names_message_relation(place->schema, place->table);
	Binding *other;

	if (from == NULL)
	{
		queue_add(RelationRelationId, relid, NULL, true, true, NIL);
		return;
	}
	other = binding_named(from->schema, from->table);
	if (is_vacant(place, place))
		map_returns(relid, from, place);
	else if (looks_like(relid, other))
	{
		copy_map(relid, from, place, other->guarded);
		ereport(WARNING,
				(errmsg("table \"%s\" gets the same ownership map as table \"%s\"", label,
						names_message_relation(from->schema, from->table)),
				 errdetail("The other table had this name, and this table has its columns: a load may be swapping them. When \"%s\" is dropped, the map stays with this table.",
						   names_message_relation(from->schema, from->table)),
				 errhint(
					 "Delete the row of the table that is not mirrored from ownership.mirrored_table.")));
	}
	else
	{
		ereport(WARNING,
				(errmsg("table \"%s\" is not on the ownership map", label),
				 errdetail("The map of that name followed its table, which is called \"%s\" now.",
						   names_message_relation(from->schema, from->table))));
		queue_add(RelationRelationId, relid, NULL, true, true, NIL);
	}
}

/* Can DDL on the relation, of the kinds in flags, matter to the map?  Costs a few index lookups. */
bool
follow_concerns_map(Oid relid, int flags)
{
	TablePlace place;

	if (!place_of(relid, &place))
		return false;
	if (lookup_is_mirrored(place.schema, place.table) || binding_of(relid) != NULL)
		return true;
	if (flags & FOLLOW_ARRIVAL && (left_from(&place) != NULL || table_pattern_for(&place) != NULL))
		return true;
	if (flags & (FOLLOW_GUARD | FOLLOW_TRIGGERS) && place_carries_guard(relid))
		return true;
	return flags & (FOLLOW_ARRIVAL | FOLLOW_GUARD) && place_is_below_mirrored(relid);
}

/*
 * A table left its place: may its map follow it?  Another role may create a
 * schema with the name of one that is gone, and a table in it.  That table has
 * the map of its name only while it is there.
 */
static bool
may_take_along(Oid relid, const TablePlace *was)
{
	Oid schema = get_namespace_oid(was->schema, true);

	/* the schema itself may have been renamed */
	if (!OidIsValid(schema))
		schema = get_rel_namespace(relid);
	if (bind_is_bound_schema(was->schema, schema))
		return true;
	ereport(WARNING,
			(errmsg("the ownership map of table \"%s\" stays with that name",
					names_relation_label(was->schema, was->table)),
			 errdetail("Schema \"%s\" took the place of the one that the map means.", was->schema)));
	return false;
}

/* Follow DDL on a relation; flags say of which kinds. */
void
follow_table(Oid relid, int flags)
{
	TablePlace place;
	Binding *b;

	if (!place_of(relid, &place))
		return;
	b = binding_of(relid);
	if (b != NULL)
	{
		TablePlace was = {b->schema, b->table, false};

		if (!place_is_same(&was, &place))
		{
			/* the map of the new name goes before the table's own map */
			if (!may_take_along(relid, &was))
				bind_nothing(b);
			else if (lookup_is_mirrored(place.schema, place.table) || is_vacant(&place, &was))
			{
				if (!table_pattern_drop_undecided(&was, NULL))
					bind_nothing(b);
			}
			/* the table's own map follows, unless it gives way to a copy of the other one */
			else if (!may_be_vacant(relid, &place, &was) ||
					 !table_pattern_drop_undecided(&was, NULL))
				table_leaves(relid, &was, &place, b->columns);
			b = binding_of(relid);
			if (b == NULL)
				flags |= FOLLOW_ARRIVAL;
		}
	}
	/* the map of the table above covers a partition */
	if (b != NULL && flags & FOLLOW_GUARD && place.partition && place_is_below_mirrored(relid) &&
		table_pattern_drop_undecided(&place, NULL))
		b = NULL;
	if (b != NULL)
		follow_columns(b, &place);
	else if (lookup_is_mirrored(place.schema, place.table))
		table_takes(relid, &place);
	else if (flags & FOLLOW_ARRIVAL)
		table_arrives(relid, &place);
	if (flags & FOLLOW_KEY && b != NULL && !call_is_restoring() && table_pattern_for(&place) != NULL)
		field_mark_primary_key(relid);
	if (flags & FOLLOW_GUARD)
		queue_add(RelationRelationId, relid, NULL, b == NULL && flags & FOLLOW_ARRIVAL, true, NIL);
}

/* A table was dropped whose map was copied to a twin: the twin keeps the map. */
static void
twin_stays(const TablePlace *gone, const TablePlace *twin)
{
	Parameters p = {0};
	Parameters q = {0};
	Parameters r = {0};

	/* mirrored columns that the twin does not have wait on its map */
	place_add(&r, gone);
	place_add(&r, twin);
	sql_add_texts(&r, place_columns(place_find_table(twin->schema, twin->table)));
	sql_run("UPDATE ownership.mirrored_column m SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name <> ALL ($5) "
			"AND NOT EXISTS (SELECT FROM ownership.mirrored_column o WHERE o.table_schema = $3 "
			"AND o.table_name = $4 AND o.column_name = m.column_name)",
			&r);
	place_add(&p, gone);
	if (sql_run("SELECT array_agg(column_name) FROM ownership.mirrored_column "
				"WHERE table_schema = $1 AND table_name = $2 AND authoritative",
				&p) > 0)
		sql_add_texts(&q, sql_result_texts(0, 1));
	sql_run("DELETE FROM ownership.mirrored_table WHERE table_schema = $1 AND table_name = $2", &p);
	place_add(&q, twin);
	sql_run("UPDATE ownership.mirrored_column SET authoritative = true "
			"WHERE column_name = ANY ($1) AND table_schema = $2 AND table_name = $3",
			&q);
	rename_pins(gone, twin);
	rename_evidence(gone, twin);
	follow_key_types(place_find_table(twin->schema, twin->table), twin);
	lost_report(gone, twin);
}

/*
 * A table was dropped: its map waits for the name, unless another table has one
 * of its former names.
 */
void
follow_dropped(Oid relid)
{
	Binding *b = binding_of(relid);
	TablePlace place;
	Parameters p = {0};
	uint64 n;
	SPITupleTable *names;

	if (b == NULL)
		return;
	bind_nothing(b);
	place.schema = b->schema;
	place.table = b->table;
	place_add(&p, &place);
	n = sql_run("SELECT former_schema, former_name, twin FROM ownership.former_table "
				"WHERE table_schema = $1 AND table_name = $2 ORDER BY left_in DESC",
				&p);
	names = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		TablePlace former = {SPI_getvalue(names->vals[i], names->tupdesc, 1),
							 SPI_getvalue(names->vals[i], names->tupdesc, 2), false};
		bool twin = strcmp(SPI_getvalue(names->vals[i], names->tupdesc, 3), "t") == 0;
		Oid heir = place_find_table(former.schema, former.table);

		if (twin && lookup_is_mirrored(former.schema, former.table))
			twin_stays(&place, &former);
		else if (OidIsValid(heir) && !lookup_is_mirrored(former.schema, former.table))
			map_returns(heir, &place, &former);
		else
			continue;
		return;
	}
}

/* Follow the relations whose OIDs a query returns as text, where they concern the map. */
static void
follow_oids(const char *sql, Parameters *p, int flags)
{
	uint64 n = sql_run_composed(sql, p);
	SPITupleTable *oids = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		Oid relid = atooid(SPI_getvalue(oids->vals[i], oids->tupdesc, 1));

		if (follow_concerns_map(relid, flags))
			follow_table(relid, flags);
	}
}

/* A schema was renamed: its tables have another place, and evidence follows at commit. */
void
follow_schema(const char *old, const char *new)
{
	Parameters p = {0};
	TablePlace was = {unconstify(char *, old), NULL, false};

	sql_add_text(&p, old);
	follow_oids("SELECT relid::text FROM ownership.bound_table WHERE table_schema = $1 AND relid <> 0",
				&p, 0);
	p = (Parameters){0};
	sql_add_text(&p, new);
	follow_oids("SELECT c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
				"WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')",
				&p, FOLLOW_ARRIVAL);
	queue_add(NamespaceRelationId, get_namespace_oid(new, false), &was, false, false, NIL);
}

/* A subscription was renamed: its identity follows. */
void
follow_subscription(const char *old, const char *new)
{
	Parameters p = {0};

	sql_add_text(&p, old);
	sql_add_text(&p, new);
	if (sql_run("SELECT FROM ownership.identity o JOIN ownership.identity n ON n.kind = o.kind "
				"WHERE o.kind = 'subscription' AND o.name = $1 AND n.name = $2",
				&p) > 0)
		ereport(WARNING,
				(errmsg("subscription \"%s\" is identified already", new),
				 errdetail("The identity of subscription \"%s\" stays with that name.", old)));
	else
		sql_run("UPDATE ownership.identity SET name = $2 WHERE kind = 'subscription' AND name = $1",
				&p);
}
