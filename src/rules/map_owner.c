/*
 * map_owner.c
 *		The owner of a column in a row, the columns that other systems own, and the
 *		value of a column's default.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "rules.h"

/* Its presence in the stack of error contexts also says that a filter is evaluated. */
static void
filter_error_context(void *arg)
{
	errcontext("row filter \"%s\" of the ownership map", (const char *) arg);
}

static bool
owned_by_another(const char *owner, const char *system)
{
	return owner != NULL && (system == NULL || strcmp(owner, system) != 0);
}

/*
 * The columns that another system owns in some or all rows, so that the writer
 * may not freely write them, as a set with the offset
 * FirstLowInvalidHeapAttributeNumber; NULL: none.  Sets `foreign` of the columns,
 * too.  Valid until the next call for this relation.
 */
const Bitmapset *
map_foreign(RelationMap *map, const Writer *writer)
{
	const char *system;
	MemoryContext old;

	if (likely(map->view_serial == writer->serial))
		return map->foreign;

	system = writer_system(writer, map->source);
	old = MemoryContextSwitchTo(map->cxt);
	bms_free(map->foreign);
	bms_free(map->watched);
	map->foreign = NULL;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		/* the source of a table may write all of its own copy */
		col->foreign = false;
		if (map->source == NULL || system == NULL || strcmp(map->source, system) != 0)
		{
			col->foreign = owned_by_another(col->owner, system);
			for (int r = 0; r < col->nrules; r++)
				col->foreign |= owned_by_another(col->rules[r].owner, system);
		}
		if (col->foreign)
			map->foreign =
				bms_add_member(map->foreign, col->attnum - FirstLowInvalidHeapAttributeNumber);
	}
	map->watched = map->blanks == NULL ? NULL : bms_union(map->foreign, map->blanks);
	MemoryContextSwitchTo(old);
	map->view_serial = writer->serial;
	return map->foreign;
}

/*
 * The columns whose UPDATE by the writer the guard looks at: those of map_foreign(),
 * and those that must not become blank.  Valid as long as map_foreign()'s result.
 */
const Bitmapset *
map_watched(RelationMap *map, const Writer *writer)
{
	const Bitmapset *foreign = map_foreign(map, writer);

	return map->blanks == NULL ? foreign : map->watched;
}

/*
 * Is a row filter being evaluated?  What the filter calls must not evaluate a
 * filter itself: PostgreSQL's compiled expressions are not reentrant, and the owner
 * of a row must not depend on what is written during the evaluation.  An error
 * resets the stack of error contexts.
 */
bool
map_is_asking(void)
{
	for (ErrorContextCallback *c = error_context_stack; c != NULL; c = c->previous)
	{
		if (c->callback == filter_error_context)
			return true;
	}
	return false;
}

/* Compiles an expression as the table's owner, who needs EXECUTE on the functions in it. */
static ExprState *
compile(Oid owner, Expr *expr)
{
	Oid role;
	int context;
	ExprState *state;

	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
	state = ExecInitExpr(expr, NULL);
	SetUserIdAndSecContext(role, context);
	return state;
}

/* The context in which the map's expressions are evaluated; most maps have none, and need none. */
ExprContext *
map_econtext(RelationMap *map)
{
	if (map->econtext == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(map->cxt);

		map->econtext = CreateStandaloneExprContext();
		MemoryContextSwitchTo(old);
	}
	return map->econtext;
}

/*
 * Compiles the map's filters.  After the abort of a (sub)transaction they are
 * compiled again: an error may have stopped a function in a filter in the middle of
 * its work, and its state, kept in the compiled filter, would be wrong in the next
 * call.
 */
static void
compile_filters(RelationMap *map)
{
	MemoryContext old;

	if (map->filter_cxt == NULL)
		map->filter_cxt = AllocSetContextCreate(map->cxt, "ownership filters", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(map->filter_cxt);
	old = MemoryContextSwitchTo(map->filter_cxt);
	for (int i = 0; i < map->ncols; i++)
		for (int r = 0; r < map->cols[i].nrules; r++)
			map->cols[i].rules[r].filter = compile(map->role, map->cols[i].rules[r].expr);
	MemoryContextSwitchTo(old);
	map->filters_of = map_aborts;
}

/*
 * The owner of the column in the stored row: that of the first rule whose filter is
 * true, else the field's owner.  NULL: no system owns it.
 *
 * Errors: those of the filter (the guard fails closed); a row filter is being
 * evaluated.
 */
const char *
map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored)
{
	ExprContext *econtext;
	ErrorContextCallback context;
	const char *owner = col->owner;

	if (col->nrules == 0)
		return owner;

	if (map_is_asking())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a row filter cannot call a function that determines the owner of a row")));
	if (unlikely(map->filters_of != map_aborts))
		compile_filters(map);
	econtext = map_econtext(map);
	context.callback = filter_error_context;
	context.previous = error_context_stack;
	error_context_stack = &context;
	for (int i = 0; i < col->nrules; i++)
	{
		RowRule *rule = &col->rules[i];
		bool isnull;
		bool is_true;

		context.arg = rule->text;
		econtext->ecxt_scantuple = stored;
		is_true = DatumGetBool(ExecEvalExprSwitchContext(rule->filter, econtext, &isnull));
		ResetExprContext(econtext);
		if (!isnull && is_true)
		{
			owner = rule->owner;
			break;
		}
	}
	error_context_stack = context.previous;
	return owner;
}

/*
 * The owner of the column in a stored row of an ordinary table; NULL: no system.
 * If the row at `tid` no longer exists, it is the field's owner.
 *
 * Errors: the owner depends on the row, and the table is a foreign one: its rows have no
 * place.
 */
char *
map_owner_at(Oid relid, ItemPointer tid, const char *column)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	MappedColumn *col = map_column(map, get_attnum(relid, column));
	const char *owner = col == NULL ? NULL : col->owner;
	char *copy;

	map_enter();

	if (col != NULL && col->nrules > 0)
	{
		TupleTableSlot *slot;

		if (rel->rd_rel->relkind != RELKIND_RELATION)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the owner of single rows of foreign table \"%s\" cannot be found here",
							RelationGetRelationName(rel)),
					 errhint("ownership.explain() with a row_key says it.")));
		slot = table_slot_create(rel, NULL);
		if (table_tuple_fetch_row_version(rel, tid, GetActiveSnapshot(), slot))
			owner = map_owner(map, col, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	relation_close(rel, NoLock);
	copy = owner == NULL ? NULL : pstrdup(owner);
	map_leave();
	return copy;
}

/*
 * A column's default, computed now, in the current memory context.  It is compiled
 * for each call, because a function in it may write the same table, and compiled
 * expressions are not reentrant.
 */
void
map_default(const ColumnDefault *standard, Datum *value, bool *isnull)
{
	if (standard->expr != NULL)
	{
		ExprContext *econtext = CreateStandaloneExprContext();

		*value = ExecEvalExpr(compile(standard->role, standard->expr), econtext, isnull);
		FreeExprContext(econtext, true);
	}
	else
	{
		*value = standard->value;
		*isnull = standard->isnull;
	}
}

/*
 * Does NULL in the column say more than that nobody has written it?  Rows get another
 * value where the statement that creates them gives none.
 */
bool
map_null_is_value(const RelationMap *map, const MappedColumn *col)
{
	int levels = map->defaults_differ ? list_length(map->ancestors) : 0;

	for (int i = 0; i <= levels; i++)
	{
		if (!col->defaults[i].constant || !col->defaults[i].isnull)
			return true;
	}
	return false;
}
