/*
 * repeat.c
 *		"Recorded once": what the latest evidence of a row records already.
 *
 * A row of evidence has only the columns whose refused values were new at that
 * time.  So the latest evidence for one column may be much older than that for
 * another.  However much evidence there is, conflict_row_idx finds at once
 * the latest evidence of one row, one writer and one set of columns.  All sets
 * are looked at, one after the other.  The first MANY_SETS are as the statements
 * wrote them; from then on, each column is recorded in a row of its own.  So
 * there are never many more sets than columns.  The columns of a group are recorded
 * together, always: a decision on one row of evidence must not split the group.
 *
 * For a row that was not created or not deleted, the row counts as a whole, and
 * is compared with the latest evidence of that kind.
 *
 * For an INSERT that did not name the whole key, what it proposed takes the
 * key's place (conflict_proposal_idx): the same proposal is recognised, whatever
 * was recorded since.
 *
 * Everything is read with a dirty snapshot, which also sees what concurrent
 * transactions have not committed yet, and takes no predicate locks.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "evidence.h"

/* With so many sets of columns of one row and writer, evidence is recorded a column at a time. */
#define MANY_SETS 16

/* The latest evidence for one column. */
typedef struct Latest
{
	int64 id;		   /* 0: there is none */
	bool recorded;	   /* it records what is proposed now */
	TransactionId xid; /* a running transaction that inserted it, or invalid */
} Latest;

static bool
text_equals(TupleTableSlot *slot, int attnum, const char *other)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	if (isnull || other == NULL)
		return isnull && other == NULL;
	return strcmp(TextDatumGetCString(value), other) == 0;
}

static Jsonb *
jsonb_of(TupleTableSlot *slot, int attnum)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

static bool
same_jsonb(Jsonb *a, Jsonb *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* Are two refused values the same?  Evidence has them as strings and nulls. */
static bool
same_scalar(const JsonbValue *a, const JsonbValue *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->type != b->type)
		return false;
	if (a->type == jbvNull)
		return true;
	return a->type == jbvString && a->val.string.len == b->val.string.len &&
		   memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
}

/* Is it the same row, except for values that the database made? */
static bool
same_proposal(Jsonb *was, const Proposal *now)
{
	ListCell *lc;

	if (same_jsonb(was, now->values))
		return true;
	if (was == NULL || now->values == NULL || now->made == NIL || !JB_ROOT_IS_OBJECT(was) ||
		JB_ROOT_COUNT(was) != JB_ROOT_COUNT(now->values))
		return false;
	foreach(lc, value_object_names(now->values))
	{
		JsonbValue *value = value_in_object(was, lfirst(lc));

		if (value == NULL || (!names_contain(now->made, lfirst(lc)) &&
							  !same_scalar(value, value_in_object(now->values, lfirst(lc)))))
			return false;
	}
	return true;
}

static bool
is_discarded(const Evidence *e)
{
	return e->outcome == VERDICT_DISCARD;
}

/*
 * Begins to look for evidence of this row, writer and kind.  *columns: the key of the
 * index that is a hash of the columns; NULL: none is.  Returns NULL if the table of
 * evidence has no such index: until ALTER EXTENSION UPDATE from 0.1.0 each refused value
 * is recorded each time.
 */
static Finder *
begin_search(Inserter *inserter, const Common *common, const Proposal *p, ScanKey *columns)
{
	Finder *f = finder_get(inserter, p->whole ? "conflict_row_idx" : "conflict_proposal_idx");
	bool old = f == NULL && p->whole;
	Datum seed = !p->whole ? common->proposal_seed : old ? common->old_seed : Int64GetDatum(0);
	int n = 0;

	*columns = NULL;
	if (old && (f = finder_get(inserter, "conflict_latest_idx")) == NULL) /* that of 0.2.0 */
		return NULL;
	if (f == NULL)
		return NULL;
	ScanKeyInit(&f->keys[n++], 1, BTEqualStrategyNumber, F_INT8EQ,
				DirectFunctionCall2(jsonb_hash_extended,
									JsonbPGetDatum(p->whole ? p->key : p->values), seed));
	if (p->whole && !old)
		ScanKeyInit(&f->keys[n++], 2, BTEqualStrategyNumber, F_INT4EQ, common->kind);
	if (p->whole)
	{
		*columns = &f->keys[n];
		if (old)
			ScanKeyInit(*columns, n + 1, BTLessEqualStrategyNumber, F_INT8LE,
						Int64GetDatum(PG_INT64_MAX));
		else
			ScanKeyInit(*columns, n + 1, BTLessEqualStrategyNumber, F_INT4LE,
						Int32GetDatum(PG_INT32_MAX));
	}
	finder_begin(f);
	return f;
}

/* Goes on with the evidence before that of the current set of columns. */
static void
next_set(Finder *f, ScanKey columns)
{
	int n = columns->sk_attno;
	bool isnull;
	Datum set = index_getattr(f->scan->xs_itup, n, f->scan->xs_itupdesc, &isnull);

	if (TupleDescAttr(f->scan->xs_itupdesc, n - 1)->atttypid == INT8OID)
		ScanKeyInit(columns, n, BTLessStrategyNumber, F_INT8LT, set);
	else
		ScanKeyInit(columns, n, BTLessStrategyNumber, F_INT4LT, set);
	finder_begin(f);
}

/* Is it evidence of this row, writer and kind? */
static bool
is_alike(TupleTableSlot *slot, const Evidence *e, const Proposal *p)
{
	if (!same_jsonb(jsonb_of(slot, Anum_conflict_row_key), p->key) ||
		!text_equals(slot, Anum_conflict_schema, e->map->schema) ||
		!text_equals(slot, Anum_conflict_table, e->map->table) ||
		!text_equals(slot, Anum_conflict_system, e->system) ||
		!text_equals(slot, Anum_conflict_outcome, verdict_name(e->outcome)))
		return false;
	if (e->system == NULL && (!text_equals(slot, Anum_conflict_origin, e->writer->origin) ||
							  (e->writer->origin == NULL &&
							   !text_equals(slot, Anum_conflict_role, e->common->role_name))))
		return false;
	if (is_discarded(e) && !text_equals(slot, Anum_conflict_operation, operation_name(e->operation)))
		return false;
	return p->whole || same_jsonb(jsonb_of(slot, Anum_conflict_proposed), p->values);
}

/* Does the evidence record what is proposed for the column now? */
static bool
records_proposal(TupleTableSlot *slot, const Evidence *e, const Proposal *p, const char *name)
{
	Jsonb *was = jsonb_of(slot, Anum_conflict_proposed);

	if (text_equals(slot, Anum_conflict_resolution, "accepted"))
		return false;
	if (is_discarded(e))
		return same_proposal(was, p);
	return same_scalar(value_in_object(was, name), value_in_object(p->values, name));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Notes the evidence for those columns of the conflicts for which it is the latest so far. */
static void
note_latest(TupleTableSlot *slot, const Evidence *e, const Proposal *p, TransactionId xid,
			Latest *latest)
{
	bool isnull;
	int64 id = DatumGetInt64(slot_getattr(slot, Anum_conflict_id, &isnull));
	Datum columns = slot_getattr(slot, Anum_conflict_columns, &isnull);
	Datum *elems;
	bool *nulls;
	char **names;
	int n;
	int nnames = 0;

	if (isnull)
		return; /* inserted by hand */
	deconstruct_array(DatumGetArrayTypeP(columns), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elems, &nulls, &n);
	names = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			names[nnames++] = NameStr(*DatumGetName(elems[i]));
	}
	qsort(names, nnames, sizeof(char *), compare_names);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		const Conflict *c = &e->conflicts->items[i];

		if (c->verdict != e->outcome || id <= latest[i].id ||
			bsearch(&c->col->name, names, nnames, sizeof(char *), compare_names) == NULL)
			continue;
		latest[i].id = id;
		latest[i].recorded = records_proposal(slot, e, p, c->col->name);
		latest[i].xid = xid;
	}
}

/* Finds the latest evidence for each of e's conflicts.  Returns the number of sets of columns. */
static int
find_latest(Inserter *inserter, const Evidence *e, const Proposal *p, Latest *latest)
{
	ScanKey columns;
	Finder *f = begin_search(inserter, e->common, p, &columns);
	int sets = 0;

	if (f == NULL)
		return 0;
	while (finder_next(f))
	{
		if (!is_alike(f->slot, e, p))
			continue; /* another row or writer with the same hash */
		sets++;
		note_latest(f->slot, e, p, f->dirty.xmin, latest);
		if (columns == NULL || is_discarded(e))
			break; /* only the latest counts, and the index is ordered by id */
		next_set(f, columns);
	}
	finder_end(f);
	return sets;
}

/* Is a refused value of the column's group one that the latest evidence does not record? */
static bool
group_is_fresh(const Evidence *e, const Latest *latest, const MappedColumn *col)
{
	for (int i = 0; i < e->conflicts->n; i++)
	{
		const Conflict *c = &e->conflicts->items[i];

		if (c->col->group == col->group && c->verdict == e->outcome && !latest[i].recorded)
			return true;
	}
	return false;
}

/*
 * Clears the verdicts of the conflicts in `fresh`, a copy of e's, that the
 * latest evidence for this row and writer records already.  *apart: the others
 * are to be recorded a column at a time.  Returns a running transaction whose
 * evidence records one of them, for which the caller waits before it tries
 * again; or InvalidTransactionId.
 *
 * A replication worker waits for none: an earlier transaction of its stream may be
 * prepared, or in another worker, and end only after this one.  The same is recorded
 * twice then.
 */
TransactionId
repeat_forget(Inserter *inserter, const Evidence *e, const Proposal *proposal, ConflictSet *fresh,
			  bool *apart)
{
	Latest *latest = palloc0(fresh->n * sizeof(Latest));
	TransactionId pending = InvalidTransactionId;

	*apart = find_latest(inserter, e, proposal, latest) >= MANY_SETS && !is_discarded(e);
	for (int i = 0; i < fresh->n; i++)
	{
		if (e->writer->worker && TransactionIdIsValid(latest[i].xid))
			latest[i].recorded = false;
		if (fresh->items[i].verdict == e->outcome && !latest[i].recorded)
		{
			/* what concerns the whole row is recorded as a whole */
			if (is_discarded(e))
				return InvalidTransactionId;
			continue;
		}
		if (TransactionIdIsValid(latest[i].xid))
			pending = latest[i].xid;
	}
	for (int i = 0; i < fresh->n; i++)
	{
		const MappedColumn *col = e->conflicts->items[i].col;

		if (latest[i].recorded && (col->group == 0 || !group_is_fresh(e, latest, col)))
			fresh->items[i].verdict = VERDICT_ALLOW;
	}
	return pending;
}
