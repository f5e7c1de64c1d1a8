/*
 * pass.c
 *		Fields pass to other systems: what handover says is written into the tables when
 *		its moment has come, and is cancelled when the owner is edited.
 *
 * A statement that begins after the moment is judged by the new owner already, because
 * whoever reads an owner asks catalog/succession.c, too.  So it does not matter when
 * the owner is written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_handover_due);
PG_FUNCTION_INFO_V1(ownership_handover_check);
PG_FUNCTION_INFO_V1(ownership_handover_cancel);
PG_FUNCTION_INFO_V1(ownership_handover_system);

/* Calls of pass_write() under way: it edits owners, and cancels nothing. */
static int passing = 0;

/*
 * Writes the owners of the rows of handover with that moment that were done then: of
 * fields, of rows of row_owner, and of patterns.
 */
static void
write_owners(TimestampTz at, TimestampTz done_at, bool fields, bool rows, bool patterns)
{
	Parameters p = {0};

	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(done_at), false);
#define DONE "h.at = $1 AND h.done_at = $2 "
	if (fields)
		sql_run("UPDATE ownership.field f SET owner = h.to_system, decided_by = coalesce(h.decided_by, f.decided_by), "
				"decided_on = CASE WHEN h.decided_by IS NULL THEN f.decided_on ELSE h.at::date END "
				"FROM ownership.handover h WHERE " DONE "AND '' = ANY (h.passed) "
				"AND (f.entity, f.name) = (h.entity, h.field) AND f.owner = h.from_system",
				&p);
	if (rows)
		table_triggers_write_filters("UPDATE ownership.row_owner r SET owner = h.to_system "
									 "FROM ownership.mirrored_column c, ownership.handover h WHERE " DONE
									 "AND (c.entity, c.field) = (h.entity, h.field) "
									 "AND (c.table_schema, c.table_name, c.column_name) = (r.table_schema, r.table_name, r.column_name) "
									 "AND " HANDOVER_PART
									 " = ANY (h.passed) AND r.owner = h.from_system",
									 &p);
	if (patterns)
		sql_run("UPDATE ownership.mirrored_pattern m SET owner = h.to_system "
				"FROM ownership.handover h WHERE " DONE "AND h.field = '*' AND '' = ANY (h.passed) "
				"AND m.pattern = h.entity AND coalesce(m.owner, m.source) = h.from_system",
				&p);
#undef DONE
}

/* The same, as the caller, of rows that hand_over() has just written. */
void
pass_write(TimestampTz at, TimestampTz done_at, bool fields, bool rows, bool patterns)
{
	passing++;
	PG_TRY();
	{
		write_owners(at, done_at, fields, rows, patterns);
	}
	PG_FINALLY();
	{
		passing--;
	}
	PG_END_TRY();
}

/* Writes what passes at one moment.  Returns the number of rows of handover. */
static uint64
pass_moment(TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();
	Parameters p = {0};
	uint64 n;

	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(now), false);
	n = sql_run("UPDATE ownership.handover h SET done_at = $2, passed = " HANDOVER_PASSED(
					"h") " WHERE h.at = $1 AND h.done_at IS NULL "
						 "AND EXISTS (SELECT FROM ownership.system s WHERE s.name = h.to_system)",
				&p);
	if (n > 0)
		write_owners(at, now, true, true, true);
	return n;
}

/*
 * Writes what has passed by now, moment by moment, as the extension itself: ordinary
 * triggers do not fire, as with all that the worker writes.  Groups and systems were
 * checked when it was planned.  Returns the number of rows of handover.
 *
 * Where a subscription brings the map, the hub that publishes it writes the owners: it may
 * have cancelled what this hub has not heard of yet.
 */
int64
pass_due(void)
{
	TimestampTz now = map_time();
	SavedRole caller;
	Parameters p = {0};
	List *moments = NIL;
	int64 done = 0;
	uint64 n;
	ListCell *lc;

	if (RecoveryInProgress() || XactReadOnly || IsolationUsesXactSnapshot() ||
		!succession_is_due(now) || publish_is_received("handover"))
		return 0;
	caller = role_become_extension();
	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(now), false);
	n = sql_run("SELECT DISTINCT at FROM ownership.handover WHERE done_at IS NULL AND at <= $1 ORDER BY at",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		TimestampTz *at = palloc(sizeof(TimestampTz));

		*at = sql_result_time(i, 1);
		moments = lappend(moments, at);
	}
	foreach(lc, moments)
		done += pass_moment(*(TimestampTz *) lfirst(lc));
	SPI_finish();
	role_restore(&caller);
	return done;
}

/* handover_due(): writes the owners of what has passed.  Returns how many rows of handover are done. */
Datum
ownership_handover_due(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(pass_due());
}

/* Tells that rows of handover, the last result, are cancelled. */
static void
report_cancelled(uint64 n, const char *why)
{
	for (uint64 i = 0; i < n; i++)
		ereport(NOTICE,
				(errmsg("the handover of \"%s.%s\" from system \"%s\" to \"%s\" at %s is cancelled",
						sql_result_text(i, 1), sql_result_text(i, 2), sql_result_text(i, 3),
						sql_result_text(i, 4), sql_result_text(i, 5)),
				 errdetail("%s", why)));
}

/* Cancels what is planned for a field, as the extension; needs SPI. */
void
pass_cancel(const char *entity, const char *field, const char *why)
{
	Parameters p = {0};
	SavedRole caller = role_become_extension();

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	report_cancelled(sql_run("DELETE FROM ownership.handover WHERE (entity, field) = ($1, $2) AND done_at IS NULL "
							 "RETURNING entity, field, from_system, to_system, at",
							 &p),
					 why);
	role_restore(&caller);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Is anything planned for the field? */
static bool
is_planned(const char *entity, const char *field)
{
	Parameters p = {0};

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	return sql_run("SELECT FROM ownership.handover WHERE (entity, field) = ($1, $2) AND done_at IS NULL LIMIT 1",
				   &p) > 0;
}

/*
 * handover_cancel(), AFTER each UPDATE of a field's owner, and DELETE of a field: what
 * was planned for it is cancelled.  Not where the new owner is the one that is in force
 * already; a system's new name is no edit.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_handover_cancel(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "handover_cancel");
	bool delete = TRIGGER_FIRED_BY_DELETE(td->tg_event);
	char *entity = call_row_text(td, td->tg_trigtuple, "entity");
	char *field = call_row_text(td, td->tg_trigtuple, "name");
	char *owner = call_row_text(td, td->tg_trigtuple, "owner");

	if (passing > 0 || call_is_restoring() || !succession_exists(NULL))
		return PointerGetDatum(NULL);
	/* a foreign key keeps the owner of a field: if it is not there, it has a new name */
	if (!delete &&owner != NULL && !lookup_system_exists(owner))
		return PointerGetDatum(NULL);
	SPI_connect();
	if (is_planned(entity, field))
	{
		/* what passed when another field of the statement was edited may be done by now */
		char *before = succession_owner_since(succession_of(entity, field, NULL), owner, map_time(),
											  map_time());

		/* what has passed already stays so */
		(void) pass_due();
		if (delete)
			pass_cancel(entity, field, "The field was deleted.");
		else if (!same_text(before, call_row_text(td, td->tg_newtuple, "owner")))
			pass_cancel(entity, field, "The system of record of the field was edited.");
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}

/*
 * handover_check(), BEFORE each INSERT and UPDATE on handover: its systems exist.  It
 * checks nothing while a dump is restored, nor what is done.
 *
 * Errors: there is no such system; the function was not called by such a trigger.
 */
Datum
ownership_handover_check(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "handover_check");
	HeapTuple tuple = call_written_tuple(td);

	if (call_is_restoring() || call_row_text(td, tuple, "done_at") != NULL)
		return PointerGetDatum(tuple);
	require_system(call_row_text(td, tuple, "from_system"));
	require_system(call_row_text(td, tuple, "to_system"));
	return PointerGetDatum(tuple);
}

/*
 * handover_system(), AFTER each DELETE of a system: fields cannot pass to it, nor from
 * it.
 *
 * Errors: foreign_key_violation; the function was not called by such a trigger.
 */
Datum
ownership_handover_system(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "handover_system");
	char *name = call_row_text(td, td->tg_trigtuple, "name");
	Parameters p = {0};

	if (!succession_exists(NULL))
		return PointerGetDatum(NULL);
	SPI_connect();
	sql_add_text(&p, name);
	if (sql_run("SELECT entity, field, from_system, to_system, at FROM ownership.handover "
				"WHERE done_at IS NULL AND $1 IN (from_system, to_system) ORDER BY at, entity, field LIMIT 1",
				&p) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("system \"%s\" is still named in ownership.handover", name),
				 errdetail("\"%s.%s\" is to pass from system \"%s\" to \"%s\" at %s.",
						   sql_result_text(0, 1), sql_result_text(0, 2), sql_result_text(0, 3),
						   sql_result_text(0, 4), sql_result_text(0, 5)),
				 errhint("Delete what is planned with it from ownership.handover first.")));
	SPI_finish();
	return PointerGetDatum(NULL);
}
