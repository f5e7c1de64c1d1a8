/*
 * map_load.c
 *		Reads the map of a relation from the tables of the extension.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

bool map_any_functions = false; /* a filter or a default of some map may call a function */
bool map_any_domains = false;	/* a column of some map has a domain as its type */

/* Attribute number of a live, stored column, or InvalidAttrNumber. */
static AttrNumber
column_attnum(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' &&
			strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/* Does the type forbid NULL, as a domain can? */
static bool
type_not_null(Oid typid)
{
	bool not_null = false;

	while (!not_null && OidIsValid(typid))
	{
		HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
		Form_pg_type type;

		if (!HeapTupleIsValid(tuple))
			break;
		type = (Form_pg_type) GETSTRUCT(tuple);
		not_null = type->typnotnull;
		typid = type->typtype == TYPTYPE_DOMAIN ? type->typbasetype : InvalidOid;
		ReleaseSysCache(tuple);
	}
	return not_null;
}

/* A column's default in rel; `expr` is its expression, NULL: it has none. */
static void
load_default(Relation rel, Node *expr, ColumnDefault *standard)
{
	Node *constant;

	standard->constant = true;
	standard->isnull = true;
	standard->role = rel->rd_rel->relowner;
	if (expr == NULL)
		return;
	map_any_functions |= !IsA(expr, Const);
	expr = (Node *) expression_planner((Expr *) expr);
	/* a domain's constraints are checked when the value is used; they do not change the value */
	constant = expr;
	while (IsA(constant, CoerceToDomain))
		constant = (Node *) castNode(CoerceToDomain, constant)->arg;
	standard->constant = IsA(constant, Const);
	if (standard->constant)
	{
		const Const *value = castNode(Const, constant);

		standard->isnull = value->constisnull;
		if (!value->constisnull)
			standard->value = datumCopy(value->constvalue, value->constbyval, value->constlen);
	}
	standard->is_volatile = contain_volatile_functions(expr);
	if (constant != expr || !standard->constant)
		standard->expr = (Expr *) expr;
}

/* Loads what is needed to compare a column's values and to replace them. */
static void
load_column_type(Relation rel, MappedColumn *col)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), col->attnum - 1);

	map_any_domains |= getBaseType(att->atttypid) != att->atttypid;
	col->type = value_type(att->atttypid);
	col->blank = value_blank_kind(att->atttypid);
	col->not_null = att->attnotnull || type_not_null(att->atttypid);
	col->defaults = palloc0(sizeof(ColumnDefault));
	load_default(rel, build_column_default(rel, col->attnum), col->defaults);
}

/*
 * Adds to a partition the defaults of the tables above it, from which rows can be
 * routed to it.  Their constant parts are computed as the owner of each table.
 */
static void
load_defaults_above(RelationMap *map, Relation rel)
{
	int ncols = map->ncols + map->nothers;
	int level = 0;
	ListCell *lc;

	map->routed = rel->rd_rel->relispartition;
	if (!map->routed)
		return;
	for (int i = 0; i < ncols; i++)
		map->cols[i].defaults = repalloc(map->cols[i].defaults,
										 (1 + list_length(map->ancestors)) * sizeof(ColumnDefault));
	foreach(lc, map->ancestors)
	{
		Relation above;
		SavedRole caller;

		level++;
		/* a table of shards is not opened (filter.c); rows are routed among its shards */
		if (map->shard && !OidIsValid(shard_table(lfirst_oid(lc))))
		{
			for (int i = 0; i < ncols; i++)
				map->cols[i].defaults[level] = map->cols[i].defaults[0];
			continue;
		}
		above = relation_open(lfirst_oid(lc), AccessShareLock);
		caller = role_become_owner(above);
		for (int i = 0; i < ncols; i++)
		{
			MappedColumn *col = &map->cols[i];
			AttrNumber attnum = column_attnum(RelationGetDescr(above), col->name);
			Node *expr = attnum == InvalidAttrNumber ? NULL : build_column_default(above, attnum);

			memset(&col->defaults[level], 0, sizeof(ColumnDefault));
			load_default(above, expr, &col->defaults[level]);
			map->defaults_differ =
				map->defaults_differ || !equal(expr, build_column_default(rel, col->attnum));
		}
		role_restore(&caller);
		relation_close(above, AccessShareLock);
	}
}

/* Marks the columns by which an ancestor, a partitioned table, is partitioned. */
static void
mark_partition_key(Oid ancestor, RelationMap *map, TupleDesc desc)
{
	Relation rel = relation_open(ancestor, AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(rel);
	Bitmapset *attnums = NULL;
	int i = -1;

	pull_varattnos((Node *) key->partexprs, 1, &attnums);
	for (int k = 0; k < key->partnatts; k++)
		if (key->partattrs[k] != 0)
			attnums =
				bms_add_member(attnums, key->partattrs[k] - FirstLowInvalidHeapAttributeNumber);
	while ((i = bms_next_member(attnums, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;
		const char *name;

		if (attnum <= 0)
			continue;
		name = NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname);
		map->partition_attrs =
			bms_add_member(map->partition_attrs,
						   column_attnum(desc, name) - FirstLowInvalidHeapAttributeNumber);
		for (int c = 0; c < map->ncols; c++)
			if (strcmp(map->cols[c].name, name) == 0)
				map->cols[c].partition_key = true;
	}
	relation_close(rel, AccessShareLock);
}

static OnBlank
on_blank_from_name(const char *name)
{
	if (name == NULL || strcmp(name, "allow") == 0)
		return ON_BLANK_ALLOW;
	if (strcmp(name, "observe") == 0)
		return ON_BLANK_OBSERVE;
	return strcmp(name, "keep") == 0 ? ON_BLANK_KEEP : ON_BLANK_REJECT;
}

/* What a row of field or domain says of blanks, or NULL; older versions have no such column. */
static const char *
on_blank_at(CatalogScan *scan, int attnum)
{
	return catalog_has(scan, attnum) ? catalog_text(scan, attnum) : NULL;
}

/* Loads what the map says of the column's field and of the field's domain. */
static void
load_field(MappedColumn *col, const char *entity, const char *name, Snapshot snapshot)
{
	const char *keys[2] = {entity, name};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, snapshot);

	if (catalog_next(scan))
	{
		char *domain = catalog_text(scan, Anum_field_domain);
		const char *on_blank = on_blank_at(scan, Anum_field_on_blank);

		col->owner = catalog_text(scan, Anum_field_owner);
		col->policy = policy_from_name(catalog_text(scan, Anum_field_policy));
		col->key = catalog_bool(scan, Anum_field_key);
		col->sensitive = catalog_bool(scan, Anum_field_sensitive);
		if (catalog_has(scan, Anum_field_column_group))
			col->column_group = catalog_text(scan, Anum_field_column_group);
		if (domain != NULL && (col->policy == POLICY_UNSET || on_blank == NULL || !col->sensitive))
		{
			const char *dkeys[1] = {domain};
			CatalogScan *dscan = catalog_begin("domain", "domain_pkey", 1, dkeys, snapshot);

			if (catalog_next(dscan))
			{
				if (col->policy == POLICY_UNSET)
					col->policy = policy_from_name(catalog_text(dscan, Anum_domain_policy));
				if (on_blank == NULL)
					on_blank = on_blank_at(dscan, Anum_domain_on_blank);
				col->sensitive |= catalog_bool(dscan, Anum_domain_sensitive);
			}
			catalog_end(dscan);
		}
		col->on_blank = on_blank_from_name(on_blank);
		/* the map refuses both together, but not where replication or a dump brings them */
		col->history = !col->sensitive && catalog_has(scan, Anum_field_history) &&
					   catalog_bool(scan, Anum_field_history);
	}
	catalog_end(scan);
}

/* A row of row_owner. */
typedef struct LoadedRule
{
	char *column;
	int position;
	RowRule rule;
} LoadedRule;

static int
compare_rules(const ListCell *a, const ListCell *b)
{
	const LoadedRule *ra = lfirst(a);
	const LoadedRule *rb = lfirst(b);

	return (ra->position > rb->position) - (ra->position < rb->position);
}

/* Adds the row owners of one table on the map, `home`. */
static void
load_rules(RelationMap *map, Relation rel, Oid home, const char *schema, const char *table,
		   Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	CatalogScan *scan = catalog_begin("row_owner", "row_owner_pkey", 2, keys, snapshot);
	List *rules = NIL;

	while (catalog_next(scan))
	{
		LoadedRule *loaded = palloc0(sizeof(LoadedRule));

		loaded->column = catalog_text(scan, Anum_row_owner_column);
		loaded->position = catalog_int(scan, Anum_row_owner_position);
		loaded->rule.text = catalog_text(scan, Anum_row_owner_filter);
		loaded->rule.owner = catalog_text(scan, Anum_row_owner_owner);
		loaded->rule.part = succession_part(schema, table, loaded->column, loaded->position);
		rules = lappend(rules, loaded);
	}
	catalog_end(scan);
	list_sort(rules, compare_rules);

	for (int i = 0; i < map->ncols; i++)
	{
		MappedColumn *col = &map->cols[i];
		ListCell *lc;
		int n = 0;

		if (col->nrules > 0)
			continue; /* the rules of the nearest table count */
		foreach(lc, rules)
			n += strcmp(((LoadedRule *) lfirst(lc))->column, col->name) == 0;
		if (n == 0)
			continue;
		/* set before the planner copies the body of a function into a filter */
		map_any_functions = true;
		col->rules = palloc(n * sizeof(RowRule));
		foreach(lc, rules)
		{
			LoadedRule *loaded = lfirst(lc);

			if (strcmp(loaded->column, col->name) != 0)
				continue;
			loaded->rule.expr = filter_parse(rel, home, loaded->rule.text);
			col->rules[col->nrules++] = loaded->rule;
		}
	}
}

static int
compare_columns(const void *a, const void *b)
{
	const MappedColumn *ca = a;
	const MappedColumn *cb = b;

	return (ca->attnum > cb->attnum) - (ca->attnum < cb->attnum);
}

/* The mirrored column at an attribute number, or NULL. */
MappedColumn *
map_column(RelationMap *map, AttrNumber attnum)
{
	for (int i = 0; i < map->ncols; i++)
		if (map->cols[i].attnum == attnum)
			return &map->cols[i];
	return NULL;
}

/* Adds those mirrored columns of one table on the map that rel has. */
static void
load_columns(RelationMap *map, Relation rel, const char *schema, const char *table,
			 Snapshot snapshot)
{
	const char *keys[2] = {schema, table};
	TupleDesc desc = RelationGetDescr(rel);
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 2, keys, snapshot);

	while (catalog_next(scan))
	{
		char *name = catalog_text(scan, Anum_mirrored_column_column);
		char *entity = catalog_text(scan, Anum_mirrored_column_entity);
		char *field = catalog_text(scan, Anum_mirrored_column_field);
		AttrNumber attnum = column_attnum(desc, name);
		MappedColumn *col;

		/* a missing column is a risk, not an error; the map of the nearest table counts */
		if (attnum == InvalidAttrNumber || map_column(map, attnum) != NULL)
			continue;
		Assert(map->ncols < desc->natts);
		col = &map->cols[map->ncols++];
		col->attnum = attnum;
		col->name = name;
		col->field = psprintf("%s.%s", entity, field);
		load_field(col, entity, field, snapshot);
		load_column_type(rel, col);
		/* the source of a table may write all of its own copy */
		if (map->source != NULL)
			col->on_blank = ON_BLANK_ALLOW;
		if (col->on_blank != ON_BLANK_ALLOW)
			map->blanks = bms_add_member(map->blanks, attnum - FirstLowInvalidHeapAttributeNumber);
		if (col->history)
			map->history = bms_add_member(map->history, attnum - FirstLowInvalidHeapAttributeNumber);
	}
	catalog_end(scan);
}

/* Adds the columns that are not mirrored, after the mirrored ones. */
static void
load_others(RelationMap *map, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);

	map->others = map->cols + map->ncols;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		MappedColumn *col = &map->others[map->nothers];

		if (att->attisdropped || att->attgenerated != '\0' || map_column(map, att->attnum) != NULL)
			continue;
		col->attnum = att->attnum;
		col->name = pstrdup(NameStr(att->attname));
		load_column_type(rel, col);
		map->nothers++;
	}
}

/*
 * A shard whose table is not on the map of this node: the node that guarded the table has
 * a map of it, which has not come here.
 *
 * Errors: the guard is on the shard (it fails closed).
 */
static void
require_map_of_shard(Relation rel, const List *ancestors)
{
	Oid table;

	if (ancestors == NIL || rel->trigdesc == NULL ||
		!OidIsValid(table = shard_table(RelationGetRelid(rel))))
		return;
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
	{
		if (shard_is_trigger(rel->trigdesc->triggers[i].tgname, TRIGGER_AMEND))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the ownership map of table \"%s\" is not on this node",
							names_message_relation_oid(table)),
					 errdetail("The guard is on its shard \"%s\".", RelationGetRelationName(rel)),
					 errhint("Wait for the subscription that brings the map, or create it. A table that is off the map needs no guard: take it away with ownership.unguard().")));
	}
}

/*
 * Fills `map`, whose relation and ancestors are set, in the current memory context,
 * as the snapshot `at` sees the extension's tables; NULL is the newest; for a statement
 * that began then.  The caller has marked the entries of the ancestors.  The constant parts of filters and
 * defaults are computed here, as the table's owner: explain() and guard() must not
 * run the owner's code as their caller.
 *
 * Errors: a row filter that cannot be compiled; those of require_map_of_shard().
 */
void
map_load(RelationMap *map, Relation rel, Snapshot at, TimestampTz began)
{
	Snapshot snapshot = at;
	SavedRole caller = role_become_owner(rel);
	List *relids = lcons_oid(map->relid, list_copy(map->ancestors));
	ListCell *lc;

	/* only now that the entries exist and can be marked: so no change is missed */
	catalog_watch();
	if (at == NULL)
		snapshot = catalog_snapshot();
	map->role = rel->rd_rel->relowner;
	map->root = llast_oid(relids);
	map->cols = palloc0(Max(RelationGetNumberOfAttributes(rel), 1) * sizeof(MappedColumn));
	foreach(lc, relids)
	{
		char *table = get_rel_name(lfirst_oid(lc));
		char *schema = table == NULL ? NULL : get_namespace_name(get_rel_namespace(lfirst_oid(lc)));
		const char *keys[2] = {schema, table};
		CatalogScan *scan;

		if (schema == NULL)
			continue; /* dropped since the search for ancestors */
		scan = catalog_begin("mirrored_table", "mirrored_table_pkey", 2, keys, snapshot);
		if (catalog_next(scan))
		{
			if (!map->mapped)
			{
				map->home = lfirst_oid(lc);
				map->schema = schema;
				map->table = table;
				map->source = catalog_text(scan, Anum_mirrored_table_source);
				map->remember = catalog_interval(scan, Anum_mirrored_table_remember);
			}
			map->mapped = true;
			load_columns(map, rel, schema, table, snapshot);
			load_rules(map, rel, lfirst_oid(lc), schema, table, snapshot);
		}
		catalog_end(scan);
	}
	if (map->mapped)
	{
		map->shard = OidIsValid(shard_table(map->relid));
		map->sharded = !map->shard && shard_is_sharded(map->relid);
		foreach(lc, map->ancestors)
			if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE &&
				(!map->shard || OidIsValid(shard_table(lfirst_oid(lc)))))
				mark_partition_key(lfirst_oid(lc), map, RelationGetDescr(rel));
		pg_qsort(map->cols, map->ncols, sizeof(MappedColumn), compare_columns);
		map_load_succession(map, began, snapshot);
		map_find_groups(map);
		map_load_key(map, rel);
		map_load_pins(map, snapshot);
		load_others(map, rel);
		load_defaults_above(map, rel);
		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

			if (!att->attisdropped)
				map->text_needs |= value_text_needs(att->atttypid);
		}
	}
	else
		require_map_of_shard(rel, map->ancestors);
	if (at == NULL)
		catalog_release(snapshot);
	role_restore(&caller);
}

/* The column at an attribute number, mirrored or not; NULL for a generated column. */
const MappedColumn *
map_any_column(const RelationMap *map, AttrNumber attnum)
{
	for (int i = 0; i < map->ncols + map->nothers; i++)
		if (map->cols[i].attnum == attnum)
			return &map->cols[i];
	return NULL;
}
