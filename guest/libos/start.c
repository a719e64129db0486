/*
 * The library OS begins: a table of contents.
 */
#include "../drv/console.h"
#include "../fs/vfs.h"
#include "boot_info.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "exec.h"
#include "frames.h"
#include "memory.h"
#include "net_boot.h"
#include "random.h"
#include "thread.h"

__attribute__((section(".bss.pages"), aligned(PAGE_SIZE))) u8 vcpu0_area[PAGE_SIZE];
u32 flavour_soft; /* entry.S sets it */
static u64 boot_fs[8]; /* libfdt's stack protector looks at FS:0x28 */

extern char libos_stack_top[];
void libos_main(paddr_t start_info);
void libos_kcall_hard(void);
void libos_kcall_soft(void);
_Noreturn void libos_return(void);
_Noreturn void __stack_chk_fail(void);

bool can_wrfsbase(void)
{
	/* the soft flavour has it although its CPUID says no */
	return flavour_soft || vcpu()->fsgsbase;
}

void fs_base_set(u64 base)
{
	if (can_wrfsbase())
		asm volatile("wrfsbase %0" : : "r"(base));
	else
		kcall(KCALL_FS_BASE, base, 0, 0);
}

void __stack_chk_fail(void)
{
	panic("stack overwritten");
}

static void area_init(void)
{
	struct vcpu_area *area = (struct vcpu_area *)vcpu0_area;
	area->self = area;
	area->kcall = flavour_soft ? libos_kcall_soft : libos_kcall_hard;
	fs_base_set((u64)boot_fs);
}

static void record_boot(u64 libos_entry)
{
	struct boot_record *record = phys_to_virt(BOOT_RECORD_GPA);
	if (!boot_info.device_tree)
		return;
	record->libos_entry = libos_entry;
	record->hard = !flavour_soft;
	record->cpus_online = 1;
	record->program_entry = rdtsc();
}

void libos_main(paddr_t start_info)
{
	u64 begin = rdtsc();
	area_init();
	boot_info_read(start_info);
	frames_init();
	clock_init();
	random_init();
	process_init(libos_stack_top);
	if (fs_init())
		machine_exit(125); /* the VMM's own status; it has said why */
	process_init_files();
	console_start();
	net_boot();
	exec_boot_program();
	cpus_start();
	record_boot(begin);
	fs_base_set(0);
	libos_return();
}
