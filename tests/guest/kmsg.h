/* SPDX-License-Identifier: GPL-2.0-only */
/* kmsg.h - what the kernel said meanwhile */
#ifndef GUEST_KMSG_H
#define GUEST_KMSG_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "tap.h"

/* From now on; close() it. */
static inline int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fatal("/dev/kmsg: %s", strerror(errno));
	lseek(fd, 0, SEEK_END);
	return fd;
}

struct kmsg_record {
	char raw[8192];
};

/* The next line of the kernel's own, in @record; NULL: there is none yet. */
static inline const char *kmsg_next(int fd, struct kmsg_record *record)
{
	char *text, *end;
	ssize_t len;

	for (;;) {
		len = read(fd, record->raw, sizeof(record->raw) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return NULL;
		record->raw[len] = 0;
		text = strchr(record->raw, ';');
		if (!text || strtol(record->raw, NULL, 10) >> 3)
			continue;
		end = strchr(++text, '\n');
		if (end)
			*end = 0;
		return text;
	}
}

/* Lines of the kernel's since then with @word in them, or all but PCI resets. */
static inline unsigned int kmsg_count(int fd, const char *word, bool show)
{
	struct kmsg_record record;
	unsigned int n = 0;
	const char *text;

	while ((text = kmsg_next(fd, &record))) {
		if (word && !strstr(text, word))
			continue;
		/*
		 * Newer kernels tell of each reset of a function, and all of a
		 * machine that was kept waiting.
		 */
		if (!word && (strstr(text, ": resetting") || strstr(text, ": reset done") ||
			      strstr(text, "hrtimer: interrupt took")))
			continue;
		if (show)
			tap_diag("kernel log: %s", text);
		n++;
	}
	return n;
}

#endif
