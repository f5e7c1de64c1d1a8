/*
 * land.c
 *		Waiting values land in the rows that were made.
 *
 * A statement that makes rows of a shared table, or gives rows another key, ends with
 * a look at what waits for the table.  Mostly nothing does: one probe of an index.
 * Where the map says that something waits, AFTER has collected the keys of the rows,
 * and each is looked up.  Otherwise, and for statements with very many rows, all
 * that waits is gone through, and what belongs to a row of this transaction lands.
 * Row changes that a worker applies belong to no statement: they end with the
 * transaction.
 *
 * A value lands by an UPDATE of the row in a subtransaction.  A value that does not
 * fit never fails the statement: what waits for that row is tried value by value, and
 * goes on waiting where it fails.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "storage/lmgr.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* So many keys of one statement are collected; beyond that, all that waits is gone through. */
#define KEYS 1000

/* So many rows are written in one subtransaction. */
#define BATCH 500

/* A row for which something may wait. */
typedef struct LandingRow
{
	Oid relid;
	Jsonb *key;
} LandingRow;

/* What one statement made in one table of the map. */
typedef struct Landing
{
	Nested nested;		   /* the first member */
	MemoryContext cxt;	   /* contains all of it */
	const void *statement; /* NULL: the transaction's end is waited for */
	Oid home;
	char *schema;
	char *table;
	Creator creator;
	bool all;	/* not each row was collected */
	List *rows; /* LandingRow */
} Landing;

static dlist_head landings = DLIST_STATIC_INIT(landings); /* of Landing */

static Landing *
find_landing(const void *statement, Oid home)
{
	dlist_iter iter;

	dlist_foreach(iter, &landings)
	{
		Landing *l = dlist_container(Landing, nested.node, iter.cur);

		if (l->statement == statement && l->home == home)
			return l;
	}
	return NULL;
}

static Landing *
landing_for(const RelationMap *map, const Creator *creator, const void *statement)
{
	Landing *l = find_landing(statement, map->home);
	MemoryContext cxt;

	if (l != NULL)
		return l;
	cxt = AllocSetContextCreate(TopTransactionContext, "ownership landing", ALLOCSET_SMALL_SIZES);
	l = MemoryContextAllocZero(cxt, sizeof(Landing));
	l->cxt = cxt;
	l->statement = statement;
	l->nested.level = GetCurrentTransactionNestLevel();
	l->home = map->home;
	l->schema = MemoryContextStrdup(cxt, map->schema);
	l->table = MemoryContextStrdup(cxt, map->table);
	l->creator = *creator;
	if (creator->system != NULL)
		l->creator.system = MemoryContextStrdup(cxt, creator->system);
	dlist_push_tail(&landings, &l->nested.node);
	return l;
}

static Creator
creator_of(const RelationMap *map, const Moment *moment, const Writer *writer)
{
	Creator creator = {0};

	creator.system = unconstify(char *, writer_system(writer, map->source));
	creator.prevails = writer->steward || writer->relay;
	creator.default_policy = moment->default_policy;
	return creator;
}

/*
 * A statement may make rows of the table, and AFTER does not see each of them: its
 * end looks at all that waits.
 */
void
land_expect(const RelationMap *map, const Moment *moment, const Writer *writer,
			const void *statement)
{
	Creator creator;

	if (moment->enforcement != ENFORCEMENT_ON || !map_is_shared(map) || writer->relay)
		return;
	creator = creator_of(map, moment, writer);
	landing_for(map, &creator, statement)->all = true;
}

/* Does the statement name the whole key?  One that a default makes brings nothing back. */
static bool
names_key(const GuardCall *call)
{
	if (!TRIGGER_FIRED_BY_INSERT(call->td->tg_event))
		return true;
	for (int i = 0; i < call->map->nkey_attrs; i++)
	{
		const MappedColumn *col = map_any_column(call->map, call->map->key_attrs[i]);

		if (col == NULL || insertion_leaves_out(&call->new, col))
			return false;
	}
	return true;
}

/* A row was made, or got another key: its key is collected for the end of the statement. */
void
land_row(const GuardCall *call, TupleTableSlot *row)
{
	Creator creator;
	Landing *l;
	LandingRow *made;
	MemoryContext old;

	if (call->moment->enforcement != ENFORCEMENT_ON || !evidence_can_wait(call->map) ||
		call->writer->relay || !names_key(call))
		return;
	creator = creator_of(call->map, call->moment, call->writer);
	creator.prevails |= call->circumstances.steward;
	l = landing_for(call->map, &creator, statement_key());
	l->creator.prevails |= creator.prevails;
	if (l->all || list_length(l->rows) >= KEYS)
	{
		l->all = true;
		return;
	}
	old = MemoryContextSwitchTo(l->cxt);
	made = palloc(sizeof(LandingRow));
	made->relid = RelationGetRelid(call->td->tg_relation);
	made->key = evidence_row_key_of(call->map, RelationGetDescr(call->td->tg_relation), row);
	l->rows = lappend(l->rows, made);
	MemoryContextSwitchTo(old);
}

/* The map by which the statement that ends was judged; else the newest. */
static RelationMap *
map_of(Relation rel)
{
	Moment *moment = statement_seen_moment();

	return moment != NULL ? moment_map(moment, rel) : map_get(rel);
}

/*
 * Writing
 */

/* What is done in one subtransaction. */
typedef struct Work
{
	const Creator *creator;
	List *rows; /* LandingRow */
	int first;	/* the rows from this one on, before `last` */
	int last;
	bool by_hand;	 /* apply_waiting(): also what failed before */
	List *but;		 /* names of columns that take nothing now */
	List *failed;	 /* names of columns that go on waiting */
	const char *why; /* for these: the problem */
	int64 written;	 /* number of values that landed */
} Work;

/* A row with the key, for an index to find. */
TupleTableSlot *
land_key_slot(const RelationMap *map, Relation rel, Jsonb *key)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, RelationGetDescr(rel)->natts * sizeof(bool));
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1);
		char *text;

		if (value_object_text(key, NameStr(att->attname), &text) != VALUE_TEXT)
			continue;
		slot->tts_values[att->attnum - 1] = value_from_text(att->atttypid, text);
		slot->tts_isnull[att->attnum - 1] = false;
	}
	ExecStoreVirtualTuple(slot);
	return slot;
}

/* Waits until nobody else writes what waits for the row; a list of Waiting. */
static List *
settled(const RelationMap *map, Jsonb *key)
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

/* What the creator brought into columns that take another value is kept out, and is evidence. */
static void
record_replaced(RelationMap *map, StoredTable *t, List *chosen, const Creator *creator)
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
		const char *owner = map_owner(map, col, t->slot);
		bool isnull;
		Datum value = slot_getattr(t->slot, col->attnum, &isnull);

		if (isnull || owner == NULL ||
			(creator->system != NULL && strcmp(owner, creator->system) == 0) ||
			(col->defaults->constant &&
			 !value_changed(&col->type, value, false, col->defaults->value, col->defaults->isnull)) ||
			!value_changed(&col->type, value, isnull, t->changed->tts_values[col->attnum - 1],
						   t->changed->tts_isnull[col->attnum - 1]))
			continue;
		set.items[set.n].col = col;
		set.items[set.n].owner = owner;
		set.items[set.n++].verdict = VERDICT_KEEP;
	}
	if (set.n == 0)
		return;
	e.map = map;
	e.desc = RelationGetDescr(t->rel);
	e.writer = writer_current();
	e.system = creator->system;
	e.operation = OPERATION_UPDATE;
	e.outcome = VERDICT_KEEP;
	e.conflicts = &set;
	e.stored = t->changed;
	e.proposed = t->slot;
	e.final = t->changed;
	evidence_record(&e);
}

/* A value that landed is a write of its system in the history of the row. */
static void
record_history(RelationMap *map, StoredTable *t, List *chosen)
{
	List *systems = NIL;
	ListCell *lc;

	if (map->history == NULL)
		return;
	foreach(lc, chosen)
	{
		const char *owner = map_owner(map, ((Landed *) lfirst(lc))->col, t->slot);

		if (owner != NULL && !names_contain(systems, owner))
			systems = lappend(systems, unconstify(char *, owner));
	}
	foreach(lc, systems)
	{
		TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(t->rel), &TTSOpsVirtual);
		ListCell *lc2;

		/* the row with the values of this system alone */
		ExecCopySlot(row, t->slot);
		foreach(lc2, chosen)
		{
			MappedColumn *col = ((Landed *) lfirst(lc2))->col;
			const char *owner = map_owner(map, col, t->slot);

			if (owner == NULL || strcmp(owner, lfirst(lc)) != 0)
				continue;
			row->tts_values[col->attnum - 1] = t->changed->tts_values[col->attnum - 1];
			row->tts_isnull[col->attnum - 1] = t->changed->tts_isnull[col->attnum - 1];
		}
		evidence_history(map, RelationGetDescr(t->rel), writer_current(), lfirst(lc), t->slot, row);
		ExecDropSingleTupleTableSlot(row);
	}
}

/* Updates the row with the chosen values. */
static void
write_values(RelationMap *map, Relation rel, TupleTableSlot *found, List *chosen, Work *work)
{
	Bitmapset *named = NULL;
	StoredTable *t;
	ListCell *lc;
	bool changes = false;

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
		changes |=
			value_changed(&landed->col->type, t->slot->tts_values[att], t->slot->tts_isnull[att],
						  t->changed->tts_values[att], t->changed->tts_isnull[att]);
	}
	if (changes)
	{
		record_replaced(map, t, chosen, work->creator);
		stored_update(t);
		record_history(map, t, chosen);
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
resolve(List *waiting, List *chosen, const Work *work)
{
	StoredTable *t = evidence_open();
	ListCell *lc;
	ListCell *lc2;

	foreach(lc, waiting)
	{
		const Waiting *w = lfirst(lc);
		const char *resolution = "superseded";
		List *stuck = NIL;

		foreach(lc2, work->failed)
		{
			char *text;

			if (value_object_text(w->values, lfirst(lc2), &text) != VALUE_ABSENT)
				stuck = lappend(stuck, lfirst(lc2));
		}
		foreach(lc2, chosen)
		{
			if (((Landed *) lfirst(lc2))->from == w)
				resolution = "applied";
		}
		if (stuck != NIL)
			(void) evidence_still_waits(t, w, stuck, work->why);
		else
			(void) evidence_resolve(t, w, resolution);
	}
	stored_close(t);
}

/* Leaves out what failed before, unless a user asks for it. */
static List *
without_stuck(List *waiting)
{
	List *rest = NIL;
	ListCell *lc;

	foreach(lc, waiting)
		if (!((Waiting *) lfirst(lc))->stuck)
			rest = lappend(rest, lfirst(lc));
	return rest;
}

/*
 * apply_waiting(): a value that the row has by now stands before what waits, which
 * goes on waiting.
 */
static void
leave_written(List *chosen, TupleTableSlot *found, Work *work)
{
	ListCell *lc;

	foreach(lc, chosen)
	{
		MappedColumn *col = ((Landed *) lfirst(lc))->col;
		bool isnull;
		Datum value = slot_getattr(found, col->attnum, &isnull);

		if (isnull ||
			(col->defaults->constant &&
			 !value_changed(&col->type, value, false, col->defaults->value, col->defaults->isnull)))
			continue;
		work->but = lappend(work->but, col->name);
		work->failed = lappend(work->failed, col->name);
		work->why = "The row has another value since.";
	}
}

/* Lets what waits for one row land in it. */
static void
land_one(const LandingRow *row, Work *work)
{
	List *but = work->but;
	List *failed = work->failed;
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = map_of(rel);
	TupleTableSlot *key;
	TupleTableSlot *found;
	List *waiting;
	List *chosen;

	map_enter();
	if (evidence_can_wait(map))
	{
		waiting = settled(map, row->key);
		if (!work->by_hand)
			waiting = without_stuck(waiting);
		key = land_key_slot(map, rel, row->key);
		found = table_slot_create(rel, NULL);
		if (waiting != NIL && stored_find(rel, map->key_index, key, found, true))
		{
			chosen = waits_choose(map, waiting, found, work->creator, work->but);
			if (work->by_hand)
			{
				leave_written(chosen, found, work);
				chosen = waits_choose(map, waiting, found, work->creator, work->but);
			}
			chosen = pin_sift(map, rel, row->key, chosen);
			if (chosen != NIL)
				write_values(map, rel, found, chosen, work);
			resolve(waiting, chosen, work);
			map_waits_no_more(map);
			work->but = but;
			work->failed = failed;
		}
		ExecDropSingleTupleTableSlot(found);
		ExecDropSingleTupleTableSlot(key);
	}
	map_leave();
	table_close(rel, NoLock);
}

/* Lets what waits for several rows land. */
static bool
land_rows(void *arg)
{
	Work *work = arg;
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership landing row", ALLOCSET_SMALL_SIZES);

	for (int i = work->first; i < work->last; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		CHECK_FOR_INTERRUPTS();
		land_one(list_nth(work->rows, i), work);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
	return true;
}

/* The names of the columns of the table that take a value. */
static List *
candidate_names(const LandingRow *row)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = map_of(rel);
	List *names = NIL;
	ListCell *lc;

	foreach(lc, settled(map, row->key))
	{
		ListCell *lc2;

		foreach(lc2, value_object_names(((Waiting *) lfirst(lc))->values))
		{
			if (!names_contain(names, lfirst(lc2)))
				names = lappend(names, lfirst(lc2));
		}
	}
	table_close(rel, NoLock);
	return names;
}

/* Of the names, those of the columns that are one value with this one. */
static List *
names_of_value(const LandingRow *row, const char *name, List *names)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = map_of(rel);
	MappedColumn *col = map_column(map, get_attnum(row->relid, name));
	List *value = NIL;
	ListCell *lc;

	foreach(lc, names)
	{
		MappedColumn *other = map_column(map, get_attnum(row->relid, lfirst(lc)));

		if (strcmp(lfirst(lc), name) == 0 ||
			(col != NULL && other != NULL && col->group != 0 && col->group == other->group))
			value = lappend(value, lfirst(lc));
	}
	table_close(rel, NoLock);
	return value;
}

/* Only tries whether the value of one column fits: rolls back. */
static bool
try_rows(void *arg)
{
	(void) land_rows(arg);
	return false;
}

/* Not all values of the row fit: finds out which, and lets the others land. */
static void
land_value_by_value(Work *work)
{
	List *names = candidate_names(list_nth(work->rows, work->first));
	List *failed = NIL;
	ErrorData *error;
	ListCell *lc;

	foreach(lc, names)
	{
		Work one = *work;

		one.but = list_difference_ptr(names, names_of_value(list_nth(work->rows, work->first),
															lfirst(lc), names));
		error = subxact_trial(try_rows, &one);
		if (error != NULL)
		{
			failed = lappend(failed, lfirst(lc));
			work->why = error->message;
		}
	}
	work->but = list_concat_copy(work->but, failed);
	work->failed = failed;
	error = subxact_trial(land_rows, work);
	if (error != NULL)
	{
		/* each value fits, but not all of them together */
		work->failed = names;
		work->but = names;
		work->why = error->message;
		error = subxact_trial(land_rows, work);
		if (error != NULL)
			ReThrowError(error);
	}
	work->but = work->failed = NIL;
}

/* Begins the tally outside of the subtransactions, because what it opens is closed later. */
static void
begin_tally(const LandingRow *row)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = map_of(rel);

	if (map->mapped)
		(void) tally_get(map);
	table_close(rel, NoLock);
}

/* Lets what waits for the rows land; returns the number of values. */
static int64
land(List *rows, const Creator *creator, bool by_hand)
{
	Work work = {0};

	work.creator = creator;
	work.rows = rows;
	work.by_hand = by_hand;
	begin_tally(linitial(rows));
	for (int i = 0; i < list_length(rows); i += BATCH)
	{
		int end = Min(i + BATCH, list_length(rows));
		int64 written = work.written;

		work.first = i;
		work.last = end;
		if (subxact_trial(land_rows, &work) == NULL)
			continue;
		work.written = written;
		for (int k = i; k < end; k++)
		{
			work.first = k;
			work.last = k + 1;
			written = work.written;
			work.but = work.failed = NIL;
			if (subxact_trial(land_rows, &work) == NULL)
				continue;
			work.written = written;
			work.but = work.failed = NIL;
			land_value_by_value(&work);
		}
	}
	return work.written;
}

/*
 * Going through all that waits
 */

/* Is the row with the key there, and did this transaction write it last, if `ours` is set? */
static bool
is_there(Oid relid, Jsonb *key, bool ours)
{
	Relation rel = table_open(relid, RowExclusiveLock);
	RelationMap *map = map_of(rel);
	bool there = false;

	if (rel->rd_rel->relkind == RELKIND_RELATION && evidence_can_wait(map))
	{
		TupleTableSlot *found = table_slot_create(rel, NULL);
		TupleTableSlot *wanted = land_key_slot(map, rel, key);
		TransactionId pending;
		bool isnull;

		if (ours)
			there =
				stored_look(rel, map->key_index, wanted, found, false, &pending) == STORED_THERE &&
				TransactionIdIsCurrentTransactionId(DatumGetTransactionId(
					slot_getsysattr(found, MinTransactionIdAttributeNumber, &isnull)));
		else
			there = stored_find(rel, map->key_index, wanted, found, false);
		ExecDropSingleTupleTableSlot(found);
		ExecDropSingleTupleTableSlot(wanted);
	}
	table_close(rel, NoLock);
	return there;
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return compareJsonbContainers(&((Jsonb *) lfirst(a))->root, &((Jsonb *) lfirst(b))->root);
}

/* The keys (Jsonb) for which something waits; stuck: also where all failed before. */
static List *
waiting_keys(const char *schema, const char *table, bool stuck)
{
	List *keys = NIL;
	List *once = NIL;
	WaitingScan scan;
	ListCell *lc;

	if (!waiting_begin(&scan, schema, table, NULL))
		return NIL;
	while (waiting_next(&scan))
	{
		bool isnull;
		Datum key;

		(void) slot_getattr(scan.slot, Anum_conflict_problem, &isnull);
		if (!isnull && !stuck)
			continue;
		key = slot_getattr(scan.slot, Anum_conflict_row_key, &isnull);
		if (!isnull)
			keys = lappend(keys, DatumGetJsonbPCopy(key));
	}
	waiting_end(&scan);
	list_sort(keys, compare_keys);
	foreach(lc, keys)
	{
		if (once == NIL || compareJsonbContainers(&((Jsonb *) llast(once))->root,
												  &((Jsonb *) lfirst(lc))->root) != 0)
			once = lappend(once, lfirst(lc));
	}
	return once;
}

/* The rows of a table on the map for which something waits, in it and in its partitions. */
static List *
rows_awaited(Oid home, const char *schema, const char *table, bool ours)
{
	List *keys = waiting_keys(schema, table, !ours);
	List *relids;
	List *rows = NIL;
	ListCell *lc;
	ListCell *lc2;

	if (keys == NIL)
		return NIL;
	/* what this statement wrote is visible from now on */
	CommandCounterIncrement();
	relids = find_all_inheritors(home, RowExclusiveLock, NULL);
	foreach(lc, keys)
	{
		foreach(lc2, relids)
		{
			LandingRow *row;

			if (!is_there(lfirst_oid(lc2), lfirst(lc), ours))
				continue;
			row = palloc(sizeof(LandingRow));
			row->relid = lfirst_oid(lc2);
			row->key = lfirst(lc);
			rows = lappend(rows, row);
		}
	}
	return rows;
}

/* What a statement made is complete: what waited for it lands. */
static void
end_landing(Landing *l)
{
	MemoryContext old = MemoryContextSwitchTo(l->cxt);
	List *rows = l->rows;

	if (l->all)
		rows = waiting_exists(l->schema, l->table) &&
					   SearchSysCacheExists1(RELOID, ObjectIdGetDatum(l->home))
				   ? rows_awaited(l->home, l->schema, l->table, true)
				   : NIL;
	if (rows != NIL)
	{
		CommandCounterIncrement();
		(void) land(rows, &l->creator, false);
	}
	MemoryContextSwitchTo(old);
}

/* Ends the landings of a statement; all: of all statements. */
static void
end_landings(const void *statement, bool all)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &landings)
	{
		Landing *l = dlist_container(Landing, nested.node, iter.cur);

		if (!all && l->statement != statement)
			continue;
		dlist_delete(&l->nested.node);
		end_landing(l);
		MemoryContextDelete(l->cxt);
	}
}

/* The statement with this key ended. */
void
land_statement(const void *statement)
{
	if (unlikely(!dlist_is_empty(&landings)))
		end_landings(statement, false);
}

/* The transaction is about to commit, or to be prepared. */
void
land_all(void)
{
	if (unlikely(!dlist_is_empty(&landings)))
		end_landings(NULL, true);
}

/*
 * Lets what waits for rows of a table land, although the rows were not made now.
 * Returns the number of values.
 */
int64
land_table(Relation rel)
{
	RelationMap *map = map_of(rel);
	Creator creator = {0};
	List *rows;

	if (!map_is_shared(map))
		return 0;
	creator.default_policy = POLICY_KEEP; /* nobody makes the rows now */
	rows = rows_awaited(map->home, map->schema, map->table, false);
	return rows == NIL ? 0 : land(rows, &creator, true);
}

StaticAssertDecl(offsetof(Landing, nested) == 0, "drop() casts");

static void
drop(Nested *nested)
{
	MemoryContextDelete(((Landing *) nested)->cxt);
}

void
land_end_subtransaction(bool aborted)
{
	subxact_end(&landings, aborted, drop);
}

/* The transaction frees their memory. */
void
land_end_transaction(void)
{
	dlist_init(&landings);
}
