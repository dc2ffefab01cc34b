/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the module is built for. Probed by
 * scripts/conftest.sh, which writes vtdp_conftest.h; no version numbers here.
 */
#ifndef VTDP_COMPAT_H
#define VTDP_COMPAT_H

#include "vtdp_conftest.h"

/* 6.6, 1af5a8109904: the callback that secondary TLBs need was renamed. */
#ifndef HAVE_ARCH_INVALIDATE_SECONDARY_TLBS
#define arch_invalidate_secondary_tlbs invalidate_range
#endif

/* Exported, but declared in no header that modules may include. */
#ifdef CONFIG_INTEL_IOMMU
extern int intel_iommu_enabled;
#else
#define intel_iommu_enabled 0
#endif

#endif /* VTDP_COMPAT_H */
