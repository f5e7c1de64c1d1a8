/*
 * statement.c
 *		What the running statement is.
 *
 * PostgreSQL passes none of this to row triggers.  So the hooks (hooks.c)
 * report each statement that the executor or COPY runs, and this file
 * remembers the innermost one, and what its rows are judged by
 * (rules/moment.c).  What a replication worker applies or copies is no
 * statement; what triggers, defaults and constraints run while it does so are
 * statements like any other.
 *
 * The statement that loads the library has started before the hooks are
 * installed.  It is found in the active portal.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/copy.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "postmaster/bgworker.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../rules/rules.h"
#include "statement.h"

static StatementFrame current;					   /* all NULL: nothing is known */
static uint64 transaction_changes = PG_UINT64_MAX; /* as in StatementFrame */
static StewardQuery steward_query;				   /* home is InvalidOid: there is none */
static bool midway = false;						   /* the library was loaded in this transaction */
static Moment *unseen = NULL;					   /* of the statement that loaded it */

/* The running statement; NULL: nothing is known, as when a worker applies a row. */
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

/* The running COPY, which inserts a row of the map's relation; NULL: it is no COPY. */
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
		/* a statement within the COPY may have loaded the library: its row is no copied one */
		Oid relid =
			copy->relation == NULL ? InvalidOid : RangeVarGetRelid(copy->relation, NoLock, true);

		if (relid != map->relid && !list_member_oid(map->ancestors, relid))
			return NULL;
	}
	return copy;
}

/*
 * What the running statement is judged by; NULL when there is no statement,
 * but a row change that a replication worker applies.  The hooks do not see the
 * start of the statement that loads the library: its moment begins with its
 * first row.
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

/* The same, if the hooks saw the start of the running statement; else NULL. */
Moment *
statement_seen_moment(void)
{
	return current.moment;
}

/* Did the hooks miss the start of the running statement? */
bool
statement_is_unseen(void)
{
	return current.moment == NULL && unseen != NULL;
}

/*
 * The moment of a COPY that is no statement: the initial copy of a subscribed
 * table.  NULL: none is running.  While it inserts a row, its callback is on
 * top of the error context stack, and leads to its state.
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
 * In a replication worker: does the worker itself make the row change, and not
 * a statement?  The hooks do not see the statement that loads the library.  But
 * for the worker's own change, the error context stack has no entry besides the
 * worker's, or COPY's is on top; what runs a statement adds one of its own.
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

/* The context that an error would have now, in untranslated messages. */
char *
statement_error_context(void)
{
	char *locale = pstrdup(setlocale(LC_MESSAGES, NULL));
	char *context = NULL;

	setlocale(LC_MESSAGES, "C");
	PG_TRY();
	{
		context = GetErrorContextStack();
	}
	PG_FINALLY();
	{
		setlocale(LC_MESSAGES, locale);
	}
	PG_END_TRY();
	pfree(locale);
	return context;
}

/*
 * The writer of the running statement.
 *
 * Errors: ownership.system names no system.
 */
const Writer *
statement_writer(void)
{
	return current.moment != NULL ? moment_writer(current.moment) : writer_current();
}

/* The running query; NULL: a COPY, or nothing is known. */
QueryDesc *
statement_query(void)
{
	return current.query;
}

/* Identifies the execution of the running statement; NULL: nothing is known, as above. */
const void *
statement_key(void)
{
	return current.key;
}

/*
 * The command that writes the rows of the running statement; its triggers write with
 * later ones.  FirstCommandId, too, where nothing is known.
 */
CommandId
statement_first_command(void)
{
	return current.key == NULL ? FirstCommandId : current.first;
}

/*
 * Is every relation what it was when the COPY, or in a replication worker the
 * transaction, began?  False when the hooks did not see that beginning.
 */
bool
statement_relations_are_unchanged(void)
{
	return map_relation_changes() ==
		   (current.statement != NULL ? current.changes : transaction_changes);
}

/* Does a COPY insert the row of the map's relation? */
bool
statement_is_copy(const RelationMap *map)
{
	return statement_copy(map) != NULL;
}

/*
 * Is the running statement a foreign-key action?  PostgreSQL runs these in a
 * security context of their own.  Statements that other triggers run within one
 * inherit that context; but only the action itself leaves its AFTER triggers to
 * the statement that caused it.
 */
static bool
statement_is_action(void)
{
	return InNoForceRLSOperation() && (current.statement == NULL || current.action);
}

/* What a verdict depends on, as far as it is the same for all rows of a statement. */
Circumstances
statement_circumstances(const Moment *moment, const Writer *writer)
{
	Circumstances c = {0};

	c.steward = writer->steward;
	c.relay = writer->relay;

	/*
	 * A replication worker applies a stream.  So does a session that has an
	 * origin and the replica role: the initial copy of pglogical is one, and
	 * it ignores errors.
	 */
	c.applies = writer->worker || (writer->origin != NULL && moment->replica);
	c.strict = writer->strict;
	c.cascade = statement_is_action();
	c.enforcement = moment->enforcement;
	c.default_policy = moment->default_policy;
	return c;
}

/*
 * Lets one query write one table of the map as a steward does.  The address of
 * its parameters identifies the query, since no other query has them: what
 * triggers, rules and functions write while it runs is judged as usual.
 * Returns what was set before, which the caller sets again.
 */
static StewardQuery
statement_steward_query(StewardQuery next)
{
	StewardQuery outer = steward_query;

	steward_query = next;
	return outer;
}

/* May the query that may write as a steward, and may not run yet, write its table? */
bool
statement_may_be_steward_query(const RelationMap *map)
{
	return OidIsValid(steward_query.home) && steward_query.home == map->home;
}

/*
 * Does the query that may write as a steward write its table now?  Queries that
 * rules add to it have the same parameters, but are not what the caller's SQL
 * says: they do not set the command tag.
 */
bool
statement_is_steward_query(const RelationMap *map)
{
	return statement_may_be_steward_query(map) && current.query != NULL &&
		   current.query->params == steward_query.params && current.query->plannedstmt->canSetTag;
}

/* The table that the running COPY names; InvalidOid: it is not known. */
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
 * The state of the COPY that is inserting a row of the map's relation, or NULL.
 * The COPY of a table sync worker is no statement.  But while any COPY runs, its
 * callback is on the error context stack, and leads to its state.
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

/*
 * A query that writes is about to run: its moment begins now.  A foreign-key
 * action has the moment of the statement that caused it.
 */
void
statement_begin(QueryDesc *query, int eflags)
{
	if ((eflags & EXEC_FLAG_SKIP_TRIGGERS) == 0)
		moment_begin_query(query, query->estate->es_query_cxt);
}

/* Makes a query the running statement.  Returns what statement_leave() takes. */
StatementFrame
statement_enter(QueryDesc *query)
{
	StatementFrame outer = current;

	current.statement = query->plannedstmt;
	current.key = query;
	current.query = query;
	current.first = query->estate->es_output_cid;
	current.action = (query->estate->es_top_eflags & EXEC_FLAG_SKIP_TRIGGERS) != 0;
	if (query->plannedstmt->resultRelations == NIL)
		current.moment = NULL;
	else if (!current.action)
		current.moment = moment_of(query);
	/* else it has the moment of the statement that caused it */
	return outer;
}

/* The same for a COPY, whose moment lives in `cxt`. */
StatementFrame
statement_enter_copy(PlannedStmt *copy, MemoryContext cxt)
{
	StatementFrame outer = current;

	current.moment = moment_begin(copy, ActiveSnapshotSet() ? GetActiveSnapshot() : NULL, cxt);
	current.statement = copy;
	current.key = copy;
	current.query = NULL;
	current.first = GetCurrentCommandId(false);
	current.changes = map_relation_changes();
	current.copied = InvalidOid;
	current.action = false;
	return outer;
}

/* The running COPY has opened the table that it names. */
void
statement_copies_into(Oid relid)
{
	current.copied = relid;
}

/* The statement ended, or failed: the one around it is the running one again. */
void
statement_leave(const StatementFrame *outer)
{
	current = *outer;
}

/* The transaction ended. */
void
statement_end_transaction(void)
{
	midway = false;
	unseen = NULL; /* the transaction frees its memory context */
	transaction_changes = map_relation_changes();
}

/* The library is being loaded. */
void
statement_init(void)
{
	midway = !process_shared_preload_libraries_in_progress && IsTransactionState();
}

/*
 * Runs a statement that may write the table on the map as a steward does (see
 * statement_steward_query()), and returns how many rows it processed.  The
 * caller has connected to SPI.
 *
 * Errors: those of the statement.
 */
uint64
statement_run_as_steward(Oid home, const char *sql, ParamListInfo params)
{
	SPIExecuteOptions options = {0};
	StewardQuery steward_query = {home, params};
	volatile StewardQuery outer = statement_steward_query(steward_query);
	volatile int rc = 0;

	options.params = params;
	PG_TRY();
	{
		rc = SPI_execute_extended(sql, &options);
	}
	PG_FINALLY();
	{
		(void) statement_steward_query(outer);
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}
