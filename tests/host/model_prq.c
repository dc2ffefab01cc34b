// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_prq.c - page requests, and responses to them
 */
#include "model_unit.h"

void (*model_response_hook)(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code);

/* ---- responses to page requests ------------------------------------------------ */

static void response_deliver(struct unit *u, unsigned int i)
{
	struct c_resp r = u->resp.e[i];

	memmove(&u->resp.e[i], &u->resp.e[i + 1], (--u->resp.n - i) * sizeof(r));
	model_response_hook(u->index, r.rid, r.pp, r.pasid, r.group, r.code);
}

/* To a function in the order in which they were sent. */
void model_response_send(struct unit *u, u64 qw0, bool pp, u16 group, unsigned int code)
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
	struct unit *u = &model_units[unit];

	for (unsigned int i = 0; i < u->resp.n;) {
		if (u->resp.e[i].rid == rid)
			response_deliver(u, i);
		else
			i++;
	}
}

void model_response_some(struct unit *u)
{
	unsigned int pick = rnd_below(u->resp.n), i = 0;

	while (u->resp.e[i].rid != u->resp.e[pick].rid)
		i++;
	response_deliver(u, i);
}

/* ---- page requests ----------------------------------------------------------- */

/* 7.4.1, table 31: what no entry is there for is answered by hardware, as invalid. */
static bool request_faults(struct unit *u, u64 qw0, u64 qw1)
{
	struct dma d = { .unit = u->index, .rid = qw0 >> 16, .request = true, .addr = qw1 & ~0xfffull,
		.pasid = qw0 >> 8 & 1 ? qw0 >> 32 & 0xfffff : NO_PASID };

	return !model_entry_find(u, &d);
}

void model_request_land(struct unit *u, unsigned int i)
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
		model_response_send(u, qw0, qw0 >> 8 & 1, qw1 >> 3 & 511, faults ? 1 : MODEL_LOST);
	memmove(&u->req[i], &u->req[i + 1], (--u->nreq - i) * sizeof(u->req[0]));
}

/* Those of one function stay in order (PCIe 2.4.1), others pass each other. */
unsigned int model_request_next(const struct unit *u)
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
		model_request_land(u, 0);
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
	return request_add(&model_units[unit], qw0, qw1, true);
}

bool model_page_request(unsigned int unit, u16 rid, u32 pasid, u64 addr, bool write, bool last, u16 group)
{
	struct unit *u = &model_units[unit];
	bool pp = pasid != NO_PASID;
	struct c_ctx *c;

	if (!(u->gsts & GSTS_TES))
		return false;
	c = model_ctx_lookup(u, rid);

	if (!c || c->negative || !(c->q[0] & 16))
		return false;
	return request_add(u, 1 | (pp ? 1 << 8 | (u64)pasid << 32 : 0) | (u64)rid << 16,
			   (addr & ~0xfffull) | 1 | (write ? 2 : 0) | (last ? 4 : 0) | (u64)(group & 511) << 3, false);
}

/* Does a request of that requester id still wait to be read? */
bool model_requests_left(unsigned int unit, u16 rid)
{
	struct unit *u = &model_units[unit];
	u64 at;

	for (unsigned int i = 0; i < u->nreq; i++)
		if ((u16)(u->req[i].qw[0] >> 16) == rid)
			return true;
	/* Set back, the head is before what was read long ago. */
	if (u->pqa & ADDR_MASK && !u->pq_reset)
		for (at = u->pqh; at != u->pqt; at = (at + 32) % (PAGE_SIZE << (u->pqa & 7)))
			if ((u16)(*(u64 *)(arena + ((u->pqa & ADDR_MASK) + at - ARENA_PHYS)) >> 16) == rid)
				return true;
	return false;
}
