/*
 * map_owner.c
 *		Who owns a column in a row, and which columns are another system's.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "rules.h"

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
 * The columns that the writer may not freely write in every row, as a set
 * with the offset FirstLowInvalidHeapAttributeNumber; also as `foreign` of
 * the columns.  Valid until the next call for this relation.
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
	map->foreign = NULL;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		/* a table's source may write all of its own copy */
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
	MemoryContextSwitchTo(old);
	map->view_serial = writer->serial;
	return map->foreign;
}

/*
 * Is a row filter being asked?  What it calls must not ask in its turn: a
 * compiled expression is not made to be entered twice, and who owns a row must
 * not depend on what is written meanwhile.  Errors unwind the stack.
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

/* Compiled as the table's owner: he must be allowed to call the functions in it. */
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

/*
 * A function in a filter may have been left in the middle of its work by an
 * error, and does not know it when it is called again: then filters are
 * compiled anew.
 */
static void
compile_filters(RelationMap *map)
{
	MemoryContext old;

	MemoryContextReset(map->filter_cxt);
	old = MemoryContextSwitchTo(map->filter_cxt);
	for (int i = 0; i < map->ncols; i++)
		for (int r = 0; r < map->cols[i].nrules; r++)
			map->cols[i].rules[r].filter = compile(map->role, map->cols[i].rules[r].expr);
	MemoryContextSwitchTo(old);
	map->filters_of = map_aborts;
}

/*
 * Who owns the column in the stored row: the first rule that holds, else the
 * field's owner; NULL is nobody.
 *
 * Errors: whatever the filter raises (the guard fails closed).
 */
const char *
map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored)
{
	ExprContext *econtext = map->econtext;
	ErrorContextCallback context;
	const char *owner = col->owner;

	if (col->nrules == 0)
		return owner;

	if (map_is_asking())
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("a row filter cannot ask who owns a row")));
	if (unlikely(map->filters_of != map_aborts))
		compile_filters(map);
	context.callback = filter_error_context;
	context.previous = error_context_stack;
	error_context_stack = &context;
	for (int i = 0; i < col->nrules; i++)
	{
		RowRule *rule = &col->rules[i];
		bool isnull;
		bool holds;

		context.arg = rule->text;
		econtext->ecxt_scantuple = stored;
		holds = DatumGetBool(ExecEvalExprSwitchContext(rule->filter, econtext, &isnull));
		ResetExprContext(econtext);
		if (!isnull && holds)
		{
			owner = rule->owner;
			break;
		}
	}
	error_context_stack = context.previous;
	return owner;
}

/*
 * Who owns the column in a stored row of an ordinary table; NULL: nobody.
 * The row may have gone meanwhile; then it is the field's owner.
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
		TupleTableSlot *slot = table_slot_create(rel, NULL);

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
 * A column's default, evaluated now, in the current memory context.  It is
 * compiled each time: a function in it may write the table, too.
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
