// SPDX-License-Identifier: GPL-2.0-only
/*
 * Root and context tables (VT-d spec 3.4.2, 9.1, 9.4).
 *
 * A function has one of three context entries: none (its DMA faults), that of
 * all functions that pass through (one PASID table for all, with nothing but
 * entry 0), or its own, while it is attached. The entries of the last two
 * differ in their first qword only, so that one store changes between them and
 * a driver's DMA never stops.
 *
 * Each change here ends with the invalidations that 6.5.3.3 asks for.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/slab.h>

#include "vtdpasid.h"

static u64 ctx_qword(const struct vtdp_table *table, u64 flags)
{
	return virt_to_phys(table->dir) | flags | VTD_CTX0_P |
	       FIELD_PREP(VTD_CTX0_PDTS, table->pdts);
}

static u64 ctx_device_qword(const struct vtdp_device *device)
{
	u64 flags = 0;

	if (device->pasid_on)
		flags |= VTD_CTX0_PASIDE;
	if (device->ats_on)
		flags |= VTD_CTX0_DTE;
	if (device->pri_on)
		flags |= VTD_CTX0_PRE;
	return ctx_qword(&device->table, flags);
}

/**
 * vtdp_ctx_entry() - the context entry of a requester id
 * @unit: unit that is taken over
 * @rid: requester id
 *
 * Return: the entry, or NULL when its bus has no table. Under vtdp_lock.
 */
u64 *vtdp_ctx_entry(struct vtdp_unit *unit, u16 rid)
{
	u64 *table;

	lockdep_assert_held(&vtdp_lock);
	/* Two tables a bus: functions below 0x80, and the rest (9.1). */
	table = unit->ctx[rid >> 7];
	if (!table)
		return NULL;
	return table + (rid % VTD_CTX_PER_TABLE) * VTD_CTX_QWORDS;
}

/**
 * vtdp_ctx_prepare() - make sure that a bus has context tables
 * @unit: unit
 * @bus: bus number
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_ctx_prepare(struct vtdp_unit *unit, u8 bus)
{
	unsigned int i;

	lockdep_assert_held(&vtdp_lock);
	for (i = bus * 2; i < bus * 2 + 2; i++) {
		u64 entry;

		if (unit->ctx[i])
			continue;
		unit->ctx[i] = vtdp_page_alloc(unit, 0);
		if (!unit->ctx[i])
			return -ENOMEM;
		entry = virt_to_phys(unit->ctx[i]) | VTD_ROOT_P;
		vtdp_entry_set(unit, &unit->root[i], &entry, 1);
	}
	return 0;
}

/*
 * From not present to present. Only with caching mode does hardware hold what
 * was not present, and then under domain id 0 (6.1, 6.5.3.3).
 */
static int ctx_set(struct vtdp_unit *unit, u16 rid, u64 qword)
{
	const u64 entry[VTD_CTX_QWORDS] = { qword };
	struct vtdp_batch batch;
	int err;

	vtdp_entry_set(unit, vtdp_ctx_entry(unit, rid), entry, VTD_CTX_QWORDS);
	/* Before the queue is on there is nothing that could hold anything. */
	if (!(unit->cap & VTD_CAP_CM) || !unit->qi.on)
		return 0;

	err = vtdp_qi_start(unit, &batch, 2);
	if (err)
		return err;
	vtdp_qi_context_device(&batch, 0, rid);
	vtdp_qi_iotlb(&batch, VTD_QI_IOTLB_DOMAIN, 0);
	return vtdp_qi_finish(&batch);
}

/*
 * After a present entry changed or went: the context cache of that requester,
 * then what was cached through it, by each domain id of its PASID table. No
 * domain id may be named twice.
 */
static int ctx_invalidate(struct vtdp_unit *unit, u16 rid, const u16 *dids,
			  unsigned int count)
{
	struct vtdp_batch batch;
	unsigned int i;
	int err;

	err = vtdp_qi_start(unit, &batch, 1 + 2 * count);
	if (err)
		return err;
	vtdp_qi_context_device(&batch, dids[0], rid);
	for (i = 0; i < count; i++)
		vtdp_qi_pasid_cache(&batch, VTD_QI_PC_DOMAIN, dids[i], 0);
	for (i = 0; i < count; i++)
		vtdp_qi_iotlb(&batch, VTD_QI_IOTLB_DOMAIN, dids[i]);
	return vtdp_qi_finish(&batch);
}

static int ctx_clear(struct vtdp_unit *unit, u16 rid, const u16 *dids,
		     unsigned int count)
{
	u64 *entry = vtdp_ctx_entry(unit, rid);
	int err;

	vtdp_entry_clear(unit, entry, 0);
	err = ctx_invalidate(unit, rid, dids, count);
	/* As in vtdp_unbind(). */
	if (err != -EIO)
		vtdp_entry_zero(unit, entry, VTD_CTX_QWORDS);
	return err;
}

/* Present to present, in the one qword that differs. */
static void ctx_swap(struct vtdp_unit *unit, u16 rid, u64 qword)
{
	u64 *entry = vtdp_ctx_entry(unit, rid);

	/* The table behind it before the entry; pairs with hardware's reads. */
	dma_wmb();
	WRITE_ONCE(entry[0], qword);
	vtdp_flush_table(unit, entry, sizeof(*entry));
}

/**
 * vtdp_ctx_pass() - let a requester id pass through
 * @unit: unit that is being or is taken over
 * @rid: requester id, not of an attached function
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -ENOMEM; -EIO or -ETIMEDOUT as vtdp_qi_wait().
 */
int vtdp_ctx_pass(struct vtdp_unit *unit, u16 rid)
{
	int err = vtdp_ctx_prepare(unit, rid >> 8);

	if (err)
		return err;
	if (vtdp_ctx_entry(unit, rid)[0] & VTD_CTX0_P)
		return 0;
	return ctx_set(unit, rid, ctx_qword(unit->pass, 0));
}

/**
 * vtdp_ctx_block() - take a requester id's pass-through away
 * @unit: unit that is taken over
 * @rid: requester id, not of an attached function
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -EIO or -ETIMEDOUT as vtdp_qi_wait().
 */
int vtdp_ctx_block(struct vtdp_unit *unit, u16 rid)
{
	const u16 did = VTDP_DID_PASS_THROUGH;
	u64 *entry = vtdp_ctx_entry(unit, rid);

	if (!entry || !(entry[0] & VTD_CTX0_P))
		return 0;
	return ctx_clear(unit, rid, &did, 1);
}

/**
 * vtdp_ctx_attach() - point a function's entry to its own PASID table
 * @device: with entry 0 of its table set
 *
 * Context: may sleep; under vtdp_lock; vtdp_ctx_prepare() was called.
 * Return: 0; -EIO or -ETIMEDOUT as vtdp_qi_wait().
 */
int vtdp_ctx_attach(struct vtdp_device *device)
{
	const u16 did = VTDP_DID_PASS_THROUGH;
	struct vtdp_unit *unit = device->unit;

	if (!(vtdp_ctx_entry(unit, device->rid)[0] & VTD_CTX0_P))
		return ctx_set(unit, device->rid, ctx_device_qword(device));

	ctx_swap(unit, device->rid, ctx_device_qword(device));
	return ctx_invalidate(unit, device->rid, &did, 1);
}

/**
 * vtdp_ctx_detach() - take a function's entry away from its PASID table
 * @device: without bindings
 *
 * To pass-through while a kernel driver drives the function, else to nothing.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -EIO or -ETIMEDOUT as vtdp_qi_wait().
 */
int vtdp_ctx_detach(struct vtdp_device *device)
{
	const u16 dids[] = {
		device->claimed ? VTDP_DID_BLOCKED : VTDP_DID_PASS_THROUGH,
		VTDP_DID_SVA,
	};
	/* Bindings are gone; but shared tables have those of other devices. */
	unsigned int count = vtdp_table_layout == VTDPASID_TABLE_DEVICE ? 1 : 2;
	struct vtdp_unit *unit = device->unit;

	if (device->claimed || device->gone)
		return ctx_clear(unit, device->rid, dids, count);
	ctx_swap(unit, device->rid, ctx_qword(unit->pass, 0));
	return ctx_invalidate(unit, device->rid, dids, count);
}

/**
 * vtdp_ctx_resize() - change a function over to a larger directory
 * @device: attached
 * @dir: from vtdp_table_grow()
 * @pdts: its size
 *
 * Hardware finds the same tables through either, so nothing faults meanwhile.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, and the old directory is freed; -EIO or -ETIMEDOUT as
 * vtdp_qi_wait(), and it is left to hardware.
 */
int vtdp_ctx_resize(struct vtdp_device *device, u64 *dir, unsigned int pdts)
{
	struct vtdp_table *table = &device->table;
	unsigned int old_order = vtdp_table_dir_order(table->pdts);
	const u16 dids[] = {
		FIELD_GET(VTD_PASID1_DID, table->leaf0.entries[1]),
		VTDP_DID_SVA,
	};
	u64 *old = table->dir;
	int err;

	lockdep_assert_held(&vtdp_lock);
	table->dir = dir;
	table->pdts = pdts;
	ctx_swap(device->unit, device->rid, ctx_device_qword(device));
	err = ctx_invalidate(device->unit, device->rid, dids, ARRAY_SIZE(dids));
	if (!err)
		vtdp_page_free(old, old_order);
	return err;
}

/**
 * vtdp_ctx_init() - root table, and what functions share that are not attached
 * @unit: unit
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_ctx_init(struct vtdp_unit *unit)
{
	u64 entry[VTD_PASID_QWORDS];
	int err = -ENOMEM;

	unit->root = vtdp_page_alloc(unit, 0);
	unit->blocked_root = vtdp_page_alloc(unit, 0);
	unit->pass = kzalloc(sizeof(*unit->pass), GFP_KERNEL);
	if (unit->root && unit->blocked_root && unit->pass)
		err = vtdp_table_init(unit->pass, unit, NULL);
	if (err) {
		kfree(unit->pass);
		unit->pass = NULL;
		vtdp_ctx_exit(unit);
		return err;
	}

	vtdp_flush_root(unit, unit->blocked_root);
	vtdp_entry_pass_through(unit, entry, VTDP_DID_PASS_THROUGH);
	vtdp_entry_set(unit, vtdp_table_entry(unit->pass, 0), entry,
		       VTD_PASID_QWORDS);
	return 0;
}

/* Free the tables. Only when hardware does not translate; else they leak. */
void vtdp_ctx_exit(struct vtdp_unit *unit)
{
	unsigned int i;

	if (unit->pass)
		vtdp_table_exit(unit->pass);
	kfree(unit->pass);
	unit->pass = NULL;
	for (i = 0; i < ARRAY_SIZE(unit->ctx); i++) {
		vtdp_page_free(unit->ctx[i], 0);
		unit->ctx[i] = NULL;
	}
	vtdp_page_free(unit->blocked_root, 0);
	vtdp_page_free(unit->root, 0);
	unit->blocked_root = NULL;
	unit->root = NULL;
}
