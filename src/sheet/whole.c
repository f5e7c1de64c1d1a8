/*
 * whole.c
 *		Rows of a spreadsheet for a whole entity, such as "Customer: CRM": they give the
 *		owner of the fields of the entity that have none.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "../base/base.h"
#include "../edit/edit.h"
#include "sheet.h"

/* A text of a hash table, and what belongs to it. */
typedef struct Entry
{
	const char *text; /* key */
	Record *record;
	int count;
} Entry;

/* The entry of a text; it is made if it is not there. */
static Entry *
enter(HTAB *hash, const char *text)
{
	bool found;
	Entry *entry = hash_search(hash, &text, HASH_ENTER, &found);

	if (!found)
	{
		entry->record = NULL;
		entry->count = 0;
	}
	return entry;
}

/* Takes the rows for whole entities out of the records: by entity. */
static HTAB *
take_whole(Import *import, List **entities)
{
	HTAB *whole = NULL;
	List *records = NIL;
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);

		if (!r->whole)
		{
			records = lappend(records, r);
			continue;
		}
		for (int i = SHEET_OWNER + 1; i < SHEET_CELLS; i++)
			if (sheet_cell(&r->row, i) != NULL)
				finding_add(&import->changes, r->line, r->row.cells[SHEET_ENTITY],
							psprintf("%s: not imported; a row for a whole entity gives the owner only",
									 import->headers[i]));
		if (r->faulty)
			continue;
		if (whole == NULL)
			whole = resolve_hash(sizeof(Entry));
		enter(whole, r->row.cells[SHEET_ENTITY])->record = r;
		*entities = lappend(*entities, r->row.cells[SHEET_ENTITY]);
	}
	import->records = records;
	return whole;
}

/* Gives the owner of a whole entity to the rows of its fields that have none. */
static HTAB *
give_to_rows(Import *import, HTAB *whole, HTAB *fields)
{
	HTAB *entities = resolve_hash(sizeof(Entry));
	ListCell *lc;

	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);
		Entry *entry;

		CHECK_FOR_INTERRUPTS();
		if (sheet_cell(&r->row, SHEET_ENTITY) == NULL || sheet_cell(&r->row, SHEET_FIELD) == NULL)
			continue;
		enter(fields, finding_record_field(r))->record = r;
		enter(entities, r->row.cells[SHEET_ENTITY])->count++;
		entry = hash_search(whole, &r->row.cells[SHEET_ENTITY], HASH_FIND, NULL);
		if (entry == NULL || sheet_cell(&r->row, SHEET_OWNER) != NULL)
			continue;
		r->row.cells[SHEET_OWNER] = entry->record->row.cells[SHEET_OWNER];
		r->given |= 1u << SHEET_OWNER;
		entry->count++;
	}
	return entities;
}

#define SHEET_COLUMN_LIST \
	"s.entity, s.field, s.domain, s.owner, s.readers, s.writers, s.columns, s.policy, s.key, s.local, s.rationale, s.decided_by, s.decided_on"

/* Gives it to the fields of the map that have none and are not in the file: each gets a row. */
static void
give_to_map(Import *import, List *names, HTAB *whole, HTAB *fields)
{
	Parameters p = {0};
	bool labels = field_knows_settings();
	const char *where =
		"FROM ownership.sheet s WHERE s.entity = ANY ($1) AND s.owner IS NULL AND s.local = 'f'";
	uint64 n;

	sql_add_texts(&p, names);
	n = sql_run_composed(psprintf("SELECT " SHEET_COLUMN_LIST "%s %s", labels ? ", s.label" : "",
								  where),
						 &p);
	for (uint64 i = 0; i < n; i++)
	{
		Record *r = palloc0(sizeof(Record));
		Entry *entry;

		for (int c = 0; c < SHEET_LABEL + labels; c++)
			r->row.cells[c] = sql_result_text(i, c + 1);
		if (enter(fields, finding_record_field(r))->record != NULL)
			continue;
		entry = hash_search(whole, &r->row.cells[SHEET_ENTITY], HASH_FIND, NULL);
		r->line = entry->record->line;
		r->row.cells[SHEET_OWNER] = entry->record->row.cells[SHEET_OWNER];
		r->row.cells[SHEET_COLUMNS] = NULL;
		r->given = (1u << SHEET_CELLS) - 1;
		entry->count++;
		import->records = lappend(import->records, r);
	}
}

/* Tells what became of the rows for whole entities. */
static void
tell_whole(Import *import, List *names, HTAB *whole, HTAB *entities)
{
	Parameters p = {0};
	List *all;
	ListCell *lc;
	uint64 n = sql_run("SELECT DISTINCT entity FROM ownership.field", &p);

	for (uint64 i = 0; i < n; i++)
		enter(entities, sql_result_text(i, 1))->count++;
	all = NIL;
	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		Entry *entry = hash_search(whole, &name, HASH_FIND, NULL);
		Record *r = entry->record;
		char *nearest;

		if (hash_search(entities, &name, HASH_FIND, NULL) != NULL)
		{
			finding_add(&import->changes, r->line, name,
						entry->count == 0
							? pstrdup("whole entity: each of its fields has an owner already")
							: psprintf("whole entity: %s for %d of its fields that %s no owner",
									   r->row.cells[SHEET_OWNER], entry->count,
									   entry->count == 1 ? "has" : "have"));
			continue;
		}
		if (all == NIL)
		{
			HASH_SEQ_STATUS scan;
			Entry *other;

			hash_seq_init(&scan, entities);
			while ((other = hash_seq_search(&scan)) != NULL)
				all = lappend(all, unconstify(char *, other->text));
		}
		nearest = names_nearest(name, all);
		if (r->guessed)
			finding_add_problem(import, r,
								psprintf("\"%s\" is no entity with fields, and as a field it has no entity. Write entity.field, add a column \"entity\", or give the entity as an argument.%s",
										 name,
										 nearest == NULL
											 ? ""
											 : psprintf(" Perhaps you meant entity \"%s\".",
														nearest)));
		else
			finding_add(&import->changes, r->line, name,
						psprintf("whole entity: no field of it is in the file or on the map, so nothing gets the owner%s",
								 nearest == NULL
									 ? ""
									 : psprintf(". Perhaps you meant entity \"%s\".", nearest)));
	}
}

/*
 * Cells for which the row's table has no column, and another table of the file has
 * one, get what is on the map.
 */
static void
fill_cells(Import *import)
{
	Parameters p = {0};
	bool labels = field_knows_settings();
	uint32 given = 0;
	List *records = NIL;
	List *entities = NIL;
	List *fields = NIL;
	ListCell *lc;
	uint64 n;

	for (int i = 0; i < SHEET_CELLS; i++)
		given |= import->given[i] ? 1u << i : 0;
	foreach(lc, import->records)
	{
		Record *r = lfirst(lc);

		if ((given & ~r->given & ~(1u << SHEET_ENTITY)) == 0 ||
			r->row.cells[SHEET_ENTITY] == NULL || r->row.cells[SHEET_FIELD] == NULL)
			continue;
		records = lappend(records, r);
		entities = lappend(entities, r->row.cells[SHEET_ENTITY]);
		fields = lappend(fields, r->row.cells[SHEET_FIELD]);
	}
	if (records == NIL)
		return;
	sql_add_texts(&p, entities);
	sql_add_texts(&p, fields);
	n = sql_run_composed(psprintf("SELECT " SHEET_COLUMN_LIST
								  "%s, u.n FROM unnest($1, $2) WITH ORDINALITY u(entity, field, n) JOIN ownership.sheet s "
								  "ON (s.entity, s.field) = (u.entity, u.field)",
								  labels ? ", s.label" : ""),
						 &p);
	for (uint64 i = 0; i < n; i++)
	{
		Record *r = list_nth(records, sql_result_int64(i, SHEET_LABEL + labels + 1) - 1);

		for (int c = SHEET_DOMAIN; c < SHEET_LABEL + labels; c++)
			if ((r->given & (1u << c)) == 0 && c != SHEET_COLUMNS)
				r->row.cells[c] = sql_result_text(i, c + 1);
	}
}

/* Gives the owners of whole entities to their fields, and takes those rows out of the records. */
void
whole_owners(Import *import)
{
	List *names = NIL;
	HTAB *whole = take_whole(import, &names);

	if (whole != NULL)
	{
		HTAB *fields = resolve_hash(sizeof(Entry));
		HTAB *entities = give_to_rows(import, whole, fields);

		give_to_map(import, names, whole, fields);
		tell_whole(import, names, whole, entities);
	}
	fill_cells(import);
}
