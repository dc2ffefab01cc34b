// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sva-testdev: a PCIe function with PASID, ATS and PRI for an unmodified QEMU
 *
 * A shared object for LD_PRELOAD. It uses functions that the QEMU binary
 * exports, and needs none of QEMU's headers to build. The price is that this
 * file declares for itself what it uses; check_qemu() and find_pci_class()
 * refuse to run where those declarations are not known to hold.
 *
 * sva-testdev.h describes what the guest sees. Everything here runs under
 * QEMU's big lock: MMIO and config callbacks, notifiers and timers. Work is
 * bounded per callback; what takes longer continues from the channel's timer,
 * on the virtual clock. Interrupts are sent from a timer only, because QEMU
 * drops an MSI that is raised inside the guest's own access to the IOMMU, and
 * that is where page responses come from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "sva-testdev.h"

#define PAGE_OF(addr)		((addr) & ~(uint64_t)(SVAT_PAGE - 1))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

/* ------------------------------------------------------------------------
 * QEMU's interface, as far as it is used here (verified for 11.1)
 */
typedef struct PCIDevice PCIDevice;
typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct AddressSpace AddressSpace;
typedef struct Error Error;

struct type_info {
	const char *name;
	const char *parent;
	size_t instance_size;
	size_t instance_align;
	void (*instance_init)(Object *obj);
	void (*instance_post_init)(Object *obj);
	void (*instance_finalize)(Object *obj);
	bool abstract;
	size_t class_size;
	void (*class_init)(ObjectClass *klass, const void *data);
	void (*class_base_init)(ObjectClass *klass, const void *data);
	const void *class_data;
	const void *interfaces;		/* names, ended by NULL */
};

/* The part of PCIDeviceClass that is used; find_pci_class() finds its place */
struct pci_class {
	void (*realize)(PCIDevice *dev, Error **errp);
	void (*exit)(PCIDevice *dev);
	uint32_t (*config_read)(PCIDevice *dev, uint32_t addr, int len);
	void (*config_write)(PCIDevice *dev, uint32_t addr, uint32_t val, int len);
	uint16_t vendor_id;
	uint16_t device_id;
	uint8_t revision;
	uint16_t class_id;
};

struct mr_ops {
	uint64_t (*read)(void *opaque, uint64_t addr, unsigned int size);
	void (*write)(void *opaque, uint64_t addr, uint64_t data, unsigned int size);
	void *read_with_attrs;
	void *write_with_attrs;
	int endianness;
	struct {
		unsigned int min_access_size;
		unsigned int max_access_size;
		bool unaligned;
		void *accepts;
	} valid;
	struct {
		unsigned int min_access_size;
		unsigned int max_access_size;
		bool unaligned;
	} impl;
};
#define DEVICE_LITTLE_ENDIAN	2

struct mem_attrs {			/* passed by value in one register */
	uint32_t bits;
	uint8_t unspecified;
	uint8_t reserved[3];
};
#define ATTRS_REQUESTER_SHIFT	6
#define ATTRS_TRANSLATED	(1U << 30)

struct tlb_entry {
	AddressSpace *target_as;
	uint64_t iova;
	uint64_t translated_addr;
	uint64_t addr_mask;
	int perm;
	uint32_t pasid;
};

struct pri_response {
	int code;
	uint16_t prgi;
};

struct pri_notifier {
	void (*notify)(struct pri_notifier *n, struct pri_response *r);
};

struct version_info {
	struct {
		int64_t major, minor, micro;
	} *qemu;
	char *package;
};

/* QEMU initialises these itself; only room for them is needed */
struct memory_region { _Alignas(16) char opaque[4096]; };
struct qemu_timer { _Alignas(16) char opaque[256]; };
struct iotlb_notifier { _Alignas(16) char opaque[256]; };

#define NO_PASID		0xffffffffU
#define CLOCK_VIRTUAL		1
#define MODULE_INIT_FIRST	0	/* run right after the QOM stage */

/* name, return type, arguments */
#define QEMU_API(F)							\
F(register_module_init, void, (void (*fn)(void), int type))		\
F(type_register_static, void *, (const struct type_info *info))		\
F(qmp_query_version, struct version_info *, (Error **errp))		\
F(object_class_by_name, ObjectClass *, (const char *name))		\
F(object_resolve_path_type, Object *,					\
	(const char *path, const char *type, bool *ambiguous))		\
F(device_class_set_legacy_reset, void, (ObjectClass *klass, void (*fn)(PCIDevice *))) \
F(qdev_get_parent_bus, void *, (const PCIDevice *dev))			\
F(memory_region_init_io, void, (struct memory_region *mr, void *owner,	\
	const struct mr_ops *ops, void *opaque, const char *name, uint64_t size)) \
F(pci_register_bar, void, (PCIDevice *dev, int n, uint8_t type, struct memory_region *mr)) \
F(pci_default_read_config, uint32_t, (PCIDevice *dev, uint32_t addr, int len)) \
F(pci_default_write_config, void, (PCIDevice *dev, uint32_t addr, uint32_t val, int len)) \
F(pci_requester_id, uint16_t, (PCIDevice *dev))				\
F(pci_device_iommu_address_space, AddressSpace *, (PCIDevice *dev))	\
F(pcie_endpoint_cap_init, int, (PCIDevice *dev, uint8_t off))		\
F(pcie_cap_exit, void, (PCIDevice *dev))				\
F(pcie_cap_flr_init, void, (PCIDevice *dev))				\
F(pcie_cap_flr_write_config, void, (PCIDevice *dev, uint32_t addr, uint32_t val, int len)) \
F(pcie_ats_init, void, (PCIDevice *dev, uint16_t off, bool aligned))	\
F(pcie_pasid_init, void, (PCIDevice *dev, uint16_t off, uint8_t width, bool exec, bool priv)) \
F(pcie_pri_init, void, (PCIDevice *dev, uint16_t off, uint32_t max, bool resp_pasid)) \
F(msi_init, int, (PCIDevice *dev, uint8_t off, unsigned int n,		\
	bool is_64, bool mask, Error **errp))				\
F(msi_uninit, void, (PCIDevice *dev))					\
F(msi_enabled, bool, (const PCIDevice *dev))				\
F(msi_notify, void, (PCIDevice *dev, unsigned int vector))		\
F(address_space_rw, uint32_t, (AddressSpace *as, uint64_t addr,		\
	struct mem_attrs attrs, void *buf, uint64_t len, bool write))	\
F(vtd_find_add_as, void *, (Object *unit, void *bus, int devfn, uint32_t pasid)) \
F(pci_iommu_init_iotlb_notifier, int, (PCIDevice *dev, struct iotlb_notifier *n, \
	void (*fn)(struct iotlb_notifier *n, struct tlb_entry *e), void *opaque)) \
F(pci_iommu_register_iotlb_notifier, int,				\
	(PCIDevice *dev, uint32_t pasid, struct iotlb_notifier *n))	\
F(pci_iommu_unregister_iotlb_notifier, int,				\
	(PCIDevice *dev, uint32_t pasid, struct iotlb_notifier *n))	\
F(pci_ats_request_translation, ssize_t, (PCIDevice *dev, uint32_t pasid, bool priv, bool exec, \
	uint64_t addr, size_t len, bool no_write, struct tlb_entry *result, size_t n, uint32_t *errors)) \
F(pci_pri_request_page, int, (PCIDevice *dev, uint32_t pasid, bool priv, bool exec, \
	uint64_t addr, bool lpig, uint16_t prgi, bool read, bool write)) \
F(pci_pri_register_notifier, int, (PCIDevice *dev, uint32_t pasid, struct pri_notifier *n)) \
F(pci_pri_unregister_notifier, void, (PCIDevice *dev, uint32_t pasid))	\
F(timer_init_full, void, (struct qemu_timer *t, void *group, int clock,	\
	int scale, int attributes, void (*fn)(void *opaque), void *opaque)) \
F(timer_mod, void, (struct qemu_timer *t, int64_t expire))		\
F(timer_del, void, (struct qemu_timer *t))				\
F(qemu_clock_get_ns, int64_t, (int clock))

#define DECLARE(name, ret, args)	extern __attribute__((weak)) ret name args;
QEMU_API(DECLARE)
extern __attribute__((weak)) AddressSpace address_space_memory;

static __attribute__((noreturn, format(printf, 1, 2)))
void fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("sva-testdev: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nsva-testdev: this QEMU is not understood, giving up\n", stderr);
	fflush(stderr);
	_exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------------
 * State
 */
#define MSI_CAP			0x40
#define PCIE_CAP		0x80
#define ATS_CAP			0x100
#define PASID_CAP		0x110
#define PRI_CAP			0x120
#define PASID_WIDTH		20
#define PRI_MAX_REQUESTS	64

#define PCI_COMMAND		0x04
#define PCI_COMMAND_MASTER	0x0004
#define PCI_BAR_MEM_64		0x04
#define ATS_CTRL		(ATS_CAP + 6)
#define ATS_CTRL_ENABLE		0x8000
#define PASID_CTRL		(PASID_CAP + 6)
#define PASID_CTRL_ENABLE	0x0001
#define PASID_CTRL_EXEC		0x0002
#define PASID_CTRL_PRIV		0x0004
#define PRI_CTRL		(PRI_CAP + 4)
#define PRI_CTRL_ENABLE		0x0001
#define PRI_CTRL_RESET		0x0002
#define PRI_STATUS		(PRI_CAP + 6)
#define PRI_STATUS_STOPPED	0x0100
#define PRI_ALLOC		(PRI_CAP + 12)

#define PERM_RW			(SVAT_PERM_READ | SVAT_PERM_WRITE)
#define PERM_ALL		0x1f

#define N_PRGI			512
#define MAX_GROUP		32
#define STEP_PAGES		64		/* work per timer callback */
#define STEP_REQUESTS		64
#define STEP_NS			1000		/* pause between two steps */
#define OVERFLOW_RETRY_NS	1000000		/* after the request queue was full */
#define FOREVER			(INT64_MAX / 2)
#define MIN_PERIOD_NS		10000
#define DEFAULT_GROUP		8
#define DEFAULT_RETRIES		8
#define DEFAULT_TIMEOUT_NS	10000000000ULL
#define DEFAULT_PERIOD_NS	100000

/* Parameters come first among a channel's registers; the doorbell latches them */
#define N_PARAMS		(SVAT_CH_CMD / 8 + 1)
#define N_CH_REGS		(SVAT_CH_N_MATCHES / 8 + 1)
#define N_REGS			0x60
#define FIRST_COUNTER		0x100

enum wait {
	WAIT_NOTHING,		/* runs, or goes on at the timer */
	WAIT_PERIOD,		/* next round of a repeated command */
	WAIT_RESPONSE,		/* of group `prgi` */
	WAIT_CREDIT,		/* a response to any group */
	WAIT_QUEUE,		/* the IOMMU's request queue was full */
};

struct chan {
	struct svat *d;
	unsigned int index;
	uint64_t reg[N_CH_REGS];
	uint64_t op[N_PARAMS];	/* the running command's parameters */
	struct qemu_timer timer;
	enum wait wait;
	bool running;
	bool in_group;		/* `prgi` is ours and its last request is not sent */
	bool answered;		/* `code` is a response that was not looked at yet */
	unsigned int prgi;
	unsigned int n_in_group;
	unsigned int rounds;	/* page request rounds without progress */
	int code;
	int64_t deadline;	/* of the waiting, 0 when none is set */
	uint8_t buf[SVAT_BUF_SIZE];
};

/* Per PASID that was used for ATS or page requests (NO_PASID among them) */
struct pasid_ctx {
	struct iotlb_notifier iotlb;
	struct pri_notifier pri;
	struct svat *d;
	struct pasid_ctx *next;
	uint32_t pasid;
	bool iotlb_on;
	bool pri_on;
};

struct atc_entry {
	bool valid;
	bool priv;
	uint32_t pasid;
	uint64_t iova;
	uint64_t mask;
	uint64_t addr;
	unsigned int perm;
};

/* A page request group that waits for its response, indexed by PRGI */
struct group {
	unsigned int n;		/* requests sent; 0: slot is free */
	uint32_t pasid;
	struct chan *owner;	/* NULL when nobody waits any more */
	int64_t sent;
};

struct svat {
	struct svat *next;
	PCIDevice *dev;
	bool capable;
	bool live;		/* between realize and exit */
	bool irq_pending;
	struct memory_region bar;
	struct qemu_timer irq_timer;
	uint64_t reg[N_REGS];
	struct chan chan[SVAT_CHANNELS];
	struct pasid_ctx *ctxs;
	unsigned int n_ctxs;
	struct atc_entry atc[SVAT_ATC_SIZE];
	unsigned int atc_victim;
	struct group group[N_PRGI];
	unsigned int next_prgi;
};

struct variant {
	const char *name;
	uint16_t device_id;
	bool capable;
};

static struct svat *devices;
static size_t pci_class_offset;

#define REG(d, r)	((d)->reg[(r) / 8])
#define CH(ch, r)	((ch)->reg[(r) / 8])
#define OP(ch, r)	((ch)->op[(r) / 8])

static struct svat *find_device(const void *dev)
{
	struct svat *d;

	for (d = devices; d; d = d->next)
		if ((void *)d->dev == dev)
			return d;
	return NULL;
}

static int64_t now_ns(void)
{
	return qemu_clock_get_ns(CLOCK_VIRTUAL);
}

static bool op_flag(const struct chan *ch, uint64_t flag)
{
	return OP(ch, SVAT_CH_FLAGS) & flag;
}

static uint64_t op_route(const struct chan *ch)
{
	return OP(ch, SVAT_CH_FLAGS) & SVAT_F_ROUTE;
}

static uint32_t op_pasid(const struct chan *ch)
{
	return op_flag(ch, SVAT_F_PASID) ? OP(ch, SVAT_CH_PASID) : NO_PASID;
}

/* ------------------------------------------------------------------------
 * Config space
 */
static uint16_t cfg16(const struct svat *d, uint32_t off)
{
	return pci_default_read_config(d->dev, off, 2);
}

static bool bus_master(const struct svat *d)
{
	return cfg16(d, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool ats_enabled(const struct svat *d)
{
	return d->capable && (cfg16(d, ATS_CTRL) & ATS_CTRL_ENABLE);
}

static bool pasid_enabled(const struct svat *d)
{
	return d->capable && (cfg16(d, PASID_CTRL) & PASID_CTRL_ENABLE);
}

static bool pri_enabled(const struct svat *d)
{
	return d->capable && (cfg16(d, PRI_CTRL) & PRI_CTRL_ENABLE);
}

static uint32_t pri_limit(const struct svat *d)
{
	if (!d->capable)
		return 0;
	return pci_default_read_config(d->dev, PRI_ALLOC, 4);
}

static unsigned int pri_outstanding(const struct svat *d)
{
	unsigned int i, n = 0;

	for (i = 0; i < N_PRGI; i++)
		n += d->group[i].n;
	return n;
}

static uint64_t state_bits(const struct svat *d)
{
	uint16_t pasid = d->capable ? cfg16(d, PASID_CTRL) : 0;
	uint64_t s = 0;

	if (bus_master(d))
		s |= SVAT_STATE_BUS_MASTER;
	if (ats_enabled(d))
		s |= SVAT_STATE_ATS;
	if (pasid & PASID_CTRL_ENABLE)
		s |= SVAT_STATE_PASID;
	if (pasid & PASID_CTRL_EXEC)
		s |= SVAT_STATE_PASID_EXEC;
	if (pasid & PASID_CTRL_PRIV)
		s |= SVAT_STATE_PASID_PRIV;
	if (pri_enabled(d))
		s |= SVAT_STATE_PRI;
	if (msi_enabled(d->dev))
		s |= SVAT_STATE_MSI;
	if (d->capable)
		s |= SVAT_STATE_CAPABLE;
	return s;
}

static void atc_flush(struct svat *d)
{
	memset(d->atc, 0, sizeof(d->atc));
}

static void iotlb_unregister(struct pasid_ctx *ctx)
{
	if (ctx->iotlb_on)
		pci_iommu_unregister_iotlb_notifier(ctx->d->dev, ctx->pasid,
						    &ctx->iotlb);
	ctx->iotlb_on = false;
}

static void pri_unregister(struct pasid_ctx *ctx)
{
	if (ctx->pri_on)
		pci_pri_unregister_notifier(ctx->d->dev, ctx->pasid);
	ctx->pri_on = false;
}

static void ats_goes_off(struct svat *d)
{
	struct pasid_ctx *ctx;

	for (ctx = d->ctxs; ctx; ctx = ctx->next)
		iotlb_unregister(ctx);
	atc_flush(d);
}

static void pasid_goes_off(struct svat *d)
{
	struct pasid_ctx *ctx;
	unsigned int i;

	for (ctx = d->ctxs; ctx; ctx = ctx->next) {
		if (ctx->pasid == NO_PASID)
			continue;
		iotlb_unregister(ctx);
		pri_unregister(ctx);
	}
	for (i = 0; i < SVAT_ATC_SIZE; i++)
		if (d->atc[i].pasid != NO_PASID)
			d->atc[i].valid = false;
}

/* The 16-bit register at @off as it will be after a config write */
static uint16_t cfg16_after(const struct svat *d, uint32_t off,
			    uint32_t addr, uint32_t val, int len)
{
	uint16_t v = cfg16(d, off);
	int i, byte;

	for (i = 0; i < len; i++) {
		byte = (int)(addr + i) - (int)off;
		if (byte < 0 || byte > 1)
			continue;
		v &= ~(0xff << (8 * byte));
		v |= ((val >> (8 * i)) & 0xff) << (8 * byte);
	}
	return v;
}

/* QEMU unregisters a notifier of a PASID only while PASID is still enabled */
static void before_config_write(struct svat *d, uint32_t addr, uint32_t val, int len)
{
	if (ats_enabled(d) &&
	    !(cfg16_after(d, ATS_CTRL, addr, val, len) & ATS_CTRL_ENABLE))
		ats_goes_off(d);
	if (pasid_enabled(d) &&
	    !(cfg16_after(d, PASID_CTRL, addr, val, len) & PASID_CTRL_ENABLE))
		pasid_goes_off(d);
	if (cfg16_after(d, PRI_CTRL, addr, val, len) & PRI_CTRL_RESET)
		memset(d->group, 0, sizeof(d->group));
}

static void config_write(PCIDevice *dev, uint32_t addr, uint32_t val, int len)
{
	struct svat *d = find_device(dev);

	if (d->capable)
		before_config_write(d, addr, val, len);
	pci_default_write_config(dev, addr, val, len);
	pcie_cap_flr_write_config(dev, addr, val, len);
	/* Reset is a command, not a state. QEMU would keep it. */
	if (d->capable && (cfg16(d, PRI_CTRL) & PRI_CTRL_RESET))
		pci_default_write_config(dev, PRI_CTRL,
					 cfg16(d, PRI_CTRL) & ~PRI_CTRL_RESET, 2);
}

static void patch_unit(void);

/* PRI's Stopped bit is the device's to know; QEMU leaves it constant */
static uint32_t config_read(PCIDevice *dev, uint32_t addr, int len)
{
	struct svat *d = find_device(dev);
	uint32_t val = pci_default_read_config(dev, addr, len);
	int byte = PRI_STATUS + 1 - (int)addr;

	patch_unit();
	if (!d->capable || byte < 0 || byte >= len)
		return val;
	val &= ~((PRI_STATUS_STOPPED >> 8) << (8 * byte));
	if (!pri_enabled(d) && !pri_outstanding(d))
		val |= (PRI_STATUS_STOPPED >> 8) << (8 * byte);
	return val;
}

/* ------------------------------------------------------------------------
 * DMA: one piece, inside one 4 KiB page
 */
static struct mem_attrs dma_attrs(const struct svat *d, bool translated)
{
	struct mem_attrs attrs = {
		.bits = (uint32_t)pci_requester_id(d->dev) << ATTRS_REQUESTER_SHIFT,
	};

	if (translated)
		attrs.bits |= ATTRS_TRANSLATED;
	return attrs;
}

/*
 * QEMU has no PCI-level call for DMA with a PASID. The IOMMU model exports the
 * look-up of the per-PASID object that contains the address space; where in
 * that object it is follows from the one without PASID.
 */
static AddressSpace *pasid_as(struct svat *d, uint32_t pasid)
{
	Object *unit = object_resolve_path_type("", "intel-iommu", NULL);
	char *plain_as = (char *)pci_device_iommu_address_space(d->dev);
	void *bus = qdev_get_parent_bus(d->dev);
	int devfn = pci_requester_id(d->dev) & 0xff;
	ptrdiff_t off;

	if (!unit)
		return NULL;
	off = plain_as - (char *)vtd_find_add_as(unit, bus, devfn, NO_PASID);
	if (off < 0 || off > 256)
		fatal("address space of the device is not in the IOMMU's object (offset %td)",
		      off);
	return (AddressSpace *)((char *)vtd_find_add_as(unit, bus, devfn, pasid) + off);
}

static int dma_emit(struct svat *d, AddressSpace *as, uint64_t addr,
		    void *buf, unsigned int n, bool write, bool translated)
{
	if (!as || address_space_rw(as, addr, dma_attrs(d, translated), buf, n, write)) {
		REG(d, SVAT_N_DMA_ERROR)++;
		return SVAT_ST_DMA_ERROR;
	}
	REG(d, SVAT_N_DMA_OK)++;
	REG(d, write ? SVAT_N_BYTES_WRITTEN : SVAT_N_BYTES_READ) += n;
	return SVAT_ST_OK;
}

/* Bus mastering gates whatever the function sends, FORCE or not */
static bool may_send(struct svat *d)
{
	if (bus_master(d))
		return true;
	REG(d, SVAT_N_NO_MASTER)++;
	return false;
}

static bool may_use_pasid(const struct chan *ch)
{
	return !op_flag(ch, SVAT_F_PASID) || op_flag(ch, SVAT_F_FORCE) ||
	       pasid_enabled(ch->d);
}

static int dma_untranslated(struct chan *ch, uint64_t addr, void *buf,
			    unsigned int n, bool write)
{
	struct svat *d = ch->d;

	if (!may_send(d))
		return SVAT_ST_NO_MASTER;
	if (!may_use_pasid(ch))
		return SVAT_ST_NO_PASID;
	if (!op_flag(ch, SVAT_F_PASID))
		return dma_emit(d, pci_device_iommu_address_space(d->dev), addr,
				buf, n, write, false);
	if (addr >= 0xfee00000 && addr <= 0xfeefffff) {
		REG(d, SVAT_N_REFUSED)++;	/* an assertion of QEMU's would fail */
		return SVAT_ST_REFUSED;
	}
	return dma_emit(d, pasid_as(d, OP(ch, SVAT_CH_PASID)), addr, buf, n,
			write, false);
}

static int dma_translated(struct chan *ch, uint64_t addr, void *buf,
			  unsigned int n, bool write)
{
	struct svat *d = ch->d;

	if (!may_send(d))
		return SVAT_ST_NO_MASTER;
	if (!ats_enabled(d) && !op_flag(ch, SVAT_F_FORCE))
		return SVAT_ST_NO_ATS;
	return dma_emit(d, pci_device_iommu_address_space(d->dev), addr, buf, n,
			write, true);
}

/* ------------------------------------------------------------------------
 * ATC and translation requests
 */
static void iotlb_notify(struct iotlb_notifier *n, struct tlb_entry *e)
{
	struct pasid_ctx *ctx = container_of(n, struct pasid_ctx, iotlb);
	struct svat *d = ctx->d;
	uint64_t first = e->iova, last = e->iova + e->addr_mask;
	unsigned int i;

	REG(d, SVAT_N_INVALIDATIONS)++;
	REG(d, SVAT_INV_ADDR) = first;
	REG(d, SVAT_INV_SIZE) = e->addr_mask + 1;
	REG(d, SVAT_INV_PASID) = ctx->pasid;
	if (REG(d, SVAT_CTRL) & SVAT_CTRL_IGNORE_INV) {
		REG(d, SVAT_N_INV_IGNORED)++;
		return;
	}
	for (i = 0; i < SVAT_ATC_SIZE; i++) {
		struct atc_entry *a = &d->atc[i];

		if (!a->valid || a->pasid != ctx->pasid ||
		    a->iova > last || a->iova + a->mask < first)
			continue;
		a->valid = false;
		REG(d, SVAT_N_ATC_DROPPED)++;
	}
}

static void pri_notify(struct pri_notifier *n, struct pri_response *r);

static struct pasid_ctx *get_ctx(struct svat *d, uint32_t pasid)
{
	struct pasid_ctx *ctx;

	for (ctx = d->ctxs; ctx; ctx = ctx->next)
		if (ctx->pasid == pasid)
			return ctx;
	if (d->n_ctxs == SVAT_MAX_PASIDS)
		return NULL;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return NULL;
	ctx->d = d;
	ctx->pasid = pasid;
	ctx->pri.notify = pri_notify;
	ctx->next = d->ctxs;
	d->ctxs = ctx;
	d->n_ctxs++;
	return ctx;
}

/* From the first translation request on, invalidations must arrive */
static void iotlb_register(struct pasid_ctx *ctx)
{
	PCIDevice *dev = ctx->d->dev;

	if (ctx->iotlb_on || !ats_enabled(ctx->d))
		return;
	if (pci_iommu_init_iotlb_notifier(dev, &ctx->iotlb, iotlb_notify, NULL))
		return;
	ctx->iotlb_on = !pci_iommu_register_iotlb_notifier(dev, ctx->pasid, &ctx->iotlb);
}

static struct atc_entry *atc_find(struct chan *ch, uint64_t addr, unsigned int need)
{
	struct svat *d = ch->d;
	unsigned int i;

	for (i = 0; i < SVAT_ATC_SIZE; i++) {
		struct atc_entry *a = &d->atc[i];

		if (a->valid && a->pasid == op_pasid(ch) &&
		    a->priv == op_flag(ch, SVAT_F_PRIV) &&
		    (addr & ~a->mask) == a->iova && (a->perm & need) == need)
			return a;
	}
	return NULL;
}

/* A free slot, else the oldest: slots are filled in turn */
static struct atc_entry *atc_slot(struct svat *d)
{
	unsigned int i;

	for (i = 0; i < SVAT_ATC_SIZE; i++)
		if (!d->atc[i].valid)
			return &d->atc[i];
	REG(d, SVAT_N_ATC_EVICTIONS)++;
	d->atc_victim = (d->atc_victim + 1) % SVAT_ATC_SIZE;
	return &d->atc[d->atc_victim];
}

static struct atc_entry *atc_insert(struct chan *ch, const struct tlb_entry *e)
{
	uint64_t iova = e->iova & ~e->addr_mask;
	struct atc_entry *a = atc_find(ch, iova, 0);

	/* The same page with other permissions: the new answer replaces it */
	if (!a || a->mask != e->addr_mask)
		a = atc_slot(ch->d);
	a->valid = true;
	a->priv = op_flag(ch, SVAT_F_PRIV);
	a->pasid = op_pasid(ch);
	a->iova = iova;
	a->mask = e->addr_mask;
	a->addr = e->translated_addr & ~e->addr_mask;
	a->perm = e->perm & PERM_ALL;
	return a;
}

static int ats_may_send(struct chan *ch)
{
	if (!may_send(ch->d))
		return SVAT_ST_NO_MASTER;
	if (op_flag(ch, SVAT_F_FORCE))
		return SVAT_ST_OK;
	if (!ats_enabled(ch->d))
		return SVAT_ST_NO_ATS;
	return may_use_pasid(ch) ? SVAT_ST_OK : SVAT_ST_NO_PASID;
}

static int ats_error(struct svat *d, int err)
{
	REG(d, SVAT_N_ATS_ERRORS)++;
	REG(d, SVAT_ATS_ERRNO) = err;
	return SVAT_ST_ATS_ERROR;
}

/* One translation request. *@found is set when any permission was granted. */
static int ats_request(struct chan *ch, uint64_t addr, unsigned int need,
		       struct atc_entry **found)
{
	struct svat *d = ch->d;
	bool no_write = !(need & SVAT_PERM_WRITE) && op_flag(ch, SVAT_F_NO_WRITE);
	struct tlb_entry e = { 0 };
	struct pasid_ctx *ctx;
	uint32_t errors = 0;
	ssize_t n;
	int st;

	*found = NULL;
	st = ats_may_send(ch);
	if (st)
		return st;
	ctx = get_ctx(d, op_pasid(ch));
	if (!ctx)
		return SVAT_ST_NO_RESOURCE;
	iotlb_register(ctx);
	REG(d, SVAT_N_ATS_REQUESTS)++;
	n = pci_ats_request_translation(d->dev, ctx->pasid, op_flag(ch, SVAT_F_PRIV),
					op_flag(ch, SVAT_F_EXEC),
					PAGE_OF(addr), SVAT_PAGE,
					no_write, &e, 1, &errors);
	if (n < 0)
		return ats_error(d, -n);
	if (!n || !(e.perm & PERM_RW)) {
		REG(d, SVAT_N_ATS_DENIED)++;
		return SVAT_ST_ATS_DENIED;
	}
	REG(d, SVAT_N_ATS_GRANTED)++;
	*found = atc_insert(ch, &e);
	return (e.perm & need) == need ? SVAT_ST_OK : SVAT_ST_ATS_DENIED;
}

static int atc_translate(struct chan *ch, uint64_t addr, bool write, uint64_t *out)
{
	unsigned int need = write ? SVAT_PERM_WRITE : SVAT_PERM_READ;
	struct atc_entry *a = atc_find(ch, addr, need);
	int st;

	REG(ch->d, a ? SVAT_N_ATC_HITS : SVAT_N_ATC_MISSES)++;
	if (!a) {
		st = ats_request(ch, addr, need, &a);
		if (st)
			return st;
	}
	*out = a->addr + (addr & a->mask);
	return SVAT_ST_OK;
}

static int dma_piece(struct chan *ch, uint64_t addr, void *buf, unsigned int n, bool write)
{
	uint64_t xaddr;
	int st;

	switch (op_route(ch)) {
	case SVAT_F_UNTRANSLATED:
		return dma_untranslated(ch, addr, buf, n, write);
	case SVAT_F_TRANSLATED:
		return dma_translated(ch, addr, buf, n, write);
	}
	st = atc_translate(ch, addr, write, &xaddr);
	if (st)
		return st;
	return dma_translated(ch, xaddr, buf, n, write);
}

/* ------------------------------------------------------------------------
 * Channels: going on, waiting, ending
 */
static void go_on(struct chan *ch, int64_t delay)
{
	timer_mod(&ch->timer, now_ns() + delay);
}

/* Waits share one deadline until something moves; the timer looks at it */
static void wait_for(struct chan *ch, enum wait what, int64_t delay)
{
	int64_t now = now_ns();

	if (!ch->deadline)
		ch->deadline = now + OP(ch, SVAT_CH_TIMEOUT);
	ch->wait = what;
	timer_mod(&ch->timer, now + delay < ch->deadline ? now + delay : ch->deadline);
}

static void progress(struct chan *ch)
{
	ch->wait = WAIT_NOTHING;
	ch->deadline = 0;
}

static void raise_irq(struct chan *ch)
{
	struct svat *d = ch->d;

	REG(d, SVAT_IRQ_STATUS) |= 1ULL << ch->index;
	d->irq_pending = true;
	timer_mod(&d->irq_timer, now_ns());
}

static void irq_timer(void *opaque)
{
	struct svat *d = opaque;

	if (!d->irq_pending || !msi_enabled(d->dev))
		return;
	d->irq_pending = false;
	if (!may_send(d))
		return;
	REG(d, SVAT_N_MSI)++;
	msi_notify(d->dev, 0);
}

static void complete(struct chan *ch, int st)
{
	timer_del(&ch->timer);
	progress(ch);
	ch->running = false;
	CH(ch, SVAT_CH_STATUS) = st;
	if (op_flag(ch, SVAT_F_IRQ))
		raise_irq(ch);
}

static void note_data(struct chan *ch)
{
	uint64_t len = OP(ch, SVAT_CH_LEN), data = 0;

	if (OP(ch, SVAT_CH_CMD) != SVAT_CMD_DMA || op_flag(ch, SVAT_F_WRITE))
		return;
	memcpy(&data, ch->buf + OP(ch, SVAT_CH_BUF_OFF), len < 8 ? len : 8);
	if (CH(ch, SVAT_CH_N_OK) > 1 && data != CH(ch, SVAT_CH_LAST_DATA))
		CH(ch, SVAT_CH_N_CHANGES)++;
	if (data == OP(ch, SVAT_CH_MATCH))
		CH(ch, SVAT_CH_N_MATCHES)++;
	CH(ch, SVAT_CH_LAST_DATA) = data;
}

static void end_round(struct chan *ch, int st)
{
	CH(ch, SVAT_CH_ROUND_STATUS) = st;
	if (st == SVAT_ST_OK) {
		CH(ch, SVAT_CH_N_OK)++;
		note_data(ch);
		return;
	}
	CH(ch, SVAT_CH_N_FAIL)++;
	if (!CH(ch, SVAT_CH_FIRST_FAIL))
		CH(ch, SVAT_CH_FIRST_FAIL) = CH(ch, SVAT_CH_N_OK) + 1;
}

/* Where a range goes on; for the other commands, their address */
static uint64_t chan_pos(const struct chan *ch)
{
	return OP(ch, SVAT_CH_IOVA) + CH(ch, SVAT_CH_BYTES);
}

/* A command, or one round of a repeated command, has run to its end */
static void finish(struct chan *ch, int st)
{
	if (st != SVAT_ST_OK && st != SVAT_ST_MISMATCH)
		CH(ch, SVAT_CH_FAIL_IOVA) = chan_pos(ch);
	if (!op_flag(ch, SVAT_F_REPEAT)) {
		complete(ch, st);
		return;
	}
	end_round(ch, st);
	progress(ch);
	ch->wait = WAIT_PERIOD;
	go_on(ch, OP(ch, SVAT_CH_PERIOD));
}

/* ------------------------------------------------------------------------
 * Page requests
 */
static void kick_waiters(struct svat *d)
{
	unsigned int i;

	for (i = 0; i < SVAT_CHANNELS; i++) {
		struct chan *ch = &d->chan[i];

		if (ch->running && ch->wait == WAIT_CREDIT) {
			progress(ch);
			go_on(ch, 0);
		}
	}
}

/* Runs inside the guest's write to the invalidation queue: only take notes */
static void answer(struct chan *ch, unsigned int prgi, int code)
{
	CH(ch, SVAT_CH_PRI_CODE) = code;
	CH(ch, SVAT_CH_N_RESPONSES)++;
	if (!ch->running || ch->wait != WAIT_RESPONSE || ch->prgi != prgi)
		return;
	progress(ch);
	ch->answered = true;
	ch->code = code;
	go_on(ch, 0);
}

static void pri_notify(struct pri_notifier *n, struct pri_response *r)
{
	struct pasid_ctx *ctx = container_of(n, struct pasid_ctx, pri);
	struct svat *d = ctx->d;
	struct group *g = &d->group[r->prgi % N_PRGI];
	struct chan *owner = g->owner;

	REG(d, SVAT_PRI_LAST_CODE) = r->code;
	REG(d, SVAT_PRI_LAST_PRGI) = r->prgi;
	REG(d, SVAT_PRI_LAST_PASID) = ctx->pasid;
	if (r->code == 0)
		REG(d, SVAT_N_PRI_SUCCESS)++;
	else if (r->code == 1)
		REG(d, SVAT_N_PRI_INVALID)++;
	else
		REG(d, SVAT_N_PRI_FAILURE)++;

	if (!g->n || g->pasid != ctx->pasid) {
		REG(d, SVAT_N_PRI_UNEXPECTED)++;
		return;
	}
	REG(d, SVAT_PRI_LAST_NS) = now_ns() - g->sent;
	memset(g, 0, sizeof(*g));
	if (owner)
		answer(owner, r->prgi, r->code);
	kick_waiters(d);
}

static void pri_register(struct pasid_ctx *ctx)
{
	if (!ctx->pri_on)
		ctx->pri_on = !pci_pri_register_notifier(ctx->d->dev, ctx->pasid,
							 &ctx->pri);
}

static int pri_may_send(struct chan *ch)
{
	if (!may_send(ch->d))
		return SVAT_ST_NO_MASTER;
	if (op_flag(ch, SVAT_F_FORCE))
		return SVAT_ST_OK;
	if (!pri_enabled(ch->d))
		return SVAT_ST_NO_PRI;
	return may_use_pasid(ch) ? SVAT_ST_OK : SVAT_ST_NO_PASID;
}

/* How many more requests the allocation in config space allows */
static unsigned int pri_credit(const struct chan *ch)
{
	unsigned int limit = pri_limit(ch->d), out = pri_outstanding(ch->d);

	if (op_flag(ch, SVAT_F_FORCE))
		return UINT32_MAX;
	return limit > out ? limit - out : 0;
}

/* A PRGI without outstanding requests, or -1 */
static int free_prgi(struct svat *d)
{
	unsigned int i, prgi;

	for (i = 0; i < N_PRGI; i++) {
		prgi = (d->next_prgi + i) % N_PRGI;
		if (d->group[prgi].n)
			continue;
		d->next_prgi = (prgi + 1) % N_PRGI;
		return prgi;
	}
	return -1;
}

static int pri_refused(struct chan *ch, int err)
{
	REG(ch->d, SVAT_N_PRI_ERRORS)++;
	REG(ch->d, SVAT_PRI_ERRNO) = err;
	CH(ch, SVAT_CH_N_REFUSED)++;
	return SVAT_ST_PRI_REFUSED;
}

static bool op_writes(const struct chan *ch)
{
	switch (OP(ch, SVAT_CH_CMD)) {
	case SVAT_CMD_FILL:
		return true;
	case SVAT_CMD_CHECK:
		return false;
	default:
		return op_flag(ch, SVAT_F_WRITE);
	}
}

/* Sends one request as part of group @prgi. Checks were made by the caller. */
static int pri_send(struct chan *ch, uint64_t addr, unsigned int prgi, bool lpig)
{
	struct svat *d = ch->d;
	struct group *g = &d->group[prgi];
	struct pasid_ctx *ctx = get_ctx(d, op_pasid(ch));
	int err;

	if (!ctx)
		return SVAT_ST_NO_RESOURCE;
	pri_register(ctx);
	err = pci_pri_request_page(d->dev, ctx->pasid, op_flag(ch, SVAT_F_PRIV),
				   op_flag(ch, SVAT_F_EXEC),
				   PAGE_OF(addr), lpig, prgi,
				   !op_flag(ch, SVAT_F_NO_READ),
				   op_writes(ch));
	if (err)
		return pri_refused(ch, -err);
	REG(d, SVAT_N_PRI_SENT)++;
	CH(ch, SVAT_CH_N_SENT)++;
	g->n++;
	g->pasid = ctx->pasid;
	g->owner = ch;
	g->sent = now_ns();
	return SVAT_ST_OK;
}

static bool queue_was_full(const struct chan *ch, int st)
{
	return st == SVAT_ST_PRI_REFUSED && REG(ch->d, SVAT_PRI_ERRNO) == ENOSPC;
}

static int response_status(int code)
{
	switch (code) {
	case 0:
		return SVAT_ST_OK;
	case 1:
		return SVAT_ST_PRI_INVALID;
	default:
		return SVAT_ST_PRI_FAILURE;
	}
}

/* Nobody waits any more for what the channel asked; credits stay taken until
 * the response comes, as they do in the IOMMU's view
 */
static void disown_groups(struct chan *ch)
{
	unsigned int i;

	for (i = 0; i < N_PRGI; i++)
		if (ch->d->group[i].owner == ch)
			ch->d->group[i].owner = NULL;
}

static void time_out(struct chan *ch)
{
	if (ch->wait == WAIT_RESPONSE || ch->in_group) {
		memset(&ch->d->group[ch->prgi], 0, sizeof(struct group));
		REG(ch->d, SVAT_N_PRI_TIMEOUTS)++;
	}
	ch->in_group = false;
	finish(ch, SVAT_ST_PRI_TIMEOUT);
}

/* ------------------------------------------------------------------------
 * SVAT_CMD_DMA, FILL, CHECK: a range of memory, page by page
 */
static void make_pattern(const struct chan *ch, uint64_t addr, uint64_t *word, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n / 8; i++)
		word[i] = SVAT_PATTERN(OP(ch, SVAT_CH_PATTERN), addr + 8 * i);
}

static void check_pattern(struct chan *ch, uint64_t addr, const uint64_t *word, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n / 8; i++) {
		if (word[i] == SVAT_PATTERN(OP(ch, SVAT_CH_PATTERN), addr + 8 * i))
			continue;
		if (!CH(ch, SVAT_CH_N_MISMATCH)++)
			CH(ch, SVAT_CH_FAIL_IOVA) = addr + 8 * i;
	}
}

static int range_piece(struct chan *ch, uint64_t addr, uint64_t pos, unsigned int n)
{
	uint64_t word[SVAT_PAGE / 8];
	int st;

	switch (OP(ch, SVAT_CH_CMD)) {
	case SVAT_CMD_FILL:
		make_pattern(ch, addr, word, n);
		return dma_piece(ch, addr, word, n, true);
	case SVAT_CMD_CHECK:
		st = dma_piece(ch, addr, word, n, false);
		if (!st)
			check_pattern(ch, addr, word, n);
		return st;
	default:
		return dma_piece(ch, addr, ch->buf + OP(ch, SVAT_CH_BUF_OFF) + pos,
				 n, op_writes(ch));
	}
}

/* Which of the next @max pages the device cannot reach now; asks the IOMMU */
static int missing_pages(struct chan *ch, uint64_t *page, unsigned int max, unsigned int *n)
{
	unsigned int need = op_writes(ch) ? SVAT_PERM_WRITE : SVAT_PERM_READ;
	uint64_t last = OP(ch, SVAT_CH_IOVA) + OP(ch, SVAT_CH_LEN) - 1;
	uint64_t addr = PAGE_OF(chan_pos(ch));
	struct atc_entry *a;
	unsigned int i;
	int st;

	*n = 0;
	for (i = 0; i < max && addr <= last; i++, addr += SVAT_PAGE) {
		if (atc_find(ch, addr, need))
			continue;
		st = ats_request(ch, addr, need, &a);
		if (st == SVAT_ST_ATS_DENIED)
			page[(*n)++] = addr;
		else if (st)
			return st;
	}
	return SVAT_ST_OK;
}

/* A PRGI for the next group; one whose requests were cut short is used again */
static bool open_group(struct chan *ch)
{
	int prgi;

	if (ch->in_group)
		return true;
	prgi = free_prgi(ch->d);
	if (prgi < 0)
		return false;
	ch->prgi = prgi;
	ch->in_group = true;
	return true;
}

static int send_group(struct chan *ch, const uint64_t *page, unsigned int n)
{
	unsigned int i;
	int st;

	for (i = 0; i < n; i++) {
		st = pri_send(ch, page[i], ch->prgi, i == n - 1);
		if (st)
			return st;
	}
	return SVAT_ST_OK;
}

static int may_request_pages(struct chan *ch)
{
	if (ch->rounds >= OP(ch, SVAT_CH_RETRIES))
		return SVAT_ST_PRI_RETRIES;
	return pri_may_send(ch);
}

static void group_sent(struct chan *ch, int st)
{
	if (queue_was_full(ch, st)) {
		/* what was accepted stays an open group, to be ended later */
		ch->in_group = ch->d->group[ch->prgi].n;
		wait_for(ch, WAIT_QUEUE, OVERFLOW_RETRY_NS);
		return;
	}
	ch->in_group = false;
	if (st) {
		finish(ch, st);
		return;
	}
	ch->rounds++;
	wait_for(ch, WAIT_RESPONSE, FOREVER);
}

/* Ask for the pages that the range needs next, then wait for the answer */
static void request_pages(struct chan *ch)
{
	unsigned int max = OP(ch, SVAT_CH_GROUP), credit = pri_credit(ch), n;
	uint64_t page[MAX_GROUP];
	int st = may_request_pages(ch);

	if (!st)
		st = missing_pages(ch, page, max < credit ? max : credit, &n);
	if (st) {
		finish(ch, st);
		return;
	}
	if (!credit || !open_group(ch)) {
		wait_for(ch, WAIT_CREDIT, FOREVER);
		return;
	}
	if (!n)		/* mapped meanwhile, but a group once begun must end */
		page[n++] = PAGE_OF(chan_pos(ch));
	group_sent(ch, send_group(ch, page, n));
}

static void step_range(struct chan *ch)
{
	uint64_t len = OP(ch, SVAT_CH_LEN), addr;
	unsigned int i, n;
	int st;

	for (i = 0; i < STEP_PAGES && CH(ch, SVAT_CH_BYTES) < len; i++) {
		addr = chan_pos(ch);
		n = SVAT_PAGE - (addr & (SVAT_PAGE - 1));
		if (n > len - CH(ch, SVAT_CH_BYTES))
			n = len - CH(ch, SVAT_CH_BYTES);
		st = range_piece(ch, addr, CH(ch, SVAT_CH_BYTES), n);
		if (st == SVAT_ST_ATS_DENIED && op_route(ch) == SVAT_F_PRI) {
			request_pages(ch);
			return;
		}
		if (st) {
			finish(ch, st);
			return;
		}
		CH(ch, SVAT_CH_BYTES) += n;
		ch->rounds = 0;
	}
	if (CH(ch, SVAT_CH_BYTES) < len)
		go_on(ch, STEP_NS);
	else
		finish(ch, CH(ch, SVAT_CH_N_MISMATCH) ? SVAT_ST_MISMATCH : SVAT_ST_OK);
}

/* ------------------------------------------------------------------------
 * The other commands
 */
static void run_ats(struct chan *ch)
{
	unsigned int need = op_flag(ch, SVAT_F_WRITE) ? PERM_RW : SVAT_PERM_READ;
	uint64_t iova = OP(ch, SVAT_CH_IOVA);
	struct atc_entry *a;
	int st = ats_request(ch, iova, need, &a);

	CH(ch, SVAT_CH_XLAT_ADDR) = a ? a->addr + (iova & a->mask) : 0;
	CH(ch, SVAT_CH_XLAT_SIZE) = a ? a->mask + 1 : 0;
	CH(ch, SVAT_CH_XLAT_PERM) = a ? a->perm : 0;
	finish(ch, st);
}

static void run_page_request(struct chan *ch)
{
	int st = pri_may_send(ch);

	if (!st && !pri_credit(ch))
		st = SVAT_ST_PRI_LIMIT;
	if (!st)
		st = pri_send(ch, OP(ch, SVAT_CH_IOVA), OP(ch, SVAT_CH_PRGI),
			      op_flag(ch, SVAT_F_LPIG));
	if (st || !op_flag(ch, SVAT_F_LPIG) || op_flag(ch, SVAT_F_NO_WAIT)) {
		finish(ch, st);
		return;
	}
	ch->prgi = OP(ch, SVAT_CH_PRGI);
	wait_for(ch, WAIT_RESPONSE, FOREVER);
}

static void run_stop_marker(struct chan *ch)
{
	int err, st = pri_may_send(ch);

	if (!st) {
		err = pci_pri_request_page(ch->d->dev, op_pasid(ch), false, false,
					   PAGE_OF(OP(ch, SVAT_CH_IOVA)), true,
					   OP(ch, SVAT_CH_PRGI), false, false);
		if (err)
			st = pri_refused(ch, -err);
		else
			REG(ch->d, SVAT_N_PRI_MARKERS)++;
	}
	finish(ch, st);
}

static bool open_flood_group(struct chan *ch)
{
	if (op_flag(ch, SVAT_F_SAME_PRGI)) {
		ch->prgi = OP(ch, SVAT_CH_PRGI);
		return true;
	}
	if (open_group(ch))
		return true;
	if (!op_flag(ch, SVAT_F_FORCE))
		return false;
	ch->prgi = ch->d->next_prgi++ % N_PRGI;
	ch->in_group = true;
	return true;
}

/* The next request of a flood; credits are there */
static int flood_one(struct chan *ch, unsigned int credit)
{
	uint64_t done = CH(ch, SVAT_CH_N_SENT) + CH(ch, SVAT_CH_N_REFUSED);
	uint64_t group = OP(ch, SVAT_CH_GROUP);
	bool lpig;
	int st;

	/* A group that uses up the credits must end, or no response would come */
	ch->n_in_group++;
	lpig = group && (ch->n_in_group >= group || credit == 1 ||
			 done + 1 == OP(ch, SVAT_CH_COUNT));
	st = pri_send(ch, OP(ch, SVAT_CH_IOVA) + done * SVAT_PAGE, ch->prgi, lpig);
	if (lpig) {
		ch->in_group = false;
		ch->n_in_group = 0;
		/* Its end was refused, so software will never answer it */
		if (st == SVAT_ST_PRI_REFUSED)
			memset(&ch->d->group[ch->prgi], 0, sizeof(struct group));
	}
	return st == SVAT_ST_PRI_REFUSED ? SVAT_ST_OK : st;
}

static void step_flood(struct chan *ch)
{
	unsigned int i, credit;
	int st = pri_may_send(ch);

	for (i = 0; !st && i < STEP_REQUESTS; i++) {
		if (CH(ch, SVAT_CH_N_SENT) + CH(ch, SVAT_CH_N_REFUSED) ==
		    OP(ch, SVAT_CH_COUNT)) {
			finish(ch, SVAT_ST_OK);
			return;
		}
		credit = pri_credit(ch);
		if (!credit || !open_flood_group(ch)) {
			wait_for(ch, WAIT_CREDIT, FOREVER);
			return;
		}
		st = flood_one(ch, credit);
	}
	if (st)
		finish(ch, st);
	else
		go_on(ch, STEP_NS);
}

static void run(struct chan *ch)
{
	switch (OP(ch, SVAT_CH_CMD)) {
	case SVAT_CMD_DMA:
	case SVAT_CMD_FILL:
	case SVAT_CMD_CHECK:
		step_range(ch);
		break;
	case SVAT_CMD_ATS:
		run_ats(ch);
		break;
	case SVAT_CMD_PAGE_REQ:
		run_page_request(ch);
		break;
	case SVAT_CMD_FLOOD:
		step_flood(ch);
		break;
	case SVAT_CMD_STOP_MARKER:
		run_stop_marker(ch);
		break;
	case SVAT_CMD_MSI:
		raise_irq(ch);
		finish(ch, SVAT_ST_OK);
		break;
	}
}

static void got_answer(struct chan *ch)
{
	int st = response_status(ch->code);

	ch->answered = false;
	if (st || OP(ch, SVAT_CH_CMD) == SVAT_CMD_PAGE_REQ)
		finish(ch, st);
	else
		run(ch);
}

static void chan_timer(void *opaque)
{
	struct chan *ch = opaque;

	if (ch->answered) {
		got_answer(ch);
		return;
	}
	if (ch->deadline && now_ns() >= ch->deadline) {
		time_out(ch);
		return;
	}
	if (ch->wait == WAIT_PERIOD)
		CH(ch, SVAT_CH_BYTES) = 0;
	ch->wait = WAIT_NOTHING;
	run(ch);
}

/* ------------------------------------------------------------------------
 * Doorbell
 */
static bool range_wraps(const struct chan *ch)
{
	return OP(ch, SVAT_CH_IOVA) + OP(ch, SVAT_CH_LEN) - 1 < OP(ch, SVAT_CH_IOVA);
}

static bool group_size_ok(const struct chan *ch, unsigned int min)
{
	return OP(ch, SVAT_CH_GROUP) >= min && OP(ch, SVAT_CH_GROUP) <= MAX_GROUP;
}

static bool params_ok(const struct chan *ch)
{
	uint64_t len = OP(ch, SVAT_CH_LEN), off = OP(ch, SVAT_CH_BUF_OFF);
	uint64_t cmd = OP(ch, SVAT_CH_CMD), count = OP(ch, SVAT_CH_COUNT);

	if (op_flag(ch, SVAT_F_REPEAT) && cmd != SVAT_CMD_DMA && cmd != SVAT_CMD_ATS)
		return false;
	switch (cmd) {
	case SVAT_CMD_DMA:
		return len >= 1 && len <= SVAT_BUF_SIZE && off <= SVAT_BUF_SIZE - len &&
		       group_size_ok(ch, 1);
	case SVAT_CMD_FILL:
	case SVAT_CMD_CHECK:
		return len && !(len % 8) && !(OP(ch, SVAT_CH_IOVA) % 8) &&
		       group_size_ok(ch, 1);
	case SVAT_CMD_FLOOD:
		return count >= 1 && count <= SVAT_MAX_COUNT && group_size_ok(ch, 0);
	case SVAT_CMD_ATS:
	case SVAT_CMD_PAGE_REQ:
	case SVAT_CMD_STOP_MARKER:
	case SVAT_CMD_MSI:
		return true;
	default:
		return false;
	}
}

static void stop(struct chan *ch)
{
	if (!ch->running)
		return;
	disown_groups(ch);
	complete(ch, SVAT_ST_STOPPED);
}

static void latch(struct chan *ch, uint64_t cmd)
{
	memcpy(ch->op, ch->reg, sizeof(ch->op));
	OP(ch, SVAT_CH_CMD) = cmd;
	if (OP(ch, SVAT_CH_PERIOD) < MIN_PERIOD_NS)
		OP(ch, SVAT_CH_PERIOD) = MIN_PERIOD_NS;
	memset(&ch->reg[N_PARAMS], 0, sizeof(ch->reg) - sizeof(ch->op));
	CH(ch, SVAT_CH_PRI_CODE) = SVAT_NO_CODE;
	CH(ch, SVAT_CH_STATUS) = SVAT_ST_BUSY;
	ch->in_group = false;
	ch->answered = false;
	ch->n_in_group = 0;
	ch->rounds = 0;
	ch->running = true;
}

static void doorbell(struct chan *ch, uint64_t cmd)
{
	if (cmd == SVAT_CMD_STOP) {
		stop(ch);
		return;
	}
	if (ch->running) {
		REG(ch->d, SVAT_N_BUSY_CMDS)++;
		return;
	}
	latch(ch, cmd);
	if (!params_ok(ch)) {
		complete(ch, SVAT_ST_INVALID);
	} else if (cmd != SVAT_CMD_FLOOD && range_wraps(ch) && OP(ch, SVAT_CH_LEN)) {
		REG(ch->d, SVAT_N_REFUSED)++;
		complete(ch, SVAT_ST_REFUSED);
	} else {
		run(ch);
	}
}

/* ------------------------------------------------------------------------
 * MMIO
 */
static void reset_chan(struct chan *ch)
{
	timer_del(&ch->timer);
	progress(ch);
	ch->running = false;
	ch->answered = false;
	ch->in_group = false;
	memset(ch->reg, 0, sizeof(ch->reg));
	memset(ch->op, 0, sizeof(ch->op));
	memset(ch->buf, 0, sizeof(ch->buf));
	CH(ch, SVAT_CH_GROUP) = DEFAULT_GROUP;
	CH(ch, SVAT_CH_RETRIES) = DEFAULT_RETRIES;
	CH(ch, SVAT_CH_TIMEOUT) = DEFAULT_TIMEOUT_NS;
	CH(ch, SVAT_CH_PERIOD) = DEFAULT_PERIOD_NS;
	CH(ch, SVAT_CH_PRI_CODE) = SVAT_NO_CODE;
}

static void soft_reset(struct svat *d)
{
	unsigned int i;

	for (i = 0; i < SVAT_CHANNELS; i++)
		reset_chan(&d->chan[i]);
	timer_del(&d->irq_timer);
	d->irq_pending = false;
	memset(d->group, 0, sizeof(d->group));
	memset(d->reg, 0, sizeof(d->reg));
	d->next_prgi = 0;
	atc_flush(d);
}

static void write_ctrl(struct svat *d, uint64_t val)
{
	REG(d, SVAT_CTRL) = val & SVAT_CTRL_IGNORE_INV;
	if (val & SVAT_CTRL_ATC_FLUSH)
		atc_flush(d);
	if (val & SVAT_CTRL_CLEAR_COUNTERS)
		memset(&REG(d, FIRST_COUNTER), 0, sizeof(d->reg) - FIRST_COUNTER);
	if (val & SVAT_CTRL_RESET)
		soft_reset(d);
}

static uint64_t atc_entries(const struct svat *d)
{
	unsigned int i, n = 0;

	for (i = 0; i < SVAT_ATC_SIZE; i++)
		n += d->atc[i].valid;
	return n;
}

static uint64_t read_reg(const struct svat *d, uint64_t off)
{
	switch (off) {
	case SVAT_ID:
		return SVAT_ID_VALUE;
	case SVAT_VERSION:
		return SVAT_VERSION_VALUE;
	case SVAT_STATE:
		return state_bits(d);
	case SVAT_ATC_ENTRIES:
		return atc_entries(d);
	case SVAT_PRI_LIMIT:
		return pri_limit(d);
	case SVAT_PRI_OUTSTANDING:
		return pri_outstanding(d);
	default:
		return off / 8 < N_REGS ? REG(d, off) : 0;
	}
}

static void write_reg(struct svat *d, uint64_t off, uint64_t val)
{
	if (off == SVAT_CTRL)
		write_ctrl(d, val);
	else if (off == SVAT_IRQ_STATUS)
		REG(d, SVAT_IRQ_STATUS) &= ~val;
}

#define W(r)	[(r) / 8]
static const uint64_t chan_writable[N_PARAMS] = {
	W(SVAT_CH_PASID) = (1ULL << PASID_WIDTH) - 1,
	W(SVAT_CH_FLAGS) = ~0ULL,
	W(SVAT_CH_IOVA) = ~0ULL,
	W(SVAT_CH_LEN) = ~0ULL,
	W(SVAT_CH_BUF_OFF) = ~0ULL,
	W(SVAT_CH_PATTERN) = ~0ULL,
	W(SVAT_CH_PRGI) = N_PRGI - 1,
	W(SVAT_CH_COUNT) = ~0ULL,
	W(SVAT_CH_GROUP) = ~0ULL,
	W(SVAT_CH_RETRIES) = ~0ULL,
	W(SVAT_CH_TIMEOUT) = (1ULL << 48) - 1,
	W(SVAT_CH_PERIOD) = (1ULL << 48) - 1,
	W(SVAT_CH_MATCH) = ~0ULL,
};

/* @mask: which bits of the register the access covers */
static void write_chan(struct chan *ch, uint64_t off, uint64_t val, uint64_t mask)
{
	if (off / 8 >= N_PARAMS)
		return;
	if (off == SVAT_CH_CMD) {
		if (mask & 1)
			doorbell(ch, val);
		return;
	}
	mask &= chan_writable[off / 8];
	CH(ch, off) = (CH(ch, off) & ~mask) | (val & mask);
}

/* The channel that @addr belongs to, with the offset in its two pages, or NULL */
static struct chan *decode(struct svat *d, uint64_t addr, uint64_t *off)
{
	uint64_t n = addr / SVAT_CHAN(0);

	*off = addr % SVAT_CHAN(0);
	return n >= 1 && n <= SVAT_CHANNELS ? &d->chan[n - 1] : NULL;
}

static uint64_t mmio_read(void *opaque, uint64_t addr, unsigned int size)
{
	struct svat *d = opaque;
	uint64_t off, val = 0;
	struct chan *ch = decode(d, addr, &off);

	if (ch && off >= SVAT_PAGE) {
		memcpy(&val, ch->buf + off - SVAT_PAGE, size);
		return val;
	}
	if (!ch)
		val = read_reg(d, addr & ~7ULL);
	else if (off / 8 < N_CH_REGS)
		val = CH(ch, off);
	return size == 4 ? (uint32_t)(val >> (8 * (addr & 4))) : val;
}

static void mmio_write(void *opaque, uint64_t addr, uint64_t val, unsigned int size)
{
	struct svat *d = opaque;
	uint64_t off, mask = size == 4 ? 0xffffffffULL : ~0ULL;
	struct chan *ch = decode(d, addr, &off);

	if (ch && off >= SVAT_PAGE) {
		memcpy(ch->buf + off - SVAT_PAGE, &val, size);
		return;
	}
	val <<= 8 * (addr & 4);
	mask <<= 8 * (addr & 4);
	if (ch)
		write_chan(ch, off & ~7ULL, val, mask);
	else
		write_reg(d, addr & ~7ULL, val);
}

static const struct mr_ops bar_ops = {
	.read = mmio_read,
	.write = mmio_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 4, .max_access_size = 8 },
	.impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* ------------------------------------------------------------------------
 * Bits of the emulated unit that QEMU has no property for
 *
 * SVA_TESTDEV_{CAP,ECAP}_{SET,CLEAR} (hex) change the capability registers of
 * the machine's intel-iommu. The unit keeps CAP and ECAP side by side twice,
 * in its register file and in its configuration; both are changed, on the
 * first config read after each reset: reset rewrites the register file, and
 * firmware reads config space long before a kernel reads the unit.
 */
#define VTD_CAP_ADDR	0xfed90008ULL

struct caps {
	uint64_t cap;
	uint64_t ecap;
};

static bool unit_is_patched;

static uint64_t env_mask(const char *name)
{
	const char *s = getenv(name);
	uint64_t mask;
	char *end;

	if (!s || !*s)
		return 0;
	mask = strtoull(s, &end, 16);
	if (*end)
		fatal("%s is not a hexadecimal number", name);
	return mask;
}

static struct caps read_caps(void)
{
	struct caps c;

	if (address_space_rw(&address_space_memory, VTD_CAP_ADDR,
			     (struct mem_attrs){ 0 }, &c, sizeof(c), false))
		fatal("no VT-d unit answers at its usual address");
	return c;
}

static void patch_copies(char *unit, const struct caps *old, const struct caps *new)
{
	size_t i, n = 0, size = malloc_usable_size(unit);

	for (i = 0; i + sizeof(*old) <= size; i += 8) {
		if (memcmp(unit + i, old, sizeof(*old)))
			continue;
		memcpy(unit + i, new, sizeof(*new));
		n++;
	}
	if (n != 2)
		fatal("found %zu copies of CAP and ECAP in the unit, not 2", n);
}

static void patch_unit(void)
{
	struct caps old, new;
	char *unit;

	if (unit_is_patched)
		return;
	unit_is_patched = true;
	if (!(env_mask("SVA_TESTDEV_CAP_SET") | env_mask("SVA_TESTDEV_CAP_CLEAR") |
	      env_mask("SVA_TESTDEV_ECAP_SET") | env_mask("SVA_TESTDEV_ECAP_CLEAR")))
		return;
	unit = (char *)object_resolve_path_type("", "intel-iommu", NULL);
	if (!unit)
		fatal("capability bits to change, but no intel-iommu in the machine");
	old = read_caps();
	new.cap = (old.cap | env_mask("SVA_TESTDEV_CAP_SET")) &
		  ~env_mask("SVA_TESTDEV_CAP_CLEAR");
	new.ecap = (old.ecap | env_mask("SVA_TESTDEV_ECAP_SET")) &
		   ~env_mask("SVA_TESTDEV_ECAP_CLEAR");
	if (!memcmp(&old, &new, sizeof(old)))
		return;
	patch_copies(unit, &old, &new);
	old = read_caps();
	if (memcmp(&old, &new, sizeof(old)))
		fatal("the unit's capability registers did not take the change");
}

/* ------------------------------------------------------------------------
 * Life cycle
 */
static void device_reset(PCIDevice *dev)
{
	struct svat *d = find_device(dev);

	unit_is_patched = false;
	if (!d || !d->live)
		return;
	if (d->capable) {
		config_write(dev, ATS_CTRL, 0, 2);
		config_write(dev, PASID_CTRL, 0, 2);
		config_write(dev, PRI_CTRL, 0, 2);
		config_write(dev, PRI_ALLOC, 0, 4);
	}
	soft_reset(d);
}

static void device_exit(PCIDevice *dev)
{
	struct svat *d = find_device(dev);
	struct pasid_ctx *ctx;

	d->live = false;
	soft_reset(d);
	for (ctx = d->ctxs; ctx; ctx = ctx->next) {
		iotlb_unregister(ctx);
		pri_unregister(ctx);
	}
	msi_uninit(dev);
	pcie_cap_exit(dev);
}

/* QEMU's last reference to the BAR's memory region is gone now */
static void instance_finalize(Object *obj)
{
	struct svat **p = &devices, *d = find_device(obj);
	struct pasid_ctx *ctx;

	if (!d)
		return;
	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	while ((ctx = d->ctxs)) {
		d->ctxs = ctx->next;
		free(ctx);
	}
	free(d);
}

static struct svat *new_device(PCIDevice *dev, bool capable)
{
	struct svat *d = calloc(1, sizeof(*d));
	unsigned int i;

	if (!d)
		fatal("out of memory");
	d->dev = dev;
	d->capable = capable;
	d->next = devices;
	devices = d;
	timer_init_full(&d->irq_timer, NULL, CLOCK_VIRTUAL, 1, 0, irq_timer, d);
	for (i = 0; i < SVAT_CHANNELS; i++) {
		struct chan *ch = &d->chan[i];

		ch->d = d;
		ch->index = i;
		timer_init_full(&ch->timer, NULL, CLOCK_VIRTUAL, 1, 0, chan_timer, ch);
	}
	soft_reset(d);
	return d;
}

static void realize(PCIDevice *dev, bool capable, Error **errp)
{
	struct svat *d = new_device(dev, capable);

	if (msi_init(dev, MSI_CAP, 1, true, false, errp))
		return;
	if (pcie_endpoint_cap_init(dev, PCIE_CAP) != PCIE_CAP)
		fatal("the PCI Express capability did not get its place");
	pcie_cap_flr_init(dev);
	if (capable) {
		pcie_ats_init(dev, ATS_CAP, true);
		pcie_pasid_init(dev, PASID_CAP, PASID_WIDTH, true, true);
		pcie_pri_init(dev, PRI_CAP, PRI_MAX_REQUESTS, true);
	}
	memory_region_init_io(&d->bar, dev, &bar_ops, d, "sva-testdev", SVAT_BAR_SIZE);
	pci_register_bar(dev, 0, PCI_BAR_MEM_64, &d->bar);
	d->live = true;
}

static void realize_capable(PCIDevice *dev, Error **errp)
{
	realize(dev, true, errp);
}

static void realize_plain(PCIDevice *dev, Error **errp)
{
	realize(dev, false, errp);
}

/*
 * Where QEMU's PCIDeviceClass keeps its members follows from a class whose
 * identity is known: edu. A second one must agree.
 */
static const struct pci_class *known_class(const char *type, size_t off)
{
	const char *klass = (const char *)object_class_by_name(type);

	if (!klass)
		fatal("it has no \"%s\" device to learn the class layout from", type);
	if (off + sizeof(struct pci_class) > malloc_usable_size((void *)klass))
		return NULL;
	return (const struct pci_class *)(klass + off);
}

static bool is_edu(const struct pci_class *pc)
{
	return pc->vendor_id == 0x1234 && pc->device_id == 0x11e8 &&
	       pc->revision == 0x10 && pc->class_id == 0x00ff &&
	       pc->realize && pc->exit && !pc->config_read && !pc->config_write;
}

static size_t find_pci_class(void)
{
	const struct pci_class *pc;
	size_t off, found = 0;

	for (off = 0; (pc = known_class("edu", off)); off += sizeof(void *)) {
		if (!is_edu(pc))
			continue;
		if (found)
			fatal("two places look like the class of edu");
		found = off;
	}
	if (!found)
		fatal("the class of edu is not laid out as expected");
	pc = known_class("pci-testdev", found);
	if (!pc || pc->vendor_id != 0x1b36 || pc->device_id != 0x0005 || !pc->realize)
		fatal("the class of pci-testdev is not laid out like that of edu");
	return found;
}

static void class_init(ObjectClass *klass, const void *data)
{
	const struct variant *v = data;
	struct pci_class *pc;

	if (!pci_class_offset)
		pci_class_offset = find_pci_class();
	pc = (struct pci_class *)((char *)klass + pci_class_offset);
	pc->realize = v->capable ? realize_capable : realize_plain;
	pc->exit = device_exit;
	pc->config_read = config_read;
	pc->config_write = config_write;
	pc->vendor_id = SVAT_VENDOR_ID;
	pc->device_id = v->device_id;
	pc->revision = SVAT_VERSION_VALUE;
	pc->class_id = 0x00ff;
	device_class_set_legacy_reset(klass, device_reset);
}

static const struct variant variants[] = {
	{ "sva-testdev", SVAT_DEVICE_ID, true },
	{ "sva-testdev-plain", SVAT_PLAIN_DEVICE_ID, false },
};

/* The declarations at the top were checked against 11.1 */
static void check_qemu(void)
{
	const struct version_info *v = qmp_query_version(NULL);

	if (v->qemu->major == 11 && v->qemu->minor == 1)
		return;
	if (getenv("SVA_TESTDEV_ANY_QEMU"))
		return;
	fatal("version %d.%d.%d; known is 11.1 (SVA_TESTDEV_ANY_QEMU=1 tries anyway)",
	      (int)v->qemu->major, (int)v->qemu->minor, (int)v->qemu->micro);
}

static void register_types(void)
{
	static const char *const interfaces[] = { "pci-express-device", NULL };
	unsigned int i;

	check_qemu();
	for (i = 0; i < ARRAY_SIZE(variants); i++) {
		struct type_info info = {
			.name = variants[i].name,
			.parent = "pci-device",
			.instance_finalize = instance_finalize,
			.class_init = class_init,
			.class_data = &variants[i],
			.interfaces = interfaces,
		};

		type_register_static(&info);
	}
}

/* LD_PRELOAD reaches every program on the way to QEMU: those are left alone */
static __attribute__((constructor)) void loaded(void)
{
#define NAMED(name, ret, args)	{ #name, (void *)name },
	const struct {
		const char *name;
		void *addr;
	} needed[] = {
		QEMU_API(NAMED)
		{ "address_space_memory", &address_space_memory },
	};
	unsigned int i;

	if (!strstr(program_invocation_short_name, "qemu-system"))
		return;
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!needed[i].addr)
			fatal("it does not export \"%s\"", needed[i].name);
	register_module_init(register_types, MODULE_INIT_FIRST);
}
