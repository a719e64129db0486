/* Instructions in files that became shorter, see vanish.h. */
#include <errno.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include "../shared/x86.h"
#include "exits.h"
#include "fs.h"
#include "gone.h"
#include "vanish.h"

#define INSTRUCTION_MAX 15

/*
 * Host address of the byte at a linear address, or NULL: page tables of four
 * levels (SDM 3A, 4.5), walked here since KVM_TRANSLATE finds nothing on the
 * soft flavour. The guest may change them meanwhile; mem_to_read() bounds all.
 */
static const void *linear(const struct guest_mem *mem, uint64_t cr3, uint64_t va)
{
	uint64_t entry = cr3;

	for (unsigned shift = 39;; shift -= 9) {
		const uint64_t *table = mem_to_read(mem, entry & PTE_ADDR, PAGE_SIZE);
		const uint64_t below = (1ull << shift) - 1;

		if (!table)
			return NULL;
		entry = __atomic_load_n(&table[va >> shift & 511], __ATOMIC_RELAXED);
		if (!(entry & PTE_P))
			return NULL;
		if (shift == PAGE_SHIFT || (entry & PTE_PS && shift < 39))
			return mem_to_read(mem, (entry & PTE_ADDR & ~below) | (va & below), 1);
	}
}

void vanish_look(struct vcpu *vcpu)
{
	const struct guest_mem *mem = &vcpu->vm->mem;
	const uint64_t rip = exit_rip(vcpu);
	struct kvm_sregs sregs;

	if (mem->dax.writable)
		fs_mend(vcpu->vm);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0 || !(sregs.efer & EFER_LMA) ||
	    sregs.cr4 & CR4_LA57)
		return;
	for (unsigned i = 0; i < INSTRUCTION_MAX; i += INSTRUCTION_MAX - 1) {
		const void *byte = linear(mem, sregs.cr3, rip + i);

		if (byte && is_gone(byte))
			exit_failed(vcpu, EFAULT);
	}
}
