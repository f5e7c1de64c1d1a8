/*
 * rules.h
 *		The writer, what the map says of a relation, and the verdict that follows.
 */
#ifndef OWNERSHIP_RULES_H
#define OWNERSHIP_RULES_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"

/*
 * For other folders
 */

typedef enum Operation
{
	OPERATION_INSERT,
	OPERATION_UPDATE,
	OPERATION_DELETE,
	OPERATION_TRUNCATE
} Operation;

/*
 * What happens to one write of one column.  The values are ordered by strictness,
 * so that the strictest of several verdicts is their maximum.
 */
typedef enum Verdict
{
	VERDICT_ALLOW,	  /* no conflict, or enforcement is off */
	VERDICT_OBSERVE,  /* the write goes through and is recorded as evidence */
	VERDICT_FILL,	  /* the write goes through, because there was no value */
	VERDICT_OVERRIDE, /* the write goes through, because it is a steward's */
	VERDICT_KEEP,	  /* the owner's value stays */
	VERDICT_DISCARD,  /* the row is not created or not deleted */
	VERDICT_REJECT	  /* the statement fails */
} Verdict;

/*
 * The writer: the system that a write comes from.  The strings live as long as the
 * session.
 */
typedef struct Writer
{
	char *system;  /* NULL: unidentified, or a steward without a system */
	bool steward;  /* may write every field; its foreign writes are evidence */
	bool carrier;  /* writes as the source of the table that it writes */
	bool strict;   /* reject is an error also in a replicated stream */
	bool worker;   /* this process applies a replicated stream */
	bool relay;	   /* the stream of another hub that guards by the same map */
	char *carried; /* of a carrier: the setting ownership.system, or NULL */
	char *origin;  /* name of the replication origin, or NULL */
	Oid role;	   /* GetOuterUserId() */
	uint64 serial; /* changes when any other member changes */
} Writer;

/* What the writer is determined from. */
typedef struct WriterKey
{
	RepOriginId origin; /* InvalidRepOriginId: none */
	Oid role;			/* GetOuterUserId() */
	const char *system; /* the setting ownership.system; empty: none */
} WriterKey;

/* A rule of row_owner: the owner of a column in rows for which the filter is true. */
typedef struct RowRule
{
	char *text; /* the filter as the map has it */
	Expr *expr;
	struct ExprState *filter; /* compiled; see compile_filters() */
	char *owner;			  /* NULL: no system */
	char *part;				  /* its name in handover.passed */
} RowRule;

/* The value that a column gets when a statement gives it none. */
typedef struct ColumnDefault
{
	bool constant; /* true also for a column without default, which is NULL */
	bool is_volatile;
	bool isnull; /* this and `value`: the default, if it is constant */
	Datum value;
	Expr *expr; /* what must be computed; NULL: `value` is the default */
	Oid role;	/* the owner of the table that has the default */
} ColumnDefault;

/* What a change of a stored value to a blank one does; see field.on_blank. */
typedef enum OnBlank
{
	ON_BLANK_ALLOW,
	ON_BLANK_OBSERVE,
	ON_BLANK_KEEP,
	ON_BLANK_REJECT
} OnBlank;

/* A mirrored column of one relation. */
typedef struct MappedColumn
{
	AttrNumber attnum;
	char *name;
	char *field;	/* entity.name, for messages */
	char *owner;	/* the field's; NULL: no system */
	Policy policy;	/* the field's, else its domain's */
	bool key;		/* the field is marked key */
	bool sensitive; /* the field's, or its domain's: not remembered beyond the transaction */
	int nrules;
	RowRule *rules; /* in the order in which they apply */
	ValueType type;
	BlankKind blank;	/* how its blank values are recognised */
	OnBlank on_blank;	/* the field's, else its domain's; ON_BLANK_ALLOW in a private copy */
	char *column_group; /* the field's, or NULL */
	int group; /* columns with this number are one value; 0: the column is one of its own */
	/*
	 * The defaults of the column: the relation's own, and for a partition those of
	 * its ancestors after it, in their order.  A default replaces a refused value,
	 * and helps to decide whether an INSERT writes the column.
	 */
	ColumnDefault *defaults;
	bool history;		/* changes of its stored value are recorded in ownership.history */
	bool not_null;		/* the column, or the domain that is its type, is NOT NULL */
	bool partition_key; /* an ancestor is partitioned by it */
	bool foreign;		/* set by map_foreign() for the writer of view_serial */
} MappedColumn;

/*
 * What the guard has found out of a writer's statements that insert, or update, these
 * columns of a relation: they need none of its triggers (guard/lift_need.c).
 */
typedef struct FreeWrite
{
	uint64 serial; /* of the writer; 0: nothing was found out */
	Enforcement enforcement;
	Oid named;			/* the table that an INSERT names: the relation, or one above it */
	Bitmapset *columns; /* of that table, offset FirstLowInvalidHeapAttributeNumber */
	bool makes_rows;	/* for which something may wait */
	int level;			/* of the defaults of these rows */
} FreeWrite;

/*
 * The map of one relation: its own mirrored columns and those of the
 * partitioned tables or inheritance parents above it, by this relation's
 * attribute numbers.
 *
 * A map does not change after it is loaded, except for what is cached of the last
 * writer and for the compiled filters.  An invalidation only clears `valid`; the
 * next load makes another struct.  Callers up the stack and statements that began
 * with the old one may still read it: see map_enter() and map_pin().
 */
typedef struct RelationMap
{
	Oid relid;
	bool valid;					/* no invalidation has come since it was loaded */
	bool mapped;				/* false: the relation is not on the map */
	bool retired;				/* it is not in the cache, or no longer */
	int pins;					/* number of statements that go by it */
	uint64 loaded;				/* number of the load; no other map has it */
	TimestampTz from;			/* the owners are those of statements that began then, ... */
	uint64 lasts;				/* ... or less than so many microseconds later */
	MemoryContext cxt;			/* contains the map and all that it points to */
	Oid home;					/* the table that is named on the map: relid or an ancestor */
	Oid root;					/* topmost ancestor, or relid */
	Oid role;					/* the role that owns the relation */
	List *ancestors;			/* OIDs of all relations above, the nearest first */
	bool routed;				/* a partition: rows may be routed to it from an ancestor */
	bool defaults_differ;		/* an ancestor has another default for a column */
	bool shard;					/* of a table of Citus, which is an ancestor */
	bool sharded;				/* a table of Citus: its rows are in shards */
	Bitmapset *partition_attrs; /* columns by which ancestors are partitioned, offset as `foreign` */
	char *schema;				/* of home, as on the map */
	char *table;
	char *source; /* the system that the table is a private copy of; NULL: it is shared */
	int ncols;
	MappedColumn *cols; /* in attribute order */
	int nothers;
	MappedColumn *others;  /* the other columns, after cols: name, type and defaults */
	int nkeys;			   /* number of mirrored columns that are key */
	int nkey_attrs;		   /* columns that identify a row in evidence */
	AttrNumber *key_attrs; /* their attribute numbers */
	Oid key_index;		   /* finds the row of a key, see map_key.c; InvalidOid: none */
	bool key_is_whole;	   /* its columns are key_attrs: what waits for a key belongs to its row */
	Bitmapset *primary;	   /* columns of the primary key, offset as `foreign` */
	bool waits;			   /* something may wait for a row of the table; see map_wait.c */
	uint64 wait_signals;   /* map_wait_signals() when `waits` was found out */
	Interval *remember;	   /* how long deleted values are; NULL: ownership.remember */
	int text_needs;		   /* value_text_needs() of all columns */
	struct ExprContext *econtext; /* map_econtext(); NULL: not needed so far */
	MemoryContext filter_cxt;	  /* contains the compiled filters; NULL: none are */
	uint64 filters_of;			  /* map_aborts when they were compiled; 0: not yet */
	uint64 view_serial;			  /* the writer's serial for which `foreign` is right; 0: none */
	/* columns that this writer may not freely write, offset FirstLowInvalidHeapAttributeNumber */
	Bitmapset *foreign;
	Bitmapset *blanks;	/* columns whose on_blank is not ON_BLANK_ALLOW, likewise */
	Bitmapset *watched; /* columns of both, for UPDATE */
	Bitmapset *history; /* columns that have a history, likewise */
	Bitmapset *pinned;	/* columns of which a value may be pinned, likewise */
	FreeWrite free_insert;
	FreeWrite free_update;
} RelationMap;

/* One column of one row that a system writes which does not own it. */
typedef struct Conflict
{
	MappedColumn *col;
	const char *owner; /* in this row */
	Verdict verdict;
	bool softened;	 /* reject acts as keep in a replicated stream */
	bool blank;		 /* what decided is on_blank, not the policy; owner may be NULL then */
	bool with_group; /* it is that of another column of the group */
} Conflict;

/* The conflicts of one row. */
typedef struct ConflictSet
{
	int n;
	Conflict *items; /* NULL if there are none */
	Verdict strictest;
} ConflictSet;

struct QueryDesc;
typedef struct MomentState MomentState;

/* What the rows of a statement are judged by; see moment.c. */
typedef struct Moment
{
	WriterKey key;
	TimestampTz began; /* map_time() */
	Enforcement enforcement;
	Policy default_policy;
	bool replica;	 /* session_replication_role is replica */
	bool identified; /* `writer` is set */
	Writer writer;	 /* see moment_writer() */
	uint64 edits;	 /* the value of map_edits up to which it goes by edits */
	uint64 serial;	 /* changes when such an edit may change the writer and the maps */
	int looked; /* number of partitions that the guard was to be hidden in (guard/lift_routed.c) */
	MomentState *state; /* NULL: it is of no statement, see moment_now() */
} Moment;

/* What a verdict depends on besides the column. */
typedef struct Circumstances
{
	Operation operation;
	bool steward; /* the writer is one */
	bool relay;	  /* likewise */
	bool applies; /* the row comes in a replicated stream */
	bool strict;  /* the writer is; see Writer */
	bool cascade; /* the write is a foreign-key action */
	Enforcement enforcement;
	Policy default_policy;
} Circumstances;

/* Which columns of a relation are on the map, for the counting of activity; see outline.c. */
typedef struct Outline
{
	Oid relid; /* hash key */
	bool valid;
	bool ancestor;			 /* another entry depends on it */
	bool mapped;			 /* the relation is on the map */
	bool shard;				 /* of a Citus table: what reads it was counted at that table */
	bool sharded;			 /* a Citus table: what writes its shards is counted there */
	uint64 loaded;			 /* number of the load; no other outline has it */
	void *memory;			 /* of what the following point to, in one piece; NULL: none */
	Oid home;				 /* the table on the map: the relation itself, or one above it */
	char *source;			 /* of that table; NULL: it is shared */
	int natts;				 /* of the relation */
	AttrNumber *home_attnum; /* by attribute number - 1: number in home; 0: not on the map */
	bool *key;				 /* by attribute number - 1: the column's field is marked key */
} Outline;

/* writer.c */
extern void writer_forget(void);
extern WriterKey writer_key(void);
extern bool writer_is_worker(void);
extern bool writer_is_still(uint64 of);
extern const Writer *writer_current(void);
extern bool writer_try(const WriterKey *key, const Writer **writer);
extern const char *writer_system(const Writer *writer, const char *source);
extern char *writer_label(const Writer *writer, const char *system);
extern char *writer_origin_subscription(const char *origin);
extern void writer_resolve_origin(Writer *w, RepOriginId origin, Snapshot snapshot);

/* filter.c */
extern Expr *filter_parse(Relation rel, Oid home, const char *text);
extern char *filter_renamed(Relation rel, const char *text, const char *table, List *columns);

/* verdict.c */
extern Policy policy_effective(Policy policy, Policy standard);
extern Verdict
verdict_for(const Circumstances *c, Policy policy, bool key, bool stored_blank, bool *softened);
extern Verdict verdict_for_blank(const Circumstances *c, OnBlank on_blank, bool *softened);
extern const char *operation_name(Operation operation);
extern const char *verdict_name(Verdict outcome);

/* map_owner.c */
extern char *map_owner_at(Oid relid, ItemPointer tid, const char *column);
extern struct ExprContext *map_econtext(RelationMap *map);
extern const Bitmapset *map_foreign(RelationMap *map, const Writer *writer);
extern const Bitmapset *map_watched(RelationMap *map, const Writer *writer);
extern bool map_is_asking(void);
extern const char *map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored);
extern void map_default(const ColumnDefault *standard, Datum *value, bool *isnull);
extern bool map_null_is_value(const RelationMap *map, const MappedColumn *col);

/* map_load.c */
extern MappedColumn *map_column(RelationMap *map, AttrNumber attnum);
extern const MappedColumn *map_any_column(const RelationMap *map, AttrNumber attnum);

/* map_key.c */
extern bool map_is_shared(const RelationMap *map);

/* map_wait.c */
extern bool map_updates_key(const RelationMap *map, const Bitmapset *named);
extern bool map_gives_key(const RelationMap *map, TupleTableSlot *stored, TupleTableSlot *row);
extern bool map_remembers(RelationMap *map, const Writer *writer);
extern bool map_remembers_briefly(const RelationMap *map);
extern bool map_is_expired(const RelationMap *map, TimestampTz at);
extern void map_waits_now(const RelationMap *map, Jsonb *key, bool alone);
extern void map_waits_no_more(const RelationMap *map);

/* map_wait_find.c */
extern uint32 map_wait_part(int64 hash);
extern void map_wait_range(uint32 part, int64 *lowest, int64 *highest);
extern bool map_wait_lacks(const RelationMap *map, int64 hash);
extern bool map_wait_exists(const RelationMap *map, Jsonb *key);

/* map_wait_signal.c */
#define MAP_WAIT_CACHE TSTEMPLATEOID /* the cache whose invalidations are signals */
#define MAP_WAIT_LATEST 256 /* so many of the latest signals a session knows the parts of */
extern void map_wait_send(Oid home, uint32 part);
extern void map_wait_signal(uint32 hash);
extern bool map_wait_latest(Oid home, uint64 since, uint32 *parts, int *n);
extern bool map_wait_is_signalled(Oid home, uint64 since);
extern void map_wait_looked(Oid home, uint64 signals);
extern uint64 map_wait_signals(Oid home);

/* map_pin.c */
extern bool map_holds_pins(const RelationMap *map, Enforcement enforcement, const Writer *writer);
extern bool map_pin_is_over(const RelationMap *map, const Pin *pin);
extern Pin *map_find_pin(const RelationMap *map, const MappedColumn *col, Jsonb *key);
extern Pin *map_see_pin(const RelationMap *map, const MappedColumn *col, Jsonb *key);
extern void map_end_pin(const RelationMap *map, Pin *pin, const char *by);

/* map_group.c */
extern MappedColumn *map_next_in_group(RelationMap *map, int group, MappedColumn *col);

/* map.c */
extern uint64 map_edits;
extern bool map_forget(Oid relid);
extern void map_forget_names(void);
extern void map_forget_functions(void);
extern void map_forget_types(void);
extern void map_edited(void);
extern uint64 map_relation_changes(void);
extern uint64 map_marks(void);
extern void map_end_transaction(bool aborted);
extern bool map_end_subtransaction(bool aborted);
extern void map_enter(void);
extern void map_leave(void);
extern RelationMap *map_get(Relation rel);
extern RelationMap *map_known(Oid relid, TimestampTz began);

/* map_time.c */
extern TimestampTz map_time(void);

/* Are the owners in the map those of a statement that began then? */
static inline bool
map_is_of(const RelationMap *map, TimestampTz began)
{
	return (uint64) began - (uint64) map->from < map->lasts;
}

/* moment.c */
extern Moment moment_now(void);
extern Moment *moment_begin(const void *statement, Snapshot snapshot, MemoryContext cxt);
extern void moment_begin_query(struct QueryDesc *query, MemoryContext cxt);
extern void moment_each_query(void (*visit)(struct QueryDesc *));
extern Moment *moment_of(const void *statement);
extern const Writer *moment_writer(Moment *m);
extern const Writer *moment_known_writer(Moment *m);
extern void moment_keep_snapshot(Moment *m);
extern RelationMap *moment_known_map(Moment *m, Oid relid);
extern RelationMap *moment_peek_map(const Moment *m, Oid relid);
extern RelationMap *moment_map(Moment *m, Relation rel);
extern void moment_judge_before(Moment *m, Oid relid);
extern bool moment_judges_before(const Moment *m, Oid relid);

/* outline.c */
extern void outline_forget_all(void);
extern void outline_forget(Oid relid);
extern const Outline *outline_of(Oid relid);
extern Oid outline_extension(void);

/*
 * Within this folder
 */

/* writer.c */
extern const Writer *writer_known(const WriterKey *key);
extern const Writer *writer_of(const WriterKey *key);

/* map_key.c */
extern void map_load_key(RelationMap *map, Relation rel);

/* map_pinned.c */
extern void map_load_pins(RelationMap *map, Snapshot snapshot);

/* map_load.c */
extern bool map_any_functions;
extern bool map_any_domains;
extern void map_load(RelationMap *map, Relation rel, Snapshot at, TimestampTz began);

/* map_time.c */
extern void map_load_succession(RelationMap *map, TimestampTz began, Snapshot snapshot);

/* map_wait_set.c */
#define MAP_WAIT_SLOT_BITS 6
#define MAP_WAIT_SLOTS (1 << MAP_WAIT_SLOT_BITS)
#define MAP_WAIT_PART_BITS (32 - MAP_WAIT_SLOT_BITS)
extern uint32 map_wait_slot(Oid home);
extern void map_wait_set_add(uint32 slot, uint32 part);
extern bool map_wait_set_lacks(Oid home, uint32 part);
extern uint64 map_wait_set_changes(Oid home);
extern int64 map_wait_set_limit(void);
extern void map_wait_set_make(Oid home, const uint32 *parts, int64 n);
extern void map_wait_set_forget(Oid home);

/* map_wait_signal.c */
extern bool map_wait_announces(Oid home);
extern void map_wait_end_transaction(void);

/* map_group.c */
extern void map_find_groups(RelationMap *map);

/* map.c */
extern uint64 map_signals;
extern uint64 map_aborts;
extern uint64 map_edits_seen(void);
extern void map_pin(RelationMap *map);
extern void map_unpin(RelationMap *map);
extern RelationMap *map_at(Relation rel, TimestampTz began);
extern RelationMap *map_as_of(Relation rel, Snapshot snapshot, TimestampTz began);

#endif /* OWNERSHIP_RULES_H */
