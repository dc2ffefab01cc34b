// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim_tasks.c - tasks, locks and work of the kernel that src/ runs on
 *
 * Tasks are coroutines. They change places only at sched_point(), which stands
 * in each lock operation, allocation, wait and store that hardware sees, so a
 * run depends on the seed alone.
 */
#include <sys/mman.h>
#include <ucontext.h>

#include "host.h"
#include "shim_asan.h"

/* ---- tasks --------------------------------------------------------------- */

#define CO_MAX		160
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
