/*
 * lift_routed.c
 *		Lifting the guard off partitions before an INSERT routes rows to them.
 *
 * The executor copies a partition's trigger list when it has the first row for it, and
 * calls no hook.  So the guard is called for that row, and is lifted off the rest.  A
 * statement that goes on to further partitions would pay for that once for each.  So when
 * it has opened some, the guard is hidden (lift_hide.c) from it in those that it may open
 * next, as far as this session has written them before: what is cached of them tells what
 * they need.  The executor then copies lists in which the guard is disabled.
 *
 * Everything that shows the triggers again (another statement that starts within this
 * one, a trigger of the guard that fires) costs no more than that the guard is called
 * once for the partitions that are opened after it.  The triggers are shown when the
 * statement has run, or fails.
 *
 * The partitions are not locked.  What is read of one is its entry in the relation cache,
 * which is valid, because no invalidation has come since its map was loaded.  If one comes
 * when the executor locks the partition, the entry gets a new list, with all triggers.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "partitioning/partdesc.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"

#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/*
 * A statement that has opened some partitions is expected to open as many times that of
 * further ones: those that follow in the order of the partitions' bounds are looked at.
 * All looks together cost at most twice that, so a statement whose rows go elsewhere pays a
 * part of what the partitions cost that it has opened.
 */
#define AHEAD_OF_OPENED 16
#define OPENED_AT_LEAST 2

/* Hides the guard's triggers that the statement does not need on one partition. */
static void
hide_from(EState *estate, Oid relid, Writes writes, const Moment *moment, const Writer *writer)
{
	RelationMap *map = moment_peek_map(moment, relid);
	Relation rel;
	Need need;
	bool alone;

	/* where something waits, AFTER gets a condition in the private list */
	if (map == NULL || !map->mapped || map->waits)
		return;
	rel = RelationIdGetRelation(relid);
	if (rel == NULL)
		return;
	alone = lift_bare_is_alone(rel->trigdesc);
	if (map->valid && rel->rd_rel->relkind == RELKIND_RELATION &&
		(alone || (trigger_list_has_guard(rel->trigdesc) &&
				   !trigger_list_others_before(rel->trigdesc, TRIGGER_TYPE_INSERT))))
	{
		need = lift_need(map, moment, writer, &writes, false);
		if (alone && !need.amend && !need.judge && OidIsValid(writes.named))
			lift_hide_list(rel, estate->es_query_cxt);
		else if (!need.amend && !need.awaits && !need.remembers)
			lift_hide(rel, need, estate->es_query_cxt);
	}
	RelationClose(rel);
}

/* Ends the current resource owner, which owns nothing any more, and goes back to another. */
static void
release_owner(ResourceOwner back)
{
	ResourceOwner ended = CurrentResourceOwner;

	CurrentResourceOwner = back;
	ResourceOwnerRelease(ended, RESOURCE_RELEASE_BEFORE_LOCKS, true, false);
	ResourceOwnerRelease(ended, RESOURCE_RELEASE_LOCKS, true, false);
	ResourceOwnerRelease(ended, RESOURCE_RELEASE_AFTER_LOCKS, true, false);
	ResourceOwnerDelete(ended);
}

/*
 * BEFORE was called for the first row that an INSERT routed to a partition, and the guard
 * was lifted off the rest: hides it from the statement in partitions of the same table
 * that it may open next.
 */
void
lift_routed(ModifyTableState *node, const ResultRelInfo *rri, const RelationMap *map, Writes writes,
			Moment *moment, const Writer *writer)
{
	EState *estate = node->ps.state;
	int opened = list_length(estate->es_tuple_routing_result_relations);
	ResourceOwner owner = CurrentResourceOwner;
	Relation parent;
	PartitionDesc partitions;
	int place = 0;
	int n;

	if (opened < OPENED_AT_LEAST || node->operation != CMD_INSERT || writes.updates ||
		map->ancestors == NIL)
		return;
	/*
	 * An owner for what is opened here, and closed at once: that of the statement owns so
	 * much that it finds things slowly.
	 */
	CurrentResourceOwner = ResourceOwnerCreate(owner, "ownership partitions");
	/* the executor has it open and locked, to route the row */
	parent = RelationIdGetRelation(linitial_oid(map->ancestors));
	partitions = parent == NULL ? NULL : parent->rd_partdesc;
	n = partitions == NULL ? 0 : Min(partitions->nparts - 1, AHEAD_OF_OPENED * opened);
	if (n > 0 && moment->looked + n <= 2 * AHEAD_OF_OPENED * opened)
	{
		moment->looked += n;
		while (place < partitions->nparts - 1 && partitions->oids[place] != map->relid)
			place++;
		for (int i = 1; i <= n; i++)
		{
			int next = (place + i) % partitions->nparts;

			if (partitions->is_leaf[next] && partitions->oids[next] != map->relid)
				hide_from(estate, partitions->oids[next], writes, moment, writer);
		}
	}
	if (parent != NULL)
		RelationClose(parent);
	release_owner(owner);
}
