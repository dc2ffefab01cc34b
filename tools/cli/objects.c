// SPDX-License-Identifier: GPL-2.0-only
/* Devices and bindings, one line or two each. */
#include "objects.h"

static const char *const device_states[] = {
	"claimed", "pasid", "ats", "pri", "stopped", "no-acs",
};

void print_device(const struct nl_device *d)
{
	char name[VTDP_NAME_MAX], driver[64] = "";

	vtdp_function_name(device_function(d), name);
	vtdp_driver(name, driver, sizeof(driver));
	out_object(NULL);
	out_colored(COLOR_NAME, "%s", name);
	out_function("function", NULL, device_function(d));
	out_u64("unit", " unit ", d->unit);
	out_flags("state", d->state, device_states, ARRAY_SIZE(device_states));
	out_str("driver", *driver ? " driver " : NULL, driver);
	out_u64("pasid_max", " pasid-max ", d->pasid_max);
	out_u64("bindings", " bindings ", d->bindings);
	out_u64("client", "\n    attached in file ", d->client);
	out_process(" of ", d->client_pid, d->client_comm);
	out_u64("device_id", " as device ", d->device_id);
	out_u64("directory_entries", "\n    directory ", d->dir_entries);
	out_u64("tables", " tables ", d->leaves);
	out_u64("faults", " faults ", d->faults);
	out_u64("requests", " requests ", d->requests);
	out_u64("requests_failed", " failed ", d->requests_failed);
	out_u64("requests_pending", " pending ", d->pending);
	out_text("\n");
	out_object_end();
}

void print_binding(const struct nl_binding *b)
{
	char name[VTDP_NAME_MAX];

	out_object(NULL);
	out_colored(COLOR_NAME, "%s", vtdp_function_name(binding_function(b), name));
	out_function("function", NULL, binding_function(b));
	out_u64("pasid", b->pasid ? " PASID " : NULL, b->pasid);
	out_text(b->pasid ? "" : " without PASID");
	out_process(" ", b->pid, b->comm);
	out_text("%s", b->live ? "" : " ended");
	out_bool("live", NULL, b->live);
	out_u64("unit", NULL, b->unit);
	out_u64("domain_id", " domain ", b->domain_id);
	out_u64("client", " file ", b->client);
	out_u64("device_id", NULL, b->device_id);
	out_u64("binding_id", " binding ", b->binding_id);
	out_u64("faults", "\n    faults ", b->faults);
	out_u64("requests", " requests ", b->requests);
	out_u64("requests_failed", " failed ", b->requests_failed);
	out_u64("pinned", " pinned ", b->pinned);
	out_text("\n");
	out_object_end();
}
