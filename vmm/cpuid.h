/*
 * What the CPUID instruction tells the guest.
 */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include <linux/kvm.h>
#include "vm.h"

#define CPUID_MAX 128

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[CPUID_MAX];
};

/* Fills the table, but for what differs between vCPUs. Ends the process when
 * the host's CPU lacks what any x86-64 guest needs. */
void cpuid_make(struct cpuid *cpuid, const struct vm *vm);

/* Makes the table that of the vCPU with this APIC id. */
void cpuid_set_id(struct cpuid *cpuid, unsigned id);

/* What a guest can have in XCR0; 0: nothing, or the host is of the soft flavour. */
uint64_t cpuid_xcr0(struct cpuid *cpuid);

#endif
