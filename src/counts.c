/*
 * counts.c
 *		What a session has counted: added up in its own memory, and handed over
 *		to shared memory when a transaction ends.
 *
 * Reads and rejected attempts have happened, whatever becomes of the
 * transaction.  Writes and the other conflicts wait in a Delta of their
 * (sub)transaction until that commits or is prepared.  What they are added to
 * then was allocated when they were counted: nothing can fail at that point.
 */
#include "ownership.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/*
 * Bytes of rejected attempts in a session: from the first on they do not wait
 * for the interval, and beyond the second they are lost.
 */
#define ATTEMPTS_EARLY (mailbox_largest() / 2)
#define ATTEMPTS_MOST (mailbox_largest() * 2)

/* What is added up of one table and writer. */
typedef struct TotalKey
{
	Oid extension;
	Oid home;
	int system; /* index into systems + 1; 0: unidentified */
} TotalKey;

typedef struct Total
{
	TotalKey key;
	int natts;
	Counts *counts; /* by attribute number - 1 */
	uint32 *stamps; /* the statement that read it last */
	bool dirty;
	struct Total *next_dirty;
} Total;

/* What a (sub)transaction adds to a Total when it commits. */
typedef struct Delta
{
	dlist_node node;
	int level; /* of nesting */
	Total *total;
	int natts;
	Counts *counts;
} Delta;

/* A rejected attempt on its way. */
typedef struct Letter
{
	slist_node node;
	uint32 length;
	char text[FLEXIBLE_ARRAY_MEMBER];
} Letter;

/* Counts */
static MemoryContext counts_cxt = NULL;
static char **systems = NULL;
static int nsystems = 0;
static HTAB *totals = NULL;
static Total *dirty = NULL;
static dlist_head deltas = DLIST_STATIC_INIT(deltas);
static uint32 stamp = 0;

/* Attempts */
static slist_head letters = SLIST_STATIC_INIT(letters);
static slist_node *last_letter = NULL;
static Size letters_size = 0;
static int64 letters_lost = 0;

/* Hand-over */
static TimestampTz handed_over = 0; /* then */
static bool to_announce = false;
static uint64 announced = 0; /* not known to be written; 0: all is */
static bool exiting = false;
static TimeoutId idle_timeout = MAX_TIMEOUTS; /* MAX_TIMEOUTS: none */

static void hand_over_at_exit(int code, Datum arg);
static void hand_over_when_idle(void);

/* Before anything is counted. */
void
count_begin(void)
{
	HASHCTL ctl = {0};

	if (counts_cxt != NULL)
		return;
	counts_cxt =
		AllocSetContextCreate(TopMemoryContext, "ownership activity", ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(TotalKey);
	ctl.entrysize = sizeof(Total);
	ctl.hcxt = counts_cxt;
	totals = hash_create("ownership totals", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	before_shmem_exit(hand_over_at_exit, (Datum) 0);
	if (MyBackendType == B_BACKEND)
		idle_timeout = RegisterTimeout(USER_TIMEOUT, hand_over_when_idle);
	if (handed_over == 0)
		handed_over = MyStartTimestamp;
}

/* A number for the system's name, within this session; 0: NULL. */
int
count_system(const char *system)
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

/* The counts of a table and a writer, with room for that many columns. */
static Total *
total_of(Oid home, int system, int natts)
{
	/* entries stay where they are, and most look-ups are for the same one */
	static Total *total = NULL;
	TotalKey key = {0};
	bool found;

	key.extension = sight_extension();
	key.home = home;
	key.system = system;
	if (total == NULL || memcmp(&total->key, &key, sizeof(key)) != 0)
	{
		total = hash_search(totals, &key, HASH_ENTER, &found);
		if (!found)
		{
			total->natts = 0;
			total->counts = NULL;
			total->stamps = NULL;
			total->dirty = false;
		}
	}
	if (unlikely(total->natts < natts))
	{
		Counts *counts = MemoryContextAllocZero(counts_cxt, natts * sizeof(Counts));
		uint32 *stamps = MemoryContextAllocZero(counts_cxt, natts * sizeof(uint32));

		if (total->natts > 0)
		{
			memcpy(counts, total->counts, total->natts * sizeof(Counts));
			pfree(total->counts);
			pfree(total->stamps);
		}
		total->counts = counts;
		total->stamps = stamps;
		total->natts = natts;
	}
	return total;
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

/* What this (sub)transaction adds to a column's counts. */
static Counts *
pending_counts(Oid home, int system, AttrNumber attnum)
{
	Total *total = total_of(home, system, attnum);
	int level = GetCurrentTransactionNestLevel();
	Delta *delta = NULL;
	dlist_iter iter;

	/* the innermost transaction's are the first */
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
	if (delta->natts < attnum)
	{
		int natts = total->natts;
		Counts *counts = MemoryContextAllocZero(TopTransactionContext, natts * sizeof(Counts));

		if (delta->natts > 0)
			memcpy(counts, delta->counts, delta->natts * sizeof(Counts));
		delta->counts = counts;
		delta->natts = natts;
	}
	return &delta->counts[attnum - 1];
}

static void
count(Counts *counts, CountKind kind, TimestampTz at)
{
	counts->n[kind]++;
	if (counts->first_seen == 0)
		counts->first_seen = at;
	if (kind == COUNT_READS)
		counts->last_read = at;
	else if (kind == COUNT_WRITES)
		counts->last_write = at;
}

/* A new statement: count_read() counts a column once for each. */
void
count_new_statement(void)
{
	stamp++;
}

/* A statement reads a column of a table that has `natts`. */
void
count_read(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at)
{
	Total *total = total_of(home, system, Max(attnum, natts));

	if (total->stamps[attnum - 1] == stamp)
		return;
	total->stamps[attnum - 1] = stamp;
	count(&total->counts[attnum - 1], COUNT_READS, at);
	mark_dirty(total);
}

/* A rejected write of a column: it counts whatever becomes of the transaction. */
void
count_rejected(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at)
{
	Total *total = total_of(home, system, Max(attnum, natts));

	count(&total->counts[attnum - 1], COUNT_REJECTED, at);
	mark_dirty(total);
}

/* Something else of a column, which counts if the (sub)transaction commits. */
void
count_at_commit(Oid home, int system, AttrNumber attnum, CountKind kind, TimestampTz at)
{
	count(pending_counts(home, system, attnum), kind, at);
}

/*
 * Take an attempt on its way; lost, but counted, where the session has too
 * many of them already.
 */
void
count_attempt(const char *text, uint32 length)
{
	Letter *letter;

	if (letters_size + length > ATTEMPTS_MOST && !slist_is_empty(&letters))
	{
		letters_lost++;
		return;
	}
	letter = MemoryContextAlloc(counts_cxt, offsetof(Letter, text) + length);
	letter->length = length;
	memcpy(letter->text, text, length);
	if (slist_is_empty(&letters))
		slist_push_head(&letters, &letter->node);
	else
		slist_insert_after(last_letter, &letter->node);
	last_letter = &letter->node;
	letters_size += letter->length;
}

/*
 * Handing over
 */

/* All counts of a table and writer; what was left is zero afterwards. */
static MailResult
hand_over_total(Total *total, bool wait)
{
	CounterKey key;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.extension = total->key.extension;
	key.relation = total->key.home;
	if (total->key.system > 0)
		strlcpy(key.system, systems[total->key.system - 1], NAMEDATALEN);
	for (int i = 0; i < total->natts; i++)
	{
		MailResult result;

		if (counts_empty(&total->counts[i]))
			continue;
		key.attnum = i + 1;
		result = mailbox_count(&key, &total->counts[i], wait);
		if (result != MAIL_SENT)
			return result;
		memset(&total->counts[i], 0, sizeof(Counts));
		to_announce = true;
	}
	/* a session may see a great many tables; but what is pending needs the room */
	if (dlist_is_empty(&deltas) && total->natts > 0)
	{
		pfree(total->counts);
		pfree(total->stamps);
		total->natts = 0;
	}
	return MAIL_SENT;
}

/*
 * Leave everything in shared memory, and tell the worker.  Raises no error.
 * Without a wait a lock that is not free puts it off to the next transaction;
 * what finds no room is tried again after the interval.
 */
static bool
hand_over(bool wait)
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
			MailResult result = hand_over_total(total, wait);

			if (result != MAIL_SENT)
				mark_dirty(total);
			busy = result == MAIL_BUSY;
		}
		total = next;
	}

	while (!busy && !slist_is_empty(&letters))
	{
		Letter *letter = slist_head_element(Letter, node, &letters);
		MailResult result = mailbox_post(letter->text, letter->length, wait);

		busy = result == MAIL_BUSY;
		if (result != MAIL_SENT)
			break;
		(void) slist_pop_head_node(&letters);
		letters_size -= letter->length;
		pfree(letter);
		to_announce = true;
	}
	if (letters_lost > 0 && !busy)
	{
		mailbox_dropped(letters_lost, 0);
		letters_lost = 0;
	}

	if (to_announce && !busy)
	{
		uint64 number = mailbox_announce(wait);

		if (number == 0)
			busy = true;
		else
		{
			announced = number;
			to_announce = false;
		}
	}
	return !busy;
}

/*
 * The interval is over.  In an idle session nothing would end a transaction
 * before the client's next statement; but where PostgreSQL is asked to catch
 * up with invalidations, it runs an empty one.  This is a signal handler.
 */
static void
hand_over_when_idle(void)
{
	HandleCatchupInterrupt();
}

/* A transaction ended. */
static void
hand_over_in_time(void)
{
	TimestampTz now;

	if (dirty == NULL && slist_is_empty(&letters) && !to_announce && announced == 0)
		return;
	now = GetCurrentTimestamp();
	if (!exiting && letters_size < ATTEMPTS_EARLY &&
		!TimestampDifferenceExceeds(handed_over, now, ownership_flush_interval))
	{
		if (idle_timeout != MAX_TIMEOUTS && !get_timeout_active(idle_timeout))
			enable_timeout_at(idle_timeout,
							  TimestampTzPlusMilliseconds(handed_over, ownership_flush_interval));
		return;
	}
	/* should the worker have come to grief meanwhile, another one goes on */
	if (announced != 0 && mailbox_is_written(announced))
		announced = 0;
	if (dirty == NULL && slist_is_empty(&letters) && !to_announce)
		handed_over = now;
	else if (hand_over(exiting))
		handed_over = now;
}

/* The session ends: what finds no room now is lost. */
static void
hand_over_at_exit(int code, Datum arg)
{
	int64 counts = 0;
	int64 attempts = 0;
	slist_iter iter;

	exiting = true;
	if (!mailbox_exists())
		return;
	(void) hand_over(true);
	for (Total *total = dirty; total != NULL; total = total->next_dirty)
		for (int i = 0; i < total->natts; i++)
			for (int k = 0; k < COUNT_KINDS; k++)
				counts += total->counts[i].n[k];
	slist_foreach(iter, &letters)
		attempts++;
	if (counts > 0 || attempts > 0)
		mailbox_dropped(attempts, counts);
	dirty = NULL;
	slist_init(&letters);
}

/* Adds what committed to the totals, which have the room.  Raises no error. */
static void
settle_deltas(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &deltas)
	{
		Delta *delta = dlist_container(Delta, node, iter.cur);

		for (int i = 0; i < delta->natts; i++)
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
		settle_deltas();
	/* their memory goes with the transaction */
	dlist_init(&deltas);
	hand_over_in_time();
}

/* Adds a delta to that of the transaction above, if there is one. */
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
		for (int i = 0; i < delta->natts; i++)
			counts_add(&above->counts[i], &delta->counts[i]);
		return true;
	}
	return false;
}

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

PG_FUNCTION_INFO_V1(ownership_flush);

/*
 * flush(): returns when all that was handed over before, and all of this
 * session's own, is in the tables.
 *
 * Errors: the library is not preloaded; recovery is in progress; the worker
 * fails or cannot be started.
 */
Datum
ownership_flush(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("recovery is in progress"),
						errdetail("On a standby no activity is counted, and nothing is written.")));
	if (!mailbox_exists())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity is not remembered"),
				 errdetail(
					 "The library \"ownership\" is not preloaded, or ownership.activity_size is 0."),
				 errhint("Set shared_preload_libraries = 'ownership' and restart the server.")));
	while (!hand_over(true) || dirty != NULL || !slist_is_empty(&letters))
	{
		/* there was no room: there is some when that is written */
		mailbox_flush();
		pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	mailbox_flush();
	PG_RETURN_VOID();
}
