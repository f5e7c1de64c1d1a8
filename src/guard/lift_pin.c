/*
 * lift_pin.c
 *		Which of the guard's triggers pinned values need.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"

#include "../rules/rules.h"
#include "guard.h"

/*
 * Adds to *need what a statement needs on a relation that has pinned values: a row may
 * have one where it names the column; a new row may be one that was deleted; and pins
 * follow the key, and wait for deleted rows.  holds: pins stop the writer; they wait for
 * deleted rows in any case.
 */
void
lift_consider_pins(Need *need, const RelationMap *map, const Writes *writes, bool holds,
				   bool judge_in_before)
{
	bool updates = holds && writes->updates &&
				   (writes->updated == NULL || bms_overlap(writes->updated, map->pinned) ||
					map_updates_key(map, writes->updated));

	need->amend |= (holds && writes->inserts) || updates;
	need->judge |= (holds && writes->inserts) || updates || writes->deletes;
	need->amend |= need->judge && judge_in_before;
}
