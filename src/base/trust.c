/*
 * trust.c
 *		Whose code runs when a table is read.
 *
 * The risks are for everyone to look at, superusers first, so looking at the
 * data must not run what the owner of a table or a type has made.  Casts may
 * have functions; and the planner computes the constant parts of a table's
 * index expressions, constraints, partition keys and statistics.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic_ext.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base.h"

/* Is it PostgreSQL's, a superuser's or that role's own? */
static bool
trusted_by(Oid role, Oid function)
{
	HeapTuple tuple;
	Oid owner;

	if (function < FirstNormalObjectId)
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner == role || superuser_arg(owner);
}

/* The same of the current user. */
bool
trust_function(Oid function)
{
	return trusted_by(GetUserId(), function);
}

static bool
untrusted_function(Oid function, void *context)
{
	return !trusted_by(*(Oid *) context, function);
}

static bool
untrusted_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	/* a domain's checks may call anything */
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, untrusted_function, context))
		return true;
	return expression_tree_walker(node, untrusted_code, context);
}

/* Does an expression, as catalogs hold it, run code that a role has no reason to trust? */
bool
trust_runs_code_of_others(const char *expr, Oid role)
{
	return untrusted_code(stringToNode(expr), &role);
}

/* Is there any in an expression that a catalog row holds? */
static bool
untrusted_attribute(int cache, Oid oid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	bool isnull = true;
	bool untrusted = false;
	Datum value;

	if (!HeapTupleIsValid(tuple))
		return false;
	value = SysCacheGetAttr(cache, tuple, attnum, &isnull);
	if (!isnull)
		untrusted = trust_runs_code_of_others(TextDatumGetCString(value), GetUserId());
	ReleaseSysCache(tuple);
	return untrusted;
}

static bool
table_runs_code(Relation rel)
{
	TupleConstr *constraints = RelationGetDescr(rel)->constr;
	ListCell *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		if (untrusted_attribute(INDEXRELID, lfirst_oid(lc), Anum_pg_index_indexprs) ||
			untrusted_attribute(INDEXRELID, lfirst_oid(lc), Anum_pg_index_indpred))
			return true;
	}
	foreach(lc, RelationGetStatExtList(rel))
	{
		if (untrusted_attribute(STATEXTOID, lfirst_oid(lc), Anum_pg_statistic_ext_stxexprs))
			return true;
	}
	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		if (trust_runs_code_of_others(constraints->check[i].ccbin, GetUserId()))
			return true;
	}
	return untrusted_attribute(PARTRELID, RelationGetRelid(rel),
							   Anum_pg_partitioned_table_partexprs);
}

/* Does reading the table, or any below it, run what is not trusted? */
bool
trust_reading_runs_code(Oid relid)
{
	bool runs_code = false;
	ListCell *lc;

	/* only what lies below is locked by the search */
	LockRelationOid(relid, AccessShareLock);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = try_table_open(lfirst_oid(lc), NoLock);

		if (rel == NULL)
			continue; /* dropped meanwhile */
		runs_code |= table_runs_code(rel);
		table_close(rel, NoLock);
	}
	return runs_code;
}

/*
 * May the table, and all below it, be read now, on behalf of somebody who did
 * not ask for it?  Else why not.
 */
const char *
trust_unfit_to_read(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Oid member = lfirst_oid(lc);
		Relation rel;
		bool runs_code;

		if (!ConditionalLockRelationOid(member, AccessShareLock))
			return "the table is locked";
		if (get_rel_relkind(member) == RELKIND_FOREIGN_TABLE)
			return "the table is foreign";
		rel = try_table_open(member, NoLock);
		if (rel == NULL)
			continue; /* dropped meanwhile */
		runs_code = table_runs_code(rel);
		table_close(rel, NoLock);
		if (runs_code)
			return "to read the table runs functions of others";
	}
	return NULL;
}
