/*
 * svg.c
 *		The picture of the map as SVG inside the page.
 *
 * The systems that write are on the left, the entities in the middle, the
 * systems that read on the right: so data flows in the direction of reading.
 * Every line ends at its own port of a box, and its text stands at this port, so
 * no text covers another one.  All text is whole: a long name takes several lines of
 * its box.  The same map gives the same picture.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "pictures.h"

#define PORT 22		 /* height of one line's end */
#define HIGH_PORT 34 /* if its text has a second line: the name of the system */
#define PAD 9		 /* above the first port and below the last */
#define BOX_MIN 44	 /* two lines of text */
#define NAME_LINE 17
#define DETAIL_LINE 14
#define GAP 18 /* between boxes */
#define TOP 34 /* the columns' headings */
#define SYSTEM_WIDTH 150
#define ENTITY_WIDTH 210
#define MIN_LINE_WIDTH 200 /* between two columns */
#define CELL 7			   /* of a line's text */
#define FEW_LINES 40	   /* as many lines as a reader can follow */
#define LEFT_X 1

/* Unicode's marks around a name whose script may run in the other direction. */
#define FIRST_STRONG_ISOLATE "\xe2\x81\xa8"
#define POP_ISOLATE "\xe2\x81\xa9"

/* A box of one of the three columns. */
typedef struct Box
{
	int node;	   /* index in the picture */
	int ports;	   /* on the side that has more */
	int left_used; /* ports drawn so far */
	int right_used;
	int weight; /* sum of the places of the boxes that it has lines to, for the order */
	int degree; /* number of these lines */
	int y;		/* of its top */
	int height;
} Box;

/* One of the three columns, from top to bottom. */
typedef struct Column
{
	int n;
	Box *boxes;
	int *place; /* by node: the index of its box, or -1 */
} Column;

/* Where everything is. */
typedef struct Layout
{
	Column left;
	Column entities;
	Column right;
	int port;
	int line_width;
	int entity_x;
	int right_x;
	int width;
	int height; /* of the columns */
} Layout;

/* The cells of a monospaced font that a text takes. */
static int
text_cells(const char *text)
{
	int cells = 0;

	for (; *text != '\0'; text += pg_mblen(text))
		cells += Max(pg_dsplen(text), 0);
	return cells;
}

/* The lines of a text, as char *: it is broken behind a space or a sign, else anywhere. */
static List *
wrap_text(const char *text, int cells)
{
	List *lines = NIL;

	while (*text != '\0')
	{
		const char *end = text;
		const char *fit = NULL;
		int used = 0;

		while (*end != '\0')
		{
			int width = Max(pg_dsplen(end), 0);

			if (used + width > cells && end > text)
				break;
			used += width;
			if (strchr(" ._-/,", *end) != NULL)
				fit = end + 1;
			end += pg_mblen(end);
		}
		if (*end != '\0' && fit != NULL)
			end = fit;
		lines = lappend(lines, pnstrdup(text, end - text));
		text = end;
	}
	return lines;
}

static bool
reads(const PictureEdge *edge)
{
	return edge->part == PART_READER;
}

/*
 * Makes a column, with a box for each node that has a line there, in the nodes'
 * order.  entities: the middle column; readers: the right one.
 */
static Column
make_column(const Picture *picture, bool entities, bool readers, int port)
{
	const PictureNode *node = entities ? picture->entities : picture->systems;
	int nodes = entities ? picture->nentities : picture->nsystems;
	int width = entities ? ENTITY_WIDTH : SYSTEM_WIDTH;
	Column column = {0};

	column.boxes = palloc0(Max(nodes, 1) * sizeof(Box));
	column.place = palloc0(Max(nodes, 1) * sizeof(int));
	for (int i = 0; i < nodes; i++)
	{
		Box box = {.node = i};
		int in = 0;
		int out = 0;

		for (int e = 0; e < picture->nedges; e++)
		{
			const PictureEdge *edge = &picture->edges[e];

			if ((entities ? edge->entity : edge->system) != i)
				continue;
			if (reads(edge))
				out++;
			else
				in++;
		}
		box.ports = entities ? Max(in, out) : readers ? out : in;
		column.place[i] = -1;
		/* a system without lines is on the left */
		if (entities || box.ports > 0 || (!readers && in + out == 0))
		{
			int text = list_length(wrap_text(node[i].label, width / 9)) * NAME_LINE + 12;

			if (node[i].detail != NULL)
				text += list_length(wrap_text(node[i].detail, width / 7)) * DETAIL_LINE;
			box.height = Max(Max(BOX_MIN, text), box.ports * port + 2 * PAD);
			column.place[i] = column.n;
			column.boxes[column.n++] = box;
		}
	}
	return column;
}

static int
compare_boxes(const void *a, const void *b)
{
	const Box *x = a;
	const Box *y = b;
	int64 left = (int64) x->weight * Max(y->degree, 1);
	int64 right = (int64) y->weight * Max(x->degree, 1);

	if (left != right)
		return left < right ? -1 : 1;
	return x->node - y->node;
}

/* Orders the boxes by the mean place of the boxes that they have lines to: fewer lines cross. */
static void
order_column(Column *column, const Column *other, const Picture *picture, bool entities,
			 bool readers)
{
	for (int i = 0; i < column->n; i++)
		column->boxes[i].weight = column->boxes[i].degree = 0;
	for (int e = 0; e < picture->nedges; e++)
	{
		const PictureEdge *edge = &picture->edges[e];
		int here = column->place[entities ? edge->entity : edge->system];
		int there = other->place[entities ? edge->system : edge->entity];

		if (reads(edge) != readers || here < 0 || there < 0)
			continue;
		column->boxes[here].weight += there;
		column->boxes[here].degree++;
	}
	qsort(column->boxes, column->n, sizeof(Box), compare_boxes);
	for (int i = 0; i < column->n; i++)
		column->place[column->boxes[i].node] = i;
}

static int
column_height(const Column *column)
{
	int height = 0;

	for (int i = 0; i < column->n; i++)
		height += column->boxes[i].height + (i > 0 ? GAP : 0);
	return height;
}

/* Sets the boxes' places.  In a column that is not as high as the picture, gaps share the rest. */
static void
stack_column(Column *column, int height)
{
	int spare = height - column_height(column);
	int y = TOP;

	for (int i = 0; i < column->n; i++)
	{
		y += spare / (column->n + 1);
		column->boxes[i].y = y;
		y += column->boxes[i].height + GAP;
	}
}

/* Writes lines of text around the middle of a box; *y is the first one's, and then the next one's. */
static void
draw_lines(StringInfo out, List *lines, const char *attributes, int x, int *y, int step)
{
	ListCell *lc;

	foreach(lc, lines)
	{
		appendStringInfo(out, "<text%s x=\"%d\" y=\"%d\">", attributes, x, *y);
		html_text(out, lfirst(lc));
		appendStringInfoString(out, "</text>");
		*y += step;
	}
}

static void
draw_box(StringInfo out, const Box *box, const PictureNode *node, int x, int width, const char *kind)
{
	List *name = wrap_text(node->label, width / 9);
	List *detail = node->detail == NULL ? NIL : wrap_text(node->detail, width / 7);
	int y = box->y +
			(box->height - list_length(name) * NAME_LINE - list_length(detail) * DETAIL_LINE) / 2 +
			NAME_LINE - 4;

	appendStringInfo(out, "<g class=\"%s%s\"><title>", kind, node->alarming ? " alarming" : "");
	html_text(out, node->label);
	appendStringInfo(out, "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
					 x, box->y, width, box->height, kind[0] == 'e' ? 10 : 3);
	draw_lines(out, name, " class=\"name\"", x + width / 2, &y, NAME_LINE);
	y -= NAME_LINE - DETAIL_LINE;
	draw_lines(out, detail, "", x + width / 2, &y, DETAIL_LINE);
	appendStringInfoString(out, "</g>\n");
}

/* The vertical place of the next port of a box.  Its ports are around its middle. */
static int
next_port(const Box *box, int *used, int ports, int port)
{
	return box->y + box->height / 2 - (ports - 1) * port / 2 + (*used)++ * port;
}

/* How many lines end at a box, on its readers' side or the other. */
static int
count_ports(const Picture *picture, int node, bool entity, bool readers)
{
	int n = 0;

	for (int e = 0; e < picture->nedges; e++)
		n += reads(&picture->edges[e]) == readers &&
			 (entity ? picture->edges[e].entity : picture->edges[e].system) == node;
	return n;
}

/* Writes one side of the picture: its lines, then their texts above them. */
static void
draw_side(StringInfo out, const Picture *picture, const Layout *l, bool readers)
{
	const Column *systems = readers ? &l->right : &l->left;
	const Column *entities = &l->entities;
	static const char *const classes[] = {"owner", "writer", "intruder", "reader"};
	StringInfoData labels;

	initStringInfo(&labels);
	for (int i = 0; i < entities->n; i++)
		for (int s = 0; s < systems->n; s++)
			for (int e = 0; e < picture->nedges; e++)
			{
				const PictureEdge *edge = &picture->edges[e];
				Box *entity = &entities->boxes[i];
				Box *system = &systems->boxes[s];
				int x1;
				int x2;
				int y1;
				int y2;

				if (edge->entity != entity->node || edge->system != system->node ||
					reads(edge) != readers)
					continue;
				y1 = next_port(system, readers ? &system->left_used : &system->right_used,
							   count_ports(picture, system->node, false, readers), l->port);
				y2 = next_port(entity, readers ? &entity->right_used : &entity->left_used,
							   count_ports(picture, entity->node, true, readers), l->port);
				x1 = readers ? l->right_x : LEFT_X + SYSTEM_WIDTH;
				x2 = readers ? l->entity_x + ENTITY_WIDTH : l->entity_x;

				/* the arrow points to the right, as data flows */
				if (readers)
					appendStringInfo(out,
									 "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>"
									 "<path class=\"%s tip\" d=\"M%d %dl-8 -4v8z\"/>\n",
									 classes[edge->part], x2, y2, x2 + l->line_width * 3 / 4, y2,
									 x1 - l->line_width / 3, y1, x1 - 6, y1, classes[edge->part],
									 x1, y1);
				else
					appendStringInfo(out,
									 "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>"
									 "<path class=\"%s tip\" d=\"M%d %dl-8 -4v8z\"/>\n",
									 classes[edge->part], x1, y1, x1 + l->line_width / 3, y1,
									 x2 - l->line_width * 3 / 4, y2, x2 - 6, y2,
									 classes[edge->part], x2, y2);
				/* among many lines, a reader cannot follow one to its other end */
				if (l->port == HIGH_PORT)
				{
					appendStringInfo(&labels, "<text class=\"%s label\" x=\"%d\" y=\"%d\">",
									 classes[edge->part], readers ? x2 + 8 : x2 - 12, y2 - 4);
					appendStringInfoString(&labels, FIRST_STRONG_ISOLATE);
					html_text(&labels, picture->systems[system->node].label);
					appendStringInfoString(&labels, POP_ISOLATE "</text>\n");
				}
				appendStringInfo(&labels, "<text class=\"%s label\" x=\"%d\" y=\"%d\">",
								 classes[edge->part], readers ? x2 + 8 : x2 - 12,
								 l->port == HIGH_PORT ? y2 + 12 : y2 - 4);
				html_text(&labels, edge->label);
				appendStringInfoString(&labels, "</text>\n");
			}
	appendStringInfoString(out, labels.data);
}

static Layout
layout(const Picture *picture)
{
	Layout l = {.line_width = MIN_LINE_WIDTH};
	bool many = picture->nedges > FEW_LINES;

	l.port = many ? HIGH_PORT : PORT;
	for (int e = 0; e < picture->nedges; e++)
	{
		int cells = text_cells(picture->edges[e].label);

		if (many)
			cells = Max(cells, text_cells(picture->systems[picture->edges[e].system].label));
		l.line_width = Max(l.line_width, cells * CELL + 24);
	}
	l.entity_x = LEFT_X + SYSTEM_WIDTH + l.line_width;
	l.right_x = l.entity_x + ENTITY_WIDTH + l.line_width;
	l.width = l.right_x + SYSTEM_WIDTH + 1;
	l.left = make_column(picture, false, false, l.port);
	l.right = make_column(picture, false, true, l.port);
	l.entities = make_column(picture, true, false, l.port);
	order_column(&l.entities, &l.left, picture, true, false);
	order_column(&l.left, &l.entities, picture, false, false);
	order_column(&l.right, &l.entities, picture, false, true);
	l.height = Max(column_height(&l.entities), Max(column_height(&l.left), column_height(&l.right)));
	stack_column(&l.left, l.height);
	stack_column(&l.entities, l.height);
	stack_column(&l.right, l.height);
	return l;
}

/* How high the picture is, in pixels. */
int
svg_height(const Picture *picture)
{
	return layout(picture).height + TOP + 4;
}

/* Writes the picture as an SVG element. */
void
svg_picture(StringInfo out, const Picture *picture)
{
	Layout l = layout(picture);

	appendStringInfo(out,
					 "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"svg-title svg-desc\">\n"
					 "<title id=\"svg-title\">Which systems write and read which entities</title>\n"
					 "<desc id=\"svg-desc\">%d systems and %d entities. The list of the same is beside it.</desc>\n"
					 "<text class=\"head\" x=\"%d\" y=\"14\">Writes</text><text class=\"head\" x=\"%d\" y=\"14\">Data</text><text class=\"head\" x=\"%d\" y=\"14\">Reads</text>\n",
					 l.width, l.height + TOP + 4, l.width, l.height + TOP + 4, picture->nsystems,
					 picture->nentities, LEFT_X + SYSTEM_WIDTH / 2, l.entity_x + ENTITY_WIDTH / 2,
					 l.right_x + SYSTEM_WIDTH / 2);
	draw_side(out, picture, &l, false);
	draw_side(out, picture, &l, true);
	for (int i = 0; i < l.left.n; i++)
		draw_box(out, &l.left.boxes[i], &picture->systems[l.left.boxes[i].node], LEFT_X,
				 SYSTEM_WIDTH, "system");
	for (int i = 0; i < l.entities.n; i++)
		draw_box(out, &l.entities.boxes[i], &picture->entities[l.entities.boxes[i].node],
				 l.entity_x, ENTITY_WIDTH, "entity");
	for (int i = 0; i < l.right.n; i++)
		draw_box(out, &l.right.boxes[i], &picture->systems[l.right.boxes[i].node], l.right_x,
				 SYSTEM_WIDTH, "system");
	appendStringInfoString(out, "</svg>\n");
}
