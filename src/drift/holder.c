/*
 * holder.c
 *		Columns that contain a field: whether the database has them, whether the caller
 *		may read them, and which of them identify a row.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "drift.h"

/* Sets the table, the column and its type, if the database has them. */
void
holder_find(Holder *h)
{
	Oid relid = place_find(h->schema, h->table);
	char kind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	h->attnum = InvalidAttrNumber;
	h->relid = InvalidOid;
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE &&
		kind != RELKIND_FOREIGN_TABLE)
		return;
	h->relid = relid;
	h->attnum = get_attnum(relid, h->column);
	if (h->attnum == InvalidAttrNumber)
		return;
	get_atttypetypmodcoll(relid, h->attnum, &h->type, &h->typmod, &h->collation);
}

/* schema.table.column, quoted where needed; public is left out. */
char *
holder_label(const Holder *h)
{
	return psprintf("%s.%s", names_relation_label(h->schema, h->table), quote_identifier(h->column));
}

/* What the database does not have, as a part of a sentence; NULL: it has the column. */
char *
holder_problem(const Holder *h)
{
	if (!OidIsValid(h->relid))
		return psprintf("table %s is not there", names_relation_label(h->schema, h->table));
	if (h->attnum == InvalidAttrNumber)
		return psprintf("column %s is not there", holder_label(h));
	return NULL;
}

/* Is it a foreign table, or are foreign tables among its partitions and children? */
bool
holder_any_foreign(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			return true;
	return false;
}

/* May the current user read the column? */
bool
holder_can_read(Oid relid, AttrNumber attnum)
{
	return compat_schema_usage(get_rel_namespace(relid), GetUserId()) &&
		   (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
			pg_attribute_aclcheck(relid, attnum, GetUserId(), ACL_SELECT) == ACLCHECK_OK);
}

/*
 * The columns of a table that contain some of these fields of an entity, as KeyColumn *;
 * only those that the database has.
 */
List *
holder_table_keys(const char *entity, List *fields, const char *schema, const char *table)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, NULL);
	List *list = NIL;

	while (catalog_next(scan))
	{
		char *field = catalog_text(scan, Anum_mirrored_column_field);
		KeyColumn *k;
		bool known = false;
		ListCell *lc;

		if (strcmp(catalog_text(scan, Anum_mirrored_column_entity), entity) != 0 ||
			!names_contain(fields, field))
			continue;
		foreach(lc, list)
			known |= strcmp(((KeyColumn *) lfirst(lc))->field, field) == 0;
		if (known)
			continue; /* in two columns of the table: the first by name counts */
		k = palloc0(sizeof(KeyColumn));
		k->field = field;
		k->authoritative = catalog_bool(scan, Anum_mirrored_column_authoritative);
		k->holder.schema = pstrdup(schema);
		k->holder.table = pstrdup(table);
		k->holder.column = catalog_text(scan, Anum_mirrored_column_column);
		holder_find(&k->holder);
		if (k->holder.attnum != InvalidAttrNumber)
			list = lappend(list, k);
	}
	catalog_end(scan);
	return list;
}

/* The element of a list of KeyColumn * for this field, or NULL. */
const KeyColumn *
holder_find_key(List *keys, const char *field)
{
	ListCell *lc;

	foreach(lc, keys)
	{
		const KeyColumn *k = lfirst(lc);

		if (strcmp(k->field, field) == 0)
			return k;
	}
	return NULL;
}

/*
 * Does a valid unique index without a condition prove that the columns identify
 * a row?
 */
bool
holder_identifies_row(Oid relid, List *attnums)
{
	Relation rel = relation_open(relid, AccessShareLock);
	List *indexes = RelationGetIndexList(rel);
	bool found = false;
	ListCell *lc;

	foreach(lc, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;
		bool covered;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		covered = index->indisunique && index->indisvalid &&
				  heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
		for (int i = 0; covered && i < index->indnkeyatts; i++)
			covered = list_member_int(attnums, index->indkey.values[i]);
		found |= covered;
		ReleaseSysCache(tuple);
	}
	relation_close(rel, AccessShareLock);
	return found;
}
