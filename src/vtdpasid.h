/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtdpasid: objects, ownership, lock order. Private to the module.
 *
 * Who frees what
 * --------------
 *   unit     made at load from the DMAR table, freed at unload; never moves.
 *   client   one open file; freed by its release, after all it holds.
 *   device   made by ATTACH, freed by detach: DETACH, close of its client, or
 *            the loss of the function (driver change, removal).
 *   space    one mm; made by the first hold, freed by the notifier's
 *            free_notifier after the last hold is gone.
 *   hold     a client's reference on a space; keeps its PASID.
 *   pasid    one number of the global space; freed into quarantine.
 *   binding  (device, space); freed by unbind, under vtdp_lock.
 *
 * Lock order, outermost first
 * ---------------------------
 *   device_lock()       of a PCI function: its driver does not change.
 *   vtdp_lock           mutex: all objects and lists, units' state, tables.
 *                       Never held over copies from or to the user, a reset,
 *                       or mmu_notifier_register() (which waits for mmap_lock).
 *   unit->prq_lock      mutex: the page-request queue is being read; held over
 *                       bounded waits for hardware only.
 *   unit->fault_lock    mutex: the fault records are being read; waits for
 *                       nothing.
 *   prq->answer_lock    mutex: a server's answer on its way; held over bounded
 *                       waits for hardware only.
 *   unit->devices_lock  spin: unit->devices and device->bindings; readers that
 *                       may not sleep (faults, containment) need only this.
 *   space->lock         spin: the private root, space->bindings, and the
 *                       PASID-table entries of its bindings. Taken in the mmu
 *                       notifier under page-table locks: nothing allocates,
 *                       sleeps or waits for hardware under it.
 *   qi->lock            spin: ring and status words of one invalidation queue.
 *   client->events.lock spin, irqs off: the event ring.
 *   records_lock        spin, irqs off: events on their way to netlink.
 *
 * No spinlock is held while hardware is waited for: a batch is submitted under
 * its locks, and waited for after they were dropped.
 *
 * pasid_table.c, pasid_alloc.c, vtd_ctx.c, vtd_qi.c, vtd_qi_recover.c, bind.c and
 * space.c are also compiled in userspace against a model of VT-d (tests/host):
 * they use no more of the kernel than they need.
 */
#ifndef VTDP_VTDPASID_H
#define VTDP_VTDPASID_H

#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <asm/cacheflush.h>

#include "../include/uapi/vtdpasid.h"
#include "../include/uapi/vtdpasid_netlink.h"
#include "compat.h"
#include "inject.h"
#include "vtd_regs.h"

#define VTDP_MAX_UNITS		64
#define VTDP_ROOT_SLOTS		512	/* entries of a top-level page */
#define VTDP_USER_SLOTS		256	/* those of the user half */

/*
 * Domain ids, the same on every unit. 0 is left alone: with caching mode it
 * tags entries that are not present (6.1). All first-stage entries of requests
 * with PASID share one, since (id, PASID) then never names two roots; requests
 * without PASID are all cached as PASID 0, so each such binding has its own.
 */
#define VTDP_DID_SVA		1
#define VTDP_DID_PASS_THROUGH	2
#define VTDP_DID_BLOCKED	3
#define VTDP_DID_FIRST_RID	4

extern struct mutex vtdp_lock;

struct vtdp_unit;
struct vtdp_client;

/* ---- queue (vtd_qi.c) --------------------------------------------------- */

#define VTDP_QI_ORDER		3	/* 8 pages: 1024 descriptors of 32 bytes */
#define VTDP_QI_SLOTS		((PAGE_SIZE << VTDP_QI_ORDER) >> VTD_IQT_SHIFT)

#define VTDP_QI_WORDS		1024	/* status words; the first is nobody's */

enum vtdp_word_state {
	VTDP_WORD_FREE = 0,
	VTDP_WORD_BUSY,		/* its submitter looks at it */
	VTDP_WORD_REFUSED,	/* hardware did not accept what it waits for */
	VTDP_WORD_DROPPED,	/* hardware dropped the wait, and never writes it */
	VTDP_WORD_SUSPECT,	/* hardware may have dropped what it waits for */
	VTDP_WORD_ABANDONED,	/* its submitter gave up; hardware may write it */
};

/**
 * struct vtdp_word - the wait descriptor that writes a status word
 * @from: position of the first descriptor that it waits for
 * @at: its own
 * @state: enum vtdp_word_state
 */
struct vtdp_word {
	u32 from;
	u32 at;
	u8 state;
};

/**
 * struct vtdp_qi - one unit's invalidation queue
 * @lock: guards all but @status, which hardware writes
 * @ring: VTDP_QI_SLOTS descriptors; position modulo that is the slot
 * @status: VTDP_QI_WORDS words, which wait descriptors set to 1
 * @word: what each of @status is for
 * @free: those that are free, as a stack
 * @nr_free: length of @free
 * @nr_abandoned: words that only hardware may still use
 * @head: hardware has fetched all before this position; as last looked up
 * @tail: position of the next descriptor; both run freely
 * @on: descriptors may be submitted
 * @lent: hardware may read @ring
 * @doorbells: writes of the tail register
 * @descriptors: submitted
 */
struct vtdp_qi {
	spinlock_t lock;	/* ring and words */
	u64 *ring;
	u32 *status;
	struct vtdp_word word[VTDP_QI_WORDS];
	u16 free[VTDP_QI_WORDS];
	unsigned int nr_free;
	unsigned int nr_abandoned;
	u32 head;
	u32 tail;
	bool on;
	bool lent;
	u64 doorbells;
	u64 descriptors;
};

#define VTDP_BATCH_RIDS		8

/**
 * struct vtdp_batch - descriptors on their way, on the caller's stack
 * @unit: whose queue
 * @first: position of the first descriptor
 * @part: position of the first one that no wait covers yet
 * @next: position of the next one to add
 * @room: descriptors that may still be added
 * @iotlb_word: status word for the caches of the unit, or -1
 * @devtlb_word: status word for device TLBs, or -1
 * @answers: it has page group responses and nothing else
 * @drain: its last wait drains page requests
 * @without_pasid: device TLBs: what is cached for requests without PASID
 * @sized: @addr tells a size, else it is one page
 * @pasid: for requests with this PASID, or 0
 * @addr: of device TLBs' descriptors: they are all for the same addresses
 * @nr_rids: functions whose device TLBs it invalidates
 * @rids: the first of them
 *
 * The ring is hardware's: what is needed to make good for a batch that
 * hardware did not carry out must be in here.
 */
struct vtdp_batch {
	struct vtdp_unit *unit;
	u32 first;
	u32 part;
	u32 next;
	u16 room;
	s16 iotlb_word;
	s16 devtlb_word;
	bool answers;
	bool drain;
	bool without_pasid;
	bool sized;
	u32 pasid;
	u64 addr;
	u16 nr_rids;
	u16 rids[VTDP_BATCH_RIDS];
};

/* ---- event interrupts and page requests (vtd_irq.c, vtd_prq.c) ------------ */

/**
 * struct vtdp_irq - an event interrupt of a unit
 * @unit: unit
 * @reg: its control register, VTD_FECTL or VTD_PECTL
 * @virq: Linux's number, 0 without interrupt
 */
struct vtdp_irq {
	struct vtdp_unit *unit;
	unsigned int reg;
	unsigned int virq;
};

#define VTDP_PACE_MS		20

/**
 * struct vtdp_pace - how busy a reader of events was
 * @begin: jiffies at which @done was 0
 * @done: events read since
 */
struct vtdp_pace {
	unsigned long begin;
	unsigned int done;
};

#define VTDP_STRAYS		8	/* unowned functions watched at a time */

/**
 * struct vtdp_stray - a function that has no context entry, and tries DMA
 * @rid: requester id
 * @faults: of it
 */
struct vtdp_stray {
	u16 rid;
	u16 faults;
};

#define VTDP_PRQ_ORDER		4	/* 16 pages: 2048 requests of 32 bytes */
#define VTDP_PRQ_PENDING	128	/* requests of one device in hand */
#define VTDP_PRQ_RING		64	/* of which for one binding */
#define VTDP_PRQ_SERVERS	128	/* for one file; WQ_MAX_ACTIVE for all */

/**
 * struct vtdp_prq_share - what the servers of one file's bindings count in
 * @ref: of the file, and of each struct vtdp_prq
 * @servers: that have something to serve, those of bindings that have ended, too
 */
struct vtdp_prq_share {
	struct kref ref;
	atomic_t servers;
};

/**
 * struct vtdp_request - a page request
 * @addr: page
 * @pasid: PASID, 0 without
 * @group: page request group index (PRGI)
 * @has_pasid: it came with a PASID
 * @last: it is the last of its group, which is answered then
 * @write: else to be read
 * @refused: not to be served, whatever is there
 * @answered: by somebody else, while it waited for its turn
 */
struct vtdp_request {
	u64 addr;
	u32 pasid;
	u16 group;
	bool has_pasid;
	bool last;
	bool write;
	bool refused;
	bool answered;
};

/**
 * struct vtdp_prq - the page requests of one binding
 * @ref: 1 while bound, and 1 while @work is queued or running
 * @work: serves @ring, and holds the module
 * @share: of the file
 * @counted: in @share; under unit->devices_lock
 * @unit: unit
 * @rid: requester id of the device
 * @binding: NULL when it has ended; under unit->devices_lock
 * @ring: requests in hand; under unit->devices_lock
 * @head: being served, or next to be; free running
 * @tail: next to fill; free running
 * @failed: groups of which a request failed
 * @answer_lock: held while the server answers, never while it waits for a page;
 *	below vtdp_lock
 */
struct vtdp_prq {
	struct kref ref;
	struct work_struct work;
	struct vtdp_prq_share *share;
	bool counted;
	struct vtdp_unit *unit;
	u16 rid;
	struct vtdp_binding *binding;
	struct vtdp_request ring[VTDP_PRQ_RING];
	unsigned int head;
	unsigned int tail;
	DECLARE_BITMAP(failed, VTD_PRGIS);
	struct mutex answer_lock;	/* the server's answers */
};

/* ---- PASID tables (pasid_table.c) ---------------------------------------- */

/**
 * struct vtdp_leaf - one PASID table: 64 entries
 * @entries: the page that hardware reads
 * @users: bindings of each entry; above 1 only in shared layouts
 * @used: entries with users
 */
struct vtdp_leaf {
	u64 *entries;
	u16 users[VTD_LEAF_PASIDS];
	unsigned int used;
};

/**
 * struct vtdp_pool - PASID tables from the second on
 * @leaves: struct vtdp_leaf by directory index
 * @tables: that refer to them; one, but for the shared layouts. All of one unit:
 *	what changes is invalidated in the unit of the binding alone
 *
 * Under vtdp_lock.
 */
struct vtdp_pool {
	struct xarray leaves;
	struct list_head tables;
};

/**
 * struct vtdp_table - the PASID directory of one function
 * @unit: unit that walks it
 * @pool: where its leaves but the first live
 * @node: in pool->tables
 * @own_pool: the pool of a function that shares with nobody
 * @dir: directory
 * @pdts: size of @dir: 2^(pdts + 7) entries
 * @leaf0: PASIDs 0 to 63, never shared: entry 0 is the function's own
 */
struct vtdp_table {
	struct vtdp_unit *unit;
	struct vtdp_pool *pool;
	struct list_head node;
	struct vtdp_pool own_pool;
	u64 *dir;
	unsigned int pdts;
	struct vtdp_leaf leaf0;
};

/* ---- units (vtd_unit.c, vtd_ctx.c, vtd_fault.c) -------------------------- */

/**
 * struct vtdp_scope - one entry of a DMAR device scope (spec 8.3.1)
 * @type: ACPI_DMAR_SCOPE_TYPE_*
 * @enumeration_id: of IOAPIC, HPET or ACPI name space device
 * @bus: where @path begins
 * @depth: elements of @path
 * @path: device << 3 | function, downwards
 */
struct vtdp_scope {
	u8 type;
	u8 enumeration_id;
	u8 bus;
	u8 depth;
	u8 path[16];
};

/**
 * struct vtdp_dmar - one remapping structure of the DMAR table
 * @node: in the list that vtdp_dmar_parse() fills
 * @type: ACPI_DMAR_TYPE_*
 * @segment: PCI segment
 * @flags: of the structure, e.g. ACPI_DMAR_INCLUDE_ALL
 * @base: registers (DRHD) or first byte of the region (RMRR)
 * @limit: last byte of the region (RMRR)
 * @scopes: number of @scope
 * @scope: device scope
 */
struct vtdp_dmar {
	struct list_head node;
	u16 type;
	u16 segment;
	u8 flags;
	u64 base;
	u64 limit;
	unsigned int scopes;
	struct vtdp_scope scope[];
};

/**
 * struct vtdp_unit - one VT-d unit
 * @node: in vtdp_units, fixed from load to unload
 * @index: its number
 * @drhd: what the DMAR table says of it
 * @regs: its registers
 * @cap: CAP_REG
 * @ecap: ECAP_REG
 * @state: VTDPASID_UNIT_*; to BROKEN from any context, else under vtdp_lock
 * @late: translation did not come on in time, and nobody knows whether it will
 * @qi: its invalidation queue
 * @root: root table
 * @ctx: context tables, two a bus
 * @pass: PASID table of the functions that pass through
 * @blocked_root: a top-level page without entries
 * @dids: domain ids of bindings without PASID
 * @pool: PASID tables that its functions share, with pasid_table=unit
 * @devices: attached functions
 * @devices_lock: guards @devices and each device's list of bindings
 * @nr_devices: length of @devices
 * @fault_irq: fault event
 * @fault_work: reads the fault records
 * @fault_lock: the records are being read
 * @fault_pace: of @fault_work
 * @strays: functions to be cut off if they go on; of @fault_work
 * @faults: records read
 * @last_fault: the last of them; under @devices_lock
 * @prq_irq: page-request event
 * @prq_work: reads the page requests
 * @prq_pace: of @prq_work
 * @prq_ring: page-request queue, or NULL
 * @prq_lock: the queue is being read
 * @requests: page requests read; under @devices_lock
 * @overflows: of the page-request queue; under @prq_lock
 * @answered: goes on with each batch of answers to page requests, each overflow of
 *	their queue, and each look at the fault records
 * @saved_pmen: PMEN_REG before takeover
 * @saved_rtaddr: RTADDR_REG before takeover
 * @saved_iqa: IQA_REG before takeover
 * @saved_event: event registers before takeover: of faults, of page requests
 * @suspend_event: the same before a suspend
 */
struct vtdp_unit {
	struct list_head node;
	unsigned int index;
	const struct vtdp_dmar *drhd;
	void __iomem *regs;
	u64 cap;
	u64 ecap;
	int state;
	bool late;
	struct vtdp_qi qi;
	u64 *root;
	u64 *ctx[VTD_ROOT_ENTRIES * 2];
	struct vtdp_table *pass;
	u64 *blocked_root;
	struct ida dids;
	struct vtdp_pool pool;
	struct list_head devices;
	spinlock_t devices_lock;	/* @devices, their bindings, @last_fault */
	unsigned int nr_devices;
	struct vtdp_irq fault_irq;
	struct delayed_work fault_work;
	struct mutex fault_lock;	/* the records are being read */
	struct vtdp_pace fault_pace;
	struct vtdp_stray strays[VTDP_STRAYS];
	atomic64_t faults;
	struct vtdpasid_event last_fault;
	struct vtdp_irq prq_irq;
	struct delayed_work prq_work;
	struct vtdp_pace prq_pace;
	u64 *prq_ring;
	struct mutex prq_lock;	/* the queue is being read */
	u64 requests;
	u64 overflows;
	atomic64_t answered;
	u32 saved_pmen;
	u64 saved_rtaddr;
	u64 saved_iqa;
	u32 saved_event[2][4];
	u32 suspend_event[2][4];
};

/* ---- events (event.c) ---------------------------------------------------- */

#define VTDP_EVENTS		256

/**
 * struct vtdp_events - the events that one client has not read yet
 * @lock: guards the rest
 * @wait: readers
 * @ring: VTDP_EVENTS events
 * @head: next to read; free running
 * @tail: next to fill; free running
 * @lost: dropped since @tail was last moved
 */
struct vtdp_events {
	spinlock_t lock;	/* the ring */
	wait_queue_head_t wait;
	struct vtdpasid_event *ring;
	unsigned int head;
	unsigned int tail;
	u32 lost;
};

/* ---- the rest ------------------------------------------------------------ */

/**
 * struct vtdp_client - one open file of /dev/vtdpasid
 * @id: number of the file, for netlink
 * @pid: process that opened it
 * @comm: its name
 * @devices: struct vtdp_device by id
 * @bindings: struct vtdp_binding by id
 * @holds: struct vtdp_hold
 * @reserved: struct vtdp_pasid reserved and not yet an mm's
 * @pins: struct vtdp_pin by id
 * @events: what read() delivers
 * @prq_share: bounds the servers of page requests
 */
struct vtdp_client {
	u32 id;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	struct xarray devices;
	struct xarray bindings;
	struct list_head holds;
	struct list_head reserved;
	struct xarray pins;
	struct vtdp_events events;
	struct vtdp_prq_share *prq_share;
};

/**
 * struct vtdp_device - one attached function
 * @unit: its unit
 * @node: in unit->devices
 * @client: file that attached it
 * @id: in that file
 * @pdev: the function; a reference is held
 * @rid: its requester id
 * @table: its PASID table
 * @pasid_max: highest PASID, 0 without
 * @claimed: our driver is bound to it
 * @pasid_on: PASID capability enabled by us
 * @ats_on: device-TLB invalidations are due
 * @ats_pci: ATS enabled by us in the function
 * @ats_qdep: invalidate queue depth
 * @pfsid: requester id of the physical function, for VFs
 * @gone: no longer on the bus: do not touch it
 * @acs: peers are kept from reaching it past the unit
 * @stopped: bus mastering switched off, since it or its unit failed
 * @bindings: struct vtdp_binding; under devices_lock too
 * @by_pasid: the same, by PASID
 * @nr_bindings: length of @bindings
 * @rid_binding: binding without PASID
 * @pri_on: page requests are on
 * @pending: page requests in hand; under unit->devices_lock
 * @faults: DMA faults recorded
 * @requests: page requests received
 * @requests_failed: answered "invalid"
 */
struct vtdp_device {
	struct vtdp_unit *unit;
	struct list_head node;
	struct vtdp_client *client;
	u32 id;
	struct pci_dev *pdev;
	u16 rid;
	struct vtdp_table table;
	u32 pasid_max;
	bool claimed;
	bool pasid_on;
	bool ats_on;
	bool ats_pci;
	u8 ats_qdep;
	u16 pfsid;
	bool gone;
	bool acs;
	bool stopped;
	struct list_head bindings;
	DECLARE_HASHTABLE(by_pasid, 8);
	unsigned int nr_bindings;
	struct vtdp_binding *rid_binding;
	bool pri_on;
	unsigned int pending;
	atomic64_t faults;
	atomic64_t requests;
	atomic64_t requests_failed;
};

/**
 * struct vtdp_pasid - one PASID that is not in its first freedom
 * @node: in client->reserved, or in a quarantine
 * @client: whose it is, while it is reserved
 * @nr: the number
 * @state: what has become of it
 * @uid: user it counts for
 * @space: that owns it, while it is owned
 *
 * There may be a million of them.
 */
struct vtdp_pasid {
	struct list_head node;
	union {
		struct vtdp_client *client;
		struct vtdp_space *space;
	};
	u32 nr : 24;
	u32 state : 8;
	kuid_t uid;
};

/**
 * struct vtdp_space - one address space
 * @hash: in the table of spaces, by mm; under vtdp_lock
 * @mm: kept from being freed (not from ending) by @notifier
 * @notifier: tells of unmapped ranges and of the end
 * @holds: references; under vtdp_lock
 * @held: struct vtdp_hold; under vtdp_lock
 * @pasid: its PASID, or NULL; set once, under vtdp_lock
 * @lock: guards what follows
 * @root: top-level page that devices walk: the user half of mm->pgd
 * @used: slots of @root that have ever been anything but zero
 * @bindings: struct vtdp_binding, those of one unit side by side
 * @nr_bindings: length of @bindings
 * @pins: struct vtdp_pin
 * @noncoherent: a unit that does not snoop page walks reads @root
 * @leak: a broken unit may still read @root
 * @dead: the mm has ended
 * @pid: process that made it, for messages
 * @comm: its name
 */
struct vtdp_space {
	struct hlist_node hash;
	struct mm_struct *mm;
	struct mmu_notifier notifier;
	unsigned int holds;
	struct list_head held;
	struct vtdp_pasid *pasid;
	spinlock_t lock;	/* root, bindings and their entries, pins */
	u64 *root;
	DECLARE_BITMAP(used, VTDP_USER_SLOTS);
	struct list_head bindings;
	unsigned int nr_bindings;
	struct list_head pins;
	bool noncoherent;
	bool leak;
	bool dead;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

/**
 * struct vtdp_hold - a client's reference on a space
 * @node: in client->holds
 * @space_node: in space->held
 * @client: whose it is
 * @space: what is held
 * @bindings: of this client and space
 * @pins: of this client and space
 */
struct vtdp_hold {
	struct list_head node;
	struct list_head space_node;
	struct vtdp_client *client;
	struct vtdp_space *space;
	unsigned int bindings;
	unsigned int pins;
};

/**
 * struct vtdp_binding - an address space on a device
 * @device: the device
 * @hold: the hold through which it was made
 * @space: hold->space
 * @device_node: in device->bindings
 * @pasid_node: in device->by_pasid
 * @space_node: in space->bindings while live
 * @id: in the client
 * @pasid: PASID that the device uses; 0: requests without PASID
 * @did: domain id of the entry
 * @entry: PASID-table entry
 * @prq: its page requests, or NULL
 * @live: the entry is present and @space_node is linked; under space->lock
 * @faults: DMA faults recorded
 * @requests: page requests served
 * @requests_failed: page requests answered "invalid"
 */
struct vtdp_binding {
	struct vtdp_device *device;
	struct vtdp_hold *hold;
	struct vtdp_space *space;
	struct list_head device_node;
	struct hlist_node pasid_node;
	struct list_head space_node;
	u32 id;
	u32 pasid;
	u16 did;
	u64 *entry;
	struct vtdp_prq *prq;
	bool live;
	atomic64_t faults;
	atomic64_t requests;
	atomic64_t requests_failed;
};

/**
 * struct vtdp_pin - pages of a space that stay where they are
 * @node: in space->pins, while @pages are held
 * @hold: the hold through which it was made
 * @pages: the pages, or NULL when they were let go; under space->lock
 * @count: pages held
 * @size: pages wanted, and counted against RLIMIT_MEMLOCK
 * @mm: where they are counted, too
 * @cred: against whose user's limit; a reference is held while @pages are
 * @write: pinned for writing
 */
struct vtdp_pin {
	struct list_head node;
	struct vtdp_hold *hold;
	struct mm_struct *mm;
	const struct cred *cred;
	struct page **pages;
	unsigned long count;
	unsigned long size;
	bool write;
};

/* main.c */
extern int vtdp_table_layout;		/* VTDPASID_TABLE_* */
extern bool vtdp_allow_unsafe_interrupts;
extern bool vtdp_passthrough_all;
extern unsigned int vtdp_user_pasids;

/**
 * struct vtdp_subject - what a check looks at
 * @unit: the unit, or that of @pdev; NULL without
 * @pdev: the function, or NULL
 */
struct vtdp_subject {
	struct vtdp_unit *unit;
	struct pci_dev *pdev;
};

/* check.c: what a machine, a unit and a function have to have */
int vtdp_check(const struct vtdp_subject *subject, u32 acts, u32 *id);
int vtdp_check_one(const struct vtdp_subject *subject, u32 which, u32 acts);
unsigned int vtdp_check_list(u32 scope, const struct vtdp_subject *subject,
			     struct vtdpasid_check_result *results,
			     unsigned int max);
void vtdp_check_register(const struct vtdp_unit *unit);
bool vtdp_check_unsafe_interrupts(void);

/* preflight.c: VTDPASID_PREFLIGHT */
int vtdp_preflight(struct vtdpasid_preflight *arg);

/* vtd_dmar.c: the ACPI DMAR table */
int vtdp_dmar_parse(const void *table, size_t length, struct list_head *out);
void vtdp_dmar_free(struct list_head *list);

/* vtd_unit.c: finding units, takeover, handback, containment */
extern struct list_head vtdp_units;
extern unsigned int vtdp_nr_units;

int vtdp_units_init(void);
void vtdp_units_exit(void);
struct vtdp_unit *vtdp_unit_by_index(unsigned int index);
struct vtdp_unit *vtdp_unit_of(struct pci_dev *pdev);
bool vtdp_unit_firmware_uses(struct vtdp_unit *unit, struct pci_dev *pdev,
			     u16 rid);
bool vtdp_unit_firmware_needs(struct vtdp_unit *unit, struct pci_dev *pdev,
			      u16 rid);
bool vtdp_unit_allows_ats(struct pci_dev *pdev);
bool vtdp_unit_wants_ats(struct pci_dev *pdev);
int vtdp_unit_command(struct vtdp_unit *unit, u32 bit, bool on);
int vtdp_unit_takeover(struct vtdp_unit *unit, u32 *check);
int vtdp_unit_handback(struct vtdp_unit *unit);
int vtdp_unit_suspend(struct vtdp_unit *unit);
void vtdp_unit_resume(struct vtdp_unit *unit);
void vtdp_unit_shutdown(struct vtdp_unit *unit);
void vtdp_unit_break(struct vtdp_unit *unit, const char *why);
u32 vtdp_pasid_limit(void);
u32 vtdp_pasid_first(void);

static inline u32 vtdp_read32(struct vtdp_unit *unit, unsigned int reg)
{
	return readl(unit->regs + reg);
}

static inline u64 vtdp_read64(struct vtdp_unit *unit, unsigned int reg)
{
	return readq(unit->regs + reg);
}

static inline void vtdp_write32(struct vtdp_unit *unit, unsigned int reg, u32 v)
{
	if (!vtdp_inject(unit, reg, v))
		writel(v, unit->regs + reg);
}

static inline void vtdp_write64(struct vtdp_unit *unit, unsigned int reg, u64 v)
{
	if (!vtdp_inject(unit, reg, v))
		writeq(v, unit->regs + reg);
}

/**
 * vtdp_flush_table() - make a table's bytes visible to a unit
 * @unit: unit that will read them
 * @addr: first byte
 * @size: bytes
 *
 * Without ECAP.C hardware reads root, context and PASID tables from memory,
 * past the CPU's caches (11.4.3). Call it for what an entry points to before
 * the entry is made to point there, then for the entry.
 */
static inline void vtdp_flush_table(struct vtdp_unit *unit, void *addr,
				    unsigned int size)
{
	if (!(unit->ecap & VTD_ECAP_C))
		clflush_cache_range(addr, size);
}

/* The same for first-stage tables, whose walks snoop or not by ECAP.SMPWC. */
static inline void vtdp_flush_root(struct vtdp_unit *unit, void *root)
{
	if (!(unit->ecap & VTD_ECAP_SMPWC))
		clflush_cache_range(root, PAGE_SIZE);
}

/*
 * Must a device's TLB be invalidated? Not that of a function that was pulled
 * out, who would not answer: the PCI core marks it before its driver is told.
 */
static inline bool vtdp_device_tlb(const struct vtdp_device *device)
{
	return READ_ONCE(device->ats_on) &&
	       device->pdev->error_state != pci_channel_io_perm_failure;
}

/* vtd_qi.c: the invalidation queue */
int vtdp_qi_init(struct vtdp_unit *unit);
void vtdp_qi_exit(struct vtdp_unit *unit);
bool vtdp_qi_idle(struct vtdp_unit *unit);
int vtdp_qi_enable(struct vtdp_unit *unit);
int vtdp_qi_disable(struct vtdp_unit *unit);
int vtdp_qi_begin(struct vtdp_unit *unit, struct vtdp_batch *batch,
		  unsigned int count);
void vtdp_qi_service(struct vtdp_unit *unit);
int vtdp_qi_wait_room(struct vtdp_unit *unit, unsigned int count);
int vtdp_qi_start(struct vtdp_unit *unit, struct vtdp_batch *batch,
		  unsigned int count);
void vtdp_qi_submit(struct vtdp_batch *batch);
void vtdp_qi_context_global(struct vtdp_batch *batch);
void vtdp_qi_context_device(struct vtdp_batch *batch, u16 did, u16 rid);
void vtdp_qi_pasid_cache(struct vtdp_batch *batch, u64 gran, u16 did, u32 pasid);
void vtdp_qi_iotlb(struct vtdp_batch *batch, u64 gran, u16 did);
void vtdp_qi_piotlb(struct vtdp_batch *batch, u16 did, u32 pasid, u64 first,
		    u64 last, bool all);
void vtdp_qi_devtlb(struct vtdp_batch *batch, const struct vtdp_device *device,
		    u32 pasid, u64 first, u64 last, bool all);
void vtdp_qi_everything(struct vtdp_batch *batch);
void vtdp_qi_response(struct vtdp_batch *batch, u64 qw0, u64 qw1);
void vtdp_qi_drain(struct vtdp_batch *batch);

/* vtd_qi_recover.c: waiting for a batch, and making good for one that failed */
int vtdp_qi_wait(struct vtdp_batch *batch);
int vtdp_qi_finish(struct vtdp_batch *batch);

/* vtd_irq.c: event interrupts */
void vtdp_irq_init(void);
void vtdp_irq_exit(void);
int vtdp_irq_start(struct vtdp_irq *irq, struct vtdp_unit *unit,
		   unsigned int reg, irq_handler_t handler, const char *name);
void vtdp_irq_stop(struct vtdp_irq *irq);

/* vtd_prq.c: page requests */
extern struct workqueue_struct *vtdp_event_wq;

unsigned long vtdp_pace(struct vtdp_pace *pace, unsigned int done,
			unsigned int most);
int vtdp_prq_init(void);
void vtdp_prq_flush(void);
void vtdp_prq_exit(void);
void vtdp_prq_unit_init(struct vtdp_unit *unit);
int vtdp_prq_start(struct vtdp_unit *unit);
void vtdp_prq_program(struct vtdp_unit *unit);
void vtdp_prq_stop(struct vtdp_unit *unit);
void vtdp_prq_free(struct vtdp_unit *unit);
struct vtdp_prq_share *vtdp_prq_share_alloc(void);
void vtdp_prq_share_put(struct vtdp_prq_share *share);
int vtdp_prq_bind(struct vtdp_binding *binding);
void vtdp_prq_unbind(struct vtdp_binding *binding);
int vtdp_prq_drain(struct vtdp_binding *binding, bool pushed, s64 answered);
int vtdp_prq_drain_device(struct vtdp_device *device);

/* ats.c: ATS and page requests of a function */
void vtdp_ats_prepare(struct vtdp_device *device, u32 flags);
int vtdp_ats_start(struct vtdp_device *device, u32 *check);
void vtdp_ats_cut(struct vtdp_device *device);
void vtdp_ats_stop(struct vtdp_device *device);
bool vtdp_ats_is_on(struct pci_dev *pdev, int cap, int ctrl, u16 bit);
void vtdp_ats_suspend(struct vtdp_device *device);
bool vtdp_ats_resume(struct vtdp_device *device);

/* vtd_ctx.c: root and context tables */
int vtdp_ctx_init(struct vtdp_unit *unit);
void vtdp_ctx_exit(struct vtdp_unit *unit);
int vtdp_ctx_prepare(struct vtdp_unit *unit, u8 bus);
u64 *vtdp_ctx_entry(struct vtdp_unit *unit, u16 rid);
int vtdp_ctx_pass(struct vtdp_unit *unit, u16 rid);
int vtdp_ctx_block(struct vtdp_unit *unit, u16 rid);
int vtdp_ctx_attach(struct vtdp_device *device);
int vtdp_ctx_detach(struct vtdp_device *device);
int vtdp_ctx_resize(struct vtdp_device *device, u64 *dir, unsigned int pdts);

/* pasid_table.c: directories, PASID tables, entries */
void *vtdp_page_alloc(struct vtdp_unit *unit, unsigned int order);
void vtdp_page_free(void *page, unsigned int order);
void vtdp_pool_init(struct vtdp_pool *pool);
int vtdp_table_init(struct vtdp_table *table, struct vtdp_unit *unit,
		    struct vtdp_pool *shared);
void vtdp_table_exit(struct vtdp_table *table);
unsigned int vtdp_table_pdts(u32 pasid);
unsigned int vtdp_table_dir_order(unsigned int pdts);
u64 *vtdp_table_grow(struct vtdp_table *table, unsigned int pdts);
int vtdp_table_prepare(struct vtdp_table *table, u32 pasid);
struct vtdp_leaf *vtdp_table_leaf(struct vtdp_table *table, u32 pasid);
u64 *vtdp_table_entry(struct vtdp_table *table, u32 pasid);
bool vtdp_table_get(struct vtdp_table *table, u32 pasid);
bool vtdp_table_put(struct vtdp_table *table, u32 pasid);
bool vtdp_table_unlink_leaf(struct vtdp_table *table, u32 pasid);
void vtdp_table_drop_leaf(struct vtdp_table *table, u32 pasid);
unsigned int vtdp_table_leaves(struct vtdp_table *table);
void vtdp_entry_first_stage(const struct vtdp_unit *unit, u64 *entry, u16 did,
			    const u64 *root);
unsigned int vtdp_pass_through_width(const struct vtdp_unit *unit);
void vtdp_entry_pass_through(const struct vtdp_unit *unit, u64 *entry, u16 did);
void vtdp_entry_set(struct vtdp_unit *unit, u64 *slot, const u64 *entry,
		    unsigned int qwords);
void vtdp_entry_clear(struct vtdp_unit *unit, u64 *slot, u64 qword);
void vtdp_entry_zero(struct vtdp_unit *unit, u64 *slot, unsigned int qwords);

/* pasid_alloc.c: the global PASID space */
struct vtdp_pasid *vtdp_pasid_alloc(u32 min, u32 max, kuid_t uid, bool privileged);
struct vtdp_pasid *vtdp_pasid_find(u32 nr);
void vtdp_pasid_free(struct vtdp_pasid *pasid);
void vtdp_pasid_own(struct vtdp_pasid *pasid, struct vtdp_space *space);
struct vtdp_pasid *vtdp_pasid_next(u32 nr);
void vtdp_pasid_exit(void);

/* owner.c: who drives a function, and what its context entry must be */
extern struct pci_driver vtdp_pci_driver;

int vtdp_owner_init(void);
void vtdp_owner_exit(void);
int vtdp_owner_apply(struct vtdp_unit *unit);
bool vtdp_owner_claimed(struct pci_dev *pdev);
bool vtdp_owner_userspace(struct pci_dev *pdev);
int vtdp_owner_alias(struct pci_dev *pdev, unsigned int nth,
		     struct pci_dev **other);
void vtdp_owner_cut_off(struct vtdp_unit *unit, u16 rid);

/* acs.c: access control services of a function and on the way up */
#define VTDP_ACS_NEEDED		(PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_UF)

struct pci_dev *vtdp_acs_lacking(struct pci_dev *pdev, unsigned int nth);
int vtdp_acs_get(struct pci_dev *pdev);
void vtdp_acs_put(struct pci_dev *pdev);
bool vtdp_acs_changed(struct pci_dev *pdev);
bool vtdp_acs_restore(struct pci_dev *pdev);

/* device.c: attach and detach */
int vtdp_device_attach(struct vtdp_client *client, struct vtdpasid_attach *arg);
int vtdp_device_detach_id(struct vtdp_client *client, u32 id);
struct vtdp_device *vtdp_device_by_rid(struct vtdp_unit *unit, u16 rid);
void vtdp_device_detach_all(struct vtdp_client *client);
void vtdp_device_lost(struct vtdp_unit *unit, struct pci_dev *pdev);
void vtdp_device_stop(struct vtdp_device *device);
void vtdp_device_shutdown(struct vtdp_device *device);
void vtdp_device_suspend(struct vtdp_device *device);
void vtdp_device_resume(struct vtdp_device *device);
void vtdp_device_stop_rid(struct vtdp_unit *unit, u16 rid);
bool vtdp_device_stopped_rid(struct vtdp_unit *unit, u16 rid);
u32 vtdp_device_state(const struct vtdp_device *device);
bool vtdp_device_may_share(const struct vtdp_unit *unit);

/*
 * What requests of a device with a PASID are for; with 0, those without. NULL
 * for nothing. Under vtdp_lock or unit->devices_lock.
 */
static inline struct vtdp_binding *
vtdp_device_binding(struct vtdp_device *device, u32 pasid)
{
	struct vtdp_binding *binding;

	hash_for_each_possible(device->by_pasid, binding, pasid_node, pasid)
		if (binding->pasid == pasid)
			return binding;
	return NULL;
}

/* space.c: address spaces */
#define VTDP_SPACE_BINDINGS	256	/* most bindings of one space */

struct vtdp_space *vtdp_space_find(const struct mm_struct *mm);
struct vtdp_space *vtdp_space_get(void);
void vtdp_space_put(struct vtdp_space *space);
void vtdp_space_link(struct vtdp_binding *binding);
void vtdp_space_unlink(struct vtdp_binding *binding);
int vtdp_space_sync(struct vtdp_space *space, u64 first, u64 last, bool grow);
void vtdp_space_fault(struct vtdp_space *space, u64 addr);
unsigned int vtdp_space_walk(struct vtdp_space *space, u64 addr, u64 *entries);
void vtdp_space_exit(void);

/* bind.c: address space to device */
int vtdp_bind(struct vtdp_client *client, struct vtdp_hold *hold,
	      struct vtdpasid_bind *arg);
int vtdp_unbind(struct vtdp_binding *binding);
void vtdp_bind_entry0(struct vtdp_device *device);

/* client.c: what one open file holds */
struct vtdp_client *vtdp_client_open(void);
void vtdp_client_close(struct vtdp_client *client);
int vtdp_client_pasid_alloc(struct vtdp_client *client,
			    struct vtdpasid_pasid_alloc *arg);
int vtdp_client_pasid_free(struct vtdp_client *client, u32 pasid);
int vtdp_client_give_pasid(struct vtdp_client *client, struct vtdp_space *space,
			   u32 wanted, u32 min, u32 max);
void vtdp_client_take_pasid(struct vtdp_client *client, struct vtdp_space *space,
			    u32 wanted);
struct vtdp_hold *vtdp_client_hold(struct vtdp_client *client,
				   const struct mm_struct *mm);
bool vtdp_client_may_act_on(const struct vtdp_space *space);
int vtdp_client_bind(struct vtdp_client *client, struct vtdpasid_bind *arg);
int vtdp_client_unbind(struct vtdp_client *client, u32 id);
int vtdp_client_sync(struct vtdp_client *client, u64 addr, u64 length);

/* pin.c: pages that stay */
int vtdp_pin(struct vtdp_client *client, struct vtdpasid_pin *arg);
int vtdp_unpin(struct vtdp_client *client, u32 id);
void vtdp_pin_close(struct vtdp_client *client);
void vtdp_pin_mm_gone(struct vtdp_space *space);
u64 vtdp_pinned(struct vtdp_client *client, const struct vtdp_space *space);

/* walk.c: what hardware would walk */
int vtdp_walk(struct vtdpasid_walk *arg);

/* event.c: events to userspace */
int vtdp_events_init(struct vtdp_events *events);
void vtdp_events_exit(struct vtdp_events *events);
ssize_t vtdp_events_read(struct vtdp_events *events, char __user *buf,
			 size_t count, bool nonblock);
__poll_t vtdp_events_poll(struct vtdp_events *events, struct file *file,
			  poll_table *wait);
void vtdp_event_tell(const struct vtdp_unit *unit,
		     const struct vtdp_device *device,
		     const struct vtdp_binding *binding,
		     struct vtdpasid_event *event);
void vtdp_event_unit(const struct vtdp_unit *unit, u16 type);
void vtdp_event_device(const struct vtdp_device *device, u16 type);
void vtdp_event_binding(const struct vtdp_binding *binding, u16 type);

/* netlink.c: the family "vtdpasid" */
int vtdp_netlink_init(void);
void vtdp_netlink_exit(void);
void vtdp_netlink_changed(void);
void vtdp_netlink_event(const struct vtdpasid_event *event,
			const struct vtdp_device *device,
			const struct vtdp_binding *binding);

/* vtd_fault.c: fault records */
void vtdp_fault_init(struct vtdp_unit *unit);
void vtdp_fault_start(struct vtdp_unit *unit);
void vtdp_fault_clear(struct vtdp_unit *unit);
void vtdp_fault_stop(struct vtdp_unit *unit);
const char *vtdp_fault_reason(u8 reason);
bool vtdp_fault_decode(u64 lo, u64 hi, struct vtdpasid_event *event);

/* power.c: suspend, resume, reboot */
int vtdp_power_init(void);
void vtdp_power_exit(void);

/* info.c: what is told of objects */
void vtdp_get_info(struct vtdpasid_get_info *arg);
void vtdp_unit_info(struct vtdp_unit *unit, struct vtdpasid_unit_info *arg);
void vtdp_device_info(struct vtdp_device *device,
		      struct vtdpasid_device_info *arg);
void vtdp_binding_info(const struct vtdp_binding *binding,
		       struct vtdpasid_binding_info *arg);

/* chardev.c: /dev/vtdpasid */
int vtdp_chardev_init(void);
void vtdp_chardev_exit(void);

#endif /* VTDP_VTDPASID_H */
