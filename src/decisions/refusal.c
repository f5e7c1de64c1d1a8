/*
 * refusal.c
 *		The evidence of refused values that a decision is about: reads, locks, checks
 *		and marks it, and takes the values to write from it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

static Refusal *
take_refusal(uint64 row)
{
	Refusal *r = palloc(sizeof(Refusal));

	r->id = sql_result_int64(row, 1);
	r->schema = sql_result_text(row, 2);
	r->table = sql_result_text(row, 3);
	r->row_key = sql_result_jsonb(row, 4);
	r->operation = sql_result_text(row, 5);
	r->outcome = sql_result_text(row, 6);
	r->columns = sql_result_texts(row, 7);
	r->stored = sql_result_jsonb(row, 8);
	r->proposed = sql_result_jsonb(row, 9);
	r->resolution = sql_result_text(row, 10);
	r->resolved_by = sql_result_text(row, 11);
	r->resolved_at = sql_result_text(row, 12);
	r->superseded = sql_result_texts(row, 13);
	r->later = sql_result_int64(row, 14);
	r->identifies_row = sql_result_bool(row, 15);
	r->system = sql_result_text(row, 16);
	if (strcmp(r->outcome, "remembered") == 0)
	{
		/*
		 * What is to be written is what the deleted row had.  The values are not
		 * of the system that deleted it: what that proposed later replaces none.
		 */
		r->proposed = r->stored;
		r->stored = NULL;
		r->superseded = NIL;
		r->later = 0;
	}
	return r;
}

/* Is it the evidence of values that wait for their row? */
bool
refusal_waits(const Refusal *r)
{
	return strcmp(r->outcome, "parked") == 0 || strcmp(r->outcome, "remembered") == 0;
}

/*
 * The ids as an array.
 *
 * Errors: an id is NULL.
 */
Datum
refusal_ids(ArrayType *array)
{
	Datum *elems;
	bool *nulls;
	int n;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("the id of a conflict must not be null")));
	}
	return PointerGetDatum(
		construct_array(elems, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* An array of one id. */
Datum
refusal_single_id(int64 id)
{
	Datum value = Int64GetDatum(id);

	return PointerGetDatum(
		construct_array(&value, 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Locks the evidence to decide on, in the order of the ids.  Returns a list of
 * Refusal, one for each id, however often the array contains it.  dismissing:
 * parked values that were applied may be dismissed, too, which ends the risk
 * updates_lost.  Needs SPI.
 *
 * Errors: evidence does not exist, or is resolved already.
 */
List *
refusal_lock(Datum ids, bool dismissing)
{
	Parameters p = {0};
	Parameters q = {0};
	List *refusals = NIL;
	ListCell *lc;
	uint64 n;

	sql_add_value(&p, INT8ARRAYOID, ids, false);
	n = sql_run("SELECT c.id, c.table_schema, c.table_name, c.row_key, c.operation, c.outcome, "
				"array_remove(c.columns::text[], NULL), c.stored, c.proposed, c.resolution, c.resolved_by, c.resolved_at::text, "
				"ARRAY(SELECT l.column_name FROM " LATER "), "
				"coalesce((SELECT max(l.id) FROM " LATER
				" WHERE l.id <> ALL ($1)), 0), (" IDENTIFIES_ROW "), c.system "
				"FROM ownership.conflict c WHERE c.id = ANY ($1) ORDER BY c.id FOR UPDATE OF c",
				&p);
	for (uint64 i = 0; i < n; i++)
		refusals = lappend(refusals, take_refusal(i));
	sql_add_value(&q, INT8ARRAYOID, ids, false);
	if (sql_run("SELECT min(i) FROM unnest($1) i WHERE NOT EXISTS "
				"(SELECT FROM ownership.conflict c WHERE c.id = i) HAVING min(i) IS NOT NULL",
				&q) > 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("conflict %s does not exist", sql_result_text(0, 1))));
	foreach(lc, refusals)
	{
		Refusal *r = lfirst(lc);

		if (dismissing && strcmp(r->outcome, "parked") == 0 && r->resolution != NULL &&
			strcmp(r->resolution, "applied") == 0)
			continue;
		if (r->resolution != NULL || r->resolved_at != NULL)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("conflict %lld is already resolved", (long long) r->id),
							errdetail("It was %s by %s.", r->resolution ? r->resolution : "resolved",
									  r->resolved_by ? psprintf("\"%s\"", r->resolved_by)
													 : "an unknown role")));
	}
	return refusals;
}

/* Records the resolution; a trigger adds the role and the time.  Needs SPI. */
void
refusal_mark(Datum ids, const char *resolution)
{
	Parameters p = {0};

	sql_add_value(&p, INT8ARRAYOID, ids, false);
	sql_add_text(&p, resolution);
	sql_run("UPDATE ownership.conflict SET resolution = $2 WHERE id = ANY ($1)", &p);
}

/*
 * The same of values that waited for rows of these tables (OIDs).  Who loads the map of
 * one of them from now on may find that nothing waits for its rows: if this transaction
 * is rolled back, the map is loaded again.
 */
void
refusal_mark_waiting(List *relids, Datum ids, const char *resolution)
{
	List *maps = NIL;
	ListCell *lc;

	map_enter();
	foreach(lc, relids)
	{
		Relation rel = relation_open(lfirst_oid(lc), AccessShareLock);

		maps = lappend(maps, map_get(rel));
		relation_close(rel, AccessShareLock);
	}
	refusal_mark(ids, resolution);
	foreach(lc, maps)
		map_waits_no_more(lfirst(lc));
	map_leave();
}

/* Errors: the write was not refused, or the evidence contains nothing to write. */
void
refusal_check(const Refusal *r)
{
	if (r->proposed != NULL && !JB_ROOT_IS_OBJECT(r->proposed))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld contains no values", (long long) r->id),
				 JB_ROOT_IS_SCALAR(r->proposed)
					 ? errdetail("It counts the rows of a statement beyond ownership.observed_limit.")
					 : 0));
	if (strcmp(r->outcome, "kept") != 0 && strcmp(r->outcome, "discarded") != 0 &&
		strcmp(r->outcome, "rejected") != 0 && !refusal_waits(r))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld was not refused", (long long) r->id),
						errdetail("Its outcome is %s: the write went through.", r->outcome),
						errhint("ownership.revert() takes such writes back.")));
	if (strcmp(r->operation, "TRUNCATE") == 0 && !refusal_waits(r))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld is a refused TRUNCATE", (long long) r->id),
						errhint("Truncate the table as the owner of its key, or as a steward.")));
	if (r->row_key == NULL || !JB_ROOT_IS_OBJECT(r->row_key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld does not identify its row", (long long) r->id),
				 errdetail("Table \"%s\" had no key when it was recorded.",
						   names_message_relation(r->schema, r->table)),
				 errhint("Write the value as its system of record, and dismiss the conflict.")));
	if (r->proposed == NULL && strcmp(r->operation, "DELETE") != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld contains no values", (long long) r->id)));
}

/* Errors: always; n rows have the key of the evidence. */
void
refusal_report_several(const Refusal *r, int n)
{
	ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
					errmsg("the key of conflict %lld is that of %d rows of table \"%s\"",
						   (long long) r->id, n, names_message_relation(r->schema, r->table))));
	pg_unreachable();
}

/* Are all columns of the group that the evidence is about superseded? */
static bool
is_superseded(const Refusal *r, Oid relid, int group)
{
	List *names =
		strcmp(r->outcome, "discarded") == 0 ? value_object_names(r->proposed) : r->columns;
	ListCell *lc;

	foreach(lc, names)
	{
		RowColumn *col = place_row_column(relid, lfirst(lc));

		if (col != NULL && decision_group(relid, col) == group &&
			!names_contain(r->superseded, lfirst(lc)))
			return false;
	}
	return true;
}

/*
 * A group of which the writer has proposed only a part since is not superseded: it is
 * decided on whole, as the evidence contains it.
 */
void
refusal_restore_groups(Refusal *r, Oid relid)
{
	List *superseded = NIL;
	ListCell *lc;

	if (!OidIsValid(relid) || r->superseded == NIL)
		return;
	foreach(lc, r->superseded)
	{
		RowColumn *col = place_row_column(relid, lfirst(lc));
		int group = col == NULL ? 0 : decision_group(relid, col);

		if (group == 0 || is_superseded(r, relid, group))
			superseded = lappend(superseded, lfirst(lc));
	}
	r->superseded = superseded;
}

/*
 * Adds to *columns (of RowColumn) and *values (of char *, texts; NULL is NULL)
 * what is to be written of the named columns.  without: where it is not NULL,
 * columns that cannot be written are left out, with a NOTICE that has this detail.
 *
 * Errors: a column does not exist or is generated, unless without; the evidence
 * does not contain the value of a column; no column is left.
 */
void
refusal_take_values(const Refusal *r, Oid relid, List *names, const char *without, List **columns,
					List **values)
{
	ListCell *lc;

	foreach(lc, names)
	{
		char *name = lfirst(lc);
		RowColumn *col = place_row_column(relid, name);
		char *text;

		if (col == NULL || col->generated)
		{
			ereport(without ? NOTICE : ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 col == NULL ? errmsg("column \"%s\" of table \"%s\" does not exist any more",
										  name, names_message_relation(r->schema, r->table))
								 : errmsg("column \"%s\" of table \"%s\" is a generated column",
										  name, names_message_relation(r->schema, r->table)),
					 without ? errdetail("%s", without) : 0));
			continue;
		}
		switch (value_object_text(r->proposed, name, &text))
		{
			case VALUE_NULL:
			case VALUE_TEXT:
				break;
			case VALUE_LENGTH:
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("conflict %lld does not contain the value of column \"%s\"",
								(long long) r->id, name),
						 errdetail("Of a rejected value of %s bytes only the length was recorded.",
								   text),
						 errhint(
							 "Ask the sender for it. ownership.value_limit says which values are too large.")));
				break;
			case VALUE_HIDDEN:
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("conflict %lld does not contain the value of column \"%s\"",
								(long long) r->id, name),
						 errdetail("Its field is sensitive: rejected values are not recorded."),
						 errhint("Ask the sender for it.")));
				break;
			case VALUE_ABSENT:
				ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
								errmsg("conflict %lld does not contain the value of column \"%s\"",
									   (long long) r->id, name)));
		}
		*columns = lappend(*columns, col);
		*values = lappend(*values, text);
	}
	if (*columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld contains no values", (long long) r->id)));
}

/* Does a column contain another value than when the evidence was recorded? */
bool
refusal_changed_since(const Refusal *r, List *columns, const StoredRow *row)
{
	ListCell *lc;

	foreach(lc, columns)
	{
		RowColumn *col = lfirst(lc);
		char *text;
		ValueKind kind = value_object_text(r->stored, col->name, &text);

		if ((kind == VALUE_NULL || kind == VALUE_TEXT) &&
			!value_same_text(col->type, text, row->values[foreach_current_index(lc)]))
			return true;
	}
	return false;
}

/*
 * Where accepting r changes the row's key, the later refusals of the list that
 * are about the same row get the new key.  Returns the key that the row has now.
 */
Jsonb *
refusal_follow_key(const Refusal *r, List *columns, List *values, List *refusals)
{
	JsonbParseState *state = NULL;
	Jsonb *key;
	bool changes = false;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, value_object_names(r->row_key))
	{
		char *name = lfirst(lc);
		JsonbValue v = {0};
		ListCell *column;

		v.type = jbvString;
		v.val.string.val = name;
		v.val.string.len = strlen(name);
		pushJsonbValue(&state, WJB_KEY, &v);
		v = *value_in_object(r->row_key, name);
		foreach(column, columns)
		{
			char *value = list_nth(values, foreach_current_index(column));

			if (strcmp(((RowColumn *) lfirst(column))->name, name) != 0)
				continue;
			changes = true;
			v.type = value == NULL ? jbvNull : jbvString;
			v.val.string.val = value;
			v.val.string.len = value == NULL ? 0 : strlen(value);
		}
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	key = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (!changes)
		return r->row_key;
	foreach(lc, refusals)
	{
		Refusal *other = lfirst(lc);

		if (other->id > r->id && other->row_key != NULL && strcmp(other->schema, r->schema) == 0 &&
			strcmp(other->table, r->table) == 0 &&
			compareJsonbContainers(&other->row_key->root, &r->row_key->root) == 0)
			other->row_key = key;
	}
	return key;
}
