/*
 * lost.c
 *		Values of other systems that go with a table which DDL drops or replaces.
 *
 * Whoever makes the rows of a shared table may load it by DDL: a filled table takes
 * the name of the one before.  No guard sees what was in that one, so nothing of it
 * is remembered.  A look into the table, before it is gone, finds the systems whose
 * values it contains, except the owner of its key: a warning names them, and
 * replaced_table has them for the view risks.  Values equal to a default count, and a
 * column with row owners counts for all of these: no code of users runs here.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "ddl.h"

/* What is found: two lists of the same length. */
typedef struct Lost
{
	List *systems; /* char * */
	List *columns; /* char *, a column of that system with values */
} Lost;

/* Does the system own the key, so that it makes the rows? */
static bool
makes_rows(const RelationMap *map, const char *system)
{
	for (int i = 0; i < map->ncols; i++)
		if (map->cols[i].key && map->cols[i].owner != NULL && strcmp(map->cols[i].owner, system) == 0)
			return true;
	return false;
}

static void
add_owner(Lost *lost, const RelationMap *map, const MappedColumn *col, const char *owner)
{
	ListCell *lc;
	ListCell *lc2;

	if (owner == NULL || makes_rows(map, owner))
		return;
	forboth(lc, lost->systems, lc2, lost->columns)
		if (strcmp(lfirst(lc), owner) == 0 && strcmp(lfirst(lc2), col->name) == 0)
			return;
	lost->systems = lappend(lost->systems, pstrdup(owner));
	lost->columns = lappend(lost->columns, pstrdup(col->name));
}

static void
add_column(Lost *lost, const RelationMap *map, const MappedColumn *col)
{
	add_owner(lost, map, col, col->owner);
	for (int i = 0; i < col->nrules; i++)
		add_owner(lost, map, col, col->rules[i].owner);
}

/* Finds the columns with values in one table; stops when all are found. */
static void
look_into(Lost *lost, Relation rel, const RelationMap *map)
{
	int wanted = 0;
	bool *found = palloc0((map->ncols + 1) * sizeof(bool));
	TupleTableSlot *slot;
	TableScanDesc scan;
	Snapshot snapshot;

	for (int i = 0; i < map->ncols; i++)
	{
		Lost owners = {0};

		add_column(&owners, map, &map->cols[i]);
		found[i] = map->cols[i].key || owners.systems == NIL;
		wanted += !found[i];
	}
	if (wanted == 0)
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (wanted > 0 && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < map->ncols; i++)
		{
			if (found[i] || slot_attisnull(slot, map->cols[i].attnum))
				continue;
			found[i] = true;
			wanted--;
			add_column(lost, map, &map->cols[i]);
		}
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

/* "erp" and "pim" */
static char *
quoted(List *names)
{
	StringInfoData text;
	ListCell *lc;

	initStringInfo(&text);
	foreach(lc, names)
		appendStringInfo(&text, "%s\"%s\"",
						 foreach_current_index(lc) == 0 ? ""
						 : lnext(names, lc) == NULL		? " and "
														: ", ",
						 (char *) lfirst(lc));
	return text.data;
}

static List *
once(List *names)
{
	List *some = NIL;
	ListCell *lc;

	foreach(lc, names)
		if (!names_contain(some, lfirst(lc)))
			some = lappend(some, lfirst(lc));
	return some;
}

/*
 * The table, which had that place on the map, is about to be dropped, or another has
 * taken its name: warns of the values in it, and records whose they are.
 */
void
lost_with_table(Oid relid, const TablePlace *place)
{
	Lost lost = {0};
	Parameters p = {0};
	ListCell *lc;

	/* an older version does not record it */
	if (!OidIsValid(catalog_table("replaced_table", true)))
		return;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);
		RelationMap *map = map_get(rel);

		if (rel->rd_rel->relkind == RELKIND_RELATION && map_is_shared(map))
			look_into(&lost, rel, map);
		table_close(rel, NoLock);
	}
	if (lost.systems == NIL)
		return;
	place_add(&p, place);
	sql_add_texts(&p, lost.systems);
	sql_add_texts(&p, lost.columns);
	sql_run("INSERT INTO ownership.replaced_table (table_schema, table_name, system, columns) "
			"SELECT $1, $2, l.system, array_agg(l.name ORDER BY l.name COLLATE \"C\") "
			"FROM unnest($3, $4) l(system, name) GROUP BY l.system "
			"ON CONFLICT (table_schema, table_name, system) "
			"DO UPDATE SET columns = excluded.columns, replaced_at = excluded.replaced_at",
			&p);
	ereport(WARNING,
			(errmsg("what %s wrote is not kept when table \"%s\" is replaced or dropped",
					quoted(once(lost.systems)), names_relation_label(place->schema, place->table)),
			 errdetail("There are values in %s.", quoted(once(lost.columns))),
			 errhint(
				 "Load into the table itself: what TRUNCATE and DELETE take along is remembered. The risk \"values_replaced\" of ownership.risks names what is missing.")));
}

/* What lost_before_drop() looks for. */
typedef struct Dropping
{
	List *relids; /* tables that DROP names */
	List *names;  /* char *, schemas that it names */
	Oid role;	  /* that drops */
} Dropping;

/* The tables of a schema that the map means. */
static List *
bound_in(const char *schema)
{
	Parameters p = {0};
	List *relids = NIL;
	uint64 n;

	sql_add_text(&p, schema);
	n = sql_run("SELECT b.relid::text FROM ownership.bound_table b "
				"JOIN pg_catalog.pg_class c ON c.oid = b.relid WHERE b.table_schema = $1",
				&p);
	for (uint64 i = 0; i < n; i++)
		relids = lappend_oid(relids, atooid(sql_result_text(i, 1)));
	return relids;
}

/* Looks into a table that DROP names, if it is on the map. */
static void
look_before_drop(Oid relid, Oid role)
{
	Binding *b = OidIsValid(relid) ? binding_of(relid) : NULL;
	TablePlace place;

	/* as DROP, which takes its lock when it knows that it may */
	if (b == NULL || !(compat_table_ownercheck(relid, role) ||
					   compat_schema_ownercheck(get_rel_namespace(relid), role)))
		return;
	LockRelationOid(relid, AccessExclusiveLock);
	if (get_rel_name(relid) == NULL)
		return;
	place.schema = b->schema;
	place.table = b->table;
	lost_with_table(relid, &place);
}

static void
look_before_drops(void *arg)
{
	Dropping *d = arg;
	SavedRole caller = role_become_extension();
	ListCell *lc;

	SPI_connect();
	foreach(lc, d->names)
		d->relids = list_concat(d->relids, bound_in(lfirst(lc)));
	foreach(lc, d->relids)
		look_before_drop(lfirst_oid(lc), d->role);
	SPI_finish();
	role_restore(&caller);
}

/*
 * DROP TABLE or DROP SCHEMA begins: looks into the tables on the map that it names.
 * Returns the error with which that failed; NULL: none.
 */
ErrorData *
lost_before_drop(DropStmt *stmt)
{
	Dropping d = {NIL, NIL, GetUserId()};
	ListCell *lc;

	/* the names are those of the role that drops */
	foreach(lc, stmt->objects)
	{
		if (stmt->removeType == OBJECT_TABLE)
			d.relids = lappend_oid(d.relids, RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)),
															  NoLock, true));
		else if (stmt->removeType == OBJECT_SCHEMA)
			d.names = lappend(d.names, strVal(lfirst(lc)));
	}
	return d.relids != NIL || d.names != NIL ? subxact_try(look_before_drops, &d) : NULL;
}
