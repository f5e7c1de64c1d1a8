/*
 * why_key.c
 *		The key that the caller gives to why(), fitted to each table that contains
 *		the field: which columns its names mean, and the SQL that finds the row.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../drift/drift.h"
#include "explain.h"

/*
 * The names and values of row_key, as a list of KeyValue.
 *
 * Errors: it is no object, is empty, or contains a null.
 */
List *
key_read(Jsonb *key)
{
	JsonbIterator *it;
	JsonbValue v;
	JsonbIteratorToken token;
	List *list = NIL;
	KeyValue *current = NULL;

	if (!JB_ROOT_IS_OBJECT(key) || JB_ROOT_COUNT(key) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row_key must be a JSON object with the key's names and values"),
				 errhint("For example: ownership.why('product.price', '{\"sku\": \"A1\"}').")));
	it = JsonbIteratorInit(&key->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			current = palloc0(sizeof(KeyValue));
			current->name = pnstrdup(v.val.string.val, v.val.string.len);
			list = lappend(list, current);
		}
		if (token != WJB_VALUE)
			continue;
		switch (v.type)
		{
			case jbvString:
				current->value = pnstrdup(v.val.string.val, v.val.string.len);
				break;
			case jbvNumeric:
				current->value = DatumGetCString(
					DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
				break;
			case jbvBool:
				current->value = pstrdup(v.val.boolean ? "true" : "false");
				break;
			case jbvBinary:
				current->value = JsonbToCString(NULL, v.val.binary.data, v.val.binary.len);
				break;
			default:
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("the key \"%s\" of row_key must not be null", current->name)));
		}
	}
	return list;
}

/* The columns of row_key in evidence about the table, as a list of KeyColumn. */
List *
key_of_evidence(const Holder *h)
{
	Relation rel = relation_open(h->relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	List *list = NIL;

	for (int i = 0; i < map->nkey_attrs; i++)
	{
		KeyColumn *k = palloc0(sizeof(KeyColumn));

		k->holder.schema = h->schema;
		k->holder.table = h->table;
		k->holder.column =
			pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel), map->key_attrs[i] - 1)->attname));
		holder_find(&k->holder);
		list = lappend(list, k);
	}
	relation_close(rel, NoLock);
	return list;
}

/* The column that a name of row_key means in this place, or NULL. */
static const KeyColumn *
key_by_name(const FieldPlace *place, const char *name, KeyNames names)
{
	KeyColumn *k;

	if (names == NAMES_FIELDS)
		return holder_find_key(place->names, name);
	k = palloc0(sizeof(KeyColumn));
	k->holder.schema = place->holder.schema;
	k->holder.table = place->holder.table;
	k->holder.column = pstrdup(name);
	holder_find(&k->holder);
	return k->holder.attnum > 0 ? k : holder_find_key(place->names, name);
}

/* The value of this name, or NULL. */
const KeyValue *
key_value(List *values, const char *name)
{
	ListCell *lc;

	foreach(lc, values)
		if (strcmp(((KeyValue *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Is it a text, although the column contains none?  What the caller gives is of any type. */
static bool
is_text_for(const KeyColumn *k, const KeyValue *v)
{
	return OidIsValid(v->type) &&
		   compare_reads_text(getBaseType(v->type), getBaseType(k->holder.type)) &&
		   sql_knows_value_as();
}

/* The value as a literal of the type. */
static char *
typed_literal(const char *value, Oid type)
{
	return psprintf("%s::%s", quote_literal_cstr(value), sql_type(getBaseType(type)));
}

/* The value in SQL, in the column's type; NULL where it is a text that means no such value. */
static char *
sql_literal(const KeyColumn *k, const KeyValue *v)
{
	if (is_text_for(k, v))
		return sql_value_as(typed_literal(v->value, v->type), getBaseType(k->holder.type));
	return typed_literal(v->value, k->holder.type);
}

static char *
sql_key_condition(const KeyColumn *k, const KeyValue *v)
{
	char *column = sql_column("t", k->holder.column);
	Oid equal = lookup_type_cache(getBaseType(k->holder.type), TYPECACHE_EQ_OPR)->eq_opr;

	if (!OidIsValid(equal))
		return psprintf("%s OPERATOR(pg_catalog.=) %s", sql_text(column),
						quote_literal_cstr(v->value));
	return psprintf("%s %s %s", column, sql_operator(equal), sql_literal(k, v));
}

/*
 * SQL condition: the column of the table that alias names has the value, as copies are
 * matched: where one of the two is a text, it is read as a value of the other's type.
 */
char *
key_sql_is(const char *alias, const KeyColumn *k, const KeyValue *v)
{
	return sql_key_match(sql_column(alias, k->holder.column), k->holder.type, k->holder.collation,
						 typed_literal(v->value, v->type), v->type, v->collation)
		.sql;
}

/*
 * SQL for the row_key that evidence has for a row; NULL: not known.  The values are
 * columns of the table that alias names; without an alias, they are the literals,
 * one for each name in columns.  In evidence, values of integer types are numbers;
 * all others, of domains over integers too, are text.
 */
char *
key_sql_evidence(List *keys, const char *alias, List *columns, List *literals)
{
	StringInfoData sql;
	ListCell *lc;

	if (keys == NIL)
		return NULL;
	initStringInfo(&sql);
	foreach(lc, keys)
	{
		const KeyColumn *k = lfirst(lc);
		bool number =
			k->holder.type == INT2OID || k->holder.type == INT4OID || k->holder.type == INT8OID;
		char *value = sql_column(alias, k->holder.column);

		if (alias == NULL || alias[0] == '\0')
		{
			ListCell *c;
			ListCell *l;

			value = NULL;
			forboth(c, columns, l, literals)
			{
				if (strcmp(lfirst(c), k->holder.column) == 0)
					value = lfirst(l);
			}
			if (value == NULL)
				return NULL;
		}
		appendStringInfo(&sql, "%s%s, %s", sql.len == 0 ? "" : ", ",
						 quote_literal_cstr(k->holder.column),
						 psprintf("pg_catalog.to_jsonb(%s)", number ? value : sql_text(value)));
	}
	return psprintf("pg_catalog.jsonb_build_object(%s)", sql.data);
}

static bool
has_column(List *columns, const KeyColumn *k)
{
	ListCell *lc;

	foreach(lc, columns)
		if (strcmp(lfirst(lc), k->holder.column) == 0)
			return true;
	return false;
}

/* Are all the keys' columns among these? */
static bool
covers(List *columns, List *keys)
{
	ListCell *lc;

	foreach(lc, keys)
		if (!has_column(columns, lfirst(lc)))
			return false;
	return keys != NIL;
}

/*
 * Sets the place's condition to SQL that finds the row by these values (of KeyValue), if
 * it can.  Of texts it finds those that are written alike, for which there may be an
 * index; by_cast, those that mean the same key.
 */
KeyFit
key_fit(const Why *why, FieldPlace *place, List *values, KeyNames names)
{
	StringInfoData condition;
	StringInfoData by_cast;
	bool any_casts = false;
	List *columns = NIL;
	List *attnums = NIL;
	List *literals = NIL;
	ListCell *lc;

	initStringInfo(&condition);
	initStringInfo(&by_cast);
	foreach(lc, values)
	{
		const KeyValue *v = lfirst(lc);
		const KeyColumn *k = key_by_name(place, v->name, names);
		bool casts;

		if (k == NULL)
			return KEY_UNKNOWN_NAME;
		columns = lappend(columns, k->holder.column);
		attnums = lappend_int(attnums, k->holder.attnum);
		literals = lappend(literals, sql_literal(k, v));
		appendStringInfo(&condition, "%s%s", condition.len == 0 ? "" : " AND ",
						 sql_key_condition(k, v));
		casts = OidIsValid(v->type) &&
				compare_reads_text(getBaseType(k->holder.type), getBaseType(v->type));
		appendStringInfo(&by_cast, "%s%s", by_cast.len == 0 ? "" : " AND ",
						 casts ? key_sql_is("t", k, v) : sql_key_condition(k, v));
		any_casts |= casts;
	}
	if (!covers(columns, place->keys) && !covers(columns, place->own_keys) &&
		!holder_identifies_row(place->holder.relid, attnums))
		return KEY_INCOMPLETE;
	place->condition = condition.data;
	place->by_cast = any_casts ? by_cast.data : NULL;
	place->given = values == why->given;
	place->evidence_key = key_sql_evidence(place->own_keys, "", columns, literals);
	return KEY_FITS;
}

/* "sku", "market": the names of the key of a place, for messages. */
static char *
key_names(const FieldPlace *place)
{
	StringInfoData names;
	ListCell *lc;

	initStringInfo(&names);
	foreach(lc, place->keys)
		appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ",
						 ((KeyColumn *) lfirst(lc))->field);
	if (names.len == 0)
	{
		foreach(lc, place->own_keys)
			appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ",
							 ((KeyColumn *) lfirst(lc))->holder.column);
	}
	return names.len == 0 ? "no key is known" : names.data;
}

/* Raises the error for a row_key that does not fit the place. */
void
key_report_wrong(Why *why, const FieldPlace *place, KeyNames names)
{
	char *table = names_relation_label(place->holder.schema, place->holder.table);
	ListCell *lc;

	foreach(lc, why->given)
	{
		const char *name = ((KeyValue *) lfirst(lc))->name;

		if (key_by_name(place, name, names) != NULL)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("\"%s\" of row_key is neither a key field of \"%s\" nor a column of %s",
						name, why->entity, table),
				 errhint("Rows of %s are identified by: %s.", table, key_names(place))));
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("row_key does not identify one row of %s", table),
					errhint("Rows of %s are identified by: %s.", table, key_names(place))));
}
