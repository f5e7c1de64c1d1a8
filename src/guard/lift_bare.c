/*
 * lift_bare.c
 *		Statements that start without a copy of the guard's triggers.
 *
 * The executor copies a relation's trigger list when it starts a statement.  If the same
 * was found out before of an INSERT or UPDATE of the same columns by the same writer
 * (FreeWrite), the guard would be disabled in the whole copy.  If the list also contains
 * nothing but the guard, the relation has no list while the executor starts the statement:
 * that saves the copy, and all looks at it.
 *
 * lift.c says why entries may not be removed: AFTER events of other writes may execute
 * through the list.  Here there are none: the statement has one node that writes, and no
 * foreign key leads to or from the relation, as its triggers would be in the list.
 *
 * The list is back before anybody else can read it: when the executor has started the
 * statement, when another statement or utility command starts within, and at the abort of
 * a (sub)transaction.  If this session edits the map while the statement runs, lift_undo()
 * gives the statement a copy.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* The relation that has no list now; `whole` is NULL: none. */
static Relation bare = NULL;
static Oid bare_relid = InvalidOid;
static bool bare_is_new = false; /* made in this transaction: a reset of the cache leaves it alone */
static TriggerDesc *whole = NULL;

/* The relation has its list again. */
void
lift_bare_show(void)
{
	if (likely(whole == NULL))
		return;
	bare->trigdesc = whole;
	whole = NULL;
}

/*
 * A relation's entry in the cache was invalidated; InvalidOid: all were.  It has a new
 * list, or it is no longer there.
 */
void
lift_bare_forget(Oid relid)
{
	if (likely(whole == NULL) || (OidIsValid(relid) && relid != bare_relid))
		return;
	if (!OidIsValid(relid) && bare_is_new)
		lift_bare_show();
	else
	{
		FreeTriggerDesc(whole);
		whole = NULL;
	}
}

/* Does the list contain nothing that fires when rows are written, but the guard? */
bool
lift_bare_is_alone(const TriggerDesc *desc)
{
	if (!trigger_list_has_guard(desc))
		return false;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (!trigger_list_is_guards(&desc->triggers[i]) &&
			(desc->triggers[i].tgtype & ~TRIGGER_TYPE_BEFORE) != TRIGGER_TYPE_TRUNCATE)
			return false;
	}
	return true;
}

/* What is known of the statement, which writes this relation alone; NULL: not enough. */
static const FreeWrite *
find_free(const ModifyTable *plan, PlannedStmt *statement, RangeTblEntry *rte,
		  const RelationMap *map)
{
	CompatPerms perms = compat_rte_perms(statement, rte);
	const FreeWrite *write;

	if (map == NULL || !map->mapped || map->waits)
		return NULL;
	if (plan->operation == CMD_UPDATE)
	{
		write = &map->free_update;
		if (perms.updated == NULL || map->blanks != NULL ||
			!bms_equal(write->columns, perms.updated))
			return NULL;
	}
	else
	{
		/* a view, through which it may go, would be in the range table */
		write = &map->free_insert;
		if (plan->operation != CMD_INSERT || plan->onConflictAction != ONCONFLICT_NONE ||
			list_length(statement->rtable) > 2 || perms.inserted == NULL ||
			write->named != map->relid || !bms_equal(write->columns, perms.inserted))
			return NULL;
	}
	return write->serial != 0 && write->enforcement == (Enforcement) ownership_enforcement &&
				   writer_is_still(write->serial)
			   ? write
			   : NULL;
}

/* The executor is about to start a statement.  Remembers in *start what it is known by. */
void
lift_bare_begin(BareStart *start, QueryDesc *query, int eflags)
{
#ifndef RELCACHE_FORCE_RELEASE /* such a server forgets a relation when it is closed */
	PlannedStmt *statement = query->plannedstmt;
	const ModifyTable *plan = (const ModifyTable *) statement->planTree;
	RangeTblEntry *rte;
	Relation rel;

	if ((eflags & (EXEC_FLAG_EXPLAIN_ONLY | EXEC_FLAG_SKIP_TRIGGERS)) != 0 ||
		!IsA(plan, ModifyTable) || list_length(statement->resultRelations) != 1 ||
		statement->subplans != NIL || plan->rootRelation > 0 || !ownership_lift || map_is_asking())
		return;
	rte = rt_fetch(linitial_int(statement->resultRelations), statement->rtable);
	/* PostgreSQL accepted none if the session had the lock already */
	AcceptInvalidationMessages();
	start->map = map_known(rte->relid, map_time());
	start->write = find_free(plan, statement, rte, start->map);
	if (start->write == NULL)
		return;
	/* it is locked, because the statement is about to start */
	rel = RelationIdGetRelation(rte->relid);
	if (rel == NULL)
		return;
	if (start->map->valid && rel->rd_rel->relkind == RELKIND_RELATION &&
		lift_bare_is_alone(rel->trigdesc))
	{
		bare = rel;
		bare_relid = rte->relid;
		bare_is_new = compat_is_new_in_transaction(rel);
		whole = rel->trigdesc;
		rel->trigdesc = NULL;
		start->bare = true;
		start->marks = map_marks();
		start->edits = map_edits;
	}
	RelationClose(rel);
#endif
}

/*
 * The executor has started the statement, whose moment has begun.  True: it runs without
 * the guard.
 */
bool
lift_bare_end(const BareStart *start, QueryDesc *query)
{
	EState *estate = query->estate;
	const FreeWrite *write = start->write;
	Moment *moment;
	ResultRelInfo *rri;

	lift_bare_show();
	if (!start->bare || estate->es_opened_result_relations == NIL)
		return false;
	rri = linitial(estate->es_opened_result_relations);
	if (rri->ri_TrigDesc != NULL)
		return false;
	moment = statement_seen_moment();
	if (moment == NULL || start->marks != map_marks() || start->edits != map_edits ||
		!map_is_of(start->map, moment->began) || write->enforcement != moment->enforcement)
	{
		lift_undo_bare(rri, estate);
		return false;
	}
	lift_free(write, start->map, moment, moment_known_writer(moment),
			  query->operation == CMD_INSERT);
	return true;
}

/* Gives a statement the copy of the list, with the guard, that it started without. */
void
lift_undo_bare(ResultRelInfo *rri, EState *estate)
{
	TriggerDesc *own = rri->ri_RelationDesc->trigdesc;
	MemoryContext old;

	if (rri->ri_TrigDesc != NULL || !trigger_list_has_guard(own))
		return;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	rri->ri_TrigDesc = CopyTriggerDesc(own);
	rri->ri_TrigFunctions = palloc0(own->numtriggers * sizeof(FmgrInfo));
	rri->ri_TrigWhenExprs = palloc0(own->numtriggers * sizeof(ExprState *));
	if (estate->es_instrument != 0)
		rri->ri_TrigInstrument = InstrAlloc(own->numtriggers, estate->es_instrument, false);
	MemoryContextSwitchTo(old);
	trigger_list_arm(rri->ri_TrigDesc->triggers, rri->ri_TrigDesc->numtriggers);
}
