/*
 * name_pattern.c
 *		The patterns of the guide's domains: regular expressions that match whole
 *		words of a column's name, or table.column; and the normal names that they
 *		are matched with.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "guide.h"

/* Bytes of names that one search reads. */
#define TEXT_SIZE 32768

#define DOCUMENT "{document}"
#define COPIES "{copies}"
#define NOTHING "(?!)" /* matches no text */

/* Placeholders of the guide's patterns, and the regular expressions that they stand for. */
static const struct
{
	const char *name;
	const char *pattern;
} placeholders[] = {
	/* tables of products; but lines of a document name products, too */
	{"{product}",
	 "(?:(?<!(?:subscriptions?|returns?|wish_?lists?|invoices?|bills?|receipts?|transfers?|requests?|"
	 "bundles?|lists?)_)(?:products?|variants?|skus?)|(?<!_)(?:items?|parts?)|inventory_items?)"},
	/* tables of customers */
	{"{customer}",
	 "(?:customers?|clients?|contacts?|persons?|people|leads?|(?<!(?:mail|bank|payment)_)accounts?|"
	 "address(?:es)?(?!_format)|compan(?:y|ies))"},
	/* tables of orders; but not every order is a sale */
	{"{order}",
	 "(?:(?<!(?:purch|purchas(?:e|ing)|supplier|vendor|work|production|manufacturing|transfer|repair|"
	 "service)_)(?:orders?|carts?(?!_rules?)|baskets?|checkouts?|quotes?|quotations?|line_?items?)"
	 "(?![^.]*(?:invoice|payment|refund)))"},
	/* columns that any document may have; see Domain.column_definite */
	{DOCUMENT, "(?:[^.]*_)?(?:no|num(?:ber)?|totals?|amount|value|rate|date|status|state|type|notes?|"
			   "ref(?:erence)?|name|code|title|reason|method|instructions?)"},
	/* columns that documents copy from products and customers: they belong to the document */
	{COPIES,
	 "[^.]*(?:price|quantity|qty|tax|discount|currency|weight|name|address|street|suburb|city|region|"
	 "province|zip|post_?code|postal|country|company|phone|e?mail|product|variant)[^.]*"},
	/* the rest of a table's name */
	{"{part}", "(?:_[^.]*)?"},
};

/* names */

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_word(char c)
{
	return IS_HIGHBIT_SET(c) || is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/*
 * A name in the normal form: lower case, words separated by "_".  listPrice,
 * "List Price" and LIST-PRICE are list_price.
 */
char *
pattern_normal_name(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *c = name; *c != '\0'; c++)
	{
		/* a capital letter begins a word after a small letter, or before one: listPrice, SKUCode */
		if (c > name && is_upper(c[0]) && is_word(c[-1]) &&
			(!is_upper(c[-1]) || (c[1] >= 'a' && c[1] <= 'z')))
			appendStringInfoChar(&buf, '_');
		appendStringInfoChar(&buf, is_word(*c) ? *c : '_');
	}
	return str_tolower(buf.data, buf.len, DEFAULT_COLLATION_OID);
}

/* patterns */

static char *
replace(const char *within, const char *what, const char *by)
{
	return TextDatumGetCString(
		DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, CStringGetTextDatum(within),
								CStringGetTextDatum(what), CStringGetTextDatum(by)));
}

/* The pattern with its placeholders replaced. */
char *
pattern_expand(const char *pattern)
{
	char *expanded = pstrdup(pattern);

	for (int i = 0; i < (int) lengthof(placeholders); i++)
		expanded = replace(expanded, placeholders[i].name, placeholders[i].pattern);
	return expanded;
}

/* The regular expression for a domain's pattern: it matches whole words. */
char *
pattern_words(const char *pattern)
{
	return psprintf("(?:^|_)(?:%s)(?:_|$)", pattern_expand(pattern));
}

/*
 * The regular expression for table.column: the pattern must match from the
 * beginning of a word of the table's name to the end of a word of the column's
 * name.  Alternatives of the pattern without a dot do not match.  NULL: the
 * pattern has no dot.
 */
char *
pattern_qualified(const char *pattern)
{
	if (strstr(pattern, "\\.") == NULL)
		return NULL;
	return psprintf("^(?:[^.]*_)?(?:%s)(?:_[^.]*)?$", pattern_expand(pattern));
}

/* pattern_qualified() without {document}; NULL: the pattern does not contain it. */
char *
pattern_definite(const char *pattern)
{
	if (strstr(pattern, DOCUMENT) == NULL)
		return NULL;
	return pattern_qualified(replace(pattern, DOCUMENT, NOTHING));
}

/* Does the pattern contain {copies}: are the domain's tables documents? */
bool
pattern_of_documents(const char *pattern)
{
	return strstr(pattern, COPIES) != NULL;
}

/*
 * Does a domain's pattern match words of the name?
 *
 * Errors: the pattern is no regular expression.
 */
bool
pattern_hits(const char *pattern, const char *name)
{
	return RE_compile_and_execute(cstring_to_text(pattern_words(pattern)), unconstify(char *, name),
								  strlen(name), REG_ADVANCED, DEFAULT_COLLATION_OID, 0, NULL);
}

/* The end of the bracket expression that begins at c: behind its "]", or the end of the text. */
const char *
pattern_bracket_end(const char *c)
{
	c++;
	if (*c == '^')
		c++;
	if (*c == ']')
		c++;
	while (*c != '\0' && *c != ']')
	{
		const char close[] = {c[1], ']', '\0'};

		/* [:alpha:], [.x.] and [=x=] contain a "]" */
		if (c[0] == '[' && (c[1] == ':' || c[1] == '.' || c[1] == '=') &&
			strstr(c + 2, close) != NULL)
			c = strstr(c + 2, close) + 2;
		else
			c += c[0] == '\\' && c[1] != '\0' ? 2 : 1;
	}
	return *c == ']' ? c + 1 : c;
}

/* many names at a time */

/*
 * The regular expression without its lookahead and lookbehind constraints.  It
 * matches every text that the original matches, and a search for it is much
 * faster.
 */
static char *
without_looks(const char *re)
{
	StringInfoData buf;
	const char *next;
	int depth = 0; /* of parentheses */
	int looks = 0; /* the depth at which a constraint began; 0: outside of one */

	initStringInfo(&buf);
	for (const char *c = re; *c != '\0'; c = next)
	{
		next = c[0] == '[' ? pattern_bracket_end(c) : c + (c[0] == '\\' && c[1] != '\0' ? 2 : 1);
		if (*c == '(')
		{
			depth++;
			if (looks == 0 && c[1] == '?' && (c[2] == '=' || c[2] == '!' || c[2] == '<'))
				looks = depth;
		}
		if (looks == 0)
			appendBinaryStringInfo(&buf, c, next - c);
		if (*c == ')')
		{
			if (depth == looks)
				looks = 0;
			depth--;
		}
	}
	return buf.data;
}

/* Searches the wide characters from text to end. */
static bool
search(regex_t *re, const pg_wchar *text, const pg_wchar *end, regmatch_t *match)
{
	int code = pg_regexec(re, text, end - text, 0, NULL, 1, match, 0);
	char message[100];

	if (code == REG_OKAY || code == REG_NOMATCH)
		return code == REG_OKAY;
	CHECK_FOR_INTERRUPTS();
	pg_regerror(code, re, message, sizeof(message));
	ereport(ERROR, (errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
					errmsg("regular expression failed: %s", message)));
}

/* Searches the lines of a text; line i is name number lines[i]. */
static void
search_lines(regex_t *re, const StringInfo text, const int *lines, bool *hit)
{
	pg_wchar *at = palloc((text->len + 1) * sizeof(pg_wchar));
	pg_wchar *end = at + pg_mb2wchar_with_len(text->data, at, text->len);
	regmatch_t match;
	int line = 0;

	/* begin again behind each line that matched: a lookbehind then sees no earlier line */
	while (at < end && search(re, at, end, &match))
	{
		pg_wchar *begin = at + match.rm_so;
		pg_wchar *line_end;

		for (pg_wchar *c = at; c < begin; c++)
			if (*c == '\n')
			{
				line++;
				at = c + 1;
			}
		for (line_end = begin; line_end < end && *line_end != '\n';)
			line_end++;
		/* a match that crosses the end of a line is not within one name */
		if (match.rm_eo - match.rm_so <= line_end - begin || search(re, at, line_end, &match))
			hit[lines[line]] = true;
		at = line_end + 1;
		line++;
	}
}

/* Searches the names that are not NULL, of them only those in among, if that is given. */
static bool *
search_names(const char *pattern, char **names, const bool *among, int n)
{
	bool *hit = palloc0(n * sizeof(bool));
	/* \A and \Z mean the beginning and the end of the text, not of a line */
	bool alone = strstr(pattern, "\\A") != NULL || strstr(pattern, "\\Z") != NULL;
	regex_t *re = RE_compile_and_cache(cstring_to_text(pattern), REG_ADVANCED | REG_NEWLINE,
									   DEFAULT_COLLATION_OID);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "ownership names", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);

	for (int i = 0; i < n;)
	{
		StringInfoData text;
		int *lines;
		int n_lines = 0;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		initStringInfo(&text);
		lines = palloc((TEXT_SIZE + 1) * sizeof(int));
		for (; i < n && (n_lines == 0 || (!alone && text.len < TEXT_SIZE)); i++)
		{
			if (names[i] == NULL || (among != NULL && !among[i]))
				continue;
			if (n_lines > 0)
				appendStringInfoChar(&text, '\n');
			appendStringInfoString(&text, names[i]);
			lines[n_lines++] = i;
		}
		search_lines(re, &text, lines, hit);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return hit;
}

/*
 * For each name, whether the regular expression matches it; false for NULL.
 * The names are searched as lines of one text, many at a time, because most of
 * the cost of a search is its beginning.
 */
bool *
pattern_hit_names(const char *re, char **names, int n)
{
	char *loose = without_looks(re);
	bool *hit = search_names(loose, names, NULL, n);

	return strcmp(loose, re) == 0 ? hit : search_names(re, names, hit, n);
}
