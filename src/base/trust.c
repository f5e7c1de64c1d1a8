/*
 * trust.c
 *		Whose code runs when a table is read.
 *
 * Every role may read the risks, superusers too, so reading the data for them
 * must not run code that the owner of a table or a type has made.  Casts may
 * call functions; and the planner computes the constant parts of a table's
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
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base.h"

/* Does the function belong to PostgreSQL, to a superuser or to that role? */
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

/* Does the function belong to PostgreSQL, to a superuser or to the current user? */
bool
trust_function(Oid function)
{
	return trusted_by(GetUserId(), function);
}

/*
 * Does text input of the type run no code of roles that may be no superusers?  A domain's
 * checks are such code, in columns of a composite type and in elements, too.  Only a
 * superuser makes a base type.
 */
bool
trust_input(Oid type)
{
	Oid element = get_element_type(type);
	TupleDesc desc;
	bool trusted = true;

	if (OidIsValid(element))
		return trust_input(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_BASE:
		case TYPTYPE_ENUM:
			return true;
		case TYPTYPE_RANGE:
			return trust_input(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return trust_input(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc(type, -1);
			for (int i = 0; i < desc->natts; i++)
				trusted &= TupleDescAttr(desc, i)->attisdropped ||
						   trust_input(TupleDescAttr(desc, i)->atttypid);
			ReleaseTupleDesc(desc);
			return trusted;
		default:
			return false;
	}
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

/* Does an expression, stored as in the catalogs, run code that the role does not trust? */
bool
trust_runs_code_of_others(const char *expr, Oid role)
{
	return untrusted_code(stringToNode(expr), &role);
}

/* Does the expression in a column of a catalog row, if it is not NULL, run untrusted code? */
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

/* Does planning a query of the table run untrusted code? */
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

/* Does reading the table, or any table below it, run code that the current user does not trust? */
bool
trust_reading_runs_code(Oid relid)
{
	bool runs_code = false;
	ListCell *lc;

	/* the search locks only the tables below */
	LockRelationOid(relid, AccessShareLock);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = try_table_open(lfirst_oid(lc), NoLock);

		if (rel == NULL)
			continue; /* dropped since the search */
		runs_code |= table_runs_code(rel);
		table_close(rel, NoLock);
	}
	return runs_code;
}

/*
 * May a view that the user only looks at read the table, and all tables below it,
 * now?  Returns NULL, or why not.  It waits for no lock.
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
			continue; /* dropped since the search */
		runs_code = table_runs_code(rel);
		table_close(rel, NoLock);
		if (runs_code)
			return "reading the table runs functions of other roles";
	}
	return NULL;
}
