/*
 * apply.c
 *		apply_waiting(): values that wait although their rows are there.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../guard/guard.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_apply_waiting);

/* Errors: the caller may not decide on evidence; the guard is switched off. */
static void
check_caller(void)
{
	Oid conflict = catalog_table("conflict", false);

	if (pg_attribute_aclcheck(conflict, Anum_conflict_resolution, GetUserId(), ACL_UPDATE) !=
			ACLCHECK_OK &&
		pg_class_aclcheck(conflict, GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to apply values that wait"),
						errhint("The caller needs UPDATE (resolution) on ownership.conflict.")));
	if (ownership_enforcement != ENFORCEMENT_ON)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("values that wait cannot be applied while ownership.enforcement is not on")));
}

/* Applies what waits for rows of one table of the map; 0 where the table is not there. */
static int64
apply_to(const char *schema, const char *table)
{
	Oid relid = place_find_table(schema, table);
	Relation rel;
	int64 applied;

	if (!OidIsValid(relid))
		return 0;
	rel = table_open(relid, RowExclusiveLock);
	applied = land_table(rel);
	table_close(rel, NoLock);
	return applied;
}

/* The tables (TablePlace) for which something waits; relid: only this one, if it is valid. */
static List *
tables_awaiting(Oid relid)
{
	Parameters p = {0};
	List *places = NIL;
	uint64 n = sql_run("SELECT DISTINCT table_schema, table_name FROM ownership.conflict "
					   "WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL "
					   "AND row_key IS NOT NULL",
					   &p);

	for (uint64 i = 0; i < n; i++)
	{
		TablePlace *place = palloc0(sizeof(TablePlace));

		place->schema = sql_result_text(i, 1);
		place->table = sql_result_text(i, 2);
		if (!OidIsValid(relid) || place_find_table(place->schema, place->table) == relid)
			places = lappend(places, place);
	}
	return places;
}

/*
 * apply_waiting(relation): applies what waits for rows that are there, of one table
 * of the map, or of all.  Returns the number of values.
 *
 * Errors: the caller may not UPDATE (resolution) of ownership.conflict; enforcement
 * is not on.
 */
Datum
ownership_apply_waiting(PG_FUNCTION_ARGS)
{
	int64 applied = 0;
	List *places;
	ListCell *lc;

	check_caller();
	/* what cannot be written goes on waiting, and none would be an error */
	PreventCommandIfReadOnly("ownership.apply_waiting()");
	SPI_connect();
	places = tables_awaiting(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0));
	foreach(lc, places)
	{
		const TablePlace *place = lfirst(lc);

		applied += apply_to(place->schema, place->table);
	}
	SPI_finish();
	PG_RETURN_INT64(applied);
}
