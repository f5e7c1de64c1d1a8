/*
 * activity.h
 *		What sessions read, write and attempt, on its way to the extension's tables.
 */
#ifndef OWNERSHIP_ACTIVITY_H
#define OWNERSHIP_ACTIVITY_H

#include "access/attnum.h"
#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"

/*
 * For other folders
 */

/* The texts of a rejected attempt: columns of ownership.conflict, NULL where those are. */
typedef enum AttemptText
{
	ATTEMPT_SCHEMA,
	ATTEMPT_TABLE,
	ATTEMPT_KEY,
	ATTEMPT_OPERATION,
	ATTEMPT_SYSTEM,
	ATTEMPT_ROLE,
	ATTEMPT_ORIGIN,
	ATTEMPT_APPLICATION,
	ATTEMPT_COLUMNS,
	ATTEMPT_STORED,
	ATTEMPT_PROPOSED
} AttemptText;

#define ATTEMPT_TEXTS (ATTEMPT_PROPOSED + 1)

/* A write that is rejected with an error. */
typedef struct Attempt
{
	Oid extension; /* the OID of its table activity */
	TimestampTz at;
	const char *texts[ATTEMPT_TEXTS];
} Attempt;

/* The columns that a COPY writes. */
typedef struct CopyWrites
{
	Oid relid;		  /* InvalidOid: no privilege was checked yet */
	int system;		  /* of counts_system() */
	Bitmapset *names; /* columns, as CompatPerms has them */
	bool known;		  /* `system` is set */
} CopyWrites;

/* So many row changes of each kind that write something are looked at, of a relation in a transaction. */
#define APPLIED_LOOKED 16

/* What a replication worker has applied to one relation in the running transaction. */
typedef struct AppliedRows
{
	Oid relid;	   /* hash key */
	uint64 serial; /* of the transaction; another one: nothing else here is right */
	int rows[OPERATION_DELETE + 1]; /* that wrote something, and were looked at, by Operation */
	bool disturbed;					/* statements were run meanwhile */
	bool arrived;					/* a row that wrote nothing was counted */
	struct Clearance *clearance;	/* the guard's, see lift_apply.c; NULL: none */
	/* what the rows that were looked at wrote: columns of the table on the map */
	Oid home;
	int system; /* of counts_system() */
	Bitmapset *columns[OPERATION_DELETE + 1];
	/* row changes that were not looked at, and wait to be counted */
	dlist_node node;
	bool waits; /* in the list */
	int level;	/* of transactions */
	int64 further[OPERATION_DELETE + 1];
} AppliedRows;

/* applied.c */
extern AppliedRows *applied_to(Oid relid);
extern void applied_further(AppliedRows *applied, Operation operation, int64 rows, int level);
extern void applied_settle(bool aborted);
extern void applied_forget(void);

/*
 * In milliseconds: what was counted waits so long in its session, and then so long
 * in shared memory.  A server that crashes loses what waits.
 */
#define HANDOVER_MS (ownership_flush_interval / 2)

/* shmem.c */
extern bool mailbox_exists(void);
extern bool mailbox_remembers(void);
extern void mailbox_init(void);

/* counts.c */
extern void counts_new_statement(void);
extern void counts_end_transaction(bool aborted);
extern void counts_end_subtransaction(bool aborted);

/* handover.c */
extern void handover_in_time(void);
extern void handover_flush(void);

/* reads.c */
extern int reads_do_not_count(void);
extern void reads_count_again(int level);
extern bool activity_counts(void);
extern bool activity_traffic_counts(void);
extern void reads_begin(bool only_explained);
extern void reads_started(void);
extern bool reads_are_seen(void);
extern void reads_see(const CompatPerms *perms);

/* writes.c */
extern void activity_row(const RelationMap *map, const char *system, Operation operation,
						 const Bitmapset *named, const NewRow *new, TupleTableSlot *stored,
						 TupleTableSlot *written, ColumnRange range);
extern void activity_value(const RelationMap *map, const char *system, const MappedColumn *col);
extern void writes_watch(struct QueryDesc *query);
extern void writes_count(struct QueryDesc *query);
extern void writes_end_subtransaction(bool aborted);
extern void writes_end_transaction(void);

/* writes_copy.c */
extern void writes_see_copy(const CompatPerms *perms);
extern CopyWrites *writes_enter_copy(CopyWrites *copy);
extern void writes_leave_copy(CopyWrites *outer);
extern void writes_count_copy(const void *statement, const CopyWrites *copy);
extern void writes_count_first_copy(Oid relid, Bitmapset *names, Moment *moment);

/* conflicts.c */
extern void activity_conflict(const RelationMap *map, const char *system,
							  const ConflictSet *conflicts, Verdict outcome);
extern void activity_attempt(const RelationMap *map, const char *system,
							 const ConflictSet *conflicts, Verdict outcome, Attempt *attempt);
extern void activity_parked(const RelationMap *map, const char *system);

/* handover.c */
extern void handover_wake(void);

/* arrive.c */
extern void arrive_look(void);

/*
 * Within this folder
 */

/*
 * What is counted for a column and a writer: columns of ownership.activity.  Of rows
 * (WHOLE_ROW), conflicts are counted by outcome: rows of ownership.conflict_count.
 */
typedef enum CountKind
{
	COUNT_READS,	/* statements */
	COUNT_WRITES,	/* statements, or replicated row changes */
	COUNT_OBSERVED, /* rows, as are the following */
	COUNT_FILLED,
	COUNT_KEPT,
	COUNT_REJECTED,
	COUNT_OVERRIDDEN,
	COUNT_DISCARDED, /* of rows only, as the following */
	COUNT_PARKED
} CountKind;

#define COLUMN_COUNT_KINDS (COUNT_OVERRIDDEN + 1)
#define COUNT_KINDS (COUNT_PARKED + 1)

/*
 * In the place of an attribute number: the rows of the table that were in conflict.  Their
 * COUNT_WRITES are of rows that came and wrote no column: they say when the last one did.
 */
#define WHOLE_ROW InvalidAttrNumber

/* What was counted for one column and writer. */
typedef struct Counts
{
	int64 n[COUNT_KINDS];
	TimestampTz first_seen; /* 0: never; the same for the following */
	TimestampTz last_read;
	TimestampTz last_write;
} Counts;

#define BLOCK_COLUMNS 64

/* What a counter counts: each of these columns.  It is hashed by its bytes, and has no gaps. */
typedef struct CounterKey
{
	Oid database;
	Oid extension;	/* the OID of its table activity */
	Oid relation;	/* the table that stands on the map */
	int32 block;	/* the columns from attribute number block * BLOCK_COLUMNS on */
	uint64 columns; /* of the block: bit 0 is its first one; in the first block, WHOLE_ROW */
	char system[NAMEDATALEN]; /* empty: unidentified; zeros after its end */
} CounterKey;

typedef struct Counter
{
	CounterKey key;
	Counts counts;
} Counter;

/* What became of something that a session left in shared memory. */
typedef enum MailResult
{
	MAIL_SENT,
	MAIL_BUSY, /* the lock was not free */
	MAIL_FULL  /* there was no room */
} MailResult;

/* The state of this database's box, for status(). */
typedef struct MailboxStatus
{
	bool preloaded;
	bool exists; /* else the rest is zero */
	int counters_size;
	int64 counters_used;
	int64 folded;
	int64 queue_size; /* bytes */
	int64 queue_used;
	pid_t worker;
	bool starting;
	bool no_process;
	bool failed;
	int64 attempts_waiting;
	int64 attempts_dropped;
	int64 counts_dropped;
	TimestampTz oldest; /* the first hand-over that is not written; 0: none */
	char error[256];
} MailboxStatus;

/* Rows of a table that were in conflict, with one outcome, by one writer. */
typedef struct ConflictCount
{
	char *schema;
	char *table;
	char *system; /* NULL: unidentified */
	char *outcome;
	int64 rows;
} ConflictCount;

/* The columns of one table that a statement is known to have written. */
typedef struct Written
{
	Nested nested; /* the first member */
	const void *statement;
	Oid home;			/* the table that stands on the map */
	int rows;			/* whose values were looked at */
	bool arrived;		/* a row that wrote nothing was counted */
	Bitmapset *attnums; /* of home */
} Written;

#define PARTITIONS 16	 /* of the counters, each with its lock */
#define MAX_BOXES 256	 /* databases */
#define BLOCK_DATA 504	 /* bytes */
#define NONE (-1)		 /* no block */
#define ERROR_LENGTH 256 /* bytes */

/* A part of a message in the queue; blocks are linked by their index. */
typedef struct QueueBlock
{
	int32 next;			/* block of the message, or next free block */
	int32 next_message; /* first block of the box's next message; in a message's first block */
	char data[BLOCK_DATA];
} QueueBlock;

/* What shared memory has of one database. */
typedef struct Box
{
	Oid database; /* InvalidOid: free */
	/* its worker */
	pid_t worker; /* 0: none */
	struct Latch *latch;
	TimestampTz starting;	/* when a start was requested; 0: none was */
	TimestampTz not_before; /* no worker is started before this time */
	bool no_process;		/* the last start failed: no process was free */
	/* hand-overs are numbered */
	uint64 handed;		/* the latest */
	uint64 written;		/* the latest that is in the tables */
	bool urgent;		/* a session waits, or the queue or the counters fill */
	uint64 folded;		/* of the mailbox, when something was handed over last */
	TimestampTz oldest; /* when the first that is not written was handed over */
	int64 attempts_dropped;
	int64 counts_dropped;
	/* failures of its worker */
	uint64 failures;
	int failures_in_a_row;
	char error[ERROR_LENGTH]; /* message of the last one */
	/* its messages, the oldest first */
	int32 head; /* first block of the first; NONE: there is none */
	int32 tail; /* first block of the last */
	int64 messages;
	TimestampTz notified;		/* when its worker last notified */
	ConditionVariable progress; /* flush() waits on it */
} Box;

/* All boxes, and the blocks of the queue. */
typedef struct Mailbox
{
	pg_atomic_uint64 folded; /* columns that were handed over to a counter of several */
	int64 boxless_dropped;	 /* attempts and counts of databases without a box */
	int32 nblocks;
	int32 nfree;
	int32 free; /* the first free block */
	QueueBlock *blocks;
	Box boxes[MAX_BOXES];
} Mailbox;

/* The worker writes at most so many bytes of attempts, and so many attempts, at once. */
#define BATCH_BYTES (1024 * 1024)
#define BATCH_ATTEMPTS 1000

/* shmem.c */
extern bool mailbox_preloaded;
extern Mailbox *mailbox_shared;
extern HTAB *counter_table[PARTITIONS];
extern LWLockPadded *mailbox_locks;
extern LWLock *mailbox_lock(void);
extern bool activity_is_worker;
extern int mailbox_counter_count(void);
extern AttrNumber mailbox_attnum(const CounterKey *key, int bit);
extern int mailbox_partition(const CounterKey *key);
extern bool mailbox_take(LWLock *lock, bool wait);
extern Box *mailbox_find_box(Oid database, bool create);

/* counters.c */
extern void counts_add(Counts *a, const Counts *b);
extern bool counts_empty(const Counts *counts);
extern MailResult
mailbox_count(const CounterKey *key, const Counts *counts, bool wait, uint64 *counted);
extern Counter *mailbox_counters(Oid database, int *n);
extern void mailbox_counters_written(const Counter *copy, int n);

/* queue.c */
extern Size mailbox_largest(void);
extern MailResult mailbox_post(const char *message, uint32 length, bool wait);
extern char *mailbox_attempts(Oid database, Size space, int max, uint32 *lengths, int *n);
extern void mailbox_take_out(Box *box);
extern void mailbox_attempts_written(Oid database, int n);

/* mailbox.c */
extern void mailbox_dropped(int64 attempts, int64 counts);
extern uint64 mailbox_announce(bool wait);
extern bool mailbox_is_written(uint64 number);
extern void mailbox_flush(void);
extern bool mailbox_claim(Oid database);
extern bool mailbox_release(Oid database, bool only_idle);
extern void mailbox_failed(Oid database, const char *error, int max_delay_ms);
extern uint64 mailbox_due(Oid database, bool *urgent, int64 *attempts);
extern void mailbox_written(Oid database, uint64 number);
extern List *mailbox_databases(void);
extern void mailbox_forget(Oid database);
extern TimestampTz mailbox_last_notified(Oid database);
extern void mailbox_notified(Oid database, TimestampTz at);
extern void mailbox_status(MailboxStatus *status);

/* counts.c */
extern bool counts_begin(void);
extern int counts_system(const char *system);
extern void counts_read(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at);
extern void counts_rejected(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at);
extern void
counts_at_commit(Oid home, int system, AttrNumber attnum, CountKind kind, TimestampTz at);
extern void counts_rows(Oid home, int system, AttrNumber attnum, int64 rows, int level);
extern bool counts_hand_over(bool wait, bool *sent);
extern bool counts_wait(void);
extern int64 counts_give_up(void);

/* applied.c */
extern void
applied_wrote(AppliedRows *applied, Operation operation, Oid home, int system, AttrNumber attnum);

/* handover.c */
extern void handover_begin(void);
extern void handover_attempt(const char *text, uint32 length);

/* reads.c */
extern bool activity_system(const Outline *outline, Moment *moment, int *system);

/* writes.c */
extern Written *writes_find(const void *statement, Oid home);
extern void writes_count_column(Written *written, Oid home, int system, AttrNumber attnum);
extern void writes_count_arrival(Oid home, int system);
extern void writes_count_named(const void *statement, const Outline *outline, int system,
							   const CompatPerms *perms, bool only);
extern void writes_forget(const void *statement);

/* conflicts.c */
extern Attempt activity_read_attempt(const char *message);

/* store_pins.c */
extern void store_end_pins(void);
extern void store_pass(void);
extern void store_try_pass(void);

/* store.c */
extern void store_counters(Relation rel, const Counter *counters, int n);
extern List *store_conflict_counts(Relation rel, Oid extension, const Counter *counters, int n);
extern void
store_attempts(Relation rel, Oid extension, const char *messages, const uint32 *lengths, int n);

/* notify.c */
extern void notify_add(List *counts);
extern long notify_wait(Oid database);
extern void notify_send(Oid database);

/* store_table.c */
extern Relation store_open_table(const char *name, bool *locked);

/* handover_feeds.c */
extern bool handover_wake_feeds(Oid database);

/* worker_settings.c */
extern void activity_fix_settings(void);

/* arrive.c */
extern List *arrive_tables(void);
extern bool arrive_guard(Oid relid);

/* expire.c */
extern uint64 store_expire(Relation rel);
extern void activity_expire(void);

#endif /* OWNERSHIP_ACTIVITY_H */
