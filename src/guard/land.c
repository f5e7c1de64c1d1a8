/*
 * land.c
 *		Waiting values land in the rows that were made.
 *
 * A statement that makes rows of a shared table, or gives rows another key, collects
 * the keys of those for which something may wait, and ends by looking up each.  For the
 * others nothing waits, and its end looks at what has been signalled meanwhile
 * (rules/map_wait_signal.c): mostly nothing.  Where AFTER does not see the rows while
 * something waits, and for very many keys, all that waits is gone through, and what
 * belongs to a row that the statement wrote lands.
 * Row changes that a worker applies belong to no statement: they end with the
 * transaction.
 *
 * How it lands: land_write.c.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* What one statement made in one table of the map. */
typedef struct Landing
{
	Nested nested;		   /* the first member */
	MemoryContext cxt;	   /* contains what it points to; NULL: nothing yet */
	const void *statement; /* NULL: the transaction's end is waited for */
	Oid home;
	Creator creator;
	Oid named;		 /* the table that the statement names, for rows that were not collected */
	bool expects;	 /* not each row was collected */
	bool all;		 /* something may have waited for one of these when it was made */
	bool rekeys;	 /* rows got other keys by UPDATEs */
	CommandId first; /* of the commands of this transaction that make these rows */
	uint64 signals;	 /* map_wait_signals() before any of these was made */
	List *rows;		 /* LandingRow: those that were collected */
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

static MemoryContext
landing_context(Landing *l)
{
	if (l->cxt == NULL)
		l->cxt =
			AllocSetContextCreate(TopTransactionContext, "ownership landing", ALLOCSET_SMALL_SIZES);
	return l->cxt;
}

static Landing *
landing_for(const RelationMap *map, const Creator *creator, const void *statement)
{
	Landing *l = find_landing(statement, map->home);

	if (l != NULL)
		return l;
	l = MemoryContextAllocZero(TopTransactionContext, sizeof(Landing));
	l->statement = statement;
	l->nested.level = GetCurrentTransactionNestLevel();
	l->home = map->home;
	l->first = statement != NULL && statement == statement_key() ? statement_first_command()
																 : FirstCommandId;
	l->signals = PG_UINT64_MAX;
	l->creator = *creator;
	/* the moment of a statement lives longer than this */
	if (creator->system != NULL && statement == NULL)
		l->creator.system = MemoryContextStrdup(landing_context(l), creator->system);
	dlist_push_tail(&landings, &l->nested.node);
	return l;
}

static void
free_landing(Landing *l)
{
	if (l->cxt != NULL)
		MemoryContextDelete(l->cxt);
	pfree(l);
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

/* The table whose defaults have this level in the map (see Creator); InvalidOid: the topmost. */
static Oid
table_of_level(const RelationMap *map, int level)
{
	if (level < 0)
		return InvalidOid;
	return level == 0 ? map->relid : list_nth_oid(map->ancestors, level - 1);
}

/*
 * Not each row of the map's relation is collected.  all: something may wait for one of
 * these already; else nothing does, or it has not been heard of.
 */
static void
expect(Landing *l, const RelationMap *map, int level, bool all)
{
	if (!l->expects)
		l->named = table_of_level(map, level);
	l->expects = true;
	l->all |= all;
	l->signals = Min(l->signals, map->waits ? map_wait_signals(map->home) : map->wait_signals);
}

/*
 * A statement may make rows of the table, or give rows other keys (`rekeys`), and AFTER
 * does not collect each of them: its end looks at all that waits, or if nothing waits for
 * these rows, at what has begun to wait since.
 */
void
land_expect(const RelationMap *map, const Moment *moment, const Writer *writer,
			const void *statement, int level, bool rekeys, bool all)
{
	Creator creator;
	Landing *l;

	if (moment->enforcement != ENFORCEMENT_ON || !map_is_shared(map) || writer->relay)
		return;
	creator = creator_of(map, moment, writer);
	l = landing_for(map, &creator, statement);
	l->rekeys |= rekeys;
	expect(l, map, level, all && map->waits);
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

/* May something wait for the row, as far as is known yet? */
static bool
may_wait(const GuardCall *call, TupleTableSlot *row)
{
	return call->map->waits &&
		   evidence_may_wait(call->map, RelationGetDescr(call->td->tg_relation), row);
}

/* Collects the key of a row for the end of the statement. */
static void
collect(const GuardCall *call, TupleTableSlot *row, int level)
{
	Creator creator;
	Landing *l;
	LandingRow *made;
	MemoryContext old;

	if (call->moment->enforcement != ENFORCEMENT_ON || !evidence_can_wait(call->map) ||
		call->writer->relay)
		return;
	creator = creator_of(call->map, call->moment, call->writer);
	creator.prevails |= call->circumstances.steward;
	l = landing_for(call->map, &creator, statement_key());
	l->creator.prevails |= creator.prevails;
	l->rekeys |= level < 0;
	if (l->all || list_length(l->rows) >= LAND_KEYS)
	{
		expect(l, call->map, level, true);
		return;
	}
	if (!may_wait(call, row))
	{
		expect(l, call->map, level, false);
		return;
	}
	old = MemoryContextSwitchTo(landing_context(l));
	made = palloc(sizeof(LandingRow));
	made->relid = RelationGetRelid(call->td->tg_relation);
	made->level = level;
	made->named = InvalidOid;
	made->old = false;
	made->key = evidence_row_key_of(call->map, RelationGetDescr(call->td->tg_relation), row);
	l->rows = lappend(l->rows, made);
	MemoryContextSwitchTo(old);
}

/* Does the value land that was proposed? */
static bool
lands_as_proposed(const GuardCall *call, const Conflict *c, List *chosen, TupleTableSlot *proposed)
{
	ListCell *lc;

	foreach(lc, chosen)
	{
		const Landed *landed = lfirst(lc);
		Form_pg_attribute att;
		bool isnull;
		Datum value;

		if (landed->col != c->col)
			continue;
		value = slot_getattr(proposed, c->col->attnum, &isnull);
		att = TupleDescAttr(RelationGetDescr(call->td->tg_relation), c->col->attnum - 1);
		return landed->text != NULL && !isnull &&
			   value_same_text(att->atttypid, value_to_text(att->atttypid, value), landed->text);
	}
	return false;
}

/* Of a group, all values that are kept out must land as they were proposed. */
static bool
whole_group_lands(const ConflictSet *set, const bool *lands, int i)
{
	int group = set->items[i].col->group;

	for (int k = 0; k < set->n && group != 0; k++)
	{
		if (set->items[k].col->group == group && set->items[k].verdict == VERDICT_KEEP && !lands[k])
			return false;
	}
	return lands[i];
}

/*
 * A new row will be stored without the values that are kept out of it.  Where the value
 * that waits for it is the one that was proposed, nothing is refused: the conflict
 * gets the verdict "allow", and leaves no evidence.
 */
void
land_forgive(const GuardCall *call, ConflictSet *set, TupleTableSlot *proposed, HeapTuple amended)
{
	RelationMap *map = call->map;
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	Creator creator = creator_of(map, call->moment, call->writer);
	TupleTableSlot *row;
	List *waiting;

	if (!map->waits || call->moment->enforcement != ENFORCEMENT_ON || call->writer->relay ||
		map->pinned != NULL || !evidence_can_wait(map) || !names_key(call))
		return;
	row = conflicts_slot(call->td->tg_relation, amended);
	waiting = may_wait(call, row) ? land_settled(map, evidence_row_key_of(map, desc, row)) : NIL;
	if (waiting != NIL)
	{
		bool *lands = palloc0(set->n * sizeof(bool));
		List *chosen;

		creator.prevails |= call->circumstances.steward;
		creator.level = insertion_level(&call->new);
		chosen = waits_choose(map, waiting, row, &creator, NIL);
		for (int i = 0; i < set->n; i++)
			lands[i] = set->items[i].verdict == VERDICT_KEEP &&
					   lands_as_proposed(call, &set->items[i], chosen, proposed);
		for (int i = 0; i < set->n; i++)
			if (lands[i] && whole_group_lands(set, lands, i))
				set->items[i].verdict = VERDICT_ALLOW;
	}
	ExecDropSingleTupleTableSlot(row);
}

/* A row was made. */
void
land_row(const GuardCall *call, TupleTableSlot *row)
{
	if (names_key(call))
		collect(call, row, insertion_level(&call->new));
}

/* A row was updated, maybe to another key. */
void
land_updated(const GuardCall *call, const Bitmapset *named, TupleTableSlot *stored,
			 TupleTableSlot *row)
{
	if (map_is_shared(call->map) && map_updates_key(call->map, named) &&
		map_gives_key(call->map, stored, row))
		collect(call, row, -1);
}

/*
 * The rows of the table for which something waits, where not each of them was collected.
 * Rows that an INSERT made are among those that it, or the transaction before it, updated.
 */
static List *
find_awaited(Landing *l)
{
	WaitedFor what = {0};
	uint64 signals;
	Relation rel;
	RelationMap *map;
	List *rows = NIL;
	ListCell *lc;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(l->home)))
		return NIL;
	what.all = l->all || !map_wait_latest(l->home, l->signals, what.parts, &what.nparts);
	signals = map_wait_signals(l->home);
	rel = relation_open(l->home, AccessShareLock);
	map = land_map(rel);
	map_enter();
	if (map->waits || waiting_exists(map->schema, map->table))
	{
		/* the next statement of this session is to know it from its beginning */
		if (!map->waits)
			(void) map_forget(l->home);
		what.schema = map->schema;
		what.table = map->table;
		what.ours = true;
		what.first = l->first;
		rows = land_awaited(l->home, &what);
	}
	else
		map_wait_looked(l->home, signals);
	map_leave();
	relation_close(rel, NoLock);
	foreach(lc, rows)
	{
		LandingRow *row = lfirst(lc);

		row->named = l->named;
		row->old &= !l->rekeys;
	}
	return rows;
}

/* What a statement made is complete: what waited for it lands. */
static void
end_landing(Landing *l)
{
	bool expects = l->expects && (l->all || map_wait_is_signalled(l->home, l->signals));
	List *rows;
	MemoryContext old;

	if (!expects && l->rows == NIL)
		return;
	old = MemoryContextSwitchTo(landing_context(l));
	rows = expects ? find_awaited(l) : NIL;
	/* among all rows there are those that were collected */
	if (!l->all)
		rows = list_concat(rows, l->rows);
	if (rows != NIL)
	{
		CommandCounterIncrement();
		(void) land_write(rows, &l->creator, false);
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
		free_landing(l);
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
	RelationMap *map = land_map(rel);
	WaitedFor what = {.all = true};
	Creator creator = {0};
	List *rows;

	if (!map_is_shared(map))
		return 0;
	creator.default_policy = POLICY_KEEP; /* nobody makes the rows now */
	what.schema = map->schema;
	what.table = map->table;
	rows = land_awaited(map->home, &what);
	return rows == NIL ? 0 : land_write(rows, &creator, true);
}

StaticAssertDecl(offsetof(Landing, nested) == 0, "drop() casts");

static void
drop(Nested *nested)
{
	free_landing((Landing *) nested);
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
