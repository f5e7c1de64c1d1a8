/*
 * export.c
 *		export(format, entity): the map as one text, in one of several formats.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../activity/activity.h"
#include "../edit/edit.h"
#include "../sheet/sheet.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_export);

/* A format, and what makes its text of the fields of some entities (char *).  Needs SPI. */
typedef struct ExportFormat
{
	const char *name;
	char *(*write)(List *entities);
	bool whole; /* NIL stands for the whole map, which is more than all entities */
} ExportFormat;

static const ExportFormat formats[] = {
	{"psql", export_psql, true},
	{"odcs", export_odcs, false},
	{"dbt", export_dbt, false},
};

/* Errors: there is no such format. */
static const ExportFormat *
find_format(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (name != NULL && strcmp(formats[i].name, name) == 0)
			return &formats[i];
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", formats[i].name);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("unknown format \"%s\"", name == NULL ? "" : name),
					errhint("Formats are: %s.", known.data)));
}

/*
 * The entities (char *) that match the pattern.
 *
 * Errors: none matches.
 */
static List *
matching(const ExportFormat *format, const char *pattern)
{
	List *all;
	List *some = NIL;
	ListCell *lc;

	if (pattern == NULL && format->whole)
		return NIL;
	all = sql_query_names(
		"SELECT entity FROM (SELECT DISTINCT entity FROM ownership.field) e ORDER BY entity COLLATE \"C\"");
	if (pattern == NULL)
		return all;
	foreach(lc, all)
	{
		if (names_match(pattern, lfirst(lc)))
			some = lappend(some, lfirst(lc));
	}
	if (some == NIL)
		require_undefined(psprintf("no entity on the map matches \"%s\"", pattern),
						  names_nearest(pattern, all), "entity",
						  "SELECT DISTINCT entity FROM ownership.field lists them.");
	return some;
}

/*
 * export(format, entity): the map as text.
 *
 * Errors: no such format; no entity matches.
 */
Datum
ownership_export(PG_FUNCTION_ARGS)
{
	const ExportFormat *format = find_format(call_text(fcinfo, 0));
	MemoryContext caller = CurrentMemoryContext;
	int looking = reads_do_not_count();
	char *text;

	SPI_connect();
	text = MemoryContextStrdup(caller, format->write(matching(format, call_text(fcinfo, 1))));
	SPI_finish();
	reads_count_again(looking);
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
