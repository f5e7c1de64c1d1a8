/*
 * why.c
 *		why(field_or_column, row_key): what happened to one value.
 *
 * why() looks up every copy of the field, with the caller's privileges, by the
 * key: its names are key fields of the entity or columns of one table's own key.
 * In a table whose key the caller did not give, it finds the row by the values of
 * the key fields in the first table that has the row (why_key.c, why_rows.c).
 * Then it reports the evidence about that row, the rules, the last writes and the
 * feeds, and before all of these an answer of a few sentences (why_facts.c).
 *
 * A copy that cannot be read is reported as such; it is no error.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../activity/activity.h"
#include "../edit/edit.h"
#include "../drift/drift.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_why);

/*
 * Sets why's entity and field to what the text names: entity.name, or a column
 * that contains a field.  Sets *named to that column, else to NULLs.
 *
 * Errors: no such field or column.
 */
static void
find_field(Why *why, const char *text, Holder *named)
{
	const char *dot = strrchr(text, '.');
	const char *keys[3];
	CatalogScan *scan;
	bool found;

	memset(named, 0, sizeof(Holder));
	names_split_field(text, &why->entity, &why->field);
	if (lookup_field_exists(why->entity, why->field))
		return;
	if (dot != NULL)
		names_split_column(text, &named->schema, &named->table, &named->column);
	keys[0] = named->schema;
	keys[1] = named->table;
	keys[2] = named->column;
	scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	found = catalog_next(scan);
	if (!found)
		require_undefined(psprintf("\"%s\" is neither a field nor a column on the ownership map",
								   text),
						  require_near_field(why->entity, why->field), "field",
						  "ownership.map lists the columns with their fields.");
	why->entity = catalog_text(scan, Anum_mirrored_column_entity);
	why->field = catalog_text(scan, Anum_mirrored_column_field);
	catalog_end(scan);
}

/*
 * why(field_or_column, row_key): what happened to that value.
 *
 * Errors: no such field or column; no column contains the field; row_key does not
 * identify a row.
 */
Datum
ownership_why(PG_FUNCTION_ARGS)
{
	int looking = reads_do_not_count();
	Why why = {0};
	Holder named;

	InitMaterializedSRF(fcinfo, 0);
	why.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	find_field(&why, text_to_cstring(PG_GETARG_TEXT_PP(0)), &named);
	why.given = key_read(PG_GETARG_JSONB_P(1));
	why_load_places(&why);
	why_look_everywhere(&why, &named);
	why_report_values(&why);
	why_report_evidence(&why);
	why_report_rules(&why);
	why_report_last_writes(&why);
	why_report_feeds(&why);
	why_report_answer(&why);
	why_return(&why);
	SPI_finish();
	reads_count_again(looking);
	return (Datum) 0;
}
