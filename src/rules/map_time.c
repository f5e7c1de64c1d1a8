/*
 * map_time.c
 *		Owners over time: when the running statement began, and who owned the columns of
 *		a relation then.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

PG_FUNCTION_INFO_V1(ownership_owner_at);

/*
 * When the client's statement began.  Of a row change that a replication worker applies
 * it is when that was begun; of a first copy, when its worker started.  A procedure
 * that commits begins anew with its next transaction.
 */
TimestampTz
map_time(void)
{
	/* other processes in the background need not say when a statement begins */
	if (unlikely(MyBgworkerEntry != NULL) && !IsLogicalWorker() && !IsParallelWorker())
		return GetCurrentTimestamp();
	return Max(GetCurrentStatementStartTimestamp(), GetCurrentTransactionStartTimestamp());
}

/*
 * Gives the columns of a map the owners that they have for a statement which began then,
 * and sets the span of time for which this is so.  Columns and row owners are loaded.
 */
void
map_load_succession(RelationMap *map, TimestampTz began, Snapshot snapshot)
{
	TimestampTz from = PG_INT64_MIN;
	TimestampTz until = PG_INT64_MAX;

	if (!succession_exists(snapshot))
		return;
	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		const char *dot = strrchr(col->field, '.');
		List *succession = succession_of(pnstrdup(col->field, dot - col->field), dot + 1, snapshot);

		if (succession == NIL)
			continue;
		col->owner = succession_owner(succession, "", col->owner, began);
		for (int r = 0; r < col->nrules; r++)
			col->rules[r].owner =
				succession_owner(succession, col->rules[r].part, col->rules[r].owner, began);
		succession_span(succession, began, &from, &until);
	}
	map->from = from;
	map->lasts = until == PG_INT64_MAX ? PG_UINT64_MAX - ((uint64) from - (uint64) PG_INT64_MIN)
									   : (uint64) until - (uint64) from;
}

/*
 * owner_at(entity, field, part, owner, at): who owns the field, or a row owner's rows of
 * it, for statements that begin then; `owner` is what the map's tables say.
 */
Datum
ownership_owner_at(PG_FUNCTION_ARGS)
{
	char *owner;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	owner = succession_owner(succession_of(call_text(fcinfo, 0), call_text(fcinfo, 1), NULL),
							 call_text(fcinfo, 2), call_text(fcinfo, 3), PG_GETARG_TIMESTAMPTZ(4));
	PG_RETURN_TEXT_P(cstring_to_text(owner));
}
