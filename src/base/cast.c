/*
 * cast.c
 *		In which type values of two types are compared, and casts to it that may fail.
 *
 * Where one type is a text and the other is none, the text is read as a value of the
 * other: '0.1' is 0.100, 'yes' is true.  A text for an integer may have decimals if
 * they are zeros, as spreadsheets write them: '42.0' is 42, '42.5' is no integer.  A
 * text that cannot be read is no error: its value differs from all values, and matches
 * none.
 *
 * A role that looks at copies must not run code of a role that made a type.  So casts
 * run only functions that are trusted (trust.c); without one, values are compared as
 * text.  Text is read as evidence writes it, whatever the settings of the session are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_value_as);

/* A text that is longer is no number that read_number() reads. */
#define MAX_NUMBER 40

/* Digits before the point with which a number is in the range of the type. */
#define INT64_DIGITS 18
#define FLOAT4_DIGITS 30

/* How one base type is cast to another; NONE also when the cast runs untrusted code. */
static CoercionPathType
cast_path(Oid from, Oid to, CoercionContext context, Oid *function)
{
	CoercionPathType path;

	*function = InvalidOid;
	if (from == to)
		return COERCION_PATH_RELABELTYPE;
	path = find_coercion_pathway(to, from, context, function);
	if (path == COERCION_PATH_ARRAYCOERCE ||
		(path == COERCION_PATH_FUNC && !trust_function(*function)) ||
		(path == COERCION_PATH_COERCEVIAIO && !trust_input(to)))
		return COERCION_PATH_NONE;
	return path;
}

/* Is there a cast from one base type to another in this context that runs no untrusted code? */
bool
compare_can_cast(Oid from, Oid to, CoercionContext context)
{
	Oid function;

	return cast_path(from, to, context, &function) != COERCION_PATH_NONE;
}

/* Is the first base type a text that is read as a value of the second, which is none? */
bool
compare_reads_text(Oid from, Oid to)
{
	return TypeCategory(from) == TYPCATEGORY_STRING && TypeCategory(to) != TYPCATEGORY_STRING &&
		   !compare_can_cast(to, from, COERCION_IMPLICIT) &&
		   compare_can_cast(from, to, COERCION_EXPLICIT);
}

/* Is a value of the first base type, which is no text, cast to the second by its text? */
bool
compare_writes_text(Oid from, Oid to)
{
	Oid function;

	return TypeCategory(from) != TYPCATEGORY_STRING && TypeCategory(to) == TYPCATEGORY_STRING &&
		   cast_path(from, to, COERCION_EXPLICIT, &function) == COERCION_PATH_COERCEVIAIO;
}

/* Is it of the kinds of types whose values systems write as texts? */
static bool
may_be_text(Oid type)
{
	switch (TypeCategory(type))
	{
		case TYPCATEGORY_BOOLEAN:
		case TYPCATEGORY_DATETIME:
		case TYPCATEGORY_ENUM:
		case TYPCATEGORY_NETWORK:
		case TYPCATEGORY_NUMERIC:
		case TYPCATEGORY_TIMESPAN:
			return true;
		default:
			return type == UUIDOID || type == JSONOID || type == JSONBOID;
	}
}

/* Can values of the two types mean the same, and be compared otherwise than by their texts? */
bool
compare_has_cast(Oid from, Oid to)
{
	Oid function;
	CoercionPathType path;

	from = getBaseType(from);
	to = getBaseType(to);
	if (compare_reads_text(from, to) && may_be_text(to))
		return true;
	path = cast_path(from, to, COERCION_EXPLICIT, &function);
	return path != COERCION_PATH_NONE &&
		   (path != COERCION_PATH_COERCEVIAIO ||
			(TypeCategory(from) != TYPCATEGORY_STRING && TypeCategory(to) != TYPCATEGORY_STRING));
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static bool
is_fraction(Oid type)
{
	return type == NUMERICOID || type == FLOAT4OID || type == FLOAT8OID;
}

/* Are values of a base type equal whenever they are equal in the type to which they are cast? */
bool
compare_is_exact(Oid from, Oid to)
{
	Oid function;

	return from == to || (is_integer(from) && (is_integer(to) || to == NUMERICOID)) ||
		   (from == BPCHAROID && to == TEXTOID) ||
		   cast_path(from, to, COERCION_IMPLICIT, &function) == COERCION_PATH_RELABELTYPE;
}

/*
 * The type in which values of two types are compared.  It is the type that the
 * other one, a text, is read as, or is cast to implicitly, because such a cast loses
 * nothing (a timestamp is not cut to a date).  Without one, and if explicit casts are allowed, it is the first type, that of
 * the authoritative copy, where the other has a cast to it, else the second.  Without
 * any cast it is text.
 */
Oid
compare_common_type(Oid a, Oid b, bool explicit_too)
{
	Oid type;

	a = getBaseType(a);
	b = getBaseType(b);
	if ((a == JSONOID && b == JSONBOID) || (a == JSONBOID && b == JSONOID))
		return JSONBOID; /* json keeps blanks, which are no part of the value */
	if (a == b || compare_reads_text(b, a) || compare_can_cast(b, a, COERCION_IMPLICIT))
		type = a;
	else if (compare_reads_text(a, b) || compare_can_cast(a, b, COERCION_IMPLICIT))
		type = b;
	else if (explicit_too && compare_can_cast(b, a, COERCION_EXPLICIT))
		type = a;
	else if (explicit_too && compare_can_cast(a, b, COERCION_EXPLICIT))
		type = b;
	else
		type = TEXTOID;
	/* blanks at the end of char(n) are no part of the value */
	return type == BPCHAROID ? TEXTOID : type;
}

/* How a base type is cast to another; to text where there is no cast. */
Cast
compare_find_cast(Oid from, Oid to, MemoryContext cxt)
{
	Cast cast = {0};
	Oid function;
	CoercionPathType path = cast_path(from, to, COERCION_EXPLICIT, &function);
	Oid proc;
	bool varlena;

	cast.from = from;
	cast.to = to;
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

static Numeric
numeric_of(char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* Errors: the text is no number, has decimals that are not zeros, or is out of range. */
static Datum
read_integer(char *text, Oid type)
{
	Datum number = NumericGetDatum(numeric_of(text));

	if (!DatumGetBool(
			DirectFunctionCall2(numeric_eq, number,
								DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0)))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("\"%s\" is no integer", text)));
	if (type == INT2OID)
		return DirectFunctionCall1(numeric_int2, number);
	return DirectFunctionCall1(type == INT4OID ? numeric_int4 : numeric_int8, number);
}

/* Errors: those of the cast. */
static Datum
run_cast(Cast *cast, Datum value, Oid collation)
{
	if (!cast->needed)
		return value;
	if (!cast->by_function)
	{
		char *text = OutputFunctionCall(&cast->output, value);

		if (is_integer(cast->to) && TypeCategory(cast->from) == TYPCATEGORY_STRING)
			return read_integer(text, cast->to);
		return InputFunctionCall(&cast->input, text, cast->input_param, -1);
	}
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

/* A number without exponent, as most of them are written. */
typedef struct Number
{
	char text[MAX_NUMBER + 1];
	int digits; /* before the point */
	bool whole; /* those behind it are zeros */
} Number;

/* Is the text such a number? */
static bool
scan_number(const char *text, int length, Number *number)
{
	int i = 0;
	int digits = 0;

	if (length > MAX_NUMBER)
		return false;
	memcpy(number->text, text, length);
	number->text[length] = '\0';
	number->digits = 0;
	number->whole = true;
	if (i < length && (text[i] == '-' || text[i] == '+'))
		i++;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		digits++;
	number->digits = digits;
	if (i < length && text[i] == '.')
		for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		{
			digits++;
			number->whole &= text[i] == '0';
		}
	return i == length && digits > 0;
}

/* Sets the value of a scanned number; false: no value of the type is meant. */
static bool
take_integer(const Number *number, Oid type, Datum *result)
{
	int64 value = 0;
	const char *c = number->text + (number->text[0] == '-' || number->text[0] == '+');

	if (!number->whole)
		return false;
	for (int i = 0; i < number->digits; i++)
		value = value * 10 + (c[i] - '0');
	if (number->text[0] == '-')
		value = -value;
	if (type == INT8OID)
		*result = Int64GetDatum(value);
	else if (type == INT4OID)
		*result = Int32GetDatum((int32) value);
	else
		*result = Int16GetDatum((int16) value);
	return type == INT8OID || (type == INT4OID ? value == (int32) value : value == (int16) value);
}

/*
 * Casts one value by a way that raises no error, so that no subtransaction is needed: it
 * needs no cast, or is a text with a number.  Returns whether there is such a way;
 * *valid: the value can be cast.
 */
static bool
cast_simply(Cast *cast, Datum value, Datum *result, bool *valid)
{
	struct varlena *text;
	Number number;
	bool scanned;

	*valid = true;
	*result = value;
	if (!cast->needed)
		return true;
	if (cast->by_function || (cast->from != TEXTOID && cast->from != VARCHAROID) ||
		(!is_integer(cast->to) && !is_fraction(cast->to)))
		return false;
	text = PG_DETOAST_DATUM_PACKED(value);
	scanned = scan_number(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text), &number);
	if ((Pointer) text != DatumGetPointer(value))
		pfree(text);
	if (!scanned || number.digits > (is_integer(cast->to) ? INT64_DIGITS : FLOAT4_DIGITS))
		return false;
	if (is_integer(cast->to))
		*valid = take_integer(&number, cast->to, result);
	else
		*result = InputFunctionCall(&cast->input, number.text, cast->input_param, -1);
	return true;
}

/* Values that are cast in one subtransaction. */
typedef struct Trial
{
	Cast *casts;
	int n;
	const Datum *values;
	Datum *results;
	int needs;
	Oid collation;
} Trial;

static bool
run_trial(void *arg)
{
	Trial *t = arg;
	OutputSettings settings = value_fix_output(t->needs);

	PG_TRY();
	{
		for (int i = 0; i < t->n; i++)
			t->results[i] = run_cast(&t->casts[i], t->values[i], t->collation);
	}
	PG_FINALLY();
	{
		value_restore_output(&settings);
	}
	PG_END_TRY();
	return true;
}

/*
 * Casts n values, which are not NULL; false if one of them cannot be cast.  needs is
 * value_text_needs() of their types.
 *
 * Errors: subxact_error_is_fatal().
 */
bool
compare_cast(Cast *casts, int n, const Datum *values, Datum *results, int needs, Oid collation)
{
	Trial trial = {casts, n, values, results, needs, collation};
	bool simple = true;
	ErrorData *error;

	for (int i = 0; i < n && simple; i++)
	{
		bool valid;

		simple = cast_simply(&casts[i], values[i], &results[i], &valid);
		if (simple && !valid)
			return false;
	}
	if (simple)
		return true;
	error = subxact_trial(run_trial, &trial);
	if (error == NULL)
		return true;
	FreeErrorData(error);
	return false;
}

/* What value_as() needs for its arguments; kept for the calls of one query. */
typedef struct Reader
{
	Cast cast;
	int needs;
} Reader;

static Reader *
reader_for(FmgrInfo *flinfo)
{
	Reader *r = flinfo->fn_extra;
	Oid from;
	Oid to;

	if (r != NULL)
		return r;
	from = getBaseType(get_fn_expr_argtype(flinfo, 0));
	to = get_fn_expr_argtype(flinfo, 1);
	if (!OidIsValid(from) || !OidIsValid(to))
		elog(ERROR, "could not determine the types to cast");
	/* a domain's checks are not run */
	if (get_typtype(to) == TYPTYPE_DOMAIN || !compare_can_cast(from, to, COERCION_EXPLICIT))
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_COERCE),
				 errmsg("cannot read type %s as %s", format_type_be(from), format_type_be(to))));
	r = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(Reader));
	r->cast = compare_find_cast(from, to, flinfo->fn_mcxt);
	r->needs = value_text_needs(from) | value_text_needs(to);
	flinfo->fn_extra = r;
	return r;
}

/*
 * value_as(value, example): the value as one of the type of the example, as copies are
 * compared; NULL if it cannot be cast.  The type is no domain.
 *
 * Errors: there is no cast that runs trusted code only; subxact_error_is_fatal().
 */
Datum
ownership_value_as(PG_FUNCTION_ARGS)
{
	Reader *r;
	Datum value;
	Datum result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	r = reader_for(fcinfo->flinfo);
	value = PG_GETARG_DATUM(0);
	if (!compare_cast(&r->cast, 1, &value, &result, r->needs, PG_GET_COLLATION()))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
