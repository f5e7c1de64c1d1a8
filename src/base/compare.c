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
#include "base.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

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
