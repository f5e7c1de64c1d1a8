/*
 * decode.c
 *		The bytes of a file become text in the encoding of the database.
 *
 * The encoding is told by a byte order mark, or by zero bytes, which only UTF-16
 * has in a text, or by the bytes: what is no UTF-8 is Windows-1252, in which
 * spreadsheet programs of the West write CSV.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "../base/base.h"
#include "sheet.h"

/* Beginnings of files that are no text, and what they are. */
static const struct
{
	const char *start;
	int len;
	const char *what;
} not_text[] = {
	{"PK\003\004", 4, "a workbook (.xlsx, .ods) or another ZIP archive"},
	{"\xd0\xcf\x11\xe0", 4, "a workbook of an old version (.xls)"},
	{"%PDF-", 5, "a PDF"},
	{"\x1f\x8b", 2, "compressed by gzip"},
};

static void
check_text(const char *bytes, int len)
{
	for (int i = 0; i < (int) lengthof(not_text); i++)
	{
		if (len >= not_text[i].len && memcmp(bytes, not_text[i].start, not_text[i].len) == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
							errmsg("the file is no text: it is %s", not_text[i].what),
							errhint("Save the sheet as CSV, and import that file.")));
	}
}

/* The code unit of UTF-16 at a byte. */
static pg_wchar
unit_at(const unsigned char *bytes, bool big)
{
	return big ? bytes[0] << 8 | bytes[1] : bytes[1] << 8 | bytes[0];
}

/*
 * UTF-16 as UTF-8.
 *
 * Errors: half a character.
 */
static char *
utf16_to_utf8(const unsigned char *bytes, int len, bool big)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i + 1 < len; i += 2)
	{
		unsigned char c[5] = {0};
		pg_wchar unit = unit_at(bytes + i, big);

		if (is_utf16_surrogate_first(unit) && i + 3 < len &&
			is_utf16_surrogate_second(unit_at(bytes + i + 2, big)))
		{
			unit = surrogate_pair_to_codepoint(unit, unit_at(bytes + i + 2, big));
			i += 2;
		}
		if (unit == 0 || is_utf16_surrogate_first(unit) || is_utf16_surrogate_second(unit))
			ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
							errmsg("invalid UTF-16 at character %d of the file", i / 2 + 1)));
		unicode_to_utf8(unit, c);
		appendStringInfoString(&buf, (char *) c);
	}
	if (len % 2 != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("the file ends within a character of UTF-16"),
						errhint("The file was cut off; take the whole file.")));
	return buf.data;
}

/*
 * Is it UTF-16 without a mark?  ASCII, which such a sheet has at least as
 * separators, then has a zero in every second byte.
 */
static bool
is_unmarked_utf16(const char *bytes, int len, bool *big)
{
	int zeros[2] = {0, 0};
	int looked = Min(len, 1000);

	for (int i = 0; i < looked; i++)
		zeros[i % 2] += bytes[i] == '\0';
	*big = zeros[0] > zeros[1];
	return zeros[*big ? 0 : 1] >= looked / 8 + 1 && zeros[*big ? 1 : 0] == 0;
}

/*
 * The text of a file, in the encoding of the database.
 *
 * Errors: the bytes are no text; a character that the database's encoding does not have.
 */
char *
decode_bytes(const char *bytes, int len)
{
	const unsigned char *b = (const unsigned char *) bytes;
	const char *zero;
	char *utf8;
	bool big = false;

	check_text(bytes, len);
	if (len >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
		utf8 = utf16_to_utf8(b + 2, len - 2, b[0] == 0xfe);
	else if (is_unmarked_utf16(bytes, len, &big))
		utf8 = utf16_to_utf8(b, len, big);
	else
	{
		zero = memchr(bytes, '\0', len);
		if (zero != NULL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
							errmsg("the file is no text: byte %d is zero", (int) (zero - bytes) + 1),
							errhint("Save the sheet as CSV, and import that file.")));
		utf8 = pnstrdup(bytes, len);
		if (pg_encoding_verifymbstr(PG_UTF8, utf8, len) < len)
			utf8 = (char *) pg_do_encoding_conversion((unsigned char *) utf8, len, PG_WIN1252,
													  PG_UTF8);
	}
	if (strncmp(utf8, "\xef\xbb\xbf", 3) == 0)
		utf8 += 3;
	return pg_any_to_server(utf8, strlen(utf8), PG_UTF8);
}

/* A text without the byte order mark with which it may begin. */
char *
decode_text(char *text)
{
	if (GetDatabaseEncoding() == PG_UTF8 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		return text + 3;
	return text;
}
