// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suspend, resume, reboot and kexec.
 *
 * Suspend: drivers have put their functions to rest, ours among them, when the
 * units are switched off; firmware may take their registers away. Resume puts
 * all back from memory, units first, then functions. Nothing is allocated on
 * the way down.
 *
 * Reboot and kexec: the reboot notifier comes before both, on all kernels.
 * Attached functions are stopped and translation is switched off, so that the
 * next kernel finds the units as this one found them. A panic kernel does not:
 * it finds translation on, as after any crash under an IOMMU.
 */
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>

#include "vtdpasid.h"

static int power_suspend(void)
{
	struct vtdp_unit *unit;
	int err = 0;

	/* Tasks are frozen outside of ioctls, so nobody else should hold it. */
	if (!mutex_trylock(&vtdp_lock))
		return -EBUSY;
	list_for_each_entry(unit, &vtdp_units, node) {
		if (unit->state == VTDPASID_UNIT_TAKEN)
			err = vtdp_unit_suspend(unit);
		if (err)
			break;
	}
	if (err)
		list_for_each_entry_continue_reverse(unit, &vtdp_units, node)
			if (unit->state == VTDPASID_UNIT_TAKEN)
				vtdp_unit_resume(unit);
	mutex_unlock(&vtdp_lock);
	return err;
}

static void power_resume(void)
{
	struct vtdp_unit *unit;

	if (WARN_ON_ONCE(!mutex_trylock(&vtdp_lock)))
		return;
	list_for_each_entry(unit, &vtdp_units, node)
		if (unit->state == VTDPASID_UNIT_TAKEN)
			vtdp_unit_resume(unit);
	mutex_unlock(&vtdp_lock);
}

/* Functions with a driver of the kernel's: those that are ours have resumed. */
static void power_resume_driven(struct vtdp_unit *unit)
{
	struct vtdp_device *device, *next;

	list_for_each_entry_safe(device, next, &unit->devices, node)
		if (!device->claimed)
			vtdp_device_resume(device);
}

static int power_sleep(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	struct vtdp_unit *unit;

	switch (action) {
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		break;
	default:
		return NOTIFY_DONE;
	}
	mutex_lock(&vtdp_lock);
	list_for_each_entry(unit, &vtdp_units, node)
		power_resume_driven(unit);
	mutex_unlock(&vtdp_lock);
	return NOTIFY_OK;
}

static struct notifier_block power_sleep_nb = {
	.notifier_call = power_sleep,
};

VTDP_DEFINE_SYSCORE(power_syscore, power_suspend, power_resume);

static int power_reboot(struct notifier_block *nb, unsigned long action,
			void *data)
{
	struct vtdp_unit *unit;

	mutex_lock(&vtdp_lock);
	list_for_each_entry(unit, &vtdp_units, node)
		if (unit->state != VTDPASID_UNIT_IDLE)
			vtdp_unit_shutdown(unit);
	mutex_unlock(&vtdp_lock);
	return NOTIFY_DONE;
}

static struct notifier_block power_nb = {
	.notifier_call = power_reboot,
};

int vtdp_power_init(void)
{
	int err = register_reboot_notifier(&power_nb);

	if (err)
		return err;
	err = register_pm_notifier(&power_sleep_nb);
	if (err) {
		unregister_reboot_notifier(&power_nb);
		return err;
	}
	vtdp_register_syscore(&power_syscore);
	return 0;
}

void vtdp_power_exit(void)
{
	vtdp_unregister_syscore(&power_syscore);
	unregister_pm_notifier(&power_sleep_nb);
	unregister_reboot_notifier(&power_nb);
}
