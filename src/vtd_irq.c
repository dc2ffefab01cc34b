// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event interrupts of units: fault events and page-request events.
 *
 * A unit sends an MSI of its own, which belongs to no device (VT-d spec 5.1.6,
 * 7.3). So there is an interrupt domain for them, directly above the CPUs'
 * vectors. Where one cannot be had, the caller polls and says so.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/slab.h>

#include <asm/hw_irq.h>
#include <asm/irqdomain.h>

#include "vtdpasid.h"

static struct fwnode_handle *irq_fwnode;
static struct irq_domain *irq_domain;

static void event_irq_write_message(struct irq_data *data)
{
	struct vtdp_irq *irq = irq_data_get_irq_chip_data(data);
	struct irq_data *parent = data->parent_data;
	struct msi_msg msg = {};

	parent->chip->irq_compose_msi_msg(parent, &msg);
	vtdp_write32(irq->unit, irq->reg + VTD_EVENT_DATA, msg.data);
	vtdp_write32(irq->unit, irq->reg + VTD_EVENT_ADDR, msg.address_lo);
	vtdp_write32(irq->unit, irq->reg + VTD_EVENT_UADDR, msg.address_hi);
}

static void event_irq_set_mask(struct irq_data *data, u32 mask)
{
	struct vtdp_irq *irq = irq_data_get_irq_chip_data(data);

	vtdp_write32(irq->unit, irq->reg, mask);
	/* The write has arrived when this returns. */
	vtdp_read32(irq->unit, irq->reg);
}

static void event_irq_mask(struct irq_data *data)
{
	event_irq_set_mask(data, VTD_EVENT_IM);
}

static void event_irq_unmask(struct irq_data *data)
{
	event_irq_set_mask(data, 0);
}

static int event_irq_set_affinity(struct irq_data *data,
				  const struct cpumask *mask, bool force)
{
	int ret = irq_chip_set_affinity_parent(data, mask, force);

	if (ret >= 0 && ret != IRQ_SET_MASK_OK_DONE)
		event_irq_write_message(data);
	return ret;
}

static struct irq_chip event_irq_chip = {
	.name = "VTDPASID",
	.irq_mask = event_irq_mask,
	.irq_unmask = event_irq_unmask,
	.irq_ack = irq_chip_ack_parent,
	.irq_set_affinity = event_irq_set_affinity,
	/* When its CPU goes with the interrupt pending, or it was off meanwhile. */
	.irq_retrigger = irq_chip_retrigger_hierarchy,
	/* The message is two registers: change it from the interrupt only. */
	.flags = IRQCHIP_SKIP_SET_WAKE | IRQCHIP_AFFINITY_PRE_STARTUP |
		 IRQCHIP_MOVE_DEFERRED,
};

static int event_irq_alloc(struct irq_domain *domain, unsigned int virq,
			   unsigned int count, void *arg)
{
	struct irq_alloc_info *info = arg;
	int err;

	if (count != 1)
		return -EINVAL;
	err = irq_domain_alloc_irqs_parent(domain, virq, count, info);
	if (err)
		return err;
	irq_domain_set_info(domain, virq, info->hwirq, &event_irq_chip, info->data,
			    handle_edge_irq, NULL, "edge");
	return 0;
}

static int event_irq_activate(struct irq_domain *domain,
			      struct irq_data *data, bool early)
{
	event_irq_write_message(data);
	return 0;
}

static const struct irq_domain_ops event_irq_ops = {
	.alloc = event_irq_alloc,
	.free = irq_domain_free_irqs_common,
	.activate = event_irq_activate,
};

/**
 * vtdp_irq_start() - have a unit's event interrupt
 * @irq: to be filled in
 * @unit: the unit
 * @reg: VTD_FECTL or VTD_PECTL
 * @handler: hard interrupt handler
 * @name: for /proc/interrupts
 *
 * The event is unmasked when this returns.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0, or an error: the event stays masked.
 */
int vtdp_irq_start(struct vtdp_irq *irq, struct vtdp_unit *unit,
		   unsigned int reg, irq_handler_t handler, const char *name)
{
	struct irq_alloc_info info = {};
	int virq, err;

	irq->unit = unit;
	irq->reg = reg;
	irq->virq = 0;
	vtdp_write32(unit, reg, VTD_EVENT_IM);
	if (!irq_domain)
		return -ENODEV;

	info.hwirq = unit->index * 2 + (reg == VTD_PECTL);
	info.data = irq;
	virq = irq_domain_alloc_irqs(irq_domain, 1, NUMA_NO_NODE, &info);
	if (virq < 0)
		return virq;
	err = request_irq(virq, handler, IRQF_NO_THREAD, name, unit);
	if (err) {
		irq_dispose_mapping(virq);
		return err;
	}
	irq->virq = virq;
	return 0;
}

/* Give it up; the event is masked. Context: may sleep. */
void vtdp_irq_stop(struct vtdp_irq *irq)
{
	if (!irq->virq)
		return;
	free_irq(irq->virq, irq->unit);
	irq_dispose_mapping(irq->virq);
	irq->virq = 0;
}

/* Make the domain. Without one units are polled, so this cannot fail. */
void vtdp_irq_init(void)
{
	irq_fwnode = irq_domain_alloc_named_fwnode("VTDPASID");
	if (!irq_fwnode)
		return;
	irq_domain = irq_domain_create_hierarchy(x86_vector_domain, 0, 0,
						 irq_fwnode, &event_irq_ops, NULL);
	if (!irq_domain)
		irq_domain_free_fwnode(irq_fwnode);
}

void vtdp_irq_exit(void)
{
	if (!irq_domain)
		return;
	irq_domain_remove(irq_domain);
	irq_domain_free_fwnode(irq_fwnode);
}
