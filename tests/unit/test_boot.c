// link: vmm/boot.c vmm/mem.c vmm/fail.c
/*
 * The PVH start_info page, read back by its physical addresses as a guest
 * does, and the registers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "../../shared/abi.h"
#include "../../shared/pvh.h"
#include "../../shared/x86.h"
#include "../../vmm/boot.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct guest_mem mem;

static const struct pvh_start_info *info(uint64_t size, const struct boot *boot)
{
	mem_create(&mem, size);
	assert_int_equal(boot_info(&mem, boot), 0);
	return mem_at(&mem, PVH_INFO_GPA, sizeof(struct pvh_start_info));
}

static void own_guest(void **state)
{
	const struct boot boot = { "a command line", 0x160000, 0x1234, FDT_GPA, 999 };
	const struct pvh_start_info *i = info(128 * MIB, &boot);
	const struct pvh_module *m = mem_at(&mem, i->modlist_paddr, 2 * sizeof(*m));
	const struct pvh_memmap_entry *e = mem_at(&mem, i->memmap_paddr, sizeof(*e));

	(void)state;
	assert_int_equal(i->magic, PVH_MAGIC);
	assert_int_equal(i->version, 1);
	assert_int_equal(i->flags, 0);
	assert_int_equal(i->rsdp_paddr, 0);
	assert_int_equal(i->nr_modules, 2);
	assert_int_equal(m[0].paddr, 0x160000);
	assert_int_equal(m[0].size, 0x1234);
	assert_int_equal(m[1].paddr, FDT_GPA);
	assert_int_equal(m[1].size, 999);
	assert_string_equal(mem_at(&mem, i->cmdline_paddr, 15), "a command line");
	assert_int_equal(i->memmap_entries, 1);
	assert_int_equal(e->addr, PAGE_SIZE);
	assert_int_equal(e->addr + e->size, 128 * MIB);
	assert_int_equal(e->type, PVH_MEMMAP_RAM);
	assert_true(i->cmdline_paddr + BOOT_CMDLINE_MAX < BOOT_RECORD_GPA);
}

static void other_kernel(void **state)
{
	const struct boot boot = { .cmdline = "" };
	const struct pvh_start_info *i = info(5 * GIB, &boot);
	const struct pvh_memmap_entry *e = mem_at(&mem, i->memmap_paddr, 2 * sizeof(*e));

	(void)state;
	assert_int_equal(i->nr_modules, 0);
	assert_int_equal(i->modlist_paddr, 0);
	assert_int_equal(i->memmap_entries, 2);
	assert_int_equal(e[0].addr + e[0].size, RAM_HOLE_START);
	assert_int_equal(e[1].addr, RAM_HOLE_END);
	assert_int_equal(e[1].size, 2 * GIB);
}

/* One module only: the first place is the device tree's. */
static void only_fdt(void **state)
{
	const struct boot boot = { .cmdline = "", .fdt_gpa = FDT_GPA, .fdt_size = 100 };
	const struct pvh_start_info *i = info(2 * MIB, &boot);
	const struct pvh_module *m = mem_at(&mem, i->modlist_paddr, sizeof(*m));

	(void)state;
	assert_int_equal(i->nr_modules, 1);
	assert_int_equal(m->paddr, FDT_GPA);
}

static void long_command_line(void **state)
{
	char *text = malloc(BOOT_CMDLINE_MAX + 2);
	struct boot boot = { .cmdline = text };

	(void)state;
	mem_create(&mem, 2 * MIB);
	memset(text, 'x', BOOT_CMDLINE_MAX + 1);
	text[BOOT_CMDLINE_MAX + 1] = 0;
	assert_int_equal(boot_info(&mem, &boot), -E2BIG);
	text[BOOT_CMDLINE_MAX] = 0;
	assert_int_equal(boot_info(&mem, &boot), 0);
	assert_int_equal(*(uint64_t *)mem_at(&mem, BOOT_RECORD_GPA, 8), 0);
	free(text);
}

static void registers(void **state)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	(void)state;
	boot_registers(&s, &r, 0x100020);
	assert_int_equal(r.rip, 0x100020);
	assert_int_equal(r.rbx, PVH_INFO_GPA);
	assert_int_equal(r.rflags, RFLAGS_FIXED);
	assert_int_equal(s.cr0, CR0_PE | CR0_ET);
	assert_int_equal(s.cr4, 0);
	assert_int_equal(s.efer, 0);
	assert_true(s.cs.db && s.cs.g && !s.cs.l && s.cs.limit == 0xffffffff && s.cs.type == 11);
	assert_true(s.ds.type == 3 && s.ss.type == 3 && s.es.type == 3 && s.ss.db);
	assert_true(s.tr.type == 11 && s.tr.limit == 0x67 && !s.tr.s && s.tr.present);
	assert_int_equal(s.apic_base, 0xfee00900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_guest), cmocka_unit_test(other_kernel),
		cmocka_unit_test(only_fdt),  cmocka_unit_test(long_command_line),
		cmocka_unit_test(registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
