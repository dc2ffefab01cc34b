// SPDX-License-Identifier: GPL-2.0-only
/*
 * s_prq.c - page requests: a device asks for memory that is not there
 *
 * Each way in which memory can be missing; what may not be had, and who is
 * told; groups; storms; and processes that end, unmap and unbind with requests
 * under way, of which some can never be served.
 *
 * arguments: any of memory, refused, groups, storm, ends, stuck (default all)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "svalib.h"

#define PATTERN		0x7072710000000000ULL
#define KERNEL_ADDR	0xffff888000100000ULL
#define NON_CANONICAL	0x0000900000000000ULL

/* What "in bounded time" means; ten times what is seen on a busy machine. */
#define BOUND_MS	5000

static struct bed bed;
static struct svat *dev;
static uint32_t binding, pasid;

static uint64_t buf[512] __attribute__((aligned(4096)));

static void must_bind(int i, uint32_t *b, uint32_t *p)
{
	int rc = vt_bind(bed.fd, bed.id[i], 0, 0, b, p);

	if (rc)
		fatal("bind to device %d: %s", i, strerror(-rc));
}

static void begin(int need)
{
	bed_open_flags(&bed, need, 2, ATS | PRI);
	dev = &bed.dev[0];
	must_bind(0, &binding, &pasid);
	vt_events_drop(bed.fd);
}

static void end(void)
{
	bed_close(&bed);
}

static bool present(const volatile void *p)
{
	return pagemap(p) & PM_PRESENT;
}

/* ---- 1: memory that is not there ------------------------------------------- */

/*
 * The device reads a page (that must not be there yet) and gets what @want
 * says, then writes one, each through exactly one page request.
 */
static void served(const char *what, volatile uint64_t *read_page, uint64_t want,
		   volatile uint64_t *write_page)
{
	struct counts before, after;
	bool absent;
	size_t i, bad;
	int st;

	if (read_page) {
		must_count(bed.fd, bed.id[0], binding, &before);
		absent = !present(read_page);
		memset(buf, 0xff, sizeof(buf));
		st = sva_read(dev, 0, pasid, SVAT_F_PRI, read_page, buf, PAGE);
		must_count(bed.fd, bed.id[0], binding, &after);
		for (bad = i = 0; i < 512; i++)
			bad += buf[i] != (want ? pattern_word(want, i) : 0);
		tap_ok(absent, "%s: not in the page table before it is read", what);
		tap_ok(st == SVAT_ST_OK && !bad, "%s: the device reads it (%s, %zu words wrong)",
		       what, svat_status(st), bad);
		tap_ok(after.b.out_requests - before.b.out_requests == 1 &&
		       after.d.out_requests - before.d.out_requests == 1 &&
		       after.u.out_requests - before.u.out_requests == 1 &&
		       after.b.out_requests_failed == before.b.out_requests_failed &&
		       after.d.out_requests_failed == before.d.out_requests_failed,
		       "%s: one request, counted by binding, device and unit (%d, %d, %d)", what,
		       (int)(after.b.out_requests - before.b.out_requests),
		       (int)(after.d.out_requests - before.d.out_requests),
		       (int)(after.u.out_requests - before.u.out_requests));
	}
	if (write_page) {
		must_count(bed.fd, bed.id[0], binding, &before);
		pattern_fill(buf, PAGE, 77);
		st = sva_write(dev, 0, pasid, SVAT_F_PRI, write_page, buf, PAGE);
		must_count(bed.fd, bed.id[0], binding, &after);
		tap_ok(st == SVAT_ST_OK && pattern_check((void *)write_page, PAGE, 77) < 0,
		       "%s: the device writes it (%s)", what, svat_status(st));
		tap_is(after.b.out_requests - before.b.out_requests, 1,
		       "%s: one request for the write", what);
	}
}

static void untouched(void)
{
	volatile uint64_t *p = must_map_fresh(16 * PAGE, PROT_READ | PROT_WRITE);

	served("memory never touched", p, 0, p + 5 * 512);
	tap_ok(!present(p + 512) && !present(p + 4 * 512) && !present(p + 6 * 512),
	       "its neighbours stay untouched");
	/* The page of p was read, so the zero page is there: now it is written. */
	tap_ok(kpageflags(phys_of((void *)p)) & KPF_ZERO_PAGE, "what was read is the zero page");
	served("the zero page", NULL, 0, p);
	tap_ok(!(kpageflags(phys_of((void *)p)) & KPF_ZERO_PAGE),
	       "what was written has a page of its own");
	munmap((void *)p, 16 * PAGE);
}

/* A slot of the top level that was empty when the space was bound. */
static void new_slot(void)
{
	volatile uint64_t *p = mmap((void *)(37 * SLOT), 4 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		fatal("mmap at 37 * 512 GiB: %m");
	served("memory in 512 GiB of their own", p, 0, p + 512);
	munmap((void *)p, 4 * PAGE);
}

static void swapped(void)
{
	uint64_t *p;
	size_t i;

	if (!swap_ready()) {
		tap_skip(6, "no swap: the guest has no zram (qemu-run.sh --module zram)");
		return;
	}
	p = must_map(16 * PAGE);
	for (i = 0; i < 16; i++)
		pattern_fill(p + i * 512, PAGE, 100 + i);
	if (!tap_ok(swap_out(p, 16 * PAGE), "memory is swapped out, says the page map")) {
		munmap(p, 16 * PAGE);
		return;
	}
	served("swapped-out memory", p + 3 * 512, 103, p + 4 * 512);
	for (i = 0; i < 16; i++)
		if (i != 4 && pattern_check(p + i * 512, PAGE, 100 + i) >= 0)
			break;
	tap_is(i, 16, "the other pages came back from swap as they were");
	munmap(p, 16 * PAGE);
}

static void files(void)
{
	char name[] = "/tmp/s_prq-XXXXXX";
	int fd = mkstemp(name);
	uint64_t *p, *q, word;
	struct counts c[2];

	if (fd < 0 || ftruncate(fd, 64 * PAGE))
		fatal("%s: %m", name);
	unlink(name);
	p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	served("a hole in a file", p + 10 * 512, 0, p + 20 * 512);
	tap_ok(pread(fd, buf, PAGE, 20 * PAGE) == PAGE && pattern_check(buf, PAGE, 77) < 0,
	       "what the device wrote is in the file");
	tap_ok(pread(fd, &word, 8, 21 * PAGE) == 8 && !word, "and nothing behind it");

	/* In the page cache, not in the page table. */
	pattern_fill(buf, PAGE, 5);
	if (pwrite(fd, buf, PAGE, 30 * PAGE) != PAGE)
		fatal("write: %m");
	served("a page of the page cache", p + 30 * 512, 5, NULL);

	/* A private mapping: the device's write must not reach the file. */
	pattern_fill(buf, PAGE, 6);
	if (pwrite(fd, buf, PAGE, 40 * PAGE) != PAGE)
		fatal("write: %m");
	q = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	served("a private mapping of a file", q + 40 * 512, 6, q + 40 * 512);
	tap_ok(pread(fd, buf, PAGE, 40 * PAGE) == PAGE && pattern_check(buf, PAGE, 6) < 0,
	       "the file behind it stays as it was");

	/* Beyond the end of the file the CPU gets SIGBUS. */
	if (ftruncate(fd, 50 * PAGE))
		fatal("ftruncate: %m");
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	tap_is(sva_read64(dev, 0, pasid, SVAT_F_PRI, p + 60 * 512, &word), SVAT_ST_PRI_INVALID,
	       "beyond the end of a file: answered \"invalid\"");
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_is(c[1].b.out_requests_failed - c[0].b.out_requests_failed, 1, "and counted");
	vt_events_drop(bed.fd);
	munmap(p, 64 * PAGE);
	munmap(q, 64 * PAGE);
	close(fd);
}

static int cow_child(int sock, void *arg)
{
	uint64_t *p = arg;
	char go;

	msg_send(sock, "f", 1);
	if (msg_recv(sock, &go, 1, LONG_MS) != 1)
		return 1;
	return pattern_check(p, PAGE, 8) < 0 ? 0 : 2;
}

static void copy_on_write(void)
{
	uint64_t *p = must_map(2 * PAGE), old, new;
	struct counts c[2];
	struct child child;
	char ready;
	int st;

	pattern_fill(p, PAGE, 8);
	/* The device has used the page, for writing, before. */
	st = sva_write64(dev, 0, pasid, SVAT_F_PRI, p, p[0]);
	tap_is(st, SVAT_ST_OK, "a page to be shared by fork: the device has written it");
	if (child_start(&child, cow_child, p) || msg_recv(child.sock, &ready, 1, LONG_MS) != 1)
		fatal("fork");
	old = phys_of(p);
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	pattern_fill(buf, PAGE, 9);
	st = sva_write(dev, 0, pasid, SVAT_F_PRI, p, buf, PAGE);
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	new = phys_of(p);
	tap_ok(st == SVAT_ST_OK && pattern_check(p, PAGE, 9) < 0,
	       "after fork the parent sees what the device writes (%s)", svat_status(st));
	tap_ok(old != new && old && new, "in a page of its own");
	tap_is(c[1].b.out_requests - c[0].b.out_requests, 1, "after one page request");
	msg_send(child.sock, "g", 1);
	tap_is(child_wait(&child, LONG_MS), 0, "the child's copy is intact");
	munmap(p, 2 * PAGE);
}

static void large(void)
{
	const size_t len = 8 * MB;
	volatile uint64_t *p = must_map_fresh(len, PROT_READ | PROT_WRITE);
	struct counts c[2];
	int st;

	must_count(bed.fd, bed.id[0], binding, &c[0]);
	st = sva_fill(dev, 0, pasid, SVAT_F_PRI, p, len, PATTERN);
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_is(st, SVAT_ST_OK, "8 MiB never touched are filled by the device");
	tap_is(fill_errors(p, len, PATTERN), 0, "each word of them is right");
	tap_is(c[1].b.out_requests - c[0].b.out_requests, len / PAGE,
	       "as many requests were served as there are pages");
	tap_is(c[1].d.out_requests_failed, c[0].d.out_requests_failed, "none failed");
	munmap((void *)p, len);
}

static void huge(void)
{
	volatile uint64_t *p;
	char *raw, *a;
	int st;

	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	raw = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a = (char *)(((uintptr_t)raw + HUGE - 1) & ~(HUGE - 1));
	madvise(a, HUGE, MADV_HUGEPAGE);
	p = (uint64_t *)a;
	st = sva_fill(dev, 0, pasid, SVAT_F_PRI, p, HUGE, PATTERN + 1);
	tap_ok(st == SVAT_ST_OK && !fill_errors(p, HUGE, PATTERN + 1),
	       "a transparent huge page never touched (%s)", svat_status(st));
	if (!(kpageflags(phys_of(a)) & KPF_THP))
		tap_diag("the kernel gave small pages");
	munmap(raw, 2 * HUGE);

	if (hugetlb_reserve(1) < 1) {
		tap_skip(1, "no hugetlb page to be had");
		return;
	}
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		tap_skip(1, "no hugetlb page to be had");
		return;
	}
	st = sva_fill(dev, 0, pasid, SVAT_F_PRI, p, HUGE, PATTERN + 2);
	tap_ok(st == SVAT_ST_OK && !fill_errors(p, HUGE, PATTERN + 2),
	       "a hugetlb page never touched (%s)", svat_status(st));
	munmap((void *)p, HUGE);
}

/* Read-only first: that it becomes writable is told by no callback. */
static void grows(void)
{
	volatile uint64_t *p = must_map(PAGE);
	uint64_t word;

	p[0] = 1;
	mprotect((void *)p, PAGE, PROT_READ);
	tap_ok(sva_read64(dev, 0, pasid, SVAT_F_PRI, p, &word) == SVAT_ST_OK && word == 1,
	       "a read-only page is read");
	mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE);
	tap_ok(sva_write64(dev, 0, pasid, SVAT_F_PRI, p, 2) == SVAT_ST_OK && p[0] == 2,
	       "and written once it is writable, without SYNC");
	munmap((void *)p, PAGE);
}

static void memory(void)
{
	begin(1);
	tap_is(bed.info[0].out_state & (VTDPASID_DEVICE_ATS | VTDPASID_DEVICE_PRI),
	       VTDPASID_DEVICE_ATS | VTDPASID_DEVICE_PRI, "ATS and page requests are on");
	untouched();
	new_slot();
	swapped();
	files();
	copy_on_write();
	large();
	huge();
	grows();
	end();
}

/* ---- 1: what may not be had ------------------------------------------------- */

/* The request is answered "invalid", once; one event says so, in full. */
static void refused(const char *what, const volatile void *addr, bool write)
{
	struct vtdpasid_event ev = { 0 };
	struct counts before, after;
	struct responses r[2];
	unsigned int lines;
	int code, rc, log;

	vt_events_drop(bed.fd);
	log = kmsg_open();
	must_count(bed.fd, bed.id[0], binding, &before);
	responses_get(dev, &r[0]);
	code = sva_request(dev, 0, pasid, SVAT_F_LPIG | (write ? SVAT_F_WRITE : 0), addr, 40);
	responses_get(dev, &r[1]);
	rc = vt_event(bed.fd, &ev, 2000);
	must_count(bed.fd, bed.id[0], binding, &after);
	tap_ok(code == 1 && r[1].invalid - r[0].invalid == 1 && r[1].success == r[0].success &&
	       r[1].failure == r[0].failure && r[1].unexpected == r[0].unexpected,
	       "%s: answered \"invalid\", once (code %d)", what, code);
	if (!tap_ok(!rc && ev.type == VTDPASID_EVENT_PRQ_FAILED &&
		    ev.addr == ((uintptr_t)addr & ~(PAGE - 1)) && ev.pasid == pasid &&
		    ev.flags == (VTDPASID_EVENT_PASID | (write ? VTDPASID_EVENT_WRITE : 0)) &&
		    ev.device == bed.id[0] && ev.binding == binding &&
		    ev.rid == dev->func.rid && !ev.reason && !ev.lost && !ev.unit &&
		    ev.size == sizeof(ev), "%s: an event says so", what))
		tap_diag("event: %s (%d)", vt_event_text(&ev), rc);
	tap_is(vt_event(bed.fd, &ev, 50), -ETIMEDOUT, "%s: and no other event", what);
	tap_ok(after.b.out_requests_failed - before.b.out_requests_failed == 1 &&
	       after.d.out_requests_failed - before.d.out_requests_failed == 1 &&
	       after.d.out_requests - before.d.out_requests == 1 &&
	       after.b.out_requests == before.b.out_requests &&
	       after.u.out_faults == before.u.out_faults,
	       "%s: counted as failed by binding and device (%d, %d)", what,
	       (int)(after.b.out_requests_failed - before.b.out_requests_failed),
	       (int)(after.d.out_requests_failed - before.d.out_requests_failed));
	lines = kmsg_count(log, NULL, true);
	close(log);
	tap_is(lines, 0, "%s: nothing in the kernel log", what);
}

static bool stack_begin(uint64_t *start)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]"))
			found = sscanf(line, "%lx", start) == 1;
	if (f)
		fclose(f);
	return found;
}

static void refusals(void)
{
	volatile char *p = must_map(8 * PAGE);
	uint64_t stack, stack2, word = 0;

	begin(1);
	mprotect((void *)p, PAGE, PROT_READ);
	mprotect((void *)(p + PAGE), PAGE, PROT_NONE);
	munmap((void *)(p + 2 * PAGE), PAGE);
	refused("a write to read-only memory", p + 8, true);
	refused("a read of PROT_NONE", p + PAGE, false);
	refused("a write to PROT_NONE", p + PAGE, true);
	refused("a read of unmapped memory", p + 2 * PAGE, false);
	refused("a write to unmapped memory", p + 2 * PAGE, true);
	refused("address 0", NULL, false);
	refused("the kernel's memory", (void *)KERNEL_ADDR, false);
	refused("a write to the kernel's memory", (void *)KERNEL_ADDR, true);
	refused("a non-canonical address", (void *)NON_CANONICAL, false);
	refused("the last page of the user half", (void *)0x7ffffffff000ULL, false);
	if (stack_begin(&stack)) {
		refused("below the stack", (void *)(stack - 4 * PAGE), true);
		tap_ok(stack_begin(&stack2) && stack == stack2, "the stack did not grow");
	} else {
		tap_skip(6, "no [stack] in /proc/self/maps");
	}
	/* The whole way: translation request, page request, answer. */
	tap_is(sva_read64(dev, 0, pasid, SVAT_F_PRI, p + PAGE, &word), SVAT_ST_PRI_INVALID,
	       "a DMA to PROT_NONE ends with that answer");
	tap_ok(sva_read64(dev, 0, pasid, SVAT_F_PRI, p, &word) == SVAT_ST_OK && !word,
	       "what may be read is read all the same");
	munmap((void *)p, 8 * PAGE);

	/* With a PASID that nobody has QEMU's unit takes no request at all. */
	struct counts c[2];

	must_count(bed.fd, bed.id[0], binding, &c[0]);
	tap_is(sva_request(dev, 0, pasid + 1, SVAT_F_LPIG | SVAT_F_FORCE, &word, 3),
	       -1000 - SVAT_ST_PRI_REFUSED, "a request with a PASID that nobody has goes nowhere");
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	tap_is(c[1].u.out_requests, c[0].u.out_requests, "and is not counted");
	end();
}

/* ---- 1: groups ---------------------------------------------------------------- */

/* A group of requests one after the other; returns the answer to it. */
static int send_group(unsigned int group, void *const *addr, int n)
{
	int i;

	for (i = 0; i < n - 1; i++)
		sva_request(dev, 1, pasid, SVAT_F_WRITE, addr[i], group);
	return sva_request(dev, 1, pasid, SVAT_F_WRITE | SVAT_F_LPIG, addr[i], group);
}

static void group_is(const char *what, unsigned int group, void *const *addr, int n, bool good)
{
	struct responses r[2];

	responses_get(dev, &r[0]);
	send_group(group, addr, n);
	sleep_ms(30);
	responses_get(dev, &r[1]);
	tap_ok(r[1].success - r[0].success == good && r[1].invalid - r[0].invalid == !good &&
	       r[1].failure == r[0].failure && r[1].unexpected == r[0].unexpected &&
	       svat_get(dev, SVAT_PRI_LAST_PRGI) == group,
	       "%s: one answer, \"%s\" (success %d, invalid %d, failure %d, unexpected %d)", what,
	       good ? "success" : "invalid", (int)(r[1].success - r[0].success),
	       (int)(r[1].invalid - r[0].invalid), (int)(r[1].failure - r[0].failure),
	       (int)(r[1].unexpected - r[0].unexpected));
}

static void groups(void)
{
	char *p = must_map_fresh(64 * PAGE, PROT_READ | PROT_WRITE);
	void *bad = (void *)PAGE, *wrong = (void *)KERNEL_ADDR;
	struct responses r[2];
	struct counts c[2];
	void *g[8];
	int i, j, n;

	begin(1);
	/* Requests without LPIG are served, and wait for the last for an answer. */
	responses_get(dev, &r[0]);
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	for (i = 0; i < 4; i++)
		sva_request(dev, 0, pasid, SVAT_F_WRITE, p + i * PAGE, 9);
	for (i = 0; i < 100; i++, sleep_ms(10)) {
		must_count(bed.fd, bed.id[0], binding, &c[1]);
		if (c[1].b.out_requests - c[0].b.out_requests == 4)
			break;
	}
	sleep_ms(30);
	tap_ok(present(p) && present(p + PAGE) && present(p + 2 * PAGE) && present(p + 3 * PAGE),
	       "four pages of a group are there");
	responses_get(dev, &r[1]);
	tap_ok(!memcmp(&r[0], &r[1], sizeof(r[0])), "no answer before the last of the group");
	tap_is(sva_request(dev, 0, pasid, SVAT_F_WRITE | SVAT_F_LPIG, p + 4 * PAGE, 9), 0,
	       "the last is answered \"success\"");
	responses_get(dev, &r[1]);
	tap_ok(r[1].success - r[0].success == 1 && r[1].invalid == r[0].invalid &&
	       svat_get(dev, SVAT_PRI_LAST_PRGI) == 9 && svat_get(dev, SVAT_PRI_LAST_PASID) == pasid,
	       "with one answer for all five");
	tap_ok(present(p + 4 * PAGE), "and its page is there");
	p += 8 * PAGE;

	/* One bad page, wherever in the group; the same group number good again. */
	for (i = 0; i < 3; i++) {
		static const char *const where[] = { "first", "in the middle", "last" };
		char text[100];

		for (j = 0; j < 5; j++)
			g[j] = p + (i * 5 + j) * PAGE;
		g[i * 2] = bad;
		snprintf(text, sizeof(text), "a group whose %s page is bad", where[i]);
		group_is(text, 20 + i, g, 5, false);
		g[0] = p + (i * 5) * PAGE;
		snprintf(text, sizeof(text), "and the next group of that number (%s)", where[i]);
		group_is(text, 20 + i, g, 1, true);
	}
	p += 16 * PAGE;

	/* Bad pages that different parts of the module find. */
	for (n = i = 0; i < 20; i++) {
		g[0] = bad;
		g[1] = bad;
		g[2] = wrong;
		responses_get(dev, &r[0]);
		send_group(30, g, 3);
		sleep_ms(10);
		responses_get(dev, &r[1]);
		n += r[1].invalid - r[0].invalid == 1 && r[1].success == r[0].success;
		responses_get(dev, &r[0]);
		sva_request(dev, 1, pasid, SVAT_F_LPIG, p, 30);
		responses_get(dev, &r[1]);
		n += r[1].success - r[0].success == 1 && r[1].invalid == r[0].invalid;
	}
	tap_is(n, 40, "unmapped pages and one of the kernel's in a group: \"invalid\" once, and the next good group of that number \"success\"");
	g[0] = wrong;
	g[1] = p;
	group_is("a group whose first page is the kernel's", 31, g, 2, false);
	group_is("and a good one of that number", 31, g + 1, 1, true);

	/* Two groups interleaved: each has its own fate. */
	sva_request(dev, 2, pasid, SVAT_F_WRITE, bad, 50);
	sva_request(dev, 3, pasid, SVAT_F_WRITE, p + PAGE, 51);
	chan_set(dev, 2, SVAT_CH_PRGI, 50);
	chan_set(dev, 3, SVAT_CH_PRGI, 51);
	sva_start(dev, 2, SVAT_CMD_PAGE_REQ, pasid, SVAT_F_WRITE | SVAT_F_LPIG, p + 2 * PAGE, 0);
	sva_start(dev, 3, SVAT_CMD_PAGE_REQ, pasid, SVAT_F_WRITE | SVAT_F_LPIG, p + 3 * PAGE, 0);
	tap_is(sva_wait(dev, 2, LONG_MS), SVAT_ST_PRI_INVALID, "of two interleaved groups the bad one is \"invalid\"");
	tap_is(sva_wait(dev, 3, LONG_MS), SVAT_ST_OK, "and the good one is not");

	/* Stop markers want no answer, and stop nothing else. */
	responses_get(dev, &r[0]);
	for (i = 0; i < 10; i++)
		sva_run(dev, 0, SVAT_CMD_STOP_MARKER, pasid, 0, p, 0);
	tap_is(svat_get(dev, SVAT_N_PRI_MARKERS), 10, "ten stop markers are sent");
	sleep_ms(100);
	responses_get(dev, &r[1]);
	tap_ok(!memcmp(&r[0], &r[1], sizeof(r[0])), "no answer to them");
	tap_is(sva_request(dev, 0, pasid, SVAT_F_WRITE | SVAT_F_LPIG, p + 4 * PAGE, 9), 0,
	       "a request after them is served");
	tap_is(svat_get(dev, SVAT_PRI_OUTSTANDING), 0, "nothing is outstanding");
	end();
}

/* ---- 4: storms ------------------------------------------------------------------ */

#define STORM_PAGES	4096UL

static void flood_start(struct svat *d, int chan, uint32_t p, const volatile void *addr,
			uint64_t count, uint64_t group, uint64_t flags)
{
	chan_set(d, chan, SVAT_CH_COUNT, count);
	chan_set(d, chan, SVAT_CH_GROUP, group);
	sva_start(d, chan, SVAT_CMD_FLOOD, p, flags, addr, 0);
}

static uint64_t flood_done(struct svat *d, int chan)
{
	return chan_get(d, chan, SVAT_CH_N_SENT) + chan_get(d, chan, SVAT_CH_N_REFUSED);
}

static size_t pages_missing(char *p, size_t n)
{
	size_t i, missing = 0;
	uint64_t entry[512];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	for (i = 0; i < n; i++) {
		if (i % 512 == 0 &&
		    pread(fd, entry, sizeof(entry), ((uintptr_t)p / PAGE + i) * 8) <= 0)
			fatal("/proc/self/pagemap: %m");
		missing += !(entry[i % 512] & PM_PRESENT);
	}
	close(fd);
	return missing;
}

/* All that a device asked for is answered; -1 when answers stay away. */
static long settle(struct svat *d)
{
	uint64_t end = now_ms() + LONG_MS;

	while (svat_get(d, SVAT_PRI_OUTSTANDING)) {
		if (now_ms() > end)
			return svat_get(d, SVAT_PRI_OUTSTANDING);
		sleep_ms(1);
	}
	return 0;
}

/* Within what PCIe allows: nothing is lost, nobody waits for the other. */
static void allowed_storm(void)
{
	char *p[2] = {
		must_map_fresh(STORM_PAGES * PAGE, PROT_READ | PROT_WRITE),
		must_map_fresh(STORM_PAGES * PAGE, PROT_READ | PROT_WRITE),
	};
	uint64_t half[2] = { 0, 0 }, start = now_ms(), n0, n1;
	struct counts c[2], d[2];
	struct responses r[2];
	uint32_t b[2], q[2];
	int i;

	begin(2);
	b[0] = binding;
	q[0] = pasid;
	must_bind(1, &b[1], &q[1]);
	for (i = 0; i < 2; i++) {
		svat_reset(&bed.dev[i]);
		must_count(bed.fd, bed.id[i], b[i], &c[i]);
		flood_start(&bed.dev[i], 0, q[i], p[i], STORM_PAGES, 8, SVAT_F_WRITE);
	}
	/* When one is half done, the other must be on its way. */
	do {
		n0 = flood_done(&bed.dev[0], 0);
		n1 = flood_done(&bed.dev[1], 0);
		if (!half[0] && (n0 >= STORM_PAGES / 2 || n1 >= STORM_PAGES / 2)) {
			half[0] = n0 + 1;
			half[1] = n1 + 1;
		}
		usleep(500);
	} while ((n0 < STORM_PAGES || n1 < STORM_PAGES) && now_ms() < start + 60000);
	tap_ok(half[0] > STORM_PAGES / 64 && half[1] > STORM_PAGES / 64,
	       "two devices storm at once: when one has half, the other has its share (%d and %d)",
	       (int)half[0], (int)half[1]);
	for (i = 0; i < 2; i++) {
		tap_is(settle(&bed.dev[i]), 0, "device %d: all is answered", i);
		must_count(bed.fd, bed.id[i], b[i], &d[i]);
		responses_get(&bed.dev[i], &r[i]);
		tap_ok(d[i].b.out_requests - c[i].b.out_requests == STORM_PAGES &&
		       d[i].b.out_requests_failed == c[i].b.out_requests_failed,
		       "device %d: %d of %d requests served, %d failed", i,
		       (int)(d[i].b.out_requests - c[i].b.out_requests), (int)STORM_PAGES,
		       (int)(d[i].b.out_requests_failed - c[i].b.out_requests_failed));
		tap_ok(!r[i].invalid && !r[i].failure && !r[i].unexpected &&
		       r[i].success >= STORM_PAGES / 8 &&
		       !chan_get(&bed.dev[i], 0, SVAT_CH_N_REFUSED),
		       "device %d: %d answers, all \"success\"", i, (int)r[i].success);
		tap_is(pages_missing(p[i], STORM_PAGES), 0, "device %d: each page is there", i);
	}
	tap_is(d[0].u.out_overflows, c[0].u.out_overflows, "no overflow");
	tap_diag("%d ms for %d requests", (int)(now_ms() - start), (int)(2 * STORM_PAGES));
	end();
	munmap(p[0], STORM_PAGES * PAGE);
	munmap(p[1], STORM_PAGES * PAGE);
}

/* A device that sends more than it may; the other wants to work meanwhile. */
static void forbidden_storm(void)
{
	char *p = must_map_fresh(STORM_PAGES * PAGE, PROT_READ | PROT_WRITE);
	char *q = must_map_fresh(64 * PAGE, PROT_READ | PROT_WRITE);
	uint32_t binding1, pasid1;
	struct counts c[2], o[2];
	int i, st, good = 0, log;
	uint64_t word, start;
	unsigned int lines;

	begin(2);
	must_bind(1, &binding1, &pasid1);
	svat_reset(&bed.dev[0]);
	svat_reset(&bed.dev[1]);
	log = kmsg_open();
	must_count(bed.fd, bed.id[0], binding, &c[0]);
	must_count(bed.fd, bed.id[1], binding1, &o[0]);
	/* Several channels at once: faster than anybody can serve. */
	for (i = 0; i < 6; i++)
		flood_start(dev, i, pasid, p, 20000, 8, SVAT_F_WRITE | SVAT_F_FORCE);
	start = now_ms();
	for (i = 0; i < 64; i++) {
		st = sva_write64(&bed.dev[1], 0, pasid1, SVAT_F_PRI, q + i * PAGE, i + 1);
		good += st == SVAT_ST_OK && *(volatile uint64_t *)(q + i * PAGE) == (uint64_t)i + 1;
		if (st && st != SVAT_ST_PRI_TIMEOUT)
			tap_diag("round %d: %s", i, svat_status(st));
	}
	tap_is(good, 64, "a device floods: 64 of 64 DMAs of the other go on (%d ms)",
	       (int)(now_ms() - start));
	for (i = 0; i < 6; i++)
		sva_wait(dev, i, 60000);
	must_count(bed.fd, bed.id[0], binding, &c[1]);
	must_count(bed.fd, bed.id[1], binding1, &o[1]);
	tap_diag("flood: %d sent, %d refused by a full queue, %d overflows, %d served, %d failed",
		 (int)svat_get(dev, SVAT_N_PRI_SENT), (int)svat_get(dev, SVAT_N_PRI_ERRORS),
		 (int)(c[1].u.out_overflows - c[0].u.out_overflows),
		 (int)(c[1].b.out_requests - c[0].b.out_requests),
		 (int)(c[1].d.out_requests_failed - c[0].d.out_requests_failed));
	tap_is(o[1].b.out_requests_failed - o[0].b.out_requests_failed, 0,
	       "none of the other's requests failed");
	lines = kmsg_count(log, "overflow", false);
	close(log);
	if (svat_get(dev, SVAT_N_PRI_ERRORS))
		tap_ok(c[1].u.out_overflows > c[0].u.out_overflows && lines && lines < 50,
		       "the queue overflowed: counted (%d), and logged (%u lines)",
		       (int)(c[1].u.out_overflows - c[0].u.out_overflows), lines);
	else
		tap_skip(1, "the queue did not overflow: this machine is too quick");
	tap_ok(c[1].d.out_requests_failed > c[0].d.out_requests_failed,
	       "what is beyond the device's share is refused");
	/* What was sent last may still be in the queue, and take its share. */
	do {
		uint64_t n = responses_all(dev);

		sleep_ms(100);
		if (n == responses_all(dev))
			break;
	} while (now_ms() - start < 90000);
	/* It can work again. */
	tap_is(sva_request(dev, 7, pasid, SVAT_F_WRITE | SVAT_F_LPIG | SVAT_F_FORCE, &word, 7), 0,
	       "after the storm a request of that device is served");
	svat_reset(dev);
	*(volatile uint64_t *)(q + 8) = 5;
	madvise(q, PAGE, MADV_DONTNEED);
	tap_is(sva_write64(dev, 0, pasid, SVAT_F_PRI, q, 6), SVAT_ST_OK, "and its DMA works");
	end();
	munmap(p, STORM_PAGES * PAGE);
	munmap(q, 64 * PAGE);
}

/* Unbind while it storms; @group 0: requests that never end a group. */
static void storm_unbind(const char *what, uint64_t group, uint64_t flags, bool mapped)
{
	char *p = mapped ? must_map_fresh(STORM_PAGES * PAGE, PROT_READ | PROT_WRITE) : (char *)PAGE;
	char *q = must_map_fresh(16 * PAGE, PROT_READ | PROT_WRITE);
	uint32_t binding1, pasid1, b2, p2;
	uint64_t start, ms, n;
	int i, rc, good = 0;

	begin(2);
	must_bind(1, &binding1, &pasid1);
	svat_reset(dev);
	for (i = 0; i < 4; i++)
		flood_start(dev, i, pasid, p, 1000000, group, SVAT_F_WRITE | flags);
	sva_reach(dev, SVAT_N_PRI_SENT, 64, 5000);
	start = now_ms();
	rc = vt_unbind(bed.fd, binding);
	ms = now_ms() - start;
	n = responses_all(dev);
	tap_ok(!rc && ms < BOUND_MS, "%s: unbind returns (%s, %d ms)", what, strerror(-rc), (int)ms);
	sleep_ms(50);
	tap_is(responses_all(dev), n, "%s: no answer comes after it", what);
	for (i = 0; i < 16; i++)
		good += sva_write64(&bed.dev[1], 0, pasid1, SVAT_F_PRI, q + i * PAGE, 1) == SVAT_ST_OK;
	tap_is(good, 16, "%s: the other device works", what);
	for (i = 0; i < 4; i++)
		sva_stop(dev, i);
	tap_is(group ? settle(dev) : 0, 0, "%s: what was asked for is answered", what);
	tap_is(svat_get(dev, SVAT_N_PRI_UNEXPECTED), 0, "%s: nothing is answered twice", what);
	svat_reset(dev);
	must_bind(0, &b2, &p2);
	madvise(q, PAGE, MADV_DONTNEED);
	tap_is(sva_write64(dev, 0, p2, SVAT_F_PRI, q, 6), SVAT_ST_OK,
	       "%s: bound again, the device works", what);
	start = now_ms();
	end();
	tap_ok(now_ms() - start < BOUND_MS, "%s: close returns", what);
	if (mapped)
		munmap(p, STORM_PAGES * PAGE);
	munmap(q, 16 * PAGE);
}

static void storms(void)
{
	int i;

	allowed_storm();
	forbidden_storm();
	storm_unbind("a storm", 8, 0, true);
	storm_unbind("a forbidden storm", 8, SVAT_F_FORCE, true);
	/* More than once: the server must be in the middle of it. */
	for (i = 0; i < 5; i++)
		storm_unbind("a storm for unmapped memory", 1, 0, false);
	storm_unbind("a storm without ends of groups", 0, SVAT_F_FORCE, true);
}

/* ---- 5: the end, with requests in flight ------------------------------------------ */

enum ending { BY_EXIT, BY_KILL, BY_EXEC, BY_UNMAP, BY_UNBIND, BY_CLOSE };

static const char *const endings[] = { "exit", "kill -9", "exec", "munmap", "unbind", "close" };

struct bound {
	int rc;
	uint32_t pasid, binding, device;
	void *addr;
};

/* The storm area lies at the same address in all children. */
#define AREA	((char *)(11 * SLOT))

static int mortal(int sock, void *arg)
{
	enum ending how = (uintptr_t)arg;
	struct bound b = { .device = bed.id[0], .addr = AREA };
	char go;
	int rc = 0;

	if (mmap(AREA, STORM_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != AREA)
		return 9;
	b.rc = vt_bind(bed.fd, b.device, 0, 0, &b.binding, &b.pasid);
	msg_send(sock, &b, sizeof(b));
	if (msg_recv(sock, &go, 1, LONG_MS) != 1)
		return 8;
	switch (how) {
	case BY_EXEC:
		execl("/proc/self/exe", "s_prq", "--nothing", NULL);
		return 7;
	case BY_UNMAP:
		rc = munmap(AREA, STORM_PAGES * PAGE);
		break;
	case BY_UNBIND:
		rc = vt_unbind(bed.fd, b.binding);
		break;
	case BY_KILL:
		pause();
		break;
	case BY_CLOSE:
		/* The file stays open in the parent, who closes it now. */
		close(bed.fd);
		break;
	default:
		return 0;
	}
	if (rc)
		return 6;
	msg_send(sock, "d", 1);
	msg_recv(sock, &go, 1, LONG_MS);
	return 0;
}

static void ends(enum ending how)
{
	bool dies = how == BY_EXIT || how == BY_KILL || how == BY_EXEC;
	char *q = must_map_fresh(4 * PAGE, PROT_READ | PROT_WRITE);
	const char *what = endings[how];
	struct vtdpasid_event ev;
	struct responses r[2];
	struct child child;
	uint64_t start, n;
	struct bound b;
	char done = 0;
	int i, rc, log;

	bed_open_flags(&bed, 2, 2, ATS | PRI);
	dev = &bed.dev[0];
	log = kmsg_open();
	if (child_start(&child, mortal, (void *)(uintptr_t)how) ||
	    msg_recv(child.sock, &b, sizeof(b), LONG_MS) != sizeof(b) || b.rc)
		fatal("child that binds");
	must_bind(1, &binding, &pasid);
	for (i = 0; i < 3; i++)
		flood_start(dev, i, b.pasid, b.addr, 1000000, 8, SVAT_F_WRITE);
	tap_ok(sva_reach(dev, SVAT_N_PRI_SENT, 64, 5000), "%s: page requests are under way", what);
	tap_is(vt_module_unload(), -EAGAIN, "%s: the module cannot be unloaded meanwhile", what);

	start = now_ms();
	if (how == BY_KILL)
		child_kill(&child, SIGKILL);
	else if (how != BY_CLOSE)
		msg_send(child.sock, "g", 1);
	if (how == BY_CLOSE) {
		msg_send(child.sock, "g", 1);
		msg_recv(child.sock, &done, 1, LONG_MS);
		start = now_ms();
		close(bed.fd);
		tap_ok(now_ms() - start < BOUND_MS, "close: returns (%d ms)", (int)(now_ms() - start));
		bed.fd = must_open();
		tap_is(vt_attach(bed.fd, &dev->func, ATS | PRI, &bed.info[0]), 0,
		       "close: the device can be attached again");
		bed.id[0] = bed.info[0].out_device;
		vt_attach(bed.fd, &bed.dev[1].func, ATS | PRI, &bed.info[1]);
		bed.id[1] = bed.info[1].out_device;
	} else if (dies) {
		rc = vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, dev->func.rid, b.binding, &ev, LONG_MS);
		tap_ok(!rc && ev.pasid == b.pasid, "%s: an event tells that the process is gone", what);
		tap_ok(now_ms() - start < BOUND_MS, "%s: in time (%d ms)", what,
		       (int)(now_ms() - start));
		rc = child_wait(&child, LONG_MS);
		tap_ok(how == BY_KILL ? WIFSIGNALED(rc) : !rc, "%s: it has ended (%#x)", what, rc);
	} else {
		tap_ok(msg_recv(child.sock, &done, 1, LONG_MS) == 1 && now_ms() - start < BOUND_MS,
		       "%s: returns (%d ms)", what, (int)(now_ms() - start));
	}

	if (how == BY_UNMAP) {
		/* From now on all that is asked for is "invalid". */
		sleep_ms(20);
		responses_get(dev, &r[0]);
		sva_reach(dev, SVAT_N_PRI_INVALID, r[0].invalid + 20, 5000);
		responses_get(dev, &r[1]);
		tap_ok(r[1].success == r[0].success && r[1].invalid > r[0].invalid,
		       "munmap: later requests are \"invalid\"");
	} else if (how != BY_CLOSE) {
		n = svat_get(dev, SVAT_N_PRI_SENT);
		sleep_ms(20);
		tap_is(svat_get(dev, SVAT_N_PRI_SENT), n,
		       "%s: the unit takes no more requests of that PASID", what);
	}
	for (i = 0; i < 3; i++)
		sva_stop(dev, i);
	if (how != BY_CLOSE)
		tap_is(settle(dev), 0, "%s: all that was asked for is answered", what);
	tap_is(svat_get(dev, SVAT_N_PRI_UNEXPECTED), 0, "%s: nothing is answered twice", what);
	if (how != BY_CLOSE) {
		tap_is(sva_write64(&bed.dev[1], 0, pasid, SVAT_F_PRI, q, 1), SVAT_ST_OK,
		       "%s: the other device's requests are served", what);
		vt_unbind(bed.fd, binding);
	}
	svat_reset(dev);
	must_bind(0, &binding, &pasid);
	tap_is(sva_write64(dev, 0, pasid, SVAT_F_PRI, q + PAGE, 1), SVAT_ST_OK,
	       "%s: another process is served on that device", what);
	if (child.pid > 0) {
		msg_send(child.sock, "e", 1);
		child_wait(&child, LONG_MS);
	}
	end();
	tap_is(kmsg_count(log, NULL, true), 0, "%s: nothing in the kernel log", what);
	close(log);
	munmap(q, 4 * PAGE);
}

static void all_ends(void)
{
	enum ending how;

	for (how = BY_EXIT; how <= BY_CLOSE; how++)
		ends(how);
}

/* ---- 5: a request that userspace never serves --------------------------------------- */

static int uffd_open(void *addr, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)addr, len }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		fatal("userfaultfd: %m");
	return fd;
}

/* The fault has arrived in userspace: the server of the request waits. */
static bool uffd_stuck(int uffd, void *addr)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	return poll(&p, 1, 5000) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT &&
	       (msg.arg.pagefault.address & ~(PAGE - 1)) == (uintptr_t)addr;
}

static void timed_unbind(const char *what, uint32_t b)
{
	uint64_t start = now_ms();
	int rc = vt_unbind(bed.fd, b);

	tap_ok(!rc && now_ms() - start < BOUND_MS, "%s (%s, %d ms)", what, strerror(-rc),
	       (int)(now_ms() - start));
}

static void stuck_unbind(void)
{
	char *p = must_map_fresh(4 * PAGE, PROT_READ | PROT_WRITE);
	char *q = must_map_fresh(16 * PAGE, PROT_READ | PROT_WRITE);
	struct uffdio_zeropage zero = { .range = { (uintptr_t)p + PAGE, PAGE } };
	uint32_t binding1, pasid1;
	int uffd = uffd_open(p, 4 * PAGE), st;
	struct responses r[2];
	uint64_t word, n;

	if (uffd < 0) {
		tap_skip(1, "no userfaultfd in this kernel");
		return;
	}
	begin(2);
	must_bind(1, &binding1, &pasid1);

	/* It is served in the end: works as for the CPU. */
	sva_start(dev, 0, SVAT_CMD_DMA, pasid, SVAT_F_PRI, p + PAGE, 8);
	tap_ok(uffd_stuck(uffd, p + PAGE), "a device's fault arrives at a userfaultfd");
	tap_is(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), 0, "which serves it");
	tap_is(sva_wait(dev, 0, LONG_MS), SVAT_ST_OK, "and the device goes on");

	sva_start(dev, 0, SVAT_CMD_DMA, pasid, SVAT_F_PRI, p, 8);
	if (!tap_ok(uffd_stuck(uffd, p), "a request waits for userspace"))
		tap_diag("status %s", svat_status(chan_get(dev, 0, SVAT_CH_STATUS)));
	tap_is(chan_get(dev, 0, SVAT_CH_STATUS), SVAT_ST_BUSY, "and the device waits for it");
	tap_is(sva_write64(&bed.dev[1], 0, pasid1, SVAT_F_PRI, q, 1), SVAT_ST_OK,
	       "another device's requests are served meanwhile");
	responses_get(dev, &r[0]);
	timed_unbind("unbind returns although the request cannot be served", binding);
	st = sva_wait(dev, 0, LONG_MS);
	responses_get(dev, &r[1]);
	tap_ok(st == SVAT_ST_PRI_INVALID && r[1].invalid - r[0].invalid == 1,
	       "the device got its answer, \"invalid\" (%s)", svat_status(st));
	tap_is(svat_get(dev, SVAT_PRI_OUTSTANDING), 0, "and waits for nothing else");

	/* The server of the old request still waits. The device must not. */
	must_bind(0, &binding, &pasid);
	n = svat_get(dev, SVAT_N_PRI_UNEXPECTED);
	chan_set(dev, 1, SVAT_CH_TIMEOUT, 3000000000ULL);
	st = sva_write64(dev, 1, pasid, SVAT_F_PRI, q + PAGE, 2);
	tap_is(st, SVAT_ST_OK, "bound again, the device is served although the old request is stuck");
	close(uffd);
	sleep_ms(100);
	tap_is(sva_write64(dev, 2, pasid, SVAT_F_PRI, q + 2 * PAGE, 2), SVAT_ST_OK,
	       "after the userfaultfd is closed the device is served");
	tap_is(svat_get(dev, SVAT_N_PRI_UNEXPECTED), n, "the old request is not answered again");
	tap_is(sva_read64(dev, 3, pasid, SVAT_F_PRI, p, &word), SVAT_ST_OK,
	       "and its page can be had");
	end();
	munmap(p, 4 * PAGE);
	munmap(q, 16 * PAGE);
}

/* Of a storm's pages the last is stuck: all others are there. */
static void stuck_behind(void)
{
	enum { N = 12 };
	char *p = must_map_fresh((N + 1) * PAGE, PROT_READ | PROT_WRITE);
	int uffd = uffd_open(p + N * PAGE, PAGE);
	struct responses r[2];
	uint64_t start;

	begin(1);
	svat_reset(dev);
	responses_get(dev, &r[0]);
	flood_start(dev, 0, pasid, p, N + 1, 1, SVAT_F_WRITE);
	tap_ok(uffd_stuck(uffd, p + N * PAGE), "the last request of %d waits for userspace", N + 1);
	sva_reach(dev, SVAT_N_PRI_SUCCESS, r[0].success + N, 2000);
	responses_get(dev, &r[1]);
	tap_is(r[1].success - r[0].success, N, "pages that were served are answered meanwhile");
	start = now_ms();
	tap_is(vt_unbind(bed.fd, binding), 0, "unbind");
	responses_get(dev, &r[1]);
	tap_ok(r[1].success - r[0].success == N && r[1].invalid - r[0].invalid == 1 &&
	       now_ms() - start < BOUND_MS,
	       "when it returns each has its answer (%d success, %d invalid)",
	       (int)(r[1].success - r[0].success), (int)(r[1].invalid - r[0].invalid));
	close(uffd);
	sleep_ms(100);
	tap_is(responses_all(dev), N + 1, "and no answer comes later");
	end();
	munmap(p, (N + 1) * PAGE);
}

/* A neighbour on the same device, while another's request is stuck. */
static int neighbour(int sock, void *arg)
{
	char *p = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);
	uint32_t b, q;
	int st;

	(void)arg;
	if (vt_bind(bed.fd, bed.id[0], 0, 0, &b, &q))
		return 1;
	chan_set(dev, 4, SVAT_CH_TIMEOUT, 3000000000ULL);
	st = sva_write64(dev, 4, q, SVAT_F_PRI, p, 3);
	msg_send(sock, &st, sizeof(st));
	return 0;
}

static void stuck_neighbour(void)
{
	char *p = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);
	int uffd = uffd_open(p, PAGE), st = -1;
	struct child child;

	if (uffd < 0) {
		tap_skip(1, "no userfaultfd in this kernel");
		return;
	}
	begin(1);
	sva_start(dev, 0, SVAT_CMD_DMA, pasid, SVAT_F_PRI, p, 8);
	tap_ok(uffd_stuck(uffd, p), "a request waits for userspace again");
	if (child_start(&child, neighbour, NULL))
		fatal("fork");
	msg_recv(child.sock, &st, sizeof(st), LONG_MS);
	tap_is(st, SVAT_ST_OK, "another process on the same device is served meanwhile");
	child_wait(&child, LONG_MS);
	/* Without it the fault is an ordinary one. */
	close(uffd);
	tap_is(sva_wait(dev, 0, LONG_MS), SVAT_ST_OK, "and the one that waited, in the end");
	end();
	munmap(p, PAGE);
}

/* Hands its userfaultfd out, so that its own end does not resolve the fault. */
static int stuck_child(int sock, void *arg)
{
	struct bound b = { .device = bed.id[0] };
	int uffd;
	char go;

	(void)arg;
	b.addr = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);
	uffd = uffd_open(b.addr, PAGE);
	if (uffd < 0)
		return 1;
	b.rc = vt_bind(bed.fd, b.device, 0, 0, &b.binding, &b.pasid);
	msg_send(sock, &b, sizeof(b));
	msg_send_fd(sock, uffd);
	msg_recv(sock, &go, 1, LONG_MS);
	return 0;
}

static int unloader(int sock, void *arg)
{
	int rc;

	/* Else the fault could not end while this waits for it. */
	close(*(int *)arg);
	rc = vt_module_unload();
	msg_send(sock, &rc, sizeof(rc));
	return 0;
}

static void stuck_kill_close(void)
{
	struct child child, rm;
	uint64_t start;
	struct bound b;
	int uffd, rc = -1;

	bed_open_flags(&bed, 1, 1, ATS | PRI);
	dev = &bed.dev[0];
	if (child_start(&child, stuck_child, NULL) ||
	    msg_recv(child.sock, &b, sizeof(b), LONG_MS) != sizeof(b)) {
		tap_skip(1, "no userfaultfd in this kernel");
		end();
		return;
	}
	uffd = msg_recv_fd(child.sock, LONG_MS);
	sva_start(dev, 0, SVAT_CMD_DMA, b.pasid, SVAT_F_PRI, b.addr, 8);
	tap_ok(uffd_stuck(uffd, b.addr), "a request of a process waits for another to serve it");
	start = now_ms();
	child_kill(&child, SIGKILL);
	rc = child_wait(&child, LONG_MS);
	tap_ok(rc >= 0 && WIFSIGNALED(rc) && now_ms() - start < BOUND_MS,
	       "the process can be killed (%d ms)", (int)(now_ms() - start));

	start = now_ms();
	close(bed.fd);
	tap_ok(now_ms() - start < BOUND_MS, "close returns although the request is stuck (%d ms)",
	       (int)(now_ms() - start));
	tap_is(svat_get(dev, SVAT_PRI_OUTSTANDING), 0, "its answer is given");

	/* Nothing is open, but a fault is being served: that is a use, too. */
	rc = -1;
	if (child_start(&rm, unloader, &uffd))
		fatal("fork");
	rc = msg_recv(rm.sock, &rc, sizeof(rc), 5000) == sizeof(rc) ? rc : -ETIMEDOUT;
	tap_ok(rc == -EAGAIN || rc == -EBUSY,
	       "rmmod is refused, and does not hang, while a fault is being served (%s)",
	       rc == -ETIMEDOUT ? "hangs" : strerror(-rc));
	close(uffd);
	child_wait(&rm, LONG_MS);
	sleep_ms(100);
	svat_close(dev);
	pci_release(&dev->func);
	if (vt_loaded()) {
		start = now_ms();
		while ((rc = vt_module_unload()) == -EAGAIN && now_ms() - start < BOUND_MS)
			sleep_ms(10);
	}
	tap_ok(!vt_loaded(), "with the userfaultfd closed the module can be unloaded (%s)",
	       strerror(-rc));
	rc = vt_loaded() ? 0 : vt_module_load("");
	tap_is(rc, 0, "and loaded");
}

static void stuck(void)
{
	if (access("/proc/sys/vm/unprivileged_userfaultfd", F_OK)) {
		tap_skip(20, "this kernel has no userfaultfd");
		return;
	}
	stuck_unbind();
	stuck_behind();
	stuck_neighbour();
	stuck_kill_close();
}

/* ---------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "memory", memory }, { "refused", refusals }, { "groups", groups },
		{ "storm", storms }, { "ends", all_ends }, { "stuck", stuck },
	};
	unsigned int i;
	int a;

	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		return 0;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		bool wanted = argc < 2;

		for (a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], parts[i].name);
		if (wanted)
			parts[i].run();
	}
	return tap_done();
}
