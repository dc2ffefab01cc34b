// SPDX-License-Identifier: GPL-2.0-only
/*
 * VTDPASID_WALK: the entries that hardware would walk for a request, from the
 * memory that it reads.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/pci.h>

#include "vtdpasid.h"

/* An attached function's unit, else the one that the function belongs to. */
static struct vtdp_unit *walk_unit(u16 segment, u16 rid)
{
	struct vtdp_unit *unit = NULL;
	struct pci_dev *pdev;

	pdev = pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(rid), rid & 0xff);
	if (pdev)
		unit = vtdp_unit_of(pdev);
	pci_dev_put(pdev);
	return unit;
}

/* Under vtdp_lock tables of ours do not go away below a present entry. */
static const u64 *walk_dir(struct vtdpasid_walk *arg, unsigned int *entries)
{
	if (!(arg->out_context[0] & VTD_CTX0_P))
		return NULL;
	*entries = 1u << (FIELD_GET(VTD_CTX0_PDTS, arg->out_context[0]) + 7);
	return phys_to_virt(arg->out_context[0] & VTD_CTX0_PASIDDIRPTR);
}

static const u64 *walk_entry(const u64 *dir, unsigned int entries, u32 pasid)
{
	u64 pde;

	if (pasid >> VTD_LEAF_SHIFT >= entries)
		return NULL;
	pde = READ_ONCE(dir[pasid >> VTD_LEAF_SHIFT]);
	if (!(pde & VTD_PDIR_P))
		return NULL;
	return (u64 *)phys_to_virt(pde & VTD_PDIR_SMPTBLPTR) +
	       (pasid % VTD_LEAF_PASIDS) * VTD_PASID_QWORDS;
}

/* The first PASID from @pasid on whose entry is in use. */
static int walk_next(const u64 *dir, unsigned int entries, u32 *pasid)
{
	u32 end = entries << VTD_LEAF_SHIFT;
	const u64 *entry;
	u32 nr = *pasid;

	while (nr < end) {
		entry = walk_entry(dir, entries, nr);
		if (!entry) {
			nr = (nr | (VTD_LEAF_PASIDS - 1)) + 1;
			continue;
		}
		if (READ_ONCE(entry[0]) & VTD_PASID0_P) {
			*pasid = nr;
			return 0;
		}
		nr++;
	}
	return -ENOENT;
}

/* The space whose root an entry points to: an entry 0 may have none. */
static struct vtdp_space *walk_space(struct vtdp_unit *unit, u64 root)
{
	struct vtdp_binding *binding;
	struct vtdp_device *device;

	lockdep_assert_held(&vtdp_lock);
	/* In the unsafe layouts it may be another device's. */
	list_for_each_entry(device, &unit->devices, node)
		list_for_each_entry(binding, &device->bindings, device_node)
			if (virt_to_phys(binding->space->root) == root)
				return binding->space;
	return NULL;
}

static void walk_first_stage(struct vtdp_unit *unit, struct vtdpasid_walk *arg)
{
	struct vtdp_space *space;

	if (!(arg->out_pasid_entry[0] & VTD_PASID0_P) ||
	    FIELD_GET(VTD_PASID0_PGTT, arg->out_pasid_entry[0]) !=
	    VTD_PGTT_FIRST_STAGE)
		return;
	arg->out_valid |= VTDPASID_WALK_FS;
	space = walk_space(unit, arg->out_pasid_entry[2] & VTD_PASID2_FSPTPTR);
	/* A root without entries: one step, and not present. */
	arg->out_levels = space ?
		vtdp_space_walk(space, arg->addr, (u64 *)arg->out_fs) : 1;
}

static int walk_locked(struct vtdp_unit *unit, struct vtdpasid_walk *arg)
{
	const u64 *context, *dir, *entry;
	unsigned int entries;
	int err;

	arg->out_unit = unit->index;
	arg->out_root = unit->root[arg->rid >> 7];
	arg->out_valid = VTDPASID_WALK_ROOT;
	context = vtdp_ctx_entry(unit, arg->rid);
	if (!context)
		return arg->flags & VTDPASID_WALK_NEXT ? -ENOENT : 0;
	memcpy(arg->out_context, context, sizeof(arg->out_context));
	arg->out_valid |= VTDPASID_WALK_CONTEXT;

	dir = walk_dir(arg, &entries);
	if (arg->flags & VTDPASID_WALK_NEXT) {
		err = dir ? walk_next(dir, entries, &arg->out_pasid) : -ENOENT;
		if (err)
			return err;
	}
	if (!dir || arg->out_pasid >> VTD_LEAF_SHIFT >= entries)
		return 0;
	arg->out_dir = READ_ONCE(dir[arg->out_pasid >> VTD_LEAF_SHIFT]);
	arg->out_valid |= VTDPASID_WALK_DIR;

	entry = walk_entry(dir, entries, arg->out_pasid);
	if (!entry)
		return 0;
	memcpy(arg->out_pasid_entry, entry, sizeof(arg->out_pasid_entry));
	arg->out_valid |= VTDPASID_WALK_PASID;
	walk_first_stage(unit, arg);
	return 0;
}

/**
 * vtdp_walk() - VTDPASID_WALK
 * @arg: checked; what it gives out is zero
 *
 * Context: may sleep; takes vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_walk(struct vtdpasid_walk *arg)
{
	struct vtdp_unit *unit;
	int err;

	arg->out_pasid = arg->pasid;
	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	unit = walk_unit(arg->segment, arg->rid);
	if (!unit)
		err = -ENODEV;
	else if (unit->state == VTDPASID_UNIT_IDLE)
		err = -ENOTCONN;
	else
		err = walk_locked(unit, arg);
	mutex_unlock(&vtdp_lock);
	return err;
}
