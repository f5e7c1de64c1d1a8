/*
 * lost.c
 *		lost_update(): where PostgreSQL may have dropped what a subscription sent.
 *
 * It drops the UPDATEs and DELETEs of a row that is not there.  So a system whose
 * feed brings rows that it may not create may have changed them meanwhile: those
 * that wait, and those to which a value was applied that had waited, until the
 * system writes the row again.  That it did is seen by later evidence or history
 * of the row, or by another stored value.
 *
 * Everybody may read the risks, so the evidence is read as the owner of the map,
 * and only counts are returned; the rows are read with the caller's privileges.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_lost_update);

/* So many rows with an applied value are compared, the latest; older ones are not counted. */
#define MAX_APPLIED "10000"

/* The rows of one table that a feed brought. */
typedef struct Feed
{
	char *schema;
	char *table;
	char *system;
	char *origin;
	int64 waiting; /* rows that wait */
	int64 applied; /* rows with an applied value that the system did not write since */
	TimestampTz since;
} Feed;

/* An applied value that may be old. */
typedef struct Applied
{
	Feed *feed;
	Jsonb *row_key;
	char *shape; /* the names in row_key */
	List *names; /* char *: columns whose values waited */
	Jsonb *proposed;
} Applied;

/* Reads the rows of one table whose row_keys name the same columns. */
typedef struct Look
{
	Oid relid;
	List *keys;
	List *columns; /* of RowColumn * */
	StoredRow *rows;
} Look;

static bool
look(void *arg)
{
	Look *l = arg;

	/* a superuser reads tables of any role: code of other roles must not run as superuser */
	if (superuser() && trust_reading_runs_code(l->relid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("reading the table runs functions of other roles")));
	row_read(l->relid, l->keys, l->columns, false, false, l->rows);
	return true;
}

/* Is every value still the one that was applied? */
static bool
is_as_applied(const Applied *a, List *columns, const StoredRow *row)
{
	ListCell *lc;

	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);
		char *text;
		ValueKind kind = value_object_text(a->proposed, col->name, &text);

		if (names_contain(a->names, col->name) && (kind == VALUE_TEXT || kind == VALUE_NULL) &&
			!value_same_text(col->type, text, row->values[foreach_current_index(lc)]))
			return false;
	}
	return true;
}

/* Counts those of one table and shape of key that were not written since. */
static void
count_applied(List *applied)
{
	const Applied *first = linitial(applied);
	Look l = {place_evidence_table(first->feed->schema, first->feed->table), NIL, NIL, NULL};
	List *names = NIL;
	ErrorData *error;
	ListCell *lc;

	if (!OidIsValid(l.relid))
		return;
	foreach(lc, applied)
	{
		const Applied *a = lfirst(lc);
		ListCell *name;

		l.keys = lappend(l.keys, a->row_key);
		foreach(name, a->names)
		{
			RowColumn *col;

			if (names_all_among(list_make1(lfirst(name)), names))
				continue;
			names = lappend(names, lfirst(name));
			col = place_row_column(l.relid, lfirst(name));
			if (col != NULL)
				l.columns = lappend(l.columns, col);
		}
	}
	l.rows = palloc0(list_length(applied) * sizeof(StoredRow));
	error = subxact_trial(look, &l);
	foreach(lc, applied)
	{
		Applied *a = lfirst(lc);
		const StoredRow *row = &l.rows[foreach_current_index(lc)];

		/* whoever cannot look is warned */
		if (error != NULL || (row->n > 0 && is_as_applied(a, l.columns, row)))
			a->feed->applied++;
	}
}

/* The feeds that brought rows which they may not create, with what waits. */
static List *
load_feeds(void)
{
	Parameters none = {0};
	List *feeds = NIL;
	uint64 n =
		sql_run("SELECT table_schema, table_name, system, origin, count(*) FILTER (WHERE resolved_at IS NULL), min(recorded_at) "
				"FROM ownership.conflict WHERE outcome = 'parked' AND origin IS NOT NULL "
				"AND (resolved_at IS NULL OR resolution = 'applied') GROUP BY 1, 2, 3, 4",
				&none);

	for (uint64 i = 0; i < n; i++)
	{
		Feed *feed = palloc0(sizeof(Feed));

		feed->schema = sql_result_text(i, 1);
		feed->table = sql_result_text(i, 2);
		feed->system = sql_result_text(i, 3);
		feed->origin = sql_result_text(i, 4);
		feed->waiting = sql_result_int64(i, 5);
		feed->since = sql_result_time(i, 6);
		feeds = lappend(feeds, feed);
	}
	return feeds;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static Feed *
find_feed(List *feeds, const char *schema, const char *table, const char *system, const char *origin)
{
	ListCell *lc;

	foreach(lc, feeds)
	{
		Feed *feed = lfirst(lc);

		if (strcmp(feed->schema, schema) == 0 && strcmp(feed->table, table) == 0 &&
			same_text(feed->system, system) && strcmp(feed->origin, origin) == 0)
			return feed;
	}
	return NULL;
}

/* What was applied, and about whose row the system left nothing since, by table and shape of key. */
static List *
load_applied(List *feeds)
{
	Parameters none = {0};
	List *applied = NIL;
	uint64 n = sql_run(
		"SELECT c.table_schema, c.table_name, c.system, c.origin, c.row_key, "
		"ARRAY(SELECT jsonb_object_keys(c.row_key))::text AS shape, c.proposed, array_remove(c.columns::text[], NULL) "
		"FROM (SELECT * FROM ownership.conflict WHERE outcome = 'parked' AND origin IS NOT NULL "
		"AND resolution = 'applied' AND jsonb_typeof(row_key) = 'object' ORDER BY id DESC LIMIT " MAX_APPLIED
		") c "
		"WHERE NOT EXISTS (SELECT FROM ownership.conflict l WHERE jsonb_hash_extended(l.row_key, 0) = jsonb_hash_extended(c.row_key, 0) "
		"AND l.row_key = c.row_key AND (l.table_schema, l.table_name) = (c.table_schema, c.table_name) "
		"AND l.system = c.system AND l.id <> c.id AND l.recorded_at > c.resolved_at) "
		"AND NOT EXISTS (SELECT FROM ownership.history l WHERE jsonb_hash_extended(l.row_key, 0) = jsonb_hash_extended(c.row_key, 0) "
		"AND l.row_key = c.row_key AND (l.table_schema, l.table_name) = (c.table_schema, c.table_name) "
		"AND l.system = c.system AND l.recorded_at > c.resolved_at) "
		"ORDER BY 1, 2, shape",
		&none);

	for (uint64 i = 0; i < n; i++)
	{
		Applied *a = palloc0(sizeof(Applied));

		a->feed = find_feed(feeds, sql_result_text(i, 1), sql_result_text(i, 2),
							sql_result_text(i, 3), sql_result_text(i, 4));
		a->row_key = sql_result_jsonb(i, 5);
		a->shape = sql_result_text(i, 6);
		a->proposed = sql_result_jsonb(i, 7);
		a->names = sql_result_texts(i, 8);
		if (a->feed != NULL && a->proposed != NULL)
			applied = lappend(applied, a);
	}
	return applied;
}

/* lost_update(): one row for each table and feed. */
Datum
ownership_lost_update(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List *feeds;
	List *applied;
	List *some = NIL;
	Relation conflict;
	SavedRole caller;
	ListCell *lc;
	int level;

	InitMaterializedSRF(fcinfo, 0);
	if (!decision_reads_evidence())
	{
		reads_count_again(looking);
		return (Datum) 0;
	}
	SPI_connect();
	level = sql_pin_search_path();
	conflict = table_open(catalog_table("conflict", false), AccessShareLock);
	caller = role_become_owner(conflict);
	feeds = load_feeds();
	applied = feeds == NIL ? NIL : load_applied(feeds);
	role_restore(&caller);
	table_close(conflict, AccessShareLock);
	sql_unpin_search_path(level);
	foreach(lc, applied)
	{
		const Applied *a = lfirst(lc);
		const Applied *next =
			lnext(applied, lc) != NULL ? (const Applied *) lfirst(lnext(applied, lc)) : NULL;

		some = lappend(some, lfirst(lc));
		if (next != NULL && strcmp(next->feed->schema, a->feed->schema) == 0 &&
			strcmp(next->feed->table, a->feed->table) == 0 && strcmp(next->shape, a->shape) == 0)
			continue;
		count_applied(some);
		some = NIL;
		CHECK_FOR_INTERRUPTS();
	}
	foreach(lc, feeds)
	{
		const Feed *feed = lfirst(lc);
		const char *texts[] = {feed->schema, feed->table, feed->system, feed->origin};
		Datum values[7];
		bool nulls[7] = {false};

		if (feed->waiting == 0 && feed->applied == 0)
			continue;
		for (int i = 0; i < (int) lengthof(texts); i++)
			call_put_text(values, nulls, i, texts[i]);
		values[4] = Int64GetDatum(feed->waiting);
		values[5] = Int64GetDatum(feed->applied);
		values[6] = TimestampTzGetDatum(feed->since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
