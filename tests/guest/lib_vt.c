// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib_vt.c - the module: calls and events; see lib.h
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

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
