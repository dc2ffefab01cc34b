/* SPDX-License-Identifier: GPL-2.0-only */
#define HAVE_ARCH_INVALIDATE_SECONDARY_TLBS
#define VTDP_KERNEL_TESTED 1
#define VTDP_KERNELS "the host"
