/*
 * verify.c
 *		What is said of two columns is counted as drift() counts it: the aligned rows are
 *		read by a join, and their values compared by copy_differs().
 *
 * So a pair that hashes have found is one that link() and drift() see, too; and the
 * examples are values that the caller may read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "links.h"

/* Pairs of one query; each has three columns of the result. */
#define PAIRS 400

/* Bytes of a value in an example. */
#define EXAMPLE 40

/* Pairs that are compared by one query. */
typedef struct Check
{
	List *pairs; /* LinkPair *, all of one key */
	MemoryContext cxt;
} Check;

/* The keys of the aligned rows as a text[]. */
static Datum
key_array(const LinkRow **rows, int n)
{
	Datum *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(rows[i]->key);
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static char *
key_condition(const char *alias, const LinkColumn *c, int parameter)
{
	return psprintf("%s OPERATOR(pg_catalog.=) ANY ($%d::%s[])", sql_column(alias, c->name),
					parameter, sql_type(c->type));
}

static char *
check_sql(const Check *check)
{
	const LinkPair *first = linitial(check->pairs);
	const LinkColumn *a = first->key_a;
	const LinkColumn *c = first->key_b;
	KeyMatch match = sql_key_match(sql_column("a", a->name), a->type, a->collation,
								   sql_column("c", c->name), c->type, c->collation);
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", sql_text(sql_column("a", a->name)));
	foreach(lc, check->pairs)
	{
		const LinkPair *pair = lfirst(lc);
		char *x = sql_column("a", pair->a->name);
		char *y = sql_column("c", pair->b->name);

		appendStringInfo(&sql, ", %s, %s, ownership.copy_differs(%s, %s)", sql_text(x), sql_text(y),
						 x, y);
	}
	appendStringInfo(&sql, " FROM %s a JOIN %s c ON %s WHERE %s AND %s",
					 quote_qualified_identifier(a->table->schema, a->table->table),
					 quote_qualified_identifier(c->table->schema, c->table->table), match.sql,
					 key_condition("a", a, 1), key_condition("c", c, 2));
	return sql.data;
}

/* A text of the result, shortened, in the context of the check. */
static char *
example(const Check *check, uint64 row, int column)
{
	char *text = sql_result_text(row, column);
	int length = strlen(text);

	if (length > EXAMPLE)
		text = psprintf("%.*s...", pg_mbcliplen(text, length, EXAMPLE), text);
	return MemoryContextStrdup(check->cxt, text);
}

/* Counts the rows of a pair; its values begin at this column of the result. */
static void
count_rows(const Check *check, LinkPair *pair, int column)
{
	Agreement *by = &pair->by;

	by->both = by->same = by->only_a = by->only_b = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool anull = sql_result_text(i, column) == NULL;
		bool bnull = sql_result_text(i, column + 1) == NULL;

		if (anull || bnull)
		{
			by->only_a += !anull;
			by->only_b += !bnull;
			continue;
		}
		by->both++;
		if (!sql_result_bool(i, column + 2))
		{
			by->same++;
			if (pair->same_key != NULL)
				continue;
			pair->same_key = example(check, i, 1);
			pair->same_value = example(check, i, column);
		}
		else if (pair->differing_key == NULL)
		{
			pair->differing_key = example(check, i, 1);
			pair->differing_a = example(check, i, column);
			pair->differing_b = example(check, i, column + 1);
		}
	}
	pair->agree = by->both == 0 ? 0 : (double) by->same / by->both;
}

/* Always returns false: its subtransaction is rolled back, which releases the locks. */
static bool
run(void *arg)
{
	Check *check = arg;
	const LinkPair *first = linitial(check->pairs);
	const KeyPair *key = first->key;
	Oid types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum values[2];
	ListCell *lc;

	SPI_connect();
	values[0] = key_array(key->arows, key->nrows);
	values[1] = key_array(key->brows, key->nrows);
	if (SPI_execute_with_args(check_sql(check), 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not compare table %u with table %u", first->a->table->relid,
			 first->b->table->relid);
	foreach(lc, check->pairs)
		count_rows(check, lfirst(lc), 2 + 3 * foreach_current_index(lc));
	SPI_finish();
	return false;
}

/*
 * Counts how the pairs (LinkPair *), all of one key, agree as drift() compares them, and
 * sets their examples.  Where the rows cannot be read, a notice says so, and what the
 * hashes have counted stays.
 */
void
links_verify(List *pairs)
{
	while (pairs != NIL)
	{
		Check check = {.pairs = NIL, .cxt = CurrentMemoryContext};
		ErrorData *error;

		check.pairs = list_truncate(list_copy(pairs), PAIRS);
		pairs = list_copy_tail(pairs, PAIRS);
		error = subxact_trial(run, &check);
		if (error != NULL)
		{
			const LinkPair *first = linitial(check.pairs);

			ereport(NOTICE,
					(errmsg("the rows of table \"%s\" and table \"%s\" cannot be compared: %s",
							names_message_relation(first->a->table->schema, first->a->table->table),
							names_message_relation(first->b->table->schema, first->b->table->table),
							error->message)));
			FreeErrorData(error);
		}
	}
}
