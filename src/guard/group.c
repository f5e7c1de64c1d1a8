/*
 * group.c
 *		Conflicts of columns that are one value together: an address, an amount and its
 *		currency.
 *
 * All columns of a group have one owner in a row, and one policy (rules/map_group.c).
 * So an INSERT brings the whole group or nothing of it, and fill and on_blank are what
 * could split one in an UPDATE: these look at the stored values of the columns.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "guard.h"

/* Is a blank stored in the column and, if it is part of a group, in all columns of that? */
bool
conflicts_stored_blank(GuardCall *call, MappedColumn *col, TupleTableSlot *stored)
{
	MappedColumn *each = col->group == 0 ? col : map_next_in_group(call->map, col->group, NULL);

	while (each != NULL)
	{
		bool isnull;
		Datum value = slot_getattr(stored, each->attnum, &isnull);

		if (!value_is_blank(each->blank, value, isnull))
			return false;
		each = col->group == 0 ? NULL : map_next_in_group(call->map, col->group, each);
	}
	return true;
}

/* A column of the group is kept: does the UPDATE change this one, so that it is kept, too? */
static bool
is_changed(const MappedColumn *col, const Bitmapset *named, TupleTableSlot *stored,
		   TupleTableSlot *proposed)
{
	bool stored_null;
	bool proposed_null;
	Datum stored_value;
	Datum proposed_value;

	if (named != NULL && !bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named))
		return false;
	stored_value = slot_getattr(stored, col->attnum, &stored_null);
	proposed_value = slot_getattr(proposed, col->attnum, &proposed_null);
	return value_changed(&col->type, stored_value, stored_null, proposed_value, proposed_null);
}

/*
 * Where a column is kept, all columns of its group are that the UPDATE names and
 * changes.  Adds those that are not in the set, and makes the verdict of the others
 * "keep".  named: NULL: all columns.
 */
void
conflicts_join_groups(GuardCall *call, ConflictSet *set, const Bitmapset *named,
					  TupleTableSlot *stored, TupleTableSlot *proposed)
{
	int before = set->n;

	for (int i = 0; i < before; i++)
	{
		int group = set->items[i].col->group;
		MappedColumn *col = NULL;

		if (group == 0 || set->items[i].verdict != VERDICT_KEEP)
			continue;
		while ((col = map_next_in_group(call->map, group, col)) != NULL)
		{
			Conflict *conflict = conflicts_find(set, col);

			if (conflict == NULL)
			{
				if (!is_changed(col, named, stored, proposed))
					continue;
				conflict = conflicts_new(call, set, col);
			}
			else if (conflict->verdict >= VERDICT_KEEP)
				continue;
			conflict->verdict = VERDICT_KEEP;
			conflict->blank = true;
			conflict->with_group = true;
		}
	}
}
