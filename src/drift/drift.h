/*
 * drift.h
 *		Drift: copies of a field with different values.
 */
#ifndef OWNERSHIP_DRIFT_H
#define OWNERSHIP_DRIFT_H

#include "access/attnum.h"

/*
 * For other folders
 */

/* A column that contains a field. */
typedef struct Holder
{
	char *schema;
	char *table;
	char *column;
	/* holder_find() sets these */
	Oid relid;		   /* InvalidOid: there is no such table */
	AttrNumber attnum; /* InvalidAttrNumber: there is no such column */
	Oid type;
	int32 typmod;
	Oid collation;
} Holder;

/* A key field, and the column of one table that contains it. */
typedef struct KeyColumn
{
	char *field;
	bool authoritative; /* the column is marked so */
	Holder holder;
} KeyColumn;

/*
 * How the rows of table "a" and table "c" belong together; made by match_find().  The
 * SQL names the tables a and c, and x the crosswalk between them, if there is one.
 */
typedef struct Match
{
	char *problem;	   /* why it is not known, as a part of a sentence; NULL: it is */
	char *advice;	   /* what to do about the problem, as a sentence */
	char *condition;   /* the rows of a, c and x belong together; x is the table */
	char *row_key;	   /* the key of a as jsonb */
	char *order;	   /* for ORDER BY */
	char *key_columns; /* the key of a as it is compared, with commas between */
	char *key;		   /* that key as jsonb */
	bool unique;	   /* a unique index of a proves that key_columns identify a row */
	/* the crosswalk; NULLs: there is none */
	char *schema;
	char *table;
	Oid relid;
	List *keys;		 /* KeyColumn: its match fields */
	bool foreign;	 /* it is, or has, a foreign table */
	char *crosswalk; /* for FROM: x, where each key of c has one key of a */
	char *a_is_x;	 /* condition: the rows of a and this x have the same key */
	char *c_is_x;	 /* condition: so have those of c and this x, and of c and a */
	/* condition: the crosswalk gives the row of c several keys of a; NULL: it cannot */
	char *ambiguous;
	char *ambiguous_row; /* the same, for few rows */
} Match;

/* What match_find() has looked up of one entity. */
typedef struct MatchMemo
{
	const char *entity;
	List *fields; /* names of its match fields */
	List *known;  /* the columns of tables that contain them */
	bool looked;  /* tables is set */
	List *tables; /* TablePlace: all that contain one */
} MatchMemo;

/* holder.c */
extern void holder_find(Holder *h);
extern char *holder_label(const Holder *h);
extern bool holder_any_foreign(Oid relid);
extern bool holder_can_read(Oid relid, AttrNumber attnum);
extern List *
holder_table_keys(const char *entity, List *fields, const char *schema, const char *table);
extern const KeyColumn *holder_find_key(List *keys, const char *field);
extern bool holder_identifies_row(Oid relid, List *attnums);

/* match.c */
extern MatchMemo *match_memo(MatchMemo *memo, const char *entity);
extern List *match_keys(MatchMemo *memo, const char *schema, const char *table);
extern Match *match_find(MatchMemo *memo, const char *field, const Holder *a, const Holder *c);

/*
 * Within this folder
 */

/* A copy of a field, and the authoritative copy that it is compared with. */
typedef struct Copy
{
	char *entity;
	char *field;
	bool key;	   /* the field is a key */
	char *owner;   /* NULL: none */
	char *source;  /* of the copy's table; NULL: it is shared */
	List *mates;   /* Copy *, of its group in the same tables; copy_find_mates() sets it */
	Holder from;   /* the authoritative copy; NULLs: undecided */
	Holder to;	   /* the copy */
	char *problem; /* why they are not compared, as a part of a sentence; NULL: they are */
	char *advice;  /* what to do about the problem, as a sentence, or NULL */
	bool unlinked; /* the problem: the map does not say which copy is right, or which rows match */
	Match *match;  /* how their rows belong together; NULL where the columns are not there */
	char *join;	   /* SQL for FROM: both tables, joined */
	char *misread; /* SQL condition: a value cannot be cast to be compared; NULL: none can fail */
	/* results of the comparison: the last two are numbers of rows */
	bool unseen; /* the problem: the data could not be read */
	int64 compared;
	int64 differing; /* at least 1 if any, where rows are not counted */
	int64 misfits;	 /* of these, those with such a value; not where rows are not counted */
	int64 lost;		 /* rows with several keys in the crosswalk, which are not compared */
} Copy;

/* Rows that one statement writes. */
#define BATCH 1000

/* Where a row is stored; invalid in a foreign table. */
typedef struct RowPlace
{
	Oid relid;
	ItemPointerData tid;
} RowPlace;

/* A row of the copy, its authoritative row, and that of the crosswalk between them. */
typedef struct Pair
{
	RowPlace from;
	RowPlace to;
	RowPlace crosswalk; /* invalid, too, where there is no crosswalk */
} Pair;

/* A run of reconcile() or reconcile_all(). */
typedef struct Run
{
	const char *name; /* entity.field */
	Copy *copy;		  /* the copy that is written now */
	int batch_size;	  /* rows */
	int64 limit;	  /* rows that the run may write; negative: all */
	bool commits;	  /* after each batch */
	bool dry_run;
	bool as_steward; /* writes by statement_run_as_steward() */
	/* rows of the copy that differ, and that the run writes */
	int npairs;
	Pair *pairs;
	int64 found;  /* in a dry run: their number; then there are no pairs */
	int64 others; /* rows that differ and that another system owns: not written */
	int64 pinned; /* rows that differ and whose value is pinned: likewise */
	int64 unfit; /* rows whose authoritative value cannot be read as one of the copy's type: likewise */
	int64 done; /* rows written, of all copies; in a dry run, rows to write */
	int failed; /* rows of this copy that could not be written */
} Run;

/* holder.c */
extern char *holder_problem(const Holder *h);

/* copies.c */
extern char *copy_sql_join(const Copy *copy, const char *sample);
extern List *copy_load(const char *entity, const char *field);
extern char *copy_sql_differs(const Copy *copy);
extern char *copy_sql_unfit(const Copy *copy);
extern char *copy_sql_new_value(const Copy *copy, bool typmod);
extern int64 copy_count_lost(const Copy *copy, const char *sample);
extern char *copy_misfits(const Copy *copy, int64 n);
extern char *copy_lost(const Copy *copy, int64 n);
extern char *copy_lost_advice(const Copy *copy);

/* copy_group.c */
extern bool copy_find_mates(Copy *copy);
extern char *copy_sql_group_differs(const Copy *copy);
extern char *copy_sql_group_unfit(const Copy *copy);

/* drift.c */
extern List *drift_field_copies(const char *name);
extern void drift_report_lost(const Copy *copy);
extern void drift_report_incomparable(int level, const char *name, const Copy *copy);

/* reconcile_rows.c */
extern bool reconcile_owned_by_another(const Copy *copy, Oid relid, ItemPointer tid);
extern void reconcile_write_batch(Run *run, const Pair *pairs, int n);

#endif /* OWNERSHIP_DRIFT_H */
