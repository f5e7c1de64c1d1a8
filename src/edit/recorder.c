/*
 * recorder.c
 *		What inserts the rows of ownership.map_history, for all rows that one statement
 *		changes.
 *
 * A recorder lives from the statement's first change until its end, which the hooks
 * see (hooks.c).  Where they do not, because a replication worker applies the row or
 * the library was loaded midway, each change has an inserter of its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../statement/statement.h"
#include "edit.h"

typedef struct Recorder
{
	dlist_node node;
	int level;			   /* of the (sub)transaction */
	MemoryContext cxt;	   /* contains all of it */
	const void *statement; /* the statement's statement_key() */
	Inserter *inserter;
} Recorder;

static dlist_head recorders = DLIST_STATIC_INIT(recorders); /* below TopTransactionContext */

/* The recorder of the running statement; NULL: none, or one of an outer subtransaction. */
static Recorder *
find(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &recorders)
	{
		Recorder *r = dlist_container(Recorder, node, iter.cur);

		if (r->statement == statement_key() && r->level == GetCurrentTransactionNestLevel())
			return r;
	}
	return NULL;
}

/*
 * What inserts a row for a change that an AFTER trigger sees.  It is the same for all
 * of them that the running statement makes.  End with history_release().
 */
Inserter *
history_inserter(void)
{
	Recorder *r;
	MemoryContext cxt;
	MemoryContext old;

	if (statement_key() == NULL)
		return insert_open("map_history");
	r = find();
	if (r != NULL)
		return r->inserter;
	cxt = AllocSetContextCreate(TopTransactionContext, "ownership history", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	r = palloc0(sizeof(Recorder));
	r->cxt = cxt;
	r->statement = statement_key();
	r->level = GetCurrentTransactionNestLevel();
	r->inserter = insert_open("map_history");
	MemoryContextSwitchTo(old);
	dlist_push_tail(&recorders, &r->node);
	return r->inserter;
}

/* The row of a change was inserted. */
void
history_release(Inserter *inserter)
{
	if (statement_key() == NULL)
		insert_close(inserter);
}

/* The statement with this key ended. */
void
history_end_statement(const void *statement)
{
	dlist_mutable_iter iter;

	if (likely(dlist_is_empty(&recorders)))
		return;
	dlist_foreach_modify(iter, &recorders)
	{
		Recorder *r = dlist_container(Recorder, node, iter.cur);

		if (r->statement != statement)
			continue;
		dlist_delete(iter.cur);
		insert_close(r->inserter);
		MemoryContextDelete(r->cxt);
	}
}

/*
 * A subtransaction ends.  What the extension itself changes in one, without a statement,
 * would outlive it: its resource owner closes what it opened if it is rolled back, and
 * takes it for a leak if it is not.
 */
void
history_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &recorders)
	{
		Recorder *r = dlist_container(Recorder, node, iter.cur);

		if (r->level < level)
			continue;
		dlist_delete(iter.cur);
		if (!aborted)
			insert_close(r->inserter);
		MemoryContextDelete(r->cxt);
	}
}

/* The transaction frees their memory. */
void
history_end_transaction(void)
{
	dlist_init(&recorders);
}
