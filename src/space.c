// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces, and the private root through which devices see them.
 *
 * Devices never walk the mm's own top-level page: its upper half is the
 * kernel's, and nobody tells us when kernel page tables go. They walk a page of
 * ours that has the entries of the user half only. Below, hardware reads the
 * process's page tables, so the mmu notifier's TLB callback is what keeps it
 * from reading stale ones. Why that suffices:
 *
 * - Page-table pages are freed only after the callback came for their range:
 *   the kernel clears the upper entry, widens the range to what the freed
 *   table covered, calls, frees. (exit_mmap() calls release() first.)
 * - The callback copies the slots of its range under space->lock before it
 *   invalidates, so a slot that was cleared before the call is cleared here
 *   before the call returns.
 * - A binding is on space->bindings from before its entry becomes present
 *   until after it was invalidated, so no callback misses it.
 * - The notifier is registered before the first copy. An entry that the
 *   kernel fills later only makes a device fault until the slot is copied: at
 *   a bind, a fault, SYNC, or a callback that covers it.
 * - IH is always 0, and the invalidation is sent although no slot changed: a
 *   slot may go from old to new within one window.
 *
 * The callback runs under page-table locks: see the lock order in vtdpasid.h.
 */
#include <linux/hashtable.h>
#include <linux/hugetlb.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "vtdpasid.h"

/* Units that one round of a flush submits to before it waits for them. */
#define FLUSH_UNITS	8

static DEFINE_HASHTABLE(spaces, 10);	/* by mm, under vtdp_lock */
static atomic_t nr_spaces;		/* not freed yet, put or not */

/* ---- the private root ---------------------------------------------------- */

static unsigned int root_slot(u64 addr)
{
	return (addr >> PGDIR_SHIFT) % VTDP_ROOT_SLOTS;
}

static void root_write(struct vtdp_space *space, unsigned int slot, u64 value)
{
	lockdep_assert_held(&space->lock);
	WRITE_ONCE(space->root[slot], value);
	if (value)
		__set_bit(slot, space->used);
	if (space->noncoherent)
		clflush_cache_range(&space->root[slot], sizeof(u64));
}

/* Copy one slot. Accessed is set beforehand, so that hardware need not write. */
static void root_sync_slot(struct vtdp_space *space, unsigned int slot)
{
	u64 value = pgd_val(READ_ONCE(space->mm->pgd[slot]));

	if (!(value & VTD_FS_P))
		value = 0;
	else
		value |= VTD_FS_A;
	if (space->root[slot] != value)
		root_write(space, slot, value);
}

static void root_clear_all(struct vtdp_space *space)
{
	unsigned int slot;

	for_each_set_bit(slot, space->used, VTDP_USER_SLOTS)
		root_write(space, slot, 0);
}

/* Of eight slots. What is not there is zero, with paravirtualization, too. */
static bool root_run_empty(const u64 *pgd)
{
	/* What changes meanwhile is read again, or makes a device fault. */
	return !data_race(pgd[0] | pgd[1] | pgd[2] | pgd[3] |
		 pgd[4] | pgd[5] | pgd[6] | pgd[7]);
}

/*
 * Copy what the mm has now, at a bind. Hardly any slot is in use, so go by runs
 * of eight; what is filled meanwhile makes a device fault, as it does later.
 */
static void root_sync_all(struct vtdp_space *space)
{
	const u64 *pgd = (const u64 *)space->mm->pgd;
	unsigned int run, slot;

	lockdep_assert_held(&space->lock);
	for_each_set_bit(slot, space->used, VTDP_USER_SLOTS)
		root_sync_slot(space, slot);
	for (run = 0; run < VTDP_USER_SLOTS; run += 8)
		if (!root_run_empty(pgd + run))
			for (slot = run; slot < run + 8; slot++)
				if (pgd[slot] && !test_bit(slot, space->used))
					root_sync_slot(space, slot);
}

/*
 * Copy the slots of a range. Unless @grow, only those that were ever in use need
 * a look. The kernel calls for all of the address space now and then.
 *
 * Return: can hardware hold anything of the range? Where no slot was ever in
 * use it can not: its walks ended here.
 */
static bool root_sync(struct vtdp_space *space, u64 first, u64 last, bool grow)
{
	unsigned int slot = root_slot(first);
	unsigned int end = min_t(u64, last >> PGDIR_SHIFT, VTDP_USER_SLOTS - 1);
	bool found = false;

	lockdep_assert_held(&space->lock);
	for (; slot <= end; slot++) {
		if (!grow)
			slot = find_next_bit(space->used, end + 1, slot);
		if (slot > end)
			break;
		root_sync_slot(space, slot);
		found = true;
	}
	return found;
}

/* ---- invalidation -------------------------------------------------------- */

/**
 * struct space_flush - what to invalidate for a space
 * @first: first address
 * @last: last address
 * @all: all addresses
 * @pasid_cache: the PASID-cache entries, too
 * @blocked: instead, for bindings without PASID, that their entry was absent
 */
struct space_flush {
	u64 first;
	u64 last;
	bool all;
	bool pasid_cache;
	bool blocked;
};

/* The next binding on the same unit, or NULL. */
static struct vtdp_binding *unit_next(struct vtdp_space *space,
				      struct vtdp_binding *b)
{
	struct vtdp_binding *next = list_next_entry(b, space_node);

	if (list_entry_is_head(next, &space->bindings, space_node) ||
	    next->device->unit != b->device->unit)
		return NULL;
	return next;
}

static u16 flush_did(const struct space_flush *flush,
		     const struct vtdp_binding *binding)
{
	return flush->blocked ? VTDP_DID_BLOCKED : binding->did;
}

/*
 * The next binding on the same unit whose entries of the unit's caches are not
 * those of @b, or NULL. Bindings without PASID have a domain id each, and come
 * first. Those with PASID share domain id and PASID, hence entries: one
 * descriptor serves them all.
 */
static struct vtdp_binding *flush_next(struct vtdp_space *space,
				       const struct space_flush *flush,
				       struct vtdp_binding *b)
{
	struct vtdp_binding *next = b->pasid ? NULL : unit_next(space, b);

	return next && next->pasid && flush->blocked ? NULL : next;
}

static void flush_pasid_cache(struct vtdp_space *space, struct vtdp_binding *start,
			      const struct space_flush *flush,
			      struct vtdp_batch *batch)
{
	struct vtdp_binding *b;

	for (b = start; b; b = flush_next(space, flush, b))
		vtdp_qi_pasid_cache(batch, VTD_QI_PC_PASID, flush_did(flush, b),
				    b->pasid);
	/* What was not present is tagged with domain id 0 (6.2.3). */
	if (flush->blocked)
		vtdp_qi_pasid_cache(batch, VTD_QI_PC_PASID, 0, 0);
}

/* One batch for the bindings of one unit, which begin at @start. */
static int flush_submit_unit(struct vtdp_space *space, struct vtdp_binding *start,
			     const struct space_flush *flush,
			     struct vtdp_batch *batch)
{
	struct vtdp_unit *unit = start->device->unit;
	struct vtdp_binding *b;
	int err;

	lockdep_assert_held(&space->lock);
	/* Room for all of them, in case that they are all this unit's. */
	err = vtdp_qi_begin(unit, batch, 3 * space->nr_bindings + 1);
	if (err)
		return err;

	if (flush->pasid_cache)
		flush_pasid_cache(space, start, flush, batch);
	for (b = start; b; b = flush_next(space, flush, b))
		vtdp_qi_piotlb(batch, flush_did(flush, b), b->pasid,
			       flush->first, flush->last, flush->all);
	for (b = start; b; b = unit_next(space, b))
		if (vtdp_device_tlb(b->device))
			vtdp_qi_devtlb(batch, b->device, b->pasid, flush->first,
				       flush->last, flush->all);
	vtdp_qi_submit(batch);
	return 0;
}

/**
 * struct flush_round - batches on their way
 * @next: index of the unit to go on with
 * @more: there are units from @next on
 * @full: unit whose queue had no room, or NULL
 * @broken: a unit is broken; its devices are cut off
 * @count: batches
 * @batch: one for each unit
 */
struct flush_round {
	unsigned int next;
	bool more;
	struct vtdp_unit *full;
	bool broken;
	unsigned int count;
	struct vtdp_batch batch[FLUSH_UNITS];
};

static void flush_begin(struct flush_round *round)
{
	round->next = 0;
	round->more = false;
	round->full = NULL;
	round->broken = false;
	round->count = 0;
}

/* Submit to as many units as a round takes. space->bindings go by unit. */
static void flush_submit(struct vtdp_space *space, const struct space_flush *flush,
			 struct flush_round *round)
{
	struct vtdp_unit *unit = NULL;
	struct vtdp_binding *b;

	lockdep_assert_held(&space->lock);
	round->count = 0;
	round->more = false;
	round->full = NULL;
	list_for_each_entry(b, &space->bindings, space_node) {
		int err;

		if (b->device->unit == unit || b->device->unit->index < round->next)
			continue;
		unit = b->device->unit;
		/* Those without PASID come first, so there are none. */
		if (flush->blocked && b->pasid)
			continue;
		round->next = unit->index;
		if (round->count == FLUSH_UNITS) {
			round->more = true;
			return;
		}
		err = flush_submit_unit(space, b, flush,
					&round->batch[round->count]);
		if (err == -EAGAIN) {
			round->full = unit;
			round->more = true;
			return;
		}
		if (err)
			round->broken = true;
		else
			round->count++;
		round->next = unit->index + 1;
	}
}

/*
 * Invalidate on each unit that the space is bound on: one doorbell each, all
 * under way at once, waited for with no lock held.
 */
static int space_flush(struct vtdp_space *space, const struct space_flush *flush,
		       struct flush_round *round)
{
	int err = 0;

	for (;;) {
		while (round->count)
			err = vtdp_qi_wait(&round->batch[--round->count]) ?: err;
		if (round->full &&
		    vtdp_qi_wait_room(round->full, 3 * VTDP_SPACE_BINDINGS + 1))
			err = -EIO;
		if (!round->more)
			break;
		spin_lock(&space->lock);
		flush_submit(space, flush, round);
		spin_unlock(&space->lock);
	}
	if (round->broken || err == -EIO) {
		WRITE_ONCE(space->leak, true);
		return -EIO;
	}
	return err;
}

/*
 * A hugetlb page may be unmapped with a range of its first small page only;
 * and nothing says how large the pages of this mm are.
 */
static bool space_has_hugetlb(struct vtdp_space *space)
{
#ifdef CONFIG_HUGETLB_PAGE
	return atomic_long_read(&space->mm->hugetlb_usage);
#else
	return false;
#endif
}

/**
 * vtdp_space_sync() - copy the slots of a range and invalidate it
 * @space: space
 * @first: first address
 * @last: last address
 * @grow: also copy slots that were empty
 *
 * Context: atomic, but for hard interrupts; no lock of ours from devices_lock
 * down held. Busy-waits, bounded. Allocates nothing.
 * Return: 0; -ETIMEDOUT or -EIO as vtdp_qi_wait().
 */
int vtdp_space_sync(struct vtdp_space *space, u64 first, u64 last, bool grow)
{
	struct space_flush flush = { .first = first, .last = last };
	struct flush_round round vtdp_uninitialized;

	spin_lock(&space->lock);
	if (list_empty(&space->bindings)) {
		spin_unlock(&space->lock);
		return 0;
	}
	flush.all = last >> PGDIR_SHIFT >= VTDP_USER_SLOTS ||
		    space_has_hugetlb(space);
	/*
	 * The end of the mm has emptied the root, and may be flushing still:
	 * nothing is put back, and nobody returns before it is out of caches.
	 */
	if (!space->dead && !root_sync(space, first, last, grow)) {
		spin_unlock(&space->lock);
		return 0;
	}
	flush_begin(&round);
	flush_submit(space, &flush, &round);
	spin_unlock(&space->lock);
	return space_flush(space, &flush, &round);
}

/* ---- the notifier -------------------------------------------------------- */

/*
 * Up to 6.5 invalidate_range, later arch_invalidate_secondary_tlbs. @end is
 * exclusive, and -1 with @start 0 for all.
 *
 * Context: under page-table locks; possibly in memory reclaim.
 */
static void space_invalidate(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	struct vtdp_space *space = container_of(mn, struct vtdp_space, notifier);

	/* Up to 6.5 a nested gather says (~0, ~0) and means all of the mm. */
	if (start >= end || start >> PGDIR_SHIFT >= VTDP_USER_SLOTS) {
		start = 0;
		end = -1UL;
	}
	/* An error means that the devices were cut off, which is as good. */
	vtdp_space_sync(space, start, end - 1, false);
}

/* Requests without PASID find the entry that blocks them again. */
static void space_block(struct vtdp_space *space)
{
	const struct space_flush flush = {
		.all = true, .pasid_cache = true, .blocked = true,
	};
	struct flush_round round vtdp_uninitialized;
	bool caching = false;
	struct vtdp_binding *b;

	flush_begin(&round);
	spin_lock(&space->lock);
	list_for_each_entry(b, &space->bindings, space_node) {
		if (b->pasid)
			continue;
		vtdp_bind_entry0(b->device);
		/* 6.1: hardware may hold that it was not present. */
		caching |= !!(b->device->unit->cap & VTD_CAP_CM);
	}
	if (caching)
		flush_submit(space, &flush, &round);
	spin_unlock(&space->lock);
	space_flush(space, &flush, &round);
}

/*
 * The mm ends: its pages are freed when this returns. Entries become not
 * present with fault processing disabled, since a device that has not heard of
 * the end is no news; UNBIND wipes them. Their type stays (hardware does not
 * look at it without P), for QEMU looks at it first, and records what is not
 * valid whatever FPD says. It then walks a root that is empty.
 */
static void space_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vtdp_space *space = container_of(mn, struct vtdp_space, notifier);
	const struct space_flush flush = { .all = true, .pasid_cache = true };
	struct flush_round round vtdp_uninitialized;
	struct vtdp_binding *b, *next;

	flush_begin(&round);
	spin_lock(&space->lock);
	WRITE_ONCE(space->dead, true);
	root_clear_all(space);
	list_for_each_entry(b, &space->bindings, space_node)
		vtdp_entry_clear(b->device->unit, b->entry,
				 (b->entry[0] & ~VTD_PASID0_P) | VTD_PASID0_FPD);
	flush_submit(space, &flush, &round);
	spin_unlock(&space->lock);
	space_flush(space, &flush, &round);
	space_block(space);

	spin_lock(&space->lock);
	list_for_each_entry_safe(b, next, &space->bindings, space_node) {
		vtdp_event_binding(b, VTDPASID_EVENT_MM_GONE);
		vtdp_space_unlink(b);
	}
	spin_unlock(&space->lock);
	vtdp_pin_mm_gone(space);
}

/* No callback runs any more, nor will. */
static void space_free(struct mmu_notifier *mn)
{
	struct vtdp_space *space = container_of(mn, struct vtdp_space, notifier);

	if (!space->leak)
		free_page((unsigned long)space->root);
	kfree(space);
	if (atomic_dec_and_test(&nr_spaces))
		wake_up_var(&nr_spaces);
}

static const struct mmu_notifier_ops space_notifier_ops = {
	.arch_invalidate_secondary_tlbs = space_invalidate,
	.release = space_release,
	.free_notifier = space_free,
};

/* ---- life ---------------------------------------------------------------- */

/* The space of an mm, or NULL. Under vtdp_lock. */
struct vtdp_space *vtdp_space_find(const struct mm_struct *mm)
{
	struct vtdp_space *space;

	lockdep_assert_held(&vtdp_lock);
	hash_for_each_possible(spaces, space, hash, (unsigned long)mm)
		if (space->mm == mm)
			return space;
	return NULL;
}

static struct vtdp_space *space_alloc(struct mm_struct *mm)
{
	struct vtdp_space *space;
	int err;

	space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);
	space->root = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!space->root) {
		kfree(space);
		return ERR_PTR(-ENOMEM);
	}
	space->mm = mm;
	space->pid = task_tgid_nr(current);
	get_task_comm(space->comm, current->group_leader);
	spin_lock_init(&space->lock);
	INIT_LIST_HEAD(&space->held);
	INIT_LIST_HEAD(&space->bindings);
	INIT_LIST_HEAD(&space->pins);

	space->notifier.ops = &space_notifier_ops;
	err = mmu_notifier_register(&space->notifier, mm);
	if (err) {
		free_page((unsigned long)space->root);
		kfree(space);
		return ERR_PTR(err);
	}
	atomic_inc(&nr_spaces);
	return space;
}

/**
 * vtdp_space_get() - the caller's address space
 *
 * Made on first use. The notifier is registered with no lock held, since that
 * waits for mmap_lock, which the caller's other threads can hold for long.
 *
 * Context: may sleep; takes vtdp_lock.
 * Return: a reference; -ESRCH without an mm; -ENOMEM; -EINTR.
 */
struct vtdp_space *vtdp_space_get(void)
{
	struct vtdp_space *space, *fresh;
	struct mm_struct *mm = current->mm;

	if (!mm)
		return ERR_PTR(-ESRCH);
	if (mutex_lock_interruptible(&vtdp_lock))
		return ERR_PTR(-EINTR);
	space = vtdp_space_find(mm);
	if (space)
		space->holds++;
	mutex_unlock(&vtdp_lock);
	if (space)
		return space;

	fresh = space_alloc(mm);
	if (IS_ERR(fresh))
		return fresh;
	mutex_lock(&vtdp_lock);
	space = vtdp_space_find(mm);
	if (!space) {
		hash_add(spaces, &fresh->hash, (unsigned long)mm);
		space = fresh;
	}
	space->holds++;
	mutex_unlock(&vtdp_lock);
	/* Another thread of the process came first. */
	if (space != fresh)
		mmu_notifier_put(&fresh->notifier);
	return space;
}

/**
 * vtdp_space_put() - give up a reference
 * @space: space; without the last reference it has no bindings
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_space_put(struct vtdp_space *space)
{
	lockdep_assert_held(&vtdp_lock);
	if (--space->holds)
		return;
	if (space->pasid)
		vtdp_pasid_free(space->pasid);
	hash_del(&space->hash);
	mmu_notifier_put(&space->notifier);
}

/*
 * Wait until each space is freed, at unload; all were put. What puts them does
 * so by call_srcu(), and mmu_notifier_synchronize() waits for readers, not for
 * callbacks that another CPU has yet to run. A callback runs with bottom halves
 * disabled, so one that is past its wake-up has left our code behind
 * synchronize_rcu().
 */
void vtdp_space_exit(void)
{
	wait_var_event(&nr_spaces, !atomic_read(&nr_spaces));
	synchronize_rcu();
}

/**
 * vtdp_space_link() - from now on the notifier covers a binding
 * @binding: not linked; its entry is not present yet
 *
 * Context: under space->lock.
 */
void vtdp_space_link(struct vtdp_binding *binding)
{
	struct vtdp_space *space = binding->space;
	struct vtdp_unit *unit = binding->device->unit;
	struct vtdp_binding *b;

	lockdep_assert_held(&space->lock);
	if (!(unit->ecap & VTD_ECAP_SMPWC) && !space->noncoherent) {
		space->noncoherent = true;
		vtdp_flush_root(unit, space->root);
	}
	root_sync_all(space);

	/*
	 * By unit, so that one unit's bindings make one batch, and there those
	 * without PASID first: see flush_next().
	 */
	list_for_each_entry(b, &space->bindings, space_node)
		if (b->device->unit->index > unit->index ||
		    (b->device->unit == unit && (!binding->pasid || b->pasid)))
			break;
	list_add_tail(&binding->space_node, &b->space_node);
	WRITE_ONCE(space->nr_bindings, space->nr_bindings + 1);
	binding->live = true;
}

/* Its entry is gone and invalidated. Under space->lock. */
void vtdp_space_unlink(struct vtdp_binding *binding)
{
	struct vtdp_space *space = binding->space;

	lockdep_assert_held(&space->lock);
	if (!binding->live)
		return;
	list_del(&binding->space_node);
	WRITE_ONCE(space->nr_bindings, space->nr_bindings - 1);
	binding->live = false;
}

/**
 * vtdp_space_fault() - a device faulted; make sure that the root is up to date
 * @space: space
 * @addr: faulting address
 *
 * What was not present needs no invalidation: first-stage entries that are not
 * present are never cached (6.1).
 *
 * Context: atomic; no lock of ours from space->lock down held.
 */
void vtdp_space_fault(struct vtdp_space *space, u64 addr)
{
	if (addr >> PGDIR_SHIFT >= VTDP_USER_SLOTS)
		return;
	spin_lock(&space->lock);
	if (!space->dead)
		root_sync_slot(space, root_slot(addr));
	spin_unlock(&space->lock);
}

/**
 * vtdp_space_walk() - read the entries that hardware would walk
 * @space: space
 * @addr: address
 * @entries: five of them, top level first
 *
 * Tables below the root stay while space->lock is held: whoever frees one has
 * to get through space_invalidate() before.
 *
 * Context: atomic; no lock of ours from space->lock down held.
 * Return: entries read.
 */
unsigned int vtdp_space_walk(struct vtdp_space *space, u64 addr, u64 *entries)
{
	unsigned int levels = pgtable_l5_enabled() ? 5 : 4;
	const u64 *table = space->root;
	unsigned int i, shift;

	spin_lock(&space->lock);
	for (i = 0; i < levels; i++) {
		shift = PAGE_SHIFT + 9 * (levels - 1 - i);
		entries[i] = READ_ONCE(table[(addr >> shift) % VTDP_ROOT_SLOTS]);
		if (!(entries[i] & VTD_FS_P) || (i && entries[i] & VTD_FS_PS))
			break;
		table = phys_to_virt(entries[i] & VTD_FS_ADDR);
	}
	spin_unlock(&space->lock);
	return min(i + 1, levels);
}
