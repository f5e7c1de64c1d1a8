/*
 * impact.h
 *		What reads a column by definition: impact().
 */
#ifndef OWNERSHIP_IMPACT_H
#define OWNERSHIP_IMPACT_H

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/*
 * Within this folder
 */

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

/* impact_sql.c */
extern List *impact_candidates(const ImpactTarget *target);

/* impact_tree.c */
extern void impact_read_tree(ImpactReads *r, const ImpactTarget *target, Oid relid, Node *tree);

/* impact_body.c */
extern bool
impact_read_body(ImpactReads *r, const ImpactTarget *target, Oid function, const char *path);

#endif /* OWNERSHIP_IMPACT_H */
