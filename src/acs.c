// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access control services (PCIe 6.12) on the way from a function to the root
 * complex. Without request redirection and upstream forwarding a switch or
 * root port may route a request to a peer by its address, which is a virtual
 * one here; and so may a device with several functions. Without source
 * validation a port lets requests through that bear a requester id of another
 * bus, whose context entry they would get. The kernel sets all three for its own
 * IOMMU driver only, so we do, while a function below is attached.
 */
#include <linux/pci.h>
#include <linux/slab.h>

#include "vtdpasid.h"

/**
 * struct acs_port - a port, or a function of several, that we changed
 * @node: in acs_ports
 * @port: a reference is held
 * @ctrl: its ACS control before
 * @users: attached functions below it, itself included
 */
struct acs_port {
	struct list_head node;
	struct pci_dev *port;
	u16 ctrl;
	unsigned int users;
};

static LIST_HEAD(acs_ports);	/* under vtdp_lock */

static struct acs_port *acs_find(struct pci_dev *port)
{
	struct acs_port *acs;

	lockdep_assert_held(&vtdp_lock);
	list_for_each_entry(acs, &acs_ports, node)
		if (acs->port == port)
			return acs;
	return NULL;
}

static bool acs_is_port(struct pci_dev *pdev)
{
	return pci_pcie_type(pdev) == PCI_EXP_TYPE_ROOT_PORT ||
	       pci_pcie_type(pdev) == PCI_EXP_TYPE_DOWNSTREAM;
}

/*
 * Ports route requests to peers, and one function of several may; others only
 * pass requests on. The kernel does not count those of SR-IOV as several, and
 * most can do without; but what they can be told, they are (PCIe 6.12.1.2).
 */
static bool acs_matters(struct pci_dev *pdev)
{
	if (!pci_is_pcie(pdev))
		return false;
	if (acs_is_port(pdev) || pdev->multifunction)
		return true;
	return (pdev->is_virtfn || pdev->is_physfn) &&
	       pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ACS);
}

/*
 * Where its access control services are, if it has those that are needed; or 0.
 * @needed: which of them. Functions have redirection if there is something to
 * redirect, and never the others (PCIe 6.12.1.2).
 */
static int acs_able(struct pci_dev *pdev, u16 *needed)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ACS);
	u16 cap;

	if (!pos)
		return 0;
	pci_read_config_word(pdev, pos + PCI_ACS_CAP, &cap);
	*needed = acs_is_port(pdev) ? VTDP_ACS_NEEDED : cap & PCI_ACS_RR;
	return (cap & *needed) == *needed ? pos : 0;
}

/**
 * vtdp_acs_lacking() - what may route a function's requests to its peers
 * @pdev: the function
 * @nth: 0 for the first on the way up, and so on
 *
 * Context: may sleep.
 * Return: the port, or @pdev itself, which is one of several functions; a port
 * stays as long as @pdev does. NULL when there is none.
 */
struct pci_dev *vtdp_acs_lacking(struct pci_dev *pdev, unsigned int nth)
{
	struct pci_dev *port;
	u16 needed;

	for (port = pdev; port; port = pci_upstream_bridge(port))
		if (acs_matters(port) && !acs_able(port, &needed) && !nth--)
			return port;
	return NULL;
}

static int acs_port_get(struct pci_dev *port)
{
	struct acs_port *acs = acs_find(port);
	u16 ctrl, needed;
	int pos = acs_able(port, &needed);

	/* It may have gone since it was looked at. */
	if (!pos)
		return -ENODEV;
	pci_read_config_word(port, pos + PCI_ACS_CTRL, &ctrl);
	if (!acs && (ctrl & needed) == needed)
		return 0;
	if (!acs) {
		acs = kzalloc(sizeof(*acs), GFP_KERNEL);
		if (!acs)
			return -ENOMEM;
		acs->port = pci_dev_get(port);
		acs->ctrl = ctrl;
		list_add(&acs->node, &acs_ports);
		pci_write_config_word(port, pos + PCI_ACS_CTRL, ctrl | needed);
	}
	acs->users++;
	return 0;
}

static void acs_port_put(struct pci_dev *port)
{
	struct acs_port *acs = acs_find(port);
	int pos;

	if (!acs || --acs->users)
		return;
	pos = pci_find_ext_capability(port, PCI_EXT_CAP_ID_ACS);
	if (pos)
		pci_write_config_word(port, pos + PCI_ACS_CTRL, acs->ctrl);
	list_del(&acs->node);
	pci_dev_put(acs->port);
	kfree(acs);
}

/**
 * vtdp_acs_get() - keep a function's requests from its peers
 * @pdev: the function, whose ports vtdp_acs_lacking() found able to
 *
 * Context: may sleep; under vtdp_lock. vtdp_acs_put() takes it back.
 * Return: 0, -ENOMEM or -ENODEV.
 */
int vtdp_acs_get(struct pci_dev *pdev)
{
	struct pci_dev *port, *undo;
	int err;

	lockdep_assert_held(&vtdp_lock);
	for (port = pdev; port; port = pci_upstream_bridge(port)) {
		err = acs_matters(port) ? acs_port_get(port) : 0;
		if (!err)
			continue;
		for (undo = pdev; undo != port; undo = pci_upstream_bridge(undo))
			acs_port_put(undo);
		return err;
	}
	return 0;
}

/* Put the ports back, after the last function below. Under vtdp_lock. */
void vtdp_acs_put(struct pci_dev *pdev)
{
	struct pci_dev *port;

	lockdep_assert_held(&vtdp_lock);
	for (port = pdev; port; port = pci_upstream_bridge(port))
		acs_port_put(port);
}

/* Did vtdp_acs_get() change a port on the way up? Under vtdp_lock. */
bool vtdp_acs_changed(struct pci_dev *pdev)
{
	struct pci_dev *port;

	lockdep_assert_held(&vtdp_lock);
	for (port = pdev; port; port = pci_upstream_bridge(port))
		if (acs_find(port))
			return true;
	return false;
}

/**
 * vtdp_acs_restore() - what vtdp_acs_get() found or made, after a suspend
 * @pdev: the function
 *
 * The PCI core knows nothing of what we set.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: whether it and each port on the way up redirects requests.
 */
bool vtdp_acs_restore(struct pci_dev *pdev)
{
	struct pci_dev *port;
	u16 ctrl, needed;
	int pos;

	lockdep_assert_held(&vtdp_lock);
	for (port = pdev; port; port = pci_upstream_bridge(port)) {
		if (!acs_matters(port))
			continue;
		pos = acs_able(port, &needed);
		if (!pos)
			return false;
		pci_read_config_word(port, pos + PCI_ACS_CTRL, &ctrl);
		if (acs_find(port)) {
			pci_write_config_word(port, pos + PCI_ACS_CTRL,
					      ctrl | needed);
			pci_read_config_word(port, pos + PCI_ACS_CTRL, &ctrl);
		}
		if ((ctrl & needed) != needed)
			return false;
	}
	return true;
}
