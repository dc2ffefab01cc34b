// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d units: finding them, which functions each covers, takeover, handback,
 * and what happens when one breaks.
 */
#include <linux/acpi.h>
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/slab.h>

#include "trace.h"
#include "vtdpasid.h"

#define UNIT_TIMEOUT_US		500000

LIST_HEAD(vtdp_units);
unsigned int vtdp_nr_units;

static LIST_HEAD(dmar_list);	/* struct vtdp_dmar */

struct vtdp_unit *vtdp_unit_by_index(unsigned int index)
{
	struct vtdp_unit *unit;

	list_for_each_entry(unit, &vtdp_units, node)
		if (unit->index == index)
			return unit;
	return NULL;
}

/*
 * Does a scope's path lead to the function? From there back to where it begins,
 * for that needs no search; bridges are where they are now, buses may have been
 * renumbered.
 */
static bool scope_names(const struct vtdp_scope *scope, struct pci_dev *pdev)
{
	unsigned int i;

	for (i = scope->depth; i; i--) {
		if (!pdev || pdev->devfn != scope->path[i - 1])
			return false;
		if (i == 1)
			return pdev->bus->number == scope->bus;
		/* Of a virtual function's own bus it is NULL: no path leads there. */
		pdev = pdev->bus->self;
	}
	return false;
}

/* Does the scope name the function, or a bridge above it (8.3.1)? */
static bool scope_covers(const struct vtdp_scope *scope, struct pci_dev *pdev)
{
	if (scope->type == ACPI_DMAR_SCOPE_TYPE_ENDPOINT)
		return scope_names(scope, pdev);
	if (scope->type != ACPI_DMAR_SCOPE_TYPE_BRIDGE)
		return false;
	while (pdev && !scope_names(scope, pdev))
		pdev = pci_upstream_bridge(pdev);
	return pdev;
}

static bool dmar_covers(const struct vtdp_dmar *dmar, struct pci_dev *pdev)
{
	unsigned int i;

	if (dmar->segment != pci_domain_nr(pdev->bus))
		return false;
	for (i = 0; i < dmar->scopes; i++)
		if (scope_covers(&dmar->scope[i], pdev))
			return true;
	return false;
}

/**
 * vtdp_unit_of() - the unit that translates a function's requests
 * @pdev: the function; virtual functions go where their physical one goes
 *
 * Context: may sleep.
 * Return: the unit, or NULL.
 */
struct vtdp_unit *vtdp_unit_of(struct pci_dev *pdev)
{
	struct vtdp_unit *unit, *rest = NULL;

	pdev = pci_physfn(pdev);
	list_for_each_entry(unit, &vtdp_units, node) {
		if (dmar_covers(unit->drhd, pdev))
			return unit;
		/* 8.3: the unit that takes what no scope of its segment names */
		if (unit->drhd->flags & ACPI_DMAR_INCLUDE_ALL &&
		    unit->drhd->segment == pci_domain_nr(pdev->bus))
			rest = unit;
	}
	return rest;
}

/* Does the unit's scope name that requester id, of an ACPI device (8.3.1)? */
static bool unit_names_rid(const struct vtdp_unit *unit, u16 rid)
{
	const struct vtdp_dmar *drhd = unit->drhd;
	unsigned int i;

	for (i = 0; i < drhd->scopes; i++)
		if (drhd->scope[i].type == ACPI_DMAR_SCOPE_TYPE_NAMESPACE &&
		    drhd->scope[i].depth == 1 &&
		    PCI_DEVID(drhd->scope[i].bus, drhd->scope[i].path[0]) == rid)
			return true;
	return false;
}

/* The next structure of a type that covers a function, after @from or NULL. */
static const struct vtdp_dmar *dmar_next(const struct vtdp_dmar *from, u16 type,
					 struct pci_dev *pdev)
{
	const struct vtdp_dmar *dmar =
		from ?: list_entry(&dmar_list, struct vtdp_dmar, node);

	list_for_each_entry_continue(dmar, &dmar_list, node)
		if (dmar->type == type && dmar_covers(dmar, pdev))
			return dmar;
	return NULL;
}

/**
 * vtdp_unit_firmware_uses() - does firmware do DMA with a requester id?
 * @unit: its unit
 * @pdev: the function with that requester id, or NULL
 * @rid: requester id
 *
 * Functions that a reserved memory region names (RMRR, 8.4), and devices of the
 * ACPI name space, which have a requester id but are no PCI functions (8.3.1).
 *
 * Context: may sleep.
 */
bool vtdp_unit_firmware_uses(struct vtdp_unit *unit, struct pci_dev *pdev,
			     u16 rid)
{
	return unit_names_rid(unit, rid) ||
	       (pdev && dmar_next(NULL, ACPI_DMAR_TYPE_RESERVED_MEMORY, pdev));
}

/**
 * vtdp_unit_firmware_needs() - would firmware miss that DMA?
 * @unit: its unit
 * @pdev: the function with that requester id
 * @rid: requester id
 *
 * Regions of USB controllers and graphics serve the time before there is a
 * driver, and may be taken away with the function, as VFIO does too.
 *
 * Context: may sleep.
 */
bool vtdp_unit_firmware_needs(struct vtdp_unit *unit, struct pci_dev *pdev,
			      u16 rid)
{
	if (pdev->class >> 8 == PCI_CLASS_SERIAL_USB ||
	    pdev->class >> 16 == PCI_BASE_CLASS_DISPLAY)
		return unit_names_rid(unit, rid);
	return vtdp_unit_firmware_uses(unit, pdev, rid);
}

/**
 * vtdp_unit_allows_ats() - may a function use ATS, for all that firmware says?
 * @pdev: the function
 *
 * Functions below a root port that a structure for root ports (ATSR, 8.5) names,
 * and those that are integrated into the root complex.
 *
 * Context: may sleep.
 */
bool vtdp_unit_allows_ats(struct pci_dev *pdev)
{
	const struct vtdp_dmar *dmar;

	pdev = pci_physfn(pdev);
	if (!pci_upstream_bridge(pdev))
		return true;
	list_for_each_entry(dmar, &dmar_list, node)
		if (dmar->type == ACPI_DMAR_TYPE_ROOT_ATS &&
		    dmar->flags & ACPI_DMAR_ALLOW_ALL &&
		    dmar->segment == pci_domain_nr(pdev->bus))
			return true;
	return dmar_next(NULL, ACPI_DMAR_TYPE_ROOT_ATS, pdev);
}

/**
 * vtdp_unit_wants_ats() - does a function not work without ATS?
 * @pdev: the function
 *
 * So says firmware of some that are integrated into the root complex (SATC, 8.8).
 *
 * Context: may sleep.
 */
bool vtdp_unit_wants_ats(struct pci_dev *pdev)
{
	const struct vtdp_dmar *dmar = NULL;

	pdev = pci_physfn(pdev);
	while ((dmar = dmar_next(dmar, ACPI_DMAR_TYPE_SATC, pdev)))
		if (dmar->flags & VTD_SATC_REQUIRED)
			return true;
	return false;
}

/* The highest PASID that all units which are taken over support. */
u32 vtdp_pasid_limit(void)
{
	struct vtdp_unit *unit;
	unsigned int bits = 20;

	lockdep_assert_held(&vtdp_lock);
	list_for_each_entry(unit, &vtdp_units, node)
		if (unit->state != VTDPASID_UNIT_IDLE)
			bits = min_t(unsigned int, bits,
				     FIELD_GET(VTD_ECAP_PSS, unit->ecap) + 1);
	return (1u << bits) - 1;
}

/* The lowest PASID: leaf 0 is never shared, so shared layouts begin above. */
u32 vtdp_pasid_first(void)
{
	return vtdp_table_layout == VTDPASID_TABLE_DEVICE ? 1 : VTD_LEAF_PASIDS;
}

/* ---- registers ----------------------------------------------------------- */

/**
 * vtdp_unit_command() - switch something by the global command register
 * @unit: the unit
 * @bit: VTD_GCMD_*, whose status has the same place in GSTS
 * @on: on, or off
 *
 * One command at a time, and all others as they are (11.4.4.1).
 *
 * Context: under vtdp_lock. Busy-waits, bounded.
 * Return: 0 or -ETIMEDOUT.
 */
int vtdp_unit_command(struct vtdp_unit *unit, u32 bit, bool on)
{
	u32 keep = vtdp_read32(unit, VTD_GSTS) & VTD_GSTS_PERSISTENT;
	u32 gsts;

	lockdep_assert_held(&vtdp_lock);
	vtdp_write32(unit, VTD_GCMD, on ? keep | bit : keep & ~bit);
	/* All ones: nothing answers there. */
	return readl_poll_timeout_atomic(unit->regs + VTD_GSTS, gsts,
					 gsts != U32_MAX && !(gsts & bit) == !on,
					 10, UNIT_TIMEOUT_US);
}

/* 11.4.8: protected regions would stop DMA that our tables allow. */
static int unit_protected_memory(struct vtdp_unit *unit, bool on)
{
	u32 pmen;

	if (!(unit->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)))
		return 0;
	pmen = vtdp_read32(unit, VTD_PMEN);
	vtdp_write32(unit, VTD_PMEN,
		     on ? pmen | VTD_PMEN_EPM : pmen & ~VTD_PMEN_EPM);
	return readl_poll_timeout_atomic(unit->regs + VTD_PMEN, pmen,
					 !(pmen & VTD_PMEN_PRS) == !on, 10,
					 UNIT_TIMEOUT_US);
}

static int unit_invalidate_all(struct vtdp_unit *unit)
{
	struct vtdp_batch batch;
	int err;

	err = vtdp_qi_start(unit, &batch, 3);
	if (err)
		return err;
	vtdp_qi_everything(&batch);
	return vtdp_qi_finish(&batch);
}

/* ---- takeover and handback ----------------------------------------------- */

/* Save or restore the event registers: control last, since it unmasks. */
static void unit_copy_events(struct vtdp_unit *unit, u32 (*events)[4],
			     bool restore)
{
	static const unsigned int base[] = { VTD_FECTL, VTD_PECTL };
	unsigned int i;
	int reg;

	for (i = 0; i < ARRAY_SIZE(base); i++) {
		/* 11.4.3: these exist with page requests only */
		if (base[i] == VTD_PECTL && !(unit->ecap & VTD_ECAP_PRS))
			continue;
		for (reg = 3; reg >= 0; reg--) {
			u32 *saved = &events[i][reg];

			if (restore)
				vtdp_write32(unit, base[i] + 4 * reg, *saved);
			else
				*saved = vtdp_read32(unit, base[i] + 4 * reg);
		}
	}
}

static void unit_save(struct vtdp_unit *unit)
{
	unit->saved_pmen = vtdp_read32(unit, VTD_PMEN);
	unit->saved_rtaddr = vtdp_read64(unit, VTD_RTADDR);
	unit->saved_iqa = vtdp_read64(unit, VTD_IQA);
	unit_copy_events(unit, unit->saved_event, false);
}

/* Hardware is off for certain, so nothing need be left to it. */
static void unit_free(struct vtdp_unit *unit)
{
	WRITE_ONCE(unit->state, VTDPASID_UNIT_IDLE);
	vtdp_prq_free(unit);
	vtdp_qi_exit(unit);
	vtdp_ctx_exit(unit);
}

/* Translation off, then the queue. */
static int unit_switch_off(struct vtdp_unit *unit)
{
	int err = vtdp_unit_command(unit, VTD_GCMD_TE, false);

	/* A command to switch on that came to nothing may still come. */
	if (!err && unit->late)
		err = -ETIMEDOUT;
	if (err || !unit->qi.on)
		return err;
	/* Whoever uses the unit next finds no leftovers of our tables. */
	unit_invalidate_all(unit);
	return vtdp_qi_disable(unit);
}

static void unit_restore(struct vtdp_unit *unit)
{
	vtdp_write64(unit, VTD_RTADDR, unit->saved_rtaddr);
	/* 11.4.9.3: not while the queue may be on */
	if (!unit->qi.lent)
		vtdp_write64(unit, VTD_IQA, unit->saved_iqa);
	unit_copy_events(unit, unit->saved_event, true);
	if (unit->saved_pmen & VTD_PMEN_EPM)
		unit_protected_memory(unit, true);
}

/*
 * Back to what was found, from whatever state. What hardware may still read
 * because it could not be switched off stays in memory.
 */
static int unit_quiesce(struct vtdp_unit *unit)
{
	int err;

	vtdp_prq_stop(unit);
	vtdp_fault_stop(unit);
	err = unit_switch_off(unit);
	if (err) {
		vtdp_unit_break(unit, "does not switch off; its tables stay in memory");
		return err;
	}
	unit_restore(unit);
	unit_free(unit);
	return 0;
}

/* All but translation: queue and root table. */
static int unit_program(struct vtdp_unit *unit)
{
	int err;

	err = unit_protected_memory(unit, false);
	if (!err)
		err = vtdp_qi_enable(unit);
	if (err)
		return err;
	vtdp_write64(unit, VTD_RTADDR, virt_to_phys(unit->root) |
		     VTD_RTADDR_TTM_SCALABLE);
	err = vtdp_unit_command(unit, VTD_GCMD_SRTP, true);
	if (err)
		return err;
	/* With ESRTPS the command itself invalidates (11.4.4.1, 6.6). */
	return unit->cap & VTD_CAP_ESRTPS ? 0 : unit_invalidate_all(unit);
}

static int unit_start(struct vtdp_unit *unit)
{
	int err;

	err = unit_program(unit);
	if (err)
		return err;
	vtdp_fault_start(unit);
	err = vtdp_prq_start(unit);
	if (err)
		return err;
	err = vtdp_unit_command(unit, VTD_GCMD_TE, true);
	unit->late = err;
	return err;
}

/**
 * vtdp_unit_takeover() - switch a unit's translation on, with our tables
 * @unit: the unit
 * @check: set to the enum vtdpasid_check of what was missing
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, or as documented for VTDPASID_TAKEOVER.
 */
int vtdp_unit_takeover(struct vtdp_unit *unit, u32 *check)
{
	const struct vtdp_subject subject = { .unit = unit };
	int err;

	lockdep_assert_held(&vtdp_lock);
	*check = VTDPASID_CHECK_NONE;
	if (unit->state == VTDPASID_UNIT_TAKEN)
		return -EALREADY;
	err = vtdp_check(&subject, VTDPASID_REFUSES_TAKEOVER, check);
	if (err)
		return err;

	err = vtdp_ctx_init(unit);
	if (err)
		return err;
	err = vtdp_qi_init(unit);
	if (!err)
		err = vtdp_owner_apply(unit);
	if (err) {
		unit_free(unit);
		return err;
	}

	unit_save(unit);
	WRITE_ONCE(unit->state, VTDPASID_UNIT_TAKEN);
	atomic64_set(&unit->faults, 0);
	err = unit_start(unit);
	if (err) {
		if (err != -ENOMEM) {
			*check = VTDPASID_CHECK_REGISTER;
			err = -ETIMEDOUT;
			vtdp_check_register(unit);
		}
		if (unit_quiesce(unit))
			err = -EIO;
		return err;
	}
	pr_info("unit %u taken over: CAP %016llx ECAP %016llx\n", unit->index,
		unit->cap, unit->ecap);
	vtdp_event_unit(unit, VTDPASID_EVENT_TAKEOVER);
	trace_vtdp_takeover(unit);
	return 0;
}

/**
 * vtdp_unit_handback() - switch a unit off and leave it as it was found
 * @unit: the unit
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, or as documented for VTDPASID_HANDBACK.
 */
int vtdp_unit_handback(struct vtdp_unit *unit)
{
	int err;

	lockdep_assert_held(&vtdp_lock);
	if (unit->state == VTDPASID_UNIT_IDLE)
		return -ENOTCONN;
	if (unit->nr_devices)
		return -EBUSY;
	err = unit_quiesce(unit);
	if (err)
		return err;
	pr_info("unit %u handed back\n", unit->index);
	vtdp_event_unit(unit, VTDPASID_EVENT_HANDBACK);
	trace_vtdp_handback(unit);
	return 0;
}

/**
 * vtdp_unit_suspend() - switch a unit off for a while
 * @unit: unit that is taken over
 *
 * Context: atomic, one CPU, interrupts off; under vtdp_lock.
 * Return: 0; -EBUSY; -ETIMEDOUT when it does not switch off.
 */
int vtdp_unit_suspend(struct vtdp_unit *unit)
{
	struct vtdp_device *device;
	int err;

	lockdep_assert_held(&vtdp_lock);
	/*
	 * Held over the suspend, for the queue's pointers begin anew. Only a
	 * reader that was interrupted has it: nobody sends requests any more.
	 */
	if (!mutex_trylock(&unit->prq_lock))
		return -EBUSY;
	/* Nor can a kernel thread that is preempted here go on and wait. */
	if (!vtdp_qi_idle(unit)) {
		mutex_unlock(&unit->prq_lock);
		return -EBUSY;
	}
	list_for_each_entry(device, &unit->devices, node)
		vtdp_device_suspend(device);
	unit_copy_events(unit, unit->suspend_event, false);
	err = unit_switch_off(unit);
	/* The system stays up: translate again, or be broken, but not half off. */
	if (err)
		vtdp_unit_resume(unit);
	return err;
}

/**
 * vtdp_unit_resume() - switch a unit on again, from the tables in memory
 * @unit: unit of vtdp_unit_suspend(), which may have lost its registers
 *
 * Context: atomic, one CPU, interrupts off; under vtdp_lock.
 */
void vtdp_unit_resume(struct vtdp_unit *unit)
{
	int err;

	lockdep_assert_held(&vtdp_lock);
	err = unit_program(unit);
	if (!err) {
		vtdp_fault_clear(unit);
		vtdp_prq_program(unit);
		unit_copy_events(unit, unit->suspend_event, true);
		err = vtdp_unit_command(unit, VTD_GCMD_TE, true);
	}
	if (err)
		vtdp_unit_break(unit, "did not come back from suspend");
	mutex_unlock(&unit->prq_lock);
}

/**
 * vtdp_unit_shutdown() - leave a unit for the next kernel
 * @unit: unit that is taken over
 *
 * Attached functions stay attached, for nobody to use any more; their tables
 * stay in memory.
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_unit_shutdown(struct vtdp_unit *unit)
{
	struct vtdp_device *device;

	lockdep_assert_held(&vtdp_lock);
	list_for_each_entry(device, &unit->devices, node)
		vtdp_device_shutdown(device);
	vtdp_prq_stop(unit);
	vtdp_fault_stop(unit);
	if (unit_switch_off(unit))
		pr_err("unit %u does not switch off: the next kernel will find it on\n",
		       unit->index);
	else
		unit_restore(unit);
	WRITE_ONCE(unit->state, VTDPASID_UNIT_BROKEN);
}

/**
 * vtdp_unit_break() - declare a unit broken and cut its functions off
 * @unit: the unit
 * @why: for the log
 *
 * Attached functions can do no more DMA when this returns. Functions that pass
 * through go on.
 *
 * Context: atomic; no lock from devices_lock down held.
 */
void vtdp_unit_break(struct vtdp_unit *unit, const char *why)
{
	struct vtdp_device *device;

	spin_lock(&unit->devices_lock);
	/* First: whoever sees the state goes on without an invalidation. */
	list_for_each_entry(device, &unit->devices, node)
		vtdp_device_stop(device);
	if (unit->state != VTDPASID_UNIT_BROKEN) {
		WRITE_ONCE(unit->state, VTDPASID_UNIT_BROKEN);
		pr_err("unit %u is broken: it %s. Its %u attached functions are cut off; reboot\n",
		       unit->index, why, unit->nr_devices);
		list_for_each_entry(device, &unit->devices, node)
			vtdp_event_device(device, VTDPASID_EVENT_UNIT_BROKEN);
		if (list_empty(&unit->devices))
			vtdp_event_unit(unit, VTDPASID_EVENT_UNIT_BROKEN);
	}
	spin_unlock(&unit->devices_lock);
}

/* ---- load and unload ----------------------------------------------------- */

/* The registers' size follows from where the outermost ones are (11.4). */
static void __iomem *unit_map(u64 base, u64 *cap, u64 *ecap)
{
	void __iomem *regs = ioremap(base, PAGE_SIZE);
	u64 faults, iotlb;

	if (!regs)
		return NULL;
	*cap = readq(regs + VTD_CAP);
	*ecap = readq(regs + VTD_ECAP);
	faults = FIELD_GET(VTD_CAP_FRO, *cap) * 16 +
		 (FIELD_GET(VTD_CAP_NFR, *cap) + 1) * VTD_FRCD_SIZE;
	iotlb = FIELD_GET(VTD_ECAP_IRO, *ecap) * 16 + 16;
	if (max(faults, iotlb) <= PAGE_SIZE)
		return regs;
	iounmap(regs);
	return ioremap(base, PAGE_ALIGN(max(faults, iotlb)));
}

static int unit_add(const struct vtdp_dmar *drhd)
{
	struct vtdp_unit *unit;

	if (vtdp_nr_units == VTDP_MAX_UNITS) {
		pr_warn("more than %u units: the rest is left alone\n",
			VTDP_MAX_UNITS);
		return 0;
	}
	unit = kzalloc(sizeof(*unit), GFP_KERNEL);
	if (!unit)
		return -ENOMEM;
	unit->regs = unit_map(drhd->base, &unit->cap, &unit->ecap);
	if (!unit->regs) {
		kfree(unit);
		return -ENOMEM;
	}
	if (unit->cap == U64_MAX && unit->ecap == U64_MAX) {
		pr_warn("no unit answers at %#llx, where the DMAR table has one\n",
			drhd->base);
		iounmap(unit->regs);
		kfree(unit);
		return 0;
	}

	unit->index = vtdp_nr_units++;
	unit->drhd = drhd;
	spin_lock_init(&unit->qi.lock);
	spin_lock_init(&unit->devices_lock);
	INIT_LIST_HEAD(&unit->devices);
	vtdp_pool_init(&unit->pool);
	ida_init(&unit->dids);
	vtdp_fault_init(unit);
	vtdp_prq_unit_init(unit);
	list_add_tail(&unit->node, &vtdp_units);
	return 0;
}

static int dmar_load(void)
{
	struct acpi_table_header *table;
	acpi_status status;
	int err;

	status = acpi_get_table(ACPI_SIG_DMAR, 0, &table);
	if (ACPI_FAILURE(status)) {
		pr_info("no DMAR table: this machine has no VT-d, or its firmware hides it\n");
		return 0;
	}
	err = vtdp_dmar_parse(table, table->length, &dmar_list);
	acpi_put_table(table);
	if (err != -EINVAL)
		return err;
	/* What it says of one unit may be said in the part that is not read. */
	vtdp_dmar_free(&dmar_list);
	pr_err("the DMAR table is damaged: no unit is used\n");
	return 0;
}

/**
 * vtdp_units_init() - find the units and map their registers
 *
 * Nothing is written to hardware. A machine without units is no error: the
 * preflight is for it, too.
 *
 * Context: may sleep; at load.
 * Return: 0 or -ENOMEM.
 */
int vtdp_units_init(void)
{
	struct vtdp_dmar *dmar;
	int err;

	err = dmar_load();
	/* Netlink may look already. */
	mutex_lock(&vtdp_lock);
	list_for_each_entry(dmar, &dmar_list, node)
		if (!err && dmar->type == ACPI_DMAR_TYPE_HARDWARE_UNIT)
			err = unit_add(dmar);
	mutex_unlock(&vtdp_lock);
	if (err)
		vtdp_units_exit();
	return err;
}

/* Hand everything back, at unload; what cannot be handed back leaks. */
void vtdp_units_exit(void)
{
	struct vtdp_unit *unit, *next;

	mutex_lock(&vtdp_lock);
	list_for_each_entry_safe(unit, next, &vtdp_units, node) {
		if (unit->state != VTDPASID_UNIT_IDLE)
			vtdp_unit_handback(unit);
		/* Of a broken one only the pages stay that it may read. */
		if (unit->pass)
			vtdp_table_exit(unit->pass);
		kfree(unit->pass);
		list_del(&unit->node);
		vtdp_nr_units--;
		iounmap(unit->regs);
		ida_destroy(&unit->dids);
		kfree(unit);
	}
	mutex_unlock(&vtdp_lock);
	vtdp_dmar_free(&dmar_list);
}
