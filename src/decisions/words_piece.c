/*
 * words_piece.c
 *		Pieces of evidence of refused values: the queries that find them, in the order
 *		of the hash of their row keys, and what they return.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

/* The columns of the queries. */
enum
{
	PIECE_HASH,
	PIECE_ID,
	PIECE_AT,
	PIECE_SCHEMA,
	PIECE_TABLE,
	PIECE_ROW_KEY,
	PIECE_COLUMNS,
	PIECE_SYSTEM,
	PIECE_ROLE,
	PIECE_ORIGIN,
	PIECE_OPERATION,
	PIECE_OUTCOME,
	PIECE_PROPOSED,
	PIECE_OPEN,
	PIECE_IDENTIFIES_ROW,
	PIECE_COLUMN, /* of the second query only */
	PIECE_PARTS
};

#define HASH "jsonb_hash_extended(c.row_key, 0)"
#define PARTS                                                                                                     \
	HASH                                                                                                          \
		", c.id, c.recorded_at, c.table_schema, c.table_name, c.row_key, c.columns, c.system, c.role, c.origin, " \
		"c.operation, c.outcome, c.proposed, "                                                                    \
		"c.outcome IN ('kept', 'discarded', 'rejected') AND c.resolved_at IS NULL AND c.resolution IS NULL, " IDENTIFIES_ROW
#define CONDITION                                                                       \
	"jsonb_typeof(c.row_key) = 'object' AND c.outcome NOT IN ('parked', 'remembered') " \
	"AND c.operation <> 'TRUNCATE' "

static const char *const query =
	"SELECT " PARTS " FROM ownership.conflict c WHERE " HASH " >= $1 AND " CONDITION "ORDER BY 1";

/*
 * The evidence with one hash, a column at a time.  The pieces for one row and column
 * are in the order of evidence, of which the latest counts.  Of a row that was not
 * created, all that was proposed counts, since it can be written once the row is there.
 */
#define IN_ORDER "c.table_schema, c.table_name, c.row_key, c.row, c.column_name, c.system, c.writer"
static const char *const sorted_query =
	"SELECT " PARTS ", c.column_name "
	"FROM (SELECT DISTINCT ON (" IN_ORDER ") c.* FROM "
	"(SELECT c.*, CASE WHEN c.system IS NULL THEN coalesce('o' || c.origin, 'r' || c.role) END AS writer, "
	"CASE WHEN NOT " IDENTIFIES_ROW " THEN coalesce(c.proposed, 'null') END AS row, "
	"unnest(CASE WHEN c.outcome = 'discarded' AND c.operation = 'INSERT' AND jsonb_typeof(c.proposed) = 'object' "
	"THEN ARRAY(SELECT DISTINCT p.name::name FROM (SELECT jsonb_object_keys(c.proposed) UNION ALL SELECT unnest(c.columns)::text) p(name)) "
	"ELSE c.columns END)::text AS column_name FROM ownership.conflict c "
	"WHERE " HASH " = $1 AND " CONDITION ") c WHERE c.column_name IS NOT NULL "
	"ORDER BY " IN_ORDER ", c.recorded_at DESC, c.id DESC) c "
	"WHERE c.outcome IN ('kept', 'discarded', 'rejected') AND c.resolved_at IS NULL AND c.resolution IS NULL";

/*
 * The first query's plan must give its first rows at once.  Compiling it takes longer
 * than many a run.
 */
static const char *const settings[][2] = {
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"enable_sort", "off"},
	{"enable_indexscan", "on"},
	{"jit", "off"},
};

/*
 * Opens a cursor for evidence, which begins with this hash; sorted: the words of all
 * evidence with this hash.  Needs SPI.
 */
Portal
words_piece_cursor(int64 hash, bool sorted)
{
	int level = NewGUCNestLevel();
	Oid type = INT8OID;
	Datum value = Int64GetDatum(hash);
	Portal portal;

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	portal = SPI_cursor_open_with_args(NULL, sorted ? sorted_query : query, 1, &type, &value, NULL,
									   true, CURSOR_OPT_NO_SCROLL | CURSOR_OPT_FAST_PLAN);
	AtEOXact_GUC(true, level);
	return portal;
}

/* A text of a piece; that of the piece before, if it is the same. */
static char *
take_text(TupleTableSlot *slot, int part, char *before)
{
	text *value;
	int len;

	if (slot->tts_isnull[part])
		return NULL;
	value = DatumGetTextPP(slot->tts_values[part]);
	len = VARSIZE_ANY_EXHDR(value);
	if (before != NULL && strncmp(before, VARDATA_ANY(value), len) == 0 && before[len] == '\0')
		return before;
	return text_to_cstring(value);
}

/* A name among those that the piece before has in the same place, or a copy. */
static char *
take_name(const char *name, const Piece *before, int i)
{
	if (before != NULL && i < before->ncolumns && strcmp(before->columns[i], name) == 0)
		return before->columns[i];
	return pstrdup(name);
}

/* The names in a row key, in one text; that of the piece before, if it is the same. */
static char *
take_shape(Jsonb *key, char *before)
{
	JsonbIterator *it = JsonbIteratorInit(&key->root);
	JsonbIteratorToken token;
	JsonbValue v;
	const char *rest = before;
	StringInfoData buf;

	/* usually it is: then nothing is allocated */
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_KEY || rest == NULL)
			continue;
		if (strncmp(rest, v.val.string.val, v.val.string.len) == 0 && rest[v.val.string.len] == '\n')
			rest += v.val.string.len + 1;
		else
			rest = NULL;
	}
	if (rest != NULL && *rest == '\0')
		return before;
	initStringInfo(&buf);
	it = JsonbIteratorInit(&key->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			appendStringInfo(&buf, "%.*s\n", v.val.string.len, v.val.string.val);
	}
	return buf.data;
}

/* The columns that are in conflict. */
static void
take_conflicts(Piece *piece, TupleTableSlot *slot, const Piece *before)
{
	Datum *elems;
	bool *nulls;
	int n;

	if (slot->tts_isnull[PIECE_COLUMNS])
		return;
	deconstruct_array(DatumGetArrayTypeP(slot->tts_values[PIECE_COLUMNS]), NAMEOID, NAMEDATALEN,
					  false, TYPALIGN_CHAR, &elems, &nulls, &n);
	piece->columns = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
		{
			piece->columns[piece->ncolumns] =
				take_name(NameStr(*DatumGetName(elems[i])), before, piece->ncolumns);
			piece->ncolumns++;
		}
	}
	piece->nconflicts = piece->ncolumns;
}

/*
 * The columns that the piece is about: of a row that was not created, all that was
 * proposed.
 */
static void
take_columns(Piece *piece, TupleTableSlot *slot, const Piece *before)
{
	const Word *w = &piece->word;
	List *names;
	ListCell *lc;

	take_conflicts(piece, slot, before);
	if (strcmp(w->outcome, "discarded") != 0 || strcmp(w->operation, "INSERT") != 0 ||
		w->proposed == NULL || !JB_ROOT_IS_OBJECT(w->proposed))
		return;
	names = value_object_names(w->proposed);
	piece->columns =
		piece->columns == NULL
			? palloc((list_length(names) + 1) * sizeof(char *))
			: repalloc(piece->columns, (piece->ncolumns + list_length(names) + 1) * sizeof(char *));
	foreach(lc, names)
	{
		bool found = false;

		for (int i = 0; i < piece->nconflicts && !found; i++)
			found = strcmp(piece->columns[i], lfirst(lc)) == 0;
		if (!found)
			piece->columns[piece->ncolumns++] = lfirst(lc);
	}
}

/* The one column of a row of the second query. */
static void
take_one_column(Piece *piece, TupleTableSlot *slot)
{
	char *column = TextDatumGetCString(slot->tts_values[PIECE_COLUMN]);

	take_conflicts(piece, slot, NULL);
	for (int i = 0; i < piece->nconflicts; i++)
	{
		if (strcmp(piece->columns[i], column) == 0)
		{
			piece->columns[0] = column;
			piece->ncolumns = piece->nconflicts = 1;
			return;
		}
	}
	piece->columns = palloc(sizeof(char *));
	piece->columns[0] = column;
	piece->ncolumns = 1;
	piece->nconflicts = 0;
}

/*
 * A row of a cursor's result, in the current memory context.  It shares texts with the
 * piece before (NULL: none), if they are the same.
 */
Piece *
words_piece_take(TupleTableSlot *slot, const Piece *before, bool sorted)
{
	static const Piece none = {0};
	Piece *piece = palloc0(sizeof(Piece));
	const Word *was = before == NULL ? &none.word : &before->word;
	Word *w = &piece->word;

	slot_getallattrs(slot);
	piece->hash = DatumGetInt64(slot->tts_values[PIECE_HASH]);
	w->id = DatumGetInt64(slot->tts_values[PIECE_ID]);
	w->at = DatumGetTimestampTz(slot->tts_values[PIECE_AT]);
	w->schema = take_text(slot, PIECE_SCHEMA, was->schema);
	w->table = take_text(slot, PIECE_TABLE, was->table);
	w->row_key = DatumGetJsonbPCopy(slot->tts_values[PIECE_ROW_KEY]);
	w->shape = take_shape(w->row_key, was->shape);
	w->system = take_text(slot, PIECE_SYSTEM, was->system);
	w->role = take_text(slot, PIECE_ROLE, was->role);
	piece->origin = take_text(slot, PIECE_ORIGIN, before == NULL ? NULL : before->origin);
	w->operation = take_text(slot, PIECE_OPERATION, was->operation);
	w->outcome = take_text(slot, PIECE_OUTCOME, was->outcome);
	w->proposed = slot->tts_isnull[PIECE_PROPOSED]
					  ? NULL
					  : DatumGetJsonbPCopy(slot->tts_values[PIECE_PROPOSED]);
	piece->open = DatumGetBool(slot->tts_values[PIECE_OPEN]);
	w->identifies_row = DatumGetBool(slot->tts_values[PIECE_IDENTIFIES_ROW]);
	if (sorted)
		take_one_column(piece, slot);
	else
		take_columns(piece, slot, before);
	return piece;
}
