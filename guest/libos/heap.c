/*
 * The first objects, those of the boot, lie close together in an arena of the
 * image, whatever their size, since each page touched for the first time costs
 * the host a fault; they are never given back. After that,
 * small objects come in size classes of 32 bytes to 2 KiB, cut from frames;
 * larger ones are runs of frames. A frame of small objects begins with its
 * class; a run of frames is remembered in its own table, keyed by address,
 * because its memory is all the caller's. Frames without a small object in use are
 * looked for when there are no others.
 */
#include "entry.h"
#include "frames.h"
#include "heap.h"

#define CLASSES  7 /* 32 << 0 ... 32 << 6 = 2048 */
#define SMALLEST 32

struct slab { /* head of a frame of small objects */
	u64 class;
	u64 counted; /* by heap_reclaim() */
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

#define ENOUGH 64 /* objects freed, for a look to be worth it */
static struct object *free_objects[CLASSES];
static u64 freed; /* since the last look */
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

static struct slab *slab_of(const void *object)
{
	return (struct slab *)ALIGN_DOWN((u64)object, PAGE_SIZE);
}

static size_t first_in_slab(unsigned class)
{
	return MAX(sizeof(struct slab), MIN((size_t)SMALLEST << class, 64));
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
		bump[class] = (u8 *)slab + first_in_slab(class);
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
	struct slab *slab = slab_of(p);
	struct object *object = p;
	object->next = free_objects[slab->class];
	free_objects[slab->class] = object;
	freed++;
}

/* Takes the objects of frames that have no other out of the list, and frees the
 * frame with the last. */
static u64 reclaim_class(unsigned class)
{
	const u64 all = (PAGE_SIZE - first_in_slab(class)) / (SMALLEST << class);
	const struct slab *current = (struct slab *)(bump_end[class] - PAGE_SIZE);
	struct object *o, **at = &free_objects[class];
	u64 frames = 0;

	for (o = *at; o; o = o->next)
		slab_of(o)->counted = 0;
	for (o = *at; o; o = o->next)
		slab_of(o)->counted++;
	while ((o = *at) != NULL) {
		struct slab *slab = slab_of(o);
		if (slab == current || slab->counted < all) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		if (++slab->counted < 2 * all)
			continue;
		frames_free(virt_to_phys(slab), 0);
		frames++;
	}
	return frames;
}

u64 heap_reclaim(void)
{
	u64 frames = 0;
	if (freed < ENOUGH)
		return 0;
	freed = 0;
	for (unsigned class = 0; class < CLASSES; class ++)
		frames += reclaim_class(class);
	return frames;
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kalloc(n);
	return copy ? memcpy(copy, s, n) : NULL;
}
