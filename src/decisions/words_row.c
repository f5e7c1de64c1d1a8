/*
 * words_row.c
 *		The rows of the view disagreements.
 *
 * Texts that follow each other in many rows, such as the name of the table, are made
 * once.  They are recognised by their pointers, so no text is freed while the rows
 * that are made of it are in use.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "decisions.h"

/* The columns that disagreement() of older versions returned. */
#define OLD_COLUMNS 13

/* The texts that were given so far are freed. */
void
words_row_forget(RowMaker *maker)
{
	memset(maker->made, 0, sizeof(maker->made));
	maker->schema = maker->table = maker->label = NULL;
}

/* The label of a word's table. */
static const char *
label(RowMaker *maker, const Word *w)
{
	if (maker->schema != w->schema || maker->table != w->table)
	{
		maker->schema = w->schema;
		maker->table = w->table;
		maker->label = names_relation_label(w->schema, w->table);
	}
	return maker->label;
}

/* Sets column i, the n-th of those that are texts. */
static void
put_text(RowMaker *maker, Datum *values, bool *nulls, int i, int n, const char *text)
{
	MadeText *made = &maker->made[n];

	nulls[i] = text == NULL;
	if (text != NULL && made->text != text)
	{
		made->text = text;
		made->value = CStringGetTextDatum(text);
	}
	values[i] = made->value;
}

/* A row for a word. */
HeapTuple
words_row_make(RowMaker *maker, const ListedWord *row)
{
	const Word *w = row->word;
	bool old = maker->desc->natts == OLD_COLUMNS;
	const char *texts[LISTED_TEXTS] = {label(maker, w), row->column,  row->entity, row->field,
									   row->owner,		w->system,	  w->role,	   w->operation,
									   w->outcome,		row->refused, row->stored, row->note,
									   w->schema,		w->table};
	const char *old_texts[] = {w->schema,	 w->table,	 row->column,  w->system,	w->role,
							   w->operation, w->outcome, row->refused, row->stored, row->note};
	int key = old ? 4 : 3;
	int n = old ? (int) lengthof(old_texts) : LISTED_TEXTS;
	Datum values[3 + LISTED_TEXTS];
	bool nulls[3 + LISTED_TEXTS];

	values[0] = Int64GetDatum(w->id);
	values[1] = TimestampTzGetDatum(w->at);
	values[key] = JsonbPGetDatum(w->row_key);
	nulls[0] = nulls[1] = nulls[key] = false;
	for (int i = 0; i < n; i++)
		put_text(maker, values, nulls, i + 2 + (i + 2 >= key), i, old ? old_texts[i] : texts[i]);
	return heap_form_tuple(maker->desc, values, nulls);
}
