// SPDX-License-Identifier: GPL-2.0-only
/* The module's lines in the kernel log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"

/*
 * "vtdpasid: unit 0: 0000:00:04.0 write of 0x7f00, PASID 3 (prog[12]): why (0x71)"
 * or without the process.
 */
static bool parse(const char *line, struct fault *fault)
{
	unsigned int unit, segment, bus, device, function, pasid;
	unsigned long long addr;
	const char *why;
	char how[8];

	if (sscanf(line, "vtdpasid: unit %u: %x:%x:%x.%x %7s of %llx, PASID %u", &unit,
		   &segment, &bus, &device, &function, how, &addr, &pasid) != 8)
		return false;
	why = strstr(line, "PASID ");
	why = why ? strstr(why, ": ") : NULL;
	if (!why)
		return false;
	fault->function.segment = segment;
	fault->function.rid = bus << 8 | device << 3 | function;
	fault->write = arg_is(how, "write");
	fault->addr = addr;
	fault->pasid = pasid;
	snprintf(fault->reason, sizeof(fault->reason), "%.*s", (int)strcspn(why + 2, "\n"),
		 why + 2);
	return true;
}

int kmsg_last_fault(struct fault *fault)
{
	static const struct vtdp_problem none = {
		.err = ENOENT, .what = "cannot explain the last fault",
		.why = "the kernel log has none", .next = "vtdpasid monitor, and let it happen again",
	};
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool found = false;
	char record[2048];

	if (fd < 0)
		return fail(errno == EACCES ? EPERM : errno, "run it as root",
			    "cannot read the kernel log");
	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);
		const char *text;

		/* EPIPE: records were overwritten before they were read. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = 0;
		text = strchr(record, ';');
		found |= text && parse(text + 1, fault);
	}
	close(fd);
	if (found)
		return STATUS_OK;
	out_error(&none);
	return STATUS_REFUSED;
}
