// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pins FUNCTION - a buffer that stays where it is, for a device without page
 * requests
 *
 * Such a device reaches only what is present. A pin makes the pages present and
 * keeps them, so that swapping does not take them away.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <libvtdpasid.h>

#define LENGTH	(64 * 1024)

int main(int argc, char **argv)
{
	struct vtdpasid_binding_info info;
	uint32_t device, binding, pasid, pin;
	struct vtdp *v;
	void *buffer;

	if (argc != 2)
		errx(2, "usage: pins FUNCTION");

	v = vtdp_open();
	if ((vtdp_takeover(v, 0) && vtdp_problem()->err != EALREADY) ||
	    vtdp_claim(argv[1]) ||
	    vtdp_attach(v, argv[1], 0, &device) ||
	    vtdp_bind(v, device, 0, &binding, &pasid))
		errx(1, "%s", vtdp_error());

	buffer = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		err(1, "mmap");
	if (vtdp_pin(v, buffer, LENGTH, VTDPASID_PIN_WRITE, &pin) ||
	    vtdp_binding_info(v, binding, &info, sizeof(info)))
		errx(1, "%s", vtdp_error());
	printf("PASID %u address %p, %llu bytes pinned\n", pasid, buffer,
	       (unsigned long long)info.out_pinned);
	fflush(stdout);

	/* Here the device would fill the buffer; this one waits for Enter. */
	getchar();

	if (vtdp_unpin(v, pin))
		errx(1, "%s", vtdp_error());
	vtdp_close(v);
	return 0;
}
