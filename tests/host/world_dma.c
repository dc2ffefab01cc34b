// SPDX-License-Identifier: GPL-2.0-only
/*
 * world_dma.c - DMA of functions, and who may reach what
 *
 * The oracle is simple because the model is strict: whatever DMA gets through
 * must be covered by a binding that a call is about to make, has made, or has
 * not yet finished to end; and what such a binding covers must get through
 * once it was made.
 */
#include "world.h"

unsigned int w_dma_rate;

/* The binding that would let a request through to @u; NULL: any. */
static struct wbinding *covering(struct wfn *fn, u32 pasid, struct umm *u)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		struct wbinding *b = &w.wb[i];

		if (b->state == WB_FREE || b->mm != u)
			continue;
		if (w.conf.any_layout && pasid != NO_PASID)
			return b;
		if ((b->fn == fn || b->doomed) && (b->pasid == pasid || (!b->pasid && pasid != NO_PASID)))
			return b;
	}
	return NULL;
}

static bool passes(struct wfn *fn)
{
	return fn->pdev->dev.driver == &pci_kernel_driver.driver;
}

static void judge_ok(struct wfn *fn, const struct dma *d, const char *how)
{
	struct umm *owner;
	struct upage *p;

	w.dma_ok++;
	if (d->through) {
		if (!model_translating(fn->unit) || fn->changing || (passes(fn) && d->pasid == NO_PASID))
			return;
		fail_rule("passes through", "%s, PASID %d, %#llx: untranslated", pci_name(fn->pdev), (int)d->pasid, d->addr);
		return;
	}
	p = upage_by_pa(d->pa, &owner);
	if (!p || !owner) {
		fail_rule("DMA to freed memory", "%s, PASID %d, %#llx -> %#llx (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, d->pa, how);
		return;
	}
	if (p->pa + (d->addr - p->va) != d->pa)
		fail_rule("DMA to a wrong page", "%s, PASID %d, %#llx -> %#llx, of page %#llx", pci_name(fn->pdev), (int)d->pasid, d->addr, d->pa, p->va);
	if (!covering(fn, d->pasid, owner) && !(w.conf.any_layout && d->pasid != NO_PASID))
		fail_rule("DMA without binding", "%s, PASID %d, %#llx reaches mm %u (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, owner->mm.id, how);
	if (d->write && !p->writable && !p->narrowing && !p->going)
		fail_rule("DMA without right", "%s, PASID %d writes %#llx, which is read-only (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, how);
}

static void judge_fault(struct wfn *fn, const struct dma *d)
{
	struct wbinding *b;
	struct upage *p;

	w.dma_fault++;
	if (fn->changing || w.broken)
		return;
	if (d->pasid == NO_PASID && passes(fn)) {
		fail_rule("driver's DMA fails", "%s, %#llx: reason %#x", pci_name(fn->pdev), d->addr, d->reason);
		return;
	}
	b = w_binding_of(fn, d->pasid);
	if (!b || !b->mm->live)
		return;
	p = umm_find(b->mm, d->addr);
	if (!p || !p->mapped || p->going || p->narrowing || !p->visible)
		return;
	if (d->write && (!p->writable || !p->wvisible))
		return;
	fail_rule("DMA fails", "%s, PASID %d %s %#llx: reason %#x, though bound and mapped", pci_name(fn->pdev),
		  (int)d->pasid, d->write ? "writes" : "reads", d->addr, d->reason);
}

enum dma_result w_dma(struct wfn *fn, u32 pasid, u64 addr, bool write)
{
	struct dma d = { .unit = fn->unit, .rid = pci_dev_id(fn->pdev), .pasid = pasid, .addr = addr, .write = write };
	enum dma_result r = model_dma(&d);

	if (r == DMA_OK)
		judge_ok(fn, &d, "untranslated");
	else if (r == DMA_FAULT)
		judge_fault(fn, &d);
	return r;
}

/* Ask for a translation, or use one that it has. */
enum dma_result w_ats_dma(struct wfn *fn, u32 pasid, u64 addr, bool write)
{
	struct dma d = { .unit = fn->unit, .rid = pci_dev_id(fn->pdev), .pasid = pasid, .addr = addr, .write = write };

	if (model_atc_lookup(&d)) {
		judge_ok(fn, &d, "translated");
		return DMA_OK;
	}
	return model_ats(&d);
}

/* ---- chance ---------------------------------------------------------------------- */

/* An address of interest, and who would use it. */
bool w_pick(struct dma *d)
{
	struct wbinding *b = &w.wb[rnd_below(W_BINDINGS)];
	struct umm *u = w.proc[rnd_below(W_PROCS)];
	struct wfn *fn = &w.fn[rnd_below(w.fns)];
	unsigned int i;

	for (i = 0; i < 8 && b->state == WB_FREE; i++)
		b = &w.wb[rnd_below(W_BINDINGS)];
	d->pasid = NO_PASID;
	if (b->state != WB_FREE && !one_in(6)) {
		d->pasid = b->pasid ?: 1 + rnd_below(4);
		u = b->mm;
		if (!one_in(4))
			fn = b->fn;
	} else if (!one_in(3)) {
		d->pasid = 1 + rnd_below(one_in(4) ? 70000 : 70);
	}
	d->unit = fn->unit;
	d->rid = pci_dev_id(fn->pdev);
	d->write = one_in(2);
	d->addr = (u64)rnd_below(4) << 39 | (u64)rnd_below(4) << 12;
	if (u && u->nr && !one_in(8)) {
		struct upage *p = &u->pages[rnd_below(MM_PAGES)];

		for (i = 0; i < 16 && !p->used; i++)
			p = &u->pages[rnd_below(MM_PAGES)];
		if (p->used)
			d->addr = p->va + ((u64)rnd() << 12) % p->size;
	}
	if (one_in(64))
		d->addr |= 0xffff800000000000ull;
	return true;
}

void w_random_dma(void)
{
	struct dma d = {};
	struct wfn *fn;

	w_pick(&d);
	for (fn = w.fn; pci_dev_id(fn->pdev) != d.rid; fn++)
		;
	if (pci_ats_is_on(fn->pdev) && one_in(2))
		w_ats_dma(fn, d.pasid, d.addr, d.write);
	else
		w_dma(fn, d.pasid, d.addr, d.write);
}
