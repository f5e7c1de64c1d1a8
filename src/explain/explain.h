/*
 * ownership.h
 *		Shared structs, and what each source file offers to the others.
 *
 * A written row goes one way through the modules:
 *
 *		guard (trigger) -> writer -> map -> compare -> verdict
 *			-> amend | reject | let through -> conflict (evidence)
 */
#ifndef OWNERSHIP_H
#define OWNERSHIP_H

#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "compat.h"

#define OWNERSHIP_SCHEMA "ownership"

/*
 * The guard's triggers.  Row triggers of one kind fire in the order of their
 * names, byte by byte: these are meant to be the last.
 */
#define TRIGGER_AMEND "zzzz_ownership_amend"
#define TRIGGER_JUDGE "zzzz_ownership_judge"
#define TRIGGER_TRUNCATE "zzzz_ownership_truncate"

/* What a non-owner's write does.  UNSET: the field has none of its own. */
typedef enum Policy
{
	POLICY_UNSET,
	POLICY_OBSERVE,
	POLICY_FILL,
	POLICY_KEEP,
	POLICY_REJECT
} Policy;

typedef enum Enforcement
{
	ENFORCEMENT_OFF,
	ENFORCEMENT_OBSERVE,
	ENFORCEMENT_ON
} Enforcement;

typedef enum Operation
{
	OPERATION_INSERT,
	OPERATION_UPDATE,
	OPERATION_DELETE,
	OPERATION_TRUNCATE
} Operation;

/*
 * What becomes of one write of one column, the mildest first, so that the
 * strictest of several is their maximum.
 */
typedef enum Verdict
{
	VERDICT_ALLOW,	  /* no conflict, or enforcement is off */
	VERDICT_OBSERVE,  /* goes through, evidence is kept */
	VERDICT_FILL,	  /* goes through: there was no value */
	VERDICT_OVERRIDE, /* goes through: a steward wrote */
	VERDICT_KEEP,	  /* the owner's value stays */
	VERDICT_DISCARD,  /* the row is not created or not deleted */
	VERDICT_REJECT	  /* an error */
} Verdict;

/* Who is writing.  Strings live as long as the session. */
typedef struct Writer
{
	char *system; /* NULL: unidentified, or a steward without */
	bool steward;
	bool carrier;  /* writes as the source of the table it touches */
	bool strict;   /* rejects even what a replicated stream brings */
	bool worker;   /* a process that applies a replicated stream */
	char *carried; /* carrier: what ownership.system says, or NULL */
	char *origin;  /* name of the replication origin, or NULL */
	Oid role;	   /* GetOuterUserId() */
	uint64 serial; /* changes whenever any of this changes */
} Writer;

/* What decides who is writing. */
typedef struct WriterKey
{
	RepOriginId origin; /* InvalidRepOriginId: none */
	Oid role;			/* at the outer level */
	const char *system; /* the setting ownership.system; empty: none */
} WriterKey;

/* One rule of row_owner: in rows where the filter holds, this owner. */
typedef struct RowRule
{
	char *text;
	Expr *expr;
	struct ExprState *filter;
	char *owner; /* NULL: nobody */
} RowRule;

/* How two values of a type are compared. */
typedef struct ValueType
{
	bool numeric;
	bool composite;
	bool byval;
	int16 typlen;
} ValueType;

/* What a column has where a statement gives it no value. */
typedef struct ColumnDefault
{
	bool constant; /* also when there is no default: NULL */
	bool is_volatile;
	bool isnull;
	Datum value;
	Expr *expr; /* NULL: value, as it is */
	Oid role;	/* who owns the table that has it */
} ColumnDefault;

/* A mirrored column of one relation. */
typedef struct MappedColumn
{
	AttrNumber attnum;
	char *name;
	char *field;   /* entity.name, for messages */
	char *owner;   /* NULL: nobody */
	Policy policy; /* the field's, else its domain's */
	bool key;	   /* the field is marked key */
	int nrules;
	RowRule *rules;
	ValueType type;
	/*
	 * The default that stands in for a refused value, and tells a write: the
	 * relation's own, and of a partition those of its ancestors.
	 */
	ColumnDefault *defaults;
	bool not_null;		/* of the column or its domain */
	bool partition_key; /* of any ancestor */
	bool foreign;		/* to the writer of the map's view_serial */
} MappedColumn;

/*
 * The map of one relation: its own mirrored columns and those of the
 * partitioned tables or inheritance parents above it, by this relation's
 * attribute numbers.
 *
 * It does not change, but for what is known of the writer who asked last and
 * of the filters' state.  An invalidation only clears `valid`; what is loaded
 * then is another struct.  `cxt` holds the old one and all that it points to.
 * Callers up the stack and statements that began with it go on reading it: see
 * map_enter() and map_pin().
 */
typedef struct RelationMap
{
	Oid relid;
	bool valid;
	bool mapped;   /* false: a negative answer */
	bool retired;  /* another one is in the cache */
	int pins;	   /* statements that go by it */
	uint64 loaded; /* tells what was loaded from what it was before */
	MemoryContext cxt;
	Oid home;					/* the table that stands on the map */
	Oid root;					/* topmost ancestor, or relid */
	Oid role;					/* who owns the relation */
	List *ancestors;			/* OIDs of all that is above, nearest first */
	bool routed;				/* a partition: rows may come from those */
	bool defaults_differ;		/* and have other defaults then */
	Bitmapset *partition_attrs; /* what those are partitioned by, offset as `foreign` */
	char *schema;				/* of home, as on the map */
	char *table;
	char *source; /* whose private copy it is, or NULL */
	int ncols;
	MappedColumn *cols; /* in attribute order */
	int nothers;
	MappedColumn *others; /* not mirrored, behind cols: type and default */
	int nkeys;			  /* mirrored columns that are key */
	int nkey_attrs;		  /* columns that tell a row, for evidence */
	AttrNumber *key_attrs;
	int text_needs;				  /* of all columns; see value.c */
	struct ExprContext *econtext; /* for filters */
	MemoryContext filter_cxt;	  /* what they were compiled to */
	uint64 filters_of;			  /* then; see compile_filters() */
	/* the columns that the writer of this serial may not freely write */
	uint64 view_serial;
	Bitmapset *foreign; /* offset FirstLowInvalidHeapAttributeNumber */
} RelationMap;

/* One column of one row that a non-owner writes. */
typedef struct Conflict
{
	MappedColumn *col;
	const char *owner; /* by the row's rules */
	Verdict verdict;
	bool softened; /* reject, acting as keep in a replicated stream */
} Conflict;

typedef struct ConflictSet
{
	int n;
	Conflict *items; /* NULL while there are none */
	Verdict strictest;
} ConflictSet;

/* ownership.c: settings */
extern char *ownership_system;
extern int ownership_enforcement;
extern int ownership_default_policy;
extern bool ownership_lift;
extern int ownership_observed_limit;
extern int ownership_value_limit;
extern bool ownership_track_reads;
extern int ownership_flush_interval;
extern int ownership_activity_size;
extern int ownership_queue_size;
extern const char *policy_name(Policy policy);
extern Policy policy_from_name(const char *name);

/* hooks.c, invalidate.c */
extern void hooks_install(void);
extern void invalidate_register(void);

/* attempt.c */

/* State of a session that belongs to the subtransaction which made it. */
typedef struct Nested
{
	dlist_node node;
	int level; /* of transactions */
} Nested;

extern void subxact_end(dlist_head *list, bool aborted, void (*drop)(Nested *));
extern ErrorData *subxact_try(void (*work)(void *), void *arg);
extern ErrorData *subxact_try_locking(void (*work)(void *), void *arg);
extern ErrorData *subxact_trial(bool (*function)(void *), void *arg);
extern bool subxact_error_is_fatal(const ErrorData *error);

/*
 * How often a cache loads an entry that was invalidated while it was loaded.
 * Under debug_discard_caches every entry is, and that says nothing.
 */
#define LOADS (debug_discard_caches > 0 ? 1 : 3)

/* catalog.c: reading the extension's own tables */
typedef struct CatalogScan CatalogScan;
extern Oid catalog_table(const char *name, bool missing_ok);
extern bool catalog_try_lock(const char *const *names, int n);
extern void catalog_unlock(const char *const *names, int n);
extern CatalogScan *catalog_begin(const char *table, const char *index, int nkeys,
								  const char *const *keys, Snapshot snapshot);
extern CatalogScan *
catalog_begin_oids(const char *table, const char *index, int nkeys, const Oid *keys);
extern bool catalog_next(CatalogScan *scan);
extern char *catalog_text(CatalogScan *scan, int attnum);
extern List *sql_text_list(Datum array);
extern List *catalog_texts(CatalogScan *scan, int attnum);
extern bool catalog_bool(CatalogScan *scan, int attnum);
extern Oid catalog_oid(CatalogScan *scan, int attnum);
extern int catalog_int(CatalogScan *scan, int attnum);
extern TimestampTz catalog_time(CatalogScan *scan, int attnum);
extern List *catalog_oids(CatalogScan *scan, int attnum);
extern bool catalog_has(CatalogScan *scan, int attnum);
extern ItemPointer catalog_tid(CatalogScan *scan);
extern void catalog_end(CatalogScan *scan);
#define CATALOG_SIGNAL "bound_role"
extern Oid catalog_signal;
extern void catalog_watch(void);
extern Oid catalog_owner(void);
extern void catalog_check_triggers(void);
extern Snapshot catalog_snapshot(void);
extern void catalog_release(Snapshot snapshot);

/*
 * The columns of the extension's tables that C reads or writes by number, in the
 * order of their CREATE TABLE.  A column never moves: dumps without lists of
 * columns, and older versions' tables, have the same numbers.
 */
enum
{
	Anum_system_name = 1
};

enum
{
	Anum_identity_kind = 1,
	Anum_identity_name,
	Anum_identity_system,
	Anum_identity_strict,
	Anum_identity_steward,
	Anum_identity_carrier
};

enum
{
	Anum_domain_policy = 6
};

enum
{
	Anum_field_entity = 1,
	Anum_field_name,
	Anum_field_domain,
	Anum_field_owner,
	Anum_field_policy,
	Anum_field_key
};

enum
{
	Anum_declared_access_entity = 1,
	Anum_declared_access_field,
	Anum_declared_access_system,
	Anum_declared_access_mode
};

enum
{
	Anum_mirrored_table_schema = 1,
	Anum_mirrored_table_table,
	Anum_mirrored_table_source
};

enum
{
	Anum_mirrored_column_schema = 1,
	Anum_mirrored_column_table,
	Anum_mirrored_column_column,
	Anum_mirrored_column_entity,
	Anum_mirrored_column_field
};

enum
{
	Anum_mirrored_pattern_pattern = 1,
	Anum_mirrored_pattern_source,
	Anum_mirrored_pattern_owner,
	Anum_mirrored_pattern_readers,
	Anum_mirrored_pattern_exclude
};

enum
{
	Anum_row_owner_schema = 1,
	Anum_row_owner_table,
	Anum_row_owner_column,
	Anum_row_owner_position,
	Anum_row_owner_filter,
	Anum_row_owner_owner
};

enum
{
	Anum_bound_role_name = 1,
	Anum_bound_role_role,
	Natts_bound_role = Anum_bound_role_role
};

enum
{
	Anum_bound_schema_name = 1,
	Anum_bound_schema_schema,
	Anum_bound_schema_role,
	Natts_bound_schema = Anum_bound_schema_role
};

enum
{
	Anum_bound_table_schema = 1,
	Anum_bound_table_table,
	Anum_bound_table_relid,
	Anum_bound_table_columns,
	Anum_bound_table_guarded,
	Anum_bound_table_generated, /* this and the following since 0.2.0 */
	Anum_bound_table_types,
	Anum_bound_table_away_since,
	Natts_bound_table = Anum_bound_table_away_since
};

enum
{
	Anum_left_off_relid = 1,
	Anum_left_off_schema,
	Anum_left_off_table,
	Natts_left_off = Anum_left_off_table
};

enum
{
	Anum_former_table_former_schema = 1,
	Anum_former_table_former_name,
	Anum_former_table_schema,
	Anum_former_table_table
};

enum
{
	Anum_ddl_queue_classid = 1,
	Anum_ddl_queue_objid,
	Anum_ddl_queue_schema,
	Anum_ddl_queue_table,
	Anum_ddl_queue_arrived,
	Anum_ddl_queue_guard,
	Anum_ddl_queue_fresh
};

enum
{
	Anum_history_id = 1,
	Anum_history_changed_at,
	Anum_history_role,
	Anum_history_login,
	Anum_history_application_name,
	Anum_history_map_table,
	Anum_history_item,
	Anum_history_entity,
	Anum_history_field,
	Anum_history_old,
	Anum_history_new,
	Natts_history = Anum_history_new
};

enum
{
	Anum_conflict_id = 1,
	Anum_conflict_recorded_at,
	Anum_conflict_schema,
	Anum_conflict_table,
	Anum_conflict_row_key,
	Anum_conflict_operation,
	Anum_conflict_system,
	Anum_conflict_role,
	Anum_conflict_origin,
	Anum_conflict_application,
	Anum_conflict_outcome,
	Anum_conflict_columns,
	Anum_conflict_stored,
	Anum_conflict_proposed,
	Anum_conflict_resolved_at,
	Anum_conflict_resolution,
	Natts_conflict = Anum_conflict_resolution
};

/* writer.c */
extern WriterKey writer_key(void);
extern const Writer *writer_of(const WriterKey *key);
extern const Writer *writer_known(const WriterKey *key);
extern const Writer *writer_current(void);
extern bool writer_try(const WriterKey *key, const Writer **writer);
extern const char *writer_system(const Writer *writer, const char *source);
extern char *writer_label(const Writer *writer, const char *system);
extern bool lookup_system_exists(const char *name);
extern List *lookup_system_names(void);
extern bool writer_is_worker(void);
extern void writer_forget(void);

/* map.c */
extern void map_enter(void);
extern void map_leave(void);
extern void map_pin(RelationMap *map);
extern void map_unpin(RelationMap *map);
extern RelationMap *map_get(Relation rel);
extern RelationMap *map_known(Oid relid);
extern const Bitmapset *map_foreign(RelationMap *map, const Writer *writer);
extern MappedColumn *map_column(RelationMap *map, AttrNumber attnum);
extern const MappedColumn *map_any_column(const RelationMap *map, AttrNumber attnum);
extern const char *map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored);
extern bool map_is_asking(void);
extern void map_default(const ColumnDefault *standard, Datum *value, bool *isnull);
extern List *place_ancestors(Oid relid);
extern RelationMap *map_as_of(Relation rel, Snapshot snapshot);
extern uint64 map_signals;
extern uint64 map_edits;
extern void map_edited(void);
extern uint64 map_edits_seen(void);
extern uint64 map_relation_changes(void);
extern bool map_any_functions;
extern bool map_any_domains;
extern void map_load(RelationMap *map, Relation rel, Snapshot at);
extern bool map_forget(Oid relid);
extern void map_forget_names(void);
extern void map_forget_functions(void);
extern void map_forget_types(void);
extern bool map_end_subtransaction(bool aborted);
extern void map_end_transaction(bool aborted);

/* moment.c: what the rows of a statement are judged by */
typedef struct MomentState MomentState;

typedef struct Moment
{
	WriterKey key;
	Enforcement enforcement;
	Policy default_policy;
	bool replica;		/* session_replication_role */
	bool identified;	/* `writer` is known */
	Writer writer;		/* see moment_writer() */
	uint64 edits;		/* of the map, that it knows of */
	uint64 serial;		/* changes when such an edit makes writer and maps others */
	MomentState *state; /* NULL: of no statement, but of now */
} Moment;

extern Moment moment_now(void);
extern Moment *moment_begin(const void *statement, Snapshot snapshot, MemoryContext cxt);
extern void moment_keep_snapshot(Moment *m);
extern Moment *moment_of(const void *statement);
extern const Writer *moment_writer(Moment *m);
extern const Writer *moment_known_writer(Moment *m);
extern RelationMap *moment_map(Moment *m, Relation rel);
extern RelationMap *moment_known_map(Moment *m, Oid relid);
extern void moment_judge_before(Moment *m, Oid relid);
extern bool moment_judges_before(const Moment *m, Oid relid);

/* filter.c: row filters */
typedef struct SavedRole
{
	Oid role; /* who called */
	int context;
	int nestlevel;
} SavedRole;

extern SavedRole role_become_owner(Relation rel);
extern SavedRole role_become_extension(void);
extern void role_restore(const SavedRole *caller);
extern Expr *filter_parse(Relation rel, Oid home, const char *text);
extern char *filter_renamed(Relation rel, const char *text, const char *table, List *columns);

/* compare.c */
extern ValueType value_type(Oid type);
extern bool value_changed(const ValueType *type, Datum a, bool anull, Datum b, bool bnull);

/* verdict.c */
typedef struct Circumstances
{
	Operation operation;
	bool steward;
	bool applies; /* a replicated stream */
	bool strict;
	bool cascade; /* a foreign-key action */
	Enforcement enforcement;
	Policy default_policy;
} Circumstances;

extern Policy policy_effective(Policy policy, Policy standard);
extern Verdict
verdict_for(const Circumstances *c, Policy policy, bool key, bool stored_null, bool *softened);

/* statement.c: what the running statement says of itself */

/* Inserts rows into one of the extension's tables; see insert.c. */
typedef struct Inserter
{
	MemoryContext cxt;				 /* holds all of it */
	struct ResourceOwnerData *owner; /* of the relation's references */
	EState *estate;
	Relation rel;
	ResultRelInfo *rri;
	TupleTableSlot *slot;
	Oid sequence;
	struct ExprState **defaults; /* of columns that are not the extension's; NULL: not asked yet */
} Inserter;

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

/* See statement_steward_query(). */
typedef struct StewardQuery
{
	Oid home; /* the table on the map */
	const void *params;
} StewardQuery;

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

extern StewardQuery statement_steward_query(StewardQuery next);
extern bool statement_is_steward_query(const RelationMap *map);
extern struct QueryDesc *statement_query(void);
extern const void *statement_key(void);
extern PlannedStmt *statement_planned(void);
extern CopyStmt *statement_copy(const RelationMap *map);
extern Oid statement_copied(void);
extern struct CopyFromStateData *statement_copying(const RelationMap *map);
extern Moment *statement_moment(void);
extern bool statement_is_unseen(void);
extern Moment *statement_copies(Relation rel);
extern bool statement_applies(void);
extern char *statement_error_context(void);
extern const Writer *statement_writer(void);
extern bool statement_relations_hold(void);
extern bool statement_is_copy(const RelationMap *map);
extern bool statement_is_action(void);
extern Circumstances statement_circumstances(const Moment *moment, const Writer *writer);
extern Moment *statement_seen_moment(void);
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

/* nodes.c: the parts of a running query that write rows */
extern List *statement_nodes(struct QueryDesc *query);
extern ResultRelInfo *statement_relation(EState *estate, const Trigger *trigger);
extern struct ModifyTableState *statement_node_of(struct QueryDesc *query, const ResultRelInfo *rri);
extern struct ModifyTableState *statement_node(struct QueryDesc *query, const Trigger *trigger);

/* insertion.c: where the values of a new row come from */

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

extern void insertion_find(Insertion *insertion, const RelationMap *map,
						   struct ModifyTableState *node, bool before);
extern const ColumnDefault *insertion_default(const NewRow *new, const MappedColumn *col);
extern bool insertion_has_constant(const NewRow *new, const MappedColumn *col);
extern bool
insertion_mentions(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern Naming
insertion_names(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_leaves_out(const NewRow *new, const MappedColumn *col);
extern bool
insertion_is_open(const Insertion *insertion, const RelationMap *map, const MappedColumn *col);
extern bool insertion_was_open(const NewRow *new, const MappedColumn *col);
extern Arbiters insertion_arbiters(const NewRow *new, List **indexes);
extern bool insertion_writes(const NewRow *new, const MappedColumn *col, TupleTableSlot *row);

/* value.c: values as text */
#define TEXT_LOCALE 1 /* of money */
#define TEXT_NAMES 2  /* of what lies in schemas */

/* What text output and input depend on. */
typedef struct OutputSettings
{
	int level; /* of settings; 0: none */
	int date_style;
	int date_order;
	int interval_style;
	int float_digits;
	int bytea;
	int xml;
	bool quote_all;
	bool array_nulls;
	struct pg_tz *timezone;
} OutputSettings;

extern int value_text_needs(Oid type);
extern OutputSettings value_fix_output(int needs);
extern void value_restore_output(const OutputSettings *old);
extern char *value_to_text(Oid type, Datum value);
extern Datum value_from_text(Oid type, char *text);

/* conflict.c: evidence */
typedef struct Evidence
{
	const RelationMap *map; /* of the relation that the slots belong to */
	TupleDesc desc;			/* its; a slot's own may lack the names */
	const Writer *writer;
	const char *system; /* who that is on this table, or NULL */
	const NewRow *new;	/* INSERT: what brings the row; else NULL */
	Operation operation;
	Verdict outcome;
	const ConflictSet *conflicts; /* those of this verdict are recorded */
	TupleTableSlot *stored;		  /* the row before; NULL for INSERT, TRUNCATE */
	TupleTableSlot *proposed;	  /* the row as written; NULL for DELETE */
	TupleTableSlot *final;		  /* the row as it will be; NULL: as stored */
} Evidence;

extern JsonbValue *value_in_object(Jsonb *object, const char *key);
extern void insert_set_text(Datum *values, bool *nulls, int attnum, const char *text);
extern void evidence_record(const Evidence *e);
extern void evidence_end(const void *statement, bool all);
extern void record_rejected(const Evidence *e);
extern const char *operation_name(Operation operation);
extern const char *verdict_name(Verdict outcome);

/* repeat.c: what the latest evidence tells already */
typedef struct Proposal
{
	Jsonb *key;
	bool whole;	   /* the key tells the row; else the values do */
	Jsonb *values; /* NULL for DELETE */
	List *made;	   /* char *: what is in these the database put there */
} Proposal;

extern TransactionId repeat_forget(Relation rel, const Evidence *e, const Proposal *proposal,
								   ConflictSet *fresh, bool *apart);

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

extern PGDLLEXPORT Datum ownership_guard_truncate(PG_FUNCTION_ARGS);

/* foreign.c: TRUNCATE of foreign tables before PostgreSQL 16 */
extern void foreign_truncate(const TruncateStmt *statement);

/* lift.c: statements that cannot violate the map */
extern void lift_statement(struct QueryDesc *query);
extern bool lift_arm(TriggerData *td);
extern bool trigger_list_others_fire_before(TriggerData *td, int event);
extern void lift_rest(TriggerData *td, RelationMap *map, const Moment *moment, const Writer *writer,
					  bool judge_in_before, bool applied);
extern void lift_undo(void);
extern void trigger_list_forget_functions(void);

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

extern void move_remember_update(GuardState *state, TriggerData *td);
extern bool move_begins(GuardState *state, TriggerData *td, const RelationMap *map);
extern void move_announce(GuardState *state, TriggerData *td, const RelationMap *map);
extern bool move_is_replicated(TriggerData *td);
extern void move_announce_replicated(TriggerData *td, const RelationMap *map, List *obstacles);
extern Move *move_arrives(TriggerData *td, const RelationMap *map);
extern HeapTuple move_tuple(HeapTuple tuple, Oid from, Oid to);
extern void move_let_in(const Move *move, Relation rel, const RelationMap *map, HeapTuple tuple);
extern bool move_is_under_way(void);
extern bool move_left(TriggerData *td);
extern bool move_arrived(TriggerData *td, const RelationMap *map, Move *move);
extern void move_forget(bool all);
extern bool guard_truncate_is_new(const RelationMap *map);
extern void move_end_subtransaction(bool aborted);
extern void move_end_transaction(void);

/* report.c: what the client and the server log are told */
extern COMPAT_NORETURN void evidence_report_rejected(const Evidence *e, const char *why);
extern void evidence_report_softened(const Evidence *e);
extern void evidence_report_kept(const Tally *tally);

/* mailbox.c: shared memory between sessions and the worker */

/* What is counted of a column and a writer, as the columns of activity. */
typedef enum CountKind
{
	COUNT_READS,	/* statements */
	COUNT_WRITES,	/* statements, or replicated row changes */
	COUNT_OBSERVED, /* rows, as the following */
	COUNT_FILLED,
	COUNT_KEPT,
	COUNT_REJECTED,
	COUNT_OVERRIDDEN
} CountKind;

#define COUNT_KINDS (COUNT_OVERRIDDEN + 1)

typedef struct Counts
{
	int64 n[COUNT_KINDS];
	TimestampTz first_seen; /* 0: never, as the following */
	TimestampTz last_read;
	TimestampTz last_write;
} Counts;

/* Hashed by its bytes: zero what is not used. */
typedef struct CounterKey
{
	Oid database;
	Oid extension; /* the OID of its table activity */
	Oid relation;  /* that stands on the map */
	AttrNumber attnum;
	char system[NAMEDATALEN]; /* empty: unidentified */
} CounterKey;

typedef struct Counter
{
	CounterKey key;
	Counts counts;
} Counter;

typedef enum MailResult
{
	MAIL_SENT,
	MAIL_BUSY, /* the lock was not free */
	MAIL_FULL
} MailResult;

typedef struct MailboxStatus
{
	bool preloaded;
	bool exists; /* else the rest is zero */
	int counters_size;
	int64 counters_used;
	int64 queue_size; /* bytes */
	int64 queue_used;
	pid_t worker;
	bool starting;
	bool no_process;
	bool failed;
	int64 attempts_waiting;
	int64 attempts_dropped;
	int64 counts_dropped;
	TimestampTz oldest; /* 0: all is written */
	char error[256];
} MailboxStatus;

extern bool mailbox_exists(void);
extern void counts_add(Counts *a, const Counts *b);
extern bool counts_empty(const Counts *counts);
extern MailResult mailbox_count(const CounterKey *key, const Counts *counts, bool wait);
extern Size mailbox_largest(void);
extern MailResult mailbox_post(const char *message, uint32 length, bool wait);
extern void mailbox_dropped(int64 attempts, int64 counts);
extern uint64 mailbox_announce(bool wait);
extern bool mailbox_is_written(uint64 number);
extern void mailbox_flush(void);
extern bool mailbox_claim(Oid database);
extern bool mailbox_release(Oid database, bool only_idle);
extern void mailbox_failed(Oid database, const char *error, int max_delay_ms);
extern uint64 mailbox_due(Oid database, bool *urgent, int64 *attempts);
extern Counter *mailbox_counters(Oid database, int *n);
extern void mailbox_counters_written(const Counter *copy, int n);
extern char *mailbox_attempts(Oid database, Size space, int max, uint32 *lengths, int *n);
extern void mailbox_attempts_written(Oid database, int n);
extern void mailbox_written(Oid database, uint64 number);
extern List *mailbox_databases(void);
extern void mailbox_forget(Oid database);
extern void mailbox_status(MailboxStatus *status);
extern void mailbox_init(void);

/* outline.c: which columns are on the map, for who only looks on */
typedef struct Outline
{
	Oid relid; /* hash key */
	bool valid;
	bool ancestor; /* some other entry depends on it */
	bool mapped;
	MemoryContext cxt;
	Oid home;				 /* the table on the map: the relation itself, or one above it */
	char *source;			 /* of the table; NULL: none */
	int natts;				 /* of the relation */
	AttrNumber *home_attnum; /* in home, by attribute number - 1; 0: not on the map */
	bool *key;				 /* of a field that says which rows there are */
} Outline;

extern const Outline *outline_of(Oid relid);
extern Oid outline_extension(void);
extern void outline_forget(Oid relid);
extern void outline_forget_all(void);

/* counts.c: what a session has counted, until it is in shared memory */
extern bool counts_begin(void);
extern int counts_system(const char *system);
extern void counts_new_statement(void);
extern void counts_read(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at);
extern void counts_rejected(Oid home, int natts, int system, AttrNumber attnum, TimestampTz at);
extern void
counts_at_commit(Oid home, int system, AttrNumber attnum, CountKind kind, TimestampTz at);
extern bool counts_hand_over(bool wait, bool *sent);
extern bool counts_wait(void);
extern int64 counts_give_up(void);
extern void counts_end_subtransaction(bool aborted);
extern void counts_end_transaction(bool aborted);

/* handover.c */
extern void handover_begin(void);
extern void handover_attempt(const char *text, uint32 length);
extern void handover_in_time(void);

/* activity.c: what a session reads, writes and tries */

/* A rejected attempt, as a row of conflict; NULL where that has none. */
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

typedef struct Attempt
{
	Oid extension; /* the OID of its table activity */
	TimestampTz at;
	const char *texts[ATTEMPT_TEXTS];
} Attempt;

extern int reads_do_not_count(void);
extern void reads_count_again(int level);
extern bool activity_counts(void);
extern bool activity_traffic_counts(void);
extern void activity_conflict(const RelationMap *map, const char *system,
							  const ConflictSet *conflicts, Verdict outcome);
extern void activity_row(const RelationMap *map, const char *system, Operation operation,
						 const Bitmapset *named, const NewRow *new, TupleTableSlot *stored,
						 TupleTableSlot *written);
extern void activity_attempt(const RelationMap *map, const char *system,
							 const ConflictSet *conflicts, Attempt *attempt);
extern Attempt activity_read_attempt(const char *message);

/* What a COPY writes, as far as it is known. */
typedef struct CopyWrites
{
	Oid relid; /* InvalidOid: no privilege was asked for yet */
	int system;
	Bitmapset *names;
	bool known; /* which system that is */
} CopyWrites;

extern void reads_begin(bool only_explained);
extern void reads_started(void);
extern bool reads_are_seen(void);
extern void reads_see(const CompatPerms *perms);
extern CopyWrites *writes_enter_copy(CopyWrites *copy);
extern void writes_leave_copy(CopyWrites *outer);
extern void writes_see_copy(const CompatPerms *perms);
extern void writes_count_copy(const void *statement, const CopyWrites *copy);
extern void writes_watch(struct QueryDesc *query);
extern void writes_count(struct QueryDesc *query);
extern void writes_end_subtransaction(bool aborted);
extern void writes_end_transaction(void);

/* worker.c: from the mailbox to the tables */
extern bool activity_is_worker;

/* explain.c: asking the rules without writing */
typedef struct Answer
{
	int allowed; /* -1: depends on the row */
	const char *outcome;
	const char *owner;
	const char *policy;
	const char *reason;
} Answer;

extern Answer explain_column(RelationMap *map, MappedColumn *col, const char *system, bool steward,
							 bool stored_null);

/* edit.c: SQL run for the functions that edit the map */
typedef struct Parameters
{
	int n;
	Oid types[12];
	Datum values[12];
	char nulls[12];
} Parameters;

extern void sql_add_value(Parameters *p, Oid type, Datum value, bool isnull);
extern void sql_add_text(Parameters *p, const char *value);
extern void sql_add_texts(Parameters *p, List *values);
extern void sql_add_oid(Parameters *p, Oid value);
extern void sql_add_bool(Parameters *p, bool value);
extern void sql_set_search_path(void);
extern int sql_pin_search_path(void);
extern void sql_unpin_search_path(int level);
extern uint64 sql_run(const char *sql, Parameters *p);
extern char *sql_result_text(uint64 row, int column);
extern bool sql_result_bool(uint64 row, int column);
extern List *sql_result_texts(uint64 row, int column);
extern Jsonb *sql_result_jsonb(uint64 row, int column);
extern int64 sql_result_int64(uint64 row, int column);
extern void call_put_text(Datum *values, bool *nulls, int i, const char *text);
extern void call_put_row(ReturnSetInfo *rsinfo, int n, const char *const *texts);
extern void
require_undefined(const char *message, const char *nearest, const char *what, const char *hint);
extern char *require_near_field(const char *entity, const char *field);
extern void require_system(const char *name);
extern void require_domain(const char *name);
extern void require_policy(const char *name);

/* A column that is to be put on the map. */
typedef struct ColumnSpec
{
	const char *schema;
	const char *table;
	const char *column;
	const char *entity;
	const char *field;
	bool key; /* marks the field, if it is new */
} ColumnSpec;

/*
 * From where to read the columns that can be on the map: (n)amespace, (c)lass,
 * (a)ttribute and the primary key's (i)ndex.  Partitions are covered by the
 * table above them.
 */
#define MAPPABLE_COLUMNS                                              \
	"(SELECT c.oid, c.relname, c.relnamespace FROM pg_class c "       \
	"WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' " \
	"AND NOT c.relispartition AND c.oid >= 16384) c "                 \
	"JOIN pg_namespace n ON n.oid = c.relnamespace "                  \
	"AND n.nspname <> 'ownership' AND n.nspname !~ '^pg_' "           \
	"JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "     \
	"AND NOT a.attisdropped AND a.attgenerated = '' "                 \
	"LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "

extern void require_relation(Oid relid);
extern COMPAT_NORETURN void require_no_table_matches(const char *pattern);
extern void guard_relations(List *relids);
extern bool names_can_be_field(const char *column);
extern char *names_default_entity(const char *schema, const char *table);
extern COMPAT_NORETURN void require_undefined_column(Relation rel, const char *name);
extern bool lookup_field_exists(const char *entity, const char *field);
extern bool lookup_field_is_key(const char *entity, const char *field);
extern List *lookup_field_columns(const char *entity, const char *field);
extern bool names_all_among(List *names, List *others);
extern void field_map_columns(List *specs);

/* What add_tables() was told; see mirrored_pattern. */
typedef struct TablePattern
{
	char *pattern;
	char *source;
	char *owner;
	List *readers;
	List *exclude;
} TablePattern;

extern void field_mark_primary_key(Oid relid);
extern bool table_pattern_map(Oid relid, const TablePattern *pattern, List *only);
extern bool
table_pattern_excludes(List *patterns, const char *schema, const char *table, const char *column);
extern bool names_contain(List *names, const char *name);
extern bool field_map_column(const char *schema, const char *table, const char *column,
							 const char *entity, const char *field, bool authoritative);
extern void field_set_access(const char *entity, const char *field, const char *mode, List *systems);

/* sheet.c: the spreadsheet */
typedef enum SheetCell
{
	SHEET_ENTITY,
	SHEET_FIELD,
	SHEET_DOMAIN,
	SHEET_OWNER,
	SHEET_READERS,
	SHEET_WRITERS,
	SHEET_COLUMNS,
	SHEET_POLICY,
	SHEET_KEY,
	SHEET_LOCAL,
	SHEET_RATIONALE,
	SHEET_DECIDED_BY,
	SHEET_DECIDED_ON
} SheetCell;

#define SHEET_CELLS (SHEET_DECIDED_ON + 1)

typedef struct SheetRow
{
	char *cells[SHEET_CELLS]; /* as in the file; NULL: blank */
	bool key_is_open;		  /* no cell says whether it is a key */
	/* taken from the cells by sheet_store() */
	char *entity;
	char *field;
	char *owner;
	List *writers;
} SheetRow;

typedef void (*SheetCheck)(const SheetRow *row);

extern const char *const sheet_headers[SHEET_CELLS];
extern const SheetCheck sheet_checks[];
extern bool names_mean_no_system(const char *name);
extern char *sheet_cell(const SheetRow *row, SheetCell cell);
extern List *sheet_list(const SheetRow *row, SheetCell cell);
extern void sheet_store(SheetRow *row);

/* signal.c: triggers on the map's tables */
extern TriggerData *own_triggers_check(FunctionCallInfo fcinfo, const char *function);
extern bool call_is_restoring(void);

/* install.c: creating and dropping the guard */
typedef enum GuardMode
{
	GUARD_ARM,		/* create what is missing, arm what is not armed */
	GUARD_COMPLETE, /* create what is missing; what was switched off stays so */
	GUARD_REARM		/* only arm what was switched on again, but not fully */
} GuardMode;

extern void guard_relation(Oid relid, bool quiet);
extern void guard_tree(Oid relid, GuardMode mode);
extern bool place_carries_guard(Oid relid);
extern bool guard_is_away(Oid relid);
extern bool guard_is_changing(void);
extern Trigger *call_find_trigger(Relation rel, const char *name);
extern void guard_drop_own(Oid relid, bool truncate);

/* bind.c: what the map's names are bound to */
typedef struct TablePlace
{
	char *schema;
	char *table;
	bool partition;
} TablePlace;

typedef struct Binding
{
	char *schema; /* as on the map */
	char *table;
	Oid relid;				/* InvalidOid: the map waits for a table of that name */
	List *columns;			/* names by attribute number; "" where one was dropped */
	List *types;			/* OIDs of their types, likewise; NIL: not known */
	List *generated;		/* names of columns that are */
	bool guarded;			/* the guard belongs on it */
	TimestampTz away_since; /* when a part of the guard went away; 0: it is in place */
} Binding;

extern bool place_of(Oid relid, TablePlace *place);
extern Oid place_find(const char *schema, const char *table);
extern Oid place_find_table(const char *schema, const char *table);
extern List *place_columns(Oid relid);
extern List *place_generated_columns(Oid relid);
extern List *place_types(Oid relid, int natts);
extern bool lookup_is_mirrored(const char *schema, const char *table);
extern Binding *binding_of(Oid relid);
extern Binding *binding_named(const char *schema, const char *table);
extern void bind_table(const char *schema, const char *table, Oid relid, bool guarded);
extern void bind_unbound(void);
extern void bind_nothing(const Binding *binding);
extern void bind_guarded(Oid relid, bool guarded);
extern bool bind_is_bound_schema(const char *name, Oid schema);
extern void bind_schema(const char *name);
extern void bind_rename_schema(const char *old, const char *new);
extern void binding_store(const Binding *b);
extern void bind_forget_off(Oid relid);
extern bool bind_is_known_off(Oid relid, const TablePlace *place);
extern void away_note(const List *relids);

/* follow.c: the map follows its tables and columns */
#define FOLLOW_ARRIVAL 1  /* it may have come to its name, or to be a table of its own */
#define FOLLOW_GUARD 2	  /* what lies above it, or its triggers, may have changed */
#define FOLLOW_KEY 4	  /* it got a primary key */
#define FOLLOW_TRIGGERS 8 /* triggers of its own may have come, gone or been switched */

extern bool place_is_same(const TablePlace *a, const TablePlace *b);
extern bool table_pattern_drop_undecided(const TablePlace *place, const char *column);
extern void place_add(Parameters *p, const TablePlace *place);
extern bool place_is_below_mirrored(Oid relid);
extern bool follow_concerns_map(Oid relid, int flags);
extern void follow_table(Oid relid, int flags);
extern void follow_schema(const char *old, const char *new);
extern void follow_subscription(const char *old, const char *new);
extern void follow_dropped(Oid relid);

/* column.c: the map follows columns */
extern COMPAT_NORETURN void changed_meanwhile(void);
extern bool filters_are_carried(void);
extern void table_triggers_write_filters(const char *sql, Parameters *p);
extern void rename_in_filters(Oid relid, const TablePlace *place, const char *table, List *columns);
extern bool lookup_column_is_mirrored(const TablePlace *place, const char *column);
extern void rename_column_evidence(const TablePlace *place, const char *from, const char *to);
extern void follow_columns(const Binding *b, const TablePlace *place);

/* settle.c: what DDL leaves to be done at commit */
extern void
queue_add(Oid classid, Oid objid, const TablePlace *was, bool arrived, bool guard, List *fresh);
extern List *table_pattern_load(void);
extern TablePattern *table_pattern_best(List *patterns, const TablePlace *place);
extern void queue_gone(Oid relid, List *names, List *types);
extern TablePattern *table_pattern_for(const TablePlace *place);
extern bool queue_is_unsettled(Oid relid);

/* behind.c: what the map missed */
extern void catch_up(Oid relid);
extern void rename_evidence(const TablePlace *from, const TablePlace *to);

/* history.c */
extern bool history_is_silent(void);
extern void
history_record_guard(const Binding *binding, bool away, TimestampTz since, TimestampTz now);

/* names.c: relations, columns and near misses */
extern char *names_relation_label(const char *schema, const char *table);
extern char *names_message_relation(const char *schema, const char *table);
extern char *names_message_relation_oid(Oid relid);
extern char *names_column_label(const char *schema, const char *table, const char *column);
extern void names_split_field(const char *text, char **entity, char **name);
extern void names_split_column(const char *text, char **schema, char **table, char **column);
extern bool names_match(const char *pattern, const char *text);
extern bool names_match_table(const char *pattern, const char *schema, const char *table);
extern char *names_nearest(const char *wanted, List *names);

/* words.c: names that run together */
typedef struct Words Words;

extern Words *words_create(void);
extern void words_learn(Words *words, const char *pattern);
extern char *words_split(Words *words, const char *name);

/* pattern.c: the patterns of the guide's domains */
extern char *pattern_normal_name(const char *name);
extern char *pattern_expand(const char *pattern);
extern char *pattern_words(const char *pattern);
extern char *pattern_qualified(const char *pattern);
extern char *pattern_definite(const char *pattern);
extern bool pattern_of_documents(const char *pattern);
extern bool pattern_hits(const char *pattern, const char *name);
extern const char *pattern_bracket_end(const char *c);
extern bool *pattern_hit_names(const char *re, char **names, int n);

/* trust.c: whose code runs when a table is read */
extern bool trust_function(Oid function);
extern bool trust_runs_code_of_others(const char *expr, Oid role);
extern bool trust_reading_runs_code(Oid relid);
extern const char *trust_unfit_to_read(Oid relid);

/* copies.c: the columns that hold one field, and how to compare them */
typedef struct Holder
{
	char *schema;
	char *table;
	char *column;
	Oid relid;		   /* InvalidOid: there is no such table */
	AttrNumber attnum; /* InvalidAttrNumber: nor column */
	Oid type;
	int32 typmod;
	Oid collation;
} Holder;

typedef struct KeyColumn
{
	char *field;
	Holder holder;
} KeyColumn;

/* A copy of a field, and the authoritative one that it is compared with. */
typedef struct Copy
{
	char *entity;
	char *field;
	bool key;
	char *owner;
	char *source; /* of the copy's table; NULL: it is shared */
	Holder from;  /* the authoritative one; NULLs: undecided */
	Holder to;
	char *problem; /* why they cannot be compared; NULL: they can */
	char *advice;
	bool unlinked; /* the problem: the map leaves it open */
	/* SQL, in which "a" is the authoritative table, "c" the copy's */
	char *match;   /* a's row is c's */
	char *join;	   /* FROM */
	char *row_key; /* jsonb */
	char *order;
	char *key_columns; /* of "a" */
	bool unique;	   /* they are known to tell its rows */
	/* what came out */
	bool unseen; /* the problem: the data could not be looked at */
	int64 compared;
	int64 differing;
} Copy;

extern bool compare_has_cast(Oid from, Oid to);
extern List *copy_load(const char *entity, const char *field);
extern void holder_find(Holder *h);
extern char *holder_label(const Holder *h);
extern bool holder_tells_row(Oid relid, List *attnums);
extern bool holder_any_foreign(Oid relid);
extern char *map_owner_at(Oid relid, ItemPointer tid, const char *column);
extern bool holder_can_read(Oid relid, AttrNumber attnum);
extern List *holder_table_keys(const char *entity, const char *schema, const char *table);
extern const KeyColumn *holder_find_key(List *keys, const char *field);
extern char *sql_column(const char *alias, const char *column);
extern char *sql_text(const char *expr);
extern char *sql_key_value(const char *expr, Oid type);
extern char *sql_operator(Oid operator);
extern char *copy_sql_differs(const Copy *copy);
extern char *copy_sql_join(const Copy *copy, const char *sample);

/* drift.c: copies that hold different values */
extern List *drift_field_copies(const char *name);
extern void drift_report_incomparable(int level, const char *name, const Copy *copy);
/* rows.c: the rows that evidence tells of */
typedef struct RowColumn
{
	char *name;
	AttrNumber attnum;
	Oid type;
	bool generated;
	bool identity;
} RowColumn;

/* What evidence holds of a value. */
typedef enum ValueKind
{
	VALUE_ABSENT,
	VALUE_NULL,
	VALUE_TEXT,
	VALUE_LENGTH /* its length only */
} ValueKind;

typedef struct StoredRow
{
	int n;	   /* how many rows have the key; of the first: */
	Oid relid; /* where it is stored, if that was asked for */
	ItemPointerData tid;
	char **values; /* NULL is NULL */
} StoredRow;

extern Oid place_evidence_table(const char *schema, const char *table);
extern RowColumn *place_row_column(Oid relid, const char *name);
extern List *value_object_names(Jsonb *object);
extern ValueKind value_object_text(Jsonb *object, const char *name, char **text);
extern bool value_same_text(Oid type, const char *a, const char *b);
extern void row_read(Oid relid, List *keys, List *columns, bool lock, bool place, StoredRow *rows);
extern uint64 statement_run_as_steward(Oid home, const char *sql, ParamListInfo params);
extern void row_write(Oid relid, Operation operation, Jsonb *key, List *columns, List *values);

/* decide.c: decisions on refused values */
extern void decision_require_decider(void);

/* insert.c: rows that everybody's work leaves behind */
extern Inserter *insert_open(const char *table);
extern void insert_close(Inserter *inserter);
extern void insert_check(Oid relid);
extern void insert_row(Inserter *inserter, int natts, const Datum *values, const bool *nulls);

/* publish.c: the extension's tables in publications and subscriptions */
extern void publish_own_rows(Relation rel, TriggerDesc *triggers);

/* diagram.c: what pictures show */
typedef enum PicturePart
{
	PART_OWNER,
	PART_WRITER,
	PART_INTRUDER,
	PART_READER
} PicturePart;

typedef struct PictureNode
{
	char *name; /* entities: NULL is all that have no node of their own */
	char *label;
	char *detail; /* or NULL */
	bool alarming;
} PictureNode;

typedef struct PictureEdge
{
	int system;
	int entity;
	PicturePart part;
	int fields;
	char *label;
} PictureEdge;

/* In the order of names. */
typedef struct Picture
{
	int nsystems;
	PictureNode *systems;
	int nentities;
	PictureNode *entities;
	int nedges;
	PictureEdge *edges;
} Picture;

extern Picture *picture_load(void);

/* svg.c */
extern void svg_picture(StringInfo out, const Picture *picture);

/* page.c */
extern void html_text(StringInfo out, const char *text);

#endif /* OWNERSHIP_H */
