// link: vmm/fdt.c
// libs: -lfdt
/*
 * The device tree, read back with libfdt's reader as the guest does.
 */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../vmm/fdt.h"

#define ROOM 16384
#define GIB  (1ull << 30)

static uint64_t tree[ROOM / 8];
static char *args[] = { "-c", "", "two words", NULL };
static char *env[] = { "A=1", "B=", NULL };
static const struct guest_mem small = { .size = 128 << 20, .low = 128 << 20 };
static const struct guest_mem large = { .size = 5 * GIB, .low = 3 * GIB };

static const struct fdt_device devices[] = {
	{ .window = 0,
	  .console = 0,
	  .features = 0x100000001,
	  .nqueues = 2,
	  .queue = { { 16, 0x8000, 0x8100, 0x8140 }, { 8, 0x8200, 0x8300, 0x8340 } } },
	{ .window = 31, .console = -1 },
};

static struct fdt_machine machine(void)
{
	return (struct fdt_machine){
		.mem = &small,
		.cpus = 3,
		.tsc_hz = 2596098000,
		.program = "/bin/prog",
		.args = args,
		.nargs = 3,
		.env = env,
		.nenv = 2,
		.cwd = "/tmp",
		.hostname = "host",
		.program_gpa = 0x160000,
		.program_size = 12345,
		.seed = { 1, 2, 3 },
		.realtime_tsc = 77,
		.realtime_ns = 1u << 31,
		.stdio = { STDIO_TTY, STDIO_PIPE, STDIO_PIPE | STDIO_SAME_AS_OUT },
		.device = devices,
		.ndevices = 2,
	};
}

static void build(const struct fdt_machine *m)
{
	memset(tree, 0xa5, sizeof(tree));
	assert_in_range(fdt_build(tree, ROOM, m), 1, ROOM);
	assert_int_equal(fdt_check_full(tree, ROOM), 0);
}

static const void *get(const char *path, const char *name, int len)
{
	int node = fdt_path_offset(tree, path), have;
	const void *value;

	assert_true(node >= 0);
	value = fdt_getprop(tree, node, name, &have);
	assert_non_null(value);
	assert_int_equal(have, len);
	return value;
}

static uint32_t get32(const char *path, const char *name, unsigned n, unsigned i)
{
	return fdt32_ld((const fdt32_t *)get(path, name, (int)(4 * n)) + i);
}

static uint64_t get64(const char *path, const char *name, unsigned n, unsigned i)
{
	return fdt64_ld((const fdt64_t *)get(path, name, (int)(8 * n)) + i);
}

static bool has(const char *path, const char *name)
{
	return fdt_getprop(tree, fdt_path_offset(tree, path), name, NULL) != NULL;
}

static void root(void **state)
{
	struct fdt_machine m = machine();

	(void)state;
	build(&m);
	assert_string_equal(get("/", "compatible", 12), "mayfly,vm-1");
	assert_int_equal(fdt_address_cells(tree, 0), 2);
	assert_int_equal(fdt_size_cells(tree, 0), 2);
	assert_int_equal(get64("/memory@0", "reg", 2, 0), 0);
	assert_int_equal(get64("/memory@0", "reg", 2, 1), 128 << 20);
}

static void high_memory(void **state)
{
	struct fdt_machine m = machine();

	(void)state;
	m.mem = &large;
	build(&m);
	assert_int_equal(get64("/memory@0", "reg", 4, 1), 3 * GIB);
	assert_int_equal(get64("/memory@0", "reg", 4, 2), 4 * GIB);
	assert_int_equal(get64("/memory@0", "reg", 4, 3), 2 * GIB);
}

static void cpus(void **state)
{
	struct fdt_machine m = machine();
	int node, n = 0;

	(void)state;
	m.cpus = MAX_CPUS;
	build(&m);
	assert_int_equal(get64("/cpus", "timebase-frequency", 1, 0), 2596098000);
	fdt_for_each_subnode (node, tree, fdt_path_offset(tree, "/cpus")) {
		char path[32];

		snprintf(path, sizeof(path), "/cpus/cpu@%x", n);
		assert_int_equal(get32(path, "reg", 1, 0), n);
		n++;
	}
	assert_int_equal(n, MAX_CPUS);
}

static void chosen(void **state)
{
	struct fdt_machine m = machine();
	const char *list;

	(void)state;
	build(&m);
	assert_memory_equal(get("/chosen", "rng-seed", 48), m.seed, 48);
	list = get("/chosen", "mayfly,args", 24);
	assert_memory_equal(list, "/bin/prog\0-c\0\0two words", 24);
	assert_memory_equal(get("/chosen", "mayfly,env", 7), "A=1\0B=", 7);
	assert_string_equal(get("/chosen", "mayfly,cwd", 5), "/tmp");
	assert_string_equal(get("/chosen", "mayfly,hostname", 5), "host");
	assert_int_equal(get64("/chosen", "mayfly,program", 2, 0), 0x160000);
	assert_int_equal(get64("/chosen", "mayfly,program", 2, 1), 12345);
	assert_int_equal(get64("/chosen", "mayfly,realtime", 2, 0), 77);
	assert_int_equal(get64("/chosen", "mayfly,realtime", 2, 1), 1u << 31);
	assert_int_equal(get32("/chosen", "mayfly,stdio", 3, 0), STDIO_TTY);
	assert_int_equal(get32("/chosen", "mayfly,stdio", 3, 2), STDIO_PIPE | STDIO_SAME_AS_OUT);
	assert_false(has("/chosen", "mayfly,verbose"));
}

static void little_chosen(void **state)
{
	struct fdt_machine m = machine();

	(void)state;
	m.nargs = m.nenv = 0;
	m.program_size = 0;
	m.verbose = true;
	build(&m);
	get("/chosen", "mayfly,args", 10);
	get("/chosen", "mayfly,env", 0);
	get("/chosen", "mayfly,verbose", 0);
	assert_false(has("/chosen", "mayfly,program"));
}

static void device_nodes(void **state)
{
	struct fdt_machine m = machine();
	const uint8_t *p;

	(void)state;
	build(&m);
	assert_string_equal(get("/virtio@d0000000", "compatible", 12), "virtio,mmio");
	assert_int_equal(get64("/virtio@d0000000", "reg", 2, 0), VIRTIO_MMIO_GPA);
	assert_int_equal(get64("/virtio@d0000000", "reg", 2, 1), VIRTIO_MMIO_SIZE);
	assert_int_equal(get32("/virtio@d0000000", "interrupts", 1, 0), VECTOR_DEVICE);
	assert_int_equal(get32("/virtio@d0000000", "mayfly,console", 1, 0), 0);
	p = get("/virtio@d0000000", "mayfly,ready", 8 + 2 * 28);
	assert_int_equal(fdt64_ld((const fdt64_t *)p), 0x100000001);
	assert_int_equal(fdt32_ld((const fdt32_t *)(p + 8)), 16);
	assert_int_equal(fdt64_ld((const fdt64_t *)(p + 12)), 0x8000);
	assert_int_equal(fdt64_ld((const fdt64_t *)(p + 28)), 0x8140);
	assert_int_equal(fdt32_ld((const fdt32_t *)(p + 36)), 8);
	assert_int_equal(fdt64_ld((const fdt64_t *)(p + 56)), 0x8340);
	assert_int_equal(get64("/virtio@d001f000", "reg", 2, 0), 0xd001f000);
	assert_int_equal(get32("/virtio@d001f000", "interrupts", 1, 0), VECTOR_DEVICE + 31);
	assert_false(has("/virtio@d001f000", "mayfly,ready"));
	assert_false(has("/virtio@d001f000", "mayfly,console"));
}

/* In any room the tree is whole or refused, and nothing behind it is touched. */
static void little_room(void **state)
{
	struct fdt_machine m = machine();
	long need;

	(void)state;
	need = fdt_build(tree, ROOM, &m);
	for (long room = 0; room < need + 200; room++) {
		uint8_t *exact = malloc(room ? (size_t)room : 1);
		long size = fdt_build(exact, (size_t)room, &m);

		assert_true(size == -ENOSPC || (size <= room && size >= need));
		free(exact);
	}
}

/* Arguments that fill FDT_MAX, and one byte too many. */
static void much_text(void **state)
{
	struct fdt_machine m = machine();
	void *room = malloc(FDT_MAX);
	char *text = malloc(FDT_MAX + 1);
	char *one[] = { text };

	(void)state;
	memset(text, 'x', FDT_MAX);
	text[FDT_MAX - 4096] = 0;
	m.args = one;
	m.nargs = 1;
	assert_in_range(fdt_build(room, FDT_MAX, &m), FDT_MAX - 4096, FDT_MAX);
	text[FDT_MAX - 4096] = 'x';
	text[FDT_MAX] = 0;
	assert_int_equal(fdt_build(room, FDT_MAX, &m), -ENOSPC);
	text[FDT_MAX - 1000] = 0;
	assert_int_equal(fdt_build(room, FDT_MAX, &m), -ENOSPC);
	free(text);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root),          cmocka_unit_test(high_memory),
		cmocka_unit_test(cpus),          cmocka_unit_test(chosen),
		cmocka_unit_test(little_chosen), cmocka_unit_test(device_nodes),
		cmocka_unit_test(little_room),   cmocka_unit_test(much_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
