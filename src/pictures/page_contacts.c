/*
 * page_contacts.c
 *		What people must decide, by the contacts of the systems that have to do with
 *		it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_LISTED 25 /* of a contact */

/* A person or team, or a system without one. */
typedef struct Contact
{
	const char *contact; /* NULL: none is on the map */
	List *systems;		 /* of PageSystem *; NIL: no system has to do with it */
	List *decisions;
} Contact;

static Contact *
contact_of(List **contacts, const PageSystem *system)
{
	ListCell *lc;
	Contact *c;

	foreach(lc, *contacts)
	{
		c = lfirst(lc);
		if (system == NULL		? c->systems == NIL
			: c->systems == NIL ? false
			: system->contact == NULL
				? linitial(c->systems) == system
				: c->contact != NULL && strcmp(c->contact, system->contact) == 0)
		{
			if (system != NULL && !list_member_ptr(c->systems, system))
				c->systems = lappend(c->systems, unconstify(PageSystem *, system));
			return c;
		}
	}
	c = palloc0(sizeof(Contact));
	if (system != NULL)
	{
		c->contact = system->contact;
		c->systems = list_make1(unconstify(PageSystem *, system));
	}
	*contacts = lappend(*contacts, c);
	return c;
}

static void
add_decision(List **contacts, const PageSystem *system, Decision *d)
{
	Contact *c = contact_of(contacts, system);

	/* its other systems may have the same contact */
	if (c->decisions == NIL || llast(c->decisions) != d)
		c->decisions = lappend(c->decisions, d);
}

/* Those who have most to decide first, and what is nobody's last. */
static int
compare_contacts(const ListCell *x, const ListCell *y)
{
	const Contact *a = lfirst(x);
	const Contact *b = lfirst(y);
	const char *a_name;
	const char *b_name;

	if ((a->systems == NIL) != (b->systems == NIL))
		return a->systems == NIL ? 1 : -1;
	if (list_length(a->decisions) != list_length(b->decisions))
		return list_length(b->decisions) - list_length(a->decisions);
	a_name = a->contact != NULL ? a->contact : ((PageSystem *) linitial(a->systems))->name;
	b_name = b->contact != NULL ? b->contact : ((PageSystem *) linitial(b->systems))->name;
	return strcmp(a_name, b_name);
}

/* The system that was given the most fields of an entity; NULL: none was. */
static const char *
main_owner(const PageMap *page, const char *entity)
{
	const PageEntity *e = page_find_entity(page, entity);
	const char *owner = NULL;
	int most = 0;
	ListCell *lc;

	if (e == NULL)
		return NULL;
	foreach(lc, e->owners)
	{
		const PageOwner *o = lfirst(lc);

		if (o->fields - o->by_default > most)
		{
			most = o->fields - o->by_default;
			owner = o->system;
		}
	}
	return owner;
}

static List *
load_contacts(const PageMap *page)
{
	List *contacts = NIL;
	ListCell *lc;

	foreach(lc, page->decisions)
	{
		Decision *d = lfirst(lc);
		ListCell *s;
		bool found = false;

		foreach(s, d->systems)
		{
			const PageSystem *system = page_find_system(page, lfirst(s));

			if (system == NULL)
				continue;
			add_decision(&contacts, system, d);
			found = true;
		}
		if (d->owner != NULL && page_find_system(page, d->owner) != NULL)
		{
			add_decision(&contacts, page_find_system(page, d->owner), d);
			found = true;
		}
		if (!found)
		{
			/* of a landing table, the source */
			const char *system = d->source != NULL ? d->source : main_owner(page, d->entity);

			add_decision(&contacts, system == NULL ? NULL : page_find_system(page, system), d);
		}
	}
	/* a page about one contact is not about what others have to do with it */
	if (page->filter.systems != NIL)
	{
		List *chosen = NIL;

		foreach(lc, contacts)
		{
			Contact *c = lfirst(lc);
			ListCell *s;
			bool about = false;

			foreach(s, c->systems)
				about |= names_contain(page->filter.systems, ((PageSystem *) lfirst(s))->name);
			if (about)
				chosen = lappend(chosen, c);
		}
		contacts = chosen;
	}
	list_sort(contacts, compare_contacts);
	return contacts;
}

/* Writes the line of a contact: For Anna, PIM: 5. */
static void
contact_name(StringInfo out, const Contact *c)
{
	ListCell *lc;

	if (c->systems == NIL)
	{
		appendStringInfoString(out, "For nobody yet");
		return;
	}
	appendStringInfoString(out, "For ");
	if (c->contact != NULL)
	{
		html_name(out, c->contact);
		appendStringInfoString(out, ", ");
	}
	foreach(lc, c->systems)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(out, ", ");
		html_name(out, ((PageSystem *) lfirst(lc))->shown);
	}
	if (c->contact == NULL)
		appendStringInfoString(out, " (no contact is on the map)");
}

void
page_contact_section(StringInfo out, const PageMap *page)
{
	List *contacts;
	List *shown = NIL;
	ListCell *lc;

	/* links lead here */
	html_heading(out, "contacts", "By whom to ask");
	contacts = load_contacts(page);
	if (contacts == NIL)
		appendStringInfoString(out, "<p class=\"none\">There is nothing to ask.</p>\n");
	else
		appendStringInfoString(
			out,
			"<p>How many fields each contact is asked about. A field on which several must agree is in each of their lists.</p>\n");
	foreach(lc, contacts)
	{
		Contact *c = lfirst(lc);
		ListCell *d;

		foreach(d, c->decisions)
		{
			if (foreach_current_index(d) >= MAX_LISTED)
				break;
			if (((Decision *) lfirst(d))->label == NULL)
				shown = lappend(shown, lfirst(d));
		}
	}
	page_load_labels(shown);
	foreach(lc, contacts)
	{
		Contact *c = lfirst(lc);
		ListCell *cell;

		appendStringInfoString(out, "<details><summary>");
		contact_name(out, c);
		appendStringInfo(out, ": <b>%d</b></summary>\n<ul class=\"plain\">\n",
						 list_length(c->decisions));
		foreach(cell, c->decisions)
		{
			const Decision *d = lfirst(cell);

			if (foreach_current_index(cell) >= MAX_LISTED)
			{
				appendStringInfo(out,
								 "<li>&hellip; and %d more. The administrator can make a page of one contact&rsquo;s.\n",
								 list_length(c->decisions) - MAX_LISTED);
				break;
			}
			appendStringInfoString(out, "<li>");
			page_decision_title(out, d);
			appendStringInfoString(out, ": ");
			page_decision_words(out, page, d);
			if (d->number > 0)
				appendStringInfo(out, "<a href=\"#decide%d\">More</a>", d->number);
			appendStringInfoChar(out, '\n');
		}
		appendStringInfoString(out, "</ul></details>\n");
	}
	html_section_end(out);
}
