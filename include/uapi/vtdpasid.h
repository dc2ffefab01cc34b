/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vtdpasid: the ioctl and event interface of /dev/vtdpasid
 *
 * A file of /dev/vtdpasid is a *client*. A client attaches PCI functions,
 * holds PASIDs for address spaces, binds address spaces to its functions and
 * reads the events that concern them. Everything it holds dies with the last
 * descriptor of the file: bindings first, then PASIDs, then attachments.
 *
 * Conventions
 * -----------
 * - The argument of each ioctl is a structure that begins with @size, the
 *   number of bytes that the caller knows of, and @flags. A longer structure
 *   than the module knows, up to 4096 bytes, is accepted while the part it does
 *   not know is all zero; a shorter one, down to its first version, is completed
 *   with zeroes.
 * - Fields named out_* are written by the module and ignored on the way in.
 * - Ids (device, binding) are per file, never 0, and name nothing elsewhere.
 * - PCI functions are named by @segment and @rid: bus << 8 | device << 3 |
 *   function, the requester id.
 *
 * Errors that every ioctl may give
 * --------------------------------
 *   ENOTTY      no such ioctl
 *   EINVAL      @size below the structure's first version, a reserved field
 *               that is not zero, or a value with no meaning here
 *   E2BIG       non-zero bytes beyond what the module knows, or @size above
 *               4096
 *   EOPNOTSUPP  a flag that the module does not know
 *   EFAULT      the structure is not readable or not writable
 *   EPERM       a capability is missing (the ioctl says which)
 *   ENOENT      no unit, device or binding of that number in this file
 *   ENOMEM      out of memory; nothing was changed
 *   EINTR       a signal came while waiting; nothing was changed, try again
 *   EIO         the unit is broken: it stopped answering, its attached
 *               functions were cut off from the bus, see the kernel log
 */
#ifndef _UAPI_VTDPASID_H
#define _UAPI_VTDPASID_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "vtdpasid_checks.h"

#define VTDPASID_DEVICE_PATH	"/dev/vtdpasid"
#define VTDPASID_IOCTL_TYPE	0xDA

/* Append only: a number is never given a second meaning. */
#define VTDPASID_CMD_GET_INFO		0x80
#define VTDPASID_CMD_UNIT_INFO		0x81
#define VTDPASID_CMD_TAKEOVER		0x82
#define VTDPASID_CMD_HANDBACK		0x83
#define VTDPASID_CMD_ATTACH		0x84
#define VTDPASID_CMD_DETACH		0x85
#define VTDPASID_CMD_DEVICE_INFO	0x86
#define VTDPASID_CMD_PASID_ALLOC	0x87
#define VTDPASID_CMD_PASID_FREE		0x88
#define VTDPASID_CMD_BIND		0x89
#define VTDPASID_CMD_UNBIND		0x8a
#define VTDPASID_CMD_SYNC		0x8b
#define VTDPASID_CMD_WALK		0x8c
#define VTDPASID_CMD_PIN		0x8d
#define VTDPASID_CMD_UNPIN		0x8e
#define VTDPASID_CMD_BINDING_INFO	0x8f
#define VTDPASID_CMD_PREFLIGHT		0x90

/*
 * enum vtdpasid_check - what a machine, unit or function has to have
 *
 * What PREFLIGHT looks at. Refusals of TAKEOVER, ATTACH and of a claim name one
 * of these, in the reply where there is one, and in the kernel log in words.
 * vtdpasid_checks.h has them all, with their words.
 */
enum vtdpasid_check {
	VTDPASID_CHECK_NONE = 0,	/* nothing is missing */
#define VTDPASID_CHECK_ENUM(name, id, what, where, lack, cure) \
	VTDPASID_CHECK_##name = id,
	VTDPASID_CHECKS(VTDPASID_CHECK_ENUM)
#undef VTDPASID_CHECK_ENUM
};

/* How PASID tables are laid out: the module parameter pasid_table. */
#define VTDPASID_TABLE_DEVICE	0	/* one per function (default) */
#define VTDPASID_TABLE_UNIT	1	/* one per VT-d unit: unsafe */
#define VTDPASID_TABLE_SYSTEM	2	/* one for all, of one unit: unsafe */

/**
 * struct vtdpasid_get_info - ioctl(VTDPASID_GET_INFO)
 * @size: sizeof(struct vtdpasid_get_info)
 * @flags: must be 0
 * @out_units: number of VT-d units, which have the numbers 0 to this less 1
 * @out_pasid_table: VTDPASID_TABLE_*
 * @out_pasid_max: the highest PASID that every taken-over unit supports
 * @out_pasid_first: the lowest PASID that the allocator gives out
 *
 * Needs no capability.
 */
struct vtdpasid_get_info {
	__u32 size;
	__u32 flags;
	__u32 out_units;
	__u32 out_pasid_table;
	__u32 out_pasid_max;
	__u32 out_pasid_first;
};

#define VTDPASID_GET_INFO _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_GET_INFO)

#define VTDPASID_UNIT_IDLE	0	/* left as the firmware left it */
#define VTDPASID_UNIT_TAKEN	1	/* taken over, translation on */
#define VTDPASID_UNIT_BROKEN	2	/* stopped answering; still ours */

/**
 * struct vtdpasid_unit_info - ioctl(VTDPASID_UNIT_INFO)
 * @size: sizeof(struct vtdpasid_unit_info)
 * @flags: must be 0
 * @unit: number of the unit
 * @out_state: VTDPASID_UNIT_*
 * @out_reg_base: physical address of the registers
 * @out_cap: CAP_REG (VT-d spec 11.4.2)
 * @out_ecap: ECAP_REG (11.4.3)
 * @out_gsts: GSTS_REG now (11.4.4.2)
 * @out_segment: PCI segment
 * @out_reserved: 0
 * @out_devices: functions attached
 * @out_reserved2: 0
 * @out_faults: DMA faults recorded since takeover
 * @out_doorbells: writes of the invalidation queue's tail since takeover
 * @out_descriptors: descriptors submitted since takeover
 * @out_requests: page requests received since takeover
 * @out_overflows: times the page-request queue overflowed
 *
 * Needs CAP_SYS_ADMIN: addresses are in it.
 */
struct vtdpasid_unit_info {
	__u32 size;
	__u32 flags;
	__u32 unit;
	__u32 out_state;
	__aligned_u64 out_reg_base;
	__aligned_u64 out_cap;
	__aligned_u64 out_ecap;
	__u32 out_gsts;
	__u16 out_segment;
	__u16 out_reserved;
	__u32 out_devices;
	__u32 out_reserved2;
	__aligned_u64 out_faults;
	__aligned_u64 out_doorbells;
	__aligned_u64 out_descriptors;
	__aligned_u64 out_requests;
	__aligned_u64 out_overflows;
};

#define VTDPASID_UNIT_INFO _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_UNIT_INFO)

/**
 * struct vtdpasid_takeover - ioctl(VTDPASID_TAKEOVER)
 * @size: sizeof(struct vtdpasid_takeover)
 * @flags: must be 0
 * @unit: number of the unit
 * @out_check: enum vtdpasid_check: why it was refused (written on error, too)
 *
 * Takes the unit's root, context and PASID tables over and switches
 * translation on. Functions that a kernel driver drives keep their DMA
 * (pass-through); functions that nothing owns lose it. The unit stays taken
 * over after the file is closed. Needs CAP_SYS_ADMIN.
 *
 * Errors:
 *   EALREADY         it is taken over
 *   EBUSY            the kernel's intel-iommu driver is active
 *   EEXIST           translation is on, but not by this module
 *   EADDRINUSE       the invalidation queue or interrupt remapping is on
 *   EPROTONOSUPPORT  the unit lacks a capability, see @out_check
 *   ETIMEDOUT        a register did not follow; what was done is undone (if it
 *                    cannot be, the unit is broken: EIO)
 */
struct vtdpasid_takeover {
	__u32 size;
	__u32 flags;
	__u32 unit;
	__u32 out_check;
};

#define VTDPASID_TAKEOVER _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_TAKEOVER)

/**
 * struct vtdpasid_handback - ioctl(VTDPASID_HANDBACK)
 * @size: sizeof(struct vtdpasid_handback)
 * @flags: must be 0
 * @unit: number of the unit
 * @reserved: must be 0
 *
 * Switches translation and the queue off and puts the registers back as they
 * were, but for GSTS.RTPS, which hardware never clears. Needs CAP_SYS_ADMIN.
 *
 * Errors:
 *   ENOTCONN   it is not taken over
 *   EBUSY      functions of it are attached
 *   ETIMEDOUT  translation or the queue could not be proved off: the unit
 *              stays broken, its tables stay in memory
 */
struct vtdpasid_handback {
	__u32 size;
	__u32 flags;
	__u32 unit;
	__u32 reserved;
};

#define VTDPASID_HANDBACK _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_HANDBACK)

/* In @flags of ATTACH */
#define VTDPASID_ATTACH_ATS	(1 << 0) /* address translation service on */
#define VTDPASID_ATTACH_PRI	(1 << 1) /* page requests on; wants ATS */

/* In @out_state of ATTACH and DEVICE_INFO */
#define VTDPASID_DEVICE_CLAIMED	(1 << 0) /* owned by this module's driver */
#define VTDPASID_DEVICE_PASID	(1 << 1) /* may issue requests with PASID */
#define VTDPASID_DEVICE_ATS	(1 << 2) /* ATS is on: the function is trusted */
#define VTDPASID_DEVICE_PRI	(1 << 3) /* page requests are on */
#define VTDPASID_DEVICE_STOPPED	(1 << 4) /* cut off: it or its unit failed */
#define VTDPASID_DEVICE_NO_ACS	(1 << 5) /* peers may reach it past the unit */

/**
 * struct vtdpasid_attach - ioctl(VTDPASID_ATTACH)
 * @size: sizeof(struct vtdpasid_attach)
 * @flags: VTDPASID_ATTACH_*
 * @segment: PCI segment
 * @rid: requester id
 * @reserved: must be 0
 * @out_device: id of the device in this file
 * @out_unit: number of its unit
 * @out_pasid_max: highest PASID it can be bound with; 0 without PASID
 * @out_state: VTDPASID_DEVICE_*
 * @out_check: enum vtdpasid_check: why it was refused (written on error, too), or
 *	why it was attached without PASIDs
 *
 * Gives the function a PASID table of its own. A function that this module's
 * driver claimed (write "vtdpasid" to its driver_override in sysfs, then its
 * address to drivers_probe) loses its plain DMA until an address space is
 * bound without PASID; a function that a kernel driver drives keeps it. A
 * claimed function becomes bus master now. When the function is removed, or its
 * driver is unbound, the attachment ends with a VTDPASID_EVENT_DEVICE_GONE.
 * PASIDs are not used (@out_pasid_max is 0) where a port on the way up, or the
 * function when it is one of several, lacks access control services
 * (VTDPASID_DEVICE_NO_ACS): requests could be routed to a peer by an address
 * that is a virtual one. Needs CAP_SYS_ADMIN.
 *
 * Errors:
 *   ENODEV           no such function, or it is being removed
 *   ENOTCONN         its unit is not taken over, or no unit covers it
 *   EBUSY            attached already, or ATS is on already, or page requests
 *                    of an earlier use are outstanding
 *   ENXIO            nothing owns it: claim it first
 *   EADDRINUSE       its driver hands it to userspace (vfio-pci, uio, ...)
 *   EISDIR           it is a bridge
 *   EXDEV            its requests cannot be told apart from another
 *                    function's; with pasid_table=system, functions of
 *                    another unit are attached; with ATS, access control
 *                    services are lacking
 *   EACCES           not in a virtual machine, so its interrupts are not
 *                    isolated: load with allow_unsafe_interrupts=1
 *   EPROTONOSUPPORT  ATS or PRI was asked for and function or unit lacks it,
 *                    or has it in a way that is not safe (@out_check), firmware
 *                    names no ATSR for its root port, or PASID tables
 *                    are shared (pasid_table=unit or system)
 *   EINVAL           PRI was asked for without ATS
 *   EKEYREJECTED     ATS was asked for and the firmware marks it untrusted
 *   EPERM            CAP_SYS_ADMIN is missing; CAP_SYS_RAWIO with
 *                    VTDPASID_ATTACH_ATS
 *   ETIMEDOUT        the unit did not complete an invalidation
 *   EIO              also: it was cut off meanwhile
 */
struct vtdpasid_attach {
	__u32 size;
	__u32 flags;
	__u16 segment;
	__u16 rid;
	__u32 reserved;
	__u32 out_device;
	__u32 out_unit;
	__u32 out_pasid_max;
	__u32 out_state;
	__u32 out_check;
};

#define VTDPASID_ATTACH _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_ATTACH)

/**
 * struct vtdpasid_detach - ioctl(VTDPASID_DETACH)
 * @size: sizeof(struct vtdpasid_detach)
 * @flags: must be 0
 * @device: id from ATTACH
 * @reserved: must be 0
 *
 * Ends the device's bindings, whoever made them, and gives it up. A claimed
 * function is stopped and reset first and then has no context entry; a
 * function that a kernel driver drives returns to pass-through. Virtual
 * functions that are attached with PASIDs lose these with the physical one:
 * their bindings end, and claimed ones are cut off. Needs CAP_SYS_ADMIN.
 *
 * Errors:
 *   ETIMEDOUT  it is detached, but only by cutting it off from the bus
 */
struct vtdpasid_detach {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 reserved;
};

#define VTDPASID_DETACH _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_DETACH)

/**
 * struct vtdpasid_device_info - ioctl(VTDPASID_DEVICE_INFO)
 * @size: sizeof(struct vtdpasid_device_info)
 * @flags: must be 0
 * @device: id from ATTACH
 * @out_state: VTDPASID_DEVICE_*
 * @out_segment: PCI segment
 * @out_rid: requester id
 * @out_unit: number of its unit
 * @out_pasid_max: highest PASID it can be bound with; 0 without PASID
 * @out_bindings: live and dead bindings
 * @out_dir_entries: entries of its PASID directory
 * @out_leaves: PASID tables below the directory (64 PASIDs each)
 * @out_faults: DMA faults recorded for it
 * @out_requests: page requests received from it
 * @out_requests_failed: those of them answered "invalid"
 *
 * Needs no capability.
 */
struct vtdpasid_device_info {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 out_state;
	__u16 out_segment;
	__u16 out_rid;
	__u32 out_unit;
	__u32 out_pasid_max;
	__u32 out_bindings;
	__u32 out_dir_entries;
	__u32 out_leaves;
	__aligned_u64 out_faults;
	__aligned_u64 out_requests;
	__aligned_u64 out_requests_failed;
};

#define VTDPASID_DEVICE_INFO _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_DEVICE_INFO)

/* In @flags of PASID_ALLOC */
#define VTDPASID_PASID_RESERVE	(1 << 0) /* a number that belongs to no mm */

/**
 * struct vtdpasid_pasid_alloc - ioctl(VTDPASID_PASID_ALLOC)
 * @size: sizeof(struct vtdpasid_pasid_alloc)
 * @flags: VTDPASID_PASID_*
 * @min: lowest number wanted; 0: no lower limit
 * @max: highest number wanted; 0: no upper limit
 * @reserved: must be 0
 * @out_pasid: the PASID
 *
 * Without flags: the PASID of the caller's address space, allocated if it has
 * none yet. An address space has one PASID, the same on every device and in
 * every file. The file holds it until PASID_FREE or close, however often it
 * asks. With VTDPASID_PASID_RESERVE: a number that belongs to no address space
 * yet; the first BIND through this file that names it makes it the caller's.
 * Needs no capability.
 *
 * Errors:
 *   ENOSPC    no free number in the range
 *   EOVERFLOW @min is beyond what every taken-over unit supports
 *   ENOTUNIQ  the address space has a PASID, outside the range asked for
 *   EDQUOT    the user holds as many as the parameter user_pasids allows
 *   ESRCH     the address space is ending
 */
struct vtdpasid_pasid_alloc {
	__u32 size;
	__u32 flags;
	__u32 min;
	__u32 max;
	__u32 reserved;
	__u32 out_pasid;
};

#define VTDPASID_PASID_ALLOC _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_PASID_ALLOC)

/**
 * struct vtdpasid_pasid_free - ioctl(VTDPASID_PASID_FREE)
 * @size: sizeof(struct vtdpasid_pasid_free)
 * @flags: must be 0
 * @pasid: a PASID that this file holds
 * @reserved: must be 0
 *
 * Gives up this file's hold. The number becomes free when no file holds it,
 * and is not given out again before others that were freed earlier.
 *
 * Errors:
 *   ENOENT  this file holds no such PASID
 *   EACCES  it is another live address space's
 *   EBUSY   bindings or pins of this file use it
 */
struct vtdpasid_pasid_free {
	__u32 size;
	__u32 flags;
	__u32 pasid;
	__u32 reserved;
};

#define VTDPASID_PASID_FREE _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_PASID_FREE)

/* In @flags of BIND */
#define VTDPASID_BIND_NO_PASID	(1 << 0) /* for requests without PASID */

/**
 * struct vtdpasid_bind - ioctl(VTDPASID_BIND)
 * @size: sizeof(struct vtdpasid_bind)
 * @flags: VTDPASID_BIND_*
 * @device: id from ATTACH
 * @pasid: 0: the caller's own, allocated if need be; else the caller's own or
 *	one that this file reserved. Must be 0 with VTDPASID_BIND_NO_PASID
 * @out_binding: id of the binding in this file
 * @out_pasid: PASID that the device has to use; 0 with VTDPASID_BIND_NO_PASID
 *
 * Binds the caller's own address space to the device, which may from then on
 * read what the caller may read and write what the caller may write, at the
 * caller's addresses, until UNBIND, DETACH, close, or the end of the address
 * space. A child made by fork() has no part in it. Without page requests a
 * device only reaches pages that are present.
 *
 * With VTDPASID_BIND_NO_PASID the device's ordinary requests are translated.
 * It must be claimed, one address space at a time, and cannot reach the
 * addresses 0xFEE00000 to 0xFEEFFFFF, which are interrupts on the bus.
 *
 * Needs no capability, but a file in which the device is attached.
 *
 * Errors:
 *   EEXIST           bound already
 *   EBUSY            another address space is bound without PASID
 *   EACCES           @pasid is another's
 *   ENOTUNIQ         the address space has another PASID
 *   EOVERFLOW        the PASID is wider than the device supports
 *   ENOSPC, EDQUOT   as PASID_ALLOC; ENOSPC also when the unit has no domain
 *                    id left, or the address space too many bindings
 *   EPROTONOSUPPORT  the device has no PASID capability
 *   ENXIO            without PASID, but a kernel driver drives the function
 *   EXDEV            without PASID, and access control services are lacking
 *                    (VTDPASID_DEVICE_NO_ACS)
 *   ENODEV           the device was stopped
 *   ESRCH            the address space is ending
 *   ETIMEDOUT        the unit did not complete an invalidation
 */
struct vtdpasid_bind {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 pasid;
	__u32 out_binding;
	__u32 out_pasid;
};

#define VTDPASID_BIND _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_BIND)

/**
 * struct vtdpasid_unbind - ioctl(VTDPASID_UNBIND)
 * @size: sizeof(struct vtdpasid_unbind)
 * @flags: must be 0
 * @binding: id from BIND
 * @reserved: must be 0
 *
 * When it returns, no request of the device reaches the address space through
 * this binding any more. The file keeps the PASID until PASID_FREE.
 *
 * Errors:
 *   EACCES     it is another live address space's
 *   ETIMEDOUT  it has ended, but only by cutting the device off from the bus
 */
struct vtdpasid_unbind {
	__u32 size;
	__u32 flags;
	__u32 binding;
	__u32 reserved;
};

#define VTDPASID_UNBIND _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_UNBIND)

/**
 * struct vtdpasid_sync - ioctl(VTDPASID_SYNC)
 * @size: sizeof(struct vtdpasid_sync)
 * @flags: must be 0
 * @addr: first byte
 * @length: bytes, not 0
 *
 * The kernel tells devices of each mapping that shrinks, but not of one that
 * grows: after a range became writable, or a first mapping was made in a new
 * 512 GiB (256 TiB with 5-level paging) of address space, a device without
 * page requests may fault until this call was made for the range. Acts on the
 * caller's address space, on every device it is bound to.
 *
 * Errors:
 *   EOVERFLOW  the range wraps or leaves the user half of the address space
 *   ENOENT     this file holds no binding of the caller's address space
 *   ETIMEDOUT  as UNBIND
 */
struct vtdpasid_sync {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
};

#define VTDPASID_SYNC _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_SYNC)

/* In @flags of PIN */
#define VTDPASID_PIN_WRITE	(1 << 0) /* pages that the device will write */

#define VTDPASID_PIN_MAX	(1ULL << 34) /* most bytes of one pin */

/**
 * struct vtdpasid_pin - ioctl(VTDPASID_PIN)
 * @size: sizeof(struct vtdpasid_pin)
 * @flags: VTDPASID_PIN_*
 * @addr: first byte, aligned to a page
 * @length: bytes, a multiple of a page, not 0
 * @reserved: must be 0
 * @out_pin: id of the pin in this file
 *
 * Faults the range in and keeps its pages where they are, for devices without
 * page requests, until UNPIN, close, or the end of the address space. What a
 * pin promises: the page stays the process's page at that address, so a device
 * never reaches a wrong one. What it cannot promise: that a device never
 * faults. The kernel may take a mapping away for a moment before it sees the
 * pin (migration, KSM), and the process may unmap the range itself. Such faults
 * are reported as events; a retry succeeds. Each pin counts on its own, as often
 * as a page is pinned: against RLIMIT_MEMLOCK with all else that the user has
 * locked (iommufd, io_uring), and in VmPin of the process.
 *
 * Acts on the caller's address space, which must be bound through this file.
 *
 * Errors:
 *   ENOENT      this file holds no binding of the caller's address space
 *   EOVERFLOW   the range wraps or leaves the user half of the address space
 *   EFBIG       more than VTDPASID_PIN_MAX bytes
 *   EFAULT      a page of the range is not mapped, or not writable with
 *               VTDPASID_PIN_WRITE
 *   EOPNOTSUPP  memory that cannot be pinned for long: a shared mapping of a
 *               file with VTDPASID_PIN_WRITE, or device memory
 *   ENOMEM      all that the user has pinned would be beyond RLIMIT_MEMLOCK,
 *               without CAP_IPC_LOCK; or no memory
 *   ETIMEDOUT   as UNBIND
 */
struct vtdpasid_pin {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__u32 reserved;
	__u32 out_pin;
};

#define VTDPASID_PIN _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_PIN)

/**
 * struct vtdpasid_unpin - ioctl(VTDPASID_UNPIN)
 * @size: sizeof(struct vtdpasid_unpin)
 * @flags: must be 0
 * @pin: id from PIN
 * @reserved: must be 0
 *
 * Lets all pages of the pin go. Bindings are not touched.
 *
 * Errors:
 *   EACCES  it is another live address space's
 */
struct vtdpasid_unpin {
	__u32 size;
	__u32 flags;
	__u32 pin;
	__u32 reserved;
};

#define VTDPASID_UNPIN _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_UNPIN)

/**
 * struct vtdpasid_binding_info - ioctl(VTDPASID_BINDING_INFO)
 * @size: sizeof(struct vtdpasid_binding_info)
 * @flags: must be 0
 * @binding: id from BIND
 * @out_device: id of the device
 * @out_pasid: its PASID, 0 without
 * @out_live: 1; 0 when the address space has ended
 * @out_faults: DMA faults recorded for it
 * @out_requests: page requests served
 * @out_requests_failed: page requests answered "invalid"
 * @out_pinned: bytes pinned in the address space through this file
 *
 * Needs no capability.
 */
struct vtdpasid_binding_info {
	__u32 size;
	__u32 flags;
	__u32 binding;
	__u32 out_device;
	__u32 out_pasid;
	__u32 out_live;
	__aligned_u64 out_faults;
	__aligned_u64 out_requests;
	__aligned_u64 out_requests_failed;
	__aligned_u64 out_pinned;
};

#define VTDPASID_BINDING_INFO _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_BINDING_INFO)

/* In @flags of WALK */
#define VTDPASID_WALK_NEXT	(1 << 0) /* from @pasid on, the next entry in use */

/* In @out_valid of WALK: how far the walk came; each implies those before */
#define VTDPASID_WALK_ROOT	(1 << 0) /* @out_root was read */
#define VTDPASID_WALK_CONTEXT	(1 << 1) /* @out_context was read */
#define VTDPASID_WALK_DIR	(1 << 2) /* @out_dir was read */
#define VTDPASID_WALK_PASID	(1 << 3) /* @out_pasid_entry was read */
#define VTDPASID_WALK_FS	(1 << 4) /* @out_fs[0 .. @out_levels - 1] were */

/**
 * struct vtdpasid_walk - ioctl(VTDPASID_WALK)
 * @size: sizeof(struct vtdpasid_walk)
 * @flags: VTDPASID_WALK_*
 * @segment: PCI segment
 * @rid: requester id
 * @pasid: PASID; 0 stands for requests without PASID
 * @addr: virtual address to translate
 * @out_valid: VTDPASID_WALK_*
 * @out_unit: number of the unit
 * @out_levels: first-stage entries that were read
 * @out_pasid: PASID that was looked up (differs with VTDPASID_WALK_NEXT)
 * @out_root: the half of the root entry that covers @rid (spec 9.1)
 * @out_context: scalable-mode context entry (9.4)
 * @out_dir: PASID-directory entry (9.5)
 * @out_pasid_entry: PASID-table entry (9.6)
 * @out_fs: first-stage paging entries, top level first (9.8)
 *
 * Reads, from the memory that hardware reads, the entries that it would walk
 * for a request. Stops at the first that is not present. Needs CAP_SYS_ADMIN.
 *
 * Errors:
 *   ENODEV    no unit covers that function
 *   ENOTCONN  its unit is not taken over
 *   ENOENT    VTDPASID_WALK_NEXT, and no entry is in use from @pasid on
 */
struct vtdpasid_walk {
	__u32 size;
	__u32 flags;
	__u16 segment;
	__u16 rid;
	__u32 pasid;
	__aligned_u64 addr;
	__u32 out_valid;
	__u32 out_unit;
	__u32 out_levels;
	__u32 out_pasid;
	__aligned_u64 out_root;
	__aligned_u64 out_context[4];
	__aligned_u64 out_dir;
	__aligned_u64 out_pasid_entry[8];
	__aligned_u64 out_fs[5];
};

#define VTDPASID_WALK _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_WALK)

/* In @scope of PREFLIGHT and of its results */
#define VTDPASID_SCOPE_SYSTEM	0	/* CPU, kernel, boot line, parameters */
#define VTDPASID_SCOPE_UNIT	1
#define VTDPASID_SCOPE_DEVICE	2	/* a PCI function, and the way up from it */

/* In @answer of a result */
#define VTDPASID_ANSWER_NO	0
#define VTDPASID_ANSWER_YES	1
#define VTDPASID_ANSWER_UNKNOWN	2	/* the module cannot know it */
#define VTDPASID_ANSWER_NONE	3	/* the question does not arise */

/* In @severity of a result: what it means if the answer is no */
#define VTDPASID_SEVERITY_REQUIRED 1	/* something is refused: @refuses */
#define VTDPASID_SEVERITY_LIMITS   2	/* it works, but not all of it */
#define VTDPASID_SEVERITY_ADVICE   3	/* good to know */

/* In @source of a result: what @reg, @bit and @value are */
#define VTDPASID_SOURCE_NONE	0	/* nothing */
#define VTDPASID_SOURCE_UNIT	1	/* register of the unit at offset @reg */
#define VTDPASID_SOURCE_PCI	2	/* config space of the function at @reg */
#define VTDPASID_SOURCE_CPUID	3	/* leaf @reg; the check's words say which */
#define VTDPASID_SOURCE_ACPI	4	/* DMAR table: structures that matter */
#define VTDPASID_SOURCE_KERNEL	5	/* something that the kernel knows */
#define VTDPASID_SOURCE_MODULE	6	/* parameter or state of the module */
#define VTDPASID_SOURCE_BOOT	7	/* boot line: see /proc/cmdline */

/* In @refuses of a result, and @out_refuses */
#define VTDPASID_REFUSES_TAKEOVER (1 << 0)
#define VTDPASID_REFUSES_CLAIM	  (1 << 1)
#define VTDPASID_REFUSES_ATTACH	  (1 << 2)
#define VTDPASID_REFUSES_PASID	  (1 << 3) /* attached, but without PASIDs */
#define VTDPASID_REFUSES_ATS	  (1 << 4) /* ATTACH with VTDPASID_ATTACH_ATS */
#define VTDPASID_REFUSES_PRI	  (1 << 5) /* ATTACH with VTDPASID_ATTACH_PRI */

/* In @flags of a result */
#define VTDPASID_RESULT_HIDDEN	(1 << 0) /* @value is 0: needs CAP_SYS_ADMIN */
#define VTDPASID_RESULT_OTHER	(1 << 1) /* @rid is not the function asked for,
					  * but the one that is in the way
					  */

/**
 * struct vtdpasid_check_result - one answer of PREFLIGHT
 * @check: enum vtdpasid_check; once, but for VTDPASID_CHECK_ALIAS and
 *	VTDPASID_CHECK_ACS, which come once for each function in the way
 * @scope: VTDPASID_SCOPE_*
 * @answer: VTDPASID_ANSWER_*
 * @severity: VTDPASID_SEVERITY_*
 * @source: VTDPASID_SOURCE_*
 * @refuses: VTDPASID_REFUSES_*: what is refused now on account of the answer;
 *	0 unless that is no
 * @reg: where @value was read from
 * @bit: lowest bit of the field in @value
 * @bits: width of the field; 0: all of @value counts
 * @flags: VTDPASID_RESULT_*
 * @unit: number of the unit, ~0 without
 * @segment: PCI segment
 * @rid: requester id of the function, in VTDPASID_SCOPE_DEVICE
 * @reserved: 0
 * @value: what was read, the register as a whole
 */
struct vtdpasid_check_result {
	__u32 check;
	__u8 scope;
	__u8 answer;
	__u8 severity;
	__u8 source;
	__u32 refuses;
	__u32 reg;
	__u8 bit;
	__u8 bits;
	__u16 flags;
	__u32 unit;
	__u16 segment;
	__u16 rid;
	__u32 reserved;
	__aligned_u64 value;
};

/**
 * struct vtdpasid_preflight - ioctl(VTDPASID_PREFLIGHT)
 * @size: sizeof(struct vtdpasid_preflight)
 * @flags: must be 0
 * @scope: VTDPASID_SCOPE_*
 * @unit: number of the unit; must be 0 in other scopes
 * @segment: PCI segment of the function; must be 0 in other scopes
 * @rid: its requester id; must be 0 in other scopes
 * @result_size: sizeof(struct vtdpasid_check_result); if it is more than the
 *	module knows, the rest is zeroed
 * @results: address of @count results
 * @count: how many there is room for
 * @out_count: how many there are (written with EMSGSIZE, too)
 * @out_unit: unit that covers the function; ~0 without
 * @out_refuses: VTDPASID_REFUSES_*: what is refused now on account of this scope
 *
 * Says which prerequisites are there. Works before takeover, and on machines
 * that cannot do it; reads only, and changes nothing. Each scope has its own
 * checks: a takeover wants those of the system and of the unit, a claim those
 * of the function, an attach all three.
 *
 * Needs no capability; without CAP_SYS_ADMIN values are hidden. The module
 * cannot read the boot line: VTDPASID_CHECK_BOOT_* are for the caller to look up.
 *
 * Errors:
 *   ENODEV    no such function, or it is being removed
 *   EMSGSIZE  there are more results than @count; those that fit were written
 *   EINVAL    @result_size is below the structure's first version
 *   E2BIG     @result_size is above 4096
 */
struct vtdpasid_preflight {
	__u32 size;
	__u32 flags;
	__u32 scope;
	__u32 unit;
	__u16 segment;
	__u16 rid;
	__u32 result_size;
	__aligned_u64 results;
	__u32 count;
	__u32 out_count;
	__u32 out_unit;
	__u32 out_refuses;
};

#define VTDPASID_PREFLIGHT _IO(VTDPASID_IOCTL_TYPE, VTDPASID_CMD_PREFLIGHT)

/* Events: @type of struct vtdpasid_event */
#define VTDPASID_EVENT_FAULT		1 /* a DMA of the device failed */
#define VTDPASID_EVENT_PRQ_FAILED	2 /* a page request was refused */
#define VTDPASID_EVENT_MM_GONE		3 /* the binding's address space ended */
#define VTDPASID_EVENT_DEVICE_GONE	4 /* removed, or its driver changed */
#define VTDPASID_EVENT_UNIT_BROKEN	5 /* the device's unit stopped answering */
#define VTDPASID_EVENT_DEVICE_STOPPED	12 /* cut off: it failed, or its PF was detached */

/* Those that netlink alone has (vtdpasid_netlink.h) */
#define VTDPASID_EVENT_TAKEOVER		6 /* a unit was taken over */
#define VTDPASID_EVENT_HANDBACK		7 /* a unit was handed back */
#define VTDPASID_EVENT_ATTACH		8 /* a function was attached */
#define VTDPASID_EVENT_DETACH		9 /* a function was detached */
#define VTDPASID_EVENT_BIND		10 /* an address space was bound */
#define VTDPASID_EVENT_UNBIND		11 /* a binding ended */

/* In @flags of struct vtdpasid_event, for faults and page requests */
#define VTDPASID_EVENT_WRITE	(1 << 0) /* else a read */
#define VTDPASID_EVENT_PASID	(1 << 1) /* @pasid is meaningful */
#define VTDPASID_EVENT_OVERFLOW	(1 << 2) /* the unit lost later records */

/**
 * struct vtdpasid_event - one event, as read() delivers it
 * @size: sizeof(struct vtdpasid_event) of the module
 * @type: VTDPASID_EVENT_*
 * @flags: VTDPASID_EVENT_* flags
 * @reason: fault reason (spec 7.1.3) for VTDPASID_EVENT_FAULT, else 0
 * @time: CLOCK_MONOTONIC in ns, when the module saw it
 * @addr: faulting page, 0 if none
 * @pasid: PASID of the request, with VTDPASID_EVENT_PASID
 * @device: id in this file, 0 if none
 * @binding: id in this file, 0 if none
 * @lost: events that were dropped before this one, because the queue was full
 * @segment: PCI segment
 * @rid: requester id
 * @unit: number of the unit
 * @reserved: 0
 *
 * read() gives whole events only, as many as fit, and blocks for the first
 * unless O_NONBLOCK; EINVAL when the buffer is smaller than one event. An
 * event leaves the queue when it was copied out completely.
 */
struct vtdpasid_event {
	__u32 size;
	__u16 type;
	__u16 flags;
	__u32 reason;
	__u32 pasid;
	__aligned_u64 time;
	__aligned_u64 addr;
	__u32 device;
	__u32 binding;
	__u32 lost;
	__u16 segment;
	__u16 rid;
	__u32 unit;
	__u32 reserved;
};

#endif /* _UAPI_VTDPASID_H */
