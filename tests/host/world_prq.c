// SPDX-License-Identifier: GPL-2.0-only
/*
 * world_prq.c - page requests of functions, and whether each group gets its answer
 */
#include "world.h"

/* Is anything bound, or being bound or unbound, that a request can be for? */
static bool covering_any(const struct wfn *fn, u32 pasid)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		const struct wbinding *b = &w.wb[i];

		if (b->state != WB_FREE && b->fn == fn && (b->pasid == pasid || (!b->pasid && pasid != NO_PASID)))
			return true;
	}
	return false;
}

static struct wgroup *group_find(struct wfn *fn, u32 pasid, u16 nr)
{
	for (unsigned int i = 0; i < W_GROUPS; i++)
		if (fn->group[i].open && fn->group[i].pasid == pasid && fn->group[i].nr == nr)
			return &fn->group[i];
	return NULL;
}

static struct wfn *fn_by_rid(unsigned int unit, u16 rid)
{
	for (unsigned int i = 0; i < w.fns; i++)
		if (w.fn[i].unit == unit && pci_dev_id(w.fn[i].pdev) == rid)
			return &w.fn[i];
	return NULL;
}

/* As a function that keeps the rules: a number is free again once answered. */
bool w_request(struct wfn *fn, u32 pasid, u64 addr, bool write, bool last, u16 nr)
{
	struct wgroup *g = group_find(fn, pasid, nr);

	if (g && g->last)
		return false;
	for (unsigned int i = 0; !g && i < W_GROUPS; i++)
		if (!fn->group[i].open)
			g = &fn->group[i];
	if (!g || !fn->pdev->present || !pci_has_bme(fn->pdev) || !pci_pri_is_on(fn->pdev) ||
	    !model_page_request(fn->unit, pci_dev_id(fn->pdev), pasid, addr, write, last, nr))
		return false;
	if (!g->open)
		*g = (struct wgroup){ .open = true, .pasid = pasid, .nr = nr };
	g->last = last;
	g->bad |= addr >> 47;
	g->since = ++w.now;
	return true;
}

void w_request_answered(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 nr, unsigned int code)
{
	struct wfn *fn = fn_by_rid(unit, rid);
	struct wgroup *g = fn ? group_find(fn, pp ? pasid : NO_PASID, nr) : NULL;

	if (!g || !g->last) {
		fail_rule("page response", "requester %#x, PASID %d, group %u: nobody waits for it", rid, pp ? (int)pasid : -1, nr);
		return;
	}
	g->open = false;
	if (code == MODEL_LOST) {
		w.answered[2]++;
		return;
	}
	if (code > 1)
		fail_rule("page response", "%s, group %u: code %u ends all its requests", pci_name(fn->pdev), nr, code);
	if (!code && g->bad)
		fail_rule("page response", "%s, group %u: success, with a kernel address in it", pci_name(fn->pdev), nr);
	if (!code && !covering_any(fn, g->pasid))
		fail_rule("page response", "%s, group %u: success, without a binding", pci_name(fn->pdev), nr);
	w.answered[code & 1]++;
}

unsigned int w_unanswered(struct wfn *fn)
{
	unsigned int count = 0;

	for (struct wfn *f = w.fn; f < w.fn + w.fns; f++)
		for (unsigned int i = 0; i < W_GROUPS; i++)
			count += (!fn || f == fn) && f->group[i].open && f->group[i].last;
	return count;
}

/*
 * All that a binding was asked for before its end began has an answer; but for
 * those of a function that was pulled out, to whom none can be brought.
 */
void w_groups_check(const struct wbinding *b, const char *when)
{
	if (w.broken || b->fn->stopped || !b->fn->pdev->present || !pci_pri_is_on(b->fn->pdev))
		return;
	for (unsigned int i = 0; i < W_GROUPS; i++) {
		const struct wgroup *g = &b->fn->group[i];

		if (g->open && g->last && g->pasid == b->pasid && g->since < b->ending_since)
			fail_rule("page request unanswered", "%s, PASID %d, group %u, %s",
				  pci_name(b->fn->pdev), (int)g->pasid, g->nr, when);
	}
}

/* The function was detached, reset or removed: it waits for nothing any more. */
void w_groups_forget(struct wfn *fn, const char *when)
{
	/* It says when it has them all (PCIe 10.5.2), or was reset. */
	model_responses_push(fn->unit, pci_dev_id(fn->pdev));
	if (!w.broken && model_translating(fn->unit)) {
		if (model_requests_left(fn->unit, pci_dev_id(fn->pdev)))
			fail_rule("page request left", "%s, %s", pci_name(fn->pdev), when);
		/* Those it waited for when its page requests went off, too. */
		if (w_unanswered(fn))
			fail_rule("page request unanswered", "%s, %s", pci_name(fn->pdev), when);
	}
	memset(fn->group, 0, sizeof(fn->group));
}
