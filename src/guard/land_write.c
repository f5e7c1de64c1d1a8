/*
 * land_write.c
 *		Waiting values land in many rows, and no value that does not fit fails the statement.
 *
 * Rows are written in subtransactions, many in one.  If one fails, its rows are
 * written one by one, and what waits for a row that fails is tried value by value; it
 * goes on waiting where it fails.
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* So many rows are written in one subtransaction. */
#define BATCH 500

/* Waiting values were resolved: tells if nothing waits any more. */
static void
tell_resolved(const LandingRow *row)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);

	map_waits_no_more(land_map(rel));
	table_close(rel, NoLock);
}

/* Lets what waits for several rows land. */
static bool
land_rows(void *arg)
{
	LandingWork *work = arg;
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "ownership landing row", ALLOCSET_SMALL_SIZES);

	work->cxt = CurrentMemoryContext;
	work->evidence = NULL;
	for (int i = work->first; i < work->last; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		CHECK_FOR_INTERRUPTS();
		land_one(list_nth(work->rows, i), work);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
	}
	MemoryContextDelete(cxt);
	if (work->evidence != NULL)
	{
		stored_close(work->evidence);
		tell_resolved(list_nth(work->rows, work->first));
	}
	return true;
}

/* The names of the columns of the table that take a value. */
static List *
candidate_names(const LandingRow *row)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);
	List *names = NIL;
	ListCell *lc;

	foreach(lc, land_settled(map, row->key))
	{
		ListCell *lc2;

		foreach(lc2, value_object_names(((Waiting *) lfirst(lc))->values))
		{
			if (!names_contain(names, lfirst(lc2)))
				names = lappend(names, lfirst(lc2));
		}
	}
	table_close(rel, NoLock);
	return names;
}

/* Of the names, those of the columns that are one value with this one. */
static List *
names_of_value(const LandingRow *row, const char *name, List *names)
{
	Relation rel = table_open(row->relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);
	MappedColumn *col = map_column(map, get_attnum(row->relid, name));
	List *value = NIL;
	ListCell *lc;

	foreach(lc, names)
	{
		MappedColumn *other = map_column(map, get_attnum(row->relid, lfirst(lc)));

		if (strcmp(lfirst(lc), name) == 0 ||
			(col != NULL && other != NULL && col->group != 0 && col->group == other->group))
			value = lappend(value, lfirst(lc));
	}
	table_close(rel, NoLock);
	return value;
}

/* Only tries whether the value of one column fits: rolls back. */
static bool
try_rows(void *arg)
{
	(void) land_rows(arg);
	return false;
}

/* Not all values of the row fit: finds out which, and lets the others land. */
static void
land_value_by_value(LandingWork *work)
{
	List *names = candidate_names(list_nth(work->rows, work->first));
	List *failed = NIL;
	const char *why = NULL;
	ErrorData *error;
	ListCell *lc;

	foreach(lc, names)
	{
		LandingWork one = *work;

		one.but = list_difference_ptr(names, names_of_value(list_nth(work->rows, work->first),
															lfirst(lc), names));
		error = subxact_trial(try_rows, &one);
		if (error != NULL)
		{
			failed = lappend(failed, lfirst(lc));
			why = why == NULL					? error->message
				  : strstr(why, error->message) ? why
												: psprintf("%s; %s", why, error->message);
		}
	}
	work->but = list_concat_copy(work->but, failed);
	work->failed = failed;
	work->why = why;
	error = subxact_trial(land_rows, work);
	if (error != NULL)
	{
		/* each value fits, but not all of them together */
		work->failed = names;
		work->but = names;
		work->why = error->message;
		error = subxact_trial(land_rows, work);
		if (error != NULL)
			ReThrowError(error);
	}
	work->but = work->failed = NIL;
}

/*
 * Begins the tally of a table outside of the subtransactions in which its rows are written,
 * because what it opens is closed later.
 */
void
land_begin_tally(Oid relid)
{
	Relation rel = table_open(relid, RowExclusiveLock);
	RelationMap *map = land_map(rel);

	if (map->mapped)
		(void) tally_get(map);
	table_close(rel, NoLock);
}

/* Lets what waits for the rows land; returns the number of values. */
int64
land_write(List *rows, const Creator *creator, bool by_hand)
{
	LandingWork work = {0};

	work.creator = creator;
	work.rows = rows;
	work.by_hand = by_hand;
	land_begin_tally(((LandingRow *) linitial(rows))->relid);
	for (int i = 0; i < list_length(rows); i += BATCH)
	{
		int end = Min(i + BATCH, list_length(rows));
		int64 written = work.written;

		work.first = i;
		work.last = end;
		if (subxact_trial(land_rows, &work) == NULL)
			continue;
		work.written = written;
		for (int k = i; k < end; k++)
		{
			work.first = k;
			work.last = k + 1;
			written = work.written;
			work.but = work.failed = NIL;
			if (subxact_trial(land_rows, &work) == NULL)
				continue;
			work.written = written;
			work.but = work.failed = NIL;
			land_value_by_value(&work);
		}
	}
	return work.written;
}
