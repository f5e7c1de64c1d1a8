/*
 * common.c
 *		What all evidence has in common that one statement leaves about one table with
 *		one outcome.  It is made for the first row and kept in the statement's tally.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../rules/rules.h"
#include "../statement/statement.h"
#include "evidence.h"

/* What a row has as application_name. */
static const char *
application(void)
{
	return application_name != NULL && application_name[0] != '\0' ? application_name : NULL;
}

/*
 * Sets all columns of new evidence but row_key, stored, proposed and columns.
 * outcome: its name.
 */
void
evidence_set_common(Datum *values, bool *nulls, const char *schema, const char *table,
					Operation operation, const Writer *writer, const char *system,
					const char *outcome)
{
	memset(nulls, true, Natts_conflict * sizeof(bool));
	values[Anum_conflict_recorded_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[Anum_conflict_recorded_at - 1] = false;
	insert_set_text(values, nulls, Anum_conflict_schema, schema);
	insert_set_text(values, nulls, Anum_conflict_table, table);
	insert_set_text(values, nulls, Anum_conflict_operation, operation_name(operation));
	insert_set_text(values, nulls, Anum_conflict_system, system);
	insert_set_text(values, nulls, Anum_conflict_role, GetUserNameFromId(writer->role, true));
	insert_set_text(values, nulls, Anum_conflict_origin, writer->origin);
	insert_set_text(values, nulls, Anum_conflict_application, application());
	insert_set_text(values, nulls, Anum_conflict_outcome, outcome);
}

/* A seed made of a text and another seed, as in the expressions of the indexes. */
static Datum
seed(const char *text, Datum before)
{
	return DirectFunctionCall2Coll(hashtextextended, DEFAULT_COLLATION_OID,
								   CStringGetTextDatum(text), before);
}

/* The hashes by which repeat.c finds such evidence. */
static void
set_hashes(Common *c, const Evidence *e)
{
	bool discarded = e->outcome == VERDICT_DISCARD;
	const char *operation = discarded ? operation_name(e->operation) : "";
	char *writer = e->system != NULL		   ? psprintf("s%s", e->system)
				   : e->writer->origin != NULL ? psprintf("o%s", e->writer->origin)
				   : c->role_name != NULL	   ? psprintf("r%s", c->role_name)
											   : "";
	char *kind = psprintf("%s.%s %s %s", e->map->schema, e->map->table, writer, operation);

	c->kind = DirectFunctionCall1Coll(hashtext, DEFAULT_COLLATION_OID, CStringGetTextDatum(kind));
	c->proposal_seed = seed(writer, seed(e->map->table, seed(e->map->schema, Int64GetDatum(0))));
	c->old_seed = seed(operation, c->proposal_seed);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The columns of new evidence: names (char *) as name[].  Those of the first row are kept. */
Datum
evidence_common_names(Common *c, List *names)
{
	bool same = list_length(c->names) == list_length(names);
	ListCell *a;
	ListCell *b;

	if (c->names == NIL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(c));

		foreach(a, names)
			c->names = lappend(c->names, pstrdup(lfirst(a)));
		c->name_array = names_array(names);
		MemoryContextSwitchTo(old);
		return c->name_array;
	}
	forboth(a, c->names, b, names)
		same = same && strcmp(lfirst(a), lfirst(b)) == 0;
	return same ? c->name_array : names_array(names);
}

/* The output function of a column. */
FmgrInfo *
evidence_common_output(Common *c, AttrNumber attnum, Oid type)
{
	FmgrInfo *output = &c->outputs[attnum - 1];
	Oid function;
	bool varlena;

	if (c->output_types[attnum - 1] != type)
	{
		getTypeOutputInfo(type, &function, &varlena);
		fmgr_info_cxt(function, output, GetMemoryChunkContext(c));
		c->output_types[attnum - 1] = type;
	}
	return output;
}

/* Did the guard keep out the value, or the row? */
bool
evidence_is_refused(Verdict outcome)
{
	return outcome == VERDICT_KEEP || outcome == VERDICT_DISCARD;
}

/* Finds, or makes, what the evidence has in common with other evidence of its statement. */
void
evidence_set_statement(Evidence *e)
{
	Tally *tally = tally_get(e->map);
	MemoryContext old;
	Common *c;

	for (c = tally->common; c != NULL; c = c->next)
	{
		if (c->outcome == e->outcome && c->operation == e->operation && c->role == e->writer->role &&
			c->natts == e->desc->natts && same_text(c->system, e->system) &&
			same_text(c->origin, e->writer->origin) && same_text(c->application, application()))
			break;
	}
	e->common = c;
	if (c != NULL)
		return;
	old = MemoryContextSwitchTo(tally->cxt);
	e->common = c = palloc0(sizeof(Common));
	c->outcome = e->outcome;
	c->operation = e->operation;
	c->role = e->writer->role;
	c->role_name = GetUserNameFromId(c->role, true);
	c->system = e->system == NULL ? NULL : pstrdup(e->system);
	c->origin = e->writer->origin == NULL ? NULL : pstrdup(e->writer->origin);
	c->application = application() == NULL ? NULL : pstrdup(application());
	c->natts = e->desc->natts;
	c->outputs = palloc0(c->natts * sizeof(FmgrInfo));
	c->output_types = palloc0(c->natts * sizeof(Oid));
	evidence_set_common(c->values, c->nulls, e->map->schema, e->map->table, e->operation, e->writer,
						e->system, verdict_name(e->outcome));
	if (evidence_is_refused(e->outcome))
		set_hashes(c, e);
	c->next = tally->common;
	tally->common = c;
	MemoryContextSwitchTo(old);
}
