// SPDX-License-Identifier: GPL-2.0-only
/*
 * VTDPASID_PREFLIGHT: which prerequisites are there. Reads only.
 */
#include <linux/capability.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vtdpasid.h"

#define PREFLIGHT_RESULTS	128

static_assert(sizeof(struct vtdpasid_check_result) == 40);

/* What may be asked for, before anything is looked at. */
static int preflight_valid(const struct vtdpasid_preflight *arg)
{
	if (arg->result_size < sizeof(struct vtdpasid_check_result))
		return -EINVAL;
	if (arg->result_size > PAGE_SIZE)
		return -E2BIG;
	if (arg->scope > VTDPASID_SCOPE_DEVICE)
		return -EINVAL;
	if (arg->scope != VTDPASID_SCOPE_UNIT && arg->unit)
		return -EINVAL;
	if (arg->scope != VTDPASID_SCOPE_DEVICE && (arg->segment || arg->rid))
		return -EINVAL;
	return 0;
}

/* Fill in the answers. Return: how many there are, or an error. */
static int preflight_ask(struct vtdpasid_preflight *arg, struct pci_dev *pdev,
			 struct vtdpasid_check_result *results)
{
	struct vtdp_subject subject = { .pdev = pdev };

	if (arg->scope == VTDPASID_SCOPE_UNIT) {
		subject.unit = vtdp_unit_by_index(arg->unit);
		if (!subject.unit)
			return -ENOENT;
	} else if (pdev) {
		if (!device_is_registered(&pdev->dev))
			return -ENODEV;
		subject.unit = vtdp_unit_of(pdev);
	}
	arg->out_unit = subject.unit ? subject.unit->index : ~0u;
	return vtdp_check_list(arg->scope, &subject, results, PREFLIGHT_RESULTS);
}

/* Registers tell of the machine what /dev/vtdpasid's mode says nothing about. */
static void preflight_hide(struct vtdpasid_check_result *results, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		results[i].flags |= VTDPASID_RESULT_HIDDEN;
		results[i].value = 0;
	}
}

static int preflight_copy(const struct vtdpasid_preflight *arg,
			  const struct vtdpasid_check_result *results,
			  unsigned int count)
{
	const size_t known = sizeof(*results);
	u8 __user *user = u64_to_user_ptr(arg->results);
	unsigned int i;

	for (i = 0; i < count; i++, user += arg->result_size)
		if (copy_to_user(user, &results[i], known) ||
		    clear_user(user + known, arg->result_size - known))
			return -EFAULT;
	return 0;
}

static int preflight_results(struct vtdpasid_preflight *arg, struct pci_dev *pdev,
			     struct vtdpasid_check_result *results)
{
	int count, err;
	unsigned int i;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	count = preflight_ask(arg, pdev, results);
	mutex_unlock(&vtdp_lock);
	if (count < 0)
		return count;

	arg->out_count = min(count, PREFLIGHT_RESULTS);
	for (i = 0; i < arg->out_count; i++)
		arg->out_refuses |= results[i].refuses;
	if (!ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		preflight_hide(results, arg->out_count);
	err = preflight_copy(arg, results, min(arg->count, arg->out_count));
	if (err)
		return err;
	return arg->out_count > arg->count ? -EMSGSIZE : 0;
}

/**
 * vtdp_preflight() - VTDPASID_PREFLIGHT
 * @arg: copied in
 *
 * Context: may sleep; takes the function's device_lock and vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_preflight(struct vtdpasid_preflight *arg)
{
	struct vtdpasid_check_result *results;
	struct pci_dev *pdev = NULL;
	int err;

	err = preflight_valid(arg);
	if (err)
		return err;
	results = kcalloc(PREFLIGHT_RESULTS, sizeof(*results), GFP_KERNEL_ACCOUNT);
	if (!results)
		return -ENOMEM;
	if (arg->scope == VTDPASID_SCOPE_DEVICE) {
		pdev = pci_get_domain_bus_and_slot(arg->segment,
						   PCI_BUS_NUM(arg->rid),
						   arg->rid & 0xff);
		if (!pdev) {
			kfree(results);
			return -ENODEV;
		}
		/* Registers of a function that sleeps read as all ones. */
		pm_runtime_get_sync(&pdev->dev);
	}
	/* Checks look at its driver. */
	err = pdev ? device_lock_interruptible(&pdev->dev) : 0;
	if (!err) {
		err = preflight_results(arg, pdev, results);
		if (pdev)
			device_unlock(&pdev->dev);
	}
	if (pdev)
		pm_runtime_put(&pdev->dev);
	pci_dev_put(pdev);
	kfree(results);
	return err;
}
