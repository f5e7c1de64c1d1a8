/*
 * meet.c
 *		A replicated INSERT that meets its row.
 *
 * Several feeds send the rows of a shared table, in any order.  An INSERT whose row
 * is there becomes an UPDATE of that row, which the guard judges like any other
 * UPDATE of the feed: what the feed may write lands, and no stream stops at a
 * duplicate key.  The primary key and columns off the map do not change.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "guard.h"

/*
 * Does the INSERT write the column of the stored row?  A NULL or a default counts
 * in the writer's own columns that the feed is known to publish.
 */
static bool
writes(GuardCall *call, MappedColumn *col, TupleTableSlot *stored)
{
	const char *owner;

	if (insertion_writes(&call->new, col, call->td->tg_trigslot))
		return true;
	owner = map_owner(call->map, col, stored);
	return owner != NULL && call->system != NULL && strcmp(owner, call->system) == 0 &&
		   feed_publishes(call, col);
}

/* The columns of the stored row that the INSERT writes, offset FirstLowInvalidHeapAttributeNumber. */
static Bitmapset *
written_columns(GuardCall *call, TupleTableSlot *stored)
{
	Bitmapset *written = NULL;

	for (int i = 0; i < call->map->ncols; i++)
	{
		MappedColumn *col = &call->map->cols[i];
		int member = col->attnum - FirstLowInvalidHeapAttributeNumber;

		if (!bms_is_member(member, call->map->primary) && writes(call, col, stored))
			written = bms_add_member(written, member);
	}
	return written;
}

/* Updates the stored row, which is locked, with what the INSERT writes. */
static void
update_row(GuardCall *call, TupleTableSlot *stored)
{
	Relation rel = call->td->tg_relation;
	Bitmapset *written = written_columns(call, stored);
	TupleTableSlot *changed;
	StoredTable *t;
	int member = -1;
	AclResult acl;

	if (written == NULL)
		return;
	/* the worker checked INSERT only */
	acl = pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_UPDATE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, get_relkind_objtype(rel->rd_rel->relkind), RelationGetRelationName(rel));
	t = stored_open(rel, written);
	ExecCopySlot(t->slot, stored);
	t->slot->tts_tid = stored->tts_tid;
	changed = stored_copy(t);
	while ((member = bms_next_member(written, member)) >= 0)
	{
		AttrNumber attnum = member + FirstLowInvalidHeapAttributeNumber;

		changed->tts_values[attnum - 1] =
			slot_getattr(call->td->tg_trigslot, attnum, &changed->tts_isnull[attnum - 1]);
	}
	stored_update(t);
	stored_close(t);
}

/*
 * A worker inserts a row: if the row is there already, updates it, and returns true.
 *
 * Errors: the worker's role may not update the table.
 */
bool
meet_row(GuardCall *call)
{
	Relation rel = call->td->tg_relation;
	TupleTableSlot *found;
	bool there;

	if (!call->applied || !map_is_shared(call->map) || !OidIsValid(call->map->key_index))
		return false;
	/* the same key may come twice in one COPY */
	CommandCounterIncrement();
	found = table_slot_create(rel, NULL);
	there = stored_find(rel, call->map->key_index, call->td->tg_trigslot, found, true);
	if (there)
		update_row(call, found);
	ExecDropSingleTupleTableSlot(found);
	return there;
}
