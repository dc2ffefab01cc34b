// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bind FUNCTION - share this program's memory with a PCI function
 *
 * Prints the PASID and an address: what the device writes there with that PASID
 * is seen in the end. Run it as root, on a machine that you may crash.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include <libvtdpasid.h>

int main(int argc, char **argv)
{
	static char shared[64] = "written by the program";
	uint32_t device, binding, pasid;
	struct vtdp *v;

	if (argc != 2)
		errx(2, "usage: bind FUNCTION");

	v = vtdp_open();
	if ((vtdp_takeover(v, 0) && vtdp_problem()->err != EALREADY) ||
	    vtdp_claim(argv[1]) ||
	    vtdp_attach(v, argv[1], 0, &device) ||
	    vtdp_bind(v, device, 0, &binding, &pasid))
		errx(1, "%s", vtdp_error());

	printf("PASID %u address %p\n", pasid, (void *)shared);
	fflush(stdout);

	/* Here a driver would give the device work; this one waits for Enter. */
	getchar();

	printf("memory: %.*s\n", (int)sizeof(shared), shared);
	if (vtdp_unbind(v, binding))
		errx(1, "%s", vtdp_error());
	vtdp_close(v);
	return 0;
}
