/*
 * groups.c
 *		Groups of fields that an import changes so that the map will refuse them.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/* A field of a group: its group, as entity and group. */
typedef struct Grouped
{
	const char *field; /* key: entity.field */
	char *group;
} Grouped;

/* The records whose fields are part of a group. */
typedef struct GroupRecords
{
	const char *group; /* key */
	List *records;
} GroupRecords;

/* The fields that are part of a group: a hash table of Grouped; NULL: there is none. */
static HTAB *
load_groups(void)
{
	Parameters none = {0};
	HTAB *fields;
	uint64 n = sql_run("SELECT entity || '.' || name, column_group FROM ownership.field "
					   "WHERE column_group IS NOT NULL",
					   &none);

	if (n == 0)
		return NULL;
	fields = resolve_hash(sizeof(Grouped));
	for (uint64 i = 0; i < n; i++)
	{
		const char *field = sql_result_text(i, 1);
		Grouped *g = hash_search(fields, &field, HASH_ENTER, NULL);

		g->group = sql_result_text(i, 2);
	}
	SPI_freetuptable(SPI_tuptable);
	return fields;
}

/* The group of a record's field; NULL: none. */
static char *
group_of(HTAB *fields, const Record *r)
{
	const char *field = finding_record_field(r);
	const Grouped *g = field == NULL ? NULL : hash_search(fields, &field, HASH_FIND, NULL);

	return g == NULL ? NULL : g->group;
}

/* The records of a group of an entity; there are none yet in a new entry. */
static GroupRecords *
records_of(HTAB *groups, const char *entity, const char *group)
{
	const char *key = psprintf("%s\001%s", group, entity);
	bool found;
	GroupRecords *g = hash_search(groups, &key, HASH_ENTER, &found);

	if (!found)
		g->records = NIL;
	return g;
}

/*
 * The map refuses a group only when the transaction ends, which a dry run does not do.
 * Adds a problem for each group that it will refuse, to the first row that changes it.
 * Where a row of the group has a problem of its own, what the group will be is not known.
 */
void
sheet_check_groups(Import *import)
{
	HTAB *fields = field_knows_settings() ? load_groups() : NULL;
	HTAB *groups;
	ListCell *lc;

	if (fields == NULL)
		return;
	groups = resolve_hash(sizeof(GroupRecords));
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *group = group_of(fields, r);
		GroupRecords *g;

		if (group == NULL)
			continue;
		g = records_of(groups, sheet_cell(&r->row, SHEET_ENTITY), group);
		g->records = lappend(g->records, r);
	}
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		char *entity = sheet_cell(&r->row, SHEET_ENTITY);
		char *group = r->decides ? group_of(fields, r) : NULL;
		bool known = true;
		ErrorData *error;
		List *records;
		ListCell *other;

		CHECK_FOR_INTERRUPTS();
		if (group == NULL)
			continue;
		records = records_of(groups, entity, group)->records;
		foreach(other, records)
			known &= !((Record *) lfirst(other))->faulty;
		error = known ? field_group_error(entity, group) : NULL;
		if (error != NULL)
			finding_add_problem(import, r, finding_error_text(error));
		foreach(other, records)
			((Record *) lfirst(other))->decides = false;
	}
}
