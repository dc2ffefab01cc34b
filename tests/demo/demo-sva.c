// SPDX-License-Identifier: GPL-2.0-only
/*
 * demo-sva - a device fills memory that is not there
 *
 * A process mallocs 64 MiB and touches nothing. Then it tells a device to fill
 * them, by their address and with its PASID. Each page that the device misses it
 * asks for; the module serves it as the CPU's page faults are served.
 *
 * exit: 0 when every word is right and every page came through a page request.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../guest/lib.h"

#define SIZE	(64 * MB)
#define PATTERN	0x5eed5eed00000000ULL

static void must(int rc, const char *what)
{
	if (rc)
		fatal("%s: %s", what, strerror(-rc));
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Pages of the range that the process has in memory. */
static size_t present(const char *p, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry[512];
	size_t i, j, n = 0;

	for (i = 0; i < len / PAGE; i += 512) {
		if (pread(fd, entry, sizeof(entry), ((uintptr_t)p / PAGE + i) * 8) != sizeof(entry))
			fatal("/proc/self/pagemap");
		for (j = 0; j < 512; j++)
			n += entry[j] >> 63;
	}
	close(fd);
	return n;
}

static void binding_info(int fd, uint32_t binding, struct vtdpasid_binding_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->binding = binding;
	must(vt_ioctl(fd, VTDPASID_BINDING_INFO, info), "BINDING_INFO");
}

static void set_up(int *fd, struct svat *dev, struct vtdpasid_attach *attach)
{
	struct pci_func f;

	if (!vt_loaded())
		must(vt_module_load(""), "insmod");
	*fd = must_take_unit();
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, &f, 1) != 1)
		fatal("this machine lacks the test device");
	must(pci_claim(&f), "claim");
	must(vt_attach(*fd, &f, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI, attach), "attach");
	must(svat_open(dev, &f), "registers");
	svat_reset(dev);
}

static int fill(struct svat *dev, uint32_t pasid, char *p)
{
	int st;

	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_PASID, pasid);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_FLAGS, SVAT_F_PASID | SVAT_F_PRI | SVAT_F_WRITE);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_IOVA, (uintptr_t)p);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_LEN, SIZE);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_PATTERN, PATTERN);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_GROUP, 32);
	svat_set(dev, SVAT_CHAN(0) + SVAT_CH_CMD, SVAT_CMD_FILL);
	while ((st = svat_get(dev, SVAT_CHAN(0) + SVAT_CH_STATUS)) == SVAT_ST_BUSY)
		sleep_ms(1);
	return st;
}

static size_t wrong(const volatile uint64_t *p)
{
	size_t i, n = 0;

	for (i = 0; i < SIZE / 8; i++)
		n += p[i] != SVAT_PATTERN(PATTERN, (uintptr_t)&p[i]);
	return n;
}

int main(void)
{
	struct vtdpasid_binding_info info;
	struct vtdpasid_attach attach;
	struct rusage before, after;
	uint32_t binding, pasid;
	size_t bad, pages[2];
	struct svat dev;
	double start, took;
	char *raw, *p;
	int fd, st;

	set_up(&fd, &dev, &attach);
	printf("%s is attached, with ATS and page requests.\n", dev.func.name);
	raw = malloc(SIZE + 2 * PAGE);
	if (!raw)
		fatal("malloc");
	/* Whole pages of it; malloc has written to the first one. */
	p = (char *)(((uintptr_t)raw + 2 * PAGE - 1) & ~(PAGE - 1));
	/* One request a page, to have something to count. */
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	must(vt_bind(fd, attach.out_device, 0, 0, &binding, &pasid), "bind");
	pages[0] = present(p, SIZE);
	printf("Process %d, PASID %u, has malloc'ed 64 MiB at %p: %zu of %lu pages are in memory.\n",
	       getpid(), pasid, (void *)p, pages[0], SIZE / PAGE);

	getrusage(RUSAGE_SELF, &before);
	start = seconds();
	st = fill(&dev, pasid, p);
	took = seconds() - start;
	getrusage(RUSAGE_SELF, &after);
	pages[1] = present(p, SIZE);
	binding_info(fd, binding, &info);
	bad = wrong((uint64_t *)p);

	printf("The device was told to fill them: %s.\n", svat_status(st));
	printf("  page requests served   %llu (%llu failed)\n",
	       (unsigned long long)info.out_requests, (unsigned long long)info.out_requests_failed);
	printf("  groups answered        %llu\n", (unsigned long long)svat_get(&dev, SVAT_N_PRI_SUCCESS));
	printf("  pages mapped           %zu\n", pages[1] - pages[0]);
	printf("  page faults of the CPU %ld\n", after.ru_minflt - before.ru_minflt);
	printf("  words that are wrong   %zu of %lu\n", bad, SIZE / 8);
	printf("  time                   %.2f s, %.0f requests a second (emulated)\n", took,
	       info.out_requests / took);

	must(vt_unbind(fd, binding), "unbind");
	must(vt_detach(fd, attach.out_device), "detach");
	must(vt_handback(fd, 0), "handback");
	close(fd);
	if (st || bad || pages[0] || pages[1] != SIZE / PAGE || info.out_requests != SIZE / PAGE) {
		printf("This is not how it should be.\n");
		return 1;
	}
	printf("Every word is right, and nothing was pinned.\n");
	return 0;
}
