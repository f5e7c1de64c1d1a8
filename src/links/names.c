/*
 * names.c
 *		What the names of two columns say: it decides between columns whose values are
 *		alike, and never makes a pair alone.
 */
#include "postgres.h"

#include "links.h"

/* Words that mean the same; the first column is what is compared. */
static const char *const synonyms[][2] =
	{{"quantity", "qty"},	 {"quantity", "qoh"},	 {"description", "desc"}, {"email", "mail"},
	 {"phone", "tel"},		 {"phone", "telephone"}, {"amount", "amt"},		  {"category", "cat"},
	 {"postcode", "zip"},	 {"postcode", "postal"}, {"postcode", "zipcode"}, {"price", "prc"},
	 {"number", "no"},		 {"number", "nr"},		 {"number", "num"},		  {"name", "title"},
	 {"ean", "gtin"},		 {"ean", "barcode"},	 {"ean", "ean13"},		  {"sku", "article"},
	 {"customer", "client"}, {"company", "firm"},	 {"vat", "tax"},		  {"country", "ctry"},
	 {"currency", "curr"},	 {"active", "enabled"},	 {"birth", "dob"},		  {"birth", "birthday"},
	 {"birth", "birthdate"}, {"street", "address"},	 {"city", "town"},		  {"weight", "wgt"}};

/* Words that only say that a column identifies something. */
static const char *const identifiers[] = {"id",		  "ref", "number", "code", "key",
										  "external", "fk",	 "pk",	   "uid",  "uuid",
										  "guid",	  "the", "of",	   "index"};

/* Words that say little of what a column contains. */
static const char *const general[] = {"value", "is",   "has",	 "field", "data",
									  "info",  "type", "status", "date",  "flag"};

/* Words of one line exclude each other, unless both names have the same. */
typedef struct Opposed
{
	const char *word;
	int group;
	int side;
} Opposed;

static const Opposed opposed[] =
	{{"billing", 1, 1},	 {"bill", 1, 1},	  {"invoice", 1, 1},	{"shipping", 1, 2},
	 {"ship", 1, 2},	 {"delivery", 1, 2},  {"first", 2, 1},		{"given", 2, 1},
	 {"last", 2, 2},	 {"family", 2, 2},	  {"surname", 2, 2},	{"middle", 2, 3},
	 {"min", 3, 1},		 {"minimum", 3, 1},	  {"max", 3, 2},		{"maximum", 3, 2},
	 {"start", 4, 1},	 {"begin", 4, 1},	  {"from", 4, 1},		{"end", 4, 2},
	 {"until", 4, 2},	 {"to", 4, 2},		  {"net", 5, 1},		{"gross", 5, 2},
	 {"mobile", 6, 1},	 {"cell", 6, 1},	  {"fax", 6, 2},		{"phone", 6, 3},
	 {"cost", 7, 1},	 {"purchase", 7, 1},  {"sale", 7, 2},		{"special", 7, 3},
	 {"msrp", 7, 4},	 {"compare", 7, 4},	  {"list", 7, 5},		{"width", 8, 1},
	 {"height", 8, 2},	 {"length", 8, 3},	  {"depth", 8, 4},		{"debit", 9, 1},
	 {"credit", 9, 2},	 {"latitude", 10, 1}, {"lat", 10, 1},		{"longitude", 10, 2},
	 {"lng", 10, 2},	 {"lon", 10, 2},	  {"old", 11, 1},		{"previous", 11, 1},
	 {"new", 11, 2},	 {"home", 12, 1},	  {"work", 12, 2},		{"office", 12, 2},
	 {"short", 13, 1},	 {"long", 13, 2},	  {"order", 14, 1},		{"due", 14, 2},
	 {"paid", 14, 3},	 {"shipped", 14, 4},  {"available", 15, 1}, {"reserved", 15, 2},
	 {"ordered", 15, 3}, {"parent", 16, 1},	  {"child", 16, 2},		{"meta", 17, 1},
	 {"seo", 17, 1}};

/* Words of tools and of the database. */
static const char *const technical[] = {"created",	 "updated", "modified",	 "inserted", "synced",
										"fivetran",	 "airbyte", "sdc",		 "etl",		 "ingested",
										"extracted", "deleted", "rowversion"};

static const char *const technical_times[] = {"create",	  "update",	   "modify",	"change",
											  "changed",  "load",	   "loaded",	"import",
											  "imported", "touched",   "sync",		"write",
											  "written",  "timestamp", "refreshed", "seen"};

static bool
is_among(const char *word, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static char *
word_of(const char *start, int length)
{
	char *word = pnstrdup(start, length);

	for (char *c = word; *c != '\0'; c++)
		*c = pg_ascii_tolower(*c);
	for (int i = 0; i < (int) lengthof(synonyms); i++)
		if (strcmp(word, synonyms[i][1]) == 0)
			return pstrdup(synonyms[i][0]);
	return word;
}

static bool
is_word_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   (c & 0x80) != 0;
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* The words of a name: unit_price, unitPrice, UNIT-PRICE. */
static List *
split(const char *name)
{
	List *words = NIL;
	const char *start = name;

	for (const char *c = name;; c++)
	{
		bool ends = !is_word_character(*c);

		if (!ends && c > start && is_upper(*c) && !is_upper(c[-1]))
			ends = true;
		/* the last capital of SKUNumber begins a word */
		else if (!ends && c > start && is_upper(*c) && is_upper(c[-1]) && c[1] >= 'a' && c[1] <= 'z')
			ends = true;
		if (!ends)
			continue;
		if (c > start)
			words = lappend(words, word_of(start, c - start));
		if (*c == '\0')
			return words;
		start = is_word_character(*c) ? c : c + 1;
	}
}

/* Is it a word of the table's name, in singular or plural? */
static bool
is_of_table(const char *word, List *table)
{
	ListCell *lc;
	int length = strlen(word);

	foreach(lc, table)
	{
		const char *other = lfirst(lc);
		int shorter = Min(length, (int) strlen(other));

		if (shorter >= 3 && strncmp(word, other, shorter) == 0 &&
			(strcmp(word + shorter, "s") == 0 || strcmp(other + shorter, "s") == 0 ||
			 word[shorter] == other[shorter]))
			return true;
	}
	return false;
}

/* The words of a column's name that its table's name has not; all where none is left. */
static List *
own_words(const LinkColumn *c)
{
	List *words = split(c->name);
	List *table = split(c->table->table);
	List *own = NIL;
	ListCell *lc;

	foreach(lc, words)
		if (!is_of_table(lfirst(lc), table))
			own = lappend(own, lfirst(lc));
	return own == NIL ? words : own;
}

/*
 * 2: both names say the same; 1: they share a word that says something; 0: they do not.
 */
int
links_names_alike(const LinkColumn *a, const LinkColumn *b)
{
	List *awords = own_words(a);
	List *bwords = own_words(b);
	int shared = 0;
	bool telling = false;
	bool meaning = false;
	ListCell *lc;

	foreach(lc, awords)
	{
		const char *word = lfirst(lc);

		if (!names_contain(bwords, word))
			continue;
		shared++;
		if (is_among(word, identifiers, lengthof(identifiers)))
			continue;
		telling = true;
		meaning |= !is_among(word, general, lengthof(general)) && strlen(word) >= 3;
	}
	if (telling && shared == list_length(awords) && shared == list_length(bwords))
		return 2;
	return meaning ? 1 : 0;
}

/* Bits of the sides of a group that the words are on. */
static int
sides(List *words, int group)
{
	int found = 0;
	ListCell *lc;

	foreach(lc, words)
		for (int i = 0; i < (int) lengthof(opposed); i++)
			if (opposed[i].group == group && strcmp(lfirst(lc), opposed[i].word) == 0)
				found |= 1 << opposed[i].side;
	return found;
}

/* The digits at the end of a name, or "". */
static const char *
last_digits(const char *name)
{
	const char *end = name + strlen(name);

	while (end > name && end[-1] >= '0' && end[-1] <= '9')
		end--;
	return end;
}

/* Do the names exclude each other, as billing and shipping do, or line1 and line2? */
bool
links_names_opposed(const LinkColumn *a, const LinkColumn *b)
{
	List *awords = split(a->name);
	List *bwords = split(b->name);
	const char *adigits = last_digits(a->name);
	const char *bdigits = last_digits(b->name);

	for (int i = 0; i < (int) lengthof(opposed); i++)
	{
		int aside = sides(awords, opposed[i].group);
		int bside = sides(bwords, opposed[i].group);

		if (aside != 0 && bside != 0 && (aside & bside) == 0)
			return true;
	}
	return *adigits != '\0' && *bdigits != '\0' && strcmp(adigits, bdigits) != 0;
}

/* Does the name say that the database or a tool writes the column?  time: it is a time. */
bool
links_name_is_technical(const char *name, bool time)
{
	ListCell *lc;

	foreach(lc, split(name))
		if (is_among(lfirst(lc), technical, lengthof(technical)) ||
			(time && is_among(lfirst(lc), technical_times, lengthof(technical_times))))
			return true;
	return false;
}
