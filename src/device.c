// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach and detach: a PCI function gets a PASID table of its own, and gives it
 * up. Also: what is done when a function is lost, or has to be cut off.
 */
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "trace.h"
#include "vtdpasid.h"

/* PASID tables that all functions share, with pasid_table=system. */
static struct vtdp_pool system_pool = {
	.leaves = XARRAY_INIT(system_pool.leaves, 0),
	.tables = LIST_HEAD_INIT(system_pool.tables),
};

static struct vtdp_pool *device_pool(struct vtdp_unit *unit)
{
	switch (vtdp_table_layout) {
	case VTDPASID_TABLE_UNIT:
		return &unit->pool;
	case VTDPASID_TABLE_SYSTEM:
		return &system_pool;
	}
	return NULL;
}

/* The attached function with a requester id, or NULL. Under vtdp_lock. */
struct vtdp_device *vtdp_device_by_rid(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_device *device;

	lockdep_assert_held(&vtdp_lock);
	list_for_each_entry(device, &unit->devices, node)
		if (device->rid == rid)
			return device;
	return NULL;
}

/* VTDPASID_DEVICE_* of a device. Under vtdp_lock. */
u32 vtdp_device_state(const struct vtdp_device *device)
{
	u32 state = 0;

	lockdep_assert_held(&vtdp_lock);
	if (device->claimed)
		state |= VTDPASID_DEVICE_CLAIMED;
	if (device->pasid_on)
		state |= VTDPASID_DEVICE_PASID;
	if (device->ats_pci)
		state |= VTDPASID_DEVICE_ATS;
	if (device->pri_on)
		state |= VTDPASID_DEVICE_PRI;
	if (READ_ONCE(device->stopped))
		state |= VTDPASID_DEVICE_STOPPED;
	if (!device->acs)
		state |= VTDPASID_DEVICE_NO_ACS;
	return state;
}

/* ---- containment --------------------------------------------------------- */

/**
 * vtdp_device_stop() - cut a function off from the bus
 * @device: the function
 *
 * By clearing Bus Master Enable, which needs no cooperation of the IOMMU. There
 * is no way back but detach; or its driver and the PCI core on behalf of it, who
 * may set it again when they recover or resume the function. What that then
 * sends the unit translates, unless they switched ATS on again, too.
 *
 * Context: atomic; under unit->devices_lock.
 */
void vtdp_device_stop(struct vtdp_device *device)
{
	u16 command;

	lockdep_assert_held(&device->unit->devices_lock);
	if (device->stopped)
		return;
	pci_read_config_word(device->pdev, PCI_COMMAND, &command);
	pci_write_config_word(device->pdev, PCI_COMMAND,
			      command & ~PCI_COMMAND_MASTER);
	/* Or a reset that is under way would bring it back. */
	device->pdev->saved_config_space[PCI_COMMAND / 4] &= ~PCI_COMMAND_MASTER;
	vtdp_ats_cut(device);
	/* The answer comes behind what the function wrote before. */
	pci_read_config_word(device->pdev, PCI_COMMAND, &command);
	/*
	 * Only now: whoever sees these goes on without an invalidation. Nothing
	 * is owed to its device TLB any more, and no answer expected.
	 */
	smp_wmb(); /* config accesses above before the flags; see space.c */
	WRITE_ONCE(device->stopped, true);
	WRITE_ONCE(device->ats_on, false);
	pci_err(device->pdev, "cut off from the bus: its bus mastering is off until it is attached again, or its driver bound anew\n");
}

/* Of a claimed function; not if it was cut off meanwhile. */
static void device_set_master(struct vtdp_device *device)
{
	spin_lock(&device->unit->devices_lock);
	if (!device->stopped)
		pci_set_master(device->pdev);
	spin_unlock(&device->unit->devices_lock);
}

/*
 * Cut off the attached function with that requester id, if there is one, and
 * tell its client.
 */
void vtdp_device_stop_rid(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_device *device;

	spin_lock(&unit->devices_lock);
	list_for_each_entry(device, &unit->devices, node) {
		if (device->rid != rid || device->stopped)
			continue;
		vtdp_device_stop(device);
		vtdp_event_device(device, VTDPASID_EVENT_DEVICE_STOPPED);
	}
	spin_unlock(&unit->devices_lock);
}

/* Is nobody with that requester id attached any more, or it was cut off? */
bool vtdp_device_stopped_rid(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_device *device;
	bool stopped = true;

	spin_lock(&unit->devices_lock);
	list_for_each_entry(device, &unit->devices, node)
		if (device->rid == rid)
			stopped = device->stopped;
	spin_unlock(&unit->devices_lock);
	return stopped;
}

/* ---- attach -------------------------------------------------------------- */

/**
 * vtdp_device_may_share() - may a unit's functions use the shared PASID tables?
 * @unit: the unit
 *
 * With pasid_table=system one set of tables is there for all, but entries that
 * go are invalidated in the unit of the binding. So those of one unit, until the
 * last is detached.
 *
 * Context: under vtdp_lock.
 */
bool vtdp_device_may_share(const struct vtdp_unit *unit)
{
	const struct vtdp_table *table;

	lockdep_assert_held(&vtdp_lock);
	table = list_first_entry_or_null(&system_pool.tables, struct vtdp_table,
					 node);
	return !table || table->unit == unit;
}

/* Requests with PASID, where the way up keeps them from peers. */
static void device_enable_pasid(struct vtdp_device *device, u32 *check)
{
	const struct vtdp_subject subject = { device->unit, device->pdev };
	struct pci_dev *pdev = device->pdev;

	vtdp_check(&subject, VTDPASID_REFUSES_PASID, check);
	if (*check)
		return;
	/* The kernel knows of more obstacles on the way than we can ask for. */
	if (pci_enable_pasid(pdev, 0)) {
		*check = VTDPASID_CHECK_PASID_PATH;
		pci_warn(pdev, "attached without PASIDs: PASID_PATH: the kernel says that they do not reach the root complex\n");
		return;
	}
	device->pasid_on = true;
	device->pasid_max = min_t(u32, pci_max_pasids(pdev) - 1, vtdp_pasid_limit());
}

/* Who breaks the unit from here on cuts the function off, too. */
static int device_link(struct vtdp_device *device)
{
	struct vtdp_unit *unit = device->unit;
	int err = -EIO;

	spin_lock(&unit->devices_lock);
	if (unit->state != VTDPASID_UNIT_BROKEN) {
		list_add_tail(&device->node, &unit->devices);
		unit->nr_devices++;
		err = 0;
	}
	spin_unlock(&unit->devices_lock);
	return err;
}

static void device_unlink(struct vtdp_device *device)
{
	struct vtdp_unit *unit = device->unit;

	spin_lock(&unit->devices_lock);
	list_del(&device->node);
	unit->nr_devices--;
	spin_unlock(&unit->devices_lock);
}

/* The PCI side of attach and detach; what is not ours to know is skipped. */
static int device_pci_start(struct vtdp_device *device, u32 *check)
{
	int err;

	device->acs = !vtdp_acs_lacking(device->pdev, 0);
	err = device->acs ? vtdp_acs_get(device->pdev) : 0;
	if (err)
		device->acs = false;
	else
		device_enable_pasid(device, check);
	return err;
}

static int device_end_bindings(struct vtdp_device *device)
{
	struct vtdp_binding *binding, *next;
	int err = 0;

	list_for_each_entry_safe(binding, next, &device->bindings, device_node)
		err = vtdp_unbind(binding) ?: err;
	return err;
}

/*
 * PCIe 9.3.7.14: virtual functions have theirs by the physical one. What they do
 * with addresses of a process when PASIDs go off, nobody knows. Those of kernel
 * drivers keep their plain DMA.
 */
static void device_stop_virtual(struct vtdp_device *device)
{
	struct vtdp_device *other;

	lockdep_assert_held(&vtdp_lock);
	list_for_each_entry(other, &device->unit->devices, node) {
		if (!other->pasid_on || !other->pdev->is_virtfn ||
		    pci_physfn(other->pdev) != device->pdev)
			continue;
		if (other->claimed)
			vtdp_device_stop_rid(device->unit, other->rid);
		pci_warn(other->pdev, "its physical function was detached: it has no PASIDs any more\n");
		device_end_bindings(other);
		vtdp_ats_stop(other);
		other->pasid_on = false;
	}
}

static void device_disable_pasid(struct vtdp_device *device)
{
	struct pci_dev *pdev = device->pdev;

	if (device->pasid_on && !device->gone && !pdev->is_virtfn) {
		device_stop_virtual(device);
		/* The PCI core may not know, since vtdp_device_suspend(). */
		pdev->pasid_enabled = 1;
		pci_disable_pasid(pdev);
	}
	device->pasid_on = false;
}

static void device_pci_stop(struct vtdp_device *device)
{
	device_disable_pasid(device);
	if (device->acs)
		vtdp_acs_put(device->pdev);
}

static void device_free(struct vtdp_device *device)
{
	vtdp_table_exit(&device->table);
	pm_runtime_put(&device->pdev->dev);
	pci_dev_put(device->pdev);
	kfree(device);
}

/*
 * All but the reset, which may take long and needs no more than device_lock.
 * The function keeps its bus address until its context entry is gone, so stop
 * it first: it was given virtual addresses, and must not have them read as
 * physical ones.
 */
static int device_take_down(struct vtdp_device *device)
{
	int err, err2;

	lockdep_assert_held(&vtdp_lock);
	if (device->claimed && !device->gone)
		pci_clear_master(device->pdev);
	err = device_end_bindings(device);
	vtdp_ats_stop(device);
	err = vtdp_prq_drain_device(device) ?: err;
	err2 = vtdp_ctx_detach(device);
	device_unlink(device);
	device_pci_stop(device);
	xa_erase(&device->client->devices, device->id);
	return err ?: err2;
}

static int device_detach_locked(struct vtdp_device *device)
{
	int err = device_take_down(device);

	vtdp_event_device(device, VTDPASID_EVENT_DETACH);
	trace_vtdp_detach(device);
	device_free(device);
	return err;
}

static struct vtdp_device *device_alloc(struct vtdp_client *client,
					struct vtdp_unit *unit,
					struct pci_dev *pdev)
{
	struct vtdp_device *device;
	int err;

	device = kzalloc(sizeof(*device), GFP_KERNEL_ACCOUNT);
	if (!device)
		return ERR_PTR(-ENOMEM);
	device->unit = unit;
	device->client = client;
	device->rid = pci_dev_id(pdev);
	/* 6.5.2.5: reserved where the unit does not throttle invalidations */
	if (unit->ecap & VTD_ECAP_DIT)
		device->pfsid = pci_dev_id(pci_physfn(pdev));
	device->claimed = vtdp_owner_claimed(pdev);
	INIT_LIST_HEAD(&device->bindings);
	hash_init(device->by_pasid);

	err = vtdp_table_init(&device->table, unit, device_pool(unit));
	if (err) {
		kfree(device);
		return ERR_PTR(err);
	}
	device->pdev = pci_dev_get(pdev);
	/* Asleep it would not answer invalidations. It is awake: attach. */
	pm_runtime_get_noresume(&pdev->dev);
	return device;
}

/* What an attach wants, as the checks name it. */
static u32 device_acts(u32 flags)
{
	u32 acts = VTDPASID_REFUSES_ATTACH;

	if (flags & VTDPASID_ATTACH_ATS)
		acts |= VTDPASID_REFUSES_ATS;
	if (flags & VTDPASID_ATTACH_PRI)
		acts |= VTDPASID_REFUSES_PRI;
	return acts;
}

static int device_check(const struct vtdp_subject *subject,
			struct vtdpasid_attach *arg)
{
	int err;

	if (!device_is_registered(&subject->pdev->dev) ||
	    !pci_device_is_present(subject->pdev))
		return -ENODEV;
	err = vtdp_check(subject, device_acts(arg->flags), &arg->out_check);
	if (!err && vtdp_check_unsafe_interrupts())
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	return err;
}

static int device_attach_locked(struct vtdp_client *client, struct pci_dev *pdev,
				struct vtdpasid_attach *arg)
{
	const struct vtdp_subject subject = { vtdp_unit_of(pdev), pdev };
	struct vtdp_unit *unit = subject.unit;
	u32 lacking = VTDPASID_CHECK_NONE;
	struct vtdp_device *device;
	int err;

	err = device_check(&subject, arg);
	if (err)
		return err;

	err = vtdp_ctx_prepare(unit, pdev->bus->number);
	if (err)
		return err;
	device = device_alloc(client, unit, pdev);
	if (IS_ERR(device))
		return PTR_ERR(device);
	err = xa_alloc(&client->devices, &device->id, device, xa_limit_31b,
		       GFP_KERNEL_ACCOUNT);
	if (err)
		goto free;
	err = device_pci_start(device, &lacking);
	if (err)
		goto erase;

	vtdp_ats_prepare(device, arg->flags);
	vtdp_bind_entry0(device);
	err = device_link(device);
	if (err)
		goto stop;
	err = vtdp_ctx_attach(device);
	if (!err)
		err = vtdp_ats_start(device, &arg->out_check);
	if (err) {
		device_take_down(device);
		device_free(device);
		return err;
	}
	if (device->claimed)
		device_set_master(device);
	vtdp_event_device(device, VTDPASID_EVENT_ATTACH);
	trace_vtdp_attach(device);

	arg->out_device = device->id;
	arg->out_unit = unit->index;
	arg->out_pasid_max = device->pasid_max;
	arg->out_state = vtdp_device_state(device);
	arg->out_check = lacking;
	return 0;

stop:
	device_pci_stop(device);
erase:
	xa_erase(&client->devices, device->id);
free:
	device_free(device);
	return err;
}

/**
 * vtdp_device_attach() - VTDPASID_ATTACH
 * @client: file
 * @arg: checked
 *
 * Context: may sleep; takes the function's device_lock and vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_device_attach(struct vtdp_client *client, struct vtdpasid_attach *arg)
{
	struct pci_dev *pdev;
	int err;

	pdev = pci_get_domain_bus_and_slot(arg->segment, PCI_BUS_NUM(arg->rid),
					   arg->rid & 0xff);
	if (!pdev)
		return -ENODEV;
	/* Registers of a function that sleeps read as all ones. */
	pm_runtime_get_sync(&pdev->dev);
	/* The driver must not change between the checks and the context entry. */
	err = device_lock_interruptible(&pdev->dev);
	if (err)
		goto put;
	err = mutex_lock_interruptible(&vtdp_lock);
	if (!err) {
		err = device_attach_locked(client, pdev, arg);
		mutex_unlock(&vtdp_lock);
	}
	device_unlock(&pdev->dev);
put:
	pm_runtime_put(&pdev->dev);
	pci_dev_put(pdev);
	return err;
}

/* ---- detach -------------------------------------------------------------- */

static void device_reset(struct pci_dev *pdev, bool claimed)
{
	device_lock_assert(&pdev->dev);
	/* Functions without a reset keep what they know, but cannot use it. */
	if (claimed && device_is_registered(&pdev->dev))
		pci_reset_function_locked(pdev);
}

/* Detach the device that @id names, or the first of the client with id 0. */
static int device_detach_one(struct vtdp_client *client, u32 id)
{
	struct vtdp_device *device;
	struct pci_dev *pdev;
	unsigned long index = id;
	bool claimed = false;
	int err = 0;

	mutex_lock(&vtdp_lock);
	device = id ? xa_load(&client->devices, id) :
		      xa_find(&client->devices, &index, ULONG_MAX, XA_PRESENT);
	pdev = device ? pci_dev_get(device->pdev) : NULL;
	mutex_unlock(&vtdp_lock);
	if (!pdev)
		return -ENOENT;

	/* device_lock comes before vtdp_lock, so look again under both. */
	device_lock(&pdev->dev);
	mutex_lock(&vtdp_lock);
	device = xa_load(&client->devices, index);
	if (device && device->pdev == pdev) {
		claimed = device->claimed;
		err = device_detach_locked(device);
	} else if (id) {
		err = -ENOENT;
	}
	mutex_unlock(&vtdp_lock);
	device_reset(pdev, claimed);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return err;
}

/**
 * vtdp_device_detach_id() - VTDPASID_DETACH
 * @client: file
 * @id: of the device
 *
 * Context: may sleep; takes the function's device_lock and vtdp_lock.
 * Return: 0, or as documented for the ioctl.
 */
int vtdp_device_detach_id(struct vtdp_client *client, u32 id)
{
	return id ? device_detach_one(client, id) : -ENOENT;
}

/* Detach all that a client has, when it is closed. */
void vtdp_device_detach_all(struct vtdp_client *client)
{
	while (device_detach_one(client, 0) != -ENOENT)
		;
}

/**
 * vtdp_device_lost() - a function is removed, or its driver unbound
 * @unit: its unit
 * @pdev: the function; nothing is done if it is not attached
 *
 * Context: may sleep; under vtdp_lock, and device_lock when the driver goes.
 */
void vtdp_device_lost(struct vtdp_unit *unit, struct pci_dev *pdev)
{
	struct vtdp_device *device = vtdp_device_by_rid(unit, pci_dev_id(pdev));

	if (!device || device->pdev != pdev)
		return;
	vtdp_event_device(device, VTDPASID_EVENT_DEVICE_GONE);
	device->gone = !pci_device_is_present(pdev);
	/* Nothing is owed to its device TLB, and nobody there to answer. */
	if (device->gone)
		WRITE_ONCE(device->ats_on, false);
	device_detach_locked(device);
}

/* ---- suspend and reboot --------------------------------------------------- */

/**
 * vtdp_device_shutdown() - the machine goes down; no more DMA by PASIDs
 * @device: attached
 *
 * A function that a kernel driver drives keeps its plain DMA: its driver has
 * its own shutdown still to come.
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_device_shutdown(struct vtdp_device *device)
{
	lockdep_assert_held(&vtdp_lock);
	if (device->claimed)
		pci_clear_master(device->pdev);
	/* While ATS is on, a page that goes must be invalidated there, too. */
	device_end_bindings(device);
	vtdp_ats_stop(device);
	device_disable_pasid(device);
}

/**
 * vtdp_device_suspend() - the machine goes to sleep
 * @device: attached
 *
 * It may forget the access control of ports, and the PCI core would switch
 * PASIDs on again before it is back: leave that to vtdp_device_resume(). But a
 * kernel driver may use what it had before that is called; so where there is
 * nothing of ours on the way up, the core may do it.
 *
 * Context: atomic; under vtdp_lock.
 */
void vtdp_device_suspend(struct vtdp_device *device)
{
	lockdep_assert_held(&vtdp_lock);
	if (!device->claimed && !vtdp_acs_changed(device->pdev))
		return;
	if (device->pasid_on)
		device->pdev->pasid_enabled = 0;
	vtdp_ats_suspend(device);
}

/* PASIDs and ATS as before the suspend, and access control as before, first. */
static bool device_restore(struct vtdp_device *device)
{
	struct pci_dev *pdev = device->pdev, *pf = pci_physfn(pdev);

	if (device->acs && !vtdp_acs_restore(pdev)) {
		pci_err(pdev, "a port above it lost its access control services in suspend\n");
		return false;
	}
	if (device->pasid_on && !pf->pasid_enabled) {
		/* The kernel asks for its access control, too. */
		vtdp_acs_restore(pf);
		pci_enable_pasid(pf, 0);
	}
	if (device->pasid_on &&
	    !vtdp_ats_is_on(pf, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL,
			    PCI_PASID_CTRL_ENABLE)) {
		pci_err(pdev, "it lost its PASID capability in suspend\n");
		return false;
	}
	if (!vtdp_ats_resume(device)) {
		pci_err(pdev, "it lost ATS or page requests in suspend\n");
		return false;
	}
	return true;
}

/**
 * vtdp_device_resume() - the machine is awake: an attached function may go on
 * @device: attached
 *
 * A claimed function had no bus mastering until now. One that is no longer what
 * ATTACH found is reported and does not get it back; when a kernel driver
 * drives it, it is detached.
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_device_resume(struct vtdp_device *device)
{
	lockdep_assert_held(&vtdp_lock);
	if (READ_ONCE(device->stopped))
		return;
	if (device_restore(device)) {
		if (device->claimed)
			device_set_master(device);
	} else if (device->claimed) {
		vtdp_device_stop_rid(device->unit, device->rid);
	} else {
		vtdp_event_device(device, VTDPASID_EVENT_DEVICE_GONE);
		device_detach_locked(device);
	}
}
