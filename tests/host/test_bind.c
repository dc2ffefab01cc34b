// SPDX-License-Identifier: GPL-2.0-only
/* test_bind.c - directed sequences over the model, on each kind of unit */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)

static u64 the_cap, the_ecap;
static const char *the_name;

static void begin(unsigned int units)
{
	world_start_simple(the_cap, the_ecap, units);
	conduct.prefetch = 3;
	conduct.lazy = 2;
	conduct.evict = 4;
	for (unsigned int i = 0; i < units; i++)
		if (w_takeover(i))
			fail_rule("takeover", "unit %u", i);
	w_open(0);
	w_open(1);
}

static void end(const char *what)
{
	world_stop();
	tap_clean("%s: %s", the_name, what);
}

static void must(enum dma_result got, enum dma_result want, int line)
{
	if (got != want)
		fail_rule("DMA", "line %d: got %d, want %d", line, got, want);
}
#define MUST(call, want) must(call, want, __LINE__)

/* All that a device may do with a PASID, and after unbind nothing. */
static void life(void)
{
	struct wfn *fn;
	u32 pasid;

	begin(1);
	fn = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[0], VA(1), PAGE_SIZE, false, false);
	OK(w_attach(0, fn, 0));
	MUST(w_dma(fn, NO_PASID, VA(0), false), DMA_FAULT);
	OK(w_bind(0, fn, w.proc[0], false, 0, &pasid));
	MUST(w_dma(fn, pasid, VA(0), true), DMA_OK);
	MUST(w_dma(fn, pasid, VA(1), false), DMA_OK);
	MUST(w_dma(fn, pasid, VA(1), true), DMA_FAULT);
	MUST(w_dma(fn, pasid, VA(2), false), DMA_FAULT);
	MUST(w_dma(fn, pasid + 1, VA(0), false), DMA_FAULT);
	MUST(w_dma(fn, pasid, VA(0) | 0xffff800000000000ull, false), DMA_FAULT);
	OK(w_unbind(w_binding(fn, w.proc[0], false)));
	MUST(w_dma(fn, pasid, VA(0), false), DMA_FAULT);
	OK(w_bind(0, fn, w.proc[0], false, 0, NULL));
	MUST(w_dma(fn, pasid, VA(0), true), DMA_OK);
	OK(w_detach(0, fn));
	MUST(w_dma(fn, pasid, VA(0), false), DMA_NOT_SENT);
	pci_set_master(fn->pdev);
	MUST(w_dma(fn, NO_PASID, VA(0), false), DMA_FAULT);
	OK(w_attach(0, fn, 0));
	MUST(w_dma(fn, pasid, VA(0), false), DMA_FAULT);
	end("bind, use, unbind, detach");
}

/* Devices share a domain id and a PASID space, not their tables. */
static void isolation(void)
{
	struct wfn *a, *b;
	u32 pa, pb;

	begin(1);
	a = w_fn(0, F_CLAIMED);
	b = w_fn(0, F_NARROW);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, a, 0));
	OK(w_attach(1, b, 0));
	OK(w_bind(0, a, w.proc[0], false, 0, &pa));
	OK(w_bind(1, b, w.proc[1], false, 0, &pb));
	for (int i = 0; i < 3; i++) {
		MUST(w_dma(a, pa, VA(0), true), DMA_OK);
		MUST(w_dma(b, pb, VA(0), true), DMA_OK);
		MUST(w_dma(a, pb, VA(0), true), DMA_FAULT);
		MUST(w_dma(b, pa, VA(0), true), DMA_FAULT);
	}
	OK(w_bind(1, b, w.proc[0], false, 0, NULL));
	MUST(w_dma(b, pa, VA(0), true), DMA_OK);
	OK(w_unbind(w_binding(a, w.proc[0], false)));
	MUST(w_dma(a, pa, VA(0), true), DMA_FAULT);
	MUST(w_dma(b, pa, VA(0), true), DMA_OK);
	end("two devices and two processes");
}

/* Without PASID: each such binding has a domain id of its own. */
static void without_pasid(void)
{
	struct wfn *a, *b;
	unsigned int faults;
	u32 pasid;

	begin(1);
	a = w_fn(0, F_CLAIMED);
	b = w_fn(0, F_PLAIN);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, a, 0));
	OK(w_attach(0, b, 0));
	OK(w_bind(0, a, w.proc[0], true, 0, NULL));
	OK(w_bind(0, b, w.proc[1], true, 0, NULL));
	if (w_bind(0, b, w.proc[2], true, 0, NULL) != -EBUSY)
		fail_rule("call", "a second one without PASID");
	for (int i = 0; i < 4; i++) {
		MUST(w_dma(a, NO_PASID, VA(0), true), DMA_OK);
		MUST(w_dma(b, NO_PASID, VA(0), true), DMA_OK);
	}
	OK(w_unbind(w_binding(a, w.proc[0], true)));
	MUST(w_dma(a, NO_PASID, VA(0), true), DMA_FAULT);
	MUST(w_dma(b, NO_PASID, VA(0), true), DMA_OK);
	w_exit(w.proc[1]);
	MUST(w_dma(b, NO_PASID, VA(0), true), DMA_FAULT);
	/* With a PASID that is no news, and not recorded. */
	OK(w_bind(0, a, w.proc[2], false, 0, &pasid));
	w_exit(w.proc[2]);
	faults = model_faults(0);
	MUST(w_dma(a, pasid, VA(0), true), DMA_FAULT);
	if (model_faults(0) != faults)
		fail_rule("fault", "of a PASID whose process has ended");
	OK(w_bind(0, a, w.proc[0], true, 0, NULL));
	MUST(w_dma(a, NO_PASID, VA(0), true), DMA_OK);
	end("requests without PASID");
}

/* A kernel driver's DMA never stops, and needs no help. */
static struct wfn *driven;
static void drive(void)
{
	if (model_translating(0) && !driven->changing)
		MUST(w_dma(driven, NO_PASID, 0x123000, true), DMA_OK);
}

static void driver_goes_on(void)
{
	u32 pasid;

	begin(1);
	driven = w_fn(0, F_DRIVEN);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	sched_hook = drive;
	for (int i = 0; i < 4; i++) {
		OK(w_attach(0, driven, 0));
		OK(w_bind(0, driven, w.proc[0], false, 0, &pasid));
		MUST(w_dma(driven, pasid, VA(0), true), DMA_OK);
		if (i & 1)
			OK(w_unbind(w_binding(driven, w.proc[0], false)));
		OK(w_detach(0, driven));
	}
	end("a kernel driver's DMA goes on through attach and detach");
}

/* Pages of all sizes, as the kernel takes them away. */
static void mapping(void)
{
	struct wfn *fn;
	struct upage *p;
	u32 pasid;

	begin(1);
	fn = w_fn(0, F_CLAIMED);
	OK(w_attach(0, fn, 0));
	OK(w_bind(0, fn, w.proc[0], false, 0, &pasid));
	for (int i = 0; i < 30; i++) {
		static const u64 sizes[] = { 1ull << 12, 1ull << 21, 1ull << 30 };
		u64 size = sizes[i % 3], va = (u64)(i % 5) << 39 | 3ull << 30;

		p = umm_map(w.proc[0], va, size, true, i % 2);
		OK(w_sync(0, w.proc[0], va, va + size - 1));
		MUST(w_dma(fn, pasid, va + size - 0x1000, true), DMA_OK);
		MUST(w_dma(fn, pasid, va, true), DMA_OK);
		umm_protect(w.proc[0], va, va, false);
		MUST(w_dma(fn, pasid, va, true), DMA_FAULT);
		umm_protect(w.proc[0], va, va, true);
		OK(w_sync(0, w.proc[0], va, va + size - 1));
		MUST(w_dma(fn, pasid, va, true), DMA_OK);
		if (p->hugetlb)
			umm_wp_huge(w.proc[0], p);
		else if (size == sizes[1])
			umm_split(w.proc[0], p);
		else
			umm_migrate(w.proc[0], p);
		umm_unmap(w.proc[0], va, va + size - 1);
		MUST(w_dma(fn, pasid, va, false), DMA_FAULT);
	}
	end("pages of all sizes");
}

static void many_pasids(void)
{
	struct wfn *fn;
	u32 p[8];

	begin(1);
	fn = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[2], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, fn, 0));
	OK(w_bind(0, fn, w.proc[0], false, 0, &p[0]));
	MUST(w_dma(fn, p[0], VA(0), true), DMA_OK);
	/* The directory grows while another PASID is in use. */
	OK(w_reserve(0, 40000, 0, &p[1]));
	OK(w_bind(0, fn, w.proc[1], false, p[1], NULL));
	MUST(w_dma(fn, p[0], VA(0), true), DMA_OK);
	MUST(w_dma(fn, p[1], VA(0), true), DMA_OK);
	OK(w_reserve(0, 500000, 0, &p[2]));
	OK(w_bind(0, fn, w.proc[2], false, p[2], NULL));
	for (int i = 0; i < 3; i++)
		MUST(w_dma(fn, p[i], VA(0), true), DMA_OK);
	if (w.client[0] && ((struct vtdp_device *)xa_load(&w.client[0]->devices, fn->id))->table.pdts < 6)
		fail_rule("directory", "did not grow");
	OK(w_unbind(w_binding(fn, w.proc[1], false)));
	MUST(w_dma(fn, p[1], VA(0), true), DMA_FAULT);
	/* Its leaf is gone. */
	mutex_lock(&vtdp_lock);
	if (vtdp_table_leaf(&((struct vtdp_device *)xa_load(&w.client[0]->devices, fn->id))->table, p[1]))
		fail_rule("leaf", "an empty one is kept");
	mutex_unlock(&vtdp_lock);
	OK(w_unbind(w_binding(fn, w.proc[2], false)));
	MUST(w_dma(fn, p[0], VA(0), true), DMA_OK);
	end("directory growth, leaves come and go");
}

/* The process ends while others use the binding. */
/*
 * A PASID table goes with its last entry: also if hardware has directory entries
 * cached, by the domain id of an entry that it found through them.
 */
static void leaf_goes(void)
{
	struct wfn *fn;
	u32 pasid[2];

	begin(1);
	conduct.pde = true;
	fn = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, fn, 0));
	for (int i = 0; i < 2; i++) {
		OK(w_reserve(0, 100, 127, &pasid[i]));
		OK(w_bind(0, fn, w.proc[i], false, pasid[i], NULL));
		MUST(w_dma(fn, pasid[i], VA(0), true), DMA_OK);
	}
	OK(w_unbind(w_binding(fn, w.proc[0], false)));
	MUST(w_dma(fn, pasid[1], VA(0), true), DMA_OK);
	OK(w_unbind(w_binding(fn, w.proc[1], false)));
	MUST(w_dma(fn, pasid[1], VA(0), true), DMA_FAULT);
	end("a PASID table that goes");
}

static void exit_task(void *arg) { w_exit(arg); }
static void unbind_task(void *arg) { w_unbind(arg); }
static void unmap_task(void *arg) { umm_unmap(arg, 0, ~0ull >> 17); }

static void races(void)
{
	struct wfn *a, *b, *c;
	u32 pasid;

	for (int i = 0; i < 12; i++) {
		begin(2);
		sched_preempt = 3;
		w_dma_rate = 10;
		a = w_fn(0, F_CLAIMED);
		b = w_fn(1, F_CLAIMED);
		c = w_fn(1, F_PLAIN);
		for (int k = 0; k < 6; k++)
			umm_map(w.proc[0], VA(k * 700), PAGE_SIZE, true, false);
		OK(w_attach(0, a, 0));
		OK(w_attach(0, b, 0));
		OK(w_attach(0, c, 0));
		OK(w_bind(0, a, w.proc[0], false, 0, &pasid));
		OK(w_bind(0, b, w.proc[0], false, 0, &pasid));
		OK(w_bind(0, c, w.proc[0], true, 0, NULL));
		MUST(w_dma(a, pasid, VA(0), true), DMA_OK);
		MUST(w_dma(b, pasid, VA(0), true), DMA_OK);
		if (i % 3)
			co_start("exit", NULL, exit_task, w.proc[0]);
		else
			co_start("unmap", NULL, unmap_task, w.proc[0]);
		co_start("unbind", NULL, unbind_task, w_binding(a, w.proc[0], false));
		if (i % 2)
			co_start("unbind", NULL, unbind_task, w_binding(c, w.proc[0], true));
		co_finish();
		MUST(w_dma(a, pasid, VA(0), true), DMA_FAULT);
		MUST(w_dma(b, pasid, VA(0), true), DMA_FAULT);
		sched_preempt = 0;
		world_stop();
	}
	tap_clean("%s: unbind, unmap and exit at once, on two units", the_name);
}

/* Each allocation of each call fails once; nothing is left, and it works afterwards. */
static void fail_nth(void)
{
	struct wfn *fn;
	u32 pasid = 0;
	int err = 0, n;

	begin(1);
	conduct.prefetch = 0;
	fn = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	for (n = 1; n < 50; n++) {
		shim_fail_at = n;
		err = w_attach(0, fn, 0);
		if (!err)
			break;
		if (err != -ENOMEM)
			fail_rule("errno", "attach, allocation %d: %d", n, err);
	}
	shim_fail_at = 0;
	for (n = 1; n < 50; n++) {
		shim_fail_at = n;
		err = w_bind(0, fn, w.proc[0], false, 0, &pasid);
		if (!err)
			break;
		if (err != -ENOMEM)
			fail_rule("errno", "bind, allocation %d: %d", n, err);
	}
	shim_fail_at = 0;
	MUST(w_dma(fn, pasid, VA(0), true), DMA_OK);
	OK(w_handback(0) == -EBUSY ? 0 : 1);
	OK(w_detach(0, fn));
	OK(w_handback(0));
	for (n = 1; n < 400; n++) {
		shim_fail_at = n;
		err = w_takeover(0);
		if (!err)
			break;
		if (err != -ENOMEM)
			fail_rule("errno", "takeover, allocation %d: %d", n, err);
		model_check_unit_off(0);
	}
	shim_fail_at = 0;
	OK(err);
	end("each allocation fails once");
}

/* A device that does not answer, with ATS: it is cut off, others go on. */
static void silent(void)
{
	struct wfn *a, *b;
	u32 pasid;

	if (!(the_ecap & E_DT))
		return;
	for (int sid = 0; sid < 2; sid++) {
		begin(1);
		a = w_fn(0, F_CLAIMED);
		b = w_fn(0, F_NARROW);
		umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
		umm_map(w.proc[0], VA(9), PAGE_SIZE, true, false);
		if (w_attach(0, a, VTDPASID_ATTACH_ATS)) {
			world_stop();
			tap_ok(true, "%s: # SKIP no ATS", the_name);
			fail_reset();
			return;
		}
		OK(w_attach(0, b, 0));
		OK(w_bind(0, a, w.proc[0], false, 0, &pasid));
		OK(w_bind(0, b, w.proc[0], false, 0, &pasid));
		MUST(w_dma(a, pasid, VA(0), true), DMA_OK);
		w_ats_dma(a, pasid, VA(0), true);
		conduct.silent_rid = pci_dev_id(a->pdev);
		conduct.ite_sid = sid;
		umm_unmap(w.proc[0], VA(0), VA(0));
		if (pci_has_bme(a->pdev))
			fail_rule("containment", "a device that does not answer goes on");
		conduct.silent_rid = -1;
		MUST(w_dma(b, pasid, VA(9), true), DMA_OK);
		world_stop();
	}
	tap_clean("%s: a device TLB that does not answer costs its device only", the_name);
}

static void ats(void)
{
	struct wfn *a;
	u32 pasid;

	if (!(the_ecap & E_DT))
		return;
	begin(1);
	a = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[0], 1ull << 30, 1ull << 21, true, false);
	if (w_attach(0, a, VTDPASID_ATTACH_ATS)) {
		world_stop();
		tap_ok(true, "%s: # SKIP no ATS", the_name);
		fail_reset();
		return;
	}
	OK(w_bind(0, a, w.proc[0], false, 0, &pasid));
	for (int i = 0; i < 3; i++) {
		MUST(w_ats_dma(a, pasid, VA(0), true), DMA_OK);
		MUST(w_ats_dma(a, pasid, 1ull << 30, true), DMA_OK);
	}
	umm_protect(w.proc[0], VA(0), VA(0), false);
	umm_unmap(w.proc[0], VA(0), VA(0));
	umm_split(w.proc[0], umm_find(w.proc[0], 1ull << 30));
	OK(w_unbind(w_binding(a, w.proc[0], false)));
	OK(w_bind(0, a, w.proc[0], true, 0, NULL));
	MUST(w_ats_dma(a, NO_PASID, 1ull << 30, false), DMA_OK);
	umm_unmap(w.proc[0], 1ull << 30, (1ull << 30) + 0xfff);
	OK(w_unbind(w_binding(a, w.proc[0], true)));
	OK(w_detach(0, a));
	end("device TLBs follow");
}

/* 6.5.2.12: nothing but a fence keeps type 3 behind a PASID-based IOTLB one. */
static struct wfn *refiller;
static void refill(void)
{
	w_ats_dma(refiller, NO_PASID, VA(0), false);
}

static void ats_order(void)
{
	if (!(the_ecap & E_DT))
		return;
	begin(1);
	refiller = w_fn(0, F_CLAIMED);
	if (w_attach(0, refiller, VTDPASID_ATTACH_ATS)) {
		world_stop();
		tap_ok(true, "%s: # SKIP no ATS", the_name);
		fail_reset();
		return;
	}
	OK(w_bind(0, refiller, w.proc[0], true, 0, NULL));
	conduct.lazy = 3;
	for (int i = 0; i < 40; i++) {
		umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
		OK(w_sync(0, w.proc[0], VA(0), VA(0)));
		MUST(w_ats_dma(refiller, NO_PASID, VA(0), false), DMA_OK);
		relax_hook = refill;
		sched_hook = refill;
		umm_unmap(w.proc[0], VA(0), VA(0));
		relax_hook = sched_hook = NULL;
	}
	end("a device that refills its TLB at once");
}

/* A page of a mm is reclaimed while its end waits for hardware. */
static bool reclaimed;
static void reclaim(void)
{
	if (reclaimed)
		return;
	reclaimed = true;
	umm_callback(w.proc[0], VA(0), VA(1));
}

static void reclaim_at_the_end(void)
{
	struct vtdp_binding *binding;
	unsigned int i, used = 0;
	unsigned long id = 0;

	begin(1);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	MUST(w_attach(0, w_fn(0, F_CLAIMED), 0), 0);
	OK(w_bind(0, w_fn(0, F_CLAIMED), w.proc[0], false, 0, NULL));
	binding = xa_find(&w.client[0]->bindings, &id, ULONG_MAX, XA_PRESENT);
	reclaimed = false;
	conduct.lazy = 3;
	relax_hook = reclaim;
	w_exit(w.proc[0]);
	relax_hook = NULL;
	for (i = 0; i < VTDP_ROOT_SLOTS; i++)
		used += !!binding->space->root[i];
	tap_ok(reclaimed && !used, "%s: the root of an mm that ended stays empty (%u slots)",
	       the_name, used);
	end("reclaim at the end");
}

/* Batches that nobody has waited for yet, until not one more finds room. */
static unsigned int fill_queue(struct vtdp_unit *unit, struct vtdp_batch *batches, unsigned int most)
{
	static const unsigned int sizes[] = { 100, 10, 1 };
	unsigned int i, k, n, count = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		while (count < most && !vtdp_qi_begin(unit, &batches[count], sizes[i])) {
			n = one_in(2) ? sizes[i] : 1;
			for (k = 0; k < n; k++)
				vtdp_qi_pasid_cache(&batches[count], VTD_QI_PC_PASID, 1, 99);
			vtdp_qi_submit(&batches[count++]);
		}
	return count;
}

/* The kernel unmaps while others have filled the queues of both units. */
static void queues_are_full(void)
{
	static struct vtdp_batch batches[2][500];
	unsigned int count[2], i, k;
	struct wfn *fn[2];
	u32 pasid;

	begin(2);
	for (k = 0; k < 6; k++)
		umm_map(w.proc[0], VA(k * 700), PAGE_SIZE, true, false);
	for (i = 0; i < 2; i++) {
		fn[i] = w_fn(i, F_CLAIMED);
		OK(w_attach(0, fn[i], 0));
		OK(w_bind(0, fn[i], w.proc[0], false, 0, &pasid));
		MUST(w_dma(fn[i], pasid, VA(0), true), DMA_OK);
	}
	conduct.lazy = 0;
	for (i = 0; i < 2; i++)
		count[i] = fill_queue(vtdp_unit_by_index(i), batches[i], ARRAY_SIZE(batches[i]));
	sched_preempt = 3;
	co_start("unmap", NULL, unmap_task, w.proc[0]);
	for (k = 0; k < 60; k++)
		co_step();
	conduct.lazy = 2;
	co_finish();
	sched_preempt = 0;
	for (i = 0; i < 2; i++) {
		for (k = 0; k < count[i]; k++)
			OK(vtdp_qi_wait(&batches[i][k]));
		MUST(w_dma(fn[i], pasid, VA(0), true), DMA_FAULT);
	}
	end("the queues are full when pages go");
}

static void (*const parts[])(void) = { life, isolation, without_pasid, driver_goes_on, mapping,
	many_pasids, leaf_goes, races, fail_nth, ats, ats_order,
	reclaim_at_the_end, queues_are_full, silent };

int main(int argc, char **argv)
{
	static const struct { const char *name; u64 cap_set, cap_clear, ecap_set, ecap_clear; } dims[] = {
		{ "all", 0, 0, 0, 0 },
		{ "CM", C_CM, 0, 0, 0 },
		{ "CM, no C", C_CM, 0, 0, E_C },
		{ "no C", 0, 0, 0, E_C },
		{ "no SMPWC", 0, 0, 0, E_SMPWC },
		{ "no C, no SMPWC", 0, 0, 0, E_C | E_SMPWC },
		{ "no RPS, no SC, no ESRTPS", 0, C_ESRTPS, 0, E_RPS | E_SC },
		{ "MAMV 0, DIT", 0, C_MAMV(63), E_DIT, 0 },
		{ "no DT, no PRS", 0, 0, 0, E_DT | E_PRS },
	};

	tap_args(argc, argv);
	for (unsigned int i = 0; i < ARRAY_SIZE(dims); i++) {
		the_name = dims[i].name;
		the_cap = W_CAP_WITH(dims[i].cap_set, dims[i].cap_clear);
		the_ecap = W_ECAP_WITH(dims[i].ecap_set, dims[i].ecap_clear);
		for (unsigned int k = 0; k < ARRAY_SIZE(parts); k++)
			tap_part_named(the_name, parts[k]);
	}
	return tap_done();
}
