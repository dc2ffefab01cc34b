// SPDX-License-Identifier: GPL-2.0-only
/* test_broken.c - devices that do not answer, units that refuse or stand still */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)
#define MANY	500

/*
 * The longest that one batch may take: five waits for room, and five for
 * completion, each until 20000 polls have passed, of 20 us here.
 */
#define BOUND_NS	(10 * 20000 * 20000ull)

static struct vtdp_unit *unit;
static struct wfn *bad, *good;
static struct umm *both, *alone;	/* bound on both functions, and on the good one only */
static u32 pasid_both, pasid_alone;
static u64 seen[4096][2];
static unsigned int nseen, responses;

static void see(unsigned int u, const u64 *qw)
{
	memcpy(seen[nseen++ % ARRAY_SIZE(seen)], qw, 16);
}

static void see_response(unsigned int u, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code)
{
	responses++;
}

/* Two functions with ATS, two processes. */
static void start(void)
{
	world_start_simple(W_CAP, W_ECAP, 1);
	sched_hook = NULL;
	conduct.prefetch = 3;
	conduct.lazy = 1;
	OK(w_takeover(0));
	unit = vtdp_unit_by_index(0);
	w_open(0);
	bad = w_fn(0, F_CLAIMED);
	good = w_fn(0, F_NARROW);
	good->pdev->ats_cap = 0x100;
	good->pdev->has_pri = true;
	both = w.proc[0];
	alone = w.proc[1];
	for (unsigned int i = 0; i < 16; i++) {
		umm_map(both, VA(i), PAGE_SIZE, true, false);
		umm_map(alone, VA(i), PAGE_SIZE, true, false);
	}
	OK(w_attach(0, bad, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI));
	OK(w_attach(0, good, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI));
	OK(w_bind(0, bad, both, false, 0, &pasid_both));
	OK(w_bind(0, good, both, false, 0, NULL));
	OK(w_bind(0, good, alone, false, 0, &pasid_alone));
	w_ats_dma(bad, pasid_both, VA(0), true);
	w_ats_dma(good, pasid_both, VA(0), true);
	w_ats_dma(good, pasid_alone, VA(0), true);
	model_desc_hook = see;
	nseen = 0;
}

static void stop(const char *what)
{
	model_desc_hook = NULL;
	model_response_hook = NULL;
	conduct.silent_rid = -1;
	conduct.refuse_rid = -1;
	world_stop();
	tap_clean("%s", what);
}

/* A broken unit leaves memory behind, on purpose. */
static void stop_broken(void)
{
	tap_leave(0);
}

static void expect_innocent(const char *what)
{
	tap_ok(unit->state == VTDPASID_UNIT_TAKEN, "%s: the unit goes on", what);
	tap_ok(pci_has_bme(good->pdev), "%s: the other function goes on", what);
	tap_is(w_dma(good, pasid_alone, VA(9), true), DMA_OK, "%s: its DMA gets through", what);
}

/* ---- a device that does not answer ------------------------------------------ */

/* It never will, nor does the unit say so. */
static void silent(void)
{
	unsigned int i, err = 0;
	u64 t;

	start();
	conduct.patient = true;
	conduct.silent_rid = pci_dev_id(bad->pdev);
	t = shim_time_ns();
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "SYNC of a process on a silent device");
	t = shim_time_ns() - t;
	tap_ok(t < BOUND_NS, "within the bound: %llu ms", t / 1000000);
	tap_ok(!pci_has_bme(bad->pdev), "the silent one is cut off");
	mutex_lock(&vtdp_lock);
	tap_ok(vtdp_device_state(vtdp_device_by_rid(unit, pci_dev_id(bad->pdev))) & VTDPASID_DEVICE_STOPPED,
	       "and is said to be");
	mutex_unlock(&vtdp_lock);
	expect_innocent("silent device");
	t = shim_time_ns();
	nseen = 0;
	for (i = 0; i < MANY; i++) {
		err |= w_sync(0, both, 0, (1ull << 47) - 1);
		err |= w_sync(0, alone, VA(1), VA(1) + 0xfff);
	}
	tap_is(err, 0, "%u batches after it", 2 * MANY);
	tap_ok((shim_time_ns() - t) / (2 * MANY) < 1000000, "none of which waits for it");
	for (i = 0; i < nseen; i++)
		if ((seen[i][0] & 15) == 8 && (u16)(seen[i][0] >> 16) == pci_dev_id(bad->pdev))
			fail_rule("silent device", "is sent another invalidation");
	/* It comes back, when nobody waits for it any more. */
	conduct.silent_rid = -1;
	for (i = 0; i < MANY; i++)
		err |= w_sync(0, both, 0, (1ull << 47) - 1);
	tap_is(err, 0, "nor does it matter when it answers in the end");
	stop("silent device: caches are clean, words are not used twice");
}

static unsigned int asked;

/* It is pulled out when it is asked for the first time. */
static void pull(unsigned int u, const u64 *qw)
{
	if ((qw[0] & 15) != 8 || (u16)(qw[0] >> 16) != pci_dev_id(bad->pdev))
		return;
	asked++;
	bad->pdev->error_state = pci_channel_io_perm_failure;
}

static void pulled(void)
{
	start();
	conduct.patient = true;
	conduct.silent_rid = pci_dev_id(bad->pdev);
	model_desc_hook = pull;
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), 0, "SYNC while a function is pulled out");
	tap_is(asked, 1, "which is not asked a second time");
	expect_innocent("pulled out");
	bad->pdev->error_state = 0;
	stop("pulled out: caches are clean");
}

/* Who resets a function does not give it back what it lost meanwhile. */
static void silent_in_reset(void)
{
	start();
	pci_reset_begin(bad->pdev);
	conduct.silent_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "SYNC while a function is being reset");
	pci_reset_end(bad->pdev);
	tap_ok(!pci_has_bme(bad->pdev), "it stays cut off after the reset");
	w_detach(0, bad);
	tap_ok(!pci_ats_is_on(bad->pdev), "ATS is off after detach");
	stop("reset: no rule was broken");
}

/* A driver that recovers its function. */
static void silent_recovered(void)
{
	start();
	conduct.silent_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "SYNC of a process on a silent device");
	tap_ok(!pci_ats_is_on(bad->pdev), "it has no ATS");
	pci_set_master(bad->pdev);
	umm_unmap(both, VA(2), VA(2) + 0xfff);
	tap_ok(w_ats_dma(bad, pasid_both, VA(2), true) != DMA_OK && w_dma(bad, pasid_both, VA(2), true) != DMA_OK,
	       "and does not reach what was unmapped if its driver lets it go on");
	pci_clear_master(bad->pdev);
	expect_innocent("recovered");
	stop("recovered: no rule was broken");
}

/* The unit gives up on a silent device when nobody waits any more. */
static void given_up_late(void)
{
	int err = 0;

	start();
	conduct.patient = true;
	conduct.silent_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "SYNC of a process on a silent device");
	conduct.patient = false;
	for (unsigned int i = 0; i < MANY; i++)
		err |= w_sync(0, alone, VA(1), VA(1) + 0xfff);
	tap_is(err, 0, "those after it are not concerned when the unit gives up");
	mutex_lock(&vtdp_lock);
	tap_is(unit->qi.nr_abandoned, 0, "its status word is free again");
	mutex_unlock(&vtdp_lock);
	expect_innocent("given up late");
	stop("given up late: no rule was broken");
}

/* While its batch is waited for, the ring goes round and round. */
static unsigned int others_left, while_waiting;
static bool waiter_done;

static int flush(const struct vtdp_device *device, u32 pasid)
{
	struct vtdp_batch b;
	int err;

	err = vtdp_qi_start(unit, &b, 2);
	if (err)
		return err;
	vtdp_qi_piotlb(&b, VTDP_DID_SVA, pasid, 0, 0, true);
	vtdp_qi_devtlb(&b, device, pasid, 0, 0, true);
	return vtdp_qi_finish(&b);
}

static const struct vtdp_device *device_of(struct wfn *fn)
{
	const struct vtdp_device *device;

	mutex_lock(&vtdp_lock);
	device = vtdp_device_by_rid(unit, pci_dev_id(fn->pdev));
	mutex_unlock(&vtdp_lock);
	return device;
}

static void waits(void *arg)
{
	tap_is(flush(device_of(bad), pasid_both), -ETIMEDOUT, "who waits for a silent device is told");
	waiter_done = true;
}

static void goes_on(void *arg)
{
	for (unsigned int i = 0; i < MANY; i++) {
		int err = flush(device_of(good), pasid_alone);

		if (err)
			fail_rule("innocent batch", "%d", err);
		while_waiting += !waiter_done;
	}
	others_left--;
}

/* One waits for the silent device, and three others go on meanwhile. */
static void one_waits(void)
{
	sched_preempt = 3;
	waiter_done = false;
	others_left = 3;
	co_start("waits", NULL, waits, NULL);
	for (unsigned int i = 0; i < 3; i++)
		co_start("goes on", NULL, goes_on, NULL);
	co_finish();
	sched_preempt = 0;
}

static void ring_not_full(void)
{
	start();
	conduct.patient = true;
	conduct.silent_rid = pci_dev_id(bad->pdev);
	one_waits();
	tap_is(others_left, 0, "others end");
	/* 4 descriptors each; the ring has 1024. */
	tap_ok(while_waiting > 2 * 1024 / 4, "%u of their batches go round the ring while one waits", while_waiting);
	tap_ok(!pci_has_bme(bad->pdev), "the silent one is cut off");
	expect_innocent("full ring");
	stop("full ring: no rule was broken");
}

/* A binding without PASID is called by name, too. */
static void silent_without_pasid(void)
{
	static struct umm *mm;

	start();
	mm = w.proc[2];
	umm_map(mm, VA(0), PAGE_SIZE, true, false);
	OK(w_bind(0, bad, mm, true, 0, NULL));
	OK(w_bind(0, good, mm, true, 0, NULL));
	tap_is(w_ats_dma(good, NO_PASID, VA(0), true), DMA_OK, "DMA without PASID");
	conduct.silent_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, mm, VA(0), VA(0) + 0xfff), -ETIMEDOUT, "SYNC of what is bound without PASID");
	tap_ok(!pci_has_bme(bad->pdev), "the silent one is cut off");
	expect_innocent("without PASID");
	umm_unmap(mm, VA(0), VA(0) + 0xfff);
	tap_ok(w_ats_dma(good, NO_PASID, VA(0), true) != DMA_OK, "what is unmapped later is gone");
	stop("without PASID: caches are clean");
}

/* The unit says that somebody does not answer, and who, or not. */
static void reported(void)
{
	for (int sid = 0; sid < 2; sid++) {
		start();
		conduct.ite_sid = sid;
		conduct.silent_rid = pci_dev_id(bad->pdev);
		one_waits();
		tap_is(others_left, 0, "ITE: others end, each of their batches with 0");
		tap_ok(!pci_has_bme(bad->pdev), "ITE: the silent one is cut off");
		expect_innocent("ITE");
		stop(sid ? "ITE that tells who" : "ITE that does not tell who");
	}
}

/* An answer to nothing: no batch is sent again for it. */
static void nonsense(void)
{
	unsigned int n;

	start();
	nseen = 0;
	tap_is(w_sync(0, alone, VA(1), VA(1) + 0xfff), 0, "a batch");
	n = nseen;
	nseen = 0;
	conduct.nonsense = true;
	conduct.lazy = 200;
	tap_is(w_sync(0, alone, VA(1), VA(1) + 0xfff), 0, "ICE: a batch");
	conduct.lazy = 1;
	tap_is(nseen, n, "ICE: is sent once");
	tap_is(model_reg(0, 0x34) & 0x70, 0, "ICE: is cleared");
	stop("ICE: nothing else");
}

/* ---- answers and drains ------------------------------------------------------- */

/* The unbind of a silent device still drains the page requests. */
static void drain(void)
{
	unsigned int i, drains = 0;

	for (int sid = 0; sid < 2; sid++) {
		start();
		conduct.ite_sid = sid;
		conduct.silent_rid = pci_dev_id(bad->pdev);
		nseen = 0;
		tap_is(w_unbind(w_binding(bad, both, false)), -ETIMEDOUT, "unbind of a silent device");
		for (i = 0, drains = 0; i < nseen; i++)
			drains += (seen[i][0] & 15) == 5 && seen[i][0] & 128;
		/* Its own, and the one that made good for it; nothing was answered. */
		tap_ok(drains >= 2, "%u waits that drain", drains);
		tap_is(w_unbind(w_binding(good, alone, false)), 0, "unbind of the other");
		stop("drain");
	}
}

static unsigned int seen_drains(void)
{
	unsigned int i, drains = 0;

	for (i = 0; i < nseen; i++)
		drains += (seen[i][0] & 15) == 5 && seen[i][0] & 128;
	return drains;
}

/*
 * 7.10: fence, IOTLB, device TLB, wait with PD; also when the mm ended before. And
 * again, when something was answered since, or may have been: for a mm that ended
 * the unit does so without a record.
 */
static void drain_order(void)
{
	struct wbinding *b;
	unsigned int i;
	int at[4];

	for (int round = 0; round < 3; round++) {
		bool dead = round == 1, asked = round == 2;

		start();
		b = w_binding(good, alone, false);
		if (dead)
			w_exit(alone);
		if (asked)
			w_request(good, b->pasid, VA(1), false, true, 1);
		nseen = 0;
		b->state = WB_LIVE;
		tap_is(w_unbind(b), 0, "unbind%s", dead ? " after the mm ended" : "");
		if (nseen < 4)
			nseen = 4;
		for (i = 0; i < 4; i++)
			at[i] = nseen - 4 + i;
		tap_ok((seen[at[0]][0] & 15) == 6, "IOTLB");
		tap_ok((seen[at[1]][0] & 15) == 5 && seen[at[1]][0] & 64, "fence");
		tap_ok((seen[at[2]][0] & 15) == 8, "device TLB");
		tap_ok((seen[at[3]][0] & 15) == 5 && seen[at[3]][0] & 128, "wait that drains");
		tap_is(seen_drains(), asked || dead ? 2 : 1, "%s",
		       asked ? "before the requests are read, and behind the answer" :
		       dead ? "twice: the unit may have answered" : "once: nothing was answered since");
		stop("drain order");
	}
}

static void unbinds(void *arg)
{
	w_unbind(w_binding(bad, both, false));
}

/* No group is answered twice, whenever a device stops to answer. */
static void answers(void)
{
	unsigned int i, k, twice = 0, broken = 0;
	struct vtdp_batch b;

	start();
	conduct.ite_sid = true;
	model_response_hook = see_response;
	for (i = 0; i < 20; i++) {
		conduct.silent_rid = -1;
		if (!pci_has_bme(bad->pdev)) {
			OK(w_detach(0, bad));
			OK(w_attach(0, bad, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI));
			OK(w_bind(0, bad, both, false, 0, NULL));
		}
		responses = 0;
		conduct.silent_rid = pci_dev_id(bad->pdev);
		sched_preempt = 3;
		co_start("unbinds", NULL, unbinds, NULL);
		for (k = 0; k < 40; k++)
			co_step();
		OK(vtdp_qi_start(unit, &b, 8));
		for (k = 0; k < 8; k++)
			vtdp_qi_response(&b, VTD_QI_PGRP_RESP | VTD_QI_PGRP_PP |
					 FIELD_PREP(VTD_QI_PGRP_RID, pci_dev_id(good->pdev)) |
					 FIELD_PREP(VTD_QI_PASID, pasid_alone),
					 VTD_QI_PGRP1_LPIG | FIELD_PREP(VTD_QI_PGRP1_PRGI, k));
		broken += !!vtdp_qi_finish(&b);
		co_finish();
		sched_preempt = 0;
		twice += responses != 8;
	}
	tap_is(broken, 0, "answers among what hardware dropped");
	tap_is(twice, 0, "each is given once");
	stop("answers");
}

/* ---- a unit that refuses ------------------------------------------------------- */

static void refused(void)
{
	static const struct { unsigned int type; const char *name; } parts[] = {
		{ 7, "PASID cache" }, { 6, "IOTLB" }, { 8, "device TLB" }, { 5, "wait" },
	};
	struct wbinding *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		start();
		b = w_binding(good, alone, false);
		conduct.refuse = 1;
		conduct.refuse_type = parts[i].type;
		tap_is(w_unbind(b), 0, "%s refused once: it is done by other means", parts[i].name);
		tap_is(conduct.refuse, 0, "and was refused");
		tap_ok(unit->state == VTDPASID_UNIT_TAKEN, "the unit goes on");
		tap_ok(pci_has_bme(good->pdev) && pci_has_bme(bad->pdev), "and so do both functions");
		/* What it was about is clean: else the model complains. */
		stop(parts[i].name);
	}
}

/* Nothing that is meant for one device TLB is accepted. */
static void refused_device(void)
{
	start();
	conduct.refuse_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "a device TLB that the unit refuses to invalidate");
	tap_ok(!pci_has_bme(bad->pdev), "its function is cut off");
	expect_innocent("refused device TLB");
	stop("refused device TLB");
}

static void refused_answer(void)
{
	struct vtdp_batch b;

	start();
	model_response_hook = see_response;
	OK(vtdp_qi_start(unit, &b, 2));
	for (int k = 0; k < 2; k++)
		vtdp_qi_response(&b, VTD_QI_PGRP_RESP | VTD_QI_PGRP_PP |
				 FIELD_PREP(VTD_QI_PGRP_RID, pci_dev_id(good->pdev)) |
				 FIELD_PREP(VTD_QI_PASID, pasid_alone), VTD_QI_PGRP1_LPIG | FIELD_PREP(VTD_QI_PGRP1_PRGI, k));
	conduct.refuse = 1;
	conduct.refuse_type = 9;
	tap_is(vtdp_qi_finish(&b), -EBADMSG, "a refused answer fails its batch");
	model_run(0);
	tap_is(responses, 1, "the other answer is given");
	expect_innocent("refused answer");
	stop("refused answer");
}

/* It refuses whatever it is told. */
static void refused_all(void)
{
	u64 t;

	start();
	conduct.refuse = ~0u;
	t = shim_time_ns();
	tap_is(w_sync(0, alone, VA(1), VA(1) + 0xfff), -EIO, "a unit that refuses all is broken");
	t = shim_time_ns() - t;
	tap_ok(t < BOUND_NS, "within the bound: %llu ms", t / 1000000);
	tap_is(unit->state, VTDPASID_UNIT_BROKEN, "and says so");
	tap_ok(!pci_has_bme(bad->pdev) && !pci_has_bme(good->pdev), "its functions are cut off");
	tap_clean("no rule was broken");
	stop_broken();
}

/*
 * What has begun when the unit refuses is undone, but for what it may still use:
 * entries rest, tables stay in memory, functions are cut off.
 */
static void refused_from_now(const char *what, int (*call)(void))
{
	conduct.refuse = ~0u;
	tap_is(call(), -EIO, "%s, refused", what);
	tap_is(unit->state, VTDPASID_UNIT_BROKEN, "breaks the unit");
	tap_ok(!pci_has_bme(bad->pdev) && !pci_has_bme(good->pdev), "its functions are cut off");
	tap_clean("no rule was broken");
	stop_broken();
}

static int bind_plain(void) { return w_bind(0, good, w.proc[2], true, 0, NULL); }
static int unbind_plain(void) { return w_unbind(w_binding(good, w.proc[2], true)); }

static void refused_bind(void)
{
	start();
	refused_from_now("BIND without PASID", bind_plain);
}

static void refused_unbind(void)
{
	start();
	OK(bind_plain());
	refused_from_now("UNBIND without PASID", unbind_plain);
}

static int exits(void)
{
	w_exit(w.proc[2]);
	return -EIO;	/* nobody is told */
}

static void refused_exit(void)
{
	start();
	OK(bind_plain());
	refused_from_now("the end of a process", exits);
}

static u32 far_pasid;	/* needs a PASID table of its own, and a larger directory */

static int bind_far(void) { return w_bind(0, bad, w.proc[2], false, far_pasid, NULL); }
static int unbind_far(void) { return w_unbind(w_binding(bad, w.proc[2], false)); }

static void refused_leaf(void)
{
	start();
	OK(w_reserve(0, 40000, 0, &far_pasid));
	OK(bind_far());
	refused_from_now("UNBIND of the only PASID of its table", unbind_far);
}

static void refused_growth(void)
{
	start();
	OK(w_reserve(0, 40000, 0, &far_pasid));
	refused_from_now("BIND that needs a larger directory", bind_far);
}

/* Another one breaks the unit while a batch is made good for. */
static void break_unit(unsigned int u, const u64 *qw)
{
	WRITE_ONCE(unit->state, VTDPASID_UNIT_BROKEN);
}

static void broken_meanwhile(void)
{
	start();
	conduct.refuse = 1;
	model_desc_hook = break_unit;
	tap_is(w_sync(0, alone, VA(1), VA(1) + 0xfff), -EIO, "SYNC while somebody else breaks the unit");
	model_desc_hook = NULL;
	tap_clean("no rule was broken");
	stop_broken();
}

/* Another one breaks the unit at each moment of an attach. */
static unsigned int break_after;

static void break_later(void)
{
	if (break_after && !current->spins && !--break_after)
		vtdp_unit_break(unit, "was told to be, by a test");
}

/* Return: 0; 1: it can do DMA; 2: the attach was over before. */
static int broken_after(unsigned int moments)
{
	start();
	w_detach(0, bad);
	break_after = moments;
	sched_hook = break_later;
	w_attach(0, bad, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI);
	sched_hook = NULL;
	return break_after ? 2 : pci_has_bme(bad->pdev) || pci_ats_is_on(bad->pdev);
}

static void broken_while_attached(void)
{
	unsigned int n, on = 0;
	int status = 0;

	fflush(NULL);
	for (n = 1; n < 2000 && status != 2; n++) {
		pid_t pid = fork();

		if (!pid)
			tap_leave(broken_after(n));
		waitpid(pid, &status, 0);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		on += status == 1;
	}
	tap_ok(n > 20 && n < 2000, "a unit breaks at each of %u moments of an attach", n - 2);
	tap_is(on, 0, "and the function is cut off whenever that is");
	tap_leave(0);
}

/* Nothing answers at its registers any more. */
static void gone(void)
{
	u64 t;

	start();
	conduct.gone = conduct.stuck = true;
	for (unsigned int i = 0; i < 20; i++) {
		shim_run_work();
		co_finish();
	}
	t = shim_time_ns();
	tap_is(w_sync(0, alone, VA(1), VA(1) + 0xfff), -EIO, "SYNC says that the unit is broken");
	t = shim_time_ns() - t;
	tap_ok(t < BOUND_NS, "within the bound: %llu ms", t / 1000000);
	tap_ok(!pci_has_bme(bad->pdev) && !pci_has_bme(good->pdev), "its functions are cut off");
	tap_clean("no rule was broken");
	stop_broken();
}

/* Its ring is full, and stays so. */
static void never_empties_for(int (*whom)(void))
{
	unsigned int count = 0;
	struct vtdp_batch b;
	int err;
	u64 t;

	start();
	conduct.stuck = true;
	for (err = 0; count < 2000; count++) {
		err = vtdp_qi_begin(unit, &b, 1);
		if (err)
			break;
		vtdp_qi_piotlb(&b, VTDP_DID_SVA, pasid_alone, 0, 0, true);
		vtdp_qi_submit(&b);
	}
	tap_ok(err == -EAGAIN && count > 100, "after %u batches there is no room (%d)", count, err);
	t = shim_time_ns();
	tap_is(whom(), -EIO, "who wants some is told");
	t = shim_time_ns() - t;
	tap_ok(t < BOUND_NS, "within the bound: %llu ms", t / 1000000);
	tap_is(unit->state, VTDPASID_UNIT_BROKEN, "the unit is broken");
	tap_is(vtdp_qi_start(unit, &b, 1), -EIO, "and says so at once");
	tap_clean("no rule was broken");
	stop_broken();
}

static int one_flush(void) { return flush(NULL, pasid_alone); }
static int one_sync(void) { return w_sync(0, alone, VA(1), VA(1) + 0xfff); }
static void never_empties(void) { never_empties_for(one_flush); }
static void never_empties_sync(void) { never_empties_for(one_sync); }

/* ---- a unit that does not follow ------------------------------------------------ */

static void start_plain(void)
{
	world_start_simple(W_CAP, W_ECAP, 1);
	sched_hook = NULL;
	prefetch_pick = NULL;
	unit = vtdp_unit_by_index(0);
}

/* The queue comes on, but later than anybody waits. */
static void no_queue(void)
{
	start_plain();
	conduct.hide = 1u << 26;
	conduct.sticky = 1u << 26;
	tap_is(w_takeover(0), -ETIMEDOUT, "a queue that does not come on");
	model_read_ring(0);
	conduct.hide = 0;
	tap_clean("its ring stays in memory");
	tap_is(w_takeover(0), -EADDRINUSE, "the next takeover sees that it is on");
	stop_broken();
}

/* A root that is not taken: the queue, which came on, goes off again. */
static void no_root(void)
{
	start_plain();
	conduct.hide = 1u << 30;
	tap_is(w_takeover(0), -ETIMEDOUT, "a root that is not taken");
	tap_ok(!model_serving(0) && !model_translating(0), "all is off again");
	conduct.hide = 0;
	OK(w_takeover(0));
	tap_ok(model_translating(0), "the next try may work");
	stop("a root that is not taken");
}

/* Translation comes on, but later than anybody waits. */
static void no_translation(void)
{
	start_plain();
	conduct.hide = 1u << 31;
	conduct.sticky = 1u << 31;
	tap_is(w_takeover(0), -EIO, "translation that does not come on in time");
	tap_is(unit->state, VTDPASID_UNIT_BROKEN, "breaks the unit");
	conduct.hide = 0;
	tap_clean("its tables stay in memory");
	tap_is(w_takeover(0), -EIO, "there is no second try");
	w.broken = true;
	world_stop();
	tap_clean("not even when unloaded");
	stop_broken();
}

/* Translation that does not go off. */
static void for_ever(void)
{
	start_plain();
	OK(w_takeover(0));
	conduct.sticky = 1u << 31;
	tap_is(w_handback(0), -ETIMEDOUT, "translation that does not go off");
	tap_is(unit->state, VTDPASID_UNIT_BROKEN, "breaks the unit");
	w.broken = true;
	world_stop();
	tap_clean("its tables stay in memory, also when unloaded");
	tap_is(shim_allocs, 0, "but nothing that only we use");
	stop_broken();
}

/* So many functions with ATS that a batch does not know all of them by name. */
static void many_functions(void)
{
	enum { FUNCTIONS = VTDP_BATCH_RIDS + 4 };
	struct wfn *fn[FUNCTIONS];
	unsigned int i, cut = 0;

	start();
	for (i = 0; i < FUNCTIONS; i++) {
		fn[i] = w_more(0, 0x20 + 8 * i);
		OK(w_attach(0, fn[i], VTDPASID_ATTACH_ATS));
		OK(w_bind(0, fn[i], both, false, 0, NULL));
		OK(w_ats_dma(fn[i], pasid_both, VA(0), true));
	}
	conduct.silent_rid = pci_dev_id(fn[VTDP_BATCH_RIDS + 1]->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "one of %u is silent", FUNCTIONS + 2);
	for (i = 0; i < FUNCTIONS; i++)
		cut += !pci_has_bme(fn[i]->pdev);
	tap_ok(cut == 1 && !pci_has_bme(fn[VTDP_BATCH_RIDS + 1]->pdev), "it is cut off, and nobody else");
	expect_innocent("one of many");
	stop("one of many: caches are clean");
}

/* More units than are told at once. */
static void many_units(void)
{
	const struct model_caps caps = { W_CAP, W_ECAP };
	struct world_conf conf = { .units = MODEL_UNITS, .layout = VTDPASID_TABLE_DEVICE };
	struct wfn *fn[MODEL_UNITS];
	unsigned int i, gone = 0;
	u32 pasid;

	for (i = 0; i < MODEL_UNITS; i++)
		conf.caps[i] = caps;
	world_start(&conf);
	sched_hook = NULL;
	w_open(0);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	for (i = 0; i < MODEL_UNITS; i++) {
		OK(w_takeover(i));
		fn[i] = w_fn(i, F_CLAIMED);
		OK(w_attach(0, fn[i], 0));
		OK(w_bind(0, fn[i], w.proc[0], false, 0, &pasid));
		OK(w_dma(fn[i], pasid, VA(0), true));
	}
	umm_unmap(w.proc[0], VA(0), VA(0) + 0xfff);
	for (i = 0; i < MODEL_UNITS; i++)
		gone += w_dma(fn[i], pasid, VA(0), true) == DMA_FAULT;
	tap_is(gone, MODEL_UNITS, "a page that is unmapped is gone below all %u units", MODEL_UNITS);
	world_stop();
	tap_clean("many units: no rule was broken");
}

static unsigned int piotlb[MODEL_UNITS];

static void count_piotlb(unsigned int u, const u64 *qw)
{
	piotlb[u] += (qw[0] & 15) == 6;
}

/* Of two units that a process is bound on, one is broken. */
static void other_broken(void)
{
	struct wfn *fn[2];
	u32 pasid;

	world_start_simple(W_CAP, W_ECAP, 2);
	sched_hook = NULL;
	w_open(0);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	for (unsigned int i = 0; i < 2; i++) {
		OK(w_takeover(i));
		fn[i] = w_fn(i, F_CLAIMED);
		OK(w_attach(0, fn[i], 0));
		OK(w_bind(0, fn[i], w.proc[0], false, 0, &pasid));
		tap_is(w_dma(fn[i], pasid, VA(0), true), DMA_OK, "DMA below unit %u", i);
	}
	vtdp_unit_break(vtdp_unit_by_index(1), "is broken by a test");
	w.broken = true;
	tap_ok(!pci_has_bme(fn[1]->pdev) && pci_has_bme(fn[0]->pdev), "only its own functions are cut off");
	model_desc_hook = count_piotlb;
	tap_is(w_sync(0, w.proc[0], VA(0), VA(0) + 0xfff), -EIO, "SYNC tells of it");
	model_desc_hook = NULL;
	tap_ok(piotlb[0] == 1 && !piotlb[1], "and invalidates on the other (%u, %u)", piotlb[0], piotlb[1]);
	tap_is(w_bind(0, fn[1], w.proc[1], false, 0, NULL), -EIO, "BIND below it tells, too");
	tap_clean("no rule was broken");
	stop_broken();
}

/* Kernel drivers come and go below a broken unit; then it is handed back. */
static void life_goes_on(void)
{
	struct wfn *fn;

	world_start_simple(W_CAP_WITH(C_CM, 0), W_ECAP, 1);
	sched_hook = NULL;
	prefetch_pick = NULL;
	unit = vtdp_unit_by_index(0);
	OK(w_takeover(0));
	vtdp_unit_break(unit, "is broken by a test");
	fn = w_fn(0, F_UNOWNED);
	w_driver(fn, &pci_kernel_driver);
	tap_is(w_dma(fn, NO_PASID, 0x1000, true), DMA_OK, "a driver that comes has its DMA");
	w_driver(fn, NULL);
	tap_is(w_dma(w_fn(0, F_DRIVEN), NO_PASID, 0x1000, true), DMA_OK, "who passed through goes on");
	/* Caches are left as they are: w_handback() would look. */
	mutex_lock(&vtdp_lock);
	tap_is(vtdp_unit_handback(unit), 0, "a broken unit that does what it is told is handed back");
	mutex_unlock(&vtdp_lock);
	tap_ok(!model_translating(0) && !model_serving(0), "and is off");
	tap_is(unit->state, VTDPASID_UNIT_IDLE, "and may be taken over again");
	OK(w_takeover(0));
	tap_is(w_dma(w_fn(0, F_DRIVEN), NO_PASID, 0x1000, true), DMA_OK, "a driver's DMA then");
	stop("drivers below a broken unit");
}

/* A silent device, up to the end: hardware may report its wait after unload. */
static void silent_at_unload(void)
{
	start();
	conduct.patient = true;
	conduct.silent_rid = pci_dev_id(bad->pdev);
	tap_is(w_sync(0, both, 0, (1ull << 47) - 1), -ETIMEDOUT, "a silent device");
	w_close(0);
	tap_is(w_handback(0), 0, "its unit is handed back");
	model_late_status(0);
	tap_clean("its status word stays in memory");
	stop_broken();
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(silent);
	tap_part(pulled);
	tap_part(silent_in_reset);
	tap_part(silent_recovered);
	tap_part(given_up_late);
	tap_part(ring_not_full);
	tap_part(silent_without_pasid);
	tap_part(reported);
	tap_part(nonsense);
	tap_part(drain);
	tap_part(drain_order);
	tap_part(answers);
	tap_part(refused);
	tap_part(refused_device);
	tap_part(refused_answer);
	tap_part(refused_all);
	tap_part(refused_bind);
	tap_part(refused_unbind);
	tap_part(refused_exit);
	tap_part(refused_leaf);
	tap_part(refused_growth);
	tap_part(broken_meanwhile);
	tap_part(broken_while_attached);
	tap_part(gone);
	tap_part(never_empties);
	tap_part(never_empties_sync);
	tap_part(no_queue);
	tap_part(no_root);
	tap_part(no_translation);
	tap_part(for_ever);
	tap_part(many_functions);
	tap_part(many_units);
	tap_part(other_broken);
	tap_part(life_goes_on);
	tap_part(silent_at_unload);
	return tap_done();
}
