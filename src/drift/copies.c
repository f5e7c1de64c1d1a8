/*
 * copies.c
 *		The columns that hold one field, and how to compare them.
 *
 * A field that several columns hold has one authoritative copy (the view
 * linked_copy decides which); the others are compared with it, row by row,
 * joined on the key fields of the field's entity that both tables hold.
 *
 * Values are compared as the guard compares them (compare.c).  Where types
 * differ, the copy is cast, in the direction that loses nothing if there is
 * one; a value that cannot be cast is a difference and no error.
 *
 * Whoever looks at the risks must not run code of whoever made a type.  So the
 * SQL that is made here names every operator with its schema, and casts use no
 * function that is not trusted (trust.c); what cannot be cast so is compared
 * as text.
 */
#include "base.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(ownership_value_text);
PG_FUNCTION_INFO_V1(ownership_copy_differs);

/* casts */

/* One cast by its function, or by way of text where there is none. */
typedef struct Cast
{
	bool needed;
	bool by_function;
	FmgrInfo function;
	FmgrInfo output;
	FmgrInfo input;
	Oid input_param;
} Cast;

/* The way from one base type to another, as far as it is trusted. */
static CoercionPathType
cast_path(Oid from, Oid to, CoercionContext context, Oid *function)
{
	CoercionPathType path;

	*function = InvalidOid;
	if (from == to)
		return COERCION_PATH_RELABELTYPE;
	path = find_coercion_pathway(to, from, context, function);
	if (path == COERCION_PATH_ARRAYCOERCE ||
		(path == COERCION_PATH_FUNC && !trust_function(*function)))
		return COERCION_PATH_NONE;
	return path;
}

static bool
compare_can_cast(Oid from, Oid to, CoercionContext context)
{
	Oid function;

	return cast_path(from, to, context, &function) != COERCION_PATH_NONE;
}

/* Is there a cast that somebody made, not just the way by text? */
bool
compare_has_cast(Oid from, Oid to)
{
	Oid function;
	CoercionPathType path;

	from = getBaseType(from);
	to = getBaseType(to);
	path = cast_path(from, to, COERCION_EXPLICIT, &function);
	return path != COERCION_PATH_NONE &&
		   (path != COERCION_PATH_COERCEVIAIO ||
			(TypeCategory(from) != TYPCATEGORY_STRING && TypeCategory(to) != TYPCATEGORY_STRING));
}

/*
 * The type in which values of two types are compared: the one that the other
 * is cast to implicitly, because that loses nothing (a date is no timestamp
 * cut short); else, unless only such will do, the first, the authoritative
 * one's, if there is any cast; else text.
 */
static Oid
compare_common_type(Oid a, Oid b, bool implicit_only)
{
	Oid type;

	a = getBaseType(a);
	b = getBaseType(b);
	if ((a == JSONOID && b == JSONBOID) || (a == JSONBOID && b == JSONOID))
		return JSONBOID; /* json keeps the blanks */
	if (a == b || compare_can_cast(b, a, COERCION_IMPLICIT))
		type = a;
	else if (compare_can_cast(a, b, COERCION_IMPLICIT))
		type = b;
	else if (!implicit_only && compare_can_cast(b, a, COERCION_EXPLICIT))
		type = a;
	else if (!implicit_only && compare_can_cast(a, b, COERCION_EXPLICIT))
		type = b;
	else
		type = TEXTOID;
	/* blanks at the end of char(n) are none of the value's */
	return type == BPCHAROID ? TEXTOID : type;
}

static Cast
find_cast(Oid from, Oid to, MemoryContext cxt)
{
	Cast cast = {0};
	Oid function;
	CoercionPathType path = cast_path(from, to, COERCION_EXPLICIT, &function);
	Oid proc;
	bool varlena;

	if (path == COERCION_PATH_RELABELTYPE)
		return cast;
	cast.needed = true;
	if (path == COERCION_PATH_FUNC)
	{
		cast.by_function = true;
		fmgr_info_cxt(function, &cast.function, cxt);
		return cast;
	}
	getTypeOutputInfo(from, &proc, &varlena);
	fmgr_info_cxt(proc, &cast.output, cxt);
	getTypeInputInfo(to, &proc, &cast.input_param);
	fmgr_info_cxt(proc, &cast.input, cxt);
	return cast;
}

/* Errors: whatever the cast raises. */
static Datum
run_cast(Cast *cast, Datum value, Oid collation)
{
	if (!cast->needed)
		return value;
	if (!cast->by_function)
		return InputFunctionCall(&cast->input, OutputFunctionCall(&cast->output, value),
								 cast->input_param, -1);
	switch (cast->function.fn_nargs)
	{
		case 1:
			return FunctionCall1Coll(&cast->function, collation, value);
		case 2:
			return FunctionCall2Coll(&cast->function, collation, value, Int32GetDatum(-1));
		default:
			return FunctionCall3Coll(&cast->function, collation, value, Int32GetDatum(-1),
									 BoolGetDatum(true));
	}
}

/* What is known of the types of one copy_differs() in a query. */
typedef struct Comparer
{
	Oid types[2];
	Cast casts[2];
	ValueType as;
	int needs; /* of their text */
} Comparer;

static Comparer *
comparer_for(FmgrInfo *flinfo)
{
	Comparer *c = flinfo->fn_extra;
	Oid target;

	if (c != NULL)
		return c;
	c = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Comparer));
	for (int i = 0; i < 2; i++)
	{
		c->types[i] = getBaseType(get_fn_expr_argtype(flinfo, i));
		if (!OidIsValid(c->types[i]))
			elog(ERROR, "could not determine the types to compare");
	}
	target = compare_common_type(c->types[0], c->types[1], false);
	for (int i = 0; i < 2; i++)
	{
		c->casts[i] = find_cast(c->types[i], target, flinfo->fn_mcxt);
		c->needs |= value_text_needs(c->types[i]);
	}
	c->as = value_type(target);
	flinfo->fn_extra = c;
	return c;
}

/* Compares after a cast, which may fail. */
static bool
cast_differs(Comparer *c, Datum a, Datum b, Oid collation)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	OutputSettings settings = value_fix_output(c->needs);
	volatile bool differs = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		Datum x = run_cast(&c->casts[0], a, collation);
		Datum y = run_cast(&c->casts[1], b, collation);

		differs = value_changed(&c->as, x, false, y, false);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		value_restore_output(&settings);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		value_restore_output(&settings);
		if (subxact_error_is_fatal(error))
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return differs;
}

/*
 * copy_differs(source_value, copy_value): are they different values?  One that
 * cannot be cast to the other's type is.
 */
Datum
ownership_copy_differs(PG_FUNCTION_ARGS)
{
	Comparer *c = comparer_for(fcinfo->flinfo);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) != PG_ARGISNULL(1));
	if (!c->casts[0].needed && !c->casts[1].needed)
		PG_RETURN_BOOL(value_changed(&c->as, PG_GETARG_DATUM(0), false, PG_GETARG_DATUM(1), false));
	PG_RETURN_BOOL(cast_differs(c, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GET_COLLATION()));
}

/* How to put out the values of one value_text() in a query. */
typedef struct Output
{
	FmgrInfo function;
	int needs;
} Output;

static Output *
output_for(FmgrInfo *flinfo)
{
	Output *output = flinfo->fn_extra;
	Oid type;
	Oid proc;
	bool varlena;

	if (output != NULL)
		return output;
	type = get_fn_expr_argtype(flinfo, 0);
	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of the value");
	getTypeOutputInfo(type, &proc, &varlena);
	output = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(Output));
	fmgr_info_cxt(proc, &output->function, flinfo->fn_mcxt);
	output->needs = value_text_needs(type);
	flinfo->fn_extra = output;
	return output;
}

static char *
put_out(Output *output, Datum value)
{
	OutputSettings settings = value_fix_output(output->needs);
	char *volatile text = NULL;

	PG_TRY();
	{
		text = OutputFunctionCall(&output->function, value);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return text;
}

/* value_text(value): as evidence has it, whatever the session's settings. */
Datum
ownership_value_text(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(put_out(output_for(fcinfo->flinfo), PG_GETARG_DATUM(0))));
}

/* SQL for values */

/* alias.column */
char *
sql_column(const char *alias, const char *column)
{
	return psprintf("%s.%s", alias, quote_identifier(column));
}

char *
sql_text(const char *expr)
{
	return psprintf("ownership.value_text(%s)", expr);
}

/* A value in a row key: integers are numbers, the rest is text. */
char *
sql_key_value(const char *expr, Oid type)
{
	type = getBaseType(type);
	if (type == INT2OID || type == INT4OID || type == INT8OID)
		return psprintf("pg_catalog.to_jsonb(%s)", expr);
	return psprintf("pg_catalog.to_jsonb(%s)", sql_text(expr));
}

/* An operator as expressions name it, whatever the search path. */
char *
sql_operator(Oid operator)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char *sql;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	sql = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
				   NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return sql;
}

/* The expression as a value of type `to`, which is text where there is no cast. */
static char *
sql_cast(const char *expr, Oid from, Oid to)
{
	from = getBaseType(from);
	if (from == to)
		return pstrdup(expr);
	if (!compare_can_cast(from, to, COERCION_IMPLICIT))
		return sql_text(expr);
	return psprintf("%s::%s", expr, format_type_be_qualified(to));
}

/* a = c for two columns of a key, such that it can be hashed. */
static char *
sql_key_match(const char *a, Oid atype, Oid acoll, const char *c, Oid ctype, Oid ccoll)
{
	Oid type = compare_common_type(atype, ctype, true);
	Oid equal = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	const char *collate = "";

	if (!OidIsValid(equal))
	{
		type = TEXTOID;
		equal = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	}
	if (acoll != ccoll && type_is_collatable(type))
		collate = " COLLATE pg_catalog.\"C\"";
	return psprintf("%s%s %s %s%s", sql_cast(a, atype, type), collate, sql_operator(equal),
					sql_cast(c, ctype, type), collate);
}

/* holders */

/* Looks for the column in the database. */
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

char *
holder_label(const Holder *h)
{
	return psprintf("%s.%s", names_relation_label(h->schema, h->table), quote_identifier(h->column));
}

static char *
holder_problem(const Holder *h)
{
	if (!OidIsValid(h->relid))
		return psprintf("table %s is not there", names_relation_label(h->schema, h->table));
	if (h->attnum == InvalidAttrNumber)
		return psprintf("column %s is not there", holder_label(h));
	return NULL;
}

/* Are there foreign tables in it? */
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

/* The key fields of an entity that a table holds, as KeyColumns. */
List *
holder_table_keys(const char *entity, const char *schema, const char *table)
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
			!lookup_field_is_key(entity, field))
			continue;
		foreach(lc, list)
			known |= strcmp(((KeyColumn *) lfirst(lc))->field, field) == 0;
		if (known)
			continue; /* in two columns of the table: the first by name */
		k = palloc0(sizeof(KeyColumn));
		k->field = field;
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

/* Does a unique index say that the columns tell a row? */
bool
holder_tells_row(Oid relid, List *attnums)
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

/*
 * Who owns the column in a stored row of an ordinary table; NULL: nobody.
 * The row may have gone meanwhile; then it is the field's owner.
 */
char *
map_owner_at(Oid relid, ItemPointer tid, const char *column)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	MappedColumn *col = map_column(map, get_attnum(relid, column));
	const char *owner = col == NULL ? NULL : col->owner;
	char *copy;

	map_enter();

	if (col != NULL && col->nrules > 0)
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		if (table_tuple_fetch_row_version(rel, tid, GetActiveSnapshot(), slot))
			owner = map_owner(map, col, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	relation_close(rel, NoLock);
	copy = owner == NULL ? NULL : pstrdup(owner);
	map_leave();
	return copy;
}

/* FROM both tables, matched; sample: what follows the copy's name. */
char *
copy_sql_join(const Copy *copy, const char *sample)
{
	return psprintf("%s a JOIN %s c %s ON %s",
					quote_qualified_identifier(copy->from.schema, copy->from.table),
					quote_qualified_identifier(copy->to.schema, copy->to.table), sample,
					copy->match);
}

/* The key fields of one entity that a table holds, for many copies in it. */
typedef struct KeyMemo
{
	const char *entity;
	const char *schema;
	const char *table;
	List *keys;
} KeyMemo;

static List *
remembered_keys(List **memos, const char *entity, const Holder *h)
{
	KeyMemo *memo;
	ListCell *lc;

	/* copies come by entity */
	if (*memos != NIL && strcmp(((KeyMemo *) linitial(*memos))->entity, entity) != 0)
		*memos = NIL;
	foreach(lc, *memos)
	{
		memo = lfirst(lc);
		if (strcmp(memo->table, h->table) == 0 && strcmp(memo->schema, h->schema) == 0)
			return memo->keys;
	}
	memo = palloc(sizeof(KeyMemo));
	memo->entity = entity;
	memo->schema = h->schema;
	memo->table = h->table;
	memo->keys = holder_table_keys(entity, h->schema, h->table);
	*memos = lappend(*memos, memo);
	return memo->keys;
}

/*
 * How the rows of the two tables are told to be the same: the key fields of
 * the entity that both hold, if they tell a row of the authoritative table.
 */
static void
match_rows(Copy *copy, List **memos)
{
	List *from = remembered_keys(memos, copy->entity, &copy->from);
	List *to = remembered_keys(memos, copy->entity, &copy->to);
	StringInfoData match;
	StringInfoData row_key;
	StringInfoData order;
	StringInfoData key;
	List *attnums = NIL;
	const char *missing = NULL;
	ListCell *lc;

	initStringInfo(&match);
	initStringInfo(&row_key);
	initStringInfo(&order);
	initStringInfo(&key);
	foreach(lc, from)
	{
		const KeyColumn *a = lfirst(lc);
		const KeyColumn *c = holder_find_key(to, a->field);
		char *acol = sql_column("a", a->holder.column);
		bool first = match.len == 0;

		if (strcmp(a->field, copy->field) == 0)
			continue; /* what is compared joins nothing */
		if (c == NULL)
		{
			missing = a->field;
			continue;
		}
		attnums = lappend_int(attnums, a->holder.attnum);
		appendStringInfo(&match, "%s%s", first ? "" : " AND ",
						 sql_key_match(acol, a->holder.type, a->holder.collation,
									   sql_column("c", c->holder.column), c->holder.type,
									   c->holder.collation));
		appendStringInfo(&row_key, "%s%s, %s", first ? "" : ", ", quote_literal_cstr(a->field),
						 sql_key_value(acol, a->holder.type));
		appendStringInfo(&key, "%s%s", first ? "" : ", ", acol);
		appendStringInfo(&order, "%s%s", first ? "" : ", ",
						 OidIsValid(
							 lookup_type_cache(getBaseType(a->holder.type), TYPECACHE_LT_OPR)->lt_opr)
							 ? acol
							 : sql_text(acol));
	}
	if (attnums == NIL)
		copy->problem =
			psprintf("%s and %s hold no key field of \"%s\" in common",
					 names_relation_label(copy->from.schema, copy->from.table),
					 names_relation_label(copy->to.schema, copy->to.table), copy->entity);
	else if (missing != NULL && !holder_tells_row(copy->from.relid, attnums))
		copy->problem =
			psprintf("%s does not hold key field \"%s.%s\", by which %s tells rows",
					 names_relation_label(copy->to.schema, copy->to.table), copy->entity, missing,
					 names_relation_label(copy->from.schema, copy->from.table));
	if (copy->problem != NULL)
	{
		copy->unlinked = true;
		copy->advice =
			psprintf("Link the columns that hold the key in both, as in ownership.link('%s.KEY', '{%s.COLUMN, %s.COLUMN}'), and mark that field as key.",
					 copy->entity, names_relation_label(copy->from.schema, copy->from.table),
					 names_relation_label(copy->to.schema, copy->to.table));
		return;
	}
	copy->unique = holder_tells_row(copy->from.relid, attnums);
	copy->match = match.data;
	copy->row_key = psprintf("pg_catalog.jsonb_build_object(%s)", row_key.data);
	copy->order = order.data;
	copy->key_columns = key.data;
	copy->join = copy_sql_join(copy, "");
}

static void
prepare_copy(Copy *copy, List **memos)
{
	if (copy->from.schema == NULL)
	{
		copy->unlinked = true;
		copy->problem = psprintf("it is undecided which copy of \"%s.%s\" is authoritative",
								 copy->entity, copy->field);
		copy->advice =
			psprintf("Decide which is right, and mark it: ownership.link(%s, '{schema.table.column}', authoritative => 'schema.table.column').",
					 quote_literal_cstr(psprintf("%s.%s", copy->entity, copy->field)));
		holder_find(&copy->to);
		return;
	}
	holder_find(&copy->from);
	holder_find(&copy->to);
	copy->problem = holder_problem(&copy->from);
	if (copy->problem == NULL)
		copy->problem = holder_problem(&copy->to);
	if (copy->problem != NULL)
	{
		copy->advice = "Create it, or correct the ownership map.";
		return;
	}
	match_rows(copy, memos);
}

/*
 * The copies of a field, or of every field, beside the authoritative ones,
 * ready to be compared.  A key that only joins rows is left out.  Needs SPI.
 */
List *
copy_load(const char *entity, const char *field)
{
#define LINKED_COPIES                                                               \
	"SELECT entity, field, key, owner, authoritative_schema, authoritative_table, " \
	"authoritative_column, table_schema, table_name, column_name, source "          \
	"FROM ownership.linked_copy "
#define LINKED_ORDER                                                               \
	"ORDER BY entity COLLATE pg_catalog.\"C\", field COLLATE pg_catalog.\"C\", "   \
	"table_schema COLLATE pg_catalog.\"C\", table_name COLLATE pg_catalog.\"C\", " \
	"column_name COLLATE pg_catalog.\"C\""
	Parameters p = {0};
	List *copies = NIL;
	List *memos = NIL;
	ListCell *lc;
	uint64 n;

	if (field == NULL)
		n = sql_run(LINKED_COPIES LINKED_ORDER, &p);
	else
	{
		sql_add_text(&p, entity);
		sql_add_text(&p, field);
		n = sql_run(LINKED_COPIES "WHERE entity OPERATOR(pg_catalog.=) $1 "
								  "AND field OPERATOR(pg_catalog.=) $2 " LINKED_ORDER,
					&p);
	}
	for (uint64 i = 0; i < n; i++)
	{
		Copy *copy = palloc0(sizeof(Copy));

		copy->entity = sql_result_text(i, 1);
		copy->field = sql_result_text(i, 2);
		copy->key = sql_result_bool(i, 3);
		copy->owner = sql_result_text(i, 4);
		copy->from.schema = sql_result_text(i, 5);
		copy->from.table = sql_result_text(i, 6);
		copy->from.column = sql_result_text(i, 7);
		copy->to.schema = sql_result_text(i, 8);
		copy->to.table = sql_result_text(i, 9);
		copy->to.column = sql_result_text(i, 10);
		copy->source = sql_result_text(i, 11);
		copies = lappend(copies, copy);
	}
	/* the result is read before the next is run */
	foreach(lc, copies)
		prepare_copy(lfirst(lc), &memos);
	foreach(lc, copies)
	{
		/* rows are told by it: they cannot be the same and differ in it */
		if (((Copy *) lfirst(lc))->key && ((Copy *) lfirst(lc))->unlinked)
			copies = foreach_delete_current(copies, lc);
	}
	return copies;
}

/* The condition under which the copy is another value. */
char *
copy_sql_differs(const Copy *copy)
{
	return psprintf("ownership.copy_differs(%s, %s)", sql_column("a", copy->from.column),
					sql_column("c", copy->to.column));
}
