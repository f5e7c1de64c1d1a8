/*
 * statement.h
 *		The running statement: what it is, what it inserts, what it did so far.
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

/* What one statement did on one table of the map. */
typedef struct Tally
{
	Nested nested;		   /* the first member */
	MemoryContext cxt;	   /* holds all of it */
	const void *statement; /* its key; NULL when it is not known */
	Oid home;
	char *schema;
	char *table;
	uint64 observed;		/* rows */
	uint64 kept;			/* rows with values kept out */
	uint64 unchanged;		/* of them: rows of which nothing was left */
	uint64 not_created;		/* rows */
	uint64 discarded;		/* rows not deleted */
	uint64 untouched;		/* inserts left alone for an upsert */
	bool blind;				/* its names were not known */
	struct HTAB *stand_ins; /* uint64: defaults put into new rows, see guard.c */
	Inserter *inserter;		/* of its evidence; NULL: none yet */
	uint64 rest;			/* observed rows beyond the limit */
	Operation rest_operation;
	char *rest_system;
	List *rest_columns; /* of char * */
} Tally;

/* Where an INSERT looks for a row that is there. */
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
	const void *key;		 /* tells executions apart */
	struct QueryDesc *query; /* NULL: COPY */
	uint64 changes;			 /* COPY: of relations, until it began */
	Oid copied;				 /* the table that it names, once it was asked for */
	bool action;			 /* its AFTER triggers are left to another statement */
	Moment *moment;			 /* NULL: it writes nothing, or its start was not seen */
} StatementFrame;

/* Does a statement name a column in an INSERT or COPY?  DEFAULT is no value. */
typedef enum Naming
{
	NAMED_UNASKED,
	NAMED_NO,
	NAMED_YES,
	NAMED_BY_ROW, /* in some rows */
	NAMED_UNKNOWN /* a replicated INSERT */
} Naming;

/* A node of the statement's plan, or all there is of a COPY or a stream. */
typedef struct InsertSource
{
	int level; /* whose defaults rows have: as in MappedColumn.defaults */
	struct ModifyTable *plan;
	Naming *naming; /* by column, as far as it was asked; NULL: not kept */
} InsertSource;

typedef struct Insertion
{
	uint64 of;	  /* the map that it was found by: its `loaded` */
	bool before;  /* the row is the one that is being inserted */
	bool several; /* nodes of the statement bring rows of the relation */
	bool stream;
	bool blind;
	PlannedStmt *statement; /* NULL: COPY, or a stream */
	CopyStmt *copy_statement;
	struct CopyFromStateData *copy; /* while rows are copied */
	struct ModifyTableState *node;	/* that inserts the row; NULL: not known */
	int nsources;					/* at least one */
	InsertSource *sources;
	InsertSource first;
} Insertion;

/*
 * A row that a trigger of the guard is called for.  What brings it is looked
 * for when it is asked, and kept in `insertion`, which lives in `cxt`.
 */
typedef struct NewRow
{
	Insertion *insertion;
	MemoryContext cxt;
	const TriggerData *td;
	const RelationMap *map;
} NewRow;

/* nodes.c */
extern List *statement_nodes(struct QueryDesc *query);
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
extern bool statement_relations_hold(void);
extern bool statement_is_copy(const RelationMap *map);
extern uint64 statement_run_as_steward(Oid home, const char *sql, ParamListInfo params);
extern bool statement_is_steward_query(const RelationMap *map);
extern void statement_begin(struct QueryDesc *query, int eflags);
extern StatementFrame statement_enter(struct QueryDesc *query);
extern StatementFrame statement_enter_copy(PlannedStmt *copy, MemoryContext cxt);
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

/* insert.c */
extern void insertion_find(Insertion *insertion, const RelationMap *map,
						   struct ModifyTableState *node, bool before);
extern const ColumnDefault *insertion_default(const NewRow *new, const MappedColumn *col);
extern bool
insertion_mentions(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_leaves_out(const NewRow *new, const MappedColumn *col);
extern bool
insertion_is_open(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_was_open(const NewRow *new, const MappedColumn *col);
extern bool insertion_writes(const NewRow *new, const MappedColumn *col, TupleTableSlot *row);
extern bool insertion_has_constant(const NewRow *new, const MappedColumn *col);
extern Arbiters insertion_arbiters(const NewRow *new, List **indexes);

/*
 * Within this folder
 */

/* See statement_steward_query(). */
typedef struct StewardQuery
{
	Oid home; /* the table on the map */
	const void *params;
} StewardQuery;

/* nodes.c */
extern struct ModifyTableState *statement_node(struct QueryDesc *query, const Trigger *trigger);

/* statement.c */
extern PlannedStmt *statement_planned(void);
extern CopyStmt *statement_copy(const RelationMap *map);
extern Oid statement_copied(void);
extern struct CopyFromStateData *statement_copying(const RelationMap *map);

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
extern int insert_plan_level(const RelationMap *map, Oid relid);
extern bool insert_plan_inserts(const ModifyTable *plan);

#endif /* OWNERSHIP_STATEMENT_H */
