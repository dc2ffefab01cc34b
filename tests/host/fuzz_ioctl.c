// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_ioctl.c - calls on /dev/vtdpasid by several processes, with whatever
 * arguments, on a machine of the model
 *
 * An input is a sequence of steps: a byte says what, then come its bytes. An
 * ioctl must not give an errno that the header does not document for it, nor
 * write past the caller's size; the model says the rest.
 */
#include "fuzz.h"
#include "world.h"

#define ANY (1ull << ENOTTY | 1ull << EINVAL | 1ull << E2BIG | 1ull << EFAULT | 1ull << EPERM | \
	     1ull << ENOENT | 1ull << ENOMEM | 1ull << EINTR | 1ull << EIO)
#define MAX_STEPS 64

/* Errnos above 63 that calls give, as bits from 40 on. */
static const int high[] = { EOPNOTSUPP, EPROTONOSUPPORT, EALREADY, EADDRINUSE, ENOTCONN, ETIMEDOUT, ENOTUNIQ, EOVERFLOW, EDQUOT, EKEYREJECTED };

static u64 bit(int err)
{
	if (err < 40)
		return 1ull << err;
	for (unsigned int i = 0; i < ARRAY_SIZE(high); i++)
		if (high[i] == err)
			return 1ull << (40 + i);
	return 0;
}

static const struct call { unsigned int cmd, size; int errs[16]; } calls[] = {
	{ VTDPASID_GET_INFO, sizeof(struct vtdpasid_get_info), {} },
	{ VTDPASID_UNIT_INFO, sizeof(struct vtdpasid_unit_info), {} },
	{ VTDPASID_TAKEOVER, sizeof(struct vtdpasid_takeover),
	  { EALREADY, EBUSY, EEXIST, EADDRINUSE, EPROTONOSUPPORT, ETIMEDOUT } },
	{ VTDPASID_HANDBACK, sizeof(struct vtdpasid_handback), { ENOTCONN, EBUSY, ETIMEDOUT } },
	{ VTDPASID_ATTACH, sizeof(struct vtdpasid_attach),
	  { ENODEV, ENOTCONN, EBUSY, ENXIO, EADDRINUSE, EISDIR, EXDEV, EACCES, EPROTONOSUPPORT, EKEYREJECTED, ETIMEDOUT } },
	{ VTDPASID_DETACH, sizeof(struct vtdpasid_detach), { ETIMEDOUT } },
	{ VTDPASID_DEVICE_INFO, sizeof(struct vtdpasid_device_info), {} },
	{ VTDPASID_PASID_ALLOC, sizeof(struct vtdpasid_pasid_alloc), { ENOSPC, EOVERFLOW, ENOTUNIQ, EDQUOT, ESRCH } },
	{ VTDPASID_PASID_FREE, sizeof(struct vtdpasid_pasid_free), { EACCES, EBUSY } },
	{ VTDPASID_BIND, sizeof(struct vtdpasid_bind),
	  { EEXIST, EBUSY, EACCES, ENOTUNIQ, EOVERFLOW, ENOSPC, EDQUOT, EPROTONOSUPPORT, ENXIO, EXDEV, ENODEV, ESRCH, ETIMEDOUT } },
	{ VTDPASID_UNBIND, sizeof(struct vtdpasid_unbind), { EACCES, ETIMEDOUT } },
	{ VTDPASID_SYNC, sizeof(struct vtdpasid_sync), { EOVERFLOW, ETIMEDOUT } },
	{ VTDPASID_WALK, sizeof(struct vtdpasid_walk), { ENODEV, ENOTCONN } },
	{ VTDPASID_BINDING_INFO, sizeof(struct vtdpasid_binding_info), {} },
};

static struct file files[2];

static void file_open(struct file *f)
{
	f->f_flags = O_NONBLOCK;
	if (shim_misc->fops->open(NULL, f))
		abort();
}

static void step_ioctl(const struct call *call, struct input *in)
{
	static u8 arg[4096 + 16], was[4096 + 16];
	u8 what = input_u8(in), given = input_u8(in);
	u32 size = call->size;
	int err, i;
	u64 allowed = ANY | bit(EOPNOTSUPP);

	memset(arg, 0, sizeof(arg));
	/* Mostly of the right size; flags and the rest as they come. */
	if (what & 1)
		size = input_u32(in) & 8191;
	input_bytes(in, arg + 4, min_t(unsigned int, given, 256));
	memcpy(arg, &size, 4);
	memcpy(was, arg, sizeof(arg));
	shim_user = arg;
	shim_user_size = what & 2 ? (what >> 4) * 8 : 4096;
	current->admin = !(what & 4);
	err = shim_misc->fops->unlocked_ioctl(&files[what >> 3 & 1], call->cmd, (unsigned long)arg);
	shim_user = NULL;
	current->admin = true;
	for (i = 0; i < 16; i++)
		allowed |= call->errs[i] ? bit(call->errs[i]) : 0;
	if (err > 0 || (err && !(allowed & bit(-err)))) {
		fprintf(stderr, "ioctl %#x: %d is not documented\n", call->cmd, err);
		abort();
	}
	i = min_t(u32, size, call->size);
	if (memcmp(arg + i, was + i, sizeof(arg) - i) || memcmp(arg, was, 4)) {
		fprintf(stderr, "ioctl %#x of size %u: wrote what is not its own\n", call->cmd, size);
		abort();
	}
}

static void step(struct input *in)
{
	u8 op = input_u8(in), a = input_u8(in);
	struct umm *u = w.proc[a % W_PROCS];
	struct wfn *fn = &w.fn[a % w.fns];
	struct vtdpasid_event e[2];
	loff_t pos = 0;

	if (op < 0xc0) {
		in->at--, in->left++;
		step_ioctl(&calls[op % ARRAY_SIZE(calls)], in);
		return;
	}
	switch (op & 15) {
	case 0: case 1: case 2: current->mm = u->live ? &u->mm : NULL; break;
	case 3: umm_map(u, (u64)(a >> 4) << 12 | 0x7f0000000000ull, PAGE_SIZE, a & 8, false); break;
	case 4: umm_unmap(u, 0x7f0000000000ull, 0x7f0000000000ull + ((u64)a << 9)); break;
	case 5: w_random_dma(); break;
	case 6: shim_misc->fops->read(&files[a & 1], (char *)e, a, &pos); break;
	case 7: shim_misc->fops->poll(&files[a & 1], NULL); break;
	case 8:
		shim_misc->fops->release(NULL, &files[a & 1]);
		file_open(&files[a & 1]);
		break;
	case 9: shim_run_work(); co_finish(); break;
	case 10: current->signal = a & 1; break;
	case 11: w_driver(fn, a & 0x80 ? &pci_vfio_driver : a & 0x40 ? &pci_kernel_driver : &vtdp_pci_driver); break;
	case 12:
		if (current->mm == &u->mm || !u->live)
			break;
		w_exit(u);
		w.proc[a % W_PROCS] = umm_new();
		break;
	case 13: shim_fail_at = a & 15; break;
	case 14:
		if (pci_pri_is_on(fn->pdev))
			model_page_request_raw(0, 1 | 1 << 8 | 1ull << 32 | (u64)pci_dev_id(fn->pdev) << 16, a & 7);
		break;
	default: break;
	}
}

/* Nobody counts here who waits for an answer. */
static void no_hook(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 group, unsigned int code) {}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i, steps;

	fuzz_begin();
	world_start_simple(W_CAP, W_ECAP, 1);
	w.conf.any_layout = true;	/* what is bound, no oracle knows here */
	model_response_hook = no_hook;
	conduct.prefetch = 4;
	conduct.lazy = 2;
	if (vtdp_chardev_init())
		abort();
	for (i = 0; i < 2; i++)
		file_open(&files[i]);
	current->mm = &w.proc[0]->mm;
	w_takeover(0);
	for (steps = 0; in.left && steps < MAX_STEPS; steps++)
		step(&in);
	current->signal = false;
	current->mm = NULL;
	shim_fail_at = 0;
	for (i = 0; i < 2; i++)
		shim_misc->fops->release(NULL, &files[i]);
	vtdp_chardev_exit();
	world_stop();
	return 0;
}
