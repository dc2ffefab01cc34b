// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic-netlink family "vtdpasid": what there is, and what happens.
 * docs/netlink/vtdpasid.yaml says what each message is made of.
 *
 * Read-only, and for administrators of the initial user namespace: addresses of
 * all processes are in it. genetlink asks for CAP_NET_ADMIN (GENL_ADMIN_PERM),
 * which alone is given to many a service; CAP_SYS_ADMIN, which the ioctls that
 * tell as much ask for, is asked for here. There is no alias by which a socket
 * would load the module.
 *
 * Messages are filled in under vtdp_lock and sent without it, so nobody who does
 * not read holds anything up. Events come from any context: they are put down in
 * a bounded queue, from which a work item sends them.
 */
#include <linux/capability.h>
#include <linux/kfifo.h>
#include <linux/module.h>
#include <net/genetlink.h>

#include "vtdpasid.h"

#define NL_RECORDS	256	/* events on their way */

static struct genl_family nl_family;

/*
 * Counts changes of what can be listed: objects that come, go, or change their
 * state; not their counters.
 */
static atomic_t nl_generation = ATOMIC_INIT(1);

/* 0 would mean to netlink that nobody counts. */
static u32 generation(void)
{
	return (u32)atomic_read(&nl_generation) ?: 1;
}

/* An object came, went or changed its state. Context: any. */
void vtdp_netlink_changed(void)
{
	atomic_inc(&nl_generation);
}

/* ---- events -------------------------------------------------------------- */

/**
 * struct nl_record - an event on its way
 * @event: the event
 * @seq: its number
 * @client: file that the function is attached in, or 0
 * @pid: process of the binding, if there is one
 * @comm: its name
 */
struct nl_record {
	struct vtdpasid_event event;
	u64 seq;
	u32 client;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

static DEFINE_SPINLOCK(records_lock);	/* the queue, and the numbers */
static DEFINE_KFIFO(records, struct nl_record, NL_RECORDS);
static u64 event_seq;
static atomic64_t events_dropped;

/* Sets of attributes with such numbers in them all begin with their pad. */
#define NL_PAD		VTDPASID_A_EVENT_PAD
static_assert((int)NL_PAD == (int)VTDPASID_A_INFO_PAD);
static_assert((int)NL_PAD == (int)VTDPASID_A_UNIT_PAD);
static_assert((int)NL_PAD == (int)VTDPASID_A_DEVICE_PAD);
static_assert((int)NL_PAD == (int)VTDPASID_A_BINDING_PAD);

static int nl_put_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, NL_PAD);
}

static int nl_put_request(struct sk_buff *skb, const struct vtdpasid_event *event)
{
	return nla_put_u32(skb, VTDPASID_A_EVENT_FLAGS, event->flags) ||
	       nl_put_u64(skb, VTDPASID_A_EVENT_ADDR, event->addr);
}

static int nl_put_reason(struct sk_buff *skb, const struct vtdpasid_event *event)
{
	return nla_put_u32(skb, VTDPASID_A_EVENT_REASON, event->reason) ||
	       nla_put_string(skb, VTDPASID_A_EVENT_REASON_TEXT,
			      vtdp_fault_reason(event->reason));
}

static int nl_put_event(struct sk_buff *skb, void *object)
{
	const struct nl_record *record = object;
	const struct vtdpasid_event *event = &record->event;
	bool fault = event->type == VTDPASID_EVENT_FAULT;
	bool request = event->type == VTDPASID_EVENT_PRQ_FAILED;

	return nl_put_u64(skb, VTDPASID_A_EVENT_SEQ, record->seq) ||
	       nla_put_u32(skb, VTDPASID_A_EVENT_TYPE, event->type) ||
	       nl_put_u64(skb, VTDPASID_A_EVENT_TIME, event->time) ||
	       nla_put_u32(skb, VTDPASID_A_EVENT_UNIT, event->unit) ||
	       nla_put_u16(skb, VTDPASID_A_EVENT_SEGMENT, event->segment) ||
	       ((record->client || fault) &&
		nla_put_u16(skb, VTDPASID_A_EVENT_RID, event->rid)) ||
	       (event->flags & VTDPASID_EVENT_PASID &&
		nla_put_u32(skb, VTDPASID_A_EVENT_PASID, event->pasid)) ||
	       ((fault || request) && nl_put_request(skb, event)) ||
	       (fault && nl_put_reason(skb, event)) ||
	       (event->binding &&
		(nla_put_u32(skb, VTDPASID_A_EVENT_PID, record->pid) ||
		 nla_put_string(skb, VTDPASID_A_EVENT_COMM, record->comm) ||
		 nla_put_u32(skb, VTDPASID_A_EVENT_BINDING_ID, event->binding))) ||
	       (record->client &&
		(nla_put_u32(skb, VTDPASID_A_EVENT_CLIENT, record->client) ||
		 nla_put_u32(skb, VTDPASID_A_EVENT_DEVICE_ID, event->device)));
}

static struct sk_buff *event_message(struct nl_record *record)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &nl_family, 0, VTDPASID_NL_CMD_EVENT);
	if (!head || nl_put_event(skb, record)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

/* A listener without room is told. */
static void events_send(struct work_struct *work)
{
	struct nl_record record;
	struct sk_buff *skb;

	while (kfifo_out_spinlocked(&records, &record, 1, &records_lock)) {
		skb = event_message(&record);
		if (skb)
			genlmsg_multicast(&nl_family, skb, 0, 0, GFP_KERNEL);
		else
			atomic64_inc(&events_dropped);
		cond_resched();
	}
}

static DECLARE_WORK(events_work, events_send);

/**
 * vtdp_netlink_event() - tell listeners of an event
 * @event: all but size and lost
 * @device: attached function that it is about, or NULL
 * @binding: binding that it is about, or NULL
 *
 * Context: any; what @device and @binding lead to must stay for the call.
 */
void vtdp_netlink_event(const struct vtdpasid_event *event,
			const struct vtdp_device *device,
			const struct vtdp_binding *binding)
{
	struct nl_record record;
	unsigned long flags;

	if (event->type != VTDPASID_EVENT_FAULT &&
	    event->type != VTDPASID_EVENT_PRQ_FAILED)
		vtdp_netlink_changed();
	if (!genl_has_listeners(&nl_family, &init_net, 0))
		return;

	memset(&record, 0, sizeof(record));
	record.event = *event;
	if (device)
		record.client = device->client->id;
	if (binding) {
		record.pid = binding->space->pid;
		strscpy(record.comm, binding->space->comm, sizeof(record.comm));
	}
	spin_lock_irqsave(&records_lock, flags);
	/* One that is dropped leaves a gap in the numbers. */
	record.seq = ++event_seq;
	if (!kfifo_put(&records, record))
		atomic64_inc(&events_dropped);
	spin_unlock_irqrestore(&records_lock, flags);
	queue_work(vtdp_event_wq, &events_work);
}

/* ---- objects ------------------------------------------------------------- */

/* Each fills one object in. Under vtdp_lock. Return: 0, or else: no room. */

static int nl_put_info(struct sk_buff *skb, void *object)
{
	struct vtdpasid_get_info info = {};
	unsigned long flags;
	u64 seq;

	vtdp_get_info(&info);
	spin_lock_irqsave(&records_lock, flags);
	seq = event_seq;
	spin_unlock_irqrestore(&records_lock, flags);
	return nla_put_string(skb, VTDPASID_A_INFO_VERSION, THIS_MODULE->version) ||
	       nla_put_u32(skb, VTDPASID_A_INFO_UNITS, info.out_units) ||
	       nla_put_u32(skb, VTDPASID_A_INFO_TABLE_LAYOUT, info.out_pasid_table) ||
	       nla_put_u32(skb, VTDPASID_A_INFO_PASID_MAX, info.out_pasid_max) ||
	       nla_put_u32(skb, VTDPASID_A_INFO_PASID_FIRST, info.out_pasid_first) ||
	       nla_put_u32(skb, VTDPASID_A_INFO_GENERATION, generation()) ||
	       nl_put_u64(skb, VTDPASID_A_INFO_EVENT_SEQ, seq) ||
	       nl_put_u64(skb, VTDPASID_A_INFO_EVENTS_DROPPED,
			  atomic64_read(&events_dropped));
}

static int nl_put_last_fault(struct sk_buff *skb, struct vtdp_unit *unit)
{
	struct vtdpasid_event fault;

	spin_lock(&unit->devices_lock);
	fault = unit->last_fault;
	spin_unlock(&unit->devices_lock);
	if (!fault.type)
		return 0;
	return nl_put_u64(skb, VTDPASID_A_UNIT_LAST_FAULT_TIME, fault.time) ||
	       nla_put_u16(skb, VTDPASID_A_UNIT_LAST_FAULT_RID, fault.rid) ||
	       (fault.flags & VTDPASID_EVENT_PASID &&
		nla_put_u32(skb, VTDPASID_A_UNIT_LAST_FAULT_PASID, fault.pasid)) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_LAST_FAULT_FLAGS, fault.flags) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_LAST_FAULT_REASON, fault.reason) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_LAST_FAULT_ADDR, fault.addr);
}

static int nl_put_unit(struct sk_buff *skb, void *object)
{
	struct vtdpasid_unit_info info = {};
	struct vtdp_unit *unit = object;

	vtdp_unit_info(unit, &info);
	return nla_put_u32(skb, VTDPASID_A_UNIT_INDEX, unit->index) ||
	       nla_put_u16(skb, VTDPASID_A_UNIT_SEGMENT, info.out_segment) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_STATE, info.out_state) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_REG_BASE, info.out_reg_base) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_CAP, info.out_cap) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_ECAP, info.out_ecap) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_GSTS, info.out_gsts) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_DEVICES, info.out_devices) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_FAULT_IRQ, unit->fault_irq.virq) ||
	       nla_put_u32(skb, VTDPASID_A_UNIT_PRQ_IRQ, unit->prq_irq.virq) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_FAULTS, info.out_faults) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_DOORBELLS, info.out_doorbells) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_DESCRIPTORS, info.out_descriptors) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_REQUESTS, info.out_requests) ||
	       nl_put_u64(skb, VTDPASID_A_UNIT_OVERFLOWS, info.out_overflows) ||
	       nl_put_last_fault(skb, unit);
}

static int nl_put_device(struct sk_buff *skb, void *object)
{
	struct vtdpasid_device_info info = {};
	struct vtdp_device *device = object;
	const struct vtdp_client *client = device->client;

	vtdp_device_info(device, &info);
	return nla_put_u16(skb, VTDPASID_A_DEVICE_SEGMENT, info.out_segment) ||
	       nla_put_u16(skb, VTDPASID_A_DEVICE_RID, info.out_rid) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_UNIT, info.out_unit) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_STATE, info.out_state) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_PASID_MAX, info.out_pasid_max) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_BINDINGS, info.out_bindings) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_DIR_ENTRIES, info.out_dir_entries) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_LEAVES, info.out_leaves) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_PENDING,
			   READ_ONCE(device->pending)) ||
	       nl_put_u64(skb, VTDPASID_A_DEVICE_FAULTS, info.out_faults) ||
	       nl_put_u64(skb, VTDPASID_A_DEVICE_REQUESTS, info.out_requests) ||
	       nl_put_u64(skb, VTDPASID_A_DEVICE_REQUESTS_FAILED,
			  info.out_requests_failed) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_CLIENT, client->id) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_CLIENT_PID, client->pid) ||
	       nla_put_string(skb, VTDPASID_A_DEVICE_CLIENT_COMM, client->comm) ||
	       nla_put_u32(skb, VTDPASID_A_DEVICE_DEVICE_ID, device->id);
}

static int nl_put_pasid_owner(struct sk_buff *skb, const struct vtdp_space *space)
{
	return nla_put_u32(skb, VTDPASID_A_PASID_PID, space->pid) ||
	       nla_put_string(skb, VTDPASID_A_PASID_COMM, space->comm) ||
	       nla_put_u32(skb, VTDPASID_A_PASID_LIVE, !READ_ONCE(space->dead)) ||
	       nla_put_u32(skb, VTDPASID_A_PASID_HOLDS, space->holds) ||
	       nla_put_u32(skb, VTDPASID_A_PASID_BINDINGS,
			   READ_ONCE(space->nr_bindings));
}

static int nl_put_pasid(struct sk_buff *skb, void *object)
{
	const struct vtdp_pasid *pasid = object;

	return nla_put_u32(skb, VTDPASID_A_PASID_PASID, pasid->nr) ||
	       nla_put_u32(skb, VTDPASID_A_PASID_STATE, pasid->state) ||
	       (pasid->state != VTDPASID_PASID_STATE_QUARANTINE &&
		nla_put_u32(skb, VTDPASID_A_PASID_UID,
			    from_kuid(&init_user_ns, pasid->uid))) ||
	       (pasid->state == VTDPASID_PASID_STATE_OWNED &&
		nl_put_pasid_owner(skb, pasid->space));
}

static int nl_put_binding(struct sk_buff *skb, void *object)
{
	struct vtdpasid_binding_info info = {};
	struct vtdp_binding *binding = object;
	const struct vtdp_device *device = binding->device;
	const struct vtdp_space *space = binding->space;

	vtdp_binding_info(binding, &info);
	return nla_put_u16(skb, VTDPASID_A_BINDING_SEGMENT,
			   device->unit->drhd->segment) ||
	       nla_put_u16(skb, VTDPASID_A_BINDING_RID, device->rid) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_PASID, info.out_pasid) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_UNIT, device->unit->index) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_DOMAIN_ID, binding->did) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_LIVE, info.out_live) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_PID, space->pid) ||
	       nla_put_string(skb, VTDPASID_A_BINDING_COMM, space->comm) ||
	       nl_put_u64(skb, VTDPASID_A_BINDING_FAULTS, info.out_faults) ||
	       nl_put_u64(skb, VTDPASID_A_BINDING_REQUESTS, info.out_requests) ||
	       nl_put_u64(skb, VTDPASID_A_BINDING_REQUESTS_FAILED,
			  info.out_requests_failed) ||
	       nl_put_u64(skb, VTDPASID_A_BINDING_PINNED, info.out_pinned) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_CLIENT, device->client->id) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_DEVICE_ID, info.out_device) ||
	       nla_put_u32(skb, VTDPASID_A_BINDING_BINDING_ID, binding->id);
}

/* ---- one object ---------------------------------------------------------- */

#define NL_REFUSE(info, attr, err, why) ({				\
	struct genl_info *__info = (info);				\
									\
	NL_SET_ERR_MSG_ATTR(__info->extack, __info->attrs[attr], why);	\
	ERR_PTR(err);							\
})

/* Each finds what a request names. Under vtdp_lock. Return: it, or an error. */

static void *find_info(struct genl_info *info)
{
	return NULL;
}

static void *find_unit(struct genl_info *info)
{
	struct vtdp_unit *unit;

	if (GENL_REQ_ATTR_CHECK(info, VTDPASID_A_UNIT_INDEX))
		return NL_REFUSE(info, VTDPASID_A_UNIT_INDEX, -EINVAL,
				 "which unit? its index is missing");
	unit = vtdp_unit_by_index(nla_get_u32(info->attrs[VTDPASID_A_UNIT_INDEX]));
	return unit ?: NL_REFUSE(info, VTDPASID_A_UNIT_INDEX, -ENOENT,
				 "there is no unit with this index");
}

/* Functions and bindings have their first attributes in common. */
static_assert((int)VTDPASID_A_BINDING_SEGMENT == (int)VTDPASID_A_DEVICE_SEGMENT);
static_assert((int)VTDPASID_A_BINDING_RID == (int)VTDPASID_A_DEVICE_RID);

static void *find_device(struct genl_info *info)
{
	struct vtdp_device *device = NULL;
	struct vtdp_unit *unit;
	u16 segment, rid;

	if (GENL_REQ_ATTR_CHECK(info, VTDPASID_A_DEVICE_SEGMENT) ||
	    GENL_REQ_ATTR_CHECK(info, VTDPASID_A_DEVICE_RID))
		return NL_REFUSE(info, VTDPASID_A_DEVICE_RID, -EINVAL,
				 "which function? its segment or rid is missing");
	segment = nla_get_u16(info->attrs[VTDPASID_A_DEVICE_SEGMENT]);
	rid = nla_get_u16(info->attrs[VTDPASID_A_DEVICE_RID]);
	list_for_each_entry(unit, &vtdp_units, node)
		if (!device && unit->drhd->segment == segment)
			device = vtdp_device_by_rid(unit, rid);
	return device ?: NL_REFUSE(info, VTDPASID_A_DEVICE_RID, -ENOENT,
				   "no function with this requester id is attached");
}

static void *find_pasid(struct genl_info *info)
{
	struct vtdp_pasid *pasid;
	u32 nr;

	if (GENL_REQ_ATTR_CHECK(info, VTDPASID_A_PASID_PASID))
		return NL_REFUSE(info, VTDPASID_A_PASID_PASID, -EINVAL,
				 "which PASID? its number is missing");
	nr = nla_get_u32(info->attrs[VTDPASID_A_PASID_PASID]);
	pasid = vtdp_pasid_next(nr);
	if (pasid && pasid->nr == nr)
		return pasid;
	return NL_REFUSE(info, VTDPASID_A_PASID_PASID, -ENOENT,
			 "this PASID was never given out");
}

static void *find_binding(struct genl_info *info)
{
	struct vtdp_device *device = find_device(info);
	struct vtdp_binding *binding;
	u32 pasid;

	if (IS_ERR(device))
		return device;
	if (GENL_REQ_ATTR_CHECK(info, VTDPASID_A_BINDING_PASID))
		return NL_REFUSE(info, VTDPASID_A_BINDING_PASID, -EINVAL,
				 "which binding? its pasid is missing, 0 for the one without");
	pasid = nla_get_u32(info->attrs[VTDPASID_A_BINDING_PASID]);
	list_for_each_entry(binding, &device->bindings, device_node)
		if (binding->pasid == pasid)
			return binding;
	return NL_REFUSE(info, VTDPASID_A_BINDING_PASID, -ENOENT,
			 "the function has no binding with this PASID");
}

/* ---- all objects --------------------------------------------------------- */

/**
 * struct nl_dump - one part of a dump
 * @skb: to be filled
 * @cb: the dump; struct nl_cursor in its ctx
 * @kind: of objects
 * @index: objects seen in this part
 */
struct nl_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	const struct nl_kind *kind;
	u32 index;
};

/**
 * struct nl_cursor - how far a dump has come
 * @next: objects told of; of PASIDs the number to go on with
 */
struct nl_cursor {
	u32 next;
};

static_assert(sizeof(struct nl_cursor) <= sizeof_field(struct netlink_callback, ctx));

static struct nl_cursor *dump_cursor(struct nl_dump *dump)
{
	return (struct nl_cursor *)dump->cb->ctx;
}

/**
 * struct nl_kind - a kind of objects
 * @cmd: of its messages
 * @put: fill one in
 * @find: find the one that a request names
 * @walk: dump_one() for each
 */
struct nl_kind {
	u8 cmd;
	int (*put)(struct sk_buff *skb, void *object);
	void *(*find)(struct genl_info *info);
	int (*walk)(struct nl_dump *dump);
};

static int dump_put(struct nl_dump *dump, void *object)
{
	const struct nlmsghdr *request = dump->cb->nlh;
	void *head;

	head = genlmsg_put(dump->skb, NETLINK_CB(dump->cb->skb).portid,
			   request->nlmsg_seq, &nl_family, NLM_F_MULTI,
			   dump->kind->cmd);
	if (!head)
		return -EMSGSIZE;
	genl_dump_check_consistent(dump->cb, head);
	if (dump->kind->put(dump->skb, object)) {
		genlmsg_cancel(dump->skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(dump->skb, head);
	return 0;
}

/* One of a list, unless a part before had it. */
static int dump_one(struct nl_dump *dump, void *object)
{
	struct nl_cursor *cursor = dump_cursor(dump);
	int err;

	if (dump->index++ < cursor->next)
		return 0;
	err = dump_put(dump, object);
	if (!err)
		cursor->next++;
	return err;
}

static int walk_units(struct nl_dump *dump)
{
	struct vtdp_unit *unit;
	int err;

	list_for_each_entry(unit, &vtdp_units, node) {
		err = dump_one(dump, unit);
		if (err)
			return err;
	}
	return 0;
}

static int walk_devices(struct nl_dump *dump)
{
	struct vtdp_device *device;
	struct vtdp_unit *unit;
	int err;

	list_for_each_entry(unit, &vtdp_units, node) {
		list_for_each_entry(device, &unit->devices, node) {
			err = dump_one(dump, device);
			if (err)
				return err;
		}
	}
	return 0;
}

static int walk_device_bindings(struct nl_dump *dump, struct vtdp_device *device)
{
	struct vtdp_binding *binding;
	int err;

	list_for_each_entry(binding, &device->bindings, device_node) {
		err = dump_one(dump, binding);
		if (err)
			return err;
	}
	return 0;
}

static int walk_bindings(struct nl_dump *dump)
{
	struct vtdp_device *device;
	struct vtdp_unit *unit;
	int err;

	list_for_each_entry(unit, &vtdp_units, node) {
		list_for_each_entry(device, &unit->devices, node) {
			err = walk_device_bindings(dump, device);
			if (err)
				return err;
		}
	}
	return 0;
}

/* There may be a million, so go on with the number, not from the first. */
static int walk_pasids(struct nl_dump *dump)
{
	struct nl_cursor *cursor = dump_cursor(dump);
	struct vtdp_pasid *pasid;
	int err;

	while ((pasid = vtdp_pasid_next(cursor->next))) {
		err = dump_put(dump, pasid);
		if (err)
			return err;
		cursor->next = pasid->nr + 1;
	}
	return 0;
}

static const struct nl_kind nl_kinds[] = {
	[VTDPASID_NL_CMD_INFO_GET] = {
		VTDPASID_NL_CMD_INFO_GET, nl_put_info, find_info, NULL
	},
	[VTDPASID_NL_CMD_UNIT_GET] = {
		VTDPASID_NL_CMD_UNIT_GET, nl_put_unit, find_unit, walk_units
	},
	[VTDPASID_NL_CMD_DEVICE_GET] = {
		VTDPASID_NL_CMD_DEVICE_GET, nl_put_device, find_device, walk_devices
	},
	[VTDPASID_NL_CMD_PASID_GET] = {
		VTDPASID_NL_CMD_PASID_GET, nl_put_pasid, find_pasid, walk_pasids
	},
	[VTDPASID_NL_CMD_BINDING_GET] = {
		VTDPASID_NL_CMD_BINDING_GET, nl_put_binding, find_binding, walk_bindings
	},
};

/* ---- the family ---------------------------------------------------------- */

static int nl_allow(struct sk_buff *request, struct netlink_ext_ack *extack)
{
	if (netlink_capable(request, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "this needs CAP_SYS_ADMIN, too");
	return -EPERM;
}

static int nl_get(struct sk_buff *request, struct genl_info *info)
{
	const struct nl_kind *kind = &nl_kinds[info->genlhdr->cmd];
	struct sk_buff *skb;
	void *object, *head;
	int err;

	err = nl_allow(request, info->extack);
	if (err)
		return err;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &nl_family, 0, kind->cmd);
	/* -EINTR would tell netlink to say nothing at all. */
	err = head ? mutex_lock_killable(&vtdp_lock) : -EMSGSIZE;
	if (err)
		goto free;
	object = kind->find(info);
	if (IS_ERR(object))
		err = PTR_ERR(object);
	else if (kind->put(skb, object))
		err = -EMSGSIZE;
	mutex_unlock(&vtdp_lock);
	if (err)
		goto free;
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);

free:
	nlmsg_free(skb);
	return err;
}

static int nl_dump_start(struct netlink_callback *cb)
{
	int err = nl_allow(cb->skb, cb->extack);

	if (!err && nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "a dump lists all: it takes no attributes");
		err = -EINVAL;
	}
	return err;
}

/* Between two parts objects may change: netlink compares cb->seq. */
static int nl_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genlmsghdr *request = nlmsg_data(cb->nlh);
	struct nl_dump dump = {
		.skb = skb,
		.cb = cb,
		.kind = &nl_kinds[request->cmd],
	};
	int err;

	err = mutex_lock_killable(&vtdp_lock);
	if (err)
		return err;
	cb->seq = generation();
	err = dump.kind->walk(&dump);
	mutex_unlock(&vtdp_lock);
	return err == -EMSGSIZE && skb->len ? skb->len : err;
}

static const struct nla_policy unit_policy[] = {
	[VTDPASID_A_UNIT_INDEX] = { .type = NLA_U32 },
};

static const struct nla_policy device_policy[] = {
	[VTDPASID_A_DEVICE_SEGMENT] = { .type = NLA_U16 },
	[VTDPASID_A_DEVICE_RID] = { .type = NLA_U16 },
};

static const struct nla_policy pasid_policy[] = {
	[VTDPASID_A_PASID_PASID] = { .type = NLA_U32 },
};

static const struct nla_policy binding_policy[] = {
	[VTDPASID_A_BINDING_SEGMENT] = { .type = NLA_U16 },
	[VTDPASID_A_BINDING_RID] = { .type = NLA_U16 },
	[VTDPASID_A_BINDING_PASID] = { .type = NLA_U32 },
};

#define NL_OP(_NAME, _policy, _maxattr) {				\
	.cmd = VTDPASID_NL_CMD_##_NAME##_GET,				\
	.flags = GENL_ADMIN_PERM,					\
	.doit = nl_get,							\
	.start = nl_dump_start,						\
	.dumpit = nl_dump,						\
	.policy = _policy,						\
	.maxattr = _maxattr,						\
}

static const struct genl_ops nl_ops[] = {
	{
		.cmd = VTDPASID_NL_CMD_INFO_GET,
		.flags = GENL_ADMIN_PERM,
		.doit = nl_get,
	},
	NL_OP(UNIT, unit_policy, ARRAY_SIZE(unit_policy) - 1),
	NL_OP(DEVICE, device_policy, ARRAY_SIZE(device_policy) - 1),
	NL_OP(PASID, pasid_policy, ARRAY_SIZE(pasid_policy) - 1),
	NL_OP(BINDING, binding_policy, ARRAY_SIZE(binding_policy) - 1),
};

static const struct genl_multicast_group nl_groups[] = {
	{
		.name = VTDPASID_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN | GENL_MCAST_CAP_SYS_ADMIN,
	},
};

/* Not in other network namespaces: what it shows is the machine's. */
static struct genl_family nl_family __ro_after_init = {
	.name = VTDPASID_FAMILY_NAME,
	.version = VTDPASID_FAMILY_VERSION,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = nl_ops,
	.n_ops = ARRAY_SIZE(nl_ops),
	.mcgrps = nl_groups,
	.n_mcgrps = ARRAY_SIZE(nl_groups),
};

int vtdp_netlink_init(void)
{
	return genl_register_family(&nl_family);
}

/* Whoever listens gets what is on its way; no more events come. */
void vtdp_netlink_exit(void)
{
	flush_work(&events_work);
	genl_unregister_family(&nl_family);
}
