/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvtdpasid: bind address spaces to PCI devices, from C and C++
 *
 * A thin layer over the ioctls of <vtdpasid.h>, which documents what each of
 * them does. What it adds: functions are named as lspci names them, sysfs is
 * written where that is needed (claim), and an error is a sentence.
 *
 *	struct vtdp *v = vtdp_open();
 *	vtdp_takeover(v, 0);
 *	vtdp_claim("0000:00:04.0");
 *	vtdp_attach(v, "0000:00:04.0", 0, &device);
 *	vtdp_bind(v, device, 0, &binding, &pasid);
 *
 * Conventions
 * -----------
 * - Functions that return int give 0, or a negative errno, those of the ioctl
 *   among them. vtdp_error() then tells in words what failed, why, and what to
 *   do about it.
 * - vtdp_open() and vtdp_from_fd() return NULL on error; errno is set.
 * - A NULL handle is refused with -EBADF, so that calls may be chained and the
 *   last one looked at; vtdp_error() still tells of the first.
 * - A PCI function is named SEGMENT:BUS:DEVICE.FUNCTION, all hexadecimal; the
 *   segment may be left out: "0000:00:04.0", "00:04.0".
 * - A handle may be used by several threads; vtdp_error() is each thread's own.
 * - A structure that is filled in comes with its size, so that programs and
 *   library may be of different versions.
 */
#ifndef LIBVTDPASID_H
#define LIBVTDPASID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vtdpasid.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct vtdp - an open file of /dev/vtdpasid */
struct vtdp;

/* ---- errors -------------------------------------------------------------- */

/**
 * struct vtdp_problem - why the last call of this thread failed
 * @err: errno, positive; 0 when nothing failed yet
 * @what: what failed: "cannot attach 0000:00:04.0"
 * @why: why: "nothing owns the function"
 * @next: what to do about it; "" when there is nothing to recommend
 *
 * Valid until the next failing call of the same thread.
 */
struct vtdp_problem {
	int err;
	const char *what;
	const char *why;
	const char *next;
};

/** vtdp_problem() - the last failure of this thread, in parts */
const struct vtdp_problem *vtdp_problem(void);

/** vtdp_error() - the last failure of this thread as one line of text */
const char *vtdp_error(void);

/* ---- the file ------------------------------------------------------------ */

/**
 * vtdp_open() - open /dev/vtdpasid
 *
 * All that is made through the handle ends with vtdp_close(), or with the last
 * copy of its descriptor. The descriptor is close-on-exec.
 */
struct vtdp *vtdp_open(void);

/**
 * vtdp_from_fd() - use a descriptor that somebody else opened and passed on
 * @fd: belongs to the handle from now on, unless NULL is returned
 */
struct vtdp *vtdp_from_fd(int fd);

/**
 * vtdp_from_env() - use the file that `vtdpasid device attach ... -- COMMAND`
 *	passes to COMMAND
 * @device: id of the attached device; may be NULL
 */
struct vtdp *vtdp_from_env(uint32_t *device);

/** vtdp_fd() - the descriptor, to poll() for events or to pass on */
int vtdp_fd(const struct vtdp *v);

/** vtdp_close() - end all that the handle holds; NULL is fine */
void vtdp_close(struct vtdp *v);

/* ---- PCI functions ------------------------------------------------------- */

/**
 * struct vtdp_function - a PCI function
 * @segment: PCI segment
 * @rid: requester id
 */
struct vtdp_function {
	uint16_t segment;
	uint16_t rid;
};

#define VTDP_NAME_MAX	16	/* bytes that vtdp_function_name() writes at most */

/** vtdp_function_parse() - "0000:00:04.0" or "00:04.0"; -EINVAL */
int vtdp_function_parse(const char *name, struct vtdp_function *function);

/** vtdp_function_name() - the reverse; returns @name */
char *vtdp_function_name(struct vtdp_function function, char name[VTDP_NAME_MAX]);

/**
 * vtdp_claim() - have the function owned by the module's driver
 * @function: its name
 *
 * Unbinds the driver that it has, whatever that may be doing. Nothing happens
 * to a function that is claimed already. Needs to write to sysfs.
 *
 * Errors: ENODEV no such function; EPERM; EBUSY the driver did not take it.
 */
int vtdp_claim(const char *function);

/**
 * vtdp_release() - end a claim, and let a kernel driver have the function
 * @function: its name
 *
 * Errors: ENODEV no such function; EPERM; ENOTCONN it is not claimed.
 */
int vtdp_release(const char *function);

/**
 * vtdp_driver() - the driver of a function
 * @function: its name
 * @driver: where its name is written; "" without one
 * @size: of @driver
 */
int vtdp_driver(const char *function, char *driver, size_t size);

/* ---- units and devices: for administrators ------------------------------- */

/** vtdp_info() - VTDPASID_GET_INFO */
int vtdp_info(struct vtdp *v, struct vtdpasid_get_info *info, size_t size);

/** vtdp_unit_info() - VTDPASID_UNIT_INFO */
int vtdp_unit_info(struct vtdp *v, uint32_t unit, struct vtdpasid_unit_info *info,
		   size_t size);

/**
 * vtdp_takeover() - VTDPASID_TAKEOVER
 *
 * Of a unit that is taken over already: -EALREADY.
 */
int vtdp_takeover(struct vtdp *v, uint32_t unit);

/** vtdp_handback() - VTDPASID_HANDBACK */
int vtdp_handback(struct vtdp *v, uint32_t unit);

/**
 * vtdp_attach() - VTDPASID_ATTACH
 * @v: handle
 * @function: name of the function
 * @flags: VTDPASID_ATTACH_*
 * @device: its id in this file
 */
int vtdp_attach(struct vtdp *v, const char *function, uint32_t flags, uint32_t *device);

/** vtdp_detach() - VTDPASID_DETACH */
int vtdp_detach(struct vtdp *v, uint32_t device);

/** vtdp_device_info() - VTDPASID_DEVICE_INFO */
int vtdp_device_info(struct vtdp *v, uint32_t device, struct vtdpasid_device_info *info,
		     size_t size);

/**
 * vtdp_walk() - VTDPASID_WALK: what hardware would walk for a request
 * @v: handle
 * @function: that sends the request
 * @flags: VTDPASID_WALK_*
 * @pasid: 0 for requests without PASID
 * @addr: virtual address
 * @walk: the entries
 * @size: of @walk
 */
int vtdp_walk(struct vtdp *v, struct vtdp_function function, uint32_t flags, uint32_t pasid,
	      uint64_t addr, struct vtdpasid_walk *walk, size_t size);

/**
 * vtdp_preflight() - VTDPASID_PREFLIGHT: what is there, and what is missing
 * @v: handle
 * @scope: VTDPASID_SCOPE_*
 * @unit: number of the unit, in VTDPASID_SCOPE_UNIT; else 0
 * @function: in VTDPASID_SCOPE_DEVICE; else all zero
 * @results: one for each check
 * @count: room for how many; how many there are
 * @result_size: of one of @results
 *
 * Needs no unit that is taken over. Errors: EMSGSIZE with @count filled in.
 */
int vtdp_preflight(struct vtdp *v, uint32_t scope, uint32_t unit, struct vtdp_function function,
		   struct vtdpasid_check_result *results, uint32_t *count, size_t result_size);

/* ---- address spaces: for everybody with the file -------------------------- */

/**
 * vtdp_pasid_alloc() - VTDPASID_PASID_ALLOC
 * @v: handle
 * @flags: VTDPASID_PASID_*
 * @min: lowest number wanted; 0: no lower limit
 * @max: highest number wanted; 0: no upper limit
 * @pasid: the PASID
 */
int vtdp_pasid_alloc(struct vtdp *v, uint32_t flags, uint32_t min, uint32_t max,
		     uint32_t *pasid);

/** vtdp_pasid_free() - VTDPASID_PASID_FREE */
int vtdp_pasid_free(struct vtdp *v, uint32_t pasid);

/**
 * vtdp_bind() - VTDPASID_BIND with the caller's own PASID
 * @v: handle
 * @device: id from vtdp_attach()
 * @flags: VTDPASID_BIND_*
 * @binding: its id, for vtdp_unbind(); may be NULL
 * @pasid: that the device has to use; may be NULL
 */
int vtdp_bind(struct vtdp *v, uint32_t device, uint32_t flags, uint32_t *binding,
	      uint32_t *pasid);

/** vtdp_bind_as() - the same, with a PASID that was reserved in this file */
int vtdp_bind_as(struct vtdp *v, uint32_t device, uint32_t pasid, uint32_t *binding);

/** vtdp_unbind() - VTDPASID_UNBIND */
int vtdp_unbind(struct vtdp *v, uint32_t binding);

/** vtdp_binding_info() - VTDPASID_BINDING_INFO */
int vtdp_binding_info(struct vtdp *v, uint32_t binding, struct vtdpasid_binding_info *info,
		      size_t size);

/** vtdp_sync() - VTDPASID_SYNC */
int vtdp_sync(struct vtdp *v, const volatile void *addr, size_t length);

/**
 * vtdp_pin() - VTDPASID_PIN
 * @v: handle
 * @addr: first byte, aligned to a page
 * @length: bytes, a multiple of a page
 * @flags: VTDPASID_PIN_*
 * @pin: its id, for vtdp_unpin()
 */
int vtdp_pin(struct vtdp *v, const volatile void *addr, size_t length, uint32_t flags,
	     uint32_t *pin);

/** vtdp_unpin() - VTDPASID_UNPIN */
int vtdp_unpin(struct vtdp *v, uint32_t pin);

/* ---- events -------------------------------------------------------------- */

/**
 * vtdp_event() - the next event of this file
 * @v: handle
 * @event: the event
 * @size: of @event
 * @timeout_ms: how long to wait for one; -1: for ever, 0: not at all
 *
 * Return: 0; -ETIMEDOUT when there was none, for which vtdp_error() is not set;
 * -EINTR after a signal.
 */
int vtdp_event(struct vtdp *v, struct vtdpasid_event *event, size_t size, int timeout_ms);

/**
 * vtdp_event_text() - an event in words
 * @event: the event
 * @text: "0000:00:04.0 write of 0x7f00 with PASID 3: first-stage entry not ..."
 * @size: of @text
 *
 * Return: @text.
 */
char *vtdp_event_text(const struct vtdpasid_event *event, char *text, size_t size);

/* ---- words --------------------------------------------------------------- */

/** vtdp_fault_reason() - a fault reason (spec 7.1.3) in words; never NULL */
const char *vtdp_fault_reason(uint32_t reason);

/** vtdp_check_what() - an enum vtdpasid_check: what has to be; never NULL */
const char *vtdp_check_what(uint32_t check);

/** vtdp_check_where() - where that can be read from; "" when unknown */
const char *vtdp_check_where(uint32_t check);

/** vtdp_check_lack() - what is the matter when it is not so */
const char *vtdp_check_lack(uint32_t check);

/** vtdp_check_cure() - what to do then */
const char *vtdp_check_cure(uint32_t check);

#ifdef __cplusplus
}
#endif

#endif /* LIBVTDPASID_H */
