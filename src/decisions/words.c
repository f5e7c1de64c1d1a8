/*
 * words.c
 *		The latest evidence of each system for a column of a row, where it was
 *		refused: a stream, of which disagreements.c takes as much as is asked for.
 *
 * A query with the caller's privileges finds the evidence (words_piece.c).  It follows the
 * index on the hash of the row key, in which all evidence of one row stands together:
 * so the first words come at once, and only the evidence of rows with one hash is
 * looked at together.  Where that is much, PostgreSQL sorts it, by another query, so
 * that it need not fit into memory.
 *
 * The cursors see what the statement sees that reads the view.  Where a cursor is
 * gone, since a subtransaction that has opened it was rolled back, another one goes
 * on from there.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "decisions.h"

/* More evidence with one hash is sorted by PostgreSQL. */
#define MANY_PIECES 32

struct Words
{
	DestReceiver dest;		  /* of what the cursor returns; the first member */
	char cursor[NAMEDATALEN]; /* "": none is open */
	int64 from;				  /* the hash with which the cursor begins */
	bool sorted;			  /* the cursor returns what has this hash, sorted */
	int64 taken;			  /* that such a cursor returned so far */
	bool ended;				  /* there are no more pieces */
	bool many;				  /* there are more than MANY_PIECES in the group */
	Piece *next;			  /* the first one of the following call; NULL: not known */
	MemoryContext ahead;	  /* what `next` is in */
	MemoryContext before;	  /* what the first piece of the current list is in */
	MemoryContext fill;		  /* for what the cursor returns */
	Piece *last;			  /* that the cursor returned last; NULL: none in this call */
	List *group;			  /* of Piece *, with one hash, whose words are not in the list yet */
	List *list;				  /* of Word * */
};

/* A column that a piece is about, while the words of a group are found. */
typedef struct Seen
{
	uint32 hash; /* of the column and the system */
	const Piece *piece;
	const char *column;
} Seen;

/* Are two pieces about the same row? */
static bool
same_row(const Word *a, const Word *b)
{
	if ((a->schema != b->schema && strcmp(a->schema, b->schema) != 0) ||
		(a->table != b->table && strcmp(a->table, b->table) != 0) ||
		compareJsonbContainers(&a->row_key->root, &b->row_key->root) != 0)
		return false;
	if (a->identifies_row || b->identifies_row)
		return a->identifies_row == b->identifies_row;
	return a->proposed != NULL && b->proposed != NULL
			   ? compareJsonbContainers(&a->proposed->root, &b->proposed->root) == 0
			   : a->proposed == b->proposed;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_writer(const Piece *a, const Piece *b)
{
	if (a->word.system != NULL || b->word.system != NULL)
		return same_text(a->word.system, b->word.system);
	if (a->origin != NULL || b->origin != NULL)
		return same_text(a->origin, b->origin);
	return same_text(a->word.role, b->word.role);
}

/* For list_sort(): the latest first. */
static int
compare_pieces(const ListCell *one, const ListCell *other)
{
	const Word *a = &((Piece *) lfirst(one))->word;
	const Word *b = &((Piece *) lfirst(other))->word;

	if (a->at != b->at)
		return a->at > b->at ? -1 : 1;
	return a->id == b->id ? 0 : a->id > b->id ? -1 : 1;
}

/* For list_sort(): the words of one piece together. */
static int
compare_ids(const ListCell *one, const ListCell *other)
{
	int64 a = ((Word *) lfirst(one))->id;
	int64 b = ((Word *) lfirst(other))->id;

	return a == b ? 0 : a < b ? -1 : 1;
}

/* Appends the word of a piece for one of its columns. */
static void
add_word(Words *words, Piece *piece, int column)
{
	Word *w = &piece->word;

	if (w->column != NULL)
	{
		w = palloc(sizeof(Word));
		*w = piece->word;
	}
	w->column = piece->columns[column];
	w->in_conflict = column < piece->nconflicts;
	words->list = lappend(words->list, w);
}

/* Has an earlier piece in the list, which is later evidence, decided on the column? */
static bool
is_seen(const Seen *seen, int n, const Seen *now)
{
	for (int i = 0; i < n; i++)
	{
		if (seen[i].hash == now->hash && strcmp(seen[i].column, now->column) == 0 &&
			same_writer(seen[i].piece, now->piece) &&
			same_row(&seen[i].piece->word, &now->piece->word))
			return true;
	}
	return false;
}

/*
 * Appends the words of the group.  The latest evidence counts; where it was let
 * through, or is resolved, earlier evidence is no word either.
 */
static void
end_group(Words *words)
{
	Seen *seen;
	int n = 0;
	ListCell *lc;

	if (words->group == NIL)
		return;
	list_sort(words->group, compare_pieces);
	foreach(lc, words->group)
		n += ((Piece *) lfirst(lc))->ncolumns;
	seen = palloc(Max(n, 1) * sizeof(Seen));
	n = 0;
	foreach(lc, words->group)
	{
		Piece *piece = lfirst(lc);
		const char *system = piece->word.system;

		for (int i = 0; i < piece->ncolumns; i++)
		{
			const char *column = piece->columns[i];
			Seen now = {hash_bytes((const unsigned char *) column, strlen(column)), piece, column};

			if (system != NULL)
				now.hash ^= hash_bytes((const unsigned char *) system, strlen(system));
			if (is_seen(seen, n, &now))
				continue;
			seen[n++] = now;
			if (piece->open)
				add_word(words, piece, i);
		}
	}
	pfree(seen);
	list_free(words->group);
	words->group = NIL;
}

/* Takes a piece into the group of its hash.  False: that has too many. */
static bool
add_piece(Words *words, Piece *piece)
{
	if (words->sorted)
	{
		/* the query has found the latest evidence, for one column */
		add_word(words, piece, 0);
		return true;
	}
	if (words->group != NIL && ((Piece *) linitial(words->group))->hash != piece->hash)
		end_group(words);
	words->many = list_length(words->group) == MANY_PIECES;
	if (!words->many)
		words->group = lappend(words->group, piece);
	return !words->many;
}

/* Does a piece follow that belongs to the same rows as the one before? */
static bool
belongs(const Words *words, const Piece *next)
{
	return words->sorted ? same_row(&words->last->word, &next->word)
						 : words->last->hash == next->hash;
}

/* The cursor returns a piece.  False: no more are wanted. */
static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Words *words = (Words *) self;
	MemoryContext old = MemoryContextSwitchTo(words->fill);
	/* what is kept for the next call has no text of another piece */
	const Piece *last = words->fill == words->ahead ? NULL : words->last;
	Piece *piece = words_piece_take(slot, last, words->sorted);
	bool more = true;

	words->taken++;
	if (words->fill == words->ahead && words->last != NULL && !belongs(words, piece))
		words->next = piece;
	else
	{
		more = add_piece(words, piece);
		words->last = piece;
	}
	MemoryContextSwitchTo(old);
	return more;
}

static void
receive_begins(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receive_ends(DestReceiver *self)
{
}

/* A stream of words, which is kept in the memory context. */
Words *
words_begin(MemoryContext cxt)
{
	Words *words = MemoryContextAllocZero(cxt, sizeof(Words));

	words->dest.receiveSlot = receive;
	words->dest.rStartup = receive_begins;
	words->dest.rShutdown = receive_ends;
	words->dest.rDestroy = receive_ends;
	words->dest.mydest = DestNone;
	words->from = PG_INT64_MIN;
	words->ahead = AllocSetContextCreate(cxt, "ownership word", ALLOCSET_SMALL_SIZES);
	words->before = AllocSetContextCreate(cxt, "ownership word", ALLOCSET_SMALL_SIZES);
	return words;
}

/* Ends the cursor early. */
static void
close_cursor(Words *words)
{
	Portal portal = words->cursor[0] == '\0' ? NULL : GetPortalByName(words->cursor);

	if (PortalIsValid(portal))
		PortalDrop(portal, false);
	words->cursor[0] = '\0';
}

/* Ends the stream early. */
void
words_end(Words *words)
{
	close_cursor(words);
}

/* The cursor, where the pieces that were taken are behind it. */
static Portal
open_cursor(Words *words)
{
	Portal portal = words->cursor[0] == '\0' ? NULL : GetPortalByName(words->cursor);

	if (PortalIsValid(portal))
		return portal;
	portal = words_piece_cursor(words->from, words->sorted);
	strlcpy(words->cursor, portal->name, NAMEDATALEN);
	if (words->sorted && words->taken > 0)
		SPI_cursor_move(portal, true, words->taken);
	return portal;
}

/* Goes on with a cursor for these hashes. */
static void
go_on(Words *words, int64 from, bool sorted)
{
	close_cursor(words);
	words->from = from;
	words->sorted = sorted;
	words->taken = 0;
	words->next = NULL;
}

/* Takes about n pieces: as far as the last one's rows, or the end. */
static void
take_pieces(Words *words, MemoryContext cxt, int n)
{
	/* a cursor that is gone is opened again where the pieces of one hash begin */
	bool gone = words->cursor[0] != '\0' && !PortalIsValid(GetPortalByName(words->cursor));
	Portal portal;
	bool end;

	if (gone && !words->sorted)
		words->next = NULL;
	words->last = NULL;
	words->many = false;
	if (words->next != NULL)
	{
		words->last = words->next;
		words->next = NULL;
		(void) add_piece(words, words->last);
	}
	portal = open_cursor(words);
	words->fill = cxt;
	end = PortalRunFetch(portal, FETCH_FORWARD, n, &words->dest) < (uint64) n;
	words->fill = words->ahead;
	while (!end && !words->many && words->next == NULL)
		end = PortalRunFetch(portal, FETCH_FORWARD, 1, &words->dest) == 0;

	if (words->many)
	{
		int64 hash = words->last->hash;

		list_free(words->group);
		words->group = NIL;
		go_on(words, hash, true);
		return;
	}
	end_group(words);
	if (words->sorted)
		list_sort(words->list, compare_ids);
	if (words->next != NULL)
	{
		if (!words->sorted)
			words->from = words->next->hash;
	}
	else if (words->sorted && words->from < PG_INT64_MAX)
		go_on(words, words->from + 1, false);
	else
		words->ended = true;
}

/*
 * About n more words (of Word *), in the current memory context: all that are about
 * the last one's row are among them, and those of one row of evidence follow each
 * other.  They are valid until the next call.  NIL: there are no more.  Needs SPI.
 */
List *
words_take(Words *words, int n)
{
	MemoryContext cxt = CurrentMemoryContext;
	int level = sql_pin_search_path();
	List *list;

	words->list = NIL;
	while (words->list == NIL && !words->ended)
	{
		MemoryContext before = words->before;

		CHECK_FOR_INTERRUPTS();
		words->before = words->ahead;
		words->ahead = before;
		MemoryContextReset(words->ahead);
		take_pieces(words, cxt, n);
		MemoryContextSwitchTo(cxt);
	}
	list = words->list;
	words->list = NIL;
	sql_unpin_search_path(level);
	return list;
}
