/*
 * names.c
 *		Names as users write them: relations, columns, fields and patterns; and the
 *		similar name that an error suggests.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "base.h"

/* schema.table, quoted where needed; the schema public is left out. */
char *
names_relation_label(const char *schema, const char *table)
{
	if (strcmp(schema, "public") == 0)
		return pstrdup(quote_identifier(table));
	return psprintf("%s.%s", quote_identifier(schema), quote_identifier(table));
}

/* The same without quotes, for a message that quotes the whole. */
char *
names_message_relation(const char *schema, const char *table)
{
	if (strcmp(schema, "public") == 0)
		return pstrdup(table);
	return psprintf("%s.%s", schema, table);
}

/* The same of a relation, which must exist. */
char *
names_message_relation_oid(Oid relid)
{
	return names_message_relation(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* schema.table.column, quoted where needed.  names_split_column() is the reverse. */
char *
names_column_label(const char *schema, const char *table, const char *column)
{
	return psprintf("%s.%s.%s", quote_identifier(schema), quote_identifier(table),
					quote_identifier(column));
}

/*
 * Splits entity.name at the last dot.
 *
 * Errors: there is no dot, or nothing before or after it.
 */
void
names_split_field(const char *text, char **entity, char **name)
{
	const char *dot = strrchr(text, '.');

	if (dot == NULL || dot == text || dot[1] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid field name: \"%s\"", text),
						errhint("A field is named entity.name, such as product.price.")));
	*entity = pnstrdup(text, dot - text);
	*name = pstrdup(dot + 1);
}

/*
 * Splits schema.table.column, or table.column of schema public; identifiers
 * may be quoted as in SQL.
 *
 * Errors: it is neither.
 */
void
names_split_column(const char *text, char **schema, char **table, char **column)
{
	char *copy = pstrdup(text);
	List *parts;

	if (!SplitIdentifierString(copy, '.', &parts) || list_length(parts) < 2 ||
		list_length(parts) > 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid column name: \"%s\"", text),
				 errhint(
					 "A mirrored column is named schema.table.column, or table.column for schema public.")));
	*column = llast(parts);
	*table = list_nth(parts, list_length(parts) - 2);
	*schema = list_length(parts) == 3 ? linitial(parts) : pstrdup("public");
}

/*
 * Does the text match the pattern?  * stands for any characters, also none, and ?
 * for one.  A dot is a character like others.
 */
bool
names_match(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (*text != '\0')
	{
		if (*pattern == '*')
		{
			star = pattern++;
			retry = text;
		}
		else if (*pattern != '\0' && (*pattern == '?' || *pattern == *text))
		{
			pattern++;
			text++;
		}
		else if (star != NULL)
		{
			pattern = star + 1;
			text = ++retry;
		}
		else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/*
 * Does the pattern match the table?  A pattern with a dot is "schema.table", where
 * each part is a pattern.  A pattern without a dot matches tables of schema
 * public; "*" alone matches every table.
 */
bool
names_match_table(const char *pattern, const char *schema, const char *table)
{
	const char *dot = strchr(pattern, '.');

	if (strcmp(pattern, "*") == 0)
		return true;
	if (dot == NULL)
		return strcmp(schema, "public") == 0 && names_match(pattern, table);
	return names_match(pnstrdup(pattern, dot - pattern), schema) && names_match(dot + 1, table);
}

/* Does the pattern match the field, its entity, or one of the tables that contain it? */
bool
names_match_field(const char *pattern, const char *entity, const char *field, List *schemas,
				  List *tables)
{
	ListCell *schema;
	ListCell *table;

	if (names_match(pattern, entity) || names_match(pattern, psprintf("%s.%s", entity, field)))
		return true;
	forboth(schema, schemas, table, tables)
		if (names_match_table(pattern, lfirst(schema), lfirst(table)))
			return true;
	return false;
}

/* Do the texts differ only in the order of two neighbouring characters? */
static bool
swapped(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
	{
		a++;
		b++;
	}
	return a[0] != '\0' && a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0;
}

/*
 * The name in the list that the user most likely meant, or NULL when none is
 * similar.  A name is similar when it is at most three edits away, and at most a
 * third of the length of the longer name, as PostgreSQL suggests columns.  A
 * difference in case only is one edit, and so is a swap of two neighbouring
 * characters.
 */
char *
names_nearest(const char *wanted, List *names)
{
	int wanted_len = strlen(wanted);
	int best = 4;
	char *nearest = NULL;
	ListCell *lc;

	if (wanted_len > 255)
		return NULL; /* longer than the Levenshtein function takes */
	foreach(lc, names)
	{
		char *name = lfirst(lc);
		int len = strlen(name);
		int distance;

		if (len > 255)
			continue;
		if (pg_strcasecmp(name, wanted) == 0 || swapped(name, wanted))
			distance = 1;
		else
			distance = varstr_levenshtein_less_equal(wanted, wanted_len, name, len, 1, 1, 1,
													 best - 1, true);
		if (distance < best && distance <= Max(1, Max(wanted_len, len) / 3))
		{
			best = distance;
			nearest = name;
		}
	}
	return nearest;
}

/* Is the name empty, or does it begin or end with a blank? */
bool
names_is_blank_edged(const char *name)
{
	return name[0] == '\0' || strchr(" \t\r\n", name[0]) != NULL ||
		   strchr(" \t\r\n", name[strlen(name) - 1]) != NULL;
}

/*
 * Can the column's name be the name of a field?  Not with a dot, at which field
 * names are split.
 */
bool
names_can_be_field(const char *column)
{
	return !names_is_blank_edged(column) && strchr(column, '.') == NULL;
}

/* The name at a position, counted from 0; "" where the list is shorter. */
char *
names_at(List *names, int i)
{
	return i < list_length(names) ? list_nth(names, i) : "";
}

bool
names_contain(List *names, const char *name)
{
	ListCell *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* Is every name of the first list in the second? */
bool
names_all_among(List *names, List *others)
{
	ListCell *lc;

	foreach(lc, names)
		if (!names_contain(others, lfirst(lc)))
			return false;
	return true;
}

/* The entity that a table's columns belong to by default: schema.table; of public, the table. */
char *
names_default_entity(const char *schema, const char *table)
{
	return strcmp(schema, "public") == 0 ? pstrdup(table) : psprintf("%s.%s", schema, table);
}

/* Is the field the one that the column is by default? */
bool
names_is_default_field(const char *schema, const char *table, const char *column,
					   const char *entity, const char *field)
{
	return strcmp(field, column) == 0 && strcmp(entity, names_default_entity(schema, table)) == 0;
}

/* Does the text of an owner cell mean that the field has no owner? */
bool
names_mean_no_system(const char *name)
{
	return strcmp(name, "?") == 0 || pg_strcasecmp(name, "tbd") == 0 ||
		   pg_strcasecmp(name, "both") == 0;
}

/* char * names as an array of type name[]. */
Datum
names_array(List *names)
{
	int n = list_length(names);
	Datum *datums = palloc(Max(n, 1) * sizeof(Datum));
	ListCell *lc;
	int i = 0;

	foreach(lc, names)
	{
		Name name = palloc(sizeof(NameData));

		namestrcpy(name, lfirst(lc));
		datums[i++] = NameGetDatum(name);
	}
	return PointerGetDatum(construct_array(datums, n, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}
