/*
 * markup.c
 *		The tables of an HTML text become rows of cells, and its headings rows of
 *		their own.
 *
 * It reads one tag after the other and never goes back.  A table in a cell is a
 * part of the cell's text, however deep.
 */
#include "postgres.h"

#include "ctype.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "sheet.h"

#define MAX_ROWSPAN 65534 /* as HTML has it */
#define MAX_COLSPAN 1000
#define MAX_SPANNED 1000000 /* cells that spans make in one text */
#define TAG_NAME 16			/* bytes of the longest name of a tag that counts */

/* Named characters, apart from those of XML. */
static const struct
{
	const char *name;
	pg_wchar code;
} characters[] = {
	{"amp", '&'},	   {"lt", '<'},		  {"gt", '>'},		  {"quot", '"'},	 {"apos", '\''},
	{"nbsp", ' '},	   {"shy", 0xad},	  {"auml", 0xe4},	  {"ouml", 0xf6},	 {"uuml", 0xfc},
	{"Auml", 0xc4},	   {"Ouml", 0xd6},	  {"Uuml", 0xdc},	  {"szlig", 0xdf},	 {"eacute", 0xe9},
	{"egrave", 0xe8},  {"agrave", 0xe0},  {"ccedil", 0xe7},	  {"ntilde", 0xf1},	 {"aring", 0xe5},
	{"oslash", 0xf8},  {"sect", 0xa7},	  {"copy", 0xa9},	  {"reg", 0xae},	 {"euro", 0x20ac},
	{"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},  {"rsquo", 0x2019}, {"ldquo", 0x201c},
	{"rdquo", 0x201d}, {"bull", 0x2022},  {"hellip", 0x2026}, {"rarr", 0x2192},	 {"check", 0x2713},
};

/* A text, and what was read of it. */
typedef struct Markup
{
	const char *next;
	int line;
	List *rows;
	int most;
	int depth;			/* tables that are open */
	int heading;		/* line of the heading that is open; 0: none is */
	bool in_cell;		/* a cell is open, or a heading is */
	StringInfoData buf; /* its text */
	int rowspan;		/* of the open cell */
	int colspan;
	int spanned;  /* cells that spans made so far */
	TextRow *row; /* the open row, or NULL */
	/* cells of rows above that reach down, by column */
	int nspans;
	struct
	{
		int rows;
		char *cell;
	} spans[MAX_CELLS];
} Markup;

/* The length of the character reference at a place, and what it means; 0: it is none. */
static int
character(const char *text, pg_wchar *code)
{
	int len = 1;
	char *end;

	if (text[1] == '#')
	{
		bool hex = text[2] == 'x' || text[2] == 'X';
		const char *digits = text + (hex ? 3 : 2);
		unsigned long value;

		if (!(hex ? isxdigit((unsigned char) *digits) : isdigit((unsigned char) *digits)))
			return 0;
		value = strtoul(digits, &end, hex ? 16 : 10);
		if (end - digits > 8 || !is_valid_unicode_codepoint(value) ||
			is_utf16_surrogate_first(value) || is_utf16_surrogate_second(value))
			return 0;
		*code = value == 0xa0 ? ' ' : value;
		return end - text + (*end == ';');
	}
	while (len < 10 && isalpha((unsigned char) text[len]))
		len++;
	for (int i = 0; i < (int) lengthof(characters) && text[len] == ';'; i++)
	{
		if ((int) strlen(characters[i].name) != len - 1 ||
			strncmp(characters[i].name, text + 1, len - 1) != 0)
			continue;
		*code = characters[i].code;
		return len + 1;
	}
	return 0;
}

/* Appends a text in which characters may be written as references such as &amp; */
void
markup_append(StringInfo buf, const char *text, int len)
{
	const char *end = text + len;

	while (text < end)
	{
		const char *amp = memchr(text, '&', end - text);
		unsigned char c[MAX_UNICODE_EQUIVALENT_STRING + 1] = {0};
		pg_wchar code;
		int n;

		appendBinaryStringInfo(buf, text, (amp == NULL ? end : amp) - text);
		if (amp == NULL)
			return;
		n = character(amp, &code);
		if (n == 0 || amp + n > end)
		{
			appendStringInfoChar(buf, '&');
			text = amp + 1;
			continue;
		}
		if (code != 0xad) /* where a word may be broken */
		{
			pg_unicode_to_server(code, c);
			appendStringInfoString(buf, (char *) c);
		}
		text = amp + n;
	}
}

/* Adds text outside tags to the open cell: white space is one blank. */
static void
add_text(Markup *m, const char *text, const char *end)
{
	while (text < end && m->in_cell)
	{
		const char *word = text;

		while (text < end && !isspace((unsigned char) *text))
			text++;
		if (text > word)
			markup_append(&m->buf, word, text - word);
		else
		{
			while (text < end && isspace((unsigned char) *text))
				text++;
			if (m->buf.len > 0 && !isspace((unsigned char) m->buf.data[m->buf.len - 1]))
				appendStringInfoChar(&m->buf, ' ');
		}
	}
}

/* Puts into the open row what reaches down into it from rows above. */
static void
add_spans(Markup *m)
{
	while (m->row->ncells < m->nspans && m->spans[m->row->ncells].rows > 0 &&
		   m->spanned++ < MAX_SPANNED)
	{
		m->spans[m->row->ncells].rows--;
		row_add(m->row, m->spans[m->row->ncells].cell);
	}
}

static void
end_cell(Markup *m)
{
	char *cell;

	if (!m->in_cell)
		return;
	m->in_cell = false;
	cell = sheet_trim(m->buf.data, m->buf.data + m->buf.len);
	if (m->heading > 0)
	{
		TextRow *row = palloc0(sizeof(TextRow));

		row->line = m->heading;
		row->heading = true;
		row_add(row, cell);
		if (row->filled > 0)
			m->rows = lappend(m->rows, row);
		m->heading = 0;
		return;
	}
	if (cell[0] == '\0')
		cell = NULL;
	/* what spans columns stands in the first of them */
	for (int i = 0; i < m->colspan && m->row->ncells < MAX_CELLS; i++)
	{
		int column = m->row->ncells;

		if (i > 0 && m->spanned++ >= MAX_SPANNED)
			break;
		row_add(m->row, i == 0 ? cell : NULL);
		while (m->nspans <= column)
			m->spans[m->nspans++].rows = 0;
		m->spans[column].rows = m->rowspan - 1;
		m->spans[column].cell = i == 0 ? cell : NULL;
	}
}

static void
end_row(Markup *m)
{
	end_cell(m);
	if (m->row == NULL)
		return;
	if (m->row->ncells > 0)
		add_spans(m);
	if (m->row->filled > 0)
		m->rows = lappend(m->rows, m->row);
	m->row = NULL;
}

/* The value of a numeric attribute of a tag, between 1 and a limit. */
static int
attribute(const char *tag, const char *end, const char *name, int limit)
{
	int len = strlen(name);

	for (tag++; tag + len < end; tag++)
	{
		if (pg_strncasecmp(tag, name, len) != 0 || !isspace((unsigned char) tag[-1]))
			continue;
		tag += len;
		while (tag < end && strchr(" =\"'", *tag) != NULL)
			tag++;
		return Max(1, Min(limit, atoi(pnstrdup(tag, Min(end - tag, 9)))));
	}
	return 1;
}

static void
start_cell(Markup *m, const char *tag, const char *end)
{
	end_cell(m);
	if (m->row == NULL)
	{
		m->row = palloc0(sizeof(TextRow));
		m->row->line = m->line;
	}
	add_spans(m);
	m->in_cell = true;
	m->rowspan = attribute(tag, end, "rowspan", MAX_ROWSPAN);
	m->colspan = attribute(tag, end, "colspan", MAX_COLSPAN);
	resetStringInfo(&m->buf);
}

/* Is it one of the names?  They are separated by blanks, with one before the first and behind the last. */
static bool
is_one_of(const char *name, const char *names)
{
	char word[TAG_NAME + 2];

	snprintf(word, sizeof(word), " %s ", name);
	return strstr(names, word) != NULL;
}

/* A tag; name is in lower case, and begins with "/" at the end of an element. */
static void
read_tag(Markup *m, const char *name, const char *tag, const char *end)
{
	if (strcmp(name, "table") == 0)
		m->depth++;
	else if (strcmp(name, "/table") == 0)
	{
		if (m->depth == 1)
		{
			end_row(m);
			m->nspans = 0;
		}
		m->depth = Max(0, m->depth - 1);
	}
	else if (m->depth <= 1 && is_one_of(name, " tr /tr /thead /tbody thead tbody "))
	{
		end_row(m);
		if (strcmp(name, "tr") == 0)
		{
			m->row = palloc0(sizeof(TextRow));
			m->row->line = m->line;
		}
	}
	else if (m->depth <= 1 && is_one_of(name, " td th "))
		start_cell(m, tag, end);
	else if (m->depth <= 1 && is_one_of(name, " /td /th "))
		end_cell(m);
	else if (m->row == NULL && is_one_of(name, " h1 h2 h3 h4 h5 h6 caption "))
	{
		m->heading = m->line;
		m->in_cell = true;
		resetStringInfo(&m->buf);
	}
	else if (m->heading > 0 && is_one_of(name, " /h1 /h2 /h3 /h4 /h5 /h6 /caption "))
		end_cell(m);
	else if (m->in_cell && is_one_of(name, " br p /p div /div li /li tr td th "))
	{
		while (m->buf.len > 0 && m->buf.data[m->buf.len - 1] == ' ')
			m->buf.data[--m->buf.len] = '\0';
		if (m->buf.len > 0 && m->buf.data[m->buf.len - 1] != '\n')
			appendStringInfoChar(&m->buf, '\n');
	}
}

/* The place behind the next occurrence of a text, or the end. */
static const char *
behind(const char *text, const char *wanted)
{
	const char *found = strstr(text, wanted);

	return found == NULL ? text + strlen(text) : found + strlen(wanted);
}

/* The end tag of an element that has no tags in it, or the end of the text. */
static const char *
element_end(const char *text, const char *name)
{
	int len = strlen(name);

	for (text = behind(text, "</"); *text != '\0'; text = behind(text, "</"))
		if (pg_strncasecmp(text, name, len) == 0)
			return text - 2;
	return text;
}

/* The ">" that ends a tag, which may be in quotes within it, or the end of the text. */
static const char *
tag_end(const char *tag)
{
	const char *end = tag + strcspn(tag, ">\"'");

	while (*end == '"' || *end == '\'')
	{
		const char *quote = strchr(end + 1, *end);

		/* a quotation mark without an end is no reason to take all of the text for a tag */
		if (quote == NULL)
			return tag + strcspn(tag, ">");
		end = quote + 1 + strcspn(quote + 1, ">\"'");
	}
	return end;
}

/* Reads one tag, comment or element that is no text; m->next is at its "<". */
static const char *
read_markup(Markup *m)
{
	const char *tag = m->next;
	const char *end;
	char name[TAG_NAME] = "";
	int len = 0;

	if (strncmp(tag, "<!--", 4) == 0)
		return behind(tag + 4, "-->");
	if (!isalpha((unsigned char) tag[1]) && tag[1] != '/' && tag[1] != '!' && tag[1] != '?')
	{
		/* a "<" that begins no tag */
		add_text(m, tag, tag + 1);
		return tag + 1;
	}
	end = tag_end(tag);
	for (const char *c = tag + 1;
		 len < (int) sizeof(name) - 1 && (isalnum((unsigned char) *c) || (len == 0 && *c == '/'));
		 c++)
		name[len++] = pg_tolower((unsigned char) *c);
	if (is_one_of(name, " script style "))
		return element_end(end, name);
	read_tag(m, name, tag, end);
	return end + (*end == '>');
}

/* The rows of the tables and the headings of an HTML text, at most so many, as a list of TextRow *. */
List *
markup_rows(const char *text, int most)
{
	Markup *m = palloc0(sizeof(Markup));

	m->next = text;
	m->line = 1;
	initStringInfo(&m->buf);
	while (*m->next != '\0' && list_length(m->rows) < most)
	{
		const char *start = m->next;
		const char *end = start + strcspn(start, "<");

		add_text(m, start, end);
		if (*end == '<')
		{
			for (const char *c = start; c < end; c++)
				m->line += *c == '\n';
			start = m->next = end;
			end = read_markup(m);
		}
		for (const char *c = start; c < end; c++)
			m->line += *c == '\n';
		m->next = end;
		CHECK_FOR_INTERRUPTS();
	}
	end_row(m);
	return m->rows;
}
