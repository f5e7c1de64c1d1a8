/*
 * pin_due.c
 *		Pins whose time is over: they end, and what their owner sent last goes in.
 *
 * The extension writes that itself, as it does with values that waited (land.c): neither
 * privileges nor row security are asked, and triggers of users run as the table's owner.
 * A value that does not fit leaves its pin open: the owner's next write ends it.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* The pins of one row that are due. */
typedef struct DueRow
{
	Oid home;
	List *pins;
	const char *owner; /* whose last values were put into the row; NULL: it had them */
	bool done;		   /* they have ended */
} DueRow;

static bool
is_same_row(const Pin *a, const Pin *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0 &&
		   compareJsonbContainers(&a->key->root, &b->key->root) == 0;
}

/* Puts the owner's last values into the row in t->slot; returns the owner, NULL: nothing changes. */
static const char *
write_row(RelationMap *map, StoredTable *t, List *pins)
{
	TupleDesc desc = RelationGetDescr(t->rel);
	const char *owner = NULL;
	ListCell *lc;

	stored_copy(t);
	foreach(lc, pins)
	{
		const Pin *pin = lfirst(lc);
		MappedColumn *col = map_column(map, get_attnum(RelationGetRelid(t->rel), pin->column));
		int att;

		if (col == NULL || !pin->pending)
			continue;
		att = col->attnum - 1;
		if (pin_is_value(desc, col, t->slot->tts_values[att], t->slot->tts_isnull[att],
						 pin->replaced) ||
			(owner = map_owner(map, col, t->slot)) == NULL)
			continue;
		t->changed->tts_isnull[att] = pin->replaced == NULL;
		if (pin->replaced != NULL)
			t->changed->tts_values[att] =
				value_from_text(TupleDescAttr(desc, att)->atttypid, pin->replaced);
		activity_value(map, owner, col);
	}
	if (owner == NULL)
		return NULL;
	if (!stored_update(t))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a trigger of table \"%s\" has stopped the UPDATE",
							   names_message_relation(map->schema, map->table))));
	if (map->history != NULL)
		evidence_history(map, desc, writer_current(), owner, t->slot, t->changed);
	return owner;
}

/*
 * The owner's values that its pins kept out of the row have gone in: the evidence of
 * these is not open any more.  It names pinned columns alone, and no earlier values.
 */
static void
resolve_kept(const DueRow *row)
{
	const Pin *first = linitial(row->pins);
	Parameters p = {0};
	List *names = NIL;
	JsonbParseState *state = NULL;
	SavedRole caller;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, row->pins)
	{
		const Pin *pin = lfirst(lc);
		JsonbValue v = {.type = jbvString};

		if (!pin->pending)
			continue;
		names = lappend(names, pin->column);
		v.val.string.val = pin->column;
		v.val.string.len = strlen(pin->column);
		pushJsonbValue(&state, WJB_KEY, &v);
		v.type = pin->replaced == NULL ? jbvNull : jbvString;
		v.val.string.val = pin->replaced;
		v.val.string.len = pin->replaced == NULL ? 0 : strlen(pin->replaced);
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	if (row->owner == NULL || names == NIL)
		return;
	SPI_connect();
	caller = role_become_extension();
	sql_add_text(&p, first->schema);
	sql_add_text(&p, first->table);
	sql_add_value(&p, JSONBOID, JsonbPGetDatum(first->key), false);
	sql_add_text(&p, row->owner);
	sql_add_texts(&p, names);
	sql_add_value(&p, JSONBOID,
				  JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))),
				  false);
	sql_run("UPDATE ownership.conflict SET resolution = 'applied' "
			"WHERE pg_catalog.jsonb_hash_extended(row_key, 0) = pg_catalog.jsonb_hash_extended($3, 0) "
			"AND row_key = $3 AND table_schema = $1 AND table_name = $2 AND system = $4 "
			"AND outcome = 'kept' AND resolution IS NULL AND columns::text[] <@ $5 "
			"AND proposed <@ $6",
			&p);
	role_restore(&caller);
	SPI_finish();
}

/* Writes the row of the pins, if it is in this relation; false: it is not. */
static bool
write_in(Relation rel, DueRow *row)
{
	List *pins = row->pins;
	RelationMap *map = map_get(rel);
	TupleTableSlot *key;
	TupleTableSlot *found;
	bool there;

	if (rel->rd_rel->relkind != RELKIND_RELATION || !map_is_shared(map) ||
		!OidIsValid(map->key_index) || !map->key_is_whole)
		return false;
	map_enter();
	key = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	land_fill_key(map, rel, ((Pin *) linitial(pins))->key, NULL, key);
	found = table_slot_create(rel, NULL);
	CommandCounterIncrement();
	there = stored_find(rel, map->key_index, key, found, true);
	if (there)
	{
		Bitmapset *named = NULL;
		StoredTable *t;
		ListCell *lc;

		foreach(lc, pins)
			named = bms_add_member(named,
								   get_attnum(RelationGetRelid(rel), ((Pin *) lfirst(lc))->column) -
									   FirstLowInvalidHeapAttributeNumber);
		t = stored_open(rel, named);
		trigger_list_silence(t->rri->ri_TrigDesc);
		ExecCopySlot(t->slot, found);
		t->slot->tts_tid = found->tts_tid;
		row->owner = write_row(map, t, pins);
		if (row->owner != NULL)
			row->owner = pstrdup(row->owner);
		foreach(lc, pins)
			map_end_pin(map, lfirst(lc), NULL);
		stored_close(t);
	}
	ExecDropSingleTupleTableSlot(found);
	ExecDropSingleTupleTableSlot(key);
	map_leave();
	return there;
}

/* Ends the pins of a row, in the table or the partition where it is. */
static bool
end_row(void *arg)
{
	DueRow *row = arg;
	Relation home = table_open(row->home, RowExclusiveLock);
	SavedRole caller = role_become_owner(home);
	bool there = false;
	ListCell *lc;

	/* the worker is in replica role */
	(void) set_config_option("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	foreach(lc, find_all_inheritors(row->home, RowExclusiveLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		there = write_in(rel, row);
		table_close(rel, NoLock);
		if (there)
			break;
	}
	role_restore(&caller);
	if (there)
		resolve_kept(row);
	table_close(home, NoLock);
	row->done = there;
	return there;
}

/* Is the pin's time over, as far as the pin itself tells? */
static bool
is_due(const Pin *pin)
{
	return pin->until != 0 && pin->until <= GetCurrentTimestamp();
}

/*
 * Ends all pins whose time is over.  Returns the number of rows in which it did so.
 * Nothing is pinned, and so nothing due, while enforcement is not on.
 */
int64
pin_end_due(void)
{
	List *due = NIL;
	int64 n = 0;
	ListCell *lc;

	if (ownership_enforcement != ENFORCEMENT_ON)
		return 0;
	foreach(lc, pin_list(NULL, NULL))
	{
		if (is_due(lfirst(lc)))
			due = lappend(due, lfirst(lc));
	}
	while (due != NIL)
	{
		const Pin *first = linitial(due);
		DueRow row = {place_find_table(first->schema, first->table), NIL, NULL, false};
		List *rest = NIL;
		ErrorData *error = NULL;

		CHECK_FOR_INTERRUPTS();
		foreach(lc, due)
		{
			if (is_same_row(first, lfirst(lc)))
				row.pins = lappend(row.pins, lfirst(lc));
			else
				rest = lappend(rest, lfirst(lc));
		}
		if (OidIsValid(row.home))
			error = subxact_trial(end_row, &row);
		if (error != NULL)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("a pin of column \"%s\" of table \"%s\" stays, though its time is over: %s",
							first->column, names_message_relation(first->schema, first->table),
							error->message)));
		n += row.done && error == NULL;
		due = rest;
	}
	return n;
}
