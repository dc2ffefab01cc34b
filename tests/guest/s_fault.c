// SPDX-License-Identifier: GPL-2.0-only
/*
 * s_fault.c - a DMA that fails is recorded, and told to whom it concerns
 *
 * Each fault reason that the emulated unit can produce, with PASID and without;
 * thousands of them; and the queue of events that a file has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "svalib.h"

#define EVENT		((ssize_t)sizeof(struct vtdpasid_event))
#define QUEUE		256		/* events that a file keeps */
#define NON_CANONICAL	((void *)0x0000900000000000ULL)
#define KERNEL_ADDR	((void *)0xffff888000100000ULL)
#define MSI_ADDR	((void *)0xfee00000ULL)
#define FR_PRE		0x47
#define FR_INTERRUPT	0x87

static struct bed bed;		/* device 0, ours */
static struct svat *dev;
static uint32_t binding, pasid;

/* Another file with another device, which must not hear of ours. */
static struct {
	int fd;
	struct svat dev;
	uint32_t device, binding, pasid;
} other;

static void begin(uint32_t flags)
{
	struct vtdpasid_attach out;
	struct pci_func f[2];
	int rc;

	bed_open_flags(&bed, 1, 1, flags);
	dev = &bed.dev[0];
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2)
		fatal("two sva-testdev are needed");
	rc = pci_claim(&f[1]);
	if (!rc)
		rc = svat_open(&other.dev, &f[1]);
	if (rc)
		fatal("claiming %s: %s", f[1].name, strerror(-rc));
	svat_reset(&other.dev);
	other.fd = must_open();
	rc = vt_attach(other.fd, &f[1], flags, &out);
	other.device = out.out_device;
	if (!rc)
		rc = vt_bind(other.fd, other.device, 0, 0, &other.binding, &other.pasid);
	if (rc)
		fatal("attaching %s: %s", f[1].name, strerror(-rc));
	/* What others left behind. */
	sleep_ms(50);
	vt_events_drop(bed.fd);
	vt_events_drop(other.fd);
}

static void end(void)
{
	svat_reset(&other.dev);
	vt_detach(other.fd, other.device);
	svat_close(&other.dev);
	pci_release(&other.dev.func);
	close(other.fd);
	bed_close(&bed);
}

/* ---- reasons -------------------------------------------------------------------- */

/* What a record must say; @told: PASID as recorded, 0 when it is not. */
struct want {
	const char *what;
	uint32_t reason;
	uint32_t told;
	uint32_t binding;
};

/*
 * The device was made to fault (once); the record of it, to the letter. QEMU
 * keeps the PASID only for faults that it finds in the process's page table.
 */
static void recorded(const struct want *w, const volatile void *addr, bool write,
		     const struct counts *before, const struct counts *other_before)
{
	struct vtdpasid_event ev = { 0 };
	struct counts after, other_after;
	int rc = vt_event(bed.fd, &ev, 2000);

	if (!tap_ok(!rc && ev.type == VTDPASID_EVENT_FAULT && ev.reason == w->reason &&
		    ev.addr == ((uintptr_t)addr & ~(PAGE - 1)) &&
		    ev.flags == ((write ? VTDPASID_EVENT_WRITE : 0) |
				 (w->told ? VTDPASID_EVENT_PASID : 0)) &&
		    ev.pasid == w->told && ev.binding == w->binding && ev.device == bed.id[0] &&
		    ev.rid == dev->func.rid && ev.segment == dev->func.segment && !ev.unit &&
		    !ev.lost && ev.size == EVENT && ev.time,
		    "%s: one event, reason %#x", w->what, w->reason))
		tap_diag("%d: %s", rc, vt_event_text(&ev));
	tap_is(vt_event(bed.fd, &ev, 30), -ETIMEDOUT, "%s: and no other", w->what);
	must_count(bed.fd, bed.id[0], binding, &after);
	must_count(other.fd, other.device, other.binding, &other_after);
	tap_ok(after.u.out_faults - before->u.out_faults == 1 &&
	       after.d.out_faults - before->d.out_faults == 1 &&
	       after.b.out_faults - before->b.out_faults == (w->binding == binding),
	       "%s: counted by unit, device%s (%d, %d, %d)", w->what,
	       w->binding == binding ? " and binding" : ", not by the binding",
	       (int)(after.u.out_faults - before->u.out_faults),
	       (int)(after.d.out_faults - before->d.out_faults),
	       (int)(after.b.out_faults - before->b.out_faults));
	tap_ok(vt_event(other.fd, &ev, 0) == -ETIMEDOUT &&
	       other_after.d.out_faults == other_before->d.out_faults &&
	       other_after.b.out_faults == other_before->b.out_faults,
	       "%s: the other file hears nothing of it", w->what);
}

static void faults(const char *what, uint32_t reason, long p, uint32_t told, uint32_t b,
		   const volatile void *addr, bool write)
{
	struct want w = { what, reason, told, b };
	struct counts c, o;
	uint64_t word;
	int st;

	must_count(bed.fd, bed.id[0], binding, &c);
	must_count(other.fd, other.device, other.binding, &o);
	st = write ? sva_write64(dev, 0, p, 0, addr, 1) : sva_read64(dev, 0, p, 0, addr, &word);
	tap_is(st, SVAT_ST_DMA_ERROR, "%s: the DMA fails", what);
	recorded(&w, addr, write, &c, &o);
}

static void with_pasid(void)
{
	char *p = must_map(4 * PAGE);
	uint64_t word;

	munmap(p, PAGE);
	faults("read of unmapped memory", FR_FS_NOT_PRESENT, pasid, pasid, binding, p + 24, false);
	faults("write to unmapped memory", FR_FS_NOT_PRESENT, pasid, pasid, binding, p + 24, true);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	faults("read of PROT_NONE", FR_FS_NOT_PRESENT, pasid, pasid, binding, p + PAGE, false);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	faults("write to read-only memory", FR_FS_WRITE, pasid, pasid, binding, p + 2 * PAGE, true);
	tap_is(sva_read64(dev, 0, pasid, 0, p + 2 * PAGE, &word), SVAT_ST_OK, "which can be read");
	faults("non-canonical address", FR_FS_NOT_CANONICAL, pasid, pasid, binding, NON_CANONICAL, false);
	/* The root that the device walks has no kernel half. */
	faults("read of the kernel's memory", FR_FS_NOT_PRESENT, pasid, pasid, binding, KERNEL_ADDR, false);
	faults("write to the kernel's memory", FR_FS_NOT_PRESENT, pasid, pasid, binding, KERNEL_ADDR, true);
	faults("PASID that nobody has", FR_PASID_ENTRY_INVALID, pasid + 20, 0, 0, p + 3 * PAGE, false);
	faults("write with a PASID that nobody has", FR_PASID_ENTRY_INVALID, pasid + 20, 0, 0, p + 3 * PAGE, true);
	faults("PASID without a table", FR_PASID_DIR, 5000, 0, 0, p + 3 * PAGE, false);
	faults("address 0", FR_FS_NOT_PRESENT, pasid, pasid, binding, (void *)8, false);
	munmap(p, 4 * PAGE);
	tap_skip(1, "0x81 (U/S=0): a process's page table has no such entry in its half, and the devices' root has no other");
	tap_skip(1, "0x50, 0x58, 0x70, 0x72, 0x73: need tables that are broken");
}

static void without_pasid(void)
{
	uint32_t b;
	char *p = must_map(2 * PAGE);
	int rc;

	faults("no PASID, nothing bound", FR_FS_NOT_PRESENT, NO_PASID, 0, 0, p, false);
	faults("write without PASID, nothing bound", FR_FS_NOT_PRESENT, NO_PASID, 0, 0, p, true);
	rc = vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &b, NULL);
	if (!tap_is(rc, 0, "bound without PASID"))
		return;
	mprotect(p, PAGE, PROT_READ);
	faults("write to read-only memory without PASID", FR_FS_WRITE, NO_PASID, 0, b, p, true);
	munmap(p + PAGE, PAGE);
	faults("read of unmapped memory without PASID", FR_FS_NOT_PRESENT, NO_PASID, 0, b, p + PAGE, false);
	faults("non-canonical without PASID", FR_FS_NOT_CANONICAL, NO_PASID, 0, b, NON_CANONICAL, true);
	tap_is(vt_unbind(bed.fd, b), 0, "unbound");
	faults("no PASID, no longer bound", FR_FS_NOT_PRESENT, NO_PASID, 0, 0, p, false);
	munmap(p, PAGE);
}

/* A function that nobody attached: only the unit counts it. */
static void unattached(void)
{
	struct vtdpasid_event ev;
	struct counts c[2];
	uint64_t word;

	must_count(bed.fd, bed.id[0], binding, &c[0]);
	svat_reset(&other.dev);
	vt_detach(other.fd, other.device);
	vt_events_drop(other.fd);
	pci_write(&other.dev.func, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	tap_is(sva_read64(&other.dev, 0, NO_PASID, 0, &word, &word), SVAT_ST_DMA_ERROR,
	       "a function that nobody attached: the DMA fails");
	sleep_ms(100);
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_is(c[1].u.out_faults - c[0].u.out_faults, 1, "counted by the unit");
	tap_ok(vt_event(bed.fd, &ev, 0) == -ETIMEDOUT && vt_event(other.fd, &ev, 0) == -ETIMEDOUT &&
	       c[1].d.out_faults == c[0].d.out_faults, "and by nobody else");
	pci_bus_master(&other.dev.func, false);
}

static unsigned int ext_cap(const struct pci_func *f, uint16_t id)
{
	unsigned int pos = 0x100;
	uint32_t head;

	while (pos) {
		head = pci_read(f, pos, 4);
		if ((head & 0xffff) == id)
			return pos;
		pos = head >> 20;
	}
	return 0;
}

/* What only ATS and page requests can bring about. */
static void with_ats(void)
{
	struct want pre = { "page request that the context entry does not allow", FR_PRE, 0, 0 };
	unsigned int pri;
	struct counts c, o;
	char *p;
	int st;

	begin(ATS);
	p = must_map(2 * PAGE);
	munmap(p, PAGE);
	must_count(bed.fd, bed.id[0], binding, &c);
	tap_is(sva_run(dev, 0, SVAT_CMD_ATS, pasid, 0, p, 8), SVAT_ST_ATS_DENIED,
	       "a translation request for unmapped memory is denied");
	must_count(bed.fd, bed.id[0], binding, &o);
	tap_is(o.u.out_faults, c.u.out_faults, "which is no fault");

	pri = ext_cap(&dev->func, PCI_EXT_CAP_ID_PRI);
	pci_write(&dev->func, pri + PCI_PRI_ALLOC_REQ, 4, 8);
	pci_write(&dev->func, pri + PCI_PRI_CTRL, 2, PCI_PRI_CTRL_ENABLE);
	must_count(bed.fd, bed.id[0], binding, &c);
	must_count(other.fd, other.device, other.binding, &o);
	st = sva_request(dev, 0, pasid, SVAT_F_LPIG | SVAT_F_FORCE, p + PAGE, 1);
	tap_is(st, -1000 - SVAT_ST_PRI_REFUSED, "%s: is refused", pre.what);
	/* Whether QEMU keeps the PASID here is its business: it does. */
	pre.told = pasid;
	pre.binding = binding;
	recorded(&pre, p + PAGE, false, &c, &o);
	pci_write(&dev->func, pri + PCI_PRI_CTRL, 2, 0);

	must_count(bed.fd, bed.id[0], binding, &c);
	must_count(other.fd, other.device, other.binding, &o);
	st = sva_run(dev, 0, SVAT_CMD_DMA, NO_PASID, SVAT_F_TRANSLATED, MSI_ADDR, 8);
	if (st == SVAT_ST_DMA_ERROR) {
		struct want w = { "translated access to the interrupt range", FR_INTERRUPT, 0, 0 };

		recorded(&w, MSI_ADDR, false, &c, &o);
	} else {
		tap_skip(4, "a translated access to the interrupt range: %s", svat_status(st));
	}
	munmap(p, 2 * PAGE);
	end();
}

/* Reads all that is queued, and what the next event would say was lost. */
static void quiet(void)
{
	uint64_t word;
	int i;

	sleep_ms(50);
	for (i = 0; i < 2; i++) {
		vt_events_drop(bed.fd);
		vt_events_drop(other.fd);
		if (!i)
			sva_read64(dev, 0, pasid, 0, (void *)PAGE, &word);
		sleep_ms(50);
	}
}

/* ---- many ------------------------------------------------------------------------ */

static void many(void)
{
	volatile char *p = must_map(PAGE);
	uint64_t start, t, worst = 0, failed, secs;
	int log = kmsg_open(), got = 0, i;
	struct vtdpasid_event ev;
	struct counts c[2];
	unsigned int lines;

	munmap((void *)p, PAGE);
	/* What came before has used up what the log takes in 5 s. */
	sleep_ms(5500);
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	start = now_ms();
	chan_set(dev, 3, SVAT_CH_PERIOD, 10000);
	sva_start(dev, 3, SVAT_CMD_DMA, pasid, SVAT_F_REPEAT, p, 8);
	while ((failed = chan_get(dev, 3, SVAT_CH_N_FAIL)) < 10000 && now_ms() - start < 60000) {
		t = now_ms();
		sleep_ms(1);
		t = now_ms() - t;
		worst = t > worst ? t : worst;
	}
	tap_ok(failed >= 10000, "%d DMAs of a device fail, in %d ms", (int)failed,
	       (int)(now_ms() - start));
	tap_ok(worst < 1000, "the machine goes on: a sleep of 1 ms took %d ms at most", (int)worst);
	/* Another device's gets through, although there is one register for all. */
	for (i = 0, t = now_ms(); now_ms() - t < LONG_MS && !got; i++) {
		uint64_t word;

		sva_read64(&other.dev, 0, other.pasid, 0, p, &word);
		got = !vt_event_of(other.fd, VTDPASID_EVENT_FAULT, other.dev.func.rid, other.binding, &ev, 5);
	}
	tap_ok(got, "a fault of another device gets through meanwhile (%d tries)", i);
	sva_stop(dev, 3);
	sleep_ms(50);
	secs = (now_ms() - start) / 1000 + 1;
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	lines = kmsg_count(log, NULL, false);
	tap_ok(lines && lines <= 15 + 3 * secs, "%u lines in the kernel log in %d s", lines, (int)secs);
	tap_ok(c[1].d.out_faults > c[0].d.out_faults + 10,
	       "%d of them were recorded", (int)(c[1].d.out_faults - c[0].d.out_faults));
	close(log);
	quiet();
	faults("after the storm, a single one", FR_FS_NOT_PRESENT, pasid, pasid, binding, p, true);
}

/* Two devices at once overflow a unit with one fault register. */
static void overflow(void)
{
	volatile char *p = must_map(PAGE);
	struct vtdpasid_event ev;
	struct counts c[2];
	bool seen = false;
	uint64_t start;

	munmap((void *)p, PAGE);
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	start = now_ms();
	sva_start(dev, 3, SVAT_CMD_DMA, pasid, SVAT_F_REPEAT, p, 8);
	sva_start(&other.dev, 3, SVAT_CMD_DMA, other.pasid, SVAT_F_REPEAT, p, 8);
	while (!seen && now_ms() - start < 10000) {
		if (!vt_event(bed.fd, &ev, 10))
			seen |= ev.flags & VTDPASID_EVENT_OVERFLOW;
		if (!vt_event(other.fd, &ev, 0))
			seen |= ev.flags & VTDPASID_EVENT_OVERFLOW;
	}
	sva_stop(dev, 3);
	sva_stop(&other.dev, 3);
	tap_ok(seen, "records are lost when two devices fault at once: an event says so");
	quiet();
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_ok(c[1].u.out_faults > c[0].u.out_faults, "the unit has counted");
	faults("after the overflow", FR_FS_NOT_PRESENT, pasid, pasid, binding, p, false);
}

static void interrupt_used(void)
{
	long f[2], q[2];
	uint64_t word;
	volatile uint64_t *p = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);

	f[0] = interrupts("vtdpasid-fault");
	q[0] = interrupts("vtdpasid-prq");
	if (f[0] < 0 || q[0] < 0)
		tap_diag("no such interrupts in /proc/interrupts");
	sva_read64(dev, 0, pasid, 0, (void *)PAGE, &word);
	sleep_ms(50);
	f[1] = interrupts("vtdpasid-fault");
	tap_ok(f[0] >= 0 && f[1] - f[0] == 1, "a fault brings an interrupt (%ld, %ld)", f[0], f[1]);
	tap_is(sva_write64(dev, 0, pasid, SVAT_F_PRI, p, 1), SVAT_ST_OK, "a page request is served");
	q[1] = interrupts("vtdpasid-prq");
	tap_ok(q[0] >= 0 && q[1] - q[0] == 1, "and brings an interrupt (%ld, %ld)", q[0], q[1]);
	vt_events_drop(bed.fd);
	munmap((void *)p, PAGE);
}

/* ---- the queue of a file ------------------------------------------------------------ */

/* @n events in order: refused page requests for pages @from, @from + 1, ... */
static void make_events(unsigned int from, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (sva_request(dev, 0, pasid, SVAT_F_LPIG, (void *)((from + i + 1) * PAGE), i % 512) != 1)
			tap_bail("a request for page %u was not refused", from + i + 1);
}

static int number(const struct vtdpasid_event *ev)
{
	return ev->addr / PAGE - 1;
}

static void partial_reads(void)
{
	struct vtdpasid_event ev[8];
	char *two = must_map(2 * PAGE), *edge;
	void *volatile bad = (void *)8;
	unsigned int i, good;
	ssize_t n;

	vt_events_drop(bed.fd);
	fcntl(bed.fd, F_SETFL, O_NONBLOCK);
	tap_errno(read(bed.fd, ev, sizeof(ev)), EAGAIN, "nothing to read, O_NONBLOCK");
	tap_errno(read(bed.fd, ev, EVENT - 1), EINVAL, "a buffer smaller than an event");
	make_events(0, 10);
	tap_errno(read(bed.fd, ev, EVENT - 1), EINVAL, "and when there are events");
	for (good = i = 0; i < 3; i++) {
		memset(ev, 0xaa, sizeof(ev));
		n = read(bed.fd, ev, EVENT * 3 / 2);
		good += n == EVENT && number(&ev[0]) == (int)i &&
			((unsigned char *)ev)[EVENT] == 0xaa;
	}
	tap_is(good, 3, "a buffer of one and a half events: one at a time, none is lost");
	n = read(bed.fd, ev, EVENT * 5 / 2);
	tap_ok(n == 2 * EVENT && number(&ev[0]) == 3 && number(&ev[1]) == 4,
	       "of two and a half: two (%zd)", n);
	tap_errno(read(bed.fd, bad, 4 * EVENT), EFAULT, "a bad address");
	/* The second one would cross into a page that is not there. */
	munmap(two + PAGE, PAGE);
	edge = two + PAGE - EVENT * 3 / 2;
	n = read(bed.fd, edge, 3 * EVENT);
	tap_ok(n == EVENT && number((void *)edge) == 5, "a buffer that ends in the middle of the second: the first (%zd)", n);
	n = read(bed.fd, ev, sizeof(ev));
	tap_ok(n == 4 * EVENT && number(&ev[0]) == 6 && number(&ev[3]) == 9 && !ev[0].lost,
	       "the others are still there, in order (%zd)", n);
	tap_errno(read(bed.fd, ev, sizeof(ev)), EAGAIN, "and that was all");
	fcntl(bed.fd, F_SETFL, 0);
	munmap(two, PAGE);
}

static void queue_overflow(void)
{
	struct vtdpasid_event ev = { 0 };
	unsigned int i, good = 0;
	int rc;

	vt_events_drop(bed.fd);
	make_events(0, QUEUE + 44);
	for (i = 0; i < QUEUE; i++) {
		if (vt_event(bed.fd, &ev, 0))
			break;
		good += number(&ev) == (int)i && !ev.lost;
	}
	tap_is(good, QUEUE, "of %d events the first %d are kept, in order", QUEUE + 44, QUEUE);
	tap_is(vt_event(bed.fd, &ev, 0), -ETIMEDOUT, "and no more");
	make_events(1000, 2);
	rc = vt_event(bed.fd, &ev, 1000);
	tap_ok(!rc && number(&ev) == 1000 && ev.lost == 44, "the next one says that 44 were lost (%u)", ev.lost);
	rc = vt_event(bed.fd, &ev, 1000);
	tap_ok(!rc && number(&ev) == 1001 && !ev.lost, "the one behind it says none (%u)", ev.lost);
}

struct waiter {
	pthread_t thread;
	bool by_poll;
	ssize_t n;
	struct vtdpasid_event ev;
	uint64_t woken;
};

static void *wait_for_event(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = bed.fd, .events = POLLIN };

	w->n = w->by_poll ? poll(&p, 1, LONG_MS) : read(bed.fd, &w->ev, sizeof(w->ev));
	w->woken = now_ms();
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

static void waits(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct pollfd p = { .fd = bed.fd, .events = POLLIN | POLLOUT };
	struct waiter w = { .by_poll = true };
	struct vtdpasid_event ev;
	uint64_t start;
	int i, rc, status;
	pid_t pid;

	vt_events_drop(bed.fd);
	tap_is(poll(&p, 1, 0), 0, "poll: nothing yet");
	for (i = 0; i < 2; i++) {
		w.by_poll = !i;
		pthread_create(&w.thread, NULL, wait_for_event, &w);
		sleep_ms(50);
		start = now_ms();
		make_events(i, 1);
		pthread_join(w.thread, NULL);
		tap_ok(w.n == (i ? EVENT : 1) && w.woken - start < 2000, "%s wakes up (%d ms)",
		       i ? "read" : "poll", (int)(w.woken - start));
		if (!i) {
			tap_ok(poll(&p, 1, 0) == 1 && p.revents == POLLIN, "poll says readable");
			rc = vt_event(bed.fd, &ev, 0);
			tap_ok(!rc && number(&ev) == 0 && !poll(&p, 1, 0), "until it was read");
		} else {
			tap_is(number(&w.ev), 1, "read gets it");
		}
	}
	/* Of two that wait in read() one gets the event, the other goes on waiting. */
	pid = fork();
	if (!pid) {
		sigaction(SIGALRM, &sa, NULL);
		ualarm(50000, 0);
		_exit(read(bed.fd, &ev, sizeof(ev)) == -1 && errno == EINTR ? 0 : 1);
	}
	tap_ok(waitpid(pid, &status, 0) == pid && !status, "a signal ends a read that waits: EINTR");
}

/* As a 32-bit program would, by the 32-bit system call entry. */
static long syscall32(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void compat(void)
{
	struct vtdpasid_event *ev = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct vtdpasid_binding_info *info = (void *)(ev + 4);
	struct vtdpasid_binding_info plain;
	pid_t pid;
	int status;
	long n;

	pid = fork();
	if (!pid)
		_exit(syscall32(20, 0, 0, 0) == getpid() ? 0 : 1);
	if (waitpid(pid, &status, 0) != pid || status) {
		tap_skip(3, "this kernel has no 32-bit system calls");
		return;
	}
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->binding = binding;
	vt_binding_info(bed.fd, binding, &plain);
	tap_is(syscall32(54, bed.fd, VTDPASID_BINDING_INFO, (long)info), 0, "32-bit: an ioctl");
	tap_ok(!memcmp(&plain, info, sizeof(plain)) && plain.out_requests_failed, "32-bit: gives the same");
	vt_events_drop(bed.fd);
	make_events(3, 2);
	n = syscall32(3, bed.fd, (long)ev, EVENT * 3 / 2);
	tap_ok(n == EVENT && number(ev) == 3 && ev->binding == binding && ev->rid == dev->func.rid,
	       "32-bit: read gives the same event");
	vt_events_drop(bed.fd);
	munmap(ev, PAGE);
}

int main(void)
{
	begin(0);
	with_pasid();
	without_pasid();
	many();
	overflow();
	unattached();
	end();
	with_ats();
	begin(ATS | PRI);
	interrupt_used();
	partial_reads();
	queue_overflow();
	waits();
	compat();
	end();
	return tap_done();
}
