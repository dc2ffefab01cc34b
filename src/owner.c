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

#include <asm/pci.h>

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

/* Functions behind a VMD are on buses of its own, and use its requester id. */
static struct pci_dev *requester(struct pci_dev *pdev)
{
#if IS_ENABLED(CONFIG_VMD) /* else the kernel has no place for it */
	if (is_vmd(pdev->bus))
		return to_pci_sysdata(pdev->bus)->vmd_dev;
#endif
	return pdev;
}

/* Is @fn true for any requester id of a function? Its own comes first. */
static bool any_rid(struct pci_dev *pdev, rid_fn fn, void *data)
{
	struct pci_bus *bus;
	unsigned int devfn;

	pdev = requester(pdev);
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

static int requester_segment(struct pci_dev *pdev)
{
	return pci_domain_nr(requester(pdev)->bus);
}

static bool rid_equals(u16 rid, void *data)
{
	return rid == *(u16 *)data;
}

/* Is that one of the requester ids of the function @data? */
static bool rid_is_of(u16 rid, void *data)
{
	return any_rid(data, rid_equals, &rid);
}

/* Finds a requester id other than that in @data, and leaves it there. */
static bool rid_differs(u16 rid, void *data)
{
	int *found = data;

	if (rid == *found)
		return false;
	*found = rid;
	return true;
}

/**
 * vtdp_owner_alias() - can others' requests look like this function's?
 * @pdev: the function
 * @nth: 0 for the first of them, and so on
 * @other: set to the other function, a reference is held; or to NULL
 *
 * A function without such others may still have two requester ids, or one that
 * is a bridge's; then it is that.
 *
 * Context: may sleep.
 * Return: requester id of what is in the way; -1 when nothing is.
 */
int vtdp_owner_alias(struct pci_dev *pdev, unsigned int nth,
		     struct pci_dev **other)
{
	int rid = pci_dev_id(pdev);
	unsigned int found = 0;

	*other = NULL;
	for_each_pci_dev(*other) {
		if (*other == pdev ||
		    requester_segment(*other) != requester_segment(pdev) ||
		    !any_rid(*other, rid_is_of, pdev))
			continue;
		if (found++ == nth)
			return pci_dev_id(*other);
	}
	if (!found && !nth && any_rid(pdev, rid_differs, &rid))
		return rid;
	return -1;
}

/* ---- the rule ------------------------------------------------------------ */

/* Is our driver bound to the function? */
bool vtdp_owner_claimed(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->dev.driver) == &vtdp_pci_driver.driver;
}

/*
 * Drivers whose functions get no context entry. Most say so themselves: those
 * that hand functions to userspace and take care of DMA there (vfio, pci-stub,
 * our own), and that of PCIe ports, which do no DMA of their own: what comes
 * from below a port has the requester id of its function. The others give
 * userspace the registers of a function, and with that its DMA.
 */
static bool driver_has_no_dma(struct device_driver *driver)
{
	static const char * const names[] = { "igb_uio", "xen_pciback" };
	unsigned int i;

	if (to_pci_driver(driver)->driver_managed_dma)
		return true;
	/* That of the module, which is the same for each driver in it. */
	if (!driver->mod_name)
		return false;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(driver->mod_name, names[i]))
			return true;
	return str_has_prefix(driver->mod_name, "uio_");
}

/*
 * Does the function's driver hand it to userspace? The driver stays while we
 * look at it: it cannot go past the notifier, which takes vtdp_lock.
 */
bool vtdp_owner_userspace(struct pci_dev *pdev)
{
	struct device_driver *driver = READ_ONCE(pdev->dev.driver);

	lockdep_assert_held(&vtdp_lock);
	return driver && driver_has_no_dma(driver);
}

/* A function whose driver has refused it, but is not off yet. */
static struct pci_dev *driverless;

static bool function_passes(struct vtdp_unit *unit, struct pci_dev *pdev)
{
	struct device_driver *driver = READ_ONCE(pdev->dev.driver);

	lockdep_assert_held(&vtdp_lock);
	if (driver && pdev != driverless)
		return !driver_has_no_dma(driver);
	return vtdp_passthrough_all ||
	       vtdp_unit_firmware_uses(unit, pdev, pci_dev_id(pdev));
}

/* Does any function with that requester id pass through? */
static bool rid_passes(struct vtdp_unit *unit, u16 rid)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (requester_segment(pdev) == unit->drhd->segment &&
		    device_is_registered(&pdev->dev) &&
		    any_rid(pdev, rid_equals, &rid) &&
		    function_passes(unit, pdev)) {
			pci_dev_put(pdev);
			return true;
		}
	}
	return vtdp_unit_firmware_uses(unit, NULL, rid);
}

static void rid_set(struct vtdp_unit *unit, u16 rid, bool pass)
{
	int err = pass ? vtdp_ctx_pass(unit, rid) : vtdp_ctx_block(unit, rid);

	if (err)
		pr_err("unit %u: context entry of %04x:%02x:%02x.%u not set (%d)\n",
		       unit->index, unit->drhd->segment, PCI_BUS_NUM(rid),
		       PCI_SLOT(rid), PCI_FUNC(rid), err);
}

static bool rid_apply(u16 rid, void *data)
{
	struct vtdp_unit *unit = data;

	if (!vtdp_device_by_rid(unit, rid))
		rid_set(unit, rid, rid_passes(unit, rid));
	return false;
}

static bool rid_pass(u16 rid, void *data)
{
	rid_set(data, rid, true);
	return false;
}

/**
 * vtdp_owner_apply() - give each function of a unit the entry that it must have
 * @unit: unit that is being taken over, not yet on
 *
 * Nothing passes yet, so those that do can be gone through one by one, without
 * a look at who else has their requester ids.
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
		if (device_is_registered(&pdev->dev) &&
		    function_passes(unit, pdev))
			any_rid(pdev, rid_pass, unit);
	}
	return 0;
}

/* ---- functions that go on without an owner ------------------------------- */

/**
 * vtdp_owner_cut_off() - switch off the bus mastering of an unowned function
 * @unit: unit that refuses its requests
 * @rid: requester id
 *
 * Nothing is done for a function that has an owner meanwhile, or is about to
 * have one: then device_lock is taken, and a probe must find things as it left
 * them. If the function goes on, it will be seen again.
 *
 * Context: may sleep; under unit->fault_lock, so device_lock, which is the
 * outermost, is only tried.
 */
void vtdp_owner_cut_off(struct vtdp_unit *unit, u16 rid)
{
	struct pci_dev *pdev;

	pdev = pci_get_domain_bus_and_slot(unit->drhd->segment, PCI_BUS_NUM(rid),
					   rid & 0xff);
	if (!pdev)
		return;
	/* A bridge's bus mastering is that of all functions below it. */
	if (pdev->hdr_type == PCI_HEADER_TYPE_NORMAL &&
	    device_trylock(&pdev->dev)) {
		struct device_driver *driver = pdev->dev.driver;

		if (!driver || driver_has_no_dma(driver)) {
			pci_clear_master(pdev);
			dev_warn_ratelimited(&pdev->dev, "nobody owns it, but it tries DMA: its bus mastering is off now\n");
		}
		device_unlock(&pdev->dev);
	}
	pci_dev_put(pdev);
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
	struct vtdp_subject subject = { .pdev = pdev };
	u32 check;
	int err;

	mutex_lock(&vtdp_lock);
	subject.unit = vtdp_unit_of(pdev);
	err = vtdp_check(&subject, VTDPASID_REFUSES_CLAIM, &check);
	mutex_unlock(&vtdp_lock);
	if (err)
		return err;

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

/* Ports above are awake, and processes not yet. */
static int owner_resume(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct vtdp_device *device = NULL;
	struct vtdp_unit *unit;

	mutex_lock(&vtdp_lock);
	unit = vtdp_unit_of(pdev);
	if (unit)
		device = vtdp_device_by_rid(unit, pci_dev_id(pdev));
	if (device)
		vtdp_device_resume(device);
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
