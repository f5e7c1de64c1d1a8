/*
 * explain.c
 *		What the rules say, without a write: current_system(), explain(), and the
 *		error of a row filter.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../edit/edit.h"
#include "../decisions/decisions.h"
#include "../guard/guard.h"
#include "explain.h"

PG_FUNCTION_INFO_V1(ownership_current_system);
PG_FUNCTION_INFO_V1(ownership_explain);
PG_FUNCTION_INFO_V1(ownership_row_filter_problem);

/* current_system(): the system that the session writes as; NULL: none. */
Datum
ownership_current_system(PG_FUNCTION_ARGS)
{
	const Writer *writer = writer_current();

	if (writer->system == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(writer->system));
}

/* Does it depend on the row whether this system may write the column as its owner? */
static bool
depends_on_row(const MappedColumn *col, const char *system)
{
	bool own = col->owner == NULL || (system != NULL && strcmp(col->owner, system) == 0);

	for (int i = 0; i < col->nrules; i++)
	{
		const char *owner = col->rules[i].owner;

		if (own != (owner == NULL || (system != NULL && strcmp(owner, system) == 0)))
			return true;
	}
	return false;
}

/*
 * What happens when the system changes the stored value of the column.  system is
 * NULL for an unidentified writer.  steward: the writer is a steward; stored_blank:
 * the stored value is NULL.  col is NULL for a column that is not on the map.
 */
Answer
explain_column(RelationMap *map, MappedColumn *col, const char *system, bool steward,
			   bool stored_blank)
{
	Answer a = {1, "allowed", NULL, NULL, NULL};
	Circumstances c = {0};
	bool softened;
	Verdict verdict;

	if (!map->mapped || col == NULL)
	{
		a.reason = "The column is not on the ownership map.";
		return a;
	}
	a.owner = col->owner;
	a.policy = policy_name(policy_effective(col->policy, (Policy) ownership_default_policy));
	if (map->source != NULL && system != NULL && strcmp(map->source, system) == 0)
	{
		a.reason =
			psprintf("The table is the private copy of \"%s\", which may write all of it.", system);
		return a;
	}
	if (col->nrules > 0 && depends_on_row(col, system))
	{
		a.allowed = -1;
		a.outcome = NULL;
		a.reason =
			psprintf("The owner depends on the row: %s where %s%s.",
					 col->rules[0].owner ? psprintf("\"%s\"", col->rules[0].owner) : "no system",
					 col->rules[0].text, col->nrules > 1 ? ", and further rules" : "");
		return a;
	}
	if (col->owner == NULL)
	{
		a.reason =
			psprintf("Field \"%s\" has no system of record, so everyone may write it.", col->field);
		return a;
	}
	if (system != NULL && strcmp(col->owner, system) == 0)
	{
		a.reason = psprintf("\"%s\" is the system of record of field \"%s\".", system, col->field);
		return a;
	}

	c.operation = OPERATION_UPDATE;
	c.steward = steward;
	c.enforcement = (Enforcement) ownership_enforcement;
	c.default_policy = (Policy) ownership_default_policy;
	verdict = verdict_for(&c, col->policy, col->key, stored_blank, &softened);
	a.allowed = verdict < VERDICT_KEEP;
	a.outcome = verdict_name(verdict);
	if (c.enforcement != ENFORCEMENT_ON)
		a.reason =
			psprintf("The system of record of field \"%s\" is \"%s\", but ownership.enforcement is %s.",
					 col->field, col->owner, c.enforcement == ENFORCEMENT_OFF ? "off" : "observe");
	else if (steward)
		a.reason = "A steward may write every field; the guard records the write.";
	else if (system == NULL)
		a.reason =
			psprintf("The system of record of field \"%s\" is \"%s\", and the writer is unidentified.",
					 col->field, col->owner);
	else
		a.reason = psprintf("The system of record of field \"%s\" is \"%s\", not \"%s\".",
							col->field, col->owner, system);
	if (col->group != 0 && c.enforcement == ENFORCEMENT_ON && !steward &&
		policy_effective(col->policy, c.default_policy) == POLICY_FILL)
		a.reason =
			psprintf("%s The policy fill writes group \"%s\" only where all its columns are blank.",
					 a.reason, col->column_group);
	return a;
}

/*
 * The columns (RowColumn) of which fill asks whether they are blank: the column, with
 * all of its group.  *kinds: how blank values of each are recognised, as integers.
 */
static List *
columns_to_read(Relation rel, RelationMap *map, const MappedColumn *col, List **kinds)
{
	MappedColumn *each = NULL;
	List *columns = list_make1(place_row_column(RelationGetRelid(rel), col->name));

	*kinds = list_make1_int(col->blank);
	while (col->group != 0 && (each = map_next_in_group(map, col->group, each)) != NULL)
	{
		if (each == col)
			continue;
		columns = lappend(columns, place_row_column(RelationGetRelid(rel), each->name));
		*kinds = lappend_int(*kinds, each->blank);
	}
	return columns;
}

/*
 * The column with the owner that it has in one stored row, and no row rules.  Sets
 * *stored_blank, also of its group, and *pin, if the value is pinned.  Reads the row with the caller's privileges.
 *
 * Errors: no such row, or several; a key that cannot be looked for; the caller
 * may not read the row.
 */
static MappedColumn
column_in_row(Relation rel, RelationMap *map, const MappedColumn *col, Jsonb *row_key,
			  bool *stored_blank, Pin **pin)
{
	MappedColumn in_row = *col;
	bool by_row = col->nrules > 0;
	List *kinds;
	List *columns = columns_to_read(rel, map, col, &kinds);
	MemoryContext cxt = CurrentMemoryContext;
	StoredRow row;

	/* reading the row runs SQL, which may load the map again and free col */
	in_row.name = pstrdup(col->name);
	in_row.field = pstrdup(col->field);
	in_row.column_group = col->column_group == NULL ? NULL : pstrdup(col->column_group);
	in_row.owner = col->owner == NULL ? NULL : pstrdup(col->owner);
	in_row.nrules = 0;

	SPI_connect();
	row_read(RelationGetRelid(rel), list_make1(row_key), columns, false, true, &row);
	if (row.n != 1)
	{
		char *note = row.n == 0 ? explain_waiting_note(RelationGetRelid(rel), row_key) : NULL;

		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg(row.n == 0 ? "table \"%s\" has no row with key %s"
										  : "table \"%s\" has several rows with key %s",
							   RelationGetRelationName(rel),
							   JsonbToCString(NULL, &row_key->root, VARSIZE(row_key))),
						note ? errdetail("%s", note) : 0));
	}
	/* of a domain the base type: its CHECKs may be code of another role */
	*stored_blank = true;
	for (int i = 0; i < list_length(columns) && *stored_blank; i++)
	{
		const RowColumn *column = list_nth(columns, i);

		if (row.values[i] != NULL)
			*stored_blank =
				value_is_blank(list_nth_int(kinds, i),
							   value_from_text(getBaseType(column->type), row.values[i]), false);
	}
	if (by_row)
	{
		char *owner = map_owner_at(row.relid, &row.tid, in_row.name);

		in_row.owner = owner == NULL ? NULL : MemoryContextStrdup(cxt, owner);
	}
	if (map->pinned != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		*pin = pin_at(row.relid, &row.tid, in_row.name);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return in_row;
}

/* The system of record changes a value that is pinned. */
static void
explain_pin(Answer *a, const Pin *pin)
{
	a->allowed = 0;
	a->outcome = verdict_name(VERDICT_KEEP);
	a->reason =
		psprintf("%s But the value is pinned by role \"%s\", %s.", a->reason, pin->by,
				 pin->until == 0
					 ? "until the system of record sends a new value"
					 : psprintf("until %s",
								value_to_text(TIMESTAMPTZOID, TimestampTzGetDatum(pin->until))));
}

/*
 * explain(relation, column_name, system, row_key): what happens when the system
 * changes a stored value of the column: that of the row, or, without row_key, one
 * that is not NULL.  allowed is NULL where it depends on the row.
 *
 * Errors: no such table, column, system or row.
 */
Datum
ownership_explain(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[5];
	bool nulls[5];
	Relation rel;
	RelationMap *map;
	MappedColumn *col;
	MappedColumn in_row;
	AttrNumber attnum;
	char *system = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	const Writer *writer;
	bool stored_blank = false;
	bool steward;
	Pin *pin = NULL;
	Answer a;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	require_system(system);
	require_relation(PG_GETARG_OID(0));
	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	attnum = get_attnum(RelationGetRelid(rel), NameStr(*PG_GETARG_NAME(1)));
	if (attnum == InvalidAttrNumber)
		require_undefined_column(rel, NameStr(*PG_GETARG_NAME(1)));
	map = map_get(rel);
	col = map_column(map, attnum);
	if (col != NULL && !PG_ARGISNULL(3))
	{
		Jsonb *key = PG_GETARG_JSONB_P(3);

		if (!JB_ROOT_IS_OBJECT(key) || JB_ROOT_COUNT(key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg(
						 "row_key must be an object: the columns that identify the row, and their values")));
		in_row = column_in_row(rel, map, col, key, &stored_blank, &pin);
		col = &in_row;
		map = map_get(rel);
	}
	writer = writer_current();
	steward = writer->steward &&
			  (system == NULL ? writer->system == NULL
							  : writer->system != NULL && strcmp(system, writer->system) == 0);
	a = explain_column(map, col, system, steward, stored_blank);
	if (pin != NULL && !steward && system != NULL && col->owner != NULL &&
		strcmp(col->owner, system) == 0)
		explain_pin(&a, pin);
	relation_close(rel, AccessShareLock);

	memset(nulls, true, sizeof(nulls));
	if ((nulls[0] = a.allowed < 0) == false)
		values[0] = BoolGetDatum(a.allowed > 0);
	if (a.outcome != NULL)
	{
		values[1] = CStringGetTextDatum(a.outcome);
		nulls[1] = false;
	}
	if (a.owner != NULL)
	{
		values[2] = CStringGetTextDatum(a.owner);
		nulls[2] = false;
	}
	if (a.policy != NULL)
	{
		values[3] = CStringGetTextDatum(a.policy);
		nulls[3] = false;
	}
	values[4] = CStringGetTextDatum(a.reason);
	nulls[4] = false;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* A row filter, and the table that it is for. */
typedef struct FilterOf
{
	Oid relid;
	char *filter;
} FilterOf;

static void
parse_filter(void *arg)
{
	FilterOf *f = arg;
	Relation rel = relation_open(f->relid, AccessShareLock);

	(void) filter_parse(rel, f->relid, f->filter);
	relation_close(rel, AccessShareLock);
}

/* row_filter_problem(relation, row_filter): the error that the filter raises, or NULL. */
Datum
ownership_row_filter_problem(PG_FUNCTION_ARGS)
{
	FilterOf f = {PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1))};
	ErrorData *error = subxact_try(parse_filter, &f);

	if (error == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(error->message));
}
