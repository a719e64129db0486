/* The PVH boot protocol, VMM side, see boot.h. */
#include <errno.h>
#include <string.h>
#include "../shared/abi.h"
#include "../shared/pvh.h"
#include "../shared/x86.h"
#include "boot.h"

/* The page at PVH_INFO_GPA. */
struct info_page {
	struct pvh_start_info info;
	struct pvh_module module[2];
	struct pvh_memmap_entry map[2];
	char cmdline[BOOT_CMDLINE_MAX + 1];
};
_Static_assert(sizeof(struct info_page) <= PAGE_SIZE, "PVH_INFO_GPA has one page");

#define GPA_OF(field) (PVH_INFO_GPA + offsetof(struct info_page, field))

int boot_info(const struct guest_mem *mem, const struct boot *boot)
{
	struct info_page *page = mem_at(mem, PVH_INFO_GPA, sizeof(*page));
	size_t len = strlen(boot->cmdline);
	unsigned n = 0;

	if (len > BOOT_CMDLINE_MAX)
		return -E2BIG;
	if (boot->program_size)
		page->module[n++] = (struct pvh_module){ .paddr = boot->program_gpa,
							 .size = boot->program_size };
	if (boot->fdt_size)
		page->module[n++] =
			(struct pvh_module){ .paddr = boot->fdt_gpa, .size = boot->fdt_size };
	page->map[0] = (struct pvh_memmap_entry){ .addr = PAGE_SIZE,
						  .size = mem->low - PAGE_SIZE,
						  .type = PVH_MEMMAP_RAM };
	page->map[1] = (struct pvh_memmap_entry){ .addr = RAM_HOLE_END,
						  .size = mem->size - mem->low,
						  .type = PVH_MEMMAP_RAM };
	memcpy(page->cmdline, boot->cmdline, len + 1);
	page->info = (struct pvh_start_info){
		.magic = PVH_MAGIC,
		.version = PVH_VERSION,
		.nr_modules = n,
		.modlist_paddr = n ? GPA_OF(module) : 0,
		.cmdline_paddr = GPA_OF(cmdline),
		.memmap_paddr = GPA_OF(map),
		.memmap_entries = mem->size > mem->low ? 2 : 1,
	};
	return 0;
}

/*
 * docs/misc/pvh.pandoc, "CPU state": 32-bit protected mode without paging;
 * flat CS, DS, ES and SS; TR a 32-bit TSS of limit 0x67; EBX = start_info;
 * EFLAGS clear. Selectors are unspecified, so they are null. The APIC base
 * is that of reset (SDM 10.4.4), bit 8 says "bootstrap processor".
 */
void boot_registers(struct kvm_sregs *sregs, struct kvm_regs *regs, uint32_t entry)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1
	};
	const struct kvm_segment unused = { .type = 0, .unusable = 1 };

	*sregs = (struct kvm_sregs){
		.cs = { .limit = 0xffffffff, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1 },
		.ds = data,
		.es = data,
		.ss = data,
		.fs = data,
		.gs = data,
		.tr = { .limit = 0x67, .type = 11, .present = 1 },
		.ldt = unused,
		.cr0 = CR0_PE | CR0_ET,
		.apic_base = APIC_GPA | 1 << 11 | 1 << 8,
	};
	*regs = (struct kvm_regs){
		.rbx = PVH_INFO_GPA,
		.rip = entry,
		.rflags = RFLAGS_FIXED,
	};
}
