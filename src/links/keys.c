/*
 * keys.c
 *		Which columns identify rows, and which of two tables may identify the same ones.
 *
 * A column identifies rows if hardly a value comes twice.  That two tables have such
 * values in common says much where the values are codes, addresses or UUIDs, and nothing
 * where they are numbers from 1 to n: those need other columns that agree (agree.c), and
 * are looked at only where there may be such columns.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "links.h"

/* Distinct values per value from which on a column identifies rows. */
#define UNIQUE 0.9

/* Distinct values per value below which a column does not. */
#define REPEATED 0.6

/* Fewer distinct values are no key. */
#define FEWEST 8

/* Share of the values that have a property, for the column to have it. */
#define MOST 0.9

/* Numbers are without gaps, or nearly, if they are so dense between lowest and highest. */
#define DENSE 0.001

/* Values that two sketches have in common, and their share, from which on keys are tried. */
#define COMMON 3
#define CONTAINED 0.1

/* Distinct values estimated in the whole table. */
static double
all_distinct(const LinkColumn *c, const Sketch *s)
{
	return s->unique >= UNIQUE ? s->distinct / c->table->fraction : s->distinct;
}

static double
density(const LinkColumn *c)
{
	return all_distinct(c, &c->sketch) / ((double) c->highest - (double) c->lowest + 1);
}

/* Do nearly all values end in numbers that are different, and dense? */
static bool
is_numbered(const LinkColumn *c)
{
	return c->sketch.unique >= UNIQUE && c->sketch.values > 0 &&
		   c->numbers >= MOST * c->sketch.values && density(c) >= DENSE && density(c) <= 1.5;
}

/*
 * Are the values of the column numbers, with few letters at most, that are consecutive, or
 * rise from row to row, as the table has been filled?
 */
bool
links_is_sequence(const LinkColumn *c)
{
	if (c->numbers < MOST * c->sketch.values || c->lettered >= MOST * c->numbers)
		return false;
	return is_numbered(c) || (c->sketch.distinct >= FEWEST && c->rising >= MOST * c->numbers);
}

/* Are the values of a text all digits? */
static bool
is_read_as_number(const LinkColumn *c)
{
	return c->read.values >= MOST * c->sketch.values && c->numbers >= MOST * c->sketch.values &&
		   all_distinct(c, &c->read) <= 1.2 * ((double) c->highest - (double) c->lowest + 1);
}

static void
add_key(LinkTable *t, LinkColumn *c, bool read)
{
	LinkKey *key = palloc0(sizeof(LinkKey));
	bool number = c->digester.kind == LINK_NUMBER || is_read_as_number(c);

	key->column = c;
	key->read = read;
	key->sketch = read ? &c->read : &c->sketch;
	key->serial = number && is_numbered(c);
	key->numbered = !number && is_numbered(c) && c->lettered < MOST * c->numbers;
	t->keys = lappend(t->keys, key);
}

/* Finds the keys of a table that was read. */
void
links_find_keys(LinkTable *t)
{
	ListCell *lc;

	foreach(lc, t->columns)
	{
		LinkColumn *c = lfirst(lc);
		const Sketch *s = &c->sketch;

		if (c->technical || s->unique < UNIQUE || s->distinct < FEWEST ||
			s->values < (s->values + c->nulls) * 0.02)
			continue;
		switch (c->digester.kind)
		{
			case LINK_NUMBER:
				if (c->type != BOOLOID && c->numbers >= 0.99 * s->values)
					add_key(t, c, false);
				break;
			case LINK_TEXT:
				add_key(t, c, false);
				if (c->read.values >= MOST * s->values && c->read.unique >= UNIQUE &&
					(is_read_as_number(c) || c->numbers < MOST * s->values))
					add_key(t, c, true);
				break;
			case LINK_UUID:
				add_key(t, c, false);
				break;
			default:
				break;
		}
	}
}

/*
 * Can values of the columns be the same?  *read_a, *read_b: the text of that one is read
 * as a value of the other's type.
 */
bool
links_comparable(const LinkColumn *a, const LinkColumn *b, bool *read_a, bool *read_b)
{
	LinkKind x = a->digester.kind;
	LinkKind y = b->digester.kind;

	*read_a = x == LINK_TEXT && y != LINK_TEXT && y != LINK_OTHER;
	*read_b = y == LINK_TEXT && x != LINK_TEXT && x != LINK_OTHER;
	if (*read_a || *read_b || x == y)
		return true;
	return (x == LINK_TEXT || x == LINK_OTHER) && (y == LINK_TEXT || y == LINK_OTHER);
}

/*
 * The share of the values of the column with fewer of them that the other one has, too;
 * negative: it is not known, because samples of large tables are different rows.
 */
double
links_contained(const LinkColumn *a, const LinkColumn *b)
{
	bool read_a;
	bool read_b;
	int common;

	if (!links_comparable(a, b, &read_a, &read_b))
		return 0;
	if ((a->table->fraction < 1 && a->sketch.unique > 0.5) ||
		(b->table->fraction < 1 && b->sketch.unique > 0.5))
		return -1;
	return sketch_common(read_a ? &a->read : &a->sketch, read_b ? &b->read : &b->sketch, &common);
}

/* Do both tables come from one system: of the map's sources, else one schema? */
bool
links_same_system(const LinkTable *a, const LinkTable *b)
{
	if (a->source != NULL && b->source != NULL)
		return strcmp(a->source, b->source) == 0;
	return strcmp(a->schema, b->schema) == 0;
}

/* Are there two columns, which are no keys alone, with values in common? */
static bool
may_be_supported(const LinkTable *a, const LinkTable *b)
{
	ListCell *la;
	ListCell *lb;

	foreach(la, a->columns)
	{
		const LinkColumn *x = lfirst(la);

		if (x->technical || x->digester.kind == LINK_TIME || x->sketch.distinct < 10)
			continue;
		foreach(lb, b->columns)
		{
			const LinkColumn *y = lfirst(lb);
			bool read_x;
			bool read_y;
			int common;

			if (y->technical || y->sketch.distinct < 10 || y->digester.kind == LINK_TIME ||
				(links_is_sequence(x) && links_is_sequence(y)) ||
				!links_comparable(x, y, &read_x, &read_y))
				continue;
			if (links_contained(x, y) < 0)
				return true;
			if (sketch_common(read_x ? &x->read : &x->sketch, read_y ? &y->read : &y->sketch,
							  &common) >= 0.15 &&
				common >= 5)
				return true;
		}
	}
	return false;
}

static bool
refers(List *references, const LinkColumn *a, const LinkColumn *b)
{
	ListCell *lc;

	foreach(lc, references)
	{
		const LinkReference *r = lfirst(lc);

		if (r->relid == a->table->relid && r->attnum == a->attnum &&
			r->references == b->table->relid && r->referenced == b->attnum)
			return true;
	}
	return false;
}

/* Is the first column of values that differ, and the second one of them, again and again? */
static bool
is_referred_to(const Sketch *a, const Sketch *b)
{
	return a->unique >= UNIQUE && b->unique < REPEATED && b->distinct <= 1.1 * a->distinct;
}

/*
 * Does one of the columns only refer to the other, which identifies rows?  A copy of that
 * identifies rows as well.
 */
bool
links_is_reference(const LinkColumn *a, const LinkColumn *b)
{
	return is_referred_to(&a->sketch, &b->sketch) || is_referred_to(&b->sketch, &a->sketch);
}

/* Can the keys have the same values, by their types? */
static bool
is_same_kind(const LinkKey *a, const LinkKey *b)
{
	LinkKind x = a->column->digester.kind;
	LinkKind y = b->column->digester.kind;

	if (!a->read && !b->read)
		return x == y;
	if (a->read && b->read)
		return false;
	if (a->read)
		return y == LINK_UUID || y == LINK_NUMBER;
	return x == LINK_UUID || x == LINK_NUMBER;
}

/* Have the keys enough values in common to be tried? */
static bool
is_worth_trying(const LinkKey *a, const LinkKey *b, double *contained)
{
	int common;

	*contained = sketch_common(a->sketch, b->sketch, &common);
	if (a->column->table->fraction == 1 && b->column->table->fraction == 1)
		return common >= COMMON && *contained >= CONTAINED;
	/* samples of large tables: the index tells */
	*contained = -1;
	return (a->column->table->fraction == 1 || a->column->indexed) &&
		   (b->column->table->fraction == 1 || b->column->indexed);
}

/* The pairs of keys, as KeyPair *, by which rows of the two tables may belong together. */
List *
links_key_pairs(LinkTable *a, LinkTable *b, List *references)
{
	List *pairs = NIL;
	ListCell *la;
	ListCell *lb;
	bool same_schema = strcmp(a->schema, b->schema) == 0;
	int supported = -1;

	if (list_member_oid(a->above, b->relid) || list_member_oid(b->above, a->relid))
		return NIL;
	foreach(la, a->keys)
		foreach(lb, b->keys)
		{
			LinkKey *x = lfirst(la);
			LinkKey *y = lfirst(lb);
			KeyPair *pair;
			double contained;

			if (!is_same_kind(x, y) || !is_worth_trying(x, y, &contained) ||
				(same_schema && (refers(references, x->column, y->column) ||
								 refers(references, y->column, x->column))))
				continue;
			if (x->serial || y->serial)
			{
				if (supported < 0)
					supported = may_be_supported(a, b);
				if (!supported)
					continue;
			}
			pair = palloc0(sizeof(KeyPair));
			pair->a = x;
			pair->b = y;
			pair->contained = contained;
			pairs = lappend(pairs, pair);
		}
	return pairs;
}
