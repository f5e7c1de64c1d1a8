/*
 * lift_hide.c
 *		Hiding the guard from a COPY that is about to begin.
 *
 * COPY copies the relation's trigger list when it begins, and decides by the copy's
 * flags how it inserts rows.  No hook is called after that.  So just before, the
 * guard's triggers that the COPY does not need are disabled in the relation's own
 * list, in the relation cache of this session, and lift_show() undoes that before
 * anybody else can read the list: at the start of each statement and utility
 * command, when a trigger of the guard is called, and when the COPY ends or fails.
 *
 * Only the flags for INSERT change.  A statement is planned before it starts, and
 * the planner reads the flags for UPDATE and DELETE.
 *
 * The list is changed in place, or taken away as a whole, and a relation need not
 * stay open: it leaves the cache, or gets a new list, only by an invalidation, of
 * which lift_hide_forget() hears.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "lib/ilist.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "guard.h"

/* A relation whose own list does not show all triggers of the guard. */
typedef struct Hidden
{
	dlist_node node;
	Oid relid;
	Relation rel;
	TriggerDesc *whole; /* the relation has no list now, but this one; NULL: it has it */
	bool is_new;		/* made in this transaction: a reset of the cache leaves its entry alone */
	bool before;		/* the list's flags as they were */
	bool after;
	int ntriggers;
	char enabled[FLEXIBLE_ARRAY_MEMBER]; /* tgenabled as it was */
} Hidden;

static dlist_head hidden = DLIST_STATIC_INIT(hidden);

/*
 * Hides the guard's triggers that are not needed.  AFTER, if it is needed, fires
 * always, as in the private lists of other statements (lift.c).  cxt: lives until the
 * triggers are shown again.
 */
void
lift_hide(Relation rel, Need need, MemoryContext cxt)
{
#ifndef RELCACHE_FORCE_RELEASE /* such a server forgets a relation when it is closed */
	TriggerDesc *desc = rel->trigdesc;
	Hidden *h = MemoryContextAlloc(cxt, offsetof(Hidden, enabled) + desc->numtriggers);

	h->relid = RelationGetRelid(rel);
	h->rel = rel;
	h->whole = NULL;
	h->is_new = compat_is_new_in_transaction(rel);
	h->before = desc->trig_insert_before_row;
	h->after = desc->trig_insert_after_row;
	h->ntriggers = desc->numtriggers;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		Trigger *trigger = &desc->triggers[i];
		bool judges = trigger->tgfoid == trigger_list_judge;

		h->enabled[i] = trigger->tgenabled;
		if (!trigger_list_is_guards(trigger))
			continue;
		if (!(judges ? need.judge : need.amend))
			trigger->tgenabled = TRIGGER_DISABLED;
		else if (judges && trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN)
			trigger->tgenabled = TRIGGER_FIRES_ALWAYS;
	}
	desc->trig_insert_before_row &=
		trigger_list_fires(desc, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT);
	desc->trig_insert_after_row &= trigger_list_fires(desc, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT);
	dlist_push_tail(&hidden, &h->node);
#endif
}

/*
 * Hides the whole list, where nothing else is in it (lift_bare_is_alone()), and no other
 * node of the statement writes the relation (lift_bare.c says why).
 */
void
lift_hide_list(Relation rel, MemoryContext cxt)
{
#ifndef RELCACHE_FORCE_RELEASE
	Hidden *h = MemoryContextAlloc(cxt, offsetof(Hidden, enabled));

	h->relid = RelationGetRelid(rel);
	h->rel = rel;
	h->is_new = compat_is_new_in_transaction(rel);
	h->whole = rel->trigdesc;
	rel->trigdesc = NULL;
	dlist_push_tail(&hidden, &h->node);
#endif
}

/* Shows the guard's triggers of one relation again. */
static void
show(Hidden *h)
{
	TriggerDesc *desc = h->rel->trigdesc;

	if (h->whole != NULL)
	{
		h->rel->trigdesc = h->whole;
		dlist_delete(&h->node);
		pfree(h);
		return;
	}

	for (int i = 0; i < h->ntriggers; i++)
		desc->triggers[i].tgenabled = h->enabled[i];
	desc->trig_insert_before_row = h->before;
	desc->trig_insert_after_row = h->after;
	dlist_delete(&h->node);
	pfree(h);
}

/* Whoever reads a relation's list from here on sees it as it is. */
void
lift_show(void)
{
	lift_bare_show();
	while (unlikely(!dlist_is_empty(&hidden)))
		show(dlist_head_element(Hidden, node, &hidden));
}

/*
 * A relation's entry in the cache was invalidated; InvalidOid: all were.  It has a new
 * list, which shows all triggers, or it is no longer there.
 */
void
lift_hide_forget(Oid relid)
{
	dlist_mutable_iter iter;

	lift_bare_forget(relid);
	dlist_foreach_modify(iter, &hidden)
	{
		Hidden *h = dlist_container(Hidden, node, iter.cur);

		if (OidIsValid(relid) && h->relid != relid)
			continue;
		if (!OidIsValid(relid) && h->is_new)
		{
			show(h);
			continue;
		}
		if (h->whole != NULL)
			FreeTriggerDesc(h->whole);
		dlist_delete(&h->node);
		pfree(h);
	}
}
