// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queued invalidation (VT-d spec 6.5.2), with 256-bit descriptors. Sections are
 * those of revision 5.10.
 *
 * Descriptors travel in batches: vtdp_qi_begin() takes the queue's lock and
 * finds room, the vtdp_qi_*() encoders fill descriptors in, vtdp_qi_submit()
 * adds the wait descriptors, rings the doorbell once and drops the lock, and
 * vtdp_qi_wait() waits, with no lock held.
 *
 * Order inside a batch: hardware completes context-cache and PASID-cache
 * invalidations before the IOTLB invalidations behind them, and a wait after all
 * that stands between it and the wait before (6.5.2.12). Device TLBs have a wait
 * of their own, so that a device which does not answer costs itself only. The
 * wait before them is a fence: a device-TLB invalidation without PASID is not
 * ordered behind a PASID-based IOTLB invalidation, and the device would refill
 * from what is still there.
 *
 * A slot of the ring is free as soon as hardware has fetched it (6.5.2: the ring
 * is full when the tail is one behind the head register), so no device can fill
 * the ring by not answering. A status word is free when hardware has written it,
 * or will never do so.
 *
 * vtdp_qi_wait(), which makes good for what hardware did not carry out, is in
 * vtd_qi_recover.c. Nothing here calls it.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/ktime.h>

#include "trace.h"
#include "vtd_qi.h"

#define QI_QWORDS		4	/* of a 256-bit descriptor */
#define QI_DONE			1
#define QI_NOBODYS_WORD		0

/*
 * A large page may be reported as one small page of it (a hugetlb or THP
 * mapping that is split), but the IOTLB holds it as a large one, which only an
 * invalidation of at least its size removes (6.5.2.4).
 */
#define QI_PIOTLB_MIN_MASK	9

static_assert(!(VTDP_QI_SLOTS & (VTDP_QI_SLOTS - 1)));
static_assert(VTDP_QI_WORDS * sizeof(u32) <= PAGE_SIZE);

static bool qi_expired(struct qi_clock *clock)
{
	if (!clock->polls++)
		clock->deadline = ktime_get_mono_fast_ns() + QI_TIMEOUT_NS;
	return clock->polls > QI_TIMEOUT_POLLS &&
	       ktime_get_mono_fast_ns() > clock->deadline;
}

static u64 *qi_desc(struct vtdp_qi *qi, u32 position)
{
	return qi->ring + position % VTDP_QI_SLOTS * QI_QWORDS;
}

static void qi_fill(u64 *desc, u64 qw0, u64 qw1)
{
	desc[0] = qw0;
	desc[1] = qw1;
	desc[2] = 0;
	desc[3] = 0;
}

/* ---- status words -------------------------------------------------------- */

static unsigned int qi_word_get(struct vtdp_qi *qi)
{
	lockdep_assert_held(&qi->lock);
	return qi->free[--qi->nr_free];
}

static void qi_word_put(struct vtdp_qi *qi, unsigned int word)
{
	lockdep_assert_held(&qi->lock);
	qi->word[word].state = VTDP_WORD_FREE;
	qi->free[qi->nr_free++] = word;
}

static bool qi_word_done(const struct vtdp_qi *qi, unsigned int word)
{
	return READ_ONCE(qi->status[word]) == QI_DONE;
}

/**
 * vtdp_qi_word_release() - give a status word back
 * @qi: its queue
 * @word: from vtdp_qi_add_wait(); negative: there is none
 *
 * Its submitter is through with it; if hardware is not, it stays away.
 *
 * Context: under qi->lock.
 */
void vtdp_qi_word_release(struct vtdp_qi *qi, int word)
{
	lockdep_assert_held(&qi->lock);
	if (word < 0)
		return;
	if (qi_word_done(qi, word) ||
	    qi->word[word].state == VTDP_WORD_DROPPED) {
		qi_word_put(qi, word);
	} else {
		qi->word[word].state = VTDP_WORD_ABANDONED;
		qi->nr_abandoned++;
	}
}

/* Hardware has come to abandoned waits after all. */
static void qi_reclaim(struct vtdp_qi *qi)
{
	unsigned int i;

	lockdep_assert_held(&qi->lock);
	if (!qi->nr_abandoned)
		return;
	for (i = 0; i < VTDP_QI_WORDS; i++)
		if (qi->word[i].state == VTDP_WORD_ABANDONED &&
		    qi_word_done(qi, i)) {
			qi->nr_abandoned--;
			qi_word_put(qi, i);
		}
}

/* ---- submitting ---------------------------------------------------------- */

/* 6.5.2: what is before the head register was fetched. */
static void qi_look_at_head(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	u64 head = vtdp_read64(unit, VTD_IQH);

	lockdep_assert_held(&qi->lock);
	/* All ones: nothing answers there. */
	if (head != U64_MAX)
		qi->head = qi->tail - (qi->tail - (u32)(head >> VTD_IQT_SHIFT)) %
			   VTDP_QI_SLOTS;
}

/* One slot stays free, or a full ring would look empty. */
static unsigned int qi_room(const struct vtdp_qi *qi)
{
	return VTDP_QI_SLOTS - 1 - (qi->tail - qi->head);
}

/* Room for that many descriptors, the waits of a batch, and their words? */
static bool qi_has_room(struct vtdp_unit *unit, unsigned int count)
{
	struct vtdp_qi *qi = &unit->qi;

	if (qi_room(qi) < count + 2)
		qi_look_at_head(unit);
	return qi_room(qi) >= count + 2 && qi->nr_free >= QI_CALLS + 2;
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
	if (!qi_has_room(unit, count)) {
		spin_unlock(&qi->lock);
		return -EAGAIN;
	}

	batch->unit = unit;
	batch->first = qi->tail;
	batch->part = qi->tail;
	batch->next = qi->tail;
	batch->room = count;
	batch->iotlb_word = -1;
	batch->devtlb_word = -1;
	batch->answers = false;
	batch->drain = false;
	batch->without_pasid = false;
	batch->pasid = 0;
	batch->nr_rids = 0;
	/* For sparse only: vtdp_qi_submit() drops the lock. */
	__release(&qi->lock);
	return 0;
}

static void qi_put(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	struct vtdp_qi *qi = &batch->unit->qi;

	lockdep_assert_held(&qi->lock);
	qi_fill(qi_desc(qi, batch->next), qw0, qw1);
	batch->next++;
}

static void qi_add(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	if (WARN_ON_ONCE(!batch->room))
		return;
	batch->room--;
	qi_put(batch, qw0, qw1);
}

static u64 qi_wait_qw0(u64 flags)
{
	return VTD_QI_WAIT | VTD_QI_WAIT_SW | flags |
	       FIELD_PREP(VTD_QI_WAIT_DATA, QI_DONE);
}

/**
 * vtdp_qi_add_wait() - a wait for what no wait covers yet
 * @batch: from vtdp_qi_begin(), which has seen to it that there are words
 * @flags: VTD_QI_WAIT_FN, VTD_QI_WAIT_PD, or 0
 *
 * Context: under qi->lock.
 * Return: its status word, for vtdp_qi_poll() and vtdp_qi_word_release().
 */
int vtdp_qi_add_wait(struct vtdp_batch *batch, u64 flags)
{
	struct vtdp_qi *qi = &batch->unit->qi;
	unsigned int word;

	lockdep_assert_held(&qi->lock);
	word = qi_word_get(qi);
	qi->word[word].from = batch->part;
	qi->word[word].at = batch->next;
	qi->word[word].state = VTDP_WORD_BUSY;
	WRITE_ONCE(qi->status[word], 0);
	qi_put(batch, qi_wait_qw0(flags), virt_to_phys(&qi->status[word]));
	batch->part = batch->next;
	return word;
}

/* The wait of the unit's own caches, and the fence before device TLBs. */
static void qi_close_iotlb_part(struct vtdp_batch *batch)
{
	if (!batch->nr_rids && batch->next != batch->part)
		batch->iotlb_word = vtdp_qi_add_wait(batch, VTD_QI_WAIT_FN);
}

static void qi_ring_doorbell(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;

	qi->doorbells++;
	/* writeq() orders the descriptors before the doorbell. */
	vtdp_write64(unit, VTD_IQT,
		     (u64)(qi->tail % VTDP_QI_SLOTS) << VTD_IQT_SHIFT);
}

/* The types of a batch's descriptors, a bit each, for the trace. */
static u32 qi_kinds(const struct vtdp_batch *batch)
{
	u32 position, kinds = 0;

	for (position = batch->first; position != batch->next; position++)
		kinds |= BIT(FIELD_GET(VTD_QI_TYPE,
				       *qi_desc(&batch->unit->qi, position)));
	return kinds;
}

/**
 * vtdp_qi_submit() - hand a batch to hardware
 * @batch: from vtdp_qi_begin(), with at least one descriptor, or a drain
 *
 * Context: drops qi->lock. vtdp_qi_wait() must follow.
 */
void vtdp_qi_submit(struct vtdp_batch *batch)
{
	struct vtdp_qi *qi = &batch->unit->qi;

	/* For sparse only: vtdp_qi_begin() took the lock. */
	__acquire(&qi->lock);
	if (batch->next != batch->part || batch->drain) {
		int word = vtdp_qi_add_wait(batch, batch->drain ? VTD_QI_WAIT_PD : 0);

		if (batch->nr_rids)
			batch->devtlb_word = word;
		else
			batch->iotlb_word = word;
	}
	qi->descriptors += batch->next - batch->first;
	qi->tail = batch->next;
	if (trace_vtdp_invalidate_enabled())
		trace_vtdp_invalidate(batch->unit, batch->next - batch->first,
				      qi_kinds(batch));
	qi_ring_doorbell(batch->unit);
	spin_unlock(&qi->lock);
}

/* ---- descriptors --------------------------------------------------------- */

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

/* All that a unit caches, in the order of 6.5.2.1; three descriptors. */
void vtdp_qi_everything(struct vtdp_batch *batch)
{
	vtdp_qi_context_global(batch);
	vtdp_qi_pasid_cache(batch, VTD_QI_PC_GLOBAL, 0, 0);
	vtdp_qi_iotlb(batch, VTD_QI_IOTLB_GLOBAL, 0);
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

/* What of the addresses a device is to forget, in either form of descriptor. */
static u64 qi_devtlb_range(u64 first, u64 last, bool all, bool *sized)
{
	unsigned int mask = qi_block_mask(first, last);

	/* The whole space: bit 63 is the least significant zero. */
	all |= mask >= 63 - PAGE_SHIFT;
	*sized = all || mask;
	return all ? GENMASK_ULL(62, PAGE_SHIFT) : qi_devtlb_addr(first, mask);
}

/**
 * vtdp_qi_put_devtlb() - a device-TLB invalidation of encoded addresses
 * @batch: from vtdp_qi_begin(); its room counts
 * @device: whose device TLB
 * @pasid: for requests with this PASID; 0: for those without one
 * @addr: address field of the descriptor, as in struct vtdp_batch
 * @sized: @addr tells a size, else it is one page
 *
 * Context: under qi->lock.
 */
void vtdp_qi_put_devtlb(struct vtdp_batch *batch, const struct vtdp_device *device,
			u32 pasid, u64 addr, bool sized)
{
	u64 pfsid = FIELD_PREP(VTD_QI_PFSID_LO, device->pfsid & 0xf) |
		    FIELD_PREP(VTD_QI_PFSID_HI, device->pfsid >> 4);

	lockdep_assert_held(&batch->unit->qi.lock);
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

/*
 * 6.5.2.5, 6.5.2.6: what a device holds of the addresses from @first to @last,
 * or @all, for requests with @pasid, or without one when it is 0. Within one
 * batch the addresses are the same, and so is @pasid unless it is 0. What is
 * to be invalidated in the unit comes before.
 */
void vtdp_qi_devtlb(struct vtdp_batch *batch, const struct vtdp_device *device,
		    u32 pasid, u64 first, u64 last, bool all)
{
	if (!batch->nr_rids) {
		qi_close_iotlb_part(batch);
		batch->addr = qi_devtlb_range(first, last, all, &batch->sized);
	}
	vtdp_qi_put_devtlb(batch, device, pasid, batch->addr, batch->sized);

	if (pasid)
		batch->pasid = pasid;
	else
		batch->without_pasid = true;
	if (batch->nr_rids < VTDP_BATCH_RIDS)
		batch->rids[batch->nr_rids] = device->rid;
	batch->nr_rids++;
}

/* 7.6.1: a page group response, encoded; in a batch of such */
void vtdp_qi_response(struct vtdp_batch *batch, u64 qw0, u64 qw1)
{
	batch->answers = true;
	qi_add(batch, qw0, qw1);
}

/*
 * 6.5.2.9, PD: the last wait of the batch lets the unit bring all page requests
 * that it has received into their queue first.
 */
void vtdp_qi_drain(struct vtdp_batch *batch)
{
	batch->drain = true;
}

/* ---- errors of the queue ------------------------------------------------- */

/* The word of the wait that covers a descriptor: of the next one, or NOBODYS. */
static unsigned int qi_covering_word(struct vtdp_qi *qi, u32 position)
{
	for (; position != qi->tail; position++) {
		const u64 *desc = qi_desc(qi, position);

		if (FIELD_GET(VTD_QI_TYPE, desc[0]) == VTD_QI_WAIT)
			return (desc[1] - virt_to_phys(qi->status)) /
			       sizeof(*qi->status);
	}
	return QI_NOBODYS_WORD;
}

/*
 * Hardware stopped at a descriptor that it does not accept (6.5.2.11, IQE), and
 * looks at it again. Put a wait in its place and go on: what the next wait
 * covers has failed, and nothing else.
 */
static void qi_queue_error(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	unsigned int word;
	u64 *desc;

	lockdep_assert_held(&qi->lock);
	qi_look_at_head(unit);
	desc = qi_desc(qi, qi->head);
	word = qi_covering_word(qi, qi->head);
	pr_err_ratelimited("unit %u refused descriptor %016llx %016llx\n",
			   unit->index, desc[0], desc[1]);
	if (qi->head != qi->tail) {
		if (qi->word[word].state == VTDP_WORD_BUSY)
			WRITE_ONCE(qi->word[word].state, VTDP_WORD_REFUSED);
		if (FIELD_GET(VTD_QI_TYPE, desc[0]) != VTD_QI_WAIT)
			word = QI_NOBODYS_WORD;
		qi_fill(desc, qi_wait_qw0(0), virt_to_phys(&qi->status[word]));
	}
	vtdp_write32(unit, VTD_FSTS, VTD_FSTS_IQE);
	qi_ring_doorbell(unit);
}

/* Is that position before the head register, as last looked at? */
static bool qi_fetched(const struct vtdp_qi *qi, u32 position)
{
	return (s32)(position - qi->head) < 0;
}

static void qi_word_drop(struct vtdp_qi *qi, unsigned int i)
{
	struct vtdp_word *word = &qi->word[i];
	bool abandoned = word->state == VTDP_WORD_ABANDONED;

	if (qi_fetched(qi, word->at) && abandoned) {
		qi->nr_abandoned--;
		qi_word_put(qi, i);
	} else if (qi_fetched(qi, word->at)) {
		WRITE_ONCE(word->state, VTDP_WORD_DROPPED);
	} else if (qi_fetched(qi, word->from) && !abandoned) {
		WRITE_ONCE(word->state, VTDP_WORD_SUSPECT);
	}
}

/*
 * A device did not answer a device-TLB invalidation (6.5.2.11, ITE). Hardware
 * drops the waits that it has fetched and not completed; and of what else it
 * has fetched it promises nothing. What it has not fetched, it will.
 */
static void qi_timeout_error(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;
	unsigned int i;

	lockdep_assert_held(&qi->lock);
	/* 6.5.2.10: brings in the status writes that are under way. */
	vtdp_read32(unit, VTD_ICS);
	qi_look_at_head(unit);
	for (i = 0; i < VTDP_QI_WORDS; i++)
		if (qi->word[i].state != VTDP_WORD_FREE && !qi_word_done(qi, i))
			qi_word_drop(qi, i);
	vtdp_write32(unit, VTD_FSTS, VTD_FSTS_ITE);
}

/**
 * vtdp_qi_service() - look after errors of the queue
 * @unit: unit
 *
 * Waiters do so; but an error may come when nobody waits any more, and no fault
 * event is sent while it stands (7.3).
 *
 * Context: any but hard interrupts, no lock of ours from devices_lock down held.
 */
void vtdp_qi_service(struct vtdp_unit *unit)
{
	const u32 errors = VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE;
	u32 before = vtdp_read32(unit, VTD_FSTS), fsts;
	u16 rid;

	/* All ones: nothing answers there. */
	if (!(before & errors) || before == U32_MAX)
		return;

	/* 11.4.9.9: zero where the unit does not report it */
	rid = FIELD_GET(VTD_IQERCD_ITESID, vtdp_read64(unit, VTD_IQERCD));
	if (before & VTD_FSTS_ITE && rid)
		vtdp_device_stop_rid(unit, rid);

	spin_lock(&unit->qi.lock);
	fsts = unit->qi.lent ? vtdp_read32(unit, VTD_FSTS) & before : 0;
	/* An answer to nothing: hardware goes on as if it had not come. */
	if (fsts & VTD_FSTS_ICE)
		vtdp_write32(unit, VTD_FSTS, VTD_FSTS_ICE);
	if (fsts & VTD_FSTS_ITE)
		qi_timeout_error(unit);
	if (fsts & VTD_FSTS_IQE)
		qi_queue_error(unit);
	spin_unlock(&unit->qi.lock);
}

/* ---- waiting ------------------------------------------------------------- */

/**
 * vtdp_qi_poll() - wait until hardware has written a status word
 * @unit: whose queue
 * @word: from vtdp_qi_add_wait(); negative: there is none to wait for
 * @clock: all zero before the first of the words that share it
 *
 * Looks after errors of the queue meanwhile.
 *
 * Context: any but hard interrupts, no spinlock of ours held. Busy-waits, for
 * the words that share @clock QI_TIMEOUT_NS in all.
 * Return: 0; -EAGAIN when hardware did not carry it out, -EBADMSG when it
 * refused to; -ETIMEDOUT.
 */
int vtdp_qi_poll(struct vtdp_unit *unit, int word, struct qi_clock *clock)
{
	struct vtdp_qi *qi = &unit->qi;
	enum vtdp_word_state state;
	bool done;

	if (word < 0)
		return 0;
	for (;;) {
		done = qi_word_done(qi, word);
		smp_rmb(); /* Errors are noted before hardware goes on to the wait. */
		state = READ_ONCE(qi->word[word].state);
		if (state != VTDP_WORD_BUSY)
			return state == VTDP_WORD_REFUSED ? -EBADMSG : -EAGAIN;
		if (done)
			return 0;
		if (clock->polls % 64 == 32)
			vtdp_qi_service(unit);
		if (qi_expired(clock))
			return -ETIMEDOUT;
		cpu_relax();
	}
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
	struct vtdp_qi *qi = &unit->qi;
	struct qi_clock clock = {};
	bool room;

	do {
		spin_lock(&qi->lock);
		qi_reclaim(qi);
		room = qi_has_room(unit, count);
		spin_unlock(&qi->lock);
		if (room)
			return 0;
		if (READ_ONCE(unit->state) == VTDPASID_UNIT_BROKEN)
			return -EIO;
		vtdp_qi_service(unit);
		cpu_relax();
	} while (!qi_expired(&clock));
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

/* ---- on and off ---------------------------------------------------------- */

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
	/* It did not go off when it should: hardware has pointers of its own. */
	if (qi->lent)
		return -ETIMEDOUT;
	qi->head = 0;
	qi->tail = 0;
	/* 6.5.2: tail and address first, then the enable bit; head is 0 */
	vtdp_write64(unit, VTD_IQT, 0);
	vtdp_write64(unit, VTD_IQA, virt_to_phys(qi->ring) | VTD_IQA_DW |
		     FIELD_PREP(VTD_IQA_QS, VTDP_QI_ORDER));
	/* Until it is seen to go off: a command that is late may still come. */
	qi->lent = true;
	err = vtdp_unit_command(unit, VTD_GCMD_QIE, true);
	if (!err)
		qi->on = true;
	return err;
}

/* Words that are in use; without @all, but for the abandoned ones. */
static unsigned int qi_words_used(struct vtdp_qi *qi, bool all)
{
	unsigned int used;

	spin_lock(&qi->lock);
	qi_reclaim(qi);
	used = VTDP_QI_WORDS - 1 - qi->nr_free;
	if (!all)
		used -= qi->nr_abandoned;
	spin_unlock(&qi->lock);
	return used;
}

/* Does nobody wait for a batch? May be out of date at once. Any context. */
bool vtdp_qi_idle(struct vtdp_unit *unit)
{
	return !qi_words_used(&unit->qi, false);
}

/* Wait until all words but the abandoned ones are free; with @all, these, too. */
static int qi_wait_idle(struct vtdp_unit *unit, bool all, u64 timeout)
{
	u64 deadline = ktime_get_mono_fast_ns() + timeout;
	unsigned int polls;

	for (polls = 0;; polls++) {
		if (!qi_words_used(&unit->qi, all))
			return 0;
		if (polls > QI_TIMEOUT_POLLS &&
		    ktime_get_mono_fast_ns() > deadline)
			return -ETIMEDOUT;
		vtdp_qi_service(unit);
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
	spin_unlock(&qi->lock);
	/* Who has submitted before still looks at the status words. */
	if (qi_wait_idle(unit, false, QI_BOUND_NS))
		return -ETIMEDOUT;
	/*
	 * Each batch ends with a wait, as 6.5.2 wants the last one to be. But a
	 * device that does not answer may take another minute not to.
	 */
	qi_wait_idle(unit, true, QI_TIMEOUT_NS);
	err = vtdp_unit_command(unit, VTD_GCMD_QIE, false);
	if (err)
		return err;
	qi->lent = false;
	vtdp_write64(unit, VTD_IQT, 0);
	return 0;
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
	unsigned int i;

	qi->doorbells = 0;
	qi->descriptors = 0;
	qi->lent = false;
	qi->nr_abandoned = 0;
	qi->nr_free = 0;
	memset(qi->word, 0, sizeof(qi->word));
	for (i = VTDP_QI_WORDS - 1; i > QI_NOBODYS_WORD; i--)
		qi->free[qi->nr_free++] = i;
	qi->ring = vtdp_page_alloc(unit, VTDP_QI_ORDER);
	qi->status = vtdp_page_alloc(unit, 0);
	if (qi->ring && qi->status)
		return 0;
	vtdp_qi_exit(unit);
	return -ENOMEM;
}

/**
 * vtdp_qi_exit() - free a unit's queue
 * @unit: unit whose queue is off, or does not follow the command
 *
 * What hardware may still read or write stays in memory.
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_qi_exit(struct vtdp_unit *unit)
{
	struct vtdp_qi *qi = &unit->qi;

	if (qi->lent)
		pr_err("unit %u may still read its invalidation queue: %lu KiB stay in memory until reboot\n",
		       unit->index, (PAGE_SIZE << VTDP_QI_ORDER) / 1024);
	else
		vtdp_page_free(qi->ring, VTDP_QI_ORDER);
	if (qi->lent || qi->nr_abandoned)
		pr_err("unit %u may still report %u invalidations: a page stays in memory until reboot\n",
		       unit->index, qi->nr_abandoned);
	else
		vtdp_page_free(qi->status, 0);
	qi->ring = NULL;
	qi->status = NULL;
}
