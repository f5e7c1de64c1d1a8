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
static uint64 transaction_changes = PG_UINT64_MAX; /* as in Frame */
static StewardQuery steward_query;				   /* home is InvalidOid: there is none */
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

/* The same, if the start of the running statement was seen; else NULL. */
Moment *
statement_seen_moment(void)
{
	return current.moment;
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

/* What an error would have for context now, in untranslated messages. */
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

/* Who writes in the running statement. */
const Writer *
statement_writer(void)
{
	return current.moment != NULL ? moment_writer(current.moment) : writer_current();
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
static bool
statement_is_action(void)
{
	return InNoForceRLSOperation() && (current.statement == NULL || current.action);
}

/* What decides on a conflict, as far as it is the same for all of a statement. */
Circumstances
statement_circumstances(const Moment *moment, const Writer *writer)
{
	Circumstances c = {0};

	c.steward = writer->steward;

	/*
	 * A worker applies a stream, and a session that says so by its origin and
	 * its replication role: the initial copy of pglogical is one, which takes
	 * no notice of errors.
	 */
	c.applies = writer->worker || (writer->origin != NULL && moment->replica);
	c.strict = writer->strict;
	c.cascade = statement_is_action();
	c.enforcement = moment->enforcement;
	c.default_policy = moment->default_policy;
	return c;
}

/*
 * Let the execution of one query write one table of the map as a steward does.
 * It is told by its parameters' address, which no other query can have: what
 * triggers, rules and functions write meanwhile is judged as ever.  Returns
 * what was before, to be put back.
 */
static StewardQuery
statement_steward_query(StewardQuery next)
{
	StewardQuery outer = steward_query;

	steward_query = next;
	return outer;
}

/*
 * Is it the query that was given the steward_query, on its table?  Those that rules
 * add to it have its parameters, but are not what the caller's SQL says.
 */
bool
statement_is_steward_query(const RelationMap *map)
{
	return OidIsValid(steward_query.home) && steward_query.home == map->home &&
		   current.query != NULL && current.query->params == steward_query.params &&
		   current.query->plannedstmt->canSetTag;
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

/*
 * A query that writes is about to run: what its rows are judged by begins now.
 * The moment of a foreign-key action is that of the statement that set it off.
 */
void
statement_begin(QueryDesc *query, int eflags)
{
	if ((eflags & EXEC_FLAG_SKIP_TRIGGERS) == 0)
		(void) moment_begin(query, query->snapshot, query->estate->es_query_cxt);
}

/* Makes a query the running statement.  Returns what statement_leave() takes. */
StatementFrame
statement_enter(QueryDesc *query)
{
	StatementFrame outer = current;

	current.statement = query->plannedstmt;
	current.key = query;
	current.query = query;
	current.action = (query->estate->es_top_eflags & EXEC_FLAG_SKIP_TRIGGERS) != 0;
	if (query->plannedstmt->resultRelations == NIL)
		current.moment = NULL;
	else if (!current.action)
		current.moment = moment_of(query);
	/* else that of the statement which set it off */
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
	current.changes = map_relation_changes();
	current.copied = InvalidOid;
	current.action = false;
	return outer;
}

/* The statement ended, or failed: the one around it goes on. */
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
	unseen = NULL; /* its context goes with the transaction */
	transaction_changes = map_relation_changes();
}

/* The library is being loaded. */
void
statement_init(void)
{
	midway = !process_shared_preload_libraries_in_progress && IsTransactionState();
}

/*
 * Runs a statement that may write the table on the map as a steward does, and
 * returns how many rows it did; see statement_steward_query().  Needs SPI.
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
