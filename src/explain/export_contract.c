/*
 * export_contract.c
 *		The map as a data contract (Open Data Contract Standard) and as sources of dbt.
 *
 * The texts are made by functions of SQL (45_contract.sql); both are JSON.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "../base/base.h"
#include "explain.h"

static char *
contract(const char *sql, List *entities)
{
	Parameters p = {0};

	sql_add_texts(&p, entities);
	(void) sql_run_composed(sql, &p);
	return sql_result_text(0, 1);
}

/* The fields of the entities as a data contract of version 3.1.0.  Needs SPI. */
char *
export_odcs(List *entities)
{
	return contract("SELECT pg_catalog.jsonb_pretty(ownership.export_odcs($1))", entities);
}

/* The columns that contain them as sources of dbt.  Needs SPI. */
char *
export_dbt(List *entities)
{
	return contract("SELECT pg_catalog.jsonb_pretty(ownership.export_dbt($1))", entities);
}
