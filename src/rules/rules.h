/*
 * rules.h
 *		Who writes, what the map says of a relation, and what follows from both.
 */
#ifndef OWNERSHIP_RULES_H
#define OWNERSHIP_RULES_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"

#include "../base/base.h"

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

/* writer.c */
extern void writer_forget(void);
extern WriterKey writer_key(void);
extern bool writer_is_worker(void);
extern const Writer *writer_current(void);
extern bool writer_try(const WriterKey *key, const Writer **writer);
extern const char *writer_system(const Writer *writer, const char *source);
extern char *writer_label(const Writer *writer, const char *system);

/* filter.c */
extern Expr *filter_parse(Relation rel, Oid home, const char *text);
extern char *filter_renamed(Relation rel, const char *text, const char *table, List *columns);

/* verdict.c */
extern Policy policy_effective(Policy policy, Policy standard);
extern Verdict
verdict_for(const Circumstances *c, Policy policy, bool key, bool stored_null, bool *softened);
extern const char *operation_name(Operation operation);
extern const char *verdict_name(Verdict outcome);

/* map_owner.c */
extern char *map_owner_at(Oid relid, ItemPointer tid, const char *column);
extern const Bitmapset *map_foreign(RelationMap *map, const Writer *writer);
extern bool map_is_asking(void);
extern const char *map_owner(RelationMap *map, MappedColumn *col, TupleTableSlot *stored);
extern void map_default(const ColumnDefault *standard, Datum *value, bool *isnull);

/* map_load.c */
extern MappedColumn *map_column(RelationMap *map, AttrNumber attnum);
extern const MappedColumn *map_any_column(const RelationMap *map, AttrNumber attnum);

/* map.c */
extern uint64 map_edits;
extern bool map_forget(Oid relid);
extern void map_forget_names(void);
extern void map_forget_functions(void);
extern void map_forget_types(void);
extern void map_edited(void);
extern uint64 map_relation_changes(void);
extern void map_end_transaction(bool aborted);
extern bool map_end_subtransaction(bool aborted);
extern void map_enter(void);
extern void map_leave(void);
extern RelationMap *map_get(Relation rel);

/* moment.c */
extern Moment moment_now(void);
extern Moment *moment_begin(const void *statement, Snapshot snapshot, MemoryContext cxt);
extern Moment *moment_of(const void *statement);
extern const Writer *moment_writer(Moment *m);
extern const Writer *moment_known_writer(Moment *m);
extern void moment_keep_snapshot(Moment *m);
extern RelationMap *moment_known_map(Moment *m, Oid relid);
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

/* map_load.c */
extern bool map_any_functions;
extern bool map_any_domains;
extern void map_load(RelationMap *map, Relation rel, Snapshot at);

/* map.c */
extern uint64 map_signals;
extern uint64 map_aborts;
extern uint64 map_edits_seen(void);
extern void map_pin(RelationMap *map);
extern void map_unpin(RelationMap *map);
extern RelationMap *map_as_of(Relation rel, Snapshot snapshot);
extern RelationMap *map_known(Oid relid);

#endif /* OWNERSHIP_RULES_H */
