// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_prq.c - page requests as a broken device may send them, while bindings
 * and attachments come and go
 *
 * Each request that ends a group, and is no stop marker, has one answer with
 * its requester id, PASID and number; nothing else has one.
 */
#include "fuzz.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (u64)(n) * 0x1000ull)
#define MAX_STEPS 200
#define MAX_WAITING 512

static struct waiting { u16 rid, group; bool pp; u32 pasid; } waiting[MAX_WAITING];
static unsigned int nr_waiting;

static struct waiting *find(u16 rid, bool pp, u32 pasid, u16 group)
{
	for (unsigned int i = 0; i < nr_waiting; i++)
		if (waiting[i].rid == rid && waiting[i].pp == pp && waiting[i].pasid == pasid && waiting[i].group == group)
			return &waiting[i];
	return NULL;
}

static void answered(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code)
{
	struct waiting *g = find(rid, pp, pp ? pasid : 0, group);

	if (!g || (code > 1 && code != MODEL_LOST)) {
		fprintf(stderr, "answer %u to %#x, PASID %d, group %u: nobody waits for it\n", code, rid, pp ? (int)pasid : -1, group);
		abort();
	}
	*g = waiting[--nr_waiting];
}

static void request(struct input *in)
{
	u8 a = input_u8(in), b = input_u8(in);
	struct wfn *fn = &w.fn[a & 1 ? F_CLAIMED : F_DRIVEN];
	struct wbinding *bound = &w.wb[a >> 1 & 3];
	u16 rid = a & 0x40 ? input_u32(in) : pci_dev_id(fn->pdev), group = b & 7;
	bool pp = !(a & 0x20);
	u32 pasid = pp ? (bound->pasid && bound->pasid != NO_PASID ? bound->pasid : 1) : 0;
	u64 qw0, qw1;

	if (a & 0x80 && pp)
		pasid = input_u32(in) & 0xfffff;
	qw0 = 1 | (pp ? 256 : 0) | (u64)rid << 16 | (u64)pasid << 32;
	qw1 = VA(b >> 6) | (b >> 3 & 7) | group << 3;
	/* Bits that mean nothing, or nothing good. */
	if ((b & 0x38) == 0x38) {
		qw0 ^= (u64)input_u8(in) << 52 | (input_u8(in) & 6);
		qw1 ^= (u64)input_u8(in) << 47;
	}
	if ((qw1 & 7) == 4) {
		model_page_request_raw(0, qw0, qw1);
	} else if (!(qw1 & 4)) {
		model_page_request_raw(0, qw0, qw1);
	} else if (nr_waiting < MAX_WAITING && !find(rid, pp, pasid, group)) {
		waiting[nr_waiting++] = (struct waiting){ rid, group, pp, pasid };
		if (!model_page_request_raw(0, qw0, qw1))
			nr_waiting--;
	}
}

static void unbind_task(void *arg) { w_unbind(arg); }

static void step(struct input *in)
{
	u8 op = input_u8(in), a;

	if (op < 0xa0) {
		request(in);
		return;
	}
	a = input_u8(in);
	switch (op & 15) {
	case 0: case 1: case 2: shim_run_work(); co_finish(); break;
	case 3: case 4: shim_run_work(); break;
	case 5: case 6: co_step(); break;
	case 7: model_activity(); break;
	case 8:
		if (co_active() < 6)
			co_start("unbind", NULL, unbind_task, &w.wb[a & 3]);
		break;
	case 9: w_bind(0, &w.fn[a & 1 ? F_CLAIMED : F_DRIVEN], w.proc[a >> 1 & 1], a & 4, 0, NULL); break;
	case 10: w_attach(0, &w.fn[a & 1 ? F_CLAIMED : F_DRIVEN], a & 2 ? 3 : a & 4 ? 1 : 0); break;
	case 11: w_detach(0, &w.fn[a & 1 ? F_CLAIMED : F_DRIVEN]); break;
	case 12: umm_map(w.proc[a & 1], VA(a >> 1 & 3), PAGE_SIZE, a & 8, false); break;
	case 13: umm_unmap(w.proc[a & 1], VA(0), VA(a >> 1 & 3)); break;
	case 14: sched_preempt = a & 7; break;
	case 15: umm_protect(w.proc[a & 1], VA(0), VA(3), a & 2); break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i, steps;

	fuzz_begin();
	nr_waiting = 0;
	world_start_simple(W_CAP, W_ECAP, 1);
	model_response_hook = answered;
	conduct.lazy = 2;
	w_takeover(0);
	w_open(0);
	w_attach(0, w_fn(0, F_CLAIMED), 3);
	w_attach(0, w_fn(0, F_DRIVEN), 3);
	for (steps = 0; in.left && steps < MAX_STEPS; steps++)
		step(&in);
	sched_preempt = 0;
	co_finish();
	for (i = 0; i < 400 && nr_waiting; i++) {
		model_activity();
		shim_run_work();
		co_finish();
	}
	if (nr_waiting) {
		fprintf(stderr, "%u groups without an answer\n", nr_waiting);
		abort();
	}
	world_stop();
	return 0;
}
