// link: vmm/premap.c vmm/mem.c vmm/fail.c
/*
 * The program's pages in the guest's page tables: walked here as the CPU
 * would, from tables that a guest image offers, also a lying one.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../shared/abi.h"
#include "../../shared/x86.h"
#include "../../vmm/premap.h"

#define MIB         (1ull << 20)
#define TABLES_GPA  0x100000ull
#define PML4_GPA    0x101000ull
#define POOL_GPA    0x102000ull
#define PROGRAM_GPA 0x200000ull
#define FILE_SIZE   0x3000ull

static struct guest_mem mem;
static struct image guest, program;

/* Text at 0x400000, and data that begins in the file's last page and has two
 * more pages of zeroes. */
static int setup(void **state)
{
	uint8_t page[PAGE_SIZE];

	(void)state;
	mem_create(&mem, 16 * MIB);
	*(struct boot_tables *)mem_at(&mem, TABLES_GPA, sizeof(struct boot_tables)) =
		(struct boot_tables){ .pml4 = PML4_GPA,
				      .pool_next = POOL_GPA,
				      .pool_limit = POOL_GPA + 16 * PAGE_SIZE };
	guest = (struct image){ .elf = { .tables = TABLES_GPA } };
	program = (struct image){
		.fd = memfd_create("program", 0),
		.size = FILE_SIZE,
		.elf = { .nsegments = 2,
			 .segment = { { 0, 0x2000, 0x400000, 0x400000, 0x2000, PF_R | PF_X },
				      { 0x2100, 0x800, 0x402100, 0x402100, 0x2800,
					PF_R | PF_W } } },
	};
	for (int i = 0; i < 3; i++) {
		memset(page, 'a' + i, sizeof(page));
		assert_int_equal(write(program.fd, page, sizeof(page)), sizeof(page));
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(program.fd);
	munmap(mem.base, mem.size);
	return 0;
}

/* The leaf entry for va (SDM 4.5), 0 when there is none. */
static uint64_t walk(uint64_t va)
{
	uint64_t entry = PML4_GPA;

	for (int shift = 39; shift >= 12; shift -= 9) {
		const uint64_t *table = mem_at(&mem, entry & PTE_ADDR, PAGE_SIZE);

		assert_non_null(table);
		entry = table[va >> shift & 511];
		if (!entry || entry & PTE_PS)
			return entry;
	}
	return entry;
}

static struct premap_data premap(void)
{
	return premap_program(&mem, &guest, &program, PROGRAM_GPA);
}

static void text_where_it_lies(void **state)
{
	(void)state;
	premap();
	assert_int_equal(walk(0x400000), PROGRAM_GPA | PTE_P | PTE_U | PTE_A | PTE_D);
	assert_int_equal(walk(0x401000) & PTE_ADDR, PROGRAM_GPA + PAGE_SIZE);
	assert_int_equal(walk(0x3ff000), 0);
}

static void data_copied(void **state)
{
	const struct premap_data data = premap();
	const uint64_t entry = walk(0x402000);
	const uint8_t *at = mem_at(&mem, entry & PTE_ADDR, PAGE_SIZE);

	(void)state;
	assert_true(entry & PTE_W && entry & PTE_NX);
	assert_int_equal(entry & PTE_ADDR, data.gpa);
	assert_int_equal(data.gpa, PROGRAM_GPA + FILE_SIZE);
	assert_int_equal(at[0x100], 'c');
	assert_int_equal(at[0x8ff], 'c');
	assert_int_equal(at[0x900], 0); /* behind the segment's bytes of the file */
	assert_int_equal(at[0xfff], 0);
	assert_true(walk(0x404000) & PTE_W); /* zeroes */
	assert_true(walk(0x405000) & PTE_W); /* the heap to come */
	assert_int_equal(data.size % PAGE_SIZE, 0);
}

static void at_its_place(void **state)
{
	(void)state;
	program.elf.anywhere = true;
	for (int i = 0; i < 2; i++)
		program.elf.segment[i].vaddr -= 0x400000;
	program.base = PIE_BASE + 0x200000;
	premap();
	assert_int_equal(walk(PIE_BASE + 0x200000) & PTE_ADDR, PROGRAM_GPA);
}

static void large_in_blocks(void **state)
{
	(void)state;
	program.elf.segment[0].filesz = program.elf.segment[0].memsz = 2 * MIB + PAGE_SIZE;
	program.elf.nsegments = 1;
	premap();
	assert_true(walk(0x400000) & PTE_PS);
	assert_int_equal(walk(0x600000) & PTE_ADDR, PROGRAM_GPA + 2 * MIB);
}

static void no_note(void **state)
{
	(void)state;
	guest.elf.tables = 0;
	assert_int_equal(premap().size, 0);
	assert_int_equal(walk(0x400000), 0);
}

/* Whatever the image says, nothing outside guest memory is touched (ASan) and
 * the VMM goes on. */
static void lies(void **state)
{
	static const struct boot_tables lie[] = {
		{ .pml4 = 16 * MIB, .pool_next = POOL_GPA, .pool_limit = POOL_GPA + PAGE_SIZE },
		{ .pml4 = PML4_GPA, .pool_next = 16 * MIB, .pool_limit = 17 * MIB },
		{ .pml4 = PML4_GPA, .pool_next = UINT64_MAX - 4095, .pool_limit = UINT64_MAX },
		{ .pml4 = PML4_GPA, .pool_next = POOL_GPA + 1, .pool_limit = POOL_GPA + PAGE_SIZE },
		{ .pml4 = PML4_GPA, .pool_next = POOL_GPA, .pool_limit = POOL_GPA },
		{ .pml4 = UINT64_MAX, .pool_next = 0, .pool_limit = 0 },
	};
	struct boot_tables *tables = mem_at(&mem, TABLES_GPA, sizeof(*tables));

	(void)state;
	for (unsigned i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		memset(mem_at(&mem, PML4_GPA, 17 * PAGE_SIZE), 0, 17 * PAGE_SIZE);
		*tables = lie[i];
		premap();
	}
	guest.elf.tables = 16 * MIB - 8;
	premap();
	guest.elf.tables = UINT64_MAX;
	premap();
}

static void odd_segments(void **state)
{
	struct elf_segment *seg = program.elf.segment;

	(void)state;
	seg[0].offset = 0x10; /* not congruent: left to the guest */
	seg[1].vaddr = 0x7ffffffff000;
	premap();
	assert_int_equal(walk(0x400000), 0);
	seg[0] = (struct elf_segment){ 0, 0x1000, 0, 0, 0x1000, PF_R };
	premap();
	assert_int_equal(walk(0), 0); /* page 0 stays unmapped */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(text_where_it_lies), TEST(data_copied), TEST(at_its_place),
		TEST(large_in_blocks),    TEST(no_note),     TEST(lies),
		TEST(odd_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
