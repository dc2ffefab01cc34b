// SPDX-License-Identifier: GPL-2.0-only
/* test_pasid.c - the allocator of PASIDs */
#include "tap.h"
#include "world.h"

static struct vtdp_pasid *get(u32 min, u32 max)
{
	struct vtdp_pasid *p;

	mutex_lock(&vtdp_lock);
	p = vtdp_pasid_alloc(min, max, KUIDT_INIT(current->uid), current->admin);
	mutex_unlock(&vtdp_lock);
	return p;
}

static void put(struct vtdp_pasid *p)
{
	mutex_lock(&vtdp_lock);
	vtdp_pasid_free(p);
	mutex_unlock(&vtdp_lock);
}

static void end(void)
{
	vtdp_pasid_exit();
	tap_is(shim_allocs, 0, "nothing is left");
	tap_clean("no rule was broken");
}

static void lowest_first(void)
{
	struct vtdp_pasid *p[6];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		p[i] = get(1, 100);
		tap_is(p[i]->nr, i + 1, "number %u goes as the %uth", i + 1, i + 1);
	}
	tap_is(p[0]->state, VTDPASID_PASID_STATE_RESERVED, "a fresh number is reserved");
	put(p[1]);
	put(p[3]);
	p[1] = get(1, 100);
	tap_is(p[1]->nr, 6, "a fresh number goes before a freed one");
	p[3] = get(1, 6);
	tap_is(p[3]->nr, 2, "the number freed first comes back first");
	p[5] = get(1, 6);
	tap_is(p[5]->nr, 4, "then the next");
	tap_is(PTR_ERR(get(1, 6)), -ENOSPC, "a full range is ENOSPC");
	tap_is(PTR_ERR(get(7, 6)), -ENOSPC, "an empty range is ENOSPC");
	for (i = 0; i < 6; i++)
		put(p[i]);
	end();
}

static void quarantine_order(void)
{
	struct vtdp_pasid *p[8], *q;
	static const u8 order[8] = { 3, 7, 0, 5, 1, 6, 2, 4 };
	unsigned int i;
	bool ok = true;

	for (i = 0; i < 8; i++)
		p[i] = get(1, 8);
	for (i = 0; i < 8; i++)
		put(p[order[i]]);
	q = get(5, 6);
	tap_is(q->nr, 6, "the oldest in the range, though others are older");
	put(q);
	for (i = 0; i < 7; i++) {
		static const u8 expect[7] = { 4, 8, 1, 2, 7, 3, 5 };

		p[i] = get(1, 8);
		ok &= p[i]->nr == expect[i];
	}
	p[7] = get(1, 8);
	tap_ok(ok && p[7]->nr == 6, "numbers return in the order in which they were freed");
	for (i = 0; i < 8; i++)
		put(p[i]);
	end();
}

static void limits(void)
{
	struct vtdp_pasid *p[5], *q;
	unsigned int i;

	current->admin = false;
	current->uid = 1000;
	vtdp_user_pasids = 4;
	for (i = 0; i < 4; i++)
		p[i] = get(1, 100);
	tap_is(PTR_ERR(get(1, 100)), -EDQUOT, "a user has a limit");
	current->uid = 1001;
	q = get(1, 100);
	tap_ok(!IS_ERR(q), "another user has one of his own");
	current->uid = 1000;
	put(p[0]);
	p[0] = get(1, 100);
	tap_ok(!IS_ERR(p[0]), "what was freed may be taken again");
	current->admin = true;
	p[4] = get(1, 100);
	tap_ok(!IS_ERR(p[4]), "the limit does not bind CAP_SYS_ADMIN");
	current->admin = false;
	put(p[4]);
	tap_is(PTR_ERR(get(1, 100)), -EDQUOT, "but what they hold counts");
	/* The number of one user is freed by another task. */
	current->uid = 0;
	for (i = 0; i < 4; i++)
		put(p[i]);
	put(q);
	current->uid = 1000;
	for (i = 0; i < 4; i++)
		p[i] = get(1, 100);
	tap_ok(!IS_ERR(p[3]), "numbers count for whom they were taken");
	for (i = 0; i < 4; i++)
		put(p[i]);
	vtdp_user_pasids = 0;
	tap_is(PTR_ERR(get(1, 100)), -EDQUOT, "a limit of 0 allows none");
	vtdp_user_pasids = 4096;
	current->uid = 0;
	current->admin = true;
	end();
}

/* All of 20 bits, and the edge of a one-page directory. */
static void exhaustion(void)
{
	static struct vtdp_pasid *p[1 << 20];
	struct vtdp_pasid *q;
	unsigned int n, i, bad = 0;

	for (n = 0; n < (1 << 20) - 1; n++) {
		p[n] = get(1, (1 << 20) - 1);
		if (IS_ERR(p[n]))
			break;
		bad += p[n]->nr != n + 1;
	}
	tap_is(n, (1 << 20) - 1, "all of 20 bits can be had");
	tap_is(bad, 0, "in order");
	tap_is(PTR_ERR(get(1, (1 << 20) - 1)), -ENOSPC, "and no more");
	put(p[40000]);
	put(p[32766]);
	q = get(1, (1 << 20) - 1);
	tap_is(q->nr, 32767, "below 32768 goes before above, though freed later");
	p[32766] = q;
	p[40000] = get(1, (1 << 20) - 1);
	tap_is(p[40000]->nr, 40001, "then the one above");
	/* The shim's xarray is quick at its end only. */
	for (i = n; i-- > 0;)
		put(p[i]);
	q = get(32767, 32769);
	tap_is(q->nr, 32767, "a range over the edge begins below it");
	put(q);
	q = get(32768, 32768);
	tap_is(q->nr, 32768, "a range above the edge");
	put(q);
	end();
}

static void no_memory(void)
{
	struct vtdp_pasid *p = NULL;
	unsigned int n;

	for (n = 1; n < 10; n++) {
		shim_fail_at = n;
		p = get(1, 100);
		if (!IS_ERR(p))
			break;
		if (PTR_ERR(p) != -ENOMEM)
			break;
	}
	shim_fail_at = 0;
	tap_ok(n == 4 && !IS_ERR(p), "each of 3 allocations may fail: ENOMEM");
	put(p);
	end();
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	shim_init();
	model_reset();
	tap_part(lowest_first);
	tap_part(quarantine_order);
	tap_part(limits);
	tap_part(exhaustion);
	tap_part(no_memory);
	return tap_done();
}
