// SPDX-License-Identifier: GPL-2.0-only
/* What hardware walks: the entries in words, and the verdict (VT-d spec 3.4.3, 7.1.3). */
#include <string.h>

#include "walk.h"

#define MSI_BASE	0xfee00000ull
#define MSI_SIZE	0x00100000ull

/* 7.1.3 */
#define FR_ROOT_NOT_PRESENT	0x39
#define FR_ROOT_RESERVED	0x3a
#define FR_CONTEXT_NOT_PRESENT	0x41
#define FR_CONTEXT_RESERVED	0x42
#define FR_PASID_DISABLED	0x45
#define FR_PASID_RANGE		0x46
#define FR_DIR_NOT_PRESENT	0x51
#define FR_DIR_RESERVED		0x52
#define FR_PASID_NOT_PRESENT	0x59
#define FR_PASID_INVALID	0x5b
#define FR_FS_NOT_PRESENT	0x71
#define FR_FS_RESERVED		0x72
#define FR_NOT_CANONICAL	0x80
#define FR_SUPERVISOR		0x81
#define FR_READ_ONLY		0x85
#define FR_INTERRUPT		0x87

/* Reserved bits of entries, whatever the unit can do (9.1, 9.4, 9.5) */
#define ROOT_RESERVED		GENMASK_ULL(11, 1)
#define CTX0_RESERVED		GENMASK_ULL(8, 5)
#define DIR_RESERVED		GENMASK_ULL(11, 2)

#define FS_INDEX_BITS	9
#define PAGE_SHIFT	12

static const char *const level_names[] = { "FS-PTE", "FS-PDE", "FS-PDPE", "FS-PML4E", "FS-PML5E" };

/* Levels of the first stage: the walk may have ended before the last. */
static unsigned int fs_levels(const struct vtdpasid_walk *walk)
{
	return FIELD_GET(VTD_PASID2_FSPM, walk->out_pasid_entry[2]) ? 5 : 4;
}

/* How much of the address is below the entry that was read as number @i. */
static unsigned int fs_shift(const struct vtdpasid_walk *walk, unsigned int i)
{
	return PAGE_SHIFT + (fs_levels(walk) - 1 - i) * FS_INDEX_BITS;
}

static bool fs_is_leaf(const struct vtdpasid_walk *walk, unsigned int i)
{
	return fs_shift(walk, i) == PAGE_SHIFT || walk->out_fs[i] & VTD_FS_PS;
}

/* Bits of a leaf's address field that are its page's offset stay reserved or PAT. */
static uint64_t fs_page(uint64_t entry, unsigned int shift)
{
	return entry & VTD_FS_ADDR & ~((1ull << shift) - 1);
}

/* ---- words -------------------------------------------------------------------- */

void describe_context(const __u64 words[VTD_CTX_QWORDS], char *text, size_t size)
{
	uint64_t w = words[0];

	if (!(w & VTD_CTX0_P)) {
		snprintf(text, size, "not present%s", w & VTD_CTX0_FPD ? ", faults not recorded" : "");
		return;
	}
	snprintf(text, size, "directory of %u entries at %#llx%s%s%s%s",
		 1u << (FIELD_GET(VTD_CTX0_PDTS, w) + 7),
		 (unsigned long long)(w & VTD_CTX0_PASIDDIRPTR),
		 w & VTD_CTX0_PASIDE ? ", PASIDs on" : ", PASIDs off",
		 w & VTD_CTX0_DTE ? ", ATS on" : "", w & VTD_CTX0_PRE ? ", page requests on" : "",
		 w & VTD_CTX0_FPD ? ", faults not recorded" : "");
}

static const char *pgtt_name(__u64 word)
{
	static const char *const names[] = {
		[1] = "first stage", [2] = "second stage", [3] = "nested", [4] = "pass-through",
	};
	unsigned int pgtt = FIELD_GET(VTD_PASID0_PGTT, word);

	return pgtt < ARRAY_SIZE(names) && names[pgtt] ? names[pgtt] : "no valid type";
}

void describe_pasid(const __u64 words[VTD_PASID_QWORDS], char *text, size_t size)
{
	const char *quiet = words[0] & VTD_PASID0_FPD ? ", faults not recorded" : "";
	unsigned int domain = FIELD_GET(VTD_PASID1_DID, words[1]);

	if (!(words[0] & VTD_PASID0_P))
		snprintf(text, size, "not present%s", quiet);
	else if (FIELD_GET(VTD_PASID0_PGTT, words[0]) == VTD_PGTT_FIRST_STAGE)
		snprintf(text, size, "first stage, %u levels, root at %#llx, domain %u%s",
			 FIELD_GET(VTD_PASID2_FSPM, words[2]) ? 5 : 4,
			 (unsigned long long)(words[2] & VTD_PASID2_FSPTPTR), domain, quiet);
	else
		snprintf(text, size, "%s, domain %u%s", pgtt_name(words[0]), domain, quiet);
}

static void describe_fs(const struct vtdpasid_walk *walk, unsigned int i, char *text, size_t size)
{
	unsigned int shift = fs_shift(walk, i);
	uint64_t entry = walk->out_fs[i];
	char page[24];

	if (!(entry & VTD_FS_P)) {
		snprintf(text, size, "not present");
		return;
	}
	snprintf(page, sizeof(page), "%u %s page", 1u << (shift % 10), shift >= 30 ? "GiB" :
		 shift >= 20 ? "MiB" : "KiB");
	snprintf(text, size, "%s, %s, %s at %#llx", entry & VTD_FS_US ? "user" : "supervisor",
		 entry & VTD_FS_RW ? "writable" : "read-only",
		 fs_is_leaf(walk, i) ? page : "table",
		 (unsigned long long)(fs_is_leaf(walk, i) ? fs_page(entry, shift) :
				      entry & VTD_FS_ADDR));
}

/* ---- steps -------------------------------------------------------------------- */

static struct step *add(struct step *step, uint64_t at, const void *words, unsigned int count,
			bool present)
{
	step->at = at;
	memcpy(step->words, words, count * sizeof(__u64));
	step->nr_words = count;
	step->present = present;
	return step;
}

static void add_root(const struct vtdpasid_walk *walk, struct step *step)
{
	bool present = walk->out_root & VTD_ROOT_P;

	add(step, 0, &walk->out_root, 1, present);
	snprintf(step->name, sizeof(step->name), "root[%#x].%s", walk->rid >> 8,
		 walk->rid & 0x80 ? "high" : "low");
	if (present)
		snprintf(step->meaning, sizeof(step->meaning), "context table at %#llx",
			 (unsigned long long)(walk->out_root & VTD_ROOT_CTP));
	else
		snprintf(step->meaning, sizeof(step->meaning), "not present");
}

static void add_context(const struct vtdpasid_walk *walk, struct step *step)
{
	unsigned int index = walk->rid & (VTD_CTX_PER_TABLE - 1);

	add(step, (walk->out_root & VTD_ROOT_CTP) + index * sizeof(walk->out_context),
	    walk->out_context, VTD_CTX_QWORDS, walk->out_context[0] & VTD_CTX0_P);
	snprintf(step->name, sizeof(step->name), "context[%#x]", index);
	describe_context(walk->out_context, step->meaning, sizeof(step->meaning));
}

static void add_dir(const struct vtdpasid_walk *walk, struct step *step)
{
	unsigned int index = walk->out_pasid >> VTD_LEAF_SHIFT;
	bool present = walk->out_dir & VTD_PDIR_P;

	add(step, (walk->out_context[0] & VTD_CTX0_PASIDDIRPTR) + index * sizeof(walk->out_dir),
	    &walk->out_dir, 1, present);
	snprintf(step->name, sizeof(step->name), "directory[%u]", index);
	if (present)
		snprintf(step->meaning, sizeof(step->meaning), "PASID table at %#llx%s",
			 (unsigned long long)(walk->out_dir & VTD_PDIR_SMPTBLPTR),
			 walk->out_dir & VTD_PDIR_FPD ? ", faults not recorded" : "");
	else
		snprintf(step->meaning, sizeof(step->meaning), "not present");
}

static void add_pasid(const struct vtdpasid_walk *walk, struct step *step)
{
	unsigned int index = walk->out_pasid % VTD_LEAF_PASIDS;

	add(step, (walk->out_dir & VTD_PDIR_SMPTBLPTR) + index * sizeof(walk->out_pasid_entry),
	    walk->out_pasid_entry, VTD_PASID_QWORDS, walk->out_pasid_entry[0] & VTD_PASID0_P);
	snprintf(step->name, sizeof(step->name), "PASID table[%u]", index);
	describe_pasid(walk->out_pasid_entry, step->meaning, sizeof(step->meaning));
}

static void add_fs(const struct vtdpasid_walk *walk, unsigned int i, struct step *step)
{
	uint64_t table = i ? walk->out_fs[i - 1] & VTD_FS_ADDR :
		walk->out_pasid_entry[2] & VTD_PASID2_FSPTPTR;
	unsigned int shift = fs_shift(walk, i);
	unsigned int index = walk->addr >> shift & ((1u << FS_INDEX_BITS) - 1);

	add(step, table + index * sizeof(__u64), &walk->out_fs[i], 1,
	    walk->out_fs[i] & VTD_FS_P);
	snprintf(step->name, sizeof(step->name), "%s[%u]",
		 level_names[(shift - PAGE_SHIFT) / FS_INDEX_BITS], index);
	describe_fs(walk, i, step->meaning, sizeof(step->meaning));
}

unsigned int walk_steps(const struct vtdpasid_walk *walk, struct step steps[MAX_STEPS])
{
	unsigned int n = 0, i;

	memset(steps, 0, MAX_STEPS * sizeof(*steps));
	if (walk->out_valid & VTDPASID_WALK_ROOT)
		add_root(walk, &steps[n++]);
	if (walk->out_valid & VTDPASID_WALK_CONTEXT)
		add_context(walk, &steps[n++]);
	if (walk->out_valid & VTDPASID_WALK_DIR)
		add_dir(walk, &steps[n++]);
	if (walk->out_valid & VTDPASID_WALK_PASID)
		add_pasid(walk, &steps[n++]);
	if (walk->out_valid & VTDPASID_WALK_FS)
		for (i = 0; i < walk->out_levels && i < ARRAY_SIZE(walk->out_fs); i++)
			add_fs(walk, i, &steps[n++]);
	return n;
}

/* ---- verdict ------------------------------------------------------------------ */

static bool in_interrupt_range(uint64_t addr)
{
	return addr - MSI_BASE < MSI_SIZE;
}

/* Fault processing disabled, in any entry that was reached. */
static bool silenced(const struct vtdpasid_walk *walk)
{
	return walk->out_context[0] & VTD_CTX0_FPD || walk->out_dir & VTD_PDIR_FPD ||
	       walk->out_pasid_entry[0] & VTD_PASID0_FPD;
}

/* Tables above the first stage; 0, or the reason of a fault. */
static uint32_t check_tables(const struct vtdpasid_walk *walk)
{
	uint64_t context = walk->out_context[0];

	if (!(walk->out_root & VTD_ROOT_P))
		return FR_ROOT_NOT_PRESENT;
	if (walk->out_root & ROOT_RESERVED)
		return FR_ROOT_RESERVED;
	if (!(context & VTD_CTX0_P))
		return FR_CONTEXT_NOT_PRESENT;
	if (context & CTX0_RESERVED)
		return FR_CONTEXT_RESERVED;
	if (walk->pasid && !(context & VTD_CTX0_PASIDE))
		return FR_PASID_DISABLED;
	if (walk->out_pasid >> VTD_LEAF_SHIFT >= 1u << (FIELD_GET(VTD_CTX0_PDTS, context) + 7))
		return FR_PASID_RANGE;
	if (!(walk->out_dir & VTD_PDIR_P))
		return FR_DIR_NOT_PRESENT;
	if (walk->out_dir & DIR_RESERVED)
		return FR_DIR_RESERVED;
	if (!(walk->out_pasid_entry[0] & VTD_PASID0_P))
		return FR_PASID_NOT_PRESENT;
	return 0;
}

/* 3.6: the bits above those that are translated repeat the highest of them. */
static bool canonical(const struct vtdpasid_walk *walk)
{
	unsigned int unused = 64 - (PAGE_SHIFT + fs_levels(walk) * FS_INDEX_BITS);

	return (uint64_t)((int64_t)(walk->addr << unused) >> unused) == walk->addr;
}

/* The first stage; presence comes first, then rights, which every level must give. */
static uint32_t check_first_stage(const struct vtdpasid_walk *walk, bool write,
				  struct verdict *verdict)
{
	uint64_t rights = ~0ull;
	unsigned int i;

	if (!canonical(walk))
		return FR_NOT_CANONICAL;
	for (i = 0; i < walk->out_levels; i++) {
		uint64_t entry = walk->out_fs[i];
		unsigned int shift = fs_shift(walk, i);

		if (!(entry & VTD_FS_P))
			return FR_FS_NOT_PRESENT;
		if (entry & VTD_FS_PS && shift > PAGE_SHIFT + 2 * FS_INDEX_BITS)
			return FR_FS_RESERVED;
		rights &= entry;
		if (!fs_is_leaf(walk, i))
			continue;
		verdict->page = 1ull << shift;
		verdict->physical = fs_page(entry, shift) | (walk->addr & (verdict->page - 1));
		break;
	}
	/* Devices are not supervisors: the module sets no SRE. */
	if (!(rights & VTD_FS_US))
		return FR_SUPERVISOR;
	if (write && !(rights & VTD_FS_RW))
		return FR_READ_ONLY;
	return in_interrupt_range(verdict->physical) ? FR_INTERRUPT : 0;
}

static uint32_t check(const struct vtdpasid_walk *walk, bool write, struct verdict *verdict)
{
	uint32_t reason = check_tables(walk);

	if (reason)
		return reason;
	switch (FIELD_GET(VTD_PASID0_PGTT, walk->out_pasid_entry[0])) {
	case VTD_PGTT_FIRST_STAGE:
		verdict->outcome = OUTCOME_TRANSLATED;
		return check_first_stage(walk, write, verdict);
	case VTD_PGTT_PASS_THROUGH:
		verdict->outcome = OUTCOME_PASS_THROUGH;
		verdict->physical = walk->addr;
		return in_interrupt_range(walk->addr) ? FR_INTERRUPT : 0;
	default:
		return FR_PASID_INVALID;
	}
}

/**
 * walk_verdict() - what becomes of a request
 * @walk: what was read for it
 * @write: else it reads
 */
struct verdict walk_verdict(const struct vtdpasid_walk *walk, bool write)
{
	struct verdict verdict = { .recorded = !silenced(walk) };

	/* 3.15: without PASID, writes there are messages, and reads are illegal. */
	if (!walk->pasid && in_interrupt_range(walk->addr)) {
		verdict.outcome = write ? OUTCOME_INTERRUPT : OUTCOME_FAULT;
		verdict.physical = walk->addr;
		verdict.reason = write ? 0 : FR_INTERRUPT;
		return verdict;
	}
	verdict.reason = check(walk, write, &verdict);
	if (verdict.reason)
		verdict.outcome = OUTCOME_FAULT;
	return verdict;
}
