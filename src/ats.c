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

/**
 * vtdp_ats_check() - can a function do what an attach asks for?
 * @unit: its unit
 * @pdev: the function
 * @flags: VTDPASID_ATTACH_*
 *
 * Return: 0; -EKEYREJECTED when firmware marks it untrusted; -EPROTONOSUPPORT
 * when function or unit lacks ATS or page requests, or tables are shared; -EBUSY
 * when somebody switched them on.
 */
int vtdp_ats_check(struct vtdp_unit *unit, struct pci_dev *pdev, u32 flags)
{
	if (!(flags & VTDPASID_ATTACH_ATS))
		return 0;
	if (vtdp_table_layout != VTDPASID_TABLE_DEVICE) {
		pci_err(pdev, "no attach with ATS: with shared PASID tables its device TLB would hold, unknown to us, what other devices are bound to\n");
		return -EPROTONOSUPPORT;
	}
	if (pdev->untrusted) {
		pci_err(pdev, "no attach with ATS: firmware says that this port is open to untrusted devices\n");
		return -EKEYREJECTED;
	}
	if (!(unit->ecap & VTD_ECAP_DT) || !pci_ats_supported(pdev))
		return -EPROTONOSUPPORT;
	if (pdev->ats_enabled)
		return -EBUSY;
	if (!(flags & VTDPASID_ATTACH_PRI))
		return 0;
	/* Virtual functions share the page requests of the physical one. */
	if (!vtdp_prq_supported(unit) || pdev->is_virtfn ||
	    !pci_pri_supported(pdev))
		return -EPROTONOSUPPORT;
	return 0;
}

/* PCIe 10.5.2: the interface must be stopped before it is enabled. */
static int pri_enable(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_PRI);
	u16 status;
	u32 max;

	pci_write_config_word(pdev, pos + PCI_PRI_CTRL, PCI_PRI_CTRL_RESET);
	pci_read_config_word(pdev, pos + PCI_PRI_STATUS, &status);
	if (!(status & PCI_PRI_STATUS_STOPPED)) {
		pci_err(pdev, "no attach with page requests: old ones are outstanding; reset the function\n");
		return -EBUSY;
	}
	pci_read_config_dword(pdev, pos + PCI_PRI_MAX_REQ, &max);
	/* What the PCI core needs to know to restore it after a suspend. */
	pdev->pri_reqs_alloc = min_t(u32, max, ATS_MAX_REQUESTS);
	pdev->pri_enabled = 1;
	pci_write_config_dword(pdev, pos + PCI_PRI_ALLOC_REQ,
			       pdev->pri_reqs_alloc);
	pci_write_config_word(pdev, pos + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
	return 0;
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
 * @flags: VTDPASID_ATTACH_*, which vtdp_ats_check() accepted
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

/**
 * vtdp_ats_start() - switch on, in the function
 * @device: with its context entry set
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, or an error of PCI; nothing is on then.
 */
int vtdp_ats_start(struct vtdp_device *device)
{
	struct pci_dev *pdev = device->pdev;
	int err;

	if (!device->ats_on)
		return 0;
	if (device->pri_on) {
		err = pri_enable(pdev);
		if (err)
			return err;
	}
	err = pci_enable_ats(pdev, PAGE_SHIFT);
	if (err && device->pri_on)
		pri_disable(pdev);
	device->ats_pci = !err;
	return err;
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
	/* Keeps the kernel's notion right even if nothing hears it. */
	pci_disable_ats(device->pdev);
	if (device->pri_on && !device->gone)
		pri_disable(device->pdev);
}
