/*
 * guard.c
 *		The guard's trigger functions.
 *
 * BEFORE amends: it restores values that are kept out, and discards rows that
 * may not come or go.  AFTER judges what really happened: it rejects, and
 * records what was let through.  Where it is not certain that AFTER comes,
 * BEFORE judges, and AFTER knows: for row changes that are no statement's but a
 * replication worker's own, where AFTER is not enabled (on a partition it would
 * leak a relcache reference for each of them); in the statement that loads the
 * library; and on foreign tables, where AFTER comes too late.  What SQL writes
 * within a worker is judged as in a session of that writer, but that `reject`
 * stays softened.
 *
 * An UPDATE that moves a row between partitions fires BEFORE UPDATE, BEFORE
 * DELETE of the same tuple, BEFORE INSERT at the destination, AFTER DELETE
 * and AFTER INSERT.  It is judged as the UPDATE it is (move.c).
 */
#include "base.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(ownership_guard_amend);
PG_FUNCTION_INFO_V1(ownership_guard_judge);
PG_FUNCTION_INFO_V1(ownership_guard_truncate);

/* What one call works on. */
typedef struct GuardCall
{
	TriggerData *td;
	GuardState *state;
	Moment *moment;
	Moment now; /* where there is none of a statement */
	RelationMap *map;
	const Writer *writer;
	const char *system;
	NewRow new; /* INSERT */
	Circumstances circumstances;
	bool applied; /* the row change is a replication worker's own */
	bool judge;	  /* in BEFORE: AFTER will not */
} GuardCall;

/*
 * Are rows of a dump on their way into a partition whose guard is not back?
 *
 * pg_restore -j may create the triggers of a partitioned table, and so their
 * clones on its partitions, while it has yet to load a partition's rows: what
 * is ordered after those is only what the dump has for the partition itself,
 * and that is its trigger for TRUNCATE.  Until that is there, whoever owns the
 * table and is no system restores what the dump holds.  Anyone may say that he
 * restores a dump; the owner could as well have disabled the trigger.
 */
static bool
is_being_restored(const GuardCall *call)
{
	Relation rel = call->td->tg_relation;

	return call_is_restoring() && call->td->tg_trigger->tgisclone &&
		   rel->rd_rel->relkind == RELKIND_RELATION &&
		   call_find_trigger(rel, TRIGGER_TRUNCATE) == NULL && call->system == NULL &&
		   compat_table_ownercheck(RelationGetRelid(rel), call->writer->role);
}

/*
 * Is the trigger that fires made as ownership.guard() makes them?  Anybody may
 * attach the guard's functions to a table of his own in any other way: with a
 * condition, for some columns, as a constraint, with transition tables.
 */
static bool
is_guard_trigger(const TriggerData *td, TriggerEvent timing, bool row)
{
	const Trigger *trigger = td->tg_trigger;

	return (td->tg_event & TRIGGER_EVENT_TIMINGMASK) == timing &&
		   (TRIGGER_FIRED_FOR_ROW(td->tg_event) != 0) == row &&
		   (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event) != 0) == !row && trigger->tgqual == NULL &&
		   trigger->tgnattr == 0 && trigger->tgnargs == 0 && !OidIsValid(trigger->tgconstraint) &&
		   trigger->tgoldtable == NULL && trigger->tgnewtable == NULL;
}

/*
 * Does the guard's own trigger of that name see to what this other one fires
 * for?  Both are asked for as the relation has them: those of a statement's
 * private list may be armed (lift.c).
 */
static bool
is_second(const TriggerData *td, const char *name)
{
	const Trigger *this = call_find_trigger(td->tg_relation, td->tg_trigger->tgname);
	const Trigger *own = call_find_trigger(td->tg_relation, name);

	return own != this && own != NULL && this != NULL && own->tgfoid == this->tgfoid &&
		   own->tgtype == this->tgtype && own->tgqual == NULL && own->tgnattr == 0 &&
		   (own->tgenabled == TRIGGER_FIRES_ALWAYS || own->tgenabled == this->tgenabled);
}

/*
 * The first row of a statement on this relation: what is the same for all of
 * them.
 */
static GuardState *
begin_rows(FunctionCallInfo fcinfo, const char *name, bool before)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	Relation rel = td->tg_relation;
	GuardState *state;

	/*
	 * Locks that are held already do not look for invalidations, so a prepared
	 * statement in an open transaction would miss what others committed.
	 */
	AcceptInvalidationMessages();
	if (map_is_asking())
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("a row filter cannot write tables of the ownership map")));
	state = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(GuardState));
	state->cxt = fcinfo->flinfo->fn_mcxt;
	state->second = is_second(td, name);
	if (TRIGGER_FIRED_FOR_ROW(td->tg_event))
	{
		state->moment = statement_moment();
		if (before && state->moment != NULL && rel->rd_rel->relkind != RELKIND_FOREIGN_TABLE &&
			!lift_arm(td))
			moment_judge_before(state->moment, RelationGetRelid(rel));
		state->judge = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ||
					   moment_judges_before(state->moment, RelationGetRelid(rel));
		state->applied = statement_applies();
		if (state->moment == NULL)
			state->moment = statement_copies(rel);
	}
	fcinfo->flinfo->fn_extra = state;
	return state;
}

/*
 * Checks the trigger protocol, in one place, and prepares the call.  False:
 * there is nothing to guard.
 */
static bool
begin_call(FunctionCallInfo fcinfo, const char *name, TriggerEvent timing, bool row, GuardCall *call)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	GuardState *state = fcinfo->flinfo->fn_extra;
	Moment *moment;

	if (!CALLED_AS_TRIGGER(fcinfo) || !is_guard_trigger(td, timing, row))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"guard_%s\" was not called by a trigger of the guard",
							   strrchr(name, '_') + 1),
						errhint("ownership.guard() creates the triggers.")));

	if (state == NULL)
		state = begin_rows(fcinfo, name, timing == TRIGGER_EVENT_BEFORE);
	moment = state->moment;
	if (moment == NULL)
	{
		call->now = moment_now();
		moment = &call->now;
		state->map = NULL;
	}
	if (moment->enforcement == ENFORCEMENT_OFF || state->second)
		return false;
	call->td = td;
	call->state = state;
	call->moment = moment;
	if (unlikely(state->map == NULL || moment->edits != map_edits ||
				 state->map_serial != moment->serial))
	{
		state->map = moment_map(moment, td->tg_relation);
		state->map_serial = moment->serial;
	}
	if (!state->map->mapped)
		return false;
	call->map = state->map;
	call->new = (NewRow){&state->insertion, state->cxt, td, state->map};
	call->writer = &moment->writer;
	call->system = writer_system(call->writer, call->map->source);
	if (is_being_restored(call))
		return false;
	call->judge = state->judge;
	call->applied = state->applied && call->writer->worker;
	call->circumstances = statement_circumstances(moment, call->writer);
	call->circumstances.steward |= statement_is_steward_query(call->map);
	if (timing != TRIGGER_EVENT_BEFORE)
		call->circumstances.cascade = false; /* BEFORE has seen to it */
	else if (row && state->rows < 3 && ++state->rows == (call->applied ? 2 : 1))
		lift_rest(td, call->map, moment, call->writer, call->judge, call->applied);
	return true;
}

static void
conflicts_add(GuardCall *call, ConflictSet *set, MappedColumn *col, const char *owner,
			  bool stored_null)
{
	Verdict verdict;
	bool softened;

	if (owner == NULL || (call->system != NULL && strcmp(owner, call->system) == 0))
		return;
	verdict = verdict_for(&call->circumstances, col->policy, col->key, stored_null, &softened);
	if (verdict == VERDICT_ALLOW)
		return;
	if (set->items == NULL)
		set->items = palloc(call->map->ncols * sizeof(Conflict));
	set->items[set->n].col = col;
	set->items[set->n].owner = owner;
	set->items[set->n].verdict = verdict;
	set->items[set->n].softened = softened;
	set->n++;
	set->strictest = Max(set->strictest, verdict);
}

/*
 * The columns that an UPDATE names and that are another system's: found once
 * for a statement, unless the map or the writer changes.
 */
static void
find_candidates(GuardCall *call, const Bitmapset *named)
{
	GuardState *state = call->state;
	RelationMap *map = call->map;

	if (state->candidates_of == map->loaded && state->candidates_serial == map->view_serial &&
		bms_equal(state->candidates_named, named))
		return;
	if (state->candidates_of != map->loaded)
	{
		if (state->candidates != NULL)
			pfree(state->candidates);
		state->candidates =
			MemoryContextAlloc(state->cxt, Max(map->ncols, 1) * sizeof(MappedColumn *));
	}
	state->ncandidates = 0;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];

		if (col->foreign && (named == NULL ||
							 bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named)))
			state->candidates[state->ncandidates++] = col;
	}
	if (!bms_equal(state->candidates_named, named))
	{
		MemoryContext old = MemoryContextSwitchTo(state->cxt);

		bms_free(state->candidates_named);
		state->candidates_named = bms_copy(named);
		MemoryContextSwitchTo(old);
	}
	state->candidates_of = map->loaded;
	state->candidates_serial = map->view_serial;
}

/* UPDATE writes the columns that it names and whose value changed. */
static void
conflicts_of_update(GuardCall *call, ConflictSet *set, const Bitmapset *named,
					TupleTableSlot *stored, TupleTableSlot *proposed)
{
	RelationMap *map = call->map;
	GuardState *state = call->state;
	const Bitmapset *foreign;
	AttrNumber last;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_UPDATE;
	foreign = map_foreign(map, call->writer);
	if (foreign == NULL || (named != NULL && !bms_overlap(named, foreign)))
		return;
	find_candidates(call, named);
	last = state->candidates[state->ncandidates - 1]->attnum;
	slot_getsomeattrs(stored, last);
	slot_getsomeattrs(proposed, last);
	for (int i = 0; i < state->ncandidates; i++)
	{
		MappedColumn *col = state->candidates[i];
		int att = col->attnum - 1;

		if (value_changed(&col->type, stored->tts_values[att], stored->tts_isnull[att],
						  proposed->tts_values[att], proposed->tts_isnull[att]))
			conflicts_add(call, set, col, map_owner(map, col, stored), stored->tts_isnull[att]);
	}
}

/*
 * A column's value in a row, as a number that is told to nobody.  BEFORE does
 * not have the generated columns of a key yet.
 */
static uint64
conflicts_stand_in(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row)
{
	uint64 hash = hash_combine64(RelationGetRelid(call->td->tg_relation), col->attnum);

	for (int i = -1; i < call->map->nkey_attrs; i++)
	{
		AttrNumber attnum = i < 0 ? col->attnum : call->map->key_attrs[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(call->td->tg_relation), attnum - 1);
		bool isnull;
		Datum value;

		if (att->attgenerated != '\0')
			continue;
		value = slot_getattr(row, attnum, &isnull);
		hash =
			hash_combine64(hash, isnull ? 0 : datum_image_hash(value, att->attbyval, att->attlen));
	}
	return hash;
}

/* AFTER: did BEFORE see that the row takes the column's default? */
static bool
took_default(const GuardCall *call, const MappedColumn *col, TupleTableSlot *row)
{
	return !TRIGGER_FIRED_BEFORE(call->td->tg_event) && insertion_was_open(&call->new, col) &&
		   tally_remembers(call->map, conflicts_stand_in(call, col, row));
}

static void
conflicts_of_insert(GuardCall *call, ConflictSet *set, TupleTableSlot *proposed)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_INSERT;
	if (map_foreign(map, call->writer) == NULL)
		return;
	for (int i = 0; i < ncols; i++)
	{
		MappedColumn *col = &cols[i];

		if (col->foreign && insertion_writes(&call->new, col, proposed) &&
			!took_default(call, col, proposed))
			conflicts_add(call, set, col, map_owner(map, col, proposed), false);
	}
}

/* DELETE writes the key. */
static void
conflicts_of_delete(GuardCall *call, ConflictSet *set, TupleTableSlot *stored)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;

	memset(set, 0, sizeof(ConflictSet));
	call->circumstances.operation = OPERATION_DELETE;
	if (map->nkeys == 0 || map_foreign(map, call->writer) == NULL)
		return;
	for (int i = 0; i < ncols; i++)
	{
		if (cols[i].key && cols[i].foreign)
			conflicts_add(call, set, &cols[i], map_owner(map, &cols[i], stored), false);
	}
}

static Evidence
evidence(const GuardCall *call, const ConflictSet *set, Verdict outcome, TupleTableSlot *stored,
		 TupleTableSlot *proposed)
{
	Evidence e = {0};

	e.map = call->map;
	e.desc = RelationGetDescr(call->td->tg_relation);
	e.writer = call->writer;
	e.system = call->system;
	e.operation = call->circumstances.operation;
	e.outcome = outcome;
	e.conflicts = set;
	e.new = call->circumstances.operation == OPERATION_INSERT ? &call->new : NULL;
	e.stored = stored;
	e.proposed = proposed;
	return e;
}

static void
outcome_reject(const GuardCall *call, const ConflictSet *set, Verdict outcome,
			   TupleTableSlot *stored, TupleTableSlot *proposed, const char *why)
{
	Evidence e = evidence(call, set, outcome, stored, proposed);

	evidence_report_rejected(&e, why);
}

/* The tuple as a slot, for reading while the call lasts. */
static TupleTableSlot *
conflicts_slot(Relation rel, HeapTuple tuple)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);

	ExecStoreHeapTuple(tuple, slot, false);
	return slot;
}

/*
 * Records the writes that went through.  `amended` is the row that they went
 * into, where that is known to be another one than was proposed.
 */
static void
outcome_record_allowed(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					   TupleTableSlot *proposed, HeapTuple amended)
{
	TupleTableSlot *final = amended == NULL ? NULL : conflicts_slot(call->td->tg_relation, amended);

	for (Verdict v = VERDICT_OBSERVE; v <= VERDICT_OVERRIDE; v++)
	{
		for (int i = 0; i < set->n; i++)
		{
			if (set->items[i].verdict == v)
			{
				Evidence e = evidence(call, set, v, stored, proposed);

				e.final = final;
				evidence_record(&e);
				break;
			}
		}
	}
	if (final != NULL)
		ExecDropSingleTupleTableSlot(final);
}

/* Why a rejection in a foreign-key action may differ from the policy. */
static const char *
cascade_reason(const GuardCall *call)
{
	return call->circumstances.cascade ? "A foreign-key action cannot leave the row as it is."
									   : NULL;
}

/*
 * Is BEFORE to reject?  Elsewhere AFTER does, which sees the final row.  But it
 * could not tell a foreign-key action, and beside rows that move it must take
 * none for another.
 */
static bool
outcome_rejects_early(const GuardCall *call)
{
	return call->judge || call->circumstances.cascade ||
		   (call->circumstances.operation == OPERATION_INSERT && move_is_under_way());
}

/* BEFORE: what must be rejected now. */
static void
outcome_reject_early(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					 TupleTableSlot *proposed)
{
	if (set->strictest == VERDICT_REJECT && outcome_rejects_early(call))
		outcome_reject(call, set, VERDICT_REJECT, stored, proposed, cascade_reason(call));
}

/* Evidence of kept values, once the amended row is known. */
static void
outcome_record_kept(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
					TupleTableSlot *proposed, HeapTuple amended)
{
	TupleTableSlot *final = conflicts_slot(call->td->tg_relation, amended);
	Evidence e = evidence(call, set, VERDICT_KEEP, stored, proposed);

	e.final = final;
	evidence_record(&e);
	evidence_report_softened(&e);
	if (!call->applied)
		tally_get(call->map)->kept++;
	ExecDropSingleTupleTableSlot(final);
}

static void
outcome_record_discarded(const GuardCall *call, const ConflictSet *set, TupleTableSlot *stored,
						 TupleTableSlot *proposed)
{
	Evidence e = evidence(call, set, VERDICT_DISCARD, stored, proposed);

	evidence_record(&e);
	evidence_report_softened(&e);
	if (!call->applied)
	{
		Tally *tally = tally_get(call->map);

		if (e.operation == OPERATION_INSERT)
			tally->not_created++;
		else
			tally->discarded++;
	}
}

/*
 * Is a column that the UPDATE names (NULL: any) another in the amended row than
 * before?  What triggers derive from values that are kept out is no reason to
 * write the row; zeros that its owner adds to a numeric are.
 */
static bool
anything_left(Relation rel, const Bitmapset *named, HeapTuple before, HeapTuple after)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		ValueType type;
		Datum a;
		Datum b;
		bool anull;
		bool bnull;

		if (att->attisdropped || att->attgenerated != '\0' ||
			(named != NULL &&
			 !bms_is_member(att->attnum - FirstLowInvalidHeapAttributeNumber, named)))
			continue;
		type = value_type(att->atttypid);
		type.numeric = false;
		a = heap_getattr(before, att->attnum, desc, &anull);
		b = heap_getattr(after, att->attnum, desc, &bnull);
		if (value_changed(&type, a, anull, b, bnull))
			return true;
	}
	return false;
}

/* Puts the stored values back into the columns that are kept. */
static HeapTuple
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
 * Where AFTER does not judge, what is written is counted here.  `row` is the
 * slot of the tuple, if that was not amended.
 */
static void
outcome_count_row(const GuardCall *call, Operation operation, const Bitmapset *named,
				  TupleTableSlot *stored, HeapTuple tuple, TupleTableSlot *row)
{
	if (!call->judge || tuple == NULL || !activity_counts())
		return;
	if (row != NULL)
		activity_row(call->map, call->system, operation, named, &call->new, stored, row);
	else
	{
		row = conflicts_slot(call->td->tg_relation, tuple);
		activity_row(call->map, call->system, operation, named, &call->new, stored, row);
		ExecDropSingleTupleTableSlot(row);
	}
}

static bool
conflicts_have(const ConflictSet *set, Verdict verdict)
{
	for (int i = 0; i < set->n; i++)
	{
		if (set->items[i].verdict == verdict)
			return true;
	}
	return false;
}

static HeapTuple
amend_update(GuardCall *call)
{
	TriggerData *td = call->td;
	GuardState *state = call->state;
	HeapTuple tuple = td->tg_newtuple;
	ConflictSet set;
	List *arbiters;
	bool keeps;

	if (state->amended_insert && !call->applied &&
		insertion_arbiters(&call->new, &arbiters) != ARBITERS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to table \"%s\" due to a concurrent insert",
						names_message_relation(call->map->schema, call->map->table)),
				 errdetail(
					 "The row was inserted by another transaction after values of it had been kept out."),
				 errhint("The transaction might succeed if retried.")));

	conflicts_of_update(call, &set, td->tg_updatedcols, td->tg_trigslot, td->tg_newslot);
	move_remember_update(state, td);
	if (set.n == 0)
		return tuple;

	outcome_reject_early(call, &set, td->tg_trigslot, td->tg_newslot);
	keeps = conflicts_have(&set, VERDICT_KEEP);
	if (keeps)
		tuple = amend_restore_values(call, &set, tuple, td->tg_trigslot);
	if (call->judge)
		outcome_record_allowed(call, &set, td->tg_trigslot, td->tg_newslot, keeps ? tuple : NULL);
	if (keeps)
	{
		outcome_record_kept(call, &set, td->tg_trigslot, td->tg_newslot, tuple);
		if (!anything_left(td->tg_relation, td->tg_updatedcols, td->tg_trigtuple, tuple))
		{
			/* over SQL it still counts as a row that was updated */
			if (call->applied)
				return NULL;
			tally_get(call->map)->unchanged++;
			tuple = td->tg_trigtuple;
		}
	}
	return tuple;
}

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
static void
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
static void
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

static HeapTuple
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

static HeapTuple
amend_delete(GuardCall *call)
{
	TriggerData *td = call->td;
	ConflictSet set;

	conflicts_of_delete(call, &set, td->tg_trigslot);
	if (set.n == 0)
		return td->tg_trigtuple;
	outcome_reject_early(call, &set, td->tg_trigslot, NULL);
	if (set.strictest == VERDICT_DISCARD)
	{
		/* the row as a whole stays, also for the key's milder columns */
		outcome_record_discarded(call, &set, td->tg_trigslot, NULL);
		return NULL;
	}
	if (call->judge)
		outcome_record_allowed(call, &set, td->tg_trigslot, NULL, NULL);
	return td->tg_trigtuple;
}

/*
 * BEFORE DELETE of a row that moves to another partition: what would be
 * rejected in the end is rejected before the row arrives.
 */
static void
amend_reject_move(GuardCall *call)
{
	TriggerData *td = call->td;
	TupleTableSlot *proposed = call->state->update_slot;
	ConflictSet set;

	if (call->judge)
		return; /* BEFORE UPDATE did */
	conflicts_of_update(call, &set, call->state->update_named, td->tg_trigslot, proposed);
	if (set.strictest == VERDICT_REJECT)
		outcome_reject(call, &set, VERDICT_REJECT, td->tg_trigslot, proposed, NULL);
	if (set.strictest == VERDICT_KEEP)
		outcome_reject(call, &set, VERDICT_KEEP, td->tg_trigslot, proposed,
					   "A trigger that fires after the guard changed it again.");
}

/* Adds a conflict of each of the columns that is the writer's not to write. */
static void
conflicts_of_columns(GuardCall *call, ConflictSet *set, TupleTableSlot *stored, const List *names)
{
	RelationMap *map = call->map;
	MappedColumn *cols = map->cols;
	int ncols = map->ncols;
	ListCell *lc;

	(void) map_foreign(map, call->writer);
	call->circumstances.operation = OPERATION_UPDATE;
	for (int i = 0; i < ncols; i++)
	{
		bool known = !cols[i].foreign;
		bool isnull;

		for (int c = 0; c < set->n; c++)
			known |= set->items[c].col == &cols[i];
		if (known)
			continue;
		foreach(lc, names)
		{
			if (strcmp(lfirst(lc), cols[i].name) != 0)
				continue;
			(void) slot_getattr(stored, cols[i].attnum, &isnull);
			conflicts_add(call, set, &cols[i], map_owner(map, &cols[i], stored), isnull);
		}
	}
}

/*
 * BEFORE DELETE of the half of a replicated UPDATE that moves a row: nothing
 * else announces it.  A writer that may write the columns which the tables
 * above are partitioned by may move the row; the other half is judged then.
 * Returns the names of those that it may not write.
 */
static List *
amend_move_obstacles(GuardCall *call, TupleTableSlot *stored)
{
	RelationMap *map = call->map;
	ConflictSet set = {0};
	List *keys = NIL;
	List *obstacles = NIL;

	for (int i = 0; i < map->ncols; i++)
	{
		if (map->cols[i].partition_key)
			keys = lappend(keys, map->cols[i].name);
	}
	conflicts_of_columns(call, &set, stored, keys);
	for (int i = 0; i < set.n; i++)
	{
		if (set.items[i].verdict >= VERDICT_KEEP)
			obstacles = lappend(obstacles, set.items[i].col->name);
	}
	return obstacles;
}

/*
 * BEFORE INSERT of the other half: judged as the UPDATE it is.  NULL: the
 * whole move is discarded.
 */
static HeapTuple
amend_replicated_move(GuardCall *call, const Move *move)
{
	TriggerData *td = call->td;
	Relation rel = td->tg_relation;
	HeapTuple tuple = td->tg_trigtuple;
	TupleTableSlot *stored =
		conflicts_slot(rel, move_tuple(move->old_tuple, move->old_relid, RelationGetRelid(rel)));
	ConflictSet set;

	conflicts_of_update(call, &set, NULL, stored, td->tg_trigslot);
	outcome_reject_early(call, &set, stored, td->tg_trigslot);
	if (move->obstacles != NIL)
	{
		/* what stood in the way is in conflict even if it did not change */
		conflicts_of_columns(call, &set, stored, move->obstacles);
		outcome_reject_early(call, &set, stored, td->tg_trigslot);
		for (int i = 0; i < set.n; i++)
			if (set.items[i].verdict == VERDICT_KEEP)
				set.items[i].verdict = VERDICT_DISCARD;
		outcome_record_discarded(call, &set, stored, td->tg_trigslot);
		tuple = NULL;
	}
	else if (set.n > 0)
	{
		bool keeps = set.strictest == VERDICT_KEEP;

		if (keeps)
			tuple = amend_restore_values(call, &set, tuple, stored);
		outcome_record_allowed(call, &set, stored, td->tg_trigslot, keeps ? tuple : NULL);
		if (keeps)
			outcome_record_kept(call, &set, stored, td->tg_trigslot, tuple);
	}
	outcome_count_row(call, OPERATION_UPDATE, NULL, stored, tuple,
					  tuple == td->tg_trigtuple ? td->tg_trigslot : NULL);
	ExecDropSingleTupleTableSlot(stored);
	return tuple;
}

/*
 * A moved row is judged where it was stored, as every UPDATE is.  Makes a call
 * of that partition; td and state are room for it.
 */
static GuardCall
guard_call_at(const GuardCall *call, Relation rel, TriggerData *td, GuardState *state)
{
	GuardCall there = *call;

	*td = *call->td;
	td->tg_relation = rel;
	memset(state, 0, sizeof(GuardState));
	state->cxt = CurrentMemoryContext;
	there.td = td;
	there.state = state;
	there.map = moment_map(call->moment, rel);
	there.new = (NewRow){&state->insertion, state->cxt, td, there.map};
	there.system = writer_system(call->writer, there.map->source);
	return there;
}

/*
 * BEFORE INSERT of the other half of a move over SQL.  BEFORE UPDATE has seen
 * to what the statement says, AFTER will judge what comes of it; here is what
 * triggers at the destination do.
 */
static HeapTuple
amend_move(GuardCall *call, const Move *move)
{
	TriggerData *td = call->td;
	Relation rel = td->tg_relation;
	HeapTuple tuple = td->tg_trigtuple;

	if (move->touched || (call->judge && !move->judged))
	{
		Relation from = table_open(move->old_relid, NoLock);
		TriggerData there_td;
		GuardState there_state;
		GuardCall there = guard_call_at(call, from, &there_td, &there_state);
		HeapTuple row = move_tuple(tuple, RelationGetRelid(rel), move->old_relid);
		TupleTableSlot *stored =
			conflicts_slot(from, move->judged ? move->new_tuple : move->old_tuple);
		TupleTableSlot *proposed = conflicts_slot(from, row);
		ConflictSet set;

		conflicts_of_update(&there, &set, move->named, stored, proposed);
		outcome_reject_early(&there, &set, stored, proposed);
		if (conflicts_have(&set, VERDICT_KEEP))
		{
			row = amend_restore_values(&there, &set, row, stored);
			tuple = move_tuple(row, move->old_relid, RelationGetRelid(rel));
		}
		if (call->judge)
			outcome_record_allowed(&there, &set, stored, proposed,
								   tuple == td->tg_trigtuple ? NULL : row);
		if (tuple != td->tg_trigtuple)
			outcome_record_kept(&there, &set, stored, proposed, row);
		if (!move->judged)
			outcome_count_row(&there, OPERATION_UPDATE, move->named, stored, row, NULL);
		ExecDropSingleTupleTableSlot(stored);
		ExecDropSingleTupleTableSlot(proposed);
		table_close(from, NoLock);
	}
	if (!call->judge)
		move_let_in(move, rel, call->map, tuple);
	return tuple;
}

/*
 * ownership.guard_amend(): BEFORE INSERT OR UPDATE OR DELETE, FOR EACH ROW.
 *
 * Errors: insufficient_privilege where AFTER cannot judge or no default can
 * stand in; serialization_failure when an upsert lost a race.
 */
static Datum
guard_amend(FunctionCallInfo fcinfo)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	GuardCall call;
	HeapTuple tuple;

	if (!begin_call(fcinfo, TRIGGER_AMEND, TRIGGER_EVENT_BEFORE, true, &call))
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple
																	 : td->tg_trigtuple);

	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
	{
		tuple = amend_update(&call);
		outcome_count_row(&call, OPERATION_UPDATE, td->tg_updatedcols, td->tg_trigslot, tuple,
						  tuple == td->tg_newtuple ? td->tg_newslot : NULL);
	}
	else if (TRIGGER_FIRED_BY_DELETE(td->tg_event))
	{
		if (move_begins(call.state, td, call.map))
		{
			amend_reject_move(&call);
			move_announce(call.state, td, call.map);
			tuple = td->tg_trigtuple;
		}
		else if (call.applied && move_is_replicated(td))
		{
			List *obstacles = amend_move_obstacles(&call, td->tg_trigslot);

			move_announce_replicated(td, call.map, obstacles);
			tuple = obstacles == NIL ? td->tg_trigtuple : NULL;
		}
		else
		{
			tuple = amend_delete(&call);
			outcome_count_row(&call, OPERATION_DELETE, NULL, NULL, tuple, td->tg_trigslot);
		}
	}
	else
	{
		Move *move = move_arrives(td, call.map);

		if (move != NULL)
			tuple = move->new_tuple == NULL ? amend_replicated_move(&call, move)
											: amend_move(&call, move);
		else
		{
			tuple = amend_insert(&call);
			if (tuple != NULL)
				amend_remember_defaults(&call, tuple);
			outcome_count_row(&call, OPERATION_INSERT, NULL, NULL, tuple,
							  tuple == td->tg_trigtuple ? td->tg_trigslot : NULL);
		}
	}
	return PointerGetDatum(tuple);
}

/* AFTER: judges a row that was written, as it was and as it is; NULL: there is none. */
static void
judge_row(GuardCall *call, TupleTableSlot *stored, TupleTableSlot *proposed, const Bitmapset *named,
		  bool moved)
{
	ConflictSet set;

	if (proposed == NULL)
		conflicts_of_delete(call, &set, stored);
	else if (stored == NULL)
		conflicts_of_insert(call, &set, proposed);
	else
		conflicts_of_update(call, &set, named, stored, proposed);
	activity_row(call->map, call->system, call->circumstances.operation, named, &call->new, stored,
				 proposed);

	if (set.strictest == VERDICT_REJECT)
		outcome_reject(call, &set, VERDICT_REJECT, stored, proposed, NULL);

	for (int i = 0; i < set.n; i++)
	{
		Conflict *c = &set.items[i];

		if (c->verdict != VERDICT_KEEP && c->verdict != VERDICT_DISCARD)
			continue;
		if (call->circumstances.operation == OPERATION_INSERT)
		{
			if (c->verdict == VERDICT_KEEP && !insertion_has_constant(&call->new, c->col))
			{
				if (tally_remembers(call->map, conflicts_stand_in(call, c->col, proposed)))
					continue;
				if (tally_was_blind(call->map))
					amend_reject_blind(call);
			}
			if (tally_get(call->map)->untouched > 0)
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access to table \"%s\" due to a concurrent delete",
								names_message_relation(call->map->schema, call->map->table)),
						 errdetail("The row that the statement would have updated went away."),
						 errhint("The transaction might succeed if retried.")));
		}
		outcome_reject(call, &set, c->verdict, stored, proposed,
					   moved
						   ? "A trigger that fires after the guard changed it again."
						   : "A trigger that fires after the guard changed it again, or the guard's first trigger did not fire.");
	}
	outcome_record_allowed(call, &set, stored, proposed, NULL);
}

/* AFTER INSERT: judges the row if it came from another partition. */
static bool
judge_move(GuardCall *call)
{
	TriggerData *td = call->td;
	TriggerData there_td;
	GuardState there_state;
	TupleTableSlot *stored;
	TupleTableSlot *proposed;
	Move move;
	Relation from;
	GuardCall there;

	if (!move_arrived(td, call->map, &move))
		return false;
	from = table_open(move.old_relid, NoLock);
	there = guard_call_at(call, from, &there_td, &there_state);
	stored = conflicts_slot(from, move.old_tuple);
	proposed = conflicts_slot(from, move_tuple(td->tg_trigtuple, RelationGetRelid(td->tg_relation),
											   move.old_relid));
	judge_row(&there, stored, proposed, move.named, true);
	ExecDropSingleTupleTableSlot(stored);
	ExecDropSingleTupleTableSlot(proposed);
	table_close(from, NoLock);
	return true;
}

/*
 * ownership.guard_judge(): AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW.
 *
 * Errors: insufficient_privilege for a rejected write; serialization_failure
 * for an INSERT that was left alone for the sake of an upsert which then
 * found no row.
 */
static Datum
guard_judge(FunctionCallInfo fcinfo)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	GuardCall call;

	if (!begin_call(fcinfo, TRIGGER_JUDGE, TRIGGER_EVENT_AFTER, true, &call) || call.judge)
		return PointerGetDatum(NULL);

	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
		judge_row(&call, td->tg_trigslot, td->tg_newslot, td->tg_updatedcols, false);
	else if (TRIGGER_FIRED_BY_DELETE(td->tg_event))
	{
		if (!move_left(td))
			judge_row(&call, td->tg_trigslot, NULL, NULL, false);
	}
	else if (!judge_move(&call))
		judge_row(&call, NULL, td->tg_trigslot, NULL, false);
	return PointerGetDatum(NULL);
}

/*
 * ownership.guard_truncate(): BEFORE TRUNCATE, FOR EACH STATEMENT.  All rows
 * go, so every system that may own a key column of some row must be the
 * writer.
 *
 * Errors: insufficient_privilege, also where the policy is keep or fill and
 * in a replication worker: rows cannot be kept from TRUNCATE.
 */
static Datum
guard_truncate(FunctionCallInfo fcinfo)
{
	GuardCall call;
	ConflictSet set = {0};

	if (!begin_call(fcinfo, TRIGGER_TRUNCATE, TRIGGER_EVENT_BEFORE, false, &call))
		return PointerGetDatum(NULL);

	call.circumstances.operation = OPERATION_TRUNCATE;
	(void) map_foreign(call.map, call.writer);
	for (int i = 0; i < call.map->ncols; i++)
	{
		MappedColumn *col = &call.map->cols[i];
		int before = set.n;

		if (!col->key || !col->foreign)
			continue;
		conflicts_add(&call, &set, col, col->owner, false);
		for (int r = 0; r < col->nrules && set.n == before; r++)
			conflicts_add(&call, &set, col, col->rules[r].owner, false);
	}
	if (set.strictest == VERDICT_REJECT)
		outcome_reject(&call, &set, VERDICT_REJECT, NULL, NULL,
					   policy_effective(set.items[0].col->policy,
										call.circumstances.default_policy) == POLICY_REJECT
						   ? NULL
						   : "TRUNCATE leaves no rows to keep.");
	if (guard_truncate_is_new(call.map))
	{
		activity_row(call.map, call.system, OPERATION_TRUNCATE, NULL, NULL, NULL, NULL);
		outcome_record_allowed(&call, &set, NULL, NULL, NULL);
	}
	return PointerGetDatum(NULL);
}

/* The map is read from the first line to the last, and code of users runs in between. */
static Datum
call_guard(Datum (*function)(FunctionCallInfo), FunctionCallInfo fcinfo)
{
	Datum result;

	map_enter();
	result = function(fcinfo);
	map_leave();
	return result;
}

Datum
ownership_guard_amend(PG_FUNCTION_ARGS)
{
	return call_guard(guard_amend, fcinfo);
}

Datum
ownership_guard_judge(PG_FUNCTION_ARGS)
{
	return call_guard(guard_judge, fcinfo);
}

Datum
ownership_guard_truncate(PG_FUNCTION_ARGS)
{
	return call_guard(guard_truncate, fcinfo);
}
