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

/* {name: member}, in the place of a value. */
static void
set_object(JsonbValue *v, const char *name, const JsonbValue *member)
{
	ValueObject object;
	Jsonb *jsonb;

	value_object_begin(&object, 1);
	*value_object_add(&object, name) = *member;
	jsonb = value_object_end(&object);
	v->type = jbvBinary;
	v->val.binary.data = &jsonb->root;
	v->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

/* {"length": bytes}, in the place of a value. */
static void
set_length(JsonbValue *v, int64 length)
{
	JsonbValue number = {.type = jbvNumeric};

	number.val.numeric = int64_to_numeric(length);
	set_object(v, "length", &number);
}

/* {"sensitive": true}, in the place of a value. */
static void
set_sensitive(JsonbValue *v)
{
	JsonbValue yes = {.type = jbvBool};

	yes.val.boolean = true;
	set_object(v, "sensitive", &yes);
}

/* Does the evidence leave out values of the column?  What was refused without an error is nowhere else. */
static bool
hides(const Evidence *e, const MappedColumn *col)
{
	return col != NULL && col->sensitive && !evidence_is_refused(e->outcome);
}

/*
 * Adds one column of a row.  limit: of a value of more bytes only the length
 * is added; negative: no limit.  numbers: integers as JSON numbers (row keys).  common
 * (NULL: none) keeps output functions.
 */
static void
add_column(ValueObject *object, Common *common, TupleDesc desc, TupleTableSlot *slot,
		   AttrNumber attnum, int limit, bool numbers)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	JsonbValue *v = value_object_add(object, NameStr(att->attname));
	Datum value;
	bool isnull;
	Oid output;
	bool varlena;

	value = slot_getattr(slot, attnum, &isnull);
	if (isnull)
	{
		v->type = jbvNull;
		return;
	}
	if (limit >= 0 && att->attlen == -1 && toast_raw_datum_size(value) - VARHDRSZ > (Size) limit)
	{
		set_length(v, toast_raw_datum_size(value) - VARHDRSZ);
		return;
	}
	if (numbers && (att->atttypid == INT2OID || att->atttypid == INT4OID || att->atttypid == INT8OID))
	{
		int64 n = att->atttypid == INT2OID	 ? DatumGetInt16(value)
				  : att->atttypid == INT4OID ? DatumGetInt32(value)
											 : DatumGetInt64(value);

		v->type = jbvNumeric;
		v->val.numeric = int64_to_numeric(n);
		return;
	}
	v->type = jbvString;
	if (common != NULL)
		v->val.string.val =
			OutputFunctionCall(evidence_common_output(common, attnum, att->atttypid), value);
	else
	{
		getTypeOutputInfo(att->atttypid, &output, &varlena);
		v->val.string.val = OidOutputFunctionCall(output, value);
	}
	v->val.string.len = strlen(v->val.string.val);
	if (limit >= 0 && v->val.string.len > limit)
		set_length(v, v->val.string.len);
}

/* The columns of the conflicts with e's outcome, except those in `but`.  limit: as above. */
Jsonb *
evidence_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	ValueObject object;

	value_object_begin(&object, e->conflicts->n);
	for (int i = 0; i < e->conflicts->n; i++)
	{
		AttrNumber attnum = e->conflicts->items[i].col->attnum;

		if (e->conflicts->items[i].verdict != e->outcome || bms_is_member(attnum, but))
			continue;
		if (hides(e, e->conflicts->items[i].col))
			set_sensitive(value_object_add(&object, e->conflicts->items[i].col->name));
		else
			add_column(&object, e->common, e->desc, slot, attnum, limit, false);
	}
	return value_object_end(&object);
}

/* All columns that are not generated, except those in `but`. */
Jsonb *
evidence_row_values(const Evidence *e, TupleTableSlot *slot, int limit, const Bitmapset *but)
{
	TupleDesc desc = e->desc;
	ValueObject object;

	value_object_begin(&object, desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || att->attgenerated != '\0' || bms_is_member(att->attnum, but))
			continue;
		if (hides(e, map_any_column(e->map, att->attnum)))
			set_sensitive(value_object_add(&object, NameStr(att->attname)));
		else
			add_column(&object, e->common, desc, slot, att->attnum, limit, false);
	}
	return value_object_end(&object);
}

/* The columns in the set (attribute numbers) of a row. */
Jsonb *
evidence_columns(TupleDesc desc, TupleTableSlot *slot, const Bitmapset *attnums)
{
	ValueObject object;
	int attnum = -1;

	value_object_begin(&object, bms_num_members(attnums));
	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
		add_column(&object, NULL, desc, slot, attnum, -1, false);
	return value_object_end(&object);
}

/* The key of a row, whose whole key is known, as row_key has it. */
Jsonb *
evidence_row_key_of(const RelationMap *map, TupleDesc desc, TupleTableSlot *slot)
{
	OutputSettings settings = value_fix_output(map->text_needs);
	ValueObject object;

	value_object_begin(&object, map->nkey_attrs);
	PG_TRY();
	{
		for (int i = 0; i < map->nkey_attrs; i++)
			add_column(&object, NULL, desc, slot, map->key_attrs[i], -1, true);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return value_object_end(&object);
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
	ValueObject object;
	Bitmapset *unnamed;

	*whole = true;
	*made = NULL;
	if (map->nkey_attrs == 0 || slot == NULL)
		return NULL;
	unnamed = unnamed_columns(e);
	*made = made_columns(e, unnamed);
	value_object_begin(&object, map->nkey_attrs);
	for (int i = 0; i < map->nkey_attrs; i++)
	{
		if (bms_is_member(map->key_attrs[i], unnamed))
			*whole = false;
		else if (!is_to_come(e, map->key_attrs[i]))
			add_column(&object, e->common, e->desc, slot, map->key_attrs[i], -1, true);
	}
	return value_object_end(&object);
}

/* A key as the server log may have it: without the values of sensitive fields. */
Jsonb *
evidence_key_for_log(const Evidence *e, Jsonb *key)
{
	ValueObject object;

	if (key == NULL)
		return NULL;
	value_object_begin(&object, e->map->nkey_attrs);
	for (int i = 0; i < e->map->nkey_attrs; i++)
	{
		AttrNumber attnum = e->map->key_attrs[i];
		const char *name = NameStr(TupleDescAttr(e->desc, attnum - 1)->attname);
		JsonbValue *v = value_in_object(key, name);
		JsonbValue *to;

		if (v == NULL)
			continue;
		to = value_object_add(&object, name);
		if (hides(e, map_any_column(e->map, attnum)))
			set_sensitive(to);
		else
			*to = *v;
	}
	return value_object_end(&object);
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
