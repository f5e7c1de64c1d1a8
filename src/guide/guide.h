/*
 * guide.h
 *		The guide, which suggests owners.
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

/* Of a name's bytes, each may become two: a capital and an underscore. */
#define MAX_SPELLED (4 * NAMEDATALEN)
#define TECHNICAL "technical"
#define KEY "key"

typedef struct Domain
{
	int index;
	char *name;
	List *kinds; /* natural owners, the preferred first */
	/* regular expressions; NULL: there is none */
	char *column_words;
	char *column_qualified; /* the same pattern, for table.column */
	char *column_definite;	/* that, where it is another without what any document has */
	char *table_words;
	char *table_qualified;
	bool documents; /* its tables copy what is of others */
} Domain;

typedef struct System
{
	char *name;
	char *kind;
	char *word;	  /* the name, as a word of a column's name would be */
	char *normal; /* and split into words */
} System;

/* A column's name, and what it says alone (a domain's index; -1: nothing). */
typedef struct ColumnName
{
	char spelled[MAX_SPELLED]; /* in small letters */
	char *normal;			   /* and split into words */
	int domain;
	int beside;	  /* a business domain, where the first is technical */
	bool deletes; /* marks rows as deleted */
	bool foreign; /* holds the name of a product */
} ColumnName;

/* A table's name, and in which domains' tables it is. */
typedef struct GuidedTable
{
	char *normal;
	Bitmapset *expects; /* what a column's name says of these can be believed */
	int whole;			/* all of it is of this one, or -1 */
	char *key_owner;	/* the only system whose keys it has, or NULL */
} GuidedTable;

/* A column, what speaks for which domain (by index; -1: nothing), and the verdict. */
typedef struct Suggestion
{
	char *schema;
	char *table;
	char *column;
	Oid relid;
	bool primary;
	char *comment;
	char *references; /* a foreign key's target */
	char *writers;	  /* seen */
	char *only_writer;
	char *source; /* whose private copy the table is */
	char *entity; /* on the map: the field that it holds */
	char *field;
	bool mapped_key; /* which is a key there */
	char *key_owner; /* and whose */

	ColumnName *name;
	GuidedTable *table_name;
	struct Suggestion *raw_of; /* the column of which it has the raw value */
	int by_both;			   /* column and table together */
	bool doubted;			   /* the column's name alone says something else, and more */
	Bitmapset *by_comment;

	Domain *domain; /* NULL: unknown */
	const char *kind;
	const char *system;
	bool judged;
	bool sure;
	bool contradicted; /* evidence speaks for different domains */
	StringInfoData reason;
} Suggestion;

typedef struct TrieNode
{
	int next[26];	   /* 0: none; nothing leads to the root */
	const char *words; /* the word that ends here, its own parts separated by "_" */
} TrieNode;

/* A trie: node 0 is its root. */
struct Words
{
	TrieNode *nodes;
	int used;
	int allocated;
};

/* words.c: names that run together */
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
extern const char gather_foreign_product[];
extern Domain *gather_domain_at(List *domains, int index);
extern bool gather_is_technical(Domain *domain);
extern List *gather_tables(List *columns, Words *words);
extern void gather_find_raw(List *columns);
extern void gather_names(List *domains, HTAB *table);
extern void gather_columns(List *domains, List *columns);
extern void gather_expected(List *domains, List *tables);
extern bool gather_marks_deletion(Suggestion *s, List *domains);

/* judge.c */
extern void judge_suggestion(Suggestion *s, List *domains, List *systems);

#endif /* OWNERSHIP_GUIDE_H */
