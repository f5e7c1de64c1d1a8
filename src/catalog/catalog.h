/*
 * catalog.h
 *		The extension's own tables, and the tables that they name.
 */
#ifndef OWNERSHIP_CATALOG_H
#define OWNERSHIP_CATALOG_H

#include "access/attnum.h"
#include "access/genam.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "../base/base.h"

/*
 * For other folders
 */

/* The table whose relcache invalidation reports a change of the map; see scan.c. */
#define CATALOG_SIGNAL "bound_role"

/*
 * The columns of the extension's tables that C reads or writes by number, in the
 * order of their CREATE TABLE; more are below, for this folder.  A column never
 * moves, so the numbers are right also for a dump without lists of columns and for
 * the tables of an older version.
 */
enum
{
	Anum_identity_kind = 1,
	Anum_identity_name,
	Anum_identity_system,
	Anum_identity_strict,
	Anum_identity_steward,
	Anum_identity_carrier,
	Anum_identity_relay /* since 0.3.0 */
};

enum
{
	Anum_domain_policy = 6,
	Anum_domain_on_blank = 12, /* this and the following since 0.3.0 */
	Anum_domain_sensitive
};

enum
{
	Anum_field_entity = 1,
	Anum_field_name,
	Anum_field_domain,
	Anum_field_owner,
	Anum_field_policy,
	Anum_field_key,
	Anum_field_on_blank = 12, /* this and the following since 0.3.0 */
	Anum_field_history,
	Anum_field_sensitive,
	Anum_field_column_group,
	Anum_field_match_key
};

enum
{
	Anum_mirrored_table_schema = 1,
	Anum_mirrored_table_table,
	Anum_mirrored_table_source,
	Anum_mirrored_table_remember /* since 0.3.0 */
};

enum
{
	Anum_mirrored_column_schema = 1,
	Anum_mirrored_column_table,
	Anum_mirrored_column_column,
	Anum_mirrored_column_entity,
	Anum_mirrored_column_field,
	Anum_mirrored_column_authoritative
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
	Anum_map_history_id = 1,
	Anum_map_history_changed_at,
	Anum_map_history_role,
	Anum_map_history_login,
	Anum_map_history_application_name,
	Anum_map_history_map_table,
	Anum_map_history_item,
	Anum_map_history_entity,
	Anum_map_history_field,
	Anum_map_history_old,
	Anum_map_history_new,
	Natts_map_history = Anum_map_history_new
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
	Natts_conflict = Anum_conflict_resolution, /* what is inserted */
	Anum_conflict_resolved_by,
	Anum_conflict_problem /* since 0.3.0 */
};

enum
{
	Anum_feed_column_subscription = 1,
	Anum_feed_column_relid,
	Anum_feed_column_columns,
	Anum_feed_column_told_by,
	Natts_feed_column = Anum_feed_column_told_by
};

enum
{
	Anum_pin_schema = 1,
	Anum_pin_table,
	Anum_pin_row_key,
	Anum_pin_column,
	Anum_pin_value,
	Anum_pin_replaced,
	Anum_pin_until,
	Anum_pin_reason,
	Anum_pin_pinned_by,
	Anum_pin_pinned_at,
	Anum_pin_ended_at,
	Anum_pin_ended_by,
	Anum_pin_id,
	Anum_pin_replaced_known,
	Anum_pin_pending,
	Anum_pin_gone_at
};

enum
{
	Anum_handover_entity = 1,
	Anum_handover_field,
	Anum_handover_from,
	Anum_handover_to,
	Anum_handover_at,
	Anum_handover_decided_by,
	Anum_handover_note,
	Anum_handover_done_at,
	Anum_handover_passed
};

/* A row of ownership.pin that has not ended; see pin.c.  Texts may be NULL as the columns may. */
typedef struct Pin
{
	ItemPointerData tid;
	char *schema;
	char *table;
	char *column;
	Jsonb *key;		   /* of its row */
	char *value;	   /* that is pinned */
	char *replaced;	   /* the owner's last word, which is kept out */
	bool known;		   /* `replaced` is known */
	bool pending;	   /* the owner has sent `replaced` since */
	TimestampTz until; /* 0: none */
	char *by;
	TimestampTz at;
	TimestampTz gone_at; /* when the row was deleted; 0: it is there */
} Pin;

/* The role that the session had before role_become_*(), for role_restore(). */
typedef struct SavedRole
{
	Oid role;
	int context;   /* security context */
	int nestlevel; /* of settings */
} SavedRole;

#define FINDER_KEYS 3

/* Looks for rows of one of the extension's tables; see finder.c. */
typedef struct Finder
{
	struct Finder *next; /* of the same inserter */
	const char *name;	 /* of the index */
	MemoryContext cxt;	 /* contains all of it */
	Relation index;
	IndexScanDesc scan;
	SnapshotData dirty;
	int nkeys;
	ScanKeyData keys[FINDER_KEYS];
	TupleTableSlot *slot; /* the current row */
} Finder;

/* Inserts rows into one of the extension's tables; see insert.c. */
typedef struct Inserter
{
	MemoryContext cxt;				 /* contains the inserter and all below */
	struct ResourceOwnerData *owner; /* of the references to the relation */
	EState *estate;
	Relation rel;
	ResultRelInfo *rri;
	TupleTableSlot *slot;
	Oid sequence;				 /* of the first column */
	struct ExprState **defaults; /* of the columns that a DBA added; NULL: not prepared yet */
	Finder *finders;			 /* that look for rows of the table */
} Inserter;

/* Rows of one table that the extension itself changes; see stored.c. */
typedef struct StoredTable
{
	MemoryContext cxt; /* contains all of it */
	Relation rel;
	EState *estate;
	ResultRelInfo *rri;
	EPQState epq;
	bool pushed;			 /* the snapshot */
	bool opened;			 /* stored_close() closes `rel` */
	TupleTableSlot *slot;	 /* the row as it is stored */
	TupleTableSlot *changed; /* the row as it is to be stored */
} StoredTable;

typedef enum StoredState
{
	STORED_ABSENT,
	STORED_THERE,
	STORED_PENDING /* a transaction that has not ended makes or removes the row */
} StoredState;

/* Looks for rows of a table by a unique index; see stored.c. */
typedef struct StoredScan
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	SnapshotData dirty;
	int nkeys;
	ScanKeyData keys[INDEX_MAX_KEYS];
	TupleTableSlot *found;
} StoredScan;

/* A scan of the evidence of values that wait; see waiting.c. */
typedef struct WaitingScan
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	SnapshotData dirty;
	const char *schema;
	const char *table;
	Jsonb *key; /* NULL: of all rows of the table */
	TupleTableSlot *slot;
	TransactionId pending; /* a running transaction that wrote the current row of evidence */
	uint64 *places;		   /* see waiting_order(); NULL: the order is the index's */
	int64 nplaces;
	int64 next;
} WaitingScan;

/*
 * The FROM list of queries that read the columns that can be on the map: n is
 * pg_namespace, c pg_class, a pg_attribute and i the primary key's pg_index.
 * Partitions are left out, because the map of the table above them applies.
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

/* The schema and name of a table. */
typedef struct TablePlace
{
	char *schema;
	char *table;
	bool partition; /* it is a partition */
} TablePlace;

/* A row of bound_table: the table that a name on the map is bound to; see bind.c. */
typedef struct Binding
{
	char *schema; /* as on the map */
	char *table;
	Oid relid;				/* InvalidOid: the map waits for a table of that name */
	List *columns;			/* names by attribute number; "" for a dropped column */
	List *types;			/* OIDs of the types by attribute number; NIL: not known */
	List *generated;		/* names of the generated columns */
	bool guarded;			/* the guard belongs on the table */
	TimestampTz away_since; /* when a trigger of the guard went away; 0: the guard is in place */
} Binding;

/* A column of a table whose rows the evidence names. */
typedef struct RowColumn
{
	char *name;
	AttrNumber attnum;
	Oid type;
	bool generated;
	bool identity;
} RowColumn;

/* A scan of one of the extension's tables; see scan.c. */
struct CatalogScan
{
	Relation rel;
	SysScanDesc scan;
	HeapTuple tuple; /* the current row */
};

typedef struct CatalogScan CatalogScan;

/* scan.c */
extern Oid catalog_table(const char *name, bool missing_ok);
extern Oid catalog_signal;
extern void catalog_watch(void);
extern Snapshot catalog_snapshot(void);
extern void catalog_release(Snapshot snapshot);
extern bool catalog_try_lock(const char *const *names, int n);
extern void catalog_unlock(const char *const *names, int n);
extern CatalogScan *catalog_begin(const char *table, const char *index, int nkeys,
								  const char *const *keys, Snapshot snapshot);
extern CatalogScan *
catalog_begin_oids(const char *table, const char *index, int nkeys, const Oid *keys);
extern bool catalog_next(CatalogScan *scan);
extern TimestampTz catalog_time(CatalogScan *scan, int attnum);
extern bool catalog_has(CatalogScan *scan, int attnum);
extern char *catalog_text(CatalogScan *scan, int attnum);
extern Interval *catalog_interval(CatalogScan *scan, int attnum);
extern List *catalog_names(CatalogScan *scan, int attnum);
extern List *catalog_texts(CatalogScan *scan, int attnum);
extern bool catalog_bool(CatalogScan *scan, int attnum);
extern int catalog_int(CatalogScan *scan, int attnum);
extern Oid catalog_oid(CatalogScan *scan, int attnum);
extern ItemPointer catalog_tid(CatalogScan *scan);
extern bool catalog_is_own(const CatalogScan *scan);
extern void catalog_end(CatalogScan *scan);

/* insert.c */
extern Inserter *insert_open(const char *table);
extern void insert_close(Inserter *inserter);
extern void insert_row(Inserter *inserter, int natts, const Datum *values, const bool *nulls);
extern void insert_check(Oid relid);
extern void insert_set_text(Datum *values, bool *nulls, int attnum, const char *text);

extern void insert_silence(Relation rel, TriggerDesc *triggers);

/* stored_functions.c */
extern void stored_functions_find(struct ResultRelInfo *rri, int16 event, MemoryContext cxt);

/* finder.c */
extern Finder *finder_get(Inserter *inserter, const char *index);
extern void finder_begin(Finder *f);
extern bool finder_next(Finder *f);
extern void finder_end(Finder *f);

/* stored.c */
extern StoredTable *stored_open(Relation rel, Bitmapset *updated);
extern void stored_close(StoredTable *t);
extern void stored_scan_begin(StoredScan *scan, Relation rel, Oid indexid, TupleTableSlot *found);
extern void stored_scan_end(StoredScan *scan);
extern StoredState
stored_scan_look(StoredScan *scan, TupleTableSlot *key, bool lock, TransactionId *pending);
extern StoredState stored_look(Relation rel, Oid indexid, TupleTableSlot *key,
							   TupleTableSlot *found, bool lock, TransactionId *pending);
extern bool
stored_find(Relation rel, Oid indexid, TupleTableSlot *key, TupleTableSlot *found, bool lock);
extern void stored_insert(StoredTable *t);
extern bool stored_lock_at(StoredTable *t, ItemPointer tid);
extern TupleTableSlot *stored_copy(StoredTable *t);
extern bool stored_update(StoredTable *t);
extern void stored_delete(StoredTable *t);

/* waiting.c */
extern bool waiting_begin(WaitingScan *scan, const char *schema, const char *table, Jsonb *key);
extern int64 waiting_hash(Jsonb *key);
extern bool waiting_begin_between(WaitingScan *scan, const char *schema, const char *table,
								  int64 lowest, int64 highest);
extern bool waiting_next_hash(WaitingScan *scan, int64 *hash);
extern void waiting_order(WaitingScan *scan);
extern bool waiting_next(WaitingScan *scan);
extern void waiting_end(WaitingScan *scan);
extern bool waiting_exists(const char *schema, const char *table);

/* pin.c */
extern bool pin_exists(const char *schema, const char *table, const char *column, Snapshot snapshot);
extern Pin *pin_find(const char *schema, const char *table, const char *column, Jsonb *key);
extern List *pin_list(const char *schema, const char *table);
extern bool pin_write(Pin *pin, bool ends, const char *by);

/* place.c */
extern bool place_is_same(const TablePlace *a, const TablePlace *b);
extern void place_add(Parameters *p, const TablePlace *place);
extern Oid place_evidence_table(const char *schema, const char *table);
extern bool place_of(Oid relid, TablePlace *place);
extern RowColumn *place_row_column(Oid relid, const char *name);
extern Oid place_find(const char *schema, const char *table);
extern Oid place_find_table(const char *schema, const char *table);
extern List *place_columns(Oid relid);
extern List *place_read_columns(Oid relid, List **generated);
extern List *place_generated_columns(Oid relid);
extern List *place_types(Oid relid);
extern bool place_is_below_mirrored(Oid relid);
extern bool place_carries_guard(Oid relid);
extern List *place_ancestors(Oid relid);

/* lookup.c */
extern bool lookup_column_is_mirrored(const TablePlace *place, const char *column);
extern bool lookup_field_is_key_in(const char *entity, const char *field, Snapshot snapshot);
extern bool lookup_system_exists(const char *name);
extern bool lookup_is_mirrored(const char *schema, const char *table);
extern List *lookup_system_names(void);
extern char *lookup_table_source(const char *schema, const char *table);
extern bool lookup_mapped_field(const char *schema, const char *table, const char *column,
								char **entity, char **field);
extern List *lookup_declared_systems(const char *entity, const char *field, const char *mode);
extern bool lookup_field_exists(const char *entity, const char *field);
extern char *lookup_field_owner(const char *entity, const char *field, TimestampTz at);
extern bool lookup_field_is_key(const char *entity, const char *field);
extern List *
lookup_columns_of(const char *schema, const char *table, const char *entity, const char *field);
extern List *lookup_key_fields(const char *entity);
extern List *lookup_match_fields(const char *entity);
extern List *place_tables_with(const char *entity, List *fields);
extern List *lookup_field_columns(const char *entity, const char *field);

/* succession.c */
extern bool succession_exists(Snapshot snapshot);
extern List *succession_of(const char *entity, const char *field, Snapshot snapshot);
extern char *
succession_part(const char *schema, const char *table, const char *column, int position);
extern char *succession_owner(List *succession, const char *part, char *owner, TimestampTz at);
extern char *
succession_owner_since(List *succession, char *owner, TimestampTz since, TimestampTz at);
extern void succession_span(List *succession, TimestampTz at, TimestampTz *from, TimestampTz *until);
extern bool succession_is_same(List *a, List *b, char *owner, TimestampTz *differs);
extern bool succession_is_due(TimestampTz now);

/* bind.c */
extern Binding *binding_of(Oid relid);
extern Binding *binding_named(const char *schema, const char *table);
extern void bind_forget_left_off(Oid relid);
extern bool bind_is_left_off(Oid relid, const TablePlace *place);
extern void binding_store(const Binding *b);
extern void bind_table(const char *schema, const char *table, Oid relid, bool guarded);
extern void bind_nothing(const Binding *binding);
extern void bind_unbound(void);
extern void bind_guarded(Oid relid, bool guarded);

/* bind_schema.c */
extern bool bind_is_bound_schema(const char *name, Oid schema);
extern void bind_schema(const char *name);
extern void bind_rename_schema(const char *old, const char *new);

/* role.c */
extern SavedRole role_become_owner(Relation rel);
extern SavedRole role_become_extension(void);
extern void role_restore(const SavedRole *caller);

/* own_triggers.c */
extern TriggerData *own_triggers_check(FunctionCallInfo fcinfo, const char *function);

/*
 * Within this folder
 */

/* The numbers of further columns. */
enum
{
	Anum_system_name = 1
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

/* finder.c */
extern void finder_close(Inserter *inserter);

/* scan.c */
extern List *catalog_oids(CatalogScan *scan, int attnum);

/* place.c */

#endif /* OWNERSHIP_CATALOG_H */
