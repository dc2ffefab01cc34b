// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one PASID space of the system.
 *
 * The lowest free number goes first: narrow devices can use it, and directories
 * stay small. A number that was freed waits in a quarantine, oldest first out,
 * until no other number of the range is free: a flawed device that goes on
 * using an old PASID hits nobody for as long as the space allows. To keep
 * directories at one page all numbers below 32768, quarantined ones included,
 * go before any above.
 *
 * Freeing is the caller's last step, after each device that used the number
 * was invalidated and drained.
 */
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "vtdpasid.h"

/* PASIDs that a directory of one page covers (9.4 and 9.5) */
#define PASID_SMALL_LIMIT	32768
#define PASID_LIMIT		BIT(20)

static_assert(sizeof(struct vtdp_pasid) <= 32);

static DEFINE_XARRAY_ALLOC1(pasids);	/* struct vtdp_pasid by number */

/**
 * struct pasid_half - the numbers below PASID_SMALL_LIMIT, or the rest
 * @quarantine: oldest first
 * @fresh: numbers in their first freedom
 */
struct pasid_half {
	struct list_head quarantine;
	unsigned int fresh;
};

static struct pasid_half small = {
	.quarantine = LIST_HEAD_INIT(small.quarantine),
	.fresh = PASID_SMALL_LIMIT - 1,
};

static struct pasid_half large = {
	.quarantine = LIST_HEAD_INIT(large.quarantine),
	.fresh = PASID_LIMIT - PASID_SMALL_LIMIT,
};

static struct pasid_half *pasid_half(u32 nr)
{
	return nr < PASID_SMALL_LIMIT ? &small : &large;
}

/* How many numbers each user holds. */
struct pasid_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int count;
};

static DEFINE_HASHTABLE(pasid_users, 6);

static struct pasid_user *pasid_user_get(kuid_t uid)
{
	struct pasid_user *user;

	hash_for_each_possible(pasid_users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;

	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return NULL;
	user->uid = uid;
	hash_add(pasid_users, &user->node, __kuid_val(uid));
	return user;
}

static void pasid_user_put(struct pasid_user *user)
{
	if (user->count)
		return;
	hash_del(&user->node);
	kfree(user);
}

/* Return: the entry, NULL when all of the range is taken, or an error. */
static struct vtdp_pasid *pasid_take_fresh(u32 min, u32 max)
{
	struct vtdp_pasid *pasid;
	u32 nr;
	int err;

	if (!pasid_half(min)->fresh)
		return NULL;
	pasid = kzalloc(sizeof(*pasid), GFP_KERNEL_ACCOUNT);
	if (!pasid)
		return ERR_PTR(-ENOMEM);
	err = xa_alloc(&pasids, &nr, pasid, XA_LIMIT(min, max),
		       GFP_KERNEL_ACCOUNT);
	if (!err) {
		pasid_half(min)->fresh--;
		pasid->nr = nr;
		return pasid;
	}
	kfree(pasid);
	return err == -EBUSY ? NULL : ERR_PTR(err);
}

static struct vtdp_pasid *pasid_take_quarantined(u32 min, u32 max)
{
	struct vtdp_pasid *pasid;

	list_for_each_entry(pasid, &pasid_half(min)->quarantine, node) {
		if (pasid->nr >= min && pasid->nr <= max) {
			list_del_init(&pasid->node);
			return pasid;
		}
	}
	return NULL;
}

/* Of a range on one side of PASID_SMALL_LIMIT. */
static struct vtdp_pasid *pasid_take(u32 min, u32 max)
{
	struct vtdp_pasid *pasid;

	if (min > max)
		return NULL;
	pasid = pasid_take_fresh(min, max);
	return pasid ?: pasid_take_quarantined(min, max);
}

/**
 * vtdp_pasid_alloc() - take a number
 * @min: lowest acceptable, above 0
 * @max: highest acceptable
 * @uid: user it counts for
 * @privileged: the user's limit does not apply
 *
 * Context: may sleep; under vtdp_lock.
 * Return: the number, which is reserved; -ENOSPC when the range is used up,
 * -EDQUOT when the user's share is, -ENOMEM.
 */
struct vtdp_pasid *vtdp_pasid_alloc(u32 min, u32 max, kuid_t uid, bool privileged)
{
	struct vtdp_pasid *pasid;
	struct pasid_user *user;

	lockdep_assert_held(&vtdp_lock);
	user = pasid_user_get(uid);
	if (!user)
		return ERR_PTR(-ENOMEM);
	if (user->count >= vtdp_user_pasids && !privileged) {
		pasid_user_put(user);
		return ERR_PTR(-EDQUOT);
	}

	pasid = pasid_take(min, min_t(u32, max, PASID_SMALL_LIMIT - 1));
	if (!pasid)
		pasid = pasid_take(max_t(u32, min, PASID_SMALL_LIMIT), max);
	if (IS_ERR_OR_NULL(pasid)) {
		pasid_user_put(user);
		return pasid ?: ERR_PTR(-ENOSPC);
	}

	INIT_LIST_HEAD(&pasid->node);
	pasid->uid = uid;
	vtdp_pasid_own(pasid, NULL);
	user->count++;
	return pasid;
}

/* What is known of a number, or NULL in its first freedom. Under vtdp_lock. */
struct vtdp_pasid *vtdp_pasid_find(u32 nr)
{
	lockdep_assert_held(&vtdp_lock);
	return xa_load(&pasids, nr);
}

/**
 * vtdp_pasid_own() - make a number a space's, or take it back
 * @pasid: from vtdp_pasid_alloc()
 * @space: space, or NULL
 *
 * Context: under vtdp_lock.
 */
void vtdp_pasid_own(struct vtdp_pasid *pasid, struct vtdp_space *space)
{
	lockdep_assert_held(&vtdp_lock);
	pasid->state = space ? VTDPASID_PASID_STATE_OWNED :
			       VTDPASID_PASID_STATE_RESERVED;
	pasid->space = space;
	vtdp_netlink_changed();
}

/**
 * vtdp_pasid_free() - give a number back
 * @pasid: from vtdp_pasid_alloc(), on no list; no device can hold anything of
 *	it any more
 *
 * Context: under vtdp_lock.
 */
void vtdp_pasid_free(struct vtdp_pasid *pasid)
{
	struct pasid_user *user;

	lockdep_assert_held(&vtdp_lock);
	/* It exists: the number was counted there. */
	user = pasid_user_get(pasid->uid);
	user->count--;
	pasid_user_put(user);
	pasid->state = VTDPASID_PASID_STATE_QUARANTINE;
	pasid->space = NULL;
	list_add_tail(&pasid->node, &pasid_half(pasid->nr)->quarantine);
	vtdp_netlink_changed();
}

/* The first number from @nr on that is, or was, given out. Under vtdp_lock. */
struct vtdp_pasid *vtdp_pasid_next(u32 nr)
{
	unsigned long index = nr;

	lockdep_assert_held(&vtdp_lock);
	return xa_find(&pasids, &index, ULONG_MAX, XA_PRESENT);
}

static void pasid_forget(struct pasid_half *half)
{
	struct vtdp_pasid *pasid, *next;

	list_for_each_entry_safe(pasid, next, &half->quarantine, node) {
		list_del(&pasid->node);
		xa_erase(&pasids, pasid->nr);
		half->fresh++;
		kfree(pasid);
	}
}

/* Forget the quarantine, at unload. */
void vtdp_pasid_exit(void)
{
	pasid_forget(&large);
	pasid_forget(&small);
}
