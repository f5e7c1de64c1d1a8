/*
 * json.c
 *		Evidence as JSON: the columns of a row, the key of a row, the names of columns.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "../base/base.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "evidence.h"

/* Pushes {"length": bytes}, in the place of a value. */
static void
push_length(JsonbParseState **state, int64 length)
{
	JsonbValue v;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	v.type = jbvString;
	v.val.string.val = pstrdup("length");
	v.val.string.len = strlen("length");
	pushJsonbValue(state, WJB_KEY, &v);
	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(length);
	pushJsonbValue(state, WJB_VALUE, &v);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Pushes one column of a row.  limit: of a value of more bytes only the length
 * is pushed; negative: no limit.  numbers: integers as JSON numbers (row keys).  common
 * (NULL: none) keeps output functions.
 */
static void
push_column(JsonbParseState **state, Common *common, TupleDesc desc, TupleTableSlot *slot,
			AttrNumber attnum, int limit, bool numbers)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	JsonbValue v;
	Datum value;
	bool isnull;
	Oid output;
	bool varlena;

	v.type = jbvString;
	v.val.string.val = pstrdup(NameStr(att->attname));
	v.val.string.len = strlen(v.val.string.val);
	pushJsonbValue(state, WJB_KEY, &v);

	value = slot_getattr(slot, attnum, &isnull);
	if (isnull)
	{
		v.type = jbvNull;
		pushJsonbValue(state, WJB_VALUE, &v);
		return;
	}
	if (limit >= 0 && att->attlen == -1 && toast_raw_datum_size(value) - VARHDRSZ > (Size) limit)
	{
		push_length(state, toast_raw_datum_size(value) - VARHDRSZ);
		return;
	}
	if (numbers && (att->atttypid == INT2OID || att->atttypid == INT4OID || att->atttypid == INT8OID))
	{
		int64 n = att->atttypid == INT2OID	 ? DatumGetInt16(value)
				  : att->atttypid == INT4OID ? DatumGetInt32(value)
											 : DatumGetInt64(value);

		v.type = jbvNumeric;
		v.val.numeric = int64_to_numeric(n);
		pushJsonbValue(state, WJB_VALUE, &v);
		return;
	}
	v.type = jbvString;
	if (common != NULL)
		v.val.string.val =
			OutputFunctionCall(evidence_common_output(common, attnum, att->atttypid), value);
	else
	{
		getTypeOutputInfo(att->atttypid, &output, &varlena);
		v.val.string.val = OidOutputFunctionCall(output, value);
	}
	v.val.string.len = strlen(v.val.string.val);
	if (limit >= 0 && v.val.string.len > limit)
		push_length(state, v.val.string.len);
	else
		pushJsonbValue(state, WJB_VALUE, &v);
}

/* The columns of the conflicts with e's outcome, except those in `but`.  limit: as above. */
Jsonb *
evidence_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		AttrNumber attnum = e->conflicts->items[i].col->attnum;

		if (e->conflicts->items[i].verdict == e->outcome && !bms_is_member(attnum, but))
			push_column(&state, e->common, e->desc, slot, attnum, limit, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* All columns that are not generated, except those in `but`. */
Jsonb *
evidence_row_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	TupleDesc desc = e->desc;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' && !bms_is_member(att->attnum, but))
			push_column(&state, e->common, desc, slot, att->attnum, limit, false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The columns in the set (attribute numbers) of a row. */
Jsonb *
evidence_columns(TupleDesc desc, TupleTableSlot *slot, const Bitmapset *attnums)
{
	JsonbParseState *state = NULL;
	int attnum = -1;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
		push_column(&state, NULL, desc, slot, attnum, -1, false);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The key of a row, whose whole key is known, as row_key has it. */
Jsonb *
evidence_row_key_of(const RelationMap *map, TupleDesc desc, TupleTableSlot *slot)
{
	OutputSettings settings = value_fix_output(map->text_needs);
	JsonbParseState *state = NULL;

	PG_TRY();
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (int i = 0; i < map->nkey_attrs; i++)
			push_column(&state, NULL, desc, slot, map->key_attrs[i], -1, true);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The row that the evidence is about: as it will be stored, if it will be. */
static TupleTableSlot *
key_slot(const Evidence *e)
{
	if (e->final != NULL)
		return e->final;
	if (e->operation == OPERATION_INSERT)
		return e->proposed;
	if (evidence_is_refused(e->outcome) || e->proposed == NULL)
		return e->stored;
	return e->proposed;
}

/*
 * The columns that a refused INSERT does not name.  Nothing is known of a
 * replicated one, nor of a statement that began before the library was loaded.
 */
static Bitmapset *
unnamed_columns(const Evidence *e)
{
	Bitmapset *unnamed = NULL;

	if (e->operation != OPERATION_INSERT || e->new == NULL ||
		(e->outcome != VERDICT_DISCARD && e->outcome != VERDICT_REJECT))
		return NULL;
	for (int i = 0; i < e->desc->natts; i++)
	{
		AttrNumber attnum = TupleDescAttr(e->desc, i)->attnum;
		const MappedColumn *col = map_any_column(e->map, attnum);

		if (col != NULL && insertion_leaves_out(e->new, col))
			unnamed = bms_add_member(unnamed, attnum);
	}
	return unnamed;
}

/* Of these columns, those in which the database may put another value the next time. */
static Bitmapset *
made_columns(const Evidence *e, const Bitmapset *unnamed)
{
	Bitmapset *made = NULL;
	int attnum = -1;

	while ((attnum = bms_next_member(unnamed, attnum)) >= 0)
	{
		const MappedColumn *col = map_any_column(e->map, attnum);
		const ColumnDefault *standard = insertion_default(e->new, col);
		bool isnull;
		Datum value = slot_getattr(e->proposed, attnum, &isnull);

		if (!isnull && !(standard->constant && !value_changed(&col->type, value, false,
															  standard->value, standard->isnull)))
			made = bms_add_member(made, attnum);
	}
	return made;
}

/* Is it a generated column before an INSERT?  It has no value yet. */
static bool
is_to_come(const Evidence *e, AttrNumber attnum)
{
	return e->new != NULL &&TRIGGER_FIRED_BEFORE(e->new->td->tg_event) &&
		   TupleDescAttr(e->desc, attnum - 1)->attgenerated != '\0';
}

/*
 * The key of the row that the evidence is about; NULL: it has none.  A column of
 * the key that a refused INSERT does not name may have another value the next
 * time, and identifies no row: it is left out, and *whole is false.  *made: all
 * columns with such values.
 */
Jsonb *
evidence_row_key(const Evidence *e, bool *whole, Bitmapset **made)
{
	const RelationMap *map = e->map;
	TupleTableSlot *slot = key_slot(e);
	JsonbParseState *state = NULL;
	Bitmapset *unnamed;

	*whole = true;
	*made = NULL;
	if (map->nkey_attrs == 0 || slot == NULL)
		return NULL;
	unnamed = unnamed_columns(e);
	*made = made_columns(e, unnamed);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		if (bms_is_member(map->key_attrs[i], unnamed))
			*whole = false;
		else if (!is_to_come(e, map->key_attrs[i]))
			push_column(&state, e->common, e->desc, slot, map->key_attrs[i], -1, true);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The names (char *) of the columns with e's outcome. */
List *
evidence_names(const Evidence *e)
{
	List *names = NIL;

	for (int i = 0; i < e->conflicts->n; i++)
	{
		if (e->conflicts->items[i].verdict == e->outcome)
			names = lappend(names, e->conflicts->items[i].col->name);
	}
	return names;
}

const char *
evidence_jsonb_text(Jsonb *jsonb)
{
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}
