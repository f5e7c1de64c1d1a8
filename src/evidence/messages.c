/*
 * messages.c
 *		What the guard reports of conflicts to the client and in the server log.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "postmaster/bgworker.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "evidence.h"

/* At most one warning in this time for the same writer and column. */
#define WARNING_INTERVAL_MS (60 * 1000)

/* Columns that a message names; it counts the others. */
#define COLUMNS_NAMED 5

/* A column that this worker has warned of. */
typedef struct Warned
{
	Oid home;
	char column[NAMEDATALEN];
	TimestampTz at;
	uint64 since; /* refused values that no warning has counted yet */
} Warned;

static List *warned = NIL;

/* The columns with e's outcome, quoted, for a message. */
static char *
column_list(const Evidence *e, int *n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	*n = 0;
	for (int i = 0; i < e->conflicts->n; i++)
	{
		if (e->conflicts->items[i].verdict != e->outcome)
			continue;
		if (*n < COLUMNS_NAMED)
			appendStringInfo(&buf, "%s\"%s\"", *n > 0 ? ", " : "", e->conflicts->items[i].col->name);
		(*n)++;
	}
	if (*n > COLUMNS_NAMED)
		appendStringInfo(&buf, " and %d more", *n - COLUMNS_NAMED);
	return buf.data;
}

/* The words of on_blank, as field.on_blank has them. */
static const char *
on_blank_name(OnBlank on_blank)
{
	return on_blank == ON_BLANK_REJECT	  ? "reject"
		   : on_blank == ON_BLANK_KEEP	  ? "keep"
		   : on_blank == ON_BLANK_OBSERVE ? "observe"
										  : "allow";
}

/* One sentence for each field: what it is, and its system of record; or why it must not be blank. */
static char *
owner_list(const Evidence *e)
{
	StringInfoData buf;
	int n = 0;

	initStringInfo(&buf);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		const Conflict *c = &e->conflicts->items[i];

		if (c->verdict != e->outcome || n++ >= COLUMNS_NAMED)
			continue;
		if (buf.len > 0)
			appendStringInfoChar(&buf, ' ');
		if (c->with_group)
		{
			appendStringInfo(&buf,
							 "Field \"%s\" is one value with the other fields of its group \"%s\".",
							 c->col->field, c->col->column_group);
			continue;
		}
		if (c->blank)
		{
			appendStringInfo(&buf, "The new value of field \"%s\" is blank, and its on_blank is %s.",
							 c->col->field, on_blank_name(c->col->on_blank));
			continue;
		}
		appendStringInfo(&buf,
						 c->col->key && e->operation != OPERATION_UPDATE
							 ? "Field \"%s\" is the key, and its system of record is \"%s\"."
						 : c->col->nrules > 0
							 ? "Field \"%s\" has system of record \"%s\" in this row."
							 : "Field \"%s\" has system of record \"%s\".",
						 c->col->field, c->owner);
	}
	if (n > COLUMNS_NAMED)
		appendStringInfo(&buf,
						 ngettext(" The same is true for %d more field.",
								  " The same is true for %d more fields.", n - COLUMNS_NAMED),
						 n - COLUMNS_NAMED);
	return buf.data;
}

static char *
reject_message(const Evidence *e, const char *columns, int ncolumns)
{
	const char *label = writer_label(e->writer, e->system);
	const char *table = names_message_relation(e->map->schema, e->map->table);

	switch (e->operation)
	{
		case OPERATION_INSERT:
		case OPERATION_UPDATE:
			return psprintf(ngettext("%s may not write column %s of table \"%s\"",
									 "%s may not write columns %s of table \"%s\"", ncolumns),
							label, columns, table);
		case OPERATION_DELETE:
			return psprintf(ngettext("%s may not delete rows of table \"%s\": it does not own key column %s",
									 "%s may not delete rows of table \"%s\": it does not own key columns %s",
									 ncolumns),
							label, table, columns);
		case OPERATION_TRUNCATE:
			return psprintf(ngettext("%s may not truncate table \"%s\": it does not own key column %s",
									 "%s may not truncate table \"%s\": it does not own key columns %s",
									 ncolumns),
							label, table, columns);
	}
	pg_unreachable();
}

static Warned *
warned_entry(Oid home, const char *column)
{
	MemoryContext old;
	ListCell *lc;
	Warned *w;

	foreach(lc, warned)
	{
		w = lfirst(lc);
		if (w->home == home && strcmp(w->column, column) == 0)
			return w;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	w = palloc0(sizeof(Warned));
	w->home = home;
	strlcpy(w->column, column, NAMEDATALEN);
	warned = lappend(warned, w);
	MemoryContextSwitchTo(old);
	return w;
}

/*
 * In a replication worker `reject` acts as `keep`.  Warns of it in the server
 * log, at most once in WARNING_INTERVAL_MS for each column.  A worker serves one
 * subscription.
 */
void
evidence_report_softened(const Evidence *e)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < e->conflicts->n; i++)
	{
		const Conflict *c = &e->conflicts->items[i];
		Warned *w;
		char *detail;

		if (c->verdict != e->outcome || !c->softened)
			continue;
		w = warned_entry(e->map->home, c->col->name);
		if (w->at != 0 && !TimestampDifferenceExceeds(w->at, now, WARNING_INTERVAL_MS))
		{
			w->since++;
			continue;
		}
		detail =
			c->blank
				? psprintf("The new value of field \"%s\" is blank, and its on_blank is %s.",
						   c->col->field, on_blank_name(c->col->on_blank))
				: psprintf("Field \"%s\" has system of record \"%s\".", c->col->field, c->owner);
		if (w->since > 0)
			detail = psprintf(ngettext("%s %llu more was kept out since the last warning.",
									   "%s %llu more were kept out since the last warning.",
									   (unsigned long) w->since),
							  detail, (unsigned long long) w->since);
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s may not write column \"%s\" of table \"%s\": the replicated value was kept out",
						writer_label(e->writer, e->system), c->col->name,
						names_message_relation(e->map->schema, e->map->table)),
				 errdetail("%s", detail), errhint("The refused values are in ownership.conflict."),
				 errhidecontext(true)));
		w->at = now;
		w->since = 0;
	}
}

/* What became of the rows that values were kept out of. */
static char *
kept_detail(const Tally *tally)
{
	uint64 written = tally->kept - tally->unchanged;

	if (tally->unchanged == 0)
		return "The rest of the row was written. The refused values are in ownership.conflict.";
	if (written == 0)
		return "Nothing else was left to write. The refused values are in ownership.conflict.";
	return psprintf(ngettext("In %llu row nothing else was left to write; the rest of the other rows was written. The refused values are in ownership.conflict.",
							 "In %llu rows nothing else was left to write; the rest of the other rows was written. The refused values are in ownership.conflict.",
							 (unsigned long) tally->unchanged),
					(unsigned long long) tally->unchanged);
}

/*
 * Sets the fields of a NOTICE, for ereport(): a client that shows no NOTICE to people
 * knows from them what became of its write.  columns: names, or NIL.
 */
static int
notice_fields(const Tally *tally, List *columns)
{
	StringInfoData names;
	ListCell *lc;

	initStringInfo(&names);
	foreach(lc, columns)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", (char *) lfirst(lc));
	(void) errcode(ERRCODE_WARNING);
	(void) err_generic_string(PG_DIAG_SCHEMA_NAME, tally->schema);
	(void) err_generic_string(PG_DIAG_TABLE_NAME, tally->table);
	if (columns != NIL)
		(void) err_generic_string(PG_DIAG_COLUMN_NAME, names.data);
	return err_generic_string(PG_DIAG_CONSTRAINT_NAME, ERROR_CONSTRAINT);
}

/* Reports to the client, at a statement's end, what the guard kept out. */
void
evidence_report_kept(const Tally *tally)
{
	const char *table = names_message_relation(tally->schema, tally->table);
	const char *refused = "What was refused is in ownership.conflict.";

	if (MyBgworkerEntry != NULL)
		return; /* there is no client */
	if (tally->blanks > 0)
		ereport(NOTICE, (errmsg_plural("blanks were kept out of %llu row of table \"%s\"",
									   "blanks were kept out of %llu rows of table \"%s\"",
									   (unsigned long) tally->blanks,
									   (unsigned long long) tally->blanks, table),
						 notice_fields(tally, tally->blank_columns), errdetail("%s", refused)));
	if (tally->pinned > 0)
		ereport(NOTICE, (errmsg_plural("pinned values of %llu row of table \"%s\" stay as they are",
									   "pinned values of %llu rows of table \"%s\" stay as they are",
									   (unsigned long) tally->pinned,
									   (unsigned long long) tally->pinned, table),
						 notice_fields(tally, tally->pinned_columns), errdetail("%s", refused)));
	if (tally->kept > 0)
		ereport(NOTICE,
				(errmsg_plural("values of other systems' fields were kept out of %llu row of table \"%s\"",
							   "values of other systems' fields were kept out of %llu rows of table \"%s\"",
							   (unsigned long) tally->kept, (unsigned long long) tally->kept, table),
				 notice_fields(tally, tally->kept_columns), errdetail("%s", kept_detail(tally))));
	if (tally->not_created > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu row of table \"%s\" was not created: another system owns the key",
							   "%llu rows of table \"%s\" were not created: another system owns the key",
							   (unsigned long) tally->not_created,
							   (unsigned long long) tally->not_created, table),
				 notice_fields(tally, NIL), errdetail("%s", refused)));
	if (tally->parked > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu row of table \"%s\" is not there yet: another system creates it",
							   "%llu rows of table \"%s\" are not there yet: another system creates them",
							   (unsigned long) tally->parked, (unsigned long long) tally->parked,
							   table),
				 notice_fields(tally, NIL),
				 errdetail("The values wait in ownership.conflict until the row is created.")));
	if (tally->discarded > 0)
		ereport(NOTICE,
				(errmsg_plural("%llu row of table \"%s\" was left as it was: another system owns the key",
							   "%llu rows of table \"%s\" were left as they were: another system owns the key",
							   (unsigned long) tally->discarded,
							   (unsigned long long) tally->discarded, table),
				 notice_fields(tally, NIL), errdetail("%s", refused)));
}

/*
 * Describes a write that is about to be rejected, for the worker to record.  Returns
 * the key of its row as the server log has it, or NULL.
 */
static const char *
describe_attempt(const Evidence *e, Attempt *attempt)
{
	const char *volatile logged = NULL;
	OutputSettings settings;
	int limit = ownership_value_limit;
	Jsonb *key;
	Bitmapset *made;
	bool whole;

	memset(attempt, 0, sizeof(Attempt));
	attempt->at = GetCurrentTimestamp();
	attempt->texts[ATTEMPT_SCHEMA] = e->map->schema;
	attempt->texts[ATTEMPT_TABLE] = e->map->table;
	attempt->texts[ATTEMPT_OPERATION] = operation_name(e->operation);
	attempt->texts[ATTEMPT_SYSTEM] = e->system;
	attempt->texts[ATTEMPT_ROLE] = GetUserNameFromId(e->writer->role, true);
	attempt->texts[ATTEMPT_ORIGIN] = e->writer->origin;
	if (application_name != NULL && application_name[0] != '\0')
		attempt->texts[ATTEMPT_APPLICATION] = application_name;
	attempt->texts[ATTEMPT_COLUMNS] =
		OidOutputFunctionCall(F_ARRAY_OUT, names_array(evidence_names(e)));
	settings = value_fix_output(e->map->text_needs);
	PG_TRY();
	{
		key = evidence_row_key(e, &whole, &made);
		if (key != NULL)
		{
			attempt->texts[ATTEMPT_KEY] = evidence_jsonb_text(key);
			logged = evidence_jsonb_text(evidence_key_for_log(e, key));
		}
		if (e->stored != NULL)
			attempt->texts[ATTEMPT_STORED] =
				evidence_jsonb_text(evidence_values(e, e->stored, limit, NULL));
		if (e->proposed != NULL)
			attempt->texts[ATTEMPT_PROPOSED] =
				evidence_jsonb_text(evidence_values(e, e->proposed, limit, whole ? NULL : made));
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return logged;
}

static const char *
or_dash(const char *text)
{
	return text == NULL ? "-" : text;
}

/*
 * A write is about to be rejected.  Its transaction rolls back, and the caller
 * may catch the error and not report it.  So the write is recorded through
 * shared memory, where the library is preloaded, and in the server log.
 */
static void
record_rejected(const Evidence *e)
{
	Attempt attempt;
	const char *key = describe_attempt(e, &attempt);

	if (activity_counts())
		activity_attempt(e->map, e->system, e->conflicts, e->outcome, &attempt);
	ereport(LOG_SERVER_ONLY,
			(errmsg("ownership rejected %s of %s by %s (role \"%s\"): row %s, proposed %s",
					operation_name(e->operation), names_relation_label(e->map->schema, e->map->table),
					writer_label(e->writer, e->system), or_dash(attempt.texts[ATTEMPT_ROLE]),
					or_dash(key), or_dash(attempt.texts[ATTEMPT_PROPOSED])),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * Raises the error of a rejected write (insufficient_privilege), and records the
 * write.  The error contains no values: a role that may not read the row learns
 * nothing from it.  why: one more sentence for the detail, or NULL.
 */
void
evidence_report_rejected(const Evidence *e, const char *why)
{
	int ncolumns;
	char *columns = column_list(e, &ncolumns);
	char *message = reject_message(e, columns, ncolumns);
	char *detail = owner_list(e);
	const char *first = NULL;
	const Conflict *conflict = NULL;
	const char *hint;

	for (int i = 0; i < e->conflicts->n && first == NULL; i++)
	{
		if (e->conflicts->items[i].verdict == e->outcome)
		{
			first = e->conflicts->items[i].col->name;
			conflict = &e->conflicts->items[i];
		}
	}
	if (why != NULL)
		detail = psprintf("%s %s", detail, why);

	if (conflict->blank)
		hint = "Write a value that is not blank. "
			   "A data steward (ownership.identify() with steward => true) may write a blank; "
			   "field.on_blank decides.";
	else if (e->system != NULL || e->writer->origin != NULL)
		hint =
			psprintf("Leave this write to \"%s\", or write other columns only. "
					 "A data steward (ownership.identify() with steward => true) may write every field; "
					 "\"SET ownership.enforcement = off\" is for maintenance.",
					 conflict->owner);
	else
		hint = "Identify the writer: ownership.identify() maps a role to its system. "
			   "A data steward (steward => true) may write every field; "
			   "\"SET ownership.enforcement = off\" is for maintenance.";

	record_rejected(e);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("%s", message),
					errdetail("%s", detail), errhint("%s", hint),
					err_generic_string(PG_DIAG_SCHEMA_NAME, e->map->schema),
					err_generic_string(PG_DIAG_TABLE_NAME, e->map->table),
					err_generic_string(PG_DIAG_COLUMN_NAME, first),
					err_generic_string(PG_DIAG_CONSTRAINT_NAME, ERROR_CONSTRAINT)));
}
