/*
 * why_rows.c
 *		The tables that contain a field, and their rows that why() finds by the key.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/commit_ts.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../drift/drift.h"
#include "explain.h"

/* How many rows of one copy are reported, where several have the key. */
#define MAX_ROWS 10

/*
 * Sets why's owner and places: one for each column that contains the field.
 * Needs SPI.
 *
 * Errors: no column contains the field.
 */
void
why_load_places(Why *why)
{
	Parameters p = {0};
	List *names;
	uint64 n;
	ListCell *lc;

	sql_add_text(&p, why->entity);
	sql_add_text(&p, why->field);
	n = sql_run("SELECT m.table_schema, m.table_name, m.column_name, f.owner, "
				"coalesce(l.authoritative_schema IS NOT NULL, count(*) OVER () = 1) AS best "
				"FROM ownership.mirrored_column m "
				"JOIN ownership.field_now f ON f.entity = m.entity AND f.name = m.field "
				"LEFT JOIN (SELECT DISTINCT authoritative_schema, authoritative_table, authoritative_column "
				"FROM ownership.linked_copy WHERE entity = $1 AND field = $2) l "
				"ON (l.authoritative_schema, l.authoritative_table, l.authoritative_column) "
				"= (m.table_schema, m.table_name, m.column_name) "
				"WHERE m.entity = $1 AND m.field = $2 "
				"ORDER BY l.authoritative_schema IS NULL, m.table_schema COLLATE \"C\", "
				"m.table_name COLLATE \"C\", m.column_name COLLATE \"C\"",
				&p);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no column contains field \"%s.%s\"", why->entity, why->field),
				 errhint("Put its columns on the map with ownership.link() or ownership.assign().")));
	for (uint64 i = 0; i < n; i++)
	{
		FieldPlace *place = palloc0(sizeof(FieldPlace));

		place->holder.schema = sql_result_text(i, 1);
		place->holder.table = sql_result_text(i, 2);
		place->holder.column = sql_result_text(i, 3);
		why->owner = sql_result_text(i, 4);
		place->authoritative = n == 1 || (i == 0 && sql_result_bool(i, 5));
		why->places = lappend(why->places, place);
	}
	why->memo = match_memo(NULL, why->entity);
	names = list_concat_copy(why->memo->fields, lookup_key_fields(why->entity));
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		Holder *h = &place->holder;

		place->label = holder_label(h);
		place->source = lookup_table_source(h->schema, h->table);
		holder_find(h);
		if (h->attnum == InvalidAttrNumber)
		{
			place->problem = OidIsValid(h->relid) ? "The column is not in the database."
												  : "The table is not in the database.";
			continue;
		}
		place->keys = match_keys(why->memo, h->schema, h->table);
		place->names = holder_table_keys(why->entity, names, h->schema, h->table);
		place->own_keys = key_of_evidence(h);
	}
}

/* SQL for whether, and how, the rows of a place differ from the authoritative one, best. */
static void
add_comparison(StringInfo sql, const FieldPlace *place, const FieldPlace *best)
{
	char *column = sql_column("t", place->holder.column);
	char *value;

	if (best == NULL || best == place || best->rows == NIL)
	{
		appendStringInfoString(sql, "false, false, false, ");
		return;
	}
	value = psprintf("(SELECT %s FROM %s t WHERE %s LIMIT 1)", sql_column("t", best->holder.column),
					 quote_qualified_identifier(best->holder.schema, best->holder.table),
					 best->condition);
	appendStringInfo(sql, "ownership.copy_differs(%s, %s), ", value, column);
	if (sql_knows_value_as())
		appendStringInfo(sql, "ownership.copy_misread(%s, %s), ", value, column);
	else
		appendStringInfoString(sql, "false, ");
	if (place->match == NULL || place->match->ambiguous_row == NULL)
		appendStringInfoString(sql, "false, ");
	else
		appendStringInfo(sql, "EXISTS (SELECT FROM (SELECT t.*) c WHERE %s), ",
						 place->match->ambiguous_row);
}

/*
 * Reads the rows of a place, and whether they differ from the authoritative one,
 * best (NULL: not compared).  Where *bridge is NIL, sets it to the values of the
 * key fields in the first row, as a list of KeyValue.
 */
static void
read_rows(Why *why, FieldPlace *place, const FieldPlace *best, List **bridge)
{
	const Holder *h = &place->holder;
	bool foreign = holder_any_foreign(h->relid);
	char *column = sql_column("t", h->column);
	char *evidence_key = key_sql_evidence(place->own_keys, "t", NIL, NIL);
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, %s, ", sql_text(column),
					 evidence_key == NULL ? "NULL" : evidence_key);
	add_comparison(&sql, place, best);
	appendStringInfoString(&sql, track_commit_timestamp && !foreign
									 ? "pg_catalog.pg_xact_commit_timestamp(t.xmin), "
									 : "NULL::timestamptz, ");
	appendStringInfoString(&sql, foreign ? "NULL, NULL" : "t.ctid, t.tableoid");
	foreach(lc, place->keys)
	{
		const KeyColumn *k = lfirst(lc);
		char *key = sql_column("t", k->holder.column);

		/* a cast to text leaves out the blanks that char(n) adds */
		appendStringInfo(&sql, ", %s",
						 getBaseType(k->holder.type) == BPCHAROID
							 ? psprintf("%s::pg_catalog.text", key)
							 : sql_text(key));
	}
	appendStringInfo(&sql, " FROM %s t WHERE %s LIMIT %d",
					 quote_qualified_identifier(h->schema, h->table), place->condition, MAX_ROWS);
	if (SPI_execute(sql.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read: %s", sql.data);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		FoundRow *row = palloc0(sizeof(FoundRow));
		bool isnull;
		Datum tid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7, &isnull);

		row->value = sql_result_text(i, 1);
		row->evidence_key = sql_result_text(i, 2);
		row->differs = sql_result_bool(i, 3);
		row->misread = sql_result_bool(i, 4);
		row->ambiguous = sql_result_bool(i, 5);
		row->differs &= !row->ambiguous;
		row->written = sql_result_time(i, 6);
		if (!isnull)
			row->owner =
				map_owner_at(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
															SPI_tuptable->tupdesc, 8, &isnull)),
							 (ItemPointer) DatumGetPointer(tid), h->column);
		else
			row->owner = why->owner;
		place->rows = lappend(place->rows, row);
		if (*bridge == NIL && place->keys != NIL)
		{
			int number = 9;

			foreach(lc, place->keys)
			{
				KeyValue *v = palloc0(sizeof(KeyValue));
				const KeyColumn *k = lfirst(lc);

				v->name = k->field;
				v->type = k->holder.type;
				v->collation = k->holder.collation;
				v->value = sql_result_text(i, number++);
				if (v->value != NULL)
					*bridge = lappend(*bridge, v);
			}
		}
	}
}

/* Arguments of read_rows(). */
typedef struct LookUp
{
	Why *why;
	FieldPlace *place;
	const FieldPlace *best;
	List **bridge;
} LookUp;

static bool
run_look_up(void *arg)
{
	LookUp *l = arg;

	read_rows(l->why, l->place, l->best, l->bridge);
	return true;
}

/*
 * Calls read_rows() in a subtransaction.  Where the caller may not read the table,
 * or another error comes, the error becomes the place's problem.
 *
 * Errors: a value of the caller's row_key is not valid for the key's type.
 */
static void
look_up(Why *why, FieldPlace *place, const FieldPlace *best, List **bridge)
{
	LookUp l = {why, place, best, bridge};
	ErrorData *error = subxact_trial(run_look_up, &l);

	if (error == NULL)
		return;
	place->rows = NIL;
	place->problem = psprintf("It could not be read: %s.", error->message);
	if (place->given && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		ereport(ERROR, (errcode(error->sqlerrcode),
						errmsg("row_key does not fit the key of %s: %s",
							   names_relation_label(place->holder.schema, place->holder.table),
							   error->message)));
	FreeErrorData(error);
}

/* Those values of the bridge for which the place has a key column. */
static List *
bridge_for(const FieldPlace *place, List *bridge)
{
	List *list = NIL;
	ListCell *lc;

	foreach(lc, bridge)
	{
		if (holder_find_key(place->keys, ((KeyValue *) lfirst(lc))->name) != NULL)
			list = lappend(list, lfirst(lc));
	}
	return list;
}

/*
 * The place where row_key finds the row: the one that the caller named; else the
 * first whose key fields row_key names; else the only one whose columns it names.
 * Fits the key to it, and to others by fields.  NULL: no place is in the database.
 *
 * Errors: row_key fits no place, or, by columns, several.
 */
static FieldPlace *
find_start(Why *why, const Holder *named)
{
	FieldPlace *first = NULL;
	FieldPlace *start = NULL;
	ListCell *lc;

	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		const Holder *h = &place->holder;

		if (place->problem != NULL)
			continue;
		if (first == NULL)
			first = place;
		if (named->schema == NULL)
		{
			if (key_fit(why, place, why->given, NAMES_FIELDS) == KEY_FITS && start == NULL)
				start = place;
		}
		else if (strcmp(h->schema, named->schema) == 0 && strcmp(h->table, named->table) == 0 &&
				 strcmp(h->column, named->column) == 0)
		{
			if (key_fit(why, place, why->given, NAMES_COLUMNS) != KEY_FITS)
				key_report_wrong(why, place, NAMES_COLUMNS);
			return place;
		}
	}
	if (start != NULL || first == NULL)
		return start;
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);

		if (place->problem != NULL || key_fit(why, place, why->given, NAMES_COLUMNS) != KEY_FITS)
			continue;
		if (start != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("row_key may mean rows of %s and of %s",
							names_relation_label(start->holder.schema, start->holder.table),
							names_relation_label(place->holder.schema, place->holder.table)),
					 errhint("Name one column, as in ownership.why(%s, ...), or give the key fields.",
							 quote_literal_cstr(start->label))));
		start = place;
	}
	if (start == NULL)
		key_report_wrong(why, first, NAMES_COLUMNS);
	return start;
}

/* Does the caller's key fit another place than this one? */
static bool
fits_another(const Why *why, const FieldPlace *start)
{
	ListCell *lc;

	foreach(lc, why->places)
		if (lfirst(lc) != start && ((FieldPlace *) lfirst(lc))->condition != NULL)
			return true;
	return false;
}

/* What the caller gave, as texts, which other places read as values of their types. */
static List *
as_texts(List *given)
{
	List *list = NIL;
	ListCell *lc;

	foreach(lc, given)
	{
		KeyValue *v = palloc(sizeof(KeyValue));

		*v = *(KeyValue *) lfirst(lc);
		v->type = TEXTOID;
		v->collation = get_typcollation(TEXTOID);
		list = lappend(list, v);
	}
	return list;
}

/* Of values of the same name, the first list has those that count. */
static List *
merge_values(List *values, List *others)
{
	List *list = list_copy(values);
	ListCell *lc;

	foreach(lc, others)
		if (key_value(values, ((KeyValue *) lfirst(lc))->name) == NULL)
			list = lappend(list, lfirst(lc));
	return list;
}

/*
 * Sets the condition that finds the row in a place by the key fields that are known, or
 * through a crosswalk from base; without one, the problem.
 */
static void
find_way(Why *why, FieldPlace *place, const FieldPlace *base, List *known)
{
	List *values = bridge_for(place, known);

	if (values != NIL && key_fit(why, place, values, NAMES_FIELDS) == KEY_FITS)
		return;
	if (place->condition != NULL)
		return;
	if (known != NIL)
		why_cross(why, place, base, known);
	if (place->condition == NULL && place->problem == NULL)
		place->problem =
			known == NIL
				? "No row with the key fields was found, and that key does not identify the row here."
				: "The table contains no key field by which the row could be found.";
}

/*
 * Finds the row in every place where it can be found.  named: the column that the
 * caller named, or NULLs.
 *
 * Errors: see find_start() and look_up().
 */
void
why_look_everywhere(Why *why, const Holder *named)
{
	FieldPlace *start = find_start(why, named);
	FieldPlace *base = start;
	FieldPlace *best = NULL;
	List *known = NIL;
	List *given;
	ListCell *lc;

	if (start == NULL)
		return;
	/* a value that is none of the first place's type may be one of another's */
	start->given = !fits_another(why, start);
	given = as_texts(why->given);
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);

		if (place != start && place->condition != NULL)
			(void) key_fit(why, place, given, NAMES_FIELDS);
	}
	/* the first place with the row gives the values of the key fields */
	look_up(why, start, NULL, &known);
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);

		if (known != NIL || place == start || place->condition == NULL)
			continue;
		look_up(why, place, NULL, &known);
		if (known != NIL)
			base = place;
	}
	foreach(lc, why->places)
	{
		FieldPlace *place = lfirst(lc);
		List *own = NIL;

		if (place->problem != NULL)
			continue;
		if (best != NULL)
			place->match = match_find(why->memo, why->field, &best->holder, &place->holder);
		if (place != base)
			find_way(why, place, best != NULL && best->rows != NIL ? best : base, known);
		if (place->problem != NULL)
			continue;
		/* reads again, to compare with the authoritative one, which comes first */
		place->rows = NIL;
		look_up(why, place, best, &own);
		if (place->rows == NIL && place->problem == NULL && place->by_cast != NULL)
		{
			place->condition = place->by_cast;
			look_up(why, place, best, &own);
		}
		why_report_crosswalk(place);
		if (!place->authoritative)
			continue;
		best = place;
		/* the other copies are compared with this one */
		if (place->rows != NIL)
			known = merge_values(own, known);
	}
}
