// SPDX-License-Identifier: GPL-2.0-only
/*
 * f_failnth.c - each call with its n-th allocation failing, for all n
 *
 * usage: f_failnth [PART]...   (default: all but load)
 *
 *   calls   what a client does: open, takeover, attach, bind, ..., close
 *   ends    what ends a binding: unbind, detach, close, exit, handback
 *   bus     claiming a function, taking it off its bus and finding it again
 *   load    insmod and rmmod
 *
 * Wants a kernel with FAILSLAB, FAIL_PAGE_ALLOC and /proc/thread-self/fail-nth
 * (scripts/debug-kernel.sh). A call that makes or gets something may fail, with
 * ENOMEM and nothing changed, and works when tried again; one that ends
 * something never fails. That nothing leaks is for tests/check-debug.sh to see.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "tap.h"
#include "kmsg.h"
#include "lib.h"

#define MOST		4000		/* failures in one sweep: more is a bug */
#define SMALL_LIMIT	32768		/* PASIDs from here on need a larger directory */
#define PIN_PAGES	40
#define FAILED(rc)	((rc) < 0)

/* ---- failing allocations --------------------------------------------------- */

static int nth_fd = -1;
static bool dry;		/* FAILNTH_DRY is set: nothing fails */

static void nth_open(void)
{
	if (nth_fd >= 0)
		close(nth_fd);
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

static void nth_write(unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	if (dry)
		return;
	if (pwrite(nth_fd, buf, len, 0) != len)
		tap_bail("fail-nth: %m");
}

/* From now on the n-th allocation of this thread fails. */
static void nth_arm(unsigned int n)
{
	nth_write(n);
}

/* Returns how many were left until then: 0 when it came to that. */
static unsigned int nth_left(void)
{
	char buf[16] = "";

	if (pread(nth_fd, buf, sizeof(buf) - 1, 0) <= 0)
		tap_bail("fail-nth: %m");
	nth_write(0);
	return strtoul(buf, NULL, 10);
}

/* Returns whether it came to that. */
static bool nth_disarm(void)
{
	return !dry && !nth_left();
}

/* By default only allocations that may not sleep fail. */
static bool nth_setup(void)
{
	static const char * const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	char path[128];
	unsigned int i;

	dry = getenv("FAILNTH_DRY");
	if (dry)
		return true;
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		if (write_file(path, "%s", settings[i][1]))
			return false;
	}
	nth_open();
	return nth_fd >= 0;
}

/* ---- the bed ----------------------------------------------------------------- */

static int fd = -1, other_fd = -1;
static struct pci_func func[2];
static struct svat dev[2];
static uint32_t device[2];		/* 0: not attached */
static uint32_t binding[2], pasid, reserved, high = SMALL_LIMIT, pin_id;
static uint64_t *page;
static char *range;
static struct child child;
static const char *test;
static unsigned int complaints;

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (complaints++ < 8)
		tap_diag("%s: %s", test, text);
}

static const char *name_of(int rc)
{
	return rc < 0 ? strerror(-rc) : "success";
}

/* A step that has to go well, for the test is about another. */
static void must(int rc, const char *what)
{
	if (FAILED(rc))
		tap_bail("%s: %s: %s", test, what, strerror(-rc));
}

static int do_takeover(void)
{
	uint32_t check;

	return vt_takeover(fd, 0, &check);
}

static int do_handback(void)
{
	return vt_handback(fd, 0);
}

static int attach(int i, uint32_t flags)
{
	struct vtdpasid_attach out;
	int rc = vt_attach(fd, &func[i], flags, &out);

	if (!rc)
		device[i] = out.out_device;
	return rc;
}

static int detach(int i)
{
	int rc = device[i] ? vt_detach(fd, device[i]) : 0;

	device[i] = 0;
	return rc;
}

static int unbind(int i)
{
	int rc = binding[i] ? vt_unbind(fd, binding[i]) : 0;

	binding[i] = 0;
	return rc;
}

static int pasid_free(void)
{
	uint32_t was = pasid;

	pasid = 0;
	return was ? vt_pasid_free(fd, was) : 0;
}

static int reserved_free(void)
{
	uint32_t was = reserved;

	reserved = 0;
	return was ? vt_pasid_free(fd, was) : 0;
}

static int unpin(void)
{
	struct vtdpasid_unpin arg = { .size = sizeof(arg), .pin = pin_id };

	if (!pin_id)
		return 0;
	pin_id = 0;
	return vt_ioctl(fd, VTDPASID_UNPIN, &arg);
}

/* What the calls stood before: unit taken over, nothing else. */
static void all_back(void)
{
	must(unpin(), "unpin");
	must(unbind(0), "unbind");
	must(unbind(1), "unbind of the second");
	must(pasid_free(), "PASID_FREE");
	must(reserved_free(), "PASID_FREE of a reserved one");
	must(detach(0), "detach");
	must(detach(1), "detach of the second");
}

/* Does the device reach our page by its PASID, or without one? */
static void try_dma(int i, long by)
{
	static uint64_t count;
	uint64_t word = 0;
	int st;

	page[0] = pattern_word(77, ++count);
	st = svat_read64(&dev[i], 0, by, page, &word);
	if (st || word != page[0])
		complain("device %d does not read our page: %s, %#llx", i, svat_status(st),
			 (unsigned long long)word);
	st = svat_write64(&dev[i], 0, by, page, pattern_word(78, count));
	if (st || page[0] != pattern_word(78, count))
		complain("device %d does not write to our page: %s", i, svat_status(st));
}

/* ---- what may not change ----------------------------------------------------- */

struct snapshot {
	struct vtdpasid_get_info info;
	struct vtdpasid_unit_info unit;
	struct vtdpasid_device_info device[2];
	struct vtdpasid_walk walk[2];
	uint32_t devices;
	long locked;
};

static long locked_memory(void)
{
	static char buf[8192];
	char *p;

	read_file("/proc/self/status", buf, sizeof(buf));
	p = strstr(buf, "VmPin:");
	return p ? strtol(p + 6, NULL, 10) : -1;
}

static void snapshot_take(struct snapshot *s)
{
	uint32_t id;
	int i;

	memset(s, 0, sizeof(*s));
	vt_get_info(other_fd, &s->info);
	vt_unit_info(other_fd, 0, &s->unit);
	/* Those only count what went by. */
	s->unit.out_faults = s->unit.out_doorbells = s->unit.out_descriptors = 0;
	s->unit.out_requests = s->unit.out_overflows = 0;
	for (i = 0; i < 2; i++) {
		if (device[i])
			vt_device_info(fd, device[i], &s->device[i]);
		s->device[i].out_faults = s->device[i].out_requests = 0;
		s->device[i].out_requests_failed = 0;
		vt_walk(other_fd, &func[i], 0, 0, 0, &s->walk[i]);
		s->walk[i].out_root = 0;
	}
	for (id = 1; fd >= 0 && id < 16; id++) {
		struct vtdpasid_device_info info;

		s->devices += !vt_device_info(fd, id, &info);
	}
	s->locked = locked_memory();
}

#define SAME(what, field)							\
do {										\
	if (memcmp(&a->field, &b->field, sizeof(a->field)))			\
		complain("failure %u: %s is not as before (%#llx, was %#llx)",	\
			 n, what, (unsigned long long)b->field,			\
			 (unsigned long long)a->field);				\
} while (0)

static void snapshot_compare(const struct snapshot *a, const struct snapshot *b,
			     unsigned int n, bool grown)
{
	int i, j;

	SAME("GET_INFO: units", info.out_units);
	SAME("GET_INFO: highest PASID", info.out_pasid_max);
	SAME("UNIT_INFO: state", unit.out_state);
	SAME("UNIT_INFO: GSTS", unit.out_gsts);
	SAME("UNIT_INFO: devices", unit.out_devices);
	for (i = 0; i < 2; i++) {
		SAME("DEVICE_INFO: state", device[i].out_state);
		SAME("DEVICE_INFO: bindings", device[i].out_bindings);
		SAME("DEVICE_INFO: leaves", device[i].out_leaves);
		/* A directory that grew for nothing does no harm. */
		if (grown)
			continue;
		SAME("DEVICE_INFO: directory entries", device[i].out_dir_entries);
		SAME("WALK: valid", walk[i].out_valid);
		for (j = 0; j < 4; j++)
			SAME("WALK: context entry", walk[i].out_context[j]);
		for (j = 0; j < 8; j++)
			SAME("WALK: PASID entry 0", walk[i].out_pasid_entry[j]);
	}
	SAME("attached functions", devices);
	SAME("locked memory", locked);
}

/* ---- the sweep ---------------------------------------------------------------- */

/**
 * struct sweep - one call
 * @name: in words
 * @before: makes what the call begins from, out of "taken over, nothing else"
 * @call: the call; 0 or -errno
 * @use: what works once it succeeded
 * @after: unmakes it all
 * @never: it never fails
 * @grown: it may leave a larger directory behind
 * @ats: it needs ATS, which nobody gets while devices share tables
 * @last: only that many allocations at its end fail, in which the module's own
 *	are: the kernel warns when some of those before fail
 * @loose: it may fail in other ways than ENOMEM, for it is not ours alone
 * @kmalloc: only kmalloc() and pages fail, for the kernel falls over other slabs:
 *	irq_insert_desc() takes no notice of a radix tree that has no memory
 */
struct sweep {
	const char *name;
	void (*before)(void);
	int (*call)(void);
	void (*use)(void);
	void (*after)(void);
	bool never;
	bool grown;
	bool ats;
	bool loose;
	bool kmalloc;
	unsigned int last;
};

/* Slabs that the kernel was told of: slub_debug=A,kmalloc* */
static void only_kmalloc(bool on)
{
	if (!dry)
		must(write_file("/sys/kernel/debug/failslab/cache-filter", on ? "Y" : "N"),
		     "cache-filter");
}

/* The kernel is to say where each failure is. */
static void nth_trace(bool on)
{
	must(write_file("/sys/kernel/debug/failslab/verbose", on ? "2" : "0") ?:
	     write_file("/sys/kernel/debug/fail_page_alloc/verbose", on ? "2" : "0"), "verbose");
}

static bool tables_shared(void)
{
	struct vtdpasid_get_info info;

	must(vt_get_info(fd, &info), "GET_INFO");
	return info.out_pasid_table != VTDPASID_TABLE_DEVICE;
}

/*
 * The first allocation of a call that is to fail; with @last it has to be before
 * any of the module's own.
 */
static unsigned int sweep_first(const struct sweep *s)
{
	unsigned int count, first;
	int log, rc;

	if (!s->last || dry)
		return 1;
	nth_arm(MOST);
	must(s->call(), s->name);
	count = MOST - nth_left();
	s->after();
	first = count > s->last ? count - s->last : 1;

	log = kmsg_open();
	nth_trace(true);
	nth_arm(first);
	rc = s->call();
	nth_disarm();
	nth_trace(false);
	if (kmsg_count(log, "do_one_initcall", false))
		complain("of the module's own allocations there are more than %u", s->last);
	close(log);
	if (!FAILED(rc))
		s->after();
	return first;
}

static void run_sweep(const struct sweep *s)
{
	unsigned int n, refused = 0, injected = 0;
	struct snapshot old, now;
	bool failed = true;
	int rc;

	test = s->name;
	if (s->ats && tables_shared()) {
		tap_skip(1, "%s: pasid_table is not device", s->name);
		return;
	}
	complaints = 0;
	for (n = sweep_first(s); failed && n < MOST; n++) {
		if (s->before)
			s->before();
		snapshot_take(&old);
		only_kmalloc(s->kmalloc);
		nth_arm(n);
		rc = s->call();
		failed = nth_disarm();
		injected += failed;
		if (FAILED(rc)) {
			if (s->never || !failed || (rc != -ENOMEM && !s->loose))
				complain("failure %u: %s", n, name_of(rc));
			refused++;
			snapshot_take(&now);
			if (!s->loose)
				snapshot_compare(&old, &now, n, s->grown);
			if (!s->never) {
				rc = s->call();
				if (FAILED(rc))
					complain("failure %u, tried again: %s", n, name_of(rc));
			}
		}
		if (!FAILED(rc) && s->use)
			s->use();
		s->after();
		if (complaints > 20)
			break;
	}
	if (n >= MOST)
		complain("no end after %u failures", n);
	tap_ok(!complaints, "%s: %u failures, one at a time; %u refused it, %s", s->name, injected,
	       refused, s->never ? "which none may" : "with nothing changed");
}

/* ---- calls --------------------------------------------------------------------- */

static int new_fd = -1;

static int call_open(void)
{
	new_fd = vt_open();
	return new_fd;
}

static void use_open(void)
{
	struct vtdpasid_get_info info;

	if (vt_get_info(new_fd, &info) || info.out_units != 1)
		complain("GET_INFO does not work");
}

static void after_open(void)
{
	close(new_fd);
}

static void after_takeover(void)
{
	struct vtdpasid_unit_info info;

	if (vt_unit_info(fd, 0, &info) || info.out_state != VTDPASID_UNIT_TAKEN ||
	    !(info.out_gsts >> 31))
		complain("it is not taken over: state %u, GSTS %#x", info.out_state, info.out_gsts);
	must(do_handback(), "handback");
}

static int call_attach(void) { return attach(0, 0); }
static int call_attach_ats(void) { return attach(0, VTDPASID_ATTACH_ATS); }
static int call_attach_pri(void) { return attach(0, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI); }

static int bind_at(int i, uint32_t flags, uint32_t number)
{
	uint32_t got;
	int rc = vt_bind(fd, device[i], flags, number, &binding[i], &got);

	if (rc) {
		binding[i] = 0;
	} else if (!(flags & VTDPASID_BIND_NO_PASID)) {
		pasid = got;
		reserved = 0;
	}
	return rc;
}

/* What an attach is good for. */
static void use_attach(void)
{
	must(bind_at(0, 0, 0), "bind");
	try_dma(0, pasid);
}

static void before_attached(void) { must(attach(0, 0), "attach"); }
static void before_attached_both(void)
{
	before_attached();
	must(attach(1, 0), "attach of the second");
}

static void before_attached_pri(void)
{
	must(call_attach_pri(), "attach");
}

static void before_own_pasid(void)
{
	before_attached();
	must(vt_pasid_alloc(fd, 0, 0, 0, &pasid), "PASID_ALLOC");
}

static int call_reserve(void)
{
	return vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 0, 0, &reserved);
}

static int call_reserve_high(void)
{
	int rc = vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, high, high + 4000, &reserved);

	high += !rc;
	return rc;
}

static int call_alloc(void) { return vt_pasid_alloc(fd, 0, 0, 0, &pasid); }
static int call_bind(void) { return bind_at(0, 0, 0); }
static int call_bind_second(void) { return bind_at(1, 0, 0); }
static int call_bind_none(void) { return bind_at(0, VTDPASID_BIND_NO_PASID, 0); }
static int call_bind_reserved(void) { return bind_at(0, 0, reserved ?: pasid); }

static void use_bind(void) { try_dma(0, pasid); }
static void use_bind_none(void) { try_dma(0, NO_PASID); }
static void use_bind_both(void)
{
	try_dma(0, pasid);
	try_dma(1, pasid);
}

static void before_reserved(void)
{
	before_attached();
	/* In the second leaf */
	must(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 64, 0, &reserved), "reserve");
}

static void before_reserved_high(void)
{
	before_attached();
	must(call_reserve_high(), "reserve");
}

static void before_bound(void)
{
	before_attached();
	must(call_bind(), "bind");
}

static void before_bound_none(void)
{
	before_attached();
	must(call_bind_none(), "bind");
}

static void before_bound_reserved(void)
{
	before_reserved();
	must(call_bind_reserved(), "bind");
}

static void before_bound_other(void)
{
	before_attached_both();
	must(call_bind(), "bind");
}

static void before_bound_pri(void)
{
	before_attached_pri();
	must(call_bind(), "bind");
}

static int call_sync(void) { return vt_sync(fd, page, PAGE); }

static int call_walk(void)
{
	struct vtdpasid_walk walk;
	int rc = vt_walk(fd, &func[0], 0, pasid, (uintptr_t)page, &walk);

	if (!rc && walk.out_valid != 0x1f)
		complain("WALK came to %#x", walk.out_valid);
	return rc;
}

static int call_walk_next(void)
{
	struct vtdpasid_walk walk;
	int rc = vt_walk(fd, &func[0], VTDPASID_WALK_NEXT, 1, 0, &walk);

	if (!rc && walk.out_pasid != pasid)
		complain("WALK_NEXT found %u", walk.out_pasid);
	return rc;
}

static int pin(char *at, uint32_t flags)
{
	struct vtdpasid_pin arg = {
		.size = sizeof(arg), .flags = flags, .addr = (uintptr_t)at,
		.length = PIN_PAGES * PAGE,
	};
	int rc = vt_ioctl(fd, VTDPASID_PIN, &arg);

	if (!rc)
		pin_id = arg.out_pin;
	return rc;
}

static int call_pin(void) { return pin(range, VTDPASID_PIN_WRITE); }
static int call_pin_read(void) { return pin(range, 0); }

static void before_range_fresh(void)
{
	before_bound();
	if (madvise(range, PIN_PAGES * PAGE, MADV_DONTNEED))
		tap_bail("madvise: %m");
}

static void use_pin(void)
{
	uint64_t val;
	int st = svat_write64(&dev[0], 0, pasid, range + (PIN_PAGES - 1) * PAGE, 0x5a5a);

	val = *(uint64_t *)(range + (PIN_PAGES - 1) * PAGE);
	if (st || val != 0x5a5a)
		complain("the device does not write to the last pinned page: %s, %#llx",
			 svat_status(st), (unsigned long long)val);
}

static void use_pin_read(void)
{
	uint64_t val;
	int st = svat_read64(&dev[0], 0, pasid, range + (PIN_PAGES - 1) * PAGE, &val);

	if (st || val)
		complain("the device does not read the last pinned page: %s", svat_status(st));
}

static const struct sweep calls_idle[] = {
	{ .name = "open", .call = call_open, .use = use_open, .after = after_open },
	{ .name = "TAKEOVER", .call = do_takeover, .after = after_takeover,
	  .kmalloc = true },
};

static const struct sweep calls[] = {
	{ .name = "ATTACH", .call = call_attach, .use = use_attach, .after = all_back },
	{ .name = "ATTACH with ATS", .call = call_attach_ats, .use = use_attach,
	  .after = all_back, .ats = true },
	{ .name = "ATTACH with page requests", .call = call_attach_pri, .use = use_attach,
	  .after = all_back, .ats = true },
	{ .name = "PASID_ALLOC", .call = call_alloc, .after = all_back },
	{ .name = "PASID_ALLOC, reserving", .call = call_reserve, .after = all_back },
	{ .name = "PASID_ALLOC, reserving above 32767", .call = call_reserve_high,
	  .after = all_back },
	{ .name = "BIND, the first of all", .before = before_attached, .call = call_bind,
	  .use = use_bind, .after = all_back },
	{ .name = "BIND, having a PASID", .before = before_own_pasid, .call = call_bind,
	  .use = use_bind, .after = all_back },
	{ .name = "BIND to a second device", .before = before_bound_other,
	  .call = call_bind_second, .use = use_bind_both, .after = all_back },
	{ .name = "BIND with page requests", .before = before_attached_pri, .call = call_bind,
	  .use = use_bind, .after = all_back, .ats = true },
	{ .name = "BIND with a reserved PASID", .before = before_reserved,
	  .call = call_bind_reserved, .use = use_bind, .after = all_back },
	{ .name = "BIND with one above 32767", .before = before_reserved_high,
	  .call = call_bind_reserved, .use = use_bind, .after = all_back, .grown = true },
	{ .name = "BIND without PASID", .before = before_attached, .call = call_bind_none,
	  .use = use_bind_none, .after = all_back },
	{ .name = "SYNC", .before = before_bound, .call = call_sync, .use = use_bind,
	  .after = all_back },
	{ .name = "WALK", .before = before_bound, .call = call_walk, .after = all_back },
	{ .name = "WALK, next", .before = before_bound, .call = call_walk_next,
	  .after = all_back },
	{ .name = "PIN", .before = before_bound, .call = call_pin, .use = use_pin,
	  .after = all_back },
	{ .name = "PIN of memory never touched", .before = before_range_fresh,
	  .call = call_pin, .use = use_pin, .after = all_back },
	{ .name = "PIN for reading, of memory never touched", .before = before_range_fresh,
	  .call = call_pin_read, .use = use_pin_read, .after = all_back },
};

/* ---- ends ------------------------------------------------------------------------ */

static int call_unbind(void) { return unbind(0); }
static int call_detach(void) { return detach(0); }
static int call_free_own(void) { return pasid_free(); }
static int call_free_reserved(void) { return reserved_free(); }

static void before_pinned(void)
{
	before_bound();
	must(call_pin(), "pin");
}

/* The function can be had again, and then works. */
static void after_detach(void)
{
	binding[0] = 0;
	must(pasid_free(), "PASID_FREE");
	must(attach(0, 0), "attach");
	must(call_bind(), "bind");
	try_dma(0, pasid);
	all_back();
}

static void before_close(void)
{
	before_attached_both();
	must(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 64, 0, &reserved), "reserve");
	must(call_bind_reserved(), "bind");
	must(call_bind_second(), "bind to the second");
	must(call_reserve(), "reserve");
	must(call_pin(), "pin");
}

static int call_close(void)
{
	int rc = close(fd) ? -errno : 0;

	fd = -1;
	return rc;
}

static void after_close(void)
{
	struct vtdpasid_unit_info info;

	device[0] = device[1] = binding[0] = binding[1] = pasid = reserved = pin_id = 0;
	must(vt_unit_info(other_fd, 0, &info), "UNIT_INFO");
	if (info.out_devices)
		complain("%u functions are still attached", info.out_devices);
	if (locked_memory())
		complain("%ld KiB are still locked", locked_memory());
	fd = must_open();
	before_bound();
	try_dma(0, pasid);
	all_back();
}

/* A child that binds, and ends with its n-th allocation failing. */
static int leaver(int sock, void *arg)
{
	uint32_t b, p, n = *(uint32_t *)arg;
	int rc;

	/* A page that is still shared is not writable. */
	page[0] = 0;
	rc = vt_bind(fd, device[0], 0, 0, &b, &p);
	if (!rc && svat_write64(&dev[0], 0, p, page, 1))
		rc = -EIO;
	msg_send(sock, &rc, sizeof(rc));
	nth_open();
	nth_arm(n);
	return 0;
}

static void sweep_exit(void)
{
	struct vtdpasid_device_info info;
	uint32_t n;
	int rc;

	test = "exit";
	complaints = 0;
	before_attached();
	for (n = 1; n < 60 && complaints < 20; n++) {
		must(child_start(&child, leaver, &n), "fork");
		rc = -EPIPE;
		msg_recv(child.sock, &rc, sizeof(rc), 20000);
		if (rc)
			complain("the child's bind: %s", name_of(rc));
		rc = child_wait(&child, 20000);
		if (rc)
			complain("failure %u: the child ended with %#x", n, rc);
		/* Dead bindings of this file stay until they are unbound. */
		must(vt_device_info(fd, device[0], &info), "DEVICE_INFO");
		if (info.out_bindings != 1)
			complain("failure %u: %u bindings", n, info.out_bindings);
		must(vt_unbind(fd, 1), "unbind of the dead binding");
	}
	must(call_bind(), "bind");
	try_dma(0, pasid);
	all_back();
	tap_ok(!complaints, "exit while bound: %u failures, one at a time", n - 1);
}

/* fork(), with all notifiers and page tables that go with it */
static int call_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return 0;
}

static char *moved;

static void before_remap(void)
{
	before_bound();
	moved = mmap(NULL, PIN_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (moved == MAP_FAILED)
		tap_bail("mmap: %m");
}

/* Splits the mapping, changes the middle, and puts it elsewhere. */
static int call_remap(void)
{
	char *to = range + PIN_PAGES * PAGE;

	if (mprotect(moved + PAGE, PAGE, PROT_READ) || munmap(moved + 4 * PAGE, 2 * PAGE) ||
	    mremap(moved + 8 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		return -errno;
	return 0;
}

static void after_remap(void)
{
	uint64_t val;

	if (svat_read64(&dev[0], 0, pasid, moved + 4 * PAGE, &val) == SVAT_ST_OK)
		complain("the device reads what is unmapped");
	munmap(moved, PIN_PAGES * PAGE);
	if (svat_read64(&dev[0], 0, pasid, moved + 20 * PAGE, &val) == SVAT_ST_OK)
		complain("the device reads what is unmapped for certain");
	try_dma(0, pasid);
	all_back();
}

static const struct sweep ends[] = {
	{ .name = "UNBIND", .before = before_bound, .call = call_unbind, .after = all_back,
	  .never = true },
	{ .name = "UNBIND, with page requests", .before = before_bound_pri,
	  .call = call_unbind, .after = all_back, .never = true },
	{ .name = "UNBIND, the last of a leaf", .before = before_bound_reserved,
	  .call = call_unbind, .after = all_back, .never = true },
	{ .name = "UNBIND, without PASID", .before = before_bound_none, .call = call_unbind,
	  .after = all_back, .never = true },
	{ .name = "PASID_FREE", .before = before_own_pasid, .call = call_free_own,
	  .after = all_back, .never = true },
	{ .name = "PASID_FREE of a reserved one", .before = before_reserved,
	  .call = call_free_reserved, .after = all_back, .never = true },
	{ .name = "UNPIN", .before = before_pinned, .call = unpin, .after = all_back,
	  .never = true },
	{ .name = "DETACH", .before = before_bound, .call = call_detach,
	  .after = after_detach, .never = true },
	{ .name = "DETACH, with page requests", .before = before_bound_pri,
	  .call = call_detach, .after = after_detach, .never = true },
	{ .name = "close", .before = before_close, .call = call_close, .after = after_close,
	  .never = true },
	{ .name = "fork while bound", .before = before_bound, .call = call_fork,
	  .use = use_bind, .after = all_back, .loose = true },
	{ .name = "munmap, mprotect, mremap while bound", .before = before_remap,
	  .call = call_remap, .after = after_remap, .loose = true },
};

static void before_handback(void) { must(do_takeover(), "takeover"); }
static void after_handback(void) {}

static const struct sweep ends_idle[] = {
	{ .name = "HANDBACK", .before = before_handback, .call = do_handback,
	  .after = after_handback, .never = true },
};

/* ---- the bus ----------------------------------------------------------------------- */

static char slot_path[128];

static void before_claim(void)
{
	svat_close(&dev[0]);
	must(pci_release(&func[0]), "release");
}

static int call_claim(void) { return pci_claim(&func[0]); }

static void use_claim(void)
{
	must(svat_open(&dev[0], &func[0]), "registers");
	before_bound();
	try_dma(0, pasid);
}

static int call_release(void)
{
	svat_close(&dev[0]);
	return pci_release(&func[0]);
}

static void after_release(void)
{
	must(pci_claim(&func[0]), "claim");
	must(svat_open(&dev[0], &func[0]), "registers");
	before_bound();
	try_dma(0, pasid);
	all_back();
}

static void before_unplug(void)
{
	before_bound();
	svat_close(&dev[0]);
}

static int call_unplug(void)
{
	return write_file(slot_path, "1");
}

static int call_rescan(void)
{
	return write_file("/sys/bus/pci/rescan", "1") ?: access(slot_path, F_OK) ? -ENOENT : 0;
}

static void after_unplug(void)
{
	/* Its function is gone, and its bindings are with it. */
	device[0] = binding[0] = 0;
	must(pasid_free(), "PASID_FREE");
	must(call_rescan(), "rescan");
	after_release();
}

/* Not the way back: the PCI core warns of a function without memory for its name. */
static const struct sweep bus[] = {
	{ .name = "claim", .before = before_claim, .call = call_claim, .use = use_claim,
	  .after = all_back, .loose = true },
	{ .name = "release of a function", .call = call_release, .after = after_release,
	  .loose = true },
	{ .name = "removal of a bound function", .before = before_unplug,
	  .call = call_unplug, .after = after_unplug, .loose = true },
};

/* ---- load ---------------------------------------------------------------------------- */

static const char *params = "";

static int call_load(void) { return vt_module_load(params); }
static int call_unload(void) { return vt_module_unload(); }
static void unload(void) { must(vt_module_unload(), "rmmod"); }
static void load(void) { must(vt_module_load(params), "insmod"); }

static void use_load(void)
{
	int file = must_open();
	uint32_t check;

	must(vt_takeover(file, 0, &check), "takeover");
	must(vt_handback(file, 0), "handback");
	close(file);
}

static void load_taken(void)
{
	uint32_t check;
	int file;

	load();
	file = must_open();
	must(vt_takeover(file, 0, &check), "takeover");
	close(file);
}

static void after_load(void)
{
	unload();
}

static void after_unload(void)
{
	if (vt_loaded())
		complain("it is still loaded");
}

static const struct sweep loads[] = {
	{ .name = "insmod", .call = call_load, .use = use_load, .after = after_load,
	  .loose = true, .last = 250 },
	{ .name = "rmmod", .before = load, .call = call_unload, .after = after_unload,
	  .never = true },
	{ .name = "rmmod, taken over", .before = load_taken, .call = call_unload,
	  .after = after_unload, .never = true },
};

/* ---- main ------------------------------------------------------------------------------ */

static void run_all(const struct sweep *s, unsigned int count)
{
	const char *only = getenv("SWEEP");

	for (; count--; s++)
		if (!only || strstr(s->name, only))
			run_sweep(s);
}

static void open_bed(void)
{
	int i;

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, func, 2) != 2)
		tap_bail("two sva-testdev are needed");
	for (i = 0; i < 2; i++) {
		must(pci_claim(&func[i]), "claim");
		must(svat_open(&dev[i], &func[i]), "registers");
		svat_reset(&dev[i]);
	}
	snprintf(slot_path, sizeof(slot_path), "/sys/bus/pci/devices/%s/remove", func[0].name);
	page = must_map(PAGE);
	/* One page more, as a place to go for call_remap(). */
	range = must_map((PIN_PAGES + 1) * PAGE);
	other_fd = must_open();
	fd = must_open();
}

static void close_bed(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		svat_close(&dev[i]);
		pci_release(&func[i]);
	}
	close(fd);
	close(other_fd);
	fd = other_fd = -1;
}

int main(int argc, char **argv)
{
	static char *all[] = { "calls", "ends", "bus" };
	int i;

	test = "setup";
	if (!nth_setup())
		tap_skip_all("this kernel cannot make allocations fail");
	if (argc > 1) {
		argv++;
		argc--;
	} else {
		argv = all;
		argc = ARRAY_SIZE(all);
	}
	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "load")) {
			if (vt_loaded())
				must(vt_module_unload(), "rmmod");
			run_all(loads, ARRAY_SIZE(loads));
			load();
			continue;
		}
		open_bed();
		if (!strcmp(argv[i], "calls")) {
			run_all(calls_idle, ARRAY_SIZE(calls_idle));
			must(do_takeover(), "takeover");
			run_all(calls, ARRAY_SIZE(calls));
			must(do_handback(), "handback");
		} else if (!strcmp(argv[i], "ends")) {
			run_all(ends_idle, ARRAY_SIZE(ends_idle));
			must(do_takeover(), "takeover");
			run_all(ends, ARRAY_SIZE(ends));
			if (!getenv("SWEEP") || strstr("exit", getenv("SWEEP")))
				sweep_exit();
			must(do_handback(), "handback");
		} else if (!strcmp(argv[i], "bus")) {
			must(do_takeover(), "takeover");
			run_all(bus, ARRAY_SIZE(bus));
			must(do_handback(), "handback");
		} else {
			tap_bail("no such part: %s", argv[i]);
		}
		close_bed();
	}
	return tap_done();
}
