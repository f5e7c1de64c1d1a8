/*
 * place.c
 *		The place of a table: its schema and name, its columns, and the tables above it.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "catalog.h"

/*
 * The place of a relation now.  False for a relation that cannot be on the map: it
 * is no table, it is temporary, it belongs to the extension, or it is a shard.
 */
bool
place_of(Oid relid, TablePlace *place)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class class;
	bool table;

	if (!HeapTupleIsValid(tuple))
		return false;
	class = (Form_pg_class) GETSTRUCT(tuple);
	table = (class->relkind == RELKIND_RELATION || class->relkind == RELKIND_PARTITIONED_TABLE ||
			 class->relkind == RELKIND_FOREIGN_TABLE) &&
			class->relpersistence != RELPERSISTENCE_TEMP;
	if (table)
	{
		place->schema = get_namespace_name(class->relnamespace);
		place->table = pstrdup(NameStr(class->relname));
		place->partition = class->relispartition;
		table = place->schema != NULL && strcmp(place->schema, OWNERSHIP_SCHEMA) != 0 &&
				!OidIsValid(shard_table(relid));
	}
	ReleaseSysCache(tuple);
	return table;
}

/* The relation of any kind that has a name, or InvalidOid. */
Oid
place_find(const char *schema, const char *table)
{
	Oid nsp = get_namespace_oid(schema, true);

	return OidIsValid(nsp) ? get_relname_relid(table, nsp) : InvalidOid;
}

/* The table that has a name, or InvalidOid; only one that can be on the map. */
Oid
place_find_table(const char *schema, const char *table)
{
	Oid relid = place_find(schema, table);
	TablePlace place;

	return OidIsValid(relid) && place_of(relid, &place) ? relid : InvalidOid;
}

/* Begins to read a table's rows of pg_attribute, in the order of their numbers, from 1 on. */
static SysScanDesc
scan_attributes(Relation attributes, Oid relid)
{
	ScanKeyData key[2];

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum(0));
	return systable_beginscan(attributes, AttributeRelidNumIndexId, true, NULL, 2, key);
}

/*
 * The names of a table's columns by attribute number, "" for a dropped column.
 * *generated are the names of the generated columns.  NIL if there is no such table.
 */
List *
place_read_columns(Oid relid, List **generated)
{
	Relation attributes = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = scan_attributes(attributes, relid);
	HeapTuple tuple;
	List *columns = NIL;

	*generated = NIL;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
		char *name = att->attisdropped ? "" : pstrdup(NameStr(att->attname));

		if (!att->attisdropped && att->attgenerated != '\0')
			*generated = lappend(*generated, name);
		columns = lappend(columns, name);
	}
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
	return columns;
}

/* The names of a table's columns by attribute number; "" for a dropped column. */
List *
place_columns(Oid relid)
{
	List *generated;

	return place_read_columns(relid, &generated);
}

/* The names of a table's generated columns, which cannot be on the map. */
List *
place_generated_columns(Oid relid)
{
	List *generated;

	(void) place_read_columns(relid, &generated);
	return generated;
}

/* The OIDs of the types of a table's columns, by attribute number; InvalidOid for a dropped column. */
List *
place_types(Oid relid)
{
	Relation attributes = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = scan_attributes(attributes, relid);
	HeapTuple tuple;
	List *types = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		types = lappend_oid(types, ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid);
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
	return types;
}

bool
place_is_same(const TablePlace *a, const TablePlace *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0;
}

/*
 * The tables (TablePlace) with a column that is mapped to one of the entity's fields,
 * each once.
 */
List *
place_tables_with(const char *entity, List *fields)
{
	List *places = NIL;
	ListCell *lc;

	foreach(lc, fields)
	{
		const char *keys[2] = {entity, lfirst(lc)};
		CatalogScan *scan =
			catalog_begin("mirrored_column", "mirrored_column_field_idx", 2, keys, NULL);

		while (catalog_next(scan))
		{
			TablePlace *place = palloc0(sizeof(TablePlace));
			bool known = false;
			ListCell *other;

			place->schema = catalog_text(scan, Anum_mirrored_column_schema);
			place->table = catalog_text(scan, Anum_mirrored_column_table);
			foreach(other, places)
				known |= place_is_same(lfirst(other), place);
			if (!known)
				places = lappend(places, place);
		}
		catalog_end(scan);
	}
	return places;
}

/* Adds schema and table as two parameters. */
void
place_add(Parameters *p, const TablePlace *place)
{
	sql_add_text(p, place->schema);
	sql_add_text(p, place->table);
}

/* Is any part of the guard on the relation? */
bool
place_carries_guard(Oid relid)
{
	return OidIsValid(get_trigger_oid(relid, TRIGGER_AMEND, true)) ||
		   OidIsValid(get_trigger_oid(relid, TRIGGER_JUDGE, true)) ||
		   OidIsValid(get_trigger_oid(relid, TRIGGER_TRUNCATE, true));
}

/*
 * The OIDs of all relations above a relation, the nearest first: the table whose shard it
 * is, partitioned tables, and inheritance parents.
 */
List *
place_ancestors(Oid relid)
{
	List *todo = list_make1_oid(relid);
	List *ancestors = NIL;
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);

	while (todo != NIL)
	{
		Oid child = linitial_oid(todo);
		Oid table = shard_table(child);
		SysScanDesc scan;
		ScanKeyData key;
		HeapTuple tuple;

		todo = list_delete_first(todo);
		if (OidIsValid(table) && !list_member_oid(ancestors, table))
		{
			ancestors = lappend_oid(ancestors, table);
			todo = lappend_oid(todo, table);
		}
		ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(child));
		scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Oid parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

			if (!list_member_oid(ancestors, parent))
			{
				ancestors = lappend_oid(ancestors, parent);
				todo = lappend_oid(todo, parent);
			}
		}
		systable_endscan(scan);
	}
	table_close(inherits, AccessShareLock);
	return ancestors;
}

/*
 * The OIDs of a relation and of all below it, which it locks: partitions, inheritance
 * children, and those shards that are on this node.
 */
List *
place_with_below(Oid relid, LOCKMODE lockmode)
{
	List *tables = find_all_inheritors(relid, lockmode, NULL);
	List *all = list_copy(tables);
	ListCell *lc;
	ListCell *lc2;

	foreach(lc, tables)
	{
		foreach(lc2, shard_local(lfirst_oid(lc)))
		{
			LockRelationOid(lfirst_oid(lc2), lockmode);
			all = lappend_oid(all, lfirst_oid(lc2));
		}
	}
	return all;
}

/* Is a table above it on the map? */
bool
place_is_below_mirrored(Oid relid)
{
	ListCell *lc;

	foreach(lc, place_ancestors(relid))
	{
		TablePlace place;

		if (place_of(lfirst_oid(lc), &place) && lookup_is_mirrored(place.schema, place.table))
			return true;
	}
	return false;
}

/* The table that evidence names, or InvalidOid. */
Oid
place_evidence_table(const char *schema, const char *table)
{
	Oid relid = place_find(schema, table);

	if (!OidIsValid(relid))
		return InvalidOid;
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
			return relid;
		default:
			return InvalidOid;
	}
}

/* A column of a table; NULL if there is none of that name, or it is a system column. */
RowColumn *
place_row_column(Oid relid, const char *name)
{
	HeapTuple tuple = SearchSysCacheAttName(relid, name);
	Form_pg_attribute att;
	RowColumn *col;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->attnum <= 0)
	{
		ReleaseSysCache(tuple);
		return NULL;
	}
	col = palloc(sizeof(RowColumn));
	col->name = pstrdup(NameStr(att->attname));
	col->attnum = att->attnum;
	col->type = att->atttypid;
	col->generated = att->attgenerated != '\0';
	col->identity = att->attidentity != '\0';
	ReleaseSysCache(tuple);
	return col;
}
