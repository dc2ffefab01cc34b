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

/* Lines of the kernel's since then with @word in them, or all but PCI resets. */
static inline unsigned int kmsg_count(int fd, const char *word, bool show)
{
	char record[8192], *text, *end;
	unsigned int n = 0;
	ssize_t len;

	for (;;) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return n;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text || strtol(record, NULL, 10) >> 3)
			continue;
		end = strchr(++text, '\n');
		if (end)
			*end = 0;
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
}

#endif
