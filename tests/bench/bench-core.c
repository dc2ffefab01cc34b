// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vtdpbench, and what both sides of the benchmark do alike.
 */
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/msr.h>

#include "bench.h"

static unsigned long unit = 0xfed90000;
module_param(unit, ulong, 0);
MODULE_PARM_DESC(unit, "address of the unit's registers (QEMU's: 0xfed90000)");

static void __iomem *regs;
static const struct bench_side *side;

/* A write to VER changes nothing; QEMU's trace shows it (vtd_reg_write). */
void bench_mark(const struct bench_call *call, int begin)
{
	if (call->phase)
		writel(BENCH_MARK_VALUE(call->phase, begin), regs);
}
EXPORT_SYMBOL_GPL(bench_mark);

static const struct mmu_notifier_ops no_ops;

/*
 * Nearly all of this is mm_take_all_locks(): the mm must have had a notifier
 * before, or the structure for it is made, too.
 */
static int bench_locks(struct bench_call *call)
{
	struct mmu_notifier first = { .ops = &no_ops };
	struct mmu_notifier second = { .ops = &no_ops };
	int err;

	err = mmu_notifier_register(&first, current->mm);
	if (err)
		return err;
	err = bench_time(call, mmu_notifier_register(&second, current->mm));
	if (!err)
		mmu_notifier_unregister(&second, current->mm);
	mmu_notifier_unregister(&first, current->mm);
	return err;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long data)
{
	struct bench_call call;
	int err;

	if (cmd != BENCH_CALL)
		return -ENOTTY;
	if (copy_from_user(&call, (void __user *)data, sizeof(call)))
		return -EFAULT;
	switch (call.op) {
	case BENCH_MARK:
		bench_mark(&call, call.arg);
		return 0;
	case BENCH_LOCKS:
		err = bench_locks(&call);
		break;
	default:
		err = side->call(&call);
	}
	if (!err && copy_to_user((void __user *)data, &call, sizeof(call)))
		return -EFAULT;
	return err;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vtdpbench",
	.fops = &bench_fops,
	.mode = 0600,
};

/* One side at a time. */
int bench_register(const struct bench_side *new)
{
	side = new;
	return misc_register(&bench_device);
}
EXPORT_SYMBOL_GPL(bench_register);

void bench_unregister(void)
{
	misc_deregister(&bench_device);
}
EXPORT_SYMBOL_GPL(bench_unregister);

static int __init core_init(void)
{
	regs = ioremap(unit, PAGE_SIZE);
	return regs ? 0 : -ENOMEM;
}

static void __exit core_exit(void)
{
	iounmap(regs);
}

module_init(core_init);
module_exit(core_exit);

MODULE_DESCRIPTION("Benchmark of vtdpasid: what both sides share");
MODULE_LICENSE("GPL");
