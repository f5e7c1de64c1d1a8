/*
 * amend_insert.c
 *		BEFORE INSERT: the guard puts defaults in place of refused values, or discards the
 *		row.
 *
 * An upsert needs care.  Its UPDATE must propose what the statement proposed,
 * so a row that meets a stored one is not amended here; and an amended row must
 * not meet a stored row that the statement did not mean.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/*
 * Puts defaults into the columns of a new row whose values are kept out.
 * Returns false where a column has no default that can take this place; *stuck
 * is that column then.
 */
static bool
default_values(const GuardCall *call, const ConflictSet *set, HeapTuple *tuple, MappedColumn **stuck)
{
	int *attnums = palloc(set->n * sizeof(int));
	Datum *values = palloc(set->n * sizeof(Datum));
	bool *nulls = palloc(set->n * sizeof(bool));
	int n = 0;

	for (int i = 0; i < set->n; i++)
	{
		MappedColumn *col = set->items[i].col;

		if (set->items[i].verdict != VERDICT_KEEP)
			continue;
		attnums[n] = col->attnum;
		map_default(insertion_default(&call->new, col), &values[n], &nulls[n]);
		if (col->partition_key || (col->not_null && nulls[n]))
		{
			*stuck = col;
			return false;
		}
		n++;
	}
	*tuple = heap_modify_tuple_by_cols(*tuple, RelationGetDescr(call->td->tg_relation), n, attnums,
									   values, nulls);
	return true;
}

/*
 * The owners of a new row are those of the row as it will be.  With a default in
 * place of a refused value, another system may own other columns of it.  Adds
 * the columns that are refused then; returns false if there are none.
 */
static bool
add_conflicts_amended(GuardCall *call, ConflictSet *set, HeapTuple amended)
{
	TupleTableSlot *slot = conflicts_slot(call->td->tg_relation, amended);
	ConflictSet again;
	int before = set->n;

	conflicts_of_insert(call, &again, slot);
	for (int i = 0; i < again.n; i++)
	{
		bool known = again.items[i].col->nrules == 0 || again.items[i].verdict < VERDICT_KEEP;

		for (int k = 0; k < before && !known; k++)
			known = set->items[k].col == again.items[i].col;
		if (known)
			continue;
		set->items[set->n++] = again.items[i];
		set->strictest = Max(set->strictest, again.items[i].verdict);
	}
	ExecDropSingleTupleTableSlot(slot);
	return set->n > before;
}

/*
 * AFTER cannot distinguish a default that is not constant, and that replaced a
 * refused value, from a value that the statement wrote.  So BEFORE remembers
 * a hash of the default's value and the row's key.
 */
static void
remember_stand_ins(const GuardCall *call, const ConflictSet *set, HeapTuple amended)
{
	TupleTableSlot *row = conflicts_slot(call->td->tg_relation, amended);

	for (int i = 0; i < set->n; i++)
	{
		const Conflict *c = &set->items[i];

		if (c->verdict == VERDICT_KEEP && !insertion_default(&call->new, c->col)->constant)
			tally_remember(call->map, conflicts_stand_in(call, c->col, row));
	}
	ExecDropSingleTupleTableSlot(row);
}

/* Remembers which columns of a row took their default, where AFTER cannot find out. */
void
amend_remember_defaults(GuardCall *call, HeapTuple tuple)
{
	RelationMap *map = call->map;
	TupleTableSlot *row = NULL;

	if (call->judge || map_foreign(map, call->writer) == NULL)
		return;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		if (!col->foreign || !insertion_was_open(&call->new, col))
			continue;
		if (row == NULL)
			row = conflicts_slot(call->td->tg_relation, tuple);
		if (!insertion_writes(&call->new, col, row))
			tally_remember(map, conflicts_stand_in(call, col, row));
	}
	if (row != NULL)
		ExecDropSingleTupleTableSlot(row);
}

/*
 * Rejects an INSERT by a statement that runs within the one that loads the
 * library: no hook has seen it, so the columns that it names are not known.
 */
void
amend_reject_blind(const GuardCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not determine in time which columns of table \"%s\" the statement names",
					names_message_relation(call->map->schema, call->map->table)),
			 errdetail("This statement loaded the ownership library."),
			 errhint(
				 "The transaction might succeed if retried. With shared_preload_libraries = 'ownership' this error does not occur.")));
}

/* BEFORE INSERT: returns the row to be inserted; NULL: none. */
HeapTuple
amend_insert(GuardCall *call)
{
	TriggerData *td = call->td;
	HeapTuple tuple = td->tg_trigtuple;
	TupleTableSlot *proposed = td->tg_trigslot;
	ConflictSet set;
	MappedColumn *stuck = NULL;
	bool keeps;
	bool discards;
	bool creates;
	bool meets = false;

	call->state->amended_insert = false;
	conflicts_of_insert(call, &set, proposed);
	if (call->judge && statement_is_unseen() && tally_was_blind(call->map))
		amend_reject_blind(call);
	if (set.n == 0)
		return pin_hold_insert(call, &set, tuple);
	keeps = conflicts_have(&set, VERDICT_KEEP);
	discards = conflicts_have(&set, VERDICT_DISCARD);
	creates = !discards;
	if (!keeps && !discards && !outcome_rejects_early(call))
		return pin_hold_insert(call, &set, tuple);

	if (!call->applied && !statement_is_copy(call->map) &&
		td->tg_relation->rd_rel->relkind == RELKIND_RELATION &&
		amend_meets_stored_row(call, &set, tuple, false))
	{
		tally_get(call->map)->untouched++;
		return tuple;
	}

	if (keeps && !discards)
	{
		while (default_values(call, &set, &tuple, &stuck) && add_conflicts_amended(call, &set, tuple))
			;
		discards = conflicts_have(&set, VERDICT_DISCARD);
	}
	outcome_reject_early(call, &set, NULL, proposed);
	if (keeps && !discards && stuck != NULL)
	{
		if (!call->circumstances.applies)
			outcome_reject(call, &set, VERDICT_KEEP, NULL, proposed,
						   psprintf("No default can replace the refused value of column \"%s\".",
									stuck->name));
		for (int i = 0; i < set.n; i++)
			if (set.items[i].verdict == VERDICT_KEEP)
				set.items[i].verdict = VERDICT_DISCARD;
		discards = true;
	}
	if (keeps && !discards && !call->applied && !statement_is_copy(call->map) &&
		td->tg_relation->rd_rel->relkind == RELKIND_RELATION &&
		amend_meets_stored_row(call, &set, tuple, true))
		outcome_reject(call, &set, VERDICT_KEEP, NULL, proposed,
					   "With defaults in place of the refused values, the row would match another stored row.");
	if (discards)
	{
		/* if there is also a conflict that rejects, AFTER raises that error */
		if (set.strictest == VERDICT_REJECT)
			return td->tg_trigtuple;
		if (!creates && park_row(call, &set, proposed, &meets))
			return NULL;
		if (meets)
		{
			/* another transaction has created the row by now */
			if (call->applied)
			{
				(void) meet_row(call);
				return NULL;
			}
			tally_get(call->map)->untouched++;
			return td->tg_trigtuple;
		}
		outcome_record_discarded(call, &set, NULL, proposed, NULL);
		return NULL;
	}
	if (keeps && !call->judge)
		remember_stand_ins(call, &set, tuple);
	if (keeps)
		land_forgive(call, &set, proposed, tuple);
	tuple = pin_hold_insert(call, &set, tuple);
	if (call->judge)
		outcome_record_allowed(call, &set, NULL, proposed, tuple != td->tg_trigtuple ? tuple : NULL);
	if (keeps)
	{
		if (conflicts_have(&set, VERDICT_KEEP))
			outcome_record_kept(call, &set, NULL, proposed, tuple);
		call->state->amended_insert = true;
	}
	return tuple;
}
