/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nl: what the module's netlink family tells, as plain structures
 *
 * docs/netlink/vtdpasid.yaml says what each member is. Functions return 0 or an
 * exit status (enum status); the error was told of then.
 */
#ifndef CLI_NL_H
#define CLI_NL_H

#include "cli.h"

#define NL_COMM	32

struct nl_info {
	uint32_t units;
	uint32_t table_layout;
	uint32_t pasid_max;
	uint32_t pasid_first;
	uint32_t generation;
	uint64_t event_seq;
	uint64_t events_dropped;
	char version[NL_COMM];
};

struct nl_unit {
	uint32_t index;
	uint16_t segment;
	uint32_t state;
	uint64_t reg_base;
	uint64_t cap;
	uint64_t ecap;
	uint32_t gsts;
	uint32_t devices;
	uint32_t fault_irq;
	uint32_t prq_irq;
	uint64_t faults;
	uint64_t doorbells;
	uint64_t descriptors;
	uint64_t requests;
	uint64_t overflows;
	uint64_t last_fault_time;	/* 0: there was none */
	uint16_t last_fault_rid;
	uint32_t last_fault_pasid;
	uint32_t last_fault_flags;
	uint32_t last_fault_reason;
	uint64_t last_fault_addr;
};

struct nl_device {
	uint16_t segment;
	uint16_t rid;
	uint32_t unit;
	uint32_t state;
	uint32_t pasid_max;
	uint32_t bindings;
	uint32_t dir_entries;
	uint32_t leaves;
	uint32_t pending;
	uint64_t faults;
	uint64_t requests;
	uint64_t requests_failed;
	uint32_t client;
	uint32_t client_pid;
	char client_comm[NL_COMM];
	uint32_t device_id;
};

struct nl_pasid {
	uint32_t pasid;
	uint32_t state;
	uint32_t uid;
	uint32_t pid;
	char comm[NL_COMM];
	uint32_t live;
	uint32_t holds;
	uint32_t bindings;
};

struct nl_binding {
	uint16_t segment;
	uint16_t rid;
	uint32_t pasid;
	uint32_t unit;
	uint32_t domain_id;
	uint32_t live;
	uint32_t pid;
	char comm[NL_COMM];
	uint64_t faults;
	uint64_t requests;
	uint64_t requests_failed;
	uint64_t pinned;
	uint32_t client;
	uint32_t device_id;
	uint32_t binding_id;
};

struct nl_event {
	uint64_t seq;
	uint32_t type;
	uint64_t time;
	uint32_t unit;
	uint16_t segment;
	uint16_t rid;
	uint32_t pasid;
	uint32_t flags;
	uint32_t reason;
	char reason_text[96];
	uint64_t addr;
	uint32_t pid;
	char comm[NL_COMM];
	uint32_t client;
	uint32_t device_id;
	uint32_t binding_id;
	bool has_function, has_pasid, has_pid;
};

/**
 * struct nl_state - all that there is at one moment
 */
struct nl_state {
	struct nl_unit *units;
	struct nl_device *devices;
	struct nl_pasid *pasids;
	struct nl_binding *bindings;
	unsigned int nr_units, nr_devices, nr_pasids, nr_bindings;
};

/* What to ask for, in netlink_state_get() */
#define NL_UNITS	(1u << 0)
#define NL_DEVICES	(1u << 1)
#define NL_PASIDS	(1u << 2)
#define NL_BINDINGS	(1u << 3)

void netlink_close(void);
int netlink_info_get(struct nl_info *info);
int netlink_state_get(struct nl_state *state, unsigned int what);
void netlink_state_free(struct nl_state *state);

/* ---- events: on a socket of its own ------------------------------------------ */

/* @room: bytes of the socket's buffer, 0 for 1 MiB. */
int netlink_events_open(unsigned int room);
int netlink_events_fd(void);
/*
 * Read what there is, without waiting: calls @seen for each event. Returns 0, 1
 * when events were dropped since the buffer was full (ENOBUFS), or -1 when an
 * error was told of.
 */
int netlink_events_read(void (*seen)(const struct nl_event *event, void *data), void *data);

#endif
