/*
 * rows.c
 *		Reads a table, or a sample of its pages, and groups its rows by what tells who
 *		wrote them.
 *
 * Rows are read as a query of the table would read them, by the snapshot of the
 * statement.  Nothing of the table is run: no policy, no function, no operator.
 * The pages of a sample are spread evenly over the table, in an order of which each
 * beginning is spread evenly, too; so the same table gives the same answer.
 */
#include "postgres.h"

#include <math.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "discover.h"

/* So many different values of columns are kept apart. */
#define MOST_VALUES 1000

/* What is read of a table, while it is read. */
typedef struct Reading
{
	DiscoverRun *run;
	TableRows *table;
	HTAB *groups;	/* of RowGroup */
	int values;		/* groups of TOLD_BY_COLUMN */
	RowGroup *last; /* of the previous row */
	MemoryContext row;
} Reading;

static void
begin_groups(Reading *reading)
{
	HASHCTL ctl = {.keysize = sizeof(RowGroupKey),
				   .entrysize = sizeof(RowGroup),
				   .hcxt = CurrentMemoryContext};

	reading->groups = hash_create("ownership rows", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	reading->values = 0;
	reading->last = NULL;
	reading->table->read = 0;
}

static RowGroup *
group_of(Reading *reading, RowGroupKey *key)
{
	RowGroup *group;
	bool found;

	if (reading->last != NULL && memcmp(&reading->last->key, key, sizeof(RowGroupKey)) == 0)
		return reading->last;
	group = hash_search(reading->groups, key, HASH_FIND, NULL);
	if (group == NULL)
	{
		/* further values count together, but for names of systems */
		if (key->told == TOLD_BY_COLUMN && reading->values++ >= MOST_VALUES &&
			discover_system_named(reading->run, key->value) == NULL)
			memset(key->value, 0, sizeof(key->value));
		group = hash_search(reading->groups, key, HASH_ENTER, &found);
		if (!found)
			memset((char *) group + sizeof(RowGroupKey), 0, sizeof(RowGroup) - sizeof(RowGroupKey));
	}
	reading->last = group;
	return group;
}

/* Counts a row. */
static void
count_row(Reading *reading, TupleTableSlot *slot)
{
	bool should_free;
	HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	TransactionId xid = HeapTupleHeaderGetRawXmin(tuple->t_data);
	RowGroupKey key = {0};
	RowGroup *group;
	RepOriginId id;
	TimestampTz at;
	Told told = discover_commit(reading->run->tracking, xid,
								HeapTupleHeaderXminFrozen(tuple->t_data), &at, &id);

	if (told == TOLD_BY_ORIGIN)
	{
		DiscoverOrigin *origin = discover_origin(reading->run, id);

		if (!origin->there)
			told = UNTOLD_GONE;
		else if (!discover_origin_is_older(origin, xid, at))
			told = UNTOLD_REUSED;
		else
			key.origin = id;
	}
	key.told = told;
	if (told != TOLD_BY_ORIGIN && reading->table->tellers != NIL)
	{
		MemoryContext old = MemoryContextSwitchTo(reading->row);

		(void) discover_tell(reading->run, reading->table->tellers, slot, &key);
		MemoryContextSwitchTo(old);
		MemoryContextReset(reading->row);
	}
	group = group_of(reading, &key);
	group->rows++;
	if (at != 0)
	{
		if (group->since == 0 || at < group->since)
			group->since = at;
		if (at > group->until)
			group->until = at;
	}
	reading->table->read++;
	if (should_free)
		heap_freetuple(tuple);
}

/* Reads all rows, but no more than `most`.  Returns false if there are more. */
static bool
read_whole(Reading *reading, Relation rel, TupleTableSlot *slot, int64 most)
{
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	bool whole = true;

	while (whole && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (reading->table->read >= most)
			whole = false;
		else
			count_row(reading, slot);
	}
	table_endscan(scan);
	ExecClearTuple(slot);
	return whole;
}

static BlockNumber
common_divisor(BlockNumber a, BlockNumber b)
{
	while (b != 0)
	{
		BlockNumber rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* How far apart, in a circle of n pages, the next page of a sample is: by the golden section. */
static BlockNumber
stride_over(BlockNumber n)
{
	BlockNumber stride = Max((BlockNumber) (n * 0.6180339887498949), 1);

	while (common_divisor(n, stride) != 1)
		stride++;
	return stride;
}

/* Reads pages until there are so many rows, or so many pages were read. */
static void
read_sample(Reading *reading, Relation rel, TupleTableSlot *slot, int64 sample,
			BlockNumber most_pages)
{
	TableRows *table = reading->table;
	BlockNumber n = table->npages;
	BlockNumber stride = stride_over(n);
	BlockNumber page = 0;
	TableScanDesc scan = NULL;

	while (table->pages < n && table->pages < most_pages && table->read < sample)
	{
		ItemPointerData first;
		ItemPointerData last;

		ItemPointerSet(&first, page, FirstOffsetNumber);
		ItemPointerSet(&last, page, MaxOffsetNumber);
		if (scan == NULL)
			scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &first, &last);
		else
			table_rescan_tidrange(scan, &first, &last);
		while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
			count_row(reading, slot);
		CHECK_FOR_INTERRUPTS();
		table->pages++;
		page = (BlockNumber) (((uint64) page + stride) % n);
	}
	if (scan != NULL)
		table_endscan(scan);
	ExecClearTuple(slot);
	table->whole = table->pages == n;
}

static int
compare_groups(const void *a, const void *b)
{
	const RowGroup *x = *(RowGroup *const *) a;
	const RowGroup *y = *(RowGroup *const *) b;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	if (x->key.told != y->key.told)
		return x->key.told - y->key.told;
	if (x->key.origin != y->key.origin)
		return (int) x->key.origin - (int) y->key.origin;
	if (x->key.teller != y->key.teller)
		return x->key.teller - y->key.teller;
	return strcmp(x->key.value, y->key.value);
}

/*
 * The rows of a table, which is open, in groups: all rows, if there are no more than
 * `exact`; else about `sample` of them, from no more than `most_pages` pages.
 * source: the system that the table is a private copy of, or NULL.  The result is in
 * the current memory context.
 */
TableRows *
discover_rows(DiscoverRun *run, Relation rel, const char *source, int64 exact, int64 sample,
			  BlockNumber most_pages)
{
	TableRows *table = palloc0(sizeof(TableRows));
	Reading reading = {.run = run, .table = table};
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	HASH_SEQ_STATUS status;
	RowGroup *group;

	table->tellers = discover_tellers(rel);
	table->npages = RelationGetNumberOfBlocks(rel);
	reading.row = AllocSetContextCreate(CurrentMemoryContext, "ownership row", ALLOCSET_SMALL_SIZES);
	begin_groups(&reading);
	if (exact > 0 && read_whole(&reading, rel, slot, exact))
		table->whole = true;
	else if (table->npages > 0)
	{
		begin_groups(&reading);
		read_sample(&reading, rel, slot, sample, most_pages);
	}
	ExecDropSingleTupleTableSlot(slot);

	table->groups = palloc(hash_get_num_entries(reading.groups) * sizeof(RowGroup *));
	hash_seq_init(&status, reading.groups);
	while ((group = hash_seq_search(&status)) != NULL)
	{
		if (group->key.told == TOLD_BY_ORIGIN)
		{
			DiscoverOrigin *origin = discover_origin(run, group->key.origin);

			group->name = origin->name;
			group->system = origin->carrier && source != NULL ? source : origin->system;
		}
		else if (group->key.told == TOLD_BY_COLUMN && group->key.value[0] != '\0')
		{
			group->name = group->key.value;
			group->system = discover_system_named(run, group->key.value);
		}
		table->groups[table->ngroups++] = group;
	}
	qsort(table->groups, table->ngroups, sizeof(RowGroup *), compare_groups);
	return table;
}

/* About how many rows of the table a number of rows stands for that was read. */
int64
discover_estimate(const TableRows *table, int64 rows)
{
	if (table->whole || table->pages == 0)
		return rows;
	return (int64) rint((double) rows * table->npages / table->pages);
}
