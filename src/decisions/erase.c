/*
 * erase.c
 *		erase(): a person's values go out of evidence, history, pins and what waits.
 *
 * What is erased stays a row and counts on, but it names no row and contains no value: the
 * key becomes a digest, of which the salt is thrown away, each value becomes
 * {"erased": true}, and the resolution is "erased", so that it is neither listed as
 * open, nor accepted, applied or reverted.  A pin ends.
 *
 * Each table of evidence is updated by one statement, which looks up the rows by the
 * hash of their key and takes them as they are when it has locked them: what a
 * concurrent worker adds to a parked value is erased, too.  What it adds later finds the
 * evidence resolved, and parks anew.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "../base/compat.h"
#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../activity/activity.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_erase);

#define SALT_BYTES 32

/* The tables that contain values of rows, by the names that place has. */
static const char *const stores[] = {"conflict", "history", "pin"};

/*
 * Errors: the caller may not delete evidence, or row security hides some of it.
 */
static void
require_eraser(void)
{
	for (int i = 0; i < (int) lengthof(stores); i++)
	{
		Oid relid = catalog_table(stores[i], false);

		if (pg_class_aclcheck(relid, GetUserId(), ACL_DELETE) != ACLCHECK_OK ||
			pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to erase evidence"),
					 errdetail("Role \"%s\" may not read and delete the rows of ownership.%s.",
							   GetUserNameFromId(GetUserId(), false), stores[i]),
					 errhint(
						 "GRANT SELECT, DELETE ON ownership.conflict, ownership.history, ownership.pin gives the needed privileges.")));
		if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("row security hides rows of ownership.%s from role \"%s\"",
								   stores[i], GetUserNameFromId(GetUserId(), false)),
							errdetail("Evidence that the role does not see would not be erased."),
							errhint("Erase as a role with BYPASSRLS.")));
	}
}

static Datum
time_array(List *rows, bool until)
{
	int n = list_length(rows);
	Datum *datums = palloc(Max(n, 1) * sizeof(Datum));
	ListCell *lc;

	foreach(lc, rows)
	{
		const ErasedRow *row = lfirst(lc);

		datums[foreach_current_index(lc)] = TimestampTzGetDatum(until ? row->until : row->since);
	}
	return PointerGetDatum(construct_array(datums, n, TIMESTAMPTZOID, sizeof(TimestampTz),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Adds the rows as arrays, $1 to $5, the text $6 and the salt $7. */
static void
add_rows(Parameters *p, List *rows, const char *value, bytea *salt)
{
	List *schemas = NIL;
	List *tables = NIL;
	Datum *keys = palloc(Max(list_length(rows), 1) * sizeof(Datum));
	ListCell *lc;

	foreach(lc, rows)
	{
		const ErasedRow *row = lfirst(lc);

		schemas = lappend(schemas, row->schema);
		tables = lappend(tables, row->table);
		keys[foreach_current_index(lc)] = JsonbPGetDatum(row->key);
	}
	sql_add_texts(p, schemas);
	sql_add_texts(p, tables);
	sql_add_value(p, JSONBARRAYOID,
				  PointerGetDatum(
					  construct_array(keys, list_length(rows), JSONBOID, -1, false, TYPALIGN_INT)),
				  false);
	sql_add_value(p, TIMESTAMPTZARRAYOID, time_array(rows, false), false);
	sql_add_value(p, TIMESTAMPTZARRAYOID, time_array(rows, true), false);
	sql_add_text(p, value);
	sql_add_value(p, BYTEAOID, PointerGetDatum(salt), false);
}

/* Condition: the object has a member with exactly the text $6. */
#define HOLDS(object)                                                                  \
	"EXISTS (SELECT FROM jsonb_each_text(CASE jsonb_typeof(" object ") WHEN 'object' " \
	"THEN " object " END) m WHERE m.value = $6)"

/* Condition: the row e of a table of evidence is about one of the rows. */
#define OF_ROWS(at)                                                                               \
	"SELECT e.id FROM unnest($1, $2, $3, $4, $5) k(s, t, key, since, until) JOIN %s e "           \
	"ON jsonb_hash_extended(e.row_key, 0) = jsonb_hash_extended(k.key, 0) AND e.row_key = k.key " \
	"AND e.table_schema = k.s AND e.table_name = k.t AND e." at " BETWEEN k.since AND k.until "

#define OF_PINS                                                                                    \
	"SELECT e.id FROM unnest($1, $2, $3, $4, $5) k(s, t, key, since, until) JOIN ownership.pin e " \
	"ON e.row_key = k.key AND e.table_schema = k.s AND e.table_name = k.t "                        \
	"AND e.pinned_at BETWEEN k.since AND k.until "

/* The digest that takes the place of a key. */
#define DIGEST                                                                                      \
	"CASE WHEN row_key IS NOT NULL THEN jsonb_build_object('erased', jsonb_build_object('digest', " \
	"encode(sha256($7 || convert_to(table_schema || '.' || table_name || ' ' || row_key::text, "    \
	"getdatabaseencoding())), 'hex'))) END"

/* An object of evidence without its values; a number that only counts rows stays. */
#define ERASED(object)                                                                       \
	"CASE jsonb_typeof(" object ") WHEN 'object' THEN coalesce((SELECT jsonb_object_agg(k, " \
	"'{\"erased\": true}'::jsonb) FROM jsonb_object_keys(" object ") k), '{}') ELSE " object " END"

/* The query that finds the rows of a table of evidence, as their ids. */
static char *
find_sql(const char *store, const char *value)
{
	if (strcmp(store, "pin") == 0)
		return psprintf(OF_PINS "%s",
						value == NULL
							? ""
							: "UNION SELECT e.id FROM ownership.pin e WHERE e.value = $6 OR e.replaced = $6 OR e.reason = $6 OR " HOLDS(
								  "e.row_key"));
	return psprintf(OF_ROWS("recorded_at") "%s", psprintf("ownership.%s", store),
					value == NULL
						? ""
						: psprintf("UNION SELECT e.id FROM ownership.%s e WHERE " HOLDS(
									   "e.stored") " OR " HOLDS("e.proposed") " OR " HOLDS("e.row_key"),
								   store));
}

/* The statement that erases what find_sql() finds; it returns which tables that is about. */
static char *
erase_sql(const char *store)
{
	if (strcmp(store, "pin") == 0)
		return "UPDATE ownership.pin c SET row_key = " DIGEST
			   ", value = NULL, replaced = NULL, replaced_known = false, pending = false, "
			   "reason = NULL, ended_at = coalesce(ended_at, clock_timestamp()), ended_by = coalesce(ended_by, $8) ";
	return psprintf("UPDATE ownership.%s c SET row_key = " DIGEST ", stored = " ERASED(
						"stored") ", proposed = " ERASED("proposed") ", resolution = 'erased'%s ",
					store,
					strcmp(store, "conflict") == 0
						? ", problem = NULL"
						: ", resolved_at = clock_timestamp(), resolved_by = $8");
}

/* What was found of one table: (place, count) of the result. */
typedef struct Found
{
	char *place;
	int64 count;
} Found;

static void
add_found(List **list, const char *what, const char *label, int64 count)
{
	char *place = psprintf("%s of %s", what, label);
	Found *found;
	ListCell *lc;

	foreach(lc, *list)
	{
		found = lfirst(lc);
		if (strcmp(found->place, place) == 0)
		{
			found->count += count;
			return;
		}
	}
	found = palloc(sizeof(Found));
	found->place = place;
	found->count = count;
	*list = lappend(*list, found);
}

static void
put_found(ReturnSetInfo *rsinfo, const Found *found)
{
	Datum values[2] = {CStringGetTextDatum(found->place), Int64GetDatum(found->count)};
	bool nulls[2] = {false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Erases, or in a dry run counts, in one table of evidence. */
static void
erase_store(const char *store, List *rows, const char *value, bytea *salt, bool dry_run, List **list)
{
	bool waits = strcmp(store, "conflict") == 0;
	const char *kind =
		waits ? "outcome IN ('parked', 'remembered') AND resolved_at IS NULL AND row_key IS NOT NULL"
			  : "false";
	Parameters p = {0};
	SavedRole caller;
	uint64 n;

	add_rows(&p, rows, value, salt);
	sql_add_text(&p, GetUserNameFromId(GetUserId(), false));
	caller = role_become_extension();
	if (dry_run)
		n = sql_run_composed(psprintf("SELECT table_schema, table_name, %s, count(*) FROM ownership.%s "
									  "WHERE id IN (%s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
									  kind, store, find_sql(store, value)),
							 &p);
	else
		/* what waited is known before the UPDATE only */
		n = sql_run_composed(
			psprintf("WITH found AS MATERIALIZED (SELECT id AS place, %s AS waits FROM ownership.%s WHERE id IN (%s)), "
					 "erased AS (%sFROM found f WHERE c.id = f.place RETURNING c.table_schema, c.table_name, f.waits) "
					 "SELECT table_schema, table_name, waits, count(*) FROM erased GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
					 kind, store, find_sql(store, value), erase_sql(store)),
			&p);
	role_restore(&caller);
	for (uint64 i = 0; i < n; i++)
		add_found(list, sql_result_bool(i, 3) ? "waiting" : store,
				  names_relation_label(sql_result_text(i, 1), sql_result_text(i, 2)),
				  sql_result_int64(i, 4));
}

/* The maps of the tables on the map for which something waits. */
static List *
waiting_maps(void)
{
	Parameters none = {0};
	List *maps = NIL;
	List *relids = NIL;
	SavedRole caller = role_become_extension();
	uint64 n =
		sql_run("SELECT DISTINCT table_schema, table_name FROM ownership.conflict "
				"WHERE outcome IN ('parked', 'remembered') AND resolved_at IS NULL AND row_key IS NOT NULL",
				&none);
	ListCell *lc;

	role_restore(&caller);
	for (uint64 i = 0; i < n; i++)
	{
		Oid relid = place_evidence_table(sql_result_text(i, 1), sql_result_text(i, 2));

		if (OidIsValid(relid))
			relids = lappend_oid(relids, relid);
	}
	foreach(lc, relids)
	{
		Relation rel = relation_open(lfirst_oid(lc), AccessShareLock);

		maps = lappend(maps, map_get(rel));
		relation_close(rel, NoLock);
	}
	return maps;
}

/* The reasons (char *) of the pins that are erased: the history of the map has them, too. */
static List *
find_reasons(List *rows, const char *value, bytea *salt)
{
	Parameters p = {0};
	SavedRole caller;
	List *reasons;

	add_rows(&p, rows, value, salt);
	caller = role_become_extension();
	sql_run_composed(psprintf("SELECT array_agg(DISTINCT reason) FROM ownership.pin "
							  "WHERE reason IS NOT NULL AND id IN (%s)",
							  find_sql("pin", value)),
					 &p);
	reasons = sql_result_texts(0, 1);
	role_restore(&caller);
	return reasons;
}

#define HAS_REASON(object) object " ->> 'reason' = ANY ($1)"
#define ERASED_REASON(object)                                 \
	object " = CASE WHEN " HAS_REASON(object) " THEN " object \
											  " || '{\"reason\": \"erased\"}' ELSE " object " END"
#define WITH_REASON " WHERE map_table = 'pin' AND (" HAS_REASON("old") " OR " HAS_REASON("new") ")"

/* Erases these reasons in the history of the map, or in a dry run counts them. */
static int64
erase_reasons(List *reasons, bool dry_run)
{
	Parameters p = {0};
	SavedRole caller;
	int64 n;

	if (reasons == NIL)
		return 0;
	sql_add_texts(&p, reasons);
	caller = role_become_extension();
	n = sql_run_composed(dry_run ? "SELECT FROM ownership.map_history" WITH_REASON
								 : "UPDATE ownership.map_history SET " ERASED_REASON(
									   "old") ", " ERASED_REASON("new") WITH_REASON,
						 &p);
	role_restore(&caller);
	return n;
}

/* Errors: the table is not on the map, or has no key. */
static Jsonb *
read_key(FunctionCallInfo fcinfo, Oid relid, TablePlace *place)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	Jsonb *key = NULL;

	map_enter();
	if (!map->mapped)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" is not on the map", names_message_relation_oid(relid))));
	place->schema = pstrdup(map->schema);
	place->table = pstrdup(map->table);
	place->partition = false;
	if (!PG_ARGISNULL(1))
	{
		if (map->nkey_attrs == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" has no key, so its evidence names no rows",
							names_message_relation(map->schema, map->table)),
					 errhint(
						 "Give NULL as row_key and a value: all evidence that contains the value is erased.")));
		key = row_canonical_key(map, map->home, PG_GETARG_JSONB_P(1));
	}
	map_leave();
	relation_close(rel, NoLock);
	return key;
}

/*
 * erase(relation, row_key, value, dry_run): a person's values go out of evidence, history,
 * pins and what waits, in the row and in all rows that match keys tie to it; with a value,
 * also out of evidence of any row that contains exactly this text.  row_key NULL: only by
 * the value.
 *
 * Errors: the caller may not delete evidence, or read a table; the table is not on the
 * map; row_key is no key of it; the transaction sees only what was there when it began.
 */
Datum
ownership_erase(PG_FUNCTION_ARGS)
{
	char *value = call_text(fcinfo, 2);
	bool dry_run = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	Oid relid;
	TablePlace place;
	Jsonb *key;
	List *rows = NIL;
	List *found = NIL;
	List *maps;
	bytea *salt = palloc(VARHDRSZ + SALT_BYTES);
	char *label;
	List *reasons;
	int64 nreasons;
	ListCell *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the relation must not be null")));
	relid = PG_GETARG_OID(0);
	PreventCommandDuringRecovery("ownership.erase()");
	require_eraser();
	if (PG_ARGISNULL(1) && value == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("erase() needs a row_key, a value or both")));
	if (value != NULL && value[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the value to erase must not be empty")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("erase() does not work in isolation level REPEATABLE READ or SERIALIZABLE"),
				 errdetail(
					 "Such a transaction does not see the evidence that was recorded since it began."),
				 errhint("Call it in a transaction with isolation level READ COMMITTED.")));
	if (!pg_strong_random(VARDATA(salt), SALT_BYTES))
		elog(ERROR, "could not generate a random salt");
	SET_VARSIZE(salt, VARHDRSZ + SALT_BYTES);

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	key = read_key(fcinfo, relid, &place);
	/* rejected attempts that are in shared memory still */
	handover_flush();
	if (key != NULL)
		rows = erase_find_rows(relid, &place, key);
	label = names_relation_label(place.schema, place.table);
	add_found(&found, "conflict", label, 0);
	add_found(&found, "waiting", label, 0);
	add_found(&found, "history", label, 0);
	add_found(&found, "pin", label, 0);
	map_enter();
	maps = dry_run ? NIL : waiting_maps();
	reasons = find_reasons(rows, value, salt);
	for (int i = 0; i < (int) lengthof(stores); i++)
		erase_store(stores[i], rows, value, salt, dry_run, &found);
	/* after the pins: their UPDATE is recorded, too */
	nreasons = erase_reasons(reasons, dry_run);
	foreach(lc, maps)
		map_waits_no_more(lfirst(lc));
	map_leave();
	if (nreasons > 0)
		add_found(&found, "map_history", "pins", nreasons);
	foreach(lc, found)
		put_found((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc));
	/* the salt is known to nobody from now on */
	explicit_bzero(VARDATA(salt), SALT_BYTES);
	if (!dry_run)
		ereport(NOTICE,
				(errmsg("erased from the extension's tables only"),
				 errdetail(
					 "The server log, WAL, backups, replicas and printed pages keep what they have; dead row versions go with VACUUM.")));
	SPI_finish();
	return (Datum) 0;
}
