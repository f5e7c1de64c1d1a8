/*
 * park.c
 *		Parking: the values of an INSERT wait until another system creates the row.
 *
 * Whoever creates the row may do so at the same time.  The creator looks for what
 * waits after it has made the row (land.c); who parks looks for the row before and
 * again after it has written the evidence, which it rolls back if the row has
 * appeared.  So one of both sees what the other wrote.  A lock on the key, which is
 * held for that time only, lets one session at a time park values for the row.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* of the advisory lock: see evidence/record.c */
#define LOCK_CLASS 4

/* The values that one INSERT parks. */
typedef struct Parking
{
	GuardCall *call;
	TupleTableSlot *row;
	Jsonb *key;
	Bitmapset *attnums; /* columns whose values the INSERT brings, to wait; NULL: none */
	Bitmapset *others; /* columns that are nobody's: their values are recorded with those that wait */
	TupleTableSlot *found;
	TransactionId pending; /* a transaction for which to wait; then nothing is written */
	bool there;			   /* the row is there; likewise */
} Parking;

/*
 * The columns whose values may wait: those that the writer owns and writes.  A NULL or a
 * default counts in columns that the feed is known to publish, as where the row is there.
 */
static Bitmapset *
own_columns(GuardCall *call, TupleTableSlot *row)
{
	Bitmapset *attnums = NULL;

	for (int i = 0; i < call->map->ncols; i++)
	{
		MappedColumn *col = &call->map->cols[i];
		const char *owner;

		if (col->key)
			continue;
		owner = map_owner(call->map, col, row);
		if (owner != NULL && strcmp(owner, call->system) == 0 &&
			(insertion_writes(&call->new, col, row) || (call->applied && feed_publishes(call, col))))
			attnums = bms_add_member(attnums, col->attnum);
	}
	return attnums;
}

/* Is it a column of the primary key, and no field that tells the record? */
static bool
is_surrogate(const GuardCall *call, const MappedColumn *col)
{
	return !col->key &&
		   bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, call->map->primary);
}

/*
 * The columns that the INSERT writes and that are nobody's: those off the map, and
 * those of a surrogate key without owner.
 */
static Bitmapset *
nobodys_columns(GuardCall *call, TupleTableSlot *row)
{
	Bitmapset *attnums = NULL;

	for (int i = 0; i < call->map->ncols + call->map->nothers; i++)
	{
		MappedColumn *col = &call->map->cols[i];

		if (i < call->map->ncols &&
			(!is_surrogate(call, col) || map_owner(call->map, col, row) != NULL))
			continue;
		if (insertion_writes(&call->new, col, row))
			attnums = bms_add_member(attnums, col->attnum);
	}
	return attnums;
}

/* Does the INSERT name the whole key? */
static bool
names_key(const GuardCall *call, TupleTableSlot *row)
{
	for (int i = 0; i < call->map->nkey_attrs; i++)
	{
		AttrNumber attnum = call->map->key_attrs[i];
		const MappedColumn *col = map_any_column(call->map, attnum);
		bool isnull;

		(void) slot_getattr(row, attnum, &isnull);
		if (isnull || col == NULL || insertion_leaves_out(&call->new, col))
			return false;
	}
	return true;
}

/* Looks for the row. */
static void
look(Parking *p)
{
	const GuardCall *call = p->call;
	TransactionId pending;

	switch (
		stored_look(call->td->tg_relation, call->map->key_index, p->row, p->found, false, &pending))
	{
		case STORED_THERE:
			p->there = true;
			break;
		case STORED_PENDING:
			p->pending = pending;
			break;
		case STORED_ABSENT:
			break;
	}
}

/* Writes the evidence, and looks again, in a subtransaction; false: it is rolled back. */
static bool
write_and_look(void *arg)
{
	Parking *p = arg;
	GuardCall *call = p->call;

	p->pending = evidence_park(call->map, RelationGetDescr(call->td->tg_relation), call->writer,
							   call->system, p->key, p->row, p->attnums, p->others);
	if (!TransactionIdIsValid(p->pending))
		look(p);
	return !p->there && !TransactionIdIsValid(p->pending);
}

/* Records that the values wait; false: the row is there by now. */
static bool
park(Parking *p)
{
	uint64 hash = hash_any_extended((unsigned char *) VARDATA_ANY(p->key),
									VARSIZE_ANY_EXHDR(p->key), p->call->map->home);
	LOCKTAG lock;

	SET_LOCKTAG_ADVISORY(lock, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_CLASS);
	for (;;)
	{
		ErrorData *error = NULL;

		CHECK_FOR_INTERRUPTS();
		p->there = false;
		p->pending = InvalidTransactionId;
		(void) LockAcquire(&lock, ExclusiveLock, false, false);
		look(p);
		if (!p->there && !TransactionIdIsValid(p->pending))
			error = subxact_trial(write_and_look, p);
		(void) LockRelease(&lock, ExclusiveLock, false);
		if (error != NULL)
			ReThrowError(error);
		if (p->there)
			return false;
		if (!TransactionIdIsValid(p->pending))
			return true;
		XactLockTableWait(p->pending, NULL, NULL, XLTW_None);
	}
}

/* What the INSERT says of fields that the writer does not own: it is discarded. */
static ConflictSet
others_fields(GuardCall *call, ConflictSet *set, const Bitmapset *own, TupleTableSlot *row)
{
	ConflictSet rest = {0};

	for (int i = 0; i < call->map->ncols; i++)
	{
		MappedColumn *col = &call->map->cols[i];
		const Conflict *known = conflicts_find(set, col);
		Conflict *conflict;

		if (col->key || bms_is_member(col->attnum, own) ||
			(known == NULL && (is_surrogate(call, col) || !insertion_writes(&call->new, col, row))))
			continue;
		conflict = conflicts_new(call, &rest, col);
		if (known != NULL)
			*conflict = *known;
		conflict->verdict = VERDICT_DISCARD;
	}
	rest.strictest = VERDICT_DISCARD;
	return rest;
}

/*
 * BEFORE INSERT of a row that the writer may not create, and whose whole key it names:
 * what it says of its own fields waits for the row, the rest is discarded.  Returns
 * false where that is not done; *meets: because the row is there by now.
 *
 * Errors: values that do not fit into jsonb.
 */
bool
park_row(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed, bool *meets)
{
	Parking p = {0};
	ConflictSet rest;

	p.call = call;
	p.row = proposed;
	*meets = false;
	if (call->system == NULL || call->circumstances.cascade || !evidence_can_wait(call->map) ||
		!names_key(call, proposed))
		return false;
	p.attnums = own_columns(call, proposed);
	p.others = nobodys_columns(call, proposed);
	rest = others_fields(call, set, p.attnums, proposed);
	/* who names the key alone is heard, too: its later changes of the row may be lost */
	if (p.attnums != NULL || rest.n == 0)
	{
		CommandCounterIncrement();
		p.key = evidence_row_key_of(call->map, RelationGetDescr(call->td->tg_relation), proposed);
		p.found = table_slot_create(call->td->tg_relation, NULL);
		*meets = !park(&p);
		ExecDropSingleTupleTableSlot(p.found);
		if (*meets)
			return false;
		activity_parked(call->map, call->system);
		if (!call->applied)
			tally_get(call->map)->parked++;
	}
	if (rest.n > 0)
		outcome_record_discarded(call, &rest, NULL, proposed,
								 evidence_add_groups(call->map, p.attnums));
	return true;
}
