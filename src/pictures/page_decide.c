/*
 * page_decide.c
 *		The first part of the page: what people should decide first, at most ten
 *		fields, each of them a card.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "pictures.h"

#define MAX_CARDS 10

void
page_decide_section(StringInfo out, PageMap *page)
{
	List *first = list_length(page->decisions) > MAX_CARDS
					  ? list_truncate(list_copy(page->decisions), MAX_CARDS)
					  : page->decisions;
	ListCell *lc;

	html_heading(out, "decide", "Decide these first");
	if (first == NIL)
		appendStringInfoString(
			out,
			page->fields == 0
				? "<p>There is nothing to decide: no field is on the map yet.</p>\n"
				: "<p>There is nothing to decide: every field has one system of record, and nothing contradicts the map.</p>\n");
	else
	{
		foreach(lc, first)
			((Decision *) lfirst(lc))->number = foreach_current_index(lc) + 1;
		page_load_labels(first);
		if (list_length(page->decisions) > MAX_CARDS)
			appendStringInfo(out,
							 "<p>The first %d of %d fields on which people must decide. <a href=\"#contacts\">All of them, by whom to ask</a>.</p>\n",
							 MAX_CARDS, list_length(page->decisions));
		page_cards(out, page, first);
	}
	html_section_end(out);
}
