// SPDX-License-Identifier: GPL-2.0-only
/* vtdpasid stat - what units and bindings do, a second at a time, the busiest first */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "objects.h"

static const char *const usage[] = {
	"stat [--interval SECONDS] [--count TIMES]",
	NULL
};

#define SAMPLED	(NL_UNITS | NL_BINDINGS)

struct sample {
	struct nl_state state;
	double time;
};

/* A binding, and what it did since the last look. */
struct row {
	const struct nl_binding *binding;
	double faults, requests, failed;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int take(struct sample *sample)
{
	sample->time = now();
	return netlink_state_get(&sample->state, SAMPLED);
}

/* Counters begin anew when a unit is taken over anew. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	return after >= before && seconds > 0 ? (after - before) / seconds : 0;
}

static const struct nl_unit *find_unit(const struct nl_state *state, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < state->nr_units; i++)
		if (state->units[i].index == index)
			return &state->units[i];
	return NULL;
}

static const struct nl_binding *find_binding(const struct nl_state *state,
					     const struct nl_binding *wanted)
{
	unsigned int i;

	for (i = 0; i < state->nr_bindings; i++) {
		const struct nl_binding *b = &state->bindings[i];

		if (b->client == wanted->client && b->binding_id == wanted->binding_id)
			return b;
	}
	return NULL;
}

/* ---- output ------------------------------------------------------------------------ */

static void print_units(const struct sample *before, const struct sample *after, double seconds)
{
	unsigned int i;

	out_colored(COLOR_NAME, "%-6s %13s %13s %13s %13s\n", "unit", "faults/s", "requests/s",
		    "doorbells/s", "descriptors/s");
	out_array("units");
	for (i = 0; i < after->state.nr_units; i++) {
		const struct nl_unit *u = &after->state.units[i];
		const struct nl_unit *old = find_unit(&before->state, u->index);

		if (!old)
			continue;
		out_object(NULL);
		out_u64("unit", NULL, u->index);
		out_text("%-6u", u->index);
		out_rate("faults_rate", rate(old->faults, u->faults, seconds));
		out_rate("requests_rate", rate(old->requests, u->requests, seconds));
		out_rate("doorbells_rate", rate(old->doorbells, u->doorbells, seconds));
		out_rate("descriptors_rate", rate(old->descriptors, u->descriptors, seconds));
		out_text("\n");
		out_object_end();
	}
	out_array_end();
}

static int busiest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double left = x->faults + x->requests, right = y->faults + y->requests;

	if (left != right)
		return left < right ? 1 : -1;
	return x->binding < y->binding ? -1 : 1;
}

static unsigned int make_rows(struct row *rows, const struct sample *before,
			      const struct sample *after, double seconds)
{
	unsigned int i, n = 0;

	for (i = 0; i < after->state.nr_bindings; i++) {
		const struct nl_binding *b = &after->state.bindings[i];
		const struct nl_binding *old = find_binding(&before->state, b);

		if (!old)
			continue;
		rows[n++] = (struct row){
			.binding = b,
			.faults = rate(old->faults, b->faults, seconds),
			.requests = rate(old->requests, b->requests, seconds),
			.failed = rate(old->requests_failed, b->requests_failed, seconds),
		};
	}
	qsort(rows, n, sizeof(*rows), busiest_first);
	return n;
}

static void print_row(const struct row *row)
{
	const struct nl_binding *b = row->binding;
	char name[VTDP_NAME_MAX];

	out_object(NULL);
	out_function("function", NULL, binding_function(b));
	out_u64("pasid", NULL, b->pasid);
	out_text("%-12s %7u", vtdp_function_name(binding_function(b), name), b->pasid);
	out_rate("faults_rate", row->faults);
	out_rate("requests_rate", row->requests);
	out_rate("requests_failed_rate", row->failed);
	out_u64("pinned", NULL, b->pinned);
	out_text(" %12llu", (unsigned long long)b->pinned);
	out_process("  ", b->pid, b->comm);
	out_text("\n");
	out_object_end();
}

static int print_bindings(const struct sample *before, const struct sample *after, double seconds)
{
	struct row *rows = calloc(after->state.nr_bindings + 1, sizeof(*rows));
	unsigned int n, i;

	if (!rows)
		return fail(ENOMEM, NULL, "cannot sort bindings");
	n = make_rows(rows, before, after, seconds);
	out_colored(COLOR_NAME, "\n%-12s %7s %13s %13s %13s %12s  %s\n", "function", "PASID",
		    "faults/s", "requests/s", "failed/s", "pinned", "process");
	out_array("bindings");
	for (i = 0; i < n; i++)
		print_row(&rows[i]);
	out_array_end();
	free(rows);
	return STATUS_OK;
}

static int print(const struct sample *before, const struct sample *after)
{
	double seconds = after->time - before->time;
	int status;

	out_begin("stat");
	if (isatty(STDOUT_FILENO))
		out_text("\033[H\033[J");
	if (out_is_json())
		out_rate("seconds", seconds);
	print_units(before, after, seconds);
	status = print_bindings(before, after, seconds);
	out_text("\n");
	if (!status)
		out_end();
	return status;
}

/* ---- the command --------------------------------------------------------------------- */

static int watch(uint64_t interval, uint64_t times)
{
	struct sample before, after;
	int status = take(&before);

	while (!status && times--) {
		sleep(interval);
		status = take(&after);
		if (status)
			break;
		status = print(&before, &after);
		netlink_state_free(&before.state);
		before = after;
	}
	if (!status)
		netlink_state_free(&before.state);
	return status;
}

static int run(int argc, char **argv)
{
	uint64_t interval = 1, times = UINT64_MAX;
	int i;

	for (i = 0; i < argc; i++) {
		uint64_t *number = arg_is(argv[i], "--interval") ? &interval :
				   arg_is(argv[i], "--count") ? &times : NULL;

		if (!number)
			return usage_of(&cmd_stat, "stat does not know: %s", argv[i]);
		if (++i == argc || !arg_number(argv[i], INT32_MAX, number) || !*number)
			return usage_of(&cmd_stat, "%s wants a number", argv[i - 1]);
	}
	return watch(interval, times);
}

const struct command cmd_stat = { "stat", run, usage };
