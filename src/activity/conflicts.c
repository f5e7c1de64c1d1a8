/*
 * conflicts.c
 *		Conflicts and rejected attempts, as activity counts and records them.
 *
 * A conflict counts once for each row and column, and once for each row.  A rejected
 * attempt goes to the worker as a message, because the transaction that made it is
 * rolled back.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"

#include "../rules/rules.h"
#include "../statement/statement.h"
#include "activity.h"

static CountKind
kind_of(Verdict outcome)
{
	switch (outcome)
	{
		case VERDICT_OBSERVE:
			return COUNT_OBSERVED;
		case VERDICT_FILL:
			return COUNT_FILLED;
		case VERDICT_OVERRIDE:
			return COUNT_OVERRIDDEN;
		case VERDICT_KEEP:
		case VERDICT_DISCARD:
			return COUNT_KEPT;
		case VERDICT_ALLOW:
		case VERDICT_REJECT:
			break;
	}
	return COUNT_REJECTED;
}

/* The same for a row. */
static CountKind
row_kind_of(Verdict outcome)
{
	return outcome == VERDICT_DISCARD ? COUNT_DISCARDED : kind_of(outcome);
}

/* A conflict's column, as an attribute of the table on the map; 0: it does not count here. */
static AttrNumber
conflict_attnum(const Conflict *conflict, Verdict outcome, const Outline *outline)
{
	AttrNumber attnum = conflict->col->attnum;

	if (conflict->verdict != outcome || attnum > outline->natts)
		return 0;
	return outline->home_attnum[attnum - 1];
}

/*
 * A row had conflicts that did not fail it.  Those of one outcome are counted,
 * if the transaction does not fail either.
 */
void
activity_conflict(const RelationMap *map, const char *system, const ConflictSet *conflicts,
				  Verdict outcome)
{
	CountKind kind = kind_of(outcome);
	const void *statement = statement_key();
	Written *written = NULL;
	const Outline *outline;
	int number;

	if (!activity_counts() || (outline = outline_of(map->relid)) == NULL)
		return;
	handover_begin();
	number = counts_system(system);
	if (statement != NULL && kind != COUNT_KEPT)
		written = writes_find(statement, outline->home);
	for (int i = 0; i < conflicts->n; i++)
	{
		AttrNumber home = conflict_attnum(&conflicts->items[i], outcome, outline);

		if (home == 0)
			continue;
		counts_at_commit(outline->home, number, home, kind, GetCurrentStatementStartTimestamp());
		/* a write in a row that activity_row() does not look at */
		if (written != NULL && !bms_is_member(home, written->attnums))
			writes_count_column(written, outline->home, number, home);
	}
	counts_at_commit(outline->home, number, WHOLE_ROW, row_kind_of(outcome),
					 GetCurrentStatementStartTimestamp());
	/* it came, though perhaps nothing of it is left */
	if (kind == COUNT_KEPT)
		writes_count_arrival(outline->home, number);
}

/* The values of a row wait for it: counts the row, if the transaction does not fail. */
void
activity_parked(const RelationMap *map, const char *system)
{
	const Outline *outline;

	if (!activity_counts() || (outline = outline_of(map->relid)) == NULL)
		return;
	handover_begin();
	counts_at_commit(outline->home, counts_system(system), WHOLE_ROW, COUNT_PARKED,
					 GetCurrentStatementStartTimestamp());
	writes_count_arrival(outline->home, counts_system(system));
}

/* Turns an attempt into a message of the queue. */
static void
attempt_write(const Attempt *attempt, StringInfo message)
{
	initStringInfo(message);
	appendBinaryStringInfo(message, (const char *) &attempt->extension, sizeof(attempt->extension));
	appendBinaryStringInfo(message, (const char *) &attempt->at, sizeof(attempt->at));
	for (int i = 0; i < ATTEMPT_TEXTS; i++)
	{
		appendStringInfoChar(message, attempt->texts[i] != NULL);
		if (attempt->texts[i] != NULL)
			appendBinaryStringInfo(message, attempt->texts[i], strlen(attempt->texts[i]) + 1);
	}
}

/* The reverse; the texts point into the message. */
Attempt
activity_read_attempt(const char *message)
{
	Attempt attempt;

	memcpy(&attempt.extension, message, sizeof(attempt.extension));
	message += sizeof(attempt.extension);
	memcpy(&attempt.at, message, sizeof(attempt.at));
	message += sizeof(attempt.at);
	for (int i = 0; i < ATTEMPT_TEXTS; i++)
	{
		bool present = *message++ != 0;

		attempt.texts[i] = present ? message : NULL;
		if (present)
			message += strlen(message) + 1;
	}
	return attempt;
}

/*
 * Counts a write that is about to be rejected, and hands it over to the worker.
 * The texts of `attempt` are all that is recorded of it.
 */
void
activity_attempt(const RelationMap *map, const char *system, const ConflictSet *conflicts,
				 Verdict outcome, Attempt *attempt)
{
	const Outline *outline = outline_of(map->relid);
	StringInfoData message;
	int number;

	if (!OidIsValid(outline_extension()))
		return;
	handover_begin();
	number = counts_system(system);
	/* an attempt is recorded even where it cannot be counted now */
	for (int i = 0; outline != NULL && i < conflicts->n; i++)
	{
		AttrNumber home = conflict_attnum(&conflicts->items[i], outcome, outline);

		if (home != 0)
			counts_rejected(outline->home, outline->natts, number, home, attempt->at);
	}
	if (outline != NULL)
		counts_rejected(outline->home, outline->natts, number, WHOLE_ROW, attempt->at);

	attempt->extension = outline_extension();
	attempt_write(attempt, &message);
	/* an attempt that would take too much of the queue is recorded without values */
	if (message.len > (int) mailbox_largest())
	{
		attempt->texts[ATTEMPT_KEY] = NULL;
		attempt->texts[ATTEMPT_STORED] = NULL;
		attempt->texts[ATTEMPT_PROPOSED] = NULL;
		attempt_write(attempt, &message);
	}
	handover_attempt(message.data, message.len);
}
