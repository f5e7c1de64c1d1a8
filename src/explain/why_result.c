/*
 * why_result.c
 *		The rows that why() returns.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "../base/base.h"
#include "explain.h"

/* One row of the result. */
typedef struct Fact
{
	TimestampTz at; /* 0: NULL */
	char *texts[5]; /* place, event, system, value, detail; NULL is NULL */
} Fact;

static Fact *
make_fact(TimestampTz at, const char *place, const char *event, const char *system,
		  const char *value, const char *detail)
{
	const char *texts[5] = {place, event, system, value, detail};
	Fact *fact = palloc0(sizeof(Fact));

	fact->at = at;
	for (int i = 0; i < 5; i++)
		fact->texts[i] = texts[i] == NULL ? NULL : pstrdup(texts[i]);
	return fact;
}

/* Adds a row to the result.  at: 0 is NULL. */
void
why_add_fact(Why *why, TimestampTz at, const char *place, const char *event, const char *system,
			 const char *value, const char *detail)
{
	why->facts = lappend(why->facts, make_fact(at, place, event, system, value, detail));
}

/* Returns the collected facts to the caller. */
void
why_return(const Why *why)
{
	ListCell *lc;

	foreach(lc, why->facts)
	{
		const Fact *fact = lfirst(lc);
		Datum values[6];
		bool nulls[6];

		values[0] = TimestampTzGetDatum(fact->at);
		nulls[0] = fact->at == 0;
		for (int i = 0; i < 5; i++)
			call_put_text(values, nulls, i + 1, fact->texts[i]);
		tuplestore_putvalues(why->rsinfo->setResult, why->rsinfo->setDesc, values, nulls);
	}
}

/* Puts the short answer before all facts. */
void
why_add_answer(Why *why, const char *place, const char *owner, const char *value, const char *detail)
{
	why->facts = lcons(make_fact(0, place, "answer", owner, value, detail), why->facts);
}
