/*
 * svg.c
 *		The picture of the map as SVG inside the page.
 *
 * The systems that write are on the left, the entities in the middle, the
 * systems that read on the right: so data flows in the direction of reading.
 * Every line ends at its own port of a box, and its text stands at this port, so
 * no text covers another one.  The same map gives the same picture.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "pictures.h"

#define PORT 22	   /* height of one line's end */
#define PAD 9	   /* above the first port and below the last */
#define BOX_MIN 44 /* two lines of text */
#define GAP 18	   /* between boxes */
#define TOP 34	   /* the columns' headings */
#define SYSTEM_WIDTH 150
#define ENTITY_WIDTH 210
#define LINE_WIDTH 235 /* between two columns */
#define FEW_LINES 40   /* as many lines as a reader can follow */
#define LEFT_X 1
#define ENTITY_X (LEFT_X + SYSTEM_WIDTH + LINE_WIDTH)
#define RIGHT_X (ENTITY_X + ENTITY_WIDTH + LINE_WIDTH)
#define WIDTH (RIGHT_X + SYSTEM_WIDTH + 1)

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

/* Writes text that is cut to a number of character cells. */
static void
svg_text(StringInfo out, const char *text, int cells)
{
	const char *end = text;
	int used = 0;

	for (; *end != '\0'; end += pg_mblen(end))
	{
		int width = Max(pg_dsplen(end), 0);

		if (used + width > cells - 1 && end[pg_mblen(end)] != '\0')
			break;
		used += width;
	}
	html_text(out, pnstrdup(text, end - text));
	if (*end != '\0')
		appendStringInfoString(out, "&hellip;");
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
make_column(const Picture *picture, int nodes, bool entities, bool readers)
{
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
			box.height = Max(BOX_MIN, box.ports * PORT + 2 * PAD);
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

static void
draw_box(StringInfo out, const Box *box, const PictureNode *node, int x, int width, const char *kind)
{
	int middle = box->y + box->height / 2;

	appendStringInfo(out, "<g class=\"%s%s\"><title>", kind, node->alarming ? " alarming" : "");
	html_text(out, node->label);
	appendStringInfo(out,
					 "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/><text class=\"name\" x=\"%d\" y=\"%d\">",
					 x, box->y, width, box->height, kind[0] == 'e' ? 10 : 3, x + width / 2,
					 node->detail == NULL ? middle + 4 : middle - 3);
	svg_text(out, node->label, width / 9);
	appendStringInfoString(out, "</text>");
	if (node->detail != NULL)
	{
		appendStringInfo(out, "<text x=\"%d\" y=\"%d\">", x + width / 2, middle + 14);
		svg_text(out, node->detail, width / 7);
		appendStringInfoString(out, "</text>");
	}
	appendStringInfoString(out, "</g>\n");
}

/* The vertical place of the next port of a box.  Its ports are around its middle. */
static int
next_port(const Box *box, int *used, int ports)
{
	return box->y + box->height / 2 - (ports - 1) * PORT / 2 + (*used)++ * PORT;
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
draw_side(StringInfo out, const Picture *picture, Column *systems, Column *entities, bool readers)
{
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
							   count_ports(picture, system->node, false, readers));
				y2 = next_port(entity, readers ? &entity->right_used : &entity->left_used,
							   count_ports(picture, entity->node, true, readers));
				x1 = readers ? RIGHT_X : LEFT_X + SYSTEM_WIDTH;
				x2 = readers ? ENTITY_X + ENTITY_WIDTH : ENTITY_X;

				/* the arrow points to the right, as data flows */
				if (readers)
					appendStringInfo(out,
									 "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>"
									 "<path class=\"%s tip\" d=\"M%d %dl-8 -4v8z\"/>\n",
									 classes[edge->part], x2, y2, x2 + LINE_WIDTH * 3 / 4, y2,
									 x1 - LINE_WIDTH / 3, y1, x1 - 6, y1, classes[edge->part], x1,
									 y1);
				else
					appendStringInfo(out,
									 "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>"
									 "<path class=\"%s tip\" d=\"M%d %dl-8 -4v8z\"/>\n",
									 classes[edge->part], x1, y1, x1 + LINE_WIDTH / 3, y1,
									 x2 - LINE_WIDTH * 3 / 4, y2, x2 - 6, y2, classes[edge->part],
									 x2, y2);
				appendStringInfo(&labels, "<text class=\"%s label\" x=\"%d\" y=\"%d\">",
								 classes[edge->part], readers ? x2 + 8 : x2 - 12, y2 - 4);
				/* among many lines, a reader cannot follow one to its other end */
				if (picture->nedges > FEW_LINES)
				{
					appendStringInfoString(&labels, FIRST_STRONG_ISOLATE);
					svg_text(&labels, picture->systems[system->node].label, 18);
					appendStringInfoString(&labels, POP_ISOLATE " ");
				}
				html_text(&labels, edge->label);
				appendStringInfoString(&labels, "</text>\n");
			}
	appendStringInfoString(out, labels.data);
}

/* Writes the picture as an SVG element. */
void
svg_picture(StringInfo out, const Picture *picture)
{
	Column left = make_column(picture, picture->nsystems, false, false);
	Column right = make_column(picture, picture->nsystems, false, true);
	Column entities = make_column(picture, picture->nentities, true, false);
	int height;

	order_column(&entities, &left, picture, true, false);
	order_column(&left, &entities, picture, false, false);
	order_column(&right, &entities, picture, false, true);
	height = Max(column_height(&entities), Max(column_height(&left), column_height(&right)));
	stack_column(&left, height);
	stack_column(&entities, height);
	stack_column(&right, height);

	appendStringInfo(
		out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"svg-title svg-desc\">\n"
		"<title id=\"svg-title\">Which systems write and read which entities</title>\n"
		"<desc id=\"svg-desc\">%d systems and %d entities. The matrix below shows the same, field by field.</desc>\n"
		"<text class=\"head\" x=\"%d\" y=\"14\">Writes</text><text class=\"head\" x=\"%d\" y=\"14\">Data</text><text class=\"head\" x=\"%d\" y=\"14\">Reads</text>\n",
		WIDTH, height + TOP + 4, WIDTH, height + TOP + 4, picture->nsystems, picture->nentities,
		LEFT_X + SYSTEM_WIDTH / 2, ENTITY_X + ENTITY_WIDTH / 2, RIGHT_X + SYSTEM_WIDTH / 2);
	draw_side(out, picture, &left, &entities, false);
	draw_side(out, picture, &right, &entities, true);
	for (int i = 0; i < left.n; i++)
		draw_box(out, &left.boxes[i], &picture->systems[left.boxes[i].node], LEFT_X, SYSTEM_WIDTH,
				 "system");
	for (int i = 0; i < entities.n; i++)
		draw_box(out, &entities.boxes[i], &picture->entities[entities.boxes[i].node], ENTITY_X,
				 ENTITY_WIDTH, "entity");
	for (int i = 0; i < right.n; i++)
		draw_box(out, &right.boxes[i], &picture->systems[right.boxes[i].node], RIGHT_X,
				 SYSTEM_WIDTH, "system");
	appendStringInfoString(out, "</svg>\n");
}
