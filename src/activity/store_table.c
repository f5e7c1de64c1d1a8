/*
 * store_table.c
 *		The extension's tables, for those who write what was remembered.
 */
#include "postgres.h"

#include "access/table.h"
#include "storage/lmgr.h"

#include "../catalog/catalog.h"
#include "activity.h"

/*
 * One of the extension's tables, locked for writing.  Does not wait for the
 * lock: a session that drops or locks the table may itself wait for a session
 * that waits for the worker.  NULL: the table is not there, or another session
 * has locked it (*locked).
 */
Relation
store_open_table(const char *name, bool *locked)
{
	Oid relid = catalog_table(name, true);

	*locked = false;
	if (!OidIsValid(relid))
		return NULL;
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
	{
		*locked = true;
		return NULL;
	}
	/* it may have been dropped before it was locked */
	return try_table_open(relid, NoLock);
}
