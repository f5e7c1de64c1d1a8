/*
 * stored_functions.c
 *		The functions of the triggers that fire where the extension itself writes rows.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "nodes/execnodes.h"
#include "utils/reltrigger.h"

#include "catalog.h"

/*
 * Looks up the functions of the row triggers that an event (TRIGGER_TYPE_INSERT, ...) fires,
 * if they have not been looked up before.  cxt lives as long as rri.
 *
 * Else the executor looks up a function at its first call.  What the function remembers from
 * one call to the next (fn_extra) is then in the memory context of that moment, which may be
 * that of one row.
 */
void
stored_functions_find(ResultRelInfo *rri, int16 event, MemoryContext cxt)
{
	TriggerDesc *triggers = rri->ri_TrigDesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgenabled != TRIGGER_DISABLED && (trigger->tgtype & TRIGGER_TYPE_ROW) != 0 &&
			(trigger->tgtype & event) != 0 && !OidIsValid(rri->ri_TrigFunctions[i].fn_oid))
			fmgr_info_cxt(trigger->tgfoid, &rri->ri_TrigFunctions[i], cxt);
	}
}
