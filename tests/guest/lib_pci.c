// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib_pci.c - PCI functions by sysfs; see lib.h
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"

#define PCI_DIR	"/sys/bus/pci/devices"

static void pci_path(char *buf, size_t size, const struct pci_func *f, const char *file)
{
	snprintf(buf, size, PCI_DIR "/%s/%s", f->name, file);
}

int pci_by_name(const char *name, struct pci_func *f)
{
	unsigned int segment, bus, dev, fn;
	char path[128];

	if (sscanf(name, "%x:%x:%x.%x", &segment, &bus, &dev, &fn) != 4)
		return -EINVAL;
	snprintf(f->name, sizeof(f->name), "%.31s", name);
	f->segment = segment;
	f->rid = bus << 8 | dev << 3 | fn;
	pci_path(path, sizeof(path), f, "vendor");
	f->vendor = read_number(path);
	pci_path(path, sizeof(path), f, "device");
	f->device = read_number(path);
	return access(path, F_OK) ? -ENODEV : 0;
}

static int compare_func(const void *a, const void *b)
{
	return strcmp(((const struct pci_func *)a)->name, ((const struct pci_func *)b)->name);
}

int pci_find(uint16_t vendor, uint16_t device, struct pci_func *f, int max)
{
	struct dirent *e;
	struct pci_func g;
	int n = 0;
	DIR *dir;

	dir = opendir(PCI_DIR);
	if (!dir)
		return 0;
	while ((e = readdir(dir)) && n < max)
		if (!pci_by_name(e->d_name, &g) && g.vendor == vendor && g.device == device)
			f[n++] = g;
	closedir(dir);
	qsort(f, n, sizeof(*f), compare_func);
	return n;
}

const char *pci_driver(const struct pci_func *f, char *buf, size_t size)
{
	char path[128], link[256];
	ssize_t n;

	pci_path(path, sizeof(path), f, "driver");
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	snprintf(buf, size, "%s", strrchr(link, '/') ? strrchr(link, '/') + 1 : "");
	return buf;
}

static int pci_unbind(const struct pci_func *f)
{
	char path[128], driver[64];

	if (!*pci_driver(f, driver, sizeof(driver)))
		return 0;
	pci_path(path, sizeof(path), f, "driver/unbind");
	return write_file(path, "%s", f->name);
}

int pci_claim(const struct pci_func *f)
{
	char path[128], driver[64];
	int rc;

	if (!strcmp(pci_driver(f, driver, sizeof(driver)), "vtdpasid"))
		return 0;
	pci_path(path, sizeof(path), f, "driver_override");
	rc = write_file(path, "vtdpasid");
	if (!rc)
		rc = pci_unbind(f);
	if (!rc)
		rc = write_file("/sys/bus/pci/drivers_probe", "%s", f->name);
	if (!rc && strcmp(pci_driver(f, driver, sizeof(driver)), "vtdpasid"))
		rc = -ENXIO;
	return rc;
}

int pci_release(const struct pci_func *f)
{
	char path[128];

	pci_path(path, sizeof(path), f, "driver_override");
	write_file(path, "\n");
	return pci_unbind(f);
}

static int pci_config(const struct pci_func *f, unsigned int off, unsigned int width,
		      uint32_t *val, bool write)
{
	char path[128];
	ssize_t n;
	int fd;

	pci_path(path, sizeof(path), f, "config");
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write ? pwrite(fd, val, width, off) : pread(fd, val, width, off);
	close(fd);
	return n == (ssize_t)width ? 0 : -EIO;
}

uint32_t pci_read(const struct pci_func *f, unsigned int off, unsigned int width)
{
	uint32_t val = 0;

	return pci_config(f, off, width, &val, false) ? 0xffffffff : val;
}

int pci_write(const struct pci_func *f, unsigned int off, unsigned int width, uint32_t val)
{
	return pci_config(f, off, width, &val, true);
}

static int pci_command(const struct pci_func *f, uint32_t set, uint32_t clear)
{
	uint32_t command = pci_read(f, PCI_COMMAND, 2);

	if (((command | set) & ~clear) == command)
		return 0;
	return pci_write(f, PCI_COMMAND, 2, (command | set) & ~clear);
}

int pci_bus_master(const struct pci_func *f, bool on)
{
	return pci_command(f, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}

void *pci_map_bar0(const struct pci_func *f, size_t *size)
{
	char path[128];
	struct stat st;
	void *p;
	int fd;

	if (pci_command(f, PCI_COMMAND_MEMORY, 0))
		return NULL;
	pci_path(path, sizeof(path), f, "resource0");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st)) {
		close(fd);
		return NULL;
	}
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (size)
		*size = st.st_size;
	return p == MAP_FAILED ? NULL : p;
}
