/*
 * pin.c
 *		Pinned values: what the system of record writes over them is kept out.
 *
 * A pin holds the value of one column in one row, or that of a whole group of
 * columns.  The owner that sends its last word again (`replaced`) is kept out without
 * a word; a new value of the owner ends the pin, or is kept as evidence until the
 * time that the pin has.  Nobody else is concerned: non-owners are judged as ever,
 * and a steward's write moves the pin (pin_follow.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

/*
 * Is it certain that an UPDATE sets the columns that it is said to name?  MERGE names
 * those of all its actions.
 */
static bool
names_are_certain(const GuardCall *call, const Bitmapset *named)
{
	QueryDesc *query = statement_query();
	ResultRelInfo *rri;
	ModifyTableState *node;
	int updates = 0;
	ListCell *lc;
	ListCell *lc2;

	if (named == NULL)
		return false;
	if (call->applied || query == NULL || query->operation != CMD_MERGE)
		return true;
	rri = statement_relation(query->estate, call->td->tg_trigger);
	node = rri == NULL ? NULL : statement_node_of(query, rri);
	if (node == NULL)
		return false;
	foreach(lc, ((ModifyTable *) node->ps.plan)->mergeActionLists)
	{
		updates = 0;
		foreach(lc2, (List *) lfirst(lc))
			updates += lfirst_node(MergeAction, lc2)->commandType == CMD_UPDATE;
		if (updates > 1)
			return false;
	}
	return true;
}

/* The column, whose verdict is "keep": it is evidence if it is in `set`, and not in `held`. */
static void
hold_column(GuardCall *call, ConflictSet *set, ConflictSet *held, MappedColumn *col, bool silent)
{
	Conflict *known = conflicts_find(set, col);
	Conflict *c;

	if (known != NULL && known->verdict > VERDICT_KEEP)
		return;
	if (silent && known != NULL)
	{
		/* it is a blank of the owner: what decided that does not matter any more */
		*known = set->items[--set->n];
		known = NULL;
	}
	c = silent			? conflicts_new(call, held, col)
		: known != NULL ? known
						: conflicts_new(call, set, col);
	c->verdict = VERDICT_KEEP;
	c->owner = call->system;
	c->blank = c->softened = false;
	if (silent)
		held->strictest = VERDICT_KEEP;
	else
		set->strictest = Max(set->strictest, VERDICT_KEEP);
}

static bool
is_owner(const GuardCall *call, MappedColumn *col, TupleTableSlot *row)
{
	const char *owner = map_owner(call->map, col, row);

	return owner != NULL && call->system != NULL && strcmp(owner, call->system) == 0;
}

/*
 * A foreign-key action writes pinned columns.  It cannot be kept out without leaving an
 * orphan.  The pins follow a referenced row that is renamed, and end where NULL comes.
 */
static void
follow_action(GuardCall *call, PinUnit *unit, TupleTableSlot *stored, TupleTableSlot *proposed)
{
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	List *moved = NIL; /* PinItem */
	bool ends = false;
	ListCell *lc;

	for (int i = 0; i < unit->n; i++)
	{
		const PinItem *item = &unit->items[i];
		bool snull;
		bool pnull;
		Datum s = slot_getattr(stored, item->col->attnum, &snull);
		Datum p = slot_getattr(proposed, item->col->attnum, &pnull);

		if (item->pin == NULL || !item->written ||
			!value_changed(&item->col->type, s, snull, p, pnull))
			continue;
		ends |= pnull;
		moved = lappend(moved, unconstify(PinItem *, item));
	}
	if (ends)
		pin_settle(call->map, desc, unit, proposed, PIN_ENDS, call->system);
	else
		foreach(lc, moved)
		{
			const PinItem *item = lfirst(lc);

			item->pin->value = pin_text(desc, item->col, proposed);
			(void) pin_write(item->pin, false, NULL);
		}
}

/*
 * An UPDATE writes pinned values: adds the columns that are kept to `set`, those that
 * are kept without evidence to `held`.  named: NULL: all columns.
 */
void
pin_hold_update(GuardCall *call, ConflictSet *set, ConflictSet *held, const Bitmapset *named,
				TupleTableSlot *stored, TupleTableSlot *proposed)
{
	RelationMap *map = call->map;
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	Jsonb *key = NULL;

	memset(held, 0, sizeof(ConflictSet));
	if (likely(map->pinned == NULL) ||
		!map_holds_pins(map, call->moment->enforcement, call->writer) ||
		call->circumstances.steward || call->system == NULL ||
		(named != NULL && !bms_overlap(named, map->pinned)))
		return;
	for (int i = 0; i < map->ncols; i++)
	{
		PinUnit unit;
		PinOutcome outcome;

		if (!pin_is_column(map, &map->cols[i]) || !is_owner(call, &map->cols[i], stored) ||
			pin_unit(map, &map->cols[i], &unit) == 0)
			continue;
		if (key == NULL)
			key = evidence_row_key_of(map, desc, stored);
		if (!pin_find_unit(map, &unit, key))
			continue;
		for (int k = 0; k < unit.n; k++)
			unit.items[k].written =
				named == NULL ||
				bms_is_member(unit.items[k].col->attnum - FirstLowInvalidHeapAttributeNumber, named);
		if (call->circumstances.cascade)
		{
			follow_action(call, &unit, stored, proposed);
			continue;
		}
		outcome = pin_judge(desc, &unit, proposed, names_are_certain(call, named));
		pin_settle(map, desc, &unit, proposed, outcome, call->system);
		if (outcome != PIN_KEEPS && outcome != PIN_KEEPS_SILENTLY)
			continue;
		for (int k = 0; k < unit.n; k++)
		{
			MappedColumn *col = unit.items[k].col;
			bool snull;
			bool pnull;
			Datum s = slot_getattr(stored, col->attnum, &snull);
			Datum p = slot_getattr(proposed, col->attnum, &pnull);

			if (unit.items[k].written && value_changed(&col->type, s, snull, p, pnull))
				hold_column(call, set, held, col,
							outcome == PIN_KEEPS_SILENTLY && unit.items[k].pin != NULL);
		}
	}
}

/* Puts the text into a column of the row. */
static HeapTuple
put_text(HeapTuple tuple, TupleDesc desc, const MappedColumn *col, char *text)
{
	int attnum = col->attnum;
	bool isnull = text == NULL;
	Datum value =
		isnull ? (Datum) 0 : value_from_text(TupleDescAttr(desc, attnum - 1)->atttypid, text);

	return heap_modify_tuple_by_cols(tuple, desc, 1, &attnum, &value, &isnull);
}

/*
 * May the value of another system than the owner stay in the new row?  The policy has
 * let it in: it stays where that is `observe`, and a steward's does.
 */
static bool
stays(const GuardCall *call, const MappedColumn *col)
{
	return call->circumstances.steward ||
		   policy_effective(col->policy, call->circumstances.default_policy) == POLICY_OBSERVE;
}

/*
 * A row with a pinned value is created anew.  Puts the value into `tuple`, unless the
 * one who creates the row brings another that stays.
 */
static HeapTuple
hold_new_value(GuardCall *call, PinUnit *unit, TupleTableSlot *row, HeapTuple tuple,
			   ConflictSet *set, ConflictSet *put)
{
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	TupleTableSlot *proposed = call->td->tg_trigslot;
	bool owner = is_owner(call, unit->items[0].col, row) && !call->circumstances.steward;
	PinOutcome outcome = PIN_UNTOUCHED;

	for (int i = 0; i < unit->n; i++)
		unit->items[i].written = insertion_writes(&call->new, unit->items[i].col, proposed);
	if (owner)
	{
		outcome = pin_judge(desc, unit, proposed, true);
		pin_settle(call->map, desc, unit, proposed, outcome, call->system);
		if (outcome == PIN_ENDS)
			return tuple;
	}
	for (int i = 0; i < unit->n; i++)
	{
		PinItem *item = &unit->items[i];
		bool isnull;
		Datum value = slot_getattr(row, item->col->attnum, &isnull);
		Conflict *refused;
		bool brought;

		if (item->pin == NULL)
			continue;
		if (item->pin->gone_at != 0)
		{
			item->pin->gone_at = 0;
			(void) pin_write(item->pin, false, NULL);
		}
		if (pin_is_value(desc, item->col, value, isnull, item->pin->value))
			continue;
		/* a refused value is not in the row any more */
		refused = conflicts_find(set, item->col);
		brought = item->written && (refused == NULL || refused->verdict < VERDICT_KEEP);
		if (brought && !owner && stays(call, item->col))
			continue;
		if (brought && outcome != PIN_KEEPS_SILENTLY)
		{
			Conflict *c = conflicts_new(call, put, item->col);

			c->owner = map_owner(call->map, item->col, row);
			c->verdict = put->strictest = VERDICT_KEEP;
		}
		/* it does not go through any more */
		if (brought && refused != NULL)
			refused->verdict = VERDICT_ALLOW;
		tuple = put_text(tuple, desc, item->col, item->pin->value);
		item->held = true;
	}
	return tuple;
}

/* AFTER must not take the pinned values in the row for what the statement wrote. */
static void
remember_put(GuardCall *call, const Bitmapset *attnums, HeapTuple tuple)
{
	TupleTableSlot *row = conflicts_slot(call->td->tg_relation, tuple);
	int attnum = -1;

	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
		tally_remember(call->map, conflicts_stand_in(call, map_column(call->map, attnum), row));
	ExecDropSingleTupleTableSlot(row);
}

/*
 * BEFORE INSERT: returns the row with the values that are pinned for its key.  set: the
 * conflicts of what is proposed; one that went through does not, where a pin holds.
 */
HeapTuple
pin_hold_insert(GuardCall *call, ConflictSet *set, HeapTuple tuple)
{
	RelationMap *map = call->map;
	Relation rel = call->td->tg_relation;
	ConflictSet none = {0};
	ConflictSet put = {0};
	Bitmapset *held = NULL;
	TupleTableSlot *row;
	HeapTuple before = tuple;
	Jsonb *key;
	bool asked = false;

	if (likely(map->pinned == NULL) || !map_holds_pins(map, call->moment->enforcement, call->writer))
		return tuple;
	row = conflicts_slot(rel, before);
	key = evidence_row_key_of(map, RelationGetDescr(rel), row);
	for (int i = 0; i < map->ncols; i++)
	{
		PinUnit unit;

		if (!pin_is_column(map, &map->cols[i]) || map_owner(map, &map->cols[i], row) == NULL ||
			pin_unit(map, &map->cols[i], &unit) == 0 || !pin_find_unit(map, &unit, key))
			continue;
		/* an upsert that meets its row becomes an UPDATE, which is judged as one */
		if (!asked && !call->applied && !statement_is_copy(map) &&
			rel->rd_rel->relkind == RELKIND_RELATION &&
			amend_meets_stored_row(call, &none, tuple, false))
		{
			tally_get(map)->untouched++;
			break;
		}
		asked = true;
		tuple = hold_new_value(call, &unit, row, tuple, set, &put);
		for (int k = 0; k < unit.n; k++)
			if (unit.items[k].held)
				held = bms_add_member(held, unit.items[k].col->attnum);
	}
	if (put.n > 0)
		outcome_record_kept(call, &put, NULL, call->td->tg_trigslot, tuple);
	if (held != NULL && !call->judge)
		remember_put(call, held, tuple);
	if (held != NULL)
		call->state->amended_insert = true;
	ExecDropSingleTupleTableSlot(row);
	return tuple;
}
