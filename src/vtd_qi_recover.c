// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a batch of invalidations, and making good for one that hardware
 * did not carry out. Sections are those of revision 5.10 of the VT-d spec.
 *
 * Nobody waits for ever. What hardware refused or dropped is made good for with
 * coarser invalidations, and by calling each function whose device TLB is
 * concerned by name. A function that does not answer is cut off from the bus
 * before the waiter goes on, because the kernel frees the pages next; and so are
 * all, when the caches of the unit itself cannot be proved clean in time.
 */
#include "vtd_qi.h"

/* Flushes of the unit's own caches that are tried in each round. */
#define QI_FLUSHES		8

static void qi_release(struct vtdp_batch *batch)
{
	struct vtdp_qi *qi = &batch->unit->qi;

	spin_lock(&qi->lock);
	vtdp_qi_word_release(qi, batch->iotlb_word);
	vtdp_qi_word_release(qi, batch->devtlb_word);
	spin_unlock(&qi->lock);
}

/* ---- making good for a batch --------------------------------------------- */

/*
 * All caches of the unit. What devices do not answer may drop this wait, too, as
 * often as there are such devices: that says nothing about the unit.
 * Return: as vtdp_qi_poll(), or -EIO: the unit is broken.
 */
static int qi_flush_unit(const struct vtdp_batch *failed)
{
	unsigned int tries = 0;
	struct vtdp_batch batch;
	int err;

	do {
		struct qi_clock clock = {};

		err = vtdp_qi_start(failed->unit, &batch, 3);
		if (err)
			return err;
		vtdp_qi_everything(&batch);
		batch.drain = failed->drain;
		vtdp_qi_submit(&batch);
		err = vtdp_qi_poll(batch.unit, batch.iotlb_word, &clock);
		qi_release(&batch);
	} while (err == -EAGAIN && ++tries < QI_FLUSHES);
	return err;
}

/* Was the device TLB of that function to be invalidated, as far as is known? */
static bool qi_concerns(const struct vtdp_batch *failed, u16 rid)
{
	unsigned int i;

	if (failed->nr_rids > VTDP_BATCH_RIDS)
		return true;
	for (i = 0; i < failed->nr_rids; i++)
		if (failed->rids[i] == rid)
			return true;
	return false;
}

/* The next function to call, by requester id; or NULL. */
static struct vtdp_device *qi_next_device(const struct vtdp_batch *failed,
					  int after)
{
	struct vtdp_device *device, *next = NULL;

	lockdep_assert_held(&failed->unit->devices_lock);
	list_for_each_entry(device, &failed->unit->devices, node)
		if (vtdp_device_tlb(device) && device->rid > after &&
		    (!next || device->rid < next->rid) &&
		    qi_concerns(failed, device->rid))
			next = device;
	return next;
}

/**
 * struct qi_call - a function that is to invalidate its device TLB
 * @rid: its requester id
 * @word: status word of its own wait
 */
struct qi_call {
	u16 rid;
	u16 word;
};

static void qi_call_device(const struct vtdp_batch *failed,
			   struct vtdp_batch *batch, struct qi_call *call,
			   const struct vtdp_device *device)
{
	if (failed->without_pasid)
		vtdp_qi_put_devtlb(batch, device, 0, failed->addr, failed->sized);
	if (failed->pasid && device->pasid_on)
		vtdp_qi_put_devtlb(batch, device, failed->pasid, failed->addr,
				   failed->sized);
	call->rid = device->rid;
	call->word = vtdp_qi_add_wait(batch, failed->drain ? VTD_QI_WAIT_PD : 0);
}

/* Call up to @most functions above @after. Return: how many, or -EIO. */
static int qi_call_some(const struct vtdp_batch *failed, int after,
			struct qi_call *calls, int most)
{
	const unsigned int room = 3 * QI_CALLS;
	struct vtdp_unit *unit = failed->unit;
	struct vtdp_device *device;
	struct vtdp_batch batch;
	int n = 0, err = 0;

	spin_lock(&unit->devices_lock);
	device = qi_next_device(failed, after);
	if (device)
		err = vtdp_qi_begin(unit, &batch, room);
	if (device && !err) {
		do {
			qi_call_device(failed, &batch, &calls[n++], device);
			device = qi_next_device(failed, device->rid);
		} while (device && n < most);
		vtdp_qi_submit(&batch);
	}
	spin_unlock(&unit->devices_lock);
	if (err == -EAGAIN)
		err = vtdp_qi_wait_room(unit, room) ?: -EAGAIN;
	return err ?: n;
}

static int qi_hear(struct vtdp_unit *unit, const struct qi_call *call,
		   struct qi_clock *clock)
{
	int err = vtdp_qi_poll(unit, call->word, clock);

	spin_lock(&unit->qi.lock);
	vtdp_qi_word_release(&unit->qi, call->word);
	spin_unlock(&unit->qi.lock);
	return err;
}

/*
 * Invalidate the device TLBs of a batch, each with a wait of its own, and cut
 * off who does not answer. @cut is set then.
 * Return: 0; -EAGAIN unless @last, to do it again; -EIO: the unit is broken.
 */
static int qi_call_devices(const struct vtdp_batch *failed, bool last, bool *cut)
{
	/* Whose wait was dropped twice must not be for another's silence. */
	const int most = last ? 1 : QI_CALLS;
	struct vtdp_unit *unit = failed->unit;
	struct qi_call calls[QI_CALLS];
	int after = -1, n, i, err, again = 0;

	do {
		struct qi_clock clock = {};

		n = qi_call_some(failed, after, calls, most);
		if (n == -EAGAIN)
			continue;
		for (i = 0; i < n; i++) {
			after = calls[i].rid;
			err = qi_hear(unit, &calls[i], &clock);
			if (err == -EAGAIN && !last) {
				again = err;
			} else if (err) {
				vtdp_device_stop_rid(unit, after);
				*cut = true;
			}
		}
	} while (n == -EAGAIN || n == most);
	return n < 0 ? n : again;
}

static int qi_broken(struct vtdp_unit *unit, int err)
{
	vtdp_unit_break(unit, err == -ETIMEDOUT ?
			"did not complete an invalidation in time" :
			"does not accept invalidations");
	return -EIO;
}

/* Was a function cut off since the batch was submitted, that is in it? */
static bool qi_lost_one(const struct vtdp_batch *failed)
{
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, failed->nr_rids, VTDP_BATCH_RIDS); i++)
		if (vtdp_device_stopped_rid(failed->unit, failed->rids[i]))
			return true;
	return false;
}

/*
 * What a batch was for, by other means. @unit_err: what came of the part that
 * is about the unit's own caches.
 */
static int qi_make_good(const struct vtdp_batch *failed, int unit_err)
{
	struct vtdp_unit *unit = failed->unit;
	unsigned int round;
	bool cut = false;
	int err;

	if (unit_err == -ETIMEDOUT)
		return qi_broken(unit, unit_err);
	/*
	 * Whether hardware sent answers that it has fetched is not known
	 * (6.5.2.11). A second one could hit another group of that index, so a
	 * device that got none has to be reset.
	 */
	if (failed->answers)
		return unit_err == -EBADMSG ? unit_err : 0;

	for (round = 1; round <= QI_ROUNDS; round++) {
		err = unit_err;
		if (err || failed->drain)
			err = qi_flush_unit(failed);
		unit_err = err;
		if (!err)
			err = qi_call_devices(failed, round == QI_ROUNDS, &cut);
		if (err != -EAGAIN)
			break;
	}
	if (err == -EIO)
		return err;
	if (unit_err)
		return qi_broken(unit, unit_err);
	return cut || qi_lost_one(failed) ? -ETIMEDOUT : 0;
}

/* ---- waiting ------------------------------------------------------------- */

/**
 * vtdp_qi_wait() - wait for a batch
 * @batch: submitted
 *
 * When it returns, whatever it returns, nothing that was to be invalidated is
 * used for DMA any more: caches are clean, or functions whose device TLB did
 * not answer were cut off, or all attached ones were and the unit is broken.
 *
 * Context: any but hard interrupts, no spinlock of ours held. Busy-waits, as
 * long as stands at QI_BOUND_NS.
 * Return: 0; -ETIMEDOUT when functions of the batch were cut off; -EIO when the
 * unit is broken; -EBADMSG when it refused a page group response.
 */
int vtdp_qi_wait(struct vtdp_batch *batch)
{
	struct qi_clock clock = {};
	int unit_err, devices_err;

	unit_err = vtdp_qi_poll(batch->unit, batch->iotlb_word, &clock);
	devices_err = vtdp_qi_poll(batch->unit, batch->devtlb_word, &clock);
	qi_release(batch);
	if (likely(!unit_err && !devices_err))
		return 0;
	return qi_make_good(batch, unit_err);
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
