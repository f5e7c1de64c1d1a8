/*
 * key_hash.c
 *		The hash value of a row's key, by which what waits for the row is found.
 *
 * It is that of the row_key (evidence_row_key_of()), and is computed for each row that
 * a statement makes while something waits for the table.  So keys of the types that
 * keys mostly have are hashed without making a row_key.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "evidence.h"

/* More columns than that are hashed as row_key. */
#define MAX_COLUMNS 8

/* A value of the key as row_key has it; false: its type takes more than that. */
static bool
scalar(Form_pg_attribute att, Datum value, JsonbValue *v)
{
	text *string;

	switch (att->atttypid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			v->type = jbvNumeric;
			v->val.numeric = int64_to_numeric(att->atttypid == INT2OID	 ? DatumGetInt16(value)
											  : att->atttypid == INT4OID ? DatumGetInt32(value)
																		 : DatumGetInt64(value));
			return true;
		case TEXTOID:
		case VARCHAROID:
			string = DatumGetTextPP(value);
			v->type = jbvString;
			v->val.string.val = VARDATA_ANY(string);
			v->val.string.len = VARSIZE_ANY_EXHDR(string);
			return true;
		case UUIDOID:
			v->type = jbvString;
			v->val.string.val = DatumGetCString(DirectFunctionCall1(uuid_out, value));
			v->val.string.len = strlen(v->val.string.val);
			return true;
		default:
			return false;
	}
}

/* The order of the keys in a jsonb object. */
static int
compare_names(const NameData *a, const NameData *b)
{
	size_t na = strlen(NameStr(*a));
	size_t nb = strlen(NameStr(*b));

	return na != nb ? (na > nb) - (na < nb) : memcmp(NameStr(*a), NameStr(*b), na);
}

/* Puts the key's columns into the order of their names in row_key. */
static void
order_columns(const RelationMap *map, TupleDesc desc, Form_pg_attribute *columns)
{
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, map->key_attrs[i] - 1);
		int place = i;

		for (; place > 0 && compare_names(&columns[place - 1]->attname, &att->attname) > 0; place--)
			columns[place] = columns[place - 1];
		columns[place] = att;
	}
}

/* The waiting_hash() of the key of a row. */
static int64
key_hash(const RelationMap *map, TupleDesc desc, TupleTableSlot *row)
{
	Form_pg_attribute columns[MAX_COLUMNS];
	/* as jsonb_hash_extended() does with seed 0 */
	uint64 hash = ((uint64) JB_FOBJECT) << 32 | JB_FOBJECT;

	if (map->nkey_attrs > MAX_COLUMNS)
		return waiting_hash(evidence_row_key_of(map, desc, row));
	order_columns(map, desc, columns);
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		JsonbValue v;
		bool isnull;
		Datum value = slot_getattr(row, columns[i]->attnum, &isnull);
		JsonbValue name = {.type = jbvString};

		if (isnull || !scalar(columns[i], value, &v))
			return waiting_hash(evidence_row_key_of(map, desc, row));
		name.val.string.val = NameStr(columns[i]->attname);
		name.val.string.len = strlen(name.val.string.val);
		JsonbHashScalarValueExtended(&name, &hash, 0);
		JsonbHashScalarValueExtended(&v, &hash, 0);
	}
	Assert((int64) hash == waiting_hash(evidence_row_key_of(map, desc, row)));
	return (int64) hash;
}

/* May something wait for the row?  See map_wait_exists(). */
bool
evidence_may_wait(const RelationMap *map, TupleDesc desc, TupleTableSlot *row)
{
	return !map_wait_lacks(map, key_hash(map, desc, row)) &&
		   map_wait_exists(map, evidence_row_key_of(map, desc, row));
}
