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
	"system IS NOT DISTINCT FROM $1 AND recorded_at <= $3 AND coalesce(resolution, '') NOT IN ('dismissed', 'erased')"

#define FROM_EVIDENCE                                                 \
	"SELECT " COLUMNS_OF_WRITE "0 AS source FROM ownership.conflict " \
	"WHERE outcome IN ('observed', 'filled', 'overridden') AND recorded_at >= $2 AND " BY_THE_SYSTEM

#define FROM_HISTORY                                                                                    \
	"SELECT " COLUMNS_OF_WRITE "CASE WHEN " BY_THE_SYSTEM " THEN 1 ELSE 2 END AS source "               \
	"FROM ownership.history WHERE recorded_at >= $2 AND (system IS DISTINCT FROM $1 OR (" BY_THE_SYSTEM \
	"))"

/*
 * The changes of keys since $2, as far as they are known: the row that had old_key has
 * new_key since.
 */
#define MOVED(table, which)                                                                                \
	"SELECT id, table_schema, table_name, row_key || o.changed AS old_key, row_key AS new_key FROM " table \
	" CROSS JOIN LATERAL (SELECT jsonb_object_agg(k, " STORED_AS_KEY                                       \
	") AS changed FROM jsonb_object_keys(row_key) k "                                                      \
	"WHERE " KEY_CHANGED ") o "                                                                            \
	"WHERE recorded_at >= $2 AND operation = 'UPDATE' AND jsonb_typeof(row_key) = 'object' "               \
	"AND jsonb_typeof(stored) = 'object' AND stored ?| ARRAY(SELECT jsonb_object_keys(row_key)) "          \
	"AND o.changed IS NOT NULL" which

#define MOVED_IN_EVIDENCE \
	MOVED("ownership.conflict", " AND outcome IN ('observed', 'filled', 'overridden')")

#define MOVED_IN_HISTORY " UNION ALL " MOVED("ownership.history", "")

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
	w->left = sql_result_bool(row, 11);
	return w;
}

/* The system's writes as a list of RowWrites, the row with its latest write first. */
List *
decision_load_writes(const char *system, TimestampTz since, TimestampTz until)
{
	Parameters p = {0};
	List *rows = NIL;
	int64 group = -1;
	bool history;
	uint64 n;

	sql_add_text(&p, system);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(since), false);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(until), false);
	history = may_read_history();
	n = sql_run_composed(psprintf("WITH moved AS MATERIALIZED (" MOVED_IN_EVIDENCE "%s) "
								  "SELECT w.*, EXISTS (SELECT FROM moved m WHERE m.old_key = w.row_key AND m.id > w.id "
								  "AND (m.table_schema, m.table_name) = (w.table_schema, w.table_name)) "
								  "FROM (SELECT *, CASE WHEN jsonb_typeof(row_key) = 'object' "
								  "THEN max(id) FILTER (WHERE source <> 2) OVER (PARTITION BY table_schema, table_name, row_key) "
								  "WHEN source <> 2 THEN id END AS latest FROM (" FROM_EVIDENCE
								  "%s) w) w "
								  "WHERE latest IS NOT NULL ORDER BY latest DESC, id DESC",
								  history ? MOVED_IN_HISTORY : "",
								  history ? " UNION ALL " FROM_HISTORY : ""),
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

/*
 * The key by which the row of a write is found now: it got other keys since, perhaps
 * its former one again.  since: as in the call of revert().  Needs SPI.
 */
Jsonb *
decision_key_now(const RowWrites *row, const Write *e, TimestampTz since)
{
	Jsonb *key = row->row_key;
	int64 id = e->id;
	bool history =
		OidIsValid(catalog_table("history", true)) &&
		pg_class_aclcheck(catalog_table("history", false), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	int level = sql_pin_search_path();

	for (;;)
	{
		Parameters p = {0};

		sql_add_text(&p, row->schema);
		sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(since), false);
		sql_add_text(&p, row->table);
		sql_add_value(&p, JSONBOID, JsonbPGetDatum(key), false);
		sql_add_value(&p, INT8OID, Int64GetDatum(id), false);
		if (sql_run_composed(psprintf("SELECT id, new_key FROM (" MOVED_IN_EVIDENCE "%s) m "
									  "WHERE (table_schema, table_name) = ($1, $3) AND old_key = $4 AND id > $5 "
									  "ORDER BY id LIMIT 1",
									  history ? MOVED_IN_HISTORY : ""),
							 &p) == 0)
			break;
		id = sql_result_int64(0, 1);
		key = sql_result_jsonb(0, 2);
	}
	sql_unpin_search_path(level);
	return key;
}
