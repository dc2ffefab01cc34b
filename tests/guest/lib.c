// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib.c - what the guest test programs share; see lib.h
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

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

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
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

int wait_readable(int fd, int timeout_ms)
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
