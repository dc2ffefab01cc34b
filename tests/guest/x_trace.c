// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_trace [caching]: steps whose invalidation descriptors QEMU records
 *
 * After each step this program prints which descriptors the module submitted
 * in it, by their count since takeover:
 *
 *	#@ phase NAME from=N to=N doorbells=N KEY=VALUE...
 *
 * tests/trace-check.py cuts QEMU's record by these counts and compares each
 * piece with what the specification asks for in that step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "tap.h"

static int fd;
static struct pci_func a, b, nvme;
static struct svat dev;
static uint64_t descriptors, doorbells;

static void must(int rc, const char *what)
{
	if (rc)
		fatal("%s: %s", what, strerror(-rc));
}

static void phase(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void phase(const char *name, const char *fmt, ...)
{
	struct vtdpasid_unit_info unit;
	char text[200];
	va_list ap;

	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("#@ phase %s from=%lu to=%llu doorbells=%llu %s\n", name, descriptors,
	       unit.out_descriptors, unit.out_doorbells - doorbells, text);
	descriptors = unit.out_descriptors;
	doorbells = unit.out_doorbells;
}

/* Nothing was submitted since the last step: what follows is the next one's. */
static void settle(const char *name)
{
	phase("quiet", "before=%s", name);
}

static void driver(const char *verb)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/nvme/%s", verb);
	must(write_file(path, "%s", nvme.name), path);
}

static bool works(long pasid)
{
	uint64_t word = 99, v = 0;

	return svat_read64(&dev, 0, pasid, &word, &v) == SVAT_ST_OK && v == 99;
}

/* ---- steps ---------------------------------------------------------------------- */

static uint32_t attach(const struct pci_func *f, const char *name)
{
	struct vtdpasid_attach out;

	must(vt_attach(fd, f, 0, &out), name);
	phase(name, "rid=%#x", f->rid);
	return out.out_device;
}

static void detach(uint32_t device, const struct pci_func *f, const char *name, uint32_t pasid)
{
	must(vt_detach(fd, device), name);
	phase(name, "rid=%#x pasid=%u", f->rid, pasid);
}

static void test_driven(void)
{
	uint32_t id;

	driver("unbind");
	phase("driver-unbind", "rid=%#x", nvme.rid);
	driver("bind");
	phase("driver-bind", "rid=%#x", nvme.rid);
	id = attach(&nvme, "attach-driven");
	detach(id, &nvme, "detach-driven", 0);
}

/* Nothing is sent for a top-level slot that no device was let to. */
static void let(void *p, size_t len, uint32_t pasid)
{
	must(vt_sync(fd, p, len), "SYNC");
	phase("notifier-any", "pasid=%u what=let", pasid);
}

/* The process's memory changes while it is bound to both devices. */
static void test_notifier(uint32_t pasid)
{
	/* Where no boundary but that of the range is near, and no table goes. */
	uint8_t *p = must_map_at(0x20020000000, 64 * PAGE), *q;
	const size_t big = 16 * MB;

	let(p, 64 * PAGE, pasid);
	settle("munmap");
	munmap(p + 5 * PAGE, PAGE);
	phase("notifier", "pasid=%u what=munmap first=%#lx last=%#lx", pasid,
	      (long)p + 5 * PAGE, (long)p + 6 * PAGE - 1);
	mprotect(p + 20 * PAGE, 3 * PAGE, PROT_READ);
	phase("notifier", "pasid=%u what=mprotect first=%#lx last=%#lx", pasid,
	      (long)p + 20 * PAGE, (long)p + 23 * PAGE - 1);
	madvise(p + 30 * PAGE, 2 * PAGE, MADV_DONTNEED);
	phase("notifier", "pasid=%u what=madvise first=%#lx last=%#lx", pasid,
	      (long)p + 30 * PAGE, (long)p + 32 * PAGE - 1);

	q = must_map_at(0x20000000000, big);
	let(q, big, pasid);
	settle("large-munmap");
	munmap(q, big);
	/* From 6.6 on the kernel says "all" where it flushes all of its own TLB. */
	phase("notifier-large", "pasid=%u what=munmap-large first=%#lx last=%#lx", pasid,
	      (long)q, (long)q + big - 1);

	/* A block of 2^18 pages is the largest: more is the whole PASID. */
	q = must_map_at(0x10ffffff000, 2 * PAGE);
	let(q, 2 * PAGE, pasid);
	settle("wide");
	mprotect(q, 2 * PAGE, PROT_READ);
	phase("notifier-wide", "pasid=%u what=mprotect-across-1TiB first=%#lx last=%#lx", pasid,
	      (long)q, (long)q + 2 * PAGE - 1);
	munmap(q, 2 * PAGE);
	phase("notifier-any", "pasid=%u what=munmap-slot", pasid);

	must(vt_sync(fd, p + 40 * PAGE, 4 * PAGE), "SYNC");
	phase("sync", "pasid=%u first=%#lx last=%#lx", pasid,
	      (long)p + 40 * PAGE, (long)p + 44 * PAGE - 1);
	munmap(p, 64 * PAGE);
	phase("notifier-any", "pasid=%u what=munmap-rest", pasid);
}

static void test_hugetlb(uint32_t pasid)
{
	uint8_t *p;

	p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		tap_skip(1, "no hugetlb pages");
		return;
	}
	p[0] = p[HUGE] = 1;
	settle("hugetlb-unmap");
	/* Not munmap(): where it splits such a mapping, 6.1.176 warns of itself. */
	madvise(p, HUGE, MADV_DONTNEED);
	phase("notifier-hugetlb-left", "pasid=%u first=%#lx last=%#lx", pasid,
	      (long)p, (long)p + HUGE - 1);
	munmap(p, 2 * HUGE);
	phase("notifier-hugetlb", "pasid=%u first=%#lx last=%#lx", pasid,
	      (long)p + HUGE, (long)p + 2 * HUGE - 1);
}

/* One process, two devices, PASIDs. */
static void test_pasid(void)
{
	uint32_t id_a, id_b, bind_a, bind_b, pasid;

	id_a = attach(&a, "attach-claimed");
	id_b = attach(&b, "attach-claimed");
	must(vt_bind(fd, id_a, 0, 0, &bind_a, &pasid), "bind");
	phase("bind", "pasid=%u which=first", pasid);
	tap_ok(works(pasid), "DMA works");
	must(vt_bind(fd, id_b, 0, 0, &bind_b, &pasid), "bind");
	phase("bind", "pasid=%u which=second", pasid);

	test_notifier(pasid);
	test_hugetlb(pasid);

	settle("unbind");
	must(vt_unbind(fd, bind_b), "unbind");
	phase("unbind", "pasid=%u which=second", pasid);
	tap_ok(works(pasid), "DMA of the other device works");
	settle("unbind");
	must(vt_unbind(fd, bind_a), "unbind");
	phase("unbind", "pasid=%u which=first", pasid);
	tap_ok(!works(pasid), "DMA does not work any more");

	must(vt_bind(fd, id_a, 0, 0, &bind_a, &pasid), "bind");
	phase("bind", "pasid=%u which=again", pasid);
	detach(id_a, &a, "detach-bound", pasid);
	detach(id_b, &b, "detach-claimed", 0);
	must(vt_pasid_free(fd, pasid), "PASID_FREE");
	phase("nothing", "what=PASID_FREE");
}

static void test_no_pasid(void)
{
	uint32_t id, binding;

	id = attach(&a, "attach-claimed");
	must(vt_bind(fd, id, VTDPASID_BIND_NO_PASID, 0, &binding, NULL), "bind without PASID");
	phase("bind-no-pasid", "rid=%#x", a.rid);
	tap_ok(works(NO_PASID), "DMA without PASID works");
	settle("unbind");
	must(vt_unbind(fd, binding), "unbind without PASID");
	phase("unbind-no-pasid", "rid=%#x", a.rid);
	detach(id, &a, "detach-claimed", 0);
}

/* ---- a process that ends ----------------------------------------------------------- */

static uint32_t devices[2];

/*
 * Write to each page that fork() has made read-only, so that this process makes
 * no copies later: each one is an invalidation of its own.
 */
static void end_copy_on_write(void)
{
	unsigned long from, to;
	char line[256], mode[5];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 ||
		    strncmp(mode, "rw-p", 4))
			continue;
		for (; from < to; from += PAGE) {
			volatile char *p = (volatile char *)from;

			*p = *p;
		}
	}
	if (maps)
		fclose(maps);
}

static int ending(int sock, void *arg)
{
	uint32_t pasid = 0, wanted = *(uint32_t *)arg, again;
	char c;
	int i;

	end_copy_on_write();
	if (wanted)
		must(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, wanted, wanted, &pasid), "reserve");
	for (i = 0; i < 2; i++)
		if (devices[i])
			must(vt_bind(fd, devices[i], 0, pasid, NULL, &again), "bind");
	msg_send(sock, &again, sizeof(again));
	msg_recv(sock, &c, 1, 30000);
	/* No clean-up of ours: this is how processes end. */
	kill(getpid(), SIGKILL);
	return 0;
}

static void test_exit(void)
{
	uint32_t wanted = 0, pasid;
	struct child c;

	devices[0] = attach(&a, "attach-claimed");
	devices[1] = attach(&b, "attach-claimed");
	must(child_start(&c, ending, &wanted), "fork");
	if (msg_recv(c.sock, &pasid, sizeof(pasid), 30000) != sizeof(pasid))
		fatal("the child does not answer");
	phase("bind-two", "pasid=%u", pasid);
	sleep_ms(100);
	settle("exit");
	child_kill(&c, SIGKILL);
	child_wait(&c, 10000);
	phase("exit", "pasid=%u", pasid);
	detach(devices[0], &a, "detach-dead", pasid);
	detach(devices[1], &b, "detach-dead", pasid);
	must(vt_pasid_free(fd, pasid), "PASID_FREE");
}

/* A PASID beyond what the first directory holds. */
static void test_grow(void)
{
	uint32_t wanted = 40000, pasid;
	struct child c;

	devices[0] = attach(&a, "attach-claimed");
	devices[1] = 0;
	must(child_start(&c, ending, &wanted), "fork");
	if (msg_recv(c.sock, &pasid, sizeof(pasid), 30000) != sizeof(pasid))
		fatal("the child does not answer");
	phase("bind-grow", "rid=%#x pasid=%u", a.rid, pasid);
	child_kill(&c, SIGKILL);
	child_wait(&c, 10000);
	phase("exit", "pasid=%u", pasid);
	detach(devices[0], &a, "detach-dead", pasid);
	must(vt_pasid_free(fd, pasid), "PASID_FREE");
}

int main(int argc, char **argv)
{
	struct vtdpasid_unit_info unit;
	struct pci_func f[2];
	bool caching = argc > 1 && !strcmp(argv[1], "caching");

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2 ||
	    pci_find(0x1b36, 0x0010, &nvme, 1) != 1)
		fatal("functions are missing");
	a = f[0];
	b = f[1];
	fd = must_open();
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	printf("#@ unit cap=%#llx ecap=%#llx\n", unit.out_cap, unit.out_ecap);
	tap_is(!!(unit.out_cap & 0x80), caching, "caching mode is %s", caching ? "on" : "off");

	/* Nobody moves our pages about later. */
	hugetlb_reserve(2);
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "never");
	must(vt_takeover(fd, 0, NULL), "takeover");
	phase("takeover", "unit=0");
	must(pci_claim(&a), "claim");
	must(pci_claim(&b), "claim");
	phase("nothing", "what=claim");
	must(svat_open(&dev, &a), "registers");

	test_driven();
	test_pasid();
	test_no_pasid();
	test_exit();
	test_grow();

	must(vt_handback(fd, 0), "handback");
	/* The module's count ends here; the record goes to its end. */
	printf("#@ phase handback from=%lu to=end doorbells=1\n", descriptors);
	tap_pass("all steps were made");
	return tap_done();
}
