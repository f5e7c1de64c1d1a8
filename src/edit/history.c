/*
 * history.c
 *		What changed on the map: a trigger on each of its tables writes
 *		ownership.map_history.
 *
 * Each changed row becomes one row of history, with the columns that changed,
 * in whatever way it changed: by a function, the spreadsheet, plain SQL, or a
 * rename that cascades along a foreign key.  The trigger inserts without an SQL
 * statement: a role that edits the map needs no privilege on the history, and a
 * row costs only a few microseconds, also in a large import.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_map_recorded);

/* A row of a table of the map. */
typedef struct MapRow
{
	HeapTuple tuple;
	TupleDesc desc;
} MapRow;

/* The text in a column of the row; NULL: it is NULL, or there is no text column of that name. */
static char *
column_text(const MapRow *row, const char *column)
{
	for (int i = 0; i < row->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(row->desc, i);
		bool isnull;
		Datum value;

		if (att->attisdropped || att->atttypid != TEXTOID || namestrcmp(&att->attname, column) != 0)
			continue;
		value = heap_getattr(row->tuple, i + 1, row->desc, &isnull);
		return isnull ? NULL : TextDatumGetCString(value);
	}
	return NULL;
}

/* Of a row that was added or deleted: do item, entity and field contain the column already? */
static bool
is_in_item(const char *table, const char *column)
{
	static const char *const names[] = {"entity",	   "field", "table_schema", "table_name",
										"column_name", "name",	"pattern"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(column, names[i]) == 0)
			return true;
	return strcmp(column, "kind") == 0 && strcmp(table, "identity") == 0;
}

/*
 * Does the column identify the row among those about the same item?  Every
 * change of the row contains it, even where it stays the same.
 */
static bool
identifies_row(const char *table, const char *column)
{
	if (strcmp(table, "declared_access") == 0)
		return strcmp(column, "system") == 0 || strcmp(column, "mode") == 0;
	/* who decided, and why, is told again when it is done */
	if (strcmp(table, "handover") == 0)
		return strcmp(column, "from_system") == 0 || strcmp(column, "to_system") == 0 ||
			   strcmp(column, "at") == 0 || strcmp(column, "decided_by") == 0 ||
			   strcmp(column, "note") == 0;
	return strcmp(table, "row_owner") == 0 && strcmp(column, "position") == 0;
}

/* Is it a value of a mirrored row, which every role could read in the history? */
static bool
is_value_of_row(const char *table, const char *column)
{
	return strcmp(table, "pin") == 0 &&
		   (strcmp(column, "row_key") == 0 || strcmp(column, "value") == 0 ||
			strcmp(column, "replaced") == 0 || strcmp(column, "replaced_known") == 0 ||
			strcmp(column, "pending") == 0);
}

/* What a row is about, as the views name it. */
static char *
item_name(const char *table, const MapRow *row)
{
	char *schema = column_text(row, "table_schema");
	char *relation = column_text(row, "table_name");
	char *column = column_text(row, "column_name");
	char *entity = column_text(row, "entity");
	char *name = column_text(row, "name");

	if (strcmp(table, "identity") == 0)
		return psprintf("%s %s", column_text(row, "kind"), name);
	if (schema != NULL && relation != NULL)
	{
		char *label = names_relation_label(schema, relation);

		return column == NULL ? label : psprintf("%s.%s", label, quote_identifier(column));
	}
	if (entity != NULL)
		return psprintf("%s.%s", entity, name != NULL ? name : column_text(row, "field"));
	if (name != NULL)
		return name;
	return column_text(row, NameStr(TupleDescAttr(row->desc, 0)->attname));
}

/* The field that a row belongs to; a row of row_owner or pin names only a column, so the map is asked. */
static void
find_field(const char *table, const MapRow *row, char **entity, char **field)
{
	const char *keys[3];
	CatalogScan *scan;

	*entity = column_text(row, "entity");
	*field = column_text(row, strcmp(table, "field") == 0 ? "name" : "field");
	if (strcmp(table, "row_owner") != 0 && strcmp(table, "pin") != 0)
		return;
	keys[0] = column_text(row, "table_schema");
	keys[1] = column_text(row, "table_name");
	keys[2] = column_text(row, "column_name");
	scan = catalog_begin("mirrored_column", "mirrored_column_pkey", 3, keys, NULL);
	if (catalog_next(scan))
	{
		*entity = catalog_text(scan, Anum_mirrored_column_entity);
		*field = catalog_text(scan, Anum_mirrored_column_field);
	}
	catalog_end(scan);
}

/* A value as JSON: NULL and booleans as such, all else as the text that evidence has. */
static JsonbValue
json_value(Oid type, Datum value, bool isnull)
{
	JsonbValue json = {.type = jbvNull};
	char *text;

	if (isnull)
		return json;
	if (type == BOOLOID)
	{
		json.type = jbvBool;
		json.val.boolean = DatumGetBool(value);
		return json;
	}
	text = value_to_text(type, value);
	json.type = jbvString;
	json.val.string.val = text;
	json.val.string.len = strlen(text);
	return json;
}

/*
 * `object` returns columns of `row` as a JSON object: those in which it differs
 * from `other` and those that identify it; without `other`, those that are
 * neither NULL nor false nor in the item.  Returns true if there is a change to
 * record: without `other` always.
 */
static bool
row_columns(const char *table, const MapRow *row, const MapRow *other, Datum *object)
{
	JsonbParseState *state = NULL;
	bool any = other == NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < row->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(row->desc, i);
		bool isnull;
		Datum value = heap_getattr(row->tuple, i + 1, row->desc, &isnull);
		JsonbValue key;
		JsonbValue json;

		if (att->attisdropped || is_value_of_row(table, NameStr(att->attname)))
			continue;
		if (other != NULL)
		{
			bool other_null;
			Datum before = heap_getattr(other->tuple, i + 1, other->desc, &other_null);
			bool same = isnull == other_null &&
						(isnull || datum_image_eq(value, before, att->attbyval, att->attlen));

			if (same && !identifies_row(table, NameStr(att->attname)))
				continue;
			any |= !same;
		}
		else if (isnull || is_in_item(table, NameStr(att->attname)) ||
				 (att->atttypid == BOOLOID && !DatumGetBool(value)))
			continue;
		key.type = jbvString;
		key.val.string.val = NameStr(att->attname);
		key.val.string.len = strlen(NameStr(att->attname));
		pushJsonbValue(&state, WJB_KEY, &key);
		json = json_value(att->atttypid, value, isnull);
		pushJsonbValue(&state, WJB_VALUE, &json);
	}
	*object = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	return any;
}

/* Set the columns that say when the change is made, by which role, in which session. */
static void
set_session(Datum *values, bool *nulls)
{
	values[Anum_map_history_changed_at - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	nulls[Anum_map_history_changed_at - 1] = false;
	insert_set_text(values, nulls, Anum_map_history_role, GetUserNameFromId(GetOuterUserId(), true));
	insert_set_text(values, nulls, Anum_map_history_login,
					GetUserNameFromId(GetSessionUserId(), true));
	insert_set_text(values, nulls, Anum_map_history_application_name,
					application_name != NULL && application_name[0] != '\0' ? application_name
																			: NULL);
}

/*
 * Write one row of history; none if nothing changed.  before is NULL where the
 * row was added, after where it was deleted.
 */
static void
record_change(Inserter *history, const char *table, const MapRow *before, const MapRow *after)
{
	const MapRow *row = after != NULL ? after : before;
	Datum values[Natts_map_history];
	bool nulls[Natts_map_history];
	char *entity;
	char *field;

	memset(nulls, true, sizeof(nulls));
	nulls[Anum_map_history_old - 1] = before == NULL;
	nulls[Anum_map_history_new - 1] = after == NULL;
	if (after != NULL && !row_columns(table, after, before, &values[Anum_map_history_new - 1]) &&
		before != NULL)
		return;
	if (before != NULL)
		(void) row_columns(table, before, after, &values[Anum_map_history_old - 1]);

	set_session(values, nulls);
	insert_set_text(values, nulls, Anum_map_history_map_table, table);
	insert_set_text(values, nulls, Anum_map_history_item, item_name(table, row));
	find_field(table, row, &entity, &field);
	insert_set_text(values, nulls, Anum_map_history_entity, entity);
	insert_set_text(values, nulls, Anum_map_history_field, field);
	insert_row(history, Natts_map_history, values, nulls);
}

/*
 * Is nothing to be recorded?  When the extension's own script fills its tables,
 * no person has decided anything; and a dump that is restored brings its own
 * history.  pg_dump's files begin with check_function_bodies off.  Any role may
 * set that, so it counts only for roles that may write the history anyway.
 */
bool
history_is_silent(void)
{
	if (creating_extension && CurrentExtensionObject == get_extension_oid("ownership", true))
		return true;
	return call_is_restoring() && pg_class_aclcheck(catalog_table("map_history", false),
													GetOuterUserId(), ACL_INSERT) == ACLCHECK_OK;
}

/* Add a key and its text to the JSON object that is being built. */
static void
push_text(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue json = {.type = jbvString};

	json.val.string.val = unconstify(char *, key);
	json.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &json);
	json.val.string.val = unconstify(char *, text);
	json.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &json);
}

/* A state of the guard as JSON.  `since` 0, from its creation on, is left out. */
static Datum
guard_state(bool away, TimestampTz since)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "state", away ? "away" : "in place");
	if (since != 0)
		push_text(&state, "since",
				  JsonEncodeDateTime(NULL, TimestampTzGetDatum(since), TIMESTAMPTZOID, NULL));
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/*
 * Record that the guard of a table went away, or came back, at `now`.  `since`
 * is when it had gone away; 0 where it goes away.
 */
void
history_record_guard(const Binding *binding, bool away, TimestampTz since, TimestampTz now)
{
	Inserter *history;
	Datum values[Natts_map_history];
	bool nulls[Natts_map_history];

	history = insert_open("map_history");
	memset(nulls, true, sizeof(nulls));
	set_session(values, nulls);
	insert_set_text(values, nulls, Anum_map_history_map_table, "guard");
	insert_set_text(values, nulls, Anum_map_history_item,
					names_relation_label(binding->schema, binding->table));
	values[Anum_map_history_old - 1] = guard_state(!away, away ? 0 : since);
	values[Anum_map_history_new - 1] = guard_state(away, now);
	nulls[Anum_map_history_old - 1] = nulls[Anum_map_history_new - 1] = false;
	insert_row(history, Natts_map_history, values, nulls);
	insert_close(history);
}

/* BEFORE TRUNCATE: record each row as deleted. */
static void
record_truncate(Inserter *history, Relation rel)
{
	MapRow row = {.desc = RelationGetDescr(rel)};
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);

	while (HeapTupleIsValid(row.tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		record_change(history, RelationGetRelationName(rel), &row, NULL);
	}
	systable_endscan(scan);
}

/*
 * map_recorded(), AFTER each row and BEFORE TRUNCATE on every table of the map.
 *
 * Errors: the function was not called by such a trigger.
 */
Datum
ownership_map_recorded(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "map_recorded");

	if (!history_is_silent())
	{
		bool truncate = TRIGGER_FIRED_BY_TRUNCATE(td->tg_event);
		/* the statement that runs a TRUNCATE, through a function, goes on after it */
		Inserter *history = truncate ? insert_open("map_history") : history_inserter();
		const char *table = RelationGetRelationName(td->tg_relation);
		TupleDesc desc = RelationGetDescr(td->tg_relation);
		MapRow first = {td->tg_trigtuple, desc};
		MapRow second = {td->tg_newtuple, desc};

		if (truncate)
			record_truncate(history, td->tg_relation);
		else if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
			record_change(history, table, &first, &second);
		else if (TRIGGER_FIRED_BY_INSERT(td->tg_event))
			record_change(history, table, NULL, &first);
		else
			record_change(history, table, &first, NULL);
		if (truncate)
			insert_close(history);
		else
			history_release(history);
	}
	return PointerGetDatum(NULL);
}
