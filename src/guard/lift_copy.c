/*
 * lift_copy.c
 *		Lifting the guard off COPY before it begins to insert.
 *
 * COPY inserts many rows at once only where no BEFORE trigger fires, and decides
 * that before it calls any.  Its permission check comes before that, with the table
 * open and locked: there the guard's triggers that it does not need are hidden
 * (lift_hide.c), of the table that it names and, if that is partitioned, of the
 * partitions that were made last.  Where they are not hidden, they fire, and
 * lift_rest() lifts them off all rows but the first.
 *
 * COPY is judged by the moment of its beginning, like every statement.  Its private
 * lists cannot be reached.  So if this session edits the map while COPY runs, what
 * it needs is determined again at its end; where the guard should not have been
 * lifted by then, COPY fails.  Two edits that cancel each other out are not noticed.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* Of so many partitions at most the guard is lifted before any row goes there. */
#define PARTITIONS_AT_ONCE 32

static CopyLift *copying = NULL; /* the innermost COPY that runs */

/* The map and the writer of a COPY. */
typedef struct Known
{
	Moment *moment;
	Relation rel;
	RelationMap *map;
	const Writer *writer;
} Known;

static bool
look_up(void *arg)
{
	Known *known = arg;

	known->map = moment_map(known->moment, known->rel);
	known->writer = moment_writer(known->moment);
	return true;
}

/* Finds both without raising an error that no row has raised yet; false: there would be one. */
static bool
find_known(Known *known)
{
	known->map = moment_known_map(known->moment, RelationGetRelid(known->rel));
	known->writer = moment_known_writer(known->moment);
	return known->moment->enforcement == ENFORCEMENT_OFF ||
		   (known->map != NULL && known->writer != NULL) || subxact_trial(look_up, known) == NULL;
}

/* Which triggers COPY needs on a relation.  filled: it may meet rows, which a first copy does. */
static Need
need_of(const CopyLift *copy, const Known *known, bool filled)
{
	bool first = copy->key == NULL;
	Writes writes = {0};

	writes.inserts = true;
	writes.copy = copy->statement;
	writes.copied = copy->named;
	writes.derives = trigger_list_others_before(known->rel->trigdesc, TRIGGER_TYPE_INSERT);
	writes.meets = first && filled;
	/* AFTER does not fire there: the end looks at all that waits */
	writes.many = first;
	return lift_need(known->map, copy->moment, known->writer, &writes,
					 first || known->rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE);
}

/* Lifts the guard off one relation, if COPY needs no BEFORE there; false: it does. */
static bool
lift_table(CopyLift *copy, Relation rel)
{
	Known known = {copy->moment, rel, NULL, NULL};
	CopiedRelation *lifted;
	MemoryContext old;
	Need need;
	bool filled;

	if (!trigger_list_is_guarded(rel))
		return true;
	if (!find_known(&known))
		return false;
	filled = rel->rd_rel->relkind == RELKIND_RELATION && RelationGetNumberOfBlocks(rel) > 0;
	need = need_of(copy, &known, filled);
	if (need.amend && filled && copy->key == NULL && RelationGetRelid(rel) == copy->named)
	{
		/* rows that are there do not come to it, if nothing else needs BEFORE */
		need = need_of(copy, &known, false);
		if (!need.amend && !lift_first_rows_begin(rel, known.map, copy->statement, copy->cxt))
			return false;
	}
	if (need.amend)
		return false;
	if (copy->key == NULL && known.map != NULL && RelationGetRelid(rel) == copy->named)
		feed_copies(known.map, copy->statement->attlist);
	/* what was looked up may have read the list anew */
	if (!trigger_list_is_guarded(rel))
		return false;
	old = MemoryContextSwitchTo(copy->cxt);
	lifted = palloc(sizeof(CopiedRelation));
	lifted->relid = RelationGetRelid(rel);
	lifted->judge = need.judge;
	copy->lifted = lappend(copy->lifted, lifted);
	lift_hide(rel, need, copy->cxt);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Lifts the guard off partitions.  COPY locks a partition when it has a row for it.
 * Here no lock is waited for, and none is kept: a partition that changes until then
 * is read anew, with all its triggers.
 */
static void
lift_partitions(CopyLift *copy, Oid relid)
{
	List *relids = find_all_inheritors(relid, NoLock, NULL);
	int n = 0;

	/* the first is the table itself */
	for (int i = list_length(relids) - 1; i > 0 && n < PARTITIONS_AT_ONCE; i--)
	{
		Oid partition = list_nth_oid(relids, i);
		Relation rel;

		if (get_rel_relkind(partition) == RELKIND_PARTITIONED_TABLE ||
			!ConditionalLockRelationOid(partition, AccessShareLock))
			continue;
		rel = try_relation_open(partition, NoLock);
		if (rel != NULL)
		{
			(void) lift_table(copy, rel);
			relation_close(rel, NoLock);
		}
		UnlockRelationOid(partition, AccessShareLock);
		n++;
	}
}

/* Lifts the guard off the table that COPY names, and off its partitions. */
static void
lift_all(CopyLift *copy)
{
	Relation rel;

	if (!ownership_lift || map_is_asking())
		return;
	/* PostgreSQL accepted none if the session had the lock already */
	AcceptInvalidationMessages();
	rel = relation_open(copy->named, NoLock);
	if (trigger_list_is_guarded(rel) && lift_table(copy, rel) &&
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		lift_partitions(copy, copy->named);
	relation_close(rel, NoLock);
	copy->edits = copy->moment->edits;
}

/* A COPY begins.  Raises no error. */
void
lift_copy_enter(CopyLift *copy, PlannedStmt *statement, Moment *moment, MemoryContext cxt)
{
	memset(copy, 0, sizeof(CopyLift));
	copy->outer = copying;
	copy->statement = (CopyStmt *) statement->utilityStmt;
	copy->key = statement;
	copy->moment = moment;
	copy->cxt = cxt;
	copy->awaited = copy->statement->is_from;
	copying = copy;
}

/* It ended, or failed. */
void
lift_copy_leave(const CopyLift *copy)
{
	lift_show();
	copying = copy->outer;
}

/* Another statement starts: it sees the guard's triggers, and its permission check is not COPY's. */
void
lift_copy_disturb(void)
{
	lift_show();
	if (unlikely(copying != NULL))
		copying->awaited = false;
}

/* Is the next permission check that of COPY? */
bool
lift_copy_is_awaited(void)
{
	return copying != NULL && copying->awaited;
}

/* COPY may insert into the table, which is open and locked. */
void
lift_copy_begins(Oid relid)
{
	copying->awaited = false;
	copying->named = relid;
	statement_copies_into(relid);
	if (!IsInParallelMode())
		lift_all(copying);
}

/*
 * A first copy of a subscribed table begins.  names: String, the columns that it
 * brings; options: DefElem, of its COPY.  cxt: lives until lift_copy_leave().
 */
void
lift_copy_first(CopyLift *copy, Oid relid, List *names, List *options, MemoryContext cxt)
{
	memset(copy, 0, sizeof(CopyLift));
	copy->outer = copying;
	copy->statement = makeNode(CopyStmt);
	copy->statement->is_from = true;
	copy->statement->attlist = names;
	copy->statement->options = options;
	copy->moment = moment_begin(copy, GetActiveSnapshot(), cxt);
	copy->cxt = cxt;
	copy->named = relid;
	copying = copy;
	lift_all(copy);
}

/* BEFORE is called for the first row of a relation: the guard is not lifted off it. */
void
lift_copy_fires(const TriggerData *td)
{
	ListCell *lc;

	if (copying == NULL || copying->key != statement_key())
		return;
	foreach(lc, copying->lifted)
	{
		if (((CopiedRelation *) lfirst(lc))->relid == RelationGetRelid(td->tg_relation))
			copying->lifted = foreach_delete_current(copying->lifted, lc);
	}
}

/* By the map as it is now, should the guard have been lifted off the relation? */
static bool
is_still_lifted(CopyLift *copy, const CopiedRelation *lifted)
{
	Relation rel = try_relation_open(lifted->relid, AccessShareLock);
	Known known = {copy->moment, rel, NULL, NULL};
	Need need = {0};

	if (rel == NULL)
		return true;
	if (trigger_list_is_guarded(rel))
	{
		(void) look_up(&known);
		need = need_of(copy, &known, false);
	}
	relation_close(rel, NoLock);
	return !need.amend && (lifted->judge || !need.judge);
}

/*
 * COPY has inserted its rows.
 *
 * Errors: serialization_failure if this session has edited the map meanwhile, so that
 * the guard should not have been lifted; those of moment_map().
 */
void
lift_copy_ends(CopyLift *copy)
{
	ListCell *lc;

	lift_show();
	if (likely(copy->lifted == NIL || copy->edits == map_edits))
		return;
	CommandCounterIncrement();
	foreach(lc, copy->lifted)
	{
		if (!is_still_lifted(copy, lfirst(lc)))
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
							errmsg("could not judge the rows of COPY, because the ownership map "
								   "changed while it ran"),
							errdetail("A trigger, a default or a constraint edited the map when "
									  "COPY had begun to insert rows without the guard."),
							errhint("Edit the map before COPY begins.")));
	}
}
