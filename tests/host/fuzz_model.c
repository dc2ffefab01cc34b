// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_model.c - random operations, several at once, on random machines
 *
 *	fuzz_model [--seed S] [--ops N | --seconds T] [--round R] [--tap] [-v]
 *
 * Operations come in rounds. A round has a machine of its own, chosen by seed
 * and number, and runs in a process of its own. A round that breaks a rule is
 * shrunk (whole stretches of operations are left out as long as the same rule
 * breaks), and what is left is printed; --round R runs it again.
 *
 * Each operation brings the seed of what chance decides while it begins, so
 * that leaving others out changes little about it.
 */
#include <sys/mman.h>
#include <sys/time.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define ROUND_OPS	300

enum op_kind {
	OP_TAKEOVER, OP_HANDBACK, OP_OPEN, OP_CLOSE, OP_ATTACH, OP_DETACH,
	OP_PASID, OP_RESERVE, OP_PASID_FREE, OP_BIND, OP_UNBIND, OP_SYNC,
	OP_MAP, OP_UNMAP, OP_PROTECT, OP_EXIT, OP_FORK, OP_MIGRATE, OP_SPLIT,
	OP_WP, OP_DMA, OP_ATS, OP_WORK, OP_DRIVER, OP_PLUG, OP_REQUEST, OP_FLUSH,
	OP_SETTLE, OP_KINDS
};

static const struct { const char *name; unsigned int weight; } kinds[OP_KINDS] = {
	[OP_TAKEOVER] = { "takeover", 3 }, [OP_HANDBACK] = { "handback", 1 },
	[OP_OPEN] = { "open", 6 }, [OP_CLOSE] = { "close", 2 },
	[OP_ATTACH] = { "attach", 12 }, [OP_DETACH] = { "detach", 4 },
	[OP_PASID] = { "pasid-alloc", 3 }, [OP_RESERVE] = { "reserve", 2 },
	[OP_PASID_FREE] = { "pasid-free", 3 }, [OP_BIND] = { "bind", 24 },
	[OP_UNBIND] = { "unbind", 12 }, [OP_SYNC] = { "sync", 5 },
	[OP_MAP] = { "map", 24 }, [OP_UNMAP] = { "unmap", 16 },
	[OP_PROTECT] = { "protect", 8 }, [OP_EXIT] = { "exit", 3 },
	[OP_FORK] = { "fork", 2 }, [OP_MIGRATE] = { "migrate", 4 },
	[OP_SPLIT] = { "split", 2 }, [OP_WP] = { "wp-huge", 2 },
	[OP_DMA] = { "dma", 30 }, [OP_ATS] = { "ats", 10 },
	[OP_WORK] = { "work", 12 }, [OP_DRIVER] = { "driver", 3 },
	[OP_PLUG] = { "plug", 1 }, [OP_REQUEST] = { "page-request", 10 },
	[OP_FLUSH] = { "callback", 3 }, [OP_SETTLE] = { "settle", 3 },
};

struct op { u8 kind; u8 a, b, c; u32 x; u64 seed; };

static bool one_layout, verbose, cm_strict, pde, no_dit_check, no_shrink;

/* ---- one operation ----------------------------------------------------------- */

static u64 fuzz_va(u32 x)
{
	static const u16 slots[] = { 0, 0, 1, 255 };

	return (u64)slots[x & 3] << 39 | (u64)(x >> 2 & 1) << 30 | (u64)(x >> 3 & 3) << 21 |
	       (u64)(x >> 5 & 3) << 12;
}

static struct umm *proc_get(unsigned int a)
{
	struct umm *u = w.proc[a % W_PROCS];

	mmgrab(&u->mm);
	return u;
}

static struct upage *some_page(struct umm *u, u32 x, bool (*fits)(const struct upage *))
{
	for (unsigned int i = 0; i < MM_PAGES; i++) {
		struct upage *p = &u->pages[(x + i) % MM_PAGES];

		if (p->used && p->mapped && (!fits || fits(p)))
			return p;
	}
	return NULL;
}

static bool is_thp(const struct upage *p) { return p->size == 1ull << 21 && !p->hugetlb; }
static bool is_hugetlb(const struct upage *p) { return p->hugetlb && p->writable; }

static void op_exit(const struct op *op)
{
	struct umm *u = w.proc[op->a % W_PROCS];
	static bool exiting[W_PROCS];

	if (exiting[op->a % W_PROCS] || w.nold >= 200)
		return;
	exiting[op->a % W_PROCS] = true;
	w_exit(u);
	w.proc[op->a % W_PROCS] = umm_new();
	exiting[op->a % W_PROCS] = false;
}

static void op_fork(const struct op *op, struct umm *u)
{
	struct umm *child;

	/* The child takes the place of a process that ends. */
	if ((op->b & 3) == op->a % W_PROCS || w.nold >= 200)
		return;
	child = umm_new();
	umm_fork(u, child);
	w.old[w.nold++] = child;
	/* It was never bound: nothing may reach it. Then it ends. */
	for (unsigned int i = 0; i < 4; i++)
		w_random_dma();
	umm_exit(child);
}

static void op_driver(const struct op *op, struct wfn *fn)
{
	unsigned int place = (fn - w.fn) % W_FUNCTIONS;

	switch (op->c % 5) {
	case 0: w_driver(fn, NULL); break;
	case 1: w_driver(fn, &pci_kernel_driver); break;
	case 2: w_driver(fn, place == F_DRIVEN ? &pci_kernel_driver : &vtdp_pci_driver); break;
	case 3: w_driver(fn, &pci_vfio_driver); break;
	case 4: w_claim(fn); break;
	}
}

/* A group of page requests of one function, some of it for where nothing is. */
static void op_request(const struct op *op)
{
	unsigned int i, count = 1 + (op->a & 3);
	struct wfn *fn = NULL;
	struct wbinding *b = NULL;
	struct dma d = {};
	u32 pasid;

	for (i = 0; i < w.fns && !fn; i++)
		if (pci_pri_is_on(w.fn[(op->b + i) % w.fns].pdev))
			fn = &w.fn[(op->b + i) % w.fns];
	if (!fn)
		return;
	for (i = 0; i < W_BINDINGS && !b; i++)
		if (w.wb[(op->x + i) % W_BINDINGS].fn == fn && w.wb[(op->x + i) % W_BINDINGS].state == WB_LIVE)
			b = &w.wb[(op->x + i) % W_BINDINGS];
	w_pick(&d);
	pasid = b && op->c & 7 ? b->pasid ?: 1 : d.pasid;
	for (i = 0; i < count; i++) {
		struct upage *p = b && b->state == WB_LIVE ? some_page(b->mm, op->x + i, NULL) : NULL;

		w_pick(&d);
		if (p && op->c & 24)
			d.addr = p->va;
		w_request(fn, pasid, d.addr, d.write, i + 1 == count, op->x % 24);
		sched_point();
	}
}

static void op_run(const struct op *op)
{
	struct wfn *fn = &w.fn[op->b % w.fns];
	int c = op->a % W_CLIENTS, r = 0;
	struct umm *u = proc_get(op->c);
	struct wbinding *b;
	struct upage *p;
	u64 va = fuzz_va(op->x);
	u32 out = 0;

	switch (op->kind) {
	case OP_TAKEOVER: r = w_takeover(op->b % w.conf.units); break;
	case OP_HANDBACK: r = w_handback(op->b % w.conf.units); break;
	case OP_OPEN: r = w_open(c); break;
	case OP_CLOSE: r = w_close(c); break;
	case OP_ATTACH: r = w_attach(c, fn, op->c & 1 ? (op->x & 3 ? 3 : 1) : 0); break;
	case OP_DETACH: r = w_detach(fn->client, fn); break;
	case OP_PASID: r = w_pasid_alloc(c, u, &out); break;
	case OP_RESERVE:
		r = w_reserve(c, op->x & 1 ? 0 : op->x & 2 ? 40000 : op->x >> 8 & 255, 0, &out);
		if (!r)
			w.reserved[op->x % ARRAY_SIZE(w.reserved)] = out;
		break;
	case OP_PASID_FREE:
		b = &w.wb[op->x % W_BINDINGS];
		r = w_pasid_free(c, u, op->x & 1 ? w.reserved[op->x / 2 % ARRAY_SIZE(w.reserved)] :
				 b->pasid != NO_PASID && b->pasid ? b->pasid : 1 + op->x % 6);
		break;
	case OP_BIND:
		if (fn->client < 0)
			break;
		r = w_bind(fn->client, fn, u, (op->x & 7) == 0 || !fn->pdev->pasid_width,
			   (op->x & 0x38) ? 0 : w.reserved[op->x >> 6 & 7], &out);
		break;
	case OP_UNBIND:
		b = &w.wb[op->x % W_BINDINGS];
		for (unsigned int i = 0; i < W_BINDINGS && b->state != WB_LIVE; i++)
			b = &w.wb[(op->x + i) % W_BINDINGS];
		r = w_unbind(b);
		break;
	case OP_SYNC:
		r = w_sync(c, u, op->x & 1 ? 0 : va, op->x & 1 ? (1ull << 47) - 1 : va + 4095);
		break;
	case OP_MAP:
		for (unsigned int i = 0; i < 1 + (op->a & 3); i++) {
			u32 x = op->x + i * 13;
			u64 size = (x >> 8 & 15) == 0 ? 1ull << 30 : (x >> 8 & 7) == 1 ? 1ull << 21 : PAGE_SIZE;

			umm_map(u, fuzz_va(x), size, (x >> 16 & 3) != 0, x >> 18 & 1);
		}
		break;
	case OP_UNMAP:
		switch (op->x >> 8 & 3) {
		case 0: umm_unmap(u, va, va); break;
		case 1: umm_unmap(u, va & ~0x3fffffffull, va | 0x3fffffffull); break;
		case 2: umm_unmap(u, va & ~0x7fffffffffull, va | 0x7fffffffffull); break;
		case 3: umm_unmap(u, va, va + 0x3fff); break;
		}
		break;
	case OP_PROTECT: umm_protect(u, va, va | (op->x & 256 ? 0x3fffffffull : 0xfff), op->a & 1); break;
	case OP_EXIT: op_exit(op); break;
	case OP_FORK: op_fork(op, u); break;
	case OP_MIGRATE:
		p = some_page(u, op->x, NULL);
		if (p)
			umm_migrate(u, p);
		break;
	case OP_SPLIT:
		p = some_page(u, op->x, is_thp);
		if (p)
			umm_split(u, p);
		break;
	case OP_WP:
		p = some_page(u, op->x, is_hugetlb);
		if (p)
			umm_wp_huge(u, p);
		break;
	case OP_DMA:
	case OP_ATS:
		for (unsigned int i = 0; i < 4; i++)
			w_random_dma();
		break;
	case OP_WORK:
		for (unsigned int i = 0; i <= (op->a & 7); i++)
			shim_run_work();
		break;
	case OP_DRIVER: op_driver(op, fn); break;
	case OP_PLUG:
		if (fn->pdev->dev.registered)
			w_unplug(fn, op->a & 1);
		else
			w_plug(fn);
		break;
	case OP_REQUEST:
		op_request(op);
		break;
	case OP_FLUSH:
		if (u->live)
			umm_callback(u, op->x & 1 ? 0 : va, op->x & 1 ? -1ull : va + 4096);
		break;
	}
	if (verbose)
		printf("#   %s a=%u b=%u c=%u x=%#x -> %d out=%u\n", kinds[op->kind].name, op->a, op->b, op->c, op->x, r, out);
	mmdrop(&u->mm);
}

static void op_task(void *arg) { op_run(arg); }

/* ---- a round -------------------------------------------------------------------- */

static struct world_conf conf_choose(u64 seed)
{
	struct world_conf conf = {};
	unsigned int i;

	rnd_seed(seed);
	conf.units = one_in(3) ? 1 : 1 + rnd_below(3);
	if (one_in(8) && !one_layout)
		conf.layout = 1 + rnd_below(2);
	for (i = 0; i < conf.units; i++) {
		u64 cap = W_CAP, ecap = W_ECAP;

		if (one_in(2))
			cap |= C_CM;
		if (one_in(2))
			cap &= ~C_ESRTPS;
		cap &= ~(C_MAMV(63) | 7ull | 3ull << 54 | 0xffull << 40);
		cap |= C_MAMV(((const u64[]){ 0, 9, 18, 18 }[rnd_below(4)]));
		cap |= (u64[]){ 0, 2, 6, 6 }[rnd_below(4)];
		cap |= (u64)rnd_below(4) << 54;
		cap |= (u64)rnd_below(4) << 40;
		if (one_in(3))
			cap |= 3ull << 5;	/* protected memory regions */
		if (one_in(2))
			ecap &= ~E_C;
		if (one_in(2))
			ecap &= ~E_SC;
		if (one_in(2))
			ecap &= ~E_SMPWC;
		if (one_in(2))
			ecap &= ~E_RPS;
		if (no_dit_check || one_in(2))
			ecap |= E_DIT;
		if (one_in(3))
			ecap &= ~(E_DT | E_PRS);
		else if (one_in(3))
			ecap &= ~E_PRS;
		ecap &= ~E_PSS(32);
		ecap |= E_PSS(((const unsigned int[]){ 20, 20, 16, 7 }[rnd_below(4)]));
		conf.caps[i] = (struct model_caps){ cap, ecap };
	}
	return conf;
}

static void conduct_choose(void)
{
	conduct.lazy = 1 + rnd_below(4);
	conduct.prefetch = (unsigned int[]){ 0, 4, 10, 40 }[rnd_below(4)];
	conduct.pde = pde || one_in(2);
	conduct.late_responses = one_in(2);
	/* 6.2.3 can be read either way. */
	conduct.cm_strict = cm_strict || one_in(2);
	conduct.evict = (unsigned int[]){ 0, 2, 10 }[rnd_below(3)];
	sched_preempt = (unsigned int[]){ 0, 3, 10, 30 }[rnd_below(4)];
	w_dma_rate = (unsigned int[]){ 0, 20, 100 }[rnd_below(3)];
}

static void ops_make(struct op *ops, unsigned int n, u64 seed)
{
	unsigned int units = conf_choose(seed).units, fns = units * W_FUNCTIONS;
	unsigned int total = 0, i, k, pick;

	rnd_seed(seed ^ 0x5555);
	for (k = 0; k < OP_KINDS; k++)
		total += kinds[k].weight;
	for (i = 0; i < n; i++) {
		pick = rnd_below(total);
		for (k = 0; pick >= kinds[k].weight; k++)
			pick -= kinds[k].weight;
		ops[i] = (struct op){ k, rnd(), rnd(), rnd(), rnd(), (u64)rnd() << 32 | rnd() };
		/* Begin with something that can go wrong. */
		if (i < units)
			ops[i] = (struct op){ OP_TAKEOVER, 0, i, 0, 0, i };
		else if (i < units + 2)
			ops[i] = (struct op){ OP_OPEN, i - units, 0, 0, 0, i };
		else if (i < units + 2 + fns)
			ops[i] = (struct op){ OP_ATTACH, i & 1, i - units - 2, i * 7, i * 3, i };
		rnd_seed(seed ^ (i * 7919 + 1));
	}
}

static void world_end(void)
{
	/* Chance has had its say: no more surprises while all is put away. */
	sched_preempt = 0;
	world_stop();
}

static void round_run(u64 seed, const struct op *ops, unsigned int n)
{
	struct world_conf conf = conf_choose(seed);
	unsigned int i, limit;

	world_start(&conf);
	conduct_choose();
	limit = 1 + rnd_below(4);
	for (i = 0; i < n; i++) {
		rnd_seed(ops[i].seed);
		if (ops[i].kind == OP_SETTLE) {
			shim_settle();
			continue;
		}
		co_start(kinds[ops[i].kind].name, NULL, op_task, (void *)&ops[i]);
		while (co_active() >= limit || (co_active() && one_in(2)))
			co_step();
	}
	co_finish();
	world_end();
	if (fail_count)
		_exit(3);
}

/* ---- rounds in processes of their own ---------------------------------------------- */

static void on_alarm(int sig)
{
	(void)sig;
	fail_exits = false;
	fail_rule("hang", "a round does not end");
	co_dump();
	fflush(NULL);
	_exit(4);
}

static struct shared { char rule[64]; struct model_stats stats; u64 ok, fault, ops, answered[3]; } *shared;

/* Return: 0, or that a rule was broken (named in shared->rule), or a crash. */
static int round_fork(u64 seed, const struct op *ops, unsigned int n, bool quiet)
{
	int status;
	pid_t pid;

	shared->rule[0] = 0;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		fail_quiet = quiet;
		if (quiet && !freopen("/dev/null", "w", stderr))
			_exit(9);
		/* Of the CPU's time: a busy machine is no hang. */
		signal(SIGPROF, on_alarm);
		setitimer(ITIMER_PROF, &(struct itimerval){ .it_value = { 10 } }, NULL);
		round_run(seed, ops, n);
		shared->ok += w.dma_ok;
		shared->fault += w.dma_fault;
		for (unsigned int i = 0; i < ARRAY_SIZE(w.answered); i++)
			shared->answered[i] += w.answered[i];
		for (unsigned int i = 0; i < sizeof(model_stats) / 8; i++)
			((u64 *)&shared->stats)[i] += ((u64 *)&model_stats)[i];
		fflush(NULL);
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (!status)
		return 0;
	if (!shared->rule[0])
		snprintf(shared->rule, sizeof(shared->rule), "crash, status %#x", status);
	return 1;
}

static void note_rule(const char *rule)
{
	if (!shared->rule[0])
		snprintf(shared->rule, sizeof(shared->rule), "%s", rule);
}

/* Delta debugging: leave out ever smaller stretches. */
static unsigned int shrink(u64 seed, struct op *ops, unsigned int n, const char *rule)
{
	struct op *try = malloc(n * sizeof(*try));
	unsigned int chunk, at, tries = 0;
	time_t end = time(NULL) + 40;

	for (chunk = n / 2 ?: 1; chunk && time(NULL) < end; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
		for (at = 0; at < n && time(NULL) < end;) {
			unsigned int cut = min(chunk, n - at);

			memcpy(try, ops, at * sizeof(*ops));
			memcpy(try + at, ops + at + cut, (n - at - cut) * sizeof(*ops));
			tries++;
			if (round_fork(seed, try, n - cut, true) && !strcmp(shared->rule, rule)) {
				memcpy(ops, try, (n - cut) * sizeof(*ops));
				n -= cut;
			} else {
				at += cut;
			}
		}
	}
	printf("# %u operations left after %u tries\n", n, tries);
	free(try);
	return n;
}

static void describe(u64 seed, const struct op *ops, unsigned int n)
{
	struct world_conf conf = conf_choose(seed);

	for (unsigned int i = 0; i < conf.units; i++)
		printf("# unit %u: CAP %016llx%s%s ECAP %016llx%s%s%s%s\n", i, conf.caps[i].cap,
		       conf.caps[i].cap & C_CM ? " CM" : "", conf.caps[i].cap & C_ESRTPS ? " ESRTPS" : "",
		       conf.caps[i].ecap, conf.caps[i].ecap & E_C ? " C" : "", conf.caps[i].ecap & E_SMPWC ? " SMPWC" : "",
		       conf.caps[i].ecap & E_RPS ? " RPS" : "", conf.caps[i].ecap & E_DT ? " DT" : "");
	printf("# layout %d\n", conf.layout);
	for (unsigned int i = 0; i < n; i++)
		printf("#   %3u %-12s a=%u b=%u c=%u x=%#x\n", i, kinds[ops[i].kind].name, ops[i].a, ops[i].b, ops[i].c, ops[i].x);
}

static int round_try(u64 base, unsigned int r)
{
	u64 seed = base * 1000003 + r;
	static struct op ops[ROUND_OPS];
	char rule[64];
	unsigned int n;

	ops_make(ops, ROUND_OPS, seed);
	if (!round_fork(seed, ops, ROUND_OPS, false))
		return 0;
	snprintf(rule, sizeof(rule), "%s", shared->rule);
	if (no_shrink) {
		printf("# round %u of seed %llu breaks [%s]\n", r, base, rule);
		return 1;
	}
	printf("# round %u of seed %llu breaks [%s]; shrinking\n", r, base, rule);
	n = shrink(seed, ops, ROUND_OPS, rule);
	describe(seed, ops, n);
	verbose = true;
	printf("# what happens:\n");
	round_fork(seed, ops, n, false);
	verbose = false;
	printf("# again: fuzz_model --seed %llu --round %u\n", base, r);
	return 1;
}

int main(int argc, char **argv)
{
	u64 seed = 1, ops = 200000, seconds = 0, done = 0;
	bool tap = false, keep = false;
	unsigned int failures = 0, r;
	struct timespec t0, t;
	int only = -1, i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--ops") && i + 1 < argc)
			ops = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--round") && i + 1 < argc)
			only = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--keep-going"))
			keep = true;
		else if (!strcmp(argv[i], "--pde"))
			pde = true;
		else if (!strcmp(argv[i], "--cm-strict"))
			cm_strict = true;
		else if (!strcmp(argv[i], "--device-tables"))
			one_layout = true;
		else if (!strcmp(argv[i], "--dit"))
			no_dit_check = true;
		else if (!strcmp(argv[i], "--no-shrink"))
			no_shrink = true;
		else if (!strcmp(argv[i], "--tap"))
			tap = true;
		else if (!strcmp(argv[i], "-v"))
			host_verbose = true;
		else {
			fprintf(stderr, "usage: fuzz_model [--seed S] [--ops N | --seconds T] [--round R] [--keep-going] [--no-shrink] [--pde] [--cm-strict] [--dit] [--device-tables] [--tap] [-v]\n");
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, 4096 * 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fail_notify = note_rule;
	fail_exits = true;
	shim_init();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	printf("# seed %llu\n", seed);
	if (only >= 0)
		return round_try(seed, only);
	for (r = 0; seconds || done < ops; r++) {
		done += ROUND_OPS;
		if (round_try(seed, r)) {
			failures++;
			if (!keep)
				break;
		}
		clock_gettime(CLOCK_MONOTONIC, &t);
		if (seconds && t.tv_sec - t0.tv_sec >= (time_t)seconds)
			break;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("# %llu operations in %u rounds, %ld s; DMA: %llu through, %llu blocked; prefetches %llu; descriptors %llu, waits %llu, doorbells %llu\n",
	       done, r + 1, (long)(t.tv_sec - t0.tv_sec), shared->ok, shared->fault, shared->stats.prefetches,
	       shared->stats.descs[1] + shared->stats.descs[2] + shared->stats.descs[3] + shared->stats.descs[6] +
	       shared->stats.descs[7] + shared->stats.descs[8], shared->stats.waits, shared->stats.doorbells);
	printf("# page request groups: %llu served, %llu refused, %llu lost\n", shared->answered[0],
	       shared->answered[1], shared->answered[2]);
	if (tap)
		printf("%sok 1 - %llu random operations with seed %llu\n1..1\n# 1 tests, %u failed\n", failures ? "not " : "", done, seed, failures ? 1 : 0);
	return failures ? 1 : 0;
}
