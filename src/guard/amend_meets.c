/*
 * amend_meets.c
 *		Would a new row meet a stored one?
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* Does the index contain a column whose value is kept out? */
static bool
contains_kept(const IndexInfo *index, const ConflictSet *set)
{
	Bitmapset *columns = NULL;

	pull_varattnos((Node *) index->ii_Expressions, 1, &columns);
	pull_varattnos((Node *) index->ii_Predicate, 1, &columns);
	for (int k = 0; k < index->ii_NumIndexKeyAttrs; k++)
		columns = bms_add_member(columns, index->ii_IndexAttrNumbers[k] -
											  FirstLowInvalidHeapAttributeNumber);
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict == VERDICT_KEEP &&
			bms_is_member(set->items[i].col->attnum - FirstLowInvalidHeapAttributeNumber, columns))
			return true;
	}
	return false;
}

/* Is the index one of the arbiters, or a partition of one? */
static bool
is_arbiter(Oid index, const List *arbiters)
{
	ListCell *lc;

	if (list_member_oid(arbiters, index))
		return true;
	if (!get_rel_relispartition(index))
		return false;
	foreach(lc, get_partition_ancestors(index))
	{
		if (list_member_oid(arbiters, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/*
 * Would the row meet a stored one in a unique index or an exclusion constraint?
 *
 * The row as proposed: this checks the indexes in which an upsert looks for a
 * stored row, or in which a plain INSERT would fail.  If it meets one, there is
 * no new row to amend: the upsert turns into an UPDATE, which is judged as such
 * and must propose what the statement proposed; and for a plain INSERT,
 * PostgreSQL's own error is right.  (An index that contains values which are
 * kept out of a plain INSERT does not count: the amended row is checked there.)
 *
 * The row as amended: this checks the indexes in which an upsert looks for a
 * stored row by a default that replaced a refused value.  If it meets one, the
 * upsert would update a row that the statement did not mean.
 */
bool
amend_meets_stored_row(const GuardCall *call, const ConflictSet *set, HeapTuple tuple, bool amended)
{
	Relation rel = call->td->tg_relation;
	EState *estate;
	ResultRelInfo *rri;
	List *listed;
	Arbiters where = insertion_arbiters(&call->new, &listed);
	List *arbiters = NIL;
	TupleTableSlot *slot;
	ItemPointerData conflict;
	bool meets = false;

	if (!rel->rd_rel->relhasindex || (amended && where == ARBITERS_NONE))
		return false;

	estate = CreateExecutorState();
	rri = makeNode(ResultRelInfo);
	InitResultRelInfo(rri, rel, 0, NULL, 0);
	ExecOpenIndices(rri, true);
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		Form_pg_index index = rri->ri_IndexRelationDescs[i]->rd_index;
		bool kept = contains_kept(rri->ri_IndexRelationInfo[i], set);

		if ((!index->indisunique && !index->indisexclusion) || !index->indimmediate ||
			!index->indisready)
			continue;
		if (where == ARBITERS_NONE ? kept
								   : (amended && !kept) || (where == ARBITERS_LISTED &&
															!is_arbiter(index->indexrelid, listed)))
			continue;
		arbiters = lappend_oid(arbiters, index->indexrelid);
	}
	if (arbiters != NIL)
	{
		slot = conflicts_slot(rel, tuple);
		slot->tts_tableOid = RelationGetRelid(rel);
		meets = !compat_check_index_constraints(rri, slot, estate, &conflict, arbiters);
		ExecDropSingleTupleTableSlot(slot);
	}
	ExecCloseIndices(rri);
	FreeExecutorState(estate);
	return meets;
}
