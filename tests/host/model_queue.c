// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_queue.c - the invalidation queue: descriptors, their order, and what they
 * invalidate
 */
#include "model_unit.h"

enum { Q_CC = 1, Q_IOTLB, Q_DEVTLB, Q_IEC, Q_WAIT, Q_PIOTLB, Q_PC, Q_DEVPIOTLB, Q_RESP };

void (*model_desc_hook)(unsigned int unit, const u64 *qw);

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

/* Has it reached memory that the entry is not present? */
static bool record_visible(const struct cleared *c)
{
	struct unit *u = &model_units[c->unit];

	if (u->ecap & ECAP_C)
		return true;
	return !(*(u64 *)(arena_shadow + (c->pa - ARENA_PHYS)) & 1);
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
			/* FM masks bit 2, bits 2:1 or 2:0 (6.5.2.1). */
			u16 mask = ~(const u16[]){ 0, 4, 6, 7 }[q[0] >> 48 & 3];

			vec_purge(&u->ctx, !((e->rid ^ sid) & mask));
			vec_purge(&u->pde, !((e->rid ^ sid) & mask));
			vec_purge(&model_cleared, e->unit == u->index && e->kind == PK_CTX && !((e->rid ^ sid) & mask) && record_visible(e));
			break;
		}
		u->ctx.n = 0;
		u->pde.n = 0;
		vec_purge(&model_cleared, e->unit == u->index && e->kind == PK_CTX && record_visible(e));
		u->since_srtp = 1;
		break;
	case Q_PC:
		if (g == 3) {
			u->pasid.n = 0;
			u->pde.n = 0;
			vec_purge(&model_cleared, e->unit == u->index && e->kind != PK_CTX && record_visible(e));
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
		vec_purge(&model_cleared, e->unit == u->index && ((e->kind == PK_LEAF && e->did == did && (g == 0 || e->pasid == pasid)) ||
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
		vec_purge(&model_atc, e->rid == sid &&
			  (type == Q_DEVTLB ? e->pasid == NO_PASID :
			   (e->pasid == pasid || (q[1] & 1 && e->pasid != NO_PASID))) &&
			  (!size || overlap(e->va, e->size, addr, size)));
		break;
	}
}

/* ---- the queue ---------------------------------------------------------------- */

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

	if (u->head == u->tail || u->npend == PENDING || u->fenced || u->rests || u->fsts & (FSTS_IQE | FSTS_ITE))
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

/* 6.5.2.12. A wait waits for what stands behind the wait before it, no more. */
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
				model_request_land(u, 0);
		if (p.qw[0] & 64)
			u->fenced = false;
		if (p.qw[0] & 32)
			write_status(u, p.qw);
		break;
	case Q_RESP:
		model_response_send(u, p.qw[0], p.qw[0] >> 4 & 1, p.qw[1] >> 3 & 511, p.qw[0] >> 12 & 15);
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

bool model_queue_progress(struct unit *u)
{
	unsigned int order[PENDING], n = 0;

	if (!(u->gsts & GSTS_QIES) || conduct.stuck)
		return false;
	if (conduct.nonsense) {
		conduct.nonsense = false;
		u->fsts |= FSTS_ICE;
		return false;
	}
	/* Also while there is more to fetch: a batch may have been fetched in part. */
	if (one_in(4))
		timeout_check(u);
	if (u->rests)
		u->rests--;
	else if (one_in(64))
		u->rests = rnd_below(80);
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
		idle = model_queue_progress(&model_units[unit]) ? 0 : idle + 1;
}

bool model_idle(unsigned int unit)
{
	return model_units[unit].head == model_units[unit].tail && !model_units[unit].npend;
}

void model_queue_doorbell(struct unit *u, u64 v)
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
}

/* Nothing is pending but what a device does not answer, and waits for that. */
bool model_queue_only_silent(const struct unit *u)
{
	for (unsigned int i = 0; i < u->npend; i++)
		if (u->pend[i].type != Q_WAIT && !(is_devtlb(u->pend[i].type) && devtlb_sid(&u->pend[i]) == conduct.silent_rid))
			return false;
	return true;
}

/* Hardware comes back to what was pending when its queue was switched off. */
void model_late_status(unsigned int unit)
{
	struct unit *u = &model_units[unit];

	for (unsigned int i = 0; i < u->npend; i++)
		if (u->pend[i].type == Q_WAIT && u->pend[i].qw[0] & 32)
			write_status(u, u->pend[i].qw);
	u->npend = 0;
}

/* A queue that is on is read, whatever GSTS says. */
void model_read_ring(unsigned int unit)
{
	struct unit *u = &model_units[unit];
	struct hpage *p = pa_page(u->iqa & ADDR_MASK);

	if (u->gsts & GSTS_QIES && (!p || !p->used))
		fail_rule("reads freed memory", "invalidation queue of unit %u", unit);
}
