// SPDX-License-Identifier: GPL-2.0-only
/* test_fault.c - fault records (11.4.7.6), laid out by hand */
#include "tap.h"
#include "world.h"

#define F	(1ull << 63)
#define READ	(1ull << 62)
#define PP	(1ull << 31)

static void decode(void)
{
	struct vtdpasid_event e = {};

	tap_ok(!vtdp_fault_decode(0x1000, READ, &e), "a record without F is none");
	tap_ok(vtdp_fault_decode(0x7fff12345000ull, F | READ | PP | 0x71ull << 32 | 0x54321ull << 40 | 0x1234, &e), "a read with PASID");
	tap_ok(e.type == VTDPASID_EVENT_FAULT && e.flags == VTDPASID_EVENT_PASID, "its type and flags");
	tap_is(e.pasid, 0x54321, "PASID of 20 bits");
	tap_is(e.rid, 0x1234, "requester id");
	tap_is(e.reason, 0x71, "reason");
	tap_is(e.addr, 0x7fff12345000ull, "address");
	tap_ok(vtdp_fault_decode(0x12345fffull, F | 0x85ull << 32 | 0xffff, &e), "a write without");
	tap_ok(e.flags == VTDPASID_EVENT_WRITE && !e.pasid && e.rid == 0xffff, "its flags and requester id");
	tap_is(e.addr, 0x12345000, "the low twelve bits are no address");
	vtdp_fault_decode(0, F | 0xfffffull << 40 | 1ull << 28, &e);
	tap_is(e.pasid, 0, "no PASID without PP");
	tap_ok(!(e.flags & VTDPASID_EVENT_WRITE), "T2: a page request is no write");
	vtdp_fault_decode(~0ull, ~0ull, &e);
	tap_ok(e.pasid == 0xfffff && e.reason == 0xff && e.rid == 0xffff, "all ones");
}

static void reasons(void)
{
	unsigned int i, named = 0;

	for (i = 0; i < 256; i++) {
		const char *s = vtdp_fault_reason(i);

		named += s && *s && strcmp(s, "unknown reason");
	}
	tap_ok(named > 30, "%u reasons have names, the others are unknown", named);
	tap_ok(strstr(vtdp_fault_reason(0x59), "not present") && strstr(vtdp_fault_reason(0x5a), "reserved") &&
	       strstr(vtdp_fault_reason(0x71), "not present") && strstr(vtdp_fault_reason(0x81), "U/S"),
	       "those that matter have the right ones");
}

/* Works come in any order, those that have nothing to do among them. */
static void read_records(void)
{
	for (int i = 0; i < 40; i++) {
		shim_run_work();
		co_finish();
	}
}

/* Through a unit: recorded, read, cleared, delivered to whom it concerns. */
static void delivered_by(u64 cap)
{
	struct vtdpasid_event e;
	struct wfn *fn;
	u32 pasid;

	world_start_simple(cap | 3ull << 40, W_ECAP, 1);
	w_takeover(0);
	w_open(0);
	w_open(1);
	fn = w_fn(0, F_CLAIMED);
	tap_is(w_attach(0, fn, 0), 0, "attach");
	tap_is(w_bind(0, fn, w.proc[0], false, 0, &pasid), 0, "bind");
	tap_is(w_dma(fn, pasid, 0x7f0000001000ull, true), DMA_FAULT, "DMA to what is not mapped");
	tap_is(w_dma(fn, pasid + 1, 0x2000, false), DMA_FAULT, "DMA with an unbound PASID");
	while (shim_run_work())
		if (vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true) == sizeof(e))
			break;
		else
			co_finish();
	tap_ok(e.type == VTDPASID_EVENT_FAULT && e.pasid == pasid && e.addr == 0x7f0000001000ull &&
	       e.flags == (VTDPASID_EVENT_WRITE | VTDPASID_EVENT_PASID) && e.binding, "the first is delivered");
	tap_is(vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true), sizeof(e), "and the second");
	tap_ok(e.pasid == pasid + 1 && e.reason == 0x59 && !e.binding && e.device, "with its reason");
	tap_is(vtdp_events_read(&w.client[1]->events, (void *)&e, sizeof(e), true), -EAGAIN, "another file hears nothing");

	for (int i = 0; i < 10; i++)
		w_dma(fn, pasid, 0x7f0000001000ull + i * 4096, false);
	read_records();
	for (int i = 0; i < 4; i++)
		tap_is(vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true), sizeof(e), "record %d of 4", i);
	tap_ok(e.flags & VTDPASID_EVENT_OVERFLOW, "more than there are records is an overflow");
	tap_is(vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true), -EAGAIN, "the others are lost");
	w_dma(fn, pasid, 0x7f0000001000ull, false);
	read_records();
	tap_is(vtdp_events_read(&w.client[0]->events, (void *)&e, sizeof(e), true), sizeof(e), "recording goes on");
	world_stop();
	tap_clean("no rule was broken");
}

static void delivered(void)
{
	delivered_by(W_CAP);
}

/* CAP.FRO says that the records are in the second page of the registers. */
static void delivered_far(void)
{
	delivered_by(W_CAP_WITH(0x101ull << 24, 0x3ffull << 24));
}

/* Whom nobody owns, and who goes on trying, loses its bus mastering. */
static void stray(void)
{
	struct wfn *unowned, *fn;
	u32 pasid;

	world_start_simple(W_CAP, W_ECAP, 1);
	sched_hook = NULL;
	prefetch_pick = NULL;
	w_takeover(0);
	w_open(0);
	fn = w_fn(0, F_CLAIMED);
	unowned = w_fn(0, F_UNOWNED);
	tap_is(w_attach(0, fn, 0), 0, "attach");
	tap_is(w_bind(0, fn, w.proc[0], false, 0, &pasid), 0, "bind");
	for (int i = 0; i < 1000 && pci_has_bme(unowned->pdev); i++) {
		w_dma(unowned, NO_PASID, 0x1000, true);
		w_dma(fn, pasid + 1, 0x1000, true);
		shim_run_work();
		co_finish();
	}
	tap_ok(!pci_has_bme(unowned->pdev), "a function that nobody owns is cut off");
	tap_ok(pci_has_bme(fn->pdev), "one that is attached has its faults");
	world_stop();
	tap_clean("no rule was broken");
}

/* Readers of events: so many in 20 ms, then a rest until they are over. */
#define MOST	128

static void paced(void)
{
	struct vtdp_pace pace = {};
	u64 start = shim_time_ns();
	unsigned long rest;
	unsigned int i, read = 0;

	tap_is(vtdp_pace(&pace, MOST - 1, MOST), 0, "no rest for few events");
	rest = vtdp_pace(&pace, 1, MOST);
	tap_ok(rest > 0 && rest <= VTDP_PACE_MS, "a rest after %d (%lu ms)", MOST, rest);
	tap_is(vtdp_pace(&pace, 1, MOST), rest, "and after more");
	shim_advance_ns(rest * 1000000);
	tap_is(vtdp_pace(&pace, 1, MOST), 0, "then no more");
	shim_advance_ns(1000000000);
	tap_is(vtdp_pace(&pace, 0, MOST), 0, "nor after long silence");

	/* A reader that always finds something, and takes no time for it. */
	pace = (struct vtdp_pace){};
	start = shim_time_ns();
	for (i = 0; i < 100000 && shim_time_ns() < start + 1000000000; i++) {
		read += 16;
		shim_advance_ns(vtdp_pace(&pace, 16, MOST) * 1000000);
	}
	tap_is(read, 50 * MOST, "a flood: read in one second");
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(decode);
	tap_part(reasons);
	tap_part(delivered);
	tap_part(delivered_far);
	tap_part(stray);
	tap_part(paced);
	return tap_done();
}
