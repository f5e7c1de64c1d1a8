/*
 * lost_part.c
 *		Values of other systems that go with a partition of a table on the map, where
 *		another partition takes its place: one with the same bounds under the same table.
 *
 * A partition that is detached or dropped, and not replaced, is no loss that a role
 * would not know of: old months go this way.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "ddl.h"

/* The place of the table on the map above a partition; NULL: none. */
static TablePlace *
place_above(Oid relid)
{
	ListCell *lc;

	foreach(lc, place_ancestors(relid))
	{
		Binding *b = binding_of(lfirst_oid(lc));
		TablePlace *place;

		if (b == NULL)
			continue;
		place = palloc0(sizeof(TablePlace));
		place->schema = b->schema;
		place->table = b->table;
		return place;
	}
	return NULL;
}

/* The table that the partition is part of, and its bounds; NULL: it is no partition. */
static char *
bounds_of(Oid relid)
{
	Parameters p = {0};

	sql_add_oid(&p, relid);
	if (sql_run("SELECT i.inhparent::text || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_class c "
				"JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = $1 AND c.relispartition",
				&p) == 0)
		return NULL;
	return sql_result_text(0, 1);
}

/* The partition is about to be detached or dropped: records whose values are in it. */
void
lost_with_partition(Oid relid)
{
	TablePlace *place = place_above(relid);
	char *bounds = place == NULL ? NULL : bounds_of(relid);

	if (bounds != NULL)
		lost_record(relid, place, place, bounds);
}

/* The table became a partition: warns of the values in the one that had its bounds before. */
void
lost_report_partition(Oid relid)
{
	TablePlace *place = place_above(relid);
	char *bounds = place == NULL ? NULL : bounds_of(relid);
	Parameters p = {0};

	if (bounds == NULL || !OidIsValid(catalog_table("replaced_table", true)))
		return;
	/* the same partition again has its values */
	place_add(&p, place);
	sql_add_text(&p, bounds);
	sql_add_oid(&p, relid);
	sql_run("DELETE FROM ownership.replaced_table WHERE (table_schema, table_name, bounds) = ($1, $2, $3) "
			"AND part = $4 AND NOT replaced",
			&p);
	lost_report_bounds(place, place, bounds);
}
