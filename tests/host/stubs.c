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

#ifdef FUZZ_PARSE
/* What vtd_fault.c calls and a decoder does not. */
void vtdp_event_tell(const struct vtdp_unit *unit, const struct vtdp_device *device,
		     const struct vtdp_binding *binding, struct vtdpasid_event *event) {}
void vtdp_space_fault(struct vtdp_space *space, u64 addr) {}
void vtdp_owner_cut_off(struct vtdp_unit *unit, u16 rid) {}
void vtdp_qi_service(struct vtdp_unit *unit) {}
acpi_status acpi_get_table(const char *sig, u32 instance, struct acpi_table_header **out) { return 1; }
unsigned long vtdp_pace(struct vtdp_pace *pace, unsigned int done, unsigned int most) { return 0; }
#endif

/* netlink.c: nobody looks. */
void vtdp_netlink_changed(void) {}
void vtdp_netlink_event(const struct vtdpasid_event *event, const struct vtdp_device *device,
			const struct vtdp_binding *binding) {}

/* pin.c: nothing is pinned here. */
void vtdp_pin_close(struct vtdp_client *client) {}
void vtdp_pin_mm_gone(struct vtdp_space *space) {}

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
