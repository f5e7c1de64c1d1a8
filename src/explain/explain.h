/*
 * explain.h
 *		Answers about the map: explain(), why(), impact(), export(), risks, grants.
 */
#ifndef OWNERSHIP_EXPLAIN_H
#define OWNERSHIP_EXPLAIN_H

#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "../rules/rules.h"
#include "../drift/drift.h"

/*
 * Within this folder
 */

/* What the rules say of a write.  NULL is NULL. */
typedef struct Answer
{
	int allowed;		 /* 1: yes; 0: no; -1: it depends on the row */
	const char *outcome; /* NULL: it depends on the row */
	const char *owner;
	const char *policy;
	const char *reason; /* a sentence */
} Answer;

/* A name and a value of row_key, as text. */
typedef struct KeyValue
{
	char *name;
	char *value;
	Oid type;	   /* of the column that it is of; InvalidOid: the caller gave it */
	Oid collation; /* of that column */
} KeyValue;

/* A row of one copy that why() found. */
typedef struct FoundRow
{
	char *value;		 /* text; NULL is NULL */
	char *evidence_key;	 /* jsonb as text, as in ownership.conflict; NULL: the table has no key */
	TimestampTz written; /* when the row version was written; 0: not known */
	char *owner;		 /* of the value in this row */
	bool differs;		 /* from the authoritative copy */
	bool misread;		 /* because one of the two values cannot be cast */
	bool ambiguous;		 /* not compared: the crosswalk has several keys for the row */
} FoundRow;

/* One copy of the field. */
typedef struct FieldPlace
{
	Holder holder;
	char *label;  /* the column's name in messages */
	char *source; /* NULL: the table is shared */
	bool authoritative;
	List *keys;			/* KeyColumn: the entity's match fields here */
	List *names;		/* KeyColumn: these, and the other key fields: what row_key may name */
	List *own_keys;		/* KeyColumn: the columns of row_key in evidence */
	char *condition;	/* SQL on "t" that finds the row; NULL: the key does not fit */
	char *by_cast;		/* the same, where texts that mean the same key are found, too; or NULL */
	Match *match;		/* with the authoritative copy; NULL: not known, or it is that copy */
	Match *crosswalk;	/* what it is found through; NULL: no crosswalk */
	char *in_crosswalk; /* SQL on "x" that finds the crosswalk's rows */
	bool given;			/* condition is made of the caller's row_key */
	char *evidence_key; /* SQL for row_key in evidence, where there is no row; or NULL */
	char *problem;		/* why the copy was not looked at; NULL: it was */
	List *rows;			/* FoundRow */
	List *systems;		/* char *: systems whose evidence was found */
} FieldPlace;

/* A call of why(). */
typedef struct Why
{
	ReturnSetInfo *rsinfo;
	char *entity;
	char *field;
	char *owner;  /* NULL: none */
	List *places; /* FieldPlace: the authoritative one first */
	List *given;  /* KeyValue: the caller's row_key */
	List *facts;  /* Fact: the rows to return */
	MatchMemo *memo;
	/* for the answer */
	int refused;		   /* refused writes without a decision */
	int resolved;		   /* refused writes with a decision */
	char *refused_by;	   /* system of the latest of the former; NULL: unidentified */
	char *refused_outcome; /* its outcome, in words */
	int waiting;		   /* values that wait for the row */
	char *waiting_of;	   /* system of the latest of them; NULL: none */
	char *waiting_problem; /* why it could not be written; NULL: not tried */
	bool evidence_seen;	   /* the caller may read ownership.conflict */
	char *feeds;		   /* what is wrong with the feeds, as sentences; may be empty */
} Why;

/*
 * What the names of a key are.  They are columns only of the table that the
 * caller means; of all others they are key fields.
 */
typedef enum KeyNames
{
	NAMES_FIELDS,
	NAMES_COLUMNS /* columns; a name that is no column is a field */
} KeyNames;

/* Do names and values find one row of a copy? */
typedef enum KeyFit
{
	KEY_FITS,
	KEY_UNKNOWN_NAME,
	KEY_INCOMPLETE
} KeyFit;

/* A stored row that is explained. */
typedef struct ExplainedRow
{
	Relation rel;		  /* the table or partition that stores it */
	RelationMap *map;	  /* of that one */
	TupleTableSlot *slot; /* the row */
	Jsonb *pin_key;		  /* see pin_in_row() */
} ExplainedRow;

/* What is looked for: a column, any column of a relation, or a function. */
typedef struct ImpactTarget
{
	Oid relid;
	AttrNumber attnum; /* 0: any */
	Oid function;	   /* InvalidOid: the target is a column */
} ImpactTarget;

/* What a tree does with the target. */
typedef struct ImpactReads
{
	bool reads;
	bool whole;			/* it names whole rows, not the column */
	bool rows;			/* which rows a query returns depends on it */
	bool writes;		/* a statement in it writes the column */
	Bitmapset *outputs; /* numbers of the query's columns that are made of it */
} ImpactReads;

/* An object that may read the target. */
typedef struct ImpactCandidate
{
	Oid classid; /* the object, as pg_depend names it */
	Oid objid;
	int objsubid;
	const char *kind;	/* for people */
	const char *object; /* its name */
	Oid relid;			/* the relation that its trees are about */
	bool sure;			/* the catalogs name the column */
	const char *detail; /* or NULL */
	char *tree;			/* as the catalog has it; NULL: none */
	char *other_tree;
	/*
	 * What reads it in its turn: 'v' the columns of the view next_object, 'c' a column, 'f' a
	 * function; 's': likewise, its body is a string of SQL, and is to be analyzed; 'w': likewise,
	 * only the words of its body are known; 0: nothing.
	 */
	char next;
	Oid next_object;
	AttrNumber next_column;
} ImpactCandidate;

/* explain_row.c */
extern void explain_open_row(ExplainedRow *row, Relation rel, Jsonb *key);
extern void explain_close_row(ExplainedRow *row);
extern MappedColumn
explain_in_row(ExplainedRow *row, const MappedColumn *col, bool *stored_blank, Pin **pin);

/* explain.c */
extern Answer explain_column(RelationMap *map, MappedColumn *col, const char *system, bool steward,
							 bool stored_null);

/* why_key.c */
extern List *key_read(Jsonb *key);
extern List *key_of_evidence(const Holder *h);
extern char *key_sql_evidence(List *keys, const char *alias, List *columns, List *literals);
extern KeyFit key_fit(const Why *why, FieldPlace *place, List *values, KeyNames names);
extern const KeyValue *key_value(List *values, const char *name);
extern char *key_sql_is(const char *alias, const KeyColumn *k, const KeyValue *v);
extern void key_report_wrong(Why *why, const FieldPlace *place, KeyNames names);

/* why_crosswalk.c */
extern void why_cross(const Why *why, FieldPlace *place, const FieldPlace *base, List *values);
extern void why_report_crosswalk(FieldPlace *place);

/* why_rows.c */
extern void why_load_places(Why *why);
extern void why_look_everywhere(Why *why, const Holder *named);

/* why_result.c */
extern void why_add_fact(Why *why, TimestampTz at, const char *place, const char *event,
						 const char *system, const char *value, const char *detail);
extern void why_add_answer(Why *why, const char *place, const char *owner, const char *value,
						   const char *detail);
extern void why_return(const Why *why);

/* why_facts.c */
extern void why_report_values(Why *why);
extern void why_report_evidence(Why *why);
extern void why_report_rules(Why *why);
extern void why_report_last_writes(Why *why);
extern void why_report_feeds(Why *why);
extern void why_report_answer(Why *why);

/* why_waiting.c */
extern void why_report_waiting_of(Why *why, FieldPlace *place, const char *key);

/* why_pins.c */
extern void why_report_pins_of(Why *why, FieldPlace *place, const char *key);

/* note.c */
extern char *explain_waiting_note(Oid relid, Jsonb *key);

/* impact_sql.c */
extern List *impact_candidates(const ImpactTarget *target);

/* impact_tree.c */
extern void impact_read_tree(ImpactReads *r, const ImpactTarget *target, Oid relid, Node *tree);

/* impact_body.c */
extern bool
impact_read_body(ImpactReads *r, const ImpactTarget *target, Oid function, const char *path);

/* export_contract.c */
extern char *export_odcs(List *entities);
extern char *export_dbt(List *entities);

#endif /* OWNERSHIP_EXPLAIN_H */
