/*
 * settings.c
 *		The variables of the settings, and the names of policies.  init.c defines the
 *		settings.
 *
 * Every setting that can weaken the guard is PGC_SUSET: only a superuser, or a
 * role with GRANT SET ON PARAMETER, may set it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_loaded);
PG_FUNCTION_INFO_V1(ownership_remember_time);
PG_FUNCTION_INFO_V1(ownership_library_version);

/*
 * The system that the session writes as.  An empty string, or NULL before the
 * setting is defined, names no system.
 */
char *ownership_system = NULL;

/* An Enforcement: the policies apply, all writes are only observed, or the guard does nothing. */
int ownership_enforcement = ENFORCEMENT_ON;

/* A Policy: of fields that have none, and whose domain has none. */
int ownership_default_policy = POLICY_REJECT;

/* Whether statements that cannot violate the map run without the guard's triggers. */
bool ownership_lift = true;

/* Number of rows of one statement whose observed writes are recorded in full. */
int ownership_observed_limit = 1000;

/* Bytes above which evidence has only the length of an allowed or rejected value. */
int ownership_value_limit = 8192;

/* Minutes for which values that a DELETE took along are remembered; 0: until the transaction ends. */
int ownership_remember = 7 * 24 * 60;

/* Whether the worker guards tables that arrive on the map by replication. */
bool ownership_guard_arriving = false;

/* The channel on which the worker notifies; empty: none. */
char *ownership_notify = NULL;

/* Whether reads are counted. */
bool ownership_track_reads = true;

/* Milliseconds, at least, between two hand-overs of a session, and two writes of the worker. */
int ownership_flush_interval = 1000;

/* Number of counters in shared memory, one for each column and writer. */
int ownership_activity_size = 16384;

/* Kilobytes of shared memory for rejected attempts. */
int ownership_queue_size = 1024;

const struct config_enum_entry policy_options[] = {{"observe", POLICY_OBSERVE, false},
												   {"fill", POLICY_FILL, false},
												   {"create_only", POLICY_CREATE_ONLY, false},
												   {"keep", POLICY_KEEP, false},
												   {"reject", POLICY_REJECT, false},
												   {NULL, 0, false}};

/* The policy's name; NULL for UNSET. */
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

/*
 * The reverse; UNSET for NULL and for unknown names, which a CHECK constraint keeps
 * out of the tables.
 */
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

/*
 * loaded(): always true.  A query that reads the settings calls it first, because a
 * session has them only when the library is loaded.
 */
Datum
ownership_loaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* library_version(): the version of the extension that the library was built as. */
Datum
ownership_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(OWNERSHIP_VERSION));
}

/* remember_time(): the setting ownership.remember as an interval. */
Datum
ownership_remember_time(PG_FUNCTION_ARGS)
{
	Interval *time = palloc0(sizeof(Interval));

	time->time = ownership_remember * USECS_PER_MINUTE;
	PG_RETURN_INTERVAL_P(time);
}
