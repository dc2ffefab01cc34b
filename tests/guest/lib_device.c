// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib_device.c - devices that do DMA for us; see lib.h
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

/* ---- sva-testdev --------------------------------------------------------- */

uint64_t svat_get(const struct svat *d, unsigned int reg)
{
	return *(volatile uint64_t *)(d->bar + reg);
}

void svat_set(struct svat *d, unsigned int reg, uint64_t val)
{
	*(volatile uint64_t *)(d->bar + reg) = val;
}

int svat_open(struct svat *d, const struct pci_func *f)
{
	size_t size;

	d->func = *f;
	d->bar = pci_map_bar0(f, &size);
	if (!d->bar)
		return -errno;
	if (size != SVAT_BAR_SIZE || svat_get(d, SVAT_ID) != SVAT_ID_VALUE ||
	    svat_get(d, SVAT_VERSION) != SVAT_VERSION_VALUE) {
		munmap((void *)d->bar, size);
		d->bar = NULL;
		return -ENODEV;
	}
	return 0;
}

void svat_close(struct svat *d)
{
	if (d->bar)
		munmap((void *)d->bar, SVAT_BAR_SIZE);
	d->bar = NULL;
}

void svat_reset(struct svat *d)
{
	svat_set(d, SVAT_CTRL, SVAT_CTRL_RESET);
}

const char *svat_status(int status)
{
	static const char * const names[] = {
		"ok", "busy", "invalid", "DMA error", "not bus master", "refused by the device",
		"PASID is off", "ATS is off", "PRI is off", "ATS denied", "ATS error",
		"PRI limit", "PRI refused", "PRI invalid", "PRI failure", "PRI timeout",
		"PRI retries", "stopped", "mismatch", "no resource",
	};

	if (status < 0)
		return strerror(-status);
	return status < (int)ARRAY_SIZE(names) ? names[status] : "unknown status";
}

int svat_ended(const struct svat *d, int status)
{
	return svat_get(d, SVAT_ID) == SVAT_ID_VALUE ? status : -ENODEV;
}

static void chan_setup(struct svat *d, int chan, long pasid, uint64_t iova, size_t len,
		       unsigned int buf_off, uint64_t flags)
{
	unsigned int base = SVAT_CHAN(chan);

	if (pasid != NO_PASID) {
		svat_set(d, base + SVAT_CH_PASID, pasid);
		flags |= SVAT_F_PASID;
	}
	svat_set(d, base + SVAT_CH_FLAGS, flags);
	svat_set(d, base + SVAT_CH_IOVA, iova);
	svat_set(d, base + SVAT_CH_LEN, len);
	svat_set(d, base + SVAT_CH_BUF_OFF, buf_off);
}

/* Up to a page each way is done when the doorbell was written. */
static int chan_run(struct svat *d, int chan, uint64_t cmd)
{
	unsigned int base = SVAT_CHAN(chan);
	uint64_t end = now_ms() + 10000;
	int status;

	svat_set(d, base + SVAT_CH_CMD, cmd);
	while ((status = svat_get(d, base + SVAT_CH_STATUS)) == SVAT_ST_BUSY)
		if (now_ms() > end)
			return -ETIMEDOUT;
	return svat_ended(d, status);
}

static void buf_read(const struct svat *d, int chan, void *buf, size_t len)
{
	size_t off, n;
	uint64_t word;

	for (off = 0; off < len; off += n) {
		n = len - off < 8 ? len - off : 8;
		word = svat_get(d, SVAT_BUF(chan) + off);
		memcpy((char *)buf + off, &word, n);
	}
}

static void buf_write(struct svat *d, int chan, const void *buf, size_t len)
{
	size_t off, n;
	uint64_t word;

	for (off = 0; off < len; off += n) {
		n = len - off < 8 ? len - off : 8;
		word = 0;
		memcpy(&word, (const char *)buf + off, n);
		svat_set(d, SVAT_BUF(chan) + off, word);
	}
}

int svat_read(struct svat *d, int chan, long pasid, uint64_t iova, void *buf, size_t len)
{
	size_t n;
	int st;

	for (; len; len -= n, iova += n, buf = (char *)buf + n) {
		n = len < SVAT_BUF_SIZE ? len : SVAT_BUF_SIZE;
		chan_setup(d, chan, pasid, iova, n, 0, 0);
		st = chan_run(d, chan, SVAT_CMD_DMA);
		if (st)
			return st;
		buf_read(d, chan, buf, n);
	}
	return SVAT_ST_OK;
}

int svat_write(struct svat *d, int chan, long pasid, uint64_t iova, const void *buf, size_t len)
{
	size_t n;
	int st;

	for (; len; len -= n, iova += n, buf = (const char *)buf + n) {
		n = len < SVAT_BUF_SIZE ? len : SVAT_BUF_SIZE;
		buf_write(d, chan, buf, n);
		chan_setup(d, chan, pasid, iova, n, 0, SVAT_F_WRITE);
		st = chan_run(d, chan, SVAT_CMD_DMA);
		if (st)
			return st;
	}
	return SVAT_ST_OK;
}

int svat_range(struct svat *d, int chan, long pasid, const volatile void *addr, size_t len,
	       uint64_t pattern, bool fill)
{
	chan_setup(d, chan, pasid, (uintptr_t)addr, len, 0, 0);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_PATTERN, pattern);
	return chan_run(d, chan, fill ? SVAT_CMD_FILL : SVAT_CMD_CHECK);
}

int svat_read64(struct svat *d, int chan, long pasid, const volatile void *addr, uint64_t *val)
{
	*val = ~0ULL;
	return svat_read(d, chan, pasid, (uintptr_t)addr, val, 8);
}

int svat_write64(struct svat *d, int chan, long pasid, const volatile void *addr, uint64_t val)
{
	return svat_write(d, chan, pasid, (uintptr_t)addr, &val, 8);
}

/* Shorter ones leave the virtual CPUs little time for anything else. */
#define LOOP_PERIOD_NS	30000

static void loop_start(struct svat *d, int chan, long pasid, const volatile void *addr,
		       uint64_t flags)
{
	chan_setup(d, chan, pasid, (uintptr_t)addr, 8, 0, flags | SVAT_F_REPEAT);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_PERIOD, LOOP_PERIOD_NS);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_CMD, SVAT_CMD_DMA);
}

void svat_loop_read(struct svat *d, int chan, long pasid, const volatile void *addr,
		    uint64_t match)
{
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_MATCH, match);
	loop_start(d, chan, pasid, addr, 0);
}

void svat_loop_write(struct svat *d, int chan, long pasid, const volatile void *addr,
		     uint64_t val)
{
	buf_write(d, chan, &val, 8);
	loop_start(d, chan, pasid, addr, SVAT_F_WRITE);
}

void svat_loop_look(struct svat *d, int chan, struct svat_loop *l)
{
	unsigned int base = SVAT_CHAN(chan);

	l->ok = svat_get(d, base + SVAT_CH_N_OK);
	l->failed = svat_get(d, base + SVAT_CH_N_FAIL);
	l->first_failed = svat_get(d, base + SVAT_CH_FIRST_FAIL);
	l->last = svat_get(d, base + SVAT_CH_LAST_DATA);
	l->changes = svat_get(d, base + SVAT_CH_N_CHANGES);
	l->matches = svat_get(d, base + SVAT_CH_N_MATCHES);
	l->round_status = svat_get(d, base + SVAT_CH_ROUND_STATUS);
}

static uint64_t loop_done(struct svat *d, int chan)
{
	return svat_get(d, SVAT_CHAN(chan) + SVAT_CH_N_OK) +
	       svat_get(d, SVAT_CHAN(chan) + SVAT_CH_N_FAIL);
}

bool svat_loop_rounds(struct svat *d, int chan, uint64_t more)
{
	uint64_t target = loop_done(d, chan) + more, end = now_ms() + 5000;

	while (loop_done(d, chan) < target) {
		if (now_ms() > end)
			return false;
		/* An emulated device runs when the CPU rests. */
		usleep(20);
	}
	return true;
}

void svat_loop_stop(struct svat *d, int chan, struct svat_loop *l)
{
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_CMD, SVAT_CMD_STOP);
	if (l)
		svat_loop_look(d, chan, l);
}

int svat_fault(int fd, struct svat *d, int chan, long pasid, uint64_t iova, bool write,
	       struct vtdpasid_event *ev)
{
	uint64_t word = 0x5a5a5a5a5a5a5a5aULL, end;
	int st, try;

	/*
	 * Hardware with one fault register drops records while that one is not
	 * read yet, of accesses made before this call: so there are more tries.
	 */
	for (try = 0; try < 4; try++) {
		/* After a flood the module rests before it reads what is there. */
		sleep_ms(50);
		vt_events_drop(fd);
		st = write ? svat_write(d, chan, pasid, iova, &word, 8) :
			     svat_read(d, chan, pasid, iova, &word, 8);
		if (st == SVAT_ST_OK)
			return -EILSEQ;
		if (st != SVAT_ST_DMA_ERROR)
			return st;
		end = now_ms() + 500;
		do {
			if (vt_event_of(fd, VTDPASID_EVENT_FAULT, d->func.rid, 0, ev, 100))
				continue;
			if (ev->addr == (iova & ~(PAGE - 1)) &&
			    !(ev->flags & VTDPASID_EVENT_WRITE) == !write)
				return 0;
		} while (now_ms() < end);
	}
	return -ETIMEDOUT;
}

/* ---- QEMU's edu ---------------------------------------------------------- */

#define EDU_REG_ID		0x00
#define EDU_ID			0x010000ed
#define EDU_REG_SRC		0x80
#define EDU_REG_DST		0x88
#define EDU_REG_COUNT		0x90
#define EDU_REG_CMD		0x98
#define EDU_CMD_RUN		1
#define EDU_CMD_TO_MEMORY	2
#define EDU_BUF			0x40000
#define EDU_BAR_SIZE		0x100000

int edu_open(struct edu *e, const struct pci_func *f)
{
	size_t size;

	e->func = *f;
	e->bar = pci_map_bar0(f, &size);
	if (!e->bar)
		return -errno;
	if (size == EDU_BAR_SIZE && *(volatile uint32_t *)(e->bar + EDU_REG_ID) == EDU_ID)
		return 0;
	munmap((void *)e->bar, size);
	e->bar = NULL;
	return -ENODEV;
}

void edu_close(struct edu *e)
{
	if (e->bar)
		munmap((void *)e->bar, EDU_BAR_SIZE);
	e->bar = NULL;
}

static void edu_set(struct edu *e, unsigned int reg, uint64_t val)
{
	*(volatile uint64_t *)(e->bar + reg) = val;
}

static int edu_run(struct edu *e, uint64_t src, uint64_t dst, size_t len, uint64_t dir)
{
	uint64_t end = now_ms() + 5000;

	edu_set(e, EDU_REG_SRC, src);
	edu_set(e, EDU_REG_DST, dst);
	edu_set(e, EDU_REG_COUNT, len);
	edu_set(e, EDU_REG_CMD, EDU_CMD_RUN | dir);
	while (*(volatile uint64_t *)(e->bar + EDU_REG_CMD) & EDU_CMD_RUN) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		sleep_ms(5);
	}
	return 0;
}

int edu_read(struct edu *e, uint64_t iova, size_t len)
{
	return edu_run(e, iova, EDU_BUF, len, 0);
}

int edu_write(struct edu *e, uint64_t iova, size_t len)
{
	return edu_run(e, EDU_BUF, iova, len, EDU_CMD_TO_MEMORY);
}

/* ---- a disk -------------------------------------------------------------- */

bool disk_works(void)
{
	static uint64_t seed = 1;
	int fd = open("/dev/nvme0n1", O_RDWR | O_DIRECT | O_CLOEXEC);
	void *buf = must_map(PAGE);
	bool ok;

	pattern_fill(buf, PAGE, ++seed);
	ok = fd >= 0 && pwrite(fd, buf, PAGE, seed * PAGE) == (ssize_t)PAGE;
	memset(buf, 0, PAGE);
	ok = ok && pread(fd, buf, PAGE, seed * PAGE) == (ssize_t)PAGE &&
	     pattern_check(buf, PAGE, seed) < 0;
	if (fd >= 0)
		close(fd);
	munmap(buf, PAGE);
	return ok;
}

/* ---- a bed to test in ---------------------------------------------------- */

int must_take_unit(void)
{
	uint32_t check = 0;
	int fd = must_open(), rc;

	rc = vt_takeover(fd, 0, &check);
	if (rc && rc != -EALREADY)
		fatal("takeover of unit 0: %s (check %u)", strerror(-rc), check);
	return fd;
}

void bed_open_flags(struct bed *b, int need, int want, uint32_t flags)
{
	struct pci_func f[BED_MAX];
	int i, n, rc;

	memset(b, 0, sizeof(*b));
	b->fd = must_take_unit();
	n = pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, BED_MAX);
	if (n < need)
		fatal("%d sva-testdev found, %d needed", n, need);
	b->n = n < want ? n : want;
	for (i = 0; i < b->n; i++) {
		rc = pci_claim(&f[i]);
		if (rc)
			fatal("claiming %s: %s", f[i].name, strerror(-rc));
		rc = svat_open(&b->dev[i], &f[i]);
		if (rc)
			fatal("registers of %s: %s", f[i].name, strerror(-rc));
		svat_reset(&b->dev[i]);
		rc = vt_attach(b->fd, &f[i], flags, &b->info[i]);
		if (rc)
			fatal("attaching %s with flags %#x: %s", f[i].name, flags, strerror(-rc));
		b->id[i] = b->info[i].out_device;
	}
}

void bed_open(struct bed *b, int need, int want)
{
	bed_open_flags(b, need, want, 0);
}

void bed_close(struct bed *b)
{
	int i, rc;

	for (i = 0; i < b->n; i++) {
		svat_reset(&b->dev[i]);
		rc = vt_detach(b->fd, b->id[i]);
		if (rc && rc != -ENOENT)
			printf("# detaching %s: %s\n", b->dev[i].func.name, strerror(-rc));
		svat_close(&b->dev[i]);
		rc = pci_release(&b->dev[i].func);
		if (rc)
			printf("# releasing %s: %s\n", b->dev[i].func.name, strerror(-rc));
	}
	close(b->fd);
	b->fd = -1;
	b->n = 0;
}

uint64_t bed_unit_faults(const struct bed *b)
{
	struct vtdpasid_unit_info info;

	return vt_unit_info(b->fd, 0, &info) ? ~0ULL : info.out_faults;
}

uint64_t bed_faults(const struct bed *b, int i)
{
	struct vtdpasid_device_info info;

	return vt_device_info(b->fd, b->id[i], &info) ? ~0ULL : info.out_faults;
}
