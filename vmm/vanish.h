/*
 * Files that become shorter while the VM has them mapped. A read by the guest
 * then makes KVM_RUN fail with EFAULT, one by ourselves is SIGBUS; but on the
 * soft flavour KVM_RUN repeats an instruction fetch from such a page for ever.
 * That costs CPU time and nothing else does, so it's looked for once in each
 * second of CPU time (signals.c): an idle VM is not woken.
 */
#ifndef VMM_VANISH_H
#define VMM_VANISH_H

#include "vm.h"

/* Ends the VM when the next instruction's page cannot be read, but for one of a
 * share, which gets zeroes (fs_dax.h). In the vCPU's
 * thread, outside of KVM_RUN. */
void vanish_look(struct vcpu *vcpu);

#endif
