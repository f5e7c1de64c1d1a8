/*
 * pin_value.c
 *		One pinned value, of a column or a group, and what a write of its owner means for it.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "guard.h"

/* May a value of the column be pinned? */
bool
pin_is_column(const RelationMap *map, const MappedColumn *col)
{
	return bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, map->pinned);
}

/* A text to be read as a value of a column. */
typedef struct Reading
{
	Form_pg_attribute att;
	char *text;
	Datum value;
} Reading;

static bool
read_text(void *arg)
{
	Reading *r = arg;

	r->value = value_from_text_typmod(r->att->atttypid, r->att->atttypmod, r->text);
	return true;
}

/*
 * The value that a text of a pin stands for; false: none, because the type of the
 * column was changed since.
 */
bool
pin_read_text(TupleDesc desc, const MappedColumn *col, char *text, Datum *value)
{
	Reading r = {TupleDescAttr(desc, col->attnum - 1), text, (Datum) 0};

	if (subxact_trial(read_text, &r) != NULL)
		return false;
	*value = r.value;
	return true;
}

/* Is the value the one with this text (NULL: the value NULL), as an UPDATE compares values? */
bool
pin_is_value(TupleDesc desc, const MappedColumn *col, Datum value, bool isnull, char *text)
{
	Datum other;

	if (isnull || text == NULL)
		return isnull && text == NULL;
	if (strcmp(value_to_text(TupleDescAttr(desc, col->attnum - 1)->atttypid, value), text) == 0)
		return true;
	return pin_read_text(desc, col, text, &other) &&
		   !value_changed(&col->type, value, false, other, false);
}

/* The text of a column of a row; NULL: it is NULL. */
char *
pin_text(TupleDesc desc, const MappedColumn *col, TupleTableSlot *row)
{
	bool isnull;
	Datum value = slot_getattr(row, col->attnum, &isnull);

	return isnull ? NULL : value_to_text(TupleDescAttr(desc, col->attnum - 1)->atttypid, value);
}

/*
 * The columns that one value consists of: those of the group, or the column alone.
 * Returns their number; 0: a column of the group that comes first stands for it.
 */
int
pin_unit(RelationMap *map, MappedColumn *col, PinUnit *unit)
{
	MappedColumn *each = NULL;

	unit->n = 0;
	unit->pinned = 0;
	unit->items = palloc0((col->group == 0 ? 1 : map->ncols) * sizeof(PinItem));
	if (col->group == 0)
	{
		unit->items[unit->n++].col = col;
		return unit->n;
	}
	while ((each = map_next_in_group(map, col->group, each)) != NULL)
	{
		if (each < col && pin_is_column(map, each))
			return 0;
		unit->items[unit->n++].col = each;
	}
	return unit->n;
}

/* Finds the pins of the value in the row with this key; false: there are none. */
bool
pin_find_unit(const RelationMap *map, PinUnit *unit, Jsonb *key)
{
	for (int i = 0; i < unit->n; i++)
	{
		unit->items[i].pin = map_find_pin(map, unit->items[i].col, key);
		unit->pinned += unit->items[i].pin != NULL;
	}
	return unit->pinned > 0;
}

/* Is the text none of a value of the column? */
static bool
is_unfit(TupleDesc desc, const MappedColumn *col, char *text)
{
	Datum value;

	return text != NULL && !pin_read_text(desc, col, text, &value);
}

/*
 * The types of the columns may have changed since the value was pinned.  A pinned text
 * that is none of the type any more becomes what the row has in its place; where there
 * is no row (stored is NULL), the pin ends.  What the owner said last is not known any
 * more, if its text is none of the type.
 */
void
pin_adapt(const RelationMap *map, TupleDesc desc, PinUnit *unit, TupleTableSlot *stored)
{
	const MappedColumn *lost = NULL;

	for (int i = 0; i < unit->n; i++)
	{
		const PinItem *item = &unit->items[i];
		Pin *pin = item->pin;
		char *text;
		bool changes = false;

		if (pin == NULL)
			continue;
		text = stored == NULL ? NULL : pin_text(desc, item->col, stored);
		if ((text == NULL || pin->value == NULL || strcmp(text, pin->value) != 0) &&
			is_unfit(desc, item->col, pin->value))
		{
			if (stored == NULL)
				lost = item->col;
			pin->value = text;
			changes = true;
		}
		if (pin->known && is_unfit(desc, item->col, pin->replaced))
		{
			pin->replaced = NULL;
			pin->known = pin->pending = false;
			changes = true;
		}
		if (changes && lost == NULL)
			(void) pin_write(pin, false, NULL);
	}
	if (lost == NULL)
		return;
	ereport(WARNING,
			(errmsg("the pin of column \"%s\" of table \"%s\" has ended, because its value does not fit the type of the column any more",
					lost->name, names_message_relation(map->schema, map->table)),
			 errdetail("The row is created without it. ownership.pin has the value.")));
	for (int i = 0; i < unit->n; i++)
	{
		Pin *pin = unit->items[i].pin;

		if (pin == NULL)
			continue;
		pin = pin_find(map->schema, map->table, pin->column, pin->key); /* as it is stored */
		if (pin != NULL)
			map_end_pin(map, pin, NULL);
		unit->items[i].pin = NULL;
	}
	unit->pinned = 0;
}

/*
 * What a write of the owner means for its pinned value.  row: what it proposes.
 * certain: it is certain that it names the columns that it is said to write.
 */
PinOutcome
pin_judge(TupleDesc desc, const PinUnit *unit, TupleTableSlot *row, bool certain)
{
	bool any = false;
	bool repeats = true;
	bool fresh = false;
	TimestampTz until = 0;

	for (int i = 0; i < unit->n; i++)
	{
		const PinItem *item = &unit->items[i];
		bool isnull;
		Datum value;

		if (item->pin == NULL)
			continue;
		until = item->pin->until;
		if (!item->written)
		{
			repeats = false;
			continue;
		}
		any = true;
		value = slot_getattr(row, item->col->attnum, &isnull);
		if (pin_is_value(desc, item->col, value, isnull, item->pin->value))
			continue;
		repeats = false;
		if (item->pin->known && !pin_is_value(desc, item->col, value, isnull, item->pin->replaced))
			fresh = true;
	}
	if (!any)
		return PIN_UNTOUCHED;
	if (until != 0 && until <= GetCurrentTimestamp())
		return PIN_ENDS;
	if (repeats)
		return certain ? PIN_ENDS : PIN_UNTOUCHED;
	if (fresh)
		return until == 0 ? PIN_ENDS : PIN_KEEPS;
	return PIN_KEEPS_SILENTLY;
}

/*
 * Does to the pins what pin_judge() has found: ends them, or stores the owner's last
 * word in them.  by: the owner.
 */
void
pin_settle(const RelationMap *map, TupleDesc desc, PinUnit *unit, TupleTableSlot *row,
		   PinOutcome outcome, const char *by)
{
	for (int i = 0; i < unit->n; i++)
	{
		PinItem *item = &unit->items[i];
		Pin *pin = item->pin;
		bool first;

		if (pin == NULL)
			continue;
		if (outcome == PIN_ENDS)
		{
			map_end_pin(map, pin, by);
			continue;
		}
		if (outcome == PIN_UNTOUCHED || !item->written)
			continue;
		first = !pin->known || outcome == PIN_KEEPS;
		if (!first && (pin->until == 0 || pin->pending))
			continue;
		if (first)
			pin->replaced = pin_text(desc, item->col, row);
		pin->known = true;
		pin->pending = pin->until != 0;
		(void) pin_write(pin, false, NULL);
	}
}
