// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of hardware on demand, for tests: see tests/guest/x_broken.c.
 *
 * It sits between the module and the registers: a command is swallowed on its
 * way, or descriptors are spoiled just before their doorbell. What hardware and
 * the rest of the module then do is real.
 *
 * Built with VTDP_INJECT=1 only. The parameter inject takes "KIND [TIMES]":
 *   descriptor  a batch has a descriptor that the unit refuses
 *   unit        the wait for the unit's own caches never completes
 *   device      the wait for device TLBs never completes
 *   te-on, te-off, queue-on, queue-off, root
 *               the command is not obeyed
 *   none
 */
#include <linux/bitfield.h>
#include <linux/moduleparam.h>

#include "vtdpasid.h"

enum inject_kind {
	INJECT_NONE,
	INJECT_DESCRIPTOR,
	INJECT_UNIT,
	INJECT_DEVICE,
	INJECT_TE_ON,
	INJECT_TE_OFF,
	INJECT_QUEUE_ON,
	INJECT_QUEUE_OFF,
	INJECT_ROOT,
};

static const char * const inject_names[] = {
	[INJECT_NONE] = "none",
	[INJECT_DESCRIPTOR] = "descriptor",
	[INJECT_UNIT] = "unit",
	[INJECT_DEVICE] = "device",
	[INJECT_TE_ON] = "te-on",
	[INJECT_TE_OFF] = "te-off",
	[INJECT_QUEUE_ON] = "queue-on",
	[INJECT_QUEUE_OFF] = "queue-off",
	[INJECT_ROOT] = "root",
};

static DEFINE_SPINLOCK(inject_lock);	/* the two below; inside of qi->lock */
static enum inject_kind inject_kind;
static unsigned int inject_times;

/* Where the queue ended at the last doorbell. Under qi->lock. */
static unsigned int inject_tail[VTDP_MAX_UNITS];

static int inject_set(const char *val, const struct kernel_param *kp)
{
	unsigned int times = 1;
	char name[16];
	int kind;

	if (sscanf(val, "%15s %u", name, &times) < 1)
		return -EINVAL;
	kind = match_string(inject_names, ARRAY_SIZE(inject_names), name);
	if (kind < 0)
		return -EINVAL;
	spin_lock(&inject_lock);
	inject_kind = kind;
	inject_times = kind ? times : 0;
	spin_unlock(&inject_lock);
	return 0;
}

/* How often it is still to come. */
static int inject_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s %u\n", inject_names[inject_kind], inject_times);
}

static const struct kernel_param_ops inject_ops = {
	.set = inject_set,
	.get = inject_get,
};

module_param_cb(inject, &inject_ops, NULL, 0600);
MODULE_PARM_DESC(inject, "For tests: an error of hardware, and how often");

static bool inject_take(enum inject_kind kind)
{
	bool take;

	spin_lock(&inject_lock);
	take = inject_kind == kind && inject_times;
	if (take)
		inject_times--;
	spin_unlock(&inject_lock);
	return take;
}

static bool inject_command(struct vtdp_unit *unit, u32 command)
{
	u32 changed = command ^ vtdp_read32(unit, VTD_GSTS);

	if (command & VTD_GCMD_SRTP)
		return inject_take(INJECT_ROOT);
	if (changed & VTD_GCMD_TE)
		return inject_take(command & VTD_GCMD_TE ? INJECT_TE_ON :
							   INJECT_TE_OFF);
	if (changed & VTD_GCMD_QIE)
		return inject_take(command & VTD_GCMD_QIE ? INJECT_QUEUE_ON :
							    INJECT_QUEUE_OFF);
	return false;
}

static u64 *inject_desc(struct vtdp_unit *unit, unsigned int slot)
{
	return unit->qi.ring + (slot << VTD_IQT_SHIFT) / sizeof(u64);
}

static u8 inject_type(struct vtdp_unit *unit, unsigned int slot)
{
	return FIELD_GET(VTD_QI_TYPE, *inject_desc(unit, slot));
}

/* A wait that completes, but writes a status that nobody takes for one. */
static void inject_mute(struct vtdp_unit *unit, unsigned int slot)
{
	*inject_desc(unit, slot) &= ~VTD_QI_WAIT_DATA;
}

static void inject_doorbell(struct vtdp_unit *unit, unsigned int tail)
{
	unsigned int slot, first = inject_tail[unit->index];
	int unit_wait = -1, device_wait = -1;
	bool device = false;

	inject_tail[unit->index] = tail;
	if (!unit->qi.ring || first == tail)
		return;
	for (slot = first; slot != tail; slot = (slot + 1) % VTDP_QI_SLOTS) {
		switch (inject_type(unit, slot)) {
		case VTD_QI_DEVTLB:
		case VTD_QI_DEVPIOTLB:
			device = true;
			break;
		case VTD_QI_WAIT:
			if (device)
				device_wait = slot;
			else if (unit_wait < 0)
				unit_wait = slot;
			break;
		}
	}
	/* Qwords 2 and 3 are reserved (6.5.2). */
	if (inject_take(INJECT_DESCRIPTOR))
		inject_desc(unit, first)[3] = U64_MAX;
	if (unit_wait >= 0 && inject_take(INJECT_UNIT))
		inject_mute(unit, unit_wait);
	if (device_wait >= 0 && inject_take(INJECT_DEVICE))
		inject_mute(unit, device_wait);
}

/**
 * vtdp_inject() - spoil what a register is about to start
 * @unit: unit
 * @reg: register that is about to be written
 * @value: with this
 *
 * Context: any but hard interrupts.
 * Return: whether the write is to be lost.
 */
bool vtdp_inject(struct vtdp_unit *unit, unsigned int reg, u64 value)
{
	switch (reg) {
	case VTD_GCMD:
		return inject_command(unit, value);
	case VTD_IQT:
		inject_doorbell(unit, value >> VTD_IQT_SHIFT);
		break;
	}
	return false;
}
