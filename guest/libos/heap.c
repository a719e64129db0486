/*
 * The first objects, those of the boot, lie close together in an arena of the
 * image, whatever their size, since each page touched for the first time costs
 * the host a fault; they are never given back. After that,
 * small objects come in size classes of 32 bytes to 2 KiB, cut from frames;
 * larger ones are runs of frames. A frame of small objects begins with its
 * class; a run of frames is remembered in its own table, keyed by address,
 * because its memory is all the caller's.
 */
#include "entry.h"
#include "frames.h"
#include "heap.h"

#define CLASSES  7 /* 32 << 0 ... 32 << 6 = 2048 */
#define SMALLEST 32

struct slab { /* head of a frame of small objects */
	u64 class;
	u64 pad;
};

struct object {
	struct object *next;
};

#define ARENA_SIZE 8192
static u8 arena[ARENA_SIZE] __attribute__((aligned(64)));
static size_t arena_used;

static bool in_arena(const void *p)
{
	return (const u8 *)p >= arena && (const u8 *)p < arena + ARENA_SIZE;
}

static struct object *free_objects[CLASSES];
static u8 *bump[CLASSES], *bump_end[CLASSES];

static unsigned class_of(size_t size)
{
	unsigned class = 0;
	while ((size_t)SMALLEST << class < size)
		class ++;
	return class;
}

static unsigned order_of(size_t size)
{
	unsigned order = 0;
	while ((size_t)PAGE_SIZE << order < size)
		order++;
	return order;
}

/* Objects of a new frame are handed out in place, so that a frame which is
 * little used costs no more than what is used of it. */
static void *alloc_small(unsigned class)
{
	size_t size = (size_t)SMALLEST << class;
	struct object *object = free_objects[class];
	if (object) {
		free_objects[class] = object->next;
		return memset(object, 0, size);
	}
	if (arena_used + size <= ARENA_SIZE) {
		arena_used += size;
		return arena + arena_used - size;
	}
	if (bump[class] + size > bump_end[class]) {
		paddr_t pa = frames_alloc(0);
		if (!pa)
			return NULL;
		struct slab *slab = phys_to_virt(pa);
		slab->class = class;
		bump[class] = (u8 *)slab + MAX(sizeof(*slab), MIN(size, 64));
		bump_end[class] = (u8 *)slab + PAGE_SIZE;
	}
	bump[class] += size;
	return bump[class] - size;
}

/*
 * Runs of frames: page-aligned, so kfree() can tell them from small objects,
 * which never are. Their order is kept beside them in a small hash table.
 */
#define RUN_BUCKETS 64
struct run {
	struct run *next;
	void *memory;
	unsigned order;
};
static struct run *runs[RUN_BUCKETS];

static struct run **bucket(const void *p)
{
	return &runs[((u64)p >> PAGE_SHIFT) % RUN_BUCKETS];
}

static void *alloc_run(size_t size)
{
	unsigned order = order_of(size);
	struct run *run = order <= BLOCK_ORDER ? alloc_small(class_of(sizeof(*run))) : NULL;
	paddr_t pa = run ? frames_alloc(order) : 0;
	if (!pa) {
		kfree(run);
		return NULL;
	}
	run->memory = phys_to_virt(pa);
	run->order = order;
	run->next = *bucket(run->memory);
	*bucket(run->memory) = run;
	return run->memory;
}

void *kalloc(size_t size)
{
	if (size <= (size_t)SMALLEST << (CLASSES - 1))
		return alloc_small(class_of(size));
	return alloc_run(size);
}

static void free_run(void *p)
{
	struct run **at = bucket(p);
	while (*at && (*at)->memory != p)
		at = &(*at)->next;
	BUG_ON(!*at);
	struct run *run = *at;
	*at = run->next;
	frames_free(virt_to_phys(p), run->order);
	kfree(run);
}

void kfree(void *p)
{
	if (!p || in_arena(p))
		return;
	if (!((u64)p % PAGE_SIZE)) {
		free_run(p);
		return;
	}
	struct slab *slab = (struct slab *)ALIGN_DOWN((u64)p, PAGE_SIZE);
	struct object *object = p;
	object->next = free_objects[slab->class];
	free_objects[slab->class] = object;
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kalloc(n);
	return copy ? memcpy(copy, s, n) : NULL;
}
