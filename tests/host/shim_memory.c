// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim_memory.c - memory of the kernel that src/ runs on, and of its users
 */
#include <sys/mman.h>

#include "host.h"
#include "shim_asan.h"

/* ---- memory -------------------------------------------------------------- */

u8 *arena, *arena_shadow;
struct hpage hpages[ARENA_PAGES];
unsigned int shim_allocs, shim_pages;
long shim_fail_at;
long shim_signal_at;
long shim_copy_fails_at;
void (*shim_copy_hook)(void);
unsigned int shim_fail_seen;

void shim_init(void)
{
	if (arena)
		return;
	arena = mmap((void *)0x200000000000, ARENA_PAGES * PAGE_SIZE * 2,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (arena == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	arena_shadow = arena + ARENA_PAGES * PAGE_SIZE;
}

bool shim_in_arena(const volatile void *p)
{
	return (const u8 *)p >= arena && (const u8 *)p < arena + ARENA_PAGES * PAGE_SIZE;
}

bool shim_alloc_fails(void)
{
	shim_fail_seen++;
	return shim_fail_at && !--shim_fail_at;
}

bool shim_signal_comes(void)
{
	return shim_signal_at && !--shim_signal_at;
}

void shim_alloc_checks(gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		shim_might_sleep("GFP_KERNEL allocation");
	else if (current->atomic)
		fail_rule("allocation in notifier", "in an mmu notifier callback");
}

void *shim_kmalloc(size_t size, gfp_t gfp, bool zero)
{
	void *p;

	shim_alloc_checks(gfp);
	sched_point();
	if (shim_alloc_fails())
		return NULL;
	p = malloc(size);
	memset(p, zero ? 0 : 0x5a, size);
	shim_allocs++;
	return p;
}

void kfree(const void *p)
{
	if (!p)
		return;
	shim_allocs--;
	free((void *)p);
}

u64 virt_to_phys(const volatile void *p)
{
	if (!shim_in_arena(p)) {
		fail_rule("virt_to_phys", "of %p, which is no page", (void *)p);
		return 0;
	}
	return ARENA_PHYS + ((const u8 *)p - arena);
}

void *phys_to_virt(u64 phys)
{
	struct umm *owner;

	/* User memory has an address, which nobody here reads. */
	if (upage_by_pa(phys, &owner))
		return (void *)8;
	if (!pa_in_arena(phys))
		fail_rule("phys_to_virt", "of %#llx, which is no memory", phys);
	return arena + (phys - ARENA_PHYS);
}

static unsigned int pages_find(unsigned int count)
{
	unsigned int start = count == 1 ? rnd_below(64) : 256, i, j, at;

	for (i = start & ~(count - 1); i + count <= ARENA_PAGES * 2; i += count) {
		at = i % ARENA_PAGES;
		for (j = 0; j < count && !hpages[at + j].used; j++)
			;
		if (j == count)
			return at;
	}
	printf("# the arena is full\n");
	abort();
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	unsigned int count = 1u << order, at, i;

	shim_alloc_checks(gfp);
	sched_point();
	if (shim_alloc_fails())
		return 0;
	at = pages_find(count);
	for (i = 0; i < count; i++) {
		hpages[at + i] = (struct hpage){ .used = true, .first = !i, .order = order };
		shim_pages++;
	}
	ASAN_UNPOISON_MEMORY_REGION(arena + at * PAGE_SIZE, count * PAGE_SIZE);
	memset(arena + at * PAGE_SIZE, gfp & __GFP_ZERO ? 0 : 0x5b, count * PAGE_SIZE);
	/* What memory holds until the CPU's cache is written back. */
	memset(arena_shadow + at * PAGE_SIZE, 0xa5, count * PAGE_SIZE);
	return (unsigned long)(arena + at * PAGE_SIZE);
}

void free_pages(unsigned long addr, unsigned int order)
{
	unsigned int count = 1u << order, at, i;

	if (!addr)
		return;
	at = ((u8 *)addr - arena) / PAGE_SIZE;
	if (!shim_in_arena((void *)addr) || !hpages[at].used || !hpages[at].first ||
	    hpages[at].order != order) {
		fail_rule("bad free", "free_pages(%#lx, %u)", addr, order);
		return;
	}
	model_hook_free(&hpages[at], count);
	for (i = 0; i < count; i++) {
		free(hpages[at + i].track);
		hpages[at + i] = (struct hpage){};
		shim_pages--;
	}
	memset(arena + at * PAGE_SIZE, 0x6b, count * PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION(arena + at * PAGE_SIZE, count * PAGE_SIZE);
	sched_point();
}

struct kmem_cache {
	unsigned int size;
	void (*construct)(void *object);
	unsigned int objects;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*construct)(void *object))
{
	struct kmem_cache *cache;

	if (shim_alloc_fails())
		return NULL;
	cache = calloc(1, sizeof(*cache));
	cache->size = size;
	cache->construct = construct;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (cache && cache->objects)
		shim_bug("a cache is destroyed with %u objects in use", cache->objects);
	free(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = shim_kmalloc(cache->size, gfp, false);

	if (!object)
		return NULL;
	cache->construct(object);
	cache->objects++;
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	cache->objects--;
	kfree(object);
}

/* Stores between two barriers may become visible in any order. */
static unsigned int barriers;
unsigned int shim_barriers(void) { return barriers; }
void shim_barrier(void)
{
	barriers++;
	sched_point();
}

void shim_store(const volatile void *addr, unsigned int size)
{
	if (!shim_in_arena(addr))
		return;
	model_hook_store(addr, size);
	sched_point();
}

void clflush_cache_range(void *addr, unsigned int size)
{
	if (!shim_in_arena(addr)) {
		fail_rule("clflush", "of %p, which is no page", addr);
		return;
	}
	model_hook_flush(addr, size);
	sched_point();
}

/* ---- users ------------------------------------------------------------------ */

u8 *shim_user;
size_t shim_user_size;
bool shim_user_readonly;
struct miscdevice *shim_misc;

/* Bytes from @p on that the user has, of @n. */
static unsigned long user_bytes(const void *p, unsigned long n)
{
	const u8 *at = p;

	if (!at)
		return 0;
	if (!shim_user)
		return n;
	if (at < shim_user || at >= shim_user + shim_user_size)
		return 0;
	return min_t(unsigned long, n, shim_user + shim_user_size - at);
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	unsigned long can = shim_user_readonly ? 0 : user_bytes(to, n);

	if (shim_copy_fails_at && !--shim_copy_fails_at) {
		if (shim_copy_hook)
			shim_copy_hook();
		return n;
	}
	if (can)
		memcpy(to, from, can);
	return n - can;
}

unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	unsigned long can = user_bytes(from, n);

	if (can)
		memcpy(to, from, can);
	return n - can;
}

int copy_struct_from_user(void *to, size_t ksize, const void *from, size_t usize)
{
	size_t size = min(ksize, usize), i;

	for (i = ksize; i < usize; i++) {
		u8 byte;

		if (copy_from_user(&byte, (const u8 *)from + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	memset((u8 *)to + size, 0, ksize - size);
	return copy_from_user(to, from, size) ? -EFAULT : 0;
}
