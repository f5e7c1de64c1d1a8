/*
 * rows.c
 *		The rows that evidence is about: finds them by key, reads values as text in
 *		the form of evidence, and writes values from that text.
 *
 * This is dynamic SQL with the caller's privileges: GRANT and row security decide
 * what is read and written.  It names everything with its schema and runs under
 * the caller's search_path, because the tables' own triggers run and may need it.
 * Values are parameters of the columns' types, read from their text under the
 * settings under which evidence is written; so what is written is exactly what
 * was refused.
 *
 * statement_run_as_steward() (statement/statement.c) runs the writes: the guard
 * judges them as a steward's and records them with the role of the caller.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "partitioning/partdesc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/typcache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "decisions.h"

/*
 * The columns that a key names, of RowColumn.
 *
 * Errors: a column does not exist; the key names none.
 */
static List *
key_columns(Oid relid, Jsonb *key)
{
	List *columns = NIL;
	ListCell *lc;

	foreach(lc, value_object_names(key))
	{
		RowColumn *col = place_row_column(relid, lfirst(lc));

		if (col == NULL)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("key column \"%s\" of table \"%s\" does not exist",
								   (char *) lfirst(lc), names_message_relation_oid(relid))));
		columns = lappend(columns, col);
	}
	if (columns == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the evidence does not contain the row's key")));
	return columns;
}

/* Appends t.column = operand, with the type's default equality operator. */
static void
append_match(StringInfo buf, const RowColumn *col, const char *operand)
{
	Oid type = getBaseType(col->type);
	Oid equal = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;

	if (!OidIsValid(equal))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("type %s of key column \"%s\" has no equality operator",
							   format_type_be(type), col->name)));
	appendStringInfo(buf, "t.%s %s %s", quote_identifier(col->name), sql_operator(equal), operand);
}

static char *
table_sql(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* The values of one column of all keys, as an array. */
static Datum
key_array(List *keys, const RowColumn *col, Oid *array_type)
{
	Oid type = getBaseType(col->type);
	Datum *datums = palloc(list_length(keys) * sizeof(Datum));
	ValueInput input;
	int16 len;
	bool byval;
	char align;
	ListCell *lc;
	int n = 0;

	*array_type = get_array_type(type);
	if (!OidIsValid(*array_type))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("type %s of key column \"%s\" has no array type",
							   format_type_be(type), col->name)));
	value_input(&input, type, -1);
	foreach(lc, keys)
		datums[n++] = row_key_datum(lfirst(lc), col, &input);
	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_array(datums, n, type, len, byval, align));
}

/* A table with more partitions is not joined with the keys unless they can be pruned. */
#define MANY_PARTITIONS 32

/* How many keys one query looks for where their values prune partitions. */
#define KEYS_AT_ONCE 16

/*
 * Has the table many partitions, and do the values of the keys say in which ones
 * the rows are?  The planner's work for a join grows with the square of the number
 * of partitions.
 */
static bool
prunes_many(Oid relid, List *key_cols)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool prunes = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
				  RelationGetPartitionDesc(rel, true)->nparts > MANY_PARTITIONS;

	if (prunes)
	{
		PartitionKey key = RelationGetPartitionKey(rel);

		for (int i = 0; i < key->partnatts && prunes; i++)
		{
			ListCell *lc;
			bool found = false;

			foreach(lc, key_cols)
				found |= ((RowColumn *) lfirst(lc))->attnum == key->partattrs[i];
			prunes = found;
		}
	}
	relation_close(rel, NoLock);
	return prunes;
}

/*
 * Reads the rows of some keys by one query.  prune: the query also compares with
 * the keys' values as constants, by which the planner leaves out partitions.
 */
static void
read_rows(Oid relid, List *keys, List *key_cols, List *columns, bool lock, bool place, bool prune,
		  StoredRow *rows)
{
	int nkeys = list_length(key_cols);
	Oid *types = palloc(nkeys * sizeof(Oid));
	Datum *values = palloc(nkeys * sizeof(Datum));
	StringInfoData sql;
	StringInfoData arrays;
	StringInfoData names;
	StringInfoData match;
	ListCell *lc;
	int rc;

	initStringInfo(&sql);
	initStringInfo(&arrays);
	initStringInfo(&names);
	initStringInfo(&match);
	foreach(lc, key_cols)
	{
		RowColumn *col = lfirst(lc);
		int i = foreach_current_index(lc);

		values[i] = key_array(keys, col, &types[i]);
		appendStringInfo(&arrays, "%spg_catalog.unnest($%d)", i > 0 ? ", " : "", i + 1);
		appendStringInfo(&names, "k%d, ", i + 1);
		appendStringInfoString(&match, i > 0 ? " AND " : "");
		append_match(&match, col, psprintf("k.k%d", i + 1));
		if (prune)
		{
			appendStringInfoString(&match, " AND ");
			append_match(&match, col, psprintf("ANY ($%d)", i + 1));
		}
	}
	appendStringInfoString(&sql, "SELECT k.n");
	foreach(lc, columns)
		appendStringInfo(&sql, ", t.%s", quote_identifier(((RowColumn *) lfirst(lc))->name));
	/* reading these takes a privilege on the whole table */
	if (place)
		appendStringInfoString(&sql, ", t.tableoid, t.ctid");
	appendStringInfo(&sql,
					 " FROM ROWS FROM (%s) WITH ORDINALITY AS k(%sn) "
					 "JOIN %s AS t ON %s%s",
					 arrays.data, names.data, table_sql(relid), match.data,
					 lock ? " FOR UPDATE OF t" : "");

	memset(rows, 0, list_length(keys) * sizeof(StoredRow));
	rc = SPI_execute_with_args(sql.data, nkeys, types, values, NULL, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	for (uint64 r = 0; r < SPI_processed; r++)
	{
		HeapTuple tuple = SPI_tuptable->vals[r];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		StoredRow *row = &rows[DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull)) - 1];

		if (row->n++ > 0)
			continue;
		row->values = palloc0((list_length(columns) + 1) * sizeof(char *));
		for (int c = 0; c < list_length(columns); c++)
		{
			Datum value = SPI_getbinval(tuple, desc, c + 2, &isnull);

			if (!isnull)
				row->values[c] = value_to_text(SPI_gettypeid(desc, c + 2), value);
		}
		if (place)
		{
			int c = list_length(columns) + 2;

			row->relid = DatumGetObjectId(SPI_getbinval(tuple, desc, c, &isnull));
			row->tid = *(ItemPointer) DatumGetPointer(SPI_getbinval(tuple, desc, c + 1, &isnull));
		}
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Reads columns (of RowColumn) of the rows with these keys (of Jsonb), which must
 * name the same columns; rows has one element for each key.  lock: locks the rows
 * FOR UPDATE.  place: also reads where the rows are stored.  Many keys are looked for
 * without a query, if that finds the same (row_probe()).  Needs SPI.
 *
 * Errors: a key that cannot be looked for; the caller may not read the columns.
 */
void
row_read(Oid relid, List *keys, List *columns, bool lock, bool place, StoredRow *rows)
{
	List *key_cols = key_columns(relid, linitial(keys));
	int n = list_length(keys);
	bool prune;
	int at_once;

	if (!lock && !place && n >= ROW_MANY_KEYS && row_probe(relid, keys, key_cols, columns, rows))
		return;
	prune = prunes_many(relid, key_cols);
	at_once = prune ? KEYS_AT_ONCE : n;
	for (int i = 0; i < n; i += at_once)
	{
		List *some = NIL;

		for (int k = i; k < Min(n, i + at_once); k++)
			some = lappend(some, list_nth(keys, k));
		read_rows(relid, some, key_cols, columns, lock, place, prune, &rows[i]);
	}
}

static void
add_parameter(ParamListInfo params, Oid type, char *text)
{
	ParamExternData *p = &params->params[params->numParams++];

	p->ptype = type;
	p->pflags = PARAM_FLAG_CONST;
	p->isnull = text == NULL;
	p->value = text == NULL ? (Datum) 0 : value_from_text(type, text);
}

/*
 * Inserts, updates or deletes one row as a steward.  key is not read for INSERT.
 * values: of char *, texts of the columns; NULL is NULL.  Needs SPI.
 *
 * Errors: any error of the write; the write did not write exactly one row.
 */
void
row_write(Oid relid, Operation operation, Jsonb *key, List *columns, List *values)
{
	List *key_cols = operation == OPERATION_INSERT ? NIL : key_columns(relid, key);
	int n = list_length(columns) + list_length(key_cols);
	ParamListInfo params = makeParamList(n);
	StringInfoData sql;
	StringInfoData list;
	bool overriding = false;
	ListCell *lc;
	ListCell *lv;

	params->numParams = 0;
	initStringInfo(&sql);
	initStringInfo(&list);
	if (operation == OPERATION_INSERT)
		appendStringInfo(&sql, "INSERT INTO %s (", table_sql(relid));
	else if (operation == OPERATION_UPDATE)
		appendStringInfo(&sql, "UPDATE %s AS t SET ", table_sql(relid));
	else
		appendStringInfo(&sql, "DELETE FROM %s AS t", table_sql(relid));
	forboth(lc, columns, lv, values)
	{
		RowColumn *col = lfirst(lc);
		const char *comma = foreach_current_index(lc) > 0 ? ", " : "";

		add_parameter(params, col->type, lfirst(lv));
		overriding |= col->identity;
		appendStringInfo(&sql, "%s%s", comma, quote_identifier(col->name));
		if (operation == OPERATION_UPDATE)
			appendStringInfo(&sql, " = $%d", params->numParams);
		else
			appendStringInfo(&list, "%s$%d", comma, params->numParams);
	}
	if (operation == OPERATION_INSERT)
		appendStringInfo(&sql, ")%s VALUES (%s)", overriding ? " OVERRIDING SYSTEM VALUE" : "",
						 list.data);
	foreach(lc, key_cols)
	{
		RowColumn *col = lfirst(lc);
		ValueInput input;
		char *text;

		value_input(&input, getBaseType(col->type), -1);
		(void) row_key_datum(key, col, &input);
		(void) value_object_text(key, col->name, &text);
		add_parameter(params, getBaseType(col->type), text);
		appendStringInfoString(&sql, foreach_current_index(lc) > 0 ? " AND " : " WHERE ");
		append_match(&sql, col, psprintf("$%d", params->numParams));
	}

	if (statement_run_as_steward(relid, sql.data, params) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the row of table \"%s\" was not written", names_message_relation_oid(relid)),
				 errdetail("A trigger, a rule or a row security policy of the table prevented it.")));
}
