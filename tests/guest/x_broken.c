// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_broken: hardware that fails, one way after the other
 *
 * The module is built with src/inject.c. Each failure: the call that meets it
 * comes back with its errno, the functions concerned can do no DMA when it does,
 * their file is told, all others work on, and the module can be unloaded.
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>

#include "svalib.h"

#define INJECT	"/sys/module/vtdpasid/parameters/inject"

static struct bed bed;			/* 0: A, with ATS; 1: B */
static uint32_t binding[2], pasid[2];
static volatile uint64_t *page;

static void inject(const char *what)
{
	int rc = write_file(INJECT, "%s", what);

	if (rc)
		fatal("%s: %s", INJECT, strerror(-rc));
}

/* How often it is still to come. */
static int injections(void)
{
	char buf[64] = "", *p;

	read_file(INJECT, buf, sizeof(buf));
	p = strchr(buf, ' ');
	return p ? atoi(p) : -1;
}

static bool is_master(int i)
{
	return pci_read(&bed.dev[i].func, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static uint32_t unit_state(int fd)
{
	struct vtdpasid_unit_info info;

	return vt_unit_info(fd, 0, &info) ? ~0U : info.out_state;
}

static void begin(void)
{
	struct svat_loop l;
	int i, rc;

	bed_open_flags(&bed, 2, 2, ATS);
	for (i = 0; i < 2; i++) {
		rc = vt_bind(bed.fd, bed.id[i], 0, 0, &binding[i], &pasid[i]);
		if (rc)
			fatal("bind: %s", strerror(-rc));
	}
	vt_events_drop(bed.fd);
	page[0] = 7;
	svat_loop_read(&bed.dev[0], 1, pasid[0], page, 7);
	svat_loop_read(&bed.dev[1], 1, pasid[1], page, 7);
	svat_loop_rounds(&bed.dev[0], 1, 3);
	svat_loop_rounds(&bed.dev[1], 1, 3);
	svat_loop_look(&bed.dev[1], 1, &l);
	if (!l.ok)
		fatal("no DMA to begin with");
}

/* Nothing comes through any more; it had ended when the call came back. */
static void is_stopped(int i, const char *what)
{
	struct svat_loop at, end;
	uint64_t v;

	tap_ok(!is_master(i), "%s: %c is no bus master", what, 'A' + i);
	svat_loop_look(&bed.dev[i], 1, &at);
	svat_loop_rounds(&bed.dev[i], 1, 3);
	svat_loop_stop(&bed.dev[i], 1, &end);
	tap_ok(end.ok == at.ok && svat_read64(&bed.dev[i], 0, pasid[i], page, &v) != SVAT_ST_OK,
	       "%s: no DMA of %c comes through", what, 'A' + i);
}

static bool goes_on(int i)
{
	struct svat_loop at, end;

	svat_loop_look(&bed.dev[i], 1, &at);
	svat_loop_rounds(&bed.dev[i], 1, 5);
	svat_loop_look(&bed.dev[i], 1, &end);
	return end.ok >= at.ok + 3 && !end.failed;
}

static int timed(int rc, uint64_t start, const char *what)
{
	tap_ok(now_ms() - start < LONG_MS, "%s: the call comes back (%d ms)", what,
	       (int)(now_ms() - start));
	return rc;
}

/* Closes, unloads, and loads it anew. */
static void reload(const char *what, int want)
{
	uint64_t start = now_ms();
	int i, rc;

	for (i = 0; i < bed.n; i++)
		svat_close(&bed.dev[i]);
	bed.n = 0;
	close(bed.fd);
	timed(0, start, what);
	tap_is(vt_module_unload(), 0, "%s: rmmod", what);
	tap_ok(disk_works(), "%s: the disk works without the module", what);
	rc = vt_module_load("");
	if (rc)
		fatal("insmod: %s", strerror(-rc));
	bed.fd = must_open();
	rc = vt_takeover(bed.fd, 0, NULL);
	tap_is(rc, want, "%s: takeover after that", what);
	if (!rc)
		vt_handback(bed.fd, 0);
	close(bed.fd);
}

/* Once: it is taken out, and what was not done is done again. */
static void descriptor_refused(void)
{
	static const char what[] = "a descriptor that is refused";
	int rc, log = kmsg_open();
	struct vtdpasid_event ev;
	uint64_t start, v;
	volatile uint64_t *p = must_map(PAGE);

	begin();
	p[0] = 9;
	svat_read64(&bed.dev[0], 0, pasid[0], p, &v);
	svat_read64(&bed.dev[1], 0, pasid[1], p, &v);
	inject("descriptor");
	start = now_ms();
	rc = timed(munmap((void *)p, PAGE), start, what);
	tap_ok(!rc && !injections(), "%s: it was met", what);
	tap_ok(kmsg_count(log, "refused", false) >= 1, "%s: the log says so", what);
	tap_ok(svat_read64(&bed.dev[0], 0, pasid[0], p, &v) == SVAT_ST_DMA_ERROR &&
	       svat_read64(&bed.dev[1], 0, pasid[1], p, &v) == SVAT_ST_DMA_ERROR,
	       "%s: what it was for was done", what);
	tap_ok(goes_on(0) && goes_on(1) && unit_state(bed.fd) == VTDPASID_UNIT_TAKEN,
	       "%s: both devices work on", what);
	tap_is(vt_event_of(bed.fd, VTDPASID_EVENT_UNIT_BROKEN, -1, 0, &ev, 50), -ETIMEDOUT,
	       "%s: nothing is broken", what);
	close(log);
	reload(what, 0);
}

/* What the unit's caches hold is unknown then: all attached functions go. */
static void unit_breaks(const char *kind, const char *what)
{
	struct vtdpasid_event ev;
	uint64_t start;
	int rc;

	begin();
	inject(kind);
	start = now_ms();
	rc = timed(vt_sync(bed.fd, (void *)page, PAGE), start, what);
	tap_ok(injections() >= 0 && injections() < 1000 && injections() != 1, "%s: it was met", what);
	tap_is(rc, -EIO, "%s: errno", what);
	is_stopped(0, what);
	is_stopped(1, what);
	tap_ok(!vt_event_of(bed.fd, VTDPASID_EVENT_UNIT_BROKEN, bed.dev[0].func.rid, 0, &ev, 1000),
	       "%s: an event for A", what);
	tap_ok(!vt_event_of(bed.fd, VTDPASID_EVENT_UNIT_BROKEN, bed.dev[1].func.rid, 0, &ev, 1000),
	       "%s: an event for B", what);
	tap_is(unit_state(bed.fd), VTDPASID_UNIT_BROKEN, "%s: the unit is broken", what);
	tap_is(vt_bind(bed.fd, bed.id[1], VTDPASID_BIND_NO_PASID, 0, NULL, NULL), -EIO,
	       "%s: bind is refused", what);
	tap_ok(disk_works(), "%s: the disk works", what);
	start = now_ms();
	munmap(must_map(16 * PAGE), 16 * PAGE);
	timed(0, start, "munmap");
	reload(what, 0);
}

/* A costs itself only. */
static void device_does_not_answer(void)
{
	static const char what[] = "a device TLB that does not answer";
	struct vtdpasid_device_info info = { 0 };
	struct vtdpasid_attach out;
	struct vtdpasid_event ev;
	uint64_t start, v;
	int rc;

	begin();
	/* B has no part in the next batch. */
	vt_detach(bed.fd, bed.id[1]);
	rc = vt_attach(bed.fd, &bed.dev[1].func, 0, &out);
	bed.id[1] = out.out_device;
	if (!rc)
		rc = vt_bind(bed.fd, bed.id[1], 0, 0, &binding[1], &pasid[1]);
	if (rc)
		fatal("attaching B without ATS: %s", strerror(-rc));
	svat_reset(&bed.dev[1]);
	svat_loop_read(&bed.dev[1], 1, pasid[1], page, 7);
	inject("device 1000");
	start = now_ms();
	rc = timed(vt_sync(bed.fd, (void *)page, PAGE), start, what);
	tap_ok(injections() < 1000, "%s: it was met", what);
	tap_is(rc, -ETIMEDOUT, "%s: errno", what);
	is_stopped(0, what);
	tap_ok(!vt_event_of(bed.fd, VTDPASID_EVENT_DEVICE_STOPPED, bed.dev[0].func.rid, 0, &ev, 1000),
	       "%s: an event", what);
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_ok(info.out_state & VTDPASID_DEVICE_STOPPED, "%s: its state says so", what);
	tap_ok(is_master(1) && goes_on(1), "%s: B works on", what);
	tap_is(unit_state(bed.fd), VTDPASID_UNIT_TAKEN, "%s: the unit is not broken", what);
	tap_is(vt_event(bed.fd, &ev, 50), -ETIMEDOUT, "%s: no other event", what);
	start = now_ms();
	munmap(must_map(16 * PAGE), 16 * PAGE);
	timed(0, start, "munmap");
	tap_is(vt_unbind(bed.fd, binding[0]), 0, "%s: unbind owes it nothing", what);
	tap_is(vt_detach(bed.fd, bed.id[0]), 0, "%s: detach", what);
	inject("none");
	rc = vt_attach(bed.fd, &bed.dev[0].func, ATS, &out);
	bed.id[0] = out.out_device;
	if (!rc)
		rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding[0], &pasid[0]);
	tap_ok(!rc && svat_read64(&bed.dev[0], 0, pasid[0], page, &v) == SVAT_ST_OK && v == 7,
	       "%s: attached anew, it works (%d)", what, rc);

	/* In the middle of an unbind. */
	inject("device 1000");
	start = now_ms();
	rc = timed(vt_unbind(bed.fd, binding[0]), start, "unbind");
	tap_is(rc, -ETIMEDOUT, "unbind from it: errno");
	tap_ok(!is_master(0), "unbind from it: it is no bus master");
	tap_ok(goes_on(1), "unbind from it: B works on");
	inject("none");
	reload(what, 0);
}

/* A register that does not follow, at takeover. */
static void takeover_fails(const char *kind)
{
	uint32_t check = 0;
	uint64_t start;
	int rc;

	bed.fd = must_open();
	inject(kind);
	start = now_ms();
	rc = timed(vt_takeover(bed.fd, 0, &check), start, kind);
	tap_is(injections(), 0, "%s: it was met", kind);
	tap_ok(rc == -ETIMEDOUT && check == VTDPASID_CHECK_REGISTER,
	       "%s: takeover is refused (%d, check %u)", kind, rc, check);
	tap_is(unit_state(bed.fd), VTDPASID_UNIT_IDLE, "%s: the unit is as it was", kind);
	tap_ok(disk_works(), "%s: the disk works", kind);
	tap_is(vt_takeover(bed.fd, 0, NULL), 0, "%s: another try", kind);
	tap_ok(disk_works(), "%s: the disk works after that", kind);
	tap_is(vt_handback(bed.fd, 0), 0, "%s: handback", kind);
	close(bed.fd);
}

/* Translation stays on for ever: so must the tables. */
static void stays_on(void)
{
	static const char what[] = "translation that does not go off";
	struct pci_func f[2];
	struct svat d;
	uint64_t start, v;
	int rc, log = kmsg_open();

	bed.fd = must_take_unit();
	inject("te-off 1000");
	start = now_ms();
	rc = timed(vt_handback(bed.fd, 0), start, what);
	tap_is(rc, -ETIMEDOUT, "%s: errno of handback", what);
	tap_is(unit_state(bed.fd), VTDPASID_UNIT_BROKEN, "%s: the unit is broken", what);
	tap_is(kmsg_count(log, "its tables stay in memory", false), 1, "%s: the log says so, once", what);
	tap_ok(disk_works(), "%s: the disk works", what);
	reload(what, -EEXIST);
	/* Of the module that is gone. */
	tap_ok(disk_works(), "%s: the disk works still", what);
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) == 2 && !svat_open(&d, &f[0])) {
		svat_reset(&d);
		pci_bus_master(&f[0], true);
		tap_is(svat_read64(&d, 0, NO_PASID, (void *)phys_of((void *)page), &v), SVAT_ST_DMA_ERROR,
		       "%s: what nobody owned is still refused", what);
		pci_bus_master(&f[0], false);
		svat_close(&d);
	}
	close(log);
}

/* A command that came to nothing may still come: so the tables stay, too. */
static void comes_late(void)
{
	static const char what[] = "translation that does not go on";
	uint32_t check = 0;
	uint64_t start;
	int rc;

	bed.fd = must_open();
	inject("te-on");
	start = now_ms();
	rc = timed(vt_takeover(bed.fd, 0, &check), start, what);
	tap_is(injections(), 0, "%s: it was met", what);
	tap_ok(rc == -EIO && check == VTDPASID_CHECK_REGISTER,
	       "%s: takeover is refused (%d, check %u)", what, rc, check);
	tap_is(unit_state(bed.fd), VTDPASID_UNIT_BROKEN, "%s: the unit is broken", what);
	tap_is(vt_takeover(bed.fd, 0, NULL), -EIO, "%s: no other try", what);
	tap_ok(disk_works(), "%s: the disk works", what);
	/* The queue was left on. */
	reload(what, -EADDRINUSE);
}

int main(int argc, char **argv)
{
	page = must_map(PAGE);
	if (access(INJECT, F_OK))
		tap_bail("the module was not built with VTDP_INJECT=1");
	if (argc == 2 && !strcmp(argv[1], "late")) {
		comes_late();
		return tap_done();
	}
	/* QEMU never clears GSTS.RTPS again, so it counts once in a boot. */
	takeover_fails("root");
	descriptor_refused();
	unit_breaks("descriptor 1000", "descriptors that are refused");
	unit_breaks("unit", "a completion that is lost");
	device_does_not_answer();
	takeover_fails("queue-on");
	stays_on();
	return tap_done();
}
