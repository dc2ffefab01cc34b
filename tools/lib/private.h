/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvtdpasid: what its files share. Not for programs. */
#ifndef LIBVTDPASID_PRIVATE_H
#define LIBVTDPASID_PRIVATE_H

#include <errno.h>

#include "libvtdpasid.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define HIDDEN		__attribute__((visibility("hidden")))

struct vtdp {
	int fd;
};

/**
 * struct refusal - what an errno means for one call
 * @err: the errno, positive
 * @why: why it was refused
 * @next: what to do; "{}" stands for the subject of the call. NULL: nothing
 */
struct refusal {
	int err;
	const char *why;
	const char *next;
};

/**
 * struct call - a call that can fail
 * @verb: "attach", for "cannot attach 0000:00:04.0"
 * @refusals: what its errnos mean, but for those that all calls share; ends
 *	with an empty one; may be NULL
 */
struct call {
	const char *verb;
	const struct refusal *refusals;
};

/* error.c */
HIDDEN int problem_set(int err, const struct call *call, const char *subject);
HIDDEN int problem_say(int err, const struct call *call, const char *subject,
		       const char *why, const char *next);

/* file.c */
HIDDEN int file_ioctl(struct vtdp *v, unsigned long cmd, void *arg);
HIDDEN int file_query(struct vtdp *v, const struct call *call, const char *subject,
		      unsigned long cmd, void *arg, size_t size);

#endif
