/*
 * evidence_names.c
 *		Evidence, the history of values, pins and activity follow the new name of a
 *		table, a column or a system.
 *
 * All of them contain names as text.  Activity, counts of conflicts and pins stay under the old name
 * where there is one of the same system, or of the same value, under the new name
 * already.  Pins belong to the map: those of a table follow at once, evidence at
 * commit.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../guard/guard.h"
#include "edit.h"

/*
 * The tables of evidence that is a row of names and values: the history has the
 * columns of ownership.conflict.  An older version has no history and no pins.
 */
#define EACH_EVIDENCE(statement, p)                       \
	do                                                    \
	{                                                     \
		sql_run(statement("ownership.conflict"), (p));    \
		if (knows_history())                              \
			sql_run(statement("ownership.history"), (p)); \
	} while (0)

/* Has the extension a history of values, pins, and what feeds publish? */
static bool
knows_history(void)
{
	return OidIsValid(catalog_table("history", true));
}

#define RENAME_COLUMN(table)                                                      \
	"UPDATE " table " SET columns = array_replace(columns, $3::name, $4::name), " \
	"row_key = ownership.key_renamed(row_key, $3, $4), "                          \
	"stored = ownership.key_renamed(stored, $3, $4), "                            \
	"proposed = ownership.key_renamed(proposed, $3, $4) "                         \
	"WHERE table_schema = $1 AND table_name = $2 "                                \
	"AND ($3::name = ANY (columns) OR row_key ? $3 OR stored ? $3 OR proposed ? $3)"

/* Is there an open pin of the value that p, a pin, has under its new names? */
#define PINNED_ALREADY(schema, table, column, key)                                         \
	"EXISTS (SELECT FROM ownership.pin q WHERE p.ended_at IS NULL AND q.ended_at IS NULL " \
	"AND q.id <> p.id AND q.table_schema = " schema " AND q.table_name = " table           \
	" AND q.column_name = " column " AND q.row_key = " key ")"

/* Rename a column in the pins of a table; p has its place and both names. */
static void
rename_pinned_column(Parameters *p)
{
	sql_run("UPDATE ownership.pin p SET column_name = CASE column_name WHEN $3 THEN $4 ELSE column_name END, "
			"row_key = ownership.key_renamed(row_key, $3, $4) "
			"WHERE table_schema = $1 AND table_name = $2 AND (column_name = $3 OR row_key ? $3) "
			"AND NOT " PINNED_ALREADY("$1", "$2",
									  "CASE p.column_name WHEN $3 THEN $4 ELSE p.column_name END",
									  "ownership.key_renamed(p.row_key, $3, $4)"),
			p);
}

/* Rename a table in its pins. */
void
rename_pins(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	if (!knows_history())
		return;
	place_add(&p, from);
	place_add(&p, to);
	sql_run("UPDATE ownership.pin p SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND NOT " PINNED_ALREADY("$3", "$4", "p.column_name", "p.row_key"),
			&p);
}

/* Rename a column in what the feeds of a table are known to publish. */
static void
rename_published_column(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	sql_add_oid(&p, place_find_table(place->schema, place->table));
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	sql_run("UPDATE ownership.feed_column SET columns = array_replace(columns, $2::name, $3::name) "
			"WHERE relid = $1 AND $2::name = ANY (columns)",
			&p);
	feed_edited();
}

/*
 * Rename a column in a table's evidence, its keys and values included, its pins and
 * its activity.
 */
void
rename_column_evidence(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	EACH_EVIDENCE(RENAME_COLUMN, &p);
	if (knows_history())
	{
		rename_pinned_column(&p);
		rename_published_column(place, from, to);
	}
	sql_run("UPDATE ownership.activity a SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $1 "
			"AND b.table_name = $2 AND b.column_name = $4 AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
}

#define RENAME_TABLE(table)                                    \
	"UPDATE " table " SET table_schema = $3, table_name = $4 " \
	"WHERE table_schema = $1 AND table_name = $2"

/* Rename a table in its evidence and activity. */
void
rename_evidence(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	EACH_EVIDENCE(RENAME_TABLE, &p);
	if (OidIsValid(catalog_table("replaced_table", true)))
		sql_run("UPDATE ownership.replaced_table r SET table_schema = $3, table_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2 AND replaced "
				"AND NOT EXISTS (SELECT FROM ownership.replaced_table b WHERE b.table_schema = $3 "
				"AND b.table_name = $4 AND b.system = r.system AND b.bounds = r.bounds)",
				&p);
	sql_run("UPDATE ownership.activity a SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $3 "
			"AND b.table_name = $4 AND b.column_name = a.column_name "
			"AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
	if (OidIsValid(catalog_table("conflict_count", true)))
		sql_run("UPDATE ownership.conflict_count a SET table_schema = $3, table_name = $4 "
				"WHERE table_schema = $1 AND table_name = $2 "
				"AND NOT EXISTS (SELECT FROM ownership.conflict_count b WHERE b.table_schema = $3 "
				"AND b.table_name = $4 AND b.outcome = a.outcome "
				"AND b.system IS NOT DISTINCT FROM a.system)",
				&p);
}

#define RENAME_SYSTEM(table) "UPDATE " table " SET system = $2 WHERE system = $1"

/*
 * Rename a system in evidence and history, so that what waits still belongs to it,
 * and a value that it sends again is found.
 */
void
rename_system_evidence(const char *from, const char *to)
{
	Parameters p = {0};

	sql_add_text(&p, from);
	sql_add_text(&p, to);
	EACH_EVIDENCE(RENAME_SYSTEM, &p);
	if (OidIsValid(catalog_table("replaced_table", true)))
		sql_run("UPDATE ownership.replaced_table r SET system = $2 WHERE system = $1 "
				"AND NOT EXISTS (SELECT FROM ownership.replaced_table o WHERE o.system = $2 "
				"AND (o.table_schema, o.table_name, o.bounds) = (r.table_schema, r.table_name, r.bounds))",
				&p);
}

/*
 * Part of a BEFORE UPDATE trigger on mirrored_column, whose new row has that
 * schema and table: if the row gets another column's name, and the table has a
 * column of the new name and none of the old name, evidence and activity are
 * renamed, too.
 */
void
rename_carry_evidence(TriggerData *td, const char *schema, const char *table)
{
	TablePlace place = {unconstify(char *, schema), unconstify(char *, table), false};
	const char *from = call_row_text(td, td->tg_trigtuple, "column_name");
	const char *to = call_row_text(td, td->tg_newtuple, "column_name");
	Oid relid = place_find_table(schema, table);
	SavedRole caller;

	if (to == NULL || strcmp(from, to) == 0 || !OidIsValid(relid) ||
		strcmp(call_row_text(td, td->tg_trigtuple, "table_schema"), schema) != 0 ||
		strcmp(call_row_text(td, td->tg_trigtuple, "table_name"), table) != 0 ||
		get_attnum(relid, from) != InvalidAttrNumber || get_attnum(relid, to) == InvalidAttrNumber)
		return;
	SPI_connect();
	caller = role_become_extension();
	rename_column_evidence(&place, from, to);
	role_restore(&caller);
	SPI_finish();
}
