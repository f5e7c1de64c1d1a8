/*
 * base.h
 *		The lowest folder: settings, names, SQL, values.  It calls no other folder.
 */
#ifndef OWNERSHIP_BASE_H
#define OWNERSHIP_BASE_H

#include "commands/trigger.h"
#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"

/*
 * For other folders
 */

#define OWNERSHIP_SCHEMA "ownership"

/*
 * The guard's triggers.  Row triggers of one kind fire in the order of their
 * names, byte by byte: these names sort last, so that the guard fires last.
 */
#define TRIGGER_AMEND "zzzz_ownership_amend"
#define TRIGGER_JUDGE "zzzz_ownership_judge"
#define TRIGGER_TRUNCATE "zzzz_ownership_truncate"

/* tgqual of AFTER in a private list, where its condition counts the rows for which it does not fire */
#define TRIGGER_COUNTED "counted"

/* The constraint that refusals name, so that a client can tell them from a missing GRANT. */
#define ERROR_CONSTRAINT "ownership"

/* What happens to the write of a non-owner.  UNSET: the field has no policy of its own. */
typedef enum Policy
{
	POLICY_UNSET,
	POLICY_OBSERVE,
	POLICY_FILL,
	POLICY_CREATE_ONLY,
	POLICY_KEEP,
	POLICY_REJECT
} Policy;

/* The setting ownership.enforcement. */
typedef enum Enforcement
{
	ENFORCEMENT_OFF,
	ENFORCEMENT_OBSERVE,
	ENFORCEMENT_ON
} Enforcement;

/* What value_changed() needs to know of a type; made by value_type(). */
typedef struct ValueType
{
	bool numeric;	/* the type, or the base type of a domain, is numeric */
	bool composite; /* the type, or the base type of a domain, is composite */
	bool byval;
	int16 typlen;
} ValueType;

/* Columns in which two versions of a row can differ; last < first: they are the same. */
typedef struct ColumnRange
{
	AttrNumber first;
	AttrNumber last;
} ColumnRange;

#define COLUMNS_ALL ((ColumnRange){1, MaxAttrNumber})

/* How the blank values of a type are recognised, apart from NULL. */
typedef enum BlankKind
{
	BLANK_NULL, /* only NULL is blank */
	BLANK_TEXT,
	BLANK_JSON,
	BLANK_JSONB,
	BLANK_ARRAY
} BlankKind;

/*
 * State of a session that belongs to the subtransaction which made it; the first
 * member of a module's own struct.  See subxact_end().
 */
typedef struct Nested
{
	dlist_node node;
	int level; /* nesting level of the (sub)transaction that it belongs to */
} Nested;

/*
 * How many times at most a cache loads an entry that is invalidated while it is
 * loaded.  Under debug_discard_caches every entry is invalidated during its load,
 * so loading it again would be useless.
 */
#define LOADS (debug_discard_caches > 0 ? 1 : 3)

/* The session's settings that text output and input depend on; see value_fix_output(). */
typedef struct OutputSettings
{
	int level; /* nesting level of the settings that were set; 0: none was */
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

/* One cast: by its function, or by text output and input where there is none; compare_find_cast(). */
typedef struct Cast
{
	Oid from;
	Oid to;
	bool needed;	   /* false: the value stays as it is */
	bool by_function;  /* false: by text */
	FmgrInfo function; /* of the cast */
	FmgrInfo output;   /* of the type that is cast */
	FmgrInfo input;	   /* of the type to cast to, and its parameter */
	Oid input_param;
} Cast;

/* How two keys are compared in SQL; made by sql_key_match(). */
typedef struct KeyMatch
{
	Oid type; /* in which they are compared */
	char *a;  /* the keys as expressions of that type */
	char *c;
	char *sql;	  /* condition: they are equal */
	bool a_exact; /* keys of this side that are equal as that type are equal */
	bool c_exact;
} KeyMatch;

/* How texts become values of one type; see value_input(). */
typedef struct ValueInput
{
	Oid type;
	Oid base; /* of a domain */
	int32 typmod;
	int needs; /* value_text_needs() */
	Oid param;
	FmgrInfo function;
} ValueInput;

/* How values of one type become texts; see value_output(). */
typedef struct ValueOutput
{
	FmgrInfo function;
	int needs; /* value_text_needs() */
} ValueOutput;

/* A name and its value in an object that is being made. */
typedef struct ValuePair
{
	const char *name;
	int len;
	JsonbValue value;
} ValuePair;

/* A JSON object that is being made; see object.c. */
typedef struct ValueObject
{
	ValuePair *pairs;
	int n;
} ValueObject;

/* The parameters of a statement that sql_run() executes: begin with {0}, then sql_add_*(). */
typedef struct Parameters
{
	int n;
	Oid types[12];
	Datum values[12];
	char nulls[12]; /* as SPI_execute_plan() takes them: 'n' or ' ' */
} Parameters;

/* What evidence contains of a value. */
typedef enum ValueKind
{
	VALUE_ABSENT, /* nothing */
	VALUE_NULL,	  /* the value is NULL */
	VALUE_TEXT,	  /* its text output */
	VALUE_LENGTH, /* only its length */
	VALUE_HIDDEN  /* nothing, because its field is sensitive */
} ValueKind;

/* settings.c */
extern char *ownership_system;
extern int ownership_enforcement;
extern int ownership_default_policy;
extern bool ownership_lift;
extern int ownership_observed_limit;
extern int ownership_value_limit;
extern int ownership_remember;
extern bool ownership_guard_arriving;
extern char *ownership_notify;
extern bool ownership_track_reads;
extern int ownership_flush_interval;
extern int ownership_activity_size;
extern int ownership_queue_size;
extern const struct config_enum_entry policy_options[];
extern const char *policy_name(Policy policy);
extern Policy policy_from_name(const char *name);

/* names.c */
extern char *names_relation_label(const char *schema, const char *table);
extern char *names_message_relation(const char *schema, const char *table);
extern char *names_message_relation_oid(Oid relid);
extern char *names_column_label(const char *schema, const char *table, const char *column);
extern void names_split_field(const char *text, char **entity, char **name);
extern bool names_mean_no_system(const char *name);
extern void names_split_column(const char *text, char **schema, char **table, char **column);
extern bool names_match(const char *pattern, const char *text);
extern bool names_match_table(const char *pattern, const char *schema, const char *table);
extern bool names_match_field(const char *pattern, const char *entity, const char *field,
							  List *schemas, List *tables);
extern char *names_nearest(const char *wanted, List *names);
extern bool names_is_blank_edged(const char *name);
extern bool names_can_be_field(const char *column);
extern char *names_at(List *names, int i);
extern bool names_contain(List *names, const char *name);
extern bool names_all_among(List *names, List *others);
extern Datum names_array(List *names);
extern char *names_default_entity(const char *schema, const char *table);
extern bool names_is_default_field(const char *schema, const char *table, const char *column,
								   const char *entity, const char *field);

/* subxact.c */
extern ErrorData *subxact_try(void (*work)(void *), void *arg);
extern ErrorData *subxact_try_locking(void (*work)(void *), void *arg);
extern ErrorData *subxact_trial(bool (*function)(void *), void *arg);
extern void subxact_end(dlist_head *list, bool aborted, void (*drop)(Nested *));

/* call.c */
extern Trigger *call_find_trigger(Relation rel, const char *name);
extern bool call_is_restoring(void);
extern char *call_row_text(TriggerData *td, HeapTuple tuple, const char *column);
extern HeapTuple call_written_tuple(TriggerData *td);
extern void call_put_text(Datum *values, bool *nulls, int i, const char *text);
extern void call_put_row(ReturnSetInfo *rsinfo, int n, const char *const *texts);
extern char *call_text(FunctionCallInfo fcinfo, int i);
extern List *call_list(FunctionCallInfo fcinfo, int i, Oid type, const char *what);

/* sql.c */
extern void sql_add_value(Parameters *p, Oid type, Datum value, bool isnull);
extern void sql_add_text(Parameters *p, const char *value);
extern void sql_add_oid(Parameters *p, Oid value);
extern TimestampTz sql_result_time(uint64 row, int column);
extern void sql_add_bool(Parameters *p, bool value);
extern void sql_add_texts(Parameters *p, List *values);
extern void sql_set_search_path(void);
extern int sql_pin_search_path(void);
extern void sql_unpin_search_path(int level);
extern uint64 sql_run_kept(const char *sql, Parameters *p, int options);
extern uint64 sql_run_composed(const char *sql, Parameters *p);
extern List *sql_text_list(Datum array);
extern List *sql_name_list(Datum array);
extern char *sql_result_text(uint64 row, int column);
extern bool sql_result_bool(uint64 row, int column);
extern List *sql_result_texts(uint64 row, int column);
extern char *sql_column(const char *alias, const char *column);
extern Jsonb *sql_result_jsonb(uint64 row, int column);
extern int64 sql_result_int64(uint64 row, int column);
extern char *sql_text(const char *expr);
extern char *sql_key_value(const char *expr, Oid type);
extern List *sql_query_names(const char *sql);

/*
 * Runs a statement, which must be a literal: the compiler takes nothing else here.  With
 * sql_run_set() it is planned for how many elements its arrays have, which may be many.
 */
#define sql_run(sql, p) sql_run_kept("" sql "", p, 0)
#define sql_run_set(sql, p) sql_run_kept("" sql "", p, CURSOR_OPT_CUSTOM_PLAN)
extern char *sql_operator(Oid operator);
extern char *sql_type(Oid type);
extern bool sql_knows_value_as(void);
extern char *sql_value_as(const char *expr, Oid to);
extern KeyMatch
sql_key_match(const char *a, Oid atype, Oid acoll, const char *c, Oid ctype, Oid ccoll);
extern char *sql_sortable(const char *expr, Oid type);

/* value.c */
extern int value_text_needs(Oid type);
extern OutputSettings value_fix_output(int needs);
extern void value_restore_output(const OutputSettings *old);
extern char *value_to_text(Oid type, Datum value);
extern void value_output(ValueOutput *output, Oid type);
extern char *value_write(ValueOutput *output, Datum value);
extern List *value_object_names(Jsonb *object);
extern void value_input(ValueInput *input, Oid type, int32 typmod);
extern Datum value_read(ValueInput *input, char *text);
extern Datum value_from_text(Oid type, char *text);
extern Datum value_from_text_typmod(Oid type, int32 typmod, char *text);
extern ValueKind value_object_text(Jsonb *object, const char *name, char **text);
extern bool value_same_text(Oid type, const char *a, const char *b);
extern JsonbValue *value_in_object(Jsonb *object, const char *key);

/* object.c */
extern void value_object_begin(ValueObject *object, int n);
extern JsonbValue *value_object_add(ValueObject *object, const char *name);
extern Jsonb *value_object_end(ValueObject *object);

/* sample.c */
extern List *value_samples(Oid relid, List *columns);

/* differ.c */
extern ColumnRange value_difference(HeapTuple a, HeapTuple b, TupleDesc desc);

/* blank.c */
extern BlankKind value_blank_kind(Oid type);
extern bool value_is_blank(BlankKind kind, Datum value, bool isnull);

/* compare.c */
extern ValueType value_type(Oid type);
extern bool value_changed(const ValueType *type, Datum a, bool anull, Datum b, bool bnull);

/* cast.c */
extern bool compare_has_cast(Oid from, Oid to);
extern bool compare_reads_text(Oid from, Oid to);
extern bool compare_writes_text(Oid from, Oid to);
extern Oid compare_common_type(Oid a, Oid b, bool explicit_too);

/* trust.c */
extern bool trust_runs_code_of_others(const char *expr, Oid role);
extern bool trust_reading_runs_code(Oid relid);
extern const char *trust_unfit_to_read(Oid relid);

/*
 * Within this folder
 */

/* value.c: settings that the text of a type depends on; flags of value_text_needs() */
#define TEXT_LOCALE 1 /* lc_monetary: money */
#define TEXT_NAMES 2  /* search_path: names of objects that are in schemas */

/* subxact.c */
extern bool subxact_error_is_fatal(const ErrorData *error);

/* cast.c */
extern bool compare_can_cast(Oid from, Oid to, CoercionContext context);
extern bool compare_is_exact(Oid from, Oid to);
extern Cast compare_find_cast(Oid from, Oid to, MemoryContext cxt);
extern bool
compare_cast(Cast *casts, int n, const Datum *values, Datum *results, int needs, Oid collation);

/* trust.c */
extern bool trust_function(Oid function);
extern bool trust_input(Oid type);

#endif /* OWNERSHIP_BASE_H */
