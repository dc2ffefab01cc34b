/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim.h - as much of the kernel as src/ uses, in userspace
 *
 * Every header of shim/linux and shim/asm is this one. What does nothing here
 * is empty; what matters to the tests (locks, sleeping, allocation, stores that
 * hardware sees, waiting) ends in shim*.c, which tell the model.
 */
#ifndef SHIM_H
#define SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <linux/types.h>
#include <linux/pci_regs.h>

/* ---- types and arithmetic ------------------------------------------------ */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef unsigned int gfp_t;
typedef u64 phys_addr_t;
typedef unsigned int __poll_t;
typedef s64 ktime_t;

#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME	"vtdpasid"
#endif
#define CONFIG_HUGETLB_PAGE	1
#define CONFIG_MMU_NOTIFIER	1
#define CONFIG_VMD		1
#define IS_ENABLED(option)	(option)
#define ERESTARTSYS		512

#define __user
#define __iomem
#define __init
#define __exit
#define __force
#define __must_check
#define __acquire(x)	((void)0)
#define __release(x)	((void)0)
#define __acquires(x)
#define __releases(x)
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __always_unused	__attribute__((unused))
#define __maybe_unused	__attribute__((unused))
#define fallthrough	__attribute__((fallthrough))
#define likely(x)	(x)
#define unlikely(x)	(x)
#define barrier()	__asm__ volatile("" ::: "memory")

#undef static_assert
#define static_assert(e, ...)	_Static_assert(e, #e)
#define BUILD_BUG_ON(e)		_Static_assert(!(e), #e)
#define BUILD_BUG_ON_ZERO(e)	((int)(sizeof(struct { int : (-!!(e)); })))

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ul
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PGDIR_SHIFT	39
#define PMD_SHIFT	21
#define PUD_SHIFT	30
#define PAGE_ALIGN(x)	(((x) + PAGE_SIZE - 1) & PAGE_MASK)
#define U8_MAX		((u8)~0)
#define U16_MAX		((u16)~0)
#define U32_MAX		((u32)~0)
#define U64_MAX		((u64)~0ull)
#define NSEC_PER_MSEC	1000000ll
#define NSEC_PER_USEC	1000ll
#define NSEC_PER_SEC	1000000000ll
#define HZ		1000
#define BITS_PER_LONG	64
#define NUMA_NO_NODE	(-1)

#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define __ffs64(v)		((unsigned int)__builtin_ctzll(v))
#define hweight64(v)		((unsigned int)__builtin_popcountll(v))
#define str_has_prefix(s, p)	(strncmp(s, p, strlen(p)) ? 0 : strlen(p))
#define GENMASK(h, l)		((~0ul << (l)) & (~0ul >> (63 - (h))))
#define GENMASK_ULL(h, l)	((~0ull << (l)) & (~0ull >> (63 - (h))))
#define FIELD_SHIFT(m)		(__builtin_ctzll(m))
/* As the kernel's: a value that does not fit is a mistake. */
#define FIELD_PREP(m, v)						\
	({ u64 __fv = (u64)(v);						\
	   if (__fv & ~((u64)(m) >> FIELD_SHIFT(m)))			\
		shim_bug("FIELD_PREP(%s): value %#llx does not fit", #m, __fv);	\
	   (typeof(m))((__fv << FIELD_SHIFT(m)) & (m)); })
#define FIELD_GET(m, r)		((typeof(m))(((r) & (m)) >> FIELD_SHIFT(m)))
#define FIELD_MAX(m)		((typeof(m))((m) >> FIELD_SHIFT(m)))
#define FIELD_FIT(m, v)		(!(((u64)(v) << FIELD_SHIFT(m)) & ~(u64)(m)))

#define min(a, b)	({ typeof(a) __a = (a); typeof(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b)	({ typeof(a) __a = (a); typeof(b) __b = (b); __a > __b ? __a : __b; })
#define min_t(t, a, b)	({ t __a = (t)(a); t __b = (t)(b); __a < __b ? __a : __b; })
#define max_t(t, a, b)	({ t __a = (t)(a); t __b = (t)(b); __a > __b ? __a : __b; })
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define ALIGN(x, a)	(((x) + (a) - 1) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a) (!((x) & ((typeof(x))(a) - 1)))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define struct_size(p, m, n) (sizeof(*(p)) + sizeof((p)->m[0]) * (size_t)(n))
#define array_size(a, b)	((size_t)(a) * (b))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define upper_32_bits(n) ((u32)((n) >> 32))
#define lower_32_bits(n) ((u32)(n))
#define swap(a, b)	do { typeof(a) __t = (a); (a) = (b); (b) = __t; } while (0)
#define ilog2(n)	(63 - __builtin_clzll(n))

static inline int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }

/* ---- reports ------------------------------------------------------------- */

void shim_bug(const char *fmt, ...) __printf(1, 2);
void shim_log(const char *level, const char *fmt, ...) __printf(2, 3);

#define scnprintf(buf, size, ...) ({ int __n = snprintf(buf, size, __VA_ARGS__); (unsigned int)min_t(int, __n, (size) - 1); })
#ifndef pr_fmt
#define pr_fmt(f) f
#endif
#define pr_err(f, ...)		shim_log("err", f, ##__VA_ARGS__)
#define pr_warn(f, ...)		shim_log("warn", f, ##__VA_ARGS__)
#define pr_info(f, ...)		shim_log("info", f, ##__VA_ARGS__)
#define pr_debug(f, ...)	((void)0)
#define pr_err_ratelimited	pr_err
#define pr_warn_ratelimited	pr_warn
#define pr_info_ratelimited	pr_info
#define pr_warn_once		pr_warn
#define pr_err_once		pr_err
#define pci_err(d, f, ...)	shim_log("err", f, ##__VA_ARGS__)
#define pci_warn(d, f, ...)	shim_log("warn", f, ##__VA_ARGS__)
#define pci_info(d, f, ...)	shim_log("info", f, ##__VA_ARGS__)
#define pci_err_ratelimited	pci_err
#define pci_warn_ratelimited	pci_warn
#define dev_warn_ratelimited(d, f, ...)	shim_log("warn", f, ##__VA_ARGS__)
#define pci_dbg(d, f, ...)	((void)0)
#define WARN_ON(c)	({ bool __c = !!(c); if (__c) shim_bug("WARN_ON(%s) at %s:%d", #c, __FILE__, __LINE__); __c; })
#define WARN_ON_ONCE	WARN_ON
#define WARN(c, ...)	WARN_ON(c)
#define WARN_ONCE(c, ...) WARN_ON(c)

/* ---- errors in pointers -------------------------------------------------- */

#define MAX_ERRNO	4095
static inline void *ERR_PTR(long e) { return (void *)e; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return (unsigned long)p >= (unsigned long)-MAX_ERRNO; }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR(p); }
static inline void *ERR_CAST(const void *p) { return (void *)p; }
static inline int PTR_ERR_OR_ZERO(const void *p) { return IS_ERR(p) ? (int)PTR_ERR(p) : 0; }

/* ---- stores that hardware may see, barriers ------------------------------- */

void shim_store(const volatile void *addr, unsigned int size);
void shim_barrier(void);

#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)						\
	do {								\
		*(volatile typeof(x) *)&(x) = (v);			\
		shim_store(&(x), sizeof(x));				\
	} while (0)
#define dma_wmb()	shim_barrier()
#define dma_rmb()	barrier()
#define wmb()		shim_barrier()
#define mb()		shim_barrier()
#define smp_wmb()	barrier()
#define smp_rmb()	barrier()
#define smp_mb()	barrier()
#define smp_store_release(p, v)	do { barrier(); WRITE_ONCE(*(p), v); } while (0)
#define smp_load_acquire(p)	READ_ONCE(*(p))

void clflush_cache_range(void *addr, unsigned int size);

/* ---- atomics ------------------------------------------------------------- */

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef struct { long counter; } atomic_long_t;
#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }
#define shim_atomic_ops(n, t, c)					\
static inline c n##_read(const t *a) { return a->counter; }		\
static inline void n##_set(t *a, c v) { a->counter = v; }		\
static inline void n##_inc(t *a) { a->counter++; }			\
static inline void n##_dec(t *a) { a->counter--; }			\
static inline void n##_add(c v, t *a) { a->counter += v; }		\
static inline void n##_sub(c v, t *a) { a->counter -= v; }		\
static inline c n##_inc_return(t *a) { return ++a->counter; }		\
static inline c n##_dec_return(t *a) { return --a->counter; }		\
static inline bool n##_dec_and_test(t *a) { return !--a->counter; }	\
static inline c n##_xchg(t *a, c v) { c o = a->counter; a->counter = v; return o; }
shim_atomic_ops(atomic, atomic_t, int)
shim_atomic_ops(atomic64, atomic64_t, s64)
shim_atomic_ops(atomic_long, atomic_long_t, long)
#define xchg(p, v)	({ typeof(*(p)) __o = *(p); *(p) = (v); __o; })
#define cmpxchg(p, o, n) ({ typeof(*(p)) __c = *(p); if (__c == (o)) *(p) = (n); __c; })

typedef struct { atomic_t refs; } refcount_t;
#define REFCOUNT_INIT(n) { ATOMIC_INIT(n) }
static inline void refcount_set(refcount_t *r, int n) { r->refs.counter = n; }
static inline void refcount_inc(refcount_t *r) { if (r->refs.counter++ <= 0) shim_bug("refcount taken from 0"); }
static inline bool refcount_dec_and_test(refcount_t *r) { if (r->refs.counter <= 0) shim_bug("refcount below 0"); return !--r->refs.counter; }
static inline unsigned int refcount_read(const refcount_t *r) { return r->refs.counter; }
struct kref { refcount_t refcount; };
#define KREF_INIT(n) { .refcount = REFCOUNT_INIT(n) }
static inline void kref_init(struct kref *k) { refcount_set(&k->refcount, 1); }
static inline void kref_get(struct kref *k) { refcount_inc(&k->refcount); }
static inline int kref_get_unless_zero(struct kref *k) { return k->refcount.refs.counter ? (kref_get(k), 1) : 0; }
static inline unsigned int kref_read(const struct kref *k) { return refcount_read(&k->refcount); }
static inline int kref_put(struct kref *k, void (*release)(struct kref *))
{
	if (!refcount_dec_and_test(&k->refcount))
		return 0;
	release(k);
	return 1;
}

/* ---- bitmaps ------------------------------------------------------------- */

#define BITS_TO_LONGS(n)	(((n) + 63) / 64)
#define DECLARE_BITMAP(n, b)	unsigned long n[BITS_TO_LONGS(b)]
static inline void __set_bit(unsigned int n, unsigned long *m) { m[n / 64] |= 1ul << n % 64; }
static inline void __clear_bit(unsigned int n, unsigned long *m) { m[n / 64] &= ~(1ul << n % 64); }
static inline bool test_bit(unsigned int n, const unsigned long *m) { return m[n / 64] >> n % 64 & 1; }
static inline void __assign_bit(unsigned int n, unsigned long *m, u64 v) { if (v) __set_bit(n, m); else __clear_bit(n, m); }
static inline bool __test_and_clear_bit(unsigned int n, unsigned long *m) { bool o = test_bit(n, m); __clear_bit(n, m); return o; }
static inline bool __test_and_set_bit(unsigned int n, unsigned long *m) { bool o = test_bit(n, m); __set_bit(n, m); return o; }
#define set_bit __set_bit
#define clear_bit __clear_bit
#define assign_bit __assign_bit
#define test_and_set_bit __test_and_set_bit
#define test_and_clear_bit __test_and_clear_bit
static inline void bitmap_zero(unsigned long *m, unsigned int n) { memset(m, 0, BITS_TO_LONGS(n) * 8); }
static inline void bitmap_fill(unsigned long *m, unsigned int n) { memset(m, 0xff, BITS_TO_LONGS(n) * 8); }
static inline unsigned int find_next_bit(const unsigned long *m, unsigned int size, unsigned int at)
{
	while (at < size) {
		unsigned long w = m[at / 64] >> at % 64;

		if (w) {
			at += __builtin_ctzl(w);
			return at < size ? at : size;
		}
		at = (at | 63) + 1;
	}
	return size;
}
static inline unsigned int find_first_bit(const unsigned long *m, unsigned int size) { return find_next_bit(m, size, 0); }
static inline bool bitmap_empty(const unsigned long *m, unsigned int n) { return find_first_bit(m, n) == n; }
static inline unsigned int bitmap_weight(const unsigned long *m, unsigned int n) { unsigned int i, c = 0; for (i = 0; i < n; i++) c += test_bit(i, m); return c; }
#define for_each_set_bit(b, m, s) \
	for ((b) = find_first_bit(m, s); (b) < (s); (b) = find_next_bit(m, s, (b) + 1))

/* ---- lists --------------------------------------------------------------- */

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
#define LIST_HEAD_INIT(n)	{ &(n), &(n) }
#define LIST_HEAD(n)		struct list_head n = LIST_HEAD_INIT(n)
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void shim_list_link(struct list_head *n, struct list_head *p, struct list_head *x)
{
	if (x->prev != p || p->next != x)
		shim_bug("list corruption at %p", (void *)x);
	n->next = x; n->prev = p; p->next = n; x->prev = n;
}
static inline void list_add(struct list_head *n, struct list_head *h) { shim_list_link(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { shim_list_link(n, h->prev, h); }
static inline void list_del(struct list_head *n)
{
	if (!n->next || n->prev->next != n || n->next->prev != n)
		shim_bug("list_del of an entry on no list");
	n->prev->next = n->next; n->next->prev = n->prev; n->next = n->prev = NULL;
}
static inline void list_del_init(struct list_head *n)
{
	n->prev->next = n->next; n->next->prev = n->prev; INIT_LIST_HEAD(n);
}
static inline void list_move(struct list_head *n, struct list_head *h) { list_del(n); list_add(n, h); }
static inline void list_move_tail(struct list_head *n, struct list_head *h) { list_del(n); list_add_tail(n, h); }
static inline bool list_empty(const struct list_head *h) { return h->next == h; }
static inline bool list_is_last(const struct list_head *n, const struct list_head *h) { return n->next == h; }
static inline void list_splice_init(struct list_head *l, struct list_head *h)
{
	if (list_empty(l))
		return;
	l->next->prev = h; l->prev->next = h->next; h->next->prev = l->prev; h->next = l->next;
	INIT_LIST_HEAD(l);
}
static inline void list_splice_tail_init(struct list_head *l, struct list_head *h) { list_splice_init(l, h->prev); }
#define list_entry		container_of
#define list_first_entry(h, t, m) list_entry((h)->next, t, m)
#define list_last_entry(h, t, m) list_entry((h)->prev, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_next_entry(p, m)	list_entry((p)->m.next, typeof(*(p)), m)
#define list_prev_entry(p, m)	list_entry((p)->m.prev, typeof(*(p)), m)
#define list_entry_is_head(p, h, m) (&(p)->m == (h))
#define list_for_each_entry(p, h, m)					\
	for (p = list_first_entry(h, typeof(*p), m);			\
	     !list_entry_is_head(p, h, m); p = list_next_entry(p, m))
#define list_for_each_entry_reverse(p, h, m)				\
	for (p = list_last_entry(h, typeof(*p), m);			\
	     !list_entry_is_head(p, h, m); p = list_prev_entry(p, m))
#define list_for_each_entry_safe(p, n, h, m)				\
	for (p = list_first_entry(h, typeof(*p), m), n = list_next_entry(p, m); \
	     !list_entry_is_head(p, h, m); p = n, n = list_next_entry(n, m))
#define list_for_each_entry_from(p, h, m)				\
	for (; !list_entry_is_head(p, h, m); p = list_next_entry(p, m))
#define list_for_each_entry_continue(p, h, m)				\
	for (p = list_next_entry(p, m); !list_entry_is_head(p, h, m); p = list_next_entry(p, m))
#define list_for_each_entry_continue_reverse(p, h, m)			\
	for (p = list_prev_entry(p, m); !list_entry_is_head(p, h, m); p = list_prev_entry(p, m))
#define list_for_each_entry_rcu(p, h, m, ...) list_for_each_entry(p, h, m)

static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (n->next)
		n->next->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}
static inline bool hlist_unhashed(const struct hlist_node *n) { return !n->pprev; }
static inline void hlist_del(struct hlist_node *n)
{
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->next = NULL; n->pprev = NULL;
}
#define hlist_del_init hlist_del
#define hlist_entry_safe(p, t, m) ({ typeof(p) __p = (p); __p ? container_of(__p, t, m) : NULL; })
#define DEFINE_HASHTABLE(n, b)	struct hlist_head n[1 << (b)]
#define DECLARE_HASHTABLE(n, b)	struct hlist_head n[1 << (b)]
#define hash_init(t)		memset(t, 0, sizeof(t))
/* All in one: who forgets to compare keys finds a wrong one. */
#define hash_bucket(t, k)	((void)(k), 0)
#define hash_add(t, n, k)	hlist_add_head(n, &(t)[hash_bucket(t, k)])
#define hash_del(n)		hlist_del(n)
#define hash_for_each_possible(t, o, m, k)				\
	for (o = hlist_entry_safe((t)[hash_bucket(t, k)].first, typeof(*o), m); \
	     o; o = hlist_entry_safe(o->m.next, typeof(*o), m))
#define hash_for_each(t, b, o, m)					\
	for ((b) = 0; (b) < (int)ARRAY_SIZE(t); (b)++)			\
		for (o = hlist_entry_safe((t)[b].first, typeof(*o), m);	\
		     o; o = hlist_entry_safe(o->m.next, typeof(*o), m))

/* ---- xarray and ida: a sorted array --------------------------------------- */

struct shim_xa_slot { unsigned long index; void *entry; };
struct xarray { struct shim_xa_slot *slots; size_t n, room; unsigned int flags; };
struct xa_limit { u32 min, max; };
typedef unsigned int xa_mark_t;
#define XA_FLAGS_ALLOC		1u
#define XA_FLAGS_ALLOC1		2u
#define XA_FLAGS_LOCK_BH	0u
#define XA_FLAGS_LOCK_IRQ	0u
#define XA_PRESENT		((xa_mark_t)8)
#define XA_LIMIT(lo, hi)	((struct xa_limit){ (lo), (hi) })
#define xa_limit_31b		XA_LIMIT(0, INT_MAX)
#define xa_limit_32b		XA_LIMIT(0, UINT_MAX)
#define XARRAY_INIT(n, f)	{ .flags = (f) }
#define DEFINE_XARRAY(n)	struct xarray n = XARRAY_INIT(n, 0)
#define DEFINE_XARRAY_ALLOC(n)	struct xarray n = XARRAY_INIT(n, XA_FLAGS_ALLOC)
#define DEFINE_XARRAY_ALLOC1(n)	struct xarray n = XARRAY_INIT(n, XA_FLAGS_ALLOC1)
static inline void xa_init_flags(struct xarray *xa, unsigned int f) { memset(xa, 0, sizeof(*xa)); xa->flags = f; }
static inline void xa_init(struct xarray *xa) { xa_init_flags(xa, 0); }
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m);
void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m);
void xa_destroy(struct xarray *xa);
static inline bool xa_empty(const struct xarray *xa) { return !xa->n; }
static inline int xa_err(void *e) { return IS_ERR(e) ? (int)PTR_ERR(e) : 0; }
static inline bool xa_is_err(void *e) { return IS_ERR(e); }
#define xa_for_each(xa, i, e)						\
	for (i = 0, e = xa_find(xa, &i, ULONG_MAX, XA_PRESENT); e;	\
	     e = xa_find_after(xa, &i, ULONG_MAX, XA_PRESENT))
#define xa_for_each_start(xa, i, e, s)					\
	for (i = (s), e = xa_find(xa, &i, ULONG_MAX, XA_PRESENT); e;	\
	     e = xa_find_after(xa, &i, ULONG_MAX, XA_PRESENT))
#define xa_lock(xa)	((void)0)
#define xa_unlock(xa)	((void)0)

struct ida { struct xarray xa; };
#define DEFINE_IDA(n)	struct ida n
static inline void ida_init(struct ida *ida) { xa_init(&ida->xa); }
void shim_ida_check(bool empty);
static inline void ida_destroy(struct ida *ida) { shim_ida_check(xa_empty(&ida->xa)); xa_destroy(&ida->xa); }
int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp);
void ida_free(struct ida *ida, unsigned int id);
static inline bool ida_is_empty(const struct ida *ida) { return xa_empty(&ida->xa); }

/* ---- tasks, locks, waiting ------------------------------------------------ */

#define TASK_COMM_LEN	16
struct mm_struct;
struct task_struct {
	struct mm_struct *mm;
	struct task_struct *group_leader;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned int uid;
	bool admin;
	bool signal;		/* interruptible waits fail */
	u64 dropped;		/* capabilities that @admin does not bring */
	/* shim_tasks.c */
	void *held[16];
	unsigned int nr_held;
	unsigned int spins;
	unsigned int atomic;	/* sleeping is forbidden: why is the caller's */
};
struct task_struct *shim_current(void);
#define current shim_current()
static inline pid_t task_tgid_nr(struct task_struct *t) { return t->pid; }
static inline char *shim_get_comm(char *b, struct task_struct *t) { return memcpy(b, t->comm, TASK_COMM_LEN); }
#define get_task_comm(b, t) shim_get_comm(b, t)
#define fatal_signal_pending(t)	((t)->signal)
#define signal_pending(t)	((t)->signal)
#define cond_resched()		shim_might_sleep("cond_resched")

struct shim_lock { struct task_struct *owner; const char *name; bool spin; };
typedef struct { struct shim_lock l; } spinlock_t;
struct mutex { struct shim_lock l; };
struct rw_semaphore { struct shim_lock l; };
void shim_lock_acquire(struct shim_lock *l);
bool shim_lock_try(struct shim_lock *l);
void shim_lock_release(struct shim_lock *l);
void shim_lock_assert(struct shim_lock *l, const char *what, int line);
void shim_might_sleep(const char *what);
void shim_cpu_relax(void);

#define DEFINE_MUTEX(n)		struct mutex n = { { .name = #n } }
#define mutex_init(m)		(*(m) = (struct mutex){ { .name = #m } })
#define mutex_destroy(m)	((void)(m))
#define __SPIN_LOCK_UNLOCKED(n)	{ { .name = #n, .spin = true } }
#define DEFINE_SPINLOCK(n)	spinlock_t n = __SPIN_LOCK_UNLOCKED(n)
#define spin_lock_init(s)	(*(s) = (spinlock_t){ { .name = #s, .spin = true } })
static inline void mutex_lock(struct mutex *m) { shim_lock_acquire(&m->l); }
static inline void mutex_unlock(struct mutex *m) { shim_lock_release(&m->l); }
bool shim_signal_comes(void);
static inline int mutex_lock_interruptible(struct mutex *m)
{
	if (current->signal || shim_signal_comes())
		return -EINTR;
	mutex_lock(m);
	return 0;
}
#define mutex_lock_killable mutex_lock_interruptible
static inline bool mutex_trylock(struct mutex *m) { return shim_lock_try(&m->l); }
static inline bool mutex_is_locked(struct mutex *m) { return m->l.owner; }
static inline void spin_lock(spinlock_t *s) { shim_lock_acquire(&s->l); }
static inline void spin_unlock(spinlock_t *s) { shim_lock_release(&s->l); }
static inline bool spin_trylock(spinlock_t *s) { return shim_lock_try(&s->l); }
#define spin_lock_irq		spin_lock
#define spin_unlock_irq		spin_unlock
#define spin_lock_bh		spin_lock
#define spin_unlock_bh		spin_unlock
#define spin_lock_nested(l, n)	spin_lock(l)
#define spin_lock_irqsave(l, f)	do { (f) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, f) do { (void)(f); spin_unlock(l); } while (0)
#define lockdep_assert_held(x)	shim_lock_assert((struct shim_lock *)(x), #x, __LINE__)
#define lockdep_assert_not_held(x) ((void)(x))
#define lockdep_is_held(x)	(((struct shim_lock *)(x))->owner == current)
#define might_sleep()		shim_might_sleep("might_sleep")
#define cpu_relax()		shim_cpu_relax()
#define rcu_read_lock()		((void)0)
#define rcu_read_unlock()	((void)0)
#define synchronize_rcu()	shim_might_sleep("synchronize_rcu")

u64 shim_time_ns(void);
#define ktime_get_mono_fast_ns	shim_time_ns
#define ktime_get_ns		shim_time_ns
#define jiffies			(shim_time_ns() / 1000000)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define msecs_to_jiffies(m)	(m)
void shim_delay_us(unsigned int us);
#define udelay			shim_delay_us
#define usleep_range(a, b)	(shim_might_sleep("usleep_range"), shim_delay_us(a))
#define msleep(m)		(shim_might_sleep("msleep"), shim_delay_us((m) * 1000))

typedef struct { int unused; } wait_queue_head_t;
typedef struct { int unused; } poll_table;
struct file { void *private_data; unsigned int f_flags; };
#define O_NONBLOCK 04000
#define offsetofend(t, m) (offsetof(t, m) + sizeof(((t *)0)->m))
struct inode { int unused; };
struct file_operations {
	void *owner;
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	ssize_t (*read)(struct file *file, char *buf, size_t count, loff_t *pos);
	__poll_t (*poll)(struct file *file, poll_table *wait);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long data);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long data);
};
#define nonseekable_open(i, f)	((void)(i), (void)(f), 0)
#define compat_ptr_ioctl	NULL
#define MISC_DYNAMIC_MINOR	255
struct miscdevice { int minor; const char *name; const struct file_operations *fops; unsigned int mode; };
extern struct miscdevice *shim_misc;	/* the one that was registered */
static inline int misc_register(struct miscdevice *m) { shim_misc = m; return 0; }
static inline void misc_deregister(struct miscdevice *m) { shim_misc = NULL; (void)m; }
#define init_waitqueue_head(w)	((void)(w))
#define wake_up_interruptible(w) ((void)(w))
#define wake_up_all(w)		((void)(w))
#define wake_up(w)		((void)(w))
#define poll_wait(f, w, p)	((void)(f), (void)(w), (void)(p))
#define EPOLLIN			1u
#define EPOLLRDNORM		0x40u
#define wait_event_interruptible(w, c)					\
	({ int __e = 0;							\
	   while (!(c)) {						\
		if (current->signal) { __e = -ERESTARTSYS; break; }	\
		shim_sleep_once();					\
	   }								\
	   __e; })
#define wait_event(w, c)	do { while (!(c)) shim_sleep_once(); } while (0)
void shim_sleep_once(void);
struct completion { bool done; };
#define init_completion(c)	((c)->done = false)
#define complete(c)		((c)->done = true)
#define wait_for_completion(c)	do { while (!(c)->done) shim_sleep_once(); } while (0)

/* ---- work ---------------------------------------------------------------- */

struct work_struct;
typedef void (*work_func_t)(struct work_struct *);
struct work_struct { struct list_head node; work_func_t func; bool pending, running; };
struct delayed_work { struct work_struct work; };
struct workqueue_struct { int unused; };
extern struct workqueue_struct shim_wq;
#define WQ_HIGHPRI	1
#define WQ_UNBOUND	2
#define WQ_MEM_RECLAIM	4
#define WQ_FREEZABLE	8
#define system_wq		(&shim_wq)
#define system_unbound_wq	(&shim_wq)
#define system_highpri_wq	(&shim_wq)
#define INIT_WORK(w, f)		do { memset(w, 0, sizeof(*(w))); INIT_LIST_HEAD(&(w)->node); (w)->func = (f); } while (0)
#define INIT_DELAYED_WORK(w, f)	INIT_WORK(&(w)->work, f)
#define to_delayed_work(w)	container_of(w, struct delayed_work, work)
bool shim_queue_work(struct work_struct *w);
bool shim_cancel_work_sync(struct work_struct *w);
bool shim_flush_work(struct work_struct *w);
#define schedule_work(w)		shim_queue_work(w)
#define queue_work(q, w)		((void)(q), shim_queue_work(w))
#define schedule_delayed_work(w, d)	((void)(d), shim_queue_work(&(w)->work))
#define queue_delayed_work(q, w, d)	((void)(q), (void)(d), shim_queue_work(&(w)->work))
#define mod_delayed_work(q, w, d)	((void)(q), (void)(d), shim_queue_work(&(w)->work))
#define cancel_work_sync(w)		shim_cancel_work_sync(w)
#define cancel_delayed_work_sync(w)	shim_cancel_work_sync(&(w)->work)
#define flush_work(w)			shim_flush_work(w)
#define flush_delayed_work(w)		shim_flush_work(&(w)->work)
#define alloc_workqueue(...)		(shim_alloc_fails() ? NULL : &shim_wq)
#define alloc_ordered_workqueue(...)	(shim_alloc_fails() ? NULL : &shim_wq)
#define flush_workqueue(q)		shim_flush_all()
#define drain_workqueue(q)		shim_flush_all()
#define destroy_workqueue(q)		((void)(q), shim_flush_all())
void shim_flush_all(void);

struct ratelimit_state { int unused; };
#define DEFINE_RATELIMIT_STATE(n, i, b) struct ratelimit_state n
#define __ratelimit(r)		((void)(r), true)

/* ---- memory -------------------------------------------------------------- */

#define GFP_KERNEL		1u
#define GFP_KERNEL_ACCOUNT	1u
#define GFP_USER		1u
#define GFP_ATOMIC		2u
#define GFP_NOWAIT		2u
#define __GFP_ZERO		4u
#define __GFP_NOWARN		0u
#define __GFP_ACCOUNT		0u
bool shim_alloc_fails(void);
void shim_alloc_checks(gfp_t gfp);
void *shim_kmalloc(size_t size, gfp_t gfp, bool zero);
void kfree(const void *p);
#define kvfree(p)		kfree(p)
#define kmalloc(s, g)		shim_kmalloc(s, g, false)
#define kzalloc(s, g)		shim_kmalloc(s, g, true)
#define kcalloc(n, s, g)	shim_kmalloc((size_t)(n) * (s), g, true)
#define kmalloc_array(n, s, g)	shim_kmalloc((size_t)(n) * (s), g, false)
#define kvcalloc		kcalloc
#define kvmalloc		kmalloc
#define kvzalloc		kzalloc
#define kvmalloc_array		kmalloc_array
unsigned long __get_free_pages(gfp_t gfp, unsigned int order);
void free_pages(unsigned long addr, unsigned int order);
#define get_zeroed_page(g)	__get_free_pages((g) | __GFP_ZERO, 0)
#define __get_free_page(g)	__get_free_pages(g, 0)
#define free_page(a)		free_pages(a, 0)
struct kmem_cache;
#define SLAB_ACCOUNT		0
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*construct)(void *object));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);
u64 virt_to_phys(const volatile void *p);
void *phys_to_virt(u64 phys);
#define __pa(p)			virt_to_phys((void *)(p))
#define __va(p)			phys_to_virt(p)

/* ---- registers ----------------------------------------------------------- */

u64 model_mmio_read(const volatile void *addr, unsigned int size);
void model_mmio_write(volatile void *addr, unsigned int size, u64 v);
void *ioremap(u64 base, unsigned long size);
void iounmap(volatile void *addr);
static inline u32 readl(const volatile void *a) { return model_mmio_read(a, 4); }
static inline u64 readq(const volatile void *a) { return model_mmio_read(a, 8); }
static inline void writel(u32 v, volatile void *a) { shim_barrier(); model_mmio_write(a, 4, v); }
static inline void writeq(u64 v, volatile void *a) { shim_barrier(); model_mmio_write(a, 8, v); }
#define readl_poll_timeout_atomic(addr, val, cond, delay, timeout)	\
	({ u64 __end = shim_time_ns() + (u64)(timeout) * 1000;		\
	   int __e = 0;							\
	   for (;;) {							\
		(val) = readl(addr);					\
		if (cond) break;					\
		if (shim_time_ns() > __end) { __e = -ETIMEDOUT; break; } \
		shim_delay_us(delay); cpu_relax();			\
	   }								\
	   __e; })
#define readl_poll_timeout readl_poll_timeout_atomic

/* ---- CPU ----------------------------------------------------------------- */

#define X86_FEATURE_HYPERVISOR	1
#define X86_FEATURE_GBPAGES	2
bool boot_cpu_has(int feature);
extern bool shim_bare_metal;	/* no hypervisor */
static inline unsigned int cpuid_ecx(unsigned int leaf) { return leaf == 1 && !shim_bare_metal ? 1u << 31 : 0; }
static const struct { int cpuid_level; } boot_cpu_data = { 7 };
#define x86_cpu_to_apicid	0
#define per_cpu(var, cpu)	((void)(cpu), (var))
#define for_each_online_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define LOCKDOWN_PCI_ACCESS	1
#define security_locked_down(what) (0)
extern bool shim_l5;
#define pgtable_l5_enabled()	shim_l5
extern int intel_iommu_enabled;
#define CONFIG_INTEL_IOMMU	1

/* ---- address spaces (mm.c) ------------------------------------------------ */

typedef struct { u64 pgd; } pgd_t;
#define pgd_val(p)	((p).pgd)
struct vm_area_struct { unsigned long vm_start, vm_end, vm_flags; struct file *vm_file;
	struct mm_struct *vm_mm; };
struct mm_struct {
	pgd_t *pgd;
	atomic_long_t hugetlb_usage;
	struct list_head notifiers;
	atomic_t mm_users;
	atomic_t mm_count;
	struct mutex mmap_lock;
	struct shim_lock ptl;
	bool released;
	unsigned int callbacks;
	unsigned int id;
};
struct mmu_notifier;
struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *mn, struct mm_struct *mm);
	void (*arch_invalidate_secondary_tlbs)(struct mmu_notifier *mn,
					       struct mm_struct *mm,
					       unsigned long start, unsigned long end);
	void (*free_notifier)(struct mmu_notifier *mn);
};
struct mmu_notifier {
	struct list_head node;
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned int users;
};
int mmu_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *mn);
void shim_notifiers_settle(void);
/* What frees notifiers is all that anybody waits for like this. */
#define wait_var_event(v, cond)	do { shim_notifiers_settle(); \
	if (!(cond)) abort(); } while (0)
#define wake_up_var(v)		((void)(v))
void mmgrab(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);
bool mmget_not_zero(struct mm_struct *mm);
void mmput(struct mm_struct *mm);
#define mmput_async mmput
static inline void mmap_read_lock(struct mm_struct *mm) { mutex_lock(&mm->mmap_lock); }
static inline void mmap_read_unlock(struct mm_struct *mm) { mutex_unlock(&mm->mmap_lock); }
#define VM_READ		1ul
#define VM_NONE		0
#define VM_SHADOW_STACK	(1ul << 37)
#define VM_WRITE	2ul
#define FAULT_FLAG_REMOTE 1u
#define FAULT_FLAG_WRITE 2u
#define FAULT_FLAG_ALLOW_RETRY 4u
#define FAULT_FLAG_RETRY_NOWAIT 8u
#define VM_FAULT_RETRY	1u
#define VM_FAULT_SIGSEGV	2u
#define VM_FAULT_ERROR	VM_FAULT_SIGSEGV
#define VM_FAULT_COMPLETED	4u
#define FAULT_FLAG_KILLABLE	16u
#define data_race(expr)	(expr)
#define vma_is_anonymous(vma)	(!(vma)->vm_file)
typedef unsigned int vm_fault_t;
static inline bool mmap_read_trylock(struct mm_struct *mm) { return mutex_trylock(&mm->mmap_lock); }
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags,
			   void *regs);
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
int fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags, bool *unlocked);

/* ---- users --------------------------------------------------------------- */

typedef struct { unsigned int val; } kuid_t;
#define KUIDT_INIT(v)		((kuid_t){ (v) })
#define __kuid_val(u)		((u).val)
#define uid_eq(a, b)		((a).val == (b).val)
#define current_uid()		KUIDT_INIT(current->uid)
#define CAP_SYS_ADMIN		21
#define CAP_SYS_RAWIO		17
#define CAP_IPC_LOCK		14
#define capable(c)		(current->admin && !(current->dropped >> (c) & 1))
unsigned long copy_to_user(void *to, const void *from, unsigned long n);
unsigned long copy_from_user(void *to, const void *from, unsigned long n);
int copy_struct_from_user(void *to, size_t ksize, const void *from, size_t usize);
#define get_user(x, p)	(copy_from_user(&(x), (p), sizeof(*(p))) ? -EFAULT : 0)
/* If set, the only memory that a user has. */
extern u8 *shim_user;
extern size_t shim_user_size;
extern bool shim_user_readonly;	/* copy_to_user() fails */

/* ---- modules ------------------------------------------------------------- */

#define TAINT_USER	0
#define LOCKDEP_STILL_OK 0
extern unsigned int shim_tainted;
#define add_taint(a, b)	((void)(b), (void)(shim_tainted |= 1u << (a)))
#define THIS_MODULE	NULL
#define __module_get(m)	((void)(m))
#define module_put(m)	((void)(m))
#define try_module_get(m) true

/* ---- ACPI ---------------------------------------------------------------- */

struct device;
typedef u32 acpi_status;
#define ACPI_SIG_DMAR		"DMAR"
#define ACPI_FAILURE(s)		((s) != 0)
#define ACPI_DMAR_TYPE_HARDWARE_UNIT	0
#define ACPI_DMAR_TYPE_RESERVED_MEMORY	1
#define ACPI_DMAR_TYPE_ROOT_ATS		2
#define ACPI_DMAR_TYPE_HARDWARE_AFFINITY 3
#define ACPI_DMAR_TYPE_NAMESPACE	4
#define ACPI_DMAR_TYPE_SATC		5
#define ACPI_DMAR_INCLUDE_ALL		1
#define ACPI_DMAR_ALLOW_ALL		1
#define ACPI_DMAR_SCOPE_TYPE_ENDPOINT	1
#define ACPI_DMAR_SCOPE_TYPE_BRIDGE	2
#define ACPI_DMAR_SCOPE_TYPE_IOAPIC	3
#define ACPI_DMAR_SCOPE_TYPE_HPET	4
#define ACPI_DMAR_SCOPE_TYPE_NAMESPACE	5
struct acpi_table_header { char signature[4]; u32 length; u8 rest[28]; };
acpi_status acpi_get_table(const char *sig, u32 instance, struct acpi_table_header **out);
#define acpi_put_table(t)	((void)(t))

/* ---- PCI (pci.c) ---------------------------------------------------------- */

struct device;
struct dev_pm_ops { int (*suspend)(struct device *d); int (*resume)(struct device *d); };
struct device_driver { const char *name; const char *mod_name; const struct dev_pm_ops *pm; };
#define DEFINE_SIMPLE_DEV_PM_OPS(n, s, r) const struct dev_pm_ops n = { s, r }
#define pm_sleep_ptr(p)	(p)
struct device {
	struct device_driver *driver;
	struct mutex mutex;
	bool registered;
	int awake;		/* who wants it so (runtime PM) */
};
static inline int pm_runtime_get_sync(struct device *dev) { return dev->awake++ ? 1 : 0; }
static inline void pm_runtime_get_noresume(struct device *dev) { dev->awake++; }
static inline int pm_runtime_put(struct device *dev) { dev->awake--; return 0; }
struct bus_type { const char *name; };
struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
	struct notifier_block *next;
};
#define NOTIFY_DONE	0
#define NOTIFY_OK	1
#define NOTIFY_BAD	0x8002
#define BUS_NOTIFY_ADD_DEVICE		0
#define BUS_NOTIFY_DEL_DEVICE		1
#define BUS_NOTIFY_REMOVED_DEVICE	2
#define BUS_NOTIFY_BIND_DRIVER		3
#define BUS_NOTIFY_BOUND_DRIVER		4
#define BUS_NOTIFY_UNBIND_DRIVER	5
#define BUS_NOTIFY_UNBOUND_DRIVER	6
#define BUS_NOTIFY_DRIVER_NOT_BOUND	7
extern struct bus_type pci_bus_type;
int bus_register_notifier(struct bus_type *bus, struct notifier_block *nb);
int bus_unregister_notifier(struct bus_type *bus, struct notifier_block *nb);
static inline void device_lock(struct device *d) { mutex_lock(&d->mutex); }
#define device_lock_interruptible(d) mutex_lock_interruptible(&(d)->mutex)
static inline void device_unlock(struct device *d) { mutex_unlock(&d->mutex); }
static inline bool device_trylock(struct device *d) { return mutex_trylock(&d->mutex); }
#define device_lock_assert(d)	lockdep_assert_held(&(d)->mutex)
#define device_is_registered(d)	((d)->registered)

struct pci_dev;
struct pci_sysdata { struct pci_dev *vmd_dev; };
struct pci_bus { u8 number; int domain; struct pci_bus *parent; struct pci_dev *self; struct pci_sysdata *sysdata; };
#define is_vmd(bus)		((bus)->sysdata)
#define to_pci_sysdata(bus)	((bus)->sysdata)
struct pci_device_id { u32 unused; };
struct pci_driver {
	const char *name;
	int (*probe)(struct pci_dev *pdev, const struct pci_device_id *id);
	void (*remove)(struct pci_dev *pdev);
	void (*shutdown)(struct pci_dev *pdev);
	bool driver_managed_dma;
	struct device_driver driver;
};
#define to_pci_driver(d) container_of(d, struct pci_driver, driver)
#define to_pci_dev(d)	 container_of(d, struct pci_dev, dev)
#define pci_get_drvdata(d) ((d)->drvdata)
#define pci_set_drvdata(d, v) ((d)->drvdata = (v))
#define pci_channel_io_perm_failure 3
struct pci_dev {
	struct list_head node;
	struct device dev;
	struct pci_bus *bus;
	struct pci_bus *subordinate;
	unsigned int devfn;
	u8 hdr_type;
	u16 dev_flags;
	unsigned long *dma_alias_mask;
	u32 class;
	bool eetlp_prefix_path, pasid_no_tlp;
	u8 reset_methods[8];
	bool untrusted, multifunction, is_virtfn, is_physfn, ats_enabled, pasid_enabled, pri_enabled, is_busmaster;
	u32 pri_reqs_alloc;
	int error_state;
	u16 vendor, device;
	u32 saved_config_space[16];
	u16 ats_cap;
	int pcie_type;		/* PCI_EXP_TYPE_*, -1: conventional */
	bool present;
	bool resetting;		/* it is there, but its config space is not */
	int refs;
	u8 config[4096];
	void *drvdata;
	/* what the function is */
	unsigned int pasid_width;
	bool has_pri;
	bool has_acs;		/* no port, but has the capability */
	struct pci_dev *physfn;	/* of a virtual function */
	bool ats_fails;		/* pci_enable_ats() does */
	bool pasid_fails;	/* pci_enable_pasid() does */
	bool enable_fails;	/* pci_enable_device() does */
	bool slept;		/* without power; what was on is off */
	bool forgetful;		/* its capabilities cannot be switched on any more */
	unsigned int resets;
	struct pci_driver *match;	/* driver_override */
};
#define PCI_VENDOR_ID_INTEL	0x8086
#define PCI_CLASS_SERIAL_USB	0x0c03
#define PCI_BASE_CLASS_DISPLAY	0x03
#define PCI_DEV_FLAG_PCIE_BRIDGE_ALIAS 1
#define PCI_DEV_FLAGS_PCIE_BRIDGE_ALIAS 1
#ifndef PCI_DEVFN
#define PCI_DEVFN(d, f)	((((d) & 0x1f) << 3) | ((f) & 7))
#endif
#define PCI_SLOT(d)	(((d) >> 3) & 0x1f)
#define PCI_FUNC(d)	((d) & 7)
#define PCI_DEVID(b, d)	((u16)((((u16)(b)) << 8) | (d)))
#define PCI_BUS_NUM(x)	(((x) >> 8) & 0xff)
static inline u16 pci_dev_id(struct pci_dev *d) { return PCI_DEVID(d->bus->number, d->devfn); }
static inline int pci_domain_nr(struct pci_bus *b) { return b->domain; }
static inline bool pci_is_root_bus(struct pci_bus *b) { return !b->parent; }
static inline struct pci_dev *pci_physfn(struct pci_dev *d) { return d->physfn ?: d; }
static inline struct pci_dev *pci_upstream_bridge(struct pci_dev *d) { return d->bus->self; }
static inline bool pci_is_pcie(struct pci_dev *d) { return d->pcie_type >= 0; }
static inline int pci_pcie_type(struct pci_dev *d) { return d->pcie_type; }
const char *pci_name(const struct pci_dev *d);
struct pci_dev *pci_dev_get(struct pci_dev *d);
void pci_dev_put(struct pci_dev *d);
struct pci_dev *pci_get_domain_bus_and_slot(int domain, unsigned int bus, unsigned int devfn);
struct pci_dev *shim_next_pci_dev(struct pci_dev *from);
#define for_each_pci_dev(d)	while ((d = shim_next_pci_dev(d)))
int pci_read_config_word(struct pci_dev *d, int where, u16 *v);
int pci_write_config_word(struct pci_dev *d, int where, u16 v);
int pci_read_config_dword(struct pci_dev *d, int where, u32 *v);
int pci_write_config_dword(struct pci_dev *d, int where, u32 v);
int pci_find_ext_capability(struct pci_dev *d, int cap);
int pci_max_pasids(struct pci_dev *d);
int pci_pasid_features(struct pci_dev *d);
int pci_enable_pasid(struct pci_dev *d, int features);
void pci_disable_pasid(struct pci_dev *d);
bool pci_ats_supported(struct pci_dev *d);
int pci_enable_ats(struct pci_dev *d, int ps);
void pci_disable_ats(struct pci_dev *d);
bool pci_pri_supported(struct pci_dev *d);
int pci_ats_queue_depth(struct pci_dev *d);
void pci_set_master(struct pci_dev *d);
void pci_clear_master(struct pci_dev *d);
int pci_reset_function_locked(struct pci_dev *d);
bool pci_device_is_present(struct pci_dev *d);
int pci_enable_device(struct pci_dev *d);
void pci_disable_device(struct pci_dev *d);
int pci_register_driver(struct pci_driver *drv);
void pci_unregister_driver(struct pci_driver *drv);

/* ---- sleep and reboot (sleep.c) ------------------------------------------ */

#define PM_HIBERNATION_PREPARE	1
#define PM_POST_HIBERNATION	2
#define PM_SUSPEND_PREPARE	3
#define PM_POST_SUSPEND		4
#define PM_RESTORE_PREPARE	5
#define PM_POST_RESTORE		6
struct syscore_ops { int (*suspend)(void); void (*resume)(void); };
int register_reboot_notifier(struct notifier_block *nb);
int unregister_reboot_notifier(struct notifier_block *nb);
int register_pm_notifier(struct notifier_block *nb);
int unregister_pm_notifier(struct notifier_block *nb);
void register_syscore_ops(struct syscore_ops *ops);
void unregister_syscore_ops(struct syscore_ops *ops);

/* ---- interrupts ----------------------------------------------------------- */

typedef int irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *data);
#define IRQ_HANDLED	1
#define IRQ_NONE	0

#endif /* SHIM_H */
