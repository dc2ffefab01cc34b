// SPDX-License-Identifier: GPL-2.0-only
/*
 * s_atc.c - what a device TLB holds ends when it must
 *
 * The test device caches translations until it is told otherwise, and its
 * translated accesses are checked by nobody. So each way in which a page, a
 * binding or a process can go must bring an invalidation to the device before
 * the call returns. The device's counters prove that the cache was in use
 * before, and that an invalidation for that page came.
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "svalib.h"

#define MARK	0x6d61726b6d61726bULL
#define JUNK	0x6a756e6b6a756e6bULL

static struct bed bed;
static struct svat *dev;
static uint32_t binding, pasid;

static void begin(uint32_t flags)
{
	int rc;

	bed_open_flags(&bed, 2, 2, flags);
	dev = &bed.dev[0];
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
}

/* Counters of the device's cache. */
struct atc {
	uint64_t hits, dropped, invalidations, entries;
};

static void atc_get(const struct svat *d, struct atc *a)
{
	a->hits = svat_get(d, SVAT_N_ATC_HITS);
	a->dropped = svat_get(d, SVAT_N_ATC_DROPPED);
	a->invalidations = svat_get(d, SVAT_N_INVALIDATIONS);
	a->entries = svat_get(d, SVAT_ATC_ENTRIES);
}

/* The device uses the page through its cache: the second time without asking. */
static bool cached(struct svat *d, int chan, long p, volatile uint64_t *addr, bool write)
{
	struct atc a[2];
	uint64_t word;
	int i, st = 0;

	atc_get(d, &a[0]);
	for (i = 0; i < 3 && !st; i++)
		st = write ? sva_write64(d, chan, p, SVAT_F_ATC, addr, JUNK) :
			     sva_read64(d, chan, p, SVAT_F_ATC, addr, &word);
	atc_get(d, &a[1]);
	return !st && a[1].hits - a[0].hits >= 2 && a[1].entries;
}

static bool invalidated(struct svat *d, const struct atc *before, long p, const volatile void *addr,
			size_t len)
{
	uint64_t first = svat_get(d, SVAT_INV_ADDR), size = svat_get(d, SVAT_INV_SIZE);
	uint64_t who = svat_get(d, SVAT_INV_PASID);
	struct atc a;
	bool ok;

	atc_get(d, &a);
	ok = a.invalidations > before->invalidations && a.dropped > before->dropped;
	/* The last may be another's: a parent's copy-on-write, after its fork(). */
	if (who == (p == NO_PASID ? SVAT_NO_PASID : (uint64_t)p))
		ok &= !size || (first <= (uintptr_t)addr && first + size >= (uintptr_t)addr + len);
	else
		ok &= a.invalidations >= before->invalidations + 2;
	if (!ok)
		tap_diag("%d invalidations, %d entries dropped; last: %#llx + %#llx, PASID %#llx",
			 (int)(a.invalidations - before->invalidations),
			 (int)(a.dropped - before->dropped), (long long)first, (long long)size,
			 (long long)who);
	return ok;
}

/* ---- ways to give a page up ------------------------------------------------------ */

struct way {
	const char *name;
	size_t size;
	int (*give_up)(void *p, size_t size);
	bool write_only;	/* reading stays allowed */
	bool keeps;		/* the page is not freed */
	bool many;		/* other ranges are invalidated, too, and later */
};

/* So that nothing else gets that address, where the device may see it. */
static void plug(void *p, size_t size)
{
	mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static int by_munmap(void *p, size_t size) { return munmap(p, size); }
static int by_dontneed(void *p, size_t size) { return madvise(p, size, MADV_DONTNEED); }
static int by_none(void *p, size_t size) { return mprotect(p, size, PROT_NONE); }
static int by_read_only(void *p, size_t size) { return mprotect(p, size, PROT_READ); }

static int by_map_fixed(void *p, size_t size)
{
	return mmap(p, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p ? 0 : -1;
}

static int by_mremap(void *p, size_t size)
{
	/* What was there before goes. */
	return mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, 7 * SLOT) == MAP_FAILED ? -1 : 0;
}

static int by_fork(void *p, size_t size)
{
	pid_t pid = fork();
	int status;

	(void)p;
	(void)size;
	if (!pid)
		_exit(0);
	/* The child is gone, its copy too, but the page table says read-only. */
	return pid < 0 || waitpid(pid, &status, 0) != pid;
}

static const struct way ways[] = {
	{ "munmap of a page", PAGE, by_munmap, false, false, false },
	{ "munmap of 3 pages", 3 * PAGE, by_munmap, false, false, false },
	{ "munmap of 2 MiB", HUGE, by_munmap, false, false, false },
	{ "MADV_DONTNEED", PAGE, by_dontneed, false, false, false },
	{ "mmap MAP_FIXED over it", PAGE, by_map_fixed, false, false, false },
	{ "mremap", PAGE, by_mremap, false, true, false },
	{ "mprotect to PROT_NONE", PAGE, by_none, false, true, false },
	{ "mprotect to PROT_READ", PAGE, by_read_only, true, true, false },
	{ "fork (copy on write)", PAGE, by_fork, true, true, true },
};

/* One access at a time. */
static void try_way(const struct way *w, bool write)
{
	const char *how = write ? "write" : "read";
	uint64_t *p = must_map(w->size), phys, word;
	volatile uint64_t *last = p + (w->size - PAGE) / 8;
	struct reuse r = { 0 };
	struct atc before;
	bool before_ok;
	int st[2];

	p[0] = 1;
	/* The kernel may move a page any time: then it is dropped before it is given up. */
	atc_get(dev, &before);
	before_ok = cached(dev, 0, pasid, p, write) && cached(dev, 1, pasid, last, write);
	tap_ok(before_ok, "%s: before it, the device %ss from its cache", w->name, how);
	phys = phys_of(p);
	if (w->give_up(p, w->size))
		tap_bail("%s: %m", w->name);
	if (w->many)
		tap_ok(svat_get(dev, SVAT_N_INVALIDATIONS) > before.invalidations &&
		       svat_get(dev, SVAT_N_ATC_DROPPED) > before.dropped,
		       "%s: brings invalidations", w->name);
	else
		tap_ok(invalidated(dev, &before, pasid, p, w->size), "%s: brings an invalidation",
		       w->name);
	plug(p, w->size);
	if (!w->keeps)
		reuse_begin(&r, phys, MARK, 2048);
	st[0] = write ? sva_write64(dev, 0, pasid, SVAT_F_ATC, p, JUNK + 1) :
			sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word);
	st[1] = write ? sva_write64(dev, 0, pasid, SVAT_F_ATC, last, JUNK + 1) :
			sva_read64(dev, 0, pasid, SVAT_F_ATC, last, &word);
	tap_ok(st[0] == SVAT_ST_ATS_DENIED && st[1] == SVAT_ST_ATS_DENIED,
	       "%s: after it, no %s (%s, %s)", w->name, how, svat_status(st[0]), svat_status(st[1]));
	if (!w->keeps) {
		if (!r.hit)
			tap_diag("the page did not come back");
		tap_is(reuse_damage(&r, MARK), 0, "%s: whoever got the page is not hurt", w->name);
		reuse_end(&r);
	}
	munmap(p, w->size);
}

/* The device never pauses. */
static void try_loop(const struct way *w)
{
	struct { int before, late, damaged, after; } n = { 0 };
	int i, rounds = w->size == HUGE ? 10 : 60;
	uint64_t *p, phys, ok_at, ok_end;
	struct reuse r;

	for (i = 0; i < rounds; i++) {
		p = must_map(w->size);
		svat_set(dev, SVAT_BUF(2), JUNK);
		chan_set(dev, 2, SVAT_CH_PERIOD, 20000);
		sva_start(dev, 2, SVAT_CMD_DMA, pasid, SVAT_F_ATC | SVAT_F_WRITE | SVAT_F_REPEAT, p, 8);
		svat_loop_rounds(dev, 2, 3);
		n.before += chan_get(dev, 2, SVAT_CH_N_OK) >= 3;
		phys = phys_of(p);
		if (w->give_up(p, w->size))
			tap_bail("%s: %m", w->name);
		ok_at = chan_get(dev, 2, SVAT_CH_N_OK);
		memset(&r, 0, sizeof(r));
		plug(p, w->size);
		if (!w->keeps)
			reuse_begin(&r, phys, MARK, 512);
		svat_loop_rounds(dev, 2, 4);
		sva_stop(dev, 2);
		ok_end = chan_get(dev, 2, SVAT_CH_N_OK);
		n.late += ok_end != ok_at;
		n.after += chan_get(dev, 2, SVAT_CH_N_FAIL) > 0;
		if (!w->keeps) {
			n.damaged += reuse_damage(&r, MARK) != 0;
			reuse_end(&r);
		}
		munmap(p, w->size);
	}
	tap_ok(n.before == rounds && n.after == rounds && !n.late && !n.damaged,
	       "%s, under a loop of writes: in %d of %d rounds none after it, %d damaged pages",
	       w->name, rounds - n.late, rounds, n.damaged);
}

static void pages(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!ways[i].write_only)
			try_way(&ways[i], false);
		try_way(&ways[i], true);
		if (ways[i].give_up != by_fork)
			try_loop(&ways[i]);
	}
}

/* Precise where it can be: the cache is worth something. */
static void neighbours(void)
{
	uint64_t *p = must_map(4 * HUGE), *far;
	struct atc a[2];

	far = p + 3 * HUGE / 8;
	svat_set(dev, SVAT_CTRL, SVAT_CTRL_ATC_FLUSH);
	cached(dev, 0, pasid, p, false);
	cached(dev, 0, pasid, far, false);
	atc_get(dev, &a[0]);
	munmap(p, PAGE);
	atc_get(dev, &a[1]);
	plug(p, PAGE);
	tap_ok(a[1].entries == 1 && a[1].dropped - a[0].dropped == 1,
	       "what is 6 MiB away stays in the cache (%d entries)", (int)a[1].entries);
	munmap(p, 4 * HUGE);
}

/* Huge pages are one entry, whichever part of them goes. */
static void huge_page(void)
{
	uint64_t *p = map_thp(HUGE), *q, word;
	struct atc a;

	if (!p) {
		tap_skip(3, "the kernel gave no transparent huge page");
		return;
	}
	q = p + 100 * 512;
	svat_set(dev, SVAT_CTRL, SVAT_CTRL_ATC_FLUSH);
	tap_ok(cached(dev, 0, pasid, q, true), "a page in a huge one is in the cache");
	sva_run(dev, 0, SVAT_CMD_ATS, pasid, SVAT_F_WRITE, q, 8);
	tap_diag("translation of %d KiB", (int)(chan_get(dev, 0, SVAT_CH_XLAT_SIZE) / 1024));
	atc_get(dev, &a);
	munmap(p + 50 * 512, PAGE);
	tap_ok(invalidated(dev, &a, pasid, p + 50 * 512, PAGE), "munmap of another page in it invalidates");
	tap_is(sva_read64(dev, 0, pasid, SVAT_F_ATC, p + 50 * 512, &word), SVAT_ST_ATS_DENIED,
	       "the page that went cannot be read");
	munmap(p, HUGE);
}

static void hugetlb(void)
{
	uint64_t *p, word;
	struct atc a;

	p = hugetlb_reserve(1) < 1 ? MAP_FAILED :
	    mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		tap_skip(3, "no hugetlb page to be had");
		return;
	}
	p[0] = 1;
	tap_ok(cached(dev, 0, pasid, p + 300 * 512, true), "the middle of a hugetlb page is in the cache");
	atc_get(dev, &a);
	munmap(p, HUGE);
	tap_ok(invalidated(dev, &a, pasid, p, HUGE), "munmap of the hugetlb page invalidates all of it");
	tap_is(sva_read64(dev, 0, pasid, SVAT_F_ATC, p + 300 * 512, &word), SVAT_ST_ATS_DENIED,
	       "and it cannot be read");
}

/* Both devices of a process hear of it. */
static void two_devices(void)
{
	struct svat *other = &bed.dev[1];
	uint64_t *p = must_map(PAGE), word;
	uint32_t b, q;
	struct atc a[2];

	if (vt_bind(bed.fd, bed.id[1], 0, 0, &b, &q))
		fatal("bind to the second device");
	tap_ok(cached(dev, 0, pasid, p, true) && cached(other, 0, q, p, true),
	       "two devices have the page in their caches");
	atc_get(dev, &a[0]);
	atc_get(other, &a[1]);
	munmap(p, PAGE);
	tap_ok(invalidated(dev, &a[0], pasid, p, PAGE) && invalidated(other, &a[1], q, p, PAGE),
	       "munmap invalidates in both");
	tap_ok(sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word) == SVAT_ST_ATS_DENIED &&
	       sva_read64(other, 0, q, SVAT_F_ATC, p, &word) == SVAT_ST_ATS_DENIED,
	       "neither reads it any more");
	vt_unbind(bed.fd, b);
}

/* ---- the end of a binding ---------------------------------------------------------- */

static void unbind(void)
{
	uint64_t *p = must_map(4 * PAGE), word;
	struct atc a, z;
	int i, rc, st;

	for (i = 0; i < 4; i++)
		cached(dev, 0, pasid, p + i * 512, true);
	p[0] = 5;
	/* A translation of now, to be used without asking when it is not valid. */
	sva_run(dev, 1, SVAT_CMD_ATS, pasid, SVAT_F_WRITE, p, 8);
	atc_get(dev, &a);
	tap_ok(a.entries >= 4, "before unbind the cache has %d entries", (int)a.entries);
	sva_start(dev, 2, SVAT_CMD_DMA, pasid, SVAT_F_ATC | SVAT_F_REPEAT, p, 8);
	svat_loop_rounds(dev, 2, 5);
	rc = vt_unbind(bed.fd, binding);
	word = chan_get(dev, 2, SVAT_CH_N_OK);
	tap_is(rc, 0, "unbind");
	tap_ok(invalidated(dev, &a, pasid, p, 4 * PAGE), "unbind: brings an invalidation");
	atc_get(dev, &z);
	tap_is(z.entries, 0, "unbind: nothing is left in the cache");
	svat_loop_rounds(dev, 2, 5);
	tap_is(chan_get(dev, 2, SVAT_CH_N_OK), word, "unbind: a loop of reads gets nothing any more");
	sva_stop(dev, 2);
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word);
	tap_is(st, SVAT_ST_ATS_DENIED, "unbind: nothing can be read");
	st = sva_write64(dev, 0, pasid, SVAT_F_ATC, p, 6);
	tap_ok(st == SVAT_ST_ATS_DENIED && p[0] == 5, "unbind: nor written");
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	tap_ok(!rc && sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word) == SVAT_ST_OK && word == 5,
	       "bound again, it can be read again");
	munmap(p, 4 * PAGE);
}

/* Requests without PASID are cached apart. */
static void no_pasid(void)
{
	uint64_t *p = must_map(PAGE), word;
	struct atc a;
	uint32_t b;
	int rc;

	vt_unbind(bed.fd, binding);
	rc = vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &b, NULL);
	if (!tap_is(rc, 0, "bound without PASID"))
		return;
	tap_ok(cached(dev, 0, NO_PASID, p, true), "without PASID: the device writes from its cache");
	atc_get(dev, &a);
	munmap(p, PAGE);
	tap_ok(invalidated(dev, &a, NO_PASID, p, PAGE), "without PASID: munmap brings an invalidation");
	tap_is(sva_read64(dev, 0, NO_PASID, SVAT_F_ATC, p, &word), SVAT_ST_ATS_DENIED,
	       "without PASID: no read after it");
	p = must_map(PAGE);
	cached(dev, 0, NO_PASID, p, true);
	atc_get(dev, &a);
	tap_is(vt_unbind(bed.fd, b), 0, "without PASID: unbind");
	tap_ok(invalidated(dev, &a, NO_PASID, p, PAGE), "without PASID: brings an invalidation");
	tap_is(sva_read64(dev, 0, NO_PASID, SVAT_F_ATC, p, &word), SVAT_ST_ATS_DENIED,
	       "without PASID: nothing can be read");
	munmap(p, PAGE);
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
}

struct bound {
	int rc;
	uint32_t pasid, binding;
	uint64_t *addr, phys;
};

static int mortal(int sock, void *arg)
{
	struct bound b = { 0 };
	char go;

	b.addr = must_map(PAGE);
	b.addr[0] = 0x5ec2e7;
	b.phys = phys_of(b.addr);
	b.rc = vt_bind(bed.fd, bed.id[0], 0, 0, &b.binding, &b.pasid);
	msg_send(sock, &b, sizeof(b));
	if (msg_recv(sock, &go, 1, LONG_MS) != 1)
		return 1;
	if (arg)
		execl("/proc/self/exe", "s_atc", "--nothing", NULL);
	return 0;
}

static void process_ends(const char *what, bool exec, bool kill9)
{
	struct vtdpasid_event ev;
	struct reuse r = { 0 };
	struct child child;
	struct bound b;
	struct atc a;
	uint64_t word;
	int st;

	if (child_start(&child, mortal, exec ? &child : NULL) ||
	    msg_recv(child.sock, &b, sizeof(b), LONG_MS) != sizeof(b) || b.rc)
		fatal("child that binds");
	tap_ok(cached(dev, 0, b.pasid, b.addr, false), "%s: the device reads from its cache", what);
	sva_start(dev, 2, SVAT_CMD_DMA, b.pasid, SVAT_F_ATC | SVAT_F_WRITE | SVAT_F_REPEAT, b.addr, 8);
	svat_loop_rounds(dev, 2, 3);
	atc_get(dev, &a);
	if (kill9)
		child_kill(&child, SIGKILL);
	else
		msg_send(child.sock, "g", 1);
	tap_is(vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, dev->func.rid, b.binding, &ev, LONG_MS), 0,
	       "%s: an event tells", what);
	word = chan_get(dev, 2, SVAT_CH_N_OK);
	child_wait(&child, LONG_MS);
	tap_ok(invalidated(dev, &a, b.pasid, b.addr, PAGE), "%s: brings an invalidation", what);
	reuse_begin(&r, b.phys, MARK, 4096);
	svat_loop_rounds(dev, 2, 4);
	tap_is(chan_get(dev, 2, SVAT_CH_N_OK), word, "%s: a loop of writes gets nowhere after it", what);
	sva_stop(dev, 2);
	tap_is(reuse_damage(&r, MARK), 0, "%s: whoever got the page is not hurt", what);
	st = sva_read64(dev, 0, b.pasid, SVAT_F_ATC, b.addr, &word);
	tap_is(st, SVAT_ST_ATS_DENIED, "%s: nothing can be read", what);
	reuse_end(&r);
	tap_is(vt_unbind(bed.fd, b.binding), 0, "%s: the dead binding can be unbound", what);
}

/* ---- the end of an attachment -------------------------------------------------------- */

static void detach(void)
{
	uint64_t *p = must_map(PAGE), word;
	struct atc a;
	int st;

	cached(dev, 0, pasid, p, true);
	p[0] = 9;
	sva_start(dev, 2, SVAT_CMD_DMA, pasid, SVAT_F_ATC | SVAT_F_WRITE | SVAT_F_REPEAT, p, 8);
	svat_loop_rounds(dev, 2, 3);
	atc_get(dev, &a);
	tap_is(vt_detach(bed.fd, bed.id[0]), 0, "detach");
	p[0] = 9;
	sleep_ms(5);
	tap_is(*(volatile uint64_t *)p, 9, "detach: a loop of writes gets nowhere after it");
	sva_stop(dev, 2);
	/* The reset has switched memory decoding of the function's registers off. */
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC | SVAT_F_FORCE, p, &word);
	tap_ok(st != SVAT_ST_OK && word != 9, "detach: nothing can be read (%s)", svat_status(st));
	pci_bus_master(&dev->func, true);
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC | SVAT_F_FORCE, p, &word);
	tap_ok(st != SVAT_ST_OK && word != 9, "detach: not even with bus mastering on (%s)",
	       svat_status(st));
	pci_bus_master(&dev->func, false);
	munmap(p, PAGE);
}

/* The driver is unbound, which ends the attachment. */
static void driver_goes(void)
{
	uint64_t *p = must_map(PAGE), word;
	struct vtdpasid_event ev;
	int st;

	if (vt_attach(bed.fd, &dev->func, ATS | PRI, &bed.info[0]) ||
	    vt_bind(bed.fd, bed.info[0].out_device, 0, 0, &binding, &pasid))
		fatal("attaching again");
	bed.id[0] = bed.info[0].out_device;
	pci_write(&dev->func, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	cached(dev, 0, pasid, p, true);
	p[0] = 9;
	tap_is(pci_release(&dev->func), 0, "its driver is unbound");
	tap_is(vt_event_of(bed.fd, VTDPASID_EVENT_DEVICE_GONE, dev->func.rid, 0, &ev, LONG_MS), 0,
	       "its driver is unbound: an event tells");
	pci_write(&dev->func, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC | SVAT_F_FORCE, p, &word);
	tap_ok(st != SVAT_ST_OK && word != 9, "its driver is unbound: nothing can be read (%s)",
	       svat_status(st));
	pci_bus_master(&dev->func, false);
	munmap(p, PAGE);
}

/*
 * A reset of the device ends each attachment, and with it its counters. So that
 * its cache was invalidated before ATS went off shows in what the unit was
 * given only: the device-TLB invalidation and the wait for it.
 */
static void detach_tells(void)
{
	struct vtdpasid_unit_info u[2];
	uint64_t n[2];
	int i;

	for (i = 0; i < 2; i++) {
		begin(i ? ATS : 0);
		if (vt_unit_info(bed.fd, 0, &u[0]) || vt_detach(bed.fd, bed.id[0]) ||
		    vt_unit_info(bed.fd, 0, &u[1]))
			fatal("detach");
		n[i] = u[1].out_descriptors - u[0].out_descriptors;
		bed_close(&bed);
	}
	tap_is(n[1] - n[0], 2, "detach with a binding: two descriptors more with ATS (%d) than without (%d)",
	       (int)n[1], (int)n[0]);
}

/*
 * What a device could do that does not obey: it was trusted when ATS was asked
 * for. This also shows that the tests above would see a missing invalidation.
 */
static void disobedient(void)
{
	uint64_t *p = must_map(PAGE), phys, word;
	struct reuse r = { 0 };
	int st;

	p[0] = 1;
	cached(dev, 0, pasid, p, true);
	svat_set(dev, SVAT_CTRL, SVAT_CTRL_IGNORE_INV);
	phys = phys_of(p);
	munmap(p, PAGE);
	plug(p, PAGE);
	reuse_begin(&r, phys, MARK, 2048);
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word);
	tap_ok(st == SVAT_ST_OK, "a device that ignores invalidations still reads what was unmapped (%s)",
	       svat_status(st));
	if (r.hit) {
		tap_ok(word == MARK, "another's data: ATS means trust");
		sva_write64(dev, 0, pasid, SVAT_F_ATC, p, JUNK);
		tap_is(reuse_damage(&r, MARK), 1, "and writes there");
	} else {
		tap_skip(2, "the page did not come back");
	}
	reuse_end(&r);
	tap_ok(svat_get(dev, SVAT_N_INV_IGNORED) > 0, "the invalidation had been sent");
	svat_set(dev, SVAT_CTRL, SVAT_CTRL_ATC_FLUSH);
	svat_set(dev, SVAT_CTRL, 0);
	tap_is(sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word), SVAT_ST_ATS_DENIED,
	       "without its cache it cannot");
}

/* Without ATS the context entry gives a device no translations to keep. */
static void not_asked_for(void)
{
	uint64_t *p = must_map(PAGE), word;
	int st;

	begin(0);
	tap_is(bed.info[0].out_state & (VTDPASID_DEVICE_ATS | VTDPASID_DEVICE_PRI), 0,
	       "attached without ATS: it is off");
	tap_is(svat_get(dev, SVAT_STATE) & (SVAT_STATE_ATS | SVAT_STATE_PRI), 0, "in the device, too");
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC, p, &word);
	tap_is(st, SVAT_ST_NO_ATS, "it cannot ask for translations");
	st = sva_read64(dev, 0, pasid, SVAT_F_ATC | SVAT_F_FORCE, p, &word);
	tap_is(st, SVAT_ST_ATS_ERROR, "nor when it tries all the same");
	tap_is(sva_read64(dev, 0, pasid, 0, p, &word), SVAT_ST_OK, "plain DMA works");
	bed_close(&bed);
	munmap(p, PAGE);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		return 0;
	begin(ATS | PRI);
	pages();
	neighbours();
	huge_page();
	two_devices();
	unbind();
	no_pasid();
	process_ends("exit", false, false);
	process_ends("kill -9", false, true);
	process_ends("exec", true, false);
	disobedient();
	detach();
	driver_goes();
	bed_close(&bed);

	/* ATS alone, and hugetlb, after which the whole space is invalidated. */
	begin(ATS);
	tap_is(bed.info[0].out_state & (VTDPASID_DEVICE_ATS | VTDPASID_DEVICE_PRI),
	       VTDPASID_DEVICE_ATS, "ATS without page requests");
	try_way(&ways[0], true);
	hugetlb();
	bed_close(&bed);
	not_asked_for();
	detach_tells();
	return tap_done();
}
