/*
 * export.c
 *		export(): the map as one text, in one of several formats.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_export);

/* A format, and what writes it; of one entity, or of all if that is NULL.  The text is palloc'd. */
typedef struct ExportFormat
{
	const char *name;
	char *(*write)(const char *entity);
} ExportFormat;

static const ExportFormat formats[] = {
	{"psql", export_psql},
};

/* Errors: there is no such format. */
static const ExportFormat *
find_format(const char *name)
{
	List *names = NIL;
	StringInfoData known;
	char *nearest;

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
		names = lappend(names, pstrdup(formats[i].name));
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", formats[i].name);
	}
	nearest = names_nearest(name, names);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown format \"%s\"", name),
					errdetail("Formats are: %s.", known.data),
					nearest != NULL ? errhint("Perhaps you meant format \"%s\".", nearest) : 0));
}

/* Errors: no field is of the entity. */
static void
require_entity(const char *entity)
{
	Parameters p = {0};

	if (entity == NULL)
		return;
	sql_add_text(&p, entity);
	if (sql_run("SELECT FROM ownership.field WHERE entity = $1 LIMIT 1", &p) == 0)
		require_undefined(psprintf("entity \"%s\" does not exist", entity),
						  names_nearest(entity, sql_query_names(
													"SELECT DISTINCT entity FROM ownership.field")),
						  "entity", "ownership.field has the fields of all entities.");
}

/*
 * export(format, entity): the map, or what it says of one entity, as text.
 *
 * Errors: no such format; no such entity.
 */
Datum
ownership_export(PG_FUNCTION_ARGS)
{
	char *name = call_text(fcinfo, 0);
	char *entity = call_text(fcinfo, 1);
	const ExportFormat *format;
	MemoryContext caller = CurrentMemoryContext;
	char *text;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the format must not be null")));
	format = find_format(name);
	SPI_connect();
	require_entity(entity);
	text = format->write(entity);
	text = MemoryContextStrdup(caller, text);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
