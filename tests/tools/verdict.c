// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdict - what "vtdpasid explain" makes of entries that no test machine shows:
 * reserved bits, rights that differ by level, five levels, other types
 *
 * One request that is translated, and one change to it for each case.
 */
#include "../guest/tap.h"
#include "walk.h"

#define ADDR		0x00007f1234566890ull
#define PAGE_AT		0x12345000ull
#define TABLE		(VTD_FS_P | VTD_FS_RW | VTD_FS_US | VTD_FS_A)
#define FIRST_STAGE	(VTD_PASID0_P | VTD_PGTT_FIRST_STAGE << 6 | 2 << 2)

/* PASID 70 of 00:04.0, in four levels. */
static struct vtdpasid_walk good(void)
{
	return (struct vtdpasid_walk){
		.rid = 0x20,
		.pasid = 70,
		.out_pasid = 70,
		.addr = ADDR,
		.out_valid = 0x1f,
		.out_levels = 4,
		.out_root = 0x1000 | VTD_ROOT_P,
		.out_context = { 0x2000 | 2 << 9 | VTD_CTX0_PASIDE | VTD_CTX0_P },
		.out_dir = 0x3000 | VTD_PDIR_P,
		.out_pasid_entry = { FIRST_STAGE, 1, 0x4000 },
		.out_fs = { 0x5000 | TABLE, 0x6000 | TABLE, 0x7000 | TABLE, PAGE_AT | TABLE },
	};
}

static void is(const char *what, const struct vtdpasid_walk *walk, bool write, uint32_t reason)
{
	struct verdict v = walk_verdict(walk, write);

	tap_ok((v.outcome == OUTCOME_FAULT) == !!reason && v.reason == reason,
	       "%s: %s, reason %#x (%#x)", what, write ? "write" : "read", reason, v.reason);
}

static void both(const char *what, const struct vtdpasid_walk *walk, uint32_t reason)
{
	is(what, walk, false, reason);
	is(what, walk, true, reason);
}

/* A copy of the good one with one member changed. */
#define CASE(what, reason, change)			\
	do {						\
		struct vtdpasid_walk w = good();	\
							\
		change;					\
		both(what, &w, reason);			\
	} while (0)

static void tables(void)
{
	CASE("as it should be", 0, (void)w);
	CASE("no root entry", 0x39, w.out_root = 0);
	CASE("reserved bit in the root entry", 0x3a, w.out_root |= BIT_ULL(5));
	CASE("no context entry", 0x41, w.out_context[0] &= ~VTD_CTX0_P);
	CASE("reserved bit in the context entry", 0x42, w.out_context[0] |= BIT_ULL(6));
	CASE("PASIDs are off", 0x45, w.out_context[0] &= ~VTD_CTX0_PASIDE);
	CASE("a PASID beyond the directory", 0x46, w.out_pasid = 512 * 64);
	CASE("no directory entry", 0x51, w.out_dir = 0);
	CASE("reserved bit in the directory entry", 0x52, w.out_dir |= BIT_ULL(3));
	CASE("no PASID entry", 0x59, w.out_pasid_entry[0] = 0);
	CASE("a PASID entry whose P alone is clear", 0x59, w.out_pasid_entry[0] &= ~VTD_PASID0_P);
	CASE("a PASID entry of the second stage", 0x5b,
	     w.out_pasid_entry[0] ^= VTD_PASID0_PGTT & (1 << 6 | 2 << 6));
	CASE("without PASID, PASIDs are off: no matter", 0,
	     (w.pasid = w.out_pasid = 0, w.out_context[0] &= ~VTD_CTX0_PASIDE));
}

static void levels(void)
{
	static const char *const names[] = { "PML4E", "PDPE", "PDE", "PTE" };
	struct vtdpasid_walk w;
	char what[64];
	int i;

	for (i = 0; i < 4; i++) {
		w = good();
		w.out_fs[i] = 0;
		w.out_levels = i + 1;
		snprintf(what, sizeof(what), "%s not present", names[i]);
		both(what, &w, 0x71);
		w = good();
		w.out_fs[i] &= ~VTD_FS_RW;
		snprintf(what, sizeof(what), "%s read-only", names[i]);
		is(what, &w, false, 0);
		is(what, &w, true, 0x85);
		w = good();
		w.out_fs[i] &= ~VTD_FS_US;
		snprintf(what, sizeof(what), "%s of the supervisor", names[i]);
		both(what, &w, 0x81);
	}
}

static void first_stage(void)
{
	CASE("not present goes before rights", 0x71,
	     (w.out_fs[1] &= ~VTD_FS_RW, w.out_fs[2] = 0, w.out_levels = 3));
	CASE("a large page in the top level", 0x72, w.out_fs[0] |= VTD_FS_PS);
	CASE("bit 47 repeats in those above", 0x80, w.addr = 0x0000800000000000ull);
	CASE("the highest canonical address of the lower half", 0, w.addr = 0x00007fffffffffffull);
	CASE("a page in the interrupt range", 0x87, w.out_fs[3] = 0xfee01000 | TABLE);
}

static void sizes(void)
{
	struct vtdpasid_walk w = good();
	struct verdict v = walk_verdict(&w, true);

	tap_ok(v.physical == (PAGE_AT | 0x890) && v.page == 0x1000 &&
	       v.outcome == OUTCOME_TRANSLATED, "4 KiB: %#llx", (unsigned long long)v.physical);
	w.out_fs[2] = 0x40000000 | VTD_FS_PS | TABLE | BIT_ULL(12) | BIT_ULL(63);
	w.out_levels = 3;
	v = walk_verdict(&w, true);
	tap_ok(v.physical == (0x40000000 | (ADDR & 0x1fffff)) && v.page == 0x200000,
	       "2 MiB, PAT and XD set: %#llx", (unsigned long long)v.physical);
	w.out_fs[1] = 0x80000000 | VTD_FS_PS | TABLE;
	w.out_levels = 2;
	v = walk_verdict(&w, true);
	tap_ok(v.physical == (0x80000000 | (ADDR & 0x3fffffff)) && v.page == 0x40000000,
	       "1 GiB: %#llx", (unsigned long long)v.physical);

	w = good();
	w.out_pasid_entry[2] |= 1 << 2;
	w.addr = 0x0012345678901000ull;
	w.out_levels = 5;
	w.out_fs[4] = PAGE_AT | TABLE;
	v = walk_verdict(&w, false);
	tap_ok(v.outcome == OUTCOME_TRANSLATED && v.physical == PAGE_AT,
	       "five levels: %#llx", (unsigned long long)v.physical);
	w.addr = 0x0112345678901000ull;
	is("beyond 57 bits", &w, false, 0x80);
}

static void others(void)
{
	struct vtdpasid_walk w = good();
	struct verdict v;

	w.out_pasid_entry[0] = VTD_PASID0_P | VTD_PGTT_PASS_THROUGH << 6;
	v = walk_verdict(&w, true);
	tap_ok(v.outcome == OUTCOME_PASS_THROUGH && v.physical == ADDR, "pass-through");
	w.addr = 0xfee00000;
	is("with PASID, pass-through to the interrupt range", &w, true, 0x87);

	w = good();
	w.addr = 0xfee00000;
	v = walk_verdict(&w, true);
	tap_ok(v.outcome == OUTCOME_TRANSLATED, "with PASID the interrupt range is memory");
	w.pasid = 0;
	v = walk_verdict(&w, true);
	tap_ok(v.outcome == OUTCOME_INTERRUPT, "without PASID a write there is an interrupt");
	is("without PASID, there", &w, false, 0x87);

	w = good();
	w.out_fs[3] = 0;
	tap_ok(walk_verdict(&w, false).recorded, "a fault is recorded");
	w.out_context[0] |= VTD_CTX0_FPD;
	tap_ok(!walk_verdict(&w, false).recorded, "not with FPD in the context entry");
	w = good();
	w.out_fs[3] = 0;
	w.out_dir |= VTD_PDIR_FPD;
	tap_ok(!walk_verdict(&w, false).recorded, "not with FPD in the directory entry");
	w = good();
	w.out_pasid_entry[0] = VTD_PASID0_FPD;
	tap_ok(!walk_verdict(&w, false).recorded, "not with FPD in the PASID entry");
}

static void steps(void)
{
	struct vtdpasid_walk w = good();
	struct step s[MAX_STEPS];

	tap_is(walk_steps(&w, s), 8, "eight entries");
	tap_ok(!strcmp(s[0].name, "root[0].low") && !s[0].at, "%s", s[0].name);
	tap_ok(!strcmp(s[1].name, "context[0x20]") && s[1].at == 0x1400, "%s", s[1].name);
	tap_ok(!strcmp(s[2].name, "directory[1]") && s[2].at == 0x2008, "%s", s[2].name);
	tap_ok(!strcmp(s[3].name, "PASID table[6]") && s[3].at == 0x3180, "%s", s[3].name);
	tap_ok(!strcmp(s[4].name, "FS-PML4E[254]") && s[4].at == 0x4000 + 254 * 8, "%s", s[4].name);
	tap_ok(!strcmp(s[7].name, "FS-PTE[358]") && s[7].at == 0x7000 + 358 * 8, "%s", s[7].name);
	tap_ok(!strcmp(s[7].meaning, "user, writable, 4 KiB page at 0x12345000"), "%s", s[7].meaning);
	tap_ok(!strcmp(s[3].meaning, "first stage, 4 levels, root at 0x4000, domain 1"), "%s",
	       s[3].meaning);
	w.out_valid = VTDPASID_WALK_ROOT;
	w.out_root = 0;
	tap_ok(walk_steps(&w, s) == 1 && !s[0].present, "it ends where nothing is present");
}

int main(void)
{
	tables();
	levels();
	first_stage();
	sizes();
	others();
	steps();
	return tap_done();
}
