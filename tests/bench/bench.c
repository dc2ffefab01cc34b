// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench: drives one side of the benchmark in the guest, and prints what it
 * measured, for report.py:
 *
 *	@ ticks NAME COUNT MEDIAN MIN MAX	instructions
 *	@ value NAME NUMBER
 *	@ phase NUMBER NAME			what marks of the trace belong to
 *
 * usage: bench ours|peer RUNS SECTION...
 *
 * Everything runs on one CPU under -icount shift=0, where the time stamp counter
 * counts instructions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/lib.h"
#include "bench.h"

#define DEVICES		8
#define SAMPLES		1024

struct results {
	unsigned int count;
	uint64_t ticks[SAMPLES];
};

static struct {
	bool ours;
	int runs;		/* of what is repeated */
	int bench;		/* /dev/vtdpbench */
	struct bed bed;		/* of the peer: registers only */
	struct results *shared;	/* with children */
	unsigned int phase;
} b;

static inline uint64_t now(void)
{
	return __builtin_ia32_rdtsc();
}

/* ---- results ---------------------------------------------------------------- */

static int compare(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, c = *(const uint64_t *)y;

	return a < c ? -1 : a > c;
}

static void add(struct results *r, uint64_t ticks)
{
	if (r->count < SAMPLES)
		r->ticks[r->count++] = ticks;
}

static void say(const char *name, long arg, struct results *r)
{
	if (!r->count)
		fatal("nothing was measured of %s", name);
	qsort(r->ticks, r->count, sizeof(r->ticks[0]), compare);
	printf("@ ticks %s", name);
	if (arg >= 0)
		printf("-%ld", arg);
	printf(" %u %lu %lu %lu\n", r->count, r->ticks[r->count / 2], r->ticks[0],
	       r->ticks[r->count - 1]);
	r->count = 0;
}

static void value(const char *name, uint64_t number)
{
	printf("@ value %s %lu\n", name, number);
}

static void phase(const char *name, long arg)
{
	b.phase++;
	printf("@ phase %u %s", b.phase, name);
	if (arg >= 0)
		printf("-%ld", arg);
	printf("\n");
	fflush(stdout);
}

/* ---- operations ------------------------------------------------------------- */

static int call(struct bench_call *c, unsigned int op)
{
	c->op = op;
	c->fd = b.bed.fd;
	return ioctl(b.bench, BENCH_CALL, c) ? -errno : 0;
}

static void must_call(struct bench_call *c, unsigned int op)
{
	int err = call(c, op);

	if (err)
		fatal("operation %u: %s", op, strerror(-err));
}

static void mark(bool begin)
{
	struct bench_call c = { .phase = b.phase, .arg = begin };

	must_call(&c, BENCH_MARK);
}

static struct bench_call bind_device(int n, bool marked)
{
	struct bench_call c = {
		.device = b.ours ? b.bed.id[n] : (unsigned int)n,
		.phase = marked ? b.phase : 0,
	};

	must_call(&c, BENCH_BIND);
	return c;
}

static uint64_t unbind(struct bench_call *c, bool marked)
{
	c->phase = marked ? b.phase : 0;
	must_call(c, BENCH_UNBIND);
	return c->ticks;
}

static void bind_many(struct bench_call *c, int n)
{
	int i;

	for (i = 0; i < n; i++)
		c[i] = bind_device(i, false);
}

static void unbind_many(struct bench_call *c, int n)
{
	while (n--)
		unbind(&c[n], false);
}

/* Run @fn in a process of its own, with an address space nobody has bound. */
static void in_child(void (*fn)(long arg), long arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fatal("a child ended with status %#x", status);
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fatal("mmap of %zu bytes: %s", len, strerror(errno));
	return p;
}

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

/* Mappings that do not merge: every other page has other rights. */
static void more_vmas(long count)
{
	char *p = map((count + 1) * 2 * PAGE);
	long i;

	for (i = 0; i < count; i++)
		if (mprotect(p + i * PAGE, PAGE, i & 1 ? PROT_READ : PROT_NONE))
			fatal("mprotect: %s", strerror(errno));
}

/* ---- bind and unbind -------------------------------------------------------- */

static void first_bind(long vmas)
{
	struct bench_call c;

	more_vmas(vmas);
	c = bind_device(0, true);
	add(b.shared, c.ticks);
	unbind(&c, false);
}

static void locks(long vmas)
{
	struct bench_call c = {};

	more_vmas(vmas);
	must_call(&c, BENCH_LOCKS);
	add(b.shared, c.ticks);
}

/*
 * A PASID each, of the 63 in the PASID table that is always there: the next one
 * that vtdpasid gives out is not the one that was just freed.
 */
#define FIRST_RUNS	8

static void bench_first(void)
{
	static const int vmas[] = { 0, 50, 100, 200 };
	unsigned int i;
	int run;

	for (i = 0; i < ARRAY_SIZE(vmas); i++) {
		phase("bind-first-vmas", vmas[i]);
		for (run = 0; run < FIRST_RUNS; run++)
			in_child(first_bind, vmas[i]);
		say("bind-first-vmas", vmas[i], b.shared);
		for (run = 0; run < FIRST_RUNS; run++)
			in_child(locks, vmas[i]);
		say("locks-vmas", vmas[i], b.shared);
	}
}

static void again(long vmas)
{
	struct bench_call c;
	int run;

	more_vmas(vmas);
	c = bind_device(0, false);
	unbind(&c, false);
	for (run = 0; run < b.runs; run++) {
		c = bind_device(0, true);
		add(&b.shared[0], c.ticks);
		add(&b.shared[1], unbind(&c, true));
		add(&b.shared[2], b.shared[0].ticks[run] + b.shared[1].ticks[run]);
	}
}

static void second_device(long n)
{
	struct bench_call held[DEVICES], c;
	int run;

	bind_many(held, n);
	for (run = 0; run < b.runs; run++) {
		c = bind_device(n, false);
		add(&b.shared[0], c.ticks);
		add(&b.shared[1], unbind(&c, true));
	}
	unbind_many(held, n);
}

static void bench_bind(void)
{
	long n;

	bench_first();
	phase("pair-again", -1);
	in_child(again, 0);
	say("bind-again", -1, &b.shared[0]);
	say("unbind-last", -1, &b.shared[1]);
	say("pair-again", -1, &b.shared[2]);
	in_child(again, 100);
	b.shared[0].count = 0;
	b.shared[1].count = 0;
	say("pair-again-vmas", 100, &b.shared[2]);
	for (n = 1; n < DEVICES; n += 6) {
		phase("unbind-device", n + 1);
		in_child(second_device, n);
		say("bind-device", n + 1, &b.shared[0]);
		say("unbind-device", n + 1, &b.shared[1]);
	}
}

/* What a user pays: the way into the kernel and back as well. */
static void user_pays(long n)
{
	uint32_t binding, kept;
	uint64_t start;
	int run;

	if (vt_bind(b.bed.fd, b.bed.id[0], 0, 0, &kept, NULL))
		fatal("bind");
	for (run = 0; run < b.runs; run++) {
		start = now();
		if (vt_bind(b.bed.fd, b.bed.id[n], 0, 0, &binding, NULL))
			fatal("bind");
		add(&b.shared[0], now() - start);
		start = now();
		if (vt_unbind(b.bed.fd, binding))
			fatal("unbind");
		add(&b.shared[1], now() - start);
	}
	vt_unbind(b.bed.fd, kept);
}

static void bench_ioctl(void)
{
	in_child(user_pays, 1);
	say("ioctl-bind-device", 2, &b.shared[0]);
	say("ioctl-unbind-device", 2, &b.shared[1]);
}

/* ---- the notifier ----------------------------------------------------------- */

/* Each makes one event and returns what the system call took. */
static uint64_t unmap(void *p, size_t len)
{
	uint64_t start = now();

	if (munmap(p, len))
		fatal("munmap: %s", strerror(errno));
	return now() - start;
}

static uint64_t event_munmap(size_t len, unsigned int pages)
{
	char *p = map(len);
	uint64_t ticks;
	unsigned int i;

	for (i = 0; i < pages; i++)
		touch(p + i * (len / pages));
	mark(true);
	ticks = unmap(p, len);
	mark(false);
	return ticks;
}

static uint64_t event_4k(void)
{
	return event_munmap(PAGE, 1);
}

static uint64_t event_2m(void)
{
	return event_munmap(2 * MB, 1);
}

static uint64_t event_1g(void)
{
	return event_munmap(GB, 1);
}

static uint64_t event_1g_4(void)
{
	return event_munmap(GB, 4);
}

static uint64_t event_untouched(void)
{
	return event_munmap(PAGE, 0);
}

/* In a top-level slot of its own, to which no device was ever let. */
static uint64_t event_far(void)
{
	char *p = mmap((void *)(64 * SLOT), PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint64_t ticks;

	if (p == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	touch(p);
	mark(true);
	ticks = unmap(p, PAGE);
	mark(false);
	return ticks;
}

static uint64_t event_dontneed(void)
{
	static char *p;
	uint64_t start, ticks;

	if (!p)
		p = map(PAGE);
	touch(p);
	mark(true);
	start = now();
	madvise(p, PAGE, MADV_DONTNEED);
	ticks = now() - start;
	mark(false);
	return ticks;
}

static uint64_t event_protect(void)
{
	static char *p;
	uint64_t start, ticks;

	if (!p)
		p = map(PAGE);
	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	touch(p);
	mark(true);
	start = now();
	mprotect(p, PAGE, PROT_READ);
	ticks = now() - start;
	mark(false);
	return ticks;
}

static const struct {
	const char *name;
	uint64_t (*event)(void);
} events[] = {
	{ "munmap-4k", event_4k },
	{ "munmap-2m", event_2m },
	{ "munmap-1g", event_1g },
	{ "munmap-1g-4-pages", event_1g_4 },
	{ "munmap-untouched", event_untouched },
	{ "munmap-far", event_far },
	{ "dontneed-4k", event_dontneed },
	{ "mprotect-4k", event_protect },
};

static void notifier(long devices)
{
	struct bench_call held[DEVICES];
	char name[64];
	unsigned int i;
	int run;

	bind_many(held, devices);
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(name, sizeof(name), "%s-devices", events[i].name);
		phase(name, devices);
		for (run = 0; run < b.runs; run++)
			add(b.shared, events[i].event());
		say(name, devices, b.shared);
	}
	if (devices) {
		/* Still with its notifier, but with no device. */
		unbind_many(held, devices);
		for (run = 0; run < b.runs; run++)
			add(b.shared, event_4k());
		say("munmap-4k-after", devices, b.shared);
	}
}

static void bench_notifier(void)
{
	unsigned int phases = b.phase;
	int n;

	for (n = 0; n <= DEVICES; n = n ? n * 2 : 1) {
		in_child(notifier, n);
		/* The child counted on. */
		phases += ARRAY_SIZE(events);
		b.phase = phases;
	}
}

/* ---- the end of an mm ------------------------------------------------------- */

static void exits(long devices)
{
	struct bench_call *held = (void *)b.shared[1].ticks;

	bind_many(held, devices);
	/* Twice: what copy-on-write has to send after the fork is before it. */
	mark(true);
	mark(true);
	_exit(0);
}

static void bench_exit(void)
{
	static const int counts[] = { 1, 2, 8 };
	struct bench_call *held = (void *)b.shared[1].ticks;
	unsigned int i;
	int run;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		phase("exit-devices", counts[i]);
		for (run = 0; run < b.runs / 4; run++) {
			in_child(exits, counts[i]);
			mark(false);
			unbind_many(held, counts[i]);
		}
	}
}

/* ---- page requests ---------------------------------------------------------- */

static void request(struct svat *d, uint32_t pasid, void *p, unsigned int cmd,
		    unsigned int group, bool write)
{
	unsigned int ch = SVAT_CHAN(0);

	svat_set(d, ch + SVAT_CH_PASID, pasid);
	svat_set(d, ch + SVAT_CH_IOVA, (uintptr_t)p);
	svat_set(d, ch + SVAT_CH_PRGI, group);
	svat_set(d, ch + SVAT_CH_FLAGS, SVAT_F_PASID | SVAT_F_LPIG | SVAT_F_NO_WAIT |
		 (write ? SVAT_F_WRITE : 0));
	svat_set(d, ch + SVAT_CH_CMD, cmd);
}

static uint64_t answers(struct svat *d)
{
	return svat_get(d, SVAT_N_PRI_SUCCESS) + svat_get(d, SVAT_N_PRI_INVALID) +
	       svat_get(d, SVAT_N_PRI_FAILURE);
}

static void schedule_as(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &param))
		fatal("sched_setscheduler: %s", strerror(errno));
}

/*
 * Until @count answers have come, or @limit rounds were made. The CPU's only
 * other work is this loop, which all else preempts. Return: what was spent since
 * @start, without the loop: each round of it takes what the quickest one took.
 */
static uint64_t wait_for_answers(struct svat *d, uint64_t count, uint64_t start,
				 unsigned int limit)
{
	static uint64_t quiet = ~0UL;
	uint64_t last = start, rounds = 0, t;

	while (answers(d) < count && rounds < limit) {
		t = now();
		if (t - last < quiet)
			quiet = t - last;
		last = t;
		rounds++;
	}
	return now() - start - rounds * quiet;
}

static void one_by_one(struct svat *d, uint32_t pasid, const char *name,
		       char *p, bool write)
{
	int run;

	phase(name, -1);
	for (run = 0; run < b.runs; run++) {
		svat_set(d, SVAT_CTRL, SVAT_CTRL_CLEAR_COUNTERS);
		mark(true);
		request(d, pasid, p + run * PAGE, SVAT_CMD_PAGE_REQ, 1, write);
		while (!answers(d))
			;
		mark(false);
		add(b.shared, svat_get(d, SVAT_PRI_LAST_NS));
	}
	say(name, -1, b.shared);
}

static void cpu_touches(const char *name, char *p, bool write)
{
	uint64_t start;
	int run;

	for (run = 0; run < b.runs; run++) {
		start = now();
		if (write)
			touch(p + run * PAGE);
		else
			(void)*(volatile char *)(p + run * PAGE);
		add(b.shared, now() - start);
	}
	say(name, -1, b.shared);
}

#define STORM	1000
#define BURST	50	/* of 64 that may be outstanding */

/*
 * As many requests as a device may have outstanding are there before anybody
 * gets to look, and again when all are answered. Return: instructions.
 */
static uint64_t burst(struct svat *d, uint32_t pasid, char *p)
{
	uint64_t before = answers(d), start = now();
	int i;

	schedule_as(SCHED_FIFO, 99);
	for (i = 0; i < BURST; i++)
		request(d, pasid, p + i * PAGE, SVAT_CMD_PAGE_REQ, i, true);
	schedule_as(SCHED_IDLE, 0);
	return wait_for_answers(d, before + BURST, start, ~0U);
}

static void storm(struct svat *d, uint32_t pasid, const char *name, char *p)
{
	uint64_t ticks;
	int run, i;

	wait_for_answers(d, ~0UL, now(), 100);
	phase(name, -1);
	for (run = 0; run < 5; run++) {
		char *q = p ? p : map(STORM * PAGE);

		svat_set(d, SVAT_CTRL, SVAT_CTRL_CLEAR_COUNTERS);
		ticks = 0;
		mark(true);
		for (i = 0; i < STORM; i += BURST)
			ticks += burst(d, pasid, q + i * PAGE);
		mark(false);
		if (svat_get(d, SVAT_N_PRI_SUCCESS) != STORM)
			fatal("%s: %lu of %u requests were served", name,
			      svat_get(d, SVAT_N_PRI_SUCCESS), STORM);
		add(b.shared, ticks);
		if (!p)
			munmap(q, STORM * PAGE);
	}
	say(name, -1, b.shared);
}

/* A page of each 2 MiB, so that tables are there. */
static char *populate(size_t pages, bool touched)
{
	char *p = map((pages + 1024) * PAGE);
	size_t i;

	p = (char *)(((uintptr_t)p + 2 * MB - 1) & ~(2 * MB - 1));
	for (i = 0; i < pages + 1; i += touched ? 1 : 511)
		touch(p + i * PAGE);
	return p;
}

static void requests(long arg)
{
	struct svat *d = &b.bed.dev[0];
	struct bench_call c = bind_device(0, false);
	int run;

	(void)arg;
	schedule_as(SCHED_IDLE, 0);
	one_by_one(d, c.pasid, "request-write", populate(SAMPLES, false) + PAGE, true);
	one_by_one(d, c.pasid, "request-read", populate(SAMPLES, false) + PAGE, false);
	one_by_one(d, c.pasid, "request-present", populate(SAMPLES, true), true);
	cpu_touches("cpu-write", populate(SAMPLES, false) + PAGE, true);
	cpu_touches("cpu-read", populate(SAMPLES, false) + PAGE, false);
	storm(d, c.pasid, "storm-present", populate(STORM, true));
	storm(d, c.pasid, "storm-write", NULL);
	for (run = 0; run < 5; run++) {
		char *q = map(STORM * PAGE);
		uint64_t start = now();
		int i;

		for (i = 0; i < STORM; i++)
			touch(q + i * PAGE);
		add(b.shared, now() - start);
		munmap(q, STORM * PAGE);
	}
	say("cpu-storm-write", -1, b.shared);
	svat_reset(d);
	unbind(&c, false);
}

static void bench_requests(void)
{
	in_child(requests, 0);
	b.phase += 16;
}

/* ---- memory ----------------------------------------------------------------- */

static uint64_t vmstat(const char *name)
{
	char line[128];
	uint64_t number = 0;
	FILE *f = fopen("/proc/vmstat", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			number = strtoull(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return number;
}

static void bench_memory(void)
{
	struct vtdpasid_device_info info;
	int rc;

	if (!b.ours) {
		value("iommu-pages", vmstat("nr_iommu_pages"));
		return;
	}
	rc = vt_device_info(b.bed.fd, b.bed.id[0], &info);
	if (rc)
		fatal("device info: %s", strerror(-rc));
	/* A directory entry has 8 bytes, a leaf one page. */
	value("table-pages", (info.out_dir_entries * 8 + PAGE - 1) / PAGE +
	      info.out_leaves);
}

/* ---- scale ------------------------------------------------------------------ */

#define PASIDS		1048575
#define CHUNK		1000
/* Shares no factor with PASIDS: goes through all of them, out of order. */
#define STRIDE		700001

static uint64_t chunk(unsigned int op, uint32_t first, uint32_t count)
{
	struct bench_call c = { .count = count, .pasid = first, .arg = STRIDE };

	must_call(&c, op);
	return c.ticks / count;
}

static uint64_t meminfo(const char *name)
{
	char line[128];
	uint64_t number = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			number = strtoull(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return number;
}

static void bench_pasids(void)
{
	uint64_t before = meminfo("MemFree"), ticks;
	uint64_t done, n, at;

	for (done = 0; done < PASIDS; done += n) {
		n = PASIDS - done < CHUNK ? PASIDS - done : CHUNK;
		ticks = chunk(BENCH_PASIDS, 0, n);
		if (done == 0 || done == 999 * CHUNK || done == 99 * CHUNK || done == 9 * CHUNK)
			printf("@ value pasid-alloc-at-%lu %lu\n", done + n, ticks);
	}
	value("pasid-bytes", (before - meminfo("MemFree")) * 1024 / PASIDS);
	for (done = 0; done < PASIDS; done += n) {
		n = PASIDS - done < CHUNK ? PASIDS - done : CHUNK;
		at = done * STRIDE % PASIDS + 1;
		ticks = chunk(BENCH_FREE, at, n);
		if (done == 0 || done / CHUNK == (PASIDS / CHUNK) - 1)
			printf("@ value pasid-free-left-%lu %lu\n", PASIDS - done, ticks);
	}
	/* All of them are in quarantine now, in no order. */
	for (done = 0; done < 100 * CHUNK; done += CHUNK) {
		ticks = chunk(BENCH_PASIDS, 0, CHUNK);
		if (done == 0 || done == 99 * CHUNK || done == 49 * CHUNK)
			printf("@ value pasid-again-at-%lu %lu\n", done + CHUNK, ticks);
	}
}

#define PROCESSES_DEVICES	4
#define PROCESSES_SAMPLE	20

/* A process that is bound, for as long as it is let. */
static void process(bool sample)
{
	struct bench_call held[PROCESSES_DEVICES];
	uint64_t start = 0;
	int i;

	for (i = 0; i < PROCESSES_DEVICES; i++) {
		held[i] = bind_device(i, false);
		/* The first one registers the notifier, whose cost is the mm's. */
		if (sample && i)
			add(&b.shared[0], held[i].ticks);
	}
	if (sample) {
		start = unbind(&held[0], false);
		add(&b.shared[1], start);
		held[0] = bind_device(0, false);
	}
}

static void start_processes(int count, bool bound, pid_t *pids)
{
	static bool first_said;
	int sync[2];
	int i;
	char c;

	b.shared[0].count = 0;
	b.shared[1].count = 0;
	if (pipe(sync))
		fatal("pipe: %s", strerror(errno));
	for (i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			fatal("fork %d: %s", i, strerror(errno));
		if (!pids[i]) {
			if (bound)
				process(first_said ? i >= count - PROCESSES_SAMPLE :
						     i < PROCESSES_SAMPLE);
			if (write(sync[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		if (read(sync[0], &c, 1) != 1)
			fatal("process %d ended", i);
		if (bound && !first_said && i == PROCESSES_SAMPLE - 1) {
			first_said = true;
			say("processes-first-bind", -1, &b.shared[0]);
			say("processes-first-unbind", -1, &b.shared[1]);
		}
	}
	if (bound && b.shared[0].count) {
		say("processes-last-bind", -1, &b.shared[0]);
		say("processes-last-unbind", -1, &b.shared[1]);
	}
	close(sync[0]);
	close(sync[1]);
}

static void end_processes(int count, const pid_t *pids)
{
	int i;

	for (i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < count; i++)
		waitpid(pids[i], NULL, 0);
}

/*
 * As many as b.runs says, and a quarter of that which are not bound. All stay to
 * the end, so that each takes memory which none had before.
 */
static void bench_processes(void)
{
	int quarter = b.runs / 4, half = b.runs / 2;
	pid_t *pids = calloc(b.runs + quarter, sizeof(*pids));
	uint64_t start, alone, first, second;

	start = meminfo("MemAvailable");
	start_processes(quarter, false, pids);
	alone = meminfo("MemAvailable");
	start_processes(half, true, pids + quarter);
	first = meminfo("MemAvailable");
	start_processes(half, true, pids + quarter + half);
	second = meminfo("MemAvailable");
	value("processes", half * 2);
	value("process-bytes-alone", (start - alone) * 1024 / quarter);
	value("process-bytes-first-half", (alone - first) * 1024 / half);
	value("process-bytes-second-half", (first - second) * 1024 / half);
	end_processes(quarter + half * 2, pids);
	free(pids);
}

/* All free pages, those that CPUs keep for themselves included. */
static uint64_t free_pages(void)
{
	char line[128];
	uint64_t pages, sum = 0;
	FILE *f;

	write_file("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/zoneinfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %lu", &pages) == 1 ||
		    sscanf(line, " count: %lu", &pages) == 1)
			sum += pages;
	if (f)
		fclose(f);
	return sum;
}

/* Processes on all CPUs, each with its own mm, that unmap all the time. */
static void bench_smp(void)
{
	struct vtdpasid_unit_info first, last;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct vtdpasid_device_info info;
	int i, n, status, stopped = 0;
	pid_t pids[64];

	vt_unit_info(b.bed.fd, 0, &first);
	fflush(stdout);
	for (i = 0; i < cpus; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		use_cpu(i);
		for (n = 0; n < b.bed.n; n++)
			bind_device(n, false);
		for (n = 0; n < b.runs; n++) {
			char *p = map(PAGE);

			touch(p);
			munmap(p, PAGE);
		}
		_exit(0);
	}
	for (i = 0; i < cpus; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			fatal("process on CPU %d: status %#x", i, status);
	vt_unit_info(b.bed.fd, 0, &last);
	for (i = 0; i < b.bed.n; i++)
		stopped += vt_device_info(b.bed.fd, b.bed.id[i], &info) ||
			   info.out_state & VTDPASID_DEVICE_STOPPED;
	value("smp-cpus", cpus);
	value("smp-events", (uint64_t)cpus * b.runs);
	value("smp-doorbells", last.out_doorbells - first.out_doorbells);
	value("smp-stopped", stopped);
	value("smp-broken", last.out_state != VTDPASID_UNIT_TAKEN);
}

/* Of a unit that is idle, with whatever functions the machine has. */
static void bench_takeover(void)
{
	struct bench_call c = {};
	uint64_t before;
	int run;

	phase("takeover", -1);
	for (run = 0; run < 60; run++) {
		before = free_pages();
		c.phase = b.phase;
		must_call(&c, BENCH_TAKEOVER);
		add(b.shared, c.ticks);
		if (!run)
			value("takeover-pages", before - free_pages());
		c.phase = 0;
		must_call(&c, BENCH_HANDBACK);
	}
	say("takeover", -1, b.shared);
}

/* ---- the end ---------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
	bool ours_only;
} sections[] = {
	{ "bind", bench_bind, false },
	{ "ioctl", bench_ioctl, true },
	{ "notifier", bench_notifier, false },
	{ "exit", bench_exit, false },
	{ "requests", bench_requests, false },
	{ "memory", bench_memory, false },
	{ "pasids", bench_pasids, true },
	{ "processes", bench_processes, true },
	{ "smp", bench_smp, true },
	{ "takeover", bench_takeover, true },
};

static void open_devices(void)
{
	struct pci_func f[BED_MAX];
	int i, rc;

	b.bed.n = pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, BED_MAX);
	if (b.ours)
		b.bed.fd = b.bed.n ? must_take_unit() : must_open();
	for (i = 0; i < b.bed.n; i++) {
		rc = b.ours ? pci_claim(&f[i]) : 0;
		if (!rc)
			rc = svat_open(&b.bed.dev[i], &f[i]);
		if (!rc)
			svat_reset(&b.bed.dev[i]);
		if (!rc && b.ours)
			rc = vt_attach(b.bed.fd, &f[i],
				       VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI,
				       &b.bed.info[i]);
		if (rc)
			fatal("%s: %s", f[i].name, strerror(-rc));
		b.bed.id[i] = b.bed.info[i].out_device;
	}
}

/* Both sides are to have the same on. */
static void say_state(void)
{
	int i;

	for (i = 0; i < b.bed.n; i++)
		printf("# %s: state %#lx\n", b.bed.dev[i].func.name,
		       svat_get(&b.bed.dev[i], SVAT_STATE));
	value("devices", b.bed.n);
}

int main(int argc, char **argv)
{
	unsigned int s;
	int i;

	if (argc < 3)
		fatal("usage: bench ours|peer RUNS SECTION...");
	b.ours = !strcmp(argv[1], "ours");
	b.runs = atoi(argv[2]);
	if (b.runs < 4)
		fatal("runs: at least 4");
	b.bench = open("/dev/vtdpbench", O_RDWR | O_CLOEXEC);
	if (b.bench < 0)
		fatal("/dev/vtdpbench: %s", strerror(errno));
	/* Pages of 4 KiB only: what the kernel does to get others varies. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	b.shared = mmap(NULL, 4 * sizeof(*b.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	open_devices();
	say_state();
	for (i = 3; i < argc; i++) {
		for (s = 0; s < ARRAY_SIZE(sections); s++)
			if (!strcmp(argv[i], sections[s].name))
				break;
		if (s == ARRAY_SIZE(sections))
			fatal("no such section: %s", argv[i]);
		printf("# %s\n", sections[s].name);
		fflush(stdout);
		if (b.ours || !sections[s].ours_only)
			sections[s].run();
	}
	printf("@ done\n");
	return 0;
}
