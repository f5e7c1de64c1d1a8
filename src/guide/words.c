/*
 * words.c
 *		The guide splits names without separators, such as companyname and
 *		lastmodifieddate, into the words of its patterns.
 *
 * A name is split only where known words make up all of it, so that a name of
 * which only a part is known stays as it is.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "guide.h"

/* Words that names of columns often contain, whether a pattern contains them or not. */
static const char *const common_words[] =
	{"account", "actual",	"alt",	   "amount",	"archived", "base",		"billing",	"business",
	 "class",	"code",		"contact", "count",		"created",	"custom",	"customer", "date",
	 "day",		"days",		"default", "deleted",	"delivery", "detail",	"details",	"display",
	 "due",		"employee", "end",	   "entity",	"external", "file",		"first",	"full",
	 "gross",	"group",	"home",	   "internal",	"invoice",	"item",		"items",	"label",
	 "last",	"level",	"limit",   "line",		"lines",	"list",		"location", "long",
	 "main",	"max",		"maximum", "min",		"minimum",	"modified", "month",	"name",
	 "net",		"new",		"note",	   "notes",		"number",	"old",		"order",	"orders",
	 "other",	"payment",	"pref",	   "preferred", "primary",	"product",	"purchase", "rate",
	 "raw",		"rep",		"sales",   "secondary", "shipping", "short",	"site",		"source",
	 "start",	"state",	"status",  "store",		"sub",		"system",	"terms",	"text",
	 "time",	"title",	"total",   "type",		"unit",		"units",	"updated",	"user",
	 "value",	"web",		"work",	   "year"};

/* A word may follow FLAG_PREFIX; one of the suffixes may follow a word. */
#define FLAG_PREFIX "is"

static const char *const suffixes[] = {"no"};

#define MIN_WORD 3	   /* fewest letters of a known word: too many words contain shorter ones */
#define MIN_TOGETHER 6 /* fewest letters of a name that is split */

/* Expansions of a pattern that are kept at a time; beyond that, only their words are learnt. */
#define MAX_EXPANSIONS 200

/* In an expansion: the end of a word, at anything that is not a plain letter or "_". */
#define BREAK '.'

static bool
is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

/* learning */

/* Adds a word: spelled has letters only, meaning may have "_" between its parts. */
static void
add_word(Words *words, const char *spelled, const char *meaning)
{
	int at = 0;

	for (const char *c = spelled; *c != '\0'; c++)
	{
		if (words->nodes[at].next[*c - 'a'] == 0)
		{
			if (words->used == words->allocated)
			{
				words->allocated *= 2;
				words->nodes = repalloc_huge(words->nodes, words->allocated * sizeof(TrieNode));
			}
			memset(&words->nodes[words->used], 0, sizeof(TrieNode));
			words->nodes[at].next[*c - 'a'] = words->used++;
		}
		at = words->nodes[at].next[*c - 'a'];
	}
	/* a meaning of several parts replaces one of a single part */
	if (words->nodes[at].words == NULL ||
		(strchr(meaning, '_') != NULL && strchr(words->nodes[at].words, '_') == NULL))
		words->nodes[at].words = pstrdup(meaning);
}

/* Learns a piece of letters and underscores: each word, and all words without their separators. */
static void
learn_piece(Words *words, const char *piece, int len)
{
	char spelled[NAMEDATALEN];
	char word[NAMEDATALEN];
	int n_spelled = 0;
	int n_word = 0;

	if (len >= NAMEDATALEN)
		return;
	for (int i = 0; i <= len; i++)
	{
		if (i < len && piece[i] != '_')
		{
			spelled[n_spelled++] = word[n_word++] = piece[i];
			continue;
		}
		word[n_word] = '\0';
		if (n_word >= MIN_WORD)
			add_word(words, word, word);
		n_word = 0;
	}
	spelled[n_spelled] = '\0';
	if (n_spelled >= MIN_TOGETHER && piece[0] != '_' && piece[len - 1] != '_')
		add_word(words, spelled, pnstrdup(piece, len));
}

static void
learn_expansions(Words *words, List *expansions)
{
	ListCell *lc;

	foreach(lc, expansions)
	{
		const char *start = lfirst(lc);

		for (const char *c = start;; c++)
		{
			if (*c != BREAK && *c != '\0')
				continue;
			if (c > start)
				learn_piece(words, start, c - start);
			if (*c == '\0')
				break;
			start = c + 1;
		}
	}
}

/*
 * Expansions: the texts that a regular expression matches, as lists of strings
 * of letters, "_" and BREAK.  A part that is not plain letters is a BREAK.
 */

/* A regular expression, and the place that is read next. */
typedef struct Reader
{
	Words *words;
	const char *c;
} Reader;

static List *read_alternatives(Reader *r);

/* The expansion of a part that is not plain letters. */
static List *
broken(void)
{
	static const char text[] = {BREAK, '\0'};

	return list_make1(pstrdup(text));
}

static List *
read_group(Reader *r)
{
	bool looks = false;
	List *result;

	r->c++;
	if (*r->c == '?')
	{
		r->c++;
		if (*r->c == '<')
			r->c++;
		looks = *r->c == '=' || *r->c == '!';
		if (*r->c != '\0' && *r->c != ')')
			r->c++;
	}
	result = read_alternatives(r);
	if (*r->c == ')')
		r->c++;
	/* lookahead and lookbehind constraints match no part of the name */
	return looks ? list_make1(pstrdup("")) : result;
}

static List *
read_atom(Reader *r)
{
	char c = *r->c;

	if (c == '(')
		return read_group(r);
	if (c == '[')
	{
		r->c = pattern_bracket_end(r->c);
		return broken();
	}
	r->c++;
	if (c == '^' || c == '$')
		return list_make1(pstrdup(""));
	if (is_letter(c) || c == '_')
		return list_make1(pnstrdup(&c, 1));
	if (c == '\\' && *r->c != '\0')
		r->c++;
	return broken();
}

/* The expansions of an atom with the quantifier that follows it. */
static List *
read_quantifier(Reader *r, List *atom)
{
	char c = *r->c;

	if (c != '?' && c != '*' && c != '+' && c != '{')
		return atom;
	if (c == '{')
		while (*r->c != '\0' && *r->c != '}')
			r->c++;
	if (*r->c != '\0')
		r->c++;
	if (*r->c == '?')
		r->c++;
	return c == '?' ? lappend(atom, pstrdup("")) : broken();
}

/* Each of the left expansions, followed by each of the right ones. */
static List *
cross(List *left, List *right)
{
	List *result = NIL;
	ListCell *l;
	ListCell *r;

	foreach(l, left)
		foreach(r, right)
			result = lappend(result, psprintf("%s%s", (char *) lfirst(l), (char *) lfirst(r)));
	list_free_deep(left);
	list_free_deep(right);
	return result;
}

static List *
read_sequence(Reader *r)
{
	List *result = list_make1(pstrdup(""));

	while (*r->c != '\0' && *r->c != '|' && *r->c != ')')
	{
		List *atom = read_quantifier(r, read_atom(r));
		char *first = linitial(atom);

		CHECK_FOR_INTERRUPTS();
		if (list_length(result) * list_length(atom) > MAX_EXPANSIONS ||
			strlen(linitial(result)) >= NAMEDATALEN ||
			(list_length(atom) == 1 && first[0] == BREAK && first[1] == '\0'))
		{
			learn_expansions(r->words, result);
			list_free_deep(result);
			result = broken();
		}
		result = cross(result, atom);
	}
	return result;
}

static List *
read_alternatives(Reader *r)
{
	List *result = NIL;

	check_stack_depth();
	for (;;)
	{
		result = list_concat(result, read_sequence(r));
		if (*r->c != '|')
			break;
		r->c++;
	}
	if (list_length(result) <= MAX_EXPANSIONS)
		return result;
	learn_expansions(r->words, result);
	list_free_deep(result);
	return broken();
}

/* Adds the words of a regular expression. */
void
words_learn(Words *words, const char *pattern)
{
	Reader r = {words, pattern};

	learn_expansions(words, read_alternatives(&r));
}

/* The common words only. */
Words *
words_create(void)
{
	Words *words = palloc(sizeof(Words));

	words->used = 1;
	words->allocated = 1024;
	words->nodes = palloc0(words->allocated * sizeof(TrieNode));
	for (int i = 0; i < (int) lengthof(common_words); i++)
		add_word(words, common_words[i], common_words[i]);
	return words;
}

/* splitting */

/* The meaning of a known word, or NULL. */
static const char *
find_word(Words *words, const char *spelled, int len)
{
	int at = 0;

	for (int i = 0; i < len; i++)
		if ((at = words->nodes[at].next[spelled[i] - 'a']) == 0)
			return NULL;
	return words->nodes[at].words;
}

/*
 * Appends a part without "_", split into the fewest known words that make up
 * all of it; else unchanged.
 */
static void
split_part(Words *words, StringInfo buf, const char *part, int len)
{
	const char *known;
	int letters = 0;
	int end;
	int fewest[NAMEDATALEN + 1]; /* by position: the fewest words that make up the rest */
	int length[NAMEDATALEN + 1]; /* by position: the length of the first of them */

	while (letters < len && is_letter(part[letters]))
		letters++;
	/* digits may follow the letters: address1 */
	for (end = letters; end < len && part[end] >= '0' && part[end] <= '9';)
		end++;
	known = find_word(words, part, letters);
	if (end < len || letters < MIN_TOGETHER || letters > NAMEDATALEN ||
		(known != NULL && strchr(known, '_') == NULL))
	{
		appendBinaryStringInfo(buf, part, len);
		return;
	}

	fewest[letters] = 0;
	for (int at = letters - 1; at >= 0; at--)
	{
		int node = 0;

		fewest[at] = letters + 1;
		for (int i = at; i < letters; i++)
		{
			if ((node = words->nodes[node].next[part[i] - 'a']) == 0)
				break;
			/* if the number of words is the same, a longer first word wins */
			if (words->nodes[node].words != NULL && fewest[i + 1] + 1 <= fewest[at])
			{
				fewest[at] = fewest[i + 1] + 1;
				length[at] = i + 1 - at;
			}
		}
		for (int i = 0; i < (int) lengthof(suffixes); i++)
			if (at > 0 && letters - at == (int) strlen(suffixes[i]) &&
				memcmp(part + at, suffixes[i], letters - at) == 0)
			{
				fewest[at] = 1;
				length[at] = letters - at;
			}
	}
	if (fewest[0] > letters && strncmp(part, FLAG_PREFIX, strlen(FLAG_PREFIX)) == 0 &&
		fewest[strlen(FLAG_PREFIX)] <= letters)
	{
		fewest[0] = fewest[strlen(FLAG_PREFIX)] + 1;
		length[0] = strlen(FLAG_PREFIX);
	}
	if (fewest[0] > letters)
	{
		appendBinaryStringInfo(buf, part, len);
		return;
	}
	for (int at = 0; at < letters; at += length[at])
	{
		const char *meaning = find_word(words, part + at, length[at]);

		if (at > 0)
			appendStringInfoChar(buf, '_');
		if (meaning != NULL)
			appendStringInfoString(buf, meaning);
		else
			appendBinaryStringInfo(buf, part + at, length[at]);
	}
	appendBinaryStringInfo(buf, part + letters, len - letters);
}

/* The name with "_" between its words: companyname becomes company_name. */
char *
words_split(Words *words, const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *part = name;;)
	{
		int len = strcspn(part, "_");

		split_part(words, &buf, part, len);
		if (part[len] == '\0')
			return buf.data;
		appendStringInfoChar(&buf, '_');
		part += len + 1;
	}
}
