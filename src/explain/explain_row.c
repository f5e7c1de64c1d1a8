/*
 * explain_row.c
 *		The columns of one stored row: their owners there, whether they are blank, their
 *		pins.
 *
 * The row is found by a query with the caller's privileges, and read once for all of
 * its columns.  What is read is the version that the query found.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../decisions/decisions.h"
#include "../guard/guard.h"
#include "explain.h"

/* Errors: there is not exactly one row. */
static void
require_one(Relation rel, Jsonb *key, int rows)
{
	char *note;

	if (rows == 1)
		return;
	note = rows == 0 ? explain_waiting_note(RelationGetRelid(rel), key) : NULL;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg(rows == 0 ? "table \"%s\" has no row with key %s"
							  : "table \"%s\" has several rows with key %s",
					RelationGetRelationName(rel), JsonbToCString(NULL, &key->root, VARSIZE(key))),
			 note ? errdetail("%s", note) : 0));
}

/* The row of a foreign table has no place that it can be read from: it is made of its values. */
static void
read_values(ExplainedRow *row, Relation rel, Jsonb *key, MemoryContext cxt)
{
	TupleDesc desc = RelationGetDescr(rel);
	List *columns = NIL; /* of RowColumn */
	StoredRow stored;
	MemoryContext old;
	ListCell *lc;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			columns = lappend(columns, place_row_column(RelationGetRelid(rel),
														NameStr(TupleDescAttr(desc, i)->attname)));
	row_read(RelationGetRelid(rel), list_make1(key), columns, false, false, &stored);
	require_one(rel, key, stored.n);
	old = MemoryContextSwitchTo(cxt);
	row->slot = MakeSingleTupleTableSlot(RelationGetDescr(row->rel), &TTSOpsVirtual);
	ExecStoreAllNullTuple(row->slot);
	foreach(lc, columns)
	{
		const RowColumn *column = lfirst(lc);
		char *text = stored.values[foreach_current_index(lc)];
		AttrNumber attnum = get_attnum(RelationGetRelid(row->rel), column->name);

		/* of a domain the base type: its CHECKs may be code of another role */
		if (text != NULL && attnum != InvalidAttrNumber)
		{
			row->slot->tts_isnull[attnum - 1] = false;
			row->slot->tts_values[attnum - 1] = value_from_text(getBaseType(column->type), text);
		}
	}
	MemoryContextSwitchTo(old);
}

/*
 * Finds the row of a table and reads it.  Until explain_close_row(), no map is freed.
 *
 * Errors: the key is no object; it cannot be looked for; no row has it, or several;
 * the caller may not read the row.
 */
void
explain_open_row(ExplainedRow *row, Relation rel, Jsonb *key)
{
	MemoryContext cxt = CurrentMemoryContext;
	StoredRow stored;

	if (!JB_ROOT_IS_OBJECT(key) || JB_ROOT_COUNT(key) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "row_key must be an object: the columns that identify the row, and their values")));
	memset(row, 0, sizeof(ExplainedRow));
	SPI_connect();
	row_read(RelationGetRelid(rel), list_make1(key), NIL, false, true, &stored);
	require_one(rel, key, stored.n);
	row->rel = relation_open(stored.relid, AccessShareLock);
	if (row->rel->rd_rel->relkind == RELKIND_RELATION)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		row->slot = table_slot_create(row->rel, NULL);
		/* the caller's snapshot may be older than the query's, and sees another version */
		if (!table_tuple_fetch_row_version(row->rel, &stored.tid, SnapshotAny, row->slot))
			elog(ERROR, "the row is not where a query found it");
		MemoryContextSwitchTo(old);
	}
	else
		read_values(row, rel, key, cxt);
	SPI_finish();
	map_enter();
	row->map = map_get(row->rel);
}

void
explain_close_row(ExplainedRow *row)
{
	map_leave();
	ExecDropSingleTupleTableSlot(row->slot);
	relation_close(row->rel, NoLock);
}

static bool
is_blank(const ExplainedRow *row, const MappedColumn *col)
{
	bool isnull;
	Datum value = slot_getattr(row->slot, col->attnum, &isnull);

	return value_is_blank(col->blank, value, isnull);
}

/*
 * The column of the table with the owner that it has in the row, and no row rules.
 * *stored_blank: it is blank there, with all of its group, as fill asks.  *pin: its
 * pin, or NULL.
 *
 * Errors: those of row filters.
 */
MappedColumn
explain_in_row(ExplainedRow *row, const MappedColumn *col, bool *stored_blank, Pin **pin)
{
	MappedColumn in_row = *col;
	MappedColumn *here = map_column(row->map, get_attnum(row->map->relid, col->name));
	MappedColumn *each = NULL;

	*stored_blank = false;
	*pin = NULL;
	in_row.nrules = 0;
	/* the map has been edited between the loads of the table's map and the partition's */
	if (here == NULL)
		return in_row;
	in_row.owner = unconstify(char *, map_owner(row->map, here, row->slot));
	*stored_blank = is_blank(row, here);
	while (*stored_blank && here->group != 0 &&
		   (each = map_next_in_group(row->map, here->group, each)) != NULL)
		*stored_blank = is_blank(row, each);
	*pin = pin_in_row(row->map, here, RelationGetDescr(row->rel), row->slot, &row->pin_key);
	return in_row;
}
