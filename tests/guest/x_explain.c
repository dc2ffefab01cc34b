// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_explain - what "vtdpasid explain" says, and what the device's DMA comes to
 *
 * In each state of the tables the command is asked first; then the device writes
 * and reads there, and its fault records are looked at.
 *
 * Where QEMU does not do what the specification says, the command is right:
 * reasons of legacy mode for root and context entries, 0x5b for a PASID entry
 * that is not present (QEMU looks at its type first).
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <sys/mman.h>

#include "svalib.h"
#include "cli.h"

#define NON_CANONICAL	((void *)0x0000900000000000ULL)
#define KERNEL_ADDR	((void *)0xffff888000100000ULL)
#define LAST_PAGE	((void *)0x00007ffffffff000ULL)
#define VSYSCALL	((void *)0xffffffffff600000ULL)

static struct bed bed;
static uint32_t pasid, binding;
static struct cli said;
static unsigned int states;

/* ---- what it says ---------------------------------------------------------------- */

struct half {
	char outcome[16];
	uint32_t reason;
	bool recorded;
	uint64_t physical;
};

/* The member @key of the object that begins at @from. */
static const char *member(const char *from, const char *key)
{
	const char *end = from ? strchr(from, '}') : NULL, *at;
	char quoted[32];

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = from ? strstr(from, quoted) : NULL;
	return at && at < end ? at + strlen(quoted) : NULL;
}

static void parse_half(const char *object, struct half *half)
{
	const char *at = member(object, "outcome");

	memset(half, 0, sizeof(*half));
	if (at)
		snprintf(half->outcome, sizeof(half->outcome), "%.*s",
			 (int)strcspn(at + 1, "\""), at + 1);
	at = member(object, "reason");
	half->reason = at ? strtoul(at, NULL, 10) : 0;
	at = member(object, "recorded");
	half->recorded = at && !strncmp(at, "true", 4);
	at = member(object, "physical");
	half->physical = at ? strtoull(at + 1, NULL, 16) : 0;
}

static bool ask(const struct pci_func *f, long p, const volatile void *addr, struct half half[2])
{
	char option[32] = "";

	if (p != NO_PASID)
		snprintf(option, sizeof(option), "--pasid %ld", p);
	if (cli(&said, "-j explain %s %s 0x%lx", f->name, option, (unsigned long)addr))
		return false;
	parse_half(strstr(said.out, "\"read\":{"), &half[0]);
	parse_half(strstr(said.out, "\"write\":{"), &half[1]);
	return true;
}

/* ---- what happens ------------------------------------------------------------------- */

/* The specification's reason for what QEMU recorded; @asked: what explain says. */
static uint32_t by_specification(uint32_t reason, uint32_t asked)
{
	switch (reason) {
	case FR_ROOT_NOT_PRESENT:
		return 0x39;
	case FR_CONTEXT_NOT_PRESENT:
		return 0x41;
	case FR_PASID_ENTRY_INVALID:
		return asked == FR_PASID_ENTRY ? FR_PASID_ENTRY : reason;
	}
	return reason;
}

static void compare(const char *what, struct svat *dev, long p, const volatile void *addr,
		    bool write, const struct half *half)
{
	const char *access = write ? "write" : "read";
	struct vtdpasid_event ev = { 0 };
	uint64_t word;
	int st, rc;

	vt_events_drop(bed.fd);
	st = write ? sva_write64(dev, 0, p, 0, addr, 7) : sva_read64(dev, 0, p, 0, addr, &word);
	rc = vt_event_of(bed.fd, VTDPASID_EVENT_FAULT, dev->func.rid, 0, &ev, 100);
	if (!strcmp(half->outcome, "fault")) {
		if (tap_ok(st == SVAT_ST_DMA_ERROR &&
			   (half->recorded ? !rc && by_specification(ev.reason, half->reason) ==
			    half->reason : rc == -ETIMEDOUT),
			   "%s: a %s fails, reason %#x%s", what, access, half->reason,
			   half->recorded ? "" : ", unrecorded"))
			return;
	} else if (tap_ok(st == SVAT_ST_OK && rc == -ETIMEDOUT && *half->outcome,
			  "%s: a %s is %s", what, access, half->outcome)) {
		return;
	}
	tap_diag("DMA: %s, event: %d %s", svat_status(st), rc, rc ? "" : vt_event_text(&ev));
	cli_diag(&said);
}

/*
 * One state of the tables; @there: a page of ours, whose place we know. The write
 * comes first: QEMU says nothing of a write to a read-only page whose translation
 * it has from a read.
 */
static void state_of(const char *what, int d, long p, const volatile void *addr, bool there)
{
	struct svat *dev = &bed.dev[d];
	struct half half[2];

	states++;
	if (!tap_ok(ask(&dev->func, p, addr, half), "%s: explained", what)) {
		cli_diag(&said);
		return;
	}
	if (there && !tap_ok(half[0].physical == phys_of((void *)addr), "%s: where it is", what)) {
		tap_diag("at %#lx", (unsigned long)phys_of((void *)addr));
		cli_diag(&said);
	}
	compare(what, dev, p, addr, true, &half[1]);
	compare(what, dev, p, addr, false, &half[0]);
}

static void state(const char *what, const volatile void *addr)
{
	state_of(what, 0, pasid, addr, false);
}

static void state_at(const char *what, const volatile void *addr)
{
	state_of(what, 0, pasid, addr, true);
}

/* ---- states -------------------------------------------------------------------------- */

static void small_pages(void)
{
	char *p = must_map(8 * PAGE), *fresh = must_map_fresh(4 * PAGE, PROT_READ | PROT_WRITE);
	volatile char c;

	state_at("a page", p + 8);
	state_at("the last word of a page", p + PAGE - 8);
	mprotect(p + PAGE, PAGE, PROT_READ);
	state_at("a read-only page", p + PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	state("a page of PROT_NONE", p + 2 * PAGE);
	munmap(p + 3 * PAGE, PAGE);
	state("an unmapped page", p + 3 * PAGE);
	madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED);
	state("a page that was given up", p + 4 * PAGE);
	mprotect(p + 5 * PAGE, PAGE, PROT_READ);
	mprotect(p + 5 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	state("a page that is writable again, and was not written yet", p + 5 * PAGE);
	state("a page that nobody touched", fresh);
	c = *(volatile char *)(fresh + PAGE);
	(void)c;
	state("the zero page", fresh + PAGE);
	munmap(p, 8 * PAGE);
	munmap(fresh, 4 * PAGE);
}

static void files(void)
{
	int fd = memfd_create("x_explain", MFD_CLOEXEC);
	volatile char *shared, *private, c;

	if (fd < 0 || ftruncate(fd, 4 * PAGE))
		fatal("memfd: %s", strerror(errno));
	shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared[0] = 1;
	state("a page of a shared file", shared);
	state("a page of a shared file that is not there", shared + PAGE);
	c = private[0];
	(void)c;
	state("a page of a private file mapping, read", private);
	private[0] = 1;
	state("a page of a private file mapping, written", private);
	ftruncate(fd, PAGE);
	state("a page behind the end of a file", shared + 2 * PAGE);
	munmap((void *)shared, 4 * PAGE);
	munmap((void *)private, 4 * PAGE);
	close(fd);
}

static void large_pages(void)
{
	char *p = map_thp(HUGE);
	void *h;

	if (p) {
		state_at("a page of 2 MiB", p);
		state_at("the middle of a page of 2 MiB", p + MB + 5 * PAGE + 16);
		mprotect(p, HUGE, PROT_READ);
		state_at("a read-only page of 2 MiB", p + 24);
		mprotect(p, HUGE, PROT_READ | PROT_WRITE);
		mprotect(p + MB, PAGE, PROT_NONE);
		state("a page of 2 MiB in parts", p + PAGE);
		state("the part that is gone", p + MB);
		munmap(p, HUGE);
	} else {
		tap_skip(5, "no transparent huge page to be had");
	}
	h = hugetlb_reserve(1) < 1 ? MAP_FAILED :
		mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (h == MAP_FAILED) {
		tap_skip(2, "no hugetlb page to be had");
		return;
	}
	state("a hugetlb page that is not there", h);
	*(volatile char *)h = 1;
	state_at("a hugetlb page", h);
	munmap(h, HUGE);
}

static int sleeper(int sock, void *arg)
{
	char c;

	(void)arg;
	msg_recv(sock, &c, 1, 60000);
	return 0;
}

static void odd_addresses(void)
{
	static const char text[PAGE] __attribute__((aligned(PAGE))) = "read only";
	char local[64] = "stack", *cow = must_map(PAGE), *moved;
	struct child child;

	state("address 0", (void *)8);
	state("an address that is not canonical", NON_CANONICAL);
	state("an address of the kernel", KERNEL_ADDR);
	state("the last page of the user half", LAST_PAGE);
	state("the vsyscall page", VSYSCALL);
	state_at("the stack", (void *)(((uintptr_t)local + 7) & ~7UL));
	state("the program's own constants", text + (text[0] - 'r'));
	child_start(&child, sleeper, NULL);
	state("a page that a child shares", cow);
	child_kill(&child, SIGKILL);
	child_wait(&child, LONG_MS);
	moved = mremap(cow, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (void *)((uintptr_t)cow - 16 * MB));
	if (moved == MAP_FAILED)
		fatal("mremap: %s", strerror(errno));
	state("where a page was moved from", cow);
	state("where it was moved to", moved);
	munmap(moved, PAGE);
}

/* The first mapping in a slot of the top level is not seen until it is asked for. */
static void new_slot(void)
{
	char *p = must_map_at(33 * SLOT, PAGE);
	struct half half[2];

	states++;
	if (tap_ok(ask(&bed.dev[0].func, pasid, p, half), "a new slot of the top level: explained"))
		compare("a new slot of the top level", &bed.dev[0], pasid, p, true, &half[1]);
	state("the slot after the fault", p);
	munmap(p, PAGE);
	p = must_map_at(35 * SLOT, PAGE);
	vt_sync(bed.fd, p, PAGE);
	state_at("a new slot after SYNC", p);
	munmap(p, PAGE);
}

static int bound_child(int sock, void *arg)
{
	uint32_t number = 0, b;
	char c;

	(void)arg;
	if (vt_bind(bed.fd, bed.id[1], 0, 0, &b, &number))
		number = 0;
	msg_send(sock, &number, sizeof(number));
	msg_recv(sock, &c, 1, 60000);
	return 0;
}

static void pasids(void)
{
	char *p = must_map(PAGE);
	struct child child;
	uint32_t theirs = 0;

	state_of("a PASID that nobody has", 0, pasid + 20, p, false);
	state_of("a PASID without a table", 0, 5000, p, false);
	child_start(&child, bound_child, NULL);
	if (msg_recv(child.sock, &theirs, sizeof(theirs), 20000) != sizeof(theirs) || !theirs)
		fatal("the child is not bound");
	state_of("a PASID that is another device's", 0, theirs, p, false);
	child_kill(&child, SIGKILL);
	child_wait(&child, LONG_MS);
	state_of("the PASID of a process that has ended", 1, theirs, p, false);
	state_of("ours on a device that we are not bound to", 1, pasid, p, false);
	munmap(p, PAGE);
}

static void without_pasid(void)
{
	char *p = must_map(2 * PAGE);
	struct half half[2];
	uint32_t b;

	state_of("no PASID, nothing bound", 0, NO_PASID, p, false);
	if (vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &b, NULL))
		fatal("bind without PASID");
	state_of("no PASID, bound", 0, NO_PASID, p, true);
	mprotect(p, PAGE, PROT_READ);
	state_of("no PASID, a read-only page", 0, NO_PASID, p, false);
	munmap(p + PAGE, PAGE);
	state_of("no PASID, an unmapped page", 0, NO_PASID, p + PAGE, false);
	state_of("no PASID, not canonical", 0, NO_PASID, NON_CANONICAL, false);
	if (tap_ok(ask(&bed.dev[0].func, NO_PASID, (void *)0xfee00000, half),
		   "no PASID, interrupt range: explained"))
		tap_ok(!strcmp(half[1].outcome, "interrupt") && !strcmp(half[0].outcome, "fault"),
		       "a write there is an interrupt, a read fails");
	vt_unbind(bed.fd, b);
	state_of("no PASID, no longer bound", 0, NO_PASID, p, false);
	munmap(p, PAGE);
}

/* A disk with its kernel's driver, which reads as it did before takeover. */
static void pass_through(void)
{
	char *block = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	struct half half[2];
	struct pci_func f;

	if (fd < 0 || pci_find(0x1b36, 0x0010, &f, 1) != 1) {
		tap_skip(2, "no NVMe disk");
		return;
	}
	states++;
	tap_ok(ask(&f, NO_PASID, (void *)phys_of(block), half) &&
	       !strcmp(half[0].outcome, "pass-through") && !strcmp(half[1].outcome, "pass-through"),
	       "a function with a kernel driver passes through");
	tap_is(pread(fd, block, PAGE, 0), PAGE, "and its DMA works");
	close(fd);
	munmap(block, PAGE);
}

static void ends(void)
{
	char *p = must_map(PAGE);

	vt_unbind(bed.fd, binding);
	state_of("after unbind", 0, pasid, p, false);
	munmap(p, PAGE);
	vt_detach(bed.fd, bed.id[0]);
	states++;
	pci_write(&bed.dev[0].func, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (cli(&said, "explain %s 0x1000", bed.dev[0].func.name) ||
	    !tap_ok(strstr(said.out, "context entry not present (fault reason 0x41)") != NULL,
		    "a function that nobody attached is explained"))
		cli_diag(&said);
	tap_is(sva_read64(&bed.dev[0], 0, NO_PASID, 0, (void *)PAGE, &(uint64_t){ 0 }),
	       SVAT_ST_DMA_ERROR, "and its DMA fails");
}

/* More faults than the kernel log gets: it is the last one all the same. */
static void last_fault(void)
{
	uint64_t word, end = now_ms() + LONG_MS;
	char want[160];
	int i;

	snprintf(want, sizeof(want), "\"fault\":{\"function\":\"%s\",\"access\":\"read\","
		 "\"address\":\"0x777000\",\"pasid\":0,", bed.dev[0].func.name);
	for (i = 0; i < 30; i++) {
		sva_read64(&bed.dev[0], 0, NO_PASID, 0, (void *)((16UL + i) * PAGE), &word);
		sleep_ms(2);
	}
	/* While a record waits to be read, QEMU makes no other of the same function. */
	do {
		sva_read64(&bed.dev[0], 0, NO_PASID, 0, (void *)0x777000, &word);
		sleep_ms(20);
		if (cli(&said, "-j explain --last-fault"))
			break;
	} while (!strstr(said.out, want) && now_ms() < end);
	if (!tap_ok(strstr(said.out, "\"kind\":\"explain\"") && strstr(said.out, want),
		    "--last-fault begins with the last fault"))
		cli_diag(&said);
}

int main(void)
{
	int rc;

	bed_open(&bed, 2, 2);
	tap_ok(cli(&said, "explain --last-fault") == 1 && strstr(said.err, "no DMA has failed"),
	       "--last-fault when there was none");
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
	small_pages();
	files();
	large_pages();
	odd_addresses();
	new_slot();
	pasids();
	without_pasid();
	pass_through();
	ends();
	last_fault();
	tap_ok(states >= 30, "%u states of the tables", states);
	bed_close(&bed);
	return tap_done();
}
