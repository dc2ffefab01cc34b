/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors of hardware on demand, for tests. Only in a module that was built with
 * VTDP_INJECT=1; the one that is shipped has nothing of it.
 */
#ifndef VTDP_INJECT_H
#define VTDP_INJECT_H

#include <linux/types.h>

struct vtdp_unit;

#ifdef VTDP_INJECT
bool vtdp_inject(struct vtdp_unit *unit, unsigned int reg, u64 value);
#else
/* Is a write of a register to be lost? Never. */
static inline bool vtdp_inject(struct vtdp_unit *unit, unsigned int reg,
			       u64 value)
{
	return false;
}
#endif

#endif /* VTDP_INJECT_H */
