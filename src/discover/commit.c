/*
 * commit.c
 *		The commit of the transaction that wrote a row version: when it was, and from
 *		which replication origin, as far as PostgreSQL keeps it.
 *
 * A frozen row version still has its transaction's number.  The number is trusted
 * only if it cannot be that of a transaction of an earlier round of the counter:
 * if the counter has not reached that number a second time.  So what is told of a
 * frozen row is right, and after the first round frozen rows are unknown.
 */
#include "postgres.h"

#include "access/commit_ts.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"

#include "../base/base.h"
#include "discover.h"

static void
ask(void *arg)
{
	TimestampTz at;

	(void) TransactionIdGetCommitTsData(FirstNormalTransactionId, &at, NULL);
}

/* Does the server keep commit timestamps?  On a standby its primary's setting counts. */
bool
discover_tracking(void)
{
	if (!RecoveryInProgress())
		return track_commit_timestamp;
	return subxact_try(ask, NULL) == NULL;
}

/* Was the transaction counter never where it would give this number again? */
static bool
is_of_first_round(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();

	if (xid < XidFromFullTransactionId(next))
		return EpochFromFullTransactionId(next) == 0;
	return EpochFromFullTransactionId(next) == 1;
}

/*
 * What is known of the transaction that wrote a row version which a snapshot sees:
 * TOLD_BY_ORIGIN, with *origin; TOLD_NO_ORIGIN; or why it is unknown.  *at: its
 * commit; 0 where it is unknown.
 */
Told
discover_commit(bool tracking, TransactionId xid, bool frozen, TimestampTz *at, RepOriginId *origin)
{
	*at = 0;
	*origin = InvalidRepOriginId;
	if (TransactionIdIsCurrentTransactionId(xid))
		return UNTOLD_PENDING;
	if (!tracking)
		return UNTOLD_OFF;
	if (!TransactionIdIsNormal(xid) || (frozen && !is_of_first_round(xid)))
		return UNTOLD_FROZEN;
	if (!TransactionIdGetCommitTsData(xid, at, origin))
	{
		*at = 0;
		return frozen ? UNTOLD_FROZEN : UNTOLD_OLD;
	}
	if (*origin == InvalidRepOriginId || *origin == DoNotReplicateId)
		return TOLD_NO_ORIGIN;
	return TOLD_BY_ORIGIN;
}
