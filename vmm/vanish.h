/*
 * Files that become shorter while the VM has them mapped. A read by the guest
 * then makes KVM_RUN fail with EFAULT, one by ourselves is SIGBUS; but on the
 * soft flavour KVM_RUN repeats an instruction fetch from such a page, or a write to
 * one of a share, for ever.
 * That costs CPU time and nothing else does, so it's looked for once in each
 * second of CPU time (signals.c): an idle VM is not woken.
 */
#ifndef VMM_VANISH_H
#define VMM_VANISH_H

#include "vm.h"

/* Has zeroes put where files of shares have become shorter (fs_dax.h); ends the VM when
 * the next instruction's page cannot be read even so. In the vCPU's
 * thread, outside of KVM_RUN. */
void vanish_look(struct vcpu *vcpu);

#endif
