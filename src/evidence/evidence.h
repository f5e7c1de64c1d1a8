/*
 * evidence.h
 *		What the guard records and reports of conflicts.
 */
#ifndef OWNERSHIP_EVIDENCE_H
#define OWNERSHIP_EVIDENCE_H

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/jsonb.h"

#include "../base/compat.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"

/*
 * For other folders
 */

/* What is recorded or reported of the conflicts of one row. */
typedef struct Evidence
{
	const RelationMap *map; /* of the relation that the slots belong to */
	TupleDesc desc;			/* of that relation; a slot's own may lack the names */
	const Writer *writer;
	const char *system; /* as which the writer writes this table, or NULL */
	const NewRow *new;	/* INSERT: the row and what brings it; else NULL */
	Operation operation;
	Verdict outcome;
	const ConflictSet *conflicts; /* those with the verdict `outcome` are recorded */
	TupleTableSlot *stored;		  /* the row before; NULL for INSERT, TRUNCATE */
	TupleTableSlot *proposed;	  /* the row as written; NULL for DELETE */
	TupleTableSlot *final;		  /* the row as it will be stored; NULL: `stored` stays */
	const Bitmapset *left_out;	  /* a discarded row: columns that other evidence contains */
	struct Common *common;		  /* see common.c, which sets it; NULL: not set */
} Evidence;

/* Evidence of values that wait for a row; see waiting.c. */
typedef struct Waiting
{
	ItemPointerData tid;
	bool parked;  /* else remembered */
	bool brief;	  /* remembered until the transaction ends */
	bool ours;	  /* this transaction wrote it */
	char *system; /* parked: whose values they are; remembered: who deleted the row */
	Jsonb *key;
	Jsonb *values;
	TimestampTz at;
	bool stuck;		/* an attempt to write it failed */
	Datum *columns; /* all columns of the row of evidence */
	bool *nulls;
} Waiting;

/* messages.c */
extern COMPAT_NORETURN void evidence_report_rejected(const Evidence *e, const char *why);
extern void evidence_report_softened(const Evidence *e);

/* record.c */
extern void evidence_record(const Evidence *e);
extern void evidence_end(const void *statement, bool all);
extern void evidence_end_truncate(const RelationMap *map);

/* history.c */
extern void evidence_history(const RelationMap *map, TupleDesc desc, const Writer *writer,
							 const char *system, TupleTableSlot *stored, TupleTableSlot *final);

/* json.c */
extern Jsonb *evidence_row_key_of(const RelationMap *map, TupleDesc desc, TupleTableSlot *slot);

/* key_hash.c */
extern bool evidence_may_wait(const RelationMap *map, TupleDesc desc, TupleTableSlot *row);

/* park.c */
extern bool evidence_can_wait(const RelationMap *map);
extern TransactionId
evidence_park(RelationMap *map, TupleDesc desc, const Writer *writer, const char *system,
			  Jsonb *key, TupleTableSlot *slot, const Bitmapset *attnums, const Bitmapset *others);
extern Bitmapset *evidence_add_groups(RelationMap *map, Bitmapset *attnums);
extern void evidence_remember(RelationMap *map, TupleDesc desc, const Writer *writer,
							  const char *system, Operation operation, TupleTableSlot *stored);
extern void evidence_forget_brief(void);
extern void evidence_end_transaction(void);

/* waiting.c */
extern StoredTable *evidence_open(void);
extern List *evidence_waiting(const RelationMap *map, Jsonb *key, TransactionId *pending);
extern bool evidence_hold(List *waiting);
extern bool evidence_resolve(StoredTable *t, const Waiting *w, int applied);

/* Begins the problem of values that wait under a key which is none of the table's types. */
#define EVIDENCE_KEY_UNFIT "The key does not fit the table any more: "

extern bool evidence_still_waits(StoredTable *t, const Waiting *w, List *names, const char *problem,
								 int applied);

/*
 * Within this folder
 */

/* For so many rows that a statement removes a signal tells of each; see map_wait_send(). */
#define EVIDENCE_TOLD_ALONE 32

/* What evidence of one statement, table and outcome has in common; see common.c. */
typedef struct Common
{
	struct Common *next;
	Verdict outcome;
	Operation operation;
	Oid role;
	char *role_name; /* NULL: there is no such role any more */
	char *system;
	char *origin;
	char *application;
	Datum kind; /* and the following: hashes, where values are refused; see repeat.c */
	Datum proposal_seed;
	Datum old_seed;
	Datum values[Natts_conflict]; /* but those of the row; recorded_at is of the first */
	bool nulls[Natts_conflict];
	int natts;		   /* of the table's relation that the rows are of */
	FmgrInfo *outputs; /* of its columns, by number - 1; fn_oid InvalidOid: not looked up */
	Oid *output_types; /* the types that these are of */
	List *names;	   /* char *: the columns of the first row */
	Datum name_array;  /* the same */
} Common;

/* common.c */
extern bool evidence_is_refused(Verdict outcome);
extern void evidence_set_common(Datum *values, bool *nulls, const char *schema, const char *table,
								Operation operation, const Writer *writer, const char *system,
								const char *outcome);
extern void evidence_set_statement(Evidence *e);
extern Datum evidence_common_names(Common *c, List *names);
extern FmgrInfo *evidence_common_output(Common *c, AttrNumber attnum, Oid type);

/* record.c */
extern void evidence_set_jsonb(Datum *values, bool *nulls, int attnum, Jsonb *jsonb);
extern void evidence_check_readable(const RelationMap *map, Jsonb *const values[], int n);
extern Inserter *evidence_inserter(const Tally *tally, Inserter **kept, const char *table);
extern void evidence_release(const Inserter *kept, Inserter *inserter);

/* What equal evidence is recognised by; see repeat.c. */
typedef struct Proposal
{
	Jsonb *key;	   /* of the row; NULL: it has none */
	bool whole;	   /* the key identifies the row; else the values do */
	Jsonb *values; /* proposed ones; NULL for DELETE */
	List *made;	   /* char *: columns whose values the database made */
} Proposal;

/* json.c */
extern Jsonb *
evidence_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but);
extern Jsonb *
evidence_row_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but);
extern Jsonb *evidence_row_key(const Evidence *e, bool *whole, Bitmapset **made);
extern Jsonb *evidence_columns(TupleDesc desc, TupleTableSlot *slot, const Bitmapset *attnums);
extern Jsonb *evidence_key_for_log(const Evidence *e, Jsonb *key);
extern List *evidence_names(const Evidence *e);
extern const char *evidence_jsonb_text(Jsonb *jsonb);

/* repeat.c */
extern TransactionId repeat_forget(Inserter *inserter, const Evidence *e, const Proposal *proposal,
								   ConflictSet *fresh, bool *apart);

/* messages.c */
extern void evidence_report_kept(const Tally *tally);

#endif /* OWNERSHIP_EVIDENCE_H */
