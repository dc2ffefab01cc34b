/* SPDX-License-Identifier: GPL-2.0-only */
/* kmsg: what the module wrote into the kernel log */
#ifndef CLI_KMSG_H
#define CLI_KMSG_H

#include "cli.h"

struct fault {
	struct vtdp_function function;
	bool write;
	uint64_t addr;
	uint32_t pasid;
	char reason[128];
};

/* The last fault that was logged (not each is). STATUS_OK, or it was told why not. */
int kmsg_last_fault(struct fault *fault);

#endif
