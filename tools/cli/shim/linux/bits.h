/* SPDX-License-Identifier: GPL-2.0-only */
/* What src/vtd_regs.h wants of the kernel: one description of tables for both. */
#ifndef SHIM_LINUX_BITS_H
#define SHIM_LINUX_BITS_H

#define BIT(n)			(1u << (n))
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK(high, low)	((~0u >> (31 - (high))) & (~0u << (low)))
#define GENMASK_ULL(high, low)	((~0ull >> (63 - (high))) & (~0ull << (low)))
#define FIELD_GET(mask, word)	(((word) & (mask)) / ((mask) & -(mask)))

#endif
