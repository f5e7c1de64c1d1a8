/*
 * agree.c
 *		How two columns agree, row by row, in rows that a key aligns.
 *
 * Agreement is weighed against chance: two flags that are nearly always true agree in
 * nearly all rows, and that says nothing.  Chance is how often they would agree if one of
 * the columns were shuffled.  The evidence is the likelihood, in bits, of the agreement
 * that was found against that of chance.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "catalog/pg_type.h"

#include "links.h"

/* Rows that are looked at before all of them are. */
#define FIRST_ROWS 32

/* Up to this period, repetition of a column's values is found. */
#define MOST_PERIOD 400

/* What makes a column that agrees speak for a key. */
#define SUPPORT_KAPPA 0.5
#define SUPPORT_BITS 30
#define SUPPORT_DISTINCT 10

/* Which of two keys has fewer values in its table. */
static bool
is_smaller(const LinkKey *a, const LinkKey *b)
{
	return a->sketch->distinct / a->column->table->fraction <=
		   b->sketch->distinct / b->column->table->fraction;
}

/* Aligns the rows of two tables by the `most` lowest keys of the smaller one. */
void
links_align(KeyPair *pair, int most)
{
	bool a_is_smaller = is_smaller(pair->a, pair->b);
	const LinkKey *small = a_is_smaller ? pair->a : pair->b;
	const LinkKey *large = a_is_smaller ? pair->b : pair->a;
	int n = Min(small->sketch->n, most);
	int there = 0;
	int found = 0;

	pair->arows = palloc(Max(n, 1) * sizeof(LinkRow *));
	pair->brows = palloc(Max(n, 1) * sizeof(LinkRow *));
	pair->nrows = 0;
	for (int i = 0; i < n; i++)
	{
		const LinkRow *s = links_rows_find(&small->rows, small->sketch->hashes[i]);
		const LinkRow *l = links_rows_find(&large->rows, small->sketch->hashes[i]);

		if (s == NULL || s->count == 0)
			continue;
		there++;
		if (l == NULL || l->count == 0)
			continue;
		found++;
		if (s->count > 1 || l->count > 1 || s->key == NULL || l->key == NULL)
			continue;
		pair->arows[pair->nrows] = a_is_smaller ? s : l;
		pair->brows[pair->nrows++] = a_is_smaller ? l : s;
	}
	if (there > 0)
	{
		pair->contained = (double) found / there;
		pair->counted = true;
	}
}

static int
by_value(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/* The share of pairs of values, one of each list, that are equal.  Both get sorted. */
static double
chance_of(uint32 *a, uint32 *b, int n)
{
	double equal = 0;
	int i = 0;
	int j = 0;

	qsort(a, n, sizeof(uint32), by_value);
	qsort(b, n, sizeof(uint32), by_value);
	while (i < n && j < n)
	{
		int x = i;
		int y = j;

		if (a[i] < b[j])
			i++;
		else if (a[i] > b[j])
			j++;
		else
		{
			while (i < n && a[i] == a[x])
				i++;
			while (j < n && b[j] == b[y])
				j++;
			equal += (double) (i - x) * (j - y);
		}
	}
	return equal / ((double) n * n);
}

static double
log_ratio(double p, double q)
{
	return p <= 0 ? 0 : p * log2(p / q);
}

/* Sets what follows from the counts and the values: chance, kappa and bits. */
static void
weigh(Agreement *result, uint32 *a, uint32 *b)
{
	int n = result->both;
	double agree = (double) result->same / n;
	double chance = chance_of(a, b, n);

	result->chance = chance;
	if (chance >= 1)
		return; /* one value in all rows */
	result->kappa = (agree - chance) / (1 - chance);
	if (agree > chance)
	{
		/* one row more or less does not decide */
		double p = Max(chance, 1.0 / ((double) n * n));

		result->bits = n * (log_ratio(agree, p) + log_ratio(1 - agree, 1 - p));
	}
}

/* Which of the two cells of a text. */
static inline uint32
cell(const LinkRow *row, const LinkColumn *c, bool read)
{
	return row->cells[c->cell + read];
}

/* How the columns agree in the aligned rows; all zero where they hardly do. */
Agreement
links_agreement(const KeyPair *key, const LinkColumn *a, const LinkColumn *b)
{
	Agreement result = {0};
	bool read_a;
	bool read_b;
	uint32 *avalues;
	uint32 *bvalues;
	uint32 *same;

	if (key->nrows == 0 || !links_comparable(a, b, &read_a, &read_b))
		return result;
	for (int i = 0; i < Min(key->nrows, FIRST_ROWS); i++)
	{
		uint32 x = cell(key->arows[i], a, read_a);
		uint32 y = cell(key->brows[i], b, read_b);

		result.both += x != CELL_NULL && y != CELL_NULL;
		result.same += x == y && x > CELL_UNREAD;
	}
	if (result.same * 5 < result.both)
		return (Agreement){0};
	memset(&result, 0, sizeof(result));
	avalues = palloc(key->nrows * sizeof(uint32));
	bvalues = palloc(key->nrows * sizeof(uint32));
	same = palloc(key->nrows * sizeof(uint32));
	for (int i = 0; i < key->nrows; i++)
	{
		uint32 x = cell(key->arows[i], a, read_a);
		uint32 y = cell(key->brows[i], b, read_b);

		if (x == CELL_NULL || y == CELL_NULL)
		{
			result.only_a += x != CELL_NULL;
			result.only_b += y != CELL_NULL;
			continue;
		}
		avalues[result.both] = x;
		bvalues[result.both++] = y;
		if (x == y && x > CELL_UNREAD)
			same[result.same++] = x;
	}
	if (result.same > 0)
	{
		qsort(same, result.same, sizeof(uint32), by_value);
		for (int i = 0; i < result.same; i++)
			result.distinct += i == 0 || same[i] != same[i - 1];
		weigh(&result, avalues, bvalues);
	}
	pfree(avalues);
	pfree(bvalues);
	pfree(same);
	return result;
}

/* How much a column that agrees speaks for the key. */
static int
support_weight(const LinkColumn *a, const LinkColumn *b, const Agreement *by)
{
	if (by->kappa < SUPPORT_KAPPA || by->bits < SUPPORT_BITS || by->distinct < SUPPORT_DISTINCT ||
		(links_is_sequence(a) && links_is_sequence(b)))
		return 0;
	if (a->digester.kind == LINK_TEXT || a->digester.kind == LINK_UUID)
		return 2;
	return 1;
}

/* The number in which the key of a row ends; negative: it ends in none. */
static int64
key_number(const char *key)
{
	const char *digits = key + strlen(key);
	int64 number = 0;

	while (digits > key && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	if (*digits == '\0' || strlen(digits) > 18)
		return -1;
	for (; *digits != '\0'; digits++)
		number = number * 10 + (*digits - '0');
	return number;
}

/*
 * Does the column repeat its values with the numbers of the key, as what is made up does
 * (n % 20)?  Then it is made of the number, and agrees with what is made of it likewise.
 */
static bool
repeats(const KeyPair *key, const LinkColumn *c)
{
	uint32 last[MOST_PERIOD];

	for (int period = 2; period <= MOST_PERIOD; period++)
	{
		int pairs = 0;
		int same = 0;

		memset(last, 0, sizeof(last));
		for (int i = 0; i < key->nrows && same >= pairs * 0.9 - 1; i++)
		{
			int64 number = key_number(key->arows[i]->key);
			uint32 value = key->arows[i]->cells[c->cell];

			if (number < 0 || value == CELL_NULL)
				continue;
			if (last[number % period] != 0)
			{
				pairs++;
				same += last[number % period] == value;
			}
			last[number % period] = value;
		}
		if (pairs >= 20 && same >= pairs * 0.97)
			return true;
	}
	return false;
}

/* Sets which other columns agree by a key, and how much they speak for it. */
void
links_support(KeyPair *key)
{
	List *taken = NIL;
	ListCell *la;
	ListCell *lb;

	key->strong = key->agreeing = 0;
	key->evidence = 0;
	foreach(la, key->a->column->table->columns)
	{
		LinkColumn *x = lfirst(la);
		LinkColumn *best = NULL;
		Agreement most = {0};
		int weight;

		CHECK_FOR_INTERRUPTS();
		/* times are often in the order of the numbers */
		if (x == key->a->column || x->technical || x->digester.kind == LINK_TIME)
			continue;
		foreach(lb, key->b->column->table->columns)
		{
			LinkColumn *y = lfirst(lb);
			Agreement by;

			if (y == key->b->column || y->technical || list_member_ptr(taken, y) ||
				y->digester.kind == LINK_TIME || links_is_reference(x, y))
				continue;
			by = links_agreement(key, x, y);
			if (by.bits <= most.bits)
				continue;
			most = by;
			best = y;
		}
		if (best == NULL)
			continue;
		weight = support_weight(x, best, &most);
		if (weight == 0 && !(most.kappa >= 0.8 && most.bits >= SUPPORT_BITS &&
							 !(links_is_sequence(x) && links_is_sequence(best))))
			continue;
		if ((key->a->serial || key->a->numbered) && repeats(key, x))
			continue;
		taken = lappend(taken, best);
		key->strong += weight;
		key->agreeing++;
		key->evidence += most.bits;
		key->supports = lappend(key->supports, x);
	}
}
