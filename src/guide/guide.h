/*
 * guide.h
 *		The guide: it suggests the domain and the owner of columns.
 */
#ifndef OWNERSHIP_GUIDE_H
#define OWNERSHIP_GUIDE_H

#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

/*
 * Within this folder
 */

/*
 * Bytes of a normal name; see pattern_normal_name().  One byte of a name may
 * become two: an underscore and a letter.
 */
#define MAX_SPELLED (4 * NAMEDATALEN)

/* Domains that have rules of their own. */
#define TECHNICAL "technical"
#define KEY "key"

/* A row of ownership.domain. */
typedef struct Domain
{
	int index; /* its place in the order in which patterns are tried */
	char *name;
	List *kinds; /* kinds of systems, the natural owners; the preferred one first */
	/* regular expressions, made from the row's patterns; NULL: there is none */
	char *column_words;		/* for a column's name or comment */
	char *column_qualified; /* for table.column */
	char *column_definite;	/* column_qualified without {document}; NULL: it has none */
	char *table_words;		/* for a table's name */
	char *table_qualified;	/* for a table whose columns are all of the domain */
	bool documents;			/* its tables are documents, which copy values of other tables */
} Domain;

/* A registered system. */
typedef struct System
{
	char *name;
	char *kind;
	char *word;	  /* the normal name; see pattern_normal_name() */
	char *normal; /* word, split by words_split() */
} System;

/*
 * A column's name, and the domains that it says alone.  A domain is its index;
 * -1 is none.  Columns of the same name have one ColumnName.
 */
typedef struct ColumnName
{
	char spelled[MAX_SPELLED]; /* the normal name; the key of the hash table */
	char *normal;			   /* spelled, split by words_split() */
	int domain;				   /* the first domain whose pattern matches */
	int beside;				   /* if that is technical: the first business domain */
	bool deletes;			   /* the column marks rows as deleted */
	bool foreign;			   /* the name contains that of a product; see signs.c */
} ColumnName;

/* A table, and what its name says of its columns.  A domain is its index. */
typedef struct GuidedTable
{
	char *normal;		/* the normal name, split by words_split() */
	Bitmapset *expects; /* domains that a column's name may say in such a table */
	int whole;			/* the domain of all columns, or -1 */
	char *key_owner;	/* the system that owns all of the key; NULL: none, or several */
	char *written_by;	/* who wrote its rows, by a sample, as words; NULL: nothing is known */
	bool sampled;		/* written_by is set */
} GuidedTable;

/*
 * A column, the evidence for its domain, and the proposal.  Where the evidence
 * is an int or a set, it contains the index of a domain; -1 is none.
 */
typedef struct Suggestion
{
	char *schema;
	char *table;
	char *column;
	Oid relid;
	bool primary;	   /* a column of the primary key */
	char *comment;	   /* as a normal name, or NULL */
	char *references;  /* the table to which its foreign key leads, or NULL */
	char *writers;	   /* systems seen writing it, as a list for a message, or NULL */
	char *only_writer; /* the system, if it is only one */
	char *source;	   /* the source of its table, or NULL */
	/* its field on the map; NULLs: it has none */
	char *entity;
	char *field;
	bool mapped_key; /* the field is a key */
	char *key_owner; /* the owner of that key, or NULL */

	ColumnName *name;
	GuidedTable *table_name;
	struct Suggestion *raw_of; /* the column whose raw value it contains, or NULL */
	int by_both;			   /* said by the names of column and table together */
	bool doubted;			   /* of by_both: the column's name alone outweighs it */
	Bitmapset *by_comment;	   /* said by the comment */

	Domain *domain;		/* NULL: unknown */
	const char *kind;	/* of the system that should own it, or NULL */
	const char *system; /* that should own it, or NULL */
	bool judged;
	bool sure;
	bool domain_sure;  /* the domain is, whichever system should own it */
	bool contradicted; /* there is evidence for another domain or owner */
	StringInfoData reason;
} Suggestion;

typedef struct TrieNode
{
	int next[26];	   /* by letter: the next node; 0: none, since no node leads to the root */
	const char *words; /* the word that ends here, with "_" between its parts; NULL: none */
} TrieNode;

/* The words that words.c knows: a trie, whose root is node 0. */
struct Words
{
	TrieNode *nodes;
	int used;
	int allocated;
};

typedef struct Words Words;

/* words.c */
extern void words_learn(Words *words, const char *pattern);
extern Words *words_create(void);
extern char *words_split(Words *words, const char *name);

/* name_pattern.c */
extern char *pattern_normal_name(const char *name);
extern char *pattern_expand(const char *pattern);
extern char *pattern_words(const char *pattern);
extern char *pattern_qualified(const char *pattern);
extern char *pattern_definite(const char *pattern);
extern bool pattern_of_documents(const char *pattern);
extern bool pattern_hits(const char *pattern, const char *name);
extern const char *pattern_bracket_end(const char *c);
extern bool *pattern_hit_names(const char *re, char **names, int n);

/* gather.c */
extern List *gather_read_domains(Words *words);
extern List *gather_read_systems(Words *words);
extern List *gather_read_columns(const char *pattern, Words *words, HTAB *names);

/* signs.c */
extern const char sign_foreign_product[];
extern Domain *sign_domain_at(List *domains, int index);
extern bool sign_is_technical(Domain *domain);
extern List *sign_gather_tables(List *columns, Words *words);
extern void sign_find_raw(List *columns);
extern void sign_gather_names(List *domains, HTAB *table);
extern void sign_gather_columns(List *domains, List *columns);
extern void sign_gather_expected(List *domains, List *tables);
extern bool sign_marks_deletion(Suggestion *s, List *domains);

/* judge.c */
extern void judge_suggestion(Suggestion *s, List *domains, List *systems);

#endif /* OWNERSHIP_GUIDE_H */
