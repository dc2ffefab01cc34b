// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables as a graph. Boxes are known by the addresses that hardware follows:
 * functions that share a directory share a box, and a table that several
 * directories lead to is one box.
 */
#include <stdlib.h>
#include <string.h>

#include "tables.h"

/* Index of a box, made when it is new; -1 without memory. */
static int node_of(struct graph *graph, enum node_kind kind, uint64_t key, uint32_t unit)
{
	struct node *more;
	unsigned int i;

	for (i = 0; i < graph->nr_nodes; i++)
		if (graph->nodes[i].key == key && graph->nodes[i].kind == kind &&
		    graph->nodes[i].unit == unit)
			return i;
	more = realloc(graph->nodes, (graph->nr_nodes + 1) * sizeof(*more));
	if (!more)
		return -1;
	graph->nodes = more;
	memset(&more[i], 0, sizeof(*more));
	more[i].kind = kind;
	more[i].key = key;
	more[i].unit = unit;
	graph->nr_nodes++;
	return i;
}

/* A text in a box, once; its row, or -1 when the box is full. */
static int row_of(struct node *node, const char *text)
{
	unsigned int i;

	for (i = 0; i < node->count; i++)
		if (!strcmp(node->rows[i], text))
			return i;
	if (node->count == NODE_ROWS) {
		node->more++;
		return -1;
	}
	snprintf(node->rows[i], sizeof(node->rows[i]), "%s", text);
	node->count++;
	return i;
}

static int edge(struct graph *graph, unsigned int from, unsigned int row, unsigned int to)
{
	struct edge *more;
	unsigned int i;

	for (i = 0; i < graph->nr_edges; i++)
		if (graph->edges[i].from == from && graph->edges[i].row == row &&
		    graph->edges[i].to == to)
			return 0;
	more = realloc(graph->edges, (graph->nr_edges + 1) * sizeof(*more));
	if (!more)
		return -1;
	graph->edges = more;
	more[graph->nr_edges++] = (struct edge){ from, row, to };
	return 0;
}

static enum node_kind target_kind(const struct tables *tables, const struct table_function *f,
				  const struct table_entry *e, char *owner, size_t size)
{
	tables_owner(tables, f, e, owner, size);
	if (FIELD_GET(VTD_PASID0_PGTT, e->walk.out_pasid_entry[0]) == VTD_PGTT_PASS_THROUGH)
		return NODE_MEMORY;
	return strcmp(owner, "blocked") ? NODE_PROCESS : NODE_BLOCKED;
}

/* What an entry leads to; @owner is who. */
static int target(struct graph *graph, const struct tables *tables,
		  const struct table_function *f, const struct table_entry *e)
{
	char owner[ROW_TEXT], text[ROW_TEXT + 8];
	enum node_kind kind = target_kind(tables, f, e, owner, sizeof(owner));
	uint64_t root = e->walk.out_pasid_entry[2] & VTD_PASID2_FSPTPTR;
	int node = node_of(graph, kind, kind == NODE_MEMORY ? 0 : root, f->walk.out_unit);

	if (node < 0)
		return -1;
	switch (kind) {
	case NODE_MEMORY:
		row_of(&graph->nodes[node], "All of memory,");
		row_of(&graph->nodes[node], "untranslated");
		break;
	case NODE_BLOCKED:
		row_of(&graph->nodes[node], "Empty root: blocked");
		break;
	default:
		snprintf(text, sizeof(text), "for %s", owner);
		row_of(&graph->nodes[node], "Paging structure");
		row_of(&graph->nodes[node], text);
	}
	return node;
}

static int add_entry(struct graph *graph, const struct tables *tables,
		     const struct table_function *f, const struct table_entry *e, int from)
{
	int table = node_of(graph, NODE_TABLE, e->walk.out_dir & VTD_PDIR_SMPTBLPTR,
			    f->walk.out_unit);
	char text[ROW_TEXT] = "no PASID";
	int row, to;

	if (table < 0 || edge(graph, from, 0, table))
		return -1;
	if (e->pasid)
		snprintf(text, sizeof(text), "PASID %u", e->pasid);
	row = row_of(&graph->nodes[table], text);
	if (row < 0)
		return 0;
	to = target(graph, tables, f, e);
	return to < 0 ? -1 : edge(graph, table, row, to);
}

static int add_function(struct graph *graph, const struct tables *tables,
			const struct table_function *f)
{
	uint64_t context = f->walk.out_context[0];
	char name[VTDP_NAME_MAX], text[ROW_TEXT + 16];
	struct vtdp_function *more;
	unsigned int i;
	int node;

	if (!(context & VTD_CTX0_P)) {
		more = realloc(graph->denied, (graph->nr_denied + 1) * sizeof(*more));
		if (!more)
			return -1;
		graph->denied = more;
		more[graph->nr_denied++] = f->function;
		return 0;
	}
	node = node_of(graph, NODE_FUNCTIONS, context & VTD_CTX0_PASIDDIRPTR, f->walk.out_unit);
	if (node < 0)
		return -1;
	snprintf(text, sizeof(text), "%s %s", vtdp_function_name(f->function, name), f->driver);
	row_of(&graph->nodes[node], text);
	for (i = 0; i < f->count; i++)
		if (add_entry(graph, tables, f, &f->entries[i], node))
			return -1;
	return 0;
}

/* 0, or -1 without memory. */
int graph_make(struct graph *graph, const struct tables *tables)
{
	unsigned int i;

	memset(graph, 0, sizeof(*graph));
	for (i = 0; i < tables->count; i++) {
		if (add_function(graph, tables, &tables->functions[i])) {
			graph_free(graph);
			return -1;
		}
	}
	return 0;
}

void graph_free(struct graph *graph)
{
	free(graph->nodes);
	free(graph->edges);
	free(graph->denied);
	memset(graph, 0, sizeof(*graph));
}
