/*
 * waits.c
 *		Which of the waiting values a new row takes.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
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

/* The default of the column in a row of this creator. */
const ColumnDefault *
waits_default(const RelationMap *map, const MappedColumn *col, const Creator *creator)
{
	int level = creator->level < 0 ? list_length(map->ancestors) : creator->level;

	return &col->defaults[map->defaults_differ ? level : 0];
}

/*
 * Has the creator brought the value of the column, which is not NULL?  In a row that got
 * its key by an UPDATE (level is negative), all that the row has counts as brought.
 */
bool
waits_is_brought(const RelationMap *map, const MappedColumn *col, Datum value,
				 const Creator *creator)
{
	const ColumnDefault *standard = waits_default(map, col, creator);

	if (standard->constant)
		return value_changed(&col->type, value, false, standard->value, standard->isnull);
	return creator->level < 0 || !insertion_no_row_names(map, col);
}

/* Does the creator bring a value that stands before what waits? */
static bool
prevails(const RelationMap *map, const MappedColumn *col, const char *owner, TupleTableSlot *row,
		 const Creator *creator)
{
	bool isnull;
	Datum value;

	if (!creator->prevails &&
		policy_effective(col->policy, creator->default_policy) != POLICY_OBSERVE)
		return false;
	if (creator->system != NULL && strcmp(creator->system, owner) == 0)
		return false; /* the owner itself parked it */
	value = slot_getattr(row, col->attnum, &isnull);
	return !isnull && waits_is_brought(map, col, value, creator);
}

/* The position in `waiting` of the evidence that the column's value would come from. */
static int
position(List *waiting, const Landed *landed)
{
	int i = 0;
	ListCell *lc;

	foreach(lc, waiting)
	{
		if (lfirst(lc) == landed->from)
			break;
		i++;
	}
	return i;
}

/*
 * The columns of a group take their values together, from the newest evidence of any
 * of them; none does where the creator's value of one prevails.
 */
static List *
join_groups(List *chosen, List *waiting, List *held)
{
	List *joined = NIL;
	ListCell *lc;
	ListCell *lc2;

	foreach(lc, chosen)
	{
		Landed *landed = lfirst(lc);
		int group = landed->col->group;
		bool newest = !list_member_int(held, group);

		foreach(lc2, chosen)
		{
			const Landed *other = lfirst(lc2);

			if (group != 0 && other->col->group == group &&
				position(waiting, other) < position(waiting, landed))
				newest = false;
		}
		if (group == 0 || newest)
			joined = lappend(joined, landed);
	}
	return joined;
}

/*
 * The values (Landed) that a row takes of what waits for it (Waiting, the newest
 * first).  row: as it is stored now.  but: names of columns that take none.
 */
List *
waits_choose(RelationMap *map, List *waiting, TupleTableSlot *row, const Creator *creator, List *but)
{
	List *chosen = NIL;
	List *held = NIL; /* groups of which a column takes none */

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		const char *owner;
		ListCell *lc;

		if (col->key)
			continue;
		if (names_contain(but, col->name))
		{
			held = lappend_int(held, col->group);
			continue;
		}
		owner = map_owner(map, col, row);
		foreach(lc, waiting)
		{
			const Waiting *w = lfirst(lc);
			char *text;
			ValueKind kind = value_object_text(w->values, col->name, &text);

			if ((kind != VALUE_TEXT && kind != VALUE_NULL) || !is_due(w, owner, creator))
				continue;
			if (!prevails(map, col, owner, row, creator))
			{
				Landed *landed = palloc0(sizeof(Landed));

				landed->col = col;
				landed->from = w;
				landed->text = text;
				chosen = lappend(chosen, landed);
			}
			else
				held = lappend_int(held, col->group);
			break;
		}
	}
	return join_groups(chosen, waiting, held);
}

/* How many of the values that a row takes are of this evidence? */
int
waits_taken(List *chosen, const Waiting *w)
{
	int taken = 0;
	ListCell *lc;

	foreach(lc, chosen)
		taken += ((Landed *) lfirst(lc))->from == w;
	return taken;
}
