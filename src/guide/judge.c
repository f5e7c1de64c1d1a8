/*
 * judge.c
 *		The guide judges a column: which domain it belongs to, which system should
 *		own it, and whether that is sure.  Each step adds its reason.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"

#include "guide.h"

static void because(Suggestion *s, const char *format, ...) pg_attribute_printf(2, 3);

/* Adds to the reason of the suggestion. */
static void
because(Suggestion *s, const char *format, ...)
{
	va_list args;
	int needed;

	if (s->reason.len > 0)
		appendStringInfoString(&s->reason, "; ");
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&s->reason, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&s->reason, needed);
	}
}

static Domain *
find_domain(List *domains, const char *name)
{
	ListCell *lc;

	foreach(lc, domains)
		if (strcmp(((Domain *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Is it a whole word of the column's name? */
static bool
has_word(const char *normal, const char *word)
{
	int len = strlen(word);

	for (const char *c = strstr(normal, word); len > 0 && c != NULL; c = strstr(c + 1, word))
		if ((c == normal || c[-1] == '_') && (c[len] == '\0' || c[len] == '_'))
			return true;
	return false;
}

/* The registered system whose name the column's name contains, or NULL. */
static System *
named_system(Suggestion *s, List *systems)
{
	ListCell *lc;

	foreach(lc, systems)
	{
		System *system = lfirst(lc);

		if (has_word(s->name->spelled, system->word) || has_word(s->name->normal, system->normal))
			return system;
	}
	return NULL;
}

/*
 * Weighs the evidence of names and comment: the column's name, the table's
 * name, both together.
 */
static void
weigh_names(Suggestion *s, List *domains)
{
	Domain *name = sign_domain_at(domains, s->name->domain);
	Domain *both = sign_domain_at(domains, s->by_both);
	Domain *table = sign_domain_at(domains, s->table_name->whole);

	if (name != NULL && sign_is_technical(name))
	{
		s->domain = name;
		s->sure = true;
		because(s, "the column's name is a technical one");
		if (s->name->beside < 0)
			return;
		/* a local field has no owner, but business data needs one: the proposal is not sure */
		s->domain = sign_domain_at(domains, s->name->beside);
		s->sure = false;
		s->contradicted = true;
		because(s, "but it says %s, too", s->domain->name);
		return;
	}
	/* a pattern for such a column of such a table comes first */
	if (s->doubted && name != NULL)
	{
		s->domain = both;
		s->contradicted = true;
		because(s, "the names of the column and the table say %s", both->name);
	}
	else if (both != NULL || (table != NULL && name == table))
	{
		s->domain = both != NULL ? both : table;
		s->sure = true;
		because(s, "the names of the column and the table say %s", s->domain->name);
	}
	else if (table != NULL)
	{
		s->domain = table;
		s->contradicted = name != NULL;
		because(s, "the table's name says %s", table->name);
	}
	else if (name != NULL && bms_is_member(name->index, s->table_name->expects))
	{
		s->domain = name;
		s->sure = true;
		because(s, "the column's name says %s, the table's agrees", name->name);
	}
	else if (name != NULL && bms_is_empty(s->table_name->expects))
	{
		s->domain = name;
		because(s, "the column's name says %s", name->name);
	}
	else if (name != NULL)
	{
		s->contradicted = true;
		because(s, "the column's name says %s, which is not expected in such a table", name->name);
	}
	if (s->domain != NULL && s->contradicted)
		because(s, "the column's name alone says %s", name->name);

	if (bms_is_empty(s->by_comment) || s->contradicted)
		return;
	if (s->domain == NULL)
	{
		if (bms_membership(s->by_comment) == BMS_SINGLETON)
		{
			s->domain = list_nth(domains, bms_singleton_member(s->by_comment));
			because(s, "the comment says %s", s->domain->name);
		}
	}
	else if (bms_is_member(s->domain->index, s->by_comment))
	{
		s->sure = true;
		because(s, "the comment agrees");
	}
	else
	{
		s->sure = false;
		because(s, "the comment says something else");
	}
}

/*
 * Sets the kind of system that should own the domain, and the system if it is
 * the only one of that kind.
 */
static void
choose_system(Suggestion *s, List *systems)
{
	ListCell *k;
	int n = 0;

	foreach(k, s->domain->kinds)
	{
		ListCell *lc;

		foreach(lc, systems)
		{
			System *system = lfirst(lc);

			if (strcmp(system->kind, lfirst(k)) == 0)
			{
				s->kind = system->kind;
				s->system = system->name;
				n++;
			}
		}
		if (n > 0)
			break;
	}
	if (n == 1)
		return;
	s->system = NULL;
	if (n > 1)
		because(s, "%d systems are of kind %s", n, s->kind);
	else if (s->domain->kinds != NIL)
	{
		s->kind = linitial(s->domain->kinds);
		because(s, "no system is of kind %s", s->kind);
	}
}

static System *
find_system(List *systems, const char *name)
{
	ListCell *lc;

	foreach(lc, systems)
		if (name != NULL && strcmp(((System *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

static void
judge(Suggestion *s, List *domains, List *systems)
{
	Domain *key = find_domain(domains, KEY);
	System *named = named_system(s, systems);
	System *creator;

	if (key != NULL && (s->references != NULL || s->primary))
	{
		s->domain = key;
		s->sure = true;
		if (s->references != NULL)
			because(s, "a foreign key to %s", s->references);
		else
			because(s, "part of the primary key");
	}
	else if (s->raw_of != NULL)
	{
		check_stack_depth();
		judge_suggestion(s->raw_of, domains, systems);
		s->domain = s->raw_of->domain;
		s->sure = s->raw_of->sure;
		s->domain_sure = s->raw_of->domain_sure;
		s->contradicted = s->raw_of->contradicted;
		because(s, "the raw form of %s", s->raw_of->column);
	}
	else if (key != NULL && sign_marks_deletion(s, domains))
	{
		s->domain = key;
		s->sure = true;
		because(s, "the system that deletes a row decides which rows exist");
	}
	else if (named != NULL || s->name->foreign)
	{
		if (s->name->domain >= 0 && sign_domain_at(domains, s->name->domain) == key)
			s->domain = key;
		because(s,
				"the column's name contains a system's name: a key of that system, or a copy of its value");
		if (named != NULL && s->domain != NULL)
		{
			s->kind = named->kind;
			s->system = named->name;
		}
		return;
	}
	else
		weigh_names(s, domains);

	if (s->domain == NULL)
	{
		if (s->reason.len == 0)
			because(s, "nothing says what it is");
		if (s->writers != NULL)
			because(s, "seen writing: %s", s->writers);
		return;
	}
	s->domain_sure |= s->sure;
	/* the system that creates records owns their key; a new one is not seen writing yet */
	creator = find_system(systems, s->source != NULL  ? s->source
								   : s->name->deletes ? s->table_name->key_owner
													  : s->only_writer);
	if (s->domain == key && creator != NULL)
	{
		s->system = creator->name;
		s->kind = creator->kind;
	}
	else
		choose_system(s, systems);
	/* in a landing table, data that another system should own is a copy, or a field of its own */
	if (s->source != NULL && !sign_is_technical(s->domain))
	{
		s->contradicted |= s->system == NULL || strcmp(s->source, s->system) != 0;
		s->sure &= !s->contradicted;
		because(s, "the table is %s's own copy", s->source);
	}
	if (s->writers == NULL)
		return;
	if (s->system != NULL && s->only_writer != NULL && strcmp(s->system, s->only_writer) == 0)
	{
		s->sure |= !s->contradicted;
		s->domain_sure |= s->sure;
		because(s, "only %s was seen writing it", s->writers);
	}
	else
	{
		/* any system may write what crosses no system boundary */
		if (!sign_is_technical(s->domain))
			s->sure = false;
		because(s, "seen writing: %s", s->writers);
	}
}

/*
 * Fills in the proposal and its reason.  The evidence of all columns must be
 * there: a raw value is judged with the column that it belongs to.  Who wrote the
 * table's rows is told, and decides nothing: a row has many columns.
 */
void
judge_suggestion(Suggestion *s, List *domains, List *systems)
{
	if (s->judged)
		return;
	s->judged = true;
	initStringInfo(&s->reason);
	judge(s, domains, systems);
	if (s->table_name->written_by != NULL)
		because(s, "written by %s", s->table_name->written_by);
}
