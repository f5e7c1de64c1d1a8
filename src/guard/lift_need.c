/*
 * lift_need.c
 *		Which of the guard's triggers a statement needs on a relation.
 *
 * Only a column that a statement names can be in conflict.  If the writer may write
 * all named columns, nothing needs to be judged; a write that can only be rejected
 * or recorded needs no BEFORE; and an UPDATE out of which values can only be kept needs
 * no AFTER, if no other trigger changes the row after BEFORE.
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
 * Adds what values that wait for rows need.  If none of the guard's triggers sees the
 * rows, the end of the statement looks at what waits (land.c).
 */
static void
need_for_waiting(Need *need, const RelationMap *map, const Moment *moment, const Writer *writer,
				 const Writes *writes, const Insertion *insertion, bool judge_in_before)
{
	bool makes_rows = (writes->inserts && (writes->derives || mentions_key(map, insertion))) ||
					  (writes->updates && map_updates_key(map, writes->updated));

	if (!map_is_shared(map) || !OidIsValid(map->key_index) || moment->enforcement != ENFORCEMENT_ON)
		return;
	need->amend |= writes->meets;
	need->after |= makes_rows;
	need->remembers = writes->deletes && map_remembers(unconstify(RelationMap *, map), writer);
	if (makes_rows && map->waits && map->key_is_whole && !writes->many)
	{
		need->judge = true;
		need->amend |= judge_in_before;
	}
	else if (makes_rows && map->key_is_whole)
		/* new rows have the defaults of that level */
		land_expect(map, moment, writer, statement_key(),
					writes->inserts ? insertion->sources[0].level : -1);
}

/*
 * The guard's triggers that a statement needs on one relation.  map and writer
 * may be NULL, not known, where enforcement is off.
 */
Need
lift_need(RelationMap *map, const Moment *moment, const Writer *writer, const Writes *writes,
		  bool judge_in_before)
{
	Need need = {false, false, false, false};
	bool blanks = writes->updates && map != NULL && map->blanks != NULL;
	Circumstances circumstances;
	Insertion insertion;

	if (moment->enforcement == ENFORCEMENT_OFF || !map->mapped)
		return need;
	if (writes->moves || (writes->routes && (writes->updated == NULL ||
											 bms_overlap(writes->updated, map->partition_attrs))))
	{
		/* even if the writer owns all columns: this may differ in another partition */
		need.amend = need.judge = need.after = true;
		return need;
	}
	if (writes->inserts)
	{
		if (writes->copy != NULL)
			insertion_of_copy(&insertion, map, writes->copy, writes->copied);
		else
			insertion_find(&insertion, map, NULL, false);
	}
	need_for_waiting(&need, map, moment, writer, writes, &insertion, judge_in_before);
	if (writes->updates && map->history != NULL)
		consider_history(&need, map, writes, judge_in_before);
	need.after |= map->pinned != NULL;
	if (map->pinned != NULL)
		lift_consider_pins(&need, map, writes, map_holds_pins(map, moment->enforcement, writer),
						   judge_in_before);
	if (map_foreign(map, writer) == NULL && !blanks)
		return need;
	circumstances = statement_circumstances(moment, writer);
	for (int i = 0; i < map->ncols && !(need.amend && need.judge && need.after); i++)
	{
		const MappedColumn *col = &map->cols[i];

		if (blanks && col->on_blank != ON_BLANK_ALLOW && lift_may_become_blank(writes, col))
			consider_blank(&need, &circumstances, col, judge_in_before);
		if (!col->foreign)
			continue;
		if (writes->updates &&
			(writes->updated == NULL ||
			 bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, writes->updated)))
			consider(&need, &circumstances, col, OPERATION_UPDATE, judge_in_before);
		if (writes->deletes && col->key)
			consider(&need, &circumstances, col, OPERATION_DELETE, judge_in_before);
		if (!writes->inserts)
			continue;
		if (col->key || writes->derives || insertion_mentions(&insertion, map, col))
			consider(&need, &circumstances, col, OPERATION_INSERT, judge_in_before);
		/* only BEFORE can find out which columns take their default, and AFTER needs that */
		need.amend = need.amend || (need.judge && insertion_is_open(&insertion, map, col));
	}
	return need;
}
