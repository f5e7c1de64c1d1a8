/*
 * history.c
 *		History: rows of ownership.history, one for each change of stored values whose
 *		fields have a history.
 *
 * It contains what was really stored, whoever wrote it and whatever the guard or
 * another trigger made of what the statement proposed.  The transaction that makes
 * the change inserts it.  A value is recorded whole, so that revert() can put it back.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "evidence.h"

/* The outcome of all rows of ownership.history. */
#define WRITTEN "written"

/* The columns with a history whose values differ between the two rows; items is NULL if none does. */
static ConflictSet
changed_columns(const RelationMap *map, TupleTableSlot *stored, TupleTableSlot *final)
{
	ConflictSet set = {0};

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		Datum before;
		Datum after;
		bool before_null;
		bool after_null;

		if (!col->history)
			continue;
		before = slot_getattr(stored, col->attnum, &before_null);
		after = slot_getattr(final, col->attnum, &after_null);
		if (!value_changed(&col->type, before, before_null, after, after_null))
			continue;
		if (set.items == NULL)
			set.items = palloc0(map->ncols * sizeof(Conflict));
		set.items[set.n++].col = col;
	}
	return set;
}

/* The row of history.  Its columns have the numbers of those of ownership.conflict. */
static void
make_row(const Evidence *e, Datum *values, bool *nulls)
{
	bool whole;
	Bitmapset *made;
	Jsonb *key = evidence_row_key(e, &whole, &made);
	Jsonb *before = evidence_values(e, e->stored, -1, NULL);
	Jsonb *after = evidence_values(e, e->final, -1, NULL);

	evidence_check_readable(e->map, (Jsonb *[]){key, before, after}, 3);
	evidence_set_common(values, nulls, e->map->schema, e->map->table, e->operation, e->writer,
						e->system, WRITTEN);
	evidence_set_jsonb(values, nulls, Anum_conflict_row_key, key);
	evidence_set_jsonb(values, nulls, Anum_conflict_stored, before);
	evidence_set_jsonb(values, nulls, Anum_conflict_proposed, after);
	values[Anum_conflict_columns - 1] = names_array(evidence_names(e));
	nulls[Anum_conflict_columns - 1] = false;
}

/* Inserts the row.  Settings are fixed for the text output of values only. */
static void
insert_change(Inserter *inserter, const Evidence *e)
{
	OutputSettings settings = value_fix_output(e->map->text_needs);
	Datum values[Natts_conflict];
	bool nulls[Natts_conflict];

	PG_TRY();
	{
		make_row(e, values, nulls);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	insert_row(inserter, Natts_conflict, values, nulls);
}

/*
 * Records that a row was updated: from `stored` to `final`, both rows of the relation
 * that map and desc are of.  Writes nothing if no column with a history changed.
 * system: as which the writer writes this table; NULL: none.
 *
 * Errors: values that do not fit into jsonb (program_limit_exceeded).
 */
void
evidence_history(const RelationMap *map, TupleDesc desc, const Writer *writer, const char *system,
				 TupleTableSlot *stored, TupleTableSlot *final)
{
	ConflictSet set;
	Evidence e = {0};
	Tally *tally;
	Inserter *inserter;
	MemoryContext cxt;
	MemoryContext old;

	if (map->history == NULL)
		return;
	set = changed_columns(map, stored, final);
	if (set.n == 0)
		return;
	e.map = map;
	e.desc = desc;
	e.writer = writer;
	e.system = system;
	e.operation = OPERATION_UPDATE;
	e.conflicts = &set;
	e.stored = stored;
	e.proposed = e.final = final;

	tally = tally_get(map);
	cxt = AllocSetContextCreate(CurrentMemoryContext, "ownership history", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	inserter = evidence_inserter(tally, &tally->history, "history");
	insert_change(inserter, &e);
	evidence_release(tally->history, inserter);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	pfree(set.items);
}
