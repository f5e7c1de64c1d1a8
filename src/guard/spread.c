/*
 * spread.c
 *		Statements whose rows Citus writes on other nodes: what those know of the writer.
 *
 * Citus runs a statement on shards as the role that the statement's privileges are
 * checked for, over connections of its own.  So the node of a shard finds the same writer
 * by the role, but
 *
 * - the setting ownership.system of this session is not there.  Citus repeats SET LOCAL
 *   to the nodes that take part in a transaction block, also to those that join later, and
 *   undoes it with savepoints.  So the setting is told to them before the first write, and
 *   when it is another one.  Outside of a transaction block Citus repeats nothing: such a
 *   statement is refused.
 * - in a SECURITY DEFINER function the role is the function's owner, who is not the writer:
 *   such a statement is refused.
 *
 * Sessions that write no table of Citus pay one comparison for each statement.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "guard.h"

/* What the nodes were told last in this transaction; NULL: nothing. */
static char *told = NULL;
static int told_level = 0;		/* nesting level of the transaction that told it */
static bool told_undone = false; /* that was rolled back: it is not known what they know */

static inline bool
is_set(void)
{
	return ownership_system != NULL && ownership_system[0] != '\0';
}

/* Do the nodes know less of the writer than this session? */
static bool
must_tell(void)
{
	return told_undone || (told == NULL ? is_set() : strcmp(told, ownership_system) != 0);
}

/* Tells the nodes that take part in the transaction, and those that will. */
static void
tell(void)
{
	int level = NewGUCNestLevel();
	char *now = MemoryContextStrdup(TopTransactionContext, is_set() ? ownership_system : "");
	int rc;

	(void) set_config_option("citus.propagate_set_commands", "local", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	rc = SPI_execute(psprintf("SET LOCAL ownership.system TO %s", quote_literal_cstr(now)), false,
					 0);
	SPI_finish();
	/* in this session nothing has changed */
	AtEOXact_GUC(true, level);
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	told = now;
	told_level = GetCurrentTransactionNestLevel();
	told_undone = false;
}

/* Is the guard on a table of Citus that is on the map? */
static bool
is_guarded(Oid relid)
{
	Relation rel;
	bool guarded;

	if (!place_carries_guard(relid))
		return false;
	rel = relation_open(relid, AccessShareLock);
	guarded = map_get(rel)->sharded;
	relation_close(rel, NoLock);
	return guarded;
}

/*
 * This session is about to write a table, or to call a function (InvalidOid), on other
 * nodes.
 *
 * Errors: they would not know the writer.
 */
static void
prepare(Oid relid)
{
	bool definer = GetUserId() != GetOuterUserId();
	bool setting = must_tell();

	if ((!definer && !setting) || (OidIsValid(relid) && !is_guarded(relid)))
		return;
	/* the setting means the same, whatever the role is */
	if (definer && !is_set() && OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" cannot be written in a function that is SECURITY DEFINER",
						names_message_relation_oid(relid)),
				 errdetail("Citus writes its shards as role \"%s\", and the writer is role \"%s\".",
						   GetUserNameFromId(GetUserId(), false),
						   GetUserNameFromId(GetOuterUserId(), false)),
				 errhint("Write it in a function that is SECURITY INVOKER, or set \"ownership.system\" in a transaction block.")));
	if (!setting)
		return;
	if (!IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 OidIsValid(relid)
					 ? errmsg("the setting \"ownership.system\" does not reach the shards of table \"%s\"",
							  names_message_relation_oid(relid))
					 : errmsg(
						   "the setting \"ownership.system\" does not reach the node that runs the function"),
				 errdetail("Outside of a transaction block, Citus tells other nodes no settings."),
				 errhint("Begin a transaction block, or connect with a role that ownership.identify() maps to the system.")));
	tell();
}

/*
 * The executor is about to start a statement of Citus, whose plan says so.
 *
 * Errors: those of prepare().
 */
static void
prepare_plan(PlannedStmt *statement)
{
	bool reads_table = false;
	ListCell *lc;

	foreach(lc, statement->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		CompatPerms perms;

		if (rte->rtekind != RTE_RELATION)
			continue;
		reads_table = true;
		perms = compat_rte_perms(statement, rte);
		/* FOR UPDATE needs the privilege, too, and names no column */
		if (OidIsValid(perms.relid) &&
			((perms.required & (ACL_INSERT | ACL_DELETE)) != 0 ||
			 ((perms.required & ACL_UPDATE) != 0 && perms.updated != NULL)))
			prepare(perms.relid);
	}
	/* a function that a node runs for this session may write anything */
	if (!reads_table && statement->commandType == CMD_SELECT)
		prepare(InvalidOid);
}

void
guard_spread_statement(PlannedStmt *statement)
{
	const Plan *plan = statement->planTree;

	if (likely(plan == NULL || !IsA(plan, CustomScan)) ||
		strncmp(((const CustomScan *) plan)->methods->CustomName, "Citus ", 6) != 0)
		return;
	prepare_plan(statement);
}

/* The same for COPY and TRUNCATE. */
void
guard_spread_utility(const Node *command)
{
	List *relations = NIL;
	ListCell *lc;

	if (likely(!must_tell() && GetUserId() == GetOuterUserId()))
		return;
	if (IsA(command, CopyStmt) && ((const CopyStmt *) command)->is_from)
		relations = list_make1(((const CopyStmt *) command)->relation);
	else if (IsA(command, TruncateStmt))
		relations = ((const TruncateStmt *) command)->relations;
	foreach(lc, relations)
	{
		Oid relid = RangeVarGetRelid(lfirst_node(RangeVar, lc), NoLock, true);

		if (OidIsValid(relid))
			prepare(relid);
	}
}

/* The memory goes with the transaction, and what the nodes know with it. */
void
guard_spread_end_transaction(void)
{
	told = NULL;
	told_level = 0;
	told_undone = false;
}

void
guard_spread_end_subtransaction(bool aborted)
{
	int level = GetCurrentTransactionNestLevel();

	if (told_level < level)
		return;
	told_undone |= aborted;
	told_level = level - 1;
}
