// SPDX-License-Identifier: GPL-2.0-only
/*
 * stubs.c - in place of src/ files that only the kernel can run: module
 * parameters (main.c), interrupts (vtd_irq.c), pins (pin.c)
 */
#include "host.h"
#include "vtdpasid.h"

DEFINE_MUTEX(vtdp_lock);
int vtdp_table_layout = VTDPASID_TABLE_DEVICE;
bool vtdp_allow_unsafe_interrupts;
bool vtdp_passthrough_all;
unsigned int vtdp_user_pasids = 4096;

/* netlink.c: nobody looks. */
void vtdp_netlink_changed(void) {}
void vtdp_netlink_event(const struct vtdpasid_event *event, const struct vtdp_device *device,
			const struct vtdp_binding *binding) {}

/* pin.c: nothing is pinned here. */
void vtdp_pin_close(struct vtdp_client *client) {}
void vtdp_pin_mm_gone(struct vtdp_space *space) {}
int vtdp_pin(struct vtdp_client *client, struct vtdpasid_pin *arg) { return 0; }
int vtdp_unpin(struct vtdp_client *client, u32 id) { return -ENOENT; }
u64 vtdp_pinned(struct vtdp_client *client, const struct vtdp_space *space) { return 0; }

/* vtd_irq.c: no interrupts, so units are polled by their works. */
void vtdp_irq_init(void) {}
void vtdp_irq_exit(void) {}
int vtdp_irq_start(struct vtdp_irq *irq, struct vtdp_unit *unit,
		   unsigned int reg, irq_handler_t handler, const char *name)
{
	irq->unit = unit;
	irq->reg = reg;
	irq->virq = 0;
	vtdp_write32(unit, reg, 1u << 31);
	return -ENODEV;
}

void vtdp_irq_stop(struct vtdp_irq *irq) {}

/* preflight.c: looks at the machine that it is on. */
int vtdp_preflight(struct vtdpasid_preflight *arg) { return 0; }
