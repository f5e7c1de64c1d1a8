/*
 * own_triggers.c
 *		The tables, timings and events for which each trigger function of the
 *		extension may be called.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "catalog.h"

/* The tables that contain the map. */
static const char *const map_tables[] = {"system",			"identity",
										 "domain",			"field",
										 "declared_access", "mirrored_pattern",
										 "mirrored_table",	"mirrored_column",
										 "row_owner",		"pin",
										 "handover"};

/* In own_triggers: all tables of the extension. */
#define ANY_TABLE "*"

#define ANY_CHANGE (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)

/*
 * Where each trigger function of the extension may fire: timing, level and
 * events as in pg_trigger.tgtype, and the extension's own tables.  Every trigger
 * that a new version adds must be added here.
 */
static const struct
{
	const char *function;
	int16 type;
	const char *table; /* NULL: each table of the map */
} own_triggers[] = {
	{"another_hub", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, ANY_TABLE},
	{"another_hub", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, ANY_TABLE},
	{"map_changed", TRIGGER_TYPE_ROW | ANY_CHANGE, NULL},
	{"map_changed", TRIGGER_TYPE_TRUNCATE, NULL},
	{"map_changed", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "conflict"},
	{"map_recorded", TRIGGER_TYPE_ROW | ANY_CHANGE, NULL},
	{"map_recorded", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, NULL},
	{"map_restored", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT, NULL},
	{"identity_bind", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, "identity"},
	{"domain_edit", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | ANY_CHANGE, "domain"},
	{"domain_edit", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE, "domain"},
	{"domain_edit", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "deleted_domain"},
	{"mirrored_table_bind", TRIGGER_TYPE_ROW | ANY_CHANGE, "mirrored_table"},
	{"mirrored_pattern_bind", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "mirrored_pattern"},
	{"mirrored_column_table",
	 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE,
	 "mirrored_column"},
	{"row_owner_check",
	 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "row_owner"},
	{"group_check", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "field"},
	{"group_check", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "domain"},
	{"group_check", TRIGGER_TYPE_ROW | ANY_CHANGE, "handover"},
	{"handover_check",
	 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "handover"},
	{"handover_cancel", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE, "field"},
	{"handover_system", TRIGGER_TYPE_ROW | TRIGGER_TYPE_DELETE, "system"},
	{"history_check", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, "field"},
	{"history_check", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "domain"},
	{"pattern_readers", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "system"},
	{"field_renamed", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "field"},
	{"sheet_row", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT, "sheet"},
	{"sheet_row", TRIGGER_TYPE_INSTEAD | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "sheet"},
	{"sheet_row", TRIGGER_TYPE_INSERT, "sheet"},
	{"resolve", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE, "conflict"},
	{"ddl_settle", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT, "ddl_queue"},
};

/* Timing, level and event of a trigger's call, as in pg_trigger.tgtype. */
static int16
trigger_type(TriggerEvent event)
{
	int16 type = TRIGGER_FIRED_FOR_ROW(event) ? TRIGGER_TYPE_ROW : 0;

	if (TRIGGER_FIRED_BEFORE(event))
		type |= TRIGGER_TYPE_BEFORE;
	else if (TRIGGER_FIRED_INSTEAD(event))
		type |= TRIGGER_TYPE_INSTEAD;
	if (TRIGGER_FIRED_BY_INSERT(event))
		return type | TRIGGER_TYPE_INSERT;
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return type | TRIGGER_TYPE_UPDATE;
	if (TRIGGER_FIRED_BY_DELETE(event))
		return type | TRIGGER_TYPE_DELETE;
	return type | TRIGGER_TYPE_TRUNCATE;
}

/* Is it the extension's table of that name, and not another one of the same name? */
static bool
is_own_table(Relation rel, const char *name)
{
	return strcmp(RelationGetRelationName(rel), name) == 0 &&
		   catalog_table(name, true) == RelationGetRelid(rel);
}

static bool
is_map_table(Relation rel)
{
	for (size_t i = 0; i < lengthof(map_tables); i++)
	{
		if (is_own_table(rel, map_tables[i]))
			return true;
	}
	return false;
}

/* Does a trigger function serve the relation?  `table` is that of own_triggers. */
static bool
serves(const char *table, Relation rel)
{
	if (table == NULL)
		return is_map_table(rel);
	return is_own_table(rel, strcmp(table, ANY_TABLE) == 0 ? RelationGetRelationName(rel) : table);
}

/* A call that was checked: the trigger is called again for each row of a statement. */
typedef struct Checked
{
	const char *function;
	Oid relid;
	int16 type;
} Checked;

/* Was such a call of the trigger checked before, in this statement? */
static bool
was_checked(const FmgrInfo *flinfo, const char *function, Oid relid, int16 type)
{
	const Checked *c = flinfo->fn_extra;

	return c != NULL && c->function == function && c->relid == relid && c->type == type;
}

/* Remembers that the call was checked.  Trigger functions have no other use for fn_extra. */
static void
remember_checked(FmgrInfo *flinfo, const char *function, Oid relid, int16 type)
{
	Checked *c = flinfo->fn_extra;

	if (c == NULL)
		c = flinfo->fn_extra = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(Checked));
	c->function = function;
	c->relid = relid;
	c->type = type;
}

/*
 * Checks how a trigger function of the extension's own tables is called, and
 * returns the call's data.  A role that may execute the function can attach it to
 * a table of its own, and a superuser to any table.  So the function runs only for
 * the tables, the timing, the level and the events that own_triggers lists for it.
 * The guard's functions, which serve users' tables, make their own check
 * (guard/guard.c).  `function` is a literal.
 *
 * Errors: the function was called in any other way.
 */
TriggerData *
own_triggers_check(FunctionCallInfo fcinfo, const char *function)
{
	const int16 kind = TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSTEAD;
	TriggerData *td = (TriggerData *) fcinfo->context;

	if (CALLED_AS_TRIGGER(fcinfo))
	{
		int16 type = trigger_type(td->tg_event);
		Oid relid = RelationGetRelid(td->tg_relation);

		if (was_checked(fcinfo->flinfo, function, relid, type))
			return td;
		for (size_t i = 0; i < lengthof(own_triggers); i++)
		{
			if (strcmp(own_triggers[i].function, function) == 0 &&
				(own_triggers[i].type & kind) == (type & kind) &&
				(own_triggers[i].type & type & ~kind) != 0 &&
				serves(own_triggers[i].table, td->tg_relation))
			{
				remember_checked(fcinfo->flinfo, function, relid, type);
				return td;
			}
		}
	}
	ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					errmsg("function \"%s\" was not called by a trigger of the extension", function),
					errhint("Only the triggers that CREATE EXTENSION creates may call it.")));
}
