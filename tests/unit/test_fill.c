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
	mem_create(&mem, 8 * MIB);
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

	(void)state;
	t->fill_least = 5; /* an image that has something else there */
	assert_false(fill_offer(&mem, 0x1000));
	assert_int_equal(t->fill_least, 5);
	t->fill_least = FILL_NEVER;
	assert_true(fill_offer(&mem, 0x1000));
	assert_in_range(t->fill_least, 2, 512);
	t->fill_least = FILL_NEVER;
	assert_false(fill_offer(&mem, 0x1004));
	assert_false(fill_offer(&mem, 8 * MIB - 8));
	assert_false(fill_offer(&mem, UINT64_MAX));
	mem.size = mem.low = 4 * MIB;
	assert_false(fill_offer(&mem, 0x1000));
	mem.size = mem.low = 8 * MIB;
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
		{ 8 * MIB, 8 },   { UINT64_MAX - 7, 1 }, { TABLE, UINT64_MAX }, { 1ull << 40, 1 },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_offer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_brought_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_length, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
