// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: what one open file of /dev/vtdpasid holds, and who may do what with
 * it. All that a client holds is under vtdp_lock.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "vtdpasid.h"

struct vtdp_client *vtdp_client_open(void)
{
	static atomic_t last_id;
	struct vtdp_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return NULL;
	client->prq_share = vtdp_prq_share_alloc();
	if (!client->prq_share)
		goto free;
	if (vtdp_events_init(&client->events))
		goto put;
	client->id = atomic_inc_return(&last_id);
	client->pid = task_tgid_nr(current);
	get_task_comm(client->comm, current->group_leader);
	xa_init_flags(&client->devices, XA_FLAGS_ALLOC1);
	xa_init_flags(&client->bindings, XA_FLAGS_ALLOC1);
	xa_init_flags(&client->pins, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&client->holds);
	INIT_LIST_HEAD(&client->reserved);
	return client;

put:
	vtdp_prq_share_put(client->prq_share);
free:
	kfree(client);
	return NULL;
}

/* ---- holds --------------------------------------------------------------- */

/* The client's hold on an mm's space, or NULL. Under vtdp_lock. */
struct vtdp_hold *vtdp_client_hold(struct vtdp_client *client,
				   const struct mm_struct *mm)
{
	struct vtdp_space *space = vtdp_space_find(mm);
	struct vtdp_hold *hold;

	if (!space)
		return NULL;
	list_for_each_entry(hold, &space->held, space_node)
		if (hold->client == client)
			return hold;
	return NULL;
}

static void hold_put(struct vtdp_hold *hold)
{
	list_del(&hold->node);
	list_del(&hold->space_node);
	vtdp_space_put(hold->space);
	kfree(hold);
}

/**
 * hold_begin() - the client's hold on the caller's space, made if need be
 * @client: file
 * @fresh: set when it was made now
 *
 * Context: may sleep; on success vtdp_lock is held, for hold_end() to drop.
 * Return: the hold, or an error.
 */
static struct vtdp_hold *hold_begin(struct vtdp_client *client, bool *fresh)
{
	struct vtdp_space *space;
	struct vtdp_hold *hold;

	if (mutex_lock_interruptible(&vtdp_lock))
		return ERR_PTR(-EINTR);
	*fresh = false;
	hold = vtdp_client_hold(client, current->mm);
	if (hold)
		return hold;
	mutex_unlock(&vtdp_lock);

	space = vtdp_space_get();
	if (IS_ERR(space))
		return ERR_CAST(space);
	mutex_lock(&vtdp_lock);
	/* Another thread may have come first. */
	hold = vtdp_client_hold(client, space->mm);
	*fresh = !hold;
	if (hold) {
		vtdp_space_put(space);
		return hold;
	}

	hold = kzalloc(sizeof(*hold), GFP_KERNEL_ACCOUNT);
	if (!hold) {
		vtdp_space_put(space);
		mutex_unlock(&vtdp_lock);
		return ERR_PTR(-ENOMEM);
	}
	hold->client = client;
	hold->space = space;
	list_add_tail(&hold->node, &client->holds);
	list_add_tail(&hold->space_node, &space->held);
	return hold;
}

/* A call that failed leaves no hold behind that it made. */
static int hold_end(struct vtdp_hold *hold, bool fresh, int err)
{
	if (err && fresh)
		hold_put(hold);
	mutex_unlock(&vtdp_lock);
	return err;
}

/* Only an address space's own threads decide about it, while it lives. */
bool vtdp_client_may_act_on(const struct vtdp_space *space)
{
	return space->mm == current->mm || READ_ONCE(space->dead);
}

/* ---- PASIDs -------------------------------------------------------------- */

static void reserved_add(struct vtdp_client *client, struct vtdp_pasid *pasid)
{
	pasid->client = client;
	list_add_tail(&pasid->node, &client->reserved);
}

static struct vtdp_pasid *reserved_find(struct vtdp_client *client, u32 nr)
{
	struct vtdp_pasid *pasid = vtdp_pasid_find(nr);

	if (!pasid || pasid->state != VTDPASID_PASID_STATE_RESERVED ||
	    pasid->client != client)
		return NULL;
	return pasid;
}

/**
 * vtdp_client_give_pasid() - make sure that a space has a PASID
 * @client: file
 * @space: space
 * @wanted: the number that it must be, or 0
 * @min: lowest number to allocate, when it has none
 * @max: highest
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -EACCES when @wanted is not the client's to give, -ENOTUNIQ when
 * the space has another; as vtdp_pasid_alloc().
 */
int vtdp_client_give_pasid(struct vtdp_client *client, struct vtdp_space *space,
			   u32 wanted, u32 min, u32 max)
{
	struct vtdp_pasid *pasid;

	lockdep_assert_held(&vtdp_lock);
	if (wanted && space->pasid && space->pasid->nr == wanted)
		return 0;
	if (wanted) {
		pasid = reserved_find(client, wanted);
		if (!pasid)
			return -EACCES;
		if (space->pasid)
			return -ENOTUNIQ;
		list_del_init(&pasid->node);
	} else {
		if (space->pasid)
			return 0;
		pasid = vtdp_pasid_alloc(min, max, current_uid(),
					 capable(CAP_SYS_ADMIN));
		if (IS_ERR(pasid))
			return PTR_ERR(pasid);
	}
	vtdp_pasid_own(pasid, space);
	space->pasid = pasid;
	return 0;
}

/* Undo vtdp_client_give_pasid() with the same @wanted. No binding uses it. */
void vtdp_client_take_pasid(struct vtdp_client *client, struct vtdp_space *space,
			    u32 wanted)
{
	struct vtdp_pasid *pasid = space->pasid;

	lockdep_assert_held(&vtdp_lock);
	space->pasid = NULL;
	if (!wanted) {
		vtdp_pasid_free(pasid);
		return;
	}
	vtdp_pasid_own(pasid, NULL);
	reserved_add(client, pasid);
}

static int client_reserve(struct vtdp_client *client,
			  struct vtdpasid_pasid_alloc *arg, u32 min, u32 max)
{
	struct vtdp_pasid *pasid;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	pasid = vtdp_pasid_alloc(min, max, current_uid(), capable(CAP_SYS_ADMIN));
	if (!IS_ERR(pasid)) {
		reserved_add(client, pasid);
		arg->out_pasid = pasid->nr;
	}
	mutex_unlock(&vtdp_lock);
	return PTR_ERR_OR_ZERO(pasid);
}

static int client_range(struct vtdpasid_pasid_alloc *arg, u32 *min, u32 *max)
{
	u32 limit;

	mutex_lock(&vtdp_lock);
	limit = vtdp_pasid_limit();
	mutex_unlock(&vtdp_lock);
	*min = max(arg->min, vtdp_pasid_first());
	*max = arg->max ? min(arg->max, limit) : limit;
	if (arg->min > limit)
		return -EOVERFLOW;
	return arg->max && arg->min > arg->max ? -EINVAL : 0;
}

/**
 * vtdp_client_pasid_alloc() - VTDPASID_PASID_ALLOC
 * @client: file
 * @arg: checked
 *
 * Context: may sleep; takes vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_client_pasid_alloc(struct vtdp_client *client,
			    struct vtdpasid_pasid_alloc *arg)
{
	struct vtdp_space *space;
	struct vtdp_hold *hold;
	u32 min, max;
	bool fresh;
	int err;

	err = client_range(arg, &min, &max);
	if (err)
		return err;
	if (arg->flags & VTDPASID_PASID_RESERVE)
		return client_reserve(client, arg, min, max);

	hold = hold_begin(client, &fresh);
	if (IS_ERR(hold))
		return PTR_ERR(hold);
	space = hold->space;
	if (READ_ONCE(space->dead))
		err = -ESRCH;
	else
		err = vtdp_client_give_pasid(client, space, 0, min, max);
	if (!err) {
		arg->out_pasid = space->pasid->nr;
		if (arg->out_pasid < min || arg->out_pasid > max)
			err = -ENOTUNIQ;
	}
	return hold_end(hold, fresh, err);
}

/**
 * vtdp_client_pasid_free() - VTDPASID_PASID_FREE
 * @client: file
 * @nr: the PASID
 *
 * Context: may sleep; takes vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_client_pasid_free(struct vtdp_client *client, u32 nr)
{
	struct vtdp_pasid *pasid;
	struct vtdp_hold *hold;
	int err = -ENOENT;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	pasid = reserved_find(client, nr);
	if (pasid) {
		list_del_init(&pasid->node);
		vtdp_pasid_free(pasid);
		err = 0;
		goto unlock;
	}
	list_for_each_entry(hold, &client->holds, node) {
		if (!hold->space->pasid || hold->space->pasid->nr != nr)
			continue;
		if (!vtdp_client_may_act_on(hold->space)) {
			err = -EACCES;
		} else if (hold->bindings || hold->pins) {
			err = -EBUSY;
		} else {
			hold_put(hold);
			err = 0;
		}
		break;
	}
unlock:
	mutex_unlock(&vtdp_lock);
	return err;
}

/* ---- bindings ------------------------------------------------------------ */

/* VTDPASID_BIND. Context: may sleep; takes vtdp_lock. */
int vtdp_client_bind(struct vtdp_client *client, struct vtdpasid_bind *arg)
{
	struct vtdp_hold *hold;
	bool fresh;

	hold = hold_begin(client, &fresh);
	if (IS_ERR(hold))
		return PTR_ERR(hold);
	return hold_end(hold, fresh, vtdp_bind(client, hold, arg));
}

/* VTDPASID_UNBIND. Context: may sleep; takes vtdp_lock. */
int vtdp_client_unbind(struct vtdp_client *client, u32 id)
{
	struct vtdp_binding *binding;
	int err;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	binding = xa_load(&client->bindings, id);
	if (!binding)
		err = -ENOENT;
	else if (!vtdp_client_may_act_on(binding->space))
		err = -EACCES;
	else
		err = vtdp_unbind(binding);
	mutex_unlock(&vtdp_lock);
	return err;
}

/* VTDPASID_SYNC. Context: may sleep; takes vtdp_lock. */
int vtdp_client_sync(struct vtdp_client *client, u64 addr, u64 length)
{
	u64 end = (u64)VTDP_USER_SLOTS << PGDIR_SHIFT;
	struct vtdp_hold *hold;
	int err = -ENOENT;

	if (!length)
		return -EINVAL;
	if (addr >= end || length > end - addr)
		return -EOVERFLOW;
	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	hold = vtdp_client_hold(client, current->mm);
	if (hold && hold->bindings)
		err = vtdp_space_sync(hold->space, addr, addr + length - 1, true);
	mutex_unlock(&vtdp_lock);
	return err;
}

/* ---- the end ------------------------------------------------------------- */

/**
 * vtdp_client_close() - give up all that a client holds
 * @client: freed
 *
 * Bindings, pins, PASIDs, attachments, in this order: nothing is reached when
 * its pages go, and numbers rest while functions are being reset.
 *
 * Context: may sleep; takes vtdp_lock and device_locks.
 */
void vtdp_client_close(struct vtdp_client *client)
{
	struct vtdp_hold *hold, *next_hold;
	struct vtdp_pasid *pasid, *next;
	struct vtdp_binding *binding;
	unsigned long id;

	mutex_lock(&vtdp_lock);
	xa_for_each(&client->bindings, id, binding) {
		vtdp_unbind(binding);
		/* Each may wait for hardware: let others come between. */
		mutex_unlock(&vtdp_lock);
		cond_resched();
		mutex_lock(&vtdp_lock);
	}
	mutex_unlock(&vtdp_lock);
	vtdp_pin_close(client);

	mutex_lock(&vtdp_lock);
	list_for_each_entry_safe(hold, next_hold, &client->holds, node)
		hold_put(hold);
	list_for_each_entry_safe(pasid, next, &client->reserved, node) {
		list_del_init(&pasid->node);
		vtdp_pasid_free(pasid);
	}
	mutex_unlock(&vtdp_lock);

	vtdp_device_detach_all(client);
	vtdp_prq_share_put(client->prq_share);
	xa_destroy(&client->devices);
	xa_destroy(&client->bindings);
	vtdp_events_exit(&client->events);
	kfree(client);
}
