/*
 * lift.c
 *		Lifting the guard off statements that cannot violate the map.
 *
 * Only a column that a statement names can be in conflict.  If the writer may
 * write all named columns, the guard's row triggers are disabled in that
 * statement's private copy of the trigger list (ri_TrigDesc), and the copy's
 * flags are computed anew (trigger_list.c).  Then PostgreSQL does not lock each
 * tuple first, queues no AFTER events and does not call the guard.  Entries
 * are not removed, because PostgreSQL may execute AFTER events of other
 * statements through this list, by OID, and arrays beside it are indexed like
 * it.  BEFORE and AFTER are disabled separately: a write that can only be
 * rejected or recorded needs no BEFORE.  Where AFTER alone is disabled, BEFORE judges.
 *
 * The guard is lifted when the executor starts a statement, if map and writer
 * are in the caches; so it raises no error that a row would not have raised,
 * and reads no catalogs.  Otherwise it is lifted at the relation's first row.
 * This is also so for relations that the executor opens later (partitions that
 * rows are routed to) and for COPY.
 *
 * A statement is judged by the moment of its beginning (moment.c), so changes
 * that other sessions make while it runs do not affect it.  Only if this
 * session edits the map while the statement runs, lifting is undone.
 *
 * AFTER is enabled for ordinary sessions only, and PostgreSQL checks this after
 * each written row.  So its entry in the private list is armed, that is, set to
 * fire always: a switch of session_replication_role within the statement loses
 * no row.  (For row changes that a worker applies itself BEFORE judges: on a
 * partition AFTER would leak a relcache reference for each row.)
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* Does the statement write through a view?  A view can have its own defaults. */
static bool
goes_through_view(EState *estate)
{
	ListCell *lc;

	foreach(lc, estate->es_range_table)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)
			return true;
	}
	return false;
}

/*
 * What the statement names if this node, an INSERT, is the only one that writes anything:
 * the table, into which or through which the rows go, and its columns.
 */
static void
find_inserted(Writes *writes, const ModifyTableState *node)
{
	const ModifyTable *plan = (ModifyTable *) node->ps.plan;
	const PlannedStmt *statement = node->ps.state->es_plannedstmt;

	if (node->operation != CMD_INSERT || plan->rootRelation > 0 ||
		statement->planTree != (const Plan *) plan || statement->subplans != NIL)
		return;
	writes->named = RelationGetRelid(node->resultRelInfo->ri_RelationDesc);
	writes->inserted = ExecGetInsertedCols(node->resultRelInfo, node->ps.state);
}

/* What a node of the plan may do to the rows of its relations. */
static Writes
writes_of(ModifyTableState *node)
{
	ModifyTable *plan = (ModifyTable *) node->ps.plan;
	Writes writes = {0};
	ListCell *lc;
	ListCell *lc2;

	switch (node->operation)
	{
		case CMD_INSERT:
			writes.inserts = true;
			writes.updates = plan->onConflictAction == ONCONFLICT_UPDATE;
			break;
		case CMD_UPDATE:
			writes.updates = true;
			break;
		case CMD_DELETE:
			writes.deletes = true;
			break;
		default: /* MERGE */
			foreach(lc, plan->mergeActionLists)
			{
				foreach(lc2, (List *) lfirst(lc))
				{
					CmdType command = lfirst_node(MergeAction, lc2)->commandType;

					writes.inserts |= command == CMD_INSERT;
					writes.updates |= command == CMD_UPDATE;
					writes.deletes |= command == CMD_DELETE;
				}
			}
	}
	/*
	 * The two halves of a move fire triggers of different partitions, and the
	 * guard must be lifted off both or neither.
	 */
	if (writes.updates && plan->rootRelation > 0)
	{
		writes.routes = true;
		for (int i = 0; i < node->mt_nrels && !writes.moves; i++)
			writes.moves =
				trigger_list_others_before(node->resultRelInfo[i].ri_TrigDesc, TRIGGER_TYPE_UPDATE);
	}
	writes.many = node->operation == CMD_INSERT && outerPlan(plan) != NULL &&
				  outerPlan(plan)->plan_rows > LAND_KEYS;
	writes.derives = writes.inserts && goes_through_view(node->ps.state);
	find_inserted(&writes, node);
	return writes;
}

static bool
is_foreign(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
}

/* Disables the triggers that a statement does not need on one relation. */
static void
lift_relation(ModifyTableState *node, ResultRelInfo *rri, Writes writes, RelationMap *map,
			  const Moment *moment, const Writer *writer, bool judge_in_before)
{
	TriggerDesc *desc = rri->ri_TrigDesc;
	Need need;
	bool filters;

	if (writes.inserts)
		writes.derives = writes.derives || trigger_list_others_before(desc, TRIGGER_TYPE_INSERT);
	if (writes.updates)
	{
		writes.updated = ExecGetUpdatedCols(rri, node->ps.state);
		if (map != NULL && map->blanks != NULL)
			lift_find_set_values(&writes, node, rri);
		writes.changes = map != NULL && map->history != NULL &&
						 trigger_list_others_before(desc, TRIGGER_TYPE_UPDATE);
	}
	writes.filters = !judge_in_before && moment->state != NULL;
	need = lift_need(map, moment, writer, &writes, judge_in_before);
	if (need.judge && !need.amend && !judge_in_before && node->operation == CMD_UPDATE &&
		lift_filter_changed(node->ps.state, rri, map, writer, writes.updated))
	{
		trigger_list_disable(desc, desc->triggers, desc->numtriggers,
							 (Need){.judge = true, .remembers = true});
		return;
	}
	filters = (need.remembers || need.awaits) && !need.judge && !need.amend && !judge_in_before;
	need.judge |= need.remembers || need.awaits;
	need.amend |= need.remembers && judge_in_before;
	/* what a steward writes is recorded after it is written */
	if (need.amend && !need.after && node->operation == CMD_UPDATE && !writes.routes &&
		!judge_in_before && !trigger_list_others_before(desc, TRIGGER_TYPE_UPDATE) &&
		!statement_may_be_steward_query(map))
		need.judge = false;
	trigger_list_disable(desc, desc->triggers, desc->numtriggers, need);
	if (filters)
		lift_filter(node->ps.state, rri, map, moment, writer, &need);
}

/* Lifts the guard off one node that writes; *fresh: invalidations have been accepted. */
static void
lift_node(EState *estate, ModifyTableState *node, Moment *moment, bool *fresh)
{
	Writes writes;
	bool known = false;

	for (int i = 0; i < node->mt_nrels; i++)
	{
		ResultRelInfo *rri = &node->resultRelInfo[i];
		const Writer *writer;
		RelationMap *map;

		/* foreign-key actions of a table without a guard may write guarded tables */
		if (rri->ri_TrigDesc != NULL)
			moment_keep_snapshot(moment);
		if (!trigger_list_has_guard(rri->ri_TrigDesc))
			continue;
		trigger_list_arm(rri->ri_TrigDesc->triggers, rri->ri_TrigDesc->numtriggers);
		if (map_is_asking())
			continue; /* the first row will raise an error */
		if (!*fresh)
		{
			/* PostgreSQL accepted none if the session had the locks already */
			AcceptInvalidationMessages();
			*fresh = true;
		}
		/* takes the map of the statement's beginning, even if the guard is not lifted */
		map = moment_known_map(moment, RelationGetRelid(rri->ri_RelationDesc));
		writer = moment_known_writer(moment);
		if (!ownership_lift ||
			((map == NULL || writer == NULL) && moment->enforcement != ENFORCEMENT_OFF))
			continue;
		if (!known)
		{
			writes = writes_of(node);
			known = true;
		}
		lift_relation(node, rri, writes, map, moment, writer, is_foreign(rri->ri_RelationDesc));
	}
}

/*
 * The executor has started a statement: lifts the guard off its relations as far
 * as the caches allow.  Raises no error that a row of the statement would not
 * raise.
 */
void
lift_statement(QueryDesc *query)
{
	Moment *moment = statement_seen_moment();
	EState *estate = query->estate;
	PlanState *top = query->planstate;
	bool fresh = false;
	ListCell *lc;

	if (moment == NULL || estate->es_opened_result_relations == NIL)
		return;
	foreach(lc, estate->es_auxmodifytables)
		lift_node(estate, lfirst(lc), moment, &fresh);
	if (IsA(top, ModifyTableState) && !list_member_ptr(estate->es_auxmodifytables, top))
		lift_node(estate, (ModifyTableState *) top, moment, &fresh);
}

/*
 * The private list of a COPY, whose executor state cannot be reached.  The list
 * is an array in the order of the relation's own, and the called trigger is in
 * it.  NULL: code of a user may have created or dropped triggers since the COPY
 * began.
 */
static Trigger *
triggers_of_copy(TriggerData *td)
{
	TriggerDesc *desc = td->tg_relation->trigdesc;

	if (!statement_relations_are_unchanged())
		return NULL;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgoid == td->tg_trigger->tgoid)
			return td->tg_trigger - i;
	}
	return NULL;
}

/*
 * The AFTER trigger in the private list of a statement whose start was not seen.
 * It must follow the called one directly, there as in the relation's own list.
 * NULL: it does not.
 */
static Trigger *
judge_beside(TriggerData *td)
{
	TriggerDesc *desc = td->tg_relation->trigdesc;
	Trigger *called = NULL;
	Trigger *judge = NULL;
	Trigger *found;

	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgoid == td->tg_trigger->tgoid)
			called = &desc->triggers[i];
		if (desc->triggers[i].tgfoid == trigger_list_judge)
			judge = &desc->triggers[i];
	}
	if (called == NULL || judge == NULL || judge != called + 1)
		return NULL;
	found = td->tg_trigger + 1;
	return found->tgoid == judge->tgoid && found->tgfoid == trigger_list_judge ? found : NULL;
}

/*
 * BEFORE is called for the first row of a relation: arms AFTER for this
 * statement, and tells where it is in the statement's list, unless a user disabled
 * it.  Relations that were open when the statement began are armed already.  Returns
 * false where this is not possible: then AFTER may not fire for all rows, and BEFORE
 * must judge.
 */
bool
lift_arm(TriggerData *td, const Trigger **after)
{
	QueryDesc *query = statement_query();
	const Trigger *own;

	if (!trigger_list_is_guarded(td->tg_relation))
		return false;
	if (query != NULL)
	{
		ResultRelInfo *rri = statement_relation(query->estate, td->tg_trigger);

		if (rri == NULL)
			return false;
		trigger_list_arm(rri->ri_TrigDesc->triggers, rri->ri_TrigDesc->numtriggers);
		own = trigger_list_find_judge(td->tg_relation->trigdesc);
		if (own != NULL && own->tgenabled != TRIGGER_DISABLED)
			*after = trigger_list_find_judge(rri->ri_TrigDesc);
	}
	else if (statement_is_unseen())
	{
		Trigger *judge = judge_beside(td);

		if (judge == NULL)
			return false;
		trigger_list_arm(judge, 1);
	}
	else
	{
		Trigger *triggers = triggers_of_copy(td);

		if (triggers == NULL)
			return false;
		trigger_list_arm(triggers, td->tg_relation->trigdesc->numtriggers);
	}
	return true;
}

/*
 * BEFORE is called for the first row of a relation, in a worker for the second:
 * lifts the guard off the rest.  In a worker only the initial copy of a table
 * has a second row: each applied change has its own private list.
 */
void
lift_rest(TriggerData *td, RelationMap *map, Moment *moment, const Writer *writer,
		  const GuardState *state, bool applied)
{
	QueryDesc *query = statement_query();
	Writes writes = {0};
	Trigger *triggers;
	int ntriggers;

	if (!ownership_lift || !trigger_list_is_guarded(td->tg_relation))
		return;
	if (query != NULL)
	{
		ResultRelInfo *rri = statement_relation(query->estate, td->tg_trigger);
		ModifyTableState *node = rri == NULL ? NULL : statement_node_of(query, rri);

		if (node != NULL)
		{
			writes = writes_of(node);
			lift_relation(node, rri, writes, map, moment, writer, state->judge);
			if (rri->ri_RootResultRelInfo != NULL && !state->judge)
				lift_routed(node, rri, map, writes, moment, writer);
		}
		return;
	}
	if (!TRIGGER_FIRED_BY_INSERT(td->tg_event) || !(applied || statement_is_copy(map)))
		return;
	triggers = triggers_of_copy(td);
	if (triggers == NULL)
		return;
	ntriggers = td->tg_relation->trigdesc->numtriggers;
	writes.inserts = true;
	writes.meets = applied && (!state->empty || map->waits);
	writes.derives =
		applied || trigger_list_others_before(td->tg_relation->trigdesc, TRIGGER_TYPE_INSERT);
	trigger_list_disable(NULL, triggers, ntriggers,
						 lift_need(map, moment, writer, &writes, state->judge));
}
