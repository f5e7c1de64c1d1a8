/*
 * remember.c
 *		Remembering: the values of other systems in rows that a DELETE or a TRUNCATE takes
 *		along.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

static bool
remembers(const GuardCall *call)
{
	return call->moment->enforcement == ENFORCEMENT_ON && map_remembers(call->map, call->writer) &&
		   evidence_can_wait(call->map);
}

/* A row is deleted, or will be without doubt. */
void
remember_row(const GuardCall *call, TupleTableSlot *stored)
{
	if (remembers(call))
		evidence_remember(call->map, RelationGetDescr(call->td->tg_relation), call->writer,
						  call->system, OPERATION_DELETE, stored);
}

/*
 * All rows of a table are about to be removed.  TRUNCATE removes also rows that the
 * transaction's snapshot does not see.
 */
void
remember_table(const GuardCall *call)
{
	Relation rel = call->td->tg_relation;
	TupleTableSlot *slot;
	TableScanDesc scan;
	Snapshot snapshot;

	if (rel->rd_rel->relkind != RELKIND_RELATION || !remembers(call))
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		evidence_remember(call->map, RelationGetDescr(rel), call->writer, call->system,
						  OPERATION_TRUNCATE, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}
