/*
 * settings.c
 *		Loads the module: settings, hooks, callbacks; nothing else.
 *
 * Every setting that could weaken the guard is PGC_SUSET: a superuser sets
 * it, or a role with GRANT SET ON PARAMETER.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_loaded);

/* The system that middleware writes for; an empty string is no system. */
char *ownership_system = NULL;

/* Whether the map is enforced, only watched, or not looked at. */
int ownership_enforcement = ENFORCEMENT_ON;

/* The policy of fields that have none, and whose domain has none. */
int ownership_default_policy = POLICY_REJECT;

/* Whether statements that cannot violate the map are spared the guard. */
bool ownership_lift = true;

/* Observed rows of one statement that are recorded in full. */
int ownership_observed_limit = 1000;

/* Bytes above which an allowed or rejected value is noted by its length. */
int ownership_value_limit = 8192;

/* Whether reads are counted. */
bool ownership_track_reads = true;

/* Milliseconds between two hand-overs of a session, and two writes of a worker, at least. */
int ownership_flush_interval = 1000;

/* Counters in shared memory, one for each column and writer. */
int ownership_activity_size = 16384;

/* Kilobytes of shared memory for rejected attempts. */
int ownership_queue_size = 1024;

const struct config_enum_entry policy_options[] = {{"observe", POLICY_OBSERVE, false},
												   {"fill", POLICY_FILL, false},
												   {"keep", POLICY_KEEP, false},
												   {"reject", POLICY_REJECT, false},
												   {NULL, 0, false}};

/* The policy's name, or NULL for UNSET. */
const char *
policy_name(Policy policy)
{
	for (int i = 0; policy_options[i].name != NULL; i++)
	{
		if (policy_options[i].val == (int) policy)
			return policy_options[i].name;
	}
	return NULL;
}

/* The reverse; NULL and unknown names (a CHECK keeps them out) are UNSET. */
Policy
policy_from_name(const char *name)
{
	for (int i = 0; name != NULL && policy_options[i].name != NULL; i++)
	{
		if (strcmp(policy_options[i].name, name) == 0)
			return (Policy) policy_options[i].val;
	}
	return POLICY_UNSET;
}

/* For a view of settings: a session has them once the library is loaded. */
Datum
ownership_loaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
