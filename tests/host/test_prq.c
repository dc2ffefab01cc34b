// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_prq.c - page requests through the model: each group has one answer, to
 * whom it belongs, and none is left when a binding or an attachment has ended
 *
 * world_prq.c judges all that; here is what chance would seldom bring.
 */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)
#define KERNEL	0xffff888000000000ull
#define RAW0(rid, pasid) (1 | 1ull << 8 | (u64)(pasid) << 32 | (u64)(rid) << 16)
#define R	1ull
#define W	2ull
#define LAST	4ull
#define GROUP(g) ((u64)(g) << 3)
#define EXEC	(1ull << 52)
#define PRIV	(1ull << 53)

static struct wfn *fn;
static u32 pasid;
static struct { unsigned int count, code; u16 rid, group; u32 pasid; bool pp; } got;

static void seen(unsigned int unit, u16 rid, bool pp, u32 p, u16 group, unsigned int code)
{
	got.count++;
	got.code = code;
	got.rid = rid;
	got.group = group;
	got.pasid = p;
	got.pp = pp;
}

static void begin(void)
{
	world_start_simple(W_CAP, W_ECAP, 1);
	conduct.lazy = 2;
	w_takeover(0);
	w_open(0);
	fn = w_fn(0, F_CLAIMED);
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	umm_map(w.proc[0], VA(1), PAGE_SIZE, false, false);
	if (w_attach(0, fn, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI) ||
	    w_bind(0, fn, w.proc[0], false, 0, &pasid))
		fail_rule("setup", "attach and bind");
}

static void end(const char *what)
{
	world_stop();
	tap_clean("%s", what);
}

/* Let the reader and the servers do what they have to. */
static void serve(void)
{
	for (int i = 0; i < 40; i++) {
		model_activity();
		shim_run_work();
		co_finish();
	}
}

static void good_and_bad(void)
{
	begin();
	w_request(fn, pasid, VA(0), true, true, 1);
	serve();
	tap_ok(w.answered[0] == 1 && !w_unanswered(fn), "a page that is there: success");
	w_request(fn, pasid, VA(1), true, true, 1);
	serve();
	tap_ok(w.answered[1] == 1, "a write to a page that is read-only: invalid");
	w_request(fn, pasid, VA(9), false, true, 1);
	serve();
	tap_ok(w.answered[1] == 2, "no mapping: invalid");
	w_request(fn, pasid, KERNEL, false, true, 1);
	serve();
	tap_ok(w.answered[1] == 3, "a kernel address: invalid");
	w_request(fn, pasid, 1ull << 47, false, true, 1);
	serve();
	tap_ok(w.answered[1] == 4, "the first address above the user half: invalid");
	w_request(fn, pasid + 1, VA(0), false, true, 1);
	serve();
	tap_ok(w.answered[1] == 5, "a PASID that nothing is bound to: invalid");
	w_request(fn, NO_PASID, VA(0), false, true, 1);
	serve();
	tap_ok(w.answered[1] == 6 && w.answered[0] == 1, "without PASID, where only a PASID is bound: invalid");
	end("single requests");
}

static void groups(void)
{
	begin();
	w_request(fn, pasid, VA(0), false, false, 5);
	w_request(fn, pasid, VA(1), false, false, 5);
	serve();
	tap_ok(!w.answered[0] && !w.answered[1], "no answer before the last of a group");
	w_request(fn, pasid, VA(0), true, true, 5);
	serve();
	tap_ok(w.answered[0] == 1 && !w.answered[1], "then one for all");
	w_request(fn, pasid, KERNEL, false, false, 5);
	w_request(fn, pasid, VA(9), false, false, 6);
	w_request(fn, pasid, VA(0), true, true, 5);
	w_request(fn, pasid, VA(0), true, true, 6);
	w_request(fn, pasid, VA(0), true, true, 7);
	serve();
	tap_ok(w.answered[0] == 2 && w.answered[1] == 2, "one bad request spoils its group, and no other");
	w_request(fn, pasid, VA(0), true, true, 5);
	serve();
	tap_ok(w.answered[0] == 3, "and not the next one of that number");
	end("groups");
}

/* Two processes on one function: who asked for what. */
static void two(void)
{
	u32 other;

	begin();
	umm_map(w.proc[1], VA(20), PAGE_SIZE, true, false);
	if (w_bind(0, fn, w.proc[1], false, 0, &other))
		fail_rule("setup", "bind");
	model_response_hook = seen;
	model_page_request(0, pci_dev_id(fn->pdev), other, VA(20), true, true, 511);
	serve();
	tap_ok(got.count == 1 && got.code == 0 && got.pp && got.pasid == other && got.group == 511 &&
	       got.rid == pci_dev_id(fn->pdev), "served from the second one's address space, answered with its PASID");
	model_page_request(0, pci_dev_id(fn->pdev), pasid, VA(20), true, true, 0);
	serve();
	tap_ok(got.count == 2 && got.code == 1 && got.pasid == pasid, "what only the second has is not the first one's");
	end("two processes");
}

/* What a device may not send, written into the queue as a unit would. */
static void strange(void)
{
	u16 rid;

	begin();
	rid = pci_dev_id(fn->pdev);
	model_response_hook = seen;
	model_page_request_raw(0, RAW0(rid, pasid), VA(0) | LAST | GROUP(3));
	serve();
	tap_is(got.count, 0, "a stop marker has no answer");
	model_page_request_raw(0, RAW0(rid, pasid) | PRIV, VA(0) | R | LAST | GROUP(3));
	serve();
	tap_ok(got.count == 1 && got.code == 1, "a supervisor request: invalid");
	model_page_request_raw(0, RAW0(rid, pasid) | EXEC, VA(0) | R | LAST | GROUP(3));
	serve();
	tap_ok(got.count == 2 && got.code == 1, "a request to execute: invalid");
	model_page_request_raw(0, RAW0(rid, pasid) + 1, VA(0) | R | LAST | GROUP(3));
	serve();
	tap_ok(got.count == 3 && got.code == 1, "a descriptor of another type: invalid");
	model_page_request_raw(0, RAW0(rid ^ 1, pasid), VA(0) | R | LAST | GROUP(4));
	serve();
	tap_ok(got.count == 4 && got.code == 1 && got.rid == (rid ^ 1), "another function of the device: invalid, and to it");
	model_page_request_raw(0, RAW0(rid, pasid) & ~(1ull << 8), VA(0) | R | LAST | GROUP(4));
	serve();
	tap_ok(got.count == 5 && got.code == 1 && !got.pp, "a PASID without its valid bit is none");
	model_page_request_raw(0, RAW0(rid, pasid), VA(0) | R | W | LAST | GROUP(4));
	serve();
	tap_ok(got.count == 6 && got.code == 0, "and a good one is served after all of that");
	end("strange requests");
}

static void unbind_now(void *arg) { w_unbind(arg); }

/* The end comes while requests are on their way, in the queue, in hand. */
static void ends(void)
{
	unsigned int i, k;

	for (i = 0; i < 48; i++) {
		bool without = i >= 24;
		u32 p;

		begin();
		p = without ? NO_PASID : pasid;
		if (without && w_bind(0, fn, w.proc[0], true, 0, NULL))
			fail_rule("setup", "bind without PASID");
		conduct.late_responses = i & 1;
		sched_preempt = 3;
		for (k = 0; k < 6; k++)
			w_request(fn, p, VA(k & 1 ? 0 : 9), false, k != 2, k);
		for (k = 0; k < i % 24 / 4; k++)
			shim_run_work();
		for (k = 0; k < i % 4; k++)
			co_step();
		co_start("unbind", NULL, unbind_now, w_binding(fn, w.proc[0], without));
		co_finish();
		sched_preempt = 0;
		if (w_unanswered(fn))
			fail_rule("page request unanswered", "after unbind");
		world_stop();
	}
	tap_clean("unbind answers what is on its way, and what is in hand");
	for (i = 0; i < 3; i++) {
		begin();
		w_unbind(w_binding(fn, w.proc[0], false));
		w_request(fn, pasid, VA(0), false, true, 3);
		if (i == 0)
			w_detach(0, fn);
		else if (i == 1)
			w_driver(fn, NULL);
		else
			w_close(0);
		world_stop();
	}
	tap_clean("detach answers what no binding was there for");
	begin();
	w_request(fn, pasid, VA(0), false, true, 3);
	w_exit(w.proc[0]);
	serve();
	tap_ok(w.answered[1] == 1, "a process that has ended is served no more");
	end("the end of a process");
}

static void exit_now(void *arg) { w_exit(arg); }

/*
 * What comes once the entry is gone the unit answers itself (7.4.1). Of a process
 * that has ended, or ends right then, it leaves no fault record, for the entry has
 * FPD set.
 */
static void answered_by_unit(void)
{
	unsigned int own = 0;

	for (unsigned int k = 0; k < 400 && !fail_count; k++) {
		struct umm *u;

		begin();
		u = w.proc[0];
		conduct.late_responses = true;
		if (k & 1)
			w_exit(u);
		for (unsigned int i = 0; i < 8; i++)
			w_request(fn, pasid, VA(9), false, true, i);
		/* world_prq.c: none of them is without an answer when this returns. */
		sched_preempt = 3;
		co_start("unbind", NULL, unbind_now, w_binding(fn, u, false));
		co_start("exit", NULL, exit_now, u);
		co_finish();
		sched_preempt = 0;
		own += model_stats.faults;
		world_stop();
	}
	tap_ok(own > 400, "the unit answers what comes late");
	tap_clean("its answers are with the device when a binding has ended");
}

/* More than a device may have in hand, and more than the queue holds. */
static void floods(void)
{
	unsigned int i, users;

	begin();
	users = w.proc[0]->mm.mm_users.counter;
	for (i = 0; i < W_GROUPS; i++)
		w_request(fn, pasid, VA(0), false, true, i);
	serve();
	serve();
	tap_is(w.answered[0] + w.answered[1], W_GROUPS, "more than there is room for: each has an answer");
	tap_ok(w.answered[0] >= 64, "what there was room for is served (%llu)", w.answered[0]);
	tap_is(w.proc[0]->mm.mm_users.counter, users, "no reference to the process is left");

	/* 2047 fit. The model counts what its unit answers itself as lost. */
	for (i = 0; i < 2200; i++) {
		model_page_request_raw(0, RAW0(pci_dev_id(fn->pdev), pasid), VA(0) | R | GROUP(500));
		if (i == 2100)
			w_request(fn, pasid, VA(0), false, true, 7);
	}
	tap_ok(model_reg(0, 0xdc) & 2, "the queue overflows");
	serve();
	tap_ok(!(model_reg(0, 0xdc) & 2), "once it is empty, overflow is cleared");
	tap_is(vtdp_unit_by_index(0)->overflows, 1, "and counted");
	tap_is(w.answered[2], 1, "what is lost, hardware has answered");
	for (i = 0; i < 3000; i++) {
		w_request(fn, pasid, VA(0), false, true, i % 300);
		if (i % 50 == 49)
			serve();
	}
	serve();
	tap_ok(!w_unanswered(fn), "requests are served again, past the end of the ring");
	end("floods");
}

/*
 * A group is longer than what a binding has room for, so its last request is
 * answered for all of them: the unbind has none to answer.
 */
static void unbound_when_full(void)
{
	begin();
	for (unsigned int i = 0; i < 64; i++)
		w_request(fn, pasid, VA(9), false, false, 5);
	w_request(fn, pasid, VA(9), false, true, 5);
	/* They arrive. */
	for (unsigned int i = 0; i < 4000; i++)
		model_activity();
	/* Up to the reader, which is before the server. */
	while (model_reg(0, 0xc0) != model_reg(0, 0xc8) && shim_run_work())
		co_finish();
	model_run(0);
	tap_is(w.answered[0] + w.answered[1], 1, "a group that there is no room for is answered once");
	w_unbind(w_binding(fn, w.proc[0], false));
	tap_is(w.answered[0] + w.answered[1], 1, "and not again when its binding ends");
	tap_is(list_first_entry(&vtdp_unit_by_index(0)->devices, struct vtdp_device, node)->pending, 0,
	       "of the device's room, each is given back once");
	if (w_bind(0, fn, w.proc[0], false, 0, &pasid))
		fail_rule("setup", "bind");
	w_request(fn, pasid, VA(0), false, true, 6);
	serve();
	tap_is(w.answered[0], 1, "the next binding has all of the room");
	end("a binding that ends with a full ring");
}

static unsigned int left;

static void more(void)
{
	for (int i = 0; i < 200 && left; i++, left--)
		model_page_request_raw(0, RAW0(pci_dev_id(fn->pdev), pasid), VA(0) | R | GROUP(500));
}

/* The queue overflows while it is being read. */
static void flood_while_read(void)
{
	begin();
	for (int i = 0; i < 60; i++)
		w_request(fn, pasid, KERNEL, false, true, i);
	left = 3000;
	sched_hook = more;
	relax_hook = more;
	serve();
	sched_hook = relax_hook = NULL;
	serve();
	tap_ok(!left && !(model_reg(0, 0xdc) & 2), "requests that come while others are answered");
	tap_ok(!w_unanswered(fn), "leave none unanswered");
	end("a flood while the queue is read");
}

static void needs(void)
{
	world_start_simple(W_CAP, W_ECAP & ~(1ull << 42), 1);
	w_takeover(0);
	w_open(0);
	fn = w_fn(0, F_CLAIMED);
	tap_is(w_attach(0, fn, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI), -EPROTONOSUPPORT,
	       "no page requests on a unit that cannot drain them (PDS)");
	tap_is(w_attach(0, fn, VTDPASID_ATTACH_ATS), 0, "but ATS");
	tap_is(w_bind(0, fn, w.proc[0], false, 0, &pasid), 0, "and a binding");
	tap_ok(!pci_pri_is_on(fn->pdev), "with which page requests stay off");
	end("without PDS");
}

/* Somebody holds mmap_lock for long: the reader of the queue does not wait for it. */
static bool mapping;

static void maps(void *lock)
{
	mutex_lock(lock);
	while (mapping)
		shim_sleep_once();
	mutex_unlock(lock);
}

static void mmap_lock_held(void)
{
	begin();
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	if (w_bind(0, fn, w.proc[1], false, 0, NULL))
		fail_rule("setup", "bind");
	mapping = true;
	co_start("maps", NULL, maps, &w.proc[0]->mm.mmap_lock);
	co_step();
	w_request(fn, pasid, VA(0), true, true, 1);
	w_request(fn, w_binding(fn, w.proc[1], false)->pasid, VA(0), true, true, 2);
	for (int i = 0; i < 400 && !w.answered[0]; i++) {
		model_activity();
		shim_run_work();
		co_step();
	}
	tap_is(w.answered[0], 1, "another process's request is served meanwhile");
	tap_is(w_unanswered(fn), 1, "its own waits");
	mapping = false;
	serve();
	tap_is(w.answered[0], 2, "until the lock is free");
	end("mmap_lock held");
}

/* So far as it goes without what some of them wait for. */
static void serve_some(void)
{
	for (int i = 0; i < 20; i++) {
		model_activity();
		shim_run_work();
		for (unsigned int n = co_active(); n; n--)
			co_step();
	}
}

static int servers(int client) { return atomic_read(&w.client[client]->prq_share->servers); }

/* Ask for one page, and be unbound before it is there, again and again. */
static void left_behind(void)
{
	struct wfn *other = w_fn(0, F_NARROW);
	unsigned int i, most = 0;
	bool at_limit = false;

	begin();
	other->pdev->ats_cap = 0x100;
	other->pdev->has_pri = true;
	w_open(1);
	OK(w_attach(1, other, VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI));
	umm_map(w.proc[1], VA(0), PAGE_SIZE, true, false);
	OK(w_bind(1, other, w.proc[1], false, 0, NULL));
	mapping = true;
	co_start("maps", NULL, maps, &w.proc[0]->mm.mmap_lock);
	co_step();
	for (i = 0; i < VTDP_PRQ_SERVERS + 16; i++) {
		w_request(fn, pasid, VA(0), true, true, 1);
		serve_some();
		if (!at_limit && servers(0) == VTDP_PRQ_SERVERS) {
			at_limit = true;
			w_request(fn, pasid, VA(0), true, true, 2);
			serve_some();
			tap_is(w_unanswered(fn), 2, "the last that has a server may ask for more");
		}
		OK(w_unbind(w_binding(fn, w.proc[0], false)));
		OK(w_bind(0, fn, w.proc[0], false, 0, &pasid));
		most = co_active() > most ? co_active() : most;
	}
	tap_ok(most > VTDP_PRQ_SERVERS && most < VTDP_PRQ_SERVERS + 4, "%u servers wait for a file at most, and few else: %u",
	       VTDP_PRQ_SERVERS, most);
	w_request(fn, pasid, VA(0), true, true, 1);
	serve_some();
	tap_is(w_unanswered(fn), 0, "its next request is refused at once");
	w.answered[0] = 0;
	w_request(other, w_binding(other, w.proc[1], false)->pasid, VA(0), true, true, 2);
	serve_some();
	tap_is(w.answered[0], 1, "another file's is served");
	mapping = false;
	serve();
	w.answered[0] = 0;
	w_request(fn, pasid, VA(0), true, true, 1);
	serve();
	tap_is(w.answered[0], 1, "and its own, when they are done");
	tap_ok(!servers(0) && !servers(1), "and none is counted any more");
	end("left behind");
}

/* The unit stops answering between one read of a register and the next. */
static void half_gone(unsigned int reg)
{
	unsigned int i;

	begin();
	w_request(fn, pasid, VA(0), true, true, 1);
	for (i = 0; i < 40 && !w.answered[0]; i++) {
		model_activity();
		conduct.gone_reg = reg;
		shim_run_work();
		co_finish();
		conduct.gone_reg = 0;
	}
	tap_clean("the reader ends when register %#x is all ones, without an answer: %u", reg, i);
	tap_leave(0);
}

static void no_head(void) { half_gone(0xc0); }
static void no_tail(void) { half_gone(0xc8); }

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(good_and_bad);
	tap_part(groups);
	tap_part(two);
	tap_part(strange);
	tap_part(ends);
	tap_part(answered_by_unit);
	tap_part(floods);
	tap_part(unbound_when_full);
	tap_part(flood_while_read);
	tap_part(needs);
	tap_part(mmap_lock_held);
	tap_part(left_behind);
	tap_part(no_head);
	tap_part(no_tail);
	return tap_done();
}
