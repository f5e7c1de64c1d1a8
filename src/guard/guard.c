/*
 * guard.c
 *		The guard's trigger functions: the protocol, and the order of the steps.
 *
 * BEFORE amends: it restores values that are kept out, and discards rows that
 * the writer may not create or delete.  AFTER judges what really happened: it
 * rejects a write, or records one that went through.  Where it is not certain
 * that AFTER fires, BEFORE judges too, and AFTER does nothing.  This is so:
 *
 * - for row changes that a replication worker applies itself, not by a
 *   statement: AFTER is not enabled there (on a partition it would leak a
 *   relcache reference for each row);
 * - in the statement that loads the library, where lift_arm() fails;
 * - on foreign tables, where AFTER comes too late.
 *
 * SQL that runs within a worker is judged like SQL in a session of the same
 * writer, except that `reject` stays softened.
 *
 * An UPDATE that moves a row between partitions fires BEFORE UPDATE, BEFORE
 * DELETE of the same tuple, BEFORE INSERT at the destination, AFTER DELETE
 * and AFTER INSERT.  The guard judges it as the UPDATE it is (move.c).
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "../evidence/evidence.h"
#include "guard.h"

PG_FUNCTION_INFO_V1(ownership_guard_amend);
PG_FUNCTION_INFO_V1(ownership_guard_judge);
PG_FUNCTION_INFO_V1(ownership_guard_truncate);

/* The last TRUNCATE that counted, and the number of transactions that this session has ended. */
static Oid truncated_home;
static CommandId truncated_command;
static uint64 truncated_xact;
static uint64 transactions = 0;

/*
 * Does a restore load rows of a partition before it has created the
 * partition's own trigger?
 *
 * pg_restore -j may create the triggers of a partitioned table, and so their
 * clones on its partitions, before it loads a partition's rows.  After those
 * rows it only creates what the dump contains for the partition itself, and
 * that is the trigger for TRUNCATE.  Until this trigger exists, a role that
 * owns the table and maps to no system loads the rows as the dump has them.
 * Any role may claim to restore a dump (call_is_restoring()); the table's owner
 * gains nothing by it, because it may disable the trigger anyway.
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
 * Does the trigger that fires have the form that ownership.guard() gives it?
 * Any role may attach the guard's functions to its own table in another form:
 * with a condition, for some columns, as a constraint, with transition tables.
 */
static bool
is_guard_trigger(const TriggerData *td, TriggerEvent timing, bool row)
{
	const Trigger *trigger = td->tg_trigger;

	return (td->tg_event & TRIGGER_EVENT_TIMINGMASK) == timing &&
		   (TRIGGER_FIRED_FOR_ROW(td->tg_event) != 0) == row &&
		   (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event) != 0) == !row &&
		   (trigger->tgqual == NULL || trigger_list_is_condition(trigger->tgqual)) &&
		   trigger->tgnattr == 0 && trigger->tgnargs == 0 && !OidIsValid(trigger->tgconstraint) &&
		   trigger->tgoldtable == NULL && trigger->tgnewtable == NULL;
}

/*
 * Is the trigger that fires another one than the guard's own, which has this
 * name and fires for the same events?  Both are read from the relation's own
 * list, because those of a statement's private list may be armed (lift.c).
 */
static bool
is_second(const TriggerData *td, const char *name)
{
	const Trigger *this;
	const Trigger *own;

	if (likely(strcmp(td->tg_trigger->tgname, name) == 0))
		return false;
	this = call_find_trigger(td->tg_relation, td->tg_trigger->tgname);
	own = call_find_trigger(td->tg_relation, name);
	return own != NULL && this != NULL && own->tgfoid == this->tgfoid &&
		   own->tgtype == this->tgtype && own->tgqual == NULL && own->tgnattr == 0 &&
		   (own->tgenabled == TRIGGER_FIRES_ALWAYS || own->tgenabled == this->tgenabled);
}

/* The first row of a statement on this relation: finds what is the same for all its rows. */
static GuardState *
begin_rows(FunctionCallInfo fcinfo, const char *name, bool before)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	Relation rel = td->tg_relation;
	GuardState *state;

	/*
	 * PostgreSQL accepts no invalidations when it takes a lock that the
	 * session has already.  So a prepared statement in an open transaction
	 * would miss what other sessions have committed.
	 */
	AcceptInvalidationMessages();
	if (map_is_asking())
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("a row filter cannot write tables of the ownership map")));
	state = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(GuardState));
	state->cxt = fcinfo->flinfo->fn_mcxt;
	if (before)
		lift_copy_fires(td);
	state->second = is_second(td, name);
	if (TRIGGER_FIRED_FOR_ROW(td->tg_event))
	{
		state->moment = statement_moment();
		if (before && state->moment != NULL && rel->rd_rel->relkind != RELKIND_FOREIGN_TABLE &&
			!lift_arm(td, &state->after))
			moment_judge_before(state->moment, RelationGetRelid(rel));
		state->judge = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ||
					   moment_judges_before(state->moment, RelationGetRelid(rel));
		state->applied = statement_applies();
		if (state->moment == NULL)
			state->moment = statement_copies(rel);
		state->empty = state->applied && state->moment != NULL &&
					   rel->rd_rel->relkind == RELKIND_RELATION &&
					   RelationGetNumberOfBlocks(rel) == 0;
	}
	fcinfo->flinfo->fn_extra = state;
	return state;
}

/*
 * Checks the trigger protocol, in one place, and prepares the call.  Returns
 * false where the trigger has nothing to do.
 *
 * Errors: the caller is no trigger of the guard; a row filter writes a table of
 * the map; those of moment_map().
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
	call->applied = state->applied && call->writer->worker;
	call->circumstances = statement_circumstances(moment, call->writer);
	call->circumstances.steward |= statement_is_steward_query(call->map);
	if (timing != TRIGGER_EVENT_BEFORE)
		call->circumstances.cascade = false; /* BEFORE has judged the action */
	else if (row && state->rows < 3 && ++state->rows == (call->applied ? 2 : 1))
		lift_rest(td, call->map, moment, call->writer, state, call->applied);
	/* an edit of the map while the statement runs enables AFTER again */
	call->judge = state->judge || (state->after != NULL && TRIGGER_FIRED_BY_UPDATE(td->tg_event) &&
								   state->after->tgenabled == TRIGGER_DISABLED);
	return true;
}

/* Where BEFORE judges, pins follow the row that it is about to write; NULL: none. */
static void
follow_pins(GuardCall *call, TupleTableSlot *stored, HeapTuple tuple)
{
	TupleTableSlot *row;

	if (likely(call->map->pinned == NULL) || !call->judge || tuple == NULL)
		return;
	row = conflicts_slot(call->td->tg_relation, tuple);
	pin_follow(call, stored, row);
	ExecDropSingleTupleTableSlot(row);
}

/*
 * ownership.guard_amend(): BEFORE INSERT OR UPDATE OR DELETE, FOR EACH ROW.
 *
 * Errors: insufficient_privilege where AFTER cannot judge, or where no default
 * can replace a refused value; serialization_failure where an upsert lost a
 * race, or where the statement runs within the one that loads the library.
 */
static Datum
guard_amend(FunctionCallInfo fcinfo)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	GuardCall call;
	HeapTuple tuple;

	if (lift_apply_is_clear(td))
		return PointerGetDatum(td->tg_newtuple);
	if (!begin_call(fcinfo, TRIGGER_AMEND, TRIGGER_EVENT_BEFORE, true, &call))
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? td->tg_newtuple
																	 : td->tg_trigtuple);

	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
	{
		tuple = amend_update(&call);
		outcome_count_row(&call, OPERATION_UPDATE, td->tg_updatedcols, td->tg_trigslot, tuple,
						  tuple == td->tg_newtuple ? td->tg_newslot : NULL);
		follow_pins(&call, td->tg_trigslot, tuple);
		if (tuple != NULL && call.judge)
			tuple = land_in_row(&call, td->tg_trigslot, tuple);
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

		feed_see_copy(&call);
		if (move != NULL)
			tuple = move->new_tuple == NULL ? amend_replicated_move(&call, move)
											: amend_move(&call, move);
		else if (meet_row(&call))
			tuple = NULL;
		else
		{
			tuple = amend_insert(&call);
			if (tuple != NULL)
				amend_remember_defaults(&call, tuple);
			/* what lands is counted as a write of the system whose value it is */
			outcome_count_row(&call, OPERATION_INSERT, NULL, NULL, tuple,
							  tuple == td->tg_trigtuple ? td->tg_trigslot : NULL);
			if (tuple != NULL && call.judge)
				tuple = land_in_row(&call, NULL, tuple);
			follow_pins(&call, NULL, tuple);
		}
	}
	lift_apply(&call, tuple);
	return PointerGetDatum(tuple);
}

/*
 * ownership.guard_judge(): AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW.
 *
 * Errors: insufficient_privilege for a rejected write; serialization_failure
 * for an INSERT that BEFORE did not amend, because the upsert was to update a
 * stored row, if that row no longer exists; or as in guard_amend().
 */
static Datum
guard_judge(FunctionCallInfo fcinfo)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	GuardCall call;

	if (!begin_call(fcinfo, TRIGGER_JUDGE, TRIGGER_EVENT_AFTER, true, &call) || call.judge)
		return PointerGetDatum(NULL);

	if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
	{
		judge_row(&call, td->tg_trigslot, td->tg_newslot, td->tg_updatedcols, false);
		land_updated(&call, td->tg_updatedcols, td->tg_trigslot, td->tg_newslot);
	}
	else if (TRIGGER_FIRED_BY_DELETE(td->tg_event))
	{
		if (!move_left(td))
		{
			judge_row(&call, td->tg_trigslot, NULL, NULL, false);
			remember_row(&call, td->tg_trigslot);
			pin_row_gone(&call, td->tg_trigslot);
		}
	}
	else if (!judge_move(&call))
	{
		judge_row(&call, NULL, td->tg_trigslot, NULL, false);
		land_row(&call, td->tg_trigslot);
	}
	return PointerGetDatum(NULL);
}

/*
 * Is this the first call of guard_truncate() for a table of the map in one
 * TRUNCATE?  The trigger fires once for each partition, but TRUNCATE is one
 * write of the table.
 */
static bool
is_new_truncate(const RelationMap *map)
{
	CommandId command = GetCurrentCommandId(false);

	if (truncated_home == map->home && truncated_command == command && truncated_xact == transactions)
		return false;
	truncated_home = map->home;
	truncated_command = command;
	truncated_xact = transactions;
	return true;
}

/*
 * ownership.guard_truncate(): BEFORE TRUNCATE, FOR EACH STATEMENT.  TRUNCATE
 * removes all rows, so each system that may own a key column in some row must
 * be the writer.
 *
 * Errors: insufficient_privilege, also where the policy is keep, fill or
 * create_only, and in a replication worker: nothing but an error stops TRUNCATE.
 */
static Datum
guard_truncate(FunctionCallInfo fcinfo)
{
	GuardCall call;
	ConflictSet set = {0};
	bool is_new;

	/* PostgreSQL's statistics are about to forget the rows that BEFORE has not seen */
	lift_apply_settle(false);
	if (!begin_call(fcinfo, TRIGGER_TRUNCATE, TRIGGER_EVENT_BEFORE, false, &call))
		return PointerGetDatum(NULL);
	/* Citus empties no shard then, only what the table itself has had since before it had shards */
	if (call.map->sharded && !shard_spreads_ddl())
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
	/* what goes from the shards of a table is remembered there, but it is one TRUNCATE of the table */
	is_new = !call.map->shard && is_new_truncate(call.map);
	if (!call.map->sharded)
		remember_table(&call);
	pin_table_gone(&call);
	/* what was written here has begun another command */
	truncated_command = GetCurrentCommandId(false);
	if (is_new)
	{
		activity_row(call.map, call.system, OPERATION_TRUNCATE, NULL, NULL, NULL, NULL, COLUMNS_ALL);
		outcome_record_allowed(&call, &set, NULL, NULL, NULL);
	}
	evidence_end_truncate(call.map);
	return PointerGetDatum(NULL);
}

/*
 * Runs a trigger function.  It reads the map until it returns, and code of
 * users that it runs may edit the map: map_enter() keeps the old one in memory.
 */
static Datum
call_guard(Datum (*function)(FunctionCallInfo), FunctionCallInfo fcinfo)
{
	Datum result;

	lift_show();
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

/* A transaction of the session ended. */
void
guard_end_transaction(void)
{
	transactions++;
}
