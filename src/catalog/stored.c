/*
 * stored.c
 *		Stored rows that the extension itself finds, locks, updates or deletes.
 *
 * No statement does this: a trigger of the guard, or the end of a statement or of
 * a transaction does, for the write of any role.  So neither privileges nor row
 * security are asked.  The executor writes the row: constraints, indexes,
 * generated columns and triggers work as in any UPDATE.
 *
 * A row is found by one unique index, with a dirty snapshot, which also sees what
 * concurrent transactions have not committed yet.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"
#include "utils/syscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "catalog.h"

/*
 * Begins to change rows of an ordinary table, which the caller has opened.
 * updated: the columns that an UPDATE names, with the offset
 * FirstLowInvalidHeapAttributeNumber.  End with stored_close().
 */
StoredTable *
stored_open(Relation rel, Bitmapset *updated)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership rows", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	StoredTable *t = palloc0(sizeof(StoredTable));
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	t->cxt = cxt;
	t->rel = rel;
	t->pushed = !ActiveSnapshotSet();
	if (t->pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	t->estate = CreateExecutorState();
	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	compat_init_range_table(t->estate, rte, bms_copy(updated));
	t->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(t->rri, rel, 1, NULL, 0);
	ExecOpenIndices(t->rri, true); /* ready to look for conflicts, too */
	t->estate->es_opened_result_relations = lappend(t->estate->es_opened_result_relations, t->rri);
	compat_init_epq(&t->epq, t->estate);
	t->slot = table_slot_create(rel, &t->estate->es_tupleTable);
	t->changed = ExecInitExtraTupleSlot(t->estate, RelationGetDescr(rel), &TTSOpsVirtual);
	MemoryContextSwitchTo(old);
	return t;
}

void
stored_close(StoredTable *t)
{
	EvalPlanQualEnd(&t->epq);
	ExecCloseResultRelations(t->estate);
	ExecResetTupleTable(t->estate->es_tupleTable, false);
	FreeExecutorState(t->estate);
	if (t->pushed)
		PopActiveSnapshot();
	if (t->opened)
		table_close(t->rel, NoLock);
	MemoryContextDelete(t->cxt);
}

/*
 * Begins to look for rows of a table by a unique index.  scan is memory of the caller;
 * found: a slot of the table's own kind.  End with stored_scan_end().
 */
void
stored_scan_begin(StoredScan *scan, Relation rel, Oid indexid, TupleTableSlot *found)
{
	Relation index = index_open(indexid, AccessShareLock);
	bool nothing;
	Datum classes =
		SysCacheGetAttr(INDEXRELID, index->rd_indextuple, Anum_pg_index_indclass, &nothing);
	oidvector *opclasses = (oidvector *) DatumGetPointer(classes);

	scan->rel = rel;
	scan->index = index;
	scan->found = found;
	scan->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	for (int k = 0; k < scan->nkeys; k++)
	{
		Oid family = get_opclass_family(opclasses->values[k]);
		Oid type = get_opclass_input_type(opclasses->values[k]);
		Oid equals = get_opfamily_member(family, type, type, BTEqualStrategyNumber);

		if (!OidIsValid(equals))
			elog(ERROR, "index \"%s\" has no equality operator", RelationGetRelationName(index));
		ScanKeyInit(&scan->keys[k], k + 1, BTEqualStrategyNumber, get_opcode(equals), (Datum) 0);
		scan->keys[k].sk_collation = index->rd_indcollation[k];
	}
	InitDirtySnapshot(scan->dirty);
	scan->scan = compat_index_beginscan(rel, index, &scan->dirty, scan->nkeys);
}

void
stored_scan_end(StoredScan *scan)
{
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
}

/* Takes the key that is looked for; false: a part of it is NULL. */
static bool
set_keys(StoredScan *scan, TupleTableSlot *key)
{
	for (int k = 0; k < scan->nkeys; k++)
	{
		bool isnull;

		scan->keys[k].sk_argument =
			slot_getattr(key, scan->index->rd_index->indkey.values[k], &isnull);
		if (isnull)
			return false;
	}
	return true;
}

/* Locks the row in the slot, and reads its newest version into it.  False: it has changed. */
static bool
lock_row(Relation rel, TupleTableSlot *slot)
{
	TM_FailureData failure;
	ItemPointerData tid = slot->tts_tid;
	TM_Result result;
	bool pushed = !ActiveSnapshotSet();

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	result = table_tuple_lock(rel, &tid, GetActiveSnapshot(), slot, GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, LockWaitBlock, 0, &failure);
	if (pushed)
		PopActiveSnapshot();
	return result == TM_Ok;
}

/*
 * Looks for the row with the key of the row in `key`.  An answer is certain:
 * STORED_PENDING says that a transaction which has not ended, *pending, makes or
 * removes the row.  The row is read into scan->found, and locked if `lock` is set.
 * The caller has made visible what its transaction wrote (CommandCounterIncrement()).
 */
StoredState
stored_scan_look(StoredScan *scan, TupleTableSlot *key, bool lock, TransactionId *pending)
{
	StoredState state = STORED_ABSENT;
	bool again = set_keys(scan, key);

	*pending = InvalidTransactionId;
	while (again)
	{
		again = false;
		index_rescan(scan->scan, scan->keys, scan->nkeys, NULL, 0);
		if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->found))
		{
			state = STORED_ABSENT;
			break;
		}
		state = STORED_THERE;
		*pending = TransactionIdIsValid(scan->dirty.xmin) ? scan->dirty.xmin : scan->dirty.xmax;
		if (TransactionIdIsValid(*pending))
			state = STORED_PENDING;
		else if (lock)
		{
			ExecMaterializeSlot(scan->found);
			again = !lock_row(scan->rel, scan->found);
			CHECK_FOR_INTERRUPTS();
		}
	}
	return state;
}

/* The same for one row. */
StoredState
stored_look(Relation rel, Oid indexid, TupleTableSlot *key, TupleTableSlot *found, bool lock,
			TransactionId *pending)
{
	StoredScan scan;
	StoredState state;

	stored_scan_begin(&scan, rel, indexid, found);
	state = stored_scan_look(&scan, key, lock, pending);
	/* no buffer stays pinned: the caller may end a subtransaction in between */
	if (state == STORED_THERE)
		ExecMaterializeSlot(found);
	else
		ExecClearTuple(found);
	stored_scan_end(&scan);
	return state;
}

/* The same, but waits for the transactions that decide about the row.  True: it is there. */
bool
stored_find(Relation rel, Oid indexid, TupleTableSlot *key, TupleTableSlot *found, bool lock)
{
	TransactionId pending;
	StoredState state;

	while ((state = stored_look(rel, indexid, key, found, lock, &pending)) == STORED_PENDING)
	{
		CHECK_FOR_INTERRUPTS();
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
	return state == STORED_THERE;
}

/*
 * Locks a row of which the caller knows a place, whatever changed it since, and
 * reads its newest version into t->slot.  False: it is not there any more.
 */
bool
stored_lock_at(StoredTable *t, ItemPointer tid)
{
	TM_FailureData failure;

	return table_tuple_lock(t->rel, tid, GetActiveSnapshot(), t->slot, GetCurrentCommandId(false),
							LockTupleNoKeyExclusive, LockWaitBlock,
							TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure) == TM_Ok;
}

/* Begins a changed version of the row in t->slot: the caller changes t->changed. */
TupleTableSlot *
stored_copy(StoredTable *t)
{
	int natts = RelationGetDescr(t->rel)->natts;

	slot_getallattrs(t->slot);
	ExecClearTuple(t->changed);
	memcpy(t->changed->tts_values, t->slot->tts_values, natts * sizeof(Datum));
	memcpy(t->changed->tts_isnull, t->slot->tts_isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(t->changed);
	return t->changed;
}

/*
 * Updates the locked row in t->slot to what t->changed contains, which then is the row
 * as triggers have changed it.  False: a trigger has stopped the UPDATE.
 */
bool
stored_update(StoredTable *t)
{
	ResetPerTupleExprContext(t->estate);
	stored_functions_find(t->rri, TRIGGER_TYPE_UPDATE, t->cxt);
	AfterTriggerBeginQuery();
	t->estate->es_output_cid = GetCurrentCommandId(true);
	EvalPlanQualSetSlot(&t->epq, t->changed);
	ItemPointerSetInvalid(&t->changed->tts_tid);
	ExecSimpleRelationUpdate(t->rri, t->estate, &t->epq, t->slot, t->changed);
	AfterTriggerEndQuery(t->estate);
	CommandCounterIncrement();
	return ItemPointerIsValid(&t->changed->tts_tid);
}

/* Deletes the locked row in t->slot. */
void
stored_delete(StoredTable *t)
{
	ResetPerTupleExprContext(t->estate);
	stored_functions_find(t->rri, TRIGGER_TYPE_DELETE, t->cxt);
	AfterTriggerBeginQuery();
	t->estate->es_output_cid = GetCurrentCommandId(true);
	EvalPlanQualSetSlot(&t->epq, t->slot);
	ExecSimpleRelationDelete(t->rri, t->estate, &t->epq, t->slot);
	AfterTriggerEndQuery(t->estate);
	CommandCounterIncrement();
}

/* Inserts what t->changed contains. */
void
stored_insert(StoredTable *t)
{
	ResetPerTupleExprContext(t->estate);
	stored_functions_find(t->rri, TRIGGER_TYPE_INSERT, t->cxt);
	AfterTriggerBeginQuery();
	t->estate->es_output_cid = GetCurrentCommandId(true);
	ExecSimpleRelationInsert(t->rri, t->estate, t->changed);
	AfterTriggerEndQuery(t->estate);
	CommandCounterIncrement();
}
