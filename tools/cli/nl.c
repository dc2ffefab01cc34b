// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's netlink family, by libnl. What a message brings is put into
 * structures by tables: attribute, kind, place.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <vtdpasid_netlink.h>

#include "nl.h"

#define DUMP_TRIES	10
#define EVENT_ROOM	(1024 * 1024)

static struct nl_sock *asks, *hears;
static int family;

/* ---- attributes ------------------------------------------------------------ */

enum kind { U16, U32, U64, TEXT };

struct field {
	int attribute;
	enum kind kind;
	size_t place;
	size_t size;		/* of a TEXT */
};

struct object {
	int command;
	size_t size;
	const struct field *fields;
	unsigned int count;
};

#define FIELD(_attribute, _kind, _type, _member)					\
	{ VTDPASID_A_##_attribute, _kind, offsetof(struct _type, _member),		\
	  sizeof(((struct _type *)0)->_member) }
#define OBJECT(_command, _type, _fields)						\
	{ VTDPASID_NL_CMD_##_command, sizeof(struct _type), _fields, ARRAY_SIZE(_fields) }

static const struct field info_fields[] = {
	FIELD(INFO_VERSION, TEXT, nl_info, version),
	FIELD(INFO_UNITS, U32, nl_info, units),
	FIELD(INFO_TABLE_LAYOUT, U32, nl_info, table_layout),
	FIELD(INFO_PASID_MAX, U32, nl_info, pasid_max),
	FIELD(INFO_PASID_FIRST, U32, nl_info, pasid_first),
	FIELD(INFO_GENERATION, U32, nl_info, generation),
	FIELD(INFO_EVENT_SEQ, U64, nl_info, event_seq),
	FIELD(INFO_EVENTS_DROPPED, U64, nl_info, events_dropped),
};

static const struct field unit_fields[] = {
	FIELD(UNIT_INDEX, U32, nl_unit, index),
	FIELD(UNIT_SEGMENT, U16, nl_unit, segment),
	FIELD(UNIT_STATE, U32, nl_unit, state),
	FIELD(UNIT_REG_BASE, U64, nl_unit, reg_base),
	FIELD(UNIT_CAP, U64, nl_unit, cap),
	FIELD(UNIT_ECAP, U64, nl_unit, ecap),
	FIELD(UNIT_GSTS, U32, nl_unit, gsts),
	FIELD(UNIT_DEVICES, U32, nl_unit, devices),
	FIELD(UNIT_FAULT_IRQ, U32, nl_unit, fault_irq),
	FIELD(UNIT_PRQ_IRQ, U32, nl_unit, prq_irq),
	FIELD(UNIT_FAULTS, U64, nl_unit, faults),
	FIELD(UNIT_DOORBELLS, U64, nl_unit, doorbells),
	FIELD(UNIT_DESCRIPTORS, U64, nl_unit, descriptors),
	FIELD(UNIT_REQUESTS, U64, nl_unit, requests),
	FIELD(UNIT_OVERFLOWS, U64, nl_unit, overflows),
	FIELD(UNIT_LAST_FAULT_TIME, U64, nl_unit, last_fault_time),
	FIELD(UNIT_LAST_FAULT_RID, U16, nl_unit, last_fault_rid),
	FIELD(UNIT_LAST_FAULT_PASID, U32, nl_unit, last_fault_pasid),
	FIELD(UNIT_LAST_FAULT_FLAGS, U32, nl_unit, last_fault_flags),
	FIELD(UNIT_LAST_FAULT_REASON, U32, nl_unit, last_fault_reason),
	FIELD(UNIT_LAST_FAULT_ADDR, U64, nl_unit, last_fault_addr),
};

static const struct field device_fields[] = {
	FIELD(DEVICE_SEGMENT, U16, nl_device, segment),
	FIELD(DEVICE_RID, U16, nl_device, rid),
	FIELD(DEVICE_UNIT, U32, nl_device, unit),
	FIELD(DEVICE_STATE, U32, nl_device, state),
	FIELD(DEVICE_PASID_MAX, U32, nl_device, pasid_max),
	FIELD(DEVICE_BINDINGS, U32, nl_device, bindings),
	FIELD(DEVICE_DIR_ENTRIES, U32, nl_device, dir_entries),
	FIELD(DEVICE_LEAVES, U32, nl_device, leaves),
	FIELD(DEVICE_PENDING, U32, nl_device, pending),
	FIELD(DEVICE_FAULTS, U64, nl_device, faults),
	FIELD(DEVICE_REQUESTS, U64, nl_device, requests),
	FIELD(DEVICE_REQUESTS_FAILED, U64, nl_device, requests_failed),
	FIELD(DEVICE_CLIENT, U32, nl_device, client),
	FIELD(DEVICE_CLIENT_PID, U32, nl_device, client_pid),
	FIELD(DEVICE_CLIENT_COMM, TEXT, nl_device, client_comm),
	FIELD(DEVICE_DEVICE_ID, U32, nl_device, device_id),
};

static const struct field pasid_fields[] = {
	FIELD(PASID_PASID, U32, nl_pasid, pasid),
	FIELD(PASID_STATE, U32, nl_pasid, state),
	FIELD(PASID_UID, U32, nl_pasid, uid),
	FIELD(PASID_PID, U32, nl_pasid, pid),
	FIELD(PASID_COMM, TEXT, nl_pasid, comm),
	FIELD(PASID_LIVE, U32, nl_pasid, live),
	FIELD(PASID_HOLDS, U32, nl_pasid, holds),
	FIELD(PASID_BINDINGS, U32, nl_pasid, bindings),
};

static const struct field binding_fields[] = {
	FIELD(BINDING_SEGMENT, U16, nl_binding, segment),
	FIELD(BINDING_RID, U16, nl_binding, rid),
	FIELD(BINDING_PASID, U32, nl_binding, pasid),
	FIELD(BINDING_UNIT, U32, nl_binding, unit),
	FIELD(BINDING_DOMAIN_ID, U32, nl_binding, domain_id),
	FIELD(BINDING_LIVE, U32, nl_binding, live),
	FIELD(BINDING_PID, U32, nl_binding, pid),
	FIELD(BINDING_COMM, TEXT, nl_binding, comm),
	FIELD(BINDING_FAULTS, U64, nl_binding, faults),
	FIELD(BINDING_REQUESTS, U64, nl_binding, requests),
	FIELD(BINDING_REQUESTS_FAILED, U64, nl_binding, requests_failed),
	FIELD(BINDING_PINNED, U64, nl_binding, pinned),
	FIELD(BINDING_CLIENT, U32, nl_binding, client),
	FIELD(BINDING_DEVICE_ID, U32, nl_binding, device_id),
	FIELD(BINDING_BINDING_ID, U32, nl_binding, binding_id),
};

static const struct field event_fields[] = {
	FIELD(EVENT_SEQ, U64, nl_event, seq),
	FIELD(EVENT_TYPE, U32, nl_event, type),
	FIELD(EVENT_TIME, U64, nl_event, time),
	FIELD(EVENT_UNIT, U32, nl_event, unit),
	FIELD(EVENT_SEGMENT, U16, nl_event, segment),
	FIELD(EVENT_RID, U16, nl_event, rid),
	FIELD(EVENT_PASID, U32, nl_event, pasid),
	FIELD(EVENT_FLAGS, U32, nl_event, flags),
	FIELD(EVENT_REASON, U32, nl_event, reason),
	FIELD(EVENT_REASON_TEXT, TEXT, nl_event, reason_text),
	FIELD(EVENT_ADDR, U64, nl_event, addr),
	FIELD(EVENT_PID, U32, nl_event, pid),
	FIELD(EVENT_COMM, TEXT, nl_event, comm),
	FIELD(EVENT_CLIENT, U32, nl_event, client),
	FIELD(EVENT_DEVICE_ID, U32, nl_event, device_id),
	FIELD(EVENT_BINDING_ID, U32, nl_event, binding_id),
};

static const struct object info_object = OBJECT(INFO_GET, nl_info, info_fields);
static const struct object unit_object = OBJECT(UNIT_GET, nl_unit, unit_fields);
static const struct object device_object = OBJECT(DEVICE_GET, nl_device, device_fields);
static const struct object pasid_object = OBJECT(PASID_GET, nl_pasid, pasid_fields);
static const struct object binding_object = OBJECT(BINDING_GET, nl_binding, binding_fields);
static const struct object event_object = OBJECT(EVENT, nl_event, event_fields);

static const struct nlattr *attribute_of(struct nl_msg *msg, int type)
{
	struct genlmsghdr *head = genlmsg_hdr(nlmsg_hdr(msg));

	return nla_find(genlmsg_attrdata(head, 0), genlmsg_attrlen(head, 0), type);
}

/* What a message brings, into a structure that is zero. */
static void fill(const struct object *object, struct nl_msg *msg, void *to)
{
	const struct field *field;

	for (field = object->fields; field < object->fields + object->count; field++) {
		const struct nlattr *a = attribute_of(msg, field->attribute);
		char *place = (char *)to + field->place;

		if (!a)
			continue;
		switch (field->kind) {
		case U16:
			*(uint16_t *)place = nla_get_u16(a);
			break;
		case U32:
			*(uint32_t *)place = nla_get_u32(a);
			break;
		case U64:
			*(uint64_t *)place = nla_get_u64(a);
			break;
		case TEXT:
			snprintf(place, field->size, "%.*s", nla_len(a), (char *)nla_data(a));
			break;
		}
	}
}

/* ---- errors ---------------------------------------------------------------- */

static char kernel_says[128];

/* The kernel's own words on an error, if it has any. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
	const struct nlmsghdr *head = (const struct nlmsghdr *)((char *)error - NLMSG_HDRLEN);
	unsigned int used = sizeof(*error);
	struct nlattr *a;

	(void)from;
	*(int *)data = error->error;
	kernel_says[0] = 0;
	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	/* The request comes back in it, unless capped. */
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		used += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	a = nla_find((struct nlattr *)((char *)error + used),
		     (int)(head->nlmsg_len - NLMSG_HDRLEN - used), NLMSGERR_ATTR_MSG);
	if (a)
		snprintf(kernel_says, sizeof(kernel_says), "%.*s", nla_len(a), (char *)nla_data(a));
	return NL_STOP;
}

static int refused(const char *what, int err)
{
	struct vtdp_problem problem = { .err = err, .what = what, .next = "" };

	problem.why = *kernel_says ? kernel_says : strerror(err);
	if (err == EPERM)
		problem.next = "run it as root (CAP_NET_ADMIN and CAP_SYS_ADMIN)";
	out_error(&problem);
	return err == EPERM ? STATUS_NO_ACCESS : STATUS_REFUSED;
}

static int broken(const char *what, int nl_error)
{
	const struct vtdp_problem problem = {
		.err = EIO, .what = what, .why = nl_geterror(nl_error), .next = "",
	};

	out_error(&problem);
	return STATUS_REFUSED;
}

/* ---- asking ---------------------------------------------------------------- */

static void set_option(struct nl_sock *sock, int option)
{
	int one = 1;

	/* Without it errors have fewer words, no more. */
	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, option, &one, sizeof(one));
}

/* A socket that knows the family; NULL when that was told of. */
static struct nl_sock *connect_family(int *status)
{
	static const struct vtdp_problem missing = {
		.err = ENOENT, .what = "cannot reach the module",
		.why = "it is not loaded, or too old for this program", .next = "modprobe vtdpasid",
	};
	struct nl_sock *sock = nl_socket_alloc();
	int rc = sock ? genl_connect(sock) : -NLE_NOMEM;

	if (rc < 0) {
		*status = broken("cannot open a netlink socket", rc);
		nl_socket_free(sock);
		return NULL;
	}
	/* The answer to a question is its end: nothing more comes behind it. */
	nl_socket_disable_auto_ack(sock);
	set_option(sock, NETLINK_EXT_ACK);
	set_option(sock, NETLINK_CAP_ACK);
	family = genl_ctrl_resolve(sock, VTDPASID_FAMILY_NAME);
	if (family < 0) {
		out_error(&missing);
		*status = STATUS_NO_ACCESS;
		nl_socket_free(sock);
		return NULL;
	}
	return sock;
}

void netlink_close(void)
{
	nl_socket_free(asks);
	nl_socket_free(hears);
	asks = NULL;
	hears = NULL;
}

struct gather {
	const struct object *object;
	char *list;
	unsigned int count;
	bool no_memory;
};

static int on_object(struct nl_msg *msg, void *data)
{
	struct gather *gather = data;
	size_t size = gather->object->size;
	char *list = realloc(gather->list, (gather->count + 1) * size);

	if (!list) {
		gather->no_memory = true;
		return NL_STOP;
	}
	gather->list = list;
	memset(list + gather->count * size, 0, size);
	fill(gather->object, msg, list + gather->count * size);
	gather->count++;
	return NL_OK;
}

/* One question; 0, or an error of libnl, or with *@err an errno of the kernel. */
static int ask_once(struct gather *gather, int flags, int *err)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc;

	if (!cb)
		return -NLE_NOMEM;
	*err = 0;
	rc = genl_send_simple(asks, family, gather->object->command, VTDPASID_FAMILY_VERSION,
			      flags);
	if (rc >= 0) {
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_object, gather);
		nl_cb_err(cb, NL_CB_CUSTOM, on_error, err);
		rc = nl_recvmsgs(asks, cb);
	}
	nl_cb_put(cb);
	return rc;
}

/*
 * All objects of a kind. What changed while it was listed is listed again: the
 * kernel marks such dumps.
 */
static int ask(const struct object *object, int flags, const char *what, void **list,
	       unsigned int *count)
{
	struct gather gather = { .object = object };
	int rc, err = 0, try, status = STATUS_OK;

	if (!asks)
		asks = connect_family(&status);
	if (!asks)
		return status;
	for (try = 0; try < DUMP_TRIES; try++) {
		gather.count = 0;
		rc = ask_once(&gather, flags, &err);
		if (rc != -NLE_DUMP_INTR)
			break;
	}
	if (rc < 0 || err || gather.no_memory) {
		free(gather.list);
		return err ? refused(what, -err) : broken(what, rc < 0 ? rc : -NLE_NOMEM);
	}
	*list = gather.list;
	*count = gather.count;
	return STATUS_OK;
}

int netlink_info_get(struct nl_info *info)
{
	unsigned int count = 0;
	void *list = NULL;
	int status;

	status = ask(&info_object, 0, "cannot ask for the state of the module", &list, &count);
	memset(info, 0, sizeof(*info));
	if (!status && count)
		memcpy(info, list, sizeof(*info));
	free(list);
	return status;
}

int netlink_state_get(struct nl_state *state, unsigned int what)
{
	int status = STATUS_OK;

	memset(state, 0, sizeof(*state));
	if (what & NL_UNITS)
		status = ask(&unit_object, NLM_F_DUMP, "cannot list units",
			     (void **)&state->units, &state->nr_units);
	if (!status && what & NL_DEVICES)
		status = ask(&device_object, NLM_F_DUMP, "cannot list devices",
			     (void **)&state->devices, &state->nr_devices);
	if (!status && what & NL_PASIDS)
		status = ask(&pasid_object, NLM_F_DUMP, "cannot list PASIDs",
			     (void **)&state->pasids, &state->nr_pasids);
	if (!status && what & NL_BINDINGS)
		status = ask(&binding_object, NLM_F_DUMP, "cannot list bindings",
			     (void **)&state->bindings, &state->nr_bindings);
	if (status)
		netlink_state_free(state);
	return status;
}

void netlink_state_free(struct nl_state *state)
{
	free(state->units);
	free(state->devices);
	free(state->pasids);
	free(state->bindings);
	memset(state, 0, sizeof(*state));
}

/* ---- events ---------------------------------------------------------------- */

int netlink_events_open(unsigned int room)
{
	int group, rc, status = STATUS_OK;

	hears = connect_family(&status);
	if (!hears)
		return status;
	group = genl_ctrl_resolve_grp(hears, VTDPASID_FAMILY_NAME, VTDPASID_MCGRP_EVENTS);
	rc = group < 0 ? group : nl_socket_set_buffer_size(hears, room ? room : EVENT_ROOM, 0);
	if (!rc)
		rc = nl_socket_add_membership(hears, group);
	if (rc == -NLE_PERM)
		return refused("cannot listen to events", EPERM);
	if (rc < 0)
		return broken("cannot listen to events", rc);
	/* Nobody asked for them: they have no sequence number of ours. */
	nl_socket_disable_seq_check(hears);
	nl_socket_set_nonblocking(hears);
	return STATUS_OK;
}

int netlink_events_fd(void)
{
	return nl_socket_get_fd(hears);
}

struct listener {
	void (*seen)(const struct nl_event *event, void *data);
	void *data;
};

static int on_event(struct nl_msg *msg, void *data)
{
	struct listener *listener = data;
	struct nl_event event = { 0 };

	if (genlmsg_hdr(nlmsg_hdr(msg))->cmd != VTDPASID_NL_CMD_EVENT)
		return NL_SKIP;
	fill(&event_object, msg, &event);
	event.has_function = attribute_of(msg, VTDPASID_A_EVENT_RID);
	event.has_pasid = attribute_of(msg, VTDPASID_A_EVENT_PASID);
	event.has_pid = attribute_of(msg, VTDPASID_A_EVENT_PID);
	listener->seen(&event, listener->data);
	return NL_OK;
}

int netlink_events_read(void (*seen)(const struct nl_event *event, void *data), void *data)
{
	struct listener listener = { seen, data };
	int rc;

	nl_socket_modify_cb(hears, NL_CB_VALID, NL_CB_CUSTOM, on_event, &listener);
	do {
		rc = nl_recvmsgs_default(hears);
	} while (rc >= 0);
	if (rc == -NLE_AGAIN)
		return 0;
	/* libnl has this name for ENOBUFS. */
	if (rc == -NLE_NOMEM)
		return 1;
	broken("cannot read events", rc);
	return -1;
}
