/*
 * hand_over.c
 *		hand_over(): what one system owns passes to another, at a moment.
 *
 * The moment may have come: then the owners are written at once.  Else a row of
 * handover for each field says what is planned (pass.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "edit.h"

PG_FUNCTION_INFO_V1(ownership_hand_over);

/* The arguments of a call, and what it finds. */
typedef struct Passage
{
	char *pattern;
	char *from;
	char *to;
	TimestampTz at;
	bool at_once;
	char *decided_by;
	char *note;
	ReturnSetInfo *result;
	bool any_field;	   /* the pattern matches one, whoever owns it */
	List *entities;	   /* of the rows of handover, and ... */
	List *fields;	   /* ... the fields of them */
	bool fields_pass;  /* some field does */
	bool rows_pass;	   /* some row owner does */
	bool pattern_pass; /* some pattern does */
} Passage;

static void
put(const Passage *h, const char *what, const char *name, const char *note)
{
	const char *row[5] = {what, name, h->from, h->to, note};

	call_put_row(h->result, 5, row);
}

static bool
is_matched(const Passage *h, const char *entity, const char *field)
{
	return names_match(h->pattern, psprintf("%s.%s", entity, field));
}

static void
add_time_and_systems(Parameters *p, const Passage *h)
{
	sql_add_value(p, TIMESTAMPTZOID, TimestampTzGetDatum(h->at), false);
	sql_add_text(p, h->from);
	sql_add_text(p, h->to);
}

static void
add_passing(Passage *h, char *entity, char *field)
{
	if (h->entities != NIL && strcmp(llast(h->entities), entity) == 0 &&
		strcmp(llast(h->fields), field) == 0)
		return;
	h->entities = lappend(h->entities, entity);
	h->fields = lappend(h->fields, field);
}

/* Finds the fields that pass, and those of which row owners do. */
static void
find_fields(Passage *h)
{
	Parameters p = {0};
	uint64 n;

	add_time_and_systems(&p, h);
	/* a copy of its own that the system may go on writing */
	n = sql_run(
		"SELECT x.entity, x.field, x.part, x.passes, x.label, "
		"CASE WHEN x.part IS NULL AND x.passes THEN (SELECT format('\"%s\" may still write its own copy, %s; drift() compares it.', "
		"$2, string_agg(ownership.relation_name(t.table_schema, t.table_name) || '.' || quote_ident(c.column_name), ', ' "
		"ORDER BY t.table_schema COLLATE \"C\", t.table_name COLLATE \"C\", c.column_name COLLATE \"C\")) "
		"FROM ownership.mirrored_column c JOIN ownership.mirrored_table t USING (table_schema, table_name) "
		"WHERE (c.entity, c.field) = (x.entity, x.field) AND t.source = $2 HAVING count(*) > 0) END "
		"FROM (SELECT f.entity, f.name AS field, NULL AS part, NULL AS label, "
		"coalesce(ownership.owner_at(f.entity, f.name, '', f.owner, $1) = $2, false) AS passes "
		"FROM ownership.field f UNION ALL SELECT c.entity, c.field, r.part, r.label, true "
		"FROM (SELECT r.*, " HANDOVER_PART " AS part, format('%s.%s where %s', "
		"ownership.relation_name(r.table_schema, r.table_name), quote_ident(r.column_name), r.row_filter) AS label "
		"FROM ownership.row_owner r) r JOIN ownership.mirrored_column c USING (table_schema, table_name, column_name) "
		"WHERE ownership.owner_at(c.entity, c.field, r.part, r.owner, $1) = $2) x "
		"WHERE $3 IS NOT NULL "
		"ORDER BY x.entity COLLATE \"C\", x.field COLLATE \"C\", x.part COLLATE \"C\" NULLS FIRST",
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *entity = sql_result_text(i, 1);
		char *field = sql_result_text(i, 2);
		bool rows = sql_result_text(i, 3) != NULL;

		if (!is_matched(h, entity, field))
			continue;
		h->any_field = true;
		if (!sql_result_bool(i, 4))
			continue;
		add_passing(h, entity, field);
		h->fields_pass |= !rows;
		h->rows_pass |= rows;
		if (rows)
			put(h, "row owner", sql_result_text(i, 5), NULL);
		else
			put(h, "field", psprintf("%s.%s", entity, field), sql_result_text(i, 6));
	}
}

/*
 * Finds the patterns of add_tables() that pass: those of which all fields match.  The
 * fields of a table pattern are named like its tables.
 */
static void
find_patterns(Passage *h)
{
	Parameters p = {0};
	uint64 n;

	add_time_and_systems(&p, h);
	n = sql_run("SELECT pattern FROM ownership.mirrored_pattern "
				"WHERE ownership.owner_at(pattern, '*', '', coalesce(owner, source), $1) = $2 AND $3 IS NOT NULL "
				"ORDER BY pattern COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		char *pattern = sql_result_text(i, 1);

		if (!names_match(h->pattern, psprintf("%s.*", pattern)))
			continue;
		h->entities = lappend(h->entities, pattern);
		h->fields = lappend(h->fields, "*");
		h->pattern_pass = true;
		put(h, "pattern", pattern, "Tables and columns that appear later under it.");
	}
}

/* Lists what does not pass by itself: identities, declared readers, feeds. */
static void
list_thoughts(const Passage *h)
{
	Parameters p = {0};
	uint64 n;

	sql_add_text(&p, h->from);
	sql_add_text(&p, h->to);
	n = sql_run("SELECT i.kind || ' ' || i.name AS name, format('It writes as \"%s\", and may not write what passes from then on.', $1) "
				"FROM ownership.identity i WHERE i.system = $1 AND NOT i.steward AND $2 IS NOT NULL UNION ALL "
				"SELECT NULL, format('Nothing writes as \"%s\": identify() says who does.', $2) "
				"WHERE NOT EXISTS (SELECT FROM ownership.identity i WHERE i.system = $2) ORDER BY name",
				&p);
	for (uint64 i = 0; i < n; i++)
		put(h, "identity", sql_result_text(i, 1), sql_result_text(i, 2));

	n = sql_run("SELECT a.entity, a.field, CASE a.system "
				"WHEN $1 THEN format('\"%s\" is declared to read it. If \"%s\" reads it instead, declare that.', $1, $2) "
				"ELSE format('\"%s\" is declared to read it.', $2) END "
				"FROM ownership.declared_access a WHERE a.mode = 'read' AND a.system IN ($1, $2) "
				"ORDER BY a.entity COLLATE \"C\", a.field COLLATE \"C\", a.system COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
		if (is_matched(h, sql_result_text(i, 1), sql_result_text(i, 2)))
			put(h, "reader", psprintf("%s.%s", sql_result_text(i, 1), sql_result_text(i, 2)),
				sql_result_text(i, 3));

	n = sql_run(
		"SELECT s.subname, format('It writes as \"%s\". ', i.system) || CASE "
		"WHEN NOT s.subenabled THEN 'It is disabled: what it still brings is judged when that is applied.' "
		"WHEN pg_is_in_recovery() THEN 'This server is a standby: what the feed has sent, its primary knows.' "
		"WHEN w.pid IS NULL THEN 'Its worker does not run: what it still brings is judged when that is applied.' "
		"WHEN c.copying > 0 THEN format('%s of its tables are copied first; a first copy counts from the start of its worker.', c.copying) "
		"WHEN w.last_msg_receipt_time IS NULL THEN 'It has received nothing yet.' "
		"ELSE format('What it sent until %s has come, up to %s. What it has not sent yet, only the sender knows; that is judged when it is applied.', "
		"date_trunc('second', w.last_msg_send_time), w.received_lsn) END "
		"FROM ownership.identity i JOIN pg_subscription s ON s.subname = i.name "
		"AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
		"LEFT JOIN LATERAL (SELECT * FROM pg_stat_subscription t WHERE t.subid = s.oid AND t.relid IS NULL "
		"ORDER BY t.received_lsn NULLS LAST LIMIT 1) w ON true "
		"CROSS JOIN LATERAL (SELECT count(*) AS copying FROM pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate <> 'r') c "
		"WHERE i.kind = 'subscription' AND i.system IN ($1, $2) ORDER BY s.subname COLLATE \"C\"",
		&p);
	for (uint64 i = 0; i < n; i++)
		put(h, "feed", sql_result_text(i, 1), sql_result_text(i, 2));
}

static void
add_found(Parameters *p, const Passage *h)
{
	sql_add_texts(p, h->entities);
	sql_add_texts(p, h->fields);
}

/* Errors: only some fields of a group pass. */
static void
require_whole_groups(const Passage *h)
{
	Parameters p = {0};

	add_found(&p, h);
	if (sql_run_set("SELECT f.entity, f.column_group, min(f.entity || '.' || f.name) FILTER (WHERE x.passes), "
					"min(f.entity || '.' || f.name) FILTER (WHERE NOT x.passes) "
					"FROM ownership.field f CROSS JOIN LATERAL (SELECT (f.entity, f.name) IN (SELECT * FROM unnest($1, $2)) AS passes) x "
					"WHERE f.column_group IS NOT NULL GROUP BY f.entity, f.column_group "
					"HAVING bool_or(x.passes) AND NOT bool_and(x.passes) ORDER BY 1, 2 LIMIT 1",
					&p) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("the fields of group \"%s\" of entity \"%s\" must pass together",
					sql_result_text(0, 2), sql_result_text(0, 1)),
			 errdetail("Field \"%s\" is to pass, and field \"%s\" is not.", sql_result_text(0, 3),
					   sql_result_text(0, 4)),
			 errhint(
				 "Hand over all fields of the group in one call, or set field.column_group of one of them to NULL.")));
}

/* What is planned for these fields, with these systems, for the moment or later, LIMIT 1. */
static bool
find_planned(const Passage *h)
{
	Parameters p = {0};

	add_found(&p, h);
	add_time_and_systems(&p, h);
	return sql_run_set("SELECT h.entity, h.field, h.from_system, h.to_system, h.at FROM ownership.handover h "
					   "JOIN unnest($1, $2) g(entity, field) ON (g.entity, g.field) = (h.entity, h.field) "
					   "WHERE h.done_at IS NULL AND h.at >= $3 "
					   "AND (h.from_system IN ($4, $5) OR h.to_system IN ($4, $5)) "
					   "ORDER BY h.entity COLLATE \"C\", h.field COLLATE \"C\", h.at LIMIT 1",
					   &p) > 0;
}

/*
 * Of what passes at once, what was planned is cancelled.
 *
 * Errors: what is planned for a later moment, or for the same one, would mean something
 * else then.
 */
static void
settle_planned(const Passage *h, bool dry_run)
{
	while (find_planned(h))
	{
		if (!h->at_once)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("\"%s.%s\" is already to pass from system \"%s\" to \"%s\" at %s",
							sql_result_text(0, 1), sql_result_text(0, 2), sql_result_text(0, 3),
							sql_result_text(0, 4), sql_result_text(0, 5)),
					 errdetail("Several handovers are planned in the order of their moments."),
					 errhint("To plan anew, delete what is planned from ownership.handover first.")));
		if (dry_run)
			return;
		pass_cancel(sql_result_text(0, 1), sql_result_text(0, 2), "It passes now.");
	}
}

/* Errors: the caller may not update the column of a table of the map. */
static void
require_update(const char *table, const char *column)
{
	Oid relid = catalog_table(table, false);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relid, get_attnum(relid, column), GetUserId(), ACL_UPDATE) !=
			ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table);
}

/* A moment for rows of handover that are done: each field has one row for it and the system. */
static TimestampTz
free_moment(const Passage *h)
{
	TimestampTz at = h->at;

	for (;;)
	{
		Parameters p = {0};

		add_found(&p, h);
		sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
		sql_add_text(&p, h->from);
		if (sql_run_set("SELECT FROM ownership.handover h JOIN unnest($1, $2) g(entity, field) "
						"ON (g.entity, g.field) = (h.entity, h.field) WHERE h.at = $3 AND h.from_system = $4 LIMIT 1",
						&p) == 0)
			return at;
		at--;
	}
}

/* Writes the rows of handover, and the owners of what passes at once. */
static void
write_down(const Passage *h)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz at = h->at_once ? free_moment(h) : h->at;
	Parameters p = {0};

	if (h->fields_pass)
		require_update("field", "owner");
	if (h->rows_pass)
		require_update("row_owner", "owner");
	if (h->pattern_pass)
		require_update("mirrored_pattern", "owner");
	add_found(&p, h);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
	sql_add_text(&p, h->from);
	sql_add_text(&p, h->to);
	sql_add_text(&p, h->decided_by);
	sql_add_text(&p, h->note);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(now), !h->at_once);
	sql_run_set("INSERT INTO ownership.handover (entity, field, from_system, to_system, at, decided_by, note, done_at, passed) "
				"SELECT h.entity, h.field, h.from_system, $5, $3, $6, $7, $8, "
				"CASE WHEN $8 IS NOT NULL THEN " HANDOVER_PASSED(
					"h") " END "
						 "FROM (SELECT g.entity, g.field, $4 AS from_system FROM unnest($1, $2) g(entity, field)) h",
				&p);
	if (h->at_once)
		pass_write(at, now, h->fields_pass, h->rows_pass, h->pattern_pass);
}

/* Reads the arguments.  Errors: one of them is NULL, or makes no sense. */
static void
read_arguments(FunctionCallInfo fcinfo, Passage *h)
{
	static const char *const names[] = {"fields", "from_system", "to_system", "at"};
	TimestampTz began = map_time();

	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("\"%s\" must not be null", names[i])));
	h->pattern = call_text(fcinfo, 0);
	h->from = call_text(fcinfo, 1);
	h->to = call_text(fcinfo, 2);
	h->at = PG_GETARG_TIMESTAMPTZ(3);
	h->decided_by = call_text(fcinfo, 4);
	h->note = call_text(fcinfo, 5);
	if (TIMESTAMP_NOT_FINITE(h->at))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"at\" must be a moment, not infinity")));
	if (strcmp(h->from, h->to) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("system \"%s\" cannot hand over to itself", h->from)));
	h->at_once = h->at <= GetCurrentTimestamp();
	/* it passes with this statement, whatever moment in the past was named */
	if (h->at_once)
		h->at = began;
}

/* Errors: always; no field matches. */
static void
require_no_field_matches(const Passage *h)
{
	char *nearest = NULL;

	if (strpbrk(h->pattern, "*?") == NULL)
	{
		char *entity;
		char *field;

		names_split_field(h->pattern, &entity, &field);
		nearest = require_near_field(entity, field);
	}
	require_undefined(psprintf("no field matches \"%s\"", h->pattern), nearest, "field",
					  "A field is named entity.name; \"product.*\" is all fields of an entity, \"*\" every field.");
}

/*
 * hand_over(fields, from_system, to_system, at, decided_by, note, dry_run): what the
 * fields that match have of from_system passes to to_system at the moment, row owners
 * and patterns of add_tables() included.  Returns what passes, and what else is to be
 * thought of.
 *
 * Errors: an argument is NULL or names what does not exist; a group would be split;
 * something else is planned; the caller may not edit the map.
 */
Datum
ownership_hand_over(PG_FUNCTION_ARGS)
{
	Passage h = {0};
	bool dry_run = PG_ARGISNULL(6) || PG_GETARG_BOOL(6);

	read_arguments(fcinfo, &h);
	InitMaterializedSRF(fcinfo, 0);
	h.result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	require_system(h.from);
	require_system(h.to);
	if (!dry_run && h.at_once)
		(void) pass_due();
	find_fields(&h);
	find_patterns(&h);
	if (!h.any_field && !h.pattern_pass)
		require_no_field_matches(&h);
	if (h.entities == NIL)
		ereport(NOTICE,
				(errmsg("system \"%s\" owns nothing of \"%s\" at that time", h.from, h.pattern)));
	else
	{
		require_whole_groups(&h);
		settle_planned(&h, dry_run);
		if (!dry_run)
			write_down(&h);
	}
	list_thoughts(&h);
	SPI_finish();
	return (Datum) 0;
}
