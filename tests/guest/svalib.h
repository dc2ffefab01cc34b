/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svalib: what the tests of ATS, page requests, faults and pins (s_*.c) share,
 * on top of lib.h
 */
#ifndef GUEST_SVALIB_H
#define GUEST_SVALIB_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "tap.h"
#include "kmsg.h"
#include "lib.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define __sva_unused	__attribute__((unused))

#define ATS		VTDPASID_ATTACH_ATS
#define PRI		VTDPASID_ATTACH_PRI

/* Much more than anything takes, even here: longer means it hangs. */
#define LONG_MS		20000

/* ---- the bed, with ATS and page requests ---------------------------------- */

static int __sva_unused vt_binding_info(int fd, uint32_t binding, struct vtdpasid_binding_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->binding = binding;
	return vt_ioctl(fd, VTDPASID_BINDING_INFO, info);
}

static int __sva_unused vt_pin(int fd, uint32_t flags, const volatile void *addr, uint64_t len,
			       uint32_t *pin)
{
	struct vtdpasid_pin arg = {
		.size = sizeof(arg), .flags = flags, .addr = (uintptr_t)addr, .length = len,
	};
	int rc = vt_ioctl(fd, VTDPASID_PIN, &arg);

	*pin = arg.out_pin;
	return rc;
}

static int __sva_unused vt_unpin(int fd, uint32_t pin)
{
	struct vtdpasid_unpin arg = { .size = sizeof(arg), .pin = pin };

	return vt_ioctl(fd, VTDPASID_UNPIN, &arg);
}

/* What the module counted of one binding, its device and its unit. */
struct counts {
	struct vtdpasid_binding_info b;
	struct vtdpasid_device_info d;
	struct vtdpasid_unit_info u;
};

static void __sva_unused must_count(int fd, uint32_t device, uint32_t binding, struct counts *c)
{
	int rc = 0;

	memset(c, 0, sizeof(*c));
	if (binding)
		rc = vt_binding_info(fd, binding, &c->b);
	if (!rc)
		rc = vt_device_info(fd, device, &c->d);
	if (!rc)
		rc = vt_unit_info(fd, 0, &c->u);
	if (rc)
		fatal("information about binding %u of device %u: %s", binding, device,
		      strerror(-rc));
}

/* ---- commands of the test device ------------------------------------------ */

static inline uint64_t chan_get(const struct svat *d, int chan, unsigned int reg)
{
	return svat_get(d, SVAT_CHAN(chan) + reg);
}

static inline void chan_set(struct svat *d, int chan, unsigned int reg, uint64_t val)
{
	svat_set(d, SVAT_CHAN(chan) + reg, val);
}

/* Rings the doorbell; does not wait. */
static void __sva_unused sva_start(struct svat *d, int chan, uint64_t cmd, long pasid,
				   uint64_t flags, const volatile void *addr, size_t len)
{
	if (pasid != NO_PASID) {
		chan_set(d, chan, SVAT_CH_PASID, pasid);
		flags |= SVAT_F_PASID;
	}
	chan_set(d, chan, SVAT_CH_FLAGS, flags);
	chan_set(d, chan, SVAT_CH_IOVA, (uintptr_t)addr);
	chan_set(d, chan, SVAT_CH_LEN, len);
	chan_set(d, chan, SVAT_CH_BUF_OFF, 0);
	chan_set(d, chan, SVAT_CH_CMD, cmd);
}

/* Waits for the end of what a channel does; -ETIMEDOUT if it does not come. */
static int __sva_unused sva_wait(struct svat *d, int chan, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	int st;

	while ((st = chan_get(d, chan, SVAT_CH_STATUS)) == SVAT_ST_BUSY) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		usleep(100);
	}
	return svat_ended(d, st);
}

static void __sva_unused sva_stop(struct svat *d, int chan)
{
	chan_set(d, chan, SVAT_CH_CMD, SVAT_CMD_STOP);
}

static int __sva_unused sva_run(struct svat *d, int chan, uint64_t cmd, long pasid, uint64_t flags,
				const volatile void *addr, size_t len)
{
	int st;

	sva_start(d, chan, cmd, pasid, flags, addr, len);
	st = sva_wait(d, chan, LONG_MS);
	if (st == -ETIMEDOUT)
		sva_stop(d, chan);
	return st;
}

/* Up to a page between @buf and the process's memory by @route (SVAT_F_*). */
static int __sva_unused sva_read(struct svat *d, int chan, long pasid, uint64_t route,
				 const volatile void *addr, void *buf, size_t len)
{
	int st = sva_run(d, chan, SVAT_CMD_DMA, pasid, route, addr, len);
	size_t i;

	for (i = 0; !st && i < len; i += 8)
		((uint64_t *)buf)[i / 8] = svat_get(d, SVAT_BUF(chan) + i);
	return st;
}

static int __sva_unused sva_write(struct svat *d, int chan, long pasid, uint64_t route,
				  const volatile void *addr, const void *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 8)
		svat_set(d, SVAT_BUF(chan) + i, ((const uint64_t *)buf)[i / 8]);
	return sva_run(d, chan, SVAT_CMD_DMA, pasid, route | SVAT_F_WRITE, addr, len);
}

static int __sva_unused sva_read64(struct svat *d, int chan, long pasid, uint64_t route,
				   const volatile void *addr, uint64_t *val)
{
	*val = ~0ULL;
	return sva_read(d, chan, pasid, route, addr, val, 8);
}

static int __sva_unused sva_write64(struct svat *d, int chan, long pasid, uint64_t route,
				    const volatile void *addr, uint64_t val)
{
	return sva_write(d, chan, pasid, route, addr, &val, 8);
}

static int __sva_unused sva_fill(struct svat *d, int chan, long pasid, uint64_t route,
				 const volatile void *addr, size_t len, uint64_t pattern)
{
	chan_set(d, chan, SVAT_CH_PATTERN, pattern);
	/* The command implies it for DMA, but not for the page requests of it. */
	return sva_run(d, chan, SVAT_CMD_FILL, pasid, route | SVAT_F_WRITE, addr, len);
}

/* Words of the range that are not what SVAT_CMD_FILL writes. */
static size_t __sva_unused fill_errors(const volatile void *addr, size_t len, uint64_t pattern)
{
	const volatile uint64_t *p = addr;
	size_t i, n = 0;

	for (i = 0; i < len / 8; i++)
		n += p[i] != SVAT_PATTERN(pattern, (uintptr_t)&p[i]);
	return n;
}

/* One page request; 0 success, 1 invalid, or -status of the channel. */
static int __sva_unused sva_request(struct svat *d, int chan, long pasid, uint64_t flags,
				    const volatile void *addr, unsigned int group)
{
	int st;

	chan_set(d, chan, SVAT_CH_PRGI, group);
	st = sva_run(d, chan, SVAT_CMD_PAGE_REQ, pasid, flags, addr, 0);
	if (st == -ETIMEDOUT)
		return st;
	if (st == SVAT_ST_OK || st == SVAT_ST_PRI_INVALID || st == SVAT_ST_PRI_FAILURE)
		return st == SVAT_ST_OK ? 0 : (int)chan_get(d, chan, SVAT_CH_PRI_CODE);
	return -1000 - st;
}

/* Responses that a device got to groups, whatever they said. */
struct responses {
	uint64_t success, invalid, failure, unexpected;
};

static void __sva_unused responses_get(const struct svat *d, struct responses *r)
{
	r->success = svat_get(d, SVAT_N_PRI_SUCCESS);
	r->invalid = svat_get(d, SVAT_N_PRI_INVALID);
	r->failure = svat_get(d, SVAT_N_PRI_FAILURE);
	r->unexpected = svat_get(d, SVAT_N_PRI_UNEXPECTED);
}

static uint64_t __sva_unused responses_all(const struct svat *d)
{
	struct responses r;

	responses_get(d, &r);
	return r.success + r.invalid + r.failure + r.unexpected;
}

/* Waits until *reg of the function is at least @want. */
static bool __sva_unused sva_reach(const struct svat *d, unsigned int reg, uint64_t want,
				   unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	while (svat_get(d, reg) < want) {
		if (now_ms() > end)
			return false;
		usleep(200);
	}
	return true;
}

/* ---- the kernel's memory --------------------------------------------------- */

#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)

/* The word of /proc/self/pagemap for a page. */
static uint64_t __sva_unused pagemap(const volatile void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		fatal("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	return entry;
}

/* Memory that nobody has touched. */
static void __sva_unused *must_map_fresh(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fatal("mmap of %zu bytes: %s", len, strerror(errno));
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static uint64_t __sva_unused field_of(const char *path, const char *name)
{
	static char buf[65536];
	char *p, *end;
	size_t len = strlen(name);

	if (read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	for (p = buf; p && *p; p = end ? end + 1 : NULL) {
		end = strchr(p, '\n');
		if (!strncmp(p, name, len) && (p[len] == ' ' || p[len] == ':' || p[len] == '\t'))
			return strtoull(p + len + strspn(p + len, ": \t"), NULL, 0);
	}
	return 0;
}

/* Swap on zram, when the module is there. Stays on. */
static bool __sva_unused swap_ready(void)
{
	static unsigned char page[4096];
	uint32_t *head = (uint32_t *)(page + 1024);
	int fd;

	if (field_of("/proc/meminfo", "SwapTotal"))
		return true;
	if (write_file("/sys/block/zram0/disksize", "%lu", 128 * MB) < 0)
		return false;
	fd = open("/dev/zram0", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	head[0] = 1;
	head[1] = 128 * MB / PAGE - 1;
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	if (write(fd, page, sizeof(page)) != sizeof(page) || fsync(fd)) {
		close(fd);
		return false;
	}
	close(fd);
	return !swapon("/dev/zram0", 0);
}

/* Writes a range to swap; false when a page stays in memory all the same. */
static bool __sva_unused swap_out(volatile void *p, size_t len)
{
	size_t off;
	int try;

	for (try = 0; try < 20; try++) {
		madvise((void *)p, len, MADV_PAGEOUT);
		for (off = 0; off < len; off += PAGE)
			if (!(pagemap((volatile char *)p + off) & PM_SWAP))
				break;
		if (off >= len)
			return true;
		sleep_ms(10);
	}
	return false;
}

/* ---- interrupts -------------------------------------------------------------- */

/* How often the interrupts of that name came, on all CPUs. -1: no such line. */
static long __sva_unused interrupts(const char *name)
{
	static char buf[65536];
	char *line, *save = NULL, *p, *end;
	long sum = -1;

	if (read_file("/proc/interrupts", buf, sizeof(buf)) <= 0)
		return -1;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strstr(line, name))
			continue;
		p = strchr(line, ':');
		if (!p)
			continue;
		if (sum < 0)
			sum = 0;
		for (p++;; p = end) {
			long n = strtol(p, &end, 10);

			if (end == p || (*end != ' ' && *end != '\t'))
				break;
			sum += n;
		}
	}
	return sum;
}

#endif
