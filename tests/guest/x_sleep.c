// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_sleep: suspend to memory, with the unit taken over and functions bound
 *
 * The machine's firmware forgets where extended config space is (a reset of
 * QEMU's host bridge that SeaBIOS does not undo), so a function with PASIDs
 * comes back without them: the module has to notice. Requests without PASID go
 * on.
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <time.h>

#include "svalib.h"

static int fd;
static volatile uint64_t *page;
static struct {
	struct pci_func f;
	struct svat d;
	uint32_t id, binding, pasid;
} plain, full;

/* Three seconds of it, by the clock that runs on. Returns whether it slept. */
static bool sleep_deep(const char *what)
{
	long before = read_number("/sys/power/suspend_stats/success");
	int rc;

	write_file("/sys/power/mem_sleep", "deep");
	write_file("/sys/class/rtc/rtc0/wakealarm", "0");
	rc = write_file("/sys/class/rtc/rtc0/wakealarm", "+3");
	if (!rc)
		rc = write_file("/sys/power/state", "mem");
	return tap_ok(!rc && read_number("/sys/power/suspend_stats/success") == before + 1,
		      "%s: the machine slept (%d)", what, rc);
}

static bool is_master(const struct pci_func *f)
{
	return pci_read(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static void attach(void)
{
	struct vtdpasid_attach out;
	struct pci_func f[2];
	int rc;

	if (pci_find(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID, &plain.f, 1) != 1 ||
	    pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) < 1)
		fatal("a plain test device and one with PASIDs are needed");
	full.f = f[0];
	rc = pci_claim(&plain.f) ?: svat_open(&plain.d, &plain.f);
	if (!rc)
		rc = vt_attach(fd, &plain.f, 0, &out);
	plain.id = out.out_device;
	if (!rc)
		rc = vt_bind(fd, plain.id, VTDPASID_BIND_NO_PASID, 0, &plain.binding, NULL);
	if (rc)
		fatal("the plain device: %s", strerror(-rc));
	rc = pci_claim(&full.f) ?: svat_open(&full.d, &full.f);
	if (!rc)
		rc = vt_attach(fd, &full.f, ATS | PRI, &out);
	full.id = out.out_device;
	if (!rc)
		rc = vt_bind(fd, full.id, 0, 0, &full.binding, &full.pasid);
	if (rc)
		fatal("the device with PASIDs: %s", strerror(-rc));
}

static void dma(const char *what)
{
	struct vtdpasid_event ev;
	uint64_t v;

	page[0] = 77;
	tap_ok(svat_read64(&plain.d, 0, NO_PASID, page, &v) == SVAT_ST_OK && v == 77 &&
	       svat_write64(&plain.d, 0, NO_PASID, page, 78) == SVAT_ST_OK && page[0] == 78,
	       "%s: DMA without PASID works", what);
	vt_events_drop(fd);
	svat_read64(&plain.d, 0, NO_PASID, (void *)(16 * PAGE), &v);
	tap_ok(!vt_event_of(fd, VTDPASID_EVENT_FAULT, plain.f.rid, plain.binding, &ev, 2000),
	       "%s: a fault is reported", what);
	munmap(must_map(16 * PAGE), 16 * PAGE);
	tap_ok(disk_works(), "%s: the disk works", what);
}

/* PASIDs: they work, or the loss is reported and the function cut off. */
static void with_pasid(const char *what)
{
	struct vtdpasid_device_info info = { 0 };
	struct vtdpasid_event ev;
	uint64_t v;
	int st;

	vt_device_info(fd, full.id, &info);
	if (!(info.out_state & VTDPASID_DEVICE_STOPPED)) {
		page[0] = 79;
		st = svat_read64(&full.d, 0, full.pasid, page, &v);
		tap_ok(st == SVAT_ST_OK && v == 79, "%s: DMA by PASID works (%s)", what, svat_status(st));
		tap_skip(2, "nothing was lost");
		return;
	}
	tap_ok(!is_master(&full.f), "%s: PASIDs are lost, and bus mastering is off", what);
	tap_ok(!vt_event_of(fd, VTDPASID_EVENT_DEVICE_STOPPED, full.f.rid, 0, &ev, 100),
	       "%s: an event says so", what);
	tap_is(vt_bind(fd, full.id, VTDPASID_BIND_NO_PASID, 0, NULL, NULL), -ENODEV,
	       "%s: bind is refused", what);
}

int main(void)
{
	static const char *const rounds[] = { "first", "second" };
	struct vtdpasid_unit_info info;
	unsigned int i;
	uint64_t v;

	if (access("/sys/power/mem_sleep", F_OK) || access("/sys/class/rtc/rtc0/wakealarm", F_OK))
		tap_skip_all("this kernel does not suspend, or does not wake up");
	page = must_map(PAGE);
	fd = must_take_unit();
	attach();
	page[0] = 5;
	tap_ok(svat_read64(&full.d, 0, full.pasid, page, &v) == SVAT_ST_OK && v == 5,
	       "DMA by PASID works before");
	dma("before");
	for (i = 0; i < ARRAY_SIZE(rounds); i++) {
		vt_events_drop(fd);
		if (!sleep_deep(rounds[i]))
			break;
		memset(&info, 0, sizeof(info));
		vt_unit_info(fd, 0, &info);
		tap_ok(info.out_state == VTDPASID_UNIT_TAKEN &&
		       (info.out_gsts & (1u << 31 | 1u << 26)) == (1u << 31 | 1u << 26),
		       "%s: translation and queue are on (GSTS %#x)", rounds[i], info.out_gsts);
		if (!i)
			with_pasid(rounds[i]);
		dma(rounds[i]);
	}
	tap_is(vt_unbind(fd, plain.binding), 0, "unbind");
	tap_is(vt_detach(fd, plain.id), 0, "detach");
	tap_is(vt_detach(fd, full.id), 0, "detach of the other");
	tap_is(vt_handback(fd, 0), 0, "handback");
	tap_ok(disk_works(), "the disk works at the end");
	tap_skip(1, "access control of ports, and page requests, over a suspend: QEMU loses their registers for good");
	svat_close(&plain.d);
	svat_close(&full.d);
	close(fd);
	return tap_done();
}
