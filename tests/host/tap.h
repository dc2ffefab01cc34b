/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - TAP for host tests, the plan at the end
 *
 * tap_part() runs a function in a process of its own: src/ is loaded once and
 * has no way back to its first state, and a crash costs one part only.
 */
#ifndef HOST_TAP_H
#define HOST_TAP_H

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

struct tap_counts { unsigned int run, failed; };
static struct tap_counts *tap;
static unsigned int tap_part_no;

__attribute__((constructor, unused))
static void tap_begin(void)
{
	tap = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

__attribute__((format(printf, 2, 3), unused))
static bool tap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	tap->run++;
	tap->failed += !ok;
	printf("%sok %u - ", ok ? "" : "not ", tap->run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	return ok;
}

#define tap_is(got, want, ...)						\
	do {								\
		long long __g = (long long)(got), __w = (long long)(want); \
		if (!tap_ok(__g == __w, __VA_ARGS__))			\
			printf("# line %d: got %lld (%#llx), want %lld (%#llx)\n", __LINE__, __g, __g, __w, __w); \
	} while (0)

/* No rule was broken since the last call. */
#define tap_clean(...)							\
	do {								\
		if (!tap_ok(!fail_count, __VA_ARGS__))			\
			printf("# line %d: %u rules broken, first: %s\n", __LINE__, fail_count, fail_first); \
		fail_reset();						\
	} while (0)

/* The rule @r was broken, and is forgotten: for tests of the tests. */
#define tap_broke(r, ...)						\
	do {								\
		if (!tap_ok(fail_count && !strcmp(fail_first, r), __VA_ARGS__)) \
			printf("# line %d: %u rules broken, first: %s\n", __LINE__, fail_count, fail_first); \
		fail_reset();						\
	} while (0)

void __gcov_dump(void) __attribute__((weak));

/* End a part, or a child of it, without a look for leaks. */
__attribute__((unused))
static void tap_leave(int status)
{
	fflush(NULL);
	if (__gcov_dump)
		__gcov_dump();
	_exit(status);
}

static const char *tap_only;

__attribute__((unused))
static void tap_part_named(const char *name, void (*fn)(void))
{
	int status;
	pid_t pid;

	if (tap_only && strcmp(tap_only, name))
		return;
	printf("# %s\n", name);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		rnd_seed(++tap_part_no);
		fn();
		fflush(NULL);
		exit(0);
	}
	tap_part_no++;
	waitpid(pid, &status, 0);
	if (status)
		tap_ok(false, "%s ended with status %#x", name, status);
}
#define tap_part(fn) tap_part_named(#fn, fn)

__attribute__((unused))
static void tap_args(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-v"))
			host_verbose = true;
		else
			tap_only = argv[i];
}

__attribute__((unused))
static int tap_done(void)
{
	printf("1..%u\n", tap->run);
	printf("# %u tests, %u failed\n", tap->run, tap->failed);
	return tap->failed ? 1 : 0;
}

#endif
