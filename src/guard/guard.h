/*
 * guard.h
 *		The guard: its triggers, what they do, and the statements that need none of them.
 *
 * The guard has three triggers on a mirrored table.  BEFORE ROW amends a row
 * (amend*.c), AFTER ROW judges it (judge.c), and BEFORE TRUNCATE judges the
 * command.
 */
#ifndef OWNERSHIP_GUARD_H
#define OWNERSHIP_GUARD_H

#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"

/*
 * For other folders
 */

/* install.c: what guard_tree() does to the triggers */
typedef enum GuardMode
{
	GUARD_ARM,		/* create missing triggers, give all the tgenabled that they must have */
	GUARD_COMPLETE, /* the same, but triggers that are switched off stay off */
	GUARD_REARM		/* as GUARD_COMPLETE, but create none */
} GuardMode;

#define GUARD_TRIGGERS 3

/* One of the triggers that the guard has on each relation. */
typedef struct GuardTrigger
{
	const char *name;
	const char *definition; /* SQL; %s takes the table's name */
	char enabled;			/* tgenabled as it must be */
} GuardTrigger;

/* trigger_list.c */
extern void trigger_list_forget_functions(void);

/* spread.c */
extern void guard_spread_statement(struct PlannedStmt *statement);
extern void guard_spread_utility(const Node *command);
extern void guard_spread_end_transaction(void);
extern void guard_spread_end_subtransaction(bool aborted);

/* lift_undo.c */
extern void lift_undo(void);

/* lift.c */
extern void lift_statement(struct QueryDesc *query);

/* A COPY that the guard may be lifted off before it begins to insert; see lift_copy.c. */
typedef struct CopyLift
{
	struct CopyLift *outer;		/* the COPY around it */
	struct CopyStmt *statement; /* of a first copy: what it names */
	const void *key;			/* statement_key() of its rows; NULL: a first copy */
	Moment *moment;
	MemoryContext cxt; /* lives as long as the COPY */
	bool awaited;	   /* its permissions have not been checked yet */
	Oid named;		   /* the table that it names, when that was checked */
	uint64 edits;	   /* of the map, when the guard was lifted */
	List *lifted;	   /* CopiedRelation: those that the guard is lifted off */
} CopyLift;

/* lift_hide.c */
extern void lift_show(void);
extern void lift_hide_forget(Oid relid);

/* lift_bare.c: a statement that is being started, and what is known of it */
typedef struct BareStart
{
	bool bare; /* its relation has no list while the executor starts it */
	const RelationMap *map;
	const FreeWrite *write; /* NULL: nothing is known */
	uint64 marks;			/* map_marks() and ... */
	uint64 edits;			/* ... map_edits before */
} BareStart;

extern void lift_bare_begin(BareStart *start, struct QueryDesc *query, int eflags);
extern bool lift_bare_end(const BareStart *start, struct QueryDesc *query);

/* lift_copy.c */
extern void
lift_copy_enter(CopyLift *copy, struct PlannedStmt *statement, Moment *moment, MemoryContext cxt);
extern void lift_copy_leave(const CopyLift *copy);
extern void lift_copy_disturb(void);
extern bool lift_copy_is_awaited(void);
extern void lift_copy_begins(Oid relid);
extern void lift_copy_ends(CopyLift *copy);

/* lift_apply.c */
extern void lift_apply_show(void);
extern void lift_apply_disturb(void);
extern void lift_apply_settle(bool aborted);
extern void lift_apply_forget(Oid relid);

/* lift_first_copy.c */
extern void lift_first_copy_watch(void);
extern void lift_first_copy_ends(void);
extern void lift_first_copy_end_transaction(void);

/* move.c */
extern void move_forget(bool all);
extern void move_end_transaction(void);
extern void move_end_subtransaction(bool aborted);

/* guard.c */
extern void guard_end_transaction(void);

/* foreign.c */
extern void foreign_truncate(const TruncateStmt *statement);

/* land.c */
extern void land_statement(const void *statement);
extern void land_all(void);
extern int64 land_table(Relation rel);
extern void land_end_transaction(void);
extern void land_end_subtransaction(bool aborted);

/* feed.c */
extern void feed_forget(Oid relid);
extern void feed_edited(void);

/* pin_due.c */
extern int64 pin_end_due(void);

/* pin_see.c */
extern Pin *pin_in_row(RelationMap *map, const MappedColumn *col, TupleDesc desc,
					   TupleTableSlot *row, Jsonb **key);
extern Pin *pin_at(Oid relid, ItemPointer tid, const char *column);
extern List *pin_key(Oid relid, const char *column);
extern bool
pin_holds(Oid relid, const char *column, const List *key, const Datum *values, const bool *isnull);

/* install.c */
extern const GuardTrigger guard_triggers[GUARD_TRIGGERS];
extern char *guard_table_name(Relation rel);
extern bool guard_is_changing(void);
extern void guard_run_ddl(const char *sql);
extern void guard_tree(Oid relid, GuardMode mode);
extern void guard_drop_own(Oid relid, bool truncate);

/* land_one.c */
extern void land_fill_key(const RelationMap *map, Relation rel, Jsonb *key, ValueInput *inputs,
						  TupleTableSlot *slot);

/*
 * Within this folder
 */

/* guard.c: what a trigger function remembers of one statement on one relation (fn_extra) */
typedef struct GuardState
{
	MemoryContext cxt;	  /* lives as long as the statement */
	bool second;		  /* the table also has the guard's own trigger: this one does nothing */
	Moment *moment;		  /* NULL: each row change has its own */
	bool applied;		  /* the row changes are no statement's: a worker applies them itself */
	bool judge;			  /* BEFORE judges, AFTER does nothing */
	const Trigger *after; /* AFTER in the statement's private list, if only lifting disables it */
	bool empty;			  /* the table contained no row before the first */
	RelationMap *map;	  /* as of map_serial */
	uint64 map_serial;	  /* the moment's serial when the map was read */
	int rows;			  /* calls of BEFORE; 1: in the first; stays at 3 */
	bool amended_insert;  /* BEFORE amended the last INSERT */
	Insertion insertion;  /* what brings new rows, see NewRow in statement.h */
	/* the mirrored columns to compare in an UPDATE, and what they depend on */
	int ncandidates;
	MappedColumn **candidates;
	uint64 candidates_of;		 /* `loaded` of the map */
	uint64 candidates_serial;	 /* `view_serial` of the map: the writer */
	Bitmapset *candidates_named; /* the columns that the UPDATE names */
	/* the last UPDATE on a partition; update_slot is NULL: there is none */
	ItemPointerData update_ctid;
	TupleTableSlot *update_slot;
	const Bitmapset *update_named;
	struct ExprState *partition_check; /* of the relation; NULL: not compiled yet */
} GuardState;

/* move.c: a row on its way from one partition to another */
typedef struct Move
{
	dlist_node node;
	MemoryContextCallback gone;
	Oid root;			   /* the topmost partitioned table; InvalidOid: no longer announced */
	const void *statement; /* its key */
	int depth;			   /* of triggers */
	Oid old_relid;
	HeapTuple old_tuple;
	HeapTuple new_tuple;	/* NULL: a replicated move */
	bool judged;			/* BEFORE UPDATE has judged */
	bool touched;			/* other triggers may have changed the row at its destination */
	const Bitmapset *named; /* the columns that the UPDATE names, in old_relid; NULL: all */
	List *obstacles;		/* char *: columns for which the guard stopped the first half */
} Move;

/* What one call of a trigger function works on. */
typedef struct GuardCall
{
	TriggerData *td;
	GuardState *state;
	Moment *moment;
	Moment now; /* room for a moment, where no statement has one */
	RelationMap *map;
	const Writer *writer;
	const char *system; /* what the writer is on this table; NULL: unidentified */
	NewRow new;			/* INSERT: what brings the row */
	Circumstances circumstances;
	bool applied; /* a replication worker applies the row change itself, without SQL */
	bool judge;	  /* BEFORE judges, AFTER does nothing */
} GuardCall;

/*
 * So many keys of new rows one statement collects; beyond that, all that waits is gone
 * through at its end.
 */
#define LAND_KEYS 1000

/* Who makes a row for which values may wait. */
typedef struct Creator
{
	char *system;  /* NULL: unidentified, or a steward without a system */
	bool prevails; /* a steward or a relay: what it brings stands before what waits */
	Policy default_policy;
	int level; /* which of the columns' defaults its rows have; -1: those of the topmost table */
} Creator;

/* A row for which something may wait. */
typedef struct LandingRow
{
	Oid relid;
	Jsonb *key;
	int level; /* see Creator */
	Oid named; /* the table that the statement named; invalid: `level` tells */
	bool old;  /* it may have been there before: what it has stands before what waits */
} LandingRow;

/* Which of what waits for rows of a table is looked at, and for which rows. */
typedef struct WaitedFor
{
	const char *schema; /* as on the map */
	const char *table;
	bool ours;		 /* only rows that this transaction wrote last, ... */
	CommandId first; /* ... by this command or a later one */
	bool all;
	int nparts; /* else what waits for the keys with these parts */
	uint32 parts[MAP_WAIT_LATEST];
} WaitedFor;

/* What is done in one subtransaction. */
typedef struct LandingWork
{
	const Creator *creator;
	List *rows; /* LandingRow */
	int first;	/* the rows from this one on, before `last` */
	int last;
	bool by_hand;	 /* apply_waiting(): also what failed before */
	List *but;		 /* names of columns that take nothing now */
	List *failed;	 /* names of columns that go on waiting */
	const char *why; /* for these: the problem */
	int64 written;	 /* number of values that landed */
	/* of the subtransaction */
	MemoryContext cxt;
	struct StoredTable *evidence; /* NULL: nothing was resolved yet */
} LandingWork;

/* What a statement may do to the rows of one relation. */
typedef struct Writes
{
	bool inserts;
	bool updates;
	bool deletes;
	bool routes;  /* an UPDATE may move rows to other partitions */
	bool moves;	  /* a trigger may do so, whatever columns the UPDATE names */
	bool meets;	  /* new rows may meet stored ones, in a worker */
	bool many;	  /* new rows are expected to be many */
	bool filters; /* AFTER can fire for some rows alone (lift_filter.c) */
	bool derives; /* unnamed columns may get other values than their defaults */
	bool changes; /* a trigger may change columns that an UPDATE does not name */
	Oid named;	  /* by an INSERT of the statement's only node: the table; else InvalidOid */
	const Bitmapset *inserted; /* all columns of that table that it names; NULL: not told */
	const Bitmapset *updated;  /* the columns that an UPDATE names; NULL: all */
	List *set_columns;		   /* attribute numbers of columns that get one of these values */
	List *set_values;		   /* TargetEntry, in that order; more may follow */
	ParamListInfo params;
	struct CopyStmt *copy; /* a COPY that has not begun to insert; NULL: the running statement */
	Oid copied;			   /* the table that it names */
} Writes;

/* Which of the guard's row triggers a statement needs on a relation. */
typedef struct Need
{
	bool amend;		/* BEFORE */
	bool judge;		/* AFTER */
	bool remembers; /* AFTER, for deleted rows that have values of other systems */
	bool awaits;	/* AFTER, for new rows for which something may wait */
	bool after;		/* AFTER, also where BEFORE is the last that changes a row */
	int level;		/* of awaited rows, see land_expect() */
} Need;

/* trigger_list.c */
extern Oid trigger_list_judge;
extern bool trigger_list_is_condition(const char *tgqual);
extern bool trigger_list_has_guard(const TriggerDesc *desc);
extern bool trigger_list_is_guarded(Relation rel);
extern bool trigger_list_others_before(const TriggerDesc *desc, int event);
extern bool trigger_list_others_fire_before(TriggerData *td, int event);
extern bool trigger_list_others_fire_later(TriggerData *td, int event);
extern void trigger_list_silence(TriggerDesc *desc);
extern void trigger_list_disable(TriggerDesc *desc, Trigger *triggers, int ntriggers, Need need);
extern bool trigger_list_is_guards(const Trigger *trigger);
extern const Trigger *trigger_list_find_judge(const TriggerDesc *desc);
extern void trigger_list_compute_flags(TriggerDesc *desc);
extern void trigger_list_undo(void);
extern void trigger_list_arm(Trigger *triggers, int ntriggers);
extern bool trigger_list_fires(const TriggerDesc *desc, int timing, int event);
extern void trigger_list_filter(ResultRelInfo *rri, struct ExprState *condition, bool counts);

/* lift_need.c */
extern void lift_free(const FreeWrite *write, const RelationMap *map, const Moment *moment,
					  const Writer *writer, bool inserts);
extern Need lift_need(RelationMap *map, const Moment *moment, const Writer *writer,
					  const Writes *writes, bool judge_in_before);

/* lift_hide.c */
extern void lift_hide(Relation rel, Need need, MemoryContext cxt);
extern void lift_hide_list(Relation rel, MemoryContext cxt);

/* One relation that the guard is lifted off for a COPY. */
typedef struct CopiedRelation
{
	Oid relid;
	bool judge; /* AFTER fires */
} CopiedRelation;

/* lift_first_rows.c */
extern bool
lift_first_rows_begin(Relation rel, const RelationMap *map, const CopyStmt *copy, MemoryContext cxt);
extern bool lift_first_rows_pass(const char *data, int len);
extern void lift_first_rows_received(void);
extern bool lift_first_rows_are_received(void);
extern void lift_first_rows_finish(void);
extern void lift_first_rows_check(void);
extern void lift_first_rows_end_transaction(void);

/* lift_copy.c */
extern void
lift_copy_first(CopyLift *copy, Oid relid, List *names, List *options, MemoryContext cxt);
extern void lift_copy_fires(const TriggerData *td);

/* lift_routed.c */
extern void lift_routed(ModifyTableState *node, const ResultRelInfo *rri, const RelationMap *map,
						Writes writes, Moment *moment, const Writer *writer);

/* lift_bare.c */
extern void lift_bare_show(void);
extern void lift_bare_forget(Oid relid);
extern bool lift_bare_is_alone(const TriggerDesc *desc);
extern void lift_undo_bare(ResultRelInfo *rri, EState *estate);

/* lift_apply.c */
extern bool lift_apply_is_clear(const TriggerData *td);
extern void lift_apply(const GuardCall *call, HeapTuple tuple);

/* lift_filter.c */
extern void lift_filter(EState *estate, ResultRelInfo *rri, RelationMap *map, const Moment *moment,
						const Writer *writer, const Need *need);

/* lift_changed.c */
extern bool lift_filter_changed(EState *estate, ResultRelInfo *rri, RelationMap *map,
								const Writer *writer, const Bitmapset *named);

/* lift_blank.c */
extern void lift_find_set_values(Writes *writes, ModifyTableState *node, const ResultRelInfo *rri);
extern bool lift_may_become_blank(const Writes *writes, const MappedColumn *col);

/* lift.c */
extern bool lift_arm(TriggerData *td, const Trigger **after);
extern void lift_rest(TriggerData *td, RelationMap *map, Moment *moment, const Writer *writer,
					  const GuardState *state, bool applied);

/* move.c */
extern void move_remember_update(GuardState *state, TriggerData *td);
extern bool move_begins(GuardState *state, TriggerData *td, RelationMap *map);
extern void move_announce(GuardState *state, TriggerData *td, const RelationMap *map);
extern bool move_is_replicated(TriggerData *td);
extern void move_announce_replicated(TriggerData *td, const RelationMap *map, List *obstacles);
extern HeapTuple move_tuple(HeapTuple tuple, Oid from, Oid to);
extern Move *move_arrives(TriggerData *td, const RelationMap *map);
extern void move_let_in(const Move *move, Relation rel, const RelationMap *map, HeapTuple tuple);
extern bool move_is_under_way(void);
extern bool move_left(TriggerData *td);
extern bool move_arrived(TriggerData *td, const RelationMap *map, Move *move);

/* conflict_set.c */
extern Conflict *conflicts_new(GuardCall *call, ConflictSet *set, MappedColumn *col);
extern Conflict *conflicts_find(ConflictSet *set, const MappedColumn *col);
extern bool conflicts_have(const ConflictSet *set, Verdict verdict);

/* group.c */
extern bool conflicts_stored_blank(GuardCall *call, MappedColumn *col, TupleTableSlot *stored);
extern void conflicts_join_groups(GuardCall *call, ConflictSet *set, const Bitmapset *named,
								  TupleTableSlot *stored, TupleTableSlot *proposed);

/* conflicts.c */
extern void conflicts_add(GuardCall *call, ConflictSet *set, MappedColumn *col, const char *owner,
						  bool stored_blank);
extern ColumnRange conflicts_range(const GuardCall *call);
extern void conflicts_of_update(GuardCall *call, ConflictSet *set, const Bitmapset *named,
								TupleTableSlot *stored, TupleTableSlot *proposed, ColumnRange range);
extern uint64
conflicts_stand_in(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row);
extern void conflicts_of_insert(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed);
extern void conflicts_of_delete(GuardCall *call, ConflictSet *set, TupleTableSlot *stored);
extern TupleTableSlot *conflicts_slot(Relation rel, HeapTuple tuple);
extern void
conflicts_of_columns(GuardCall *call, ConflictSet *set, TupleTableSlot *stored, const List *names);
extern GuardCall
guard_call_at(const GuardCall *call, Relation rel, TriggerData *td, GuardState *state);

/* outcome.c */
extern void outcome_reject(const GuardCall *call, const ConflictSet *set, Verdict outcome,
						   TupleTableSlot *stored, TupleTableSlot *proposed, const char *why);
extern void
outcome_record_allowed(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					   TupleTableSlot *proposed, HeapTuple amended);
extern bool outcome_rejects_early(const GuardCall *call);
extern void outcome_reject_early(const GuardCall *call, const ConflictSet *set,
								 TupleTableSlot *stored, TupleTableSlot *proposed);
extern void outcome_record_kept(const GuardCall *call, const ConflictSet *set,
								TupleTableSlot *stored, TupleTableSlot *proposed, HeapTuple amended);
extern void
outcome_record_discarded(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
						 TupleTableSlot *proposed, const Bitmapset *left_out);
extern void
outcome_record_history(const GuardCall *call, TupleTableSlot *stored, TupleTableSlot *written);
extern void outcome_count_row(const GuardCall *call, Operation operation, const Bitmapset *named,
							  TupleTableSlot *stored, HeapTuple tuple, TupleTableSlot *row);

/* amend.c */
extern HeapTuple amend_restore_values(const GuardCall *call, const ConflictSet *set,
									  HeapTuple tuple, TupleTableSlot *stored);
extern HeapTuple amend_update(GuardCall *call);
extern HeapTuple amend_delete(GuardCall *call);

/* amend_meets.c */
extern bool
amend_meets_stored_row(const GuardCall *call, const ConflictSet *set, HeapTuple tuple, bool amended);

/* amend_insert.c */
extern void amend_remember_defaults(GuardCall *call, HeapTuple tuple);
extern void amend_reject_blind(const GuardCall *call);
extern HeapTuple amend_insert(GuardCall *call);

/* amend_move.c */
extern void amend_reject_move(GuardCall *call);
extern List *amend_move_obstacles(GuardCall *call, TupleTableSlot *stored);
extern HeapTuple amend_replicated_move(GuardCall *call, const Move *move);
extern HeapTuple amend_move(GuardCall *call, const Move *move);

/* feed.c */
extern void feed_see_update(const GuardCall *call);
extern void feed_see_copy(const GuardCall *call);
extern void feed_copies(const RelationMap *map, const List *names);
extern bool feed_publishes(const GuardCall *call, const MappedColumn *col);

/* meet.c */
extern bool meet_row(GuardCall *call);

/* park.c */
extern bool park_row(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed, bool *meets);

/* remember.c */
extern void remember_row(const GuardCall *call, TupleTableSlot *stored);
extern void remember_table(const GuardCall *call);

/* waits.c */
typedef struct Landed
{
	MappedColumn *col;
	const struct Waiting *from;
	char *text;	 /* NULL: the value NULL */
	bool unpins; /* the row has a pinned value in its place, which nobody brought */
} Landed;

extern const ColumnDefault *
waits_default(const RelationMap *map, const MappedColumn *col, const Creator *creator);
extern bool waits_is_brought(const RelationMap *map, const MappedColumn *col, Datum value,
							 const Creator *creator);
extern List *waits_choose(RelationMap *map, List *waiting, TupleTableSlot *row,
						  const Creator *creator, List *but);
extern int waits_taken(List *chosen, const struct Waiting *w);

/* land.c */
extern void land_expect(const RelationMap *map, const Moment *moment, const Writer *writer,
						const void *statement, int level, bool rekeys, bool all);
extern void
land_forgive(const GuardCall *call, ConflictSet *set, TupleTableSlot *proposed, HeapTuple amended);
extern void land_row(const GuardCall *call, TupleTableSlot *row);
extern void land_updated(const GuardCall *call, const Bitmapset *named, TupleTableSlot *stored,
						 TupleTableSlot *row);

/* land_awaited.c */
extern List *land_awaited(Oid home, const WaitedFor *what);

/* land_write.c */
extern void land_begin_tally(Oid relid);
extern int64 land_write(List *rows, const Creator *creator, bool by_hand);

/* land_one.c */
extern RelationMap *land_map(Relation rel);
extern List *land_settled(const RelationMap *map, Jsonb *key);
extern void
land_record_replaced(RelationMap *map, TupleDesc desc, const Writer *writer, TupleTableSlot *row,
					 TupleTableSlot *filled, List *chosen, const Creator *creator);
extern void land_record_history(RelationMap *map, TupleDesc desc, const Writer *writer,
								TupleTableSlot *row, TupleTableSlot *filled, List *chosen);
extern void land_record_derived(RelationMap *map, StoredTable *t, List *chosen, const char *system);
extern void land_one(const LandingRow *row, LandingWork *work);

/* land_stream.c */
extern HeapTuple land_in_row(GuardCall *call, TupleTableSlot *stored, HeapTuple tuple);

/* A column of a pinned value in one row. */
typedef struct PinItem
{
	MappedColumn *col;
	Pin *pin;	  /* NULL: the column is not pinned */
	bool written; /* the statement writes the column */
	bool held;	  /* the pinned value was put into a new row */
} PinItem;

/* One value: a column, or the columns of a group. */
typedef struct PinUnit
{
	int n;
	PinItem *items;
	int pinned; /* number of pins */
} PinUnit;

/* What a write of the owner means for its pinned value. */
typedef enum PinOutcome
{
	PIN_UNTOUCHED,		/* nothing */
	PIN_ENDS,			/* it goes in, and the pin ends */
	PIN_KEEPS,			/* it is kept out, and is evidence */
	PIN_KEEPS_SILENTLY, /* it is kept out: the pin says what it was */
} PinOutcome;

/* lift_pin.c */
extern void lift_consider_pins(Need *need, const RelationMap *map, const Writes *writes, bool holds,
							   bool judge_in_before);

/* pin_value.c */
extern bool pin_is_column(const RelationMap *map, const MappedColumn *col);
extern bool
pin_is_value(TupleDesc desc, const MappedColumn *col, Datum value, bool isnull, char *text);
extern char *pin_text(TupleDesc desc, const MappedColumn *col, TupleTableSlot *row);
extern bool pin_read_text(TupleDesc desc, const MappedColumn *col, char *text, Datum *value);
extern void pin_adapt(const RelationMap *map, TupleDesc desc, PinUnit *unit, TupleTableSlot *stored);
extern int pin_unit(RelationMap *map, MappedColumn *col, PinUnit *unit);
extern bool pin_find_unit(const RelationMap *map, PinUnit *unit, Jsonb *key);
extern PinOutcome pin_judge(TupleDesc desc, const PinUnit *unit, TupleTableSlot *row, bool certain);
extern void pin_settle(const RelationMap *map, TupleDesc desc, PinUnit *unit, TupleTableSlot *row,
					   PinOutcome outcome, const char *by);

/* pin.c */
extern void
pin_hold_update(GuardCall *call, ConflictSet *set, ConflictSet *held, const Bitmapset *named,
				TupleTableSlot *stored, TupleTableSlot *proposed);
extern HeapTuple pin_hold_insert(GuardCall *call, ConflictSet *set, HeapTuple tuple);

/* pin_undone.c */
extern const MappedColumn *
pin_undone(GuardCall *call, const Bitmapset *named, TupleTableSlot *stored, TupleTableSlot *written);

/* pin_land.c */
extern List *
pin_sift(RelationMap *map, Relation rel, Jsonb *key, List *chosen, TupleTableSlot *stored);

/* pin_follow.c */
extern void pin_follow(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *written);
extern void pin_row_gone(const GuardCall *call, TupleTableSlot *stored);
extern void pin_table_gone(const GuardCall *call);

/* judge.c */
extern void judge_row(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *proposed,
					  const Bitmapset *named, bool moved);
extern bool judge_move(GuardCall *call);

/* guard.c */
extern PGDLLEXPORT Datum ownership_guard_truncate(PG_FUNCTION_ARGS);

#endif /* OWNERSHIP_GUARD_H */
