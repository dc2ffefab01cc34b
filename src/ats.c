// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address translation service and page requests of a function (PCIe 10.4).
 *
 * ATS means trust: a function with ATS on may send addresses as translated
 * already, and those nothing checks any more. So both are on only if the attach
 * asked for them.
 *
 * Order: PASID, page requests, ATS; and back in reverse.
 */
#include <linux/pci.h>
#include <linux/pci-ats.h>

#include "vtdpasid.h"

/* Requests that a function may have outstanding; one ring holds them all. */
#define ATS_MAX_REQUESTS	VTDP_PRQ_RING

static void pri_reset(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_PRI);

	pci_write_config_word(pdev, pos + PCI_PRI_CTRL, PCI_PRI_CTRL_RESET);
}

static void pri_enable(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_PRI);
	u32 max;

	pci_read_config_dword(pdev, pos + PCI_PRI_MAX_REQ, &max);
	/* What the PCI core needs to know to restore it after a suspend. */
	pdev->pri_reqs_alloc = min_t(u32, max, ATS_MAX_REQUESTS);
	pdev->pri_enabled = 1;
	pci_write_config_dword(pdev, pos + PCI_PRI_ALLOC_REQ,
			       pdev->pri_reqs_alloc);
	pci_write_config_word(pdev, pos + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
}

static void pri_disable(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_PRI);

	pci_write_config_word(pdev, pos + PCI_PRI_CTRL, 0);
	pdev->pri_enabled = 0;
}

/* What PCI_ATS_CAP says; 0 stands for 32 there and in descriptors. */
static u8 ats_queue_depth(struct pci_dev *pdev)
{
	u16 cap;

	pdev = pci_physfn(pdev);
	pci_read_config_word(pdev, pdev->ats_cap + PCI_ATS_CAP, &cap);
	return PCI_ATS_CAP_QDEP(cap);
}

/**
 * vtdp_ats_prepare() - ready ourselves for a function with ATS
 * @device: not linked to its unit yet
 * @flags: VTDPASID_ATTACH_*, which vtdp_check() accepted
 *
 * The context entry will allow ATS (DTE) and page requests (PRE).
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_ats_prepare(struct vtdp_device *device, u32 flags)
{
	if (!(flags & VTDPASID_ATTACH_ATS))
		return;
	device->ats_on = true;
	device->ats_qdep = ats_queue_depth(device->pdev);
	device->pri_on = flags & VTDPASID_ATTACH_PRI;
}

/* Not for one that was cut off meanwhile; see vtdp_ats_cut(). */
static int ats_enable(struct vtdp_device *device)
{
	struct vtdp_unit *unit = device->unit;
	int err;

	spin_lock(&unit->devices_lock);
	err = device->stopped ? -EIO : pci_enable_ats(device->pdev, PAGE_SHIFT);
	if (!err)
		device->ats_pci = true;
	spin_unlock(&unit->devices_lock);
	return err;
}

/**
 * vtdp_ats_start() - switch on, in the function
 * @device: with its context entry set
 * @check: set to the enum vtdpasid_check that refuses it, if one does
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0; -EIO when it was cut off; or an error of PCI. Nothing is on then.
 */
int vtdp_ats_start(struct vtdp_device *device, u32 *check)
{
	const struct vtdp_subject subject = { device->unit, device->pdev };
	struct pci_dev *pdev = device->pdev;
	int err;

	if (!device->ats_on)
		return 0;
	if (device->pri_on) {
		pri_reset(pdev);
		err = vtdp_check_one(&subject, VTDPASID_CHECK_PRI_IDLE,
				     VTDPASID_REFUSES_PRI);
		if (err) {
			*check = VTDPASID_CHECK_PRI_IDLE;
			return err;
		}
		pri_enable(pdev);
	}
	err = ats_enable(device);
	if (err && device->pri_on)
		pri_disable(pdev);
	return err;
}

/**
 * vtdp_ats_cut() - off, of a function that is cut off
 * @device: the function
 *
 * If its driver gives bus mastering back, the unit translates what it sends. But
 * the PCI core may put ATS back in a reset: what it thinks is on may be changed
 * under device_lock only, which vtdp_ats_stop() is called under.
 *
 * Context: atomic; under unit->devices_lock.
 */
void vtdp_ats_cut(struct vtdp_device *device)
{
	lockdep_assert_held(&device->unit->devices_lock);
	if (device->ats_pci)
		pci_write_config_word(device->pdev,
				      device->pdev->ats_cap + PCI_ATS_CTRL, 0);
}

/**
 * vtdp_ats_stop() - switch off
 * @device: without bindings: nobody flushes its device TLB any more
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_ats_stop(struct vtdp_device *device)
{
	WRITE_ONCE(device->ats_on, false);
	if (!device->ats_pci)
		return;
	device->ats_pci = false;
	/*
	 * Keeps the kernel's notion right even if nothing hears it; and it may
	 * be wrong since vtdp_ats_suspend().
	 */
	device->pdev->ats_enabled = 1;
	pci_disable_ats(device->pdev);
	if (device->pri_on && !device->gone)
		pri_disable(device->pdev);
}

/**
 * vtdp_ats_is_on() - does a capability say that it is enabled?
 * @pdev: function
 * @cap: PCI_EXT_CAP_ID_*
 * @ctrl: offset of its control register
 * @bit: enable bit
 */
bool vtdp_ats_is_on(struct pci_dev *pdev, int cap, int ctrl, u16 bit)
{
	int pos = pci_find_ext_capability(pdev, cap);
	u16 value;

	if (!pos)
		return false;
	pci_read_config_word(pdev, pos + ctrl, &value);
	return value != U16_MAX && value & bit;
}

/*
 * The PCI core would restore ATS before PASIDs are on again, which may not be
 * (PCIe 10.5.1.3): vtdp_ats_resume() does it. Atomic; under vtdp_lock.
 */
void vtdp_ats_suspend(struct vtdp_device *device)
{
	if (device->ats_pci)
		device->pdev->ats_enabled = 0;
}

/* Return: whether ATS and page requests are as before. Under vtdp_lock. */
bool vtdp_ats_resume(struct vtdp_device *device)
{
	struct pci_dev *pdev = device->pdev;

	if (!device->ats_pci)
		return true;
	if (!pdev->ats_enabled && ats_enable(device))
		return false;
	if (device->pri_on &&
	    !vtdp_ats_is_on(pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL,
			    PCI_PRI_CTRL_ENABLE))
		return false;
	return vtdp_ats_is_on(pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL,
			      PCI_ATS_CTRL_ENABLE);
}
