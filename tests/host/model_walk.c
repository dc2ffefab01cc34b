// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_walk.c - how units read tables: translation, faults, device TLBs, and
 * what caches still know
 */
#include "model_unit.h"

typeof(model_atc) model_atc;

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

struct c_ctx *model_ctx_lookup(struct unit *u, u16 rid)
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
		model_check_root_entry(u, root);
		if (!hw_read((root & ADDR_MASK) + (rid & 127) * 32, q, 4, coherent, "context entry"))
			return NULL;
	}
	if (q[0] & 1)
		model_check_ctx_entry(u, q);
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
		model_check_pde(u, pde);
		table = pde & ADDR_MASK;
	}
	if (!hw_read(table + (pasid & 63) * 64ull, q, 8, coherent, "PASID entry"))
		return NULL;
	if (!(q[0] & 1)) {
		absent.q[0] = q[0];
		*reason = 0x59;
		goto negative;
	}
	model_check_pasid_entry(u, q);
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
struct c_pasid *model_entry_find(struct unit *u, struct dma *d)
{
	u32 pasid = d->pasid == NO_PASID ? 0 : d->pasid;
	struct c_ctx *c = model_ctx_lookup(u, d->rid);
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
	struct unit *u = &model_units[d->unit];
	struct pci_dev *pdev = pci_by_rid(d->rid);
	struct c_pasid *p;
	u32 pasid;
	u64 root;

	d->through = false;
	if (!d->prefetch) {
		if (!pdev || !pdev->present || !pci_has_bme(pdev) ||
		    (d->pasid != NO_PASID && !pci_pasid_is_on(pdev)))
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
	p = model_entry_find(u, d);
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
	struct c_ctx *c = model_ctx_lookup(u, rid);

	return c && !c->negative && c->q[0] & 4;
}

enum dma_result model_ats(struct dma *d)
{
	struct unit *u = &model_units[d->unit];
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
	r = d->pasid != NO_PASID && !pci_pasid_is_on(pdev) ? DMA_NOT_SENT : model_dma(d);
	d->prefetch = prefetch;
	if (r != DMA_OK || !(u->gsts & GSTS_TES) || d->through)
		return r;
	*vec_add(&model_atc) = (struct c_atc){ d->rid, d->pasid, d->addr & ~(d->size - 1), d->size,
		d->pa & ~(d->size - 1), d->writable };
	return DMA_OK;
}

bool model_atc_lookup(struct dma *d)
{
	struct pci_dev *pdev = pci_by_rid(d->rid);

	if (!pdev || !pdev->present || !pci_has_bme(pdev) || !pci_ats_is_on(pdev))
		return false;
	for (unsigned int i = 0; i < model_atc.n; i++) {
		struct c_atc *a = &model_atc.e[i];

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
	vec_purge(&model_atc, e->rid == rid);
}

/* ---- user memory ------------------------------------------------------------ */

/*
 * Can any function still use what is cached under these tags? Only asked of a
 * unit that no longer does what it is told: functions of others take no part.
 */
bool model_reachable(struct unit *u, u16 did, u32 pasid)
{
	if (!conduct.stuck && !conduct.refuse)
		return true;
	for (unsigned int rid = 0; rid < MODEL_UNITS << 8; rid++) {
		struct pci_dev *pdev = pci_by_rid(rid);
		struct c_pasid *p;
		struct c_ctx *c;
		u8 reason;

		if (!pdev || !pci_has_bme(pdev))
			continue;
		c = model_ctx_lookup(u, rid);
		if (!c || c->negative)
			continue;
		if (pasid && (!(c->q[0] & 8) || !pci_pasid_is_on(pdev)))
			continue;
		p = pasid_lookup(u, rid, c->q[0], pasid, &reason);
		if (p && !p->negative && p->did == did)
			return true;
	}
	return false;
}

void model_check_user_page(u64 pa, u64 size, bool freed, const char *when)
{
	for_each_unit(u) {
		if (!(u->gsts & GSTS_TES))
			continue;
		for (unsigned int i = 0; i < u->tlb.n; i++) {
			struct c_tlb *t = &u->tlb.e[i];

			if (t->root == ~0ull || !overlap(t->pa, t->size, pa, size) || (!freed && !t->writable))
				continue;
			if (!model_reachable(u, t->did, t->pasid))
				continue;
			fail_rule("stale IOTLB", "unit %u, domain id %u, PASID %u: %#llx (%llu KiB%s) %s", u->index,
				  t->did, t->pasid, t->va, t->size >> 10, t->writable ? ", writable" : "", when);
			vec_del(&u->tlb, i);
			i--;
		}
	}
	for (unsigned int i = 0; i < model_atc.n; i++) {
		struct c_atc *a = &model_atc.e[i];
		struct pci_dev *pdev = pci_by_rid(a->rid);

		if (!overlap(a->pa, a->size, pa, size) || (!freed && !a->writable) ||
		    !pdev || !pdev->present || !pci_has_bme(pdev))
			continue;
		fail_rule("stale device TLB", "%04x, PASID %d: %#llx %s", a->rid, (int)a->pasid, a->va, when);
		vec_del(&model_atc, i);
		i--;
	}
}

/* After an unbind: what is cached or in memory of this function and PASID? */
void model_check_no_access(unsigned int unit, u16 rid, u32 pasid, const char *when)
{
	struct unit *u = &model_units[unit];
	struct pci_dev *pdev = pci_by_rid(rid);

	if (!pdev || !pci_has_bme(pdev) || !pdev->present)
		return;
	for (unsigned int i = 0; i < u->pasid.n; i++)
		if (u->pasid.e[i].rid == rid && u->pasid.e[i].pasid == pasid && !u->pasid.e[i].negative)
			fail_rule("stale PASID cache", "%04x, PASID %u %s", rid, pasid, when);
	for (unsigned int i = 0; i < model_atc.n; i++)
		if (model_atc.e[i].rid == rid && model_atc.e[i].pasid == (pasid ?: NO_PASID))
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
	for (unsigned int i = 0; i < model_atc.n; i++)
		if (model_atc.e[i].pasid == pasid && pci_by_rid(model_atc.e[i].rid) && pci_has_bme(pci_by_rid(model_atc.e[i].rid)))
			fail_rule("PASID reused early", "%u: device TLB of %04x, %s", pasid, model_atc.e[i].rid, when);
}

void model_check_unit_off(unsigned int unit)
{
	struct unit *u = &model_units[unit];

	if (u->gsts & (GSTS_TES | GSTS_QIES))
		fail_rule("not off", "unit %u: GSTS %#x", unit, u->gsts);
	if (u->ctx.n || u->pde.n || u->pasid.n || u->tlb.n || u->psc.n)
		fail_rule("left in caches", "unit %u after handback", unit);
}
