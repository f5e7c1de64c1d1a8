/*
 * sql.c
 *		The extension's own SQL: parameters, plans that are kept, results, and the text of
 *		SQL that is composed from names.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base.h"

/* A plan that is kept for the session. */
typedef struct KeptPlan
{
	const char *sql; /* key: the address of the literal, not its text */
	SPIPlanPtr plan;
} KeptPlan;

/* Copies of the elements of a text[], without those that are NULL. */
List *
sql_text_list(Datum array)
{
	List *texts = NIL;
	Datum *elems;
	bool *nulls;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			texts = lappend(texts, TextDatumGetCString(elems[i]));
	return texts;
}

/* The same of a name[]. */
List *
sql_name_list(Datum array)
{
	List *names = NIL;
	Datum *elems;
	bool *nulls;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elems,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			names = lappend(names, pstrdup(NameStr(*DatumGetName(elems[i]))));
	return names;
}

/* alias.column; the column is quoted where needed. */
char *
sql_column(const char *alias, const char *column)
{
	return psprintf("%s.%s", alias, quote_identifier(column));
}

/* An expression of SQL for the text that evidence has for a value (value.c). */
char *
sql_text(const char *expr)
{
	return psprintf("ownership.value_text(%s)", expr);
}

/*
 * An expression of SQL for the jsonb of a value in a row key: of an integer a
 * number, of other types a string.
 */
char *
sql_key_value(const char *expr, Oid type)
{
	type = getBaseType(type);
	if (type == INT2OID || type == INT4OID || type == INT8OID)
		return psprintf("pg_catalog.to_jsonb(%s)", expr);
	return psprintf("pg_catalog.to_jsonb(%s)", sql_text(expr));
}

/* An operator with its schema, as an expression names it under any search path. */
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

/* The type in SQL: a value cast to it keeps its length, also where a bare name means length 1. */
char *
sql_type(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* Has the extension the function ownership.value_as()?  That of an older version has not. */
bool
sql_knows_value_as(void)
{
	Oid args[] = {ANYOID, ANYELEMENTOID};

	return OidIsValid(LookupFuncName(list_make2(makeString(OWNERSHIP_SCHEMA), makeString("value_as")),
									 lengthof(args), args, true));
}

/*
 * An expression of SQL for the value of another as one of a base type, as copies are
 * compared; NULL where it cannot be cast.
 */
char *
sql_value_as(const char *expr, Oid to)
{
	return psprintf("ownership.value_as(%s, NULL::%s)", expr, sql_type(to));
}

/*
 * The expression of base type `from` as a value of type `to`, which
 * compare_common_type() found, or its text.
 */
static char *
sql_cast(const char *expr, Oid from, Oid to)
{
	if (from == to)
		return pstrdup(expr);
	if (compare_reads_text(from, to))
		return sql_value_as(expr, to);
	if (!compare_can_cast(from, to, COERCION_IMPLICIT))
		return sql_text(expr);
	return psprintf("%s::%s", expr, sql_type(to));
}

/*
 * Was the operator made for the type?  The one of enums, or arrays, is of all such types,
 * and the casts of a type may make it ambiguous.
 */
static bool
is_operator_of(Oid operator, Oid type)
{
	Oid left;
	Oid right;

	op_input_types(operator, & left, &right);
	return left == type;
}

/*
 * How two expressions of these types are compared as keys: of each the expression, cast
 * to one type; the condition; and whether values that are equal then are equal before,
 * too.  A value that cannot be cast is NULL.
 */
KeyMatch
sql_key_match(const char *a, Oid atype, Oid acoll, const char *c, Oid ctype, Oid ccoll)
{
	KeyMatch match;
	Oid equal;

	atype = getBaseType(atype);
	ctype = getBaseType(ctype);
	match.type = compare_common_type(atype, ctype, false);
	equal = lookup_type_cache(match.type, TYPECACHE_EQ_OPR)->eq_opr;
	if (!OidIsValid(equal) ||
		((compare_reads_text(atype, ctype) || compare_reads_text(ctype, atype)) &&
		 !(is_operator_of(equal, match.type) && sql_knows_value_as())))
	{
		match.type = TEXTOID;
		equal = lookup_type_cache(match.type, TYPECACHE_EQ_OPR)->eq_opr;
	}
	match.a = sql_cast(a, atype, match.type);
	match.c = sql_cast(c, ctype, match.type);
	match.a_exact = compare_is_exact(atype, match.type);
	match.c_exact = compare_is_exact(ctype, match.type);
	if (acoll != ccoll && type_is_collatable(match.type))
	{
		match.a = psprintf("%s COLLATE pg_catalog.\"C\"", match.a);
		match.c = psprintf("%s COLLATE pg_catalog.\"C\"", match.c);
	}
	match.sql = psprintf("%s %s %s", match.a, sql_operator(equal), match.c);
	return match;
}

/* An expression by which a value of the type can be sorted. */
char *
sql_sortable(const char *expr, Oid type)
{
	return OidIsValid(lookup_type_cache(getBaseType(type), TYPECACHE_LT_OPR)->lt_opr)
			   ? pstrdup(expr)
			   : sql_text(expr);
}

/* Adds a parameter; there is room for as many as Parameters has. */
void
sql_add_value(Parameters *p, Oid type, Datum value, bool isnull)
{
	Assert(p->n < (int) lengthof(p->types));
	p->types[p->n] = type;
	p->values[p->n] = value;
	p->nulls[p->n] = isnull ? 'n' : ' ';
	p->n++;
}

/* Adds a text; a null pointer is SQL's NULL. */
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

/* Adds a text[] of C strings, in which null pointers are NULLs; an empty list is an empty array. */
void
sql_add_texts(Parameters *p, List *values)
{
	int n = list_length(values);
	int lower = 1;
	Datum *datums = palloc(Max(n, 1) * sizeof(Datum));
	bool *nulls = palloc(Max(n, 1) * sizeof(bool));
	ArrayType *array;
	ListCell *lc;

	foreach(lc, values)
		call_put_text(datums, nulls, foreach_current_index(lc), lfirst(lc));
	array =
		n == 0 ? construct_empty_array(TEXTOID)
			   : construct_md_array(datums, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			pfree(DatumGetPointer(datums[i]));
	pfree(datums);
	pfree(nulls);
	sql_add_value(p, TEXTARRAYOID, PointerGetDatum(array), false);
}

/*
 * The statement, for the tables of an older version: it has no views of the owners that
 * are in force, because there no field passes at a moment.
 */
static const char *
for_tables(const char *sql)
{
	static const char *const views[] = {"ownership.field_now ", "ownership.row_owner_now "};
	static const char *const tables[] = {"ownership.field ", "ownership.row_owner "};
	StringInfoData text;

	if (strstr(sql, "_now ") == NULL ||
		OidIsValid(get_relname_relid("field_now", get_namespace_oid(OWNERSHIP_SCHEMA, true))))
		return sql;
	initStringInfo(&text);
	while (*sql != '\0')
	{
		int length = 1;

		for (int i = 0; i < (int) lengthof(views); i++)
		{
			if (strncmp(sql, views[i], strlen(views[i])) != 0)
				continue;
			appendStringInfoString(&text, tables[i]);
			length = 0;
			sql += strlen(views[i]);
		}
		appendBinaryStringInfo(&text, sql, length);
		sql += length;
	}
	return text.data;
}

/*
 * The plan of a statement.  It is kept for the session, because an import runs the
 * same few statements for every row.
 */
static SPIPlanPtr
kept_plan(const char *sql, Parameters *p, int options)
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
	plan = SPI_prepare_cursor(for_tables(sql), p->n, p->types, options);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_prepare failed: %s: %s", SPI_result_code_string(SPI_result), sql);
	entry = hash_search(plans, &sql, HASH_ENTER, NULL);
	entry->plan = plan;
	return plan;
}

/*
 * Sets search_path for the extension's own SQL, whose operators are written without
 * schema.  It lasts until the current nesting level of settings ends.
 */
void
sql_set_search_path(void)
{
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* The same until sql_unpin_search_path() with the level returned, or an error. */
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

/*
 * Runs one statement by SPI, to which the caller has connected; returns the number
 * of rows.  Its plan is kept for the session, under the address of the text, which
 * therefore is a literal: sql_run() and sql_run_set() see to that.
 */
uint64
sql_run_kept(const char *sql, Parameters *p, int options)
{
	SPIPlanPtr plan = kept_plan(sql, p, options);
	int rc;

	Assert(SPI_getargcount(plan) == p->n);
	rc = SPI_execute_plan(plan, p->values, p->nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s", SPI_result_code_string(rc), sql);
	return SPI_processed;
}

/* The same for a statement that is composed: its plan is not kept. */
uint64
sql_run_composed(const char *sql, Parameters *p)
{
	int rc = SPI_execute_with_args(for_tables(sql), p->n, p->types, p->values, p->nulls, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s: %s", SPI_result_code_string(rc), sql);
	return SPI_processed;
}

/* The text output of a value of the last result; NULL when it is NULL.  Columns count from 1. */
char *
sql_result_text(uint64 row, int column)
{
	bool isnull;
	Datum value;

	/* most are texts: no output function is looked up for them */
	if (SPI_gettypeid(SPI_tuptable->tupdesc, column) != TEXTOID)
		return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
	value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	return isnull ? NULL : TextDatumGetCString(value);
}

/* A boolean of the last result, or its text output; false when it is NULL. */
bool
sql_result_bool(uint64 row, int column)
{
	const char *text = sql_result_text(row, column);

	return text != NULL && text[0] == 't';
}

/* The elements of a text[] of the last result, without NULLs; NIL when the array is NULL. */
List *
sql_result_texts(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NIL : sql_text_list(value);
}

/* A copy of a jsonb of the last result; NULL when it is NULL. */
Jsonb *
sql_result_jsonb(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

/* A bigint of the last result; 0 when it is NULL. */
int64
sql_result_int64(uint64 row, int column)
{
	bool isnull;

	return DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull));
}

/* The first column of a query without parameters as texts. */
List *
sql_query_names(const char *sql)
{
	Parameters p = {0};
	List *names = NIL;
	uint64 n = sql_run_composed(sql, &p);

	for (uint64 i = 0; i < n; i++)
		names = lappend(names, sql_result_text(i, 1));
	return names;
}

/* A timestamptz of the last result; 0 when it is NULL. */
TimestampTz
sql_result_time(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}
