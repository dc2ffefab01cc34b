// SPDX-License-Identifier: GPL-2.0-only
/* vtdpasid pasid - PASIDs: whose they are */
#include <errno.h>

#include <vtdpasid_netlink.h>

#include "nl.h"

static const char *const usage[] = {
	"pasid [list]",
	"pasid show PASID",
	NULL
};

static const char *const states[] = {
	[VTDPASID_PASID_STATE_RESERVED] = "reserved",
	[VTDPASID_PASID_STATE_OWNED] = "owned",
	[VTDPASID_PASID_STATE_QUARANTINE] = "quarantine",
};

static void print_pasid(const struct nl_pasid *p)
{
	out_object(NULL);
	out_colored(COLOR_NAME, "PASID %u", p->pasid);
	out_u64("pasid", NULL, p->pasid);
	out_str("state", " ", p->state < ARRAY_SIZE(states) ? states[p->state] : "unknown");
	if (p->state == VTDPASID_PASID_STATE_OWNED) {
		out_process(" ", p->pid, p->comm);
		out_text("%s", p->live ? "" : " ended");
		out_bool("live", NULL, p->live);
		out_u64("holds", " files ", p->holds);
		out_u64("bindings", " bindings ", p->bindings);
	}
	if (p->state != VTDPASID_PASID_STATE_QUARANTINE)
		out_u64("uid", " uid ", p->uid);
	out_text("\n");
	out_object_end();
}

static int show(uint32_t wanted)
{
	struct nl_state state;
	bool found = !wanted;
	unsigned int i;
	int status;

	status = netlink_state_get(&state, NL_PASIDS);
	if (status)
		return status;
	out_begin("pasids");
	out_array("pasids");
	for (i = 0; i < state.nr_pasids; i++) {
		if (wanted && state.pasids[i].pasid != wanted)
			continue;
		print_pasid(&state.pasids[i]);
		found = true;
	}
	out_array_end();
	if (found)
		out_end();
	else
		status = fail(ENOENT, "vtdpasid pasid", "cannot show PASID %u", wanted);
	netlink_state_free(&state);
	return status;
}

static int run(int argc, char **argv)
{
	uint64_t number;

	if (!argc || (argc == 1 && arg_is(argv[0], "list")))
		return show(0);
	if (!arg_is(argv[0], "show") || argc > 2)
		return usage_of(&cmd_pasid, "pasid does not know: %s", argv[argc - 1]);
	if (argc < 2 || !arg_number(argv[1], (1u << 20) - 1, &number) || !number)
		return usage_of(&cmd_pasid, "which PASID?");
	return show(number);
}

const struct command cmd_pasid = { "pasid", run, usage };
