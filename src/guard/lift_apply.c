/*
 * lift_apply.c
 *		Lifting the guard off row changes that a replication worker applies.
 *
 * The worker makes a new private trigger list for each row change.  So what is known
 * of a relation is kept for the transaction.
 *
 * - The guard's AFTER trigger does nothing for these row changes (BEFORE judges), but
 *   PostgreSQL reads the old row anew for it.  It leaves the relation's own list, in
 *   the relation cache of this worker.
 * - In a landing table of which the writer may write all, BEFORE does not fire any more
 *   for a kind of row change of which the guard has looked at enough.  From then on a
 *   change of the map takes effect with the next replicated transaction.  The rows are
 *   counted by PostgreSQL's statistics of the transaction.
 * - In a shared table the guard is called for each row.  If an UPDATE names columns
 *   that the writer may write, and nothing else can matter, the next one that names
 *   the same columns goes through at once (Clearance), as long as no invalidation, no
 *   edit and no setting has changed the reason.
 *
 * Statements that triggers, defaults or constraints run meanwhile see the list as it is:
 * it is shown before they start.  It is also shown when a subtransaction begins or ends,
 * so that the rows of each are counted apart.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "pgstat.h"
#include "replication/logicalworker.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "guard.h"

/* A relation whose own list does not have all triggers of the guard. */
typedef struct Thinned
{
	dlist_node node;
	Oid relid;
	Relation rel;
	bool is_new;		/* made in this transaction: a reset of the cache leaves its entry alone */
	TriggerDesc *whole; /* the list as it is */
	TriggerDesc *thin;	/* the one that the relation has instead */
	AppliedRows *applied;
	PgStat_TableStatus *counted;	   /* NULL: nothing counts */
	int level;						   /* of transactions */
	bool hidden[OPERATION_DELETE + 1]; /* BEFORE does not fire */
	int64 from[OPERATION_DELETE + 1];  /* the rows that were counted before */
} Thinned;

/* Why an UPDATE of a shared table needs no look; lives as long as the transaction. */
struct Clearance
{
	Oid trigger;
	uint64 changes; /* map_relation_changes() */
	uint64 marks;	/* map_marks() */
	uint64 edits;	/* map_edits */
	uint64 writer;	/* its serial */
	int enforcement;
	RelationMap *map;
	Bitmapset *updated;
};

static dlist_head thinned = DLIST_STATIC_INIT(thinned);

/* The rows of a kind that the (sub)transaction of that level has written, by statistics. */
static int64
rows_written(const PgStat_TableStatus *counted, int level, Operation operation)
{
	const PgStat_TableXactStatus *trans = counted == NULL ? NULL : counted->trans;

	if (trans == NULL || trans->nest_level != level)
		return 0;
	return operation == OPERATION_INSERT   ? trans->tuples_inserted
		   : operation == OPERATION_UPDATE ? trans->tuples_updated
										   : trans->tuples_deleted;
}

/* The relation's list is to be as it is again: counts the rows that BEFORE has not seen. */
static void
end(Thinned *t)
{
	for (Operation operation = OPERATION_INSERT; operation <= OPERATION_DELETE; operation++)
		if (t->hidden[operation])
			applied_further(t->applied, operation,
							rows_written(t->counted, t->level, operation) - t->from[operation],
							t->level);
	dlist_delete(&t->node);
	pfree(t);
}

static void
show(Thinned *t)
{
	t->rel->trigdesc = t->whole;
	FreeTriggerDesc(t->thin);
	end(t);
}

/* The map may have changed, or the lists are needed as they are. */
void
lift_apply_show(void)
{
	while (unlikely(!dlist_is_empty(&thinned)))
		show(dlist_head_element(Thinned, node, &thinned));
}

/* A statement is about to start: it sees the lists as they are. */
void
lift_apply_disturb(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &thinned)
	{
		Thinned *t = dlist_container(Thinned, node, iter.cur);

		t->applied->disturbed = true;
	}
	lift_apply_show();
}

/* A (sub)transaction is about to end, or one has begun within it. */
void
lift_apply_settle(bool aborted)
{
	lift_apply_show();
	applied_settle(aborted);
}

/*
 * A relation's entry in the cache was invalidated; InvalidOid: all were.  It has a new
 * list, or it is no longer there.
 */
void
lift_apply_forget(Oid relid)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &thinned)
	{
		Thinned *t = dlist_container(Thinned, node, iter.cur);

		if (OidIsValid(relid) && t->relid != relid)
			continue;
		if (!OidIsValid(relid) && t->is_new)
		{
			show(t);
			continue;
		}
		FreeTriggerDesc(t->whole);
		end(t);
	}
}

/* Takes the guard's AFTER trigger out of the relation's own list. */
static Thinned *
thin_out(Relation rel, AppliedRows *applied)
{
	TriggerDesc some = *rel->trigdesc;
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);
	Thinned *t = palloc0(sizeof(Thinned));

	some.triggers = palloc(some.numtriggers * sizeof(Trigger));
	some.numtriggers = 0;
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
		if (rel->trigdesc->triggers[i].tgfoid != trigger_list_judge)
			some.triggers[some.numtriggers++] = rel->trigdesc->triggers[i];
	t->thin = CopyTriggerDesc(&some);
	pfree(some.triggers);
	MemoryContextSwitchTo(old);
	trigger_list_compute_flags(t->thin);
	t->relid = RelationGetRelid(rel);
	t->rel = rel;
	t->is_new = compat_is_new_in_transaction(rel);
	t->whole = rel->trigdesc;
	t->applied = applied;
	t->level = GetCurrentTransactionNestLevel();
	rel->trigdesc = t->thin;
	dlist_push_tail(&thinned, &t->node);
	return t;
}

static Thinned *
find(Oid relid)
{
	dlist_iter iter;

	dlist_foreach(iter, &thinned)
	{
		Thinned *t = dlist_container(Thinned, node, iter.cur);

		if (t->relid == relid)
			return t;
	}
	return NULL;
}

/* May the writer write all of the relation, a landing table, in whatever way? */
static bool
is_all_own(const GuardCall *call)
{
	Relation rel = call->td->tg_relation;
	RelationMap *map = call->map;

	return !map_is_shared(map) && map->ancestors == NIL &&
		   rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		   map_foreign(map, call->writer) == NULL && map->blanks == NULL && map->history == NULL &&
		   map->pinned == NULL && !call->circumstances.steward &&
		   (pgstat_should_count_relation(rel) || !activity_traffic_counts()) &&
		   !trigger_list_others_before(rel->trigdesc, TRIGGER_TYPE_INSERT) &&
		   !trigger_list_others_before(rel->trigdesc, TRIGGER_TYPE_UPDATE) &&
		   !trigger_list_others_before(rel->trigdesc, TRIGGER_TYPE_DELETE);
}

/* Keeps BEFORE from firing for one kind of row change.  One such change is under way. */
static void
hide(Thinned *t, Operation operation)
{
	t->hidden[operation] = true;
	t->counted = t->rel->pgstat_info;
	t->from[operation] = rows_written(t->counted, t->level, operation) + 1;
	switch (operation)
	{
		case OPERATION_INSERT:
			t->thin->trig_insert_before_row = false;
			break;
		case OPERATION_UPDATE:
			t->thin->trig_update_before_row = false;
			break;
		default:
			t->thin->trig_delete_before_row = false;
	}
}

/*
 * Does an UPDATE of these columns need no look, except for its key?  Each one of a relay
 * does: it may change nothing, and is skipped then.
 */
static bool
is_clear(const GuardCall *call)
{
	RelationMap *map = call->map;

	return !call->circumstances.relay && call->td->tg_updatedcols != NULL && map->valid &&
		   map->history == NULL && map->pinned == NULL &&
		   !bms_overlap(call->td->tg_updatedcols, map_watched(map, call->writer));
}

/* Remembers that UPDATEs of these columns need no look. */
static void
clear(const GuardCall *call, AppliedRows *applied)
{
	struct Clearance *c = applied->clearance;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	if (c == NULL)
		c = applied->clearance = palloc0(sizeof(struct Clearance));
	bms_free(c->updated);
	c->updated = bms_copy(call->td->tg_updatedcols);
	MemoryContextSwitchTo(old);
	c->trigger = call->td->tg_trigger->tgoid;
	c->changes = map_relation_changes();
	c->marks = map_marks();
	c->edits = map_edits;
	c->writer = call->writer->serial;
	c->enforcement = call->moment->enforcement;
	c->map = call->map;
}

/*
 * A replication worker applies an UPDATE: did an earlier one of the transaction tell
 * that it needs no look?
 */
bool
lift_apply_is_clear(const TriggerData *td)
{
	AppliedRows *applied;
	const struct Clearance *c;

	if (!IsLogicalWorker() || statement_key() != NULL || !TRIGGER_FIRED_BY_UPDATE(td->tg_event))
		return false;
	AcceptInvalidationMessages();
	applied = applied_to(RelationGetRelid(td->tg_relation));
	c = applied->clearance;
	if (c == NULL || !ownership_lift || c->trigger != td->tg_trigger->tgoid ||
		c->changes != map_relation_changes() || c->marks != map_marks() || c->edits != map_edits ||
		c->enforcement != ownership_enforcement || !writer_is_still(c->writer) ||
		!map_is_of(c->map, map_time()) || !bms_equal(c->updated, td->tg_updatedcols) ||
		map_gives_key(c->map, td->tg_trigslot, td->tg_newslot))
		return false;
	applied_further(applied, OPERATION_UPDATE, 1, GetCurrentTransactionNestLevel());
	return true;
}

/*
 * BEFORE has judged a row change that a replication worker applies.  tuple: the row that
 * is written.  Lifts the guard off what follows.
 */
void
lift_apply(const GuardCall *call, HeapTuple tuple)
{
	TriggerData *td = call->td;
	Operation operation = TRIGGER_FIRED_BY_INSERT(td->tg_event)	  ? OPERATION_INSERT
						  : TRIGGER_FIRED_BY_UPDATE(td->tg_event) ? OPERATION_UPDATE
																  : OPERATION_DELETE;
	Relation rel = td->tg_relation;
	AppliedRows *applied;
	Thinned *t;

	if (tuple == NULL || !call->applied || call->state->moment != NULL || !IsLogicalWorker())
		return;
	applied = applied_to(RelationGetRelid(rel));
	if (!activity_traffic_counts())
		applied->rows[operation]++;
	if (applied->rows[operation] < APPLIED_LOOKED || !ownership_lift ||
		!trigger_list_is_guarded(rel))
		return;
	if (operation == OPERATION_UPDATE && tuple == td->tg_newtuple && is_clear(call))
		clear(call, applied);
#ifndef RELCACHE_FORCE_RELEASE /* such a server forgets a relation when it is closed */
	if (applied->disturbed)
		return;
	t = find(RelationGetRelid(rel));
	if (t == NULL)
		t = thin_out(rel, applied);
	if (!t->hidden[operation] && is_all_own(call) &&
		!(operation == OPERATION_UPDATE && call->circumstances.relay))
		hide(t, operation);
#endif
}
