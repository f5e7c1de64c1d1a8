/*
 * notify.c
 *		The worker tells listening clients what was refused: by NOTIFY on the channel
 *		ownership.notify, at most once a second.
 *
 * It tells how many rows were in conflict, by table, writer and outcome, and never
 * their values, because every role may listen.  What has been written to the tables
 * waits in the worker's memory until a second has passed since the last notification.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity.h"

#define INTERVAL_MS 1000 /* between two notifications of a database */

/* Bytes of a payload: PostgreSQL allows fewer than 8,000, and fewer where blocks are smaller. */
#define PAYLOAD_MOST (Min(8000, BLCKSZ - NAMEDATALEN - 128) - 1)

/* Bytes that the end of a payload takes at most. */
#define PAYLOAD_END 64

/* What was counted since the last notification: a list of ConflictCount. */
static MemoryContext pending_cxt = NULL;
static List *pending = NIL;

/* Forgets what was to be told. */
static void
forget(void)
{
	pending = NIL;
	if (pending_cxt != NULL)
		MemoryContextReset(pending_cxt);
}

static bool
is_same(const ConflictCount *a, const ConflictCount *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0 &&
		   strcmp(a->outcome, b->outcome) == 0 &&
		   (a->system == NULL ? b->system == NULL
							  : b->system != NULL && strcmp(a->system, b->system) == 0);
}

/* Adds what was counted to what is to be told, if there is a channel. */
void
notify_add(List *counts)
{
	MemoryContext old;
	ListCell *lc;

	if (ownership_notify[0] == '\0' || counts == NIL)
		return;
	if (pending_cxt == NULL)
		pending_cxt = AllocSetContextCreate(TopMemoryContext, "ownership notifications",
											ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(pending_cxt);
	foreach(lc, counts)
	{
		const ConflictCount *c = lfirst(lc);
		ConflictCount *known = NULL;
		ListCell *lc2;

		foreach(lc2, pending)
		{
			if (is_same(lfirst(lc2), c))
			{
				known = lfirst(lc2);
				break;
			}
		}
		if (known == NULL)
		{
			known = palloc(sizeof(ConflictCount));
			known->schema = pstrdup(c->schema);
			known->table = pstrdup(c->table);
			known->system = c->system == NULL ? NULL : pstrdup(c->system);
			known->outcome = pstrdup(c->outcome);
			known->rows = 0;
			pending = lappend(pending, known);
		}
		known->rows += c->rows;
	}
	MemoryContextSwitchTo(old);
}

/* Milliseconds until the worker may notify; 0: it notifies now; -1: there is nothing to tell. */
long
notify_wait(Oid database)
{
	TimestampTz last;

	if (pending == NIL)
		return -1;
	if (ownership_notify[0] == '\0')
	{
		forget();
		return -1;
	}
	last = mailbox_last_notified(database);
	return last == 0
			   ? 0
			   : Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													 TimestampTzPlusMilliseconds(last, INTERVAL_MS)),
					 INTERVAL_MS); /* the clock may have been set back */
}

/* The most rows first, then by name, so that the order does not depend on chance. */
static int
compare(const ListCell *a, const ListCell *b)
{
	const ConflictCount *x = lfirst(a);
	const ConflictCount *y = lfirst(b);
	int order;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	if ((order = strcmp(x->schema, y->schema)) != 0 || (order = strcmp(x->table, y->table)) != 0 ||
		(order = strcmp(x->outcome, y->outcome)) != 0)
		return order;
	return strcmp(x->system == NULL ? "" : x->system, y->system == NULL ? "" : y->system);
}

/* Appends a member of an object, and a comma: its name and a text, or null. */
static void
append_text(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, "\"%s\":", name);
	if (text != NULL)
		escape_json(json, text);
	else
		appendStringInfoString(json, "null");
	appendStringInfoChar(json, ',');
}

/* The payload: an object of JSON.  What does not fit is only counted. */
static char *
payload(TimestampTz at)
{
	char time[MAXDATELEN + 1];
	StringInfoData json;
	StringInfoData entry;
	int64 rows = 0;
	int told = 0;
	ListCell *lc;

	(void) JsonEncodeDateTime(time, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL);
	foreach(lc, pending)
		rows += ((const ConflictCount *) lfirst(lc))->rows;
	list_sort(pending, compare);

	initStringInfo(&json);
	initStringInfo(&entry);
	appendStringInfo(&json, "{\"at\":\"%s\",\"rows\":%lld,\"conflicts\":[", time, (long long) rows);
	foreach(lc, pending)
	{
		const ConflictCount *c = lfirst(lc);

		resetStringInfo(&entry);
		appendStringInfoString(&entry, told == 0 ? "{" : ",{");
		append_text(&entry, "schema", c->schema);
		append_text(&entry, "table", c->table);
		append_text(&entry, "system", c->system);
		append_text(&entry, "outcome", c->outcome);
		appendStringInfo(&entry, "\"rows\":%lld}", (long long) c->rows);
		if (json.len + entry.len + PAYLOAD_END > PAYLOAD_MOST)
			break;
		appendBinaryStringInfo(&json, entry.data, entry.len);
		told++;
	}
	appendStringInfo(&json, "],\"cut\":%d}", list_length(pending) - told);
	Assert(json.len <= PAYLOAD_MOST);
	return json.data;
}

/*
 * Notifies of what was counted.  The worker goes on if that fails, as where the queue
 * of notifications is full: then the server's log has the reason.
 */
void
notify_send(Oid database)
{
	MemoryContext old = CurrentMemoryContext;
	TimestampTz now = GetCurrentTimestamp();

	mailbox_notified(database, now);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		Async_Notify(ownership_notify, payload(now));
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		ereport(LOG, (errmsg("could not notify channel \"%s\" of conflicts", ownership_notify),
					  errdetail("%s", error->message)));
		FreeErrorData(error);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	forget();
}
