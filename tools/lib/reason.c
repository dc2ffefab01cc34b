// SPDX-License-Identifier: LGPL-2.1-or-later
/* Fault reasons in words: the same as in the kernel log. */
#include "private.h"

static const struct {
	uint8_t reason;
	const char *name;
} fault_reasons[] = {
#include "../../src/vtd_reasons.h"
};

const char *vtdp_fault_reason(uint32_t reason)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fault_reasons); i++)
		if (fault_reasons[i].reason == reason)
			return fault_reasons[i].name;
	return "unknown reason";
}
