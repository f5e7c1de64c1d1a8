/*
 * judge.c
 *		Which columns of two tables are copies of one field, and how sure that is.
 *
 * The rows are aligned by the key by which the other columns agree most.  A pair is sure
 * where its agreement is far beyond chance, no other column agrees about as well, and the
 * names do not exclude each other; names that are alike lower what is asked of the
 * values, because copies drift.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "catalog/pg_type.h"

#include "links.h"

/* Aligned rows that are enough to judge by. */
#define FEWEST_ROWS 10

/* Evidence that is asked of a pair. */
#define SURE_BITS 30
#define LISTED_BITS 20

/* Distinct values per value from which on a column without a unique index is as good as unique. */
#define STRICTLY 0.999

/* Two pairs with scores nearer than this are not told apart by the values. */
#define NEAR 0.02

/*
 * Needs the key other columns that agree, and has not enough of them?  Consecutive numbers
 * need more than codes that end in them.
 */
static bool
is_unsupported(const KeyPair *key)
{
	if (key->a->serial || key->b->serial)
		return key->strong < 1 || key->strong + key->agreeing < 3;
	return (key->a->numbered || key->b->numbered) && key->agreeing == 0;
}

static bool
may_align(const KeyPair *key)
{
	return key->nrows >= FEWEST_ROWS && key->contained >= 0.1 && !is_unsupported(key);
}

/* How well the values of a key identify rows: 1 fully. */
static double
quality(const LinkKey *key)
{
	const LinkColumn *c = key->column;
	double filled = (double) c->sketch.values / (c->sketch.values + c->nulls);

	if (c->unique || c->digester.kind == LINK_UUID)
		return filled;
	return filled * (key->sketch->unique >= STRICTLY ? 0.9 : 0.3);
}

static double
rank(const KeyPair *key)
{
	return (key->evidence + key->nrows / 100.0) * quality(key->a) * quality(key->b);
}

/* The key that aligns the rows best; NULL: none does.  `but`: not this one, nor its columns. */
static KeyPair *
best_key(List *keys, const KeyPair *but)
{
	KeyPair *best = NULL;
	ListCell *lc;

	foreach(lc, keys)
	{
		KeyPair *key = lfirst(lc);

		if (!may_align(key) ||
			(but != NULL && (key->a->column == but->a->column || key->b->column == but->b->column)))
			continue;
		if (best == NULL || rank(key) > rank(best))
			best = key;
	}
	return best;
}

static double
agree_of(const LinkPair *pair)
{
	if (pair->agree >= 0)
		return pair->agree;
	return pair->by.both == 0 ? 0 : (double) pair->by.same / pair->by.both;
}

/* Decides a key that is compared by itself alone. */
static void
decide_key(LinkPair *pair)
{
	const KeyPair *key = pair->key;
	bool uuid =
		key->a->column->digester.kind == LINK_UUID || key->b->column->digester.kind == LINK_UUID;
	bool serial = key->a->serial || key->b->serial;

	if (links_names_opposed(pair->a, pair->b))
		pair->doubt = "their names exclude each other";
	else if (key->contained < 0.5 && links_same_system(pair->a->table, pair->b->table))
		pair->doubt = "too few values are in both";
	else if (key->agreeing >= 1 && !is_unsupported(key))
		pair->sure = key->nrows >= FEWEST_ROWS;
	else if (links_same_system(pair->a->table, pair->b->table))
		pair->doubt = "it may be a reference within one system";
	else if (serial)
		pair->doubt = "the values are consecutive numbers";
	else if (key->contained < 0.5 || key->nrows < 2 * FEWEST_ROWS)
		pair->doubt = "too few values are in both";
	else if (pair->names >= 1 || (uuid && key->contained >= 0.9))
		pair->sure = true;
	else
		pair->doubt = "no other column agrees by it, and the names are not alike";
	if (!pair->sure && pair->doubt == NULL)
		pair->doubt = "few rows could be compared";
}

/* Sets whether the pair is sure, or why not. */
void
links_decide(LinkPair *pair)
{
	const Agreement *by = &pair->by;
	double agree = agree_of(pair);
	bool time = pair->a->digester.kind == LINK_TIME || pair->b->digester.kind == LINK_TIME;
	bool enough;

	pair->sure = false;
	if (pair->is_key)
	{
		decide_key(pair);
		return;
	}
	if (pair->doubt != NULL)
		return;
	if (by->both < FEWEST_ROWS || by->bits < SURE_BITS)
	{
		pair->doubt = "few rows could be compared";
		return;
	}
	if (links_names_opposed(pair->a, pair->b))
	{
		pair->doubt = "their names exclude each other";
		return;
	}
	if (by->distinct <= 2)
		enough = pair->names >= 1 && by->kappa >= 0.8;
	else if (by->distinct < 20 && by->distinct * 2 < by->same)
		enough = by->kappa >= (pair->names == 2 ? 0.6 : pair->names == 1 ? 0.8 : 0.9);
	else
		enough = agree >= (pair->names == 2 ? 0.6 : pair->names == 1 ? 0.8 : time ? 0.97 : 0.9);
	if (time && pair->names == 0 && by->distinct < 50)
		enough = false;
	if (enough)
		pair->sure = true;
	else if (by->distinct <= 2)
		pair->doubt = "with two values only, columns of different meaning often agree";
	else if (pair->names == 0)
		pair->doubt = "too few rows agree for columns whose names are not alike";
	else
		pair->doubt = "too few rows agree";
}

static LinkPair *
make_pair(KeyPair *key, LinkColumn *a, LinkColumn *b)
{
	LinkPair *pair = palloc0(sizeof(LinkPair));

	pair->a = a;
	pair->b = b;
	pair->key = key;
	pair->key_a = key->a->column;
	pair->key_b = key->b->column;
	pair->names = links_names_alike(a, b);
	pair->agree = -1;
	return pair;
}

static int
by_score(const ListCell *a, const ListCell *b)
{
	const LinkPair *x = lfirst(a);
	const LinkPair *y = lfirst(b);

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->a->index != y->a->index)
		return x->a->index - y->a->index;
	return x->b->index - y->b->index;
}

/* All pairs of columns that agree beyond chance by the key. */
static List *
agreeing_pairs(KeyPair *key)
{
	List *pairs = NIL;
	ListCell *la;
	ListCell *lb;

	foreach(la, key->a->column->table->columns)
	{
		LinkColumn *a = lfirst(la);

		CHECK_FOR_INTERRUPTS();
		if (a == key->a->column || a->technical)
			continue;
		foreach(lb, key->b->column->table->columns)
		{
			LinkColumn *b = lfirst(lb);
			LinkPair *pair;
			Agreement by;

			if (b == key->b->column || b->technical || links_is_reference(a, b))
				continue;
			by = links_agreement(key, a, b);
			if (by.kappa < 0.4 || by.bits < LISTED_BITS || by.same * 2 < by.both)
				continue;
			pair = make_pair(key, a, b);
			pair->by = by;
			pair->score = by.kappa + 0.1 * pair->names;
			pair->contained = links_contained(a, b);
			pairs = lappend(pairs, pair);
		}
	}
	return pairs;
}

/* Of the pairs with a common column, the best; a pair that is hardly better gets a doubt. */
static List *
choose(List *pairs)
{
	List *chosen = NIL;
	ListCell *lc;
	ListCell *lo;

	list_sort(pairs, by_score);
	foreach(lc, pairs)
	{
		LinkPair *pair = lfirst(lc);
		bool taken = false;

		foreach(lo, chosen)
		{
			LinkPair *other = lfirst(lo);

			if (other->a != pair->a && other->b != pair->b)
				continue;
			taken = true;
			/* a name that says the same decides */
			if (other->score - pair->score < NEAR && other->names < 2)
				other->doubt = "another column agrees about as well";
		}
		if (!taken)
			chosen = lappend(chosen, pair);
	}
	return chosen;
}

/* The pair of the key's own columns. */
static LinkPair *
key_pair(List *keys, KeyPair *key)
{
	LinkPair *pair = make_pair(key, key->a->column, key->b->column);
	KeyPair *other = best_key(keys, key);

	pair->is_key = true;
	pair->contained = key->contained;
	pair->supports = key->supports;
	pair->score = 1 + 0.1 * pair->names + key->evidence / 10000;
	if (other != NULL && other->agreeing > 0)
	{
		pair->by = links_agreement(other, pair->a, pair->b);
		if (pair->by.both > 0)
			pair->agree = (double) pair->by.same / pair->by.both;
	}
	return pair;
}

/* Is the key itself worth a row: is it more than a reference of one system to itself? */
static bool
is_key_told(const KeyPair *key)
{
	return key->agreeing > 0 || (!links_same_system(key->a->column->table, key->b->column->table) &&
								 key->contained >= 0.5);
}

/*
 * The pairs of columns, as LinkPair *, of two tables whose rows these keys (KeyPair *)
 * align, each with its number of rows.
 */
List *
links_judge(List *keys)
{
	List *pairs = NIL;
	KeyPair *key;
	ListCell *lc;

	foreach(lc, keys)
		links_support(lfirst(lc));
	key = best_key(keys, NULL);
	if (key != NULL)
	{
		pairs = choose(agreeing_pairs(key));
		links_verify(pairs);
		if (is_key_told(key))
			pairs = lcons(key_pair(keys, key), pairs);
	}
	else
	{
		/* codes with numbers: their names may say that they are the same */
		foreach(lc, keys)
		{
			KeyPair *k = lfirst(lc);

			if (k->nrows < FEWEST_ROWS || k->a->serial || k->b->serial || !is_key_told(k) ||
				links_names_alike(k->a->column, k->b->column) == 0)
				continue;
			pairs = lappend(pairs, key_pair(keys, k));
		}
	}
	foreach(lc, pairs)
		links_decide(lfirst(lc));
	return pairs;
}
