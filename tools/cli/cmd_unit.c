// SPDX-License-Identifier: GPL-2.0-only
/* vtdpasid unit - VT-d units: state, capabilities, takeover, handback */
#include <errno.h>

#include "nl.h"
#include "objects.h"
#include "../../src/vtd_regs.h"

static const char *const usage[] = {
	"unit [list]",
	"unit show [UNIT]",
	"unit takeover [UNIT]",
	"unit handback [UNIT]",
	NULL
};

static const char *const states[] = {
	[VTDPASID_UNIT_IDLE] = "idle",
	[VTDPASID_UNIT_TAKEN] = "taken",
	[VTDPASID_UNIT_BROKEN] = "broken",
};

/* ---- list, show --------------------------------------------------------------- */

struct bit {
	uint64_t mask;
	const char *name;
};

static const struct bit cap_bits[] = {
	{ VTD_CAP_RWBF, "RWBF" }, { VTD_CAP_CM, "CM" }, { VTD_CAP_DWD, "DWD" },
	{ VTD_CAP_DRD, "DRD" }, { VTD_CAP_FS1GP, "FS1GP" }, { VTD_CAP_FS5LP, "FS5LP" },
	{ VTD_CAP_ESRTPS, "ESRTPS" },
};

static const struct bit ecap_bits[] = {
	{ VTD_ECAP_C, "C" }, { VTD_ECAP_QI, "QI" }, { VTD_ECAP_DT, "DT" }, { VTD_ECAP_IR, "IR" },
	{ VTD_ECAP_PT, "PT" }, { VTD_ECAP_SC, "SC" }, { VTD_ECAP_PRS, "PRS" },
	{ VTD_ECAP_PASID, "PASID" }, { VTD_ECAP_DIT, "DIT" }, { VTD_ECAP_PDS, "PDS" },
	{ VTD_ECAP_SMTS, "SMTS" }, { VTD_ECAP_FSTS, "FSTS" }, { VTD_ECAP_SMPWC, "SMPWC" },
	{ VTD_ECAP_RPS, "RPS" },
};

static const struct bit gsts_bits[] = {
	{ VTD_GSTS_TES, "TES" }, { VTD_GSTS_RTPS, "RTPS" }, { VTD_GSTS_QIES, "QIES" },
	{ VTD_GSTS_IRES, "IRES" },
};

static void print_bits(const char *key, uint64_t word, const struct bit *bits, unsigned int count)
{
	unsigned int i;

	out_array(key);
	for (i = 0; i < count; i++)
		if (word & bits[i].mask)
			out_str(out_is_json() ? "" : NULL, " ", bits[i].name);
	out_array_end();
}

static void print_unit(const struct nl_unit *u, bool all)
{
	out_object(NULL);
	out_colored(COLOR_NAME, "unit %u", u->index);
	out_u64("unit", NULL, u->index);
	out_str("state", " ", u->state < ARRAY_SIZE(states) ? states[u->state] : "unknown");
	out_u64("segment", " segment ", u->segment);
	out_hex("registers", " registers ", u->reg_base);
	out_u64("devices", " devices ", u->devices);
	out_u64("fault_irq", " fault-irq ", u->fault_irq);
	out_u64("prq_irq", " prq-irq ", u->prq_irq);
	out_u64("faults", "\n    faults ", u->faults);
	out_u64("requests", " requests ", u->requests);
	out_u64("overflows", " overflows ", u->overflows);
	out_u64("doorbells", " doorbells ", u->doorbells);
	out_u64("descriptors", " descriptors ", u->descriptors);
	out_hex("cap", all ? "\n    CAP  " : NULL, u->cap);
	if (all)
		print_bits("cap_bits", u->cap, cap_bits, ARRAY_SIZE(cap_bits));
	out_hex("ecap", all ? "\n    ECAP " : NULL, u->ecap);
	if (all)
		print_bits("ecap_bits", u->ecap, ecap_bits, ARRAY_SIZE(ecap_bits));
	out_hex("gsts", all ? "\n    GSTS " : NULL, u->gsts);
	if (all)
		print_bits("gsts_bits", u->gsts, gsts_bits, ARRAY_SIZE(gsts_bits));
	out_text("\n");
	out_object_end();
}

static int show(int wanted, bool all)
{
	struct nl_state state;
	bool found = wanted < 0;
	unsigned int i;
	int status;

	status = netlink_state_get(&state, NL_UNITS);
	if (status)
		return status;
	out_begin("units");
	out_array("units");
	for (i = 0; i < state.nr_units; i++) {
		if (wanted >= 0 && state.units[i].index != (uint32_t)wanted)
			continue;
		print_unit(&state.units[i], all);
		found = true;
	}
	out_array_end();
	if (found)
		out_end();
	else
		status = fail(ENOENT, "vtdpasid unit", "cannot show unit %d", wanted);
	netlink_state_free(&state);
	return status;
}

/* ---- takeover, handback --------------------------------------------------------- */

static int one(struct vtdp *v, uint32_t unit, bool takeover)
{
	int rc;

	progress_begin("%s unit %u", takeover ? "taking over" : "handing back", unit);
	rc = takeover ? vtdp_takeover(v, unit) : vtdp_handback(v, unit);
	progress_end();
	if (rc)
		return fail_lib();
	out_object(NULL);
	out_u64("unit", "unit ", unit);
	out_text(takeover ? " is taken over\n" : " is handed back\n");
	out_object_end();
	return STATUS_OK;
}

/* Is a unit not in the state that it is to be brought to? */
static bool is_due(struct vtdp *v, uint32_t unit, bool takeover)
{
	struct vtdpasid_unit_info info;

	return vtdp_unit_info(v, unit, &info, sizeof(info)) ||
	       (info.out_state == VTDPASID_UNIT_IDLE) == takeover;
}

/* One unit, or all that are not yet as wanted. */
static int change(int wanted, bool takeover)
{
	struct vtdp *v = vtdp_open();
	struct vtdpasid_get_info info;
	int status = STATUS_OK;
	uint32_t i;

	if (!v || vtdp_info(v, &info, sizeof(info))) {
		status = fail_lib();
		vtdp_close(v);
		return status;
	}
	out_begin(takeover ? "takeover" : "handback");
	out_array("units");
	if (wanted >= 0)
		status = one(v, wanted, takeover);
	else
		for (i = 0; i < info.out_units && !status; i++)
			if (is_due(v, i, takeover))
				status = one(v, i, takeover);
	if (!status) {
		out_array_end();
		out_end();
	}
	vtdp_close(v);
	return status;
}

/* ---- the command ----------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	const char *verb = argc ? argv[0] : "list";
	uint64_t number = 0;
	int unit = -1;

	if (argc > 2)
		return usage_of(&cmd_unit, "too many words: %s", argv[2]);
	if (argc == 2) {
		if (!arg_number(argv[1], INT32_MAX, &number))
			return usage_of(&cmd_unit, "%s is no number of a unit", argv[1]);
		unit = number;
	}
	if (arg_is(verb, "list") && argc < 2)
		return show(-1, false);
	if (arg_is(verb, "show"))
		return show(unit, true);
	if (arg_is(verb, "takeover"))
		return change(unit, true);
	if (arg_is(verb, "handback"))
		return change(unit, false);
	return usage_of(&cmd_unit, "unit does not know: %s", argv[argc - 1]);
}

const struct command cmd_unit = { "unit", run, usage };
