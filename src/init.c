/*
 * init.c
 *		The entry point of the library: it defines the settings and starts the modules.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/base.h"
#include "statement/statement.h"
#include "activity/activity.h"
#include "ownership.h"

OWNERSHIP_MODULE_MAGIC;

static const struct config_enum_entry enforcement_options[] =
	{{"on", ENFORCEMENT_ON, false},	   {"observe", ENFORCEMENT_OBSERVE, false},
	 {"off", ENFORCEMENT_OFF, false},  {"true", ENFORCEMENT_ON, true},
	 {"false", ENFORCEMENT_OFF, true}, {"yes", ENFORCEMENT_ON, true},
	 {"no", ENFORCEMENT_OFF, true},	   {"1", ENFORCEMENT_ON, true},
	 {"0", ENFORCEMENT_OFF, true},	   {NULL, 0, false}};

PGDLLEXPORT void _PG_init(void);

/* NOTIFY takes names of that length. */
static bool
check_channel(char **channel, void **extra, GucSource source)
{
	if (strlen(*channel) < NAMEDATALEN)
		return true;
	GUC_check_errdetail("The name of a channel has at most %d bytes.", NAMEDATALEN - 1);
	return false;
}

void
_PG_init(void)
{
	GucContext sizes;

	DefineCustomStringVariable("ownership.system", "Names the system that this session writes as.",
							   "Middleware that carries several systems over one role sets it. "
							   "An empty value names no system. With a name that is not in the table ownership.system, "
							   "the first guarded write fails. "
							   "A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							   &ownership_system, "", PGC_SUSET, GUC_REPORT, NULL, NULL, NULL);

	DefineCustomEnumVariable("ownership.enforcement",
							 "Decides whether the guard enforces the ownership map.",
							 "on: the policies apply. observe: the guard lets every write through "
							 "and records the conflicts. off: the guard lets every write through and "
							 "records nothing. "
							 "A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							 &ownership_enforcement, ENFORCEMENT_ON, enforcement_options, PGC_SUSET,
							 0, NULL, NULL, NULL);

	DefineCustomEnumVariable("ownership.default_policy",
							 "Policy of fields that have neither a policy of their own nor one of their domain.",
							 "A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							 &ownership_default_policy, POLICY_REJECT, policy_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("ownership.lift",
							 "Lets statements that cannot violate the map run without the guard's triggers.",
							 "Verdicts, evidence and results are the same when it is off; "
							 "off is for comparisons. Every role may set it.",
							 &ownership_lift, true, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("ownership.observed_limit",
							"Number of rows of one statement whose observed writes are recorded in full.",
							"The guard only counts the rows above it. "
							"A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							&ownership_observed_limit, 1000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL,
							NULL);

	DefineCustomIntVariable("ownership.value_limit",
							"Size in bytes above which evidence has only the length of a value.",
							"It applies to values of writes that went through and of rejected writes. "
							"The guard records a value that it kept out whole. "
							"A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							&ownership_value_limit, 8192, 0, INT_MAX, PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ownership.remember",
							"Time for which the values of other systems in a deleted row are remembered.",
							"It applies to tables that have no time of their own. "
							"With 0 they are remembered until the transaction ends. "
							"A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							&ownership_remember, 7 * 24 * 60, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MIN,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("ownership.guard_arriving",
							 "Decides whether the worker guards tables that come on the map by replication.",
							 "A subscription that brings the map of another hub brings no guards.",
							 &ownership_guard_arriving, false, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("ownership.notify",
							   "Names the channel on which the worker notifies of conflicts.",
							   "At most once a second it tells how many rows were in conflict, by table, "
							   "system and outcome, and never their values. "
							   "An empty value names none. The server's configuration sets it.",
							   &ownership_notify, "", PGC_SIGHUP, 0, check_channel, NULL, NULL);

	DefineCustomBoolVariable("ownership.track_reads",
							 "Decides whether reads of mirrored columns are counted.",
							 "They are counted when the library is preloaded. "
							 "A superuser, or a role with GRANT SET ON PARAMETER, may set it.",
							 &ownership_track_reads, true, PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("ownership.flush_interval",
							"Time in milliseconds within which what a session has counted comes to the tables.",
							"A session hands over at most once in half of that time, and the background worker writes at most once in half of it. "
							"The server's configuration sets it.",
							&ownership_flush_interval, 1000, 10, 60 * 60 * 1000, PGC_SIGHUP,
							GUC_UNIT_MS, NULL, NULL, NULL);

	/* without preloading the sizes have no effect, and the server accepts changes of them */
	sizes = process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;
	DefineCustomIntVariable("ownership.activity_size",
							"Number of counters of activity in shared memory, each for a column and a writer.",
							"While more than half of them are in use, columns of a table that a writer uses alike share one. "
							"What does not fit waits in the sessions. "
							"With 0 neither activity nor rejected attempts are remembered. "
							"The server's configuration sets it; the server reads it when it starts.",
							&ownership_activity_size, 16384, 0, 16 * 1024 * 1024, sizes, 0, NULL,
							NULL, NULL);

	DefineCustomIntVariable("ownership.queue_size",
							"Shared memory in kilobytes for rejected attempts that are not in ownership.conflict yet.",
							"An attempt that does not fit is dropped and counted. "
							"The server's configuration sets it; the server reads it when it starts.",
							&ownership_queue_size, 1024, 16, 1024 * 1024, sizes, GUC_UNIT_KB, NULL,
							NULL, NULL);

	MarkGUCPrefixReserved("ownership");

	statement_init();
	mailbox_init();
	invalidate_register();
	hooks_install();
}
