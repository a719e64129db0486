/*
 * The x86/HVM direct boot ABI (PVH): Xen's docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h. Entry is in 32-bit protected
 * mode, paging off, EBX = physical address of struct pvh_start_info.
 */
#ifndef MAYFLY_PVH_H
#define MAYFLY_PVH_H

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define PVH_MAGIC                0x336ec578
#define PVH_VERSION              1
#define PVH_MEMMAP_RAM           1
#define PVH_MEMMAP_RESERVED      2

#ifndef __ASSEMBLER__
#include <stdint.h>

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct pvh_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info version 1");
_Static_assert(sizeof(struct pvh_module) == 32, "module list entry");
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "memory map entry");
#endif
#endif
