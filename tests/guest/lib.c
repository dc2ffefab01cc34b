// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib.c - what the guest test programs share; see lib.h
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

/* ---- small things -------------------------------------------------------- */

void fatal(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(99);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

void use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int write_file(const char *path, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int fd, len, rc = 0;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, buf, len) != len)
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

ssize_t read_file(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return len;
}

long read_number(const char *path)
{
	char buf[64];

	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	return strtol(buf, NULL, 0);
}

/* A permutation of 64-bit words, so different arguments never meet. */
uint64_t pattern_word(uint64_t seed, size_t index)
{
	uint64_t x = (seed << 32 | (uint32_t)index) + 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void pattern_fill(void *p, size_t len, uint64_t seed)
{
	uint64_t word;
	size_t off, n;

	for (off = 0; off < len; off += n) {
		n = len - off < 8 ? len - off : 8;
		word = pattern_word(seed, off / 8);
		memcpy((char *)p + off, &word, n);
	}
}

ssize_t pattern_check(const void *p, size_t len, uint64_t seed)
{
	const unsigned char *b = p;
	uint64_t word = 0;
	size_t off;

	for (off = 0; off < len; off++) {
		if (off % 8 == 0)
			word = pattern_word(seed, off / 8);
		if (b[off] != (word >> (off % 8 * 8) & 0xff))
			return off;
	}
	return -1;
}

/* ---- memory -------------------------------------------------------------- */

static void *touched(void *p, size_t len)
{
	size_t off;

	for (off = 0; off < len; off += PAGE)
		((volatile char *)p)[off] = 0;
	return p;
}

void *must_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fatal("mmap of %zu bytes: %s", len, strerror(errno));
	madvise(p, len, MADV_NOHUGEPAGE);
	return touched(p, len);
}

void *must_map_at(uint64_t addr, size_t len)
{
	void *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		fatal("mmap at %#lx: %s", (unsigned long)addr, strerror(errno));
	if (p != (void *)addr)
		fatal("mmap at %#lx gave %p", (unsigned long)addr, p);
	madvise(p, len, MADV_NOHUGEPAGE);
	return touched(p, len);
}

void *map_thp(size_t len)
{
	char *p, *aligned;
	size_t off;

	/* Off by default on machines with less than 512 MiB. */
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	p = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	aligned = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	if (aligned != p)
		munmap(p, aligned - p);
	munmap(aligned + len, p + HUGE - aligned);
	madvise(aligned, len, MADV_HUGEPAGE);
	touched(aligned, len);
	for (off = 0; off < len; off += HUGE) {
		if (kpageflags(phys_of(aligned + off)) & KPF_THP)
			continue;
		munmap(aligned, len);
		return NULL;
	}
	return aligned;
}

#define HUGETLB_DIR	"/sys/kernel/mm/hugepages/hugepages-2048kB/"

long hugetlb_reserve(long n)
{
	long have = read_number(HUGETLB_DIR "free_hugepages");
	long all = read_number(HUGETLB_DIR "nr_hugepages");

	if (have < n) {
		write_file("/proc/sys/vm/compact_memory", "1");
		write_file(HUGETLB_DIR "nr_hugepages", "%ld", all + n - have);
	}
	return read_number(HUGETLB_DIR "free_hugepages");
}

uint64_t phys_of(const void *p)
{
	static pid_t owner;
	static int fd = -1;
	uint64_t entry = 0;

	/* The file belongs to the mm that opened it: a child needs its own. */
	if (owner != getpid()) {
		if (fd >= 0)
			close(fd);
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		owner = getpid();
	}
	if (fd < 0)
		fatal("/proc/self/pagemap: %s", strerror(errno));
	if (pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		entry = 0;
	if (!(entry >> 63 & 1))
		return 0;
	entry &= (1ULL << 55) - 1;
	if (!entry)
		fatal("/proc/self/pagemap shows no page frame numbers");
	return entry * PAGE + (uintptr_t)p % PAGE;
}

uint64_t kpageflags(uint64_t phys)
{
	static int fd = -1;
	uint64_t flags = 0;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (!phys || fd < 0 || pread(fd, &flags, 8, phys / PAGE * 8) != 8)
		return 0;
	return flags;
}

/* /proc/kcore has the kernel's ranges as program headers of an ELF file. */
static int kcore_find(uint64_t phys, Elf64_Phdr *found)
{
	static Elf64_Phdr ph[64];
	static int fd = -1, n;
	Elf64_Ehdr eh;
	int i;

	if (fd < 0) {
		fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
			return -1;
		n = eh.e_phnum < ARRAY_SIZE(ph) ? eh.e_phnum : ARRAY_SIZE(ph);
		if (pread(fd, ph, n * sizeof(*ph), eh.e_phoff) != (ssize_t)(n * sizeof(*ph)))
			n = 0;
	}
	for (i = 0; i < n; i++) {
		/* The kernel's image, at the end, is in the direct map as well. */
		if (ph[i].p_type != PT_LOAD || ph[i].p_paddr == ~0ULL ||
		    ph[i].p_vaddr >= 0xffffffff80000000ULL || phys < ph[i].p_paddr ||
		    phys >= ph[i].p_paddr + ph[i].p_memsz)
			continue;
		*found = ph[i];
		return fd;
	}
	return -1;
}

uint64_t direct_map_of(uint64_t phys)
{
	Elf64_Phdr ph;

	return kcore_find(phys, &ph) < 0 ? 0 : ph.p_vaddr + (phys - ph.p_paddr);
}

bool phys_read64(uint64_t phys, uint64_t *val)
{
	Elf64_Phdr ph;
	int fd = kcore_find(phys, &ph);

	return fd >= 0 && pread(fd, val, 8, ph.p_offset + (phys - ph.p_paddr)) == 8;
}

bool reuse_begin(struct reuse *r, uint64_t phys, uint64_t fill, size_t max)
{
	size_t i, words = PAGE / 8;
	uint64_t *page;

	r->hit = NULL;
	r->pages = 0;
	r->base = mmap(NULL, max * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->base == MAP_FAILED)
		fatal("mmap of %zu pages: %s", max, strerror(errno));
	madvise(r->base, max * PAGE, MADV_NOHUGEPAGE);
	r->pages = max;
	for (page = r->base; page < r->base + max * words; page += words) {
		for (i = 0; i < words; i++)
			page[i] = fill;
		if (phys_of(page) != phys / PAGE * PAGE)
			continue;
		r->hit = page;
		/* What was not touched would read as zero, not as @fill. */
		r->pages = (page - r->base) / words + 1;
		munmap(page + words, max * PAGE - r->pages * PAGE);
		break;
	}
	return r->hit;
}

size_t reuse_damage(const struct reuse *r, uint64_t fill)
{
	size_t i, n = 0;

	for (i = 0; i < r->pages * PAGE / 8; i++)
		n += ((volatile uint64_t *)r->base)[i] != fill;
	return n;
}

void reuse_end(struct reuse *r)
{
	if (r->pages)
		munmap(r->base, r->pages * PAGE);
	r->pages = 0;
	r->hit = NULL;
}

/* ---- processes ----------------------------------------------------------- */

int child_start(struct child *c, int (*fn)(int sock, void *arg), void *arg)
{
	pid_t parent = getpid();
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return -errno;
	fflush(stdout);
	c->pid = fork();
	if (c->pid < 0) {
		int err = errno;

		close(sv[0]);
		close(sv[1]);
		return -err;
	}
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(sv[0]);
		_exit(fn(sv[1], arg));
	}
	close(sv[1]);
	c->sock = sv[0];
	return 0;
}

int msg_send(int sock, const void *buf, size_t len)
{
	return send(sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = now_ms() + timeout_ms;
	int n, left = timeout_ms;

	while ((n = poll(&p, 1, left)) < 0 && errno == EINTR) {
		left = end - now_ms();
		if (left < 0)
			left = 0;
	}
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

ssize_t msg_recv(int sock, void *buf, size_t size, int timeout_ms)
{
	ssize_t n = wait_readable(sock, timeout_ms);

	if (n)
		return n;
	n = recv(sock, buf, size, 0);
	if (n < 0)
		return -errno;
	return n ? n : -EPIPE;
}

int msg_send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int msg_recv_fd(int sock, int timeout_ms)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd, rc = wait_readable(sock, timeout_ms);

	if (rc)
		return rc;
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int child_wait(struct child *c, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	bool late = false;
	int status;
	pid_t pid;

	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	while (!(pid = waitpid(c->pid, &status, WNOHANG))) {
		if (!late && now_ms() > end) {
			late = true;
			kill(c->pid, SIGKILL);
		}
		sleep_ms(1);
	}
	c->pid = -1;
	if (pid < 0)
		return -errno;
	return late ? -ETIMEDOUT : status;
}

int child_kill(struct child *c, int sig)
{
	return kill(c->pid, sig) ? -errno : 0;
}

/* ---- PCI ----------------------------------------------------------------- */

#define PCI_DIR	"/sys/bus/pci/devices"

static void pci_path(char *buf, size_t size, const struct pci_func *f, const char *file)
{
	snprintf(buf, size, PCI_DIR "/%s/%s", f->name, file);
}

int pci_by_name(const char *name, struct pci_func *f)
{
	unsigned int segment, bus, dev, fn;
	char path[128];

	if (sscanf(name, "%x:%x:%x.%x", &segment, &bus, &dev, &fn) != 4)
		return -EINVAL;
	snprintf(f->name, sizeof(f->name), "%.31s", name);
	f->segment = segment;
	f->rid = bus << 8 | dev << 3 | fn;
	pci_path(path, sizeof(path), f, "vendor");
	f->vendor = read_number(path);
	pci_path(path, sizeof(path), f, "device");
	f->device = read_number(path);
	return access(path, F_OK) ? -ENODEV : 0;
}

static int compare_func(const void *a, const void *b)
{
	return strcmp(((const struct pci_func *)a)->name, ((const struct pci_func *)b)->name);
}

int pci_find(uint16_t vendor, uint16_t device, struct pci_func *f, int max)
{
	struct dirent *e;
	struct pci_func g;
	int n = 0;
	DIR *dir;

	dir = opendir(PCI_DIR);
	if (!dir)
		return 0;
	while ((e = readdir(dir)) && n < max)
		if (!pci_by_name(e->d_name, &g) && g.vendor == vendor && g.device == device)
			f[n++] = g;
	closedir(dir);
	qsort(f, n, sizeof(*f), compare_func);
	return n;
}

const char *pci_driver(const struct pci_func *f, char *buf, size_t size)
{
	char path[128], link[256];
	ssize_t n;

	pci_path(path, sizeof(path), f, "driver");
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	snprintf(buf, size, "%s", strrchr(link, '/') ? strrchr(link, '/') + 1 : "");
	return buf;
}

static int pci_unbind(const struct pci_func *f)
{
	char path[128], driver[64];

	if (!*pci_driver(f, driver, sizeof(driver)))
		return 0;
	pci_path(path, sizeof(path), f, "driver/unbind");
	return write_file(path, "%s", f->name);
}

int pci_claim(const struct pci_func *f)
{
	char path[128], driver[64];
	int rc;

	if (!strcmp(pci_driver(f, driver, sizeof(driver)), "vtdpasid"))
		return 0;
	pci_path(path, sizeof(path), f, "driver_override");
	rc = write_file(path, "vtdpasid");
	if (!rc)
		rc = pci_unbind(f);
	if (!rc)
		rc = write_file("/sys/bus/pci/drivers_probe", "%s", f->name);
	if (!rc && strcmp(pci_driver(f, driver, sizeof(driver)), "vtdpasid"))
		rc = -ENXIO;
	return rc;
}

int pci_release(const struct pci_func *f)
{
	char path[128];

	pci_path(path, sizeof(path), f, "driver_override");
	write_file(path, "\n");
	return pci_unbind(f);
}

static int pci_config(const struct pci_func *f, unsigned int off, unsigned int width,
		      uint32_t *val, bool write)
{
	char path[128];
	ssize_t n;
	int fd;

	pci_path(path, sizeof(path), f, "config");
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write ? pwrite(fd, val, width, off) : pread(fd, val, width, off);
	close(fd);
	return n == (ssize_t)width ? 0 : -EIO;
}

uint32_t pci_read(const struct pci_func *f, unsigned int off, unsigned int width)
{
	uint32_t val = 0;

	return pci_config(f, off, width, &val, false) ? 0xffffffff : val;
}

int pci_write(const struct pci_func *f, unsigned int off, unsigned int width, uint32_t val)
{
	return pci_config(f, off, width, &val, true);
}

static int pci_command(const struct pci_func *f, uint32_t set, uint32_t clear)
{
	uint32_t command = pci_read(f, PCI_COMMAND, 2);

	if (((command | set) & ~clear) == command)
		return 0;
	return pci_write(f, PCI_COMMAND, 2, (command | set) & ~clear);
}

int pci_bus_master(const struct pci_func *f, bool on)
{
	return pci_command(f, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}

void *pci_map_bar0(const struct pci_func *f, size_t *size)
{
	char path[128];
	struct stat st;
	void *p;
	int fd;

	if (pci_command(f, PCI_COMMAND_MEMORY, 0))
		return NULL;
	pci_path(path, sizeof(path), f, "resource0");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st)) {
		close(fd);
		return NULL;
	}
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (size)
		*size = st.st_size;
	return p == MAP_FAILED ? NULL : p;
}

/* ---- the module ---------------------------------------------------------- */

bool vt_loaded(void)
{
	return !access("/sys/module/vtdpasid", F_OK);
}

int vt_open(void)
{
	int fd = open(VTDPASID_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int must_open(void)
{
	int fd = vt_open();

	if (fd < 0)
		fatal("%s: %s%s", VTDPASID_DEVICE_PATH, strerror(-fd),
		      vt_loaded() ? "" : " (the module is not loaded)");
	return fd;
}

int vt_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int vt_get_info(int fd, struct vtdpasid_get_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return vt_ioctl(fd, VTDPASID_GET_INFO, info);
}

int vt_unit_info(int fd, uint32_t unit, struct vtdpasid_unit_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->unit = unit;
	return vt_ioctl(fd, VTDPASID_UNIT_INFO, info);
}

int vt_takeover(int fd, uint32_t unit, uint32_t *check)
{
	struct vtdpasid_takeover arg = { .size = sizeof(arg), .unit = unit };
	int rc = vt_ioctl(fd, VTDPASID_TAKEOVER, &arg);

	if (check)
		*check = arg.out_check;
	return rc;
}

int vt_handback(int fd, uint32_t unit)
{
	struct vtdpasid_handback arg = { .size = sizeof(arg), .unit = unit };

	return vt_ioctl(fd, VTDPASID_HANDBACK, &arg);
}

int vt_attach(int fd, const struct pci_func *f, uint32_t flags, struct vtdpasid_attach *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->flags = flags;
	out->segment = f->segment;
	out->rid = f->rid;
	return vt_ioctl(fd, VTDPASID_ATTACH, out);
}

int vt_detach(int fd, uint32_t device)
{
	struct vtdpasid_detach arg = { .size = sizeof(arg), .device = device };

	return vt_ioctl(fd, VTDPASID_DETACH, &arg);
}

int vt_device_info(int fd, uint32_t device, struct vtdpasid_device_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->device = device;
	return vt_ioctl(fd, VTDPASID_DEVICE_INFO, info);
}

int vt_pasid_alloc(int fd, uint32_t flags, uint32_t min, uint32_t max, uint32_t *pasid)
{
	struct vtdpasid_pasid_alloc arg = {
		.size = sizeof(arg), .flags = flags, .min = min, .max = max,
	};
	int rc = vt_ioctl(fd, VTDPASID_PASID_ALLOC, &arg);

	*pasid = arg.out_pasid;
	return rc;
}

int vt_pasid_free(int fd, uint32_t pasid)
{
	struct vtdpasid_pasid_free arg = { .size = sizeof(arg), .pasid = pasid };

	return vt_ioctl(fd, VTDPASID_PASID_FREE, &arg);
}

int vt_bind(int fd, uint32_t device, uint32_t flags, uint32_t pasid,
	    uint32_t *binding, uint32_t *out_pasid)
{
	struct vtdpasid_bind arg = {
		.size = sizeof(arg), .flags = flags, .device = device, .pasid = pasid,
	};
	int rc = vt_ioctl(fd, VTDPASID_BIND, &arg);

	if (binding)
		*binding = arg.out_binding;
	if (out_pasid)
		*out_pasid = arg.out_pasid;
	return rc;
}

int vt_unbind(int fd, uint32_t binding)
{
	struct vtdpasid_unbind arg = { .size = sizeof(arg), .binding = binding };

	return vt_ioctl(fd, VTDPASID_UNBIND, &arg);
}

int vt_sync(int fd, const void *addr, size_t len)
{
	struct vtdpasid_sync arg = {
		.size = sizeof(arg), .addr = (uintptr_t)addr, .length = len,
	};

	return vt_ioctl(fd, VTDPASID_SYNC, &arg);
}

int vt_walk(int fd, const struct pci_func *f, uint32_t flags, uint32_t pasid,
	    uint64_t addr, struct vtdpasid_walk *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->flags = flags;
	out->segment = f->segment;
	out->rid = f->rid;
	out->pasid = pasid;
	out->addr = addr;
	return vt_ioctl(fd, VTDPASID_WALK, out);
}

const char *vt_module_path(void)
{
	const char *path = getenv("VTDPASID_KO");

	return path ? path : "/t/vtdpasid.ko";
}

int vt_module_load(const char *params)
{
	int fd, rc = 0;

	fd = open(vt_module_path(), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params, 0))
		rc = -errno;
	close(fd);
	return rc;
}

int vt_module_unload(void)
{
	return syscall(SYS_delete_module, "vtdpasid", O_NONBLOCK) ? -errno : 0;
}

/* ---- events -------------------------------------------------------------- */

int vt_event(int fd, struct vtdpasid_event *ev, int timeout_ms)
{
	ssize_t n = wait_readable(fd, timeout_ms);

	if (n)
		return n;
	n = read(fd, ev, sizeof(*ev));
	if (n < 0)
		return -errno;
	return n == sizeof(*ev) ? 0 : -EBADMSG;
}

int vt_event_of(int fd, uint16_t type, int rid, uint32_t binding,
		struct vtdpasid_event *ev, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms, now;
	int rc;

	for (;;) {
		now = now_ms();
		rc = vt_event(fd, ev, now < end ? end - now : 0);
		if (rc)
			return rc;
		if ((!type || ev->type == type) && (rid < 0 || ev->rid == rid) &&
		    (!binding || ev->binding == binding))
			return 0;
	}
}

int vt_events_drop(int fd)
{
	struct vtdpasid_event ev;
	int n = 0;

	while (!vt_event(fd, &ev, 0))
		n++;
	return n;
}

const char *vt_event_text(const struct vtdpasid_event *ev)
{
	static const char * const types[] = {
		"?", "fault", "page request failed", "mm gone", "device gone", "unit broken",
		[VTDPASID_EVENT_DEVICE_STOPPED] = "device stopped",
	};
	static char buf[256];

	snprintf(buf, sizeof(buf),
		 "%s rid %04x pasid %s%#x %s reason %#x addr %#llx device %u binding %u lost %u",
		 types[ev->type < ARRAY_SIZE(types) && types[ev->type] ? ev->type : 0], ev->rid,
		 ev->flags & VTDPASID_EVENT_PASID ? "" : "none/", ev->pasid,
		 ev->flags & VTDPASID_EVENT_WRITE ? "write" : "read", ev->reason,
		 (unsigned long long)ev->addr, ev->device, ev->binding, ev->lost);
	return buf;
}

bool fault_is_no_pasid(uint32_t reason)
{
	return reason == FR_PASID_DIR || reason == FR_PASID_ENTRY ||
	       reason == FR_PASID_ENTRY_INVALID;
}

/* ---- sva-testdev --------------------------------------------------------- */

uint64_t svat_get(const struct svat *d, unsigned int reg)
{
	return *(volatile uint64_t *)(d->bar + reg);
}

void svat_set(struct svat *d, unsigned int reg, uint64_t val)
{
	*(volatile uint64_t *)(d->bar + reg) = val;
}

int svat_open(struct svat *d, const struct pci_func *f)
{
	size_t size;

	d->func = *f;
	d->bar = pci_map_bar0(f, &size);
	if (!d->bar)
		return -errno;
	if (size != SVAT_BAR_SIZE || svat_get(d, SVAT_ID) != SVAT_ID_VALUE ||
	    svat_get(d, SVAT_VERSION) != SVAT_VERSION_VALUE) {
		munmap((void *)d->bar, size);
		d->bar = NULL;
		return -ENODEV;
	}
	return 0;
}

void svat_close(struct svat *d)
{
	if (d->bar)
		munmap((void *)d->bar, SVAT_BAR_SIZE);
	d->bar = NULL;
}

void svat_reset(struct svat *d)
{
	svat_set(d, SVAT_CTRL, SVAT_CTRL_RESET);
}

const char *svat_status(int status)
{
	static const char * const names[] = {
		"ok", "busy", "invalid", "DMA error", "not bus master", "refused by the device",
		"PASID is off", "ATS is off", "PRI is off", "ATS denied", "ATS error",
		"PRI limit", "PRI refused", "PRI invalid", "PRI failure", "PRI timeout",
		"PRI retries", "stopped", "mismatch", "no resource",
	};

	if (status < 0)
		return strerror(-status);
	return status < (int)ARRAY_SIZE(names) ? names[status] : "unknown status";
}

int svat_ended(const struct svat *d, int status)
{
	return svat_get(d, SVAT_ID) == SVAT_ID_VALUE ? status : -ENODEV;
}

static void chan_setup(struct svat *d, int chan, long pasid, uint64_t iova, size_t len,
		       unsigned int buf_off, uint64_t flags)
{
	unsigned int base = SVAT_CHAN(chan);

	if (pasid != NO_PASID) {
		svat_set(d, base + SVAT_CH_PASID, pasid);
		flags |= SVAT_F_PASID;
	}
	svat_set(d, base + SVAT_CH_FLAGS, flags);
	svat_set(d, base + SVAT_CH_IOVA, iova);
	svat_set(d, base + SVAT_CH_LEN, len);
	svat_set(d, base + SVAT_CH_BUF_OFF, buf_off);
}

/* Up to a page each way is done when the doorbell was written. */
static int chan_run(struct svat *d, int chan, uint64_t cmd)
{
	unsigned int base = SVAT_CHAN(chan);
	uint64_t end = now_ms() + 10000;
	int status;

	svat_set(d, base + SVAT_CH_CMD, cmd);
	while ((status = svat_get(d, base + SVAT_CH_STATUS)) == SVAT_ST_BUSY)
		if (now_ms() > end)
			return -ETIMEDOUT;
	return svat_ended(d, status);
}

static void buf_read(const struct svat *d, int chan, void *buf, size_t len)
{
	size_t off, n;
	uint64_t word;

	for (off = 0; off < len; off += n) {
		n = len - off < 8 ? len - off : 8;
		word = svat_get(d, SVAT_BUF(chan) + off);
		memcpy((char *)buf + off, &word, n);
	}
}

static void buf_write(struct svat *d, int chan, const void *buf, size_t len)
{
	size_t off, n;
	uint64_t word;

	for (off = 0; off < len; off += n) {
		n = len - off < 8 ? len - off : 8;
		word = 0;
		memcpy(&word, (const char *)buf + off, n);
		svat_set(d, SVAT_BUF(chan) + off, word);
	}
}

int svat_read(struct svat *d, int chan, long pasid, uint64_t iova, void *buf, size_t len)
{
	size_t n;
	int st;

	for (; len; len -= n, iova += n, buf = (char *)buf + n) {
		n = len < SVAT_BUF_SIZE ? len : SVAT_BUF_SIZE;
		chan_setup(d, chan, pasid, iova, n, 0, 0);
		st = chan_run(d, chan, SVAT_CMD_DMA);
		if (st)
			return st;
		buf_read(d, chan, buf, n);
	}
	return SVAT_ST_OK;
}

int svat_write(struct svat *d, int chan, long pasid, uint64_t iova, const void *buf, size_t len)
{
	size_t n;
	int st;

	for (; len; len -= n, iova += n, buf = (const char *)buf + n) {
		n = len < SVAT_BUF_SIZE ? len : SVAT_BUF_SIZE;
		buf_write(d, chan, buf, n);
		chan_setup(d, chan, pasid, iova, n, 0, SVAT_F_WRITE);
		st = chan_run(d, chan, SVAT_CMD_DMA);
		if (st)
			return st;
	}
	return SVAT_ST_OK;
}

int svat_range(struct svat *d, int chan, long pasid, const volatile void *addr, size_t len,
	       uint64_t pattern, bool fill)
{
	chan_setup(d, chan, pasid, (uintptr_t)addr, len, 0, 0);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_PATTERN, pattern);
	return chan_run(d, chan, fill ? SVAT_CMD_FILL : SVAT_CMD_CHECK);
}

int svat_read64(struct svat *d, int chan, long pasid, const volatile void *addr, uint64_t *val)
{
	*val = ~0ULL;
	return svat_read(d, chan, pasid, (uintptr_t)addr, val, 8);
}

int svat_write64(struct svat *d, int chan, long pasid, const volatile void *addr, uint64_t val)
{
	return svat_write(d, chan, pasid, (uintptr_t)addr, &val, 8);
}

/* Shorter ones leave the virtual CPUs little time for anything else. */
#define LOOP_PERIOD_NS	30000

static void loop_start(struct svat *d, int chan, long pasid, const volatile void *addr,
		       uint64_t flags)
{
	chan_setup(d, chan, pasid, (uintptr_t)addr, 8, 0, flags | SVAT_F_REPEAT);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_PERIOD, LOOP_PERIOD_NS);
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_CMD, SVAT_CMD_DMA);
}

void svat_loop_read(struct svat *d, int chan, long pasid, const volatile void *addr,
		    uint64_t match)
{
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_MATCH, match);
	loop_start(d, chan, pasid, addr, 0);
}

void svat_loop_write(struct svat *d, int chan, long pasid, const volatile void *addr,
		     uint64_t val)
{
	buf_write(d, chan, &val, 8);
	loop_start(d, chan, pasid, addr, SVAT_F_WRITE);
}

void svat_loop_look(struct svat *d, int chan, struct svat_loop *l)
{
	unsigned int base = SVAT_CHAN(chan);

	l->ok = svat_get(d, base + SVAT_CH_N_OK);
	l->failed = svat_get(d, base + SVAT_CH_N_FAIL);
	l->first_failed = svat_get(d, base + SVAT_CH_FIRST_FAIL);
	l->last = svat_get(d, base + SVAT_CH_LAST_DATA);
	l->changes = svat_get(d, base + SVAT_CH_N_CHANGES);
	l->matches = svat_get(d, base + SVAT_CH_N_MATCHES);
	l->round_status = svat_get(d, base + SVAT_CH_ROUND_STATUS);
}

static uint64_t loop_done(struct svat *d, int chan)
{
	return svat_get(d, SVAT_CHAN(chan) + SVAT_CH_N_OK) +
	       svat_get(d, SVAT_CHAN(chan) + SVAT_CH_N_FAIL);
}

bool svat_loop_rounds(struct svat *d, int chan, uint64_t more)
{
	uint64_t target = loop_done(d, chan) + more, end = now_ms() + 5000;

	while (loop_done(d, chan) < target) {
		if (now_ms() > end)
			return false;
		/* An emulated device runs when the CPU rests. */
		usleep(20);
	}
	return true;
}

void svat_loop_stop(struct svat *d, int chan, struct svat_loop *l)
{
	svat_set(d, SVAT_CHAN(chan) + SVAT_CH_CMD, SVAT_CMD_STOP);
	if (l)
		svat_loop_look(d, chan, l);
}

int svat_fault(int fd, struct svat *d, int chan, long pasid, uint64_t iova, bool write,
	       struct vtdpasid_event *ev)
{
	uint64_t word = 0x5a5a5a5a5a5a5a5aULL, end;
	int st, try;

	/*
	 * Hardware with one fault register drops records while that one is not
	 * read yet, of accesses made before this call: so there are more tries.
	 */
	for (try = 0; try < 4; try++) {
		/* After a flood the module rests before it reads what is there. */
		sleep_ms(50);
		vt_events_drop(fd);
		st = write ? svat_write(d, chan, pasid, iova, &word, 8) :
			     svat_read(d, chan, pasid, iova, &word, 8);
		if (st == SVAT_ST_OK)
			return -EILSEQ;
		if (st != SVAT_ST_DMA_ERROR)
			return st;
		end = now_ms() + 500;
		do {
			if (vt_event_of(fd, VTDPASID_EVENT_FAULT, d->func.rid, 0, ev, 100))
				continue;
			if (ev->addr == (iova & ~(PAGE - 1)) &&
			    !(ev->flags & VTDPASID_EVENT_WRITE) == !write)
				return 0;
		} while (now_ms() < end);
	}
	return -ETIMEDOUT;
}

/* ---- QEMU's edu ---------------------------------------------------------- */

#define EDU_REG_ID		0x00
#define EDU_ID			0x010000ed
#define EDU_REG_SRC		0x80
#define EDU_REG_DST		0x88
#define EDU_REG_COUNT		0x90
#define EDU_REG_CMD		0x98
#define EDU_CMD_RUN		1
#define EDU_CMD_TO_MEMORY	2
#define EDU_BUF			0x40000
#define EDU_BAR_SIZE		0x100000

int edu_open(struct edu *e, const struct pci_func *f)
{
	size_t size;

	e->func = *f;
	e->bar = pci_map_bar0(f, &size);
	if (!e->bar)
		return -errno;
	if (size == EDU_BAR_SIZE && *(volatile uint32_t *)(e->bar + EDU_REG_ID) == EDU_ID)
		return 0;
	munmap((void *)e->bar, size);
	e->bar = NULL;
	return -ENODEV;
}

void edu_close(struct edu *e)
{
	if (e->bar)
		munmap((void *)e->bar, EDU_BAR_SIZE);
	e->bar = NULL;
}

static void edu_set(struct edu *e, unsigned int reg, uint64_t val)
{
	*(volatile uint64_t *)(e->bar + reg) = val;
}

static int edu_run(struct edu *e, uint64_t src, uint64_t dst, size_t len, uint64_t dir)
{
	uint64_t end = now_ms() + 5000;

	edu_set(e, EDU_REG_SRC, src);
	edu_set(e, EDU_REG_DST, dst);
	edu_set(e, EDU_REG_COUNT, len);
	edu_set(e, EDU_REG_CMD, EDU_CMD_RUN | dir);
	while (*(volatile uint64_t *)(e->bar + EDU_REG_CMD) & EDU_CMD_RUN) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		sleep_ms(5);
	}
	return 0;
}

int edu_read(struct edu *e, uint64_t iova, size_t len)
{
	return edu_run(e, iova, EDU_BUF, len, 0);
}

int edu_write(struct edu *e, uint64_t iova, size_t len)
{
	return edu_run(e, EDU_BUF, iova, len, EDU_CMD_TO_MEMORY);
}

/* ---- a bed to test in ---------------------------------------------------- */

int must_take_unit(void)
{
	uint32_t check = 0;
	int fd = must_open(), rc;

	rc = vt_takeover(fd, 0, &check);
	if (rc && rc != -EALREADY)
		fatal("takeover of unit 0: %s (check %u)", strerror(-rc), check);
	return fd;
}

void bed_open_flags(struct bed *b, int need, int want, uint32_t flags)
{
	struct pci_func f[BED_MAX];
	int i, n, rc;

	memset(b, 0, sizeof(*b));
	b->fd = must_take_unit();
	n = pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, BED_MAX);
	if (n < need)
		fatal("%d sva-testdev found, %d needed", n, need);
	b->n = n < want ? n : want;
	for (i = 0; i < b->n; i++) {
		rc = pci_claim(&f[i]);
		if (rc)
			fatal("claiming %s: %s", f[i].name, strerror(-rc));
		rc = svat_open(&b->dev[i], &f[i]);
		if (rc)
			fatal("registers of %s: %s", f[i].name, strerror(-rc));
		svat_reset(&b->dev[i]);
		rc = vt_attach(b->fd, &f[i], flags, &b->info[i]);
		if (rc)
			fatal("attaching %s with flags %#x: %s", f[i].name, flags, strerror(-rc));
		b->id[i] = b->info[i].out_device;
	}
}

void bed_open(struct bed *b, int need, int want)
{
	bed_open_flags(b, need, want, 0);
}

void bed_close(struct bed *b)
{
	int i, rc;

	for (i = 0; i < b->n; i++) {
		svat_reset(&b->dev[i]);
		rc = vt_detach(b->fd, b->id[i]);
		if (rc && rc != -ENOENT)
			printf("# detaching %s: %s\n", b->dev[i].func.name, strerror(-rc));
		svat_close(&b->dev[i]);
		rc = pci_release(&b->dev[i].func);
		if (rc)
			printf("# releasing %s: %s\n", b->dev[i].func.name, strerror(-rc));
	}
	close(b->fd);
	b->fd = -1;
	b->n = 0;
}

uint64_t bed_unit_faults(const struct bed *b)
{
	struct vtdpasid_unit_info info;

	return vt_unit_info(b->fd, 0, &info) ? ~0ULL : info.out_faults;
}

uint64_t bed_faults(const struct bed *b, int i)
{
	struct vtdpasid_device_info info;

	return vt_device_info(b->fd, b->id[i], &info) ? ~0ULL : info.out_faults;
}
