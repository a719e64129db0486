// link: vmm/mem.c vmm/load.c vmm/elf.c vmm/fail.c
/*
 * The one door to guest memory, and what the loader puts behind it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../shared/abi.h"
#include "../../shared/x86.h"
#include "../../vmm/load.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* ---- mem_at() */

static void inside(void **state)
{
	struct guest_mem mem;

	(void)state;
	mem_create(&mem, 2 * MIB);
	assert_int_equal((uint64_t)mem.base % BLOCK_SIZE, 0);
	assert_ptr_equal(mem_at(&mem, 0, 2 * MIB), mem.base);
	assert_ptr_equal(mem_at(&mem, 2 * MIB - 1, 1), mem.base + 2 * MIB - 1);
	assert_ptr_equal(mem_at(&mem, 2 * MIB - 1, 0), mem.base + 2 * MIB - 1);
	mem.base[0] = mem.base[2 * MIB - 1] = 1;
}

static void outside(void **state)
{
	struct guest_mem mem;

	(void)state;
	mem_create(&mem, 2 * MIB);
	assert_null(mem_at(&mem, 2 * MIB, 0));
	assert_null(mem_at(&mem, 2 * MIB, 1));
	assert_null(mem_at(&mem, 2 * MIB - 1, 2));
	assert_null(mem_at(&mem, 0, 2 * MIB + 1));
	assert_null(mem_at(&mem, 1, UINT64_MAX));
	assert_null(mem_at(&mem, UINT64_MAX, 1));
	assert_null(mem_at(&mem, UINT64_MAX, UINT64_MAX));
	assert_null(mem_at(&mem, RAM_HOLE_START, 1));
	assert_null(mem_at(&mem, RAM_HOLE_END, 0));
	assert_null(mem_at(&mem, RAM_HOLE_END, 1));
}

static void hole(void **state)
{
	struct guest_mem mem;

	(void)state;
	mem_create(&mem, 4 * GIB);
	assert_int_equal(mem.low, RAM_HOLE_START);
	assert_ptr_equal(mem_at(&mem, RAM_HOLE_START - 1, 1), mem.base + RAM_HOLE_START - 1);
	assert_null(mem_at(&mem, RAM_HOLE_START - 1, 2));
	assert_null(mem_at(&mem, RAM_HOLE_START, 1));
	assert_null(mem_at(&mem, RAM_HOLE_END - 1, 1));
	assert_null(mem_at(&mem, RAM_HOLE_END - 1, 2));
	assert_null(mem_at(&mem, RAM_HOLE_START - 1, GIB + 2));
	assert_ptr_equal(mem_at(&mem, RAM_HOLE_END, GIB), mem.base + 3 * GIB);
	assert_ptr_equal(mem_at(&mem, RAM_HOLE_END + GIB - 1, 1), mem.base + 4 * GIB - 1);
	assert_null(mem_at(&mem, RAM_HOLE_END, GIB + 1));
	assert_null(mem_at(&mem, RAM_HOLE_END + GIB, 0));
	assert_null(mem_at(&mem, RAM_HOLE_END + 1, UINT64_MAX));
}

/* Exactly 3 GiB: nothing above the hole. */
static void no_high_memory(void **state)
{
	struct guest_mem mem;

	(void)state;
	mem_create(&mem, 3 * GIB);
	assert_non_null(mem_at(&mem, RAM_HOLE_START - 1, 1));
	assert_null(mem_at(&mem, RAM_HOLE_END, 0));
}

/* ---- placing the program */

static void place(void **state)
{
	const struct guest_mem m128 = { .size = 128 * MIB, .low = 128 * MIB };
	const struct guest_mem m2 = { .size = 2 * MIB, .low = 2 * MIB };
	const struct guest_mem m4 = { .size = 4 * MIB, .low = 4 * MIB };

	(void)state;
	assert_int_equal(load_place(&m128, 0x160000, 800 << 10), 0x160000);
	assert_int_equal(load_place(&m128, 0x160000, 3 * MIB), 0x200000);
	assert_int_equal(load_place(&m128, 0x160000, MIB), 0x200000);
	/* no room on a 2 MiB boundary */
	assert_int_equal(load_place(&m4, 0x160000, 2 * MIB), 0x160000);
	/* below 1 MiB, at its end */
	assert_int_equal(load_place(&m2, 0x160000, 800 << 10), 0x100000 - (800 << 10));
	assert_int_equal(load_place(&m2, 0x160000, (800 << 10) - 1), 0x100000 - (800 << 10));
	/* a small one stays above */
	assert_int_equal(load_place(&m2, 0x160000, 100 << 10), 0x160000);
	/* nowhere */
	assert_int_equal(load_place(&m2, 0x160000, 2 * MIB), 0);
	assert_int_equal(load_place(&m2, 0x160000, UINT64_MAX / 2), 0);
	assert_int_equal(load_place(&m128, 0x160000, 128 * MIB), 0);
	/* the last resort: above, with nothing left */
	assert_int_equal(load_place(&m4, 0x200000, 2 * MIB), 0x200000);
}

/* ---- loading segments */

#define FILE_SIZE 0x5000

/* A file in which byte i is (i / 256 + i) | 1, so never 0. */
static struct image *make_file(void)
{
	static struct image image;
	static uint8_t bytes[FILE_SIZE];

	for (unsigned i = 0; i < FILE_SIZE; i++)
		bytes[i] = (uint8_t)((i / 256 + i) | 1);
	memset(&image, 0, sizeof(image));
	image.fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(image.fd, bytes, FILE_SIZE), FILE_SIZE);
	image.bytes = bytes;
	image.size = FILE_SIZE;
	return &image;
}

/* Loads one segment at 1 MiB + skew and compares all memory around it. */
static void load_one(struct image *image, uint64_t offset, uint64_t skew, uint64_t filesz,
		     uint64_t memsz)
{
	const uint64_t gpa = MIB + skew;
	struct guest_mem mem;

	mem_create(&mem, 2 * MIB);
	image->elf.nsegments = 1;
	image->elf.segment[0] = (struct elf_segment){
		.offset = offset, .filesz = filesz, .paddr = gpa, .memsz = memsz
	};
	image->elf.paddr_end = gpa + memsz;
	assert_int_equal(load_kernel(&mem, image),
			 (gpa + memsz + PAGE_SIZE - 1) & -(uint64_t)PAGE_SIZE);
	for (uint64_t i = LOW_FREE_GPA; i < 2 * MIB; i++) {
		uint8_t want = i >= gpa && i < gpa + filesz ? image->bytes[offset + i - gpa] : 0;

		if (mem.base[i] != want)
			fail_msg("offset %#lx, skew %#lx, size %#lx: byte %#lx is %u, not %u",
				 (long)offset, (long)skew, (long)filesz, (long)i, mem.base[i],
				 want);
	}
	munmap(mem.base, mem.size);
}

static void segments(void **state)
{
	static const uint64_t at[] = { 0, 1, 0x800, 0xfff, 0x1000, 0x1001 };
	static const uint64_t size[] = {
		0, 1, 0x7ff, 0x800, 0xfff, 0x1000, 0x1001, 0x2800, 0x3000
	};
	struct image *image = make_file();

	(void)state;
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (unsigned j = 0; j < sizeof(size) / sizeof(size[0]); j++) {
			load_one(image, at[i], at[i], size[j], size[j] + 0x2345);
			load_one(image, at[i], 0, size[j], size[j] + 1);
			load_one(image, 0x1000, at[i], size[j], size[j] + 1);
		}
	close(image->fd);
}

/* Two segments that meet within a page keep each other's bytes. */
static void shared_page(void **state)
{
	struct image *image = make_file();
	struct guest_mem mem;

	(void)state;
	mem_create(&mem, 2 * MIB);
	image->elf.nsegments = 2;
	image->elf.segment[0] = (struct elf_segment){
		.offset = 0, .filesz = 0x1800, .paddr = MIB, .memsz = 0x1800
	};
	image->elf.segment[1] = (struct elf_segment){
		.offset = 0x1800, .filesz = 0x2000, .paddr = MIB + 0x1800, .memsz = 0x2000
	};
	image->elf.paddr_end = MIB + 0x3800;
	load_kernel(&mem, image);
	assert_memory_equal(mem.base + MIB, image->bytes, 0x3800);
	assert_int_equal(mem.base[MIB + 0x3800], 0);
	close(image->fd);
}

static void program(void **state)
{
	struct image *image = make_file();
	struct guest_mem mem;
	uint64_t gpa;

	(void)state;
	assert_int_equal(ftruncate(image->fd, 0x1234), 0);
	image->size = 0x1234;
	mem_create(&mem, 4 * MIB);
	gpa = load_program(&mem, image, 0x150000);
	assert_int_equal(gpa, 0x150000);
	assert_memory_equal(mem.base + gpa, image->bytes, 0x1234);
	assert_int_equal(mem.base[gpa + 0x1234], 0);
	mem.base[gpa] = 0; /* private: the file keeps its first byte */
	assert_int_equal(pread(image->fd, mem.base, 1, 0), 1);
	assert_int_equal(mem.base[0], image->bytes[0]);
	close(image->fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inside),      cmocka_unit_test(outside),
		cmocka_unit_test(hole),        cmocka_unit_test(no_high_memory),
		cmocka_unit_test(place),       cmocka_unit_test(segments),
		cmocka_unit_test(shared_page), cmocka_unit_test(program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
