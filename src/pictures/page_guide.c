/*
 * page_guide.c
 *		What a card says of its field besides the quarrel: the guide, and who reads it.
 *
 * What else depends on a field is one more function here.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "pictures.h"

#define PERSONAL "'identity'" /* the domain of what is about persons */
#define MAX_SUGGESTED 10000	  /* columns of a map that are looked at for the guide */

/* Adds the parameters $1 and $2: the fields of decisions. */
void
page_add_fields(Parameters *p, List *decisions)
{
	List *entities = NIL;
	List *fields = NIL;
	ListCell *lc;

	foreach(lc, decisions)
	{
		Decision *d = lfirst(lc);

		entities = lappend(entities, unconstify(char *, d->entity));
		fields = lappend(fields, unconstify(char *, d->field));
	}
	sql_add_texts(p, entities);
	sql_add_texts(p, fields);
}

/* The card of a row of the last result, whose first column has its number. */
Card *
page_card_of(Card *cards, uint64 row)
{
	return &cards[atoi(sql_result_text(row, 1)) - 1];
}

/* Is a field sensitive, and what does the guide say of its domain? */
void
page_load_domains(Card *cards, List *decisions, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	page_add_fields(&p, decisions);
	n = sql_run("SELECT g.i, (" SENSITIVE("f") " OR " SENSITIVE(
					"d") ")::text, coalesce(d.title, d.name), "
						 "(SELECT string_agg(ownership.kind_label(k), ' or ' ORDER BY o) FROM unnest(d.natural_owner) WITH ORDINALITY u(k, o)), "
						 "(SELECT s.name FROM unnest(d.natural_owner) WITH ORDINALITY u(k, o) JOIN ownership.system s ON s.kind = u.k "
						 "ORDER BY u.o, s.name COLLATE \"C\" LIMIT 1), d.note, (f.domain = " PERSONAL
						 ")::text "
						 "FROM " CARD_FIELDS
						 "JOIN ownership.field f ON f.entity = g.entity AND f.name = g.field "
						 "LEFT JOIN ownership.domain d ON d.name = f.domain",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);

		card->sensitive = sql_result_bool(i, 2);
		card->personal = sql_result_bool(i, 7);
		if (sql_result_text(i, 3) == NULL)
			continue;
		html_name(&card->guide, sql_result_text(i, 3));
		if (sql_result_text(i, 4) != NULL)
		{
			appendStringInfoString(&card->guide, " belongs in ");
			html_text(&card->guide, sql_result_text(i, 4));
			if (sql_result_text(i, 5) != NULL)
			{
				appendStringInfoString(&card->guide, ": here ");
				page_system_name(&card->guide, page, sql_result_text(i, 5));
			}
		}
		appendStringInfoString(&card->guide, ". ");
		if (card->decision->kinds & (1 << DECISION_BLURRED) && sql_result_text(i, 6) != NULL)
			html_text(&card->guide, sql_result_text(i, 6));
	}
}

/*
 * Of fields without a domain, what the guide concludes from names.  It looks at all columns
 * of the database, so that it is asked about a database of some size only.
 */
void
page_load_suggestions(Card *cards, List *decisions, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;
	bool wanted = false;
	const char *suggest;

	for (int i = 0; i < list_length(decisions); i++)
		wanted |= cards[i].guide.len == 0 && cards[i].decision->field != NULL;
	if (!wanted || !html_can_read("activity"))
		return;
	(void) html_query(
		"SELECT (SELECT count(*) FROM ownership.mirrored_column), "
		"EXISTS (SELECT FROM ownership.mirrored_table t JOIN pg_namespace n ON n.nspname = t.table_schema::name "
		"JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name::name AND c.relkind IN ('r', 'p', 'f')), "
		"to_regprocedure('ownership.suggest_by_names(text)') IS NOT NULL");
	if (sql_result_int64(0, 1) > MAX_SUGGESTED || !sql_result_bool(0, 2))
		return;
	/* an older version has one that looks at no rows */
	suggest = sql_result_bool(0, 3) ? "suggest_by_names" : "suggest";
	page_add_fields(&p, decisions);
	n = sql_run_composed(
		psprintf("SELECT DISTINCT ON (g.i) g.i, coalesce(d.title, d.name), s.system, ownership.kind_label(s.kind), s.sure::text, (s.domain = " PERSONAL
				 ")::text "
				 "FROM (SELECT FROM ownership.mirrored_table LIMIT 1) any_table "
				 "CROSS JOIN LATERAL ownership.%s('*') s "
				 "JOIN ownership.mirrored_column c ON ownership.relation_name(c.table_schema, c.table_name) = s.relation "
				 "AND c.column_name = s.column_name "
				 "JOIN " CARD_FIELDS "ON g.entity = c.entity AND g.field = c.field "
				 "JOIN ownership.domain d ON d.name = s.domain "
				 "ORDER BY g.i, s.sure DESC, s.system IS NULL, s.relation COLLATE \"C\", s.column_name COLLATE \"C\"",
				 suggest),
		&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);

		if (card->guide.len > 0)
			continue;
		card->personal = sql_result_bool(i, 6);
		appendStringInfoString(&card->guide, sql_result_bool(i, 5) ? "By its name, this is "
																   : "By its name, this may be ");
		html_name(&card->guide, sql_result_text(i, 2));
		if (sql_result_text(i, 3) != NULL || sql_result_text(i, 4) != NULL)
		{
			appendStringInfoString(&card->guide, ", which belongs in ");
			if (sql_result_text(i, 3) != NULL)
				page_system_name(&card->guide, page, sql_result_text(i, 3));
			else
				html_text(&card->guide, sql_result_text(i, 4));
		}
		appendStringInfoString(&card->guide, ". ");
	}
}

/*
 * What fields without an owner contain, where no conflict is an example.  Whoever may not
 * see values of conflicts on the page sees none of tables either, and nobody sees those
 * of persons.
 */
void
page_load_values(Card *cards, List *decisions)
{
	Parameters p = {0};
	List *found = NIL;
	ListCell *lc;
	uint64 n;

	if (!html_can_read("conflict"))
		return;
	page_add_fields(&p, decisions);
	n = sql_run("SELECT DISTINCT ON (g.i) g.i, a.attrelid::oid, a.attname::text "
				"FROM " CARD_FIELDS
				"JOIN ownership.mirrored_column c ON c.entity = g.entity AND c.field = g.field "
				"JOIN ownership.mirrored_table t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
				"JOIN pg_namespace n ON n.nspname = c.table_schema::name "
				"JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = c.table_name::name AND r.relkind IN ('r', 'p') "
				"JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = c.column_name::name AND a.attnum > 0 "
				"WHERE has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(r.oid, a.attnum, 'SELECT') "
				"AND NOT row_security_active(r.oid) "
				"ORDER BY g.i, c.authoritative DESC, t.source IS NOT NULL, c.table_schema COLLATE \"C\", "
				"c.table_name COLLATE \"C\", c.column_name COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);

		if (card->example.len == 0 && !card->sensitive && !card->personal &&
			card->decision->kinds & (1 << DECISION_UNOWNED))
			found = lappend(found, list_make3(card, sql_result_text(i, 2), sql_result_text(i, 3)));
	}
	foreach(lc, found)
	{
		List *place = lfirst(lc);
		List *samples = value_samples(atooid(lsecond(place)), list_make1(lthird(place)));

		if (samples == NIL || linitial(samples) == NULL)
			continue;
		appendStringInfoString(&((Card *) linitial(place))->example, "It contains ");
		html_name(&((Card *) linitial(place))->example, linitial(samples));
	}
}

/* Who reads the fields: they notice what is decided. */
void
page_load_readers(Card *cards, List *decisions, const PageMap *page)
{
	Parameters p = {0};
	uint64 n;

	page_add_fields(&p, decisions);
	n = sql_run("SELECT g.i, p.system FROM " CARD_FIELDS
				"JOIN (SELECT DISTINCT entity, field, system FROM ownership.part "
				"WHERE part = 'reader' AND entity = ANY ($1) AND field = ANY ($2)) p "
				"ON p.entity = g.entity AND p.field = g.field ORDER BY g.i, p.system = '?', p.system COLLATE \"C\"",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Card *card = page_card_of(cards, i);

		if (card->readers.len > 0)
			appendStringInfoString(&card->readers, ", ");
		if (strcmp(sql_result_text(i, 2), "?") == 0)
			appendStringInfoString(&card->readers, "unidentified");
		else
			page_system_name(&card->readers, page, sql_result_text(i, 2));
	}
}

/* What in this database is defined on the field, where the SQL objects know it. */
void
page_load_definitions(Card *cards, List *decisions)
{
	Parameters p = {0};
	uint64 n;

	if (!OidIsValid(catalog_table("definition", true)) || !html_can_read("definition"))
		return;
	page_add_fields(&p, decisions);
	n = sql_run("SELECT g.i, d.impact, format('SELECT * FROM ownership.impact(%L)', g.entity || '.' || g.field) "
				"FROM " CARD_FIELDS
				/* field by field (OFFSET 0): cards are few, and the view counts all fields otherwise */
				"CROSS JOIN LATERAL (SELECT impact FROM ownership.definition "
				"WHERE entity = g.entity AND field = g.field OFFSET 0) d",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		StringInfo out = &page_card_of(cards, i)->definitions;

		appendStringInfo(out, "%s in this database, which a change of the field may break: <code>",
						 sql_result_text(i, 2));
		html_text(out, sql_result_text(i, 3));
		appendStringInfoString(out, "</code>");
	}
}
