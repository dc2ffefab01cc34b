// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_abi: the ioctl ABI against callers who get it wrong
 *
 * First a table of all calls, each of which is broken in every way that can be
 * derived from the table: one fault at a time, in a state in which the call
 * would succeed without it. Then what has to be written by hand: wrong order,
 * rights, strangers, ids, events. After each refusal everything that the module
 * shows of itself is as before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "tap.h"

#define NR_DEVICES	2

static int fd;
static struct svat dev[NR_DEVICES];	/* A and B */
static uint32_t device, binding, pasid;	/* of A, while attached, bound, held */
static uint32_t pin;			/* of @data, while pinned */

/* What an argument is put into: its end is the end of what may be accessed. */
static uint8_t *page;			/* PAGE bytes, then a hole */
static uint8_t *low_page;		/* below 4 GiB */
static uint8_t *data;			/* what calls are about */

/* ---- what the module shows of itself -------------------------------------- */

struct snapshot {
	struct vtdpasid_get_info info;
	struct vtdpasid_unit_info unit;
	int walk_rc[NR_DEVICES * 2], device_rc, binding_rc;
	struct vtdpasid_walk walk[NR_DEVICES * 2];
	struct vtdpasid_device_info device;
	struct vtdpasid_binding_info binding;
};

static int binding_info(uint32_t id, struct vtdpasid_binding_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->binding = id;
	return vt_ioctl(fd, VTDPASID_BINDING_INFO, info);
}


static void take_snapshot(struct snapshot *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	vt_get_info(fd, &s->info);
	vt_unit_info(fd, 0, &s->unit);
	for (i = 0; i < NR_DEVICES; i++) {
		s->walk_rc[2 * i] = vt_walk(fd, &dev[i].func, 0, 0, 0x1000, &s->walk[2 * i]);
		s->walk_rc[2 * i + 1] = vt_walk(fd, &dev[i].func, VTDPASID_WALK_NEXT, 1,
						0x1000, &s->walk[2 * i + 1]);
	}
	s->device_rc = vt_device_info(fd, device, &s->device);
	s->binding_rc = binding_info(binding, &s->binding);
}

/* ---- states ---------------------------------------------------------------- */

static bool is_taken(void)
{
	struct vtdpasid_unit_info unit;

	if (vt_unit_info(fd, 0, &unit))
		fatal("UNIT_INFO fails");
	return unit.out_state == VTDPASID_UNIT_TAKEN;
}

static void want_attached(bool yes);

static void want_taken(bool yes)
{
	int rc;

	if (!yes)
		want_attached(false);
	if (is_taken() == yes)
		return;
	rc = yes ? vt_takeover(fd, 0, NULL) : vt_handback(fd, 0);
	if (rc)
		fatal("%s: %s", yes ? "takeover" : "handback", strerror(-rc));
}

static void want_bound(bool yes);

static void want_pinned(bool yes)
{
	struct vtdpasid_unpin u = { .size = sizeof(u), .pin = pin };
	struct vtdpasid_pin p = {
		.size = sizeof(p), .addr = (uintptr_t)data, .length = PAGE,
	};
	int rc;

	if (yes)
		want_bound(true);
	if (yes == !!pin)
		return;
	rc = yes ? vt_ioctl(fd, VTDPASID_PIN, &p) : vt_ioctl(fd, VTDPASID_UNPIN, &u);
	if (rc)
		fatal("%s: %s", yes ? "PIN" : "UNPIN", strerror(-rc));
	pin = yes ? p.out_pin : 0;
}

static void want_bound(bool yes)
{
	int rc;

	if (yes)
		want_attached(true);
	else
		want_pinned(false);
	if (yes == !!binding)
		return;
	rc = yes ? vt_bind(fd, device, 0, 0, &binding, &pasid) : vt_unbind(fd, binding);
	if (rc)
		fatal("%s: %s", yes ? "bind" : "unbind", strerror(-rc));
	if (!yes)
		binding = 0;
}

static void want_held(bool yes)
{
	int rc;

	if (!yes)
		want_bound(false);
	if (yes == !!pasid)
		return;
	rc = yes ? vt_pasid_alloc(fd, 0, 0, 0, &pasid) : vt_pasid_free(fd, pasid);
	if (rc)
		fatal("%s: %s", yes ? "PASID_ALLOC" : "PASID_FREE", strerror(-rc));
	if (!yes)
		pasid = 0;
}

static void want_attached(bool yes)
{
	struct vtdpasid_attach out;
	int rc;

	if (yes)
		want_taken(true);
	else
		want_bound(false);
	if (yes == !!device)
		return;
	rc = yes ? vt_attach(fd, &dev[0].func, 0, &out) : vt_detach(fd, device);
	if (rc)
		fatal("%s: %s", yes ? "attach" : "detach", strerror(-rc));
	device = yes ? out.out_device : 0;
}

/* After something went wrong: what we do not know of goes with the file. */
static void start_over(void)
{
	close(fd);
	fd = must_open();
	device = binding = pasid = pin = 0;
}

/* ---- the calls ------------------------------------------------------------- */

/*
 * Each of these makes the call possible and fills its argument in, so that the
 * call would succeed. *_done() notes what has changed when it did.
 */
static void get_info(void *p) { (void)p; want_bound(true); }
static void unit_info(void *p) { (void)p; want_bound(true); }
static void takeover(void *p) { (void)p; want_taken(false); }
static void handback(void *p) { (void)p; want_taken(true); want_attached(false); }

static void attach(void *p)
{
	struct vtdpasid_attach *a = p;

	want_attached(false);
	want_taken(true);
	a->segment = dev[0].func.segment;
	a->rid = dev[0].func.rid;
}

static void attach_done(const void *p)
{
	device = ((const struct vtdpasid_attach *)p)->out_device;
}

static void detach(void *p)
{
	want_bound(false);
	want_attached(true);
	((struct vtdpasid_detach *)p)->device = device;
}

static void detach_done(const void *p) { (void)p; device = 0; }

static void device_info(void *p)
{
	want_bound(true);
	((struct vtdpasid_device_info *)p)->device = device;
}

static void pasid_alloc(void *p) { (void)p; want_attached(true); want_held(false); }

static void pasid_alloc_done(const void *p)
{
	pasid = ((const struct vtdpasid_pasid_alloc *)p)->out_pasid;
}

static void pasid_free(void *p)
{
	want_bound(false);
	want_held(true);
	((struct vtdpasid_pasid_free *)p)->pasid = pasid;
}

static void pasid_free_done(const void *p) { (void)p; pasid = 0; }

static void bind_(void *p)
{
	want_attached(true);
	want_bound(false);
	((struct vtdpasid_bind *)p)->device = device;
}

static void bind_done(const void *p)
{
	binding = ((const struct vtdpasid_bind *)p)->out_binding;
	pasid = ((const struct vtdpasid_bind *)p)->out_pasid;
}

static void unbind(void *p)
{
	want_bound(true);
	((struct vtdpasid_unbind *)p)->binding = binding;
}

static void unbind_done(const void *p) { (void)p; binding = 0; }

static void sync_(void *p)
{
	struct vtdpasid_sync *s = p;

	want_bound(true);
	s->addr = (uintptr_t)page;
	s->length = PAGE;
}

static void walk(void *p)
{
	struct vtdpasid_walk *w = p;

	want_bound(true);
	w->segment = dev[0].func.segment;
	w->rid = dev[0].func.rid;
	w->pasid = pasid;
	w->addr = (uintptr_t)page;
}

static void pin_(void *p)
{
	struct vtdpasid_pin *a = p;

	want_bound(true);
	want_pinned(false);
	a->addr = (uintptr_t)data;
	a->length = PAGE;
}

static void pin_done(const void *p) { pin = ((const struct vtdpasid_pin *)p)->out_pin; }

static void unpin(void *p)
{
	want_pinned(true);
	((struct vtdpasid_unpin *)p)->pin = pin;
}

static void unpin_done(const void *p) { (void)p; pin = 0; }

static void binding_info_(void *p)
{
	want_bound(true);
	((struct vtdpasid_binding_info *)p)->binding = binding;
}

static struct vtdpasid_check_result results[64];

static void preflight_(void *p)
{
	struct vtdpasid_preflight *arg = p;

	want_bound(true);
	arg->scope = VTDPASID_SCOPE_UNIT;
	arg->result_size = sizeof(results[0]);
	arg->results = (uintptr_t)results;
	arg->count = ARRAY_SIZE(results);
}

struct field {
	const char *name;
	size_t offset;
	size_t size;
	uint64_t bad[4];	/* values that are refused, in @id_errno's way */
};

#define FIELD(type, f)	.name = #f, .offset = offsetof(struct type, f), \
			.size = sizeof(((struct type *)0)->f)

struct call {
	const char *name;
	unsigned int nr;
	size_t size;
	size_t min;			/* size of its first version, if that was less */
	uint32_t flags;			/* that the module knows */
	uint32_t flags_ok;		/* of them: accepted in the prepared state */
	bool admin;			/* needs CAP_SYS_ADMIN */
	bool out;			/* has out_ fields, so must be writable */
	struct field reserved;
	struct field id;		/* names an object of the file */
	void (*prepare)(void *arg);
	void (*done)(const void *arg);
};

#define CALL(N, s, ...) { .name = #N, .nr = VTDPASID_##N, \
			  .size = sizeof(struct vtdpasid_##s), __VA_ARGS__ }
#define UNIT(s)		.id = { FIELD(vtdpasid_##s, unit), { 1, 63, 64, 0xffffffff } }
#define ID(s, f)	.id = { FIELD(vtdpasid_##s, f), { 0, 999, 0x7fffffff, 0xffffffff } }
#define RESERVED(s, f)	.reserved = { FIELD(vtdpasid_##s, f), { 0 } }

static const struct call calls[] = {
	CALL(GET_INFO, get_info, .out = true, .prepare = get_info),
	CALL(UNIT_INFO, unit_info, .out = true, .admin = true, UNIT(unit_info),
	     .prepare = unit_info),
	CALL(TAKEOVER, takeover, .out = true, .admin = true, UNIT(takeover),
	     .prepare = takeover),
	CALL(HANDBACK, handback, .admin = true, UNIT(handback),
	     RESERVED(handback, reserved), .prepare = handback),
	CALL(ATTACH, attach, .out = true, .admin = true,
	     .min = offsetof(struct vtdpasid_attach, out_check),
	     .flags = VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI,
	     RESERVED(attach, reserved), .prepare = attach, .done = attach_done),
	CALL(DETACH, detach, .admin = true, ID(detach, device),
	     RESERVED(detach, reserved), .prepare = detach, .done = detach_done),
	CALL(DEVICE_INFO, device_info, .out = true, ID(device_info, device),
	     .prepare = device_info),
	CALL(PASID_ALLOC, pasid_alloc, .out = true, .flags = VTDPASID_PASID_RESERVE,
	     RESERVED(pasid_alloc, reserved), .prepare = pasid_alloc,
	     .done = pasid_alloc_done),
	CALL(PASID_FREE, pasid_free, ID(pasid_free, pasid),
	     RESERVED(pasid_free, reserved), .prepare = pasid_free,
	     .done = pasid_free_done),
	CALL(BIND, bind, .out = true, .flags = VTDPASID_BIND_NO_PASID, ID(bind, device),
	     .prepare = bind_, .done = bind_done),
	CALL(UNBIND, unbind, ID(unbind, binding), RESERVED(unbind, reserved),
	     .prepare = unbind, .done = unbind_done),
	CALL(SYNC, sync, .prepare = sync_),
	CALL(WALK, walk, .out = true, .admin = true,
	     .flags = VTDPASID_WALK_NEXT, .prepare = walk),
	CALL(PIN, pin, .out = true, .flags = VTDPASID_PIN_WRITE, RESERVED(pin, reserved),
	     .prepare = pin_, .done = pin_done),
	CALL(UNPIN, unpin, ID(unpin, pin), RESERVED(unpin, reserved), .prepare = unpin,
	     .done = unpin_done),
	CALL(BINDING_INFO, binding_info, .out = true, ID(binding_info, binding),
	     .prepare = binding_info_),
	CALL(PREFLIGHT, preflight, .out = true, UNIT(preflight), .prepare = preflight_),
};

static size_t min_size(const struct call *c) { return c->min ?: c->size; }

static unsigned long request(const struct call *c) { return c->nr; }

/* ---- one call, judged ------------------------------------------------------ */

static int raw_ioctl(int file, unsigned long req, void *arg)
{
	return ioctl(file, req, arg) < 0 ? -errno : 0;
}

/* The same from a 32-bit caller's side: @arg has to lie below 4 GiB. */
static int compat_ioctl(int file, unsigned long req, void *arg)
{
	long rc;

	asm volatile("int $0x80"
		     : "=a"(rc)
		     : "a"(54), "b"((long)file), "c"(req), "d"(arg)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)rc;
}

static int (*do_ioctl)(int file, unsigned long req, void *arg) = raw_ioctl;

/* Which capabilities are taken away for the call. */
static uint64_t without_caps;

static void set_caps(uint64_t without)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		fatal("capget: %s", strerror(errno));
	d[0].effective = d[0].permitted & ~(uint32_t)without;
	d[1].effective = d[1].permitted & ~(uint32_t)(without >> 32);
	if (syscall(SYS_capset, &h, d))
		fatal("capset: %s", strerror(errno));
}

static const char *name_of(int rc)
{
	return rc ? strerrorname_np(-rc) : "success";
}

/* What is wrong in the test that is under way; told when it ends. */
static int wrong;
static char complaints[10][300];

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (wrong < (int)ARRAY_SIZE(complaints))
		vsnprintf(complaints[wrong], sizeof(complaints[0]), fmt, ap);
	wrong++;
	va_end(ap);
}

/*
 * For steps in which this process forks: the kernel then takes write access to
 * our pages away, which is invalidated as it should be.
 */
static void forget_counts(struct snapshot *s)
{
	s->unit.out_doorbells = 0;
	s->unit.out_descriptors = 0;
}

/* Say what is not the same. */
static void compare(const char *what, const struct snapshot *a, const struct snapshot *b)
{
	if (!memcmp(a, b, sizeof(*a)))
		return;
	if (memcmp(&a->info, &b->info, sizeof(a->info)))
		complain("%s changed GET_INFO", what);
	if (memcmp(&a->unit, &b->unit, sizeof(a->unit)))
		complain("%s changed UNIT_INFO: state %u/%u devices %u/%u gsts %#x/%#x faults %llu/%llu doorbells %llu/%llu descriptors %llu/%llu",
			 what, a->unit.out_state, b->unit.out_state,
			 a->unit.out_devices, b->unit.out_devices,
			 a->unit.out_gsts, b->unit.out_gsts, a->unit.out_faults, b->unit.out_faults,
			 a->unit.out_doorbells, b->unit.out_doorbells,
			 a->unit.out_descriptors, b->unit.out_descriptors);
	if (memcmp(&a->device, &b->device, sizeof(a->device)) || a->device_rc != b->device_rc)
		complain("%s changed DEVICE_INFO: %s/%s bindings %u/%u leaves %u/%u", what,
			 name_of(a->device_rc), name_of(b->device_rc),
			 a->device.out_bindings, b->device.out_bindings,
			 a->device.out_leaves, b->device.out_leaves);
	if (memcmp(&a->binding, &b->binding, sizeof(a->binding)) || a->binding_rc != b->binding_rc)
		complain("%s changed BINDING_INFO: %s/%s faults %llu/%llu pinned %llu/%llu", what,
			 name_of(a->binding_rc), name_of(b->binding_rc),
			 a->binding.out_faults, b->binding.out_faults,
			 a->binding.out_pinned, b->binding.out_pinned);
	if (memcmp(a->walk, b->walk, sizeof(a->walk)) ||
	    memcmp(a->walk_rc, b->walk_rc, sizeof(a->walk_rc)))
		complain("%s changed the tables", what);
}

/* The call gives @want; when that is an error, nothing has changed. */
static void judge(const struct call *c, unsigned long req, void *arg, int want,
		  const char *fault, unsigned long value)
{
	struct snapshot before, after;
	char what[128];
	int rc;

	snprintf(what, sizeof(what), "%s with %s %#lx", c->name, fault, value);
	take_snapshot(&before);
	if (without_caps)
		set_caps(without_caps);
	rc = do_ioctl(fd, req, arg);
	if (without_caps)
		set_caps(0);
	if (rc != want)
		complain("%s: %s, not %s", what, name_of(rc), name_of(want));
	if (!rc) {
		if (c->done)
			c->done(arg);
		return;
	}
	take_snapshot(&after);
	compare(what, &before, &after);
}

/* A good argument that ends @tail bytes before the end of what is readable. */
static void *good_at(const struct call *c, uint8_t *base, size_t tail)
{
	union {
		uint8_t bytes[512];
		uint32_t size;
	} arg = { .bytes = { 0 } };

	arg.size = c->size;
	c->prepare(&arg);
	memset(base, 0, PAGE);
	return memcpy(base + PAGE - c->size - tail, &arg, c->size);
}

static void *good(const struct call *c, size_t tail)
{
	return good_at(c, page, tail);
}

static void set_size(void *arg, uint32_t size) { *(uint32_t *)arg = size; }
static void set_flags(void *arg, uint32_t flags) { ((uint32_t *)arg)[1] = flags; }

/* Ends a test: told what it was. */
static void finish(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void finish(const char *fmt, ...)
{
	char text[200];
	va_list ap;
	int i;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tap_ok(!wrong, "%s", text);
	for (i = 0; i < wrong && i < (int)ARRAY_SIZE(complaints); i++)
		tap_diag("%s", complaints[i]);
	if (wrong > (int)ARRAY_SIZE(complaints))
		tap_diag("and %d more", wrong - (int)ARRAY_SIZE(complaints));
	wrong = 0;
}

/* ---- faults that the table gives ------------------------------------------- */

static void test_good(const struct call *c)
{
	void *arg = good(c, 0);

	judge(c, request(c), arg, 0, "nothing wrong, size", c->size);
	finish("%s: accepted as it should be", c->name);
}

static void test_sizes(const struct call *c)
{
	static const size_t tails[] = { 1, 4, 8, 64, 1000, 2048 };
	static const size_t places[] = { 0, 1, 7, 8, 63 };
	size_t size, i, j;
	uint8_t *arg;

	for (size = 0; size < min_size(c); size++) {
		arg = good(c, 0);
		set_size(arg, size);
		judge(c, request(c), arg, -EINVAL, "size", size);
	}
	finish("%s: every size from 0 to %zu refused with EINVAL", c->name, min_size(c) - 1);

	for (; size < c->size; size++) {
		arg = good(c, 0);
		set_size(arg, size);
		judge(c, request(c), arg, 0, "size", size);
	}
	if (c->min)
		finish("%s: sizes from that of its first version on will do", c->name);

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		arg = good(c, tails[i]);
		set_size(arg, c->size + tails[i]);
		judge(c, request(c), arg, 0, "a zero tail of", tails[i]);
		for (j = 0; j < tails[i]; j++)
			if (arg[c->size + j]) {
				complain("%s wrote into the tail", c->name);
				break;
			}
	}
	finish("%s: a longer structure with zeroes is accepted", c->name);

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		for (j = 0; j < ARRAY_SIZE(places) + 1; j++) {
			size_t place = j < ARRAY_SIZE(places) ? places[j] : tails[i] - 1;

			if (place >= tails[i])
				continue;
			arg = good(c, tails[i]);
			set_size(arg, c->size + tails[i]);
			arg[c->size + place] = 0x80;
			judge(c, request(c), arg, -E2BIG, "garbage in the tail at", place);
		}
	}
	finish("%s: a longer structure with garbage is refused with E2BIG", c->name);

	arg = good(c, 64);
	set_size(arg, 0xffffffff);
	arg[c->size] = 1;
	judge(c, request(c), arg, -E2BIG, "garbage and size", 0xffffffff);
	arg = good(c, 64);
	set_size(arg, 0xffffffff);
	judge(c, request(c), arg, -E2BIG, "zeroes up to a hole and size", 0xffffffff);
	arg = good(c, 64);
	set_size(arg, c->size + 65);
	judge(c, request(c), arg, -EFAULT, "a hole one byte before the end, size", c->size + 65);
	finish("%s: huge sizes are refused", c->name);
}

static void test_flags(const struct call *c)
{
	unsigned int bit;
	void *arg;

	for (bit = 0; bit < 32; bit++) {
		if (c->flags & (1u << bit))
			continue;
		arg = good(c, 0);
		set_flags(arg, 1u << bit);
		judge(c, request(c), arg, -EOPNOTSUPP, "flag", 1u << bit);
	}
	arg = good(c, 0);
	set_flags(arg, 0xffffffff);
	judge(c, request(c), arg, -EOPNOTSUPP, "flags", 0xffffffff);
	finish("%s: unknown flags are refused with EOPNOTSUPP", c->name);
}

static void test_reserved(const struct call *c)
{
	const struct field *f = &c->reserved;
	unsigned int bit;
	uint8_t *arg;

	if (!f->name)
		return;
	for (bit = 0; bit < f->size * 8; bit++) {
		arg = good(c, 0);
		arg[f->offset + bit / 8] = 1 << bit % 8;
		judge(c, request(c), arg, -EINVAL, "reserved bit", bit);
	}
	finish("%s: reserved bits are refused with EINVAL", c->name);
}

static void test_ids(const struct call *c)
{
	const struct field *f = &c->id;
	uint8_t *arg;
	size_t i;

	if (!f->name)
		return;
	for (i = 0; i < ARRAY_SIZE(f->bad); i++) {
		arg = good(c, 0);
		memcpy(arg + f->offset, &f->bad[i], f->size);
		judge(c, request(c), arg, -ENOENT, f->name, f->bad[i]);
	}
	finish("%s: a %s that does not exist is refused with ENOENT", c->name, f->name);
}

static void test_pointers(const struct call *c)
{
	static const uint64_t nowhere[] = {
		0, 8, 0xdead000, 0x7ffffffff000, 0xffff888000000000, 0xffffffff81000000,
		0x8000000000000000, 0xfffffffffffffff8,
	};
	uint8_t *arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		good(c, 0);
		judge(c, request(c), (void *)nowhere[i], -EFAULT, "pointer", nowhere[i]);
	}
	/* The end of the structure is in the hole behind the page. */
	for (i = 1; i < c->size; i += 3) {
		arg = good(c, 0);
		memmove(arg + i, arg, c->size - i);
		judge(c, request(c), arg + i, -EFAULT, "bytes missing:", i);
	}
	finish("%s: what cannot be read is refused with EFAULT", c->name);

	arg = good(c, 0);
	mprotect(page, PAGE, PROT_READ);
	judge(c, request(c), arg, c->out ? -EFAULT : 0, "an argument in read-only memory", 0);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	if (wrong)
		start_over();
	finish("%s: read-only memory %s", c->name,
	       c->out ? "is refused with EFAULT" : "will do, nothing is written");
}

static void test_caps(const struct call *c)
{
	void *arg = good(c, 0);

	without_caps = 1ULL << CAP_SYS_ADMIN;
	judge(c, request(c), arg, c->admin ? -EPERM : 0, "no capability", CAP_SYS_ADMIN);
	arg = good(c, 0);
	without_caps = ~0ULL;
	judge(c, request(c), arg, c->admin ? -EPERM : 0, "no capability at all", 0);
	arg = good(c, 0);
	without_caps = ~(1ULL << CAP_SYS_ADMIN);
	judge(c, request(c), arg, 0, "only capability", CAP_SYS_ADMIN);
	without_caps = 0;
	finish("%s: %s CAP_SYS_ADMIN, and no other", c->name, c->admin ? "needs" : "does not need");
}

static void test_compat(const struct call *c)
{
	uint8_t *arg;

	do_ioctl = compat_ioctl;
	arg = good_at(c, low_page, 0);
	judge(c, request(c), arg, 0, "a 32-bit caller, size", c->size);
	arg = good_at(c, low_page, 0);
	set_size(arg, min_size(c) - 1);
	judge(c, request(c), arg, -EINVAL, "a 32-bit caller, size", min_size(c) - 1);
	arg = good_at(c, low_page, 8);
	set_size(arg, c->size + 8);
	arg[c->size + 7] = 1;
	judge(c, request(c), arg, -E2BIG, "a 32-bit caller, garbage, size", c->size + 8);
	arg = good_at(c, low_page, 0);
	set_flags(arg, 1u << 31);
	judge(c, request(c), arg, -EOPNOTSUPP, "a 32-bit caller, flags", 1u << 31);
	good(c, 0);
	judge(c, request(c), NULL, -EFAULT, "a 32-bit caller, pointer", 0);
	do_ioctl = raw_ioctl;
	finish("%s: the same for a 32-bit caller", c->name);
}

static bool have_compat(void)
{
	/* getpid() */
	long rc = 20;

	asm volatile("int $0x80" : "+a"(rc) : : "memory", "cc", "r8", "r9", "r10", "r11");
	return rc == getpid();
}

static void test_unknown_ioctls(void)
{
	static const struct call none = { .name = "ioctl" };
	unsigned long nr;
	void *arg;
	size_t i;

	want_bound(true);
	memset(page, 0, PAGE);
	arg = page;
	set_size(arg, 64);
	for (nr = 0; nr < 256; nr++) {
		for (i = 0; i < ARRAY_SIZE(calls) && _IOC_NR(calls[i].nr) != nr; i++)
			;
		if (i < ARRAY_SIZE(calls))
			continue;
		judge(&none, _IO(VTDPASID_IOCTL_TYPE, nr), arg, -ENOTTY, "number", nr);
	}
	finish("numbers that are no ioctl are refused with ENOTTY");

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		arg = good(c, 0);
		judge(c, _IOC(_IOC_READ | _IOC_WRITE, VTDPASID_IOCTL_TYPE, _IOC_NR(c->nr), c->size),
		      arg, -ENOTTY, "request", _IOWR(VTDPASID_IOCTL_TYPE, _IOC_NR(c->nr), int));
		judge(c, _IO(VTDPASID_IOCTL_TYPE + 1, _IOC_NR(c->nr)), arg, -ENOTTY,
		      "type", VTDPASID_IOCTL_TYPE + 1);
		judge(c, request(c) | 0x40000000, arg, -ENOTTY, "direction", 0x40000000);
	}
	finish("another type, direction or size in the request number is refused with ENOTTY");
}

/* ---- by hand ----------------------------------------------------------------- */

/* @rc is @want, and nothing changed since the snapshot. */
static void check(int rc, int want, const struct snapshot *before, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void check(int rc, int want, const struct snapshot *before, const char *fmt, ...)
{
	struct snapshot after;
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (rc != want)
		complain("%s: %s, not %s", text, name_of(rc), name_of(want));
	if (before) {
		take_snapshot(&after);
		if (!before->unit.out_descriptors)
			forget_counts(&after);
		compare(text, before, &after);
	}
	finish("%s: %s", text, name_of(want));
}

/* One call between two looks at everything. */
#define REFUSED(call, want, ...) do {				\
	struct snapshot before_;				\
	int rc_;						\
								\
	take_snapshot(&before_);				\
	rc_ = (call);						\
	check(rc_, want, &before_, __VA_ARGS__);		\
} while (0)

static int attach_flags(const struct pci_func *f, uint32_t flags)
{
	struct vtdpasid_attach out;
	int rc = vt_attach(fd, f, flags, &out);

	if (!rc)
		vt_detach(fd, out.out_device);
	return rc;
}

static void test_order(void)
{
	struct vtdpasid_walk w;
	uint32_t check_why = 99, b;
	uint32_t old;

	want_taken(false);
	REFUSED(vt_handback(fd, 0), -ENOTCONN, "handback before takeover");
	REFUSED(attach_flags(&dev[0].func, 0), -ENOTCONN, "attach before takeover");
	REFUSED(vt_walk(fd, &dev[0].func, 0, 0, 0, &w), -ENOTCONN, "walk before takeover");
	REFUSED(vt_bind(fd, 1, 0, 0, NULL, NULL), -ENOENT, "bind before attach");
	want_held(false);
	REFUSED(vt_sync(fd, page, PAGE), -ENOENT, "sync without a binding");

	want_taken(true);
	REFUSED(vt_takeover(fd, 0, &check_why), -EALREADY, "takeover twice");
	tap_ok(check_why == VTDPASID_CHECK_NONE, "takeover twice: nothing is said to be missing");
	want_attached(true);
	REFUSED(vt_takeover(fd, 0, NULL), -EALREADY, "takeover while attached");
	REFUSED(vt_handback(fd, 0), -EBUSY, "handback while attached");
	REFUSED(attach_flags(&dev[0].func, 0), -EBUSY, "attach twice");
	REFUSED(vt_sync(fd, page, PAGE), -ENOENT, "sync before bind");
	want_bound(true);
	REFUSED(vt_handback(fd, 0), -EBUSY, "handback while bound");
	REFUSED(vt_bind(fd, device, 0, 0, &b, NULL), -EEXIST, "bind twice");
	REFUSED(vt_pasid_free(fd, pasid), -EBUSY, "PASID_FREE while bound");

	old = binding;
	want_bound(false);
	REFUSED(vt_unbind(fd, old), -ENOENT, "unbind twice");
	old = pasid;
	want_held(false);
	REFUSED(vt_pasid_free(fd, old), -ENOENT, "PASID_FREE twice");
	old = device;
	want_attached(false);
	REFUSED(vt_detach(fd, old), -ENOENT, "detach twice");
	REFUSED(vt_bind(fd, old, 0, 0, NULL, NULL), -ENOENT, "bind after detach");

	want_bound(true);
	old = binding;
	want_attached(true);
	check(vt_detach(fd, device), 0, NULL, "detach with a live binding");
	device = binding = 0;
	REFUSED(vt_unbind(fd, old), -ENOENT, "unbind after detach");
	want_held(false);
	want_taken(false);
	REFUSED(vt_handback(fd, 0), -ENOTCONN, "handback twice");
}

static void test_values(void)
{
	uint32_t p = 0, q = 0, limit;
	struct vtdpasid_unit_info unit;
	struct vtdpasid_get_info info;
	struct vtdpasid_walk w;
	int rc;

	want_bound(true);
	vt_get_info(fd, &info);
	limit = info.out_pasid_max;
	tap_ok(limit == 0xfffff, "20 bits of PASID: highest is %#x", limit);

	memset(&unit, 0xff, sizeof(unit));
	unit.size = sizeof(unit);
	unit.flags = 0;
	unit.unit = 0;
	rc = vt_ioctl(fd, VTDPASID_UNIT_INFO, &unit);
	tap_ok(!rc && !unit.out_reserved && !unit.out_reserved2,
	       "what is given out begins as zero, whatever the caller left there");

	REFUSED(vt_sync(fd, page, 0), -EINVAL, "sync of no bytes");
	REFUSED(vt_sync(fd, (void *)-4096L, 8192), -EOVERFLOW, "sync of a range that wraps");
	REFUSED(vt_sync(fd, (void *)0x7ffffffff000, 0x10000), -EOVERFLOW,
		"sync of a range that leaves the user half");
	REFUSED(vt_sync(fd, (void *)0xffff888000000000, 4096), -EOVERFLOW,
		"sync of kernel addresses");
	check(vt_sync(fd, (void *)0, 0x7ffffffff000), 0, NULL, "sync of the whole user half");

	REFUSED(vt_pasid_alloc(fd, 0, pasid + 1, 0, &p), -ENOTUNIQ,
		"PASID_ALLOC of a range without the PASID there is");
	REFUSED(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, limit + 1, 0, &p), -EOVERFLOW,
		"PASID_ALLOC beyond what units support");
	REFUSED(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 200, 100, &p), -EINVAL,
		"PASID_ALLOC of a range upside down");
	REFUSED(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, pasid, pasid, &p), -ENOSPC,
		"PASID_ALLOC of a number in use");

	check(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 5000, 5000, &p), 0, NULL,
	      "PASID_ALLOC of one number");
	tap_ok(p == 5000, "it is that number");
	REFUSED(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 5000, 5000, &q), -ENOSPC,
		"PASID_ALLOC of the same number again");
	REFUSED(vt_bind(fd, device, 0, 5000, NULL, NULL), -ENOTUNIQ,
		"bind with a second PASID for the same address space");
	REFUSED(vt_bind(fd, device, 0, 5001, NULL, NULL), -EACCES,
		"bind with a PASID that nobody reserved");
	REFUSED(vt_bind(fd, device, VTDPASID_BIND_NO_PASID, pasid, NULL, NULL), -EINVAL,
		"bind without PASID, with a PASID");
	check(vt_pasid_free(fd, 5000), 0, NULL, "PASID_FREE of a reserved number");
	REFUSED(vt_pasid_free(fd, 5000), -ENOENT, "PASID_FREE of it again");

	/* PIN and UNPIN, apart from what the table has */
	{
		struct vtdpasid_pin a = { .size = sizeof(a), .length = PAGE };
		struct vtdpasid_unpin u = { .size = sizeof(u) };

		a.addr = (uintptr_t)data + 8;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EINVAL, "PIN of an address inside a page");
		a.addr = (uintptr_t)data;
		a.length = PAGE + 1;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EINVAL, "PIN of a part of a page");
		a.length = 0;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EINVAL, "PIN of no bytes");
		a.length = VTDPASID_PIN_MAX + PAGE;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EFBIG, "PIN of too many bytes");
		a.length = PAGE;
		a.addr = 0xffff888000000000;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EOVERFLOW, "PIN of kernel addresses");
		a.addr = (uintptr_t)page + PAGE;
		REFUSED(vt_ioctl(fd, VTDPASID_PIN, &a), -EFAULT, "PIN of an address without memory");
		want_pinned(true);
		u.pin = pin;
		want_pinned(false);
		REFUSED(vt_ioctl(fd, VTDPASID_UNPIN, &u), -ENOENT, "UNPIN twice");
	}

	/* What a call cannot tell of must not stay. */
	{
		struct vtdpasid_pasid_alloc *a = good_at(&calls[7], page, 0);

		a->flags = VTDPASID_PASID_RESERVE;
		a->min = a->max = 7000;
		mprotect(page, PAGE, PROT_READ);
		rc = vt_ioctl(fd, VTDPASID_PASID_ALLOC, a);
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		check(rc, -EFAULT, NULL, "PASID_ALLOC of one number, into read-only memory");
		check(vt_pasid_free(fd, 7000), -ENOENT, NULL, "nothing was reserved by it");
		want_bound(true);
	}

	REFUSED(vt_walk(fd, &dev[0].func, VTDPASID_WALK_NEXT, 0xfffff, 0, &w), -ENOENT,
		"walk to the next entry behind the last");
	rc = vt_walk(fd, &dev[0].func, VTDPASID_WALK_NEXT, 1, (uintptr_t)page, &w);
	tap_ok(!rc && w.out_pasid == pasid && (w.out_valid & VTDPASID_WALK_FS) && w.out_levels == 4,
	   "walk to the next entry finds the binding (pasid %u, levels %u)", w.out_pasid, w.out_levels);
}

static void test_attach(void)
{
	struct pci_func port, plain, none = dev[0].func;
	struct vtdpasid_attach out;
	char path[100];
	int other;
	uint32_t b;

	want_held(false);
	want_attached(true);

	none.rid = 0x00f8 - 8;	/* 00:1e.0 */
	REFUSED(attach_flags(&none, 0), -ENODEV, "attach of a function that is not there");
	none.rid = 0xff00;
	REFUSED(attach_flags(&none, 0), -ENODEV, "attach of a function of a bus that is not there");
	none = dev[0].func;
	none.segment = 1;
	REFUSED(attach_flags(&none, 0), -ENODEV, "attach of a function of a segment that is not there");

	if (pci_by_name("0000:00:08.0", &port))
		fatal("no root port");
	REFUSED(attach_flags(&port, 0), -EISDIR, "attach of a bridge");

	if (pci_find(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID, &plain, 1) != 1)
		fatal("no plain test device");
	REFUSED(attach_flags(&plain, 0), -ENXIO, "attach of a function that nothing owns");

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", plain.name);
	if (write_file(path, "pci-stub") || write_file("/sys/bus/pci/drivers_probe", "%s", plain.name))
		fatal("pci-stub does not bind");
	REFUSED(attach_flags(&plain, 0), -EADDRINUSE, "attach of a function that is userspace's");
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/pci-stub/unbind");
	write_file(path, "%s", plain.name);

	if (pci_claim(&plain))
		fatal("the plain test device cannot be claimed");
	REFUSED(attach_flags(&plain, VTDPASID_ATTACH_ATS), -EPROTONOSUPPORT,
		"attach with ATS of a function without it");
	REFUSED(attach_flags(&plain, VTDPASID_ATTACH_PRI), -EINVAL, "attach with PRI, without ATS");
	if (vt_attach(fd, &plain, 0, &out))
		fatal("the plain test device cannot be attached");
	tap_ok(out.out_pasid_max == 0 && out.out_state == VTDPASID_DEVICE_CLAIMED,
	   "a function without PASID says so (max %u, state %#x)", out.out_pasid_max, out.out_state);
	REFUSED(vt_bind(fd, out.out_device, 0, 0, NULL, NULL), -EPROTONOSUPPORT,
		"bind with PASID of a function without it");
	check(vt_bind(fd, out.out_device, VTDPASID_BIND_NO_PASID, 0, &b, NULL), 0, NULL,
	      "bind without PASID");
	REFUSED(vt_bind(fd, out.out_device, VTDPASID_BIND_NO_PASID, 0, NULL, NULL), -EEXIST,
		"bind without PASID twice");
	check(vt_unbind(fd, b), 0, NULL, "unbind without PASID");

	other = must_open();
	REFUSED(vt_attach(other, &plain, 0, &out), -EBUSY, "attach what another file has attached");
	close(other);
	vt_detach(fd, out.out_device);
	pci_release(&plain);

	want_attached(false);
	without_caps = 1ULL << CAP_SYS_RAWIO;
	set_caps(without_caps);
	{
		int rc = vt_attach(fd, &dev[0].func, VTDPASID_ATTACH_ATS, &out);

		set_caps(0);
		without_caps = 0;
		check(rc, -EPERM, NULL, "attach with ATS, without CAP_SYS_RAWIO");
		if (!rc)
			vt_detach(fd, out.out_device);
	}
}

/* Another process with the file: what it may, and what not. */
static int stranger(int sock, void *arg)
{
	uint32_t what[2] = { 0 }, mine = 0;
	int32_t rc[6];

	(void)arg;
	if (msg_recv(sock, what, sizeof(what), 10000) != sizeof(what))
		return 1;
	rc[0] = vt_unbind(fd, what[0]);
	rc[1] = vt_pasid_free(fd, what[1]);
	rc[2] = vt_bind(fd, device, 0, what[1], NULL, NULL);
	rc[3] = vt_sync(fd, page, PAGE);
	rc[4] = vt_pasid_alloc(fd, 0, 0, 0, &mine);
	rc[5] = mine;
	msg_send(sock, rc, sizeof(rc));
	/* Told again when the owner is gone. */
	if (msg_recv(sock, what, sizeof(what), 10000) == sizeof(what)) {
		rc[0] = vt_unbind(fd, what[0]);
		rc[1] = vt_pasid_free(fd, mine);
		msg_send(sock, rc, sizeof(rc));
	}
	return 0;
}

/* A process that binds itself through the inherited file and then ends. */
static int short_life(int sock, void *arg)
{
	uint32_t what[2];
	int32_t rc;

	(void)arg;
	rc = vt_bind(fd, device, 0, 0, &what[0], &what[1]);
	if (rc)
		what[0] = what[1] = 0;
	msg_send(sock, what, sizeof(what));
	msg_recv(sock, &rc, sizeof(rc), 10000);
	return 0;
}

static void test_strangers(void)
{
	uint32_t what[2], dead[2];
	struct snapshot before;
	struct child c, owner;
	int32_t rc[6] = { 0 };
	int other, status;
	uint32_t p;

	want_bound(true);
	take_snapshot(&before);
	forget_counts(&before);
	if (child_start(&c, stranger, NULL))
		fatal("no child");
	what[0] = binding;
	what[1] = pasid;
	msg_send(c.sock, what, sizeof(what));
	if (msg_recv(c.sock, rc, sizeof(rc), 10000) != sizeof(rc))
		fatal("the child does not answer");
	check(rc[0], -EACCES, NULL, "unbind of another process's binding through an inherited file");
	check(rc[1], -EACCES, NULL, "PASID_FREE of another process's PASID through an inherited file");
	check(rc[2], -EACCES, NULL, "bind with another process's PASID through an inherited file");
	check(rc[3], -ENOENT, NULL, "sync by a process that is not bound");
	check(rc[4], 0, &before, "PASID_ALLOC by another process");
	tap_ok(rc[5] && (uint32_t)rc[5] != pasid, "it got a PASID of its own");

	/* A binding whose process has ended is anybody's to remove. */
	if (child_start(&owner, short_life, NULL) ||
	    msg_recv(owner.sock, dead, sizeof(dead), 10000) != sizeof(dead))
		fatal("no second child");
	tap_ok(dead[0] && dead[1] != pasid, "another process binds itself through an inherited file");
	REFUSED(vt_unbind(fd, dead[0]), -EACCES, "unbind of its binding by us");
	REFUSED(vt_pasid_free(fd, dead[1]), -EACCES, "PASID_FREE of its PASID by us");
	child_kill(&owner, SIGKILL);
	status = child_wait(&owner, 10000);
	tap_ok(WIFSIGNALED(status), "it was killed");
	what[0] = dead[0];
	msg_send(c.sock, what, sizeof(what));
	if (msg_recv(c.sock, rc, sizeof(rc), 10000) != sizeof(rc))
		fatal("the child does not answer");
	check(rc[0], 0, NULL, "unbind of a dead process's binding by a third one");
	check(rc[1], 0, NULL, "PASID_FREE of one's own");
	child_wait(&c, 10000);
	check(vt_pasid_free(fd, dead[1]), 0, &before, "PASID_FREE of a dead process's PASID");

	/* Ids mean nothing in another file. */
	other = must_open();
	REFUSED(vt_unbind(other, binding), -ENOENT, "unbind of another file's binding");
	REFUSED(vt_detach(other, device), -ENOENT, "detach of another file's device");
	REFUSED(vt_bind(other, device, 0, 0, NULL, NULL), -ENOENT, "bind to another file's device");
	REFUSED(vt_pasid_free(other, pasid), -ENOENT, "PASID_FREE of another file's PASID");
	REFUSED(vt_sync(other, page, PAGE), -ENOENT, "sync in a file without a binding");
	{
		struct vtdpasid_device_info info;

		REFUSED(vt_device_info(other, device, &info), -ENOENT,
			"DEVICE_INFO of another file's device");
	}
	p = 0;
	check(vt_pasid_alloc(other, 0, 0, 0, &p), 0, NULL, "PASID_ALLOC in another file");
	tap_ok(p == pasid, "it is the same PASID");
	want_held(false);
	check(vt_pasid_alloc(fd, 0, 0, 0, &p), 0, NULL, "PASID_ALLOC while only the other file held it");
	tap_ok(p && p == ({ uint32_t q = 0; vt_pasid_alloc(other, 0, 0, 0, &q); q; }),
	   "it is still the same PASID");
	pasid = p;
	check(vt_pasid_alloc(other, VTDPASID_PASID_RESERVE, 6000, 6000, &p), 0, NULL,
	      "a number reserved by another file");
	want_held(false);
	vt_pasid_free(other, pasid);
	REFUSED(vt_bind(fd, device, 0, 6000, NULL, NULL), -EACCES,
		"bind with a number that another file reserved");
	REFUSED(vt_pasid_free(fd, 6000), -ENOENT, "PASID_FREE of a number that another file reserved");
	close(other);
	check(vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 6000, 6000, &p), 0, NULL,
	      "that number is free when the other file is closed, and was not given out since");
	check(vt_bind(fd, device, 0, 6000, &binding, &pasid), 0, NULL,
	      "bind with a reserved number makes it the address space's");
	tap_ok(pasid == 6000, "and is told so");
	want_held(false);
}

static int hoard(int sock, void *arg)
{
	int32_t n = 0, rc;
	uint32_t p;

	(void)arg;
	if (setgid(65534) || setuid(65534))
		return 1;
	while (!(rc = vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 0, 0, &p)) && n < 100000)
		n++;
	msg_send(sock, (int32_t[]){ n, rc }, 8);
	return 0;
}

static void test_quota(void)
{
	long limit = read_number("/sys/module/vtdpasid/parameters/user_pasids");
	struct snapshot before, after;
	int32_t got[2] = { 0 };
	struct child c;
	int keep = fd;

	want_attached(true);
	want_held(false);
	take_snapshot(&before);
	fd = must_open();
	if (child_start(&c, hoard, NULL) ||
	    msg_recv(c.sock, got, sizeof(got), 60000) != sizeof(got))
		fatal("the child does not answer");
	child_wait(&c, 10000);
	close(fd);
	fd = keep;
	take_snapshot(&after);
	forget_counts(&before);
	forget_counts(&after);
	compare("hoarding PASIDs", &before, &after);
	if (got[1] != -EDQUOT || got[0] != limit)
		complain("%d reserved, limit %ld, then %s", got[0], limit, name_of(got[1]));
	finish("a user cannot reserve more than user_pasids: EDQUOT");
}

static void test_events(void)
{
	struct vtdpasid_event ev[3];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t word = 0;
	ssize_t n;
	int i;

	want_bound(true);
	svat_reset(&dev[0]);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	vt_events_drop(fd);
	n = read(fd, ev, sizeof(ev[0]));
	tap_ok(n < 0 && errno == EAGAIN, "read() without an event, O_NONBLOCK: EAGAIN");
	tap_ok(poll(&p, 1, 0) == 0, "poll() says the same");
	for (i = 0; i < 2; i++) {
		size_t size = i ? sizeof(ev[0]) - 1 : 0;

		n = read(fd, ev, size);
		tap_ok(n < 0 && errno == EINVAL, "read() of %zu bytes: EINVAL", size);
	}

	/* B's table is not there at all; A reads with a PASID that nobody has. */
	if (svat_read64(&dev[0], 0, pasid + 1, page, &word) == SVAT_ST_OK)
		fatal("a PASID that nobody has was translated");
	tap_ok(poll(&p, 1, 5000) == 1 && (p.revents & POLLIN), "poll() tells of a fault");
	n = read(fd, ev, sizeof(ev[0]) - 1);
	tap_ok(n < 0 && errno == EINVAL, "read() of too few bytes with an event waiting: EINVAL");
	n = read(fd, (void *)0xdead000, sizeof(ev));
	tap_ok(n < 0 && errno == EFAULT, "read() to nowhere: EFAULT");
	n = read(fd, page + PAGE - 16, sizeof(ev));
	tap_ok(n < 0 && errno == EFAULT, "read() to a buffer that ends too early: EFAULT");
	memset(ev, 0xee, sizeof(ev));
	n = read(fd, ev, sizeof(ev) - 1);
	tap_ok(n == sizeof(ev[0]) && ev[0].type == VTDPASID_EVENT_FAULT && ev[0].size == sizeof(ev[0]) &&
	   ev[0].rid == dev[0].func.rid && ev[0].device == device && !ev[0].lost && !ev[0].reserved,
	   "the event is still there, and whole (%zd bytes, type %u)", n, ev[0].type);
	tap_ok(ev[1].size == 0xeeeeeeee, "nothing was written behind it");
	n = write(fd, ev, sizeof(ev[0]));
	tap_ok(n < 0 && errno == EINVAL, "write(): EINVAL");
	tap_ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV,
	   "mmap(): ENODEV");
	vt_events_drop(fd);
}

/* ------------------------------------------------------------------------------ */

static void open_devices(void)
{
	struct pci_func f[NR_DEVICES];
	int i;

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, NR_DEVICES) != NR_DEVICES)
		fatal("test devices are missing");
	for (i = 0; i < NR_DEVICES; i++)
		if (pci_claim(&f[i]) || svat_open(&dev[i], &f[i]))
			fatal("%s cannot be had", f[i].name);
}

int main(void)
{
	bool compat = have_compat();
	struct snapshot before, after;
	size_t i;

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	low_page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (page == MAP_FAILED || low_page == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	data = must_map(PAGE);
	munmap(page + PAGE, PAGE);
	munmap(low_page + PAGE, PAGE);
	fd = must_open();
	open_devices();
	want_taken(true);
	take_snapshot(&before);

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		test_good(c);
		test_sizes(c);
		test_flags(c);
		test_reserved(c);
		test_ids(c);
		test_pointers(c);
		test_caps(c);
		if (compat)
			test_compat(c);
		else
			tap_skip(1, "%s: no 32-bit system calls on this kernel", c->name);
	}
	test_unknown_ioctls();
	test_order();
	test_values();
	test_attach();
	test_strangers();
	test_quota();
	test_events();

	want_held(false);
	want_attached(false);
	want_taken(true);
	take_snapshot(&after);
	tap_ok(before.unit.out_gsts == after.unit.out_gsts && !after.unit.out_devices &&
	       before.walk[0].out_valid == after.walk[0].out_valid &&
	       before.walk[2].out_valid == after.walk[2].out_valid &&
	       !after.walk[0].out_context[0] && !after.walk[2].out_context[0],
	       "all is as it was at the beginning");
	want_taken(false);
	return tap_done();
}
