/*
 * row_key.c
 *		Keys of rows that a caller gives, in the form that evidence has.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "decisions.h"

/* Pushes the value of one column of the key, as evidence has it. */
static void
push_key_value(JsonbParseState **state, const RowColumn *col, char *text)
{
	Oid type = getBaseType(col->type);
	JsonbValue v = {.type = jbvString};

	v.val.string.val = col->name;
	v.val.string.len = strlen(col->name);
	pushJsonbValue(state, WJB_KEY, &v);
	text = value_to_text(type, value_from_text(type, text));
	if (type == INT2OID || type == INT4OID || type == INT8OID)
	{
		v.type = jbvNumeric;
		v.val.numeric =
			DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	else
	{
		v.val.string.val = text;
		v.val.string.len = strlen(text);
	}
	pushJsonbValue(state, WJB_VALUE, &v);
}

/*
 * The key of a row, of the values (char *) of its columns (RowColumn).
 *
 * Errors: a text is not one of the column's type.
 */
Jsonb *
row_key_of(List *columns, List *texts)
{
	JsonbParseState *state = NULL;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, columns)
		push_key_value(&state, lfirst(lc), list_nth(texts, foreach_current_index(lc)));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The names of a table's key columns, for a message. */
static char *
key_columns(const RelationMap *map)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < map->nkey_attrs; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "",
						 get_attname(map->relid, map->key_attrs[i], false));
	return buf.data;
}

/*
 * A key that the caller gives, as row_key of evidence has it.
 *
 * Errors: row_key is no object with a value of each key column of the table, and nothing else.
 */
Jsonb *
row_canonical_key(const RelationMap *map, Oid home, Jsonb *given)
{
	JsonbParseState *state = NULL;
	List *names = NIL;
	char *text;
	ListCell *lc;

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("row_key must be a JSON object"),
				 errhint("It has a member for each key column, such as {\"sku\": \"A1\"}.")));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		RowColumn *col = place_row_column(home, get_attname(map->relid, map->key_attrs[i], false));

		if (col == NULL)
			elog(ERROR, "key column %d of relation %u is not in its parent", map->key_attrs[i],
				 map->relid);
		names = lappend(names, col->name);
		if (value_object_text(given, col->name, &text) != VALUE_TEXT)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("row_key contains no value of key column \"%s\"", col->name),
							errhint("The key of table \"%s\" is: %s.",
									names_message_relation(map->schema, map->table),
									key_columns(map))));
		push_key_value(&state, col, text);
	}
	foreach(lc, value_object_names(given))
	{
		if (!names_contain(names, lfirst(lc)))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("\"%s\" is no key column of table \"%s\"", (char *) lfirst(lc),
								   names_message_relation(map->schema, map->table))));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
