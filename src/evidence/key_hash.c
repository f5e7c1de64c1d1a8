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
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "evidence.h"

/* More columns than that are hashed as row_key. */
#define MAX_COLUMNS 8

/* The hash value of a number, as hash_numeric_extended() has it with seed 0. */
static uint64
hash_integer(int64 n)
{
	int16 digits[5]; /* of base 10,000; the last is the lowest */
	int first = lengthof(digits);
	int end = lengthof(digits);
	uint64 rest = n < 0 ? -(uint64) n : (uint64) n;

	for (; rest > 0; rest /= 10000)
		digits[--first] = rest % 10000;
	if (first == end)
		return PG_UINT64_MAX;
	while (digits[end - 1] == 0)
		end--;
	return hash_bytes_extended((unsigned char *) &digits[first], (end - first) * sizeof(int16), 0) ^
		   (uint64) (lengthof(digits) - 1 - first);
}

/* Adds a value of the key to the hash value; false: its type takes more than that. */
static bool
add_value(uint64 *hash, Form_pg_attribute att, Datum value)
{
	JsonbValue v = {.type = jbvString};
	text *string;

	switch (att->atttypid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			/* as JsonbHashScalarValueExtended() adds a number */
			*hash = ROTATE_HIGH_AND_LOW_32BITS(*hash) ^
					hash_integer(att->atttypid == INT2OID	? DatumGetInt16(value)
								 : att->atttypid == INT4OID ? DatumGetInt32(value)
															: DatumGetInt64(value));
			return true;
		case TEXTOID:
		case VARCHAROID:
			string = DatumGetTextPP(value);
			v.val.string.val = VARDATA_ANY(string);
			v.val.string.len = VARSIZE_ANY_EXHDR(string);
			break;
		case UUIDOID:
			v.val.string.val = DatumGetCString(DirectFunctionCall1(uuid_out, value));
			v.val.string.len = strlen(v.val.string.val);
			break;
		default:
			return false;
	}
	JsonbHashScalarValueExtended(&v, hash, 0);
	return true;
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
		bool isnull;
		Datum value = slot_getattr(row, columns[i]->attnum, &isnull);
		JsonbValue name = {.type = jbvString};

		name.val.string.val = NameStr(columns[i]->attname);
		name.val.string.len = strlen(name.val.string.val);
		JsonbHashScalarValueExtended(&name, &hash, 0);
		if (isnull || !add_value(&hash, columns[i], value))
			return waiting_hash(evidence_row_key_of(map, desc, row));
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
