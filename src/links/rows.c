/*
 * rows.c
 *		The rows of a table that are looked for by the hash of a key.
 */
#include "postgres.h"

#include "links.h"

static LinkRow *
find(const LinkRows *rows, uint64 hash)
{
	int i = hash & (rows->size - 1);

	while (rows->rows[i].hash != 0 && rows->rows[i].hash != hash)
		i = (i + 1) & (rows->size - 1);
	return &rows->rows[i];
}

static void
grow(LinkRows *rows)
{
	LinkRows old = *rows;

	rows->size = Max(64, rows->size * 2);
	rows->rows = palloc0(rows->size * sizeof(LinkRow));
	for (int i = 0; i < old.size; i++)
		if (old.rows[i].hash != 0)
			*find(rows, old.rows[i].hash) = old.rows[i];
	if (old.rows != NULL)
		pfree(old.rows);
}

/* Rows are looked for by the lowest hashes of a sketch, too; `most` of them. */
void
links_rows_want(LinkRows *rows, const Sketch *sketch, int most)
{
	for (int i = 0; i < Min(sketch->n, most); i++)
	{
		LinkRow *row;

		if (2 * (rows->n + 1) > rows->size)
			grow(rows);
		row = find(rows, sketch->hashes[i]);
		rows->n += row->hash == 0;
		row->hash = sketch->hashes[i];
	}
}

/* The row that is looked for by this hash; NULL: none is. */
LinkRow *
links_rows_find(const LinkRows *rows, uint64 hash)
{
	LinkRow *row;

	if (rows->n == 0)
		return NULL;
	row = find(rows, hash);
	return row->hash == 0 ? NULL : row;
}
