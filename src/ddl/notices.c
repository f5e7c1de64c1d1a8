/*
 * notices.c
 *		Warnings to the client after DDL on mirrored tables.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "ddl.h"

/*
 * Where one mirrored column of a type was dropped and one column of that type
 * was added, the user may have meant to rename it.  Warn, and record it in
 * replaced_column for the view risks.
 */
void
notices_report_renamed(const Task *task, const TablePlace *place)
{
	Parameters p = {0};
	uint64 n;
	SPITupleTable *pairs;

	if (task->gone == NIL || task->fresh == NIL)
		return;
	sql_add_oid(&p, task->objid);
	place_add(&p, place);
	sql_add_texts(&p, task->fresh);
	sql_add_texts(&p, task->gone);
	sql_add_texts(&p, task->gone_types);
	n = sql_run(
		"INSERT INTO ownership.replaced_column AS r (relid, former_name, attnum) "
		"SELECT $1, min(g.name), min(a.attnum) "
		"FROM unnest($5, $6::oid[]) g(name, type) "
		"JOIN ownership.mirrored_column m ON (m.table_schema, m.table_name, m.column_name) = ($2, $3, g.name) "
		"JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
		"AND a.attname = ANY ($4::name[]) AND a.atttypid = g.type "
		/* a pattern may have mapped it to the same field */
		"WHERE NOT EXISTS (SELECT FROM ownership.mirrored_column n WHERE (n.table_schema, n.table_name) = ($2, $3) "
		"AND n.column_name = a.attname::text COLLATE \"default\" AND (n.entity, n.field) = (m.entity, m.field)) "
		"AND NOT EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = $1 AND o.attname = g.name::name AND NOT o.attisdropped) "
		"GROUP BY g.type HAVING count(DISTINCT g.name) = 1 AND count(DISTINCT a.attnum) = 1 "
		"ON CONFLICT (relid, former_name) DO UPDATE SET attnum = excluded.attnum "
		"RETURNING former_name, (SELECT attname FROM pg_attribute a WHERE (a.attrelid, a.attnum) = ($1, r.attnum)), "
		"(SELECT format_type(atttypid, NULL) FROM pg_attribute a WHERE (a.attrelid, a.attnum) = ($1, r.attnum))",
		&p);
	pairs = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		const char *was = SPI_getvalue(pairs->vals[i], pairs->tupdesc, 1);
		const char *now = SPI_getvalue(pairs->vals[i], pairs->tupdesc, 2);

		ereport(WARNING,
				(errmsg("column \"%s\" of table \"%s\" may be column \"%s\" under a new name", now,
						names_relation_label(place->schema, place->table), was),
				 errdetail("Both are of type %s. The map of \"%s\" waits for a column of that name.",
						   SPI_getvalue(pairs->vals[i], pairs->tupdesc, 3), was),
				 errhint(
					 "If it is the same column, carry the map over: the risk \"renamed\" of ownership.risks has the statement. ALTER TABLE ... RENAME COLUMN takes the map along.")));
	}
}

/*
 * Is anything stored in a table, or in one below it?  An empty page counts, and
 * so does any foreign table.
 */
static bool
has_storage(Oid relid)
{
	ListCell *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);
		bool any = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ||
				   (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && RelationGetNumberOfBlocks(rel) > 0);

		table_close(rel, NoLock);
		if (any)
			return true;
	}
	return false;
}

/* how many fields the warning names */
#define FIELDS_NAMED 10

/*
 * A table got a name on the map, and its rows were written before it was
 * guarded.  Warn of the fields whose values the writer brought in so without
 * owning them.  No warning is due to a source, which may write its own copy, a
 * steward, which may write everything, or a superuser that writes as no system.
 */
void
notices_report_unjudged(Oid relid, const TablePlace *place)
{
	const Writer *writer;
	Parameters p = {0};
	Parameters q = {0};
	const char *system;
	uint64 n;
	StringInfoData fields;

	/* an unknown system in the setting must not fail this: the next guarded write reports it */
	if (call_is_restoring() || (ownership_system != NULL && ownership_system[0] != '\0' &&
								!lookup_system_exists(ownership_system)))
		return;
	writer = writer_current();
	if (writer->worker || writer->steward)
		return;
	place_add(&p, place);
	if (sql_run("SELECT source FROM ownership.mirrored_table WHERE (table_schema, table_name) = ($1, $2)",
				&p) == 0)
		return;
	system = writer_system(writer, sql_result_text(0, 1));
	if ((system == NULL && superuser_arg(writer->role)) || !has_storage(relid))
		return;
	place_add(&q, place);
	sql_add_text(&q, system);
	n = sql_run("SELECT DISTINCT c.entity || '.' || c.field FROM ownership.mirrored_column c "
				"JOIN ownership.mirrored_table t USING (table_schema, table_name) "
				"JOIN ownership.field_now f ON f.entity = c.entity AND f.name = c.field "
				"JOIN pg_attribute a ON a.attrelid = (SELECT relid FROM ownership.bound_table b "
				"WHERE (b.table_schema, b.table_name) = ($1, $2)) AND a.attname = c.column_name::name "
				"WHERE (c.table_schema, c.table_name) = ($1, $2) "
				"AND (f.owner <> $3 OR (f.owner IS NOT NULL AND $3 IS NULL) "
				"OR EXISTS (SELECT FROM ownership.row_owner_now r WHERE r.owner IS DISTINCT FROM $3 AND r.owner IS NOT NULL "
				"AND (r.table_schema, r.table_name, r.column_name) = (c.table_schema, c.table_name, c.column_name))) "
				"AND (t.source IS DISTINCT FROM $3 OR NOT EXISTS (SELECT FROM ownership.mirrored_column o "
				"JOIN ownership.mirrored_table ot USING (table_schema, table_name) "
				"WHERE o.entity = c.entity AND o.field = c.field AND ot.source IS DISTINCT FROM t.source)) "
				"ORDER BY 1",
				&q);
	if (n == 0)
		return;
	initStringInfo(&fields);
	for (uint64 i = 0; i < Min(n, FIELDS_NAMED); i++)
		appendStringInfo(&fields, "%s\"%s\"", i == 0 ? "" : ", ", sql_result_text(i, 1));
	if (n > FIELDS_NAMED)
		appendStringInfo(&fields, " and %d more", (int) (n - FIELDS_NAMED));
	ereport(WARNING,
			(errmsg("no guard judged the values of %s that came with table \"%s\"", fields.data,
					names_relation_label(place->schema, place->table)),
			 system == NULL
				 ? errdetail(
					   "An unidentified writer gave that name to a table with rows, and owns none of these fields.")
				 : errdetail("System \"%s\" gave that name to a table with rows, and does not own these fields.",
							 system),
			 errhint("Load into the guarded table, or let a role own it that writes as no system.")));
}

/* Warn that a step at commit failed; `what` says which, up to the name of the table. */
void
notices_report_unsettled(Oid relid, ErrorData *error, const char *what)
{
	TablePlace place;
	bool known = place_of(relid, &place);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("%s \"%s\": %s", what,
					known ? names_message_relation(place.schema, place.table) : "schema",
					error->message),
			 errhint(
				 "ownership.risks shows what is open; SELECT ownership.guard() guards a table.")));
}
