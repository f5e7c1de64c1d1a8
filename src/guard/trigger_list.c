/*
 * trigger_list.c
 *		The triggers of a statement's private list: which of them are the guard's, how they
 *		are disabled, and how that is undone.
 *
 * The guard never removes an entry of the list: see lift.c.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "guard.h"

/* A private trigger list from which the guard was lifted; lives in the list's memory context. */
typedef struct Lifted
{
	dlist_node node;
	MemoryContextCallback gone;
	TriggerDesc *desc; /* NULL: only its triggers can be reached */
	TriggerDesc saved; /* *desc as it was */
	Trigger *triggers;
	int ntriggers;
	bool undone;						 /* the guard is back: this is in no list any more */
	char enabled[FLEXIBLE_ARRAY_MEMBER]; /* tgenabled as it was */
} Lifted;

static dlist_head lifted = DLIST_STATIC_INIT(lifted);

/* The guard's row trigger functions; InvalidOid: not looked up. */
static Oid trigger_list_amend = InvalidOid;
Oid trigger_list_judge = InvalidOid;

/*
 * What tgqual of the guard's AFTER trigger is in a private list where it has a
 * condition.  PostgreSQL does not read this text, because the condition is there
 * already, as an expression that is ready to be evaluated.
 */
char trigger_list_condition[] = "";

/* A function or a schema changed: the next caller looks the guard's functions up again. */
void
trigger_list_forget_functions(void)
{
	trigger_list_amend = trigger_list_judge = InvalidOid;
}

static Oid
guard_function(const char *name)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_namespace_oid(OWNERSHIP_SCHEMA, true)));
}

/* A trigger is known by its function: any role may give a trigger any name. */
bool
trigger_list_is_guards(const Trigger *trigger)
{
	return trigger->tgfoid == trigger_list_amend || trigger->tgfoid == trigger_list_judge;
}

/*
 * Looks up the guard's functions, if some trigger of the list may be one of the
 * guard: so this is cheap for lists without triggers of users.  Each look-up
 * may accept an invalidation, which replaces a relation's own list.
 */
static void
find_functions(const TriggerDesc *desc)
{
	bool found = false;
	Oid amend;
	Oid judge;

	if (desc == NULL || OidIsValid(trigger_list_amend))
		return;
	for (int i = 0; i < desc->numtriggers && !found; i++)
		found = desc->triggers[i].tgfoid >= FirstNormalObjectId;
	if (!found)
		return;
	amend = guard_function("guard_amend");
	judge = guard_function("guard_judge");
	trigger_list_amend = amend;
	trigger_list_judge = judge;
}

static bool
contains_guard(const TriggerDesc *desc)
{
	if (desc == NULL || !OidIsValid(trigger_list_amend))
		return false;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (trigger_list_is_guards(&desc->triggers[i]))
			return true;
	}
	return false;
}

/* Does a statement's private list contain a trigger of the guard? */
bool
trigger_list_has_guard(const TriggerDesc *desc)
{
	find_functions(desc);
	return contains_guard(desc);
}

/* Does the relation's own list, as it is after the look-up, contain one? */
bool
trigger_list_is_guarded(Relation rel)
{
	find_functions(rel->trigdesc);
	return contains_guard(rel->trigdesc);
}

/* Does an enabled ROW trigger of the list fire at this time for this event? */
bool
trigger_list_fires(const TriggerDesc *desc, int timing, int event)
{
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgenabled != TRIGGER_DISABLED &&
			TRIGGER_TYPE_MATCHES(desc->triggers[i].tgtype, TRIGGER_TYPE_ROW, timing, event))
			return true;
	}
	return false;
}

/* Does the list contain another BEFORE ROW trigger than the guard's, for this event? */
bool
trigger_list_others_before(const TriggerDesc *desc, int event)
{
	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgenabled != TRIGGER_DISABLED &&
			!trigger_list_is_guards(&desc->triggers[i]) &&
			TRIGGER_TYPE_MATCHES(desc->triggers[i].tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
								 event))
			return true;
	}
	return false;
}

/*
 * The same for the private list of the called trigger.  Reads the relation's own
 * list instead; true, too, if that contains no guard any more.
 */
bool
trigger_list_others_fire_before(TriggerData *td, int event)
{
	return !trigger_list_is_guarded(td->tg_relation) ||
		   trigger_list_others_before(td->tg_relation->trigdesc, event);
}

/*
 * May another BEFORE ROW trigger fire for this event after the called one, which is the
 * guard's?  It may change the row again, or suppress it.
 */
bool
trigger_list_others_fire_later(TriggerData *td, int event)
{
	const TriggerDesc *desc = td->tg_relation->trigdesc;
	char off = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ? TRIGGER_FIRES_ON_ORIGIN
																		  : TRIGGER_FIRES_ON_REPLICA;

	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		const Trigger *trigger = &desc->triggers[i];

		if (trigger->tgenabled != TRIGGER_DISABLED && trigger->tgenabled != off &&
			strcmp(trigger->tgname, td->tg_trigger->tgname) > 0 &&
			TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, event))
			return true;
	}
	return false;
}

/* Computes the list's flags for row triggers from the triggers that are enabled. */
void
trigger_list_compute_flags(TriggerDesc *desc)
{
	desc->trig_insert_before_row &=
		trigger_list_fires(desc, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT);
	desc->trig_insert_after_row &= trigger_list_fires(desc, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT);
	desc->trig_update_before_row &=
		trigger_list_fires(desc, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_UPDATE);
	desc->trig_update_after_row &= trigger_list_fires(desc, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_UPDATE);
	desc->trig_delete_before_row &=
		trigger_list_fires(desc, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_DELETE);
	desc->trig_delete_after_row &= trigger_list_fires(desc, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_DELETE);
}

/* Disables the guard's triggers in a private list, for writes that it makes itself. */
void
trigger_list_silence(TriggerDesc *desc)
{
	if (!trigger_list_has_guard(desc))
		return;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (trigger_list_is_guards(&desc->triggers[i]))
			desc->triggers[i].tgenabled = TRIGGER_DISABLED;
	}
	trigger_list_compute_flags(desc);
}

static void
forget_lifted(void *arg)
{
	Lifted *lift = arg;

	if (!lift->undone)
		dlist_delete(&lift->node);
}

/*
 * Disables the guard's triggers that are not needed in a private list.  desc:
 * NULL where only the triggers can be reached.
 */
void
trigger_list_disable(TriggerDesc *desc, Trigger *triggers, int ntriggers, Need need)
{
	MemoryContext cxt = GetMemoryChunkContext(triggers);
	Lifted *lift = MemoryContextAlloc(cxt, offsetof(Lifted, enabled) + ntriggers);
	bool any = need.remembers; /* trigger_list_filter() follows, and is undone, too */

	for (int i = 0; i < ntriggers; i++)
	{
		lift->enabled[i] = triggers[i].tgenabled;
		if (trigger_list_is_guards(&triggers[i]) &&
			!(triggers[i].tgfoid == trigger_list_amend ? need.amend : need.judge))
		{
			triggers[i].tgenabled = TRIGGER_DISABLED;
			any = true;
		}
	}
	if (!any)
	{
		pfree(lift);
		return;
	}
	lift->desc = desc;
	lift->triggers = triggers;
	lift->ntriggers = ntriggers;
	lift->undone = false;
	if (desc != NULL)
	{
		lift->saved = *desc;
		trigger_list_compute_flags(desc);
	}
	lift->gone.func = forget_lifted;
	lift->gone.arg = lift;
	MemoryContextRegisterResetCallback(cxt, &lift->gone);
	dlist_push_tail(&lifted, &lift->node);
}

/*
 * Gives the guard's AFTER trigger a condition, which PostgreSQL evaluates before it
 * queues an event for a row.
 */
void
trigger_list_filter(ResultRelInfo *rri, ExprState *condition)
{
	TriggerDesc *desc = rri->ri_TrigDesc;

	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgfoid != trigger_list_judge || desc->triggers[i].tgqual != NULL)
			continue;
		desc->triggers[i].tgqual = trigger_list_condition;
		rri->ri_TrigWhenExprs[i] = condition;
	}
}

/*
 * Undoes lifting everywhere, because the reasons for it may no longer be true.
 */
void
lift_undo(void)
{
	while (!dlist_is_empty(&lifted))
	{
		Lifted *lift = dlist_head_element(Lifted, node, &lifted);

		for (int i = 0; i < lift->ntriggers; i++)
		{
			lift->triggers[i].tgenabled = lift->enabled[i];
			if (lift->triggers[i].tgqual == trigger_list_condition)
				lift->triggers[i].tgqual = NULL;
		}
		if (lift->desc != NULL)
			*lift->desc = lift->saved;
		dlist_delete(&lift->node);
		lift->undone = true;
	}
}
