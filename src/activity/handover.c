/*
 * handover.c
 *		When a session leaves what it counted, and its rejected attempts, in shared
 *		memory for the worker: at the end of a transaction, once in
 *		half of ownership.flush_interval.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/sinval.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "activity.h"

PG_FUNCTION_INFO_V1(ownership_flush);

/*
 * Bytes of rejected attempts in a session.  From ATTEMPTS_EARLY on, the session
 * does not wait for the interval.  Beyond ATTEMPTS_MOST, attempts are lost.
 */
#define ATTEMPTS_EARLY (mailbox_largest() / 2)
#define ATTEMPTS_MOST (mailbox_largest() * 2)

/* A rejected attempt that was not handed over yet. */
typedef struct Letter
{
	slist_node node;
	uint32 length;
	char text[FLEXIBLE_ARRAY_MEMBER];
} Letter;

/* Attempts, the oldest first */
static MemoryContext attempts_cxt = NULL;

static slist_head letters = SLIST_STATIC_INIT(letters);
static slist_node *last_letter = NULL;
static Size letters_size = 0;
static int64 letters_lost = 0;

/* Hand-over */
static TimestampTz handed_over = 0; /* when this session last did */

static bool to_announce = false; /* something was left, and not reported to the worker */
static uint64 announced = 0;	 /* hand-over not known to be written; 0: none */
static bool exiting = false;
static TimeoutId idle_timeout = MAX_TIMEOUTS; /* MAX_TIMEOUTS: none */

static void hand_over_at_exit(int code, Datum arg);
static void hand_over_when_idle(void);

/* Called before anything is counted, and before an attempt is recorded. */
void
handover_begin(void)
{
	if (!counts_begin())
		return;
	attempts_cxt =
		AllocSetContextCreate(TopMemoryContext, "ownership attempts", ALLOCSET_SMALL_SIZES);
	before_shmem_exit(hand_over_at_exit, (Datum) 0);
	if (MyBackendType == B_BACKEND)
		idle_timeout = RegisterTimeout(USER_TIMEOUT, hand_over_when_idle);
	if (handed_over == 0)
		handed_over = MyStartTimestamp;
}

/*
 * Accepts an attempt, to be handed over.  Where the session has too many already,
 * the attempt is lost, but counted.
 */
void
handover_attempt(const char *text, uint32 length)
{
	Letter *letter;

	if (letters_size + length > ATTEMPTS_MOST && !slist_is_empty(&letters))
	{
		letters_lost++;
		return;
	}
	letter = MemoryContextAlloc(attempts_cxt, offsetof(Letter, text) + length);
	letter->length = length;
	memcpy(letter->text, text, length);
	if (slist_is_empty(&letters))
		slist_push_head(&letters, &letter->node);
	else
		slist_insert_after(last_letter, &letter->node);
	last_letter = &letter->node;
	letters_size += letter->length;
}

/* Has the worker look at the end of this transaction what there is to do. */
void
handover_wake(void)
{
	if (!mailbox_exists())
		return;
	handover_begin();
	to_announce = true;
	handed_over = 0;
}

/*
 * Leaves everything in shared memory, and reports that to the worker.  Raises no
 * error.  wait: for locks.  False: a lock was not free, and the session tries
 * again at the end of its next transaction.  What finds no room is tried again
 * after the interval.
 */
static bool
hand_over(bool wait)
{
	bool busy = !counts_hand_over(wait, &to_announce);

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
 * The interval is over.  In an idle session no transaction ends before the
 * client's next statement.  But when a session is asked to catch up with
 * invalidations, PostgreSQL runs an empty one.  This is a signal handler.
 */
static void
hand_over_when_idle(void)
{
	HandleCatchupInterrupt();
}

/* A transaction ended: hands over, if it is time.  Raises no error. */
void
handover_in_time(void)
{
	TimestampTz now;

	if (!counts_wait() && slist_is_empty(&letters) && !to_announce && announced == 0)
		return;
	now = GetCurrentTransactionStopTimestamp();
	if (!exiting && letters_size < ATTEMPTS_EARLY &&
		!TimestampDifferenceExceeds(handed_over, now, HANDOVER_MS))
	{
		if (idle_timeout != MAX_TIMEOUTS && !get_timeout_active(idle_timeout))
			enable_timeout_at(idle_timeout,
							  TimestampTzPlusMilliseconds(handed_over, HANDOVER_MS));
		return;
	}
	/* if the worker ended before it wrote that, this starts another one */
	if (announced != 0 && mailbox_is_written(announced))
		announced = 0;
	if (counts_wait() || !slist_is_empty(&letters) || to_announce)
	{
		if (hand_over(exiting))
			handed_over = now;
	}
	else if (announced != 0)
		handed_over = now;
	/* else no worker may be left to ask for what is kept within an interval from now on */
}

/* The session ends: hands over.  What finds no room now is lost. */
static void
hand_over_at_exit(int code, Datum arg)
{
	int64 counts;
	int64 attempts = 0;
	slist_iter iter;

	exiting = true;
	if (!mailbox_exists())
		return;
	(void) hand_over(true);
	counts = counts_give_up();
	slist_foreach(iter, &letters)
		attempts++;
	if (counts > 0 || attempts > 0)
		mailbox_dropped(attempts, counts);
	slist_init(&letters);
}

/*
 * Returns when everything that other sessions have handed over, and everything of this
 * session, is in the tables.
 *
 * Errors: the worker fails or cannot be started.
 */
void
handover_flush(void)
{
	if (!mailbox_exists())
		return;
	while (!hand_over(true) || counts_wait() || !slist_is_empty(&letters))
	{
		/* there was no room: there will be when the worker has written what is there */
		mailbox_flush();
		pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	mailbox_flush();
}

/*
 * flush(): returns when everything that other sessions have handed over, and
 * everything of this session, is in the tables.  Also deletes what was remembered
 * long enough; without a worker, nothing else does.
 *
 * Errors: recovery is in progress; the worker fails or cannot be started.
 */
Datum
ownership_flush(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("recovery is in progress"),
						errdetail("On a standby no activity is counted, and nothing is written.")));
	activity_expire();
	store_end_pins();
	store_pass();
	if (!mailbox_exists())
	{
		ereport(NOTICE,
				(errmsg("activity is not remembered"),
				 errdetail(
					 "The library \"ownership\" is not preloaded, or ownership.activity_size is 0."),
				 errhint("Set shared_preload_libraries = 'ownership' and restart the server.")));
		PG_RETURN_VOID();
	}
	handover_flush();
	PG_RETURN_VOID();
}
