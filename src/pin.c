// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: pages that stay where they are, for devices without page requests.
 *
 * Devices walk the process's own page tables, so a pin is no mapping: it only
 * keeps the kernel from taking pages away for long. What it promises, and what
 * it cannot, stands in the header at VTDPASID_PIN.
 */
#include <linux/backing-dev.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "vtdpasid.h"

#define PIN_CHUNK		512		/* pages between looks for signals */

/* May the range be pinned for long, for writing if @write? */
static int pin_check_range(struct mm_struct *mm, u64 addr, u64 end, bool write)
{
	struct vm_area_struct *vma;
	int err = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (; addr < end && !err; addr = vma->vm_end) {
		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start > addr ||
		    (write && !(vma->vm_flags & VM_WRITE))) {
			err = -EFAULT;
			break;
		}
		if (vma->vm_flags & (VM_IO | VM_PFNMAP))
			err = -EOPNOTSUPP;
		/* A file system does not expect writes that it is not told of. */
		if (write && vma->vm_flags & VM_SHARED && vma->vm_file &&
		    mapping_can_writeback(vma->vm_file->f_mapping))
			err = -EOPNOTSUPP;
	}
	mmap_read_unlock(mm);
	return err;
}

static int pin_pages(struct vtdp_pin *pin, u64 addr)
{
	unsigned int flags = FOLL_LONGTERM | (pin->write ? FOLL_WRITE : 0);
	long got;

	while (pin->count < pin->size) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = pin_user_pages_fast(addr + pin->count * PAGE_SIZE,
					  min_t(long, pin->size - pin->count,
						PIN_CHUNK),
					  flags, pin->pages + pin->count);
		if (got <= 0)
			return got ?: -EFAULT;
		pin->count += got;
		cond_resched();
	}
	return 0;
}

/*
 * As iommufd counts: against the user's limit, and in the mm for everybody to
 * see (VmPin). Both are atomic, so that nobody waits for the mmap_lock of a
 * process that may be hostile.
 */
static int pin_charge(struct vtdp_pin *pin)
{
	struct user_struct *user = current_user();
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long locked = atomic_long_read(&user->locked_vm);

	do {
		if (locked + pin->size > limit && !capable(CAP_IPC_LOCK))
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &locked,
					  locked + pin->size));
	pin->cred = get_current_cred();
	pin->mm = pin->hold->space->mm;
	atomic64_add(pin->size, &pin->mm->pinned_vm);
	return 0;
}

/* The hold may be gone by now; the mm is not while its notifier is there. */
static void pin_uncharge(const struct vtdp_pin *pin)
{
	atomic64_sub(pin->size, &pin->mm->pinned_vm);
	atomic_long_sub(pin->size, &pin->cred->user->locked_vm);
	put_cred(pin->cred);
}

/*
 * Take a pin's pages in hand. Whoever comes first lets them go: UNPIN, close,
 * or the end of the mm. Under space->lock.
 */
static void pin_take(struct vtdp_pin *pin, struct vtdp_pin *taken)
{
	lockdep_assert_held(&pin->hold->space->lock);
	*taken = *pin;
	if (pin->pages)
		list_del_init(&pin->node);
	WRITE_ONCE(pin->pages, NULL);
}

static void pin_let_go(const struct vtdp_pin *taken)
{
	if (!taken->pages)
		return;
	unpin_user_pages_dirty_lock(taken->pages, taken->count, taken->write);
	kvfree(taken->pages);
	pin_uncharge(taken);
}

/* Context: may sleep; no spinlock held. */
static void pin_free(struct vtdp_pin *pin)
{
	struct vtdp_space *space = pin->hold->space;
	struct vtdp_pin taken;

	spin_lock(&space->lock);
	pin_take(pin, &taken);
	spin_unlock(&space->lock);
	pin_let_go(&taken);
	kfree(pin);
}

/**
 * vtdp_pin_mm_gone() - let go of all pins of an mm that ends
 * @space: its entries are gone and invalidated
 *
 * Context: may sleep.
 */
void vtdp_pin_mm_gone(struct vtdp_space *space)
{
	struct vtdp_pin *pin, taken;

	for (;;) {
		spin_lock(&space->lock);
		pin = list_first_entry_or_null(&space->pins, struct vtdp_pin, node);
		if (pin)
			pin_take(pin, &taken);
		spin_unlock(&space->lock);
		if (!pin)
			return;
		pin_let_go(&taken);
	}
}

static struct vtdp_pin *pin_alloc(struct vtdp_hold *hold,
				  const struct vtdpasid_pin *arg)
{
	struct vtdp_pin *pin = kzalloc(sizeof(*pin), GFP_KERNEL_ACCOUNT);

	if (!pin)
		return NULL;
	INIT_LIST_HEAD(&pin->node);
	pin->hold = hold;
	pin->size = arg->length >> PAGE_SHIFT;
	pin->write = arg->flags & VTDPASID_PIN_WRITE;
	pin->pages = kvmalloc_array(pin->size, sizeof(*pin->pages),
				    GFP_KERNEL_ACCOUNT);
	if (!pin->pages) {
		kfree(pin);
		return NULL;
	}
	return pin;
}

/* From checked range to pinned pages. No lock held. */
static int pin_range(struct vtdp_pin *pin, u64 addr)
{
	struct vtdp_space *space = pin->hold->space;
	u64 end = addr + ((u64)pin->size << PAGE_SHIFT);
	int err;

	err = pin_check_range(current->mm, addr, end, pin->write);
	if (!err)
		err = pin_charge(pin);
	if (err)
		return err;

	err = pin_pages(pin, addr);
	if (err) {
		unpin_user_pages(pin->pages, pin->count);
		pin_uncharge(pin);
		return err;
	}
	spin_lock(&space->lock);
	list_add_tail(&pin->node, &space->pins);
	spin_unlock(&space->lock);
	/* Pages that became writable now may be held as read-only ones. */
	return vtdp_space_sync(space, addr, end - 1, true);
}

/* The client's hold on the caller's space, if it is bound; one pin more. */
static struct vtdp_hold *pin_hold_get(struct vtdp_client *client)
{
	struct vtdp_hold *hold;

	if (mutex_lock_interruptible(&vtdp_lock))
		return ERR_PTR(-EINTR);
	hold = vtdp_client_hold(client, current->mm);
	if (hold && hold->bindings)
		hold->pins++;
	else
		hold = ERR_PTR(-ENOENT);
	mutex_unlock(&vtdp_lock);
	return hold;
}

/* One pin less. The hold may be gone when this returns. */
static void pin_hold_put(struct vtdp_hold *hold)
{
	mutex_lock(&vtdp_lock);
	hold->pins--;
	mutex_unlock(&vtdp_lock);
}

static int pin_publish(struct vtdp_client *client, struct vtdp_pin *pin, u32 *id)
{
	int err;

	mutex_lock(&vtdp_lock);
	err = xa_alloc(&client->pins, id, pin, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	mutex_unlock(&vtdp_lock);
	return err;
}

/**
 * vtdp_pin() - VTDPASID_PIN
 * @client: file
 * @arg: checked
 *
 * Context: may sleep; takes vtdp_lock, but not while it waits for pages.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_pin(struct vtdp_client *client, struct vtdpasid_pin *arg)
{
	u64 limit = (u64)VTDP_USER_SLOTS << PGDIR_SHIFT;
	struct vtdp_hold *hold;
	struct vtdp_pin *pin;
	int err;

	if (!arg->length || (arg->addr | arg->length) & ~PAGE_MASK)
		return -EINVAL;
	if (arg->addr >= limit || arg->length > limit - arg->addr)
		return -EOVERFLOW;
	if (arg->length > VTDPASID_PIN_MAX)
		return -EFBIG;
	hold = pin_hold_get(client);
	if (IS_ERR(hold))
		return PTR_ERR(hold);

	pin = pin_alloc(hold, arg);
	err = pin ? pin_range(pin, arg->addr) : -ENOMEM;
	if (!err)
		err = pin_publish(client, pin, &arg->out_pin);
	if (!err)
		return 0;
	/* On the list, it has its pages; else pin_range() took them back. */
	if (pin && list_empty(&pin->node)) {
		kvfree(pin->pages);
		kfree(pin);
	} else if (pin) {
		pin_free(pin);
	}
	pin_hold_put(hold);
	return err;
}

/**
 * vtdp_unpin() - VTDPASID_UNPIN
 * @client: file
 * @id: of the pin
 *
 * Context: may sleep; takes vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_unpin(struct vtdp_client *client, u32 id)
{
	struct vtdp_hold *hold;
	struct vtdp_pin *pin;
	int err = 0;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	pin = xa_load(&client->pins, id);
	if (!pin)
		err = -ENOENT;
	else if (!vtdp_client_may_act_on(pin->hold->space))
		err = -EACCES;
	else
		xa_erase(&client->pins, id);
	mutex_unlock(&vtdp_lock);
	if (err)
		return err;

	hold = pin->hold;
	pin_free(pin);
	pin_hold_put(hold);
	return 0;
}

/* Let go of all pins of a client that is closed: nobody else uses it. */
void vtdp_pin_close(struct vtdp_client *client)
{
	struct vtdp_pin *pin;
	unsigned long id;

	xa_for_each(&client->pins, id, pin) {
		xa_erase(&client->pins, id);
		pin->hold->pins--;
		pin_free(pin);
	}
	xa_destroy(&client->pins);
}

/* Bytes that a client has pinned in a space. Under vtdp_lock. */
u64 vtdp_pinned(struct vtdp_client *client, const struct vtdp_space *space)
{
	struct vtdp_pin *pin;
	unsigned long id;
	u64 bytes = 0;

	lockdep_assert_held(&vtdp_lock);
	xa_for_each(&client->pins, id, pin)
		if (pin->hold->space == space && READ_ONCE(pin->pages))
			bytes += (u64)pin->count << PAGE_SHIFT;
	return bytes;
}
