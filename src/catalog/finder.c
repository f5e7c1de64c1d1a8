/*
 * finder.c
 *		Looks for rows of a table that an Inserter fills, in one of its indexes.
 *
 * A finder stays open as long as its inserter: for all rows of a statement.  Between
 * two searches it pins no buffer, so a subtransaction may end there.  It reads with a
 * dirty snapshot, which also sees what concurrent transactions have not committed yet,
 * and takes no predicate locks.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/snapshot.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "catalog.h"

/*
 * The inserter's finder for the index with this name, of which all key columns but the
 * last are searched for.  NULL: there is no such index.
 */
Finder *
finder_get(Inserter *inserter, const char *index)
{
	Finder *f;
	Oid indexid;
	MemoryContext old;

	for (f = inserter->finders; f != NULL; f = f->next)
	{
		if (strcmp(f->name, index) == 0)
			return f;
	}
	indexid = catalog_table(index, true);
	if (!OidIsValid(indexid))
		return NULL;
	old = MemoryContextSwitchTo(inserter->cxt);
	f = palloc0(sizeof(Finder));
	f->name = pstrdup(index);
	f->cxt = inserter->cxt;
	f->index = index_open(indexid, AccessShareLock);
	f->nkeys = IndexRelationGetNumberOfKeyAttributes(f->index) - 1;
	InitDirtySnapshot(f->dirty);
	f->scan = compat_index_beginscan(inserter->rel, f->index, &f->dirty, f->nkeys);
	f->scan->xs_want_itup = true;
	f->slot = table_slot_create(inserter->rel, NULL);
	f->next = inserter->finders;
	inserter->finders = f;
	MemoryContextSwitchTo(old);
	return f;
}

/* Begins a search by f->keys, of which the caller has set all. */
void
finder_begin(Finder *f)
{
	/* a scan allocates what it needs later, too */
	MemoryContext old = MemoryContextSwitchTo(f->cxt);

	index_rescan(f->scan, f->keys, f->nkeys, NULL, 0);
	MemoryContextSwitchTo(old);
}

/* Reads the next row into f->slot, in the order of the index, backward; false: there is none. */
bool
finder_next(Finder *f)
{
	MemoryContext old = MemoryContextSwitchTo(f->cxt);
	bool found = index_getnext_slot(f->scan, BackwardScanDirection, f->slot);

	MemoryContextSwitchTo(old);
	return found;
}

/* Ends a search. */
void
finder_end(Finder *f)
{
	ExecClearTuple(f->slot);
	index_rescan(f->scan, NULL, f->nkeys, NULL, 0);
}

/* Closes the finders of an inserter. */
void
finder_close(Inserter *inserter)
{
	for (Finder *f = inserter->finders; f != NULL; f = f->next)
	{
		index_endscan(f->scan);
		ExecDropSingleTupleTableSlot(f->slot);
		index_close(f->index, AccessShareLock);
	}
	inserter->finders = NULL;
}
