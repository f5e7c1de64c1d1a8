/*
 * lost_drop.c
 *		DDL that takes tables of the map along: finds them before they are gone, and has
 *		lost.c look into them.
 *
 * These are the tables that DROP TABLE names and what inherits from them, those of a
 * dropped schema, type or role, and partitions that are dropped or detached.  Tables
 * that belong to a dropped extension or foreign server are not looked for.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "ddl.h"

/* What a command drops. */
typedef struct Dropping
{
	List *relids;  /* tables that it names */
	List *schemas; /* char *, schemas that it names */
	List *types;   /* OIDs, types that it names */
	List *owners;  /* OIDs, roles whose objects it drops */
	bool cascade;
	Oid role; /* that drops */
} Dropping;

/* Adds the tables whose OIDs a query returns as text, for an array of OIDs or a name. */
static void
add_tables(Dropping *d, const char *sql, Parameters *p)
{
	uint64 n = sql_run_composed(sql, p);

	for (uint64 i = 0; i < n; i++)
		d->relids = lappend_oid(d->relids, atooid(sql_result_text(i, 1)));
}

#define BOUND_TABLES \
	"SELECT b.relid::text FROM ownership.bound_table b JOIN pg_catalog.pg_class c ON c.oid = b.relid "

/* The tables that go with what the command names. */
static void
find_tables(Dropping *d)
{
	ListCell *lc;

	foreach(lc, d->schemas)
	{
		Parameters p = {0};

		sql_add_text(&p, lfirst(lc));
		add_tables(d, BOUND_TABLES "WHERE b.table_schema = $1", &p);
	}
	foreach(lc, d->types)
	{
		Parameters p = {0};

		sql_add_oid(&p, lfirst_oid(lc));
		add_tables(d, BOUND_TABLES "WHERE c.reloftype = $1", &p);
	}
	foreach(lc, d->owners)
	{
		Parameters p = {0};

		sql_add_oid(&p, lfirst_oid(lc));
		sql_add_bool(&p, d->cascade);
		add_tables(d,
				   BOUND_TABLES "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
								"WHERE c.relowner = $1 OR ($2 AND n.nspowner = $1)",
				   &p);
	}
}

/* Looks into a table that goes, if it is on the map or a partition there. */
static void
look_into_table(Oid relid)
{
	Binding *b = binding_of(relid);
	TablePlace place = {0};

	if (b == NULL && !(get_rel_relispartition(relid) && place_is_below_mirrored(relid)))
		return;
	LockRelationOid(relid, AccessExclusiveLock);
	if (get_rel_name(relid) == NULL)
		return;
	if (b == NULL)
	{
		lost_with_partition(relid);
		return;
	}
	place.schema = b->schema;
	place.table = b->table;
	lost_with_table(relid, &place);
}

/* As DROP, which takes its locks when it knows that it may. */
static bool
may_drop(Oid relid, Oid role)
{
	return get_rel_name(relid) != NULL && (compat_table_ownercheck(relid, role) ||
										   compat_schema_ownercheck(get_rel_namespace(relid), role));
}

static void
look_before_drops(void *arg)
{
	Dropping *d = arg;
	SavedRole caller = role_become_extension();
	ListCell *lc;
	ListCell *lc2;
	bool above;

	SPI_connect();
	find_tables(d);
	foreach(lc, d->relids)
	{
		if (!may_drop(lfirst_oid(lc), d->role))
			continue;
		look_into_table(lfirst_oid(lc));
		/* what inherits goes along, whose it may be; what is below a table on the map belongs to that */
		if (!d->cascade || !has_subclass(lfirst_oid(lc)))
			continue;
		above = binding_of(lfirst_oid(lc)) != NULL;
		foreach(lc2, find_all_inheritors(lfirst_oid(lc), NoLock, NULL))
			if (lfirst_oid(lc2) != lfirst_oid(lc) && (!above || binding_of(lfirst_oid(lc2)) != NULL))
				look_into_table(lfirst_oid(lc2));
	}
	SPI_finish();
	role_restore(&caller);
}

/* DROP begins.  The names are those of the role that drops. */
static void
collect_drop(Dropping *d, const DropStmt *stmt)
{
	ListCell *lc;

	d->cascade = stmt->behavior == DROP_CASCADE;
	foreach(lc, stmt->objects)
	{
		if (stmt->removeType == OBJECT_TABLE)
		{
			Oid relid = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)), NoLock, true);

			/* a temporary table is never on the map: its DROP waits for nobody */
			if (OidIsValid(relid) && get_rel_persistence(relid) != RELPERSISTENCE_TEMP)
				d->relids = lappend_oid(d->relids, relid);
		}
		else if (stmt->removeType == OBJECT_SCHEMA)
			d->schemas = lappend(d->schemas, strVal(lfirst(lc)));
		else if (stmt->removeType == OBJECT_TYPE && d->cascade)
			d->types = lappend_oid(d->types, LookupTypeNameOid(NULL, lfirst(lc), true));
	}
}

static void
collect_owned(Dropping *d, const DropOwnedStmt *stmt)
{
	ListCell *lc;

	d->cascade = stmt->behavior == DROP_CASCADE;
	foreach(lc, stmt->roles)
	{
		Oid role = get_rolespec_oid(lfirst(lc), true);

		if (OidIsValid(role) && has_privs_of_role(d->role, role))
			d->owners = lappend_oid(d->owners, role);
	}
}

/*
 * DROP begins: looks into the tables on the map that it takes along.
 * Returns the error with which that failed; NULL: none.
 */
ErrorData *
lost_before_drop(Node *command)
{
	Dropping d = {.role = GetUserId()};

	if (IsA(command, DropOwnedStmt))
		collect_owned(&d, (DropOwnedStmt *) command);
	else
		collect_drop(&d, (DropStmt *) command);
	return d.relids == NIL && d.schemas == NIL && d.types == NIL && d.owners == NIL
			   ? NULL
			   : subxact_try(look_before_drops, &d);
}

static void
look_before_detach(void *arg)
{
	SavedRole caller = role_become_extension();

	SPI_connect();
	look_into_table(*(Oid *) arg);
	SPI_finish();
	role_restore(&caller);
}

/* A partition is about to be detached: the same. */
ErrorData *
lost_before_detach(Oid parent, Oid child)
{
	if (!OidIsValid(parent) || !OidIsValid(child) || !get_rel_relispartition(child) ||
		binding_of(child) != NULL || !place_is_below_mirrored(child) ||
		!compat_table_ownercheck(parent, GetUserId()))
		return NULL;
	/* in the order of DETACH */
	LockRelationOid(parent, AccessExclusiveLock);
	return subxact_try(look_before_detach, &child);
}
