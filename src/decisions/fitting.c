/*
 * fitting.c
 *		What of a value that was refused, or that waits, fits into a row that exists.
 */
#include "postgres.h"

#include "access/relation.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

/* What the column's default says about a proposed value and the stored one. */
typedef struct Given
{
	bool proposed; /* the writer proposed the value, the default did not */
	bool made;	   /* a default that is not constant may have made the value */
	bool blank;	   /* the stored value is NULL or the default */
} Given;

static Given
look_at_default(Relation rel, const RowColumn *col, const char *proposed, const char *stored)
{
	Given given = {proposed != NULL, false, stored == NULL};
	Node *expr = build_column_default(rel, col->attnum);
	char *text;

	if (expr == NULL)
		return given;
	expr = (Node *) expression_planner((Expr *) expr);
	while (IsA(expr, CoerceToDomain))
		expr = (Node *) castNode(CoerceToDomain, expr)->arg;
	if (!IsA(expr, Const))
	{
		given.made = true;
		return given;
	}
	text = castNode(Const, expr)->constisnull
			   ? NULL
			   : value_to_text(col->type, castNode(Const, expr)->constvalue);
	given.proposed &= !value_same_text(col->type, text, proposed);
	given.blank |= value_same_text(col->type, text, stored);
	return given;
}

/* The number of the group of which the column is part: those with it are one value.  0: none. */
int
decision_group(Oid relid, const RowColumn *col)
{
	Relation rel = relation_open(relid, AccessShareLock);
	const MappedColumn *mapped = map_column(map_get(rel), col->attnum);
	int group = mapped == NULL ? 0 : mapped->group;

	relation_close(rel, NoLock);
	return group;
}

/* Does another system than the writer own the column, at least in some rows? */
static bool
is_others(RelationMap *map, AttrNumber attnum, const char *system)
{
	const MappedColumn *col = map_column(map, attnum);

	if (col == NULL)
		return false;
	for (int i = -1; i < col->nrules; i++)
	{
		const char *owner = i < 0 ? col->owner : col->rules[i].owner;

		if (owner != NULL && (system == NULL || strcmp(owner, system) != 0))
			return true;
	}
	return false;
}

/*
 * Does the value that a discarded INSERT proposed for a column go into the row,
 * which exists by now?  It does for columns of other systems.  For a column that
 * the writer owns, or that has no owner, it does only where the stored value is
 * NULL or the default.  *left: the values differ, and the stored one stays.
 */
bool
decision_goes_in(Oid relid, const RowColumn *col, const char *system, const char *proposed,
				 const char *stored, bool *left)
{
	Relation rel;
	Given given;
	bool others;

	*left = false;
	if (value_same_text(col->type, proposed, stored))
		return false;
	rel = relation_open(relid, AccessShareLock);
	others = is_others(map_get(rel), col->attnum, system);
	given = look_at_default(rel, col, proposed, stored);
	relation_close(rel, NoLock);
	if (!given.proposed || given.made)
		return false;
	*left = !given.blank && !others;
	return !*left;
}

/* Is the value one that an INSERT must have said: neither NULL nor what a default may have made? */
bool
decision_is_said(Oid relid, const RowColumn *col, const char *proposed)
{
	Relation rel = relation_open(relid, AccessShareLock);
	Given given = look_at_default(rel, col, proposed, NULL);

	relation_close(rel, NoLock);
	return given.proposed && !given.made;
}

/* Does the row contain a value of the column that the writer may not replace by a discarded one? */
bool
decision_row_holds(Oid relid, const RowColumn *col, const char *system, const char *stored)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool holds = !look_at_default(rel, col, NULL, stored).blank &&
				 !is_others(map_get(rel), col->attnum, system);

	relation_close(rel, NoLock);
	return holds;
}

/* Is the stored value NULL, or the column's default, so that nobody need have written it? */
bool
decision_is_blank(Oid relid, const RowColumn *col, const char *stored)
{
	Relation rel = relation_open(relid, AccessShareLock);
	Given given = look_at_default(rel, col, NULL, stored);

	relation_close(rel, NoLock);
	return given.blank;
}
