// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page requests (VT-d spec, revision 5.10, 7.4 to 7.10): devices ask for pages
 * that are not there, and are answered once for each group.
 *
 * The reader empties a unit's queue and never waits for memory: it passes each
 * request to its binding, or answers "invalid". Each binding has a bounded ring
 * of requests and one work item that serves them in order (a group belongs to
 * one PASID), and each device a bound for all its rings: a device that floods,
 * or a process whose pages are slow to come, holds up nobody else.
 *
 * A request is answered by whoever is first: the server, or vtdp_prq_drain() in
 * its place. So a drain does not wait for the server, who may be waiting for a
 * page for as long as userspace likes. A server holds its struct vtdp_prq and
 * the module, nothing else.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "trace.h"
#include "vtdpasid.h"

#define PRQ_POLL_MS		5

/*
 * Half of the queue in VTDP_PACE_MS: 50,000 requests a second, more than the
 * memory management serves, and little to read.
 */
#define PRQ_PACE		1024
#define PRQ_SIZE		(PAGE_SIZE << VTDP_PRQ_ORDER)
#define PRQ_BYTES		32UL	/* of a request (7.4.1) */

/* Answers that go out with one doorbell. */
#define PRQ_ANSWERS		32

/*
 * Requests of a binding that are served before their answers go out, which is
 * also before one that has to be waited for.
 */
#define PRQ_BATCH	16

static_assert(PRQ_BATCH <= PRQ_ANSWERS);

/* Readers of events: page requests, and faults (vtd_fault.c). */
struct workqueue_struct *vtdp_event_wq;
static struct workqueue_struct *prq_servers;

/* struct vtdp_prq, with no lock held and no group failed. */
static struct kmem_cache *prq_cache;

/**
 * vtdp_pace() - when may a reader of events go on?
 * @pace: of the reader
 * @done: events that it has just read
 * @most: events in VTDP_PACE_MS
 *
 * A device that floods keeps a reader busy at a fraction of a CPU only: after
 * @most of them comes a rest. What comes meanwhile waits in hardware, or is lost
 * there and reported as such.
 *
 * Context: the reader's work item.
 * Return: jiffies to rest; 0: none.
 */
unsigned long vtdp_pace(struct vtdp_pace *pace, unsigned int done,
			unsigned int most)
{
	unsigned long end = pace->begin + msecs_to_jiffies(VTDP_PACE_MS);

	if (!pace->done || time_after_eq(jiffies, end)) {
		pace->begin = jiffies;
		pace->done = 0;
		end = pace->begin + msecs_to_jiffies(VTDP_PACE_MS);
	}
	pace->done += done;
	return pace->done < most ? 0 : end - jiffies;
}

/* ---- answers ------------------------------------------------------------- */

/**
 * struct prq_answers - answers that have not been sent
 * @unit: unit
 * @count: entries of @qw0 and @qw1
 * @qw0: descriptors' first qwords
 * @qw1: and second
 */
struct prq_answers {
	struct vtdp_unit *unit;
	unsigned int count;
	u64 qw0[PRQ_ANSWERS];
	u64 qw1[PRQ_ANSWERS];
};

static void answers_begin(struct prq_answers *answers, struct vtdp_unit *unit)
{
	answers->unit = unit;
	answers->count = 0;
}

/* Context: may wait, as vtdp_qi_wait(); no spinlock of ours held. */
static void answers_send(struct prq_answers *answers)
{
	struct vtdp_batch batch;
	unsigned int i;

	if (!answers->count)
		return;
	if (!vtdp_qi_start(answers->unit, &batch, answers->count)) {
		for (i = 0; i < answers->count; i++)
			vtdp_qi_response(&batch, answers->qw0[i], answers->qw1[i]);
		vtdp_qi_finish(&batch);
	}
	/* Behind the doorbell: see vtdp_prq_drain(). */
	atomic64_inc(&answers->unit->answered);
	answers->count = 0;
}

static bool answers_full(const struct prq_answers *answers)
{
	return answers->count == PRQ_ANSWERS;
}

/* 7.6.1: only the last request of a group is answered, for all of it. */
static void answer_add(struct prq_answers *answers, u16 rid,
		       const struct vtdp_request *request, unsigned int code)
{
	unsigned int i = answers->count;

	if (!request->last)
		return;
	trace_vtdp_page_response(answers->unit, rid, request, code);
	answers->count++;
	answers->qw0[i] = VTD_QI_PGRP_RESP |
			  (request->has_pasid ? VTD_QI_PGRP_PP : 0) |
			  FIELD_PREP(VTD_QI_PGRP_RC, code) |
			  FIELD_PREP(VTD_QI_PGRP_RID, rid) |
			  FIELD_PREP(VTD_QI_PASID, request->pasid);
	answers->qw1[i] = VTD_QI_PGRP1_LPIG |
			  FIELD_PREP(VTD_QI_PGRP1_PRGI, request->group);
}

/* ---- serving ------------------------------------------------------------- */

/* Shadow stacks are for writing, but not by ordinary stores. */
static bool prq_permitted(const struct vm_area_struct *vma,
			  const struct vtdp_request *request)
{
	return vma && request->addr >= vma->vm_start &&
	       vma->vm_flags & (request->write ? VM_WRITE : VM_READ) &&
	       !(request->write && vma->vm_flags & VM_SHADOW_STACK);
}

/* The end of a fault that had to be waited for, with mmap_lock dropped. */
static int prq_fault_again(struct mm_struct *mm, u64 addr, unsigned int flags)
{
	bool unlocked = false;
	int err;

	mmap_read_lock(mm);
	err = fixup_user_fault(mm, addr, flags, &unlocked);
	mmap_read_unlock(mm);
	return err;
}

/*
 * As the CPU would fault, but for stacks, which a device does not grow, and
 * with the answer "no" where the CPU would send a signal. What another thread or
 * a disk has to do first is waited for only if @wait, and with mmap_lock
 * dropped. Files may be read at once, whatever the flags say: they are waited
 * for, too.
 *
 * Return: 0; -EAGAIN without @wait; else an error: no such page.
 */
static int prq_fault(struct mm_struct *mm, const struct vtdp_request *request,
		     bool wait)
{
	unsigned int flags = FAULT_FLAG_REMOTE |
			     (request->write ? FAULT_FLAG_WRITE : 0);
	unsigned int how = FAULT_FLAG_ALLOW_RETRY |
			   (wait ? FAULT_FLAG_KILLABLE : FAULT_FLAG_RETRY_NOWAIT);
	struct vm_area_struct *vma;
	vm_fault_t fault;

	if (wait)
		mmap_read_lock(mm);
	else if (!mmap_read_trylock(mm))
		return -EAGAIN;
	vma = find_vma(mm, request->addr);
	if (!prq_permitted(vma, request))
		fault = VM_FAULT_SIGSEGV;
	else if (!wait && !vma_is_anonymous(vma))
		fault = VM_FAULT_RETRY;
	else
		fault = handle_mm_fault(vma, request->addr, flags | how, NULL);

	/* With these the lock was dropped, unless they say NOWAIT. */
	if (wait && fault & VM_FAULT_COMPLETED)
		return 0;
	if (wait && fault & VM_FAULT_RETRY)
		return prq_fault_again(mm, request->addr, flags);
	mmap_read_unlock(mm);
	if (fault & VM_FAULT_RETRY)
		return -EAGAIN;
	return fault & VM_FAULT_ERROR ? -EFAULT : 0;
}

/* The mm that requests are for, kept from ending; or NULL. */
static struct mm_struct *prq_mm_get(struct vtdp_prq *prq)
{
	struct mm_struct *mm = NULL;

	spin_lock(&prq->unit->devices_lock);
	if (prq->binding && mmget_not_zero(prq->binding->space->mm))
		mm = prq->binding->space->mm;
	spin_unlock(&prq->unit->devices_lock);
	return mm;
}

static void prq_event(struct vtdp_device *device,
		      const struct vtdp_request *request,
		      struct vtdp_binding *binding)
{
	struct vtdpasid_event event = {
		.type = VTDPASID_EVENT_PRQ_FAILED,
		.flags = (request->write ? VTDPASID_EVENT_WRITE : 0) |
			 (request->has_pasid ? VTDPASID_EVENT_PASID : 0),
		.addr = request->addr,
		.pasid = request->pasid,
	};

	atomic64_inc(&device->requests_failed);
	if (binding)
		atomic64_inc(&binding->requests_failed);
	vtdp_event_tell(device->unit, device, binding, &event);
}

/* Count, tell, and look after the root. Under devices_lock: still bound. */
static void prq_served(struct vtdp_prq *prq, const struct vtdp_request *request,
		       int err)
{
	struct vtdp_binding *binding = prq->binding;

	if (err) {
		__set_bit(request->group, prq->failed);
		prq_event(binding->device, request, binding);
		return;
	}
	atomic64_inc(&binding->requests);
	/* The fault may have filled a slot of the mm's top level. */
	vtdp_space_fault(binding->space, request->addr);
}

static unsigned int prq_group_code(struct vtdp_prq *prq, u16 group)
{
	return __test_and_clear_bit(group, prq->failed) ?
		VTD_PGRP_INVALID : VTD_PGRP_SUCCESS;
}

/* It was answered, or never will be: it counts no more. */
static void prq_mark_answered(struct vtdp_prq *prq, struct vtdp_request *request)
{
	struct vtdp_device *device = prq->binding->device;

	request->answered = true;
	WRITE_ONCE(device->pending, device->pending - 1);
}

/*
 * Take the oldest requests in hand, up to one that was answered already. They
 * stay in the ring until they are served. Return: how many; 0: there is nothing
 * to do any more.
 */
static unsigned int prq_take(struct vtdp_prq *prq, struct vtdp_request *requests)
{
	unsigned int count = 0;

	spin_lock(&prq->unit->devices_lock);
	while (count < PRQ_BATCH && prq->head + count != prq->tail) {
		const struct vtdp_request *r =
			&prq->ring[(prq->head + count) % VTDP_PRQ_RING];

		if (!r->answered)
			requests[count++] = *r;
		else if (!count)
			prq->head++;
		else
			break;
	}
	if (!count && prq->counted) {
		prq->counted = false;
		atomic_dec(&prq->share->servers);
	}
	spin_unlock(&prq->unit->devices_lock);
	return count;
}

/* Put answers down, but for those that somebody gave meanwhile. */
static void prq_put(struct vtdp_prq *prq, const struct vtdp_request *requests,
		    const int *errs, unsigned int count,
		    struct prq_answers *answers)
{
	unsigned int i;

	spin_lock(&prq->unit->devices_lock);
	for (i = 0; i < count; i++) {
		const struct vtdp_request *request = &requests[i];
		struct vtdp_request *in_hand =
			&prq->ring[prq->head++ % VTDP_PRQ_RING];

		if (in_hand->answered)
			continue;
		prq_mark_answered(prq, in_hand);
		prq_served(prq, request, errs[i]);
		if (request->last)
			answer_add(answers, prq->rid, request,
				   prq_group_code(prq, request->group));
	}
	spin_unlock(&prq->unit->devices_lock);
}

/**
 * vtdp_prq_share_alloc() - what the servers of one file count in
 *
 * A server that waits for a page stays when its binding has ended, so there may
 * be more of them than bindings; but the machine has only so many.
 *
 * Context: may sleep.
 * Return: with one reference, for vtdp_prq_share_put(); or NULL.
 */
struct vtdp_prq_share *vtdp_prq_share_alloc(void)
{
	struct vtdp_prq_share *share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);

	if (share)
		kref_init(&share->ref);
	return share;
}

static void prq_share_release(struct kref *ref)
{
	kfree(container_of(ref, struct vtdp_prq_share, ref));
}

void vtdp_prq_share_put(struct vtdp_prq_share *share)
{
	kref_put(&share->ref, prq_share_release);
}

static void prq_release(struct kref *ref)
{
	struct vtdp_prq *prq = container_of(ref, struct vtdp_prq, ref);

	vtdp_prq_share_put(prq->share);
	bitmap_zero(prq->failed, VTD_PRGIS);
	kmem_cache_free(prq_cache, prq);
}

/*
 * Serve requests, oldest first: one, and those behind it that need not be waited
 * for. Return: how many.
 */
static unsigned int prq_faults(struct vtdp_prq *prq,
			       const struct vtdp_request *requests, int *errs,
			       unsigned int count)
{
	struct mm_struct *mm = prq_mm_get(prq);
	unsigned int i;

	for (i = 0; i < count; i++) {
		errs[i] = mm && !requests[i].refused ?
			  prq_fault(mm, &requests[i], !i) : -EINVAL;
		if (i && errs[i] == -EAGAIN)
			break;
	}
	/* The last reference would tear the mm down right here. */
	if (mm)
		mmput_async(mm);
	return i;
}

static void prq_serve(struct work_struct *work)
{
	struct vtdp_prq *prq = container_of(work, struct vtdp_prq, work);
	struct prq_answers answers vtdp_uninitialized;
	struct vtdp_request requests[PRQ_BATCH] vtdp_uninitialized;
	int errs[PRQ_BATCH] vtdp_uninitialized;
	unsigned int count;

	answers_begin(&answers, prq->unit);
	while ((count = prq_take(prq, requests))) {
		count = prq_faults(prq, requests, errs, count);
		mutex_lock(&prq->answer_lock);
		prq_put(prq, requests, errs, count, &answers);
		answers_send(&answers);
		mutex_unlock(&prq->answer_lock);
	}
	kref_put(&prq->ref, prq_release);
	/* Unloading waits for this function to return: vtdp_prq_flush(). */
	module_put(THIS_MODULE);
}

/* ---- reading ------------------------------------------------------------- */

static struct vtdp_device *prq_device(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_device *device;

	lockdep_assert_held(&unit->devices_lock);
	list_for_each_entry(device, &unit->devices, node)
		if (device->rid == rid)
			return device->pri_on ? device : NULL;
	return NULL;
}

/* What may not be served at all (7.4.1) is marked as refused. */
static void prq_decode(u64 qw0, u64 qw1, struct vtdp_request *request)
{
	memset(request, 0, sizeof(*request));
	request->refused = true;
	request->has_pasid = qw0 & VTD_PRQ0_PP;
	if (request->has_pasid)
		request->pasid = FIELD_GET(VTD_PRQ0_PASID, qw0);
	request->group = FIELD_GET(VTD_PRQ1_PRGI, qw1);
	request->last = qw1 & VTD_PRQ1_LPIG;
	request->write = qw1 & VTD_PRQ1_WRR;
	request->addr = qw1 & VTD_PRQ1_ADDR;
	/* Devices act for the process: no supervisor, no execution. */
	if (FIELD_GET(VTD_PRQ0_TYPE, qw0) == VTD_PRQ_TYPE &&
	    !(qw0 & (VTD_PRQ0_PMR | VTD_PRQ0_EXR)) &&
	    request->addr >> PGDIR_SHIFT < VTDP_USER_SLOTS)
		request->refused = false;
}

/* What is in the ring of a group waits for no answer: its last one had it. */
static void prq_end_group(struct vtdp_prq *prq, u16 group)
{
	unsigned int i;

	for (i = prq->head; i != prq->tail; i++) {
		struct vtdp_request *r = &prq->ring[i % VTDP_PRQ_RING];

		if (r->group == group && !r->answered)
			prq_mark_answered(prq, r);
	}
	__clear_bit(group, prq->failed);
}

/* No room for a request: its group has failed. */
static void prq_overrun(struct vtdp_binding *binding,
			const struct vtdp_request *request)
{
	prq_event(binding->device, request, binding);
	if (request->last)
		prq_end_group(binding->prq, request->group);
	else
		__set_bit(request->group, binding->prq->failed);
}

/*
 * Pass a request to its binding; refused ones, too, so that groups stay in
 * order. Return: false if it must be answered at once, with "invalid".
 */
static bool prq_queue(struct vtdp_device *device, const struct vtdp_request *request)
{
	struct vtdp_binding *binding = vtdp_device_binding(device, request->pasid);
	struct vtdp_prq_share *share;
	struct vtdp_prq *prq;

	lockdep_assert_held(&device->unit->devices_lock);
	atomic64_inc(&device->requests);
	if (!binding) {
		prq_event(device, request, NULL);
		return false;
	}
	prq = binding->prq;
	share = prq->share;
	/* The device has its share, and the file has; others have theirs. */
	if (device->pending == VTDP_PRQ_PENDING ||
	    prq->tail - prq->head == VTDP_PRQ_RING ||
	    (!prq->counted && atomic_read(&share->servers) >= VTDP_PRQ_SERVERS)) {
		prq_overrun(binding, request);
		return false;
	}

	WRITE_ONCE(device->pending, device->pending + 1);
	prq->ring[prq->tail++ % VTDP_PRQ_RING] = *request;
	if (queue_work(prq_servers, &prq->work)) {
		/* The file that the device is attached in holds the module now. */
		__module_get(THIS_MODULE);
		kref_get(&prq->ref);
	}
	if (!prq->counted)
		atomic_inc(&share->servers);
	prq->counted = true;
	return true;
}

static void prq_one(struct vtdp_unit *unit, u64 qw0, u64 qw1,
		    struct prq_answers *answers)
{
	u16 rid = FIELD_GET(VTD_PRQ0_RID, qw0);
	struct vtdp_request request;
	struct vtdp_device *device;
	bool queued;

	/* 7.9: a stop marker; nobody waits for an answer to it */
	if ((qw1 & (VTD_PRQ1_RDR | VTD_PRQ1_WRR | VTD_PRQ1_LPIG)) == VTD_PRQ1_LPIG)
		return;

	prq_decode(qw0, qw1, &request);
	trace_vtdp_page_request(unit, rid, &request);
	spin_lock(&unit->devices_lock);
	WRITE_ONCE(unit->requests, unit->requests + 1);
	device = prq_device(unit, rid);
	queued = device && prq_queue(device, &request);
	spin_unlock(&unit->devices_lock);
	if (!queued)
		answer_add(answers, rid, &request, VTD_PGRP_INVALID);
}

/* A slot's offset in bytes. Return: false for all ones: nothing answers there. */
static bool prq_position(struct vtdp_unit *unit, unsigned int reg, u64 *offset)
{
	u64 value = vtdp_read64(unit, reg);

	*offset = value & (PRQ_SIZE - 1) & ~(PRQ_BYTES - 1);
	return value != U64_MAX;
}

/*
 * Empty the queue. PPR is cleared before the pointers are read, so that a
 * request which comes later raises a new event; overflow is cleared only when
 * the queue is empty (7.4, 11.4.11.4), for until then hardware takes nothing.
 * Return: how many requests there were.
 */
static unsigned int prq_read(struct vtdp_unit *unit)
{
	struct prq_answers answers vtdp_uninitialized;
	unsigned int count = 0;
	u64 head, tail;
	u32 prs;

	answers_begin(&answers, unit);
	mutex_lock(&unit->prq_lock);
	vtdp_write32(unit, VTD_PRS, VTD_PRS_PPR);
	if (!prq_position(unit, VTD_PQT, &tail) ||
	    !prq_position(unit, VTD_PQH, &head))
		goto unlock;
	while (head != tail) {
		const u64 *desc = unit->prq_ring + head / sizeof(u64);

		prq_one(unit, READ_ONCE(desc[0]), READ_ONCE(desc[1]), &answers);
		head = (head + PRQ_BYTES) & (PRQ_SIZE - 1);
		count++;
		if (answers_full(&answers))
			answers_send(&answers);
	}
	vtdp_write64(unit, VTD_PQH, head);
	answers_send(&answers);

	prs = vtdp_read32(unit, VTD_PRS);
	if (prs != U32_MAX && prs & VTD_PRS_PRO &&
	    prq_position(unit, VTD_PQT, &tail) && tail == head) {
		WRITE_ONCE(unit->overflows, unit->overflows + 1);
		vtdp_write32(unit, VTD_PRS, VTD_PRS_PRO);
		/* Until then the unit answered for us: see vtdp_prq_drain(). */
		atomic64_inc(&unit->answered);
		pr_warn_ratelimited("unit %u: page-request queue overflowed, requests were lost\n",
				    unit->index);
	}
unlock:
	mutex_unlock(&unit->prq_lock);
	return count;
}

static bool prq_pending(struct vtdp_unit *unit)
{
	u32 prs = vtdp_read32(unit, VTD_PRS);

	return prs != U32_MAX && prs & (VTD_PRS_PPR | VTD_PRS_PRO);
}

static void prq_work(struct work_struct *work)
{
	struct vtdp_unit *unit = container_of(to_delayed_work(work),
					      struct vtdp_unit, prq_work);
	unsigned long rest = vtdp_pace(&unit->prq_pace, prq_read(unit),
				       PRQ_PACE);

	if (!unit->prq_irq.virq)
		rest = max(rest, msecs_to_jiffies(PRQ_POLL_MS));
	else if (!rest && !prq_pending(unit))
		return;
	mod_delayed_work(vtdp_event_wq, &unit->prq_work, rest);
}

static irqreturn_t prq_interrupt(int irq, void *data)
{
	struct vtdp_unit *unit = data;

	/* If it rests, let it. */
	queue_delayed_work(vtdp_event_wq, &unit->prq_work, 0);
	return IRQ_HANDLED;
}

/* ---- draining ------------------------------------------------------------ */

/* Answer what a binding has in hand. */
static void prq_cancel(struct vtdp_prq *prq)
{
	struct prq_answers answers vtdp_uninitialized;
	unsigned int i;

	answers_begin(&answers, prq->unit);
	spin_lock(&prq->unit->devices_lock);
	for (i = prq->head; i != prq->tail; i++) {
		struct vtdp_request *r = &prq->ring[i % VTDP_PRQ_RING];

		if (r->answered)
			continue;
		prq_mark_answered(prq, r);
		answer_add(&answers, prq->rid, r, VTD_PGRP_INVALID);
		if (!answers_full(&answers))
			continue;
		spin_unlock(&prq->unit->devices_lock);
		answers_send(&answers);
		spin_lock(&prq->unit->devices_lock);
	}
	spin_unlock(&prq->unit->devices_lock);
	answers_send(&answers);

	/* The server's last answer is out, too, when it does not hold this. */
	mutex_lock(&prq->answer_lock);
	mutex_unlock(&prq->answer_lock);
}

/*
 * The steps of 7.10, in one batch; then the reader sees what they brought in.
 * The fence is that of step (a): it stands between the invalidations of step
 * (b), behind all answers that were sent before and ahead of the device-TLB
 * invalidation that pushes them to the device (7.8). The device's completion in
 * turn pushes its page requests (7.7), and the wait of step (c) has the unit
 * write them to the queue first.
 */
static int prq_push(struct vtdp_binding *binding)
{
	struct vtdp_device *device = binding->device;
	struct vtdp_batch batch;
	int err;

	err = vtdp_qi_start(device->unit, &batch, 2);
	if (!err) {
		vtdp_qi_piotlb(&batch, binding->did, binding->pasid, 0, 0, true);
		if (READ_ONCE(device->ats_on))
			vtdp_qi_devtlb(&batch, device, binding->pasid, 0, 0, true);
		vtdp_qi_drain(&batch);
		err = vtdp_qi_finish(&batch);
	}
	prq_read(device->unit);
	return err;
}

/*
 * Was a page request answered since @answered was read? By the unit itself only
 * with a fault record, which waits to be read, or was read and counted: under
 * fault_lock nothing is between these two. But it leaves none for entries with
 * FPD, as space_release() sets it.
 */
static bool prq_answered_since(struct vtdp_binding *binding, s64 answered)
{
	struct vtdp_unit *unit = binding->device->unit;
	bool since;

	if (READ_ONCE(binding->space->dead))
		return true;
	mutex_lock(&unit->fault_lock);
	since = vtdp_read32(unit, VTD_FSTS) & (VTD_FSTS_PPF | VTD_FSTS_PFO) ||
		atomic64_read(&unit->answered) != answered;
	mutex_unlock(&unit->fault_lock);
	return since;
}

/**
 * vtdp_prq_drain() - no request or answer of a binding is under way any more
 * @binding: its entry is gone and invalidated, and it is on no list any more
 * @pushed: by the batch that did that, with vtdp_qi_drain()
 * @answered: unit->answered before that batch
 *
 * First the requests that are on their way come into the queue, where the
 * reader refuses them; what was passed on is answered here. Then all these
 * answers, and those that the unit itself gave because of an overflow (7.10,
 * step d) or of the entry that is not there any more (7.4.1), are brought to the
 * device: unless there were none since. Ours are counted behind their doorbell,
 * so what was counted before the first batch was brought in by it.
 *
 * Context: may sleep, bounded; under vtdp_lock, which neither reader nor server
 * takes.
 * Return: 0; -ETIMEDOUT or -EIO as vtdp_qi_wait().
 */
int vtdp_prq_drain(struct vtdp_binding *binding, bool pushed, s64 answered)
{
	struct vtdp_unit *unit = binding->device->unit;
	int err = 0;

	if (!binding->prq)
		return 0;
	if (pushed) {
		prq_read(unit);
	} else {
		answered = atomic64_read(&unit->answered);
		err = prq_push(binding);
	}
	prq_cancel(binding->prq);
	if (!prq_answered_since(binding, answered))
		return err;
	return prq_push(binding) ?: err;
}

/**
 * vtdp_prq_drain_device() - no request of a function is under way any more
 * @device: without bindings; its page requests are off, its context entry is
 *	still there
 *
 * It may have asked for what nobody was bound for. Unread until the next attach
 * that would count as a request of the new one; and until it is answered the
 * function does not report that its page requests have stopped (PCIe 10.5.2).
 *
 * Context: as vtdp_prq_drain().
 * Return: 0; -ETIMEDOUT or -EIO as vtdp_qi_wait().
 */
int vtdp_prq_drain_device(struct vtdp_device *device)
{
	struct vtdp_unit *unit = device->unit;
	struct vtdp_batch batch;
	int err;

	if (!device->pri_on)
		return 0;
	/* What it sent was pushed by the accesses that switched it off. */
	err = vtdp_qi_start(unit, &batch, 0);
	if (!err) {
		vtdp_qi_drain(&batch);
		err = vtdp_qi_finish(&batch);
	}
	prq_read(unit);
	return err;
}

static void prq_construct(void *object)
{
	struct vtdp_prq *prq = object;

	mutex_init(&prq->answer_lock);
	bitmap_zero(prq->failed, VTD_PRGIS);
}

/**
 * vtdp_prq_bind() - have room for a binding's page requests
 * @binding: not linked yet
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_prq_bind(struct vtdp_binding *binding)
{
	struct vtdp_prq *prq;

	if (!binding->device->pri_on)
		return 0;
	prq = kmem_cache_alloc(prq_cache, GFP_KERNEL_ACCOUNT);
	if (!prq)
		return -ENOMEM;
	kref_init(&prq->ref);
	INIT_WORK(&prq->work, prq_serve);
	prq->counted = false;
	prq->head = 0;
	prq->tail = 0;
	prq->unit = binding->device->unit;
	prq->rid = binding->device->rid;
	prq->binding = binding;
	prq->share = binding->device->client->prq_share;
	kref_get(&prq->share->ref);
	binding->prq = prq;
	return 0;
}

/* Undo it, after vtdp_prq_drain() if it was linked. */
void vtdp_prq_unbind(struct vtdp_binding *binding)
{
	struct vtdp_prq *prq = binding->prq;

	if (!prq)
		return;
	spin_lock(&prq->unit->devices_lock);
	prq->binding = NULL;
	spin_unlock(&prq->unit->devices_lock);
	kref_put(&prq->ref, prq_release);
}

/* ---- a unit's queue ------------------------------------------------------ */

void vtdp_prq_unit_init(struct vtdp_unit *unit)
{
	mutex_init(&unit->prq_lock);
	INIT_DELAYED_WORK(&unit->prq_work, prq_work);
}

/* Tell hardware where the queue is, empty. */
void vtdp_prq_program(struct vtdp_unit *unit)
{
	if (!unit->prq_ring)
		return;
	vtdp_write64(unit, VTD_PQH, 0);
	vtdp_write64(unit, VTD_PQT, 0);
	vtdp_write64(unit, VTD_PQA, virt_to_phys(unit->prq_ring) | VTDP_PRQ_ORDER);
	vtdp_write32(unit, VTD_PRS, VTD_PRS_PPR | VTD_PRS_PRO);
}

/**
 * vtdp_prq_start() - switch a unit's page-request queue on
 * @unit: unit that is being taken over
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_prq_start(struct vtdp_unit *unit)
{
	const u64 need = VTD_ECAP_PRS | VTD_ECAP_PDS | VTD_ECAP_DT;

	/* Without these, no function is attached with page requests: check.c. */
	if ((unit->ecap & need) != need)
		return 0;
	unit->prq_ring = vtdp_page_alloc(unit, VTDP_PRQ_ORDER);
	if (!unit->prq_ring)
		return -ENOMEM;
	unit->requests = 0;
	unit->overflows = 0;
	vtdp_prq_program(unit);
	if (vtdp_irq_start(&unit->prq_irq, unit, VTD_PECTL, prq_interrupt,
			   "vtdpasid-prq"))
		pr_warn("unit %u: no interrupt for page requests: they are polled for, every %u ms\n",
			unit->index, PRQ_POLL_MS);
	mod_delayed_work(vtdp_event_wq, &unit->prq_work, 0);
	return 0;
}

/* No device has page requests on any more. Context: may sleep. */
void vtdp_prq_stop(struct vtdp_unit *unit)
{
	if (!unit->prq_ring)
		return;
	vtdp_irq_stop(&unit->prq_irq);
	cancel_delayed_work_sync(&unit->prq_work);
	vtdp_write64(unit, VTD_PQH, 0);
	vtdp_write64(unit, VTD_PQT, 0);
	vtdp_write64(unit, VTD_PQA, 0);
}

/* Free the queue, when translation is off for certain. */
void vtdp_prq_free(struct vtdp_unit *unit)
{
	vtdp_page_free(unit->prq_ring, VTDP_PRQ_ORDER);
	unit->prq_ring = NULL;
}

int vtdp_prq_init(void)
{
	prq_cache = kmem_cache_create("vtdpasid-prq", sizeof(struct vtdp_prq), 0,
				      SLAB_ACCOUNT, prq_construct);
	if (!prq_cache)
		return -ENOMEM;
	vtdp_event_wq = alloc_workqueue("vtdpasid-event", WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!vtdp_event_wq)
		goto cache;
	/* VTDP_PRQ_SERVERS bounds those of one file. */
	prq_servers = alloc_workqueue("vtdpasid-fault", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (prq_servers)
		return 0;
	destroy_workqueue(vtdp_event_wq);
cache:
	kmem_cache_destroy(prq_cache);
	return -ENOMEM;
}

/* Wait for faults that are being served; no function is attached any more. */
void vtdp_prq_flush(void)
{
	flush_workqueue(prq_servers);
}

void vtdp_prq_exit(void)
{
	destroy_workqueue(prq_servers);
	destroy_workqueue(vtdp_event_wq);
	kmem_cache_destroy(prq_cache);
}
