// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_hotplug: functions that go while they are attached and bound
 *
 * By sysfs, by the slot's power switch, by the button, and pulled out. Each time
 * the file is told, its device is no more, another device works on, and what
 * comes in its place has no context entry until it is claimed and attached.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/pci_regs.h>

#include "svalib.h"

#define INJECT	"/sys/module/vtdpasid/parameters/inject"

/* A stays, at 00:04.0, without ATS; H is in the slot of a root port. */
static struct {
	struct pci_func f;
	struct svat d;
	uint32_t id, binding, pasid;
} a, h;
static struct pci_func port;
static volatile uint64_t *page;
static int fd;

static bool there(void)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", h.f.name);
	return !access(path, F_OK);
}

static bool comes(bool want)
{
	uint64_t end = now_ms() + LONG_MS;

	while (there() != want && now_ms() < end)
		sleep_ms(20);
	return there() == want;
}

static void start_a(void)
{
	struct vtdpasid_attach out;
	int rc = pci_claim(&a.f);

	if (!rc)
		rc = svat_open(&a.d, &a.f);
	if (!rc)
		rc = vt_attach(fd, &a.f, 0, &out);
	a.id = out.out_device;
	if (!rc)
		rc = vt_bind(fd, a.id, 0, 0, &a.binding, &a.pasid);
	if (rc)
		fatal("%s: %s", a.f.name, strerror(-rc));
	svat_reset(&a.d);
	svat_loop_read(&a.d, 1, a.pasid, page, 7);
}

static bool a_works(void)
{
	struct svat_loop at, end;

	svat_loop_look(&a.d, 1, &at);
	svat_loop_rounds(&a.d, 1, 5);
	svat_loop_look(&a.d, 1, &end);
	return end.ok >= at.ok + 3 && !end.failed;
}

/* Claim H, attach and bind it; its DMA works. */
static void start_h(const char *what, uint32_t flags)
{
	struct vtdpasid_walk w = { 0 };
	struct vtdpasid_attach out;
	uint64_t v;
	int rc = vt_walk(fd, &h.f, 0, 0, 0, &w);

	tap_ok(!rc && !(w.out_context[0] & 1), "%s: no context entry before it is claimed", what);
	rc = pci_claim(&h.f);
	if (!rc)
		rc = svat_open(&h.d, &h.f);
	if (rc)
		fatal("%s: %s: %s", what, h.f.name, strerror(-rc));
	svat_reset(&h.d);
	rc = vt_attach(fd, &h.f, flags, &out);
	h.id = out.out_device;
	if (!rc)
		rc = vt_bind(fd, h.id, 0, 0, &h.binding, &h.pasid);
	tap_ok(!rc && svat_read64(&h.d, 0, h.pasid, page, &v) == SVAT_ST_OK && v == 7,
	       "%s: attached and bound, it works (%d)", what, rc);
	vt_events_drop(fd);
}

/* Its file knows, and it is gone for the file; nobody else has a part in it. */
static void is_lost(const char *what)
{
	struct vtdpasid_device_info info;
	struct vtdpasid_binding_info b;
	struct vtdpasid_event ev;
	struct vtdpasid_walk w;
	int rc;

	tap_ok(!vt_event_of(fd, VTDPASID_EVENT_DEVICE_GONE, h.f.rid, 0, &ev, LONG_MS) &&
	       ev.device == h.id, "%s: an event", what);
	tap_is(vt_device_info(fd, h.id, &info), -ENOENT, "%s: its device is no more", what);
	tap_is(vt_binding_info(fd, h.binding, &b), -ENOENT, "%s: nor its binding", what);
	rc = vt_walk(fd, &h.f, 0, 0, 0, &w);
	tap_ok(rc == -ENODEV || (!rc && !(w.out_context[0] & 1)), "%s: nor its context entry", what);
	tap_ok(a_works(), "%s: the other device works on", what);
	munmap(must_map(16 * PAGE), 16 * PAGE);
	svat_close(&h.d);
}

static void driver_unbound(void)
{
	static const char what[] = "driver unbound";
	struct svat_loop at, end;

	start_h(what, 0);
	svat_loop_read(&h.d, 1, h.pasid, page, 7);
	svat_loop_rounds(&h.d, 1, 3);
	tap_is(pci_release(&h.f), 0, "%s: unbind in sysfs", what);
	svat_loop_look(&h.d, 1, &at);
	sleep_ms(20);
	svat_loop_stop(&h.d, 1, &end);
	tap_is(end.ok, at.ok, "%s: no DMA comes through after that", what);
	is_lost(what);
}

static void removed(void)
{
	static const char what[] = "removed in sysfs";
	char path[96];

	start_h(what, ATS);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", h.f.name);
	tap_is(write_file(path, "1"), 0, "%s: remove", what);
	tap_ok(!there(), "%s: it is gone", what);
	is_lost(what);
	write_file("/sys/bus/pci/rescan", "1");
	tap_ok(comes(true), "%s: found again", what);
}

/* QEMU's monitor. */
static int monitor(const char *command)
{
	char line[160];

	snprintf(line, sizeof(line), "hmp %s >/dev/null 2>&1", command);
	return system(line);
}

static unsigned int pcie_cap(const struct pci_func *f)
{
	unsigned int pos = pci_read(f, PCI_CAPABILITY_LIST, 1);

	while (pos && pci_read(f, pos, 1) != PCI_CAP_ID_EXP)
		pos = pci_read(f, pos + 1, 1);
	return pos;
}

static void plug_in(const char *what)
{
	const uint16_t off = PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC;
	unsigned int ctl = pcie_cap(&port) + PCI_EXP_SLTCTL;
	uint64_t end = now_ms() + LONG_MS;
	int rc, i;

	/* The kernel is done with the old one when it has switched the slot off. */
	while ((pci_read(&port, ctl, 2) & (PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC)) != off &&
	       now_ms() < end)
		sleep_ms(50);
	sleep_ms(200);
	while ((rc = monitor("device_add sva-testdev,bus=rp1,id=hp")) && now_ms() < end)
		sleep_ms(200);
	/* When the slot's driver missed that it went, see is_noticed(), it is not new. */
	for (i = 0; i < 100 && !there(); i++)
		sleep_ms(50);
	if (!there())
		write_file("/sys/bus/pci/rescan", "1");
	tap_ok(!rc && comes(true), "%s: plugged in again", what);
	/* And done with the new one when the slot's lamp is on, or just after. */
	while ((pci_read(&port, ctl, 2) & PCI_EXP_SLTCTL_PIC) != PCI_EXP_SLTCTL_PWR_IND_ON &&
	       now_ms() < end)
		sleep_ms(50);
	sleep_ms(500);
}

/* The power switch of the only slot, or NULL. */
static const char *slot_power(void)
{
	DIR *dir = opendir("/sys/bus/pci/slots");
	static char path[128];
	struct dirent *e;

	*path = 0;
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(path, sizeof(path), "/sys/bus/pci/slots/%.40s/power", e->d_name);
	if (dir)
		closedir(dir);
	return *path ? path : NULL;
}

static void powered_off(void)
{
	static const char what[] = "slot powered off";

	start_h(what, ATS);
	tap_is(write_file(slot_power(), "0"), 0, "%s", what);
	is_lost(what);
	tap_ok(comes(false), "%s: it is gone", what);
	plug_in(what);
}

static void button(void)
{
	static const char what[] = "unplugged";

	start_h(what, ATS);
	tap_is(monitor("device_del hp"), 0, "%s: the button of its slot", what);
	is_lost(what);
	tap_ok(comes(false), "%s: it is gone", what);
	plug_in(what);
}

/*
 * QEMU pulls the card when the slot's power goes off by whatever hand: behind
 * the kernel's back it is a surprise.
 */
static void pull_out(void)
{
	unsigned int pos = pcie_cap(&port);
	uint64_t end = now_ms() + LONG_MS;
	uint32_t ctl;

	/* The kernel may be writing there, too. */
	do {
		ctl = pci_read(&port, pos + PCI_EXP_SLTCTL, 2);
		pci_write(&port, pos + PCI_EXP_SLTCTL, 2,
			  (ctl & ~PCI_EXP_SLTCTL_PIC) | PCI_EXP_SLTCTL_PWR_IND_OFF |
			  PCI_EXP_SLTCTL_PCC);
		pci_write(&port, pos + PCI_EXP_SLTCTL, 2, ctl);
	} while (pci_read(&port, pos + PCI_EXP_SLTSTA, 2) & PCI_EXP_SLTSTA_PDS && now_ms() < end);
}

/*
 * The kernel's driver for slots looks at the power that pull_out() switches off
 * and on: when it sees it off, it takes the slot for disabled and leaves the
 * function. That is not what is tested here: then it goes by sysfs. To the module
 * it is the same, a function that is removed and does not answer.
 */
static void is_noticed(const char *what)
{
	uint64_t end = now_ms() + LONG_MS / 2;
	char path[96];

	while (there() && now_ms() < end)
		sleep_ms(20);
	if (!there())
		return;
	tap_diag("%s: not noticed by the slot's driver", what);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", h.f.name);
	write_file(path, "1");
}

static void pulled_out(void)
{
	static const char what[] = "pulled out";
	char left[32] = "";

	start_h(what, ATS);
	svat_loop_read(&h.d, 1, h.pasid, page, 7);
	svat_loop_rounds(&h.d, 1, 3);
	/* An invalidation of its device TLB would be one that is not answered. */
	write_file(INJECT, "device 1000");
	pull_out();
	is_noticed(what);
	is_lost(what);
	read_file(INJECT, left, sizeof(left));
	tap_ok(!strcmp(left, "device 1000\n"), "%s: nobody asked it for anything (%s)", what, left);
	write_file(INJECT, "none");
	tap_ok(comes(false), "%s: it is gone", what);
	plug_in(what);
}

/* Pages go while it is pulled out, and it leaves invalidations unanswered. */
static void pulled_out_busy(void)
{
	static const char what[] = "pulled out, invalidations under way";
	uint64_t start;
	char *p = must_map(64 * PAGE);
	int i;

	start_h(what, ATS);
	if (write_file(INJECT, "device 1000")) {
		tap_skip(1, "the module was not built with VTDP_INJECT=1");
		return;
	}
	start = now_ms();
	pull_out();
	for (i = 0; i < 32; i++)
		munmap(p + 2 * i * PAGE, PAGE);
	tap_ok(now_ms() - start < LONG_MS, "%s: munmap comes back (%d ms)", what,
	       (int)(now_ms() - start));
	is_noticed(what);
	is_lost(what);
	write_file(INJECT, "none");
	tap_ok(comes(false), "%s: it is gone", what);
	plug_in(what);
	munmap(p, 64 * PAGE);
}

int main(void)
{
	struct pci_func f[2];

	page = must_map(PAGE);
	page[0] = 7;
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2 ||
	    pci_find(0x1b36, 0x000c, &port, 1) != 1)
		fatal("two test devices, one behind a root port, are needed");
	a.f = f[0];
	h.f = f[1];
	fd = must_take_unit();
	start_a();
	driver_unbound();
	removed();
	if (slot_power()) {
		powered_off();
		button();
		pulled_out();
		pulled_out_busy();
	} else {
		tap_skip(1, "this kernel has no driver for hot-plug slots");
	}
	start_h("at the end", ATS);
	tap_is(vt_detach(fd, h.id), 0, "detach");
	tap_is(vt_detach(fd, a.id), 0, "detach of the other device");
	tap_is(vt_handback(fd, 0), 0, "handback");
	svat_close(&h.d);
	close(fd);
	return tap_done();
}
