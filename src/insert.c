/*
 * insert.c
 *		Rows of the extension's own tables that everybody's work leaves behind:
 *		evidence, and the map's history.
 *
 * They are inserted through the executor, so that whatever a DBA puts on the
 * table works: indexes of any kind, triggers, further columns.  No privileges
 * are asked for.
 */
#include "ownership.h"

#include "access/table.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* For a table whose first column is drawn from the sequence TABLE_id_seq. */
Inserter *
open_inserter(const char *table)
{
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership inserter", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Inserter *inserter = palloc0(sizeof(Inserter));
	char sequence[NAMEDATALEN];

	snprintf(sequence, sizeof(sequence), "%s_id_seq", table);
	inserter->cxt = cxt;
	inserter->owner = CurrentResourceOwner;
	inserter->rel = table_open(catalog_table(table, false), RowExclusiveLock);
	inserter->sequence = catalog_table(sequence, false);
	inserter->estate = CreateExecutorState();
	inserter->rri = makeNode(ResultRelInfo);
	inserter->slot = MakeSingleTupleTableSlot(RelationGetDescr(inserter->rel), &TTSOpsVirtual);
	InitResultRelInfo(inserter->rri, inserter->rel, 0, NULL, 0);
	publish_own_rows(inserter->rel, inserter->rri->ri_TrigDesc);
	ExecOpenIndices(inserter->rri, false);
	inserter->estate->es_opened_result_relations = list_make1(inserter->rri);
	MemoryContextSwitchTo(old);
	return inserter;
}

void
close_inserter(Inserter *inserter)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = inserter->owner;
	ExecCloseResultRelations(inserter->estate);
	ExecResetTupleTable(inserter->estate->es_tupleTable, false);
	ExecDropSingleTupleTableSlot(inserter->slot);
	FreeExecutorState(inserter->estate);
	table_close(inserter->rel, RowExclusiveLock);
	CurrentResourceOwner = owner;
	MemoryContextDelete(inserter->cxt);
}

/* The first `natts` columns, of which the first is drawn; further ones are NULL. */
void
insert_row(Inserter *inserter, int natts, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = inserter->slot;

	memset(slot->tts_isnull, true, RelationGetNumberOfAttributes(inserter->rel) * sizeof(bool));
	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	slot->tts_values[0] = Int64GetDatum(nextval_internal(inserter->sequence, false));
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);

	AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(inserter->rri, inserter->estate, slot);
	AfterTriggerEndQuery(inserter->estate);
	ExecClearTuple(slot);
	ResetPerTupleExprContext(inserter->estate);
}
