/*
 * amend.c
 *		BEFORE UPDATE and BEFORE DELETE: the guard restores the stored values of columns
 *		that the writer may not write, and stops deletes of rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/*
 * Does a column that the UPDATE names (NULL: any column) have another value in
 * the amended row than before?  What triggers derive from values that are kept
 * out is no reason to write the row.  Zeros that the owner adds to a numeric
 * are one: here, numerics differ if their images do.
 */
static bool
anything_left(const RelationMap *map, Relation rel, const Bitmapset *named, HeapTuple before,
			  HeapTuple after)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const MappedColumn *col;
		ValueType type;
		Datum a;
		Datum b;
		bool anull;
		bool bnull;

		if (att->attisdropped || att->attgenerated != '\0' ||
			(named != NULL &&
			 !bms_is_member(att->attnum - FirstLowInvalidHeapAttributeNumber, named)))
			continue;
		col = map_any_column(map, att->attnum);
		type = col != NULL ? col->type : value_type(att->atttypid);
		type.numeric = false;
		a = heap_getattr(before, att->attnum, desc, &anull);
		b = heap_getattr(after, att->attnum, desc, &bnull);
		if (value_changed(&type, a, anull, b, bnull))
			return true;
	}
	return false;
}

/* A copy of the tuple, with the stored values in the columns that are kept. */
HeapTuple
amend_restore_values(const GuardCall *call, const ConflictSet *set, HeapTuple tuple,
					 TupleTableSlot *stored)
{
	int *attnums = palloc(set->n * sizeof(int));
	Datum *values = palloc(set->n * sizeof(Datum));
	bool *nulls = palloc(set->n * sizeof(bool));
	int n = 0;

	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict != VERDICT_KEEP)
			continue;
		attnums[n] = set->items[i].col->attnum;
		values[n] = slot_getattr(stored, attnums[n], &nulls[n]);
		n++;
	}
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(call->td->tg_relation), n, attnums,
									 values, nulls);
}

/*
 * BEFORE UPDATE: returns the row to be written; NULL: none, in a worker that
 * applies a change of which nothing is left.
 */
HeapTuple
amend_update(GuardCall *call)
{
	TriggerData *td = call->td;
	GuardState *state = call->state;
	HeapTuple tuple = td->tg_newtuple;
	ConflictSet set;
	ConflictSet held; /* kept out without evidence */
	List *arbiters;
	bool keeps;

	if (state->amended_insert && !call->applied &&
		insertion_arbiters(&call->new, &arbiters) != ARBITERS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to table \"%s\" due to a concurrent insert",
						names_message_relation(call->map->schema, call->map->table)),
				 errdetail(
					 "Another transaction inserted the row after the guard had kept values out of it."),
				 errhint("The transaction might succeed if retried.")));

	conflicts_of_update(call, &set, td->tg_updatedcols, td->tg_trigslot, td->tg_newslot,
						conflicts_range(call));
	pin_hold_update(call, &set, &held, td->tg_updatedcols, td->tg_trigslot, td->tg_newslot);
	feed_see_update(call);
	move_remember_update(state, td);
	if (set.n == 0 && held.n == 0)
	{
		/* of two hubs that feed each other, each sends back what it received: that ends here */
		if (call->applied && call->circumstances.relay &&
			!anything_left(call->map, td->tg_relation, td->tg_updatedcols, td->tg_trigtuple, tuple))
			return NULL;
		return tuple;
	}

	outcome_reject_early(call, &set, td->tg_trigslot, td->tg_newslot);
	keeps = conflicts_have(&set, VERDICT_KEEP);
	if (keeps)
		tuple = amend_restore_values(call, &set, tuple, td->tg_trigslot);
	if (held.n > 0)
		tuple = amend_restore_values(call, &held, tuple, td->tg_trigslot);
	if (call->judge)
		outcome_record_allowed(call, &set, td->tg_trigslot, td->tg_newslot,
							   tuple != td->tg_newtuple ? tuple : NULL);
	if (keeps)
		outcome_record_kept(call, &set, td->tg_trigslot, td->tg_newslot, tuple);
	if ((keeps || held.n > 0) &&
		!anything_left(call->map, td->tg_relation, td->tg_updatedcols, td->tg_trigtuple, tuple))
	{
		/* over SQL the statement still counts the row as updated */
		if (call->applied)
			return NULL;
		if (keeps && tally_get(call->map)->kept > tally_get(call->map)->unchanged)
			tally_get(call->map)->unchanged++;
		tuple = td->tg_trigtuple;
	}
	return tuple;
}

/* BEFORE DELETE: returns the row to be deleted; NULL: the row stays. */
HeapTuple
amend_delete(GuardCall *call)
{
	TriggerData *td = call->td;
	ConflictSet set;

	conflicts_of_delete(call, &set, td->tg_trigslot);
	if (set.n == 0)
	{
		if (call->judge)
		{
			remember_row(call, td->tg_trigslot);
			pin_row_gone(call, td->tg_trigslot);
		}
		return td->tg_trigtuple;
	}
	outcome_reject_early(call, &set, td->tg_trigslot, NULL);
	if (set.strictest == VERDICT_DISCARD)
	{
		/* the whole row stays, even if other key columns have a milder verdict */
		outcome_record_discarded(call, &set, td->tg_trigslot, NULL, NULL);
		return NULL;
	}
	if (call->judge)
	{
		outcome_record_allowed(call, &set, td->tg_trigslot, NULL, NULL);
		remember_row(call, td->tg_trigslot);
		pin_row_gone(call, td->tg_trigslot);
	}
	return td->tg_trigtuple;
}
