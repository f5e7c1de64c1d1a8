/*
 * decide.c
 *		Decisions on refused values: accept() writes them, dismiss() leaves the
 *		row as it is.
 *
 * A role may decide if it may update ownership.conflict.resolution; accept()
 * also needs the role's privileges on the table.  Both lock the evidence first,
 * in the order of its ids: of two sessions that decide on the same evidence, the
 * second finds it resolved.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_accept);
PG_FUNCTION_INFO_V1(ownership_accept_set);
PG_FUNCTION_INFO_V1(ownership_dismiss);
PG_FUNCTION_INFO_V1(ownership_dismiss_set);

/*
 * Requires that the current role may decide on evidence.
 *
 * Errors: insufficient_privilege.
 */
void
decision_require_decider(void)
{
	Oid conflict = catalog_table("conflict", false);

	if (pg_attribute_aclcheck(conflict, get_attnum(conflict, "resolution"), GetUserId(),
							  ACL_UPDATE) == ACLCHECK_OK ||
		pg_class_aclcheck(conflict, GetUserId(), ACL_UPDATE) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to decide on evidence"),
			 errhint(
				 "GRANT SELECT, UPDATE (resolution) ON ownership.conflict gives the needed privileges.")));
}

/* A column of a discarded INSERT whose row exists by now. */
typedef struct Arrival
{
	RowColumn *col;
	int group; /* columns with this number are one value; 0: none */
	char *proposed;
	bool same;	/* the row has that value already */
	bool goes;	/* it goes into the row */
	bool stays; /* the row keeps another value */
	bool holds; /* of a group: the row has a value that the group may not replace */
} Arrival;

/* Of a group, all columns go into the row, or none does. */
static void
keep_groups_whole(List *arrivals)
{
	ListCell *lc;
	ListCell *other;

	foreach(lc, arrivals)
	{
		Arrival *a = lfirst(lc);
		bool goes = false;
		bool stays = false;
		bool holds = false;

		if (a->group == 0)
			continue;
		foreach(other, arrivals)
		{
			const Arrival *b = lfirst(other);

			goes |= b->group == a->group && b->goes;
			stays |= b->group == a->group && b->stays;
			holds |= b->group == a->group && b->holds;
		}
		if (stays || (goes && holds))
		{
			a->stays |= a->goes || a->holds;
			a->goes = false;
		}
		else
			a->goes = goes;
	}
}

/*
 * Accepts a discarded INSERT whose row exists by now: writes what the INSERT
 * proposed, as far as decision_goes_in() says so.  Returns the columns (RowColumn)
 * that have what it proposed.
 */
static List *
accept_into_row(const Refusal *r, Oid relid, List *columns, List *values, const StoredRow *row)
{
	List *arrivals = NIL;
	List *into = NIL;
	List *texts = NIL;
	List *same = NIL;
	StringInfoData left;
	ListCell *lc;

	if (row->n > 1)
		refusal_report_several(r, row->n);
	initStringInfo(&left);
	foreach(lc, columns)
	{
		RowColumn *col = lfirst(lc);
		char *stored = row->values[foreach_current_index(lc)];
		Arrival *a;

		if (value_in_object(r->row_key, col->name) != NULL ||
			names_all_among(list_make1(col->name), r->superseded))
			continue;
		a = palloc0(sizeof(Arrival));
		a->col = col;
		a->group = decision_group(relid, col);
		a->proposed = list_nth(values, foreach_current_index(lc));
		a->goes = decision_goes_in(relid, col, r->system, a->proposed, stored, &a->stays);
		a->same = value_same_text(col->type, a->proposed, stored);
		a->holds = a->group != 0 && !a->same && decision_row_holds(relid, col, r->system, stored);
		arrivals = lappend(arrivals, a);
	}
	keep_groups_whole(arrivals);
	foreach(lc, arrivals)
	{
		const Arrival *a = lfirst(lc);

		if (a->goes)
		{
			into = lappend(into, a->col);
			texts = lappend(texts, a->proposed);
		}
		else if (a->same)
			same = lappend(same, a->col);
		else if (a->stays)
			appendStringInfo(&left, "%s\"%s\"", left.len > 0 ? ", " : "", a->col->name);
	}
	if (into != NIL)
		row_write(relid, OPERATION_UPDATE, r->row_key, into, texts);
	if (left.len > 0)
		ereport(NOTICE,
				(errmsg("the row that conflict %lld would create exists already, with other values in columns that no other system owns",
						(long long) r->id),
				 errdetail("Left as they are: %s.", left.data),
				 errhint("What was proposed for them stays in ownership.conflict.")));
	return list_concat(into, same);
}

/*
 * Creates the row of a discarded INSERT, or writes into the row that is there.  Returns
 * the columns (RowColumn) that have a value which the INSERT must have said.
 */
static List *
accept_new_row(const Refusal *r, Oid relid)
{
	List *columns = NIL;
	List *values = NIL;
	List *written;
	List *said = NIL;
	StoredRow row = {0};
	ListCell *lc;

	refusal_take_values(r, relid, value_object_names(r->proposed), "The row is created without it.",
						&columns, &values);
	if (r->identifies_row)
		row_read(relid, list_make1(r->row_key), columns, true, false, &row);
	written = columns;
	if (row.n > 0)
		written = accept_into_row(r, relid, columns, values, &row);
	else
		row_write(relid, OPERATION_INSERT, NULL, columns, values);
	foreach(lc, columns)
	{
		if (list_member_ptr(written, lfirst(lc)) &&
			decision_is_said(relid, lfirst(lc), list_nth(values, foreach_current_index(lc))))
			said = lappend(said, lfirst(lc));
	}
	return said;
}

/*
 * Pins the accepted values of the row with this key: those that can be pinned.
 *
 * Errors: there are none.
 */
static void
pin_columns(const Refusal *r, Oid relid, Jsonb *key, List *columns)
{
	bool any = false;
	ListCell *lc;

	foreach(lc, columns)
	{
		const RowColumn *col = lfirst(lc);

		if (!pin_takes(relid, col->name))
			continue;
		pin_accepted(relid, key, col->name);
		any = true;
	}
	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld wrote no value that can be pinned", (long long) r->id),
				 errdetail(
					 "Values of fields with a system of record can be pinned, if they are no keys."),
				 errhint("Accept it without pin.")));
}

/* Errors: what is to be accepted cannot be pinned. */
static void
check_pin(const Refusal *r)
{
	if (strcmp(r->operation, "DELETE") == 0 && !refusal_waits(r))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("conflict %lld is a refused DELETE, and only values can be pinned",
							   (long long) r->id),
						errhint("Accept it without pin.")));
	if (!r->identifies_row)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld does not identify its row, so its values cannot be pinned",
						(long long) r->id),
				 errdetail("The INSERT did not name the whole key of the row."),
				 errhint("Accept it without pin, then pin values of the row by ownership.pin().")));
}

/*
 * Writes what was refused, without the columns for which the same writer has
 * proposed another value since: accepting a price does not bring back an old
 * stock that came with it.  A group is left out where all of it was replaced, else it is
 * written whole: half of an address is none.  Returns whether the stored values had changed
 * between the refusal and now.
 *
 * Errors: see refusal_check(), refusal_take_values() and row_write(); the writer
 * has replaced all columns; the table or the row does not exist, or several rows
 * have the key.
 */
static bool
accept_refusal(Refusal *r, List *refusals, bool pin)
{
	Oid relid;
	bool creates;
	bool deletes;
	List *names = NIL;
	List *columns = NIL;
	List *values = NIL;
	Jsonb *key;
	StoredRow row;
	ListCell *lc;

	refusal_check(r);
	relid = place_evidence_table(r->schema, r->table);
	refusal_restore_groups(r, relid);
	foreach(lc, r->columns)
	{
		if (!names_all_among(list_make1(lfirst(lc)), r->superseded))
			names = lappend(names, lfirst(lc));
	}
	if (r->columns != NIL && names == NIL && r->later == 0)
		return false; /* later evidence that is accepted in the same call replaces it */
	if (r->columns != NIL && names == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("conflict %lld is superseded by conflict %lld", (long long) r->id,
							   (long long) r->later),
						errdetail("The writer has proposed something else for the same row since."),
						errhint("Decide on that one, or write the value as its system of record.")));
	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"%s\" does not exist",
							   names_message_relation(r->schema, r->table))));
	if (pin)
		check_pin(r);
	if (refusal_waits(r))
	{
		columns = decision_accept_waiting(r, relid, names);
		if (pin)
			pin_columns(r, relid, r->row_key, columns);
		return false;
	}
	creates = strcmp(r->operation, "INSERT") == 0 && strcmp(r->outcome, "kept") != 0;
	deletes = strcmp(r->operation, "DELETE") == 0;
	if (creates && strcmp(r->outcome, "discarded") == 0)
	{
		columns = accept_new_row(r, relid);
		if (pin)
			pin_columns(r, relid, r->row_key, columns);
		return false;
	}
	if (!r->identifies_row)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("conflict %lld does not identify its row", (long long) r->id),
				 errdetail("The INSERT was rejected with an error, and did not name the row's key."),
				 errhint(
					 "Create the row as the system of record of its key, or ask the sender to send it again; then dismiss the conflict.")));

	if (!deletes)
		refusal_take_values(r, relid, names, NULL, &columns, &values);
	row_read(relid, list_make1(r->row_key), columns, true, false, &row);
	if (row.n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the row of conflict %lld is not in table \"%s\"", (long long) r->id,
						names_message_relation(r->schema, r->table)),
				 creates
					 ? errdetail(
						   "The INSERT was rejected with an error, and only the columns in conflict were recorded.")
					 : errdetail(
						   "It was deleted, its key was changed, or you are not allowed to see it.")));
	if (row.n > 1)
		refusal_report_several(r, row.n);
	row_write(relid, deletes ? OPERATION_DELETE : OPERATION_UPDATE, r->row_key, columns, values);
	key = refusal_follow_key(r, columns, values, refusals);
	if (pin)
		pin_columns(r, relid, key, columns);
	return !deletes && refusal_changed_since(r, columns, &row);
}

static void
accept_context(void *arg)
{
	errcontext("accepting conflict %lld", (long long) ((Refusal *) arg)->id);
}

static int64
accept_all(Datum ids, bool pin)
{
	List *refusals;
	ListCell *lc;
	StringInfoData changed;
	int nchanged = 0;
	int64 n;
	int level;

	SPI_connect();
	initStringInfo(&changed);
	level = sql_pin_search_path();
	decision_require_decider();
	refusals = refusal_lock(ids, false);
	sql_unpin_search_path(level);
	foreach(lc, refusals)
	{
		ErrorContextCallback context;
		Refusal *r = lfirst(lc);

		context.callback = accept_context;
		context.arg = r;
		context.previous = error_context_stack;
		error_context_stack = &context;
		if (accept_refusal(r, refusals, pin) && nchanged++ < 10)
			appendStringInfo(&changed, "%s%lld", nchanged > 1 ? ", " : "", (long long) r->id);
		error_context_stack = context.previous;
		CHECK_FOR_INTERRUPTS();
	}
	level = sql_pin_search_path();
	refusal_mark(ids, "accepted");
	sql_unpin_search_path(level);
	if (nchanged > 0)
		ereport(NOTICE,
				(errmsg_plural("%d accepted value replaced a stored value that had changed since the refusal",
							   "%d accepted values replaced stored values that had changed since the refusal",
							   nchanged, nchanged),
				 errdetail("Conflicts: %s%s.", changed.data, nchanged > 10 ? " and more" : "")));
	n = list_length(refusals);
	SPI_finish();
	return n;
}

static int64
dismiss_all(Datum ids)
{
	List *refusals;
	List *relids = NIL;
	ListCell *lc;
	int64 n;

	SPI_connect();
	decision_require_decider();
	refusals = refusal_lock(ids, true);
	foreach(lc, refusals)
	{
		const Refusal *r = lfirst(lc);
		Oid relid = refusal_waits(r) ? place_evidence_table(r->schema, r->table) : InvalidOid;

		if (OidIsValid(relid))
			relids = list_append_unique_oid(relids, relid);
	}
	refusal_mark_waiting(relids, ids, "dismissed");
	n = list_length(refusals);
	SPI_finish();
	return n;
}

/* The argument pin; a function that an older version has created has none. */
static bool
argument_pin(FunctionCallInfo fcinfo)
{
	return PG_NARGS() > 1 && PG_GETARG_BOOL(1);
}

/*
 * accept(conflict_id, pin), accept(conflict_ids, pin): accepts all or, with an error,
 * none.  pin: also pins the values.  Returns the number of accepted conflicts.
 */
Datum
ownership_accept(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(accept_all(refusal_single_id(PG_GETARG_INT64(0)), argument_pin(fcinfo)));
}

Datum
ownership_accept_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(accept_all(refusal_ids(PG_GETARG_ARRAYTYPE_P(0)), argument_pin(fcinfo)));
}

/*
 * dismiss(conflict_id), dismiss(conflict_ids): the same; returns the number of
 * dismissed conflicts.
 */
Datum
ownership_dismiss(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dismiss_all(refusal_single_id(PG_GETARG_INT64(0))));
}

Datum
ownership_dismiss_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(dismiss_all(refusal_ids(PG_GETARG_ARRAYTYPE_P(0))));
}
