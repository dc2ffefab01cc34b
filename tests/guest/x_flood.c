// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_flood: what a device that does nothing but fail costs the machine
 *
 * A function that nobody owns loses its bus mastering, one that is attached may
 * go on. Their interrupt follows the CPUs.
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>

#include "svalib.h"

static struct bed bed;
static struct svat *dev;
static uint32_t binding, pasid;

/*
 * More than the module reads in the same time, and not more than QEMU can do: it
 * holds one lock for a DMA and for a register, and with a period that is shorter
 * than a DMA takes the guest is kept from the registers.
 */
#define PERIOD_NS	1000000

static void flood(struct svat *d, long p, bool on)
{
	int chan;

	for (chan = 0; chan < SVAT_CHANNELS; chan++) {
		if (!on) {
			sva_stop(d, chan);
			continue;
		}
		chan_set(d, chan, SVAT_CH_PERIOD, PERIOD_NS);
		sva_start(d, chan, SVAT_CMD_DMA, p, SVAT_F_REPEAT, (void *)(16 * PAGE), 8);
	}
}

static bool is_master(const struct pci_func *f)
{
	return pci_read(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static bool becomes(const struct pci_func *f, bool master)
{
	uint64_t end = now_ms() + LONG_MS;

	while (is_master(f) != master && now_ms() < end)
		sleep_ms(5);
	return is_master(f) == master;
}

static uint64_t unit_faults(void)
{
	struct vtdpasid_unit_info info;

	if (vt_unit_info(bed.fd, 0, &info))
		fatal("UNIT_INFO");
	return info.out_faults;
}

/* The other function is nobody's; somebody made it a bus master. */
static void unowned(void)
{
	struct pci_func f[2];
	struct svat stray;
	uint64_t word, n;
	int log, i;

	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2 || svat_open(&stray, &f[1]))
		fatal("a second test device is needed");
	svat_reset(&stray);
	pci_bus_master(&f[1], true);
	for (i = 0; i < 5; i++)
		svat_read64(&stray, 0, NO_PASID, &word, &word);
	sleep_ms(200);
	tap_ok(is_master(&f[1]), "a function that nobody owns may fail now and then");
	log = kmsg_open();
	n = unit_faults();
	flood(&stray, NO_PASID, true);
	tap_ok(becomes(&f[1], false), "it fails without end: its bus mastering goes off");
	sleep_ms(100);
	tap_is(kmsg_count(log, "nobody owns it", false), 1, "the log says so, once");
	tap_ok(is_master(&dev->func), "the function that is attached keeps its own");
	tap_diag("%d faults", (int)(unit_faults() - n));
	flood(&stray, NO_PASID, false);
	pci_bus_master(&f[1], true);
	flood(&stray, NO_PASID, true);
	tap_ok(becomes(&f[1], false), "made a bus master again, it loses it again");
	flood(&stray, NO_PASID, false);
	tap_is(svat_read64(dev, 0, pasid, &word, &word), SVAT_ST_OK, "the attached function works");
	/* It can have an owner yet. */
	tap_is(pci_claim(&f[1]), 0, "and it can be claimed");
	pci_release(&f[1]);
	svat_close(&stray);
	close(log);
}

static void attached(void)
{
	struct vtdpasid_event ev;
	uint64_t n, begin, end;

	flood(dev, pasid, true);
	begin = unit_faults();
	end = now_ms() + LONG_MS;
	do {
		sleep_ms(20);
		n = unit_faults() - begin;
	} while (n < 64 && now_ms() < end);
	flood(dev, pasid, false);
	tap_ok(n >= 64 && is_master(&dev->func),
	       "one that is attached may fail on (%d faults), and stays a bus master", (int)n);
	sleep_ms(100);
	vt_events_drop(bed.fd);
	svat_read64(dev, 0, pasid, (void *)(32 * PAGE), &n);
	tap_ok(!vt_event_of(bed.fd, VTDPASID_EVENT_FAULT, -1, binding, &ev, 2000) &&
	       ev.addr == 32 * PAGE, "a single fault after that is reported");
}

/* ---- the interrupt ---------------------------------------------------------------- */

static int irq_number(const char *name)
{
	static char buf[65536];
	char *line, *save = NULL;

	read_file("/proc/interrupts", buf, sizeof(buf));
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, name))
			return atoi(line);
	return -1;
}

/* One fault: an interrupt and an event. */
static bool one_fault(void)
{
	long before = interrupts("vtdpasid-fault");
	struct vtdpasid_event ev;
	uint64_t word;

	vt_events_drop(bed.fd);
	svat_read64(dev, 0, pasid, (void *)(48 * PAGE), &word);
	return !vt_event_of(bed.fd, VTDPASID_EVENT_FAULT, -1, binding, &ev, 2000) &&
	       interrupts("vtdpasid-fault") > before;
}

/* Where it is sent to, as a mask. */
static long irq_cpus(int irq)
{
	char path[64], mask[64] = "";

	snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity", irq);
	read_file(path, mask, sizeof(mask));
	return strtol(mask, NULL, 16);
}

static void interrupt_moves(void)
{
	int irq = irq_number("vtdpasid-fault"), i, good = 0;
	char path[64];
	uint64_t end;

	if (irq < 0) {
		tap_fail("there is an interrupt for faults");
		return;
	}
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", irq);
	for (i = 0; i < 20; i++) {
		write_file(path, "%x", 1 << i % 2);
		/* It moves with the one that comes next. */
		good += one_fault() && one_fault();
	}
	tap_is(good, 20, "faults are told after the interrupt was moved, 20 times");
	/* While a move is under way the next one has to wait for another interrupt. */
	for (end = now_ms() + LONG_MS; irq_cpus(irq) != 2 && now_ms() < end; sleep_ms(20))
		one_fault();
	tap_is(irq_cpus(irq), 2, "it is where it was moved to");
	for (i = good = 0; i < 6; i++) {
		if (write_file("/sys/devices/system/cpu/cpu1/online", "0"))
			break;
		good += one_fault();
		write_file("/sys/devices/system/cpu/cpu1/online", "1");
		write_file(path, "2");
		good += one_fault() && one_fault();
	}
	tap_is(good, 12, "and when its CPU goes and comes, 6 times");
}

int main(void)
{
	int rc;

	bed_open(&bed, 1, 1);
	dev = &bed.dev[0];
	rc = vt_bind(bed.fd, bed.id[0], 0, 0, &binding, &pasid);
	if (rc)
		fatal("bind: %s", strerror(-rc));
	unowned();
	attached();
	interrupt_moves();
	bed_close(&bed);
	return tap_done();
}
