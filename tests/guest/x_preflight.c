// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_preflight MODE: PREFLIGHT tells beforehand what takeover, claim and attach do
 *
 * all       a machine with functions of each kind, below ports of each kind
 * firmware  a DMAR table that names functions, from tests/dmar.py
 * bare      no hypervisor to be seen, and page walks that do not snoop
 * forge     no hypervisor to be seen
 * none      no unit
 * width     a unit that says it has 39 bits only
 *
 * tests/run-guest.sh has the machines. What is expected is worked out here from
 * registers, and never taken from the module's own words.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"
#include "tap.h"

#define MAX		128
#define NO		VTDPASID_ANSWER_NO
#define YES		VTDPASID_ANSWER_YES
#define UNKNOWN		VTDPASID_ANSWER_UNKNOWN
#define NONE		VTDPASID_ANSWER_NONE
#define ID(name)	VTDPASID_CHECK_##name
#define REFUSES(name)	VTDPASID_REFUSES_##name

#define CAP	0x08
#define ECAP	0x10
#define GSTS	0x1c

static int fd;
static const char *mode;

static const char *const names[] = {
#define NAME(name, id, what, where, lack, cure) [id] = #name,
	VTDPASID_CHECKS(NAME)
#undef NAME
};

static const char *name_of(uint32_t check)
{
	return check < ARRAY_SIZE(names) && names[check] ? names[check] : "?";
}

/* ---- asking ------------------------------------------------------------------ */

struct list {
	struct vtdpasid_preflight arg;
	struct vtdpasid_check_result r[MAX];
	int rc;
};

static void ask(struct list *l, uint32_t scope, uint32_t unit, const struct pci_func *f)
{
	memset(l, 0, sizeof(*l));
	l->arg.size = sizeof(l->arg);
	l->arg.scope = scope;
	l->arg.unit = unit;
	if (f) {
		l->arg.segment = f->segment;
		l->arg.rid = f->rid;
	}
	l->arg.result_size = sizeof(l->r[0]);
	l->arg.results = (uintptr_t)l->r;
	l->arg.count = MAX;
	l->rc = vt_ioctl(fd, VTDPASID_PREFLIGHT, &l->arg);
}

static void must_ask(struct list *l, uint32_t scope, uint32_t unit, const struct pci_func *f)
{
	ask(l, scope, unit, f);
	if (l->rc)
		fatal("PREFLIGHT of scope %u%s%s: %s", scope, f ? ", " : "", f ? f->name : "",
		      strerror(-l->rc));
}

static const struct vtdpasid_check_result *find_nth(const struct list *l, uint32_t check,
						     unsigned int nth)
{
	unsigned int i;

	for (i = 0; i < l->arg.out_count; i++)
		if (l->r[i].check == check && !nth--)
			return &l->r[i];
	return NULL;
}

static const struct vtdpasid_check_result *find(const struct list *l, uint32_t check)
{
	static const struct vtdpasid_check_result nothing = { .answer = 99 };

	return find_nth(l, check, 0) ?: &nothing;
}

static void is(const struct list *l, uint32_t check, unsigned int answer, uint32_t refuses,
	       const char *what)
{
	const struct vtdpasid_check_result *r = find(l, check);

	tap_ok(r->answer == answer && r->refuses == refuses,
	       "%s: %s is answered %u, which refuses %#x (%u, %#x)", what, name_of(check),
	       answer, refuses, r->answer, r->refuses);
}

/* What holds of any list. */
static void sound(const struct list *l, uint32_t scope, const char *what)
{
	unsigned int i, j, bad = 0;
	uint32_t refuses = 0;

	for (i = 0; i < l->arg.out_count; i++) {
		const struct vtdpasid_check_result *r = &l->r[i];

		refuses |= r->refuses;
		for (j = 0; j < i; j++)
			if (l->r[j].check == r->check && !(r->flags & VTDPASID_RESULT_OTHER))
				break;
		if (j < i || r->scope != scope || !strcmp(name_of(r->check), "?") || r->answer > NONE ||
		    (r->refuses && r->answer != NO) || r->reserved ||
		    (r->severity == VTDPASID_SEVERITY_REQUIRED && r->answer == NO && !r->refuses)) {
			tap_diag("%s: %s: scope %u answer %u severity %u refuses %#x", what,
				 name_of(r->check), r->scope, r->answer, r->severity, r->refuses);
			bad++;
		}
	}
	tap_ok(l->arg.out_count && !bad, "%s: %u answers, each once and sound", what,
	       l->arg.out_count);
	tap_is(l->arg.out_refuses, refuses, "%s: the sum of what is refused", what);
}

/* ---- the kernel log ------------------------------------------------------------ */

static int kmsg = -1;

static void log_begin(void)
{
	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kmsg, 0, SEEK_END);
}

/* Lines since log_begin() that have both words. */
static int log_lines(const char *one, const char *two)
{
	char record[4096];
	int found = 0;
	ssize_t n;

	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		record[n] = 0;
		if (strstr(record, one) && strstr(record, two))
			found++;
	}
	return found;
}

/* ---- attach and claim do as PREFLIGHT said --------------------------------------- */

static uint32_t acts(uint32_t flags)
{
	return REFUSES(ATTACH) | (flags & VTDPASID_ATTACH_ATS ? REFUSES(ATS) : 0) |
	       (flags & VTDPASID_ATTACH_PRI ? REFUSES(PRI) : 0);
}

/* Everything that an attach depends on, in one list. */
static uint32_t refuses(const struct pci_func *f)
{
	struct list l;
	uint32_t sum;

	must_ask(&l, VTDPASID_SCOPE_SYSTEM, 0, NULL);
	sum = l.arg.out_refuses;
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, f);
	sum |= l.arg.out_refuses;
	if (l.arg.out_unit == ~0u)
		return sum;
	must_ask(&l, VTDPASID_SCOPE_UNIT, l.arg.out_unit, NULL);
	return sum | l.arg.out_refuses;
}

static void attach_as_foretold(const struct pci_func *f, uint32_t flags, int want, uint32_t check,
			       const char *what)
{
	uint32_t foretold = refuses(f);
	struct vtdpasid_attach out;
	int rc;

	log_begin();
	rc = vt_attach(fd, f, flags, &out);
	tap_ok(rc == want && out.out_check == check,
	       "%s: attach gives %s and names %s (%s, %s)", what, strerror(-want),
	       check ? name_of(check) : "nothing", strerror(-rc),
	       out.out_check ? name_of(out.out_check) : "nothing");
	tap_is(!!(foretold & acts(flags)), rc != 0, "%s: PREFLIGHT said so (%#x)", what, foretold);
	if (check)
		tap_is(log_lines(f->name, name_of(check)), 1, "%s: one line in the log names it", what);
	if (rc)
		return;
	tap_is(!!(foretold & REFUSES(PASID)), !out.out_pasid_max, "%s: with PASIDs, or not, as it said",
	       what);
	tap_is(vt_detach(fd, out.out_device), 0, "%s: detach", what);
}

static bool has_context(const struct pci_func *f)
{
	struct vtdpasid_walk walk;

	return !vt_walk(fd, f, 0, 0, 0, &walk) && walk.out_valid & VTDPASID_WALK_CONTEXT &&
	       walk.out_context[0] & 1;
}

static bool passes(const struct pci_func *f)
{
	struct vtdpasid_walk walk;

	return !vt_walk(fd, f, 0, 0, 0, &walk) && walk.out_valid & VTDPASID_WALK_PASID &&
	       (walk.out_pasid_entry[0] >> 6 & 7) == 4;
}

static int sysfs(const struct pci_func *f, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", f->name, file);
	return write_file(path, "%s", text);
}

static void must_name(const char *name, struct pci_func *f)
{
	if (pci_by_name(name, f))
		fatal("no function %s", name);
}

/* ---- the lists -------------------------------------------------------------------- */

static void test_system(void)
{
	struct list l;

	must_ask(&l, VTDPASID_SCOPE_SYSTEM, 0, NULL);
	sound(&l, VTDPASID_SCOPE_SYSTEM, "system");
	is(&l, ID(DMAR), YES, 0, "system");
	is(&l, ID(KERNEL_IOMMU), YES, 0, "system");
	is(&l, ID(BOOT_IOMMU), UNKNOWN, 0, "system");
	is(&l, ID(BOOT_INTREMAP), UNKNOWN, 0, "system");
	is(&l, ID(MM_NOTIFIER), YES, 0, "system");
	is(&l, ID(TESTED), YES, 0, "system");
	is(&l, ID(LAYOUT), YES, 0, "system");
	is(&l, ID(DENY), YES, 0, "system");
	is(&l, ID(APIC_IDS), YES, 0, "system");
	tap_is(find(&l, ID(APIC_IDS))->value, sysconf(_SC_NPROCESSORS_ONLN) - 1,
	       "system: the highest APIC id");
	is(&l, ID(INTR_ISOLATION), NO, 0, "system, a virtual machine");
	tap_ok(find(&l, ID(INTR_ISOLATION))->value & 1u << 31, "system: the hypervisor's bit");
	tap_is(l.arg.out_unit, ~0u, "system: no unit");
}

/* Each bit, from the registers. */
static void test_unit(void)
{
	static const struct {
		uint32_t check;
		unsigned int reg, bit;
		bool clear;
		uint32_t refuses;
	} bits[] = {
		{ ID(TRANSLATION), GSTS, 31, true, REFUSES(TAKEOVER) },
		{ ID(QUEUE), GSTS, 26, true, REFUSES(TAKEOVER) },
		{ ID(INTR_REMAP), GSTS, 25, true, REFUSES(TAKEOVER) },
		{ ID(SMTS), ECAP, 43, false, REFUSES(TAKEOVER) },
		{ ID(FSTS), ECAP, 47, false, REFUSES(TAKEOVER) },
		{ ID(QI), ECAP, 1, false, REFUSES(TAKEOVER) },
		{ ID(PT), ECAP, 6, false, REFUSES(TAKEOVER) },
		{ ID(PASID), ECAP, 40, false, REFUSES(TAKEOVER) },
		{ ID(FS1GP), CAP, 56, false, REFUSES(TAKEOVER) },
		{ ID(RWBF), CAP, 4, true, REFUSES(TAKEOVER) },
		{ ID(SMPWC), ECAP, 48, false, 0 },
		{ ID(COHERENT), ECAP, 0, false, 0 },
		{ ID(ESRTPS), CAP, 63, false, 0 },
		{ ID(DT), ECAP, 2, false, REFUSES(ATS) },
		{ ID(PRS), ECAP, 29, false, REFUSES(PRI) },
		{ ID(PDS), ECAP, 42, false, REFUSES(PRI) },
	};
	struct vtdpasid_unit_info info;
	struct list l;
	size_t i;

	if (vt_unit_info(fd, 0, &info))
		fatal("UNIT_INFO");
	must_ask(&l, VTDPASID_SCOPE_UNIT, 0, NULL);
	sound(&l, VTDPASID_SCOPE_UNIT, "unit");
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		const struct vtdpasid_check_result *r = find(&l, bits[i].check);
		uint64_t reg = bits[i].reg == CAP ? info.out_cap :
			       bits[i].reg == ECAP ? info.out_ecap : info.out_gsts;
		bool yes = (reg >> bits[i].bit & 1) != bits[i].clear;

		tap_ok(r->answer == (yes ? YES : NO) && r->refuses == (yes ? 0 : bits[i].refuses) &&
		       r->source == VTDPASID_SOURCE_UNIT && r->reg == bits[i].reg &&
		       r->bit == bits[i].bit && r->bits == 1 && r->value == reg && r->unit == 0,
		       "unit: %s is bit %u of register %#x, %s (%u, %u of %#x = %#llx)",
		       name_of(bits[i].check), bits[i].bit, bits[i].reg, yes ? "yes" : "no",
		       r->answer, r->bit, r->reg, (long long)r->value);
	}
	is(&l, ID(FS5LP), NONE, 0, "unit: the CPU has 4 levels");
	is(&l, ID(SAGAW), YES, 0, "unit");
	is(&l, ID(WORKING), YES, 0, "unit");
	is(&l, ID(TAKEN), NO, REFUSES(ATTACH), "unit, idle");
	tap_is(find(&l, ID(PSS))->answer, (info.out_ecap >> 35 & 31) >= 19 ? YES : NO, "unit: PSS");
	tap_ok(!(l.arg.out_refuses & REFUSES(TAKEOVER)), "unit: a takeover is not refused");
	tap_is(vt_takeover(fd, 0, NULL), 0, "unit: indeed");
	must_ask(&l, VTDPASID_SCOPE_UNIT, 0, NULL);
	sound(&l, VTDPASID_SCOPE_UNIT, "unit, taken over");
	is(&l, ID(TAKEN), YES, 0, "unit, taken over");
	is(&l, ID(TRANSLATION), NONE, 0, "unit, taken over: that is us");
	is(&l, ID(QUEUE), NONE, 0, "unit, taken over: that is us");
}

/* ---- the interface ------------------------------------------------------------------ */

static int drop_all(int sock, void *arg)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	struct list *l = arg;

	if (syscall(SYS_capset, &head, data))
		return 1;
	ask(l, VTDPASID_SCOPE_UNIT, 0, NULL);
	msg_send(sock, l, sizeof(*l));
	return 0;
}

static void test_calls(void)
{
	struct { struct vtdpasid_check_result r; uint8_t more[24]; } wide[MAX];
	static struct list l, full, child_list;
	unsigned int i, values = 0, differ = 0, dirty = 0;
	struct pci_func nowhere = { .name = "nowhere", .rid = 0xffff };
	struct child child;

	must_ask(&full, VTDPASID_SCOPE_UNIT, 0, NULL);
	ask(&l, VTDPASID_SCOPE_UNIT, 1, NULL);
	tap_is(l.rc, -ENOENT, "calls: a unit that is not there");
	ask(&l, VTDPASID_SCOPE_DEVICE, 0, &nowhere);
	tap_is(l.rc, -ENODEV, "calls: a function that is not there");
	ask(&l, 3, 0, NULL);
	tap_is(l.rc, -EINVAL, "calls: no such scope");
	ask(&l, VTDPASID_SCOPE_SYSTEM, 1, NULL);
	tap_is(l.rc, -EINVAL, "calls: a unit in the system's scope");
	ask(&l, VTDPASID_SCOPE_UNIT, 0, &nowhere);
	tap_is(l.rc, -EINVAL, "calls: a function in a unit's scope");

	/* Too little room. */
	memset(&l, 0x5a, sizeof(l));
	l.arg = full.arg;
	l.arg.results = (uintptr_t)l.r;
	l.arg.count = 3;
	l.arg.out_count = l.arg.out_refuses = 0;
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), -EMSGSIZE, "calls: room for three");
	tap_is(l.arg.out_count, full.arg.out_count, "calls: it says how many there are");
	tap_is(l.arg.out_refuses, full.arg.out_refuses, "calls: and the sum of all");
	tap_ok(!memcmp(l.r, full.r, 3 * sizeof(l.r[0])), "calls: three are there");
	tap_is(l.r[3].check, 0x5a5a5a5a, "calls: and no more");
	l.arg.count = 0;
	l.arg.results = 0;
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), -EMSGSIZE, "calls: room for none");
	l.arg.count = full.arg.out_count;
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), -EFAULT, "calls: results to nowhere");

	/* A caller of the future, and one of the past. */
	memset(wide, 0x5a, sizeof(wide));
	l.arg = full.arg;
	l.arg.results = (uintptr_t)wide;
	l.arg.result_size = sizeof(wide[0]);
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), 0, "calls: wider results");
	for (i = 0; i < full.arg.out_count; i++) {
		unsigned int j;

		differ += !!memcmp(&wide[i].r, &full.r[i], sizeof(full.r[i]));
		for (j = 0; j < sizeof(wide[i].more); j++)
			dirty += wide[i].more[j];
	}
	tap_ok(!differ && !dirty, "calls: the same, and zeroes behind each");
	l.arg.result_size = sizeof(wide[0].r) - 1;
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), -EINVAL, "calls: results that are too small");
	l.arg.result_size = 4097;
	tap_is(vt_ioctl(fd, VTDPASID_PREFLIGHT, &l.arg), -E2BIG, "calls: results that are too large");

	/* No capability: answers, but no registers. */
	if (child_start(&child, drop_all, &child_list) ||
	    msg_recv(child.sock, &l, sizeof(l), 10000) != sizeof(l))
		fatal("the child says nothing");
	child_wait(&child, 10000);
	tap_is(l.rc, 0, "calls: without capabilities");
	tap_is(l.arg.out_count, full.arg.out_count, "calls: as many answers");
	differ = 0;
	for (i = 0; i < full.arg.out_count; i++) {
		values += !!l.r[i].value || !(l.r[i].flags & VTDPASID_RESULT_HIDDEN);
		differ += l.r[i].answer != full.r[i].answer || l.r[i].refuses != full.r[i].refuses;
	}
	tap_is(differ, 0, "calls: the same answers");
	tap_is(values, 0, "calls: values are hidden, and said to be");
}

/* ---- functions of each kind ------------------------------------------------------------ */

static void test_port(const char *name)
{
	struct pci_func port;
	char driver[64];
	struct list l;

	must_name(name, &port);
	tap_ok(!strcmp(pci_driver(&port, driver, sizeof(driver)), "pcieport"), "port: has a driver");
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &port);
	sound(&l, VTDPASID_SCOPE_DEVICE, "port");
	is(&l, ID(ENDPOINT), NO, REFUSES(CLAIM) | REFUSES(ATTACH), "port");
	is(&l, ID(USERSPACE), NONE, 0, "port");
	attach_as_foretold(&port, 0, -EISDIR, ID(ENDPOINT), "port");
	tap_ok(!has_context(&port), "port: it does no DMA, so it has no context entry");
}

/* An endpoint with all, its life through. */
static void test_endpoint(const char *name)
{
	struct vtdpasid_attach out;
	struct pci_func f;
	struct list l;

	must_name(name, &f);
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f);
	sound(&l, VTDPASID_SCOPE_DEVICE, "endpoint");
	is(&l, ID(COVERED), YES, 0, "endpoint");
	is(&l, ID(ENDPOINT), YES, 0, "endpoint");
	is(&l, ID(OWNED), NO, REFUSES(ATTACH), "endpoint, nobody's");
	is(&l, ID(ALIAS), YES, 0, "endpoint");
	is(&l, ID(FIRMWARE), YES, 0, "endpoint");
	is(&l, ID(PCIE), YES, 0, "endpoint");
	is(&l, ID(PASID_CAP), YES, 0, "endpoint");
	is(&l, ID(PASID_OFF), YES, 0, "endpoint");
	is(&l, ID(PASID_PATH), YES, 0, "endpoint");
	is(&l, ID(PASID_PF), NONE, 0, "endpoint");
	is(&l, ID(ACS), YES, 0, "endpoint");
	is(&l, ID(ATS_CAP), YES, 0, "endpoint");
	is(&l, ID(ATS_ALIGNED), YES, 0, "endpoint");
	is(&l, ID(ATS_ORDER), YES, 0, "endpoint");
	is(&l, ID(ATS_OFF), YES, 0, "endpoint");
	is(&l, ID(ATS_ROOT), YES, 0, "endpoint");
	is(&l, ID(ATS_NEEDED), YES, 0, "endpoint");
	is(&l, ID(PRI_CAP), YES, 0, "endpoint");
	is(&l, ID(PRI_PASID), YES, 0, "endpoint");
	is(&l, ID(PRI_IDLE), YES, 0, "endpoint");
	is(&l, ID(RESET), YES, 0, "endpoint");
	is(&l, ID(TRUSTED), YES, 0, "endpoint");
	tap_is(find(&l, ID(PASID_CAP))->value,
	       pci_read(&f, find(&l, ID(PASID_CAP))->reg, 2), "endpoint: the PASID register");
	tap_is(l.arg.out_unit, 0, "endpoint: its unit");
	tap_ok(!has_context(&f), "endpoint, nobody's: no context entry");
	attach_as_foretold(&f, 0, -ENXIO, ID(OWNED), "endpoint, nobody's");

	if (pci_claim(&f))
		fatal("claiming %s", f.name);
	tap_ok(!has_context(&f), "endpoint, claimed: no context entry");
	attach_as_foretold(&f, 0, 0, 0, "endpoint, claimed");
	attach_as_foretold(&f, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI, 0, 0,
			   "endpoint, claimed, with ATS and PRI");
	if (vt_attach(fd, &f, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI, &out))
		fatal("attach");
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f);
	is(&l, ID(FREE), NO, REFUSES(ATTACH), "endpoint, attached");
	is(&l, ID(PASID_OFF), YES, 0, "endpoint, attached: that is us");
	is(&l, ID(ATS_OFF), YES, 0, "endpoint, attached: that is us");
	attach_as_foretold(&f, 0, -EBUSY, ID(FREE), "endpoint, attached");
	vt_detach(fd, out.out_device);
	pci_release(&f);
}

/* Drivers that hand functions to userspace open nothing. */
static void test_stub(const char *name, const char *driver)
{
	char path[PATH_MAX], what[64];
	struct pci_func f;
	struct list l;

	must_name(name, &f);
	sysfs(&f, "driver_override", driver);
	write_file("/sys/bus/pci/drivers_probe", "%s", f.name);
	if (strcmp(pci_driver(&f, path, sizeof(path)), driver))
		fatal("%s does not take %s", driver, name);
	snprintf(what, sizeof(what), "with %s", driver);
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f);
	is(&l, ID(OWNED), YES, 0, what);
	is(&l, ID(USERSPACE), NO, REFUSES(ATTACH), what);
	attach_as_foretold(&f, 0, -EADDRINUSE, ID(USERSPACE), what);
	tap_ok(!has_context(&f), "%s: no context entry", what);
	sysfs(&f, "driver/unbind", f.name);
	sysfs(&f, "driver_override", "\n");
}

/* Two functions behind a PCIe-to-PCI bridge. */
static void test_bridge(const char *bridge, const char *one, const char *two)
{
	const struct vtdpasid_check_result *r;
	struct pci_func b, f[2];
	char text[32];
	struct list l;
	int i;

	must_name(bridge, &b);
	must_name(one, &f[0]);
	must_name(two, &f[1]);
	for (i = 0; i < 2; i++) {
		if (pci_claim(&f[i]))
			fatal("claiming %s", f[i].name);
		must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f[i]);
		sound(&l, VTDPASID_SCOPE_DEVICE, "behind a bridge");
		r = find(&l, ID(ALIAS));
		tap_ok(r->answer == NO && r->flags & VTDPASID_RESULT_OTHER && r->rid == f[!i].rid,
		       "behind a bridge: PREFLIGHT names the other function (%04x)", r->rid);
		tap_ok(!find_nth(&l, ID(ALIAS), 1), "behind a bridge: and no third");
		is(&l, ID(PCIE), NO, REFUSES(PASID), "behind a bridge");
		attach_as_foretold(&f[i], 0, -EXDEV, ID(ALIAS), "behind a bridge");
		log_begin();
		vt_attach(fd, &f[i], 0, &(struct vtdpasid_attach){});
		snprintf(text, sizeof(text), "%s", f[!i].name);
		tap_is(log_lines("ALIAS", text), 1, "behind a bridge: so does the log");
		tap_ok(!has_context(&f[i]), "behind a bridge: no context entry");
	}
	/* One alone has still the bridge's requester id. */
	pci_release(&f[0]);
	sysfs(&f[0], "remove", "1");
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f[1]);
	is(&l, ID(ALIAS), NO, REFUSES(ATTACH), "alone behind a bridge");
	tap_is(find(&l, ID(ALIAS))->rid, f[1].rid & 0xff00, "alone behind a bridge: what the bridge says");
	pci_release(&f[1]);
}

/* A port without access control services, or the function itself: one of several. */
static void test_no_acs(const char *port, const char *name)
{
	const struct vtdpasid_check_result *r;
	struct vtdpasid_attach out;
	struct pci_func p, f;
	struct list l;

	must_name(port, &p);
	must_name(name, &f);
	if (pci_claim(&f))
		fatal("claiming %s", f.name);
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f);
	sound(&l, VTDPASID_SCOPE_DEVICE, "without ACS");
	is(&l, ID(ACS), NO, REFUSES(PASID) | REFUSES(ATS), "without ACS");
	r = find(&l, ID(ACS));
	tap_ok(r->flags & VTDPASID_RESULT_OTHER && r->rid == p.rid, "without ACS: PREFLIGHT names %s", port);
	attach_as_foretold(&f, 0, 0, ID(ACS), "without ACS");
	attach_as_foretold(&f, VTDPASID_ATTACH_ATS, -EXDEV, ID(ACS), "without ACS, with ATS");
	if (vt_attach(fd, &f, 0, &out))
		fatal("attach");
	tap_ok(out.out_state & VTDPASID_DEVICE_NO_ACS && !out.out_pasid_max,
	       "without ACS: the reply says so, and there are no PASIDs");
	vt_detach(fd, out.out_device);
	pci_release(&f);
}

/* Hot-added functions have no context entry until a driver binds. */
static void test_hotplug(const char *port, const char *name)
{
	struct pci_func p, f;

	must_name(port, &p);
	must_name(name, &f);
	if (sysfs(&f, "remove", "1"))
		fatal("%s cannot be removed", name);
	if (sysfs(&p, "rescan", "1") || pci_by_name(name, &f))
		fatal("%s does not come back", name);
	tap_ok(!has_context(&f), "hotplug: there again, without a driver: no context entry");
	attach_as_foretold(&f, 0, -ENXIO, ID(OWNED), "hotplug");
	if (pci_claim(&f))
		fatal("claiming %s", name);
	attach_as_foretold(&f, 0, 0, 0, "hotplug, claimed");
	pci_release(&f);
}

static void test_all(void)
{
	test_system();
	test_unit();
	test_calls();
	test_port("0000:00:06.0");
	test_endpoint("0000:00:04.0");
	test_stub("0000:00:08.0", "pci-stub");
	test_stub("0000:00:08.0", "uio_pci_generic");
	test_hotplug("0000:00:06.0", "0000:01:00.0");
	test_no_acs("0000:00:07.0", "0000:02:00.0");
	test_no_acs("0000:00:0a.0", "0000:00:0a.0");
	test_no_acs("0000:00:0a.1", "0000:00:0a.1");
	test_bridge("0000:00:09.0", "0000:03:01.0", "0000:03:02.0");
}

/* ---- other machines ---------------------------------------------------------------------- */

/* As tests/dmar.py writes it. */
static void test_firmware(void)
{
	struct pci_func rmrr, usb, ats, ported;
	struct list l;

	must_name("0000:00:04.0", &ats);
	must_name("0000:00:06.0", &rmrr);
	must_name("0000:00:07.0", &usb);
	must_name("0000:01:00.0", &ported);
	if (vt_takeover(fd, 0, NULL))
		fatal("takeover");
	tap_ok(passes(&rmrr), "RMRR: passes through, without a driver");
	tap_ok(passes(&usb), "RMRR of a USB controller: passes through, without a driver");
	tap_ok(!has_context(&ported), "others: no context entry");

	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &rmrr);
	is(&l, ID(FIRMWARE), NO, REFUSES(CLAIM), "RMRR");
	log_begin();
	tap_ok(pci_claim(&rmrr) != 0, "RMRR: cannot be claimed");
	tap_is(log_lines(rmrr.name, "not claimed: FIRMWARE"), 1, "RMRR: one line in the log says why");
	tap_ok(passes(&rmrr), "RMRR: passes through as before");
	sysfs(&rmrr, "driver_override", "\n");

	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &usb);
	is(&l, ID(FIRMWARE), YES, 0, "RMRR of a USB controller");
	tap_is(pci_claim(&usb), 0, "RMRR of a USB controller: can be claimed");
	tap_ok(!has_context(&usb), "RMRR of a USB controller: claimed, it has no context entry");
	pci_release(&usb);
	tap_ok(passes(&usb), "RMRR of a USB controller: given back, it passes through");

	if (pci_claim(&ats) || pci_claim(&ported))
		fatal("claiming");
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &ats);
	is(&l, ID(ATS_ROOT), YES, 0, "integrated, so no ATSR needed");
	is(&l, ID(ATS_NEEDED), NO, 0, "SATC: the function needs ATS");
	attach_as_foretold(&ats, VTDPASID_ATTACH_ATS, 0, 0, "integrated");
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &ported);
	is(&l, ID(ATS_ROOT), NO, REFUSES(ATS), "no ATSR for its port");
	is(&l, ID(ATS_NEEDED), YES, 0, "no ATSR for its port");
	attach_as_foretold(&ported, VTDPASID_ATTACH_ATS, -EPROTONOSUPPORT, ID(ATS_ROOT),
			   "no ATSR for its port");
	attach_as_foretold(&ported, 0, 0, 0, "no ATSR for its port, and none asked for");
	pci_release(&ats);
	pci_release(&ported);
}

static void test_bare(void)
{
	uint32_t check = 0;
	struct list l;

	must_ask(&l, VTDPASID_SCOPE_UNIT, 0, NULL);
	is(&l, ID(SMPWC), NO, REFUSES(TAKEOVER), "page walks do not snoop");
	log_begin();
	tap_is(vt_takeover(fd, 0, &check), -EPROTONOSUPPORT, "takeover is refused");
	tap_is(check, ID(SMPWC), "and names it");
	tap_is(log_lines("not taken over: SMPWC", "ECAP.SMPWC"), 1, "and so does the log, once");
}

static void test_forge(void)
{
	struct pci_func f;
	struct list l;

	must_name("0000:00:04.0", &f);
	must_ask(&l, VTDPASID_SCOPE_SYSTEM, 0, NULL);
	is(&l, ID(INTR_ISOLATION), NO, REFUSES(ATTACH), "real hardware");
	if (vt_takeover(fd, 0, NULL) || pci_claim(&f))
		fatal("takeover, claim");
	attach_as_foretold(&f, 0, -EACCES, ID(INTR_ISOLATION), "real hardware");
	pci_release(&f);
	close(fd);
	if (vt_module_unload() || vt_module_load("allow_unsafe_interrupts=1"))
		fatal("loading the module anew");
	fd = must_open();
	must_ask(&l, VTDPASID_SCOPE_SYSTEM, 0, NULL);
	is(&l, ID(INTR_ISOLATION), NO, 0, "allow_unsafe_interrupts=1");
	tap_is(read_number("/proc/sys/kernel/tainted") & 1 << 6, 0, "allow_unsafe_interrupts=1 taints nothing yet");
	if (vt_takeover(fd, 0, NULL) || pci_claim(&f))
		fatal("takeover, claim");
	attach_as_foretold(&f, 0, 0, 0, "allow_unsafe_interrupts=1");
	tap_is(read_number("/proc/sys/kernel/tainted") & 1 << 6, 1 << 6, "attach taints the kernel");
	pci_release(&f);
}

static void test_none(void)
{
	struct pci_func f;
	struct list l;

	must_ask(&l, VTDPASID_SCOPE_SYSTEM, 0, NULL);
	sound(&l, VTDPASID_SCOPE_SYSTEM, "no unit");
	is(&l, ID(DMAR), NO, REFUSES(TAKEOVER), "no unit");
	is(&l, ID(KERNEL_IOMMU), YES, 0, "no unit");
	ask(&l, VTDPASID_SCOPE_UNIT, 0, NULL);
	tap_is(l.rc, -ENOENT, "no unit: no answers either");
	must_name("0000:00:04.0", &f);
	must_ask(&l, VTDPASID_SCOPE_DEVICE, 0, &f);
	sound(&l, VTDPASID_SCOPE_DEVICE, "no unit, function");
	is(&l, ID(COVERED), NO, REFUSES(ATTACH), "no unit, function");
	is(&l, ID(FIRMWARE), NONE, 0, "no unit, function");
	tap_is(l.arg.out_unit, ~0u, "no unit, function: none covers it");
	if (pci_claim(&f))
		fatal("claim");
	attach_as_foretold(&f, 0, -ENOTCONN, ID(COVERED), "no unit, function");
	pci_release(&f);
}

static void test_width(void)
{
	struct vtdpasid_unit_info info;
	struct vtdpasid_walk walk;
	struct pci_func f;

	must_name("0000:00:06.0", &f);
	if (vt_takeover(fd, 0, NULL) || vt_unit_info(fd, 0, &info) || vt_walk(fd, &f, 0, 0, 0, &walk))
		fatal("takeover, walk");
	tap_is(info.out_cap >> 8 & 0x1f, 2, "the unit has 39 bits");
	tap_ok(passes(&f), "its driver's function passes through");
	tap_is(walk.out_pasid_entry[0] >> 2 & 7, 1, "by an entry of 39 bits");
}

int main(int argc, char **argv)
{
	static const struct { const char *mode; void (*test)(void); } modes[] = {
		{ "all", test_all }, { "firmware", test_firmware }, { "bare", test_bare },
		{ "forge", test_forge }, { "none", test_none }, { "width", test_width },
	};
	size_t i;

	mode = argc > 1 ? argv[1] : "";
	fd = must_open();
	for (i = 0; i < ARRAY_SIZE(modes) && strcmp(modes[i].mode, mode); i++)
		;
	if (i == ARRAY_SIZE(modes))
		fatal("no such mode: %s", mode);
	modes[i].test();
	close(fd);
	tap_is(vt_module_unload(), 0, "the module can be unloaded");
	return tap_done();
}
