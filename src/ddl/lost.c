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

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "ddl.h"

/* A column that systems own which do not make the rows. */
typedef struct Column
{
	char *name;
	char *owner; /* one for each of them */
	bool found;	 /* there are values in it */
} Column;

/* The columns of a table on the map; none of a private copy. */
static List *
columns_of_others(const TablePlace *place)
{
	Parameters p = {0};
	List *columns = NIL;
	uint64 n;

	place_add(&p, place);
	n = sql_run("SELECT DISTINCT v.column_name, v.owner FROM ownership.foreign_in v "
				"WHERE (v.table_schema, v.table_name) = ($1, $2) AND v.source IS NULL "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_column c "
				"JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field "
				"WHERE (c.table_schema, c.table_name) = ($1, $2) AND f.key "
				"AND (f.owner = v.owner OR c.column_name = v.column_name)) ORDER BY 1, 2",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Column *col = palloc0(sizeof(Column));

		col->name = sql_result_text(i, 1);
		col->owner = sql_result_text(i, 2);
		columns = lappend(columns, col);
	}
	return columns;
}

/* Finds the columns with values in one table; stops when all are found. */
static void
look_into(List *columns, Relation rel)
{
	AttrNumber *attnums = palloc(list_length(columns) * sizeof(AttrNumber));
	int wanted = 0;
	TupleTableSlot *slot;
	TableScanDesc scan;
	Snapshot snapshot;
	ListCell *lc;

	foreach(lc, columns)
	{
		const Column *col = lfirst(lc);

		attnums[foreach_current_index(lc)] = get_attnum(RelationGetRelid(rel), col->name);
		wanted += !col->found && get_attnum(RelationGetRelid(rel), col->name) > 0;
	}
	if (wanted == 0)
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (wanted > 0 && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		foreach(lc, columns)
		{
			Column *col = lfirst(lc);
			AttrNumber attnum = attnums[foreach_current_index(lc)];

			if (col->found || attnum <= 0 || slot_attisnull(slot, attnum))
				continue;
			col->found = true;
			wanted--;
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
 * Records at a place whose values are in the table, or in the partition with these
 * bounds ("": in the whole table), which the map knows as `mapped`.
 */
void
lost_record(Oid relid, const TablePlace *mapped, const TablePlace *place, const char *bounds)
{
	List *columns;
	List *systems = NIL;
	List *names = NIL;
	Parameters p = {0};
	ListCell *lc;

	/* an older version does not record it */
	if (!OidIsValid(catalog_table("replaced_table", true)))
		return;
	columns = columns_of_others(mapped);
	if (columns == NIL)
		return;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		if (rel->rd_rel->relkind == RELKIND_RELATION)
			look_into(columns, rel);
		table_close(rel, NoLock);
	}
	foreach(lc, columns)
	{
		const Column *col = lfirst(lc);

		if (!col->found)
			continue;
		systems = lappend(systems, col->owner);
		names = lappend(names, col->name);
	}
	if (systems == NIL)
		return;
	place_add(&p, place);
	sql_add_texts(&p, systems);
	sql_add_texts(&p, names);
	sql_add_text(&p, bounds);
	sql_add_oid(&p, relid);
	sql_run("INSERT INTO ownership.replaced_table (table_schema, table_name, system, columns, bounds, part) "
			"SELECT $1, $2, l.system, array_agg(l.name ORDER BY l.name COLLATE \"C\"), $5, $6 "
			"FROM unnest($3, $4) l(system, name) GROUP BY l.system "
			"ON CONFLICT (table_schema, table_name, system, bounds) "
			"DO UPDATE SET columns = excluded.columns, part = excluded.part, replaced = false",
			&p);
}

/*
 * The table, which had that place on the map, is about to be dropped, or another has
 * taken its name: records whose values are in it.
 */
void
lost_with_table(Oid relid, const TablePlace *place)
{
	Binding *b = binding_of(relid);
	TablePlace mapped = {0};

	if (b == NULL)
		return;
	mapped.schema = b->schema;
	mapped.table = b->table;
	lost_record(relid, &mapped, place, "");
}

/* As lost_report(); of the partitions with these bounds, if they are not "". */
void
lost_report_bounds(const TablePlace *was, const TablePlace *place, const char *bounds)
{
	Parameters p = {0};
	List *systems = NIL;
	List *names = NIL;
	uint64 n;

	if (!OidIsValid(catalog_table("replaced_table", true)))
		return;
	place_add(&p, was);
	place_add(&p, place);
	sql_add_text(&p, bounds);
	n = sql_run("WITH gone AS (DELETE FROM ownership.replaced_table WHERE NOT replaced AND bounds = $5 "
				"AND ((table_schema, table_name) = ($1, $2) OR (table_schema, table_name) = ($3, $4)) "
				"RETURNING system, columns) "
				"INSERT INTO ownership.replaced_table AS r (table_schema, table_name, system, columns, replaced, bounds) "
				"SELECT $3, $4, system, array_agg(DISTINCT name COLLATE \"C\"), true, $5 FROM gone, unnest(columns) name GROUP BY system ORDER BY system "
				"ON CONFLICT (table_schema, table_name, system, bounds) "
				"DO UPDATE SET columns = excluded.columns, replaced = true "
				"RETURNING system, columns",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		systems = lappend(systems, sql_result_text(i, 1));
		names = list_concat(names, sql_result_texts(i, 2));
	}
	if (systems == NIL)
		return;
	ereport(WARNING,
			(bounds[0] == '\0'
				 ? errmsg("table \"%s\" was replaced, and what %s had written is not kept",
						  names_relation_label(place->schema, place->table), quoted(systems))
				 : errmsg("a partition of table \"%s\" was replaced, and what %s had written is not kept",
						  names_relation_label(place->schema, place->table), quoted(systems)),
			 errdetail("There were values in %s.", quoted(once(names))),
			 errhint(
				 "Load into the table itself: what TRUNCATE and DELETE take along is remembered. The risk \"values_replaced\" of ownership.risks names what is missing.")));
}

/*
 * A table has the place on the map of one that had the place `was`, which may be the
 * same: warns of the values in that one, once.
 */
void
lost_report(const TablePlace *was, const TablePlace *place)
{
	lost_report_bounds(was, place, "");
}
