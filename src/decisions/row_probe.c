/*
 * row_probe.c
 *		Reads rows by many keys, by looking into a unique index of the table, without a
 *		query.
 *
 * What is found is what row_read()'s query finds: where a query could find other rows
 * (inheritance, row security, another equality or collation), where it would not use
 * the index, or where the caller may not read a column, there is no look-up.  The
 * executor's own check says what the caller may read, and the hooks in it are called.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "../base/base.h"
#include "../base/compat.h"
#include "../catalog/catalog.h"
#include "decisions.h"

/*
 * The value of a column of the key, of the column's base type: the constraints
 * of a domain are not checked.  input: of that type.
 *
 * Errors: the key contains no value of the column.
 */
Datum
row_key_datum(Jsonb *key, const RowColumn *col, ValueInput *input)
{
	char *text;

	if (value_object_text(key, col->name, &text) != VALUE_TEXT)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the row cannot be found: its key contains no value of column \"%s\"",
							   col->name)));
	return value_read(input, text);
}

/* The columns of a key, in the order of an index. */
typedef struct Probe
{
	int nkeys;
	const RowColumn *cols[INDEX_MAX_KEYS];
	ValueInput inputs[INDEX_MAX_KEYS];
	ScanKeyData keys[INDEX_MAX_KEYS];
} Probe;

/* Would the query read all rows from this relation, and no more than the caller may see? */
static bool
is_plain(Relation rel, List *key_cols, List *columns)
{
	Oid relid = RelationGetRelid(rel);
	Bitmapset *read = NULL;
	ListCell *lc;
	int rls;

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relhassubclass ||
		RELATION_IS_OTHER_TEMP(rel) || !compat_schema_usage(RelationGetNamespace(rel), GetUserId()))
		return false;
	rls = check_enable_rls(relid, InvalidOid, true);
	if (rls != RLS_NONE && rls != RLS_NONE_ENV)
		return false;
	foreach(lc, key_cols)
		read = bms_add_member(read, ((RowColumn *) lfirst(lc))->attnum -
										FirstLowInvalidHeapAttributeNumber);
	foreach(lc, columns)
		read = bms_add_member(read, ((RowColumn *) lfirst(lc))->attnum -
										FirstLowInvalidHeapAttributeNumber);
	return compat_may_select(rel, read);
}

/* Could a query use the index to find one row? */
static bool
is_usable(Relation index, int nkeys)
{
	Form_pg_index form = index->rd_index;

	return form->indisunique && form->indimmediate && form->indisvalid && form->indisready &&
		   form->indislive && form->indnkeyatts == nkeys && index->rd_rel->relam == BTREE_AM_OID &&
		   heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		   (!form->indcheckxmin ||
			TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
								  TransactionXmin));
}

/* The column of the key that an index column contains; NULL: none. */
static const RowColumn *
find_column(List *key_cols, AttrNumber attnum)
{
	ListCell *lc;

	foreach(lc, key_cols)
	{
		if (((RowColumn *) lfirst(lc))->attnum == attnum)
			return lfirst(lc);
	}
	return NULL;
}

/* Does the index consist of the key's columns, and compare as the query does?  Sets the probe. */
static bool
prepare(Probe *probe, Relation rel, Relation index, List *key_cols)
{
	probe->nkeys = list_length(key_cols);
	if (!is_usable(index, probe->nkeys))
		return false;
	for (int k = 0; k < probe->nkeys; k++)
	{
		AttrNumber attnum = index->rd_index->indkey.values[k];
		const RowColumn *col = find_column(key_cols, attnum);
		Oid type = col == NULL ? InvalidOid : getBaseType(col->type);
		Oid in = index->rd_opcintype[k];
		Oid equals;

		if (col == NULL || index->rd_indcollation[k] !=
							   TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attcollation)
			return false;
		equals = get_opfamily_member(index->rd_opfamily[k], in, in, BTEqualStrategyNumber);
		if (!OidIsValid(equals) || equals != lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr)
			return false;
		for (int before = 0; before < k; before++)
		{
			if (probe->cols[before] == col)
				return false;
		}
		probe->cols[k] = col;
		value_input(&probe->inputs[k], type, -1);
		ScanKeyInit(&probe->keys[k], k + 1, BTEqualStrategyNumber, get_opcode(equals), (Datum) 0);
		probe->keys[k].sk_collation = index->rd_indcollation[k];
	}
	return true;
}

/* Opens an index of the table by which the probe finds its rows; NULL: there is none. */
static Relation
open_index(Probe *probe, Relation rel, List *key_cols)
{
	ListCell *lc;

	if (list_length(key_cols) > INDEX_MAX_KEYS)
		return NULL;
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);

		if (prepare(probe, rel, index, key_cols))
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

/* The texts of the columns of a row. */
static char **
take_values(TupleTableSlot *slot, List *columns, ValueOutput *outputs)
{
	char **values = palloc0((list_length(columns) + 1) * sizeof(char *));
	ListCell *lc;

	foreach(lc, columns)
	{
		int c = foreach_current_index(lc);
		bool isnull;
		Datum value = slot_getattr(slot, ((RowColumn *) lfirst(lc))->attnum, &isnull);

		if (!isnull)
			values[c] = value_write(&outputs[c], value);
	}
	return values;
}

/* Looks for the rows. */
static void
look(Probe *probe, Relation rel, Relation index, List *keys, List *columns, StoredRow *rows)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ValueOutput *outputs = palloc(list_length(columns) * sizeof(ValueOutput));
	IndexScanDesc scan;
	ListCell *lc;

	foreach(lc, columns)
		value_output(&outputs[foreach_current_index(lc)], ((RowColumn *) lfirst(lc))->type);
	/* what a query of this function sees */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	scan = compat_index_beginscan(rel, index, GetActiveSnapshot(), probe->nkeys);
	foreach(lc, keys)
	{
		StoredRow *row = &rows[foreach_current_index(lc)];

		CHECK_FOR_INTERRUPTS();
		memset(row, 0, sizeof(StoredRow));
		for (int k = 0; k < probe->nkeys; k++)
			probe->keys[k].sk_argument =
				row_key_datum(lfirst(lc), probe->cols[k], &probe->inputs[k]);
		index_rescan(scan, probe->keys, probe->nkeys, NULL, 0);
		if (!index_getnext_slot(scan, ForwardScanDirection, slot))
			continue;
		row->n = 1;
		row->values = take_values(slot, columns, outputs);
	}
	index_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Reads columns (of RowColumn) of the rows with these keys (of Jsonb), whose columns are
 * key_cols.  Returns false, and reads nothing, if it takes a query to find what the
 * caller may see.
 *
 * Errors: a key that cannot be looked for.
 */
bool
row_probe(Oid relid, List *keys, List *key_cols, List *columns, StoredRow *rows)
{
	Relation rel = relation_open(relid, AccessShareLock);
	Probe *probe = palloc0(sizeof(Probe));
	Relation index = is_plain(rel, key_cols, columns) ? open_index(probe, rel, key_cols) : NULL;

	if (index != NULL)
	{
		look(probe, rel, index, keys, columns, rows);
		index_close(index, AccessShareLock);
	}
	relation_close(rel, NoLock);
	return index != NULL;
}
