/*
 * map_shard.c
 *		A shard of Citus on a node that has no map of its table.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

/*
 * A shard whose table is not on the map of this node: the node that guarded the table has
 * a map of it, which has not come here.
 *
 * Errors: the guard is on the shard (it fails closed).
 */
void
map_require_of_shard(Relation rel, const List *ancestors)
{
	Oid table;

	if (ancestors == NIL || rel->trigdesc == NULL ||
		!OidIsValid(table = shard_table(RelationGetRelid(rel))))
		return;
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
	{
		if (shard_is_trigger(rel->trigdesc->triggers[i].tgname, TRIGGER_AMEND))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the ownership map of table \"%s\" is not on this node",
							names_message_relation_oid(table)),
					 errdetail("The guard is on its shard \"%s\".", RelationGetRelationName(rel)),
					 errhint(
						 "Wait for the subscription that brings the map, or create it. A table that is off the map needs no guard: take it away with ownership.unguard().")));
	}
}
