/*
 * explain.c
 *		Asking the rules without writing: current_system(), explain(), and what
 *		is wrong with a row filter.
 */
#include "ownership.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "compat.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"

PG_FUNCTION_INFO_V1(ownership_current_system);
PG_FUNCTION_INFO_V1(ownership_explain);
PG_FUNCTION_INFO_V1(ownership_row_filter_problem);

Datum
ownership_current_system(PG_FUNCTION_ARGS)
{
	const Writer *writer = current_writer();

	if (writer->system == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(writer->system));
}

/* Does the owner depend on the row, for this system? */
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

/* What happens when the system changes a stored value of the column. */
Answer
explain_column(RelationMap *map, MappedColumn *col, const char *system, bool steward)
{
	Answer a = {1, "allowed", NULL, NULL, NULL};
	Circumstances c = {0};
	bool softened;
	Verdict verdict;

	if (!map->mapped || col == NULL)
	{
		a.reason = _("The column is not on the ownership map.");
		return a;
	}
	a.owner = col->owner;
	a.policy = policy_name(policy_effective(col->policy));
	if (map->source != NULL && system != NULL && strcmp(map->source, system) == 0)
	{
		a.reason = psprintf(_("The table is the private copy of \"%s\", which may write all of it."),
							system);
		return a;
	}
	if (col->nrules > 0 && depends_on_row(col, system))
	{
		a.allowed = -1;
		a.outcome = NULL;
		a.reason = psprintf(_("The owner depends on the row: \"%s\" where %s%s."),
							col->rules[0].owner ? col->rules[0].owner : _("nobody"),
							col->rules[0].text, col->nrules > 1 ? _(", and further rules") : "");
		return a;
	}
	if (col->owner == NULL)
	{
		a.reason = psprintf(_("Field \"%s\" has no system of record, so everyone may write it."),
							col->field);
		return a;
	}
	if (system != NULL && strcmp(col->owner, system) == 0)
	{
		a.reason =
			psprintf(_("\"%s\" is the system of record of field \"%s\"."), system, col->field);
		return a;
	}

	c.operation = OPERATION_UPDATE;
	c.steward = steward;
	c.enforcement = (Enforcement) ownership_enforcement;
	verdict = verdict_for(&c, col->policy, col->key, false, &softened);
	a.allowed = verdict < VERDICT_KEEP;
	a.outcome = outcome_name(verdict);
	if (c.enforcement != ENFORCEMENT_ON)
		a.reason =
			psprintf(_("The system of record of field \"%s\" is \"%s\", but ownership.enforcement is %s."),
					 col->field, col->owner, c.enforcement == ENFORCEMENT_OFF ? "off" : "observe");
	else if (steward)
		a.reason = _("A steward may write every field; it is recorded.");
	else if (system == NULL)
		a.reason =
			psprintf(_("The system of record of field \"%s\" is \"%s\", and the writer is unidentified."),
					 col->field, col->owner);
	else
		a.reason = psprintf(_("The system of record of field \"%s\" is \"%s\", not \"%s\"."),
							col->field, col->owner, system);
	return a;
}

/*
 * explain(relation, column_name, system): what happens when the system
 * changes a stored value there that is not NULL.  allowed is NULL where it
 * depends on the row.
 *
 * Errors: no such column; no such system.
 */
Datum
ownership_explain(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[5];
	bool nulls[5];
	Relation rel;
	RelationMap *map;
	AttrNumber attnum;
	char *system = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	const Writer *writer = current_writer();
	Answer a;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	require_system(system);
	check_relation(PG_GETARG_OID(0));
	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	attnum = get_attnum(RelationGetRelid(rel), NameStr(*PG_GETARG_NAME(1)));
	if (attnum == InvalidAttrNumber)
		undefined_column(rel, NameStr(*PG_GETARG_NAME(1)));
	map = map_get(rel);
	a = explain_column(map, map_column(map, attnum), system,
					   writer->steward &&
						   (system == NULL
								? writer->system == NULL
								: writer->system != NULL && strcmp(system, writer->system) == 0));
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

/* row_filter_problem(relation, row_filter): the error it would raise, or NULL. */
Datum
ownership_row_filter_problem(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	char *filter = text_to_cstring(PG_GETARG_TEXT_PP(1));
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *volatile problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		Relation rel = relation_open(relid, AccessShareLock);

		(void) filter_parse(rel, filter);
		relation_close(rel, AccessShareLock);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
		problem = pstrdup(error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
