/*
 * What a guest finds when it starts, by the PVH ABI (shared/pvh.h): the
 * start_info page with memory map and modules, and the registers.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <linux/kvm.h>
#include "mem.h"

struct boot {
	const char *cmdline; /* at most BOOT_CMDLINE_MAX bytes */
	uint64_t program_gpa, program_size; /* module 0; size 0: there is none */
	uint64_t fdt_gpa, fdt_size; /* the next module; size 0: there is none */
};

#define BOOT_CMDLINE_MAX 3000

/* Fills the page at PVH_INFO_GPA. 0, or -E2BIG when the command line is too long. */
int boot_info(const struct guest_mem *mem, const struct boot *boot);

/* The state of vCPU 0 at the kernel's PVH entry point. */
void boot_registers(struct kvm_sregs *sregs, struct kvm_regs *regs, uint32_t entry);

#endif
