/*
 * pin_land.c
 *		Pins hold against parked values, too.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* Does the row have the pinned value in the column? */
static bool
holds_pinned(TupleDesc desc, const PinItem *item, TupleTableSlot *row)
{
	bool isnull;
	Datum value = slot_getattr(row, item->col->attnum, &isnull);

	return item->pin != NULL && pin_is_value(desc, item->col, value, isnull, item->pin->value);
}

/*
 * Of the waiting values (Landed) that a row may take, those that a pin does not keep
 * out: a parked value is a write of its system, and pins hold against that.  stored: the
 * row as it is, with the pinned values.  `unpins` of the values is set.
 */
List *
pin_sift(RelationMap *map, Relation rel, Jsonb *key, List *chosen, TupleTableSlot *stored)
{
	TupleDesc desc = RelationGetDescr(rel);
	TupleTableSlot *row;
	ListCell *lc;

	if (map->pinned == NULL || chosen == NIL)
		return chosen;
	row = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	ExecStoreAllNullTuple(row);
	for (int i = 0; i < map->ncols; i++)
	{
		PinUnit unit;
		PinOutcome outcome;
		const char *system = NULL;

		if (!pin_is_column(map, &map->cols[i]) || pin_unit(map, &map->cols[i], &unit) == 0 ||
			!pin_find_unit(map, &unit, key))
			continue;
		pin_adapt(map, desc, &unit, stored);
		foreach(lc, chosen)
		{
			Landed *landed = lfirst(lc);

			for (int k = 0; k < unit.n; k++)
			{
				int att = landed->col->attnum - 1;

				if (unit.items[k].col != landed->col || !landed->from->parked)
					continue;
				unit.items[k].written = true;
				landed->unpins = holds_pinned(desc, &unit.items[k], stored);
				system = landed->from->system;
				row->tts_isnull[att] = landed->text == NULL;
				if (landed->text != NULL)
					row->tts_values[att] =
						value_from_text(TupleDescAttr(desc, att)->atttypid, landed->text);
			}
		}
		outcome = pin_judge(desc, &unit, row, true);
		pin_settle(map, desc, &unit, row, outcome, system);
		if (outcome != PIN_KEEPS && outcome != PIN_KEEPS_SILENTLY)
			continue;
		for (int k = 0; k < unit.n; k++)
		{
			foreach(lc, chosen)
			{
				if (((Landed *) lfirst(lc))->col == unit.items[k].col && unit.items[k].written)
					chosen = foreach_delete_current(chosen, lc);
			}
		}
	}
	ExecDropSingleTupleTableSlot(row);
	return chosen;
}
