// SPDX-License-Identifier: GPL-2.0-only
/* fuzz_parse.c - the DMAR table, and fault records */
#include "fuzz.h"
#include "vtdpasid.h"

static void parse_dmar(const u8 *data, size_t size)
{
	struct vtdp_dmar *dmar;
	u8 *table = malloc(size ?: 1);
	u64 sum = 0;
	LIST_HEAD(out);

	/* Of its own, so that a byte beyond its end is seen. */
	memcpy(table, data, size);
	vtdp_dmar_parse(table, size, &out);
	list_for_each_entry(dmar, &out, node)
		for (unsigned int i = 0; i < dmar->scopes; i++)
			for (unsigned int k = 0; k < dmar->scope[i].depth; k++)
				sum += dmar->scope[i].path[k];
	vtdp_dmar_free(&out);
	free(table);
	if (sum > 65536u * 16 * 255 || shim_allocs)
		abort();
}

static void parse_fault(const u8 *data)
{
	struct vtdpasid_event event;
	u64 lo, hi;

	memcpy(&lo, data, 8);
	memcpy(&hi, data + 8, 8);
	if (vtdp_fault_decode(lo, hi, &event) != (hi >> 63))
		abort();
	if (hi >> 63 && (event.pasid > 0xfffff || event.addr & 0xfff || !vtdp_fault_reason(event.reason) ||
			 (!(hi >> 31 & 1) && event.pasid) || event.rid != (u16)hi))
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	fuzz_begin();
	parse_dmar(data, size);
	if (size >= 16)
		parse_fault(data);
	return 0;
}
