/*
 * lift_changed.c
 *		AFTER UPDATE for the rows alone that it can have something to do with.
 *
 * An application that saves whole rows names all columns, and changes few.  Such an
 * UPDATE can violate the map, but most of its rows do not.  An AFTER event for each row
 * would cost PostgreSQL an entry in a queue, and another look at both versions of the
 * row.  So where no BEFORE is needed, the guard's trigger gets a condition in the
 * statement's private list.  PostgreSQL evaluates it when the row has been written,
 * with both versions at hand, and queues no event where it is false: where none of the
 * columns has changed that the guard looks at.  What it counts of such a row for
 * activity is counted here.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../activity/activity.h"
#include "guard.h"

typedef struct WatchedColumn
{
	AttrNumber attnum;
	ValueType type;
} WatchedColumn;

/* The columns that the guard looks at, and what is counted where none has changed. */
typedef struct Watched
{
	ExprState state;	/* what PostgreSQL calls */
	RelationMap *map;	/* of the statement's moment */
	const char *system; /* of the writer on this table */
	const Bitmapset *named;
	TupleDesc desc;
	int n;
	WatchedColumn cols[FLEXIBLE_ARRAY_MEMBER]; /* in attribute order */
} Watched;

/* The heap tuple in a slot, if it has one. */
static HeapTuple
tuple_in(TupleTableSlot *slot)
{
	return TTS_IS_BUFFERTUPLE(slot) || TTS_IS_HEAPTUPLE(slot) ? ((HeapTupleTableSlot *) slot)->tuple
															  : NULL;
}

/* Did the UPDATE change one of the columns?  True, too, for half of a move. */
static Datum
has_change(ExprState *state, ExprContext *econtext, bool *isnull)
{
	const Watched *watched = (const Watched *) state;
	TupleTableSlot *stored = econtext->ecxt_innertuple;
	TupleTableSlot *row = econtext->ecxt_outertuple;
	HeapTuple before;
	HeapTuple after;
	ColumnRange range = COLUMNS_ALL;

	*isnull = false;
	if (TupIsNull(stored) || TupIsNull(row))
		return BoolGetDatum(true);
	before = tuple_in(stored);
	after = tuple_in(row);
	if (likely(before != NULL && after != NULL))
		range = value_difference(before, after, watched->desc);
	for (int i = 0; i < watched->n && watched->cols[i].attnum <= range.last; i++)
	{
		const WatchedColumn *col = &watched->cols[i];
		bool was_null;
		bool is_null;
		Datum was;
		Datum is;

		if (col->attnum < range.first)
			continue;
		was = slot_getattr(stored, col->attnum, &was_null);
		is = slot_getattr(row, col->attnum, &is_null);
		if (value_changed(&col->type, was, was_null, is, is_null))
			return BoolGetDatum(true);
	}
	activity_row(watched->map, watched->system, OPERATION_UPDATE, watched->named, NULL, stored, row,
				 range);
	return BoolGetDatum(false);
}

/*
 * Makes AFTER fire for rows of an UPDATE in which a column has changed that may be in
 * conflict, or may not become blank, or in which the key has.  False: it must fire for
 * all rows.  moment: the writer is known; the map is that of the moment, and so stays
 * until the statement ends or lifting is undone.
 */
bool
lift_filter_changed(EState *estate, ResultRelInfo *rri, RelationMap *map, const Writer *writer,
					const Bitmapset *named)
{
	TupleDesc desc = RelationGetDescr(rri->ri_RelationDesc);
	Bitmapset *columns;
	Watched *watched;
	MemoryContext old;
	int member = -1;

	if (map->pinned != NULL || map->history != NULL || named == NULL)
		return false;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	columns = bms_intersect(map_watched(map, writer), named);
	/* a new key may be one for which something waits */
	for (int i = 0; i < map->nkey_attrs && map_updates_key(map, named); i++)
		columns = bms_add_member(columns, map->key_attrs[i] - FirstLowInvalidHeapAttributeNumber);
	watched = palloc0(offsetof(Watched, cols) + bms_num_members(columns) * sizeof(WatchedColumn));
	watched->map = map;
	watched->system = writer_system(writer, map->source);
	watched->named = bms_copy(named);
	watched->desc = desc;
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber attnum = member + FirstLowInvalidHeapAttributeNumber;
		const MappedColumn *col = map_any_column(map, attnum);
		ValueType type =
			col != NULL ? col->type : value_type(TupleDescAttr(desc, attnum - 1)->atttypid);

		watched->cols[watched->n++] = (WatchedColumn){attnum, type};
	}
	bms_free(columns);
	MemoryContextSwitchTo(old);
	watched->state.type = T_ExprState;
	watched->state.flags = EEO_FLAG_IS_QUAL;
	watched->state.evalfunc = has_change;
	trigger_list_filter(rri, &watched->state, true);
	return true;
}
