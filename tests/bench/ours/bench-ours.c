// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our side: what the ioctls of /dev/vtdpasid call, timed without the way in and
 * out of the kernel, as the peer's is.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>

#include <asm/msr.h>

#include "../../../src/vtdpasid.h"
#include "../../device/sva-testdev.h"
#include "../bench.h"

static int ours_bind(struct vtdp_client *client, struct bench_call *call)
{
	struct vtdpasid_bind arg = {
		.size = sizeof(arg),
		.device = call->device,
	};
	int err = bench_time(call, vtdp_client_bind(client, &arg));

	call->handle = arg.out_binding;
	call->pasid = arg.out_pasid;
	return err;
}

static int ours_pasids(struct vtdp_client *client, struct bench_call *call)
{
	struct vtdpasid_pasid_alloc arg;
	u64 start = rdtsc();
	int err = 0;
	u32 i;

	for (i = 0; !err && i < call->count; i++) {
		arg = (struct vtdpasid_pasid_alloc) {
			.size = sizeof(arg),
			.flags = VTDPASID_PASID_RESERVE,
		};
		err = vtdp_client_pasid_alloc(client, &arg);
	}
	call->ticks = rdtsc() - start;
	call->pasid = arg.out_pasid;
	return err;
}

static int ours_free(struct vtdp_client *client, struct bench_call *call)
{
	u64 pasids = (1u << 20) - 1;
	u64 start = rdtsc();
	int err = 0;
	u64 i;

	for (i = 0; !err && i < call->count; i++)
		err = vtdp_client_pasid_free(client, 1 +
			(call->pasid - 1 + i * call->arg) % pasids);
	call->ticks = rdtsc() - start;
	return err;
}

static int ours_unit(struct bench_call *call)
{
	struct vtdp_unit *unit;
	int err = -ENOENT;
	u32 check;

	mutex_lock(&vtdp_lock);
	unit = vtdp_unit_by_index(call->device);
	if (unit && call->op == BENCH_TAKEOVER)
		err = bench_time(call, vtdp_unit_takeover(unit, &check));
	else if (unit)
		err = bench_time(call, vtdp_unit_handback(unit));
	mutex_unlock(&vtdp_lock);
	return err;
}

static int ours_client_call(struct vtdp_client *client, struct bench_call *call)
{
	switch (call->op) {
	case BENCH_BIND:
		return ours_bind(client, call);
	case BENCH_UNBIND:
		return bench_time(call, vtdp_client_unbind(client, call->handle));
	case BENCH_PASIDS:
		return ours_pasids(client, call);
	case BENCH_FREE:
		return ours_free(client, call);
	case BENCH_TAKEOVER:
	case BENCH_HANDBACK:
		return ours_unit(call);
	}
	return -EOPNOTSUPP;
}

static int ours_call(struct bench_call *call)
{
	struct file *file = fget(call->fd);
	int err;

	if (!file)
		return -EBADF;
	err = ours_client_call(file->private_data, call);
	fput(file);
	return err;
}

static const struct bench_side ours_side = {
	.call = ours_call,
};

/*
 * A driver for functions that no other has: those that have one pass through
 * when a unit is taken over.
 */
static int plain_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static const struct pci_device_id plain_ids[] = {
	{ PCI_DEVICE(SVAT_VENDOR_ID, SVAT_PLAIN_DEVICE_ID) },
	{}
};

static struct pci_driver plain_driver = {
	.name = "bench-plain",
	.id_table = plain_ids,
	.probe = plain_probe,
};

static int __init ours_init(void)
{
	int err = pci_register_driver(&plain_driver);

	if (err)
		return err;
	err = bench_register(&ours_side);
	if (err)
		pci_unregister_driver(&plain_driver);
	return err;
}

static void __exit ours_exit(void)
{
	bench_unregister();
	pci_unregister_driver(&plain_driver);
}

module_init(ours_init);
module_exit(ours_exit);

MODULE_DESCRIPTION("Benchmark of vtdpasid: vtdpasid itself");
MODULE_LICENSE("GPL");
