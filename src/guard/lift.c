/*
 * lift.c
 *		Lifting the guard off statements that cannot violate.
 *
 * Only what a statement names can be in conflict.  Where no named column is
 * another system's, the guard's row triggers are disabled in that statement's
 * private copy of the trigger list (ri_TrigDesc), and the copy's flags are
 * computed anew: PostgreSQL then neither locks each tuple first, nor queues
 * AFTER events, nor calls us.  Entries stay where they are, because AFTER
 * events of other statements may be executed through this list, by OID, and
 * its parallel arrays go by index.  BEFORE and AFTER are decided apart: what
 * can only be rejected or recorded needs no BEFORE.
 *
 * This happens when the executor starts a statement, if map and writer are in
 * the caches; so it raises no error that a row would not have raised, and
 * reads no catalogs.  Else, and for what the executor opens later (partitions
 * that rows are routed to) or elsewhere (COPY), at the relation's first row.
 *
 * A statement is judged by the moment of its beginning (moment.c), so what
 * others change meanwhile is nothing to it.  Only when this session edits the
 * map while the statement runs, the guard is put back.
 *
 * AFTER is enabled for ordinary sessions only, and looked up when a row was
 * written: its entry in the private list is made to fire always, so that a
 * switch of session_replication_role in between loses no row.  (For a worker's
 * own row changes BEFORE judges: on a partition AFTER would leak a relcache
 * reference for each of them.)
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

/* What a statement may do to the rows of one relation. */
typedef struct Writes
{
	bool inserts;
	bool updates;
	bool deletes;
	bool routes;			  /* an UPDATE may send rows to other partitions */
	bool moves;				  /* a trigger may, whatever it names */
	bool derives;			  /* unnamed columns may get other values than defaults */
	const Bitmapset *updated; /* the columns that UPDATE names; NULL: all */
} Writes;

/* Could a write of the column be in conflict, whatever the row? */
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
		/* an action is told from other statements in BEFORE only */
		need->amend |= verdict == VERDICT_KEEP || verdict == VERDICT_DISCARD || judge_in_before ||
					   circumstances->cascade;
	}
}

/*
 * The guard's triggers that a statement needs on one relation.  map and writer
 * may be unknown, NULL, with enforcement off.
 */
static Need
need_for(RelationMap *map, const Moment *moment, const Writer *writer, const Writes *writes,
		 bool judge_in_before)
{
	Need need = {false, false};
	Circumstances circumstances;
	Insertion insertion;

	if (moment->enforcement == ENFORCEMENT_OFF || !map->mapped)
		return need;
	if (writes->moves || (writes->routes && (writes->updated == NULL ||
											 bms_overlap(writes->updated, map->partition_attrs))))
	{
		/* also where all is the writer's: another partition may differ */
		need.amend = need.judge = true;
		return need;
	}
	if (map_foreign(map, writer) == NULL)
		return need;
	circumstances = statement_circumstances(moment, writer);
	if (writes->inserts)
		insertion_find(&insertion, map, NULL, false);
	for (int i = 0; i < map->ncols && !(need.amend && need.judge); i++)
	{
		const MappedColumn *col = &map->cols[i];

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
		/* AFTER is to know what only BEFORE can tell */
		need.amend = need.amend || (need.judge && insertion_is_open(&insertion, map, col));
	}
	return need;
}

/* Make AFTER fire for all rows that are written from now on. */
static void
arm(Trigger *triggers, int ntriggers)
{
	for (int i = 0; i < ntriggers; i++)
		if (triggers[i].tgfoid == trigger_list_judge &&
			triggers[i].tgenabled == TRIGGER_FIRES_ON_ORIGIN)
			triggers[i].tgenabled = TRIGGER_FIRES_ALWAYS;
}

/* Does the statement write through a view?  It can have defaults of its own. */
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
	 * The halves of a move fire on different partitions, which must be lifted
	 * together or not at all.
	 */
	if (writes.updates && plan->rootRelation > 0)
	{
		writes.routes = true;
		for (int i = 0; i < node->mt_nrels && !writes.moves; i++)
			writes.moves =
				trigger_list_others_before(node->resultRelInfo[i].ri_TrigDesc, TRIGGER_TYPE_UPDATE);
	}
	writes.derives = writes.inserts && goes_through_view(node->ps.state);
	return writes;
}

static bool
is_foreign(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
}

static void
lift_relation(EState *estate, ResultRelInfo *rri, Writes writes, RelationMap *map,
			  const Moment *moment, const Writer *writer, bool judge_in_before)
{
	TriggerDesc *desc = rri->ri_TrigDesc;

	writes.derives |= writes.inserts && trigger_list_others_before(desc, TRIGGER_TYPE_INSERT);
	if (writes.updates)
		writes.updated = ExecGetUpdatedCols(rri, estate);
	trigger_list_disable(desc, desc->triggers, desc->numtriggers,
						 need_for(map, moment, writer, &writes, judge_in_before));
}

/*
 * The executor has started a statement: lift what can be lifted with what is
 * known by now.  Raises no error that a row of the statement would not.
 */
void
lift_statement(QueryDesc *query)
{
	Moment *moment = statement_seen_moment();
	EState *estate = query->estate;
	bool fresh = false;
	ListCell *lc;

	if (moment == NULL || estate->es_opened_result_relations == NIL)
		return;

	foreach(lc, statement_nodes(query))
	{
		ModifyTableState *node = lfirst(lc);
		Writes writes;
		bool known = false;

		for (int i = 0; i < node->mt_nrels; i++)
		{
			ResultRelInfo *rri = &node->resultRelInfo[i];
			const Writer *writer;
			RelationMap *map;

			/* what it sets off may be guarded even where it is not itself */
			if (rri->ri_TrigDesc != NULL)
				moment_keep_snapshot(moment);
			if (!trigger_list_has_guard(rri->ri_TrigDesc))
				continue;
			arm(rri->ri_TrigDesc->triggers, rri->ri_TrigDesc->numtriggers);
			if (map_is_asking())
				continue; /* which is an error, at the first row */
			if (!fresh)
			{
				/* locks that are held already did not look for them */
				AcceptInvalidationMessages();
				fresh = true;
			}
			/* whether it is lifted or not, this is the map of its beginning */
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
			lift_relation(estate, rri, writes, map, moment, writer,
						  is_foreign(rri->ri_RelationDesc));
		}
	}
}

/*
 * COPY: the executor's state is out of reach, but the triggers are an array
 * in the order of the relation's own, unless code of a user has meanwhile
 * created others: NULL.
 */
static Trigger *
triggers_of_copy(TriggerData *td)
{
	TriggerDesc *desc = td->tg_relation->trigdesc;

	if (!statement_relations_hold())
		return NULL;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgoid == td->tg_trigger->tgoid)
			return td->tg_trigger - i;
	}
	return NULL;
}

/*
 * The same for one trigger, AFTER, where the statement's start was not seen:
 * it is as far from the called one as in the relation's own list, if it is
 * the same there.
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
 * BEFORE is called for the first row of a relation: will AFTER come for all of
 * its rows, whatever is switched meanwhile?  What was open when the statement
 * began is armed already.
 */
bool
lift_arm(TriggerData *td)
{
	QueryDesc *query = statement_query();

	if (!trigger_list_is_guarded(td->tg_relation))
		return false;
	if (query != NULL)
	{
		ResultRelInfo *rri = statement_relation(query->estate, td->tg_trigger);

		if (rri == NULL)
			return false;
		arm(rri->ri_TrigDesc->triggers, rri->ri_TrigDesc->numtriggers);
	}
	else if (statement_is_unseen())
	{
		Trigger *judge = judge_beside(td);

		if (judge == NULL)
			return false;
		arm(judge, 1);
	}
	else
	{
		Trigger *triggers = triggers_of_copy(td);

		if (triggers == NULL)
			return false;
		arm(triggers, td->tg_relation->trigdesc->numtriggers);
	}
	return true;
}

/*
 * BEFORE is called for the first row of a relation, or the second: lift the
 * guard off the rest.  In a worker it is the second, which only the initial
 * copy of a table has: each applied change has a list of its own.
 */
void
lift_rest(TriggerData *td, RelationMap *map, const Moment *moment, const Writer *writer,
		  bool judge_in_before, bool applied)
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
			lift_relation(query->estate, rri, writes_of(node), map, moment, writer, judge_in_before);
		return;
	}
	if (!TRIGGER_FIRED_BY_INSERT(td->tg_event) || !(applied || statement_is_copy(map)))
		return;
	triggers = triggers_of_copy(td);
	if (triggers == NULL)
		return;
	ntriggers = td->tg_relation->trigdesc->numtriggers;
	writes.inserts = true;
	writes.derives =
		applied || trigger_list_others_before(td->tg_relation->trigdesc, TRIGGER_TYPE_INSERT);
	trigger_list_disable(NULL, triggers, ntriggers,
						 need_for(map, moment, writer, &writes, judge_in_before));
}
