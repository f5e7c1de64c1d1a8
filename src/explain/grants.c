/*
 * grants.c
 *		The map as native GRANT statements.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_grants);

/*
 * grants(system): the statements of the view grant_statements; NULL is all systems.
 *
 * Errors: no such system.
 */
Datum
ownership_grants(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *system = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	Parameters p = {0};
	uint64 n;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	require_system(system);
	sql_add_text(&p, system);
	n = sql_run("SELECT statement FROM ownership.grant_statements WHERE $1 IS NULL OR system = $1 "
				"ORDER BY system COLLATE \"C\", role COLLATE \"C\", rank, statement COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Datum value;
		bool isnull = false;

		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	SPI_finish();
	return (Datum) 0;
}
