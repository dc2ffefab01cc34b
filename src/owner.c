// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who drives a function, and what its context entry must be therefore.
 *
 * Deny by default: a function has a context entry (pass-through) only while a
 * kernel driver drives it or firmware uses it. Drivers that hand functions to
 * userspace do not count. The rule follows driver changes and hotplug through
 * the PCI bus's notifier, which comes before a driver's probe.
 *
 * Tables are kept by requester id, of which a function may have several
 * (aliases), and share some with others.
 *
 * The pci_driver here is how a function is claimed: it matches by
 * driver_override only, and keeps bus mastering off until ATTACH.
 */
#include <linux/acpi.h>
#include <linux/pci.h>

#include "vtdpasid.h"

#define RIDS_PER_BUS	256

/* ---- requester ids ------------------------------------------------------- */

typedef bool (*rid_fn)(u16 rid, void *data);

/* The requester id that a bridge puts on what comes from behind it, or -1. */
static int bridge_rid(struct pci_dev *bridge)
{
	u16 secondary = PCI_DEVID(bridge->subordinate->number, 0);

	if (!pci_is_pcie(bridge))
		return bridge->dev_flags & PCI_DEV_FLAG_PCIE_BRIDGE_ALIAS ?
			secondary : pci_dev_id(bridge);
	switch (pci_pcie_type(bridge)) {
	case PCI_EXP_TYPE_PCI_BRIDGE:
		return secondary;
	case PCI_EXP_TYPE_PCIE_BRIDGE:
		return pci_dev_id(bridge);
	}
	return -1;
}

/* Is @fn true for any requester id of a function? Its own comes first. */
static bool any_rid(struct pci_dev *pdev, rid_fn fn, void *data)
{
	struct pci_bus *bus;
	unsigned int devfn;

	if (fn(pci_dev_id(pdev), data))
		return true;
	if (pdev->dma_alias_mask)
		for_each_set_bit(devfn, pdev->dma_alias_mask, RIDS_PER_BUS)
			if (fn(PCI_DEVID(pdev->bus->number, devfn), data))
				return true;
	for (bus = pdev->bus; !pci_is_root_bus(bus); bus = bus->parent) {
		int rid = bus->self ? bridge_rid(bus->self) : -1;

		if (rid >= 0 && fn(rid, data))
			return true;
	}
	return false;
}

static bool rid_equals(u16 rid, void *data)
{
	return rid == *(u16 *)data;
}

static bool rid_differs(u16 rid, void *data)
{
	return rid != *(u16 *)data;
}

/**
 * vtdp_owner_aliased() - can others' requests look like this function's?
 * @pdev: the function
 *
 * Says with a log line whose, if so. Context: may sleep.
 */
bool vtdp_owner_aliased(struct pci_dev *pdev)
{
	u16 rid = pci_dev_id(pdev);
	struct pci_dev *other = NULL;

	if (any_rid(pdev, rid_differs, &rid)) {
		pci_err(pdev, "requests may carry a bridge's or another function's requester id: no attach\n");
		return true;
	}
	for_each_pci_dev(other) {
		if (other == pdev || pci_domain_nr(other->bus) !=
		    pci_domain_nr(pdev->bus) ||
		    !any_rid(other, rid_equals, &rid))
			continue;
		pci_err(pdev, "requests cannot be told apart from those of %s: no attach\n",
			pci_name(other));
		pci_dev_put(other);
		return true;
	}
	return false;
}

/* ---- the rule ------------------------------------------------------------ */

/* Is our driver bound to the function? */
bool vtdp_owner_claimed(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->dev.driver) == &vtdp_pci_driver.driver;
}

static bool driver_for_userspace(struct device_driver *driver)
{
	/* Those that take care of DMA themselves: vfio, pci-stub, our own. */
	if (to_pci_driver(driver)->driver_managed_dma)
		return true;
	return !strcmp(driver->name, "uio_pci_generic");
}

/*
 * Does the function's driver hand it to userspace? The driver stays while we
 * look at it: it cannot go past the notifier, which takes vtdp_lock.
 */
bool vtdp_owner_userspace(struct pci_dev *pdev)
{
	struct device_driver *driver = READ_ONCE(pdev->dev.driver);

	lockdep_assert_held(&vtdp_lock);
	return driver && driver_for_userspace(driver);
}

/* A function whose driver has refused it, but is not off yet. */
static struct pci_dev *driverless;

static bool function_passes(struct vtdp_unit *unit, struct pci_dev *pdev)
{
	struct device_driver *driver = READ_ONCE(pdev->dev.driver);

	lockdep_assert_held(&vtdp_lock);
	if (driver && pdev != driverless)
		return !driver_for_userspace(driver);
	return vtdp_passthrough_all ||
	       vtdp_unit_firmware_uses(unit, pdev, pci_dev_id(pdev));
}

/* Does any function with that requester id pass through? */
static bool rid_passes(struct vtdp_unit *unit, u16 rid)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (pci_domain_nr(pdev->bus) == unit->drhd->segment &&
		    device_is_registered(&pdev->dev) &&
		    any_rid(pdev, rid_equals, &rid) &&
		    function_passes(unit, pdev)) {
			pci_dev_put(pdev);
			return true;
		}
	}
	return vtdp_unit_firmware_uses(unit, NULL, rid);
}

static bool rid_apply(u16 rid, void *data)
{
	struct vtdp_unit *unit = data;
	int err;

	if (vtdp_device_by_rid(unit, rid))
		return false;
	if (rid_passes(unit, rid))
		err = vtdp_ctx_pass(unit, rid);
	else
		err = vtdp_ctx_block(unit, rid);
	if (err)
		pr_err("unit %u: context entry of %04x:%02x:%02x.%u not set (%d)\n",
		       unit->index, unit->drhd->segment, PCI_BUS_NUM(rid),
		       PCI_SLOT(rid), PCI_FUNC(rid), err);
	return false;
}

/**
 * vtdp_owner_apply() - give each function of a unit the entry that it must have
 * @unit: unit that is being taken over, not yet on
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_owner_apply(struct vtdp_unit *unit)
{
	const struct vtdp_dmar *drhd = unit->drhd;
	struct pci_dev *pdev = NULL;
	unsigned int i;
	int err;

	lockdep_assert_held(&vtdp_lock);
	for (i = 0; i < drhd->scopes; i++) {
		const struct vtdp_scope *scope = &drhd->scope[i];

		if (scope->type != ACPI_DMAR_SCOPE_TYPE_NAMESPACE ||
		    scope->depth != 1)
			continue;
		err = vtdp_ctx_pass(unit, PCI_DEVID(scope->bus, scope->path[0]));
		if (err)
			return err;
	}
	for_each_pci_dev(pdev) {
		if (vtdp_unit_of(pdev) != unit)
			continue;
		/* The notifier cannot refuse a driver for want of memory. */
		err = vtdp_ctx_prepare(unit, pdev->bus->number);
		if (err) {
			pci_dev_put(pdev);
			return err;
		}
		any_rid(pdev, rid_apply, unit);
	}
	return 0;
}

/* ---- following changes --------------------------------------------------- */

static void owner_changed(struct vtdp_unit *unit, struct pci_dev *pdev,
			  unsigned long action)
{
	lockdep_assert_held(&vtdp_lock);
	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		if (vtdp_ctx_prepare(unit, pdev->bus->number))
			pci_warn(pdev, "no memory for a context table: its DMA will fault\n");
		break;
	case BUS_NOTIFY_UNBIND_DRIVER:
	case BUS_NOTIFY_REMOVED_DEVICE:
		vtdp_device_lost(unit, pdev);
		break;
	}
	if (action == BUS_NOTIFY_DRIVER_NOT_BOUND)
		driverless = pdev;
	any_rid(pdev, rid_apply, unit);
	driverless = NULL;
}

static int owner_notify(struct notifier_block *nb, unsigned long action,
			void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);
	struct vtdp_unit *unit;

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
	case BUS_NOTIFY_REMOVED_DEVICE:
	case BUS_NOTIFY_BIND_DRIVER:
	case BUS_NOTIFY_UNBIND_DRIVER:
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		break;
	default:
		return NOTIFY_DONE;
	}

	mutex_lock(&vtdp_lock);
	unit = vtdp_unit_of(pdev);
	if (unit && unit->state != VTDPASID_UNIT_IDLE)
		owner_changed(unit, pdev, action);
	mutex_unlock(&vtdp_lock);
	return NOTIFY_OK;
}

static struct notifier_block owner_nb = {
	.notifier_call = owner_notify,
};

/* ---- the claiming driver ------------------------------------------------- */

static int owner_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vtdp_unit *unit;
	bool firmware;
	int err;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		pci_err(pdev, "not claimed: it is a bridge\n");
		return -EINVAL;
	}
	mutex_lock(&vtdp_lock);
	unit = vtdp_unit_of(pdev);
	firmware = unit && vtdp_unit_firmware_uses(unit, pdev, pci_dev_id(pdev));
	mutex_unlock(&vtdp_lock);
	if (firmware) {
		pci_err(pdev, "not claimed: firmware does DMA with it (RMRR), which would fail\n");
		return -EPERM;
	}

	err = pci_enable_device(pdev);
	if (err)
		return err;
	pci_clear_master(pdev);
	return 0;
}

static void owner_remove(struct pci_dev *pdev)
{
	/*
	 * Bindings have ended: the notifier came first. The next driver must
	 * not find virtual addresses in the function.
	 */
	pci_clear_master(pdev);
	if (pci_device_is_present(pdev))
		pci_reset_function_locked(pdev);
	pci_disable_device(pdev);
}

/* No DMA while translation is off. */
static int owner_suspend(struct device *dev)
{
	pci_clear_master(to_pci_dev(dev));
	return 0;
}

static int owner_resume(struct device *dev)
{
	mutex_lock(&vtdp_lock);
	vtdp_device_resume(to_pci_dev(dev));
	mutex_unlock(&vtdp_lock);
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(owner_pm_ops, owner_suspend, owner_resume);

/* Without ids it matches what driver_override names, and nothing else. */
struct pci_driver vtdp_pci_driver = {
	.name = KBUILD_MODNAME,
	.probe = owner_probe,
	.remove = owner_remove,
	.driver_managed_dma = true,
	.driver.pm = pm_sleep_ptr(&owner_pm_ops),
};

int vtdp_owner_init(void)
{
	int err;

	err = bus_register_notifier(&pci_bus_type, &owner_nb);
	if (err)
		return err;
	err = pci_register_driver(&vtdp_pci_driver);
	if (err)
		bus_unregister_notifier(&pci_bus_type, &owner_nb);
	return err;
}

/* Functions are released before the notifier goes, so that it sees them go. */
void vtdp_owner_exit(void)
{
	pci_unregister_driver(&vtdp_pci_driver);
	bus_unregister_notifier(&pci_bus_type, &owner_nb);
}
