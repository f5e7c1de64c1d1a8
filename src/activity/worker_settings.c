/*
 * worker_settings.c
 *		The settings of the background worker.
 *
 * A database or a role may have settings under which the worker would wait, fail or
 * resolve names in another way.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "../base/base.h"
#include "activity.h"

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* Sets in the worker what the settings of a database or a role may have changed. */
void
activity_fix_settings(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("session_replication_role", "replica");
	set("default_transaction_read_only", "off");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_deferrable", "off");
	set("row_security", "on");
	set("statement_timeout", "0");
	/* PostgreSQL 17 and later; the timeout would end the process */
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		set("transaction_timeout", "0");
	/* gives up, and tries again, before a session that waits for it checks for deadlocks */
	set("lock_timeout", "200ms");
	set("idle_in_transaction_session_timeout", "0");
	set("temp_file_limit", "-1");
	set("check_function_bodies", "on"); /* see call_is_restoring() */
	set("jit", "off");
	/* when flush() returns, all is on disk; but the worker waits for no standby */
	set("synchronous_commit", "local");
}
