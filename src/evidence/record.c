/*
 * record.c
 *		Evidence: rows of ownership.conflict, which the transaction that makes
 *		the conflicting write inserts.
 *
 * Values are recorded as their text output (base/value.c), so that one value has
 * one text in every session, and a refused value is recorded once (repeat.c).  A
 * refused UPDATE or DELETE has locked its row.  A refused INSERT has no row to
 * lock: there an advisory lock makes look-up and insertion one critical section,
 * and is released right after it.  If a transaction that has not ended has
 * recorded the same, the guard waits for its end, as a unique index would.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "evidence.h"

/* of the advisory lock: those that SQL functions take have 1 or 2 here */
#define LOCK_CLASS 3

/* NULL: the column is NULL. */
void
evidence_set_jsonb(Datum *values, bool *nulls, int attnum, Jsonb *jsonb)
{
	nulls[attnum - 1] = jsonb == NULL;
	if (jsonb != NULL)
		values[attnum - 1] = JsonbPGetDatum(jsonb);
}

/* The most bytes that a string in a JSON value takes in COPY, in any client encoding. */
static Size
copied_length(const char *string, int len)
{
	Size size = 0;

	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (IS_HIGHBIT_SET(c) || c == '"' || strchr("\b\f\n\r\t", c) != NULL)
			size += 3;
		else if (c == '\\')
			size += 4;
		else
			size += c < ' ' ? 7 : 1;
	}
	return size;
}

/*
 * PostgreSQL can store a row of evidence that is too large to be read, because a
 * value is longer as JSON than as itself, or because the row has several values.
 * Checks that this is no such row.
 *
 * Errors: it is one (program_limit_exceeded).
 */
void
evidence_check_readable(const RelationMap *map, Jsonb *const values[], int n)
{
	const Size limit = MaxAllocSize - 1024 * 1024;
	Size size = 0;

	for (int i = 0; i < n; i++)
		size += values[i] == NULL ? 0 : VARSIZE(values[i]);
	if (size < limit / 8)
		return;
	size = 0;
	for (int i = 0; i < n; i++)
	{
		JsonbIterator *it;
		JsonbIteratorToken token;
		JsonbValue v;

		if (values[i] == NULL)
			continue;
		it = JsonbIteratorInit(&values[i]->root);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if ((token == WJB_KEY || token == WJB_VALUE) && v.type == jbvString)
				size += copied_length(v.val.string.val, v.val.string.len);
			size += 8;
		}
	}
	if (size > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the values of one row of table \"%s\" are too large for evidence",
						names_relation_label(map->schema, map->table)),
				 errdetail("As JSON they take %zu bytes, and %zu bytes is the limit. A control character, for example, takes 7 bytes.",
						   size, limit)));
}

/* Evidence that is to be inserted. */
typedef struct Draft
{
	ConflictSet fresh; /* the conflicts that are to be recorded */
	bool whole;		   /* these are all of the evidence's conflicts */
	bool apart;		   /* each in a row of evidence of its own */
	Proposal proposal;
	bool locked; /* `lock` is taken, until the evidence is inserted */
	LOCKTAG lock;
} Draft;

/* Finds the conflicts that the latest evidence does not record, and what they propose. */
static void
find_fresh(Inserter *inserter, const Evidence *e, Draft *draft)
{
	Proposal *p = &draft->proposal;
	ConflictSet *fresh = &draft->fresh;
	bool refused = evidence_is_refused(e->outcome);
	bool discarded = e->outcome == VERDICT_DISCARD && e->proposed != NULL;
	Bitmapset *made;
	int attnum = -1;

	p->key = evidence_row_key(e, &p->whole, &made);
	while (p->whole && (attnum = bms_next_member(made, attnum)) >= 0)
		p->made = lappend(p->made, NameStr(TupleDescAttr(e->desc, attnum - 1)->attname));
	if (discarded)
		p->values = evidence_row_values(e, e->proposed, -1,
										p->whole ? e->left_out : bms_union(made, e->left_out));
	else if (e->proposed != NULL)
		p->values = evidence_values(e, e->proposed, refused ? -1 : ownership_value_limit, NULL);
	*fresh = *e->conflicts;
	draft->whole = true;
	if (!refused || p->key == NULL)
		return;

	draft->locked = e->operation == OPERATION_INSERT;
	if (draft->locked)
	{
		Jsonb *row = p->whole ? p->key : p->values;
		uint64 hash = hash_any_extended((unsigned char *) VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row),
										e->map->home);

		SET_LOCKTAG_ADVISORY(draft->lock, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash,
							 LOCK_CLASS);
	}
	for (;;)
	{
		TransactionId pending;

		if (draft->locked)
			(void) LockAcquire(&draft->lock, ExclusiveLock, false, false);
		fresh->items = palloc(fresh->n * sizeof(Conflict));
		memcpy(fresh->items, e->conflicts->items, fresh->n * sizeof(Conflict));
		pending = repeat_forget(inserter, e, p, fresh, &draft->apart);
		if (!TransactionIdIsValid(pending))
			break;
		if (draft->locked)
			(void) LockRelease(&draft->lock, ExclusiveLock, false);
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
	draft->whole = !draft->apart;
	for (int i = 0; i < fresh->n && draft->whole; i++)
		draft->whole = fresh->items[i].verdict == e->conflicts->items[i].verdict;
}

/* The row of evidence for e's conflicts. */
static void
make_row(const Evidence *e, const Draft *draft, Datum *values, bool *nulls)
{
	const Proposal *p = &draft->proposal;
	bool refused = evidence_is_refused(e->outcome);
	int limit = ownership_value_limit;
	Jsonb *proposed = p->values;
	Jsonb *stored = NULL;

	/* else the proposal has further columns, which are recorded already */
	if (!draft->whole && refused && e->outcome != VERDICT_DISCARD && e->proposed != NULL)
		proposed = evidence_values(e, e->proposed, -1, NULL);
	if (e->outcome == VERDICT_KEEP && e->final != NULL)
		stored = evidence_values(e, e->final, limit, NULL);
	else if (e->stored != NULL)
		stored = (e->proposed == NULL && !refused) ? evidence_row_values(e, e->stored, limit, NULL)
												   : evidence_values(e, e->stored, limit, NULL);
	evidence_check_readable(e->map, (Jsonb *[]){p->key, stored, proposed}, 3);

	memcpy(values, e->common->values, sizeof(e->common->values));
	memcpy(nulls, e->common->nulls, sizeof(e->common->nulls));
	values[Anum_conflict_recorded_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	evidence_set_jsonb(values, nulls, Anum_conflict_row_key, p->key);
	evidence_set_jsonb(values, nulls, Anum_conflict_stored, stored);
	evidence_set_jsonb(values, nulls, Anum_conflict_proposed, proposed);
	values[Anum_conflict_columns - 1] = evidence_common_names(e->common, evidence_names(e));
	nulls[Anum_conflict_columns - 1] = false;
}

/* A row of ownership.conflict. */
typedef struct EvidenceRow
{
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
} EvidenceRow;

/* Takes out of the set the conflict at `first`, with all of the same verdict in its group. */
static ConflictSet
take_value(ConflictSet *set, int first)
{
	Verdict verdict = set->items[first].verdict;
	int group = set->items[first].col->group;
	ConflictSet value = {0, palloc(set->n * sizeof(Conflict)), set->strictest};

	for (int i = first; i < set->n; i++)
	{
		Conflict *c = &set->items[i];

		if (c->verdict != verdict || (i != first && (group == 0 || c->col->group != group)))
			continue;
		value.items[value.n++] = *c;
		c->verdict = VERDICT_ALLOW;
	}
	return value;
}

/* The rows of evidence (EvidenceRow) that are to be inserted. */
static List *
draft_evidence(Inserter *inserter, const Evidence *original, Draft *draft)
{
	Evidence e = *original;
	List *rows = NIL;

	evidence_set_statement(&e);
	find_fresh(inserter, &e, draft);
	for (int i = 0; i < draft->fresh.n; i++)
	{
		ConflictSet one;
		EvidenceRow *row;

		if (draft->fresh.items[i].verdict != e.outcome)
			continue;
		if (draft->apart)
			one = take_value(&draft->fresh, i);
		row = palloc(sizeof(EvidenceRow));
		e.conflicts = draft->apart ? &one : &draft->fresh;
		make_row(&e, draft, row->values, row->nulls);
		rows = lappend(rows, row);
		if (!draft->apart)
			break;
	}
	return rows;
}

/*
 * Inserts evidence, unless it is recorded already.  Settings are fixed for the
 * text output of values only, and not for the insertion.
 */
static void
insert_evidence(Inserter *inserter, const Evidence *e)
{
	Draft *draft = palloc0(sizeof(Draft));
	List *volatile rows = NIL;
	OutputSettings settings = value_fix_output(e->map->text_needs);
	ListCell *lc;

	PG_TRY();
	{
		rows = draft_evidence(inserter, e, draft);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();

	foreach(lc, rows)
	{
		EvidenceRow *row = lfirst(lc);

		insert_row(inserter, Natts_conflict, row->values, row->nulls);
	}
	if (draft->locked)
		(void) LockRelease(&draft->lock, ExclusiveLock, false);
}

/* Did a value become blank, with the outcome of the evidence? */
static bool
any_blank(const Evidence *e)
{
	for (int i = 0; i < e->conflicts->n; i++)
	{
		if (e->conflicts->items[i].blank && e->conflicts->items[i].verdict == e->outcome)
			return true;
	}
	return false;
}

/*
 * What inserts rows into a table of evidence: *kept, which is the same for all rows of
 * the statement, if its end will be seen; another, if a subtransaction may end before.
 * End with evidence_release().
 */
Inserter *
evidence_inserter(const Tally *tally, Inserter **kept, const char *table)
{
	MemoryContext old;

	if (tally->statement == NULL || tally->nested.level != GetCurrentTransactionNestLevel())
		return insert_open(table);
	if (*kept != NULL)
		return *kept;
	old = MemoryContextSwitchTo(tally->cxt);
	*kept = insert_open(table);
	MemoryContextSwitchTo(old);
	return *kept;
}

void
evidence_release(const Inserter *kept, Inserter *inserter)
{
	if (inserter != kept)
		insert_close(inserter);
}

/*
 * A TRUNCATE has written its evidence: closes what was kept open for it.  The statement
 * that runs it, through a function, may go on after the subtransaction of the TRUNCATE.
 */
void
evidence_end_truncate(const RelationMap *map)
{
	Tally *tally = tally_get(map);

	if (tally->inserter == NULL || tally->nested.level != GetCurrentTransactionNestLevel())
		return;
	insert_close(tally->inserter);
	tally->inserter = NULL;
}

/*
 * Records those of the conflicts whose verdict is e->outcome, with the values
 * of e's rows.  Observed rows of a statement beyond ownership.observed_limit are
 * only counted.
 *
 * Errors: a refused value that does not fit into jsonb (program_limit_exceeded).
 */
void
evidence_record(const Evidence *e)
{
	Tally *tally = tally_get(e->map);
	Inserter *inserter;
	MemoryContext cxt;
	MemoryContext old;

	activity_conflict(e->map, e->system, e->conflicts, e->outcome);
	if (e->outcome == VERDICT_OBSERVE)
	{
		/* no blank is only counted */
		if (!any_blank(e) && tally->observed++ >= (uint64) ownership_observed_limit)
		{
			ListCell *lc;

			tally->rest++;
			tally->rest_operation = e->operation;
			if (tally->rest_system == NULL && e->system != NULL)
				tally->rest_system = MemoryContextStrdup(tally->cxt, e->system);
			foreach(lc, evidence_names(e))
			{
				if (!names_contain(tally->rest_columns, lfirst(lc)))
				{
					old = MemoryContextSwitchTo(tally->cxt);
					tally->rest_columns = lappend(tally->rest_columns, pstrdup(lfirst(lc)));
					MemoryContextSwitchTo(old);
				}
			}
			return;
		}
	}

	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership evidence", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	inserter = evidence_inserter(tally, &tally->inserter, "conflict");
	insert_evidence(inserter, e);
	evidence_release(tally->inserter, inserter);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * The rows of a statement that were only counted: one row of evidence without
 * a key, whose `proposed` is their number.
 */
static void
record_rest(const Tally *tally)
{
	Inserter *inserter = insert_open("conflict");
	const Writer *writer = statement_writer();
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];
	JsonbValue count;

	evidence_set_common(values, nulls, tally->schema, tally->table, tally->rest_operation, writer,
						tally->rest_system, verdict_name(VERDICT_OBSERVE));
	count.type = jbvNumeric;
	count.val.numeric = int64_to_numeric((int64) tally->rest);
	evidence_set_jsonb(values, nulls, Anum_conflict_proposed, JsonbValueToJsonb(&count));
	values[Anum_conflict_columns - 1] = names_array(tally->rest_columns);
	nulls[Anum_conflict_columns - 1] = false;
	insert_row(inserter, Natts_conflict, values, nulls);
	insert_close(inserter);
}

/* Ends tallies: reports and records what they contain, and frees them. */
static pg_noinline void
end_tallies(List *tallies)
{
	ListCell *lc;

	foreach(lc, tallies)
	{
		Tally *tally = lfirst(lc);

		if (tally->inserter != NULL)
			insert_close(tally->inserter);
		if (tally->history != NULL)
			insert_close(tally->history);
		if (tally->rest > 0)
			record_rest(tally);
		/* nobody else has made a row with such a key: that waits for the end of this transaction */
		if (tally->remembered > EVIDENCE_TOLD_ALONE)
			map_wait_send(tally->home, 0);
		if (tally->kept > 0 || tally->pinned > 0 || tally->blanks > 0 || tally->not_created > 0 ||
			tally->discarded > 0 || tally->parked > 0)
			evidence_report_kept(tally);
		tally_free(tally);
	}
	list_free(tallies);
}

/*
 * The statement with this key (NULL: those that are not known) ended; all: the
 * transaction ends.  Reports to the client what the guard kept out, and records
 * what it only counted.
 */
void
evidence_end(const void *statement, bool all)
{
	List *tallies = tally_take(statement, all);

	if (unlikely(tallies != NIL))
		end_tallies(tallies);
}
