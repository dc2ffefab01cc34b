// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_mm.c - an address space changes while a device uses it
 *
 * Once munmap() and its like have returned, the device sees the new state: it
 * does not reach a page that the process gave up, nor a page table that the
 * kernel freed. Freed pages are got back, filled with a mark, and watched: a
 * device that reads the mark, or damages it, has reached an old page.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB		(21U << 26)
#endif

#define MARK	0x6d61726b6d61726bULL	/* fills pages that were freed */
#define JUNK	0x6a756e6b6a756e6bULL	/* what the device writes */
#define ROUNDS	200

static struct bed bed;
static struct svat *dev;
static uint32_t binding, pasid;

static bool reads(const volatile void *p, uint64_t want)
{
	uint64_t val;

	return !svat_read64(dev, 0, pasid, p, &val) && val == want;
}

static bool writes(volatile uint64_t *p, uint64_t val)
{
	return !svat_write64(dev, 0, pasid, p, val) && *p == val;
}

/* ---- ways to give a page up ------------------------------------------- */

struct way {
	const char *name;
	size_t size;		/* of what is freed together */
	/* Memory, touched and writable; the page looked at is at its begin. */
	uint64_t *(*make)(struct way *w);
	/* Gives the page up. What remains of make() is unmapped by clean(). */
	int (*give_up)(struct way *w, uint64_t *p);
	void (*clean)(struct way *w, uint64_t *p);
	bool keeps;		/* the page is not freed: nothing to get back */
	int rounds;
	int fd;
	void *more;
};

static uint64_t *make_page(struct way *w)
{
	(void)w;
	return must_map(PAGE);
}

static uint64_t *make_range(struct way *w)
{
	return must_map(w->size);
}

static uint64_t *make_memfd(struct way *w)
{
	uint64_t *p;

	w->fd = memfd_create("t_mm", 0);
	if (w->fd < 0 || ftruncate(w->fd, PAGE))
		tap_bail("memfd: %m");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	p[0] = 1;
	return p;
}

static uint64_t *make_hugetlb(struct way *w)
{
	uint64_t *p;

	if (hugetlb_reserve(2) < 1)
		return NULL;
	p = mmap(NULL, w->size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	p[0] = 1;
	return p;
}

static uint64_t *make_huge_memfd(struct way *w)
{
	uint64_t *p;

	if (hugetlb_reserve(2) < 1)
		return NULL;
	w->fd = memfd_create("t_mm", MFD_HUGETLB | MFD_HUGE_2MB);
	if (w->fd < 0 || ftruncate(w->fd, HUGE))
		return NULL;
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	p[0] = 1;
	return p;
}

static uint64_t *make_thp(struct way *w)
{
	return map_thp(w->size);
}

static int by_munmap(struct way *w, uint64_t *p)
{
	return munmap(p, w->size);
}

static int by_dontneed(struct way *w, uint64_t *p)
{
	return madvise(p, w->size, MADV_DONTNEED);
}

static int by_map_fixed(struct way *w, uint64_t *p)
{
	return mmap(p, w->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p ? 0 : -1;
}

static int by_punch_hole(struct way *w, uint64_t *p)
{
	(void)p;
	return fallocate(w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, w->size);
}

static int by_truncate(struct way *w, uint64_t *p)
{
	(void)p;
	return ftruncate(w->fd, 0);
}

static int by_mremap(struct way *w, uint64_t *p)
{
	w->more = mremap(p, w->size, w->size, MREMAP_MAYMOVE | MREMAP_FIXED, w->more);
	return w->more == MAP_FAILED ? -1 : 0;
}

static int by_mremap_dontunmap(struct way *w, uint64_t *p)
{
	w->more = mremap(p, w->size, w->size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	return w->more == MAP_FAILED ? -1 : 0;
}

static int by_prot_none(struct way *w, uint64_t *p)
{
	return mprotect(p, w->size, PROT_NONE);
}

/* One 4 KiB page out of the middle of a huge one. */
static int by_dontneed_small(struct way *w, uint64_t *p)
{
	(void)w;
	return madvise(p, PAGE, MADV_DONTNEED);
}

static int by_munmap_small(struct way *w, uint64_t *p)
{
	(void)w;
	return munmap(p, PAGE);
}

static uint64_t *make_mremap(struct way *w)
{
	uint64_t *p = make_range(w);

	/* A place of the same alignment: whole page tables move when they can. */
	w->more = mmap(NULL, w->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p;
}

static uint64_t *make_mremap_aligned(struct way *w)
{
	char *p = mmap(NULL, 6 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	char *a = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));

	munmap(p, 6 * HUGE);
	must_map_at((uintptr_t)a, w->size);
	w->more = a + 2 * HUGE;
	return (uint64_t *)a;
}

static uint64_t *make_thp_middle(struct way *w)
{
	w->more = map_thp(HUGE);
	return w->more ? (uint64_t *)((char *)w->more + 17 * PAGE) : NULL;
}

static void clean_none(struct way *w, uint64_t *p)
{
	(void)w;
	(void)p;
}

static void clean_unmap(struct way *w, uint64_t *p)
{
	munmap(p, w->size);
}

static void clean_fd(struct way *w, uint64_t *p)
{
	munmap(p, w->size);
	close(w->fd);
}

static void clean_moved(struct way *w, uint64_t *p)
{
	munmap(p, w->size);
	munmap(w->more, w->size);
}

static void clean_more(struct way *w, uint64_t *p)
{
	(void)p;
	munmap(w->more, HUGE);
}

static struct way ways[] = {
	{ .name = "munmap of a page", .size = PAGE, .make = make_page,
	  .give_up = by_munmap, .clean = clean_none },
	{ .name = "munmap of 2 MiB of small pages", .size = HUGE, .make = make_range,
	  .give_up = by_munmap, .clean = clean_none, .rounds = 40 },
	{ .name = "MADV_DONTNEED", .size = PAGE, .make = make_page,
	  .give_up = by_dontneed, .clean = clean_unmap },
	{ .name = "mmap MAP_FIXED over it", .size = PAGE, .make = make_page,
	  .give_up = by_map_fixed, .clean = clean_unmap },
	{ .name = "a hole punched in a shared file", .size = PAGE, .make = make_memfd,
	  .give_up = by_punch_hole, .clean = clean_fd },
	{ .name = "a shared file truncated", .size = PAGE, .make = make_memfd,
	  .give_up = by_truncate, .clean = clean_fd },
	{ .name = "mremap to elsewhere", .size = PAGE, .make = make_mremap,
	  .give_up = by_mremap, .clean = clean_moved, .keeps = true },
	{ .name = "mremap of a whole page table", .size = HUGE, .make = make_mremap_aligned,
	  .give_up = by_mremap, .clean = clean_moved, .keeps = true, .rounds = 40 },
	{ .name = "mremap that leaves the range", .size = PAGE, .make = make_page,
	  .give_up = by_mremap_dontunmap, .clean = clean_moved, .keeps = true },
	{ .name = "mprotect to PROT_NONE", .size = PAGE, .make = make_page,
	  .give_up = by_prot_none, .clean = clean_unmap, .keeps = true },
	{ .name = "munmap of a transparent huge page", .size = HUGE, .make = make_thp,
	  .give_up = by_munmap, .clean = clean_none, .rounds = 40 },
	{ .name = "MADV_DONTNEED of a transparent huge page", .size = HUGE, .make = make_thp,
	  .give_up = by_dontneed, .clean = clean_unmap, .rounds = 40 },
	{ .name = "MADV_DONTNEED of a part of a transparent huge page", .size = PAGE,
	  .make = make_thp_middle, .give_up = by_dontneed_small, .clean = clean_more,
	  .keeps = true, .rounds = 40 },
	{ .name = "munmap of a part of a transparent huge page", .size = PAGE,
	  .make = make_thp_middle, .give_up = by_munmap_small, .clean = clean_more,
	  .keeps = true, .rounds = 40 },
	{ .name = "munmap of a hugetlb page", .size = HUGE, .make = make_hugetlb,
	  .give_up = by_munmap, .clean = clean_none, .rounds = 40 },
	{ .name = "a hole punched in hugetlb memory", .size = HUGE, .make = make_huge_memfd,
	  .give_up = by_punch_hole, .clean = clean_fd, .rounds = 40 },
};

/* What came of the rounds of one way with one engine. */
struct tally {
	int rounds;
	int before;	/* the device reached the page while it was mapped */
	int refused;	/* and not after */
	int back;	/* the page came back, marked */
	int stale;	/* the device read the mark, or damaged it */
	int late;	/* rounds in which the loop went on after the call */
};

static bool is_huge(const struct way *w)
{
	return w->make == make_hugetlb || w->make == make_huge_memfd || w->make == make_thp;
}

/* The page behind @phys again, as one of the kind that was freed. */
static bool get_back(struct way *w, struct reuse *r, uint64_t *old, uint64_t phys)
{
	size_t i, len = 2 * HUGE;
	void *hole;
	uint64_t *p;

	if (!is_huge(w))
		return reuse_begin(r, phys, MARK, w->size == PAGE ? 512 : 2048);
	memset(r, 0, sizeof(*r));
	/* Not at the old address: there the device may see it. */
	hole = mmap(old, w->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0);
	if (w->make == make_thp) {
		p = map_thp(len);
	} else {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (p == MAP_FAILED)
			p = NULL;
	}
	if (hole != MAP_FAILED)
		munmap(hole, w->size);
	if (!p)
		return false;
	r->base = p;
	r->pages = len / PAGE;
	/* The device looks at the begin of a page only. */
	for (i = 0; i < len / 8; i += PAGE / 8) {
		p[i] = MARK;
		if (phys_of(p + i) == phys)
			r->hit = p + i;
	}
	return r->hit;
}

static size_t damage(struct way *w, const struct reuse *r)
{
	size_t i, n = 0;

	if (!is_huge(w))
		return reuse_damage(r, MARK);
	for (i = 0; i < r->pages; i++)
		n += ((volatile uint64_t *)r->base)[i * PAGE / 8] != MARK;
	return n;
}

/* One access before, one right after the call has returned, one later on. */
static void by_single(struct way *w, uint64_t *p, bool write, struct tally *t)
{
	uint64_t phys = phys_of(p), val;
	struct reuse r = { 0 };
	int st, st2;

	p[0] = t->rounds;
	t->before += write ? writes(p, JUNK) : reads(p, t->rounds);
	if (w->give_up(w, p))
		tap_bail("%s: %m", w->name);
	st = write ? svat_write64(dev, 0, pasid, p, JUNK) : svat_read64(dev, 0, pasid, p, &val);
	if (!w->keeps)
		t->back += get_back(w, &r, p, phys);
	st2 = write ? svat_write64(dev, 0, pasid, p, JUNK) : svat_read64(dev, 0, pasid, p, &val);
	t->refused += st == SVAT_ST_DMA_ERROR && st2 == SVAT_ST_DMA_ERROR;
	if (w->keeps)
		return;
	t->stale += damage(w, &r) || (!write && !st2 && val == MARK);
	reuse_end(&r);
}

/* The loop engine runs all the time. */
static void by_loop(struct way *w, uint64_t *p, bool write, struct tally *t)
{
	struct svat_loop before, at, end;
	uint64_t phys = phys_of(p);
	struct reuse r = { 0 };

	p[0] = t->rounds;
	if (write)
		svat_loop_write(dev, 1, pasid, p, JUNK);
	else
		svat_loop_read(dev, 1, pasid, p, MARK);
	svat_loop_rounds(dev, 1, 3);
	svat_loop_look(dev, 1, &before);
	t->before += before.ok >= 3 && !before.failed &&
		     (write ? *(volatile uint64_t *)p == JUNK : before.last == (uint64_t)t->rounds);
	if (w->give_up(w, p))
		tap_bail("%s: %m", w->name);
	svat_loop_look(dev, 1, &at);
	if (!w->keeps)
		t->back += get_back(w, &r, p, phys);
	svat_loop_rounds(dev, 1, 5);
	svat_loop_stop(dev, 1, &end);
	t->late += end.ok != at.ok;
	t->refused += end.ok == at.ok && end.failed > at.failed;
	t->stale += end.matches != 0;
	if (w->keeps)
		return;
	t->stale += damage(w, &r) != 0;
	reuse_end(&r);
}

static void try_way(struct way *w, bool write, bool loop)
{
	struct tally t = { 0 };
	int want = (w->rounds ? w->rounds : ROUNDS) / (loop ? 2 : 1);
	const char *how = loop ? write ? "a loop of writes" : "a loop of reads" :
			  write ? "a write after" : "a read after";
	uint64_t *p;

	for (; t.rounds < want; t.rounds++) {
		p = w->make(w);
		if (!p)
			break;
		if (loop)
			by_loop(w, p, write, &t);
		else
			by_single(w, p, write, &t);
		w->clean(w, p);
	}
	if (!t.rounds) {
		tap_skip(1, "%s: the kernel gave no such page", w->name);
		return;
	}
	if (!tap_ok(t.rounds == want && t.before == want && t.refused == want && !t.stale && !t.late,
		    "%s, %s: %d of %d reached before, %d refused after, %d old pages seen",
		    w->name, how, t.before, want, t.refused, t.stale))
		tap_diag("rounds %d, loops that went on after the call %d", t.rounds, t.late);
	/* Without getting pages back the marks would prove nothing. */
	if (!w->keeps && t.back * 4 < want)
		tap_skip(1, "%s, %s: only %d of %d freed pages came back", w->name, how, t.back,
			 want);
	else if (!w->keeps)
		tap_pass("%s, %s: %d freed pages came back marked", w->name, how, t.back);
}

/* ---- the new state is seen --------------------------------------------- */

static void moved(void)
{
	uint64_t *p = must_map(4 * PAGE), *q, *r;
	int i, good = 0, old = 0;

	for (i = 0; i < ROUNDS; i++) {
		p[0] = i;
		reads(p, i);
		q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1024);
		q[1] = i + 7;
		good += reads(q, i) && reads(q + 1, i + 7) && writes(q + 2, i + 9);
		old += reads(p, i);
		r = mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p);
		good += r == p && reads(p, i) && reads(p + 1, i + 7) && reads(p + 2, i + 9);
		old += reads(q, i);
	}
	tap_ok(good == 2 * ROUNDS && !old, "mremap there and back: new address works (%d of %d), "
	       "old does not (%d)", good, 2 * ROUNDS, old);
	munmap(p, 4 * PAGE);
}

/* Other memory comes to lie at the same address. */
static void replaced(void)
{
	int i, j, good = 0;
	uint64_t *p = must_map(PAGE), val;

	for (i = 1; i <= ROUNDS; i++) {
		p[0] = 1000 + i;
		reads(p, 1000 + i);
		if (i % 2)
			madvise(p, PAGE, MADV_DONTNEED);
		else
			mmap(p, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		/* Reading maps the page of zeroes, writing a page of our own. */
		val = *(volatile uint64_t *)p;
		j = reads(p, 0) && svat_write64(dev, 0, pasid, p, JUNK) == SVAT_ST_DMA_ERROR;
		p[0] = 2000 + i;
		good += !val && j && reads(p, 2000 + i);
		vt_sync(bed.fd, p, PAGE);
		good += writes(p, 3000 + i);
	}
	tap_is(good, 2 * ROUNDS, "memory replaced: first zeroes, then the new page, "
	       "and no write to the zeroes");
	munmap(p, PAGE);
}

/* ---- permissions ------------------------------------------------------- */

static void write_protected(void)
{
	uint64_t *p = must_map(PAGE), val;
	struct vtdpasid_event ev = { 0 };
	int i, refused = 0, unchanged = 0, readable = 0, again = 0, rc;
	int grown = 0;
	struct svat_loop at, end;

	for (i = 0; i < ROUNDS; i++) {
		p[0] = i;
		writes(p + 1, i);	/* the unit has it as writable */
		mprotect(p, PAGE, PROT_READ);
		refused += svat_write64(dev, 0, pasid, p, JUNK) == SVAT_ST_DMA_ERROR;
		readable += reads(p, i);	/* and now as read-only */
		refused += svat_write64(dev, 0, pasid, p, JUNK) == SVAT_ST_DMA_ERROR;
		unchanged += *(volatile uint64_t *)p == (uint64_t)i;
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		p[0] = i + 1;
		grown += !vt_sync(bed.fd, p, PAGE);
		again += writes(p, i + 2);
	}
	tap_is(refused, 2 * ROUNDS, "mprotect to read-only: writes are refused");
	tap_is(readable, ROUNDS, "mprotect to read-only: reads are not");
	tap_is(unchanged, ROUNDS, "mprotect to read-only: memory is unchanged");
	tap_is(grown, ROUNDS, "mprotect to writable: SYNC");
	tap_is(again, ROUNDS, "mprotect to writable: after SYNC writes work");

	/* The first access after the change is the write: that one is recorded. */
	writes(p, 5);
	mprotect(p, PAGE, PROT_READ);
	rc = svat_fault(bed.fd, dev, 0, pasid, (uintptr_t)p, true, &ev);
	if (!tap_ok(!rc && ev.reason == FR_FS_WRITE && ev.binding == binding &&
		    ev.pasid == pasid, "a write to a page that became read-only is recorded"))
		tap_diag("%s: %s", svat_status(rc), vt_event_text(&ev));
	reads(p, 5);
	rc = svat_fault(bed.fd, dev, 0, pasid, (uintptr_t)p, true, &ev);
	if (rc == -ETIMEDOUT)
		tap_skip(1, "a write to a page cached as read-only: QEMU makes no record");
	else
		tap_ok(!rc && ev.reason == FR_FS_WRITE,
		       "a write to a page cached as read-only is recorded");

	refused = unchanged = 0;
	for (i = 0; i < ROUNDS; i++) {
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		p[0] = 0;
		vt_sync(bed.fd, p, PAGE);
		svat_loop_write(dev, 1, pasid, p, JUNK + i);
		svat_loop_rounds(dev, 1, 3);
		mprotect(p, PAGE, PROT_READ);
		svat_loop_look(dev, 1, &at);
		val = *(volatile uint64_t *)p;
		svat_loop_rounds(dev, 1, 5);
		svat_loop_stop(dev, 1, &end);
		refused += val == JUNK + i && end.ok == at.ok && end.failed > at.failed;
		unchanged += *(volatile uint64_t *)p == val;
	}
	tap_ok(refused == ROUNDS && unchanged == ROUNDS,
	       "mprotect to read-only ends a loop of writes (%d, %d of %d)", refused, unchanged,
	       ROUNDS);
	munmap(p, PAGE);
}

/*
 * A page becomes writable without a word to devices: after the child that
 * shared it has gone, our write makes it ours again where it is.
 */
static void grown(void)
{
	uint64_t *p = must_map(PAGE);
	int i, n = 40, early = 0, good = 0, status;
	pid_t pid;

	for (i = 0; i < n; i++) {
		p[0] = i;
		pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, &status, 0);
		good += reads(p, i);	/* the unit has it as read-only */
		p[0] = i + 1;
		early += !svat_write64(dev, 0, pasid, p, JUNK);
		vt_sync(bed.fd, p, 8);
		good += writes(p, i + 2);
	}
	tap_is(good, 2 * n, "a page that became writable again: after SYNC writes work");
	if (early == n)
		tap_skip(1, "a page that became writable again: it was flushed anyway");
	else
		tap_pass("before SYNC %d of %d were refused", n - early, n);
	munmap(p, PAGE);
}

/* Soft-dirty tracking write-protects the whole address space in one go. */
static void clear_refs(void)
{
	uint64_t *p = must_map(PAGE);
	int i, refused = 0, good = 0, rc;

	for (i = 0; i < 50; i++) {
		p[0] = i;
		vt_sync(bed.fd, p, PAGE);
		good += writes(p, i + 1);
		rc = write_file("/proc/self/clear_refs", "4");
		if (rc)
			break;
		refused += svat_write64(dev, 0, pasid, p, JUNK) == SVAT_ST_DMA_ERROR &&
			   *(volatile uint64_t *)p == (uint64_t)i + 1;
		p[0] = 0;
		vt_sync(bed.fd, p, PAGE);
		good += writes(p, i + 2);
	}
	if (i < 50)
		tap_skip(1, "clear_refs: %s", strerror(-rc));
	else
		tap_ok(refused == 50 && good == 100, "/proc/self/clear_refs write-protects for the "
		       "device as well (%d refused, %d written)", refused, good);
	munmap(p, PAGE);
}

/* ---- fork ---------------------------------------------------------------- */

/* The child tells twice what it sees in the page that it shares with us. */
static int fork_child(int sock, void *arg)
{
	volatile uint64_t *p = arg;
	uint64_t words[4];
	char go;

	words[0] = p[0];
	words[1] = p[1];
	msg_send(sock, words, 1);
	if (msg_recv(sock, &go, 1, 20000) != 1)
		return 1;
	words[2] = p[0];
	words[3] = p[1];
	msg_send(sock, words, sizeof(words));
	return 0;
}

static void forked(bool loop)
{
	uint64_t *p = must_map(PAGE), words[4], phys;
	int i, refused = 0, frozen = 0, ours = 0, moved_on = 0, n = 60;
	struct svat_loop at, end;
	struct child c;
	char ready;

	for (i = 0; i < n; i++) {
		p[0] = i;
		p[1] = i;
		vt_sync(bed.fd, p, PAGE);
		writes(p + 1, i);
		if (loop) {
			svat_loop_write(dev, 1, pasid, p, JUNK + i);
			svat_loop_rounds(dev, 1, 3);
		}
		phys = phys_of(p);
		child_start(&c, fork_child, p);
		svat_loop_look(dev, 1, &at);
		msg_recv(c.sock, &ready, 1, 20000);
		/* Shared now: what the device wrote would show in the child. */
		if (loop) {
			svat_loop_rounds(dev, 1, 3);
			svat_loop_look(dev, 1, &end);
			refused += end.ok == at.ok && end.failed > at.failed;
		} else {
			refused += svat_write64(dev, 0, pasid, p, JUNK + i) == SVAT_ST_DMA_ERROR &&
				   reads(p, i);
		}
		/* We write: the page is copied, and ours is the new one. */
		p[1] = i + 1000;
		moved_on += phys_of(p) != phys;
		ours += reads(p + 1, i + 1000);
		vt_sync(bed.fd, p, PAGE);
		if (loop) {
			svat_loop_rounds(dev, 1, 3);
			svat_loop_stop(dev, 1, NULL);
			ours += *(volatile uint64_t *)p == JUNK + i;
		} else {
			ours += writes(p, JUNK - i);
		}
		writes(p + 1, i + 2000);
		msg_send(c.sock, "", 1);
		memset(words, 0xff, sizeof(words));
		msg_recv(c.sock, words, sizeof(words), 20000);
		child_wait(&c, 20000);
		frozen += words[0] == words[2] && words[1] == (uint64_t)i &&
			  words[3] == (uint64_t)i && words[0] == (loop ? JUNK + i : (uint64_t)i);
	}
	tap_is(refused, n, "fork, %s: writes to the shared page are refused",
	       loop ? "a loop of writes" : "single writes");
	tap_is(moved_on, n, "fork, %s: our write makes the copy ours",
	       loop ? "a loop of writes" : "single writes");
	tap_is(ours, 2 * n, "fork, %s: the device sees our page and writes to it",
	       loop ? "a loop of writes" : "single writes");
	tap_is(frozen, n, "fork, %s: the child's page never changes",
	       loop ? "a loop of writes" : "single writes");
	munmap(p, PAGE);
}

/* ---- huge pages come and go --------------------------------------------- */

static void collapse(void)
{
	int i, try, rc = 0, good = 0, collapsed = 0, n = 30, stale = 0;
	size_t page, pages = HUGE / PAGE;
	struct vtdpasid_walk w;
	uint64_t *p, phys;
	struct reuse r;

	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	for (i = 0; i < n; i++) {
		p = make_mremap_aligned(&(struct way){ .size = HUGE });
		for (page = 0; page < pages; page++)
			p[page * 512] = i * 1000 + page;
		for (page = 0; page < pages; page += 37)
			good += reads(p + page * 512, i * 1000 + page) &&
				writes(p + page * 512 + 1, page);
		phys = phys_of(p + 512);
		madvise(p, HUGE, MADV_HUGEPAGE);
		/* A page that is on its way to a list for a moment: EAGAIN. */
		for (try = 0; try < 50; try++) {
			rc = madvise(p, HUGE, MADV_COLLAPSE);
			if (!rc || errno != EAGAIN)
				break;
			sleep_ms(10);
		}
		if (rc)
			break;
		collapsed += phys_of(p + 512) != phys &&
			     !vt_walk(bed.fd, &dev->func, 0, pasid, (uintptr_t)p, &w) &&
			     w.out_levels == 3;
		reuse_begin(&r, phys, MARK, 512);
		for (page = 0; page < pages; page += 37) {
			p[page * 512 + 2] = ~page;
			good += reads(p + page * 512 + 2, ~page) &&
				reads(p + page * 512 + 1, page) &&
				writes(p + page * 512 + 3, i + page);
		}
		stale += reuse_damage(&r, MARK) != 0;
		reuse_end(&r);

		/* And apart again. */
		mprotect(p + 17 * 512, PAGE, PROT_READ);
		good += svat_write64(dev, 0, pasid, p + 17 * 512, JUNK) == SVAT_ST_DMA_ERROR;
		good += reads(p + 17 * 512, i * 1000 + 17) && reads(p + 18 * 512, i * 1000 + 18) &&
			writes(p + 18 * 512, 5) && writes(p + 16 * 512, 5);
		munmap(p, HUGE);
	}
	if (rc) {
		tap_skip(1, "MADV_COLLAPSE: %s", strerror(errno));
		munmap(p, HUGE);
		return;
	}
	tap_is(collapsed, n, "MADV_COLLAPSE: the unit walks to a huge page");
	tap_is(good, n * (2 * ((int)pages / 37 + 1) + 2),
	       "MADV_COLLAPSE: the device follows to the huge page and back to small ones");
	tap_is(stale, 0, "MADV_COLLAPSE: no old page is written to");
}

/*
 * Coherence: while another thread makes the kernel move, split, join and
 * write-protect our pages, the device and we take turns in writing words. A
 * transfer may be refused now and then; one that succeeds must be true.
 */
#define TURN_PAGES	(HUGE / PAGE)

struct stir {
	const char *name;
	int (*step)(char *p, unsigned int n);
	volatile bool stop;
	char *mem;
	volatile unsigned int steps;
	int rc;
};

static int stir_collapse(char *p, unsigned int n)
{
	if (!(n % 2))
		return madvise(p, HUGE, MADV_COLLAPSE);
	mprotect(p + (n % TURN_PAGES) * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	mprotect(p + (n % TURN_PAGES) * PAGE, PAGE, PROT_READ | PROT_WRITE);
	write_file("/sys/kernel/debug/split_huge_pages", "%d,%#lx,%#lx", getpid(),
		   (unsigned long)p, (unsigned long)p + HUGE);
	return 0;
}

static int stir_compact(char *p, unsigned int n)
{
	(void)p;
	(void)n;
	usleep(2000);
	return write_file("/proc/sys/vm/compact_memory", "1");
}

static int stir_fork(char *p, unsigned int n)
{
	int status;
	pid_t pid;

	(void)p;
	(void)n;
	pid = fork();
	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static int stir_protect(char *p, unsigned int n)
{
	char *q = p + n * 7 % TURN_PAGES * PAGE;

	mprotect(q, PAGE, PROT_READ);
	usleep(100);
	return mprotect(q, PAGE, PROT_READ | PROT_WRITE);
}

static int stir_move(char *p, unsigned int n)
{
	/* Each spoils one page of memory: a few are enough. */
	usleep(20000);
	return n < 60 ? madvise(p + n * 5 % TURN_PAGES * PAGE, PAGE, MADV_SOFT_OFFLINE) : 0;
}

static void *stirrer(void *arg)
{
	struct stir *s = arg;

	use_cpu(1);
	while (!s->stop) {
		if (s->step(s->mem, s->steps) && !s->rc)
			s->rc = errno;
		s->steps++;
	}
	return NULL;
}

static void coherent(struct stir *s)
{
	unsigned int n = 0, refused = 0, wrong_read = 0, wrong_write = 0, done = 0, i;
	uint64_t end = now_ms() + 3000, val;
	volatile uint64_t *p;
	pthread_t t;
	int st;

	s->mem = (char *)make_mremap_aligned(&(struct way){ .size = HUGE });
	if (s->step == stir_collapse)
		madvise(s->mem, HUGE, MADV_HUGEPAGE);
	pthread_create(&t, NULL, stirrer, s);
	while (now_ms() < end || done < 500 || s->steps < 6) {
		p = (uint64_t *)(s->mem + n * 13 % TURN_PAGES * PAGE) + n % 500;
		n++;
		if (now_ms() > end + 20000)
			break;
		/* stir_protect may have it read-only: then writing would kill us. */
		if (s->step != stir_protect) {
			*p = n;
			st = svat_read64(dev, 0, pasid, p, &val);
			refused += st == SVAT_ST_DMA_ERROR;
			done += !st;
			if (!st && val != n)
				wrong_read++;
		}
		st = svat_write64(dev, 0, pasid, p, ~(uint64_t)n);
		refused += st == SVAT_ST_DMA_ERROR;
		done += !st;
		if (!st && *p != ~(uint64_t)n)
			wrong_write++;
		if (st)
			vt_sync(bed.fd, (void *)p, 8);
	}
	s->stop = true;
	pthread_join(t, NULL);
	if (s->rc && s->step != stir_collapse) {
		tap_skip(1, "%s: %s", s->name, strerror(s->rc));
	} else {
		tap_ok(!wrong_read && !wrong_write && done >= 500 && s->steps > 5,
		       "%s, %u times: %u transfers all true (%u reads and %u writes wrong), %u refused",
		       s->name, s->steps, done, wrong_read, wrong_write, refused);
	}
	vt_sync(bed.fd, s->mem, HUGE);
	for (st = 0, i = 0; i < TURN_PAGES; i++) {
		p = (uint64_t *)(s->mem + i * PAGE);
		*p = i;
		st += reads(p, i);
	}
	vt_sync(bed.fd, s->mem, HUGE);
	for (i = 0; i < TURN_PAGES; i++)
		st += writes((uint64_t *)(s->mem + i * PAGE), ~(uint64_t)i);
	tap_is(st, 2 * TURN_PAGES, "%s: afterwards the device reaches every page", s->name);
	munmap(s->mem, HUGE);
}

static struct stir stirs[] = {
	{ .name = "collapse and split", .step = stir_collapse },
	{ .name = "compaction", .step = stir_compact },
	{ .name = "fork in another thread", .step = stir_fork },
	{ .name = "mprotect of some pages", .step = stir_protect },
	{ .name = "migration", .step = stir_move },
};

/* A page that moves: what the CPU writes afterwards is in the new one. */
static void migrated(void)
{
	int i, good = 0, went = 0, n = 20, damaged = 0;
	uint64_t *p, phys;

	for (i = 0; i < n; i++) {
		p = must_map(PAGE);
		p[0] = i;
		reads(p, i);
		writes(p + 1, i);
		phys = phys_of(p);
		if (madvise(p, PAGE, MADV_SOFT_OFFLINE))
			break;
		went += phys_of(p) != phys;
		p[0] = i + 100;
		good += reads(p, i + 100) && reads(p + 1, i) && writes(p + 2, i + 200);
		damaged += p[1] != (uint64_t)i;
		munmap(p, PAGE);
	}
	if (i < n) {
		tap_skip(1, "MADV_SOFT_OFFLINE: %s", strerror(errno));
		munmap(p, PAGE);
		return;
	}
	tap_ok(went == n && good == n && !damaged,
	       "MADV_SOFT_OFFLINE: the device follows the page (%d moved, %d good)", went, good);
}

/* Two equal pages become one: the device may not write to it any more. */
static void merged(void)
{
	uint64_t *p = must_map(2 * PAGE), end = now_ms() + 8000;
	struct vtdpasid_event ev = { 0 };
	int rc;

	pattern_fill(p, PAGE, 77);
	pattern_fill(p + 512, PAGE, 77);
	writes(p + 1, p[1]);
	writes(p + 513, p[513]);
	if (madvise(p, 2 * PAGE, MADV_MERGEABLE) || write_file("/sys/kernel/mm/ksm/sleep_millisecs", "5") ||
	    write_file("/sys/kernel/mm/ksm/pages_to_scan", "1000") ||
	    write_file("/sys/kernel/mm/ksm/run", "1")) {
		tap_skip(2, "no KSM in this kernel");
		munmap(p, 2 * PAGE);
		return;
	}
	while (phys_of(p) != phys_of(p + 512) && now_ms() < end)
		sleep_ms(20);
	write_file("/sys/kernel/mm/ksm/run", "0");
	if (phys_of(p) == phys_of(p + 512)) {
		rc = svat_fault(bed.fd, dev, 0, pasid, (uintptr_t)p, true, &ev);
		tap_ok(!rc && ev.reason == FR_FS_WRITE && pattern_check(p + 512, PAGE, 77) < 0,
		       "KSM: a write to a merged page is refused, its twin is unharmed");
		p[0] = 9;
		vt_sync(bed.fd, p, PAGE);
		tap_ok(writes(p, 10) && reads(p + 512, pattern_word(77, 0)),
		       "KSM: after our write the device has our copy, and its twin is unharmed");
	} else {
		tap_skip(2, "KSM merged nothing in 8 s");
	}
	write_file("/sys/kernel/mm/ksm/run", "2");
	munmap(p, 2 * PAGE);
}

/* ---- whole top-level slots --------------------------------------------- */

/*
 * Page-table pages were freed: get them back as the buffers of a pipe, which
 * the kernel takes from the same free lists, filled with what passes for a page
 * table: each entry points to one page of ours, and all of that page's entries
 * to that page itself. A walk through a freed table ends there.
 */
#define FAKE_FLAGS	0x07ULL		/* present, writable, user; not accessed */
#define FAKES		128

struct fakes {
	int pipe[2];
	uint64_t *page;
	uint64_t entry;
};

static void fakes_begin(struct fakes *f)
{
	int i;

	f->page = must_map(PAGE);
	f->entry = phys_of(f->page) | FAKE_FLAGS;
	for (i = 0; i < 512; i++)
		f->page[i] = f->entry;
	if (pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) ||
	    fcntl(f->pipe[1], F_SETPIPE_SZ, FAKES * PAGE) < 0)
		tap_bail("pipe: %m");
}

static void fakes_fill(struct fakes *f)
{
	int i;

	for (i = 0; i < FAKES; i++)
		if (write(f->pipe[1], f->page, PAGE) != (ssize_t)PAGE)
			tap_bail("pipe: %m");
}

/* How many of the tables that WALK saw are among them. */
static int fakes_caught(const struct fakes *f, const struct vtdpasid_walk *w)
{
	uint64_t val;
	int i, n = 0;

	for (i = 0; i < 3; i++)
		n += phys_read64(w->out_fs[i] & 0x000ffffffffff000ULL, &val) && val == f->entry;
	return n;
}

/* Empties the pipe; returns how many words a device has changed (A, D, data). */
static int fakes_empty(struct fakes *f)
{
	uint64_t buf[512];
	int i, j, n = 0;

	for (i = 0; i < FAKES; i++) {
		if (read(f->pipe[0], buf, PAGE) != (ssize_t)PAGE)
			tap_bail("pipe: %m");
		for (j = 0; j < 512; j++)
			n += buf[j] != f->entry;
	}
	for (j = 0; j < 512; j++) {
		n += ((volatile uint64_t *)f->page)[j] != f->entry;
		f->page[j] = f->entry;
	}
	return n;
}

/* The same four slots over and over: filled, used, emptied. */
static void slots(void)
{
	static const unsigned int numbers[] = { 3, 77, 78, 200 };
	int i, n = 240, caught = 0, first = 0, reached = 0, gone = 0, walk_gone = 0, stale = 0, damaged = 0;
	int permanent = 0, looped = 0;
	uint64_t *keep = must_map_at(77 * SLOT + 5 * GB, PAGE), *p, *q, val;
	struct vtdpasid_walk w, before;
	struct fakes fakes;
	struct svat_loop at, end;
	unsigned int slot;
	uint64_t addr;

	fakes_begin(&fakes);
	*keep = 0x6b656570;
	vt_sync(bed.fd, keep, PAGE);
	srand(1);
	for (i = 0; i < n; i++) {
		slot = numbers[i % 4];
		addr = slot * SLOT + (uint64_t)(rand() % 500) * GB + (uint64_t)(rand() % 512) * HUGE;
		if (slot == 77 && addr <= (uintptr_t)keep && addr + 2 * PAGE > (uintptr_t)keep)
			addr += HUGE;
		p = must_map_at(addr, 2 * PAGE);
		q = p + 512;
		p[0] = 1000 + i;
		q[0] = 2000 + i;
		first += reads(p, 1000 + i);
		vt_sync(bed.fd, p, 2 * PAGE);
		reached += reads(p, 1000 + i) && writes(q + 1, 3000 + i);
		if (i % 2) {
			svat_loop_write(dev, 1, pasid, q, 4000 + i);
			svat_loop_read(dev, 2, pasid, p, 0);
			svat_loop_rounds(dev, 2, 3);
		}
		memset(&before, 0, sizeof(before));
		vt_walk(bed.fd, &dev->func, 0, pasid, addr, &before);
		munmap(p, 2 * PAGE);
		if (i % 2) {
			svat_loop_look(dev, 1, &at);
			svat_loop_look(dev, 2, &end);
			at.ok += end.ok;
		}
		/* Newer kernels free page tables after a grace period of RCU. */
		if (i % 8 >= 6) {
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
			sleep_ms(10);
		}
		fakes_fill(&fakes);
		caught += fakes_caught(&fakes, &before);
		gone += svat_read64(dev, 0, pasid, p, &val) == SVAT_ST_DMA_ERROR &&
			svat_write64(dev, 0, pasid, q, JUNK) == SVAT_ST_DMA_ERROR;
		if (i % 2) {
			uint64_t ok;

			svat_loop_rounds(dev, 2, 5);
			svat_loop_stop(dev, 2, &end);
			ok = end.ok;
			svat_loop_stop(dev, 1, &end);
			looped += ok + end.ok == at.ok;
		}
		stale += (val & 0xfff) == FAKE_FLAGS;
		damaged += fakes_empty(&fakes);
		if (slot != 77)
			walk_gone += !vt_walk(bed.fd, &dev->func, 0, pasid, addr, &w) &&
				     w.out_levels == 1 && !w.out_fs[0];
		else
			walk_gone++;
		permanent += reads(keep, 0x6b656570);
	}
	tap_is(reached, n, "fresh 512 GiB slots: after SYNC the device reaches them");
	tap_diag("before SYNC it reached %d of %d", first, n);
	tap_is(gone, n, "emptied slots: the device reaches nothing there");
	tap_is(looped, n / 2, "emptied slots: loops end with munmap");
	tap_is(walk_gone, n, "emptied slots: the top-level entry is zero");
	tap_ok(!stale && !damaged, "freed page tables are not walked (%d read, %d words changed)",
	       stale, damaged);
	if (caught * 8 < n)
		tap_skip(1, "only %d freed page tables came back", caught);
	else
		tap_pass("%d freed page tables came back as tables of ours", caught);
	tap_is(permanent, n, "what else lies in such a slot stays within reach");
	close(fakes.pipe[0]);
	close(fakes.pipe[1]);
	munmap(fakes.page, PAGE);
	munmap(keep, PAGE);
	tap_is(svat_read64(dev, 0, pasid, keep, &val), SVAT_ST_DMA_ERROR, "until it is unmapped");
}

/* The slot is emptied and filled again before anything looks. */
static void slots_swapped(void)
{
	int i, n = 200, good = 0, old = 0;
	uint64_t addr = 150 * SLOT, val;
	uint64_t *p = must_map_at(addr, PAGE);

	for (i = 0; i < n; i++) {
		p[0] = 1000 + i;
		vt_sync(bed.fd, p, PAGE);
		good += reads(p, 1000 + i);
		munmap(p, PAGE);
		p = must_map_at(addr, PAGE);
		p[0] = 5000 + i;
		if (!svat_read64(dev, 0, pasid, p, &val))
			old += val != 5000 + (uint64_t)i;
		vt_sync(bed.fd, p, PAGE);
		good += reads(p, 5000 + i) && writes(p + 3, i);
	}
	tap_is(good, 2 * n, "a slot emptied and filled again: the new page is reached");
	tap_is(old, 0, "and never an old one");
	munmap(p, PAGE);
}

/* Two threads fill and empty slots of their own while we use ours. */
struct slot_thread {
	uint64_t slot;
	volatile bool stop;
	unsigned int rounds;
};

static void *slot_thread(void *arg)
{
	struct slot_thread *t = arg;
	void *p;

	use_cpu(1);
	while (!t->stop) {
		p = must_map_at(t->slot * SLOT + t->rounds % 400 * GB, 4 * PAGE);
		munmap(p, 4 * PAGE);
		t->rounds++;
	}
	return NULL;
}

static void slots_threaded(void)
{
	struct slot_thread t[2] = { { .slot = 60 }, { .slot = 61 } };
	uint64_t *p = must_map_at(62 * SLOT, PAGE), end = now_ms() + 3000;
	unsigned int bad = 0, n = 0;
	struct svat_loop l;
	pthread_t id[2];
	int i;

	*p = 42;
	vt_sync(bed.fd, p, PAGE);
	svat_loop_read(dev, 1, pasid, p, 42);
	for (i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, slot_thread, &t[i]);
	/* Longer on a machine that is slow. */
	while (now_ms() < end || (now_ms() < end + 20000 &&
				  __atomic_load_n(&t[0].rounds, __ATOMIC_RELAXED) <= 50)) {
		vt_sync(bed.fd, (void *)(60 * SLOT), 2 * SLOT);
		bad += !reads(p, 42);
		n++;
	}
	for (i = 0; i < 2; i++) {
		t[i].stop = true;
		pthread_join(id[i], NULL);
	}
	svat_loop_stop(dev, 1, &l);
	tap_ok(!bad && !l.failed && l.matches == l.ok && l.ok > 100 && t[0].rounds > 50,
	       "threads fill and empty slots %u times, one between is never disturbed "
	       "(%u reads, %llu in the loop, %u and %llu failed)", t[0].rounds + t[1].rounds, n,
	       (unsigned long long)l.ok, bad, (unsigned long long)l.failed);
	munmap(p, PAGE);
}

static void sync_arguments(void)
{
	uint64_t *p = must_map(PAGE);

	tap_rc(vt_sync(bed.fd, p, 0), EINVAL, "SYNC of no bytes");
	tap_rc(vt_sync(bed.fd, p, ~0UL), EOVERFLOW, "SYNC of a range that wraps");
	tap_rc(vt_sync(bed.fd, (void *)0xffff800000000000UL, PAGE), EOVERFLOW,
	       "SYNC of kernel addresses");
	tap_rc(vt_sync(bed.fd, (void *)0x00007ffffffff000UL, 2 * PAGE), EOVERFLOW,
	       "SYNC that leaves the user half");
	tap_rc(vt_sync(bed.fd, NULL, 1UL << 47), 0, "SYNC of the whole user half");
	tap_rc(vt_sync(bed.fd, (char *)p + 1, 1), 0, "SYNC of one byte");
	munmap(p, PAGE);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	unsigned int i;

	use_cpu(0);
	bed_open(&bed, 1, 1);
	dev = &bed.dev[0];
	if (!tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid), 0, "BIND"))
		return tap_done();
	for (i = 0; i < ARRAY_SIZE(ways) && (!*only || strstr(only, "ways")); i++) {
		try_way(&ways[i], false, false);
		try_way(&ways[i], true, false);
		try_way(&ways[i], false, true);
		try_way(&ways[i], true, true);
	}
	if (!*only || strstr(only, "mm")) {
		moved();
		replaced();
		write_protected();
		grown();
		clear_refs();
		forked(false);
		forked(true);
		collapse();
		merged();
		migrated();
		sync_arguments();
	}
	if (!*only || strstr(only, "slots")) {
		slots();
		slots_swapped();
		slots_threaded();
	}
	for (i = 0; i < ARRAY_SIZE(stirs) && (!*only || strstr(only, "stir")); i++)
		coherent(&stirs[i]);
	tap_rc(vt_unbind(bed.fd, binding), 0, "UNBIND");
	bed_close(&bed);
	return tap_done();
}
