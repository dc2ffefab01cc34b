// SPDX-License-Identifier: GPL-2.0-only
/* test_qi.c - descriptors against vectors laid out by hand, and the queue */
#include "tap.h"
#include "world.h"

static u64 seen[2048][4];
static unsigned int nseen;

static void see(unsigned int unit, const u64 *qw)
{
	memcpy(seen[nseen++ % 2048], qw, 32);
}

static struct vtdp_unit *unit;

static void start(u64 cap, u64 ecap)
{
	world_start_simple(cap, ecap, 1);
	prefetch_pick = NULL;
	sched_hook = NULL;
	w_takeover(0);
	unit = vtdp_unit_by_index(0);
	model_desc_hook = see;
	nseen = 0;
}

static void stop(void)
{
	model_desc_hook = NULL;
	world_stop();
	tap_clean("no rule was broken");
}

#define WAIT	(1ull << 32 | 1 << 5 | 5)

static void expect(u64 q0, u64 q1, const char *what)
{
	bool ok = nseen >= 1 && seen[0][0] == q0 && seen[0][1] == q1 && !seen[0][2] && !seen[0][3];

	if (!tap_ok(ok, "%s", what))
		printf("# got %016llx %016llx, want %016llx %016llx\n", seen[0][0], seen[0][1], q0, q1);
	nseen = 0;
}

static void one(struct vtdp_batch *b, unsigned int n)
{
	if (vtdp_qi_start(unit, b, n))
		abort();
}

static void encoders(void)
{
	struct vtdp_device dev = { .rid = 0xbeef, .ats_qdep = 0x15, .pfsid = 0xbee8 };
	struct vtdp_batch b;

	start(W_CAP, W_ECAP | E_DIT);
	one(&b, 1);
	vtdp_qi_context_global(&b);
	vtdp_qi_finish(&b);
	tap_is(nseen, 2, "one descriptor and its wait");
	tap_ok(seen[1][0] == WAIT && !(seen[1][1] & 3), "the wait sets its word to 1");
	expect(0x11, 0, "context cache, global");
	one(&b, 1);
	vtdp_qi_context_device(&b, 0x1234, 0xabcd);
	vtdp_qi_finish(&b);
	expect(0x0000abcd12340031ull, 0, "context cache, device");
	one(&b, 1);
	vtdp_qi_pasid_cache(&b, VTD_QI_PC_DOMAIN, 0xffff, 0);
	vtdp_qi_finish(&b);
	expect(0xffff0007ull, 0, "PASID cache, domain");
	one(&b, 1);
	vtdp_qi_pasid_cache(&b, VTD_QI_PC_PASID, 1, 0xfffff);
	vtdp_qi_finish(&b);
	expect(0x000fffff00010017ull, 0, "PASID cache, PASID");
	one(&b, 1);
	vtdp_qi_pasid_cache(&b, VTD_QI_PC_GLOBAL, 0, 0);
	vtdp_qi_finish(&b);
	expect(0x37, 0, "PASID cache, global");
	one(&b, 1);
	vtdp_qi_iotlb(&b, VTD_QI_IOTLB_GLOBAL, 0);
	vtdp_qi_finish(&b);
	expect(0xd2, 0, "IOTLB, global, with both drains");
	one(&b, 1);
	vtdp_qi_iotlb(&b, VTD_QI_IOTLB_DOMAIN, 0x8001);
	vtdp_qi_finish(&b);
	expect(0x800100e2ull, 0, "IOTLB, domain");
	one(&b, 1);
	vtdp_qi_piotlb(&b, 1, 0x12345, 0, 0, true);
	vtdp_qi_finish(&b);
	expect(0x0001234500010026ull, 0, "PASID IOTLB, all");
	one(&b, 1);
	vtdp_qi_piotlb(&b, 1, 0x12345, 0x7fffdeadb000ull, 0x7fffdeadbfffull, false);
	vtdp_qi_finish(&b);
	expect(0x0001234500010036ull, 0x7fffdea00009ull, "PASID IOTLB, a page: mask 9");
	one(&b, 1);
	vtdp_qi_devtlb(&b, &dev, 0, 0x12345000, 0x12345fff, false);
	vtdp_qi_finish(&b);
	expect(0xbee0beef00158003ull, 0x12345000, "device TLB, a page");
	one(&b, 1);
	vtdp_qi_devtlb(&b, &dev, 0, 0x12345000, 0x12346fff, false);
	vtdp_qi_finish(&b);
	expect(0xbee0beef00158003ull, 0x12345001, "device TLB, 16 KiB around it");
	one(&b, 1);
	vtdp_qi_devtlb(&b, &dev, 0x54321, 0, 0, true);
	vtdp_qi_finish(&b);
	expect(0xbee54321beef8158ull, 0x7ffffffffffff800ull, "PASID device TLB, all");
	stop();
}

/* Drains are reserved where the unit has none. */
static void no_drains(void)
{
	struct vtdp_batch b;

	start(W_CAP & ~(3ull << 54), W_ECAP);
	one(&b, 1);
	vtdp_qi_iotlb(&b, VTD_QI_IOTLB_GLOBAL, 0);
	vtdp_qi_finish(&b);
	expect(0x12, 0, "IOTLB without drains");
	stop();
}

/* Each range is covered, by the smallest block, and not by less than 2 MiB. */
static void masks(void)
{
	static const unsigned int mamv[] = { 0, 8, 9, 18, 63 };
	struct vtdp_device dev = { .rid = 1 };
	unsigned int i, k, bad = 0, badtlb = 0;
	struct vtdp_batch b;

	for (k = 0; k < ARRAY_SIZE(mamv); k++) {
		start((W_CAP & ~C_MAMV(63)) | C_MAMV(mamv[k]), W_ECAP);
		for (i = 0; i < 4000; i++) {
			u64 first = ((u64)rnd() << 32 | rnd()) & 0x7fffffffffffull >> rnd_below(48) & ~0xfffull;
			u64 last = first + ((((u64)rnd() << 20 | rnd()) >> rnd_below(52)) & 0x3fffffffffffull);
			u64 q0, q1, base, size;
			unsigned int am;

			last |= 0xfff;
			one(&b, 2);
			vtdp_qi_piotlb(&b, 1, 7, first, last, false);
			vtdp_qi_devtlb(&b, &dev, 7, first, last, false);
			nseen = 0;
			vtdp_qi_finish(&b);
			q0 = seen[0][0];
			q1 = seen[0][1];
			am = q1 & 63;
			size = 0x1000ull << am;
			base = q1 & ~0xfffull;
			if ((q0 >> 4 & 3) == 3) {
				bad += am > mamv[k] || am < 9 || base & (size - 1) || first < base || last > base + size - 1;
				/* half of it would not do */
				bad += am > 9 && (first & ~(size / 2 - 1)) == (last & ~(size / 2 - 1));
			} else {
				u64 x = first ^ last;

				bad += (q0 >> 4 & 3) != 2 || (mamv[k] >= 9 && x < 0x1000ull << mamv[k]);
			}
			/* The device's: bits from 12 up to the first 0 (6.5.2.6). */
			if ((seen[2][0] & 15) != 8) {
				badtlb++;
				continue;
			}
			q1 = seen[2][1];
			size = 0x1000;
			if (q1 >> 11 & 1)
				for (am = 12, size = 0x2000; am < 63 && q1 >> am & 1; am++)
					size <<= 1;
			base = q1 & ~0xfffull & ~(size - 1);
			badtlb += first < base || last - base > size - 1;
			badtlb += size > 0x1000 && (first & ~(size / 2 - 1)) == (last & ~(size / 2 - 1));
		}
		stop();
	}
	tap_is(bad, 0, "unit: 20000 random ranges are covered, by the smallest block");
	tap_is(badtlb, 0, "device: 20000 random ranges are covered, by the smallest block");
}

/* More batches than the ring has room for; the ring wraps. */
static void wraps(void)
{
	struct vtdp_batch b;
	unsigned int i, bad = 0, n;

	start(W_CAP, W_ECAP);
	conduct.lazy = 3;
	for (i = 0; i < 3000; i++) {
		n = 1 + rnd_below(40);
		one(&b, n);
		while (n--)
			vtdp_qi_pasid_cache(&b, VTD_QI_PC_PASID, 1, i & 0xfffff);
		bad += !!vtdp_qi_finish(&b);
		bad += !model_idle(0) && conduct.in_order;
	}
	tap_is(bad, 0, "3000 batches of all sizes");
	stop();
}

static unsigned int running;
static void submitter(void *arg)
{
	struct vtdp_batch b;
	unsigned int i, n;

	for (i = 0; i < 60; i++) {
		n = 1 + rnd_below(300);
		if (vtdp_qi_start(unit, &b, n)) {
			fail_rule("queue", "no room, or broken");
			break;
		}
		while (n--)
			vtdp_qi_pasid_cache(&b, VTD_QI_PC_PASID, 1, i);
		if (vtdp_qi_finish(&b))
			fail_rule("queue", "batch failed");
	}
	running--;
}

static void crowded(void)
{
	unsigned int i;

	start(W_CAP, W_ECAP);
	conduct.lazy = 2;
	sched_preempt = 3;
	running = 6;
	for (i = 0; i < 6; i++)
		co_start("submitter", NULL, submitter, NULL);
	co_finish();
	tap_is(running, 0, "six submitters fill the ring many times over");
	stop();
}

/* A broken unit leaves memory behind, on purpose. */
static void broken_end(void)
{
	world_stop();
	tap_clean("no rule was broken");
	tap_leave(0);
}

static void stuck(void)
{
	struct vtdp_batch b;
	u64 t;

	start(W_CAP, W_ECAP);
	one(&b, 1);
	vtdp_qi_pasid_cache(&b, VTD_QI_PC_PASID, 1, 1);
	conduct.stuck = true;
	w.broken = true;
	t = shim_time_ns();
	tap_is(vtdp_qi_finish(&b), -EIO, "a unit that stands still is EIO");
	t = shim_time_ns() - t;
	tap_ok(t < 1000000000, "in %llu ms", t / 1000000);
	tap_is(vtdp_qi_begin(unit, &b, 1), -EIO, "afterwards at once");
	broken_end();
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(encoders);
	tap_part(no_drains);
	tap_part(masks);
	tap_part(wraps);
	tap_part(crowded);
	tap_part(stuck);
	return tap_done();
}
