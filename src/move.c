/*
 * move.c
 *		Rows on their way from one partition to another.
 *
 * Over SQL an UPDATE that moves a row deletes it in one partition and inserts
 * it in another; in a replication worker only these two halves fire, without
 * the UPDATE.  What is expected next is remembered here, by the root of the
 * partition tree and the trigger depth, from one half to the other.  It does
 * not survive the statement nor the (sub)transaction that it began in.
 */
#include "ownership.h"

#include <locale.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "compat.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "nodes/makefuncs.h"
#include "replication/logicalworker.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/partcache.h"

static Move before_insert;			 /* BEFORE INSERT is to follow */
static Move after_insert;			 /* AFTER INSERT is to follow */
static MemoryContext replicated_cxt; /* of a replicated move; NULL: none yet in this transaction */

static Oid truncated_home;
static CommandId truncated_command;
static LocalTransactionId truncated_xact;
static LocalTransactionId xact_counter = 0;

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

static void
expect(Move *move, const RelationMap *map)
{
	memset(move, 0, sizeof(Move));
	move->root = map->root;
	move->depth = trigger_depth();
	move->level = GetCurrentTransactionNestLevel();
}

/* Is it this row's turn?  Anything else at the same place ends the wait. */
static bool
arrives(Move *move, const RelationMap *map)
{
	bool yes;

	if (!OidIsValid(move->root) || move->root != map->root || move->depth != trigger_depth())
		return false;
	yes = true;
	move->root = InvalidOid;
	return yes;
}

/* BEFORE UPDATE: a BEFORE DELETE of the same tuple may follow. */
void
move_remember_update(GuardState *state, TriggerData *td)
{
	if (!td->tg_relation->rd_rel->relispartition)
		return;
	state->update_ctid = td->tg_trigtuple->t_self;
	state->update_slot = td->tg_newslot;
	state->update_named = td->tg_updatedcols;
	if (OidIsValid(before_insert.root))
		before_insert.root = InvalidOid;
}

/* Does the remembered new row still belong to this partition? */
static bool
stays(GuardState *state, Relation rel, const RelationMap *map)
{
	bool stays;

	if (state->partition_check == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(state->cxt);
		Expr *qual = make_ands_explicit(RelationGetPartitionQual(rel));

		state->partition_check = ExecInitCheck(make_ands_implicit(expression_planner(qual)), NULL);
		MemoryContextSwitchTo(old);
	}
	map->econtext->ecxt_scantuple = state->update_slot;
	stays = ExecCheck(state->partition_check, map->econtext);
	ResetExprContext(map->econtext);
	return stays;
}

/*
 * BEFORE DELETE: is it the first half of a move over SQL?  Its statement
 * looked at this very tuple last, and the new row belongs elsewhere.  (A
 * MERGE may delete a tuple whose UPDATE another trigger has suppressed; that
 * new row need not belong elsewhere, and then it is a DELETE.)
 */
bool
move_begins(GuardState *state, TriggerData *td, const RelationMap *map)
{
	bool begins = state->update_slot != NULL && !TTS_EMPTY(state->update_slot) &&
				  ItemPointerEquals(&state->update_ctid, &td->tg_trigtuple->t_self) &&
				  !stays(state, td->tg_relation, map);

	if (!begins)
		state->update_slot = NULL;
	before_insert.root = InvalidOid;
	return begins;
}

/* Could another trigger still suppress the deletion? */
static bool
delete_may_fail(TriggerData *td)
{
	TriggerDesc *desc = td->tg_relation->trigdesc;

	for (int i = 0; i < desc->numtriggers; i++)
	{
		Trigger *trigger = &desc->triggers[i];

		if (TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
								 TRIGGER_TYPE_DELETE) &&
			strcmp(trigger->tgname, td->tg_trigger->tgname) > 0)
			return true;
	}
	return false;
}

/*
 * The move was judged: its INSERT is let through.  Not where a trigger after
 * ours could yet suppress the deletion, and another INSERT slip in instead;
 * the INSERT is judged as one then.
 */
void
move_expect_insert(TriggerData *td, const RelationMap *map)
{
	if (!delete_may_fail(td))
		expect(&before_insert, map);
}

/* What an error would have for context now, in untranslated messages. */
char *
move_error_context(void)
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
 * Does the apply worker work on an UPDATE?  It tells nobody; but its error
 * context names the message type.
 */
static bool
applies_update(void)
{
	char *context = move_error_context();
	bool update = context != NULL && strstr(context, "\"UPDATE\"") != NULL;

	if (context != NULL)
		pfree(context);
	return update;
}

/* BEFORE DELETE: is it the first half of a replicated move? */
bool
move_is_replicated(TriggerData *td, const Writer *writer)
{
	return writer->worker && IsLogicalWorker() && td->tg_relation->rd_rel->relispartition &&
		   trigger_depth() == 1 && applies_update();
}

void
move_expect_replicated(TriggerData *td, const RelationMap *map, const List *obstacles)
{
	MemoryContext old;
	ListCell *lc;

	if (replicated_cxt == NULL)
		replicated_cxt = AllocSetContextCreate(TopTransactionContext, "ownership replicated move",
											   ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(replicated_cxt);
	old = MemoryContextSwitchTo(replicated_cxt);
	expect(&before_insert, map);
	before_insert.old_relid = RelationGetRelid(td->tg_relation);
	before_insert.old_tuple = heap_copytuple(td->tg_trigtuple);
	foreach(lc, obstacles)
		before_insert.obstacles = lappend(before_insert.obstacles, pstrdup(lfirst(lc)));
	MemoryContextSwitchTo(old);
}

/* BEFORE INSERT: the move whose second half it is, or NULL. */
const Move *
move_arrives(const RelationMap *map)
{
	if (!arrives(&before_insert, map))
		return NULL;
	/* of a replicated one, a trigger may have suppressed the second half */
	if (before_insert.old_tuple != NULL && !applies_update())
		return NULL;
	return &before_insert;
}

/* The row as it was, in the layout of the partition where it arrives. */
HeapTuple
move_old_tuple(const Move *move, Relation rel)
{
	Relation old = table_open(move->old_relid, NoLock);
	TupleConversionMap *conversion =
		convert_tuples_by_name(RelationGetDescr(old), RelationGetDescr(rel));
	HeapTuple tuple =
		conversion == NULL ? move->old_tuple : execute_attr_map_tuple(move->old_tuple, conversion);

	table_close(old, NoLock);
	return tuple;
}

/* AFTER DELETE: is it the first half of a move? */
bool
move_left(TriggerData *td, const RelationMap *map)
{
	if (!td->tg_relation->rd_rel->relispartition ||
		!HeapTupleHeaderIndicatesMovedPartitions(td->tg_trigtuple->t_data))
		return false;
	expect(&after_insert, map);
	return true;
}

/* AFTER INSERT: is it the second half? */
bool
move_arrived(const RelationMap *map)
{
	return arrives(&after_insert, map);
}

/* A statement ended: nothing is on its way in it any more. */
void
move_forget(void)
{
	int depth = trigger_depth();

	if (before_insert.depth > depth)
		before_insert.root = InvalidOid;
	if (after_insert.depth > depth)
		after_insert.root = InvalidOid;
}

/*
 * TRUNCATE fires once for each partition of a truncated table; it is one
 * write of the table on the map.
 */
bool
truncate_is_new(const RelationMap *map)
{
	CommandId command = GetCurrentCommandId(false);

	if (truncated_home == map->home && truncated_command == command && truncated_xact == xact_counter)
		return false;
	truncated_home = map->home;
	truncated_command = command;
	truncated_xact = xact_counter;
	return true;
}

static void
xact_callback(XactEvent event, void *arg)
{
	before_insert.root = InvalidOid;
	after_insert.root = InvalidOid;
	replicated_cxt = NULL;
	xact_counter++;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				 void *arg)
{
	int level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (before_insert.level >= level)
		before_insert.root = InvalidOid;
	if (after_insert.level >= level)
		after_insert.root = InvalidOid;
}

void
move_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
