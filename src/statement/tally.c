/*
 * tally.c
 *		What one statement did on one table of the map.
 *
 * A tally lives from the first row that counts until the statement ends.  If
 * the hooks do not see its end (COPY in the statement that loads the library),
 * the tally lives until the transaction is about to commit or to be prepared.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "statement.h"

static dlist_head tallies = DLIST_STATIC_INIT(tallies); /* below TopTransactionContext */

/* The tally of the running statement on a table of the map.  Begins one where there is none. */
Tally *
tally_get(const RelationMap *map)
{
	MemoryContext cxt;
	MemoryContext old;
	dlist_iter iter;
	Tally *tally;

	dlist_foreach(iter, &tallies)
	{
		tally = dlist_container(Tally, nested.node, iter.cur);
		if (tally->statement == statement_key() && tally->home == map->home)
			return tally;
	}
	cxt = AllocSetContextCreate(TopTransactionContext, "ownership tally", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	tally = palloc0(sizeof(Tally));
	tally->cxt = cxt;
	tally->statement = statement_key();
	tally->nested.level = GetCurrentTransactionNestLevel();
	tally->home = map->home;
	tally->schema = pstrdup(map->schema);
	tally->table = pstrdup(map->table);
	MemoryContextSwitchTo(old);
	dlist_push_tail(&tallies, &tally->nested.node);
	return tally;
}

/*
 * Remembers, until the statement ends, that a column of a new row has its
 * default.  stand_in: a number for the column and its value in this row.
 */
void
tally_remember(const RelationMap *map, uint64 stand_in)
{
	Tally *tally = tally_get(map);

	if (tally->stand_ins == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = ctl.entrysize = sizeof(uint64);
		ctl.hcxt = tally->cxt;
		tally->stand_ins =
			hash_create("ownership stand-ins", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(tally->stand_ins, &stand_in, HASH_ENTER, NULL);
}

/* Was there a row of the table for which the guard did not know the named columns? */
bool
tally_was_blind(const RelationMap *map)
{
	dlist_iter iter;

	dlist_foreach(iter, &tallies)
	{
		Tally *tally = dlist_container(Tally, nested.node, iter.cur);

		if (tally->blind && tally->home == map->home)
			return true;
	}
	return false;
}

/* Was that remembered in this statement, or before the hooks were installed? */
bool
tally_remembers(const RelationMap *map, uint64 stand_in)
{
	dlist_iter iter;

	dlist_foreach(iter, &tallies)
	{
		Tally *tally = dlist_container(Tally, nested.node, iter.cur);

		if ((tally->statement == statement_key() || tally->statement == NULL) &&
			tally->home == map->home && tally->stand_ins != NULL &&
			hash_search(tally->stand_ins, &stand_in, HASH_FIND, NULL) != NULL)
			return true;
	}
	return false;
}

/*
 * Removes the tallies of the statement with this key, or all, and returns
 * them.  The caller frees them by tally_free().
 */
List *
tally_take(const void *statement, bool all)
{
	List *taken = NIL;
	dlist_mutable_iter iter;

	if (likely(dlist_is_empty(&tallies)))
		return NIL;
	dlist_foreach_modify(iter, &tallies)
	{
		Tally *tally = dlist_container(Tally, nested.node, iter.cur);

		if (!all && tally->statement != statement)
			continue;
		dlist_delete(iter.cur);
		taken = lappend(taken, tally);
	}
	return taken;
}

/* Frees the memory at once: a long transaction may run many statements. */
void
tally_free(Tally *tally)
{
	MemoryContextDelete(tally->cxt);
}

StaticAssertDecl(offsetof(Tally, nested) == 0, "drop() casts");

/* The resource owner closes what the tally's inserter has opened. */
static void
drop(Nested *nested)
{
	tally_free((Tally *) nested);
}

void
tally_end_subtransaction(bool aborted)
{
	subxact_end(&tallies, aborted, drop);
}

/* The transaction frees their memory. */
void
tally_end_transaction(void)
{
	dlist_init(&tallies);
}
