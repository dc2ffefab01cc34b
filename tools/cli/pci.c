// SPDX-License-Identifier: GPL-2.0-only
/* The PCI functions of this machine. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "cli.h"

static int by_address(const void *a, const void *b)
{
	const struct vtdp_function *x = a, *y = b;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return x->rid - y->rid;
}

int pci_list(struct vtdp_function **list)
{
	struct vtdp_function *functions = NULL, *more;
	DIR *dir = opendir(PCI_DEVICES);
	unsigned int segment, bus, device, function, n = 0;
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%x:%x:%x.%x", &segment, &bus, &device, &function) != 4)
			continue;
		more = realloc(functions, (n + 1) * sizeof(*functions));
		if (!more) {
			free(functions);
			closedir(dir);
			return -ENOMEM;
		}
		functions = more;
		functions[n].segment = segment;
		functions[n++].rid = bus << 8 | device << 3 | function;
	}
	closedir(dir);
	if (n)
		qsort(functions, n, sizeof(*functions), by_address);
	*list = functions;
	return n;
}
