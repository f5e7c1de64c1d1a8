/*
 * compat.h
 *		Every difference between the PostgreSQL versions that the extension is built for.
 *
 * Wrappers take the newest signature; no other file tests PG_VERSION_NUM.
 */
#ifndef OWNERSHIP_COMPAT_H
#define OWNERSHIP_COMPAT_H

#include "access/genam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/copyfrom_internal.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "parser/parse_relation.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 150000
#error "ownership needs PostgreSQL 15 or later"
#endif

/* 18: pg_get_loaded_modules() shows the module's name and version */
#ifdef PG_MODULE_MAGIC_EXT
#define OWNERSHIP_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "ownership", .version = OWNERSHIP_VERSION)
#else
#define OWNERSHIP_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 16: one function for the ownership of every kind of object */
static inline bool
compat_table_ownercheck(Oid relid, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, roleid);
#else
	return pg_class_ownercheck(relid, roleid);
#endif
}

static inline bool
compat_schema_ownercheck(Oid schema, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(NamespaceRelationId, schema, roleid);
#else
	return pg_namespace_ownercheck(schema, roleid);
#endif
}

/* 16: one function for the privileges on every kind of object */
static inline bool
compat_schema_usage(Oid schema, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, roleid, ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, roleid, ACL_USAGE) == ACLCHECK_OK;
#endif
}

/* 16: the columns that a statement names moved out of the range-table entry */
static inline Bitmapset *
compat_inserted_columns(PlannedStmt *statement, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return NULL;
	return getRTEPermissionInfo(statement->permInfos, rte)->insertedCols;
#else
	return rte->insertedCols;
#endif
}

/* 16: with COPY's option DEFAULT a text in the file stands for the column's default */
static inline bool
compat_copy_took_default(const struct CopyFromStateData *copy, AttrNumber attnum)
{
#if PG_VERSION_NUM >= 160000
	return attnum > 0 && copy->defaults != NULL && copy->defaults[attnum - 1];
#else
	return false;
#endif
}

/* 17: one array has the actions of a MERGE */
static inline List *
compat_not_matched_actions(const ResultRelInfo *rri)
{
#if PG_VERSION_NUM >= 170000
	return rri->ri_MergeActions[MERGE_WHEN_NOT_MATCHED_BY_TARGET];
#else
	return rri->ri_notMatchedMergeAction;
#endif
}

/* 18: noreturn stands before the declaration */
#ifdef pg_noreturn
#define COMPAT_NORETURN pg_noreturn
#else
#define COMPAT_NORETURN __attribute__((noreturn))
#endif

/* 18: ExecutorRun has no argument execute_once */
#if PG_VERSION_NUM >= 180000
#define EXECUTOR_RUN_ARGS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define EXECUTOR_RUN_PASS queryDesc, direction, count
#else
#define EXECUTOR_RUN_ARGS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_PASS queryDesc, direction, count, execute_once
#endif

/* 18: the check for a conflicting row can leave one tuple out */
static inline bool
compat_check_index_constraints(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate,
							   ItemPointer conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(rri, slot, estate, conflict, &none, arbiters);
#else
	return ExecCheckIndexConstraints(rri, slot, estate, conflict, arbiters);
#endif
}

/* 18: index scans can be instrumented; 19 adds flags */
static inline IndexScanDesc
compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0, 0);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* 16: the executor asks for the columns that an UPDATE names in another list; 18: and for what it pruned */
static inline void
compat_init_range_table(EState *estate, RangeTblEntry *rte, Bitmapset *updated)
{
#if PG_VERSION_NUM >= 160000
	List *infos = NIL;
	RTEPermissionInfo *info = addRTEPermissionInfo(&infos, rte);

	info->requiredPerms = 0;
	info->updatedCols = updated;
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(rte), infos, bms_make_singleton(1));
#else
	ExecInitRangeTable(estate, list_make1(rte), infos);
#endif
#else
	rte->updatedCols = updated;
	ExecInitRangeTable(estate, list_make1(rte));
#endif
}

/* 16: the check after a concurrent update can be limited to some relations */
static inline void
compat_init_epq(EPQState *epq, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	EvalPlanQualInit(epq, estate, NULL, NIL, -1, NIL);
#else
	EvalPlanQualInit(epq, estate, NULL, NIL, -1);
#endif
}

/* 16: what the executor's permission check sees moved out of the range table */
#if PG_VERSION_NUM >= 160000
#define CHECK_PERMS_ARGS List *rangeTable, List *rteperminfos, bool ereport_on_violation
#define CHECK_PERMS_PASS rangeTable, rteperminfos, ereport_on_violation
#define CHECK_PERMS_LIST rteperminfos
#else
#define CHECK_PERMS_ARGS List *rangeTable, bool ereport_on_violation
#define CHECK_PERMS_PASS rangeTable, ereport_on_violation
#define CHECK_PERMS_LIST rangeTable
#endif

/* What a statement does with one relation; columns with FirstLowInvalidHeapAttributeNumber. */
typedef struct CompatPerms
{
	Oid relid; /* InvalidOid: PostgreSQL checks no permission for this element */
	AclMode required;
	Bitmapset *selected;
	Bitmapset *inserted;
	Bitmapset *updated;
} CompatPerms;

/* Reads one element of CHECK_PERMS_LIST. */
static inline CompatPerms
compat_perms(void *item)
{
	CompatPerms perms = {0};
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *from = item;
#else
	RangeTblEntry *from = item;

	if (from->rtekind != RTE_RELATION || from->requiredPerms == 0)
		return perms;
#endif
	perms.relid = from->relid;
	perms.required = from->requiredPerms;
	perms.selected = from->selectedCols;
	perms.inserted = from->insertedCols;
	perms.updated = from->updatedCols;
	return perms;
}

/* The same of a statement's range-table entry. */
static inline CompatPerms
compat_rte_perms(PlannedStmt *statement, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	CompatPerms none = {0};

	if (rte->perminfoindex == 0)
		return none;
	return compat_perms(getRTEPermissionInfo(statement->permInfos, rte));
#else
	return compat_perms(rte);
#endif
}

/*
 * 16: what a permission check sees moved out of the range table.  May the current user
 * read these columns of a table (offset FirstLowInvalidHeapAttributeNumber), as the
 * executor and the hooks in it see it?
 */
static inline bool
compat_may_select(Relation rel, Bitmapset *columns)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	List *infos = NIL;

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = AccessShareLock;
#if PG_VERSION_NUM >= 160000
	{
		RTEPermissionInfo *info = addRTEPermissionInfo(&infos, rte);

		info->requiredPerms = ACL_SELECT;
		info->selectedCols = columns;
		return ExecCheckPermissions(list_make1(rte), infos, false);
	}
#else
	rte->requiredPerms = ACL_SELECT;
	rte->selectedCols = columns;
	infos = list_make1(rte);
	return ExecCheckRTPerms(infos, false);
#endif
}

/* 19: a hash table in shared memory has one size */
static inline HTAB *
compat_shmem_hash(const char *name, long size, HASHCTL *ctl, int flags)
{
#if PG_VERSION_NUM >= 190000
	return ShmemInitHash(name, size, ctl, flags);
#else
	return ShmemInitHash(name, size, size, ctl, flags);
#endif
}

/* 16: arguments say which clone of the trigger is meant, and whether partitions are included */
static inline void
compat_enable_trigger(Relation rel, const char *name, char fires_when)
{
#if PG_VERSION_NUM >= 160000
	EnableDisableTrigger(rel, name, InvalidOid, fires_when, true, false, ShareRowExclusiveLock);
#else
	EnableDisableTrigger(rel, name, fires_when, true, ShareRowExclusiveLock);
#endif
}

/* 16: a field of a relation has another name.  Is the relation, or its file, of this transaction? */
static inline bool
compat_is_new_in_transaction(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_createSubid != InvalidSubTransactionId ||
		   rel->rd_firstRelfilelocatorSubid != InvalidSubTransactionId;
#else
	return rel->rd_createSubid != InvalidSubTransactionId ||
		   rel->rd_firstRelfilenodeSubid != InvalidSubTransactionId;
#endif
}

/* 16: foreign tables can have TRUNCATE triggers */
#define COMPAT_FOREIGN_TRUNCATE_TRIGGERS (PG_VERSION_NUM >= 160000)

/* 18: what a query is grouped by has a range table entry of its own */
#if PG_VERSION_NUM >= 180000
#define compat_group_exprs(rte) ((rte)->rtekind == RTE_GROUP ? (rte)->groupexprs : NIL)
#else
#define compat_group_exprs(rte) NIL
#endif

/* 17: the condition of MERGE is not in the join tree */
#if PG_VERSION_NUM >= 170000
#define compat_merge_condition(query) ((query)->mergeJoinCondition)
#else
#define compat_merge_condition(query) NULL
#endif

#endif /* OWNERSHIP_COMPAT_H */
