// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_refuse CASE: takeover is refused, says why, and leaves all as it was
 *
 * The machine was booted so that it lacks what CASE names; tests/run-guest.sh
 * lists the cases with their machines.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kmsg.h"
#include "lib.h"
#include "tap.h"

struct refusal {
	const char *name;
	int err;
	uint32_t check;
	const char *log[3];	/* words of the kernel's line: cause, cure */
	uint32_t gsts;		/* bits that are set in this machine */
};

#define TES	(1u << 31)
#define QIES	(1u << 26)
#define IRES	(1u << 25)

static const struct refusal refusals[] = {
	{ "kernel", -EBUSY, VTDPASID_CHECK_KERNEL_IOMMU, { "intel-iommu", "intel_iommu=off" }, TES },
	{ "intremap", -EADDRINUSE, VTDPASID_CHECK_INTR_REMAP, { "IRES", "intremap=off" }, IRES },
	{ "scalable", -EPROTONOSUPPORT, VTDPASID_CHECK_SMTS, { "scalable mode", "ECAP.SMTS" }, 0 },
	{ "first-stage", -EPROTONOSUPPORT, VTDPASID_CHECK_FSTS, { "first-stage", "ECAP.FSTS" }, 0 },
	{ "pasid", -EPROTONOSUPPORT, VTDPASID_CHECK_PASID, { "PASID", "ECAP.PASID" }, 0 },
	{ "qi", -EPROTONOSUPPORT, VTDPASID_CHECK_QI, { "queued invalidation", "ECAP.QI" }, 0 },
	{ "pt", -EPROTONOSUPPORT, VTDPASID_CHECK_PT, { "pass-through", "ECAP.PT" }, 0 },
	{ "1g", -EPROTONOSUPPORT, VTDPASID_CHECK_FS1GP, { "1 GiB", "CAP.FS1GP", "pdpe1gb" }, 0 },
	{ "5-level", -EPROTONOSUPPORT, VTDPASID_CHECK_FS5LP, { "5-level", "CAP.FS5LP", "no5lvl" }, 0 },
	{ "rwbf", -EPROTONOSUPPORT, VTDPASID_CHECK_RWBF, { "write-buffer", "CAP.RWBF" }, 0 },
	{ "width", -EPROTONOSUPPORT, VTDPASID_CHECK_SAGAW, { "address width", "CAP.SAGAW" }, 0 },
	{ "translation", -EEXIST, VTDPASID_CHECK_TRANSLATION, { "GSTS.TES", "intel_iommu=off" }, TES },
	{ "queue", -EADDRINUSE, VTDPASID_CHECK_QUEUE, { "GSTS.QIES", "intel_iommu=off" }, QIES },
};

/* ---- the kernel log --------------------------------------------------------- */

/*
 * Reads on. Returns how many lines of the module there are that have all the
 * words; *lines counts all of its lines.
 */
static int log_count(int fd, const char *const words[3], int *lines)
{
	struct kmsg_record record;
	const char *text;
	int found = 0, i;

	*lines = 0;
	while ((text = kmsg_next(fd, &record))) {
		if (strncmp(text, "vtdpasid", 8))
			continue;
		++*lines;
		for (i = 0; i < 3 && words[i] && strstr(text, words[i]); i++)
			;
		if (i == 3 || !words[i])
			found++;
		else
			tap_diag("another line: %s", text);
	}
	return found;
}

/* ---- the refusal -------------------------------------------------------------- */

static void test_refusal(int fd, const struct refusal *r)
{
	struct vtdpasid_unit_info before, after;
	struct vtdpasid_get_info info;
	int kmsg, found, lines, round;

	tap_is(vt_get_info(fd, &info), 0, "%s: GET_INFO works", r->name);
	tap_is(info.out_units, 1, "%s: there is one unit", r->name);
	if (vt_unit_info(fd, 0, &before))
		fatal("UNIT_INFO fails");
	tap_is(before.out_state, VTDPASID_UNIT_IDLE, "%s: it is idle", r->name);
	tap_ok((before.out_gsts & r->gsts) == r->gsts, "%s: GSTS is as it should be here (%#x)",
	       r->name, before.out_gsts);

	for (round = 1; round <= 2; round++) {
		uint32_t check = 0xffff;
		int rc;

		kmsg = kmsg_open();
		rc = vt_takeover(fd, 0, &check);
		tap_ok(rc == r->err, "%s: takeover is refused with %s (%s)", r->name,
		       strerror(-r->err), strerror(-rc));
		tap_is(check, r->check, "%s: out_check names what is missing", r->name);
		found = log_count(kmsg, r->log, &lines);
		tap_ok(found == 1 && lines == 1,
		       "%s: the kernel log has one line, with '%s' and '%s' (%d of %d lines)",
		       r->name, r->log[0], r->log[2] ? r->log[2] : r->log[1], found, lines);
		close(kmsg);
		if (vt_unit_info(fd, 0, &after))
			fatal("UNIT_INFO fails");
		tap_ok(!memcmp(&before, &after, sizeof(before)),
		       "%s: UNIT_INFO is as before (GSTS %#x, %#x)", r->name,
		       before.out_gsts, after.out_gsts);
	}
	tap_is(vt_handback(fd, 0), -ENOTCONN, "%s: there is nothing to hand back", r->name);
}

static void test_attach(int fd, const char *name)
{
	struct vtdpasid_attach out;
	struct vtdpasid_walk walk;
	struct pci_func f;

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, &f, 1) != 1)
		fatal("no test device");
	if (pci_claim(&f))
		fatal("the test device cannot be claimed");
	tap_is(vt_attach(fd, &f, 0, &out), -ENOTCONN, "%s: attach is refused", name);
	tap_is(vt_walk(fd, &f, 0, 0, 0, &walk), strcmp(name, "none") ? -ENOTCONN : -ENODEV,
	       "%s: there is nothing to walk", name);
	pci_release(&f);
}

/* No unit at all. */
static void test_none(int fd)
{
	static const char *const words[3] = { "no DMAR table", "VT-d" };
	struct vtdpasid_get_info info;
	struct vtdpasid_unit_info unit;
	uint32_t check = 0xffff, p;
	int kmsg, lines;

	tap_is(vt_get_info(fd, &info), 0, "none: GET_INFO works");
	tap_is(info.out_units, 0, "none: there is no unit");
	tap_is(vt_unit_info(fd, 0, &unit), -ENOENT, "none: UNIT_INFO of unit 0");
	tap_is(vt_takeover(fd, 0, &check), -ENOENT, "none: takeover of unit 0");
	tap_is(vt_handback(fd, 0), -ENOENT, "none: handback of unit 0");
	kmsg = kmsg_open();
	lseek(kmsg, 0, SEEK_SET);
	tap_is(log_count(kmsg, words, &lines), 1, "none: the kernel log says so, once");
	close(kmsg);
	if (!vt_pasid_alloc(fd, 0, 0, 0, &p))
		tap_is(vt_pasid_free(fd, p), 0, "none: a PASID can be had and given back");
	test_attach(fd, "none");
}

/* ---- a unit that somebody left on ---------------------------------------------- */

#define GCMD	0x18
#define GSTS	0x1c
#define RTADDR	0x20
#define IQA	0x90

static volatile uint8_t *regs;

static uint32_t reg32(unsigned int reg) { return *(volatile uint32_t *)(regs + reg); }

/* Switch a bit of the global command register, as the spec wants it (11.4.4.1). */
static void command(uint32_t bit, bool on)
{
	uint32_t keep = reg32(GSTS) & 0x96ffffff;
	int i;

	*(volatile uint32_t *)(regs + GCMD) = on ? keep | bit : keep & ~bit;
	for (i = 0; i < 1000; i++)
		if (!(reg32(GSTS) & bit) == !on)
			return;
	fatal("GCMD %#x does not become %d", bit, on);
}

static const struct refusal *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		if (!strcmp(refusals[i].name, name))
			return &refusals[i];
	fatal("no such case: %s", name);
}

static void test_left_on(int fd)
{
	struct vtdpasid_unit_info unit;
	uint64_t phys;
	int mem;
	void *p;

	if (vt_unit_info(fd, 0, &unit))
		fatal("UNIT_INFO fails");
	mem = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	regs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, unit.out_reg_base);
	if (mem < 0 || regs == MAP_FAILED) {
		tap_skip(1, "/dev/mem does not give the registers (boot with iomem=relaxed)");
		return;
	}
	p = must_map(PAGE);
	mlock(p, PAGE);
	phys = phys_of(p);

	/* A legacy root table without entries: nothing passes. */
	*(volatile uint64_t *)(regs + RTADDR) = phys;
	command(1u << 30, true);
	command(TES, true);
	test_refusal(fd, find("translation"));
	command(TES, false);

	*(volatile uint64_t *)(regs + IQA) = phys;
	command(QIES, true);
	test_refusal(fd, find("queue"));
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int fd = must_open();

	if (!strcmp(name, "none")) {
		test_none(fd);
	} else if (!strcmp(name, "left-on")) {
		test_left_on(fd);
	} else {
		test_refusal(fd, find(name));
		test_attach(fd, name);
	}
	close(fd);
	tap_is(vt_module_unload(), 0, "%s: the module can be unloaded", name);
	return tap_done();
}
