/*
 * amend_insert.c
 *		BEFORE INSERT: the guard puts defaults in place of the values that are kept out, or
 *		discards the row.
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
 * Puts defaults into the columns that are kept out of a new row.  False when
 * none can stand in; *stuck is that column then.
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

/* Does the index hold a column whose value is kept out? */
static bool
holds_kept(const IndexInfo *index, const ConflictSet *set)
{
	Bitmapset *columns = NULL;

	pull_varattnos((Node *) index->ii_Expressions, 1, &columns);
	pull_varattnos((Node *) index->ii_Predicate, 1, &columns);
	for (int k = 0; k < index->ii_NumIndexKeyAttrs; k++)
		columns = bms_add_member(columns, index->ii_IndexAttrNumbers[k] -
											  FirstLowInvalidHeapAttributeNumber);
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict == VERDICT_KEEP &&
			bms_is_member(set->items[i].col->attnum - FirstLowInvalidHeapAttributeNumber, columns))
			return true;
	}
	return false;
}

/* The index is one of those, or a partition of one. */
static bool
is_arbiter(Oid index, const List *arbiters)
{
	ListCell *lc;

	if (list_member_oid(arbiters, index))
		return true;
	if (!get_rel_relispartition(index))
		return false;
	foreach(lc, get_partition_ancestors(index))
	{
		if (list_member_oid(arbiters, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/*
 * Would the row meet a stored one?
 *
 * As proposed: where an upsert looks for one, or the INSERT would fail.  Then
 * there is no row to amend: the upsert turns into an UPDATE, which is judged
 * as such and must propose what the statement proposed, and PostgreSQL's own
 * error is right.  (An index over values that are kept out of a plain INSERT
 * is left to the amended row.)
 *
 * As amended: where an upsert looks for one, by values that stand in for
 * others.  It would update a row that was never meant.
 */
static bool
meets_stored_row(const GuardCall *call, const ConflictSet *set, HeapTuple tuple, bool amended)
{
	Relation rel = call->td->tg_relation;
	EState *estate;
	ResultRelInfo *rri;
	List *listed;
	Arbiters where = insertion_arbiters(&call->new, &listed);
	List *arbiters = NIL;
	TupleTableSlot *slot;
	ItemPointerData conflict;
	bool meets = false;

	if (!rel->rd_rel->relhasindex || (amended && where == ARBITERS_NONE))
		return false;

	estate = CreateExecutorState();
	rri = makeNode(ResultRelInfo);
	InitResultRelInfo(rri, rel, 0, NULL, 0);
	ExecOpenIndices(rri, true);
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		Form_pg_index index = rri->ri_IndexRelationDescs[i]->rd_index;
		bool kept = holds_kept(rri->ri_IndexRelationInfo[i], set);

		if ((!index->indisunique && !index->indisexclusion) || !index->indimmediate ||
			!index->indisready)
			continue;
		if (where == ARBITERS_NONE ? kept
								   : (amended && !kept) || (where == ARBITERS_LISTED &&
															!is_arbiter(index->indexrelid, listed)))
			continue;
		arbiters = lappend_oid(arbiters, index->indexrelid);
	}
	if (arbiters != NIL)
	{
		slot = conflicts_slot(rel, tuple);
		slot->tts_tableOid = RelationGetRelid(rel);
		meets = !compat_check_index_constraints(rri, slot, estate, &conflict, arbiters);
		ExecDropSingleTupleTableSlot(slot);
	}
	ExecCloseIndices(rri);
	FreeExecutorState(estate);
	return meets;
}

/*
 * A new row's owners are those of the row as it will be: with a default in the
 * place of a refused value, other columns may be another system's.  Adds what
 * is refused then; false when there is nothing to add.
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
 * A default that is not constant, in the place of a refused value, looks to
 * AFTER like a write of that value.  It is remembered by what it is.
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

/* Remembers which columns of a row took their default, where AFTER cannot tell. */
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

/* The statement that loads the library may have another within it, which nobody knows. */
void
amend_reject_blind(const GuardCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not tell in time which columns of table \"%s\" the statement names",
					names_message_relation(call->map->schema, call->map->table)),
			 errdetail("The ownership library was loaded by this statement."),
			 errhint(
				 "The transaction might succeed if retried; with shared_preload_libraries = 'ownership' it does not happen.")));
}

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

	call->state->amended_insert = false;
	conflicts_of_insert(call, &set, proposed);
	if (call->judge && statement_is_unseen() && tally_was_blind(call->map))
		amend_reject_blind(call);
	if (set.n == 0)
		return tuple;
	keeps = conflicts_have(&set, VERDICT_KEEP);
	discards = conflicts_have(&set, VERDICT_DISCARD);
	if (!keeps && !discards && !outcome_rejects_early(call))
		return tuple;

	if (!call->applied && !statement_is_copy(call->map) &&
		td->tg_relation->rd_rel->relkind == RELKIND_RELATION &&
		meets_stored_row(call, &set, tuple, false))
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
						   psprintf("No default can stand in for column \"%s\".", stuck->name));
		for (int i = 0; i < set.n; i++)
			if (set.items[i].verdict == VERDICT_KEEP)
				set.items[i].verdict = VERDICT_DISCARD;
		discards = true;
	}
	if (keeps && !discards && !call->applied && !statement_is_copy(call->map) &&
		td->tg_relation->rd_rel->relkind == RELKIND_RELATION &&
		meets_stored_row(call, &set, tuple, true))
		outcome_reject(call, &set, VERDICT_KEEP, NULL, proposed,
					   "With the defaults in place of them, the row would meet another one.");
	if (discards)
	{
		/* the conflict that rejects comes first, where there is one */
		if (set.strictest == VERDICT_REJECT)
			return td->tg_trigtuple;
		outcome_record_discarded(call, &set, NULL, proposed);
		return NULL;
	}
	if (call->judge)
		outcome_record_allowed(call, &set, NULL, proposed, keeps ? tuple : NULL);
	if (keeps)
	{
		outcome_record_kept(call, &set, NULL, proposed, tuple);
		if (!call->judge)
			remember_stand_ins(call, &set, tuple);
		call->state->amended_insert = true;
	}
	return tuple;
}
