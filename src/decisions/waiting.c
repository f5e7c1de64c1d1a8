/*
 * waiting.c
 *		accept() of values that wait for their row: parked ones, whose row was not
 *		there, and remembered ones, whose row was deleted.
 *
 * The evidence is marked before the row is written.  So the guard, which applies
 * what waits when a row is created, finds only what else waits.
 */
#include "postgres.h"

#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

/*
 * Errors: the evidence is of a deleted row, and was remembered long enough.
 */
static void
check_remembered(const Refusal *r)
{
	Parameters p = {0};

	sql_add_value(&p, INT8OID, Int64GetDatum(r->id), false);
	(void)
		sql_run("SELECT c.recorded_at + coalesce(t.remember, ownership.remember_time()), "
				"c.recorded_at + coalesce(t.remember, ownership.remember_time()) <= statement_timestamp() "
				"FROM ownership.conflict c LEFT JOIN ownership.mirrored_table t USING (table_schema, table_name) WHERE c.id = $1",
				&p);
	if (sql_result_bool(0, 2))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the values of conflict %lld are not remembered any more",
							   (long long) r->id),
						errdetail("They were remembered until %s.", sql_result_text(0, 1))));
}

/* Adds the columns of the row's key, and their values, to what a new row is created with. */
static void
add_key(const Refusal *r, Oid relid, List **columns, List **values)
{
	ListCell *lc;

	foreach(lc, value_object_names(r->row_key))
	{
		RowColumn *col = place_row_column(relid, lfirst(lc));
		char *text;

		if (col == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("key column \"%s\" of table \"%s\" does not exist", (char *) lfirst(lc),
							names_message_relation(r->schema, r->table))));
		if (col->generated || value_object_text(r->row_key, lfirst(lc), &text) != VALUE_TEXT)
			continue;
		*columns = lappend(*columns, col);
		*values = lappend(*values, text);
	}
}

/* Adds what the refused INSERT said of columns off the map to what a new row is created with. */
static void
add_unmapped(const Refusal *r, Oid relid, List **columns, List **values)
{
	List *names = NIL;
	ListCell *lc;

	foreach(lc, value_object_names(r->proposed))
	{
		if (!names_contain(r->columns, lfirst(lc)))
			names = lappend(names, lfirst(lc));
	}
	refusal_take_values(r, relid, names, "The row is created without it.", columns, values);
}

/*
 * Writes the values of the named columns into their row.  Where no row has the key,
 * creates it, with the parked values; the other columns get their defaults.  Returns
 * the columns (RowColumn) of the values.
 *
 * Errors: the row of remembered values is not there; several rows have the key;
 * the values are not remembered any more; any error of the write.
 */
List *
decision_accept_waiting(const Refusal *r, Oid relid, List *names)
{
	bool remembered = strcmp(r->outcome, "remembered") == 0;
	List *columns = NIL;
	List *values = NIL;
	List *written;
	StoredRow row;
	int level;

	level = sql_pin_search_path();
	if (remembered)
		check_remembered(r);
	refusal_mark_waiting(list_make1_oid(relid), refusal_single_id(r->id), "accepted");
	sql_unpin_search_path(level);
	if (names != NIL)
		refusal_take_values(r, relid, names, "The other columns are written.", &columns, &values);
	row_read(relid, list_make1(r->row_key), columns, true, false, &row);
	if (row.n > 1)
		refusal_report_several(r, row.n);
	if (row.n == 0 && remembered)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("the row of conflict %lld is not in table \"%s\"", (long long) r->id,
							   names_message_relation(r->schema, r->table)),
						errdetail("It was deleted, and no row with its key was created since."),
						errhint("Its values are applied when the row is created again.")));
	if (row.n == 1)
	{
		if (columns != NIL)
			row_write(relid, OPERATION_UPDATE, r->row_key, columns, values);
		return columns;
	}
	written = list_copy(columns);
	add_key(r, relid, &columns, &values);
	add_unmapped(r, relid, &columns, &values);
	row_write(relid, OPERATION_INSERT, NULL, columns, values);
	return written;
}
