// SPDX-License-Identifier: GPL-2.0-only
/*
 * pages - page_owner's records, but for pages that are known to be others'
 *
 * page_owner knows who allocated each page in use. To name all of them takes a
 * guest with KASAN most of a minute, at the end of each boot. What a module
 * allocates and does not map has no flags: slabs, page tables, the page cache and
 * processes' pages have, and are not asked for.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For hackers, include/linux/kernel-page-flags.h says, and not in the uapi */
#define KPF_RESERVED	32

#define BIT(nr)		(1ULL << (nr))
#define OTHERS		(BIT(KPF_SLAB) | BIT(KPF_LRU) | BIT(KPF_MMAP) | BIT(KPF_ANON) | \
			 BIT(KPF_BUDDY) | BIT(KPF_COMPOUND_TAIL) | BIT(KPF_NOPAGE) | \
			 BIT(KPF_OFFLINE) | BIT(KPF_PGTABLE) | BIT(KPF_RESERVED))

static char record[16384];	/* one that does not fit is ENOMEM */

/* The record of @page, or of the next page that has one: its number, 0: none */
static uint64_t read_record(int owners, uint64_t page)
{
	ssize_t size = pread(owners, record, sizeof(record) - 1, page);
	const char *line;

	if (size < 0)
		err(1, "page_owner: page %llu", (unsigned long long)page);
	if (!size)
		return 0;
	record[size] = 0;
	line = strstr(record, "\nPFN ");
	if (!line)
		errx(1, "page_owner: no page number in: %s", record);
	return strtoull(line + 5, NULL, 10);
}

int main(void)
{
	static uint64_t flags[4096];
	int owners = open("/sys/kernel/debug/page_owner", O_RDONLY);
	int kpageflags = open("/proc/kpageflags", O_RDONLY);
	uint64_t page = 0, first;
	ssize_t size, i;

	if (owners < 0 || kpageflags < 0)
		err(1, "page_owner, kpageflags");
	first = read_record(owners, 0);
	if (read_record(owners, first) != first)
		errx(1, "page_owner: offsets are not page numbers");
	while ((size = read(kpageflags, flags, sizeof(flags))) > 0) {
		for (i = 0; i < size / (ssize_t)sizeof(*flags); i++, page++) {
			if (!(flags[i] & OTHERS) && read_record(owners, page) == page)
				fputs(record, stdout);
		}
	}
	if (size)
		err(1, "kpageflags");
	return 0;
}
