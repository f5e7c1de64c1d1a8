/*
 * reconcile.c
 *		reconcile() and reconcile_all() make the shared copies of a field agree with
 *		the authoritative one.
 *
 * A run first finds the rows that differ, by where they are stored.  Then it
 * writes them in batches, in the order of their keys (reconcile_rows.c).  Each
 * batch compares again: it leaves alone a row that has moved or that agrees by
 * then.  So no value is written from memory, and another run can continue an
 * interrupted one.  A batch that fails is written again row by row, so that one
 * bad row does not stop the others.
 *
 * Copies of a group of fields in one table are written together (copy_group.c).
 *
 * A run writes only what the owner may write: shared tables, and there no rows
 * that another system owns.  The caller is the owner, a steward or a superuser;
 * for a field without owner, any role.  A superuser writes as a steward: the
 * guard lets the write through and records each value that it replaces.  No
 * caller writes as another system.
 *
 * The SQL here names everything with its schema instead of pinning
 * search_path, because the tables' own triggers run, and may need the
 * caller's search_path.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../guard/guard.h"
#include "drift.h"

PG_FUNCTION_INFO_V1(ownership_reconcile);
PG_FUNCTION_INFO_V1(ownership_reconcile_all);

/* Rows fetched at a time. */
#define FETCH 1000

/* Rows found before they are written: this limits the memory of a run. */
#define ROUND 1000000

/*
 * The owner of the field, a steward and a superuser may reconcile it; any caller
 * may, if the field has no owner, since any system may write it.  Returns
 * whether the caller must write by statement_run_as_steward(): so writes a
 * superuser, since a superuser may make itself a steward.
 *
 * Errors: insufficient_privilege.
 */
static bool
check_caller(const char *name, const Copy *copy)
{
	const Writer *writer = writer_current();
	const char *system = writer_system(writer, NULL);

	if (copy->owner == NULL || writer->steward ||
		(system != NULL && strcmp(system, copy->owner) == 0))
		return false;
	if (superuser_arg(writer->role))
		return true;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("%s may not reconcile field \"%s\"", writer_label(writer, system), name),
					errdetail("Its system of record is \"%s\".", copy->owner),
					errhint("Its system of record, a steward or a superuser may reconcile it.")));
}

/*
 * Checks that no row of the copy matches several rows of the authoritative
 * table: which value is right must not be left to chance.
 *
 * Errors: several rows of the authoritative table have the same key.
 */
static void
check_unique(const Copy *copy)
{
	const Match *match = copy->match;
	char *sql = psprintf("SELECT %s FROM %s a WHERE pg_catalog.num_nulls(%s) "
						 "OPERATOR(pg_catalog.=) 0 GROUP BY %s "
						 "HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
						 match->key, quote_qualified_identifier(copy->from.schema, copy->from.table),
						 match->key_columns, match->key_columns);

	if (match->unique)
		return;
	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for duplicates: %s", sql);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("the authoritative table \"%s\" has several rows with key %s",
						names_message_relation(copy->from.schema, copy->from.table),
						sql_result_text(0, 1)),
				 errhint("Link all columns that identify its rows, and mark their fields as key.")));
}

/* Is the copy's value pinned in this row, or one of its group? */
static bool
is_pinned(const Copy *copy, Pair *pair)
{
	ListCell *lc;

	if (pin_at(pair->to.relid, &pair->to.tid, copy->to.column) != NULL)
		return true;
	foreach(lc, copy->mates)
		if (pin_at(pair->to.relid, &pair->to.tid, ((Copy *) lfirst(lc))->to.column) != NULL)
			return true;
	return false;
}

/* Sets where a row is stored, from its ctid and tableoid. */
static void
set_place(RowPlace *place, const Datum *values, const bool *nulls)
{
	ItemPointerSetInvalid(&place->tid);
	place->relid = InvalidOid;
	if (nulls[0])
		return;
	place->tid = *(ItemPointer) DatumGetPointer(values[0]);
	place->relid = DatumGetObjectId(values[1]);
}

/*
 * Finds rows that differ, until there are ROUND or more; in a dry run, counts all of
 * them in run->found.  The caller has connected to SPI.
 */
static void
find_pairs(Run *run)
{
	const Copy *copy = run->copy;
	bool foreign = holder_any_foreign(copy->from.relid);
	bool crosswalk = copy->match->schema != NULL && !copy->match->foreign;
	Portal portal;
	char *sql =
		psprintf("SELECT %s, %s, c.ctid, c.tableoid, %s, %s, %s FROM %s WHERE %s ORDER BY %s",
				 foreign ? "NULL::pg_catalog.tid" : "a.ctid",
				 foreign ? "NULL::pg_catalog.oid" : "a.tableoid",
				 crosswalk ? "x.ctid" : "NULL::pg_catalog.tid",
				 crosswalk ? "x.tableoid" : "NULL::pg_catalog.oid", copy_sql_group_unfit(copy),
				 copy->join, copy_sql_group_differs(copy), copy->match->order);

	run->npairs = 0;
	run->found = 0;
	run->others = 0;
	run->pinned = 0;
	run->unfit = 0;
	/* after a commit there is no active snapshot */
	PushActiveSnapshot(GetTransactionSnapshot());
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	while (run->npairs < ROUND)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		if (run->pairs == NULL)
			run->pairs = palloc(FETCH * sizeof(Pair));
		else
			run->pairs = repalloc_huge(run->pairs, (run->npairs + FETCH) * sizeof(Pair));
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Pair *pair = &run->pairs[run->npairs];
			Datum values[7];
			bool nulls[7];

			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			set_place(&pair->from, &values[0], &nulls[0]);
			set_place(&pair->to, &values[2], &nulls[2]);
			set_place(&pair->crosswalk, &values[4], &nulls[4]);
			if (reconcile_owned_by_another(copy, pair->to.relid, &pair->to.tid))
				run->others++;
			else if (DatumGetBool(values[6]))
				run->unfit++;
			else if (is_pinned(copy, pair))
				run->pinned++;
			else
				run->npairs++;
		}
		if (run->dry_run)
		{
			run->found += run->npairs;
			run->npairs = 0;
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	PopActiveSnapshot();
}

/* Makes one copy agree; in a dry run, counts the rows that it would write. */
static void
reconcile_copy(Run *run)
{
	const Copy *copy = run->copy;
	char *column = holder_label(&copy->to);
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext batch_cxt =
		AllocSetContextCreate(cxt, "ownership reconcile", ALLOCSET_DEFAULT_SIZES);
	int64 start;

	run->failed = 0;
	check_unique(copy);
	drift_report_lost(copy);
	do
	{
		int batch;

		start = run->done;
		find_pairs(run);
		if (run->others > 0)
			ereport(NOTICE,
					(errmsg_plural("%lld row of %s belongs to another system and is left as it is",
								   "%lld rows of %s belong to other systems and are left as they are",
								   (unsigned long) run->others, (long long) run->others, column)));
		if (run->pinned > 0)
			ereport(NOTICE,
					(errmsg_plural("the value of %lld row of %s is pinned and is left as it is",
								   "the values of %lld rows of %s are pinned and are left as they are",
								   (unsigned long) run->pinned, (long long) run->pinned, column)));
		if (run->unfit > 0)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg_plural("%lld row of %s is left as it is: a value cannot be read as a value of its type",
								   "%lld rows of %s are left as they are: a value cannot be read as a value of their type",
								   (unsigned long) run->unfit, (long long) run->unfit, column),
					 errdetail("The authoritative copy is %s.", holder_label(&copy->from)),
					 errhint("ownership.drift() lists the values.")));
		if (run->dry_run)
		{
			run->done += run->found;
			if (run->found > 0)
				ereport(NOTICE,
						(errmsg_plural("%lld row of %s would be written",
									   "%lld rows of %s would be written",
									   (unsigned long) run->found, (long long) run->found, column)));
			return;
		}
		for (int i = 0; i < run->npairs; i += batch)
		{
			batch = Min(run->batch_size, run->npairs - i);
			if (run->limit >= 0)
				batch = Min(batch, run->limit - run->done);
			if (batch == 0)
				return;
			MemoryContextSwitchTo(batch_cxt);
			run->as_steward = check_caller(run->name, copy);
			reconcile_write_batch(run, &run->pairs[i], batch);
			MemoryContextSwitchTo(cxt);
			MemoryContextReset(batch_cxt);
			if (run->commits)
				SPI_commit();
			ereport(NOTICE, (errmsg("%s: %lld of %d rows written", column,
									(long long) (run->done - start), run->npairs)));
			CHECK_FOR_INTERRUPTS();
		}
		/* begin again if there may be more rows than one round finds */
	} while (run->npairs >= ROUND && run->done > start);
}

/* reconcile_copy() if the copy is shared; a warning if it cannot be compared or written. */
static void
reconcile_shared(Run *run, Copy *copy)
{
	if (copy->source != NULL)
		return;
	if (copy->problem != NULL)
	{
		drift_report_incomparable(WARNING, run->name, copy);
		return;
	}
	if (holder_any_foreign(copy->to.relid))
	{
		ereport(WARNING, (errmsg("foreign table \"%s\" is not written",
								 names_message_relation(copy->to.schema, copy->to.table)),
						  errhint("ownership.drift() lists its corrections.")));
		return;
	}
	if (!copy_find_mates(copy))
		return;
	run->copy = copy;
	reconcile_copy(run);
}

/*
 * reconcile(field, dry_run, max_rows): writes the authoritative value into the
 * shared copies that differ, in at most max_rows rows (NULL: in all).
 * Returns the number of rows; a dry run counts the rows that differ, whatever
 * max_rows is.
 *
 * Errors: field or dry_run is NULL; max_rows is not positive; no such field; the
 * caller may not reconcile it; there are copies, but none can be compared.
 */
Datum
ownership_reconcile(PG_FUNCTION_ARGS)
{
	Run run = {0};
	List *copies;
	ListCell *lc;
	Copy *broken = NULL;
	int shared = 0;
	int comparable = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("field and dry_run must not be null")));
	run.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	run.dry_run = PG_GETARG_BOOL(1);
	run.limit = PG_ARGISNULL(2) ? -1 : PG_GETARG_INT64(2);
	run.batch_size = BATCH;
	if (!PG_ARGISNULL(2) && run.limit <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_rows must be greater than zero")));
	/* each row would be a warning, and none an error */
	if (!run.dry_run)
		PreventCommandIfReadOnly("ownership.reconcile()");
	SPI_connect();
	copies = drift_field_copies(run.name);
	foreach(lc, copies)
	{
		Copy *copy = lfirst(lc);

		shared += copy->source == NULL;
		if (copy->problem != NULL)
			broken = copy;
		else
			comparable++;
	}
	if (broken != NULL && comparable == 0)
		drift_report_incomparable(ERROR, run.name, broken);
	if (shared == 0)
		ereport(NOTICE,
				(errmsg("field \"%s\" has no shared copies to be written", run.name),
				 errhint(
					 "A source's own copy is never written; ownership.drift() lists its corrections.")));
	else if (!run.dry_run)
		(void) check_caller(run.name, linitial(copies));
	foreach(lc, copies)
		reconcile_shared(&run, lfirst(lc));
	SPI_finish();
	PG_RETURN_INT64(run.done);
}

/*
 * CALL reconcile_all(pattern, batch_size): reconciles every field whose name
 * matches, and commits after each batch of batch_size rows.
 *
 * Errors: an argument is NULL; batch_size is not positive; the call is in a
 * transaction block; no field with several copies matches; the caller may not
 * reconcile one of the fields.
 */
Datum
ownership_reconcile_all(PG_FUNCTION_ARGS)
{
	bool atomic = !(fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
					!castNode(CallContext, fcinfo->context)->atomic);
	Run run = {0};
	char *pattern;
	List *matching = NIL;
	ListCell *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("pattern and batch_size must not be null")));
	run.batch_size = PG_GETARG_INT32(1);
	if (run.batch_size <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch_size must be greater than zero")));
	if (atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("reconcile_all cannot run inside a transaction block"),
				 errhint(
					 "It commits after each batch. In a transaction block, use ownership.reconcile().")));
	PreventCommandIfReadOnly("ownership.reconcile_all()");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* SPI's procedure context, which is current now, outlives the transactions */
	pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	run.limit = -1;
	run.commits = true;
	foreach(lc, copy_load(NULL, NULL))
	{
		Copy *copy = lfirst(lc);
		char *name = psprintf("%s.%s", copy->entity, copy->field);

		if (!names_match(pattern, name))
			continue;
		run.name = name;
		if (copy->source == NULL && copy->problem == NULL)
			(void) check_caller(name, copy);
		matching = lappend(matching, copy);
	}
	if (matching == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no field with several copies matches \"%s\"", pattern),
				 errhint(
					 "A pattern looks like a file name: * stands for any characters, ? for one; \"product.*\" is an entity.")));
	foreach(lc, matching)
	{
		Copy *copy = lfirst(lc);

		run.name = psprintf("%s.%s", copy->entity, copy->field);
		reconcile_shared(&run, copy);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
