// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ioctl.c - each ioctl as a hostile caller would call it, through
 * chardev.c: sizes, tails, flags, reserved fields, bad pointers, missing
 * capabilities; and what is refused further in, each with its errno
 */
#include "tap.h"
#include "world.h"

#define VA(n)	(0x7f0000000000ull + (n) * 0x1000ull)

struct op { const char *name; unsigned int cmd, size, min, out, reserved; u32 flags; bool admin; };
#define OP(n, N, last, o, r, f, a) { #N, VTDPASID_##N, sizeof(struct vtdpasid_##n), \
	offsetof(struct vtdpasid_##n, last) + sizeof(((struct vtdpasid_##n *)0)->last), \
	o, r, f, a }
#define AT(n, field) offsetof(struct vtdpasid_##n, field)
#define NO 0u

static const struct op ops[] = {
	OP(get_info, GET_INFO, out_pasid_first, AT(get_info, out_units), NO, 0, false),
	OP(unit_info, UNIT_INFO, out_overflows, AT(unit_info, out_state), NO, 0, true),
	OP(takeover, TAKEOVER, out_check, AT(takeover, out_check), NO, 0, true),
	OP(handback, HANDBACK, reserved, NO, AT(handback, reserved), 0, true),
	OP(attach, ATTACH, out_state, AT(attach, out_device), AT(attach, reserved), 3, true),
	OP(detach, DETACH, reserved, NO, AT(detach, reserved), 0, true),
	OP(device_info, DEVICE_INFO, out_requests_failed, AT(device_info, out_state), NO, 0, false),
	OP(pasid_alloc, PASID_ALLOC, out_pasid, AT(pasid_alloc, out_pasid), AT(pasid_alloc, reserved), 1, false),
	OP(pasid_free, PASID_FREE, reserved, NO, AT(pasid_free, reserved), 0, false),
	OP(bind, BIND, out_pasid, AT(bind, out_binding), NO, 1, false),
	OP(unbind, UNBIND, reserved, NO, AT(unbind, reserved), 0, false),
	OP(sync, SYNC, length, NO, NO, 0, false),
	OP(walk, WALK, out_fs, AT(walk, out_valid), NO, 1, true),
	OP(pin, PIN, out_pin, AT(pin, out_pin), AT(pin, reserved), 1, false),
	OP(unpin, UNPIN, reserved, NO, AT(unpin, reserved), 0, false),
	OP(binding_info, BINDING_INFO, out_pinned, AT(binding_info, out_device), NO, 0, false),
};

static struct file files[2];
static u8 page[8192] __attribute__((aligned(16)));

static int call_on(int f, unsigned int cmd, void *arg)
{
	return shim_misc->fops->unlocked_ioctl(&files[f], cmd, (unsigned long)arg);
}
#define call(cmd, arg) call_on(0, cmd, arg)

static void begin(void)
{
	world_start_simple(W_CAP, W_ECAP, 1);
	vtdp_chardev_init();
	for (int f = 0; f < 2; f++) {
		shim_misc->fops->open(NULL, &files[f]);
		w.client[f] = files[f].private_data;
	}
	current->mm = &w.proc[0]->mm;
	current->admin = true;
}

/* Has the first file a PASID for that address space? */
static bool holds_pasid(struct mm_struct *mm)
{
	struct vtdp_hold *hold;

	mutex_lock(&vtdp_lock);
	hold = vtdp_client_hold(w.client[0], mm);
	mutex_unlock(&vtdp_lock);
	return hold;
}

static void end(const char *what)
{
	current->mm = NULL;
	current->admin = true;
	current->dropped = 0;
	shim_user = NULL;
	world_stop();
	vtdp_chardev_exit();
	tap_clean("%s", what);
}

/* What a broken unit may still read is left to it: no end, and no look for leaks. */
static void end_broken(const char *what)
{
	tap_clean("%s", what);
	tap_leave(0);
}

static void put(u32 size)
{
	memset(page, 0, sizeof(page));
	memcpy(page, &size, 4);
}

/* One ioctl's argument, in all the ways it can be wrong. */
static void decode(const struct op *op)
{
	struct { u32 size, flags; } *head = (void *)page;
	unsigned int i, bad = 0;
	int last = 0;

	for (i = 0; i < op->min; i++) {
		put(i);
		bad += call(op->cmd, page) != -EINVAL;
	}
	tap_ok(!bad, "%s: no size below %u", op->name, op->min);
	put(op->size + 1);
	page[op->size] = 1;
	tap_is(call(op->cmd, page), -E2BIG, "%s: a byte that it does not know", op->name);
	put(4096);
	page[4095] = 1;
	tap_is(call(op->cmd, page), -E2BIG, "%s: the last byte of the longest argument", op->name);
	put(4097);
	tap_is(call(op->cmd, page), -E2BIG, "%s: longer than the longest", op->name);
	put(~0u);
	tap_is(call(op->cmd, page), -E2BIG, "%s: as long as can be", op->name);
	for (i = bad = 0; i < 32; i++) {
		put(op->size);
		head->flags = 1u << i;
		if (!(op->flags >> i & 1) && (last = call(op->cmd, page)) != -EOPNOTSUPP)
			bad++;
	}
	tap_ok(!bad, "%s: no flag that it does not know (%d)", op->name, last);
	put(op->size);
	tap_is(call(op->cmd, NULL), -EFAULT, "%s: no memory", op->name);
	shim_user = page;
	shim_user_size = op->size - 1;
	tap_is(call(op->cmd, page), -EFAULT, "%s: memory that ends too early", op->name);
	shim_user_size = 2;
	tap_is(call(op->cmd, page), -EFAULT, "%s: not even its size", op->name);
	put(op->size + 8);
	shim_user_size = op->size;
	tap_is(call(op->cmd, page), -EFAULT, "%s: a tail that is not there", op->name);
	shim_user = NULL;
	tap_is(call(op->cmd ^ 1u << 30, page), -ENOTTY, "%s: a number with a direction", op->name);
	tap_is(call(op->cmd | op->size << 16, page), -ENOTTY, "%s: a number with a size", op->name);
	if (op->reserved) {
		put(op->size);
		page[op->reserved + 3] = 0x80;
		tap_is(call(op->cmd, page), -EINVAL, "%s: a reserved field", op->name);
	}
	if (op->admin) {
		put(op->size);
		current->admin = false;
		tap_is(call(op->cmd, page), -EPERM, "%s: without CAP_SYS_ADMIN", op->name);
		current->admin = true;
		current->dropped = 1ull << CAP_SYS_ADMIN;
		tap_is(call(op->cmd, page), -EPERM, "%s: with all but CAP_SYS_ADMIN", op->name);
		current->dropped = 0;
	}
}

static void arguments(void)
{
	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++)
		decode(&ops[i]);
	tap_is(call(_IO(VTDPASID_IOCTL_TYPE, 0x7f), page), -ENOTTY, "a number below all");
	tap_is(call(_IO(VTDPASID_IOCTL_TYPE, 0x91), page), -ENOTTY, "a number above all");
	tap_is(call(_IO(VTDPASID_IOCTL_TYPE + 1, 0x80), page), -ENOTTY, "another type");
	tap_is(shim_misc->mode, 0600, "the file is root's");
	end("arguments");
}

static void answers(void)
{
	struct vtdpasid_get_info info = { .size = sizeof(info), .out_units = 77 };
	struct vtdpasid_takeover take = { .size = sizeof(take), .unit = 5 };
	struct { struct vtdpasid_get_info i; u8 tail[64]; } big = {};
	unsigned int i, bad = 0;

	begin();
	tap_ok(!call(VTDPASID_GET_INFO, &info) && info.out_units == 1 && info.out_pasid_max == 0xfffff &&
	       info.out_pasid_first == 1, "what is given out");
	big.i.size = sizeof(big);
	memset(big.tail, 0, sizeof(big.tail));
	tap_is(call(VTDPASID_GET_INFO, &big), 0, "a caller from the future");
	for (i = 0; i < sizeof(big.tail); i++)
		bad += big.tail[i];
	tap_ok(!bad && big.i.size == sizeof(big), "whose tail and size are left alone");
	tap_is(call(VTDPASID_TAKEOVER, &take), -ENOENT, "no such unit");
	take.unit = 0;
	tap_is(call(VTDPASID_TAKEOVER, &take), 0, "take over");
	tap_ok(!call(VTDPASID_GET_INFO, &info) && info.out_pasid_max == 0xfffff, "20 bits of PASID");
	end("answers");
	world_start_simple(W_CAP, (W_ECAP & ~E_PSS(32)) | E_PSS(16), 1);
	vtdp_chardev_init();
	shim_misc->fops->open(NULL, &files[0]);
	w.client[0] = files[0].private_data;
	w_takeover(0);
	tap_ok(!call(VTDPASID_GET_INFO, &info) && info.out_pasid_max == 0xffff, "16 bits of PASID");
	end("a unit of 16 bits");
}

#define REFUSED(err, cmd, ...) do { \
	__typeof__(__VA_ARGS__) __a = __VA_ARGS__; \
	__a.size = sizeof(__a); \
	tap_is(call(cmd, &__a), -(err), #cmd ": " #err); \
} while (0)
#define ATTACH(r, f) (struct vtdpasid_attach){ .rid = (r), .flags = (f) }

/* What stops PASIDs on their way is known to the kernel only. */
static void pasid_path_unknown(struct pci_dev *d)
{
	struct vtdpasid_attach a = ATTACH(pci_dev_id(d), 0);
	struct vtdpasid_detach gone = { .size = sizeof(gone) };

	a.size = sizeof(a);
	d->pasid_fails = true;
	tap_is(call(VTDPASID_ATTACH, &a), 0, "attach where PASIDs do not get through");
	tap_is(a.out_check, VTDPASID_CHECK_PASID_PATH, "says so");
	gone.device = a.out_device;
	tap_is(call(VTDPASID_DETACH, &gone), 0, "detach");
	d->pasid_fails = false;
}

static void attaching(void)
{
	struct vtdpasid_takeover take = { .size = sizeof(take) };
	struct pci_dev *d;
	unsigned long alias[4] = { 1ul << 9 };
	u16 rid;

	begin();
	d = w_fn(0, F_CLAIMED)->pdev;
	rid = pci_dev_id(d);
	REFUSED(ENOTCONN, VTDPASID_ATTACH, ATTACH(rid, 0));
	REFUSED(ENOTCONN, VTDPASID_HANDBACK, (struct vtdpasid_handback){});
	REFUSED(ENOTCONN, VTDPASID_WALK, (struct vtdpasid_walk){ .rid = rid });
	tap_is(call(VTDPASID_TAKEOVER, &take), 0, "take over");
	tap_is(call(VTDPASID_TAKEOVER, &take), -EALREADY, "twice");
	REFUSED(ENODEV, VTDPASID_ATTACH, ATTACH(0x0fff, 0));
	REFUSED(ENODEV, VTDPASID_WALK, (struct vtdpasid_walk){ .rid = 0x0fff });
	REFUSED(ENXIO, VTDPASID_ATTACH, ATTACH(pci_dev_id(w_fn(0, F_UNOWNED)->pdev), 0));
	w_driver(w_fn(0, F_UNOWNED), &pci_vfio_driver);
	REFUSED(EADDRINUSE, VTDPASID_ATTACH, ATTACH(pci_dev_id(w_fn(0, F_UNOWNED)->pdev), 0));
	d->hdr_type = 1;
	REFUSED(EISDIR, VTDPASID_ATTACH, ATTACH(rid, 0));
	d->hdr_type = 0;
	d->dma_alias_mask = alias;
	REFUSED(EXDEV, VTDPASID_ATTACH, ATTACH(rid, 0));
	d->dma_alias_mask = NULL;
	w_fn(0, F_DRIVEN)->pdev->dma_alias_mask = (unsigned long[4]){ 1ul << d->devfn };
	REFUSED(EXDEV, VTDPASID_ATTACH, ATTACH(rid, 0));
	w_fn(0, F_DRIVEN)->pdev->dma_alias_mask = NULL;
	REFUSED(EINVAL, VTDPASID_ATTACH, ATTACH(rid, VTDPASID_ATTACH_PRI));
	current->dropped = 1ull << CAP_SYS_RAWIO;
	REFUSED(EPERM, VTDPASID_ATTACH, ATTACH(rid, VTDPASID_ATTACH_ATS));
	current->dropped = 0;
	d->untrusted = true;
	REFUSED(EKEYREJECTED, VTDPASID_ATTACH, ATTACH(rid, VTDPASID_ATTACH_ATS));
	d->untrusted = false;
	d->ats_enabled = true;
	REFUSED(EBUSY, VTDPASID_ATTACH, ATTACH(rid, VTDPASID_ATTACH_ATS));
	d->ats_enabled = false;
	d->is_virtfn = true;
	REFUSED(EPROTONOSUPPORT, VTDPASID_ATTACH, ATTACH(rid, 3));
	d->is_virtfn = false;
	d->ats_cap = 0;
	REFUSED(EPROTONOSUPPORT, VTDPASID_ATTACH, ATTACH(rid, VTDPASID_ATTACH_ATS));
	d->ats_cap = 0x100;
	d->has_pri = false;
	REFUSED(EPROTONOSUPPORT, VTDPASID_ATTACH, ATTACH(rid, 3));
	d->has_pri = true;
	/* What fails last is undone from there: the context entry, too. */
	d->config[0x120 + PCI_PRI_STATUS + 1] &= ~(PCI_PRI_STATUS_STOPPED >> 8);
	REFUSED(EBUSY, VTDPASID_ATTACH, ATTACH(rid, 3));
	d->config[0x120 + PCI_PRI_STATUS + 1] |= PCI_PRI_STATUS_STOPPED >> 8;
	d->ats_fails = true;
	REFUSED(EINVAL, VTDPASID_ATTACH, ATTACH(rid, 3));
	tap_ok(!pci_pri_is_on(d) && !d->pri_enabled, "page requests are off again");
	d->ats_fails = false;
	pasid_path_unknown(d);
	pci_set_master(d);
	tap_is(w_dma(w_fn(0, F_CLAIMED), NO_PASID, VA(0), false), DMA_FAULT, "no DMA after an attach that failed");
	pci_clear_master(d);
	tap_is(w_attach(0, w_fn(0, F_CLAIMED), 0), 0, "attach");
	REFUSED(EBUSY, VTDPASID_ATTACH, ATTACH(rid, 0));
	REFUSED(EBUSY, VTDPASID_HANDBACK, (struct vtdpasid_handback){});
	REFUSED(ENOENT, VTDPASID_DETACH, (struct vtdpasid_detach){ .device = 77 });
	REFUSED(ENOENT, VTDPASID_DETACH, (struct vtdpasid_detach){ .device = 0 });
	REFUSED(ENOENT, VTDPASID_DEVICE_INFO, (struct vtdpasid_device_info){ .device = 77 });
	REFUSED(ENOENT, VTDPASID_WALK, (struct vtdpasid_walk){ .rid = rid, .pasid = 1, .flags = 1 });
	vtdp_unit_break(vtdp_unit_by_index(0), "was told to be, by a test");
	REFUSED(EIO, VTDPASID_ATTACH, ATTACH(pci_dev_id(w_fn(0, F_NARROW)->pdev), 0));
	REFUSED(EIO, VTDPASID_TAKEOVER, (struct vtdpasid_takeover){});
	tap_ok(!pci_has_bme(d), "what is attached to a broken unit is cut off");
	end_broken("attaching");
}

static void no_ats(struct vtdpasid_attach *a, u32 check, const char *what)
{
	tap_ok(call(VTDPASID_ATTACH, a) == -EPROTONOSUPPORT && a->out_check == check, "%s", what);
}

/* What keeps PASIDs off for a function that has them, and ATS: who is named. */
static void limits(void)
{
	static const char * const why[] = {
		"none", "not PCI Express", "PASIDs that others switched on", "a path that loses them",
		"a virtual function, and the physical one has them off",
	};
	struct vtdpasid_attach a = { .size = sizeof(a), .flags = VTDPASID_ATTACH_ATS };
	struct pci_dev *d;
	unsigned int i;
	u32 pasid;

	for (i = 0; i < ARRAY_SIZE(why); i++) {
		begin();
		w_takeover(0);
		d = w_fn(0, F_CLAIMED)->pdev;
		d->pcie_type = i == 1 ? -1 : d->pcie_type;
		d->pasid_enabled = i == 2;
		d->eetlp_prefix_path = i != 3;
		d->is_virtfn = i == 4;
		tap_is(w_attach(0, w_fn(0, F_CLAIMED), 0), 0, "attach: %s", why[i]);
		tap_is(w_bind(0, w_fn(0, F_CLAIMED), w.proc[0], false, 0, &pasid), i ? -EPROTONOSUPPORT : 0,
		       "a PASID: %s", why[i]);
		if (i == 2)
			d->pasid_enabled = false;
		end(why[i]);
	}

	begin();
	w_takeover(0);
	d = w_fn(0, F_CLAIMED)->pdev;
	a.rid = pci_dev_id(d);
	d->ats_enabled = true;
	tap_ok(call(VTDPASID_ATTACH, &a) == -EBUSY && a.out_check == VTDPASID_CHECK_ATS_OFF, "ATS that others switched on");
	d->ats_enabled = false;
	d->config[0x100 + PCI_ATS_CAP] &= ~PCI_ATS_CAP_PAGE_ALIGNED;
	no_ats(&a, VTDPASID_CHECK_ATS_ALIGNED, "translations within a page");
	d->config[0x100 + PCI_ATS_CAP] |= PCI_ATS_CAP_PAGE_ALIGNED;
	d->vendor = PCI_VENDOR_ID_INTEL;
	d->device = 0x4943;
	no_ats(&a, VTDPASID_CHECK_ATS_ORDER, "a function that forgets too early");
	d->device = 0x4944;
	a.flags |= VTDPASID_ATTACH_PRI;
	d->config[0x120 + PCI_PRI_STATUS + 1] &= ~(PCI_PRI_STATUS_PASID >> 8);
	no_ats(&a, VTDPASID_CHECK_PRI_PASID, "answers without PASID, to a function with PASIDs");
	d->pasid_width = 0;
	tap_is(w_attach(0, w_fn(0, F_CLAIMED), a.flags), 0, "to one without");
	w_detach(0, w_fn(0, F_CLAIMED));
	d->pasid_width = 20;
	a.flags = VTDPASID_ATTACH_ATS;
	vtdp_table_layout = VTDPASID_TABLE_SYSTEM;
	tap_ok(call(VTDPASID_ATTACH, &a) == -EPROTONOSUPPORT && a.out_check == VTDPASID_CHECK_LAYOUT,
	       "ATS, and tables that are shared");
	vtdp_table_layout = VTDPASID_TABLE_DEVICE;
	end("limits");
}

/* WALK, against what the unit itself translates. */
static void walk(void)
{
	struct vtdpasid_walk a = { .size = sizeof(a), .addr = VA(3) };
	struct wfn *fn, *plain;
	struct pci_dev *far;
	struct upage *p;
	u32 pasid;

	begin();
	w_takeover(0);
	fn = w_fn(0, F_CLAIMED);
	plain = w_fn(0, F_DRIVEN);
	w_attach(0, fn, 0);
	p = umm_map(w.proc[0], VA(3), PAGE_SIZE, true, false);
	w_bind(0, fn, w.proc[0], false, 0, &pasid);
	a.rid = pci_dev_id(fn->pdev);
	a.pasid = pasid;
	tap_is(call(VTDPASID_WALK, &a), 0, "walk");
	tap_is(a.out_valid, 31, "to the end");
	tap_is(a.out_levels, 4, "of four levels");
	tap_is(a.out_fs[3] & 0xffffffffff000ull, p->pa, "to the page");
	a.addr = VA(4);
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_levels == 4 && !(a.out_fs[3] & 1), "to where none is");
	a.pasid = 0;
	a.flags = VTDPASID_WALK_NEXT;
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_pasid == 0, "the first entry in use is entry 0");
	a.pasid = 1;
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_pasid == pasid, "then the PASID");
	a.pasid = pasid + 1;
	tap_is(call(VTDPASID_WALK, &a), -ENOENT, "then none");
	a.pasid = 0xfffff;
	a.flags = 0;
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_valid == 3, "beyond the directory");
	a.pasid = 5000;
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_valid == 7, "a PASID table that there is none of");
	a.pasid = 0;
	a.rid = pci_dev_id(plain->pdev);
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_valid == 15, "a function that passes through");
	tap_is(a.out_pasid_entry[0] >> 6 & 7, 4, "by its type");
	/* A bus that came later, and for which there was no memory. */
	w.bus[1].number = 9;
	far = pci_add(&w.bus[1], 0);
	far->dev.registered = false;
	shim_fail_at = 1;
	pci_plug(far);
	shim_fail_at = 0;
	a.rid = pci_dev_id(far);
	tap_ok(!call(VTDPASID_WALK, &a) && a.out_valid == 1, "a bus without context tables");
	a.flags = VTDPASID_WALK_NEXT;
	tap_is(call(VTDPASID_WALK, &a), -ENOENT, "has no entry in use");
	end("walk");
}

/* Until it works: each wait that a signal may end ends with -EINTR, and changes nothing. */
#define SIGNALS(call, least, what)						\
	do {									\
		int __n, __err = -EINTR;					\
		for (__n = 0; __err == -EINTR && __n < 20;) {			\
			shim_signal_at = ++__n;					\
			__err = (call);						\
		}								\
		shim_signal_at = 0;						\
		tap_is(__err, 0, "%s: in the end it works", what);		\
		tap_ok(__n > (least), "%s: %d waits were interrupted", what, __n - 1); \
	} while (0)

static void signals(void)
{
	struct wfn *fn;
	u32 pasid;

	world_start_simple(W_CAP, W_ECAP, 1);
	fn = w_fn(0, F_CLAIMED);
	w_takeover(0);
	w_open(0);
	SIGNALS(w_attach(0, fn, 0), 2, "attach");
	SIGNALS(w_bind(0, fn, w.proc[0], false, 0, &pasid), 2, "bind");
	SIGNALS(w_sync(0, w.proc[0], 0, 0xfff), 1, "sync");
	SIGNALS(w_pasid_alloc(0, w.proc[1], &pasid), 1, "PASID for a process");
	SIGNALS(w_pasid_free(0, w.proc[1], pasid), 1, "and back");
	SIGNALS(w_reserve(0, 0, 0, &pasid), 1, "reserve");
	end("signals");
}

/* The memory of an answer goes between the look at it and the answer. */
static void answer_lost(void)
{
	struct vtdpasid_get_info info = { .size = sizeof(info) };

	begin();
	shim_copy_fails_at = 2;
	tap_is(call(VTDPASID_GET_INFO, &info), -EFAULT, "an answer that cannot be written any more");
	shim_copy_fails_at = 0;
	tap_is(call(VTDPASID_GET_INFO, &info), 0, "the next one can");
	end("answer lost");
}

/* A PASID that was reserved, and asked for by number each time. */
static void by_number(void)
{
	u32 pasid, got;

	world_start_simple(W_CAP, W_ECAP, 1);
	w_takeover(0);
	w_open(0);
	w_attach(0, w_fn(0, F_CLAIMED), 0);
	w_attach(0, w_fn(0, F_DRIVEN), 0);
	tap_is(w_reserve(0, 0, 0, &pasid), 0, "reserve");
	tap_is(w_bind(0, w_fn(0, F_CLAIMED), w.proc[0], false, pasid, &got), 0, "bind by number");
	tap_is(w_bind(0, w_fn(0, F_DRIVEN), w.proc[0], false, pasid, &got), 0, "and on a second device");
	tap_is(got, pasid, "with the same one");
	tap_is(w_bind(0, w_fn(0, F_DRIVEN), w.proc[1], false, pasid, NULL), -EACCES, "it is no other process's");
	end("by number");
}

static unsigned int redirects(const struct pci_dev *port)
{
	return pci_acs_ctrl(port) & VTDP_ACS_NEEDED;
}

/* ATTACH with its n-th allocation failing changes no port, for all n. */
static void no_memory_for(struct wfn *fn, const struct pci_dev *port)
{
	long n = 0;
	int err;

	do {
		shim_fail_at = ++n;
		err = w_attach(0, fn, 0);
		if (err && (err != -ENOMEM || redirects(port) || redirects(fn->pdev)))
			tap_ok(false, "attach without memory: %d", err);
	} while (err && n < 100);
	shim_fail_at = 0;
	tap_ok(!err && n > 3, "without memory for the %ld things it needs, no port is changed", n - 1);
	w_detach(0, fn);
}

/* Access control services, on a bus below a port. */
static void peers(void)
{
	struct pci_dev *port;
	struct wfn *fn;

	world_start_simple(W_CAP, W_ECAP, 1);
	fn = w_fn(0, F_CLAIMED);
	port = w_port(0);
	w_takeover(0);
	w_open(0);
	tap_is(w_attach(0, fn, 0), 0, "behind a port that redirects");
	tap_is(redirects(port), PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_UF, "it is told to, and to look at requester ids");
	w_detach(0, fn);
	tap_is(redirects(port), 0, "and not any more after detach");
	no_memory_for(fn, port);
	fn->pdev->multifunction = true;
	fn->pdev->subordinate = &w.bus[0];	/* has the capability */
	no_memory_for(fn, port);
	tap_is(w_attach(0, fn, 0), 0, "one of several functions");
	tap_is(redirects(fn->pdev), PCI_ACS_RR, "is told to redirect");
	w_detach(0, fn);
	tap_is(redirects(fn->pdev), 0, "and not any more, either");
	fn->pdev->config[0x140 + PCI_ACS_CTRL] = PCI_ACS_RR;
	tap_is(w_attach(0, fn, 0), 0, "one that redirects anyway");
	w_detach(0, fn);
	tap_is(redirects(fn->pdev), PCI_ACS_RR, "goes on");
	fn->pdev->multifunction = false;
	fn->pdev->subordinate = NULL;

	/* Those of SR-IOV may do without; what they can, they do. */
	fn->pdev->is_physfn = true;
	tap_is(w_attach(0, fn, 0), 0, "a physical function without access control services");
	tap_is(w_bind(0, fn, w.proc[0], false, 0, NULL), 0, "has PASIDs");
	w_detach(0, fn);
	fn->pdev->has_acs = true;
	fn->pdev->config[0x140 + PCI_ACS_CTRL] = 0;
	OK(w_attach(0, fn, 0));
	tap_is(redirects(fn->pdev), PCI_ACS_RR, "one with them is told to redirect");
	w_detach(0, fn);
	fn->pdev->is_physfn = fn->pdev->has_acs = false;

	port->config[0x140 + PCI_ACS_CAP] &= ~PCI_ACS_RR;
	tap_is(w_attach(0, fn, VTDPASID_ATTACH_ATS), -EPROTONOSUPPORT, "behind one that firmware names no ATSR for: no ATS");
	tap_is(w_attach(0, fn, 0), 0, "but attach");
	tap_is(w_bind(0, fn, w.proc[0], false, 0, NULL), -EPROTONOSUPPORT, "without PASIDs");
	tap_is(w_bind(0, fn, w.proc[0], true, 0, NULL), -EXDEV, "and without the rest");
	w_detach(0, fn);
	end("peers");
}

/* Virtual functions have PASIDs as long as the physical one has. */
static void virtual_function(void)
{
	struct wfn *pf, *vf, *driven, *plain;
	u32 vf_pasid;

	world_start_simple(W_CAP, W_ECAP, 1);
	sched_hook = NULL;
	w_takeover(0);
	w_open(0);
	pf = w_fn(0, F_CLAIMED);
	plain = w_more(0, 0x20);
	vf = w_more(0, 0x11);
	vf->pdev->is_virtfn = true;
	vf->pdev->physfn = pf->pdev;
	umm_map(w.proc[0], VA(0), PAGE_SIZE, true, false);
	OK(w_attach(0, plain, 0));
	OK(w_attach(0, pf, 0));
	OK(w_attach(0, vf, 0));
	tap_is(pf->pdev->dev.awake, 1, "who is attached may not sleep");
	OK(w_bind(0, vf, w.proc[0], false, 0, &vf_pasid));
	OK(w_bind(0, plain, w.proc[0], false, 0, NULL));
	tap_is(w_dma(vf, vf_pasid, VA(0), true), DMA_OK, "DMA of a virtual function");
	w_detach(0, vf);
	tap_ok(pci_pasid_is_on(pf->pdev), "its end leaves the physical one as it is");
	vf->pdev->resetting = true;
	tap_is(w_attach(0, vf, 0), -ENODEV, "one that does not answer is not attached");
	vf->pdev->resetting = false;
	OK(w_attach(0, vf, 0));
	OK(w_bind(0, vf, w.proc[0], false, 0, NULL));
	tap_ok(pci_has_bme(vf->pdev), "it is back");
	driven = w_fn(0, F_DRIVEN);
	driven->pdev->is_virtfn = true;
	driven->pdev->physfn = pf->pdev;
	OK(w_attach(0, driven, VTDPASID_ATTACH_ATS));
	OK(w_bind(0, driven, w.proc[0], false, 0, NULL));
	w_detach(0, pf);
	tap_is(pf->pdev->dev.awake, 0, "who is not attached may sleep");
	tap_ok(!pci_pasid_is_on(pf->pdev) && !pci_has_bme(vf->pdev), "without the physical one it does no DMA");
	tap_ok(pci_has_bme(driven->pdev) && !pci_ats_is_on(driven->pdev), "one that a driver drives goes on, without ATS");
	mutex_lock(&vtdp_lock);
	tap_is(vtdp_device_by_rid(vtdp_unit_by_index(0), pci_dev_id(driven->pdev))->nr_bindings, 0, "without bindings");
	mutex_unlock(&vtdp_lock);
	tap_is(w_bind(0, driven, w.proc[0], false, 0, NULL), -EPROTONOSUPPORT, "and without PASIDs");
	vf->stopped = true;
	w_binding(vf, w.proc[0], false)->state = WB_FREE;
	w_binding(driven, w.proc[0], false)->state = WB_FREE;
	tap_is(w_dma(plain, vf_pasid, VA(0), true), DMA_OK, "others do");
	w_detach(0, vf);
	tap_is(w_attach(0, vf, 0), 0, "attached again");
	tap_is(w_bind(0, vf, w.proc[0], false, 0, NULL), -EPROTONOSUPPORT, "it has no PASIDs");
	w_detach(0, vf);
	end("virtual function");
}

/* As between release() and the end of a call that came before it. */
static void pretend_dead(struct mm_struct *mm, bool dead)
{
	mutex_lock(&vtdp_lock);
	vtdp_client_hold(w.client[0], mm)->space->dead = dead;
	mutex_unlock(&vtdp_lock);
}

#define BIND(d, p, f) (struct vtdpasid_bind){ .device = (d), .pasid = (p), .flags = (f) }

static void binding(void)
{
	struct vtdpasid_pasid_alloc mine = { .size = sizeof(mine) };
	struct wfn *a, *b, *n;
	u32 id, reserved, pasid;
	unsigned int i;

	begin();
	w_takeover(0);
	a = w_fn(0, F_CLAIMED);
	b = w_fn(0, F_DRIVEN);
	n = w_fn(0, F_NARROW);
	w_attach(0, a, 0);
	w_attach(0, b, 0);
	w_attach(0, n, 0);
	REFUSED(ENOENT, VTDPASID_BIND, BIND(77, 0, 0));
	REFUSED(EINVAL, VTDPASID_BIND, BIND(a->id, 5, VTDPASID_BIND_NO_PASID));
	REFUSED(EACCES, VTDPASID_BIND, BIND(a->id, 5, 0));
	REFUSED(ENXIO, VTDPASID_BIND, BIND(b->id, 0, VTDPASID_BIND_NO_PASID));
	REFUSED(ENOENT, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = VA(0), .length = 1 });
	shim_settle();
	i = shim_allocs;
	REFUSED(ENOENT, VTDPASID_BIND, BIND(77, 0, 0));
	shim_settle();
	tap_is(shim_allocs, i, "a call that failed leaves nothing behind");
	tap_is(w_bind(0, a, w.proc[0], false, 0, &pasid), 0, "bind");
	REFUSED(EEXIST, VTDPASID_BIND, BIND(a->id, 0, 0));
	w_reserve(0, 0, 0, &reserved);
	REFUSED(ENOTUNIQ, VTDPASID_BIND, BIND(b->id, reserved, 0));
	id = w_binding(a, w.proc[0], false)->id;
	REFUSED(ENOENT, VTDPASID_UNBIND, (struct vtdpasid_unbind){ .binding = id + 1 });
	REFUSED(ENOENT, VTDPASID_BINDING_INFO, (struct vtdpasid_binding_info){ .binding = id + 1 });
	tap_is(call_on(1, VTDPASID_UNBIND, &(struct vtdpasid_unbind){ .size = 16, .binding = id }), -ENOENT,
	       "another file's binding");

	REFUSED(EINVAL, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = VA(0) });
	REFUSED(EOVERFLOW, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = 1ull << 47, .length = 1 });
	REFUSED(EOVERFLOW, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = VA(0), .length = ~0ull });
	REFUSED(EOVERFLOW, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = (1ull << 47) - 1, .length = 2 });

	/* Somebody else with the same file: a child, or who was handed it. */
	current->mm = &w.proc[1]->mm;
	REFUSED(EACCES, VTDPASID_UNBIND, (struct vtdpasid_unbind){ .binding = id });
	REFUSED(EACCES, VTDPASID_PASID_FREE, (struct vtdpasid_pasid_free){ .pasid = pasid });
	REFUSED(ENOENT, VTDPASID_SYNC, (struct vtdpasid_sync){ .addr = VA(0), .length = 1 });
	shim_user_readonly = true;
	tap_is(call(VTDPASID_PASID_ALLOC, &mine), -EFAULT, "memory that the answer cannot go to");
	shim_user_readonly = false;
	tap_ok(!holds_pasid(&w.proc[1]->mm), "nothing is done that cannot be told of");
	REFUSED(ENOENT, VTDPASID_BIND, BIND(999, 0, 0));
	tap_ok(!holds_pasid(&w.proc[1]->mm), "a bind that failed leaves no PASID behind");
	tap_is(call(VTDPASID_PASID_ALLOC, &mine), 0, "a PASID of its own");
	tap_ok(mine.out_pasid != pasid, "is another");
	current->mm = &w.proc[0]->mm;
	REFUSED(EBUSY, VTDPASID_PASID_FREE, (struct vtdpasid_pasid_free){ .pasid = pasid });
	REFUSED(ENOENT, VTDPASID_PASID_FREE, (struct vtdpasid_pasid_free){ .pasid = 999 });

	REFUSED(EOVERFLOW, VTDPASID_PASID_ALLOC, (struct vtdpasid_pasid_alloc){ .min = 1 << 20, .flags = 1 });
	REFUSED(EINVAL, VTDPASID_PASID_ALLOC, (struct vtdpasid_pasid_alloc){ .min = 9, .max = 8, .flags = 1 });
	REFUSED(ENOTUNIQ, VTDPASID_PASID_ALLOC, (struct vtdpasid_pasid_alloc){ .min = pasid + 1 });
	current->mm = NULL;
	REFUSED(ESRCH, VTDPASID_PASID_ALLOC, (struct vtdpasid_pasid_alloc){});
	REFUSED(ESRCH, VTDPASID_BIND, BIND(a->id, 0, 0));
	current->mm = &w.proc[0]->mm;

	/* A PASID that a narrow device cannot emit. */
	current->mm = &w.proc[2]->mm;
	w_reserve(0, 500, 0, &reserved);
	REFUSED(EOVERFLOW, VTDPASID_BIND, BIND(n->id, reserved, 0));
	REFUSED(EOVERFLOW, VTDPASID_BIND, BIND(n->id, reserved, 0));
	tap_is(w_reserve(0, 128, 128, &reserved), 0, "one above what it can");
	REFUSED(EOVERFLOW, VTDPASID_BIND, BIND(n->id, reserved, 0));
	tap_is(w_reserve(0, 127, 127, &reserved), 0, "its highest");
	tap_is(w_bind(0, n, w.proc[2], false, reserved, &pasid), 0, "is bound");
	tap_is(pasid, 127, "as it is");
	current->mm = &w.proc[0]->mm;

	/* The end of the process, the end of the device. */
	w.proc[3]->mm.mm_users.counter++;
	current->mm = &w.proc[3]->mm;
	tap_is(call(VTDPASID_PASID_ALLOC, &mine), 0, "a process that will end");
	pretend_dead(&w.proc[3]->mm, true);
	REFUSED(ESRCH, VTDPASID_BIND, BIND(a->id, 0, 0));
	REFUSED(ESRCH, VTDPASID_BIND, BIND(a->id, 0, VTDPASID_BIND_NO_PASID));
	REFUSED(ESRCH, VTDPASID_PASID_ALLOC, (struct vtdpasid_pasid_alloc){});
	pretend_dead(&w.proc[3]->mm, false);
	vtdp_device_stop_rid(vtdp_unit_by_index(0), pci_dev_id(n->pdev));
	n->stopped = true;
	REFUSED(ENODEV, VTDPASID_BIND, BIND(n->id, 0, 0));
	w.proc[3]->mm.mm_users.counter--;
	vtdp_unit_break(vtdp_unit_by_index(0), "was told to be, by a test");
	REFUSED(EIO, VTDPASID_BIND, BIND(a->id, 0, 0));
	end_broken("binding");
}

/* Many bindings of one process, on functions that are all over the buses. */
static void many(void)
{
	struct vtdp_hold *hold;
	struct wfn *a;

	begin();
	w_takeover(0);
	a = w_fn(0, F_CLAIMED);
	w_attach(0, a, 0);
	tap_is(w_bind(0, a, w.proc[0], false, 0, NULL), 0, "bind");
	hold = list_first_entry(&w.client[0]->holds, struct vtdp_hold, node);
	hold->space->nr_bindings += VTDP_SPACE_BINDINGS - 1;
	REFUSED(ENOSPC, VTDPASID_BIND, BIND(a->id, 0, VTDPASID_BIND_NO_PASID));
	hold->space->nr_bindings -= VTDP_SPACE_BINDINGS - 1;
	tap_is(w_bind(0, a, w.proc[0], true, 0, NULL), 0, "a second one, when there is room");
	end("many bindings");
}

/* The unit has sixteen domain ids; others have most of those for requests without PASID. */
static void domain_ids(void)
{
	struct vtdp_unit *unit;
	struct wfn *a;
	int i, got;

	world_start_simple(W_CAP & ~7ull, W_ECAP, 1);
	w_takeover(0);
	w_open(0);
	a = w_fn(0, F_CLAIMED);
	w_attach(0, a, 0);
	unit = vtdp_unit_by_index(0);
	for (i = 4; i < 15; i++) {
		got = ida_alloc_range(&unit->dids, 4, 15, GFP_KERNEL);
		if (got != i)
			tap_ok(false, "id %d", i);
	}
	tap_is(w_bind(0, a, w.proc[0], true, 0, NULL), 0, "the last domain id");
	w_unbind(w_binding(a, w.proc[0], true));
	got = ida_alloc_range(&unit->dids, 4, 15, GFP_KERNEL);
	tap_is(w_bind(0, a, w.proc[0], true, 0, NULL), -ENOSPC, "none left");
	for (i = 4; i < 16; i++)
		ida_free(&unit->dids, i);
	end("domain ids");
}

/* Hardware that stops: a bind that cannot be invalidated is none. */
static void no_flush(void)
{
	struct wfn *a;

	world_start_simple(W_CAP | C_CM, W_ECAP, 1);
	w_takeover(0);
	w_open(0);
	a = w_fn(0, F_CLAIMED);
	w_attach(0, a, 0);
	conduct.stuck = true;
	tap_is(w_bind(0, a, w.proc[0], false, 0, NULL), -EIO, "bind, while the unit does nothing any more");
	tap_ok(!pci_has_bme(a->pdev), "its functions are cut off");
	end_broken("a unit that does nothing any more");
}

/* Each allocation fails once, of a bind that needs all there are. */
static void no_memory(void)
{
	struct wfn *a;
	u32 pasid;
	int n, err = 0;

	begin();
	w_takeover(0);
	a = w_fn(0, F_CLAIMED);
	w_attach(0, a, 3);
	w_reserve(0, 40000, 0, &pasid);
	for (n = 1; n < 40; n++) {
		shim_fail_at = n;
		err = w_bind(0, a, w.proc[0], false, pasid, NULL);
		if (err != -ENOMEM)
			break;
	}
	shim_fail_at = 0;
	tap_ok(!err && n > 4, "bind of a PASID far up: after %d failures (%d)", n - 1, err);
	for (n = 1; n < 40; n++) {
		shim_fail_at = n;
		err = w_bind(0, a, w.proc[1], true, 0, NULL);
		if (err != -ENOMEM)
			break;
	}
	shim_fail_at = 0;
	tap_ok(!err && n > 2, "bind without PASID: after %d failures (%d)", n - 1, err);
	end("no memory");
}

static struct vtdp_device *more_of;

static void more_events(void)
{
	for (unsigned int i = 0; i < VTDP_EVENTS; i++)
		vtdp_event_device(more_of, VTDPASID_EVENT_DEVICE_GONE);
}

static void events(void)
{
	struct vtdpasid_event e[3];
	unsigned int i, bad = 0;
	struct wfn *a;
	u32 pasid;
	loff_t pos = 0;
	ssize_t (*rd)(struct file *, char *, size_t, loff_t *);

	begin();
	rd = shim_misc->fops->read;
	files[0].f_flags = O_NONBLOCK;
	w_takeover(0);
	a = w_fn(0, F_CLAIMED);
	w_attach(0, a, 0);
	w_bind(0, a, w.proc[0], false, 0, &pasid);
	tap_is(rd(&files[0], (char *)e, sizeof(e), &pos), -EAGAIN, "nothing to read");
	tap_is(rd(&files[0], (char *)e, sizeof(e[0]) - 1, &pos), -EINVAL, "less than an event");
	tap_is(shim_misc->fops->poll(&files[0], NULL), 0, "poll: nothing");
	w_exit(w.proc[0]);
	tap_is(shim_misc->fops->poll(&files[0], NULL), EPOLLIN | EPOLLRDNORM, "poll: an event");
	shim_user = (u8 *)e;
	shim_user_size = sizeof(e[0]) - 1;
	tap_is(rd(&files[0], (char *)e, sizeof(e), &pos), -EFAULT, "memory that ends too early");
	shim_user = NULL;
	tap_is(rd(&files[0], (char *)e, sizeof(e), &pos), sizeof(e[0]), "the event is still there");
	tap_ok(e[0].type == VTDPASID_EVENT_MM_GONE && e[0].pasid == pasid && e[0].size == sizeof(e[0]), "and whole");
	tap_is(rd(&files[0], (char *)e, sizeof(e), &pos), -EAGAIN, "once");
	for (i = 0; i < VTDP_EVENTS + 44; i++)
		vtdp_event_device(xa_load(&w.client[0]->devices, a->id), VTDPASID_EVENT_DEVICE_GONE);
	for (i = 0; i < VTDP_EVENTS; i++)
		bad += rd(&files[0], (char *)e, sizeof(e[0]), &pos) != sizeof(e[0]) || e[0].lost;
	tap_ok(!bad, "as many events as there is room for, in order");
	vtdp_event_device(xa_load(&w.client[0]->devices, a->id), VTDPASID_EVENT_DEVICE_GONE);
	rd(&files[0], (char *)e, sizeof(e[0]), &pos);
	tap_is(e[0].lost, 44, "the next one says how many were lost");
	more_of = xa_load(&w.client[0]->devices, a->id);
	vtdp_event_device(more_of, VTDPASID_EVENT_DEVICE_GONE);
	shim_copy_hook = more_events;
	shim_copy_fails_at = 1;
	tap_is(rd(&files[0], (char *)e, sizeof(e[0]), &pos), -EFAULT, "memory that goes, while the ring fills up");
	shim_copy_hook = NULL;
	rd(&files[0], (char *)e, sizeof(e[0]), &pos);
	tap_is(e[0].lost, 1, "the one that could not be copied is lost, and counted");
	while (rd(&files[0], (char *)e, sizeof(e), &pos) > 0)
		;
	files[0].f_flags = 0;
	current->signal = true;
	tap_is(rd(&files[0], (char *)e, sizeof(e), &pos), -ERESTARTSYS, "a signal ends the wait");
	current->signal = false;
	current->mm = NULL;
	end("events");
}

/* A signal before the lock: nothing was done. */
static void interrupted(void)
{
	unsigned int i, bad = 0, size;

	begin();
	w_takeover(0);
	current->signal = true;
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		size = ops[i].size;
		put(size);
		memcpy(page + 8, &(u32){ 0 }, 4);
		if (ops[i].cmd == VTDPASID_SYNC)
			memcpy(page + 16, &(u64){ 1 }, 8);
		if (ops[i].cmd == VTDPASID_ATTACH)
			memcpy(page + 10, &(u16){ pci_dev_id(w_fn(0, F_CLAIMED)->pdev) }, 2);
		if (ops[i].cmd == VTDPASID_PIN || ops[i].cmd == VTDPASID_UNPIN || ops[i].cmd == VTDPASID_DETACH)
			continue;
		if (ops[i].cmd == VTDPASID_PASID_ALLOC)
			continue;
		if (call(ops[i].cmd, page) != -EINTR) {
			printf("# %s: %d\n", ops[i].name, call(ops[i].cmd, page));
			bad++;
		}
	}
	current->signal = false;
	tap_ok(!bad, "a signal ends each wait for the lock");
	end("interrupted");
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(arguments);
	tap_part(answers);
	tap_part(attaching);
	tap_part(limits);
	tap_part(walk);
	tap_part(signals);
	tap_part(by_number);
	tap_part(answer_lost);
	tap_part(peers);
	tap_part(virtual_function);
	tap_part(binding);
	tap_part(many);
	tap_part(domain_ids);
	tap_part(no_flush);
	tap_part(no_memory);
	tap_part(events);
	tap_part(interrupted);
	return tap_done();
}
