/*
 * guard.h
 *		The guard: its triggers, what they do, and when they are not needed.
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

#include "../rules/rules.h"
#include "../statement/statement.h"

/*
 * For other folders
 */

/* install.c: creating and dropping the guard */
typedef enum GuardMode
{
	GUARD_ARM,		/* create what is missing, arm what is not armed */
	GUARD_COMPLETE, /* create what is missing; what was switched off stays so */
	GUARD_REARM		/* only arm what was switched on again, but not fully */
} GuardMode;

#define GUARD_TRIGGERS 3

typedef struct GuardTrigger
{
	const char *name;
	const char *definition; /* with the table's name for %s */
	char enabled;			/* tgenabled as it must be */
} GuardTrigger;

/* trigger_list.c */
extern void trigger_list_forget_functions(void);
extern void lift_undo(void);

/* lift.c */
extern void lift_statement(struct QueryDesc *query);

/* move.c */
extern void move_forget(bool all);
extern void move_end_transaction(void);
extern void move_end_subtransaction(bool aborted);

/* foreign.c */
extern void foreign_truncate(const TruncateStmt *statement);

/* install.c */
extern const GuardTrigger guard_triggers[GUARD_TRIGGERS];
extern char *guard_table_name(Relation rel);
extern bool guard_is_changing(void);
extern void guard_run_ddl(const char *sql);
extern void guard_tree(Oid relid, GuardMode mode);
extern void guard_drop_own(Oid relid, bool truncate);

/*
 * Within this folder
 */

/* guard.c: what is remembered of one statement on one relation (fn_extra) */
typedef struct GuardState
{
	MemoryContext cxt; /* lives as long as the statement */
	bool second;	   /* the guard's own trigger is there, beside this one */
	Moment *moment;	   /* NULL: of each row change */
	bool applied;	   /* the row changes are a worker's own */
	bool judge;		   /* BEFORE judges */
	RelationMap *map;  /* of the moment's serial */
	uint64 map_serial;
	int rows;			 /* 1: the first; stays at 3 */
	bool amended_insert; /* the last INSERT was amended */
	Insertion insertion; /* see insertion.c */
	/* the mirrored columns to compare in an UPDATE, and what they were found by */
	int ncandidates;
	MappedColumn **candidates;
	uint64 candidates_of; /* the map, as loaded */
	uint64 candidates_serial;
	Bitmapset *candidates_named;
	/* the last UPDATE on a partition; update_slot is NULL if there is none */
	ItemPointerData update_ctid;
	TupleTableSlot *update_slot;
	const Bitmapset *update_named;
	struct ExprState *partition_check;
} GuardState;

/* move.c: rows on their way from one partition to another */
typedef struct Move
{
	dlist_node node;
	MemoryContextCallback gone;
	Oid root; /* InvalidOid: it is not expected any more */
	const void *statement;
	int depth; /* of triggers */
	Oid old_relid;
	HeapTuple old_tuple;
	HeapTuple new_tuple;	/* NULL: a replicated move */
	bool judged;			/* BEFORE UPDATE has judged */
	bool touched;			/* triggers may have changed the row where it arrives */
	const Bitmapset *named; /* by the UPDATE, in old_relid */
	List *obstacles;		/* char *: columns for which its first half was not let through */
} Move;

/* What one call works on. */
typedef struct GuardCall
{
	TriggerData *td;
	GuardState *state;
	Moment *moment;
	Moment now; /* where there is none of a statement */
	RelationMap *map;
	const Writer *writer;
	const char *system;
	NewRow new; /* INSERT */
	Circumstances circumstances;
	bool applied; /* the row change is a replication worker's own */
	bool judge;	  /* in BEFORE: AFTER will not */
} GuardCall;

/* Which of the guard's row triggers it needs. */
typedef struct Need
{
	bool amend;
	bool judge;
} Need;

/* trigger_list.c */
extern Oid trigger_list_judge;
extern bool trigger_list_has_guard(const TriggerDesc *desc);
extern bool trigger_list_is_guarded(Relation rel);
extern bool trigger_list_others_before(const TriggerDesc *desc, int event);
extern bool trigger_list_others_fire_before(TriggerData *td, int event);
extern void trigger_list_disable(TriggerDesc *desc, Trigger *triggers, int ntriggers, Need need);

/* lift.c */
extern bool lift_arm(TriggerData *td);
extern void lift_rest(TriggerData *td, RelationMap *map, const Moment *moment, const Writer *writer,
					  bool judge_in_before, bool applied);

/* move.c */
extern void move_remember_update(GuardState *state, TriggerData *td);
extern bool move_begins(GuardState *state, TriggerData *td, const RelationMap *map);
extern void move_announce(GuardState *state, TriggerData *td, const RelationMap *map);
extern bool move_is_replicated(TriggerData *td);
extern void move_announce_replicated(TriggerData *td, const RelationMap *map, List *obstacles);
extern HeapTuple move_tuple(HeapTuple tuple, Oid from, Oid to);
extern Move *move_arrives(TriggerData *td, const RelationMap *map);
extern void move_let_in(const Move *move, Relation rel, const RelationMap *map, HeapTuple tuple);
extern bool move_is_under_way(void);
extern bool move_left(TriggerData *td);
extern bool move_arrived(TriggerData *td, const RelationMap *map, Move *move);
extern bool guard_truncate_is_new(const RelationMap *map);

/* conflicts.c */
extern void conflicts_add(GuardCall *call, ConflictSet *set, MappedColumn *col, const char *owner,
						  bool stored_null);
extern void conflicts_of_update(GuardCall *call, ConflictSet *set, const Bitmapset *named,
								TupleTableSlot *stored, TupleTableSlot *proposed);
extern uint64
conflicts_stand_in(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row);
extern void conflicts_of_insert(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed);
extern void conflicts_of_delete(GuardCall *call, ConflictSet *set, TupleTableSlot *stored);
extern TupleTableSlot *conflicts_slot(Relation rel, HeapTuple tuple);
extern bool conflicts_have(const ConflictSet *set, Verdict verdict);
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
extern void outcome_record_discarded(const GuardCall *call, const ConflictSet *set,
									 TupleTableSlot *stored, TupleTableSlot *proposed);
extern void outcome_count_row(const GuardCall *call, Operation operation, const Bitmapset *named,
							  TupleTableSlot *stored, HeapTuple tuple, TupleTableSlot *row);

/* amend.c */
extern HeapTuple amend_restore_values(const GuardCall *call, const ConflictSet *set,
									  HeapTuple tuple, TupleTableSlot *stored);
extern HeapTuple amend_update(GuardCall *call);
extern HeapTuple amend_delete(GuardCall *call);

/* amend_insert.c */
extern void amend_remember_defaults(GuardCall *call, HeapTuple tuple);
extern void amend_reject_blind(const GuardCall *call);
extern HeapTuple amend_insert(GuardCall *call);

/* amend_move.c */
extern void amend_reject_move(GuardCall *call);
extern List *amend_move_obstacles(GuardCall *call, TupleTableSlot *stored);
extern HeapTuple amend_replicated_move(GuardCall *call, const Move *move);
extern HeapTuple amend_move(GuardCall *call, const Move *move);

/* judge.c */
extern void judge_row(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *proposed,
					  const Bitmapset *named, bool moved);
extern bool judge_move(GuardCall *call);

/* guard.c */
extern PGDLLEXPORT Datum ownership_guard_truncate(PG_FUNCTION_ARGS);

#endif /* OWNERSHIP_GUARD_H */
