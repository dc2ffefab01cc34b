// SPDX-License-Identifier: GPL-2.0-only
/*
 * model.c - VT-d units that do all that the specification lets them do, and
 * report whoever relies on more
 *
 * Written from the specification, not from src/: it has its own constants.
 */
#include "host.h"

/* ---- constants (revision 4.1) --------------------------------------------- */

#define CAP_ND(c)	((c) & 7)
#define CAP_CM		(1ull << 7)
#define CAP_PMR		(3ull << 5)
#define CAP_FRO(c)	(((c) >> 24 & 0x3ff) * 16)
#define CAP_NFR(c)	(((c) >> 40 & 0xff) + 1)
#define CAP_MAMV(c)	((c) >> 48 & 0x3f)
#define CAP_DWD		(1ull << 54)
#define CAP_DRD		(1ull << 55)
#define CAP_FS1GP	(1ull << 56)
#define CAP_FS5LP	(1ull << 60)
#define CAP_ESRTPS	(1ull << 63)
#define ECAP_C		(1ull << 0)
#define ECAP_QI		(1ull << 1)
#define ECAP_DT		(1ull << 2)
#define ECAP_PT		(1ull << 6)
#define ECAP_SC		(1ull << 7)
#define ECAP_PRS	(1ull << 29)
#define ECAP_SRS	(1ull << 31)
#define ECAP_PSS(e)	(((e) >> 35 & 0x1f) + 1)
#define ECAP_PASID	(1ull << 40)
#define ECAP_DIT	(1ull << 41)
#define ECAP_PDS	(1ull << 42)
#define ECAP_SMTS	(1ull << 43)
#define ECAP_FSTS	(1ull << 47)
#define ECAP_SMPWC	(1ull << 48)
#define ECAP_RPS	(1ull << 49)
#define GSTS_TES	(1u << 31)
#define GSTS_RTPS	(1u << 30)
#define GSTS_QIES	(1u << 26)
#define GSTS_IRES	(1u << 25)
#define FSTS_PFO	1u
#define FSTS_PPF	2u
#define FSTS_IQE	(1u << 4)
#define FSTS_ICE	(1u << 5)
#define FSTS_ITE	(1u << 6)
#define PRS_PPR		1u
#define PRS_PRO		2u
#define ADDR_MASK	0x000ffffffffff000ull
#define HAW_RSVD	(~((1ull << HOST_HAW) - 1))

enum { Q_CC = 1, Q_IOTLB, Q_DEVTLB, Q_IEC, Q_WAIT, Q_PIOTLB, Q_PC, Q_DEVPIOTLB, Q_RESP };

/* ---- state ---------------------------------------------------------------- */

struct c_ctx { u16 rid; bool negative; u64 q[4]; };
struct c_resp { u16 rid; bool pp; u32 pasid; u16 group; unsigned int code; };
struct c_pde { u16 rid; u64 dir; u32 index; u64 table; u16 did; };
struct c_pasid { u16 rid; u64 dir; u32 pasid; bool negative; u16 did; u64 q[8]; };
struct c_tlb { u16 rid; u16 did; u32 pasid; u64 va, size, pa, root; bool writable; };
struct c_psc { u16 did; u32 pasid; u64 va, span, table, root; bool writable; };
struct c_atc { u16 rid; u32 pasid; u64 va, size, pa; bool writable; };

/* An array that grows; order does not matter. */
#define VEC(t)		struct { t *e; unsigned int n, room; }
#define vec_add(v)							\
	({ if ((v)->n == (v)->room) {					\
		(v)->room = (v)->room ? (v)->room * 2 : 16;		\
		(v)->e = realloc((v)->e, (v)->room * sizeof(*(v)->e));	\
	   }								\
	   memset(&(v)->e[(v)->n], 0, sizeof(*(v)->e));			\
	   &(v)->e[(v)->n++]; })
#define vec_del(v, i)	((v)->e[i] = (v)->e[--(v)->n])
/* Remove all entries for which @cond, of e. */
#define vec_purge(v, cond)						\
	do {								\
		for (unsigned int __i = 0; __i < (v)->n;) {		\
			typeof((v)->e) e = &(v)->e[__i];		\
			if (cond)					\
				vec_del(v, __i);			\
			else						\
				__i++;					\
		}							\
	} while (0)

#define PENDING 24
struct pending { u64 qw[4]; unsigned int slot; u8 type; bool repaired; unsigned int age; };

struct unit {
	bool present;
	unsigned int index;
	u64 base, cap, ecap;
	u32 gsts, fsts, fectl, pmen, prs, pectl;
	u64 rtaddr, root, iqa, iqercd, pqa, pqh, pqt;
	u32 event[6];
	unsigned int head, tail;	/* slots */
	struct pending pend[PENDING];
	unsigned int npend;
	u64 *shot;			/* descriptors as they were at the doorbell */
	bool last_was_wait;
	bool pqt_seen;			/* since PPR was cleared */
	bool fenced;
	/* what has been invalidated since SRTP, in this order */
	unsigned int since_srtp;
	u64 frcd[256][2];
	bool frcd_seen[256];		/* F was read as 1 */
	unsigned int fault_next;
	bool fault_lost;
	unsigned int faults;
	VEC(struct c_ctx) ctx;
	VEC(struct c_pde) pde;
	VEC(struct c_pasid) pasid;
	VEC(struct c_tlb) tlb;
	VEC(struct c_psc) psc;
	struct { u64 qw[4]; bool raw; } req[16];	/* page requests not yet in the queue */
	unsigned int nreq;
	VEC(struct c_resp) resp;	/* responses not yet with the function */
};

static struct unit units[MODEL_UNITS];
static u8 mmio[MODEL_UNITS][8192];
static VEC(struct c_atc) atc;
struct model_conduct conduct;
struct model_stats model_stats;
bool (*prefetch_pick)(struct dma *dma);
void (*model_desc_hook)(unsigned int unit, const u64 *qw);
void (*model_response_hook)(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code);

/*
 * Entries whose P was cleared and which hardware may have read in part: their
 * bodies must rest until an invalidation was done.
 */
struct cleared { u64 pa; u8 kind; u16 unit; u16 rid; u16 did; u32 pasid; };
static VEC(struct cleared) cleared;

#define for_each_unit(u) \
	for (struct unit *u = units; u < units + MODEL_UNITS; u++) if (u->present)

void model_reset(void)
{
	for (unsigned int i = 0; i < MODEL_UNITS; i++) {
		struct unit *u = &units[i];

		free(u->ctx.e); free(u->pde.e); free(u->pasid.e);
		free(u->tlb.e); free(u->psc.e); free(u->resp.e); free(u->shot);
		memset(u, 0, sizeof(*u));
		u->index = i;
	}
	atc.n = 0;
	cleared.n = 0;
	conduct = (struct model_conduct){ .lazy = 1, .silent_rid = -1, .refuse_rid = -1 };
}

void model_unit(unsigned int index, u64 base, const struct model_caps *caps)
{
	struct unit *u = &units[index];

	u->present = true;
	u->base = base;
	u->cap = caps->cap;
	u->ecap = caps->ecap;
	u->fectl = 1u << 31;
	u->pectl = 1u << 31;
	u->pmen = u->cap & CAP_PMR && index % 2 ? 0x80000001 : 0;
}

void model_leave_on(unsigned int i, u32 gsts) { units[i].gsts = gsts; }
bool model_translating(unsigned int i) { return units[i].gsts & GSTS_TES; }
bool model_serving(unsigned int i) { return units[i].gsts & GSTS_QIES; }
unsigned int model_faults(unsigned int i) { return units[i].faults; }

/* ---- checks of entries ---------------------------------------------------- */

static u64 *page_mem(struct hpage *p) { return (u64 *)(arena + (p - hpages) * PAGE_SIZE); }
static u64 *page_shadow(struct hpage *p) { return (u64 *)(arena_shadow + (p - hpages) * PAGE_SIZE); }

static void reserved(const char *what, u64 v, u64 bits)
{
	if (v & bits)
		fail_rule("reserved bit", "%s: %#llx has reserved bits %#llx", what, v, v & bits);
}

static void check_root(struct unit *u, u64 q)
{
	(void)u;
	reserved("root entry", q, 0xffeull | HAW_RSVD);
}

static void check_ctx(struct unit *u, const u64 *q)
{
	reserved("context entry", q[0], 0x1e0ull | HAW_RSVD |
		 (u->ecap & ECAP_DT ? 0 : 4) | (u->ecap & ECAP_PASID ? 0 : 8) |
		 (u->ecap & ECAP_PRS ? 0 : 16));
	reserved("context entry, qword 1", q[1], ~(u->ecap & ECAP_RPS ? 0xfffffull : 0));
	reserved("context entry, qword 2", q[2], ~0ull);
	reserved("context entry, qword 3", q[3], ~0ull);
	if (q[0] & 16 && !(q[0] & 4))
		fail_rule("context entry", "page requests without ATS");
}

static void check_pde(struct unit *u, u64 q)
{
	(void)u;
	reserved("PASID-directory entry", q, 0xffcull | HAW_RSVD);
}

static void check_pasid(struct unit *u, const u64 *q)
{
	unsigned int pgtt = q[0] >> 6 & 7, bits = 4 + 2 * CAP_ND(u->cap);

	reserved("PASID entry", q[0], 0xc00ull | 0x220ull);
	reserved("PASID entry, qword 1", q[1], 0xffffffff00000000ull | 0xfe7f0000ull |
		 (0xffffull & ~((1ull << bits) - 1)) |
		 (u->ecap & ECAP_SMPWC ? 0 : 1ull << 23) | (u->ecap & ECAP_SC ? 0 : 1ull << 24));
	reserved("PASID entry, qword 2", q[2], 0xfe2ull | HAW_RSVD | (u->ecap & ECAP_SRS ? 0 : 1));
	for (int i = 3; i < 8; i++)
		reserved("PASID entry, qwords 3 to 7", q[i], ~0ull);
	if (!(q[1] & 0xffff))
		fail_rule("domain id 0", "in a PASID entry");
	if (pgtt == 1) {
		if (!(u->ecap & ECAP_FSTS))
			fail_rule("PASID entry", "first stage without FSTS");
		if ((q[2] >> 2 & 3) == 1 && !(u->cap & CAP_FS5LP))
			fail_rule("PASID entry", "5 levels without FS5LP");
		if (q[0] & ADDR_MASK)
			fail_rule("PASID entry", "second-stage pointer of a first-stage entry");
		if ((q[0] >> 2 & 7) != 2 && (q[0] >> 2 & 7) != 3)
			fail_rule("PASID entry", "AW %llu", q[0] >> 2 & 7);
		/* Devices act with the rights of the process. */
		if (q[2] & 0x11)
			fail_rule("PASID entry", "SRE or WPE set");
		if (u->ecap & ECAP_SC && !(q[1] >> 24 & 1))
			fail_rule("PASID entry", "no snoop (PGSNP) where it could be");
		if (u->ecap & ECAP_SMPWC && !(q[1] >> 23 & 1))
			fail_rule("PASID entry", "page walks do not snoop (PWSNP) where they could");
	} else if (pgtt == 4) {
		if (!(u->ecap & ECAP_PT))
			fail_rule("PASID entry", "pass-through without PT");
		if (q[2])
			fail_rule("PASID entry", "pass-through with a first-stage pointer");
	} else {
		fail_rule("PASID entry", "PGTT %u", pgtt);
	}
}

/* ---- what entries lead to -------------------------------------------------- */

static void page_ref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *flush);

static unsigned int dir_pages(u64 q0) { return max(1u, 1u << ((q0 >> 9 & 7) + 7 + 3) >> 12); }

static void entry_refs(struct hpage *p, const u64 *q, unsigned int i, struct unit *u,
		       void (*fn)(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u))
{
	u64 ptr;

	switch (p->kind) {
	case PK_ROOT:
		if (q[i] & 1)
			fn(q[i] & ADDR_MASK, PK_CTX, p->units, i, u);
		break;
	case PK_CTX:
		if (i % 4 || !(q[i] & 1))
			break;
		for (unsigned int k = 0; k < dir_pages(q[i]); k++)
			fn((q[i] & ADDR_MASK) + k * PAGE_SIZE, PK_DIR, p->units, k, u);
		break;
	case PK_DIR:
		if (q[i] & 1)
			fn(q[i] & ADDR_MASK, PK_LEAF, p->units, p->index * 512 + i, u);
		break;
	case PK_LEAF:
		if (i % 8 || !(q[i] & 1) || (q[i] >> 6 & 7) != 1)
			break;
		ptr = q[i + 2] & ADDR_MASK;
		fn(ptr, PK_FSROOT, p->units, 0, u);
		break;
	case PK_FSROOT:
		if (q[i] & 1)
			fn(q[i] & ADDR_MASK, PK_FSTABLE, p->units, 0, u);
		break;
	default:
		break;
	}
}

static void check_slot(struct hpage *p, const u64 *q, unsigned int i, struct unit *u)
{
	switch (p->kind) {
	case PK_ROOT:
		if (q[i] & 1)
			check_root(u, q[i]);
		break;
	case PK_CTX:
		if (!(i % 4) && q[i] & 1)
			check_ctx(u, q + i);
		break;
	case PK_DIR:
		if (q[i] & 1)
			check_pde(u, q[i]);
		break;
	case PK_LEAF:
		if (!(i % 8) && q[i] & 1)
			check_pasid(u, q + i);
		break;
	case PK_FSROOT:
		if (i >= 256 && q[i])
			fail_rule("kernel half", "slot %u of a root that devices walk", i);
		if (q[i] & 1 && (q[i] & 0x25) != 0x25)
			fail_rule("root slot", "%#llx: A or U/S is not set", q[i]);
		break;
	default:
		break;
	}
}

static struct unit *first_unit(unsigned int mask)
{
	return &units[__builtin_ctz(mask)];
}

static void page_ref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u)
{
	struct hpage *p = pa_page(pa);
	bool coherent = u->ecap & (kind == PK_FSROOT ? ECAP_SMPWC : ECAP_C);

	if (!p || !p->used) {
		fail_rule("entry to freed memory", "kind %d: %#llx", kind, pa);
		return;
	}
	if (p->refs++ && p->kind != kind)
		fail_rule("page of two kinds", "%d and %d", p->kind, kind);
	p->units |= mask;
	if (kind == PK_FSTABLE) {
		p->kind = kind;
		return;
	}
	if (!coherent && memcmp(page_mem(p), page_shadow(p), PAGE_SIZE))
		fail_rule("not flushed", "a page of kind %d is made reachable before it was written back", kind);
	if (p->refs > 1) {
		if (p->index != index)
			fail_rule("page of two kinds", "leaf or directory at two places");
		return;
	}
	p->kind = kind;
	p->index = index;
	p->last_entry = U16_MAX;
	p->track = malloc(PAGE_SIZE);
	memcpy(p->track, page_mem(p), PAGE_SIZE);
	for (unsigned int i = 0; i < 512; i++) {
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, page_ref);
	}
}

static void page_unref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u)
{
	struct hpage *p = pa_page(pa);
	u64 *track;

	(void)kind; (void)mask; (void)index;
	if (!p || !p->refs)
		return;
	if (--p->refs)
		return;
	if (p->track)
		for (unsigned int i = 0; i < 512; i++)
			entry_refs(p, p->track, i, u, page_unref);
	track = p->track;
	p->track = NULL;
	p->kind = PK_NONE;
	p->units = 0;
	free(track);
}

/* ---- stores --------------------------------------------------------------- */

static struct cleared *cleared_find(u64 pa)
{
	for (unsigned int i = 0; i < cleared.n; i++)
		if (cleared.e[i].pa == pa)
			return &cleared.e[i];
	return NULL;
}

/* Which requester id a context entry is, from where its table hangs. */
static u16 ctx_rid(struct hpage *p, unsigned int i) { return p->index * 128 + i / 4; }

static void store_gone(struct hpage *p, unsigned int i, unsigned int n)
{
	unsigned int e = i - i % n;

	for (unsigned int k = 0; k < MODEL_UNITS; k++) {
		struct cleared *c;

		if (!(p->units >> k & 1) || !(units[k].gsts & GSTS_TES))
			continue;
		c = vec_add(&cleared);
		c->pa = page_pa(p) + e * 8;
		c->kind = p->kind;
		c->unit = k;
		if (p->kind == PK_CTX) {
			c->rid = ctx_rid(p, e);
		} else {
			c->did = p->track[e + 1];
			c->pasid = p->index * 64 + e / 8;
		}
	}
}

/* A store to an entry of @n qwords whose first has P. */
static void store_entry(struct hpage *p, unsigned int i, u64 new, unsigned int n)
{
	static const char *const names[] = { "", "root", "context", "directory", "PASID", "" };
	struct unit *u = first_unit(p->units);
	const char *name = names[p->kind];
	unsigned int e = i - i % n;
	u64 old = p->track[i], copy[8];
	bool present = p->track[e] & 1;

	if (old == new) {
		/* No change, but still a store for the order of stores. */
		if (i != e) {
			p->last_entry = e;
			p->last_barrier = shim_barriers();
		}
		return;
	}
	if (i != e) {
		if (present)
			fail_rule("live rewrite", "body of a present %s entry", name);
		else if (cleared_find(page_pa(p) + e * 8))
			fail_rule("body before invalidation", "%s entry was cleared, and not invalidated yet", name);
		p->last_entry = e;
		p->last_barrier = shim_barriers();
		p->track[i] = new;
		return;
	}
	memcpy(copy, p->track + e, n * 8);
	copy[0] = new;
	if (!(old & 1) && new & 1) {
		if (n > 1 && p->last_entry == e && p->last_barrier == shim_barriers())
			fail_rule("no barrier", "between the body of a %s entry and its P", name);
		if (cleared_find(page_pa(p) + e * 8))
			fail_rule("present before invalidation", "%s entry was cleared, and not invalidated yet", name);
		p->track[i] = new;
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, page_ref);
	} else if (old & 1 && !(new & 1)) {
		if (n == 1 && p->kind == PK_ROOT)
			fail_rule("live rewrite", "root entry taken away");
		entry_refs(p, p->track, i, u, page_unref);
		store_gone(p, i, n);
		p->track[i] = new;
	} else if (new & 1) {
		u64 was[8];

		if (p->kind != PK_CTX)
			fail_rule("live rewrite", "%s entry, present to present", name);
		memcpy(was, p->track + e, n * 8);
		p->track[i] = new;
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, page_ref);
		copy[0] = was[0];
		{
			/* The old one, as it was. */
			u64 keep = p->track[i];

			p->track[i] = was[0];
			entry_refs(p, p->track, i, u, page_unref);
			p->track[i] = keep;
		}
	} else {
		p->track[i] = new;
	}
}

void model_hook_store(const volatile void *addr, unsigned int size)
{
	size_t off = (const u8 *)addr - arena;
	struct hpage *p = &hpages[off / PAGE_SIZE];
	unsigned int i = off % PAGE_SIZE / 8;
	u64 new;

	if (one_in(conduct.evict))
		memcpy(arena_shadow + (off & ~63ul), arena + (off & ~63ul), 64);
	if (p->kind == PK_NONE || p->kind == PK_FSTABLE)
		return;
	if (size != 8 || off % 8) {
		fail_rule("store size", "%u bytes into a table", size);
		return;
	}
	new = page_mem(p)[i];
	switch (p->kind) {
	case PK_ROOT: case PK_DIR: store_entry(p, i, new, 1); break;
	case PK_CTX: store_entry(p, i, new, 4); break;
	case PK_LEAF: store_entry(p, i, new, 8); break;
	case PK_FSROOT: {
		struct unit *u = first_unit(p->units);
		u64 old = p->track[i];

		if (old == new)
			break;
		p->track[i] = new;
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, page_ref);
		p->track[i] = old;
		entry_refs(p, p->track, i, u, page_unref);
		p->track[i] = new;
		break;
	}
	default: break;
	}
}

void model_hook_flush(void *addr, unsigned int size)
{
	size_t from = ((u8 *)addr - arena) & ~63ul;
	size_t to = (((u8 *)addr - arena) + size + 63) & ~63ul;

	memcpy(arena_shadow + from, arena + from, to - from);
}

void model_hook_alloc(struct hpage *first, unsigned int count)
{
	(void)first; (void)count;
}

static bool covers(struct hpage *first, unsigned int count, u64 pa)
{
	u64 base = page_pa(first);

	return pa >= base && pa < base + count * PAGE_SIZE;
}

void model_hook_free(struct hpage *first, unsigned int count)
{
	for (unsigned int k = 0; k < count; k++)
		if (first[k].refs)
			fail_rule("entry to freed memory", "a page of kind %d is freed while %u entries lead to it",
				  first[k].kind, first[k].refs);
	for (unsigned int k = 0; k < count; k++)
		while (first[k].refs)
			page_unref(page_pa(&first[k]), first[k].kind, 0, 0, &units[0]);
	vec_purge(&cleared, covers(first, count, e->pa));

	for_each_unit(u) {
		if (u->gsts & GSTS_QIES && covers(first, count, u->iqa & ADDR_MASK))
			fail_rule("freed while used", "invalidation queue of unit %u", u->index);
		if (u->pqa & ADDR_MASK && u->gsts & GSTS_TES && covers(first, count, u->pqa & ADDR_MASK))
			fail_rule("freed while used", "page-request queue of unit %u", u->index);
		if (!(u->gsts & GSTS_TES))
			continue;
		if (covers(first, count, u->root & ADDR_MASK))
			fail_rule("freed while used", "root table of unit %u", u->index);
		for (unsigned int i = 0; i < u->ctx.n; i++)
			if (!u->ctx.e[i].negative && covers(first, count, u->ctx.e[i].q[0] & ADDR_MASK))
				fail_rule("freed while cached", "directory, in the context cache for %04x", u->ctx.e[i].rid);
		for (unsigned int i = 0; i < u->pde.n; i++)
			if (covers(first, count, u->pde.e[i].table))
				fail_rule("freed while cached", "PASID table, in a cached directory entry of %04x, index %u, domain id %u",
					  u->pde.e[i].rid, u->pde.e[i].index, u->pde.e[i].did);
		for (unsigned int i = 0; i < u->pasid.n; i++) {
			struct c_pasid *c = &u->pasid.e[i];

			if (!c->negative && (c->q[0] >> 6 & 7) == 1 && covers(first, count, c->q[2] & ADDR_MASK))
				fail_rule("freed while cached", "top-level page, in the PASID cache, PASID %u of %04x", c->pasid, c->rid);
			if (!c->negative && covers(first, count, c->dir))
				fail_rule("freed while cached", "PASID %u of %04x is cached by a directory that is freed", c->pasid, c->rid);
		}
		for (unsigned int i = 0; i < u->psc.n; i++)
			if (covers(first, count, u->psc.e[i].table) || covers(first, count, u->psc.e[i].root))
				fail_rule("freed while cached", "page table for %#llx, in the paging-structure cache, PASID %u",
					  u->psc.e[i].va, u->psc.e[i].pasid);
		for (unsigned int i = 0; i < u->tlb.n; i++)
			if (covers(first, count, u->tlb.e[i].root))
				fail_rule("freed while cached", "top-level page, with an IOTLB entry for %#llx left, PASID %u",
					  u->tlb.e[i].va, u->tlb.e[i].pasid);
		/* Nobody looks these up once the root is gone: gone with it. */
		vec_purge(&u->ctx, !e->negative && covers(first, count, e->q[0] & ADDR_MASK));
		vec_purge(&u->pde, covers(first, count, e->table) || covers(first, count, e->dir));
		vec_purge(&u->pasid, !e->negative && (covers(first, count, e->q[2] & ADDR_MASK) || covers(first, count, e->dir)));
		vec_purge(&u->psc, covers(first, count, e->table) || covers(first, count, e->root));
		vec_purge(&u->tlb, covers(first, count, e->root));
	}
}

/* ---- reading memory -------------------------------------------------------- */

static bool hw_read(u64 pa, u64 *out, unsigned int n, bool coherent, const char *what)
{
	struct hpage *p = pa_page(pa);

	if (!p || !p->used) {
		fail_rule("reads freed memory", "%s at %#llx", what, pa);
		return false;
	}
	memcpy(out, (coherent ? arena : arena_shadow) + (pa - ARENA_PHYS), n * 8);
	return true;
}

/* ---- faults ---------------------------------------------------------------- */

static void fault_record(struct unit *u, const struct dma *d)
{
	unsigned int n = min_t(unsigned int, CAP_NFR(u->cap), 256), i = u->fault_next % n;
	bool pp = d->pasid != NO_PASID;

	u->faults++;
	if (u->fsts & FSTS_PFO)
		return;
	if (u->frcd[i][1] >> 63) {
		u->fsts |= FSTS_PFO;
		return;
	}
	u->frcd[i][0] = d->addr & ~0xfffull;
	u->frcd[i][1] = 1ull << 63 | (d->request ? 1ull << 28 : d->write ? 0 : 1ull << 62) |
			(pp ? (u64)d->pasid << 40 | 1ull << 31 : 0) |
			(u64)d->reason << 32 | d->rid;
	u->frcd_seen[i] = false;
	u->fault_next = (i + 1) % n;
}

/* ---- translation ----------------------------------------------------------- */

static enum dma_result dma_fault(struct unit *u, struct dma *d, u8 reason, bool fpd)
{
	d->reason = reason;
	if (!d->prefetch && !fpd)
		fault_record(u, d);
	if (!d->prefetch)
		model_stats.faults++;
	return DMA_FAULT;
}

static struct c_ctx *ctx_lookup(struct unit *u, u16 rid)
{
	bool coherent = u->ecap & ECAP_C;
	struct c_ctx *c;
	u64 root, q[4];

	for (unsigned int i = 0; i < u->ctx.n; i++)
		if (u->ctx.e[i].rid == rid)
			return &u->ctx.e[i];
	if (!hw_read((u->root & ADDR_MASK) + (rid >> 7) * 8, &root, 1, coherent, "root entry"))
		return NULL;
	memset(q, 0, sizeof(q));
	if (root & 1) {
		check_root(u, root);
		if (!hw_read((root & ADDR_MASK) + (rid & 127) * 32, q, 4, coherent, "context entry"))
			return NULL;
	}
	if (q[0] & 1)
		check_ctx(u, q);
	else if (!(u->cap & CAP_CM)) {
		static struct c_ctx absent;

		memcpy(absent.q, q, sizeof(q));
		absent.negative = true;
		return &absent;
	}
	c = vec_add(&u->ctx);
	c->rid = rid;
	c->negative = !(q[0] & 1);
	memcpy(c->q, q, sizeof(q));
	return c;
}

/* Table 17: looked up by PASID and requester, invalidated by PASID and domain id. */
static struct c_pasid *pasid_lookup(struct unit *u, u16 rid, u64 q0, u32 pasid, u8 *reason)
{
	static struct c_pasid absent;
	bool coherent = u->ecap & ECAP_C, have = false;
	u64 dir = q0 & ADDR_MASK, table = 0, pde, q[8];
	struct c_pasid *c, *hit = NULL;

	for (unsigned int i = 0; i < u->pasid.n; i++) {
		c = &u->pasid.e[i];
		if (c->pasid == pasid && c->rid == rid)
			hit = c;
	}
	if (hit)
		return hit;
	for (unsigned int i = 0; i < u->pde.n; i++) {
		struct c_pde *e = &u->pde.e[i];

		if (e->index == pasid >> 6 && e->rid == rid) {
			table = e->table;
			have = true;
		}
	}
	memset(&absent, 0, sizeof(absent));
	absent.negative = true;
	if (!have) {
		if (!hw_read(dir + (pasid >> 6) * 8ull, &pde, 1, coherent, "PASID-directory entry"))
			return NULL;
		if (!(pde & 1)) {
			*reason = 0x51;
			goto negative;
		}
		check_pde(u, pde);
		table = pde & ADDR_MASK;
	}
	if (!hw_read(table + (pasid & 63) * 64ull, q, 8, coherent, "PASID entry"))
		return NULL;
	if (!(q[0] & 1)) {
		absent.q[0] = q[0];
		*reason = 0x59;
		goto negative;
	}
	check_pasid(u, q);
	if (!have && conduct.pde) {
		struct c_pde *e = vec_add(&u->pde);

		*e = (struct c_pde){ rid, dir, pasid >> 6, table, q[1] & 0xffff };
	}
	c = vec_add(&u->pasid);
	c->rid = rid;
	c->dir = dir;
	c->pasid = pasid;
	c->did = q[1];
	memcpy(c->q, q, sizeof(q));
	return c;

negative:
	if (!(u->cap & CAP_CM))
		return &absent;
	c = vec_add(&u->pasid);
	c->rid = rid;
	c->dir = dir;
	c->pasid = pasid;
	c->negative = true;
	c->q[0] = absent.q[0];
	return c;
}

/* The PASID entry that a request leads to, or NULL: it faults. */
static struct c_pasid *entry_find(struct unit *u, struct dma *d)
{
	u32 pasid = d->pasid == NO_PASID ? 0 : d->pasid;
	struct c_ctx *c = ctx_lookup(u, d->rid);
	struct c_pasid *p = NULL;
	u8 reason = 0x59;

	if (!c)
		return NULL;
	if (d->pasid == NO_PASID && u->ecap & ECAP_RPS)
		pasid = c->q[1] & 0xfffff;
	if (c->negative)
		dma_fault(u, d, 0x41, c->q[0] & 2);
	else if (d->pasid != NO_PASID && !(c->q[0] & 8))
		dma_fault(u, d, 0x45, c->q[0] & 2);
	else if (d->request && !(c->q[0] & 16))
		dma_fault(u, d, 0x4a, c->q[0] & 2);
	else if (d->pasid == 0)
		dma_fault(u, d, 0x59, false);	/* PASID 0 names requests without */
	else if (pasid >> 6 >= 1u << ((c->q[0] >> 9 & 7) + 7))
		dma_fault(u, d, 0x46, c->q[0] & 2);
	else
		p = pasid_lookup(u, d->rid, c->q[0], pasid, &reason);
	if (p && p->negative) {
		dma_fault(u, d, reason, p->q[0] & 2);
		return NULL;
	}
	return p;
}

static void tag_check(struct unit *u, u16 did, u32 pasid, u64 root)
{
	for (unsigned int i = 0; i < u->tlb.n; i++)
		if (u->tlb.e[i].did == did && u->tlb.e[i].pasid == pasid && u->tlb.e[i].root != root) {
			fail_rule("two roots", "domain id %u, PASID %u name two roots", did, pasid);
			return;
		}
	for (unsigned int i = 0; i < u->psc.n; i++)
		if (u->psc.e[i].did == did && u->psc.e[i].pasid == pasid && u->psc.e[i].root != root) {
			fail_rule("two roots", "domain id %u, PASID %u name two roots (paging structures)", did, pasid);
			return;
		}
}

static enum dma_result dma_hit(struct unit *u, struct dma *d, const struct c_tlb *t)
{
	if (d->write && !t->writable)
		return dma_fault(u, d, 0x85, false);
	d->pa = t->pa + (d->addr - t->va);
	d->size = t->size;
	d->writable = t->writable;
	d->through = t->root == ~0ull;
	return DMA_OK;
}

static enum dma_result first_stage(struct unit *u, struct dma *d, u16 did, u32 pasid, u64 root, bool fpd)
{
	u64 table = root, e, va = d->addr;
	struct c_psc *best = NULL;
	bool writable = true;
	int level = 3;

	if ((s64)(va << 16) >> 16 != (s64)va)
		return dma_fault(u, d, 0x80, fpd);
	for (unsigned int i = 0; i < u->psc.n; i++) {
		struct c_psc *c = &u->psc.e[i];

		if (c->did == did && c->pasid == pasid && va >= c->va && va - c->va < c->span &&
		    (!best || c->span < best->span))
			best = c;
	}
	if (best && !one_in(8)) {
		table = best->table;
		writable = best->writable;
		level = best->span == 1ull << 39 ? 2 : best->span == 1ull << 30 ? 1 : 0;
	}
	for (;; level--) {
		unsigned int shift = 12 + 9 * level;
		u64 at = table + (va >> shift & 511) * 8;
		/* What the CPU's page tables hold nobody can write back. */
		bool coherent = level < 3 || u->ecap & ECAP_SMPWC;

		if (!hw_read(at, &e, 1, coherent, "first-stage entry"))
			return dma_fault(u, d, 0x70, fpd);
		if (!(e & 1))
			return dma_fault(u, d, 0x71, fpd);
		if (!(e & 4))
			return dma_fault(u, d, 0x81, fpd);
		writable &= e >> 1 & 1;
		if (!(e & 0x20)) {
			if (level == 3)
				fail_rule("root slot", "hardware has to set the accessed bit");
			else
				*(u64 *)phys_to_virt(at) |= 0x20;
		}
		if (!level || (level < 3 && e & 0x80)) {
			u64 size = 1ull << shift;
			struct c_tlb *t;

			if (level == 2 && !(u->cap & CAP_FS1GP)) {
				fail_rule("1 GiB page", "on a unit without FS1GP");
				return dma_fault(u, d, 0x72, fpd);
			}
			tag_check(u, did, pasid, root);
			t = vec_add(&u->tlb);
			*t = (struct c_tlb){ d->rid, did, pasid, va & ~(size - 1), size,
				e & ADDR_MASK & ~(size - 1), root, writable };
			return dma_hit(u, d, t);
		}
		table = e & ADDR_MASK;
		for (unsigned int i = 0; i < u->psc.n; i++) {
			struct c_psc *c = &u->psc.e[i];

			if (c->did == did && c->pasid == pasid && c->span == 1ull << shift && c->va == (va & ~((1ull << shift) - 1)))
				goto cached;
		}
		tag_check(u, did, pasid, root);
		*vec_add(&u->psc) = (struct c_psc){ did, pasid, va & ~((1ull << shift) - 1),
			1ull << shift, table, root, writable };
cached:;
	}
}

enum dma_result model_dma(struct dma *d)
{
	struct unit *u = &units[d->unit];
	struct pci_dev *pdev = pci_by_rid(d->rid);
	struct c_pasid *p;
	u32 pasid;
	u64 root;

	d->through = false;
	if (!d->prefetch) {
		if (!pdev || !pdev->present || !pci_has_bme(pdev) ||
		    (d->pasid != NO_PASID && !pdev->pasid_enabled))
			return DMA_NOT_SENT;
		model_stats.dmas++;
	}
	if (!(u->gsts & GSTS_TES)) {
		d->through = true;
		d->pa = d->addr;
		d->writable = true;
		d->size = PAGE_SIZE;
		return DMA_OK;
	}
	p = entry_find(u, d);
	if (!p)
		return DMA_FAULT;
	pasid = p->pasid;
	root = (p->q[0] >> 6 & 7) == 4 ? ~0ull : p->q[2] & ADDR_MASK;
	/*
	 * Table 17 looks entries up by requester and PASID, whatever their
	 * domain id. Others may look them up by domain id and PASID: software
	 * that follows 6.2.3.1 must not see a difference.
	 */
	for (unsigned int i = 0; i < u->tlb.n; i++) {
		struct c_tlb *t = &u->tlb.e[i];

		if ((t->rid == d->rid || (t->did == p->did && one_in(2))) && t->pasid == pasid &&
		    d->addr >= t->va && d->addr - t->va < t->size) {
			enum dma_result r = dma_hit(u, d, t);

			model_stats.oks += r == DMA_OK;
			return r;
		}
	}
	if (root == ~0ull) {
		struct c_tlb *t;

		tag_check(u, p->did, pasid, root);
		t = vec_add(&u->tlb);
		*t = (struct c_tlb){ d->rid, p->did, pasid, d->addr & ~0xfffull, PAGE_SIZE, d->addr & ~0xfffull, root, true };
		model_stats.oks++;
		return dma_hit(u, d, t);
	}
	if (first_stage(u, d, p->did, pasid, root, p->q[0] & 2) != DMA_OK)
		return DMA_FAULT;
	model_stats.oks++;
	return DMA_OK;
}

/* ---- device TLBs ----------------------------------------------------------- */

static bool rid_has_dte(struct unit *u, u16 rid)
{
	struct c_ctx *c = ctx_lookup(u, rid);

	return c && !c->negative && c->q[0] & 4;
}

enum dma_result model_ats(struct dma *d)
{
	struct unit *u = &units[d->unit];
	struct pci_dev *pdev = pci_by_rid(d->rid);
	bool prefetch = d->prefetch;
	enum dma_result r;

	if (!pdev || !pci_ats_is_on(pdev) || !pdev->present || !pci_has_bme(pdev))
		return DMA_NOT_SENT;
	if (u->gsts & GSTS_TES && !rid_has_dte(u, d->rid)) {
		fail_rule("DTE", "%04x has ATS on, its context entry has not", d->rid);
		return DMA_FAULT;
	}
	d->prefetch = true;	/* not present is an answer, no fault */
	r = d->pasid != NO_PASID && !pdev->pasid_enabled ? DMA_NOT_SENT : model_dma(d);
	d->prefetch = prefetch;
	if (r != DMA_OK || !(u->gsts & GSTS_TES) || d->through)
		return r;
	*vec_add(&atc) = (struct c_atc){ d->rid, d->pasid, d->addr & ~(d->size - 1), d->size,
		d->pa & ~(d->size - 1), d->writable };
	return DMA_OK;
}

bool model_atc_lookup(struct dma *d)
{
	struct pci_dev *pdev = pci_by_rid(d->rid);

	if (!pdev || !pdev->present || !pci_has_bme(pdev) || !pci_ats_is_on(pdev))
		return false;
	for (unsigned int i = 0; i < atc.n; i++) {
		struct c_atc *a = &atc.e[i];

		if (a->rid == d->rid && a->pasid == d->pasid && d->addr >= a->va && d->addr - a->va < a->size &&
		    (a->writable || !d->write)) {
			d->pa = a->pa + (d->addr - a->va);
			d->size = a->size;
			d->writable = a->writable;
			return true;
		}
	}
	return false;
}

void model_atc_reset(unsigned int unit, u16 rid)
{
	(void)unit;
	vec_purge(&atc, e->rid == rid);
}

/* ---- user memory ------------------------------------------------------------ */

/* Can any function still use an IOTLB entry? Only asked when something broke. */
static bool tlb_reachable(struct unit *u, const struct c_tlb *t)
{
	for (unsigned int rid = 0; rid < 0x400; rid++) {
		struct pci_dev *pdev = pci_by_rid(rid);
		struct c_pasid *p;
		struct c_ctx *c;
		u8 reason;

		if (!pdev || !pci_has_bme(pdev))
			continue;
		c = ctx_lookup(u, rid);
		if (!c || c->negative)
			continue;
		if (t->pasid && (!(c->q[0] & 8) || !pdev->pasid_enabled))
			continue;
		p = pasid_lookup(u, rid, c->q[0], t->pasid, &reason);
		if (p && !p->negative && p->did == t->did)
			return true;
	}
	return false;
}

static bool overlap(u64 a, u64 an, u64 b, u64 bn) { return a < b + bn && b < a + an; }

void model_check_user_page(u64 pa, u64 size, bool freed, const char *when)
{
	for_each_unit(u) {
		if (!(u->gsts & GSTS_TES))
			continue;
		for (unsigned int i = 0; i < u->tlb.n; i++) {
			struct c_tlb *t = &u->tlb.e[i];

			if (t->root == ~0ull || !overlap(t->pa, t->size, pa, size) || (!freed && !t->writable))
				continue;
			if (conduct.stuck && !tlb_reachable(u, t))
				continue;
			fail_rule("stale IOTLB", "unit %u, domain id %u, PASID %u: %#llx (%llu KiB%s) %s", u->index,
				  t->did, t->pasid, t->va, t->size >> 10, t->writable ? ", writable" : "", when);
			vec_del(&u->tlb, i);
			i--;
		}
	}
	for (unsigned int i = 0; i < atc.n; i++) {
		struct c_atc *a = &atc.e[i];
		struct pci_dev *pdev = pci_by_rid(a->rid);

		if (!overlap(a->pa, a->size, pa, size) || (!freed && !a->writable) ||
		    !pdev || !pdev->present || !pci_has_bme(pdev))
			continue;
		fail_rule("stale device TLB", "%04x, PASID %d: %#llx %s", a->rid, (int)a->pasid, a->va, when);
		vec_del(&atc, i);
		i--;
	}
}

/* After an unbind: what is cached or in memory of this function and PASID? */
void model_check_no_access(unsigned int unit, u16 rid, u32 pasid, const char *when)
{
	struct unit *u = &units[unit];
	struct pci_dev *pdev = pci_by_rid(rid);

	if (!pdev || !pci_has_bme(pdev) || !pdev->present)
		return;
	for (unsigned int i = 0; i < u->pasid.n; i++)
		if (u->pasid.e[i].rid == rid && u->pasid.e[i].pasid == pasid && !u->pasid.e[i].negative)
			fail_rule("stale PASID cache", "%04x, PASID %u %s", rid, pasid, when);
	for (unsigned int i = 0; i < atc.n; i++)
		if (atc.e[i].rid == rid && atc.e[i].pasid == (pasid ?: NO_PASID))
			fail_rule("stale device TLB", "%04x, PASID %u %s", rid, pasid, when);
}

/* A number that changes hands: nothing may know it. */
void model_check_pasid_clean(u32 pasid, const char *when)
{
	for_each_unit(u) {
		if (!(u->gsts & GSTS_TES))
			continue;
		for (unsigned int i = 0; i < u->pasid.n; i++)
			if (u->pasid.e[i].pasid == pasid && !u->pasid.e[i].negative)
				fail_rule("PASID reused early", "%u: PASID cache of unit %u, %04x, %s", pasid, u->index, u->pasid.e[i].rid, when);
		for (unsigned int i = 0; i < u->tlb.n; i++)
			if (u->tlb.e[i].pasid == pasid)
				fail_rule("PASID reused early", "%u: IOTLB of unit %u, %s", pasid, u->index, when);
		for (unsigned int i = 0; i < u->psc.n; i++)
			if (u->psc.e[i].pasid == pasid)
				fail_rule("PASID reused early", "%u: paging-structure cache of unit %u, %s", pasid, u->index, when);
	}
	for (unsigned int i = 0; i < atc.n; i++)
		if (atc.e[i].pasid == pasid && pci_by_rid(atc.e[i].rid) && pci_has_bme(pci_by_rid(atc.e[i].rid)))
			fail_rule("PASID reused early", "%u: device TLB of %04x, %s", pasid, atc.e[i].rid, when);
}

void model_check_unit_off(unsigned int unit)
{
	struct unit *u = &units[unit];

	if (u->gsts & (GSTS_TES | GSTS_QIES))
		fail_rule("not off", "unit %u: GSTS %#x", unit, u->gsts);
	if (u->ctx.n || u->pde.n || u->pasid.n || u->tlb.n || u->psc.n)
		fail_rule("left in caches", "unit %u after handback", unit);
}

/* ---- descriptors ------------------------------------------------------------- */

static bool desc_reserved(const u64 *q, u64 r0, u64 r1)
{
	if (q[0] & r0 || q[1] & r1)
		return fail_rule("reserved bit", "descriptor %016llx %016llx: %#llx %#llx", q[0], q[1],
				 q[0] & r0, q[1] & r1), true;
	return false;
}

/* Return: whether hardware accepts it. */
static bool desc_check(struct unit *u, const u64 *q)
{
	unsigned int type = q[0] & 15, g = q[0] >> 4 & 3;

	if (type != Q_RESP && (q[2] || q[3]))
		return fail_rule("reserved bit", "descriptor type %u, upper half", type), false;
	switch (type) {
	case Q_CC:
		return !desc_reserved(q, 0xfffc00000000ffc0ull, ~0ull) &&
		       (g || (fail_rule("descriptor", "context cache, G=0"), false));
	case Q_IOTLB:
		if (desc_reserved(q, 0xffffffff0000ff00ull, g == 3 ? 0xf80 : ~0ull))
			return false;
		if (!g)
			return fail_rule("descriptor", "IOTLB, G=0"), false;
		if ((u->cap & CAP_DWD && !(q[0] & 64)) || (u->cap & CAP_DRD && !(q[0] & 128)))
			fail_rule("no drain", "IOTLB invalidation without DW or DR");
		if ((!(u->cap & CAP_DWD) && q[0] & 64) || (!(u->cap & CAP_DRD) && q[0] & 128))
			fail_rule("reserved bit", "DW or DR without the capability");
		return true;
	case Q_PIOTLB:
		if (desc_reserved(q, 0xfff000000000ffc0ull, g == 3 ? 0xf80 : ~0ull))
			return false;
		if (g < 2)
			return fail_rule("descriptor", "PASID IOTLB, G=%u", g), false;
		if (g == 3 && (q[1] & 63) > CAP_MAMV(u->cap))
			return fail_rule("descriptor", "address mask %llu beyond MAMV", q[1] & 63), false;
		if (g == 3 && q[1] & 64)
			fail_rule("hint", "IH is set: paging-structure caches stay");
		return true;
	case Q_PC:
		return !desc_reserved(q, 0xfff000000000ffc0ull, ~0ull) &&
		       (g != 2 || (fail_rule("descriptor", "PASID cache, G=2"), false));
	case Q_DEVTLB:
		if (!(u->ecap & ECAP_DT))
			return fail_rule("descriptor", "device TLB without DT"), false;
		return !desc_reserved(q, 0x000f0000ffe00ff0ull | (u->ecap & ECAP_DIT ? 0 : 0xfff000000000f000ull), 0xffe);
	case Q_DEVPIOTLB:
		if (!(u->ecap & ECAP_DT))
			return fail_rule("descriptor", "device TLB without DT"), false;
		return !desc_reserved(q, 0x0000000000000e00ull | (u->ecap & ECAP_DIT ? 0 : 0xfff000000000f000ull), 0x7fe);
	case Q_WAIT:
		if (desc_reserved(q, 0x00000000ffffff00ull | (u->ecap & ECAP_PDS ? 0 : 128), 3))
			return false;
		if (!(q[0] & 0x70))
			return fail_rule("descriptor", "wait that does nothing"), false;
		return true;
	case Q_RESP:
		if (!(u->ecap & ECAP_PRS))
			return fail_rule("descriptor", "page response without PRS"), false;
		return !desc_reserved(q, 0xfff0000000000fe0ull, 0xfffffffffffff003ull);
	}
	fail_rule("descriptor", "type %u", type);
	return false;
}

/* Drop the records of cleared entries that this invalidation covers. */
static bool record_visible(const struct cleared *c)
{
	struct unit *u = &units[c->unit];

	if (u->ecap & ECAP_C)
		return true;
	return !(*(u64 *)(arena_shadow + (c->pa - ARENA_PHYS)) & 1);
}

/* ---- responses to page requests ------------------------------------------------ */

static void response_deliver(struct unit *u, unsigned int i)
{
	struct c_resp r = u->resp.e[i];

	memmove(&u->resp.e[i], &u->resp.e[i + 1], (--u->resp.n - i) * sizeof(r));
	model_response_hook(u->index, r.rid, r.pp, r.pasid, r.group, r.code);
}

/* To a function in the order in which they were sent. */
static void response_send(struct unit *u, u64 qw0, bool pp, u16 group, unsigned int code)
{
	if (!model_response_hook)
		return;
	*(struct c_resp *)vec_add(&u->resp) = (struct c_resp){ qw0 >> 16, pp, qw0 >> 32 & 0xfffff, group, code };
	if (!conduct.late_responses)
		response_deliver(u, u->resp.n - 1);
}

/* 7.8: an invalidation of the device TLB comes behind them. */
void model_responses_push(unsigned int unit, u16 rid)
{
	struct unit *u = &units[unit];

	for (unsigned int i = 0; i < u->resp.n;) {
		if (u->resp.e[i].rid == rid)
			response_deliver(u, i);
		else
			i++;
	}
}

static void response_some(struct unit *u)
{
	unsigned int pick = rnd_below(u->resp.n), i = 0;

	while (u->resp.e[i].rid != u->resp.e[pick].rid)
		i++;
	response_deliver(u, i);
}

/* ---- invalidation -------------------------------------------------------------- */

static void exec_inval(struct unit *u, const u64 *q)
{
	unsigned int type = q[0] & 15, g = q[0] >> 4 & 3;
	u16 did = q[0] >> 16, sid = q[0] >> 32;
	u32 pasid = q[0] >> 32 & 0xfffff;
	u64 addr = q[1] & ~0xfffull, size;

	switch (type) {
	case Q_CC:
		if (g == 3) {
			u16 mask = 0xffff << (q[0] >> 48 & 3);

			vec_purge(&u->ctx, !((e->rid ^ sid) & mask));
			vec_purge(&u->pde, !((e->rid ^ sid) & mask));
			vec_purge(&cleared, e->unit == u->index && e->kind == PK_CTX && !((e->rid ^ sid) & mask) && record_visible(e));
			break;
		}
		u->ctx.n = 0;
		u->pde.n = 0;
		vec_purge(&cleared, e->unit == u->index && e->kind == PK_CTX && record_visible(e));
		u->since_srtp = 1;
		break;
	case Q_PC:
		if (g == 3) {
			u->pasid.n = 0;
			u->pde.n = 0;
			vec_purge(&cleared, e->unit == u->index && e->kind != PK_CTX && record_visible(e));
			u->since_srtp = u->since_srtp == 1 ? 2 : u->since_srtp;
			break;
		}
		/*
		 * 6.2.3: what is not present is tagged with domain id 0. Unless
		 * conduct.cm_strict, with the one that software is about to
		 * use, too, as hypervisors do that were written for Linux.
		 */
		vec_purge(&u->pasid, (e->did == did || (e->negative && !conduct.cm_strict)) && (g == 0 || e->pasid == pasid));
		/*
		 * 6.2.3 does not tell of directory entries that are cached, and
		 * table 28 what to do when one changes. So who keeps them drops
		 * them by that; and with the context entry, as a detach needs
		 * nothing else once no entry of the table is present.
		 */
		vec_purge(&u->pde, g == 0 ? e->did == did : e->index == pasid >> 6);
		vec_purge(&cleared, e->unit == u->index && ((e->kind == PK_LEAF && e->did == did && (g == 0 || e->pasid == pasid)) ||
			(e->kind == PK_DIR && g == 0)) && record_visible(e));
		break;
	case Q_IOTLB:
		if (g == 1) {
			u->tlb.n = 0;
			u->psc.n = 0;
			u->since_srtp = u->since_srtp == 2 ? 3 : u->since_srtp;
		} else if (g == 2) {
			vec_purge(&u->tlb, e->did == did);
			vec_purge(&u->psc, e->did == did);
		}
		break;
	case Q_PIOTLB:
		if (g == 2) {
			vec_purge(&u->tlb, e->did == did && e->pasid == pasid);
			vec_purge(&u->psc, e->did == did && e->pasid == pasid);
			break;
		}
		size = 1ull << (12 + (q[1] & 63));
		addr &= ~(size - 1);
		/* A page that is larger than the range stays (6.5.2.4). */
		vec_purge(&u->tlb, e->did == did && e->pasid == pasid && e->size <= size && overlap(e->va, e->size, addr, size));
		vec_purge(&u->psc, e->did == did && e->pasid == pasid && overlap(e->va, e->span, addr, size));
		break;
	case Q_DEVTLB:
	case Q_DEVPIOTLB:
		if (type == Q_DEVPIOTLB)
			sid = q[0] >> 16;
		size = PAGE_SIZE;
		if (type == Q_DEVTLB ? q[1] & 1 : q[1] >> 11 & 1) {
			unsigned int bit = 12;

			while (bit < 63 && q[1] >> bit & 1)
				bit++;
			size = bit >= 63 ? 0 : 1ull << (bit + 1);
		}
		addr = size ? addr & ~(size - 1) : 0;
		model_responses_push(u->index, sid);
		vec_purge(&atc, e->rid == sid &&
			  (type == Q_DEVTLB ? e->pasid == NO_PASID :
			   (e->pasid == pasid || (q[1] & 1 && e->pasid != NO_PASID))) &&
			  (!size || overlap(e->va, e->size, addr, size)));
		break;
	}
}

/* ---- page requests ----------------------------------------------------------- */

/* 7.4.1, table 31: what no entry is there for is answered by hardware, as invalid. */
static bool request_faults(struct unit *u, u64 qw0, u64 qw1)
{
	struct dma d = { .unit = u->index, .rid = qw0 >> 16, .request = true, .addr = qw1 & ~0xfffull,
		.pasid = qw0 >> 8 & 1 ? qw0 >> 32 & 0xfffff : NO_PASID };

	return !entry_find(u, &d);
}

static void request_land(struct unit *u, unsigned int i)
{
	u64 size = PAGE_SIZE << (u->pqa & 7);
	u64 next = (u->pqt + 32) % size;
	u64 qw0 = u->req[i].qw[0], qw1 = u->req[i].qw[1];
	bool faults = !u->req[i].raw && request_faults(u, qw0, qw1);

	if (!faults && u->pqa & ADDR_MASK && !(u->prs & PRS_PRO)) {
		if (next == u->pqh) {
			u->prs |= PRS_PRO;
		} else {
			struct hpage *p = pa_page((u->pqa & ADDR_MASK) + u->pqt);

			if (!p || !p->used)
				fail_rule("writes freed memory", "page-request queue");
			else
				memcpy(arena + ((u->pqa & ADDR_MASK) + u->pqt - ARENA_PHYS), u->req[i].qw, 32);
			u->pqt = next;
			u->prs |= PRS_PPR;
		}
	}
	/* 7.4.1: and so is what overflows. */
	if ((faults || u->prs & PRS_PRO) && qw1 & 4 && qw1 & 3)
		response_send(u, qw0, qw0 >> 8 & 1, qw1 >> 3 & 511, faults ? 1 : MODEL_LOST);
	memmove(&u->req[i], &u->req[i + 1], (--u->nreq - i) * sizeof(u->req[0]));
}

/* Those of one function stay in order (PCIe 2.4.1), others pass each other. */
static unsigned int request_next(const struct unit *u)
{
	unsigned int pick = rnd_below(u->nreq), i = 0;

	while ((u16)(u->req[i].qw[0] >> 16) != (u16)(u->req[pick].qw[0] >> 16))
		i++;
	return i;
}

static bool request_add(struct unit *u, u64 qw0, u64 qw1, bool raw)
{
	if (!(u->gsts & GSTS_TES))
		return false;
	if (u->nreq == ARRAY_SIZE(u->req))
		request_land(u, 0);
	memset(&u->req[u->nreq], 0, sizeof(u->req[0]));
	u->req[u->nreq].qw[0] = qw0;
	u->req[u->nreq].qw[1] = qw1;
	/* Reserved; in revisions before 4.0 private data of the device. */
	u->req[u->nreq].qw[2] = qw0 ^ 1ull << 32;
	u->req[u->nreq].qw[3] = qw1;
	u->req[u->nreq].raw = raw;
	u->nreq++;
	return true;
}

/* As it is, whatever the tables say. */
bool model_page_request_raw(unsigned int unit, u64 qw0, u64 qw1)
{
	return request_add(&units[unit], qw0, qw1, true);
}

bool model_page_request(unsigned int unit, u16 rid, u32 pasid, u64 addr, bool write, bool last, u16 group)
{
	struct unit *u = &units[unit];
	bool pp = pasid != NO_PASID;
	struct c_ctx *c;

	if (!(u->gsts & GSTS_TES))
		return false;
	c = ctx_lookup(u, rid);

	if (!c || c->negative || !(c->q[0] & 16))
		return false;
	return request_add(u, 1 | (pp ? 1 << 8 | (u64)pasid << 32 : 0) | (u64)rid << 16,
			   (addr & ~0xfffull) | 1 | (write ? 2 : 0) | (last ? 4 : 0) | (u64)(group & 511) << 3, false);
}

/* Does a request of that requester id still wait to be read? */
bool model_requests_left(unsigned int unit, u16 rid)
{
	struct unit *u = &units[unit];
	u64 at;

	for (unsigned int i = 0; i < u->nreq; i++)
		if ((u16)(u->req[i].qw[0] >> 16) == rid)
			return true;
	if (u->pqa & ADDR_MASK)
		for (at = u->pqh; at != u->pqt; at = (at + 32) % (PAGE_SIZE << (u->pqa & 7)))
			if ((u16)(*(u64 *)(arena + ((u->pqa & ADDR_MASK) + at - ARENA_PHYS)) >> 16) == rid)
				return true;
	return false;
}

/* ---- the queue ---------------------------------------------------------------- */

static unsigned int queue_slots(const struct unit *u)
{
	return (PAGE_SIZE << (u->iqa & 7)) / 32;
}

static u64 *queue_desc(struct unit *u, unsigned int slot)
{
	return (u64 *)(arena + ((u->iqa & ADDR_MASK) - ARENA_PHYS) + slot * 32);
}

/* Does hardware take offence at a descriptor with which nothing is wrong? */
static bool refuses(const u64 *q)
{
	unsigned int type = q[0] & 15;
	u16 sid = type == Q_DEVTLB ? q[0] >> 32 : q[0] >> 16;

	if (conduct.refuse_rid >= 0 && (type == Q_DEVTLB || type == Q_DEVPIOTLB) && sid == conduct.refuse_rid)
		return true;
	if (!conduct.refuse || (conduct.refuse_type ? type != conduct.refuse_type : type == Q_WAIT))
		return false;
	conduct.refuse--;
	return true;
}

/* 6.5.2.9: until a wait is completed, its status word is hardware's. */
static void status_check(struct unit *u, const struct pending *p)
{
	for (unsigned int i = 0; i < u->npend; i++)
		if (p != &u->pend[i] && u->pend[i].type == Q_WAIT && u->pend[i].qw[1] == p->qw[1] &&
		    !u->pend[i].repaired && !p->repaired)
			fail_rule("status word reused", "%#llx, while a wait that hardware has fetched may still write it", p->qw[1]);
}

static bool fetch(struct unit *u)
{
	bool repaired = false;
	struct pending *p;
	u64 *mem;

	if (u->head == u->tail || u->npend == PENDING || u->fenced || u->fsts & (FSTS_IQE | FSTS_ITE))
		return false;
	mem = queue_desc(u, u->head);
	if (u->shot && memcmp(mem, u->shot + u->head * 4, 32)) {
		repaired = u->shot[u->head * 4 + 3] == ~0ull;
		if (!repaired)
			fail_rule("queue overwritten", "slot %u changed before hardware fetched it", u->head);
	}
	if (model_desc_hook)
		model_desc_hook(u->index, mem);
	model_stats.descs[mem[0] & 15]++;
	if (refuses(mem)) {
		u->fsts |= FSTS_IQE;
		return true;
	}
	if (!desc_check(u, mem)) {
		u->fsts |= FSTS_IQE;
		return true;
	}
	p = &u->pend[u->npend++];
	memset(p, 0, sizeof(*p));
	memcpy(p->qw, mem, 32);
	p->type = mem[0] & 15;
	p->slot = u->head;
	p->repaired = repaired;
	if (p->type == Q_WAIT)
		status_check(u, p);
	u->last_was_wait = p->type == Q_WAIT;
	if (p->type == Q_WAIT && mem[0] & 64)
		u->fenced = true;
	u->head = (u->head + 1) % queue_slots(u);
	return true;
}

static bool is_iotlb(u8 t) { return t == Q_IOTLB || t == Q_PIOTLB; }
static bool is_devtlb(u8 t) { return t == Q_DEVTLB || t == Q_DEVPIOTLB; }
static bool is_entry(u8 t) { return t == Q_CC || t == Q_PC; }

static u16 devtlb_sid(const struct pending *p)
{
	return p->type == Q_DEVTLB ? p->qw[0] >> 32 : p->qw[0] >> 16;
}

/* 6.5.2.12 of revision 5.1 */
static bool may_complete(struct unit *u, unsigned int n)
{
	struct pending *p = &u->pend[n];

	if (is_devtlb(p->type) && devtlb_sid(p) == conduct.silent_rid) {
		struct pci_dev *pdev = pci_by_rid(conduct.silent_rid);

		if (pdev && pdev->present)
			return false;
	}
	if (conduct.in_order && n)
		return false;
	for (unsigned int i = n; i-- > 0;) {
		struct pending *q = &u->pend[i];

		if (p->type == Q_WAIT && q->type == Q_WAIT)
			return true;
		if (p->type == Q_WAIT)
			return false;	/* something before it is not done */
		if (p->type == Q_PC && q->type == Q_CC)
			return false;
		if (is_iotlb(p->type) && is_entry(q->type))
			return false;
		if (p->type == Q_DEVTLB && q->type == Q_IOTLB)
			return false;
		if (p->type == Q_DEVPIOTLB && is_iotlb(q->type))
			return false;
	}
	return true;
}

static void write_status(struct unit *u, const u64 *q)
{
	u64 pa = q[1] & ~3ull;
	struct hpage *p = pa_page(pa);

	(void)u;
	if (!p || !p->used) {
		fail_rule("writes freed memory", "status of a wait at %#llx", pa);
		return;
	}
	*(u32 *)(arena + (pa - ARENA_PHYS)) = q[0] >> 32;
}

static void remove_pending(struct unit *u, unsigned int n)
{
	memmove(&u->pend[n], &u->pend[n + 1], (u->npend - n - 1) * sizeof(u->pend[0]));
	u->npend--;
}

static void complete_one(struct unit *u, unsigned int n)
{
	struct pending p = u->pend[n];

	remove_pending(u, n);
	switch (p.type) {
	case Q_WAIT:
		model_stats.waits++;
		if (p.qw[0] & 128)
			while (u->nreq)
				request_land(u, 0);
		if (p.qw[0] & 64)
			u->fenced = false;
		if (p.qw[0] & 32)
			write_status(u, p.qw);
		break;
	case Q_RESP:
		response_send(u, p.qw[0], p.qw[0] >> 4 & 1, p.qw[1] >> 3 & 511, p.qw[0] >> 12 & 15);
		break;
	default:
		exec_inval(u, p.qw);
	}
}

/*
 * A device does not answer: give up on it, and drop the waits (6.5.2.11). What
 * stands behind its invalidation is carried out or not.
 */
static void timeout_check(struct unit *u)
{
	for (unsigned int i = 0; i < u->npend; i++) {
		struct pending *p = &u->pend[i];

		if (!is_devtlb(p->type) || devtlb_sid(p) != conduct.silent_rid || p->age++ < 40)
			continue;
		if (u->fsts & FSTS_ITE || conduct.patient)
			return;
		for (unsigned int n = rnd_below(PENDING); n && fetch(u); n--)
			;
		u->fsts |= FSTS_ITE;
		u->iqercd = conduct.ite_sid ? (u64)devtlb_sid(p) << 32 : 0;
		remove_pending(u, i);
		for (unsigned int k = 0; k < u->npend;) {
			struct pending *q = &u->pend[k];

			if (q->type == Q_WAIT && q->qw[0] & 64)
				u->fenced = false;
			if (q->type == Q_WAIT || (k >= i && q->type != Q_RESP && one_in(2)))
				remove_pending(u, k);
			else
				k++;
		}
		return;
	}
}

static bool progress(struct unit *u)
{
	unsigned int order[PENDING], n = 0;

	if (!(u->gsts & GSTS_QIES) || conduct.stuck)
		return false;
	if (conduct.nonsense) {
		conduct.nonsense = false;
		u->fsts |= FSTS_ICE;
		return false;
	}
	if (one_in(2) && fetch(u))
		return true;
	for (unsigned int i = 0; i < u->npend; i++)
		if (may_complete(u, i))
			order[n++] = i;
	if (n) {
		complete_one(u, order[rnd_below(n)]);
		return true;
	}
	if (fetch(u))
		return true;
	timeout_check(u);
	return false;
}

void model_run(unsigned int unit)
{
	unsigned int idle = 0;

	while (idle < 100)
		idle = progress(&units[unit]) ? 0 : idle + 1;
}

bool model_idle(unsigned int unit)
{
	return units[unit].head == units[unit].tail && !units[unit].npend;
}

void model_hook_relax(void)
{
	for_each_unit(u)
		if (one_in(conduct.lazy))
			for (unsigned int n = 1 + rnd_below(4); n--;)
				progress(u);
}

void model_activity(void)
{
	for_each_unit(u) {
		if (conduct.lazy && one_in(8 * conduct.lazy))
			progress(u);
		if (u->nreq && one_in(8))
			request_land(u, request_next(u));
		if (u->resp.n && one_in(8))
			response_some(u);
	}
	if (prefetch_pick && one_in(conduct.prefetch)) {
		struct dma d = { .prefetch = true };

		if (prefetch_pick(&d) && model_translating(d.unit) && !conduct.stuck) {
			struct pci_dev *pdev = pci_by_rid(d.rid);

			model_stats.prefetches++;
			if (pdev && pci_ats_is_on(pdev) && one_in(2))
				model_ats(&d);
			else
				model_dma(&d);
		}
	}
}

/* ---- registers ----------------------------------------------------------------- */

void *ioremap(u64 base, unsigned long size)
{
	for_each_unit(u)
		if (u->base == base) {
			if (size > sizeof(mmio[0]))
				fail_rule("ioremap", "%lu bytes", size);
			return mmio[u->index];
		}
	return NULL;
}

void iounmap(volatile void *addr) { (void)addr; }

static struct unit *mmio_unit(const volatile void *addr, unsigned int *reg)
{
	size_t off = (const u8 *)addr - &mmio[0][0];

	if (off >= sizeof(mmio)) {
		fail_rule("register", "access at %p", (void *)addr);
		abort();
	}
	*reg = off % sizeof(mmio[0]);
	return &units[off / sizeof(mmio[0])];
}

static bool is_frcd(struct unit *u, unsigned int reg)
{
	return reg >= CAP_FRO(u->cap) && reg < CAP_FRO(u->cap) + CAP_NFR(u->cap) * 16;
}

static void reg_width(struct unit *u, unsigned int reg, unsigned int size)
{
	static const u16 wide[] = { 0x08, 0x10, 0x20, 0x80, 0x88, 0x90, 0xb0, 0xc0, 0xc8, 0xd0 };

	if (is_frcd(u, reg))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(wide); i++)
		if (wide[i] == reg) {
			if (size != 8)
				fail_rule("register", "%u bytes of 64-bit register %#x", size, reg);
			return;
		}
	if (size != 4)
		fail_rule("register", "%u bytes of 32-bit register %#x", size, reg);
}

/* 11.4.7.6: hardware writes a record's F last, so software reads it first. */
static u64 frcd_read(struct unit *u, unsigned int reg)
{
	unsigned int i = (reg - CAP_FRO(u->cap)) / 16, half = (reg - CAP_FRO(u->cap)) / 8 % 2;

	if (half)
		u->frcd_seen[i] = u->frcd[i][1] >> 63;
	else if (!u->frcd_seen[i])
		fail_rule("fault record", "read before F was seen");
	return u->frcd[i][half];
}

/* Requests come in between two accesses, too. */
static void requests_meanwhile(struct unit *u)
{
	if (u->nreq && one_in(4))
		request_land(u, request_next(u));
}

static u64 reg_read(struct unit *u, unsigned int reg)
{
	unsigned int i;

	switch (reg) {
	case 0x00: return 0x60;
	case 0x08: return u->cap;
	case 0x10: return u->ecap;
	case 0x1c: return u->gsts & ~conduct.hide;
	case 0x20: return u->rtaddr;
	case 0x34:
		i = CAP_NFR(u->cap);
		/* FRI: the oldest record that is pending */
		u->fsts &= ~(0xff00u | FSTS_PPF);
		for (unsigned int k = 0, at = u->fault_next; k < i; k++, at++)
			if (u->frcd[at % i][1] >> 63) {
				u->fsts |= FSTS_PPF | (at % i) << 8;
				break;
			}
		return u->fsts;
	case 0x38: return u->fectl;
	case 0x3c: case 0x40: case 0x44: return u->event[(reg - 0x3c) / 4];
	case 0x64: return u->pmen;
	case 0x80: return (u64)u->head << 5;
	case 0x88: return (u64)u->tail << 5;
	case 0x90: return u->iqa;
	case 0x9c: return 0;	/* status writes are never under way here */
	case 0xb0: return u->iqercd;
	case 0xc0: return u->pqh;
	case 0xc8:
		u->pqt_seen = true;
		return u->pqt;
	case 0xd0: return u->pqa;
	case 0xdc: return u->prs;
	case 0xe0: return u->pectl;
	case 0xe4: case 0xe8: case 0xec: return u->event[3 + (reg - 0xe4) / 4];
	}
	if (is_frcd(u, reg))
		return frcd_read(u, reg);
	fail_rule("register", "read of %#x", reg);
	return 0;
}

u64 model_reg(unsigned int unit, unsigned int reg) { return reg_read(&units[unit], reg); }

u64 model_mmio_read(const volatile void *addr, unsigned int size)
{
	unsigned int reg;
	struct unit *u = mmio_unit(addr, &reg);

	reg_width(u, reg, size);
	requests_meanwhile(u);
	return reg_read(u, reg);
}

static void doorbell(struct unit *u, u64 v)
{
	unsigned int slots = queue_slots(u), new = v >> 5;

	model_stats.doorbells++;
	if (v & 31 || new >= slots) {
		fail_rule("queue", "tail %#llx", v);
		return;
	}
	if (!(u->gsts & GSTS_QIES)) {
		if (v)
			fail_rule("queue", "tail written while the queue is off");
		u->tail = new;
		return;
	}
	if ((new + slots - u->head) % slots < (u->tail + slots - u->head) % slots)
		fail_rule("queue", "tail moves back, or past the head");
	/* What hardware reads of a descriptor is what is there now. */
	for (unsigned int s = u->tail; s != new; s = (s + 1) % slots)
		memcpy(u->shot + s * 4, queue_desc(u, s), 32);
	u->tail = new;
	if (u->fsts & FSTS_IQE)
		return;
}

static void flush_all(struct unit *u)
{
	u->ctx.n = u->pde.n = u->pasid.n = u->tlb.n = u->psc.n = 0;
}

/* Nothing is pending but what a device does not answer, and waits for that. */
static bool only_silent(const struct unit *u)
{
	for (unsigned int i = 0; i < u->npend; i++)
		if (u->pend[i].type != Q_WAIT && !(is_devtlb(u->pend[i].type) && devtlb_sid(&u->pend[i]) == conduct.silent_rid))
			return false;
	return true;
}

/* Hardware comes back to what was pending when its queue was switched off. */
void model_late_status(unsigned int unit)
{
	struct unit *u = &units[unit];

	for (unsigned int i = 0; i < u->npend; i++)
		if (u->pend[i].type == Q_WAIT && u->pend[i].qw[0] & 32)
			write_status(u, u->pend[i].qw);
	u->npend = 0;
}

/* A queue that is on is read, whatever GSTS says. */
void model_read_ring(unsigned int unit)
{
	struct unit *u = &units[unit];
	struct hpage *p = pa_page(u->iqa & ADDR_MASK);

	if (u->gsts & GSTS_QIES && (!p || !p->used))
		fail_rule("reads freed memory", "invalidation queue of unit %u", unit);
}

static void gcmd(struct unit *u, u32 v)
{
	const u32 lasting = GSTS_TES | 1u << 28 | GSTS_QIES | GSTS_IRES | 1u << 23;
	u32 change = (v ^ u->gsts) & lasting;
	u32 shots = v & (1u << 30 | 1u << 29 | 1u << 27 | 1u << 24);

	if (__builtin_popcount(change) + __builtin_popcount(shots) > 1)
		fail_rule("GCMD", "more than one command: %#x with GSTS %#x", v, u->gsts);
	if (conduct.stuck)
		return;
	v |= u->gsts & conduct.sticky;
	change = (v ^ u->gsts) & lasting;
	if (shots & 1u << 30) {
		if (u->gsts & GSTS_TES)
			fail_rule("GCMD", "SRTP while translation is on");
		if ((u->rtaddr >> 10 & 3) != 1)
			fail_rule("RTADDR", "translation table mode %llu", u->rtaddr >> 10 & 3);
		u->root = u->rtaddr;
		u->gsts |= GSTS_RTPS;
		u->since_srtp = 0;
		if (u->cap & CAP_ESRTPS) {
			flush_all(u);
			u->since_srtp = 3;
		}
	}
	if (change & GSTS_QIES) {
		if (v & GSTS_QIES) {
			if (!(u->iqa >> 11 & 1))
				fail_rule("queue", "128-bit descriptors");
			if (u->tail || u->head)
				fail_rule("queue", "switched on with tail %u", u->tail);
			for (unsigned int i = 0; i < 1u << (u->iqa & 7); i++) {
				struct hpage *p = pa_page((u->iqa & ADDR_MASK) + i * PAGE_SIZE);

				if (!p || !p->used) {
					fail_rule("queue", "ring is not allocated");
					return;
				}
			}
			free(u->shot);
			u->shot = calloc(queue_slots(u), 32);
			u->gsts |= GSTS_QIES;
		} else {
			if (u->head != u->tail || !only_silent(u) || !(u->last_was_wait || !u->shot)) {
				fail_rule("queue", "switched off while not empty, or not after a wait");
				return;
			}
			if (u->gsts & GSTS_TES)
				fail_rule("queue", "switched off while translation is on");
			u->head = u->tail = 0;
			u->gsts &= ~GSTS_QIES;
		}
	}
	if (change & GSTS_TES) {
		if (v & GSTS_TES) {
			if (!(u->gsts & GSTS_RTPS))
				fail_rule("GCMD", "translation on without a root");
			if (u->since_srtp != 3)
				fail_rule("GCMD", "translation on without context, PASID and IOTLB invalidated in this order (%u)", u->since_srtp);
			u->gsts |= GSTS_TES;
			page_ref(u->root & ADDR_MASK, PK_ROOT, 1u << u->index, 0, u);
		} else {
			u->gsts &= ~GSTS_TES;
			page_unref(u->root & ADDR_MASK, PK_ROOT, 1u << u->index, 0, u);
			vec_purge(&cleared, e->unit == u->index);
		}
	}
}

static void reg_write(struct unit *u, unsigned int reg, u64 v)
{
	switch (reg) {
	case 0x18: gcmd(u, v); return;
	case 0x20: u->rtaddr = v; return;
	case 0x34:
		if (v & FSTS_IQE && u->fsts & FSTS_IQE)
			/* It may have been repaired: compare no more. */
			u->shot[u->head * 4 + 3] = ~0ull;
		u->fsts &= ~(v & (FSTS_PFO | FSTS_IQE | FSTS_ICE | FSTS_ITE));
		return;
	case 0x38: u->fectl = v; return;
	case 0x3c: case 0x40: case 0x44: u->event[(reg - 0x3c) / 4] = v; return;
	case 0x64:
		if (!(u->cap & CAP_PMR))
			fail_rule("register", "PMEN without protected regions");
		u->pmen = (v & 1u << 31) | (v >> 31 & 1);
		return;
	case 0x88: doorbell(u, v); return;
	case 0x90:
		if (u->gsts & GSTS_QIES)
			fail_rule("queue", "address written while it is on");
		u->iqa = v;
		return;
	case 0xc0:
		u->pqh = v & ~31ull;
		/* Nothing would tell of those that came between the two. */
		if (u->pqh != u->pqt && !u->pqt_seen)
			fail_rule("page requests", "PPR was cleared after PQT was read, and some are left");
		return;
	case 0xc8: u->pqt = v & ~31ull; return;
	case 0xd0: u->pqa = v; return;
	case 0xdc:
		if (v & PRS_PRO && u->prs & PRS_PRO && u->pqh != u->pqt)
			fail_rule("page requests", "overflow cleared while the queue is not empty");
		u->prs &= ~v;
		if (v & PRS_PPR)
			u->pqt_seen = false;
		return;
	case 0xe0: u->pectl = v; return;
	case 0xe4: case 0xe8: case 0xec: u->event[3 + (reg - 0xe4) / 4] = v; return;
	}
	if (is_frcd(u, reg) && (reg - CAP_FRO(u->cap)) % 16 == 12) {
		unsigned int i = (reg - CAP_FRO(u->cap)) / 16;

		if (v >> 31)
			u->frcd[i][1] &= ~(1ull << 63);
		return;
	}
	fail_rule("register", "write of %#x", reg);
}

void model_mmio_write(volatile void *addr, unsigned int size, u64 v)
{
	unsigned int reg;
	struct unit *u = mmio_unit(addr, &reg);

	if (reg != 0x18)
		reg_width(u, reg, size);
	requests_meanwhile(u);
	reg_write(u, reg, v);
}
