/*
 * export.c
 *		export(format, entity): the map in the format of another tool.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../activity/activity.h"
#include "../edit/edit.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_export);

/* A format, and what makes its text of the fields of some entities (char *).  Needs SPI. */
static const struct
{
	const char *name;
	char *(*write)(List *entities);
} formats[] = {{"odcs", export_odcs}, {"dbt", export_dbt}};

/*
 * The entities that match the pattern; NULL: all.
 *
 * Errors: none matches.
 */
static List *
matching(const char *pattern)
{
	List *all = sql_query_names(
		"SELECT entity FROM (SELECT DISTINCT entity FROM ownership.field) e ORDER BY entity COLLATE \"C\"");
	List *some = NIL;
	ListCell *lc;

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
	char *name = call_text(fcinfo, 0);
	MemoryContext cxt = CurrentMemoryContext;
	int looking = reads_do_not_count();
	char *text = NULL;

	for (size_t i = 0; name != NULL && text == NULL && i < lengthof(formats); i++)
	{
		if (strcmp(name, formats[i].name) != 0)
			continue;
		SPI_connect();
		text = MemoryContextStrdup(cxt, formats[i].write(matching(call_text(fcinfo, 1))));
		SPI_finish();
	}
	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown format \"%s\"", name == NULL ? "" : name),
						errhint("Formats are odcs and dbt.")));
	reads_count_again(looking);
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
