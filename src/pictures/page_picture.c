/*
 * page_picture.c
 *		The picture of systems and data: drawn where there is room, and as a list, the
 *		data first and the systems under it, where there is not.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "../base/base.h"
#include "pictures.h"

#define MAX_OPEN_HEIGHT 1000 /* pixels; a higher drawing is closed at first */

/* The part of the picture that the page is about. */
static Picture *
chosen_picture(const PageMap *page)
{
	const Picture *all = page->picture;
	Picture *picture = palloc0(sizeof(Picture));
	int *systems = palloc0(Max(all->nsystems, 1) * sizeof(int));
	int *entities = palloc0(Max(all->nentities, 1) * sizeof(int));

	for (int i = 0; i < all->nedges; i++)
	{
		const PictureEdge *edge = &all->edges[i];
		char *system = all->systems[edge->system].name;

		if (page_about_entity(&page->filter, all->entities[edge->entity].name) &&
			page_about_systems(&page->filter, list_make1(system)))
			entities[edge->entity] = 1;
	}
	for (int i = 0; i < all->nedges; i++)
		if (entities[all->edges[i].entity])
			systems[all->edges[i].system] = 1;

	picture->systems = palloc0(Max(all->nsystems, 1) * sizeof(PictureNode));
	picture->entities = palloc0(Max(all->nentities, 1) * sizeof(PictureNode));
	picture->edges = palloc0(Max(all->nedges, 1) * sizeof(PictureEdge));
	for (int i = 0; i < all->nsystems; i++)
		if (systems[i])
		{
			systems[i] = picture->nsystems;
			picture->systems[picture->nsystems++] = all->systems[i];
		}
	for (int i = 0; i < all->nentities; i++)
		if (entities[i])
		{
			entities[i] = picture->nentities + 1;
			picture->entities[picture->nentities++] = all->entities[i];
		}
	for (int i = 0; i < all->nedges; i++)
	{
		PictureEdge edge = all->edges[i];

		if (!entities[edge.entity])
			continue;
		edge.system = systems[edge.system];
		edge.entity = entities[edge.entity] - 1;
		picture->edges[picture->nedges++] = edge;
	}
	return picture;
}

/* Writes the picture as a list: the data, and under each what systems are to it. */
static void
data_list(StringInfo out, const Picture *picture, bool always)
{
	static const char *const classes[] = {"o", "w", "i", "r"};

	appendStringInfo(out, "<ul class=\"data%s\">\n", always ? " always" : "");
	for (int i = 0; i < picture->nentities; i++)
	{
		const PictureNode *node = &picture->entities[i];

		appendStringInfoString(out, "<li><b>");
		html_name(out, node->label);
		appendStringInfoString(out, "</b>");
		if (node->detail != NULL)
		{
			appendStringInfo(out, " <span class=\"%s\">", node->alarming ? "i" : "quiet");
			html_text(out, node->detail);
			appendStringInfoString(out, "</span>");
		}
		appendStringInfoString(out, "<ul>\n");
		for (PicturePart part = PART_OWNER; part <= PART_READER; part++)
			for (int e = 0; e < picture->nedges; e++)
			{
				const PictureEdge *edge = &picture->edges[e];

				if (edge->entity != i || edge->part != part)
					continue;
				appendStringInfo(out, "<li class=\"%s\">", classes[part]);
				html_name(out, picture->systems[edge->system].label);
				appendStringInfoChar(out, ' ');
				html_text(out, edge->label);
			}
		appendStringInfoString(out, "</ul>\n");
	}
	appendStringInfoString(out, "</ul>\n");
}

void
page_picture_section(StringInfo out, const PageMap *page)
{
	const Picture *picture = page_is_filtered(&page->filter) ? chosen_picture(page) : page->picture;
	bool high;

	if (picture->nentities + picture->nsystems == 0)
		return;
	high = svg_height(picture) > MAX_OPEN_HEIGHT;
	html_heading(out, "picture", "Picture");
	appendStringInfoString(
		out,
		"<ul class=\"legend\"><li class=\"o\"><b>owns</b>, a solid line: the system of record<li class=\"w\"><b>writes</b>, a dashed line: writes what it does not own; this is declared, or the field has no owner"
		"<li class=\"i\"><b>intrudes</b>, a thick dotted line: writes what another system owns, or tried to; this is not declared<li><b>reads</b>, a thin line</ul>\n");
	data_list(out, picture, high);
	if (high)
		appendStringInfoString(out,
							   "<details class=\"drawn\"><summary>The same as a drawing</summary>\n");
	appendStringInfoString(
		out,
		"<div class=\"wide drawn\" role=\"region\" aria-label=\"Picture of systems and entities\" tabindex=\"0\">\n");
	svg_picture(out, picture);
	appendStringInfoString(out, "</div>\n");
	if (high)
		appendStringInfoString(out, "</details>\n");
	html_section_end(out);
}
