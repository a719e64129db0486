// link: vmm/fill.c vmm/mem.c vmm/fail.c
/* Page table entries that the VMM writes: right ones, and what a guest can get wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../shared/abi.h"
#include "../../shared/x86.h"
#include "../../vmm/fill.h"

#define MIB   (1ull << 20)
#define TABLE 0x3000ull
#define BITS  (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_NX)

static struct guest_mem mem;

static int setup(void **state)
{
	(void)state;
	mem_create(&mem, 16 * MIB);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(mem.base, mem.size);
	return 0;
}

static uint64_t *table(void)
{
	return mem_at(&mem, TABLE, PAGE_SIZE);
}

static bool resident(uint64_t gpa)
{
	unsigned char in = 0;

	assert_int_equal(mincore(mem_at(&mem, gpa, PAGE_SIZE), PAGE_SIZE, &in), 0);
	return in & 1;
}

static void test_offer(void **state)
{
	struct boot_tables *t = mem_at(&mem, 0x1000, sizeof(*t));
	struct fill fill = { .offered = false };

	(void)state;
	t->fill_least = 5; /* an image that has something else there */
	fill_offer(&fill, &mem, 0x1000);
	assert_int_equal(t->fill_least, 5);
	t->fill_least = FILL_NEVER;
	fill_offer(&fill, &mem, 0x1004);
	fill_offer(&fill, &mem, 16 * MIB - 8);
	fill_offer(&fill, &mem, UINT64_MAX);
	t->lock = 2;
	fill_offer(&fill, &mem, 0x1000);
	t->lock = 0;
	t->blocks = 4;
	fill_offer(&fill, &mem, 0x1000);
	t->blocks = 0;
	mem.size = mem.low = 8 * MIB;
	fill_offer(&fill, &mem, 0x1000);
	mem.size = mem.low = 16 * MIB;
	assert_false(fill.offered);
	fill_offer(&fill, &mem, 0x1000);
	assert_true(fill.offered);
	assert_in_range(t->fill_least, 2, 512);
}

static void test_entries(void **state)
{
	(void)state;
	assert_true(fill_entries(&mem, TABLE + 8 * 8, 0x100000 | BITS, 20));
	assert_int_equal(table()[7], 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(table()[8 + i], (0x100000 + i * PAGE_SIZE) | BITS);
		assert_true(resident(0x100000 + i * PAGE_SIZE));
	}
	assert_int_equal(table()[28], 0);
	assert_false(resident(0x100000 + 20 * PAGE_SIZE));
}

/* Large runs are not all touched; what is no memory of ours is the guest's affair. */
static void test_not_brought_in(void **state)
{
	(void)state;
	assert_true(fill_entries(&mem, TABLE, 0x200000 | BITS, 512));
	assert_int_equal(table()[511], 0x3ff000 | BITS);
	assert_false(resident(0x300000));
	assert_true(fill_entries(&mem, TABLE, (1ull << 40) | BITS, 8));
	assert_true(fill_entries(&mem, TABLE, UINT64_MAX, 8));
}

static void test_nonsense(void **state)
{
	static const struct {
		uint64_t first, n;
	} bad[] = {
		{ TABLE + 4, 8 }, { TABLE, 0 },          { TABLE, 513 },        { TABLE + 8, 512 },
		{ 16 * MIB, 8 },  { UINT64_MAX - 7, 1 }, { TABLE, UINT64_MAX }, { 1ull << 40, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(fill_entries(&mem, bad[i].first, BITS, bad[i].n));
		assert_int_equal(fill_run_length(&mem, bad[i].first, bad[i].n), 0);
	}
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(table()[i], 0);
}

static void test_run_length(void **state)
{
	(void)state;
	fill_entries(&mem, TABLE, 0x100000 | BITS, 20);
	assert_int_equal(fill_run_length(&mem, TABLE, 512), 20);
	assert_int_equal(fill_run_length(&mem, TABLE, 7), 7);
	assert_int_equal(fill_run_length(&mem, TABLE + 19 * 8, 2), 1);
	table()[10] &= ~(uint64_t)PTE_W; /* other rights */
	assert_int_equal(fill_run_length(&mem, TABLE, 512), 10);
}

/* ---- MAP_GPA: a kernel from 1 MiB to 0x140000, its tables there */

#define PML4       0x101000ull
#define BLOCK_OF   0x110000ull
#define MAPPED     0x111000ull
#define LOCK       0x112000ull
#define KERNEL_END 0x140000ull
#define VA         0x7f0000203000ull

static const struct fill kernel = {
	.offered = true,
	.gpa = 0x113000,
	.tables = { .pml4 = PML4,
		    .kernel_start = 0x100000,
		    .kernel_end = KERNEL_END,
		    .blocks = BLOCK_OF,
		    .mapped = MAPPED,
		    .lock = LOCK },
};

static uint64_t *leaf; /* the table of 4 KiB entries for VA */

static int setup_kernel(void **state)
{
	uint64_t *pml4, *pdpt, *pd;

	setup(state);
	pml4 = mem_at(&mem, PML4, PAGE_SIZE);
	pdpt = mem_at(&mem, 0x102000, PAGE_SIZE);
	pd = mem_at(&mem, 0x103000, PAGE_SIZE);
	leaf = mem_at(&mem, 0x104000, PAGE_SIZE);
	pml4[VA >> 39 & 511] = 0x102000 | PTE_P | PTE_W | PTE_U;
	pdpt[VA >> 30 & 511] = 0x103000 | PTE_P | PTE_W | PTE_U;
	pd[VA >> 21 & 511] = 0x104000 | PTE_P | PTE_W | PTE_U;
	return 0;
}

static bool map(uint64_t va, uint64_t entry, uint64_t n)
{
	return fill_map(&kernel, &mem, va, entry, n);
}

static uint32_t counted(unsigned block)
{
	return ((uint32_t *)mem_at(&mem, MAPPED, PAGE_SIZE))[block];
}

static void test_map(void **state)
{
	(void)state;
	assert_true(map(VA, 0x200000 | PTE_P | PTE_W | PTE_NX, 5));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(leaf[3 + i], (0x200000 + i * PAGE_SIZE) | BITS);
	assert_int_equal(leaf[2] | leaf[8], 0);
	assert_int_equal(counted(1), 5);
	assert_true(map(VA + 5 * PAGE_SIZE, 0x80000 | PTE_P, 128)); /* below the image */
	assert_int_equal(counted(0), 128);
	assert_true(map(VA + 200 * PAGE_SIZE, (5ull << 30) | PTE_P | PTE_FILE, 3)); /* a file */
	assert_int_equal(leaf[203], (5ull << 30) | PTE_P | PTE_FILE | PTE_U | PTE_A | PTE_D);
	assert_true(map(VA + 300 * PAGE_SIZE, KERNEL_END, 1)); /* PROT_NONE: not present */
	assert_int_equal(*(uint32_t *)mem_at(&mem, LOCK, 4), 0);
}

/* Whatever is asked for, the kernel's memory and half stay as they are. */
static void test_map_refused(void **state)
{
	static const struct {
		uint64_t va, entry, n;
	} bad[] = {
		{ VA, 0x100000 | PTE_P, 1 }, /* the kernel */
		{ VA, PML4 | PTE_P | PTE_W, 1 },
		{ VA, (KERNEL_END - PAGE_SIZE) | PTE_P, 2 },
		{ VA, 0xff000 | PTE_P, 2 }, /* into it */
		{ VA, 0x1000 | PTE_P, 1 }, /* where other vCPUs start */
		{ VA, 0x7f000 | PTE_P, 2 },
		{ VA, 0x400000 | PTE_P, 1 }, /* a block that is the kernel's */
		{ VA, 0x3ff000 | PTE_P, 2 }, /* into it */
		{ VA, 0xfee00000 | PTE_P, 1 }, /* the APIC */
		{ VA, 0x3fffffff000 | PTE_P | 1ull << 51, 1 },
		{ VA, 0x200000 | PTE_P | PTE_PS, 1 },
		{ VA, 0x200000 | PTE_P | PTE_U, 1 },
		{ VA, 0x200000 | PTE_P | 0x100, 1 },
		{ VA, 0x200000 | PTE_P, 0 },
		{ VA, 0x200000 | PTE_P, 510 }, /* beyond the table */
		{ VA, 0x200000 | PTE_P, UINT64_MAX },
		{ VA + 1, 0x200000 | PTE_P, 1 },
		{ VA | 0xffff800000000000, 0x200000 | PTE_P, 1 },
		{ UINT64_MAX - 4095, 0x200000 | PTE_P, 1 },
	};
	uint32_t *lock = mem_at(&mem, LOCK, 4);

	(void)state;
	((uint64_t *)mem_at(&mem, BLOCK_OF, PAGE_SIZE))[2] = 0x400000 | PTE_P | PTE_PS;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (map(bad[i].va, bad[i].entry, bad[i].n))
			fail_msg("case %u was mapped", i);
		assert_int_equal(*lock, 0);
	}
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(leaf[i] | counted(i), 0);
	leaf[4] = 0x2000; /* something is there already */
	assert_false(map(VA, 0x200000 | PTE_P, 2));
	*lock = 1; /* another vCPU is at it */
	assert_false(map(VA + 8 * PAGE_SIZE, 0x200000 | PTE_P, 2));
	assert_int_equal(*lock, 1);
}

/* Tables come from the kernel's pool, as far as that goes. */
static void test_map_tables(void **state)
{
	struct boot_tables *t = mem_at(&mem, kernel.gpa, sizeof(*t));
	const uint64_t far = VA + (1ull << 39), *pml4 = mem_at(&mem, PML4, PAGE_SIZE);

	(void)state;
	assert_false(map(VA + (1 << 21), 0x200000 | PTE_P, 1)); /* there is no pool */
	t->pool_next = 0x120000;
	t->pool_limit = 0x124000;
	memset(mem_at(&mem, 0x120000, 4 * PAGE_SIZE), 0xff, 4 * PAGE_SIZE);
	assert_true(map(VA + (1 << 21), 0x200000 | PTE_P, 1));
	assert_int_equal(t->pool_next, 0x121000);
	leaf = mem_at(&mem, 0x120000, PAGE_SIZE);
	assert_int_equal(leaf[3], 0x200000 | PTE_P | PTE_U | PTE_A | PTE_D);
	assert_int_equal(leaf[2] | leaf[4], 0);
	assert_true(map(far, 0x200000 | PTE_P, 1));
	assert_int_equal(t->pool_next, 0x124000);
	assert_int_equal(pml4[far >> 39 & 511], 0x121000 | PTE_P | PTE_W | PTE_U | PTE_A);
	assert_false(map(far + (1 << 21), 0x200000 | PTE_P, 1)); /* it is used up */
	assert_true(map(far + PAGE_SIZE, 0x200000 | PTE_P, 1));
	t->pool_next = 0x1000001; /* lies */
	t->pool_limit = UINT64_MAX;
	assert_false(map(far + (1 << 21), 0x200000 | PTE_P, 1));
	t->pool_next = 1ull << 40;
	assert_false(map(far + (1 << 21), 0x200000 | PTE_P, 1));
}

static bool unmap(uint64_t va, uint64_t n)
{
	return fill_unmap(&kernel, &mem, va, n);
}

static void test_unmap(void **state)
{
	(void)state;
	assert_true(map(VA, 0x200000 | PTE_P | PTE_W | PTE_NX, 5));
	assert_true(map(VA + 5 * PAGE_SIZE, 0x300000, 1)); /* PROT_NONE, elsewhere */
	memset(mem_at(&mem, 0x200000, PAGE_SIZE), 1, PAGE_SIZE);
	assert_true(unmap(VA + PAGE_SIZE, 5));
	assert_int_equal(leaf[3], 0x200000 | BITS);
	for (unsigned i = 4; i < 9; i++)
		assert_int_equal(leaf[i], 0);
	assert_int_equal(counted(1), 1);
	assert_int_equal(*(uint8_t *)mem_at(&mem, 0x200000, 1), 1);
	assert_int_equal(*(uint32_t *)mem_at(&mem, LOCK, 4), 0);
	assert_true(unmap(VA, 1));
	assert_int_equal(counted(1), 0);
	assert_true(map(VA, 0x300000 | PTE_P, 6)); /* there is room again */
}

/* All stays as it was. */
static void test_unmap_refused(void **state)
{
	static const struct {
		uint64_t va, n;
	} bad[] = {
		{ VA, 4 }, /* the last one is a file's */
		{ VA, 510 }, /* beyond the table */
		{ VA - PAGE_SIZE, 2 }, /* nothing there */
		{ VA, 0 },
		{ VA, UINT64_MAX },
		{ VA + 1, 1 },
		{ VA | 0xffff800000000000, 1 },
		{ VA + (1 << 21), 1 }, /* no table */
		{ VA + 4 * PAGE_SIZE, 1 }, /* not in memory */
		{ VA + 5 * PAGE_SIZE, 2 }, /* the second cannot be given up */
	};
	uint64_t before[512], *pd = mem_at(&mem, 0x103000, PAGE_SIZE);
	uint32_t *lock = mem_at(&mem, LOCK, 4);
	void *shared = mem_at(&mem, 0x400000, PAGE_SIZE);

	(void)state;
	assert_true(map(VA, 0x200000 | PTE_P, 3));
	assert_true(map(VA + 3 * PAGE_SIZE, 0x300000 | PTE_P | PTE_FILE, 1));
	leaf[7] = (1ull << 40) | PTE_P;
	leaf[8] = 0x200000 | PTE_P;
	leaf[9] = 0x400000 | PTE_P;
	assert_ptr_equal(mmap(shared, PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 shared);
	memcpy(before, leaf, sizeof(before));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (unmap(bad[i].va, bad[i].n))
			fail_msg("case %u was unmapped", i);
		assert_int_equal(*lock, 0);
	}
	*lock = 1; /* another vCPU is at it */
	assert_false(unmap(VA, 1));
	*lock = 0;
	pd[VA >> 21 & 511] |= PTE_PS;
	assert_false(unmap(VA, 1));
	assert_memory_equal(before, leaf, sizeof(before));
	assert_int_equal(counted(1), 4);
}

/* Tables that lead out of memory, and an image that tells lies. */
static void test_map_lies(void **state)
{
	struct fill lie = kernel;

	(void)state;
	((uint64_t *)mem_at(&mem, 0x103000, PAGE_SIZE))[VA >> 21 & 511] = (1ull << 40) | PTE_P;
	assert_false(map(VA, 0x200000 | PTE_P, 2));
	((uint64_t *)mem_at(&mem, 0x103000, PAGE_SIZE))[VA >> 21 & 511] = 0x400000 | PTE_P | PTE_PS;
	assert_false(map(VA, 0x200000 | PTE_P, 2));
	for (uint64_t at = UINT64_MAX - 7; at; at = at > 16 * MIB ? 16 * MIB : 0) {
		lie.gpa = lie.tables.pml4 = lie.tables.blocks = lie.tables.mapped =
			lie.tables.lock = at;
		assert_false(fill_map(&lie, &mem, VA, 0x200000 | PTE_P, 2));
		assert_false(fill_unmap(&lie, &mem, VA, 2));
		lie.tables.lock = LOCK;
		assert_false(fill_map(&lie, &mem, VA, 0x200000 | PTE_P, 2));
		assert_false(fill_unmap(&lie, &mem, VA, 2));
	}
	lie.offered = false;
	assert_false(fill_map(&lie, &mem, VA, 0x200000 | PTE_P, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_offer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_brought_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup_kernel, teardown),
		cmocka_unit_test_setup_teardown(test_map_refused, setup_kernel, teardown),
		cmocka_unit_test_setup_teardown(test_map_tables, setup_kernel, teardown),
		cmocka_unit_test_setup_teardown(test_unmap, setup_kernel, teardown),
		cmocka_unit_test_setup_teardown(test_unmap_refused, setup_kernel, teardown),
		cmocka_unit_test_setup_teardown(test_map_lies, setup_kernel, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
