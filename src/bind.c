// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bindings: an address space in a device's PASID table.
 *
 * A binding is linked to its space before its entry becomes present, and
 * unlinked only after the entry is gone and invalidated (see space.c).
 */
#include <linux/bitfield.h>
#include <linux/slab.h>

#include "trace.h"
#include "vtdpasid.h"

/**
 * vtdp_bind_entry0() - what requests without PASID find while no mm is bound
 * @device: entry 0 of its table is not present and invalidated
 *
 * Pass-through while a kernel driver drives the function, else nothing: a root
 * without entries, so that faults are recorded.
 *
 * Of a unit that broke the invalidation may be what failed: it may still have
 * read the first half of the entry, which then stays as it is.
 */
void vtdp_bind_entry0(struct vtdp_device *device)
{
	struct vtdp_unit *unit = device->unit;
	u64 entry[VTD_PASID_QWORDS];

	if (READ_ONCE(unit->state) == VTDPASID_UNIT_BROKEN)
		return;
	if (device->claimed)
		vtdp_entry_first_stage(unit, entry, VTDP_DID_BLOCKED,
				       unit->blocked_root);
	else
		vtdp_entry_pass_through(unit, entry, VTDP_DID_PASS_THROUGH);
	vtdp_entry_set(unit, device->table.leaf0.entries, entry,
		       VTD_PASID_QWORDS);
}

/* What else a change of an entry calls for. */
#define INVALIDATE_ABSENT	BIT(0)	/* it was not present */
#define INVALIDATE_LEAF		BIT(1)	/* its PASID table goes, too */
#define INVALIDATE_DRAIN	BIT(2)	/* page requests come into the queue */

/*
 * After an entry went, or, with caching mode (INVALIDATE_ABSENT), came (6.5.3.3):
 * PASID cache, then IOTLB, then device TLB. What was cached as not present is
 * tagged with domain id 0 (6.2.3).
 *
 * When the directory entry of the PASID table went, too, all PASIDs in it are
 * affected, and the guidance asks for the IOTLB of the domain (table 28 of
 * revision 5.10). One descriptor names them all: of the domain (6.5.2.2).
 */
static int bind_invalidate(struct vtdp_device *device, u16 did, u32 pasid,
			   unsigned int how)
{
	struct vtdp_unit *unit = device->unit;
	struct vtdp_batch batch;
	int err;

	err = vtdp_qi_start(unit, &batch, 4);
	if (err)
		return err;
	if (how & INVALIDATE_ABSENT)
		vtdp_qi_pasid_cache(&batch, VTD_QI_PC_PASID, 0, pasid);
	if (how & INVALIDATE_LEAF) {
		vtdp_qi_pasid_cache(&batch, VTD_QI_PC_DOMAIN, did, 0);
		vtdp_qi_iotlb(&batch, VTD_QI_IOTLB_DOMAIN, did);
	} else {
		vtdp_qi_pasid_cache(&batch, VTD_QI_PC_PASID, did, pasid);
		vtdp_qi_piotlb(&batch, did, pasid, 0, 0, true);
	}
	if (vtdp_device_tlb(device))
		vtdp_qi_devtlb(&batch, device, pasid, 0, 0, true);
	if (how & INVALIDATE_DRAIN)
		vtdp_qi_drain(&batch);
	return vtdp_qi_finish(&batch);
}

/* Entry 0 is present; make room for the binding's. */
static int bind_clear_entry0(struct vtdp_device *device)
{
	u64 *entry = device->table.leaf0.entries;
	int err;

	vtdp_entry_clear(device->unit, entry, 0);
	err = bind_invalidate(device, VTDP_DID_BLOCKED, 0, 0);
	if (err)
		vtdp_bind_entry0(device);
	return err;
}

/* The last step of a bind: make the entry present. */
static int bind_install(struct vtdp_binding *binding)
{
	struct vtdp_device *device = binding->device;
	struct vtdp_space *space = binding->space;
	struct vtdp_unit *unit = device->unit;
	u64 entry[VTD_PASID_QWORDS];
	bool dead;
	int err;

	if (!binding->pasid) {
		err = bind_clear_entry0(device);
		if (err)
			return err;
	}

	vtdp_entry_first_stage(unit, entry, binding->did, space->root);
	spin_lock(&space->lock);
	dead = space->dead;
	if (!dead) {
		vtdp_space_link(binding);
		/* In the unsafe layouts it may be there for another device. */
		if (vtdp_table_get(&device->table, binding->pasid))
			vtdp_entry_set(unit, binding->entry, entry,
				       VTD_PASID_QWORDS);
	} else if (!binding->pasid) {
		vtdp_bind_entry0(device);
	}
	spin_unlock(&space->lock);
	return dead ? -ESRCH : 0;
}

static int bind_did(struct vtdp_unit *unit, u32 pasid)
{
	unsigned int bits = 4 + 2 * FIELD_GET(VTD_CAP_ND, unit->cap);
	int did;

	if (pasid)
		return VTDP_DID_SVA;
	did = ida_alloc_range(&unit->dids, VTDP_DID_FIRST_RID, (1u << bits) - 1,
			      GFP_KERNEL);
	return did;
}

static void bind_did_free(struct vtdp_unit *unit, u16 did)
{
	if (did >= VTDP_DID_FIRST_RID)
		ida_free(&unit->dids, did);
}

/* Directory and leaf for a PASID. */
static int bind_prepare_table(struct vtdp_device *device, u32 pasid)
{
	unsigned int pdts = vtdp_table_pdts(pasid);
	u64 *dir;
	int err;

	if (pdts > device->table.pdts) {
		dir = vtdp_table_grow(&device->table, pdts);
		if (!dir)
			return -ENOMEM;
		err = vtdp_ctx_resize(device, dir, pdts);
		if (err)
			return err;
	}
	return vtdp_table_prepare(&device->table, pasid);
}

static void bind_list_add(struct vtdp_binding *binding)
{
	struct vtdp_device *device = binding->device;

	spin_lock(&device->unit->devices_lock);
	list_add_tail(&binding->device_node, &device->bindings);
	hash_add(device->by_pasid, &binding->pasid_node, binding->pasid);
	device->nr_bindings++;
	spin_unlock(&device->unit->devices_lock);
	if (!binding->pasid)
		device->rid_binding = binding;
	binding->hold->bindings++;
}

static void bind_list_del(struct vtdp_binding *binding)
{
	struct vtdp_device *device = binding->device;

	spin_lock(&device->unit->devices_lock);
	list_del(&binding->device_node);
	hash_del(&binding->pasid_node);
	device->nr_bindings--;
	spin_unlock(&device->unit->devices_lock);
	if (!binding->pasid)
		device->rid_binding = NULL;
	binding->hold->bindings--;
}

static int bind_new(struct vtdp_client *client, struct vtdp_hold *hold,
		    struct vtdp_device *device, u32 pasid, u32 *id)
{
	struct vtdp_binding *binding;
	int err;

	binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);
	if (!binding)
		return -ENOMEM;
	binding->device = device;
	binding->hold = hold;
	binding->space = hold->space;
	binding->pasid = pasid;
	err = bind_did(device->unit, pasid);
	if (err < 0)
		goto free;
	binding->did = err;
	err = xa_alloc(&client->bindings, &binding->id, binding, xa_limit_31b,
		       GFP_KERNEL_ACCOUNT);
	if (err)
		goto free_did;
	err = vtdp_prq_bind(binding);
	if (err)
		goto erase;
	err = bind_prepare_table(device, pasid);
	if (err)
		goto unbind_prq;
	binding->entry = vtdp_table_entry(&device->table, pasid);
	bind_list_add(binding);
	err = bind_install(binding);
	if (err) {
		bind_list_del(binding);
		vtdp_prq_drain(binding, false, 0);
		goto unbind_prq;
	}
	*id = binding->id;
	vtdp_event_binding(binding, VTDPASID_EVENT_BIND);
	trace_vtdp_bind(binding);

	/* 6.1: with caching mode hardware may hold that it was not present. */
	if (device->unit->cap & VTD_CAP_CM) {
		err = bind_invalidate(device, binding->did, pasid,
				      INVALIDATE_ABSENT);
		if (err)
			vtdp_unbind(binding);
	}
	return err;

unbind_prq:
	vtdp_prq_unbind(binding);
erase:
	xa_erase(&client->bindings, binding->id);
free_did:
	bind_did_free(device->unit, binding->did);
free:
	kfree(binding);
	return err;
}

/* What can be refused whatever PASID it is to be. */
static int bind_check(struct vtdp_device *device, struct vtdp_space *space,
		      bool no_pasid)
{
	if (READ_ONCE(device->unit->state) == VTDPASID_UNIT_BROKEN)
		return -EIO;
	if (READ_ONCE(device->stopped))
		return -ENODEV;
	if (READ_ONCE(space->dead))
		return -ESRCH;
	if (no_pasid ? !device->claimed : !device->pasid_on)
		return no_pasid ? -ENXIO : -EPROTONOSUPPORT;
	if (no_pasid && !device->acs)
		return -EXDEV;
	if (READ_ONCE(space->nr_bindings) >= VTDP_SPACE_BINDINGS)
		return -ENOSPC;
	return 0;
}

/*
 * Is there such a binding already? No two spaces have the same PASID, but only
 * one can have the requests without.
 */
static int bind_check_others(const struct vtdp_binding *binding,
			     const struct vtdp_space *space)
{
	if (!binding)
		return 0;
	return binding->space == space ? -EEXIST : -EBUSY;
}

/**
 * vtdp_bind() - VTDPASID_BIND
 * @client: file
 * @hold: its hold on the caller's space
 * @arg: checked
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_bind(struct vtdp_client *client, struct vtdp_hold *hold,
	      struct vtdpasid_bind *arg)
{
	bool no_pasid = arg->flags & VTDPASID_BIND_NO_PASID;
	struct vtdp_space *space = hold->space;
	bool had_pasid = space->pasid;
	struct vtdp_device *device;
	u32 pasid = 0;
	int err;

	lockdep_assert_held(&vtdp_lock);
	device = xa_load(&client->devices, arg->device);
	if (!device)
		return -ENOENT;
	if (no_pasid && arg->pasid)
		return -EINVAL;
	err = bind_check(device, space, no_pasid);
	if (err)
		return err;
	if (!no_pasid) {
		err = vtdp_client_give_pasid(client, space, arg->pasid,
					     vtdp_pasid_first(),
					     device->pasid_max);
		if (err)
			return err;
		pasid = space->pasid->nr;
	}

	err = bind_check_others(vtdp_device_binding(device, pasid), space);
	if (!err && pasid > device->pasid_max)
		err = -EOVERFLOW;
	if (!err)
		err = bind_new(client, hold, device, pasid, &arg->out_binding);
	if (err && pasid && !had_pasid)
		vtdp_client_take_pasid(client, space, arg->pasid);
	arg->out_pasid = pasid;
	return err;
}

/**
 * vtdp_unbind() - end a binding
 * @binding: freed
 *
 * Whatever the return value, no request of the device reaches the space
 * through it any more.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -ETIMEDOUT or -EIO as vtdp_qi_wait().
 */
int vtdp_unbind(struct vtdp_binding *binding)
{
	struct vtdp_device *device = binding->device;
	struct vtdp_space *space = binding->space;
	unsigned int how = binding->prq ? INVALIDATE_DRAIN : 0;
	s64 answered = atomic64_read(&device->unit->answered);
	bool last, live, leaf = false, sent;
	int err = 0;

	lockdep_assert_held(&vtdp_lock);
	last = vtdp_table_put(&device->table, binding->pasid);
	spin_lock(&space->lock);
	live = binding->live;
	/* Once the mm has ended, space_release() has cleared entry 0. */
	if (live && last && (binding->pasid || !space->dead))
		vtdp_entry_clear(device->unit, binding->entry, 0);
	spin_unlock(&space->lock);

	if (last && binding->pasid)
		leaf = vtdp_table_unlink_leaf(&device->table, binding->pasid);
	if (leaf)
		how |= INVALIDATE_LEAF;
	sent = (live && last) || leaf;
	if (sent)
		err = bind_invalidate(device, binding->did, binding->pasid, how);

	spin_lock(&space->lock);
	/* A unit that broke may still have read the first half of it. */
	if (binding->pasid && last && err != -EIO)
		vtdp_entry_zero(device->unit, binding->entry, VTD_PASID_QWORDS);
	/* Unless space_release() was here since. */
	if (!binding->pasid && live && !(binding->entry[0] & VTD_PASID0_P))
		vtdp_bind_entry0(device);
	vtdp_space_unlink(binding);
	if (err == -EIO)
		space->leak = true;
	spin_unlock(&space->lock);

	if (!binding->pasid && live && device->unit->cap & VTD_CAP_CM)
		err = bind_invalidate(device, VTDP_DID_BLOCKED, 0,
				      INVALIDATE_ABSENT) ?: err;
	if (leaf)
		vtdp_table_drop_leaf(&device->table, binding->pasid);
	bind_list_del(binding);
	err = vtdp_prq_drain(binding, sent, answered) ?: err;
	vtdp_prq_unbind(binding);
	vtdp_event_binding(binding, VTDPASID_EVENT_UNBIND);
	trace_vtdp_unbind(binding);
	xa_erase(&device->client->bindings, binding->id);
	bind_did_free(device->unit, binding->did);
	kfree(binding);
	return err;
}
