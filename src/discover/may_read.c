/*
 * may_read.c
 *		May the current user read all rows of a table?
 */
#include "postgres.h"

#include "access/heapam.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "../base/compat.h"
#include "discover.h"

/* Why the current user cannot be told of the rows of a table; NULL: it can be. */
const char *
discover_unreadable(Relation rel)
{
	Oid relid = RelationGetRelid(rel);

	if (!compat_schema_usage(RelationGetNamespace(rel), GetUserId()) ||
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return "you may not read them";
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		return "row security hides rows of them";
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		return "their storage does not say which transaction wrote a row";
	return NULL;
}
