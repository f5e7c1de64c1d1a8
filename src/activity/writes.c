/*
 * writes.c
 *		Which columns a statement writes.
 *
 * Where the guard judges rows, these are the columns whose value changed in one
 * of them.  Where the guard was lifted or is not there, these are the columns
 * that the statement names, if it wrote any row.  Each counts once for a
 * statement; what a replication worker applies counts once for each row (applied.c).
 *
 * Looking costs no catalog access once a relation is known, and raises no error
 * that the statement would not raise without the extension.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "activity.h"

/*
 * Rows of one statement whose values are looked at for the count of writes.  The
 * guard finds conflicts in all rows.
 */
#define ROWS_COMPARED 1000

static dlist_head writes = DLIST_STATIC_INIT(writes);

/* What the statement is known to have written in the table; NULL: nothing is. */
Written *
writes_find(const void *statement, Oid home)
{
	dlist_iter iter;

	dlist_foreach(iter, &writes)
	{
		Written *written = dlist_container(Written, nested.node, iter.cur);

		if (written->statement == statement && written->home == home)
			return written;
	}
	return NULL;
}

static Written *
remember_statement(const void *statement, Oid home)
{
	Written *written = MemoryContextAllocZero(TopTransactionContext, sizeof(Written));

	written->statement = statement;
	written->nested.level = GetCurrentTransactionNestLevel();
	written->home = home;
	dlist_push_head(&writes, &written->nested.node);
	return written;
}

StaticAssertDecl(offsetof(Written, nested) == 0, "drop() casts");

static void
drop(Nested *nested)
{
	Written *written = (Written *) nested;

	bms_free(written->attnums);
	pfree(written);
}

void
writes_forget(const void *statement)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &writes)
	{
		Written *written = dlist_container(Written, nested.node, iter.cur);

		if (written->statement != statement)
			continue;
		dlist_delete(iter.cur);
		drop(&written->nested);
	}
}

/*
 * Counts a write of a column.  written: of the statement, whose later writes of
 * the column do not count then; NULL: the write belongs to no known statement.
 */
void
writes_count_column(Written *written, Oid home, int system, AttrNumber attnum)
{
	if (written != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		written->attnums = bms_add_member(written->attnums, attnum);
		MemoryContextSwitchTo(old);
	}
	counts_at_commit(home, system, attnum, COUNT_WRITES, GetCurrentStatementStartTimestamp());
}

/* A row came that wrote no column: its values are stored already, or were kept out. */
void
writes_count_arrival(Oid home, int system)
{
	counts_at_commit(home, system, WHOLE_ROW, COUNT_WRITES, GetCurrentStatementStartTimestamp());
}

/* Did the row write the column?  By the rules of the guard, but for every writer. */
static bool
wrote(const RelationMap *map, const MappedColumn *col, Operation operation, const Bitmapset *named,
	  const NewRow *new, TupleTableSlot *stored, TupleTableSlot *row)
{
	Datum before;
	Datum after;
	bool before_null;
	bool after_null;

	if (operation == OPERATION_DELETE || operation == OPERATION_TRUNCATE)
		return col->key;
	if (operation == OPERATION_UPDATE)
	{
		if (named != NULL && !bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named))
			return false;
		before = slot_getattr(stored, col->attnum, &before_null);
		after = slot_getattr(row, col->attnum, &after_null);
		return value_changed(&col->type, before, before_null, after, after_null);
	}
	return insertion_writes(new, col, row);
}

/*
 * The guard judged a row that was written: counts the columns that the row
 * wrote.  row: as it is now; stored: as it was.  Either is NULL where there is
 * none.  named: columns that an UPDATE names, NULL: all.  new: of an INSERT.
 * range: where the rows can differ.
 */
void
activity_row(const RelationMap *map, const char *system, Operation operation, const Bitmapset *named,
			 const NewRow *new, TupleTableSlot *stored, TupleTableSlot *row, ColumnRange range)
{
	const void *statement = statement_key();
	AppliedRows *applied = NULL;
	Written *written = NULL;
	bool any = false;
	const Outline *outline;

	if (!activity_traffic_counts() || (outline = outline_of(map->relid)) == NULL)
		return;
	handover_begin();
	if (statement == NULL && operation <= OPERATION_DELETE && IsLogicalWorker())
	{
		applied = applied_to(map->relid);
		if (applied->rows[operation] >= APPLIED_LOOKED)
		{
			applied_further(applied, operation, 1, GetCurrentTransactionNestLevel());
			return;
		}
	}
	if (statement != NULL)
	{
		written = writes_find(statement, outline->home);
		if (written == NULL)
			written = remember_statement(statement, outline->home);
		if (written->rows >= ROWS_COMPARED)
			return;
		written->rows++;
	}
	for (int i = 0; i < map->ncols; i++)
	{
		const MappedColumn *col = &map->cols[i];
		AttrNumber home = col->attnum <= outline->natts ? outline->home_attnum[col->attnum - 1] : 0;

		if (col->attnum > range.last)
			break;
		if (col->attnum < range.first || home == 0 ||
			(written != NULL && bms_is_member(home, written->attnums)) ||
			!wrote(map, col, operation, named, new, stored, row))
			continue;
		if (applied != NULL)
			applied_wrote(applied, operation, outline->home, counts_system(system), home);
		writes_count_column(written, outline->home, counts_system(system), home);
		any = true;
	}
	if (applied != NULL && any)
		applied->rows[operation]++;
	/* once is enough: a column that was written says that rows come, too */
	if (any || (written != NULL && (written->arrived || written->attnums != NULL)) ||
		(applied != NULL && applied->arrived))
		return;
	if (written != NULL)
		written->arrived = true;
	if (applied != NULL)
		applied->arrived = true;
	writes_count_arrival(outline->home, counts_system(system));
}

/* A value that waited landed in a row: counts a write of its system. */
void
activity_value(const RelationMap *map, const char *system, const MappedColumn *col)
{
	const Outline *outline;

	if (!activity_traffic_counts() || (outline = outline_of(map->relid)) == NULL ||
		col->attnum > outline->natts || outline->home_attnum[col->attnum - 1] == 0)
		return;
	handover_begin();
	writes_count_column(NULL, outline->home, counts_system(system),
						outline->home_attnum[col->attnum - 1]);
}

/* The next column that may have been written; `all`: others than an UPDATE names, too. */
static inline int
next_column(const CompatPerms *perms, bool all, int attnum)
{
	int member;

	if (all)
		return attnum + 1;
	member = bms_next_member(perms->updated, attnum - FirstLowInvalidHeapAttributeNumber);
	return member < 0 ? MaxAttrNumber : member + FirstLowInvalidHeapAttributeNumber;
}

/*
 * Counts the columns of a relation that a statement names, and the key where rows come
 * or go.  only: the statement writes no other relation.
 */
void
writes_count_named(const void *statement, const Outline *outline, int system,
				   const CompatPerms *perms, bool only)
{
	Written *written = writes_find(statement, outline->home);
	bool inserts = (perms->required & ACL_INSERT) != 0;
	bool updates = (perms->required & ACL_UPDATE) != 0;
	bool deletes = (perms->required & ACL_DELETE) != 0;
	bool all = inserts || deletes;
	TimestampTz now = GetCurrentStatementStartTimestamp();

	outline = outline_of(perms->relid);
	if (outline == NULL || outline->sharded)
		return;
	if (written == NULL && !only)
		written = remember_statement(statement, outline->home);
	for (int attnum = next_column(perms, all, 0); attnum <= outline->natts;
		 attnum = next_column(perms, all, attnum))
	{
		int member = attnum - FirstLowInvalidHeapAttributeNumber;
		AttrNumber home = outline->home_attnum[attnum - 1];

		if (home == 0 || (written != NULL && bms_is_member(home, written->attnums)))
			continue;
		if ((inserts && bms_is_member(member, perms->inserted)) ||
			(updates && (!all || bms_is_member(member, perms->updated))) ||
			(all && outline->key[attnum - 1]))
		{
			if (likely(written == NULL))
				counts_at_commit(outline->home, system, home, COUNT_WRITES, now);
			else
				writes_count_column(written, outline->home, system, home);
		}
	}
}

/*
 * Does neither of the guard's row triggers in the list, of which there is one, see all
 * rows, nor its condition count them?
 */
static bool
sees_nothing(const TriggerDesc *desc)
{
	bool lifted = false;

	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		const Trigger *trigger = &desc->triggers[i];
		bool judge = shard_is_trigger(trigger->tgname, TRIGGER_JUDGE);

		if (!judge && !shard_is_trigger(trigger->tgname, TRIGGER_AMEND))
			continue;
		if (trigger->tgenabled != TRIGGER_DISABLED &&
			(trigger->tgqual == NULL || strcmp(trigger->tgqual, TRIGGER_COUNTED) == 0))
			return false;
		lifted |= judge;
	}
	return lifted;
}

/* Is the guard lifted from one of these relations that belongs to the table on the map? */
static bool
was_lifted_among(List *relations, Oid home)
{
	ListCell *lc;

	foreach(lc, relations)
	{
		ResultRelInfo *rri = lfirst(lc);
		const Outline *outline;

		if (!sees_nothing(rri->ri_TrigDesc))
			continue;
		outline = outline_of(RelationGetRelid(rri->ri_RelationDesc));
		if (outline != NULL && outline->home == home)
			return true;
	}
	return false;
}

/* Was the guard lifted from the table, or a part of it, for the statement? */
static bool
was_lifted(EState *estate, Oid home)
{
	return was_lifted_among(estate->es_opened_result_relations, home) ||
		   was_lifted_among(estate->es_tuple_routing_result_relations, home);
}

/*
 * A statement starts: prepares counting the rows that it writes.  The executor
 * counts those of the statement's own node; instruments count those of WITH and
 * of rules.
 */
void
writes_watch(QueryDesc *query)
{
	EState *estate = query->estate;
	MemoryContext old;
	ListCell *lc;

	if (estate->es_auxmodifytables == NIL || !activity_traffic_counts())
		return;
	old = MemoryContextSwitchTo(estate->es_query_cxt);

	foreach(lc, estate->es_auxmodifytables)
	{
		PlanState *node = lfirst(lc);
		PlanState *source = outerPlanState(node);

		if (node->instrument == NULL)
			node->instrument = InstrAlloc(1, INSTRUMENT_ROWS, false);
		if (source != NULL && source->instrument == NULL)
			source->instrument = InstrAlloc(1, INSTRUMENT_ROWS, false);
	}
	MemoryContextSwitchTo(old);
}

/* Did a node write any row? */
static bool
node_wrote(QueryDesc *query, ModifyTableState *node)
{
	ModifyTable *plan = (ModifyTable *) node->ps.plan;
	PlanState *source = outerPlanState(node);
	double rows;

	if (plan->canSetTag)
		return query->estate->es_processed > 0;
	if (plan->operation == CMD_MERGE)
		return node->mt_merge_inserted + node->mt_merge_updated + node->mt_merge_deleted > 0;
	if (source == NULL || source->instrument == NULL || node->ps.instrument == NULL)
		return true;
	rows = source->instrument->ntuples + source->instrument->tuplecount;
	/* ntuples2 counts the rows that ON CONFLICT DO NOTHING skipped */
	if (plan->onConflictAction == ONCONFLICT_NOTHING)
		rows -= node->ps.instrument->ntuples2;
	return rows > 0;
}

/* Did a node write any row of the table at that place in the range table? */
static bool
node_wrote_to(QueryDesc *query, ModifyTableState *node, int rti)
{
	ModifyTable *plan = (ModifyTable *) node->ps.plan;

	return (plan->rootRelation == (Index) rti || plan->nominalRelation == (Index) rti ||
			list_member_int(plan->resultRelations, rti)) &&
		   node_wrote(query, node);
}

/* Did the statement? */
static bool
statement_wrote(QueryDesc *query, int rti)
{
	ListCell *lc;

	if (IsA(query->planstate, ModifyTableState) &&
		node_wrote_to(query, (ModifyTableState *) query->planstate, rti))
		return true;
	foreach(lc, query->estate->es_auxmodifytables)
	{
		if (node_wrote_to(query, lfirst(lc), rti))
			return true;
	}
	return false;
}

/* A statement ended: counts what it wrote without being judged. */
void
writes_count(QueryDesc *query)
{
	PlannedStmt *statement = query->plannedstmt;
	EState *estate = query->estate;
	Moment *moment;
	ListCell *lc;

	if (statement->resultRelations == NIL || !activity_traffic_counts())
		return;
	moment = moment_of(query);
	/* a foreign-key action has none of its own */
	if (moment == NULL)
		moment = statement_moment();
	foreach(lc, statement->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), statement->rtable);
		CompatPerms perms = compat_rte_perms(statement, rte);
		const Outline *outline;
		int system;

		/* a partition has no privileges here: the table that the statement names has them */
		if (!OidIsValid(perms.relid) || !statement_wrote(query, lfirst_int(lc)) ||
			(outline = outline_of(perms.relid)) == NULL)
			continue;
		handover_begin();
		if ((writes_find(query, outline->home) == NULL || was_lifted(estate, outline->home)) &&
			activity_system(outline, moment, &system))
			writes_count_named(query, outline, system, &perms,
							   list_length(statement->resultRelations) == 1);
	}
	writes_forget(query);
}

void
writes_end_subtransaction(bool aborted)
{
	subxact_end(&writes, aborted, drop);
}

/* The transaction frees their memory. */
void
writes_end_transaction(void)
{
	dlist_init(&writes);
}
