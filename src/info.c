// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is told of units, devices and bindings, by ioctls and by netlink alike.
 * Each fills the out_* fields in, under vtdp_lock.
 */
#include "vtdpasid.h"

void vtdp_get_info(struct vtdpasid_get_info *arg)
{
	lockdep_assert_held(&vtdp_lock);
	arg->out_units = vtdp_nr_units;
	arg->out_pasid_table = vtdp_table_layout;
	arg->out_pasid_max = vtdp_pasid_limit();
	arg->out_pasid_first = vtdp_pasid_first();
}

void vtdp_unit_info(struct vtdp_unit *unit, struct vtdpasid_unit_info *arg)
{
	lockdep_assert_held(&vtdp_lock);
	arg->out_state = unit->state;
	arg->out_reg_base = unit->drhd->base;
	arg->out_cap = unit->cap;
	arg->out_ecap = unit->ecap;
	arg->out_gsts = vtdp_read32(unit, VTD_GSTS);
	arg->out_segment = unit->drhd->segment;
	arg->out_devices = unit->nr_devices;
	arg->out_faults = atomic64_read(&unit->faults);
	spin_lock(&unit->qi.lock);
	arg->out_doorbells = unit->qi.doorbells;
	arg->out_descriptors = unit->qi.descriptors;
	spin_unlock(&unit->qi.lock);
	arg->out_requests = READ_ONCE(unit->requests);
	arg->out_overflows = READ_ONCE(unit->overflows);
}

void vtdp_device_info(struct vtdp_device *device,
		      struct vtdpasid_device_info *arg)
{
	lockdep_assert_held(&vtdp_lock);
	arg->out_state = vtdp_device_state(device);
	arg->out_segment = device->unit->drhd->segment;
	arg->out_rid = device->rid;
	arg->out_unit = device->unit->index;
	arg->out_pasid_max = device->pasid_max;
	arg->out_bindings = device->nr_bindings;
	arg->out_dir_entries = 1u << (device->table.pdts + 7);
	arg->out_leaves = vtdp_table_leaves(&device->table);
	arg->out_faults = atomic64_read(&device->faults);
	arg->out_requests = atomic64_read(&device->requests);
	arg->out_requests_failed = atomic64_read(&device->requests_failed);
}

void vtdp_binding_info(const struct vtdp_binding *binding,
		       struct vtdpasid_binding_info *arg)
{
	lockdep_assert_held(&vtdp_lock);
	arg->out_device = binding->device->id;
	arg->out_pasid = binding->pasid;
	arg->out_live = !READ_ONCE(binding->space->dead);
	arg->out_faults = atomic64_read(&binding->faults);
	arg->out_requests = atomic64_read(&binding->requests);
	arg->out_requests_failed = atomic64_read(&binding->requests_failed);
	arg->out_pinned = vtdp_pinned(binding->device->client, binding->space);
}
