// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault records (VT-d spec 7): read, decoded, counted, logged with a limit, and
 * given to the client that attached the function, and to netlink.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/ratelimit.h>

#include "trace.h"
#include "vtdpasid.h"

#define FAULT_POLL_MS		20
#define FAULT_PACE		128	/* records in VTDP_PACE_MS */

/* Faults of a function without context entry after which it is cut off. */
#define FAULT_STRAY_LIMIT	32

static const struct {
	u8 reason;
	const char *name;
} fault_reasons[] = {
#include "vtd_reasons.h"
};

/* A fault reason in words. */
const char *vtdp_fault_reason(u8 reason)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fault_reasons); i++)
		if (fault_reasons[i].reason == reason)
			return fault_reasons[i].name;
	return "unknown reason";
}

/**
 * vtdp_fault_decode() - a fault record (11.4.7.6) as an event
 * @lo: bits 63:0
 * @hi: bits 127:64
 * @event: type, flags, reason, pasid, addr and rid are filled in
 *
 * Return: whether the record is valid.
 */
bool vtdp_fault_decode(u64 lo, u64 hi, struct vtdpasid_event *event)
{
	if (!(hi & VTD_FRCD_HI_F))
		return false;

	memset(event, 0, sizeof(*event));
	event->type = VTDPASID_EVENT_FAULT;
	/* With T2=1 it is a page or atomic request, and T1 tells which. */
	if (!(hi & VTD_FRCD_HI_T1) && !(hi & VTD_FRCD_HI_T2))
		event->flags |= VTDPASID_EVENT_WRITE;
	if (hi & VTD_FRCD_HI_PP) {
		event->flags |= VTDPASID_EVENT_PASID;
		event->pasid = FIELD_GET(VTD_FRCD_HI_PASID, hi);
	}
	event->reason = FIELD_GET(VTD_FRCD_HI_FR, hi);
	event->addr = lo & VTD_FRCD_LO_FI;
	event->rid = FIELD_GET(VTD_FRCD_HI_SID, hi);
	return true;
}

static struct vtdp_binding *fault_binding(struct vtdp_device *device,
					  const struct vtdpasid_event *event)
{
	lockdep_assert_held(&device->unit->devices_lock);
	return vtdp_device_binding(device, event->pasid);
}

static void fault_log(struct vtdp_unit *unit, const struct vtdpasid_event *event,
		      const struct vtdp_binding *binding)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);

	if (!__ratelimit(&limit))
		return;
	if (binding)
		pr_warn("unit %u: %04x:%02x:%02x.%u %s of %#llx, PASID %u (%s[%d]): %s (%#x)\n",
			unit->index, event->segment, PCI_BUS_NUM(event->rid),
			PCI_SLOT(event->rid), PCI_FUNC(event->rid),
			event->flags & VTDPASID_EVENT_WRITE ? "write" : "read",
			event->addr, event->pasid, binding->space->comm,
			binding->space->pid, vtdp_fault_reason(event->reason),
			event->reason);
	else
		pr_warn("unit %u: %04x:%02x:%02x.%u %s of %#llx, PASID %u: %s (%#x)\n",
			unit->index, event->segment, PCI_BUS_NUM(event->rid),
			PCI_SLOT(event->rid), PCI_FUNC(event->rid),
			event->flags & VTDPASID_EVENT_WRITE ? "write" : "read",
			event->addr, event->pasid,
			vtdp_fault_reason(event->reason), event->reason);
}

/* Faults of functions that have no context entry, or on whose bus none has. */
static bool fault_unowned(u8 reason)
{
	switch (reason) {
	case 0x01:
	case 0x02:
	case 0x39:
	case 0x41:
		return true;
	}
	return false;
}

/*
 * Nobody owns the function: its DMA can only fail, and each fault costs time.
 * The one that was seen least gives up its place to one that is new.
 */
static void fault_stray(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_stray *stray = unit->strays;
	unsigned int i;

	for (i = 0; i < VTDP_STRAYS; i++) {
		if (unit->strays[i].rid == rid) {
			stray = &unit->strays[i];
			break;
		}
		if (unit->strays[i].faults < stray->faults)
			stray = &unit->strays[i];
	}
	if (stray->rid != rid) {
		stray->rid = rid;
		stray->faults = 0;
	}
	if (++stray->faults < FAULT_STRAY_LIMIT)
		return;
	stray->faults = 0;
	vtdp_owner_cut_off(unit, rid);
}

static struct vtdp_device *fault_device(struct vtdp_unit *unit, u16 rid)
{
	struct vtdp_device *device;

	lockdep_assert_held(&unit->devices_lock);
	list_for_each_entry(device, &unit->devices, node)
		if (device->rid == rid)
			return device;
	return NULL;
}

/* Of the files, only the one that attached the function may know. */
static void fault_deliver(struct vtdp_unit *unit, struct vtdpasid_event *event)
{
	struct vtdp_binding *binding = NULL;
	struct vtdp_device *device;

	atomic64_inc(&unit->faults);
	spin_lock(&unit->devices_lock);
	device = fault_device(unit, event->rid);
	if (device) {
		atomic64_inc(&device->faults);
		binding = fault_binding(device, event);
	}
	if (binding) {
		atomic64_inc(&binding->faults);
		/* The CPU may have filled a slot since the last look. */
		vtdp_space_fault(binding->space, event->addr);
	}
	vtdp_event_tell(unit, device, binding, event);
	unit->last_fault = *event;
	trace_vtdp_fault(event);
	fault_log(unit, event, binding);
	spin_unlock(&unit->devices_lock);
	if (!device && fault_unowned(event->reason))
		fault_stray(unit, event->rid);
}

/*
 * Hardware sets F last, so what stands beside it counts only once F was seen
 * (11.4.7.6): the upper half first.
 */
static bool fault_record(struct vtdp_unit *unit, unsigned int reg,
			 struct vtdpasid_event *event)
{
	u64 hi = vtdp_read64(unit, reg + 8);

	if (!(hi & VTD_FRCD_HI_F))
		return false;
	return vtdp_fault_decode(vtdp_read64(unit, reg), hi, event);
}

/*
 * Read the records from the one that FSTS names on, and clear each (7.2). After
 * an overflow nothing is recorded until PFO is cleared, so that comes last.
 * Return: how many.
 */
static unsigned int fault_read(struct vtdp_unit *unit)
{
	unsigned int count = FIELD_GET(VTD_CAP_NFR, unit->cap) + 1;
	unsigned int base = FIELD_GET(VTD_CAP_FRO, unit->cap) * 16;
	u32 fsts = vtdp_read32(unit, VTD_FSTS);
	unsigned int i, index = FIELD_GET(VTD_FSTS_FRI, fsts);
	struct vtdpasid_event event;

	lockdep_assert_held(&unit->fault_lock);
	/* All ones: the unit does not answer any more. */
	if (fsts == U32_MAX)
		return 0;
	for (i = 0; fsts & VTD_FSTS_PPF && i < FAULT_PACE; i++) {
		unsigned int reg = base + index % count * VTD_FRCD_SIZE;

		if (!fault_record(unit, reg, &event))
			break;
		if (fsts & VTD_FSTS_PFO)
			event.flags |= VTDPASID_EVENT_OVERFLOW;
		/* F is the top bit of the record: write one to clear */
		vtdp_write32(unit, reg + 12, VTD_FRCD_HI_F >> 32);
		fault_deliver(unit, &event);
		index++;
	}
	if (fsts & VTD_FSTS_PFO)
		vtdp_write32(unit, VTD_FSTS, VTD_FSTS_PFO);
	return i;
}

static bool fault_pending(struct vtdp_unit *unit)
{
	u32 fsts = vtdp_read32(unit, VTD_FSTS);

	return fsts != U32_MAX && fsts & (VTD_FSTS_PPF | VTD_FSTS_PFO);
}

static void fault_work(struct work_struct *work)
{
	struct vtdp_unit *unit = container_of(to_delayed_work(work),
					      struct vtdp_unit, fault_work);
	unsigned long rest;

	mutex_lock(&unit->fault_lock);
	rest = vtdp_pace(&unit->fault_pace, fault_read(unit), FAULT_PACE);
	/* One may have been of a page request: see prq_answered_since(). */
	atomic64_inc(&unit->answered);
	mutex_unlock(&unit->fault_lock);

	/* While an error of the queue stands, no fault event is sent (7.3). */
	vtdp_qi_service(unit);
	if (!unit->fault_irq.virq)
		rest = msecs_to_jiffies(FAULT_POLL_MS);
	/* With an interrupt, only for what came in between: it raises none. */
	else if (!rest && !fault_pending(unit))
		return;
	mod_delayed_work(vtdp_event_wq, &unit->fault_work, rest);
}

static irqreturn_t fault_interrupt(int irq, void *data)
{
	struct vtdp_unit *unit = data;

	/* If it rests, let it. */
	queue_delayed_work(vtdp_event_wq, &unit->fault_work, 0);
	return IRQ_HANDLED;
}

void vtdp_fault_init(struct vtdp_unit *unit)
{
	mutex_init(&unit->fault_lock);
	INIT_DELAYED_WORK(&unit->fault_work, fault_work);
}

/* Drop what records there are. */
void vtdp_fault_clear(struct vtdp_unit *unit)
{
	unsigned int count = FIELD_GET(VTD_CAP_NFR, unit->cap) + 1;
	unsigned int base = FIELD_GET(VTD_CAP_FRO, unit->cap) * 16;
	unsigned int i;

	for (i = 0; i < count; i++)
		vtdp_write32(unit, base + i * VTD_FRCD_SIZE + 12,
			     VTD_FRCD_HI_F >> 32);
	vtdp_write32(unit, VTD_FSTS, VTD_FSTS_PFO);
}

/* Begin to read records; what was left from before is dropped. */
void vtdp_fault_start(struct vtdp_unit *unit)
{
	vtdp_fault_clear(unit);
	if (vtdp_irq_start(&unit->fault_irq, unit, VTD_FECTL, fault_interrupt,
			   "vtdpasid-fault"))
		pr_warn("unit %u: no interrupt for faults: they are polled for, every %u ms\n",
			unit->index, FAULT_POLL_MS);
	mod_delayed_work(vtdp_event_wq, &unit->fault_work, 0);
}

/*
 * Context: may sleep; the work takes no mutex but unit->fault_lock, which comes
 * after vtdp_lock, so that may be held.
 */
void vtdp_fault_stop(struct vtdp_unit *unit)
{
	vtdp_irq_stop(&unit->fault_irq);
	cancel_delayed_work_sync(&unit->fault_work);
}
