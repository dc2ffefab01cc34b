// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_isolation.c - one PASID per address space, one table per device, no kernel
 *
 * Who gets which PASID; what a device reaches that emits a PASID which is not
 * its own; and that the kernel's half of the address space is reached by none.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

#define MS	20000	/* how long a child may take for an answer */

static struct bed bed;
static bool own_tables;	/* one PASID table per device, not the unsafe layouts */

/* ---- a second process that binds --------------------------------------- */

/* What is wanted of it, and what it answers. */
enum order { BIND, BIND_NO_PASID, BIND_PASID, ALLOC, FREE, UNBIND, LOOK, QUIT };

struct ask {
	enum order order;
	uint32_t arg;		/* index of the device, PASID or binding */
	uint32_t arg2;
};

struct answer {
	int rc;
	uint32_t pasid;
	uint32_t binding;
	uint64_t secret;	/* what its word holds now */
};

static volatile uint64_t *secret;	/* same address in every process */

static int other_process(int sock, void *arg)
{
	struct answer a;
	struct ask q;

	*secret = (uintptr_t)arg;
	while (msg_recv(sock, &q, sizeof(q), 60000) == sizeof(q)) {
		memset(&a, 0, sizeof(a));
		switch (q.order) {
		case BIND:
			a.rc = vt_bind(bed.fd, bed.id[q.arg], 0, 0, &a.binding, &a.pasid);
			break;
		case BIND_NO_PASID:
			a.rc = vt_bind(bed.fd, bed.id[q.arg], VTDPASID_BIND_NO_PASID, 0,
				       &a.binding, &a.pasid);
			break;
		case BIND_PASID:
			a.rc = vt_bind(bed.fd, bed.id[q.arg], 0, q.arg2, &a.binding, &a.pasid);
			break;
		case ALLOC:
			a.rc = vt_pasid_alloc(bed.fd, 0, q.arg, 0, &a.pasid);
			break;
		case FREE:
			a.rc = vt_pasid_free(bed.fd, q.arg);
			break;
		case UNBIND:
			a.rc = vt_unbind(bed.fd, q.arg);
			break;
		case LOOK:
			break;
		case QUIT:
			return 0;
		}
		a.secret = *secret;
		msg_send(sock, &a, sizeof(a));
	}
	return 1;
}

static struct answer ask(struct child *c, enum order order, uint32_t arg, uint32_t arg2)
{
	struct ask q = { order, arg, arg2 };
	struct answer a = { .rc = -EPIPE };

	msg_send(c->sock, &q, sizeof(q));
	msg_recv(c->sock, &a, sizeof(a), MS);
	return a;
}

static void quit(struct child *c)
{
	struct ask q = { .order = QUIT };

	msg_send(c->sock, &q, sizeof(q));
	child_wait(c, MS);
}

/* ---- PASIDs ---------------------------------------------------------------- */

struct thread_bind {
	int rc;
	uint32_t pasid;
	uint32_t binding;
};

static void *thread_bind(void *arg)
{
	struct thread_bind *t = arg;

	t->rc = vt_bind(bed.fd, bed.id[0], 0, 0, &t->binding, &t->pasid);
	return NULL;
}

/* Several threads bind at once: one wins, the others hear that it is bound. */
static void threads(void)
{
	struct thread_bind t[8];
	pthread_t id[8];
	int i, round, won = 0, lost = 0, other = 0;
	uint32_t pasid = 0;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++)
			pthread_create(&id[i], NULL, thread_bind, &t[i]);
		for (i = 0; i < 8; i++) {
			pthread_join(id[i], NULL);
			won += !t[i].rc;
			lost += t[i].rc == -EEXIST;
			if (!t[i].rc && (!t[i].pasid || (pasid && pasid != t[i].pasid)))
				other++;
			if (!t[i].rc)
				pasid = t[i].pasid;
		}
		for (i = 0; i < 8; i++)
			if (!t[i].rc)
				vt_unbind(bed.fd, t[i].binding);
	}
	tap_ok(won == 20 && lost == 140 && !other,
	       "8 threads bind, 20 times: one succeeds, always with the same PASID (%d, %d, %d)",
	       won, lost, other);
}

static int vfork_child(void *arg)
{
	struct thread_bind *t = arg;

	t->rc = vt_bind(bed.fd, bed.id[0], 0, 0, &t->binding, &t->pasid);
	_exit(0);
}

static void numbers(void)
{
	uint32_t pasid = 0, again = 0, reserved = 0, b0 = 0, b1 = 0, p0 = 0, p1 = 0;
	static char stack[65536] __attribute__((aligned(16)));
	struct thread_bind t = { 0 };
	struct child c, d;
	struct answer a;
	int fd, status;
	pid_t pid;

	*secret = 0xaaaa;
	tap_rc(vt_pasid_alloc(bed.fd, 0, 0, 0, &pasid), 0, "PASID_ALLOC");
	tap_ok(pasid > 0, "gives %u, not 0", pasid);
	tap_rc(vt_pasid_alloc(bed.fd, 0, 0, 0, &again), 0, "PASID_ALLOC again");
	tap_is(again, pasid, "gives the same");
	fd = must_open();
	again = 0;
	tap_rc(vt_pasid_alloc(fd, 0, 0, 0, &again), 0, "PASID_ALLOC in another file");
	tap_is(again, pasid, "gives the same");
	close(fd);

	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &b0, &p0), 0, "BIND to the first device");
	tap_is(p0, pasid, "uses it");
	if (bed.n > 1) {
		tap_rc(vt_bind(bed.fd, bed.id[1], 0, 0, &b1, &p1), 0, "BIND to the second device");
		tap_is(p1, pasid, "uses the same");
		tap_ok(b0 && b1 && b0 != b1, "bindings %u and %u", b0, b1);
	} else {
		tap_skip(3, "one device only");
	}

	/* CLONE_VM without CLONE_FILES, as vfork() does: another process, this mm. */
	pid = clone(vfork_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &t);
	waitpid(pid, &status, 0);
	tap_is(t.rc, -EEXIST, "a vfork()ed child's address space is this one: bound already");

	child_start(&c, other_process, (void *)0xbbbb);
	a = ask(&c, BIND_PASID, 0, pasid);
	tap_is(a.rc, -EACCES, "a child cannot bind with its parent's PASID");
	a = ask(&c, UNBIND, b0, 0);
	tap_is(a.rc, -EACCES, "nor end its parent's binding");
	a = ask(&c, FREE, pasid, 0);
	tap_is(a.rc, -EACCES, "nor free its parent's PASID");
	a = ask(&c, BIND, 0, 0);
	tap_ok(!a.rc && a.pasid && a.pasid != pasid, "it gets PASID %u of its own", a.pasid);
	tap_rc(vt_unbind(bed.fd, a.binding), EACCES,
	       "the parent cannot end the living child's binding");
	tap_rc(vt_bind(bed.fd, bed.id[1 % bed.n], 0, a.pasid, NULL, NULL),
	       bed.n > 1 ? EACCES : EEXIST, "nor use its PASID");
	child_start(&d, other_process, (void *)0xcccc);
	p1 = ask(&d, ALLOC, 0, 0).pasid;
	tap_ok(p1 && p1 != pasid && p1 != a.pasid, "a third process gets a third: %u", p1);

	tap_rc(vt_pasid_alloc(bed.fd, VTDPASID_PASID_RESERVE, 0, 0, &reserved), 0,
	       "PASID_ALLOC reserves a number");
	tap_ok(reserved && reserved != pasid && reserved != a.pasid && reserved != p1,
	       "%u, that is nobody's", reserved);
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, reserved, NULL, NULL), ENOTUNIQ,
	       "an address space that has a PASID cannot take it");
	tap_is(ask(&d, BIND_PASID, 0, reserved).rc, -ENOTUNIQ, "nor can the third process");
	tap_rc(vt_pasid_alloc(bed.fd, 0, pasid + 1, 0, &again), ENOTUNIQ,
	       "PASID_ALLOC in a range without the own PASID");
	tap_rc(vt_pasid_free(bed.fd, reserved), 0, "PASID_FREE of the reserved number");
	tap_rc(vt_pasid_free(bed.fd, reserved), ENOENT, "PASID_FREE of it again");
	tap_rc(vt_pasid_free(bed.fd, pasid), EBUSY, "PASID_FREE of a number in use");

	/* Freed numbers stay away for long. */
	tap_is(ask(&d, FREE, p1, 0).rc, 0, "the third process frees its number");
	again = ask(&d, ALLOC, 0, 0).pasid;
	tap_ok(again && again != p1 && again != reserved,
	       "and gets another (%u), not the one just freed (%u)", again, p1);
	quit(&c);
	quit(&d);

	tap_rc(vt_unbind(bed.fd, b0), 0, "UNBIND from the first device");
	if (bed.n > 1)
		tap_rc(vt_unbind(bed.fd, b1), 0, "UNBIND from the second device");
	else
		tap_skip(1, "one device only");
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &b0, &p0), 0, "BIND again");
	tap_is(p0, pasid, "uses the same PASID as before");
	vt_unbind(bed.fd, b0);
	threads();
	tap_rc(vt_pasid_free(bed.fd, pasid), 0, "PASID_FREE");
}

/* ---- a PASID that is live elsewhere ----------------------------------- */

/* Device @i emits @pasid at the secret's address: nothing may come of it. */
static void blocked(int i, uint32_t pasid, uint64_t hidden, const char *what)
{
	uint64_t unit = bed_unit_faults(&bed), dev = bed_faults(&bed, i), val;
	struct vtdpasid_event ev = { 0 };
	int rc, st;

	st = svat_read64(&bed.dev[i], 0, pasid, secret, &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != hidden, "%s: read refused (%s)", what,
	       svat_status(st));
	st = svat_write64(&bed.dev[i], 0, pasid, secret, 0xdead);
	tap_ok(st == SVAT_ST_DMA_ERROR, "%s: write refused (%s)", what, svat_status(st));
	rc = svat_fault(bed.fd, &bed.dev[i], 0, pasid, (uintptr_t)secret, false, &ev);
	if (!tap_ok(!rc && fault_is_no_pasid(ev.reason) && ev.rid == bed.dev[i].func.rid &&
		    ev.device == bed.id[i] && ev.addr == ((uintptr_t)secret & ~(PAGE - 1)),
		    "%s: recorded as the device's, for want of a PASID entry (%#x)", what,
		    ev.reason))
		tap_diag("rc %d: %s", rc, vt_event_text(&ev));
	tap_ok(bed_unit_faults(&bed) > unit && bed_faults(&bed, i) > dev,
	       "%s: counted for unit and device", what);
}

/* With numbers from @min on: each device has its own first leaf in any case. */
static void other_pasids(uint32_t min)
{
	uint32_t mine = 0, theirs = 0, b0 = 0, b1 = 0, p, reached = 0, n = 0;
	struct answer a;
	struct child c;
	uint64_t val, word;
	int st;

	if (bed.n < 2) {
		tap_skip(1, "one device only");
		return;
	}
	*secret = 0xaaaa;
	child_start(&c, other_process, (void *)0xbbbb);
	vt_pasid_alloc(bed.fd, 0, min, 0, &mine);
	theirs = ask(&c, ALLOC, min, 0).pasid;
	tap_ok(mine >= min && theirs >= min && mine != theirs, "PASIDs from %u on: %u and %u", min,
	       mine, theirs);
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &b0, &p), 0, "A is bound to this process");
	a = ask(&c, BIND, 1, 0);
	tap_ok(!a.rc && a.pasid == theirs && p == mine, "B is bound to another");

	st = svat_read64(&bed.dev[0], 0, mine, secret, &val);
	tap_ok(!st && val == 0xaaaa, "A reads the first secret by its PASID");
	st = svat_read64(&bed.dev[1], 0, a.pasid, secret, &val);
	tap_ok(!st && val == 0xbbbb, "B reads the second secret by its PASID");
	blocked(0, a.pasid, 0xbbbb, "A emits B's PASID");
	blocked(1, mine, 0xaaaa, "B emits A's PASID");
	tap_is(ask(&c, LOOK, 0, 0).secret, 0xbbbb, "the second secret is unharmed");
	tap_is(*secret, 0xaaaa, "the first secret is unharmed");
	st = svat_read64(&bed.dev[1], 0, a.pasid, secret, &val);
	tap_ok(!st && val == 0xbbbb, "B still reads it");
	st = svat_read64(&bed.dev[0], 0, mine, secret, &val);
	tap_ok(!st && val == 0xaaaa, "A still reads its own");

	/* All numbers of some leaves, and the borders of all directory sizes. */
	for (p = 0; p < (1 << 20); p += p < 300 ? 1 : p / 2) {
		for (word = 0; word < 3; word++) {
			uint32_t nr = p + word - (p > 300);

			if (nr == mine || nr >= 1 << 20)
				continue;
			n++;
			reached += svat_read64(&bed.dev[0], 0, nr, secret, &val) !=
				   SVAT_ST_DMA_ERROR;
			reached += svat_write64(&bed.dev[0], 0, nr, secret, 1) !=
				   SVAT_ST_DMA_ERROR;
		}
	}
	tap_is(reached, 0, "A reaches nothing by any of %u other numbers", n);
	tap_is(svat_read64(&bed.dev[0], 0, NO_PASID, secret, &val), SVAT_ST_DMA_ERROR,
	       "nor without PASID");
	tap_is(svat_read64(&bed.dev[0], 0, 0xfffff, secret, &val), SVAT_ST_DMA_ERROR,
	       "nor by the highest");

	/* One address space on both, and then on one of them. */
	tap_rc(vt_bind(bed.fd, bed.id[1], 0, 0, &b1, &p), 0, "this process on B as well");
	tap_is(p, mine, "by the same PASID");
	st = svat_read64(&bed.dev[1], 1, mine, secret, &val);
	tap_ok(!st && val == 0xaaaa, "B reads the first secret now");
	tap_rc(vt_unbind(bed.fd, b0), 0, "UNBIND from A");
	blocked(0, mine, 0xaaaa, "A emits its own old PASID");
	st = svat_read64(&bed.dev[1], 1, mine, secret, &val);
	tap_ok(!st && val == 0xaaaa, "B is not disturbed");
	tap_rc(vt_unbind(bed.fd, b1), 0, "UNBIND from B");
	blocked(1, mine, 0xaaaa, "B emits the old PASID");
	tap_is(*secret, 0xaaaa, "the first secret is unharmed");
	st = svat_read64(&bed.dev[1], 0, a.pasid, secret, &val);
	tap_ok(!st && val == 0xbbbb, "B still serves the other process");
	tap_is(ask(&c, UNBIND, a.binding, 0).rc, 0, "UNBIND of that");
	blocked(1, a.pasid, 0xbbbb, "B emits that PASID after UNBIND");
	ask(&c, FREE, theirs, 0);
	quit(&c);
	tap_rc(vt_pasid_free(bed.fd, mine), 0, "PASID_FREE");
}

/* ---- the kernel's half ------------------------------------------------- */

struct kernel_address {
	const char *what;
	uint64_t addr;
};

static struct kernel_address kaddr[32];
static int nr_kaddr;
static uint64_t direct_map;	/* where the kernel sees the secret's page */

static void add_address(const char *what, uint64_t addr)
{
	if (addr && nr_kaddr < (int)ARRAY_SIZE(kaddr))
		kaddr[nr_kaddr++] = (struct kernel_address){ what, addr };
}

/* /proc/kcore has the kernel's ranges as its program headers. */
static void read_kcore(void)
{
	uint64_t phys = phys_of((void *)secret), val = 0;
	Elf64_Phdr ph[64];
	Elf64_Ehdr eh;
	int fd, i;

	fd = open("/proc/kcore", O_RDONLY);
	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		tap_bail("/proc/kcore: %m");
	if (eh.e_phnum > ARRAY_SIZE(ph))
		eh.e_phnum = ARRAY_SIZE(ph);
	if (pread(fd, ph, eh.e_phnum * sizeof(*ph), eh.e_phoff) < 0)
		tap_bail("/proc/kcore: %m");
	close(fd);
	for (i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			add_address(ph[i].p_vaddr >= 0xffffffff80000000ULL ?
				    "kernel or module text" : "a range of the kernel",
				    ph[i].p_vaddr);
	if (phys_read64(phys, &val) && val == *secret)
		direct_map = direct_map_of(phys);
	add_address("the secret by the direct map", direct_map);
}

/* Where things lie that the kernel allocates with vmalloc(). */
static void read_vmallocinfo(void)
{
	long restrict_was = read_number("/proc/sys/kernel/kptr_restrict");
	char line[512];
	unsigned long first, last;
	FILE *f;
	int n = 0;

	write_file("/proc/sys/kernel/kptr_restrict", "1");
	f = fopen("/proc/vmallocinfo", "r");
	while (f && fgets(line, sizeof(line), f) && n < 6)
		if (sscanf(line, "0x%lx-0x%lx", &first, &last) == 2 && first >> 47 &&
		    strstr(line, "vmalloc")) {
			add_address("a vmalloc area", first);
			n++;
		}
	if (f)
		fclose(f);
	write_file("/proc/sys/kernel/kptr_restrict", "%ld", restrict_was);
	if (!n)
		tap_diag("/proc/vmallocinfo shows no addresses");
}

static void one_kernel_address(struct kernel_address *k, long pasid, const char *how)
{
	struct vtdpasid_event r = { 0 }, w = { 0 };
	int rrc, wrc;

	rrc = svat_fault(bed.fd, &bed.dev[0], 0, pasid, k->addr, false, &r);
	wrc = svat_fault(bed.fd, &bed.dev[0], 0, pasid, k->addr, true, &w);
	if (!tap_ok(!rrc && !wrc && r.reason == FR_FS_NOT_PRESENT &&
		    w.reason == FR_FS_NOT_PRESENT,
		    "%s: %s (%#llx): neither read nor written, not present", how, k->what,
		    (unsigned long long)k->addr))
		tap_diag("read %d reason %#x, write %d reason %#x", rrc, r.reason, wrc, w.reason);
}

/* All 256 slots of the kernel's half, in memory: entry 0, nothing below. */
static int bad_slots(uint32_t pasid)
{
	struct vtdpasid_walk w;
	unsigned int slot;
	int bad = 0;

	for (slot = 256; slot < 512; slot++) {
		if (vt_walk(bed.fd, &bed.dev[0].func, 0, pasid,
			    0xffff000000000000ULL | (uint64_t)slot << 39, &w) ||
		    w.out_valid != 0x1f || w.out_levels != 1 || w.out_fs[0])
			bad++;
	}
	return bad;
}

/* DMA into each slot; returns how many were not refused. */
static int reached_slots(long pasid)
{
	unsigned int slot;
	uint64_t val;
	int bad = 0;

	for (slot = 256; slot < 512; slot++)
		bad += svat_read64(&bed.dev[0], 0, pasid,
				   (void *)(0xffff000000000000ULL | (uint64_t)slot << 39 |
					    (slot * 0x1234567000ULL & 0x7ffffff000)), &val) !=
		       SVAT_ST_DMA_ERROR;
	return bad;
}

static void kernel_half(long pasid, uint32_t walk_pasid, const char *how, bool walkable)
{
	struct vtdpasid_event ev = { 0 };
	static const uint64_t odd[] = {
		0x0000800000000000ULL, 0x8000000000000000ULL, 0xffff7ffffffff000ULL,
		0x4000000000000000ULL,
	};
	unsigned int i, wrong = 0;
	int rc;

	for (rc = 0; rc < nr_kaddr; rc++)
		one_kernel_address(&kaddr[rc], pasid, how);
	tap_is(reached_slots(pasid), 0, "%s: each of the 256 slots is refused", how);
	if (walkable)
		tap_is(bad_slots(walk_pasid), 0, "%s: each of the 256 slots is zero in memory",
		       how);
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		rc = svat_fault(bed.fd, &bed.dev[0], 0, pasid, odd[i], false, &ev);
		if (!rc && ev.reason == FR_FS_NOT_CANONICAL)
			continue;
		wrong++;
		tap_diag("%#llx: %d, %s", (unsigned long long)odd[i], rc, vt_event_text(&ev));
	}
	tap_is(wrong, 0, "%s: addresses that are not canonical fault as such", how);
}

/* Makes the kernel map and unmap: stacks, pipes, threads, page tables. */
static void *nothing(void *arg)
{
	return arg;
}

static int churn(int sock, void *arg)
{
	int fds[8][2], i, status;
	struct stat st;
	char buf[65536];
	ssize_t n;
	pthread_t t[16];
	int fd;

	(void)arg;
	use_cpu(1);
	while (msg_recv(sock, buf, 1, 0) == -ETIMEDOUT) {
		for (i = 0; i < 8; i++) {
			if (pipe(fds[i]))
				break;
			fcntl(fds[i][1], F_SETPIPE_SZ, 1 << 20);
		}
		while (--i >= 0) {
			close(fds[i][0]);
			close(fds[i][1]);
		}
		for (i = 0; i < 16; i++)
			pthread_create(&t[i], NULL, nothing, NULL);
		for (i = 0; i < 16; i++)
			pthread_join(t[i], NULL);
		for (i = 0; i < 4; i++)
			if (!fork())
				_exit(0);
		while (wait(&status) > 0)
			;
		/* The kernel reads these into vmalloc()ed buffers. */
		fd = open("/proc/kallsyms", O_RDONLY);
		for (n = 1, i = 0; n > 0 && i < 4; i++)
			n = read(fd, buf, sizeof(buf));
		close(fd);
		if (!stat(vt_module_path(), &st)) {
			/* Loading fails, as it is loaded: but it is copied first. */
			vt_module_load("");
		}
	}
	return 0;
}

static void kernel_addresses(void)
{
	uint32_t binding = 0, plain = 0, pasid = 0, other = 0;
	struct vtdpasid_walk w;
	struct svat_loop l;
	struct answer a;
	struct child c;
	uint64_t end;
	int bad = 0, reached = 0, rounds = 0;

	*secret = 0x5ec2e7;
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid), 0, "BIND with PASID");
	read_kcore();
	tap_ok(direct_map, "the kernel sees the secret at %#llx", (unsigned long long)direct_map);
	read_vmallocinfo();
	add_address("the vsyscall page", 0xffffffffff600000ULL);
	add_address("the cpu entry area", 0xfffffe0000000000ULL);
	add_address("the last page", 0xfffffffffffff000ULL);
	add_address("the first kernel address", 0xffff800000000000ULL);

	tap_ok(!vt_walk(bed.fd, &bed.dev[0].func, 0, pasid, (uintptr_t)secret, &w) &&
	       w.out_levels == 4 && (w.out_fs[3] & 0x000ffffffffff000ULL) ==
	       (phys_of((void *)secret) & ~(PAGE - 1)), "WALK finds the secret at its user address");
	kernel_half(pasid, pasid, "own PASID", true);

	child_start(&c, other_process, (void *)0xbbbb);
	a = ask(&c, BIND, 0, 0);
	other = a.pasid;
	tap_ok(!a.rc && other != pasid, "another process on the same device");
	tap_is(reached_slots(other) + bad_slots(other), 0,
	       "its PASID reaches no kernel address either");
	tap_is(reached_slots(0), 0, "nor does PASID 0");
	tap_is(reached_slots(other + 1000), 0, "nor does a PASID that is nobody's");
	tap_is(reached_slots(NO_PASID), 0, "nor do requests without PASID, with nothing bound");

	tap_rc(vt_bind(bed.fd, bed.id[0], VTDPASID_BIND_NO_PASID, 0, &plain, NULL), 0,
	       "BIND without PASID");
	kernel_half(NO_PASID, 0, "no PASID", true);
	vt_unbind(bed.fd, plain);

	/* The loop engine tries all the time, while the kernel maps and unmaps. */
	svat_loop_read(&bed.dev[0], 2, pasid, (void *)direct_map, 0);
	svat_loop_read(&bed.dev[0], 3, other, (void *)0xffffffff81000000ULL, 0);
	quit(&c);
	child_start(&c, churn, NULL);
	for (end = now_ms() + 5000; now_ms() < end; rounds++) {
		bad += bad_slots(pasid);
		reached += reached_slots(pasid);
	}
	msg_send(c.sock, "", 1);
	tap_is(child_wait(&c, 20000), 0, "the kernel was kept busy mapping");
	tap_is(bad, 0, "meanwhile each slot was zero in memory, %d times", rounds);
	tap_is(reached, 0, "meanwhile DMA to each slot was refused, %d times", rounds);
	svat_loop_stop(&bed.dev[0], 2, &l);
	tap_ok(!l.ok && l.failed > 100, "%llu reads of the secret by the direct map: none came through",
	       (unsigned long long)l.failed);
	svat_loop_stop(&bed.dev[0], 3, &l);
	tap_ok(!l.ok && l.failed > 100, "%llu reads of kernel text by a PASID that ended: none",
	       (unsigned long long)l.failed);
	tap_is(*secret, 0x5ec2e7, "the secret is unharmed");
	vt_events_drop(bed.fd);
	tap_rc(vt_unbind(bed.fd, binding), 0, "UNBIND");
}

int main(void)
{
	struct vtdpasid_get_info info;

	use_cpu(0);
	bed_open(&bed, 1, 2);
	vt_get_info(bed.fd, &info);
	own_tables = info.out_pasid_table == VTDPASID_TABLE_DEVICE;
	secret = must_map(PAGE);
	numbers();
	if (own_tables) {
		other_pasids(1);
		other_pasids(200);
	} else {
		tap_skip(2, "pasid_table is not device: devices share tables, as asked for");
	}
	kernel_addresses();
	bed_close(&bed);
	return tap_done();
}
