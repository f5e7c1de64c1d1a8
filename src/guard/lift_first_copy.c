/*
 * lift_first_copy.c
 *		Lifting the guard off the first copy of a subscribed table.
 *
 * The worker that copies a table calls no hook of PostgreSQL.  But it asks the
 * publisher for the rows through an exported table of functions, when the table is
 * open and locked and its origin is set, and directly before it begins to insert.  So
 * such a worker gets another table of functions, of which one sees that command.  Its
 * text names the columns that the copy brings.  Where any of this is not as expected,
 * the guard is not lifted, and fires.
 *
 * A shared table is to meet its rows.  If it is empty when the copy begins, there are
 * none; else another function of the table sees the lines that arrive, and keeps those
 * out whose rows are there (lift_first_rows.c).  If another session commits a row with
 * the same key before the copy ends, the copy fails as a duplicate key, and PostgreSQL
 * starts it again: it meets the row then.
 *
 * What waits for the rows lands in them at the end of the transaction.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "replication/walreceiver.h"
#include "replication/worker_internal.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "../activity/activity.h"
#include "guard.h"

static WalReceiverFunctionsType *inner = NULL; /* NULL: nothing is watched */
static WalReceiverFunctionsType watched;
static CopyLift *first = NULL; /* lives as long as its transaction */
static bool finished;		   /* its rows are inserted */

/* The command that asks the publisher for the rows, and what it tells. */
typedef struct Asked
{
	const char *command;
	MemoryContext cxt; /* of what follows */
	List *names;	   /* String */
	List *options;	   /* DefElem */
} Asked;

/*
 * Finds the columns that the publisher is asked for: COPY table (a, b) TO, or
 * COPY (SELECT a, b FROM ...) TO.  False: the command is another one.
 */
static bool
find_asked(void *arg)
{
	Asked *asked = arg;
	List *parsed;
	CopyStmt *copy;
	List *names = NIL;
	ListCell *lc;

	MemoryContextSwitchTo(asked->cxt); /* the caller leaves it */
	parsed = raw_parser(asked->command, RAW_PARSE_DEFAULT);
	copy = (CopyStmt *) linitial_node(RawStmt, parsed)->stmt;
	if (list_length(parsed) != 1 || !IsA(copy, CopyStmt))
		return false;
	asked->options = copy->options;
	if (copy->query == NULL)
	{
		asked->names = copy->attlist;
		return true;
	}
	if (!IsA(copy->query, SelectStmt))
		return false;
	foreach(lc, ((SelectStmt *) copy->query)->targetList)
	{
		ColumnRef *column = (ColumnRef *) lfirst_node(ResTarget, lc)->val;

		if (!IsA(column, ColumnRef) || !IsA(llast(column->fields), String))
			return false;
		names = lappend(names, llast(column->fields));
	}
	asked->names = names;
	return true;
}

/* The publisher is about to send the rows of a table. */
static void
begin(const char *command)
{
	MemoryContext cxt =
		AllocSetContextCreate(TopTransactionContext, "ownership first copy", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Oid relid = MyLogicalRepWorker->relid;
	Asked asked = {command, cxt, NIL, NIL};

	/* it is for the publisher, which may read it in another way than this server */
	if (subxact_trial(find_asked, &asked) == NULL && asked.names != NIL)
	{
		first = palloc(sizeof(CopyLift));
		finished = false;
		lift_copy_first(first, relid, asked.names, asked.options, cxt);
	}
	MemoryContextSwitchTo(old);
}

/* Has this transaction inserted rows into the relation, as far as statistics tell? */
static bool
has_new_rows(Relation rel)
{
	if (!pgstat_should_count_relation(rel))
		return rel->rd_rel->relkind == RELKIND_RELATION && RelationGetNumberOfBlocks(rel) > 0;
	for (PgStat_TableXactStatus *trans = rel->pgstat_info->trans; trans != NULL;
		 trans = trans->upper)
		if (trans->tuples_inserted > 0)
			return true;
	return false;
}

/* The columns that the copy brings, offset FirstLowInvalidHeapAttributeNumber. */
static Bitmapset *
copied_columns(void)
{
	Bitmapset *columns = NULL;
	ListCell *lc;

	foreach(lc, first->statement->attlist)
	{
		AttrNumber attnum = get_attnum(first->named, strVal(lfirst(lc)));

		if (attnum > 0)
			columns = bms_add_member(columns, attnum - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

/*
 * The copy has inserted the rows that it got.
 *
 * Errors: those of lift_copy_ends().
 */
static void
finish(void)
{
	bool wrote = false;
	ListCell *lc;

	if (finished)
		return;
	finished = true;
	lift_copy_ends(first);
	foreach(lc, first->lifted)
	{
		Relation rel = try_relation_open(((CopiedRelation *) lfirst(lc))->relid, AccessShareLock);

		if (rel == NULL)
			continue;
		wrote |= has_new_rows(rel);
		relation_close(rel, NoLock);
	}
	if (wrote)
		writes_count_first_copy(first->named, copied_columns(), first->moment);
}

/* Stands for the function that sends the publisher a command. */
static WalRcvExecResult *
send_command(WalReceiverConn *conn, const char *query, const int nRetTypes, const Oid *retTypes)
{
	WalRcvExecResult *result;

	lift_show();
	/* the command after the copy ends the publisher's transaction */
	if (lift_first_rows_are_received())
	{
		finish();
		lift_first_rows_finish();
	}
	result = (inner->walrcv_exec)(conn, query, nRetTypes, retTypes);
	if (result->status == WALRCV_OK_COPY_OUT && first == NULL && strncmp(query, "COPY ", 5) == 0 &&
		IsTransactionState() && ActiveSnapshotSet())
		begin(query);
	return result;
}

/* Stands for the function that receives what the publisher sends. */
static int
receive(WalReceiverConn *conn, char **buffer, pgsocket *wait_fd)
{
	for (;;)
	{
		int len = (inner->walrcv_receive)(conn, buffer, wait_fd);

		if (len < 0)
			lift_first_rows_received();
		if (len <= 0 || lift_first_rows_pass(*buffer, len))
			return len;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * A transaction was committed.  A worker that copies a table has committed one before
 * it begins with that: watches what it asks the publisher for.
 */
void
lift_first_copy_watch(void)
{
	if (likely(MyLogicalRepWorker == NULL) || inner != NULL || WalReceiverFunctions == NULL ||
		!OidIsValid(MyLogicalRepWorker->relid))
		return;
	inner = WalReceiverFunctions;
	watched = *inner;
	watched.walrcv_exec = send_command;
	watched.walrcv_receive = receive;
	WalReceiverFunctions = &watched;
}

/*
 * The worker's transaction is about to commit.
 *
 * Errors: those of lift_copy_ends(), lift_first_rows_check().
 */
void
lift_first_copy_ends(void)
{
	lift_show();
	if (likely(first == NULL))
		return;
	finish();
	lift_first_rows_check();
}

/* The transaction ended, and frees the memory. */
void
lift_first_copy_end_transaction(void)
{
	lift_show();
	lift_first_rows_end_transaction();
	if (first != NULL)
		lift_copy_leave(first);
	first = NULL;
}
