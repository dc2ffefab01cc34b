// SPDX-License-Identifier: GPL-2.0-only
/*
 * model.c - VT-d units that do all that the specification lets them do, and
 * report whoever relies on more: the units, and their registers
 *
 * Written from the specification, not from src/: it has its own constants. What
 * the parts know of each other: model_unit.h.
 */
#include "model_unit.h"

struct unit model_units[MODEL_UNITS];
/* As far as CAP.FRO and CAP.NFR can say that there are registers. */
static u8 mmio[MODEL_UNITS][5 * PAGE_SIZE];
static unsigned long mapped[MODEL_UNITS];
struct model_conduct conduct;
struct model_stats model_stats;
bool (*prefetch_pick)(struct dma *dma);

static void unit_reset(unsigned int i)
{
	struct unit *u = &model_units[i];

	free(u->ctx.e); free(u->pde.e); free(u->pasid.e);
	free(u->tlb.e); free(u->psc.e); free(u->resp.e); free(u->shot);
	memset(u, 0, sizeof(*u));
	u->index = i;
}

void model_reset(void)
{
	for (unsigned int i = 0; i < MODEL_UNITS; i++)
		unit_reset(i);
	model_atc.n = 0;
	model_cleared.n = 0;
	conduct = (struct model_conduct){ .lazy = 1, .silent_rid = -1, .refuse_rid = -1 };
}

void model_unit(unsigned int index, u64 base, const struct model_caps *caps)
{
	struct unit *u = &model_units[index];

	u->present = true;
	u->base = base;
	u->cap = caps->cap;
	u->ecap = caps->ecap;
	u->fectl = 1u << 31;
	u->pectl = 1u << 31;
	u->pmen = u->cap & CAP_PMR && index % 2 ? 0x80000001 : 0;
}

/* Power goes and comes back: registers are as after reset, and nothing is cached. */
void model_power_cycle(unsigned int i)
{
	const struct unit *u = &model_units[i];
	const struct model_caps caps = { u->cap, u->ecap };
	const u64 base = u->base;

	if (u->gsts & (GSTS_TES | GSTS_QIES))
		fail_rule("power", "unit %u goes off with GSTS %#x", i, u->gsts);
	unit_reset(i);
	model_unit(i, base, &caps);
}

void model_leave_on(unsigned int i, u32 gsts) { model_units[i].gsts = gsts; }
void model_set_root(unsigned int i, u64 rtaddr) { model_units[i].rtaddr = rtaddr; }
bool model_translating(unsigned int i) { return model_units[i].gsts & GSTS_TES; }
bool model_serving(unsigned int i) { return model_units[i].gsts & GSTS_QIES; }
unsigned int model_faults(unsigned int i) { return model_units[i].faults; }

/* ---- what goes on meanwhile ------------------------------------------------ */

void model_hook_relax(void)
{
	for_each_unit(u)
		if (one_in(conduct.lazy))
			for (unsigned int n = 1 + rnd_below(4); n--;)
				model_queue_progress(u);
}

void model_activity(void)
{
	for_each_unit(u) {
		if (conduct.lazy && one_in(8 * conduct.lazy))
			model_queue_progress(u);
		if (u->nreq && one_in(8))
			model_request_land(u, model_request_next(u));
		if (u->resp.n && one_in(8))
			model_response_some(u);
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
			mapped[u->index] = size;
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
	if (*reg >= mapped[off / sizeof(mmio[0])])
		fail_rule("register", "%#x is beyond what is mapped", *reg);
	return &model_units[off / sizeof(mmio[0])];
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
		model_request_land(u, model_request_next(u));
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

u64 model_reg(unsigned int unit, unsigned int reg) { return reg_read(&model_units[unit], reg); }

u64 model_mmio_read(const volatile void *addr, unsigned int size)
{
	unsigned int reg;
	struct unit *u = mmio_unit(addr, &reg);

	reg_width(u, reg, size);
	requests_meanwhile(u);
	return conduct.gone || (conduct.gone_reg && conduct.gone_reg == reg) ? ~0ull : reg_read(u, reg);
}

static void flush_all(struct unit *u)
{
	u->ctx.n = u->pde.n = u->pasid.n = u->tlb.n = u->psc.n = 0;
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
			/* There is nothing yet that one would have to wait for. */
			u->last_was_wait = true;
		} else {
			if (u->head != u->tail || !model_queue_only_silent(u) || !u->last_was_wait) {
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
			model_page_ref(u->root & ADDR_MASK, PK_ROOT, 1u << u->index, 0, u);
		} else {
			u->gsts &= ~GSTS_TES;
			model_page_unref(u->root & ADDR_MASK, PK_ROOT, 1u << u->index, 0, u);
			vec_purge(&model_cleared, e->unit == u->index);
		}
	}
}

static u64 requests_between(const struct unit *u, u64 from, u64 to)
{
	return (to - from) % (PAGE_SIZE << (u->pqa & 7));
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
	case 0x88: model_queue_doorbell(u, v); return;
	case 0x90:
		if (u->gsts & GSTS_QIES)
			fail_rule("queue", "address written while it is on");
		u->iqa = v;
		return;
	case 0xc0:
		v &= ~31ull;
		/* Else it moves on to the tail at most. */
		u->pq_reset = requests_between(u, u->pqh, v) > requests_between(u, u->pqh, u->pqt);
		u->pqh = v;
		/* Nothing would tell of those that came between the two. */
		if (u->pqh != u->pqt && !u->pqt_seen)
			fail_rule("page requests", "PPR was cleared after PQT was read, and some are left");
		return;
	case 0xc8:
		u->pqt = v & ~31ull;
		u->pq_reset = false;
		return;
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
	if (!conduct.gone)
		reg_write(u, reg, v);
}
