/*
 * writes.c
 *		What a system wrote in a period, row by row, for revert(): from the evidence of
 *		writes that went through (observed, filled, overridden), and from the history of
 *		fields.
 *
 * History also tells what others wrote in these rows meanwhile.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

/* The writes of a system ($1) from $2 to $3, and those of others since. */
#define COLUMNS_OF_WRITE                                 \
	"id, table_schema, table_name, row_key, operation, " \
	"array_remove(columns::text[], NULL) AS columns, stored, proposed, "

#define BY_THE_SYSTEM \
	"system IS NOT DISTINCT FROM $1 AND recorded_at <= $3 AND resolution IS DISTINCT FROM 'dismissed'"

#define FROM_EVIDENCE                                                 \
	"SELECT " COLUMNS_OF_WRITE "0 AS source FROM ownership.conflict " \
	"WHERE outcome IN ('observed', 'filled', 'overridden') AND recorded_at >= $2 AND " BY_THE_SYSTEM

#define FROM_HISTORY                                                                                    \
	"SELECT " COLUMNS_OF_WRITE "CASE WHEN " BY_THE_SYSTEM " THEN 1 ELSE 2 END AS source "               \
	"FROM ownership.history WHERE recorded_at >= $2 AND (system IS DISTINCT FROM $1 OR (" BY_THE_SYSTEM \
	"))"

/*
 * Can history be read?  Tells the caller if what is in it will be missing.  An older
 * version of the extension has none.
 */
static bool
may_read_history(void)
{
	Parameters none = {0};
	Oid history = catalog_table("history", true);

	if (!OidIsValid(history))
		return false;
	if (pg_class_aclcheck(history, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	if (sql_run("SELECT FROM ownership.field WHERE history LIMIT 1", &none) > 0)
		ereport(NOTICE,
				(errmsg("the changes in ownership.history are left out"),
				 errdetail("Role \"%s\" may not read them.", GetUserNameFromId(GetUserId(), false)),
				 errhint("GRANT SELECT ON ownership.history gives the needed privilege.")));
	return false;
}

static Write *
take_write(uint64 row)
{
	Write *w = palloc(sizeof(Write));

	w->id = sql_result_int64(row, 1);
	w->operation = sql_result_text(row, 5);
	w->columns = sql_result_texts(row, 6);
	w->stored = sql_result_jsonb(row, 7);
	w->proposed = sql_result_jsonb(row, 8);
	w->source = sql_result_int64(row, 9);
	return w;
}

/* The system's writes as a list of RowWrites, the row with its latest write first. */
List *
decision_load_writes(const char *system, TimestampTz since, TimestampTz until)
{
	Parameters p = {0};
	List *rows = NIL;
	int64 group = -1;
	uint64 n;

	sql_add_text(&p, system);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(since), false);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(until), false);
	n = sql_run(psprintf("SELECT * FROM (SELECT *, CASE WHEN jsonb_typeof(row_key) = 'object' "
						 "THEN max(id) FILTER (WHERE source <> 2) OVER (PARTITION BY table_schema, table_name, row_key) "
						 "WHEN source <> 2 THEN id END AS latest FROM (" FROM_EVIDENCE "%s) w) w "
						 "WHERE latest IS NOT NULL ORDER BY latest DESC, id DESC",
						 may_read_history() ? " UNION ALL " FROM_HISTORY : ""),
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		RowWrites *row;

		if (sql_result_int64(i, 10) != group)
		{
			group = sql_result_int64(i, 10);
			row = palloc0(sizeof(RowWrites));
			row->schema = sql_result_text(i, 2);
			row->table = sql_result_text(i, 3);
			row->row_key = sql_result_jsonb(i, 4);
			if (row->row_key != NULL && !JB_ROOT_IS_OBJECT(row->row_key))
				row->row_key = NULL;
			rows = lappend(rows, row);
		}
		row = llast(rows);
		row->writes = lappend(row->writes, take_write(i));
	}
	return rows;
}
