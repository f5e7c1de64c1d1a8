/*
 * decisions.h
 *		Decisions on refused values, and access to the rows that evidence is about.
 */
#ifndef OWNERSHIP_DECISIONS_H
#define OWNERSHIP_DECISIONS_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../base/compat.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"

/*
 * For other folders
 */

/* What row_read() found for one key. */
typedef struct StoredRow
{
	int n;				 /* how many rows have the key; the other members are about the first */
	Oid relid;			 /* the table or partition that stores it, if asked for */
	ItemPointerData tid; /* its place there, if asked for */
	char **values;		 /* texts of the columns; a NULL pointer is NULL */
} StoredRow;

/* rows.c */
extern void row_read(Oid relid, List *keys, List *columns, bool lock, bool place, StoredRow *rows);

/*
 * Within this folder
 */

/*
 * Parts of queries on ownership.conflict c.
 *
 * IDENTIFIES_ROW: does row_key identify the row?  A refused INSERT may not have
 * named all columns of the key; then only what it proposed distinguishes it.
 */
#define MARKED_KEY                                                                   \
	"(SELECT m.column_name FROM ownership.mirrored_column m JOIN ownership.field f " \
	"ON f.entity = m.entity AND f.name = m.field WHERE f.key "                       \
	"AND (m.table_schema, m.table_name) = (c.table_schema, c.table_name)) "

#define PRIMARY_KEY                                                                                                         \
	"(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) " \
	"WHERE i.indisprimary AND i.indrelid = to_regclass(format('%I.%I', c.table_schema, c.table_name))) "

#define IDENTIFIES_ROW                                                                           \
	"CASE WHEN c.operation <> 'INSERT' OR c.outcome NOT IN ('discarded', 'rejected') THEN true " \
	"WHEN c.row_key = '{}' THEN false "                                                          \
	"WHEN EXISTS " MARKED_KEY "THEN NOT EXISTS (SELECT FROM " MARKED_KEY                         \
	"k(name) WHERE NOT c.row_key ? k.name) "                                                     \
	"ELSE NOT EXISTS (SELECT FROM " PRIMARY_KEY "k(name) WHERE NOT c.row_key ? k.name) END"

/*
 * LATER: the later evidence of the same writer for the same row and a column of
 * c that was not dismissed; a row for each such evidence and column.  Values that
 * wait were not refused, and say nothing about what was.
 */
#define LATER                                                                                                                                                                    \
	"(SELECT l.id, u.column_name FROM ownership.conflict l CROSS JOIN LATERAL unnest(l.columns::text[]) u(column_name) "                                                         \
	"WHERE jsonb_hash_extended(l.row_key, 0) = jsonb_hash_extended(c.row_key, 0) AND l.row_key = c.row_key AND (l.table_schema, l.table_name) = (c.table_schema, c.table_name) " \
	"AND l.system IS NOT DISTINCT FROM c.system AND (l.system IS NOT NULL OR (l.origin IS NOT DISTINCT FROM c.origin "                                                           \
	"AND (l.origin IS NOT NULL OR l.role IS NOT DISTINCT FROM c.role))) "                                                                                                        \
	"AND (l.recorded_at, l.id) > (c.recorded_at, c.id) AND l.resolution IS DISTINCT FROM 'dismissed' "                                                                           \
	"AND l.outcome NOT IN ('parked', 'remembered') "                                                                                                                             \
	"AND (u.column_name = ANY (c.columns::text[]) OR (c.outcome = 'discarded' AND c.proposed ? u.column_name)) AND (l.proposed = c.proposed OR " IDENTIFIES_ROW                  \
	")) l"

/*
 * The column k of `stored` in the form of row_key, where integers are numbers; the
 * condition is that its value is known, and another one than in row_key.
 */
#define STORED_AS_KEY                                                                            \
	"CASE jsonb_typeof(row_key -> k) WHEN 'number' THEN to_jsonb((stored ->> k)::numeric) ELSE " \
	"stored -> k END"
#define KEY_CHANGED "jsonb_typeof(stored -> k) = 'string' AND stored ->> k <> row_key ->> k"

/*
 * A row of ownership.conflict that a decision is about: its columns, and what
 * follows from later evidence.  A NULL pointer is NULL.
 */
typedef struct Refusal
{
	int64 id;
	char *schema;
	char *table;
	Jsonb *row_key; /* as recorded, but see refusal_follow_key() */
	char *operation;
	char *outcome;
	List *columns;		 /* of char * */
	List *superseded;	 /* of char *: the writer proposed another value for them since */
	int64 later;		 /* latest such evidence not among those decided on now; 0: none */
	bool identifies_row; /* see IDENTIFIES_ROW */
	char *system;
	Jsonb *stored;
	Jsonb *proposed; /* of a deleted row: the values that are remembered */
	char *resolution;
	char *resolved_by;
	char *resolved_at;
} Refusal;

/* The latest evidence of a system for a column of a row, which was refused. */
typedef struct Word
{
	int64 id;
	TimestampTz at;
	char *schema;
	char *table;
	Jsonb *row_key;
	char *shape; /* the names in row_key */
	char *column;
	char *system;
	char *role;
	char *operation;
	char *outcome;
	Jsonb *proposed;
	bool identifies_row; /* see IDENTIFIES_ROW */
	bool in_conflict;	 /* the column is one of those in conflict */
} Word;

/* A row of evidence, of which words are made. */
typedef struct Piece
{
	int64 hash;		/* of row_key */
	Word word;		/* of its first column; that is NULL as long as there is none */
	char *origin;	/* of the writer */
	bool open;		/* it was refused, and nothing was decided on it */
	char **columns; /* that it is about: first those in conflict */
	int ncolumns;
	int nconflicts;
} Piece;

typedef struct Words Words;

/* A row of the view disagreements; a NULL pointer is NULL. */
typedef struct ListedWord
{
	const Word *word;
	const char *column;
	const char *entity;
	const char *field;
	const char *owner;
	const char *refused;
	const char *stored;
	const char *note;
} ListedWord;

/* How many columns of that row are texts. */
#define LISTED_TEXTS 14

/* A text, and what was made of it. */
typedef struct MadeText
{
	const char *text;
	Datum value;
} MadeText;

/* Makes rows of the view; see words_row.c. */
typedef struct RowMaker
{
	TupleDesc desc;
	MadeText made[LISTED_TEXTS]; /* the last ones */
	const char *schema;			 /* the table that `label` is of, by the pointers of a word */
	const char *table;
	const char *label;
} RowMaker;

/* words_row.c */
extern void words_row_forget(RowMaker *maker);
extern HeapTuple words_row_make(RowMaker *maker, const ListedWord *row);

/* words_piece.c */
extern Portal words_piece_cursor(int64 hash, bool sorted);
extern Piece *words_piece_take(TupleTableSlot *slot, const Piece *before, bool sorted);

/* words.c */
extern Words *words_begin(MemoryContext cxt);
extern List *words_take(Words *words, int n);
extern void words_end(Words *words);

/* For so many keys it is worth while to look into the table's index without a query. */
#define ROW_MANY_KEYS 16

/* row_probe.c */
extern Datum row_key_datum(Jsonb *key, const RowColumn *col, ValueInput *input);
extern bool row_probe(Oid relid, List *keys, List *key_cols, List *columns, StoredRow *rows);

/* row_key.c */
extern Jsonb *row_key_of(List *columns, List *texts);
extern Jsonb *row_canonical_key(const RelationMap *map, Oid home, Jsonb *given);

/* rows.c */
extern void row_write(Oid relid, Operation operation, Jsonb *key, List *columns, List *values);

/* refusal.c */
extern Datum refusal_ids(ArrayType *array);
extern Datum refusal_single_id(int64 id);
extern List *refusal_lock(Datum ids, bool dismissing);
extern void refusal_mark(Datum ids, const char *resolution);
extern void refusal_mark_waiting(List *relids, Datum ids, const char *resolution);
extern COMPAT_NORETURN void refusal_report_several(const Refusal *r, int n);
extern bool refusal_waits(const Refusal *r);
extern void refusal_check(const Refusal *r);
extern void refusal_restore_groups(Refusal *r, Oid relid);
extern void refusal_take_values(const Refusal *r, Oid relid, List *names, const char *without,
								List **columns, List **values);
extern bool refusal_changed_since(const Refusal *r, List *columns, const StoredRow *row);
extern Jsonb *refusal_follow_key(const Refusal *r, List *columns, List *values, List *refusals);

/* Where a Write is from. */
typedef enum WriteSource
{
	WRITE_EVIDENCE, /* ownership.conflict */
	WRITE_HISTORY,	/* ownership.history */
	WRITE_OF_OTHERS /* the same; it is another writer's */
} WriteSource;

/* A write that went through. */
typedef struct Write
{
	int64 id;
	WriteSource source;
	char *operation;
	List *columns; /* of char * */
	Jsonb *stored;
	Jsonb *proposed;
	bool left; /* a later write gave the row with this key another one */
} Write;

/* The writes of one row, the latest first. */
typedef struct RowWrites
{
	char *schema;
	char *table;
	Jsonb *row_key; /* NULL: one write, whose row is not known */
	List *writes;
} RowWrites;

/* writes.c */
extern List *decision_load_writes(const char *system, TimestampTz since, TimestampTz until);
extern Jsonb *decision_key_now(const RowWrites *row, const Write *e, TimestampTz since);

/* A column of a row, while its writes unwind. */
typedef struct Unwinding
{
	RowColumn *col;
	int group;			/* columns with this number are one value; 0: none */
	char *from;			/* as stored; NULL is NULL */
	char *to;			/* after the writes that were undone so far; NULL is NULL */
	bool moved;			/* at least one write was undone */
	bool others;		/* another writer has written `to`: no earlier write is undone */
	int64 id;			/* of the latest write; 0: none yet */
	const Write *last;	/* the write that was undone last, if evidence may contain it, too */
	const char *reason; /* why no earlier write is undone; NULL: none yet */
} Unwinding;

/* A row, and what revert() undoes of its writes. */
typedef struct Unwound
{
	const RowWrites *row;
	TimestampTz since; /* writes and changes of keys from then on are known */
	Oid relid;
	bool dry_run;
	/* what unwind_row() finds */
	bool creates;		/* the row is created again */
	int64 created_by;	/* id of the DELETE that is undone */
	List *columns;		/* of Unwinding * */
	List *missing;		/* char *, columns that do not exist any more */
	List *missing_in;	/* Write *, for each of them */
	const char *whole;	/* why the row as a whole is skipped; NULL: it is not */
	int64 whole_id;		/* id of the evidence of that */
	Jsonb *elsewhere;	/* the key that the row of a write has now; another row has its key */
	int64 elsewhere_id; /* id of that write, the latest */
	/* for unwind.c */
	List *stops; /* where groups stop */
	bool again;	 /* a group stops earlier than the writes were undone */
} Unwound;

/* unwind.c */
extern void unwind_row(Unwound *run);
extern bool unwind_changes(const Unwinding *u);

/*
 * A row whose evidence is erased, under one of its keys, for the time in which the
 * key was its own: since `since` (-infinity: always) until `until` (infinity: ever).
 */
typedef struct ErasedRow
{
	char *schema;
	char *table;
	Jsonb *key;
	TimestampTz since;
	TimestampTz until;
} ErasedRow;

/* erase_rows.c */
extern List *erase_find_rows(Oid relid, const TablePlace *place, Jsonb *key);

/* What a row, stored or not, has in match fields. */
typedef struct KnownRow
{
	const TablePlace *place;
	Oid relid;
	List *keys;	  /* KeyColumn: the table's match fields */
	char **texts; /* their values, in that order; NULL: not known, or NULL */
} KnownRow;

/* erase_keys.c */
extern List *erase_key_columns(Oid relid, Oid *home);
extern ErasedRow *erase_add_row(List **rows, const char *schema, const char *table, Jsonb *key,
								TimestampTz since, TimestampTz until);
extern char *erase_text_in(Jsonb *object, const char *column);
extern KnownRow *erase_known_row(const TablePlace *place, Oid relid, List *fields, List *rows);
extern void erase_add_former_keys(const TablePlace *place, bool is_stored, List **rows);
extern void erase_add_equal_keys(const TablePlace *place, List *columns, Jsonb *key, List **rows);

/* pin.c */
extern bool pin_takes(Oid relid, const char *column);
extern void pin_accepted(Oid relid, Jsonb *key, const char *column);

/* decide.c */
extern void decision_require_decider(void);

/* fitting.c */
extern int decision_group(Oid relid, const RowColumn *col);
extern bool decision_goes_in(Oid relid, const RowColumn *col, const char *system,
							 const char *proposed, const char *stored, bool *left);
extern bool decision_is_said(Oid relid, const RowColumn *col, const char *proposed);
extern bool
decision_row_holds(Oid relid, const RowColumn *col, const char *system, const char *stored);
extern bool decision_is_blank(Oid relid, const RowColumn *col, const char *stored);

/* remembered.c */
extern void decision_revert_remembered(ReturnSetInfo *rsinfo, const char *system, TimestampTz since,
									   TimestampTz until, bool dry_run, int64 *done, int64 *skipped);

/* waiting.c */
extern List *decision_accept_waiting(const Refusal *r, Oid relid, List *names);

/* count.c */
extern bool decision_reads_evidence(void);

#endif /* OWNERSHIP_DECISIONS_H */
