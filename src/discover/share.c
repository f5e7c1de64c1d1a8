/*
 * share.c
 *		Who wrote most rows of a table, in a few words, by a sample: for the guide.
 *
 * It says nothing, and waits for nothing, where a table cannot be read now.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "discover.h"

#define SAMPLED_ROWS 10000 /* of a table with all its partitions */
#define LEAST_ROWS 100	   /* of a partition */
#define MOST_PAGES 1000	   /* of a table with all its partitions */
#define MOST_NAMED 3	   /* writers */

/* Rows of which one writer is known. */
typedef struct Share
{
	char *name;
	int64 rows;
} Share;

static void
add_share(List **shares, const char *name, int64 rows, MemoryContext cxt)
{
	MemoryContext old;
	Share *share;
	ListCell *lc;

	foreach(lc, *shares)
	{
		share = lfirst(lc);
		if (strcmp(share->name, name) == 0)
		{
			share->rows += rows;
			return;
		}
	}
	old = MemoryContextSwitchTo(cxt);
	share = palloc(sizeof(Share));
	share->name = pstrdup(name);
	share->rows = rows;
	*shares = lappend(*shares, share);
	MemoryContextSwitchTo(old);
}

static int
compare_shares(const ListCell *a, const ListCell *b)
{
	const Share *x = lfirst(a);
	const Share *y = lfirst(b);

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Adds the rows of one table; returns about how many it has. */
static int64
add_table(DiscoverRun *run, Oid relid, const char *source, int members, List **shares)
{
	Relation rel;
	MemoryContext cxt;
	MemoryContext old;
	TableRows *table;
	int64 total = 0;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return 0;
	rel = try_table_open(relid, NoLock);
	if (rel == NULL || rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP || discover_unreadable(rel) != NULL ||
		(!run->tracking && discover_tellers(rel) == NIL))
	{
		if (rel != NULL)
			table_close(rel, NoLock);
		UnlockRelationOid(relid, AccessShareLock);
		return 0;
	}
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership sample", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	table = discover_rows(run, rel, source, 0, Max(SAMPLED_ROWS / members, LEAST_ROWS),
						  Max(MOST_PAGES / members, 1));
	table_close(rel, AccessShareLock);
	total = discover_estimate(table, table->read);
	for (int i = 0; i < table->ngroups; i++)
	{
		RowGroup *group = table->groups[i];

		/* a person's name in a column is no evidence of a system */
		if (group->name != NULL &&
			(group->system != NULL || group->key.told == TOLD_BY_ORIGIN ||
			 ((Teller *) list_nth(table->tellers, group->key.teller))->kind == TELLER_LOADER))
			add_share(shares, group->system != NULL ? group->system : group->name,
					  discover_estimate(table, group->rows), old);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return total;
}

/*
 * Who wrote the rows of a table and its partitions, such as "erp_feed: 98 % of rows,
 * crm_feed: 2 %": a system, else a subscription, an origin or a name in a column.
 * NULL: nothing is known.
 */
char *
discover_share(DiscoverRun *run, Oid relid)
{
	List *members = list_make1_oid(relid);
	List *shares = NIL;
	int64 total = 0;
	int named = 0;
	TablePlace place;
	char *source;
	StringInfoData text;
	ListCell *lc;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		members = find_all_inheritors(relid, NoLock, NULL);
	if (!place_of(relid, &place))
		return NULL;
	source = lookup_table_source(place.schema, place.table);
	foreach(lc, members)
		total += add_table(run, lfirst_oid(lc), source, list_length(members), &shares);
	list_sort(shares, compare_shares);

	initStringInfo(&text);
	foreach(lc, shares)
	{
		Share *share = lfirst(lc);
		/* not 100 where there are others */
		int percent = share->rows >= total ? 100 : (int) (100.0 * share->rows / total);

		if (percent == 0 || named == MOST_NAMED)
			break;
		appendStringInfo(&text, named++ == 0 ? "%s: %d %% of rows" : ", %s: %d %%", share->name,
						 percent);
	}
	return named == 0 ? NULL : text.data;
}
