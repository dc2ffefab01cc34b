// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * events FUNCTION - what a device's requests come to
 *
 * Binds this program to a PCI function, and prints each event until the
 * function is gone, or Enter is pressed. Reads of unmapped memory, say, are
 * faults.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include <libvtdpasid.h>

int main(int argc, char **argv)
{
	uint32_t device, pasid;
	struct vtdp *v;

	if (argc != 2)
		errx(2, "usage: events FUNCTION");

	v = vtdp_open();
	if ((vtdp_takeover(v, 0) && vtdp_problem()->err != EALREADY) ||
	    vtdp_claim(argv[1]) ||
	    vtdp_attach(v, argv[1], 0, &device) ||
	    vtdp_bind(v, device, 0, NULL, &pasid))
		errx(1, "%s", vtdp_error());
	printf("PASID %u\n", pasid);
	fflush(stdout);

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = vtdp_fd(v), .events = POLLIN },
			{ .fd = 0, .events = POLLIN },
		};
		struct vtdpasid_event event;
		char text[256];

		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
		if (fds[0].revents) {
			if (vtdp_event(v, &event, sizeof(event), 0))
				errx(1, "%s", vtdp_error());
			puts(vtdp_event_text(&event, text, sizeof(text)));
			fflush(stdout);
			if (event.type == VTDPASID_EVENT_DEVICE_GONE)
				break;
		} else if (fds[1].revents) {
			getchar();
			break;
		}
	}
	vtdp_close(v);
	return 0;
}
