/*
 * lift_remember.c
 *		AFTER DELETE for the rows alone that have something to remember.
 *
 * A DELETE by the owner of the key can violate nothing, but other systems' values in
 * its rows are remembered.  An AFTER event for each row would cost more than the
 * DELETE itself.  So the guard's trigger gets a condition in the statement's private
 * list.  PostgreSQL evaluates it when the row has been deleted, on the row as it was
 * deleted, and queues no event where it is false.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "../rules/rules.h"
#include "guard.h"

/* The columns whose values are remembered. */
typedef struct Remembered
{
	ExprState state; /* what PostgreSQL calls */
	int n;
	AttrNumber attnums[FLEXIBLE_ARRAY_MEMBER];
} Remembered;

/* Is the column NULL?  A heap tuple tells without being taken apart. */
static inline bool
is_null(TupleTableSlot *row, AttrNumber attnum)
{
	if (likely(TTS_IS_BUFFERTUPLE(row)))
		return heap_attisnull(((HeapTupleTableSlot *) row)->tuple, attnum, row->tts_tupleDescriptor);
	return slot_attisnull(row, attnum);
}

/* Has the deleted row a value in one of the columns? */
static Datum
has_value(ExprState *state, ExprContext *econtext, bool *isnull)
{
	const Remembered *remembered = (const Remembered *) state;

	*isnull = false;
	for (int i = 0; i < remembered->n; i++)
		if (!is_null(econtext->ecxt_innertuple, remembered->attnums[i]))
			return BoolGetDatum(true);
	return BoolGetDatum(false);
}

/*
 * Makes AFTER fire for rows that have a value of another system than the writer of
 * map_foreign().  map_remembers() was true: there is such a column.  NULL is a value,
 * too, in a column that has a default.
 */
void
lift_filter_remembered(EState *estate, ResultRelInfo *rri, RelationMap *map)
{
	Remembered *remembered =
		MemoryContextAllocZero(estate->es_query_cxt,
							   offsetof(Remembered, attnums) + map->ncols * sizeof(AttrNumber));

	for (int i = 0; i < map->ncols; i++)
	{
		if (!map->cols[i].foreign || map->cols[i].key)
			continue;
		if (map_null_is_value(map, &map->cols[i]))
			return; /* each row has something */
		remembered->attnums[remembered->n++] = map->cols[i].attnum;
	}
	Assert(remembered->n > 0);
	remembered->state.type = T_ExprState;
	remembered->state.flags = EEO_FLAG_IS_QUAL;
	remembered->state.evalfunc = has_value;
	trigger_list_filter(rri, &remembered->state);
}
