/*
 * explain.c
 *		What the rules say, without a write: current_system(), explain() of a column and of
 *		all columns, and the error of a row filter.
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
PG_FUNCTION_INFO_V1(ownership_explain_columns);
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

/* A call of explain(): whose write it is about. */
typedef struct Asked
{
	char *system; /* NULL: an unidentified writer */
	bool steward; /* the session is that system, and a steward */
	bool current; /* the session is that system */
	Writer writer;
} Asked;

/* Errors: no such system. */
static Asked
asked_for(FunctionCallInfo fcinfo, int i)
{
	Asked asked = {0};

	asked.system = call_text(fcinfo, i);
	require_system(asked.system);
	asked.writer = *writer_current();
	asked.current = asked.system == NULL ? asked.writer.system == NULL
										 : asked.writer.system != NULL &&
											   strcmp(asked.system, asked.writer.system) == 0;
	asked.steward = asked.current && asked.writer.steward;
	return asked;
}

/* What happens when the writer changes the column: of the row, or, if that is NULL, of any. */
static Answer
explain_write(const Asked *asked, RelationMap *map, MappedColumn *col, ExplainedRow *row)
{
	/* a carrier writes as the source of the table */
	const char *system = asked->current
							 ? writer_system(&asked->writer, map->mapped ? map->source : NULL)
							 : asked->system;
	MappedColumn in_row;
	bool stored_blank = false;
	Pin *pin = NULL;
	Answer a;

	if (row != NULL && col != NULL)
	{
		in_row = explain_in_row(row, col, &stored_blank, &pin);
		col = &in_row;
	}
	a = explain_column(map, col, system, asked->steward, stored_blank);
	if (pin != NULL && !asked->steward && system != NULL && col->owner != NULL &&
		strcmp(col->owner, system) == 0)
		explain_pin(&a, pin);
	return a;
}

/* Puts the answer into five columns of a row. */
static void
put_answer(const Answer *a, Datum *values, bool *nulls)
{
	nulls[0] = a->allowed < 0;
	values[0] = BoolGetDatum(a->allowed > 0);
	call_put_text(values, nulls, 1, a->outcome);
	call_put_text(values, nulls, 2, a->owner);
	call_put_text(values, nulls, 3, a->policy);
	call_put_text(values, nulls, 4, a->reason);
}

/*
 * The number of a column.
 *
 * Errors: there is none of that name.
 */
static AttrNumber
require_named_column(Relation rel, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(rel), name);

	if (attnum != InvalidAttrNumber)
		return attnum;
	/* the key of a row, as a literal without a type: SQL takes it for the name */
	if (name[0] == '{')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name,
						names_message_relation_oid(RelationGetRelid(rel))),
				 errhint("To explain all columns of a row, name the argument: row_key => ...")));
	require_undefined_column(rel, name);
	return InvalidAttrNumber;
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
	MappedColumn *col;
	ExplainedRow row;
	AttrNumber attnum;
	Asked asked;
	Answer a;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	asked = asked_for(fcinfo, 2);
	require_relation(PG_GETARG_OID(0));
	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	attnum = require_named_column(rel, NameStr(*PG_GETARG_NAME(1)));
	if (PG_ARGISNULL(3) || map_column(map_get(rel), attnum) == NULL)
	{
		RelationMap *map = map_get(rel);

		a = explain_write(&asked, map, map_column(map, attnum), NULL);
		put_answer(&a, values, nulls);
	}
	else
	{
		RelationMap *map;

		explain_open_row(&row, rel, PG_GETARG_JSONB_P(3));
		map = map_get(rel);
		col = map_column(map, attnum);
		a = explain_write(&asked, map, col, &row);
		put_answer(&a, values, nulls);
		explain_close_row(&row);
	}
	relation_close(rel, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * explain(relation, row_key, system): the same for each column of the table, in
 * their order.
 *
 * Errors: no such table, system or row.
 */
Datum
ownership_explain_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool in_row = !PG_ARGISNULL(1);
	ExplainedRow row;
	RelationMap *map;
	Relation rel;
	Asked asked;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	asked = asked_for(fcinfo, 2);
	require_relation(PG_GETARG_OID(0));
	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (in_row)
		explain_open_row(&row, rel, PG_GETARG_JSONB_P(1));
	map = map_get(rel);
	for (int i = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);
		Datum values[6];
		bool nulls[6];
		Answer a;

		if (att->attisdropped)
			continue;
		a = explain_write(&asked, map, map_column(map, att->attnum), in_row ? &row : NULL);
		values[0] = NameGetDatum(&att->attname);
		nulls[0] = false;
		put_answer(&a, values + 1, nulls + 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	if (in_row)
		explain_close_row(&row);
	relation_close(rel, AccessShareLock);
	PG_RETURN_NULL();
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
