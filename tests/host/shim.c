// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim.c - what else there is of the kernel that src/ runs on
 */
#include <unistd.h>

#include "host.h"

/* ---- chance -------------------------------------------------------------- */

static u64 rnd_state = 88172645463325252ull;

void rnd_seed(u64 seed)
{
	seed = (seed + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	rnd_state = (seed ^ seed >> 31) | 1;
}

u32 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state >> 16;
}

/* ---- failures ------------------------------------------------------------ */

unsigned int fail_count;
char fail_first[64];
bool fail_exits, fail_quiet, host_verbose;
void (*fail_notify)(const char *rule);

void fail_reset(void)
{
	fail_count = 0;
	fail_first[0] = 0;
}

static void fail_v(const char *rule, const char *fmt, va_list ap)
{
	char buf[512];

	vsnprintf(buf, sizeof(buf), fmt, ap);
	if (!fail_count)
		snprintf(fail_first, sizeof(fail_first), "%s", rule);
	if (fail_notify)
		fail_notify(rule);
	if (!fail_quiet)
		printf("# BROKEN [%s] %s (task %s)\n", rule, buf, current->comm);
	fail_count++;
	if (fail_exits) {
		fflush(NULL);
		_exit(3);
	}
	if (fail_count > 10000)
		abort();
}

void fail_rule(const char *rule, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(rule, fmt, ap);
	va_end(ap);
}

void shim_bug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v("kernel bug", fmt, ap);
	va_end(ap);
}

void shim_log(const char *level, const char *fmt, ...)
{
	va_list ap;

	if (!host_verbose)
		return;
	printf("# log %s: ", level);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

/* ---- xarray -------------------------------------------------------------- */

/* Position of the first slot with an index not below @index. */
static size_t xa_pos(const struct xarray *xa, unsigned long index)
{
	size_t lo = 0, hi = xa->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (xa->slots[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	size_t i = xa_pos(xa, index);

	return i < xa->n && xa->slots[i].index == index ? xa->slots[i].entry : NULL;
}

static void xa_add(struct xarray *xa, size_t pos, unsigned long index, void *entry)
{
	if (xa->n == xa->room) {
		xa->room = xa->room ? xa->room * 2 : 8;
		xa->slots = realloc(xa->slots, xa->room * sizeof(*xa->slots));
	}
	memmove(xa->slots + pos + 1, xa->slots + pos, (xa->n - pos) * sizeof(*xa->slots));
	xa->slots[pos] = (struct shim_xa_slot){ index, entry };
	xa->n++;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	size_t i = xa_pos(xa, index);
	void *entry;

	if (i == xa->n || xa->slots[i].index != index)
		return NULL;
	entry = xa->slots[i].entry;
	memmove(xa->slots + i, xa->slots + i + 1, (xa->n - i - 1) * sizeof(*xa->slots));
	if (!--xa->n)
		xa_destroy(xa);
	return entry;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	size_t i = xa_pos(xa, index);
	void *old;

	shim_alloc_checks(gfp);
	if (!entry)
		return xa_erase(xa, index);
	if (shim_alloc_fails())
		return ERR_PTR(-ENOMEM);
	if (i < xa->n && xa->slots[i].index == index) {
		old = xa->slots[i].entry;
		xa->slots[i].entry = entry;
		return old;
	}
	xa_add(xa, i, index, entry);
	return NULL;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	if (xa_load(xa, index))
		return -EBUSY;
	return xa_err(xa_store(xa, index, entry, gfp));
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	u32 min = xa->flags & XA_FLAGS_ALLOC1 && !limit.min ? 1 : limit.min;
	size_t pos, lo, hi;

	shim_alloc_checks(gfp);
	if (shim_alloc_fails())
		return -ENOMEM;
	/* Indices from @pos on are distinct: find where they leave a gap. */
	pos = xa_pos(xa, min);
	lo = pos;
	hi = xa->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (xa->slots[mid].index == (unsigned long)min + (mid - pos))
			lo = mid + 1;
		else
			hi = mid;
	}
	if ((u64)min + (lo - pos) > limit.max)
		return -EBUSY;
	*id = min + (lo - pos);
	xa_add(xa, lo, *id, entry);
	return 0;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m)
{
	size_t i = xa_pos(xa, *index);

	(void)m;
	if (i == xa->n || xa->slots[i].index > max)
		return NULL;
	*index = xa->slots[i].index;
	return xa->slots[i].entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t m)
{
	if (*index == ULONG_MAX)
		return NULL;
	++*index;
	return xa_find(xa, index, max, m);
}

void xa_destroy(struct xarray *xa)
{
	free(xa->slots);
	xa->slots = NULL;
	xa->n = xa->room = 0;
}

int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp)
{
	u32 id;
	int err = xa_alloc(&ida->xa, &id, ida, XA_LIMIT(min, max), gfp);

	return err == -EBUSY ? -ENOSPC : err ? err : (int)id;
}

void ida_free(struct ida *ida, unsigned int id)
{
	if (!xa_erase(&ida->xa, id))
		shim_bug("ida_free of %u, which is not allocated", id);
}

void shim_ida_check(bool empty)
{
	if (!empty)
		fail_rule("leak", "ids are left when their allocator is destroyed");
}

unsigned int shim_tainted;
int intel_iommu_enabled;
bool shim_bare_metal;
bool shim_l5;

bool boot_cpu_has(int feature)
{
	return feature == X86_FEATURE_GBPAGES || (feature == X86_FEATURE_HYPERVISOR && !shim_bare_metal);
}
