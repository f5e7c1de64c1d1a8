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

/* What the evidence has in common with other evidence of its statement. */
const Common *
evidence_common(const Evidence *e)
{
	Tally *tally = tally_get(e->map);
	MemoryContext old;
	Common *c;

	for (c = tally->common; c != NULL; c = c->next)
	{
		if (c->outcome == e->outcome && c->operation == e->operation &&
			c->role == e->writer->role && same_text(c->system, e->system) &&
			same_text(c->origin, e->writer->origin) && same_text(c->application, application()))
			return c;
	}
	old = MemoryContextSwitchTo(tally->cxt);
	c = palloc0(sizeof(Common));
	c->outcome = e->outcome;
	c->operation = e->operation;
	c->role = e->writer->role;
	c->role_name = GetUserNameFromId(c->role, true);
	c->system = e->system == NULL ? NULL : pstrdup(e->system);
	c->origin = e->writer->origin == NULL ? NULL : pstrdup(e->writer->origin);
	c->application = application() == NULL ? NULL : pstrdup(application());
	evidence_set_common(c->values, c->nulls, e->map->schema, e->map->table, e->operation, e->writer,
						e->system, verdict_name(e->outcome));
	if (evidence_is_refused(e->outcome))
		set_hashes(c, e);
	c->next = tally->common;
	tally->common = c;
	MemoryContextSwitchTo(old);
	return c;
}
