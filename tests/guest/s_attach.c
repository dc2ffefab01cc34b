// SPDX-License-Identifier: GPL-2.0-only
/*
 * s_attach.c - ATS and page requests are on when asked for, and only then
 *
 * Who is refused, and why; what config space says while a function is attached
 * and after; behind a root port: its access control, too. What the unit lacks
 * is read from its registers, so this runs on any unit, and with each layout of
 * PASID tables.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <sys/syscall.h>

#include "svalib.h"

#define ECAP_DT		(1ULL << 2)
#define ECAP_PRS	(1ULL << 29)
#define ACS_NEEDED	(PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_UF)

static struct pci_func func;
static struct svat dev;
static bool has_ats, has_pri;	/* the unit, with the tables as they are */
static bool shared;		/* tables: a device TLB could hold what is another's */

static unsigned int ext_cap(const struct pci_func *f, uint16_t id)
{
	unsigned int pos = 0x100;
	uint32_t head;

	while (pos) {
		head = pci_read(f, pos, 4);
		if (!head || head == 0xffffffff)
			return 0;
		if ((head & 0xffff) == id)
			return pos;
		pos = head >> 20;
	}
	return 0;
}

/* ---- config space ---------------------------------------------------------------- */

struct config {
	bool pasid, pri, ats, master;
	unsigned int pasid_ctrl, ats_ctrl, alloc;
};

static void config_get(struct config *c)
{
	unsigned int ats = ext_cap(&func, PCI_EXT_CAP_ID_ATS);
	unsigned int pasid = ext_cap(&func, PCI_EXT_CAP_ID_PASID);
	unsigned int pri = ext_cap(&func, PCI_EXT_CAP_ID_PRI);

	if (!ats || !pasid || !pri)
		fatal("%s has no ATS, PASID or PRI capability", func.name);
	c->ats_ctrl = pci_read(&func, ats + PCI_ATS_CTRL, 2);
	c->ats = c->ats_ctrl & PCI_ATS_CTRL_ENABLE;
	c->pasid_ctrl = pci_read(&func, pasid + PCI_PASID_CTRL, 2);
	c->pasid = c->pasid_ctrl & PCI_PASID_CTRL_ENABLE;
	c->pri = pci_read(&func, pri + PCI_PRI_CTRL, 2) & PCI_PRI_CTRL_ENABLE;
	c->alloc = pci_read(&func, pri + PCI_PRI_ALLOC_REQ, 4);
	c->master = pci_read(&func, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static void config_is(const char *what, bool master, bool pasid, bool ats, bool pri)
{
	struct config c;

	config_get(&c);
	tap_ok(c.master == master && c.pasid == pasid && c.ats == ats && c.pri == pri,
	       "%s: bus mastering %s, PASID %s, ATS %s, PRI %s (%d, %d, %d, %d)", what,
	       master ? "on" : "off", pasid ? "on" : "off", ats ? "on" : "off", pri ? "on" : "off",
	       c.master, c.pasid, c.ats, c.pri);
	if (ats)
		tap_is(c.ats_ctrl & 0x1f, 0, "%s: smallest translation unit 4 KiB", what);
	if (pri)
		tap_ok(c.alloc >= 1 && c.alloc <= 64, "%s: %u page requests allowed", what, c.alloc);
	if (pasid)
		tap_is(c.pasid_ctrl & (PCI_PASID_CTRL_EXEC | PCI_PASID_CTRL_PRIV), 0,
		       "%s: no execution, no privilege", what);
}

/* ---- the port above ---------------------------------------------------------------- */

static struct pci_func port;
static unsigned int port_acs;

static void find_port(void)
{
	char path[PATH_MAX], link[128], *name;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", func.name);
	if (!realpath(link, path))
		return;
	*strrchr(path, '/') = 0;
	name = strrchr(path, '/') + 1;
	if (strchr(name, '.') && !pci_by_name(name, &port))
		port_acs = ext_cap(&port, PCI_EXT_CAP_ID_ACS);
	if (port.name[0])
		tap_diag("%s is below %s, %s access control services", func.name, port.name,
			 port_acs ? "which has" : "which lacks");
}

static unsigned int acs_ctrl(void)
{
	return port_acs ? pci_read(&port, port_acs + PCI_ACS_CTRL, 2) : 0;
}

/* ---- attach, look, detach ------------------------------------------------------------- */

/* DMA as it should be possible with what is on. */
static void works(const char *what, int fd, uint32_t device, uint32_t flags)
{
	volatile uint64_t *p = must_map_fresh(2 * PAGE, PROT_READ | PROT_WRITE);
	uint32_t binding, pasid;
	uint64_t word;
	int rc, st;

	svat_reset(&dev);
	rc = vt_bind(fd, device, 0, 0, &binding, &pasid);
	if (!tap_is(rc, 0, "%s: bind", what))
		return;
	p[0] = 11;
	tap_ok(sva_read64(&dev, 0, pasid, 0, p, &word) == SVAT_ST_OK && word == 11,
	       "%s: plain DMA", what);
	st = sva_read64(&dev, 0, pasid, SVAT_F_ATC, p, &word);
	if (flags & ATS)
		tap_ok(st == SVAT_ST_OK && word == 11, "%s: translated DMA (%s)", what, svat_status(st));
	else
		tap_is(st, SVAT_ST_NO_ATS, "%s: no translated DMA", what);
	st = sva_write64(&dev, 0, pasid, SVAT_F_PRI, p + 512, 12);
	if (flags & PRI)
		tap_ok(st == SVAT_ST_OK && p[512] == 12, "%s: page requests (%s)", what, svat_status(st));
	else
		tap_is(st, flags & ATS ? SVAT_ST_NO_PRI : SVAT_ST_NO_ATS, "%s: no page requests", what);
	tap_is(vt_unbind(fd, binding), 0, "%s: unbind", what);
	munmap((void *)p, 2 * PAGE);
}

enum how { BY_DETACH, BY_CLOSE, BY_RELEASE };

static void attached(const char *what, uint32_t flags, enum how how)
{
	static const char *const ways[] = { "detach", "close", "its driver is unbound" };
	unsigned int acs = acs_ctrl(), during;
	struct vtdpasid_device_info info;
	struct vtdpasid_attach out;
	struct vtdpasid_event ev;
	char text[128];
	uint32_t state;
	int fd, rc;

	config_is(what, false, false, false, false);
	fd = must_open();
	rc = vt_attach(fd, &func, flags, &out);
	if (!tap_is(rc, 0, "%s: attach", what)) {
		close(fd);
		return;
	}
	state = VTDPASID_DEVICE_CLAIMED | VTDPASID_DEVICE_PASID |
		(flags & ATS ? VTDPASID_DEVICE_ATS : 0) | (flags & PRI ? VTDPASID_DEVICE_PRI : 0);
	tap_is(out.out_state, state, "%s: its state says so", what);
	tap_ok(!vt_device_info(fd, out.out_device, &info) && info.out_state == state,
	       "%s: DEVICE_INFO, too", what);
	snprintf(text, sizeof(text), "%s, attached", what);
	config_is(text, true, true, flags & ATS, flags & PRI);
	if (port_acs) {
		during = acs_ctrl();
		tap_is(during & ACS_NEEDED, ACS_NEEDED, "%s: the port redirects requests", what);
		tap_is(during & ~ACS_NEEDED, acs & ~ACS_NEEDED, "%s: what else it does is as before", what);
	}
	works(what, fd, out.out_device, flags);
	tap_is(vt_attach(fd, &func, flags, &out), -EBUSY, "%s: attached twice", what);

	snprintf(text, sizeof(text), "%s, after %s", what, ways[how]);
	switch (how) {
	case BY_DETACH:
		tap_is(vt_detach(fd, 1), 0, "%s: detach", what);
		break;
	case BY_CLOSE:
		break;
	case BY_RELEASE:
		tap_is(pci_release(&func), 0, "%s: the driver is unbound", what);
		tap_is(vt_event_of(fd, VTDPASID_EVENT_DEVICE_GONE, func.rid, 0, &ev, LONG_MS), 0,
		       "%s: an event says that the device is gone", what);
		break;
	}
	close(fd);
	config_is(text, false, false, false, false);
	if (port_acs)
		tap_is(acs_ctrl(), acs, "%s: the port is as it was", text);
	if (how == BY_RELEASE && pci_claim(&func))
		fatal("claiming %s again", func.name);
	pci_write(&func, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

/* A reset would switch all off as well: so once without one. */
static void without_reset(void)
{
	char path[PATH_MAX], old[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", func.name);
	n = read_file(path, old, sizeof(old));
	if (n <= 0 || write_file(path, "\n")) {
		tap_skip(1, "this kernel does not let a function go without reset");
		return;
	}
	attached("all, of a function without reset", has_pri ? ATS | PRI : has_ats ? ATS : 0,
		 BY_DETACH);
	write_file(path, "default");
}

/* ---- refusals ---------------------------------------------------------------------------- */

static int drop_cap(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[cap / 32].effective &= ~(1U << cap % 32);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

struct tries {
	int drop, ats, ats_pri, plain, detach;
};

static int without_cap(int sock, void *arg)
{
	struct vtdpasid_attach out;
	struct tries t = { 0 };
	int fd = must_open();

	t.drop = drop_cap((uintptr_t)arg);
	t.ats = vt_attach(fd, &func, ATS, &out);
	t.ats_pri = vt_attach(fd, &func, ATS | PRI, &out);
	t.plain = vt_attach(fd, &func, 0, &out);
	t.detach = t.plain ? 0 : vt_detach(fd, out.out_device);
	msg_send(sock, &t, sizeof(t));
	close(fd);
	return 0;
}

static void capabilities(void)
{
	struct child child;
	struct tries t;

	if (child_start(&child, without_cap, (void *)CAP_SYS_RAWIO) ||
	    msg_recv(child.sock, &t, sizeof(t), LONG_MS) != sizeof(t) || t.drop)
		fatal("child without CAP_SYS_RAWIO");
	child_wait(&child, LONG_MS);
	tap_is(t.ats, -EPERM, "without CAP_SYS_RAWIO: no ATS");
	tap_is(t.ats_pri, -EPERM, "without CAP_SYS_RAWIO: no ATS with page requests");
	tap_is(t.plain, 0, "without CAP_SYS_RAWIO: attach works");
	tap_is(t.detach, 0, "without CAP_SYS_RAWIO: detach works");
	if (child_start(&child, without_cap, (void *)CAP_SYS_ADMIN) ||
	    msg_recv(child.sock, &t, sizeof(t), LONG_MS) != sizeof(t) || t.drop)
		fatal("child without CAP_SYS_ADMIN");
	child_wait(&child, LONG_MS);
	tap_is(t.ats, -EPERM, "without CAP_SYS_ADMIN: no ATS");
	tap_is(t.plain, -EPERM, "without CAP_SYS_ADMIN: no attach at all");
	config_is("after all that", false, false, false, false);
}

static void refusals(void)
{
	struct vtdpasid_attach out;
	struct pci_func plain;
	int fd = must_open();

	tap_is(vt_attach(fd, &func, PRI, &out), -EINVAL, "page requests without ATS");
	tap_is(vt_attach(fd, &func, 1 << 2, &out), -EOPNOTSUPP, "an unknown flag");
	tap_is(vt_attach(fd, &func, ATS | 1 << 31, &out), -EOPNOTSUPP, "an unknown flag besides ATS");
	if (pci_find(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID, &plain, 1)) {
		if (pci_claim(&plain))
			fatal("claiming %s", plain.name);
		tap_is(vt_attach(fd, &plain, ATS, &out), -EPROTONOSUPPORT, "a function without ATS");
		tap_is(vt_attach(fd, &plain, ATS | PRI, &out), -EPROTONOSUPPORT,
		       "a function without page requests");
		tap_is(vt_attach(fd, &plain, 0, &out), 0, "which can be attached without");
		tap_is(out.out_state & (VTDPASID_DEVICE_ATS | VTDPASID_DEVICE_PRI | VTDPASID_DEVICE_PASID), 0,
		       "and has none of it");
		vt_detach(fd, out.out_device);
		pci_release(&plain);
	} else {
		tap_skip(4, "no sva-testdev-plain in this machine");
	}
	if (!has_ats) {
		tap_is(vt_attach(fd, &func, ATS, &out), -EPROTONOSUPPORT, "%s: no ATS",
		       shared ? "shared tables" : "a unit without device TLBs");
		tap_is(vt_attach(fd, &func, ATS | PRI, &out), -EPROTONOSUPPORT, "nor page requests");
	} else if (!has_pri) {
		tap_is(vt_attach(fd, &func, ATS | PRI, &out), -EPROTONOSUPPORT,
		       "a unit without page requests");
	}
	config_is("after what was refused", false, false, false, false);
	close(fd);
}

int main(void)
{
	struct vtdpasid_unit_info unit;
	struct vtdpasid_get_info info;
	int fd = must_take_unit();

	if (!pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, &func, 1))
		fatal("no sva-testdev");
	if (pci_claim(&func) || svat_open(&dev, &func))
		fatal("claiming %s", func.name);
	pci_bus_master(&func, false);
	if (vt_unit_info(fd, 0, &unit) || vt_get_info(fd, &info))
		fatal("UNIT_INFO");
	close(fd);
	shared = info.out_pasid_table != VTDPASID_TABLE_DEVICE;
	has_ats = unit.out_ecap & ECAP_DT && !shared;
	has_pri = has_ats && unit.out_ecap & ECAP_PRS;
	tap_diag("ECAP %#llx: %s, %s", (long long)unit.out_ecap, has_ats ? "device TLBs" : "no device TLBs",
		 has_pri ? "page requests" : "no page requests");
	find_port();

	refusals();
	if (has_ats)
		capabilities();
	attached("plain", 0, BY_DETACH);
	if (has_ats)
		attached("ATS", ATS, BY_CLOSE);
	if (has_pri) {
		attached("ATS and PRI", ATS | PRI, BY_DETACH);
		attached("ATS and PRI again", ATS | PRI, BY_CLOSE);
		attached("ATS and PRI, driver", ATS | PRI, BY_RELEASE);
	}
	without_reset();
	attached("plain again", 0, BY_CLOSE);
	svat_close(&dev);
	pci_release(&func);
	return tap_done();
}
