/*
 * map_group.c
 *		The groups of a relation's columns: what is one value in several columns.
 *
 * Fields of one entity with the same column_group are a group where their columns
 * are in one relation.  The map refuses groups of several owners or policies.  What
 * comes past its triggers, and what row owners split, is no group here: its columns
 * are judged apart.  So all columns of a group have one owner in each row, and one
 * policy.
 */
#include "postgres.h"

#include "rules.h"

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Do the columns have the same entity?  The name of a field has no dot. */
static bool
same_entity(const MappedColumn *a, const MappedColumn *b)
{
	size_t length = strrchr(a->field, '.') - a->field;

	return strrchr(b->field, '.') - b->field == (ptrdiff_t) length &&
		   strncmp(a->field, b->field, length) == 0;
}

static bool
same_rules(const MappedColumn *a, const MappedColumn *b)
{
	if (a->nrules != b->nrules)
		return false;
	for (int i = 0; i < a->nrules; i++)
	{
		if (strcmp(a->rules[i].text, b->rules[i].text) != 0 ||
			!same_text(a->rules[i].owner, b->rules[i].owner))
			return false;
	}
	return true;
}

/* Are two columns of the same column_group one value? */
static bool
is_one_value(const MappedColumn *a, const MappedColumn *b)
{
	return same_text(a->owner, b->owner) && a->policy == b->policy && same_rules(a, b);
}

/*
 * Can the column be part of a group?  A key tells which row it is.  A column by which
 * a table above is partitioned cannot be restored in every row that moves.
 */
static bool
may_be_grouped(const MappedColumn *col)
{
	return col->column_group != NULL && !col->key && !col->partition_key;
}

/* Sets `group` of the mirrored columns, after all else of them is loaded. */
void
map_find_groups(RelationMap *map)
{
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *first = &map->cols[i];
		bool split = false;
		int n = 0;

		if (!may_be_grouped(first) || first->group != 0)
			continue;
		for (int k = i; k < map->ncols; k++)
		{
			MappedColumn *col = &map->cols[k];

			if (!may_be_grouped(col) || strcmp(first->column_group, col->column_group) != 0 ||
				!same_entity(first, col))
				continue;
			col->group = i + 1;
			split |= !is_one_value(first, col);
			n++;
		}
		/* not 0 yet: its columns would be looked at again */
		for (int k = i; k < map->ncols && (split || n == 1); k++)
			if (map->cols[k].group == i + 1)
				map->cols[k].group = -1;
	}
	for (int i = 0; i < map->ncols; i++)
		map->cols[i].group = Max(map->cols[i].group, 0);
}

/* The first column of a group after `col`, or of all, where `col` is NULL; NULL: none. */
MappedColumn *
map_next_in_group(RelationMap *map, int group, MappedColumn *col)
{
	for (col = col == NULL ? map->cols : col + 1; col < map->cols + map->ncols; col++)
	{
		if (col->group == group)
			return col;
	}
	return NULL;
}
