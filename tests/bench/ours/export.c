// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bench-ours.ko calls. Part of vtdpasid.ko only when it is built with
 * VTDP_BENCH=1; nothing else of it differs then.
 */
#include <linux/export.h>

#include "../../../src/vtdpasid.h"

EXPORT_SYMBOL_GPL(vtdp_lock);
EXPORT_SYMBOL_GPL(vtdp_client_bind);
EXPORT_SYMBOL_GPL(vtdp_client_unbind);
EXPORT_SYMBOL_GPL(vtdp_client_pasid_alloc);
EXPORT_SYMBOL_GPL(vtdp_client_pasid_free);
EXPORT_SYMBOL_GPL(vtdp_unit_by_index);
EXPORT_SYMBOL_GPL(vtdp_unit_takeover);
EXPORT_SYMBOL_GPL(vtdp_unit_handback);
