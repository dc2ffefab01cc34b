// SPDX-License-Identifier: GPL-2.0-only
/* vtdpasid binding - which process is bound to which function */
#include <errno.h>

#include "objects.h"

static const char *const usage[] = {
	"binding [list]",
	"binding show BDF [PASID]",
	NULL
};

/* Which bindings are wanted; PASID 0 is the one without, -1 are all. */
struct filter {
	bool by_function;
	struct vtdp_function function;
	int64_t pasid;
};

static bool wanted(const struct nl_binding *b, const struct filter *filter)
{
	return !filter->by_function ||
	       (same_function(binding_function(b), filter->function) &&
		(filter->pasid < 0 || b->pasid == filter->pasid));
}

static int show(const struct filter *filter, const char *name)
{
	struct nl_state state;
	bool found = !filter->by_function;
	unsigned int i;
	int status;

	status = netlink_state_get(&state, NL_BINDINGS);
	if (status)
		return status;
	out_begin("bindings");
	out_array("bindings");
	for (i = 0; i < state.nr_bindings; i++) {
		if (!wanted(&state.bindings[i], filter))
			continue;
		print_binding(&state.bindings[i]);
		found = true;
	}
	out_array_end();
	if (found)
		out_end();
	else
		status = fail(ENOENT, "vtdpasid binding", "cannot show bindings to %s", name);
	netlink_state_free(&state);
	return status;
}

static int run(int argc, char **argv)
{
	struct filter filter = { .pasid = -1 };
	uint64_t number;

	if (!argc || (argc == 1 && arg_is(argv[0], "list")))
		return show(&filter, NULL);
	if (!arg_is(argv[0], "show") || argc > 3)
		return usage_of(&cmd_binding, "binding does not know: %s", argv[argc - 1]);
	if (argc < 2 || vtdp_function_parse(argv[1], &filter.function))
		return usage_of(&cmd_binding, "which function, such as 0000:00:04.0?");
	filter.by_function = true;
	if (argc == 3) {
		if (!arg_number(argv[2], (1u << 20) - 1, &number))
			return usage_of(&cmd_binding, "%s is no PASID", argv[2]);
		filter.pasid = number;
	}
	return show(&filter, argv[1]);
}

const struct command cmd_binding = { "binding", run, usage };
