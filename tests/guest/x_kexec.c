// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_kexec: another kernel is started while the unit is taken over, functions
 * are bound and a device does DMA without end
 *
 * The next kernel is the same one, with its own IOMMU driver on; its initramfs
 * is made of this machine's files, and its PID 1 runs this program once more.
 * What both print is one file of TAP.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/pci_regs.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

#include "svalib.h"

#define INITRD	"/tmp/initrd"
#define CMDLINE	"console=ttyS0,115200 quiet panic=-1 no_timer_check log_buf_len=4M " \
		"random.trust_cpu=on panic_on_warn=1 oops=panic intel_iommu=on iommu.passthrough=0"

/* The first kernel: up to the jump. */
static void before(void)
{
	uint32_t binding[2], pasid[2];
	struct svat_loop l;
	char command[256];
	struct bed bed;
	int i, k, n, rc;
	uint64_t *page = must_map(PAGE);

	bed_open_flags(&bed, 2, 2, ATS);
	page[0] = 7;
	for (i = 0; i < 2; i++) {
		rc = vt_bind(bed.fd, bed.id[i], 0, 0, &binding[i], &pasid[i]);
		if (rc)
			fatal("bind: %s", strerror(-rc));
		svat_loop_write(&bed.dev[i], 1, pasid[i], page, 8);
		svat_loop_rounds(&bed.dev[i], 1, 3);
		svat_loop_look(&bed.dev[i], 1, &l);
		tap_ok(l.ok >= 3, "device %d writes without end", i);
	}
	/* What PID 1 of the next kernel runs: this, then the mark of its end. */
	snprintf(command, sizeof(command), "/t/x_kexec after %u %u; s=$?; echo; echo \"#@ end x_kexec $s\"",
		 tap_counts->run, tap_counts->failed);
	rc = system("rm -rf /tmp/next; mkdir -p /tmp/next/t && cd / && "
		    "cp -a bin sbin etc init run usr /tmp/next && mkdir -p /tmp/next/lib && "
		    "cp -a lib/modules /tmp/next/lib && cp -a /t/x_kexec /tmp/next/t && "
		    "mkdir -p /tmp/next/dev /tmp/next/proc /tmp/next/sys /tmp/next/tmp");
	if (rc)
		fatal("the next initramfs could not be made: %d", rc);
	k = open("/tmp/next/run/command", O_WRONLY | O_TRUNC | O_CREAT, 0600);
	n = dprintf(k, "sh%c-c%c%s%c", 0, 0, command, 0);
	if (k < 0 || n < 0)
		fatal("/run/command: %s", strerror(errno));
	close(k);
	rc = system("cd /tmp/next && find . | cpio -o -H newc >" INITRD " 2>/dev/null");
	k = open("/t/vmlinuz", O_RDONLY | O_CLOEXEC);
	i = open(INITRD, O_RDONLY | O_CLOEXEC);
	if (rc || k < 0 || i < 0)
		fatal("no kernel, or no initramfs");
	rc = syscall(SYS_kexec_file_load, k, i, sizeof(CMDLINE), CMDLINE, 0UL);
	if (rc && errno == ENOSYS) {
		tap_skip(1, "this kernel has no kexec_file_load()");
		return;
	}
	if (rc)
		fatal("kexec_file_load: %s", strerror(errno));
	reboot(RB_KEXEC);
	fatal("kexec: %s", strerror(errno));
}

/* Lines of the kernel's log, this time from its beginning, with @word in them. */
static int log_lines(const char *word, const char *also)
{
	static char buf[4 * 1024 * 1024];
	int len = klogctl(3, buf, sizeof(buf) - 1), n = 0;
	char *line, *save = NULL;

	buf[len > 0 ? len : 0] = 0;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strstr(line, word) || (also && !strstr(line, also)))
			continue;
		n++;
		if (n < 5)
			tap_diag("%s", line);
	}
	return n;
}

static void after(unsigned int run, unsigned int failed)
{
	struct pci_func f[2];
	char buf[8192];
	int i, fd;
	bool ok;

	tap_counts->run = run;
	tap_counts->failed = failed;
	read_file("/proc/cmdline", buf, sizeof(buf));
	tap_ok(strstr(buf, "intel_iommu=on") && !vt_loaded(), "another kernel runs");
	tap_ok(!access("/sys/class/iommu/dmar0", F_OK), "its own driver has the unit");
	for (i = 0; i < 200 && access("/dev/nvme0n1", F_OK); i++)
		sleep_ms(50);
	fd = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	ok = fd >= 0 && read(fd, must_map(PAGE), PAGE) == (ssize_t)PAGE;
	tap_ok(ok, "its disk works");
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2)
		fatal("the test devices are gone");
	for (i = 0; i < 2; i++)
		tap_ok(!(pci_read(&f[i], PCI_COMMAND, 2) & PCI_COMMAND_MASTER),
		       "device %d is no bus master", i);
	tap_is(log_lines("DMAR", "fault"), 0, "no DMA fault since it runs");
	/* As its driver says it, in a kdump kernel and else. */
	tap_is(log_lines("DMAR", "already enabled") + log_lines("DMAR", "was enabled"), 0,
	       "and translation was not on when it came");
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "after"))
		after(atoi(argv[2]), atoi(argv[3]));
	else
		before();
	return tap_done();
}
