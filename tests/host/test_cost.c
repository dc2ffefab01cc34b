// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_cost.c - what operations cost, in doorbells and descriptors
 *
 * docs/performance.md promises these; here hardware takes its time as well,
 * which QEMU's does not.
 */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)
#define FAR	0x100000000000ull	/* another slot of the top level */
#define PRI	(VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI)
#define FNS	2

static struct wfn *fn[FNS];
static u32 pasid;
static u64 bells, descs;

static u64 all_descs(void)
{
	u64 n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(model_stats.descs); i++)
		n += model_stats.descs[i];
	return n;
}

static void count(void)
{
	bells = model_stats.doorbells;
	descs = all_descs();
}

static u64 rung(void)
{
	return model_stats.doorbells - bells;
}

static void begin(u32 flags)
{
	static const int place[FNS] = { F_CLAIMED, F_DRIVEN };
	unsigned int i;

	world_start_simple(W_CAP, W_ECAP, 1);
	conduct.lazy = 2;
	w_takeover(0);
	w_open(0);
	for (i = 0; i < 32; i++)
		umm_map(w.proc[0], VA(i), PAGE_SIZE, true, false);
	for (i = 0; i < FNS; i++) {
		fn[i] = w_fn(0, place[i]);
		if (w_attach(0, fn[i], flags))
			fail_rule("setup", "attach");
	}
}

static void bind(unsigned int i)
{
	if (w_bind(0, fn[i], w.proc[0], false, 0, &pasid))
		fail_rule("setup", "bind");
}

static void unbind(unsigned int i)
{
	if (w_unbind(w_binding(fn[i], w.proc[0], false)))
		fail_rule("setup", "unbind");
}

static void end(const char *what)
{
	world_stop();
	tap_clean("%s", what);
}

static void serve(void)
{
	for (int i = 0; i < 80; i++) {
		model_activity();
		shim_run_work();
		co_finish();
	}
}

static void binds(void)
{
	begin(PRI);
	count();
	bind(0);
	bind(1);
	tap_is(rung(), 0, "a bind rings no doorbell");
	count();
	unbind(1);
	tap_is(rung(), 1, "an unbind with ATS and page requests rings one");
	/* PASID cache, IOTLB, fence, device TLB, wait that drains */
	tap_is(all_descs() - descs, 5, "and takes five descriptors");
	count();
	bind(1);
	w_request(fn[1], pasid, VA(0), true, true, 1);
	unbind(1);
	tap_ok(!w_unanswered(fn[1]),
	       "what was asked for during an unbind is answered when it is back");
	tap_ok(rung() <= 3, "the answer and its way to the device: %llu doorbells", rung());
	end("binds");
}

static void unmaps(void)
{
	begin(VTDPASID_ATTACH_ATS);
	bind(0);
	bind(1);
	count();
	umm_unmap(w.proc[0], VA(3), VA(4) - 1);
	tap_is(rung(), 1, "one doorbell for all functions of a unit");
	tap_is(all_descs() - descs, 5,
	       "one descriptor for the unit, one for each function, and the waits");
	count();
	/* A second page, so that the tables stay. */
	umm_map(w.proc[0], FAR, PAGE_SIZE, true, false);
	umm_map(w.proc[0], FAR + PAGE_SIZE, PAGE_SIZE, true, false);
	umm_unmap(w.proc[0], FAR, FAR + PAGE_SIZE - 1);
	tap_is(rung(), 0, "none where no device was ever let");
	umm_map(w.proc[0], FAR, PAGE_SIZE, true, false);
	w_sync(0, w.proc[0], FAR, FAR + PAGE_SIZE - 1);
	tap_is(w_dma(fn[0], pasid, FAR, true), DMA_OK, "where it is let after all");
	count();
	umm_unmap(w.proc[0], FAR, FAR + PAGE_SIZE - 1);
	tap_is(rung(), 1, "one");
	tap_is(w_dma(fn[0], pasid, FAR, true), DMA_FAULT, "and it is out");
	unbind(0);
	unbind(1);
	count();
	umm_unmap(w.proc[0], VA(5), VA(6) - 1);
	tap_is(rung(), 0, "none without bindings");
	end("unmappings");
}

static void ends(void)
{
	begin(VTDPASID_ATTACH_ATS);
	bind(0);
	bind(1);
	count();
	w_exit(w.proc[0]);
	tap_is(rung(), 1, "the end of an mm: one doorbell for all functions of a unit");
	end("the end of an mm");
}

/* How many answers go together is a matter of chance: about 16 doorbells; 32, if none do. */
#define STORMS	16

static void storm(void)
{
	unsigned int i, round;
	u64 all = 0;

	begin(PRI);
	bind(0);
	for (round = 0; round < STORMS; round++) {
		count();
		for (i = 0; i < 32; i++)
			w_request(fn[0], pasid, VA(i), true, true, i + 1);
		serve();
		all += rung();
	}
	tap_is(w.answered[0], 32 * STORMS, "32 page requests at once are served");
	tap_ok(all <= 20 * STORMS, "with %llu doorbells in %u storms", all, STORMS);
	end("page requests");
}

static void unmap_one(void *arg)
{
	struct umm *u = arg;

	umm_unmap(u, VA(3), VA(4) - 1);
}

/* Hardware completes nothing; both have submitted all the same. */
static void overlap(void)
{
	struct co *a, *b;
	int i;

	begin(VTDPASID_ATTACH_ATS);
	bind(0);
	umm_map(w.proc[1], VA(3), PAGE_SIZE, true, false);
	if (w_bind(0, fn[0], w.proc[1], false, 0, NULL))
		fail_rule("setup", "bind");
	conduct.lazy = 0;
	sched_preempt = 2;
	count();
	a = co_start("unmap", NULL, unmap_one, w.proc[0]);
	b = co_start("unmap", NULL, unmap_one, w.proc[1]);
	for (i = 0; i < 2000 && rung() < 2; i++)
		co_step();
	tap_ok(rung() == 2 && !co_done(a) && !co_done(b),
	       "two invalidations are under way at once: nobody holds a lock while he waits");
	conduct.lazy = 2;
	co_finish();
	sched_preempt = 0;
	end("both at once");
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(binds);
	tap_part(unmaps);
	tap_part(ends);
	tap_part(storm);
	tap_part(overlap);
	return tap_done();
}
