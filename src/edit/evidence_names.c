/*
 * evidence_names.c
 *		Evidence and activity follow the new name of a table or column.
 *
 * Both contain names as text.  Activity stays under the old name where there
 * is activity of the same system under the new name already.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

/* Rename a column in a table's evidence, its keys and values included, and activity. */
void
rename_column_evidence(const TablePlace *place, const char *from, const char *to)
{
	Parameters p = {0};

	place_add(&p, place);
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	sql_run("UPDATE ownership.conflict SET columns = array_replace(columns, $3::name, $4::name), "
			"row_key = ownership.key_renamed(row_key, $3, $4), "
			"stored = ownership.key_renamed(stored, $3, $4), "
			"proposed = ownership.key_renamed(proposed, $3, $4) "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND ($3::name = ANY (columns) OR row_key ? $3 OR stored ? $3 OR proposed ? $3)",
			&p);
	sql_run("UPDATE ownership.activity a SET column_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $1 "
			"AND b.table_name = $2 AND b.column_name = $4 AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
}

/* Rename a table in its evidence and activity. */
void
rename_evidence(const TablePlace *from, const TablePlace *to)
{
	Parameters p = {0};

	place_add(&p, from);
	place_add(&p, to);
	sql_run("UPDATE ownership.conflict SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2",
			&p);
	sql_run("UPDATE ownership.activity a SET table_schema = $3, table_name = $4 "
			"WHERE table_schema = $1 AND table_name = $2 "
			"AND NOT EXISTS (SELECT FROM ownership.activity b WHERE b.table_schema = $3 "
			"AND b.table_name = $4 AND b.column_name = a.column_name "
			"AND b.system IS NOT DISTINCT FROM a.system)",
			&p);
}

/*
 * Part of an AFTER trigger on system: where the system gets another name, so does
 * its evidence.  What a system parked waits until that system owns the field.
 * Activity follows by its foreign key.
 */
void
rename_system_evidence(TriggerData *td)
{
	const char *from;
	const char *to;
	Parameters p = {0};
	Parameters q = {0};
	SavedRole caller;

	if (!TRIGGER_FIRED_BY_UPDATE(td->tg_event))
		return;
	from = call_row_text(td, td->tg_trigtuple, "name");
	to = call_row_text(td, td->tg_newtuple, "name");
	if (strcmp(from, to) == 0)
		return;
	SPI_connect();
	caller = role_become_extension();
	sql_add_text(&p, from);
	sql_add_text(&p, to);
	sql_run("UPDATE ownership.conflict SET system = $2 WHERE system = $1", &p);
	if (OidIsValid(catalog_table("history", true)))
	{
		sql_add_text(&q, from);
		sql_add_text(&q, to);
		sql_run("UPDATE ownership.history SET system = $2 WHERE system = $1", &q);
	}
	role_restore(&caller);
	SPI_finish();
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
