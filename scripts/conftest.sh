#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# conftest.sh KERNEL-SOURCE VERSION: writes the HAVE_ definitions that src/compat.h
# asks for. Kernels are asked for what they have, never for their version,
# because distributions move changes between versions.
set -eu

srctree=$1 version=$2

# The module is tested on these and on kernels between them. Others do as well if
# they build; the module says in the log that nobody has tried.
oldest=6.1 newest=7.3

# have NAME PATTERN FILE: define NAME if FILE of the kernel has PATTERN
have()
{
	if grep -Eq "$2" "$srctree/$3"; then
		echo "#define $1 1"
	else
		echo "/* $1: no */"
	fi
}

echo '/* SPDX-License-Identifier: GPL-2.0-only */'
echo '/* Written by scripts/conftest.sh */'

# 6.6, 1af5a8109904
have HAVE_ARCH_INVALIDATE_SECONDARY_TLBS \
	'\(\*arch_invalidate_secondary_tlbs\)' include/linux/mmu_notifier.h

# 6.19, a97fbc3ee3e2
have HAVE_STRUCT_SYSCORE '^struct syscore \{' include/linux/syscore_ops.h

# 6.15
have HAVE_IRQCHIP_MOVE_DEFERRED 'IRQCHIP_MOVE_DEFERRED' include/linux/irq.h

# After 6.12, before 7.3: a flag became a number
have HAVE_EETLP_PREFIX_MAX 'eetlp_prefix_max' include/linux/pci.h

# 6.7, e03781879a0d; 6.1.70
have HAVE_GENL_MCAST_CAP 'define GENL_MCAST_CAP_SYS_ADMIN' include/net/genetlink.h

number() { echo $((${1%%.*} * 1000 + ${1#*.})); }

tested=1
[ "$(number "$version")" -ge "$(number $oldest)" ] || tested=0
[ "$(number "$version")" -le "$(number $newest)" ] || tested=0
echo "#define VTDP_KERNEL_TESTED $tested"
echo "#define VTDP_KERNELS \"$oldest to $newest\""
