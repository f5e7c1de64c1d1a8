/*
 * page_cards.c
 *		The cards of the fields to decide on: who quarrels, since when, and an example.
 *
 * Each fact is read for all cards at once, and put into its card.  page_guide.c has
 * the facts that do not come from traffic and evidence.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

#define MAX_EVIDENCE "100000" /* the latest rows of evidence, in which quarrels are looked for */

/*
 * SQL: what each writer of each field wrote and was refused.  A source may write its own
 * copy, so that it quarrels there only if no other table contains the field.
 */
#define TRAFFIC                                                                                              \
	CARD_FIELDS                                                                                              \
	"JOIN ownership.field_now f ON f.entity = g.entity AND f.name = g.field "                                \
	"JOIN ownership.mirrored_column c ON c.entity = g.entity AND c.field = g.field "                         \
	"JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "    \
	"JOIN ownership.activity a ON a.table_schema = c.table_schema AND a.table_name = c.table_name "          \
	"AND a.column_name = c.column_name "                                                                     \
	"WHERE (a.writes > 0 OR a.kept + a.rejected > 0) AND (t.source IS DISTINCT FROM a.system "               \
	"OR a.system = f.owner OR NOT EXISTS (SELECT FROM ownership.mirrored_column o "                          \
	"JOIN ownership.mirrored_table ot ON ot.table_schema = o.table_schema AND ot.table_name = o.table_name " \
	"WHERE o.entity = g.entity AND o.field = g.field AND ot.source IS DISTINCT FROM a.system)) "

/* SQL: the writer of a row of activity.  What only a steward wrote is not unidentified. */
#define ACTIVITY_WRITER                                                                   \
	"coalesce(a.system, CASE WHEN a.overridden > 0 AND a.observed + a.filled + a.kept + " \
	"a.rejected = 0 THEN 'a steward' ELSE 'unidentified' END)"

/* Counts how often others wrote the fields, or were refused.  Needs SPI. */
void
page_count_quarrels(List *decisions)
{
	Parameters p = {0};
	uint64 n;

	if (!html_can_read("activity"))
		return;
	page_add_fields(&p, decisions);
	n = sql_run("SELECT g.i, sum(a.writes + a.kept + a.rejected) FROM " TRAFFIC
				"AND a.system IS DISTINCT FROM f.owner GROUP BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Decision *d = list_nth(decisions, atoi(sql_result_text(i, 1)) - 1);

		d->times = strtoll(sql_result_text(i, 2), NULL, 10);
	}
}

static CardWriter *
add_writer(Card *card, char *name)
{
	ListCell *lc;
	CardWriter *w;

	foreach(lc, card->writers)
	{
		w = lfirst(lc);
		if (strcmp(w->name, name) == 0)
			return w;
	}
	w = palloc0(sizeof(CardWriter));
	w->name = name;
	w->owns = card->decision->owner != NULL && strcmp(card->decision->owner, name) == 0;
	w->writes = w->refused = "0";
	card->writers = lappend(card->writers, w);
	return w;
}

/* Takes the earlier of two times. */
static void
begin_earlier(Card *card, const char *time, const char *age)
{
	if (time == NULL || (card->since != NULL && strcmp(card->since, time) <= 0))
		return;
	card->since = time;
	card->since_age = age;
}

/* Who wrote, how often, and when last. */
static void
load_traffic(Card *cards, List *decisions)
{
	Parameters p = {0};
	uint64 n;

	if (!html_can_read("activity"))
		return;
	page_add_fields(&p, decisions);
	n = sql_run(
		"SELECT i, who, writes, refused, " TIME("last_write") ", " AGE("last_write") ", " TIME("first_seen") ", " AGE(
			"first_seen") " FROM (SELECT g.i, " ACTIVITY_WRITER
						  " AS who, sum(a.writes) AS writes, sum(a.kept + a.rejected) AS refused, "
						  "max(a.last_write) AS last_write, min(a.first_seen) AS first_seen FROM " TRAFFIC
						  "GROUP BY g.i, who) x "
						  "ORDER BY i, writes + refused DESC, who COLLATE \"C\"",
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);
		CardWriter *w = add_writer(card, sql_result_text(i, 2));

		w->writes = sql_result_text(i, 3);
		w->refused = sql_result_text(i, 4);
		w->last = sql_result_text(i, 5);
		w->last_age = sql_result_text(i, 6);
		if (!w->owns)
			begin_earlier(card, sql_result_text(i, 7), sql_result_text(i, 8));
	}
}

/*
 * Since when others wrote or tried to, and when last, by the evidence.  What is first seen
 * of a system may have been its reading; so where there is evidence, the quarrel begins
 * with it, or with a write of others before it.
 */
static void
load_evidence(Card *cards, List *decisions)
{
	Parameters p = {0};
	uint64 n;

	if (!html_can_read("conflict"))
		return;
	page_add_fields(&p, decisions);
	n = sql_run(
		"SELECT i, who, " TIME("first") ", " AGE("first") ", " TIME("last") ", " AGE("last") ", last_id, refused FROM (SELECT g.i, " EVIDENCE_WRITER(
			"c") " AS who, "
				 "min(c.recorded_at) AS first, max(c.recorded_at) AS last, max(c.id) AS last_id, "
				 "count(*) FILTER (WHERE c.outcome IN ('kept', 'discarded', 'rejected')) AS refused "
				 "FROM (SELECT id, recorded_at, table_schema, table_name, columns, system, outcome FROM ownership.conflict "
				 "ORDER BY id DESC LIMIT " MAX_EVIDENCE
				 ") c CROSS JOIN LATERAL unnest(c.columns) u(name) "
				 "JOIN ownership.mirrored_column m ON m.table_schema = c.table_schema AND m.table_name = c.table_name "
				 "AND m.column_name = u.name::text "
				 "JOIN " CARD_FIELDS "ON g.entity = m.entity AND g.field = m.field "
				 "JOIN ownership.field_now f ON f.entity = g.entity AND f.name = g.field "
				 "WHERE c.outcome NOT IN ('parked', 'remembered') AND c.system IS DISTINCT FROM f.owner "
				 "GROUP BY g.i, who) x ORDER BY i, last_id DESC",
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);
		CardWriter *w = add_writer(card, sql_result_text(i, 2));
		const char *last = sql_result_text(i, 5);

		if (!card->has_evidence)
		{
			ListCell *lc;

			card->has_evidence = true;
			card->example_id = sql_result_text(i, 7);
			card->since = NULL;
			foreach(lc, card->writers)
				if (!((CardWriter *) lfirst(lc))->owns)
					begin_earlier(card, ((CardWriter *) lfirst(lc))->last,
								  ((CardWriter *) lfirst(lc))->last_age);
		}
		begin_earlier(card, sql_result_text(i, 3), sql_result_text(i, 4));
		if (w->last == NULL || strcmp(w->last, last) < 0)
		{
			w->last = last;
			w->last_age = sql_result_text(i, 6);
		}
		if (strcmp(w->refused, "0") == 0)
			w->refused = sql_result_text(i, 8);
	}
}

/* An example: the latest evidence.  It has no values of sensitive fields. */
static void
load_examples(Card *cards, List *decisions, const PageMap *page)
{
	Parameters p = {0};
	List *ids = NIL;
	uint64 n;

	for (int i = 0; i < list_length(decisions); i++)
		ids = lappend(ids, unconstify(char *, cards[i].example_id));
	page_add_fields(&p, decisions);
	sql_add_texts(&p, ids);
	if (!html_can_read("conflict"))
		return;
	n = sql_run(
		"SELECT g.i, c.outcome, c.operation, " EVIDENCE_WRITER("c") ", " SHORT("k.row_key") ", v.stored, v.proposed, " KEY_OWNERS(
			"c.table_schema",
			"c.table_name") " FROM unnest($1, $2, $3) WITH ORDINALITY g(entity, field, id, i) "
							"JOIN ownership.conflict c ON c.id = g.id::bigint "
							"JOIN ownership.mirrored_column m ON m.entity = g.entity AND m.field = g.field "
							"AND m.table_schema = c.table_schema AND m.table_name = c.table_name AND m.column_name = ANY (c.columns::text[]) "
							"CROSS JOIN LATERAL (SELECT " ROW_KEY(
								"c.row_key",
								HIDDEN_COLUMNS(
									"c.table_schema",
									"c.table_name")) ") k(row_key) "
													 "CROSS JOIN LATERAL (SELECT CASE WHEN c.stored ? m.column_name THEN coalesce(" SHORT(
														 "(c.stored ->> m.column_name)") ", 'nothing') END, "
																						 "CASE WHEN jsonb_typeof(c.proposed) = 'object' AND c.proposed ? m.column_name "
																						 "THEN coalesce(" SHORT(
																							 "(c.proposed ->> m.column_name)") ", 'nothing') END) v(stored, proposed)",
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);
		StringInfo out = &card->example;
		const char *outcome = sql_result_text(i, 2);
		char *stored = sql_result_text(i, 6);
		char *proposed = sql_result_text(i, 7);

		if (out->len > 0)
			continue;
		if (sql_result_text(i, 5) != NULL)
		{
			appendStringInfoString(out, "Row ");
			html_name(out, sql_result_text(i, 5));
			appendStringInfoString(out, ": ");
		}
		page_system_name(out, page, sql_result_text(i, 4));
		if (strcmp(outcome, "discarded") == 0)
		{
			appendStringInfo(out, " may not %s it",
							 strcmp(sql_result_text(i, 3), "INSERT") == 0 ? "create" : "delete");
			if (sql_result_text(i, 8) != NULL)
			{
				appendStringInfoString(out, "; that is for ");
				page_system_name(out, page, sql_result_text(i, 8));
			}
			appendStringInfoChar(out, '.');
			continue;
		}
		appendStringInfoString(out, strcmp(outcome, "kept") == 0	   ? " was refused"
									: strcmp(outcome, "rejected") == 0 ? " got an error for"
																	   : " wrote");
		if (card->sensitive)
			appendStringInfoString(out,
								   " a value. It is not shown, because the field is sensitive.");
		else if (proposed == NULL)
			appendStringInfoString(out, " a value.");
		else
		{
			appendStringInfoString(out, " <q>");
			html_name(out, proposed);
			appendStringInfoString(out, "</q>");
			if (stored != NULL)
			{
				appendStringInfoString(out, strcmp(outcome, "kept") == 0 ||
													strcmp(outcome, "rejected") == 0
												? "; stored is <q>"
												: " over <q>");
				html_name(out, stored);
				appendStringInfoString(out, "</q>");
			}
			appendStringInfoChar(out, '.');
		}
	}
}

static void
write_writers(StringInfo out, const PageMap *page, const Card *card)
{
	ListCell *lc;

	foreach(lc, card->writers)
	{
		const CardWriter *w = lfirst(lc);
		bool wrote = strcmp(w->writes, "0") != 0;
		bool refused = strcmp(w->refused, "0") != 0;

		if (foreach_current_index(lc) > 0)
			appendStringInfoString(out, "; ");
		page_system_name(out, page, w->name);
		if (wrote)
			appendStringInfo(out, " %s time%s", w->writes, strcmp(w->writes, "1") == 0 ? "" : "s");
		if (refused)
			appendStringInfo(out, "%s refused %s", wrote ? "," : "", w->refused);
		if (w->last_age != NULL)
			appendStringInfo(out, "%s last %s", wrote || refused ? "," : "", w->last_age);
	}
}

/* Writes a line of a card, unless it is empty. */
static void
card_line(StringInfo out, const char *what, const char *html)
{
	if (html[0] != '\0')
		appendStringInfo(out, "<dt>%s</dt><dd>%s</dd>", what, html);
}

static void
write_card(StringInfo out, const PageMap *page, const Card *card)
{
	static const char *const severities[] = {"high", "medium", "low"};
	const Decision *d = card->decision;
	StringInfoData line;

	appendStringInfo(out, "<li id=\"decide%d\"><h3><span class=\"badge %s\">%s</span> ", d->number,
					 severities[d->severity], severities[d->severity]);
	page_decision_title(out, d);
	appendStringInfoString(out, "</h3><p>");
	page_decision_words(out, page, d);
	appendStringInfoString(out, "</p><dl>");
	initStringInfo(&line);
	write_writers(&line, page, card);
	card_line(out, "Writes", line.data);
	resetStringInfo(&line);
	if (card->since != NULL)
		html_time(&line, card->since, card->since_age);
	card_line(out, "Since", line.data);
	card_line(out, "Example", card->example.data);
	card_line(out, "Guide", card->guide.data);
	card_line(out, "Readers", card->readers.data);
	card_line(out, "Built on it", card->definitions.data);
	appendStringInfoString(out, "</dl></li>\n");
}

/* Writes the cards of decisions that have numbers and labels.  Needs SPI. */
void
page_cards(StringInfo out, const PageMap *page, List *decisions)
{
	int n = list_length(decisions);
	Card *cards = palloc0(Max(n, 1) * sizeof(Card));
	ListCell *lc;

	foreach(lc, decisions)
	{
		Card *card = &cards[foreach_current_index(lc)];

		card->decision = lfirst(lc);
		initStringInfo(&card->example);
		initStringInfo(&card->guide);
		initStringInfo(&card->readers);
		initStringInfo(&card->definitions);
	}
	page_load_domains(cards, decisions, page);
	page_load_suggestions(cards, decisions, page);
	load_traffic(cards, decisions);
	load_evidence(cards, decisions);
	load_examples(cards, decisions, page);
	page_load_values(cards, decisions);
	page_load_readers(cards, decisions, page);
	page_load_definitions(cards, decisions);
	appendStringInfoString(out, "<ol class=\"cards\">\n");
	for (int i = 0; i < n; i++)
		write_card(out, page, &cards[i]);
	appendStringInfoString(out, "</ol>\n");
}
