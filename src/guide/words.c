/*
 * words.c
 *		Names that run together, such as companyname and lastmodifieddate, are
 *		split into the words that the guide's patterns are made of.
 *
 * A word is split only where words that are known make up all of it, so that
 * a name of which the guide knows a part stays as it is.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "guide.h"

/* Words that names of columns are made of, and that no pattern may need to know. */
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

/* What words may be joined with: is before them, these after them. */
#define FLAG_PREFIX "is"

static const char *const suffixes[] = {"no"};

#define MIN_WORD 3 /* shorter ones are found in too many others */
#define MIN_TOGETHER 6

/* A pattern's expansions that are kept at a time; of more, only the words. */
#define MAX_EXPANSIONS 200

/* Stands for what a word cannot go on through. */
#define BREAK '.'

static bool
is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

/* learning */

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
	/* the one that is spelled as two words says more */
	if (words->nodes[at].words == NULL ||
		(strchr(meaning, '_') != NULL && strchr(words->nodes[at].words, '_') == NULL))
		words->nodes[at].words = pstrdup(meaning);
}

/* Letters and underscores: each word, and all of them together. */
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

/* What a regular expression matches, as far as it is plain letters. */

typedef struct Reader
{
	Words *words;
	const char *c;
} Reader;

static List *read_alternatives(Reader *r);

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
	/* what is only looked at is no part of the name */
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

/* Learn the words of a regular expression. */
void
words_learn(Words *words, const char *pattern)
{
	Reader r = {words, pattern};

	learn_expansions(words, read_alternatives(&r));
}

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
 * Append what is between underscores, split into the fewest words that make
 * up all of it; or as it is.
 */
static void
split_part(Words *words, StringInfo buf, const char *part, int len)
{
	const char *known;
	int letters = 0;
	int end;
	int fewest[NAMEDATALEN + 1]; /* words that the rest from here is made of */
	int length[NAMEDATALEN + 1]; /* of the first of them */

	while (letters < len && is_letter(part[letters]))
		letters++;
	/* address1 */
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
			/* of as many words, those of which the first is longer */
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

/* companyname is company_name. */
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
