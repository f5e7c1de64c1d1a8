/*
 * statement.c
 *		What the running statement is, and its tally.
 *
 * Row triggers are told none of this.  Hooks remember the statement that is
 * being executed, innermost first, and what its rows are judged by (moment.c).
 * What a replication worker applies or copies is no statement; what triggers,
 * defaults and constraints run meanwhile are statements as ever.
 *
 * In the statement that loads the library the hooks come too late to see its
 * start; the active portal knows it then.
 *
 * A tally lives from the first row that counts until the statement ends.  If
 * its end is not seen (COPY in the statement that loads the library), it is
 * settled before the transaction commits or is prepared.
 */
#include "ownership.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/copy.h"
#include "commands/copyfrom_internal.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "postmaster/bgworker.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

static ExecutorStart_hook_type next_ExecutorStart = NULL;
static ExecutorRun_hook_type next_ExecutorRun = NULL;
static ExecutorFinish_hook_type next_ExecutorFinish = NULL;
static ProcessUtility_hook_type next_ProcessUtility = NULL;

/* The statement being executed. */
typedef struct Frame
{
	PlannedStmt *statement;
	const void *key;  /* tells executions apart */
	QueryDesc *query; /* NULL: COPY */
	uint64 changes;	  /* COPY: of relations, until it began */
	Oid copied;		  /* the table that it names, once it was asked for */
	bool action;	  /* its AFTER triggers are left to another statement */
	Moment *moment;	  /* NULL: it writes nothing, or its start was not seen */
} Frame;

static Frame current;							   /* all NULL: nothing is known */
static List *tallies = NIL;						   /* of Tally *, below TopTransactionContext */
static uint64 transaction_changes = PG_UINT64_MAX; /* as in Frame */
static Mandate mandate;							   /* home is InvalidOid: there is none */
static bool midway = false;						   /* the library was loaded in this transaction */
static Moment *unseen = NULL;					   /* of the statement that did it */

/* The statement under way, or NULL when nothing is known (apply). */
PlannedStmt *
statement_planned(void)
{
	if (current.statement != NULL)
		return current.statement;
	if (ActivePortal != NULL && ActivePortal->status == PORTAL_ACTIVE &&
		list_length(ActivePortal->stmts) == 1)
		return linitial_node(PlannedStmt, ActivePortal->stmts);
	return NULL;
}

/* The COPY of a table of the map that is under way, or NULL. */
CopyStmt *
statement_copy(const RelationMap *map)
{
	PlannedStmt *statement = statement_planned();
	CopyStmt *copy;

	if (statement == NULL || statement->utilityStmt == NULL ||
		!IsA(statement->utilityStmt, CopyStmt))
		return NULL;
	copy = (CopyStmt *) statement->utilityStmt;
	if (current.statement == NULL)
	{
		/* a statement within the COPY may be what loaded the library */
		Oid relid =
			copy->relation == NULL ? InvalidOid : RangeVarGetRelid(copy->relation, NoLock, true);

		if (relid != map->relid && !list_member_oid(map->ancestors, relid))
			return NULL;
	}
	return copy;
}

/*
 * What the running statement is judged by; NULL when there is none, but a row
 * change of a replication worker's own.  The start of the statement that loads
 * the library was not seen: its first row is its beginning.
 */
Moment *
statement_moment(void)
{
	if (current.moment != NULL || !midway || MyBgworkerEntry != NULL)
		return current.moment;
	if (unseen == NULL)
		unseen = moment_begin(&unseen, NULL,
							  AllocSetContextCreate(TopTransactionContext, "ownership statement",
													ALLOCSET_SMALL_SIZES));
	return unseen;
}

/* Was the start of the running statement not seen? */
bool
statement_is_unseen(void)
{
	return current.moment == NULL && unseen != NULL;
}

/*
 * The same for a COPY that is no statement, the initial copy of a subscribed
 * table: while it hands on a row, an error would look there for its context.
 */
Moment *
statement_copies(Relation rel)
{
	ErrorContextCallback *context = error_context_stack;
	CopyFromState copy;
	Moment *moment;

	if (current.statement != NULL || context == NULL || context->callback != CopyFromErrorCallback)
		return NULL;
	copy = context->arg;
	moment = moment_of(copy);
	return moment != NULL ? moment : moment_begin(copy, NULL, copy->copycontext);
}

/*
 * In a replication worker: is the row change that is under way its own, and
 * no statement's?  The statement that loads the library is not seen; but
 * beside the worker's (or its COPY's) an error would find another context,
 * that of what runs the statement.
 */
bool
statement_applies(void)
{
	ErrorContextCallback *context = error_context_stack;

	if (current.statement != NULL)
		return false;
	return !midway || context == NULL || context->previous == NULL ||
		   context->callback == CopyFromErrorCallback;
}

/* Who writes in the running statement. */
const Writer *
statement_writer(void)
{
	return current.moment != NULL ? moment_writer(current.moment) : current_writer();
}

/* The query being executed, if it is one that the executor runs. */
QueryDesc *
statement_query(void)
{
	return current.query;
}

/* Tells executions apart; NULL when nothing is known (apply). */
const void *
statement_key(void)
{
	return current.key;
}

/*
 * Is every relation what it was when the COPY, or in a replication worker the
 * transaction, began?  False when that was not seen.
 */
bool
statement_relations_hold(void)
{
	return map_relation_changes() ==
		   (current.statement != NULL ? current.changes : transaction_changes);
}

bool
statement_is_copy(const RelationMap *map)
{
	return statement_copy(map) != NULL;
}

/*
 * Is it a foreign-key action?  PostgreSQL runs those in a security context of
 * its own, which the statements of other triggers inherit; but only the action
 * itself leaves its AFTER triggers to the statement that set it off.
 */
bool
statement_is_action(void)
{
	return InNoForceRLSOperation() && (current.statement == NULL || current.action);
}

/*
 * Let the execution of one query write one table of the map as a steward does.
 * It is told by its parameters' address, which no other query can have: what
 * triggers, rules and functions write meanwhile is judged as ever.  Returns
 * what was before, to be put back.
 */
Mandate
statement_mandate(Mandate next)
{
	Mandate outer = mandate;

	mandate = next;
	return outer;
}

/*
 * Is it the query that was given the mandate, on its table?  Those that rules
 * add to it have its parameters, but are not what the caller's SQL says.
 */
bool
statement_is_mandated(const RelationMap *map)
{
	return OidIsValid(mandate.home) && mandate.home == map->home && current.query != NULL &&
		   current.query->params == mandate.params && current.query->plannedstmt->canSetTag;
}

/* The table that the COPY under way names; InvalidOid: it is not known. */
Oid
statement_copied(void)
{
	PlannedStmt *statement = statement_planned();
	RangeVar *name;
	Oid relid;

	if (current.statement != NULL && OidIsValid(current.copied))
		return current.copied;
	if (statement == NULL || statement->utilityStmt == NULL ||
		!IsA(statement->utilityStmt, CopyStmt))
		return InvalidOid;
	name = ((CopyStmt *) statement->utilityStmt)->relation;
	relid = name == NULL ? InvalidOid : RangeVarGetRelid(name, NoLock, true);
	if (current.statement != NULL)
		current.copied = relid;
	return relid;
}

/*
 * The COPY whose row is being inserted, or NULL.  That of the table sync worker
 * is no statement.  But while it copies, where an error would look for its
 * context, there it is.
 */
CopyFromState
statement_copying(const RelationMap *map)
{
	for (ErrorContextCallback *context = error_context_stack; context != NULL;
		 context = context->previous)
	{
		if (context->callback == CopyFromErrorCallback)
		{
			CopyFromState copy = context->arg;
			Oid relid = RelationGetRelid(copy->rel);

			return relid == map->relid || list_member_oid(map->ancestors, relid) ? copy : NULL;
		}
	}
	return NULL;
}

/* The tally of the running statement on a table of the map. */
Tally *
statement_tally(const RelationMap *map)
{
	MemoryContext cxt;
	MemoryContext old;
	ListCell *lc;
	Tally *tally;

	foreach(lc, tallies)
	{
		tally = lfirst(lc);
		if (tally->statement == current.key && tally->home == map->home)
			return tally;
	}
	cxt = AllocSetContextCreate(TopTransactionContext, "ownership tally", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	tally = palloc0(sizeof(Tally));
	tally->cxt = cxt;
	tally->statement = current.key;
	tally->level = GetCurrentTransactionNestLevel();
	tally->home = map->home;
	tally->schema = pstrdup(map->schema);
	tally->table = pstrdup(map->table);
	MemoryContextSwitchTo(TopTransactionContext);
	tallies = lappend(tallies, tally);
	MemoryContextSwitchTo(old);
	return tally;
}

/* Remember a default that was put into a new row, until the statement ends. */
void
statement_remember(const RelationMap *map, uint64 stand_in)
{
	Tally *tally = statement_tally(map);

	if (tally->stand_ins == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = ctl.entrysize = sizeof(uint64);
		ctl.hcxt = tally->cxt;
		tally->stand_ins =
			hash_create("ownership stand-ins", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(tally->stand_ins, &stand_in, HASH_ENTER, NULL);
}

/* Was BEFORE not told the names? */
bool
statement_was_blind(const RelationMap *map)
{
	ListCell *lc;

	foreach(lc, tallies)
	{
		Tally *tally = lfirst(lc);

		if (tally->blind && tally->home == map->home)
			return true;
	}
	return false;
}

/* Also what was remembered before the hooks were there. */
bool
statement_remembers(const RelationMap *map, uint64 stand_in)
{
	ListCell *lc;

	foreach(lc, tallies)
	{
		Tally *tally = lfirst(lc);

		if ((tally->statement == current.key || tally->statement == NULL) &&
			tally->home == map->home && tally->stand_ins != NULL &&
			hash_search(tally->stand_ins, &stand_in, HASH_FIND, NULL) != NULL)
			return true;
	}
	return false;
}

/* Tell the client, record what was only counted, forget. */
static void
settle(const void *key, bool all)
{
	List *due = NIL;
	ListCell *lc;

	if (tallies == NIL)
		return;
	foreach(lc, tallies)
	{
		if (all || ((Tally *) lfirst(lc))->statement == key)
			due = lappend(due, lfirst(lc));
	}
	foreach(lc, due)
		tallies = list_delete_ptr(tallies, lfirst(lc));
	foreach(lc, due)
	{
		Tally *tally = lfirst(lc);

		if (tally->inserter != NULL)
			close_inserter(tally->inserter);
		if (tally->rest > 0)
			record_rest(tally);
		if (tally->kept > 0 || tally->not_created > 0 || tally->discarded > 0)
			report_kept(tally);
		/* a long transaction may see many statements */
		MemoryContextDelete(tally->cxt);
	}
	list_free(due);
}

/* Make a query the statement being executed; returns what was it before. */
static Frame
enter(QueryDesc *queryDesc)
{
	Frame outer = current;

	current.statement = queryDesc->plannedstmt;
	current.key = queryDesc;
	current.query = queryDesc;
	current.action = (queryDesc->estate->es_top_eflags & EXEC_FLAG_SKIP_TRIGGERS) != 0;
	if (queryDesc->plannedstmt->resultRelations == NIL)
		current.moment = NULL;
	else if (!current.action)
		current.moment = moment_of(queryDesc);
	/* else that of the statement which set it off */
	return outer;
}

static void
hook_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	Frame outer;

	if (next_ExecutorStart)
		next_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);

	if (queryDesc->plannedstmt->resultRelations == NIL || (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0)
		return;
	if ((eflags & EXEC_FLAG_SKIP_TRIGGERS) == 0)
		(void) moment_begin(queryDesc, queryDesc->snapshot, queryDesc->estate->es_query_cxt);
	outer = enter(queryDesc);
	PG_TRY();
	{
		if (current.moment != NULL)
			lift_statement(queryDesc, current.moment);
	}
	PG_FINALLY();
	{
		current = outer;
	}
	PG_END_TRY();
}

static void
hook_ExecutorRun(EXECUTOR_RUN_ARGS)
{
	Frame outer = enter(queryDesc);

	PG_TRY();
	{
		if (next_ExecutorRun)
			next_ExecutorRun(EXECUTOR_RUN_PASS);
		else
			standard_ExecutorRun(EXECUTOR_RUN_PASS);
	}
	PG_FINALLY();
	{
		current = outer;
	}
	PG_END_TRY();
}

static void
hook_ExecutorFinish(QueryDesc *queryDesc)
{
	Frame outer = enter(queryDesc);

	PG_TRY();
	{
		if (next_ExecutorFinish)
			next_ExecutorFinish(queryDesc);
		else
			standard_ExecutorFinish(queryDesc);
		move_forget(outer.statement == NULL);
		settle(queryDesc, false);
		/* rows counted before the hooks were there */
		if (outer.key == NULL)
			settle(NULL, false);
	}
	PG_FINALLY();
	{
		current = outer;
	}
	PG_END_TRY();
}

static void
hook_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
					DestReceiver *dest, QueryCompletion *qc)
{
	Frame outer = current;
	bool copy = IsA(pstmt->utilityStmt, CopyStmt);
	MemoryContext cxt =
		!copy ? NULL
			  : AllocSetContextCreate(CurrentMemoryContext, "ownership COPY", ALLOCSET_SMALL_SIZES);

	if (copy)
	{
		current.moment = moment_begin(pstmt, ActiveSnapshotSet() ? GetActiveSnapshot() : NULL, cxt);
		current.statement = pstmt;
		current.key = pstmt;
		current.query = NULL;
		current.changes = map_relation_changes();
		current.copied = InvalidOid;
		current.action = false;
	}
	PG_TRY();
	{
		if (copy)
			moment_keep_snapshot(current.moment);
		if (IsA(pstmt->utilityStmt, TruncateStmt))
			foreign_truncate((TruncateStmt *) pstmt->utilityStmt);
		if (next_ProcessUtility)
			next_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
								qc);
		else
			standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
									dest, qc);
		if (copy)
			settle(pstmt, false);
	}
	PG_FINALLY();
	{
		current = outer;
		if (cxt != NULL)
			MemoryContextDelete(cxt);
	}
	PG_END_TRY();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			settle(NULL, true);
			break;
		default:
			midway = false;
			unseen = NULL; /* its context goes with the transaction */
			tallies = NIL; /* its context goes with the transaction */
			transaction_changes = map_relation_changes();
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				 void *arg)
{
	int level = GetCurrentTransactionNestLevel();
	ListCell *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(lc, tallies)
	{
		Tally *tally = lfirst(lc);

		if (tally->level < level)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			/* what its inserter has open goes with the resource owner */
			tallies = foreach_delete_current(tallies, lc);
			MemoryContextDelete(tally->cxt);
		}
		else
			tally->level = level - 1;
	}
}

void
statement_init(void)
{
	midway = !process_shared_preload_libraries_in_progress && IsTransactionState();
	next_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = hook_ExecutorStart;
	next_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = hook_ExecutorRun;
	next_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = hook_ExecutorFinish;
	next_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = hook_ProcessUtility;
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
