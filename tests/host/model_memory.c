// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_memory.c - stores to tables: their order, what they make reachable,
 * and what is freed while an entry or a cache leads to it
 */
#include "model_unit.h"

typeof(model_cleared) model_cleared;

/* ---- checks of entries ---------------------------------------------------- */

static u64 *page_mem(struct hpage *p) { return (u64 *)(arena + (p - hpages) * PAGE_SIZE); }
static u64 *page_shadow(struct hpage *p) { return (u64 *)(arena_shadow + (p - hpages) * PAGE_SIZE); }

static void reserved(const char *what, u64 v, u64 bits)
{
	if (v & bits)
		fail_rule("reserved bit", "%s: %#llx has reserved bits %#llx", what, v, v & bits);
}

void model_check_root_entry(struct unit *u, u64 q)
{
	(void)u;
	reserved("root entry", q, 0xffeull | HAW_RSVD);
}

void model_check_ctx_entry(struct unit *u, const u64 *q)
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

void model_check_pde(struct unit *u, u64 q)
{
	(void)u;
	reserved("PASID-directory entry", q, 0xffcull | HAW_RSVD);
}

void model_check_pasid_entry(struct unit *u, const u64 *q)
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
			model_check_root_entry(u, q[i]);
		break;
	case PK_CTX:
		if (!(i % 4) && q[i] & 1)
			model_check_ctx_entry(u, q + i);
		break;
	case PK_DIR:
		if (q[i] & 1)
			model_check_pde(u, q[i]);
		break;
	case PK_LEAF:
		if (!(i % 8) && q[i] & 1)
			model_check_pasid_entry(u, q + i);
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
	return &model_units[__builtin_ctz(mask)];
}

void model_page_ref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u)
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
	p->track = malloc(PAGE_SIZE);
	p->body = malloc(512 * sizeof(*p->body));
	memset(p->body, 0xff, 512 * sizeof(*p->body));
	memcpy(p->track, page_mem(p), PAGE_SIZE);
	for (unsigned int i = 0; i < 512; i++) {
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, model_page_ref);
	}
}

void model_page_unref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u)
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
			entry_refs(p, p->track, i, u, model_page_unref);
	track = p->track;
	p->track = NULL;
	free(p->body);
	p->body = NULL;
	p->kind = PK_NONE;
	p->units = 0;
	free(track);
}

/* ---- stores --------------------------------------------------------------- */

static struct cleared *cleared_find(u64 pa)
{
	for (unsigned int i = 0; i < model_cleared.n; i++)
		if (model_cleared.e[i].pa == pa)
			return &model_cleared.e[i];
	return NULL;
}

/* Which requester id a context entry is, from where its table hangs. */
static u16 ctx_rid(struct hpage *p, unsigned int i) { return p->index * 128 + i / 4; }

static void store_gone(struct hpage *p, unsigned int i, unsigned int n)
{
	unsigned int e = i - i % n;

	for (unsigned int k = 0; k < MODEL_UNITS; k++) {
		struct cleared *c;

		if (!(p->units >> k & 1) || !(model_units[k].gsts & GSTS_TES))
			continue;
		c = vec_add(&model_cleared);
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
	u64 old = p->track[i];
	bool present = p->track[e] & 1;

	if (old == new) {
		/* No change, but still a store for the order of stores. */
		if (i != e)
			p->body[e] = shim_barriers();
		return;
	}
	if (i != e) {
		if (present)
			fail_rule("live rewrite", "body of a present %s entry", name);
		else if (cleared_find(page_pa(p) + e * 8))
			fail_rule("body before invalidation", "%s entry was cleared, and not invalidated yet", name);
		p->body[e] = shim_barriers();
		p->track[i] = new;
		return;
	}
	if (!(old & 1) && new & 1) {
		if (n > 1 && p->body[e] == shim_barriers())
			fail_rule("no barrier", "between the body of a %s entry and its P", name);
		if (cleared_find(page_pa(p) + e * 8))
			fail_rule("present before invalidation", "%s entry was cleared, and not invalidated yet", name);
		p->track[i] = new;
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, model_page_ref);
	} else if (old & 1 && !(new & 1)) {
		if (n == 1 && p->kind == PK_ROOT)
			fail_rule("live rewrite", "root entry taken away");
		entry_refs(p, p->track, i, u, model_page_unref);
		store_gone(p, i, n);
		p->track[i] = new;
	} else if (new & 1) {
		if (p->kind != PK_CTX)
			fail_rule("live rewrite", "%s entry, present to present", name);
		p->track[i] = new;
		check_slot(p, p->track, i, u);
		entry_refs(p, p->track, i, u, model_page_ref);
		/* What the old one led to. */
		p->track[i] = old;
		entry_refs(p, p->track, i, u, model_page_unref);
		p->track[i] = new;
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
		entry_refs(p, p->track, i, u, model_page_ref);
		p->track[i] = old;
		entry_refs(p, p->track, i, u, model_page_unref);
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
			model_page_unref(page_pa(&first[k]), first[k].kind, 0, 0, &model_units[0]);
	vec_purge(&model_cleared, covers(first, count, e->pa));

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
			if ((covers(first, count, u->psc.e[i].table) || covers(first, count, u->psc.e[i].root)) &&
			    model_reachable(u, u->psc.e[i].did, u->psc.e[i].pasid))
				fail_rule("freed while cached", "page table for %#llx, in the paging-structure cache, PASID %u",
					  u->psc.e[i].va, u->psc.e[i].pasid);
		for (unsigned int i = 0; i < u->tlb.n; i++)
			if (covers(first, count, u->tlb.e[i].root) &&
			    model_reachable(u, u->tlb.e[i].did, u->tlb.e[i].pasid))
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
