// SPDX-License-Identifier: LGPL-2.1-or-later
/* Attached functions, and what hardware would walk for them. */
#include <stdio.h>
#include <string.h>

#include "private.h"

static const struct refusal attach_refusals[] = {
	{ ENODEV, "there is no such function, or it is being removed", "lspci -D" },
	{ ENOTCONN, "its unit is not taken over, or no unit covers it",
	  "vtdpasid unit takeover" },
	{ EBUSY, "it is attached already, or its ATS is in use", "vtdpasid device show {}" },
	{ ENXIO, "nothing owns it", "vtdpasid device claim {}" },
	{ EADDRINUSE, "its driver hands it to userspace (vfio-pci, uio, ...)",
	  "vtdpasid device claim {}" },
	{ EISDIR, "it is a bridge", "name a function behind it" },
	{ EXDEV, "its requests cannot be told apart from another's, or may pass the unit by",
	  "vtdpasid doctor {}" },
	{ EACCES, "this is no virtual machine, so the interrupts of devices are not isolated",
	  "load the module with allow_unsafe_interrupts=1 on a machine that you may crash" },
	{ EPROTONOSUPPORT, "it or its unit lacks ATS or page requests, or PASID tables are shared",
	  "vtdpasid doctor {}" },
	{ EINVAL, "page requests need ATS", "attach it with ats, too" },
	{ EKEYREJECTED, "the firmware marks it untrusted: no ATS", "attach it without ats" },
	{ EPERM, "a capability is missing",
	  "run it as root (CAP_SYS_ADMIN; CAP_SYS_RAWIO for ats)" },
	{ ETIMEDOUT, "the unit did not complete an invalidation", "look into the kernel log" },
	{ 0 }
};

static const struct refusal detach_refusals[] = {
	{ ENOENT, "this file has no such device", NULL },
	{ ETIMEDOUT, "it is detached, but only by cutting it off from the bus",
	  "detach and attach a claimed function again; else bind its driver anew" },
	{ 0 }
};

static const struct refusal walk_refusals[] = {
	{ ENODEV, "no unit covers that function", "vtdpasid unit" },
	{ ENOTCONN, "its unit is not taken over", "vtdpasid unit takeover" },
	{ ENOENT, "no further entry is in use", NULL },
	{ 0 }
};

/* What this package's command can do about it goes before other advice. */
static const char *attach_next(uint32_t check)
{
	switch (check) {
	case VTDPASID_CHECK_TAKEN:
		return "vtdpasid unit takeover";
	case VTDPASID_CHECK_FREE:
		return "vtdpasid device show {}";
	case VTDPASID_CHECK_OWNED:
	case VTDPASID_CHECK_USERSPACE:
		return "vtdpasid device claim {}";
	default:
		return vtdp_check_cure(check);
	}
}

int vtdp_attach(struct vtdp *v, const char *function, uint32_t flags, uint32_t *device)
{
	static const struct call call = { "attach", attach_refusals };
	struct vtdpasid_attach arg = { .flags = flags };
	struct vtdp_function f;
	int rc;

	rc = vtdp_function_parse(function, &f);
	if (rc)
		return rc;
	arg.segment = f.segment;
	arg.rid = f.rid;
	rc = file_query(v, &call, function, VTDPASID_ATTACH, &arg, sizeof(arg));
	if (!rc)
		*device = arg.out_device;
	else if (arg.out_check != VTDPASID_CHECK_NONE)
		problem_say(-rc, &call, function, vtdp_check_lack(arg.out_check),
			    attach_next(arg.out_check));
	return rc;
}

int vtdp_detach(struct vtdp *v, uint32_t device)
{
	static const struct call call = { "detach", detach_refusals };
	struct vtdpasid_detach arg = { .device = device };
	char subject[24];

	snprintf(subject, sizeof(subject), "device %u", device);
	return file_query(v, &call, subject, VTDPASID_DETACH, &arg, sizeof(arg));
}

int vtdp_device_info(struct vtdp *v, uint32_t device, struct vtdpasid_device_info *info,
		     size_t size)
{
	static const struct call call = { "read the state of", detach_refusals };
	char subject[24];

	memset(info, 0, size);
	info->device = device;
	snprintf(subject, sizeof(subject), "device %u", device);
	return file_query(v, &call, subject, VTDPASID_DEVICE_INFO, info, size);
}

int vtdp_walk(struct vtdp *v, struct vtdp_function function, uint32_t flags, uint32_t pasid,
	      uint64_t addr, struct vtdpasid_walk *walk, size_t size)
{
	static const struct call call = { "walk the tables of", walk_refusals };
	char name[VTDP_NAME_MAX];

	memset(walk, 0, size);
	walk->flags = flags;
	walk->segment = function.segment;
	walk->rid = function.rid;
	walk->pasid = pasid;
	walk->addr = addr;
	return file_query(v, &call, vtdp_function_name(function, name), VTDPASID_WALK, walk, size);
}
