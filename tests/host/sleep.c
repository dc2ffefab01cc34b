// SPDX-License-Identifier: GPL-2.0-only
/*
 * sleep.c - the machine goes to sleep, wakes up, and goes down, in the order of
 * kernel/power/suspend.c and kernel/reboot.c
 */
#include "host.h"

static struct notifier_block *reboot_nb, *pm_nb;
static struct syscore_ops *syscore;

static int set(struct notifier_block **where, struct notifier_block *nb)
{
	if (shim_alloc_fails())
		return -ENOMEM;
	if (*where)
		fail_rule("notifier", "registered twice");
	*where = nb;
	return 0;
}

static int clear(struct notifier_block **where, struct notifier_block *nb)
{
	if (*where != nb)
		fail_rule("notifier", "unregistered, but not registered");
	*where = NULL;
	return 0;
}

int register_reboot_notifier(struct notifier_block *nb) { return set(&reboot_nb, nb); }
int unregister_reboot_notifier(struct notifier_block *nb) { return clear(&reboot_nb, nb); }
int register_pm_notifier(struct notifier_block *nb) { return set(&pm_nb, nb); }
int unregister_pm_notifier(struct notifier_block *nb) { return clear(&pm_nb, nb); }
void register_syscore_ops(struct syscore_ops *ops) { syscore = ops; }
void unregister_syscore_ops(struct syscore_ops *ops) { syscore = NULL; }
bool shim_sleep_unused(void) { return !reboot_nb && !pm_nb && !syscore; }

static void wake(void)
{
	pci_resume_all();
	pm_nb->notifier_call(pm_nb, PM_POST_SUSPEND, NULL);
}

/* Down to where only the firmware is left. One CPU, interrupts off. */
int shim_suspend(void)
{
	int err;

	pm_nb->notifier_call(pm_nb, PM_SUSPEND_PREPARE, NULL);
	pci_suspend_all();
	current->atomic++;
	err = syscore->suspend();
	current->atomic--;
	if (err)
		wake();
	return err;
}

void shim_resume(void)
{
	current->atomic++;
	syscore->resume();
	current->atomic--;
	wake();
}

void shim_reboot(void)
{
	reboot_nb->notifier_call(reboot_nb, 1, NULL);
}
