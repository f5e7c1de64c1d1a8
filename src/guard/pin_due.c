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
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* The pins of one row that are due. */
typedef struct DueRow
{
	Oid home;
	List *pins;
	List *written; /* those of them whose value the row has by now */
	List *owners;  /* whose values these are, char * */
	bool done;	   /* they have ended */
} DueRow;

/* Compares the rows of two pins. */
static int
compare_rows(const ListCell *a, const ListCell *b)
{
	const Pin *pa = lfirst(a);
	const Pin *pb = lfirst(b);
	int order = strcmp(pa->schema, pb->schema);

	if (order == 0)
		order = strcmp(pa->table, pb->table);
	return order != 0 ? order : compareJsonbContainers(&pa->key->root, &pb->key->root);
}

/* Puts the owners' last values into the row in t->slot. */
static void
write_row(RelationMap *map, StoredTable *t, DueRow *row)
{
	TupleDesc desc = RelationGetDescr(t->rel);
	List *chosen = NIL; /* of Landed */
	ListCell *lc;

	stored_copy(t);
	foreach(lc, row->pins)
	{
		Pin *pin = lfirst(lc);
		MappedColumn *col = map_column(map, get_attnum(RelationGetRelid(t->rel), pin->column));
		Landed *landed;
		const char *owner;
		int att;

		if (col == NULL || !pin->pending)
			continue;
		att = col->attnum - 1;
		owner = map_owner(map, col, t->slot);
		if (owner == NULL)
			continue;
		row->written = lappend(row->written, pin);
		row->owners = lappend(row->owners, pstrdup(owner));
		if (pin_is_value(desc, col, t->slot->tts_values[att], t->slot->tts_isnull[att],
						 pin->replaced))
			continue;
		t->changed->tts_isnull[att] = pin->replaced == NULL;
		if (pin->replaced != NULL)
			t->changed->tts_values[att] =
				value_from_text(TupleDescAttr(desc, att)->atttypid, pin->replaced);
		activity_value(map, owner, col);
		landed = palloc0(sizeof(Landed));
		landed->col = col;
		landed->text = pin->replaced;
		chosen = lappend(chosen, landed);
	}
	if (chosen == NIL)
		return;
	if (!stored_update(t))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a trigger of table \"%s\" has stopped the UPDATE",
							   names_message_relation(map->schema, map->table))));
	/* what triggers derive is nobody's */
	land_record_history(map, desc, statement_writer(), t->slot, t->changed, chosen);
	if (map->history != NULL)
		land_record_derived(map, t, chosen, NULL);
}

/*
 * The values of this owner that its pins kept out of the row have gone in: the evidence
 * of these is not open any more.  It names pinned columns alone, and no earlier values.
 */
static void
resolve_kept(const DueRow *row, const char *owner)
{
	const Pin *first = linitial(row->pins);
	Parameters p = {0};
	List *names = NIL;
	JsonbParseState *state = NULL;
	ListCell *lc;
	ListCell *lc2;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	forboth(lc, row->written, lc2, row->owners)
	{
		const Pin *pin = lfirst(lc);
		JsonbValue v = {.type = jbvString};

		if (strcmp(lfirst(lc2), owner) != 0)
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
	sql_add_text(&p, first->schema);
	sql_add_text(&p, first->table);
	sql_add_value(&p, JSONBOID, JsonbPGetDatum(first->key), false);
	sql_add_text(&p, owner);
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
}

/* The same for all owners. */
static void
resolve_all_kept(const DueRow *row)
{
	List *done = NIL;
	SavedRole caller;
	ListCell *lc;

	if (row->owners == NIL)
		return;
	SPI_connect();
	caller = role_become_extension();
	foreach(lc, row->owners)
	{
		if (names_contain(done, lfirst(lc)))
			continue;
		resolve_kept(row, lfirst(lc));
		done = lappend(done, lfirst(lc));
	}
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
		write_row(map, t, row);
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
	foreach(lc, place_with_below(row->home, RowExclusiveLock))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		there = write_in(rel, row);
		table_close(rel, NoLock);
		if (there)
			break;
	}
	role_restore(&caller);
	if (there)
		resolve_all_kept(row);
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
	list_sort(due, compare_rows);
	lc = list_head(due);
	while (lc != NULL)
	{
		const ListCell *head = lc;
		const Pin *first = lfirst(head);
		DueRow row = {.home = place_find_table(first->schema, first->table)};
		ErrorData *error = NULL;

		CHECK_FOR_INTERRUPTS();
		for (; lc != NULL && compare_rows(head, lc) == 0; lc = lnext(due, lc))
			row.pins = lappend(row.pins, lfirst(lc));
		if (OidIsValid(row.home))
		{
			land_begin_tally(row.home);
			error = subxact_trial(end_row, &row);
		}
		if (error != NULL)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("a pin of column \"%s\" of table \"%s\" stays, though its time is over: %s",
							first->column, names_message_relation(first->schema, first->table),
							error->message)));
		n += row.done && error == NULL;
	}
	return n;
}
