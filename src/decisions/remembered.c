/*
 * remembered.c
 *		The part of revert() that is about values which a system's DELETEs and
 *		TRUNCATEs took along: those that wait go back into their rows.
 *
 * A value goes back where the row is there again and has NULL or the column's
 * default in its place: what was written since is newer.  Where the row is not
 * there, the value goes on waiting for it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

/* The remembered values of one deleted row. */
typedef struct Memory
{
	int64 id;
	char *schema;
	char *table;
	Jsonb *row_key;
	Jsonb *stored;
	bool creates; /* revert() creates the row again, because the DELETE is evidence, too */
} Memory;

/* A column of the row. */
typedef struct Value
{
	char *name;
	int group;	/* values with this number are one; 0: none */
	char *from; /* as stored; NULL is NULL */
	char *to;
	bool goes;			/* it goes back */
	bool newer;			/* it does not: the row has another one */
	const char *reason; /* why it does not, or NULL */
} Value;

/* The values of one row, and what becomes of them. */
typedef struct Return
{
	const Memory *m;
	bool dry_run;
	Oid relid;
	List *values;	   /* of Value * */
	const char *whole; /* why none goes back; NULL: see each */
} Return;

/* Finds which values go back into the row that is there. */
static void
compare_values(Return *r, List *columns, const StoredRow *row)
{
	ListCell *lc;

	foreach(lc, columns)
	{
		RowColumn *col = lfirst(lc);
		Value *v = palloc0(sizeof(Value));

		v->name = col->name;
		v->group = decision_group(r->relid, col);
		v->from = row->values[foreach_current_index(lc)];
		(void) value_object_text(r->m->stored, col->name, &v->to);
		if (value_same_text(col->type, v->from, v->to))
			v->reason = "It is as it was before.";
		else if (!decision_is_blank(r->relid, col, v->from))
		{
			v->newer = true;
			v->reason = "The value was written since the row is there again.";
		}
		else
			v->goes = true;
		r->values = lappend(r->values, v);
	}
}

/* Of a group, all values go back, or none does. */
static void
keep_groups_whole(Return *r)
{
	ListCell *lc;
	ListCell *other;

	foreach(lc, r->values)
	{
		const Value *stays = lfirst(lc);

		if (stays->group == 0 || !stays->newer)
			continue;
		foreach(other, r->values)
		{
			Value *v = lfirst(other);

			if (v->group == stays->group && v->goes)
			{
				v->goes = false;
				v->reason = "Another column of its group was written since the row is there again.";
			}
		}
	}
}

static void
write_values(const Return *r, List *columns)
{
	List *into = NIL;
	List *texts = NIL;
	ListCell *lc;
	int level;

	foreach(lc, r->values)
	{
		const Value *v = lfirst(lc);

		if (!v->goes)
			continue;
		into = lappend(into, list_nth(columns, foreach_current_index(lc)));
		texts = lappend(texts, v->to);
	}
	if (into == NIL)
		return;
	/* first the mark: what is written here does not wait any more */
	level = sql_pin_search_path();
	refusal_mark_waiting(list_make1_oid(r->relid), refusal_single_id(r->m->id), "applied");
	sql_unpin_search_path(level);
	row_write(r->relid, OPERATION_UPDATE, r->m->row_key, into, texts);
}

/* Puts the values of one row back, or finds out why not. */
static bool
return_row(void *arg)
{
	Return *r = arg;
	List *columns = NIL;
	StoredRow row;
	ListCell *lc;

	foreach(lc, value_object_names(r->m->stored))
	{
		RowColumn *col = place_row_column(r->relid, lfirst(lc));

		if (col != NULL && !col->generated)
			columns = lappend(columns, col);
	}
	row_read(r->relid, list_make1(r->m->row_key), columns, !r->dry_run, false, &row);
	if (row.n == 0)
		r->whole =
			"The row is not there. The values that were deleted with it wait until it is created again.";
	else if (row.n > 1)
		r->whole = psprintf("%d rows have this key.", row.n);
	else if (columns == NIL)
		r->whole = "The columns do not exist any more.";
	if (r->whole != NULL)
		return true;
	compare_values(r, columns, &row);
	keep_groups_whole(r);
	if (!r->dry_run)
		write_values(r, columns);
	return true;
}

/* Returns one row to the caller, and counts it.  v is NULL for the row as a whole. */
static void
put_value(ReturnSetInfo *rsinfo, const Return *r, const Value *v, bool done, const char *reason,
		  int64 *count)
{
	const char *texts[] = {v ? v->name : NULL, v ? v->from : NULL, v && done ? v->to : NULL,
						   !done		? "skipped"
						   : r->dry_run ? "would be reverted"
										: "reverted",
						   reason};
	Datum values[3 + lengthof(texts)];
	bool nulls[3 + lengthof(texts)] = {false};

	values[0] = CStringGetTextDatum(names_relation_label(r->m->schema, r->m->table));
	values[1] = JsonbPGetDatum(r->m->row_key);
	for (int i = 0; i < (int) lengthof(texts); i++)
		call_put_text(values, nulls, i + 2, texts[i]);
	values[2 + lengthof(texts)] = Int64GetDatum(r->m->id);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	(*count)++;
}

static void
return_memory(ReturnSetInfo *rsinfo, const Memory *m, bool dry_run, int64 *done, int64 *skipped)
{
	Return r = {m, dry_run, place_evidence_table(m->schema, m->table), NIL, NULL};
	ErrorData *error = NULL;
	ListCell *lc;

	if (!OidIsValid(r.relid))
		r.whole = "The table does not exist.";
	else
		error = subxact_trial(return_row, &r);
	if (error != NULL && r.values == NIL)
		r.whole = error->message;
	if (r.whole != NULL)
	{
		/* the row as a whole has been reported: it is, or would be, created again */
		if (!m->creates)
			put_value(rsinfo, &r, NULL, false, r.whole, skipped);
		return;
	}
	foreach(lc, r.values)
	{
		const Value *v = lfirst(lc);

		bool goes = v->goes && error == NULL;

		put_value(rsinfo, &r, v, goes, v->goes && error != NULL ? error->message : v->reason,
				  goes ? done : skipped);
	}
}

/* What waits of the rows that the system deleted in the period, the latest first. */
static List *
load_memories(const char *system, TimestampTz since, TimestampTz until)
{
	Parameters p = {0};
	List *memories = NIL;
	uint64 n;

	sql_add_text(&p, system);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(since), false);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(until), false);
	n = sql_run("SELECT c.id, c.table_schema, c.table_name, c.row_key, c.stored, "
				"EXISTS (SELECT FROM ownership.conflict d WHERE jsonb_hash_extended(d.row_key, 0) = jsonb_hash_extended(c.row_key, 0) "
				"AND d.row_key = c.row_key AND (d.table_schema, d.table_name) = (c.table_schema, c.table_name) "
				"AND d.system IS NOT DISTINCT FROM c.system AND d.operation = 'DELETE' AND d.outcome IN ('observed', 'filled', 'overridden') "
				"AND d.recorded_at >= $2 AND d.recorded_at <= $3 AND d.resolution IS DISTINCT FROM 'dismissed') "
				"FROM ownership.conflict c "
				"LEFT JOIN ownership.mirrored_table t ON (t.table_schema, t.table_name) = (c.table_schema, c.table_name) "
				"WHERE c.outcome = 'remembered' AND c.resolved_at IS NULL AND c.resolution IS NULL "
				"AND c.system IS NOT DISTINCT FROM $1 AND c.recorded_at >= $2 AND c.recorded_at <= $3 "
				"AND c.recorded_at > statement_timestamp() - coalesce(t.remember, ownership.remember_time()) "
				"AND jsonb_typeof(c.row_key) = 'object' AND jsonb_typeof(c.stored) = 'object' "
				"ORDER BY c.id DESC",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Memory *m = palloc0(sizeof(Memory));

		m->id = sql_result_int64(i, 1);
		m->schema = sql_result_text(i, 2);
		m->table = sql_result_text(i, 3);
		m->row_key = sql_result_jsonb(i, 4);
		m->stored = sql_result_jsonb(i, 5);
		m->creates = sql_result_bool(i, 6);
		memories = lappend(memories, m);
	}
	return memories;
}

/*
 * Puts back what waits of the rows that the system deleted in the period, and adds
 * a row to the result for each value, or for each row that is not there.  Adds to
 * *done how many values went back, and to *skipped how many did not.  Needs SPI.
 */
void
decision_revert_remembered(ReturnSetInfo *rsinfo, const char *system, TimestampTz since,
						   TimestampTz until, bool dry_run, int64 *done, int64 *skipped)
{
	MemoryContext cxt;
	List *memories;
	ListCell *lc;
	int level;

	/* the SQL objects of 0.2.0 do not include this view: there nothing is remembered */
	if (!OidIsValid(catalog_table("waiting", true)))
		return;
	level = sql_pin_search_path();
	memories = load_memories(system, since, until);
	sql_unpin_search_path(level);
	cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership remembered", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, memories)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		return_memory(rsinfo, lfirst(lc), dry_run, done, skipped);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
		CHECK_FOR_INTERRUPTS();
	}
}
