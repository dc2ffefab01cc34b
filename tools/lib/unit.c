// SPDX-License-Identifier: LGPL-2.1-or-later
/* VT-d units: takeover, handback, and why not. */
#include <stdio.h>
#include <string.h>

#include "private.h"

/* The same in words as the kernel log has it, by enum vtdpasid_check. */
static const struct {
	const char *why;
	const char *cure;
} checks[] = {
	[VTDPASID_CHECK_NONE] = { "nothing is missing", "" },
	[VTDPASID_CHECK_KERNEL_IOMMU] = {
		"the kernel's own intel-iommu driver runs the units",
		"boot with intel_iommu=off" },
	[VTDPASID_CHECK_TRANSLATION] = {
		"somebody left translation on (GSTS.TES)",
		"boot with intel_iommu=off; else firmware did it" },
	[VTDPASID_CHECK_QUEUE] = {
		"somebody left the invalidation queue on (GSTS.QIES)",
		"boot with intel_iommu=off intremap=off" },
	[VTDPASID_CHECK_INTR_REMAP] = {
		"interrupt remapping is on (GSTS.IRES)",
		"boot with intremap=off, and switch x2APIC off in the firmware" },
	[VTDPASID_CHECK_SMTS] = { "the unit has no scalable mode (ECAP.SMTS)", "" },
	[VTDPASID_CHECK_FSTS] = { "the unit has no first-stage translation (ECAP.FSTS)", "" },
	[VTDPASID_CHECK_QI] = { "the unit has no queued invalidation (ECAP.QI)", "" },
	[VTDPASID_CHECK_PT] = { "the unit has no pass-through (ECAP.PT)", "" },
	[VTDPASID_CHECK_PASID] = { "the unit knows no requests with PASID (ECAP.PASID)", "" },
	[VTDPASID_CHECK_FS1GP] = {
		"the CPU uses 1 GiB pages, the unit cannot walk them (CAP.FS1GP)",
		"use a CPU model without pdpe1gb" },
	[VTDPASID_CHECK_FS5LP] = {
		"the CPU runs 5-level paging, the unit cannot walk it (CAP.FS5LP)",
		"boot with no5lvl" },
	[VTDPASID_CHECK_SMPWC] = {
		"the unit does not snoop caches when it walks page tables (ECAP.SMPWC)", "" },
	[VTDPASID_CHECK_RWBF] = { "the unit needs write-buffer flushes (CAP.RWBF)", "" },
	[VTDPASID_CHECK_REGISTER] = {
		"a register did not do what it was told in time",
		"look into the kernel log" },
};

const char *vtdp_check_why(uint32_t check)
{
	return check < ARRAY_SIZE(checks) ? checks[check].why :
		"something is missing that this program does not know of";
}

const char *vtdp_check_cure(uint32_t check)
{
	return check < ARRAY_SIZE(checks) ? checks[check].cure : "look into the kernel log";
}

static const struct refusal unit_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ 0 }
};

static const struct refusal takeover_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ EALREADY, "it is taken over already", NULL },
	{ ETIMEDOUT, "a register did not follow; what was done is undone",
	  "look into the kernel log" },
	{ 0 }
};

static const struct refusal handback_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ ENOTCONN, "it is not taken over", NULL },
	{ EBUSY, "functions of it are attached", "detach them first: vtdpasid device" },
	{ ETIMEDOUT, "translation or the queue could not be proved off; the unit stays broken",
	  "look into the kernel log, then reboot" },
	{ 0 }
};

int vtdp_unit_info(struct vtdp *v, uint32_t unit, struct vtdpasid_unit_info *info, size_t size)
{
	static const struct call call = { "read the state of", unit_refusals };
	char subject[24];

	memset(info, 0, size);
	info->unit = unit;
	snprintf(subject, sizeof(subject), "unit %u", unit);
	return file_query(v, &call, subject, VTDPASID_UNIT_INFO, info, size);
}

int vtdp_takeover(struct vtdp *v, uint32_t unit)
{
	static const struct call call = { "take over", takeover_refusals };
	struct vtdpasid_takeover arg = { .unit = unit };
	char subject[24];
	int rc;

	snprintf(subject, sizeof(subject), "unit %u", unit);
	rc = file_query(v, &call, subject, VTDPASID_TAKEOVER, &arg, sizeof(arg));
	if (rc && arg.out_check != VTDPASID_CHECK_NONE)
		problem_say(-rc, &call, subject, vtdp_check_why(arg.out_check),
			    vtdp_check_cure(arg.out_check));
	return rc;
}

int vtdp_handback(struct vtdp *v, uint32_t unit)
{
	static const struct call call = { "hand back", handback_refusals };
	struct vtdpasid_handback arg = { .unit = unit };
	char subject[24];

	snprintf(subject, sizeof(subject), "unit %u", unit);
	return file_query(v, &call, subject, VTDPASID_HANDBACK, &arg, sizeof(arg));
}
