// SPDX-License-Identifier: LGPL-2.1-or-later
/* PCI functions by name, and who drives them: sysfs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

#define DRIVER		"vtdpasid"
#define DEVICES		"/sys/bus/pci/devices"
#define DRIVERS		"/sys/bus/pci/drivers"

static const struct refusal sysfs_refusals[] = {
	{ ENODEV, "there is no such function", "lspci -D" },
	{ EPERM, "writing to sysfs needs root", "run it as root" },
	{ 0 }
};

static const struct call call_claim = { "claim", sysfs_refusals };
static const struct call call_release = { "release", sysfs_refusals };

/* ---- names ----------------------------------------------------------------- */

int vtdp_function_parse(const char *name, struct vtdp_function *function)
{
	static const struct call call = { "understand", NULL };
	unsigned int segment = 0, bus = 0, device = 0, fn = 0;
	int end = -1;

	sscanf(name, "%4x:%2x:%2x.%1x%n", &segment, &bus, &device, &fn, &end);
	if (end < 0) {
		segment = 0;
		sscanf(name, "%2x:%2x.%1x%n", &bus, &device, &fn, &end);
	}
	if (end < 0 || name[end] || device > 0x1f || fn > 7)
		return problem_say(EINVAL, &call, name, "it is no name of a PCI function",
				   "write it like lspci -D: 0000:00:04.0");
	function->segment = segment;
	function->rid = bus << 8 | device << 3 | fn;
	return 0;
}

char *vtdp_function_name(struct vtdp_function function, char name[VTDP_NAME_MAX])
{
	snprintf(name, VTDP_NAME_MAX, "%04x:%02x:%02x.%x", function.segment, function.rid >> 8,
		 function.rid >> 3 & 0x1f, function.rid & 7);
	return name;
}

/* ---- sysfs ----------------------------------------------------------------- */

/*
 * Write one value; 0 or -errno. EPERM, not EACCES, is what missing rights are in
 * this library: ATTACH has another use for the latter.
 */
static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return errno == EACCES ? -EPERM : -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int put_attribute(const char *name, const char *attribute, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", name, attribute);
	return put(path, text);
}

/* The full name of a function that is there; else a problem of @call. */
static int resolve(const struct call *call, const char *function, char name[VTDP_NAME_MAX])
{
	struct vtdp_function f;
	char path[64];
	int rc;

	rc = vtdp_function_parse(function, &f);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), DEVICES "/%s", vtdp_function_name(f, name));
	return access(path, F_OK) ? problem_set(ENODEV, call, name) : 0;
}

static void driver_of(const char *name, char *driver, size_t size)
{
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "/%s/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	base = strrchr(target, '/');
	snprintf(driver, size, "%s", base ? base + 1 : "");
}

int vtdp_driver(const char *function, char *driver, size_t size)
{
	static const struct call call = { "look for the driver of", sysfs_refusals };
	char name[VTDP_NAME_MAX];
	int rc = resolve(&call, function, name);

	if (!rc)
		driver_of(name, driver, size);
	return rc;
}

int vtdp_claim(const char *function)
{
	char name[VTDP_NAME_MAX], driver[64];
	int rc;

	rc = resolve(&call_claim, function, name);
	if (rc)
		return rc;
	driver_of(name, driver, sizeof(driver));
	if (!strcmp(driver, DRIVER))
		return 0;
	if (access(DRIVERS "/" DRIVER, F_OK))
		return problem_say(ENOENT, &call_claim, name, "the module is not loaded",
				   "modprobe vtdpasid");
	rc = put_attribute(name, "driver_override", DRIVER "\n");
	if (!rc && *driver)
		rc = put_attribute(name, "driver/unbind", name);
	if (!rc)
		rc = put("/sys/bus/pci/drivers_probe", name);
	if (rc)
		return problem_set(-rc, &call_claim, name);
	driver_of(name, driver, sizeof(driver));
	if (strcmp(driver, DRIVER))
		return problem_say(EBUSY, &call_claim, name, "the module's driver did not take it",
				   "look into the kernel log");
	return 0;
}

int vtdp_release(const char *function)
{
	char name[VTDP_NAME_MAX], driver[64];
	int rc;

	rc = resolve(&call_release, function, name);
	if (rc)
		return rc;
	driver_of(name, driver, sizeof(driver));
	if (strcmp(driver, DRIVER))
		return problem_say(ENOTCONN, &call_release, name, "it is not claimed",
				   "vtdpasid device");
	rc = put_attribute(name, "driver_override", "\n");
	if (!rc)
		rc = put_attribute(name, "driver/unbind", name);
	if (!rc)
		rc = put("/sys/bus/pci/drivers_probe", name);
	/* That no driver wants it is no error. */
	if (rc == -EINVAL || rc == -ENODEV)
		rc = 0;
	return rc ? problem_set(-rc, &call_release, name) : 0;
}
