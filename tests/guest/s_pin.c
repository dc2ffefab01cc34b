// SPDX-License-Identifier: GPL-2.0-only
/*
 * s_pin.c - pages that stay, for devices without page requests
 *
 * What PIN takes and refuses, who may undo it, what it counts and gives back;
 * and that under compaction, migration and swapping a device that reads and
 * writes pinned memory only ever meets the process's own pages.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "svalib.h"

#ifndef MPOL_MF_MOVE
#define MPOL_MF_MOVE	(1 << 1)
#endif

#define WRITE	VTDPASID_PIN_WRITE
#define MARK	0x6d61726b6d61726bULL

static struct bed bed;
static struct svat *dev;
static uint32_t binding, pasid;

static void begin(void)
{
	int rc;

	bed_open_flags(&bed, 1, 1, 0);
	dev = &bed.dev[0];
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
}

/* Pages that the kernel has pinned, for anybody. */
static long pinned_pages(void)
{
	/* Else each CPU keeps a part of the count to itself. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	return field_of("/proc/vmstat", "nr_foll_pin_acquired") -
	       field_of("/proc/vmstat", "nr_foll_pin_released");
}

static long locked_kib(void)
{
	return field_of("/proc/self/status", "VmPin");
}

static uint64_t out_pinned(void)
{
	struct vtdpasid_binding_info info;

	return vt_binding_info(bed.fd, binding, &info) ? ~0ULL : info.out_pinned;
}

/* Nothing is pinned, by any count. */
static void all_back(const char *what, long pages)
{
	tap_ok(pinned_pages() == pages && !locked_kib() && !out_pinned(),
	       "%s: nothing is pinned any more (%ld pages, %ld KiB locked, %ld bytes)", what,
	       pinned_pages() - pages, locked_kib(), (long)out_pinned());
}

/* ---- what it does ---------------------------------------------------------------- */

static void basics(void)
{
	const size_t len = 256 * PAGE;
	volatile uint64_t *p = must_map_fresh(len, PROT_READ | PROT_WRITE);
	long pages = pinned_pages();
	uint64_t word;
	uint32_t pin[3];
	size_t i;

	tap_is(sva_read64(dev, 0, pasid, 0, p, &word), SVAT_ST_DMA_ERROR,
	       "memory that is not there: the device cannot read it");
	tap_is(vt_pin(bed.fd, WRITE, p, len, &pin[0]), 0, "pin 1 MiB never touched");
	tap_ok(pin[0], "its id is not 0");
	for (i = 0; i < len; i += PAGE)
		if (!(pagemap((volatile char *)p + i) & PM_PRESENT))
			break;
	tap_is(i, len, "all of it is there now");
	tap_ok(svat_range(dev, 0, pasid, p, len, 1, true) == SVAT_ST_OK && !fill_errors(p, len, 1),
	       "the device writes it");
	tap_ok(pinned_pages() - pages == 256 && locked_kib() == 1024 && out_pinned() == len,
	       "256 pages are pinned, locked, told (%ld, %ld KiB, %ld)", pinned_pages() - pages,
	       locked_kib(), (long)out_pinned());
	tap_is(vt_pin(bed.fd, 0, p + 512, 16 * PAGE, &pin[1]), 0, "pinned twice, in part");
	tap_ok(pin[1] && pin[1] != pin[0], "with an id of its own");
	tap_ok(pinned_pages() - pages == 272 && locked_kib() == 1088 && out_pinned() == len + 16 * PAGE,
	       "it counts twice (%ld, %ld KiB, %ld)", pinned_pages() - pages, locked_kib(),
	       (long)out_pinned());
	tap_is(vt_unpin(bed.fd, pin[0]), 0, "unpin the first");
	tap_ok(pinned_pages() - pages == 16 && locked_kib() == 64, "the second stays (%ld, %ld KiB)",
	       pinned_pages() - pages, locked_kib());
	tap_is(vt_unpin(bed.fd, pin[0]), -ENOENT, "unpin the first again");
	tap_is(vt_unpin(bed.fd, pin[1]), 0, "unpin the second");
	tap_is(vt_unpin(bed.fd, 0), -ENOENT, "unpin id 0");
	tap_is(vt_unpin(bed.fd, 4711), -ENOENT, "unpin an id that was never given");
	all_back("after UNPIN", pages);
	tap_ok(sva_read64(dev, 0, pasid, 0, p, &word) == SVAT_ST_OK && word == SVAT_PATTERN(1, (uintptr_t)p),
	       "the binding is not touched by that");

	/* Pinned for reading, then written by the process: the new page is seen. */
	munmap((void *)p, len);
	p = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);
	tap_is(vt_pin(bed.fd, 0, p, PAGE, &pin[0]), 0, "a page never touched is pinned for reading");
	tap_ok(sva_read64(dev, 0, pasid, 0, p, &word) == SVAT_ST_OK && !word, "it reads as zero");
	p[0] = 99;
	if (sva_read64(dev, 0, pasid, 0, p, &word) != SVAT_ST_OK)
		sva_read64(dev, 0, pasid, 0, p, &word);
	tap_is(word, 99, "after the process has written it the device reads that");
	vt_unpin(bed.fd, pin[0]);
	munmap((void *)p, PAGE);

	/* Writable pages that were read-only in the device's cache. */
	p = must_map(PAGE);
	mprotect((void *)p, PAGE, PROT_READ);
	sva_read64(dev, 0, pasid, 0, p, &word);
	mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE);
	tap_is(vt_pin(bed.fd, WRITE, p, PAGE, &pin[2]), 0, "a page that became writable is pinned");
	tap_is(sva_write64(dev, 0, pasid, 0, p, 3), SVAT_ST_OK, "and the device writes it");
	/* Unmapped while pinned: the device must not get at it. */
	munmap((void *)p, PAGE);
	tap_is(sva_read64(dev, 0, pasid, 0, p, &word), SVAT_ST_DMA_ERROR,
	       "unmapped while pinned: the device does not reach it");
	tap_is(vt_unpin(bed.fd, pin[2]), 0, "unpinned after that");
	all_back("after munmap and UNPIN", pages);
}

static void hugetlb(void)
{
	long pages = pinned_pages();
	uint32_t pin;
	uint64_t *p;

	p = hugetlb_reserve(1) < 1 ? MAP_FAILED :
	    mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		tap_skip(3, "no hugetlb page to be had");
		return;
	}
	tap_is(vt_pin(bed.fd, WRITE, p, HUGE, &pin), 0, "pin a hugetlb page");
	tap_ok(svat_range(dev, 0, pasid, p, HUGE, 2, true) == SVAT_ST_OK && !fill_errors(p, HUGE, 2),
	       "the device writes it");
	vt_unpin(bed.fd, pin);
	munmap(p, HUGE);
	all_back("after the hugetlb page", pages);
}

/* ---- what it refuses --------------------------------------------------------------- */

static int open_disk(void)
{
	char path[64];
	int fd;
	long n;

	/* One more zram: the first is swap. A block device has writeback. */
	n = read_number("/sys/class/zram-control/hot_add");
	if (n < 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/block/zram%ld/disksize", n);
	if (write_file(path, "%lu", MB))
		return -1;
	snprintf(path, sizeof(path), "/dev/zram%ld", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd;
}

static void refusals(void)
{
	struct vtdpasid_pin arg = { .size = sizeof(arg) };
	char *p = must_map(8 * PAGE);
	long pages = pinned_pages();
	struct pci_func f;
	uint32_t pin;
	void *q;
	int fd;

	tap_is(vt_pin(bed.fd, 0, p, 0, &pin), -EINVAL, "no length");
	tap_is(vt_pin(bed.fd, 0, p + 8, PAGE, &pin), -EINVAL, "address not aligned");
	tap_is(vt_pin(bed.fd, 0, p, PAGE + 8, &pin), -EINVAL, "length not aligned");
	tap_is(vt_pin(bed.fd, 2, p, PAGE, &pin), -EOPNOTSUPP, "unknown flag");
	arg.addr = (uintptr_t)p;
	arg.length = PAGE;
	arg.reserved = 1;
	tap_is(vt_ioctl(bed.fd, VTDPASID_PIN, &arg), -EINVAL, "reserved field");
	tap_is(vt_pin(bed.fd, 0, (void *)0xffff888000000000ULL, PAGE, &pin), -EOVERFLOW,
	       "the kernel's half");
	tap_is(vt_pin(bed.fd, 0, p, -PAGE, &pin), -EOVERFLOW, "a range that wraps");
	tap_is(vt_pin(bed.fd, 0, (void *)(4 * SLOT), VTDPASID_PIN_MAX + PAGE, &pin), -EFBIG,
	       "more than VTDPASID_PIN_MAX");
	tap_is(vt_pin(bed.fd, 0, (void *)(90 * SLOT), PAGE, &pin), -EFAULT, "nothing mapped");
	munmap(p + 4 * PAGE, PAGE);
	tap_is(vt_pin(bed.fd, 0, p, 8 * PAGE, &pin), -EFAULT, "a hole in the middle");
	mprotect(p, PAGE, PROT_READ);
	tap_is(vt_pin(bed.fd, WRITE, p, 2 * PAGE, &pin), -EFAULT, "read-only, for writing");
	tap_is(vt_pin(bed.fd, 0, p, 2 * PAGE, &pin), 0, "and for reading: pinned");
	vt_unpin(bed.fd, pin);
	mprotect(p, PAGE, PROT_NONE);
	tap_is(vt_pin(bed.fd, 0, p, PAGE, &pin), -EFAULT, "PROT_NONE");

	fd = open_disk();
	if (fd >= 0) {
		q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		tap_is(vt_pin(bed.fd, WRITE, q, PAGE, &pin), -EOPNOTSUPP,
		       "a shared mapping of a file, for writing");
		tap_is(vt_pin(bed.fd, 0, q, PAGE, &pin), 0, "and for reading: pinned");
		vt_unpin(bed.fd, pin);
		munmap(q, 4 * PAGE);
		q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		tap_is(vt_pin(bed.fd, WRITE, q, PAGE, &pin), 0,
		       "a private one, for writing: pinned, since it is anonymous");
		vt_unpin(bed.fd, pin);
		munmap(q, 4 * PAGE);
		close(fd);
	} else {
		tap_skip(3, "no block device to map (qemu-run.sh --module zram)");
	}
	if (!pci_by_name(dev->func.name, &f)) {
		tap_is(vt_pin(bed.fd, 0, dev->bar, PAGE, &pin), -EOPNOTSUPP, "a device's registers");
		tap_is(vt_pin(bed.fd, WRITE, dev->bar, PAGE, &pin), -EOPNOTSUPP, "also for writing");
	}
	all_back("after all that was refused", pages);
	munmap(p, 8 * PAGE);
}

/* Of another process: it may neither pin ours nor unpin it. */
static int stranger(int sock, void *arg)
{
	uint32_t pin = *(uint32_t *)arg, mine;
	int rc[4];

	(void)sock;
	rc[0] = vt_unpin(bed.fd, pin);
	rc[1] = vt_pin(bed.fd, 0, must_map(PAGE), PAGE, &mine);
	rc[2] = vt_bind(bed.fd, bed.id[0], 0, 0, &mine, NULL);
	rc[3] = vt_unpin(bed.fd, pin);
	msg_send(sock, rc, sizeof(rc));
	return 0;
}

static void strangers(void)
{
	char *p = must_map(PAGE);
	struct child child;
	uint32_t pin, none;
	int rc[4], fd;

	vt_pin(bed.fd, WRITE, p, PAGE, &pin);
	if (child_start(&child, stranger, &pin) ||
	    msg_recv(child.sock, rc, sizeof(rc), LONG_MS) != sizeof(rc))
		fatal("child");
	child_wait(&child, LONG_MS);
	tap_is(rc[0], -EACCES, "another process does not unpin ours");
	tap_is(rc[1], -ENOENT, "and pins nothing before it is bound");
	tap_is(rc[2], 0, "bound itself");
	tap_is(rc[3], -EACCES, "it does not either");
	fd = must_open();
	tap_is(vt_unpin(fd, pin), -ENOENT, "another file does not know the pin");
	tap_is(vt_pin(fd, 0, p, PAGE, &none), -ENOENT, "nor pins without a binding");
	close(fd);
	tap_is(out_pinned(), PAGE, "it is still pinned");
	tap_is(vt_unpin(bed.fd, pin), 0, "and we unpin it");
	munmap(p, PAGE);
}

/* ---- limits --------------------------------------------------------------------------- */

struct limits {
	int rc[10];
	long locked[10];
	int other;
};

/* Another process of the same user: the room of both is one. */
static int poorer(int sock, void *arg)
{
	uint32_t b, pin;
	int rc;

	(void)arg;
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &b, NULL);
	if (!rc)
		rc = vt_pin(bed.fd, WRITE, must_map(PAGE), PAGE, &pin);
	msg_send(sock, &rc, sizeof(rc));
	return 0;
}

static int poor(int sock, void *arg)
{
	struct rlimit rl = { 64 * 1024, 64 * 1024 };
	struct limits l = { 0 };
	char *p = must_map(64 * PAGE);
	uint32_t b, pin[10];
	struct child child;
	int i = 0;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &rl) || setgroups(0, NULL) || setgid(65534) || setuid(65534))
		return 1;
	l.rc[0] = vt_bind(bed.fd, bed.id[0], 0, 0, &b, NULL);
#define STEP(call) (l.rc[++i] = (call), l.locked[i] = locked_kib())
	STEP(vt_pin(bed.fd, WRITE, p, 17 * PAGE, &pin[0]));
	STEP(vt_pin(bed.fd, WRITE, p, 16 * PAGE, &pin[1]));
	STEP(vt_pin(bed.fd, WRITE, p + 20 * PAGE, PAGE, &pin[2]));
	STEP(vt_pin(bed.fd, WRITE, p, PAGE, &pin[3]));
	STEP(vt_unpin(bed.fd, pin[1]));
	STEP(vt_pin(bed.fd, WRITE, p, 8 * PAGE, &pin[4]));
	STEP(vt_pin(bed.fd, WRITE, p, 8 * PAGE, &pin[5]));
	STEP(vt_pin(bed.fd, 0, p, PAGE, &pin[6]));
	if (child_start(&child, poorer, NULL) ||
	    msg_recv(child.sock, &l.other, sizeof(l.other), LONG_MS) != sizeof(l.other))
		return 2;
	child_wait(&child, LONG_MS);
	msg_send(sock, &l, sizeof(l));
	return 0;
}

static void limits(void)
{
	static const struct { int rc; long locked; const char *what; } want[] = {
		{ 0, 0, "binds" },
		{ -ENOMEM, 0, "pins 68 KiB, with a limit of 64" },
		{ 0, 64, "pins 64 KiB" },
		{ -ENOMEM, 64, "pins 4 KiB more" },
		{ -ENOMEM, 64, "pins 4 KiB of the same again" },
		{ 0, 0, "unpins" },
		{ 0, 32, "pins 32 KiB" },
		{ 0, 64, "pins the same 32 KiB again" },
		{ -ENOMEM, 64, "and 4 KiB of them for reading" },
	};
	struct rlimit rl, none = { 0, 0 };
	long pages = pinned_pages();
	char *p = must_map(16 * PAGE);
	struct child child;
	struct limits l;
	unsigned int i;
	uint32_t pin;

	if (child_start(&child, poor, NULL) || msg_recv(child.sock, &l, sizeof(l), LONG_MS) != sizeof(l))
		fatal("child without privileges");
	child_wait(&child, LONG_MS);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		tap_ok(l.rc[i] == want[i].rc && l.locked[i] == want[i].locked,
		       "a user with an inherited file %s: %s, %ld KiB locked (%s, %ld)", want[i].what,
		       strerror(-want[i].rc), want[i].locked, strerror(-l.rc[i]), l.locked[i]);
	tap_is(l.other, -ENOMEM, "another process of that user pins 4 KiB: ENOMEM, too");
	sleep_ms(50);
	tap_is(pinned_pages() - pages, 0, "after its exit nothing is pinned");
	if (child_start(&child, poor, NULL) || msg_recv(child.sock, &l, sizeof(l), LONG_MS) != sizeof(l))
		fatal("second child without privileges");
	child_wait(&child, LONG_MS);
	tap_is(l.rc[2], 0, "and that user may pin 64 KiB again");

	getrlimit(RLIMIT_MEMLOCK, &rl);
	none.rlim_max = rl.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &none);
	tap_is(vt_pin(bed.fd, WRITE, p, 16 * PAGE, &pin), 0, "CAP_IPC_LOCK pins beyond the limit");
	tap_is(locked_kib(), 64, "which is counted all the same");
	vt_unpin(bed.fd, pin);
	setrlimit(RLIMIT_MEMLOCK, &rl);
	all_back("after that", pages);
	munmap(p, 16 * PAGE);
}

/* ---- fork, exit, close ------------------------------------------------------------------ */

static int forked(int sock, void *arg)
{
	uint64_t *p = arg;
	char go;
	int i, rc = 0;

	msg_send(sock, "f", 1);
	if (msg_recv(sock, &go, 1, LONG_MS) != 1)
		return 1;
	for (i = 0; i < 16; i++)
		rc |= pattern_check(p + i * 512, PAGE, 300 + i) >= 0;
	return rc ? 2 : locked_kib() ? 3 : 0;
}

static void by_fork(void)
{
	uint64_t *p = must_map(16 * PAGE), phys[16], word;
	int i, same = 0, good = 0, first = 0;
	struct child child;
	uint32_t pin;
	char ready;

	for (i = 0; i < 16; i++)
		pattern_fill(p + i * 512, PAGE, 300 + i);
	tap_is(vt_pin(bed.fd, WRITE, p, 16 * PAGE, &pin), 0, "16 pages are pinned");
	for (i = 0; i < 16; i++)
		phys[i] = phys_of(p + i * 512);
	if (child_start(&child, forked, p) || msg_recv(child.sock, &ready, 1, LONG_MS) != 1)
		fatal("fork");
	/* The device first: pinned pages are not shared with the child. */
	for (i = 0; i < 16; i++) {
		first += sva_write64(dev, 0, pasid, 0, p + i * 512, 1000 + i) == SVAT_ST_OK;
		if (p[i * 512] != (uint64_t)1000 + i)
			sva_write64(dev, 0, pasid, 0, p + i * 512, 1000 + i);
		good += p[i * 512] == (uint64_t)1000 + i;
	}
	for (i = 0; i < 16; i++) {
		p[i * 512 + 1] = 7;
		same += phys_of(p + i * 512) == phys[i];
		good += sva_read64(dev, 0, pasid, 0, p + i * 512 + 1, &word) == SVAT_ST_OK && word == 7;
	}
	tap_is(good, 32, "after fork device and parent see each other's writes (%d at once)", first);
	tap_is(same, 16, "in the pages that were pinned");
	msg_send(child.sock, "g", 1);
	tap_is(child_wait(&child, LONG_MS), 0, "the child has a copy of before, and no pins");
	vt_unpin(bed.fd, pin);
	munmap(p, 16 * PAGE);
}

struct pinner {
	int rc;
	uint32_t binding, pin;
};

static int pins_and_ends(int sock, void *arg)
{
	struct pinner r;
	char *p = must_map_fresh(32 * MB, PROT_READ | PROT_WRITE), go;

	(void)arg;
	r.rc = vt_bind(bed.fd, bed.id[0], 0, 0, &r.binding, NULL);
	if (!r.rc)
		r.rc = vt_pin(bed.fd, WRITE, p, 32 * MB, &r.pin);
	msg_send(sock, &r, sizeof(r));
	msg_recv(sock, &go, 1, LONG_MS);
	return 0;
}

static void by_exit(bool kill9)
{
	const char *what = kill9 ? "kill -9" : "exit";
	struct vtdpasid_binding_info info;
	struct vtdpasid_event ev;
	long pages, free_before, free_after;
	struct child child;
	struct pinner r;
	int i;

	pages = pinned_pages();
	free_before = field_of("/proc/meminfo", "MemFree");
	if (child_start(&child, pins_and_ends, NULL) ||
	    msg_recv(child.sock, &r, sizeof(r), LONG_MS) != sizeof(r))
		fatal("child");
	tap_is(r.rc, 0, "%s: a process pins 32 MiB", what);
	tap_is(pinned_pages() - pages, 8192, "%s: they are pinned", what);
	vt_binding_info(bed.fd, r.binding, &info);
	tap_is(info.out_pinned, 32 * MB, "%s: BINDING_INFO tells", what);
	if (kill9)
		child_kill(&child, SIGKILL);
	else
		msg_send(child.sock, "g", 1);
	child_wait(&child, LONG_MS);
	vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, -1, r.binding, &ev, LONG_MS);
	for (i = 0; i < 100 && pinned_pages() != pages; i++)
		sleep_ms(10);
	tap_is(pinned_pages() - pages, 0, "%s: with it the pins end, although the file stays open", what);
	/* Per-CPU lists keep some MiB of what was freed. */
	for (i = 0; i < 100; i++, sleep_ms(10)) {
		free_after = field_of("/proc/meminfo", "MemFree");
		if (free_after > free_before - 16384)
			break;
	}
	tap_ok(free_after > free_before - 16384, "%s: its memory is free again (%ld KiB less)", what,
	       free_before - free_after);
	vt_binding_info(bed.fd, r.binding, &info);
	tap_is(info.out_pinned, 0, "%s: BINDING_INFO tells", what);
	tap_is(vt_unpin(bed.fd, r.pin), 0, "%s: its pin can be forgotten by anybody", what);
	tap_is(vt_unbind(bed.fd, r.binding), 0, "%s: its binding, too", what);
}

static void by_close(void)
{
	long pages = pinned_pages();
	char *p = must_map(64 * PAGE);
	uint32_t pin;
	int i;

	for (i = 0; i < 4; i++)
		vt_pin(bed.fd, WRITE, p, 64 * PAGE, &pin);
	tap_ok(pinned_pages() - pages == 256 && locked_kib() == 1024, "64 pages are pinned four times");
	/* Unbinding leaves pins alone; close does not. */
	tap_is(vt_unbind(bed.fd, binding), 0, "unbind");
	tap_is(pinned_pages() - pages, 256, "they stay pinned");
	bed_close(&bed);
	tap_ok(pinned_pages() == pages && !locked_kib(), "close: nothing is pinned any more (%ld, %ld KiB)",
	       pinned_pages() - pages, locked_kib());
	munmap(p, 64 * PAGE);
	begin();
}

/* ---- while the kernel moves pages ---------------------------------------------------------- */

#define AREA_LEN	(4 * MB)

enum { SWAP = 1, COMPACT = 2, MOVE = 4, MERGE = 8 };

struct pressure {
	int what;
	char *p;	/* the area that the device uses */
	bool done;
};

static void move_all(pid_t pid, char *p, size_t len)
{
	enum { N = 512 };
	void *page[N];
	int node[N], status[N];
	static int to;
	size_t off, i;

	to = !to;
	for (off = 0; off < len; off += N * PAGE) {
		for (i = 0; i < N; i++) {
			page[i] = p + off + i * PAGE;
			node[i] = to;
		}
		syscall(SYS_move_pages, pid, (long)N, page, node, status, MPOL_MF_MOVE);
	}
}

/* Presses until killed; has data of its own that nobody may change. */
static int press(int sock, void *arg)
{
	struct pressure *pr = arg;
	const size_t len = 160 * MB;
	uint64_t *hog, bad = 0;
	size_t i, at = 0;
	char go;

	hog = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	msg_send(sock, "r", 1);
	while (msg_recv(sock, &go, 1, 0) == -ETIMEDOUT) {
		if (pr->what & COMPACT)
			write_file("/proc/sys/vm/compact_memory", "1");
		if (pr->what & MOVE)
			move_all(getppid(), pr->p, AREA_LEN);
		if (!(pr->what & SWAP)) {
			usleep(1000);
			continue;
		}
		/* Every other page free: something to compact. */
		for (i = 0; i < 2 * MB / 8; i += 512, at = (at + 512) % (len / 8)) {
			if (hog[at] && hog[at] != MARK + at)
				bad++;
			hog[at] = MARK + at;
		}
		madvise((char *)hog + (at * 8 + len / 2) % len / HUGE * HUGE, HUGE, MADV_PAGEOUT);
	}
	for (i = 0; i < len / 8; i += 512)
		bad += hog[i] && hog[i] != MARK + i;
	msg_send(sock, &bad, sizeof(bad));
	return 0;
}

/* A transfer that faults is made again, after the process has looked. */
struct tally {
	unsigned long transfers, faulted, given_up;
	size_t wrong;
};

static void transfer(char *p, size_t len, uint64_t pattern, bool write, bool touch, struct tally *t)
{
	size_t off;
	int try, st;

	for (off = 0; off < len; off += PAGE) {
		t->transfers++;
		for (try = 0; try < 200; try++) {
			st = svat_range(dev, 0, pasid, p + off, PAGE, pattern, write);
			if (st == SVAT_ST_MISMATCH)
				t->wrong++;
			if (st != SVAT_ST_DMA_ERROR)
				break;
			t->faulted += !try;
			if (touch) {
				/* As a driver without pins would. */
				*(volatile char *)(p + off) = *(volatile char *)(p + off);
				vt_sync(bed.fd, p + off, PAGE);
			}
			if (try > 20)
				usleep(200);
		}
		t->given_up += st == SVAT_ST_DMA_ERROR;
	}
}

static void under_pressure(const char *what, int how, bool pin_it, unsigned int ms)
{
	char *p = must_map(AREA_LEN);
	struct pressure pr = { how, p, false };
	struct counts c[2];
	struct tally t = { 0 };
	struct child child;
	uint64_t start = now_ms(), bad = ~0ULL, round;
	uint32_t pin = 0;
	size_t cpu_wrong = 0, i;
	char ready;
	int rc = 0;

	if (how & MERGE) {
		madvise(p, AREA_LEN, MADV_MERGEABLE);
		write_file("/sys/kernel/mm/ksm/pages_to_scan", "2000");
		write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
		rc = write_file("/sys/kernel/mm/ksm/run", "1");
		if (rc) {
			tap_skip(4, "%s: no KSM", what);
			munmap(p, AREA_LEN);
			return;
		}
	}
	if (pin_it)
		rc = vt_pin(bed.fd, WRITE, p, AREA_LEN, &pin);
	if (rc)
		fatal("pin: %s", strerror(-rc));
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	if (child_start(&child, press, &pr) || msg_recv(child.sock, &ready, 1, LONG_MS) != 1)
		fatal("child");
	for (round = 1; now_ms() - start < ms; round++) {
		/* By the device, checked by the process; and the other way round. */
		transfer(p, AREA_LEN, round << 20, true, !pin_it, &t);
		if (!pin_it)
			madvise(p + (round % 2 ? 0 : AREA_LEN / 2), AREA_LEN / 2, MADV_PAGEOUT);
		transfer(p, AREA_LEN, round << 20, false, !pin_it, &t);
		cpu_wrong += fill_errors(p, AREA_LEN, round << 20);
		for (i = 0; i < AREA_LEN / 8; i++)
			((volatile uint64_t *)p)[i] = SVAT_PATTERN(round << 20 | 1, (uintptr_t)p + i * 8);
		if (how & MERGE)	/* something to merge: equal pages */
			for (i = 0; i < AREA_LEN / 8; i++)
				((volatile uint64_t *)p)[i] = 0x6b736d;
		if (how & MERGE)
			sleep_ms(50);
		if (how & MERGE)
			for (i = 0; i < AREA_LEN / 8; i++)
				((volatile uint64_t *)p)[i] = SVAT_PATTERN(round << 20 | 1, (uintptr_t)p + i * 8);
		if (!pin_it)
			madvise(p, AREA_LEN, MADV_PAGEOUT);
		transfer(p, AREA_LEN, round << 20 | 1, false, !pin_it, &t);
	}
	if (how & MERGE)
		write_file("/sys/kernel/mm/ksm/run", "2");
	msg_send(child.sock, "e", 1);
	msg_recv(child.sock, &bad, sizeof(bad), LONG_MS);
	child_wait(&child, LONG_MS);
	sleep_ms(50);
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_diag("%s: %lu transfers of a page in %d rounds, %lu faulted at first, %lu records", what,
		 t.transfers, (int)round - 1, t.faulted,
		 (unsigned long)(c[1].b.out_faults - c[0].b.out_faults));
	tap_ok(!t.wrong && !cpu_wrong, "%s: the device always met the right page (%zu, %zu wrong)",
	       what, t.wrong, cpu_wrong);
	tap_is(t.given_up, 0, "%s: what faulted succeeded on retry", what);
	tap_is(bad, 0, "%s: nobody else's data changed", what);
	tap_ok(!t.faulted || c[1].b.out_faults > c[0].b.out_faults, "%s: faults were counted", what);
	if (!pin_it && (how & SWAP))
		tap_ok(t.faulted > 0, "%s: and there were some", what);
	if (pin)
		vt_unpin(bed.fd, pin);
	vt_events_drop(bed.fd);
	munmap(p, AREA_LEN);
}

static void moving(void)
{
	bool swap = swap_ready(), nodes = !access("/sys/devices/system/node/node1", F_OK);

	under_pressure("pinned, under compaction", COMPACT, true, 3000);
	if (swap) {
		under_pressure("pinned, under swapping and compaction", SWAP | COMPACT, true, 6000);
		under_pressure("not pinned, under swapping and compaction", SWAP | COMPACT, false, 5000);
	} else {
		tap_skip(9, "no swap: the guest has no zram (qemu-run.sh --module zram)");
	}
	if (nodes) {
		under_pressure("pinned, under move_pages", MOVE, true, 3000);
		under_pressure("not pinned, under move_pages", MOVE, false, 3000);
	} else {
		tap_skip(8, "move_pages: this machine has one memory node");
	}
	under_pressure("pinned, under KSM", MERGE, true, 2000);
}

int main(void)
{
	begin();
	basics();
	hugetlb();
	refusals();
	strangers();
	limits();
	by_fork();
	by_exit(false);
	by_exit(true);
	by_close();
	moving();
	bed_close(&bed);
	return tap_done();
}
