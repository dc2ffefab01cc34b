// SPDX-License-Identifier: LGPL-2.1-or-later
/* The file, and what can be asked of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

static const struct refusal open_refusals[] = {
	{ ENOENT, "the module is not loaded", "modprobe vtdpasid" },
	{ ENODEV, "the module is not loaded", "modprobe vtdpasid" },
	{ ENXIO, "the module is not loaded", "modprobe vtdpasid" },
	{ EACCES, "permission is missing",
	  "run it as root, or give a group access: see 60-vtdpasid.rules" },
	{ ENOTTY, "it is not a file of this module", NULL },
	{ 0 }
};

static const struct call call_open = { "open " VTDPASID_DEVICE_PATH, open_refusals };
static const struct call call_inherit = { "use the inherited file of " VTDPASID_DEVICE_PATH,
					  open_refusals };

/* Never fails half: @fd is the caller's again when NULL is returned. */
static struct vtdp *make(int fd)
{
	struct vtdp *v = malloc(sizeof(*v));

	if (v)
		v->fd = fd;
	return v;
}

struct vtdp *vtdp_open(void)
{
	int fd = open(VTDPASID_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	struct vtdp *v = fd < 0 ? NULL : make(fd);
	int err = errno;

	if (v)
		return v;
	if (fd >= 0)
		close(fd);
	problem_set(err, &call_open, NULL);
	errno = err;
	return NULL;
}

struct vtdp *vtdp_from_fd(int fd)
{
	struct vtdpasid_get_info info = { .size = sizeof(info) };
	struct vtdp *v = NULL;
	int err;

	if (!ioctl(fd, VTDPASID_GET_INFO, &info))
		v = make(fd);
	if (v)
		return v;
	err = errno;
	problem_set(err, &call_inherit, NULL);
	errno = err;
	return NULL;
}

struct vtdp *vtdp_from_env(uint32_t *device)
{
	const char *fd = getenv("VTDPASID_FD"), *id = getenv("VTDPASID_DEVICE");

	if (!fd || !id) {
		problem_say(ENOENT, &call_inherit, NULL,
			    "VTDPASID_FD and VTDPASID_DEVICE are not in the environment",
			    "start the program by: vtdpasid device attach BDF -- PROGRAM");
		errno = ENOENT;
		return NULL;
	}
	if (device)
		*device = strtoul(id, NULL, 10);
	return vtdp_from_fd(atoi(fd));
}

int vtdp_fd(const struct vtdp *v)
{
	return v ? v->fd : -EBADF;
}

void vtdp_close(struct vtdp *v)
{
	if (!v)
		return;
	close(v->fd);
	free(v);
}

/* 0 or -errno; nothing is noted. */
int file_ioctl(struct vtdp *v, unsigned long cmd, void *arg)
{
	if (!v)
		return -EBADF;
	return ioctl(v->fd, cmd, arg) ? -errno : 0;
}

/*
 * An ioctl that fills in the structure at @arg, of which the program knows
 * @size bytes. Without a handle the first failure is the one to tell of.
 */
int file_query(struct vtdp *v, const struct call *call, const char *subject, unsigned long cmd,
	       void *arg, size_t size)
{
	uint32_t known = size;
	int rc;

	memcpy(arg, &known, sizeof(known));
	rc = file_ioctl(v, cmd, arg);
	if (rc && (v || !vtdp_problem()->err))
		problem_set(-rc, call, subject);
	return rc;
}

int vtdp_info(struct vtdp *v, struct vtdpasid_get_info *info, size_t size)
{
	static const struct call call = { "read the module's state", NULL };

	memset(info, 0, size);
	return file_query(v, &call, NULL, VTDPASID_GET_INFO, info, size);
}
