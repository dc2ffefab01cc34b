// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access control services (PCIe 6.12) on the way from a function to the root
 * complex. Without request redirection and upstream forwarding a switch or
 * root port may route a request to a peer by its address, which is a virtual
 * one here. The kernel sets both for its own IOMMU driver only, so we do, while
 * a function below is attached.
 */
#include <linux/pci.h>
#include <linux/slab.h>

#include "vtdpasid.h"

#define ACS_NEEDED	(PCI_ACS_RR | PCI_ACS_UF)

/**
 * struct acs_port - a port that we changed
 * @node: in acs_ports
 * @port: a reference is held
 * @ctrl: its ACS control before
 * @users: attached functions below it
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

/* Ports that could route requests to peers; others only pass them on. */
static bool acs_matters(struct pci_dev *port)
{
	return pci_is_pcie(port) &&
	       (pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT ||
		pci_pcie_type(port) == PCI_EXP_TYPE_DOWNSTREAM);
}

static bool acs_port_get(struct pci_dev *port)
{
	int pos = pci_find_ext_capability(port, PCI_EXT_CAP_ID_ACS);
	struct acs_port *acs = acs_find(port);
	u16 cap, ctrl;

	if (!pos)
		return false;
	pci_read_config_word(port, pos + PCI_ACS_CAP, &cap);
	pci_read_config_word(port, pos + PCI_ACS_CTRL, &ctrl);
	if ((cap & ACS_NEEDED) != ACS_NEEDED)
		return false;
	if (!acs && (ctrl & ACS_NEEDED) == ACS_NEEDED)
		return true;
	if (!acs) {
		acs = kzalloc(sizeof(*acs), GFP_KERNEL);
		if (!acs)
			return false;
		acs->port = pci_dev_get(port);
		acs->ctrl = ctrl;
		list_add(&acs->node, &acs_ports);
		pci_write_config_word(port, pos + PCI_ACS_CTRL,
				      ctrl | ACS_NEEDED);
	}
	acs->users++;
	return true;
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
 * @pdev: the function
 *
 * Context: may sleep; under vtdp_lock. vtdp_acs_put() takes it back if true.
 * Return: whether each port on the way up redirects requests.
 */
bool vtdp_acs_get(struct pci_dev *pdev)
{
	struct pci_dev *port, *undo;

	lockdep_assert_held(&vtdp_lock);
	for (port = pci_upstream_bridge(pdev); port;
	     port = pci_upstream_bridge(port)) {
		if (!acs_matters(port) || acs_port_get(port))
			continue;
		for (undo = pci_upstream_bridge(pdev); undo != port;
		     undo = pci_upstream_bridge(undo))
			acs_port_put(undo);
		return false;
	}
	return true;
}

/* Put the ports back, after the last function below. Under vtdp_lock. */
void vtdp_acs_put(struct pci_dev *pdev)
{
	struct pci_dev *port;

	lockdep_assert_held(&vtdp_lock);
	for (port = pci_upstream_bridge(pdev); port;
	     port = pci_upstream_bridge(port))
		acs_port_put(port);
}
