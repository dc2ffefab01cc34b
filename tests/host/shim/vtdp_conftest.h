/* SPDX-License-Identifier: GPL-2.0-only */
#define HAVE_ARCH_INVALIDATE_SECONDARY_TLBS
