// SPDX-License-Identifier: GPL-2.0-only
/* vtdpasid table - the remapping structure: a picture, and the words of entries */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tables.h"

static const char *const usage[] = {
	"table [show [BDF]] [--dot | --svg]",
	NULL
};

enum form { FORM_TEXT, FORM_DOT, FORM_SVG };

/* ---- words ---------------------------------------------------------------------- */

static void print_words(const char *label, const __u64 *words, unsigned int count,
			const char *meaning)
{
	unsigned int i;

	out_array("words");
	for (i = 0; i < count; i++)
		out_hex("", NULL, words[i]);
	out_array_end();
	out_text("    %-14s ", label);
	out_colored(COLOR_DIM, "%#-16llx ", (unsigned long long)words[0]);
	out_str("meaning", "", meaning);
}

static void print_entry(const struct tables *tables, const struct table_function *f,
			const struct table_entry *e)
{
	char label[32] = "no PASID", meaning[192], owner[ROW_TEXT];

	if (e->pasid)
		snprintf(label, sizeof(label), "PASID %u", e->pasid);
	describe_pasid(e->walk.out_pasid_entry, meaning, sizeof(meaning));
	tables_owner(tables, f, e, owner, sizeof(owner));
	out_object(NULL);
	out_u64("pasid", NULL, e->pasid);
	out_hex("table", NULL, e->walk.out_dir & VTD_PDIR_SMPTBLPTR);
	print_words(label, e->walk.out_pasid_entry, VTD_PASID_QWORDS, meaning);
	out_str("owner", ": ", owner);
	out_text("\n");
	out_object_end();
}

/* The directory entries that lead to a table, once each. */
static void print_directory(const struct table_function *f)
{
	char label[32], meaning[64];
	unsigned int i, index;

	out_array("directory");
	for (i = 0; i < f->count; i++) {
		index = f->entries[i].pasid >> VTD_LEAF_SHIFT;
		if (i && f->entries[i - 1].pasid >> VTD_LEAF_SHIFT == index)
			continue;
		snprintf(label, sizeof(label), "directory[%u]", index);
		snprintf(meaning, sizeof(meaning), "PASID table at %#llx",
			 (unsigned long long)(f->entries[i].walk.out_dir & VTD_PDIR_SMPTBLPTR));
		out_object(NULL);
		out_u64("index", NULL, index);
		print_words(label, &f->entries[i].walk.out_dir, 1, meaning);
		out_text("\n");
		out_object_end();
	}
	out_array_end();
}

static void print_function(const struct tables *tables, const struct table_function *f)
{
	struct step steps[MAX_STEPS];
	char name[VTDP_NAME_MAX];
	unsigned int i, n;

	/* Not what is behind them: that is told for all PASIDs in use. */
	n = walk_steps(&f->walk, steps);
	out_object(NULL);
	out_function("function", NULL, f->function);
	out_u64("unit", NULL, f->walk.out_unit);
	out_str("driver", NULL, f->driver);
	out_colored(COLOR_NAME, "%s", vtdp_function_name(f->function, name));
	out_text("%s%s\n", *f->driver ? " driver " : "", f->driver);
	for (i = 0; i < n && i < 2; i++) {
		out_object(i ? "context" : "root");
		print_words(steps[i].name, steps[i].words, steps[i].nr_words, steps[i].meaning);
		out_text("\n");
		out_object_end();
	}
	print_directory(f);
	out_array("pasids");
	for (i = 0; i < f->count; i++)
		print_entry(tables, f, &f->entries[i]);
	out_array_end();
	out_object_end();
}

static void print_text(const struct tables *tables, const struct graph *graph)
{
	char name[VTDP_NAME_MAX];
	unsigned int i;

	out_begin("tables");
	if (!out_is_json()) {
		picture_print(graph);
		if (graph->nr_denied)
			out_text("no context entry, so that DMA is denied:");
		for (i = 0; i < graph->nr_denied; i++)
			out_text(" %s", vtdp_function_name(graph->denied[i], name));
		out_text(graph->nr_denied ? "\n\n" : "");
	}
	out_array("functions");
	for (i = 0; i < tables->count; i++) {
		const struct table_function *f = &tables->functions[i];

		/* In text that there is no entry has been said. */
		if (out_is_json() || f->walk.out_context[0] & VTD_CTX0_P)
			print_function(tables, f);
	}
	out_array_end();
	out_end();
}

/* ---- pictures --------------------------------------------------------------------- */

static int print_svg(const struct graph *graph)
{
	void (*old)(int);
	FILE *dot;
	int rc;

	fflush(stdout);
	dot = popen("dot -Tsvg", "w");
	if (!dot)
		return fail(errno, NULL, "cannot run dot");
	/* A dot that is not there reads nothing: its status says so. */
	old = signal(SIGPIPE, SIG_IGN);
	dot_print(dot, graph);
	rc = pclose(dot);
	signal(SIGPIPE, old);
	if (rc < 0 || !WIFEXITED(rc) || WEXITSTATUS(rc))
		return fail(ENOENT, "install graphviz, or use --dot", "cannot run dot");
	return STATUS_OK;
}

/* ---- the command -------------------------------------------------------------------- */

static int show(const struct vtdp_function *only, enum form form)
{
	static const struct vtdp_problem idle = {
		.err = ENOTCONN, .what = "cannot show tables", .why = "no unit is taken over",
		.next = "vtdpasid unit takeover",
	};
	struct tables tables;
	struct graph graph;
	int status = tables_read(&tables, only);

	if (status)
		return status;
	if (!tables.count) {
		out_error(&idle);
		status = STATUS_REFUSED;
	} else if (graph_make(&graph, &tables)) {
		status = fail(ENOMEM, NULL, "cannot draw the tables");
	} else {
		if (form == FORM_TEXT)
			print_text(&tables, &graph);
		else if (form == FORM_DOT)
			dot_print(stdout, &graph);
		else
			status = print_svg(&graph);
		graph_free(&graph);
	}
	tables_free(&tables);
	return status;
}

static int run(int argc, char **argv)
{
	struct vtdp_function function, *only = NULL;
	enum form form = FORM_TEXT;
	int i;

	for (i = 0; i < argc; i++) {
		if (!i && arg_is(argv[i], "show"))
			continue;
		if (arg_is(argv[i], "--dot")) {
			form = FORM_DOT;
		} else if (arg_is(argv[i], "--svg")) {
			form = FORM_SVG;
		} else if (!only && !vtdp_function_parse(argv[i], &function)) {
			only = &function;
		} else {
			return usage_of(&cmd_table, "table does not know: %s", argv[i]);
		}
	}
	if (form != FORM_TEXT && out_is_json())
		return usage_of(&cmd_table, "--dot and --svg are no JSON");
	return show(only, form);
}

const struct command cmd_table = { "table", run, usage };
