/*
 * group.c
 *		Pairs of columns become groups: all copies of one field.
 *
 * Only sure pairs are put together, the best first, and a group has at most one column of
 * a table.  A pair that would break that, or is not sure, stays a group of its own.
 */
#include "postgres.h"

#include "links.h"

static int
by_score(const ListCell *a, const ListCell *b)
{
	const LinkPair *x = lfirst(a);
	const LinkPair *y = lfirst(b);

	return x->score == y->score ? 0 : x->score > y->score ? -1 : 1;
}

static LinkGroup *
group_of(List *groups, const LinkColumn *c)
{
	ListCell *lc;

	foreach(lc, groups)
	{
		LinkGroup *group = lfirst(lc);

		if (list_member_ptr(group->columns, c))
			return group;
	}
	return NULL;
}

/* Have the columns of both lists a table in common? */
static bool
share_table(List *a, List *b)
{
	ListCell *la;
	ListCell *lb;

	foreach(la, a)
		foreach(lb, b)
			if (((LinkColumn *) lfirst(la))->table == ((LinkColumn *) lfirst(lb))->table)
				return true;
	return false;
}

/* The field that a column has been given, other than the one that it is by default. */
static bool
has_own_field(const LinkColumn *c)
{
	return c->entity != NULL &&
		   (c->copies > 1 || !names_is_default_field(c->table->schema, c->table->table, c->name,
													 c->entity, c->field));
}

/* Has the map given columns of the two lists different fields, which link() cannot join? */
static bool
are_other_fields(List *a, List *b)
{
	ListCell *la;
	ListCell *lb;

	foreach(la, a)
		foreach(lb, b)
		{
			const LinkColumn *x = lfirst(la);
			const LinkColumn *y = lfirst(lb);

			if (has_own_field(x) && has_own_field(y) &&
				(strcmp(x->entity, y->entity) != 0 || strcmp(x->field, y->field) != 0))
				return true;
		}
	return false;
}

static LinkGroup *
make_group(LinkPair *pair)
{
	LinkGroup *group = palloc0(sizeof(LinkGroup));

	group->columns = list_make2(pair->a, pair->b);
	group->pairs = list_make1(pair);
	group->sure = pair->sure;
	return group;
}

/* Puts a sure pair into a group; false: it fits into none. */
static bool
join(List **groups, LinkPair *pair)
{
	LinkGroup *a = group_of(*groups, pair->a);
	LinkGroup *b = group_of(*groups, pair->b);
	List *as = a != NULL ? a->columns : list_make1(pair->a);
	List *bs = b != NULL ? b->columns : list_make1(pair->b);

	if (a != NULL && a == b)
	{
		a->pairs = lappend(a->pairs, pair);
		return true;
	}
	if (share_table(as, bs))
	{
		pair->doubt = "another column of the same table is a copy already";
		return false;
	}
	if (are_other_fields(as, bs))
	{
		pair->doubt = "the map says that they are different fields";
		return false;
	}
	if (a == NULL && b == NULL)
	{
		*groups = lappend(*groups, make_group(pair));
		return true;
	}
	if (a == NULL)
	{
		a = b;
		b = NULL;
	}
	a->columns = list_concat_unique_ptr(a->columns, list_make2(pair->a, pair->b));
	a->pairs = lappend(a->pairs, pair);
	if (b != NULL)
	{
		a->columns = list_concat_unique_ptr(a->columns, b->columns);
		a->pairs = list_concat(a->pairs, b->pairs);
		*groups = list_delete_ptr(*groups, b);
	}
	return true;
}

/* The number of the table's columns that are on the map. */
static int
mapped_columns(const LinkTable *t)
{
	int n = 0;
	ListCell *lc;

	foreach(lc, t->columns)
		n += ((LinkColumn *) lfirst(lc))->entity != NULL;
	return n;
}

/* Is it, rather than the other, the table whose entity fields of both get? */
static bool
leads(const LinkTable *a, const LinkTable *b)
{
	bool amapped = mapped_columns(a) > 0;
	bool bmapped = mapped_columns(b) > 0;

	if (amapped != bmapped)
		return amapped;
	return a->rows > b->rows;
}

/* Tables whose columns are in one group get one entity: that of one of them. */
static void
find_leads(List *tables, List *groups)
{
	ListCell *lc;
	ListCell *lt;
	ListCell *lp;

	foreach(lt, tables)
		((LinkTable *) lfirst(lt))->lead = foreach_current_index(lt);
	foreach(lc, groups)
		foreach(lp, ((LinkGroup *) lfirst(lc))->pairs)
		{
			const LinkPair *pair = lfirst(lp);
			int a = pair->a->table->lead;
			int b = pair->b->table->lead;
			bool keep = !leads(list_nth(tables, b), list_nth(tables, a));

			if (a == b)
				continue;
			foreach(lt, tables)
			{
				LinkTable *t = lfirst(lt);

				if (t->lead == (keep ? b : a))
					t->lead = keep ? a : b;
			}
		}
}

/* Are the columns of the group not all copies of one field already? */
bool
links_is_news(const LinkGroup *group)
{
	const LinkColumn *first = linitial(group->columns);
	ListCell *lc;

	foreach(lc, group->columns)
	{
		const LinkColumn *c = lfirst(lc);

		if (c->entity == NULL || first->entity == NULL || strcmp(c->entity, first->entity) != 0 ||
			strcmp(c->field, first->field) != 0)
			return true;
	}
	return false;
}

/*
 * The groups, as LinkGroup *, of pairs (LinkPair *), the sure ones first; sets the lead of
 * the tables (LinkTable *).
 */
List *
links_group(List *tables, List *pairs)
{
	List *groups = NIL;
	List *doubtful = NIL;
	ListCell *lc;

	list_sort(pairs, by_score);
	foreach(lc, pairs)
	{
		LinkPair *pair = lfirst(lc);

		if (pair->sure && join(&groups, pair))
			continue;
		pair->sure = false;
		doubtful = lappend(doubtful, pair);
	}
	find_leads(tables, groups);
	foreach(lc, doubtful)
	{
		LinkPair *pair = lfirst(lc);
		LinkGroup *a = group_of(groups, pair->a);

		if (a == NULL || a != group_of(groups, pair->b))
			groups = lappend(groups, make_group(pair));
	}
	return groups;
}
