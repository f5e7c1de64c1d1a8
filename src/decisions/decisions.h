/*
 * decisions.h
 *		Decisions on refused values.
 */
#ifndef OWNERSHIP_DECISIONS_H
#define OWNERSHIP_DECISIONS_H

#include "utils/array.h"
#include "utils/jsonb.h"

#include "../rules/rules.h"

/*
 * For other folders
 */

typedef struct StoredRow
{
	int n;	   /* how many rows have the key; of the first: */
	Oid relid; /* where it is stored, if that was asked for */
	ItemPointerData tid;
	char **values; /* NULL is NULL */
} StoredRow;

/* rows.c */
extern void row_read(Oid relid, List *keys, List *columns, bool lock, bool place, StoredRow *rows);

/*
 * Within this folder
 */

/*
 * Does the evidence c tell its row?  An INSERT that was refused may not have
 * named all columns that do; then what it proposed is what tells it.
 */
#define MARKED_KEY                                                                   \
	"(SELECT m.column_name FROM ownership.mirrored_column m JOIN ownership.field f " \
	"ON f.entity = m.entity AND f.name = m.field WHERE f.key "                       \
	"AND (m.table_schema, m.table_name) = (c.table_schema, c.table_name)) "

#define PRIMARY_KEY                                                                                                         \
	"(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) " \
	"WHERE i.indisprimary AND i.indrelid = to_regclass(format('%I.%I', c.table_schema, c.table_name))) "

#define TELLS_ROW                                                                                \
	"CASE WHEN c.operation <> 'INSERT' OR c.outcome NOT IN ('discarded', 'rejected') THEN true " \
	"WHEN c.row_key = '{}' THEN false "                                                          \
	"WHEN EXISTS " MARKED_KEY "THEN NOT EXISTS (SELECT FROM " MARKED_KEY                         \
	"k(name) WHERE NOT c.row_key ? k.name) "                                                     \
	"ELSE NOT EXISTS (SELECT FROM " PRIMARY_KEY "k(name) WHERE NOT c.row_key ? k.name) END"

/* What the same writer proposed of the same row's columns later, and was not dismissed. */
#define LATER                                                                                                                                                                    \
	"(SELECT l.id, u.column_name FROM ownership.conflict l CROSS JOIN LATERAL unnest(l.columns::text[]) u(column_name) "                                                         \
	"WHERE jsonb_hash_extended(l.row_key, 0) = jsonb_hash_extended(c.row_key, 0) AND l.row_key = c.row_key AND (l.table_schema, l.table_name) = (c.table_schema, c.table_name) " \
	"AND l.system IS NOT DISTINCT FROM c.system AND (l.system IS NOT NULL OR (l.origin IS NOT DISTINCT FROM c.origin "                                                           \
	"AND (l.origin IS NOT NULL OR l.role IS NOT DISTINCT FROM c.role))) "                                                                                                        \
	"AND (l.recorded_at, l.id) > (c.recorded_at, c.id) AND l.resolution IS DISTINCT FROM 'dismissed' "                                                                           \
	"AND (u.column_name = ANY (c.columns::text[]) OR (c.outcome = 'discarded' AND c.proposed ? u.column_name)) AND (l.proposed = c.proposed OR " TELLS_ROW                       \
	")) l"

typedef struct Refusal
{
	int64 id;
	char *schema;
	char *table;
	Jsonb *row_key; /* NULL: it has none, as the following */
	char *operation;
	char *outcome;
	List *columns;	  /* of char * */
	List *superseded; /* of those: the writer proposed another value since */
	int64 later;	  /* evidence of that which is not decided on now; 0: none */
	bool tells_row;	  /* the key is that of one row */
	char *system;
	Jsonb *stored;
	Jsonb *proposed;
	char *resolution;
	char *resolved_by;
	char *resolved_at;
} Refusal;

/* rows.c */
extern void row_write(Oid relid, Operation operation, Jsonb *key, List *columns, List *values);

/* refusal.c */
extern Datum refusal_ids(ArrayType *array);
extern Datum refusal_single_id(int64 id);
extern List *refusal_lock(Datum ids);
extern void refusal_mark(Datum ids, const char *resolution);
extern void refusal_check(const Refusal *r);
extern void refusal_take_values(const Refusal *r, Oid relid, List *names, bool whole,
								List **columns, List **values);
extern bool refusal_changed_since(const Refusal *r, List *columns, const StoredRow *row);
extern void refusal_follow_key(const Refusal *r, List *columns, List *values, List *refusals);

/* decide.c */
extern void decision_require_decider(void);

#endif /* OWNERSHIP_DECISIONS_H */
