/*
 * drift.h
 *		Copies of a field that hold different values.
 */
#ifndef OWNERSHIP_DRIFT_H
#define OWNERSHIP_DRIFT_H

#include "access/attnum.h"

/*
 * For other folders
 */

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

/* holder.c */
extern void holder_find(Holder *h);
extern char *holder_label(const Holder *h);
extern bool holder_any_foreign(Oid relid);
extern bool holder_can_read(Oid relid, AttrNumber attnum);
extern List *holder_table_keys(const char *entity, const char *schema, const char *table);
extern const KeyColumn *holder_find_key(List *keys, const char *field);
extern bool holder_tells_row(Oid relid, List *attnums);

/*
 * Within this folder
 */

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

#define BATCH 1000

/* Where a row of the copy and its authoritative row are stored. */
typedef struct Pair
{
	Oid from_relid;
	Oid to_relid;
	ItemPointerData from;
	ItemPointerData to;
} Pair;

typedef struct Run
{
	const char *name; /* entity.field */
	Copy *copy;
	int batch_size;
	int64 limit; /* rows to write; negative: all */
	bool commits;
	bool dry_run;
	bool mandated; /* see statement_run_as_steward() */
	/* the rows that differ */
	int npairs;
	Pair *pairs;
	int64 others; /* rows of other owners, left alone */
	int64 done;
	int failed;
} Run;

/* holder.c */
extern char *holder_problem(const Holder *h);

/* copies.c */
extern char *copy_sql_join(const Copy *copy, const char *sample);
extern List *copy_load(const char *entity, const char *field);
extern char *copy_sql_differs(const Copy *copy);

/* drift.c */
extern List *drift_field_copies(const char *name);
extern void drift_report_incomparable(int level, const char *name, const Copy *copy);

/* reconcile_rows.c */
extern bool reconcile_owned_by_another(const Copy *copy, Oid relid, ItemPointer tid);
extern void reconcile_write_batch(Run *run, const Pair *pairs, int n);

#endif /* OWNERSHIP_DRIFT_H */
