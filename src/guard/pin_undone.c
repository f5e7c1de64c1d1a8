/*
 * pin_undone.c
 *		AFTER: is a pinned value in the row that was written, as BEFORE left it?
 *
 * Another BEFORE trigger that fires after the guard's may have changed it again.  What
 * triggers do in columns that the statement does not name is the database's own doing,
 * as it is with columns of other systems.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../evidence/evidence.h"
#include "guard.h"

/* May BEFORE have let another value in, though the pin has not ended? */
static bool
may_differ(const GuardCall *call, const MappedColumn *col, const char *owner)
{
	if (owner == NULL)
		return true;
	if (call->system != NULL && strcmp(owner, call->system) == 0)
		return false;
	return call->circumstances.operation != OPERATION_INSERT ||
		   policy_effective(col->policy, call->circumstances.default_policy) == POLICY_OBSERVE;
}

/* Did an UPDATE that names the column change its value? */
static bool
was_changed(const MappedColumn *col, const Bitmapset *named, TupleTableSlot *stored,
			TupleTableSlot *written)
{
	bool snull;
	bool wnull;
	Datum s;
	Datum w;

	if (named != NULL && !bms_is_member(col->attnum - FirstLowInvalidHeapAttributeNumber, named))
		return false;
	s = slot_getattr(stored, col->attnum, &snull);
	w = slot_getattr(written, col->attnum, &wnull);
	return value_changed(&col->type, s, snull, w, wnull);
}

/*
 * A column whose pin is open, and of which the row was written with another value; or
 * NULL.  stored: NULL: INSERT.
 */
const MappedColumn *
pin_undone(GuardCall *call, const Bitmapset *named, TupleTableSlot *stored, TupleTableSlot *written)
{
	RelationMap *map = call->map;
	TupleDesc desc = RelationGetDescr(call->td->tg_relation);
	TupleTableSlot *row = stored != NULL ? stored : written;
	Jsonb *key = NULL;

	if (likely(map->pinned == NULL) ||
		!map_holds_pins(map, call->moment->enforcement, call->writer) || call->circumstances.steward)
		return NULL;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		const Pin *pin;
		bool isnull;
		Datum value;

		if (!pin_is_column(map, col) || may_differ(call, col, map_owner(map, col, row)) ||
			(stored != NULL && !was_changed(col, named, stored, written)))
			continue;
		if (key == NULL)
			key = evidence_row_key_of(map, desc, row);
		pin = map_find_pin(map, col, key);
		if (pin == NULL)
			continue;
		value = slot_getattr(written, col->attnum, &isnull);
		if (!pin_is_value(desc, col, value, isnull, pin->value))
			return col;
	}
	return NULL;
}
