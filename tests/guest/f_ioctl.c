// SPDX-License-Identifier: GPL-2.0-only
/*
 * f_ioctl.c - several processes at once call, map, fork, die, while devices work
 *
 *	f_ioctl [SECONDS [SEED [WORKERS]]]
 *
 * Each worker does what its seed says: ioctls with arguments that are mostly
 * plausible, mappings that come and go, children that share its files and end
 * in any way, functions that change drivers, and DMA of the test devices with
 * PASIDs that somebody has, or had. A worker that ends is followed by another.
 *
 * No call's result is judged but by the kernel that it runs on, and by what is
 * there afterwards: all workers end when they are told to, the unit is handed
 * back, the module unloads, the functions' configuration is as it was, and all
 * of it works again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

#define WINDOW		0x100000000000ULL	/* where mappings come and go */
#define SPOTS		64			/* of 2 MiB, some of them 512 GiB apart */
#define MAX_WORKERS	8
#define MAX_FUNCS	6
#define FILES		4
#define MS		120000

/* What workers tell each other. Nobody keeps it right. */
static struct shared {
	volatile bool stop;
	volatile uint32_t pasid[32];
	volatile uint64_t calls[64];
	volatile uint64_t good[64];
	volatile uint64_t workers;
	volatile uint64_t dma;
} *shared;

static struct pci_func funcs[MAX_FUNCS];
static struct svat devs[MAX_FUNCS];
static int nr_funcs, nr_devs;

static uint64_t state;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 11;
}

static uint32_t below(uint32_t n) { return rnd() % n; }
static bool one_in(uint32_t n) { return !below(n); }

/* ---- memory -------------------------------------------------------------- */

static void *spot(void)
{
	unsigned int n = below(SPOTS);

	return (void *)(WINDOW + (n % 4) * SLOT + (n / 4) * HUGE);
}

static size_t length(void)
{
	static const size_t lengths[] = { PAGE, PAGE, 4 * PAGE, HUGE, HUGE + PAGE };

	return lengths[below(ARRAY_SIZE(lengths))];
}

static void memory(void)
{
	void *at = spot();
	size_t len = length();

	switch (below(8)) {
	case 0: case 1: case 2:
		if (mmap(at, len, PROT_READ | (one_in(4) ? 0 : PROT_WRITE),
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | (one_in(2) ? MAP_POPULATE : 0),
			 -1, 0) != MAP_FAILED && one_in(3))
			madvise(at, len, MADV_HUGEPAGE);
		break;
	case 3: munmap(at, one_in(8) ? SLOT : len); break;
	case 4: mprotect(at, len, one_in(2) ? PROT_READ : PROT_READ | PROT_WRITE); break;
	case 5: madvise(at, len, one_in(2) ? MADV_DONTNEED : MADV_DONTFORK); break;
	case 6: mremap(at, len, length(), MREMAP_MAYMOVE | MREMAP_FIXED, spot()); break;
	case 7: madvise(at, len, one_in(2) ? MADV_DOFORK : MADV_MERGEABLE); break;
	}
}

/* ---- devices ------------------------------------------------------------- */

static long some_pasid(void)
{
	if (one_in(6))
		return NO_PASID;
	return one_in(8) ? below(200) : shared->pasid[below(ARRAY_SIZE(shared->pasid))];
}

/*
 * Several processes use the same engines: what they write into each other's
 * registers is noise as well. Writes go where nobody keeps anything. The first
 * half of the engines goes round, for nobody to wait for: that would be for ever.
 */
static void dma(void)
{
	struct svat *d = &devs[below(nr_devs)];
	int round = below(4), once = 4 + below(4);
	uint8_t *at = (uint8_t *)spot() + below(HUGE / PAGE) * (one_in(2) ? PAGE : 0);
	struct svat_loop l;
	uint64_t val;

	if (!nr_devs)
		return;
	shared->dma++;
	switch (below(6)) {
	case 0: svat_loop_write(d, round, some_pasid(), at, rnd()); break;
	case 1: svat_loop_read(d, round, some_pasid(), one_in(4) ? (void *)~0xfffUL : at, 0); break;
	case 2: svat_loop_stop(d, round, &l); break;
	case 3: svat_read64(d, once, some_pasid(), at, &val); break;
	case 4: svat_write64(d, once, some_pasid(), at, rnd()); break;
	case 5:
		if (one_in(16))
			svat_reset(d);
		break;
	}
}

/* Away from our driver and back: its attachments end. */
static void driver(void)
{
	const struct pci_func *f = &funcs[below(nr_funcs)];

	if (one_in(2))
		pci_release(f);
	pci_claim(f);
}

/* ---- calls --------------------------------------------------------------- */

/* What calls on a file gave last: mostly that is there still. */
static struct ids { uint32_t device, binding, pin; } ids[FILES];

static uint32_t some_id(uint32_t last) { return one_in(4) ? below(6) : one_in(16) ? rnd() : last; }

static int count(unsigned int nr, int rc)
{
	shared->calls[nr % 64]++;
	shared->good[nr % 64] += rc >= 0;
	return rc;
}

static int call(int fd, unsigned long cmd, void *arg)
{
	return count(_IOC_NR(cmd) - VTDPASID_CMD_GET_INFO, ioctl(fd, cmd, arg));
}

/* An argument without sense, of any size, perhaps half in memory. */
static void nonsense(int fd)
{
	static uint8_t arg[2 * PAGE] __attribute__((aligned(PAGE)));
	unsigned int i, n = below(300);
	unsigned long cmd = _IO(VTDPASID_IOCTL_TYPE, 0x80 + below(18));

	for (i = 4; i < n; i++)
		arg[i] = one_in(2) ? 0 : rnd();
	*(uint32_t *)arg = one_in(4) ? rnd() : 8 + below(260);
	/* No nonsense that makes the unit nobody's for good. */
	call(fd, cmd, one_in(8) ? spot() : arg + (one_in(8) ? PAGE - 8 : 0));
}

static void calls(int fd, struct ids *id)
{
	struct vtdpasid_takeover take = { .size = sizeof(take) };
	struct vtdpasid_handback back = { .size = sizeof(back) };
	const struct pci_func *f = &funcs[below(nr_funcs)];
	struct vtdpasid_attach at = { .size = sizeof(at), .segment = f->segment, .rid = f->rid };
	struct vtdpasid_detach det = { .size = sizeof(det), .device = some_id(id->device) };
	struct vtdpasid_pasid_alloc al = { .size = sizeof(al), .flags = below(2) };
	struct vtdpasid_pasid_free fr = { .size = sizeof(fr) };
	struct vtdpasid_bind bind = { .size = sizeof(bind), .device = some_id(id->device), .flags = one_in(4) };
	struct vtdpasid_unbind un = { .size = sizeof(un), .binding = some_id(id->binding) };
	struct vtdpasid_sync sync = { .size = sizeof(sync), .addr = (uintptr_t)spot(), .length = length() };
	struct vtdpasid_pin pin = { .size = sizeof(pin), .addr = (uintptr_t)spot(), .length = length(), .flags = below(2) };
	struct vtdpasid_unpin unpin = { .size = sizeof(unpin), .pin = some_id(id->pin) };
	struct vtdpasid_walk walk = { .size = sizeof(walk), .segment = f->segment, .rid = f->rid,
				      .pasid = below(70), .addr = (uintptr_t)spot(), .flags = below(2) };
	struct vtdpasid_binding_info info = { .size = sizeof(info), .binding = some_id(id->binding) };
	struct vtdpasid_device_info dev = { .size = sizeof(dev), .device = some_id(id->device) };
	struct vtdpasid_unit_info unit = { .size = sizeof(unit) };

	switch (below(24)) {
	case 0: call(fd, VTDPASID_TAKEOVER, &take); break;
	case 1:
		if (one_in(8))
			call(fd, VTDPASID_HANDBACK, &back);
		break;
	case 2: case 3: case 4:
		at.flags = one_in(2) ? 0 : below(4);
		if (!call(fd, VTDPASID_ATTACH, &at))
			id->device = at.out_device;
		break;
	case 5:
		if (one_in(4))
			call(fd, VTDPASID_DETACH, &det);
		break;
	case 6:
		if (one_in(2))
			al.min = below(70000);
		if (!call(fd, VTDPASID_PASID_ALLOC, &al))
			shared->pasid[below(ARRAY_SIZE(shared->pasid))] = al.out_pasid;
		break;
	case 7:
		fr.pasid = shared->pasid[below(ARRAY_SIZE(shared->pasid))];
		call(fd, VTDPASID_PASID_FREE, &fr);
		break;
	case 8: case 9: case 10: case 11: case 12:
		if (one_in(6))
			bind.pasid = shared->pasid[below(ARRAY_SIZE(shared->pasid))];
		if (!call(fd, VTDPASID_BIND, &bind)) {
			shared->pasid[below(ARRAY_SIZE(shared->pasid))] = bind.out_pasid;
			id->binding = bind.out_binding;
		}
		break;
	case 13: case 14: call(fd, VTDPASID_UNBIND, &un); break;
	case 15: case 16: call(fd, VTDPASID_SYNC, &sync); break;
	case 17:
		if (!call(fd, VTDPASID_PIN, &pin))
			id->pin = pin.out_pin;
		break;
	case 18: call(fd, VTDPASID_UNPIN, &unpin); break;
	case 19: call(fd, VTDPASID_WALK, &walk); break;
	case 20: call(fd, VTDPASID_BINDING_INFO, &info); break;
	case 21: call(fd, VTDPASID_DEVICE_INFO, &dev); break;
	case 22: call(fd, VTDPASID_UNIT_INFO, &unit); break;
	case 23: nonsense(fd); break;
	}
}

static void file(int *fd)
{
	struct vtdpasid_event ev[4];
	struct pollfd p = { .fd = *fd, .events = POLLIN };

	switch (below(6)) {
	case 0:
		close(*fd);
		*fd = open(VTDPASID_DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		break;
	case 1: poll(&p, 1, below(3)); break;
	default: count(32, read(*fd, ev, below(2) ? sizeof(ev) : below(sizeof(ev)))); break;
	}
}

/* ---- workers ------------------------------------------------------------- */

static void act(int *fds, int depth);

/* A child has the files, and no part in the bindings. */
static void family(int *fds, int depth)
{
	unsigned int i, n = below(30);
	pid_t pid;

	if (depth)
		return;
	pid = fork();
	if (pid < 0)
		return;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		state ^= 0x9e3779b97f4a7c15ULL;
		if (one_in(3) && setresuid(1000, 1000, 1000))
			_exit(1);
		for (i = 0; i < n && !shared->stop; i++)
			act(fds, depth + 1);
		if (one_in(3))
			raise(SIGKILL);
		_exit(0);
	}
	/* Alongside, or not; one in a few is cut short. */
	for (i = 0; i < 10 && one_in(2); i++)
		act(fds, depth + 1);
	if (one_in(3))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void act(int *fds, int depth)
{
	unsigned int n;

	switch (below(20)) {
	case 0: case 1: case 2: case 3: memory(); break;
	case 4: case 5: case 6: case 7: case 8: dma(); break;
	case 9: file(&fds[below(FILES)]); break;
	case 10:
		if (one_in(6))
			family(fds, depth);
		break;
	case 11:
		if (one_in(20) && !depth)
			driver();
		break;
	default:
		n = below(FILES);
		calls(fds[n], &ids[n]);
		break;
	}
}

static void worker(uint64_t seed)
{
	unsigned int i, n;
	int fds[FILES];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	state = seed * 0x2545f4914f6cdd1dULL + 1;
	rnd();
	for (i = 0; i < FILES; i++)
		fds[i] = open(VTDPASID_DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	n = 200 + below(3000);
	for (i = 0; i < n && !shared->stop; i++)
		act(fds, 0);
	if (one_in(2))
		raise(SIGKILL);
	_exit(0);
}

static pid_t start(uint64_t seed)
{
	pid_t pid = fork();

	if (!pid)
		worker(seed);
	shared->workers += pid > 0;
	return pid;
}

/* ---- what is there afterwards -------------------------------------------- */

/* What software set: not status bits, nor what firmware or the core keeps. */
static void config_read(const struct pci_func *f, uint32_t *words)
{
	unsigned int i;

	for (i = 0; i < 1024; i++)
		words[i] = pci_read(f, i * 4, 4);
	words[1] &= 0xffff;	/* status */
}

static bool config_same(const struct pci_func *f, const uint32_t *before)
{
	static uint32_t now[1024];
	unsigned int i, bad = 0;

	config_read(f, now);
	for (i = 0; i < 1024; i++)
		if (now[i] != before[i] && bad++ < 8)
			printf("# %s: %03x was %08x, is %08x\n", f->name, i * 4, before[i], now[i]);
	return !bad;
}

static void afterwards(void)
{
	uint32_t pasid, *page = must_map(PAGE);
	struct bed bed;
	uint64_t val;

	bed_open(&bed, 1, 1);
	page[0] = 0x12345678;
	page[1] = 0;
	tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, NULL, &pasid), 0, "bind");
	tap_ok(svat_read64(&bed.dev[0], 0, pasid, page, &val) == 0 && val == 0x12345678, "a device reads");
	bed_close(&bed);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 20, i, n = 4;
	static uint32_t config[MAX_FUNCS][1024];
	uint64_t seed = now_ms() ^ (uint64_t)getpid() << 32, end, next;
	pid_t pid, pids[MAX_WORKERS];
	bool all = true;
	int fd, rc;

	if (argc > 2 && strcmp(argv[2], "0"))
		seed = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		n = atoi(argv[3]);
	if (n > MAX_WORKERS)
		n = MAX_WORKERS;
	printf("# %u seconds, %u workers, seed %llu\n", seconds, n, (unsigned long long)seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fatal("no memory");
	nr_devs = nr_funcs = pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, funcs, MAX_FUNCS);
	nr_funcs += pci_find(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID, funcs + nr_funcs, MAX_FUNCS - nr_funcs);
	if (nr_devs < 2)
		fatal("%d test devices found, 2 needed", nr_devs);
	fd = must_take_unit();
	close(fd);
	/* Mapped for good: switches memory decoding on. */
	for (i = 0; i < (unsigned int)nr_devs; i++) {
		rc = svat_open(&devs[i], &funcs[i]);
		if (rc)
			fatal("registers of %s: %s", funcs[i].name, strerror(-rc));
	}
	for (i = 0; i < (unsigned int)nr_funcs; i++) {
		pci_claim(&funcs[i]);
		pci_release(&funcs[i]);
		config_read(&funcs[i], config[i]);
		pci_claim(&funcs[i]);
	}

	end = now_ms() + seconds * 1000ULL;
	for (next = 0; next < n; next++)
		pids[next] = start(seed + next);
	while (now_ms() < end) {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid <= 0) {
			sleep_ms(5);
			continue;
		}
		for (i = 0; i < n; i++) {
			if (pids[i] != pid)
				continue;
			kill(-pid, SIGKILL);
			pids[i] = start(seed + next++);
		}
	}

	shared->stop = true;
	sleep_ms(100);
	for (i = 0; i < n; i++) {
		kill(-pids[i], SIGKILL);
		kill(pids[i], SIGKILL);
	}
	for (end = now_ms() + MS; all && (pid = waitpid(-1, NULL, WNOHANG)) >= 0;) {
		if (!pid)
			sleep_ms(20);
		all = now_ms() < end;
	}
	for (i = 0, rc = 0; i < 64; i++)
		rc += shared->calls[i];
	tap_ok(rc > 0, "%llu workers made %d calls and %llu uses of devices",
	       (unsigned long long)shared->workers, rc, (unsigned long long)shared->dma);
	for (i = 0; i < 64; i++)
		if (shared->calls[i])
			printf("# call %#x: %llu, %llu of them good\n", i + VTDPASID_CMD_GET_INFO,
			       (unsigned long long)shared->calls[i], (unsigned long long)shared->good[i]);
	if (!tap_ok(all, "all of them ended"))
		return tap_done();

	for (i = 0; i < (unsigned int)nr_devs; i++)
		svat_reset(&devs[i]);
	for (i = 0; i < (unsigned int)nr_funcs; i++)
		pci_release(&funcs[i]);
	/* A file is released when its last child is gone, which is soon. */
	for (end = now_ms() + MS; (rc = vt_module_unload()) == -EAGAIN && now_ms() < end;)
		sleep_ms(20);
	tap_rc(rc, 0, "the module unloads");
	for (i = 0; i < (unsigned int)nr_funcs; i++)
		tap_ok(config_same(&funcs[i], config[i]), "%s: its configuration is as it was", funcs[i].name);
	tap_rc(vt_module_load(""), 0, "the module loads");
	afterwards();
	return tap_done();
}
