// SPDX-License-Identifier: GPL-2.0-only
/* fuzz_parse.c - libFuzzer: the DMAR table, and fault records */
#include "host.h"
#include "vtdpasid.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct vtdp_dmar *dmar;
	u64 sum = 0;
	LIST_HEAD(out);

	vtdp_dmar_parse(data, size, &out);
	list_for_each_entry(dmar, &out, node)
		for (unsigned int i = 0; i < dmar->scopes; i++)
			for (unsigned int k = 0; k < dmar->scope[i].depth; k++)
				sum += dmar->scope[i].path[k];
	vtdp_dmar_free(&out);
	if (size >= 16) {
		struct vtdpasid_event event;
		u64 lo, hi;

		memcpy(&lo, data, 8);
		memcpy(&hi, data + 8, 8);
		if (vtdp_fault_decode(lo, hi, &event) &&
		    (event.pasid > 0xfffff || event.addr & 0xfff || !vtdp_fault_reason(event.reason)))
			abort();
	}
	return sum == 0x12345678 ? -1 : 0;
}
