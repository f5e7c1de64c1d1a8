/*
 * bind_schema.c
 *		The schemas that the schema names of the map are bound to.
 *
 * For each schema name on the map, bound_schema contains the OID of the schema
 * that had the name, and the role that owned it.  The tables of 0.1.0 have no
 * bound_schema.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog.h"

/* The schema and the role that a schema name on the map is bound to; false: it is not bound. */
static bool
read_bound_schema(const char *name, Oid *schema, Oid *role)
{
	const char *keys[1] = {name};
	CatalogScan *scan = catalog_begin("bound_schema", "bound_schema_pkey", 1, keys, NULL);
	bool found = catalog_next(scan);

	if (found)
	{
		*schema = catalog_oid(scan, Anum_bound_schema_schema);
		*role = catalog_oid(scan, Anum_bound_schema_role);
	}
	catalog_end(scan);
	return found;
}

/* The role that owns a schema; InvalidOid if there is no such schema. */
static Oid
schema_owner(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * Is a schema that has, or had, a name the schema that the map means by the name?
 * While the schema is gone, any role that may create schemas can create another
 * one of that name.  What waits for the name, and the patterns, must not follow
 * such a schema.  True if it is the bound schema; if the owner of the schema, or
 * the user, has the privileges of the bound schema's owner; or if the user may edit
 * the map.
 */
bool
bind_is_bound_schema(const char *name, Oid schema)
{
	Oid user = GetOuterUserId();
	Oid bound;
	Oid role;

	if (!OidIsValid(catalog_table("bound_schema", true)) ||
		pg_class_aclcheck(catalog_table("mirrored_table", false), user, ACL_UPDATE) == ACLCHECK_OK)
		return true;
	return read_bound_schema(name, &bound, &role) &&
		   (bound == schema || has_privs_of_role(schema_owner(schema), role) ||
			has_privs_of_role(user, role));
}

/* Binds a schema name to a schema and its present owner; InvalidOid: unbinds the name. */
static void
store_bound_schema(const char *name, Oid schema)
{
	const char *keys[1] = {name};
	Relation rel = table_open(catalog_table("bound_schema", false), RowExclusiveLock);
	CatalogScan *scan = catalog_begin("bound_schema", "bound_schema_pkey", 1, keys, NULL);
	bool found = catalog_next(scan);
	Datum values[3];
	bool nulls[3] = {false};
	HeapTuple tuple;

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(schema);
	values[2] = ObjectIdGetDatum(schema_owner(schema));
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	if (!OidIsValid(schema))
	{
		if (found)
			CatalogTupleDelete(rel, catalog_tid(scan));
	}
	else if (found)
		CatalogTupleUpdate(rel, catalog_tid(scan), tuple);
	else
		CatalogTupleInsert(rel, tuple);
	catalog_end(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Is the name unbound, or bound otherwise although the schema is the one that the map means? */
static bool
must_bind_schema(const char *name, Oid schema)
{
	Oid bound;
	Oid role;

	return !read_bound_schema(name, &bound, &role) ||
		   ((bound != schema || role != schema_owner(schema)) && bind_is_bound_schema(name, schema));
}

/*
 * A table in a schema of that name came on the map, or a table on the map came
 * into such a schema: binds the name, if the schema exists.
 */
void
bind_schema(const char *name)
{
	Oid schema = get_namespace_oid(name, true);
	Oid relid = catalog_table("bound_schema", true);

	if (!OidIsValid(schema) || !OidIsValid(relid) || !must_bind_schema(name, schema))
		return;
	/* several sessions may load or restore into the same schema at the same time */
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	if (must_bind_schema(name, schema))
		store_bound_schema(name, schema);
}

/* A schema was renamed, and the map of its tables follows it: binds the new name, not the old. */
void
bind_rename_schema(const char *old, const char *new)
{
	Oid relid = catalog_table("bound_schema", true);

	if (!OidIsValid(relid))
		return;
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	store_bound_schema(old, InvalidOid);
	store_bound_schema(new, get_namespace_oid(new, true));
}
