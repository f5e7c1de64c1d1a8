/*
 * explain.h
 *		Answers about the map: explain(), why(), risks, grants.
 */
#ifndef OWNERSHIP_EXPLAIN_H
#define OWNERSHIP_EXPLAIN_H

#include "nodes/execnodes.h"
#include "utils/jsonb.h"

#include "../rules/rules.h"
#include "../drift/drift.h"

/*
 * Within this folder
 */

/* explain.c: asking the rules without writing */
typedef struct Answer
{
	int allowed; /* -1: depends on the row */
	const char *outcome;
	const char *owner;
	const char *policy;
	const char *reason;
} Answer;

/* A name and a value of row_key. */
typedef struct KeyValue
{
	char *name;
	char *value;
} KeyValue;

typedef struct FoundRow
{
	char *value;
	char *evidence_key;	 /* jsonb, as in conflict */
	TimestampTz written; /* 0: not known */
	char *owner;		 /* of the value in this row */
	bool differs;		 /* from the authoritative copy */
} FoundRow;

/* One copy of the field. */
typedef struct FieldPlace
{
	Holder holder;
	char *label;
	char *source;
	bool authoritative;
	List *keys;			/* KeyColumn: the entity's key fields here */
	List *own_keys;		/* KeyColumn: what tells a row in evidence */
	char *condition;	/* SQL on "t"; NULL: not found by the key */
	bool given;			/* it is made of what the caller gave */
	char *evidence_key; /* SQL for it, where there is no row */
	char *problem;		/* why it was not looked at */
	List *rows;			/* FoundRow */
	List *systems;		/* that evidence tells of */
} FieldPlace;

typedef struct Why
{
	ReturnSetInfo *rsinfo;
	char *entity;
	char *field;
	char *owner;
	List *places; /* the authoritative one first */
	List *given;  /* KeyValue */
	List *told;	  /* Told */
	/* for the answer */
	int refused; /* writes of which nothing was decided */
	int resolved;
	char *refused_by;
	char *refused_outcome;
	bool evidence_seen;
	char *feeds; /* what is wrong with them */
} Why;

/* A name means a column only in the table that the caller has in mind. */
typedef enum Names
{
	NAMES_FIELDS,
	NAMES_COLUMNS /* first; else fields */
} Names;

typedef enum KeyFit
{
	KEY_FITS,
	KEY_UNKNOWN_NAME,
	KEY_INCOMPLETE
} KeyFit;

/* explain.c */
extern Answer explain_column(RelationMap *map, MappedColumn *col, const char *system, bool steward,
							 bool stored_null);

/* why_key.c */
extern List *key_read(Jsonb *key);
extern List *key_of_evidence(const Holder *h);
extern char *key_sql_evidence(List *keys, const char *alias, List *columns, List *literals);
extern KeyFit key_fit(const Why *why, FieldPlace *place, List *values, Names names);
extern void key_report_wrong(Why *why, const FieldPlace *place, Names names);

/* why_rows.c */
extern void why_load_places(Why *why);
extern void why_look_everywhere(Why *why, const Holder *named);

/* why_facts.c */
extern void why_return(const Why *why);
extern void why_report_values(Why *why);
extern void why_report_evidence(Why *why);
extern void why_report_rules(Why *why);
extern void why_report_last_writes(Why *why);
extern void why_report_feeds(Why *why);
extern void why_report_answer(Why *why);

#endif /* OWNERSHIP_EXPLAIN_H */
