// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_life.c - processes, files and the module end while a device is at work
 *
 * exit, kill -9 and exec in the middle of DMA; files that are closed, passed on
 * and duplicated; unbinding and detaching under load; unloading the module.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "lib.h"

#define MS	20000
#define MARK	0x6d61726b6d61726bULL
#define JUNK	0x6a756e6b6a756e6bULL

#define GSTS_TES	(1U << 31)
#define GSTS_QIES	(1U << 26)

static struct bed bed;
static struct svat *dev;

/* Two pages that lie at the same address in every process of this program. */
static uint64_t pages[1024] __attribute__((aligned(4096)));

struct bound {
	int rc;
	uint32_t pasid;
	uint32_t binding;
	uint64_t phys[2];
	pid_t other;
};

static void bind_and_tell(int sock, int fd, uint32_t device, uint64_t secret)
{
	struct bound b = { 0 };

	pages[0] = secret;
	pages[512] = secret;
	b.rc = vt_bind(fd, device, 0, 0, &b.binding, &b.pasid);
	b.phys[0] = phys_of(&pages[0]);
	b.phys[1] = phys_of(&pages[512]);
	msg_send(sock, &b, sizeof(b));
}

/* ---- the end of an address space ---------------------------------------- */

enum ending { BY_EXIT, BY_KILL, BY_EXEC, BY_SEGV };

static const char * const endings[] = { "exit", "kill -9", "exec", "a crash" };

static int mortal(int sock, void *arg)
{
	enum ending how = (uintptr_t)arg;
	char go, s[16], f[16], d[16], p[32];

	bind_and_tell(sock, bed.fd, bed.id[0], 0x5ec2e7);
	if (msg_recv(sock, &go, 1, MS) != 1)
		return 1;
	switch (how) {
	case BY_EXEC:
		fcntl(sock, F_SETFD, 0);
		fcntl(bed.fd, F_SETFD, 0);
		snprintf(s, sizeof(s), "%d", sock);
		snprintf(f, sizeof(f), "%d", bed.fd);
		snprintf(d, sizeof(d), "%u", bed.id[0]);
		snprintf(p, sizeof(p), "%#lx", (unsigned long)phys_of(&pages[513]));
		execl("/proc/self/exe", "t_life", "--after-exec", s, f, d, p, NULL);
		return 2;
	case BY_SEGV:
		raise(SIGSEGV);
		return 3;
	case BY_EXIT:
		return 0;
	case BY_KILL:
		break;
	}
	pause();
	return 1;
}

/* Where in our own memory the frame of @phys is, if it is. */
static volatile uint64_t *own_page(uint64_t phys)
{
	volatile uint64_t *found = NULL;
	unsigned long first, last;
	char line[256], mode[8];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &first, &last, mode) != 3 || mode[1] != 'w' ||
		    mode[3] != 'p')
			continue;
		for (; first < last && !found; first += PAGE)
			if (phys_of((void *)first) == phys / PAGE * PAGE)
				found = (uint64_t *)(first + phys % PAGE);
	}
	if (f)
		fclose(f);
	return found;
}

/*
 * The program that exec started: same addresses, another address space. It is
 * the one that gets the old one's pages; the device still writes to @phys.
 */
static int after_exec(int sock, int fd, uint32_t device, uint64_t phys)
{
	volatile uint64_t *word;
	struct reuse r;
	char go;

	reuse_begin(&r, phys, MARK, 1024);
	word = own_page(phys);
	bind_and_tell(sock, fd, device, 0xe8ec);
	if (msg_recv(sock, &go, 1, MS) != 1)
		return 1;
	if (reuse_damage(&r, MARK) || pages[513] || (word && *word == JUNK))
		return 2;
	return word ? 0 : 3;
}

/* Is the frame at @phys among the pages that hold the mark? */
static bool among(const struct reuse *r, uint64_t phys)
{
	size_t i;

	for (i = 0; i < r->pages; i++)
		if (phys_of(r->base + i * 512) == phys)
			return true;
	return false;
}

static void ends(enum ending how)
{
	int i, n = 25, worked = 0, stopped = 0, stale = 0, back = 0, told = 0, quiet = 0;
	int unbound = 0, freed = 0, silenced = 0, reached = 0, status_ok = 0, late = 0, new_works = 0, old_hidden = 0;
	const char *name = endings[how];
	struct svat_loop rd, wr, rd0, wr0;
	struct bound b, b2;
	struct vtdpasid_event ev;
	struct vtdpasid_walk walk;
	uint64_t faults, val;
	struct reuse r;
	struct child c;
	int st;

	for (i = 0; i < n; i++) {
		memset(&b, 0, sizeof(b));
		memset(&b2, 0, sizeof(b2));
		if (child_start(&c, mortal, (void *)(uintptr_t)how))
			tap_bail("fork: %m");
		if (msg_recv(c.sock, &b, sizeof(b), MS) != sizeof(b) || b.rc) {
			tap_diag("bind: %s", strerror(-b.rc));
			child_wait(&c, 0);
			continue;
		}
		vt_events_drop(bed.fd);
		svat_loop_read(dev, 1, b.pasid, &pages[0], MARK);
		svat_loop_write(dev, 2, b.pasid, &pages[513], JUNK);
		svat_loop_rounds(dev, 2, 4);
		svat_loop_look(dev, 1, &rd);
		svat_loop_look(dev, 2, &wr);
		worked += rd.ok >= 3 && !rd.failed && rd.last == 0x5ec2e7 && wr.ok >= 3 &&
			  !wr.failed;
		faults = bed_faults(&bed, 0);

		if (how == BY_KILL)
			child_kill(&c, SIGKILL);
		else
			msg_send(c.sock, "", 1);
		if (how == BY_EXEC) {
			msg_recv(c.sock, &b2, sizeof(b2), MS);
			st = 0;
		} else {
			st = child_wait(&c, MS);
		}
		svat_loop_look(dev, 1, &rd0);
		svat_loop_look(dev, 2, &wr0);
		status_ok += how == BY_EXIT || how == BY_EXEC ? st == 0 : WIFSIGNALED(st);

		/* Its pages are somebody else's now. */
		if (how != BY_EXEC)
			back += reuse_begin(&r, b.phys[0], MARK, 1024) || among(&r, b.phys[1]);
		svat_loop_rounds(dev, 1, 5);
		svat_loop_rounds(dev, 2, 5);
		svat_loop_stop(dev, 1, &rd);
		svat_loop_stop(dev, 2, &wr);
		late += rd.ok != rd0.ok || wr.ok != wr0.ok;
		stopped += rd.failed > rd0.failed && wr.failed > wr0.failed;
		stale += rd.matches != 0;
		if (how != BY_EXEC) {
			stale += reuse_damage(&r, MARK) != 0;
			reuse_end(&r);
		}
		quiet += bed_faults(&bed, 0) == faults;
		silenced += !vt_walk(bed.fd, &dev->func, 0, b.pasid, (uintptr_t)pages, &walk) &&
			    (walk.out_pasid_entry[0] & 3) == 2;	/* FPD, not P */

		told += !vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, dev->func.rid, b.binding, &ev,
				     2000) && ev.device == bed.id[0] && ev.pasid == b.pasid &&
			ev.flags & VTDPASID_EVENT_PASID && ev.size == sizeof(ev);
		if (how == BY_EXEC) {
			new_works += !b2.rc && b2.pasid && b2.pasid != b.pasid &&
				     b2.binding != b.binding &&
				     !svat_read64(dev, 0, b2.pasid, &pages[0], &val) && val == 0xe8ec;
			old_hidden += svat_read64(dev, 0, b.pasid, &pages[0], &val) ==
				      SVAT_ST_DMA_ERROR && val != 0xe8ec;
			msg_send(c.sock, "", 1);
			st = child_wait(&c, MS);
			back += st == 0;
			stale += st == 2 << 8;
			vt_unbind(bed.fd, b2.binding);
			vt_pasid_free(bed.fd, b2.pasid);
		}
		unbound += !vt_unbind(bed.fd, b.binding) &&
			   vt_unbind(bed.fd, b.binding) == -ENOENT;
		freed += !vt_pasid_free(bed.fd, b.pasid);
		/* Now the entry is gone, too: such a request is recorded again, later. */
		faults = bed_faults(&bed, 0);
		reached += svat_read64(dev, 0, b.pasid, &pages[0], &val) != SVAT_ST_DMA_ERROR;
		for (st = 0; st < 500 && bed_faults(&bed, 0) == faults; st++)
			sleep_ms(1);
	}
	tap_is(worked, n, "%s: before it the device reads and writes", name);
	tap_is(status_ok, n, "%s: the process ends as it should", name);
	tap_ok(stopped == n && !late, "%s: then the device is stopped (%d of %d, %d late)", name,
	       stopped, n, late);
	tap_ok(!stale && back * 4 >= n, "%s: %d freed pages came back marked, %d old ones seen",
	       name, back, stale);
	tap_is(told, n, "%s: MM_GONE names device, binding and PASID", name);
	tap_is(silenced, n, "%s: the entry is not present, with fault processing disabled", name);
	if (quiet < n)
		tap_skip(1, "%s: no records of what the device still sends: QEMU makes them, "
			 "in %d of %d", name, n - quiet, n);
	else
		tap_pass("%s: what the device still sends makes no fault records", name);
	tap_is(unbound, n, "%s: the dead binding can be unbound by its file, once", name);
	tap_is(freed, n, "%s: and its PASID freed", name);
	tap_is(reached, 0, "%s: after that, too, the device reaches nothing", name);
	if (how == BY_EXEC) {
		tap_is(new_works, n, "exec: the new program binds, by another PASID");
		tap_is(old_hidden, n, "exec: the old PASID does not reach the new program");
	}
}

/* The mm lives on in a process that shares it. */
static int sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static int sharer(int sock, void *arg)
{
	static char stack[16384] __attribute__((aligned(16)));
	struct bound b = { 0 };
	char go;

	(void)arg;
	pages[0] = 0x5ec2e7;
	b.rc = vt_bind(bed.fd, bed.id[0], 0, 0, &b.binding, &b.pasid);
	b.other = clone(sleeper, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	msg_send(sock, &b, sizeof(b));
	return msg_recv(sock, &go, 1, MS) != 1;
}

static void shared_mm(void)
{
	struct vtdpasid_event ev;
	struct svat_loop l;
	struct bound b = { .rc = -1 };
	struct child c;
	uint64_t val;

	vt_events_drop(bed.fd);
	child_start(&c, sharer, NULL);
	msg_recv(c.sock, &b, sizeof(b), MS);
	tap_ok(!b.rc && b.other > 0, "a process binds, another shares its address space");
	svat_loop_read(dev, 1, b.pasid, &pages[0], 0x5ec2e7);
	msg_send(c.sock, "", 1);
	tap_is(child_wait(&c, MS), 0, "the one that bound exits");
	svat_loop_rounds(dev, 1, 20);
	svat_loop_stop(dev, 1, &l);
	tap_ok(!l.failed && l.matches == l.ok, "the binding lives on");
	tap_is(vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, -1, 0, &ev, 100), -ETIMEDOUT,
	       "no MM_GONE yet");
	if (b.other > 0)
		kill(b.other, SIGKILL);
	tap_ok(!vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, -1, b.binding, &ev, 5000),
	       "MM_GONE when the last one ends");
	tap_is(svat_read64(dev, 0, b.pasid, &pages[0], &val), SVAT_ST_DMA_ERROR,
	       "then the device reaches nothing");
	tap_rc(vt_unbind(bed.fd, b.binding), 0, "UNBIND");
	vt_pasid_free(bed.fd, b.pasid);
}

/* ---- unbind, detach, close, under load ----------------------------------- */

static void *unbinder(void *arg)
{
	struct bound *b = arg;

	use_cpu(1);
	b->rc = vt_unbind(bed.fd, b->binding);
	svat_loop_look(dev, 1, (struct svat_loop *)(uintptr_t)b->phys[0]);
	return NULL;
}

static void unbind_under_load(void)
{
	int i, n = 50, good = 0;
	struct svat_loop at, end;
	struct bound b;
	pthread_t t;

	pages[0] = 7;
	for (i = 0; i < n; i++) {
		if (vt_bind(bed.fd, bed.id[0], 0, 0, &b.binding, &b.pasid))
			break;
		b.phys[0] = (uintptr_t)&at;
		svat_loop_read(dev, 1, b.pasid, &pages[0], 7);
		svat_loop_rounds(dev, 1, 3);
		pthread_create(&t, NULL, unbinder, &b);
		pthread_join(t, NULL);
		svat_loop_rounds(dev, 1, 3);
		svat_loop_stop(dev, 1, &end);
		good += !b.rc && at.ok >= 3 && end.ok == at.ok && end.failed > at.failed &&
			end.matches == end.ok;
	}
	tap_is(good, n, "UNBIND from another thread: no read comes through after it returned");
	vt_events_drop(bed.fd);
}

/* A client of its own for the second device. */
struct client {
	int fd;
	struct pci_func *f;
	struct svat *d;
	uint32_t device;
	uint32_t binding;
	uint32_t pasid;
};

static int client_begin(struct client *c)
{
	struct vtdpasid_attach a;
	int rc;

	c->fd = vt_open();
	if (c->fd < 0)
		return c->fd;
	rc = vt_attach(c->fd, c->f, 0, &a);
	c->device = a.out_device;
	if (!rc)
		rc = vt_bind(c->fd, c->device, 0, 0, &c->binding, &c->pasid);
	return rc;
}

/* After its client is gone a claimed function reaches nothing, not even if
 * somebody makes it a bus master again.
 */
static void is_cut_off(struct client *c, const char *what)
{
	uint64_t val, faults;
	int st;

	svat_reset(c->d);
	st = svat_read64(c->d, 0, c->pasid, &pages[0], &val);
	tap_is(st, SVAT_ST_NO_MASTER, "%s: the function is no bus master", what);
	faults = bed_unit_faults(&bed);
	pci_bus_master(c->f, true);
	tap_is(svat_get(c->d, SVAT_STATE) & (SVAT_STATE_PASID | SVAT_STATE_ATS | SVAT_STATE_PRI), 0,
	       "%s: PASID, ATS and PRI are off", what);
	st = svat_read64(c->d, 0, NO_PASID, &pages[0], &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != pages[0],
	       "%s: made one again, it reads nothing by virtual address", what);
	st = svat_read64(c->d, 0, NO_PASID, (void *)phys_of(&pages[0]), &val);
	tap_ok(st == SVAT_ST_DMA_ERROR && val != pages[0], "%s: nor by physical address", what);
	sleep_ms(300);
	tap_ok(bed_unit_faults(&bed) > faults, "%s: the unit records it", what);
	pci_bus_master(c->f, false);
}

static int closer(int sock, void *arg)
{
	struct client *c = arg;
	char go;
	int rc;

	pages[0] = 0x5ec2e7;
	rc = client_begin(c);
	msg_send(sock, c, sizeof(*c));
	if (rc || msg_recv(sock, &go, 1, MS) != 1)
		return 1;
	close(c->fd);
	msg_send(sock, "", 1);
	return msg_recv(sock, &go, 1, MS) != 1;
}

static void closing(struct client *c)
{
	struct svat_loop before, at, end;
	struct child child;
	char done;
	int fd, i, rc;

	/* By its own close(), the process lives on. */
	child_start(&child, closer, c);
	tap_is(msg_recv(child.sock, c, sizeof(*c), MS), sizeof(*c), "a child attaches and binds");
	svat_loop_read(c->d, 1, c->pasid, &pages[0], 0);
	svat_loop_rounds(c->d, 1, 5);
	svat_loop_look(c->d, 1, &at);
	tap_ok(at.ok >= 5 && at.last == 0x5ec2e7, "the device reads its secret");
	msg_send(child.sock, "", 1);
	tap_is(msg_recv(child.sock, &done, 1, MS), 1, "it closes its file without unbinding");
	/* Its reset has ended the loop and zeroed the counters, or it fails on. */
	svat_loop_look(c->d, 1, &at);
	sleep_ms(5);
	svat_loop_stop(c->d, 1, &end);
	tap_ok(end.ok == at.ok, "no read comes through after close() returned");
	is_cut_off(c, "after close");
	msg_send(child.sock, "", 1);
	tap_is(child_wait(&child, MS), 0, "the process lives on and exits");

	/* By the end of the process. */
	child_start(&child, closer, c);
	msg_recv(child.sock, c, sizeof(*c), MS);
	svat_loop_read(c->d, 1, c->pasid, &pages[0], 0);
	svat_loop_rounds(c->d, 1, 5);
	svat_loop_look(c->d, 1, &before);
	child_kill(&child, SIGKILL);
	child_wait(&child, MS);
	svat_loop_look(c->d, 1, &at);
	sleep_ms(5);
	svat_loop_stop(c->d, 1, &end);
	tap_ok(before.ok >= 5 && before.last == 0x5ec2e7 && end.ok == at.ok,
	       "kill -9 of the last holder of the file ends it, too");
	is_cut_off(c, "after kill -9");

	/* A duplicate keeps it open. */
	pages[0] = 77;
	rc = client_begin(c);
	tap_rc(rc, 0, "attach and bind again");
	svat_loop_read(c->d, 1, c->pasid, &pages[0], 77);
	fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 100);
	close(c->fd);
	svat_loop_rounds(c->d, 1, 5);
	svat_loop_look(c->d, 1, &at);
	tap_ok(!at.failed && at.matches == at.ok, "a duplicated descriptor keeps the binding alive");
	tap_rc(vt_attach(bed.fd, c->f, 0, &(struct vtdpasid_attach){ 0 }), EBUSY,
	       "another client cannot attach the function meanwhile");
	close(fd);
	svat_loop_look(c->d, 1, &at);
	sleep_ms(5);
	svat_loop_stop(c->d, 1, &end);
	tap_ok(end.ok == at.ok, "closing the last one ends it");
	is_cut_off(c, "after the last close");

	/* Again and again: nothing is used up. */
	for (i = rc = 0; i < 50 && !rc; i++) {
		rc = client_begin(c);
		close(c->fd);
	}
	tap_rc(rc, 0, "attach, bind, close: 50 times");
}

/* The admin detaches under a process that is bound. */
static int lodger(int sock, void *arg)
{
	struct client *c = arg;
	struct bound b = { 0 };
	char go;

	bind_and_tell(sock, c->fd, c->device, 0x5ec2e7);
	if (msg_recv(sock, &go, 1, MS) != 1)
		return 1;
	b.rc = vt_unbind(c->fd, c->binding);
	msg_send(sock, &b, sizeof(b));
	return 0;
}

static void detaching(struct client *c)
{
	struct vtdpasid_attach a;
	struct svat_loop at, end;
	struct child child;
	struct bound b;

	c->fd = must_open();
	vt_attach(c->fd, c->f, 0, &a);
	c->device = a.out_device;
	child_start(&child, lodger, c);
	msg_recv(child.sock, &b, sizeof(b), MS);
	tap_rc(b.rc, 0, "a child binds to a device of its parent's file");
	c->pasid = b.pasid;
	c->binding = b.binding;
	svat_loop_read(c->d, 1, b.pasid, &pages[0], 0x5ec2e7);
	svat_loop_rounds(c->d, 1, 5);
	tap_rc(vt_handback(c->fd, 0), EBUSY, "HANDBACK is refused");
	tap_rc(vt_detach(c->fd, c->device), 0, "DETACH ends the child's binding");
	svat_loop_look(c->d, 1, &at);
	sleep_ms(5);
	svat_loop_stop(c->d, 1, &end);
	tap_ok(end.ok == at.ok, "no read comes through after DETACH returned");
	is_cut_off(c, "after DETACH");
	msg_send(child.sock, "", 1);
	msg_recv(child.sock, &b, sizeof(b), MS);
	tap_ok(b.rc == -ENOENT || b.rc == -EACCES, "the child's binding is no more (%d)", b.rc);
	tap_is(child_wait(&child, MS), 0, "the child is well");
	tap_rc(vt_detach(c->fd, c->device), ENOENT, "DETACH again");
	close(c->fd);
}

/* ---- rights -------------------------------------------------------------- */

static int nobody(int sock, void *arg)
{
	struct vtdpasid_device_info info;
	struct vtdpasid_unit_info uinfo;
	struct vtdpasid_walk w;
	struct vtdpasid_attach a;
	struct bound b = { 0 };
	int rc[10] = { 0 }, fd;
	char go;

	(void)arg;
	fd = msg_recv_fd(sock, MS);
	if (setgid(65534) || setuid(65534))
		return 1;
	pages[0] = 0x0b0d1;
	rc[0] = vt_open();
	rc[1] = vt_takeover(fd, 0, NULL);
	rc[2] = vt_handback(fd, 0);
	rc[3] = vt_attach(fd, &dev->func, 0, &a);
	rc[4] = vt_detach(fd, bed.id[0]);
	rc[5] = vt_walk(fd, &dev->func, 0, 1, 0, &w);
	rc[6] = vt_unit_info(fd, 0, &uinfo);
	rc[7] = vt_device_info(fd, bed.id[0], &info);
	rc[8] = vt_pasid_alloc(fd, 0, 0, 0, &b.pasid);
	rc[9] = vt_bind(fd, bed.id[0], 0, 0, &b.binding, &b.pasid);
	msg_send(sock, rc, sizeof(rc));
	msg_send(sock, &b, sizeof(b));
	if (msg_recv(sock, &go, 1, MS) != 1)
		return 1;
	rc[0] = vt_unbind(fd, b.binding);
	msg_send(sock, rc, sizeof(rc));
	return 0;
}

static void rights(void)
{
	int rc[10] = { 0 };
	struct bound b = { 0 };
	struct child c;
	uint64_t val;

	child_start(&c, nobody, NULL);
	msg_send_fd(c.sock, bed.fd);
	msg_recv(c.sock, rc, sizeof(rc), MS);
	msg_recv(c.sock, &b, sizeof(b), MS);
	tap_is(rc[0], -EACCES, "a user cannot open the device node");
	tap_ok(rc[1] == -EPERM && rc[2] == -EPERM && rc[3] == -EPERM && rc[4] == -EPERM &&
	       rc[5] == -EPERM && rc[6] == -EPERM,
	       "with a file that was passed on: no TAKEOVER, HANDBACK, ATTACH, DETACH, WALK, "
	       "UNIT_INFO (%d %d %d %d %d %d)", rc[1], rc[2], rc[3], rc[4], rc[5], rc[6]);
	tap_ok(!rc[7] && !rc[8] && !rc[9], "but DEVICE_INFO, PASID_ALLOC, BIND (%d %d %d)", rc[7],
	       rc[8], rc[9]);
	tap_ok(!svat_read64(dev, 0, b.pasid, &pages[0], &val) && val == 0x0b0d1,
	       "and the device reads that user's memory");
	msg_send(c.sock, "", 1);
	msg_recv(c.sock, rc, sizeof(rc), MS);
	tap_is(rc[0], 0, "and UNBIND");
	child_wait(&c, MS);
	vt_pasid_free(bed.fd, b.pasid);
}

/* ---- many at once, and killed at any moment ------------------------------ */

static int restless(int sock, void *arg)
{
	uint32_t binding, pasid;
	int i, rc;

	(void)arg;
	msg_send(sock, "", 1);
	for (i = 0;; i++) {
		rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
		if (!rc) {
			void *p = must_map(8 * PAGE);

			munmap(p, 8 * PAGE);
			rc = vt_unbind(bed.fd, binding);
		}
		if (rc && rc != -EINTR)
			return 10;
		if (i % 3 == 0)
			vt_pasid_free(bed.fd, pasid);
	}
}

static void killed_anywhere(void)
{
	int i, round, n = 15, killed = 0, dead = 0;
	struct vtdpasid_device_info info;
	struct vtdpasid_event ev;
	uint32_t binding, pasid;
	struct child c[4];
	uint64_t val;
	char go;

	vt_events_drop(bed.fd);
	for (round = 0; round < n; round++) {
		for (i = 0; i < 4; i++)
			child_start(&c[i], restless, NULL);
		for (i = 0; i < 4; i++)
			msg_recv(c[i].sock, &go, 1, MS);
		for (i = 0; i < 4; i++) {
			usleep(rand() % 5000);
			child_kill(&c[i], SIGKILL);
		}
		for (i = 0; i < 4; i++) {
			int st = child_wait(&c[i], MS);

			killed += WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL;
		}
	}
	tap_is(killed, 4 * n, "%d processes killed while they bind and unbind", 4 * n);
	while (!vt_event_of(bed.fd, VTDPASID_EVENT_MM_GONE, -1, 0, &ev, 200))
		dead += !vt_unbind(bed.fd, ev.binding);
	vt_device_info(bed.fd, bed.id[0], &info);
	tap_is(info.out_bindings, 0, "each binding that was left had its MM_GONE (%d)", dead);
	pages[0] = 8;
	tap_ok(!vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid) &&
	       !svat_read64(dev, 0, pasid, &pages[0], &val) && val == 8 &&
	       !vt_unbind(bed.fd, binding), "the device still works");
}

/* ---- the module ------------------------------------------------------------ */

static void unloading(void)
{
	struct pci_func f = dev->func;
	struct vtdpasid_unit_info u;
	struct vtdpasid_attach a;
	uint32_t binding, pasid;
	struct svat d = *dev;
	int fd, rc, i, good = 0;
	char layout[32] = "", params[64];
	uint64_t val;

	tap_rc(vt_module_unload(), EWOULDBLOCK, "rmmod is refused while a file is open");
	bed_close(&bed);
	tap_ok(vt_loaded(), "the module is still there");

	/* A process without a file of its own is bound: its parent has it. */
	pci_claim(&f);
	svat_open(&d, &f);
	fd = must_open();
	rc = vt_attach(fd, &f, 0, &a);
	if (!rc)
		rc = vt_bind(fd, a.out_device, 0, 0, &binding, &pasid);
	tap_rc(rc, 0, "attach and bind");
	tap_rc(vt_module_unload(), EWOULDBLOCK, "rmmod is refused while something is bound");
	tap_rc(vt_handback(fd, 0), EBUSY, "HANDBACK is refused while something is attached");
	pages[0] = 99;
	tap_ok(!svat_read64(&d, 0, pasid, &pages[0], &val) && val == 99, "DMA was not disturbed");
	tap_rc(vt_detach(fd, a.out_device), 0, "DETACH");
	tap_rc(vt_handback(fd, 0), 0, "HANDBACK");
	tap_rc(vt_handback(fd, 0), ENOTCONN, "HANDBACK again");
	tap_ok(!vt_unit_info(fd, 0, &u) && u.out_state == VTDPASID_UNIT_IDLE &&
	       !(u.out_gsts & (GSTS_TES | GSTS_QIES)), "the unit is idle: GSTS %#x", u.out_gsts);
	tap_rc(vt_attach(fd, &f, 0, &a), ENOTCONN, "ATTACH wants a unit that is taken over");
	tap_rc(vt_module_unload(), EWOULDBLOCK, "rmmod is refused while the file is open");
	close(fd);

	if (access(vt_module_path(), R_OK)) {
		tap_skip(1, "%s is not there: no unloading", vt_module_path());
		return;
	}
	read_file("/sys/module/vtdpasid/parameters/pasid_table", layout, sizeof(layout));
	layout[strcspn(layout, "\n")] = 0;
	snprintf(params, sizeof(params), *layout ? "pasid_table=%s" : "%s", layout);
	for (i = 0; i < 5; i++) {
		rc = vt_module_unload();
		if (rc || vt_loaded() || !access(VTDPASID_DEVICE_PATH, F_OK)) {
			tap_diag("rmmod: %s", strerror(-rc));
			break;
		}
		rc = vt_module_load(params);
		if (rc) {
			tap_diag("insmod: %s", strerror(-rc));
			break;
		}
		fd = must_open();
		vt_unit_info(fd, 0, &u);
		if (u.out_state != VTDPASID_UNIT_IDLE || pci_claim(&f) ||
		    vt_takeover(fd, 0, NULL) || vt_attach(fd, &f, 0, &a) ||
		    vt_bind(fd, a.out_device, 0, 0, &binding, &pasid)) {
			tap_diag("nothing works after reload %d", i);
			close(fd);
			break;
		}
		pages[0] = 1000 + i;
		good += !svat_read64(&d, 0, pasid, &pages[0], &val) && val == 1000 + (uint64_t)i &&
			!svat_write64(&d, 0, pasid, &pages[1], i) && pages[1] == (uint64_t)i &&
			u.out_faults == 0;
		/* Twice by hand, otherwise close() has to clean up. */
		if (i < 2)
			vt_detach(fd, a.out_device);
		else
			close(fd), fd = must_open();
		if (i != 4)
			good += !vt_handback(fd, 0);
		close(fd);
	}
	tap_is(good, 9, "unload and load, 5 times: it works each time");

	/* Taken over, and nobody has a file: unloading hands back. */
	rc = vt_module_unload();
	if (!rc) {
		tap_rc(vt_module_load(params), 0, "rmmod of a module that has the unit: reload");
		fd = must_open();
		tap_ok(!vt_unit_info(fd, 0, &u) && u.out_state == VTDPASID_UNIT_IDLE &&
		       !(u.out_gsts & (GSTS_TES | GSTS_QIES)), "it was handed back: GSTS %#x",
		       u.out_gsts);
		tap_rc(vt_takeover(fd, 0, NULL), 0, "and can be taken over again");
		close(fd);
	} else {
		tap_rc(rc, EWOULDBLOCK, "rmmod of a module that has the unit is refused");
		tap_skip(2, "so there is nothing to look at");
	}
	pci_release(&f);
	svat_close(&d);
}

int main(int argc, char **argv)
{
	struct pci_func f[BED_MAX];
	struct client c = { .fd = -1 };
	struct svat d2;
	int n;

	if (argc == 6 && !strcmp(argv[1], "--after-exec"))
		return after_exec(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]),
				  strtoull(argv[5], NULL, 0));

	use_cpu(0);
	memset(pages, 0, sizeof(pages));
	bed_open(&bed, 1, 1);
	dev = &bed.dev[0];
	ends(BY_EXIT);
	ends(BY_KILL);
	ends(BY_EXEC);
	ends(BY_SEGV);
	shared_mm();
	unbind_under_load();
	rights();
	killed_anywhere();
	n = pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, BED_MAX);
	if (n > 1 && !pci_claim(&f[1]) && !svat_open(&d2, &f[1])) {
		c.f = &f[1];
		c.d = &d2;
		closing(&c);
		detaching(&c);
		svat_close(&d2);
		pci_release(&f[1]);
	} else {
		tap_skip(1, "one device only");
	}
	unloading();
	return tap_done();
}
