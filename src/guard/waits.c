/*
 * waits.c
 *		Which of the waiting values a new row takes.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/*
 * May the column take this value?  A parked one, if its system owns the field in the
 * row; a remembered one, if the field's owner is not the one who made the row.
 */
static bool
is_due(const Waiting *w, const char *owner, const Creator *creator)
{
	if (owner == NULL)
		return false;
	if (w->parked)
		return w->system != NULL && strcmp(w->system, owner) == 0;
	return creator->system == NULL || strcmp(creator->system, owner) != 0;
}

/* Does the creator bring a value that stands before what waits? */
static bool
prevails(const MappedColumn *col, const char *owner, TupleTableSlot *row, const Creator *creator)
{
	bool isnull;
	Datum value;

	if (!creator->prevails &&
		policy_effective(col->policy, creator->default_policy) != POLICY_OBSERVE)
		return false;
	if (creator->system != NULL && strcmp(creator->system, owner) == 0)
		return false; /* the owner itself parked it */
	value = slot_getattr(row, col->attnum, &isnull);
	return !isnull && !(col->defaults->constant &&
						!value_changed(&col->type, value, isnull, col->defaults->value,
									   col->defaults->isnull));
}

/*
 * The values (Landed) that a row takes of what waits for it (Waiting, the newest
 * first).  row: as it is stored now.  but: names of columns that take none.
 */
List *
waits_choose(RelationMap *map, List *waiting, TupleTableSlot *row, const Creator *creator,
			 List *but)
{
	List *chosen = NIL;

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		const char *owner;
		ListCell *lc;

		if (col->key || names_contain(but, col->name))
			continue;
		owner = map_owner(map, col, row);
		foreach(lc, waiting)
		{
			const Waiting *w = lfirst(lc);
			char *text;
			ValueKind kind = value_object_text(w->values, col->name, &text);

			if ((kind != VALUE_TEXT && kind != VALUE_NULL) || !is_due(w, owner, creator))
				continue;
			if (!prevails(col, owner, row, creator))
			{
				Landed *landed = palloc(sizeof(Landed));

				landed->col = col;
				landed->from = w;
				landed->text = text;
				chosen = lappend(chosen, landed);
			}
			break;
		}
	}
	return chosen;
}
