// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_netlink.c - the generic-netlink family: what it lists is what the ioctls
 * say, what happens is told once, and nobody is told who may not know
 */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "../../include/uapi/vtdpasid_netlink.h"
#include "svalib.h"

#define MS	8000

/* ---- a client ---------------------------------------------------------------- */

#define ATTRS	32

/* A message: numbers and texts by attribute. */
struct object {
	uint8_t cmd;
	uint16_t flags;
	uint64_t num[ATTRS];
	char text[ATTRS][96];
	uint32_t have;		/* bit for each attribute that is there */
};

struct nl {
	int fd;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char buf[32768];
	size_t len, pos;
	unsigned int parts;	/* so often something came */
	char msg[160];		/* of the kernel, with the last error */
	bool intr;		/* a message said NLM_F_DUMP_INTR */
};

static bool has(const struct object *o, int attr)
{
	return o->have & 1U << attr;
}

static void parse_attrs(const char *p, size_t len, struct object *o)
{
	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		unsigned int type = a->nla_type & NLA_TYPE_MASK;
		size_t size = a->nla_len - NLA_HDRLEN;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			fatal("netlink: attribute %u of %u bytes in %zu", type, a->nla_len, len);
		if (type < ATTRS) {
			o->have |= 1U << type;
			memcpy(&o->num[type], p + NLA_HDRLEN, size < 8 ? size : 8);
			snprintf(o->text[type], sizeof(o->text[type]), "%.*s", (int)size,
				 p + NLA_HDRLEN);
		}
		if ((size_t)NLA_ALIGN(a->nla_len) >= len)
			break;
		len -= NLA_ALIGN(a->nla_len);
		p += NLA_ALIGN(a->nla_len);
	}
}

/* What the kernel says with an error: NLMSGERR_ATTR_MSG. */
static void parse_ext_ack(struct nl *nl, const struct nlmsghdr *h, size_t fixed)
{
	struct object o = { 0 };

	nl->msg[0] = 0;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || h->nlmsg_len <= NLMSG_LENGTH(fixed))
		return;
	parse_attrs((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed),
		    h->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(fixed)), &o);
	snprintf(nl->msg, sizeof(nl->msg), "%s", o.text[NLMSGERR_ATTR_MSG]);
}

/* A request with up to three attributes of @size[i] bytes. */
struct arg {
	int attr;
	int size;
	uint64_t value;
};

static int nl_send(struct nl *nl, uint16_t family, uint8_t cmd, uint16_t flags,
		   const struct arg *args, int n)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		char attrs[128];
	} m = {
		.h = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST | flags,
		       .nlmsg_seq = ++nl->seq },
		.g = { .cmd = cmd, .version = 1 },
	};
	size_t len = 0;
	int i;

	for (i = 0; i < n; i++) {
		struct nlattr *a = (void *)(m.attrs + len);

		a->nla_type = args[i].attr;
		a->nla_len = NLA_HDRLEN + args[i].size;
		memcpy(a + 1, &args[i].value, args[i].size < 8 ? args[i].size : 8);
		len += NLA_ALIGN(a->nla_len);
	}
	m.h.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + len;
	return send(nl->fd, &m, m.h.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* Another datagram: 0, -ETIMEDOUT, or -errno. */
static int nl_fill(struct nl *nl, int timeout_ms)
{
	struct pollfd p = { .fd = nl->fd, .events = POLLIN };
	ssize_t n;

	nl->len = nl->pos = 0;
	if (poll(&p, 1, timeout_ms) != 1)
		return -ETIMEDOUT;
	n = recv(nl->fd, nl->buf, sizeof(nl->buf), 0);
	if (n < 0)
		return -errno;
	nl->len = n;
	nl->parts++;
	return 0;
}

/* The next message: 1 an object, 0 the end of the answer, or -errno. */
static int nl_next(struct nl *nl, struct object *o, int timeout_ms)
{
	const struct nlmsghdr *h;
	const struct nlmsgerr *e;
	const struct genlmsghdr *g;
	int rc;

	if (nl->pos >= nl->len) {
		rc = nl_fill(nl, timeout_ms);
		if (rc)
			return rc;
	}
	h = (const void *)(nl->buf + nl->pos);
	nl->pos += NLMSG_ALIGN(h->nlmsg_len);
	nl->intr |= !!(h->nlmsg_flags & NLM_F_DUMP_INTR);
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
		e = NLMSG_DATA(h);
		parse_ext_ack(nl, h, sizeof(*e));
		return e->error;
	case NLMSG_DONE:
		rc = *(const int *)NLMSG_DATA(h);
		parse_ext_ack(nl, h, sizeof(rc));
		return rc;
	}
	g = NLMSG_DATA(h);
	memset(o, 0, sizeof(*o));
	o->cmd = g->cmd;
	o->flags = h->nlmsg_flags;
	parse_attrs((const char *)g + GENL_HDRLEN, h->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), o);
	return 1;
}

/* Group id out of nested attributes: there is one group, and it comes last. */
static uint32_t find_group(const struct nl *nl)
{
	const uint32_t *p = (const void *)nl->buf;
	uint32_t id = 0;
	size_t i;

	/* CTRL_ATTR_MCAST_GRP_ID: length 8, type 2, then the number */
	for (i = 0; i + 1 < nl->len / 4; i++)
		if (p[i] == (CTRL_ATTR_MCAST_GRP_ID << 16 | 8))
			id = p[i + 1];
	return id;
}

/* -ENOENT when there is no such family. */
static int nl_open(struct nl *nl)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	struct object o;
	int one = 1, rc;
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		struct nlattr a;
		char name[12];
	} m = {
		.h = { .nlmsg_len = sizeof(m), .nlmsg_type = GENL_ID_CTRL,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.g = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
		.a = { .nla_len = NLA_HDRLEN + sizeof(VTDPASID_FAMILY_NAME), .nla_type = CTRL_ATTR_FAMILY_NAME },
		.name = VTDPASID_FAMILY_NAME,
	};

	memset(nl, 0, sizeof(*nl));
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0 || bind(nl->fd, (void *)&addr, sizeof(addr)))
		fatal("netlink socket: %s", strerror(errno));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (send(nl->fd, &m, sizeof(m), 0) < 0)
		fatal("netlink: %s", strerror(errno));
	rc = nl_next(nl, &o, MS);
	if (rc == 1) {
		nl->family = o.num[CTRL_ATTR_FAMILY_ID];
		nl->group = find_group(nl);
		rc = nl_next(nl, &o, MS);
	}
	return rc;
}

static void must_nl_open(struct nl *nl)
{
	int rc = nl_open(nl);

	if (rc || !nl->family || !nl->group)
		fatal("family: %s, %u, group %u", strerror(-rc), nl->family, nl->group);
}

static int nl_join(struct nl *nl)
{
	return setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nl->group,
			  sizeof(nl->group)) ? -errno : 0;
}

static void nl_close(struct nl *nl)
{
	close(nl->fd);
}

/* One object: 0, or -errno. */
static int nl_get(struct nl *nl, uint8_t cmd, const struct arg *args, int n, struct object *o)
{
	struct object end;
	int rc = nl_send(nl, nl->family, cmd, NLM_F_ACK, args, n);

	if (!rc)
		rc = nl_next(nl, o, MS);
	if (rc == 1)
		rc = nl_next(nl, &end, MS);
	return rc;
}

/* All objects: how many, or -errno. */
static int nl_list(struct nl *nl, uint8_t cmd, struct object *o, int max)
{
	struct object drop;
	int rc = nl_send(nl, nl->family, cmd, NLM_F_DUMP, NULL, 0), n = 0;

	nl->intr = false;
	while (!rc && (rc = nl_next(nl, n < max ? &o[n] : &drop, MS)) == 1) {
		n++;
		rc = 0;
	}
	return rc < 0 ? rc : n;
}

/* ---- what all tests share ------------------------------------------------------ */

static struct nl cli, mon;
static struct bed bed;
static struct svat *dev;
static uint64_t last_seq;

/* The next event is of this type, and its number the next. */
static bool event_is(struct object *o, unsigned int type, const char *what)
{
	int rc = nl_next(&mon, o, MS);
	bool ok;

	if (rc != 1)
		return tap_fail("%s: an event (%s)", what, strerror(-rc));
	ok = o->cmd == VTDPASID_NL_CMD_EVENT && o->num[VTDPASID_A_EVENT_TYPE] == type &&
	     (!last_seq || o->num[VTDPASID_A_EVENT_SEQ] == last_seq + 1);
	tap_ok(ok, "%s: event of type %u, and no other before (type %llu, number %llu after %llu)",
	       what, type, (long long)o->num[VTDPASID_A_EVENT_TYPE],
	       (long long)o->num[VTDPASID_A_EVENT_SEQ], (long long)last_seq);
	last_seq = o->num[VTDPASID_A_EVENT_SEQ];
	return ok;
}

static void no_event(const char *what)
{
	struct object o;
	int rc = nl_next(&mon, &o, 50);

	tap_is(rc, -ETIMEDOUT, "%s: no more events (type %llu)", what,
	       rc == 1 ? (long long)o.num[VTDPASID_A_EVENT_TYPE] : 0);
}

static void event_device_is(const struct object *o, int i, const char *what)
{
	tap_ok(has(o, VTDPASID_A_EVENT_RID) && o->num[VTDPASID_A_EVENT_RID] == bed.dev[i].func.rid &&
	       o->num[VTDPASID_A_EVENT_SEGMENT] == 0 && o->num[VTDPASID_A_EVENT_UNIT] == 0 &&
	       o->num[VTDPASID_A_EVENT_DEVICE_ID] == bed.id[i] &&
	       o->num[VTDPASID_A_EVENT_CLIENT],
	       "%s: names the function, its unit, file and id", what);
}

static void event_binding_is(const struct object *o, uint32_t binding, uint32_t pasid, pid_t pid,
			     const char *what)
{
	tap_is(o->num[VTDPASID_A_EVENT_BINDING_ID], binding, "%s: the binding's id", what);
	tap_is(o->num[VTDPASID_A_EVENT_PASID], pasid, "%s: its PASID", what);
	tap_is(o->num[VTDPASID_A_EVENT_PID], pid, "%s: its process", what);
	tap_ok(!strcmp(o->text[VTDPASID_A_EVENT_COMM], "x_netlink"), "%s: its name (%s)", what,
	       o->text[VTDPASID_A_EVENT_COMM]);
}

/* ---- who may look --------------------------------------------------------------- */

static int drop_caps(uint32_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective &= ~caps;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

struct tries {
	int drop, resolve, info, list, join;
	char msg[160];
};

/* @arg: capabilities to go without, or 0: be somebody else. */
static int stranger(int sock, void *arg)
{
	uint32_t caps = (uintptr_t)arg;
	struct tries t = { 0 };
	struct object o;
	struct nl nl;

	if (caps)
		t.drop = drop_caps(caps);
	else if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		t.drop = -errno;
	t.resolve = nl_open(&nl);
	t.info = nl_get(&nl, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &o);
	memcpy(t.msg, nl.msg, sizeof(t.msg));
	t.list = nl_list(&nl, VTDPASID_NL_CMD_BINDING_GET, &o, 1);
	t.join = nl_join(&nl);
	msg_send(sock, &t, sizeof(t));
	return 0;
}

static void test_rights(void)
{
	static const struct {
		const char *who;
		uint32_t caps;
		bool text;
	} cases[] = {
		{ "somebody else", 0, false },
		{ "without CAP_NET_ADMIN", 1U << CAP_NET_ADMIN, false },
		{ "without CAP_SYS_ADMIN", 1U << CAP_SYS_ADMIN, true },
	};
	struct child child;
	struct tries t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (child_start(&child, stranger, (void *)(uintptr_t)cases[i].caps) ||
		    msg_recv(child.sock, &t, sizeof(t), MS) != sizeof(t) || t.drop)
			fatal("a child %s", cases[i].who);
		child_wait(&child, MS);
		tap_is(t.resolve, 0, "%s: sees that there is such a family", cases[i].who);
		tap_is(t.info, -EPERM, "%s: may not ask", cases[i].who);
		tap_is(t.list, -EPERM, "%s: may not list", cases[i].who);
		tap_is(t.join, -EPERM, "%s: may not listen", cases[i].who);
		if (cases[i].text)
			tap_ok(strstr(t.msg, "CAP_SYS_ADMIN"), "%s: is told why (%s)",
			       cases[i].who, t.msg);
	}
}

/* ---- what there is --------------------------------------------------------------- */

static void test_info(void)
{
	struct vtdpasid_get_info info;
	int fd = must_open(), rc;
	struct object o;

	if (vt_get_info(fd, &info))
		fatal("GET_INFO");
	rc = nl_get(&cli, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &o);
	tap_is(rc, 0, "info: an answer");
	tap_ok(o.num[VTDPASID_A_INFO_UNITS] == info.out_units &&
	       o.num[VTDPASID_A_INFO_TABLE_LAYOUT] == info.out_pasid_table &&
	       o.num[VTDPASID_A_INFO_PASID_MAX] == info.out_pasid_max &&
	       o.num[VTDPASID_A_INFO_PASID_FIRST] == info.out_pasid_first,
	       "info: as GET_INFO says");
	tap_ok(strchr(o.text[VTDPASID_A_INFO_VERSION], '.'), "info: version %s",
	       o.text[VTDPASID_A_INFO_VERSION]);
	tap_is(o.num[VTDPASID_A_INFO_EVENTS_DROPPED], 0, "info: no event was dropped");
	close(fd);
}

static void unit_is(const struct object *o, const char *what)
{
	int fd = must_open();
	struct vtdpasid_unit_info u;

	if (vt_unit_info(fd, 0, &u))
		fatal("UNIT_INFO");
	close(fd);
	tap_ok(o->num[VTDPASID_A_UNIT_INDEX] == 0 &&
	       o->num[VTDPASID_A_UNIT_SEGMENT] == u.out_segment &&
	       o->num[VTDPASID_A_UNIT_REG_BASE] == u.out_reg_base &&
	       o->num[VTDPASID_A_UNIT_CAP] == u.out_cap &&
	       o->num[VTDPASID_A_UNIT_ECAP] == u.out_ecap && u.out_cap && u.out_ecap,
	       "%s: what it is, as UNIT_INFO says", what);
	tap_ok(o->num[VTDPASID_A_UNIT_STATE] == u.out_state &&
	       o->num[VTDPASID_A_UNIT_GSTS] == u.out_gsts &&
	       o->num[VTDPASID_A_UNIT_DEVICES] == u.out_devices,
	       "%s: its state (%u, %u functions)", what, u.out_state, u.out_devices);
	tap_ok(o->num[VTDPASID_A_UNIT_FAULTS] == u.out_faults &&
	       o->num[VTDPASID_A_UNIT_DOORBELLS] == u.out_doorbells &&
	       o->num[VTDPASID_A_UNIT_DESCRIPTORS] == u.out_descriptors &&
	       o->num[VTDPASID_A_UNIT_REQUESTS] == u.out_requests &&
	       o->num[VTDPASID_A_UNIT_OVERFLOWS] == u.out_overflows,
	       "%s: its counters (%llu faults, %llu descriptors)", what,
	       u.out_faults, u.out_descriptors);
	/* The module is loaded anew for each program. */
	tap_ok(has(o, VTDPASID_A_UNIT_LAST_FAULT_TIME) == !!u.out_faults &&
	       has(o, VTDPASID_A_UNIT_LAST_FAULT_ADDR) == !!u.out_faults,
	       "%s: a last fault, if there was one", what);
}

/* @ev is the last fault. */
static void last_fault_is(const struct vtdpasid_event *ev, const char *what)
{
	struct object o;

	tap_is(nl_list(&cli, VTDPASID_NL_CMD_UNIT_GET, &o, 1), 1, "%s: one unit", what);
	tap_ok(o.num[VTDPASID_A_UNIT_LAST_FAULT_TIME] == ev->time &&
	       o.num[VTDPASID_A_UNIT_LAST_FAULT_RID] == ev->rid &&
	       o.num[VTDPASID_A_UNIT_LAST_FAULT_PASID] == ev->pasid &&
	       o.num[VTDPASID_A_UNIT_LAST_FAULT_FLAGS] == ev->flags &&
	       o.num[VTDPASID_A_UNIT_LAST_FAULT_REASON] == ev->reason &&
	       o.num[VTDPASID_A_UNIT_LAST_FAULT_ADDR] == ev->addr,
	       "%s: it is the unit's last one", what);
}

static void device_is(const struct object *o, int i, const char *what)
{
	struct vtdpasid_device_info d;

	if (vt_device_info(bed.fd, bed.id[i], &d))
		fatal("DEVICE_INFO");
	tap_ok(o->num[VTDPASID_A_DEVICE_SEGMENT] == d.out_segment &&
	       o->num[VTDPASID_A_DEVICE_RID] == d.out_rid &&
	       o->num[VTDPASID_A_DEVICE_UNIT] == d.out_unit &&
	       o->num[VTDPASID_A_DEVICE_STATE] == d.out_state &&
	       o->num[VTDPASID_A_DEVICE_PASID_MAX] == d.out_pasid_max &&
	       o->num[VTDPASID_A_DEVICE_BINDINGS] == d.out_bindings &&
	       o->num[VTDPASID_A_DEVICE_DIR_ENTRIES] == d.out_dir_entries &&
	       o->num[VTDPASID_A_DEVICE_LEAVES] == d.out_leaves,
	       "%s: what it is, as DEVICE_INFO says (%u bindings)", what, d.out_bindings);
	tap_ok(o->num[VTDPASID_A_DEVICE_FAULTS] == d.out_faults &&
	       o->num[VTDPASID_A_DEVICE_REQUESTS] == d.out_requests &&
	       o->num[VTDPASID_A_DEVICE_REQUESTS_FAILED] == d.out_requests_failed,
	       "%s: its counters (%llu faults, %llu requests, %llu failed)", what, d.out_faults,
	       d.out_requests, d.out_requests_failed);
	tap_ok(o->num[VTDPASID_A_DEVICE_CLIENT_PID] == (uint64_t)getpid() &&
	       !strcmp(o->text[VTDPASID_A_DEVICE_CLIENT_COMM], "x_netlink") &&
	       o->num[VTDPASID_A_DEVICE_DEVICE_ID] == bed.id[i] &&
	       o->num[VTDPASID_A_DEVICE_CLIENT],
	       "%s: whose it is", what);
}

static void binding_is(const struct object *o, int i, uint32_t binding, pid_t pid, const char *what)
{
	struct vtdpasid_binding_info b;

	if (vt_binding_info(bed.fd, binding, &b))
		fatal("BINDING_INFO");
	tap_ok(o->num[VTDPASID_A_BINDING_RID] == bed.dev[i].func.rid &&
	       o->num[VTDPASID_A_BINDING_DEVICE_ID] == b.out_device &&
	       o->num[VTDPASID_A_BINDING_BINDING_ID] == binding &&
	       o->num[VTDPASID_A_BINDING_PASID] == b.out_pasid &&
	       o->num[VTDPASID_A_BINDING_LIVE] == b.out_live &&
	       o->num[VTDPASID_A_BINDING_DOMAIN_ID] && !o->num[VTDPASID_A_BINDING_UNIT],
	       "%s: what it is, as BINDING_INFO says (live %u)", what, b.out_live);
	tap_ok(o->num[VTDPASID_A_BINDING_FAULTS] == b.out_faults &&
	       o->num[VTDPASID_A_BINDING_REQUESTS] == b.out_requests &&
	       o->num[VTDPASID_A_BINDING_REQUESTS_FAILED] == b.out_requests_failed &&
	       o->num[VTDPASID_A_BINDING_PINNED] == b.out_pinned,
	       "%s: its counters (%llu faults, %llu requests, %llu failed, %llu pinned)", what,
	       b.out_faults, b.out_requests, b.out_requests_failed, b.out_pinned);
	tap_ok(o->num[VTDPASID_A_BINDING_PID] == (uint64_t)pid &&
	       !strcmp(o->text[VTDPASID_A_BINDING_COMM], "x_netlink"), "%s: whose it is", what);
}

/* All of them, by dump and one by one. */
static void test_lists(uint32_t binding, uint32_t pasid, const char *what)
{
	struct arg by_index = { VTDPASID_A_UNIT_INDEX, 4, 0 };
	struct arg key[] = {
		{ VTDPASID_A_BINDING_SEGMENT, 2, 0 },
		{ VTDPASID_A_BINDING_RID, 2, dev->func.rid },
		{ VTDPASID_A_BINDING_PASID, 4, pasid },
	};
	struct arg by_number = { VTDPASID_A_PASID_PASID, 4, pasid };
	struct object o[8];
	int i, n;

	tap_is(nl_list(&cli, VTDPASID_NL_CMD_UNIT_GET, o, 8), 1, "%s: one unit", what);
	unit_is(&o[0], what);
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_UNIT_GET, &by_index, 1, o), 0, "%s: by index", what);
	unit_is(&o[0], what);

	n = nl_list(&cli, VTDPASID_NL_CMD_DEVICE_GET, o, 8);
	tap_is(n, bed.n, "%s: all functions", what);
	for (i = 0; i < bed.n && i < n; i++)
		device_is(&o[i], i, what);
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_DEVICE_GET, key, 2, o), 0, "%s: by rid", what);
	device_is(&o[0], 0, what);

	tap_is(nl_list(&cli, VTDPASID_NL_CMD_BINDING_GET, o, 8), 1, "%s: one binding", what);
	binding_is(&o[0], 0, binding, getpid(), what);
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_BINDING_GET, key, 3, o), 0, "%s: by rid and PASID", what);
	binding_is(&o[0], 0, binding, getpid(), what);

	tap_is(nl_list(&cli, VTDPASID_NL_CMD_PASID_GET, o, 8), 1, "%s: one PASID", what);
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_PASID_GET, &by_number, 1, &o[1]), 0, "%s: by number", what);
	for (i = 0; i < 2; i++)
		tap_ok(o[i].num[VTDPASID_A_PASID_PASID] == pasid &&
		       o[i].num[VTDPASID_A_PASID_STATE] == VTDPASID_PASID_STATE_OWNED &&
		       o[i].num[VTDPASID_A_PASID_UID] == 0 &&
		       o[i].num[VTDPASID_A_PASID_PID] == (uint64_t)getpid() &&
		       !strcmp(o[i].text[VTDPASID_A_PASID_COMM], "x_netlink") &&
		       o[i].num[VTDPASID_A_PASID_LIVE] == 1 &&
		       o[i].num[VTDPASID_A_PASID_HOLDS] == 1 &&
		       o[i].num[VTDPASID_A_PASID_BINDINGS] == 1, "%s: the PASID is ours", what);
}

/* ---- what is refused ---------------------------------------------------------------- */

static void refused(int rc, int want, const char *text, const char *what)
{
	tap_is(rc, -want, "%s: %s", what, strerror(want));
	tap_ok(strstr(cli.msg, text), "%s: is told why (%s)", what, cli.msg);
}

/* 6.1 has no place for an explanation when a list is refused. */
static bool dumps_explain(void)
{
	struct utsname u;

	return uname(&u) || strncmp(u.release, "6.1.", 4);
}

static void test_refusals(void)
{
	const struct arg unit = { VTDPASID_A_UNIT_INDEX, 4, 77 };
	const struct arg key[] = {
		{ VTDPASID_A_BINDING_SEGMENT, 2, 0 },
		{ VTDPASID_A_BINDING_RID, 2, dev->func.rid },
		{ VTDPASID_A_BINDING_PASID, 4, 0x4444 },
	};
	const struct arg nobody[] = { key[0], { VTDPASID_A_DEVICE_RID, 2, 0xfff8 } };
	const struct arg segment[] = { { VTDPASID_A_DEVICE_SEGMENT, 2, 9 }, key[1] };
	const struct arg pasid = { VTDPASID_A_PASID_PASID, 4, 0x4444 };
	const struct arg unknown = { 30, 4, 1 }, narrow = { VTDPASID_A_UNIT_INDEX, 2, 0 };
	struct object o;
	int rc;

	refused(nl_get(&cli, VTDPASID_NL_CMD_UNIT_GET, &unit, 1, &o), ENOENT, "no unit",
		"a unit that is not there");
	refused(nl_get(&cli, VTDPASID_NL_CMD_DEVICE_GET, nobody, 2, &o), ENOENT, "attached",
		"a function that is not attached");
	refused(nl_get(&cli, VTDPASID_NL_CMD_DEVICE_GET, segment, 2, &o), ENOENT, "attached",
		"a segment that is not there");
	refused(nl_get(&cli, VTDPASID_NL_CMD_BINDING_GET, key, 3, &o), ENOENT, "no binding",
		"a binding that is not there");
	refused(nl_get(&cli, VTDPASID_NL_CMD_BINDING_GET, nobody, 2, &o), ENOENT, "attached",
		"a binding of a function that is not attached");
	refused(nl_get(&cli, VTDPASID_NL_CMD_PASID_GET, &pasid, 1, &o), ENOENT, "never",
		"a PASID that was never given out");

	refused(nl_get(&cli, VTDPASID_NL_CMD_UNIT_GET, NULL, 0, &o), EINVAL, "index",
		"a unit without index");
	refused(nl_get(&cli, VTDPASID_NL_CMD_DEVICE_GET, key, 1, &o), EINVAL, "rid",
		"a function without rid");
	refused(nl_get(&cli, VTDPASID_NL_CMD_DEVICE_GET, key + 1, 1, &o), EINVAL, "segment",
		"a function without segment");
	refused(nl_get(&cli, VTDPASID_NL_CMD_BINDING_GET, key, 2, &o), EINVAL, "pasid",
		"a binding without PASID");
	refused(nl_get(&cli, VTDPASID_NL_CMD_PASID_GET, NULL, 0, &o), EINVAL, "number",
		"a PASID without number");

	refused(nl_get(&cli, VTDPASID_NL_CMD_UNIT_GET, &unknown, 1, &o), EINVAL, "nknown attribute",
		"an attribute that is not there");
	refused(nl_get(&cli, VTDPASID_NL_CMD_INFO_GET, &unit, 1, &o), EINVAL, "nknown attribute",
		"an attribute where none is taken");
	refused(nl_get(&cli, VTDPASID_NL_CMD_UNIT_GET, &narrow, 1, &o), EINVAL, "length",
		"an attribute that is too short");
	rc = nl_send(&cli, cli.family, VTDPASID_NL_CMD_UNIT_GET, NLM_F_DUMP, &unit, 1) ?:
		nl_next(&cli, &o, MS);
	if (dumps_explain())
		refused(rc, EINVAL, "takes no attributes", "a list with an attribute");
	else
		tap_is(rc, -EINVAL, "a list with an attribute");
	tap_is(nl_list(&cli, VTDPASID_NL_CMD_INFO_GET, &o, 1), -EOPNOTSUPP, "a list of infos");
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_EVENT, NULL, 0, &o), -EOPNOTSUPP, "an event on request");
}

/* ---- what happens ---------------------------------------------------------------------- */

static void test_start(uint32_t *binding, uint32_t *pasid)
{
	struct object o;
	int i;

	tap_is(nl_list(&cli, VTDPASID_NL_CMD_UNIT_GET, &o, 1), 1, "before: one unit");
	unit_is(&o, "before");
	tap_is(nl_list(&cli, VTDPASID_NL_CMD_DEVICE_GET, &o, 1), 0, "before: no function");
	tap_is(nl_list(&cli, VTDPASID_NL_CMD_BINDING_GET, &o, 1), 0, "before: no binding");
	tap_is(nl_list(&cli, VTDPASID_NL_CMD_PASID_GET, &o, 1), 0, "before: no PASID");

	bed_open_flags(&bed, 2, 2, ATS | PRI);
	dev = &bed.dev[0];
	event_is(&o, VTDPASID_EVENT_TAKEOVER, "takeover");
	tap_ok(!o.num[VTDPASID_A_EVENT_UNIT] && !has(&o, VTDPASID_A_EVENT_RID) &&
	       !has(&o, VTDPASID_A_EVENT_PASID) && !has(&o, VTDPASID_A_EVENT_CLIENT),
	       "takeover: of unit 0, and of no function");
	for (i = 0; i < bed.n; i++) {
		event_is(&o, VTDPASID_EVENT_ATTACH, "attach");
		event_device_is(&o, i, "attach");
	}
	if (vt_bind(bed.fd, bed.id[0], 0, 0, binding, pasid))
		fatal("bind");
	event_is(&o, VTDPASID_EVENT_BIND, "bind");
	event_device_is(&o, 0, "bind");
	event_binding_is(&o, *binding, *pasid, getpid(), "bind");
	no_event("bind");
}

/* A fault, as the file and as netlink tell it. */
static void test_fault(uint32_t binding, uint32_t pasid)
{
	volatile uint64_t *hole = must_map_fresh(PAGE, PROT_NONE);
	struct vtdpasid_event ev;
	struct object o;

	if (!tap_is(svat_fault(bed.fd, dev, 0, pasid, (uintptr_t)hole, true, &ev), 0, "a fault"))
		return;
	event_is(&o, VTDPASID_EVENT_FAULT, "fault");
	event_device_is(&o, 0, "fault");
	event_binding_is(&o, binding, pasid, getpid(), "fault");
	tap_ok(o.num[VTDPASID_A_EVENT_TIME] == ev.time && o.num[VTDPASID_A_EVENT_ADDR] == ev.addr &&
	       o.num[VTDPASID_A_EVENT_FLAGS] == ev.flags && o.num[VTDPASID_A_EVENT_REASON] == ev.reason,
	       "fault: time, address, flags and reason as the file has them");
	tap_ok(strstr(o.text[VTDPASID_A_EVENT_REASON_TEXT], "not present"), "fault: in words (%s)",
	       o.text[VTDPASID_A_EVENT_REASON_TEXT]);

	/* An unknown PASID: of the function, of no binding. */
	last_fault_is(&ev, "fault");
	if (!tap_is(svat_fault(bed.fd, dev, 0, 0x777, 0x1000, false, &ev), 0, "another fault"))
		return;
	event_is(&o, VTDPASID_EVENT_FAULT, "fault of a PASID that is not bound");
	event_device_is(&o, 0, "fault of a PASID that is not bound");
	/* QEMU does not record every PASID. */
	tap_ok(has(&o, VTDPASID_A_EVENT_PASID) == !!(ev.flags & VTDPASID_EVENT_PASID) &&
	       o.num[VTDPASID_A_EVENT_PASID] == ev.pasid && !has(&o, VTDPASID_A_EVENT_BINDING_ID) &&
	       !has(&o, VTDPASID_A_EVENT_PID), "fault of a PASID that is not bound: no process");
	last_fault_is(&ev, "fault of a PASID that is not bound");
	no_event("faults");
}

static void test_page_request(uint32_t binding, uint32_t pasid)
{
	volatile uint64_t *hole = must_map_fresh(PAGE, PROT_NONE);
	struct vtdpasid_event ev;
	struct object o;

	sva_write64(dev, 0, pasid, SVAT_F_PRI, hole, 1);
	if (vt_event_of(bed.fd, VTDPASID_EVENT_PRQ_FAILED, -1, 0, &ev, MS))
		fatal("no event of the page request");
	event_is(&o, VTDPASID_EVENT_PRQ_FAILED, "page request");
	event_device_is(&o, 0, "page request");
	event_binding_is(&o, binding, pasid, getpid(), "page request");
	tap_ok(o.num[VTDPASID_A_EVENT_TIME] == ev.time && o.num[VTDPASID_A_EVENT_ADDR] == ev.addr &&
	       ev.addr == (uintptr_t)hole && o.num[VTDPASID_A_EVENT_FLAGS] == ev.flags &&
	       ev.flags & VTDPASID_EVENT_WRITE && !has(&o, VTDPASID_A_EVENT_REASON),
	       "page request: time, address and flags as the file has them");
	no_event("page request");
}

static void test_dma(uint32_t pasid)
{
	uint64_t *page = must_map(PAGE), v = 0;

	page[0] = 4711;
	tap_ok(sva_read64(dev, 0, pasid, SVAT_F_PRI, page, &v) == SVAT_ST_OK && v == 4711,
	       "DMA of what is present");
	munmap(page, PAGE);
	no_event("DMA");
}

struct bound {
	int rc;
	uint32_t binding, pasid;
};

static int mortal(int sock, void *arg)
{
	struct bound b;
	char go;

	b.rc = vt_bind(bed.fd, bed.id[0], 0, 0, &b.binding, &b.pasid);
	msg_send(sock, &b, sizeof(b));
	return arg || msg_recv(sock, &go, 1, MS) != 1;
}

static void test_end_of_process(void)
{
	struct arg key[] = {
		{ VTDPASID_A_BINDING_SEGMENT, 2, 0 },
		{ VTDPASID_A_BINDING_RID, 2, dev->func.rid },
		{ VTDPASID_A_BINDING_PASID, 4, 0 },
	};
	struct arg number = { VTDPASID_A_PASID_PASID, 4, 0 };
	struct child child;
	struct object o;
	struct bound b;
	pid_t pid;

	if (child_start(&child, mortal, NULL) || msg_recv(child.sock, &b, sizeof(b), MS) != sizeof(b) ||
	    b.rc)
		fatal("a child that binds");
	pid = child.pid;
	event_is(&o, VTDPASID_EVENT_BIND, "a child's bind");
	event_binding_is(&o, b.binding, b.pasid, pid, "a child's bind");
	msg_send(child.sock, "", 1);
	child_wait(&child, MS);
	event_is(&o, VTDPASID_EVENT_MM_GONE, "its end");
	event_device_is(&o, 0, "its end");
	event_binding_is(&o, b.binding, b.pasid, pid, "its end");

	key[2].value = number.value = b.pasid;
	tap_is(nl_get(&cli, VTDPASID_NL_CMD_BINDING_GET, key, 3, &o), 0, "the binding is there yet");
	binding_is(&o, 0, b.binding, pid, "after the end");
	nl_get(&cli, VTDPASID_NL_CMD_PASID_GET, &number, 1, &o);
	tap_ok(has(&o, VTDPASID_A_PASID_LIVE) && !o.num[VTDPASID_A_PASID_LIVE] &&
	       o.num[VTDPASID_A_PASID_PID] == (uint64_t)pid, "after the end: so is its PASID, dead");
	tap_is(vt_unbind(bed.fd, b.binding), 0, "unbind");
	event_is(&o, VTDPASID_EVENT_UNBIND, "unbind");
	event_binding_is(&o, b.binding, b.pasid, pid, "unbind");
	tap_is(vt_pasid_free(bed.fd, b.pasid), 0, "free its PASID");
	nl_get(&cli, VTDPASID_NL_CMD_PASID_GET, &number, 1, &o);
	tap_ok(o.num[VTDPASID_A_PASID_STATE] == VTDPASID_PASID_STATE_QUARANTINE &&
	       !has(&o, VTDPASID_A_PASID_PID) && !has(&o, VTDPASID_A_PASID_UID),
	       "the PASID is in quarantine, and nobody's");
	no_event("the end of a process");
}

/* More bindings than the first part of a list has room for (4 KiB). */
#define BINDINGS	40

static void test_long_list(void)
{
	static struct object o[BINDINGS + 8];
	static struct bound b[BINDINGS];
	static struct nl fresh;
	unsigned int i, k, once = 0;
	struct child child;
	int n;

	for (i = 0; i < BINDINGS; i++) {
		if (child_start(&child, mortal, (void *)1) ||
		    msg_recv(child.sock, &b[i], sizeof(b[i]), MS) != sizeof(b[i]) || b[i].rc)
			fatal("a child that binds");
		child_wait(&child, MS);
		event_is(o, VTDPASID_EVENT_BIND, "one of many");
		event_is(o, VTDPASID_EVENT_MM_GONE, "one of many");
	}
	/* Parts become larger when the kernel has seen a large buffer. */
	fresh.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	fresh.family = cli.family;
	n = nl_list(&fresh, VTDPASID_NL_CMD_BINDING_GET, o, ARRAY_SIZE(o));
	nl_close(&fresh);
	tap_is(n, BINDINGS + 1, "a long list of bindings");
	tap_ok(fresh.parts > 1, "comes in %u parts", fresh.parts);
	for (i = 0; i < BINDINGS; i++) {
		unsigned int found = 0;

		for (k = 0; (int)k < n; k++)
			found += o[k].num[VTDPASID_A_BINDING_PASID] == b[i].pasid;
		once += found == 1;
	}
	tap_is(once, BINDINGS, "has each binding once");
	for (i = 0; i < BINDINGS; i++) {
		if (vt_unbind(bed.fd, b[i].binding) || vt_pasid_free(bed.fd, b[i].pasid))
			fatal("UNBIND, PASID_FREE");
		event_is(o, VTDPASID_EVENT_UNBIND, "one of many");
	}
	no_event("many bindings");
}

/* ---- lists that change, and storms ------------------------------------------------------ */

/* Numbers that make more than one part, of 32 KiB at most */
#define MANY	3000

static void test_interrupted(void)
{
	static uint32_t pasid[MANY];
	int i, n = 0, rc, fd = must_open();
	struct object o;

	for (i = 0; i < MANY; i++)
		if (vt_pasid_alloc(fd, VTDPASID_PASID_RESERVE, 0, 0, &pasid[i]))
			fatal("reserve");
	rc = nl_list(&cli, VTDPASID_NL_CMD_PASID_GET, &o, 1);
	tap_ok(rc >= MANY && !cli.intr, "a list of %d PASIDs in several parts, undisturbed", rc);

	/* The first part only, and then there is one less. */
	cli.intr = false;
	nl_send(&cli, cli.family, VTDPASID_NL_CMD_PASID_GET, NLM_F_DUMP, NULL, 0);
	if (nl_fill(&cli, MS))
		fatal("the first part of a list");
	tap_is(vt_pasid_free(fd, pasid[MANY - 1]), 0, "one is freed meanwhile");
	while ((rc = nl_next(&cli, &o, MS)) == 1)
		n++;
	tap_ok(rc == 0 && n >= MANY, "the list comes to its end (%d)", n);
	tap_ok(cli.intr, "it says that it was interrupted (NLM_F_DUMP_INTR)");
	tap_ok(nl_list(&cli, VTDPASID_NL_CMD_PASID_GET, &o, 1) >= MANY && !cli.intr,
	       "asked again, it was not");
	close(fd);
}

#define STORM	150

/* The same without a line for each. */
static bool next_is(unsigned int type)
{
	struct object o;

	return nl_next(&mon, &o, MS) == 1 && o.num[VTDPASID_A_EVENT_TYPE] == type &&
	       o.num[VTDPASID_A_EVENT_SEQ] == ++last_seq;
}

static void test_storm(uint32_t pasid)
{
	struct nl small;
	struct object o, info;
	uint64_t first, seen = 0;
	uint32_t binding;
	int i, rc, bytes = 1, lost = 0;

	must_nl_open(&small);
	setsockopt(small.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	tap_is(nl_join(&small), 0, "storm: a listener with little room");
	nl_get(&cli, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &info);
	first = info.num[VTDPASID_A_INFO_EVENT_SEQ];
	for (i = 0; i < STORM; i++) {
		if (vt_bind(bed.fd, bed.id[1], 0, 0, &binding, &pasid) || vt_unbind(bed.fd, binding))
			break;
		seen += next_is(VTDPASID_EVENT_BIND) + next_is(VTDPASID_EVENT_UNBIND);
	}
	tap_is(i, STORM, "storm: nobody waits for the listener");
	nl_get(&cli, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &info);
	tap_is(info.num[VTDPASID_A_INFO_EVENT_SEQ] - first, 2 * STORM, "storm: all have a number");

	tap_is(seen, 2 * STORM, "storm: a listener with room hears each, in order");
	tap_is(info.num[VTDPASID_A_INFO_EVENTS_DROPPED], 0, "storm: the kernel dropped none");

	for (seen = 0; (rc = nl_next(&small, &o, 50)) != -ETIMEDOUT; ) {
		if (rc == -ENOBUFS)
			lost++;
		else
			seen++;
	}
	tap_ok(lost >= 1, "storm: the one without room is told so (ENOBUFS)");
	tap_ok(seen < 2 * STORM, "storm: it has heard %llu of %d", (long long)seen, 2 * STORM);
	no_event("storm");
	nl_close(&small);
}

/* ---- a unit that breaks ------------------------------------------------------------------ */

#define GCMD		0x18
#define GSTS		0x1c
#define QUEUE		(1U << 26)

/* Somebody switches the unit's queue off behind the module's back. */
static bool switch_queue_off(void)
{
	struct vtdpasid_unit_info unit;
	volatile uint32_t *regs;
	int mem;

	if (vt_unit_info(bed.fd, 0, &unit))
		fatal("UNIT_INFO");
	mem = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	regs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, unit.out_reg_base);
	close(mem);
	if (regs == MAP_FAILED)
		return false;
	/* What of the status is a command that stays: translation */
	regs[GCMD / 4] = regs[GSTS / 4] & 1U << 31;
	return !(regs[GSTS / 4] & QUEUE);
}

static void test_broken(void)
{
	struct vtdpasid_attach out;
	uint32_t binding, pasid;
	struct object o;
	void *page;

	if (vt_attach(bed.fd, &bed.dev[0].func, 0, &out) ||
	    vt_bind(bed.fd, out.out_device, 0, 0, &binding, &pasid))
		fatal("attach and bind");
	bed.id[0] = out.out_device;
	event_is(&o, VTDPASID_EVENT_ATTACH, "attach again");
	event_is(&o, VTDPASID_EVENT_BIND, "bind again");
	page = must_map(PAGE);
	if (!switch_queue_off()) {
		tap_skip(1, "/dev/mem does not give the registers (boot with iomem=relaxed)");
		return;
	}
	munmap(page, PAGE);
	event_is(&o, VTDPASID_EVENT_UNIT_BROKEN, "unit broken");
	event_device_is(&o, 0, "unit broken");
	no_event("unit broken");
	tap_is(nl_list(&cli, VTDPASID_NL_CMD_UNIT_GET, &o, 1), 1, "broken: one unit");
	tap_is(o.num[VTDPASID_A_UNIT_STATE], VTDPASID_UNIT_BROKEN, "broken: it is listed as such");
	vt_detach(bed.fd, bed.id[0]);
	event_is(&o, VTDPASID_EVENT_UNBIND, "broken: unbind");
	event_is(&o, VTDPASID_EVENT_DETACH, "broken: detach");
	tap_is(vt_handback(bed.fd, 0), 0, "broken: handback");
	event_is(&o, VTDPASID_EVENT_HANDBACK, "broken: handback");
	tap_is(vt_takeover(bed.fd, 0, &pasid), 0, "broken: takeover");
	event_is(&o, VTDPASID_EVENT_TAKEOVER, "broken: takeover");
}

/* ---- the end ------------------------------------------------------------------------------- */

static void test_end(uint32_t binding, uint32_t pasid)
{
	struct object o;
	uint64_t end;
	struct nl nl;
	int rc;

	tap_is(pci_release(&bed.dev[1].func), 0, "a function's driver is unbound");
	event_is(&o, VTDPASID_EVENT_DEVICE_GONE, "driver unbound");
	event_device_is(&o, 1, "driver unbound");
	event_is(&o, VTDPASID_EVENT_DETACH, "driver unbound");
	event_device_is(&o, 1, "driver unbound: detach");
	tap_is(vt_detach(bed.fd, bed.id[0]), 0, "detach");
	event_is(&o, VTDPASID_EVENT_UNBIND, "detach ends bindings");
	event_binding_is(&o, binding, pasid, getpid(), "detach ends bindings");
	event_is(&o, VTDPASID_EVENT_DETACH, "detach");
	event_device_is(&o, 0, "detach");
	tap_is(vt_handback(bed.fd, 0), 0, "handback");
	event_is(&o, VTDPASID_EVENT_HANDBACK, "handback");
	tap_ok(!o.num[VTDPASID_A_EVENT_UNIT] && !has(&o, VTDPASID_A_EVENT_RID), "handback: of unit 0");
	tap_is(vt_takeover(bed.fd, 0, &pasid), 0, "takeover again");
	event_is(&o, VTDPASID_EVENT_TAKEOVER, "takeover again");
	test_broken();
	svat_close(&bed.dev[0]);
	svat_close(&bed.dev[1]);
	pci_release(&bed.dev[0].func);
	close(bed.fd);

	/* A list that is not read to its end holds the module; sockets do not. */
	nl_send(&cli, cli.family, VTDPASID_NL_CMD_PASID_GET, NLM_F_DUMP, NULL, 0);
	tap_is(vt_module_unload(), -EAGAIN, "no unloading while a list is being read");
	nl_close(&cli);
	/* The kernel ends the list soon after the socket. */
	end = now_ms() + MS;
	while ((rc = vt_module_unload()) == -EAGAIN && now_ms() < end)
		sleep_ms(10);
	tap_is(rc, 0, "unloading with a listener");
	event_is(&o, VTDPASID_EVENT_HANDBACK, "unloading: the unit's handback");
	rc = nl_get(&mon, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &o);
	tap_is(rc, -ENOENT, "unloaded: the old socket finds no family");
	tap_is(nl_open(&nl), -ENOENT, "unloaded: nor does a new one");
	nl_close(&nl);
	tap_ok(!vt_loaded(), "unloaded: asking did not load it");
	tap_is(vt_module_load(""), 0, "loading again");
	must_nl_open(&nl);
	tap_is(nl_get(&nl, VTDPASID_NL_CMD_INFO_GET, NULL, 0, &o), 0, "loaded: there it is");
	nl_close(&nl);
	nl_close(&mon);
}

int main(void)
{
	uint32_t binding, pasid;
	int big = 1 << 20;

	must_nl_open(&cli);
	must_nl_open(&mon);
	setsockopt(mon.fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	tap_is(nl_join(&mon), 0, "listening");
	test_rights();
	test_info();
	test_start(&binding, &pasid);
	test_lists(binding, pasid, "bound");
	test_refusals();
	test_dma(pasid);
	test_fault(binding, pasid);
	test_page_request(binding, pasid);
	test_lists(binding, pasid, "after DMA and faults");
	test_end_of_process();
	test_long_list();
	test_interrupted();
	test_storm(pasid);
	test_end(binding, pasid);
	return tap_done();
}
