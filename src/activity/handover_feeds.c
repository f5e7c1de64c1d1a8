/*
 * handover_feeds.c
 *		Apply workers that have nothing to do: they are asked for what they counted last.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_subscription.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"

#include "activity.h"

/*
 * The apply worker of a subscription that receives nothing more has no
 * transaction at whose end it would hand over what it counted last.  An
 * invalidation of the subscription makes it read that again, in a transaction.
 * False: there is no subscription.
 */
bool
handover_wake_feeds(Oid database)
{
	bool found = false;
	Relation rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	rel = table_open(SubscriptionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_subscription_subdbid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CacheInvalidateHeapTuple(rel, tuple, NULL);
		found = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return found;
}
