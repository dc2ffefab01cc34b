// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_tracefs.c - trace events: one for each step, with the values that the steps
 * had, and none when they are off
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "svalib.h"

#define TRACING	"/sys/kernel/tracing/"
#define EVENTS	TRACING "events/vtdpasid/"

static char trace[4 << 20];

static void must_write(const char *path, const char *text)
{
	int rc = write_file(path, "%s", text);

	if (rc)
		fatal("%s: %s", path, strerror(-rc));
}

/* All that was recorded, line by line. */
static void trace_read(void)
{
	ssize_t n, size = 0;
	int fd = open(TRACING "trace", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fatal("trace: %s", strerror(errno));
	while ((n = read(fd, trace + size, sizeof(trace) - 1 - size)) > 0)
		size += n;
	trace[size] = 0;
	close(fd);
}

static void trace_clear(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		fatal("trace: %s", strerror(errno));
	close(fd);
}

/* How many lines have this text at their end. */
static unsigned int count(const char *text)
{
	unsigned int n = 0;
	const char *p;

	for (p = trace; (p = strstr(p, text)); p++)
		n += p[strlen(text)] == '\n';
	return n;
}

static void once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void once(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tap_is(count(text), 1, "once: %s", text);
}

/* Batches and the descriptors in them, and whether one is of @kind. */
static unsigned int batches(unsigned int *descriptors, const char *kind, bool *found)
{
	const char *p, *head = "vtdp_invalidate: unit=0 descriptors=";
	unsigned int n = 0;
	char kinds[100];

	*descriptors = 0;
	*found = false;
	for (p = trace; (p = strstr(p, head)); n++) {
		unsigned int d = 0;

		p += strlen(head);
		if (sscanf(p, "%u kinds=%99s", &d, kinds) == 2)
			*found |= strstr(kinds, kind) != NULL;
		*descriptors += d;
	}
	return n;
}

static void fields(const char *event, const char *names)
{
	char path[100], format[4096], list[200], want[32], *name;

	snprintf(path, sizeof(path), EVENTS "%s/format", event);
	if (read_file(path, format, sizeof(format)) <= 0) {
		tap_fail("%s: a format", event);
		return;
	}
	snprintf(list, sizeof(list), "%s", names);
	for (name = strtok(list, " "); name; name = strtok(NULL, " ")) {
		snprintf(want, sizeof(want), " %s;", name);
		if (!strstr(format, want))
			break;
	}
	tap_ok(!name, "%s has the fields %s (%s)", event, names, name ? name : "all");
}

static void test_formats(void)
{
	static const char * const events[][2] = {
		{ "vtdp_takeover", "unit segment" },
		{ "vtdp_handback", "unit segment" },
		{ "vtdp_attach", "unit segment rid pasid_max" },
		{ "vtdp_detach", "unit segment rid pasid_max" },
		{ "vtdp_bind", "unit segment rid pasid did pid" },
		{ "vtdp_unbind", "unit segment rid pasid did pid" },
		{ "vtdp_invalidate", "unit descriptors kinds" },
		{ "vtdp_page_request", "unit segment rid pasid addr write group last" },
		{ "vtdp_page_response", "unit segment rid pasid group code" },
		{ "vtdp_fault", "unit segment rid pasid addr flags reason" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		fields(events[i][0], events[i][1]);
}

/* What the unit counted is what was traced: no batch was missed. */
static void test_batches(int fd)
{
	struct vtdpasid_unit_info u;
	unsigned int n, descriptors;
	bool found;

	if (vt_unit_info(fd, 0, &u))
		fatal("UNIT_INFO");
	trace_read();
	n = batches(&descriptors, "piotlb", &found);
	tap_is(n, u.out_doorbells, "a batch traced for each doorbell");
	tap_is(descriptors, u.out_descriptors, "and all descriptors in them");
	tap_ok(found, "PASID-based IOTLB invalidations among them");
	batches(&descriptors, "response", &found);
	tap_ok(found, "page group responses among them");
}

int main(void)
{
	volatile uint64_t *fresh = must_map_fresh(PAGE, PROT_READ | PROT_WRITE);
	volatile uint64_t *hole = must_map_fresh(PAGE, PROT_NONE);
	struct vtdpasid_event ev;
	uint32_t binding, pasid;
	const char *name;
	struct bed bed;
	void *page;

	if (access(TRACING "events", F_OK))
		tap_skip_all("this kernel has no tracefs");
	if (!tap_is(access(EVENTS "enable", F_OK), 0, "the module has trace events"))
		return tap_done();
	test_formats();
	trace_clear();
	must_write(EVENTS "enable", "1");

	bed_open_flags(&bed, 1, 1, ATS | PRI);
	name = bed.dev[0].func.name;
	if (vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid))
		fatal("bind");
	page = must_map(PAGE);
	munmap(page, PAGE);
	tap_is(sva_request(&bed.dev[0], 0, pasid, SVAT_F_LPIG | SVAT_F_WRITE, fresh, 5), 0,
	       "a page is served");
	tap_is(sva_request(&bed.dev[0], 0, pasid, SVAT_F_LPIG | SVAT_F_WRITE, hole, 6), 1,
	       "another is refused");
	tap_is(svat_fault(bed.fd, &bed.dev[0], 0, pasid, (uintptr_t)hole, true, &ev), 0, "a fault");
	test_batches(bed.fd);
	tap_is(vt_unbind(bed.fd, binding), 0, "unbind");
	tap_is(vt_detach(bed.fd, bed.id[0]), 0, "detach");
	tap_is(vt_handback(bed.fd, 0), 0, "handback");

	trace_read();
	once("vtdp_takeover: unit=0 segment=0000");
	once("vtdp_attach: unit=0 function=%s pasid_max=%u", name, bed.info[0].out_pasid_max);
	once("vtdp_bind: unit=0 function=%s pasid=%u did=1 pid=%d", name, pasid, getpid());
	once("vtdp_page_request: unit=0 function=%s pasid=%u addr=%#lx write group=5 last=1",
	     name, pasid, (long)fresh);
	once("vtdp_page_response: unit=0 function=%s pasid=%u group=5 code=success", name, pasid);
	once("vtdp_page_response: unit=0 function=%s pasid=%u group=6 code=invalid", name, pasid);
	once("vtdp_fault: unit=0 function=%s pasid=%u addr=%#lx write reason=%#x", name, pasid,
	     (long)hole, ev.reason);
	once("vtdp_unbind: unit=0 function=%s pasid=%u did=1 pid=%d", name, pasid, getpid());
	once("vtdp_detach: unit=0 function=%s pasid_max=%u", name, bed.info[0].out_pasid_max);
	once("vtdp_handback: unit=0 segment=0000");

	must_write(EVENTS "enable", "0");
	trace_clear();
	close(must_take_unit());
	trace_read();
	tap_ok(!strstr(trace, "vtdp_"), "off: nothing is recorded");
	svat_close(&bed.dev[0]);
	pci_release(&bed.dev[0].func);
	close(bed.fd);
	return tap_done();
}
