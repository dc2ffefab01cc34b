/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - what the parts of the harness know of each other
 *
 *	shim*.c	the kernel that src/ runs on: tasks, locks, work; memory; the rest
 *	pci.c	functions, their config space and driver changes
 *	sleep.c	suspend, resume, reboot
 *	mm.c	address spaces: page tables, and the notifier as the kernel calls it
 *	model*.c	the VT-d units, and the device TLBs of functions
 *	world*.c	a machine made of these, operations on it, and who may reach what
 */
#ifndef HOST_H
#define HOST_H

#include "shim.h"

/* ---- chance -------------------------------------------------------------- */

void rnd_seed(u64 seed);
u32 rnd(void);
static inline u32 rnd_below(u32 n) { return n ? rnd() % n : 0; }
static inline bool one_in(u32 n) { return n && !(rnd() % n); }

/* ---- failures ------------------------------------------------------------ */

/* Report a broken rule; @rule is short and without numbers, to compare runs. */
void fail_rule(const char *rule, const char *fmt, ...) __printf(2, 3);
extern unsigned int fail_count;
extern char fail_first[64];	/* rule of the first failure */
extern bool fail_exits;		/* end the process at the first */
extern bool fail_quiet;
extern bool host_verbose;
extern bool shim_bare_metal;	/* no hypervisor */
extern void (*fail_notify)(const char *rule);
void fail_reset(void);

/* ---- tasks --------------------------------------------------------------- */

struct co;
typedef void (*co_fn)(void *arg);
struct co *co_start(const char *name, struct mm_struct *mm, co_fn fn, void *arg);
struct task_struct *co_task(struct co *co);
bool co_done(const struct co *co);	/* valid until the next co_start() */
bool co_step(void);		/* let one task run a while; false: there is none */
void co_finish(void);		/* run all to their ends, works excepted */
unsigned int co_active(void);
void co_dump(void);
void sched_point(void);		/* others, and hardware, may act now */
extern unsigned int sched_preempt;	/* one in so many points; 0: never */
extern void (*sched_hook)(void);	/* called at each point, if set */
extern void (*relax_hook)(void);	/* called at each cpu_relax() */
bool shim_run_work(void);	/* start one pending work as a task */
unsigned int shim_works_pending(void);
void shim_settle(void);		/* deferred frees of notifiers, all tasks */
void shim_advance_ns(u64 ns);

/* ---- memory -------------------------------------------------------------- */

enum page_kind { PK_NONE, PK_ROOT, PK_CTX, PK_DIR, PK_LEAF, PK_FSROOT, PK_FSTABLE };

struct hpage {
	bool used;		/* allocated */
	bool first;		/* of its allocation */
	u8 order;
	u8 kind;		/* enum page_kind, while an entry leads here */
	u16 refs;		/* entries that lead here */
	u16 units;		/* bit map of units whose tables lead here */
	u32 index;		/* what it covers: bus half, directory index, ... */
	u64 *track;		/* contents as of the last observed store */
	unsigned int *body;	/* shim_barriers() at the last store to an entry's body */
};

#define ARENA_PAGES	8192u
#define ARENA_PHYS	0x100000000ull
#define HOST_HAW	46
extern u8 *arena, *arena_shadow;
extern struct hpage hpages[ARENA_PAGES];
static inline bool pa_in_arena(u64 pa) { return pa >= ARENA_PHYS && pa < ARENA_PHYS + ARENA_PAGES * PAGE_SIZE; }
static inline struct hpage *pa_page(u64 pa) { return pa_in_arena(pa) ? &hpages[(pa - ARENA_PHYS) >> PAGE_SHIFT] : NULL; }
static inline u64 page_pa(const struct hpage *p) { return ARENA_PHYS + (u64)(p - hpages) * PAGE_SIZE; }
extern unsigned int shim_allocs, shim_pages;	/* live now */
extern long shim_fail_at;	/* the n-th allocation from now fails; 0: none */
extern long shim_copy_fails_at;	/* the n-th copy to a user from now fails */
extern void (*shim_copy_hook)(void);	/* called then, if set */
extern long shim_signal_at;	/* a signal ends the n-th wait for a lock that it can end */
extern unsigned int shim_fail_seen;
void shim_init(void);
bool shim_in_arena(const volatile void *p);

/* ---- model --------------------------------------------------------------- */

#define MODEL_UNITS	10
struct dma;
unsigned int shim_barriers(void);
struct model_caps { u64 cap, ecap; };
void model_reset(void);
void model_unit(unsigned int index, u64 base, const struct model_caps *caps);
void model_hook_store(const volatile void *addr, unsigned int size);
void model_hook_flush(void *addr, unsigned int size);
void model_hook_free(struct hpage *first, unsigned int count);
void model_hook_relax(void);
extern bool (*prefetch_pick)(struct dma *dma);	/* something to translate unasked */
void model_activity(void);	/* hardware does something it may do now */
void model_run(unsigned int unit);	/* works its queue empty */
bool model_idle(unsigned int unit);
void model_late_status(unsigned int unit);
void model_read_ring(unsigned int unit);

/* How the units behave. */
extern struct model_conduct {
	unsigned int lazy;	/* one poll in so many makes progress; 0: none does */
	unsigned int prefetch;	/* one activity in so many prefetches; 0: never */
	unsigned int evict;	/* one store in so many is written back unasked */
	bool in_order;		/* complete descriptors in order */
	bool stuck;		/* registers and queue do nothing any more */
	bool gone;		/* registers are all ones */
	unsigned int gone_reg;	/* this one is; 0: none */
	int silent_rid;		/* its device TLB does not answer; -1: none */
	bool ite_sid;		/* report its requester id in IQERCD */
	bool pde;		/* cache directory entries, of which 6.2.3 does not tell */
	bool late_responses;	/* they are on their way until something pushes them */
	bool cm_strict;		/* what is not present has domain id 0 only (6.2.3) */
	unsigned int refuse;	/* so many descriptors are not accepted */
	unsigned int refuse_type;	/* only of this type; 0: any but waits */
	int refuse_rid;		/* none for its device TLB is accepted; -1: all are */
	bool patient;		/* never reports that a device does not answer */
	bool nonsense;		/* a device answers what it was not asked (ICE) */
	u32 hide;		/* bits of GSTS that read as 0 */
	u32 sticky;		/* bits of GSTS that no command clears */
} conduct;

#define NO_PASID	(~0u)
enum dma_result { DMA_OK, DMA_FAULT, DMA_NOT_SENT };
struct dma {
	unsigned int unit;
	u16 rid;
	u32 pasid;		/* or NO_PASID */
	u64 addr;
	bool write;
	bool prefetch;		/* the unit's own idea: no fault record */
	bool request;		/* it is a page request */
	/* out */
	u64 pa;
	u64 size;		/* of the page */
	bool writable;
	bool through;		/* passed through */
	u8 reason;
};
enum dma_result model_dma(struct dma *dma);
/* ATS: a translation into the device's own TLB, and a use of it. */
enum dma_result model_ats(struct dma *dma);
bool model_atc_lookup(struct dma *dma);
void model_atc_reset(unsigned int unit, u16 rid);
/* What still knows of user memory: called before it is freed, or made read-only. */
void model_check_user_page(u64 pa, u64 size, bool freed, const char *when);
void model_check_no_access(unsigned int unit, u16 rid, u32 pasid, const char *when);
void model_check_unit_off(unsigned int unit);
void model_check_pasid_clean(u32 pasid, const char *when);
void model_set_root(unsigned int unit, u64 rtaddr);
void model_power_cycle(unsigned int unit);
void model_leave_on(unsigned int unit, u32 gsts);	/* by firmware, or another kernel */
bool model_translating(unsigned int unit);
bool model_serving(unsigned int unit);
unsigned int model_faults(unsigned int unit);
bool model_page_request(unsigned int unit, u16 rid, u32 pasid, u64 addr, bool write, bool last, u16 group);
bool model_page_request_raw(unsigned int unit, u64 qw0, u64 qw1);
void model_responses_push(unsigned int unit, u16 rid);
bool model_requests_left(unsigned int unit, u16 rid);
struct model_stats { u64 descs[16], dmas, oks, faults, prefetches, doorbells, waits; };
extern struct model_stats model_stats;
/* Raw registers, for tests of the register sequences. */
u64 model_reg(unsigned int unit, unsigned int reg);
/* For tests of encoders: see each descriptor as hardware fetches it. */
extern void (*model_desc_hook)(unsigned int unit, const u64 *qw);
/* Who gets a response to a page request, or, with @code MODEL_LOST, hardware's own. */
#define MODEL_LOST	0x100
extern void (*model_response_hook)(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code);
/* The PCI side of a requester id. */
struct pci_dev *pci_by_rid(u16 rid);

/* ---- pci.c --------------------------------------------------------------- */

struct pci_dev *pci_add(struct pci_bus *bus, unsigned int devfn);
void pci_remove_all(void);
bool pci_has_bme(const struct pci_dev *d);
bool pci_ats_is_on(const struct pci_dev *d);
bool pci_pasid_is_on(struct pci_dev *d);
bool pci_pri_is_on(const struct pci_dev *d);
void pci_bind_driver(struct pci_dev *d, struct pci_driver *drv);	/* NULL: unbind */
void pci_unplug(struct pci_dev *d, bool surprise);
unsigned int pci_acs_ctrl(const struct pci_dev *d);
void pci_reset_begin(struct pci_dev *d);
void pci_reset_end(struct pci_dev *d);
extern void (*pci_restored_hook)(void);	/* the core and drivers have resumed */
void pci_suspend_all(void);
void pci_power_cycle(void);
void pci_resume_all(void);
void pci_plug(struct pci_dev *d);
extern struct pci_driver pci_kernel_driver, pci_vfio_driver;

/* ---- sleep.c ------------------------------------------------------------- */

int shim_suspend(void);		/* the machine is awake again if this fails */
void shim_resume(void);
void shim_reboot(void);
bool shim_sleep_unused(void);	/* nobody is registered */

/* ---- mm.c ---------------------------------------------------------------- */

#define MM_PAGES	64
struct upage {
	bool used;
	u64 va, size, pa;
	bool writable;		/* in the page table */
	bool hugetlb;
	bool visible;		/* a device must see it: not new since the last sync */
	bool wvisible;		/* and may write */
	bool going;		/* taken out of the table, callback not yet back */
	bool narrowing;		/* made read-only, callback not yet back */
	bool mapped;		/* in the page table now */
	u64 since;		/* its entry has been what it is; see umm_sync_begin() */
};
struct umm {
	struct mm_struct mm;
	struct upage pages[MM_PAGES];
	bool live;		/* has users; not exiting */
	bool gone;		/* exit has finished */
	unsigned int nr;
	unsigned int callback_range;	/* 0: as the kernel would; else always all */
	bool skip_notifier;	/* a kernel that is broken, to test the tests */
};
struct umm *umm_new(void);
struct umm *umm_of(struct mm_struct *mm);
void umm_unref(struct umm *u);
struct upage *umm_map(struct umm *u, u64 va, u64 size, bool writable, bool hugetlb);
void umm_unmap(struct umm *u, u64 first, u64 last);
void umm_protect(struct umm *u, u64 first, u64 last, bool writable);
void umm_wp_huge(struct umm *u, struct upage *p);	/* reported as 4 KiB */
void umm_split(struct umm *u, struct upage *p);		/* THP split, as on 6.1 */
void umm_migrate(struct umm *u, struct upage *p);
void umm_fork(struct umm *u, struct umm *child);
void umm_exit(struct umm *u);
struct upage *umm_find(struct umm *u, u64 va);
struct upage *upage_by_pa(u64 pa, struct umm **owner);
u64 umm_sync_begin(void);
void umm_synced(struct umm *u, u64 begun, u64 first, u64 last, bool wider);	/* devices must see it now */
void umm_callback(struct umm *u, u64 start, u64 end);
void umm_reset(void);
unsigned int umm_mms_live(void);
unsigned int umm_notifiers_put(void);	/* put, and not yet freed */

#endif /* HOST_H */
