/*
 * unwind.c
 *		Which writes of a row revert() undoes, the latest first.
 *
 * Columns of a group are one value: a write of it is undone in all of its columns
 * that the write named, or in none, and so are the writes before it.  What stops one
 * column of a group stops the others at the same write.  That may be found out after
 * later columns or writes were looked at, so the row is gone through again.
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

/* Where the writes of a group are not undone any more. */
typedef struct GroupStop
{
	int group;
	int at; /* the position of the first write, the latest, that is not undone */
} GroupStop;

static Unwinding *
find_unwinding(const Unwound *run, const char *name)
{
	ListCell *lc;

	foreach(lc, run->columns)
	{
		Unwinding *u = lfirst(lc);

		if (strcmp(u->col->name, name) == 0)
			return u;
	}
	return NULL;
}

static Unwinding *
add_unwinding(Unwound *run, RowColumn *col)
{
	Unwinding *u = palloc0(sizeof(Unwinding));

	u->col = col;
	u->group = decision_group(run->relid, col);
	run->columns = lappend(run->columns, u);
	return u;
}

/* Reads the columns that the row's writes name; returns how many rows have the key. */
static int
read_row(Unwound *run)
{
	List *cols = NIL;
	StoredRow row;
	ListCell *lc;

	run->columns = NIL;
	foreach(lc, run->row->writes)
	{
		Write *e = lfirst(lc);
		ListCell *name;

		foreach(name, e->columns)
		{
			RowColumn *col;

			if (find_unwinding(run, lfirst(name)) != NULL)
				continue;
			col = place_row_column(run->relid, lfirst(name));
			if (col == NULL)
				continue;
			(void) add_unwinding(run, col);
			cols = lappend(cols, col);
		}
	}
	row_read(run->relid, list_make1(run->row->row_key), cols, !run->dry_run, false, &row);
	foreach(lc, run->columns)
	{
		Unwinding *u = lfirst(lc);

		if (row.n > 0)
			u->from = u->to = row.values[foreach_current_index(lc)];
	}
	return row.n;
}

/*
 * Another writer has changed values of the row: where the row contains what it
 * wrote, or would contain it by now, no earlier write is undone.
 */
static void
stop_at_others(Unwound *run, const Write *e)
{
	ListCell *lc;

	foreach(lc, e->columns)
	{
		Unwinding *u = find_unwinding(run, lfirst(lc));
		char *after;
		ValueKind kind = value_object_text(e->proposed, lfirst(lc), &after);

		/* of a group, the other columns may be those from before or after it */
		if (u != NULL && (kind == VALUE_NULL || kind == VALUE_TEXT) &&
			(u->group != 0 || value_same_text(u->col->type, u->to, after)))
			u->others = true;
	}
}

/* Do evidence and history say the same of the column?  Evidence may know only a length, or nothing. */
static bool
agrees(const Unwinding *u, Jsonb *evidence, Jsonb *history)
{
	char *a;
	char *b;
	ValueKind kind = value_object_text(evidence, u->col->name, &a);

	(void) value_object_text(history, u->col->name, &b);
	return kind == VALUE_LENGTH || kind == VALUE_HIDDEN ||
		   (kind != VALUE_ABSENT && value_same_text(u->col->type, a, b));
}

/*
 * Is it evidence of the write that was undone last?  Of a write that is in both, the
 * row of history is recorded directly after the evidence.
 */
static bool
is_twin(const Unwinding *u, const Write *e)
{
	return u->last != NULL && e->source == WRITE_EVIDENCE &&
		   agrees(u, e->stored, u->last->stored) && agrees(u, e->proposed, u->last->proposed);
}

/* The stop of a group; NULL: all of its writes are undone so far. */
static GroupStop *
stop_of(const Unwound *run, int group)
{
	ListCell *lc;

	foreach(lc, run->stops)
	{
		GroupStop *stop = lfirst(lc);

		if (stop->group == group)
			return stop;
	}
	return NULL;
}

/* The writes of the group from position `at` on are not undone. */
static void
stop_group(Unwound *run, int group, int at)
{
	GroupStop *stop = stop_of(run, group);

	if (stop == NULL)
	{
		stop = palloc(sizeof(GroupStop));
		stop->group = group;
		run->stops = lappend(run->stops, stop);
	}
	else if (stop->at <= at)
		return;
	stop->at = at;
	run->again = true;
}

/* Has another writer written a column of the group that the write does not name? */
static bool
others_wrote_rest(const Unwound *run, int group, const Write *e)
{
	ListCell *lc;

	foreach(lc, run->columns)
	{
		const Unwinding *u = lfirst(lc);

		if (u->group == group && u->others && !names_contain(e->columns, u->col->name))
			return true;
	}
	return false;
}

/* Undoes one UPDATE in a column, at a position among the writes. */
static void
unwind_column(Unwound *run, Unwinding *u, const Write *e, int at)
{
	const char *why = NULL;
	char *before;
	char *after;
	ValueKind had = value_object_text(e->stored, u->col->name, &before);
	ValueKind proposed = value_object_text(e->proposed, u->col->name, &after);
	bool twin = is_twin(u, e);
	GroupStop *stop = u->group == 0 ? NULL : stop_of(run, u->group);
	bool as_before =
		(had == VALUE_NULL || had == VALUE_TEXT) && value_same_text(u->col->type, u->to, before);

	u->last = NULL;
	if (u->id == 0)
		u->id = e->id;
	if (twin)
		return;
	if (u->reason != NULL)
	{
		/* the value may be the one from before several writes */
		if (!u->moved && as_before)
			u->reason = "It is as it was before.";
		if (u->group != 0)
			stop_group(run, u->group, at);
		return;
	}
	if (u->others)
		why = !u->moved && as_before ? "It is as it was before." : "A later write changed it.";
	else if (u->col->generated)
		why = "The column is a generated column.";
	else if (had == VALUE_ABSENT || proposed == VALUE_ABSENT)
		why = "The evidence contains no value.";
	else if (had == VALUE_HIDDEN || proposed == VALUE_HIDDEN)
		why = "Its field is sensitive: the evidence contains no value.";
	else if (had == VALUE_LENGTH)
		why = psprintf("Of the value before, only the length was recorded: %s bytes.", before);
	else if (proposed == VALUE_LENGTH)
		why = psprintf("Of the value that was written, only the length was recorded: %s bytes.",
					   after);
	else if (!value_same_text(u->col->type, u->to, after))
		why = as_before ? "It is as it was before." : "A later write changed it.";
	else if (u->group != 0 && others_wrote_rest(run, u->group, e))
		why = "A later write changed another column of its group.";
	u->reason = why;
	/* what is as before does not keep the rest of the group from being so, too */
	if (why != NULL && u->group != 0 && !as_before)
		stop_group(run, u->group, at);
	if (why == NULL && stop != NULL && stop->at <= at)
		u->reason = "Another column of its group cannot be put back.";
	if (u->reason != NULL)
		return;
	u->to = before;
	u->moved = true;
	u->last = e->source == WRITE_HISTORY ? e : NULL;
}

/* Undoes one UPDATE, where the row still contains what it proposed. */
static void
unwind_update(Unwound *run, const Write *e, int at)
{
	ListCell *lc;

	foreach(lc, e->columns)
	{
		Unwinding *u = find_unwinding(run, lfirst(lc));

		if (u != NULL)
			unwind_column(run, u, e, at);
		else
		{
			run->missing = lappend(run->missing, lfirst(lc));
			run->missing_in = lappend(run->missing_in, unconstify(Write *, e));
		}
	}
}

/* Undoes a DELETE: collects the columns of the row to create again; false: it cannot. */
static bool
unwind_delete(Unwound *run, const Write *e)
{
	ListCell *lc;

	run->columns = NIL;
	foreach(lc, value_object_names(e->stored))
	{
		Unwinding *u;
		char *text;
		ValueKind kind;
		RowColumn *col = place_row_column(run->relid, lfirst(lc));

		if (col == NULL || col->generated)
			continue;
		kind = value_object_text(e->stored, lfirst(lc), &text);
		if (kind == VALUE_HIDDEN)
		{
			run->whole =
				psprintf("The field of column \"%s\" is sensitive: the evidence contains no value.",
						 (char *) lfirst(lc));
			return false;
		}
		if (kind == VALUE_LENGTH)
		{
			run->whole =
				psprintf("Of the value of column \"%s\", only the length was recorded: %s bytes.",
						 (char *) lfirst(lc), text);
			return false;
		}
		u = add_unwinding(run, col);
		u->to = text;
	}
	run->creates = true;
	run->created_by = e->id;
	return true;
}

/* Is it the evidence of the write that comes before it in the list, in history? */
static bool
is_same_write(const Unwound *run, const Write *later, const Write *e)
{
	ListCell *lc;

	if (later == NULL || later->source != WRITE_HISTORY)
		return false;
	foreach(lc, later->columns)
	{
		Unwinding *u = find_unwinding(run, lfirst(lc));

		if (u != NULL)
		{
			Unwinding probe = {.col = u->col, .last = later};

			return is_twin(&probe, e);
		}
	}
	return false;
}

/* Was the write one of another row than the one that has the key now? */
static bool
is_elsewhere(Unwound *run, const Write *e, int rows)
{
	Jsonb *key;

	if (!e->left || rows == 0)
		return false;
	key = decision_key_now(run->row, e, run->since);
	if (compareJsonbContainers(&key->root, &run->row->row_key->root) == 0)
		return false;
	if (run->elsewhere == NULL && e->source != WRITE_OF_OTHERS)
	{
		run->elsewhere = key;
		run->elsewhere_id = e->id;
	}
	return true;
}

/* Goes through the row's writes once. */
static void
unwind_once(Unwound *run)
{
	int rows = read_row(run);
	const Write *later = NULL;
	int at = 0;
	ListCell *lc;

	run->whole = NULL;
	run->creates = false;
	run->again = false;
	run->elsewhere = NULL;
	run->missing = NIL;
	run->missing_in = NIL;
	foreach(lc, run->row->writes)
	{
		const Write *e = lfirst(lc);

		if (!is_same_write(run, later, e))
			at++;
		later = e;
		if (is_elsewhere(run, e, rows))
			continue;
		if (e->source == WRITE_OF_OTHERS)
		{
			if (rows == 1)
				stop_at_others(run, e);
			continue;
		}
		run->whole_id = e->id;
		if (rows > 1)
			run->whole = psprintf("%d rows have this key.", rows);
		else if (strcmp(e->operation, "INSERT") == 0)
			run->whole = rows == 0 && !run->creates
							 ? "The row is gone."
							 : "The row was created; the owner of its key may delete it.";
		else if (strcmp(e->operation, "DELETE") == 0)
		{
			if (rows > 0 || run->creates)
				run->whole = "The row was deleted, and exists again.";
			else if (e->stored == NULL || !JB_ROOT_IS_OBJECT(e->stored))
				run->whole = "The evidence contains no row.";
			else
				(void) unwind_delete(run, e);
		}
		else if (rows == 0 && !run->creates)
			run->whole = "The row is gone.";
		else
			unwind_update(run, e, at);
		if (run->whole != NULL)
			return;
	}
}

/* Finds what can be undone of a row's writes, without writing. */
void
unwind_row(Unwound *run)
{
	run->stops = NIL;
	do
	{
		unwind_once(run);
		/* a group stops at an earlier position each time */
	} while (run->again);
}

/* Does undoing change the stored value of the column? */
bool
unwind_changes(const Unwinding *u)
{
	return u->moved && !value_same_text(u->col->type, u->from, u->to);
}
