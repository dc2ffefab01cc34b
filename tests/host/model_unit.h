/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * model_unit.h - what the parts of the model know of each other
 *
 *	model.c		the units, and their registers
 *	model_memory.c	stores to tables, and what is freed
 *	model_walk.c	translation, faults, device TLBs
 *	model_queue.c	the invalidation queue
 *	model_prq.c	page requests, and responses to them
 */
#ifndef MODEL_UNIT_H
#define MODEL_UNIT_H

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
#define ECAP_DT		(1ull << 2)
#define ECAP_PT		(1ull << 6)
#define ECAP_SC		(1ull << 7)
#define ECAP_PRS	(1ull << 29)
#define ECAP_SRS	(1ull << 31)
#define ECAP_PASID	(1ull << 40)
#define ECAP_DIT	(1ull << 41)
#define ECAP_PDS	(1ull << 42)
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
struct pending { u64 qw[4]; u8 type; bool repaired; unsigned int age; };

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
	bool pq_reset;			/* PQH was set back, and PQT not yet */
	bool fenced;
	unsigned int rests;		/* so long it fetches nothing */
	/* what has been invalidated since SRTP, in this order */
	unsigned int since_srtp;
	u64 frcd[256][2];
	bool frcd_seen[256];		/* F was read as 1 */
	unsigned int fault_next;
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

/*
 * Entries whose P was cleared and which hardware may have read in part: their
 * bodies must rest until an invalidation was done.
 */
struct cleared { u64 pa; u8 kind; u16 unit; u16 rid; u16 did; u32 pasid; };

extern struct unit model_units[MODEL_UNITS];
/* Each VEC is a type of its own: these are defined by typeof. */
extern VEC(struct c_atc) model_atc;
extern VEC(struct cleared) model_cleared;

#define for_each_unit(u) \
	for (struct unit *u = model_units; u < model_units + MODEL_UNITS; u++) if (u->present)

static inline unsigned int queue_slots(const struct unit *u)
{
	return (PAGE_SIZE << (u->iqa & 7)) / 32;
}

static inline bool overlap(u64 a, u64 an, u64 b, u64 bn) { return a < b + bn && b < a + an; }

/* ---- model_memory.c -------------------------------------------------------- */

/* What must not be in an entry that is present. */
void model_check_root_entry(struct unit *u, u64 q);
void model_check_ctx_entry(struct unit *u, const u64 *q);
void model_check_pde(struct unit *u, u64 q);
void model_check_pasid_entry(struct unit *u, const u64 *q);
/* An entry leads to a page, or does not any more. */
void model_page_ref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u);
void model_page_unref(u64 pa, enum page_kind kind, unsigned int mask, u32 index, struct unit *u);

/* ---- model_walk.c ---------------------------------------------------------- */

bool model_reachable(struct unit *u, u16 did, u32 pasid);
struct c_ctx *model_ctx_lookup(struct unit *u, u16 rid);
struct c_pasid *model_entry_find(struct unit *u, struct dma *d);

/* ---- model_queue.c --------------------------------------------------------- */

bool model_queue_progress(struct unit *u);	/* one step; false: there is none to do */
void model_queue_doorbell(struct unit *u, u64 v);
bool model_queue_only_silent(const struct unit *u);

/* ---- model_prq.c ----------------------------------------------------------- */

void model_response_send(struct unit *u, u64 qw0, bool pp, u16 group, unsigned int code);
void model_response_some(struct unit *u);
unsigned int model_request_next(const struct unit *u);
void model_request_land(struct unit *u, unsigned int i);

#endif /* MODEL_UNIT_H */
