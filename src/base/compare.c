/*
 * compare.c
 *		Whether a stored value changed.
 *
 * Changed means that the detoasted image differs: 0.0 and -0.0, 'a' and 'A'
 * in citext, or two spellings of one jsonb number are different values.
 * Numeric is the exception, because clients pad zeros: two numerics that
 * compare equal do not differ.  Equality operators are never asked; they
 * may be user-defined, collation-dependent or missing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "parser/parse_coerce.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"

#include "base.h"

PG_FUNCTION_INFO_V1(ownership_copy_differs);

/* One cast by its function, or by way of text where there is none. */
typedef struct Cast
{
	bool needed;
	bool by_function;
	FmgrInfo function;
	FmgrInfo output;
	FmgrInfo input;
	Oid input_param;
} Cast;

/* What is known of the types of one copy_differs() in a query. */
typedef struct Comparer
{
	Oid types[2];
	Cast casts[2];
	ValueType as;
	int needs; /* of their text */
} Comparer;

/* Are they the same bytes?  Also two pointers to one entry of the TOAST table. */
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
 * Is b another value than a?  May detoast into the current context, but only
 * when the sizes and toast pointers leave it open.
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
	/* what is inside may be compressed in one of them only */
	if (type->composite)
		return !DatumGetBool(OidFunctionCall2(F_RECORD_IMAGE_EQ, a, b));
	return true;
}

/* The way from one base type to another, as far as it is trusted. */
static CoercionPathType
cast_path(Oid from, Oid to, CoercionContext context, Oid *function)
{
	CoercionPathType path;

	*function = InvalidOid;
	if (from == to)
		return COERCION_PATH_RELABELTYPE;
	path = find_coercion_pathway(to, from, context, function);
	if (path == COERCION_PATH_ARRAYCOERCE ||
		(path == COERCION_PATH_FUNC && !trust_function(*function)))
		return COERCION_PATH_NONE;
	return path;
}

bool
compare_can_cast(Oid from, Oid to, CoercionContext context)
{
	Oid function;

	return cast_path(from, to, context, &function) != COERCION_PATH_NONE;
}

/* Is there a cast that somebody made, not just the way by text? */
bool
compare_has_cast(Oid from, Oid to)
{
	Oid function;
	CoercionPathType path;

	from = getBaseType(from);
	to = getBaseType(to);
	path = cast_path(from, to, COERCION_EXPLICIT, &function);
	return path != COERCION_PATH_NONE &&
		   (path != COERCION_PATH_COERCEVIAIO ||
			(TypeCategory(from) != TYPCATEGORY_STRING && TypeCategory(to) != TYPCATEGORY_STRING));
}

/*
 * The type in which values of two types are compared: the one that the other
 * is cast to implicitly, because that loses nothing (a date is no timestamp
 * cut short); else, unless only such will do, the first, the authoritative
 * one's, if there is any cast; else text.
 */
Oid
compare_common_type(Oid a, Oid b, bool implicit_only)
{
	Oid type;

	a = getBaseType(a);
	b = getBaseType(b);
	if ((a == JSONOID && b == JSONBOID) || (a == JSONBOID && b == JSONOID))
		return JSONBOID; /* json keeps the blanks */
	if (a == b || compare_can_cast(b, a, COERCION_IMPLICIT))
		type = a;
	else if (compare_can_cast(a, b, COERCION_IMPLICIT))
		type = b;
	else if (!implicit_only && compare_can_cast(b, a, COERCION_EXPLICIT))
		type = a;
	else if (!implicit_only && compare_can_cast(a, b, COERCION_EXPLICIT))
		type = b;
	else
		type = TEXTOID;
	/* blanks at the end of char(n) are none of the value's */
	return type == BPCHAROID ? TEXTOID : type;
}

static Cast
find_cast(Oid from, Oid to, MemoryContext cxt)
{
	Cast cast = {0};
	Oid function;
	CoercionPathType path = cast_path(from, to, COERCION_EXPLICIT, &function);
	Oid proc;
	bool varlena;

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

/* Errors: whatever the cast raises. */
static Datum
run_cast(Cast *cast, Datum value, Oid collation)
{
	if (!cast->needed)
		return value;
	if (!cast->by_function)
		return InputFunctionCall(&cast->input, OutputFunctionCall(&cast->output, value),
								 cast->input_param, -1);
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
	target = compare_common_type(c->types[0], c->types[1], false);
	for (int i = 0; i < 2; i++)
	{
		c->casts[i] = find_cast(c->types[i], target, flinfo->fn_mcxt);
		c->needs |= value_text_needs(c->types[i]);
	}
	c->as = value_type(target);
	flinfo->fn_extra = c;
	return c;
}

/* Compares after a cast, which may fail. */
static bool
cast_differs(Comparer *c, Datum a, Datum b, Oid collation)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	OutputSettings settings = value_fix_output(c->needs);
	volatile bool differs = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		Datum x = run_cast(&c->casts[0], a, collation);
		Datum y = run_cast(&c->casts[1], b, collation);

		differs = value_changed(&c->as, x, false, y, false);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		value_restore_output(&settings);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		value_restore_output(&settings);
		if (subxact_error_is_fatal(error))
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return differs;
}

/*
 * copy_differs(source_value, copy_value): are they different values?  One that
 * cannot be cast to the other's type is.
 */
Datum
ownership_copy_differs(PG_FUNCTION_ARGS)
{
	Comparer *c = comparer_for(fcinfo->flinfo);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(PG_ARGISNULL(0) != PG_ARGISNULL(1));
	if (!c->casts[0].needed && !c->casts[1].needed)
		PG_RETURN_BOOL(value_changed(&c->as, PG_GETARG_DATUM(0), false, PG_GETARG_DATUM(1), false));
	PG_RETURN_BOOL(cast_differs(c, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GET_COLLATION()));
}
