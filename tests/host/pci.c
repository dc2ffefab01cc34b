// SPDX-License-Identifier: GPL-2.0-only
/*
 * pci.c - functions, their config space and driver changes
 *
 * Extended capabilities are at fixed places: ATS 0x100, PASID 0x110, PRI 0x120,
 * ACS 0x140.
 */
#include "host.h"

#define POS_ATS		0x100
#define POS_PASID	0x110
#define POS_PRI		0x120
#define POS_ACS		0x140

struct bus_type pci_bus_type = { "pci" };
struct pci_driver pci_kernel_driver = { .name = "ahci", .driver = { "ahci" } };
struct pci_driver pci_vfio_driver = { .name = "vfio-pci", .driver_managed_dma = true,
	.driver = { "vfio-pci" } };

static LIST_HEAD(functions);
static struct notifier_block *notifiers;
static struct pci_driver *drivers[4];

static u16 cfg16(const struct pci_dev *d, int at) { return d->config[at] | d->config[at + 1] << 8; }
static void set16(struct pci_dev *d, int at, u16 v) { d->config[at] = v; d->config[at + 1] = v >> 8; }

struct pci_dev *pci_add(struct pci_bus *bus, unsigned int devfn)
{
	struct pci_dev *d = calloc(1, sizeof(*d));

	d->bus = bus;
	d->devfn = devfn;
	d->refs = 1;
	d->present = true;
	d->pcie_type = PCI_EXP_TYPE_ENDPOINT;
	mutex_init(&d->dev.mutex);
	d->dev.mutex.l.name = "device_lock";
	d->dev.registered = true;
	d->eetlp_prefix_path = true;
	d->reset_methods[0] = 1;
	set16(d, POS_ATS + PCI_ATS_CAP, 4 | PCI_ATS_CAP_PAGE_ALIGNED);
	set16(d, POS_PRI + PCI_PRI_STATUS, PCI_PRI_STATUS_STOPPED | PCI_PRI_STATUS_PASID);
	d->config[POS_PRI + PCI_PRI_MAX_REQ] = 32;
	set16(d, POS_ACS + PCI_ACS_CAP, PCI_ACS_RR | PCI_ACS_UF | PCI_ACS_SV);
	list_add_tail(&d->node, &functions);
	return d;
}

void pci_remove_all(void)
{
	struct pci_dev *d, *next;

	list_for_each_entry_safe(d, next, &functions, node) {
		if (d->refs != 1)
			fail_rule("pci reference", "%s: %d references left", pci_name(d), d->refs - 1);
		if (d->dev.awake)
			fail_rule("runtime PM", "%s: %d want it awake", pci_name(d), d->dev.awake);
		list_del(&d->node);
		free(d);
	}
}

const char *pci_name(const struct pci_dev *d)
{
	static char name[16];

	snprintf(name, sizeof(name), "%02x:%02x.%u", d->bus->number, PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
	return name;
}

struct pci_dev *pci_dev_get(struct pci_dev *d)
{
	if (d)
		d->refs++;
	return d;
}

void pci_dev_put(struct pci_dev *d)
{
	if (d && --d->refs < 1)
		fail_rule("pci reference", "%s: dropped too often", pci_name(d));
}

struct pci_dev *pci_by_rid(u16 rid)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node)
		if (pci_dev_id(d) == rid)
			return d;
	return NULL;
}

struct pci_dev *pci_get_domain_bus_and_slot(int domain, unsigned int bus, unsigned int devfn)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node)
		if (d->bus->domain == domain && d->bus->number == bus &&
		    d->devfn == devfn && d->dev.registered)
			return pci_dev_get(d);
	return NULL;
}

struct pci_dev *shim_next_pci_dev(struct pci_dev *from)
{
	struct list_head *at = from ? from->node.next : functions.next;
	struct pci_dev *next = at == &functions ? NULL : list_entry(at, struct pci_dev, node);

	shim_might_sleep("for_each_pci_dev");
	pci_dev_get(next);
	pci_dev_put(from);
	return next;
}

/* ---- config space -------------------------------------------------------- */

bool pci_has_bme(const struct pci_dev *d) { return cfg16(d, PCI_COMMAND) & PCI_COMMAND_MASTER; }
bool pci_ats_is_on(const struct pci_dev *d) { return cfg16(d, POS_ATS + PCI_ATS_CTRL) & PCI_ATS_CTRL_ENABLE; }
bool pci_pasid_is_on(struct pci_dev *d) { return cfg16(pci_physfn(d), POS_PASID + PCI_PASID_CTRL) & PCI_PASID_CTRL_ENABLE; }
bool pci_pri_is_on(const struct pci_dev *d) { return cfg16(d, POS_PRI + PCI_PRI_CTRL) & PCI_PRI_CTRL_ENABLE; }

unsigned int pci_acs_ctrl(const struct pci_dev *d) { return cfg16(d, POS_ACS + PCI_ACS_CTRL); }

static bool answers(const struct pci_dev *d) { return d->present && !d->resetting; }

int pci_read_config_word(struct pci_dev *d, int where, u16 *v)
{
	*v = answers(d) ? cfg16(d, where) : 0xffff;
	return 0;
}

int pci_write_config_word(struct pci_dev *d, int where, u16 v)
{
	if (!answers(d))
		return 0;
	if (where == POS_PRI + PCI_PRI_CTRL) {
		set16(d, where, v & PCI_PRI_CTRL_ENABLE);
		return 0;
	}
	/* PCIe 10.5: disabling invalidates what it holds. */
	if (where == POS_ATS + PCI_ATS_CTRL && !(v & PCI_ATS_CTRL_ENABLE)) {
		d->slept = true;
		model_atc_reset(~0u, pci_dev_id(d));
	}
	set16(d, where, v);
	return 0;
}

int pci_read_config_dword(struct pci_dev *d, int where, u32 *v)
{
	*v = answers(d) ? cfg16(d, where) | (u32)cfg16(d, where + 2) << 16 : ~0u;
	return 0;
}

int pci_write_config_dword(struct pci_dev *d, int where, u32 v)
{
	pci_write_config_word(d, where, v);
	return pci_write_config_word(d, where + 2, v >> 16);
}

int pci_find_ext_capability(struct pci_dev *d, int cap)
{
	switch (cap) {
	case PCI_EXT_CAP_ID_ATS: return d->ats_cap ? POS_ATS : 0;
	case PCI_EXT_CAP_ID_PASID: return d->pasid_width && !d->physfn ? POS_PASID : 0;
	case PCI_EXT_CAP_ID_PRI: return d->has_pri ? POS_PRI : 0;
	case PCI_EXT_CAP_ID_ACS: return d->subordinate || d->has_acs ? POS_ACS : 0;
	}
	return 0;
}

int pci_max_pasids(struct pci_dev *d) { d = pci_physfn(d); return d->pasid_width ? 1 << d->pasid_width : -EINVAL; }
int pci_pasid_features(struct pci_dev *d) { return d->pasid_width ? 0 : -EINVAL; }

int pci_enable_pasid(struct pci_dev *d, int features)
{
	(void)features;
	if (d->physfn)
		return d->physfn->pasid_enabled ? 0 : -EINVAL;
	/* The kernel warns. */
	if (d->pasid_enabled)
		fail_rule("PCI order", "%s: PASIDs on, which are on", pci_name(d));
	/* Since 6.2 on the way up from the function, itself included. */
	if (d->multifunction && d->has_acs && !(pci_acs_ctrl(d) & PCI_ACS_RR))
		return -EINVAL;
	if (!d->pasid_width || d->ats_enabled || d->pasid_enabled || d->pasid_fails)
		return -EINVAL;
	d->pasid_enabled = true;
	set16(d, POS_PASID + PCI_PASID_CTRL, d->forgetful ? 0 : PCI_PASID_CTRL_ENABLE);
	return 0;
}

void pci_disable_pasid(struct pci_dev *d)
{
	if (d->physfn)
		return;
	if (d->ats_enabled)
		fail_rule("PCI order", "%s: PASID off while ATS is on", pci_name(d));
	d->pasid_enabled = false;
	set16(d, POS_PASID + PCI_PASID_CTRL, 0);
}

bool pci_ats_supported(struct pci_dev *d) { return d->ats_cap && !d->untrusted; }
bool pci_pri_supported(struct pci_dev *d) { return d->has_pri; }
int pci_ats_queue_depth(struct pci_dev *d) { return d->ats_cap ? 4 : -EINVAL; }

int pci_enable_ats(struct pci_dev *d, int ps)
{
	(void)ps;
	sched_point();
	if (d->ats_fails)
		return -EINVAL;
	if (!d->ats_cap || d->ats_enabled)
		return -EBUSY;
	set16(d, POS_ATS + PCI_ATS_CTRL, d->forgetful ? 0 : PCI_ATS_CTRL_ENABLE);
	d->ats_enabled = true;
	d->slept = false;
	return 0;
}

void pci_disable_ats(struct pci_dev *d)
{
	if (!d->ats_enabled || (!(cfg16(d, POS_ATS + PCI_ATS_CTRL) & PCI_ATS_CTRL_ENABLE) && !d->slept))
		fail_rule("PCI order", "%s: ATS off, which is not on", pci_name(d));
	d->ats_enabled = false;
	pci_write_config_word(d, POS_ATS + PCI_ATS_CTRL, 0);
}

void pci_set_master(struct pci_dev *d)
{
	sched_point();
	pci_write_config_word(d, PCI_COMMAND, cfg16(d, PCI_COMMAND) | PCI_COMMAND_MASTER);
}

void pci_clear_master(struct pci_dev *d)
{
	pci_write_config_word(d, PCI_COMMAND, cfg16(d, PCI_COMMAND) & ~PCI_COMMAND_MASTER);
}

int pci_reset_function_locked(struct pci_dev *d)
{
	shim_might_sleep("pci reset");
	lockdep_assert_held(&d->dev.mutex);
	d->resets++;
	model_atc_reset(~0u, pci_dev_id(d));
	sched_point();
	return 0;
}

bool pci_device_is_present(struct pci_dev *d) { return answers(d); }
int pci_enable_device(struct pci_dev *d) { return d->enable_fails ? -EIO : 0; }
void pci_disable_device(struct pci_dev *d) { pci_clear_master(d); }

/* ---- drivers and hotplug -------------------------------------------------- */

int bus_register_notifier(struct bus_type *bus, struct notifier_block *nb)
{
	(void)bus;
	if (shim_alloc_fails())
		return -ENOMEM;
	nb->next = notifiers;
	notifiers = nb;
	return 0;
}

int bus_unregister_notifier(struct bus_type *bus, struct notifier_block *nb)
{
	(void)bus;
	if (notifiers == nb)
		notifiers = nb->next;
	return 0;
}

static void notify(struct pci_dev *d, unsigned long action)
{
	if (notifiers)
		notifiers->notifier_call(notifiers, action, &d->dev);
}

int pci_register_driver(struct pci_driver *drv)
{
	if (shim_alloc_fails())
		return -ENOMEM;
	drv->driver.name = drv->name;
	drivers[0] = drv;
	return 0;
}

/* As the driver core: unbinds from all. */
void pci_unregister_driver(struct pci_driver *drv)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node)
		if (d->dev.driver == &drv->driver)
			pci_bind_driver(d, NULL);
	drivers[0] = NULL;
}

/* In the order of drivers/base/dd.c, device_lock held. */
static void unbind_driver(struct pci_dev *d)
{
	struct pci_driver *old;

	if (!d->dev.driver)
		return;
	old = to_pci_driver(d->dev.driver);
	notify(d, BUS_NOTIFY_UNBIND_DRIVER);
	if (old->remove)
		old->remove(d);
	d->dev.driver = NULL;
	notify(d, BUS_NOTIFY_UNBOUND_DRIVER);
}

void pci_bind_driver(struct pci_dev *d, struct pci_driver *drv)
{
	device_lock(&d->dev);
	unbind_driver(d);
	if (drv && d->dev.registered) {
		d->dev.driver = &drv->driver;
		notify(d, BUS_NOTIFY_BIND_DRIVER);
		if (drv->probe && drv->probe(d, NULL)) {
			d->dev.driver = NULL;
			notify(d, BUS_NOTIFY_DRIVER_NOT_BOUND);
		} else {
			if (!drv->probe)
				pci_set_master(d);
			notify(d, BUS_NOTIFY_BOUND_DRIVER);
		}
	}
	device_unlock(&d->dev);
}

void pci_unplug(struct pci_dev *d, bool surprise)
{
	if (surprise)
		d->present = false;
	device_lock(&d->dev);
	unbind_driver(d);
	device_unlock(&d->dev);
	d->dev.registered = false;
	notify(d, BUS_NOTIFY_REMOVED_DEVICE);
	d->present = false;
	model_atc_reset(~0u, pci_dev_id(d));
}

void pci_plug(struct pci_dev *d)
{
	d->present = true;
	d->dev.registered = true;
	d->ats_enabled = d->pasid_enabled = false;
	set16(d, PCI_COMMAND, 0);
	set16(d, POS_ATS + PCI_ATS_CTRL, 0);
	set16(d, POS_PASID + PCI_PASID_CTRL, 0);
	set16(d, POS_PRI + PCI_PRI_CTRL, 0);
	notify(d, BUS_NOTIFY_ADD_DEVICE);
}

/*
 * A reset, in two parts: nobody answers meanwhile, and then it is what the PCI
 * core thinks that it was.
 */
void pci_reset_begin(struct pci_dev *d)
{
	d->saved_config_space[1] = cfg16(d, PCI_COMMAND);
	d->resetting = true;
}

static void forget_all(struct pci_dev *d)
{
	set16(d, PCI_COMMAND, 0);
	set16(d, POS_ATS + PCI_ATS_CTRL, 0);
	set16(d, POS_PASID + PCI_PASID_CTRL, 0);
	set16(d, POS_PRI + PCI_PRI_CTRL, 0);
	set16(d, POS_ACS + PCI_ACS_CTRL, 0);
	model_atc_reset(~0u, pci_dev_id(d));
}

/* As pci_restore_state(): by what the kernel thinks is on, not by what was. */
static void restore(struct pci_dev *d)
{
	if (d->pasid_enabled)
		set16(d, POS_PASID + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
	if (d->pri_enabled)
		set16(d, POS_PRI + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
	if (d->ats_enabled)
		set16(d, POS_ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

void pci_reset_end(struct pci_dev *d)
{
	d->resetting = false;
	forget_all(d);
	restore(d);
	set16(d, PCI_COMMAND, d->saved_config_space[1]);
}

/* ---- sleep ------------------------------------------------------------------ */

/* Drivers put their functions to rest, or wake them. */
static void drivers_sleep(bool sleep)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node) {
		const struct dev_pm_ops *pm = d->dev.driver ? d->dev.driver->pm : NULL;

		if (pm)
			(sleep ? pm->suspend : pm->resume)(&d->dev);
		else if (d->dev.driver)
			(sleep ? pci_clear_master : pci_set_master)(d);
	}
}

void pci_suspend_all(void)
{
	drivers_sleep(true);
}

/* All functions and ports lose what they were told. */
void pci_power_cycle(void)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node) {
		forget_all(d);
		d->slept = true;
	}
}

void (*pci_restored_hook)(void);

/* The core restores what it can; then drivers wake their functions. */
void pci_resume_all(void)
{
	struct pci_dev *d;

	list_for_each_entry(d, &functions, node)
		if (!d->forgetful)
			restore(d);
	drivers_sleep(false);
	if (pci_restored_hook)
		pci_restored_hook();
}
