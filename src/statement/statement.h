/*
 * statement.h
 *		The running statement: what it is, what it inserts, and what it did so far.
 */
#ifndef OWNERSHIP_STATEMENT_H
#define OWNERSHIP_STATEMENT_H

#include "access/attnum.h"
#include "commands/copyfrom_internal.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"

/*
 * For other folders
 */

/* What one statement did on one table of the map; see tally.c. */
typedef struct Tally
{
	Nested nested;		   /* the first member */
	MemoryContext cxt;	   /* contains all of it */
	const void *statement; /* the statement's statement_key() */
	Oid home;			   /* the table that stands on the map */
	char *schema;
	char *table;
	uint64 observed;		  /* rows with observed writes */
	uint64 kept;			  /* rows that values were kept out of */
	uint64 unchanged;		  /* of these, rows of which nothing was left to write */
	uint64 pinned;			  /* rows in which the pinned values of the writer were kept out */
	uint64 blanks;			  /* rows that only blanks were kept out of */
	uint64 not_created;		  /* rows that were not created */
	uint64 parked;			  /* rows that were not created, and whose values wait for them */
	uint64 discarded;		  /* rows that were not deleted */
	uint64 untouched;		  /* INSERTs that were left to an upsert, which updates the row */
	uint64 remembered;		  /* deleted rows of which values are remembered */
	bool blind;				  /* the guard did not know which columns it names */
	struct HTAB *stand_ins;	  /* uint64: see tally_remember() */
	Inserter *inserter;		  /* of its evidence; NULL: none yet */
	struct Common *common;	  /* of the rows of its evidence; NULL: none yet */
	Inserter *history;		  /* of the changes that it made; NULL: none yet */
	uint64 rest;			  /* observed rows beyond ownership.observed_limit */
	Operation rest_operation; /* of the latest of these rows */
	char *rest_system;
	List *rest_columns; /* char *: of all these rows */
	/* char *: the columns that values were kept out of, as `kept`, `pinned` and `blanks` count rows */
	List *kept_columns;
	List *pinned_columns;
	List *blank_columns;
} Tally;

/* In which unique indexes an INSERT looks for a stored row (ON CONFLICT). */
typedef enum Arbiters
{
	ARBITERS_NONE,
	ARBITERS_LISTED,
	ARBITERS_ANY
} Arbiters;

/* The statement that is being executed. */
typedef struct StatementFrame
{
	PlannedStmt *statement;
	const void *key;		 /* identifies the execution; NULL: nothing is known */
	struct QueryDesc *query; /* NULL: COPY */
	CommandId first;		 /* see statement_first_command() */
	uint64 changes;			 /* COPY: map_relation_changes() when it began */
	Oid copied;				 /* COPY: the table that it names, once it was looked up */
	bool action;			 /* its AFTER triggers fire in another statement */
	Moment *moment;			 /* NULL: it writes nothing, or its start was not seen */
} StatementFrame;

/* Does a statement give a column of its new rows a value?  DEFAULT is no value. */
typedef enum Naming
{
	NAMED_UNASKED, /* not determined yet */
	NAMED_NO,	   /* the rows take the default */
	NAMED_YES,
	NAMED_BY_ROW, /* in some rows */
	NAMED_UNKNOWN /* a replicated INSERT */
} Naming;

/* A node of the statement's plan that brings rows; or a COPY or a stream, without a node. */
typedef struct InsertSource
{
	int level; /* of the table whose defaults the rows have: index of MappedColumn.defaults */
	struct ModifyTable *plan; /* NULL: COPY or stream, or the node is not known */
	Naming *naming;			  /* by column, as far as it was determined; NULL: not remembered */
} InsertSource;

/* What brings new rows of a relation; see insertion_find(). */
typedef struct Insertion
{
	uint64 of;				/* `loaded` of the map that it was found by */
	bool before;			/* BEFORE is called: the row is being inserted */
	bool several;			/* several nodes of the statement bring rows of the relation */
	bool stream;			/* a replication worker applies an INSERT */
	bool blind;				/* the statement is not known */
	PlannedStmt *statement; /* NULL: COPY, or a stream */
	CopyStmt *copy_statement;
	struct CopyFromStateData *copy; /* NULL: it copies no row now */
	struct ModifyTableState *node;	/* the node that inserts the row; NULL: not known */
	int nsources;					/* at least one */
	InsertSource *sources;
	InsertSource first; /* room for one source */
} Insertion;

/*
 * A new row that a trigger of the guard is called for.  What brings it is
 * found when it is first needed, and remembered in `insertion`; what that
 * points to is in `cxt`.
 */
typedef struct NewRow
{
	Insertion *insertion;
	MemoryContext cxt;
	const TriggerData *td;
	const RelationMap *map;
} NewRow;

/* nodes.c */
extern ResultRelInfo *statement_relation(EState *estate, const Trigger *trigger);
extern struct ModifyTableState *statement_node_of(struct QueryDesc *query, const ResultRelInfo *rri);

/* statement.c */
extern Moment *statement_moment(void);
extern Moment *statement_seen_moment(void);
extern bool statement_is_unseen(void);
extern Moment *statement_copies(Relation rel);
extern bool statement_applies(void);
extern char *statement_error_context(void);
extern const Writer *statement_writer(void);
extern Circumstances statement_circumstances(const Moment *moment, const Writer *writer);
extern struct QueryDesc *statement_query(void);
extern const void *statement_key(void);
extern CommandId statement_first_command(void);
extern bool statement_relations_are_unchanged(void);
extern bool statement_is_copy(const RelationMap *map);
extern struct CopyFromStateData *statement_copying(const RelationMap *map);
extern uint64 statement_run_as_steward(Oid home, const char *sql, ParamListInfo params);
extern bool statement_may_be_steward_query(const RelationMap *map);
extern bool statement_is_steward_query(const RelationMap *map);
extern void statement_begin(struct QueryDesc *query, int eflags);
extern StatementFrame statement_enter(struct QueryDesc *query);
extern StatementFrame statement_enter_copy(PlannedStmt *copy, MemoryContext cxt);
extern void statement_copies_into(Oid relid);
extern void statement_leave(const StatementFrame *outer);
extern void statement_end_transaction(void);
extern void statement_init(void);

/* tally.c */
extern Tally *tally_get(const RelationMap *map);
extern void tally_remember(const RelationMap *map, uint64 stand_in);
extern bool tally_was_blind(const RelationMap *map);
extern bool tally_remembers(const RelationMap *map, uint64 stand_in);
extern List *tally_take(const void *statement, bool all);
extern void tally_free(Tally *tally);
extern void tally_end_subtransaction(bool aborted);
extern void tally_end_transaction(void);

/* insert_plan.c */
extern int insert_plan_level(const RelationMap *map, Oid relid);

/* insert.c */
extern void insertion_find(Insertion *insertion, const RelationMap *map,
						   struct ModifyTableState *node, bool before);
extern void
insertion_of_copy(Insertion *insertion, const RelationMap *map, CopyStmt *copy, Oid relid);
extern int insertion_level(const NewRow *new);
extern const ColumnDefault *insertion_default(const NewRow *new, const MappedColumn *col);
extern bool
insertion_mentions(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_leaves_out(const NewRow *new, const MappedColumn *col);
extern bool insertion_no_row_names(const RelationMap *map, const MappedColumn *col);
extern bool
insertion_is_open(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_was_open(const NewRow *new, const MappedColumn *col);
extern bool insertion_writes(const NewRow *new, const MappedColumn *col, TupleTableSlot *row);
extern bool insertion_has_constant(const NewRow *new, const MappedColumn *col);
extern Arbiters insertion_arbiters(const NewRow *new, List **indexes);

/*
 * Within this folder
 */

/* The query that may write as a steward; see statement_steward_query(). */
typedef struct StewardQuery
{
	Oid home;			/* the table on the map */
	const void *params; /* their address identifies the query */
} StewardQuery;

/* nodes.c */
extern struct ModifyTableState *statement_node(struct QueryDesc *query, const Trigger *trigger);

/* statement.c */
extern PlannedStmt *statement_planned(void);
extern CopyStmt *statement_copy(const RelationMap *map);
extern Oid statement_copied(void);

/* insert_plan.c */
extern bool insert_plan_view_has_default(PlannedStmt *statement, Oid relid, AttrNumber attnum);
extern Naming insert_plan_combine(Naming a, Naming b);
extern Naming insert_plan_naming(const Plan *plan, AttrNumber resno, const Expr *standard);
extern bool insert_plan_row_has_default(PlanState *node, AttrNumber resno, const Expr *standard);
extern Naming
insert_plan_merge_naming(const ModifyTable *plan, AttrNumber attnum, const Expr *standard);
extern bool
insert_plan_merge_row_has_default(ModifyTableState *node, AttrNumber attnum, const Expr *standard);
extern Index insert_plan_target(const ModifyTable *plan);
extern bool insert_plan_inserts(const ModifyTable *plan);

#endif /* OWNERSHIP_STATEMENT_H */
