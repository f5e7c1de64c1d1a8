/*
 * require.c
 *		What a call names must exist: systems, domains, policies, tables,
 *		columns.  The hint of an error suggests the name that is nearest.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

/*
 * Errors: always; the message, with the hint "Perhaps you meant WHAT NEAREST."
 * If nearest is NULL, `hint` is the hint.
 */
void
require_undefined(const char *message, const char *nearest, const char *what, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("%s", message),
					nearest != NULL ? errhint("Perhaps you meant %s \"%s\".", what, nearest)
									: errhint("%s", hint)));
}

/* Errors: no such system.  NULL is no error. */
void
require_system(const char *name)
{
	if (name == NULL || lookup_system_exists(name))
		return;
	require_undefined(psprintf("system \"%s\" does not exist", name),
					  names_nearest(name, lookup_system_names()), "system",
					  "Register it with ownership.add_system().");
}

/* Errors: one of the systems does not exist. */
void
require_systems(List *names)
{
	ListCell *lc;

	foreach(lc, names)
		require_system(lfirst(lc));
}

/* Errors: no such domain.  NULL is no error. */
void
require_domain(const char *name)
{
	Parameters p = {0};

	if (name == NULL)
		return;
	sql_add_text(&p, name);
	if (sql_run("SELECT 1 FROM ownership.domain WHERE name = $1", &p) == 0)
		require_undefined(psprintf("domain \"%s\" does not exist", name),
						  names_nearest(name, sql_query_names("SELECT name FROM ownership.domain")),
						  "domain", "Insert it into ownership.domain first.");
}

/* Errors: no such policy.  NULL is no error. */
void
require_policy(const char *name)
{
	if (name != NULL && policy_from_name(name) == POLICY_UNSET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown policy \"%s\"", name),
				 errhint("Policies are observe, fill, create_only, keep and reject.")));
}

/*
 * Require a relation that can be on the map.  It stays locked until the
 * transaction ends.
 *
 * Errors: there is no such relation; it is not an ordinary, partitioned or
 * foreign table; it is a temporary table, a system catalog, or one of the
 * extension's own tables.
 */
void
require_relation(Oid relid)
{
	Relation rel = try_relation_open(relid, AccessShareLock);
	char kind;
	char *label;

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
	kind = rel->rd_rel->relkind;
	label = names_message_relation_oid(relid);
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE &&
		kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", label),
				 errhint(
					 "Ordinary, partitioned and foreign tables can be on the ownership map; for a view, use the tables under it.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is a temporary table", label),
				 errhint("Only permanent tables can be on the ownership map.")));
	if (IsCatalogRelation(rel) || IsToastRelation(rel) || relid < FirstNormalObjectId)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is a system catalog", label),
				 errhint("Only tables that mirror a system's data can be on the ownership map.")));
	if (RelationGetNamespace(rel) == get_namespace_oid(OWNERSHIP_SCHEMA, true))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" belongs to the ownership map itself", label),
						errhint("GRANT decides which roles may edit the map.")));
	/* the lock stays: the table keeps its name until the map names it */
	relation_close(rel, NoLock);
}

/*
 * The relation in argument i, counted from 0.
 *
 * Errors: the argument is NULL; those of require_relation().
 */
Oid
require_argument_relation(FunctionCallInfo fcinfo, int i)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the relation must not be null")));
	require_relation(PG_GETARG_OID(i));
	return PG_GETARG_OID(i);
}

/* Errors: always; the relation has no column of that name. */
void
require_undefined_column(Relation rel, const char *name)
{
	TupleDesc desc = RelationGetDescr(rel);
	List *names = NIL;
	char *nearest;

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			names = lappend(names, pstrdup(NameStr(TupleDescAttr(desc, i)->attname)));
	}
	nearest = names_nearest(name, names);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of table \"%s\" does not exist", name,
					names_message_relation_oid(RelationGetRelid(rel))),
			 nearest != NULL ? errhint("Perhaps you meant column \"%s\".", nearest)
							 : errhint("Columns are named as in pg_attribute, without quotes.")));
}

/*
 * The attribute number of a column that can be on the map.
 *
 * Errors: there is no such column; it is a system column or a generated one.
 */
AttrNumber
require_column(Oid relid, const char *name)
{
	Relation rel = relation_open(relid, AccessShareLock);
	AttrNumber attnum = get_attnum(relid, name);

	if (SystemAttributeByName(name) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
						errmsg("\"%s\" is a system column", name),
						errhint("Only the table's own columns can be on the ownership map.")));
	if (attnum == InvalidAttrNumber)
		require_undefined_column(rel, name);
	if (TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("column \"%s\" of table \"%s\" is a generated column", name,
						names_message_relation_oid(relid)),
				 errhint(
					 "The database computes it; put the columns that it is computed from on the map.")));
	relation_close(rel, AccessShareLock);
	return attnum;
}

/*
 * The table of that name.
 *
 * Errors: there is none; those of require_relation().
 */
Oid
require_table(const char *schema, const char *table)
{
	Oid relid = place_find(schema, table);
	char *nearest;

	if (OidIsValid(relid))
	{
		require_relation(relid);
		return relid;
	}
	nearest = names_nearest(names_message_relation(schema, table),
							sql_query_names(
								"SELECT CASE n.nspname WHEN 'public' THEN c.relname::text "
								"ELSE n.nspname || '.' || c.relname END "
								"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
								"WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_'"));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table \"%s\" does not exist", names_message_relation(schema, table)),
			 nearest != NULL
				 ? errhint("Perhaps you meant table \"%s\".", nearest)
				 : errhint(
					   "A mirrored column is named schema.table.column, or table.column for schema public.")));
}

/* Errors: always; no table matches the pattern. */
void
require_no_table_matches(const char *pattern)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("no table matches \"%s\"", pattern),
			 errhint(
				 "A pattern looks like a file name: * stands for any characters, ? for one; \"netsuite.*\" is a schema.")));
}

/*
 * The field that the caller probably means, as entity.name: one of the same
 * entity with nearly that name, or of the same name in an entity with nearly
 * that name.  NULL: there is none.
 */
char *
require_near_field(const char *entity, const char *field)
{
	Parameters p = {0};
	List *names = NIL;
	List *entities = NIL;
	char *nearest;
	uint64 n;

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	n = sql_run("SELECT entity, name FROM ownership.field WHERE entity = $1 OR name = $2", &p);
	for (uint64 i = 0; i < n; i++)
	{
		if (strcmp(sql_result_text(i, 1), entity) == 0)
			names = lappend(names, sql_result_text(i, 2));
		else
			entities = lappend(entities, sql_result_text(i, 1));
	}
	nearest = names_nearest(field, names);
	if (nearest != NULL)
		return psprintf("%s.%s", entity, nearest);
	nearest = names_nearest(entity, entities);
	return nearest == NULL ? NULL : psprintf("%s.%s", nearest, field);
}
