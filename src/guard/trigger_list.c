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
static char condition_text[] = "";
static char counted_text[] = TRIGGER_COUNTED; /* see there */

/* Is it such a text? */
bool
trigger_list_is_condition(const char *tgqual)
{
	return tgqual == condition_text || tgqual == counted_text;
}

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
static inline bool
is_guards(const Trigger *trigger)
{
	return trigger->tgfoid == trigger_list_amend || trigger->tgfoid == trigger_list_judge;
}

bool
trigger_list_is_guards(const Trigger *trigger)
{
	return is_guards(trigger);
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
		if (is_guards(&desc->triggers[i]))
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

/* Makes AFTER fire for all rows that are written from now on. */
void
trigger_list_arm(Trigger *triggers, int ntriggers)
{
	for (int i = 0; i < ntriggers; i++)
		if (triggers[i].tgfoid == trigger_list_judge &&
			triggers[i].tgenabled == TRIGGER_FIRES_ON_ORIGIN)
			triggers[i].tgenabled = TRIGGER_FIRES_ALWAYS;
}

/* The guard's AFTER trigger in a statement's private list; NULL: there is none. */
const Trigger *
trigger_list_find_judge(const TriggerDesc *desc)
{
	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgfoid == trigger_list_judge)
			return &desc->triggers[i];
	}
	return NULL;
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
		if (desc->triggers[i].tgenabled != TRIGGER_DISABLED && !is_guards(&desc->triggers[i]) &&
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
 * May another ROW trigger fire for this event after the called one, which is the guard's?
 * One that fires BEFORE may change the row again, or suppress it; a constraint trigger
 * may refuse it.
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
		bool later = strcmp(trigger->tgname, td->tg_trigger->tgname) > 0;

		if (trigger->tgenabled == TRIGGER_DISABLED || trigger->tgenabled == off)
			continue;
		if ((later &&
			 TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, event)) ||
			(OidIsValid(trigger->tgconstraint) &&
			 TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_AFTER, event)))
			return true;
	}
	return false;
}

/* Computes the list's flags for row triggers from the triggers that are enabled. */
void
trigger_list_compute_flags(TriggerDesc *desc)
{
	int before = 0; /* events for which a trigger fires BEFORE ROW */
	int after = 0;

	for (int i = 0; i < desc->numtriggers; i++)
	{
		int type = desc->triggers[i].tgtype;

		if (desc->triggers[i].tgenabled == TRIGGER_DISABLED || !TRIGGER_FOR_ROW(type))
			continue;
		if (TRIGGER_FOR_BEFORE(type))
			before |= type;
		else if (TRIGGER_FOR_AFTER(type))
			after |= type;
	}
	desc->trig_insert_before_row = desc->trig_insert_before_row && TRIGGER_FOR_INSERT(before);
	desc->trig_insert_after_row = desc->trig_insert_after_row && TRIGGER_FOR_INSERT(after);
	desc->trig_update_before_row = desc->trig_update_before_row && TRIGGER_FOR_UPDATE(before);
	desc->trig_update_after_row = desc->trig_update_after_row && TRIGGER_FOR_UPDATE(after);
	desc->trig_delete_before_row = desc->trig_delete_before_row && TRIGGER_FOR_DELETE(before);
	desc->trig_delete_after_row = desc->trig_delete_after_row && TRIGGER_FOR_DELETE(after);
}

/*
 * For a write that the guard makes itself, in a subtransaction: disables its triggers in
 * a private list, and lets no constraint wait for the end of the transaction, which
 * would fail with it.
 */
void
trigger_list_silence(TriggerDesc *desc)
{
	bool guarded = trigger_list_has_guard(desc);

	if (desc == NULL)
		return;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		desc->triggers[i].tgdeferrable = desc->triggers[i].tginitdeferred = false;
		if (guarded && is_guards(&desc->triggers[i]))
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
	/* trigger_list_filter() is undone, too */
	bool any = need.remembers || need.awaits;

	for (int i = 0; i < ntriggers; i++)
	{
		lift->enabled[i] = triggers[i].tgenabled;
		if (is_guards(&triggers[i]) &&
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
 * queues an event for a row.  counts: it counts the rows for which it is false.
 */
void
trigger_list_filter(ResultRelInfo *rri, ExprState *condition, bool counts)
{
	TriggerDesc *desc = rri->ri_TrigDesc;

	for (int i = 0; i < desc->numtriggers; i++)
	{
		if (desc->triggers[i].tgfoid != trigger_list_judge || desc->triggers[i].tgqual != NULL)
			continue;
		desc->triggers[i].tgqual = counts ? counted_text : condition_text;
		rri->ri_TrigWhenExprs[i] = condition;
	}
}

/* Undoes trigger_list_disable() and trigger_list_filter() everywhere. */
void
trigger_list_undo(void)
{
	while (!dlist_is_empty(&lifted))
	{
		Lifted *lift = dlist_head_element(Lifted, node, &lifted);

		for (int i = 0; i < lift->ntriggers; i++)
		{
			lift->triggers[i].tgenabled = lift->enabled[i];
			if (trigger_list_is_condition(lift->triggers[i].tgqual))
				lift->triggers[i].tgqual = NULL;
		}
		if (lift->desc != NULL)
			*lift->desc = lift->saved;
		dlist_delete(&lift->node);
		lift->undone = true;
	}
}
