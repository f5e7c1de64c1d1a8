/*
 * applied.c
 *		The row changes that a replication worker applies in one transaction, by relation.
 *
 * The guard looks at the first changes of each kind until APPLIED_LOOKED have written
 * something: their columns are counted, once for each row.  Every further one counts as a write of
 * the columns that those wrote, because each column of a row that is compared costs as
 * much as applying it.  A column that only later rows wrote is not counted.
 *
 * Further changes are added up in `further`, and counted when the (sub)transaction in
 * which they were made ends or begins another one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../rules/rules.h"
#include "activity.h"

static HTAB *relations = NULL; /* of AppliedRows */
static uint64 serial = 1;	   /* changes with each transaction, and with what is rolled back */
static dlist_head unsettled = DLIST_STATIC_INIT(unsettled);

/* What the running transaction has applied to a relation. */
AppliedRows *
applied_to(Oid relid)
{
	/* an entry never moves, and most look-ups are for the same one */
	static AppliedRows *applied = NULL;
	bool found;

	if (unlikely(relations == NULL))
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(AppliedRows);
		ctl.hcxt = CacheMemoryContext;
		relations =
			hash_create("ownership applied", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (applied == NULL || applied->relid != relid)
	{
		applied = hash_search(relations, &relid, HASH_ENTER, &found);
		if (!found)
			applied->serial = 0;
	}
	if (applied->serial != serial)
	{
		memset(applied, 0, sizeof(AppliedRows));
		applied->relid = relid;
		applied->serial = serial;
	}
	return applied;
}

/* A row change wrote the column of the table on the map: further ones count like it. */
void
applied_wrote(AppliedRows *applied, Operation operation, Oid home, int system, AttrNumber attnum)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	applied->home = home;
	applied->system = system;
	applied->columns[operation] = bms_add_member(applied->columns[operation], attnum);
	MemoryContextSwitchTo(old);
}

/* So many further row changes were applied, at this nesting level. */
void
applied_further(AppliedRows *applied, Operation operation, int64 rows, int level)
{
	if (rows <= 0)
		return;
	if (!applied->waits)
	{
		applied->waits = true;
		applied->level = level;
		dlist_push_tail(&unsettled, &applied->node);
	}
	applied->further[operation] += rows;
}

/* Counts the further row changes; `aborted`: they are rolled back, and do not count. */
void
applied_settle(bool aborted)
{
	while (unlikely(!dlist_is_empty(&unsettled)))
	{
		AppliedRows *applied = dlist_head_element(AppliedRows, node, &unsettled);

		for (Operation operation = OPERATION_INSERT; operation <= OPERATION_DELETE; operation++)
		{
			int attnum = -1;

			while (!aborted && (attnum = bms_next_member(applied->columns[operation], attnum)) >= 0)
				counts_rows(applied->home, applied->system, attnum, applied->further[operation],
							applied->level);
			applied->further[operation] = 0;
		}
		applied->waits = false;
		dlist_delete(&applied->node);
	}
}

/* The transaction ended, or a part of it was rolled back: the next change is the first one. */
void
applied_forget(void)
{
	applied_settle(true);
	serial++;
}
