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
	Holder holder;
} KeyColumn;

/* holder.c */
extern void holder_find(Holder *h);
extern char *holder_label(const Holder *h);
extern bool holder_any_foreign(Oid relid);
extern bool holder_can_read(Oid relid, AttrNumber attnum);
extern List *holder_table_keys(const char *entity, const char *schema, const char *table);
extern const KeyColumn *holder_find_key(List *keys, const char *field);
extern bool holder_identifies_row(Oid relid, List *attnums);

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
	/* SQL, in which "a" is the authoritative table, "c" the copy's */
	char *match;	   /* condition: the row of a and the row of c have the same key */
	char *join;		   /* for FROM: both tables, joined by match */
	char *row_key;	   /* the key as jsonb */
	char *order;	   /* for ORDER BY */
	char *key_columns; /* of "a", with commas between */
	bool unique;	   /* a unique index of "a" proves that key_columns identify a row */
	/* results of the comparison: the last two are numbers of rows */
	bool unseen; /* the problem: the data could not be read */
	int64 compared;
	int64 differing; /* at least 1 if any, where rows are not counted */
} Copy;

/* Rows that one statement writes. */
#define BATCH 1000

/* Where a row of the copy and its authoritative row are stored. */
typedef struct Pair
{
	Oid from_relid;
	Oid to_relid;
	ItemPointerData from;
	ItemPointerData to;
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
	int64 done;	  /* rows written, of all copies; in a dry run, rows to write */
	int failed;	  /* rows of this copy that could not be written */
} Run;

/* holder.c */
extern char *holder_problem(const Holder *h);

/* copies.c */
extern char *copy_sql_join(const Copy *copy, const char *sample);
extern List *copy_load(const char *entity, const char *field);
extern char *copy_sql_differs(const Copy *copy);

/* copy_group.c */
extern bool copy_find_mates(Copy *copy);
extern char *copy_sql_group_differs(const Copy *copy);

/* drift.c */
extern List *drift_field_copies(const char *name);
extern void drift_report_incomparable(int level, const char *name, const Copy *copy);

/* reconcile_rows.c */
extern bool reconcile_owned_by_another(const Copy *copy, Oid relid, ItemPointer tid);
extern void reconcile_write_batch(Run *run, const Pair *pairs, int n);

#endif /* OWNERSHIP_DRIFT_H */
