// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_dma.c - a device reads and writes a process's memory at its addresses
 *
 * With PASID and without, every kind of user memory; what the process may not
 * do, the device may not do either, and each refusal leaves its record.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

static struct bed bed;
static uint64_t seed = 1;

static char bss[3 * PAGE];
static char data[3 * PAGE] = { 1 };
static const char rodata[] __attribute__((aligned(4096))) = "may be read, may not be written";

/* How a function's DMA is made: @pasid, or none; @dev or, when NULL, @edu. */
struct engine {
	const char *name;
	struct svat *dev;
	struct edu *edu;
	long pasid;
	uint32_t binding;
};

/* Device to memory and memory to device, each compared byte for byte. */
static void svat_both_ways(struct engine *e, const char *what, void *p, size_t len)
{
	char *buf = malloc(len);
	ssize_t bad;
	int st;

	pattern_fill(p, len, ++seed);
	memset(buf, 0, len);
	st = svat_read(e->dev, 0, e->pasid, (uintptr_t)p, buf, len);
	bad = pattern_check(buf, len, seed);
	if (!tap_ok(!st && bad < 0, "%s: device reads %zu bytes of %s", e->name, len, what))
		tap_diag("status %s, first wrong byte %zd", svat_status(st), bad);

	pattern_fill(buf, len, ++seed);
	st = svat_write(e->dev, 0, e->pasid, (uintptr_t)p, buf, len);
	bad = pattern_check(p, len, seed);
	if (!tap_ok(!st && bad < 0, "%s: device writes %zu bytes of %s", e->name, len, what))
		tap_diag("status %s, first wrong byte %zd", svat_status(st), bad);
	free(buf);
}

/* edu shows its data by DMA only: from @p through the device to @other. */
static void edu_both_ways(struct engine *e, const char *what, char *p, size_t len)
{
	char *other = must_map(EDU_MAX);
	ssize_t bad = -1;
	int rc;

	if (len > EDU_MAX)
		len = EDU_MAX;
	pattern_fill(p, len, ++seed);
	rc = edu_read(e->edu, (uintptr_t)p, len);
	if (!rc)
		rc = edu_write(e->edu, (uintptr_t)other, len);
	bad = pattern_check(other, len, seed);
	if (!tap_ok(!rc && bad < 0, "%s: device reads %zu bytes of %s", e->name, len, what))
		tap_diag("%s, first wrong byte %zd", strerror(-rc), bad);

	pattern_fill(other, len, ++seed);
	rc = edu_read(e->edu, (uintptr_t)other, len);
	if (!rc)
		rc = edu_write(e->edu, (uintptr_t)p, len);
	bad = pattern_check(p, len, seed);
	if (!tap_ok(!rc && bad < 0, "%s: device writes %zu bytes of %s", e->name, len, what))
		tap_diag("%s, first wrong byte %zd", strerror(-rc), bad);
	munmap(other, EDU_MAX);
}

static void both_ways(struct engine *e, const char *what, void *p, size_t len)
{
	if (e->dev)
		svat_both_ways(e, what, p, len);
	else
		edu_both_ways(e, what, p, len);
}

/* All words of a large range, each way. */
static void whole_range(struct engine *e, const char *what, uint64_t *p, size_t len)
{
	size_t i, bad = 0;
	int st;

	if (!e->dev) {
		both_ways(e, what, (char *)p + len - EDU_MAX / 2, EDU_MAX / 2);
		return;
	}
	seed++;
	for (i = 0; i < len / 8; i++)
		p[i] = SVAT_PATTERN(seed, (uintptr_t)&p[i]);
	st = svat_range(e->dev, 0, e->pasid, p, len, seed, false);
	tap_is(st, SVAT_ST_OK, "%s: device reads all %zu KiB of %s", e->name, len / 1024, what);
	seed++;
	st = svat_range(e->dev, 0, e->pasid, p, len, seed, true);
	for (i = 0; i < len / 8; i++)
		bad += p[i] != SVAT_PATTERN(seed, (uintptr_t)&p[i]);
	tap_ok(!st && !bad, "%s: device writes all %zu KiB of %s (%zu words wrong)", e->name,
	       len / 1024, what, bad);
}

/* WALK's translation of @p, as hardware would find it, is the page's own. */
static void walk_agrees(struct engine *e, const char *what, void *p, unsigned int levels)
{
	uint64_t low = levels == 4 ? PAGE - 1 : HUGE - 1, leaf = 0;
	struct vtdpasid_walk w;
	int rc;

	rc = vt_walk(bed.fd, &e->dev->func, 0, e->pasid == NO_PASID ? 0 : e->pasid,
		     (uintptr_t)p, &w);
	if (!rc && w.out_levels)
		leaf = w.out_fs[w.out_levels - 1];
	leaf = (leaf & 0x000ffffffffff000ULL & ~low) | ((uintptr_t)p & low);
	if (!tap_ok(!rc && w.out_valid == 0x1f && w.out_levels == levels && leaf == phys_of(p),
		    "%s: WALK finds %s at its physical address in %u levels", e->name, what,
		    levels))
		tap_diag("rc %d valid %#x levels %u leaf %#llx, pagemap %#llx", rc,
			 w.out_valid, w.out_levels, (unsigned long long)leaf,
			 (unsigned long long)phys_of(p));
}

static void file_memory(struct engine *e)
{
	char *shared, *private, buf[PAGE];
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || ftruncate(fd, 2 * PAGE))
		tap_bail("a file in /tmp: %m");
	shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(shared, 1, 2 * PAGE);
	both_ways(e, "a shared file mapping", shared + 100, PAGE);
	tap_ok(pread(fd, buf, PAGE, 100) == (ssize_t)PAGE && pattern_check(buf, PAGE, seed) < 0,
	       "%s: what the device wrote is in the file", e->name);

	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(buf, 0x77, PAGE);
	tap_ok(pwrite(fd, buf, PAGE, 0) == (ssize_t)PAGE, "%s: file written", e->name);
	if (e->dev) {
		uint64_t val;
		volatile char touch = private[0];
		int st;

		(void)touch;
		st = svat_read64(e->dev, 0, e->pasid, private, &val);
		tap_ok(!st && val == 0x7777777777777777ULL,
		       "%s: device reads a private file mapping", e->name);
		st = svat_write64(e->dev, 0, e->pasid, private, 1);
		tap_ok(st == SVAT_ST_DMA_ERROR && private[0] == 0x77,
		       "%s: device may not write to a page of the file before it is copied",
		       e->name);
	}
	private[0] = 1;
	vt_sync(bed.fd, private, PAGE);
	both_ways(e, "a private file mapping", private, PAGE);
	tap_ok(pread(fd, buf, 8, 0) == 8 && buf[0] == 0x77 && buf[7] == 0x77,
	       "%s: the file behind a private mapping is unchanged", e->name);
	munmap(shared, 2 * PAGE);
	munmap(private, PAGE);
	close(fd);
}

static void __attribute__((noinline)) stack_memory(struct engine *e)
{
	char here[2 * PAGE + 123];

	memset(here, 1, sizeof(here));
	both_ways(e, "stack", here + 1, sizeof(here) - 1);
}

static void kinds_of_memory(struct engine *e)
{
	char *heap = malloc(10007), *thp, *huge;

	memset(heap, 0, 10007);
	both_ways(e, "malloc'ed memory", heap + 1, 10000);
	memset(bss, 0, sizeof(bss));
	both_ways(e, "bss", bss + 5, 2 * PAGE);
	data[PAGE] = data[2 * PAGE] = 2;
	both_ways(e, "data", data + 5, 2 * PAGE);
	stack_memory(e);
	file_memory(e);
	free(heap);

	thp = map_thp(2 * HUGE);
	if (thp) {
		if (e->dev)
			walk_agrees(e, "a transparent huge page", thp + HUGE + 0x12345, 3);
		whole_range(e, "two transparent huge pages", (uint64_t *)thp, 2 * HUGE);
		munmap(thp, 2 * HUGE);
	} else {
		tap_skip(e->dev ? 3 : 2, "%s: the kernel gave no transparent huge page", e->name);
	}
	huge = hugetlb_reserve(1) < 1 ? MAP_FAILED :
	       mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (huge != MAP_FAILED) {
		*huge = 1;
		if (e->dev)
			walk_agrees(e, "a hugetlb page", huge + 0x12345, 3);
		whole_range(e, "a hugetlb page", (uint64_t *)huge, HUGE);
		munmap(huge, HUGE);
	} else {
		tap_skip(e->dev ? 3 : 2, "%s: no free hugetlb page", e->name);
	}
}

/* Every length and offset around the borders of words and pages. */
static void lengths(struct engine *e)
{
	static const unsigned short lens[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 63, 64,
					       65, 4088, 4095, 4096 };
	unsigned int i, off, bad = 0, n = 0;
	unsigned char *p = must_map(4 * PAGE), want[4 * PAGE], buf[PAGE];
	int st = 0;

	pattern_fill(want, sizeof(want), ++seed);
	memcpy(p, want, sizeof(want));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (off = PAGE - 9; off < PAGE + 9; off++) {
			st |= svat_read(e->dev, 1, e->pasid, (uintptr_t)p + off, buf, lens[i]);
			bad += memcmp(buf, want + off, lens[i]) != 0;
			memset(buf, i * 16 + off, lens[i]);
			memcpy(want + off, buf, lens[i]);
			st |= svat_write(e->dev, 1, e->pasid, (uintptr_t)p + off, buf, lens[i]);
			bad += memcmp(p, want, sizeof(want)) != 0;
			n += 2;
		}
	}
	tap_ok(!st && !bad, "%s: %u transfers of 1 to 4096 bytes across a page border (%u bad)",
	       e->name, n, bad);
	munmap(p, 4 * PAGE);
}

/* One access that must be refused, with its record in @bed.fd's events. */
static void refused(struct engine *e, const char *what, const void *p, bool write,
		    uint32_t reason)
{
	uint64_t unit = bed_unit_faults(&bed), dev = bed_faults(&bed, 0);
	struct vtdpasid_event ev = { 0 };
	int rc;

	rc = svat_fault(bed.fd, e->dev, 0, e->pasid, (uintptr_t)p, write, &ev);
	if (!tap_ok(!rc && ev.reason == reason, "%s: device %s %s: refused for reason %#x",
		    e->name, write ? "writes to" : "reads", what, reason))
		tap_diag("%s: %s", rc ? svat_status(rc) : "a record", vt_event_text(&ev));
	if (!tap_ok(ev.size == sizeof(ev) && ev.type == VTDPASID_EVENT_FAULT && !ev.segment &&
		    ev.rid == e->dev->func.rid && ev.device == bed.id[0] && ev.unit == 0 &&
		    ev.binding == e->binding && ev.time &&
		    ev.addr == ((uintptr_t)p & ~(PAGE - 1)) &&
		    !(ev.flags & VTDPASID_EVENT_WRITE) == !write &&
		    !(ev.flags & VTDPASID_EVENT_PASID) == (e->pasid == NO_PASID) &&
		    (e->pasid == NO_PASID || ev.pasid == (uint32_t)e->pasid),
		    "%s: the record names function, device, binding, PASID, page, direction",
		    e->name))
		tap_diag("%s", vt_event_text(&ev));
	tap_ok(bed_unit_faults(&bed) > unit && bed_faults(&bed, 0) > dev,
	       "%s: unit and device count the fault", e->name);
}

static void permissions(struct engine *e)
{
	char *p = must_map(8 * PAGE), *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	volatile char *zero;
	uint64_t val;
	int st;

	st = svat_read64(e->dev, 0, e->pasid, rodata, &val);
	tap_ok(!st && !memcmp(&val, rodata, 8), "%s: device reads constants", e->name);
	st = svat_write64(e->dev, 0, e->pasid, rodata, 0);
	tap_ok(st == SVAT_ST_DMA_ERROR && rodata[0] == 'm',
	       "%s: device may not write to constants", e->name);
	st = svat_read64(e->dev, 0, e->pasid, (void *)permissions, &val);
	tap_ok(!st && !memcmp(&val, (void *)permissions, 8), "%s: device reads program text",
	       e->name);
	st = svat_write64(e->dev, 0, e->pasid, (void *)permissions, 0);
	tap_ok(st == SVAT_ST_DMA_ERROR && !memcmp(&val, (void *)permissions, 8),
	       "%s: device may not write to program text", e->name);
	if (vdso && vdso[0] == ELFMAG0) {
		st = svat_read64(e->dev, 0, e->pasid, vdso, &val);
		tap_ok(!st && !memcmp(&val, vdso, 8), "%s: device reads the vdso", e->name);
		st = svat_write64(e->dev, 0, e->pasid, vdso, 0);
		tap_ok(st == SVAT_ST_DMA_ERROR && vdso[0] == ELFMAG0,
		       "%s: device may not write to the vdso", e->name);
	} else {
		tap_skip(2, "%s: no vdso", e->name);
	}

	/* The shared page of zeroes, which the first read of fresh memory maps. */
	munmap(p + PAGE, PAGE);
	zero = mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	val = zero[0];
	if (kpageflags(phys_of((void *)zero)) & KPF_ZERO_PAGE) {
		refused(e, "the page of zeroes", (void *)zero, true, FR_FS_WRITE);
		st = svat_read64(e->dev, 0, e->pasid, zero, &val);
		tap_ok(!st && !val && !*(volatile uint64_t *)zero,
		       "%s: the page of zeroes is still of zeroes", e->name);
	} else {
		tap_skip(4, "%s: the kernel mapped no page of zeroes", e->name);
	}

	memset(p, 0x11, PAGE);
	mprotect(p, PAGE, PROT_READ);
	refused(e, "a read-only page", p, true, FR_FS_WRITE);
	tap_is(p[8], 0x11, "%s: a read-only page is unchanged", e->name);
	mprotect(p, PAGE, PROT_NONE);
	refused(e, "a PROT_NONE page", p, false, FR_FS_NOT_PRESENT);
	madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED);
	refused(e, "an untouched page", p + 2 * PAGE, false, FR_FS_NOT_PRESENT);
	munmap(p + 4 * PAGE, PAGE);
	refused(e, "an unmapped page", p + 4 * PAGE, true, FR_FS_NOT_PRESENT);
	refused(e, "address 0", NULL, false, FR_FS_NOT_PRESENT);
	refused(e, "a page beyond the user half", (void *)0x0000800000000000ULL, false,
		FR_FS_NOT_CANONICAL);

	/* A transfer that runs into a hole does what comes before it, no more. */
	memset(p + 3 * PAGE, 0x22, PAGE);
	memset(p + 5 * PAGE, 0x33, PAGE);
	{
		char buf[PAGE] = { 0 };

		st = svat_write(e->dev, 0, e->pasid, (uintptr_t)p + 3 * PAGE + 2048, buf, PAGE);
		tap_ok(st == SVAT_ST_DMA_ERROR && p[3 * PAGE + 2047] == 0x22 &&
		       p[3 * PAGE + 2048] == 0 && p[4 * PAGE - 1] == 0 && p[5 * PAGE] == 0x33,
		       "%s: a transfer into a hole ends at the hole", e->name);
		tap_is(svat_get(e->dev, SVAT_CHAN(0) + SVAT_CH_FAIL_IOVA),
		       (uintptr_t)p + 4 * PAGE, "%s: and the device knows where", e->name);
	}
	munmap(p, 4 * PAGE);
	munmap(p + 5 * PAGE, 3 * PAGE);
}

static void with_pasid(void)
{
	struct engine e = { .name = "PASID", .dev = &bed.dev[0] };
	struct vtdpasid_device_info info;
	uint32_t pasid, binding2;
	uint64_t *p = must_map(PAGE), val;
	int st;

	if (!(bed.info[0].out_state & VTDPASID_DEVICE_PASID)) {
		tap_skip(1, "the device has no PASID capability");
		return;
	}
	if (!tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &e.binding, &pasid), 0, "BIND with PASID"))
		return;
	e.pasid = pasid;
	tap_ok(pasid && pasid <= bed.info[0].out_pasid_max && e.binding,
	       "PASID %u, binding %u", pasid, e.binding);
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &binding2, NULL), EEXIST, "BIND again");
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, pasid, &binding2, NULL), EEXIST,
	       "BIND again by number");
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_is(info.out_bindings, 1, "DEVICE_INFO: one binding");
	tap_is(info.out_dir_entries, 512, "DEVICE_INFO: a directory of one page");
	tap_is(info.out_leaves, 1, "DEVICE_INFO: one leaf");

	walk_agrees(&e, "a page", p, 4);
	kinds_of_memory(&e);
	lengths(&e);
	permissions(&e);

	*p = 0x5ec2e7;
	st = svat_read64(e.dev, 0, NO_PASID, p, &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != *p,
	       "a claimed function reaches nothing without PASID while nothing is bound so");
	st = svat_read64(e.dev, 0, NO_PASID, (void *)(phys_of(p)), &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != *p, "not by physical address either");
	st = svat_read64(e.dev, 0, pasid, (void *)(phys_of(p)), &val);
	tap_ok(st == SVAT_ST_DMA_ERROR, "nor with PASID by physical address");

	tap_rc(vt_unbind(bed.fd, e.binding), 0, "UNBIND");
	st = svat_read64(e.dev, 0, pasid, p, &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != *p, "after UNBIND the device reads nothing");
	st = svat_write64(e.dev, 0, pasid, p, 1);
	tap_ok(st == SVAT_ST_DMA_ERROR && *(volatile uint64_t *)p == 0x5ec2e7,
	       "and writes nothing");
	tap_rc(vt_unbind(bed.fd, e.binding), ENOENT, "UNBIND again");
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_is(info.out_bindings, 0, "DEVICE_INFO: no binding");
	munmap(p, PAGE);
}

/* Another process that wants the function's ordinary requests. */
static int rival(int sock, void *arg)
{
	uint32_t binding = 0;
	int result[2];
	char go;

	(void)arg;
	result[0] = vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &binding, NULL);
	result[1] = 0;
	msg_send(sock, result, sizeof(result));
	return msg_recv(sock, &go, 1, 10000) != 1;
}

/* Its memory lies where ours does; after our UNBIND it may bind. */
static int heir(int sock, void *arg)
{
	volatile uint64_t *p = arg;
	uint32_t binding = 0;
	uint64_t val = 0;
	int result[3];

	p[0] = 0xc0ffee;
	result[0] = vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &binding, NULL);
	result[1] = svat_read64(&bed.dev[0], 0, NO_PASID, p, &val);
	if (val != 0xc0ffee)
		result[1] = -1;
	result[2] = vt_unbind(bed.fd, binding);
	msg_send(sock, result, sizeof(result));
	return 0;
}

#define MSI_FIRST	0xfee00000UL
#define MSI_LAST	0xfeefffffUL

/* What the bus takes for interrupts is not memory, whatever is mapped there. */
static void interrupt_range(struct engine *e)
{
	const size_t len = MSI_LAST + 1 - MSI_FIRST + 2 * PAGE;
	char *p = must_map_at(MSI_FIRST - PAGE, len), *msi = p + PAGE;
	uint64_t val, before;
	uint32_t word = 0;
	int st;

	memset(p, 0x44, len);
	st = svat_read64(e->dev, 0, e->pasid, msi - 8, &val);
	tap_ok(!st && val == 0x4444444444444444ULL, "%s: the page below 0xfee00000 is memory",
	       e->name);
	st = svat_write64(e->dev, 0, e->pasid, p + len - PAGE, 0x55);
	tap_ok(!st && p[len - PAGE] == 0x55, "%s: the page above 0xfeefffff is memory", e->name);
	before = svat_get(e->dev, SVAT_N_REFUSED);
	st = svat_read64(e->dev, 0, e->pasid, msi + 0x1000, &val);
	tap_ok(st || val != 0x4444444444444444ULL,
	       "%s: a read in 0xfee00000-0xfeefffff does not reach memory", e->name);
	/* To an APIC that does not exist: a write there is an interrupt. */
	st = svat_write(e->dev, 0, e->pasid, MSI_FIRST + 0xfe000, &word, 4);
	tap_ok(*(volatile uint32_t *)(msi + 0xfe000) == 0x44444444,
	       "%s: a write in 0xfee00000-0xfeefffff does not reach memory", e->name);
	if (e->pasid != NO_PASID) {
		tap_is(svat_get(e->dev, SVAT_N_REFUSED) - before, 2,
		       "%s: those were held back by the device", e->name);
		tap_skip(1, "%s: what the unit does with them: QEMU dies of it", e->name);
	}
	munmap(p, len);
}

static void without_pasid(void)
{
	struct engine e = { .name = "no PASID", .dev = &bed.dev[0], .pasid = NO_PASID };
	uint64_t *p = must_map(PAGE), val;
	struct child c;
	uint32_t pasid = 99, with = 0;
	int result[3] = { 1, 1, 1 }, st;

	tap_rc(vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 1, NULL, NULL), EINVAL,
	       "BIND without PASID refuses a number");
	if (!tap_rc(vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &e.binding, &pasid), 0,
		    "BIND without PASID"))
		return;
	tap_is(pasid, 0, "and gives none");
	tap_rc(vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, NULL, NULL), EEXIST,
	       "BIND without PASID again");
	child_start(&c, rival, NULL);
	msg_recv(c.sock, result, sizeof(result), 10000);
	msg_send(c.sock, "", 1);
	child_wait(&c, 10000);
	tap_is(result[0], -EBUSY, "another address space cannot bind without PASID");

	walk_agrees(&e, "a page", p, 4);
	kinds_of_memory(&e);
	lengths(&e);
	permissions(&e);
	interrupt_range(&e);

	/* Both forms at once, for the same address space. */
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &with, &pasid), 0, "BIND with PASID as well");
	*p = 0x1111;
	st = svat_read64(e.dev, 0, NO_PASID, p, &val);
	tap_ok(!st && val == 0x1111, "both bound: a read without PASID");
	st = svat_read64(e.dev, 1, pasid, p, &val);
	tap_ok(!st && val == 0x1111, "both bound: a read with PASID");
	{
		struct engine e2 = { .name = "PASID", .dev = &bed.dev[0], .pasid = pasid,
				     .binding = with };

		interrupt_range(&e2);
	}

	tap_rc(vt_unbind(bed.fd, e.binding), 0, "UNBIND without PASID");
	st = svat_read64(e.dev, 0, NO_PASID, p, &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != 0x1111, "then a read without PASID is refused");
	st = svat_write64(e.dev, 0, NO_PASID, p, 1);
	tap_ok(st == SVAT_ST_DMA_ERROR && *(volatile uint64_t *)p == 0x1111,
	       "then a write without PASID is refused");
	st = svat_read64(e.dev, 1, pasid, p, &val);
	tap_ok(!st && val == 0x1111, "and one with PASID still works");

	child_start(&c, heir, p);
	msg_recv(c.sock, result, sizeof(result), 10000);
	child_wait(&c, 10000);
	tap_is(result[0], 0, "another address space may bind without PASID now");
	tap_is(result[1], 0, "and the device reads its memory, not what was cached of ours");
	tap_is(result[2], 0, "and unbinds");
	tap_rc(vt_unbind(bed.fd, with), 0, "UNBIND with PASID");
	munmap(p, PAGE);
}

static void with_edu(void)
{
	struct engine e = { .name = "edu", .pasid = NO_PASID };
	struct vtdpasid_attach info;
	struct vtdpasid_event ev = { 0 };
	struct pci_func f;
	struct edu edu;
	char *p, *q;
	int rc;

	if (pci_find(EDU_VENDOR_ID, EDU_DEVICE_ID, &f, 1) != 1) {
		tap_skip(1, "no edu in this machine");
		return;
	}
	tap_rc(vt_attach(bed.fd, &f, 0, &info), ENXIO, "edu: ATTACH before it is claimed");
	rc = pci_claim(&f);
	if (!rc)
		rc = edu_open(&edu, &f);
	if (rc)
		tap_bail("edu: %s", strerror(-rc));
	e.edu = &edu;
	if (!tap_rc(vt_attach(bed.fd, &f, 0, &info), 0, "edu: ATTACH"))
		return;
	tap_ok(info.out_pasid_max == 0 && info.out_state == VTDPASID_DEVICE_CLAIMED,
	       "edu: claimed, no PASID, no ATS (state %#x)", info.out_state);
	tap_rc(vt_bind(bed.fd, info.out_device, 0, 0, NULL, NULL), EPROTONOSUPPORT,
	       "edu: BIND with PASID");
	if (!tap_rc(vt_bind(bed.fd, info.out_device, VTDPASID_BIND_NO_PASID, 0, &e.binding, NULL),
		    0, "edu: BIND without PASID"))
		return;
	kinds_of_memory(&e);

	p = must_map(2 * PAGE);
	q = p + PAGE;
	memset(p, 0x12, PAGE);
	memset(q, 0x34, PAGE);
	mprotect(q, PAGE, PROT_READ);
	vt_events_drop(bed.fd);
	edu_read(&edu, (uintptr_t)p, PAGE);
	edu_write(&edu, (uintptr_t)q, PAGE);
	tap_ok(q[0] == 0x34 && q[PAGE - 1] == 0x34, "edu: a read-only page is unchanged");
	rc = vt_event_of(bed.fd, VTDPASID_EVENT_FAULT, f.rid, 0, &ev, 3000);
	if (!tap_ok(!rc && ev.reason == FR_FS_WRITE && ev.addr == (uintptr_t)q &&
		    ev.flags & VTDPASID_EVENT_WRITE && ev.device == info.out_device &&
		    ev.binding == e.binding, "edu: and there is a record of the attempt"))
		tap_diag("%s: %s", strerror(-rc), vt_event_text(&ev));

	tap_rc(vt_unbind(bed.fd, e.binding), 0, "edu: UNBIND");
	mprotect(q, PAGE, PROT_READ | PROT_WRITE);
	memset(q, 0x34, PAGE);
	edu_write(&edu, (uintptr_t)q, PAGE);
	tap_ok(q[0] == 0x34 && q[PAGE - 1] == 0x34, "edu: after UNBIND nothing is written");
	edu_write(&edu, phys_of(q), PAGE);
	tap_ok(q[0] == 0x34 && q[PAGE - 1] == 0x34, "edu: not by physical address either");
	tap_rc(vt_detach(bed.fd, info.out_device), 0, "edu: DETACH");
	pci_bus_master(&f, true);
	edu_write(&edu, (uintptr_t)q, PAGE);
	edu_write(&edu, phys_of(q), PAGE);
	tap_ok(q[0] == 0x34 && q[PAGE - 1] == 0x34,
	       "edu: after DETACH nothing is written, bus mastering forced on");
	pci_bus_master(&f, false);
	edu_close(&edu);
	pci_release(&f);
	munmap(p, 2 * PAGE);
}

static void plain_device(void)
{
	struct vtdpasid_attach info;
	struct pci_func f;
	int rc;

	if (pci_find(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID, &f, 1) != 1) {
		tap_skip(2, "no sva-testdev-plain in this machine");
		return;
	}
	rc = pci_claim(&f);
	if (!rc)
		rc = vt_attach(bed.fd, &f, 0, &info);
	if (rc)
		tap_bail("%s: %s", f.name, strerror(-rc));
	tap_is(info.out_pasid_max, 0, "a function without the capability has no PASIDs");
	tap_rc(vt_bind(bed.fd, info.out_device, 0, 0, NULL, NULL), EPROTONOSUPPORT,
	       "and cannot be bound with one");
	vt_detach(bed.fd, info.out_device);
	pci_release(&f);
}

int main(void)
{
	use_cpu(0);
	bed_open(&bed, 1, 1);
	with_pasid();
	without_pasid();
	with_edu();
	plain_device();
	bed_close(&bed);
	return tap_done();
}
