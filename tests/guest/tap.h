/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - TAP for test programs in C, the plan at the end
 *
 *	int main(void)
 *	{
 *		tap_ok(1 + 1 == 2, "%d and %d make two", 1, 1);
 *		tap_is(read(fd, buf, 8), 8, "a full read");
 *		tap_errno(ioctl(fd, BAD), ENOTTY, "unknown ioctl");
 *		if (!have_ats)
 *			tap_skip(2, "no ATS on this machine");
 *		return tap_done();
 *	}
 *
 * Children may report too: the counters are shared memory, a line is one
 * write(), and there is no buffer that fork() could copy. Only the plan is left
 * to the program that started; one that ends without tap_done() has no plan, and
 * scripts/tap-sum.sh counts that as a failure.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAP_LINE	1024
#define __tap_unused	__attribute__((unused))
#define __tap_printf(f)	__attribute__((unused, format(printf, f, (f) + 1)))

struct tap_counts {
	unsigned int run;
	unsigned int failed;
};

static struct tap_counts *tap_counts;

static void __attribute__((constructor)) tap_init(void)
{
	tap_counts = mmap(NULL, sizeof(*tap_counts), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tap_counts == MAP_FAILED) {
		static const char msg[] = "Bail out! no memory for the counters\n";

		if (write(1, msg, sizeof(msg) - 1) < 0)
			_exit(98);
		_exit(99);
	}
	/* What the program itself prints stays in order, and is not forked. */
	setvbuf(stdout, NULL, _IONBF, 0);
}

/* Write head and the formatted text as one line, whatever is in the text. */
static void __tap_unused tap_vline(const char *head, const char *fmt, va_list ap)
{
	char line[TAP_LINE], *p;
	int len;

	len = snprintf(line, sizeof(line), "%s", head);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	for (p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	*p++ = '\n';
	for (len = 0; len < p - line;) {
		ssize_t n = write(1, line + len, p - line - len);

		if (n < 0 && errno != EINTR)
			_exit(98);
		len += n > 0 ? n : 0;
	}
}

/* A diagnostic: "# ..." */
static void __tap_printf(1) tap_diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline("# ", fmt, ap);
	va_end(ap);
}

static bool __tap_unused tap_vok(bool ok, const char *fmt, va_list ap)
{
	char head[64];
	unsigned int n;

	n = __atomic_add_fetch(&tap_counts->run, 1, __ATOMIC_RELAXED);
	if (!ok)
		__atomic_add_fetch(&tap_counts->failed, 1, __ATOMIC_RELAXED);
	snprintf(head, sizeof(head), "%s %u - ", ok ? "ok" : "not ok", n);
	tap_vline(head, fmt, ap);
	return ok;
}

static bool __attribute__((unused, format(printf, 4, 5)))
tap_ok_at(const char *file, int line, bool ok, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vok(ok, fmt, ap);
	va_end(ap);
	if (!ok)
		tap_diag("failed at %s:%d", file, line);
	return ok;
}

static bool __attribute__((unused, format(printf, 6, 7)))
tap_is_at(const char *file, int line, const char *expr, long long got,
	  long long want, const char *fmt, ...)
{
	bool ok = got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_vok(ok, fmt, ap);
	va_end(ap);
	if (!ok)
		tap_diag("failed at %s:%d: %s is %lld (%#llx), expected %lld (%#llx)",
			 file, line, expr, got, got, want, want);
	return ok;
}

static bool __attribute__((unused, format(printf, 7, 8)))
tap_errno_at(const char *file, int line, const char *expr, long long rc, int err,
	     int want, const char *fmt, ...)
{
	bool ok = want ? rc == -1 && err == want : rc >= 0;
	va_list ap;

	va_start(ap, fmt);
	tap_vok(ok, fmt, ap);
	va_end(ap);
	if (!ok)
		tap_diag("failed at %s:%d: %s returned %lld (%s), expected %s", file,
			 line, expr, rc, rc < 0 ? strerror(err) : "no error",
			 want ? strerror(want) : "success");
	return ok;
}

/* A test: passed if cond holds. All of these return whether it passed. */
#define tap_ok(cond, ...) \
	tap_ok_at(__FILE__, __LINE__, !!(cond), __VA_ARGS__)

/* A test of a number; says what it was when it is not the expected one. */
#define tap_is(got, want, ...) \
	tap_is_at(__FILE__, __LINE__, #got, (long long)(got), (long long)(want), __VA_ARGS__)

/* A test of a system call: fails with errno want, or (0) does not fail. */
#define tap_errno(call, want, ...) ({					\
	long long tap_rc_ = (call);					\
	int tap_err_ = errno;						\
									\
	tap_errno_at(__FILE__, __LINE__, #call, tap_rc_, tap_err_, (want), __VA_ARGS__); \
})

#define tap_pass(...)	tap_ok(true, __VA_ARGS__)
#define tap_fail(...)	tap_ok(false, __VA_ARGS__)

/* Leave n tests out, and say why. */
static void __tap_printf(2) tap_skip(unsigned int n, const char *fmt, ...)
{
	char head[64];
	va_list ap;

	while (n--) {
		snprintf(head, sizeof(head), "ok %u # SKIP ",
			 __atomic_add_fetch(&tap_counts->run, 1, __ATOMIC_RELAXED));
		va_start(ap, fmt);
		tap_vline(head, fmt, ap);
		va_end(ap);
	}
}

/* Leave the whole program out, and say why; ends it. */
static void __attribute__((noreturn, unused, format(printf, 1, 2)))
tap_skip_all(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline("1..0 # SKIP ", fmt, ap);
	va_end(ap);
	exit(0);
}

/* Nothing that follows makes sense: stop here. */
static void __attribute__((noreturn, unused, format(printf, 1, 2)))
tap_bail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline("Bail out! ", fmt, ap);
	va_end(ap);
	_exit(99);
}

/* Print the plan; returns the exit status of the program. */
static int __tap_unused tap_done(void)
{
	unsigned int run = __atomic_load_n(&tap_counts->run, __ATOMIC_RELAXED);
	char plan[32];
	int len;

	len = snprintf(plan, sizeof(plan), "1..%u\n", run);
	if (write(1, plan, len) != len)
		return 98;
	return tap_counts->failed != 0;
}

#endif
