// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables as a picture in text, in the manner of the mail of 2018:
 *
 *	.----------------.        .---------.        .------------------.
 *	| Dev_A          |------->| PASID X |------->| Paging structure |
 *	'----------------'        '---------'        | for Process A    |
 *	                                             '------------------'
 *
 * Boxes are put into three columns, each as high as what leads to it lets it be;
 * arrows that do not go straight turn in lanes between the columns.
 */
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define COLUMNS		3
#define LANES		16	/* between two columns, at most */
#define FRAME		4	/* "| " and " |" */

/* @lane: number of the lane of arrows to this box that turn, -1 without */
struct place {
	int x, y, width, height, lane;
};

struct canvas {
	char *cells;
	int width, height;
	struct place *places;	/* of nodes */
	int end[COLUMNS];	/* last x of each column */
	int lanes[COLUMNS];	/* in front of each column */
};

/* ---- cells -------------------------------------------------------------------- */

static char *cell(struct canvas *canvas, int x, int y)
{
	return &canvas->cells[y * canvas->width + x];
}

/* Lines that meet join; of lines that cross the upright one is on top. */
static void line(struct canvas *canvas, int x, int y, char c)
{
	char *at = cell(canvas, x, y);
	bool corner = c == '.' || c == '\'';

	if (*at == ' ' || (*at == '-' && c == '|'))
		*at = c;
	else if (*at == '|' && c == '-')
		return;
	else if (*at != c || corner)
		*at = c == '>' || *at == c ? c : '+';
}

static void write_at(struct canvas *canvas, int x, int y, const char *text)
{
	while (*text)
		*cell(canvas, x++, y) = *text++;
}

static void draw_box(struct canvas *canvas, const struct node *node, const struct place *p)
{
	unsigned int i;
	char more[32];
	int x;

	for (x = 1; x < p->width - 1; x++) {
		*cell(canvas, p->x + x, p->y) = '-';
		*cell(canvas, p->x + x, p->y + p->height - 1) = '-';
	}
	*cell(canvas, p->x, p->y) = '.';
	*cell(canvas, p->x + p->width - 1, p->y) = '.';
	*cell(canvas, p->x, p->y + p->height - 1) = '\'';
	*cell(canvas, p->x + p->width - 1, p->y + p->height - 1) = '\'';
	for (i = 1; i + 1 < (unsigned int)p->height; i++) {
		*cell(canvas, p->x, p->y + i) = '|';
		*cell(canvas, p->x + p->width - 1, p->y + i) = '|';
	}
	for (i = 0; i < node->count; i++)
		write_at(canvas, p->x + 2, p->y + 1 + i, node->rows[i]);
	if (node->more) {
		snprintf(more, sizeof(more), "... %u more", node->more);
		write_at(canvas, p->x + 2, p->y + 1 + i, more);
	}
}

static void draw_edge(struct canvas *canvas, const struct edge *e, unsigned int from_column)
{
	const struct place *from = &canvas->places[e->from], *to = &canvas->places[e->to];
	int y1 = from->y + 1 + e->row, y2 = to->y + 1;
	int x1 = from->x + from->width, x2 = to->x - 1;
	int turn = canvas->end[from_column] + 3 + 2 * (to->lane % LANES);
	int x, y;

	if (y1 == y2) {
		for (x = x1; x < x2; x++)
			line(canvas, x, y1, '-');
		line(canvas, x2, y1, '>');
		return;
	}
	for (x = x1; x < turn; x++)
		line(canvas, x, y1, '-');
	line(canvas, turn, y1, y2 > y1 ? '.' : '\'');
	for (y = (y1 < y2 ? y1 : y2) + 1; y < (y1 < y2 ? y2 : y1); y++)
		line(canvas, turn, y, '|');
	line(canvas, turn, y2, y2 > y1 ? '\'' : '.');
	for (x = turn + 1; x < x2; x++)
		line(canvas, x, y2, '-');
	line(canvas, x2, y2, '>');
}

/* ---- where things go ------------------------------------------------------------ */

static void measure(struct canvas *canvas, const struct graph *graph)
{
	unsigned int i, r;

	for (i = 0; i < graph->nr_nodes; i++) {
		const struct node *node = &graph->nodes[i];
		struct place *p = &canvas->places[i];
		int width = node->more ? 16 : 0;

		for (r = 0; r < node->count; r++)
			if ((int)strlen(node->rows[r]) > width)
				width = strlen(node->rows[r]);
		p->width = width + FRAME;
		p->height = node->count + !!node->more + 2;
		p->y = -1;
		p->lane = -1;
	}
}

/* Put node @i at @y or below what its column has. */
static void put(struct canvas *canvas, const struct graph *graph, unsigned int i, int y,
		int next[COLUMNS])
{
	unsigned int column = node_column(&graph->nodes[i]);
	struct place *p = &canvas->places[i];

	if (p->y >= 0)
		return;
	p->y = y > next[column] ? y : next[column];
	next[column] = p->y + p->height + 1;
}

/* A box and what it leads to, each beside where its arrow begins. */
static void put_all_from(struct canvas *canvas, const struct graph *graph, unsigned int i,
			 int next[COLUMNS])
{
	unsigned int e;

	for (e = 0; e < graph->nr_edges; e++) {
		const struct edge *edge = &graph->edges[e];

		if (edge->from != i || canvas->places[edge->to].y >= 0)
			continue;
		put(canvas, graph, edge->to, canvas->places[i].y + edge->row, next);
		put_all_from(canvas, graph, edge->to, next);
	}
}

/* Does any arrow to a box turn? *@up: does one of them go up? */
static bool turns(const struct canvas *canvas, const struct graph *graph, unsigned int to, bool *up)
{
	bool found = false;
	unsigned int i;

	*up = false;
	for (i = 0; i < graph->nr_edges; i++) {
		const struct edge *e = &graph->edges[i];
		int y = canvas->places[e->from].y + e->row;

		if (e->to != to)
			continue;
		found |= y != canvas->places[to].y;
		*up |= y > canvas->places[to].y;
	}
	return found;
}

/*
 * Arrows that turn have a lane for each box that they lead to. Those that go down
 * are right of those that go up, and of them the upper ones further right: so no
 * arrow runs along the row in which another begins.
 */
static void give_lanes(struct canvas *canvas, const struct graph *graph)
{
	unsigned int i, k;
	bool up, other_up;

	for (i = 0; i < graph->nr_nodes; i++) {
		unsigned int column = node_column(&graph->nodes[i]);
		struct place *p = &canvas->places[i];

		if (!turns(canvas, graph, i, &up))
			continue;
		p->lane = 0;
		for (k = 0; k < graph->nr_nodes; k++) {
			const struct place *other = &canvas->places[k];

			if (k == i || node_column(&graph->nodes[k]) != column ||
			    !turns(canvas, graph, k, &other_up))
				continue;
			if (up != other_up)
				p->lane += other_up;
			else
				p->lane += up ? other->y < p->y : other->y > p->y;
		}
		if (p->lane >= canvas->lanes[column])
			canvas->lanes[column] = p->lane + 1;
	}
}

/* Room between a column and the next one. */
static int gap(const struct canvas *canvas, unsigned int column)
{
	int lanes = column + 1 < COLUMNS ? canvas->lanes[column + 1] : 0;

	return 6 + 2 * (lanes < LANES ? lanes : LANES);
}

/* Functions begin where nothing is in their way, so that most arrows are straight. */
static void lay_out(struct canvas *canvas, const struct graph *graph)
{
	int next[COLUMNS] = { 0 }, width[COLUMNS] = { 0 }, x = 0, y;
	unsigned int i, c;

	measure(canvas, graph);
	for (i = 0; i < graph->nr_nodes; i++) {
		if (node_column(&graph->nodes[i]) || canvas->places[i].y >= 0)
			continue;
		for (c = y = 0; c < COLUMNS; c++)
			y = next[c] > y ? next[c] : y;
		put(canvas, graph, i, y, next);
		put_all_from(canvas, graph, i, next);
	}
	give_lanes(canvas, graph);
	for (i = 0; i < graph->nr_nodes; i++) {
		c = node_column(&graph->nodes[i]);
		if (canvas->places[i].width > width[c])
			width[c] = canvas->places[i].width;
	}
	for (c = 0; c < COLUMNS; c++) {
		for (i = 0; i < graph->nr_nodes; i++) {
			if (node_column(&graph->nodes[i]) == c)
				canvas->places[i].x = x;
		}
		canvas->end[c] = x + width[c] - 1;
		x += width[c] + gap(canvas, c);
		canvas->height = next[c] > canvas->height ? next[c] : canvas->height;
	}
	canvas->width = x;
}

/* ---- all ------------------------------------------------------------------------ */

static void print_canvas(const struct canvas *canvas)
{
	int y, length;

	for (y = 0; y < canvas->height; y++) {
		const char *text = canvas->cells + y * canvas->width;

		for (length = canvas->width; length && text[length - 1] == ' '; length--)
			;
		out_text("%.*s\n", length, text);
	}
}

static void draw(struct canvas *canvas, const struct graph *graph)
{
	unsigned int i;

	for (i = 0; i < graph->nr_nodes; i++)
		draw_box(canvas, &graph->nodes[i], &canvas->places[i]);
	for (i = 0; i < graph->nr_edges; i++)
		draw_edge(canvas, &graph->edges[i],
			  node_column(&graph->nodes[graph->edges[i].from]));
}

void picture_print(const struct graph *graph)
{
	struct canvas canvas = { 0 };

	canvas.places = calloc(graph->nr_nodes + 1, sizeof(*canvas.places));
	if (!canvas.places)
		return;
	lay_out(&canvas, graph);
	canvas.cells = malloc((size_t)canvas.width * (canvas.height + 1));
	if (canvas.cells) {
		memset(canvas.cells, ' ', (size_t)canvas.width * (canvas.height + 1));
		draw(&canvas, graph);
		print_canvas(&canvas);
	}
	free(canvas.cells);
	free(canvas.places);
}
