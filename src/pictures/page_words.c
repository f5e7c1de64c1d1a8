/*
 * page_words.c
 *		What people must decide, in plain words.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "pictures.h"

/* Writes systems as a part of a sentence: A, B and C. */
static void
list_systems(StringInfo out, const PageMap *page, List *systems)
{
	ListCell *lc;

	foreach(lc, systems)
	{
		int i = foreach_current_index(lc);

		appendStringInfoString(out, i == 0 ? "" : i == list_length(systems) - 1 ? " and " : ", ");
		page_system_name(out, page, lfirst(lc));
	}
}

/* Writes what a decision is about: the name that people use, and its name on the map. */
void
page_decision_title(StringInfo out, const Decision *d)
{
	if (d->field == NULL)
	{
		appendStringInfoString(out, "<b>Rows of ");
		html_name(out, d->relation);
		appendStringInfoString(out, "</b>");
		return;
	}
	appendStringInfoString(out, "<b>");
	html_name(out, d->label != NULL ? d->label : psprintf("%s.%s", d->entity, d->field));
	appendStringInfoString(out, "</b>");
	if (d->label != NULL)
	{
		appendStringInfoString(out, " <span class=\"quiet\">");
		html_name(out, psprintf("%s.%s", d->entity, d->field));
		appendStringInfoString(out, "</span>");
	}
}

/* Writes who writes a field, and who owns it. */
static void
quarrel_words(StringInfo out, const PageMap *page, const Decision *d)
{
	List *writers = NIL;
	bool one;
	ListCell *lc;

	/* the map says that the owner writes it, but nobody saw that */
	foreach(lc, d->writers)
		if (!(d->kinds & (1 << DECISION_SILENT)) || d->owner == NULL ||
			strcmp(lfirst(lc), d->owner) != 0)
			writers = lappend(writers, lfirst(lc));
	one = list_length(writers) == 1;
	if (writers == NIL)
		appendStringInfoString(out, d->kinds & (1 << DECISION_UNDECLARED)
										? "A writer that nobody knows writes it. "
										: "");
	else
	{
		list_systems(out, page, writers);
		if (d->kinds & (1 << DECISION_CONTESTED) || d->owner == NULL)
			appendStringInfoString(out, one							   ? " writes it. "
										: list_length(writers) == 2 ? " both write it. "
																	   : " all write it. ");
		else if (d->kinds & (1 << DECISION_UNDECLARED))
			appendStringInfoString(out, one ? " writes it or tries to, and nobody agreed to that. "
											: " write it or try to, and nobody agreed to that. ");
	}
	if (d->owner == NULL)
		appendStringInfoString(out, "Nobody owns it. ");
	else
	{
		page_system_name(out, page, d->owner);
		appendStringInfoString(out, d->kinds & (1 << DECISION_SILENT)
										? " owns it, and was never seen writing it. "
										: " owns it. ");
	}
}

/* Writes all that is wrong with a field, in sentences. */
void
page_decision_words(StringInfo out, const PageMap *page, const Decision *d)
{
	const int quarrels = 1 << DECISION_CONTESTED | 1 << DECISION_UNOWNED | 1 << DECISION_UNDECLARED;

	if (d->field == NULL)
		appendStringInfoString(out,
							   "No column of the table is its key: every system may create and delete its rows. ");
	else if (d->kinds & quarrels)
		quarrel_words(out, page, d);
	else if (d->kinds & (1 << DECISION_SILENT))
	{
		page_system_name(out, page, d->owner);
		appendStringInfoString(out, " owns it, and was never seen writing it; others write it. ");
	}
	if (d->kinds & (1 << DECISION_UNOWNED_KEY) && d->field != NULL)
		appendStringInfoString(
			out,
			"It is a key, so nobody decides which rows exist: every system may create and delete them. ");
	if (d->kinds & (1 << DECISION_OUT_OF_BOUNDS))
	{
		if (d->kinds & ((1 << DECISION_OUT_OF_BOUNDS) - 1))
			appendStringInfoString(out,
								   "The guide says that a system of this kind should not own such data. ");
		else
		{
			html_text(out, d->detail);
			appendStringInfoChar(out, ' ');
		}
	}
	if (d->kinds & (1 << DECISION_DRIFTING))
		appendStringInfoString(out, "Its copies hold different values. ");
	if (d->kinds & (1 << DECISION_PINNED))
		appendStringInfoString(out,
							   "A correction has been held against its owner for more than 90 days. ");
	if (d->kinds & (1 << DECISION_BLURRED))
		appendStringInfoString(
			out,
			"People mean different things by such data, and nothing says what this field contains. ");
}

/* Loads the names that people use for the fields of decisions.  Needs SPI. */
void
page_load_labels(List *decisions)
{
	Parameters p = {0};
	uint64 n;

	page_add_fields(&p, decisions);
	/* an older version has no labels */
	n = sql_run("SELECT g.i, nullif(btrim(to_jsonb(f) ->> 'label', E' \\t\\r\\n'), '') "
				"FROM " CARD_FIELDS
				"JOIN ownership.field f ON f.entity = g.entity AND f.name = g.field",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Decision *d = list_nth(decisions, atoi(sql_result_text(i, 1)) - 1);

		d->label = sql_result_text(i, 2);
	}
}
