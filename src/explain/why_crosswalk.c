/*
 * why_crosswalk.c
 *		why() finds the row of a table through a crosswalk: a third table that contains the
 *		key of that table and of one in which the row was found; see drift/match.c.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../drift/drift.h"
#include "explain.h"

static void
append(StringInfo sql, const char *condition)
{
	appendStringInfo(sql, "%s%s", sql->len == 0 ? "" : " AND ", condition);
}

/* SQL condition: this column of the place and that of the crosswalk have the same key. */
static char *
sql_same_key(const KeyColumn *t, const KeyColumn *x)
{
	return sql_key_match(sql_column("t", t->holder.column), t->holder.type, t->holder.collation,
						 sql_column("x", x->holder.column), x->holder.type, x->holder.collation)
		.sql;
}

/*
 * Sets the condition that finds the row of a place through a crosswalk, if there is one
 * between it and base, where the row was found; else the problem.  values: what is known
 * of the key, as a list of KeyValue.
 */
void
why_cross(const Why *why, FieldPlace *place, const FieldPlace *base, List *values)
{
	/* the way is that of the comparison: from the copy to the authoritative one */
	Match *match = place->authoritative
					   ? match_find(why->memo, why->field, &place->holder, &base->holder)
					   : match_find(why->memo, why->field, &base->holder, &place->holder);
	StringInfoData here;
	StringInfoData there;
	StringInfoData both;
	StringInfoData known;
	ListCell *lc;

	if (match->schema == NULL)
		return;
	if (match->problem != NULL)
	{
		place->problem = psprintf("The row could not be found: %s.", match->problem);
		return;
	}
	initStringInfo(&here);
	initStringInfo(&there);
	initStringInfo(&both);
	initStringInfo(&known);
	foreach(lc, match->keys)
	{
		const KeyColumn *x = lfirst(lc);
		const KeyValue *v = key_value(values, x->field);
		const KeyColumn *t = holder_find_key(place->keys, x->field);

		if (v != NULL)
			append(&there, key_sql_is("x", x, v));
		else if (t != NULL)
		{
			append(&both, sql_same_key(t, x));
			append(&known, psprintf("%s IS NOT NULL", sql_column("x", x->holder.column)));
		}
	}
	if (there.len == 0 || both.len == 0)
		return;
	foreach(lc, place->keys)
	{
		const KeyColumn *t = lfirst(lc);
		const KeyValue *v = key_value(values, t->field);

		if (v != NULL)
			append(&here, key_sql_is("t", t, v));
	}
	append(&here, psprintf("EXISTS (SELECT FROM %s x WHERE %s AND %s)",
						   quote_qualified_identifier(match->schema, match->table), there.data,
						   both.data));
	place->condition = here.data;
	place->by_cast = NULL;
	place->crosswalk = match;
	place->in_crosswalk = psprintf("%s AND %s", there.data, known.data);
}

/*
 * A place was looked up through a crosswalk: sets its problem where the crosswalk has no
 * row, or where it has several for the authoritative copy, none of which counts.
 */
void
why_report_crosswalk(FieldPlace *place)
{
	const Match *match = place->crosswalk;
	char *label;
	char *sql;

	if (match == NULL || place->problem != NULL)
		return;
	label = names_relation_label(match->schema, match->table);
	if (place->authoritative && list_length(place->rows) > 1)
	{
		place->rows = NIL;
		place->problem =
			psprintf("The crosswalk %s gives the row several keys of this table, so none counts.",
					 label);
	}
	if (place->rows != NIL || place->problem != NULL)
		return;
	sql = psprintf("SELECT FROM %s x WHERE %s LIMIT 1",
				   quote_qualified_identifier(match->schema, match->table), place->in_crosswalk);
	if (SPI_execute(sql, true, 1) == SPI_OK_SELECT && SPI_processed == 0)
		place->problem =
			psprintf("The crosswalk %s has no key of this table for the row, so the row was not found.",
					 label);
}
