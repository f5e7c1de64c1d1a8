/*
 * edit.c
 *		The functions that edit the map.
 *
 * They check what a person is likely to get wrong, and then run plain SQL on
 * the map's tables with the caller's privileges: an edit by function is an
 * edit by SQL.  Their SQL runs with search_path pinned by the functions'
 * definitions.
 */
#include "base.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_oper.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ownership_add_system);
PG_FUNCTION_INFO_V1(ownership_identify);
PG_FUNCTION_INFO_V1(ownership_assign);
PG_FUNCTION_INFO_V1(ownership_add_tables);
PG_FUNCTION_INFO_V1(ownership_link);
PG_FUNCTION_INFO_V1(ownership_assign_rows);

#define SYSTEM_KINDS \
	"Kinds are erp, crm, pim, storefront, oms, wms, mdm, pos, marketing, helpdesk, tax, bi, other and what you add."

/* SQL with parameters */

void
sql_add_value(Parameters *p, Oid type, Datum value, bool isnull)
{
	Assert(p->n < (int) lengthof(p->types));
	p->types[p->n] = type;
	p->values[p->n] = value;
	p->nulls[p->n] = isnull ? 'n' : ' ';
	p->n++;
}

void
sql_add_text(Parameters *p, const char *value)
{
	sql_add_value(p, TEXTOID, value == NULL ? (Datum) 0 : CStringGetTextDatum(value), value == NULL);
}

void
sql_add_oid(Parameters *p, Oid value)
{
	sql_add_value(p, OIDOID, ObjectIdGetDatum(value), false);
}

void
sql_add_bool(Parameters *p, bool value)
{
	sql_add_value(p, BOOLOID, BoolGetDatum(value), false);
}

/* A text[] of C strings; an empty list is an empty array. */
void
sql_add_texts(Parameters *p, List *values)
{
	Datum *datums = palloc(Max(list_length(values), 1) * sizeof(Datum));
	ListCell *lc;
	int n = 0;

	foreach(lc, values)
		datums[n++] = CStringGetTextDatum((char *) lfirst(lc));
	sql_add_value(p, TEXTARRAYOID,
				  PointerGetDatum(construct_array(datums, n, TEXTOID, -1, false, TYPALIGN_INT)),
				  false);
}

typedef struct KeptPlan
{
	const char *sql; /* key: the literal's address */
	SPIPlanPtr plan;
} KeptPlan;

/*
 * The plan of a statement, kept for the session: an import runs the same few
 * for every row.
 */
static SPIPlanPtr
kept_plan(const char *sql, Parameters *p)
{
	static HTAB *plans = NULL;
	KeptPlan *entry;
	SPIPlanPtr plan;

	if (plans == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(const char *);
		ctl.entrysize = sizeof(KeptPlan);
		ctl.hcxt = CacheMemoryContext;
		plans = hash_create("ownership plans", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(plans, &sql, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->plan;
	plan = SPI_prepare(sql, p->n, p->types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_prepare failed: %s: %s", SPI_result_code_string(SPI_result), sql);
	entry = hash_search(plans, &sql, HASH_ENTER, NULL);
	entry->plan = plan;
	return plan;
}

/*
 * For the extension's own SQL, whose operators are not named with their schema:
 * until the settings' current nesting level ends.
 */
void
sql_set_search_path(void)
{
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* The same until sql_unpin_search_path(), or an error. */
int
sql_pin_search_path(void)
{
	int level = NewGUCNestLevel();

	sql_set_search_path();
	return level;
}

void
sql_unpin_search_path(int level)
{
	AtEOXact_GUC(true, level);
}

/* Runs one statement, a literal; returns the number of rows. */
uint64
sql_run(const char *sql, Parameters *p)
{
	SPIPlanPtr plan = kept_plan(sql, p);
	int rc;

	Assert(SPI_getargcount(plan) == p->n);
	rc = SPI_execute_plan(plan, p->values, p->nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s", SPI_result_code_string(rc), sql);
	return SPI_processed;
}

/* A value of the last result, or NULL. */
char *
sql_result_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/* A boolean of the last result, also as text; NULL is false. */
bool
sql_result_bool(uint64 row, int column)
{
	const char *text = sql_result_text(row, column);

	return text != NULL && text[0] == 't';
}

/* The elements of a text[] of the last result but NULLs; NIL when it is NULL. */
List *
sql_result_texts(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NIL : sql_text_list(value);
}

/* A jsonb of the last result; NULL when it is NULL. */
Jsonb *
sql_result_jsonb(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

/* An integer of the last result; 0 when it is NULL. */
int64
sql_result_int64(uint64 row, int column)
{
	bool isnull;

	return DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull));
}

/* The first column of a query without parameters. */
static List *
sql_query_names(const char *sql)
{
	Parameters p = {0};
	List *names = NIL;
	uint64 n = sql_run(sql, &p);

	for (uint64 i = 0; i < n; i++)
		names = lappend(names, sql_result_text(i, 1));
	return names;
}

/* arguments */

/* Puts a text into a row's values; NULL is NULL. */
void
call_put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	values[i] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Returns a row of n texts, all of its columns, from a function that returns a set. */
void
call_put_row(ReturnSetInfo *rsinfo, int n, const char *const *texts)
{
	Datum *values = palloc(n * sizeof(Datum));
	bool *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < n; i++)
		call_put_text(values, nulls, i, texts[i]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static char *
call_text(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * The elements of a text[] or name[]; NIL when it is NULL or empty.
 *
 * Errors: a null or blank element.
 */
static List *
call_list(FunctionCallInfo fcinfo, int i, Oid type, const char *what)
{
	Datum *elems;
	bool *nulls;
	int n;
	List *list = NIL;

	if (PG_ARGISNULL(i))
		return NIL;
	if (type == NAMEOID)
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
						  &elems, &nulls, &n);
	else
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false, TYPALIGN_INT, &elems,
						  &nulls, &n);
	for (int e = 0; e < n; e++)
	{
		char *element = nulls[e]		  ? NULL
						: type == NAMEOID ? pstrdup(NameStr(*DatumGetName(elems[e])))
										  : TextDatumGetCString(elems[e]);

		if (element == NULL || element[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("\"%s\" must not hold null or empty elements", what)));
		list = lappend(list, element);
	}
	return list;
}

static Oid
require_argument_relation(FunctionCallInfo fcinfo, int i)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the relation must not be null")));
	require_relation(PG_GETARG_OID(i));
	return PG_GETARG_OID(i);
}

/* checks */

void
require_undefined(const char *message, const char *nearest, const char *what, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("%s", message),
					nearest != NULL ? errhint("Perhaps you meant %s \"%s\".", what, nearest)
									: errhint("%s", hint)));
}

/* Errors: no such system, with a near miss if there is one.  NULL is fine. */
void
require_system(const char *name)
{
	if (name == NULL || lookup_system_exists(name))
		return;
	require_undefined(psprintf("system \"%s\" does not exist", name),
					  names_nearest(name, lookup_system_names()), "system",
					  "Register it with ownership.add_system().");
}

static void
require_systems(List *names)
{
	ListCell *lc;

	foreach(lc, names)
		require_system(lfirst(lc));
}

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

void
require_policy(const char *name)
{
	if (name != NULL && policy_from_name(name) == POLICY_UNSET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown policy \"%s\"", name),
				 errhint("Policies are observe, fill, keep and reject.")));
}

/* Empty, or with blanks around it? */
static bool
names_is_blank_edged(const char *name)
{
	return name[0] == '\0' || strchr(" \t\r\n", name[0]) != NULL ||
		   strchr(" \t\r\n", name[strlen(name) - 1]) != NULL;
}

/* What the constraints of ownership.system demand, in words. */
static void
require_new_system(const char *name, const char *kind)
{
	bool control = false;

	for (const char *c = name; *c != '\0'; c++)
		control |= (unsigned char) *c < ' ';
	if (names_is_blank_edged(name) || control || strpbrk(name, ";\"") != NULL ||
		names_mean_no_system(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid system name: \"%s\"", name),
				 errhint(
					 "A system's name is not blank, holds no semicolon or double quote, and is none of the words for nobody: ?, TBD, both.")));
	if (names_is_blank_edged(kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid kind of system: \"%s\"", kind),
				 errhint("%s", SYSTEM_KINDS)));
	if (lookup_system_exists(name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("system \"%s\" already exists", name),
				 errhint(
					 "Update its row in ownership.system; ownership.identify() adds roles and subscriptions.")));
}

/* Can a column be a field of its own? */
bool
names_can_be_field(const char *column)
{
	return !names_is_blank_edged(column) && strchr(column, '.') == NULL;
}

/* What the constraints of ownership.field demand, in words. */
static void
require_field_name(const ColumnSpec *s)
{
	if (names_is_blank_edged(s->entity))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid entity: \"%s\"", s->entity),
				 errhint(
					 "A field is named entity.name, such as product.price, without blanks around it.")));
	if (!names_can_be_field(s->field))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("column \"%s\" of table \"%s\" cannot be a field of its own: its name holds a dot, or blanks around it",
						s->column, names_message_relation(s->schema, s->table)),
				 errhint(
					 "Insert a field with another name into ownership.field and link() the column to it, or leave the column out.")));
}

/*
 * Can the relation be on the map?
 *
 * Errors: anything but an ordinary, partitioned or foreign table; temporary
 * tables, system catalogs, and the extension's own tables.
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
					 "Ordinary, partitioned and foreign tables can be on the ownership map; for a view, the tables under it.")));
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
						errhint("Who may edit the map is decided by GRANT.")));
	/* it keeps its name until the map has it */
	relation_close(rel, NoLock);
}

/* Errors: always; suggests the nearest of the relation's columns. */
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

/* Can the column be on the map?  Returns its attribute number. */
static AttrNumber
require_column(Oid relid, const char *name)
{
	Relation rel = relation_open(relid, AccessShareLock);
	AttrNumber attnum = get_attnum(relid, name);

	if (SystemAttributeByName(name) != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
						errmsg("\"%s\" is a system column", name),
						errhint("Only columns of the table's own can be on the ownership map.")));
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

/* The table of a column named as text, which must be there. */
static Oid
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

/* The field that a column is mapped to; false if it is not on the map. */
static bool
lookup_mapped_field(const char *schema, const char *table, const char *column, char **entity,
					char **field)
{
	const char *keys[3] = {schema, table, column};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	bool found = catalog_next(scan);

	if (found)
	{
		*entity = catalog_text(scan, Anum_mirrored_column_entity);
		*field = catalog_text(scan, Anum_mirrored_column_field);
	}
	catalog_end(scan);
	return found;
}

static void
field_already_mapped(const char *schema, const char *table, const char *column, const char *entity,
					 const char *field)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("column \"%s\" of table \"%s\" already holds field \"%s.%s\"", column,
					names_message_relation(schema, table), entity, field),
			 errhint(
				 "Delete it from ownership.mirrored_column first, or leave it with that field.")));
}

/*
 * Every copy of a field must be comparable with every other.
 *
 * Errors: there is neither = nor a cast between two columns' types.
 */
static void
field_check_comparable(const char *entity, const char *field)
{
	Parameters p = {0};
	uint64 n;

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	n = sql_run("SELECT m.table_schema, m.table_name, m.column_name, a.atttypid::text "
				"FROM ownership.mirrored_column m "
				"JOIN pg_namespace n ON n.nspname = m.table_schema "
				"JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = m.table_name "
				"JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = m.column_name "
				"WHERE m.entity = $1 AND m.field = $2 "
				"ORDER BY m.authoritative DESC, 1, 2, 3",
				&p);
	for (uint64 i = 1; i < n; i++)
	{
		Oid first = atooid(sql_result_text(0, 4));
		Oid other = atooid(sql_result_text(i, 4));

		HeapTuple equal = oper(NULL, list_make1(makeString("=")), first, other, true, -1);

		if (HeapTupleIsValid(equal))
		{
			ReleaseSysCache(equal);
			continue;
		}
		if (compare_has_cast(other, first) || compare_has_cast(first, other))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" cannot be compared with column \"%s\" of table \"%s\"",
						sql_result_text(i, 3),
						names_message_relation(sql_result_text(i, 1), sql_result_text(i, 2)),
						sql_result_text(0, 3),
						names_message_relation(sql_result_text(0, 1), sql_result_text(0, 2))),
				 errdetail("Their types are %s and %s; copies of field \"%s.%s\" must have types that can be compared.",
						   format_type_be(other), format_type_be(first), entity, field),
				 errhint("Change a type, or keep them as fields of their own.")));
	}
}

/* writing the map */

/* Put columns on the map that are not there; fields that exist stay. */
void
field_map_columns(List *specs)
{
	Parameters p = {0};
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	List *keys = NIL;
	ListCell *lc;

	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		require_field_name(s);
		parts[0] = lappend(parts[0], unconstify(char *, s->schema));
		parts[1] = lappend(parts[1], unconstify(char *, s->table));
		parts[2] = lappend(parts[2], unconstify(char *, s->column));
		parts[3] = lappend(parts[3], unconstify(char *, s->entity));
		parts[4] = lappend(parts[4], unconstify(char *, s->field));
		keys = lappend(keys, s->key ? "true" : "false");
	}
	for (int i = 0; i < 5; i++)
		sql_add_texts(&p, parts[i]);
	sql_add_texts(&p, keys);
#define SPECS "unnest($1, $2, $3, $4, $5, $6) s(tschema, tname, cname, entity, field, key) "
	sql_run("INSERT INTO ownership.mirrored_table (table_schema, table_name) "
			"SELECT DISTINCT tschema, tname FROM " SPECS "ON CONFLICT DO NOTHING",
			&p);
	/* the key's column of a table that joins the field later marks it, too */
	sql_run("INSERT INTO ownership.field AS f (entity, name, key) "
			"SELECT entity, field, bool_or(key::boolean) FROM " SPECS
			"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m "
			"WHERE (m.table_schema, m.table_name, m.column_name) = (tschema, tname, cname)) "
			"GROUP BY 1, 2 ON CONFLICT (entity, name) DO UPDATE SET key = true "
			"WHERE excluded.key AND NOT f.key",
			&p);
	sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field) "
			"SELECT tschema, tname, cname, entity, field FROM " SPECS
			"ON CONFLICT (table_schema, table_name, column_name) DO NOTHING",
			&p);
#undef SPECS
}

/* Who reads, or who writes, a field, as declared. */
static List *
lookup_declared_systems(const char *entity, const char *field, const char *mode)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("declared_access", "declared_access_pkey", 2, keys, NULL);
	List *systems = NIL;

	while (catalog_next(scan))
		if (strcmp(catalog_text(scan, Anum_declared_access_mode), mode) == 0)
			systems = lappend(systems, catalog_text(scan, Anum_declared_access_system));
	catalog_end(scan);
	return systems;
}

bool
names_contain(List *names, const char *name)
{
	ListCell *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* Is every name of the one list in the other? */
bool
names_all_among(List *names, List *others)
{
	ListCell *lc;

	foreach(lc, names)
		if (!names_contain(others, lfirst(lc)))
			return false;
	return true;
}

/* Replace who reads, or who writes, a field; what is so already costs nothing. */
void
field_set_access(const char *entity, const char *field, const char *mode, List *systems)
{
	List *declared = lookup_declared_systems(entity, field, mode);
	Parameters p = {0};

	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	sql_add_text(&p, mode);
	sql_add_texts(&p, systems);
	if (!names_all_among(declared, systems))
		sql_run("DELETE FROM ownership.declared_access WHERE entity = $1 AND field = $2 "
				"AND mode = $3 AND system <> ALL ($4)",
				&p);
	if (!names_all_among(systems, declared))
		sql_run("INSERT INTO ownership.declared_access (entity, field, mode, system) "
				"SELECT $1, $2, $3, s FROM unnest($4) s ON CONFLICT DO NOTHING",
				&p);
}

/* The entity of a table's columns by default: schema.table without public. */
char *
names_default_entity(const char *schema, const char *table)
{
	return strcmp(schema, "public") == 0 ? pstrdup(table) : psprintf("%s.%s", schema, table);
}

static bool
names_is_default_field(const char *schema, const char *table, const char *column,
					   const char *entity, const char *field)
{
	return strcmp(field, column) == 0 && strcmp(entity, names_default_entity(schema, table)) == 0;
}

/* Is the field there? */
bool
lookup_field_exists(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	bool found = catalog_next(scan);

	catalog_end(scan);
	return found;
}

/* Is it marked as key? */
bool
lookup_field_is_key(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("field", "field_pkey", 2, keys, NULL);
	bool key = catalog_next(scan) && catalog_bool(scan, Anum_field_key);

	catalog_end(scan);
	return key;
}

/* The columns that hold the field, as names_column_label() has them. */
List *
lookup_field_columns(const char *entity, const char *field)
{
	const char *keys[2] = {entity, field};
	CatalogScan *scan = catalog_begin("mirrored_column", "mirrored_column_field_idx", 2, keys, NULL);
	List *columns = NIL;

	while (catalog_next(scan))
		columns =
			lappend(columns, names_column_label(catalog_text(scan, Anum_mirrored_column_schema),
												catalog_text(scan, Anum_mirrored_column_table),
												catalog_text(scan, Anum_mirrored_column_column)));
	catalog_end(scan);
	return columns;
}

/*
 * Make a column a copy of an existing field.  A column that was a field of
 * its own, as it is by default, joins; that field goes when nothing else
 * holds it.
 *
 * Errors: it is mapped to another field.  Returns whether it was off the map.
 */
bool
field_map_column(const char *schema, const char *table, const char *column, const char *entity,
				 const char *field, bool authoritative)
{
	Parameters p = {0};
	char *old_entity = NULL;
	char *old_field = NULL;
	bool mapped = lookup_mapped_field(schema, table, column, &old_entity, &old_field);
	bool same = mapped && strcmp(old_entity, entity) == 0 && strcmp(old_field, field) == 0;

	if (mapped && !same && !names_is_default_field(schema, table, column, old_entity, old_field))
		field_already_mapped(schema, table, column, old_entity, old_field);
	if (same && !authoritative)
		return false;

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	sql_add_text(&p, column);
	sql_add_text(&p, entity);
	sql_add_text(&p, field);
	sql_add_bool(&p, authoritative);
	if (!mapped)
		sql_run("INSERT INTO ownership.mirrored_column (table_schema, table_name, column_name, entity, field, authoritative) "
				"VALUES ($1, $2, $3, $4, $5, $6)",
				&p);
	else
		sql_run("UPDATE ownership.mirrored_column SET entity = $4, field = $5, "
				"authoritative = $6 OR (authoritative AND (entity, field) = ($4, $5)) "
				"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 "
				"AND (entity, field, authoritative OR NOT $6) IS DISTINCT FROM ($4, $5, true)",
				&p);
	if (mapped && !same)
	{
		Parameters q = {0};

		sql_add_text(&q, old_entity);
		sql_add_text(&q, old_field);
		sql_add_text(&q, entity);
		sql_add_text(&q, field);
		/* what was marked stays marked */
		sql_run("UPDATE ownership.field SET key = true WHERE entity = $3 AND name = $4 AND NOT key "
				"AND EXISTS (SELECT FROM ownership.field o WHERE o.entity = $1 AND o.name = $2 AND o.key)",
				&q);
		sql_run("DELETE FROM ownership.field f WHERE entity = $1 AND name = $2 "
				"AND ($3, $4) IS NOT NULL AND NOT EXISTS (SELECT FROM ownership.mirrored_column m "
				"WHERE m.entity = f.entity AND m.field = f.name)",
				&q);
	}
	return !mapped;
}

/* The primary key's columns of a table. */
static Bitmapset *
field_primary_key(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	Bitmapset *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);

	table_close(rel, AccessShareLock);
	return key;
}

static bool
field_in_key(Bitmapset *key, AttrNumber attnum)
{
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, key);
}

/* The live, stored columns of a table. */
static List *
field_table_columns(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	List *columns = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			columns = lappend(columns, pstrdup(NameStr(att->attname)));
	}
	table_close(rel, AccessShareLock);
	return columns;
}

/* add_system(name, kind, role, subscription, title) */
static void
identify(const char *system, const char *kind, const char *name, bool strict, bool steward,
		 bool carrier)
{
	Parameters p = {0};

	if (system == NULL && !steward && !carrier)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s \"%s\" needs a system", kind, name),
						errhint("Only a steward or a carrier may do without one.")));
	require_system(system);
	if (strcmp(kind, "role") == 0 && !OidIsValid(get_role_oid(name, true)))
		require_undefined(psprintf("role \"%s\" does not exist", name),
						  names_nearest(name, sql_query_names("SELECT rolname FROM pg_roles")),
						  "role",
						  "Create the role first. A row in ownership.identity may name a role that is not there yet.");
	if (strcmp(kind, "subscription") == 0)
	{
		Parameters q = {0};

		sql_add_text(&q, name);
		if (sql_run("SELECT 1 FROM pg_subscription WHERE subname = $1 "
					"AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
					&q) == 0)
			require_undefined(psprintf("subscription \"%s\" does not exist", name),
							  names_nearest(name,
											sql_query_names("SELECT subname FROM pg_subscription")),
							  "subscription",
							  "Create the subscription first. A row in ownership.identity may name one that is not there yet.");
	}

	sql_add_text(&p, kind);
	sql_add_text(&p, name);
	sql_add_text(&p, system);
	if (sql_run("SELECT coalesce(system, '') FROM ownership.identity WHERE kind = $1 AND name = $2 "
				"AND system IS DISTINCT FROM $3 AND system IS NOT NULL",
				&p) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" already writes as system \"%s\"", kind, name,
						sql_result_text(0, 1)),
				 errhint("One %s is one system. Delete that row from ownership.identity first, or use a %s for each system.",
						 kind, kind)));
	sql_add_bool(&p, strict);
	sql_add_bool(&p, steward);
	sql_add_bool(&p, carrier);
	sql_run("INSERT INTO ownership.identity (kind, name, system, strict, steward, carrier) "
			"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, name) DO UPDATE "
			"SET system = excluded.system, strict = excluded.strict, "
			"steward = excluded.steward, carrier = excluded.carrier",
			&p);
}

/*
 * add_system(name, kind, role, subscription, title)
 *
 * Errors: the system is there; the role or subscription is not.
 */
Datum
ownership_add_system(PG_FUNCTION_ARGS)
{
	Parameters p = {0};
	char *name = call_text(fcinfo, 0);
	char *kind = call_text(fcinfo, 1);
	char *role = call_text(fcinfo, 2);
	char *subscription = call_text(fcinfo, 3);

	if (name == NULL || kind == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a system needs a name and a kind"), errhint("%s", SYSTEM_KINDS)));
	require_new_system(name, kind);
	SPI_connect();
	sql_add_text(&p, name);
	sql_add_text(&p, kind);
	sql_add_text(&p, call_text(fcinfo, 4));
	sql_run("INSERT INTO ownership.system (name, kind, title) VALUES ($1, $2, $3)", &p);
	if (role != NULL)
		identify(name, "role", role, false, false, false);
	if (subscription != NULL)
		identify(name, "subscription", subscription, false, false, false);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * identify(system, role | subscription | origin, strict, steward, carrier)
 *
 * Errors: none or several of the three; it is another system's already; the
 * system, role or subscription is not there.
 */
Datum
ownership_identify(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"role", "subscription", "origin"};
	char *name = NULL;
	const char *kind = NULL;
	int given = 0;

	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i + 1))
			continue;
		name = call_text(fcinfo, i + 1);
		kind = kinds[i];
		given++;
	}
	if (given != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identify() needs exactly one of role, subscription and origin"),
				 errhint("For example: SELECT ownership.identify('erp', role => 'erp_sync').")));
	SPI_connect();
	identify(call_text(fcinfo, 0), kind, name, !PG_ARGISNULL(4) && PG_GETARG_BOOL(4),
			 !PG_ARGISNULL(5) && PG_GETARG_BOOL(5), !PG_ARGISNULL(6) && PG_GETARG_BOOL(6));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * The source of a table may write all of its own copy.  Tell so where columns
 * of it were given to another system, and no other table holds their fields:
 * elsewhere the copies can be compared.
 */
static void
field_report_overwritable(const char *schema, const char *table, List *columns)
{
	Parameters p = {0};

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	sql_add_texts(&p, columns);
	if (sql_run("SELECT t.source, string_agg(format('\"%s\"', c.column_name), ', ' ORDER BY array_position($3, c.column_name)) "
				"FROM ownership.mirrored_table t JOIN ownership.mirrored_column c USING (table_schema, table_name) "
				"JOIN ownership.field f ON f.entity = c.entity AND f.name = c.field "
				"WHERE (t.table_schema, t.table_name) = ($1, $2) AND c.column_name = ANY ($3) "
				"AND (f.owner <> t.source OR EXISTS (SELECT FROM ownership.row_owner r WHERE r.owner <> t.source "
				"AND (r.table_schema, r.table_name, r.column_name) = (c.table_schema, c.table_name, c.column_name))) "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_column o "
				"JOIN ownership.mirrored_table ot USING (table_schema, table_name) "
				"WHERE o.entity = c.entity AND o.field = c.field AND ot.source IS DISTINCT FROM t.source) "
				"GROUP BY t.source",
				&p) == 0)
		return;
	ereport(NOTICE,
			(errmsg("system \"%s\" may overwrite %s of table \"%s\"", sql_result_text(0, 1),
					sql_result_text(0, 2), names_relation_label(schema, table)),
			 errdetail(
				 "The table is its own copy. Another system of record is not enforced there, and no other table holds what that one says."),
			 errhint(
				 "If several systems write the table, it has no source: set \"source\" of its row in ownership.mirrored_table to NULL.")));
}

/*
 * assign(relation, columns, owner, readers, writers, domain, policy, entity,
 * rationale)
 *
 * What is NULL stays as it is, except the owner: NULL is nobody.
 *
 * Errors: anything that does not exist or cannot be on the map; a column that
 * holds another entity's field.
 */
Datum
ownership_assign(PG_FUNCTION_ARGS)
{
	Oid relid = require_argument_relation(fcinfo, 0);
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	List *columns = call_list(fcinfo, 1, NAMEOID, "columns");
	char *owner = call_text(fcinfo, 2);
	List *readers = call_list(fcinfo, 3, TEXTOID, "readers");
	List *writers = call_list(fcinfo, 4, TEXTOID, "writers");
	char *domain = call_text(fcinfo, 5);
	char *policy = call_text(fcinfo, 6);
	char *entity = call_text(fcinfo, 7);
	char *rationale = call_text(fcinfo, 8);
	Bitmapset *key = field_primary_key(relid);
	List *specs = NIL;
	ListCell *lc;

	if (PG_ARGISNULL(1))
		columns = field_table_columns(relid);
	else if (columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no columns are given"),
						errhint("Name them, or give NULL for all columns of the table.")));
	SPI_connect();
	require_system(owner);
	require_systems(readers);
	require_systems(writers);
	require_domain(domain);
	require_policy(policy);
	foreach(lc, columns)
	{
		ColumnSpec *s = palloc0(sizeof(ColumnSpec));
		char *old_entity;
		char *old_field;

		s->schema = schema;
		s->table = table;
		s->column = lfirst(lc);
		s->key = field_in_key(key, require_column(relid, s->column));
		s->entity = entity != NULL ? entity : names_default_entity(schema, table);
		s->field = s->column;
		if (lookup_mapped_field(schema, table, s->column, &old_entity, &old_field))
		{
			if (entity != NULL && strcmp(entity, old_entity) != 0)
				field_already_mapped(schema, table, s->column, old_entity, old_field);
			s->entity = old_entity;
			s->field = old_field;
		}
		specs = lappend(specs, s);
	}
	field_map_columns(specs);
	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);
		Parameters p = {0};

		sql_add_text(&p, s->entity);
		sql_add_text(&p, s->field);
		sql_add_text(&p, owner);
		sql_add_text(&p, domain);
		sql_add_text(&p, policy);
		sql_add_text(&p, rationale);
		sql_run("UPDATE ownership.field SET owner = $3, domain = coalesce($4, domain), "
				"policy = coalesce($5, policy), rationale = coalesce($6, rationale) "
				"WHERE entity = $1 AND name = $2",
				&p);
		if (!PG_ARGISNULL(3))
			field_set_access(s->entity, s->field, "read", readers);
		if (!PG_ARGISNULL(4))
			field_set_access(s->entity, s->field, "write", writers);
		field_check_comparable(s->entity, s->field);
	}
	guard_relation(relid, false);
	field_report_overwritable(schema, table, columns);
	SPI_finish();
	PG_RETURN_VOID();
}

/* Does a pattern name the table, or the column, with or without public? */
bool
table_pattern_excludes(List *patterns, const char *schema, const char *table, const char *column)
{
	ListCell *lc;

	foreach(lc, patterns)
	{
		const char *pattern = lfirst(lc);

		const char *name = psprintf("%s.%s", table, column);

		if (names_match(pattern, psprintf("%s.%s", schema, table)) ||
			names_match(pattern, psprintf("%s.%s", schema, name)))
			return true;
		if (strcmp(schema, "public") == 0 &&
			(names_match(pattern, table) || names_match(pattern, name)))
			return true;
	}
	return false;
}

/* Errors: always. */
void
require_no_table_matches(const char *pattern)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("no table matches \"%s\"", pattern),
			 errhint(
				 "A pattern is like a file name's: * stands for any characters, ? for one; \"netsuite.*\" is a schema.")));
}

/*
 * Guard the tables whose lock is free at once; of the others a notice tells.
 * Waiting for one table's lock while holding another's could make a running
 * sync a deadlock's victim.
 */
void
guard_relations(List *relids)
{
	int busy = 0;
	ListCell *lc;

	foreach(lc, relids)
	{
		Oid relid = lfirst_oid(lc);

		if (!ConditionalLockRelationOid(relid, ShareRowExclusiveLock))
		{
			busy++;
			continue;
		}
		guard_relation(relid, true);
	}
	if (busy > 0)
		ereport(NOTICE, (errmsg_plural("%d table is in use and was not guarded",
									   "%d tables are in use and were not guarded", busy, busy),
						 errhint("CALL ownership.guard_all() guards them one at a time.")));
}

/* Put columns on the map that are not there, with their owner and readers. */
static void
map_fresh(List *specs, const char *owner, List *readers)
{
	List *entities = NIL;
	List *fields = NIL;
	Parameters p = {0};
	ListCell *lc;

	field_map_columns(specs);
	foreach(lc, specs)
	{
		ColumnSpec *s = lfirst(lc);

		entities = lappend(entities, unconstify(char *, s->entity));
		fields = lappend(fields, unconstify(char *, s->field));
	}
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	sql_add_text(&p, owner);
	sql_add_texts(&p, readers);
	sql_run("UPDATE ownership.field f SET owner = $3 FROM unnest($1, $2) g(entity, name) "
			"WHERE (f.entity, f.name) = (g.entity, g.name) AND f.owner IS NULL AND $3 IS NOT NULL "
			"AND $4 IS NOT NULL",
			&p);
	sql_run("INSERT INTO ownership.declared_access (entity, field, system, mode) "
			"SELECT DISTINCT g.entity, g.name, r, 'read' FROM unnest($1, $2) g(entity, name), unnest($4) r "
			"WHERE r IS DISTINCT FROM $3 ON CONFLICT DO NOTHING",
			&p);
}

/*
 * A table got a primary key: mark its columns, as add_tables() would have done
 * had the key been there, unless others were marked.
 */
void
field_mark_primary_key(Oid relid)
{
	Bitmapset *key = field_primary_key(relid);
	List *columns = NIL;
	Parameters p = {0};
	ListCell *lc;

	foreach(lc, field_table_columns(relid))
		if (field_in_key(key, get_attnum(relid, lfirst(lc))))
			columns = lappend(columns, lfirst(lc));
	sql_add_text(&p, get_namespace_name(get_rel_namespace(relid)));
	sql_add_text(&p, get_rel_name(relid));
	sql_add_texts(&p, columns);
	sql_run("UPDATE ownership.field f SET key = true FROM ownership.mirrored_column m "
			"WHERE m.table_schema = $1 AND m.table_name = $2 AND m.column_name = ANY ($3) "
			"AND f.entity = m.entity AND f.name = m.field AND NOT EXISTS ("
			"SELECT FROM ownership.mirrored_column o JOIN ownership.field k ON k.entity = o.entity "
			"AND k.name = o.field AND k.key WHERE o.table_schema = $1 AND o.table_name = $2)",
			&p);
}

/* The entity of a table's columns, if that is theirs alone; else the default. */
static char *
table_entity(const char *schema, const char *table)
{
	Parameters p = {0};

	sql_add_text(&p, schema);
	sql_add_text(&p, table);
	if (sql_run("SELECT min(entity) FROM ownership.mirrored_column m "
				"WHERE table_schema = $1 AND table_name = $2 HAVING count(DISTINCT entity) = 1 "
				"AND NOT EXISTS (SELECT FROM ownership.mirrored_column o WHERE o.entity = min(m.entity) "
				"AND (o.table_schema, o.table_name) <> ($1, $2))",
				&p) == 0)
		return names_default_entity(schema, table);
	return sql_result_text(0, 1);
}

/*
 * Put one table's columns on the map as the pattern says: those that are not
 * there, and among `only` if that is not NIL.  Returns whether there were any.
 */
bool
table_pattern_map(Oid relid, const TablePattern *pattern, List *only)
{
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	char *entity = table_entity(schema, table);
	Bitmapset *key = field_primary_key(relid);
	List *readers = NIL;
	List *specs = NIL;
	ListCell *lc;

	foreach(lc, field_table_columns(relid))
	{
		ColumnSpec *s;
		char *old_entity;
		char *old_field;

		if ((only != NIL && !names_contain(only, lfirst(lc))) ||
			table_pattern_excludes(pattern->exclude, schema, table, lfirst(lc)) ||
			lookup_mapped_field(schema, table, lfirst(lc), &old_entity, &old_field))
			continue;
		if (!names_can_be_field(lfirst(lc)))
		{
			ereport(WARNING,
					(errmsg("column \"%s\" of table \"%s\" is not put on the ownership map: its name holds a dot, or blanks around it",
							(char *) lfirst(lc), names_message_relation(schema, table)),
					 errhint(
						 "Insert a field with another name into ownership.field and link() the column to it.")));
			continue;
		}
		s = palloc0(sizeof(ColumnSpec));
		s->schema = schema;
		s->table = table;
		s->column = lfirst(lc);
		s->entity = entity;
		s->field = s->column;
		s->key = field_in_key(key, get_attnum(relid, s->column));
		specs = lappend(specs, s);
	}
	if (specs == NIL)
		return false;
	/* nothing keeps their names right */
	foreach(lc, pattern->readers)
		if (lookup_system_exists(lfirst(lc)))
			readers = lappend(readers, lfirst(lc));
	map_fresh(specs, pattern->owner, readers);
	if (only == NIL)
	{
		Parameters p = {0};

		sql_add_text(&p, schema);
		sql_add_text(&p, table);
		sql_add_text(&p, pattern->source);
		sql_run("UPDATE ownership.mirrored_table SET source = $3 "
				"WHERE table_schema = $1 AND table_name = $2 AND $3 IS NOT NULL",
				&p);
	}
	return true;
}

/*
 * add_tables(pattern, source, owner, readers, exclude)
 *
 * Columns that are on the map stay as they are.  A table whose lock is not
 * free at once is mapped but not guarded.
 *
 * Errors: nothing matches; a system that does not exist; a matching table
 * that is not the caller's.
 */
Datum
ownership_add_tables(PG_FUNCTION_ARGS)
{
	char *pattern = call_text(fcinfo, 0);
	char *source = call_text(fcinfo, 1);
	char *owner = call_text(fcinfo, 2);
	List *readers = call_list(fcinfo, 3, TEXTOID, "readers");
	List *exclude = call_list(fcinfo, 4, TEXTOID, "exclude");
	Parameters none = {0};
	Parameters p = {0};
	List *specs = NIL;
	List *relids = NIL;
	List *schemas = NIL;
	List *tables = NIL;
	List *columns = NIL;
	List *fresh = NIL;
	Parameters q = {0};
	uint64 n;
	int64 added;

	if (pattern == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	if (owner == NULL)
		owner = source;
	SPI_connect();
	require_system(source);
	require_system(owner);
	require_systems(readers);

	n = sql_run("SELECT n.nspname, c.relname, a.attname, c.oid::text, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text "
				"FROM " MAPPABLE_COLUMNS "ORDER BY n.nspname, c.relname, a.attnum",
				&none);
	for (uint64 i = 0; i < n; i++)
	{
		ColumnSpec *s = palloc0(sizeof(ColumnSpec));
		Oid relid = atooid(sql_result_text(i, 4));

		s->schema = sql_result_text(i, 1);
		s->table = sql_result_text(i, 2);
		s->column = sql_result_text(i, 3);
		s->key = sql_result_bool(i, 5);
		s->entity = names_default_entity(s->schema, s->table);
		s->field = s->column;
		if (!names_match_table(pattern, s->schema, s->table) ||
			table_pattern_excludes(exclude, s->schema, s->table, s->column))
			continue;
		specs = lappend(specs, s);
		schemas = lappend(schemas, unconstify(char *, s->schema));
		tables = lappend(tables, unconstify(char *, s->table));
		columns = lappend(columns, unconstify(char *, s->column));
		if (relids == NIL || llast_oid(relids) != relid)
			relids = lappend_oid(relids, relid);
	}
	if (specs == NIL)
		require_no_table_matches(pattern);

	sql_add_texts(&p, schemas);
	sql_add_texts(&p, tables);
	sql_add_texts(&p, columns);
	n = sql_run("SELECT g.i::text FROM unnest($1, $2, $3) WITH ORDINALITY g(tschema, tname, cname, i) "
				"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column m "
				"WHERE (m.table_schema, m.table_name, m.column_name) = (g.tschema, g.tname, g.cname)) "
				"ORDER BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		ColumnSpec *s = list_nth(specs, atoi(sql_result_text(i, 1)) - 1);

		fresh = lappend(fresh, s);
	}
	map_fresh(fresh, owner, readers);

	sql_add_text(&p, source);
	sql_run("UPDATE ownership.mirrored_table t SET source = $4 "
			"FROM (SELECT DISTINCT tschema, tname FROM unnest($1, $2, $3) g(tschema, tname, cname)) g "
			"WHERE (t.table_schema, t.table_name) = (g.tschema, g.tname) "
			"AND $4 IS NOT NULL AND t.source IS DISTINCT FROM $4",
			&p);

	/* for what appears later */
	sql_add_text(&q, pattern);
	sql_add_text(&q, source);
	sql_add_text(&q, owner);
	sql_add_texts(&q, readers);
	sql_add_texts(&q, exclude);
	sql_run("INSERT INTO ownership.mirrored_pattern AS m (pattern, source, owner, readers, exclude) "
			"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pattern) DO UPDATE "
			"SET source = $2, owner = $3, readers = $4, exclude = $5 "
			"WHERE (m.source, m.owner, m.readers, m.exclude) IS DISTINCT FROM ($2, $3, $4, $5)",
			&q);

	guard_relations(relids);
	if (source != NULL && owner != NULL && strcmp(source, owner) != 0)
		ereport(NOTICE,
				(errmsg("system \"%s\" may overwrite what \"%s\" owns in the tables of \"%s\"",
						source, owner, pattern),
				 errdetail(
					 "They are its own copies. Another system of record is not enforced there."),
				 errhint("If several systems write the tables, they have no source.")));
	added = list_length(fresh);
	SPI_finish(); /* frees the list */
	PG_RETURN_INT64(added);
}

/*
 * The field that was likely meant: one of the same entity with nearly that
 * name, or of the same name in an entity that is named nearly so.
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

/*
 * The field that link() makes columns copies of, with the decisions of the
 * field that they were, when it is new.
 *
 * Errors: it does not exist, and none of the columns is on the map; or one
 * with nearly that name exists.
 */
static void
require_or_create_field(const char *entity, const char *field, List *columns,
						const char *authoritative)
{
	char *label = psprintf("%s.%s", entity, field);
	List *candidates = NIL;
	char *nearest;
	ListCell *lc;

	if (lookup_field_exists(entity, field))
		return;
	nearest = require_near_field(entity, field);
	if (authoritative != NULL)
		candidates = list_make1(unconstify(char *, authoritative));
	candidates = list_concat(candidates, columns);
	foreach(lc, candidates)
	{
		Parameters p = {0};
		char *schema;
		char *table;
		char *column;
		char *old_entity;
		char *old_field;

		names_split_column(lfirst(lc), &schema, &table, &column);
		if (nearest != NULL || !lookup_mapped_field(schema, table, column, &old_entity, &old_field))
			continue;
		sql_add_text(&p, old_entity);
		sql_add_text(&p, old_field);
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
		sql_run("INSERT INTO ownership.field (entity, name, domain, owner, policy, key, local, rationale, decided_by, decided_on) "
				"SELECT $3, $4, domain, owner, policy, key, local, rationale, decided_by, decided_on "
				"FROM ownership.field WHERE entity = $1 AND name = $2",
				&p);
		sql_run("INSERT INTO ownership.declared_access (entity, field, system, mode) "
				"SELECT $3, $4, system, mode FROM ownership.declared_access "
				"WHERE entity = $1 AND field = $2",
				&p);
		return;
	}
	require_undefined(psprintf("field \"%s\" does not exist", label), nearest, "field",
					  "Insert it into ownership.field first, or assign one of its columns.");
}

/*
 * link(field, columns, authoritative): make columns the copies of one field.
 *
 * Errors: a field, table or column that does not exist or cannot be on the
 * map; one mapped to another field; types that cannot be compared; an
 * authoritative column that is none of them.
 */
Datum
ownership_link(PG_FUNCTION_ARGS)
{
	char *name = call_text(fcinfo, 0);
	List *columns = call_list(fcinfo, 1, TEXTOID, "columns");
	char *authoritative = call_text(fcinfo, 2);
	char *entity;
	char *field;
	char *auth[3] = {NULL, NULL, NULL};
	bool auth_found = authoritative == NULL;
	List *relids = NIL;
	ListCell *lc;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the field must not be null")));
	if (columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no columns are given"),
						errhint("Name the columns that hold the field, as schema.table.column.")));
	names_split_field(name, &entity, &field);
	if (authoritative != NULL)
		names_split_column(authoritative, &auth[0], &auth[1], &auth[2]);

	SPI_connect();
	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;
		Oid relid;

		names_split_column(lfirst(lc), &schema, &table, &column);
		relid = require_table(schema, table);
		(void) require_column(relid, column);
		relids = list_append_unique_oid(relids, relid);
		if (authoritative != NULL)
			auth_found |= strcmp(schema, auth[0]) == 0 && strcmp(table, auth[1]) == 0 &&
						  strcmp(column, auth[2]) == 0;
	}
	require_or_create_field(entity, field, columns, authoritative);
	if (authoritative != NULL)
	{
		Parameters p = {0};
		char *old_entity;
		char *old_field;

		/* it may be a copy already */
		if (!auth_found && lookup_mapped_field(auth[0], auth[1], auth[2], &old_entity, &old_field))
			auth_found = strcmp(entity, old_entity) == 0 && strcmp(field, old_field) == 0;
		if (!auth_found)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("authoritative column \"%s\" is not a copy of field \"%s\"",
								   authoritative, name),
							errhint("Name it among the columns.")));
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
		sql_run("UPDATE ownership.mirrored_column SET authoritative = false "
				"WHERE entity = $1 AND field = $2 AND authoritative",
				&p);
		if (lookup_mapped_field(auth[0], auth[1], auth[2], &old_entity, &old_field) &&
			strcmp(entity, old_entity) == 0 && strcmp(field, old_field) == 0)
			field_map_column(auth[0], auth[1], auth[2], entity, field, true);
	}
	foreach(lc, columns)
	{
		char *schema;
		char *table;
		char *column;

		Oid relid;

		names_split_column(lfirst(lc), &schema, &table, &column);
		relid = require_table(schema, table);
		if (field_map_column(schema, table, column, entity, field,
							 authoritative != NULL && strcmp(schema, auth[0]) == 0 &&
								 strcmp(table, auth[1]) == 0 && strcmp(column, auth[2]) == 0) &&
			field_in_key(field_primary_key(relid), get_attnum(relid, column)))
		{
			Parameters p = {0};

			sql_add_text(&p, entity);
			sql_add_text(&p, field);
			sql_run("UPDATE ownership.field SET key = true "
					"WHERE entity = $1 AND name = $2 AND NOT key",
					&p);
		}
	}
	field_check_comparable(entity, field);
	foreach(lc, relids)
	{
		if (compat_table_ownercheck(lfirst_oid(lc), GetUserId()))
			guard_relation(lfirst_oid(lc), true);
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * assign_rows(relation, columns, owner, row_filter): a rule after those that
 * are there; the same filter again changes its owner.
 *
 * Errors: a column that is not on the map; a filter that cannot work.
 */
Datum
ownership_assign_rows(PG_FUNCTION_ARGS)
{
	Oid relid = require_argument_relation(fcinfo, 0);
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	List *columns = call_list(fcinfo, 1, NAMEOID, "columns");
	char *owner = call_text(fcinfo, 2);
	char *filter = call_text(fcinfo, 3);
	ListCell *lc;

	if (columns == NIL || filter == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("assign_rows() needs columns and a row filter"),
						errhint("For all rows, use ownership.assign().")));
	SPI_connect();
	require_system(owner);
	foreach(lc, columns)
	{
		Parameters p = {0};
		char *column = lfirst(lc);
		char *entity;
		char *field;

		(void) require_column(relid, column);
		if (!lookup_mapped_field(schema, table, column, &entity, &field))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
							errmsg("column \"%s\" of table \"%s\" is not on the ownership map",
								   column, names_message_relation(schema, table)),
							errhint("Assign it first; that owner holds where no filter does.")));
		sql_add_text(&p, schema);
		sql_add_text(&p, table);
		sql_add_text(&p, column);
		sql_add_text(&p, filter);
		sql_add_text(&p, owner);
		if (sql_run("UPDATE ownership.row_owner SET owner = $5 WHERE table_schema = $1 "
					"AND table_name = $2 AND column_name = $3 AND row_filter = $4",
					&p) == 0)
			sql_run("INSERT INTO ownership.row_owner (table_schema, table_name, column_name, position, row_filter, owner) "
					"SELECT $1, $2, $3, 1 + coalesce(max(position), 0), $4, $5 FROM ownership.row_owner "
					"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3",
					&p);
	}
	guard_relation(relid, true);
	field_report_overwritable(schema, table, columns);
	SPI_finish();
	PG_RETURN_VOID();
}
