// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_many.c - 300 address spaces on one device, and a directory that grows
 *
 * All while the loop engine works for the first of them, without one failure.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

#define MS	60000
#define MANY	300
#define HIGH	40000

static struct bed bed;
static struct svat *dev;
static uint64_t *page;		/* same address in every process */

struct told {
	int rc;
	uint32_t pasid;
	uint32_t binding;
	uint64_t secret;
	uint64_t phys;
};

struct wish {
	uint32_t pasid;		/* 0: its own */
	uint64_t secret;
};

/* Binds, waits for a word, tells what its page holds then, unbinds. */
static int tenant(int sock, void *arg)
{
	struct wish *wish = arg;
	struct told t = { 0 };
	char go;

	page[0] = t.secret = wish->secret;
	page[1] = 0;
	t.rc = vt_bind(bed.fd, bed.id[0], 0, wish->pasid, &t.binding, &t.pasid);
	t.phys = phys_of(page);
	msg_send(sock, &t, sizeof(t));
	if (msg_recv(sock, &go, 1, 10 * MS) != 1)
		return 1;
	t.secret = page[1];
	t.rc = vt_unbind(bed.fd, t.binding);
	msg_send(sock, &t, sizeof(t));
	return 0;
}

static struct svat_loop loop_start_look;

static void loop_begin(uint32_t pasid)
{
	svat_loop_read(dev, 7, pasid, page, page[0]);
	svat_loop_rounds(dev, 7, 5);
	svat_loop_look(dev, 7, &loop_start_look);
}

static void loop_end(const char *what)
{
	struct svat_loop l;

	svat_loop_rounds(dev, 7, 5);
	svat_loop_stop(dev, 7, &l);
	tap_ok(!l.failed && l.ok > loop_start_look.ok && l.matches == l.ok,
	       "%s: %llu reads in the loop, none failed (%llu), all true", what,
	       (unsigned long long)l.ok, (unsigned long long)l.failed);
}

static void many(uint32_t mine)
{
	static struct child c[MANY];
	static struct told t[MANY];
	static bool taken[1 << 20];
	struct vtdpasid_device_info info;
	int i, n = 0, bound = 0, unique = 0, seen = 0, written = 0, ended = 0, gone = 0, exits = 0;
	uint64_t faults = bed_faults(&bed, 0), val, buf[2];
	uint32_t top = 0;
	struct wish w = { 0 };

	taken[0] = taken[mine] = true;
	loop_begin(mine);
	for (i = 0; i < MANY; i++) {
		w.secret = pattern_word(900, i);
		if (child_start(&c[i], tenant, &w))
			break;
		n++;
		t[i].rc = -EPIPE;
		msg_recv(c[i].sock, &t[i], sizeof(t[i]), MS);
		bound += !t[i].rc;
		if (t[i].rc)
			continue;
		unique += !taken[t[i].pasid];
		taken[t[i].pasid] = true;
		if (t[i].pasid > top)
			top = t[i].pasid;
	}
	tap_is(n, MANY, "%d processes", MANY);
	tap_is(bound, MANY, "are bound to one device, all at once");
	tap_is(unique, MANY, "each by a PASID of its own, the highest %u", top);
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_is(info.out_bindings, MANY + 1, "DEVICE_INFO: bindings");
	tap_is(info.out_dir_entries, 512, "DEVICE_INFO: directory entries");
	tap_ok(info.out_leaves >= (MANY + 63) / 64 && info.out_leaves <= top / 64 + 1,
	       "DEVICE_INFO: %u leaves", info.out_leaves);

	for (i = 0; i < n; i++) {
		seen += !svat_read(dev, i % 7, t[i].pasid, (uintptr_t)page, buf, 8) &&
			buf[0] == pattern_word(900, i);
		written += !svat_write64(dev, i % 7, t[i].pasid, page + 1, pattern_word(901, i));
	}
	tap_is(seen, MANY, "by each PASID the device reads that process's secret");
	tap_is(written, MANY, "and writes to its page");
	for (i = 0, seen = 0; i < n; i++) {
		struct vtdpasid_walk walk;

		if (!vt_walk(bed.fd, &dev->func, 0, t[i].pasid, (uintptr_t)page, &walk) &&
		    walk.out_valid == 0x1f && walk.out_levels == 4 &&
		    (walk.out_fs[3] & 0x000ffffffffff000ULL) == (t[i].phys & ~(PAGE - 1)))
			seen++;
	}
	tap_is(seen, MANY, "WALK finds that page behind each PASID");
	/* WALK_NEXT meets all of them, in order, once. */
	{
		struct vtdpasid_walk walk;
		uint32_t from = 1, count = 0, bad = 0;

		while (!vt_walk(bed.fd, &dev->func, VTDPASID_WALK_NEXT, from, 0, &walk)) {
			if (walk.out_pasid < from || walk.out_pasid >> 20 ||
			    !taken[walk.out_pasid] || count > 2 * MANY) {
				bad++;
				break;
			}
			count++;
			from = walk.out_pasid + 1;
		}
		tap_ok(count == MANY + 1 && !bad, "WALK_NEXT meets %u entries", count);
	}

	/* Every other one unbinds; the rest must not notice. */
	for (i = 0; i < n; i += 2) {
		struct told u = { .rc = -EPIPE };

		msg_send(c[i].sock, "", 1);
		msg_recv(c[i].sock, &u, sizeof(u), MS);
		ended += !u.rc && u.secret == pattern_word(901, i);
		gone += svat_read64(dev, 0, t[i].pasid, page, &val) == SVAT_ST_DMA_ERROR;
		exits += child_wait(&c[i], MS) == 0;
	}
	tap_is(ended, MANY / 2, "every other one saw what the device wrote, and unbinds");
	tap_is(gone, MANY / 2, "the device does not reach it any more");
	for (i = 1, seen = 0; i < n; i += 2)
		seen += !svat_read64(dev, 0, t[i].pasid, page, &val) &&
			val == pattern_word(900, i);
	tap_is(seen, MANY / 2, "the others are still within reach");
	/* The rest just ends. */
	for (i = 1, gone = 0; i < n; i += 2) {
		child_kill(&c[i], 9);
		child_wait(&c[i], MS);
		gone += svat_read64(dev, 0, t[i].pasid, page, &val) == SVAT_ST_DMA_ERROR &&
			!vt_unbind(bed.fd, t[i].binding);
		exits++;
	}
	tap_is(gone, MANY / 2, "until they are killed");
	tap_is(exits, MANY, "all have ended");
	for (i = 0, n = 0; i < MANY; i++)
		n += !vt_pasid_free(bed.fd, t[i].pasid);
	tap_is(n, MANY, "all PASIDs are freed");
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_is(info.out_bindings, 1, "DEVICE_INFO: one binding is left");
	tap_is(info.out_leaves, 1, "DEVICE_INFO: empty leaves are given back");
	loop_end("meanwhile, for the first process");
	tap_diag("%llu faults, of requests by PASIDs that were gone",
		 (unsigned long long)(bed_faults(&bed, 0) - faults));
	vt_events_drop(bed.fd);
}

/* Larger directories: the loop engine works on through each step. */
static void grows(uint32_t mine)
{
	static const uint32_t low[] = { HIGH, 70000, 140000, 300000, 600000 };
	struct vtdpasid_device_info before, info;
	struct vtdpasid_get_info gi;
	uint32_t reserved = 0, i;
	struct wish w;
	struct child c;
	struct told t;
	uint64_t val, faults;
	char go = 0;
	int st;

	vt_get_info(bed.fd, &gi);
	tap_diag("highest PASID %u, of the device %u", gi.out_pasid_max, bed.info[0].out_pasid_max);
	for (i = 0; i < ARRAY_SIZE(low); i++) {
		if (low[i] > gi.out_pasid_max) {
			tap_skip(1, "the unit has no PASID %u", low[i]);
			continue;
		}
		vt_device_info(bed.fd, bed.id[0], &before);
		tap_rc(vt_pasid_alloc(bed.fd, VTDPASID_PASID_RESERVE, low[i], 0, &reserved), 0,
		       "a PASID from %u on is reserved", low[i]);
		tap_is(reserved, low[i], "it is that one");
		tap_is(svat_read64(dev, 0, reserved, page, &val), SVAT_ST_DMA_ERROR,
		       "the device reaches nothing by it");
		/* Two records at once: give the first time to be read. */
		sleep_ms(300);
		faults = bed_faults(&bed, 0);
		loop_begin(mine);
		w.pasid = reserved;
		w.secret = pattern_word(902, i);
		child_start(&c, tenant, &w);
		t.rc = -EPIPE;
		msg_recv(c.sock, &t, sizeof(t), MS);
		tap_ok(!t.rc && t.pasid == reserved, "a fresh process binds with %u (%s)", reserved,
		       strerror(-t.rc));
		vt_device_info(bed.fd, bed.id[0], &info);
		tap_ok(info.out_dir_entries > before.out_dir_entries &&
		       info.out_dir_entries > reserved / 64 && info.out_dir_entries <= 16384,
		       "the directory grew from %u to %u entries", before.out_dir_entries,
		       info.out_dir_entries);
		tap_is(info.out_leaves, before.out_leaves + 1, "and has one leaf more");
		st = svat_read64(dev, 0, reserved, page, &val);
		tap_ok(!st && val == w.secret, "the device reads its secret (%s)", svat_status(st));
		st = svat_write64(dev, 0, reserved, page + 1, ~w.secret);
		st |= svat_read64(dev, 0, mine, page, &val);
		tap_ok(!st && val == page[0], "and ours");
		sleep_ms(100);
		tap_is(bed_faults(&bed, 0) - faults, 0, "without a fault");
		msg_send(c.sock, &go, 1);
		msg_recv(c.sock, &t, sizeof(t), MS);
		tap_ok(!t.rc && t.secret == ~w.secret, "it saw what the device wrote, and unbinds");
		tap_is(svat_read64(dev, 0, reserved, page, &val), SVAT_ST_DMA_ERROR,
		       "then the device reaches nothing by it");
		tap_is(child_wait(&c, MS), 0, "it exits");
		loop_end("meanwhile, for the first process");
		tap_rc(vt_pasid_free(bed.fd, reserved), 0, "PASID_FREE");
		vt_events_drop(bed.fd);
	}
	tap_rc(vt_pasid_alloc(bed.fd, VTDPASID_PASID_RESERVE, gi.out_pasid_max, gi.out_pasid_max,
			      &reserved), 0, "the highest PASID of all is reserved");
	tap_rc(vt_pasid_alloc(bed.fd, VTDPASID_PASID_RESERVE, gi.out_pasid_max, gi.out_pasid_max,
			      &i), ENOSPC, "once");
	w.pasid = reserved;
	w.secret = 5;
	child_start(&c, tenant, &w);
	t.rc = -EPIPE;
	msg_recv(c.sock, &t, sizeof(t), MS);
	st = svat_read64(dev, 0, reserved, page, &val);
	tap_ok(!t.rc && !st && val == 5, "and works (%s)", svat_status(st));
	msg_send(c.sock, &go, 1);
	child_wait(&c, MS);
	tap_rc(vt_pasid_free(bed.fd, reserved), 0, "PASID_FREE");
	tap_rc(vt_pasid_alloc(bed.fd, VTDPASID_PASID_RESERVE, gi.out_pasid_max + 1, 0, &i),
	       EOVERFLOW, "there is none above it");
}

int main(void)
{
	uint32_t binding = 0, pasid = 0;
	struct vtdpasid_get_info gi;

	use_cpu(0);
	bed_open(&bed, 1, 1);
	dev = &bed.dev[0];
	page = must_map(PAGE);
	page[0] = 0xf1757;
	if (!tap_rc(vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid), 0, "BIND"))
		return tap_done();
	vt_get_info(bed.fd, &gi);
	many(pasid);
	grows(pasid);
	tap_rc(vt_unbind(bed.fd, binding), 0, "UNBIND");
	bed_close(&bed);
	return tap_done();
}
