/* SPDX-License-Identifier: GPL-2.0-only */
/* objects: devices and bindings, as several commands print them */
#ifndef CLI_OBJECTS_H
#define CLI_OBJECTS_H

#include "nl.h"

/* Into an open array. */
void print_device(const struct nl_device *device);
void print_binding(const struct nl_binding *binding);

static inline struct vtdp_function device_function(const struct nl_device *d)
{
	return (struct vtdp_function){ d->segment, d->rid };
}

static inline struct vtdp_function binding_function(const struct nl_binding *b)
{
	return (struct vtdp_function){ b->segment, b->rid };
}

static inline bool same_function(struct vtdp_function a, struct vtdp_function b)
{
	return a.segment == b.segment && a.rid == b.rid;
}

#endif
