/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The invalidation queue: what vtd_qi.c has for vtd_qi_recover.c, and for nobody
 * else.
 */
#ifndef VTDP_VTD_QI_H
#define VTDP_VTD_QI_H

#include "vtdpasid.h"

/*
 * Both must pass before a wait expires: a paused VM's clock jumps.
 *
 * A batch waits for room at most that long, and as long for completion. So do
 * the two batches of each round that makes good for it. Nobody waits for longer
 * than QI_BOUND_NS then, a second, unless functions that do not answer come in
 * between: several that he has to call, each for QI_TIMEOUT_NS, or others, that
 * have his flushes dropped, some times in each round. They are cut off then.
 */
#define QI_TIMEOUT_NS		(100 * NSEC_PER_MSEC)
#define QI_TIMEOUT_POLLS	20000
#define QI_ROUNDS		2
#define QI_BOUND_NS		((1 + 2 * QI_ROUNDS) * 2 * QI_TIMEOUT_NS)

/* Functions that are called at once. */
#define QI_CALLS		16

/**
 * struct qi_clock - how long something has been waited for
 * @polls: so often
 * @deadline: when it expires
 */
struct qi_clock {
	unsigned int polls;
	u64 deadline;
};

void vtdp_qi_word_release(struct vtdp_qi *qi, int word);
int vtdp_qi_add_wait(struct vtdp_batch *batch, u64 flags);
void vtdp_qi_put_devtlb(struct vtdp_batch *batch, const struct vtdp_device *device,
			u32 pasid, u64 addr, bool sized);
int vtdp_qi_poll(struct vtdp_unit *unit, int word, struct qi_clock *clock);

#endif /* VTDP_VTD_QI_H */
