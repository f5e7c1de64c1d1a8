/*
 * sample.c
 *		A few values of columns, for people who ask what a column contains.
 *
 * They come from the first rows of a table, as the caller may read them.  They are
 * read only where reading waits for no lock and runs no code of others.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base.h"

#define SAMPLED_ROWS "100" /* of a table */

/* What value_samples() reads. */
typedef struct SampledTable
{
	Oid relid;
	List *columns; /* names, as char * */
	List *samples; /* a text for each of them; NULL: there is none */
} SampledTable;

/*
 * Does a name say that the column contains what gives access, such as a password?
 * Nobody needs to see such values to decide who owns the column.
 */
bool
value_name_is_secret(const char *column)
{
	static const char *const words[] = {"password", "passwd", "passphrase", "secret", "credential",
										"token", "apikey", "privatekey", "pwd", "salt", "cvv", "cvc"};
	StringInfoData name;

	initStringInfo(&name);
	/* api_key, apiKey and "API key" are one name */
	for (const char *c = column; *c != '\0'; c++)
		if (*c != '_' && *c != '-' && *c != ' ')
			appendStringInfoChar(&name, pg_tolower((unsigned char) *c));
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		const char *found = strstr(name.data, words[i]);

		/* a short word is one only at an end of the name */
		if (found != NULL && (strlen(words[i]) > 4 || found == name.data ||
							  strcmp(name.data + name.len - strlen(words[i]), words[i]) == 0))
			return true;
	}
	return false;
}

/* Reads the samples of a table; for subxact_try(). */
static void
read_samples(void *arg)
{
	SampledTable *t = arg;
	StringInfoData columns;
	StringInfoData samples;
	ListCell *lc;

	initStringInfo(&columns);
	initStringInfo(&samples);
	foreach(lc, t->columns)
	{
		int i = foreach_current_index(lc);
		const char *separator = i > 0 ? ", " : "";

		if (value_name_is_secret(lfirst(lc)))
		{
			appendStringInfo(&columns, "%sNULL AS c%d", separator, i);
			appendStringInfo(&samples, "%sNULL::text", separator);
			continue;
		}
		appendStringInfo(&columns, "%s%s AS c%d", separator, sql_column("t", lfirst(lc)), i);
		appendStringInfo(&samples,
						 "%s(SELECT string_agg(v, ' | ') FROM (SELECT DISTINCT v COLLATE \"C\" AS v FROM "
						 "(SELECT left(ownership.value_text(c%d), 40) AS v FROM s) x "
						 "WHERE btrim(v) <> '' ORDER BY 1 LIMIT 3) y)",
						 separator, i);
	}
	if (SPI_execute(psprintf("WITH s AS MATERIALIZED (SELECT %s FROM %s t LIMIT " SAMPLED_ROWS
							 ") SELECT %s",
							 columns.data,
							 quote_qualified_identifier(get_namespace_name(
															get_rel_namespace(t->relid)),
														get_rel_name(t->relid)),
							 samples.data),
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read samples of %s", get_rel_name(t->relid));
	for (int i = 0; i < list_length(t->columns); i++)
		t->samples = lappend(t->samples, sql_result_text(0, i + 1));
}

/*
 * Up to three values of each of these columns (names, as char *), as one text for each:
 * "a | b | c"; NULL: it has none, or its name says that it is secret.  NIL: the table
 * cannot be read now, or the caller may not read it.  Needs SPI.
 */
List *
value_samples(Oid relid, List *columns)
{
	SampledTable t = {.relid = relid, .columns = columns};

	if (columns == NIL || trust_unfit_to_read(relid) != NULL || subxact_try(read_samples, &t) != NULL)
		return NIL;
	return t.samples;
}
