/*
 * move.c
 *		Rows on their way from one partition to another.
 *
 * Over SQL an UPDATE that moves a row deletes it in one partition and inserts
 * it in another; in a replication worker only the triggers of these two halves
 * fire, without those of the UPDATE.  The guard does not take just the next row
 * for the second half, but recognizes it:
 *
 * BEFORE DELETE announces a move.  BEFORE INSERT of the same row can only come
 * while the executor works on that row: the announcement lives in the memory
 * that the executor resets before it takes the next row.  Where a trigger
 * suppresses the second half, no other row is taken for it.
 *
 * BEFORE INSERT remembers, by the old tuple, where the row goes and which key it
 * has there.  AFTER DELETE finds this entry by its tuple, AFTER INSERT by the
 * row.  A row that is no second half of a move is judged as the INSERT that it
 * is.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "replication/logicalworker.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/* Of Move: those whose BEFORE DELETE came, and whose BEFORE INSERT did not come yet. */
static dlist_head announced = DLIST_STATIC_INIT(announced);

/* The place that a row left: the partition, and the tuple there. */
typedef struct MovedKey
{
	Oid relid;
	ItemPointerData ctid;
} MovedKey;

/* A row that BEFORE INSERT let into another partition; in moved_cxt. */
typedef struct Moved
{
	MovedKey key;
	Oid to;					/* the partition that it goes to */
	uint64 row;				/* row_hash() there */
	const Bitmapset *named; /* the columns that the UPDATE names, in key.relid */
} Moved;

/* The same, once AFTER DELETE came: AFTER INSERT is to follow. */
typedef struct Arrival
{
	Nested nested;		   /* the first member */
	const void *statement; /* its key */
	Oid from;
	Oid to;
	uint64 row;
	const Bitmapset *named; /* in `from` */
	HeapTuple old_tuple;
} Arrival;

static MemoryContext moved_cxt = NULL;
static HTAB *moved = NULL;
static const Bitmapset *moved_named = NULL; /* the last set that was copied there */
static dlist_head arrivals = DLIST_STATIC_INIT(arrivals);

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* Ends an announcement: its BEFORE INSERT came, or the executor resets the memory. */
static void
withdraw(void *arg)
{
	Move *move = arg;

	if (move->root != InvalidOid)
		dlist_delete(&move->node);
	move->root = InvalidOid;
}

/*
 * Announces a move, in the current memory context: the executor calls triggers
 * in its memory for one row, and resets that before the next row.
 */
static Move *
announce(TriggerData *td, const RelationMap *map)
{
	Move *move = palloc0(sizeof(Move));

	move->root = map->root;
	move->statement = statement_key();
	move->depth = trigger_depth();
	move->old_relid = RelationGetRelid(td->tg_relation);
	move->old_tuple = heap_copytuple(td->tg_trigtuple);
	dlist_push_head(&announced, &move->node);
	move->gone.func = withdraw;
	move->gone.arg = move;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &move->gone);
	return move;
}

/* BEFORE UPDATE: remembers the tuple, because a BEFORE DELETE of it may follow. */
void
move_remember_update(GuardState *state, TriggerData *td)
{
	if (!td->tg_relation->rd_rel->relispartition)
		return;
	state->update_ctid = td->tg_trigtuple->t_self;
	state->update_slot = td->tg_newslot;
	state->update_named = td->tg_updatedcols;
}

/* Does the remembered new row still belong to this partition? */
static bool
stays(GuardState *state, Relation rel, RelationMap *map)
{
	ExprContext *econtext;
	bool stays;

	if (state->partition_check == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(state->cxt);
		Expr *qual = make_ands_explicit(RelationGetPartitionQual(rel));

		state->partition_check = ExecInitCheck(make_ands_implicit(expression_planner(qual)), NULL);
		MemoryContextSwitchTo(old);
	}
	econtext = map_econtext(map);
	econtext->ecxt_scantuple = state->update_slot;
	stays = ExecCheck(state->partition_check, econtext);
	ResetExprContext(econtext);
	return stays;
}

/*
 * BEFORE DELETE: is it the first half of a move over SQL?  It is if BEFORE
 * UPDATE of this statement saw the same tuple last, and the new row belongs to
 * another partition.  (A MERGE may delete a tuple whose UPDATE another trigger
 * has suppressed.  If that new row belongs to the same partition, this is a
 * DELETE.)
 */
bool
move_begins(GuardState *state, TriggerData *td, RelationMap *map)
{
	bool begins = state->update_slot != NULL && !TTS_EMPTY(state->update_slot) &&
				  ItemPointerEquals(&state->update_ctid, &td->tg_trigtuple->t_self) &&
				  !stays(state, td->tg_relation, map);

	if (!begins)
		state->update_slot = NULL;
	return begins;
}

/* Zeroes the whole key first: it is hashed by its bytes, those of the padding too. */
static void
set_moved_key(MovedKey *key, Oid relid, HeapTuple tuple)
{
	memset(key, 0, sizeof(MovedKey));
	key->relid = relid;
	key->ctid = tuple->t_self;
}

/* BEFORE DELETE of a row that an UPDATE moves over SQL: BEFORE INSERT may follow. */
void
move_announce(GuardState *state, TriggerData *td, const RelationMap *map)
{
	Move *move = announce(td, map);

	move->new_tuple = ExecCopySlotHeapTuple(state->update_slot);
	move->named = bms_copy(state->update_named);
	move->judged = state->judge;
	if (moved != NULL)
	{
		/* an entry may be left of a subtransaction that was rolled back */
		MovedKey key;

		set_moved_key(&key, move->old_relid, td->tg_trigtuple);
		(void) hash_search(moved, &key, HASH_REMOVE, NULL);
	}
}

/*
 * Does the apply worker apply an UPDATE?  Only its error context contains this:
 * it names the type of the message.
 */
static bool
applies_update(void)
{
	char *context = statement_error_context();
	bool update = context != NULL && strstr(context, "\"UPDATE\"") != NULL;

	if (context != NULL)
		pfree(context);
	return update;
}

/*
 * BEFORE DELETE of a row change that a worker applies itself: is it the first half
 * of a replicated move?
 */
bool
move_is_replicated(TriggerData *td)
{
	return IsLogicalWorker() && td->tg_relation->rd_rel->relispartition && trigger_depth() == 1 &&
		   applies_update();
}

/* BEFORE DELETE of a replicated move.  obstacles: see Move; NIL: it may go on. */
void
move_announce_replicated(TriggerData *td, const RelationMap *map, List *obstacles)
{
	announce(td, map)->obstacles = obstacles;
}

/* The tuple of one partition, in the layout of another. */
HeapTuple
move_tuple(HeapTuple tuple, Oid from, Oid to)
{
	Relation source = table_open(from, NoLock);
	Relation target = table_open(to, NoLock);
	TupleConversionMap *conversion =
		convert_tuples_by_name(RelationGetDescr(source), RelationGetDescr(target));

	if (conversion != NULL)
	{
		tuple = execute_attr_map_tuple(tuple, conversion);
		free_conversion_map(conversion);
	}
	table_close(source, NoLock);
	table_close(target, NoLock);
	return tuple;
}

/* BEFORE INSERT: the move whose second half this is; NULL: none. */
Move *
move_arrives(TriggerData *td, const RelationMap *map)
{
	dlist_iter iter;
	int depth = -1;

	dlist_foreach(iter, &announced)
	{
		Move *move = dlist_container(Move, node, iter.cur);

		if (move->root != map->root || move->statement != statement_key())
			continue;
		if (depth < 0)
			depth = trigger_depth();
		if (move->depth != depth)
			continue;
		withdraw(move);
		move->touched = trigger_list_others_fire_before(td, TRIGGER_TYPE_INSERT);
		return move;
	}
	return NULL;
}

/* A hash of what identifies the row: its key, else all its mirrored columns. */
static uint64
row_hash(Relation rel, const RelationMap *map, HeapTuple tuple)
{
	TupleDesc desc = RelationGetDescr(rel);
	bool keyless = map->nkey_attrs == 0;
	int n = keyless ? map->ncols : map->nkey_attrs;
	uint64 hash = n;

	for (int i = 0; i < n; i++)
	{
		AttrNumber attnum = keyless ? map->cols[i].attnum : map->key_attrs[i];
		Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
		bool isnull;
		Datum value = heap_getattr(tuple, attnum, desc, &isnull);

		hash =
			hash_combine64(hash, isnull ? 0 : datum_image_hash(value, att->attbyval, att->attlen));
	}
	return hash;
}

/* BEFORE INSERT lets the second half of a move in; AFTER will judge it as an UPDATE. */
void
move_let_in(const Move *move, Relation rel, const RelationMap *map, HeapTuple tuple)
{
	MovedKey key;
	Moved *entry;

	if (moved == NULL)
	{
		HASHCTL ctl = {0};

		moved_cxt = AllocSetContextCreate(TopTransactionContext, "ownership moved rows",
										  ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = sizeof(MovedKey);
		ctl.entrysize = sizeof(Moved);
		ctl.hcxt = moved_cxt;
		moved = hash_create("ownership moved rows", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		moved_named = NULL;
	}
	if (moved_named == NULL || !bms_equal(moved_named, move->named))
	{
		MemoryContext old = MemoryContextSwitchTo(moved_cxt);

		moved_named = bms_copy(move->named);
		MemoryContextSwitchTo(old);
	}
	set_moved_key(&key, move->old_relid, move->old_tuple);
	entry = hash_search(moved, &key, HASH_ENTER, NULL);
	entry->to = RelationGetRelid(rel);
	entry->row = row_hash(rel, map, tuple);
	entry->named = moved_named;
}

/* Could AFTER INSERT take a row for the second half of a move? */
bool
move_is_under_way(void)
{
	return moved != NULL && (hash_get_num_entries(moved) > 0 || !dlist_is_empty(&arrivals));
}

StaticAssertDecl(offsetof(Arrival, nested) == 0, "drop_arrival() casts");

static void
drop_arrival(Nested *nested)
{
	Arrival *arrival = (Arrival *) nested;

	heap_freetuple(arrival->old_tuple);
	pfree(arrival);
}

/* AFTER DELETE: is it the first half of a move? */
bool
move_left(TriggerData *td)
{
	MovedKey key;
	Moved *entry = NULL;
	Arrival *arrival;
	MemoryContext old;

	if (!td->tg_relation->rd_rel->relispartition ||
		!HeapTupleHeaderIndicatesMovedPartitions(td->tg_trigtuple->t_data))
		return false;
	set_moved_key(&key, RelationGetRelid(td->tg_relation), td->tg_trigtuple);
	if (moved != NULL)
		entry = hash_search(moved, &key, HASH_FIND, NULL);
	if (entry == NULL)
		return true; /* BEFORE INSERT did not fire, or has judged the move */

	old = MemoryContextSwitchTo(moved_cxt);
	arrival = palloc0(sizeof(Arrival));
	arrival->statement = statement_key();
	arrival->nested.level = GetCurrentTransactionNestLevel();
	arrival->from = key.relid;
	arrival->to = entry->to;
	arrival->row = entry->row;
	arrival->named = entry->named;
	arrival->old_tuple = heap_copytuple(td->tg_trigtuple);
	dlist_push_tail(&arrivals, &arrival->nested.node);
	MemoryContextSwitchTo(old);
	(void) hash_search(moved, &key, HASH_REMOVE, NULL);
	return true;
}

/*
 * AFTER INSERT: is it the second half of a move?  If so, *move says which
 * partition and tuple the row left, and which columns the UPDATE names.
 */
bool
move_arrived(TriggerData *td, const RelationMap *map, Move *move)
{
	Relation rel = td->tg_relation;
	uint64 row = 0;
	dlist_iter iter;

	dlist_foreach(iter, &arrivals)
	{
		Arrival *arrival = dlist_container(Arrival, nested.node, iter.cur);

		if (arrival->statement != statement_key() || arrival->to != RelationGetRelid(rel))
			continue;
		if (row == 0)
			row = row_hash(rel, map, td->tg_trigtuple);
		if (arrival->row != row)
			continue;
		memset(move, 0, sizeof(Move));
		move->old_relid = arrival->from;
		move->old_tuple = heap_copytuple(arrival->old_tuple);
		move->named = arrival->named;
		dlist_delete(iter.cur);
		drop_arrival(&arrival->nested);
		return true;
	}
	return false;
}

/*
 * A statement ended: forgets its moves.  all: no statement is around it, so the
 * moves of all statements are forgotten.
 */
void
move_forget(bool all)
{
	dlist_mutable_iter iter;

	if (moved == NULL)
		return;
	if (all)
	{
		dlist_init(&arrivals);
		moved = NULL;
		MemoryContextDelete(moved_cxt);
		return;
	}
	dlist_foreach_modify(iter, &arrivals)
	{
		Arrival *arrival = dlist_container(Arrival, nested.node, iter.cur);

		if (arrival->statement != statement_key())
			continue;
		dlist_delete(iter.cur);
		drop_arrival(&arrival->nested);
	}
}

/* The transaction ended, and freed the memory of its moves. */
void
move_end_transaction(void)
{
	dlist_init(&arrivals);
	moved = NULL;
}

void
move_end_subtransaction(bool aborted)
{
	subxact_end(&arrivals, aborted, drop_arrival);
}
