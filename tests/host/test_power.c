// SPDX-License-Identifier: GPL-2.0-only
/* test_power.c - sleep and reboot, with units in use */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)

#define FIRMWARE_ROOT	0x77000ull	/* where RTADDR was left */

static struct wfn *claimed, *driven;	/* of unit 0, both with ATS and page requests */
static struct wfn *other;		/* of unit 1 */
static u32 pasid;

/* Data, address and upper address of both events (11.4.7, 11.4.11). */
static const unsigned int event_regs[] = { 0x3c, 0x40, 0x44, 0xe4, 0xe8, 0xec };

static void start(void)
{
	const u32 ats = VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI;

	world_start_simple(W_CAP, W_ECAP, 2);
	sched_hook = NULL;
	prefetch_pick = NULL;
	for (unsigned int i = 0; i < 2; i++) {
		model_set_root(i, FIRMWARE_ROOT);
		OK(w_takeover(i));
	}
	w_open(0);
	claimed = w_fn(0, F_CLAIMED);
	driven = w_fn(0, F_DRIVEN);
	other = w_fn(1, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, claimed, ats));
	OK(w_attach(0, driven, ats));
	OK(w_attach(0, other, 0));
	OK(w_bind(0, claimed, w.proc[0], false, 0, &pasid));
	OK(w_bind(0, driven, w.proc[0], false, 0, NULL));
	OK(w_bind(0, other, w.proc[0], false, 0, NULL));
	tap_is(w_ats_dma(claimed, pasid, VA(0), true), DMA_OK, "DMA before");
	/* As if interrupts were in use. */
	for (unsigned int i = 0; i < ARRAY_SIZE(event_regs); i++)
		vtdp_write32(vtdp_unit_by_index(0), event_regs[i], 0x4000 + i);
}

static bool both_on(void) { return model_translating(0) && model_translating(1) && model_serving(0) && model_serving(1); }
static bool all_off(void) { return !model_translating(0) && !model_translating(1) && !model_serving(0) && !model_serving(1); }

/* All that was possible before is again. */
static void works(const char *what)
{
	unsigned int same = 0;

	tap_ok(both_on(), "%s: both units are on", what);
	for (unsigned int i = 0; i < ARRAY_SIZE(event_regs); i++)
		same += model_reg(0, event_regs[i]) == 0x4000 + i;
	tap_is(same, ARRAY_SIZE(event_regs), "%s: interrupts go where they did", what);
	tap_is(w_ats_dma(claimed, pasid, VA(0), true), DMA_OK, "%s: DMA by ATS", what);
	tap_is(w_ats_dma(driven, pasid, VA(0), true), DMA_OK, "%s: of a driver's function", what);
	tap_is(w_dma(driven, NO_PASID, VA(0), true), DMA_OK, "%s: its driver's own", what);
	tap_is(w_dma(other, pasid, VA(0), true), DMA_OK, "%s: DMA below the other unit", what);
	tap_is(w_dma(other, pasid + 1, VA(0), true), DMA_FAULT, "%s: another PASID reaches nothing", what);
	umm_map(w.proc[0], VA(1), PAGE_SIZE, true, false);
	tap_ok(w_request(claimed, pasid, VA(1), true, true, 1), "%s: a page request", what);
	while (w_unanswered(claimed) && (model_activity(), shim_run_work()))
		co_finish();
	tap_is(w_unanswered(claimed), 0, "%s: is answered", what);
	tap_clean("%s: no rule was broken", what);
}

/* An event of that type, and none before it. */
static void expect_event(u32 type, struct wfn *fn, const char *what)
{
	struct vtdpasid_event e = {};
	long n = vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true);

	tap_ok(n == sizeof(e) && e.type == type && e.rid == pci_dev_id(fn->pdev), "%s: event %u (%ld, %u)",
	       what, type, n, e.type);
}

/* What the PCI core restores, for drivers to use at once. */
static bool at_once;

static void look_at_once(void)
{
	at_once = pci_pasid_is_on(driven->pdev);
	if (at_once)
		tap_ok(pci_ats_is_on(driven->pdev) && pci_pri_is_on(driven->pdev), "PASIDs, ATS, page requests");
}

static void slept(void)
{
	start();
	pci_restored_hook = look_at_once;
	tap_is(shim_suspend(), 0, "suspend");
	tap_ok(all_off(), "all is off");
	tap_ok(!pci_has_bme(claimed->pdev) && !pci_has_bme(other->pdev), "ours do no DMA meanwhile");
	for (unsigned int i = 0; i < 2; i++)
		model_power_cycle(i);
	pci_power_cycle();
	shim_resume();
	tap_ok(at_once, "a driver finds PASIDs and ATS as they were");
	pci_restored_hook = NULL;
	works("resume");
	/* The next one does not depend on what the first left. */
	tap_is(shim_suspend(), 0, "suspend again");
	shim_resume();
	works("resume without a loss of power");
	world_stop();
	tap_clean("nothing is left");
}

/* One unit, taken over. */
static void start_one(u64 cap, u64 ecap)
{
	world_start_simple(cap, ecap, 1);
	sched_hook = NULL;
	prefetch_pick = NULL;
	claimed = w_fn(0, F_CLAIMED);
	OK(w_takeover(0));
	w_open(0);
}

static void bind_one(void)
{
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, claimed, 0));
	OK(w_bind(0, claimed, w.proc[0], false, 0, &pasid));
}

/* A unit without page requests has no queue of them to set up again. */
static void slept_plain(void)
{
	start_one(W_CAP_WITH(0, C_ESRTPS), W_ECAP_WITH(0, E_PRS | E_DT));
	bind_one();
	OK(shim_suspend());
	model_power_cycle(0);
	pci_power_cycle();
	shim_resume();
	tap_is(w_dma(claimed, pasid, VA(0), true), DMA_OK, "DMA after");
	world_stop();
	tap_clean("no rule was broken");
}

/* Somebody who was frozen with a lock. */
static bool held;

static void holds(void *lock)
{
	mutex_lock(lock);
	held = true;
	shim_sleep_once();
	mutex_unlock(lock);
}

static void suspend_under(struct mutex *lock, const char *what)
{
	held = false;
	co_start("holds", NULL, holds, lock);
	while (!held)
		co_step();
	tap_is(shim_suspend(), -EBUSY, "%s: no suspend", what);
	co_finish();
	works(what);
}

/* The system stays up when one of the units cannot be switched off. */
static void half(void)
{
	start();
	suspend_under(&vtdp_unit_by_index(1)->prq_lock, "requests of the second unit are read");
	suspend_under(&vtdp_lock, "a call is under way");
	world_stop();
	tap_clean("nothing is left");
}

/* A kernel thread is preempted while it waits for its invalidations. */
static void unmaps(void *arg)
{
	umm_unmap(w.proc[0], VA(0), VA(0) + 0xfff);
}

static void waited_for(void)
{
	struct vtdp_unit *unit;

	start_one(W_CAP, W_ECAP);
	bind_one();
	unit = vtdp_unit_by_index(0);
	conduct.lazy = 0;
	co_start("unmaps", NULL, unmaps, NULL);
	while (vtdp_qi_idle(unit))
		co_step();
	tap_is(shim_suspend(), -EBUSY, "no suspend while invalidations are waited for");
	conduct.lazy = 1;
	co_finish();
	tap_is(unit->state, VTDPASID_UNIT_TAKEN, "the unit works");
	tap_is(w_dma(claimed, pasid, VA(0), true), DMA_FAULT, "and what was unmapped is gone");
	tap_is(shim_suspend(), 0, "suspend after that");
	shim_resume();
	world_stop();
	tap_clean("no rule was broken");
}

/* Its registers do not answer after the resume. */
static void never_back(void)
{
	start_one(W_CAP, W_ECAP);
	bind_one();
	OK(shim_suspend());
	conduct.gone = conduct.stuck = true;
	shim_resume();
	tap_is(vtdp_unit_by_index(0)->state, VTDPASID_UNIT_BROKEN, "a unit that does not come back is broken");
	tap_ok(!pci_has_bme(claimed->pdev), "and its functions stay off");
	tap_clean("no rule was broken");
	tap_leave(0);
}

/* Virtual functions have their PASIDs by the physical one. */
static void virtual_function(void)
{
	struct wfn *pf, *vf;

	start_one(W_CAP, W_ECAP);
	/* The virtual one is the first to wake up. */
	vf = claimed;
	pf = w_more(0, 0x11);
	vf->pdev->is_virtfn = true;
	vf->pdev->physfn = pf->pdev;
	pf->pdev->multifunction = pf->pdev->has_acs = true;
	OK(w_attach(0, pf, 0));
	bind_one();
	for (unsigned int i = 0; i < 2; i++) {
		OK(shim_suspend());
		if (!i) {
			model_power_cycle(0);
			pci_power_cycle();
		}
		shim_resume();
		tap_ok(pci_has_bme(vf->pdev) && pci_has_bme(pf->pdev), "both go on");
		tap_is(w_dma(vf, pasid, VA(0), true), DMA_OK, "DMA of the virtual function");
	}
	world_stop();
	tap_clean("no rule was broken");
}

/* A queue that does not go off: the unit may not be left half off. */
static void queue_stays_on(void)
{
	start_one(W_CAP, W_ECAP);
	conduct.sticky = 1u << 26;
	tap_is(shim_suspend(), -ETIMEDOUT, "a queue that does not go off ends the suspend");
	tap_is(vtdp_unit_by_index(0)->state, VTDPASID_UNIT_BROKEN, "and breaks the unit");
	tap_clean("its queue is not set up anew");
	tap_leave(0);
}

static bool redirects(const struct pci_dev *port)
{
	return (pci_acs_ctrl(port) & VTDP_ACS_NEEDED) == VTDP_ACS_NEEDED;
}

/* It forgets what the PCI core does not know; then it forgets for good. */
static void ports(void)
{
	struct pci_dev *port;

	start_one(W_CAP, W_ECAP);
	port = w_port(0);
	bind_one();
	driven = w_fn(0, F_DRIVEN);
	OK(w_attach(0, driven, 0));
	pci_restored_hook = look_at_once;
	for (unsigned int i = 0; i < 2; i++) {
		OK(shim_suspend());
		model_power_cycle(0);
		pci_power_cycle();
		tap_ok(!redirects(port), "a port loses its access control services");
		shim_resume();
		tap_ok(redirects(port) && pci_has_bme(claimed->pdev), "and has them before DMA goes on");
		tap_ok(!at_once && pci_pasid_is_on(driven->pdev), "and before PASIDs of a driver's function");
		tap_is(w_dma(claimed, pasid, VA(0), true), DMA_OK, "DMA after");
	}
	pci_restored_hook = NULL;
	w_detach(0, driven);
	OK(shim_suspend());
	port->subordinate = NULL;
	shim_resume();
	tap_ok(!pci_has_bme(claimed->pdev), "one that has none any more: no DMA");
	expect_event(VTDPASID_EVENT_DEVICE_STOPPED, claimed, "no access control");
	OK(shim_suspend());
	shim_resume();
	tap_ok(!pci_has_bme(claimed->pdev), "nor after the next sleep");
	w_detach(0, claimed);
	port->subordinate = &w.bus[0];

	/* One that firmware told is not ours to tell again. */
	port->config[0x140 + PCI_ACS_CTRL] = VTDP_ACS_NEEDED;
	OK(w_attach(0, claimed, 0));
	OK(shim_suspend());
	pci_power_cycle();
	shim_resume();
	tap_ok(!redirects(port) && !pci_has_bme(claimed->pdev), "firmware's own is not restored: no DMA");
	w_detach(0, claimed);
	world_stop();
	tap_clean("no rule was broken");
}

static void sleep_badly(void (*lose)(struct pci_dev *pdev))
{
	start();
	OK(shim_suspend());
	for (unsigned int i = 0; i < 2; i++)
		model_power_cycle(i);
	pci_power_cycle();
	lose(claimed->pdev);
	lose(driven->pdev);
	shim_resume();
	tap_ok(!pci_has_bme(claimed->pdev), "a function that lost something stays off");
	expect_event(VTDPASID_EVENT_DEVICE_STOPPED, claimed, "it is stopped");
	expect_event(VTDPASID_EVENT_DEVICE_GONE, driven, "a driver's is detached");
	tap_ok(!driven->pdev->pri_enabled && !driven->pdev->ats_enabled, "without page requests and ATS");
	tap_ok(pci_has_bme(driven->pdev), "its driver goes on");
	tap_ok(pci_has_bme(other->pdev), "so does the other unit's");
	tap_clean("no rule was broken");
	tap_leave(0);
}

static void lose_all(struct pci_dev *pdev) { pdev->forgetful = true; }
static void lose_ats(struct pci_dev *pdev) { pdev->ats_fails = true; pdev->ats_enabled = false; }
static void lose_pri(struct pci_dev *pdev) { pdev->pri_enabled = false; }

/* Functions that are no longer what ATTACH found. */
static void without_pasids(void) { sleep_badly(lose_all); }
static void without_ats(void) { sleep_badly(lose_ats); }
static void without_pri(void) { sleep_badly(lose_pri); }

/* Units are left as they were found. */
static void rebooted(void)
{
	start();
	shim_reboot();
	tap_ok(all_off(), "all is off");
	tap_ok(!pci_has_bme(claimed->pdev) && !pci_has_bme(other->pdev), "ours do no DMA any more");
	tap_ok(!pci_ats_is_on(claimed->pdev) && !pci_pri_is_on(claimed->pdev) && !claimed->pdev->pasid_enabled,
	       "ATS, page requests and PASIDs are off");
	tap_ok(!pci_ats_is_on(driven->pdev) && !driven->pdev->pasid_enabled && pci_has_bme(driven->pdev),
	       "a driver's keeps its own DMA");
	for (unsigned int i = 0; i < 2; i++) {
		tap_is(model_reg(i, 0x20), FIRMWARE_ROOT, "unit %u: RTADDR as firmware had it", i);
		tap_is(vtdp_unit_by_index(i)->state, VTDPASID_UNIT_BROKEN, "unit %u: nobody uses it again", i);
	}
	tap_clean("no rule was broken");
	tap_leave(0);
}

/* The driver of a virtual function has work left when its PASIDs go. */
static void rebooted_virtual(void)
{
	struct wfn *pf;

	start_one(W_CAP, W_ECAP);
	pf = claimed;
	driven = w_fn(0, F_DRIVEN);
	driven->pdev->is_virtfn = true;
	driven->pdev->physfn = pf->pdev;
	OK(w_attach(0, pf, 0));
	OK(w_attach(0, driven, 0));
	shim_reboot();
	tap_ok(pci_has_bme(driven->pdev) && !pci_pasid_is_on(pf->pdev), "the driver of a virtual function keeps its own DMA");
	tap_clean("no rule was broken");
	tap_leave(0);
}

/* Nor does it hang for one that stays on. */
static void rebooted_on(void)
{
	start();
	conduct.sticky = 1u << 31;
	shim_reboot();
	tap_ok(model_translating(0) && model_translating(1), "units that stay on are left on");
	tap_ok(!pci_has_bme(claimed->pdev) && !pci_has_bme(other->pdev), "ours do no DMA any more");
	tap_clean("their tables stay, too");
	tap_leave(0);
}

static void refused(void)
{
	shim_init();
	for (long n = 1; n <= 2; n++) {
		shim_fail_at = n;
		tap_ok(vtdp_power_init(), "no notifier, no load");
		tap_ok(shim_sleep_unused(), "and nothing stays registered");
	}
	shim_fail_at = 0;
	OK(vtdp_power_init());
	vtdp_power_exit();
	tap_ok(shim_sleep_unused(), "nor after unload");
	tap_clean("no rule was broken");
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(slept);
	tap_part(slept_plain);
	tap_part(half);
	tap_part(waited_for);
	tap_part(never_back);
	tap_part(virtual_function);
	tap_part(queue_stays_on);
	tap_part(ports);
	tap_part(without_pasids);
	tap_part(without_ats);
	tap_part(without_pri);
	tap_part(rebooted);
	tap_part(rebooted_virtual);
	tap_part(rebooted_on);
	tap_part(refused);
	return tap_done();
}
