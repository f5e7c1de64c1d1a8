/*
 * pin_follow.c
 *		Pins follow their rows: a steward's write moves a pin, a changed key takes it along,
 *		and the pin of a deleted row waits for the row.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

static bool
changed(const MappedColumn *col, TupleTableSlot *stored, TupleTableSlot *written)
{
	bool snull;
	bool wnull;
	Datum s = slot_getattr(stored, col->attnum, &snull);
	Datum w = slot_getattr(written, col->attnum, &wnull);

	return value_changed(&col->type, s, snull, w, wnull);
}

static bool
changes_key(const RelationMap *map, TupleTableSlot *stored, TupleTableSlot *written)
{
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		const MappedColumn *col = map_any_column(map, map->key_attrs[i]);

		/* a generated column */
		if (col == NULL || changed(col, stored, written))
			return true;
	}
	return false;
}

/* The row got another key: its pins go along.  One that waits for a deleted row of that key ends. */
static void
follow_key(RelationMap *map, Jsonb *from, Jsonb *to)
{
	for (int i = 0; i < map->ncols; i++)
	{
		Pin *pin = map_find_pin(map, &map->cols[i], from);
		Pin *other;

		if (pin == NULL)
			continue;
		other = map_find_pin(map, &map->cols[i], to);
		if (other != NULL && ItemPointerEquals(&other->tid, &pin->tid))
			continue;
		if (other != NULL)
			map_end_pin(map, other, NULL);
		pin->key = to;
		(void) pin_write(pin, false, NULL);
	}
}

/* A steward wrote the row: what it wrote over a pinned value is pinned from now on. */
static void
move_pins(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *written, Jsonb *key)
{
	RelationMap *map = call->map;
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		bool isnull;
		Datum value;
		Pin *pin;

		if (!bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, map->pinned) ||
			(stored != NULL && !changed(col, stored, written)))
			continue;
		pin = map_find_pin(map, col, key);
		value = slot_getattr(written, col->attnum, &isnull);
		if (pin == NULL || pin_is_value(desc, col, value, isnull, pin->value))
			continue;
		if (!pin->known)
		{
			pin->replaced = pin->value;
			pin->known = true;
		}
		pin->value = isnull ? NULL : pin_text(desc, col, written);
		(void) pin_write(pin, false, NULL);
	}
}

/* A row was written.  stored: as it was; NULL: INSERT. */
void
pin_follow(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *written)
{
	RelationMap *map = call->map;
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	Jsonb *key = NULL;

	if (likely(map->pinned == NULL) || !map_holds_pins(map, call->moment->enforcement, call->writer))
		return;
	if (stored != NULL && changes_key(map, stored, written))
	{
		key = evidence_row_key_of(map, desc, written);
		follow_key(map, evidence_row_key_of(map, desc, stored), key);
	}
	if (!call->circumstances.steward)
		return;
	if (key == NULL)
		key = evidence_row_key_of(map, desc, written);
	move_pins(call, stored, written, key);
}

/* The row was deleted, or will be without doubt: its pins wait for it. */
void
pin_row_gone(const GuardCall *call, TupleTableSlot *stored)
{
	RelationMap *map = call->map;
	Jsonb *key;

	if (likely(map->pinned == NULL) || call->moment->enforcement == ENFORCEMENT_OFF)
		return;
	key = evidence_row_key_of(map, RelationGetDescr(call->td->tg_relation), stored);
	for (int i = 0; i < map->ncols; i++)
	{
		Pin *pin = map_find_pin(map, &map->cols[i], key);

		if (pin == NULL)
			continue;
		pin->gone_at = GetCurrentTimestamp();
		(void) pin_write(pin, false, NULL);
	}
}

/* The pins of one row that TRUNCATE may remove. */
typedef struct Removal
{
	Relation rel;
	RelationMap *map;
	const Pin *pin;
	bool there;
} Removal;

/* Is the row of the pin in the relation? */
static bool
find_removed(void *arg)
{
	Removal *r = arg;
	TupleTableSlot *key = MakeSingleTupleTableSlot(RelationGetDescr(r->rel), &TTSOpsVirtual);
	TupleTableSlot *found = table_slot_create(r->rel, NULL);

	land_fill_key(r->map, r->rel, r->pin->key, NULL, key);
	r->there = stored_find(r->rel, r->map->key_index, key, found, false);
	ExecDropSingleTupleTableSlot(found);
	ExecDropSingleTupleTableSlot(key);
	return true;
}

/* TRUNCATE of a part of the table, whose rows an index finds: the pins of its rows wait. */
static void
part_gone(const GuardCall *call, List *pins)
{
	Removal r = {call->td->tg_relation, call->map, NULL, false};
	ListCell *lc;

	foreach(lc, pins)
	{
		Pin *pin = lfirst(lc);

		r.pin = pin;
		r.there = false;
		/* a key that is none of the columns' types any more belongs to no row */
		if (pin->gone_at != 0 || subxact_trial(find_removed, &r) != NULL || !r.there)
			continue;
		pin->gone_at = GetCurrentTimestamp();
		(void) pin_write(pin, false, NULL);
	}
}

/* The same where no index finds them. */
static void
rows_gone(const GuardCall *call)
{
	Relation rel = call->td->tg_relation;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		pin_row_gone(call, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

/*
 * TRUNCATE of a relation: the pins of its rows wait.  A partition and a table with
 * inheritance children contain a part of the rows of the table on the map.
 */
void
pin_table_gone(const GuardCall *call)
{
	const RelationMap *map = call->map;
	Relation rel = call->td->tg_relation;
	bool whole = RelationGetRelid(rel) == map->home &&
				 (rel->rd_rel->relkind != RELKIND_RELATION || !rel->rd_rel->relhassubclass);
	List *pins;
	ListCell *lc;

	if (map->pinned == NULL || (!whole && rel->rd_rel->relkind != RELKIND_RELATION))
		return;
	pins = pin_list(map->schema, map->table);
	if (!whole)
	{
		if (OidIsValid(map->key_index) && map->key_is_whole)
			part_gone(call, pins);
		else
			rows_gone(call);
		return;
	}
	foreach(lc, pins)
	{
		Pin *pin = lfirst(lc);

		if (pin->gone_at != 0)
			continue;
		pin->gone_at = GetCurrentTimestamp();
		(void) pin_write(pin, false, NULL);
	}
}
