// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim.c - the kernel that src/ runs on: tasks, locks, memory, work
 *
 * Tasks are coroutines. They change places only at sched_point(), which stands
 * in each lock operation, allocation, wait and store that hardware sees, so a
 * run depends on the seed alone.
 */
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "host.h"

#if defined(__SANITIZE_ADDRESS__)
#define SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHIM_ASAN 1
#endif
#endif
#ifdef SHIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(a, s)		((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(a, s)	((void)0)
#define __sanitizer_start_switch_fiber(a, b, c)	((void)0)
#define __sanitizer_finish_switch_fiber(a, b, c) ((void)0)
#endif

/* ---- chance -------------------------------------------------------------- */

static u64 rnd_state = 88172645463325252ull;

void rnd_seed(u64 seed)
{
	seed = (seed + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	rnd_state = (seed ^ seed >> 31) | 1;
}

u32 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state >> 16;
}

/* ---- failures ------------------------------------------------------------ */

unsigned int fail_count;
char fail_first[64];
bool fail_exits, fail_quiet, host_verbose;
void (*fail_notify)(const char *rule);

void fail_reset(void)
{
	fail_count = 0;
	fail_first[0] = 0;
}

static void fail_v(const char *rule, const char *fmt, va_list ap)
{
	char buf[512];

	vsnprintf(buf, sizeof(buf), fmt, ap);
	if (!fail_count)
		snprintf(fail_first, sizeof(fail_first), "%s", rule);
	if (fail_notify)
		fail_notify(rule);
	if (!fail_quiet)
		printf("# BROKEN [%s] %s (task %s)\n", rule, buf, current->comm);
	fail_count++;
	if (fail_exits) {
		fflush(NULL);
		_exit(3);
	}
	if (fail_count > 10000)
		abort();
}

void fail_rule(const char *rule, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(rule, fmt, ap);
	va_end(ap);
}

void shim_bug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v("kernel bug", fmt, ap);
	va_end(ap);
}

void shim_log(const char *level, const char *fmt, ...)
{
	va_list ap;

	if (!host_verbose)
		return;
	printf("# log %s: ", level);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

/* ---- tasks --------------------------------------------------------------- */

#define CO_MAX		16
#define CO_STACK	(512 * 1024)

struct co {
	ucontext_t ctx;
	void *stack;
	bool active;
	bool done;
	struct task_struct task;
	co_fn fn;
	void *arg;
	void *fake;
	const char *waits;
};

static struct co cos[CO_MAX];
static struct co *co_now;
static ucontext_t main_ctx;
/* For ASan only. */
static void *main_fake __attribute__((unused));
static const void *main_stack __attribute__((unused));
static size_t main_size __attribute__((unused));
static struct task_struct main_task = { .comm = "main", .pid = 1, .admin = true,
	.group_leader = &main_task };
unsigned int sched_preempt;
void (*sched_hook)(void);
void (*relax_hook)(void);
static u64 now_ns = 1000000000;

struct task_struct *shim_current(void)
{
	return co_now ? &co_now->task : &main_task;
}

struct task_struct *co_task(struct co *co) { return &co->task; }
bool co_done(const struct co *co) { return co->done; }

static void co_entry(void)
{
	struct co *co = co_now;

	__sanitizer_finish_switch_fiber(NULL, &main_stack, &main_size);
	co->fn(co->arg);
	if (co->task.nr_held)
		fail_rule("lock left", "task %s ends with %u locks held", co->task.comm,
			  co->task.nr_held);
	co->done = true;
	co->active = false;
	co_now = NULL;
	__sanitizer_start_switch_fiber(NULL, main_stack, main_size);
	setcontext(&main_ctx);
}

struct co *co_start(const char *name, struct mm_struct *mm, co_fn fn, void *arg)
{
	static pid_t pid = 100;
	unsigned int i;

	for (i = 0; i < CO_MAX; i++)
		if (!cos[i].active)
			break;
	if (i == CO_MAX) {
		printf("# too many tasks\n");
		abort();
	}
	struct co *co = &cos[i];

	if (!co->stack)
		co->stack = mmap(NULL, CO_STACK, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASAN_UNPOISON_MEMORY_REGION(co->stack, CO_STACK);
	memset(&co->task, 0, sizeof(co->task));
	snprintf(co->task.comm, sizeof(co->task.comm), "%s", name);
	co->task.pid = pid++;
	co->task.mm = mm;
	co->task.admin = true;
	co->task.group_leader = &co->task;
	co->active = true;
	co->done = false;
	co->fn = fn;
	co->arg = arg;
	co->fake = NULL;
	getcontext(&co->ctx);
	co->ctx.uc_stack.ss_sp = co->stack;
	co->ctx.uc_stack.ss_size = CO_STACK;
	co->ctx.uc_link = NULL;
	makecontext(&co->ctx, co_entry, 0);
	return co;
}

/* Who is where, for hangs. */
void co_dump(void)
{
	for (unsigned int i = 0; i < CO_MAX; i++)
		if (cos[i].active)
			printf("# task %s waits for %s, holds %u locks (%s)\n", cos[i].task.comm, cos[i].waits ?: "nothing", cos[i].task.nr_held,
			       cos[i].task.nr_held ? ((struct shim_lock *)cos[i].task.held[0])->name : "");
}

unsigned int co_active(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < CO_MAX; i++)
		n += cos[i].active;
	return n;
}

/* Only from the main context: coroutines come back to it. */
bool co_step(void)
{
	unsigned int i, n = co_active(), pick;

	if (co_now || !n)
		return false;
	pick = rnd_below(n);
	for (i = 0; i < CO_MAX; i++)
		if (cos[i].active && !pick--)
			break;
	co_now = &cos[i];
	__sanitizer_start_switch_fiber(&main_fake, co_now->stack, CO_STACK);
	swapcontext(&main_ctx, &co_now->ctx);
	co_now = NULL;
	__sanitizer_finish_switch_fiber(main_fake, NULL, NULL);
	return true;
}

static void co_leave(void)
{
	struct co *co = co_now;

	__sanitizer_start_switch_fiber(&co->fake, main_stack, main_size);
	swapcontext(&co->ctx, &main_ctx);
	__sanitizer_finish_switch_fiber(co->fake, NULL, NULL);
	co_now = co;
}

/* Somebody else must run before this task can go on. */
static void must_yield(const char *what)
{
	static u64 idle;

	model_activity();
	now_ns += 1000;
	if (co_now) {
		co_now->waits = what;
		co_leave();
		co_now->waits = NULL;
		return;
	}
	if (co_step() || shim_run_work()) {
		idle = 0;
		return;
	}
	if (idle++ > 1000000) {
		printf("# deadlock: the only task waits (%s)\n", what);
		fail_rule("deadlock", "%s", what);
		abort();
	}
}

void co_finish(void)
{
	u64 slices = 0;

	while (co_step())
		if (++slices > 20000000) {
			fail_rule("no progress", "tasks do not end");
			abort();
		}
}

void sched_point(void)
{
	static bool inside;

	if (inside)
		return;
	inside = true;
	model_activity();
	if (sched_hook)
		sched_hook();
	inside = false;
	if (!one_in(sched_preempt))
		return;
	if (co_now)
		co_leave();
	else
		co_step();
}

void shim_sleep_once(void)
{
	shim_might_sleep("wait");
	must_yield("wait");
}

void shim_cpu_relax(void)
{
	struct task_struct *t = current;

	if (t->spins)
		fail_rule("wait under lock", "busy-waits for hardware with spinlock %s held",
			  ((struct shim_lock *)t->held[t->nr_held - 1])->name);
	now_ns += 20000;
	model_hook_relax();
	if (relax_hook)
		relax_hook();
	if (co_now) {
		if (!sched_preempt || rnd_below(2))
			co_leave();
	} else if (sched_preempt) {
		co_step();
	}
}

u64 shim_time_ns(void) { return now_ns; }
void shim_delay_us(unsigned int us) { now_ns += us * 1000ull; }
void shim_advance_ns(u64 ns) { now_ns += ns; }

/* ---- locks --------------------------------------------------------------- */

#define CLASSES 32
static const char *class_name[CLASSES];
static bool class_after[CLASSES][CLASSES];	/* [a][b]: b was taken under a */

static unsigned int lock_class(const char *name)
{
	unsigned int i;
	const char *p;

	if (!name) {
		fail_rule("lock not initialised", "lock without a name");
		name = "?";
	}
	/* "&unit->qi.lock" and the like: the member is the class */
	p = strrchr(name, '&');
	name = p ? p + 1 : name;
	for (i = 0; i < CLASSES && class_name[i]; i++)
		if (!strcmp(class_name[i], name))
			return i;
	class_name[i] = name;
	return i;
}

static bool class_reaches(unsigned int from, unsigned int to, unsigned int depth)
{
	unsigned int i;

	if (class_after[from][to])
		return true;
	if (!depth)
		return false;
	for (i = 0; i < CLASSES; i++)
		if (class_after[from][i] && class_reaches(i, to, depth - 1))
			return true;
	return false;
}

static void lock_order(struct task_struct *t, struct shim_lock *l)
{
	unsigned int i, b = lock_class(l->name);

	for (i = 0; i < t->nr_held; i++) {
		unsigned int a = lock_class(((struct shim_lock *)t->held[i])->name);

		if (class_after[a][b])
			continue;
		if (a == b)
			fail_rule("lock order", "%s taken twice", class_name[a]);
		else if (class_reaches(b, a, 6))
			fail_rule("lock order", "%s taken under %s, and elsewhere the other way round",
				  class_name[b], class_name[a]);
		else
			class_after[a][b] = true;
	}
}

static void lock_taken(struct task_struct *t, struct shim_lock *l)
{
	l->owner = t;
	if (t->nr_held < ARRAY_SIZE(t->held))
		t->held[t->nr_held++] = l;
	else
		abort();
	t->spins += l->spin;
}

void shim_lock_acquire(struct shim_lock *l)
{
	struct task_struct *t = current;

	if (!l->spin)
		shim_might_sleep(l->name);
	if (l->owner == t) {
		fail_rule("lock taken twice", "%s", l->name);
		abort();
	}
	lock_order(t, l);
	sched_point();
	while (l->owner)
		must_yield(l->name);
	lock_taken(t, l);
}

bool shim_lock_try(struct shim_lock *l)
{
	if (l->owner)
		return false;
	lock_taken(current, l);
	return true;
}

void shim_lock_release(struct shim_lock *l)
{
	struct task_struct *t = current;
	unsigned int i;

	if (l->owner != t) {
		fail_rule("unlock", "%s is not held by its unlocker", l->name);
		return;
	}
	for (i = 0; i < t->nr_held && t->held[i] != l; i++)
		;
	for (; i + 1 < t->nr_held; i++)
		t->held[i] = t->held[i + 1];
	t->nr_held--;
	t->spins -= l->spin;
	l->owner = NULL;
	sched_point();
}

void shim_lock_assert(struct shim_lock *l, const char *what, int line)
{
	if (l->owner != current)
		fail_rule("lock not held", "%s, asserted at line %d", what, line);
}

void shim_might_sleep(const char *what)
{
	struct task_struct *t = current;

	if (t->spins)
		fail_rule("sleep in atomic", "%s with spinlock %s held", what,
			  ((struct shim_lock *)t->held[t->nr_held - 1])->name);
	if (t->atomic)
		fail_rule("sleep in atomic", "%s in an mmu notifier callback", what);
}

/* ---- work ---------------------------------------------------------------- */

struct workqueue_struct shim_wq;
static LIST_HEAD(works);

bool shim_queue_work(struct work_struct *w)
{
	if (w->pending)
		return false;
	w->pending = true;
	list_add_tail(&w->node, &works);
	return true;
}

unsigned int shim_works_pending(void)
{
	struct work_struct *w;
	unsigned int n = 0;

	list_for_each_entry(w, &works, node)
		n++;
	return n;
}

/* Works that were taken from the list and have not ended. */
static struct work_struct *works_now[CO_MAX];
static u64 works_run[CO_MAX];	/* which run it is */
static u64 works_runs;

static bool work_is_running(struct work_struct *w)
{
	unsigned int i;

	for (i = 0; i < CO_MAX; i++)
		if (works_now[i] == w)
			return true;
	return false;
}

static void work_task(void *arg)
{
	struct work_struct **slot = arg;

	(*slot)->func(*slot);
	/* The work may have freed itself. */
	*slot = NULL;
}

static bool work_start(struct work_struct *w)
{
	unsigned int i;

	if (work_is_running(w) || co_active() >= CO_MAX - 2)
		return false;
	list_del_init(&w->node);
	w->pending = false;
	for (i = 0; works_now[i]; i++)
		;
	works_now[i] = w;
	works_run[i] = ++works_runs;
	co_start("work", NULL, work_task, &works_now[i]);
	return true;
}

bool shim_run_work(void)
{
	struct work_struct *w;
	unsigned int n = shim_works_pending();
	unsigned int pick = rnd_below(n);

	list_for_each_entry(w, &works, node)
		if (!pick--)
			return work_start(w);
	return false;
}

/* Waits for what is queued or running now, not for what queues itself again. */
bool shim_flush_work(struct work_struct *w)
{
	unsigned int i;
	u64 run;

	shim_might_sleep("flush_work");
	for (unsigned int round = 0; round < 2; round++) {
		/* What runs first, then what was queued behind it. */
		for (i = 0; i < CO_MAX && works_now[i] != w; i++)
			;
		run = i < CO_MAX ? works_run[i] : 0;
		while (run && works_now[i] == w && works_run[i] == run)
			must_yield("flush_work");
		if (round || !w->pending)
			continue;
		while (!work_start(w) && w->pending)
			must_yield("flush_work");
	}
	return true;
}

bool shim_cancel_work_sync(struct work_struct *w)
{
	bool was = w->pending;

	shim_might_sleep("cancel_work_sync");
	for (;;) {
		if (w->pending) {
			list_del_init(&w->node);
			w->pending = false;
		}
		if (!work_is_running(w))
			return was;
		must_yield("cancel_work_sync");
	}
}

/* Delayed work that queues itself again would never end: each runs once. */
void shim_flush_all(void)
{
	unsigned int n = shim_works_pending();

	shim_might_sleep("flush_workqueue");
	while (n--)
		shim_run_work();
	while (co_active() > (co_now ? 1u : 0u))
		must_yield("flush_workqueue");
}

/* ---- memory -------------------------------------------------------------- */

u8 *arena, *arena_shadow;
struct hpage hpages[ARENA_PAGES];
unsigned int shim_allocs, shim_pages;
long shim_fail_at;
long shim_signal_at;
long shim_copy_fails_at;
void (*shim_copy_hook)(void);
unsigned int shim_tainted;
unsigned int shim_fail_seen;
int intel_iommu_enabled;

void shim_init(void)
{
	if (arena)
		return;
	arena = mmap((void *)0x200000000000, ARENA_PAGES * PAGE_SIZE * 2,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (arena == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	arena_shadow = arena + ARENA_PAGES * PAGE_SIZE;
}

bool shim_in_arena(const volatile void *p)
{
	return (const u8 *)p >= arena && (const u8 *)p < arena + ARENA_PAGES * PAGE_SIZE;
}

bool shim_alloc_fails(void)
{
	shim_fail_seen++;
	return shim_fail_at && !--shim_fail_at;
}

bool shim_signal_comes(void)
{
	return shim_signal_at && !--shim_signal_at;
}

static void alloc_checks(gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		shim_might_sleep("GFP_KERNEL allocation");
	else if (current->atomic)
		fail_rule("allocation in notifier", "in an mmu notifier callback");
}

void *shim_kmalloc(size_t size, gfp_t gfp, bool zero)
{
	void *p;

	alloc_checks(gfp);
	sched_point();
	if (shim_alloc_fails())
		return NULL;
	p = malloc(size);
	memset(p, zero ? 0 : 0x5a, size);
	shim_allocs++;
	return p;
}

void kfree(const void *p)
{
	if (!p)
		return;
	shim_allocs--;
	free((void *)p);
}

u64 virt_to_phys(const volatile void *p)
{
	if (!shim_in_arena(p)) {
		fail_rule("virt_to_phys", "of %p, which is no page", (void *)p);
		return 0;
	}
	return ARENA_PHYS + ((const u8 *)p - arena);
}

void *phys_to_virt(u64 phys)
{
	struct umm *owner;

	/* User memory has an address, which nobody here reads. */
	if (upage_by_pa(phys, &owner))
		return (void *)8;
	if (!pa_in_arena(phys))
		fail_rule("phys_to_virt", "of %#llx, which is no memory", phys);
	return arena + (phys - ARENA_PHYS);
}

static unsigned int pages_find(unsigned int count)
{
	unsigned int start = count == 1 ? rnd_below(64) : 256, i, j, at;

	for (i = start & ~(count - 1); i + count <= ARENA_PAGES * 2; i += count) {
		at = i % ARENA_PAGES;
		for (j = 0; j < count && !hpages[at + j].used; j++)
			;
		if (j == count)
			return at;
	}
	printf("# the arena is full\n");
	abort();
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	unsigned int count = 1u << order, at, i;

	alloc_checks(gfp);
	sched_point();
	if (shim_alloc_fails())
		return 0;
	at = pages_find(count);
	for (i = 0; i < count; i++) {
		hpages[at + i] = (struct hpage){ .used = true, .first = !i, .order = order };
		shim_pages++;
	}
	ASAN_UNPOISON_MEMORY_REGION(arena + at * PAGE_SIZE, count * PAGE_SIZE);
	memset(arena + at * PAGE_SIZE, gfp & __GFP_ZERO ? 0 : 0x5b, count * PAGE_SIZE);
	/* What memory holds until the CPU's cache is written back. */
	memset(arena_shadow + at * PAGE_SIZE, 0xa5, count * PAGE_SIZE);
	return (unsigned long)(arena + at * PAGE_SIZE);
}

void free_pages(unsigned long addr, unsigned int order)
{
	unsigned int count = 1u << order, at, i;

	if (!addr)
		return;
	at = ((u8 *)addr - arena) / PAGE_SIZE;
	if (!shim_in_arena((void *)addr) || !hpages[at].used || !hpages[at].first ||
	    hpages[at].order != order) {
		fail_rule("bad free", "free_pages(%#lx, %u)", addr, order);
		return;
	}
	model_hook_free(&hpages[at], count);
	for (i = 0; i < count; i++) {
		free(hpages[at + i].track);
		hpages[at + i] = (struct hpage){};
		shim_pages--;
	}
	memset(arena + at * PAGE_SIZE, 0x6b, count * PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(arena + at * PAGE_SIZE, count * PAGE_SIZE);
	sched_point();
}

struct kmem_cache {
	unsigned int size;
	void (*construct)(void *object);
	unsigned int objects;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*construct)(void *object))
{
	struct kmem_cache *cache;

	if (shim_alloc_fails())
		return NULL;
	cache = calloc(1, sizeof(*cache));
	cache->size = size;
	cache->construct = construct;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (cache && cache->objects)
		shim_bug("a cache is destroyed with %u objects in use", cache->objects);
	free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = shim_kmalloc(cache->size, gfp, false);

	if (!object)
		return NULL;
	cache->construct(object);
	cache->objects++;
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	cache->objects--;
	kfree(object);
}

/* Stores between two barriers may become visible in any order. */
static unsigned int barriers;
unsigned int shim_barriers(void) { return barriers; }
void shim_barrier(void)
{
	barriers++;
	sched_point();
}

void shim_store(const volatile void *addr, unsigned int size)
{
	if (!shim_in_arena(addr))
		return;
	model_hook_store(addr, size);
	sched_point();
}

void clflush_cache_range(void *addr, unsigned int size)
{
	if (!shim_in_arena(addr)) {
		fail_rule("clflush", "of %p, which is no page", addr);
		return;
	}
	model_hook_flush(addr, size);
	sched_point();
}

/* ---- xarray -------------------------------------------------------------- */

/* Position of the first slot with an index not below @index. */
static size_t xa_pos(const struct xarray *xa, unsigned long index)
{
	size_t lo = 0, hi = xa->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (xa->slots[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	size_t i = xa_pos(xa, index);

	return i < xa->n && xa->slots[i].index == index ? xa->slots[i].entry : NULL;
}

static void xa_add(struct xarray *xa, size_t pos, unsigned long index, void *entry)
{
	if (xa->n == xa->room) {
		xa->room = xa->room ? xa->room * 2 : 8;
		xa->slots = realloc(xa->slots, xa->room * sizeof(*xa->slots));
	}
	memmove(xa->slots + pos + 1, xa->slots + pos, (xa->n - pos) * sizeof(*xa->slots));
	xa->slots[pos] = (struct shim_xa_slot){ index, entry };
	xa->n++;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	size_t i = xa_pos(xa, index);
	void *entry;

	if (i == xa->n || xa->slots[i].index != index)
		return NULL;
	entry = xa->slots[i].entry;
	memmove(xa->slots + i, xa->slots + i + 1, (xa->n - i - 1) * sizeof(*xa->slots));
	if (!--xa->n)
		xa_destroy(xa);
	return entry;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	size_t i = xa_pos(xa, index);
	void *old;

	alloc_checks(gfp);
	if (!entry)
		return xa_erase(xa, index);
	if (shim_alloc_fails())
		return ERR_PTR(-ENOMEM);
	if (i < xa->n && xa->slots[i].index == index) {
		old = xa->slots[i].entry;
		xa->slots[i].entry = entry;
		return old;
	}
	xa_add(xa, i, index, entry);
	return NULL;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	if (xa_load(xa, index))
		return -EBUSY;
	return xa_err(xa_store(xa, index, entry, gfp));
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	u32 min = xa->flags & XA_FLAGS_ALLOC1 && !limit.min ? 1 : limit.min;
	size_t pos, lo, hi;

	alloc_checks(gfp);
	if (shim_alloc_fails())
		return -ENOMEM;
	/* Indices from @pos on are distinct: find where they leave a gap. */
	pos = xa_pos(xa, min);
	lo = pos;
	hi = xa->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (xa->slots[mid].index == (unsigned long)min + (mid - pos))
			lo = mid + 1;
		else
			hi = mid;
	}
	if ((u64)min + (lo - pos) > limit.max)
		return -EBUSY;
	*id = min + (lo - pos);
	xa_add(xa, lo, *id, entry);
	return 0;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m)
{
	size_t i = xa_pos(xa, *index);

	(void)m;
	if (i == xa->n || xa->slots[i].index > max)
		return NULL;
	*index = xa->slots[i].index;
	return xa->slots[i].entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m)
{
	if (*index == ULONG_MAX)
		return NULL;
	++*index;
	return xa_find(xa, index, max, m);
}

void xa_destroy(struct xarray *xa)
{
	free(xa->slots);
	xa->slots = NULL;
	xa->n = xa->room = 0;
}

int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp)
{
	u32 id;
	int err = xa_alloc(&ida->xa, &id, ida, XA_LIMIT(min, max), gfp);

	return err == -EBUSY ? -ENOSPC : err ? err : (int)id;
}

void ida_free(struct ida *ida, unsigned int id)
{
	if (!xa_erase(&ida->xa, id))
		shim_bug("ida_free of %u, which is not allocated", id);
}

bool shim_bare_metal;
bool shim_l5;

bool boot_cpu_has(int feature)
{
	return feature == X86_FEATURE_GBPAGES || (feature == X86_FEATURE_HYPERVISOR && !shim_bare_metal);
}

/* ---- users ------------------------------------------------------------------ */

u8 *shim_user;
size_t shim_user_size;
bool shim_user_readonly;
struct miscdevice *shim_misc;

/* Bytes from @p on that the user has, of @n. */
static unsigned long user_bytes(const void *p, unsigned long n)
{
	const u8 *at = p;

	if (!at)
		return 0;
	if (!shim_user)
		return n;
	if (at < shim_user || at >= shim_user + shim_user_size)
		return 0;
	return min_t(unsigned long, n, shim_user + shim_user_size - at);
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	unsigned long can = shim_user_readonly ? 0 : user_bytes(to, n);

	if (shim_copy_fails_at && !--shim_copy_fails_at) {
		if (shim_copy_hook)
			shim_copy_hook();
		return n;
	}
	if (can)
		memcpy(to, from, can);
	return n - can;
}

unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	unsigned long can = user_bytes(from, n);

	if (can)
		memcpy(to, from, can);
	return n - can;
}

int copy_struct_from_user(void *to, size_t ksize, const void *from, size_t usize)
{
	size_t size = min(ksize, usize), i;

	for (i = ksize; i < usize; i++) {
		u8 byte;

		if (copy_from_user(&byte, (const u8 *)from + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	memset((u8 *)to + size, 0, ksize - size);
	return copy_from_user(to, from, size) ? -EFAULT : 0;
}

void shim_ida_check(bool empty)
{
	if (!empty)
		fail_rule("leak", "ids are left when their allocator is destroyed");
}
