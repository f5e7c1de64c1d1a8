/*
 * land_one.c
 *		Waiting values land in one row, by an UPDATE.
 *
 * The extension writes them itself; what the creator brought into these columns is
 * kept out, and is evidence.  What waited for the row is resolved.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "storage/lmgr.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* The map by which the statement that ends was judged; else the newest. */
RelationMap *
land_map(Relation rel)
{
	Moment *moment = statement_seen_moment();

	return moment != NULL ? moment_map(moment, rel) : map_get(rel);
}

/*
 * Makes the slot a row with the key, for an index to find.  inputs: of key_attrs; NULL
 * where there is but one key.
 */
void
land_fill_key(const RelationMap *map, Relation rel, Jsonb *key, ValueInput *inputs,
			  TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, RelationGetDescr(rel)->natts * sizeof(bool));
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1);
		char *text;

		if (value_object_text(key, NameStr(att->attname), &text) != VALUE_TEXT)
			continue;
		slot->tts_values[att->attnum - 1] =
			inputs == NULL ? value_from_text(att->atttypid, text) : value_read(&inputs[i], text);
		slot->tts_isnull[att->attnum - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
}

/* Waits until nobody else writes what waits for the row; a list of Waiting. */
List *
land_settled(const RelationMap *map, Jsonb *key)
{
	TransactionId pending;
	List *waiting;

	for (;;)
	{
		waiting = evidence_waiting(map, key, &pending);
		if (!TransactionIdIsValid(pending))
			return waiting;
		CHECK_FOR_INTERRUPTS();
		XactLockTableWait(pending, NULL, NULL, XLTW_None);
	}
}

/*
 * What the creator brought into columns that take another value is kept out, and is
 * evidence.  row: without the values that land, filled: with them.
 */
void
land_record_replaced(RelationMap *map, TupleDesc desc, const Writer *writer, TupleTableSlot *row,
					 TupleTableSlot *filled, List *chosen, const Creator *creator)
{
	ConflictSet set = {0};
	Evidence e = {0};
	ListCell *lc;

	set.items = palloc0(Max(list_length(chosen), 1) * sizeof(Conflict));
	set.strictest = VERDICT_KEEP;
	foreach(lc, chosen)
	{
		const Landed *landed = lfirst(lc);
		MappedColumn *col = landed->col;
		const char *owner = map_owner(map, col, row);
		bool isnull;
		bool fnull;
		Datum value = slot_getattr(row, col->attnum, &isnull);
		Datum final = slot_getattr(filled, col->attnum, &fnull);

		if (isnull || landed->unpins || owner == NULL ||
			(creator->system != NULL && strcmp(owner, creator->system) == 0) ||
			!waits_is_brought(map, col, value, creator) ||
			!value_changed(&col->type, value, isnull, final, fnull))
			continue;
		set.items[set.n].col = col;
		set.items[set.n].owner = owner;
		set.items[set.n++].verdict = VERDICT_KEEP;
	}
	if (set.n == 0)
		return;
	e.map = map;
	e.desc = desc;
	e.writer = writer;
	e.system = creator->system;
	e.operation = OPERATION_UPDATE;
	e.outcome = VERDICT_KEEP;
	e.conflicts = &set;
	e.stored = filled;
	e.proposed = row;
	e.final = filled;
	evidence_record(&e);
}

/* What triggers changed when values landed is a write of this system in the history of the row. */
void
land_record_derived(RelationMap *map, StoredTable *t, List *chosen, const char *system)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(t->rel), &TTSOpsVirtual);
	ListCell *lc;

	slot_getallattrs(t->changed);
	ExecCopySlot(row, t->changed);
	foreach(lc, chosen)
	{
		int att = ((Landed *) lfirst(lc))->col->attnum - 1;

		row->tts_values[att] = t->slot->tts_values[att];
		row->tts_isnull[att] = t->slot->tts_isnull[att];
	}
	evidence_history(map, RelationGetDescr(t->rel), statement_writer(), system, t->slot, row);
	ExecDropSingleTupleTableSlot(row);
}

/* A value that landed is a write of its system in the history of the row, see land_record_replaced(). */
void
land_record_history(RelationMap *map, TupleDesc desc, const Writer *writer, TupleTableSlot *row,
					TupleTableSlot *filled, List *chosen)
{
	List *systems = NIL;
	ListCell *lc;

	if (map->history == NULL)
		return;
	foreach(lc, chosen)
	{
		const char *owner = map_owner(map, ((Landed *) lfirst(lc))->col, row);

		if (owner != NULL && !names_contain(systems, owner))
			systems = lappend(systems, unconstify(char *, owner));
	}
	foreach(lc, systems)
	{
		TupleTableSlot *part = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
		ListCell *lc2;

		/* the row with the values of this system alone */
		slot_getallattrs(filled);
		ExecCopySlot(part, row);
		foreach(lc2, chosen)
		{
			MappedColumn *col = ((Landed *) lfirst(lc2))->col;
			const char *owner = map_owner(map, col, row);

			if (owner == NULL || strcmp(owner, lfirst(lc)) != 0)
				continue;
			part->tts_values[col->attnum - 1] = filled->tts_values[col->attnum - 1];
			part->tts_isnull[col->attnum - 1] = filled->tts_isnull[col->attnum - 1];
		}
		evidence_history(map, desc, writer, lfirst(lc), row, part);
		ExecDropSingleTupleTableSlot(part);
	}
}

/*
 * The row was updated with the chosen values, if `updated`.
 *
 * Errors: a trigger of users has kept one of them out of the row.  So it goes on waiting.
 */
static void
check_written(RelationMap *map, StoredTable *t, List *chosen, bool updated, const bool *changes)
{
	ListCell *lc;

	foreach(lc, chosen)
	{
		MappedColumn *col = ((Landed *) lfirst(lc))->col;
		bool snull;
		bool wnull;
		Datum s = slot_getattr(t->slot, col->attnum, &snull);
		Datum w = slot_getattr(t->changed, col->attnum, &wnull);

		if (!changes[col->attnum - 1])
			continue;
		if (!updated || !value_changed(&col->type, s, snull, w, wnull))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a trigger of table \"%s\" has kept the value out of column \"%s\"",
							names_message_relation(map->schema, map->table), col->name)));
	}
}

/* Updates the row with the chosen values. */
static void
write_values(RelationMap *map, Relation rel, TupleTableSlot *found, List *chosen,
			 const Creator *creator, LandingWork *work)
{
	Bitmapset *named = NULL;
	StoredTable *t;
	ListCell *lc;
	bool *changes = palloc0(RelationGetDescr(rel)->natts * sizeof(bool));
	bool any = false;

	foreach(lc, chosen)
		named = bms_add_member(named, ((Landed *) lfirst(lc))->col->attnum -
										  FirstLowInvalidHeapAttributeNumber);
	t = stored_open(rel, named);
	trigger_list_silence(t->rri->ri_TrigDesc);
	ExecCopySlot(t->slot, found);
	t->slot->tts_tid = found->tts_tid;
	stored_copy(t);
	foreach(lc, chosen)
	{
		const Landed *landed = lfirst(lc);
		int att = landed->col->attnum - 1;

		t->changed->tts_isnull[att] = landed->text == NULL;
		if (landed->text != NULL)
			t->changed->tts_values[att] =
				value_from_text(TupleDescAttr(RelationGetDescr(rel), att)->atttypid, landed->text);
		changes[att] =
			value_changed(&landed->col->type, t->slot->tts_values[att], t->slot->tts_isnull[att],
						  t->changed->tts_values[att], t->changed->tts_isnull[att]);
		any |= changes[att];
	}
	if (any)
	{
		TupleDesc desc = RelationGetDescr(rel);

		land_record_replaced(map, desc, statement_writer(), t->slot, t->changed, chosen, creator);
		check_written(map, t, chosen, stored_update(t), changes);
		land_record_history(map, desc, statement_writer(), t->slot, t->changed, chosen);
		if (map->history != NULL)
			land_record_derived(map, t, chosen, creator->system);
		foreach(lc, chosen)
		{
			const Landed *landed = lfirst(lc);

			activity_value(map, map_owner(map, landed->col, t->slot), landed->col);
		}
	}
	work->written += list_length(chosen);
	stored_close(t);
}

/* Resolves what waited for the row: some of its values landed, or others did. */
static void
resolve(List *waiting, List *chosen, LandingWork *work)
{
	StoredTable *t;
	ListCell *lc;
	ListCell *lc2;

	if (work->evidence == NULL)
	{
		/* one for all rows: to open it costs as much as to write */
		MemoryContext old = MemoryContextSwitchTo(work->cxt);

		work->evidence = evidence_open();
		MemoryContextSwitchTo(old);
	}
	t = work->evidence;
	foreach(lc, waiting)
	{
		const Waiting *w = lfirst(lc);
		List *stuck = NIL;

		foreach(lc2, work->failed)
		{
			char *text;

			if (value_object_text(w->values, lfirst(lc2), &text) != VALUE_ABSENT)
				stuck = lappend(stuck, lfirst(lc2));
		}
		if (stuck != NIL)
			(void) evidence_still_waits(t, w, stuck, work->why, waits_taken(chosen, w));
		else
			(void) evidence_resolve(t, w, waits_taken(chosen, w));
	}
	/* what is pinned or allocated for this row does not outlive it */
	ExecClearTuple(t->slot);
	ExecClearTuple(t->changed);
}

/* Does the row have another value than the default of the column, and than the one that waits? */
static bool
is_written(const RelationMap *map, const Landed *landed, TupleTableSlot *found,
		   const Creator *creator)
{
	const MappedColumn *col = landed->col;
	const ColumnDefault *standard = waits_default(map, col, creator);
	bool isnull;
	Datum value = slot_getattr(found, col->attnum, &isnull);
	Datum waits = (Datum) 0;

	if (isnull || (standard->constant &&
				   !value_changed(&col->type, value, false, standard->value, standard->isnull)))
		return false;
	if (landed->text != NULL)
		waits = value_from_text(TupleDescAttr(found->tts_tupleDescriptor, col->attnum - 1)->atttypid,
								landed->text);
	return value_changed(&col->type, value, false, waits, landed->text == NULL);
}

/*
 * A row that nobody makes now: a value that it has by now stands before what waits,
 * which goes on waiting, with all of its group.
 */
static void
leave_written(RelationMap *map, List *chosen, TupleTableSlot *found, const Creator *creator,
			  LandingWork *work)
{
	Bitmapset *attnums = NULL;
	ListCell *lc;
	int i = -1;

	foreach(lc, chosen)
		if (is_written(map, lfirst(lc), found, creator))
			attnums = bms_add_member(attnums, ((Landed *) lfirst(lc))->col->attnum);
	attnums = evidence_add_groups(map, attnums);
	while ((i = bms_next_member(attnums, i)) >= 0)
	{
		char *name = map_column(map, i)->name;

		work->but = lappend(work->but, name);
		work->failed = lappend(work->failed, name);
		work->why = "The row has another value since.";
	}
}

/* Lets what waits for one row land in it. */
void
land_one(const LandingRow *row, LandingWork *work)
{
	List *but = work->but;
	List *failed = work->failed;
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);
	Creator creator = *work->creator;
	TupleTableSlot *key;
	TupleTableSlot *found;
	List *waiting;
	List *chosen;

	creator.level = OidIsValid(row->named) ? insert_plan_level(map, row->named) : row->level;
	map_enter();
	if (evidence_can_wait(map))
	{
		waiting = land_settled(map, row->key);
		key = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
		land_fill_key(map, rel, row->key, NULL, key);
		found = table_slot_create(rel, NULL);
		if (waiting != NIL && stored_find(rel, map->key_index, key, found, true))
		{
			chosen = waits_choose(map, waiting, found, &creator, work->but);
			if (work->by_hand || row->old)
			{
				leave_written(map, chosen, found, &creator, work);
				chosen = waits_choose(map, waiting, found, &creator, work->but);
			}
			chosen = pin_sift(map, rel, row->key, chosen, found);
			if (chosen != NIL)
				write_values(map, rel, found, chosen, &creator, work);
			resolve(waiting, chosen, work);
			work->but = but;
			work->failed = failed;
		}
		ExecDropSingleTupleTableSlot(found);
		ExecDropSingleTupleTableSlot(key);
	}
	map_leave();
	table_close(rel, NoLock);
}
