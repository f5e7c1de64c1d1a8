/*
 * bind_schema.c
 *		Which schema a schema's name on the map is bound to.
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

/* The schema and role that a schema's name on the map was bound to; false: none. */
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
 * Is a schema that carries, or carried, a name the one that the map means by
 * it?  While a schema is gone, whoever may create one can take its name: what
 * waits for the name, and patterns, must not go away with such a one.  It is
 * that schema, or one that was made by the same role, or the user is one who
 * may edit the map.
 */
bool
bind_is_bound_schema(const char *name, Oid schema)
{
	Oid user = GetOuterUserId();
	Oid bound;
	Oid role;

	/* not in 0.1.0 */
	if (!OidIsValid(catalog_table("bound_schema", true)) ||
		pg_class_aclcheck(catalog_table("mirrored_table", false), user, ACL_UPDATE) == ACLCHECK_OK)
		return true;
	return read_bound_schema(name, &bound, &role) &&
		   (bound == schema || has_privs_of_role(schema_owner(schema), role) ||
			has_privs_of_role(user, role));
}

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

static bool
must_bind_schema(const char *name, Oid schema)
{
	Oid bound;
	Oid role;

	return !read_bound_schema(name, &bound, &role) ||
		   ((bound != schema || role != schema_owner(schema)) && bind_is_bound_schema(name, schema));
}

/* A table came on the map in a schema of that name, or to its place there. */
void
bind_schema(const char *name)
{
	Oid schema = get_namespace_oid(name, true);
	Oid relid = catalog_table("bound_schema", true);

	if (!OidIsValid(schema) || !OidIsValid(relid) || !must_bind_schema(name, schema))
		return;
	/* several sessions may load, or restore, into the same schema at once */
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	if (must_bind_schema(name, schema))
		store_bound_schema(name, schema);
}

/* The map of a schema's name went along with the schema. */
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
