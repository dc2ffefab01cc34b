// SPDX-License-Identifier: GPL-2.0-only
/*
 * mm.c - address spaces: page tables, and the notifier as the kernel calls it
 *
 * Page tables are pages that hardware walks. User pages are addresses only:
 * nothing but who owns them matters. An unmap goes as in mm/mmu_gather.c:
 * entries are cleared, empty tables unhooked from the level above, the range
 * widened by a page at each freed table's start, the callback called, and only
 * then pages and tables are freed.
 */
#include "host.h"

#define U4K_BASE	0x1000000000ull
#define U2M_BASE	0x2000000000ull
#define U1G_BASE	0x4000000000ull
#define U4K_MAX		1024
#define U2M_MAX		64
#define U1G_MAX		32
#define FS_P		1ull
#define FS_RW		2ull
#define FS_US		4ull
#define FS_A		0x20ull
#define FS_PS		0x80ull
#define FS_ADDR		0x000ffffffffff000ull
#define ROUND_TABLES	64

static struct { struct umm *u; struct upage *p; } u4k[U4K_MAX], u2m[U2M_MAX], u1g[U1G_MAX];
static unsigned int mms_live, mm_ids;
static u64 entry_clock;			/* ticks when an entry is written */

/* ---- user pages ----------------------------------------------------------- */

static u64 upage_alloc(struct umm *u, struct upage *p, u64 size)
{
	unsigned int n, i, start;
	u64 base;
	typeof(&u4k[0]) t;

	if (size == PAGE_SIZE) {
		t = u4k; n = U4K_MAX; base = U4K_BASE;
	} else if (size == 1ull << PMD_SHIFT) {
		t = (typeof(t))u2m; n = U2M_MAX; base = U2M_BASE;
	} else {
		t = (typeof(t))u1g; n = U1G_MAX; base = U1G_BASE;
	}
	start = rnd_below(4);
	for (i = start; i < n; i++)
		if (!t[i].u) {
			t[i].u = u;
			t[i].p = p;
			return base + i * size;
		}
	return 0;
}

static typeof(&u4k[0]) upage_slot(u64 pa)
{
	if (pa >= U1G_BASE && pa < U1G_BASE + ((u64)U1G_MAX << 30))
		return (typeof(&u4k[0]))&u1g[(pa - U1G_BASE) >> 30];
	if (pa >= U2M_BASE && pa < U2M_BASE + ((u64)U2M_MAX << 21))
		return (typeof(&u4k[0]))&u2m[(pa - U2M_BASE) >> 21];
	if (pa >= U4K_BASE && pa < U4K_BASE + ((u64)U4K_MAX << 12))
		return &u4k[(pa - U4K_BASE) >> 12];
	return NULL;
}

struct upage *upage_by_pa(u64 pa, struct umm **owner)
{
	typeof(&u4k[0]) s = upage_slot(pa);

	*owner = s ? s->u : NULL;
	return s ? s->p : NULL;
}

static void upage_free_pa(u64 pa, u64 size, const char *when)
{
	model_check_user_page(pa, size, true, when);
	upage_slot(pa)->u = NULL;
	upage_slot(pa)->p = NULL;
}

struct upage *umm_find(struct umm *u, u64 va)
{
	unsigned int i;

	for (i = 0; i < MM_PAGES; i++)
		if (u->pages[i].used && va >= u->pages[i].va &&
		    va - u->pages[i].va < u->pages[i].size)
			return &u->pages[i];
	return NULL;
}

/* ---- page tables ---------------------------------------------------------- */

static u64 *table_alloc(void)
{
	long fail = shim_fail_at;
	u64 *t;

	shim_fail_at = 0;
	t = (u64 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 0);
	shim_fail_at = fail;
	return t;
}

static unsigned int idx(u64 va, unsigned int level) { return va >> (12 + 9 * level) & 511; }

/* The table at @level (0: last) for @va; @make if need be. */
static u64 *table_of(struct umm *u, u64 va, unsigned int level, bool make)
{
	u64 *t = (u64 *)u->mm.pgd;
	unsigned int l;

	for (l = 3; l > level; l--) {
		u64 *e = &t[idx(va, l)];

		if (!(*e & FS_P)) {
			u64 *child;

			if (!make)
				return NULL;
			child = table_alloc();
			*e = virt_to_phys(child) | FS_P | FS_RW | FS_US |
			     (one_in(4) ? 0 : FS_A);
		}
		if (*e & FS_PS)
			return NULL;
		t = phys_to_virt(*e & FS_ADDR);
	}
	return t;
}

static unsigned int size_level(u64 size) { return size == PAGE_SIZE ? 0 : size == 1ull << 21 ? 1 : 2; }

static u64 *entry_of(struct umm *u, struct upage *p)
{
	u64 *t = table_of(u, p->va, size_level(p->size), false);

	return t ? &t[idx(p->va, size_level(p->size))] : NULL;
}

static u64 entry_value(const struct upage *p)
{
	return p->pa | FS_P | FS_US | (p->writable ? FS_RW : 0) |
	       (p->size > PAGE_SIZE ? FS_PS : 0) | (one_in(3) ? FS_A : 0) |
	       (one_in(3) ? 1ull << 63 : 0) | (one_in(3) ? 0x5ull << 52 : 0);
}

static bool table_empty(const u64 *t)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (t[i])
			return false;
	return true;
}

/* ---- notifiers ------------------------------------------------------------ */

static unsigned int srcu_readers;
static struct mmu_notifier *put_notifiers[64];
static unsigned int nr_put;

/* call_srcu(): when no callback runs any more. */
static void notifiers_reap(void)
{
	while (nr_put && !srcu_readers) {
		struct mmu_notifier *mn = put_notifiers[--nr_put];
		struct mm_struct *mm = mn->mm;

		list_del(&mn->node);
		mn->ops->free_notifier(mn);
		mmdrop(mm);
	}
}

int mmu_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm)
{
	if (current->nr_held)
		fail_rule("mmap_lock", "mmu_notifier_register with %s held",
			  ((struct shim_lock *)current->held[0])->name);
	if (current->signal)
		return -EINTR;
	if (shim_alloc_fails())
		return -ENOMEM;
	mutex_lock(&mm->mmap_lock);
	if (mm->mm_users.counter <= 0)
		fail_rule("mmu notifier", "registered on an mm without users");
	mmgrab(mm);
	mn->mm = mm;
	mn->users = 1;
	list_add_tail(&mn->node, &mm->notifiers);
	mutex_unlock(&mm->mmap_lock);
	return 0;
}

/* No callback begins any more; those that run go on. */
void mmu_notifier_put(struct mmu_notifier *mn)
{
	if (!mn->users)
		fail_rule("mmu notifier", "put too often");
	mn->users = 0;
	if (nr_put == ARRAY_SIZE(put_notifiers))
		abort();
	put_notifiers[nr_put++] = mn;
	sched_point();
}

void shim_notifiers_settle(void)
{
	shim_might_sleep("wait_var_event");
	while (srcu_readers)
		shim_sleep_once();
	notifiers_reap();
}

unsigned int umm_notifiers_put(void) { return nr_put; }

void shim_settle(void)
{
	co_finish();
	notifiers_reap();
}

static void callback(struct umm *u, unsigned long start, unsigned long end)
{
	struct mmu_notifier *mn;

	if (u->skip_notifier || u->mm.released)
		return;
	srcu_readers++;
	current->atomic++;
	list_for_each_entry(mn, &u->mm.notifiers, node)
		if (mn->users && mn->ops->arch_invalidate_secondary_tlbs)
			mn->ops->arch_invalidate_secondary_tlbs(mn, &u->mm, start, end);
	current->atomic--;
	srcu_readers--;
	u->mm.callbacks++;
	if (one_in(2))
		notifiers_reap();
}

void umm_callback(struct umm *u, u64 start, u64 end)
{
	mutex_lock(&u->mm.mmap_lock);
	callback(u, start, end);
	mutex_unlock(&u->mm.mmap_lock);
}

/* ---- life ----------------------------------------------------------------- */

void mmgrab(struct mm_struct *mm) { mm->mm_count.counter++; }

void mmdrop(struct mm_struct *mm)
{
	struct umm *u = umm_of(mm);

	if (--mm->mm_count.counter)
		return;
	if (!list_empty(&mm->notifiers))
		fail_rule("mmu notifier", "mm freed with notifiers");
	mms_live--;
	free(u);
}

bool mmget_not_zero(struct mm_struct *mm)
{
	if (!mm->mm_users.counter)
		return false;
	mm->mm_users.counter++;
	return true;
}

struct umm *umm_of(struct mm_struct *mm) { return container_of(mm, struct umm, mm); }

struct umm *umm_new(void)
{
	struct umm *u = calloc(1, sizeof(*u));

	u->mm.pgd = (pgd_t *)table_alloc();
	/* The kernel's half: nobody outside may walk it. */
	((u64 *)u->mm.pgd)[256] = 0xdead0000000ull | FS_P | FS_RW;
	((u64 *)u->mm.pgd)[511] = 0xdead0001000ull | FS_P | FS_RW;
	INIT_LIST_HEAD(&u->mm.notifiers);
	mutex_init(&u->mm.mmap_lock);
	u->mm.mmap_lock.l.name = "mmap_lock";
	u->mm.mm_users.counter = 1;
	u->mm.mm_count.counter = 1;
	u->mm.id = ++mm_ids;
	u->live = true;
	mms_live++;
	return u;
}

unsigned int umm_mms_live(void) { return mms_live; }

/* ---- changes -------------------------------------------------------------- */

/* What a round of unmapping has taken out and not yet freed. */
struct gather {
	u64 start, end;
	bool any;
	struct upage *pages[MM_PAGES];
	unsigned int nr_pages;
	u64 *tables[ROUND_TABLES];
	unsigned int nr_tables;
};

static void gather_add(struct gather *g, u64 start, u64 end)
{
	g->start = g->any ? min(g->start, start) : start;
	g->end = g->any ? max(g->end, end) : end;
	g->any = true;
}

static void gather_flush(struct umm *u, struct gather *g)
{
	unsigned int i;

	if (!g->any)
		return;
	/* x86: beyond 33 pages, and now and then, it is everything; up to 6.5 in odd words, too. */
	if (u->callback_range || g->end - g->start > 33 * PAGE_SIZE ? rnd_below(2) : one_in(16))
		callback(u, one_in(2) ? 0 : -1ul, -1ul);
	else
		callback(u, g->start, g->end);
	for (i = 0; i < g->nr_pages; i++) {
		struct upage *p = g->pages[i];

		upage_free_pa(p->pa, p->size, "after the notifier's callback for it");
		memset(p, 0, sizeof(*p));
		u->nr--;
	}
	for (i = 0; i < g->nr_tables; i++)
		free_pages((unsigned long)g->tables[i], 0);
	memset(g, 0, sizeof(*g));
}

/* Take out the tables above @va that are empty now (free_pgtables()). */
static void gather_tables(struct umm *u, struct gather *g, u64 va)
{
	unsigned int l;

	for (l = 0; l < 3; l++) {
		u64 *t = table_of(u, va, l, false), *up;
		u64 span = 1ull << (12 + 9 * (l + 1));

		if (!t)
			continue;
		if (!table_empty(t))
			return;
		up = table_of(u, va, l + 1, false);
		up[idx(va, l + 1)] = 0;
		gather_add(g, va & ~(span - 1), (va & ~(span - 1)) + PAGE_SIZE);
		g->tables[g->nr_tables++] = t;
		sched_point();
		if (g->nr_tables == ROUND_TABLES)
			gather_flush(u, g);
	}
}

static bool in_range(const struct upage *p, u64 first, u64 last)
{
	return p->used && p->va <= last && p->va + p->size - 1 >= first;
}

void umm_unmap(struct umm *u, u64 first, u64 last)
{
	struct gather g = {};
	bool keep_tables = one_in(3);
	unsigned int i;

	mutex_lock(&u->mm.mmap_lock);
	for (i = 0; i < MM_PAGES && u->live; i++) {
		struct upage *p = &u->pages[i];
		u64 *e;

		if (!in_range(p, first, last) || p->going)
			continue;
		e = entry_of(u, p);
		p->going = true;
		p->mapped = false;
		*e = 0;
		sched_point();
		if (p->hugetlb)
			atomic_long_sub(p->size >> 12, &u->mm.hugetlb_usage);
		gather_add(&g, p->va, p->va + p->size);
		g.pages[g.nr_pages++] = p;
		/* A batch is full now and then; hugetlb never shares one. */
		if (p->hugetlb || one_in(8)) {
			u64 va = p->va;

			gather_flush(u, &g);
			if (!keep_tables)
				gather_tables(u, &g, va);
		} else if (!keep_tables) {
			gather_tables(u, &g, p->va);
		}
	}
	gather_flush(u, &g);
	mutex_unlock(&u->mm.mmap_lock);
}

static struct upage *map_locked(struct umm *u, u64 va, u64 size, bool writable, bool hugetlb)
{
	unsigned int i, level = size_level(size);
	struct upage *p = NULL;
	u64 *t;

	va &= ~(size - 1);
	for (i = 0; i < MM_PAGES; i++) {
		if (in_range(&u->pages[i], va, va + size - 1))
			return NULL;
		if (!u->pages[i].used && !p)
			p = &u->pages[i];
	}
	if (!p || !u->live)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->pa = upage_alloc(u, p, size);
	if (!p->pa)
		return NULL;
	p->used = true;
	p->va = va;
	p->size = size;
	p->writable = writable;
	p->hugetlb = hugetlb && size > PAGE_SIZE;
	p->wvisible = true;
	u->nr++;

	t = table_of(u, va, level, true);
	if (!t || (level && t[idx(va, level)] & FS_P)) {
		/* A table is in the way that an unmap kept: it goes first. */
		struct gather g = {};

		if (t) {
			u64 *low = phys_to_virt(t[idx(va, level)] & FS_ADDR);

			if (level == 2) {
				for (i = 0; i < 512; i++)
					if (low[i] & FS_P) {
						u64 *lowest = phys_to_virt(low[i] & FS_ADDR);

						low[i] = 0;
						gather_add(&g, va + ((u64)i << 21), va + ((u64)i << 21) + PAGE_SIZE);
						g.tables[g.nr_tables++] = lowest;
						if (g.nr_tables == ROUND_TABLES - 1)
							gather_flush(u, &g);
					}
			}
			t[idx(va, level)] = 0;
			gather_add(&g, va, va + PAGE_SIZE);
			g.tables[g.nr_tables++] = low;
			gather_flush(u, &g);
		}
	}
	t[idx(va, level)] = entry_value(p);
	p->mapped = true;
	p->since = ++entry_clock;
	if (p->hugetlb)
		atomic_long_add(size >> 12, &u->mm.hugetlb_usage);
	sched_point();
	return p;
}

struct upage *umm_map(struct umm *u, u64 va, u64 size, bool writable, bool hugetlb)
{
	struct upage *p;

	mutex_lock(&u->mm.mmap_lock);
	p = map_locked(u, va, size, writable, hugetlb);
	mutex_unlock(&u->mm.mmap_lock);
	return p;
}

void umm_protect(struct umm *u, u64 first, u64 last, bool writable)
{
	struct gather g = {};
	struct upage *hit[MM_PAGES];
	unsigned int i, n = 0;

	mutex_lock(&u->mm.mmap_lock);
	for (i = 0; i < MM_PAGES && u->live; i++) {
		struct upage *p = &u->pages[i];

		if (!in_range(p, first, last) || p->going || !p->mapped || p->writable == writable)
			continue;
		if (writable) {
			/* Only grows: the kernel tells nobody. */
			p->wvisible = false;
			p->since = ++entry_clock;
			p->writable = true;
			*entry_of(u, p) |= FS_RW;
			sched_point();
			continue;
		}
		p->narrowing = true;
		p->writable = false;
		*entry_of(u, p) &= ~FS_RW;
		sched_point();
		gather_add(&g, p->va, p->va + p->size);
		hit[n++] = p;
	}
	if (n) {
		callback(u, g.start, g.end);
		for (i = 0; i < n; i++) {
			hit[i]->narrowing = false;
			model_check_user_page(hit[i]->pa, hit[i]->size, false, "after it became read-only");
		}
	}
	mutex_unlock(&u->mm.mmap_lock);
}

/* hugetlb_wp(), try_to_unmap(): ptep_clear_flush() says 4 KiB of a huge page. */
void umm_wp_huge(struct umm *u, struct upage *p)
{
	mutex_lock(&u->mm.mmap_lock);
	if (u->live && p->used && p->hugetlb && p->mapped && p->writable) {
		p->narrowing = true;
		p->writable = false;
		*entry_of(u, p) &= ~FS_RW;
		sched_point();
		callback(u, p->va, p->va + PAGE_SIZE);
		p->narrowing = false;
		model_check_user_page(p->pa, p->size, false, "after it became read-only (reported as 4 KiB)");
	}
	mutex_unlock(&u->mm.mmap_lock);
}

/*
 * __split_huge_pmd() and freezing, as 6.1 may report it: 4 KiB of 2 MiB. The
 * mapping is taken away first; here it simply ends as one small page.
 */
void umm_split(struct umm *u, struct upage *p)
{
	u64 pa, va;

	mutex_lock(&u->mm.mmap_lock);
	if (u->live && p->used && p->size == 1ull << 21 && !p->hugetlb && p->mapped) {
		p->going = true;
		p->mapped = false;
		va = p->va;
		pa = p->pa;
		*entry_of(u, p) = 0;
		sched_point();
		callback(u, va, va + PAGE_SIZE);
		upage_free_pa(pa, 1ull << 21, "after a split that was reported as 4 KiB");
		memset(p, 0, sizeof(*p));
		u->nr--;
		map_locked(u, va, PAGE_SIZE, true, false);
	}
	mutex_unlock(&u->mm.mmap_lock);
}

/* Another physical page at the same address: clear, callback, set. */
void umm_migrate(struct umm *u, struct upage *p)
{
	u64 old;

	mutex_lock(&u->mm.mmap_lock);
	if (u->live && p->used && p->mapped && !p->hugetlb) {
		old = p->pa;
		p->mapped = false;
		p->going = true;
		*entry_of(u, p) = 0;
		sched_point();
		callback(u, p->va, p->va + p->size);
		p->going = false;
		upage_free_pa(old, p->size, "after a migration");
		p->pa = upage_alloc(u, p, p->size);
		if (p->pa) {
			*entry_of(u, p) = entry_value(p);
			p->mapped = true;
			p->since = ++entry_clock;
			p->wvisible = true;
		} else {
			memset(p, 0, sizeof(*p));
			u->nr--;
		}
		sched_point();
	}
	mutex_unlock(&u->mm.mmap_lock);
}

/* dup_mm(): the child has pages of its own; the parent's are write-protected. */
void umm_fork(struct umm *u, struct umm *child)
{
	unsigned int i;

	mutex_lock(&u->mm.mmap_lock);
	if (u->live) {
		struct upage *hit[MM_PAGES];
		unsigned int n = 0;

		for (i = 0; i < MM_PAGES; i++) {
			struct upage *p = &u->pages[i];

			if (!p->used || !p->mapped)
				continue;
			map_locked(child, p->va, p->size, p->writable, p->hugetlb);
			if (!p->writable)
				continue;
			p->narrowing = true;
			p->writable = false;
			*entry_of(u, p) &= ~FS_RW;
			hit[n++] = p;
			sched_point();
		}
		if (n)
			callback(u, 0, -1ul);
		while (n--) {
			hit[n]->narrowing = false;
			model_check_user_page(hit[n]->pa, hit[n]->size, false, "after fork");
		}
	}
	mutex_unlock(&u->mm.mmap_lock);
}

static void free_level(u64 *t, unsigned int level)
{
	unsigned int i, n = level == 3 ? 256 : 512;

	for (i = 0; i < n && level; i++)
		if (t[i] & FS_P && !(t[i] & FS_PS))
			free_level(phys_to_virt(t[i] & FS_ADDR), level - 1);
	free_pages((unsigned long)t, 0);
}

/* exit_mmap() */
void umm_exit(struct umm *u)
{
	struct mmu_notifier *mn, *next;
	unsigned int i;

	if (!u->live)
		return;
	mutex_lock(&u->mm.mmap_lock);
	u->live = false;
	mutex_unlock(&u->mm.mmap_lock);
	/* Others (page requests) may hold it a little longer. */
	u->mm.mm_users.counter--;
	while (u->mm.mm_users.counter)
		shim_sleep_once();
	srcu_readers++;
	if (!u->skip_notifier) {
		list_for_each_entry(mn, &u->mm.notifiers, node)
			if (mn->users)
				mn->ops->release(mn, &u->mm);
	}
	srcu_readers--;
	u->mm.released = true;
	while (srcu_readers)
		shim_sleep_once();
	list_for_each_entry_safe(mn, next, &u->mm.notifiers, node)
		list_del_init(&mn->node);

	for (i = 0; i < MM_PAGES; i++)
		if (u->pages[i].used) {
			upage_free_pa(u->pages[i].pa, u->pages[i].size, "after the notifier's release");
			memset(&u->pages[i], 0, sizeof(u->pages[i]));
		}
	u->nr = 0;
	free_level((u64 *)u->mm.pgd, 3);
	u->mm.pgd = NULL;
	u->gone = true;
}

void mmput(struct mm_struct *mm)
{
	if (!--mm->mm_users.counter && umm_of(mm)->live)
		fail_rule("mm users", "dropped too often");
}

/* The harness drops its own reference: umm_exit() was called. */
void umm_unref(struct umm *u) { mmdrop(&u->mm); }

/*
 * A call that makes devices see what is there begins, and has ended: what was
 * there at both times must be seen from then on.
 */
u64 umm_sync_begin(void)
{
	return entry_clock;
}

/*
 * @begun: from umm_sync_begin(); others may be under way at the same time.
 * @wider: nothing is cached with fewer rights than pages have now.
 */
void umm_synced(struct umm *u, u64 begun, u64 first, u64 last, bool wider)
{
	unsigned int i;

	for (i = 0; i < MM_PAGES; i++)
		/* A part of a 1 GiB page does not name it (a part of 2 MiB does). */
		if (in_range(&u->pages[i], first, last) && u->pages[i].mapped &&
		    u->pages[i].since <= begun &&
		    (u->pages[i].size <= 1ull << PMD_SHIFT || u->pages[i].hugetlb ||
		     (first <= u->pages[i].va && last >= u->pages[i].va + u->pages[i].size - 1))) {
			u->pages[i].visible = true;
			u->pages[i].wvisible |= wider;
		}
}

void umm_reset(void)
{
	unsigned int i;

	notifiers_reap();
	for (i = 0; i < U4K_MAX; i++)
		u4k[i].u = NULL;
	for (i = 0; i < U2M_MAX; i++)
		u2m[i].u = NULL;
	for (i = 0; i < U1G_MAX; i++)
		u1g[i].u = NULL;
	if (mms_live)
		fail_rule("mm leaked", "%u address spaces still referenced", mms_live);
	mms_live = 0;
	mm_ids = 0;
}

/* ---- what page requests need ---------------------------------------------- */

/* Some pages are of files, whose faults may wait for a disk: nobody looks at which. */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	static struct vm_area_struct vma;
	static char file;
	struct upage *p = umm_find(umm_of(mm), addr);

	lockdep_assert_held(&mm->mmap_lock);
	if (!p)
		return NULL;
	vma = (struct vm_area_struct){ p->va, p->va + p->size,
		VM_READ | (p->writable ? VM_WRITE : 0), one_in(4) ? (struct file *)&file : NULL, mm };
	return &vma;
}

/*
 * Of the mm that find_vma() looked at. Now and then a page has to be waited for,
 * and then the lock is dropped, unless the caller does not want to.
 */
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags,
			   void *regs)
{
	struct mm_struct *mm = vma->vm_mm;
	bool unlocked;
	int err;

	(void)regs;
	if (one_in(4)) {
		if (!(flags & FAULT_FLAG_RETRY_NOWAIT))
			mmap_read_unlock(mm);
		return VM_FAULT_RETRY;
	}
	err = fixup_user_fault(mm, addr, flags, &unlocked);
	if (err || flags & FAULT_FLAG_RETRY_NOWAIT || !one_in(4))
		return err ? VM_FAULT_SIGSEGV : 0;
	mmap_read_unlock(mm);
	return VM_FAULT_COMPLETED;
}

int fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags, bool *unlocked)
{
	struct upage *p = umm_find(umm_of(mm), addr);

	(void)unlocked;
	lockdep_assert_held(&mm->mmap_lock);
	sched_point();
	return p && p->mapped && (p->writable || !(flags & FAULT_FLAG_WRITE)) ? 0 : -EFAULT;
}
