/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lib: what the guest test programs share, in lib*.c
 *
 * Calls that can fail return 0 (or a count, or an id) on success and a negative
 * errno, as the kernel does, so that a test can name the errno it expects. What
 * is called must_*() ends the program with "Bail out!" instead: it is for steps
 * that are not what the test is about.
 */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../include/uapi/vtdpasid.h"
#include "../device/sva-testdev.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PAGE		0x1000UL
#define MB		(1024UL * 1024)
#define GB		(1024 * MB)
#define HUGE		(2 * MB)
#define SLOT		(512 * GB)	/* what one top-level entry maps */

/* For programs that include tap.h: a test of a call that gives back -errno. */
#define tap_rc(call, want, ...) ({					\
	int tap_rc_ = (call);						\
									\
	tap_errno_at(__FILE__, __LINE__, #call, tap_rc_ < 0 ? -1 : tap_rc_, \
		     -tap_rc_, (want), __VA_ARGS__);			\
})

/* ---- small things -------------------------------------------------------- */

void fatal(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);
void use_cpu(int cpu);
/* There is something to read from @fd: 0, -ETIMEDOUT, or -errno. */
int wait_readable(int fd, int timeout_ms);

int write_file(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
ssize_t read_file(const char *path, char *buf, size_t size);
long read_number(const char *path);

/* Bytes that tell @seed and their place: no two seeds have a word in common. */
uint64_t pattern_word(uint64_t seed, size_t index);
void pattern_fill(void *p, size_t len, uint64_t seed);
/* Returns the offset of the first byte that differs, or -1. */
ssize_t pattern_check(const void *p, size_t len, uint64_t seed);

/* ---- memory -------------------------------------------------------------- */

/* Fresh anonymous memory, touched, of 4 KiB pages (madvise keeps THP away). */
void *must_map(size_t len);
void *must_map_at(uint64_t addr, size_t len);
/* 2 MiB aligned, in transparent huge pages; NULL when the kernel gives none. */
void *map_thp(size_t len);
/* Asks for @n free hugetlb pages; returns how many there are. */
long hugetlb_reserve(long n);

/* Physical address behind @p in this process, 0 when no page is present. */
uint64_t phys_of(const void *p);
#define KPF_HUGE	(1ULL << 17)	/* hugetlb */
#define KPF_HWPOISON	(1ULL << 19)
#define KPF_KSM		(1ULL << 21)
#define KPF_THP		(1ULL << 22)
#define KPF_ZERO_PAGE	(1ULL << 24)
/* Flags of the page frame at @phys (/proc/kpageflags), 0 when unknown. */
uint64_t kpageflags(uint64_t phys);

/*
 * The kernel's address of physical memory (its direct map, from /proc/kcore),
 * and a look at it from there. 0 and false when that is not to be had.
 */
uint64_t direct_map_of(uint64_t phys);
bool phys_read64(uint64_t phys, uint64_t *val);

/*
 * Gets a page frame back that was just freed: maps pages filled with @fill
 * until one of them lies at @phys. All of them stay mapped until reuse_end().
 */
struct reuse {
	uint64_t *base;
	size_t pages;
	uint64_t *hit;		/* the page at @phys, or NULL */
};
bool reuse_begin(struct reuse *r, uint64_t phys, uint64_t fill, size_t max);
/* Words of all mapped pages that are not @fill any more. */
size_t reuse_damage(const struct reuse *r, uint64_t fill);
void reuse_end(struct reuse *r);

/* ---- processes ----------------------------------------------------------- */

/*
 * A child runs fn(sock, arg) and exits with its result; @sock carries whole
 * messages both ways. It dies with its parent's thread.
 */
struct child {
	pid_t pid;
	int sock;
};
int child_start(struct child *c, int (*fn)(int sock, void *arg), void *arg);
int msg_send(int sock, const void *buf, size_t len);
/* Returns the length, -ETIMEDOUT, or -EPIPE when the other side is gone. */
ssize_t msg_recv(int sock, void *buf, size_t size, int timeout_ms);
int msg_send_fd(int sock, int fd);
int msg_recv_fd(int sock, int timeout_ms);
/* Close our side and wait; returns wait()'s status, or -ETIMEDOUT after killing. */
int child_wait(struct child *c, int timeout_ms);
int child_kill(struct child *c, int sig);

/* ---- PCI ----------------------------------------------------------------- */

struct pci_func {
	char name[32];		/* as in sysfs: 0000:00:03.0 */
	uint16_t segment;
	uint16_t rid;
	uint16_t vendor;
	uint16_t device;
};

/* All functions with this identity, sorted by address; returns how many. */
int pci_find(uint16_t vendor, uint16_t device, struct pci_func *f, int max);
int pci_by_name(const char *name, struct pci_func *f);
/* Name of the driver that is bound; "" without one. */
const char *pci_driver(const struct pci_func *f, char *buf, size_t size);
int pci_claim(const struct pci_func *f);
int pci_release(const struct pci_func *f);
uint32_t pci_read(const struct pci_func *f, unsigned int off, unsigned int width);
int pci_write(const struct pci_func *f, unsigned int off, unsigned int width,
	      uint32_t val);
int pci_bus_master(const struct pci_func *f, bool on);
/* Maps BAR 0; memory decoding is switched on if need be. NULL: see errno. */
void *pci_map_bar0(const struct pci_func *f, size_t *size);

/* ---- the module ---------------------------------------------------------- */

bool vt_loaded(void);
/* -errno or the descriptor, close-on-exec unless made otherwise with fcntl() */
int vt_open(void);
int must_open(void);

/* These fill in @size and give back 0 or -errno. */
int vt_get_info(int fd, struct vtdpasid_get_info *info);
int vt_unit_info(int fd, uint32_t unit, struct vtdpasid_unit_info *info);
int vt_takeover(int fd, uint32_t unit, uint32_t *check);
int vt_handback(int fd, uint32_t unit);
int vt_attach(int fd, const struct pci_func *f, uint32_t flags,
	      struct vtdpasid_attach *out);
int vt_detach(int fd, uint32_t device);
int vt_device_info(int fd, uint32_t device, struct vtdpasid_device_info *info);
int vt_pasid_alloc(int fd, uint32_t flags, uint32_t min, uint32_t max,
		   uint32_t *pasid);
int vt_pasid_free(int fd, uint32_t pasid);
/* @binding and @out_pasid may be NULL. */
int vt_bind(int fd, uint32_t device, uint32_t flags, uint32_t pasid,
	    uint32_t *binding, uint32_t *out_pasid);
int vt_unbind(int fd, uint32_t binding);
int vt_sync(int fd, const void *addr, size_t len);
int vt_walk(int fd, const struct pci_func *f, uint32_t flags, uint32_t pasid,
	    uint64_t addr, struct vtdpasid_walk *out);
/* The call itself, with whatever is in *arg. */
int vt_ioctl(int fd, unsigned long cmd, void *arg);

/* The module's file (VTDPASID_KO, or /t/vtdpasid.ko), for reloading it. */
const char *vt_module_path(void);
int vt_module_load(const char *params);
int vt_module_unload(void);

/* ---- events -------------------------------------------------------------- */

/* The next event: 0, -ETIMEDOUT, or -errno. */
int vt_event(int fd, struct vtdpasid_event *ev, int timeout_ms);
/*
 * The next event of that type (0: any), rid (-1: any) and binding (0: any);
 * others are dropped.
 */
int vt_event_of(int fd, uint16_t type, int rid, uint32_t binding,
		struct vtdpasid_event *ev, int timeout_ms);
/* Drops what is queued; returns how many. */
int vt_events_drop(int fd);
const char *vt_event_text(const struct vtdpasid_event *ev);

/* Fault reasons (VT-d spec 7.1.3) that the tests look for */
#define FR_ROOT_NOT_PRESENT	0x01
#define FR_CONTEXT_NOT_PRESENT	0x02
#define FR_PASID_DIR		0x51	/* directory entry not present */
#define FR_PASID_ENTRY		0x59	/* PASID-table entry not present */
#define FR_PASID_ENTRY_INVALID	0x5b	/* what QEMU says of an all-zero one */
#define FR_FS_NOT_PRESENT	0x71
#define FR_FS_NOT_CANONICAL	0x80
#define FR_FS_USER		0x81	/* user request, supervisor page */
#define FR_FS_WRITE		0x85	/* write request, read-only page */
/* "No such PASID in this device's table", in whatever way it was found. */
bool fault_is_no_pasid(uint32_t reason);

/* ---- sva-testdev --------------------------------------------------------- */

#define NO_PASID	(-1L)		/* as a PASID: a request without one */

struct svat {
	struct pci_func func;
	volatile uint8_t *bar;
};

int svat_open(struct svat *d, const struct pci_func *f);
void svat_close(struct svat *d);
void svat_reset(struct svat *d);
uint64_t svat_get(const struct svat *d, unsigned int reg);
/*
 * @status, or -ENODEV if the registers do not answer, as in a reset: there a status
 * reads as 0, which is SVAT_ST_OK.
 */
int svat_ended(const struct svat *d, int status);
void svat_set(struct svat *d, unsigned int reg, uint64_t val);
const char *svat_status(int status);

/* The device reads or writes our memory: SVAT_ST_* of the first bad piece. */
int svat_read(struct svat *d, int chan, long pasid, uint64_t iova, void *buf,
	      size_t len);
int svat_write(struct svat *d, int chan, long pasid, uint64_t iova,
	       const void *buf, size_t len);
/* One word; *val is all ones after a failure. */
int svat_read64(struct svat *d, int chan, long pasid, const volatile void *addr,
		uint64_t *val);
int svat_write64(struct svat *d, int chan, long pasid, const volatile void *addr,
		 uint64_t val);
/*
 * A large range, by words: the device writes (fill) or compares (check)
 * SVAT_PATTERN(@pattern, address). SVAT_ST_MISMATCH when words differ.
 */
int svat_range(struct svat *d, int chan, long pasid, const volatile void *addr,
	       size_t len, uint64_t pattern, bool fill);

/* The loop engine: an 8-byte read or write every 30 us until stopped. */
struct svat_loop {
	uint64_t ok;
	uint64_t failed;
	uint64_t first_failed;	/* number of the round, 0 none */
	uint64_t last;		/* word read last */
	uint64_t changes;
	uint64_t matches;	/* reads that gave @match */
	int round_status;	/* SVAT_ST_* of the last round */
};
void svat_loop_read(struct svat *d, int chan, long pasid,
		    const volatile void *addr, uint64_t match);
void svat_loop_write(struct svat *d, int chan, long pasid,
		     const volatile void *addr, uint64_t val);
/* As it stands; the loop goes on. */
void svat_loop_look(struct svat *d, int chan, struct svat_loop *l);
/* Waits until @more rounds (good or bad) were made from now. */
bool svat_loop_rounds(struct svat *d, int chan, uint64_t more);
void svat_loop_stop(struct svat *d, int chan, struct svat_loop *l);

/*
 * Lets the device make one bad 8-byte access and finds its fault record among
 * the events of @fd. Returns 0 with *ev; -ETIMEDOUT when no record came;
 * otherwise the device's status (> 0), or -EILSEQ when the access succeeded.
 */
int svat_fault(int fd, struct svat *d, int chan, long pasid, uint64_t iova,
	       bool write, struct vtdpasid_event *ev);

/* ---- QEMU's edu ---------------------------------------------------------- */

#define EDU_VENDOR_ID	0x1234
#define EDU_DEVICE_ID	0x11e8
#define EDU_MAX		4096UL		/* bytes in one transfer */

struct edu {
	struct pci_func func;
	volatile uint8_t *bar;
};

int edu_open(struct edu *e, const struct pci_func *f);
void edu_close(struct edu *e);
/*
 * The device shows no data but by DMA, and tells no errors: compare what it
 * moved. Each takes the device 100 ms. 0 or -ETIMEDOUT.
 */
int edu_read(struct edu *e, uint64_t iova, size_t len);		/* memory to device */
int edu_write(struct edu *e, uint64_t iova, size_t len);	/* device to memory */

/* ---- a disk -------------------------------------------------------------- */

/*
 * Writes a block of QEMU's NVMe disk, whose driver is the kernel's (it passes
 * through), and reads it back.
 */
bool disk_works(void);

/* ---- a bed to test in ---------------------------------------------------- */

#define BED_MAX	8

/* Test devices found, claimed, attached, reset. */
struct bed {
	int fd;
	int n;
	struct svat dev[BED_MAX];
	uint32_t id[BED_MAX];		/* from ATTACH */
	struct vtdpasid_attach info[BED_MAX];
};

/* Takes unit 0 over unless it is, and returns an open file. */
int must_take_unit(void);
/* Opens @want test devices with PASID; fewer than @need is fatal. */
void bed_open(struct bed *b, int need, int want);
/* The same, with VTDPASID_ATTACH_* in @flags. */
void bed_open_flags(struct bed *b, int need, int want, uint32_t flags);
/* Detaches and gives the functions back; the unit stays taken over. */
void bed_close(struct bed *b);
uint64_t bed_unit_faults(const struct bed *b);
uint64_t bed_faults(const struct bed *b, int i);

#endif /* GUEST_LIB_H */
