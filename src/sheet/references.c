/*
 * references.c
 *		The foreign keys of rows that are stored at once: checked once for all of them.
 *
 * A foreign key looks up, and locks, what each row refers to.  Here one query does that
 * for many rows, with the same locks and with the same rights, those of the owner of the
 * map's tables; then the rows are inserted without their foreign keys' triggers.  If
 * anything that they refer to is not there, the triggers stay, and raise the error.
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "sheet.h"

/* Runs a query, a literal, about a table of the map as the table's owner; returns its only value. */
static bool
ask_owner(const char *table, const char *sql, Parameters *p)
{
	Relation rel = table_open(catalog_table(table, false), AccessShareLock);
	SavedRole caller = role_become_owner(rel);
	bool result = sql_run_kept(sql, p, CURSOR_OPT_CUSTOM_PLAN) == 1 && sql_result_bool(0, 1);

	role_restore(&caller);
	table_close(rel, AccessShareLock);
	return result;
}

/* The texts, each once, and without null pointers. */
static List *
distinct(List *texts)
{
	HTAB *hash = resolve_hash(sizeof(char *));
	List *result = NIL;
	ListCell *lc;

	foreach(lc, texts)
	{
		const char *text = lfirst(lc);
		bool found = text == NULL;

		if (!found)
			(void) hash_search(hash, &text, HASH_ENTER, &found);
		if (!found)
			result = lappend(result, lfirst(lc));
	}
	hash_destroy(hash);
	return result;
}

/* Are these systems on the map?  Locks them, as a foreign key does.  Null pointers are none. */
bool
reference_systems(List *names)
{
	Parameters p = {0};

	sql_add_texts(&p, distinct(names));
	return ask_owner("system",
					 "SELECT count(*) = cardinality($1) FROM (SELECT FROM ownership.system "
					 "WHERE name = ANY ($1) FOR KEY SHARE) s",
					 &p);
}

/* Are these domains on the map?  Locks them.  Null pointers are none. */
bool
reference_domains(List *names)
{
	Parameters p = {0};

	sql_add_texts(&p, distinct(names));
	return ask_owner("domain",
					 "SELECT count(*) = cardinality($1) FROM (SELECT FROM ownership.domain "
					 "WHERE name = ANY ($1) FOR KEY SHARE) d",
					 &p);
}

/* Are these fields on the map?  Locks them.  Each is named once. */
bool
reference_fields(List *entities, List *names)
{
	Parameters p = {0};

	sql_add_texts(&p, entities);
	sql_add_texts(&p, names);
	return ask_owner("field",
					 "SELECT count(*) = cardinality($1) FROM (SELECT FROM ownership.field "
					 "WHERE (entity, name) IN (SELECT * FROM unnest($1, $2)) FOR KEY SHARE) f",
					 &p);
}

/* Are these tables on the map?  Locks them. */
bool
reference_tables(List *schemas, List *tables)
{
	Parameters p = {0};

	sql_add_texts(&p, schemas);
	sql_add_texts(&p, tables);
	return ask_owner("mirrored_table",
					 "SELECT count(*) = (SELECT count(*) FROM (SELECT DISTINCT * FROM unnest($1, $2)) d) "
					 "FROM (SELECT FROM ownership.mirrored_table WHERE (table_schema, table_name) "
					 "IN (SELECT * FROM unnest($1, $2)) FOR KEY SHARE) t",
					 &p);
}
