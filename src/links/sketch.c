/*
 * sketch.c
 *		The k lowest hashes of a column's values, with how often each of them came.
 *
 * All columns use one hash function, so the lowest hashes of two columns are those of the
 * same values: how many of them are in both says how many of the values are.  A hash
 * that is in the finished sketch was in it from its first value on, because the limit
 * only falls; so its count is exact.
 */
#include "postgres.h"

#include "links.h"

void
sketch_begin(Sketch *s, int k)
{
	memset(s, 0, sizeof(Sketch));
	s->k = k;
	s->limit = PG_UINT64_MAX;
	for (s->size = 16; s->size < 4 * k; s->size *= 2)
		;
	s->entries = palloc0(s->size * sizeof(SketchEntry));
}

static int
by_hash(const void *a, const void *b)
{
	uint64 x = ((const SketchEntry *) a)->hash;
	uint64 y = ((const SketchEntry *) b)->hash;

	return x < y ? -1 : x > y;
}

/* The place of a hash, or the free one where it belongs. */
static SketchEntry *
find(Sketch *s, uint64 hash)
{
	int i = hash & (s->size - 1);

	while (s->entries[i].hash != 0 && s->entries[i].hash != hash)
		i = (i + 1) & (s->size - 1);
	return &s->entries[i];
}

/* Moves all entries to the front, sorted. */
static void
sort(Sketch *s)
{
	int n = 0;

	for (int i = 0; i < s->size; i++)
		if (s->entries[i].hash != 0)
			s->entries[n++] = s->entries[i];
	qsort(s->entries, n, sizeof(SketchEntry), by_hash);
	memset(s->entries + n, 0, (s->size - n) * sizeof(SketchEntry));
}

/* Keeps the k lowest. */
static void
prune(Sketch *s)
{
	SketchEntry *lowest = palloc(s->k * sizeof(SketchEntry));

	sort(s);
	memcpy(lowest, s->entries, s->k * sizeof(SketchEntry));
	memset(s->entries, 0, s->size * sizeof(SketchEntry));
	for (int i = 0; i < s->k; i++)
		*find(s, lowest[i].hash) = lowest[i];
	s->limit = lowest[s->k - 1].hash;
	s->n = s->k;
	pfree(lowest);
}

void
sketch_add(Sketch *s, uint64 hash)
{
	SketchEntry *e;

	s->values++;
	if (hash > s->limit)
		return;
	e = find(s, hash);
	if (e->hash != 0)
	{
		e->count++;
		return;
	}
	e->hash = hash;
	e->count = 1;
	if (++s->n >= 2 * s->k)
		prune(s);
}

/* No more values come: the estimates are set, and most of the memory is given back. */
void
sketch_end(Sketch *s)
{
	int64 values = 0;

	if (s->n > s->k)
		prune(s);
	sort(s);
	s->hashes = palloc(Max(s->n, 1) * sizeof(uint64));
	for (int i = 0; i < s->n; i++)
	{
		s->hashes[i] = s->entries[i].hash;
		values += s->entries[i].count;
	}
	pfree(s->entries);
	s->entries = NULL;
	s->unique = values == 0 ? 0 : (double) s->n / values;
	if (s->limit == PG_UINT64_MAX)
		s->distinct = s->n;
	else
		s->distinct = (s->n - 1) / ((double) s->limit / (double) PG_UINT64_MAX);
}

/*
 * The share of the values of the column with fewer of them that the other one has, too,
 * and how many such values the sketches have in common.
 */
double
sketch_common(const Sketch *a, const Sketch *b, int *common)
{
	uint64 limit = Min(a->limit, b->limit);
	int i = 0;
	int j = 0;

	*common = 0;
	while (i < a->n && j < b->n && a->hashes[i] <= limit && b->hashes[j] <= limit)
	{
		if (a->hashes[i] < b->hashes[j])
			i++;
		else if (a->hashes[i] > b->hashes[j])
			j++;
		else
		{
			++*common;
			i++;
			j++;
		}
	}
	while (i < a->n && a->hashes[i] <= limit)
		i++;
	while (j < b->n && b->hashes[j] <= limit)
		j++;
	return Min(i, j) == 0 ? 0 : (double) *common / Min(i, j);
}
