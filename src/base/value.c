/*
 * value.c
 *		Values as text, as evidence has them: one value has one text, whoever
 *		writes or reads it.
 *
 * What text output and input depend on is fixed while they run.  Most of it is
 * a variable and costs nothing.  The text of money depends on lc_monetary, and
 * that of the names that regclass and its like put out on search_path: these
 * are settings, set only for types that need them.
 */
#include "base.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/xml.h"

#define SEARCH_PATH "pg_catalog, pg_temp"

/*
 * What the type's text depends on, besides what is fixed always.  Columns can
 * be added to a composite type that is in use, so it may depend on anything.
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

/* Text must not depend on the session; undone by value_restore_output().  needs: of the types. */
OutputSettings
value_fix_output(int needs)
{
	OutputSettings old = {0};
	struct pg_tz *gmt = pg_tzset("GMT");

	/* what can fail comes first; whoever catches that undoes settings, too */
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

char *
value_to_text(Oid type, Datum value)
{
	OutputSettings settings;
	char *volatile text = NULL;
	Oid output;
	bool varlena;

	getTypeOutputInfo(type, &output, &varlena);
	settings = value_fix_output(value_text_needs(type));
	PG_TRY();
	{
		text = OidOutputFunctionCall(output, value);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return text;
}

/*
 * The reverse.  A domain's checks are code of users, which runs under the
 * settings that it would run under anyway.
 *
 * Errors: it is no text of such a value, or a check fails.
 */
Datum
value_from_text(Oid type, char *text)
{
	int32 typmod = -1;
	Oid base = getBaseTypeAndTypmod(type, &typmod);
	OutputSettings settings;
	volatile Datum value = (Datum) 0;
	Oid input;
	Oid param;

	getTypeInputInfo(base, &input, &param);
	settings = value_fix_output(value_text_needs(base));
	PG_TRY();
	{
		value = OidInputFunctionCall(input, text, param, typmod);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	if (base != type)
		domain_check(value, false, type, NULL, NULL);
	return value;
}
