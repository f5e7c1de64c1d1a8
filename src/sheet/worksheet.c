/*
 * worksheet.c
 *		worksheet(): the rows of the spreadsheet that people must decide on, with what
 *		the database knows of them.
 *
 * Samples are values of the first rows of a table (base/sample.c).
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "../activity/activity.h"
#include "../base/base.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_worksheet);

/* The columns of the result: those of the sheet, and these. */
enum
{
	WORKSHEET_SUGGESTION = SHEET_CELLS,
	WORKSHEET_REASON,
	WORKSHEET_SEEN_READERS,
	WORKSHEET_SEEN_WRITERS,
	WORKSHEET_SAMPLES,
	WORKSHEET_CELLS
};

/* A row of the result. */
typedef struct WorkRow
{
	char *cells[WORKSHEET_CELLS];
	/* the column from which samples are taken */
	Oid relid; /* InvalidOid: none */
	char *column;
} WorkRow;

/* The rows that take their samples from one table. */
typedef struct SampledTable
{
	Oid relid;	/* key */
	List *rows; /* of WorkRow * */
} SampledTable;

/*
 * One row for each field: the cells of the sheet; suggestion, reason, seen_readers,
 * seen_writers; schemas and tables of its columns; table and column of samples.
 * By a column, the guide's suggestion counts that is sure, else one with a system.
 * What matters first: shared and linked fields, then quarrels, then fields without
 * owner.
 */
#define WORKSHEET                                                                                               \
	"WITH guide AS MATERIALIZED (SELECT m.entity, m.field, "                                                    \
	"(array_agg(coalesce(g.system, g.kind, CASE g.domain WHEN 'technical' THEN 'local' END) "                   \
	"ORDER BY g.sure DESC, g.system IS NULL, g.kind IS NULL, g.relation COLLATE \"C\", "                        \
	"g.column_name COLLATE \"C\"))[1] AS suggestion, "                                                          \
	"(array_agg(concat(CASE WHEN g.sure THEN 'sure: ' END, g.domain || ': ', g.reason) "                        \
	"ORDER BY g.sure DESC, g.system IS NULL, g.kind IS NULL, g.relation COLLATE \"C\", "                        \
	"g.column_name COLLATE \"C\"))[1] AS reason "                                                               \
	"FROM (SELECT WHERE EXISTS (SELECT FROM ownership.mirrored_table t "                                        \
	"JOIN pg_namespace n ON n.nspname = t.table_schema::name JOIN pg_class c ON c.relnamespace = n.oid "        \
	"AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f'))) any_table "                          \
	"CROSS JOIN LATERAL ownership.suggest('*') g "                                                              \
	"JOIN ownership.mirrored_column m ON ownership.relation_name(m.table_schema, m.table_name) = "              \
	"g.relation AND m.column_name = g.column_name GROUP BY m.entity, m.field), "                                \
	"place AS (SELECT m.entity, m.field, array_agg(m.table_schema) AS schemas, "                                \
	"array_agg(m.table_name) AS tables, (array_agg(a.attrelid::oid ORDER BY m.authoritative DESC, "             \
	"t.source IS NOT NULL, m.table_schema COLLATE \"C\", m.table_name COLLATE \"C\", "                          \
	"m.column_name COLLATE \"C\") FILTER (WHERE a.attnum IS NOT NULL))[1] AS relid, "                           \
	"(array_agg(m.column_name ORDER BY m.authoritative DESC, t.source IS NOT NULL, "                            \
	"m.table_schema COLLATE \"C\", m.table_name COLLATE \"C\", m.column_name COLLATE \"C\") "                   \
	"FILTER (WHERE a.attnum IS NOT NULL))[1] AS column_name "                                                   \
	"FROM ownership.mirrored_column m JOIN ownership.mirrored_table t USING (table_schema, table_name) "        \
	"LEFT JOIN (pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f') "     \
	"JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "                        \
	"AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') "             \
	"AND NOT row_security_active(c.oid)) "                                                                      \
	"ON (n.nspname, c.relname, a.attname) = (m.table_schema::name, m.table_name::name, m.column_name::name) "   \
	"GROUP BY m.entity, m.field) "                                                                              \
	"SELECT s.entity, s.field, s.domain, s.owner, s.readers, s.writers, s.columns, s.policy, "                  \
	"s.key, s.local, s.rationale, s.decided_by, s.decided_on, s.label, g.suggestion, "                          \
	"nullif(concat_ws('; ', g.reason, CASE WHEN x.by_default THEN s.owner || ' owns it by default' END), ''), " \
	"x.seen_readers, x.seen_writers, p.schemas, p.tables, "                                                     \
	"CASE WHEN f.sensitive OR d.sensitive THEN NULL ELSE p.relid END, p.column_name "                           \
	"FROM ownership.crossing x JOIN ownership.sheet s USING (entity, field) "                                   \
	"JOIN ownership.field_now f ON f.entity = x.entity AND f.name = x.field "                                   \
	"LEFT JOIN ownership.domain d ON d.name = f.domain "                                                        \
	"LEFT JOIN guide g ON g.entity = x.entity AND g.field = x.field "                                           \
	"LEFT JOIN place p ON p.entity = x.entity AND p.field = x.field "                                           \
	"WHERE CASE $1 WHEN 'all' THEN true WHEN 'contested' THEN x.contested "                                     \
	"WHEN 'crossing' THEN NOT f.local AND (x.shared OR x.linked OR x.systems > 1) "                             \
	"ELSE NOT f.local AND (f.owner IS NULL OR (x.by_default AND (x.linked OR x.systems > 1))) END "             \
	"ORDER BY f.local, NOT (x.shared OR x.linked), NOT x.contested, f.owner IS NOT NULL, "                      \
	"x.systems DESC, x.times DESC, x.entity COLLATE \"C\", x.field COLLATE \"C\""

/* The rows of the result, without samples, as WorkRow *; *tables: SampledTable by OID. */
static List *
load_rows(const char *pattern, const char *only, HTAB *tables)
{
	Parameters p = {0};
	List *rows = NIL;
	uint64 n;

	sql_add_text(&p, only);
	n = sql_run(WORKSHEET, &p);
	for (uint64 i = 0; i < n; i++)
	{
		WorkRow *row = palloc0(sizeof(WorkRow));
		char *relid;

		for (int c = 0; c < WORKSHEET_SAMPLES; c++)
			row->cells[c] = sql_result_text(i, c + 1);
		if (!names_match_field(pattern, row->cells[SHEET_ENTITY], row->cells[SHEET_FIELD],
							   sql_result_texts(i, WORKSHEET_SAMPLES + 1),
							   sql_result_texts(i, WORKSHEET_SAMPLES + 2)))
			continue;
		rows = lappend(rows, row);
		relid = sql_result_text(i, WORKSHEET_SAMPLES + 3);
		row->column = sql_result_text(i, WORKSHEET_SAMPLES + 4);
		if (relid != NULL)
		{
			bool found;
			SampledTable *t;

			row->relid = atooid(relid);
			t = hash_search(tables, &row->relid, HASH_ENTER, &found);
			if (!found)
				t->rows = NIL;
			t->rows = lappend(t->rows, row);
		}
	}
	return rows;
}

/* Reads the samples of all tables that may be read now.  A table that cannot be read has none. */
static void
load_samples(HTAB *tables)
{
	HASH_SEQ_STATUS scan;
	SampledTable *t;
	List *all = NIL;
	ListCell *lc;

	hash_seq_init(&scan, tables);
	while ((t = hash_seq_search(&scan)) != NULL)
		all = lappend(all, t);
	foreach(lc, all)
	{
		List *columns = NIL;
		List *samples;
		ListCell *row;
		ListCell *sample;

		t = lfirst(lc);
		foreach(row, t->rows)
			columns = lappend(columns, ((WorkRow *) lfirst(row))->column);
		samples = value_samples(t->relid, columns);
		forboth(row, t->rows, sample, samples)
			((WorkRow *) lfirst(row))->cells[WORKSHEET_SAMPLES] = lfirst(sample);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * worksheet(pattern, only): one row for each field.
 *
 * Errors: an argument is NULL; only is none of its words.
 */
Datum
ownership_worksheet(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {"undecided", "contested", "crossing", "all"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HASHCTL ctl = {.keysize = sizeof(Oid),
				   .entrysize = sizeof(SampledTable),
				   .hcxt = CurrentMemoryContext};
	HTAB *tables = hash_create("ownership tables with samples", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	char *only;
	bool known = false;
	int looking;
	List *rows;
	ListCell *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("pattern and only must not be null")));
	only = text_to_cstring(PG_GETARG_TEXT_PP(1));
	for (int i = 0; i < (int) lengthof(words); i++)
		known |= strcmp(only, words[i]) == 0;
	if (!known)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for only: \"%s\"", only),
						errhint("Write undecided, contested, crossing or all.")));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	/* who looks at samples is no reader of the fields */
	looking = reads_do_not_count();
	rows = load_rows(text_to_cstring(PG_GETARG_TEXT_PP(0)), only, tables);
	load_samples(tables);
	reads_count_again(looking);
	foreach(lc, rows)
		call_put_row(rsinfo, WORKSHEET_CELLS, (const char *const *) ((WorkRow *) lfirst(lc))->cells);
	SPI_finish();
	return (Datum) 0;
}
