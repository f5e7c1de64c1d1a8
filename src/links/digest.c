/*
 * digest.c
 *		Values as hashes: copies of one value have one hash, whatever their types are.
 *
 * The hashes follow the comparison of copies (base/cast.c): numbers of all types are
 * equal by value, a text that is compared with a number, a time, a boolean or a UUID is
 * read as such, and two texts are equal byte by byte.  The hashes only find columns;
 * what is said of them is counted by the comparison itself (verify.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "links.h"

/* Seeds: values of different kinds are different. */
#define SEED_NUMBER UINT64CONST(0x51)
#define SEED_TIME UINT64CONST(0x52)
#define SEED_UUID UINT64CONST(0x53)
#define SEED_TEXT UINT64CONST(0x54)

/* A longer text is no number. */
#define MAX_NUMBER 40

/* Digits of an integer that fits into an int64 for certain. */
#define INT64_DIGITS 18

/* A hash; 0 is none. */
static uint64
hash_bytes_of(const void *bytes, int length, uint64 seed)
{
	uint64 hash = hash_bytes_extended(bytes, length, seed);

	return hash == 0 ? 1 : hash;
}

static uint64
hash_int64(int64 value, uint64 seed)
{
	uint64 h = (uint64) value + seed * UINT64CONST(0x9e3779b97f4a7c15);

	h = (h ^ (h >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64CONST(0x94d049bb133111eb);
	h ^= h >> 31;
	return h == 0 ? 1 : h;
}

/*
 * The hash of a number that is written without exponent; 0: it is none.  *whole: it is
 * an integer of at most 18 digits, *number.
 */
static uint64
hash_number(const char *text, int length, bool *whole, int64 *number)
{
	char canonical[MAX_NUMBER + 2];
	int n = 0;
	int i = 0;
	int digits;
	int start;
	int point;
	bool negative = false;

	*whole = false;
	if (length == 0 || length > MAX_NUMBER)
		return 0;
	if (text[0] == '-' || text[0] == '+')
		negative = text[i++] == '-';
	start = i;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		;
	point = i;
	digits = point - start;
	if (i < length && text[i] == '.')
		for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++)
			digits++;
	if (i < length || digits == 0)
		return 0;
	while (start < point && text[start] == '0')
		start++;
	if (i > point)
		while (i > point + 1 && text[i - 1] == '0')
			i--;
	if (i <= point + 1 && point - start <= INT64_DIGITS)
	{
		int64 value = 0;

		for (; start < point; start++)
			value = value * 10 + (text[start] - '0');
		*whole = true;
		*number = negative ? -value : value;
		return hash_int64(*number, SEED_NUMBER);
	}
	if (negative)
		canonical[n++] = '-';
	memcpy(canonical + n, text + start, (i <= point + 1 ? point : i) - start);
	n += (i <= point + 1 ? point : i) - start;
	return hash_bytes_of(canonical, n, SEED_NUMBER);
}

static bool
two_digits(const char *text, int *value)
{
	*value = (text[0] - '0') * 10 + (text[1] - '0');
	return text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9';
}

/* The hash of a date or a timestamp without time zone in ISO's form; 0: it is none. */
static uint64
hash_iso_time(const char *text, int length)
{
	int part[6] = {0};
	int century;
	int64 micros = 0;

	if (length < 10 || text[4] != '-' || text[7] != '-' || !two_digits(text, &century) ||
		!two_digits(text + 2, &part[0]) || !two_digits(text + 5, &part[1]) ||
		!two_digits(text + 8, &part[2]) || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
		part[2] > 31)
		return 0;
	part[0] += century * 100;
	if (length > 10)
	{
		int64 unit = USECS_PER_SEC;

		if (length < 19 || (text[10] != ' ' && text[10] != 'T') || text[13] != ':' ||
			text[16] != ':' || !two_digits(text + 11, &part[3]) ||
			!two_digits(text + 14, &part[4]) || !two_digits(text + 17, &part[5]))
			return 0;
		micros = ((part[3] * INT64CONST(60) + part[4]) * 60 + part[5]) * USECS_PER_SEC;
		if (length > 19 && text[19] != '.')
			return 0;
		for (int i = 20; i < length; i++)
		{
			if (text[i] < '0' || text[i] > '9')
				return 0;
			unit /= 10;
			micros += (text[i] - '0') * unit;
		}
	}
	return hash_int64((int64) (date2j(part[0], part[1], part[2]) - POSTGRES_EPOCH_JDATE) *
							  USECS_PER_DAY +
						  micros,
					  SEED_TIME);
}

/* The hash of a UUID in its usual form; 0: it is none. */
static uint64
hash_uuid_text(const char *text, int length)
{
	unsigned char bytes[UUID_LEN];
	int n = 0;

	if (length != 36)
		return 0;
	for (int i = 0; i < length; i++)
	{
		char c = text[i];
		int digit;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (c != '-')
				return 0;
			continue;
		}
		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return 0;
		if (n % 2 == 0)
			bytes[n / 2] = digit << 4;
		else
			bytes[n / 2] |= digit;
		n++;
	}
	return hash_bytes_of(bytes, UUID_LEN, SEED_UUID);
}

/* The hash of a word for true or false; 0: it is none. */
static uint64
hash_boolean_word(const char *text, int length)
{
	static const struct
	{
		const char *word;
		bool value;
	} words[] = {{"t", true},	{"f", false}, {"true", true}, {"false", false}, {"yes", true},
				 {"no", false}, {"y", true},  {"n", false},	  {"on", true},		{"off", false}};

	if (length > 5)
		return 0;
	for (int i = 0; i < (int) lengthof(words); i++)
		if ((int) strlen(words[i].word) == length && pg_strncasecmp(text, words[i].word, length) == 0)
			return hash_int64(words[i].value, SEED_NUMBER);
	return 0;
}

/* The hash of what a text is read as; 0: nothing. */
static uint64
read_text(const char *text, int length, bool *whole, int64 *number)
{
	uint64 hash;

	*whole = false;
	if (length == 0)
		return 0;
	if ((hash = hash_number(text, length, whole, number)) != 0 ||
		(hash = hash_boolean_word(text, length)) != 0 || (hash = hash_iso_time(text, length)) != 0)
		return hash;
	return hash_uuid_text(text, length);
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

/* Sets the number in which a text ends, and the letters before it. */
static void
find_number(const char *text, int length, Digest *result)
{
	int start = length;

	while (start > 0 && length - start < INT64_DIGITS && text[start - 1] >= '0' &&
		   text[start - 1] <= '9')
		start--;
	if (start == length)
		return;
	result->ends_in_number = true;
	for (int i = start; i < length; i++)
		result->number = result->number * 10 + (text[i] - '0');
	for (int i = 0; i < start; i++)
		result->letters += is_letter(text[i]);
}

static void
digest_text(const Digester *d, Datum value, bool deep, Digest *result)
{
	struct varlena *text;
	const char *data;
	int length;
	bool whole;
	int64 number;

	if (!deep && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
	{
		result->long_value = true;
		return;
	}
	text = PG_DETOAST_DATUM_PACKED(value);
	data = VARDATA_ANY(text);
	length = VARSIZE_ANY_EXHDR(text);
	if (d->type == BPCHAROID)
		while (length > 0 && data[length - 1] == ' ')
			length--;
	result->hash = hash_bytes_of(data, length, SEED_TEXT);
	result->read = read_text(data, length, &whole, &number);
	find_number(data, length, result);
}

static void
digest_number(const Digester *d, Datum value, Digest *result)
{
	char buffer[DOUBLE_SHORTEST_DECIMAL_LEN];
	char *text = buffer;
	int length = 0;

	switch (d->type)
	{
		case BOOLOID:
			result->hash = hash_int64(DatumGetBool(value), SEED_NUMBER);
			return;
		case INT2OID:
			result->number = DatumGetInt16(value);
			break;
		case INT4OID:
			result->number = DatumGetInt32(value);
			break;
		case INT8OID:
			result->number = DatumGetInt64(value);
			break;
		case FLOAT4OID:
			length = float_to_shortest_decimal_bufn(DatumGetFloat4(value), buffer);
			break;
		case FLOAT8OID:
			length = double_to_shortest_decimal_bufn(DatumGetFloat8(value), buffer);
			break;
		default:
			text = numeric_normalize(DatumGetNumeric(value));
			length = strlen(text);
	}
	if (d->type == INT2OID || d->type == INT4OID || d->type == INT8OID)
	{
		result->ends_in_number = true;
		result->hash = hash_int64(result->number, SEED_NUMBER);
		return;
	}
	result->hash = hash_number(text, length, &result->ends_in_number, &result->number);
	if (result->hash == 0)
		result->hash = hash_bytes_of(text, length, SEED_NUMBER);
}

/* How values of a type, or a domain's base type, are digested. */
void
digest_prepare(Digester *d, Oid type)
{
	d->type = type;
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			d->kind = LINK_NUMBER;
			return;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			d->kind = LINK_TEXT;
			return;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			d->kind = LINK_TIME;
			return;
		case UUIDOID:
			d->kind = LINK_UUID;
			return;
		case BYTEAOID:
			d->kind = LINK_NONE;
			return;
	}
	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
		case TYPTYPE_BASE:
			/* only a superuser makes a base type; its text may need more of the session */
			d->kind = value_text_needs(type) == 0 ? LINK_OTHER : LINK_NONE;
			break;
		default:
			d->kind = LINK_NONE;
	}
	if (d->kind == LINK_OTHER)
		value_output(&d->output, type);
}

/*
 * The hashes of a value, which is not NULL.  Unless deep is true, values that are stored
 * out of line are not read.  Memory is that of the current context.
 */
void
digest_value(Digester *d, Datum value, bool deep, Digest *result)
{
	char *text;

	memset(result, 0, sizeof(Digest));
	switch (d->kind)
	{
		case LINK_NUMBER:
			digest_number(d, value, result);
			break;
		case LINK_TEXT:
			digest_text(d, value, deep, result);
			break;
		case LINK_TIME:
			if (d->type != DATEOID)
				result->hash = hash_int64(DatumGetTimestamp(value), SEED_TIME);
			else if (DATE_NOT_FINITE(DatumGetDateADT(value)))
				result->hash = hash_int64(DatumGetDateADT(value), SEED_TEXT);
			else
				result->hash = hash_int64(DatumGetDateADT(value) * USECS_PER_DAY, SEED_TIME);
			break;
		case LINK_UUID:
			result->hash = hash_bytes_of(DatumGetUUIDP(value)->data, UUID_LEN, SEED_UUID);
			break;
		case LINK_OTHER:
			if (!deep && get_typlen(d->type) == -1 &&
				VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
			{
				result->long_value = true;
				break;
			}
			text = value_write(&d->output, value);
			result->hash = hash_bytes_of(text, strlen(text), SEED_TEXT);
			break;
		case LINK_NONE:
			break;
	}
}
