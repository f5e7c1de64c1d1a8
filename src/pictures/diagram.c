/*
 * diagram.c
 *		The map as a picture: systems and entities, and which system owns, writes
 *		and reads what.
 *
 * The view ownership.picture decides what is drawn.  This file gives it an order
 * that does not change between two calls, and writes it for Mermaid and for
 * Graphviz; svg.c writes it for the page.
 *
 * Names come from the map and may contain any text.  So nodes are identified by
 * numbers, and names are only in labels, escaped.
 */
#include "postgres.h"

#include "ctype.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "../base/base.h"
#include "pictures.h"

PG_FUNCTION_INFO_V1(ownership_diagram);

/* loading */

/* The index of the node with this name, which may be NULL; -1: none. */
static int
find_node(const PictureNode *nodes, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (name == NULL ? nodes[i].name == NULL
						 : nodes[i].name != NULL && strcmp(nodes[i].name, name) == 0)
			return i;
	return -1;
}

/* Reads the picture from the view.  Needs SPI. */
Picture *
picture_load(void)
{
	static const char *const parts[] = {"owner", "writer", "intruder", "reader"};
	Picture *picture = palloc0(sizeof(Picture));
	Parameters p = {0};
	uint64 n;

	/* nodes come first, because edges look them up */
	n = sql_run("SELECT kind, system, node, part, fields, label, detail, alarming FROM ownership.picture "
				"ORDER BY kind = 'edge', node COLLATE \"C\", system = '?', system COLLATE \"C\", "
				"array_position('{owner,writer,intruder,reader}', part)",
				&p);
	picture->systems = palloc0(Max(n, 1) * sizeof(PictureNode));
	picture->entities = palloc0(Max(n, 1) * sizeof(PictureNode));
	picture->edges = palloc0(Max(n, 1) * sizeof(PictureEdge));
	for (uint64 i = 0; i < n; i++)
	{
		const char *kind = sql_result_text(i, 1);
		char *system = sql_result_text(i, 2);
		char *entity = sql_result_text(i, 3);

		if (strcmp(kind, "edge") == 0)
		{
			PictureEdge *edge = &picture->edges[picture->nedges++];

			edge->system = find_node(picture->systems, picture->nsystems, system);
			edge->entity = find_node(picture->entities, picture->nentities, entity);
			for (edge->part = PART_OWNER; edge->part < PART_READER; edge->part++)
				if (strcmp(parts[edge->part], sql_result_text(i, 4)) == 0)
					break;
			edge->fields = atoi(sql_result_text(i, 5));
			edge->label = sql_result_text(i, 6);
			Assert(edge->system >= 0 && edge->entity >= 0);
		}
		else
		{
			bool is_system = strcmp(kind, "system") == 0;
			PictureNode *node = is_system ? &picture->systems[picture->nsystems++]
										  : &picture->entities[picture->nentities++];

			node->name = is_system ? system : entity;
			node->label = sql_result_text(i, 6);
			node->detail = sql_result_text(i, 7);
			node->alarming = sql_result_bool(i, 8);
		}
	}
	return picture;
}

/*
 * Makes the picture one of a diagram, which has at most one line between two nodes:
 * the line's text says all that the system is to the entity, and its look is that of
 * the part that matters most.  Without reads, a system that only reads is no node.
 */
static void
fold_edges(Picture *picture, bool reads)
{
	int *place = palloc(Max(picture->nsystems, 1) * sizeof(int));
	bool *reader = palloc0(Max(picture->nsystems, 1) * sizeof(bool));
	bool *drawn = palloc0(Max(picture->nsystems, 1) * sizeof(bool));
	int nedges = 0;
	int nsystems = 0;

	/* the edges of two nodes are neighbours, in the order of PicturePart */
	for (int i = 0; i < picture->nedges; i++)
	{
		PictureEdge *edge = &picture->edges[i];
		PictureEdge *last = nedges > 0 ? &picture->edges[nedges - 1] : NULL;

		edge->reads = edge->part == PART_READER;
		if (edge->reads && !reads)
		{
			reader[edge->system] = true;
			continue;
		}
		drawn[edge->system] = true;
		if (last == NULL || last->system != edge->system || last->entity != edge->entity)
		{
			picture->edges[nedges++] = *edge;
			continue;
		}
		last->label = psprintf("%s, %s", last->label, edge->label);
		last->reads = edge->reads;
		if (edge->part == PART_INTRUDER)
			last->part = PART_INTRUDER;
	}
	picture->nedges = nedges;

	for (int i = 0; i < picture->nsystems; i++)
	{
		place[i] = nsystems;
		if (drawn[i] || !reader[i])
			picture->systems[nsystems++] = picture->systems[i];
	}
	picture->nsystems = nsystems;
	for (int i = 0; i < nedges; i++)
		picture->edges[i].system = place[picture->edges[i].system];
}

/* Mermaid */

/*
 * Text of a quoted label.  Mermaid's only escapes are character entities in its
 * own notation, #NUMBER; what could be markup is written in this way.
 */
static void
mermaid_text(StringInfo out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		if (*c < ' ' || *c == 0x7f)
			appendStringInfoChar(out, ' ');
		else if (*c >= 0x80 || isalnum(*c) || strchr(" _.,:/()-?", *c) != NULL)
			appendStringInfoChar(out, *c);
		else
			appendStringInfo(out, "#%d;", *c);
	}
}

static void
mermaid_node(StringInfo out, char kind, int number, const PictureNode *node)
{
	const char *entity = kind == 'e' ? "(" : "";

	appendStringInfo(out, "  %c%d%s[\"", kind, number + 1, entity);
	mermaid_text(out, node->label);
	if (node->detail != NULL)
	{
		appendStringInfoString(out, "<br/>");
		mermaid_text(out, node->detail);
	}
	appendStringInfo(out, "\"]%s:::%s\n", kind == 'e' ? ")" : "",
					 node->alarming ? "alarming"
					 : kind == 'e'	? "entity"
									: "system");
}

static char *
mermaid(const Picture *picture)
{
	static const char *const arrows[] = {"==>", "-->", "--x", "-.->"};
	/* of a system that reads, too; Mermaid has no line with a cross at one end and an arrow at the other */
	static const char *const both[] = {"<==>", "<-->", "--x", "-.->"};
	StringInfoData out;
	StringInfoData intruders;

	initStringInfo(&out);
	initStringInfo(&intruders);
	appendStringInfoString(&out, "flowchart LR\n");
	if (picture->nsystems + picture->nentities == 0)
		appendStringInfoString(&out, "  nothing[\"The map is empty\"]\n");
	for (int i = 0; i < picture->nsystems; i++)
		mermaid_node(&out, 's', i, &picture->systems[i]);
	for (int i = 0; i < picture->nentities; i++)
		mermaid_node(&out, 'e', i, &picture->entities[i]);
	for (int i = 0; i < picture->nedges; i++)
	{
		const PictureEdge *edge = &picture->edges[i];

		if (edge->part == PART_READER)
			appendStringInfo(&out, "  e%d %s|\"", edge->entity + 1, arrows[edge->part]);
		else
			appendStringInfo(&out, "  s%d %s|\"", edge->system + 1,
							 (edge->reads ? both : arrows)[edge->part]);
		mermaid_text(&out, edge->label);
		if (edge->part == PART_READER)
			appendStringInfo(&out, "\"| s%d\n", edge->system + 1);
		else
			appendStringInfo(&out, "\"| e%d\n", edge->entity + 1);
		if (edge->part == PART_INTRUDER)
			appendStringInfo(&intruders, "%s%d", intruders.len > 0 ? "," : "", i);
	}
	appendStringInfoString(&out, "  classDef system fill:#e3ecfa,stroke:#2b5797,color:#10243f\n"
								 "  classDef entity fill:#f4f4f1,stroke:#6b6b63,color:#22221f\n"
								 "  classDef alarming fill:#fde8e6,stroke:#b3261e,color:#5f1410\n");
	if (intruders.len > 0)
		appendStringInfo(&out, "  linkStyle %s stroke:#b3261e,stroke-width:3px,color:#b3261e\n",
						 intruders.data);
	return out.data;
}

/* Graphviz */

/* Text of a quoted label.  Graphviz interprets \ and " in it, and character entities. */
static void
dot_text(StringInfo out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		if (*c < ' ' || *c == 0x7f)
			appendStringInfoChar(out, ' ');
		else if (*c == '&')
			appendStringInfoString(out, "&amp;");
		else if (*c == '"' || *c == '\\')
			appendStringInfo(out, "\\%c", *c);
		else
			appendStringInfoChar(out, *c);
	}
}

static void
dot_node(StringInfo out, char kind, int number, const PictureNode *node)
{
	appendStringInfo(out, "  %c%d [label=\"", kind, number + 1);
	dot_text(out, node->label);
	if (node->detail != NULL)
	{
		appendStringInfoString(out, "\\n");
		dot_text(out, node->detail);
	}
	appendStringInfo(out, "\", %s, %s];\n",
					 kind == 'e' ? "shape=box, style=\"filled,rounded\"" : "shape=box, style=filled",
					 node->alarming ? "fillcolor=\"#fde8e6\", color=\"#b3261e\""
					 : kind == 'e'	? "fillcolor=\"#f4f4f1\", color=\"#6b6b63\""
									: "fillcolor=\"#e3ecfa\", color=\"#2b5797\"");
}

static char *
dot(const Picture *picture)
{
	static const char *const looks[] = {"penwidth=2", "style=dashed",
										"color=\"#b3261e\", fontcolor=\"#b3261e\", penwidth=3",
										"color=\"#6b6b63\", style=dotted, constraint=false"};
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out,
						   "digraph ownership {\n"
						   "  graph [rankdir=LR, charset=\"UTF-8\", nodesep=0.3, ranksep=1.2];\n"
						   "  node [fontname=\"Helvetica\", fontsize=11];\n"
						   "  edge [fontname=\"Helvetica\", fontsize=9];\n");
	for (int i = 0; i < picture->nsystems; i++)
		dot_node(&out, 's', i, &picture->systems[i]);
	for (int i = 0; i < picture->nentities; i++)
		dot_node(&out, 'e', i, &picture->entities[i]);
	for (int i = 0; i < picture->nedges; i++)
	{
		const PictureEdge *edge = &picture->edges[i];

		if (edge->part == PART_READER)
			appendStringInfo(&out, "  e%d -> s%d", edge->entity + 1, edge->system + 1);
		else
			appendStringInfo(&out, "  s%d -> e%d", edge->system + 1, edge->entity + 1);
		appendStringInfoString(&out, " [label=\"");
		dot_text(&out, edge->label);
		appendStringInfo(&out, "\", %s%s];\n", looks[edge->part],
						 edge->reads && edge->part != PART_READER ? ", dir=both" : "");
	}
	appendStringInfoString(&out, "}\n");
	return out.data;
}

/*
 * ownership.diagram(format, reads): a NULL format means mermaid; without reads, what
 * systems read is not drawn.  Before 0.3.0 it has one argument.
 *
 * Errors: an unknown format.
 */
Datum
ownership_diagram(PG_FUNCTION_ARGS)
{
	char *format = PG_ARGISNULL(0) ? pstrdup("mermaid") : text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool reads = PG_NARGS() < 2 || PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	bool is_dot = pg_strcasecmp(format, "dot") == 0;
	Picture *picture;
	Datum result;

	if (!is_dot && pg_strcasecmp(format, "mermaid") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown format of a diagram: \"%s\"", format),
				 errhint("Formats are mermaid and dot; ownership.page() has the picture as SVG.")));
	SPI_connect();
	picture = picture_load();
	fold_edges(picture, reads);
	/* SPI_finish() frees the memory of all else */
	result =
		SPI_datumTransfer(CStringGetTextDatum(is_dot ? dot(picture) : mermaid(picture)), false, -1);
	SPI_finish();
	return result;
}
