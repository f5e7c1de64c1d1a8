/*
 * succession.c
 *		The owners of a field over time: what handover says of moments to come, and of
 *		those that passed.
 *
 * A row of handover says that what from_system owns of a field passes to to_system at a
 * moment: the field, and rows of it by row_owner.  Until that is written into the tables,
 * their owner is the one before; afterwards it is the one after the moment.  So for each
 * time the owner follows from the tables, and from the rows of handover: those that are
 * not done, and whose moment has come, take effect; those that are done, and whose
 * moment comes after that time, are taken back, as far as `passed` says that they did
 * something.
 *
 * Rows of one moment take effect together.  Those that were done are taken back one
 * after the other, the last first.
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "catalog.h"

/* A row of handover. */
typedef struct Handover
{
	TimestampTz at;
	TimestampTz done_at; /* 0: it is planned */
	char *from;
	char *to;
	List *passed; /* char *: what passed when it was done; see succession_part() */
} Handover;

static int
compare_moments(const ListCell *a, const ListCell *b)
{
	const Handover *ha = lfirst(a);
	const Handover *hb = lfirst(b);

	if (ha->at != hb->at)
		return ha->at < hb->at ? -1 : 1;
	return (ha->done_at > hb->done_at) - (ha->done_at < hb->done_at);
}

static Handover *
read_handover(CatalogScan *scan)
{
	Handover *h = palloc0(sizeof(Handover));

	h->at = catalog_time(scan, Anum_handover_at);
	h->done_at = catalog_time(scan, Anum_handover_done_at);
	h->from = catalog_text(scan, Anum_handover_from);
	h->to = catalog_text(scan, Anum_handover_to);
	h->passed = catalog_texts(scan, Anum_handover_passed);
	return h;
}

/* Has any field such rows?  Older versions have no such table. */
bool
succession_exists(Snapshot snapshot)
{
	CatalogScan *scan;
	bool found;

	if (!OidIsValid(catalog_table("handover", true)))
		return false;
	scan = catalog_begin("handover", NULL, 0, NULL, snapshot);
	found = catalog_next(scan);
	catalog_end(scan);
	return found;
}

/* What handover says of a field, for the following functions; NIL: nothing. */
List *
succession_of(const char *entity, const char *field, Snapshot snapshot)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("handover", "handover_pkey", 2, keys, snapshot);
	List *succession = NIL;

	while (catalog_next(scan))
		succession = lappend(succession, read_handover(scan));
	catalog_end(scan);
	list_sort(succession, compare_moments);
	return succession;
}

/* The name of a rule of row_owner in handover.passed; "" is the field itself. */
char *
succession_part(const char *schema, const char *table, const char *column, int position)
{
	return psprintf("%s.%s.%s.%d", schema, table, column, position);
}

/* The owner of a part of the field at a time; `owner` is the one in the tables. */
char *
succession_owner(List *succession, const char *part, char *owner, TimestampTz at)
{
	TimestampTz last = DT_NOBEGIN;

	for (int i = list_length(succession) - 1; i >= 0; i--)
	{
		const Handover *h = list_nth(succession, i);

		if (h->done_at != 0 && h->at > at && owner != NULL && strcmp(owner, h->to) == 0 &&
			names_contain(h->passed, part))
			owner = h->from;
	}
	for (int i = 0; i < list_length(succession); i++)
	{
		const Handover *h = list_nth(succession, i);

		if (h->done_at == 0 && h->at <= at && h->at != last && owner != NULL &&
			strcmp(owner, h->from) == 0)
		{
			owner = h->to;
			last = h->at;
		}
	}
	return owner;
}

/*
 * The owner at a time of a field that had `owner` in the tables at another one, `since`:
 * what was done meanwhile counts as if it had not been.
 */
char *
succession_owner_since(List *succession, char *owner, TimestampTz since, TimestampTz at)
{
	ListCell *lc;

	foreach(lc, succession)
	{
		const Handover *h = lfirst(lc);

		if ((h->done_at == 0 || h->done_at >= since) && h->at <= at && owner != NULL &&
			strcmp(owner, h->from) == 0)
			owner = h->to;
	}
	return owner;
}

/* Narrows *from and *until to the time around `at` in which no part gets another owner. */
void
succession_span(List *succession, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	ListCell *lc;

	foreach(lc, succession)
	{
		const Handover *h = lfirst(lc);

		if (h->at <= at)
			*from = Max(*from, h->at);
		else
			*until = Min(*until, h->at);
	}
}

/*
 * Have two fields of one owner the same owner ever after?  If not, *differs is the first
 * moment at which they have not.
 */
bool
succession_is_same(List *a, List *b, char *owner, TimestampTz *differs)
{
	List *moments = list_concat_copy(a, b);
	ListCell *lc;

	foreach(lc, moments)
	{
		const Handover *h = lfirst(lc);
		char *x;
		char *y;

		if (h->done_at != 0)
			continue;
		*differs = h->at;
		x = succession_owner(a, "", owner, h->at);
		y = succession_owner(b, "", owner, h->at);
		if (x != y && (x == NULL || y == NULL || strcmp(x, y) != 0))
			return false;
	}
	return true;
}

/* Has the moment of a planned row come? */
bool
succession_is_due(TimestampTz now)
{
	CatalogScan *scan;
	bool due = false;

	/* an older version has no such index */
	if (!OidIsValid(catalog_table("handover_due_idx", true)))
		return false;
	scan = catalog_begin("handover", "handover_due_idx", 0, NULL, NULL);
	while (!due && catalog_next(scan))
	{
		if (catalog_time(scan, Anum_handover_at) > now)
			break;
		due = true;
	}
	catalog_end(scan);
	return due;
}
