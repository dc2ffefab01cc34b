// SPDX-License-Identifier: GPL-2.0-only
/* The tables as a graph for graphviz. */
#include "tables.h"

static const char *const fills[] = {
	[NODE_FUNCTIONS] = "#dbe9f6",
	[NODE_TABLE] = "#f3f3f3",
	[NODE_PROCESS] = "#dff0d8",
	[NODE_BLOCKED] = "#eeeeee",
	[NODE_MEMORY] = "#fdebd0",
};

/* What a process calls itself may hold anything. */
static void label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			continue;
		switch (*text) {
		case '\\': case '"': case '{': case '}': case '|': case '<': case '>':
			fputc('\\', out);
		}
		fputc(*text, out);
	}
}

/* Rows of tables have ports, from which arrows go; the others are one text. */
static void print_rows(FILE *out, const struct node *node)
{
	unsigned int r;

	for (r = 0; r < node->count; r++) {
		if (node->kind == NODE_TABLE)
			fprintf(out, "|<r%u> ", r);
		else if (r)
			fputs(node->kind == NODE_FUNCTIONS ? "|" : "\\n", out);
		label(out, node->rows[r]);
	}
	if (node->more)
		fprintf(out, "|... %u more", node->more);
}

static void print_node(FILE *out, const struct graph *graph, unsigned int i)
{
	const struct node *node = &graph->nodes[i];
	unsigned long long key = node->key;

	fprintf(out, "\t\tn%u [fillcolor=\"%s\", label=\"", i, fills[node->kind]);
	if (node->kind == NODE_FUNCTIONS)
		fputs("context entry of|", out);
	if (node->kind == NODE_TABLE)
		fprintf(out, "PASID table at|%#llx", key);
	print_rows(out, node);
	if (node->kind == NODE_FUNCTIONS)
		fprintf(out, "|directory at %#llx", key);
	fputs("\"]\n", out);
}

static void print_unit(FILE *out, const struct graph *graph, uint32_t unit)
{
	unsigned int i;

	fprintf(out, "\tsubgraph cluster_%u {\n\t\tlabel=\"unit %u\"\n\t\tcolor=\"#999999\"\n",
		unit, unit);
	for (i = 0; i < graph->nr_nodes; i++)
		if (graph->nodes[i].unit == unit)
			print_node(out, graph, i);
	fputs("\t}\n", out);
}

static void print_denied(FILE *out, const struct graph *graph)
{
	char name[VTDP_NAME_MAX];
	unsigned int i;

	if (!graph->nr_denied)
		return;
	fputs("\tdenied [fillcolor=\"#f8d7da\", label=\"no context entry: DMA is denied", out);
	for (i = 0; i < graph->nr_denied; i++)
		fprintf(out, "|%s", vtdp_function_name(graph->denied[i], name));
	fputs("\"]\n", out);
}

static uint32_t last_unit(const struct graph *graph)
{
	uint32_t last = 0;
	unsigned int i;

	for (i = 0; i < graph->nr_nodes; i++)
		if (graph->nodes[i].unit > last)
			last = graph->nodes[i].unit;
	return last;
}

void dot_print(FILE *out, const struct graph *graph)
{
	uint32_t unit;
	unsigned int i;

	fputs("digraph vtdpasid {\n"
	      "\trankdir=LR\n"
	      "\tranksep=1\n"
	      "\tfontname=\"sans-serif\"\n"
	      "\tnode [shape=record, style=filled, fontname=\"sans-serif\", fontsize=11]\n"
	      "\tedge [color=\"#444444\"]\n", out);
	for (unit = 0; graph->nr_nodes && unit <= last_unit(graph); unit++)
		print_unit(out, graph, unit);
	print_denied(out, graph);
	for (i = 0; i < graph->nr_edges; i++) {
		const struct edge *e = &graph->edges[i];

		/* A group of functions leads on as a whole. */
		if (graph->nodes[e->from].kind == NODE_FUNCTIONS)
			fprintf(out, "\tn%u:e -> n%u:w\n", e->from, e->to);
		else
			fprintf(out, "\tn%u:r%u:e -> n%u:w\n", e->from, e->row, e->to);
	}
	fputs("}\n", out);
}
