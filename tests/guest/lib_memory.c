// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib_memory.c - memory of this process, and of the machine; see lib.h
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

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
