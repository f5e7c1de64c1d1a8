/*
 * lift_filter.c
 *		AFTER for the rows alone that have something to remember, or to wait for.
 *
 * A DELETE by the owner of the key can violate nothing, but other systems' values in
 * its rows are remembered; and what waits for a new row lands in it.  An AFTER event
 * for each row would cost more than the statement itself.  So the guard's trigger gets a
 * condition in the statement's private list.  PostgreSQL evaluates it when the row has
 * been written, on the row as it was deleted or as it is now, and queues no event where
 * it is false.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

typedef struct Filter
{
	ExprState state; /* what PostgreSQL calls */
	const RelationMap *map;
	TupleDesc desc; /* of the relation: INSERT ... SELECT may leave the row in a slot of another one */
	const Moment *moment;
	const Writer *writer;
	int level;	  /* see land_expect() */
	int64 landed; /* new rows for which something may wait; -1: they are not asked for */
	bool all;	  /* each deleted row has something to remember */
	int n;
	AttrNumber remembered[FLEXIBLE_ARRAY_MEMBER]; /* the columns whose values are */
} Filter;

/* Is the column NULL?  A heap tuple tells without being taken apart. */
static inline bool
is_null(TupleTableSlot *row, AttrNumber attnum)
{
	if (likely(TTS_IS_BUFFERTUPLE(row)))
		return heap_attisnull(((HeapTupleTableSlot *) row)->tuple, attnum, row->tts_tupleDescriptor);
	return slot_attisnull(row, attnum);
}

/* Has the deleted row a value that is remembered? */
static bool
has_value(const Filter *filter, TupleTableSlot *row)
{
	for (int i = 0; i < filter->n; i++)
		if (!is_null(row, filter->remembered[i]))
			return true;
	return filter->all;
}

/* May something wait for the new row, so that AFTER is to collect its key? */
static bool
takes_value(Filter *filter, TupleTableSlot *row)
{
	if (filter->landed < 0 || filter->landed > LAND_KEYS ||
		!evidence_may_wait(filter->map, filter->desc, row))
		return false;
	if (++filter->landed <= LAND_KEYS)
		return true;
	/* the end of the statement looks at all that waits */
	land_expect(filter->map, filter->moment, filter->writer, statement_key(), filter->level, false,
				true);
	return false;
}

static Datum
fires(ExprState *state, ExprContext *econtext, bool *isnull)
{
	Filter *filter = (Filter *) state;

	*isnull = false;
	return BoolGetDatum(econtext->ecxt_outertuple == NULL
							? has_value(filter, econtext->ecxt_innertuple)
							: takes_value(filter, econtext->ecxt_outertuple));
}

/*
 * Makes AFTER fire for deleted rows that have a value of another system than the
 * writer of map_foreign(), if need.remembers, and for new rows for which something may
 * wait, if need.awaits.  NULL is a value, too, in a column that has a default.  The map,
 * the moment and the writer are the statement's.
 */
void
lift_filter(EState *estate, ResultRelInfo *rri, RelationMap *map, const Moment *moment,
			const Writer *writer, const Need *need)
{
	Filter *filter =
		MemoryContextAllocZero(estate->es_query_cxt,
							   offsetof(Filter, remembered) + map->ncols * sizeof(AttrNumber));

	filter->map = map;
	filter->desc = RelationGetDescr(rri->ri_RelationDesc);
	filter->moment = moment;
	filter->writer = writer;
	filter->level = need->level;
	filter->landed = need->awaits ? 0 : -1;
	for (int i = 0; need->remembers && i < map->ncols; i++)
	{
		if (!map->cols[i].foreign || map->cols[i].key)
			continue;
		filter->all |= map_null_is_value(map, &map->cols[i]);
		filter->remembered[filter->n++] = map->cols[i].attnum;
	}
	filter->state.type = T_ExprState;
	filter->state.flags = EEO_FLAG_IS_QUAL;
	filter->state.evalfunc = fires;
	trigger_list_filter(rri, &filter->state, false);
}
