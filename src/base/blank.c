/*
 * blank.c
 *		Whether a value is blank: it says nothing, though it may not be NULL.
 *
 * Blank are NULL, a text that is empty or consists of white space, the JSON values
 * null, {} and [], and an array without elements.  Domains are as their base type.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "base.h"

/* How blank values of a type are recognised.  BLANK_NULL: only NULL is blank. */
BlankKind
value_blank_kind(Oid type)
{
	Oid base = getBaseType(type);

	if (base == JSONBOID)
		return BLANK_JSONB;
	if (base == JSONOID)
		return BLANK_JSON;
	if (OidIsValid(get_element_type(base)))
		return BLANK_ARRAY;
	/* char(n), varchar, citext */
	if (base == TEXTOID || base == BPCHAROID ||
		(get_typlen(base) == -1 && IsBinaryCoercible(base, TEXTOID)))
		return BLANK_TEXT;
	return BLANK_NULL;
}

/* White space as Unicode has it, as far as the encoding tells. */
static bool
is_space(const char *c, int length)
{
	if (length == 1)
		return *c == ' ' || (*c >= '\t' && *c <= '\r');
	if (GetDatabaseEncoding() != PG_UTF8)
		return false;
	switch (utf8_to_unicode((const unsigned char *) c))
	{
		case 0x0085:
		case 0x00A0:
		case 0x1680:
		case 0x2028:
		case 0x2029:
		case 0x202F:
		case 0x205F:
		case 0x3000:
			return true;
		default:
			return utf8_to_unicode((const unsigned char *) c) >= 0x2000 &&
				   utf8_to_unicode((const unsigned char *) c) <= 0x200A;
	}
}

/* The text without its leading white space; *length is what is left. */
static const char *
skip_space(const char *text, int *length)
{
	while (*length > 0)
	{
		int n = Min(pg_mblen(text), *length);

		if (!is_space(text, n))
			break;
		text += n;
		*length -= n;
	}
	return text;
}

/* Is it white space but for the given characters, in this order? */
static bool
is_only(const char *text, int length, const char *characters)
{
	for (text = skip_space(text, &length); *characters != '\0'; characters++)
	{
		if (length == 0 || *text != *characters)
			return false;
		text++;
		length--;
		/* null is one word */
		if (*characters == '{' || *characters == '[')
			text = skip_space(text, &length);
	}
	(void) skip_space(text, &length);
	return length == 0;
}

static bool
is_blank_jsonb(Jsonb *json)
{
	JsonbValue scalar;

	if (!JB_ROOT_IS_SCALAR(json))
		return JB_ROOT_COUNT(json) == 0;
	return JsonbExtractScalar(&json->root, &scalar) && scalar.type == jbvNull;
}

/* Is the value blank?  May detoast it into the current memory context. */
bool
value_is_blank(BlankKind kind, Datum value, bool isnull)
{
	struct varlena *text;
	const char *start;
	int length;

	if (isnull)
		return true;
	switch (kind)
	{
		case BLANK_NULL:
			return false;
		case BLANK_ARRAY:
			return ARR_NDIM(DatumGetArrayTypeP(value)) == 0;
		case BLANK_JSONB:
			return is_blank_jsonb(DatumGetJsonbP(value));
		case BLANK_TEXT:
		case BLANK_JSON:
			break;
	}
	text = PG_DETOAST_DATUM_PACKED(value);
	start = VARDATA_ANY(text);
	length = VARSIZE_ANY_EXHDR(text);
	if (kind == BLANK_JSON)
		return is_only(start, length, "null") || is_only(start, length, "{}") ||
			   is_only(start, length, "[]");
	return is_only(start, length, "");
}
