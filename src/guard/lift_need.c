/*
 * lift_need.c
 *		Which of the guard's triggers a statement needs on a relation.
 *
 * Only a column that a statement names can be in conflict.  If the writer may write
 * all named columns, nothing needs to be judged; a write that can only be rejected
 * or recorded needs no BEFORE; and an UPDATE out of which values can only be kept needs
 * no AFTER, if no other trigger changes the row after BEFORE.
 *
 * Applications repeat their statements.  So the map of a relation keeps, for one writer,
 * which columns were inserted last, and which updated, by a statement that needed no
 * trigger (FreeWrite).  That depends on the map, which is another one when anything in it,
 * of the relation or of its triggers has changed; on the writer; on the enforcement,
 * because in a dry run nothing waits or is pinned; and on the named columns.  What else
 * it may depend on is not remembered: see can_be_free().
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/bitmapset.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* Adds to *need what is necessary if a write of the column could be in conflict in some row. */
static void
consider(Need *need, Circumstances *circumstances, const MappedColumn *col, Operation operation,
		 bool judge_in_before)
{
	circumstances->operation = operation;
	for (int stored_null = 0; stored_null <= 1; stored_null++)
	{
		bool softened;
		Verdict verdict = verdict_for(circumstances, col->policy, col->key, stored_null, &softened);

		if (verdict == VERDICT_ALLOW)
			continue;
		need->judge = true;
		need->after |= verdict != VERDICT_KEEP;
		/* only BEFORE can recognize a foreign-key action */
		need->amend |= verdict == VERDICT_KEEP || verdict == VERDICT_DISCARD || judge_in_before ||
					   circumstances->cascade;
	}
}

/* The same of an UPDATE that may make the column blank. */
static void
consider_blank(Need *need, Circumstances *circumstances, const MappedColumn *col,
			   bool judge_in_before)
{
	bool softened;
	Verdict verdict;

	circumstances->operation = OPERATION_UPDATE;
	verdict = verdict_for_blank(circumstances, col->on_blank, &softened);
	if (verdict == VERDICT_ALLOW)
		return;
	need->judge = true;
	need->after |= verdict != VERDICT_KEEP;
	need->amend |= verdict == VERDICT_KEEP || judge_in_before || circumstances->cascade;
}

/* The same of an UPDATE that may change columns with a history: AFTER records that. */
static void
consider_history(Need *need, const RelationMap *map, const Writes *writes, bool judge_in_before)
{
	if (!writes->changes && writes->updated != NULL && !bms_overlap(writes->updated, map->history))
		return;
	need->judge = need->after = true;
	need->amend |= judge_in_before;
}

/* Does the running statement name the whole key of its new rows? */
static bool
mentions_key(const RelationMap *map, const Insertion *insertion)
{
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		const MappedColumn *col = map_any_column(map, map->key_attrs[i]);

		if (col == NULL || !insertion_mentions(insertion, map, col))
			return false;
	}
	return true;
}

/*
 * What was found out of statements like this one, if that depends on nothing but what
 * FreeWrite has; else NULL.
 */
static FreeWrite *
can_be_free(RelationMap *map, const Writes *writes)
{
	/* where something waits, the number of rows decides who looks */
	if (map == NULL || map->waits || writes->deletes)
		return NULL;
	if (writes->inserts)
		return writes->inserted == NULL || writes->updates || writes->derives ? NULL
																			  : &map->free_insert;
	/* the values decide about blanks */
	return writes->updated == NULL || map->blanks != NULL ? NULL : &map->free_update;
}

static inline const Bitmapset *
named(const Writes *writes)
{
	return writes->inserts ? writes->inserted : writes->updated;
}

/* Is it known that such a statement needs no trigger? */
static inline bool
is_free(const FreeWrite *write, const Moment *moment, const Writer *writer, const Writes *writes)
{
	return write != NULL && write->serial == writer->serial &&
		   write->enforcement == moment->enforcement && write->named == writes->named &&
		   bms_equal(write->columns, named(writes));
}

/* A statement of which that is known runs without the guard. */
void
lift_free(const FreeWrite *write, const RelationMap *map, const Moment *moment,
		  const Writer *writer, bool inserts)
{
	if (write->makes_rows)
		land_expect(map, moment, writer, statement_key(), write->level, !inserts, true);
}

static void
remember_free(FreeWrite *write, MemoryContext cxt, const Moment *moment, const Writer *writer,
			  const Writes *writes, bool makes_rows, int level)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);

	write->serial = 0;
	bms_free(write->columns);
	write->columns = bms_copy(named(writes));
	MemoryContextSwitchTo(old);
	write->enforcement = moment->enforcement;
	write->named = writes->named;
	write->makes_rows = makes_rows;
	write->level = level;
	write->serial = writer->serial;
}

/*
 * Adds what values that wait for rows need.  Returns true if the statement may make rows
 * and none of the guard's triggers sees them all: its end looks at what waits (land.c).
 */
static bool
need_for_waiting(Need *need, const RelationMap *map, const Moment *moment, const Writer *writer,
				 const Writes *writes, const Insertion *insertion, bool judge_in_before)
{
	bool rekeys = writes->updates && map_updates_key(map, writes->updated);
	bool makes_rows =
		rekeys || (writes->inserts && (writes->derives || mentions_key(map, insertion)));

	if (!map_is_shared(map) || !OidIsValid(map->key_index) || moment->enforcement != ENFORCEMENT_ON)
		return false;
	need->amend |= writes->meets;
	need->after |= makes_rows;
	need->remembers = writes->deletes && map_remembers(unconstify(RelationMap *, map), writer);
	if (!makes_rows || !map->key_is_whole)
		return false;
	/* new rows have the defaults of that level */
	need->level = writes->inserts ? insertion->sources[0].level : -1;
	need->awaits = map->waits && writes->filters;
	if (!map->waits || writes->filters || writes->many)
	{
		land_expect(map, moment, writer, statement_key(), need->level, rekeys, !need->awaits);
		return true;
	}
	need->judge = true;
	need->amend |= judge_in_before;
	return false;
}

/* Adds what the writes of one column need, of the writer of map_foreign(). */
static void
consider_column(Need *need, Circumstances *circumstances, const RelationMap *map,
				const MappedColumn *col, const Writes *writes, const Insertion *insertion,
				bool judge_in_before)
{
	int member = col->attnum - FirstLowInvalidHeapAttributeNumber;

	if (writes->updates && col->on_blank != ON_BLANK_ALLOW && lift_may_become_blank(writes, col))
		consider_blank(need, circumstances, col, judge_in_before);
	if (!col->foreign)
		return;
	if (writes->updates && (writes->updated == NULL || bms_is_member(member, writes->updated)))
		consider(need, circumstances, col, OPERATION_UPDATE, judge_in_before);
	if (writes->deletes && col->key)
		consider(need, circumstances, col, OPERATION_DELETE, judge_in_before);
	if (!writes->inserts)
		return;
	if (col->key || writes->derives || insertion_mentions(insertion, map, col))
		consider(need, circumstances, col, OPERATION_INSERT, judge_in_before);
	/* only BEFORE can find out which columns take their default, and AFTER needs that */
	need->amend = need->amend || (need->judge && insertion_is_open(insertion, map, col));
}

/*
 * The guard's triggers that a statement needs on one relation.  map and writer
 * may be NULL, not known, where enforcement is off.
 */
Need
lift_need(RelationMap *map, const Moment *moment, const Writer *writer, const Writes *writes,
		  bool judge_in_before)
{
	Need need = {0};
	bool blanks = writes->updates && map != NULL && map->blanks != NULL;
	FreeWrite *write = can_be_free(map, writes);
	Insertion insertion;
	bool makes_rows;

	if (moment->enforcement == ENFORCEMENT_OFF || !map->mapped)
		return need;
	if (writes->moves || (writes->routes && (writes->updated == NULL ||
											 bms_overlap(writes->updated, map->partition_attrs))))
	{
		/* even if the writer owns all columns: this may differ in another partition */
		need.amend = need.judge = need.after = true;
		return need;
	}
	if (likely(is_free(write, moment, writer, writes)))
	{
		lift_free(write, map, moment, writer, writes->inserts);
		return need;
	}
	if (writes->inserts)
	{
		if (writes->copy != NULL)
			insertion_of_copy(&insertion, map, writes->copy, writes->copied);
		else
			insertion_find(&insertion, map, NULL, false);
	}
	makes_rows = need_for_waiting(&need, map, moment, writer, writes, &insertion, judge_in_before);
	if (writes->updates && map->history != NULL)
		consider_history(&need, map, writes, judge_in_before);
	need.after |= map->pinned != NULL;
	if (map->pinned != NULL)
		lift_consider_pins(&need, map, writes, map_holds_pins(map, moment->enforcement, writer),
						   judge_in_before);
	if (map_foreign(map, writer) != NULL || blanks)
	{
		Circumstances circumstances = statement_circumstances(moment, writer);

		for (int i = 0; i < map->ncols && !(need.amend && need.judge && need.after); i++)
			consider_column(&need, &circumstances, map, &map->cols[i], writes, &insertion,
							judge_in_before);
	}
	if (write != NULL && !need.judge && !need.amend)
		remember_free(write, map->cxt, moment, writer, writes, makes_rows, need.level);
	return need;
}
