// SPDX-License-Identifier: LGPL-2.1-or-later
/* Events of a file, and in words. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

int vtdp_event(struct vtdp *v, struct vtdpasid_event *event, size_t size, int timeout_ms)
{
	static const struct call call = { "read an event", NULL };
	struct pollfd poll_fd = { .fd = vtdp_fd(v), .events = POLLIN };
	struct vtdpasid_event whole;
	ssize_t n;
	int rc;

	if (!v)
		return -EBADF;
	rc = poll(&poll_fd, 1, timeout_ms);
	if (!rc)
		return -ETIMEDOUT;
	n = rc < 0 ? -1 : read(v->fd, &whole, sizeof(whole));
	if (n < 0)
		return problem_set(errno, &call, NULL);
	memset(event, 0, size);
	memcpy(event, &whole, size < sizeof(whole) ? size : sizeof(whole));
	return 0;
}

static const char *headline(const struct vtdpasid_event *event)
{
	switch (event->type) {
	case VTDPASID_EVENT_FAULT:
		return "DMA failed";
	case VTDPASID_EVENT_PRQ_FAILED:
		return "page request refused";
	case VTDPASID_EVENT_MM_GONE:
		return "the bound process has ended";
	case VTDPASID_EVENT_DEVICE_GONE:
		return "removed, or its driver changed";
	case VTDPASID_EVENT_UNIT_BROKEN:
		return "its unit stopped answering";
	}
	return "an event that this program does not know";
}

char *vtdp_event_text(const struct vtdpasid_event *event, char *text, size_t size)
{
	struct vtdp_function f = { event->segment, event->rid };
	bool access = event->type == VTDPASID_EVENT_FAULT ||
		      event->type == VTDPASID_EVENT_PRQ_FAILED;
	char name[VTDP_NAME_MAX], pasid[32] = "", what[64] = "", why[96] = "", lost[48] = "";

	if (event->flags & VTDPASID_EVENT_PASID)
		snprintf(pasid, sizeof(pasid), " PASID %u", event->pasid);
	if (access)
		snprintf(what, sizeof(what), ": %s of %#llx",
			 event->flags & VTDPASID_EVENT_WRITE ? "write" : "read",
			 (unsigned long long)event->addr);
	if (event->type == VTDPASID_EVENT_FAULT)
		snprintf(why, sizeof(why), ": %s (%#x)", vtdp_fault_reason(event->reason),
			 event->reason);
	if (event->lost)
		snprintf(lost, sizeof(lost), " (%u events were lost before)", event->lost);
	snprintf(text, size, "%s%s: %s%s%s%s", vtdp_function_name(f, name), pasid,
		 headline(event), what, why, lost);
	return text;
}
