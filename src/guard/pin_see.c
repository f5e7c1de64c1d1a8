/*
 * pin_see.c
 *		Is a value pinned?  For those who only look: explain(), drift(), reconcile().
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* The column, if values of it may be pinned now; else NULL. */
static const MappedColumn *
pinned_column(RelationMap *map, const char *column)
{
	const MappedColumn *col = map_column(map, get_attnum(map->relid, column));

	if (col == NULL || map->pinned == NULL || ownership_enforcement != ENFORCEMENT_ON ||
		!pin_is_column(map, col))
		return NULL;
	return col;
}

/*
 * The pin of a column of the map in a row; NULL: it has none, or the guard is not on.
 * *key: NULL, or what an earlier call for the same row has set it to.
 */
Pin *
pin_in_row(RelationMap *map, const MappedColumn *col, TupleDesc desc, TupleTableSlot *row,
		   Jsonb **key)
{
	if (map->pinned == NULL || ownership_enforcement != ENFORCEMENT_ON || !pin_is_column(map, col))
		return NULL;
	if (*key == NULL)
		*key = evidence_row_key_of(map, desc, row);
	return map_see_pin(map, col, *key);
}

/* The pin of a column in the row that is stored there; NULL: it has none, or the guard is not on. */
Pin *
pin_at(Oid relid, ItemPointer tid, const char *column)
{
	Relation rel = table_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	const MappedColumn *col = pinned_column(map, column);
	Pin *pin = NULL;

	map_enter();
	if (col != NULL && rel->rd_rel->relkind == RELKIND_RELATION)
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		if (table_tuple_fetch_row_version(rel, tid, GetActiveSnapshot(), slot))
			pin = map_see_pin(map, col, evidence_row_key_of(map, RelationGetDescr(rel), slot));
		ExecDropSingleTupleTableSlot(slot);
	}
	map_leave();
	table_close(rel, NoLock);
	return pin;
}

/*
 * The columns (AttrNumber) of the key of a table, in which values of the column are
 * pinned; NIL: none are.
 */
List *
pin_key(Oid relid, const char *column)
{
	Relation rel = table_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	List *key = NIL;

	if (pinned_column(map, column) != NULL)
		for (int i = 0; i < map->nkey_attrs; i++)
			key = lappend_int(key, map->key_attrs[i]);
	table_close(rel, NoLock);
	return key;
}

/* Is the value of the column pinned in the row that has these values in the columns of `key`? */
bool
pin_holds(Oid relid, const char *column, const List *key, const Datum *values, const bool *isnull)
{
	Relation rel = table_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	const MappedColumn *col = pinned_column(map, column);
	bool holds = false;
	ListCell *lc;

	map_enter();
	if (col != NULL)
	{
		TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);

		ExecStoreAllNullTuple(row);
		foreach(lc, key)
		{
			row->tts_values[lfirst_int(lc) - 1] = values[foreach_current_index(lc)];
			row->tts_isnull[lfirst_int(lc) - 1] = isnull[foreach_current_index(lc)];
		}
		holds = map_see_pin(map, col, evidence_row_key_of(map, RelationGetDescr(rel), row)) != NULL;
		ExecDropSingleTupleTableSlot(row);
	}
	map_leave();
	table_close(rel, NoLock);
	return holds;
}
