// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_life: takeover, handback and all between them, under a running disk and NIC
 *
 * Two children keep an NVMe disk (direct I/O, data compared) and a network card
 * (ping, data compared) busy through their kernel drivers from the beginning to
 * the end. After each step both must have gone on without one error. Registers
 * are read past the module, from /dev/mem.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "tap.h"

/* ---- the disk and the network card, in children ------------------------------- */

struct work {
	volatile uint64_t rounds;
	volatile uint64_t bad;
	volatile int err;
	char what[64];
};

static int fd;				/* /dev/vtdpasid */
static struct work *disk, *net;		/* shared with the children */
static pid_t disk_pid, net_pid;

static void work_failed(struct work *w, int err, const char *what)
{
	w->err = err;
	snprintf(w->what, sizeof(w->what), "%s", what);
	w->bad++;
}

#define DISK_BLOCK	(64 * 1024)
#define DISK_BLOCKS	512

static void disk_worker(void)
{
	int bd = open("/dev/nvme0n1", O_RDWR | O_DIRECT);
	uint64_t seed = 1;
	uint8_t *buf;

	buf = mmap(NULL, DISK_BLOCK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bd < 0 || buf == MAP_FAILED) {
		work_failed(disk, errno, "open");
		_exit(1);
	}
	for (;; seed++) {
		off_t place = seed * 2654435761u % DISK_BLOCKS * DISK_BLOCK;
		size_t len = 4096 << seed % 5;

		pattern_fill(buf, len, seed);
		if (pwrite(bd, buf, len, place) != (ssize_t)len)
			work_failed(disk, errno, "write");
		memset(buf, 0, len);
		if (pread(bd, buf, len, place) != (ssize_t)len)
			work_failed(disk, errno, "read");
		else if (pattern_check(buf, len, seed) >= 0)
			work_failed(disk, EILSEQ, "data");
		disk->rounds++;
	}
}

static uint16_t checksum(const void *p, size_t len)
{
	const uint16_t *w = p;
	uint32_t sum = 0;

	for (; len > 1; len -= 2)
		sum += *w++;
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return ~sum;
}

/* The name of the only interface that is a PCI function's. */
static bool net_name(char *name, size_t size)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "/sys/class/net/%s/device", e->d_name);
		if (e->d_name[0] != '.' && !access(path, F_OK)) {
			snprintf(name, size, "%.15s", e->d_name);
			found = true;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

/* 10.0.2.15/24, as in QEMU's user-mode network. */
static int net_up(void)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
	int sock = socket(AF_INET, SOCK_DGRAM, 0), i, err = 0;

	for (i = 0; i < 100 && !net_name(ifr.ifr_name, IFNAMSIZ); i++)
		sleep_ms(50);
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = inet_addr("10.0.2.15");
	err |= ioctl(sock, SIOCSIFADDR, &ifr);
	sin->sin_addr.s_addr = inet_addr("255.255.255.0");
	err |= ioctl(sock, SIOCSIFNETMASK, &ifr);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	err |= ioctl(sock, SIOCSIFFLAGS, &ifr);
	for (i = 0; i < 200 && !err; i++) {
		if (!ioctl(sock, SIOCGIFFLAGS, &ifr) && (ifr.ifr_flags & IFF_RUNNING))
			break;
		sleep_ms(50);
	}
	close(sock);
	return err || i == 200 ? -1 : 0;
}

static void net_worker(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 3 };
	struct {
		struct icmphdr h;
		uint8_t data[1200];
	} out;
	uint8_t in[2048];
	uint64_t seq;
	int sock;

	to.sin_addr.s_addr = inet_addr("10.0.2.2");
	sock = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (sock < 0 || net_up()) {
		work_failed(net, errno, "interface");
		_exit(1);
	}
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (seq = 1;; seq++) {
		memset(&out, 0, sizeof(out));
		out.h.type = ICMP_ECHO;
		out.h.un.echo.id = htons(getpid());
		out.h.un.echo.sequence = htons(seq);
		pattern_fill(out.data, sizeof(out.data), seq);
		out.h.checksum = checksum(&out, sizeof(out));
		if (sendto(sock, &out, sizeof(out), 0, (void *)&to, sizeof(to)) < 0) {
			work_failed(net, errno, "send");
			sleep_ms(100);
			continue;
		}
		for (;;) {
			ssize_t n = recv(sock, in, sizeof(in), 0);
			struct iphdr *ip = (void *)in;
			struct icmphdr *h = (void *)(in + ip->ihl * 4);

			if (n < 0) {
				/* The first may be sent before the link is up. */
				if (seq > 1)
					work_failed(net, errno, "no answer");
				break;
			}
			if (h->type != ICMP_ECHOREPLY || h->un.echo.id != out.h.un.echo.id ||
			    h->un.echo.sequence != out.h.un.echo.sequence)
				continue;
			if (n != (ssize_t)(ip->ihl * 4 + sizeof(out)) ||
			    pattern_check(h + 1, sizeof(out.data), seq) >= 0)
				work_failed(net, EILSEQ, "data");
			break;
		}
		net->rounds++;
		sleep_ms(5);
	}
}

static pid_t start(struct work *w, void (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		/* Else the file would live as long as we do. */
		close(fd);
		fn();
		_exit(0);
	}
	w->bad = 0;
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool goes_on(struct work *w, uint64_t more)
{
	uint64_t from = w->rounds, end = now_ms() + 20000;

	while (w->rounds < from + more && now_ms() < end && !w->bad)
		sleep_ms(5);
	return w->rounds >= from + more && !w->bad;
}

/* Both have done something since, and nothing went wrong. */
static void alive(const char *when)
{
	bool ok;

	ok = tap_ok(goes_on(disk, 12), "the disk works: %s", when);
	if (!ok)
		tap_diag("%lu rounds, %lu errors, last: %s: %s", disk->rounds, disk->bad,
			 disk->what, strerror(disk->err));
	ok = tap_ok(goes_on(net, 6), "the network works: %s", when);
	if (!ok)
		tap_diag("%lu rounds, %lu errors, last: %s: %s", net->rounds, net->bad,
			 net->what, strerror(net->err));
}

/* ---- registers ------------------------------------------------------------------ */

static volatile uint8_t *regs;

static const struct reg {
	const char *name;
	unsigned int at;
	unsigned int size;
	uint64_t ignore;
} reg_list[] = {
	{ "GSTS", 0x1c, 4, 1u << 30 /* RTPS, for ever */ },
	{ "RTADDR", 0x20, 8, 0 },
	{ "FSTS", 0x34, 4, 0 },
	{ "FECTL", 0x38, 4, 1u << 30 /* IP, which only hardware changes */ },
	{ "FEDATA", 0x3c, 4, 0 },
	{ "FEADDR", 0x40, 4, 0 },
	{ "FEUADDR", 0x44, 4, 0 },
	{ "PMEN", 0x64, 4, 0 },
	{ "PLMBASE", 0x68, 4, 0 },
	{ "PHMBASE", 0x70, 8, 0 },
	{ "IQH", 0x80, 8, 0 },
	{ "IQT", 0x88, 8, 0 },
	{ "IQA", 0x90, 8, ~0xfffULL /* QEMU shows what the last queue had */ },
	{ "IECTL", 0xa0, 4, 0 },
	{ "IRTA", 0xb8, 8, 0 },
	{ "PQH", 0xc0, 8, 0 },
	{ "PQT", 0xc8, 8, 0 },
	{ "PQA", 0xd0, 8, 0 },
	{ "PRS", 0xdc, 4, 0 },
	{ "PECTL", 0xe0, 4, 0 },
	{ "PEDATA", 0xe4, 4, 0 },
	{ "PEADDR", 0xe8, 4, 0 },
};

struct regs {
	uint64_t v[ARRAY_SIZE(reg_list)];
};

static void read_regs(struct regs *r)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reg_list); i++) {
		const struct reg *l = &reg_list[i];

		r->v[i] = l->size == 4 ? *(volatile uint32_t *)(regs + l->at) :
					 *(volatile uint64_t *)(regs + l->at);
		r->v[i] &= ~l->ignore;
	}
}

static void same_regs(const struct regs *a, const char *when)
{
	bool same = true;
	struct regs b;
	size_t i;

	read_regs(&b);
	for (i = 0; i < ARRAY_SIZE(reg_list); i++)
		same &= a->v[i] == b.v[i];
	tap_ok(same, "all registers but GSTS.RTPS are as before: %s", when);
	for (i = 0; i < ARRAY_SIZE(reg_list); i++)
		if (a->v[i] != b.v[i])
			tap_diag("%s was %#lx, is %#lx", reg_list[i].name, a->v[i], b.v[i]);
}

static bool map_regs(void)
{
	struct vtdpasid_unit_info unit;
	int mem = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);

	if (vt_unit_info(fd, 0, &unit))
		fatal("UNIT_INFO fails");
	regs = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, mem, unit.out_reg_base);
	close(mem);
	return regs != MAP_FAILED;
}

/* ---- tables ----------------------------------------------------------------------- */

enum entry { ABSENT, PASSES, BLOCKED, MAPS, ODD, FAILS };

static const char *const entry_names[] = {
	"absent", "pass-through", "blocked", "translated", "something odd", "not to be read",
};

/* What happens to the function's requests with that PASID (0: without). */
static enum entry entry_of(const struct pci_func *f, uint32_t pasid, uint16_t *did)
{
	struct vtdpasid_walk w;
	unsigned int pgtt;

	if (vt_walk(fd, f, 0, pasid, 0, &w))
		return FAILS;
	if (!(w.out_valid & VTDPASID_WALK_CONTEXT) || !(w.out_context[0] & 1))
		return w.out_context[0] || w.out_context[1] ? ODD : ABSENT;
	if (!(w.out_valid & VTDPASID_WALK_PASID) || !(w.out_pasid_entry[0] & 1))
		return ODD;
	if (did)
		*did = w.out_pasid_entry[1] & 0xffff;
	pgtt = w.out_pasid_entry[0] >> 6 & 7;
	if (pgtt == 4)
		return PASSES;
	if (pgtt != 1 || !(w.out_pasid_entry[2] & ~0xfffULL))
		return ODD;
	return pasid ? MAPS : BLOCKED;
}

static void is_entry(const struct pci_func *f, uint32_t pasid, enum entry want,
		     const char *when)
{
	enum entry e = entry_of(f, pasid, NULL);

	tap_ok(e == want, "%s%s is %s: %s", f->name, pasid ? ", its PASID," : "",
	       entry_names[want], when);
	if (e != want)
		tap_diag("it is %s", entry_names[e]);
}

/* ---- the story ---------------------------------------------------------------------- */

static struct pci_func nvme, nic, bridge, a, b;
static struct svat dev;
static struct regs found;

static void find_all(void)
{
	struct pci_func f[2];

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2)
		fatal("two test devices are needed");
	a = f[0];
	b = f[1];
	if (pci_find(0x1b36, 0x0010, &nvme, 1) != 1)
		fatal("no NVMe disk");
	if (pci_find(0x8086, 0x10d3, &nic, 1) != 1)
		fatal("no network card");
	if (pci_by_name("0000:00:00.0", &bridge))
		fatal("no host bridge");
}

static void must(int rc, const char *what)
{
	if (rc)
		fatal("%s: %s", what, strerror(-rc));
}

static void driver(const struct pci_func *f, const char *name, const char *verb)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", name, verb);
	must(write_file(path, "%s", f->name), path);
}

/* A reads and writes memory of ours with the PASID; it must not without. */
static void dma(uint32_t pasid, const char *when)
{
	volatile uint64_t *p = must_map(PAGE);
	uint64_t v = 0;

	p[0] = 0x1122334455667788;
	p[1] = 0;
	tap_ok(svat_read64(&dev, 0, pasid, &p[0], &v) == SVAT_ST_OK && v == p[0] &&
	       svat_write64(&dev, 0, pasid, &p[1], 42) == SVAT_ST_OK && p[1] == 42,
	       "A reads and writes by PASID: %s", when);
	tap_ok(svat_write64(&dev, 0, NO_PASID, &p[1], 43) != SVAT_ST_OK && p[1] == 42,
	       "A cannot write without: %s", when);
	munmap((void *)p, PAGE);
}

static void test_takeover(void)
{
	struct vtdpasid_unit_info unit;

	must(vt_takeover(fd, 0, NULL), "takeover");
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	tap_ok(unit.out_state == VTDPASID_UNIT_TAKEN && (unit.out_gsts & (1u << 31 | 1u << 26)) ==
	       (1u << 31 | 1u << 26), "translation and queue are on (GSTS %#x)", unit.out_gsts);
	alive("after takeover");
	is_entry(&nvme, 0, PASSES, "a kernel driver drives it");
	is_entry(&nic, 0, PASSES, "a kernel driver drives it");
	is_entry(&a, 0, ABSENT, "nothing owns it");
	is_entry(&b, 0, ABSENT, "nothing owns it");
	is_entry(&bridge, 0, ABSENT, "nothing owns it");
}

static void test_claimed(void)
{
	struct vtdpasid_attach out;
	uint32_t id, pasid;

	must(pci_claim(&a), "claim");
	is_entry(&a, 0, ABSENT, "claimed");
	must(vt_attach(fd, &a, 0, &out), "attach");
	must(svat_open(&dev, &a), "registers of A");
	tap_is(out.out_state & (VTDPASID_DEVICE_CLAIMED | VTDPASID_DEVICE_PASID),
	       VTDPASID_DEVICE_CLAIMED | VTDPASID_DEVICE_PASID, "A is claimed, and may use PASIDs");
	is_entry(&a, 0, BLOCKED, "claimed and attached");
	alive("after attach of A");
	must(vt_bind(fd, out.out_device, 0, 0, &id, &pasid), "bind");
	is_entry(&a, pasid, MAPS, "bound");
	dma(pasid, "bound");
	alive("after bind");
	must(vt_unbind(fd, id), "unbind");
	tap_ok(svat_write64(&dev, 0, pasid, &id, 0) != SVAT_ST_OK && id, "after unbind A cannot write");
	alive("after unbind");
	must(vt_detach(fd, out.out_device), "detach");
	is_entry(&a, 0, ABSENT, "detached");
	alive("after detach of A");
}

/* A function that its kernel driver goes on driving. */
static void test_driven(const struct pci_func *f, const char *name)
{
	enum entry e;
	struct vtdpasid_device_info info;
	struct vtdpasid_attach out;
	uint16_t did_before = 0, did = 0;
	char when[64];

	entry_of(f, 0, &did_before);
	must(vt_attach(fd, f, 0, &out), name);
	snprintf(when, sizeof(when), "after attach of the %s", name);
	alive(when);
	tap_ok(!(out.out_state & VTDPASID_DEVICE_CLAIMED) && out.out_pasid_max == 0,
	       "the %s is not claimed and has no PASID (state %#x)", name, out.out_state);
	e = entry_of(f, 0, &did);
	tap_ok(e == PASSES && did == did_before, "its entry 0 passes through, same domain id (%u)", did);
	tap_is(vt_bind(fd, out.out_device, 0, 0, NULL, NULL), -EPROTONOSUPPORT,
	       "bind with PASID to the %s", name);
	tap_is(vt_bind(fd, out.out_device, VTDPASID_BIND_NO_PASID, 0, NULL, NULL), -ENXIO,
	       "bind without PASID to the %s", name);
	must(vt_device_info(fd, out.out_device, &info), "DEVICE_INFO");
	tap_ok(!info.out_bindings && !info.out_faults, "no bindings, no faults");
	snprintf(when, sizeof(when), "after refused binds to the %s", name);
	alive(when);
	must(vt_detach(fd, out.out_device), "detach");
	is_entry(f, 0, PASSES, "detached, still driven");
	snprintf(when, sizeof(when), "after detach of the %s", name);
	alive(when);
}

/* All of it at once. */
static void test_together(void)
{
	struct vtdpasid_attach out_a, out_nvme, out_nic;
	struct vtdpasid_unit_info unit;
	uint32_t pasid;

	must(vt_attach(fd, &nvme, 0, &out_nvme), "attach of the disk");
	must(vt_attach(fd, &a, 0, &out_a), "attach of A");
	must(vt_attach(fd, &nic, 0, &out_nic), "attach of the NIC");
	must(vt_bind(fd, out_a.out_device, 0, 0, NULL, &pasid), "bind");
	dma(pasid, "with disk and NIC attached");
	alive("disk, NIC and A attached, A bound");
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	tap_is(unit.out_devices, 3, "three functions are attached");
	tap_is(vt_handback(fd, 0), -EBUSY, "handback is refused now");
	alive("after a refused handback");
	must(vt_detach(fd, out_nvme.out_device), "detach of the disk");
	must(vt_detach(fd, out_a.out_device), "detach of A, bound");
	must(vt_detach(fd, out_nic.out_device), "detach of the NIC");
	alive("all detached");
}

static void test_handback(const char *when)
{
	struct vtdpasid_unit_info unit;

	must(vt_handback(fd, 0), "handback");
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	tap_is(unit.out_state, VTDPASID_UNIT_IDLE, "the unit is idle: %s", when);
	same_regs(&found, when);
	alive(when);
}

static void test_rounds(void)
{
	unsigned int i, bad = 0, good_dma = 0;

	for (i = 0; i < 40; i++) {
		struct vtdpasid_attach out;
		uint32_t pasid;
		uint64_t word = 5, v = 0;

		must(vt_takeover(fd, 0, NULL), "takeover");
		if (i % 4 == 0) {
			must(vt_attach(fd, &a, 0, &out), "attach");
			must(vt_bind(fd, out.out_device, 0, 0, NULL, &pasid), "bind");
			good_dma += svat_read64(&dev, 0, pasid, &word, &v) == SVAT_ST_OK && v == 5;
			must(vt_detach(fd, out.out_device), "detach");
			must(vt_pasid_free(fd, pasid), "PASID_FREE");
		}
		if (i % 8 == 0)
			bad += !goes_on(disk, 3);
		must(vt_handback(fd, 0), "handback");
		if (i % 8 == 0)
			bad += !goes_on(net, 2);
	}
	tap_ok(!bad && good_dma == 10, "40 rounds of takeover and handback, 10 with DMA (%u good)",
	       good_dma);
	same_regs(&found, "after 40 rounds");
	alive("after 40 rounds");
}

/* Drivers come and go while the unit is ours. */
static void test_drivers(void)
{
	must(vt_takeover(fd, 0, NULL), "takeover");
	stop(net_pid);
	driver(&nic, "e1000e", "unbind");
	is_entry(&nic, 0, ABSENT, "its driver was unbound");
	tap_ok(goes_on(disk, 5), "the disk works: another function's driver was unbound");
	driver(&nic, "e1000e", "bind");
	is_entry(&nic, 0, PASSES, "its driver was bound again");
	net_pid = start(net, net_worker);
	alive("after the NIC's driver was bound under translation");

	if (access("/sys/bus/pci/drivers/pci-stub", F_OK)) {
		tap_skip(2, "no pci-stub here");
	} else {
		char path[128];

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", b.name);
		must(write_file(path, "pci-stub"), path);
		must(write_file("/sys/bus/pci/drivers_probe", "%s", b.name), "drivers_probe");
		is_entry(&b, 0, ABSENT, "a driver that hands it to userspace has it");
		driver(&b, "pci-stub", "unbind");
		is_entry(&b, 0, ABSENT, "that driver was unbound");
		write_file(path, "\n");
	}
	test_handback("drivers came and went");
}

static void test_rmmod(void)
{
	struct vtdpasid_attach out;
	struct vtdpasid_unit_info unit;
	uint32_t pasid;

	/* A file is open, with all that it can hold. */
	must(vt_takeover(fd, 0, NULL), "takeover");
	must(vt_attach(fd, &a, 0, &out), "attach");
	must(vt_bind(fd, out.out_device, 0, 0, NULL, &pasid), "bind");
	tap_is(vt_module_unload(), -EAGAIN, "rmmod is refused while a file is open");
	dma(pasid, "after a refused rmmod");
	alive("after a refused rmmod");

	/* Closed without unbind, detach, handback. */
	close(fd);
	tap_is(vt_module_unload(), 0, "rmmod while taken over");
	same_regs(&found, "after rmmod while taken over");
	alive("after rmmod while taken over");

	must(vt_module_load(""), "insmod");
	fd = must_open();
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	tap_is(unit.out_state, VTDPASID_UNIT_IDLE, "the unit is idle after insmod");
	same_regs(&found, "loading is inert");
	must(pci_claim(&a), "claim");
	must(vt_takeover(fd, 0, NULL), "takeover");
	must(vt_attach(fd, &a, 0, &out), "attach");
	must(vt_bind(fd, out.out_device, 0, 0, NULL, &pasid), "bind");
	dma(pasid, "with the module loaded anew");
	alive("with the module loaded anew");
	close(fd);
	fd = must_open();
	is_entry(&a, 0, ABSENT, "its file was closed");
	test_handback("at the end");
}

static void test_parameters(void)
{
	static const char *const wrong[] = {
		"pasid_table=nonsense", "pasid_table=", "takeover=some", "user_pasids=many",
	};
	struct vtdpasid_unit_info unit;
	unsigned int i;

	close(fd);
	must(vt_module_unload(), "rmmod");
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		tap_is(vt_module_load(wrong[i]), -EINVAL, "insmod with %s is refused", wrong[i]);
	same_regs(&found, "after insmod that was refused");

	must(vt_module_load("takeover=all"), "insmod with takeover=all");
	fd = must_open();
	must(vt_unit_info(fd, 0, &unit), "UNIT_INFO");
	tap_is(unit.out_state, VTDPASID_UNIT_TAKEN, "takeover=all: the unit is taken over");
	alive("with takeover=all");
	close(fd);
	must(vt_module_unload(), "rmmod");
	same_regs(&found, "after takeover=all and rmmod");
}

int main(void)
{
	struct work *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	disk = &w[0];
	net = &w[1];
	find_all();
	fd = must_open();
	if (!map_regs())
		fatal("/dev/mem does not give the registers (boot with iomem=relaxed)");
	read_regs(&found);
	disk_pid = start(disk, disk_worker);
	net_pid = start(net, net_worker);
	alive("before takeover");

	test_takeover();
	test_claimed();
	test_driven(&nvme, "disk");
	test_driven(&nic, "NIC");
	test_together();
	test_handback("after handback");
	test_rounds();
	test_drivers();
	test_rmmod();
	test_parameters();

	stop(disk_pid);
	stop(net_pid);
	tap_ok(!disk->bad && !net->bad, "no error of disk or network from beginning to end");
	tap_diag("%lu disk rounds, %lu pings", disk->rounds, net->rounds);
	return tap_done();
}
