/*
 * repeat.c
 *		"Recorded once": what the latest evidence of a row records already.
 *
 * A row of evidence has only the columns whose refused values were new at that
 * time.  So the latest evidence for one column may be much older than that for
 * another.  However much evidence there is, conflict_latest_idx finds at once
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

/* A seed made of a text and another seed, as in the expressions of the indexes. */
static Datum
seed(const char *text, Datum before)
{
	return DirectFunctionCall2Coll(hashtextextended, DEFAULT_COLLATION_OID,
								   CStringGetTextDatum(text), before);
}

/* The hash that the indexes have for evidence of this row, writer and kind. */
static Datum
latest_hash(const Evidence *e, const Proposal *p)
{
	char *role = GetUserNameFromId(e->writer->role, true);
	char *writer = e->system != NULL		   ? psprintf("s%s", e->system)
				   : e->writer->origin != NULL ? psprintf("o%s", e->writer->origin)
				   : role != NULL			   ? psprintf("r%s", role)
											   : "";
	Datum hash = seed(writer, seed(e->map->table, seed(e->map->schema, Int64GetDatum(0))));

	if (p->whole)
		hash = seed(is_discarded(e) ? operation_name(e->operation) : "", hash);
	return DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(p->whole ? p->key : p->values),
							   hash);
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
	if (e->system == NULL &&
		(!text_equals(slot, Anum_conflict_origin, e->writer->origin) ||
		 (e->writer->origin == NULL &&
		  !text_equals(slot, Anum_conflict_role, GetUserNameFromId(e->writer->role, true)))))
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
find_latest(Relation rel, Oid indexid, const Evidence *e, const Proposal *p, Latest *latest)
{
	Relation index = index_open(indexid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	SnapshotData dirty;
	ScanKeyData keys[2];
	bool by_columns = p->whole && !is_discarded(e);
	int sets = 0;
	bool found;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, latest_hash(e, p));
	ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(PG_INT64_MAX));
	scan = compat_index_beginscan(rel, index, &dirty, 2);
	scan->xs_want_itup = true;
	do
	{
		found = false;
		index_rescan(scan, keys, 2, NULL, 0);
		while (!found && index_getnext_slot(scan, BackwardScanDirection, slot))
		{
			bool isnull;

			if (!is_alike(slot, e, p))
				continue; /* another row or writer with the same hash */
			found = true;
			sets++;
			note_latest(slot, e, p, dirty.xmin, latest);
			ScanKeyInit(&keys[1], 2, BTLessStrategyNumber, F_INT8LT,
						index_getattr(scan->xs_itup, 2, scan->xs_itupdesc, &isnull));
		}
		/* else only the latest counts, and the index is ordered by id */
	} while (found && by_columns);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
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
repeat_forget(Relation rel, const Evidence *e, const Proposal *proposal, ConflictSet *fresh,
			  bool *apart)
{
	Oid index =
		catalog_table(proposal->whole ? "conflict_latest_idx" : "conflict_proposal_idx", true);
	Latest *latest = palloc0(fresh->n * sizeof(Latest));
	TransactionId pending = InvalidTransactionId;

	*apart = false;
	/* until ALTER EXTENSION UPDATE from 0.1.0 each refused value is recorded each time */
	if (!OidIsValid(index))
		return InvalidTransactionId;
	*apart = find_latest(rel, index, e, proposal, latest) >= MANY_SETS && !is_discarded(e);
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
