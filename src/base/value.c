/*
 * value.c
 *		Values as text, as evidence has them: one value has one text, in every session.
 *
 * The settings that text output and input depend on are fixed while they run.
 * Most of them are C variables, and setting a variable costs nothing.  The text of
 * money depends on lc_monetary, and the text of regclass and similar types on
 * search_path: these two need a nesting level of settings, and are set only for
 * types that depend on them.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/xml.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_value_text);

#define SEARCH_PATH "pg_catalog, pg_temp"

/*
 * The settings that the type's text depends on, besides those that are always
 * fixed: TEXT_LOCALE, TEXT_NAMES, both or 0.  A composite type has both, because
 * columns of any type can be added to it while it is in use.
 */
int
value_text_needs(Oid type)
{
	for (;;)
	{
		Oid element;

		type = getBaseType(type);
		switch (type)
		{
			case CASHOID:
				return TEXT_LOCALE;
			case REGPROCOID:
			case REGPROCEDUREOID:
			case REGOPEROID:
			case REGOPERATOROID:
			case REGCLASSOID:
			case REGTYPEOID:
			case REGCOLLATIONOID:
			case REGCONFIGOID:
			case REGDICTIONARYOID:
				return TEXT_NAMES;
		}
		switch (get_typtype(type))
		{
			case TYPTYPE_COMPOSITE:
			case TYPTYPE_PSEUDO:
				return TEXT_LOCALE | TEXT_NAMES;
			case TYPTYPE_RANGE:
				element = get_range_subtype(type);
				break;
			case TYPTYPE_MULTIRANGE:
				element = get_multirange_range(type);
				break;
			default:
				element = get_element_type(type);
		}
		if (!OidIsValid(element))
			return 0;
		type = element;
	}
}

/* Sets a setting in a nesting level of its own, unless it has the value already. */
static void
fix_setting(OutputSettings *old, const char *name, const char *now, const char *value)
{
	if (now != NULL && strcmp(now, value) == 0)
		return;
	if (old->level == 0)
		old->level = NewGUCNestLevel();
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

/*
 * Fixes what text output and input depend on, so that a text does not depend on
 * the session.  `needs` is value_text_needs() of the types.  Returns the session's
 * settings for value_restore_output(), which the caller calls after an error, too.
 */
OutputSettings
value_fix_output(int needs)
{
	OutputSettings old = {0};
	struct pg_tz *gmt = pg_tzset("GMT");

	/* first what can fail: the caller that catches such an error undoes settings, too */
	if ((needs & TEXT_LOCALE) != 0)
		fix_setting(&old, "lc_monetary", GetConfigOption("lc_monetary", false, false), "C");
	if ((needs & TEXT_NAMES) != 0)
		fix_setting(&old, "search_path", namespace_search_path, SEARCH_PATH);
	old.date_style = DateStyle;
	old.date_order = DateOrder;
	old.interval_style = IntervalStyle;
	old.float_digits = extra_float_digits;
	old.bytea = bytea_output;
	old.quote_all = quote_all_identifiers;
	old.array_nulls = Array_nulls;
	old.xml = xmloption;
	old.timezone = session_timezone;
	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_YMD;
	IntervalStyle = INTSTYLE_POSTGRES;
	extra_float_digits = 1;
	bytea_output = BYTEA_OUTPUT_HEX;
	quote_all_identifiers = false;
	Array_nulls = true;
	xmloption = XMLOPTION_CONTENT;
	session_timezone = gmt;
	return old;
}

void
value_restore_output(const OutputSettings *old)
{
	DateStyle = old->date_style;
	DateOrder = old->date_order;
	IntervalStyle = old->interval_style;
	extra_float_digits = old->float_digits;
	bytea_output = old->bytea;
	quote_all_identifiers = old->quote_all;
	Array_nulls = old->array_nulls;
	xmloption = old->xml;
	session_timezone = old->timezone;
	if (old->level > 0)
		AtEOXact_GUC(true, old->level);
}

/* Prepares value_write() of many values of one type.  The current memory context outlives them. */
void
value_output(ValueOutput *output, Oid type)
{
	Oid function;
	bool varlena;

	getTypeOutputInfo(type, &function, &varlena);
	fmgr_info(function, &output->function);
	output->needs = value_text_needs(type);
}

/* The text that evidence has for a value, which is not NULL. */
char *
value_write(ValueOutput *output, Datum value)
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

/* The same for one value. */
char *
value_to_text(Oid type, Datum value)
{
	ValueOutput output;

	value_output(&output, type);
	return value_write(&output, value);
}

/*
 * Prepares value_read() of many texts for one type.  typmod: its modifier, -1: none.
 * The memory context outlives them.
 */
void
value_input(ValueInput *input, Oid type, int32 typmod)
{
	Oid function;

	input->type = type;
	input->typmod = typmod;
	input->base = getBaseTypeAndTypmod(type, &input->typmod);
	input->needs = value_text_needs(input->base);
	getTypeInputInfo(input->base, &function, &input->param);
	fmgr_info(function, &input->function);
}

/*
 * The value that a text stands for.  A domain's checks are code of users: they run
 * after the session's settings are restored.
 *
 * Errors: the text is not valid for the type, or a check fails.
 */
Datum
value_read(ValueInput *input, char *text)
{
	OutputSettings settings = value_fix_output(input->needs);
	volatile Datum value = (Datum) 0;

	PG_TRY();
	{
		value = InputFunctionCall(&input->function, text, input->param, input->typmod);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	if (input->base != input->type)
		domain_check(value, false, input->type, NULL, NULL);
	return value;
}

/* The same for one text. */
Datum
value_from_text(Oid type, char *text)
{
	return value_from_text_typmod(type, -1, text);
}

/* The same for a column, whose type has a modifier. */
Datum
value_from_text_typmod(Oid type, int32 typmod, char *text)
{
	ValueInput input;

	value_input(&input, type, typmod);
	return value_read(&input, text);
}

/* The value of one key of a jsonb object; NULL if there is no such key, or no object. */
JsonbValue *
value_in_object(Jsonb *object, const char *key)
{
	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

/* How value_text() writes its argument; kept for the calls of one query. */
static ValueOutput *
output_for(FmgrInfo *flinfo)
{
	ValueOutput *output = flinfo->fn_extra;
	MemoryContext old;
	Oid type;

	if (output != NULL)
		return output;
	type = get_fn_expr_argtype(flinfo, 0);
	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of the value");
	old = MemoryContextSwitchTo(flinfo->fn_mcxt);
	output = palloc(sizeof(ValueOutput));
	value_output(output, type);
	MemoryContextSwitchTo(old);
	flinfo->fn_extra = output;
	return output;
}

/* value_text(value): the text that evidence has for a value, under any settings; NULL for NULL. */
Datum
ownership_value_text(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value_write(output_for(fcinfo->flinfo), PG_GETARG_DATUM(0))));
}

/* The names of an object's keys. */
List *
value_object_names(Jsonb *object)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue v;
	List *names = NIL;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			names = lappend(names, pnstrdup(v.val.string.val, v.val.string.len));
	}
	return names;
}

/*
 * What evidence contains of a column.  `object` is the jsonb with the values.
 * *text is the value's text, or for VALUE_LENGTH its length, else NULL.
 */
ValueKind
value_object_text(Jsonb *object, const char *name, char **text)
{
	JsonbValue *v = value_in_object(object, name);

	*text = NULL;
	if (v == NULL)
		return VALUE_ABSENT;
	switch (v->type)
	{
		case jbvNull:
			return VALUE_NULL;
		case jbvString:
			*text = pnstrdup(v->val.string.val, v->val.string.len);
			return VALUE_TEXT;
		case jbvNumeric:
			*text =
				DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v->val.numeric)));
			return VALUE_TEXT;
		case jbvBinary:
		{
			JsonbValue *length =
				getKeyJsonValueFromContainer(v->val.binary.data, "length", strlen("length"), NULL);

			if (getKeyJsonValueFromContainer(v->val.binary.data, "sensitive", strlen("sensitive"),
											 NULL) != NULL)
				return VALUE_HIDDEN;
			if (length == NULL || length->type != jbvNumeric)
				return VALUE_ABSENT;
			*text = DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(length->val.numeric)));
			return VALUE_LENGTH;
		}
		default:
			return VALUE_ABSENT;
	}
}

/* Is it a text output of numeric other than NaN and the infinities? */
static bool
is_plain_number(const char *text)
{
	if (*text == '-')
		text++;
	return *text != '\0' && strspn(text, "0123456789.") == strlen(text) &&
		   strchr(text, '.') == strrchr(text, '.') && strcmp(text, ".") != 0;
}

/* Do two texts of a column stand for the same value?  NULL is a value that equals itself. */
bool
value_same_text(Oid type, const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (strcmp(a, b) == 0)
		return true;
	if (getBaseType(type) != NUMERICOID || !is_plain_number(a) || !is_plain_number(b))
		return false;
	return DatumGetBool(
		DirectFunctionCall2(numeric_eq,
							DirectFunctionCall3(numeric_in, CStringGetDatum(a),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
							DirectFunctionCall3(numeric_in, CStringGetDatum(b),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}
