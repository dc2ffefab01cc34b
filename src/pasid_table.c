// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASID directories and PASID tables (VT-d spec 3.4.3, 9.5, 9.6), and the one
 * writer for entries of these and of context tables.
 *
 * Each attached function has a directory of its own, and a first PASID table
 * (leaf 0) of its own, whose entry 0 stands for its requests without PASID.
 * The other leaves come from a pool: the function's own, or, in the unsafe
 * layouts pasid_table=unit and system, one that it shares with others.
 *
 * This file knows formats and memory, not what has to be invalidated: its
 * callers are told by its return values and do that.
 */
#include <linux/bitfield.h>
#include <linux/gfp.h>
#include <linux/slab.h>

#include "vtdpasid.h"

#define PDTS_MIN	2	/* 512 entries: one page, 32768 PASIDs */

/**
 * vtdp_page_alloc() - memory for a structure that hardware reads
 * @unit: unit that will read it
 * @order: log2 of its pages
 *
 * Context: may sleep.
 * Return: zeroed, naturally aligned pages, flushed if the unit needs it, or
 * NULL.
 */
void *vtdp_page_alloc(struct vtdp_unit *unit, unsigned int order)
{
	void *page = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
					      order);

	if (page)
		vtdp_flush_table(unit, page, PAGE_SIZE << order);
	return page;
}

/* Free pages of vtdp_page_alloc(), or NULL; hardware must be done with them. */
void vtdp_page_free(void *page, unsigned int order)
{
	free_pages((unsigned long)page, order);
}

/**
 * vtdp_entry_set() - make an entry present
 * @unit: unit that reads it
 * @slot: the entry in memory, not present now
 * @entry: what to write, with P in its first qword
 * @qwords: size of the entry
 *
 * Hardware may read at any time, so what P vouches for is there before P.
 */
void vtdp_entry_set(struct vtdp_unit *unit, u64 *slot, const u64 *entry,
		    unsigned int qwords)
{
	unsigned int i;

	for (i = 1; i < qwords; i++)
		WRITE_ONCE(slot[i], entry[i]);
	/* The body before P; pairs with hardware's reads of the entry. */
	dma_wmb();
	WRITE_ONCE(slot[0], entry[0]);
	vtdp_flush_table(unit, slot, qwords * sizeof(*slot));
}

/**
 * vtdp_entry_clear() - make an entry not present, in one store
 * @unit: unit that reads it
 * @slot: the entry
 * @qword: what the first qword becomes, without P; e.g. FPD
 *
 * The rest of the entry stays for vtdp_entry_zero(), after the invalidation:
 * until then hardware may hold what it has read in part (6.2.2.1, 6.5.3.3).
 */
void vtdp_entry_clear(struct vtdp_unit *unit, u64 *slot, u64 qword)
{
	WRITE_ONCE(slot[0], qword);
	/* P is gone before any invalidation; pairs with the doorbell's order. */
	dma_wmb();
	vtdp_flush_table(unit, slot, sizeof(*slot));
}

/**
 * vtdp_entry_zero() - wipe an entry that is not present
 * @unit: unit that reads it
 * @slot: the entry, cleared and invalidated
 * @qwords: size of the entry
 */
void vtdp_entry_zero(struct vtdp_unit *unit, u64 *slot, unsigned int qwords)
{
	unsigned int i;

	for (i = 0; i < qwords; i++)
		WRITE_ONCE(slot[i], 0);
	vtdp_flush_table(unit, slot, qwords * sizeof(*slot));
}

/**
 * vtdp_entry_first_stage() - a PASID entry for a first-stage page table
 * @unit: unit that will read it
 * @entry: filled in
 * @did: domain id
 * @root: top-level page
 *
 * Write protection (WPE) and supervisor requests (SRE) stay off: a device acts
 * with the rights of the process. What the unit does not have is reserved and
 * stays 0 (9.6).
 */
void vtdp_entry_first_stage(const struct vtdp_unit *unit, u64 *entry, u16 did,
			    const u64 *root)
{
	bool la57 = pgtable_l5_enabled();

	memset(entry, 0, VTD_PASID_QWORDS * sizeof(*entry));
	entry[0] = VTD_PASID0_P |
		   FIELD_PREP(VTD_PASID0_PGTT, VTD_PGTT_FIRST_STAGE) |
		   FIELD_PREP(VTD_PASID0_AW, la57 ? 3 : 2);
	entry[1] = FIELD_PREP(VTD_PASID1_DID, did);
	if (unit->ecap & VTD_ECAP_SMPWC)
		entry[1] |= VTD_PASID1_PWSNP;
	if (unit->ecap & VTD_ECAP_SC)
		entry[1] |= VTD_PASID1_PGSNP;
	entry[2] = FIELD_PREP(VTD_PASID2_FSPM, la57) | virt_to_phys((void *)root);
}

/**
 * vtdp_pass_through_width() - what AW has to be in entries that pass through
 * @unit: unit that will read them
 *
 * The largest that the unit has (9.6), though nothing is walked. Its encoding is
 * that of the bits of CAP.SAGAW, of which 0 and 4 are reserved (11.4.2).
 *
 * Return: VTD_PASID0_AW; 0 when there is none.
 */
unsigned int vtdp_pass_through_width(const struct vtdp_unit *unit)
{
	unsigned int widths = FIELD_GET(VTD_CAP_SAGAW, unit->cap) & 0xe;

	return widths ? fls(widths) - 1 : 0;
}

/**
 * vtdp_entry_pass_through() - a PASID entry that translates nothing
 * @unit: unit that will read it
 * @entry: filled in
 * @did: domain id
 */
void vtdp_entry_pass_through(const struct vtdp_unit *unit, u64 *entry, u16 did)
{
	memset(entry, 0, VTD_PASID_QWORDS * sizeof(*entry));
	entry[0] = VTD_PASID0_P |
		   FIELD_PREP(VTD_PASID0_PGTT, VTD_PGTT_PASS_THROUGH) |
		   FIELD_PREP(VTD_PASID0_AW, vtdp_pass_through_width(unit));
	entry[1] = FIELD_PREP(VTD_PASID1_DID, did);
	if (unit->ecap & VTD_ECAP_SC)
		entry[1] |= VTD_PASID1_PGSNP;
}

/* The directory size that covers a PASID: 2^(pdts + 7) entries (9.4). */
unsigned int vtdp_table_pdts(u32 pasid)
{
	unsigned int bits = fls(pasid >> VTD_LEAF_SHIFT);

	return max_t(int, PDTS_MIN, (int)bits - 7);
}

unsigned int vtdp_table_dir_order(unsigned int pdts)
{
	return pdts - PDTS_MIN;
}

static unsigned int dir_entries(unsigned int pdts)
{
	return 1u << (pdts + 7);
}

void vtdp_pool_init(struct vtdp_pool *pool)
{
	xa_init(&pool->leaves);
	INIT_LIST_HEAD(&pool->tables);
}

static void pool_exit(struct vtdp_pool *pool, bool keep_pages)
{
	struct vtdp_leaf *leaf;
	unsigned long index;

	xa_for_each(&pool->leaves, index, leaf) {
		if (!keep_pages)
			vtdp_page_free(leaf->entries, 0);
		kfree(leaf);
	}
	xa_destroy(&pool->leaves);
}

static void table_link(struct vtdp_table *table, unsigned int index, u64 *leaf)
{
	u64 entry = virt_to_phys(leaf) | VTD_PDIR_P;

	if (index < dir_entries(table->pdts))
		vtdp_entry_set(table->unit, &table->dir[index], &entry, 1);
}

/**
 * vtdp_table_init() - the PASID table of a function
 * @table: to be filled in
 * @unit: unit that will walk it
 * @shared: pool of leaves that it shares with functions of that unit, or NULL
 *
 * Nothing in it is present, but for leaves that others of the pool have.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_table_init(struct vtdp_table *table, struct vtdp_unit *unit,
		    struct vtdp_pool *shared)
{
	struct vtdp_leaf *leaf;
	unsigned long index;

	lockdep_assert_held(&vtdp_lock);
	memset(table, 0, sizeof(*table));
	vtdp_pool_init(&table->own_pool);
	table->unit = unit;
	table->pool = shared ?: &table->own_pool;
	table->pdts = PDTS_MIN;

	table->dir = vtdp_page_alloc(unit, vtdp_table_dir_order(PDTS_MIN));
	table->leaf0.entries = vtdp_page_alloc(unit, 0);
	if (!table->dir || !table->leaf0.entries) {
		vtdp_page_free(table->dir, vtdp_table_dir_order(PDTS_MIN));
		vtdp_page_free(table->leaf0.entries, 0);
		return -ENOMEM;
	}

	list_add_tail(&table->node, &table->pool->tables);
	table_link(table, 0, table->leaf0.entries);
	xa_for_each(&table->pool->leaves, index, leaf)
		table_link(table, index, leaf->entries);
	return 0;
}

/**
 * vtdp_table_exit() - free a PASID table
 * @table: from vtdp_table_init(), that hardware can no longer reach
 *
 * Leaves of a shared pool go with the last table of it. When the unit is
 * broken the pages that it may still read are left to it.
 *
 * Context: may sleep; under vtdp_lock.
 */
void vtdp_table_exit(struct vtdp_table *table)
{
	bool keep = READ_ONCE(table->unit->state) == VTDPASID_UNIT_BROKEN;

	lockdep_assert_held(&vtdp_lock);
	list_del(&table->node);
	if (list_empty(&table->pool->tables))
		pool_exit(table->pool, keep);
	if (keep)
		return;
	vtdp_page_free(table->leaf0.entries, 0);
	vtdp_page_free(table->dir, vtdp_table_dir_order(table->pdts));
}

/**
 * vtdp_table_grow() - a larger directory with the same leaves
 * @table: table
 * @pdts: new size, from vtdp_table_pdts()
 *
 * The table goes on using the old one; vtdp_ctx_resize() changes over.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: the directory, or NULL.
 */
u64 *vtdp_table_grow(struct vtdp_table *table, unsigned int pdts)
{
	unsigned int order = vtdp_table_dir_order(pdts);
	struct vtdp_leaf *leaf;
	unsigned long index;
	u64 *dir;

	lockdep_assert_held(&vtdp_lock);
	dir = vtdp_page_alloc(table->unit, order);
	if (!dir)
		return NULL;
	dir[0] = table->dir[0];
	xa_for_each(&table->pool->leaves, index, leaf)
		if (index < dir_entries(pdts))
			dir[index] = virt_to_phys(leaf->entries) | VTD_PDIR_P;
	vtdp_flush_table(table->unit, dir, PAGE_SIZE << order);
	return dir;
}

/**
 * vtdp_table_leaf() - the leaf of a PASID
 * @table: table
 * @pasid: PASID
 *
 * Return: the leaf, or NULL. Context: under vtdp_lock.
 */
struct vtdp_leaf *vtdp_table_leaf(struct vtdp_table *table, u32 pasid)
{
	lockdep_assert_held(&vtdp_lock);
	if (pasid < VTD_LEAF_PASIDS)
		return &table->leaf0;
	if (pasid >> VTD_LEAF_SHIFT >= dir_entries(table->pdts))
		return NULL;
	return xa_load(&table->pool->leaves, pasid >> VTD_LEAF_SHIFT);
}

/**
 * vtdp_table_prepare() - make sure that a PASID has a leaf
 * @table: table whose directory covers @pasid
 * @pasid: PASID
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or -ENOMEM.
 */
int vtdp_table_prepare(struct vtdp_table *table, u32 pasid)
{
	unsigned int index = pasid >> VTD_LEAF_SHIFT;
	struct vtdp_table *other;
	struct vtdp_leaf *leaf;

	if (vtdp_table_leaf(table, pasid))
		return 0;

	leaf = kzalloc(sizeof(*leaf), GFP_KERNEL_ACCOUNT);
	if (!leaf)
		return -ENOMEM;
	leaf->entries = vtdp_page_alloc(table->unit, 0);
	if (!leaf->entries ||
	    xa_err(xa_store(&table->pool->leaves, index, leaf,
			    GFP_KERNEL_ACCOUNT))) {
		vtdp_page_free(leaf->entries, 0);
		kfree(leaf);
		return -ENOMEM;
	}
	list_for_each_entry(other, &table->pool->tables, node)
		table_link(other, index, leaf->entries);
	return 0;
}

/**
 * vtdp_table_entry() - the entry of a PASID
 * @table: table
 * @pasid: PASID
 *
 * Return: the entry, or NULL when its leaf does not exist. Under vtdp_lock.
 */
u64 *vtdp_table_entry(struct vtdp_table *table, u32 pasid)
{
	struct vtdp_leaf *leaf = vtdp_table_leaf(table, pasid);

	if (!leaf)
		return NULL;
	return leaf->entries + (pasid % VTD_LEAF_PASIDS) * VTD_PASID_QWORDS;
}

/* One more binding uses an entry. Return: it is the first. Under vtdp_lock. */
bool vtdp_table_get(struct vtdp_table *table, u32 pasid)
{
	struct vtdp_leaf *leaf = vtdp_table_leaf(table, pasid);

	if (leaf->users[pasid % VTD_LEAF_PASIDS]++)
		return false;
	leaf->used++;
	return true;
}

/* One binding less. Return: it was the last. Under vtdp_lock. */
bool vtdp_table_put(struct vtdp_table *table, u32 pasid)
{
	struct vtdp_leaf *leaf = vtdp_table_leaf(table, pasid);

	if (--leaf->users[pasid % VTD_LEAF_PASIDS])
		return false;
	leaf->used--;
	return true;
}

/**
 * vtdp_table_unlink_leaf() - take an empty leaf out of the directory
 * @table: table
 * @pasid: PASID whose entry was the last
 *
 * Leaf 0 stays, and so do leaves that others may have linked. Before
 * vtdp_table_drop_leaf() comes what a change of a directory entry calls for
 * (6.5.3.3): hardware caches entries of PASID tables, by 6.2.3 not of
 * directories, but may have found the table already for a request under way.
 *
 * Context: under vtdp_lock.
 * Return: whether it was unlinked.
 */
bool vtdp_table_unlink_leaf(struct vtdp_table *table, u32 pasid)
{
	struct vtdp_leaf *leaf = vtdp_table_leaf(table, pasid);

	if (pasid < VTD_LEAF_PASIDS || leaf->used ||
	    table->pool != &table->own_pool)
		return false;
	vtdp_entry_clear(table->unit, &table->dir[pasid >> VTD_LEAF_SHIFT], 0);
	return true;
}

/* Free a leaf of vtdp_table_unlink_leaf(), invalidated. Under vtdp_lock. */
void vtdp_table_drop_leaf(struct vtdp_table *table, u32 pasid)
{
	struct vtdp_leaf *leaf;

	lockdep_assert_held(&vtdp_lock);
	leaf = xa_erase(&table->pool->leaves, pasid >> VTD_LEAF_SHIFT);
	if (READ_ONCE(table->unit->state) != VTDPASID_UNIT_BROKEN)
		vtdp_page_free(leaf->entries, 0);
	kfree(leaf);
}

/* PASID tables that the directory refers to. Under vtdp_lock. */
unsigned int vtdp_table_leaves(struct vtdp_table *table)
{
	unsigned int i, count = 0;

	lockdep_assert_held(&vtdp_lock);
	for (i = 0; i < dir_entries(table->pdts); i++)
		count += !!(table->dir[i] & VTD_PDIR_P);
	return count;
}
