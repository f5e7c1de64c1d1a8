/*
 * origin.c
 *		The replication origin of a commit: which subscription or feed it is now, and
 *		whether it was that one when the commit was made.
 *
 * PostgreSQL keeps an origin's number with a commit, not its name, and gives the
 * number of a dropped origin to the next one that is made; a first copy has an
 * origin of its own, which is dropped at its end.  An origin has no time of
 * creation.  The transaction that made its row of pg_replication_origin tells:
 *
 * - No transaction before it, by its number, is of this origin.
 * - One with a higher number may be of an earlier origin, if that one was dropped
 *   while the creating transaction was running.  Then it has committed earlier, so
 *   what has an earlier time of commit is unknown.  (Of a change that was applied
 *   this is the time at its source.)
 *
 * If the creating transaction is so old that nothing is kept of it, it has ended
 * before all transactions of which something is kept.
 */
#include "postgres.h"

#include "access/commit_ts.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_replication_origin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "discover.h"

/* What the number means now. */
DiscoverOrigin *
discover_origin(DiscoverRun *run, RepOriginId id)
{
	bool found;
	DiscoverOrigin *origin = hash_search(run->origins, &id, HASH_ENTER, &found);
	HeapTuple tuple;
	RepOriginId unused;
	bool frozen;
	bool known;
	Snapshot snapshot;
	MemoryContext old;
	Writer writer = {0};
	char *subscription;

	if (found)
		return origin;
	memset(origin, 0, sizeof(DiscoverOrigin));
	origin->id = id;
	tuple = SearchSysCache1(REPLORIGIDENT, ObjectIdGetDatum((Oid) id));
	if (!HeapTupleIsValid(tuple))
		return origin;
	origin->there = true;
	origin->created = HeapTupleHeaderGetRawXmin(tuple->t_data);
	frozen = HeapTupleHeaderXminFrozen(tuple->t_data);
	ReleaseSysCache(tuple);
	known = TransactionIdIsNormal(origin->created) &&
			TransactionIdGetCommitTsData(origin->created, &origin->created_at, &unused);
	if (!known)
		origin->created_at = 0;
	origin->compared = TransactionIdIsNormal(origin->created) && (known || !frozen);

	old = MemoryContextSwitchTo(run->cxt);
	snapshot = catalog_snapshot();
	writer_resolve_origin(&writer, id, snapshot);
	catalog_release(snapshot);
	subscription = writer_origin_subscription(writer.origin);
	origin->name = subscription != NULL ? subscription : writer.origin;
	origin->system = writer.system;
	origin->carrier = writer.carrier;
	MemoryContextSwitchTo(old);
	return origin;
}

/* Did the origin exist when the transaction, which committed at that time, used its number? */
bool
discover_origin_is_older(const DiscoverOrigin *origin, TransactionId xid, TimestampTz at)
{
	if (!origin->compared || TransactionIdEquals(xid, origin->created))
		return true;
	return !TransactionIdPrecedes(xid, origin->created) && at >= origin->created_at;
}
