/*
 * history.c
 *		What changed on the map: a trigger on each of its tables that writes
 *		ownership.map_history.
 *
 * One row a changed row, with the columns that changed, whoever changed it:
 * a function, the spreadsheet, plain SQL, or a rename that came down a
 * foreign key.  Nobody needs a privilege on the history to have his edits in
 * it, and with a few microseconds a row an import stays an import.
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

/* One row of a map table, or NULL where there is none. */
typedef struct MapRow
{
	HeapTuple tuple;
	TupleDesc desc;
} MapRow;

/* A text value of the row, or NULL. */
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

/* The columns that item, entity and field tell of a row that comes or goes. */
static bool
is_told(const char *table, const char *column)
{
	static const char *const names[] = {"entity",	   "field", "table_schema", "table_name",
										"column_name", "name",	"pattern"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(column, names[i]) == 0)
			return true;
	return strcmp(column, "kind") == 0 && strcmp(table, "identity") == 0;
}

/* What tells a row from others about the same item: it stands beside every change. */
static bool
tells_apart(const char *table, const char *column)
{
	if (strcmp(table, "declared_access") == 0)
		return strcmp(column, "system") == 0 || strcmp(column, "mode") == 0;
	return strcmp(table, "row_owner") == 0 && strcmp(column, "position") == 0;
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

/* The field that a row belongs to; row owners know only their column. */
static void
find_field(const char *table, const MapRow *row, char **entity, char **field)
{
	const char *keys[3];
	CatalogScan *scan;

	*entity = column_text(row, "entity");
	*field = column_text(row, strcmp(table, "field") == 0 ? "name" : "field");
	if (strcmp(table, "row_owner") != 0)
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

/* A value as JSON: yes and no as such, a date as ISO, all else as its text output. */
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
	if (type == DATEOID)
		text = JsonEncodeDateTime(NULL, value, type, NULL);
	else
	{
		Oid output;
		bool varlena;

		getTypeOutputInfo(type, &output, &varlena);
		text = OidOutputFunctionCall(output, value);
	}
	json.type = jbvString;
	json.val.string.val = text;
	json.val.string.len = strlen(text);
	return json;
}

/*
 * The columns of `row`, as a JSON object: those in which it differs from
 * `other`, or, where there is no other, those that say something.  Returns
 * whether there is anything to tell: a row that is new or gone is told in any
 * case.
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

		if (att->attisdropped)
			continue;
		if (other != NULL)
		{
			bool other_null;
			Datum before = heap_getattr(other->tuple, i + 1, other->desc, &other_null);
			bool same = isnull == other_null &&
						(isnull || datum_image_eq(value, before, att->attbyval, att->attlen));

			if (same && !tells_apart(table, NameStr(att->attname)))
				continue;
			any |= !same;
		}
		else if (isnull || is_told(table, NameStr(att->attname)) ||
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

/* The transaction, the role and the session. */
static void
who_and_when(Datum *values, bool *nulls)
{
	values[Anum_history_changed_at - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	nulls[Anum_history_changed_at - 1] = false;
	insert_set_text(values, nulls, Anum_history_role, GetUserNameFromId(GetOuterUserId(), true));
	insert_set_text(values, nulls, Anum_history_login, GetUserNameFromId(GetSessionUserId(), true));
	insert_set_text(values, nulls, Anum_history_application_name,
					application_name != NULL && application_name[0] != '\0' ? application_name
																			: NULL);
}

/* Write one row of history; an UPDATE that changed nothing leaves none. */
static void
record_change(Inserter *history, const char *table, const MapRow *before, const MapRow *after)
{
	const MapRow *row = after != NULL ? after : before;
	Datum values[Natts_history];
	bool nulls[Natts_history];
	char *entity;
	char *field;

	memset(nulls, true, sizeof(nulls));
	nulls[Anum_history_old - 1] = before == NULL;
	nulls[Anum_history_new - 1] = after == NULL;
	if (after != NULL && !row_columns(table, after, before, &values[Anum_history_new - 1]) &&
		before != NULL)
		return;
	if (before != NULL)
		(void) row_columns(table, before, after, &values[Anum_history_old - 1]);

	who_and_when(values, nulls);
	insert_set_text(values, nulls, Anum_history_map_table, table);
	insert_set_text(values, nulls, Anum_history_item, item_name(table, row));
	find_field(table, row, &entity, &field);
	insert_set_text(values, nulls, Anum_history_entity, entity);
	insert_set_text(values, nulls, Anum_history_field, field);
	insert_row(history, Natts_history, values, nulls);
}

/*
 * Nothing is decided where the extension's own script fills its tables, nor
 * where a dump is restored: it brings its history along.  pg_dump's files
 * begin with check_function_bodies off.  Anyone may set that, so it counts
 * only of those who could write the history as they please.
 */
bool
history_is_silent(void)
{
	if (creating_extension && CurrentExtensionObject == get_extension_oid("ownership", true))
		return true;
	return call_is_restoring() && pg_class_aclcheck(catalog_table("map_history", false),
													GetOuterUserId(), ACL_INSERT) == ACLCHECK_OK;
}

/* Push a pair of the current object. */
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

/* Where the guard was since when; 0: since it was created. */
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

/* The guard of a table went away, or came back; `since` is when it had gone. */
void
history_record_guard(const Binding *binding, bool away, TimestampTz since, TimestampTz now)
{
	Inserter *history;
	Datum values[Natts_history];
	bool nulls[Natts_history];

	history = insert_open("map_history");
	memset(nulls, true, sizeof(nulls));
	who_and_when(values, nulls);
	insert_set_text(values, nulls, Anum_history_map_table, "guard");
	insert_set_text(values, nulls, Anum_history_item,
					names_relation_label(binding->schema, binding->table));
	values[Anum_history_old - 1] = guard_state(!away, away ? 0 : since);
	values[Anum_history_new - 1] = guard_state(away, now);
	nulls[Anum_history_old - 1] = nulls[Anum_history_new - 1] = false;
	insert_row(history, Natts_history, values, nulls);
	insert_close(history);
}

/* BEFORE TRUNCATE: every row goes. */
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

/* AFTER each row, and before TRUNCATE, on every table of the map. */
Datum
ownership_map_recorded(PG_FUNCTION_ARGS)
{
	TriggerData *td = own_triggers_check(fcinfo, "map_recorded");

	if (!history_is_silent())
	{
		Inserter *history = insert_open("map_history");
		const char *table = RelationGetRelationName(td->tg_relation);
		TupleDesc desc = RelationGetDescr(td->tg_relation);
		MapRow first = {td->tg_trigtuple, desc};
		MapRow second = {td->tg_newtuple, desc};

		if (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event))
			record_truncate(history, td->tg_relation);
		else if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
			record_change(history, table, &first, &second);
		else if (TRIGGER_FIRED_BY_INSERT(td->tg_event))
			record_change(history, table, NULL, &first);
		else
			record_change(history, table, &first, NULL);
		insert_close(history);
	}
	return PointerGetDatum(NULL);
}
