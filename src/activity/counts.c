/*
 * counts.c
 *		What a session has counted: added up in its own memory, and handed over
 *		to shared memory when a transaction ends.
 *
 * Reads and rejected attempts count even if the transaction rolls back.  Writes
 * and the other conflicts wait until their (sub)transaction commits or is prepared:
 * the first few of a transaction one by one in a list, all others in a Delta.
 * They are then added to a Total that was allocated when they were counted: nothing
 * can fail at that point.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../rules/rules.h"
#include "activity.h"

/* A table and a writer, whose counts are added up. */
typedef struct TotalKey
{
	Oid extension; /* as in CounterKey */
	Oid home;	   /* the table that stands on the map */
	int system;	   /* of counts_system() */
} TotalKey;

static MemoryContext counts_cxt = NULL;
static char **systems = NULL; /* by counts_system() - 1 */
static int nsystems = 0;
static HTAB *totals = NULL;
static dlist_head deltas = DLIST_STATIC_INIT(deltas);
static uint32 stamp = 0; /* of the running statement, for reads */

/* A number for the system's name, the same in all of this session; 0: unidentified (NULL). */
int
counts_system(const char *system)
{
	if (system == NULL)
		return 0;
	for (int i = 0; i < nsystems; i++)
		if (strcmp(systems[i], system) == 0)
			return i + 1;
	systems = systems == NULL ? MemoryContextAlloc(counts_cxt, sizeof(char *))
							  : repalloc(systems, (nsystems + 1) * sizeof(char *));
	systems[nsystems] = MemoryContextStrdup(counts_cxt, system);
	return ++nsystems;
}

/* Adds to a count. */
static void
count(Counts *counts, CountKind kind, TimestampTz at, int64 n)
{
	counts->n[kind] += n;
	if (counts->first_seen == 0)
		counts->first_seen = at;
	if (kind == COUNT_READS)
		counts->last_read = at;
	else if (kind == COUNT_WRITES)
		counts->last_write = at;
}

/* A statement starts: counts_read() counts a column once for each statement. */
void
counts_new_statement(void)
{
	stamp++;
}

/* What the session has counted for a table and a writer, and not handed over. */
typedef struct Total
{
	TotalKey key;
	int natts;
	Counts *counts; /* by attribute number; at WHOLE_ROW those of the table's rows */
	uint32 *stamps; /* by attribute number: the statement that read it last */
	bool dirty;		/* in the list: it may have something to hand over */
	struct Total *next_dirty;
} Total;

/* What a (sub)transaction adds to a Total when it commits. */
typedef struct Delta
{
	dlist_node node;
	int level; /* of transactions */
	Total *total;
	int natts;
	Counts *counts;
} Delta;

/* Something that counts for a column if the transaction commits. */
typedef struct Single
{
	Total *total;
	AttrNumber attnum;
	CountKind kind;
	TimestampTz at;
} Single;

/* Most transactions count less than that: they need no Delta. */
#define SINGLES 32

/* What was counted in the transaction itself, outside subtransactions. */
static Single singles[SINGLES];

static int nsingles = 0;

static Total *dirty = NULL; /* first of the list */

/* Called before anything is counted.  False: it was called before. */
bool
counts_begin(void)
{
	HASHCTL ctl;

	if (likely(counts_cxt != NULL))
		return false;
	memset(&ctl, 0, sizeof(ctl));
	counts_cxt =
		AllocSetContextCreate(TopMemoryContext, "ownership activity", ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(TotalKey);
	ctl.entrysize = sizeof(Total);
	ctl.hcxt = counts_cxt;
	totals = hash_create("ownership totals", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return true;
}

/* Of the last look-up.  An entry never moves. */
static Total *last_total = NULL;

/* The Total of a table and a writer; has room for that many columns (1 or more) afterwards. */
static Total *
find_total(Oid home, int system, int natts)
{
	TotalKey key = {0};
	Total *total;
	bool found;

	key.extension = outline_extension();
	key.home = home;
	key.system = system;
	total = hash_search(totals, &key, HASH_ENTER, &found);
	if (!found)
	{
		total->natts = 0;
		total->counts = NULL;
		total->stamps = NULL;
		total->dirty = false;
	}
	if (total->natts < natts)
	{
		Counts *counts = MemoryContextAllocZero(counts_cxt, (natts + 1) * sizeof(Counts));
		uint32 *stamps = MemoryContextAllocZero(counts_cxt, (natts + 1) * sizeof(uint32));

		if (total->natts > 0)
		{
			memcpy(counts, total->counts, (total->natts + 1) * sizeof(Counts));
			pfree(total->counts);
			pfree(total->stamps);
		}
		total->counts = counts;
		total->stamps = stamps;
		total->natts = natts;
	}
	last_total = total;
	return total;
}

/* The same; most look-ups are for the same one. */
static inline Total *
total_of(Oid home, int system, int natts)
{
	Total *total = last_total;

	if (likely(total != NULL && total->key.home == home && total->key.system == system &&
			   total->key.extension == outline_extension() && total->natts >= natts))
		return total;
	return find_total(home, system, natts);
}

static void
mark_dirty(Total *total)
{
	if (total->dirty)
		return;
	total->dirty = true;
	total->next_dirty = dirty;
	dirty = total;
}

/* What the innermost (sub)transaction, which has that level, adds to a column's counts. */
static Counts *
pending_counts(Oid home, int system, AttrNumber attnum, int level)
{
	Total *total = total_of(home, system, Max(attnum, 1));
	Delta *delta = NULL;
	dlist_iter iter;

	/* those of the innermost transaction come first */
	dlist_foreach(iter, &deltas)
	{
		Delta *d = dlist_container(Delta, node, iter.cur);

		if (d->level < level)
			break;
		if (d->total == total)
		{
			delta = d;
			break;
		}
	}
	if (delta == NULL)
	{
		delta = MemoryContextAllocZero(TopTransactionContext, sizeof(Delta));
		delta->level = level;
		delta->total = total;
		dlist_push_head(&deltas, &delta->node);
	}
	if (delta->natts < Max(attnum, 1))
	{
		int natts = total->natts;
		Counts *counts = MemoryContextAllocZero(TopTransactionContext, (natts + 1) * sizeof(Counts));

		if (delta->natts > 0)
			memcpy(counts, delta->counts, (delta->natts + 1) * sizeof(Counts));
		delta->counts = counts;
		delta->natts = natts;
	}
	return &delta->counts[attnum];
}

/* A statement reads a column of a table that has `natts`. */
void
counts_read(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at)
{
	Total *total = total_of(home, system, Max(attnum, natts));

	if (total->stamps[attnum] == stamp)
		return;
	total->stamps[attnum] = stamp;
	count(&total->counts[attnum], COUNT_READS, at, 1);
	mark_dirty(total);
}

/* A write of a column, or of a row, is rejected: it counts even if the transaction rolls back. */
void
counts_rejected(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at)
{
	Total *total = total_of(home, system, Max(Max(attnum, natts), 1));

	count(&total->counts[attnum], COUNT_REJECTED, at, 1);
	mark_dirty(total);
}

/* Something else that counts for a column, or for a row, if the (sub)transaction commits. */
void
counts_at_commit(Oid home, int system, AttrNumber attnum, CountKind kind, TimestampTz at)
{
	if (likely(nsingles < SINGLES && GetCurrentTransactionNestLevel() == 1))
		singles[nsingles++] = (Single){total_of(home, system, Max(attnum, 1)), attnum, kind, at};
	else
		count(pending_counts(home, system, attnum, GetCurrentTransactionNestLevel()), kind, at, 1);
}

/*
 * So many rows wrote a column: counts them, if the (sub)transaction of that level
 * commits.  Nothing was counted at a deeper level.
 */
void
counts_rows(Oid home, int system, AttrNumber attnum, int64 rows, int level)
{
	if (rows > 0)
		count(pending_counts(home, system, attnum, level), COUNT_WRITES,
			  GetCurrentStatementStartTimestamp(), rows);
}

/*
 * Hands over the counts of a Total's columns in a block, and sets those that were handed
 * over to zero.  Columns that were counted alike go together.
 */
static MailResult
hand_over_block(Total *total, CounterKey *key, bool wait, bool *sent)
{
	const int first = key->block * BLOCK_COLUMNS;
	const int last = Min(total->natts + 1, first + BLOCK_COLUMNS);
	MailResult worst = MAIL_SENT;

	for (int i = first; i < last; i++)
	{
		const Counts counts = total->counts[i];
		MailResult result;
		uint64 counted;

		if (counts_empty(&counts))
			continue;
		key->columns = 0;
		for (int j = i; j < last; j++)
			if (memcmp(&total->counts[j], &counts, sizeof(Counts)) == 0)
				key->columns |= UINT64CONST(1) << (j - first);
		result = mailbox_count(key, &counts, wait, &counted);
		for (int j = i; j < last; j++)
			if ((counted >> (j - first) & 1) != 0)
				memset(&total->counts[j], 0, sizeof(Counts));
		*sent |= counted != 0;
		if (result == MAIL_BUSY)
			return MAIL_BUSY;
		if (result == MAIL_FULL)
			worst = MAIL_FULL;
	}
	return worst;
}

/* The same for all columns of a Total. */
static MailResult
hand_over_total(Total *total, bool wait, bool *sent)
{
	MailResult worst = MAIL_SENT;
	CounterKey key;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.extension = total->key.extension;
	key.relation = total->key.home;
	if (total->key.system > 0)
		strlcpy(key.system, systems[total->key.system - 1], NAMEDATALEN);
	for (; key.block * BLOCK_COLUMNS <= total->natts && total->natts > 0; key.block++)
	{
		MailResult result = hand_over_block(total, &key, wait, sent);

		if (result == MAIL_BUSY)
			return MAIL_BUSY;
		if (result == MAIL_FULL)
			worst = MAIL_FULL;
	}
	if (worst != MAIL_SENT)
		return worst;
	/* a session may use very many tables; but what waits for the commit needs the room */
	if (dlist_is_empty(&deltas) && nsingles == 0 && total->natts > 0)
	{
		pfree(total->counts);
		pfree(total->stamps);
		total->natts = 0;
	}
	return MAIL_SENT;
}

/*
 * Adds all counts to those in shared memory.  What finds no room there is tried
 * again the next time.  wait: for locks; else false where one was not free.
 * *sent becomes true if the worker has something to write.  Raises no error.
 */
bool
counts_hand_over(bool wait, bool *sent)
{
	Total *total = dirty;
	bool busy = false;

	dirty = NULL;
	while (total != NULL)
	{
		Total *next = total->next_dirty;

		total->dirty = false;
		if (busy)
			mark_dirty(total);
		else
		{
			MailResult result = hand_over_total(total, wait, sent);

			if (result != MAIL_SENT)
				mark_dirty(total);
			busy = result == MAIL_BUSY;
		}
		total = next;
	}
	return !busy;
}

/* Are there counts that were not handed over? */
bool
counts_wait(void)
{
	return dirty != NULL;
}

/* The session ends: drops what could not be handed over, and returns how much that is. */
int64
counts_give_up(void)
{
	int64 lost = 0;

	for (Total *total = dirty; total != NULL; total = total->next_dirty)
		for (int i = 0; i <= total->natts && total->natts > 0; i++)
			for (int k = 0; k < COUNT_KINDS; k++)
				lost += total->counts[i].n[k];
	dirty = NULL;
	return lost;
}

/* Adds what waited for the commit to the totals, which have the room.  Raises no error. */
static void
settle(void)
{
	dlist_iter iter;

	for (int i = 0; i < nsingles; i++)
	{
		const Single *single = &singles[i];

		count(&single->total->counts[single->attnum], single->kind, single->at, 1);
		mark_dirty(single->total);
	}
	dlist_foreach(iter, &deltas)
	{
		Delta *delta = dlist_container(Delta, node, iter.cur);

		for (int i = 0; i <= delta->natts && delta->natts > 0; i++)
			if (!counts_empty(&delta->counts[i]))
				counts_add(&delta->total->counts[i], &delta->counts[i]);
		mark_dirty(delta->total);
	}
}

/* The transaction ended.  Raises no error. */
void
counts_end_transaction(bool aborted)
{
	if (!aborted)
		settle();
	nsingles = 0;
	/* the transaction frees their memory */
	dlist_init(&deltas);
}

/* Adds a delta to that of the transaction above.  False: that has none. */
static bool
merge_delta(Delta *delta, int level)
{
	dlist_iter iter;

	dlist_foreach(iter, &deltas)
	{
		Delta *above = dlist_container(Delta, node, iter.cur);

		if (above->level != level || above->total != delta->total)
			continue;
		if (above->natts < delta->natts)
		{
			Counts *counts = above->counts;
			int natts = above->natts;

			above->counts = delta->counts;
			above->natts = delta->natts;
			delta->counts = counts;
			delta->natts = natts;
		}
		for (int i = 0; i <= delta->natts; i++)
			counts_add(&above->counts[i], &delta->counts[i]);
		return true;
	}
	return false;
}

/* The subtransaction ended: its deltas belong to the transaction above, or are dropped. */
void
counts_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &deltas)
	{
		Delta *delta = dlist_container(Delta, node, iter.cur);

		if (delta->level < level)
			break;
		if (!aborted && !merge_delta(delta, level - 1))
			delta->level = level - 1;
		else
		{
			dlist_delete(iter.cur);
			pfree(delta->counts);
			pfree(delta);
		}
	}
}
