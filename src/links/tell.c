/*
 * tell.c
 *		What suggest_links() says of a group: the field, the key, the reason and the
 *		statement.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "../edit/edit.h"
#include "links.h"

/* Columns of one table that a reason names. */
#define NAMED 4

/* schema.table.column, as link() takes it; public is left out. */
char *
links_label(const LinkColumn *c)
{
	return psprintf("%s.%s", names_relation_label(c->table->schema, c->table->table),
					quote_identifier(c->name));
}

/* The entity of the tables that belong together. */
static char *
entity_of(const LinkTable *lead)
{
	ListCell *lc;

	foreach(lc, lead->columns)
	{
		const LinkColumn *c = lfirst(lc);

		if (c->entity != NULL)
			return c->entity;
	}
	return names_default_entity(lead->schema, lead->table);
}

/* Has the table another column of this name, or field, than this one? */
static bool
is_taken(const LinkTable *lead, const char *name, const LinkColumn *own)
{
	ListCell *lc;

	foreach(lc, lead->columns)
	{
		const LinkColumn *c = lfirst(lc);

		if (c != own && strcmp(c->field != NULL ? c->field : c->name, name) == 0)
			return true;
	}
	return false;
}

/* The column of the group that is the lead table's; NULL: none is. */
static LinkColumn *
column_of(const LinkGroup *group, const LinkTable *t)
{
	ListCell *lc;

	foreach(lc, group->columns)
		if (((LinkColumn *) lfirst(lc))->table == t)
			return lfirst(lc);
	return NULL;
}

/* The field that the columns of the group become copies of, as entity.name. */
char *
links_field(const LinkGroup *group, List *tables)
{
	const LinkColumn *first = linitial(group->columns);
	LinkTable *lead = list_nth(tables, first->table->lead);
	const LinkColumn *own;
	ListCell *lc;
	const char *name;

	/* one that exists, and is more than what a column is by default */
	foreach(lc, group->columns)
	{
		const LinkColumn *c = lfirst(lc);

		if (c->entity != NULL &&
			(c->copies > 1 || !names_is_default_field(c->table->schema, c->table->table, c->name,
													  c->entity, c->field)))
			return psprintf("%s.%s", c->entity, c->field);
	}
	if (!group->sure)
		lead =
			first->entity != NULL ? first->table : ((LinkColumn *) lsecond(group->columns))->table;
	own = column_of(group, lead);
	if (own != NULL && own->entity != NULL)
		return psprintf("%s.%s", own->entity, own->field);
	if (own != NULL)
		return psprintf("%s.%s", entity_of(lead), own->name);
	foreach(lc, group->columns)
	{
		name = ((LinkColumn *) lfirst(lc))->name;
		if (!is_taken(lead, name, NULL))
			return psprintf("%s.%s", entity_of(lead), name);
	}
	return psprintf("%s.%s_%s", entity_of(lead), first->table->table, first->name);
}

/* The keys by which the rows were compared. */
char *
links_key(const LinkGroup *group)
{
	List *keys = NIL;
	StringInfoData text;
	ListCell *lc;

	initStringInfo(&text);
	foreach(lc, group->pairs)
	{
		const LinkPair *pair = lfirst(lc);
		char *key = psprintf("%s = %s", links_label(pair->key_a), links_label(pair->key_b));

		if (names_contain(keys, key))
			continue;
		keys = lappend(keys, key);
		appendStringInfo(&text, "%s%s", text.len == 0 ? "" : "; ", key);
	}
	return text.data;
}

/* The pair of the group that agrees least, without the others that are less doubtful. */
static const LinkPair *
weakest(const LinkGroup *group)
{
	const LinkPair *least = linitial(group->pairs);
	ListCell *lc;

	foreach(lc, group->pairs)
	{
		const LinkPair *pair = lfirst(lc);

		if (least->is_key && !pair->is_key)
			least = pair;
		else if (pair->is_key == least->is_key && pair->agree >= 0 && pair->agree < least->agree)
			least = pair;
	}
	return least;
}

/* A share without digits that are not certain: 0.999 of all but one is not 1. */
static char *
share(double value)
{
	return psprintf("%.3f", value >= 1 ? 1.0 : (int) (value * 1000) / 1000.0);
}

static void
append_key(StringInfo text, const LinkPair *pair)
{
	ListCell *lc;

	appendStringInfoString(text, "the values identify the rows of both tables");
	if (pair->contained >= 0)
		appendStringInfo(text, ", and %s of those of the smaller one are in both",
						 share(pair->contained));
	if (pair->supports != NIL)
	{
		appendStringInfo(text,
						 "; in rows with the same value %d other %s: ", list_length(pair->supports),
						 list_length(pair->supports) == 1 ? "column agrees" : "columns agree");
		foreach(lc, pair->supports)
		{
			if (foreach_current_index(lc) == NAMED)
			{
				appendStringInfoString(text, ", ...");
				break;
			}
			appendStringInfo(text, "%s%s", foreach_current_index(lc) == 0 ? "" : ", ",
							 ((LinkColumn *) lfirst(lc))->name);
		}
	}
}

static void
append_agreement(StringInfo text, const LinkPair *pair)
{
	const Agreement *by = &pair->by;

	appendStringInfo(text, "%d of %d compared rows agree, by chance %s would", by->same, by->both,
					 share(by->chance));
	if (pair->same_key != NULL && !pair->a->sensitive && !pair->b->sensitive)
		appendStringInfo(text, "; for example %s of %s", quote_literal_cstr(pair->same_value),
						 quote_literal_cstr(pair->same_key));
	if (by->both > by->same)
	{
		appendStringInfoString(text, "; drift");
		if (pair->differing_key != NULL && !pair->a->sensitive && !pair->b->sensitive)
			appendStringInfo(text, ": of %s, %s has %s and %s has %s",
							 quote_literal_cstr(pair->differing_key), links_label(pair->a),
							 quote_literal_cstr(pair->differing_a), links_label(pair->b),
							 quote_literal_cstr(pair->differing_b));
	}
	if (by->only_a > 0)
		appendStringInfo(text, "; %d more rows have a value in %s only", by->only_a,
						 links_label(pair->a));
	if (by->only_b > 0)
		appendStringInfo(text, "; %d more rows have a value in %s only", by->only_b,
						 links_label(pair->b));
}

/* The evidence in words, of the pair that agrees least. */
char *
links_reason(const LinkGroup *group)
{
	const LinkPair *pair = weakest(group);
	StringInfoData text;

	initStringInfo(&text);
	if (pair->doubt != NULL && !group->sure)
		appendStringInfo(&text, "%s; ", pair->doubt);
	if (list_length(group->columns) > 2)
		appendStringInfo(&text, "%s and %s, which agree least: ", links_label(pair->a),
						 links_label(pair->b));
	if (pair->is_key)
		append_key(&text, pair);
	else
		append_agreement(&text, pair);
	return text.data;
}

/* Says the pair that the rows of the tables are matched by, which the map does not say yet? */
static bool
needs_match_key(const LinkGroup *group)
{
	ListCell *lc;
	bool key = false;
	bool primary = true;

	foreach(lc, group->pairs)
		key |= ((LinkPair *) lfirst(lc))->is_key;
	foreach(lc, group->columns)
		primary &= ((LinkColumn *) lfirst(lc))->primary && ((LinkColumn *) lfirst(lc))->unique;
	return key && !primary;
}

/* The statements that link the columns of the group, separated by semicolons. */
char *
links_statement(const LinkGroup *group, const char *field)
{
	StringInfoData text;
	char *entity;
	char *name;
	bool mapped = false;
	ListCell *lc;

	initStringInfo(&text);
	names_split_field(field, &entity, &name);
	foreach(lc, group->columns)
		mapped |= ((LinkColumn *) lfirst(lc))->entity != NULL;
	/* link() makes the field itself where a column is on the map, if no name is like it */
	if (!lookup_field_exists(entity, name) && (!mapped || require_near_field(entity, name) != NULL))
		appendStringInfo(&text,
						 "INSERT INTO ownership.field (entity, name) VALUES (%s, %s) ON CONFLICT DO NOTHING;\n",
						 quote_literal_cstr(entity), quote_literal_cstr(name));
	appendStringInfo(&text, "SELECT ownership.link(%s, ARRAY[", quote_literal_cstr(field));
	foreach(lc, group->columns)
		appendStringInfo(&text, "%s%s", foreach_current_index(lc) == 0 ? "" : ", ",
						 quote_literal_cstr(links_label(lfirst(lc))));
	appendStringInfoString(&text, "])");
	if (needs_match_key(group))
		appendStringInfo(&text,
						 ";\nUPDATE ownership.field SET match_key = true WHERE (entity, name) = (%s, %s)",
						 quote_literal_cstr(entity), quote_literal_cstr(name));
	return text.data;
}
