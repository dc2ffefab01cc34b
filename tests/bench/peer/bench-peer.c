// SPDX-License-Identifier: GPL-2.0-only
/*
 * The peer: SVA of the in-kernel driver, for the test device.
 *
 * PASID, ATS and page requests of the device are switched on by the IOMMU
 * driver when it probes it, or binds.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/xarray.h>

#include <asm/msr.h>

#include "../../device/sva-testdev.h"
#include "../bench.h"

static DEFINE_XARRAY_ALLOC(devices);	/* struct pci_dev, in order of probe */
static DEFINE_XARRAY_ALLOC1(handles);	/* struct iommu_sva */

static int peer_bind(struct bench_call *call)
{
	struct pci_dev *pdev = xa_load(&devices, call->device);
	struct iommu_sva *handle;
	int err;

	if (!pdev)
		return -ENODEV;
	handle = bench_time(call, iommu_sva_bind_device(&pdev->dev, current->mm));
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	call->pasid = iommu_sva_get_pasid(handle);
	err = xa_alloc(&handles, &call->handle, handle, xa_limit_31b, GFP_KERNEL);
	if (err)
		iommu_sva_unbind_device(handle);
	return err;
}

static int peer_unbind(struct bench_call *call)
{
	struct iommu_sva *handle = xa_erase(&handles, call->handle);

	if (!handle)
		return -ENOENT;
	return bench_time(call, (iommu_sva_unbind_device(handle), 0));
}

static int peer_call(struct bench_call *call)
{
	switch (call->op) {
	case BENCH_BIND:
		return peer_bind(call);
	case BENCH_UNBIND:
		return peer_unbind(call);
	}
	return -EOPNOTSUPP;
}

static const struct bench_side peer_side = {
	.call = peer_call,
};

static int peer_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	u32 index;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	pci_set_master(pdev);
	return xa_alloc(&devices, &index, pdev, xa_limit_31b, GFP_KERNEL);
}

static void peer_remove(struct pci_dev *pdev)
{
	struct pci_dev *entry;
	unsigned long index;

	xa_for_each(&devices, index, entry)
		if (entry == pdev)
			xa_erase(&devices, index);
	pci_clear_master(pdev);
}

static const struct pci_device_id peer_ids[] = {
	{ PCI_DEVICE(SVAT_VENDOR_ID, SVAT_DEVICE_ID) },
	{}
};

static struct pci_driver peer_driver = {
	.name = "bench-peer",
	.id_table = peer_ids,
	.probe = peer_probe,
	.remove = peer_remove,
};

static int __init peer_init(void)
{
	int err = pci_register_driver(&peer_driver);

	if (err)
		return err;
	err = bench_register(&peer_side);
	if (err)
		pci_unregister_driver(&peer_driver);
	return err;
}

static void __exit peer_exit(void)
{
	struct iommu_sva *handle;
	unsigned long index;

	bench_unregister();
	xa_for_each(&handles, index, handle)
		iommu_sva_unbind_device(handle);
	xa_destroy(&handles);
	pci_unregister_driver(&peer_driver);
	xa_destroy(&devices);
}

module_init(peer_init);
module_exit(peer_exit);

MODULE_DESCRIPTION("Benchmark of vtdpasid: the in-kernel driver");
MODULE_LICENSE("GPL");
