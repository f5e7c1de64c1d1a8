/*
 * differ.c
 *		Which columns of two versions of a row can differ, told by their bytes.
 *
 * Two tuples with the same NULLs differ from the first byte that differs to the last.
 * Columns that end before the first begin at the same place in both, and have the same
 * bytes.  So do, counted from the end, columns after the last, from the first column
 * boundary on that is as far from the end in both, and aligned alike.  So only columns
 * between must be compared, and deformed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"

#include "base.h"

#define BLOCK 32

/* Are these blocks equal? */
static inline bool
same_block(const char *a, const char *b)
{
	uint64 x[BLOCK / sizeof(uint64)];
	uint64 y[BLOCK / sizeof(uint64)];

	memcpy(x, a, BLOCK);
	memcpy(y, b, BLOCK);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

/* The number of equal bytes at the beginning of both. */
static int
equal_prefix(const char *a, const char *b, int length)
{
	int n = 0;

	while (n + BLOCK <= length && same_block(a + n, b + n))
		n += BLOCK;
	while (n < length && a[n] == b[n])
		n++;
	return n;
}

/* The number of equal bytes before these two places. */
static int
equal_suffix(const char *a, const char *b, int length)
{
	int n = 0;

	while (n + BLOCK <= length && same_block(a - n - BLOCK, b - n - BLOCK))
		n += BLOCK;
	while (n < length && a[-n - 1] == b[-n - 1])
		n++;
	return n;
}

/* Where a column ends that is the next one after `offset`. */
static int
end_of(Form_pg_attribute att, const char *data, int offset)
{
	if (att->attlen == -1)
		offset = att_align_pointer(offset, att->attalign, -1, data + offset);
	else
		offset = att_align_nominal(offset, att->attalign);
	return (int) att_addlength_pointer((Size) offset, att->attlen, data + offset);
}

/*
 * The columns in which two versions of a row of the relation can differ.  They contain
 * all in which they do.
 */
ColumnRange
value_difference(HeapTuple a, HeapTuple b, TupleDesc desc)
{
	HeapTupleHeader ha = a->t_data;
	HeapTupleHeader hb = b->t_data;
	const char *da = (char *) ha + ha->t_hoff;
	const char *db = (char *) hb + hb->t_hoff;
	int la = a->t_len - ha->t_hoff;
	int lb = b->t_len - hb->t_hoff;
	int prefix;
	int suffix;
	int oa = 0;
	int ob = 0;
	bits8 *nulls = HeapTupleHasNulls(a) ? ha->t_bits : NULL;
	ColumnRange range = {1, InvalidAttrNumber};
	bool found = false;

	if (HeapTupleHeaderGetNatts(ha) != desc->natts || HeapTupleHeaderGetNatts(hb) != desc->natts ||
		HeapTupleHasNulls(a) != HeapTupleHasNulls(b) ||
		(nulls != NULL && memcmp(nulls, hb->t_bits, BITMAPLEN(desc->natts)) != 0))
		return COLUMNS_ALL;
	prefix = equal_prefix(da, db, Min(la, lb));
	if (prefix == la && prefix == lb)
		return range;
	suffix = equal_suffix(da + la, db + lb, Min(la, lb) - prefix);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (nulls != NULL && att_isnull(i, nulls))
			continue;
		oa = end_of(att, da, oa);
		if (!found)
		{
			if (oa <= prefix)
			{
				ob = oa;
				continue;
			}
			found = true;
			range.first = i + 1;
		}
		ob = end_of(att, db, ob);
		range.last = i + 1;
		if (la - oa == lb - ob && la - oa <= suffix && (oa - ob) % MAXIMUM_ALIGNOF == 0)
			break;
	}
	/* where no column ends behind the first byte that differs, it is padding */
	return found ? range : COLUMNS_ALL;
}
