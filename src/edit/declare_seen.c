/*
 * declare_seen.c
 *		declare_seen(): systems that were seen reading or writing fields become declared
 *		readers or writers of them.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_declare_seen);

/*
 * declare_seen(pattern, mode): how many declarations were made.
 *
 * Errors: an argument is NULL; mode is none of its words.
 */
Datum
ownership_declare_seen(PG_FUNCTION_ARGS)
{
	char *pattern = call_text(fcinfo, 0);
	char *mode = call_text(fcinfo, 1);
	Parameters p = {0};
	Parameters found = {0};
	List *entities = NIL;
	List *fields = NIL;
	List *systems = NIL;
	uint64 n;

	if (pattern == NULL || mode == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("pattern and mode must not be null")));
	if (strcmp(mode, "read") != 0 && strcmp(mode, "write") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for mode: \"%s\"", mode), errhint("Write read or write.")));
	SPI_connect();
	sql_add_text(&p, mode);
	n = sql_run("SELECT u.entity, u.field, u.system, m.schemas, m.tables FROM ownership.undeclared u "
				"JOIN (SELECT entity, field, array_agg(table_schema) AS schemas, "
				"array_agg(table_name) AS tables FROM ownership.mirrored_column GROUP BY entity, field) m "
				"ON m.entity = u.entity AND m.field = u.field WHERE u.mode = $1",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *entity = sql_result_text(i, 1);
		char *field = sql_result_text(i, 2);

		if (!names_match_field(pattern, entity, field, sql_result_texts(i, 4),
							   sql_result_texts(i, 5)))
			continue;
		entities = lappend(entities, entity);
		fields = lappend(fields, field);
		systems = lappend(systems, sql_result_text(i, 3));
	}
	sql_add_texts(&found, entities);
	sql_add_texts(&found, fields);
	sql_add_texts(&found, systems);
	sql_add_text(&found, mode);
	n = sql_run("INSERT INTO ownership.declared_access (entity, field, system, mode) "
				"SELECT u.entity, u.field, u.system, $4 "
				"FROM unnest($1, $2, $3) AS u(entity, field, system) "
				"ON CONFLICT DO NOTHING",
				&found);
	SPI_finish();
	PG_RETURN_INT64((int64) n);
}
