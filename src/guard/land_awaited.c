/*
 * land_awaited.c
 *		The rows of a table for which something waits, found by what waits.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* Is the row with the key there, and did this transaction write it last, if `ours` is set? */
static bool
is_there(Oid relid, Jsonb *key, bool ours)
{
	Relation rel = table_open(relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);
	bool there = false;

	if (rel->rd_rel->relkind == RELKIND_RELATION && evidence_can_wait(map))
	{
		TupleTableSlot *found = table_slot_create(rel, NULL);
		TupleTableSlot *wanted = land_key_slot(map, rel, key);
		TransactionId pending;
		bool isnull;

		if (ours)
			there =
				stored_look(rel, map->key_index, wanted, found, false, &pending) == STORED_THERE &&
				TransactionIdIsCurrentTransactionId(DatumGetTransactionId(
					slot_getsysattr(found, MinTransactionIdAttributeNumber, &isnull)));
		else
			there = stored_find(rel, map->key_index, wanted, found, false);
		ExecDropSingleTupleTableSlot(found);
		ExecDropSingleTupleTableSlot(wanted);
	}
	table_close(rel, NoLock);
	return there;
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return compareJsonbContainers(&((Jsonb *) lfirst(a))->root, &((Jsonb *) lfirst(b))->root);
}

/* The keys (Jsonb) for which something waits; stuck: also where all failed before. */
static List *
waiting_keys(const char *schema, const char *table, bool stuck)
{
	List *keys = NIL;
	List *once = NIL;
	WaitingScan scan;
	ListCell *lc;

	if (!waiting_begin(&scan, schema, table, NULL))
		return NIL;
	while (waiting_next(&scan))
	{
		bool isnull;
		Datum key;

		(void) slot_getattr(scan.slot, Anum_conflict_problem, &isnull);
		if (!isnull && !stuck)
			continue;
		key = slot_getattr(scan.slot, Anum_conflict_row_key, &isnull);
		if (!isnull)
			keys = lappend(keys, DatumGetJsonbPCopy(key));
	}
	waiting_end(&scan);
	list_sort(keys, compare_keys);
	foreach(lc, keys)
	{
		if (once == NIL || compareJsonbContainers(&((Jsonb *) llast(once))->root,
												  &((Jsonb *) lfirst(lc))->root) != 0)
			once = lappend(once, lfirst(lc));
	}
	return once;
}

/* The rows of a table on the map for which something waits, in it and in its partitions. */
List *
land_awaited(Oid home, const char *schema, const char *table, bool ours)
{
	List *keys = waiting_keys(schema, table, !ours);
	List *relids;
	List *rows = NIL;
	ListCell *lc;
	ListCell *lc2;

	if (keys == NIL)
		return NIL;
	/* what this statement wrote is visible from now on */
	CommandCounterIncrement();
	relids = find_all_inheritors(home, RowExclusiveLock, NULL);
	foreach(lc, keys)
	{
		foreach(lc2, relids)
		{
			LandingRow *row;

			if (!is_there(lfirst_oid(lc2), lfirst(lc), ours))
				continue;
			row = palloc(sizeof(LandingRow));
			row->relid = lfirst_oid(lc2);
			row->key = lfirst(lc);
			row->level = -1;
			rows = lappend(rows, row);
		}
	}
	return rows;
}
