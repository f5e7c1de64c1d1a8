/*
 * note.c
 *		What waits for a row that is not there, for explain().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "explain.h"

/*
 * What waits for a row that is not there, as a sentence; NULL: nothing, or the
 * caller may not read evidence.  Needs SPI.
 */
char *
explain_waiting_note(Oid relid, Jsonb *key)
{
	TablePlace place;
	Parameters p = {0};

	if (!OidIsValid(catalog_table("waiting", true)) || !place_of(relid, &place) ||
		pg_class_aclcheck(catalog_table("conflict", false), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return NULL;
	place_add(&p, &place);
	sql_add_value(&p, JSONBOID, JsonbPGetDatum(key), false);
	if (sql_run("SELECT string_agg(DISTINCT quote_ident(column_name), ', ') FROM ownership.waiting "
				"WHERE (table_schema, table_name) = ($1, $2) "
				"AND row_key = (SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each_text($3) k)",
				&p) == 0 ||
		sql_result_text(0, 1) == NULL)
		return NULL;
	return psprintf("Values wait for it: %s. See ownership.waiting.", sql_result_text(0, 1));
}
