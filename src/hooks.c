/*
 * hooks.c
 *		The hooks of PostgreSQL's executor and utility commands, and the callbacks for
 *		the ends of transactions.
 *
 * Each hook is installed once, and calls the modules in the order that they need.
 * The hooks that other libraries installed before run inside these, so that a
 * statement is counted only when it went through.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/base.h"
#include "rules/rules.h"
#include "statement/statement.h"
#include "activity/activity.h"
#include "evidence/evidence.h"
#include "guard/guard.h"
#include "edit/edit.h"
#include "ownership.h"

static ExecutorStart_hook_type next_ExecutorStart = NULL;
static ExecutorRun_hook_type next_ExecutorRun = NULL;
static ExecutorFinish_hook_type next_ExecutorFinish = NULL;
static ExecutorCheckPerms_hook_type next_ExecutorCheckPerms = NULL;
static ProcessUtility_hook_type next_ProcessUtility = NULL;

/* Does the statement read a view of the extension? */
static bool
reads_own_view(const PlannedStmt *statement)
{
	Oid schema = get_namespace_oid(OWNERSHIP_SCHEMA, true);
	ListCell *lc;

	foreach(lc, statement->relationOids)
	{
		if (get_rel_namespace(lfirst_oid(lc)) == schema &&
			get_rel_relkind(lfirst_oid(lc)) == RELKIND_VIEW)
			return true;
	}
	return false;
}

static void
hook_ExecutorStart(QueryDesc *query, int eflags)
{
	StatementFrame outer;
	bool only_explained = (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0;
	BareStart bare = {0};

	/* a view such as risks has thousands of expressions: to compile them takes longer than to run it */
	if (query->plannedstmt->jitFlags != PGJIT_NONE && reads_own_view(query->plannedstmt))
		query->plannedstmt->jitFlags = PGJIT_NONE;
	lift_copy_disturb();
	lift_apply_disturb();
	if (!only_explained)
		guard_spread_statement(query->plannedstmt);
	reads_begin(only_explained);
	if (query->plannedstmt->resultRelations != NIL)
		lift_bare_begin(&bare, query, eflags);
	if (next_ExecutorStart)
		next_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	reads_started();

	if (query->plannedstmt->resultRelations == NIL || only_explained)
		return;
	statement_begin(query, eflags);
	outer = statement_enter(query);
	PG_TRY();
	{
		if (!lift_bare_end(&bare, query))
			lift_statement(query);
	}
	PG_FINALLY();
	{
		statement_leave(&outer);
	}
	PG_END_TRY();
	writes_watch(query);
}

static void
hook_ExecutorRun(EXECUTOR_RUN_ARGS)
{
	StatementFrame outer = statement_enter(queryDesc);

	PG_TRY();
	{
		if (next_ExecutorRun)
			next_ExecutorRun(EXECUTOR_RUN_PASS);
		else
			standard_ExecutorRun(EXECUTOR_RUN_PASS);
	}
	PG_FINALLY();
	{
		lift_show();
		statement_leave(&outer);
	}
	PG_END_TRY();
}

static void
hook_ExecutorFinish(QueryDesc *query)
{
	StatementFrame outer = statement_enter(query);

	PG_TRY();
	{
		if (next_ExecutorFinish)
			next_ExecutorFinish(query);
		else
			standard_ExecutorFinish(query);
		lift_show();
		history_end_statement(query);
		move_forget(outer.statement == NULL);
		land_statement(query);
		evidence_end(query, false);
		/* rows that were counted before the hooks were installed */
		if (outer.key == NULL)
			evidence_end(NULL, false);
	}
	PG_FINALLY();
	{
		lift_show();
		statement_leave(&outer);
	}
	PG_END_TRY();
	writes_count(query);
}

static bool
hook_ExecutorCheckPerms(CHECK_PERMS_ARGS)
{
	ListCell *lc;

	if (next_ExecutorCheckPerms && !next_ExecutorCheckPerms(CHECK_PERMS_PASS))
		return false;
	if (reads_are_seen())
	{
		counts_new_statement();
		foreach(lc, CHECK_PERMS_LIST)
		{
			CompatPerms perms = compat_perms(lfirst(lc));

			if (!OidIsValid(perms.relid))
				continue;
			reads_see(&perms);
			writes_see_copy(&perms);
		}
	}
	/* last: what comes next is to be COPY itself */
	foreach(lc, CHECK_PERMS_LIST)
	{
		CompatPerms perms;

		if (likely(!lift_copy_is_awaited()))
			break;
		perms = compat_perms(lfirst(lc));
		if (OidIsValid(perms.relid) && (perms.required & ACL_INSERT) != 0)
			lift_copy_begins(perms.relid);
	}
	return true;
}

static void
call_next_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
						 ProcessUtilityContext context, ParamListInfo params,
						 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (next_ProcessUtility)
		next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								qc);
}

static void
hook_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	MemoryContext cxt;
	StatementFrame outer;
	CopyWrites writes;
	CopyWrites *outer_writes;
	CopyLift lift;
	bool counts;

	lift_copy_disturb();
	lift_apply_disturb();
	if (!IsA(pstmt->utilityStmt, CopyStmt))
	{
		if (IsA(pstmt->utilityStmt, TruncateStmt))
		{
			guard_spread_utility(pstmt->utilityStmt);
			foreign_truncate((TruncateStmt *) pstmt->utilityStmt);
		}
		call_next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								 qc);
		return;
	}

	guard_spread_utility(pstmt->utilityStmt);
	/* COPY writes rows outside the executor's hooks */
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership COPY", ALLOCSET_SMALL_SIZES);
	counts = ((CopyStmt *) pstmt->utilityStmt)->is_from && activity_traffic_counts();
	/* what follows must not raise an error before PG_TRY: nothing else leaves the statement */
	outer = statement_enter_copy(pstmt, cxt);
	outer_writes = counts ? writes_enter_copy(&writes) : NULL;
	lift_copy_enter(&lift, pstmt, statement_seen_moment(), cxt);
	PG_TRY();
	{
		moment_keep_snapshot(statement_seen_moment());
		call_next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								 qc);
		history_end_statement(pstmt);
		lift_copy_ends(&lift);
		land_statement(pstmt);
		evidence_end(pstmt, false);
	}
	PG_FINALLY();
	{
		lift_copy_leave(&lift);
		statement_leave(&outer);
		if (counts)
			writes_leave_copy(outer_writes);
		MemoryContextDelete(cxt);
	}
	PG_END_TRY();
	if (counts && (qc == NULL || qc->nprocessed > 0))
		writes_count_copy(pstmt, &writes);
}

/* A transaction ends: calls the modules that need it, from the top floor down. */
static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			lift_apply_settle(false);
			lift_first_copy_ends();
			land_all();
			evidence_end(NULL, true);
			evidence_forget_brief();
			arrive_look();
			return;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			lift_show();
			lift_first_copy_end_transaction();
			lift_apply_settle(true);
			applied_forget();
			reads_started();
			writes_end_transaction();
			counts_end_transaction(event == XACT_EVENT_ABORT);
			handover_in_time();
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break; /* a parallel worker counts nothing */
	}
	history_end_transaction();
	guard_end_transaction();
	guard_spread_end_transaction();
	land_end_transaction();
	move_end_transaction();
	evidence_end_transaction();
	tally_end_transaction();
	statement_end_transaction();
	map_end_transaction(event == XACT_EVENT_ABORT);
	if (event == XACT_EVENT_COMMIT)
		lift_first_copy_watch();
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				   void *arg)
{
	bool aborted = event == SUBXACT_EVENT_ABORT_SUB;

	if (event == SUBXACT_EVENT_START_SUB || event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		lift_apply_settle(false);
	if (!aborted && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	if (aborted)
	{
		lift_show();
		lift_apply_settle(true);
		applied_forget();
	}
	reads_started();
	guard_spread_end_subtransaction(aborted);
	writes_end_subtransaction(aborted);
	counts_end_subtransaction(aborted);
	history_end_subtransaction(aborted);
	land_end_subtransaction(aborted);
	move_end_subtransaction(aborted);
	tally_end_subtransaction(aborted);
	if (map_end_subtransaction(aborted))
		lift_undo();
}

/* Installs the hooks and callbacks; called once, when the library is loaded. */
void
hooks_install(void)
{
	next_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = hook_ExecutorStart;
	next_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = hook_ExecutorRun;
	next_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = hook_ExecutorFinish;
	next_ExecutorCheckPerms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = hook_ExecutorCheckPerms;
	next_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = hook_ProcessUtility;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
