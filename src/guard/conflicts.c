/*
 * conflicts.c
 *		Which columns of a written row are in conflict with the map.
 *
 * A column is in conflict if the statement writes it, another system owns it
 * in this row, and the verdict is not to allow the write.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/*
 * Adds a column to the set if it is in conflict.  owner: of the column in this
 * row; NULL: it has none, and every writer may write it.  stored_blank: an UPDATE
 * finds a blank stored there, see conflicts_stored_blank().
 */
void
conflicts_add(GuardCall *call, ConflictSet *set, MappedColumn *col, const char *owner,
			  bool stored_blank)
{
	Conflict *conflict;
	Verdict verdict;
	bool softened;

	if (owner == NULL || (call->system != NULL && strcmp(owner, call->system) == 0))
		return;
	verdict = verdict_for(&call->circumstances, col->policy, col->key, stored_blank, &softened);
	if (verdict == VERDICT_ALLOW)
		return;
	conflict = conflicts_new(call, set, col);
	conflict->owner = owner;
	conflict->verdict = verdict;
	conflict->softened = softened;
	set->strictest = Max(set->strictest, verdict);
}

/*
 * A value becomes blank: adds the column to the set, or its verdict if it is the
 * stricter one.  known: its conflict, the last of the set, or NULL.
 */
static void
add_blank(GuardCall *call, ConflictSet *set, MappedColumn *col, Conflict *known)
{
	bool softened;
	Verdict verdict = verdict_for_blank(&call->circumstances, col->on_blank, &softened);

	if (verdict == VERDICT_ALLOW || (known != NULL && known->verdict >= verdict))
		return;
	if (known == NULL)
		known = conflicts_new(call, set, col);
	known->verdict = verdict;
	known->softened = softened;
	known->blank = true;
	set->strictest = Max(set->strictest, verdict);
}

/* Adds a column that an UPDATE changes, if it is in conflict. */
static void
add_changed(GuardCall *call, ConflictSet *set, MappedColumn *col, TupleTableSlot *stored,
			TupleTableSlot *proposed)
{
	int att = col->attnum - 1;
	bool blank = value_is_blank(col->blank, stored->tts_values[att], stored->tts_isnull[att]);
	int before = set->n;

	if (col->foreign)
		conflicts_add(call, set, col, map_owner(call->map, col, stored),
					  blank && conflicts_stored_blank(call, col, stored));
	if (col->on_blank != ON_BLANK_ALLOW && !blank &&
		value_is_blank(col->blank, proposed->tts_values[att], proposed->tts_isnull[att]))
		add_blank(call, set, col, set->n > before ? &set->items[before] : NULL);
}

/*
 * Finds the columns that an UPDATE names and that the writer may not freely
 * write, or not make blank.  Does so once for a statement, unless the map or the writer changes.
 * named: NULL: all columns.
 */
static void
find_candidates(GuardCall *call, const Bitmapset *named)
{
	GuardState *state = call->state;
	RelationMap *map = call->map;

	if (state->candidates_of == map->loaded && state->candidates_serial == map->view_serial &&
		bms_equal(state->candidates_named, named))
		return;
	if (state->candidates_of != map->loaded)
	{
		if (state->candidates != NULL)
			pfree(state->candidates);
		state->candidates =
			MemoryContextAlloc(state->cxt, Max(map->ncols, 1) * sizeof(MappedColumn *));
	}
	state->ncandidates = 0;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		if ((col->foreign || col->on_blank != ON_BLANK_ALLOW) &&
			(named == NULL || bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named)))
			state->candidates[state->ncandidates++] = col;
	}
	if (!bms_equal(state->candidates_named, named))
	{
		MemoryContext old = MemoryContextSwitchTo(state->cxt);

		bms_free(state->candidates_named);
		state->candidates_named = bms_copy(named);
		MemoryContextSwitchTo(old);
	}
	state->candidates_of = map->loaded;
	state->candidates_serial = map->view_serial;
}

/* The columns in which the rows that a trigger for UPDATE is called with can differ. */
ColumnRange
conflicts_range(const GuardCall *call)
{
	return value_difference(call->td->tg_trigtuple, call->td->tg_newtuple,
							RelationGetDescr(call->td->tg_relation));
}

/*
 * An UPDATE writes the columns that it names and whose value it changes.
 * named: NULL: all columns.  range: where the rows can differ.
 */
void
conflicts_of_update(GuardCall *call, ConflictSet *set, const Bitmapset *named,
					TupleTableSlot *stored, TupleTableSlot *proposed, ColumnRange range)
{
	RelationMap *map = call->map;
	GuardState *state = call->state;
	const Bitmapset *watched;
	int from = 0;
	int to;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_UPDATE;
	watched = map_watched(map, call->writer);
	if (watched == NULL || (named != NULL && !bms_overlap(named, watched)))
		return;
	find_candidates(call, named);
	while (from < state->ncandidates && state->candidates[from]->attnum < range.first)
		from++;
	to = from;
	while (to < state->ncandidates && state->candidates[to]->attnum <= range.last)
		to++;
	if (from == to)
		return;
	slot_getsomeattrs(stored, state->candidates[to - 1]->attnum);
	slot_getsomeattrs(proposed, state->candidates[to - 1]->attnum);
	for (int i = from; i < to; i++)
	{
		MappedColumn *col = state->candidates[i];
		int att = col->attnum - 1;

		if (value_changed(&col->type, stored->tts_values[att], stored->tts_isnull[att],
						  proposed->tts_values[att], proposed->tts_isnull[att]))
			add_changed(call, set, col, stored, proposed);
	}
	conflicts_join_groups(call, set, named, stored, proposed);
}

/*
 * A hash of a column's value in a row, and of the row's key.  It does not leave
 * the session.  Generated columns of the key do not count, because BEFORE does
 * not have their values yet.
 */
uint64
conflicts_stand_in(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row)
{
	uint64 hash = hash_combine64(RelationGetRelid(call->td->tg_relation), col->attnum);

	for (int i = -1; i < call->map->nkey_attrs; i++)
	{
		AttrNumber attnum = i < 0 ? col->attnum : call->map->key_attrs[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(call->td->tg_relation), attnum - 1);
		bool isnull;
		Datum value;

		if (att->attgenerated != '\0')
			continue;
		value = slot_getattr(row, attnum, &isnull);
		hash =
			hash_combine64(hash, isnull ? 0 : datum_image_hash(value, att->attbyval, att->attlen));
	}
	return hash;
}

/* AFTER: did BEFORE remember that the row takes the column's default, or a pinned value? */
static bool
took_default(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row)
{
	return !TRIGGER_FIRED_BEFORE(call->td->tg_event) &&
		   (insertion_was_open(&call->new, col) ||
			bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, call->map->pinned)) &&
		   tally_remembers(call->map, conflicts_stand_in(call, col, row));
}

/* An INSERT writes the columns for which insertion_writes() is true. */
void
conflicts_of_insert(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_INSERT;
	if (map_foreign(map, call->writer) == NULL)
		return;
	for (int i = 0; i < ncols; i++)
	{
		MappedColumn *col = &cols[i];

		if (col->foreign && insertion_writes(&call->new, col, proposed) &&
			!took_default(call, col, proposed))
			conflicts_add(call, set, col, map_owner(map, col, proposed), false);
	}
}

/* A DELETE writes the key. */
void
conflicts_of_delete(GuardCall *call, ConflictSet *set, TupleTableSlot *stored)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_DELETE;
	if (map->nkeys == 0 || map_foreign(map, call->writer) == NULL)
		return;
	for (int i = 0; i < ncols; i++)
	{
		if (cols[i].key && cols[i].foreign)
			conflicts_add(call, set, &cols[i], map_owner(map, &cols[i], stored), false);
	}
}

/* The tuple in a slot, for reading.  The caller drops the slot. */
TupleTableSlot *
conflicts_slot(Relation rel, HeapTuple tuple)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);

	ExecStoreHeapTuple(tuple, slot, false);
	return slot;
}

/*
 * Adds a conflict for each of the named columns that the writer may not write,
 * whether its value changed or not.  names: char *.
 */
void
conflicts_of_columns(GuardCall *call, ConflictSet *set, TupleTableSlot *stored, const List *names)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;
	ListCell *lc;

	(void) map_foreign(map, call->writer);
	call->circumstances.operation = OPERATION_UPDATE;
	for (int i = 0; i < ncols; i++)
	{
		bool known = !cols[i].foreign;

		for (int c = 0; c < set->n; c++)
			known |= set->items[c].col == &cols[i];
		if (known)
			continue;
		foreach(lc, names)
		{
			if (strcmp(lfirst(lc), cols[i].name) != 0)
				continue;
			conflicts_add(call, set, &cols[i], map_owner(map, &cols[i], stored),
						  conflicts_stored_blank(call, &cols[i], stored));
		}
	}
}

/*
 * The guard judges a moved row in the partition where it was stored, as it does
 * with every UPDATE.  Returns a call for that partition.  td and state are
 * memory of the caller, which the new call points to.
 */
GuardCall
guard_call_at(const GuardCall *call, Relation rel, TriggerData *td, GuardState *state)
{
	GuardCall there = *call;

	*td = *call->td;
	td->tg_relation = rel;
	memset(state, 0, sizeof(GuardState));
	state->cxt = CurrentMemoryContext;
	there.td = td;
	there.state = state;
	there.map = moment_map(call->moment, rel);
	there.new = (NewRow){&state->insertion, state->cxt, td, there.map};
	there.system = writer_system(call->writer, there.map->source);
	return there;
}
