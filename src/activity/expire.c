/*
 * expire.c
 *		Deletes the values of deleted rows that were remembered long enough.
 *
 * Such values are neither shown nor applied any more, so it does not matter when
 * they are deleted.  The worker does it, a batch in each transaction, while it
 * runs; flush() does it, and prune() in SQL.  Resolved or not: their time is over.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "activity.h"

/* $1: the setting ownership.remember, in minutes */
#define OVER                                                                                    \
	"ownership.conflict e LEFT JOIN ownership.mirrored_table t "                                \
	"ON t.table_schema = e.table_schema AND t.table_name = e.table_name "                       \
	"WHERE e.outcome = 'remembered' AND e.recorded_at <= statement_timestamp() "                \
	"- least((SELECT min(remember) FROM ownership.mirrored_table), make_interval(mins => $1)) " \
	"AND e.recorded_at <= statement_timestamp() - coalesce(t.remember, make_interval(mins => $1)) "

static const char any_over[] = "SELECT FROM " OVER "LIMIT 1";

/* another process may be deleting, or deciding on, the same */
static const char delete_over[] =
	"DELETE FROM ownership.conflict WHERE id = ANY (ARRAY(SELECT e.id FROM " OVER
	"ORDER BY e.recorded_at LIMIT 10000 FOR UPDATE OF e SKIP LOCKED))";

/* Runs one of these statements; returns how many rows it is about. */
static uint64
run_statement(const char *sql, int expected)
{
	Oid types[1] = {INT4OID};
	Datum values[1] = {Int32GetDatum(ownership_remember)};
	int rc;

	rc = SPI_execute_with_args(sql, 1, types, values, NULL, false, 0);
	if (rc != expected)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}

/* Does this version of the extension's tables have values that are remembered? */
static bool
remembers(void)
{
	return OidIsValid(catalog_table("waiting", true));
}

/*
 * Deletes a batch from rel, which is conflict, for the worker.  Returns how many
 * were deleted; 0: there are no more.
 */
uint64
store_expire(Relation rel)
{
	SavedRole self;
	uint64 n;

	if (!remembers())
		return 0;
	self = role_become_owner(rel);
	SPI_connect();
	n = run_statement(delete_over, SPI_OK_DELETE);
	SPI_finish();
	role_restore(&self);
	return n;
}

/*
 * Deletes all in the session's own transaction, whatever the role may do.  Does
 * nothing where the transaction cannot, or where conflict is locked.
 */
void
activity_expire(void)
{
	bool locked;
	bool any;
	Relation rel;
	SavedRole caller;

	if (XactReadOnly || IsolationUsesXactSnapshot() || !remembers())
		return;
	rel = store_open_table("conflict", &locked);
	if (rel == NULL)
		return;
	SPI_connect();
	/* the first look fires no trigger, and needs no check of the triggers */
	caller = role_become_owner(rel);
	any = run_statement(any_over, SPI_OK_SELECT) > 0;
	role_restore(&caller);
	if (any)
	{
		caller = role_become_extension();
		while (run_statement(delete_over, SPI_OK_DELETE) > 0)
			CHECK_FOR_INTERRUPTS();
		role_restore(&caller);
	}
	SPI_finish();
	table_close(rel, any ? NoLock : RowExclusiveLock);
}
