/*
 * conflict_set.c
 *		The conflicts of one row, as a set of columns.
 */
#include "postgres.h"

#include "../rules/rules.h"
#include "guard.h"

/* Adds a conflict of the column, without a verdict. */
Conflict *
conflicts_new(GuardCall *call, ConflictSet *set, MappedColumn *col)
{
	Conflict *conflict;

	if (set->items == NULL)
		set->items = palloc(call->map->ncols * sizeof(Conflict));
	conflict = &set->items[set->n++];
	memset(conflict, 0, sizeof(Conflict));
	conflict->col = col;
	return conflict;
}

/* The conflict of the column, or NULL. */
Conflict *
conflicts_find(ConflictSet *set, const MappedColumn *col)
{
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].col == col)
			return &set->items[i];
	}
	return NULL;
}

/* Does the set contain a conflict with this verdict? */
bool
conflicts_have(const ConflictSet *set, Verdict verdict)
{
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict == verdict)
			return true;
	}
	return false;
}
