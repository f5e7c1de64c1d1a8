/*
 * counters.c
 *		The counters in shared memory: one for a column and a writer or, where room is
 *		scarce, one for columns of a table that were counted alike.
 *
 * A column of its own has a counter while less than half of a partition is in use: so
 * there are never more than pairs of a column and a writer, however sessions
 * differ in what they read.  Beyond, columns that have no counter and were counted alike
 * share one: a session that reads each column of a table takes one counter for it.  The
 * worker adds up for each column what all of its counters say.  Nothing is estimated.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"

#include "activity.h"

/* Adds b to a.  first_seen becomes the earlier of the two, the other times the later. */
void
counts_add(Counts *a, const Counts *b)
{
	for (int i = 0; i < COUNT_KINDS; i++)
		a->n[i] += b->n[i];
	if (a->first_seen == 0 || (b->first_seen != 0 && b->first_seen < a->first_seen))
		a->first_seen = b->first_seen;
	a->last_read = Max(a->last_read, b->last_read);
	a->last_write = Max(a->last_write, b->last_write);
}

/* Are all counts zero? */
bool
counts_empty(const Counts *counts)
{
	for (int i = 0; i < COUNT_KINDS; i++)
		if (counts->n[i] != 0)
			return false;
	return true;
}

/*
 * Adds counts to the counter of exactly these columns.  room: makes one where there is
 * none, but only in a partition of which less than that is in use; MAIL_FULL else.
 */
static MailResult
count(const CounterKey *key, const Counts *counts, bool wait, long room)
{
	int partition = mailbox_partition(key);
	HTAB *table = counter_table[partition];
	Counter *counter;
	bool found;

	if (!mailbox_take(&mailbox_locks[partition].lock, wait))
		return MAIL_BUSY;
	counter = hash_search(table, key,
						  hash_get_num_entries(table) < room ? HASH_ENTER_NULL : HASH_FIND, &found);
	if (counter != NULL)
	{
		if (!found)
			memset(&counter->counts, 0, sizeof(Counts));
		counts_add(&counter->counts, counts);
	}
	LWLockRelease(&mailbox_locks[partition].lock);
	return counter != NULL ? MAIL_SENT : MAIL_FULL;
}

/*
 * Adds counts to each column of the key.  wait: for locks; else MAIL_BUSY where one is not
 * free.  *counted: the columns for which it was done; all of them with MAIL_SENT.
 */
MailResult
mailbox_count(const CounterKey *key, const Counts *counts, bool wait, uint64 *counted)
{
	const long size = mailbox_counter_count();
	CounterKey rest = *key;
	MailResult result;

	*counted = 0;
	for (uint64 columns = key->columns; columns != 0; columns &= columns - 1)
	{
		CounterKey one = *key;

		one.columns = columns ^ (columns & (columns - 1));
		result = count(&one, counts, wait, size / 2);
		if (result == MAIL_BUSY)
			return MAIL_BUSY;
		if (result == MAIL_SENT)
			*counted |= one.columns;
	}
	rest.columns &= ~*counted;
	if (rest.columns == 0)
		return MAIL_SENT;
	result = count(&rest, counts, wait, size);
	if (result == MAIL_SENT)
	{
		*counted = key->columns;
		if ((rest.columns & (rest.columns - 1)) != 0)
			pg_atomic_fetch_add_u64(&mailbox_shared->folded, pg_popcount64(rest.columns));
	}
	return result;
}

/* A copy of the database's counters, in the current memory context.  *n: how many. */
Counter *
mailbox_counters(Oid database, int *n)
{
	Size size = 64;
	Counter *copy = palloc(size * sizeof(Counter));

	*n = 0;
	for (int i = 0; i < PARTITIONS; i++)
	{
		HASH_SEQ_STATUS scan;
		Counter *counter;
		long entries;

		/* allocates without the lock; new counters that do not fit then are copied the next time */
		LWLockAcquire(&mailbox_locks[i].lock, LW_SHARED);
		entries = hash_get_num_entries(counter_table[i]);
		LWLockRelease(&mailbox_locks[i].lock);
		if ((Size) (*n + entries) > size)
		{
			size = (*n + entries) * 2;
			copy = repalloc_huge(copy, size * sizeof(Counter));
		}
		LWLockAcquire(&mailbox_locks[i].lock, LW_SHARED);
		hash_seq_init(&scan, counter_table[i]);
		while ((counter = hash_seq_search(&scan)) != NULL)
		{
			if (counter->key.database != database)
				continue;
			if ((Size) *n == size)
			{
				hash_seq_term(&scan);
				break;
			}
			copy[(*n)++] = *counter;
		}
		LWLockRelease(&mailbox_locks[i].lock);
	}
	return copy;
}

/* Subtracts what was copied and is in the table now.  Raises no error. */
void
mailbox_counters_written(const Counter *copy, int n)
{
	for (int i = 0; i < n; i++)
	{
		int partition = mailbox_partition(&copy[i].key);
		Counter *counter;

		LWLockAcquire(&mailbox_locks[partition].lock, LW_EXCLUSIVE);
		counter = hash_search(counter_table[partition], &copy[i].key, HASH_FIND, NULL);
		if (counter != NULL)
		{
			for (int k = 0; k < COUNT_KINDS; k++)
				counter->counts.n[k] -= copy[i].counts.n[k];
			if (counts_empty(&counter->counts))
				(void) hash_search(counter_table[partition], &copy[i].key, HASH_REMOVE, NULL);
		}
		LWLockRelease(&mailbox_locks[partition].lock);
	}
}
