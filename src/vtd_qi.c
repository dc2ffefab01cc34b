// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queued invalidation (VT-d spec 6.5.2), with 256-bit descriptors.
 *
 * Descriptors travel in batches: vtdp_qi_begin() takes the queue's lock and
 * finds room, the vtdp_qi_*() encoders fill descriptors in, vtdp_qi_submit()
 * adds the wait descriptors, rings the doorbell once and drops the lock, and
 * vtdp_qi_wait() waits, with no lock held.
 *
 * Order inside a batch: hardware completes context-cache and PASID-cache
 * invalidations before the IOTLB invalidations behind them, and a wait after all
 * that stands between it and the wait before (6.5.2.11). Device TLBs have a wait
 * of their own, so that a device which does not answer costs itself only. The
 * wait before them is a fence: a device-TLB invalidation without PASID is not
 * ordered behind a PASID-based IOTLB invalidation, and the device would refill
 * from what is still there.
 *
 * Nobody waits for ever. When the caches of the unit cannot be proved clean in
 * time, the functions that could use them are cut off from the bus before the
 * waiter goes on, because the kernel frees the pages next.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/ktime.h>

#include "vtdpasid.h"

/* Both must pass before a wait expires: a paused VM's clock jumps. */
#define QI_TIMEOUT_NS		(200 * NSEC_PER_MSEC)
#define QI_TIMEOUT_POLLS	20000

#define QI_QWORDS		4	/* of a 256-bit descriptor */
#define QI_DONE			1

/*
 * A large page may be reported as one small page of it (a hugetlb or THP
 * mapping that is split), but the IOTLB holds it as a large one, which only an
 * invalidation of at least its size removes (6.5.2.4).
 */
#define QI_PIOTLB_MIN_MASK	9

/* A device that does not answer is taken out of a batch at each attempt. */
#define QI_RESENDS		8

static_assert(VTDP_QI_SLOTS <= U16_MAX);
static_assert(VTDP_QI_SLOTS * sizeof(u32) <= PAGE_SIZE);

static u64 *qi_desc(struct vtdp_qi *qi, unsigned int slot)
{
	return qi->ring + slot * QI_QWORDS;
}

static unsigned int qi_next(unsigned int slot)
{
	return (slot + 1) % VTDP_QI_SLOTS;
}

static u8 qi_type(struct vtdp_qi *qi, unsigned int slot)
{
	return FIELD_GET(VTD_QI_TYPE, *qi_desc(qi, slot));
}

/* Abandoned batches are free once hardware has come to their waits after all. */
static bool qi_batch_completed(struct vtdp_qi *qi, unsigned int first)
{
	unsigned int slot = first, i;

	for (i = 0; i < qi->length[first]; i++, slot = qi_next(slot))
		if (qi_type(qi, slot) == VTD_QI_WAIT &&
		    READ_ONCE(qi->status[slot]) != QI_DONE)
			return false;
	return true;
}

static void qi_reclaim(struct vtdp_qi *qi)
{
	lockdep_assert_held(&qi->lock);

	while (qi->head != qi->tail) {
		unsigned int first = qi->head;

		if (qi->state[first] == VTDP_SLOT_BUSY)
			break;
		if (qi->state[first] == VTDP_SLOT_ABANDONED &&
		    qi->result[first] != VTDP_BATCH_DROPPED &&
		    !qi_batch_completed(qi, first))
			break;
		qi->state[first] = VTDP_SLOT_FREE;
		qi->head = (first + qi->length[first]) % VTDP_QI_SLOTS;
	}
}

/* One slot stays free, or a full ring would look empty. */
static unsigned int qi_room(const struct vtdp_qi *qi)
{
	return (qi->head + VTDP_QI_SLOTS - qi->tail - 1) % VTDP_QI_SLOTS;
}

/**
 * vtdp_qi_begin() - start a batch
 * @unit: unit whose queue it goes to
 * @batch: made ready for the encoders
 * @count: descriptors that will be added at most, without waits
 *
 * Context: any but hard interrupts; takes qi->lock, which vtdp_qi_submit()
 * drops.
 * Return: 0; -EAGAIN when the ring is full (drop all spinlocks, then call
 * vtdp_qi_wait_room()); -EIO when the queue is off or the unit broken.
 */
int vtdp_qi_begin(struct vtdp_unit *unit, struct vtdp_batch *batch,
		  unsigned int count)
{
	struct vtdp_qi *qi = &unit->qi;

	spin_lock(&qi->lock);
	if (!qi->on || READ_ONCE(unit->state) == VTDPASID_UNIT_BROKEN) {
		spin_unlock(&qi->lock);
		return -EIO;
	}
	if (qi_room(qi) < count + 2) {
		spin_unlock(&qi->lock);
		return -EAGAIN;
	}

	batch->unit = unit;
	batch->first = qi->tail;
	batch->next = qi->tail;
	batch->room = count;
	batch->iotlb_wait = -1;
	batch->devtlb_wait = -1;
	/* For sparse only: vtdp_qi_submit() drops the lock. */
	__release(&qi->lock);
	return 0;
}

static void qi_put(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	struct vtdp_qi *qi = &batch->unit->qi;
	u64 *desc = qi_desc(qi, batch->next);

	lockdep_assert_held(&qi->lock);
	desc[0] = qw0;
	desc[1] = qw1;
	desc[2] = 0;
	desc[3] = 0;
	batch->next = qi_next(batch->next);
}

static void qi_add(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	if (WARN_ON_ONCE(!batch->room))
		return;
	batch->room--;
	qi_put(batch, qw0, qw1);
}

/* A wait descriptor that sets the status word of its own slot. */
static int qi_add_wait(struct vtdp_batch *batch, u64 flags)
{
	struct vtdp_qi *qi = &batch->unit->qi;
	unsigned int slot = batch->next;

	WRITE_ONCE(qi->status[slot], 0);
	qi_put(batch, VTD_QI_WAIT | VTD_QI_WAIT_SW | flags |
	       FIELD_PREP(VTD_QI_WAIT_DATA, QI_DONE),
	       virt_to_phys(&qi->status[slot]));
	return slot;
}

/* The wait of the unit's own caches, and the fence before device TLBs. */
static void qi_close_iotlb_part(struct vtdp_batch *batch)
{
	if (batch->iotlb_wait < 0 && batch->next != batch->first)
		batch->iotlb_wait = qi_add_wait(batch, VTD_QI_WAIT_FN);
}

static void qi_ring_doorbell(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;

	qi->doorbells++;
	/* writeq() orders the descriptors before the doorbell. */
	vtdp_write64(unit, VTD_IQT, (u64)qi->tail << VTD_IQT_SHIFT);
}

/**
 * vtdp_qi_submit() - hand a batch to hardware
 * @batch: from vtdp_qi_begin(), with at least one descriptor
 *
 * Context: drops qi->lock. vtdp_qi_wait() must follow.
 */
void vtdp_qi_submit(struct vtdp_batch *batch)
{
	struct vtdp_qi *qi = &batch->unit->qi;
	unsigned int length;

	/* For sparse only: vtdp_qi_begin() took the lock. */
	__acquire(&qi->lock);
	if (batch->iotlb_wait < 0)
		batch->iotlb_wait = qi_add_wait(batch, 0);
	else
		batch->devtlb_wait = qi_add_wait(batch, 0);

	length = (batch->next + VTDP_QI_SLOTS - batch->first) % VTDP_QI_SLOTS;
	qi->state[batch->first] = VTDP_SLOT_BUSY;
	qi->length[batch->first] = length;
	qi->result[batch->first] = VTDP_BATCH_OK;
	qi->descriptors += length;
	qi->tail = batch->next;
	qi_ring_doorbell(batch->unit);
	spin_unlock(&qi->lock);
}

static unsigned int qi_batch_of(struct vtdp_qi *qi, unsigned int slot)
{
	unsigned int first = qi->head;

	lockdep_assert_held(&qi->lock);
	while (first != qi->tail) {
		unsigned int offset = (slot + VTDP_QI_SLOTS - first) % VTDP_QI_SLOTS;

		if (offset < qi->length[first])
			break;
		first = (first + qi->length[first]) % VTDP_QI_SLOTS;
	}
	return first;
}

/*
 * Hardware stopped at a descriptor that it does not accept (6.5.2.10, IQE).
 * Put a wait that nobody looks at in its place and go on: only the batch it
 * belongs to has failed.
 */
static void qi_queue_error(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	unsigned int slot = vtdp_read64(unit, VTD_IQH) >> VTD_IQT_SHIFT;
	u64 *desc = qi_desc(qi, slot % VTDP_QI_SLOTS);

	lockdep_assert_held(&qi->lock);
	slot %= VTDP_QI_SLOTS;
	pr_err_ratelimited("unit %u refused descriptor %016llx %016llx\n",
			   unit->index, desc[0], desc[1]);
	qi->result[qi_batch_of(qi, slot)] = VTDP_BATCH_REFUSED;
	desc[0] = VTD_QI_WAIT | VTD_QI_WAIT_SW |
		  FIELD_PREP(VTD_QI_WAIT_DATA, QI_DONE);
	desc[1] = virt_to_phys(&qi->status[slot]);
	desc[2] = 0;
	desc[3] = 0;
	vtdp_write32(unit, VTD_FSTS, VTD_FSTS_IQE);
	qi_ring_doorbell(unit);
}

/*
 * A device did not answer a device-TLB invalidation (6.5.2.10, ITE). Hardware
 * drops the waits that it has fetched and not completed; they are marked, and
 * their submitters send the batch again.
 */
static void qi_timeout_error(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	unsigned int fetched = vtdp_read64(unit, VTD_IQH) >> VTD_IQT_SHIFT;
	unsigned int first;

	lockdep_assert_held(&qi->lock);
	fetched %= VTDP_QI_SLOTS;
	for (first = qi->head; first != qi->tail && first != fetched;
	     first = (first + qi->length[first]) % VTDP_QI_SLOTS)
		if (!qi_batch_completed(qi, first))
			qi->result[first] = VTDP_BATCH_DROPPED;
	vtdp_write32(unit, VTD_FSTS, VTD_FSTS_ITE | VTD_FSTS_ICE);
}

static void qi_service_errors(struct vtdp_unit *unit)
{
	const u32 errors = VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE;
	u16 rid = 0;
	u32 fsts;

	if (!(vtdp_read32(unit, VTD_FSTS) & errors))
		return;

	spin_lock(&unit->qi.lock);
	fsts = vtdp_read32(unit, VTD_FSTS);
	if (fsts & (VTD_FSTS_ITE | VTD_FSTS_ICE)) {
		/* 11.4.9.9: zero where the unit does not report it */
		rid = FIELD_GET(VTD_IQERCD_ITESID, vtdp_read64(unit, VTD_IQERCD));
		qi_timeout_error(unit);
	}
	if (fsts & VTD_FSTS_IQE)
		qi_queue_error(unit);
	spin_unlock(&unit->qi.lock);

	if (rid)
		vtdp_device_stop_rid(unit, rid);
}

static int qi_result(struct vtdp_qi *qi, unsigned int first)
{
	switch (READ_ONCE(qi->result[first])) {
	case VTDP_BATCH_REFUSED:
		return -EIO;
	case VTDP_BATCH_DROPPED:
		return -EAGAIN;
	}
	return 0;
}

/* Return: 0, -EIO when refused, -EAGAIN when dropped, -ETIMEDOUT. */
static int qi_poll(struct vtdp_unit *unit, unsigned int first, unsigned int slot)
{
	struct vtdp_qi *qi = &unit->qi;
	unsigned int polls;
	u64 deadline = 0;
	int err;

	for (polls = 0; READ_ONCE(qi->status[slot]) != QI_DONE; polls++) {
		err = qi_result(qi, first);
		if (err)
			return err;
		if (polls % 64 == 32)
			qi_service_errors(unit);
		if (!deadline)
			deadline = ktime_get_mono_fast_ns() + QI_TIMEOUT_NS;
		else if (polls > QI_TIMEOUT_POLLS &&
			 ktime_get_mono_fast_ns() > deadline)
			return -ETIMEDOUT;
		cpu_relax();
	}
	return qi_result(qi, first);
}

static void qi_release(struct vtdp_unit *unit, unsigned int first,
		       enum vtdp_slot_state state)
{
	struct vtdp_qi *qi = &unit->qi;

	spin_lock(&qi->lock);
	qi->state[first] = state;
	qi_reclaim(qi);
	spin_unlock(&qi->lock);
}

/* The requester id whose device TLB a descriptor invalidates, or -1. */
static int qi_devtlb_rid(struct vtdp_qi *qi, unsigned int slot)
{
	u64 qw0 = *qi_desc(qi, slot);

	switch (qi_type(qi, slot)) {
	case VTD_QI_DEVTLB:
		return FIELD_GET(VTD_QI_DEVTLB_SID, qw0);
	case VTD_QI_DEVPIOTLB:
		return FIELD_GET(VTD_QI_DEVPIOTLB_SID, qw0);
	}
	return -1;
}

/* Cut off the devices whose device TLBs a batch should have invalidated. */
static void qi_stop_devices(const struct vtdp_batch *batch)
{
	struct vtdp_qi *qi = &batch->unit->qi;
	unsigned int slot;
	int rid;

	for (slot = batch->first; slot != batch->next; slot = qi_next(slot)) {
		rid = qi_devtlb_rid(qi, slot);
		if (rid >= 0)
			vtdp_device_stop_rid(batch->unit, rid);
	}
}

/*
 * Send a dropped batch again, without the device TLBs of devices that were cut
 * off meanwhile. @batch becomes the new one; the old slots are given up.
 */
static int qi_resend(struct vtdp_batch *batch)
{
	DECLARE_BITMAP(skip, VTDP_QI_SLOTS);
	struct vtdp_unit *unit = batch->unit;
	struct vtdp_qi *qi = &unit->qi;
	struct vtdp_batch old = *batch;
	unsigned int slot, count = 0;
	int rid, err;

	bitmap_zero(skip, VTDP_QI_SLOTS);
	for (slot = old.first; slot != old.next; slot = qi_next(slot), count++) {
		rid = qi_devtlb_rid(qi, slot);
		if (qi_type(qi, slot) == VTD_QI_WAIT ||
		    (rid >= 0 && vtdp_device_stopped_rid(unit, rid)))
			__set_bit(slot, skip);
	}

	err = vtdp_qi_start(unit, batch, count);
	if (err) {
		*batch = old;
		return err;
	}
	for (slot = old.first; slot != old.next; slot = qi_next(slot)) {
		if (test_bit(slot, skip))
			continue;
		if (qi_devtlb_rid(qi, slot) >= 0)
			qi_close_iotlb_part(batch);
		qi_add(batch, qi_desc(qi, slot)[0], qi_desc(qi, slot)[1]);
	}
	vtdp_qi_submit(batch);
	qi_release(unit, old.first, VTDP_SLOT_FREE);
	return 0;
}

/* Wait for both parts; *@iotlb_done tells whether the unit's own part is. */
static int qi_wait_once(const struct vtdp_batch *batch, bool *iotlb_done)
{
	int err = qi_poll(batch->unit, batch->first, batch->iotlb_wait);

	*iotlb_done = !err;
	if (!err && batch->devtlb_wait >= 0)
		err = qi_poll(batch->unit, batch->first, batch->devtlb_wait);
	return err;
}

/**
 * vtdp_qi_wait() - wait for a batch
 * @batch: submitted
 *
 * When it returns an error, the devices concerned can do no more DMA: those
 * whose device TLB did not answer were cut off, or the whole unit was declared
 * broken with all its attached functions.
 *
 * Context: any but hard interrupts, no spinlock of ours held. Busy-waits,
 * bounded.
 * Return: 0; -ETIMEDOUT when devices were cut off; -EIO when the unit broke.
 */
int vtdp_qi_wait(struct vtdp_batch *batch)
{
	struct vtdp_unit *unit = batch->unit;
	unsigned int resends = 0;
	bool iotlb_done;
	int err;

	for (;;) {
		err = qi_wait_once(batch, &iotlb_done);
		if (err != -EAGAIN)
			break;
		/* Where the unit does not tell who it was, all are suspects. */
		if (resends++)
			qi_stop_devices(batch);
		if (resends > QI_RESENDS || qi_resend(batch)) {
			err = -EIO;
			break;
		}
	}
	if (!err) {
		qi_release(unit, batch->first, VTDP_SLOT_FREE);
		return resends ? -ETIMEDOUT : 0;
	}

	qi_stop_devices(batch);
	if (!iotlb_done) {
		vtdp_unit_break(unit, err == -EIO ?
				"refused an invalidation" :
				"did not complete an invalidation in time");
		err = -EIO;
	} else {
		err = -ETIMEDOUT;
	}
	qi_release(unit, batch->first, VTDP_SLOT_ABANDONED);
	return err;
}

/**
 * vtdp_qi_finish() - submit a batch and wait for it
 * @batch: from vtdp_qi_begin() or vtdp_qi_start()
 *
 * Return: as vtdp_qi_wait().
 */
int vtdp_qi_finish(struct vtdp_batch *batch)
{
	vtdp_qi_submit(batch);
	return vtdp_qi_wait(batch);
}

/**
 * vtdp_qi_wait_room() - wait until a batch fits
 * @unit: whose queue
 * @count: as for vtdp_qi_begin()
 *
 * Context: as vtdp_qi_wait(). Busy-waits, bounded.
 * Return: 0, or -EIO: the unit is broken now, or was before.
 */
int vtdp_qi_wait_room(struct vtdp_unit *unit, unsigned int count)
{
	u64 deadline = ktime_get_mono_fast_ns() + QI_TIMEOUT_NS;
	unsigned int polls = 0;
	struct vtdp_qi *qi = &unit->qi;
	bool room;

	for (;;) {
		spin_lock(&qi->lock);
		qi_reclaim(qi);
		room = qi_room(qi) >= count + 2;
		spin_unlock(&qi->lock);
		if (room)
			return 0;
		if (READ_ONCE(unit->state) == VTDPASID_UNIT_BROKEN)
			return -EIO;
		if (polls++ > QI_TIMEOUT_POLLS &&
		    ktime_get_mono_fast_ns() > deadline)
			break;
		qi_service_errors(unit);
		cpu_relax();
	}
	vtdp_unit_break(unit, "does not empty its invalidation queue");
	return -EIO;
}

/**
 * vtdp_qi_start() - start a batch, waiting for room if need be
 * @unit: whose queue
 * @batch: as for vtdp_qi_begin()
 * @count: as for vtdp_qi_begin()
 *
 * Context: as vtdp_qi_wait(); on success qi->lock is held.
 * Return: 0, or -EIO.
 */
int vtdp_qi_start(struct vtdp_unit *unit, struct vtdp_batch *batch,
		  unsigned int count)
{
	int err;

	do {
		err = vtdp_qi_begin(unit, batch, count);
		if (err != -EAGAIN)
			return err;
		err = vtdp_qi_wait_room(unit, count);
	} while (!err);
	return err;
}

/* 6.5.2.1: all context entries */
void vtdp_qi_context_global(struct vtdp_batch *batch)
{
	qi_add(batch, VTD_QI_CC | FIELD_PREP(VTD_QI_GRAN, VTD_QI_CC_GLOBAL), 0);
}

/*
 * 6.5.2.1: the context entry of one requester id. Hardware ignores the domain
 * id in scalable mode; under caching mode entries that are not present are
 * tagged with 0.
 */
void vtdp_qi_context_device(struct vtdp_batch *batch, u16 did, u16 rid)
{
	qi_add(batch, VTD_QI_CC |
	       FIELD_PREP(VTD_QI_GRAN, VTD_QI_CC_DEVICE) |
	       FIELD_PREP(VTD_QI_DID, did) |
	       FIELD_PREP(VTD_QI_CC_SID, rid), 0);
}

/* 6.5.2.2: @gran is VTD_QI_PC_* */
void vtdp_qi_pasid_cache(struct vtdp_batch *batch, u64 gran, u16 did, u32 pasid)
{
	qi_add(batch, VTD_QI_PC | FIELD_PREP(VTD_QI_GRAN, gran) |
	       FIELD_PREP(VTD_QI_DID, did) |
	       FIELD_PREP(VTD_QI_PASID, pasid), 0);
}

/* 6.5.2.3: @gran is VTD_QI_IOTLB_GLOBAL or _DOMAIN; drains where it can */
void vtdp_qi_iotlb(struct vtdp_batch *batch, u64 gran, u16 did)
{
	u64 drain = 0;

	if (batch->unit->cap & VTD_CAP_DWD)
		drain |= VTD_QI_IOTLB_DW;
	if (batch->unit->cap & VTD_CAP_DRD)
		drain |= VTD_QI_IOTLB_DR;
	qi_add(batch, VTD_QI_IOTLB | FIELD_PREP(VTD_QI_GRAN, gran) |
	       FIELD_PREP(VTD_QI_DID, did) | drain, 0);
}

/* log2 of the pages of the smallest aligned block with both addresses in it */
static unsigned int qi_block_mask(u64 first, u64 last)
{
	return fls64((first ^ last) >> PAGE_SHIFT);
}

/*
 * 6.5.2.4: first-stage entries of (@did, @pasid): @all, or those of the
 * addresses from @first to @last. IH is left 0: paging-structure caches, too.
 */
void vtdp_qi_piotlb(struct vtdp_batch *batch, u16 did, u32 pasid, u64 first,
		    u64 last, bool all)
{
	unsigned int mask = max_t(unsigned int, qi_block_mask(first, last),
				  QI_PIOTLB_MIN_MASK);
	u64 qw0 = VTD_QI_PIOTLB | FIELD_PREP(VTD_QI_DID, did) |
		  FIELD_PREP(VTD_QI_PASID, pasid);

	if (all || mask > FIELD_GET(VTD_CAP_MAMV, batch->unit->cap)) {
		qi_add(batch, qw0 | FIELD_PREP(VTD_QI_GRAN, VTD_QI_PIOTLB_PASID), 0);
		return;
	}
	qi_add(batch, qw0 | FIELD_PREP(VTD_QI_GRAN, VTD_QI_PIOTLB_PAGE),
	       (first & ~((1ULL << (PAGE_SHIFT + mask)) - 1)) |
	       FIELD_PREP(VTD_QI_PIOTLB1_AM, mask));
}

/*
 * Address field of 6.5.2.5 and 6.5.2.6 for a block of 2^@mask pages: the least
 * significant zero above bit 11 tells the size, from two pages on.
 */
static u64 qi_devtlb_addr(u64 first, unsigned int mask)
{
	u64 block = first & ~((1ULL << (PAGE_SHIFT + mask)) - 1);

	if (!mask)
		return block;
	return block | (((1ULL << (mask - 1)) - 1) << PAGE_SHIFT);
}

/*
 * 6.5.2.5, 6.5.2.6: what a device holds of the addresses from @first to @last,
 * or @all, for requests with @pasid, or without one when it is 0.
 */
void vtdp_qi_devtlb(struct vtdp_batch *batch, const struct vtdp_device *device,
		    u32 pasid, u64 first, u64 last, bool all)
{
	unsigned int mask = qi_block_mask(first, last);
	u64 addr, pfsid;
	bool sized;

	qi_close_iotlb_part(batch);

	/* The whole space: bit 63 is the least significant zero. */
	all |= mask >= 63 - PAGE_SHIFT;
	addr = all ? GENMASK_ULL(62, PAGE_SHIFT) : qi_devtlb_addr(first, mask);
	sized = all || mask;
	pfsid = FIELD_PREP(VTD_QI_PFSID_LO, device->pfsid & 0xf) |
		FIELD_PREP(VTD_QI_PFSID_HI, device->pfsid >> 4);

	if (!pasid)
		qi_add(batch, VTD_QI_DEVTLB | pfsid |
		       FIELD_PREP(VTD_QI_DEVTLB_SID, device->rid) |
		       FIELD_PREP(VTD_QI_DEVTLB_QDEP, device->ats_qdep),
		       addr | (sized ? VTD_QI_DEVTLB1_S : 0));
	else
		qi_add(batch, VTD_QI_DEVPIOTLB | pfsid |
		       FIELD_PREP(VTD_QI_DEVPIOTLB_SID, device->rid) |
		       FIELD_PREP(VTD_QI_DEVPIOTLB_QDEP, device->ats_qdep) |
		       FIELD_PREP(VTD_QI_PASID, pasid),
		       addr | (sized ? VTD_QI_DEVPIOTLB1_S : 0));
}

/* 7.7.1: a page group response, encoded */
void vtdp_qi_response(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	qi_add(batch, qw0, qw1);
}

/*
 * 7.10: a wait that lets the unit bring all page requests into their queue
 * first. The batch's own wait is fenced off behind it.
 */
void vtdp_qi_drain(struct vtdp_batch *batch)
{
	struct vtdp_qi *qi = &batch->unit->qi;

	WRITE_ONCE(qi->status[batch->next], 0);
	qi_add(batch, VTD_QI_WAIT | VTD_QI_WAIT_SW | VTD_QI_WAIT_FN |
	       VTD_QI_WAIT_PD | FIELD_PREP(VTD_QI_WAIT_DATA, QI_DONE),
	       virt_to_phys(&qi->status[batch->next]));
}

/**
 * vtdp_qi_enable() - switch the queue on
 * @unit: unit with an allocated queue and GSTS.QIES clear
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ETIMEDOUT.
 */
int vtdp_qi_enable(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	int err;

	lockdep_assert_held(&vtdp_lock);
	memset(qi->state, VTDP_SLOT_FREE, sizeof(qi->state));
	qi->head = 0;
	qi->tail = 0;
	/* 6.5.2: tail and address first, then the enable bit; head is 0 */
	vtdp_write64(unit, VTD_IQT, 0);
	vtdp_write64(unit, VTD_IQA, virt_to_phys(qi->ring) | VTD_IQA_DW |
		     FIELD_PREP(VTD_IQA_QS, VTDP_QI_ORDER));
	err = vtdp_unit_command(unit, VTD_GCMD_QIE, true);
	if (!err)
		qi->on = true;
	return err;
}

/* Wait until no submitter waits any more: bounded, as their waits are. */
static int qi_wait_idle(struct vtdp_qi *qi)
{
	u64 deadline = ktime_get_mono_fast_ns() + 5 * QI_TIMEOUT_NS;
	unsigned int polls;
	bool idle;

	for (polls = 0;; polls++) {
		spin_lock(&qi->lock);
		idle = !memchr(qi->state, VTDP_SLOT_BUSY, sizeof(qi->state));
		spin_unlock(&qi->lock);
		if (idle)
			return 0;
		if (polls > QI_TIMEOUT_POLLS &&
		    ktime_get_mono_fast_ns() > deadline)
			return -ETIMEDOUT;
		cpu_relax();
	}
}

/**
 * vtdp_qi_disable() - switch the queue off, empty
 * @unit: unit whose queue is on
 *
 * Context: may sleep; under vtdp_lock. Nobody submits any more.
 * Return: 0; -ETIMEDOUT when hardware may still read the ring.
 */
int vtdp_qi_disable(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	int err;

	lockdep_assert_held(&vtdp_lock);
	spin_lock(&qi->lock);
	qi->on = false;
	qi_reclaim(qi);
	spin_unlock(&qi->lock);
	/* Who has submitted before still looks at the status words. */
	if (qi_wait_idle(qi))
		return -ETIMEDOUT;
	/* Each batch ends with a wait, as 6.5.2 wants the last one to be. */
	err = vtdp_unit_command(unit, VTD_GCMD_QIE, false);
	if (!err)
		vtdp_write64(unit, VTD_IQT, 0);
	return err;
}

/**
 * vtdp_qi_init() - allocate a unit's queue
 * @unit: the unit
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_qi_init(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;

	qi->doorbells = 0;
	qi->descriptors = 0;
	qi->ring = vtdp_page_alloc(unit, VTDP_QI_ORDER);
	qi->status = vtdp_page_alloc(unit, 0);
	if (qi->ring && qi->status)
		return 0;
	vtdp_qi_exit(unit);
	return -ENOMEM;
}

/* Free the queue. Only when it is off for certain; else it must leak. */
void vtdp_qi_exit(struct vtdp_unit *unit)
{
	vtdp_page_free(unit->qi.ring, VTDP_QI_ORDER);
	vtdp_page_free(unit->qi.status, 0);
	unit->qi.ring = NULL;
	unit->qi.status = NULL;
}
