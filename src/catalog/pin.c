/*
 * pin.c
 *		Pins that have not ended: finds and changes them.
 *
 * pin_open_idx contains these only.  They are read with the newest snapshot, which
 * also sees what this transaction has done, and without privilege checks.  A change
 * is an UPDATE by the executor: the history of the map records it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "catalog.h"

/* Is a value of the table pinned, in the column if that is not NULL?  An older version has no pins. */
bool
pin_exists(const char *schema, const char *table, const char *column, Snapshot snapshot)
{
	const char *keys[3] = {schema, table, column};
	CatalogScan *scan;
	bool found;

	if (!OidIsValid(catalog_table("pin_open_idx", true)))
		return false;
	scan = catalog_begin("pin", "pin_open_idx", column == NULL ? 2 : 3, keys, snapshot);
	found = catalog_next(scan);
	catalog_end(scan);
	return found;
}

static char *
text_of(TupleTableSlot *slot, int attnum)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static TimestampTz
time_of(TupleTableSlot *slot, int attnum)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static Pin *
read_pin(TupleTableSlot *slot)
{
	Pin *pin = palloc0(sizeof(Pin));
	bool isnull;

	pin->tid = slot->tts_tid;
	pin->schema = text_of(slot, Anum_pin_schema);
	pin->table = text_of(slot, Anum_pin_table);
	pin->column = text_of(slot, Anum_pin_column);
	pin->key = DatumGetJsonbPCopy(slot_getattr(slot, Anum_pin_row_key, &isnull));
	pin->value = text_of(slot, Anum_pin_value);
	pin->replaced = text_of(slot, Anum_pin_replaced);
	pin->until = time_of(slot, Anum_pin_until);
	pin->by = text_of(slot, Anum_pin_pinned_by);
	pin->at = time_of(slot, Anum_pin_pinned_at);
	pin->known = DatumGetBool(slot_getattr(slot, Anum_pin_replaced_known, &isnull));
	pin->pending = DatumGetBool(slot_getattr(slot, Anum_pin_pending, &isnull));
	pin->gone_at = time_of(slot, Anum_pin_gone_at);
	return pin;
}

/*
 * The pins (Pin) of a table on the map; NULL: of all tables.  column, key: only
 * those of this column, of this column and row; NULL: of all.
 */
static List *
find_pins(const char *schema, const char *table, const char *column, Jsonb *key)
{
	Oid indexid = catalog_table("pin_open_idx", true);
	const char *texts[3] = {schema, table, column};
	int nkeys = schema == NULL ? 0 : column == NULL ? 2 : key == NULL ? 3 : 4;
	List *found = NIL;
	ScanKeyData keys[4];
	Relation rel;
	Relation index;
	TupleTableSlot *slot;
	Snapshot snapshot;
	IndexScanDesc scan;

	if (!OidIsValid(indexid))
		return NIL;
	rel = table_open(catalog_table("pin", false), AccessShareLock);
	index = index_open(indexid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	snapshot = catalog_snapshot();
	for (int i = 0; i < Min(nkeys, 3); i++)
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   DEFAULT_COLLATION_OID, F_TEXTEQ, CStringGetTextDatum(texts[i]));
	if (nkeys == 4)
		ScanKeyInit(&keys[3], 4, BTEqualStrategyNumber, F_INT8EQ,
					DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(key), Int64GetDatum(0)));
	scan = compat_index_beginscan(rel, index, snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool isnull;
		Datum stored = slot_getattr(slot, Anum_pin_row_key, &isnull);

		/* another row may have the same hash */
		if (key == NULL || compareJsonbContainers(&DatumGetJsonbP(stored)->root, &key->root) == 0)
			found = lappend(found, read_pin(slot));
	}
	index_endscan(scan);
	catalog_release(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

/* The pin of a column in a row, in the current memory context; NULL: there is none. */
Pin *
pin_find(const char *schema, const char *table, const char *column, Jsonb *key)
{
	List *found = find_pins(schema, table, column, key);

	return found == NIL ? NULL : linitial(found);
}

/* All pins (Pin) of a table on the map. */
List *
pin_list(const char *schema, const char *table)
{
	return find_pins(schema, table, NULL, NULL);
}

/*
 * The message that the map has changed stays out: what the guard changes in a pin
 * makes no other statement need the guard.
 */
static void
silence(Relation rel, TriggerDesc *triggers)
{
	insert_silence(rel, triggers);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (get_func_namespace(trigger->tgfoid) == RelationGetNamespace(rel) &&
			strcmp(get_func_name(trigger->tgfoid), "map_changed") == 0)
			trigger->tgenabled = TRIGGER_DISABLED;
	}
}

static void
set_time(TupleTableSlot *row, int attnum, TimestampTz value)
{
	row->tts_isnull[attnum - 1] = value == 0;
	row->tts_values[attnum - 1] = TimestampTzGetDatum(value);
}

static void
set_text(TupleTableSlot *row, int attnum, const char *value)
{
	insert_set_text(row->tts_values, row->tts_isnull, attnum, value);
}

/*
 * Stores what the caller has changed in a pin: its row's key, its values, what is
 * known of them.  ends: the pin ends, by the role or system `by`; NULL: by itself.
 * False: somebody else has ended it.
 */
bool
pin_write(Pin *pin, bool ends, const char *by)
{
	Relation rel = table_open(catalog_table("pin", false), RowExclusiveLock);
	StoredTable *t = stored_open(rel, NULL);
	ItemPointerData tid = pin->tid;
	bool open = false;

	t->opened = true;
	silence(rel, t->rri->ri_TrigDesc);
	if (stored_lock_at(t, &tid))
		(void) slot_getattr(t->slot, Anum_pin_ended_at, &open);
	if (open)
	{
		TupleTableSlot *row = stored_copy(t);

		row->tts_values[Anum_pin_row_key - 1] = JsonbPGetDatum(pin->key);
		set_text(row, Anum_pin_value, pin->value);
		set_text(row, Anum_pin_replaced, pin->replaced);
		row->tts_values[Anum_pin_replaced_known - 1] = BoolGetDatum(pin->known);
		row->tts_values[Anum_pin_pending - 1] = BoolGetDatum(pin->pending);
		set_time(row, Anum_pin_gone_at, pin->gone_at);
		if (ends)
		{
			set_time(row, Anum_pin_ended_at, GetCurrentTimestamp());
			set_text(row, Anum_pin_ended_by, by);
		}
		/* the caller may store more of the same pin */
		if (stored_update(t))
			pin->tid = t->changed->tts_tid;
	}
	stored_close(t);
	return open;
}
