/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, described in docs/tracing.md. One that is off costs a jump that
 * is not taken.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vtdpasid

#if !defined(VTDP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VTDP_TRACE_H

#include <linux/tracepoint.h>

#include "vtdpasid.h"

#define VTDP_FUNCTION_FMT	"%04x:%02x:%02x.%u"
#define VTDP_FUNCTION_ARGS	__entry->segment, PCI_BUS_NUM(__entry->rid),	\
				PCI_SLOT(__entry->rid), PCI_FUNC(__entry->rid)

/* Descriptors by their type (VT-d spec 6.5.2) */
#define vtdp_show_kinds(kinds) __print_flags(kinds, "|",			\
	{ 1 << VTD_QI_CC, "context" },						\
	{ 1 << VTD_QI_IOTLB, "iotlb" },						\
	{ 1 << VTD_QI_DEVTLB, "devtlb" },					\
	{ 1 << VTD_QI_WAIT, "wait" },						\
	{ 1 << VTD_QI_PIOTLB, "piotlb" },					\
	{ 1 << VTD_QI_PC, "pasid" },						\
	{ 1 << VTD_QI_DEVPIOTLB, "devpiotlb" },					\
	{ 1 << VTD_QI_PGRP_RESP, "response" })

DECLARE_EVENT_CLASS(vtdp_unit_class,
	TP_PROTO(const struct vtdp_unit *unit),
	TP_ARGS(unit),
	TP_STRUCT__entry(
		__field(u32, unit)
		__field(u16, segment)
	),
	TP_fast_assign(
		__entry->unit = unit->index;
		__entry->segment = unit->drhd->segment;
	),
	TP_printk("unit=%u segment=%04x", __entry->unit, __entry->segment)
);

DEFINE_EVENT(vtdp_unit_class, vtdp_takeover,
	     TP_PROTO(const struct vtdp_unit *unit), TP_ARGS(unit));
DEFINE_EVENT(vtdp_unit_class, vtdp_handback,
	     TP_PROTO(const struct vtdp_unit *unit), TP_ARGS(unit));

DECLARE_EVENT_CLASS(vtdp_device_class,
	TP_PROTO(const struct vtdp_device *device),
	TP_ARGS(device),
	TP_STRUCT__entry(
		__field(u32, unit)
		__field(u32, pasid_max)
		__field(u16, segment)
		__field(u16, rid)
	),
	TP_fast_assign(
		__entry->unit = device->unit->index;
		__entry->pasid_max = device->pasid_max;
		__entry->segment = device->unit->drhd->segment;
		__entry->rid = device->rid;
	),
	TP_printk("unit=%u function=" VTDP_FUNCTION_FMT " pasid_max=%u",
		  __entry->unit, VTDP_FUNCTION_ARGS, __entry->pasid_max)
);

DEFINE_EVENT(vtdp_device_class, vtdp_attach,
	     TP_PROTO(const struct vtdp_device *device), TP_ARGS(device));
DEFINE_EVENT(vtdp_device_class, vtdp_detach,
	     TP_PROTO(const struct vtdp_device *device), TP_ARGS(device));

DECLARE_EVENT_CLASS(vtdp_binding_class,
	TP_PROTO(const struct vtdp_binding *binding),
	TP_ARGS(binding),
	TP_STRUCT__entry(
		__field(u32, unit)
		__field(u32, pasid)
		__field(u16, segment)
		__field(u16, rid)
		__field(u16, did)
		__field(pid_t, pid)
	),
	TP_fast_assign(
		__entry->unit = binding->device->unit->index;
		__entry->pasid = binding->pasid;
		__entry->segment = binding->device->unit->drhd->segment;
		__entry->rid = binding->device->rid;
		__entry->did = binding->did;
		__entry->pid = binding->space->pid;
	),
	TP_printk("unit=%u function=" VTDP_FUNCTION_FMT " pasid=%u did=%u pid=%d",
		  __entry->unit, VTDP_FUNCTION_ARGS, __entry->pasid,
		  __entry->did, __entry->pid)
);

DEFINE_EVENT(vtdp_binding_class, vtdp_bind,
	     TP_PROTO(const struct vtdp_binding *binding), TP_ARGS(binding));
DEFINE_EVENT(vtdp_binding_class, vtdp_unbind,
	     TP_PROTO(const struct vtdp_binding *binding), TP_ARGS(binding));

TRACE_EVENT(vtdp_invalidate,
	TP_PROTO(const struct vtdp_unit *unit, unsigned int descriptors, u32 kinds),
	TP_ARGS(unit, descriptors, kinds),
	TP_STRUCT__entry(
		__field(u32, unit)
		__field(u32, descriptors)
		__field(u32, kinds)
	),
	TP_fast_assign(
		__entry->unit = unit->index;
		__entry->descriptors = descriptors;
		__entry->kinds = kinds;
	),
	TP_printk("unit=%u descriptors=%u kinds=%s", __entry->unit,
		  __entry->descriptors, vtdp_show_kinds(__entry->kinds))
);

TRACE_EVENT(vtdp_page_request,
	TP_PROTO(const struct vtdp_unit *unit, u16 rid,
		 const struct vtdp_request *request),
	TP_ARGS(unit, rid, request),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u32, unit)
		__field(u32, pasid)
		__field(u16, segment)
		__field(u16, rid)
		__field(u16, group)
		__field(bool, write)
		__field(bool, last)
	),
	TP_fast_assign(
		__entry->addr = request->addr;
		__entry->unit = unit->index;
		__entry->pasid = request->pasid;
		__entry->segment = unit->drhd->segment;
		__entry->rid = rid;
		__entry->group = request->group;
		__entry->write = request->write;
		__entry->last = request->last;
	),
	TP_printk("unit=%u function=" VTDP_FUNCTION_FMT " pasid=%u addr=%#llx %s group=%u last=%d",
		  __entry->unit, VTDP_FUNCTION_ARGS, __entry->pasid,
		  __entry->addr, __entry->write ? "write" : "read",
		  __entry->group, __entry->last)
);

TRACE_EVENT(vtdp_page_response,
	TP_PROTO(const struct vtdp_unit *unit, u16 rid,
		 const struct vtdp_request *request, unsigned int code),
	TP_ARGS(unit, rid, request, code),
	TP_STRUCT__entry(
		__field(u32, unit)
		__field(u32, pasid)
		__field(u16, segment)
		__field(u16, rid)
		__field(u16, group)
		__field(u16, code)
	),
	TP_fast_assign(
		__entry->unit = unit->index;
		__entry->pasid = request->pasid;
		__entry->segment = unit->drhd->segment;
		__entry->rid = rid;
		__entry->group = request->group;
		__entry->code = code;
	),
	TP_printk("unit=%u function=" VTDP_FUNCTION_FMT " pasid=%u group=%u code=%s",
		  __entry->unit, VTDP_FUNCTION_ARGS, __entry->pasid,
		  __entry->group,
		  __print_symbolic(__entry->code,
				   { VTD_PGRP_SUCCESS, "success" },
				   { VTD_PGRP_INVALID, "invalid" }))
);

TRACE_EVENT(vtdp_fault,
	TP_PROTO(const struct vtdpasid_event *event),
	TP_ARGS(event),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u32, unit)
		__field(u32, pasid)
		__field(u16, segment)
		__field(u16, rid)
		__field(u16, flags)
		__field(u16, reason)
	),
	TP_fast_assign(
		__entry->addr = event->addr;
		__entry->unit = event->unit;
		__entry->pasid = event->pasid;
		__entry->segment = event->segment;
		__entry->rid = event->rid;
		__entry->flags = event->flags;
		__entry->reason = event->reason;
	),
	TP_printk("unit=%u function=" VTDP_FUNCTION_FMT " pasid=%u addr=%#llx %s reason=%#x",
		  __entry->unit, VTDP_FUNCTION_ARGS, __entry->pasid,
		  __entry->addr,
		  __entry->flags & VTDPASID_EVENT_WRITE ? "write" : "read",
		  __entry->reason)
);

#endif /* VTDP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
