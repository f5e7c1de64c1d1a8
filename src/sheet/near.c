/*
 * near.c
 *		Fields that no column contains, and the columns that may be meant.
 *
 * A name is compared by its letters and digits, in lower case: "Unit Price" is
 * unit_price.  Columns of a table that has the name of the entity come first.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ctype.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "sheet.h"

PG_FUNCTION_INFO_V1(ownership_near_columns);

#define MAX_NEAR 3		  /* columns that are named */
#define MAX_OF_NAME 50	  /* columns of one name that are looked at */
#define MAX_COMPARED 1000 /* fields for which similar names are looked for, not only equal ones */

/* The columns of one name. */
typedef struct NearName
{
	const char *spelled; /* key */
	List *labels;
	List *tables; /* the names of their tables, spelled as the key */
} NearName;

/* The letters and digits of a name, in lower case. */
static char *
spelled(const char *name)
{
	char *copy = sheet_fold(name);
	char *to = copy;

	for (const char *c = copy; *c != '\0'; c++)
		if (isalnum((unsigned char) *c) || (unsigned char) *c >= 128)
			*to++ = *c;
	*to = '\0';
	return copy;
}

/* The columns of the database that can be on the map, by name; *names: the names. */
static HTAB *
load_columns(List **names)
{
	HTAB *hash = resolve_hash(sizeof(NearName));
	Parameters p = {0};
	uint64 n = sql_run("SELECT n.nspname, c.relname, a.attname FROM " MAPPABLE_COLUMNS
					   "ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum",
					   &p);

	for (uint64 i = 0; i < n; i++)
	{
		char *schema = sql_result_text(i, 1);
		char *table = sql_result_text(i, 2);
		char *column = sql_result_text(i, 3);
		char *key = spelled(column);
		bool found;
		NearName *near = hash_search(hash, &key, HASH_ENTER, &found);

		if (!found)
		{
			near->labels = near->tables = NIL;
			*names = lappend(*names, key);
		}
		if (list_length(near->labels) >= MAX_OF_NAME)
			continue;
		near->labels = lappend(near->labels, names_column_label(schema, table, column));
		near->tables = lappend(near->tables, spelled(table));
		CHECK_FOR_INTERRUPTS();
	}
	return hash;
}

/* Adds labels of columns, at most MAX_NEAR in all; of_entity: of tables that have its name, or others. */
static List *
add_labels(List *labels, const NearName *near, const char *entity, bool of_entity)
{
	ListCell *lc;
	ListCell *table;

	forboth(lc, near->labels, table, near->tables)
		if (list_length(labels) < MAX_NEAR && (strcmp(lfirst(table), entity) == 0) == of_entity)
			labels = lappend(labels, lfirst(lc));
	return labels;
}

/* The columns whose name is that of the field or its label; else, if similar, the most similar name. */
static List *
near_columns(HTAB *hash, List *names, const char *entity, const char *field, const char *label,
			 bool similar)
{
	const char *dot = strrchr(entity, '.');
	char *table = spelled(dot == NULL ? entity : dot + 1);
	char *wanted = spelled(field);
	NearName *near = hash_search(hash, &wanted, HASH_FIND, NULL);
	List *labels = NIL;

	if (near == NULL && label != NULL)
	{
		char *other = spelled(label);

		near = hash_search(hash, &other, HASH_FIND, NULL);
	}
	if (near == NULL && similar)
	{
		char *nearest = names_nearest(wanted, names);

		if (nearest != NULL)
			near = hash_search(hash, &nearest, HASH_FIND, NULL);
	}
	if (near == NULL)
		return NIL;
	labels = add_labels(labels, near, table, true);
	return add_labels(labels, near, table, false);
}

static Datum
text_array(List *texts)
{
	Datum elems[MAX_NEAR];
	int n = 0;
	ListCell *lc;

	foreach(lc, texts)
		elems[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* near_columns(): (entity, field, columns), one row for each field that no column contains. */
Datum
ownership_near_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Parameters p = {0};
	List *names = NIL;
	HTAB *hash = NULL;
	SPITupleTable *fields;
	uint64 n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	n = sql_run("SELECT f.entity, f.name, to_jsonb(f) ->> 'label' FROM ownership.field f WHERE NOT f.local AND NOT EXISTS "
				"(SELECT FROM ownership.mirrored_column c WHERE c.entity = f.entity AND c.field = f.name)",
				&p);
	fields = SPI_tuptable;
	if (n > 0)
		hash = load_columns(&names);
	for (uint64 i = 0; i < n; i++)
	{
		char *entity;
		char *field;
		Datum values[3];
		bool nulls[3] = {false};

		SPI_tuptable = fields;
		entity = sql_result_text(i, 1);
		field = sql_result_text(i, 2);
		values[0] = CStringGetTextDatum(entity);
		values[1] = CStringGetTextDatum(field);
		values[2] = text_array(
			near_columns(hash, names, entity, field, sql_result_text(i, 3), i < MAX_COMPARED));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_finish();
	return (Datum) 0;
}
