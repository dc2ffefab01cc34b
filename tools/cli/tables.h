/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tables: the remapping structure as hardware finds it, read by VTDPASID_WALK,
 * and as a graph for those that draw it
 */
#ifndef CLI_TABLES_H
#define CLI_TABLES_H

#include "objects.h"
#include "walk.h"

/**
 * struct table_entry - an entry of a PASID table that is in use
 * @pasid: its PASID, 0 for requests without
 * @walk: what was read on the way
 */
struct table_entry {
	uint32_t pasid;
	struct vtdpasid_walk walk;
};

/**
 * struct table_function - the tables of one PCI function
 * @function: which
 * @driver: its driver, "" without
 * @walk: root and context entry
 * @entries: those in use
 * @count: of @entries
 */
struct table_function {
	struct vtdp_function function;
	char driver[32];
	struct vtdpasid_walk walk;
	struct table_entry *entries;
	unsigned int count;
};

/**
 * struct tables - those of all functions that were asked for
 * @functions: that a unit covers which is taken over
 * @count: of @functions
 * @state: who is bound
 */
struct tables {
	struct table_function *functions;
	unsigned int count;
	struct nl_state state;
};

/* Of one function, or of all with @only NULL. Exit status; errors were told of. */
int tables_read(struct tables *tables, const struct vtdp_function *only);
void tables_free(struct tables *tables);

/* Who is behind an entry, in words: "prog[12]", "blocked", "all of memory". */
void tables_owner(const struct tables *tables, const struct table_function *function,
		  const struct table_entry *entry, char *text, size_t size);

/* ---- as a graph: three columns, and edges between them ---------------------------- */

#define NODE_ROWS	14
#define ROW_TEXT	40

enum node_kind { NODE_FUNCTIONS, NODE_TABLE, NODE_PROCESS, NODE_BLOCKED, NODE_MEMORY };

/**
 * struct node - a box
 * @kind: what it is; the column follows from that
 * @key: address of what it stands for
 * @unit: number of the unit
 * @rows: texts
 * @count: of @rows
 * @more: rows that there was no room for
 */
struct node {
	enum node_kind kind;
	uint64_t key;
	uint32_t unit;
	char rows[NODE_ROWS][ROW_TEXT];
	unsigned int count;
	unsigned int more;
};

/* From row @row of node @from to node @to, both indices. */
struct edge {
	unsigned int from, row, to;
};

/**
 * struct graph - boxes, those of functions first come first
 * @nodes: boxes
 * @edges: arrows
 * @denied: functions without a context entry
 */
struct graph {
	struct node *nodes;
	unsigned int nr_nodes;
	struct edge *edges;
	unsigned int nr_edges;
	struct vtdp_function *denied;
	unsigned int nr_denied;
};

static inline unsigned int node_column(const struct node *node)
{
	return node->kind == NODE_FUNCTIONS ? 0 : node->kind == NODE_TABLE ? 1 : 2;
}

int graph_make(struct graph *graph, const struct tables *tables);
void graph_free(struct graph *graph);

/* picture.c, dot.c */
void picture_print(const struct graph *graph);
void dot_print(FILE *out, const struct graph *graph);

#endif
