/*
 * shard.c
 *		Citus: which tables are distributed, and which relations are their shards.
 *
 * Citus keeps the rows of a distributed or reference table in shards: tables of the same
 * schema, on any node, whose name is that of the table with a number.  pg_dist_shard says
 * which table a number belongs to.  The table itself, which has no rows then, is on every
 * node, too, so that a shard's map is that of the table: to the rest of the extension the
 * table is one above its shards, as a partitioned table is above its partitions.
 *
 * Nothing here needs Citus to build or to link: its tables are looked up by name, and only
 * where the extension is in the database.  Callers keep what they learn: Citus invalidates
 * the table's relcache entry whenever its shards or its kind change.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_subscription.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "catalog.h"

#define CITUS "citus"

/* Is the extension Citus in this database? */
bool
shard_is_citus(void)
{
	return OidIsValid(get_extension_oid(CITUS, true));
}

/* The number at the end of a shard's name; 0: no shard has such a name. */
static int64
shard_number(const char *name)
{
	const char *end = name + strlen(name);
	const char *digits = end;

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	/* the numbers have no leading zeros, and fit an int64 */
	if (digits == end || digits - name < 2 || digits[-1] != '_' || digits[0] == '0' ||
		end - digits > 18)
		return 0;
	return strtoll(digits, NULL, 10);
}

/* The name that Citus gives to a shard of a table: a long one is cut, and has a hash. */
static char *
shard_name(const char *table, int64 number)
{
	char *suffix = psprintf("_" INT64_FORMAT, number);
	int length = strlen(table);
	int room = NAMEDATALEN - strlen(suffix);

	if (length < room)
		return psprintf("%s%s", table, suffix);
	return psprintf("%.*s_%.8x%s", pg_mbcliplen(table, length, room - 10), table,
					DatumGetUInt32(hash_any((const unsigned char *) table, length)), suffix);
}

/*
 * A column of the row of one of Citus' tables in which another column, of the given
 * type, has a value.  False: there is no such row, or no such table.
 */
static bool
read_citus(const char *table, const char *index, const char *key_column, RegProcedure equals,
		   Datum key, const char *column, Datum *value)
{
	Oid relid = get_relname_relid(table, PG_CATALOG_NAMESPACE);
	AttrNumber key_attnum = OidIsValid(relid) ? get_attnum(relid, key_column) : InvalidAttrNumber;
	AttrNumber attnum = OidIsValid(relid) ? get_attnum(relid, column) : InvalidAttrNumber;
	Relation rel;
	SysScanDesc scan;
	ScanKeyData scankey;
	HeapTuple tuple;
	bool isnull = true;

	if (key_attnum == InvalidAttrNumber || attnum == InvalidAttrNumber)
		return false;
	rel = table_open(relid, AccessShareLock);
	ScanKeyInit(&scankey, key_attnum, BTEqualStrategyNumber, equals, key);
	scan = systable_beginscan(rel, get_relname_relid(index, PG_CATALOG_NAMESPACE), true, NULL, 1,
							  &scankey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		/* the columns that are read have types that are passed by value */
		*value = heap_getattr(tuple, attnum, RelationGetDescr(rel), &isnull);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return !isnull;
}

/* The table whose shard a relation is; InvalidOid: it is no shard. */
Oid
shard_table(Oid relid)
{
	char *name = get_rel_name(relid);
	int64 number = name == NULL ? 0 : shard_number(name);
	char *table;
	Datum value;

	/* most names end here */
	if (number == 0 || !shard_is_citus() ||
		!read_citus("pg_dist_shard", "pg_dist_shard_shardid_index", "shardid", F_INT8EQ,
					Int64GetDatum(number), "logicalrelid", &value))
		return InvalidOid;
	table = get_rel_name(DatumGetObjectId(value));
	if (table == NULL || get_rel_namespace(DatumGetObjectId(value)) != get_rel_namespace(relid) ||
		strcmp(shard_name(table, number), name) != 0)
		return InvalidOid;
	return DatumGetObjectId(value);
}

/* The shards of a table that are on this node. */
List *
shard_local(Oid table)
{
	Oid relid = get_relname_relid("pg_dist_shard", PG_CATALOG_NAMESPACE);
	AttrNumber key = OidIsValid(relid) ? get_attnum(relid, "logicalrelid") : InvalidAttrNumber;
	AttrNumber attnum = OidIsValid(relid) ? get_attnum(relid, "shardid") : InvalidAttrNumber;
	List *shards = NIL;
	Relation rel;
	SysScanDesc scan;
	ScanKeyData scankey;
	HeapTuple tuple;

	if (key == InvalidAttrNumber || attnum == InvalidAttrNumber || !shard_is_citus())
		return NIL;
	rel = table_open(relid, AccessShareLock);
	ScanKeyInit(&scankey, key, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(rel,
							  get_relname_relid("pg_dist_shard_logical_relid_index",
												PG_CATALOG_NAMESPACE),
							  true, NULL, 1, &scankey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		Datum number = heap_getattr(tuple, attnum, RelationGetDescr(rel), &isnull);
		Oid shard = get_relname_relid(shard_name(get_rel_name(table), DatumGetInt64(number)),
									  get_rel_namespace(table));

		if (OidIsValid(shard))
			shards = lappend_oid(shards, shard);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return shards;
}

/* Is a table distributed, a reference table, or managed by Citus in another way: are its rows in shards? */
bool
shard_is_sharded(Oid relid)
{
	Datum value;

	return shard_is_citus() &&
		   read_citus("pg_dist_partition", "pg_dist_partition_logical_relid_index", "logicalrelid",
					  F_OIDEQ, ObjectIdGetDatum(relid), "partmethod", &value);
}

/* May Citus let another node run a call of a function or procedure? */
bool
shard_is_delegated(Oid function)
{
	Datum argument;

	/* a number belongs to one object of those that Citus has on all nodes, in all likelihood */
	return shard_is_citus() &&
		   read_citus("pg_dist_object", "pg_dist_object_pkey", "objid", F_OIDEQ,
					  ObjectIdGetDatum(function), "distribution_argument_index", &argument);
}

/*
 * Does Citus run DDL of this session on the shards, too?  Not while it brings a command to
 * another node: there each table and each shard has a command of its own.
 */
bool
shard_spreads_ddl(void)
{
	const char *value = GetConfigOption("citus.enable_ddl_propagation", true, false);

	return value != NULL && strcmp(value, "on") == 0;
}

/*
 * Is it a subscription by which Citus moves or splits shards?  What such a subscription
 * brings was judged where it was written.  The name alone does not say so: its owner is a
 * superuser, or the role that Citus has created for it.
 */
bool
shard_is_transfer(const char *subscription)
{
	static const char *const prefixes[] = {"citus_shard_move_subscription_",
										   "citus_shard_split_subscription_"};

	for (size_t i = 0; i < lengthof(prefixes); i++)
	{
		HeapTuple tuple;
		Oid owner;
		char *role;

		if (strncmp(subscription, prefixes[i], strlen(prefixes[i])) != 0)
			continue;
		tuple = SearchSysCache2(SUBSCRIPTIONNAME, ObjectIdGetDatum(MyDatabaseId),
								CStringGetDatum(subscription));
		if (!HeapTupleIsValid(tuple))
			return false;
		owner = ((Form_pg_subscription) GETSTRUCT(tuple))->subowner;
		ReleaseSysCache(tuple);
		role = GetUserNameFromId(owner, true);
		return (superuser_arg(owner) ||
				(role != NULL && strncmp(role, psprintf("%srole_", prefixes[i]),
										 strlen(prefixes[i]) + strlen("role_")) == 0)) &&
			   shard_is_citus();
	}
	return false;
}

/*
 * Is it the name of this trigger of the guard?  On a shard it has the number of the shard,
 * as all names have.
 */
bool
shard_is_trigger(const char *tgname, const char *name)
{
	size_t length = strlen(name);

	return strncmp(tgname, name, length) == 0 &&
		   (tgname[length] == '\0' ||
			(tgname[length] == '_' && tgname[length + 1] != '\0' &&
			 tgname[length + 1 + strspn(tgname + length + 1, "0123456789")] == '\0'));
}
