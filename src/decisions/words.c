/*
 * words.c
 *		The latest evidence of each system for a column of a row, where it was
 *		refused: a stream, of which disagreements.c takes as much as is asked for.
 *
 * One query with the caller's privileges finds the words.  It follows the index on
 * the hash of the row key, in which all evidence of one row stands together: so
 * the first words come at once, and no more than the evidence of rows with one
 * hash is ever sorted or kept.  Its cursor sees what the statement sees that reads
 * the view.  Where the cursor is gone, since a subtransaction that has opened it
 * was rolled back, another one goes on from there.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

/* The columns of the query. */
enum
{
	WORD_ID,
	WORD_AT,
	WORD_SCHEMA,
	WORD_TABLE,
	WORD_ROW_KEY,
	WORD_COLUMN,
	WORD_SYSTEM,
	WORD_ROLE,
	WORD_OPERATION,
	WORD_OUTCOME,
	WORD_PROPOSED,
	WORD_IDENTIFIES_ROW,
	WORD_IN_CONFLICT,
	WORD_PARTS
};

/*
 * The words of one row and column are in the order of evidence, of which the
 * latest counts.  Where it was let through, or is resolved, earlier evidence is no
 * word either.  Of a row that was not created, all that was proposed counts, since
 * it can be written once the row is there.
 */
#define IN_ORDER \
	"e.hash, e.table_schema, e.table_name, e.row_key, e.row, e.column_name, e.system, e.writer"
#define LATEST_FIRST IN_ORDER ", e.recorded_at DESC, e.id DESC"
static const char *const query =
	"SELECT w.id, w.recorded_at, w.table_schema, w.table_name, w.row_key, w.column_name, w.system, "
	"w.role, w.operation, w.outcome, w.proposed, w.row IS NULL, w.column_name = ANY (w.columns::text[]) "
	"FROM (SELECT DISTINCT ON (" IN_ORDER ") e.* FROM (SELECT e.* FROM "
	"(SELECT c.*, CASE WHEN c.system IS NULL THEN coalesce('o' || c.origin, 'r' || c.role) END AS writer, "
	"CASE WHEN NOT " IDENTIFIES_ROW " THEN coalesce(c.proposed, 'null') END AS row, "
	"jsonb_hash_extended(c.row_key, 0) AS hash, "
	"unnest(CASE WHEN c.outcome = 'discarded' AND c.operation = 'INSERT' AND jsonb_typeof(c.proposed) = 'object' "
	"THEN ARRAY(SELECT DISTINCT p.name::name FROM (SELECT jsonb_object_keys(c.proposed) UNION ALL SELECT unnest(c.columns)::text) p(name)) "
	"ELSE c.columns END)::text AS column_name FROM ownership.conflict c "
	"WHERE jsonb_typeof(c.row_key) = 'object' AND c.outcome NOT IN ('parked', 'remembered') AND c.operation <> 'TRUNCATE' "
	"ORDER BY jsonb_hash_extended(c.row_key, 0)) e WHERE e.column_name IS NOT NULL ORDER BY " LATEST_FIRST
	") e ORDER BY " LATEST_FIRST ") w "
	"WHERE w.outcome IN ('kept', 'discarded', 'rejected') AND w.resolved_at IS NULL AND w.resolution IS NULL";

struct Words
{
	char cursor[NAMEDATALEN]; /* "": none was opened yet */
	int64 taken;			  /* that the cursor returned so far */
	Word *next;				  /* the first of the following words, in cxt; NULL: not known */
	MemoryContext cxt;
};

/*
 * The query's plan must give its first rows at once.  Compiling it takes longer
 * than many a run.
 */
static const char *const settings[][2] = {
	{"enable_seqscan", "off"},	{"enable_bitmapscan", "off"},	   {"enable_sort", "off"},
	{"enable_indexscan", "on"}, {"enable_incremental_sort", "on"}, {"jit", "off"},
};

/* The cursor, where the words that were taken are behind it. */
static Portal
open_cursor(Words *words)
{
	Portal portal = words->cursor[0] == '\0' ? NULL : SPI_cursor_find(words->cursor);
	int level;

	if (portal != NULL)
		return portal;
	level = NewGUCNestLevel();
	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true,
									   CURSOR_OPT_NO_SCROLL | CURSOR_OPT_FAST_PLAN);
	AtEOXact_GUC(true, level);
	strlcpy(words->cursor, portal->name, NAMEDATALEN);
	if (words->taken > 0)
		SPI_cursor_move(portal, true, words->taken);
	return portal;
}

/* A stream of words, which is kept in the memory context. */
Words *
words_begin(MemoryContext cxt)
{
	Words *words = MemoryContextAllocZero(cxt, sizeof(Words));

	words->cxt = cxt;
	return words;
}

/* Ends the stream early. */
void
words_end(Words *words)
{
	Portal portal = words->cursor[0] == '\0' ? NULL : GetPortalByName(words->cursor);

	if (PortalIsValid(portal))
		PortalDrop(portal, false);
	words->cursor[0] = '\0';
}

/* A text of a word; that of the word before, if it is the same. */
static char *
take_text(const Datum *values, const bool *nulls, int part, char *before)
{
	text *value;
	int len;

	if (nulls[part])
		return NULL;
	value = DatumGetTextPP(values[part]);
	len = VARSIZE_ANY_EXHDR(value);
	if (before != NULL && strncmp(before, VARDATA_ANY(value), len) == 0 && before[len] == '\0')
		return before;
	return text_to_cstring(value);
}

/* The names in a row key, in one text; that of the word before, if it is the same. */
static char *
take_shape(Jsonb *key, char *before)
{
	JsonbIterator *it = JsonbIteratorInit(&key->root);
	JsonbIteratorToken token;
	JsonbValue v;
	StringInfoData buf;

	initStringInfo(&buf);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			appendStringInfo(&buf, "%.*s\n", v.val.string.len, v.val.string.val);
	}
	if (before == NULL || strcmp(before, buf.data) != 0)
		return buf.data;
	pfree(buf.data);
	return before;
}

/* before: the word before in the same list; NULL: none. */
static Word *
take_word(HeapTuple tuple, TupleDesc desc, const Word *before)
{
	static const Word none = {0};
	Word *w = palloc(sizeof(Word));
	Datum values[WORD_PARTS];
	bool nulls[WORD_PARTS];

	if (before == NULL)
		before = &none;
	heap_deform_tuple(tuple, desc, values, nulls);
	w->id = DatumGetInt64(values[WORD_ID]);
	w->at = DatumGetTimestampTz(values[WORD_AT]);
	w->schema = take_text(values, nulls, WORD_SCHEMA, before->schema);
	w->table = take_text(values, nulls, WORD_TABLE, before->table);
	w->row_key = DatumGetJsonbPCopy(values[WORD_ROW_KEY]);
	w->shape = take_shape(w->row_key, before->shape);
	w->column = take_text(values, nulls, WORD_COLUMN, before->column);
	w->system = take_text(values, nulls, WORD_SYSTEM, before->system);
	w->role = take_text(values, nulls, WORD_ROLE, before->role);
	w->operation = take_text(values, nulls, WORD_OPERATION, before->operation);
	w->outcome = take_text(values, nulls, WORD_OUTCOME, before->outcome);
	w->proposed = nulls[WORD_PROPOSED] ? NULL : DatumGetJsonbPCopy(values[WORD_PROPOSED]);
	w->identifies_row = DatumGetBool(values[WORD_IDENTIFIES_ROW]);
	w->in_conflict = !nulls[WORD_IN_CONFLICT] && DatumGetBool(values[WORD_IN_CONFLICT]);
	return w;
}

/* Appends the next n words to a list, as far as there are so many. */
static List *
fetch(Words *words, List *list, int n)
{
	MemoryContext cxt = CurrentMemoryContext;

	SPI_cursor_fetch(open_cursor(words), true, n);
	MemoryContextSwitchTo(cxt); /* SPI has a context of its own */
	for (uint64 i = 0; i < SPI_processed; i++)
		list = lappend(list, take_word(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
									   list == NIL ? NULL : llast(list)));
	words->taken += SPI_processed;
	SPI_freetuptable(SPI_tuptable);
	return list;
}

/* Are two words about the same row? */
static bool
same_row(const Word *a, const Word *b)
{
	if (strcmp(a->schema, b->schema) != 0 || strcmp(a->table, b->table) != 0 ||
		compareJsonbContainers(&a->row_key->root, &b->row_key->root) != 0)
		return false;
	if (a->identifies_row || b->identifies_row)
		return a->identifies_row == b->identifies_row;
	return a->proposed != NULL && b->proposed != NULL
			   ? compareJsonbContainers(&a->proposed->root, &b->proposed->root) == 0
			   : a->proposed == b->proposed;
}

/*
 * About n more words (of Word *), in the current memory context: all that are about
 * the last one's row are among them.  NIL: there are no more.  Needs SPI.
 */
List *
words_take(Words *words, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	int level = sql_pin_search_path();
	List *list = words->next == NULL ? NIL : list_make1(words->next);

	words->next = NULL;
	list = fetch(words, list, n);
	while (list != NIL)
	{
		/* one word a call is taken for the next one, and stays in memory */
		List *one;
		Word *next;

		MemoryContextSwitchTo(words->cxt);
		one = fetch(words, NIL, 1);
		next = one == NIL ? NULL : linitial(one);
		MemoryContextSwitchTo(cxt);
		if (next == NULL)
			break;
		if (!same_row((Word *) llast(list), next))
		{
			words->next = next;
			break;
		}
		list = lappend(list, next);
	}
	sql_unpin_search_path(level);
	return list;
}
