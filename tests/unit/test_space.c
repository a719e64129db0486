// link: tests/unit/fake_libos.c guest/libos/space.c guest/libos/mappings.c
/*
 * Mappings of a space, few and many: random operations against an array with an
 * entry for each page; the limit; memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../guest/fs/vfs.h"
#include "../../guest/kernel/kcall.h"
#include "../../guest/libos/heap.h"
#include "../../guest/libos/patch.h"
#include "../../guest/libos/space.h"
#include "fake_libos.h"

#define PAGES 20000ul
#define BASE  0x10000000ul
#define NONE  0xff

static struct space *space;
static u8 model[PAGES]; /* PROT_*, or NONE */
static u64 freed; /* pages */
static u32 seed = 1;

/* ---- what a space needs */

void pages_free(struct space *s, u64 start, u64 end)
{
	(void)s;
	freed += (end - start) / PAGE_SIZE;
}

int pages_cut(u64 start, u64 end)
{
	(void)start;
	(void)end;
	return 0;
}

void pages_protect(u64 start, u64 end, u32 prot)
{
	(void)start;
	(void)end;
	(void)prot;
}

void pages_drop_file(struct space *s, u64 start, u64 end)
{
	(void)s;
	(void)start;
	(void)end;
}

void pages_free_tables(void)
{
}

void patch_undo(struct space *s, u64 start, u64 end)
{
	(void)s;
	(void)start;
	(void)end;
}

void patch_forget(struct space *s)
{
	(void)s;
}

void file_get(struct file *file)
{
	file->refs++;
}

void file_put(struct file *file)
{
	file->refs--;
}

/* ---- the model */

static u64 below(u64 n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static u64 address(u64 page)
{
	return BASE + page * PAGE_SIZE;
}

static bool all(u64 first, u64 n, bool mapped)
{
	for (u64 i = first; i < first + n; i++)
		if ((model[i] != NONE) != mapped)
			return false;
	return true;
}

/* The highest n free pages below mmap_top, or 0. */
static u64 model_gap(u64 n)
{
	u64 run = 0;
	for (u64 i = PAGES; i-- > 0;) {
		run = model[i] == NONE ? run + 1 : 0;
		if (run >= n)
			return address(i);
	}
	return 0;
}

/* Each page is as the model has it, and neighbours differ. */
static void compare(void)
{
	const struct vma *vma, *before = NULL;
	unsigned n = 0;
	u64 mapped = 0;

	for (u64 at = 0; (vma = space_from(space, at)) != NULL; at = vma->end, n++) {
		assert_true(vma->start >= at && vma->start < vma->end);
		if (before && before->end == vma->start)
			assert_int_not_equal(before->prot, vma->prot);
		for (u64 page = (vma->start - BASE) / PAGE_SIZE; address(page) < vma->end; page++)
			assert_int_equal(model[page], vma->prot);
		mapped += (vma->end - vma->start) / PAGE_SIZE;
		before = vma;
	}
	assert_int_equal(n, space->maps.count);
	for (u64 i = 0; i < PAGES; i++)
		mapped -= model[i] != NONE;
	assert_int_equal(mapped, 0);
}

static int begin(void **state)
{
	(void)state;
	seed = 1;
	freed = 0;
	fake_allocations_left = -1;
	space = space_new();
	space->mmap_top = address(PAGES);
	memset(model, NONE, sizeof(model));
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_allocations_left = -1;
	space_clear(space);
	assert_int_equal(space->maps.count, 0);
	assert_int_equal(space->maps.leaves, 1);
	kfree(space->maps.leaf->vma);
	if (space->maps.leaf != &space->maps.first)
		kfree(space->maps.leaf);
	kfree(space);
	assert_int_equal(fake_objects, 0);
	return 0;
}

/* ---- random operations */

static void add(u64 first, u64 n, u32 prot)
{
	const struct vma vma = { .start = address(first), .end = address(first + n), .prot = prot };
	const bool is_free = all(first, n, false);

	assert_int_equal(space_is_free(space, vma.start, vma.end), is_free);
	if (is_free && !space_add(space, &vma))
		memset(model + first, (int)prot, n);
}

static void take_out(u64 first, u64 n)
{
	if (!space_remove(space, address(first), address(first + n)))
		memset(model + first, NONE, n);
}

/* What is mapped up to the first gap gets the rights. */
static void protect(u64 first, u64 n, u32 prot)
{
	const bool enough = fake_allocations_left < 0;
	const int error = space_protect(space, address(first), address(first + n), prot);

	if (enough)
		assert_int_equal(error, all(first, n, true) ? 0 : -ENOMEM);
	else if (error)
		return; /* before anything was changed */
	for (u64 i = first; i < first + n && model[i] != NONE; i++)
		model[i] = (u8)prot;
}

static void one_operation(u64 most)
{
	const u64 n = 1 + below(most), first = below(PAGES - n + 1);
	const u32 prot = (u32)below(8);

	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		add(first, n, prot);
		break;
	case 3:
	case 4:
		take_out(first, n);
		break;
	case 5:
	case 6:
		protect(first, n, prot);
		break;
	default:
		assert_int_equal(space_gap(space, (n % 511 + 1) * PAGE_SIZE, USER_END),
				 model_gap(n % 511 + 1));
	}
	const struct vma *vma = space_find(space, address(first) + 5);
	assert_int_equal(vma ? vma->prot : NONE, model[first]);
}

static void operations(unsigned count, u64 most)
{
	for (unsigned i = 0; i < count; i++) {
		one_operation(most);
		if (i % 1000 == 0)
			compare();
	}
	compare();
}

static void test_random(void **state)
{
	(void)state;
	operations(20000, 4); /* thousands of mappings */
	assert_in_range(space->maps.leaves, 40, 400);
	operations(3000, 500); /* they become fewer */
	operations(3000, 5000);
	operations(20000, 4);
	take_out(0, PAGES);
	assert_int_equal(space->maps.leaves, 1);
	assert_int_equal(space_gap(space, PAGES * PAGE_SIZE, USER_END), address(0));
}

/* Splits at both ends may fail: then nothing has changed but borders. */
static void test_no_memory(void **state)
{
	(void)state;
	operations(8000, 4);
	for (unsigned i = 0; i < 20000; i++) {
		fake_allocations_left = i % 3;
		const u64 n = 1 + below(2), first = below(PAGES - n);
		if (i % 4 == 0)
			take_out(first, n);
		else if (i % 4 == 1 && all(first, n, true))
			protect(first, n, (u32)below(8));
		else
			add(first, n, (u32)below(8));
	}
	fake_allocations_left = -1;
	for (u64 i = 0; i < PAGES; i++) {
		const struct vma *vma = space_find(space, address(i));
		assert_int_equal(vma ? vma->prot : NONE, model[i]);
	}
}

/* ---- as many as there may be */

#define TOP (BASE + 4 * MAPPINGS_MAX * PAGE_SIZE)

static long map_at(u64 start, u32 prot)
{
	const struct vma vma = { .start = start, .end = start + PAGE_SIZE, .prot = prot };
	return space_add(space, &vma);
}

/* As mmap(2) places them: each below the one before. */
static void test_limit(void **state)
{
	u64 start = 0;

	(void)state;
	space->mmap_top = TOP;
	for (unsigned i = 0; i <= MAPPINGS_MAX; i++) {
		start = space_gap(space, PAGE_SIZE, USER_END);
		assert_int_equal(start, TOP - (i + 1) * PAGE_SIZE);
		assert_int_equal(map_at(start, i % 2 ? PROT_READ : PROT_NONE), 0);
	}
	assert_int_equal(map_at(start - PAGE_SIZE, PROT_WRITE), -ENOMEM);
	assert_int_equal(space_remove(space, start, start + PAGE_SIZE), 0);
	assert_int_equal(map_at(start, PROT_WRITE), 0);
	assert_int_equal(space_gap(space, PAGE_SIZE, USER_END), start - PAGE_SIZE);
	/* a hole in the middle of them is found again */
	start = TOP - MAPPINGS_MAX / 2 * PAGE_SIZE;
	assert_int_equal(space_remove(space, start, start + 7 * PAGE_SIZE), 0);
	assert_int_equal(space_gap(space, 8 * PAGE_SIZE, USER_END),
			 TOP - (MAPPINGS_MAX + 9) * PAGE_SIZE);
	assert_int_equal(space_gap(space, 7 * PAGE_SIZE, USER_END), start);
	assert_int_equal(space_gap(space, 7 * PAGE_SIZE, start + 6 * PAGE_SIZE),
			 TOP - (MAPPINGS_MAX + 8) * PAGE_SIZE);
	assert_int_equal(space_protect(space, TOP - 100 * PAGE_SIZE, TOP, PROT_EXEC), 0);
	assert_int_equal(space->maps.count, MAPPINGS_MAX + 1 - 7 - 99);
}

/* With too many, pieces go, but no more are made of them. */
static void test_at_limit(void **state)
{
	const u64 large = BASE, len = 16 * PAGE_SIZE;
	struct vma vma = { .start = large, .end = large + len, .prot = PROT_READ };

	(void)state;
	assert_int_equal(space_add(space, &vma), 0);
	for (u64 i = 0; space->maps.count < MAPPINGS_MAX; i++)
		assert_int_equal(map_at(BASE + (100 + 2 * i) * PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(space_protect(space, large + PAGE_SIZE, large + len, PROT_NONE), -ENOMEM);
	assert_int_equal(space_remove(space, large + PAGE_SIZE, large + 2 * PAGE_SIZE), -ENOMEM);
	assert_int_equal(space_remove(space, large, large + PAGE_SIZE), 0);
	assert_int_equal(space_remove(space, large + len - PAGE_SIZE, large + len), 0);
	assert_int_equal(space->maps.count, MAPPINGS_MAX);
	assert_int_equal(space_protect(space, large + PAGE_SIZE, large + len - PAGE_SIZE, 0), 0);
	assert_int_equal(freed, 2);
}

/* ---- files */

static void test_file(void **state)
{
	static const struct inode_ops ops = { .mapped = NULL };
	struct inode inode = { .ops = &ops };
	struct file file = { .inode = &inode, .refs = 1 };
	struct vma vma = {
		.start = address(0), .end = address(10), .file = &file, .offset = 0x5000
	};

	(void)state;
	assert_int_equal(space_add(space, &vma), 0);
	assert_int_equal(space_remove(space, address(4), address(6)), 0);
	assert_int_equal(file.refs, 3);
	assert_int_equal(inode.mappings, 2);
	assert_int_equal(space_find(space, address(6))->offset, 0x5000 + 6 * PAGE_SIZE);
	vma = (struct vma){ address(4), address(6), .file = &file, .offset = 0x9000 };
	assert_int_equal(space_add(space, &vma), 0); /* the same again: one piece */
	assert_int_equal(space->maps.count, 1);
	assert_int_equal(file.refs, 2);
	space_clear(space);
	assert_int_equal(file.refs, 1);
	assert_int_equal(inode.mappings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, begin, end),
		cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
		cmocka_unit_test_setup_teardown(test_limit, begin, end),
		cmocka_unit_test_setup_teardown(test_at_limit, begin, end),
		cmocka_unit_test_setup_teardown(test_file, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
