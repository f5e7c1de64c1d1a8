/*
 * pin.c
 *		pin(), pin_value(), unpin(): a steward holds a value against the next save of its
 *		system of record.
 *
 * What is pinned is what is stored; pin_value() writes it first, as a steward.  Who may
 * do this: stewards, and who may decide on evidence.  The row is read and written with
 * the caller's privileges, ownership.pin as the owner of the extension's tables.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../guard/guard.h"
#include "decisions.h"

PG_FUNCTION_INFO_V1(ownership_pin);
PG_FUNCTION_INFO_V1(ownership_pin_value);
PG_FUNCTION_INFO_V1(ownership_unpin);
PG_FUNCTION_INFO_V1(ownership_pin_due);

/* What a call of one of the functions is about. */
typedef struct Target
{
	Oid home; /* the table on the map */
	TablePlace place;
	Jsonb *key;	   /* as row_key of evidence */
	List *names;   /* char *: the columns of the value: the column first, then its group */
	List *columns; /* RowColumn, likewise */
} Target;

/* Errors: the caller is no steward, and may not decide on evidence. */
static void
require_pinner(void)
{
	Oid conflict = catalog_table("conflict", false);

	if (writer_current()->steward ||
		pg_attribute_aclcheck(conflict, Anum_conflict_resolution, GetUserId(), ACL_UPDATE) ==
			ACLCHECK_OK ||
		pg_class_aclcheck(conflict, GetUserId(), ACL_UPDATE) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to pin values"),
			 errhint(
				 "Stewards may pin values, and roles with the privilege UPDATE (resolution) on ownership.conflict.")));
}

static bool
has_owner(const MappedColumn *col)
{
	bool owned = col->owner != NULL;

	for (int i = 0; i < col->nrules; i++)
		owned |= col->rules[i].owner != NULL;
	return owned;
}

/* Errors: a value of the column cannot be pinned. */
static void
check_column(const RelationMap *map, const MappedColumn *col, const char *name)
{
	const char *table = names_message_relation(map->schema, map->table);

	if (col == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of table \"%s\" is not on the map", name, table)));
	if (col->key)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("column \"%s\" of table \"%s\" is a key, and keys cannot be pinned",
							   name, table)));
	if (!has_owner(col))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("field \"%s\" has no system of record, so its values cannot be pinned",
						col->field),
				 errdetail("A pin holds a value against the next save of the system of record.")));
}

/* Errors: values of the table cannot be pinned. */
static void
check_table(const RelationMap *map, Relation rel)
{
	const char *table;

	if (!map->mapped)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("table \"%s\" is not on the map",
							   names_message_relation_oid(RelationGetRelid(rel)))));
	table = names_message_relation(map->schema, map->table);
	if (!map_is_shared(map))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" is a private copy of system \"%s\"", table, map->source),
				 errdetail("Values of shared tables can be pinned.")));
	if (map->nkey_attrs == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s\" has no key, so its values cannot be pinned", table),
						errhint("Mark its key columns as key on the map.")));
}

/*
 * Finds what is to be pinned.
 *
 * Errors: values of the table or the column cannot be pinned; row_key is no key.
 */
static Target
find_target(Oid relid, Jsonb *key, const char *column)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	Target target = {0};
	MappedColumn *col;
	MappedColumn *each = NULL;
	ListCell *lc;

	map_enter();
	check_table(map, rel);
	col = map_column(map, get_attnum(relid, column));
	check_column(map, col, column);
	target.home = map->home;
	target.place.schema = pstrdup(map->schema);
	target.place.table = pstrdup(map->table);
	target.key = row_canonical_key(map, map->home, key);
	target.names = list_make1(pstrdup(col->name));
	while (col->group != 0 && (each = map_next_in_group(map, col->group, each)) != NULL)
	{
		if (each != col)
			target.names = lappend(target.names, pstrdup(each->name));
	}
	foreach(lc, target.names)
		target.columns = lappend(target.columns, place_row_column(target.home, lfirst(lc)));
	map_leave();
	relation_close(rel, NoLock);
	return target;
}

/*
 * Reads the row, and locks it.  Errors: it is not there, or several rows have the key.
 */
static void
read_target(const Target *target, StoredRow *row)
{
	row_read(target->home, list_make1(target->key), target->columns, true, false, row);
	if (row->n == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("table \"%s\" contains no row with this key",
							   names_message_relation(target->place.schema, target->place.table)),
						errdetail("It does not exist, or you are not allowed to see it.")));
	if (row->n > 1)
		ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
						errmsg("%d rows of table \"%s\" have this key", row->n,
							   names_message_relation(target->place.schema, target->place.table))));
}

/* Adds schema, table and key as the parameters $1 to $3. */
static void
add_target(Parameters *p, const Target *target)
{
	sql_add_text(p, target->place.schema);
	sql_add_text(p, target->place.table);
	sql_add_value(p, JSONBOID, JsonbPGetDatum(target->key), false);
}

#define OF_ROW(alias)                                                                          \
	"(" alias ".table_schema, " alias ".table_name) = ($1, $2) AND jsonb_hash_extended(" alias \
	".row_key, 0) = jsonb_hash_extended($3, 0) AND " alias ".row_key = $3"

/*
 * What stood in the column before stewards wrote what is stored: the owner's last
 * word.  A steward may have written several times.  What happened before another pin
 * of the value ended is not looked at: the owner has spoken since.  False: no evidence
 * of stewards tells.
 */
static bool
find_replaced(const Target *target, const RowColumn *col, char *stored, char **replaced)
{
	Parameters p = {0};
	bool found = false;
	uint64 n;

	add_target(&p, target);
	sql_add_text(&p, col->name);
	n = sql_run("SELECT c.stored, c.proposed FROM ownership.conflict c WHERE " OF_ROW(
					"c") " AND c.outcome = 'overridden' AND c.operation = 'UPDATE' AND $4 = ANY (c.columns::text[]) "
						 "AND NOT EXISTS (SELECT FROM ownership.pin p WHERE p.ended_at > c.recorded_at "
						 "AND p.column_name = $4 AND " OF_ROW(
							 "p") ") ORDER BY c.recorded_at DESC, c.id DESC LIMIT 100",
				&p);
	*replaced = stored;
	for (uint64 i = 0; i < n; i++)
	{
		Jsonb *before = sql_result_jsonb(i, 1);
		Jsonb *after = sql_result_jsonb(i, 2);
		char *text;
		ValueKind kind = after == NULL ? VALUE_ABSENT : value_object_text(after, col->name, &text);

		if ((kind != VALUE_TEXT && kind != VALUE_NULL) ||
			!value_same_text(col->type, text, *replaced))
			break;
		kind = before == NULL ? VALUE_ABSENT : value_object_text(before, col->name, &text);
		if (kind != VALUE_TEXT && kind != VALUE_NULL)
			break;
		*replaced = text;
		found = true;
	}
	return found;
}

/* How a value is pinned. */
typedef struct Terms
{
	bool has_until;
	TimestampTz until;
	char *reason;
} Terms;

/*
 * Stores the pin of one column, or moves the one that is there, which keeps what it
 * knows of the owner's last word.  before: what pin_value() has replaced.
 */
static void
store_pin(const Target *target, const RowColumn *col, char *value, const Terms *terms, bool wrote,
		  char *before)
{
	Parameters p = {0};
	char *replaced = NULL;
	bool known = find_replaced(target, col, value, &replaced);

	if (!known && wrote)
	{
		replaced = before;
		known = true;
	}
	add_target(&p, target);
	sql_add_text(&p, col->name);
	sql_add_text(&p, value);
	sql_add_text(&p, known ? replaced : NULL);
	sql_add_bool(&p, known);
	sql_add_value(&p, TIMESTAMPTZOID, TimestampTzGetDatum(terms->until), !terms->has_until);
	sql_add_text(&p, terms->reason);
	sql_add_text(&p, GetUserNameFromId(GetOuterUserId(), false));
	if (sql_run("UPDATE ownership.pin p SET value = $5, replaced = CASE WHEN p.replaced_known THEN p.replaced ELSE $6 END, "
				"replaced_known = p.replaced_known OR $7, until = $8, reason = $9, pinned_by = $10, "
				"pinned_at = clock_timestamp(), gone_at = NULL, pending = p.pending AND $8 IS NOT NULL "
				"WHERE p.ended_at IS NULL AND p.column_name = $4 AND " OF_ROW("p") " RETURNING 1",
				&p) > 0)
		return;
	(void)
		sql_run("INSERT INTO ownership.pin (table_schema, table_name, row_key, column_name, value, replaced, "
				"replaced_known, until, reason, pinned_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
				&p);
}

/* Pins what is stored.  before: what the first column had before the caller wrote it, if `wrote`. */
static void
pin_target(const Target *target, const Terms *terms, bool wrote, char *before)
{
	StoredRow row;
	SavedRole caller;
	ListCell *lc;

	read_target(target, &row);
	caller = role_become_extension();
	foreach(lc, target->columns)
	{
		int i = foreach_current_index(lc);

		store_pin(target, lfirst(lc), row.values[i], terms, wrote && i == 0, before);
	}
	role_restore(&caller);
}

/*
 * accept(..., pin => true): can a value of the column be pinned?
 *
 * Errors: none of the table's values can.
 */
bool
pin_takes(Oid relid, const char *column)
{
	Relation rel = relation_open(relid, AccessShareLock);
	RelationMap *map = map_get(rel);
	MappedColumn *col;
	bool takes;

	map_enter();
	check_table(map, rel);
	col = map_column(map, get_attnum(relid, column));
	takes = col != NULL && !col->key && has_owner(col);
	map_leave();
	relation_close(rel, NoLock);
	return takes;
}

/* accept(..., pin => true): pins a column of a row of which the value was accepted.  Needs SPI. */
void
pin_accepted(Oid relid, Jsonb *key, const char *column)
{
	Terms terms = {0};
	Target target = find_target(relid, key, column);

	pin_target(&target, &terms, false, NULL);
}

/* The arguments relation, row_key and column_name. */
static Target
take_target(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("relation, row_key and column_name must not be null")));
	require_pinner();
	return find_target(PG_GETARG_OID(0), PG_GETARG_JSONB_P(1),
					   text_to_cstring(PG_GETARG_TEXT_PP(2)));
}

/* The arguments until and reason.  Errors: until is in the past. */
static Terms
take_terms(FunctionCallInfo fcinfo, int first)
{
	Terms terms = {0};

	terms.has_until = !PG_ARGISNULL(first);
	if (terms.has_until)
		terms.until = PG_GETARG_TIMESTAMPTZ(first);
	if (terms.has_until && terms.until <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("until must be in the future")));
	terms.reason = call_text(fcinfo, first + 1);
	return terms;
}

/*
 * pin(relation, row_key, column_name, until, reason): pins the stored value, with the
 * other columns of its group.
 *
 * Errors: an argument is NULL that must not be; the caller may not pin values; values
 * of the table or the column cannot be pinned; the row is not there; until is past.
 */
Datum
ownership_pin(PG_FUNCTION_ARGS)
{
	Target target = take_target(fcinfo);
	Terms terms = take_terms(fcinfo, 3);

	SPI_connect();
	pin_target(&target, &terms, false, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * pin_value(relation, row_key, column_name, value, until, reason): writes a value as a
 * steward, and pins it.
 *
 * Errors: as for pin(); any error of the write.
 */
Datum
ownership_pin_value(PG_FUNCTION_ARGS)
{
	Target target = take_target(fcinfo);
	char *value = call_text(fcinfo, 3);
	Terms terms = take_terms(fcinfo, 4);
	RowColumn *col = linitial(target.columns);
	StoredRow row;
	bool writes;

	SPI_connect();
	read_target(&target, &row);
	writes = !value_same_text(col->type, value, row.values[0]);
	if (writes)
		row_write(target.home, OPERATION_UPDATE, target.key, list_make1(col), list_make1(value));
	pin_target(&target, &terms, writes, row.values[0]);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * unpin(relation, row_key, column_name): ends the pin of a value, with the other
 * columns of its group.  Returns whether there was one.
 *
 * Errors: as for pin().
 */
Datum
ownership_unpin(PG_FUNCTION_ARGS)
{
	Target target = take_target(fcinfo);
	Parameters p = {0};
	SavedRole caller;
	uint64 n;

	SPI_connect();
	caller = role_become_extension();
	add_target(&p, &target);
	sql_add_texts(&p, target.names);
	sql_add_text(&p, GetUserNameFromId(GetOuterUserId(), false));
	n = sql_run("UPDATE ownership.pin p SET ended_at = clock_timestamp(), ended_by = $5 "
				"WHERE p.ended_at IS NULL AND p.column_name = ANY ($4) AND " OF_ROW(
					"p") " RETURNING 1",
				&p);
	role_restore(&caller);
	SPI_finish();
	PG_RETURN_BOOL(n > 0);
}

/* pin_due(): ends the pins whose time is over.  Returns the number of their rows. */
Datum
ownership_pin_due(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(pin_end_due());
}
