/*
 * compare.c
 *		Whether a stored value changed, and whether two copies of a field have the
 *		same value.
 *
 * Changed means that the detoasted image differs: 0.0 and -0.0, 'a' and 'A'
 * in citext, or two spellings of one jsonb number are different values.
 * Numeric is the exception, because clients pad zeros: two numerics that
 * compare equal do not differ.  Equality operators are never called: they
 * may be user-defined, collation-dependent or missing.
 *
 * Copies may be of different types.  They are compared in one type (cast.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_copy_differs);
PG_FUNCTION_INFO_V1(ownership_copy_misread);

/* What copy_differs() needs for its two arguments; kept for the calls of one query. */
typedef struct Comparer
{
	Oid types[2];  /* base types of the arguments */
	Cast casts[2]; /* to the type in which they are compared */
	ValueType as;  /* that type */
	int needs;	   /* value_text_needs() of both types */
} Comparer;

/* Are they the same bytes?  True also for two pointers to one entry of the TOAST table. */
static bool
same_bytes(Datum a, Datum b)
{
	Size size = VARSIZE_ANY(DatumGetPointer(a));

	return size == VARSIZE_ANY(DatumGetPointer(b)) &&
		   memcmp(DatumGetPointer(a), DatumGetPointer(b), size) == 0;
}

/* How values of a type, or of a domain over one, are compared. */
ValueType
value_type(Oid type)
{
	Oid base = getBaseType(type);
	ValueType result;

	result.numeric = base == NUMERICOID;
	result.composite = get_typtype(base) == TYPTYPE_COMPOSITE;
	get_typlenbyval(type, &result.typlen, &result.byval);
	return result;
}

/*
 * Is b another value than a?  Detoasts into the current context, but only when
 * sizes and TOAST pointers do not decide.
 */
bool
value_changed(const ValueType *type, Datum a, bool anull, Datum b, bool bnull)
{
	if (anull || bnull)
		return anull != bnull;
	if (type->byval)
		return !datum_image_eq(a, b, true, type->typlen);
	if (DatumGetPointer(a) == DatumGetPointer(b))
		return false;
	if (type->typlen == -1 && same_bytes(a, b))
		return false;
	if (datum_image_eq(a, b, false, type->typlen))
		return false;
	if (type->numeric)
		return !DatumGetBool(DirectFunctionCall2(numeric_eq, a, b));
	/* a value inside may be compressed in only one of them */
	if (type->composite)
		return !DatumGetBool(OidFunctionCall2(F_RECORD_IMAGE_EQ, a, b));
	return true;
}

static Comparer *
comparer_for(FmgrInfo *flinfo)
{
	Comparer *c = flinfo->fn_extra;
	Oid target;

	if (c != NULL)
		return c;
	c = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Comparer));
	for (int i = 0; i < 2; i++)
	{
		c->types[i] = getBaseType(get_fn_expr_argtype(flinfo, i));
		if (!OidIsValid(c->types[i]))
			elog(ERROR, "could not determine the types to compare");
	}
	target = compare_common_type(c->types[0], c->types[1], true);
	for (int i = 0; i < 2; i++)
	{
		c->casts[i] = compare_find_cast(c->types[i], target, flinfo->fn_mcxt);
		c->needs |= value_text_needs(c->types[i]);
	}
	c->as = value_type(target);
	flinfo->fn_extra = c;
	return c;
}

/* Casts both values; false if one of them cannot be cast. */
static bool
cast_both(FunctionCallInfo fcinfo, Comparer *c, Datum *results)
{
	Datum values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	return compare_cast(c->casts, 2, values, results, c->needs, PG_GET_COLLATION());
}

/*
 * copy_differs(source_value, copy_value): are they different values?  A value that
 * cannot be cast to the type of the comparison is different.
 *
 * Errors: subxact_error_is_fatal().
 */
Datum
ownership_copy_differs(PG_FUNCTION_ARGS)
{
	Comparer *c = comparer_for(fcinfo->flinfo);
	Datum values[2];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) != PG_ARGISNULL(1));
	PG_RETURN_BOOL(!cast_both(fcinfo, c, values) ||
				   value_changed(&c->as, values[0], false, values[1], false));
}

/*
 * copy_misread(source_value, copy_value): do they differ because one of them cannot be
 * cast to the type of the comparison?
 *
 * Errors: subxact_error_is_fatal().
 */
Datum
ownership_copy_misread(PG_FUNCTION_ARGS)
{
	Comparer *c = comparer_for(fcinfo->flinfo);
	Datum values[2];

	PG_RETURN_BOOL(!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !cast_both(fcinfo, c, values));
}
