/*
 * links.h
 *		suggest_links(): columns that contain the same field find each other.
 */
#ifndef OWNERSHIP_LINKS_H
#define OWNERSHIP_LINKS_H

#include "access/attnum.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "../base/base.h"

/*
 * Within this folder
 */

/* What the values of a type are compared as. */
typedef enum LinkKind
{
	LINK_NONE, /* nothing: the column is left out */
	LINK_NUMBER,
	LINK_TEXT,
	LINK_TIME,
	LINK_UUID,
	LINK_OTHER /* its text */
} LinkKind;

/* How values of a column become hashes; see digest.c. */
typedef struct Digester
{
	LinkKind kind;
	Oid type;			/* a base type */
	ValueOutput output; /* only LINK_OTHER */
} Digester;

/* A value as hashes: values that are equal have equal ones. */
typedef struct Digest
{
	uint64 hash;
	uint64 read; /* of a text that is read as a number, time, boolean or UUID; 0: it cannot be */
	bool ends_in_number; /* the value is an integer, or a text that ends in one */
	int64 number;
	int letters;	 /* of the text before that number */
	bool long_value; /* stored out of line and not looked at: no hashes */
} Digest;

typedef struct SketchEntry
{
	uint64 hash; /* 0: the place is free */
	uint32 count;
} SketchEntry;

/* The lowest hashes of the values of a column; see sketch.c. */
typedef struct Sketch
{
	int k;				  /* at most so many are kept */
	uint64 limit;		  /* hashes above it are not in it */
	int64 values;		  /* that were added */
	SketchEntry *entries; /* open addressing; NULL when the sketch is finished */
	int size;			  /* of entries, a power of two */
	int n;
	uint64 *hashes;	 /* of the finished sketch, sorted */
	double distinct; /* estimated number of distinct values */
	double unique;	 /* distinct values per value, 0 to 1 */
} Sketch;

typedef struct LinkTable LinkTable;

/* A column that takes part. */
typedef struct LinkColumn
{
	LinkTable *table;
	char *name;
	AttrNumber attnum;
	int index; /* place in the list of columns */
	int cell;  /* place of its first hash in LinkRow.cells; a text has two */
	Oid type;  /* a base type */
	Oid collation;
	bool indexed;	/* a valid index has it as its first column */
	bool unique;	/* a unique index has it alone */
	bool primary;	/* it is part of the primary key */
	bool technical; /* its name says that the database or a tool writes it */
	bool sensitive; /* its values are not shown */
	char *entity;	/* its field; NULL: it is not on the map */
	char *field;
	int copies; /* columns that contain that field */
	Digester digester;
	Sketch sketch;
	Sketch read; /* of texts that are read as something else */
	int64 nulls;
	int64 numbers;	/* values that end in a number */
	int64 lettered; /* of these, texts with three letters or more before the number */
	int64 rising;	/* of these, those that are not less than the one before */
	int64 last;
	int64 lowest;
	int64 highest;
} LinkColumn;

/* A row whose key was asked for. */
typedef struct LinkRow
{
	uint64 hash;   /* of the key; 0: the place is free */
	int count;	   /* rows with that key; 0: none was found */
	char *key;	   /* its text */
	uint32 *cells; /* hashes of all columns; 0: NULL */
} LinkRow;

/* Cells that are no hashes. */
#define CELL_NULL 0
#define CELL_UNREAD 1 /* a text that cannot be read as anything else */

/* Rows by one key. */
typedef struct LinkRows
{
	LinkRow *rows; /* open addressing */
	int size;	   /* a power of two */
	int n;
} LinkRows;

/* A column by which rows may belong together. */
typedef struct LinkKey
{
	LinkColumn *column;
	bool read; /* by what the text is read as */
	Sketch *sketch;
	bool serial;   /* its values are numbers without gaps, or nearly: they say nothing alone */
	bool numbered; /* its values are texts with such numbers */
	LinkRows rows; /* of the current batch */
} LinkKey;

struct LinkTable
{
	char *schema;
	char *table;
	Oid relid;
	char *source;  /* of the map */
	List *above;   /* OIDs of the tables that it is a part or a child of */
	List *columns; /* LinkColumn * */
	List *keys;	   /* LinkKey * */
	int ncells;
	double rows;	 /* estimated */
	double fraction; /* of the rows that are read; 1: all */
	bool left_out;
	int lead; /* its entity is that of this table of the list; links_group() sets it */
};

/* A foreign key between two columns. */
typedef struct LinkReference
{
	Oid relid;
	AttrNumber attnum;
	Oid references;
	AttrNumber referenced;
} LinkReference;

/* Two columns whose values may identify the same things. */
typedef struct KeyPair
{
	LinkKey *a;
	LinkKey *b;
	double contained; /* share of the smaller one's values in the other */
	bool counted;	  /* by look-ups, not estimated */
	int strong;		  /* weight of the other columns that agree by it */
	int agreeing;	  /* other columns that agree by it */
	double evidence;  /* of these columns, in bits */
	List *supports;	  /* LinkColumn * of a's table: these columns */
	int nrows;		  /* aligned rows */
	const LinkRow **arows;
	const LinkRow **brows;
} KeyPair;

/* How two columns agree, over aligned rows. */
typedef struct Agreement
{
	int both; /* rows in which both have a value */
	int same;
	int only_a; /* rows in which only one has a value */
	int only_b;
	int distinct;  /* values that agree */
	double chance; /* share of rows that would agree by chance */
	double kappa;  /* agreement beyond chance: 0 none, 1 full */
	double bits;   /* evidence that it is more than chance */
} Agreement;

/* Two columns that seem to contain one field. */
typedef struct LinkPair
{
	LinkColumn *a;
	LinkColumn *b;
	KeyPair *key;	   /* by which rows were aligned; NULLs where the pair is the key itself */
	LinkColumn *key_a; /* that key */
	LinkColumn *key_b;
	bool is_key;
	double contained; /* negative: not known */
	Agreement by;
	int names; /* links_names_alike() */
	bool sure;
	const char *doubt; /* why not, as a part of a sentence */
	double score;
	double agree;	/* negative: not known */
	char *same_key; /* an example: the key and the value that both have */
	char *same_value;
	char *differing_key; /* an example of drift */
	char *differing_a;
	char *differing_b;
	List *supports; /* of a key */
} LinkPair;

/* Columns that contain one field, by pairs. */
typedef struct LinkGroup
{
	List *columns; /* LinkColumn * */
	List *pairs;   /* LinkPair * */
	bool sure;
} LinkGroup;

/* digest.c */
extern void digest_prepare(Digester *d, Oid type);
extern void digest_value(Digester *d, Datum value, bool deep, Digest *result);

/* sketch.c */
extern void sketch_begin(Sketch *s, int k);
extern void sketch_add(Sketch *s, uint64 hash);
extern void sketch_end(Sketch *s);
extern double sketch_common(const Sketch *a, const Sketch *b, int *common);

/* rows.c */
extern void links_rows_want(LinkRows *rows, const Sketch *sketch, int most);
extern LinkRow *links_rows_find(const LinkRows *rows, uint64 hash);

/* names.c */
extern int links_names_alike(const LinkColumn *a, const LinkColumn *b);
extern bool links_names_opposed(const LinkColumn *a, const LinkColumn *b);
extern bool links_name_is_technical(const char *name, bool time);

/* tables.c */
extern List *links_tables(const char *pattern, List **references);

/* scan.c */
extern bool links_scan(LinkTable *t, int k);
extern void links_scan_rows(LinkTable *t, List *keys);
extern void links_look_up(LinkTable *t, List *pairs);

/* keys.c */
extern bool links_comparable(const LinkColumn *a, const LinkColumn *b, bool *read_a, bool *read_b);
extern double links_contained(const LinkColumn *a, const LinkColumn *b);
extern bool links_is_reference(const LinkColumn *a, const LinkColumn *b);
extern bool links_is_sequence(const LinkColumn *c);
extern bool links_same_system(const LinkTable *a, const LinkTable *b);
extern void links_find_keys(LinkTable *t);
extern List *links_key_pairs(LinkTable *a, LinkTable *b, List *references);

/* agree.c */
extern void links_align(KeyPair *pair, int most);
extern Agreement links_agreement(const KeyPair *key, const LinkColumn *a, const LinkColumn *b);
extern void links_support(KeyPair *key);

/* judge.c */
extern List *links_judge(List *keys);
extern void links_decide(LinkPair *pair);

/* verify.c */
extern void links_verify(List *pairs);

/* group.c */
extern List *links_group(List *tables, List *pairs);
extern bool links_is_news(const LinkGroup *group);

/* tell.c */
extern char *links_field(const LinkGroup *group, List *tables);
extern char *links_label(const LinkColumn *c);
extern char *links_reason(const LinkGroup *group);
extern char *links_key(const LinkGroup *group);
extern char *links_statement(const LinkGroup *group, const char *field);

#endif /* OWNERSHIP_LINKS_H */
