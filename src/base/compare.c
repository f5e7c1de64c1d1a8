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
 * Copies may be of different types.  They are compared in one type, after
 * casts that run no untrusted code (trust.c).
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

/* One cast: by its function, or by text output and input where there is none. */
typedef struct Cast
{
	bool needed;	   /* false: the value stays as it is */
	bool by_function;  /* false: by text */
	FmgrInfo function; /* of the cast */
	FmgrInfo output;   /* of the type that is cast */
	FmgrInfo input;	   /* of the type to cast to, and its parameter */
	Oid input_param;
} Cast;

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
		(path == COERCION_PATH_FUNC && !trust_function(*function)))
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

/* Is there a cast that was made for the two types, and not only one by text? */
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
 * The type in which values of two types are compared.  It is the type that the
 * other one is cast to implicitly, because such a cast loses nothing (a
 * timestamp is not cut to a date).  Without one, and if explicit casts are
 * allowed, it is the first type, that of the authoritative copy, where the other
 * has a cast to it, else the second.  Without any cast it is text.
 */
Oid
compare_common_type(Oid a, Oid b, bool implicit_only)
{
	Oid type;

	a = getBaseType(a);
	b = getBaseType(b);
	if ((a == JSONOID && b == JSONBOID) || (a == JSONBOID && b == JSONOID))
		return JSONBOID; /* json keeps blanks, which are no part of the value */
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
	/* blanks at the end of char(n) are no part of the value */
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

/* Errors: those of the cast. */
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

/* Casts and compares.  A value whose cast fails differs. */
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
 * copy_differs(source_value, copy_value): are they different values?  A value that
 * cannot be cast to the type of the comparison is different.
 *
 * Errors: subxact_error_is_fatal().
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
