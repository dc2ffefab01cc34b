/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world.h - a machine, operations on it, and who may reach what
 */
#ifndef WORLD_H
#define WORLD_H

#include "host.h"
#include "vtdpasid.h"

#define W_FUNCTIONS	5	/* of each unit, on its own bus */
#define W_CLIENTS	4
#define W_PROCS		4
#define W_BINDINGS	64

/* Functions of a unit, by place. */
enum { F_DRIVEN, F_CLAIMED, F_NARROW, F_PLAIN, F_UNOWNED };

struct world_conf {
	unsigned int units;
	struct model_caps caps[MODEL_UNITS];
	int layout;
	bool any_layout;	/* weaker oracle: layout shares tables */
};

/* A page request group that a function waits for an answer to, or will. */
#define W_GROUPS	96
struct wgroup {
	bool open;
	bool last;		/* its last request is on its way */
	bool bad;		/* not all of it may be served, whatever is mapped */
	u32 pasid;		/* or NO_PASID */
	u16 nr;
	u64 since;		/* when the last one was sent */
};

struct wfn {
	struct pci_dev *pdev;
	unsigned int unit;
	unsigned int changing;	/* its driver or its unit is being changed */
	unsigned int detaching;	/* calls in progress */
	int client;		/* that attached it, or -1 */
	u32 id;
	u32 flags;
	bool stopped;
	struct wgroup group[W_GROUPS];
};

/* WB_MAYBE: bound while something else ended the function's bindings. */
enum wb_state { WB_FREE, WB_BINDING, WB_LIVE, WB_ENDING, WB_MAYBE };
struct wbinding {
	enum wb_state state;
	struct wfn *fn;
	struct umm *mm;
	u32 pasid;		/* NO_PASID: without; 0 while WB_BINDING: not known */
	int client;
	u32 id;
	bool doomed;
	u64 ending_since;
};

struct world {
	struct world_conf conf;
	struct pci_bus bus[MODEL_UNITS];
	struct wfn fn[MODEL_UNITS * W_FUNCTIONS];
	unsigned int fns;
	struct vtdp_client *client[W_CLIENTS];
	unsigned int busy[W_CLIENTS];	/* calls in progress */
	bool closing[W_CLIENTS], opening[W_CLIENTS];
	struct umm *proc[W_PROCS];
	struct umm *old[256];		/* ended, kept until the end */
	unsigned int nold;
	struct wbinding wb[W_BINDINGS];
	u32 reserved[8];
	bool broken;		/* a unit was made to fail */
	u64 dma_ok, dma_fault, must_ok;
	u64 now;		/* counts page requests and ends of bindings */
	u64 answered[3];	/* groups: with success, "invalid", lost in an overflow */
};
extern struct world w;

/* A call that is to succeed, on the way to what is tested. */
#define OK(call) do { int __e = (call); if (__e) fail_rule("call", "line %d: %s is %d", __LINE__, #call, __e); } while (0)

/* CAP and ECAP of a unit that has everything; take bits away. */
#define W_CAP	(6ull | 1ull << 7 * 0 | 6ull << 8 | 0x22ull << 24 | 18ull << 48 | 1ull << 54 | 1ull << 55 | 1ull << 56 | 1ull << 63)
#define W_ECAP	(1ull | 2 | 4 | 1ull << 6 | 1ull << 7 | 0x40ull << 8 | 1ull << 29 | 19ull << 35 | 1ull << 40 | \
		 1ull << 42 | 1ull << 43 | 1ull << 47 | 1ull << 48 | 1ull << 49)
#define C_CM		(1ull << 7)
#define C_ND(n)		((u64)(n))
#define C_ESRTPS	(1ull << 63)
#define C_MAMV(n)	((u64)(n) << 48)
#define E_C		1ull
#define E_DT		4ull
#define E_SC		(1ull << 7)
#define E_PRS		(1ull << 29)
#define E_DIT		(1ull << 41)
#define E_PSS(bits)	((u64)((bits) - 1) << 35)
#define E_SMPWC		(1ull << 48)
#define E_RPS		(1ull << 49)
#define W_CAP_WITH(set, clear)	((W_CAP & ~(u64)(clear)) | (set))
#define W_ECAP_WITH(set, clear)	((W_ECAP & ~(u64)(clear)) | (set))

void world_start(const struct world_conf *conf);
void world_start_simple(u64 cap, u64 ecap, unsigned int units);
void world_stop(void);	/* close, hand back, unload; nothing may be left */
struct wfn *w_fn(unsigned int unit, unsigned int place);
/* Another one like F_CLAIMED; of the last unit, which covers what no other does. */
struct wfn *w_more(unsigned int unit, unsigned int devfn);
/* A root port above a unit's bus, able to redirect requests; of one unit at most. */
struct pci_dev *w_port(unsigned int unit);
void w_as(struct umm *u);	/* who the calling task is */

int w_takeover(unsigned int unit);
int w_handback(unsigned int unit);
int w_open(int client);
int w_close(int client);
int w_attach(int client, struct wfn *fn, u32 flags);
int w_detach(int client, struct wfn *fn);
int w_bind(int client, struct wfn *fn, struct umm *u, bool no_pasid, u32 pasid, u32 *out);
int w_unbind(struct wbinding *b);
int w_sync(int client, struct umm *u, u64 first, u64 last);
int w_pasid_alloc(int client, struct umm *u, u32 *out);
int w_reserve(int client, u32 min, u32 max, u32 *out);
int w_pasid_free(int client, struct umm *u, u32 nr);
void w_exit(struct umm *u);
void w_claim(struct wfn *fn);
void w_driver(struct wfn *fn, struct pci_driver *drv);
void w_unplug(struct wfn *fn, bool surprise);
void w_plug(struct wfn *fn);
struct wbinding *w_binding(struct wfn *fn, struct umm *u, bool no_pasid);
struct wbinding *w_binding_of(struct wfn *fn, u32 pasid);

/* DMA, judged by the oracle. */
enum dma_result w_dma(struct wfn *fn, u32 pasid, u64 addr, bool write);
enum dma_result w_ats_dma(struct wfn *fn, u32 pasid, u64 addr, bool write);
void w_random_dma(void);
bool w_pick(struct dma *d);
extern unsigned int w_dma_rate;	/* one sched point in so many */

/* Page requests, and answers, judged: each group has one, before its binding has ended. */
bool w_request(struct wfn *fn, u32 pasid, u64 addr, bool write, bool last, u16 group);
unsigned int w_unanswered(struct wfn *fn);	/* NULL: all functions */
void w_request_answered(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 nr, unsigned int code);
void w_groups_check(const struct wbinding *b, const char *when);
void w_groups_forget(struct wfn *fn, const char *when);

/* The table that acpi_get_table() gives out. */
extern u8 *world_dmar;

#endif /* WORLD_H */
