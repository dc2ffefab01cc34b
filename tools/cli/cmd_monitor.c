// SPDX-License-Identifier: GPL-2.0-only
/*
 * vtdpasid monitor - events as they come
 *
 * First what there is, then each event. Events are numbered: where numbers are
 * missing, or the socket's buffer was full, it says how many were lost, and
 * shows anew what there is.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "objects.h"

static const char *const usage[] = {
	"monitor [--time] [--count EVENTS] [--buffer BYTES]",
	NULL
};

static const char *const event_names[] = {
	[VTDPASID_EVENT_FAULT] = "fault",
	[VTDPASID_EVENT_PRQ_FAILED] = "request-failed",
	[VTDPASID_EVENT_MM_GONE] = "process-gone",
	[VTDPASID_EVENT_DEVICE_GONE] = "device-gone",
	[VTDPASID_EVENT_UNIT_BROKEN] = "unit-broken",
	[VTDPASID_EVENT_TAKEOVER] = "takeover",
	[VTDPASID_EVENT_HANDBACK] = "handback",
	[VTDPASID_EVENT_ATTACH] = "attach",
	[VTDPASID_EVENT_DETACH] = "detach",
	[VTDPASID_EVENT_BIND] = "bind",
	[VTDPASID_EVENT_UNBIND] = "unbind",
};

/* Where we are in the stream. */
struct monitor {
	bool times;
	uint64_t last;		/* number of the last event that was seen or is lost */
	uint64_t left;		/* events to show before the end */
	bool lost;		/* since what there is was last shown */
};

/* ---- output ---------------------------------------------------------------------- */

static enum color event_color(uint32_t type)
{
	switch (type) {
	case VTDPASID_EVENT_FAULT:
	case VTDPASID_EVENT_PRQ_FAILED:
	case VTDPASID_EVENT_UNIT_BROKEN:
		return COLOR_BAD;
	case VTDPASID_EVENT_MM_GONE:
	case VTDPASID_EVENT_DEVICE_GONE:
		return COLOR_WARN;
	default:
		return COLOR_GOOD;
	}
}

static void print_access(const struct nl_event *e)
{
	bool fault = e->type == VTDPASID_EVENT_FAULT;

	if (!fault && e->type != VTDPASID_EVENT_PRQ_FAILED)
		return;
	out_str("access", " ", e->flags & VTDPASID_EVENT_WRITE ? "write" : "read");
	out_hex("address", " of ", e->addr);
	if (fault) {
		out_str("reason_text", ": ", e->reason_text);
		out_u64("reason", NULL, e->reason);
		out_hex(NULL, " (", e->reason);
		out_text(")");
	}
	out_bool("overflow", "; later ones went unrecorded", e->flags & VTDPASID_EVENT_OVERFLOW);
}

static void print_event(const struct nl_event *e, bool times)
{
	const char *name = e->type < ARRAY_SIZE(event_names) ? event_names[e->type] : NULL;

	out_begin("event");
	out_u64("seq", NULL, e->seq);
	out_u64("time", NULL, e->time);
	if (times)
		out_text("[%llu.%06llu] ", (unsigned long long)e->time / 1000000000,
			 (unsigned long long)e->time % 1000000000 / 1000);
	out_str("event", NULL, name ? name : "unknown");
	out_colored(event_color(e->type), "%s", name ? name : "unknown");
	out_u64("unit", " unit ", e->unit);
	if (e->has_function)
		out_function("function", " ", (struct vtdp_function){ e->segment, e->rid });
	if (e->has_pasid)
		out_u64("pasid", " PASID ", e->pasid);
	if (e->has_pid)
		out_process(" ", e->pid, e->comm);
	print_access(e);
	out_text("\n");
	out_end();
}

static void print_lost(uint64_t count)
{
	out_begin("lost");
	out_colored(COLOR_BAD, "lost");
	out_u64("count", " ", count);
	out_text(" events\n");
	out_end();
}

/* What there is: devices and bindings. */
static int print_state(void)
{
	struct nl_state state;
	unsigned int i;
	int status = netlink_state_get(&state, NL_DEVICES | NL_BINDINGS);

	if (status)
		return status;
	out_begin("state");
	out_colored(COLOR_DIM, "now: %u devices, %u bindings\n", state.nr_devices,
		    state.nr_bindings);
	out_array("devices");
	for (i = 0; i < state.nr_devices; i++)
		print_device(&state.devices[i]);
	out_array_end();
	out_array("bindings");
	for (i = 0; i < state.nr_bindings; i++)
		print_binding(&state.bindings[i]);
	out_array_end();
	out_end();
	netlink_state_free(&state);
	return STATUS_OK;
}

/* ---- the stream -------------------------------------------------------------------- */

static void note_lost(struct monitor *m, uint64_t count)
{
	print_lost(count);
	m->lost = true;
}

static void seen(const struct nl_event *event, void *data)
{
	struct monitor *m = data;

	/* One from before we asked where the stream stands. */
	if (event->seq <= m->last || !m->left)
		return;
	if (event->seq > m->last + 1)
		note_lost(m, event->seq - m->last - 1);
	m->last = event->seq;
	print_event(event, m->times);
	m->left--;
}

/*
 * The buffer was full. Events up to where the stream stands now are in the
 * buffer, or lost: read the former, and the rest is known.
 */
static int recover(struct monitor *m)
{
	struct nl_info info;
	int rc = netlink_info_get(&info);

	if (rc)
		return rc;
	do {
		rc = netlink_events_read(seen, m);
	} while (rc > 0);
	if (rc)
		return STATUS_REFUSED;
	if (m->left && m->last < info.event_seq) {
		note_lost(m, info.event_seq - m->last);
		m->last = info.event_seq;
	}
	return STATUS_OK;
}

static int follow(struct monitor *m)
{
	int rc, status = STATUS_OK;

	while (m->left && !status) {
		struct pollfd poll_fd = { .fd = netlink_events_fd(), .events = POLLIN };

		if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
			return fail(errno, NULL, "cannot wait for events");
		rc = netlink_events_read(seen, m);
		if (rc < 0)
			return STATUS_REFUSED;
		if (rc)
			status = recover(m);
		if (m->lost && !status && m->left) {
			m->lost = false;
			status = print_state();
		}
	}
	return status;
}

/* ---- the command --------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	struct monitor m = { .left = UINT64_MAX };
	uint64_t buffer = 0;
	struct nl_info info;
	int status, i;

	for (i = 0; i < argc; i++) {
		uint64_t *number = arg_is(argv[i], "--count") ? &m.left :
				   arg_is(argv[i], "--buffer") ? &buffer : NULL;

		if (arg_is(argv[i], "--time"))
			m.times = true;
		else if (!number)
			return usage_of(&cmd_monitor, "monitor does not know: %s", argv[i]);
		else if (++i == argc || !arg_number(argv[i], INT32_MAX, number) || !*number)
			return usage_of(&cmd_monitor, "%s wants a number", argv[i - 1]);
	}
	/* Listen first: what comes between is shown twice rather than never. */
	status = netlink_events_open(buffer);
	if (!status)
		status = netlink_info_get(&info);
	if (!status) {
		m.last = info.event_seq;
		status = print_state();
	}
	if (!status)
		status = follow(&m);
	netlink_close();
	return status;
}

const struct command cmd_monitor = { "monitor", run, usage };
