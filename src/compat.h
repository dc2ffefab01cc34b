/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the module is built for. Probed by
 * scripts/conftest.sh, which writes vtdp_conftest.h; no version numbers here.
 */
#ifndef VTDP_COMPAT_H
#define VTDP_COMPAT_H

#include <linux/mm.h>

#include "vtdp_conftest.h"

/*
 * Of what is large, on a path where it counts, and filled in before it is used:
 * not to be zeroed first (CONFIG_INIT_STACK_ALL_ZERO).
 */
#if __has_attribute(uninitialized)
#define vtdp_uninitialized __attribute__((uninitialized))
#else
#define vtdp_uninitialized
#endif

/* 6.6, 1af5a8109904: the callback that secondary TLBs need was renamed. */
#ifndef HAVE_ARCH_INVALIDATE_SECONDARY_TLBS
#define arch_invalidate_secondary_tlbs invalidate_range
#endif

/* 6.6: what calls return to. */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK VM_NONE
#endif

/* 6.19, a97fbc3ee3e2: operations got an argument, and their user an object. */
#ifdef HAVE_STRUCT_SYSCORE
#define VTDP_DEFINE_SYSCORE(name, suspend_fn, resume_fn)		\
	static int name##_suspend(void *data)				\
	{								\
		return suspend_fn();					\
	}								\
	static void name##_resume(void *data)				\
	{								\
		resume_fn();						\
	}								\
	static const struct syscore_ops name##_ops = {			\
		.suspend = name##_suspend,				\
		.resume = name##_resume,				\
	};								\
	static struct syscore name = { .ops = &name##_ops }
#define vtdp_register_syscore register_syscore
#define vtdp_unregister_syscore unregister_syscore
#else
#define VTDP_DEFINE_SYSCORE(name, suspend_fn, resume_fn)		\
	static struct syscore_ops name = {				\
		.suspend = suspend_fn,					\
		.resume = resume_fn,					\
	}
#define vtdp_register_syscore register_syscore_ops
#define vtdp_unregister_syscore unregister_syscore_ops
#endif

/* Do TLPs get to the root complex with the prefix that carries a PASID? */
#ifdef HAVE_EETLP_PREFIX_MAX
#define vtdp_prefix_path(pdev) (!!(pdev)->eetlp_prefix_max)
#else
#define vtdp_prefix_path(pdev) (!!(pdev)->eetlp_prefix_path)
#endif

/* 6.15: moving from the interrupt was the default before. */
#ifndef HAVE_IRQCHIP_MOVE_DEFERRED
#define IRQCHIP_MOVE_DEFERRED 0
#endif

/* 6.7, in 6.1 from 6.1.70 on: what a listener must be allowed to. */
#ifndef HAVE_GENL_MCAST_CAP
#define GENL_MCAST_CAP_NET_ADMIN GENL_UNS_ADMIN_PERM
#define GENL_MCAST_CAP_SYS_ADMIN GENL_UNS_ADMIN_PERM
#endif

/* Exported, but declared in no header that modules may include. */
#ifdef CONFIG_INTEL_IOMMU
extern int intel_iommu_enabled;
#else
#define intel_iommu_enabled 0
#endif

#endif /* VTDP_COMPAT_H */
